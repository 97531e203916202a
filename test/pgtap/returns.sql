-- returns.sql: sales at a till, returns, inspection, the state of an order, and
-- the check of the room: to the unit, to the cent, and harmless to retry.
BEGIN;
SET client_min_messages = warning;
SELECT plan(181);

-- The counters of a SKU at a node: on_hand/reserved/in_transit/damaged/quality_hold.
CREATE FUNCTION pg_temp.stock(sku text, node text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws('/', s.on_hand, s.reserved, s.in_transit, s.damaged, s.quality_hold)
	FROM retail.stock s JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id) WHERE k.code = sku AND n.code = node
$$;

-- What check_integrity() says while a statement is in force.
CREATE FUNCTION pg_temp.violations(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	BEGIN
		EXECUTE statement;
		SELECT string_agg(DISTINCT c.invariant || ' ' || split_part(c.object, ' ', 1), ', ' ORDER BY c.invariant || ' ' || split_part(c.object, ' ', 1)) INTO found FROM retail.check_integrity() c;
		RAISE EXCEPTION USING ERRCODE = 'ZZZZZ';
	EXCEPTION WHEN SQLSTATE 'ZZZZZ' THEN
		RETURN found;
	END;
END $$;

SELECT retail.put_channel('pos', '收银台', 'pos'), retail.put_channel('app', '应用', 'app'), retail.put_channel('off', 'off', 'web', is_active => false), retail.put_region('CN', '中国', latitude => 31, longitude => 121),
	retail.put_sku('A', '茶', 500, list_price => 9.90), retail.put_sku('B', '杯', 100, list_price => 4), retail.put_sku('C', '无价', 1),
	retail.put_sku('OLD', '旧', 1, list_price => 1, is_active => false),
	retail.put_node('S1', '一店', 'store', 'CN', can_pick_up => true), retail.put_node('S2', '二店', 'store', 'CN'), retail.put_node('NORECV', 'x', 'store', can_receive => false),
	retail.put_node('SHUT', 'x', 'store', is_active => false), retail.put_carrier_service('EX', '快递', '标快'), retail.put_rate_card('EX', '1', 1000, 5, 1000, 1),
	retail.put_lane('EX', 'CN', '1', 24, from_node => 'S1') \g /dev/null
CREATE ROLE returns_test_s1 LOGIN IN ROLE retail_store;
CREATE ROLE returns_test_s2 LOGIN IN ROLE retail_store;
CREATE ROLE returns_test_desk LOGIN IN ROLE retail_service;
CREATE ROLE returns_test_bi LOGIN IN ROLE retail_bi;
SELECT retail.bind_principal('returns_test_s1', 'S1'), retail.bind_principal('returns_test_s2', 'S2'),
	retail.receive_stock('R1', 'S1', '[{"sku":"A","qty":10},{"sku":"B","qty":10}]'), retail.hold_stock('H1', 'app', '[{"sku":"B","node":"S1","qty":4}]', NULL) \g /dev/null

-- ---- sales at a till ------------------------------------------------------------------

SELECT is(retail.record_sale('pos', 'P1', 'S1', '[{"sku":"B","qty":2},{"sku":"A","qty":1,"price":8.5},{"sku":"B","qty":1.0,"discount":0.50}]', '2026-05-01 10:00+00', 7) - 'order_id',
	'{"total":20.00,"oversold":false,"replayed":false}', 'a sale: list price or price, lines of one SKU are summed');
SELECT is(pg_temp.stock('A', 'S1') || ' ' || pg_temp.stock('B', 'S1'), '9/0/0/0/0 7/4/0/0/0', '... leaves the shelf, not the reservations');
SELECT is(retail.record_sale('pos', 'P1', 'S1', '[{"sku":"B","qty":2},{"sku":"A","qty":1,"price":8.5},{"sku":"B","qty":1.0,"discount":0.50}]', now(), 7) - 'order_id',
	'{"total":20.00,"oversold":false,"replayed":true}', 'a retry gets the first answer');
SELECT is(pg_temp.stock('A', 'S1'), '9/0/0/0/0', '... and books nothing');
SELECT results_eq($$SELECT fulfilment, status, payment_state, member_id, goods_total, discount_total, freight_total, total, paid, placed_at, (SELECT code FROM retail.node n WHERE n.node_id = pick_up_node_id) FROM retail.sales_order$$,
	$$VALUES ('counter', 'delivered', 'paid', 7::bigint, 20.50, 0.50, 0.00, 20.00, 20.00, '2026-05-01 10:00+00'::timestamptz, 'S1')$$, 'its order');
SELECT results_eq($$SELECT l.line_no, k.code, l.quantity, l.unit_price, l.discount, l.amount, l.allocated, l.shipped FROM retail.order_line l JOIN retail.sku k USING (sku_id) ORDER BY 1$$,
	$$VALUES (1, 'B', 3::bigint, 4.00, 0.50, 11.50, 3::bigint, 3::bigint), (2, 'A', 1, 8.50, 0.00, 8.50, 1, 1)$$, '... its lines, by first mention');
SELECT results_eq($$SELECT s.kind, s.status, s.weight_g, s.delivered_at, sum(l.quantity) FROM retail.shipment s JOIN retail.shipment_line l USING (shipment_id) GROUP BY s.shipment_id$$,
	$$VALUES ('counter', 'delivered', 800::bigint, '2026-05-01 10:00+00'::timestamptz, 4::numeric)$$, '... its parcel');
SELECT results_eq('SELECT method, payment_no, kind, amount FROM retail.payment', $$VALUES ('till', 'pos:P1', 'payment', 20.00)$$, '... its payment');
SELECT results_eq('SELECT kind, actor = session_user FROM retail.order_event', $$VALUES ('sold', true)$$, '... its event');
SELECT is((SELECT count(*) FROM retail.movement m JOIN retail.shipment s ON m.ref_type = 'shipment' AND m.ref_id = s.shipment_id WHERE m.reason = 'sale'), 2::bigint, '... and its ledger rows');
SELECT is(retail.record_sale('pos', 'P2', 'S1', '[{"sku":"B","qty":4}]') - 'order_id', '{"total":16.00,"oversold":true,"replayed":false}', 'less lies there than is promised: oversold');
SELECT is(pg_temp.stock('B', 'S1'), '3/4/0/0/0', '... and recorded');
SELECT is(retail.record_sale('pos', 'P3', 'S2', '[{"sku":"A","qty":2},{"sku":"OLD","qty":1}]') -> 'oversold', 'true', 'what never was there, or is inactive, is sold too');
SELECT is(pg_temp.stock('A', 'S2'), '-2/0/0/0/0', '... below zero');
SELECT is(retail.record_sale('pos', 'P3', 'S2', '[{"sku":"A","qty":2},{"sku":"OLD","qty":1}]') -> 'oversold', 'true', '... and a retry says so again');
SELECT is(retail.record_sale('pos', 'P4', 'S2', '[{"sku":"C","qty":1,"price":0}]', payment_no => 'X', method => 'card') - 'order_id', '{"total":0.00,"oversold":true,"replayed":false}', 'a gift has no payment');
SELECT is((SELECT count(*) FROM retail.payment), 3::bigint, '... no row');
SELECT is(retail.record_sale('pos', 'P5', 'S1', '[{"sku":"A","qty":3,"price":6.67,"discount":0.01}]', payment_no => '42', method => 'wechat_pay') -> 'total', '20.00', 'a payment of another system');
SELECT is((SELECT payment_no FROM retail.payment WHERE method = 'wechat_pay'), '42', '... keeps its number');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'integrity after sales');

