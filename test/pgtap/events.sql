-- events.sql: what people did is recorded once, late or out of order, and what is wrong is set aside without stopping the rest.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT no_plan();

INSERT INTO retail.member_source (code) VALUES ('app'), ('pos') RETURNING source_id \g /dev/null
INSERT INTO retail.account (source_id, external_id, registered_at) SELECT s.source_id, 'u' || i, '2026-01-01' FROM retail.member_source s, generate_series(1, 3) i WHERE s.code = 'app';
SELECT a.account_id AS u1 FROM retail.account a WHERE a.external_id = 'u1' \gset
SELECT a.account_id AS u2 FROM retail.account a WHERE a.external_id = 'u2' \gset
SELECT retail.put_category('C1', 'c'), retail.put_category('C2', 'c'), retail.put_sku('A', 'A', 1, category => 'C1'), retail.put_channel('app', 'App', 'app'), retail.put_node('S1', 'S1', 'store') \g /dev/null
CREATE FUNCTION pg_temp.rec(events jsonb, as_of timestamptz DEFAULT '2026-06-01 12:00+00', source text DEFAULT 'app') RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT format('%s %s %s', r.recorded, r.repeated, r.set_aside) FROM retail.record_events($1, $3, $2) r $$;
CREATE FUNCTION pg_temp.e(id text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('id', $1, 'kind', 'view', 'at', '2026-06-01T10:00:00+00:00') || $2 $$;
-- the reason why an event is set aside
CREATE FUNCTION pg_temp.why(more jsonb) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM pg_temp.rec(jsonb_build_array(pg_temp.e('bad') || more));
	RETURN (SELECT x.sqlstate || ' ' || x.error FROM retail.event_exception x WHERE x.source = coalesce(more ->> 'source', 'app') AND x.external_id = 'bad');
END $$;

-- ---- what is recorded ----------------------------------------------------------------------------

SELECT is(pg_temp.rec('[]'), '0 0 0', 'nothing is nothing');
SELECT is(pg_temp.rec(jsonb_build_array(pg_temp.e('1', '{"account": "u1", "sku": "A", "channel": "app", "node": "S1", "value": 12.5, "properties": {"page": "首页"}}'), pg_temp.e('2', '{"account": "u2", "category": "C2"}'), pg_temp.e('3'))), '3 0 0', 'three events');
SELECT results_eq($$SELECT external_id, account_id, (SELECT c.code FROM retail.category c WHERE c.category_id = e.category_id), value, properties ->> 'page', happened_at FROM retail.event e ORDER BY external_id$$,
	format($$VALUES ('1', %s::bigint, 'C1', 12.50, '首页', '2026-06-01 10:00+00'::timestamptz), ('2', %s, 'C2', NULL, NULL, '2026-06-01 10:00+00'), ('3', NULL, NULL, NULL, NULL, '2026-06-01 10:00+00')$$, :u1, :u2), 'an event of a SKU is one of its category');
SELECT is(pg_temp.rec(jsonb_build_array(pg_temp.e('1', '{"kind": "cart"}'), pg_temp.e('4'), pg_temp.e('4'))), '1 2 0', 'the same again, also in one batch, is no second event');
SELECT is((SELECT kind FROM retail.event WHERE external_id = '1'), 'view', '... and changes nothing');
SELECT is(pg_temp.rec(jsonb_build_array(pg_temp.e('1')), source => 'pos'), '1 0 0', 'the number of another source is another event');
SELECT is(pg_temp.rec(jsonb_build_array(pg_temp.e('5', '{"at": "2019-03-01T00:00:00+08:00"}'))), '1 0 0', 'years late is fine');
SELECT is(pg_temp.rec(jsonb_build_array(pg_temp.e('6', '{"at": "2026-06-01T20:09:00+08:00"}'))), '1 0 0', 'a clock that is some minutes ahead is borne');
SELECT is(pg_temp.rec(jsonb_build_array(pg_temp.e('7', '{"at": "2026-06-01"}'))), '1 0 0', 'a date is its first moment');
SELECT is(pg_temp.rec(jsonb_build_array(pg_temp.e('8', '{"account": "u1", "account_source": "app"}')), source => 'pos'), '1 0 0', 'a till may tell of an account of the app');
SELECT is((SELECT account_id FROM retail.event WHERE external_id = '8'), :u1::bigint, '... which is found');
SELECT is(pg_temp.rec(jsonb_build_array(pg_temp.e('9', jsonb_build_object('member', :u2)))), '1 0 0', 'a person may be named by our number');

-- ---- what is set aside ----------------------------------------------------------------------------

SELECT is(pg_temp.rec(jsonb_build_array(7, pg_temp.e('10'), '{}'::jsonb, pg_temp.e('11', '{"sku": "NONE"}'), pg_temp.e('12'))), '2 0 3', 'a bad one does not stop the others');
SELECT is(pg_temp.why('{"at": "2026-06-01T13:00:00+00:00"}'), 'RT014 time in the future for at', 'from the future');
SELECT is(pg_temp.why('{"at": "2026-02-31T13:00:00+00:00"}'), 'RT014 invalid time for at', 'no such day');
SELECT is(pg_temp.why('{"at": "tomorrow"}'), 'RT014 invalid time for at', 'a word');
SELECT is(pg_temp.why('{"at": "1999-12-31T00:00:00Z"}'), 'RT014 invalid time for at', 'before our time');
SELECT is(pg_temp.why('{"at": 1780000000}'), 'RT014 invalid time for at', 'a number');
SELECT is(pg_temp.why('{"at": null}'), 'RT014 at is missing', 'no time');
SELECT is(pg_temp.why('{"kind": "View!"}'), 'RT016 invalid kind', 'a kind of other letters');
SELECT is(pg_temp.why('{"kind": null}'), 'RT015 kind is missing', 'no kind');
SELECT is(pg_temp.why('{"sku": "NONE"}'), 'RT001 unknown sku', 'unknown SKU');
SELECT is(pg_temp.why('{"node": "NONE"}'), 'RT002 unknown node', 'unknown node');
SELECT is(pg_temp.why('{"channel": "NONE"}'), 'RT003 unknown channel', 'unknown channel');
SELECT is(pg_temp.why('{"category": "NONE"}'), 'RT005 unknown category', 'unknown category');
SELECT is(pg_temp.why('{"source": "NONE"}'), 'RT005 unknown source', 'unknown source');
SELECT is(pg_temp.why('{"member": 999999999}'), 'RT005 unknown member', 'unknown number of a member');
SELECT is(pg_temp.why('{"member": 1.5}'), 'RT016 invalid member', 'half a member');
SELECT is(pg_temp.why('{"member": 1, "account": "u1"}'), 'RT016 account and member are both given', 'a person named twice');
SELECT is(pg_temp.why('{"value": -1}'), 'RT012 invalid amount for value', 'negative money');
SELECT is(pg_temp.why('{"value": 0.001}'), 'RT012 invalid amount for value', 'less than a cent');
SELECT is(pg_temp.why('{"value": "12"}'), 'RT012 invalid amount for value', 'money as text');
SELECT is(pg_temp.why('{"properties": []}'), 'RT016 properties are no object', 'a list of properties');
SELECT is(pg_temp.why(jsonb_build_object('properties', jsonb_build_object('x', repeat('x', 9000)))), 'RT016 properties are too large', 'too many properties');
SELECT is(pg_temp.why(jsonb_build_object('account', repeat('x', 201))), 'RT015 invalid text for account', 'too long a name');
SELECT is(pg_temp.why(jsonb_build_object('account', E'a\tb')), 'RT015 invalid text for account', 'control characters');
SELECT is(pg_temp.why('{"acount": "u1"}'), 'RT016 unknown key of an event', 'a key that nobody reads');
SELECT is((SELECT count(*) FROM retail.event_exception WHERE external_id = 'bad' AND source = 'app'), 1::bigint, 'an event that fails again and again is one exception');
SELECT cmp_ok((SELECT attempts FROM retail.event_exception WHERE external_id = 'bad' AND source = 'app'), '>', 20, '... that is counted');
SELECT pg_temp.rec(jsonb_build_array(pg_temp.e('huge', jsonb_build_object('properties', jsonb_build_object('x', repeat('x', 100000)))))) \g /dev/null
SELECT matches((SELECT content::text FROM retail.event_exception WHERE external_id = 'huge'), '^\{"bytes": [0-9]+\}$', 'of a huge one only the size is kept');
SELECT is(pg_temp.rec(jsonb_build_array(pg_temp.e('bad'))), '1 0 0', 'an event may come right after all');
SELECT is((SELECT count(*) FROM retail.event_exception WHERE external_id = 'bad' AND source = 'app' AND resolved_at IS NULL), 0::bigint, '... which closes the exception');
SELECT retail.put_sku('NONE', 'now there', 1) \g /dev/null
SELECT is((SELECT recorded FROM retail.retry_events(as_of => '2026-06-01 12:00+00')), 1, 'what named something that is there now is tried again');
SELECT is((SELECT count(*) FROM retail.event WHERE external_id = '11'), 1::bigint, '... and is there');
SELECT raises('RT011', 'SELECT retail.record_events(NULL)');
SELECT raises('RT011', $$SELECT retail.record_events('{}')$$);
SELECT raises('RT011', $$SELECT retail.record_events('7')$$);
SELECT raises('RT011', $$SELECT retail.record_events((SELECT jsonb_agg(1) FROM generate_series(1, 100001)))$$);
SELECT raises('RT014', $$SELECT retail.record_events('[]', as_of => 'infinity')$$);
SELECT raises('RT016', 'SELECT retail.retry_events(0)');

-- ---- strangers -----------------------------------------------------------------------------------------

SELECT is(pg_temp.rec(jsonb_build_array(pg_temp.e('s1', '{"account": "u9", "sku": "A"}'), pg_temp.e('s2', '{"account": "u9"}'), pg_temp.e('s3', '{"account": "u8"}'))), '3 0 0', 'events of accounts that are not known are kept');
INSERT INTO retail.account (source_id, external_id) SELECT s.source_id, 'u9' FROM retail.member_source s WHERE s.code = 'app';
SELECT account_id AS u9 FROM retail.account WHERE external_id = 'u9' \gset
SELECT is(retail.adopt_events(ARRAY[:u9]), 2::bigint, 'they are joined when the account is known');
SELECT is((SELECT count(*) FROM retail.event WHERE account_id = :u9 AND account_external_id IS NULL), 2::bigint, '... to it');
SELECT is(retail.adopt_events(NULL), 0::bigint, '... and others are not');

-- ---- telling and forgetting --------------------------------------------------------------------------------

SELECT is(jsonb_array_length(retail.member_export_marketing(ARRAY[:u1]) -> 'events'), 2, 'the events of an account are told');
SELECT ok(retail.member_export_marketing(ARRAY[:u1]) -> 'events' @> '[{"id": "1", "sku": "A", "properties": {"page": "首页"}}]', '... with all that is known of them');
SELECT pg_temp.rec(jsonb_build_array(pg_temp.e('x1', '{"account": "u1", "sku": "LOST"}'))) \g /dev/null
SELECT count(*) AS before FROM retail.event \gset
SELECT is(retail.member_forget_marketing(ARRAY[:u1], now()), 0, 'a person is taken out of the events');
SELECT is((SELECT count(*) FROM retail.event), :before::bigint, '... which stay to be counted');
SELECT is((SELECT count(*) FROM retail.event WHERE account_id = :u1 OR properties IS NOT NULL), 0::bigint, '... without person and properties');
SELECT is((SELECT count(*) FROM retail.event_exception WHERE account_external_id = 'u1' OR content::text LIKE '%u1%'), 0::bigint, '... and out of those that were set aside');
UPDATE retail.account SET erased_at = now() WHERE account_id = :u1;
SELECT is(pg_temp.rec(jsonb_build_array(pg_temp.e('late', '{"account": "u1"}'))), '1 0 0', 'what comes later of somebody forgotten');
SELECT is((SELECT account_id IS NULL AND account_external_id IS NULL FROM retail.event WHERE external_id = 'late'), true, '... names nobody');

-- ---- who may -----------------------------------------------------------------------------------------------

SELECT raises_as('retail_bi', '42501', 'SELECT count(*) FROM retail.event');
SELECT raises_as('retail_store', '42501', $$SELECT retail.record_events('[]')$$);
SELECT is(as_role('retail_app', $$SELECT r.recorded FROM retail.record_events(jsonb_build_array(jsonb_build_object('id', 'a1', 'kind', 'view', 'at', now())), 'app') r$$), '1', 'an application records');

SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound at the end');
SELECT * FROM finish();
ROLLBACK;
