-- explain.sql: who may read why, and the reasons that the trace of a fixed
-- order (sql/allocation.sql) does not have.
BEGIN;
SET client_min_messages = error;
SET TIME ZONE 'America/New_York';		-- the text does not depend on it
SELECT plan(25);

SELECT retail.put_region('CN', '中国'), retail.put_region('SH', '上海', 'CN', 31.23, 121.47), retail.put_channel('app', 'App', 'app'), retail.put_channel('pos', 'POS', 'pos'), retail.put_calendar('never', 'Never', '{}'),
	retail.put_sku('A', 'A', 500, list_price => 10), retail.put_carrier_service('std', 'C', 'std'), retail.put_lane('std', 'CN', 'z', 24, from_region => 'CN'), retail.put_rate_card('std', 'z', 1000, 5, 1000, 1),
	retail.put_node('DEAR', 'dear', 'store', 'SH', parcel_cost => 9), retail.put_node('FULL', 'full', 'store', 'SH', daily_capacity => 0), retail.put_node('SAFE', 'safe', 'store', 'SH'),
	retail.put_node('SHUT', 'shut', 'store', 'SH', calendar => 'never'), retail.put_node('BREAK', 'break', 'store', 'SH'), retail.put_node('NOSHIP', 'no ship', 'store', 'SH', can_ship => false),
	retail.put_node('GONE', 'gone', 'store', 'SH'), retail.put_node('OTHER', 'other', 'store', 'SH') \g /dev/null
SELECT retail.receive_stock('in', n, '[{"sku": "A", "qty": 5}]', '2026-03-01 00:00+00') FROM unnest('{DEAR,FULL,SAFE,SHUT,BREAK,NOSHIP,GONE}'::text[]) n \g /dev/null
SELECT retail.set_safety_stock('A', 'SAFE', 5), retail.pause_node('BREAK', '2026-04-01 00:00+00', 'holiday', '2026-03-01 00:00+00'),
	retail.put_node('GONE', 'gone', 'store', 'SH', is_active => false) \g /dev/null
