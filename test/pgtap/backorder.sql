-- backorder.sql: orders of which not everything is there: partial, backorder against inbound supply, their dates, who is
-- first, payment and cancellation of what waits, the limits of the policy.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT * FROM no_plan();

CREATE FUNCTION pg_temp.place(no text, lines jsonb, shortage text, at timestamptz DEFAULT '2026-03-02 02:00+00', payment text DEFAULT 'on_delivery', policy text DEFAULT NULL) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT short FROM retail.place_order('mp', $1, $2, '{"region": "CN"}', freight => 6, payment => $5, policy => $6, as_of => $4, shortage => $3) $$;
-- ordered=allocated+backordered+cancelled;cancelled_amount
CREATE FUNCTION pg_temp.lines(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s:%s=%s+%s+%s;%s', k.code, l.quantity, l.allocated, l.backordered, l.cancelled, l.cancelled_amount), ' ' ORDER BY l.line_no)
	FROM retail.order_line l JOIN retail.sku k USING (sku_id) WHERE l.order_id = order_id($1) $$;
CREATE FUNCTION pg_temp.waits(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s%s %s %s %s %s', k.code, b.quantity, n.code, b.source_kind, b.source_no, to_char(b.expected_at, 'DD HH24')), '; ' ORDER BY b.line_no, b.expected_at, b.backorder_id)
	FROM retail.backorder b JOIN retail.sku k USING (sku_id) LEFT JOIN retail.node n USING (node_id) WHERE b.order_id = order_id($1) $$;
CREATE FUNCTION pg_temp.parcels(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s %s %s', n.code, s.status, (SELECT string_agg(k.code || l.quantity, ',' ORDER BY l.line_no) FROM retail.shipment_line l JOIN retail.sku k USING (sku_id)
		WHERE l.shipment_id = s.shipment_id)), '; ' ORDER BY s.shipment_id) FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE s.order_id = order_id($1) $$;
CREATE FUNCTION pg_temp.state(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' ', o.status, o.payment_state, o.total, o.cancelled_amount, to_char(o.promised_at, 'DD HH24')) FROM retail.sales_order o WHERE o.external_no = $1 $$;

SELECT retail.put_region('CN', '中国', NULL, 35, 105), retail.put_channel('mp', '小程序', 'mini_program'),
	retail.put_sku('A', 'Tea', 500, list_price => 10), retail.put_sku('B', 'Cup', 300, list_price => 3.33), retail.put_sku('C', 'Pot', 300, list_price => 7), retail.put_sku('SET', 'Set', 1, list_price => 11),
	retail.put_node('W1', '一仓', 'warehouse', 'CN', time_zone => 'UTC'), retail.put_node('W2', '二仓', 'warehouse', 'CN', time_zone => 'UTC'), retail.put_node('S1', '一店', 'store', 'CN', time_zone => 'UTC', can_ship => false, can_pick_up => true),
	retail.put_carrier_service('SF', '顺丰', '标快') \g /dev/null
SELECT retail.put_lane('SF', 'CN', 'Z', 24, from_region => 'CN'), retail.put_rate_card('SF', 'Z', 1000, 6, 1000, 2), retail.put_bundle('SET', '[{"sku": "B", "qty": 1}, {"sku": "C", "qty": 1}]') \g /dev/null
SELECT retail.receive_stock('R1', 'W1', '[{"sku": "A", "qty": 3}, {"sku": "B", "qty": 10}]', '2026-03-01 00:00+00'), retail.receive_stock('R2', 'W2', '[{"sku": "A", "qty": 2}]', '2026-03-01 00:00+00') \g /dev/null

-- ---- refuse and partial ---------------------------------------------------------------

SELECT raises('RT020', $$ SELECT pg_temp.place('X', '[{"sku": "A", "qty": 9}]', 'refuse') $$, 'refused: all or nothing');
SELECT raises('RT016', format('SELECT pg_temp.place(''X'', ''[{"sku": "A", "qty": 9}]'', %L)', s)) FROM unnest('{some,"",PARTIAL,NULL}'::text[]) s;
SELECT raises('RT020', $$ SELECT pg_temp.place('X', '[{"sku": "C", "qty": 9}]', 'partial') $$, 'nothing of the order is there');
SELECT raises('RT020', $$ SELECT pg_temp.place('X', '[{"sku": "A", "qty": 9}]', 'backorder') $$, 'nothing is on its way');
SELECT is(detail_of($$ SELECT pg_temp.place('X', '[{"sku": "A", "qty": 9}]', 'backorder') $$), 'SKU A: 4 units would have to wait, 0 are expected within 30 days that nobody waits for.', '... with numbers');
SELECT is((SELECT short::text FROM retail.quote_order('mp', '[{"sku": "B", "qty": 3, "discount": 0.99}, {"sku": "A", "qty": 9}]', '{"region": "CN"}', as_of => '2026-03-02 02:00+00', shortage => 'partial')),
	'[{"qty": 4, "sku": "A", "amount": 40.00, "line_no": 2, "outcome": "cancelled"}]', 'a quote says what would be cancelled');
