-- demo.sql: what `make demo` shows: the reference chain at work, first one case after the other, then some thousand orders.
-- Needs an empty database. psql variables: skus, stores, fill (see chain.sql) and orders, the number of random orders (3000).

\set QUIET on
\pset pager off
\pset footer off
\pset null '-'
\pset linestyle unicode
\if :{?orders} \else \set orders 3000 \endif
SELECT clock_timestamp() AS began \gset
SET timezone = 'Asia/Shanghai';
SET client_min_messages = warning;

\echo
\echo '── 1. Install ────────────────────────────────────────────────────────────────────'
\echo '   CREATE EXTENSION pg_retail CASCADE;  SELECT retail.install();'
CREATE EXTENSION pg_retail CASCADE;
\pset tuples_only on
\pset format unaligned
SELECT count(*) AS files FROM retail.install() \gset
SELECT format('  version %s: %s schema files applied, %s tables, %s functions, %s views for BI tools', (SELECT extversion FROM pg_extension WHERE extname = 'pg_retail'), :files,
	(SELECT count(*) FROM pg_tables WHERE schemaname = 'retail'),
	(SELECT count(*) FROM pg_proc WHERE pronamespace = 'retail'::regnamespace), (SELECT count(*) FROM pg_views WHERE schemaname = 'retail_bi'));

\echo
\echo '── 2. A chain: 10 warehouses and 310 stores in 28 provinces ──────────────────────'
\ir chain.sql
SET client_min_messages = warning;

-- ---- helpers of this demo -------------------------------------------------------------------------------------------------
CREATE FUNCTION pg_temp.show_time(t timestamptz) RETURNS text LANGUAGE sql STABLE AS $$ SELECT to_char(t, 'Dy DD Mon HH24:MI') $$;
CREATE FUNCTION pg_temp.show_lines(lines jsonb) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(format('%s × %s', l.qty, l.sku), ', ' ORDER BY l.line_no) FROM jsonb_to_recordset(lines) l (line_no int, sku text, qty bigint)
$$;
CREATE FUNCTION pg_temp.show_parcels(parcels jsonb) RETURNS TABLE ("from" text, name text, contents text, carrier text, km numeric, freight numeric, handling numeric, arrives text) LANGUAGE sql STABLE AS $$
	SELECT p.node, n.name, pg_temp.show_lines(p.lines), c.name, p.distance_km, p.freight, p.handling, pg_temp.show_time(p.promised_at)
	FROM jsonb_to_recordset(parcels) p (node text, lines jsonb, service text, distance_km numeric, freight numeric, handling numeric, promised_at timestamptz)
	JOIN retail.node n ON n.code = p.node LEFT JOIN retail.carrier_service c ON c.code = p.service
$$;
CREATE FUNCTION pg_temp.show_alternatives(trace jsonb) RETURNS TABLE ("instead of the plan" text, name text, km numeric, cost numeric, "more than the plan" numeric, "why not" text) LANGUAGE sql STABLE AS $$
	SELECT a.node, n.name, a.distance_km, a.cost, a.more_than_plan, a.reason || coalesce(': lacks ' || (SELECT string_agg(x, ', ') FROM jsonb_array_elements_text(a.lacks) x), '')
	FROM jsonb_to_recordset(trace -> 'alternatives') a (node text, distance_km numeric, cost numeric, more_than_plan numeric, reason text, lacks jsonb) JOIN retail.node n ON n.code = a.node
