-- reroute.sql: when a store says no: what becomes of stock, parcel, promise and
-- money for each reason; routing again; the exception queue.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT plan(206);

CREATE FUNCTION pg_temp.parcels(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s %s %s %sg', n.code, s.status, (SELECT string_agg(k.code || l.quantity, ',' ORDER BY l.line_no) FROM retail.shipment_line l JOIN retail.sku k USING (sku_id)
		WHERE l.shipment_id = s.shipment_id), s.weight_g), '; ' ORDER BY s.shipment_id)
	FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE s.order_id = order_id($1) $$;
-- node sku state open, until
CREATE FUNCTION pg_temp.promises(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(concat_ws(' ', n.code, k.code, r.state, r.open_quantity, CASE WHEN r.open_quantity > 0 THEN to_char(r.expires_at, 'HH24:MI') END), '; ' ORDER BY r.reservation_id)
	FROM retail.reservation r JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id) WHERE r.order_id = order_id($1) $$;
CREATE FUNCTION pg_temp.last_event(no text, kind text) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT e.detail FROM retail.order_event e WHERE e.order_id = order_id($1) AND e.kind = $2 ORDER BY e.event_id DESC LIMIT 1 $$;
CREATE FUNCTION pg_temp.money(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' ', o.status, o.payment_state, o.total, o.freight_total, o.cancelled_amount, o.paid, o.refunded) FROM retail.sales_order o WHERE o.external_no = $1 $$;
CREATE FUNCTION pg_temp.place(no text, lines jsonb, at timestamptz DEFAULT '2026-03-02 02:00+00', payment text DEFAULT 'on_delivery') RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT order_id FROM retail.place_order('mp', $1, $2, '{"region": "CN"}', payment => $4, as_of => $3) $$;
-- refuses a parcel of an order; the answer without keys
CREATE FUNCTION pg_temp.refuse(no text, n int, reason text, lines jsonb DEFAULT NULL, number text DEFAULT NULL, at timestamptz DEFAULT '2026-03-02 03:00+00') RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' ', a ->> 'units', a ->> 'outcome', a ->> 'sqlstate', CASE WHEN (a ->> 'replayed')::boolean THEN 'replayed' END)
	FROM retail.reject_shipment(parcel($1, $2), $3, $4, $5, as_of => $6) a $$;