SELECT is(pg_temp.place('P1', '[{"sku": "B", "qty": 3, "discount": 0.99}, {"sku": "A", "qty": 9, "price": 1.11, "discount": 0.02}]', 'partial', payment => 'prepaid')::text,
	'[{"qty": 4, "sku": "A", "amount": 4.43, "line_no": 2, "outcome": "cancelled"}]', 'what is there is allocated, the rest cancelled');
SELECT is(pg_temp.lines('P1'), 'B:3=3+0+0;0.00 A:9=5+0+4;4.43', '... to the unit and the cent');
SELECT is(pg_temp.state('P1'), 'open unpaid 24.97 4.43 03 16', '... the order stays as placed, what is cancelled beside it');
SELECT is(pg_temp.parcels('P1'), 'W1 planned B3,A3; W2 planned A2', '... two parcels');
SELECT is((SELECT (replayed, short)::text FROM retail.place_order('mp', 'P1', '[{"sku": "B", "qty": 3, "discount": 0.99}, {"sku": "A", "qty": 9, "price": 1.11, "discount": 0.02}]', '{"region": "CN"}', freight => 6, shortage => 'partial')),
	'(t,"[{""qty"": 4, ""sku"": ""A"", ""amount"": 4.43, ""line_no"": 2, ""outcome"": ""cancelled""}]")', 'a retry gets the first answer');
SELECT raises('RT030', $$ SELECT pg_temp.place('P1', '[{"sku": "B", "qty": 3, "discount": 0.99}, {"sku": "A", "qty": 9, "price": 1.11, "discount": 0.02}]', 'refuse', payment => 'prepaid') $$, 'the number with another rule');
SELECT is(retail.record_payment('mp', 'P1', 'p1', 20.54) ->> 'payment_state', 'paid', 'what is left is paid');
SELECT is(retail.cancel_order('mp', 'P1', as_of => '2026-03-02 03:00+00') ->> 'cancelled_amount', '20.54', '... and cancelled');
SELECT is((SELECT cancelled_amount = total FROM retail.sales_order WHERE external_no = 'P1'), true, '... all of it');
SELECT is(pg_temp.place('P2', '[{"sku": "B", "qty": 1, "price": 0}, {"sku": "C", "qty": 1}]', 'partial', payment => 'on_delivery') ->> 0, '{"qty": 1, "sku": "C", "amount": 7.00, "line_no": 2, "outcome": "cancelled"}', 'what is left is free but for the freight');
SELECT lives_ok($$ SELECT * FROM retail.place_order('mp', 'P3', '[{"sku": "B", "qty": 1, "price": 0}, {"sku": "C", "qty": 1}]', '{"region": "CN"}', freight => 0, as_of => '2026-03-02 02:00+00', shortage => 'partial') $$, 'nothing is left to pay');
SELECT is((SELECT (payment_state, payment_due_at, (SELECT string_agg(r.state, ',') FROM retail.reservation r WHERE r.order_id = o.order_id))::text FROM retail.sales_order o WHERE external_no = 'P3'), '(paid,,committed)', '... so it is paid, and its stock is committed');
-- The limits of the policy: one parcel; A lies at W1 and W2, C nowhere but W2.
SELECT retail.receive_stock('R3', 'W2', '[{"sku": "C", "qty": 2}]', '2026-03-01 00:00+00'), retail.put_allocation_policy('one', max_parcels => 1), retail.put_allocation_policy('whole', allow_line_split => false) \g /dev/null
SELECT raises('RT021', $$ SELECT pg_temp.place('X', '[{"sku": "B", "qty": 1}, {"sku": "C", "qty": 1}]', 'refuse', policy => 'one') $$, 'one parcel is not enough');
SELECT raises('RT021', $$ SELECT pg_temp.place('X', '[{"sku": "B", "qty": 1}, {"sku": "C", "qty": 1}]', 'backorder', policy => 'one') $$, '... and waiting does not help');
SELECT is(pg_temp.place('P4', '[{"sku": "A", "qty": 3}, {"sku": "B", "qty": 1}, {"sku": "C", "qty": 1}]', 'partial', policy => 'one') ->> 0, '{"qty": 1, "sku": "C", "amount": 7.00, "line_no": 3, "outcome": "cancelled"}', 'partial: what fits into one parcel');
SELECT is(pg_temp.parcels('P4'), 'W1 planned A3,B1', '... and as much of it as can be');
SELECT retail.cancel_order('mp', 'P4', as_of => '2026-03-02 03:00+00') \g /dev/null
SELECT is(pg_temp.place('P5', '[{"sku": "A", "qty": 5}]', 'partial', policy => 'whole') ->> 0, '{"qty": 2, "sku": "A", "amount": 20.00, "line_no": 1, "outcome": "cancelled"}', 'a line that may not be split: as much as one node has');
SELECT retail.cancel_order('mp', 'P5', as_of => '2026-03-02 03:00+00') \g /dev/null
SELECT is(pg_temp.place('P6', '[{"sku": "SET", "qty": 3}, {"sku": "A", "qty": 1}]', 'partial')::text, '[{"qty": 3, "sku": "B", "amount": 10.64, "line_no": 2, "outcome": "cancelled"}, {"qty": 3, "sku": "C", "amount": 22.36, "line_no": 3, "outcome": "cancelled"}]', 'a bundle whose components lie apart is left out whole');
SELECT retail.cancel_order('mp', 'P6', as_of => '2026-03-02 03:00+00') \g /dev/null
SELECT retail.receive_stock('R4', 'W2', '[{"sku": "B", "qty": 1}]', '2026-03-01 00:00+00') \g /dev/null
SELECT is(pg_temp.place('P7', '[{"sku": "SET", "qty": 3}]', 'partial') -> 0 ->> 'qty', '2', 'whole bundles only');
SELECT is(pg_temp.lines('P7'), 'B:3=1+0+2;7.09 C:3=1+0+2;14.91', '... as many of each component');
SELECT is_empty($$ SELECT * FROM retail.check_integrity() $$, 'integrity after partial orders');

