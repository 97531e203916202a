-- reoptimise.sql: releasing parcels to the floor, and the second look at those
-- that are not there yet.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT plan(69);

-- the parcels that are not cancelled
CREATE FUNCTION pg_temp.parcels(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s %s %s', n.code, s.status, (SELECT string_agg(k.code || l.quantity, ',' ORDER BY l.line_no) FROM retail.shipment_line l JOIN retail.sku k USING (sku_id)
		WHERE l.shipment_id = s.shipment_id)), '; ' ORDER BY n.code, s.shipment_id)
	FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE s.order_id = order_id($1) AND s.status <> 'cancelled' $$;
CREATE FUNCTION pg_temp.place(no text, lines text[], at timestamptz, payment text DEFAULT 'on_delivery', channel text DEFAULT 'mp', region text DEFAULT 'R') RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT pg_temp.parcels($1) FROM (SELECT o.order_id FROM retail.place_order($5, $1, (SELECT jsonb_agg(jsonb_build_object('sku', split_part(l, ' ', 1), 'qty', split_part(l, ' ', 2)::int)) FROM unnest($2) l),
		jsonb_build_object('region', $6), freight => 0, payment => $4, as_of => $3) o) p WHERE p.order_id IS NOT NULL $$;
CREATE FUNCTION pg_temp.receive(no text, node text, sku text, n int, at timestamptz) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT retail.receive_stock($1, $2, jsonb_build_array(jsonb_build_object('sku', $3, 'qty', $4)), $5) $$;
-- nothing is left of what other blocks placed
CREATE FUNCTION pg_temp.clear() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT count(retail.cancel_order(c.code, o.external_no, as_of => o.placed_at + interval '1 day'))::text FROM retail.sales_order o JOIN retail.channel c USING (channel_id) WHERE o.status IN ('open', 'partly_shipped');
	SELECT count(retail.adjust_stock('clear ' || clock_timestamp() || n.code || k.code, n.code, jsonb_build_array(jsonb_build_object('sku', k.code, 'qty', -s.on_hand)), 'test'))::text
		FROM retail.stock s JOIN retail.node n USING (node_id) JOIN retail.sku k USING (sku_id) WHERE s.on_hand > 0 $$;

-- W1 is near R, W2 and W3 are far; all are always open.  V1 is near Q and far from R.
DO $$ BEGIN
	PERFORM retail.put_region('R', 'Region R'), retail.put_region('Q', 'Region Q'), retail.put_channel('mp', 'Mini-program', 'mini_program'), retail.put_channel('pos', 'Shop', 'web'),
		retail.put_carrier_service('std', 'Carrier', 'Standard'), retail.put_carrier_service('express', 'Carrier', 'Express'),
		retail.put_sku('A', 'A', 500, list_price => 10), retail.put_sku('B', 'B', 500, list_price => 10), retail.put_sku('C', 'C', 500, list_price => 10),
		retail.put_node('W1', 'W1', 'warehouse'), retail.put_node('W2', 'W2', 'warehouse'), retail.put_node('W3', 'W3', 'warehouse');
	PERFORM retail.put_lane('std', 'R', 'near', 24, 'W1'), retail.put_lane('std', 'R', 'far', 24, 'W2'), retail.put_lane('std', 'R', 'far', 24, 'W3'),
		retail.put_lane('std', 'Q', 'far', 24, 'W1'), retail.put_lane('std', 'Q', 'near', 24, 'W2'), retail.put_lane('std', 'Q', 'far', 24, 'W3'),
		retail.put_rate_card('std', 'near', 1000, 5, 1000, 1), retail.put_rate_card('std', 'far', 1000, 9, 1000, 1);
END $$;
SELECT is((SELECT t.enabled FROM retail.task t WHERE t.function_name = 'run_reoptimise'), false, 'the task waits until stores work by release');

-- ---- stock that came in merges parcels --------------------------------------------

