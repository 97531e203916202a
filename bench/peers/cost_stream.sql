-- cost_stream.sql: one stream of orders, and who allocates it: ours (retail.place_order()), nearest node, fewest splits. The peers
-- have copies of the stock of their own. For bench/allocation_cost.sh, which calls them; cost_of_plans.sql says what it came to.
--
-- psql variables: orders   length of the stream
-- Needs cost_world.sql.
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
-- hours 9 to 24 of each day instead of 0 to 24, in the same order, to the minute
UPDATE bench.stream SET as_of = date_trunc('minute', date_trunc('day', even_time, 'Asia/Shanghai') + interval '9 hours' + (even_time - date_trunc('day', even_time, 'Asia/Shanghai')) * 15 / 24);
-- 0 * order_no: so that SKUs are drawn for each order anew
CREATE TABLE bench.stream_line AS
	SELECT DISTINCT ON (s.order_no, k.sku_id) s.order_no, s.dest, k.sku_id, k.code, 1 + floor(random() * random() * 4)::bigint AS quantity, k.weight_g, k.volume_cm3, oracle.classes(ARRAY[k.temperature_class]) AS class
	FROM bench.stream s CROSS JOIN generate_series(1, 6) l (n)
	CROSS JOIN LATERAL (SELECT floor(-ln(1 - random() * 0.95) / 3 * (SELECT count(*) FROM retail.sku) + 0 * (s.order_no + l.n))::int AS pick) p
	JOIN retail.sku k ON k.code = 'SKU' || 100001 + p.pick WHERE l.n <= s.n_lines;
ALTER TABLE bench.stream_line ADD PRIMARY KEY (order_no, sku_id);
CREATE VIEW bench.request AS
	SELECT s.order_no, s.as_of, d.destination, l.lines FROM bench.stream s JOIN bench.destination d ON d.id = s.dest
	CROSS JOIN LATERAL (SELECT jsonb_agg(jsonb_build_object('sku', x.code, 'qty', x.quantity, 'price', 10) ORDER BY x.sku_id) AS lines FROM bench.stream_line x WHERE x.order_no = s.order_no) l;
CREATE TABLE bench.peer_stock AS
	SELECT c.contender, s.sku_id, s.node_id, s.units FROM (SELECT array_agg(DISTINCT sku_id) AS skus FROM bench.stream_line) l
	CROSS JOIN LATERAL oracle.promisable((SELECT channel_id FROM retail.channel WHERE code = 'app'), l.skus, now()) s, (VALUES ('nearest'), ('fewest')) c (contender) WHERE s.units > 0 ORDER BY 1, 2, 3;
ALTER TABLE bench.peer_stock ADD PRIMARY KEY (contender, sku_id, node_id);
CREATE TABLE bench.planned (contender text, order_no int, parcel bigint, node_id bigint, sku_id bigint, quantity bigint);
CREATE TABLE bench.alone (order_no int, cents bigint);
VACUUM ANALYZE;

-- ---- the peers: all of an order or nothing ---------------------------------------------------------------------------------------
-- Which node could send which line, whole: lines by their place in the order.
CREATE FUNCTION bench.offers(the_contender text, the_order int) RETURNS TABLE (node_id bigint, km float8, n int, sku_id bigint, quantity bigint) LANGUAGE sql STABLE AS $$
	SELECT n.node_id, n.km, x.n, x.sku_id, x.quantity FROM (SELECT *, row_number() OVER (ORDER BY sku_id)::int - 1 AS n FROM bench.stream_line WHERE order_no = the_order) x
	JOIN bench.peer_stock s ON s.contender = the_contender AND s.sku_id = x.sku_id AND s.units >= x.quantity
	JOIN bench.near n ON n.dest = x.dest AND n.class = x.class AND n.node_id = s.node_id
$$;