CREATE FUNCTION pg_temp.line(no text, pattern text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(string_agg(l, '|'), 'none') FROM retail.explain_order('app', no) l WHERE l ~ pattern $$;
SELECT order_id FROM retail.place_order('app', 'O1', '[{"sku": "A", "qty": 1}]', '{"region": "SH"}', payment => 'on_delivery', as_of => '2026-03-02 02:00+00') \gset

SELECT is(pg_temp.line('O1', '^Parcel'), 'Parcel 1: 1 A from DEAR (dear), 0.0 km away, by std, zone z.', 'what is sent');
SELECT is(pg_temp.line('O1', '^All from'), 'All from FULL, 0.0 km away: is full for two weeks.', 'a node that would cost less, and is full');
SELECT is(pg_temp.line('O1', '^Left out'), 'Left out, though stock lies there: ' || (SELECT string_agg(format('%s (%s)', n.code, w), ', ' ORDER BY n.node_id) FROM (VALUES ('SAFE', 'keeps all it has as safety stock'), ('SHUT', 'does not open within a year'),
	('BREAK', 'takes a break'), ('NOSHIP', 'may not send or hand out'), ('GONE', 'is not active')) v (c, w) JOIN retail.node n ON n.code = v.c) || ' and 1 more.', 'who was left out and why');
SELECT is(pg_temp.line('O1', 'leaves'), '  It leaves Mon 2 Mar 16:00 Asia/Shanghai: decided 10:00, in time for that day''s collection (cut-off 16:00).', 'times are local to the node');
SELECT is(pg_temp.line('O1', '^Policy'), 'Policy standard, version 1, chose the plan that costs 14.00, of all plans with the 2 nodes that could serve the order; no plan is cheaper.', 'by which policy');
-- ---- who may read it ----
CREATE ROLE explain_dear IN ROLE retail_store;
CREATE ROLE explain_other IN ROLE retail_store;
SELECT retail.bind_principal('explain_dear', 'DEAR'), retail.bind_principal('explain_other', 'OTHER') \g /dev/null
SELECT is(as_role('explain_dear', $$SELECT count(*) FROM retail.explain_order('app', 'O1')$$), (SELECT count(*)::text FROM retail.explain_order('app', 'O1')), 'the store that sends it');
SELECT is(as_role('explain_other', $$SELECT count(*) FROM retail.explain_order('app', 'O1')$$), 'RT006', 'not another store');
SELECT is(as_role('retail_service', $$SELECT count(*) FROM retail.explain_order('app', 'O1')$$), (SELECT count(*)::text FROM retail.explain_order('app', 'O1')), 'the service desk');
SELECT is(as_role('retail_bi', $$SELECT count(*) FROM retail.explain_order('app', 'O1')$$), '42501', 'not BI');
SELECT raises('RT006', $$SELECT retail.explain_order('app', 'nope')$$);
SELECT raises('RT006', $$SELECT retail.explain_order('nope', 'O1')$$);
SELECT raises('RT006', $$SELECT retail.explain_order(NULL, NULL)$$);
-- ---- what became of it ----
SELECT is(retail.cancel_order('app', 'O1', as_of => '2026-03-02 03:00+00') ->> 'status', 'cancelled', 'cancelled');
SELECT is(pg_temp.line('O1', 'cancelled'), 'The order was cancelled.', '... and the text says so');
SELECT retail.record_sale('pos', 'T1', 'DEAR', '[{"sku": "A", "qty": 1, "price": 10}]', '2026-03-02 03:00+00') \g /dev/null
SELECT is((SELECT string_agg(l, '|') FROM retail.explain_order('pos', 'T1') l), 'Order T1 of channel pos: 1 A at the till of DEAR.|Nothing had to be decided.', 'a sale at a till');
SELECT retail.put_node('OTHER', 'other', 'store', 'SH', can_pick_up => true), retail.place_order('app', 'S1', '[{"sku": "A", "qty": 1}]', NULL, 'ship_to_store', 'OTHER', payment => 'on_delivery', as_of => '2026-03-02 02:00+00') \g /dev/null
SELECT is(pg_temp.line('S1', '^(Order|  It can)'), 'Order S1 of channel app: 1 A, to be collected at OTHER.|  It can be collected Tue 3 Mar 17:00, 25 hours later.', 'sent to a store');
SELECT is((SELECT count(*) FROM retail.quote_order('app', '[{"sku": "A", "qty": 1}]', '{"region": "SH"}', as_of => '2026-03-02 02:00+00') q, retail.explain_decision(q.trace, '2026-03-02 02:00+00') l WHERE l ~ '^Parcel'), 1::bigint, 'a quote can be explained too');
SELECT is((SELECT count(*) FROM retail.explain_decision('{}', now())), 1::bigint, 'a trace of an older version has less to tell');
-- ---- refused, bundles, and what waits ----
SELECT retail.put_sku('B', 'B', 500, list_price => 10), retail.put_sku('AB', 'A and B', 1, list_price => 18), retail.put_sku('L', 'L', 100, list_price => 5) \g /dev/null
SELECT retail.put_bundle('AB', '[{"sku": "A", "qty": 1}, {"sku": "B", "qty": 1}]'), retail.put_node('NEXT', 'next', 'store', 'SH', parcel_cost => 20),
	retail.receive_stock('in2', 'DEAR', '[{"sku": "A", "qty": 9}, {"sku": "B", "qty": 9}]', '2026-03-01 00:00+00'), retail.receive_stock('in3', 'NEXT', '[{"sku": "A", "qty": 9}, {"sku": "B", "qty": 9}]', '2026-03-01 00:00+00'),
	retail.put_inbound('purchase_order', 'PO1', 'L', 'DEAR', 5, '2026-03-05 02:00+00', '2026-03-01 00:00+00') \g /dev/null
SELECT order_id FROM retail.place_order('app', 'O2', '[{"sku": "AB", "qty": 2}, {"sku": "L", "qty": 3}]', '{"region": "SH"}', payment => 'on_delivery', as_of => '2026-03-02 02:00+00', shortage => 'backorder') \gset
SELECT is(pg_temp.line('O2', 'bundle'), '2 A, 2 B of these came as 2 AB; what a bundle holds travels together.', 'a bundle');
SELECT is(pg_temp.line('O2', 'wait'), '3 L wait for purchase order PO1, expected at DEAR Thu 5 Mar 10:00 Asia/Shanghai: with the customer Fri 6 Mar 16:00.', 'what waits, for what and until when');
SELECT is(retail.reject_shipment((SELECT shipment_id FROM retail.shipment WHERE order_id = :order_id), 'damaged', as_of => '2026-03-02 03:00+00') ->> 'outcome', 'rerouted', 'refused');
SELECT is(pg_temp.line('O2', '^Decided'), 'Decided again at Mon 2 Mar 2026 03:00 UTC, because DEAR found the goods damaged.', 'why it was decided again');
SELECT is(retail.reject_shipment((SELECT max(shipment_id) FROM retail.shipment WHERE order_id = :order_id), 'capacity', as_of => '2026-03-02 04:00+00') ->> 'outcome', 'exception', 'nobody is left');
SELECT is(pg_temp.line('O2', '^2 . wait'), '2 A wait for a decision: no node sends them (see the exception queue).|2 B wait for a decision: no node sends them (see the exception queue).', '... so a person decides');
SELECT is((SELECT count(*) FROM retail.check_integrity()), 0::bigint, 'the books are right');
SELECT * FROM finish();
ROLLBACK;
