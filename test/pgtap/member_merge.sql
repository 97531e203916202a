-- member_merge.sql: merging, splitting, reviews, consent, export, erasure;
-- what becomes of the facts meanwhile.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT no_plan();

SELECT retail.put_member_source('online', 'Online', 10), retail.put_member_source('store', 'Stores', 20) \g /dev/null
SELECT retail.put_region('R', 'Region'), retail.put_channel('web', 'Web', 'web'), retail.put_channel('till', 'Till', 'pos'), retail.put_carrier_service('std', 'Carrier', 'Standard'),
	retail.put_sku('A', 'A', 500, list_price => 10), retail.put_node('W1', 'W1', 'warehouse') \g /dev/null
SELECT retail.put_lane('std', 'R', 'near', 24, 'W1'), retail.put_rate_card('std', 'near', 1000, 5, 1000, 1), retail.receive_stock('r1', 'W1', '[{"sku": "A", "qty": 100}]', '2026-03-01 00:00+00') \g /dev/null
-- Five strangers, by their numbers a to e.
SELECT u.member_id AS a FROM retail.upsert_account('online', 'a', '赵一', birth_date => '1970-01-11', as_of => '2026-03-01') u \gset
SELECT u.member_id AS b FROM retail.upsert_account('store', 'b', 'Bertha Brown', birth_date => '1980-02-12', as_of => '2026-03-01') u \gset
SELECT u.member_id AS c FROM retail.upsert_account('online', 'c', '孙三', birth_date => '1990-03-13', as_of => '2026-03-01') u \gset
SELECT u.member_id AS d FROM retail.upsert_account('store', 'd', 'Dora Dale', birth_date => '2000-04-14', as_of => '2026-03-01') u \gset
SELECT u.member_id AS e FROM retail.upsert_account('store', 'e', 'Emil Earl', birth_date => '1960-05-15', as_of => '2026-03-01') u \gset
CREATE FUNCTION pg_temp.groups() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(g, ' ' ORDER BY g) FROM (SELECT string_agg(a.external_id, '' ORDER BY a.account_id) AS g FROM retail.account a GROUP BY retail.member_of(a.account_id)) x $$;

-- ---- by the word of people -----------------------------------------------------------------------------

SELECT is(pg_temp.groups(), 'a b c d e', 'five people');
SELECT is(retail.merge_members(:c, :b, 'same face', '2026-03-02'), :b::bigint, 'two are one: the lowest number is theirs');
SELECT is(retail.merge_members(:a, :c, 'same hand', '2026-03-02'), :a::bigint, 'and a third');
SELECT is(retail.merge_members(:b, :a, 'in a circle', '2026-03-02'), :a::bigint, 'merging in a circle');
SELECT is(retail.merge_members(:c, :b, 'again', '2026-03-02'), :a::bigint, 'and again');
SELECT is(pg_temp.groups(), 'abc d e', '... changes nothing');
SELECT is((SELECT string_agg(format('%s>%s', m.from_member_id - :a, m.to_member_id - :a), ' ' ORDER BY m.member_change_id) FROM retail.member_change m), '2>1 1>0 1>0', 'each move is a row, once');
SELECT is(ARRAY(SELECT retail.member_accounts(:c)), ARRAY[:a, :b, :c]::bigint[], 'all numbers of a person, its own first');
SELECT is(retail.member_of(:e + 1000), (:e + 1000)::bigint, 'a number that nobody has stays as it is');
SELECT is((SELECT m.accounts FROM retail.member m WHERE m.member_id = :a), 3::bigint, 'one row a person');
SELECT raises('RT007', format('SELECT retail.merge_members(%s, %s, %L)', :a, :e + 1000, 'x'));
SELECT raises('RT016', format('SELECT retail.merge_members(%s, %s, %L)', :a, :a, 'x'));
SELECT raises('RT015', format('SELECT retail.merge_members(%s, %s, NULL)', :a, :b));

-- Facts stay where they were recorded, and are found by whoever asks for the person.
CREATE FUNCTION pg_temp.spent(member bigint) RETURNS numeric LANGUAGE sql STABLE AS $$
	SELECT coalesce(sum(o.total), 0) FROM retail.sales_order o WHERE o.member_id IN (SELECT retail.member_accounts($1)) $$;
