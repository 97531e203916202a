-- member_copied.sql: identifiers that were copied in raw are brought to the form in which they are stored and looked up.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT no_plan();

SELECT retail.put_member_source('app', 'App', 10), retail.put_member_source('pos', 'Tills', 20, country => 'HK') \g /dev/null
CREATE FUNCTION pg_temp.copy_in(source text, ext text, name text, identifiers text[], verified boolean DEFAULT true) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	id bigint;
BEGIN
	INSERT INTO retail.account (source_id, external_id, full_name, registered_at, updated_at)
		SELECT s.source_id, ext, copy_in.name, '2026-01-01', '2026-01-01' FROM retail.member_source s WHERE s.code = source RETURNING account_id INTO id;
	INSERT INTO retail.identifier (account_id, type, value, verified, last_used_at)
		SELECT id, split_part(x, '=', 1), substr(x, strpos(x, '=') + 1), copy_in.verified, '2026-01-01' FROM unnest(identifiers) x;
	RETURN id;
END $$;
CREATE FUNCTION pg_temp.held(ext text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(i.type || '=' || i.value, ' ' ORDER BY i.type COLLATE "C", i.value COLLATE "C") FROM retail.identifier i JOIN retail.account a USING (account_id) WHERE a.external_id = ext $$;
CREATE FUNCTION pg_temp.set_aside(ext text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(': ', x.sqlstate, x.error, x.detail), '; ' ORDER BY x.detail COLLATE "C") FROM retail.account_exception x JOIN retail.account a USING (account_id) WHERE a.external_id = ext AND x.external_id = ext AND x.source_id = a.source_id $$;

SELECT encode(sha256('11010519491231002X'), 'hex') AS hash \gset
-- What one account told one by one would hold.
SELECT retail.upsert_account('app', 'told', 'Zhang Wei', identifiers => '[{"type": "phone", "value": "138 0571 2233", "verified": true}, {"type": "national_id", "value": "11010519491231002x", "verified": true}, {"type": "email", "value": " Wei@Example.COM "}]', as_of => '2026-01-01') \g /dev/null

-- ---- all accounts ---------------------------------------------------------------------------------

SELECT pg_temp.copy_in('app', 'raw', 'Zhang Wei', '{"phone=138 0571 2233","national_id=11010519491231002x","email= Wei@Example.COM "}') AS raw,
	pg_temp.copy_in('pos', 'hk', 'Chan Tai Man', '{"phone=9123 4567","card=ＶＩＰ 0042"}') AS hk,
	pg_temp.copy_in('app', 'clean', 'Li Na', '{"phone=+8613905712244","email=na@example.com"}') AS clean,
	pg_temp.copy_in('app', 'blank', 'Wang Fang', '{"phone= - ","national_id=000000000000000000","wechat_unionid=  ","email=fang@example.com"}') AS blank,
	pg_temp.copy_in('app', 'twice', 'Zhao Min', '{"phone=139 0571 2255","phone=(139) 0571-2255","phone=+8613905712255"}') AS twice \gset
UPDATE retail.identifier SET verified = value = '139 0571 2255', last_used_at = CASE value WHEN '(139) 0571-2255' THEN '2026-03-01' ELSE '2026-02-01' END::timestamptz WHERE account_id = :twice;
UPDATE retail.identifier SET valid_to = '2026-02-15' WHERE account_id = :twice AND value <> '139 0571 2255';
CREATE TEMP TABLE clean AS SELECT i.ctid AS at, i.* FROM retail.identifier i WHERE i.account_id = :clean;
SELECT matches(retail.run_resolution('2026-06-01', true, true, true), 'model \d+ learned', 'a batch reads what was copied in');
SELECT is(pg_temp.held('raw'), pg_temp.held('told'), 'raw values are stored as upsert_account() stores them');
SELECT is(pg_temp.held('raw'), format('email=wei@example.com national_id=%s phone=+8613805712233', :'hash'), '... a number of a document as its hash');
SELECT is((SELECT bool_and(i.verified AND i.last_used_at = '2026-01-01') FROM retail.identifier i WHERE i.account_id = :raw), true, '... with what else was known of them');
SELECT is(retail.member_of(:raw), (SELECT a.account_id FROM retail.account a WHERE a.external_id = 'told'), '... and prove what they prove');
SELECT is(pg_temp.held('hk'), 'card=VIP0042 phone=+85291234567', 'by the country of the source');
SELECT results_eq('SELECT i.ctid AS at, i.* FROM retail.identifier i JOIN clean c USING (account_id, type, value) ORDER BY i.value', 'SELECT c.* FROM clean c ORDER BY c.value', 'what is stored so already is not written');
SELECT results_eq(format('SELECT i.value, i.verified, i.valid_to, i.last_used_at FROM retail.identifier i WHERE i.account_id = %s', :twice), $$VALUES ('+8613905712255', true, 'infinity'::timestamptz, '2026-03-01'::timestamptz)$$, 'values that are one become one row, which knows what each knew');
SELECT is(pg_temp.held('blank'), 'email=fang@example.com', 'what is no value goes');
SELECT is(pg_temp.set_aside('blank'), 'RT016: identifier cannot be used: A value of type "national_id" is blank, stands for none or is too long.; RT016: identifier cannot be used: A value of type "phone" is blank, stands for none or is too long.; RT016: identifier cannot be used: A value of type "wechat_unionid" is blank, stands for none or is too long.', '... and is told of, without the value');
SELECT is((SELECT count(*) FROM retail.account_exception), 3::bigint, 'nothing else is');
SELECT is((SELECT f.member_id FROM retail.find_member('138-0571-2233') f), retail.member_of(:raw), 'the till finds who was copied in');
CREATE TEMP TABLE before AS SELECT i.ctid AS at, i.* FROM retail.identifier i;
SELECT matches(retail.run_resolution('2026-06-02', true, false, false), ' 0 accounts merged, 0 split', 'a batch after it changes nobody');
SELECT set_eq('SELECT i.ctid AS at, i.* FROM retail.identifier i', 'SELECT * FROM before', '... and writes no identifier');

-- ---- only what is new ---------------------------------------------------------------------------------

SELECT pg_temp.copy_in('pos', 'late', 'Zhang Wei', '{"phone=+86 138 0571 2233","national_id=11010519491231002X","card= - "}') AS late \gset
SELECT matches(retail.run_resolution('2026-06-03', false, false, false), '^1 accounts are new or changed: 1 accounts merged', 'an account that was copied in later');
SELECT is(pg_temp.held('late'), format('national_id=%s phone=+8613805712233', :'hash'), '... its values, too');
SELECT is(pg_temp.set_aside('late'), 'RT016: identifier cannot be used: A value of type "card" is blank, stands for none or is too long.', '... and what is none');
SELECT is(retail.member_of(:late), retail.member_of(:raw), '... is the same person');

-- ---- more than are compared ------------------------------------------------------------------------------

SELECT pg_temp.copy_in('app', 'many', 'Sun Lei', (SELECT array_agg('device=DEV-' || 100 + i) FROM generate_series(1, 40) i)) AS many \gset
SELECT retail.run_resolution('2026-06-04', true, false, true) \g /dev/null
SELECT is((SELECT count(*) FROM retail.identifier i WHERE i.account_id = :many AND i.value = retail.fold_identifier('device', i.value)), 40::bigint, 'all of them are stored in their form, also those that are not compared');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'every invariant holds');
SELECT is_empty($$SELECT FROM retail.identifier i WHERE i.value ~ '1949123|0571 |^ '$$, 'nothing is left as it came');
-- ---- out of proportion -----------------------------------------------------------------------------------------

