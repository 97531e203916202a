-- promise.sql: the promise of an order is that of the last thing that the customer gets, whatever happens to its parts: a
-- parcel that is refused, units that wait for supply, supply that is late, a part that is cancelled, a question.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT * FROM no_plan();

CREATE FUNCTION pg_temp.place(no text, lines jsonb, shortage text DEFAULT 'refuse', at timestamptz DEFAULT '2026-03-02 02:00+00') RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT order_id FROM retail.place_order('mp', $1, $2, '{"region": "CN"}', payment => 'on_delivery', as_of => $4, shortage => $3) $$;
CREATE FUNCTION pg_temp.promise(no text) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT coalesce(to_char(o.promised_at, 'DD HH24:MI'), 'unknown') FROM retail.sales_order o WHERE o.external_no = $1 $$;
CREATE FUNCTION pg_temp.parcels(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s %s %s', n.code, s.status, (SELECT string_agg(k.code || l.quantity, ',' ORDER BY l.line_no) FROM retail.shipment_line l JOIN retail.sku k USING (sku_id)
		WHERE l.shipment_id = s.shipment_id)), '; ' ORDER BY s.shipment_id) FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE s.order_id = order_id($1) $$;
CREATE FUNCTION pg_temp.parcel(no text, node text) RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT s.shipment_id FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE s.order_id = order_id($1) AND n.code = $2 AND s.status = 'planned' $$;
-- of the last event of a kind: old promise > new promise
CREATE FUNCTION pg_temp.told(no text, kind text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' > ', coalesce(to_char((e.detail ->> 'old_promise')::timestamptz, 'DD HH24:MI'), 'unknown'), coalesce(to_char((e.detail ->> 'new_promise')::timestamptz, 'DD HH24:MI'), 'unknown'))
	FROM retail.order_event e WHERE e.order_id = order_id($1) AND e.kind = $2 ORDER BY e.event_id DESC LIMIT 1 $$;

SELECT retail.put_region('CN', '中国', NULL, 35, 105), retail.put_channel('mp', '小程序', 'mini_program'),
	retail.put_sku('A', 'Tea', 500, list_price => 10), retail.put_sku('B', 'Cup', 300, list_price => 5), retail.put_sku('C', 'Pot', 300, list_price => 7),
	retail.put_node('W1', '一仓', 'warehouse', 'CN', time_zone => 'UTC'), retail.put_node('W2', '二仓', 'warehouse', 'CN', time_zone => 'UTC', parcel_cost => 1), retail.put_node('W3', '三仓', 'warehouse', 'CN', time_zone => 'UTC', parcel_cost => 2),
	retail.put_node('S1', '一店', 'store', 'CN', time_zone => 'UTC', can_ship => false, can_pick_up => true),
	retail.put_carrier_service('SF', '顺丰', '标快'), retail.put_carrier_service('SLOW', '慢', '慢') \g /dev/null
SELECT retail.put_lane('SF', 'CN', 'Z', 24, from_node => 'W1'), retail.put_lane('SF', 'CN', 'Z', 24, from_node => 'W2'), retail.put_lane('SLOW', 'CN', 'Z', 72, from_node => 'W3'), retail.put_rate_card('SF', 'Z', 1000, 6, 1000, 2), retail.put_rate_card('SLOW', 'Z', 1000, 6, 1000, 2) \g /dev/null
SELECT retail.receive_stock('R1', 'W1', '[{"sku": "A", "qty": 20}]', '2026-03-01 00:00+00'), retail.receive_stock('R2', 'W2', '[{"sku": "A", "qty": 20}, {"sku": "B", "qty": 20}]', '2026-03-01 00:00+00'),
	retail.receive_stock('R3', 'W3', '[{"sku": "A", "qty": 20}, {"sku": "B", "qty": 20}]', '2026-03-01 00:00+00'),
	retail.put_inbound('purchase_order', 'PO1', 'C', 'W1', 10, '2026-03-10 02:00+00', '2026-03-01 00:00+00') \g /dev/null

-- ---- a refusal beside what waits -------------------------------------------------------