SELECT raises('RT030', $$SELECT retail.record_sale('pos', 'P1', 'S1', '[{"sku":"B","qty":2}]')$$);
SELECT raises('RT030', $$SELECT retail.record_sale('pos', 'P2', 'S2', '[{"sku":"B","qty":4}]')$$);
SELECT raises('RT030', $$SELECT retail.record_sale('pos', 'P2', 'S1', '[{"sku":"B","qty":4}]', member_id => 1)$$);
SELECT raises('RT030', $$SELECT retail.record_sale('pos', 'P9', 'S1', '[{"sku":"B","qty":4}]', payment_no => '42', method => 'wechat_pay')$$, 'the payment of another sale');
SELECT is((SELECT count(*) FROM retail.sales_order WHERE external_no = 'P9'), 0::bigint, '... and nothing stays');
SELECT raises('RT002', $$SELECT retail.record_sale('pos', 'P9', 'NONE', '[{"sku":"B","qty":4}]')$$);
SAVEPOINT late;
SELECT is(retail.record_sale('pos', 'P9', 'SHUT', '[{"sku":"B","qty":4}]') ->> 'oversold', 'true', 'a sale of a store that is closed by now is recorded');
ROLLBACK TO late;
SELECT raises('RT003', $$SELECT retail.record_sale('NONE', 'P9', 'S1', '[{"sku":"B","qty":4}]')$$);
SELECT is(retail.record_sale('off', 'P9', 'S1', '[{"sku":"B","qty":4}]') ->> 'replayed', 'false', '... and one in a channel that is closed by now');
ROLLBACK TO late;
SELECT raises('RT014', $$SELECT retail.record_sale('pos', 'P9', 'S1', '[{"sku":"B","qty":4}]', '2100-01-01')$$);
SELECT raises('RT014', $$SELECT retail.record_sale('pos', 'P9', 'S1', '[{"sku":"B","qty":4}]', NULL)$$);
SELECT raises('RT015', $$SELECT retail.record_sale('pos', '', 'S1', '[{"sku":"B","qty":4}]')$$);
SELECT raises('RT015', $$SELECT retail.record_sale('pos', NULL, 'S1', '[{"sku":"B","qty":4}]')$$);
SELECT raises('RT015', $$SELECT retail.record_sale('pos', 'P9', 'S1', '[{"sku":"B","qty":4}]', payment_no => ' ')$$);
SELECT raises('RT015', $$SELECT retail.record_sale('pos', 'P9', 'S1', '[{"sku":"B","qty":4}]', method => NULL)$$);
SELECT raises(x.code, format('SELECT retail.record_sale(%L, %L, %L, %L)', 'pos', 'P9', 'S1', x.lines)) FROM (VALUES
	('RT001', '[{"sku":"NONE","qty":1}]'), ('RT010', '[{"sku":"A"}]'), ('RT010', '[{"sku":"A","qty":0}]'), ('RT010', '[{"sku":"A","qty":-1}]'), ('RT010', '[{"sku":"A","qty":1.5}]'),
	('RT010', '[{"sku":"A","qty":"1"}]'), ('RT010', '[{"sku":"A","qty":1e12}]'), ('RT010', '[{"sku":"A","qty":1000000000,"price":0},{"sku":"A","qty":1,"price":0}]'),
	('RT011', NULL), ('RT011', 'null'), ('RT011', '[]'), ('RT011', '{"sku":"A","qty":1}'), ('RT011', '[7]'), ('RT011', '[{"qty":1}]'), ('RT011', '[{"sku":1,"qty":1}]'),
	('RT011', '[{"sku":"A","qty":1,"unit":"BOX"}]'), ('RT011', '[{"sku":"A","qty":1},{"sku":"A","qty":1,"price":9}]'),
	('RT012', '[{"sku":"C","qty":1}]'), ('RT012', '[{"sku":"A","qty":1,"price":-1}]'), ('RT012', '[{"sku":"A","qty":1,"price":1.005}]'), ('RT012', '[{"sku":"A","qty":1,"price":"1"}]'),
	('RT012', '[{"sku":"A","qty":1,"price":1e9}]'), ('RT012', '[{"sku":"A","qty":1,"discount":-0.01}]'), ('RT012', '[{"sku":"A","qty":1,"discount":9.91}]'),
	('RT012', '[{"sku":"A","qty":100,"price":100000000}]')) x (code, lines);
