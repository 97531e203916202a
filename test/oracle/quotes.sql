-- quotes.sql: random orders on a generated chain (demo/chain.sql, bench/destinations.sql), quoted by retail.quote_order() and
-- stated by plain SQL (statement.sql). Prints the instances, one a line.
--
-- psql variables: n orders; five of six are shipped, the others are collected at a store. Some hundred orders are placed first, so that stock is reserved and stores are full for the day.
\pset tuples_only on
\pset format unaligned
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
SET jit = off;
SELECT FROM setseed(0.31) \g /dev/null

-- The till has a policy of its own.
SELECT retail.put_allocation_policy('till', 'active', 'pos', split_penalty => 0.5, lateness_per_day => 2.5, target_hours => 24, max_parcels => 3, allow_line_split => false,
	scarcity_weight => 0.333, markdown_weight => 2) \g /dev/null
-- Some stock is scarce, some is to be sold off, some nodes take a break.
SELECT retail.put_stock_prices(jsonb_agg(jsonb_build_object('sku', k.code, 'node', n.code, 'scarcity', x.scarcity, 'markdown', x.markdown))) FROM retail.stock s JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id)
	CROSS JOIN LATERAL (SELECT round((s.sku_id * 7 + s.node_id) % 300 / 100.0, 2) AS scarcity, CASE WHEN s.sku_id % 3 = 0 THEN (s.node_id * 13 % 500) / 100.0 ELSE 0 END AS markdown) x WHERE s.sku_id % 2 = 0 \g /dev/null
SELECT count(retail.pause_node(code, now() - interval '4 days', 'stocktaking', now() - interval '9 days')) FROM retail.node WHERE node_id % 11 = 0 \g /dev/null

-- One order in six is collected, at one of twelve stores, so that their days fill up.
CREATE TABLE oracle.request AS
	SELECT i AS id, CASE WHEN i % 4 = 0 THEN 'pos' ELSE 'app' END AS channel, p.code AS store,
		(SELECT jsonb_agg(jsonb_build_object('sku', s.code, 'qty', CASE WHEN i % 24 = 0 THEN 5000 ELSE 1 + floor(random() * 3)::int END, 'price', 10)) FROM
			(SELECT k.code FROM retail.sku k WHERE p.node_id IS NULL OR EXISTS (SELECT FROM retail.stock x WHERE x.sku_id = k.sku_id AND x.node_id = p.node_id AND x.on_hand > 0)
				ORDER BY random() LIMIT 1 + floor(random() * 6 + 0 * i)::int) s) AS lines,
		CASE WHEN i % 5 = 0 THEN d.destination - 'lat' - 'lon' ELSE d.destination END AS destination,
		date_trunc('second', now() - random() * interval '9 days') AS as_of
	FROM generate_series(1, :n + 400) i JOIN bench.destination d ON d.id = 1 + i * 37 % 10000
	LEFT JOIN (SELECT n.node_id, n.code, row_number() OVER (ORDER BY n.node_id) AS number FROM retail.node n WHERE n.can_pick_up AND n.node_id % 11 <= 1) p
		ON i % 12 IN (1, 4) AND p.number = 1 + i / 12 % 12;

CREATE PROCEDURE oracle.place_some(n int) LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT * FROM oracle.request q ORDER BY q.id LIMIT n LOOP
		BEGIN
			PERFORM retail.place_order(r.channel, 'ORACLE-' || r.id, r.lines, CASE WHEN r.store IS NULL THEN r.destination END,
				fulfilment => CASE WHEN r.store IS NULL THEN 'ship' ELSE 'pick_up' END, pick_up_node => r.store, payment => 'on_delivery', as_of => r.as_of);
		EXCEPTION WHEN SQLSTATE 'RT020' OR SQLSTATE 'RT021' OR SQLSTATE 'RT022' THEN
			NULL;
		END;
	END LOOP;
END $$;
CALL oracle.place_some(400);

CREATE TABLE oracle.quoted AS SELECT r.*, oracle.quote(r.channel, r.lines, r.destination, r.as_of, r.store) AS cents FROM oracle.request r WHERE r.id > 400;
SELECT oracle.statement(q.id, q.cents, q.channel, q.lines, q.destination, q.as_of, q.store) FROM oracle.quoted q ORDER BY q.id;
