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
CREATE FUNCTION pg_temp.exception(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(concat_ws(' ', e.kind, e.sqlstate, e.state, e.resolution), '; ' ORDER BY e.exception_id) FROM retail.order_exception e WHERE e.external_no = $1 $$;

-- ---- submitting ---------------------------------------------------------------------------------------

SELECT is(pg_temp.run(), 'nothing waits', 'nothing to do');
SELECT is(pg_temp.submit(pg_temp.o('N1'), pg_temp.o('N2', 'B', 2)), E'1 N1 queued\n2 N2 queued', 'orders are queued');
SELECT is(pg_temp.intake('N1'), 'queued 0', 'and wait');
SELECT is((SELECT count(*) FROM retail.sales_order), 0::bigint, 'nothing is decided yet');
SELECT is(stock('A', 'W1'), '10/0', 'and no stock is held');
SELECT is(pg_temp.submit(pg_temp.o('N1')), '1 N1 queued again', 'the same order again is answered with where it stands');
SELECT is(pg_temp.submit(pg_temp.o('N1', 'A', 9)), '1 N1 invalid RT030', 'another order of the same number is refused');
SELECT is(pg_temp.submit(pg_temp.o('N3'), pg_temp.o('N3'), pg_temp.o('N3', 'B')), E'1 N3 queued\n2 N3 queued again\n3 N3 invalid RT030', 'also within one call');
SELECT is((SELECT count(*) FROM retail.order_intake), 3::bigint, 'each is there once');

SELECT is(pg_temp.run(), 'batch N: 3 placed, 0 refused, 0 left', 'a batch decides them');
SELECT is(pg_temp.intake('N1'), 'placed 1 N1 empty', 'each knows its order, and keeps no personal data');
SELECT is(stock('A', 'W1'), '10/2', 'stock is held at the cheapest node');
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
SELECT is(stock('S', 'W1') || ' ' || stock('S', 'W2'), '2/2 2/2', 'exactly what there was');

-- many parts of one SKU: one counter, the sum
SELECT retail.put_sku('H', 'Hot', 500, list_price => 10) \g /dev/null
SELECT retail.receive_stock('r5', 'W1', '[{"sku": "H", "qty": 60}]', '2026-03-01 00:00+00') \g /dev/null
SELECT is((SELECT count(*) FROM retail.submit_orders((SELECT jsonb_agg(pg_temp.o('H' || i, 'H')) FROM generate_series(1, 100) i), '2026-03-02 02:00+00') s WHERE s.state = 'queued'), 100::bigint, 'a hundred want one SKU');
SELECT is(pg_temp.run(), 'batch N: 60 placed, 40 refused, 0 left', 'sixty get it');
SELECT is((SELECT max(substr(i.external_no, 2)::int) FROM retail.order_intake i WHERE i.external_no ~ '^H[0-9]' AND i.state = 'placed'), 60, 'the first sixty');
SELECT is(stock('H', 'W1'), '60/60', 'and nothing is oversold');

-- ---- orders of which not everything is there ------------------------------------------------------------------

-- what became of an order: allocated, backordered and cancelled units by line, money, promise, what place_order() answers when asked again
CREATE FUNCTION pg_temp.became(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(l.allocated || '+' || l.backordered || '-' || l.cancelled, ' ' ORDER BY l.line_no) || ' ' || o.total || '-' || o.cancelled_amount || ' ' || o.status || ' ' || o.payment_state
	FROM retail.sales_order o JOIN retail.order_line l USING (order_id) WHERE o.external_no = $1 GROUP BY o.order_id $$;
-- the same order by place_order() (d) and through the queue (q): stock of its own each
CREATE FUNCTION pg_temp.twin(what text, lines jsonb, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	placed text := 'placed';
	message text;
	queued text;
	d text;
BEGIN
	BEGIN
		PERFORM retail.place_order('web', 'd' || what, replace(lines::text, '@', 'd')::jsonb, '{"region": "R"}', coalesce(more ->> 'fulfilment', 'ship'), more ->> 'pick_up_node', shortage => more ->> 'shortage', as_of => '2026-03-02 02:00+00');
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS placed = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
		placed := placed || ' ' || message;
	END;
	PERFORM retail.submit_orders(jsonb_build_array(jsonb_build_object('channel', 'web', 'external_no', 'q' || what, 'lines', replace(lines::text, '@', 'q')::jsonb, 'destination', '{"region": "R"}'::jsonb) || more), '2026-03-02 02:00+00');
	PERFORM retail.run_allocation('2026-03-02 02:00+00');
	SELECT CASE i.state WHEN 'placed' THEN 'placed' ELSE concat_ws(' ', i.sqlstate, i.error) END INTO queued FROM retail.order_intake i WHERE i.external_no = 'q' || what;
	d := concat_ws(' ', placed, pg_temp.became('d' || what));
	RETURN CASE WHEN d = concat_ws(' ', queued, pg_temp.became('q' || what)) THEN d ELSE format('place_order() %s, the queue %s %s', d, queued, pg_temp.became('q' || what)) END;
END $$;
SELECT retail.put_sku(w || x, w || x, 500, list_price => 10) FROM unnest('{d,q}'::text[]) w, unnest('{1,2,3,4,5,6,T,C}'::text[]) x \g /dev/null
SELECT retail.put_sku(w || 'SET', 'Set', 0, list_price => 18), retail.put_bundle(w || 'SET', jsonb_build_array(jsonb_build_object('sku', w || 'T', 'qty', 1), jsonb_build_object('sku', w || 'C', 'qty', 2))) FROM unnest('{d,q}'::text[]) w \g /dev/null
SELECT retail.receive_stock('tw' || w || n, n, (SELECT jsonb_agg(jsonb_build_object('sku', w || x, 'qty', 3)) FROM unnest('{1,2,3,4,5,6,T}'::text[]) x) || jsonb_build_object('sku', w || 'C', 'qty', 4), '2026-03-01 00:00+00') FROM unnest('{d,q}'::text[]) w, unnest('{W1,W2}'::text[]) n \g /dev/null
SELECT retail.put_inbound('other', 'in' || w || x, w || x, 'W1', 2, '2026-03-05 00:00+00', as_of => '2026-03-01 00:00+00') FROM unnest('{d,q}'::text[]) w, unnest('{3,4}'::text[]) x \g /dev/null

SELECT is(pg_temp.twin('whole', '[{"sku": "@1", "qty": 2}]', '{"shortage": "partial"}'), 'placed 2+0-0 25.00-0.00 open unpaid', 'partial: all of it is there');
SELECT is(pg_temp.twin('some', '[{"sku": "@1", "qty": 9}, {"sku": "@2", "qty": 1}]', '{"shortage": "partial"}'), 'placed 4+0-5 1+0-0 115.00-50.00 open unpaid', 'partial: the rest is cancelled, with its money');
SELECT is(pg_temp.twin('none', '[{"sku": "@1", "qty": 1}]', '{"shortage": "partial"}'), 'RT020 out of stock', 'partial: nothing of it is there');
SELECT is(pg_temp.twin('dated', '[{"sku": "@3", "qty": 8}]', '{"shortage": "backorder"}'), 'placed 6+2-0 96.00-0.00 open unpaid', 'backorder: the rest waits for supply');
SELECT is((SELECT string_agg(o.external_no || ' ' || o.promised_at || ' ' || b.quantity || ' ' || b.source_no, ', ' ORDER BY 1) FROM retail.sales_order o JOIN retail.backorder b USING (order_id) WHERE o.external_no ~ '^.dated'),
	'ddated 2026-03-06 08:00:00+00 2 ind3, qdated 2026-03-06 08:00:00+00 2 inq3', '... with the same promise');
SELECT is(pg_temp.twin('late', '[{"sku": "@3", "qty": 1}]', '{"shortage": "backorder"}'), 'RT020 not enough stock, and not enough on its way', 'backorder: nothing more is on its way');
SELECT is(pg_temp.twin('undated', '[{"sku": "@3", "qty": 1}, {"sku": "@5", "qty": 1}]', '{"shortage": "backorder_undated"}'), 'placed 0+1-0 1+0-0 25.00-0.00 open unpaid', 'backorder_undated: waits all the same');
SELECT is((SELECT string_agg((o.promised_at IS NULL)::text, ' ') FROM retail.sales_order o WHERE o.external_no ~ '^.undated'), 'true true', '... without a promise');
SELECT is(pg_temp.twin('refuse', '[{"sku": "@5", "qty": 9}]', '{"shortage": "refuse"}'), 'RT020 out of stock', 'refuse: as if nothing were said');
SELECT is(pg_temp.twin('wrong', '[{"sku": "@5", "qty": 9}]', '{"shortage": "maybe"}'), 'RT016 invalid shortage', 'another word');
SELECT is(pg_temp.twin('set', '[{"sku": "@SET", "qty": 9}]', '{"shortage": "partial"}'), 'placed 4+0-5 8+0-10 180.00-90.00 open unpaid', 'bundles are cut whole');
SELECT is(pg_temp.twin('set2', '[{"sku": "@SET", "qty": 1}, {"sku": "@5", "qty": 1}]', '{"shortage": "backorder_undated"}'), 'placed 1+0-0 0+1-0 0+2-0 33.00-0.00 open unpaid', 'and wait whole');
SELECT is(pg_temp.twin('counter', '[{"sku": "@6", "qty": 5}]', '{"shortage": "partial", "fulfilment": "pick_up", "pick_up_node": "W1"}'), 'placed 3+0-2 50.00-20.00 open unpaid', 'pick-up: what the counter has');
SELECT is((SELECT string_agg(concat_ws(' ', x.replayed, x.short -> 0 ->> 'qty', x.short -> 0 ->> 'outcome', x.short -> 0 ->> 'amount'), ', ') FROM unnest('{d,q}'::text[]) w, LATERAL retail.place_order('web', w || 'some', jsonb_build_array(jsonb_build_object('sku', w || '1', 'qty', 9), jsonb_build_object('sku', w || '2', 'qty', 1)), '{"region": "R"}', shortage => 'partial') x),
	't 5 cancelled 50.00, t 5 cancelled 50.00', 'place_order() tells what was short of an order from the queue, too');
SELECT is(pg_temp.submit(jsonb_build_object('channel', 'web', 'external_no', 'qsome', 'lines', '[{"sku": "q1", "qty": 9}, {"sku": "q2", "qty": 1}]'::jsonb, 'destination', '{"region": "R"}'::jsonb)), '1 qsome invalid RT030', 'another rule is another order');

-- in one batch each has what those before it left; who comes later with a plan does not overtake
SELECT retail.put_sku('V', 'V', 500, list_price => 10), retail.put_sku('X', 'X', 500, list_price => 10), retail.put_sku('Y', 'Y', 500, list_price => 10) \g /dev/null
SELECT retail.receive_stock('v1', 'W1', '[{"sku": "V", "qty": 4}, {"sku": "X", "qty": 3}, {"sku": "Y", "qty": 9}]', '2026-03-01 00:00+00'), retail.receive_stock('v2', 'W2', '[{"sku": "V", "qty": 3}]', '2026-03-01 00:00+00'), retail.put_inbound('other', 'vi', 'V', 'W1', 5, '2026-03-05 00:00+00', as_of => '2026-03-01 00:00+00') \g /dev/null
SELECT is(pg_temp.submit(pg_temp.o('V4', 'V', 2) || '{"shortage": "backorder"}', pg_temp.o('V5', 'V', 1), pg_temp.o('V3', 'V', 9) || '{"shortage": "partial", "priority": 20}', pg_temp.o('V1', 'V', 2) || '{"priority": 40}', pg_temp.o('V2', 'V', 20) || '{"priority": 30}', pg_temp.o('V6', 'V', 3) || '{"shortage": "backorder"}', pg_temp.o('V7', 'V', 1) || '{"shortage": "backorder"}'),
	E'1 V4 queued\n2 V5 queued\n3 V3 queued\n4 V1 queued\n5 V2 queued\n6 V6 queued\n7 V7 queued', 'seven want seven units, and five that are on their way');
SELECT matches(retail.run_allocation('2026-03-02 02:00:01+00'), '^batch \d+: 4 placed, 2 refused, 1 left; more waiting$', 'who can only be told when the others are written is left');
SELECT is(pg_temp.intake('V7'), 'queued 0', 'the last');
SELECT is(pg_temp.run(), 'batch N: 0 placed, 1 refused, 0 left', '... and decided in the next batch');
SELECT is((SELECT string_agg(x || ' ' || coalesce(pg_temp.became(x), pg_temp.intake(x)), ', ' ORDER BY x) FROM unnest('{V1,V2,V3,V4,V5,V6,V7}'::text[]) x),
	'V1 2+0-0 29.00-0.00 open unpaid, V2 refused 1 RT020, V3 5+0-4 105.00-40.00 open unpaid, V4 0+2-0 20.00-0.00 open unpaid, V5 refused 1 RT020, V6 0+3-0 30.00-0.00 open unpaid, V7 refused 1 RT020', 'highest priority first; each what those before it left');
SELECT is(stock('V', 'W1') || ' ' || stock('V', 'W2'), '4/4 3/3', 'exactly what there was');

-- W1 keeps its three X for who waits for five that shall not be split: they are not for who comes later
SELECT retail.put_allocation_policy('whole', 'draft', allow_line_split => false) \g /dev/null
SELECT retail.put_inbound('other', 'xi', 'X', 'W1', 2, '2026-03-05 00:00+00', as_of => '2026-03-01 00:00+00') \g /dev/null
SELECT retail.receive_stock('x2', 'W2', '[{"sku": "X", "qty": 2}]', '2026-03-01 00:00+00') \g /dev/null
SELECT is(pg_temp.submit(pg_temp.o('X1', 'X', 5) || '{"policy": "whole", "shortage": "backorder"}', pg_temp.o('X2', 'X', 2), pg_temp.o('X3', 'Y', 9), pg_temp.o('X4', 'Y', 1)), E'1 X1 queued\n2 X2 queued\n3 X3 queued\n4 X4 queued', 'one will wait, one comes later');
SELECT matches(retail.run_allocation('2026-03-02 02:00:01+00'), '^batch \d+: 2 placed, 1 refused, 1 left; more waiting$', 'who comes later is left');
SELECT is(pg_temp.run(), 'batch N: 1 placed, 0 refused, 0 left', '... and decided when it is known what is kept');
SELECT is((SELECT string_agg(o.external_no || ' ' || n.code || ' ' || l.quantity, ', ' ORDER BY 1) FROM retail.sales_order o JOIN retail.shipment s USING (order_id) JOIN retail.shipment_line l USING (shipment_id) JOIN retail.node n USING (node_id) WHERE o.external_no IN ('X1', 'X2')),
	'X1 W1 3, X2 W2 2', 'each has what place_order() would give, one after the other');
SELECT is_empty($$SELECT * FROM retail.check_integrity()$$, 'all invariants hold');

-- the same content in other words is a retry
SELECT is(pg_temp.submit(pg_temp.o('M1') || '{"freight": 5.00, "lines": [{"qty": 1.0, "sku": "A", "price": 9.90, "discount": 0}]}'), '1 M1 queued', 'an order');
SELECT is(pg_temp.submit(pg_temp.o('M1') || '{"freight": 5, "lines": [{"sku": "A", "discount": 0.00, "price": 9.9, "qty": 1e0}]}'), '1 M1 queued again', 'numbers are what they are worth');
SELECT is(pg_temp.submit(pg_temp.o('M1') || '{"freight": 5, "lines": [{"sku": "A", "discount": 0.00, "price": 9.91, "qty": 1}]}'), '1 M1 invalid RT030', 'and no other');
SELECT is(pg_temp.run(), 'batch N: 1 placed, 0 refused, 0 left', '... is placed');
SELECT is((SELECT o.replayed FROM retail.place_order('web', 'M1', '[{"sku": "A", "qty": 1, "price": 9.900, "discount": 0}]', '{"region": "R"}', freight => 5.000) o), true, 'place_order() finds it in other words, too');
-- an order that 0.1.0 placed was hashed as it was written
UPDATE retail.sales_order SET request_hash = sha256(convert_to('|' || '[{"qty": 1, "sku": "A", "price": 9.90}]'::jsonb::text || '|' || '{"region": "R"}'::jsonb::text || '|ship|null|null|5.00|prepaid', 'UTF8')) WHERE external_no = 'M1';
DELETE FROM retail.order_intake WHERE external_no = 'M1';
SELECT is((SELECT o.replayed FROM retail.place_order('web', 'M1', '[{"sku": "A", "qty": 1, "price": 9.90}]', '{"region": "R"}', freight => 5.00) o), true, 'an order of 0.1.0 is known');
SELECT raises('RT030', $$SELECT retail.place_order('web', 'M1', '[{"sku": "A", "qty": 1, "price": 9.80}]', '{"region": "R"}', freight => 5.00)$$);
SELECT is(pg_temp.submit(pg_temp.o('M1') || '{"freight": 5.00, "lines": [{"sku": "A", "price": 9.90, "qty": 1}]}'), '1 M1 placed with its order again', '... also when it is submitted');

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