-- ---- inbound and backorder ------------------------------------------------------------

SELECT raises('RT016', $$ SELECT retail.put_inbound('transfer', 'PO1', 'A', 'W1', 5, '2026-03-10 00:00+00') $$);
SELECT raises('RT010', format('SELECT retail.put_inbound(''other'', ''PO1'', ''A'', ''W1'', %s, ''2026-03-10 00:00+00'')', q)) FROM unnest('{0,-1,"NULL",1000000001}'::text[]) q;
SELECT raises('RT014', format('SELECT retail.put_inbound(''other'', ''PO1'', ''A'', ''W1'', 1, %s)', t)) FROM unnest('{"NULL","''infinity''"}'::text[]) t;
SELECT raises('RT001', $$ SELECT retail.put_inbound('other', 'PO1', 'nope', 'W1', 5, '2026-03-10 00:00+00') $$);
SELECT raises('RT002', $$ SELECT retail.put_inbound('other', 'PO1', 'A', 'nope', 5, '2026-03-10 00:00+00') $$);
SELECT raises('RT011', $$ SELECT retail.put_inbound('other', 'PO1', 'SET', 'W1', 5, '2026-03-10 00:00+00') $$);
SELECT raises('RT005', $$ SELECT retail.close_inbound('other', 'PO1') $$);
SELECT is(retail.put_inbound('purchase_order', 'PO1', 'A', 'W1', 5, '2026-03-10 01:00+00', '2026-03-02 00:00+00') - 'inbound_id', '{"open": 5, "changed": 0}', 'a purchase order is announced');
SELECT is(retail.put_inbound('purchase_order', 'PO2', 'A', 'W2', 4, '2026-03-12 01:00+00', '2026-03-02 00:00+00') ->> 'open', '4', 'another');
SELECT is((SELECT (promised_at, short -> 0 ->> 'qty')::text FROM retail.quote_order('mp', '[{"sku": "A", "qty": 8}]', '{"region": "CN"}', as_of => '2026-03-02 02:00+00', shortage => 'backorder')), '("2026-03-11 16:00:00+00",3)', 'a quote tells the later date');
SELECT is(pg_temp.place('Q1', '[{"sku": "A", "qty": 8}, {"sku": "B", "qty": 1}]', 'backorder') -> 0 ->> 'expected_at', '2026-03-10T01:00:00+00:00', 'three units wait');
SELECT is(pg_temp.lines('Q1'), 'A:8=5+3+0;0.00 B:1=1+0+0;0.00', '... five are allocated');
SELECT is(pg_temp.waits('Q1'), 'A3 W1 purchase_order PO1 10 01', '... pegged to the first that comes');
SELECT is(pg_temp.state('Q1'), 'open on_delivery 89.33 0.00 11 16', '... the promise is the later date');
SELECT is(events('Q1'), 'placed backordered', '... and told');
SELECT is(pg_temp.place('Q2', '[{"sku": "A", "qty": 4}]', 'backorder', '2026-03-02 02:01+00') -> 1 ->> 'expected_at', '2026-03-12T01:00:00+00:00', 'who comes later waits for what is left');
SELECT is(pg_temp.waits('Q2'), 'A2 W1 purchase_order PO1 10 01; A2 W2 purchase_order PO2 12 01', '... of both');
SELECT is(pg_temp.parcels('Q2'), NULL, '... nothing of it is allocated');
SELECT is((SELECT n_parcels FROM retail.allocation_decision WHERE order_id = order_id('Q2')), 0, '... which is a decision, too');
SELECT raises('RT020', $$ SELECT pg_temp.place('X', '[{"sku": "A", "qty": 3}]', 'backorder', '2026-03-02 02:02+00') $$, 'not enough is on its way for a third');
SELECT is(pg_temp.place('Q3', '[{"sku": "A", "qty": 3}]', 'backorder_undated', '2026-03-02 02:02+00', 'prepaid') -> 1 ->> 'expected_at', NULL, '... who accepts no date');
SELECT is(pg_temp.waits('Q3'), 'A2 W2 purchase_order PO2 12 01; A1    ', '... waits in part without one');
SELECT is(pg_temp.state('Q3'), 'open unpaid 36.00 0.00', '... and gets no promise');
SELECT lives_ok($$ SELECT retail.set_backorder_horizon('mp', '3 days') $$, 'a short horizon');
SELECT is(detail_of($$ SELECT pg_temp.place('X', '[{"sku": "C", "qty": 3}]', 'backorder') FROM retail.put_inbound('other', 'O1', 'C', 'W2', 5, '2026-03-10 01:00+00') $$), 'SKU C: 2 units would have to wait, 0 are expected within 3 days that nobody waits for.', '... does not see so far');
SELECT retail.set_backorder_horizon('mp', '30 days') \g /dev/null
SELECT raises('RT016', format('SELECT retail.set_backorder_horizon(''mp'', %s)', h)) FROM unnest('{"''-1 day''","''367 days''","NULL"}'::text[]) h;
SELECT raises('RT020', $$ SELECT * FROM retail.place_order('mp', 'X', '[{"sku": "C", "qty": 3}]', fulfilment => 'pick_up', pick_up_node => 'S1', as_of => '2026-03-02 02:00+00', shortage => 'backorder') $$, 'what comes to another node cannot be picked up here');
SELECT is_empty($$ SELECT * FROM retail.check_integrity() $$, 'integrity of what waits');
SELECT is(jsonb_array_length(retail.order_status('mp', 'Q2') -> 'waits'), 2, 'order_status() tells');

