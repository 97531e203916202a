-- ship_to_store.sql: orders that are collected at a store to which others send, ship from store, and the nearest stores.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT * FROM no_plan();

CREATE FUNCTION pg_temp.place(no text, lines jsonb, store text DEFAULT 'S1', at timestamptz DEFAULT '2026-03-02 02:00+00', payment text DEFAULT 'on_delivery', policy text DEFAULT NULL) RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT order_id FROM retail.place_order('mp', $1, $2, fulfilment => 'ship_to_store', pick_up_node => $3, payment => $5, policy => $6, as_of => $4) $$;
CREATE FUNCTION pg_temp.parcels(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s %s->%s %s: %s, freight %s, %s', s.kind, n.code, t.code, s.status, (SELECT string_agg(k.code || l.quantity, ' ' ORDER BY k.code) FROM retail.shipment_line l JOIN retail.sku k USING (sku_id)
		WHERE l.shipment_id = s.shipment_id), s.freight_cost, s.promised_at), '; ' ORDER BY s.shipment_id)
	FROM retail.shipment s JOIN retail.node n USING (node_id) LEFT JOIN retail.node t ON t.node_id = s.to_node_id WHERE s.order_id = order_id($1) $$;
CREATE FUNCTION pg_temp.parcel(no text, kind text DEFAULT 'ship_to_store') RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT s.shipment_id FROM retail.shipment s WHERE s.order_id = order_id($1) AND s.kind = $2 ORDER BY s.shipment_id LIMIT 1 $$;
CREATE FUNCTION pg_temp.status(no text) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT o.status FROM retail.sales_order o WHERE o.external_no = $1 $$;

-- S1 opens 10:00 to 20:00 UTC, not on Sundays; S2 is open around the clock and ships, too; S3 is far.
SELECT retail.put_region('CN', '中国', NULL, 35, 105), retail.put_region('CN-SH', '上海', 'CN', 31.2, 121.5), retail.put_channel('mp', '小程序', 'mini_program'),
	retail.put_calendar('shop', 'Shop', '{"1": ["10:00", "20:00"], "2": ["10:00", "20:00"], "3": ["10:00", "20:00"], "4": ["10:00", "20:00"], "5": ["10:00", "20:00"], "6": ["10:00", "20:00"]}') \g /dev/null
SELECT retail.put_sku('A', 'Tea', 500, list_price => 10), retail.put_sku('B', 'Cup', 300, list_price => 3.33), retail.put_sku('F', 'Ice', 300, list_price => 3, temperature_class => 'frozen'),
	retail.put_node('W1', '上海仓', 'warehouse', 'CN-SH', 31.2, 121.4, 'UTC', parcel_cost => 1, temperature_classes => '{ambient,frozen}'),
	retail.put_node('S1', '一店', 'store', 'CN-SH', 31.3, 121.5, 'UTC', 'shop', can_ship => false, can_pick_up => true, parcel_cost => 0.50),
	retail.put_node('S2', '二店', 'store', 'CN-SH', 31.4, 121.5, 'UTC', can_ship => true, can_pick_up => true, parcel_cost => 2),
	retail.put_node('S3', '三店', 'store', 'CN', 39.9, 116.4, 'UTC', can_ship => false, can_pick_up => true), retail.put_node('S4', '无地', 'store', NULL, can_pick_up => true),
	retail.put_carrier_service('SF', '顺丰', '标快', temperature_classes => '{ambient,frozen}') \g /dev/null
SELECT retail.put_lane('SF', 'CN', 'Z', 24, from_region => 'CN'), retail.put_rate_card('SF', 'Z', 1000, 6, 1000, 2) \g /dev/null
SELECT retail.receive_stock('R1', 'W1', '[{"sku": "A", "qty": 20}, {"sku": "F", "qty": 50}]', '2026-03-01 00:00+00'),
	retail.receive_stock('R2', 'S1', '[{"sku": "B", "qty": 10}]', '2026-03-01 00:00+00'), retail.receive_stock('R3', 'S2', '[{"sku": "A", "qty": 5}, {"sku": "B", "qty": 5}]', '2026-03-01 00:00+00') \g /dev/null

-- ---- plan and promise ---------------------------------------------------------------

-- Monday 02:00: leaves W1 at the cut-off 16:00, arrives Tuesday 16:00, is ready an opening hour later.
SELECT lives_ok($$ SELECT pg_temp.place('O1', '[{"sku": "A", "qty": 2}]') $$, 'what the store lacks');
SELECT is(pg_temp.parcels('O1'), 'ship_to_store W1->S1 planned: A2, freight 6.00, 2026-03-03 17:00:00+00', '... is sent to it; ready when the store has unpacked it');
SELECT is((SELECT (fulfilment, (SELECT n.code FROM retail.node n WHERE n.node_id = o.pick_up_node_id), promised_at)::text FROM retail.sales_order o WHERE external_no = 'O1'),
	'(ship_to_store,S1,"2026-03-03 17:00:00+00")', '... the order knows');
