-- question.sql: a pick-up that a store refused never moves silently: the
-- customer is asked, answers, or does not.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT plan(116);

CREATE FUNCTION pg_temp.parcels(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s %s %s %s', n.code, s.kind, s.status, (SELECT string_agg(k.code || l.quantity, ',' ORDER BY l.line_no) FROM retail.shipment_line l JOIN retail.sku k USING (sku_id)
		WHERE l.shipment_id = s.shipment_id)), '; ' ORDER BY s.shipment_id)
	FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE s.order_id = order_id($1) $$;
CREATE FUNCTION pg_temp.head(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' ', o.fulfilment, n.code, o.status, o.payment_state, o.total, o.cancelled_amount, o.paid) FROM retail.sales_order o LEFT JOIN retail.node n ON n.node_id = o.pick_up_node_id WHERE o.external_no = $1 $$;
CREATE FUNCTION pg_temp.question(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(concat_ws(' ', q.state, q.answer, to_char(q.deadline, 'DD HH24:MI')), '; ' ORDER BY q.question_id) FROM retail.order_question q WHERE q.order_id = order_id($1) $$;
CREATE FUNCTION pg_temp.place(no text, lines jsonb, payment text DEFAULT 'on_delivery', recipient jsonb DEFAULT NULL) RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT order_id FROM retail.place_order('mp', $1, $2, CASE WHEN $4 IS NOT NULL THEN jsonb_build_object('recipient', $4) END, fulfilment => 'pick_up', pick_up_node => 'ST1', payment => $3, as_of => '2026-03-02 02:00+00') $$;
CREATE FUNCTION pg_temp.refuse(no text, reason text DEFAULT 'not_found', lines jsonb DEFAULT NULL, number text DEFAULT NULL, at timestamptz DEFAULT '2026-03-02 03:00+00') RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' ', a ->> 'units', a ->> 'outcome', CASE WHEN (a ->> 'replayed')::boolean THEN 'replayed' END) FROM retail.reject_shipment(parcel($1), $2, $3, $4, as_of => $5) a $$;

SELECT lives_ok($$ SELECT retail.put_region('CN', '中国', NULL, 31, 121), retail.put_region('CN-BJ', '北京', 'CN', 39.9, 116.4), retail.put_channel('mp', '小程序', 'mini_program'),
	retail.put_sku('A', 'Tea', 500, list_price => 10), retail.put_sku('M', 'Milk', 500, temperature_class => 'chilled', list_price => 4),
	retail.put_node('ST1', '一店', 'store', 'CN', 31.0, 121, can_ship => false, can_pick_up => true, temperature_classes => '{ambient,chilled}'), retail.put_node('ST2', '二店', 'store', 'CN', 31.1, 121, can_ship => false, can_pick_up => true, temperature_classes => '{ambient,chilled}'),
	retail.put_node('ST3', '三店', 'store', 'CN', 31.2, 121, can_ship => false, can_pick_up => true), retail.put_node('ST4', '四店', 'store', 'CN', 31.3, 121, can_ship => false, can_pick_up => true),
	retail.put_node('ST5', '五店', 'store', 'CN', 31.4, 121, can_ship => false, can_pick_up => true), retail.put_node('WH', '仓', 'warehouse', 'CN', 31.5, 121),
	retail.put_carrier_service('SF', '顺丰', '标快'), retail.put_lane('SF', 'CN', 'Z', 24, from_region => 'CN'), retail.put_rate_card('SF', 'Z', 1000, 6, 1000, 2) $$, 'five stores and a warehouse');
SELECT lives_ok(format($$ SELECT retail.receive_stock('R', '%s', '[{"sku": "A", "qty": 10}]', '2026-03-01 00:00+00') $$, n), '... with stock') FROM unnest('{ST1,ST2,ST3,ST4,ST5,WH}'::text[]) n;
SELECT lives_ok($$ SELECT retail.pause_node('ST3', '2026-03-09 00:00+00', as_of => '2026-03-02 02:00+00'), retail.set_safety_stock('A', 'ST4', 9) $$, 'one store is on holiday, one keeps its stock back');

-- ---- asked -------------------------------------------------------------------------------