SELECT is_empty($$SELECT * FROM retail.member_alarms WHERE kind <> 'values'$$, 'nobody shares too much');
SELECT results_eq('SELECT * FROM retail.member_alarms', format($$VALUES ('values', %s::bigint, 'device', 40::bigint, 20)$$, :many), 'a person with more values than its type allows');
UPDATE retail.identifier SET valid_to = '2026-06-01' WHERE account_id = :many AND value > 'DEV-120';
SELECT is_empty('SELECT * FROM retail.member_alarms', '... counts those that are open');
SELECT pg_temp.copy_in('app', 's' || i, (ARRAY['Anna Smith', 'Bruno Keller', 'Chen Guang', 'Dmitri Orlov', 'Emeka Obi', 'Fatima Zahra'])[i], '{"device=SHARED1"}', false) FROM generate_series(1, 6) i \g /dev/null
SELECT retail.run_resolution('2026-06-05', true, false, true) \g /dev/null
SELECT results_eq('SELECT kind, type, found, allowed FROM retail.member_alarms', $$VALUES ('shared', 'device', 6::bigint, 5)$$, 'a value that more people share than its type allows');
SELECT retail.block_identifier('SHARED1', 'a demonstration device', 'device', '2026-06-05') \g /dev/null
SELECT is_empty('SELECT * FROM retail.member_alarms', '... unless it is blocked');

SELECT pg_temp.copy_in('app', 'c' || i, NULL, '{}') FROM generate_series(0, 1100) i \g /dev/null
SELECT a.account_id AS hub FROM retail.account a WHERE a.external_id = 'c0' \gset
INSERT INTO retail.match_constraint (account_a, account_b, kind, decided_at, actor) SELECT :hub, a.account_id, 'must_link', '2026-06-01', 'x' FROM retail.account a WHERE a.external_id ~ '^c[1-9]';
SELECT is((SELECT retail.member_of(u.account_id) = u.account_id FROM retail.upsert_account('app', 'c0', 'Hub', as_of => '2026-06-06') u), true, 'more accounts than are resolved one by one are left as they are');
SELECT retail.upsert_account('app', 'c' || i, 'Spoke', as_of => '2026-06-06') FROM generate_series(1, 3) i \g /dev/null
SELECT is((SELECT string_agg(x.external_id || ': ' || x.detail, '; ') FROM retail.account_exception x WHERE x.sqlstate = '54000' AND x.resolved_at IS NULL AND x.error ~ 'one person'), 'c0: 1000 or more hang together.', '... and told of, once');
SELECT results_eq('SELECT kind, member_id, found FROM retail.member_alarms', format($$VALUES ('component', %s::bigint, 1::bigint)$$, :hub), '... and an alarm');
SELECT retail.put_match_settings(max_accounts => 5000) \g /dev/null
SELECT retail.run_resolution('2026-06-07', true, false, true) \g /dev/null
SELECT is_empty($$SELECT * FROM retail.member_alarms WHERE kind = 'component'$$, '... until a batch looks at them');
SELECT raises_as('retail_store', '42501', 'SELECT * FROM retail.member_alarms');
SELECT raises_as('retail_bi', '42501', 'SELECT * FROM retail.member_alarms');
SELECT raises_as('retail_admin', 'no error', 'SELECT * FROM retail.member_alarms');
SELECT * FROM finish();
ROLLBACK;