SELECT lives_ok($$ SELECT pg_temp.place('O2', '[{"sku": "A", "qty": 1}]', at => '2026-03-06 12:00+00') $$, 'ordered on Friday');
SELECT is(pg_temp.parcels('O2'), 'ship_to_store W1->S1 planned: A1, freight 6.00, 2026-03-07 17:00:00+00', '... arrives on Saturday');
SELECT lives_ok($$ SELECT pg_temp.place('O3', '[{"sku": "A", "qty": 1}]', at => '2026-03-06 18:00+00') $$, 'ordered on Friday evening');
SELECT is(pg_temp.parcels('O3'), 'ship_to_store W1->S1 planned: A1, freight 6.00, 2026-03-09 11:00:00+00', '... arrives on Sunday and is ready on Monday');
SELECT lives_ok($$ SELECT pg_temp.place('O4', '[{"sku": "A", "qty": 1}, {"sku": "B", "qty": 3}]') $$, 'half of it lies there');
SELECT is(pg_temp.parcels('O4'), 'ship_to_store W1->S1 planned: A1, freight 6.00, 2026-03-03 17:00:00+00; pick_up S1-> planned: B3, freight 0.00, 2026-03-02 11:00:00+00', '... the other half is sent');
SELECT lives_ok($$ SELECT pg_temp.place('O5', '[{"sku": "B", "qty": 2}]') $$, 'all of it lies there');
SELECT is(pg_temp.parcels('O5'), 'pick_up S1-> planned: B2, freight 0.00, 2026-03-02 11:00:00+00', '... nothing travels');
SELECT lives_ok($$ SELECT pg_temp.place('O6', '[{"sku": "B", "qty": 7}]') $$, 'more than lies there');
SELECT is((SELECT count(*) FROM retail.shipment WHERE order_id = order_id('O6')), 2::bigint, '... is completed by another store');
SELECT raises('RT020', $$ SELECT pg_temp.place('OX', '[{"sku": "B", "qty": 9}]') $$, 'more than there is');
SELECT raises('RT021', $$ SELECT pg_temp.place('OX', '[{"sku": "F", "qty": 1}]') $$, 'a store that does not keep what is frozen');
SELECT raises('RT002', $$ SELECT pg_temp.place('OX', '[{"sku": "A", "qty": 1}]', NULL) $$);
SELECT raises('RT002', $$ SELECT pg_temp.place('OX', '[{"sku": "A", "qty": 1}]', 'nope') $$);
SELECT raises('RT022', $$ SELECT pg_temp.place('OX', '[{"sku": "A", "qty": 1}]', 'W1') $$);
SELECT raises('RT004', $$ SELECT pg_temp.place('OX', '[{"sku": "A", "qty": 1}]', 'S4') $$, 'a store that lies nowhere');
SELECT is((SELECT (parcels -> 0 ->> 'kind') || (promised_at) FROM retail.quote_order('mp', '[{"sku": "A", "qty": 2}]', fulfilment => 'ship_to_store', pick_up_node => 'S1', as_of => '2026-03-02 02:00+00')),
	'ship_to_store2026-03-03 17:00:00+00', 'quoted like placed');
-- Ship from store: S2 sends to a customer when it is cheaper.
SELECT is((SELECT parcels -> 0 ->> 'node' FROM retail.quote_order('mp', '[{"sku": "B", "qty": 1}]', '{"region": "CN-SH"}', as_of => '2026-03-02 02:00+00')), 'S2', 'a store that ships is a candidate, one that does not is none');
SELECT is((SELECT parcels -> 0 ->> 'node' FROM retail.quote_order('mp', '[{"sku": "A", "qty": 1}]', '{"region": "CN-SH"}', as_of => '2026-03-02 02:00+00')), 'W1', '... and the cheaper one is chosen');

-- ---- life cycle --------------------------------------------------------------------