SELECT pg_temp.place('P1', '[{"sku": "A", "qty": 3}]') \g /dev/null
SELECT is(pg_temp.refuse('P1', 'not_found', '[{"sku": "A", "qty": 2}]', 'X1'), '2 asked', 'two of three are not found');
SELECT is(line_states('P1'), 'A:3=1+2+0', '... they wait');
SELECT is(pg_temp.parcels('P1'), 'ST1 pick_up planned A1', '... and go nowhere by themselves');
SELECT is(stock_states('A', 'ST1'), '1/1/0/7', '... stock is corrected');
SELECT results_eq($$ SELECT o ->> 'answer', o ->> 'node', o ->> 'distance_km', to_char((o ->> 'ready_at')::timestamptz, 'DD HH24:MI'), concat_ws(' ', o ->> 'charge', o ->> 'refund', o ->> 'cost', o ->> 'cost_difference')
		FROM retail.order_question q, jsonb_array_elements(q.options) o $$,
	$$ VALUES ('other_store', 'ST2', '11.1', '02 04:00', '0.00 0.00 0.00'), ('other_store', 'ST5', '44.5', '02 04:00', '0.00 0.00 0.00'), ('ship_to_store', 'ST1', '0.0', '03 09:00', '0.00 6.00 6.00'),
		('ship_home', NULL, NULL, '03 08:00', '0.00 6.00 6.00'), ('cancel', NULL, NULL, NULL, '20.00 0.00 0.00') $$,
	'... the customer may go to another store that has them, nearest first, have them sent, or do without: when, and what it costs');
SELECT is((SELECT count(*) FROM retail.order_event e, jsonb_array_elements(e.detail -> 'options') o WHERE e.kind = 'pick_up_refused' AND o ?| '{cost,cost_difference}'), 0::bigint, '... what it costs the chain is none of his business');
SELECT is(pg_temp.question('P1'), 'open 03 03:00', '... within a day');
SELECT is(events('P1'), 'placed rejected pick_up_refused', '... an event tells whoever asks him');
SELECT is((SELECT e.detail - '{question_id,shipment_id,options}'::text[] FROM retail.order_event e WHERE e.kind = 'pick_up_refused'), '{"node": "ST1", "lines": [{"qty": 2, "sku": "A"}], "deadline": "2026-03-03T03:00:00+00:00"}', '... with all he must know');
SELECT is(pg_temp.refuse('P1', 'not_found', '[{"sku": "A", "qty": 2}]', 'X1'), '2 asked replayed', 'a retry asks once');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');
SELECT is(pg_temp.refuse('P1', 'damaged', NULL, NULL, '2026-03-02 05:00+00'), '1 asked', 'the third is damaged');
SELECT is(pg_temp.question('P1'), 'open 03 05:00', '... it is the same question, with more time');
SELECT is((SELECT count(*) FROM jsonb_array_elements((SELECT q.options FROM retail.order_question q)) o WHERE o ->> 'answer' = 'other_store'), 2::bigint, '... and new options');

-- ---- another store ---------------------------------------------------------------------------

