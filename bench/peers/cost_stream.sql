-- cost_stream.sql: one stream of orders, allocated by three contenders, each on its own copy of the stock, and what their plans
-- cost by one cost model: ours (retail.place_order()), nearest node, fewest splits. For bench/allocation_cost.sh.
--
-- psql variables: orders   length of the stream
-- Needs schema bench (destinations.sql) and schema oracle (test/oracle/statement.sql), which reads routes, departures and stock
-- from the tables by SQL of its own. What retail.place_order() says that its plans cost is checked against the cost model here.
\pset tuples_only on
\pset format unaligned
\pset fieldsep '\t'
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
SET jit = off;
SET work_mem = '256MB';
SELECT FROM setseed(0.4) \g /dev/null

-- ---- the stream: a week of orders of 1 to 6 lines, most between nine and midnight; SKUs with low numbers sell best --------------
CREATE TABLE bench.stream AS
	SELECT i AS order_no, 1 + (random() * 499)::int AS dest, 1 + floor(random() * random() * 6)::int AS n_lines,
		(date_trunc('day', now() AT TIME ZONE 'Asia/Shanghai') - interval '8 days' + i * interval '7 days' / :orders) AT TIME ZONE 'Asia/Shanghai' AS even_time
	FROM generate_series(1, :orders) i;
ALTER TABLE bench.stream ADD as_of timestamptz;
-- hours 9 to 24 of each day instead of 0 to 24, in the same order
UPDATE bench.stream SET as_of = date_trunc('day', even_time, 'Asia/Shanghai') + interval '9 hours' + (even_time - date_trunc('day', even_time, 'Asia/Shanghai')) * 15 / 24;
CREATE TABLE bench.stream_line AS
	SELECT DISTINCT ON (s.order_no, k.sku_id) s.order_no, s.dest, k.sku_id, k.code, 1 + floor(random() * random() * 4)::bigint AS quantity, k.weight_g, k.volume_cm3, oracle.classes(ARRAY[k.temperature_class]) AS class
	FROM bench.stream s CROSS JOIN generate_series(1, 6) l (n) CROSS JOIN LATERAL (SELECT floor(-ln(1 - random() * 0.95) / 3 * (SELECT count(*) FROM retail.sku) + 0 * l.n)::int AS pick) p
	JOIN retail.sku k ON k.code = 'SKU' || 100001 + p.pick WHERE l.n <= s.n_lines;
ALTER TABLE bench.stream_line ADD PRIMARY KEY (order_no, sku_id);

-- ---- the world as it is for everybody: how far, by which carriers, at which price ----------------------------------------------
CREATE TABLE bench.leaving AS
	SELECT s.order_no, s.as_of, g.calendar_id, g.cut_off, oracle.departure(g.calendar_id, g.time_zone, g.cut_off, g.processing_minutes, s.as_of) AS leaves
	FROM bench.stream s, (SELECT DISTINCT calendar_id, time_zone, cut_off, processing_minutes FROM retail.node WHERE is_active AND can_ship) g;
CREATE TABLE bench.route AS
	SELECT d.id AS dest, r.node_id, r.service_id, r.card_id, r.classes, r.hours
	FROM (SELECT array_agg(node_id) AS all_nodes FROM retail.node WHERE is_active AND can_ship) a
	CROSS JOIN bench.destination d
	CROSS JOIN LATERAL oracle.routes(a.all_nodes, (SELECT region_id FROM retail.region WHERE code = d.region), point(d.lon, d.lat), now()) r WHERE d.id <= 500;
CREATE INDEX ON bench.route (dest, node_id);
CREATE TABLE bench.near AS
	SELECT r.dest, r.node_id, bit_or(r.classes) AS classes, min(oracle.km(o.there, point(d.lon, d.lat))) AS km
	FROM bench.route r JOIN bench.destination d ON d.id = r.dest JOIN oracle.origin o ON o.node_id = r.node_id AND o.steps = -1 GROUP BY 1, 2;
CREATE INDEX ON bench.near (dest, km);
CREATE TABLE bench.peer_stock AS
	SELECT c.contender, s.sku_id, s.node_id, s.units FROM (SELECT array_agg(DISTINCT sku_id) AS skus FROM bench.stream_line) l
	CROSS JOIN LATERAL oracle.promisable((SELECT channel_id FROM retail.channel WHERE code = 'app'), l.skus, now()) s, (VALUES ('nearest'), ('fewest')) c (contender) WHERE s.units > 0;
ALTER TABLE bench.peer_stock ADD PRIMARY KEY (contender, sku_id, node_id);
CREATE TABLE bench.planned (contender text, order_no int, parcel bigint, node_id bigint, sku_id bigint, quantity bigint);
ANALYZE;