SELECT raises('RT011', format('SELECT retail.record_sale(%L, %L, %L, %L)', 'pos', 'P9', 'S1', (SELECT jsonb_agg('{"sku":"A","qty":1}'::jsonb) FROM generate_series(1, 201))), '201 lines');
SELECT lives_ok(format('SELECT retail.record_sale(%L, %L, %L, %L)', 'pos', 'P200', 'S2', (SELECT jsonb_agg('{"sku":"A","qty":1}'::jsonb) FROM generate_series(1, 200))), '200 lines');
SELECT raises_as('returns_test_s1', 'no error', $$SELECT retail.record_sale('pos', 'P6', 'S1', '[{"sku":"A","qty":1}]')$$);
SELECT raises_as('returns_test_s1', 'RT040', $$SELECT retail.record_sale('pos', 'P9', 'S2', '[{"sku":"A","qty":1}]')$$);
SELECT raises_as('returns_test_desk', '42501', $$SELECT retail.record_sale('pos', 'P9', 'S1', '[{"sku":"A","qty":1}]')$$);

-- ---- returns ------------------------------------------------------------------------------

SELECT is(retail.return_order('B1', 'pos', 'P5', 'S2', '[{"sku":"A","qty":1}]', '太大', '2026-05-02 10:00+00') - 'return_id', '{"amount":6.67,"replayed":false}', 'three units of 20.00 return: the first is 6.67, at another node');
SELECT is(pg_temp.stock('A', 'S2'), '-202/0/0/0/1', '... and is on quality hold');
SELECT is(retail.return_order('B1', 'pos', 'P5', 'S2', '[{"sku":"A","qty":1}]', '太大', now()) - 'return_id', '{"amount":6.67,"replayed":true}', 'a retry gets the first answer');
SELECT is(pg_temp.stock('A', 'S2'), '-202/0/0/0/1', '... and books nothing');
SELECT is(retail.return_order('B2', 'pos', 'P5', 'S1', '[{"sku":"A","qty":1}]') -> 'amount', '6.66', 'the second is 6.66');
SELECT is(retail.return_order('B3', 'pos', 'P5', 'S1', '[{"sku":"A","qty":1}]') -> 'amount', '6.67', 'the third is 6.67');
SELECT results_eq($$SELECT o.total, o.returned_amount, l.returned, l.returned_amount, o.status FROM retail.sales_order o JOIN retail.order_line l USING (order_id) WHERE o.external_no = 'P5'$$,
	$$VALUES (20.00, 20.00, 3::bigint, 20.00, 'delivered')$$, '... together what was paid');
