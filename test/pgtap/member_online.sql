-- member_online.sql: accounts that come one by one, in any order, become the
-- same people as in one batch with the same model; and what is hard for both.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT no_plan();

SELECT retail.put_member_source('online', 'Online', 10), retail.put_member_source('store', 'Stores', 20) \g /dev/null

-- ---- one by one as in a batch ---------------------------------------------------------------------------

-- 120 people, half of them in both systems; some share a phone, a name or a birth date, some change them.
SELECT setseed(0.42) \g /dev/null
CREATE TEMP TABLE human AS
	SELECT p, (ARRAY['王','李','张','刘','陈','杨','赵','黄','周','吴','徐','孙'])[1 + (random() * 11)::int] || chr(20000 + (random() * 400)::int) || CASE WHEN random() < 0.7 THEN chr(21000 + (random() * 400)::int) ELSE '' END AS name,
		date '1950-01-01' + (random() * 20000)::int AS born, '139' || lpad((CASE WHEN random() < 0.1 THEN p / 2 ELSE p END * 7919 % 100000000)::text, 8, '0') AS phone,
		(ARRAY['上海市','北京市','广州市'])[1 + (random() * 2)::int] AS city, (ARRAY['南京路','中山路','人民路','解放路'])[1 + (random() * 3)::int] || (1 + random() * 300)::int || '号' AS street, random() < 0.5 AS twice
	FROM generate_series(1, 120) p;
CREATE TEMP TABLE told AS
	SELECT row_number() OVER (ORDER BY md5(h.p || s.source)) AS n, h.p, s.source, s.source || h.p AS external_id,
		CASE WHEN random() < 0.85 THEN h.name END AS name, CASE WHEN random() < 0.7 THEN CASE WHEN random() < 0.1 THEN (h.born + 1)::text ELSE h.born::text END END AS born,
		CASE WHEN random() < 0.6 THEN h.city END AS city, CASE WHEN random() < 0.5 THEN h.street END AS street,
		CASE WHEN random() < 0.8 THEN CASE WHEN random() < 0.1 THEN '138' || lpad((random() * 99999999)::bigint::text, 8, '0') ELSE h.phone END END AS phone, random() < 0.6 AS verified
	FROM human h, (VALUES ('online'), ('store')) s (source) WHERE s.source = 'store' OR h.twice;
CREATE FUNCTION pg_temp.tell(k bigint) RETURNS text LANGUAGE sql AS $$
	SELECT (retail.upsert_account(t.source, t.external_id, t.name, birth_date => t.born, city => t.city, address => t.street,
		identifiers => CASE WHEN t.phone IS NOT NULL THEN jsonb_build_array(jsonb_build_object('type', 'phone', 'value', t.phone, 'verified', t.verified)) END, as_of => '2026-01-01')).outcome FROM told t WHERE t.n = $1 $$;
CREATE FUNCTION pg_temp.people() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT string_agg(a.external_id, ' ' ORDER BY a.external_id) FROM retail.account a GROUP BY retail.member_of(a.account_id) $$;

INSERT INTO retail.account (source_id, external_id, full_name, birth_date, city, address, registered_at, updated_at)
	SELECT s.source_id, t.external_id, t.name, t.born, t.city, t.street, '2026-01-01', '2026-01-01' FROM told t JOIN retail.member_source s ON s.code = t.source ORDER BY t.n;
INSERT INTO retail.identifier (account_id, type, value, verified, valid_from)
	SELECT a.account_id, 'phone', retail.fold_identifier('phone', t.phone), t.verified, '2026-01-01' FROM told t JOIN retail.account a USING (external_id) WHERE t.phone IS NOT NULL;