SELECT raises('RT022', $$ SELECT retail.answer_question('mp', 'P1', 'other_store', 'WH', as_of => '2026-03-02 06:00+00') $$, 'nobody collects at a warehouse');
SELECT raises('RT020', $$ SELECT retail.answer_question('mp', 'P1', 'other_store', 'ST4', as_of => '2026-03-02 06:00+00') $$, 'a store that keeps its stock back');
SELECT raises('RT021', $$ SELECT retail.answer_question('mp', 'P1', 'other_store', 'ST3', as_of => '2026-03-02 06:00+00') $$, 'a store on holiday');
SELECT raises('RT020', $$ SELECT retail.answer_question('mp', 'P1', 'other_store', 'ST1', as_of => '2026-03-02 06:00+00') $$, 'the store that refused');
SELECT is(pg_temp.question('P1'), 'open 03 05:00', '... the customer may choose anew');
SELECT is(retail.answer_question('mp', 'P1', 'other_store', 'ST5', as_of => '2026-03-02 06:00+00') - '{question_id,parcels}'::text[], '{"answer": "other_store", "replayed": false, "promised_at": "2026-03-02T07:00:00+00:00"}', 'he goes to another');
SELECT is(pg_temp.parcels('P1'), 'ST1 pick_up cancelled A0; ST5 pick_up planned A3', '... where all of it will be ready');
SELECT is(pg_temp.head('P1'), 'pick_up ST5 open on_delivery 30.00 0.00 0.00', '... at the same price');
SELECT is(pg_temp.question('P1'), 'answered other_store 03 05:00', '... which closes the question');
SELECT is(retail.answer_question('mp', 'P1', 'other_store', 'ST5', as_of => '2026-03-02 07:00+00') ->> 'replayed', 'true', 'answering twice is answering once');
SELECT raises('RT031', $$ SELECT retail.answer_question('mp', 'P1', 'other_store', 'ST2', as_of => '2026-03-02 07:00+00') $$, 'another answer comes too late');
SELECT raises('RT031', $$ SELECT retail.answer_question('mp', 'P1', 'cancel', as_of => '2026-03-02 07:00+00') $$);
SELECT is(events('P1'), 'placed rejected pick_up_refused rejected pick_up_refused question_closed rerouted', 'the story');
SELECT is(retail.pick_up(parcel('P1', 2), '2026-03-02 08:00+00') ->> 'status', 'delivered', 'it is handed over');
SELECT is(pg_temp.head('P1'), 'pick_up ST5 delivered on_delivery 30.00 0.00 0.00', '... and done');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- ---- sent home ---------------------------------------------------------------------------------

SELECT retail.count_stock('C1', 'ST1', '[{"sku": "A", "qty": 20}]', '2026-03-02 01:59+00') \g /dev/null
SELECT retail.count_stock('C2', 'ST1', '[{"sku": "A", "qty": 20}]', '2026-03-02 09:00+00') \g /dev/null
SELECT pg_temp.place('P2', '[{"sku": "A", "qty": 3}]', 'prepaid', '{"name": "王"}') \g /dev/null
SELECT retail.record_payment('mp', 'P2', 'pay1', 30, as_of => '2026-03-02 02:01+00') \g /dev/null
SELECT is(pg_temp.refuse('P2', 'capacity', '[{"sku": "A", "qty": 1}]', 'X1'), '1 asked', 'one of three is refused');
SELECT raises('RT004', $$ SELECT retail.answer_question('mp', 'P2', 'ship_home', as_of => '2026-03-02 06:00+00') $$, 'the order has no address');
SELECT raises('RT004', $$ SELECT retail.answer_question('mp', 'P2', 'ship_home', destination => '{"region": "MARS"}', as_of => '2026-03-02 06:00+00') $$);
SELECT raises('RT013', $$ SELECT retail.answer_question('mp', 'P2', 'ship_home', destination => '{"region": "CN-BJ", "lat": 91, "lon": 0}', as_of => '2026-03-02 06:00+00') $$);
SELECT raises('RT013', $$ SELECT retail.answer_question('mp', 'P2', 'ship_home', destination => '{"region": "CN-BJ", "lat": 40}', as_of => '2026-03-02 06:00+00') $$);
SELECT raises('RT013', $$ SELECT retail.answer_question('mp', 'P2', 'ship_home', destination => '{"region": "CN-BJ", "lat": "x", "lon": 1}', as_of => '2026-03-02 06:00+00') $$);
SELECT raises('RT016', $$ SELECT retail.answer_question('mp', 'P2', 'ship_home', destination => '["CN-BJ"]', as_of => '2026-03-02 06:00+00') $$);
SELECT is(retail.answer_question('mp', 'P2', 'ship_home', destination => '{"region": "CN-BJ"}', as_of => '2026-03-02 06:00+00') ->> 'promised_at', '2026-03-03T08:00:00+00:00', 'it is sent');
SELECT is(pg_temp.parcels('P2'), 'ST1 pick_up planned A2; WH ship planned A1', '... from the warehouse; the others are collected');
SELECT is(pg_temp.head('P2'), 'pick_up ST1 open paid 30.00 0.00 30.00', '... without freight, which was never asked for');
SELECT is((SELECT r.code || o.latitude || (o.recipient ->> 'name') FROM retail.sales_order o JOIN retail.region r USING (region_id) WHERE o.external_no = 'P2'), 'CN-BJ39.9王', '... to the address given, for whom it was');
SELECT is((SELECT s.freight_cost FROM retail.shipment s WHERE s.shipment_id = parcel('P2', 2)), 6.00, '... at the chain''s cost');
SELECT is(retail.ship_order(parcel('P2', 2), 'T', as_of => '2026-03-02 09:00+00') ->> 'status', 'shipped', '... and leaves');
SELECT is(retail.pick_up(parcel('P2'), '2026-03-02 10:00+00') ->> 'status', 'delivered', '... while the others are handed over');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');
SELECT lives_ok($$ SELECT retail.resume_node('ST1') $$);
SELECT pg_temp.place('P3', '[{"sku": "A", "qty": 1}]') \g /dev/null
SELECT is(pg_temp.refuse('P3', 'closed'), '1 asked', 'a store is closed');
SELECT lives_ok($$ SELECT retail.answer_question('mp', 'P3', 'ship_home', destination => '{"region": "CN-BJ", "lat": 40, "lon": 116, "recipient": {"name": "李"}}', as_of => '2026-03-02 06:00+00') $$, 'all of it is sent');
SELECT is(pg_temp.head('P3') || ' ' || (SELECT (o.recipient ->> 'name') FROM retail.sales_order o WHERE o.external_no = 'P3'), 'ship open on_delivery 10.00 0.00 0.00 李', '... so nothing is collected any more');
SELECT is((SELECT q.answer_detail -> 'given' FROM retail.order_question q WHERE q.order_id = order_id('P3')), '{"destination": {"lat": 40, "lon": 116, "region": "CN-BJ"}}', '... the question keeps no name');
SELECT lives_ok($$ SELECT retail.resume_node('ST1') $$);