SELECT pg_temp.place('O1', '[{"sku": "A", "qty": 2}, {"sku": "C", "qty": 3}]', 'backorder') \g /dev/null
SELECT is(pg_temp.parcels('O1') || ' ' || pg_temp.promise('O1'), 'W1 planned A2 11 16:00', 'a part is sent, the rest comes later: that is the promise');
SELECT is(retail.reject_shipment(pg_temp.parcel('O1', 'W1'), 'damaged', as_of => '2026-03-02 03:00+00') ->> 'outcome', 'rerouted', 'the part is refused and comes from elsewhere');
SELECT is(pg_temp.promise('O1') || ', ' || pg_temp.told('O1', 'rerouted'), '11 16:00, 11 16:00 > 11 16:00', '... the promise is still that of the rest');
SELECT is(retail.put_inbound('purchase_order', 'PO1', 'C', 'W1', 10, '2026-03-12 02:00+00', '2026-03-02 04:00+00') ->> 'changed', '1', 'the rest is late');
SELECT is(pg_temp.promise('O1') || ', ' || pg_temp.told('O1', 'promise_changed'), '13 16:00, 11 16:00 > 13 16:00', '... and so is the order');
SELECT is(retail.put_inbound('purchase_order', 'PO1', 'C', 'W1', 10, '2026-03-02 05:00+00', '2026-03-02 04:30+00') ->> 'changed', '1', 'the rest comes at once');
SELECT is(pg_temp.promise('O1'), '03 16:00', '... with the part');
SELECT is(retail.put_inbound('purchase_order', 'PO1', 'C', 'W1', 10, '2026-03-10 02:00+00', '2026-03-02 04:40+00') ->> 'changed', '1', 'after all it does not');
-- two of three come in; what is released is promised earlier than what still waits
SELECT retail.receive_stock('R4', 'W2', '[{"sku": "C", "qty": 2}]', '2026-03-04 00:00+00') \g /dev/null
SELECT is(retail.run_backorders('2026-03-04 02:00+00'), '2 units released to 1 orders, 0 promises changed', 'some come in');
SELECT is(pg_temp.promise('O1') || ', ' || pg_temp.told('O1', 'released'), '11 16:00, 11 16:00 > 11 16:00', '... the last one still comes on the 10th');
SELECT is(retail.cancel_order('mp', 'O1', '[{"sku": "C", "qty": 1}]', as_of => '2026-03-04 03:00+00') ->> 'cancelled_units', '1', 'the customer does without it');
SELECT is(pg_temp.promise('O1'), '05 16:00', '... so the order is there when the others are');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- ---- only what was refused moves ----------------------------------------------------------

SELECT pg_temp.place('O2', '[{"sku": "A", "qty": 20}, {"sku": "B", "qty": 20}]') \g /dev/null
SELECT is(pg_temp.parcels('O2'), 'W3 planned A20,B20', 'an order that only the slow warehouse has whole') ;
SELECT retail.cancel_order('mp', 'O2', as_of => '2026-03-02 03:00+00') \g /dev/null
SELECT retail.set_safety_stock('A', 'W3', 12), retail.set_safety_stock('B', 'W1', 20), retail.set_safety_stock('A', 'W2', 20) \g /dev/null
SELECT pg_temp.place('O3', '[{"sku": "A", "qty": 10}, {"sku": "B", "qty": 2}]') \g /dev/null
SELECT is(pg_temp.parcels('O3') || ', ' || pg_temp.promise('O3'), 'W1 planned A10; W2 planned B2, 03 16:00', 'an order in two parcels');
SELECT retail.set_safety_stock('A', 'W3', 0) \g /dev/null
SELECT is(retail.reject_shipment(pg_temp.parcel('O3', 'W2'), 'damaged', as_of => '2026-03-02 03:00+00') ->> 'outcome', 'rerouted', 'one is refused');
SELECT is(pg_temp.parcels('O3'), 'W1 planned A10; W2 cancelled B0; W3 planned B2', '... it alone is routed again, although W3 could send both in one parcel now');
SELECT is(pg_temp.promise('O3') || ', ' || pg_temp.told('O3', 'rerouted'), '05 16:00, 03 16:00 > 05 16:00', '... which makes the order late');
SELECT is(retail.cancel_order('mp', 'O3', '[{"sku": "B", "qty": 2}]', as_of => '2026-03-02 04:00+00') ->> 'cancelled_units', '2', 'the late parcel is cancelled');
SELECT is(pg_temp.promise('O3'), '03 16:00', '... and the order is in time again');