SELECT matches(retail.run_resolution('2026-01-02', true, true, true), 'model \d+ learned', 'a batch learns a model');
CREATE TEMP TABLE by_batch AS SELECT p FROM pg_temp.people() p;
SELECT cmp_ok((SELECT count(*) FROM by_batch b WHERE b.p ~ ' '), '>', 25::bigint, '... and finds people');
CREATE TEMP TABLE keys_of_batch AS SELECT k.key, a.external_id FROM retail.match_key k JOIN retail.account a USING (account_id);
CREATE FUNCTION pg_temp.forget() RETURNS void LANGUAGE sql AS $$
	TRUNCATE retail.account, retail.identifier, retail.match_key, retail.member_link, retail.member_change, retail.match_review RESTART IDENTITY CASCADE;
	UPDATE retail.match_model SET keyed_through = 0; $$;

SELECT pg_temp.forget() \g /dev/null
SELECT cmp_ok((SELECT count(*) FROM (SELECT pg_temp.tell(t.n) AS outcome FROM told t ORDER BY t.n) x WHERE x.outcome IN ('joined', 'merged')), '>', 25::bigint, 'the same accounts come one by one');
SELECT set_eq('SELECT pg_temp.people()', 'SELECT p FROM by_batch', '... and are the same people');
SELECT set_eq('SELECT k.key, a.external_id FROM retail.match_key k JOIN retail.account a USING (account_id)', 'SELECT * FROM keys_of_batch', '... with the same keys');
SELECT matches(retail.run_resolution('2026-01-03', true, false, false), ' 0 accounts merged, 0 split', 'a batch after them has nothing to change');
SELECT is((SELECT string_agg(DISTINCT x.outcome, ' ') FROM (SELECT pg_temp.tell(t.n) AS outcome FROM told t ORDER BY t.n LIMIT 20) x), 'unchanged', 'told again, they are unchanged');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'every invariant holds');

-- In another order the numbers are others, and with them what decides between equals.
SELECT pg_temp.forget() \g /dev/null
SELECT count(pg_temp.tell(t.n)) FROM (SELECT n FROM told ORDER BY md5(n::text)) t \g /dev/null
CREATE TEMP TABLE other_order AS SELECT p FROM pg_temp.people() p;
SELECT matches(retail.run_resolution('2026-01-03', true, false, false), ' 0 accounts merged, 0 split', 'in another order, too, a batch after them has nothing to change');
SELECT set_eq('SELECT pg_temp.people()', 'SELECT p FROM other_order', '... and finds the same people');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'every invariant holds');

-- Of more identifiers than are compared the same ones are taken, however they lie.
INSERT INTO retail.account (account_id, source_id, external_id, full_name, registered_at, updated_at)
	SELECT 1000000, min(s.source_id), 'crowded', 'Grace Hopper', '2026-01-01', '2026-01-01' FROM retail.member_source s;
INSERT INTO retail.identifier (account_id, type, value, verified, valid_from)
	SELECT 1000000, 'phone', retail.fold_identifier('phone', '138000' || i), false, '2026-01-01' FROM generate_series(10050, 10001, -1) i;
SELECT retail.run_match_keys('2026-01-03') \g /dev/null
CREATE TEMP TABLE crowded AS SELECT k.key FROM retail.match_key k WHERE k.account_id = 1000000;
SELECT cmp_ok((SELECT count(*) FROM crowded), '>=', 32::bigint, 'an account with many identifiers has many keys');
SELECT retail.resolve_some('{1000000}', '2026-01-03') \g /dev/null
SELECT set_eq('SELECT k.key FROM retail.match_key k WHERE k.account_id = 1000000', 'SELECT c.key FROM crowded c', '... the same ones by itself as in a batch');

-- What cannot be read row by row is refused.
ALTER TABLE retail.member_link RENAME TO member_link_kept;
CREATE TABLE retail.member_link (LIKE retail.member_link_kept) PARTITION BY HASH (account_id);
SELECT throws_ok($$SELECT retail.run_resolution('2026-01-03', true, false, false)$$, '42809', '"retail.member_link" is not an ordinary table', 'a table that was made partitioned is refused');

SELECT * FROM finish();
ROLLBACK;