-- ---- done without ----------------------------------------------------------------------------------

SELECT pg_temp.place('P4', '[{"sku": "A", "qty": 3}]', 'prepaid') \g /dev/null
SELECT retail.record_payment('mp', 'P4', 'pay2', 30, as_of => '2026-03-02 02:01+00') \g /dev/null
SELECT is(pg_temp.refuse('P4', 'damaged', '[{"sku": "A", "qty": 2}]', 'X1'), '2 asked', 'two of three are damaged');
SELECT is(retail.answer_question('mp', 'P4', 'cancel', as_of => '2026-03-02 06:00+00') - 'question_id', '{"answer": "cancel", "replayed": false, "refund_due": 20.00}', 'the customer does without');
SELECT is(line_states('P4') || ' ' || pg_temp.head('P4'), 'A:3=1+0+2 pick_up ST1 open paid 30.00 20.00 30.00', '... and is owed two thirds');
SELECT is(retail.answer_question('mp', 'P4', 'cancel', as_of => '2026-03-02 06:00+00') ->> 'replayed', 'true', '... once');

-- ---- sent to the store ------------------------------------------------------------------------------

SELECT pg_temp.place('S1', '[{"sku": "A", "qty": 3}]'), pg_temp.place('S2', '[{"sku": "A", "qty": 2}]') \g /dev/null
SELECT is(pg_temp.refuse('S1', 'damaged', '[{"sku": "A", "qty": 2}]', 'X1'), '2 asked', 'two of three are damaged');
SELECT is(retail.answer_question('mp', 'S1', 'ship_to_store', as_of => '2026-03-02 06:00+00') ->> 'promised_at', '2026-03-03T09:00:00+00:00', 'the warehouse sends them to the store');
SELECT is(pg_temp.parcels('S1') || ', ' || pg_temp.head('S1'), 'ST1 pick_up planned A1; WH ship_to_store planned A2, ship_to_store ST1 open on_delivery 30.00 0.00 0.00', '... where the customer collects');
SELECT is(events('S1'), 'placed rejected pick_up_refused question_closed converted rerouted', '... events say so');
SELECT is((SELECT x ->> 'outcome' FROM retail.reject_shipment(parcel('S1', 2), 'closed', as_of => '2026-03-02 07:00+00') x), 'exception', 'the warehouse refuses: nobody else ships, a person decides');
SELECT is(retail.resolve_exception((SELECT e.exception_id FROM retail.order_exception e WHERE e.order_id = order_id('S1')), 'node', 'WH', as_of => '2026-03-02 17:00+00') ->> 'resolution', 'by_hand', '... that it does, tomorrow');
SELECT is(retail.ship_order(parcel('S1', 3), 'T9', as_of => '2026-03-03 09:00+00') ->> 'status', 'shipped', '... so it leaves');
SELECT raises('RT031', format('SELECT retail.reject_shipment(%s, ''damaged'')', parcel('S1', 3)), '... and is not refused any more');
SELECT is(retail.ready_for_pick_up(parcel('S1', 3), '2026-03-04 09:00+00') ->> 'status', 'ready', '... it has come');
SELECT raises('RT031', format('SELECT retail.reject_shipment(%s, ''damaged'', as_of => ''2026-03-04 10:00+00'')', parcel('S1', 3)), '... nor then');
SELECT lives_ok($$ SELECT retail.set_question_rules('mp', convert_pick_up => true) $$, 'a channel that does not ask');
SELECT is(pg_temp.refuse('S2', 'damaged', NULL, NULL, '2026-03-03 03:00+00'), '2 rerouted', '... has it sent to the store at once');
SELECT is(pg_temp.parcels('S2') || ', ' || pg_temp.head('S2'), 'ST1 pick_up cancelled A0; WH ship_to_store planned A2, ship_to_store ST1 open on_delivery 20.00 0.00 0.00', '... where the customer collects');
SELECT is(events('S2'), 'placed rejected converted rerouted', '... which an event tells');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');
SELECT lives_ok($$ SELECT retail.set_question_rules('mp') $$);