SELECT pg_temp.receive('D1', 'W1', 'A', 5, '2026-03-01'), pg_temp.receive('D2', 'W2', 'B', 5, '2026-03-01');
SELECT is(pg_temp.place('O1', '{A 1,B 1}', '2026-03-02 02:00+00'), 'W1 planned A1; W2 planned B1', 'an order is split');
SELECT is(retail.run_reoptimise('2026-03-02 02:10+00'), '1 orders looked at, 0 planned again: 2 parcels instead of 2, 0.00 saved', 'nothing has changed: nothing to gain');
SELECT is(pg_temp.receive('D3', 'W1', 'B', 1, '2026-03-02') IS NOT NULL, true, 'stock comes in');
SELECT is(retail.run_reoptimise('2026-03-02 02:20+00'), '1 orders looked at, 1 planned again: 1 parcels instead of 2, 11.00 saved', '... and merges the parcels');
SELECT is(pg_temp.parcels('O1'), 'W1 planned A1,B1', '... into one');
SELECT is(stock('A', 'W1') || ' ' || stock('B', 'W1') || ' ' || stock('B', 'W2'), '5/1 1/1 5/0', '... and the units follow');
SELECT is(events('O1'), 'placed replanned', '... which is an event');
SELECT is((SELECT (e.detail #>> '{before,cost}') || ' ' || jsonb_array_length(e.detail #> '{before,parcels}') || ' > ' || (e.detail #>> '{after,cost}') || ' ' || (e.detail #>> '{after,parcels,0,node}')
	FROM retail.order_event e WHERE e.order_id = order_id('O1') AND e.kind = 'replanned'), '16.00 2 > 5.00 W1', '... that tells before and after');
SELECT is((SELECT string_agg(d.cost || ' ' || d.n_parcels, '; ' ORDER BY d.decided_at) FROM retail.allocation_decision d WHERE d.order_id = order_id('O1')), '16.00 2; 5.00 1', 'each decision keeps its trace');
SELECT is((SELECT string_agg(s.status || ' ' || s.weight_g, '; ' ORDER BY s.shipment_id) FROM retail.shipment s WHERE s.order_id = order_id('O1')), 'cancelled 0; cancelled 0; planned 1000', 'the old parcels are cancelled');
SELECT is((SELECT o.promised_at = max(s.promised_at) FROM retail.sales_order o JOIN retail.shipment s USING (order_id) WHERE o.external_no = 'O1' AND s.status = 'planned' GROUP BY o.order_id), true, 'the promise is that of the parcels');
SELECT is(retail.run_reoptimise('2026-03-02 02:20+00'), '0 orders looked at', 'at the same moment: it was just planned');
SELECT is(retail.run_reoptimise('2026-03-02 02:25+00'), '1 orders looked at, 0 planned again: 1 parcels instead of 1, 0.00 saved', 'again: nothing is left to gain');
SELECT is(retail.run_reoptimise('2026-03-02 03:00+00'), '0 orders looked at', 'the cool-down of an hour is over');
SELECT is((retail.ship_order((SELECT s.shipment_id FROM retail.shipment s WHERE s.order_id = order_id('O1') AND s.status = 'planned'), 'T1', as_of => '2026-03-02 06:00+00')) ->> 'status', 'shipped', 'what was planned again is shipped');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- ---- two orders swap ---------------------------------------------------------------

SELECT pg_temp.clear();
-- The first takes the only A of W2 although A is at W1, too, by the time that the second, which lives beside W2, has to be split.
SELECT pg_temp.receive('E1', 'W2', 'A', 1, '2026-03-03'), pg_temp.receive('E2', 'W2', 'B', 1, '2026-03-03');
SELECT is(pg_temp.place('P1', '{A 1}', '2026-03-04 02:00+00'), 'W2 planned A1', 'the first takes what there is');
SELECT pg_temp.receive('E3', 'W1', 'A', 1, '2026-03-04');
SELECT is(pg_temp.place('P2', '{A 1,B 1}', '2026-03-04 02:05+00', region => 'Q'), 'W1 planned A1; W2 planned B1', 'the second is split');
SELECT is(retail.run_reoptimise('2026-03-04 02:10+00'), '2 orders looked at, 2 planned again: 2 parcels instead of 3, 15.00 saved', 'together they swap');
SELECT is(pg_temp.parcels('P1') || ' | ' || pg_temp.parcels('P2'), 'W1 planned A1 | W2 planned A1,B1', '... and both are better off');
SELECT is(stock('A', 'W1') || ' ' || stock('A', 'W2') || ' ' || stock('B', 'W2'), '1/1 1/1 1/1', '... though there was not one unit free');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- ---- three orders move in a circle -------------------------------------------------

SELECT pg_temp.clear();
-- T is served from W2 and W3, V from W3 and W1: no two of them can swap, but the three can.
SELECT retail.put_region('T', 'Region T'), retail.put_region('V', 'Region V'), retail.put_lane('std', 'T', 'near', 24, 'W2'), retail.put_lane('std', 'T', 'near', 24, 'W3'),
	retail.put_lane('std', 'V', 'near', 24, 'W3'), retail.put_lane('std', 'V', 'near', 24, 'W1');
SELECT pg_temp.receive('C1', 'W2', 'A', 1, '2026-03-04');
SELECT is(pg_temp.place('T1', '{A 1}', '2026-03-04 06:00+00', region => 'T'), 'W2 planned A1', 'the first has what the third will want');
SELECT pg_temp.receive('C2', 'W3', 'A', 1, '2026-03-04');
SELECT is(pg_temp.place('T2', '{A 1}', '2026-03-04 06:01+00', region => 'V'), 'W3 planned A1', 'the second has where the first could go');
SELECT pg_temp.receive('C3', 'W1', 'A', 1, '2026-03-04'), pg_temp.receive('C4', 'W2', 'B', 1, '2026-03-04');
SELECT is(pg_temp.place('T3', '{A 1,B 1}', '2026-03-04 06:02+00'), 'W1 planned A1; W2 planned B1', 'the third is split');
SELECT is(retail.run_reoptimise('2026-03-04 06:10+00'), '3 orders looked at, 3 planned again: 3 parcels instead of 4, 7.00 saved', 'all three move');
SELECT is(pg_temp.parcels('T1') || ' | ' || pg_temp.parcels('T2') || ' | ' || pg_temp.parcels('T3'), 'W3 planned A1 | W1 planned A1 | W2 planned A1,B1', '... each to where another was');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- ---- who is left alone -------------------------------------------------------------

SELECT pg_temp.clear();
SELECT pg_temp.receive('F1', 'W1', 'A', 9, '2026-03-05'), pg_temp.receive('F2', 'W2', 'B', 9, '2026-03-05');
SELECT is(pg_temp.place('Q1', '{A 1,B 1}', '2026-03-06 02:00+00', 'prepaid'), 'W1 planned A1; W2 planned B1', 'an order that is not paid');
SELECT is(pg_temp.place('Q2', '{A 1,B 1}', '2026-03-06 02:01+00'), 'W1 planned A1; W2 planned B1', 'one that will be released');
SELECT is(pg_temp.place('Q3', '{A 1,B 1}', '2026-03-06 02:02+00'), 'W1 planned A1; W2 planned B1', 'one that will be cancelled in part');
SELECT is(pg_temp.place('Q4', '{A 1,B 1}', '2026-03-06 02:03+00'), 'W1 planned A1; W2 planned B1', 'one whose first parcel leaves');
SELECT is(pg_temp.place('Q5', '{A 1,B 1}', '2026-03-06 01:00+00'), 'W1 planned A1; W2 planned B1', 'one that is old');
SELECT pg_temp.receive('F3', 'W1', 'B', 9, '2026-03-06');
SELECT is(retail.release_parcels('W2', '2026-03-06 00:00+00', '2026-03-06 02:10+00'), 0, 'nothing has to leave by then');
SELECT is((SELECT count(*) FROM retail.pick_list('W2')), 0::bigint, 'nothing is on the floor');
SELECT retail.cancel_order('mp', 'Q3', '[{"sku": "B", "qty": 1}]', as_of => '2026-03-06 02:05+00');
SELECT retail.ship_order((SELECT min(s.shipment_id) FROM retail.shipment s WHERE s.order_id = order_id('Q4')), 'T4', as_of => '2026-03-06 02:06+00');
UPDATE retail.shipment SET released_at = '2026-03-06 02:07+00' WHERE order_id = order_id('Q2') AND node_id = retail.node_id('W2');
SELECT is(retail.run_reoptimise('2026-03-06 02:20+00'), '1 orders looked at, 0 planned again: 1 parcels instead of 1, 0.00 saved', 'only what is left of Q3 is looked at');
SELECT is(pg_temp.parcels('Q1'), 'W1 planned A1; W2 planned B1', 'an unpaid order keeps its hold as it is');
SELECT is(pg_temp.parcels('Q2'), 'W1 planned A1; W2 planned B1', 'one on the floor stays');
SELECT is(pg_temp.parcels('Q4'), 'W1 shipped A1; W2 planned B1', 'one that is leaving stays');
SELECT is((SELECT retail.record_payment('mp', 'Q1', 'PAY1', 20, as_of => '2026-03-06 02:21+00') ->> 'payment_state'), 'paid', 'the unpaid one is paid');
SELECT is(retail.run_reoptimise('2026-03-06 02:22+00'), '2 orders looked at, 1 planned again: 2 parcels instead of 3, 11.00 saved', '... and merged then');
SELECT is((SELECT string_agg(r.state || ' ' || r.open_quantity, ', ' ORDER BY r.reservation_id) FROM retail.reservation r WHERE r.order_id = order_id('Q1')), 'released 0, released 0, committed 1, committed 1', '... its units are promised for good');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- ---- releasing ---------------------------------------------------------------------

SELECT is(pg_temp.place('Q6', '{A 1}', '2026-03-06 02:30+00', 'prepaid'), 'W1 planned A1', 'another one that is not paid');
SELECT is(retail.release_parcels('W1', as_of => '2026-03-06 02:40+00'), 4, 'a wave: what is paid, the others wait');
SELECT is(retail.release_parcels('W1', as_of => '2026-03-06 02:41+00'), 0, '... once');
SELECT is((SELECT string_agg(DISTINCT p.external_no, ' ' ORDER BY p.external_no) FROM retail.pick_list('W1') p), 'Q1 Q2 Q3 Q5', 'the pick list has it');
SELECT is((SELECT string_agg(concat_ws(' ', p.channel, p.kind, p.service, p.line_no, p.sku, p.qty), '; ' ORDER BY p.line_no) FROM retail.pick_list('W1') p WHERE p.external_no = 'Q1'), 'mp ship std 1 A 1; mp ship std 2 B 1', '... with its lines');
SELECT is(events('Q3'), 'placed line_cancelled released', 'releasing is an event');
SELECT is((SELECT count(*) FROM retail.shipment s WHERE s.released_at = '2026-03-06 02:40+00'), 4::bigint, 'the moment is kept');
SELECT is(retail.run_reoptimise('2026-03-06 02:50+00'), '0 orders looked at', 'nothing of it is planned again');
SELECT raises('RT002', $$ SELECT retail.release_parcels('nowhere') $$);
SELECT raises('RT002', $$ SELECT * FROM retail.pick_list(NULL) $$);
SELECT raises('RT014', $$ SELECT retail.release_parcels('W1', as_of => 'infinity') $$);
SELECT raises('RT014', $$ SELECT retail.release_parcels('W1', 'infinity') $$);
SELECT raises('RT014', $$ SELECT retail.run_reoptimise(NULL) $$);
CREATE ROLE clerk LOGIN IN ROLE retail_store;
SELECT retail.bind_principal('clerk', 'W2');
SELECT raises_as('clerk', 'RT040', $$ SELECT retail.release_parcels('W1') $$);
SELECT raises_as('clerk', 'RT040', $$ SELECT * FROM retail.pick_list('W1') $$);
SELECT raises_as('clerk', 'no error', $$ SELECT * FROM retail.pick_list('W2') $$);
SELECT raises_as('clerk', '42501', $$ SELECT retail.run_reoptimise() $$);
SELECT raises_as('retail_app', '42501', $$ SELECT * FROM retail.replan_orders('{1}', now()) $$);

-- ---- the promise, safety stock, capacity, the policy -----------------------------------

SELECT pg_temp.clear();
SELECT retail.put_lane('express', 'R', 'dear', 12, 'W3'), retail.put_rate_card('express', 'dear', 1000, 30, 1000, 1), retail.put_node('W3', 'W3', 'warehouse', is_active => true);
DELETE FROM retail.lane l USING retail.node n WHERE n.node_id = l.from_node_id AND n.code = 'W3' AND l.lead_hours = 24;
SELECT pg_temp.receive('G1', 'W3', 'C', 1, '2026-03-07');
SELECT is(pg_temp.place('S1', '{C 1}', '2026-03-08 02:00+00'), 'W3 planned C1', 'an order is promised by express');
SELECT pg_temp.receive('G2', 'W1', 'C', 1, '2026-03-08');
SELECT is(retail.run_reoptimise('2026-03-08 02:10+00'), '1 orders looked at, 0 planned again: 1 parcels instead of 1, 0.00 saved', '... and keeps it, however dear: the cheap carrier is later');
SELECT pg_temp.clear();
SELECT pg_temp.receive('H1', 'W1', 'A', 1, '2026-03-09'), pg_temp.receive('H2', 'W2', 'B', 1, '2026-03-09');
SELECT is(pg_temp.place('S2', '{A 1,B 1}', '2026-03-10 02:00+00'), 'W1 planned A1; W2 planned B1', 'an order is split');
SELECT retail.set_safety_stock('B', 'W1', 1), pg_temp.receive('H3', 'W1', 'B', 1, '2026-03-10');
SELECT is(retail.run_reoptimise('2026-03-10 02:10+00'), '1 orders looked at, 0 planned again: 2 parcels instead of 2, 0.00 saved', 'safety stock is no reason to merge');
SELECT retail.set_safety_stock('B', 'W1', 0);
SELECT retail.put_allocation_policy('calm', 'active', reoptimise_minutes => 0);
SELECT is(retail.run_reoptimise('2026-03-10 02:15+00'), '0 orders looked at', 'a policy without a cool-down has no second look');
SELECT retail.put_allocation_policy('calm', 'active', reoptimise_minutes => 60);
UPDATE retail.node SET daily_capacity = 1 WHERE code = 'W1';
SELECT is(retail.run_reoptimise('2026-03-10 02:20+00'), '1 orders looked at, 1 planned again: 1 parcels instead of 2, 11.00 saved', 'a node that is full keeps the places it has given');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound at the end');

SELECT * FROM finish();
ROLLBACK;