SELECT is(retail.return_order('B4', 'pos', 'P1', 'S1', '[{"sku":"B","qty":1},{"sku":"A","qty":1},{"sku":"B","qty":1}]') -> 'amount', '16.17', 'lines with a discount: 7.67 of 11.50 for two of three, and 8.50');
SELECT results_eq($$SELECT x.line_no, x.quantity, x.amount FROM retail.return_line x JOIN retail.sales_return r USING (return_id) WHERE r.return_no = 'B4' ORDER BY 1$$,
	$$VALUES (1, 2::bigint, 7.67), (2, 1, 8.50)$$, '... in the lines of the order');
SELECT results_eq($$SELECT kind, detail ->> 'return_no', (detail ->> 'amount')::numeric FROM retail.order_event e JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'P1' ORDER BY event_id$$,
	$$VALUES ('sold', NULL, NULL), ('returned', 'B4', 16.17)$$, '... and an event');
SELECT is((SELECT count(*) FROM retail.movement m JOIN retail.sales_return r ON m.ref_type = 'return' AND m.ref_id = r.return_id WHERE m.reason = 'return' AND m.condition = 'quality_hold'), 5::bigint, 'ledger rows');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'integrity after returns');
SELECT raises('RT032', $$SELECT retail.return_order('B9', 'pos', 'P5', 'S1', '[{"sku":"A","qty":1}]')$$, 'no more than was shipped');
SELECT raises('RT032', $$SELECT retail.return_order('B9', 'pos', 'P1', 'S1', '[{"sku":"B","qty":1},{"sku":"B","qty":1}]')$$, '... lines are summed first');
SELECT is(detail_of($$SELECT retail.return_order('B9', 'pos', 'P1', 'S1', '[{"sku":"B","qty":2}]')$$), 'SKU "B": 2 to return, 3 shipped, 2 returned before.', '... it says the numbers');
SELECT raises('RT032', $$SELECT retail.return_order('B9', 'pos', 'P1', 'S1', '[{"sku":"C","qty":1}]')$$, 'what the order never had');
SELECT raises('RT030', $$SELECT retail.return_order('B1', 'pos', 'P5', 'S2', '[{"sku":"A","qty":2}]', '太大')$$);
SELECT raises('RT030', $$SELECT retail.return_order('B1', 'pos', 'P5', 'S2', '[{"sku":"A","qty":1}]')$$);
SELECT raises('RT030', $$SELECT retail.return_order('B1', 'pos', 'P1', 'S2', '[{"sku":"A","qty":1}]', '太大')$$);
SELECT raises('RT001', $$SELECT retail.return_order('B9', 'pos', 'P1', 'S1', '[{"sku":"NONE","qty":1}]')$$);
SELECT raises('RT002', $$SELECT retail.return_order('B9', 'pos', 'P1', 'NONE', '[{"sku":"B","qty":1}]')$$);
SELECT raises('RT022', $$SELECT retail.return_order('B9', 'pos', 'P1', 'NORECV', '[{"sku":"B","qty":1}]')$$);
SELECT raises('RT003', $$SELECT retail.return_order('B9', 'NONE', 'P1', 'S1', '[{"sku":"B","qty":1}]')$$);
SELECT raises('RT006', $$SELECT retail.return_order('B9', 'pos', 'NONE', 'S1', '[{"sku":"B","qty":1}]')$$);
SELECT raises('RT010', $$SELECT retail.return_order('B9', 'pos', 'P1', 'S1', '[{"sku":"B","qty":0}]')$$);
SELECT raises('RT011', $$SELECT retail.return_order('B9', 'pos', 'P1', 'S1', '[]')$$);
SELECT raises('RT011', $$SELECT retail.return_order('B9', 'pos', 'P1', 'S1', NULL)$$);
SELECT raises('RT014', $$SELECT retail.return_order('B9', 'pos', 'P1', 'S1', '[{"sku":"B","qty":1}]', as_of => 'infinity')$$);
SELECT raises('RT015', $$SELECT retail.return_order('', 'pos', 'P1', 'S1', '[{"sku":"B","qty":1}]')$$);
SELECT raises('RT015', $$SELECT retail.return_order('B9', 'pos', 'P1', 'S1', '[{"sku":"B","qty":1}]', '')$$);
SELECT raises_as('returns_test_s2', 'RT040', $$SELECT retail.return_order('B9', 'pos', 'P1', 'S1', '[{"sku":"B","qty":1}]')$$);
SELECT raises_as('returns_test_desk', 'no error', $$SELECT retail.return_order('B5', 'pos', 'P6', 'S1', '[{"sku":"A","qty":1}]')$$);
SELECT raises_as('returns_test_bi', '42501', $$SELECT retail.return_order('B9', 'pos', 'P1', 'S1', '[{"sku":"B","qty":1}]')$$);