-- ---- no answer ----------------------------------------------------------------------------------------

SELECT pg_temp.place(p, '[{"sku": "A", "qty": 1}]') FROM unnest('{N1,N2,N3}'::text[]) p \g /dev/null
SELECT is(pg_temp.refuse('N1', 'damaged'), '1 asked');
SELECT lives_ok($$ SELECT retail.set_question_rules('mp', '2 hours', 'cancel') $$, 'two hours are enough, then it is cancelled');
SELECT is(pg_temp.refuse('N2', 'damaged'), '1 asked');
SELECT is(pg_temp.question('N1') || ', ' || pg_temp.question('N2'), 'open 03 03:00, open 02 05:00', 'questions keep their deadlines');
SELECT is(retail.run_questions('2026-03-02 04:59+00'), '0 unanswered questions: 0 cancelled, 0 to the exception queue', 'there is still time');
SELECT is(retail.run_questions('2026-03-02 05:00+00'), '1 unanswered questions: 1 cancelled, 0 to the exception queue', 'the time is over');
SELECT is(pg_temp.head('N2') || ' ' || pg_temp.question('N2'), 'pick_up ST1 cancelled on_delivery 10.00 10.00 0.00 expired 02 05:00', '... the order is cancelled');
SELECT retail.set_question_rules('mp') \g /dev/null
SELECT is(retail.run_questions('2026-03-03 03:00+00'), '1 unanswered questions: 0 cancelled, 1 to the exception queue', 'or a person decides');
SELECT is((SELECT concat_ws(' ', e.kind, e.sqlstate, e.state) FROM retail.order_exception e WHERE e.order_id = order_id('N1')), 'pick_up RT024 open');
SELECT is(retail.run_exceptions('2026-03-04 03:00+00'), '0 exceptions tried again, 0 routed', '... not the worker');
SELECT raises('RT031', $$ SELECT retail.answer_question('mp', 'N1', 'cancel', as_of => '2026-03-04 03:00+00') $$, '... nor the customer any more');
SELECT is(retail.resolve_exception((SELECT e.exception_id FROM retail.order_exception e WHERE e.order_id = order_id('N1')), 'node', 'ST2', as_of => '2026-03-04 03:00+00') ->> 'resolution', 'by_hand', '... a person moves the pick-up');
SELECT is(pg_temp.parcels('N1') || ', ' || pg_temp.head('N1'), 'ST1 pick_up cancelled A0; ST2 pick_up planned A1, pick_up ST2 open on_delivery 10.00 0.00 0.00', '... to another store');
SELECT is(pg_temp.refuse('N3', 'damaged'), '1 asked');
SELECT is(retail.cancel_order('mp', 'N3', as_of => '2026-03-02 04:00+00') ->> 'status', 'cancelled', 'the customer cancels instead of answering');
SELECT is(pg_temp.question('N3'), 'withdrawn 03 03:00', '... which withdraws the question');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