-- Nearest node: each line from the nearest node (of some, if they are named) that has it and can send it; lines of one node share a parcel.
CREATE FUNCTION bench.nearest(the_order int, the_contender text DEFAULT 'nearest', only_nodes bigint[] DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	WITH choice AS MATERIALIZED (
		SELECT DISTINCT ON (o.n) o.* FROM bench.offers(the_contender, the_order) o WHERE only_nodes IS NULL OR o.node_id = ANY (only_nodes) ORDER BY o.n, o.km
	), complete AS MATERIALIZED (
		SELECT * FROM choice WHERE (SELECT count(*) FROM choice) = (SELECT count(*) FROM bench.stream_line WHERE order_no = the_order)
	), taken AS (
		UPDATE bench.peer_stock s SET units = s.units - c.quantity FROM complete c WHERE s.contender = the_contender AND s.sku_id = c.sku_id AND s.node_id = c.node_id
	)
	INSERT INTO bench.planned SELECT the_contender, the_order, c.node_id, c.node_id, c.sku_id, c.quantity FROM complete c;
END $$;

-- Fewest splits, as Salesforce Order Management does it: one node that has all of it, else two, else three (of the 40 nearest that
-- have some), the nearest on average. Null: more than three.
CREATE FUNCTION bench.fewest_nodes(the_order int) RETURNS bigint[] LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (WITH candidate AS MATERIALIZED (
		SELECT node_id, km, bit_or(1 << n) AS lines FROM bench.offers('fewest', the_order) GROUP BY 1, 2
	), few AS MATERIALIZED (
		SELECT * FROM candidate ORDER BY km LIMIT 40
	), wanted AS MATERIALIZED (
		SELECT (1 << count(*)::int) - 1 AS lines FROM bench.stream_line WHERE order_no = the_order
	)
	SELECT coalesce((SELECT ARRAY[c.node_id] FROM candidate c WHERE c.lines = (SELECT lines FROM wanted) ORDER BY c.km LIMIT 1),
		(SELECT ARRAY[a.node_id, b.node_id] FROM candidate a JOIN candidate b ON a.node_id < b.node_id AND a.lines | b.lines = (SELECT lines FROM wanted) ORDER BY a.km + b.km LIMIT 1),
		(SELECT ARRAY[a.node_id, b.node_id, c.node_id] FROM few a JOIN few b ON a.node_id < b.node_id JOIN few c ON b.node_id < c.node_id AND a.lines | b.lines | c.lines = (SELECT lines FROM wanted)
			ORDER BY a.km + b.km + c.km LIMIT 1)));
END $$;

-- Of the chosen nodes each line comes from the nearest; when three are not enough, from the nearest of all.
CREATE PROCEDURE bench.place_by_peer(the_contender text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. (SELECT max(order_no) FROM bench.stream) LOOP
		IF the_contender = 'fewest' THEN
			PERFORM bench.nearest(i, 'fewest', bench.fewest_nodes(i));
		ELSE
			PERFORM bench.nearest(i);
		END IF;
		IF i % 100 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END $$;

-- ---- ours, and what nobody can beat ------------------------------------------------------------------------------------------------
-- With prices: every midnight those of scarce stock are computed from the orders so far, for the days that are left.
CREATE PROCEDURE bench.place_stream(priced boolean DEFAULT false) LANGUAGE plpgsql AS $$
DECLARE
	o record;
	today date;
	last_day date := (SELECT max(as_of) AT TIME ZONE 'Asia/Shanghai' FROM bench.stream);
BEGIN
	FOR o IN SELECT * FROM bench.request ORDER BY order_no LOOP
		IF priced AND (o.as_of AT TIME ZONE 'Asia/Shanghai')::date IS DISTINCT FROM today THEN
			today := o.as_of AT TIME ZONE 'Asia/Shanghai';
			PERFORM retail.run_scarcity_prices(o.as_of, last_day - today + 1);
		END IF;
		BEGIN
			PERFORM retail.place_order('app', 'STREAM-' || o.order_no, o.lines, o.destination, payment => 'on_delivery', as_of => o.as_of);
		EXCEPTION WHEN SQLSTATE 'RT020' OR SQLSTATE 'RT021' THEN
			NULL;
		END;
		COMMIT;
	END LOOP;
END $$;

-- Each order as if it were the only one: no plan of it costs less, by whatever way the stock was divided among all of them.
CREATE PROCEDURE bench.decide_alone() LANGUAGE plpgsql AS $$
DECLARE
	o record;
BEGIN
	FOR o IN SELECT * FROM bench.request ORDER BY order_no LOOP
		BEGIN
			INSERT INTO bench.alone SELECT o.order_no, ((q.trace ->> 'lower_bound')::numeric * 100)::bigint FROM retail.quote_order('app', o.lines, o.destination, as_of => o.as_of) q;
		EXCEPTION WHEN SQLSTATE 'RT020' OR SQLSTATE 'RT021' THEN
			NULL;
		END;
	END LOOP;
END $$;

SELECT 'stream', (SELECT count(*) FROM bench.stream), count(*), count(DISTINCT sku_id), sum(quantity) FROM bench.stream_line;