-- ---- dates change ---------------------------------------------------------------------

SELECT is(retail.put_inbound('purchase_order', 'PO1', 'A', 'W1', 5, '2026-03-14 01:00+00', '2026-03-05 00:00+00') ->> 'changed', '2', 'late: two promises move');
SELECT is(pg_temp.waits('Q1'), 'A3 W2 purchase_order PO2 12 01', '... who was first gets what now comes first');
SELECT is((SELECT e.detail::text FROM retail.order_event e WHERE e.order_id = order_id('Q1') AND e.kind = 'promise_changed'), '{"new_promise": "2026-03-13T16:00:00+00:00", "old_promise": "2026-03-11T16:00:00+00:00"}', '... and is told');
SELECT is(retail.set_backorder_priority('mp', 'Q2', 10, '2026-03-05 00:00+00'), 2, 'a priority');
SELECT is(pg_temp.waits('Q2'), 'A4 W2 purchase_order PO2 12 01', '... moves ahead');
SELECT raises('RT031', $$ SELECT retail.set_backorder_priority('mp', 'P1', 1) $$);
SELECT raises('RT016', $$ SELECT retail.set_backorder_priority('mp', 'Q2', 101) $$);
SELECT raises('RT006', $$ SELECT retail.set_backorder_priority('mp', 'nope', 1) $$);
SELECT lives_ok($$ SELECT retail.close_inbound('purchase_order', 'PO2', as_of => '2026-03-06 00:00+00') $$, 'a purchase order is cancelled');
SELECT is(pg_temp.waits('Q2'), 'A4 W1 purchase_order PO1 14 01', '... the first waits for the other');
SELECT is(pg_temp.waits('Q1'), 'A1 W1 purchase_order PO1 14 01; A2    ', '... the next for what is left of it');
SELECT raises('RT032', $$ SELECT retail.close_inbound('purchase_order', 'PO1', 'A', 'W1', 6) $$);