-- ---- what is offered can be had ------------------------------------------------------------------------

SELECT retail.put_node('ST1', '一店', 'store', 'CN', 31.0, 121, can_ship => false, can_pick_up => true, temperature_classes => '{ambient,chilled}', parcel_cost => 1, unit_cost => 0.50) \g /dev/null
SELECT retail.put_node('ST2', '二店', 'store', 'CN', 31.1, 121, can_ship => false, can_pick_up => true, temperature_classes => '{ambient,chilled}', parcel_cost => 3) \g /dev/null
SELECT retail.receive_stock('R3', 'ST1', '[{"sku": "A", "qty": 9}, {"sku": "M", "qty": 2}]', '2026-03-01 00:00+00'), retail.resume_node('WH'), retail.receive_stock('R4', 'WH', '[{"sku": "A", "qty": 9}]', '2026-03-01 00:00+00') \g /dev/null
CREATE FUNCTION pg_temp.offers(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(concat_ws(' ', o ->> 'answer', o ->> 'node', o ->> 'cost_difference', o ->> 'refund'), '; ' ORDER BY n)
	FROM retail.order_question q, jsonb_array_elements(q.options) WITH ORDINALITY x (o, n) WHERE q.order_id = order_id($1) AND q.state = 'open' $$;
SELECT pg_temp.place('D1', '[{"sku": "A", "qty": 4}]'), pg_temp.place('D2', '[{"sku": "M", "qty": 2}]') \g /dev/null
SELECT is(pg_temp.refuse('D2', 'damaged'), '2 asked', 'what nobody else has is refused');
SELECT is(pg_temp.offers('D2'), 'cancel -2.00 8.00', '... all that is left is the money');
SELECT is(pg_temp.refuse('D1', 'damaged'), '4 asked', 'a whole pick-up');
SELECT is(pg_temp.offers('D1'), 'other_store ST2 0.00; other_store ST5 -3.00; ship_to_store ST1 5.00; ship_home 5.00; cancel -3.00 40.00', '... the nearest costs as much, the others less or more');
SELECT is((SELECT (o ->> 'ready_at')::timestamptz FROM retail.order_question q, jsonb_array_elements(q.options) o WHERE q.order_id = order_id('D1') AND o ->> 'answer' = 'ship_to_store'),
	(retail.answer_question('mp', 'D1', 'ship_to_store', as_of => '2026-03-02 03:00+00') ->> 'promised_at')::timestamptz, '... and he gets it when he was told');

-- ---- bad input and who may --------------------------------------------------------------------------------

SELECT raises('RT006', $$ SELECT retail.answer_question('mp', 'P0', 'cancel') $$);
SELECT raises('RT003', $$ SELECT retail.answer_question('zz', 'P1', 'cancel') $$);
SELECT raises('RT016', format('SELECT retail.answer_question(''mp'', ''N1'', %s)', a)) FROM unnest(ARRAY['''maybe''', 'NULL', '''other_store''', '''cancel'', ''ST2''']) a;
SELECT raises('RT014', $$ SELECT retail.run_questions('infinity') $$);
SELECT raises('RT016', format('SELECT retail.set_question_rules(''mp'', %s)', a)) FROM unnest(ARRAY['''0''', '''61 days''', 'NULL', '''1 day'', ''forget''', 'convert_pick_up => NULL']) a;
SELECT raises_as('retail_store', '42501', $$ SELECT retail.answer_question('mp', 'N1', 'cancel') $$);
SELECT raises_as('retail_service', 'RT031', $$ SELECT retail.answer_question('mp', 'N3', 'cancel') $$);
SELECT raises_as('retail_bi', '42501', $$ SELECT options FROM retail.order_question $$);

SELECT * FROM finish();
ROLLBACK;
