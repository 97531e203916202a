-- cost_of_plans.sql: what the plans of the contenders of cost_stream.sql cost by one cost model, over the orders that all of them
-- serve. What retail.place_order() says that its plans cost is checked against it. For bench/allocation_cost.sh.
--
-- Prints tab-separated: "differ" and the number of our decisions that say another cost; then a row for each contender ("alone" is
-- the lower bound): cost, parcels, orders compared, orders served.
\pset tuples_only on
\pset format unaligned
\pset fieldsep '\t'
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
SET jit = off;
SET work_mem = '256MB';

INSERT INTO bench.planned SELECT 'ours', substr(o.external_no, 8)::int, s.shipment_id, s.node_id, l.sku_id, l.quantity
	FROM retail.sales_order o JOIN retail.shipment s USING (order_id) JOIN retail.shipment_line l USING (shipment_id) WHERE o.external_no LIKE 'STREAM-%';
CREATE TABLE bench.leaving AS
	SELECT t.as_of, g.*, oracle.departure(g.calendar_id, g.time_zone, g.cut_off, g.processing_minutes, t.as_of) AS leaves
	FROM (SELECT DISTINCT as_of FROM bench.stream) t, (SELECT DISTINCT calendar_id, time_zone, cut_off, processing_minutes FROM retail.node WHERE is_active AND can_ship) g;
ANALYZE bench.planned, bench.leaving, bench.alone;

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
	FROM bench.parcel p JOIN retail.node n USING (node_id) JOIN bench.stream t USING (order_no) JOIN bench.leaving l ON l.as_of = t.as_of AND (l.calendar_id, l.time_zone, l.cut_off, l.processing_minutes) = (n.calendar_id, n.time_zone, n.cut_off, n.processing_minutes)
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

-- the price of scarce stock steers a decision, but nobody pays it
SELECT 'differ', count(*) FROM bench.cost c JOIN retail.sales_order o ON o.external_no = 'STREAM-' || c.order_no JOIN retail.allocation_decision d USING (order_id) WHERE c.contender = 'ours' 
	AND c.cents <> 100 * (d.cost - (SELECT coalesce(sum((x ->> 'stock_value')::numeric), 0) FROM jsonb_array_elements(d.trace -> 'parcels') x));
INSERT INTO bench.cost SELECT 'alone', order_no, cents, NULL FROM bench.alone;
WITH common AS (SELECT order_no FROM bench.cost GROUP BY 1 HAVING count(*) = (SELECT count(DISTINCT contender) FROM bench.cost))
SELECT c.contender, sum(c.cents) / 100.0, sum(c.parcels), count(*), (SELECT count(*) FROM bench.cost x WHERE x.contender = c.contender) FROM bench.cost c JOIN common USING (order_no) GROUP BY 1 ORDER BY 1;
