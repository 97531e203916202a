-- sales.sql: what happens to an order after it was placed: payment, refund,
-- expiry and late payment, cancellation, shipping, pick-up, delivery.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT plan(234);

CREATE FUNCTION pg_temp.order_row(no text) RETURNS retail.sales_order LANGUAGE sql VOLATILE AS $$ SELECT o FROM retail.sales_order o WHERE o.external_no = $1 $$;

-- status payment_state total paid cancelled freight_cancelled
CREATE FUNCTION pg_temp.order_state(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' ', o.status, o.payment_state, o.total, o.paid, o.cancelled_amount, o.freight_cancelled) FROM retail.sales_order o WHERE o.external_no = $1 $$;

-- ordered=allocated+backordered+cancelled, shipped, returned; cancelled_amount
CREATE FUNCTION pg_temp.lines(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s:%s=%s+%s+%s,%s,%s;%s', k.code, l.quantity, l.allocated, l.backordered, l.cancelled, l.shipped, l.returned, l.cancelled_amount), ' ' ORDER BY l.line_no)
	FROM retail.order_line l JOIN retail.sku k USING (sku_id) WHERE l.order_id = order_id($1) $$;

CREATE FUNCTION pg_temp.parcels(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s %s %s', n.code, s.status, (SELECT string_agg(k.code || l.quantity, ',' ORDER BY l.line_no) FROM retail.shipment_line l JOIN retail.sku k USING (sku_id)
		WHERE l.shipment_id = s.shipment_id)), '; ' ORDER BY s.shipment_id)
	FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE s.order_id = order_id($1) $$;