-- ---- nobody sends it: nobody knows -----------------------------------------------------------

SELECT retail.set_safety_stock('A', 'W3', 20) \g /dev/null
SELECT pg_temp.place('O4', '[{"sku": "A", "qty": 1}, {"sku": "B", "qty": 15}]') \g /dev/null
SELECT is(pg_temp.parcels('O4'), 'W1 planned A1; W2 planned B15', 'two parcels');
SELECT retail.set_safety_stock('B', 'W3', 19) \g /dev/null
SELECT is(retail.reject_shipment(pg_temp.parcel('O4', 'W2'), 'damaged', as_of => '2026-03-02 03:00+00') ->> 'outcome', 'exception', 'nobody else has what was refused');
SELECT is(pg_temp.parcels('O4') || ', ' || pg_temp.promise('O4'), 'W1 planned A1; W2 cancelled B0, unknown', '... so nobody knows when the order is complete');
SELECT is((SELECT to_char((e.detail ->> 'promised_at')::timestamptz, 'DD HH24:MI') FROM retail.order_event e WHERE e.order_id = order_id('O4') AND e.kind = 'rejected'), '03 16:00', '... the event keeps what the customer was told');
SELECT retail.set_safety_stock('B', 'W3', 0) \g /dev/null
SELECT is(retail.run_exceptions('2026-03-02 04:00+00'), '1 exceptions tried again, 1 routed', 'somebody has it now');
SELECT is(pg_temp.promise('O4') || ', ' || pg_temp.told('O4', 'rerouted'), '05 16:00, unknown > 05 16:00', '... and the order has a date again');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- ---- a question -----------------------------------------------------------------------------

SELECT retail.receive_stock('R5', 'S1', '[{"sku": "A", "qty": 4}]', '2026-03-01 00:00+00') \g /dev/null
SELECT order_id FROM retail.place_order('mp', 'P1', '[{"sku": "A", "qty": 2}]', NULL, 'pick_up', 'S1', payment => 'on_delivery', as_of => '2026-03-02 02:00+00') \g /dev/null
SELECT is(pg_temp.promise('P1'), '02 03:00', 'a pick-up');
SELECT is(retail.reject_shipment(pg_temp.parcel('P1', 'S1'), 'damaged', '[{"sku": "A", "qty": 1}]', 'X1', as_of => '2026-03-02 02:30+00') ->> 'outcome', 'asked', 'a unit of it is damaged');
SELECT is(pg_temp.promise('P1'), 'unknown', '... when the customer has everything depends on his answer');
SELECT is(retail.answer_question('mp', 'P1', 'cancel', as_of => '2026-03-02 02:40+00') ->> 'answer', 'cancel', 'he does without');
SELECT is(pg_temp.promise('P1'), '02 03:00', '... and has the rest as promised');
SELECT retail.cancel_order('mp', 'P1', as_of => '2026-03-02 02:50+00') \g /dev/null
SELECT is(pg_temp.promise('P1'), '02 03:00', 'an order that is cancelled keeps its last promise');

-- ---- a wrong promise is found ------------------------------------------------------------------

SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');
UPDATE retail.sales_order SET promised_at = '2026-03-02 00:00+00' WHERE external_no = 'O4';
SELECT is((SELECT detail FROM retail.check_backorder_integrity()), 'is promised for 2026-03-02 00:00:00+00, its parts for 2026-03-05 16:00:00+00', 'a promise that is too early');
UPDATE retail.sales_order SET promised_at = NULL WHERE external_no = 'O4';
SELECT is((SELECT detail FROM retail.check_backorder_integrity()), 'is promised for no time, its parts for 2026-03-05 16:00:00+00', '... or missing');
SELECT * FROM finish();
ROLLBACK;