SELECT raises('RT031', $$ SELECT retail.ready_for_pick_up(pg_temp.parcel('O1'), '2026-03-03 16:00+00') $$, 'a parcel that has not left is not at the store');
SELECT raises('RT031', $$ SELECT retail.pick_up(pg_temp.parcel('O1'), '2026-03-03 16:00+00') $$, '... nor collected');
SELECT is(retail.ship_order(pg_temp.parcel('O1'), 'T1', '[{"sku": "A", "qty": 1}]', '2026-03-02 16:00+00') ->> 'status', 'shipped', 'a part leaves');
SELECT is(pg_temp.parcels('O1'), 'ship_to_store W1->S1 shipped: A1, freight 3.00, 2026-03-03 17:00:00+00; ship_to_store W1->S1 planned: A1, freight 3.00, 2026-03-03 17:00:00+00', '... the rest is a parcel to the same store');
SELECT is(pg_temp.status('O1'), 'partly_shipped', '... the order is partly shipped');
SELECT raises('RT014', $$ SELECT retail.ready_for_pick_up(pg_temp.parcel('O1'), '2026-03-02 15:00+00') $$, 'it does not arrive before it left');
SELECT raises('RT031', $$ SELECT retail.deliver_order(pg_temp.parcel('O1'), '2026-03-03 16:00+00') $$, 'it is not delivered but collected');
SELECT is(retail.ready_for_pick_up(pg_temp.parcel('O1'), '2026-03-03 16:00+00') ->> 'status', 'ready', 'it arrives');
SELECT is(retail.ready_for_pick_up(pg_temp.parcel('O1'), '2026-03-03 16:30+00') ->> 'replayed', 'true', '... once');
SELECT is(retail.ship_order(pg_temp.parcel('O1'), 'T1') ->> 'replayed', 'true', 'a retry of the sender is answered');
SELECT is(pg_temp.status('O1'), 'partly_shipped', 'what waits at the store has left its node');
SELECT is_empty($$ SELECT * FROM retail.check_integrity() $$, '... and the books are right');
SELECT is(retail.cancel_order('mp', 'O1') ->> 'cancelled_units', '1', 'what has not left is cancelled');
SELECT is(pg_temp.parcels('O1'), 'ship_to_store W1->S1 ready: A1, freight 3.00, 2026-03-03 17:00:00+00; ship_to_store W1->S1 cancelled: A0, freight 3.00, 2026-03-03 17:00:00+00', '... what waits at the store is not');
SELECT raises('RT031', $$ SELECT retail.ship_order(pg_temp.parcel('O1'), 'T2') $$, 'it does not leave again');
SELECT is(retail.pick_up(pg_temp.parcel('O1'), '2026-03-03 18:00+00') ->> 'status', 'delivered', 'the customer has it');
SELECT is(retail.pick_up(pg_temp.parcel('O1'), '2026-03-03 18:30+00') ->> 'replayed', 'true', '... once');
SELECT is(pg_temp.status('O1'), 'delivered', '... and the order is delivered');
SELECT is((SELECT s.on_hand || '/' || s.reserved FROM retail.stock s WHERE s.sku_id = retail.sku_id('A') AND s.node_id = retail.node_id('W1')), '19/3', 'one unit left the sender, once');
SELECT is((SELECT count(*) FROM retail.stock s WHERE s.sku_id = retail.sku_id('A') AND s.node_id = retail.node_id('S1')), 0::bigint, 'the store never owned it');
SELECT is((SELECT string_agg(e.kind, ' ' ORDER BY e.event_id) FROM retail.order_event e WHERE e.order_id = order_id('O1')), 'placed shipped ready line_cancelled delivered', 'events');
SELECT is(retail.ship_order(pg_temp.parcel('O2'), as_of => '2026-03-06 16:00+00') ->> 'status', 'shipped', 'another');
SELECT is(retail.pick_up(pg_temp.parcel('O2'), '2026-03-07 18:00+00') ->> 'status', 'delivered', '... is handed over without having been announced');
SELECT is(retail.return_order('RT1', 'mp', 'O2', 'S1', '[{"sku": "A", "qty": 1}]') ->> 'amount', '10.00', '... and comes back to the store');
SELECT lives_ok($$ SELECT pg_temp.place('O7', '[{"sku": "A", "qty": 1}]', payment => 'prepaid') $$, 'to be paid');
SELECT raises('RT031', $$ SELECT retail.ship_order(pg_temp.parcel('O7'), 'T') $$, '... does not leave unpaid');

-- ---- who sees and does what ----------------------------------------------------------