-- ---- the contenders ------------------------------------------------------------------------------------------------------------
CREATE FUNCTION bench.take(the_contender text, the_order int, the_sku bigint, the_node bigint, the_quantity bigint) RETURNS void LANGUAGE sql AS $$
	UPDATE bench.peer_stock SET units = units - the_quantity WHERE contender = the_contender AND sku_id = the_sku AND node_id = the_node;
	INSERT INTO bench.planned VALUES (the_contender, the_order, the_node, the_node, the_sku, the_quantity);
$$;

-- Nearest node: each line from the nearest node that has it and can send it; lines of one node share a parcel. All or nothing.
CREATE FUNCTION bench.nearest(the_order int, the_contender text DEFAULT 'nearest') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	l record;
BEGIN
	FOR l IN SELECT x.*, (SELECT n.node_id FROM bench.near n JOIN bench.peer_stock s ON s.contender = the_contender AND s.sku_id = x.sku_id AND s.node_id = n.node_id
			WHERE n.dest = x.dest AND n.classes & x.class = x.class AND s.units >= x.quantity ORDER BY n.km LIMIT 1) AS node FROM bench.stream_line x WHERE x.order_no = the_order LOOP
		IF l.node IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'RT020';
		END IF;
		PERFORM bench.take(the_contender, the_order, l.sku_id, l.node, l.quantity);
	END LOOP;
EXCEPTION WHEN SQLSTATE 'RT020' THEN
	NULL;
END $$;