SELECT retail.place_order('web', 'O1', '[{"sku": "A", "qty": 1}]', '{"region": "R", "lat": 31.2, "lon": 121.5, "recipient": {"name": "孙三"}}', freight => 0, payment => 'on_delivery', member_id => :c, as_of => '2026-03-03') \g /dev/null
SELECT retail.place_order('web', 'O2', '[{"sku": "A", "qty": 2}]', '{"region": "R", "recipient": {"name": "Brown"}}', freight => 0, payment => 'on_delivery', member_id => :b, as_of => '2026-03-03') \g /dev/null
SELECT is(pg_temp.spent(:a), 30.00, 'orders under merged numbers are the person''s');
SELECT is((SELECT o.member_id FROM retail.sales_order o WHERE o.external_no = 'O1'), :c::bigint, '... and stay where they were recorded');
SELECT is(retail.split_member(:c, 'not the same', '2026-03-04'), :c::bigint, 'one is parted, in the middle of an order');
SELECT is(pg_temp.groups(), 'ab c d e', '... by itself');
SELECT is(pg_temp.spent(:a) || ' ' || pg_temp.spent(:c), '20.00 10.00', '... and has its order back');
SELECT is((SELECT count(*) FROM retail.match_constraint x WHERE x.kind = 'cannot_link'), 2::bigint, 'a lasting cannot-link to each of the rest');
SELECT lives_ok($$SELECT retail.upsert_account('online', 'c', 'Bertha Brown', birth_date => '1980-02-12', identifiers => '[{"type": "wechat_unionid", "value": "ub01xx", "verified": true}]', as_of => '2026-03-05'),
	retail.upsert_account('store', 'b', identifiers => '[{"type": "wechat_unionid", "value": "ub01xx", "verified": true}]', as_of => '2026-03-05')$$, 'then everything is the same');
SELECT is(pg_temp.groups(), 'ab c d e', '... it holds');
SELECT is((SELECT count(*) FROM retail.match_review r WHERE r.state = 'open'), 0::bigint, '... and nobody is asked again');
SELECT is(retail.split_member(:a, 'the lowest goes', '2026-03-05'), :a::bigint, 'the lowest is parted');
SELECT is(retail.member_of(:b), :b::bigint, '... the others have the next number');
SELECT is(retail.merge_members(:d, :e, 'x', '2026-03-05') + retail.merge_members(:a, :e, 'x', '2026-03-05') - :d, :a::bigint, 'three again');
SELECT is(retail.split_member(ARRAY[:d, :e], 'these two', true, '2026-03-06'), :d::bigint, 'two are parted together');
SELECT is(pg_temp.groups(), 'a b c de', '... and stay one');
SELECT is(retail.split_member(ARRAY[:d, :e], 'all', false, '2026-03-06'), :d::bigint, 'all are parted');
SELECT is(pg_temp.groups(), 'a b c d e', 'five people again');
SELECT raises('RT031', format('SELECT retail.split_member(%s, %L)', :e, 'alone'));
SELECT raises('RT016', format('SELECT retail.split_member(ARRAY[%s, %s], %L)', :a, :e, 'x'));
SELECT raises('RT016', $$SELECT retail.split_member('{}'::bigint[], 'x')$$);
SELECT raises('RT007', format('SELECT retail.split_member(%s, %L)', :e + 1000, 'x'));
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'every invariant holds');

-- ---- questions -------------------------------------------------------------------------------------------

SELECT u.account_id AS f FROM retail.upsert_account('online', 'f', 'Frida Frost', birth_date => '1971-07-17', identifiers => '[{"type": "phone", "value": "13901882211", "verified": true}]', as_of => '2026-03-07') u \gset
SELECT u.account_id AS g, u.questions AS asked FROM retail.upsert_account('store', 'g', 'Gustav Gold', birth_date => '1955-01-27', identifiers => '[{"type": "phone", "value": "139 0188 2211", "verified": true}]', as_of => '2026-03-07') u \gset
SELECT is(:asked, 1, 'a shared phone and nothing else: a person is asked');
SELECT is(pg_temp.groups(), 'a b c d e f g', '... and they stay two');
SELECT is(retail.decide_review(:g, :f, false, 'called them', '2026-03-08'), :g::bigint, 'two people');
SELECT is((SELECT r.state || ' ' || (r.decided_at = '2026-03-08') FROM retail.match_review r WHERE r.account_a = :f), 'kept_apart true', '... the question is answered');
SELECT is((SELECT u.questions FROM retail.upsert_account('store', 'g', 'Gustav Gold', city => 'Bonn', as_of => '2026-03-09') u), 0, '... and not asked again');
SELECT is(retail.decide_review(:f, :g, true, 'a mistake', '2026-03-10'), :f::bigint, 'the later answer counts: one person');
SELECT is(pg_temp.groups(), 'a b c d e fg', '... merged');
SELECT raises('RT031', format('SELECT retail.decide_review(%s, %s, false, %L)', :f, :g, 'x'));
SELECT raises('RT005', format('SELECT retail.decide_review(%s, %s, false, %L)', :a, :g, 'x'));
SELECT matches((SELECT m.explanation FROM retail.explain_member(:f) m WHERE m.account_id = :g), '^Joined by .*: a mistake', 'why they are together');
SELECT matches((SELECT string_agg(m.item || '=' || coalesce(m.finding, ''), '; ') FROM retail.explain_match(:f, :g) m), 'phone=equal.*score=.*decided by a person=one person.*result=one person: member', 'why, field by field');
SELECT ok((SELECT bool_and(concat(m.item, m.finding, m.explanation) !~* '1390188|frida|gustav|1971') FROM retail.explain_match(:f, :g) m), '... without a value');

