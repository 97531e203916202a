-- member.sql: accounts and identifiers: what is written down, what is refused,
-- that no error shows a value of a person.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT no_plan();

SELECT retail.put_member_source('online', 'Online', 10), retail.put_member_source('store', 'Stores', 20), retail.put_member_source('crm') \g /dev/null
CREATE FUNCTION pg_temp.account(no text) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT a.account_id FROM retail.account a WHERE a.external_id = $1 $$;
CREATE FUNCTION pg_temp.ids(no text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(concat_ws(' ', i.type, i.value, CASE WHEN i.verified THEN 'verified' END, CASE WHEN i.valid_to < 'infinity' THEN 'until ' || i.valid_to::date END), ', ' ORDER BY i.type, i.value, i.valid_from)
	FROM retail.identifier i WHERE i.account_id = pg_temp.account($1) $$;

-- ---- sources and types ---------------------------------------------------------------------------------

SELECT is(retail.put_member_source('online', deduplicated => true), (SELECT s.source_id FROM retail.member_source s WHERE s.code = 'online'), 'a source again is the same source');
SELECT is((SELECT (s.name, s.priority, s.deduplicated, s.country)::text FROM retail.member_source s WHERE s.code = 'online'), '(Online,10,t,CN)', '... and keeps what is not told');
SELECT raises('RT016', $$SELECT retail.put_member_source('x', country => 'china')$$);
SELECT raises('RT015', $$SELECT retail.put_member_source('')$$);
SELECT raises('RT003', $$SELECT retail.put_member_source('x', channel => 'nowhere')$$);
SELECT is(retail.put_identifier_type('loyalty_no', 'Old loyalty number', 'digits', 35, max_members => 1), 'created', 'types can be added');
SELECT is(retail.put_identifier_type('loyalty_no', 'Old loyalty number', 'digits', 36, max_members => 2), 'updated', '... and changed');
SELECT raises('RT016', $$SELECT retail.put_match_settings(merge_probability => 0.3)$$);
SELECT raises('RT016', $$SELECT retail.put_match_settings(merge_probability => 'NaN')$$);
SELECT raises('RT016', $$SELECT retail.put_match_settings(review_probability => 0.9)$$);
SELECT raises('RT016', $$SELECT retail.put_match_settings(max_accounts => 1)$$);
SELECT lives_ok($$SELECT retail.put_match_settings(merge_probability => 0.9, max_accounts => 50)$$, 'thresholds can be set');
SELECT results_eq('SELECT merge_probability, review_probability, max_accounts FROM retail.match_setting', $$VALUES (0.9::float8, 0.05::float8, 50)$$, '... each alone');
SELECT retail.put_match_settings(0.6, 0.05, 100) \g /dev/null
SELECT raises('RT016', $$SELECT retail.put_identifier_type('Loyalty', 'x', 'digits', 1)$$);
SELECT raises('RT016', $$SELECT retail.put_identifier_type('x', 'x', 'soundex', 1)$$);
SELECT raises('RT016', $$SELECT retail.put_identifier_type('x', 'x', 'digits', 1, max_members => 0)$$);

-- ---- writing down ---------------------------------------------------------------------------------------

SELECT is((SELECT u.outcome FROM retail.upsert_account('online', 'o1', '王小明', birth_date => '1985-02-30', gender => '男', attributes => '{"shoe": 43, "hat": "L"}', as_of => '2026-03-01',
	identifiers => '[{"type": "phone", "value": "１３９ 8271-3046", "verified": true}, {"type": "email", "value": " Ming@Example.COM "}, {"type": "card", "value": "AB 12-34"}]') u), 'created', 'an account makes a member');
SELECT is((SELECT a.birth_date FROM retail.account a WHERE a.external_id = 'o1'), '1985-02-30', 'an impossible date is kept as told');
SELECT is(pg_temp.ids('o1'), 'card AB1234, email ming@example.com, phone +8613982713046 verified', 'identifiers are normalised');
SELECT is((SELECT u.outcome || ' ' || (u.member_id = u.account_id) FROM retail.upsert_account('online', 'o1', '王小明', birth_date => '1985-02-30', gender => '男', attributes => '{"hat": "L", "shoe": 43}', as_of => '2026-03-09',
	identifiers => '[{"type": "phone", "value": "１３９ 8271-3046", "verified": true}, {"type": "email", "value": " Ming@Example.COM "}, {"type": "card", "value": "AB 12-34"}]') u), 'unchanged true', 'the same again changes nothing');
SELECT is((SELECT a.updated_at FROM retail.account a WHERE a.external_id = 'o1'), '2026-03-01 00:00+00', '... not even when it was changed');
SELECT is((SELECT u.outcome FROM retail.upsert_account('online', 'o1', city => '上海', gender => '', attributes => '{"hat": null, "belt": "90"}', as_of => '2026-03-02') u), 'updated', 'a part is told');
SELECT is((SELECT concat_ws('|', a.full_name, a.birth_date, coalesce(a.gender, 'none'), a.city, a.attributes) FROM retail.account a WHERE a.external_id = 'o1'), '王小明|1985-02-30|none|上海|{"belt": "90", "shoe": 43}',
	'... the rest stays, an empty text clears, null removes an attribute');
SELECT is((SELECT u.outcome FROM retail.upsert_account('online', 'o1', '王大明', address => '南京路1号', as_of => '2026-02-01') u), 'updated', 'something is told late');
SELECT is((SELECT concat_ws('|', a.full_name, a.address, a.updated_at::date) FROM retail.account a WHERE a.external_id = 'o1'), '王小明|南京路1号|2026-03-02', '... it fills only what is empty');
SELECT is((SELECT u.outcome FROM retail.upsert_account('online', 'o1', '王大明', as_of => '2026-03-03') u), 'updated', 'the same account comes with other content');
SELECT is((SELECT a.full_name FROM retail.account a WHERE a.external_id = 'o1'), '王大明', '... the later word counts');
SELECT lives_ok(format('SELECT retail.upsert_account(%L, %L, %L, as_of => %L)', 'crm', 'odd', E'\t Zoë\u0001 🎉 O''Hara\n', '2026-03-01'), 'control characters and emoji in a name');
SELECT is((SELECT a.full_name FROM retail.account a WHERE a.external_id = 'odd'), 'Zoë  🎉 O''Hara', '... become blanks, and stay');
SELECT is((SELECT u.outcome FROM retail.upsert_account('crm', 'empty') u), 'created', 'an account of which nothing is known');
SELECT is((SELECT u.outcome FROM retail.upsert_account('crm', 'empty2', '', identifiers => '[{"type": "phone", "value": ""}, {"type": "email", "value": null}]') u), 'created', '... and another are two people: NULL and blank never match');

-- ---- identifiers have a time ------------------------------------------------------------------------------

SELECT is((SELECT u.outcome FROM retail.upsert_account('online', 'o1', identifiers => '[{"type": "email", "value": "ming@example.com", "verified": true, "used_at": "2026-03-04"}]', as_of => '2026-03-04') u), 'updated', 'an identifier is verified');
SELECT is(pg_temp.ids('o1'), 'card AB1234, email ming@example.com verified, phone +8613982713046 verified', '... and no other is gone');
SELECT ok(retail.close_identifier('online', 'o1', 'phone', '139 8271 3046', '2026-03-05'), 'a phone is given back');
SELECT ok(NOT retail.close_identifier('online', 'o1', 'phone', '139 8271 3046', '2026-03-05'), '... once');
SELECT is(pg_temp.ids('o1'), 'card AB1234, email ming@example.com verified, phone +8613982713046 verified until 2026-03-05', '... it stays with its time');
SELECT lives_ok($$SELECT retail.upsert_account('online', 'o1', identifiers => '[{"type": "phone", "value": "13982713046"}]', as_of => '2026-04-01')$$, 'and is claimed again');
SELECT is(pg_temp.ids('o1'), 'card AB1234, email ming@example.com verified, phone +8613982713046 verified until 2026-03-05, phone +8613982713046', '... by a row of its own');
SELECT lives_ok($$SELECT retail.upsert_account('crm', 'id', identifiers => '[{"type": "national_id", "value": "11010519491231002X", "verified": true}, {"type": "national_id", "value": "000000000000000000", "verified": true}]')$$, 'a national id');
SELECT matches(pg_temp.ids('id'), '^national_id [0-9a-f]{64} verified$', '... is kept as a hash, a stand-in not at all');
SELECT raises('RT031', $$SELECT retail.put_identifier_type('phone', 'x', 'exact', 1)$$);
SELECT raises('RT007', $$SELECT retail.close_identifier('online', 'nobody', 'phone', '1')$$);
SELECT raises('RT005', $$SELECT retail.close_identifier('online', 'o1', 'telex', '1')$$);

-- ---- blocked values ------------------------------------------------------------------------------------------

SELECT ok(retail.block_identifier('400-820-8820', 'our hotline', 'phone') > 0 AND retail.block_identifier('%@shop.example', 'our own mail', 'email') > 0, 'values and patterns are blocked');
SELECT lives_ok($$SELECT retail.upsert_account('store', 'b1', identifiers => '[{"type": "phone", "value": "400 820 8820", "verified": true}, {"type": "email", "value": "info@shop.example", "verified": true}]'),
	retail.upsert_account('store', 'b2', identifiers => '[{"type": "phone", "value": "400 820 8820", "verified": true}, {"type": "email", "value": "info@shop.example", "verified": true}]')$$, 'two accounts have them');
SELECT is((SELECT count(*) FROM retail.identifier i WHERE i.account_id IN (pg_temp.account('b1'), pg_temp.account('b2'))), 4::bigint, '... they are kept');
SELECT isnt(retail.member_of(pg_temp.account('b1')), retail.member_of(pg_temp.account('b2')), '... and prove nothing');
SELECT ok(retail.unblock_identifier('400-820-8820', 'phone') AND NOT retail.unblock_identifier('400-820-8820', 'phone'), 'a value is unblocked, once');
SELECT raises('RT005', $$SELECT retail.block_identifier('1', 'x', 'telex')$$);
SELECT raises('RT015', $$SELECT retail.block_identifier('', 'x')$$);

-- ---- refused, without a word of whom -----------------------------------------------------------------------------

CREATE TEMP TABLE bad AS SELECT * FROM (VALUES
	('RT005', $$SELECT retail.upsert_account('nowhere', 'x', 'Secret')$$),
	('RT005', $$SELECT retail.upsert_account(NULL, 'x', 'Secret')$$),
	('RT015', $$SELECT retail.upsert_account('crm', NULL, 'Secret')$$),
	('RT015', $$SELECT retail.upsert_account('crm', '  ', 'Secret')$$),
	('RT015', $$SELECT retail.upsert_account('crm', 'erased:1', 'Secret')$$),
	('RT015', $$SELECT retail.upsert_account('crm', 'x', repeat('Secret', 200))$$),
	('RT014', $$SELECT retail.upsert_account('crm', 'x', 'Secret', as_of => NULL)$$),
	('RT014', $$SELECT retail.upsert_account('crm', 'x', 'Secret', as_of => '1999-01-01')$$),
	('RT014', $$SELECT retail.upsert_account('crm', 'x', 'Secret', registered_at => 'infinity')$$),
	('RT016', $$SELECT retail.upsert_account('crm', 'x', 'Secret', time_zone => 'Secret/Place')$$),
	('RT016', $$SELECT retail.upsert_account('crm', 'x', 'Secret', language => 'Secret!')$$),
	('RT016', $$SELECT retail.upsert_account('crm', 'x', attributes => '["Secret"]')$$),
	('RT017', $$SELECT retail.upsert_account('crm', 'x', identifiers => '"Secret"')$$),
	('RT017', $$SELECT retail.upsert_account('crm', 'x', identifiers => '["Secret"]')$$),
	('RT017', $$SELECT retail.upsert_account('crm', 'x', identifiers => '[{"type": "phone", "value": "1", "Secret": 1}]')$$),
	('RT017', $$SELECT retail.upsert_account('crm', 'x', identifiers => '[{"value": "Secret"}]')$$),
	('RT005', $$SELECT retail.upsert_account('crm', 'x', identifiers => '[{"type": "Secret", "value": "1"}]')$$),
	('RT017', $$SELECT retail.upsert_account('crm', 'x', identifiers => '[{"type": "phone", "value": 139}]')$$),
	('RT017', $$SELECT retail.upsert_account('crm', 'x', identifiers => '[{"type": "phone", "value": "139", "verified": "Secret"}]')$$),
	('RT017', $$SELECT retail.upsert_account('crm', 'x', identifiers => '[{"type": "phone", "value": "139", "used_at": "Secret"}]')$$),
	('RT017', $$SELECT retail.upsert_account('crm', 'x', identifiers => '[{"type": "phone", "value": "139", "valid_from": "2026-01-02", "valid_to": "2026-01-01"}]')$$),
	('RT017', $$SELECT retail.upsert_account('crm', 'x', identifiers => jsonb_build_array(jsonb_build_object('type', 'wechat_openid', 'value', repeat('Secret', 100))))$$),
	('RT017', $$SELECT retail.upsert_account('crm', 'x', identifiers => (SELECT jsonb_agg('{"type": "phone", "value": "139"}'::jsonb) FROM generate_series(1, 101)))$$),
	('RT011', $$SELECT retail.upsert_account('crm', 'x', consent => '{"Secret": 1}')$$),
	('RT011', $$SELECT retail.upsert_account('crm', 'x', consent => '[{"purpose": "marketing"}]')$$),
	('RT014', $$SELECT retail.upsert_account('crm', 'x', consent => '[{"purpose": "marketing", "granted": true, "at": "Secret"}]')$$)) b (code, call);
SELECT raises(b.code, b.call) FROM bad b;
CREATE FUNCTION pg_temp.told(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	m text; d text; h text;
BEGIN
	EXECUTE statement;
	RETURN '';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN concat_ws('|', m, d, h);
END $$;
SELECT is_empty($$SELECT b.call FROM bad b WHERE pg_temp.told(b.call) ~* 'secret'$$, 'no error shows what was told');
SELECT is((SELECT count(*) FROM retail.account a WHERE a.external_id = 'x'), 0::bigint, 'nothing of it is written');

-- ---- many at once, a poisoned one among them -------------------------------------------------------------------

CREATE TEMP TABLE answer AS SELECT i.* FROM retail.import_accounts('[
	{"source": "store", "external_id": "i1", "full_name": "Ada Lovelace", "birth_date": "1815-12-10", "identifiers": [{"type": "email", "value": "ada@analytical.example", "verified": true}]},
	{"source": "store", "external_id": "i2", "full_name": 7},
	"nonsense",
	{"source": "store", "external_id": "i3", "name": "Secret"},
	{"source": "nowhere", "external_id": "i4"},
	{"source": "store", "external_id": "i5", "registered_at": "Secret"},
	{"source": "crm", "external_id": "i6", "full_name": "Lovelace, Ada", "birth_date": "1815-12-10", "identifiers": [{"type": "email", "value": "ADA@analytical.example", "verified": true}]}]') i;
SELECT is((SELECT string_agg(concat_ws(' ', a.n, a.outcome, a.sqlstate), ', ' ORDER BY a.n) FROM answer a), '1 created, 2 refused RT016, 3 refused RT016, 4 refused RT016, 5 refused RT005, 6 refused RT014, 7 joined', 'each record has its answer');
SELECT is((SELECT string_agg(concat_ws(' ', x.external_id, x.sqlstate), ', ' ORDER BY x.account_exception_id) FROM retail.account_exception x), 'i2 RT016, RT016, i3 RT016, i4 RT005, i5 RT014', 'what was refused is written down');
SELECT ok((SELECT bool_and(x.error <> '' AND x.detail <> '' AND x.hint <> '' AND concat(x.error, x.detail, x.hint) !~ 'Secret') FROM retail.account_exception x), '... with the reason, and without a value');
SELECT is((SELECT i.outcome FROM retail.import_accounts('[{"source": "store", "external_id": "i2", "full_name": "Seven"}]') i), 'created', 'it is mended and comes again');
SELECT is((SELECT count(*) FROM retail.account_exception x WHERE x.resolved_at IS NOT NULL), 1::bigint, '... and its exception is resolved');
SELECT raises('RT011', $$SELECT retail.import_accounts('{}')$$);
SELECT raises('RT011', $$SELECT retail.import_accounts('[]')$$);

-- ---- a phone shared by 10,000 accounts -----------------------------------------------------------------------------

SELECT u.account_id AS first FROM retail.upsert_account('crm', 'shared', identifiers => '[{"type": "phone", "value": "13677712345", "verified": true}]') u \gset
WITH a AS (
	INSERT INTO retail.account (source_id, external_id, keyed_model) SELECT retail.member_source_id('crm'), 'shared' || i, 0 FROM generate_series(1, 9999) i RETURNING account_id
), i AS (
	INSERT INTO retail.identifier (account_id, type, value, verified) SELECT a.account_id, 'phone', '+8613677712345', true FROM a)
INSERT INTO retail.match_key (key, account_id) SELECT k.key, a.account_id FROM a, retail.match_key k WHERE k.account_id = :first;
SELECT is((SELECT u.outcome || ' ' || u.questions FROM retail.upsert_account('crm', 'shared once more', 'Ann Aster', identifiers => '[{"type": "phone", "value": "13677712345", "verified": true}]') u), 'created 0', 'a phone of 10,000 accounts proves nothing');
SELECT is((SELECT count(*) FROM retail.member_link l WHERE l.member_id >= :first), 0::bigint, '... and merges nobody');
SELECT is((SELECT count(*) FROM retail.find_member('13677712345')), 5::bigint, '... a till sees five of them');

-- ---- who may -----------------------------------------------------------------------------------------------------

CREATE ROLE member_test_store LOGIN IN ROLE retail_store;
CREATE ROLE member_test_bi LOGIN IN ROLE retail_bi;
SELECT is(as_role('member_test_bi', 'SELECT count(*) FROM retail.account'), '42501', 'BI sees no account');
SELECT is(as_role('member_test_bi', 'SELECT count(*) FROM retail.identifier'), '42501', '... no identifier');
SELECT is(as_role('member_test_store', 'SELECT count(*) FROM retail.account'), '42501', 'a store does not read accounts');
SELECT is(as_role('member_test_store', $$SELECT retail.upsert_account('store', 'x')$$), '42501', '... nor writes them');
SELECT is_empty($$SELECT c.table_name, c.column_name FROM information_schema.column_privileges c WHERE c.grantee = 'retail_bi' AND c.table_schema = 'retail'
	AND c.table_name IN ('account', 'identifier', 'match_key', 'match_review', 'member_change', 'account_exception', 'consent', 'consent_event', 'member_access', 'member_erasure')$$, 'BI may read no column of a person');

SELECT is_empty('SELECT * FROM retail.check_integrity()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