-- Fewest splits, as Salesforce Order Management does it: one node that has all of it, else two, else three (of the 40 nearest that
-- have some), the nearest on average; each line from the nearer of them. Else every line from its nearest node.
CREATE FUNCTION bench.fewest(the_order int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	chosen bigint[];
	l record;
BEGIN
	CREATE TEMP TABLE IF NOT EXISTS candidate (node_id bigint, km float8, lines int);
	TRUNCATE candidate;
	INSERT INTO candidate SELECT n.node_id, n.km, bit_or(1 << x.n) FROM (SELECT *, row_number() OVER (ORDER BY sku_id)::int - 1 AS n, count(*) OVER () FROM bench.stream_line WHERE order_no = the_order) x
		JOIN bench.near n ON n.dest = x.dest AND n.classes & x.class = x.class JOIN bench.peer_stock s ON s.contender = 'fewest' AND s.sku_id = x.sku_id AND s.node_id = n.node_id AND s.units >= x.quantity
		GROUP BY 1, 2;
	SELECT INTO l (1 << count(*)::int) - 1 AS everything FROM bench.stream_line WHERE order_no = the_order;
	SELECT INTO chosen ARRAY[c.node_id] FROM candidate c WHERE c.lines = l.everything ORDER BY c.km LIMIT 1;
	IF chosen IS NULL THEN
		SELECT INTO chosen ARRAY[a.node_id, b.node_id] FROM candidate a JOIN candidate b ON a.node_id < b.node_id AND a.lines | b.lines = l.everything ORDER BY a.km + b.km LIMIT 1;
	END IF;
	IF chosen IS NULL THEN
		WITH few AS (SELECT * FROM candidate ORDER BY km LIMIT 40)
		SELECT INTO chosen ARRAY[a.node_id, b.node_id, c.node_id] FROM few a JOIN few b ON a.node_id < b.node_id JOIN few c ON b.node_id < c.node_id AND a.lines | b.lines | c.lines = l.everything
			ORDER BY a.km + b.km + c.km LIMIT 1;
	END IF;
	IF chosen IS NULL THEN
		PERFORM bench.nearest(the_order, 'fewest');
		RETURN;
	END IF;
	PERFORM bench.take('fewest', the_order, x.sku_id, (SELECT n.node_id FROM bench.near n JOIN bench.peer_stock s ON s.contender = 'fewest' AND s.sku_id = x.sku_id AND s.node_id = n.node_id
		WHERE n.dest = x.dest AND n.node_id = ANY (chosen) AND n.classes & x.class = x.class AND s.units >= x.quantity ORDER BY n.km LIMIT 1), x.quantity)
	FROM bench.stream_line x WHERE x.order_no = the_order;
END $$;

CREATE PROCEDURE bench.place_stream() LANGUAGE plpgsql AS $$
DECLARE
	o record;
BEGIN
	FOR o IN SELECT x.order_no, x.dest, (SELECT s.as_of FROM bench.stream s WHERE s.order_no = x.order_no) AS as_of, jsonb_agg(jsonb_build_object('sku', x.code, 'qty', x.quantity, 'price', 10) ORDER BY x.sku_id) AS lines FROM bench.stream_line x GROUP BY 1, 2 ORDER BY 1 LOOP
		BEGIN
			PERFORM retail.place_order('app', 'STREAM-' || o.order_no, o.lines, d.destination, payment => 'on_delivery', as_of => o.as_of) FROM bench.destination d WHERE d.id = o.dest;
		EXCEPTION WHEN SQLSTATE 'RT020' OR SQLSTATE 'RT021' THEN
			NULL;
		END;
		COMMIT;
	END LOOP;
END $$;

SELECT count(bench.nearest(order_no)) FROM (SELECT order_no FROM bench.stream ORDER BY 1) x \g /dev/null
SELECT count(bench.fewest(order_no)) FROM (SELECT order_no FROM bench.stream ORDER BY 1) x \g /dev/null
CALL bench.place_stream();
INSERT INTO bench.planned SELECT 'ours', substr(o.external_no, 8)::int, s.shipment_id, s.node_id, l.sku_id, l.quantity
	FROM retail.sales_order o JOIN retail.shipment s USING (order_id) JOIN retail.shipment_line l USING (shipment_id) WHERE o.external_no LIKE 'STREAM-%';

-- ---- what it costs: each parcel by its cheapest carrier. What a peer sends from one node goes as one parcel, or as one for each
-- temperature class, or line by line, whichever is cheapest ---------------------------------------------------------------------
CREATE TABLE bench.parcel AS
	SELECT p.contender, p.order_no, x.dest, p.parcel, p.node_id, v.kind, CASE v.kind WHEN 'class' THEN x.class WHEN 'line' THEN x.sku_id ELSE 0 END AS part,
		sum(p.quantity) AS units, sum(p.quantity * x.weight_g) AS weight_g, sum(p.quantity * x.volume_cm3) AS volume_cm3, bit_or(x.class) AS class
	FROM bench.planned p JOIN bench.stream_line x USING (order_no, sku_id) JOIN (VALUES ('whole'), ('class'), ('line')) v (kind) ON v.kind = 'whole' OR p.contender <> 'ours' GROUP BY 1, 2, 3, 4, 5, 6, 7;
CREATE TABLE bench.priced AS
	SELECT p.*, (SELECT min((greatest(ceil(extract(epoch FROM l.leaves + r.hours * interval '1 hour' - l.as_of - y.target_hours * interval '1 hour') / 86400), 0) * y.lateness_per_day * 100)::bigint + (100 * (b.base_price + CASE WHEN b.step_g > 0 AND w.g > b.over_g THEN ceil((w.g - b.over_g) / b.step_g::numeric) * b.step_price ELSE 0 END))::bigint)
		FROM bench.route r JOIN retail.carrier_service s ON s.carrier_service_id = r.service_id
		CROSS JOIN LATERAL (SELECT greatest(p.weight_g, CASE WHEN s.volumetric_divisor > 0 THEN ceil(p.volume_cm3 * 1000 / s.volumetric_divisor) ELSE 0 END) AS g) w
		JOIN LATERAL (SELECT * FROM retail.rate_bracket x WHERE x.rate_card_id = r.card_id AND x.up_to_g >= w.g ORDER BY x.up_to_g LIMIT 1) b ON true
		WHERE r.dest = p.dest AND r.node_id = p.node_id AND r.classes & p.class = p.class) + (100 * (n.parcel_cost + n.unit_cost * p.units))::bigint AS cents
	FROM bench.parcel p JOIN retail.node n USING (node_id) JOIN bench.leaving l ON l.order_no = p.order_no AND (l.calendar_id, l.cut_off) = (n.calendar_id, n.cut_off)
	JOIN retail.allocation_policy y ON y.status = 'active' AND y.channel_id IS NULL;
CREATE TABLE bench.cost AS
	WITH penalty AS (SELECT (split_penalty * 100)::bigint AS cents FROM retail.allocation_policy WHERE status = 'active' AND channel_id IS NULL),
	way AS (	-- a way that leaves a parcel without a price is none
		SELECT contender, order_no, parcel, kind, count(*) AS parcels, sum(p.cents + y.cents) AS cents FROM bench.priced p, penalty y GROUP BY 1, 2, 3, 4 HAVING count(p.cents) = count(*)
	), node_cost AS (
		SELECT DISTINCT ON (contender, order_no, parcel) * FROM way ORDER BY contender, order_no, parcel, cents
	), sent AS (
		SELECT contender, order_no, count(DISTINCT parcel) AS n FROM bench.planned GROUP BY 1, 2
	)
	SELECT c.contender, c.order_no, sum(c.cents) - y.cents AS cents, sum(c.parcels) AS parcels FROM node_cost c JOIN sent s USING (contender, order_no) CROSS JOIN penalty y
		GROUP BY c.contender, c.order_no, s.n, y.cents HAVING count(*) = s.n;

SELECT 'differ', count(*) FROM bench.cost c JOIN retail.sales_order o ON o.external_no = 'STREAM-' || c.order_no JOIN retail.allocation_decision d USING (order_id) WHERE c.contender = 'ours' AND c.cents <> d.cost * 100;
WITH common AS (SELECT order_no FROM bench.cost GROUP BY 1 HAVING count(*) = 3)
SELECT c.contender, sum(c.cents) / 100.0, sum(c.parcels), count(*), (SELECT count(*) FROM bench.cost x WHERE x.contender = c.contender) FROM bench.cost c JOIN common USING (order_no) GROUP BY 1 ORDER BY 1;