-- ---- which account's word counts -----------------------------------------------------------------------------

SELECT is((SELECT string_agg(g.field || '=' || g.value || ' of ' || g.source, ', ' ORDER BY g.field) FROM retail.golden_record(:g) g WHERE g.field IN ('full_name', 'city', 'phone', 'birth_date')),
	'birth_date=1971-07-17 of online, city=Bonn of store, full_name=Frida Frost of online, phone=+8613901882211 of online', 'the best of each field');
SELECT lives_ok($$SELECT retail.put_survivorship_rule('birth_date', '{recent}')$$, 'a rule is changed');
SELECT is((SELECT g.value FROM retail.golden_record(:g) g WHERE g.field = 'birth_date'), '1955-01-27', '... the most recent word counts');
SELECT raises('RT016', $$SELECT retail.put_survivorship_rule('birth_date', '{loudest}')$$);
SELECT raises('RT016', $$SELECT retail.put_survivorship_rule('shoes', '{recent}')$$);
SELECT is_empty(format('SELECT * FROM retail.golden_record(%s)', :g + 1000), 'nobody has no golden record');

-- ---- consent ----------------------------------------------------------------------------------------------------

SELECT ok(NOT retail.consent_of(:f, 'marketing', 'sms'), 'who said nothing did not consent');
SELECT is(retail.set_consent(:f, 'marketing', true, 'sms', '2026-03-11', 'form 7', one_account => true), 1, 'one account consents');
SELECT ok(retail.consent_of(:g, 'marketing', 'sms'), '... and the person did');
SELECT ok(NOT retail.consent_of(:g, 'marketing', 'email'), '... not to another channel');
SELECT lives_ok($$SELECT retail.upsert_account('store', 'g', consent => '[{"purpose": "marketing", "granted": false}]', as_of => '2026-03-12')$$, 'the other account withdraws, by any channel');
SELECT ok(NOT retail.consent_of(:f, 'marketing', 'sms'), '... the stricter counts');
SELECT is(retail.set_consent(:f, 'marketing', true, 'sms', '2026-03-13'), 2, 'the person consents again, in all accounts');
SELECT ok(retail.consent_of(:g, 'marketing', 'sms'), '... the later word counts');
SELECT is(retail.set_consent(:f, 'marketing', false, 'sms', '2026-03-01'), 2, 'an old no is heard late');
SELECT ok(retail.consent_of(:g, 'marketing', 'sms'), '... and is history');
SELECT is((SELECT count(*) FROM retail.consent_event x WHERE x.account_id IN (:f, :g)), 6::bigint, 'all of it is written down');
SELECT is(retail.set_consent(:f, 'marketing', false, 'sms', '2026-03-01'), 2, 'told twice');
SELECT is((SELECT count(*) FROM retail.consent_event x WHERE x.account_id IN (:f, :g)), 6::bigint, '... is written once');
SELECT raises('RT016', format('SELECT retail.set_consent(%s, %L, true)', :f, 'Marketing!'));
SELECT raises('RT016', format('SELECT retail.set_consent(%s, %L, NULL)', :f, 'marketing'));
SELECT raises('RT007', format('SELECT retail.set_consent(%s, %L, true)', :f + 1000, 'marketing'));
SELECT is(retail.split_member(:g, 'after all', '2026-03-14'), :g::bigint, 'when they are parted');
SELECT is(retail.consent_of(:f, 'marketing', 'sms') || ' ' || retail.consent_of(:f, 'marketing', 'push') || ' ' || retail.consent_of(:g, 'marketing', 'sms'), 'true false true', 'each has its own');

-- ---- at the till -----------------------------------------------------------------------------------------------

