-- retention.sql: how long working rows are kept, what stays, and what an order is told afterwards.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT no_plan();

SELECT retail.put_region('R', 'Region'), retail.put_channel('web', 'Web', 'web'), retail.put_carrier_service('std', 'Carrier', 'Standard'), retail.put_sku('A', 'A', 500, list_price => 10), retail.put_node('W1', 'W1', 'warehouse', can_pick_up => true) \g /dev/null
SELECT retail.put_lane('std', 'R', 'near', 24, 'W1'), retail.put_rate_card('std', 'near', 1000, 5, 1000, 1, valid_from => '2020-01-01 00:00+00'), retail.put_allocation_policy('other', 'shadow') \g /dev/null
SELECT retail.receive_stock('r1', 'W1', '[{"sku": "A", "qty": 1000}]', '2021-01-01 00:00+00') \g /dev/null
CREATE FUNCTION pg_temp.o(no text, qty int DEFAULT 1) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('channel', 'web', 'external_no', $1, 'lines', jsonb_build_array(jsonb_build_object('sku', 'A', 'qty', $2)), 'destination', '{"region": "R"}'::jsonb, 'payment', 'on_delivery') $$;
CREATE FUNCTION pg_temp.run(at timestamptz, kinds text[] DEFAULT NULL, max_rows bigint DEFAULT 100000, batch_size int DEFAULT 1000) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(r.kind || ' ' || r.removed || CASE WHEN r.more THEN '+' ELSE '' END, ', ' ORDER BY r.kind) FILTER (WHERE r.removed > 0) FROM retail.run_retention($1, $2, $3, $4) r $$;
CREATE FUNCTION pg_temp.orders(tbl regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT string_agg(DISTINCT o.external_no, '' '' ORDER BY o.external_no) FROM %s t JOIN retail.sales_order o USING (order_id)', tbl) INTO result;
	RETURN result;
END $$;

-- ---- the rules ---------------------------------------------------------------------------------------------

SELECT results_eq('SELECT kind, keep FROM retail.retention_rule ORDER BY 1', $$VALUES ('account_exception', '400 days'::interval), ('allocation_decision', '400 days'), ('allocation_shadow', '90 days'), ('event', NULL), ('event_exception', '400 days'), ('integrity_violation', '90 days'),
	('match_review', '400 days'), ('member_access', '1095 days'), ('order_exception', '400 days'), ('order_exclusion', '90 days'),
	('order_intake', '30 days'), ('order_question', '400 days'), ('retention_log', '3650 days'), ('shipment_rejection', '730 days')$$, 'each kind has a rule');
SELECT is(retail.put_retention('order_intake', '60 days'), '30 days'::interval, 'a rule is changed');
SELECT is(retail.put_retention('order_intake', NULL), '60 days'::interval, 'for ever');
SELECT is(retail.put_retention('order_intake', '30 days'), NULL, 'and back');
SELECT is(retail.put_retention('order_intake', '30 days'), '30 days'::interval, 'the same again');
SELECT is((SELECT string_agg(coalesce(l.keep::text, 'for ever') || ' ' || l.actor, ', ' ORDER BY l.retention_log_id) FROM retail.retention_log l WHERE l.action = 'rule' AND l.kind = 'order_intake'), format('60 days %1$s, for ever %1$s, 30 days %1$s', current_user), 'each change is written down once, with who did it');
SELECT is((SELECT changed_by FROM retail.retention_rule WHERE kind = 'order_intake'), current_user::text, 'and who changed it last');

-- ---- what goes and what stays ---------------------------------------------------------------------------------

SELECT is((SELECT count(*) FROM retail.submit_orders(jsonb_build_array(pg_temp.o('sent'), pg_temp.o('open'), pg_temp.o('cancelled'), pg_temp.o('part', 3), pg_temp.o('asked') || '{"fulfilment": "pick_up", "pick_up_node": "W1"}', pg_temp.o('poor', 9999), pg_temp.o('poor2', 9999)), '2022-01-01 00:00+00')), 7::bigint, 'orders of long ago');
SELECT matches(retail.run_allocation('2022-01-01 00:00+00'), ': 5 placed, 2 refused', '... placed, or not');
SELECT retail.ship_order(s.shipment_id, as_of => '2022-01-02 00:00+00') FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'sent' \g /dev/null
SELECT retail.ship_order(s.shipment_id, lines => '[{"sku": "A", "qty": 1}]', as_of => '2022-01-02 00:00+00') FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'part' \g /dev/null
SELECT retail.reject_shipment(s.shipment_id, 'capacity', as_of => '2022-01-02 00:00+00') FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no IN ('asked', 'cancelled') \g /dev/null
SELECT retail.cancel_order('web', 'cancelled', as_of => '2022-01-03 00:00+00') \g /dev/null
SELECT retail.resolve_exception(e.exception_id, 'cancel', as_of => '2022-01-03 00:00+00') FROM retail.order_exception e WHERE e.external_no = 'poor2' \g /dev/null
SELECT is((SELECT count(*) FROM retail.submit_orders(jsonb_build_array(pg_temp.o('waits')), '2022-01-01 00:00+00')), 1::bigint, 'one that nobody has decided');
SELECT retail.submit_orders(jsonb_build_array(pg_temp.o('new')), '2023-06-01 00:00+00') \g /dev/null
SELECT retail.place_order('web', 'direct', '[{"sku": "A", "qty": 1}]', '{"region": "R"}', payment => 'on_delivery', as_of => '2023-06-01 00:00+00') \g /dev/null

SELECT is(pg_temp.run('2022-01-20 00:00+00'), NULL, 'nothing is old');
SELECT is(pg_temp.run('2022-03-01 00:00+00'), 'order_intake 6', 'the queue first: what was decided');
SELECT is((SELECT string_agg(i.external_no || ' ' || i.state, ', ' ORDER BY i.external_no) FROM retail.order_intake i), 'new queued, poor refused, waits queued', '... but not what waits, or what a person may mend');
SELECT is((SELECT s.state || ' ' || (s.order_id IS NOT NULL) FROM retail.intake_status('web', 'sent') s), 'placed true', 'the order is still known by its number');
SELECT is((SELECT s.state || ' ' || s.replayed FROM retail.submit_orders(jsonb_build_array(pg_temp.o('sent')), '2022-03-01 00:00+00') s), 'placed true', '... to who submits it again');
SELECT is((SELECT s.sqlstate FROM retail.submit_orders(jsonb_build_array(pg_temp.o('sent', 2)), '2022-03-01 00:00+00') s), 'RT030', '... and with other content');
SELECT is((SELECT replayed FROM retail.place_order('web', 'sent', '[{"sku": "A", "qty": 1}]', '{"region": "R"}', payment => 'on_delivery')), true, '... and to who places it');
SELECT is((SELECT count(*) FROM retail.sales_order WHERE external_no = 'sent'), 1::bigint, 'it is there once');
SELECT is(pg_temp.run('2023-03-01 00:00+00', '{allocation_shadow,order_exclusion}'), 'allocation_shadow 5, order_exclusion 1', 'kinds that are named: shadows of all, exclusions of who is done');
SELECT is(pg_temp.orders('retail.order_exclusion'), 'asked', 'a node that an open order shall not go to again stays');
SELECT is(pg_temp.run('2023-03-01 00:00+00'), 'allocation_decision 2, order_exception 2', 'then decisions, and what was resolved');
SELECT is(pg_temp.orders('retail.allocation_decision'), 'asked direct open part', '... but nothing that an open order needs');
SELECT is((SELECT string_agg(e.external_no || ' ' || e.state, ', ' ORDER BY 1) FROM retail.order_exception e), 'poor open', '... and nothing that is open');
SELECT is(pg_temp.orders('retail.order_question'), 'asked', '... nor what a customer is asked');
SELECT is(pg_temp.run('2024-03-01 00:00+00'), 'allocation_shadow 1, shipment_rejection 1', 'refusals last');
SELECT is(pg_temp.orders('retail.shipment_rejection'), 'asked', '... of who is done');
SELECT is_empty($$SELECT * FROM retail.check_integrity()$$, 'all invariants hold without what is gone');
SELECT is((SELECT replayed || ' ' || coalesce(parcels::text, 'no parcels') || ' ' || (promised_at IS NOT NULL) || ' ' || total FROM retail.place_order('web', 'sent', '[{"sku": "A", "qty": 1}]', '{"region": "R"}', payment => 'on_delivery')), 'true no parcels true 15.00', 'who asks again is told what is left');
SELECT is((SELECT x FROM retail.explain_order('web', 'sent') x OFFSET 1), 'The decision is not kept any more.', 'an explanation says so');
SELECT is((SELECT count(*) FROM retail.allocation_policy), 2::bigint, 'policies stay');
DELETE FROM retail.allocation_decision WHERE order_id = (SELECT order_id FROM retail.sales_order WHERE external_no = 'open');
DELETE FROM retail.allocation_decision WHERE order_id = (SELECT order_id FROM retail.sales_order WHERE external_no = 'direct');
SELECT is((SELECT count(*) FROM retail.check_allocation_integrity()), 2::bigint, 'a decision that is missing for no such reason is found');

-- ---- what was done is written down ---------------------------------------------------------------------------------

SELECT is((SELECT string_agg(l.kind || ' ' || l.removed || ' before ' || l.cutoff::date, ', ' ORDER BY l.retention_log_id) FROM retail.retention_log l WHERE l.action = 'removed' AND l.actor = current_user),
	'order_intake 6 before 2022-01-30, order_exclusion 1 before 2022-12-01, allocation_shadow 5 before 2022-12-01, order_exception 2 before 2022-01-25, allocation_decision 2 before 2022-01-25, shipment_rejection 1 before 2022-03-02, allocation_shadow 1 before 2023-12-02', 'every removal, with its rule');
SELECT is(pg_temp.run('2040-01-01 00:00+00', '{retention_log}'), 'retention_log 3', 'the log ages, too; the last of each stays');

-- ---- members and what they do ------------------------------------------------------------------------------------------

INSERT INTO retail.member_source (code) VALUES ('app');
INSERT INTO retail.account (source_id, external_id) SELECT source_id, 'u' || i FROM retail.member_source, generate_series(1, 4) i;
SELECT min(account_id) AS u1 FROM retail.account \gset
SELECT retail.record_events('[{"id": "1", "kind": "view", "at": "2022-01-01T00:00:00Z", "account": "u1"}, {"id": "2", "kind": "view", "at": "2022-01-01T00:00:00Z", "sku": "nix"}, {"id": "3", "kind": "view", "at": "2022-01-01T00:00:00Z", "sku": "later"}]', 'app', '2022-01-01 00:00+00') \g /dev/null
SELECT retail.record_events('[{"id": "4", "kind": "view", "at": "2023-06-01T00:00:00Z"}, {"id": "5", "kind": "view", "at": "2022-01-01T00:00:00Z"}, {"id": "6", "kind": "view", "at": "2023-06-01T00:00:00Z", "sku": "nix"}]', 'app', '2023-06-01 00:00+00'), retail.put_sku('later', 'later', 1) \g /dev/null
SELECT retail.retry_events(as_of => '2023-06-01 00:00+00') \g /dev/null
SELECT is((SELECT string_agg(x.external_id || CASE WHEN x.resolved_at IS NULL THEN '' ELSE ' taken' END, ', ' ORDER BY x.external_id) FROM retail.event_exception x), '2, 3 taken, 6', 'events that were set aside');
SELECT is(pg_temp.run('2023-02-01 00:00+00', '{event_exception}'), NULL, 'they are kept for a time');
SELECT is(pg_temp.run('2024-01-01 00:00+00', '{event_exception}'), 'event_exception 1', '... after they first came, however often they were tried since');
SELECT is((SELECT string_agg(x.external_id, ' ' ORDER BY x.external_id) FROM retail.event_exception x), '3 6', '... and after they were taken');
SELECT is(pg_temp.run('2080-01-01 00:00+00', '{event}'), NULL, 'events stay');
SELECT is(retail.put_retention('event', '730 days'), NULL, '... unless a rule says for how long');
SELECT is(pg_temp.run('2024-06-01 00:00+00', '{event}', 2, 1), 'event 2+', 'no more than so many');
SELECT is(pg_temp.run('2024-06-01 00:00+00', '{event}'), 'event 1', 'the rest');
SELECT is((SELECT string_agg(e.external_id, ' ' ORDER BY e.external_id) FROM retail.event e), '4', '... by when it happened, not by when it came');
INSERT INTO retail.member_access (kind, actor, accessed_at) VALUES ('find', 'x', '2022-01-01'), ('export', 'x', '2024-01-01');
INSERT INTO retail.match_review (account_a, account_b, state, weight, reason, opened_at, decided_at) VALUES (:u1, :u1 + 1, 'open', 1, 'score', '2020-01-01', NULL),
	(:u1, :u1 + 2, 'merged', 1, 'score', '2020-01-01', '2022-01-01'), (:u1, :u1 + 3, 'kept_apart', 1, 'score', '2020-01-01', '2022-01-01'),
	(:u1 + 1, :u1 + 2, 'obsolete', 1, 'score', '2020-01-01', '2022-01-01'), (:u1 + 1, :u1 + 3, 'obsolete', 1, 'score', '2020-01-01', '2024-01-01');
INSERT INTO retail.match_constraint (account_a, account_b, kind, decided_at, actor) VALUES (:u1, :u1 + 3, 'cannot_link', '2022-01-01', 'x');
INSERT INTO retail.account_exception (sqlstate, error, detail, raised_at, resolved_at) VALUES ('RT016', 'x', 'open', '2020-01-01', NULL), ('RT016', 'x', 'mended', '2020-01-01', '2022-01-01'), ('RT016', 'x', 'mended lately', '2020-01-01', '2024-01-01');
SELECT is(pg_temp.run('2024-06-01 00:00+00', '{member_access,match_review,account_exception}'), 'account_exception 1, match_review 3', 'what is done with');
SELECT is(pg_temp.run('2025-01-01 00:00+00', '{member_access}'), 'member_access 1', 'who looked up whom is kept for three years');
SELECT is((SELECT string_agg(r.state, ' ' ORDER BY r.state) FROM retail.match_review r), 'obsolete open', 'open questions stay');
SELECT is((SELECT count(*) FROM retail.match_constraint), 1::bigint, '... and what a person decided');
SELECT is((SELECT string_agg(x.detail, ', ' ORDER BY x.detail) FROM retail.account_exception x), 'mended lately, open', 'accounts that wait stay');
SELECT is_empty($$SELECT * FROM retail.check_integrity() WHERE object NOT LIKE '%order%'$$, 'all invariants hold without them');
DELETE FROM retail.retention_log WHERE kind IN ('event', 'event_exception', 'member_access', 'match_review', 'account_exception');

-- ---- limits -----------------------------------------------------------------------------------------------------------

INSERT INTO retail.integrity_violation (found_at, invariant, object, detail) SELECT '2020-01-01', 1, 'x', i::text FROM generate_series(1, 25) i;
SELECT is(pg_temp.run('2024-03-01 00:00+00', NULL, 10, 4), 'integrity_violation 10+', 'no more than so many at once');
SELECT is((SELECT min(detail::int) FROM retail.integrity_violation), 11, 'in the order of their keys');
SELECT is((SELECT bool_and(r.more) FROM retail.run_retention('2024-03-01 00:00+00', NULL, 1, 1) r WHERE r.kind IN ('allocation_shadow', 'allocation_decision')), true, 'kinds that were not reached may have more');
SELECT is(retail.run_retention('2024-03-01 00:00+00'), '14 integrity_violation removed', 'the rest by the task');
SELECT is(retail.run_retention('2024-03-01 00:00+00'), 'nothing removed', 'and no more');
INSERT INTO retail.integrity_violation (found_at, invariant, object, detail) SELECT '2020-01-01', 1, 'x', i::text FROM generate_series(1, 20001) i;
UPDATE retail.task SET enabled = name = 'retention', next_run_at = '2024-03-01 00:00+00';
SELECT is(retail.run_next_task('2024-03-01 00:00+00'), 'retention', 'the worker does it');
SELECT is((SELECT last_result FROM retail.task WHERE name = 'retention'), '20000 integrity_violation removed; more waiting', '... so many in a transaction');
SELECT is(retail.run_next_task('2024-03-01 00:00+00'), 'retention', '... and goes on at once');
SELECT is((SELECT last_result || ' ' || next_run_at FROM retail.task WHERE name = 'retention'), '1 integrity_violation removed 2024-03-01 01:00:00+00', '... until nothing is left');
SELECT retail.put_retention('integrity_violation', NULL) \g /dev/null
INSERT INTO retail.integrity_violation (found_at, invariant, object, detail) VALUES ('2020-01-01', 1, 'x', 'y');
SELECT is(retail.run_retention('2024-03-01 00:00+00') || retail.run_housekeeping('2024-03-01 00:00+00'), 'nothing removed0 old integrity violation(s) deleted', 'what is kept for ever stays');

-- ---- who may, and bad input ---------------------------------------------------------------------------------------------

SELECT raises_as('retail_app', '42501', $$SELECT retail.run_retention()$$);
SELECT raises_as('retail_app', '42501', $$SELECT retail.put_retention('order_intake', '2 days')$$);
SELECT raises_as('retail_admin', 'no error', $$SELECT retail.run_retention()$$);
SELECT raises('RT005', $$SELECT retail.put_retention('sales_order', '2 days')$$);
SELECT raises('RT005', $$SELECT retail.put_retention(NULL, '2 days')$$);
SELECT raises('RT016', $$SELECT retail.put_retention('order_intake', '23 hours')$$);
SELECT raises('RT016', $$SELECT retail.put_retention('order_intake', '-1 day')$$);
SELECT raises('RT016', $$SELECT retail.put_retention('order_intake', '101 years')$$);
SELECT raises('RT014', $$SELECT retail.put_retention('order_intake', '2 days', 'infinity')$$);
SELECT raises('RT014', $$SELECT retail.run_retention(NULL)$$);
SELECT raises('RT005', $$SELECT * FROM retail.run_retention(now(), '{order_intake,nix}')$$);
SELECT raises('RT005', $$SELECT * FROM retail.run_retention(now(), '{NULL}')$$);
SELECT raises('RT016', $$SELECT * FROM retail.run_retention(now(), NULL, 0)$$);
SELECT raises('RT016', $$SELECT * FROM retail.run_retention(now(), NULL, NULL)$$);
SELECT raises('RT016', $$SELECT * FROM retail.run_retention(now(), NULL, 10, 100001)$$);
SELECT * FROM finish();
ROLLBACK;