-- ---- an order that is shipped in part, cancelled in part and returned -------------------------

SELECT retail.receive_stock('R2', 'S1', '[{"sku":"A","qty":20},{"sku":"B","qty":20}]') \g /dev/null
SELECT o.order_id AS placed, (o.parcels -> 0 ->> 'shipment_id')::bigint AS parcel
	FROM retail.place_order('app', 'O1', '[{"sku":"A","qty":3,"price":7,"discount":1},{"sku":"B","qty":2,"price":1.11}]', '{"region":"CN"}', freight => 5, as_of => '2026-05-03 02:00+00') o \gset
SELECT is((SELECT s.shipment_id FROM retail.shipment s WHERE s.order_id = :placed), :parcel::bigint, 'one parcel');
SELECT raises('RT032', $$SELECT retail.return_order('B9', 'app', 'O1', 'S1', '[{"sku":"A","qty":1}]')$$, 'nothing was shipped yet');
SELECT retail.record_payment('app', 'O1', 'W1', 27.22), retail.ship_order(:parcel, 'T1', '[{"sku":"A","qty":2},{"sku":"B","qty":1}]') \g /dev/null
SELECT is(retail.cancel_order('app', 'O1', '[{"sku":"A","qty":1}]') ->> 'cancelled_amount', '6.67', 'one of three A for 20.00 is cancelled: 6.67');
SELECT is(retail.return_order('B6', 'app', 'O1', 'S2', '[{"sku":"A","qty":1}]') -> 'amount', '6.66', 'one comes back: 6.66');
SELECT is(retail.return_order('B7', 'app', 'O1', 'S2', '[{"sku":"A","qty":1},{"sku":"B","qty":1}]') -> 'amount', '7.78', 'and the last: 6.67, with a B for 1.11');
SELECT raises('RT032', $$SELECT retail.return_order('B9', 'app', 'O1', 'S2', '[{"sku":"B","qty":1}]')$$, 'the other B is still here');
SELECT retail.cancel_order('app', 'O1') \g /dev/null
SELECT results_eq(format('SELECT total, cancelled_amount, returned_amount, freight_cancelled FROM retail.sales_order WHERE order_id = %s', :placed), 'VALUES (27.22, 7.78, 14.44, 0.00)',
	'all but the freight was cancelled or returned');
