-- intake.sql: the queue of submitted orders: what it takes, what it answers,
-- in which order it decides, and what becomes of orders that cannot be placed.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT no_plan();

SELECT retail.put_region('R', 'Region'), retail.put_channel('web', 'Web', 'web'), retail.put_channel('old', 'Old', 'web', is_active => false), retail.put_carrier_service('std', 'Carrier', 'Standard'),
	retail.put_sku('A', 'A', 500, list_price => 10), retail.put_sku('B', 'B', 500, list_price => 20), retail.put_sku('P', 'Poison', 500, list_price => 1),
	retail.put_node('W1', 'W1', 'warehouse', can_pick_up => true), retail.put_node('W2', 'W2', 'warehouse') \g /dev/null
SELECT retail.put_lane('std', 'R', 'near', 24, 'W1'), retail.put_lane('std', 'R', 'far', 24, 'W2'),
	retail.put_rate_card('std', 'near', 1000, 5, 1000, 1), retail.put_rate_card('std', 'far', 1000, 9, 1000, 1) \g /dev/null
SELECT retail.receive_stock('r1', 'W1', '[{"sku": "A", "qty": 10}, {"sku": "B", "qty": 10}, {"sku": "P", "qty": 10}]', '2026-03-01 00:00+00'),
	retail.receive_stock('r2', 'W2', '[{"sku": "A", "qty": 5}]', '2026-03-01 00:00+00') \g /dev/null

-- an order as submitted: pg_temp.o('N1', 'A', 2) || '{"priority": 5}'
CREATE FUNCTION pg_temp.o(no text, sku text DEFAULT 'A', qty int DEFAULT 1) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('channel', 'web', 'external_no', $1, 'lines', jsonb_build_array(jsonb_build_object('sku', $2, 'qty', $3)), 'destination', '{"region": "R"}'::jsonb) $$;
-- what submit_orders() answers, an element a line
CREATE FUNCTION pg_temp.submit(VARIADIC orders jsonb[]) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(concat_ws(' ', s.n, s.external_no, s.state, CASE WHEN s.order_id IS NOT NULL THEN 'with its order' END, CASE WHEN s.replayed THEN 'again' END, s.sqlstate,
		CASE WHEN s.sqlstate IS NOT NULL AND (s.error IS NULL OR s.detail IS NULL OR s.hint IS NULL) THEN 'without reason' END), E'\n' ORDER BY s.n)
	FROM retail.submit_orders(to_jsonb($1), '2026-03-02 02:00+00') s $$;
CREATE FUNCTION pg_temp.run(batch_size int DEFAULT 500) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT regexp_replace(retail.run_allocation('2026-03-02 02:00:01+00', $1), '\d+', 'N') $$;
CREATE FUNCTION pg_temp.intake(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' ', i.state, i.attempts, i.sqlstate, CASE WHEN i.order_id IS NOT NULL THEN (SELECT o.external_no FROM retail.sales_order o WHERE o.order_id = i.order_id) END, CASE WHEN i.request IS NULL THEN 'empty' END)
	FROM retail.order_intake i WHERE i.external_no = $1 $$;