-- sku state quantity=open+shipped+released
CREATE FUNCTION pg_temp.promises(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s %s %s=%s+%s+%s', k.code, r.state, r.quantity, r.open_quantity, r.shipped_quantity, r.released_quantity), '; ' ORDER BY r.line_no, r.reservation_id)
	FROM retail.reservation r JOIN retail.sku k USING (sku_id) WHERE r.order_id = order_id($1) $$;

CREATE FUNCTION pg_temp.last_event(no text, kind text) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT e.detail FROM retail.order_event e WHERE e.order_id = order_id($1) AND e.kind = $2 ORDER BY e.event_id DESC LIMIT 1 $$;

-- what a function answers, without the keys
CREATE FUNCTION pg_temp.answer(a jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT (a - 'order_id' - 'shipment_id' - 'rest_shipment_id')::text $$;

CREATE FUNCTION pg_temp.place(no text, lines jsonb, at timestamptz DEFAULT '2026-03-02 02:00+00', payment text DEFAULT 'prepaid', freight numeric DEFAULT 6) RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT order_id FROM retail.place_order('mp', $1, $2, '{"region": "CN-SH"}', freight => $5, payment => $4, as_of => $3) $$;
CREATE FUNCTION pg_temp.place_pick_up(no text, lines jsonb, payment text DEFAULT 'prepaid') RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT order_id FROM retail.place_order('mp', $1, $2, fulfilment => 'pick_up', pick_up_node => 'ST1', payment => $3, as_of => '2026-03-02 02:00+00') $$;

SELECT lives_ok($$ SELECT retail.put_region('CN', '中国', NULL, 35, 105), retail.put_region('CN-SH', '上海', 'CN', 31.2, 121.5), retail.put_channel('mp', '小程序', 'mini_program'),
	retail.put_channel('app', 'App', 'app'), retail.put_sku('A', 'Tea', 500, list_price => 10), retail.put_sku('B', 'Cup', 300, list_price => 3.33), retail.put_sku('C', 'Pot', 900, list_price => 25),
	retail.put_node('W1', '上海仓', 'warehouse', 'CN-SH', 31.2, 121.4), retail.put_node('W2', '北京仓', 'warehouse', 'CN', 39.9, 116.4),
	retail.put_node('ST1', '一店', 'store', 'CN-SH', 31.3, 121.5, can_ship => false, can_pick_up => true), retail.put_carrier_service('SF', '顺丰', '标快') $$, 'a catalogue');
SELECT lives_ok($$ SELECT retail.put_lane('SF', 'CN', 'Z', 24, from_region => 'CN'), retail.put_rate_card('SF', 'Z', 1000, 6, 1000, 2) $$, '... with a carrier');
SELECT lives_ok($$ SELECT retail.receive_stock('R1', 'W1', '[{"sku": "A", "qty": 20}, {"sku": "B", "qty": 50}]', '2026-03-01 00:00+00'),
	retail.receive_stock('R2', 'W2', '[{"sku": "C", "qty": 10}]', '2026-03-01 00:00+00'), retail.receive_stock('R3', 'ST1', '[{"sku": "A", "qty": 5}]', '2026-03-01 00:00+00') $$, '... and stock');

-- ---- shares ------------------------------------------------------------------------

SELECT is(retail.line_share(10, 3, 0, 1), 3.33, 'the first of three units of 10.00');
SELECT is(retail.line_share(10, 3, 1, 1), 3.34, '... the second');
SELECT is(retail.line_share(10, 3, 2, 1), 3.33, '... the third');
SELECT is_empty($$ SELECT q, a FROM generate_series(1, 40) q, generate_series(0, 3, 0.07) a, LATERAL (SELECT sum(retail.line_share(a, q, i, 1)) AS parts, min(retail.line_share(a, q, i, 1)) AS least
	FROM generate_series(0, q - 1) i) x WHERE x.parts <> round(a, 2) OR x.least < 0 $$, 'parts are the whole, none is negative');

-- ---- payment -----------------------------------------------------------------------

SELECT lives_ok($$ SELECT pg_temp.place('P1', '[{"sku": "A", "qty": 2}, {"sku": "B", "qty": 3}]') $$, 'an order');
SELECT is(pg_temp.order_state('P1'), 'open unpaid 35.99 0.00 0.00 0.00', '... is unpaid');
SELECT is(stock('A', 'W1'), '20/2', '... its stock is held');
SELECT raises('RT031', format('SELECT retail.ship_order(%s)', parcel('P1')), 'an unpaid order does not leave');
SELECT is(pg_temp.answer(retail.record_payment('mp', 'P1', 'pay1', 5.99, 'wechat', '2026-03-02 02:05+00')),
	'{"due": 30.00, "paid": 5.99, "status": "open", "refunded": 0.00, "replayed": false, "payment_state": "partly_paid"}', 'a part is paid');
SELECT is((pg_temp.order_row('P1')).payment_due_at, '2026-03-02 02:30+00', '... the rest is due');
SELECT is(pg_temp.promises('P1'), 'A held 2=2+0+0; B held 3=3+0+0', '... the stock still on hold');
SELECT raises('RT031', format('SELECT retail.ship_order(%s)', parcel('P1')), 'a partly paid order does not leave');
SELECT is(pg_temp.answer(retail.record_payment('mp', 'P1', 'pay1', 5.990, 'wechat', '2026-03-02 02:06+00')),
	'{"due": 30.00, "paid": 5.99, "status": "open", "refunded": 0.00, "replayed": true, "payment_state": "partly_paid"}', 'a retry counts once');
SELECT raises('RT030', $$ SELECT retail.record_payment('mp', 'P1', 'pay1', 6, 'wechat') $$, 'the number with another amount');
SELECT is(pg_temp.answer(retail.record_payment('mp', 'P1', 'pay1', 30, 'card', '2026-03-02 02:10+00')),
	'{"due": 0.00, "paid": 35.99, "status": "open", "refunded": 0.00, "replayed": false, "payment_state": "paid"}', 'the number of another method, and all is paid');
SELECT is((pg_temp.order_row('P1')).payment_due_at, NULL, '... nothing is due');
SELECT is(pg_temp.promises('P1'), 'A committed 2=2+0+0; B committed 3=3+0+0', '... the stock is committed');
SELECT is((SELECT count(r.expires_at) FROM retail.reservation r WHERE r.order_id = order_id('P1')), 0::bigint, '... and does not expire');
SELECT is(events('P1'), 'placed partly_paid paid', '... events say so');
SELECT is((SELECT e.actor || e.occurred_at FROM retail.order_event e WHERE e.order_id = order_id('P1') AND e.kind = 'paid'), current_user || '2026-03-02 02:10:00+00', '... and by whom and when');
SELECT is(pg_temp.answer(retail.record_payment('mp', 'P1', 'pay2', 1, as_of => '2026-03-02 02:11+00')),
	'{"due": -1.00, "paid": 36.99, "status": "open", "refunded": 0.00, "replayed": false, "payment_state": "paid"}', 'what is paid too much is owed back');
SELECT is(pg_temp.answer(retail.record_refund('mp', 'P1', 'ref1', 1, as_of => '2026-03-02 02:12+00')),
	'{"due": 0.00, "paid": 36.99, "status": "open", "refunded": 1.00, "replayed": false, "payment_state": "paid"}', '... and refunded');
SELECT is(retail.record_refund('mp', 'P1', 'ref1', 1, as_of => '2026-03-02 02:13+00') ->> 'replayed', 'true', '... once');
SELECT raises('RT032', $$ SELECT retail.record_refund('mp', 'P1', 'ref2', 36) $$, 'no more is refunded than was paid');
SELECT is(detail_of($$ SELECT retail.record_refund('mp', 'P1', 'ref2', 36) $$), 'Refund of 36; 36.99 was paid and 1.00 refunded so far.', '... with numbers');
SELECT raises('RT030', $$ SELECT retail.record_refund('mp', 'P1', 'pay2', 1) $$, 'a refund cannot have the number of a payment');
SELECT is(events('P1'), 'placed partly_paid paid paid refunded', 'events of refunds');

SELECT pg_temp.place('P2', '[{"sku": "A", "qty": 1}]') \g /dev/null
SELECT raises('RT030', $$ SELECT retail.record_payment('mp', 'P2', 'pay1', 5.99, 'wechat') $$, 'the number for another order');
SELECT is((pg_temp.order_row('P2')).paid, 0.00, '... changes nothing');
SELECT raises('RT003', $$ SELECT retail.record_payment('nowhere', 'P2', 'x', 1) $$);
SELECT raises('RT003', $$ SELECT retail.record_payment(NULL, 'P2', 'x', 1) $$);
SELECT raises('RT006', $$ SELECT retail.record_payment('mp', 'P0', 'x', 1) $$);
SELECT raises('RT006', $$ SELECT retail.record_payment('app', 'P2', 'x', 1) $$);
SELECT raises('RT006', $$ SELECT retail.record_payment('mp', NULL, 'x', 1) $$);
SELECT raises('RT012', format('SELECT retail.record_payment(''mp'', ''P2'', ''x'', %s)', a)) FROM unnest('{0,-1,1.001,"NULL",''NaN'',1000000000}'::text[]) a;
SELECT raises('RT012', format('SELECT retail.record_refund(''mp'', ''P2'', ''x'', %s)', a)) FROM unnest('{0,-1,"NULL"}'::text[]) a;
SELECT raises('RT014', $$ SELECT retail.record_payment('mp', 'P2', 'x', 1, as_of => 'infinity') $$);
SELECT raises('RT014', $$ SELECT retail.record_refund('mp', 'P2', 'x', 1, as_of => NULL) $$);
SELECT raises('RT015', $$ SELECT retail.record_payment('mp', 'P2', '', 1) $$);
SELECT raises('RT015', $$ SELECT retail.record_payment('mp', 'P2', 'x', 1, NULL) $$);
SELECT raises('RT015', $$ SELECT retail.record_refund('mp', 'P2', NULL, 1) $$);
SELECT raises('RT032', $$ SELECT retail.record_refund('mp', 'P2', 'x', 0.01) $$, 'nothing was paid, nothing is refunded');
SELECT raises('RT006', $$ SELECT retail.record_refund('mp', 'P0', 'x', 1) $$);

-- On delivery: nothing is due until the goods arrive.
SELECT pg_temp.place('D1', '[{"sku": "A", "qty": 1}]', payment => 'on_delivery') \g /dev/null
SELECT is(pg_temp.promises('D1'), 'A committed 1=1+0+0', 'to be paid on delivery: committed at once');
SELECT is(retail.record_payment('mp', 'D1', 'd1', 6) ->> 'payment_state', 'on_delivery', '... still on delivery after a part');
SELECT is(retail.ship_order(parcel('D1'), 'T-D1', as_of => '2026-03-02 06:00+00') ->> 'status', 'shipped', '... leaves unpaid');
SELECT is(retail.record_payment('mp', 'D1', 'd2', 10) ->> 'payment_state', 'paid', '... and is paid at the door');
SELECT is(events('D1'), 'placed partly_paid shipped paid', '... in this order');

-- ---- expiry, release and late payment ----------------------------------------------

-- P2 waits since 02:00; its hold is over at 02:30.
SELECT is(retail.run_release_unpaid('2026-03-02 02:29:59+00'), '0 unpaid orders cancelled, 0 units given back', 'before the deadline nothing happens');
SELECT is(retail.run_release_unpaid('2026-03-02 02:30+00'), '1 unpaid orders cancelled, 1 units given back', 'at the deadline the order is cancelled');
SELECT is(pg_temp.order_state('P2'), 'cancelled unpaid 16.00 0.00 16.00 6.00', '... with its freight');
SELECT is(pg_temp.lines('P2'), 'A:1=0+0+1,0,0;10.00', '... its units');
SELECT is(pg_temp.parcels('P2'), 'W1 cancelled A0', '... its parcel');
SELECT is(pg_temp.promises('P2'), 'A released 1=0+0+1', '... its hold');
SELECT is(stock('A', 'W1'), '19/2', '... and the stock is free');
SELECT is(pg_temp.last_event('P2', 'cancelled') ->> 'reason', 'unpaid', '... because it was not paid');
SELECT is(retail.run_release_unpaid('2026-03-02 02:30+00'), '0 unpaid orders cancelled, 0 units given back', '... once');
SELECT is(pg_temp.answer(retail.record_payment('mp', 'P2', 'late2', 16, as_of => '2026-03-02 02:31+00')),
	'{"due": -16.00, "paid": 16.00, "status": "cancelled", "refunded": 0.00, "replayed": false, "payment_state": "paid"}', 'a payment for a cancelled order is owed back');
SELECT is(events('P2'), 'placed cancelled payment_after_cancellation', '... events say so');
SELECT is(pg_temp.last_event('P2', 'payment_after_cancellation') -> 'refund_due', '16.00', '... and how much');
SELECT is(retail.record_refund('mp', 'P2', 'late2r', 16) -> 'due', '0.00', '... and it is refunded');

-- Due, but nobody has swept yet: the units are still in the counter.
SELECT pg_temp.place('L1', '[{"sku": "A", "qty": 1}]') \g /dev/null
SELECT is(retail.record_payment('mp', 'L1', 'l1', 16, as_of => '2026-03-02 02:45+00') ->> 'payment_state', 'paid', 'paid after the deadline, before the sweeper');
SELECT is(pg_temp.promises('L1'), 'A committed 1=1+0+0', '... keeps its units');

-- Swept, then paid: the same units again.
SELECT pg_temp.place('L2', '[{"sku": "A", "qty": 4}, {"sku": "B", "qty": 1}]') \g /dev/null
SELECT is(retail.run_expire_holds('2026-03-02 02:30+00'), '5 units of expired holds given back', 'the sweeper takes the units');
SELECT is(pg_temp.order_state('L2'), 'open unpaid 49.33 0.00 0.00 0.00', '... not the order');
SELECT is_empty('SELECT * FROM retail.check_integrity()', '... which is sound');
SELECT is(retail.cancel_order('mp', 'L2', '[{"sku": "A", "qty": 1}]') -> 'cancelled_units', '1', 'a unit of a swept order can be cancelled');
SELECT is(stock('A', 'W1'), '19/3', '... without giving back what is not held');
SELECT is_empty('SELECT * FROM retail.check_integrity()', '... which is sound');
SELECT is(pg_temp.answer(retail.record_payment('mp', 'L2', 'l2', 39.33, as_of => '2026-03-02 02:40+00')),
	'{"due": 0.00, "paid": 39.33, "status": "open", "refunded": 0.00, "replayed": false, "payment_state": "paid"}', 'a late payment revives the order');
SELECT is(stock('A', 'W1') || ' ' || stock('B', 'W1'), '19/6 50/4', '... its units are reserved again');
SELECT is(pg_temp.promises('L2'), 'A expired 3=0+0+3; A committed 3=3+0+0; B expired 1=0+0+1; B committed 1=1+0+0', '... by new reservations');
SELECT is(pg_temp.last_event('L2', 'paid') -> 'reserved_again', '4', '... the event says so');
SELECT is(retail.run_release_unpaid('2026-03-02 03:00+00'), '0 unpaid orders cancelled, 0 units given back', '... and it is not released');

-- Swept, sold to others, then paid.
SELECT pg_temp.place('L3', '[{"sku": "A", "qty": 13}, {"sku": "B", "qty": 2}]') \g /dev/null
SELECT is(stock('A', 'W1'), '19/19', 'the last units');
SELECT is(retail.run_expire_holds('2026-03-02 02:30+00'), '15 units of expired holds given back', '... are swept');
SELECT pg_temp.place('L4', '[{"sku": "A", "qty": 1}]', '2026-03-02 02:31+00') \g /dev/null
SELECT is(pg_temp.answer(retail.record_payment('mp', 'L3', 'l3', 142.66, as_of => '2026-03-02 02:40+00')),
	'{"due": -142.66, "paid": 142.66, "status": "cancelled", "refunded": 0.00, "replayed": false, "payment_state": "paid"}', '... sold, so the late payment cancels the order');
SELECT is(stock('A', 'W1') || ' ' || stock('B', 'W1'), '19/7 50/4', '... nothing stays reserved, of no line');
SELECT is(events('L3'), 'placed cancelled payment_after_cancellation', '... the order was never paid');
SELECT is(pg_temp.last_event('L3', 'cancelled') ->> 'reason', 'paid_too_late', '... too late');
SELECT is(pg_temp.last_event('L3', 'payment_after_cancellation') -> 'refund_due', '142.66', '... the money is owed back');
SELECT is(retail.record_payment('mp', 'L3', 'l3', 142.66) ->> 'replayed', 'true', '... a retry counts once');

-- The holds of others that are due make room for a late payment.
SELECT pg_temp.place('L5', '[{"sku": "A", "qty": 12}]', '2026-03-02 01:00+00') \g /dev/null
SELECT retail.run_expire_holds('2026-03-02 01:30+00') \g /dev/null
SELECT lives_ok($$ SELECT retail.hold_stock('cart', 'mp', '[{"sku": "A", "node": "W1", "qty": 12}]', '5 minutes', '2026-03-02 01:30+00') $$, 'a cart holds what a swept order wants');
SELECT is(retail.record_payment('mp', 'L5', 'l5', 126, as_of => '2026-03-02 01:35+00') ->> 'payment_state', 'paid', '... when the cart is due, a late payment gets it');
SELECT is((SELECT r.state FROM retail.reservation r JOIN retail.stock_hold h USING (hold_id) WHERE h.hold_key = 'cart'), 'expired', '... the cart is swept');
SELECT is(retail.cancel_order('mp', 'L5') -> 'refund_due', '126.00', '... and the order cancelled after all');
-- Safety stock is kept from late payments too.
SELECT pg_temp.place('L6', '[{"sku": "A", "qty": 10}]') \g /dev/null
SELECT retail.run_expire_holds('2026-03-02 02:30+00') \g /dev/null
SELECT retail.set_safety_stock('A', 'W1', 5, 'mp') \g /dev/null
SELECT is(retail.record_payment('mp', 'L6', 'l6', 106, as_of => '2026-03-02 02:40+00') ->> 'status', 'cancelled', 'safety stock of the channel is not sold late');
SELECT retail.set_safety_stock('A', 'W1', 0, 'mp') \g /dev/null

-- A part was paid, then nothing.
SELECT pg_temp.place('L7', '[{"sku": "A", "qty": 1}]') \g /dev/null
SELECT retail.record_payment('mp', 'L7', 'l7', 7, as_of => '2026-03-02 02:10+00') \g /dev/null
SELECT pg_temp.place('L8', '[{"sku": "B", "qty": 1}]', '2026-03-02 02:01+00') \g /dev/null
SELECT is(retail.run_release_unpaid('2026-03-02 02:31+00'), '2 unpaid orders cancelled, 2 units given back', 'orders are released together');
SELECT is(pg_temp.order_state('L7'), 'cancelled partly_paid 16.00 7.00 16.00 6.00', '... one that is partly paid too');
SELECT is(pg_temp.last_event('L7', 'cancelled') -> 'refund_due', '7.00', '... what was paid is owed back');
SELECT is(retail.run_release_unpaid('2026-03-02 03:01+00'), '1 unpaid orders cancelled, 1 units given back', '... the next later');
SELECT raises('RT014', $$ SELECT retail.run_release_unpaid(NULL) $$);
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- ---- cancellation ------------------------------------------------------------------

SELECT lives_ok($$ SELECT retail.place_order('mp', 'C1', '[{"sku": "B", "qty": 3, "discount": 0.01}, {"sku": "C", "qty": 2}]', '{"region": "CN-SH"}', freight => 14, as_of => '2026-03-02 02:00+00') $$, 'an order of two parcels');
SELECT is(pg_temp.parcels('C1'), 'W1 planned B3; W2 planned C2', '... from two nodes');
SELECT is(pg_temp.answer(retail.cancel_order('mp', 'C1', '[{"sku": "B", "qty": 1}]', 'too many', 'c1', '2026-03-02 02:01+00')),
	'{"status": "open", "replayed": false, "refund_due": 0, "cancelled_units": 1, "cancelled_amount": 3.33}', 'a unit is cancelled');
SELECT is(pg_temp.lines('C1'), 'B:3=2+0+1,0,0;3.33 C:2=2+0+0,0,0;0.00', '... of its line');
SELECT is(pg_temp.parcels('C1'), 'W1 planned B2; W2 planned C2', '... of its parcel');
SELECT is((SELECT s.weight_g FROM retail.shipment s WHERE s.shipment_id = parcel('C1')), 600::bigint, '... which weighs less');
SELECT is(pg_temp.promises('C1'), 'B held 3=2+0+1; C held 2=2+0+0', '... of its hold');
SELECT is(stock('B', 'W1'), '50/6', '... and of stock');
SELECT is(pg_temp.answer(retail.cancel_order('mp', 'C1', '[{"sku": "B", "qty": 1}]', 'too many', 'c1', '2026-03-02 02:02+00')),
	'{"status": "open", "replayed": true, "refund_due": 0, "cancelled_units": 1, "cancelled_amount": 3.33}', 'the same number cancels once');
SELECT raises('RT030', $$ SELECT retail.cancel_order('mp', 'C1', '[{"sku": "B", "qty": 2}]', cancel_no => 'c1') $$, 'with other lines it is refused');
SELECT raises('RT030', $$ SELECT retail.cancel_order('mp', 'C1', cancel_no => 'c1') $$, '... and for the whole');
SELECT is(retail.cancel_order('mp', 'C1', '[{"sku": "B", "qty": 1}]', cancel_no => 'c2') -> 'cancelled_amount', '3.32', 'the next unit has its own share');
SELECT raises('RT032', $$ SELECT retail.cancel_order('mp', 'C1', '[{"sku": "B", "qty": 1}, {"sku": "B", "qty": 1}]') $$, 'no more units than there are');
SELECT is(detail_of($$ SELECT retail.cancel_order('mp', 'C1', '[{"sku": "B", "qty": 2}]') $$), 'SKU B: 2 to cancel, but of 3 units 0 were shipped and 2 cancelled before.', '... with numbers');
SELECT raises('RT032', $$ SELECT retail.cancel_order('mp', 'C1', '[{"sku": "A", "qty": 1}]') $$, 'nor of a SKU that was not ordered');
SELECT raises('RT001', $$ SELECT retail.cancel_order('mp', 'C1', '[{"sku": "X", "qty": 1}]') $$);
SELECT raises('RT010', format('SELECT retail.cancel_order(''mp'', ''C1'', ''[{"sku": "B", "qty": %s}]'')', q)) FROM unnest('{0,-1,0.5,"null"}'::text[]) q;
SELECT raises('RT011', format('SELECT retail.cancel_order(''mp'', ''C1'', %L)', l)) FROM unnest(ARRAY['[]', '{}', '[3]', '[{"qty": 1}]']) l;
SELECT raises('RT003', $$ SELECT retail.cancel_order('nowhere', 'C1') $$);
SELECT raises('RT006', $$ SELECT retail.cancel_order('mp', 'C0') $$);
SELECT raises('RT014', $$ SELECT retail.cancel_order('mp', 'C1', as_of => '1999-12-31') $$);
SELECT raises('RT015', $$ SELECT retail.cancel_order('mp', 'C1', reason => NULL) $$);
SELECT raises('RT015', $$ SELECT retail.cancel_order('mp', 'C1', cancel_no => ' ') $$);
SELECT is(pg_temp.lines('C1'), 'B:3=1+0+2,0,0;6.65 C:2=2+0+0,0,0;0.00', 'what is refused changes nothing');
SELECT is(pg_temp.answer(retail.cancel_order('mp', 'C1', '[{"sku": "B", "qty": 1}]', cancel_no => 'c3')),
	'{"status": "open", "replayed": false, "refund_due": 0, "cancelled_units": 1, "cancelled_amount": 3.33}', 'the last unit of a line');
SELECT is(pg_temp.parcels('C1'), 'W1 cancelled B0; W2 planned C2', '... takes its parcel along');
SELECT is((SELECT l.cancelled_amount = l.amount FROM retail.order_line l WHERE l.order_id = order_id('C1') AND l.line_no = 1), true, '... the shares are the whole');
-- What was paid before covers what is left after a cancellation.
SELECT retail.record_payment('mp', 'C1', 'c1p', 40, as_of => '2026-03-02 02:10+00') \g /dev/null
SELECT is(pg_temp.answer(retail.cancel_order('mp', 'C1', '[{"sku": "C", "qty": 1}]', as_of => '2026-03-02 02:11+00')),
	'{"status": "open", "replayed": false, "refund_due": 1.00, "cancelled_units": 1, "cancelled_amount": 25.00}', 'cancelled down to what was paid');
SELECT is(pg_temp.order_state('C1'), 'open paid 73.98 40.00 34.98 0.00', '... the order is paid');
SELECT is(pg_temp.promises('C1'), 'B released 3=0+0+3; C committed 2=1+0+1', '... and its stock committed');
SELECT is(stock('C', 'W2'), '10/1', '... the rest is free');
SELECT is(pg_temp.answer(retail.cancel_order('mp', 'C1', as_of => '2026-03-02 02:12+00')),
	'{"status": "cancelled", "replayed": false, "refund_due": 40.00, "cancelled_units": 1, "cancelled_amount": 39.00}', 'the rest, with the freight');
SELECT is(pg_temp.order_state('C1'), 'cancelled paid 73.98 40.00 73.98 14.00', '... all of it');
SELECT is(pg_temp.answer(retail.cancel_order('mp', 'C1')),
	'{"status": "cancelled", "replayed": true, "refund_due": 40.00, "cancelled_units": 1, "cancelled_amount": 39.00}', 'cancelling the whole again is harmless');
SELECT raises('RT032', $$ SELECT retail.cancel_order('mp', 'C1', '[{"sku": "C", "qty": 1}]') $$, 'a line of it is refused');
SELECT is(events('C1'), 'placed line_cancelled line_cancelled line_cancelled partly_paid line_cancelled paid cancelled', 'events of it all');
SELECT is(retail.cancel_order('mp', 'C1', '[{"sku": "B", "qty": 1}]', cancel_no => 'c2') -> 'cancelled_amount', '3.32', 'a number of long ago has its first answer');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- A channel that takes no new orders still serves those that it has.
SELECT pg_temp.place('C2', '[{"sku": "B", "qty": 1}]') \g /dev/null
SELECT retail.put_channel('mp', '小程序', 'mini_program', is_active => false) \g /dev/null
SELECT is(retail.cancel_order('mp', 'C2', 'null') ->> 'status', 'cancelled', 'an inactive channel can cancel');
SELECT retail.put_channel('mp', '小程序', 'mini_program') \g /dev/null

-- ---- shipping ----------------------------------------------------------------------

SELECT raises('RT006', 'SELECT retail.ship_order(-1)');
SELECT raises('RT006', 'SELECT retail.ship_order(NULL)');
SELECT raises('RT014', format('SELECT retail.ship_order(%s, as_of => NULL)', parcel('P1')));
SELECT raises('RT015', format('SELECT retail.ship_order(%s, '''')', parcel('P1')));
SELECT raises('RT031', format('SELECT retail.ship_order(%s)', parcel('C1')), 'a cancelled parcel does not leave');
SELECT raises('RT031', format('SELECT retail.deliver_order(%s)', parcel('P1')), 'what has not left does not arrive');
SELECT raises('RT032', format('SELECT retail.ship_order(%s, ''T'', ''[{"sku": "A", "qty": 3}]'')', parcel('P1')), 'no more than the parcel has');
SELECT raises('RT032', format('SELECT retail.ship_order(%s, ''T'', ''[{"sku": "C", "qty": 1}]'')', parcel('P1')), 'nor what it has not');
SELECT raises('RT010', format('SELECT retail.ship_order(%s, ''T'', ''[{"sku": "A", "qty": 0}]'')', parcel('P1')));
SELECT raises('RT011', format('SELECT retail.ship_order(%s, ''T'', ''[]'')', parcel('P1')));
SELECT raises('RT001', format('SELECT retail.ship_order(%s, ''T'', ''[{"sku": "X", "qty": 1}]'')', parcel('P1')));
SELECT is(stock('A', 'W1') || ' ' || stock('B', 'W1'), '19/6 50/4', 'before: 2 A and 3 B of P1 among them');
SELECT is(pg_temp.answer(retail.ship_order(parcel('P1'), 'T1', '[{"sku": "B", "qty": 2}]', '2026-03-02 08:00+00')), '{"status": "shipped", "replayed": false}', 'a part leaves');
SELECT is(pg_temp.parcels('P1'), 'W1 shipped B2; W1 planned A2,B1', '... the rest waits in a new parcel');
SELECT is(pg_temp.order_state('P1'), 'partly_shipped paid 35.99 36.99 0.00 0.00', '... the order is partly shipped');
SELECT is(pg_temp.lines('P1'), 'A:2=2+0+0,0,0;0.00 B:3=3+0+0,2,0;0.00', '... of one line');
SELECT is(pg_temp.promises('P1'), 'A committed 2=2+0+0; B shipped 2=0+2+0; B committed 1=1+0+0', '... reservations are split');
SELECT is(stock('A', 'W1') || ' ' || stock('B', 'W1'), '19/6 48/2', '... stock went down by what left');
SELECT is((SELECT string_agg(concat_ws(' ', s.weight_g, s.freight_cost, s.carrier_service_id IS NOT NULL, s.zone, s.promised_at = o.promised_at), '; ' ORDER BY s.shipment_id)
	FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'P1'), '600 3.20 t Z t; 1300 4.80 t Z t', '... weight and planned cost are shared');
SELECT is((SELECT concat_ws(' ', m.condition, m.quantity, m.reason, m.ref_type, m.occurred_at) FROM retail.movement m WHERE m.ref_type = 'shipment' AND m.ref_id = parcel('P1')),
	'sellable -2 sale shipment 2026-03-02 08:00:00+00', '... the ledger knows the parcel');
SELECT is(retail.ship_order(parcel('P1'), 'T1', '[{"sku": "B", "qty": 2}]') - 'shipment_id',
	jsonb_build_object('status', 'shipped', 'rest_shipment_id', parcel('P1', 2), 'replayed', true), 'the same again is answered again');
SELECT raises('RT031', format('SELECT retail.ship_order(%s, ''T2'')', parcel('P1')), 'with another tracking number it is refused');
SELECT raises('RT031', format('SELECT retail.ship_order(%s)', parcel('P1')), '... and without one');
-- Of an order that is partly gone, the rest can be cancelled.
SELECT is(pg_temp.answer(retail.cancel_order('mp', 'P1', '[{"sku": "A", "qty": 1}]')), '{"status": "partly_shipped", "replayed": false, "refund_due": 10.00, "cancelled_units": 1, "cancelled_amount": 10.00}', 'a unit of the rest is cancelled');
SELECT is(pg_temp.parcels('P1'), 'W1 shipped B2; W1 planned A1,B1', '... what left stays');
SELECT is(retail.ship_order(parcel('P1', 2), lines => '[{"sku": "A", "qty": 1}]', as_of => '2026-03-02 09:00+00') ->> 'status', 'shipped', 'the next part');
SELECT is(pg_temp.parcels('P1'), 'W1 shipped B2; W1 shipped A1; W1 planned B1', '... a whole line, its reservation stays one');
SELECT is(pg_temp.promises('P1'), 'A shipped 2=0+1+1; B shipped 2=0+2+0; B committed 1=1+0+0', '... and what was not named moved');
SELECT is(pg_temp.answer(retail.cancel_order('mp', 'P1')), '{"status": "shipped", "replayed": false, "refund_due": 13.33, "cancelled_units": 1, "cancelled_amount": 3.33}', 'cancelling the rest leaves a shipped order');
SELECT is((pg_temp.order_row('P1')).freight_cancelled, 0.00, '... whose freight is owed');
SELECT raises('RT031', $$ SELECT retail.cancel_order('mp', 'P1') $$, '... with nothing left to cancel');
SELECT is(detail_of($$ SELECT retail.cancel_order('mp', 'P1') $$), 'Of 5 units 3 were shipped and 2 cancelled before.', '... with numbers');
SELECT raises('RT014', format('SELECT retail.deliver_order(%s, ''2026-03-02 07:59+00'')', parcel('P1')), 'nothing arrives before it left');
SELECT raises('RT014', format('SELECT retail.deliver_order(%s, NULL)', parcel('P1')));
SELECT raises('RT006', 'SELECT retail.deliver_order(-1)');
SELECT is(pg_temp.answer(retail.deliver_order(parcel('P1'), '2026-03-03 08:00+00')), '{"status": "delivered", "replayed": false}', 'a parcel arrives');
SELECT is((pg_temp.order_row('P1')).status, 'shipped', '... the order not yet');
SELECT is(retail.deliver_order(parcel('P1'), '2026-03-03 09:00+00') ->> 'replayed', 'true', '... once');
SELECT is(retail.ship_order(parcel('P1'), 'T1') ->> 'status', 'delivered', 'a late retry of shipping is answered');
SELECT is(retail.deliver_order(parcel('P1', 2), '2026-03-03 10:00+00') ->> 'status', 'delivered', 'the other arrives');
SELECT is((pg_temp.order_row('P1')).status, 'delivered', '... and with it the order');
SELECT is(events('P1'), 'placed partly_paid paid paid refunded shipped line_cancelled shipped line_cancelled delivered delivered', 'events of it all');
SELECT is((SELECT s.delivered_at FROM retail.shipment s WHERE s.shipment_id = parcel('P1')), '2026-03-03 08:00+00', 'the first time counts');

-- A line in two parcels of one node: a part leaves the first, cancellation takes from the last.
SELECT pg_temp.place('S1', '[{"sku": "B", "qty": 9}]') \g /dev/null
SELECT retail.record_payment('mp', 'S1', 's1', 35.97) \g /dev/null
SELECT retail.ship_order(parcel('S1'), 'S1a', '[{"sku": "B", "qty": 2}]') \g /dev/null
SELECT retail.ship_order(parcel('S1', 2), 'S1b', '[{"sku": "B", "qty": 3}]') \g /dev/null
SELECT is(pg_temp.parcels('S1'), 'W1 shipped B2; W1 shipped B3; W1 planned B4', 'three parcels of a line');
SELECT is(retail.ship_order(parcel('S1', 3), 'S1c', '[{"sku": "B", "qty": 4}]') -> 'rest_shipment_id', 'null', 'a part that is all leaves no rest');
SELECT is(pg_temp.order_state('S1'), 'shipped paid 35.97 35.97 0.00 0.00', '... the order is shipped');
SELECT is(pg_temp.promises('S1'), 'B shipped 2=0+2+0; B shipped 3=0+3+0; B shipped 4=0+4+0', '... all units are accounted for');

-- ---- pick-up -----------------------------------------------------------------------

SELECT pg_temp.place_pick_up('U1', '[{"sku": "A", "qty": 2}]'), pg_temp.place_pick_up('U2', '[{"sku": "A", "qty": 1}]', 'on_delivery') \g /dev/null
SELECT raises('RT031', format('SELECT retail.ready_for_pick_up(%s)', parcel('U1')), 'not ready before it is paid');
SELECT raises('RT031', format('SELECT retail.pick_up(%s)', parcel('U1')), '... nor handed over');
SELECT retail.record_payment('mp', 'U1', 'u1', 20, as_of => '2026-03-02 02:05+00') \g /dev/null
SELECT is(pg_temp.answer(retail.ready_for_pick_up(parcel('U1'), '2026-03-02 03:00+00')), '{"status": "ready", "replayed": false}', 'ready');
SELECT is(retail.ready_for_pick_up(parcel('U1'), '2026-03-02 03:01+00') ->> 'replayed', 'true', '... once');
SELECT is(stock('A', 'ST1'), '5/3', '... still there');
SELECT raises('RT031', format('SELECT retail.ship_order(%s)', parcel('U1')), 'a pick-up is not shipped');
SELECT raises('RT031', format('SELECT retail.deliver_order(%s)', parcel('U1')), '... nor delivered');
SELECT is(retail.cancel_order('mp', 'U1', '[{"sku": "A", "qty": 1}]') -> 'refund_due', '10.00', 'a part of what is ready can be cancelled');
SELECT is(pg_temp.answer(retail.pick_up(parcel('U1'), '2026-03-02 04:00+00')), '{"status": "delivered", "replayed": false}', 'handed over');
SELECT is(stock('A', 'ST1'), '4/1', '... and gone');
SELECT is(pg_temp.order_state('U1'), 'delivered paid 20.00 20.00 10.00 0.00', '... the order is delivered');
SELECT is((SELECT s.shipped_at = s.delivered_at FROM retail.shipment s WHERE s.shipment_id = parcel('U1')), true, '... at the moment it left');
SELECT is(events('U1'), 'placed paid ready line_cancelled shipped delivered', '... events say so');
SELECT is(retail.pick_up(parcel('U1'), '2026-03-02 05:00+00') ->> 'replayed', 'true', '... once');
SELECT raises('RT031', format('SELECT retail.ready_for_pick_up(%s)', parcel('U1')), 'what is gone is not ready');
SELECT is(retail.pick_up(parcel('U2'), '2026-03-02 04:00+00') ->> 'status', 'delivered', 'a planned pick-up that is paid at the counter');
SELECT raises('RT031', format('SELECT retail.ready_for_pick_up(%s)', parcel('L2')), 'a parcel that is shipped is no pick-up');
SELECT raises('RT031', format('SELECT retail.pick_up(%s)', parcel('L2')), '... not handed over');
SELECT raises('RT031', format('SELECT retail.pick_up(%s)', parcel('P1')), '... even when it arrived');
SELECT raises('RT006', 'SELECT retail.ready_for_pick_up(-1)');
SELECT raises('RT006', 'SELECT retail.pick_up(NULL)');
SELECT raises('RT014', 'SELECT retail.ready_for_pick_up(1, ''-infinity'')');
SELECT raises('RT014', 'SELECT retail.pick_up(1, NULL)');

-- ---- who may -----------------------------------------------------------------------

CREATE ROLE sales_test_store IN ROLE retail_store;
CREATE ROLE sales_test_service IN ROLE retail_service;
CREATE ROLE sales_test_bi IN ROLE retail_bi;
SELECT retail.bind_principal('sales_test_store', 'ST1') \g /dev/null
SELECT pg_temp.place_pick_up('U3', '[{"sku": "A", "qty": 1}]', 'on_delivery') \g /dev/null
SELECT is(as_role('sales_test_store', format('SELECT retail.ship_order(%s, ''X'')', parcel('L2'))), 'RT040', 'a store does not ship what is not its own');
SELECT is(as_role('sales_test_store', format('SELECT retail.deliver_order(%s)', parcel('P1'))), 'RT040', '... nor deliver it');
SELECT is(as_role('sales_test_store', format('SELECT retail.ready_for_pick_up(%s) ->> ''status''', parcel('U3'))), 'ready', 'it makes its own ready');
SELECT is(as_role('sales_test_store', format('SELECT retail.pick_up(%s) ->> ''status''', parcel('U3'))), 'delivered', '... and hands it over');
SELECT is((SELECT e.actor FROM retail.order_event e WHERE e.order_id = order_id('U3') AND e.kind = 'delivered'), 'sales_test_store', '... under its own name');
SELECT is(as_role('sales_test_store', 'SELECT retail.cancel_order(''mp'', ''L2'')'), '42501', 'a store does not cancel');
SELECT is(as_role('sales_test_service', 'SELECT retail.cancel_order(''mp'', ''L2'') ->> ''status'''), 'cancelled', 'the service desk cancels');
SELECT is(as_role('sales_test_service', 'SELECT retail.record_refund(''mp'', ''L2'', ''desk'', 39.33) ->> ''due'''), '0.00', '... and refunds');
SELECT is(as_role('sales_test_service', 'SELECT retail.record_payment(''mp'', ''L2'', ''desk2'', 1)'), '42501', '... but takes no money');
SELECT is_empty($$ SELECT r, f FROM unnest('{retail_bi,retail_supplier}'::text[]) r, (SELECT oid::regprocedure AS f FROM pg_proc WHERE pronamespace = 'retail'::regnamespace
	AND proname IN ('record_payment', 'record_refund', 'cancel_order', 'run_release_unpaid', 'ship_order', 'ready_for_pick_up', 'pick_up', 'deliver_order')) p WHERE has_function_privilege(r, f, 'EXECUTE') $$,
	'BI and suppliers may do nothing of this');
SELECT is_empty($$ SELECT r, p.oid::regprocedure FROM unnest('{retail_app,retail_admin,retail_store,retail_service}'::text[]) r, pg_proc p WHERE p.pronamespace = 'retail'::regnamespace
	AND p.proname IN ('lock_order', 'lock_shipment', 'lock_reservations', 'line_share', 'add_order_event', 'refresh_order_status', 'cancel_units', 'settle_order', 'record_money', 'split_shipment',
		'split_reservations', 'send_shipment') AND has_function_privilege(r, p.oid, 'EXECUTE') $$, 'internal functions are nobody''s');

-- ---- nothing to pay ----------------------------------------------------------------

SELECT is((SELECT o.total FROM retail.place_order('mp', 'FREE', (SELECT jsonb_build_array(jsonb_build_object('sku', k.code, 'qty', 1, 'price', 0))
	FROM retail.sku k JOIN retail.stock s USING (sku_id) JOIN retail.node n USING (node_id) WHERE s.on_hand - s.reserved > 0 AND n.can_ship AND k.is_active ORDER BY k.code LIMIT 1),
	(SELECT jsonb_build_object('region', r.code) FROM retail.region r WHERE r.parent_id IS NOT NULL ORDER BY r.code LIMIT 1), freight => 0, as_of => '2026-11-02 10:00+08') o), 0.00, 'an order of 0.00 is placed');
SELECT is((SELECT concat_ws(' ', o.payment_state, o.payment_due_at IS NULL, r.state) FROM retail.sales_order o JOIN retail.reservation r USING (order_id) WHERE o.external_no = 'FREE'), 'paid t committed', '... and waits for no payment');
SELECT is((SELECT retail.ship_order(s.shipment_id, 'free', as_of => '2026-11-02 12:00+08') ->> 'status' FROM retail.shipment s WHERE s.order_id = order_id('FREE')), 'shipped', '... so it can leave');

-- ---- statuses ----------------------------------------------------------------------

SELECT is_empty($$ SELECT o.external_no, o.status FROM retail.sales_order o WHERE o.status <> retail.refresh_order_status(o.order_id) $$, 'every status is what its rows say');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound at the end');

SELECT * FROM finish();
ROLLBACK;