SELECT is(retail.record_refund('app', 'O1', 'W1-R', 22.22) -> 'due', '0.00', '... and refunded');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'integrity after part shipments, cancellations and returns');
-- Units whose hold was swept while the order waits for its payment are not lost.
SELECT o.order_id AS waiting FROM retail.place_order('app', 'O2', '[{"sku":"A","qty":3}]', '{"region":"CN"}', as_of => '2026-05-03 02:00+00') o \gset
SELECT retail.run_expire_holds('2026-05-03 03:00+00') \g /dev/null
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'integrity while a swept order waits for its payment');
SELECT retail.cancel_order('app', 'O2', '[{"sku":"A","qty":1}]') \g /dev/null
SELECT is_empty('SELECT * FROM retail.check_integrity()', '... after a part of it was cancelled');
SELECT retail.record_payment('app', 'O2', 'W2', (SELECT total - cancelled_amount FROM retail.sales_order WHERE order_id = :waiting)) \g /dev/null
SELECT is_empty('SELECT * FROM retail.check_integrity()', '... and after it was paid');

-- ---- inspection --------------------------------------------------------------------------------

SELECT is(retail.inspect_return('B4', '[{"sku":"B","sellable":1}]', 'I1', '2026-05-04 10:00+00') - 'return_id',
	'{"sellable":1,"damaged":0,"left":2,"status":"received","replayed":false}', 'inspection may come in parts');
SELECT is(retail.inspect_return('B4', '[{"sku":"B","sellable":1}]', 'I1') - 'return_id', '{"sellable":1,"damaged":0,"left":2,"status":"received","replayed":true}', 'a retry gets the first answer');
SELECT results_eq($$SELECT x.sellable, x.damaged FROM retail.return_line x JOIN retail.sales_return r USING (return_id) WHERE r.return_no = 'B4' ORDER BY line_no$$, 'VALUES (1::bigint, 0::bigint), (0, 0)', '... and finds nothing new');
SELECT is((SELECT quality_hold FROM retail.stock WHERE sku_id = retail.sku_id('B') AND node_id = retail.node_id('S1')), 1::bigint, 'one B still waits');
SELECT raises('RT030', $$SELECT retail.inspect_return('B4', '[{"sku":"B","damaged":1}]', 'I1')$$);
SELECT raises('RT032', $$SELECT retail.inspect_return('B4', '[{"sku":"B","sellable":1,"damaged":1}]')$$);
SELECT raises('RT032', $$SELECT retail.inspect_return('B4', '[{"sku":"B","sellable":1},{"sku":"B","damaged":1}]')$$);
SELECT is(detail_of($$SELECT retail.inspect_return('B4', '[{"sku":"B","sellable":1,"damaged":1}]')$$), 'SKU "B": 1 sellable and 1 damaged, 2 returned, 1 inspected before.', '... it says the numbers');
SELECT raises('RT032', $$SELECT retail.inspect_return('B4', '[{"sku":"C","sellable":1}]')$$);
SELECT is(retail.inspect_return('B4', '[{"sku":"B","damaged":1.0},{"sku":"A","sellable":1,"damaged":0}]', as_of => '2026-05-05 10:00+00') - 'return_id',
	'{"sellable":1,"damaged":1,"left":0,"status":"inspected","replayed":false}', 'the rest is inspected');
SELECT results_eq($$SELECT status, inspected_at FROM retail.sales_return WHERE return_no = 'B4'$$, $$VALUES ('inspected', '2026-05-05 10:00+00'::timestamptz)$$, '... and with it the return');
SELECT results_eq($$SELECT m.condition, sum(m.quantity) FROM retail.movement m JOIN retail.sales_return r ON m.ref_type = 'return' AND m.ref_id = r.return_id
	WHERE r.return_no = 'B4' AND m.reason = 'inspection' GROUP BY 1 ORDER BY 1$$, $$VALUES ('damaged', 1::numeric), ('quality_hold', -3), ('sellable', 2)$$, '... in the ledger');