CREATE FUNCTION pg_temp.exception(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(concat_ws(' ', e.kind, e.sqlstate, e.state, e.tries, e.resolution), '; ' ORDER BY e.exception_id) FROM retail.order_exception e WHERE e.order_id = order_id($1) $$;
CREATE FUNCTION pg_temp.exception_id(no text) RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT max(e.exception_id) FROM retail.order_exception e WHERE e.order_id = order_id($1) $$;

SELECT lives_ok($$ SELECT retail.put_region('CN', '中国', NULL, 35, 105), retail.put_channel('mp', '小程序', 'mini_program'), retail.put_sku('A', 'Tea', 500, list_price => 10), retail.put_sku('B', 'Cup', 300, list_price => 5),
	retail.put_node('N1', '一店', 'store', 'CN', 35, 105), retail.put_node('N2', '二店', 'store', 'CN', 36, 105, parcel_cost => 1), retail.put_node('N3', '三店', 'store', 'CN', 37, 105, parcel_cost => 2),
	retail.put_node('N4', '四店', 'store', 'CN', 38, 105, parcel_cost => 3), retail.put_node('N5', '五店', 'store', 'CN', 39, 105, parcel_cost => 4),
	retail.put_carrier_service('SF', '顺丰', '标快'), retail.put_lane('SF', 'CN', 'Z', 24, from_region => 'CN'), retail.put_rate_card('SF', 'Z', 1000, 6, 1000, 2) $$, 'a chain of five stores, each dearer than the one before');
SELECT lives_ok(format($$ SELECT retail.receive_stock('R', 'N%s', '[{"sku": "A", "qty": 20}, {"sku": "B", "qty": 20}]', '2026-03-01 00:00+00') $$, n), '... with stock') FROM generate_series(1, 5) n;

-- ---- not found -------------------------------------------------------------------------

SELECT pg_temp.place('F1', '[{"sku": "A", "qty": 3}, {"sku": "B", "qty": 2}]') \g /dev/null
SELECT pg_temp.place('F2', '[{"sku": "A", "qty": 4}]') \g /dev/null
SELECT is(pg_temp.parcels('F1'), 'N1 planned A3,B2 2100g', 'an order for the first store');
SELECT is(pg_temp.refuse('F1', 1, 'not_found', '[{"sku": "A", "qty": 1}]', 'X1'), '1 rerouted', 'one unit is not found');
SELECT is(pg_temp.parcels('F1'), 'N1 planned A2,B2 1600g; N2 planned A1 500g', '... and comes from the next store; the rest stays');
SELECT is(pg_temp.promises('F1'), 'N1 A committed 2; N1 B committed 2; N2 A committed 1', '... with its promises');
SELECT is(stock_states('A', 'N1'), '6/6/0/13', 'the unit is booked out; what nobody was promised is on hold; the other orders keep theirs');
SELECT is(stock_states('B', 'N1'), '20/2/0/0', '... other goods are not doubted');
SELECT is(stock_states('A', 'N2'), '20/1/0/0', '... and the next store has promised one');
SELECT results_eq($$ SELECT m.condition, m.quantity FROM retail.movement m WHERE m.reason = 'not_found' ORDER BY 1 $$, $$ VALUES ('quality_hold', 13::bigint), ('sellable', -14) $$, '... as the ledger says');
SELECT is((SELECT a.available FROM retail.available_to_promise('A', 'mp') a WHERE a.node = 'N1'), 0::bigint, 'nothing of it is promised there');
SELECT results_eq($$ SELECT r.quantity, r.asked_at FROM retail.stock_recount r $$, $$ VALUES (13::bigint, '2026-03-02 03:00+00'::timestamptz) $$, '... until somebody counts');
SELECT is(line_states('F1'), 'A:3=3+0+0 B:2=2+0+0', 'nothing of the order is lost');
SELECT is(pg_temp.money('F1'), 'open on_delivery 50.00 10.00 0.00 0.00 0.00', 'the customer pays what he was told');
SELECT is(events('F1'), 'placed rejected rerouted', 'events say so');
SELECT is(pg_temp.last_event('F1', 'rerouted') - '{shipment_id,parcels}'::text[],
	'{"node": "N1", "cause": "refused", "reason": "not_found", "new_promise": "2026-03-03T08:00:00+00:00", "old_promise": "2026-03-03T08:00:00+00:00"}', '... with both promises');
SELECT is((SELECT count(*) FROM retail.allocation_decision d WHERE d.order_id = order_id('F1')), 2::bigint, 'there is a second decision');
SELECT is(pg_temp.refuse('F1', 1, 'not_found', '[{"sku": "A", "qty": 1}]', 'X1', '2026-03-02 04:00+00'), '1 rerouted replayed', 'a retry gets the first answer');
SELECT is(stock_states('A', 'N1'), '6/6/0/13', '... and changes nothing');
SELECT raises('RT030', $$ SELECT pg_temp.refuse('F1', 1, 'not_found', '[{"sku": "A", "qty": 2}]', 'X1') $$, 'the number with other units');
SELECT raises('RT030', $$ SELECT pg_temp.refuse('F1', 1, 'damaged', '[{"sku": "A", "qty": 1}]', 'X1') $$, 'the number with another reason');
SELECT is(pg_temp.refuse('F1', 1, 'not_found', '[{"sku": "A", "qty": 1}]', 'X2'), '1 rerouted', 'another number, another unit');
SELECT is(stock_states('A', 'N1'), '5/5/0/13', '... nothing more is free to be doubted');
SELECT is((SELECT r.quantity FROM retail.stock_recount r), 13::bigint, '... so the doubt stays as it was');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- an older count does not settle it, one of now does
SELECT is(retail.count_stock('C0', 'N1', '[{"sku": "A", "qty": 20}]', '2026-03-01 12:00+00') - 'document_id', '{"lost": 0, "skus": 1, "found": 0, "replayed": false, "corrected": 0}', 'a count from before the refusal finds what the books said then');
SELECT is(stock_states('A', 'N1'), '5/5/0/13', '... and leaves the hold');
SELECT is(retail.count_stock('C1', 'N1', '[{"sku": "A", "qty": 17}]', '2026-03-02 05:00+00') - 'document_id', '{"lost": 1, "skus": 1, "found": 0, "replayed": false, "corrected": 1}', 'a count of 17 finds one more missing of the 18 that should be there');
SELECT is(stock_states('A', 'N1'), '17/5/0/0', '... and ends the hold');
SELECT is_empty('SELECT * FROM retail.stock_recount', '... nothing is left to count');
SELECT is(retail.count_stock('C2', 'N1', '[{"sku": "A", "qty": 17}]', '2026-03-02 06:00+00') ->> 'corrected', '0', 'the next count has nothing to correct');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- a count that finds all of it gone
SELECT pg_temp.place('F3', '[{"sku": "B", "qty": 2}]') \g /dev/null
SELECT is(pg_temp.refuse('F3', 1, 'not_found'), '2 rerouted', 'a whole parcel is not found');
SELECT is(pg_temp.parcels('F3'), 'N1 cancelled B0 0g; N2 planned B2 600g', '... it is cancelled');
SELECT is(stock_states('B', 'N1'), '2/2/0/16', '... the rest is on hold');
SELECT is(retail.count_stock('C3', 'N1', '[{"sku": "A", "qty": 17}]', '2026-03-02 07:00+00', complete => true) - 'document_id', '{"lost": 18, "skus": 2, "found": 0, "replayed": false, "corrected": 1}',
	'a complete count without it books it all out');
SELECT is(stock_states('B', 'N1'), '0/2/0/0', '... also what was promised to the first order');
SELECT is(pg_temp.refuse('F1', 1, 'not_found', '[{"sku": "B", "qty": 2}]', 'X3'), '2 rerouted', 'nobody can miss what was not there');
SELECT is(stock_states('B', 'N1'), '0/0/0/0', '... so nothing falls below zero');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');
SELECT is(pg_temp.parcels('F1'), 'N1 planned A1,B0 500g; N2 planned A1 500g; N2 planned A1 500g; N2 planned B2 600g', 'what the first order has become');

-- the same parcel refused whole, again without a number
SELECT is(pg_temp.refuse('F3', 1, 'not_found'), '2 rerouted replayed', 'a whole parcel is refused once');
SELECT raises('RT031', $$ SELECT pg_temp.refuse('F3', 1, 'damaged') $$, '... and for one reason');
SELECT raises('RT032', $$ SELECT pg_temp.refuse('F1', 1, 'damaged', '[{"sku": "A", "qty": 2}]', 'X4') $$, 'no more than is in the parcel');
SELECT raises('RT032', $$ SELECT pg_temp.refuse('F2', 1, 'damaged', '[{"sku": "B", "qty": 1}]', 'X4') $$, 'nothing that is not in it');

-- ---- damaged ---------------------------------------------------------------------------

SELECT is(pg_temp.refuse('F2', 1, 'damaged', '[{"sku": "A", "qty": 3}]', 'D1'), '3 rerouted', 'three units are damaged');
SELECT is(stock_states('A', 'N1'), '14/2/3/0', '... and moved aside; the others are not doubted');
SELECT results_eq($$ SELECT m.condition, m.quantity FROM retail.movement m WHERE m.reason = 'damaged' ORDER BY 1 $$, $$ VALUES ('damaged', 3::bigint), ('sellable', -3) $$, '... as the ledger says');
SELECT is(pg_temp.parcels('F2'), 'N1 planned A1 500g; N2 planned A3 1500g', 'they come from elsewhere');
SELECT lives_ok($$ SELECT retail.ship_order(parcel('F2'), 'T1', as_of => '2026-03-02 08:00+00') $$, 'the rest leaves');
SELECT raises('RT031', $$ SELECT pg_temp.refuse('F2', 1, 'damaged') $$, 'what has left is not refused any more');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- ---- capacity and closed ------------------------------------------------------------------

SELECT pg_temp.place('K1', '[{"sku": "A", "qty": 1}]') \g /dev/null
SELECT is(pg_temp.refuse('K1', 1, 'capacity'), '1 rerouted', 'a store has too much to do');
SELECT is(pg_temp.parcels('K1'), 'N1 cancelled A0 0g; N2 planned A1 500g', '... the next one does it');
SELECT is(stock_states('A', 'N1'), '13/1/3/0', '... its stock is as it was');
SELECT is((SELECT n.paused_until || ' ' || n.pause_reason FROM retail.node n WHERE n.code = 'N1'), '2026-03-02 16:00:00+00 capacity', '... it gets nothing new today');
SELECT pg_temp.place('K2', '[{"sku": "A", "qty": 1}]', '2026-03-02 04:00+00') \g /dev/null
SELECT is(pg_temp.parcels('K2'), 'N2 planned A1 500g', '... really nothing');
SELECT pg_temp.place('K3', '[{"sku": "A", "qty": 1}]', '2026-03-02 17:00+00') \g /dev/null
SELECT is(pg_temp.parcels('K3'), 'N1 planned A1 500g', '... until tomorrow');
SELECT lives_ok($$ SELECT retail.pause_node('N2', '2026-03-09 00:00+00', as_of => '2026-03-02 02:00+00') $$, 'a store that is on holiday');
SELECT is(pg_temp.refuse('K2', 1, 'closed', at => '2026-03-02 05:00+00'), '1 rerouted', '... says that it is closed');
SELECT is((SELECT n.paused_until || ' ' || n.pause_reason FROM retail.node n WHERE n.code = 'N2'), '2026-03-09 00:00:00+00 closed', '... which ends no longer pause');
SELECT is(pg_temp.parcels('K2'), 'N2 cancelled A0 0g; N3 planned A1 500g', 'paused and refused stores are passed over');
SELECT lives_ok($$ SELECT retail.resume_node('N1'), retail.resume_node('N2') $$);

-- ---- the promise, payment and what expires -------------------------------------------------------

SELECT pg_temp.place('P1', '[{"sku": "A", "qty": 2}]', '2026-03-03 02:00+00', 'prepaid') \g /dev/null
SELECT is(pg_temp.promises('P1'), 'N1 A held 2 02:30', 'an order that is not paid holds its stock');
SELECT is(pg_temp.refuse('P1', 1, 'damaged', NULL, NULL, '2026-03-03 09:00+00'), '2 rerouted', '... is refused after it was due');
SELECT is(pg_temp.promises('P1'), 'N1 A released 0; N2 A held 2 02:30', '... and held as long as before, elsewhere');
SELECT is((SELECT o.promised_at FROM retail.sales_order o WHERE o.external_no = 'P1'), '2026-03-05 08:00+00'::timestamptz, 'it misses the cut-off and is promised a day later');
SELECT is(pg_temp.last_event('P1', 'rerouted') ->> 'old_promise', '2026-03-04T08:00:00+00:00', '... the event tells the old promise');
SELECT is(retail.record_payment('mp', 'P1', 'pay1', 26, 'wechat', '2026-03-03 09:01+00') ->> 'payment_state', 'paid', 'it is paid late');
SELECT is(pg_temp.promises('P1'), 'N1 A released 0; N2 A committed 2', '... and gets what it was rerouted to');
SELECT pg_temp.place('P2', '[{"sku": "A", "qty": 2}]', '2026-03-03 02:00+00', 'prepaid') \g /dev/null
SELECT is(retail.run_expire_holds('2026-03-03 02:31+00'), '2 units of expired holds given back', 'a hold that was swept');
SELECT is(pg_temp.refuse('P2', 1, 'damaged', '[{"sku": "A", "qty": 1}]', 'X', '2026-03-03 02:32+00'), '1 rerouted', '... a unit is refused');
SELECT is_empty('SELECT * FROM retail.check_integrity()', '... all is sound');
SELECT is(retail.record_payment('mp', 'P2', 'pay2', 26, 'wechat', '2026-03-03 02:33+00') ->> 'payment_state', 'paid', '... it is paid');
SELECT is((SELECT string_agg(n.code || r.open_quantity, ' ' ORDER BY n.code) FROM retail.reservation r JOIN retail.node n USING (node_id) WHERE r.order_id = order_id('P2') AND r.state = 'committed'), 'N1' || '1 N2' || '1',
	'... and both units are committed, where they are now');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- ---- at most three times, then a person ------------------------------------------------------------

SELECT pg_temp.place('M1', '[{"sku": "A", "qty": 1}]', '2026-03-03 02:00+00') \g /dev/null
SELECT is(pg_temp.refuse('M1', 1, 'damaged', at => '2026-03-03 02:10+00'), '1 rerouted', 'refused once');
SELECT is(pg_temp.refuse('M1', 2, 'damaged', at => '2026-03-03 02:10+00'), '1 rerouted', 'refused twice, at the same moment');
SELECT is(pg_temp.refuse('M1', 3, 'damaged', at => '2026-03-03 02:20+00'), '1 rerouted', 'refused three times');
SELECT is(pg_temp.refuse('M1', 4, 'damaged', at => '2026-03-03 02:30+00'), '1 exception RT023', 'refused four times: a person looks at it');
SELECT is(pg_temp.exception('M1'), 'reroute_limit RT023 open 0', '... in the queue');
SELECT is(line_states('M1'), 'A:1=0+1+0', '... the unit waits');
SELECT is(pg_temp.parcels('M1'), 'N1 cancelled A0 0g; N2 cancelled A0 0g; N3 cancelled A0 0g; N4 cancelled A0 0g', '... with four parcels behind it');
SELECT is(stock_states('A', 'N4'), '19/0/1/0', '... and the stock of the last is corrected too');
SELECT is(pg_temp.money('M1'), 'open on_delivery 16.00 6.00 0.00 0.00 0.00', '... nothing is cancelled');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');
SELECT is(retail.run_exceptions('2026-03-04 02:00+00'), '0 exceptions tried again, 0 routed', 'the worker leaves it to a person, though the fifth store has stock');
SELECT is(retail.resolve_exception(pg_temp.exception_id('M1'), 'retry', note => '已电话确认', as_of => '2026-03-03 03:00+00') - '{exception_id,parcels}'::text[],
	'{"state": "resolved", "replayed": false, "resolution": "routed", "promised_at": "2026-03-04T08:00:00+00:00"}', 'a person has it routed again');
SELECT is(pg_temp.exception('M1'), 'reroute_limit RT023 resolved 0 routed', '... which resolves it');
SELECT is((SELECT e.note || e.resolved_by FROM retail.order_exception e WHERE e.order_id = order_id('M1')), '已电话确认' || current_user, '... with a note and by whom');
SELECT is(line_states('M1') || ' ' || (SELECT n.code FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE s.shipment_id = parcel('M1', 5)), 'A:1=1+0+0 N5', '... to the fifth store');
SELECT is(retail.resolve_exception(pg_temp.exception_id('M1'), 'retry') ->> 'replayed', 'true', 'resolving twice is resolving once');
SELECT is(pg_temp.refuse('M1', 5, 'closed', at => '2026-03-03 03:10+00'), '1 exception RT023', 'refused again: back to the queue');
SELECT is(retail.resolve_exception(pg_temp.exception_id('M1'), 'node', 'N1', as_of => '2026-03-03 03:20+00') ->> 'resolution', 'by_hand', 'a person gives it to a store that had refused it');
SELECT is((SELECT n.code FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE s.shipment_id = parcel('M1', 6)), 'N1', '... by hand');
SELECT is(events('M1'), 'placed rejected rerouted rejected rerouted rejected rerouted rejected exception_opened rerouted exception_resolved rejected exception_opened rerouted exception_resolved', 'the whole story');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');
SELECT retail.resume_node('N5') \g /dev/null

-- ---- nobody has it ------------------------------------------------------------------------------------

SELECT lives_ok($$ SELECT retail.put_sku('S', 'Scarf', 200, list_price => 20), retail.receive_stock('RS', 'N1', '[{"sku": "S", "qty": 2}]', '2026-03-01 00:00+00') $$, 'goods that one store has');
SELECT pg_temp.place('Q1', '[{"sku": "S", "qty": 2}, {"sku": "A", "qty": 1}]', '2026-03-04 02:00+00') \g /dev/null
SELECT is(pg_temp.refuse('Q1', 1, 'damaged', '[{"sku": "S", "qty": 2}]', 'X', '2026-03-04 02:10+00'), '2 exception RT020', 'refused, and nobody else has it');
SELECT is(line_states('Q1'), 'S:2=0+2+0 A:1=1+0+0', '... the units wait, the rest goes its way');
SELECT matches((SELECT e.detail FROM retail.order_exception e WHERE e.order_id = order_id('Q1')), '^SKU S: 2 asked, 0', '... the queue says why');
SELECT is(stock_states('S', 'N1'), '0/0/2/0', '... stock is corrected all the same');
SELECT lives_ok($$ SELECT retail.ship_order(parcel('Q1'), 'T2', as_of => '2026-03-04 03:00+00') $$, 'the rest leaves');
SELECT is((SELECT o.status FROM retail.sales_order o WHERE o.external_no = 'Q1'), 'partly_shipped', '... the order is not complete');
SELECT is(retail.run_exceptions('2026-03-04 04:00+00'), '0 exceptions tried again, 0 routed', 'without stock nothing is tried');
SELECT lives_ok($$ SELECT retail.receive_stock('RS2', 'N1', '[{"sku": "S", "qty": 5}]', '2026-03-04 04:00+00') $$, 'stock comes in at the store that refused it');
SELECT is(retail.run_exceptions('2026-03-04 04:01+00'), '0 exceptions tried again, 0 routed', '... which is not asked again');
SELECT lives_ok($$ SELECT retail.put_node('N6', '六店', 'store', 'CN', 35, 105, can_ship => false), retail.receive_stock('RS3', 'N6', '[{"sku": "S", "qty": 5}]', '2026-03-04 04:02+00') $$, 'stock comes in at a store that does not ship');
SELECT is(retail.run_exceptions('2026-03-04 04:03+00'), '1 exceptions tried again, 0 routed', '... so it is tried in vain');
SELECT is(retail.run_exceptions('2026-03-04 04:04+00'), '0 exceptions tried again, 0 routed', '... and not at once again');
SELECT is(pg_temp.exception('Q1'), 'no_plan RT020 open 1', '... one try is counted');
SELECT is(retail.run_exceptions('2026-03-04 04:05+00'), '1 exceptions tried again, 0 routed', '... but two minutes later');
SELECT is(retail.run_exceptions('2026-03-04 04:08+00'), '0 exceptions tried again, 0 routed', '... and then four');
SELECT lives_ok($$ SELECT retail.receive_stock('RS4', 'N3', '[{"sku": "S", "qty": 2}]', '2026-03-04 04:08+00') $$, 'stock comes in where it helps');
SELECT is(retail.run_exceptions('2026-03-04 04:10+00'), '1 exceptions tried again, 1 routed', '... and it is routed');
SELECT is(pg_temp.exception('Q1'), 'no_plan RT020 resolved 2 routed', '... and resolved');
SELECT is(line_states('Q1'), 'S:2=2+0+0 A:1=1+0+0', '... nothing waits');
SELECT is(stock_states('S', 'N3'), '2/2/0/0', '... it is promised there');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- cancelled by a person: what was paid is owed
SELECT pg_temp.place('Q2', '[{"sku": "S", "qty": 5}, {"sku": "B", "qty": 1}]', '2026-03-04 05:00+00', 'prepaid') \g /dev/null
SELECT retail.record_payment('mp', 'Q2', 'pay3', (SELECT o.total FROM retail.sales_order o WHERE o.external_no = 'Q2'), as_of => '2026-03-04 05:01+00') \g /dev/null
SELECT is(pg_temp.parcels('Q2'), 'N1 planned S5 1000g; N2 planned B1 300g', 'a paid order of two parcels');
SELECT is(pg_temp.refuse('Q2', 1, 'not_found', at => '2026-03-04 05:10+00'), '5 exception RT020', '... the first is not found');
SELECT raises('RT020', $$ SELECT retail.resolve_exception(pg_temp.exception_id('Q2'), 'node', 'N3', as_of => '2026-03-04 05:20+00') $$, 'a store without stock cannot be chosen');
SELECT raises('RT020', $$ SELECT retail.resolve_exception(pg_temp.exception_id('Q2'), 'node', 'N6', as_of => '2026-03-04 05:20+00') $$, 'nor one that may not ship');
SELECT is(retail.resolve_exception(pg_temp.exception_id('Q2'), 'retry', clear_exclusions => true, as_of => '2026-03-04 05:20+00') - '{exception_id,message,detail}'::text[],
	'{"state": "open", "replayed": false, "sqlstate": "RT020"}', 'trying again in vain leaves it open');
SELECT is(retail.resolve_exception(pg_temp.exception_id('Q2'), 'cancel', as_of => '2026-03-04 05:30+00') ->> 'resolution', 'cancelled', 'a person cancels it');
SELECT is(line_states('Q2'), 'S:5=0+0+5 B:1=1+0+0', '... what waited, not the rest');
SELECT is((SELECT (o.cancelled_amount, (retail.cancel_answer(o.order_id, NULL, false) ->> 'refund_due')::numeric)::text FROM retail.sales_order o WHERE o.external_no = 'Q2'), '(100.00,100.00)', '... and the money is owed back');
SELECT is(pg_temp.exception('Q2'), 'no_plan RT020 resolved 1 cancelled', '... the queue knows');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- an order that is cancelled by its customer, or never paid, leaves the queue
SELECT lives_ok($$ SELECT retail.put_sku('T', 'Tray', 200, list_price => 20), retail.receive_stock('RT', 'N1', '[{"sku": "T", "qty": 9}]', '2026-03-01 00:00+00') $$, 'goods that one store has');
SELECT pg_temp.place('Q3', '[{"sku": "T", "qty": 2}]', '2026-03-04 06:00+00', 'prepaid'), pg_temp.place('Q4', '[{"sku": "T", "qty": 2}]', '2026-03-04 06:00+00'),
	pg_temp.place('Q5', '[{"sku": "T", "qty": 2}]', '2026-03-04 06:00+00') \g /dev/null
SELECT is(pg_temp.refuse(q, 1, 'closed', at => '2026-03-04 06:10+00'), '2 exception RT020', q || ' waits') FROM unnest('{Q3,Q4,Q5}'::text[]) q;
SELECT is(retail.run_release_unpaid('2026-03-04 06:31+00'), '1 unpaid orders cancelled, 0 units given back', 'an order that is not paid is cancelled');
SELECT is(pg_temp.exception('Q3') || ' ' || pg_temp.money('Q3'), 'no_plan RT020 resolved 0 cancelled cancelled unpaid 46.00 6.00 46.00 0.00 0.00', '... and leaves the queue');
SELECT is(retail.cancel_order('mp', 'Q4', '[{"sku": "T", "qty": 1}]', as_of => '2026-03-04 06:40+00') ->> 'cancelled_units', '1', 'one of two is cancelled');
SELECT is(pg_temp.exception('Q4') || ' ' || line_states('Q4'), 'no_plan RT020 open 0 T:2=0+1+1', '... the other waits');
SELECT is(retail.cancel_order('mp', 'Q4', as_of => '2026-03-04 06:41+00') ->> 'status', 'cancelled', '... until it is cancelled as well');
SELECT is(pg_temp.exception('Q4'), 'no_plan RT020 resolved 0 cancelled', '... and leaves the queue');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- an order that was submitted and could not be placed
SELECT lives_ok($$ SELECT retail.submit_orders('[{"channel": "mp", "external_no": "I1", "lines": [{"sku": "T", "qty": 50}], "destination": {"region": "CN"}, "payment": "on_delivery"},
	{"channel": "mp", "external_no": "I2", "lines": [{"sku": "T", "qty": 60}], "destination": {"region": "CN"}}]', '2026-03-04 07:00+00'), retail.run_allocation('2026-03-04 07:01+00') $$, 'two orders that nobody can serve');
CREATE FUNCTION pg_temp.intake(no text, action text, at timestamptz DEFAULT '2026-03-04 08:00+00', node text DEFAULT NULL) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT retail.resolve_exception((SELECT e.exception_id FROM retail.order_exception e WHERE e.external_no = $1), $2, $4, note => '查过', as_of => $3) - 'exception_id' $$;
SELECT is((SELECT string_agg(concat_ws(' ', e.external_no, e.kind, e.sqlstate, e.state), ', ' ORDER BY e.external_no) FROM retail.order_exception e WHERE e.kind = 'intake'), 'I1 intake RT021 open, I2 intake RT021 open', '... wait in the same queue');
SELECT is(pg_temp.intake('I2', 'cancel'), '{"state": "resolved", "replayed": false, "resolution": "cancelled"}', 'one is given up');
SELECT is(pg_temp.intake('I2', 'retry') ->> 'replayed', 'true', '... for good');
SELECT is((SELECT (retail.intake_status('mp', 'I2')).state), 'refused', '... and stays refused');
SELECT raises('RT016', $$ SELECT pg_temp.intake('I1', 'node', node => 'N1') $$, 'one that was never placed is not placed by hand here');
SELECT is(pg_temp.intake('I1', 'retry'), '{"state": "open", "queued": true, "replayed": false}', 'the other is tried again');
SELECT is(pg_temp.intake('I1', 'retry'), '{"state": "open", "queued": false, "replayed": false}', '... once, while it is queued');
SELECT lives_ok($$ SELECT retail.run_allocation('2026-03-04 08:01+00') $$);
SELECT is((SELECT concat_ws(' ', e.state, e.tries, e.note) FROM retail.order_exception e WHERE e.external_no = 'I1'), 'open 1 查过', '... in vain');
SELECT lives_ok($$ SELECT retail.resume_node('N1'), retail.receive_stock('RT2', 'N1', '[{"sku": "T", "qty": 60}]', '2026-03-04 08:02+00') $$, 'stock comes in');
SELECT lives_ok($$ SELECT pg_temp.intake('I1', 'retry'), retail.run_allocation('2026-03-04 08:03+00') $$, '... and it is tried again');
SELECT is((SELECT e.state || ' ' || e.resolution FROM retail.order_exception e WHERE e.external_no = 'I1'), 'resolved placed', '... and placed');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- what the check finds
SAVEPOINT broken;
UPDATE retail.order_exception SET state = 'resolved', resolution = 'routed', resolved_at = now(), resolved_by = 'x' WHERE order_id = order_id('Q5');
SELECT results_eq('SELECT c.invariant, c.detail FROM retail.check_integrity() c', $$ VALUES (3, '2 units wait, and nobody is to act') $$, 'units that nobody looks after are found');
ROLLBACK TO broken;
UPDATE retail.order_line SET backordered = 0, cancelled = 2, cancelled_amount = 40 WHERE order_id = order_id('Q5');
UPDATE retail.sales_order SET cancelled_amount = 40 WHERE order_id = order_id('Q5');
SELECT results_eq('SELECT c.invariant, c.detail FROM retail.check_integrity() c', $$ VALUES (3, 'has an open exception, but no unit waits') $$, 'an exception without units is found');
ROLLBACK TO broken;

-- ---- bad input --------------------------------------------------------------------------------------

SELECT raises('RT006', 'SELECT retail.reject_shipment(0, ''closed'')');
SELECT raises('RT006', 'SELECT retail.reject_shipment(NULL, ''closed'')');
SELECT raises('RT016', format('SELECT retail.reject_shipment(%s, %L)', parcel('M1', 6), r)) FROM unnest('{lost,"",NULL}'::text[]) r;
SELECT raises('RT014', format('SELECT retail.reject_shipment(%s, ''closed'', as_of => %L)', parcel('M1', 6), t)) FROM unnest('{infinity,2026-03-01,NULL}'::text[]) t;
SELECT raises('RT015', format('SELECT retail.reject_shipment(%s, ''closed'', rejection_no => '''')', parcel('M1', 6)));
SELECT raises('RT015', format('SELECT retail.reject_shipment(%s, ''closed'', note => E''a\nb'')', parcel('M1', 6)));
SELECT raises(e, format('SELECT retail.reject_shipment(%s, ''damaged'', %L)', parcel('M1', 6), l)) FROM (VALUES ('RT011', '[]'), ('RT011', '{}'), ('RT011', '[{"sku": "A", "qty": 1, "node": "N1"}]'),
	('RT010', '[{"sku": "A", "qty": 0}]'), ('RT010', '[{"sku": "A", "qty": -1}]'), ('RT001', '[{"sku": "Z", "qty": 1}]'), ('RT032', '[{"sku": "A", "qty": 2}]'), ('RT005', '[{"sku": "A", "qty": 1, "unit": "BOX"}]')) v (e, l);
SELECT raises('RT006', 'SELECT retail.resolve_exception(0, ''retry'')');
SELECT raises('RT006', 'SELECT retail.resolve_exception(NULL, ''retry'')');
SELECT raises('RT016', format('SELECT retail.resolve_exception(%s, %s)', pg_temp.exception_id('Q5'), a)) FROM unnest(ARRAY['''lose''', 'NULL', '''node''', '''retry'', ''N1''', '''retry'', clear_exclusions => NULL']) a;
SELECT raises('RT002', format('SELECT retail.resolve_exception(%s, ''node'', ''N0'')', pg_temp.exception_id('Q5')));
SELECT raises('RT014', format('SELECT retail.resolve_exception(%s, ''retry'', as_of => ''2026-03-04 06:00+00'')', pg_temp.exception_id('Q5')));
SELECT raises('RT015', format('SELECT retail.resolve_exception(%s, ''retry'', note => '''')', pg_temp.exception_id('Q5')));
SELECT raises('RT014', 'SELECT retail.run_exceptions(''infinity'')');
SELECT raises('RT014', 'SELECT retail.run_exceptions(NULL)');
SELECT is(pg_temp.exception('Q5'), 'no_plan RT020 open 0', 'nothing was changed by any of it');

-- ---- views ------------------------------------------------------------------------------------------

SELECT results_eq($$ SELECT r.node, r.parcels, r.rejected, r.damaged, r.closed, r.units, r.rejection_rate FROM retail_bi.rejection_daily r WHERE r.day = '2026-03-03' AND r.node IN ('N1', 'N5') ORDER BY 1 $$,
	$$ VALUES ('N1', 4::bigint, 3::bigint, 3::bigint, 0::bigint, 4::bigint, 0.7500), ('N5', 1, 1, 0, 1, 1, 1.0000) $$, 'rejection_daily');
SELECT results_eq($$ SELECT x.kind, x.channel, x.node, x.sqlstate, x.state, x.waiting_units FROM retail_bi.order_exceptions x WHERE x.state = 'open' $$, $$ VALUES ('no_plan', 'mp', 'N1', 'RT020', 'open', 2::bigint) $$, 'order_exceptions');

-- ---- who may ----------------------------------------------------------------------------------------

CREATE ROLE reroute_test_store LOGIN IN ROLE retail_store;
SELECT retail.bind_principal('reroute_test_store', node => 'N1') \g /dev/null
SELECT is(as_role('reroute_test_store', format('SELECT retail.reject_shipment(%s, ''damaged'', as_of => ''2026-03-05 02:00+00'') ->> ''outcome''', parcel('M1', 6))), 'exception', 'a store refuses its own parcel');
SELECT is(as_role('reroute_test_store', format('SELECT retail.reject_shipment(%s, ''damaged'')', parcel('K2', 2))), 'RT040', '... and no other''s');
SELECT is(as_role('reroute_test_store', format('SELECT retail.resolve_exception(%s, ''retry'')', pg_temp.exception_id('Q5'))), '42501', '... and leaves exceptions to the chain');
SELECT is(as_role('reroute_test_store', 'SELECT retail.run_exceptions()'), '42501');
SELECT is(as_role('reroute_test_store', 'SELECT string_agg(DISTINCT n.code, '','') FROM retail.shipment_rejection r JOIN retail.node n USING (node_id)'), 'N1', '... and sees its own refusals');
SELECT is(as_role('reroute_test_store', 'SELECT count(*) FROM retail.order_exception e JOIN retail.shipment s USING (shipment_id) JOIN retail.node n USING (node_id) WHERE n.code <> ''N1'''), '0', '... and what became of them');
SELECT is(as_role('reroute_test_store', 'SELECT string_agg(DISTINCT n.code, '','') FROM retail.order_exclusion x JOIN retail.node n USING (node_id)'), 'N1');
SELECT is(as_role('reroute_test_store', 'UPDATE retail.order_exception SET state = ''open'''), '42501', '... and writes nothing itself');
SELECT is(as_role('retail_bi', 'SELECT note FROM retail.shipment_rejection'), '42501', 'BI does not read free text');
SELECT is(as_role('retail_bi', 'SELECT detail FROM retail.order_exception'), '42501');
SELECT is(as_role('retail_bi', 'SELECT count(*) > 3 FROM retail_bi.order_exceptions'), 'true', '... but the views');
SELECT is(as_role('retail_service', format('SELECT retail.resolve_exception(%s, ''cancel'') ->> ''resolution''', pg_temp.exception_id('Q5'))), 'cancelled', 'the service desk resolves exceptions');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

SELECT * FROM finish();
ROLLBACK;