CREATE ROLE merge_test_store LOGIN IN ROLE retail_store;
SELECT is(as_role('merge_test_store', $$SELECT count(*) FROM retail.find_member('13901882211')$$), 'RT040', 'a store that is bound to no node finds nobody');
SELECT retail.put_node('S1', 'S1', 'store'), retail.bind_principal('merge_test_store', node => 'S1') \g /dev/null
SELECT is(as_role('merge_test_store', $$SELECT string_agg(concat_ws(' ', f.display_name, f.found_by, f.verified), ', ' ORDER BY f.member_id) FROM retail.find_member('１３９-0188-2211') f$$), 'F** F** phone t, G** G** phone t', 'a phone that two people share finds both, masked');
SELECT is(as_role('merge_test_store', format($$SELECT f.found_by || f.member_id FROM retail.find_member('M%s') f$$, :g)), 'member' || :g, 'by member number');
SELECT is(as_role('merge_test_store', $$SELECT count(*) FROM retail.find_member('13700000001')$$), '0', 'nobody');
SELECT is(as_role('merge_test_store', $$SELECT count(*) FROM retail.find_member('1', node => 'W1')$$), 'RT040', 'not at another node');
SELECT is((SELECT string_agg(concat_ws(' ', x.kind, x.found_by, x.actor, (SELECT n.code FROM retail.node n WHERE n.node_id = x.node_id), x.member_id IS NOT NULL), ', ' ORDER BY x.member_access_id) FROM retail.member_access x),
	'find phone merge_test_store S1 t, find phone merge_test_store S1 t, find member merge_test_store S1 t, find merge_test_store S1 f', 'who looked up whom is known, not by which value');
SELECT raises('RT017', $$SELECT retail.find_member(NULL)$$);
SELECT raises('RT005', $$SELECT retail.find_member('1', 'telex')$$);

-- ---- export and erasure ---------------------------------------------------------------------------------------

SELECT is((SELECT string_agg(k, ' ' ORDER BY k) FROM jsonb_object_keys(retail.export_member(:c)) k WHERE k IN ('accounts', 'identifiers', 'orders', 'consents', 'changes', 'decisions')), 'accounts changes consents decisions identifiers orders', 'all that is held');
SELECT is(retail.export_member(:c) #>> '{orders,0,recipient,name}', '孙三', '... with addresses');
SELECT raises('RT007', format('SELECT retail.export_member(%s)', :c + 1000));
SELECT is(retail.erase_member(:c, 'file 1', '2026-03-15'), jsonb_build_object('member_id', :c, 'accounts', 1, 'state', 'waiting', 'waits_for', 1), 'a person is forgotten, but for the address of an open order');
SELECT is((SELECT o.recipient ->> 'name' FROM retail.sales_order o WHERE o.external_no = 'O1'), '孙三', '... which is still there');
SELECT is((SELECT count(*) FROM retail.identifier i WHERE i.account_id = :c) + (SELECT count(*) FROM retail.match_key i WHERE i.account_id = :c), 0::bigint, 'identifiers and keys are gone');
SELECT is((SELECT concat_ws('|', a.external_id, a.full_name, a.birth_date, a.content_hash) FROM retail.account a WHERE a.account_id = :c), 'erased:' || :c, 'the account is a number');
SELECT is(retail.erase_member(:c, 'file 1', '2026-03-16') ->> 'state', 'waiting', 'twice is once');
SELECT is(retail.run_erasures('2026-03-16'), '0 erasures finished, 1 wait for orders', 'a run finds the order open');
SELECT retail.cancel_order('web', 'O1', reason => 'x', as_of => '2026-03-16') \g /dev/null
SELECT is(retail.run_erasures('2026-03-17'), '1 erasures finished, 0 wait for orders', '... and then finished');
SELECT is((SELECT concat_ws('|', o.recipient, o.latitude, o.total) FROM retail.sales_order o WHERE o.external_no = 'O1'), '10.00', 'the address is forgotten, the books are kept');
SELECT is(retail.run_erasures('2026-03-17'), 'nothing waits', 'nothing is left');
SELECT is(retail.erase_member(:c, 'file 1', '2026-03-18') ->> 'state', 'done', 'asked again, it is done');
SELECT raises('RT031', format('SELECT retail.merge_members(%s, %s, %L)', :c, :d, 'x'));
SELECT raises('RT031', format('SELECT retail.set_consent(%s, %L, true)', :c, 'marketing'));
SELECT is((SELECT u.outcome || ' ' || (u.account_id > :g) FROM retail.upsert_account('online', 'c', '孙三') u), 'created true', 'who comes again under the same number is a new person');
SELECT is_empty($$SELECT t.row FROM (SELECT to_jsonb(x)::text AS row FROM retail.member_change x UNION ALL SELECT to_jsonb(x)::text FROM retail.match_review x UNION ALL SELECT to_jsonb(x)::text FROM retail.account_exception x
	UNION ALL SELECT to_jsonb(x)::text FROM retail.member_erasure x UNION ALL SELECT to_jsonb(x)::text FROM retail.member_access x) t WHERE t.row ~ '孙三|ub01xx|13901882211'$$, 'no value of a person lies elsewhere');

SELECT is_empty('SELECT * FROM retail.check_integrity()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