SELECT is((SELECT count(*) FROM retail.order_event e JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'P1' AND e.kind = 'inspected'), 2::bigint, '... with an event for each part');
SELECT is(retail.inspect_return('B4', '[{"sku":"B","sellable":1}]', 'I1') -> 'left', '2', 'a late retry still gets the first answer');
SELECT raises('RT032', $$SELECT retail.inspect_return('B4', '[{"sku":"A","sellable":1}]', 'I2')$$);
SELECT is(retail.inspect_return('B1', '[{"sku":"A","damaged":1}]', 'I1') -> 'status', '"inspected"', 'numbers of inspections are those of a return');
SELECT is(pg_temp.stock('A', 'S2'), '-202/0/0/1/2', '... at the node where the goods are');
SELECT raises('RT006', $$SELECT retail.inspect_return('NONE', '[{"sku":"A","sellable":1}]')$$);
SELECT raises('RT014', $$SELECT retail.inspect_return('B6', '[{"sku":"A","sellable":1}]', as_of => NULL)$$);
SELECT raises('RT015', $$SELECT retail.inspect_return('B6', '[{"sku":"A","sellable":1}]', '')$$);
SELECT raises(x.code, format('SELECT retail.inspect_return(%L, %L)', 'B6', x.lines)) FROM (VALUES ('RT001', '[{"sku":"NONE","sellable":1}]'), ('RT010', '[{"sku":"A"}]'),
	('RT010', '[{"sku":"A","sellable":0,"damaged":0}]'), ('RT010', '[{"sku":"A","sellable":-1}]'), ('RT010', '[{"sku":"A","sellable":0.5}]'), ('RT010', '[{"sku":"A","damaged":"1"}]'),
	('RT011', NULL), ('RT011', '[]'), ('RT011', '[1]'), ('RT011', '[{"sellable":1}]')) x (code, lines);
SELECT raises_as('returns_test_s1', 'RT040', $$SELECT retail.inspect_return('B6', '[{"sku":"A","sellable":1}]')$$);
SELECT raises_as('returns_test_s2', 'no error', $$SELECT retail.inspect_return('B6', '[{"sku":"A","sellable":1}]')$$);
SELECT raises_as('returns_test_desk', '42501', $$SELECT retail.inspect_return('B7', '[{"sku":"A","sellable":1}]')$$);
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'integrity after inspection');

-- ---- the service desk -----------------------------------------------------------------------------

SELECT retail.order_status('app', 'O1') AS seen \gset
SELECT is(jsonb_path_query_array(:'seen'::jsonb, '$.events[*].kind') @> '["placed", "paid", "shipped", "line_cancelled", "returned", "refunded", "inspected"]', true, 'the desk sees all that happened');
SELECT results_eq(format($$SELECT x ->> 'channel', x ->> 'external_no', x ->> 'total', jsonb_array_length(x -> 'lines'), jsonb_array_length(x -> 'parcels'), jsonb_array_length(x -> 'payments'), jsonb_array_length(x -> 'returns')
	FROM (SELECT %L::jsonb) y (x)$$, :'seen'), $$VALUES ('app', 'O1', '27.22', 2, 2, 2, 2)$$, '... the order, lines, parcels, payments, returns');
SELECT is(jsonb_path_query_array(:'seen'::jsonb, '$.parcels[0].lines[*].sku'), '["A", "B"]', '... what is in a parcel');
SELECT is(jsonb_path_query_array(:'seen'::jsonb, '$.returns[0].lines[*].sellable'), '[1]', '... and what inspection found');
SELECT ok(:'seen' !~ 'freight_cost|request_hash', '... not what it costs the chain');
SELECT raises('RT003', $$SELECT retail.order_status('NONE', 'O1')$$);
SELECT raises('RT006', $$SELECT retail.order_status('app', 'NONE')$$);
SELECT raises('RT006', $$SELECT retail.order_status('off', NULL)$$, 'an inactive channel is known');
SELECT raises_as('returns_test_desk', 'no error', $$SELECT retail.order_status('app', 'O1')$$);
SELECT raises_as('returns_test_s1', 'no error', $$SELECT retail.order_status('app', 'O1')$$);
SELECT raises_as('returns_test_s2', 'RT040', $$SELECT retail.order_status('app', 'O1')$$);
SELECT raises_as('returns_test_bi', '42501', $$SELECT retail.order_status('app', 'O1')$$);
SELECT raises('RT040', $$SET LOCAL ROLE returns_test_s2; SELECT retail.order_status('app', 'O1')$$, 'the refusal says why');
RESET ROLE;

-- ---- integrity: each kind of damage is found -----------------------------------------------------------