-- ---- release ---------------------------------------------------------------------------

SELECT is(retail.run_backorders('2026-03-06 00:00+00'), '0 units released to 0 orders, 0 promises changed', 'nothing came');
SELECT is(retail.run_release_unpaid('2026-03-06 00:00+00'), '1 unpaid orders cancelled, 0 units given back', 'who did not pay waits no more');
SELECT is(pg_temp.waits('Q3'), NULL, '... is out of the queue');
SELECT is(pg_temp.lines('Q3'), 'A:3=0+0+3;30.00', '... with all its units');
SELECT lives_ok($$ SELECT retail.receive_stock('R5', 'W1', '[{"sku": "A", "qty": 5}]', '2026-03-13 00:00+00') $$, 'the goods come');
SELECT is((SELECT available FROM retail.available_to_promise('A') WHERE node = 'W1'), 0::bigint, '... are kept for who waits');
SELECT raises('RT020', $$ SELECT pg_temp.place('X', '[{"sku": "A", "qty": 1}]', 'refuse', '2026-03-13 00:01+00') $$, '... and nobody overtakes');
SELECT lives_ok($$ SELECT retail.close_inbound('purchase_order', 'PO1', as_of => '2026-03-13 00:02+00') $$, 'the purchase order is closed');
SELECT is(pg_temp.waits('Q2'), 'A4 W1 stock W1 13 00', '... the units that lie there are kept');
SELECT raises('RT020', $$ SELECT pg_temp.place('X', '[{"sku": "A", "qty": 1}]', 'refuse', '2026-03-13 00:01+00') $$, '... still nobody overtakes');
SELECT is(retail.run_backorders('2026-03-13 01:00+00'), '5 units released to 2 orders, 0 promises changed', 'all that came is given away');
SELECT is(pg_temp.lines('Q2'), 'A:4=4+0+0;0.00', '... to the first');
SELECT is(pg_temp.lines('Q1'), 'A:8=6+2+0;0.00 B:1=1+0+0;0.00', '... and the next');
SELECT is(pg_temp.parcels('Q2'), 'W1 planned A4', '... in a parcel');
SELECT is(pg_temp.state('Q2'), 'open on_delivery 46.00 0.00 14 16', '... with a promise');
SELECT is(events('Q2'), 'placed backordered promise_changed promise_changed promise_changed promise_changed released', '... and events');
SELECT is(retail.run_backorders('2026-03-13 01:00+00'), '0 units released to 0 orders, 0 promises changed', 'again: nothing');
SELECT is_empty($$ SELECT * FROM retail.check_integrity() $$, 'integrity after a release');
-- A transfer counts by itself, and what arrives short is waited for elsewhere.
SELECT lives_ok($$ SELECT retail.receive_stock('R6', 'S1', '[{"sku": "A", "qty": 9}]', '2026-03-13 00:00+00'), retail.transfer_out('T1', 'S1', 'W2', '[{"sku": "A", "qty": 9}]', '2026-03-13 02:00+00', expected_at => '2026-03-15 00:00+00') $$, 'a transfer leaves');
SELECT raises('RT014', $$ SELECT retail.transfer_out('T2', 'S1', 'W2', '[{"sku": "A", "qty": 1}]', '2026-03-13 02:00+00', expected_at => '2026-03-12 00:00+00') $$);
SELECT is(retail.run_backorders('2026-03-13 03:00+00'), '0 units released to 0 orders, 1 promises changed', '... gives a date to who had none');
SELECT is(pg_temp.waits('Q1'), 'A2 W2 transfer T1 15 00', '... the transfer''s');
SELECT is(pg_temp.place('Q4', '[{"sku": "A", "qty": 3}]', 'backorder', '2026-03-13 03:00+00', 'prepaid') -> 0 ->> 'expected_at', '2026-03-15T00:00:00+00:00', 'another waits for it');
SELECT is(retail.record_payment('mp', 'Q4', 'q4', 36, as_of => '2026-03-13 03:10+00') ->> 'payment_state', 'paid', '... and pays');
SELECT is(retail.cancel_order('mp', 'Q4', '[{"sku": "A", "qty": 1}]', as_of => '2026-03-13 04:00+00') ->> 'refund_due', '10.00', '... cancels a unit that waits');
SELECT is(pg_temp.waits('Q4'), 'A2 W2 transfer T1 15 00', '... the queue knows');
SELECT lives_ok($$ SELECT retail.transfer_in('T1', '[{"sku": "A", "qty": 3}]', '2026-03-15 01:00+00') $$, 'three of nine arrive');
SELECT raises('RT020', $$ SELECT pg_temp.place('X', '[{"sku": "A", "qty": 1}]', 'refuse', '2026-03-15 01:00+00') $$, 'nobody overtakes');
SELECT is(retail.run_backorders('2026-03-15 02:00+00'), '3 units released to 2 orders, 1 promises changed', 'three are given away');
SELECT is(pg_temp.lines('Q1') || '; ' || pg_temp.lines('Q4'), 'A:8=8+0+0;0.00 B:1=1+0+0;0.00; A:3=1+1+1;10.00', '... first come, first served');
SELECT is((SELECT string_agg(r.state, ',') FROM retail.reservation r WHERE r.order_id = order_id('Q4')), 'committed', 'what is paid is committed');
SELECT is(pg_temp.state('Q4'), 'open paid 36.00 10.00', 'for the rest there is no date');
SELECT is(retail.cancel_order('mp', 'Q4', as_of => '2026-03-15 04:00+00') ->> 'status', 'cancelled', 'the rest is cancelled');
SELECT is((SELECT cancelled_amount FROM retail.sales_order WHERE external_no = 'Q4'), 36.00, '... with its money');
-- A bundle waits and is released whole.
SELECT lives_ok($$ SELECT retail.put_inbound('other', 'O2', 'B', 'W2', 5, '2026-03-20 01:00+00'), retail.put_inbound('other', 'O2', 'C', 'W2', 5, '2026-03-21 01:00+00') $$, 'components are on their way');
SELECT is(jsonb_array_length(pg_temp.place('Q5', '[{"sku": "SET", "qty": 2}]', 'backorder', '2026-03-16 00:00+00')), 2, 'a bundle waits');
SELECT is(pg_temp.state('Q5'), 'open on_delivery 28.00 0.00 22 16', '... for its last component');
SELECT retail.receive_stock('R7', 'W2', '[{"sku": "B", "qty": 5}]', '2026-03-20 00:00+00'), retail.close_inbound('other', 'O2', 'B') \g /dev/null
SELECT is(retail.run_backorders('2026-03-20 02:00+00'), '2 units released to 1 orders, 0 promises changed', 'one bundle can be made up');
SELECT retail.receive_stock('R9', 'W2', '[{"sku": "C", "qty": 4}]', '2026-03-21 00:00+00'), retail.close_inbound('other', 'O2', 'C') \g /dev/null
SELECT is(left(retail.run_backorders('2026-03-21 03:00+00'), 28), '2 units released to 1 orders', 'the other');
SELECT is(pg_temp.parcels('Q5'), 'W2 planned B1,C1; W2 planned B1,C1', '... each in one parcel');

-- ---- rights, integrity -------------------------------------------------------------------

SELECT raises_as('retail_store', '42501', $$ SELECT retail.run_backorders() $$);
SELECT raises_as('retail_store', '42501', $$ SELECT retail.put_inbound('other', 'X', 'A', 'W1', 1, now()) $$);
SELECT is((SELECT function_name FROM retail.task WHERE name = 'backorders'), 'run_backorders', 'a task of the worker');
SELECT raises('RT014', $$ SELECT retail.run_backorders('infinity') $$);
SELECT is_empty($$ SELECT * FROM retail.check_integrity() $$, 'integrity');
SELECT lives_ok($$ INSERT INTO retail.backorder (order_id, line_no, sku_id, quantity, since) SELECT order_id, line_no, sku_id, 1, now() FROM retail.order_line WHERE order_id = order_id('Q1') AND line_no = 1 $$, 'more waits than is backordered');
SELECT is((SELECT count(*) FROM retail.check_backorder_integrity()), 1::bigint, '... is found');
SELECT * FROM finish();
ROLLBACK;