CREATE FUNCTION pg_temp.stock(sku text, node text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT s.on_hand || '/' || s.reserved FROM retail.stock s JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id) WHERE k.code = $1 AND n.code = $2 $$;
CREATE FUNCTION pg_temp.exception(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(concat_ws(' ', e.kind, e.sqlstate, e.state, e.resolution), '; ' ORDER BY e.exception_id) FROM retail.order_exception e WHERE e.external_no = $1 $$;

-- ---- submitting ---------------------------------------------------------------------------------------

SELECT is(pg_temp.run(), 'nothing waits', 'nothing to do');
SELECT is(pg_temp.submit(pg_temp.o('N1'), pg_temp.o('N2', 'B', 2)), E'1 N1 queued\n2 N2 queued', 'orders are queued');
SELECT is(pg_temp.intake('N1'), 'queued 0', 'and wait');
SELECT is((SELECT count(*) FROM retail.sales_order), 0::bigint, 'nothing is decided yet');
SELECT is(pg_temp.stock('A', 'W1'), '10/0', 'and no stock is held');
SELECT is(pg_temp.submit(pg_temp.o('N1')), '1 N1 queued again', 'the same order again is answered with where it stands');
SELECT is(pg_temp.submit(pg_temp.o('N1', 'A', 9)), '1 N1 invalid RT030', 'another order of the same number is refused');
SELECT is(pg_temp.submit(pg_temp.o('N3'), pg_temp.o('N3'), pg_temp.o('N3', 'B')), E'1 N3 queued\n2 N3 queued again\n3 N3 invalid RT030', 'also within one call');
SELECT is((SELECT count(*) FROM retail.order_intake), 3::bigint, 'each is there once');

SELECT is(pg_temp.run(), 'batch N: 3 placed, 0 refused, 0 left', 'a batch decides them');
SELECT is(pg_temp.intake('N1'), 'placed 1 N1 empty', 'each knows its order, and keeps no personal data');
SELECT is(pg_temp.stock('A', 'W1'), '10/2', 'stock is held at the cheapest node');
SELECT is((SELECT array_agg(l.line_no || ':' || l.quantity || '=' || l.allocated ORDER BY l.line_no) FROM retail.order_line l JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'N2'), '{1:2=2}', 'lines as by place_order()');
SELECT is((SELECT (o.total, o.placed_at, o.payment_state)::text FROM retail.sales_order o WHERE o.external_no = 'N2'), '(45.00,"2026-03-02 02:00:00+00",unpaid)', 'the order was placed when it was submitted');
SELECT is((SELECT e.actor FROM retail.order_event e JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'N2'), current_user::text, 'by whom submitted it');
SELECT is(pg_temp.submit(pg_temp.o('N1')), '1 N1 placed with its order again', 'a retry gets the order');
SELECT is(pg_temp.submit(pg_temp.o('N1', 'B')), '1 N1 invalid RT030', 'other content is refused');
SELECT is((SELECT replayed FROM retail.place_order('web', 'N1', '[{"sku": "A", "qty": 1}]', '{"region": "R"}')), true, 'place_order() knows it too');
SELECT raises('RT030', $$SELECT retail.place_order('web', 'N1', '[{"sku": "A", "qty": 2}]', '{"region": "R"}')$$);
SELECT retail.place_order('web', 'N4', '[{"sku": "A", "qty": 1}]', '{"region": "R"}', freight => 5.00, member_id => 7, as_of => '2026-03-02 01:00+00') \g /dev/null
SELECT is(pg_temp.submit(pg_temp.o('N4') || '{"freight": 5.00, "member_id": 7}'), '1 N4 placed with its order again', 'what was placed directly is known');
SELECT is(pg_temp.submit(pg_temp.o('N4') || '{"freight": 4}'), '1 N4 invalid RT030', 'with its content');

-- ---- together ---------------------------------------------------------------------------------------
-- The first could take the J that lies with the only K; together they cost less when the second does.
SELECT retail.put_sku('J', 'J', 500, list_price => 1), retail.put_sku('K', 'K', 500, list_price => 1) \g /dev/null
SELECT retail.receive_stock('j1', 'W1', '[{"sku": "J", "qty": 1}, {"sku": "K", "qty": 1}]', '2026-03-01 00:00+00'), retail.receive_stock('j2', 'W2', '[{"sku": "J", "qty": 1}]', '2026-03-01 00:00+00') \g /dev/null
SELECT is(pg_temp.submit(pg_temp.o('J1', 'J'), pg_temp.o('J2', 'J') || '{"lines": [{"sku": "J", "qty": 1}, {"sku": "K", "qty": 1}]}'), E'1 J1 queued\n2 J2 queued', 'two orders compete for a unit');
SELECT is(pg_temp.run(), 'batch N: 2 placed, 0 refused, 0 left', '... in one batch');
SELECT is((SELECT string_agg(o.external_no || ' ' || n.code, ', ' ORDER BY o.external_no, n.code) FROM retail.sales_order o JOIN retail.shipment s USING (order_id) JOIN retail.node n USING (node_id) WHERE o.external_no LIKE 'J_'),
	'J1 W2, J2 W1', '... and are decided together: the first gives way, and the second is not split');

-- placed directly while it waited
SELECT is(pg_temp.submit(pg_temp.o('N5'), pg_temp.o('N6'), pg_temp.o('N7')), E'1 N5 queued\n2 N6 queued\n3 N7 queued', 'three wait');
SELECT retail.place_order('web', 'N5', '[{"sku": "A", "qty": 1}]', '{"region": "R"}', as_of => '2026-03-02 01:00+00') \g /dev/null
SELECT retail.place_order('web', 'N6', '[{"sku": "A", "qty": 3}]', '{"region": "R"}', as_of => '2026-03-02 01:00+00') \g /dev/null
SELECT is(pg_temp.run(), 'batch N: 2 placed, 1 refused, 0 left', 'the batch finds what was placed directly');
SELECT is(pg_temp.intake('N5'), 'placed 1 N5 empty', 'the same order is it');
SELECT is(pg_temp.intake('N6'), 'refused 1 RT030', 'another one is refused');
SELECT is(pg_temp.intake('N7'), 'placed 1 N7 empty', 'the others go on');
SELECT is((SELECT count(*) FROM retail.sales_order WHERE external_no IN ('N5', 'N6', 'N7')), 3::bigint, 'each once');

-- ---- bad elements ---------------------------------------------------------------------------------------

SELECT is(pg_temp.submit('"x"', '[]', '{}', pg_temp.o('') , pg_temp.o(repeat('x', 201)), pg_temp.o('G1'), pg_temp.o('E1') || '{"channel": null}', pg_temp.o('E2') || '{"channel": "nix"}', pg_temp.o('E3') || '{"channel": "old"}',
	pg_temp.o('E4') || '{"lines": []}', pg_temp.o('E5') || '{"lines": {}}', pg_temp.o('E6') - 'lines', pg_temp.o('E7') || '{"priority": 101}', pg_temp.o('E8') || '{"priority": 1.5}',
	pg_temp.o('E9') || '{"needed_by": "soon"}', pg_temp.o('E10') || '{"needed_by": "infinity"}', pg_temp.o('E11') || '{"freight": "5"}', pg_temp.o('E12') || '{"member_id": "x"}', pg_temp.o('E13') || '{"fullfilment": "ship"}',
	pg_temp.o('E14') || '{"fulfilment": 1}', pg_temp.o('E15') || '{"external_no": 7}', pg_temp.o('G2') || '{"priority": 100, "needed_by": "2026-03-03T10:00:00+08:00"}'),
E'1 invalid RT016\n2 invalid RT016\n3 invalid RT003\n4  invalid RT015\n5 ' || repeat('x', 201) || E' invalid RT015\n6 G1 queued\n7 E1 invalid RT003\n8 E2 invalid RT003\n9 E3 invalid RT003\n10 E4 invalid RT011\n11 E5 invalid RT011\n12 E6 invalid RT011
13 E7 invalid RT016\n14 E8 invalid RT016\n15 E9 invalid RT014\n16 E10 invalid RT014\n17 E11 invalid RT012\n18 E12 invalid RT016\n19 E13 invalid RT016\n20 E14 invalid RT016\n21 invalid RT016\n22 G2 queued'::text,
	'each bad element is answered with its reason, the good ones are queued');
SELECT is((SELECT array_agg(i.external_no ORDER BY i.external_no) FROM retail.order_intake i WHERE i.state = 'queued'), '{G1,G2}', 'and nothing else is in the queue');
SELECT is((SELECT i.needed_by FROM retail.order_intake i WHERE i.external_no = 'G2'), '2026-03-03 02:00+00', 'times have a zone');
SELECT raises('RT011', $$SELECT retail.submit_orders('{}')$$);
SELECT raises('RT011', $$SELECT retail.submit_orders('[]')$$);
SELECT raises('RT011', $$SELECT retail.submit_orders('7')$$);
SELECT raises('RT011', $$SELECT retail.submit_orders(NULL)$$);
SELECT raises('RT011', $$SELECT retail.submit_orders((SELECT jsonb_agg(1) FROM generate_series(1, 10001)))$$);
SELECT raises('RT014', $$SELECT retail.submit_orders('[{}]', NULL)$$);
SELECT raises('RT014', $$SELECT retail.submit_orders('[{}]', 'infinity')$$);
SELECT raises('RT014', $$SELECT retail.run_allocation(NULL)$$);
SELECT raises('RT016', $$SELECT retail.run_allocation(now(), 0)$$);
SELECT raises('RT016', $$SELECT retail.run_allocation(now(), NULL)$$);
SELECT raises('RT016', $$SELECT retail.run_allocation(now(), 10001)$$);
SELECT is(pg_temp.run(), 'batch N: 2 placed, 0 refused, 0 left', 'the good ones are placed');

-- ---- refusals: every one says why, and never stops the others -----------------------------------------------

SELECT is((SELECT count(*) FROM retail.submit_orders(jsonb_build_array(pg_temp.o('F1', 'nix'), pg_temp.o('F2') || '{"destination": {"region": "nix"}}', pg_temp.o('F3', 'A', -1), pg_temp.o('F4', 'B', 1000),
	pg_temp.o('G3', 'B', 1), pg_temp.o('F5') || '{"fulfilment": "pick_up", "pick_up_node": "W2"}', pg_temp.o('F6') || '{"payment": "later"}', pg_temp.o('F7') || '{"freight": -1}',
	pg_temp.o('F8') || '{"policy": "nix"}', pg_temp.o('F9') || '{"lines": [{"sku": "A", "qty": 1, "unit": "BOX"}]}', pg_temp.o('F10') || '{"lines": [7]}', pg_temp.o('G4') || '{"fulfilment": "pick_up", "pick_up_node": "W1", "payment": "on_delivery"}'),
	'2026-03-02 02:00+00') s WHERE s.state = 'queued'), 12::bigint, 'what codes mean is found out later');
SELECT is(pg_temp.run(), 'batch N: 2 placed, 10 refused, 0 left', 'ten cannot be placed, two can');
SELECT is((SELECT string_agg(concat_ws(' ', i.external_no, i.sqlstate, CASE WHEN i.error <> '' AND i.detail <> '' AND i.hint <> '' AND i.request IS NOT NULL AND i.decided_at IS NOT NULL THEN 'said' END), ', ' ORDER BY i.intake_id)
	FROM retail.order_intake i WHERE i.external_no LIKE 'F%'),
	'F1 RT001 said, F2 RT004 said, F3 RT010 said, F4 RT020 said, F5 RT022 said, F6 RT016 said, F7 RT012 said, F8 RT005 said, F9 RT005 said, F10 RT011 said', 'each with its reason');
SELECT is(pg_temp.intake('G3') || ', ' || pg_temp.intake('G4'), 'placed 1 G3 empty, placed 1 G4 empty', 'the good ones are placed');
SELECT is((SELECT state || payment_state FROM retail.sales_order o JOIN retail.reservation r USING (order_id) WHERE external_no = 'G4'), 'committedon_delivery', 'to be paid when collected');
SELECT is(pg_temp.exception('F4'), 'intake RT020 open', 'and in the queue of exceptions');
SELECT is((SELECT count(*) FROM retail.order_exception WHERE kind = 'intake' AND external_no LIKE 'F%'), 10::bigint, 'all of them');
SELECT is(pg_temp.run(), 'nothing waits', 'nobody decides them again by himself');
SELECT is((SELECT s.state || s.sqlstate || s.attempts FROM retail.intake_status('web', 'F4') s), 'refusedRT0201', 'intake_status() says so');
SELECT is((SELECT s.state FROM retail.intake_status('web', 'G3') s), 'placed', 'of what was placed');
SELECT is((SELECT s.state FROM retail.intake_status('web', 'N4') s), 'placed', 'also directly');
SELECT raises('RT006', $$SELECT retail.intake_status('web', 'nix')$$);
SELECT raises('RT006', $$SELECT retail.intake_status('web', NULL)$$);
SELECT raises('RT003', $$SELECT retail.intake_status('nix', 'N1')$$);
SELECT is(pg_temp.submit(pg_temp.o('F4', 'B', 1)), '1 F4 queued', 'what was refused may be submitted again, mended');
SELECT is(pg_temp.run(), 'batch N: 1 placed, 0 refused, 0 left', 'and is placed');
SELECT is(pg_temp.intake('F4'), 'placed 2 F4 empty', 'at the second attempt');
SELECT is(pg_temp.exception('F4'), 'intake RT020 resolved placed', 'which resolves the exception');

-- a row that the tables refuse: everything is fine until it is written
CREATE FUNCTION pg_temp.poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.sku_id = (SELECT sku_id FROM retail.sku WHERE code = 'P') THEN
		RAISE EXCEPTION USING ERRCODE = '23514', MESSAGE = 'poison', DETAIL = 'No.', HINT = 'None.';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER poison BEFORE INSERT ON retail.order_line FOR EACH ROW EXECUTE FUNCTION pg_temp.poison();
SELECT is((SELECT count(*) FROM retail.submit_orders((SELECT jsonb_agg(pg_temp.o('Q' || i, CASE WHEN i IN (3, 4, 7) THEN 'P' ELSE 'B' END)) FROM generate_series(1, 7) i), '2026-03-02 02:00+00')), 7::bigint, 'seven, three of them poisoned');
SELECT is(pg_temp.run(), 'batch N: 4 placed, 3 refused, 0 left', 'a poisoned row stops nobody else');
SELECT is((SELECT string_agg(pg_temp.intake('Q' || i), ', ' ORDER BY i) FROM generate_series(1, 7) i),
	'placed 1 Q1 empty, placed 1 Q2 empty, refused 1 23514, refused 1 23514, placed 1 Q5 empty, placed 1 Q6 empty, refused 1 23514', 'and is refused with what the table said');
DROP TRIGGER poison ON retail.order_line;

-- ---- who is served when there is not enough for all ------------------------------------------------------------

SELECT retail.put_sku('S', 'Scarce', 500, list_price => 10) \g /dev/null
SELECT retail.receive_stock('r3', 'W1', '[{"sku": "S", "qty": 2}]', '2026-03-01 00:00+00'), retail.receive_stock('r4', 'W2', '[{"sku": "S", "qty": 2}]', '2026-03-01 00:00+00') \g /dev/null
SELECT is(pg_temp.submit(pg_temp.o('S1', 'S'), pg_temp.o('S2', 'S'), pg_temp.o('S3', 'S') || '{"needed_by": "2026-03-05T00:00:00Z"}', pg_temp.o('S4', 'S') || '{"needed_by": "2026-03-04T00:00:00Z"}',
	pg_temp.o('S5', 'S') || '{"priority": 10}', pg_temp.o('S6', 'S') || '{"priority": 20, "needed_by": "2026-04-01T00:00:00Z"}'), E'1 S1 queued\n2 S2 queued\n3 S3 queued\n4 S4 queued\n5 S5 queued\n6 S6 queued', 'six want four units');
SELECT is(pg_temp.run(1), 'batch N: 1 placed, 0 refused, 0 left; more waiting', 'one at a time');
SELECT is(pg_temp.intake('S6'), 'placed 1 S6 empty', 'the highest priority first');
SELECT is(pg_temp.run(), 'batch N: 3 placed, 2 refused, 0 left', 'the others together');
SELECT is((SELECT string_agg(i.external_no || ' ' || i.state, ', ' ORDER BY i.external_no) FROM retail.order_intake i WHERE i.external_no ~ '^S[0-9]'),
	'S1 refused, S2 refused, S3 placed, S4 placed, S5 placed, S6 placed', 'by priority, then by the date, then as they came');
SELECT is(pg_temp.stock('S', 'W1') || ' ' || pg_temp.stock('S', 'W2'), '2/2 2/2', 'exactly what there was');

-- many parts of one SKU: one counter, the sum
SELECT retail.put_sku('H', 'Hot', 500, list_price => 10) \g /dev/null
SELECT retail.receive_stock('r5', 'W1', '[{"sku": "H", "qty": 60}]', '2026-03-01 00:00+00') \g /dev/null
SELECT is((SELECT count(*) FROM retail.submit_orders((SELECT jsonb_agg(pg_temp.o('H' || i, 'H')) FROM generate_series(1, 100) i), '2026-03-02 02:00+00') s WHERE s.state = 'queued'), 100::bigint, 'a hundred want one SKU');
SELECT is(pg_temp.run(), 'batch N: 60 placed, 40 refused, 0 left', 'sixty get it');
SELECT is((SELECT max(substr(i.external_no, 2)::int) FROM retail.order_intake i WHERE i.external_no ~ '^H[0-9]' AND i.state = 'placed'), 60, 'the first sixty');
SELECT is(pg_temp.stock('H', 'W1'), '60/60', 'and nothing is oversold');

-- what is submitted later does not run ahead of the clock
SELECT retail.submit_orders(jsonb_build_array(pg_temp.o('L1')), '2026-03-02 03:00+00') \g /dev/null
SELECT is(pg_temp.run(), 'nothing waits', 'an order of tomorrow is not decided today');
SELECT is(regexp_replace(retail.run_allocation('2026-03-02 03:00+00'), '\d+', 'N'), 'batch N: 1 placed, 0 refused, 0 left', 'but then');

-- capacity: a batch counts the parcels that it plans itself
SELECT retail.put_node('W1', 'W1', 'warehouse', can_pick_up => true, daily_capacity => (SELECT count(*)::int + 1 FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE n.code = 'W1' AND s.status <> 'cancelled')) \g /dev/null
SELECT is(pg_temp.submit(pg_temp.o('C1'), pg_temp.o('C2')), E'1 C1 queued\n2 C2 queued', 'two want a node that takes one parcel more');
SELECT is(pg_temp.run(), 'batch N: 2 placed, 0 refused, 0 left', 'both are placed');
SELECT is((SELECT count(DISTINCT (s.node_id, s.ship_by)) FROM retail.sales_order o JOIN retail.shipment s USING (order_id) WHERE o.external_no IN ('C1', 'C2')), 2::bigint, 'the second from another node, or on another day');

-- ---- the worker's task, and who may ---------------------------------------------------------------------------

SELECT is((SELECT function_name || ' ' || run_every || ' ' || enabled FROM retail.task WHERE name = 'allocate_intake'), 'run_allocation 00:00:01 true', 'the worker does it every second');
UPDATE retail.task SET enabled = name = 'allocate_intake', next_run_at = '2026-03-02 04:00+00';
SELECT is((SELECT count(*) FROM retail.submit_orders((SELECT jsonb_agg(pg_temp.o('T' || i, 'A', 1000)) FROM generate_series(1, 501) i), '2026-03-02 03:00+00')), 501::bigint, 'more than one batch');
SELECT is(retail.run_next_task('2026-03-02 04:00+00'), 'allocate_intake', 'the task runs');
SELECT is((SELECT next_run_at FROM retail.task WHERE name = 'allocate_intake'), '2026-03-02 04:00+00', 'and at once again while more waits');
SELECT is(retail.run_next_task('2026-03-02 04:00+00'), 'allocate_intake', 'again');
SELECT is((SELECT next_run_at FROM retail.task WHERE name = 'allocate_intake'), '2026-03-02 04:00:01+00', 'then after a second');
SELECT is((SELECT count(*) FROM retail.order_intake WHERE state = 'queued'), 0::bigint, 'nothing waits');
SELECT is((SELECT r.error FROM retail.run_due_tasks('2026-03-02 04:00:01+00') r), NULL, 'an empty queue is no error');

SELECT raises_as('retail_store', '42501', $$SELECT retail.submit_orders('[{}]')$$);
SELECT raises_as('retail_bi', '42501', $$SELECT request FROM retail.order_intake$$);
SELECT raises_as('retail_bi', 'no error', $$SELECT state, sqlstate FROM retail.order_intake$$);
SELECT raises_as('retail_store', '42501', $$SELECT state FROM retail.order_intake$$);
SELECT raises_as('retail_app', 'no error', $$SELECT retail.run_allocation('2026-03-02 04:00+00')$$);
SELECT raises_as('retail_app', '42501', $$UPDATE retail.order_intake SET state = 'queued'$$);
SELECT raises_as('retail_service', 'no error', $$SELECT retail.intake_status('web', 'N1')$$);

SELECT is_empty($$SELECT * FROM retail.check_integrity()$$, 'all invariants hold');
-- damage is found
UPDATE retail.order_intake SET request_hash = '\x00' WHERE external_no = 'N1';
SELECT is((SELECT count(*) FROM retail.check_intake_integrity()), 1::bigint, 'a placed row that is not its order is found');
SELECT * FROM finish();
ROLLBACK;