$$;
CREATE FUNCTION pg_temp.try(statement text) RETURNS TABLE ("SQLSTATE" text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS "SQLSTATE" = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN NEXT;
END $$;

-- ---- the cast: four articles, and three stores of Shanghai near to each other --------------------------------------------
SELECT n.code AS store_a, n.name AS store_a_name, n.latitude AS lat_a, n.longitude AS lon_a FROM retail.node n WHERE n.code = 'S310100-001' \gset
SELECT n.code AS store_b, n.name AS store_b_name, round((n.latitude + 0.004)::numeric, 4) AS home_lat, round((n.longitude + 0.005)::numeric, 4) AS home_lon
	FROM retail.node n WHERE n.kind = 'store' AND n.region_id = retail.region_id('310100') AND n.code <> :'store_a' AND 'chilled' = ANY (n.temperature_classes)
	ORDER BY retail.distance_km(n.latitude, n.longitude, :lat_a, :lon_a), n.code LIMIT 1 \gset
SELECT retail.put_sku('SHAMPOO-500', '清逸 Qingyi 洗发水 Shampoo 500 ml', 560, 720, 'HAIR', 'V001', 39.90, shelf_life_days => 1095),
	retail.put_sku('YOGHURT-6', '山岚 Shanlan 酸奶 Yoghurt 6 × 100 g', 680, 900, 'DAIRY', 'V002', 18.80, 'chilled', 21),
	retail.put_sku('WOK-32', '朴素 Pusu 炒锅 Wok 32 cm', 1850, 9800, 'KITCHEN', 'V003', 268.00),
	retail.put_sku('TEA-250', '白露 Bailu 龙井茶 Longjing tea 250 g', 310, 1400, 'TEA', 'V004', 168.00, shelf_life_days => 540) \g /dev/null
SELECT retail.receive_stock('STORY-1', :'store_a', '[{"sku": "SHAMPOO-500", "qty": 2}, {"sku": "TEA-250", "qty": 3}]'),
	retail.receive_stock('STORY-2', :'store_b', '[{"sku": "SHAMPOO-500", "qty": 5}, {"sku": "YOGHURT-6", "qty": 12}, {"sku": "TEA-250", "qty": 4}]'),
	retail.receive_stock('STORY-3', 'WH-SHANGHAI', '[{"sku": "SHAMPOO-500", "qty": 480}, {"sku": "YOGHURT-6", "qty": 60}, {"sku": "TEA-250", "qty": 90}]'),
	retail.receive_stock('STORY-4', 'WH-WUHAN', '[{"sku": "SHAMPOO-500", "qty": 900}]'),
	retail.receive_stock('STORY-5', 'WH-CHENGDU', '[{"sku": "SHAMPOO-500", "qty": 1300}, {"sku": "WOK-32", "qty": 40}]') \g /dev/null
SELECT jsonb_build_object('region', '310100', 'lat', :home_lat, 'lon', :home_lon, 'recipient', jsonb_build_object('name', '王小姐 Ms Wang')) AS home \gset
\pset tuples_only off
\pset format aligned

\echo
\echo '── 3. The case: sold out in the store, plenty in a warehouse ─────────────────────'
\echo '   The till of store' :store_a_name 'sells its last two bottles of shampoo:'
SELECT r ->> 'order_id' AS order_id, (r ->> 'total')::numeric AS total, r ->> 'oversold' AS oversold
	FROM retail.record_sale('pos', 'TILL-1-0001', :'store_a', '[{"sku": "SHAMPOO-500", "qty": 2}]') r;
\echo '   A customer wants one too. Where does it lie, and what may the mini-program promise?'
\echo '   SELECT * FROM retail.available_to_promise(''SHAMPOO-500'', ''mini_program'');'
SELECT a.node, n.name, a.on_hand, a.reserved, a.available FROM retail.available_to_promise('SHAMPOO-500', 'mini_program') a JOIN retail.node n ON n.code = a.node;
\echo '   One call prices the freight, chooses the cheapest node and holds the stock:'
\echo '   SELECT * FROM retail.place_order(''mini_program'', ''MP-1'', ''[{"sku": "SHAMPOO-500", "qty": 1}]'', destination);'
SELECT order_id, goods_total, freight_total, total, pg_temp.show_time(promised_at) AS promised
	FROM retail.place_order('mini_program', 'MP-1', '[{"sku": "SHAMPOO-500", "qty": 1}]', :'home');
SELECT p.* FROM retail.allocation_decision d JOIN retail.sales_order o USING (order_id), pg_temp.show_parcels(d.trace -> 'parcels') p WHERE o.external_no = 'MP-1';
\echo '   Every decision keeps its trace: what the others would have cost.'
SELECT a.* FROM retail.allocation_decision d JOIN retail.sales_order o USING (order_id), pg_temp.show_alternatives(d.trace) a WHERE o.external_no = 'MP-1';

\echo
\echo '── 4. Ship from store ────────────────────────────────────────────────────────────'
\echo '   Yoghurt must stay cold. The warehouse has it, but a cold-chain parcel costs more than a courier from the store next door:'
SELECT p.* FROM retail.place_order('app', 'APP-1', '[{"sku": "YOGHURT-6", "qty": 2}]', :'home') o, pg_temp.show_parcels(o.parcels) p;
SELECT a.* FROM retail.allocation_decision d JOIN retail.sales_order o USING (order_id), pg_temp.show_alternatives(d.trace) a WHERE o.external_no = 'APP-1';

\echo
\echo '── 5. Buy online, pick up in store ───────────────────────────────────────────────'
SELECT p."from", p.name, p.contents, p.freight, p.arrives AS "ready for the customer"
	FROM retail.place_order('wechat', 'WX-1', '[{"sku": "SHAMPOO-500", "qty": 1}, {"sku": "TEA-250", "qty": 1}]', fulfilment => 'pick_up', pick_up_node => :'store_b') o, pg_temp.show_parcels(o.parcels) p;
\echo '   Paid, made ready, handed over:'
SELECT retail.record_payment('wechat', 'WX-1', 'PAY-WX-1', 207.90, 'wechat_pay') ->> 'payment_state' AS payment \gset
SELECT s.shipment_id AS pick_up FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'WX-1' \gset
SELECT retail.ready_for_pick_up(:pick_up) ->> 'status' AS counter \gset
SELECT :'payment' AS payment, :'counter' AS "at the counter", retail.pick_up(:pick_up) ->> 'status' AS "handed over";

\echo
\echo '── 6. An order that must be split, and why ───────────────────────────────────────'
\echo '   The wok lies in Chengdu only, the tea in Shanghai only; shampoo lies in both. With which parcel does it travel?'
SELECT p.* FROM retail.place_order('app', 'APP-2', '[{"sku": "WOK-32", "qty": 1}, {"sku": "TEA-250", "qty": 2}, {"sku": "SHAMPOO-500", "qty": 3}]', :'home') o, pg_temp.show_parcels(o.parcels) p;
SELECT d.n_parcels AS parcels, d.cost AS "cost of the plan", d.lower_bound AS "no plan costs less than", d.is_exact AS "proven cheapest", (d.trace ->> 'candidates')::int AS "nodes compared",
		(d.trace ->> 'split_penalty')::numeric AS "of it for the split"
	FROM retail.allocation_decision d JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'APP-2';
SELECT a.* FROM retail.allocation_decision d JOIN retail.sales_order o USING (order_id), pg_temp.show_alternatives(d.trace) a WHERE o.external_no = 'APP-2';

\echo
\echo '── 7. An order that nobody pays ──────────────────────────────────────────────────'
\echo '   Douyin orders hold stock for 15 minutes. Time is an argument, so nobody has to wait:'
SELECT reserved AS reserved_before FROM retail.available_to_promise('WOK-32') \gset
SELECT retail.place_order('douyin', 'DY-1', '[{"sku": "WOK-32", "qty": 12}]', :'home') \g /dev/null
SELECT reserved AS reserved_held FROM retail.available_to_promise('WOK-32') \gset
SELECT retail.run_release_unpaid(now() + interval '16 minutes') AS answer \gset
SELECT :reserved_before AS "reserved before", :reserved_held AS "while it waits", a.reserved AS "after run_release_unpaid()", o.status, o.payment_state
	FROM retail.available_to_promise('WOK-32') a, retail.sales_order o WHERE o.external_no = 'DY-1';
\echo '  ' :answer

\echo
\echo '── 8. A cancellation, and goods that come back ───────────────────────────────────'
\echo '   Ms Wang pays for wok, tea and shampoo, and then does not want the tea:'
SELECT total AS app_total FROM retail.sales_order WHERE external_no = 'APP-2' \gset
SELECT retail.record_payment('app', 'APP-2', 'PAY-APP-2', :app_total, 'alipay') \g /dev/null
SELECT r ->> 'status' AS status, r ->> 'cancelled_units' AS "cancelled units", (r ->> 'cancelled_amount')::numeric AS "cancelled amount", (r ->> 'refund_due')::numeric AS "refund due"
	FROM retail.cancel_order('app', 'APP-2', '[{"sku": "TEA-250", "qty": 2}]', 'changed her mind', 'CANCEL-1') r;
\echo '   The rest is shipped and delivered; two bottles come back to a store, one of them leaks:'
SELECT count(retail.ship_order(s.shipment_id, 'TRACK-' || s.shipment_id)) FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'APP-2' AND s.status = 'planned' \g /dev/null
SELECT count(retail.deliver_order(s.shipment_id, now() + interval '2 days')) FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'APP-2' AND s.status = 'shipped' \g /dev/null
SELECT retail.return_order('RET-1', 'app', 'APP-2', :'store_a', '[{"sku": "SHAMPOO-500", "qty": 2}]', 'leaks', now() + interval '3 days') AS returned \gset
SELECT retail.inspect_return('RET-1', '[{"sku": "SHAMPOO-500", "sellable": 1, "damaged": 1}]', as_of => now() + interval '3 days') AS inspected \gset
SELECT (:'returned'::jsonb ->> 'amount')::numeric AS "to be paid back", :'inspected'::jsonb ->> 'sellable' AS "back on the shelf", :'inspected'::jsonb ->> 'damaged' AS damaged;
\echo '   The whole story of an order is in its events:'
SELECT pg_temp.show_time(e.occurred_at) AS "when", e.kind AS event, left(e.detail::text, 90) AS detail FROM retail.order_event e JOIN retail.sales_order o USING (order_id)
	WHERE o.external_no = 'APP-2' ORDER BY e.occurred_at, e.event_id;

\echo
\echo '── 9. A transfer fills the empty shelf ───────────────────────────────────────────'
SELECT retail.transfer_out('TR-1', 'WH-SHANGHAI', :'store_a', '[{"sku": "SHAMPOO-500", "qty": 24}]') \g /dev/null
SELECT on_hand AS on_hand_1, in_transit AS in_transit_1 FROM retail.available_to_promise('SHAMPOO-500') WHERE node = :'store_a' \gset
SELECT retail.transfer_in('TR-1', '[{"sku": "SHAMPOO-500", "qty": 22, "damaged": 1}]', now() + interval '1 day') AS arrived \gset
SELECT 'sent from WH-SHANGHAI' AS step, :on_hand_1::bigint AS "on hand in the store", :in_transit_1::bigint AS "on its way", NULL AS note
UNION ALL SELECT 'arrived', on_hand, in_transit, format('%s received, %s damaged, %s missing', :'arrived'::jsonb ->> 'received', :'arrived'::jsonb ->> 'damaged', :'arrived'::jsonb ->> 'short')
	FROM retail.available_to_promise('SHAMPOO-500') WHERE node = :'store_a';

\echo
\echo '── 10. What bad input gets ───────────────────────────────────────────────────────'
\echo '   Errors have a documented code, say what is wrong, and how to mend it; nothing is changed.'
\pset expanded on
SELECT t.* FROM pg_temp.try($$SELECT retail.place_order('app', 'APP-3', '[{"sku": "WOK-32", "qty": 500}]', '{"region": "310100"}')$$) t;
SELECT t.* FROM pg_temp.try($$SELECT retail.place_order('app', 'APP-2', '[{"sku": "WOK-32", "qty": 7}]', '{"region": "310100"}')$$) t;
\pset expanded off

-- ---- a week of trade ------------------------------------------------------------------------------------------------------
-- Customers order over the last six days: what and where is random (the same at every run), the rest is decided by retail.*.
CREATE TEMP TABLE demo_city AS
	SELECT r.code, r.latitude, r.longitude, (sum(c.people) OVER (ORDER BY c.code) - c.people) / sum(c.people) OVER ()::float8 AS low, sum(c.people) OVER (ORDER BY c.code) / sum(c.people) OVER ()::float8 AS high
	FROM chain_city c JOIN retail.region r USING (code);
CREATE TEMP TABLE demo_refused (reason text);
ANALYZE demo_city, demo_refused;

-- A basket of one to five SKUs; SKUs with low numbers sell best.
CREATE FUNCTION pg_temp.random_basket(most int) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT jsonb_agg(jsonb_build_object('sku', 'SKU' || 100001 + floor(u.x ^ 2.2 * n.skus)::int, 'qty', u.qty))
	FROM (SELECT random() AS x, CASE WHEN random() < 0.8 THEN 1 ELSE 2 + floor(random() * 2)::int END AS qty
		  FROM generate_series(1, least(most, (ARRAY[1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5])[1 + floor(random() * 12)::int]))) u, (SELECT count(*) AS skus FROM chain_sku) n
$$;

CREATE FUNCTION pg_temp.place_chunk(first int, last int, total int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	begin_at timestamptz := clock_timestamp();
	placed int := 0;
	paid int := 0;
	c record;
	o record;
	at timestamptz;
	channel text;
	lines jsonb;
	store text;
	problem text;
BEGIN
	FOR i IN first .. last LOOP
		at := now() - interval '6 days' + i * interval '6 days' / total;
		channel := (ARRAY['mini_program', 'mini_program', 'mini_program', 'mini_program', 'app', 'app', 'app', 'wechat', 'wechat', 'douyin'])[1 + floor(random() * 10)::int];
		SELECT d.*, d.latitude + 0.05 * (random() + random() + random() - 1.5) AS lat, d.longitude + 0.06 * (random() + random() + random() - 1.5) AS lon INTO c
			FROM (SELECT random() AS x) r JOIN demo_city d ON r.x >= d.low AND r.x < d.high;
		lines := pg_temp.random_basket(5);
		store := NULL;
		IF random() < 0.35 THEN		-- this one would rather fetch it from the nearest store that has it all
			SELECT n.code INTO store FROM retail.node n
				WHERE n.can_pick_up AND n.region_id = (SELECT r.region_id FROM retail.region r WHERE r.code = c.code) AND NOT EXISTS (
					SELECT FROM jsonb_to_recordset(lines) l (sku text, qty bigint) JOIN retail.sku k ON k.code = l.sku LEFT JOIN retail.stock s ON s.sku_id = k.sku_id AND s.node_id = n.node_id
					WHERE coalesce(s.on_hand - s.reserved, 0) < l.qty + 2)
				ORDER BY retail.distance_km(n.latitude, n.longitude, c.lat, c.lon) LIMIT 1;
		END IF;
		BEGIN
			SELECT * INTO o FROM retail.place_order(channel, 'R-' || i, lines, CASE WHEN store IS NULL THEN jsonb_build_object('region', c.code, 'lat', round(c.lat::numeric, 5), 'lon', round(c.lon::numeric, 5)) END,
				CASE WHEN store IS NULL THEN 'ship' ELSE 'pick_up' END, store, freight => CASE WHEN store IS NULL THEN 6 ELSE 0 END, as_of => at);
			placed := placed + 1;
			IF random() < 0.93 THEN
				PERFORM retail.record_payment(channel, 'R-' || i, 'PAY-' || i, o.total, (ARRAY['wechat_pay', 'alipay', 'unionpay'])[1 + i % 3], at + interval '2 minutes');
				paid := paid + 1;
				IF random() < 0.03 THEN
					PERFORM retail.cancel_order(channel, 'R-' || i, reason => 'customer', as_of => at + interval '20 minutes');
				END IF;
			END IF;
		EXCEPTION WHEN SQLSTATE 'RT020' OR SQLSTATE 'RT021' THEN
			GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT;
			INSERT INTO demo_refused VALUES (problem);
		END;
	END LOOP;
	RETURN format('  %s of %s orders: %s placed, %s paid, %s ms each', to_char(last, 'FM99,999'), to_char(total, 'FM99,999'), placed, paid,
		round((extract(epoch FROM clock_timestamp() - begin_at) * 1000 / (last - first + 1))::numeric, 1));
END $$;

-- Tills sell what lies on the shelf, some of it promised to somebody a moment ago: recorded, never refused.
CREATE FUNCTION pg_temp.sell_at_tills(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	stores text[] := ARRAY(SELECT x.code FROM retail.node x WHERE x.kind = 'store' ORDER BY x.node_id);
	s record;
	i int := 0;
	oversold int := 0;
	lines jsonb;
	promised record;
BEGIN
	CREATE TEMP TABLE promised_away AS SELECT k.code AS sku, d.code AS node, x.on_hand FROM retail.stock x JOIN retail.sku k USING (sku_id) JOIN retail.node d USING (node_id)
		WHERE d.kind = 'store' AND x.reserved BETWEEN 1 AND x.on_hand AND k.code LIKE 'SKU%' ORDER BY k.code, d.code LIMIT n / 50;
	FOR s IN SELECT p.sku, p.node, p.on_hand AS quantity FROM promised_away p
			 UNION ALL SELECT NULL, stores[1 + x * 7 % cardinality(stores)], NULL FROM generate_series(1, n) x LOOP
		i := i + 1;
		IF s.sku IS NOT NULL THEN
			lines := jsonb_build_array(jsonb_build_object('sku', s.sku, 'qty', s.quantity));
		ELSE
			SELECT jsonb_agg(jsonb_build_object('sku', b.sku, 'qty', 1 + (b.free > 5)::int)) INTO lines FROM (
				SELECT k.code AS sku, x.on_hand - x.reserved AS free FROM retail.stock x JOIN retail.sku k USING (sku_id) WHERE x.node_id = retail.node_id(s.node) AND x.on_hand - x.reserved > 0
				ORDER BY k.sku_id OFFSET floor(random() * 120)::int LIMIT 1 + i % 3) b;
		END IF;
		oversold := oversold + (retail.record_sale('pos', 'T-' || i, s.node, lines, now() - interval '6 days' + least(i, n) * interval '6 days' / n) ->> 'oversold')::boolean::int;
	END LOOP;
	RETURN format('  %s sales at the tills, %s of them of goods that were promised to others', i, oversold);
END $$;

-- Parcels leave and arrive as time goes by, most of them in time.
CREATE FUNCTION pg_temp.fulfil() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	s record;
	left_at timestamptz;
	there_at timestamptz;
	shipped int := 0;
	delivered int := 0;
	collected int := 0;
BEGIN
	FOR s IN SELECT x.* FROM retail.shipment x JOIN retail.sales_order o USING (order_id) WHERE x.status = 'planned' AND o.payment_state = 'paid' AND o.external_no LIKE 'R-%' ORDER BY x.ship_by, x.shipment_id LOOP
		left_at := s.ship_by + random() * interval '30 minutes';
		there_at := s.promised_at - interval '5 hours' + random() ^ 8 * interval '9 hours';
		CONTINUE WHEN left_at > now();
		IF s.kind = 'pick_up' THEN
			PERFORM retail.ready_for_pick_up(s.shipment_id, left_at);
			there_at := left_at + random() * interval '2 days';
			IF there_at <= now() THEN
				PERFORM retail.pick_up(s.shipment_id, there_at);
				collected := collected + 1;
			END IF;
			CONTINUE;
		END IF;
		PERFORM retail.ship_order(s.shipment_id, 'T' || s.shipment_id, as_of => left_at);
		shipped := shipped + 1;
		there_at := greatest(there_at, left_at + interval '1 hour');
		IF there_at <= now() THEN
			PERFORM retail.deliver_order(s.shipment_id, there_at);
			delivered := delivered + 1;
		END IF;
	END LOOP;
	RETURN format('  %s parcels left, %s arrived; %s orders were collected in a store', shipped, delivered, collected);
END $$;

CREATE FUNCTION pg_temp.send_back() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	n int := 0;
	damaged int;
BEGIN
	FOR r IN SELECT o.external_no, c.code AS channel, k.code AS sku, d.code AS node, max(s.delivered_at) + interval '6 hours' AS at FROM retail.sales_order o JOIN retail.channel c USING (channel_id)
			JOIN retail.shipment s USING (order_id) JOIN retail.shipment_line l USING (shipment_id) JOIN retail.sku k ON k.sku_id = l.sku_id JOIN retail.node d ON d.node_id = s.node_id
			WHERE o.status = 'delivered' AND o.external_no LIKE 'R-%' AND l.line_no = 1 AND o.order_id % 25 = 0 AND s.delivered_at < now() - interval '6 hours'
			GROUP BY o.order_id, o.external_no, c.code, k.code, d.code ORDER BY o.order_id LOOP
		n := n + 1;
		damaged := (random() < 0.3)::int;
		PERFORM retail.return_order('RR-' || n, r.channel, r.external_no, r.node, jsonb_build_array(jsonb_build_object('sku', r.sku, 'qty', 1)), 'customer', r.at);
		PERFORM retail.inspect_return('RR-' || n, jsonb_build_array(jsonb_build_object('sku', r.sku, 'sellable', 1 - damaged, 'damaged', damaged)), as_of => r.at + interval '20 minutes');
	END LOOP;
	RETURN format('  %s returns booked in and inspected', n);
END $$;

\echo
\echo '── 11. A week of trade ───────────────────────────────────────────────────────────'
\pset tuples_only on
\pset format unaligned
SELECT setseed(0.42) \g /dev/null
SELECT clock_timestamp() AS trade_began \gset
SELECT format('SELECT pg_temp.place_chunk(%s, %s, %s)', x + 1, least(x + :orders / 6, :orders), :orders) FROM generate_series(0, :orders - 1, :orders / 6) x \gexec
SELECT pg_temp.sell_at_tills(:orders / 5);
SELECT pg_temp.fulfil();
SELECT pg_temp.send_back();
SELECT '  ' || retail.run_release_unpaid();
SELECT format('  %s orders were refused: %s', sum(n), string_agg(format('%s %s', n, reason), ', ' ORDER BY n DESC)) FROM (SELECT count(*) AS n, reason FROM demo_refused GROUP BY reason) x HAVING count(*) > 0;
ANALYZE;
\pset tuples_only off
\pset format aligned

\echo
\echo '── 12. What it looks like now ────────────────────────────────────────────────────'
\echo '   Orders by status'
SELECT status, count(*) AS orders, count(*) FILTER (WHERE fulfilment = 'ship') AS shipped_home, count(*) FILTER (WHERE fulfilment = 'pick_up') AS pick_up,
	count(*) FILTER (WHERE fulfilment = 'counter') AS at_the_till, sum(total) AS worth FROM retail.sales_order GROUP BY status ORDER BY 2 DESC;
\echo '   ... and by channel (from retail_bi.order_daily)'
SELECT channel, sum(orders) AS orders, sum(units) AS units, sum(goods_total) AS goods, sum(freight) AS freight, sum(cancelled_orders) AS cancelled, sum(delivered_orders) AS delivered
	FROM retail_bi.order_daily GROUP BY channel ORDER BY 2 DESC;
\echo '   Parcels: who sends them, and what they cost'
SELECT n.kind AS "from a", s.kind, count(*) AS parcels, round(100.0 * count(*) / sum(count(*)) OVER (PARTITION BY s.kind), 1) AS "share %", round(avg(s.distance_km)::numeric) AS "mean km",
	round(avg(s.weight_g) / 1000, 2) AS "mean kg", round(avg(s.freight_cost), 2) AS "freight each", round(avg(s.handling_cost), 2) AS "handling each"
	FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE s.status <> 'cancelled' AND s.kind <> 'counter' GROUP BY 1, 2 ORDER BY 2 DESC, 3 DESC;
\echo '   Parcels an order (retail_bi.order_split), and freight an order as the chain pays it'
SELECT p.parcels, p.orders, round(100 * p.share, 1) AS "share %", f.freight AS "freight an order" FROM retail_bi.order_split p
	LEFT JOIN (SELECT x.parcels, round(avg(x.freight), 2) AS freight FROM (SELECT count(*) AS parcels, sum(s.freight_cost) AS freight FROM retail.shipment s WHERE s.kind = 'ship' AND s.status <> 'cancelled' GROUP BY s.order_id) x GROUP BY x.parcels) f USING (parcels)
	ORDER BY 1;
\echo '   By carrier'
SELECT c.name AS carrier, count(*) AS parcels, round(avg(s.freight_cost), 2) AS "freight each", round(avg(extract(epoch FROM s.promised_at - o.placed_at) / 3600), 1) AS "hours promised",
	round(100 * avg((s.delivered_at <= s.promised_at)::int), 1) AS "on time %" FROM retail.shipment s JOIN retail.sales_order o USING (order_id) JOIN retail.carrier_service c USING (carrier_service_id)
	WHERE s.status <> 'cancelled' GROUP BY c.name ORDER BY 2 DESC;
\echo '   Decisions (retail_bi.allocation_daily)'
SELECT day, decisions, avg_cost AS "mean cost", round(100 * exact_share, 1) AS "proven cheapest %", round(100 * split_share, 1) AS "split %" FROM retail_bi.allocation_daily ORDER BY day;
\echo '   Fulfilment by day (from retail_bi.fulfilment_daily)'
SELECT day, sum(parcels) AS parcels, sum(delivered) AS delivered, round(sum(freight_cost) / sum(parcels), 2) AS "freight each",
	round(sum(on_time_rate * delivered) / nullif(sum(delivered), 0) * 100, 1) AS "on time %", round(sum(hours_to_deliver * delivered) / nullif(sum(delivered), 0), 1) AS "hours to deliver"
	FROM retail_bi.fulfilment_daily WHERE kind = 'ship' GROUP BY day ORDER BY day;
\echo '   The ledger: units moved, by reason (from retail_bi.movement_daily)'
SELECT reason, condition, sum(units) AS units, count(*) AS "days and nodes" FROM retail_bi.movement_daily GROUP BY 1, 2 ORDER BY 1, 2;
\echo '   Promised but not there: sold at a till after they were promised online (retail_bi.over_promised)'
SELECT sku, left(sku_name, 40) AS name, node, on_hand, reserved, lacking FROM retail_bi.over_promised ORDER BY lacking DESC, sku, node LIMIT 5;
\echo '   Stock (from retail_bi.stock_by_sku)'
SELECT node_kind, count(*) AS skus, sum(on_hand) AS on_hand, sum(reserved) AS reserved, sum(damaged) AS damaged, sum(nodes_stocked_out) AS "SKU x node sold out" FROM retail_bi.stock_by_sku GROUP BY 1 ORDER BY 1;
\echo '   The background worker (retail_bi.worker_task)'
SELECT name, state, run_every, total_runs AS runs, total_failures AS failures, last_result FROM retail_bi.worker_task ORDER BY name;
\echo '   Do the books agree? SELECT * FROM retail.check_integrity();'
SELECT CASE WHEN count(*) = 0 THEN 'no violation of any invariant' ELSE count(*) || ' VIOLATIONS' END AS check_integrity FROM retail.check_integrity();
\pset tuples_only on
\pset format unaligned
SELECT format('Done in %s s: %s orders, %s parcels, %s movements in the ledger.', round(extract(epoch FROM clock_timestamp() - :'began'::timestamptz)::numeric, 1),
	to_char((SELECT count(*) FROM retail.sales_order), 'FM999,999'), to_char((SELECT count(*) FROM retail.shipment), 'FM999,999'), to_char((SELECT count(*) FROM retail.movement), 'FM9,999,999'));