CREATE ROLE at_s1 IN ROLE retail_store;
CREATE ROLE at_s2 IN ROLE retail_store;
CREATE ROLE at_w1 IN ROLE retail_store;
SELECT retail.bind_principal('at_s1', 'S1'), retail.bind_principal('at_s2', 'S2'), retail.bind_principal('at_w1', 'W1') \g /dev/null
SELECT is(as_role('at_s1', $$ SELECT count(*) FROM retail.shipment WHERE kind = 'ship_to_store' $$), '7', 'the store that receives sees the parcels');
SELECT is(as_role('at_w1', $$ SELECT count(*) FROM retail.shipment WHERE kind = 'ship_to_store' $$), '6', 'who sends, sees his');
SELECT is(as_role('at_s2', $$ SELECT count(*) FROM retail.shipment $$), '1', 'others do not');
SELECT is(as_role('at_s1', $$ SELECT count(*) FROM retail.sales_order WHERE external_no = 'O3' $$), '1', 'the order, too');
SELECT is(as_role('at_s1', $$ SELECT retail.order_status('mp', 'O3') ->> 'status' $$), 'open', '... and its state');
SELECT is(as_role('at_s1', format('SELECT retail.ship_order(%s)', pg_temp.parcel('O3'))), 'RT040', 'the store does not send for the other');
SELECT is(as_role('at_w1', format('SELECT retail.ship_order(%s, as_of => ''2026-03-07 16:00+00'') ->> ''status''', pg_temp.parcel('O3'))), 'shipped', '... which does it itself');
SELECT is(as_role('at_w1', format('SELECT retail.ready_for_pick_up(%s, ''2026-03-08 16:00+00'')', pg_temp.parcel('O3'))), 'RT040', 'the sender does not receive');
SELECT is(as_role('at_s1', format('SELECT retail.ready_for_pick_up(%s, ''2026-03-08 16:00+00'') ->> ''status''', pg_temp.parcel('O3'))), 'ready', '... the store does');
SELECT is(as_role('at_s1', format('SELECT retail.pick_up(%s, ''2026-03-09 16:00+00'') ->> ''status''', pg_temp.parcel('O3'))), 'delivered', '... and hands over');

-- ---- the nearest stores ---------------------------------------------------------------

SELECT results_eq($$ SELECT node, round(distance_km)::int, pick_up_at, pick_up_cost, ship_to_store_at, ship_to_store_cost FROM retail.nearest_stores('mp', '[{"sku": "B", "qty": 1}]', '{"lat": 31.3, "lon": 121.5}', 2, as_of => '2026-03-02 02:00+00') $$,
	$$ VALUES ('S1', 0, NULL::timestamptz, NULL::numeric, '2026-03-03 17:00+00'::timestamptz, 8.00), ('S2', 11, '2026-03-02 03:00+00', 2.00, '2026-03-02 03:00+00', 2.00) $$, 'what the nearest store has no more');
SELECT retail.receive_stock('R4', 'S1', '[{"sku": "B", "qty": 5}]', '2026-03-01 00:00+00') \g /dev/null
SELECT results_eq($$ SELECT node, pick_up_cost, ship_to_store_cost FROM retail.nearest_stores('mp', '[{"sku": "A", "qty": 1}, {"sku": "B", "qty": 1}]', '{"lat": 31.3, "lon": 121.5}', as_of => '2026-03-02 02:00+00') $$,
	$$ VALUES ('S1', NULL::numeric, 8.00), ('S2', 2.00, 2.00), ('S3', NULL, 8.00) $$, 'nearest first, by own stock and by ship to store');
SELECT results_eq($$ SELECT node FROM retail.nearest_stores('mp', '[{"sku": "A", "qty": 1}]', '{"lat": 31.3, "lon": 121.5}', 1, 'pick_up', as_of => '2026-03-02 02:00+00') $$, $$ VALUES ('S2') $$, 'by own stock only');
SELECT results_eq($$ SELECT node, pick_up_at FROM retail.nearest_stores('mp', '[{"sku": "A", "qty": 1}]', '{"region": "CN-SH"}', 1, 'ship_to_store', as_of => '2026-03-02 02:00+00') $$, $$ VALUES ('S1', NULL::timestamptz) $$, 'by ship to store only');
SELECT is_empty($$ SELECT * FROM retail.nearest_stores('mp', '[{"sku": "A", "qty": 100}]', '{"region": "CN-SH"}', as_of => '2026-03-02 02:00+00') $$, 'nobody has so much');
SELECT raises('RT016', format('SELECT * FROM retail.nearest_stores(''mp'', ''[{"sku": "A", "qty": 1}]'', ''{"region": "CN-SH"}'', %s)', a)) FROM unnest('{0,101,"NULL","5, ''drone''","5, NULL"}'::text[]) a;
SELECT raises('RT004', $$ SELECT * FROM retail.nearest_stores('mp', '[{"sku": "A", "qty": 1}]', '{"region": "nowhere"}') $$);
SELECT raises('RT016', $$ SELECT * FROM retail.nearest_stores('mp', '[{"sku": "A", "qty": 1}]', NULL) $$);
SELECT is(has_function_privilege('retail_service', 'retail.nearest_stores(text, jsonb, jsonb, int, text, text, timestamptz)', 'EXECUTE'), true, 'the service desk may ask');

SELECT is_empty($$ SELECT * FROM retail.check_integrity() $$, 'integrity');
SELECT lives_ok($$ UPDATE retail.shipment SET to_node_id = retail.node_id('S2') WHERE shipment_id = pg_temp.parcel('O1') $$, 'a parcel to another store');
SELECT is((SELECT count(*) FROM retail.check_fulfilment_integrity()), 1::bigint, '... is found');
SELECT * FROM finish();
ROLLBACK;
