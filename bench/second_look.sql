-- second_look.sql: a stream of orders on a thin assortment, with receipts in between, and retail.run_reoptimise() every five minutes,
-- or never. Called by run_reoptimise.sh; the same stream in every run.
--
-- Half a day from 08:00: 4,000 orders of one to four lines, one unit each, SKUs with low numbers sell best. Every quarter of an hour
-- twelve SKUs arrive at each warehouse. Opening stock is cut to a fiftieth: mostly one unit in a store, of a SKU that lies at one node
-- in twenty. Who finds nothing goes elsewhere.
SELECT setseed(0.5) \g /dev/null
CREATE TABLE bench.stream AS
	SELECT n, timestamptz '2026-03-03 08:00+08' + n * interval '10.8 s' AS at,
		(SELECT jsonb_agg(jsonb_build_object('sku', s.sku, 'qty', 1)) FROM (
			SELECT DISTINCT 'SKU' || 100000 + 1 + floor(:skus * (1 - random() ^ 0.5) * 0.999999)::int AS sku FROM generate_series(1, 1 + n % 4) k WHERE k + n > 0) s) AS lines,
		(SELECT d.destination FROM bench.destination d WHERE d.id = 1 + n * 7919 % 10000) AS destination
	FROM generate_series(1, 4000) n;
CREATE TABLE bench.receipt AS
	SELECT timestamptz '2026-03-03 08:00+08' + k * interval '15 min' AS at, n.code AS node,
		(SELECT jsonb_agg(jsonb_build_object('sku', s.code, 'qty', 10)) FROM (SELECT x.code FROM retail.sku x
			WHERE (x.temperature_class = 'ambient' OR 'chilled' = ANY (n.temperature_classes)) AND k + n.node_id > 0 ORDER BY random() LIMIT 12) s) AS lines
	FROM generate_series(1, 48) k, retail.node n WHERE n.kind = 'warehouse';
SELECT count(retail.adjust_stock('CUT-' || n.code, n.code, (SELECT jsonb_agg(jsonb_build_object('sku', k.code, 'qty', greatest(s.on_hand / 50, 1) - s.on_hand))
	FROM retail.stock s JOIN retail.sku k USING (sku_id) WHERE s.node_id = n.node_id AND s.on_hand > 1), 'scarce', '2026-03-03 00:00+08')) FROM retail.node n
	WHERE EXISTS (SELECT FROM retail.stock s WHERE s.node_id = n.node_id AND s.on_hand > 1) \g /dev/null

CREATE PROCEDURE bench.replay(look boolean) LANGUAGE plpgsql AS $$
DECLARE
	e record;
BEGIN
	UPDATE retail.task SET enabled = false;
	FOR e IN SELECT s.at, 1 AS kind, s.n::text AS what, s.lines, s.destination FROM bench.stream s
		UNION ALL SELECT r.at, 2, r.node, r.lines, NULL FROM bench.receipt r
		UNION ALL SELECT t, 3, NULL, NULL, NULL FROM generate_series(timestamptz '2026-03-03 08:05+08', '2026-03-03 21:00+08', '5 min') t WHERE look
		ORDER BY 1, 2, 3
	LOOP
		IF e.kind = 3 THEN
			PERFORM retail.run_reoptimise(e.at);
		ELSIF e.kind = 2 THEN
			PERFORM retail.receive_stock('R' || e.at, e.what, e.lines, e.at);
		ELSE
			BEGIN
				PERFORM retail.place_order('app', e.what, e.lines, e.destination, payment => 'on_delivery', as_of => e.at);
			EXCEPTION WHEN SQLSTATE 'RT020' OR SQLSTATE 'RT021' THEN
				NULL;		-- sold out
			END;
		END IF;
		COMMIT;
	END LOOP;
END $$;

-- orders, parcels, freight and handling with two more for each parcel after the first
CREATE VIEW bench.outcome AS
	SELECT count(DISTINCT s.order_id) AS orders, count(*) AS parcels, sum(s.freight_cost + s.handling_cost) + 2 * (count(*) - count(DISTINCT s.order_id)) AS cost,
		(SELECT count(*) FROM retail.order_event e WHERE e.kind = 'replanned') AS replanned
	FROM retail.shipment s WHERE s.status <> 'cancelled';

-- the extra parcels of orders with SKUs that travel warm and cold: most are cheaper apart
CREATE VIEW bench.mixed AS
	SELECT sum(x.parcels - 1) AS extra FROM (
		SELECT count(DISTINCT s.shipment_id) AS parcels FROM retail.shipment s JOIN retail.shipment_line l USING (shipment_id) JOIN retail.sku k USING (sku_id)
		WHERE s.status <> 'cancelled' GROUP BY s.order_id HAVING count(DISTINCT k.temperature_class) > 1) x;

-- What no second look can beat, whatever the algorithm: each order quoted as of its placing when its cool-down ends, on all the stock that
-- came in by then, as if no other order had taken a unit. It may even use what came after its parcels had to leave.
CREATE TABLE bench.alone (n int PRIMARY KEY, parcels int);
CREATE PROCEDURE bench.quote_alone(cool_down interval) LANGUAGE plpgsql AS $$
DECLARE
	e record;
BEGIN
	FOR e IN SELECT s.at + cool_down AS at, 2 AS kind, s.n::text AS what, s.lines, s.destination, s.at AS placed FROM bench.stream s
		UNION ALL SELECT r.at, 1, r.node, r.lines, NULL, NULL FROM bench.receipt r
		ORDER BY 1, 2, 3
	LOOP
		IF e.kind = 1 THEN
			PERFORM retail.receive_stock('R' || e.at, e.what, e.lines, e.at);
		ELSE
			BEGIN
				INSERT INTO bench.alone SELECT e.what::int, jsonb_array_length(q.parcels) FROM retail.quote_order('app', e.lines, e.destination, as_of => e.placed) q;
			EXCEPTION WHEN SQLSTATE 'RT020' OR SQLSTATE 'RT021' THEN
				NULL;
			END;
		END IF;
	END LOOP;
END $$;