SET session_replication_role = replica;		-- no foreign keys: real damage
CREATE FUNCTION pg_temp.damage(found text, statement text) RETURNS text LANGUAGE sql AS $$ SELECT is(pg_temp.violations(format(statement, (SELECT order_id FROM retail.sales_order WHERE external_no = 'O1'))), found, statement) $$;
SELECT pg_temp.damage('7 order', 'UPDATE retail.sales_order SET goods_total = goods_total + 1, total = total + 1 WHERE order_id = %s');
SELECT pg_temp.damage('7 order', 'UPDATE retail.sales_order SET discount_total = 0, total = total + 1 WHERE order_id = %s');
SELECT pg_temp.damage('7 order', 'UPDATE retail.sales_order SET cancelled_amount = cancelled_amount - 0.01 WHERE order_id = %s');
SELECT pg_temp.damage('7 order', 'UPDATE retail.sales_order SET returned_amount = returned_amount - 0.01 WHERE order_id = %s');
SELECT pg_temp.damage('7 order', 'UPDATE retail.sales_order SET paid = paid + 0.01 WHERE order_id = %s');
SELECT pg_temp.damage('7 order', 'UPDATE retail.sales_order SET refunded = 0 WHERE order_id = %s');
SELECT pg_temp.damage('7 order', 'DELETE FROM retail.payment WHERE order_id = %s AND kind = ''payment''');
SELECT pg_temp.damage('7 order', 'UPDATE retail.order_line SET cancelled_amount = 0 WHERE order_id = %s AND line_no = 1');
SELECT pg_temp.damage('7 return', 'UPDATE retail.return_line SET amount = amount + 1 WHERE return_id IN (SELECT return_id FROM retail.sales_return WHERE order_id = %s AND return_no = ''B6'')');
SELECT pg_temp.damage('3 order', 'UPDATE retail.order_line SET returned = returned - 1 WHERE order_id = %s AND line_no = 1');
SELECT pg_temp.damage('3 order', 'UPDATE retail.order_line SET cancelled = 0, backordered = cancelled, shipped = 1, returned = 1 WHERE order_id = %s AND line_no = 1');
SELECT pg_temp.damage('3 order', 'UPDATE retail.shipment_line SET quantity = quantity + 1 WHERE order_id = %s AND quantity = 2');
SELECT pg_temp.damage('3 order', 'UPDATE retail.shipment SET status = ''planned'' WHERE order_id = %s AND status = ''shipped''');
SELECT pg_temp.damage('3 order', 'UPDATE retail.reservation SET shipped_quantity = 1, released_quantity = released_quantity + 1 WHERE order_id = %s AND shipped_quantity = 2');
SELECT pg_temp.damage('3 return', 'UPDATE retail.return_line SET damaged = damaged + 1 WHERE return_id IN (SELECT return_id FROM retail.sales_return WHERE order_id = %s AND return_no = ''B7'') AND line_no = 1');
SELECT pg_temp.damage('3 return', 'UPDATE retail.sales_return SET status = ''inspected'' WHERE order_id = %s AND return_no = ''B7''');
SELECT pg_temp.damage('3 return', 'UPDATE retail.movement SET ref_id = -1 WHERE ref_type = ''return'' AND ref_id IN (SELECT return_id FROM retail.sales_return WHERE order_id = %s AND return_no = ''B7'')');
SELECT pg_temp.damage('3 order', 'UPDATE retail.sales_order SET channel_id = -1 WHERE order_id = %s');
SELECT pg_temp.damage('3 order', 'UPDATE retail.sales_order SET region_id = -1 WHERE order_id = %s');
SELECT pg_temp.damage('3 order, 3 reservation, 3 return, 3 shipment', 'UPDATE retail.order_line SET sku_id = -1 WHERE order_id = %s AND line_no = 1');
SELECT pg_temp.damage('3 shipment', 'UPDATE retail.shipment SET node_id = -1 WHERE order_id = %s');
SELECT pg_temp.damage('3 shipment', 'UPDATE retail.shipment_line SET sku_id = -1 WHERE order_id = %s AND line_no = 1');
SELECT pg_temp.damage('3 order, 3 reservation', 'UPDATE retail.reservation SET order_id = -1 WHERE order_id = %s AND shipped_quantity = 2');
SET session_replication_role = origin;
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'integrity at the end');
SELECT * FROM finish();
ROLLBACK;
