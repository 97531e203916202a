-- profile.sql: what is known of a person in one row, made one by one or all at once.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT no_plan();

INSERT INTO retail.member_source (code) VALUES ('app'), ('pos') \g /dev/null
INSERT INTO retail.account (account_id, source_id, external_id, full_name, registered_at, birth_date, gender, city, time_zone)
	SELECT i, s.source_id, 'u' || i, '王小' || i, '2026-01-01', CASE WHEN i = 1 THEN '1990-01-01' END, CASE WHEN i = 1 THEN 'f' END, CASE WHEN i = 1 THEN '上海' END, CASE WHEN i = 2 THEN 'Europe/Berlin' END
	FROM retail.member_source s, generate_series(1, 9) i WHERE s.code = 'app';
SELECT retail.put_region('R1', 'R1'), retail.put_region('R2', 'R2'), retail.put_category('C1', 'c'), retail.put_category('C2', 'c'), retail.put_channel('app', 'App', 'app'), retail.put_channel('pos', 'Pos', 'pos'),
	retail.put_sku('A', 'A', 1, category => 'C1', list_price => 10), retail.put_sku('B', 'B', 1, category => 'C2', list_price => 20), retail.put_sku('N', 'none', 1, list_price => 5),
	retail.put_node('S1', 'S1', 'store', 'R1'), retail.put_node('S2', 'S2', 'store', 'R2'), retail.put_node('W', 'W', 'warehouse', 'R1'),
	retail.put_carrier_service('std', 'C', 'std'), retail.put_lane('std', 'R2', 'z', 24, from_node => 'W'), retail.put_rate_card('std', 'z', 1000, 10, 1000, 1, valid_from => '2020-01-01 00:00+00') \g /dev/null
SELECT retail.receive_stock('in' || n, n, '[{"sku": "A", "qty": 10000}, {"sku": "B", "qty": 10000}, {"sku": "N", "qty": 10000}]', '2025-12-01') FROM unnest('{S1,S2,W}'::text[]) n \g /dev/null
CREATE FUNCTION pg_temp.buy(no text, who bigint, at timestamptz, sku text DEFAULT 'A', qty int DEFAULT 1, node text DEFAULT 'S1') RETURNS void LANGUAGE sql VOLATILE AS $$
	SELECT retail.record_sale('pos', $1, $6, jsonb_build_array(jsonb_build_object('sku', $4, 'qty', $5)), sold_at => $3, member_id => $2) $$;
CREATE FUNCTION pg_temp.look(no text, who bigint, at timestamptz, sku text DEFAULT 'A', kind text DEFAULT 'view') RETURNS void LANGUAGE sql VOLATILE AS $$
	SELECT retail.record_events(jsonb_build_array(jsonb_build_object('source', 'app', 'id', $1, 'kind', $5, 'at', $3, 'account', 'u' || $2, 'sku', $4)), as_of => $3) $$;
-- What a run says, but for how many it looked at: what this transaction wrote it looks at again and again.
CREATE FUNCTION pg_temp.run_rest(said text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT regexp_replace($1, '^\d+ people looked at: ', '') $$;
CREATE FUNCTION pg_temp.p(who bigint, what text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT to_jsonb(p) ->> $2 FROM retail.member_profile p WHERE p.member_id = $1 $$;

-- ---- one person --------------------------------------------------------------------------------------

SELECT retail.put_profile_setting(refit_every => '366 days') \g /dev/null
SELECT matches(retail.run_member_profile('2026-01-10'), '^9 people looked at, all: 0 profiles changed, 9 added', 'the first run makes everybody');
SELECT is(pg_temp.p(3, 'stage') || ' ' || pg_temp.p(3, 'orders'), 'new 0', 'who has just registered is new');
SELECT is(pg_temp.p(3, 'recency_score'), NULL, '... and has no scores');
SELECT is(round(pg_temp.p(1, 'completeness')::numeric, 3) || ' ' || round(pg_temp.p(2, 'completeness')::numeric, 3), '0.571 0.143', 'completeness counts what is known');
SELECT is(pg_temp.p(3, 'tier') || coalesce(pg_temp.p(3, 'points'), ' null'), 'regular null', 'no points are invented');
SELECT pg_temp.buy('1', 1, '2026-01-11 10:30+08', 'A', 3), pg_temp.buy('2', 1, '2026-01-11 11:30+08', 'N', 1), pg_temp.buy('3', 1, '2026-01-21 20:15+08', 'B', 2, 'S2') \g /dev/null
SELECT is(pg_temp.run_rest(retail.run_member_profile('2026-01-12')), '1 profiles changed, 0 added, 0 removed', 'the next run looks at who bought');
SELECT is(pg_temp.p(1, 'orders') || ' ' || pg_temp.p(1, 'purchase_days') || ' ' || pg_temp.p(1, 'monetary'), '2 1 35.00', 'what is dated ahead of as_of does not count yet');
SELECT is(pg_temp.run_rest(retail.run_member_profile('2026-01-12')), '0 profiles changed, 0 added, 0 removed', 'the same again changes nothing');
SELECT is(retail.run_member_profile('2026-01-11'), 'profiles are of 2026-01-12 00:00:00+00 already', 'time does not go back');
SELECT retail.run_member_profile('2026-01-22') \g /dev/null
SELECT is(pg_temp.p(1, 'orders') || ' ' || pg_temp.p(1, 'purchase_days') || ' ' || pg_temp.p(1, 'monetary'), '3 2 75.00', '... and then does');
SELECT is(pg_temp.p(1, 'preferred_hour') || ' ' || (SELECT n.code FROM retail.node n WHERE n.node_id = pg_temp.p(1, 'preferred_node_id')::bigint), '20 S1', 'the latest of three different hours weighs most, and the store of two purchases');
SELECT is((SELECT g.code FROM retail.region g WHERE g.region_id = pg_temp.p(1, 'region_id')::bigint), 'R2', 'the region is that of the last store');
SELECT is((SELECT string_agg(a.category || ' ' || round(a.share::numeric, 2) || ' ' || a.bought, ', ') FROM retail.member_affinity(1, '2026-01-22') a), 'C2 0.52 1, C1 0.48 1', 'a line of each category, ten days apart');
SELECT is(pg_temp.p(1, 'stage'), 'active', 'a second order ends being new');

-- ---- cancelled, returned, unpaid, guests -------------------------------------------------------------------

SELECT retail.return_order('r1', 'pos', '3', 'S2', '[{"sku": "B", "qty": 1}]', as_of => '2026-01-23') \g /dev/null
SELECT retail.run_member_profile('2026-01-24') \g /dev/null
SELECT is(pg_temp.p(1, 'orders') || ' ' || pg_temp.p(1, 'monetary'), '3 55.00', 'a return is taken off');
SELECT retail.return_order('r2', 'pos', '3', 'S2', '[{"sku": "B", "qty": 1}]', as_of => '2026-01-24') \g /dev/null
SELECT retail.run_member_profile('2026-01-25') \g /dev/null
SELECT is(pg_temp.p(1, 'orders') || ' ' || pg_temp.p(1, 'monetary') || ' ' || pg_temp.p(1, 'last_purchase_at'), '2 35.00 2026-01-11T03:30:00+00:00', 'of which nothing is kept was never bought');
SELECT is((SELECT string_agg(a.category, ', ') FROM retail.member_affinity(1) a), 'C1', '... nor liked');
SELECT retail.place_order('app', 'w1', '[{"sku": "B", "qty": 1}]', '{"region": "R2"}', member_id => 2, as_of => '2026-01-25 10:00+00') \g /dev/null
SELECT retail.run_member_profile('2026-01-26') \g /dev/null
SELECT is(pg_temp.p(2, 'orders'), '0', 'what is not paid is not bought');
SELECT retail.record_payment('app', 'w1', 'p1', (SELECT total FROM retail.sales_order WHERE external_no = 'w1'), as_of => '2026-01-25 10:05+00') \g /dev/null
SELECT retail.run_member_profile('2026-01-27') \g /dev/null
SELECT is(pg_temp.p(2, 'orders') || ' ' || pg_temp.p(2, 'monetary') || ' ' || pg_temp.p(2, 'preferred_hour') || ' ' || coalesce(pg_temp.p(2, 'preferred_node_id'), 'none'), '1 20.00 11 none', 'paid: without freight, at the hour of the person''s zone, in no store');
SELECT retail.cancel_order('app', 'w1', as_of => '2026-01-27') \g /dev/null
SELECT pg_temp.buy('guest', NULL, '2026-01-27'), pg_temp.buy('nobody', 777777, '2026-01-27') \g /dev/null
SELECT is(pg_temp.run_rest(retail.run_member_profile('2026-01-28')), '1 profiles changed, 0 added, 0 removed', 'guests and numbers of nobody are no people');
SELECT is(pg_temp.p(2, 'orders') || ' ' || pg_temp.p(2, 'monetary'), '0 0.00', 'a cancelled order was never bought');

-- ---- events -------------------------------------------------------------------------------------------------

SELECT pg_temp.look('e1', 3, '2026-01-20', 'A'), pg_temp.look('e2', 3, '2026-01-28', 'B', 'cart'), pg_temp.look('e3', 3, '2026-01-28', 'B', 'unheard_of') \g /dev/null
SELECT retail.run_member_profile('2026-01-29') \g /dev/null
SELECT is(pg_temp.p(3, 'events') || ' ' || pg_temp.p(3, 'last_event_at'), '3 2026-01-28T00:00:00+00:00', 'events are counted, late ones too');
SELECT is((SELECT string_agg(a.category || ' ' || round(a.score::numeric, 3) || ' ' || a.bought, ', ') FROM retail.member_affinity(3, '2026-01-28') a), 'C2 2.000 0, C1 0.940 0', 'interests decay by half in 90 days; who only looked has bought nothing');
SELECT is((SELECT round(a.score::numeric, 3) FROM retail.member_affinity(3, '2026-04-28') a LIMIT 1), 1.000, '... without anything being written');
SELECT retail.record_events('[{"source": "app", "id": "s1", "kind": "view", "at": "2026-01-20T00:00:00Z", "account": "u10", "sku": "A"}]') \g /dev/null
INSERT INTO retail.account (account_id, source_id, external_id, registered_at) SELECT 10, s.source_id, 'u10', '2026-01-29' FROM retail.member_source s WHERE s.code = 'app';
SELECT retail.touch_profile('{10,NULL}') \g /dev/null
SELECT is(pg_temp.run_rest(retail.run_member_profile('2026-01-30')), '0 profiles changed, 1 added, 0 removed', 'a new account is queued');
SELECT is(pg_temp.p(10, 'events'), '1', '... and what a stranger did before is now the person''s');

-- ---- stages by time alone -------------------------------------------------------------------------------------

SELECT results_eq($$SELECT stage, position FROM retail.life_cycle_rule ORDER BY position$$, $$VALUES ('new', 10), ('active', 20), ('at_risk', 30), ('dormant', 40), ('lost', 50)$$, 'five stages');
SELECT is(pg_temp.run_rest(retail.run_member_profile('2026-01-30 23:59:59')), '0 profiles changed, 0 added, 0 removed', 'nothing happens ...');
SELECT is(pg_temp.run_rest(retail.run_member_profile('2026-01-31 00:00')), '8 profiles changed, 0 added, 0 removed', '... until 30 days are over');
SELECT is((SELECT string_agg(DISTINCT stage, ' ' ORDER BY stage) FROM retail.member_profile), 'active new', '... then those who registered on New Year''s Day are new no more');
SELECT retail.run_member_profile('2026-03-12 03:29:59') \g /dev/null
SELECT is(pg_temp.p(1, 'stage'), 'active', '60 days after the last purchase less a second');
SELECT retail.run_member_profile('2026-03-12 03:30:00') \g /dev/null
SELECT is(pg_temp.p(1, 'stage'), 'at_risk', '60 days');
SELECT retail.run_member_profile('2026-04-11 03:30:00') \g /dev/null
SELECT is(pg_temp.p(1, 'stage'), 'dormant', '90 days');
SELECT retail.put_profile_setting(refit_every => '365 days') \g /dev/null
SELECT retail.run_member_profile('2027-01-10') \g /dev/null
SELECT retail.run_member_profile('2027-01-11 03:30:00') \g /dev/null
SELECT is(pg_temp.p(1, 'stage') || coalesce(pg_temp.p(1, 'next_change_at'), ' for ever'), 'lost for ever', 'a year');
SELECT pg_temp.buy('back', 1, '2027-01-12') \g /dev/null
SELECT retail.run_member_profile('2027-01-12') \g /dev/null
SELECT is(pg_temp.p(1, 'stage'), 'active', 'and back');

-- ---- rules ------------------------------------------------------------------------------------------------------

SELECT is(retail.put_life_cycle_rule('active', 20, 'activity', 10), 'updated', 'a rule is changed');
SELECT matches(retail.run_member_profile('2027-01-25'), '^10 people looked at, all: ', '... which makes all anew');
SELECT is(pg_temp.p(1, 'stage'), 'at_risk', '... by it');
SELECT is(retail.put_life_cycle_rule('loyal', 15, 'purchase', 30), 'created', 'a stage is added');
SELECT retail.drop_life_cycle_rule('loyal') \g /dev/null
SELECT raises('RT016', $$SELECT retail.put_life_cycle_rule('Stage', 60)$$);
SELECT raises('RT016', $$SELECT retail.put_life_cycle_rule(NULL, 60)$$);
SELECT raises('RT016', $$SELECT retail.put_life_cycle_rule('x', 0)$$);
SELECT raises('RT016', $$SELECT retail.put_life_cycle_rule('x', 20)$$, 'a position is given once');
SELECT raises('RT016', $$SELECT retail.put_life_cycle_rule('x', 25, 'birthday')$$);
SELECT raises('RT016', $$SELECT retail.put_life_cycle_rule('x', 25, below_days => 0)$$);
SELECT raises('RT016', $$SELECT retail.put_life_cycle_rule('x', 25, below_days => 5, most_orders => -1)$$);
SELECT raises('RT016', $$SELECT retail.put_life_cycle_rule('x', 25)$$, 'nobody would come past it');
SELECT raises('RT016', $$SELECT retail.put_life_cycle_rule('lost', 50, below_days => 10)$$, 'somebody would have no stage');
SELECT raises('RT016', $$SELECT retail.drop_life_cycle_rule('lost')$$, 'likewise');
SELECT raises('RT005', $$SELECT retail.drop_life_cycle_rule('none')$$);
SELECT raises('RT016', $$SELECT retail.put_profile_setting(half_life_days => 'NaN')$$);
SELECT raises('RT016', $$SELECT retail.put_profile_setting(half_life_days => 0)$$);
SELECT raises('RT016', $$SELECT retail.put_profile_setting(time_zone => 'Mars')$$);
SELECT raises('RT016', $$SELECT retail.put_profile_setting(horizon_days => 0)$$);
SELECT raises('RT016', $$SELECT retail.put_profile_setting(refit_every => '1 second')$$);
SELECT raises('RT016', $$SELECT retail.put_profile_setting(smallest_group => 0)$$);
SELECT raises('RT016', $$SELECT retail.put_affinity_weight('view', 'NaN')$$);
SELECT raises('RT016', $$SELECT retail.put_affinity_weight('View', 1)$$);
SELECT is(retail.put_affinity_weight('unheard_of', 3) || retail.put_affinity_weight('unheard_of', 4) || retail.put_affinity_weight('unheard_of', 0), 'createdupdatedremoved', 'weights come, change and go');
SELECT raises('RT014', $$SELECT retail.run_member_profile('infinity')$$);
SELECT raises('RT014', $$SELECT retail.run_member_profile(NULL, true)$$);

-- ---- merged and split ----------------------------------------------------------------------------------------------

SELECT pg_temp.buy('m1', 5, '2027-01-20', 'A', 1), pg_temp.buy('m2', 6, '2027-01-21', 'B', 4), pg_temp.look('e9', 6, '2027-01-22', 'A') \g /dev/null
SELECT retail.run_member_profile('2027-01-25 12:00', true) \g /dev/null
SELECT to_jsonb(p) - 'updated_at' AS five FROM retail.member_profile p WHERE member_id = 5 \gset
SELECT to_jsonb(p) - 'updated_at' AS six FROM retail.member_profile p WHERE member_id = 6 \gset
SELECT retail.merge_members(6, 5, 'same') \g /dev/null
SELECT is(pg_temp.run_rest(retail.run_member_profile('2027-01-25 12:00')), '1 profiles changed, 0 added, 1 removed', 'after a merge one profile goes');
SELECT is(pg_temp.p(5, 'accounts') || ' ' || pg_temp.p(5, 'orders') || ' ' || pg_temp.p(5, 'monetary') || ' ' || pg_temp.p(5, 'events'), '2 2 90.00 1', '... and the other has the facts of both');
SELECT retail.split_member(6, 'not the same') \g /dev/null
SELECT is(retail.refresh_profile(6, '2027-01-25 12:00') AND retail.refresh_profile(5, '2026-01-01'), true, 'after a split both can be made at once');
SELECT is((SELECT to_jsonb(p) - 'updated_at' FROM retail.member_profile p WHERE member_id = 5), :'five'::jsonb, '... and are what they were');
SELECT is((SELECT to_jsonb(p) - 'updated_at' FROM retail.member_profile p WHERE member_id = 6), :'six'::jsonb, '... both');
SELECT is(retail.refresh_profile(NULL), false, 'nobody is nobody');
SELECT is(retail.refresh_profile(424242), true, 'a number of nobody has no profile');
SELECT is(pg_temp.p(424242, 'stage'), NULL, '... indeed');

-- ---- consent and identifiers -----------------------------------------------------------------------------------------

SELECT retail.set_consent(7, 'marketing', true, 'sms', now(), one_account => true), retail.set_consent(7, 'marketing', true, 'email', now(), one_account => true), retail.set_consent(8, 'marketing', false, 'email', now(), one_account => true),
	retail.set_consent(8, 'service', true, 'any', now(), one_account => true), retail.set_consent(9, 'marketing', true, 'sms', now()), retail.set_consent(9, 'marketing', false, 'any', now()), retail.set_consent(9, 'profiling', true, 'any', now()) \g /dev/null
INSERT INTO retail.identifier (account_id, type, value, verified) VALUES (7, 'phone', '+8613800000007', true), (8, 'email', 'a@b.cn', false);
INSERT INTO retail.identifier (account_id, type, value, verified, valid_to) VALUES (9, 'phone', '+8613800000009', true, '2026-01-01');
SELECT retail.merge_members(7, 8, 'same') \g /dev/null
SELECT retail.run_member_profile('2027-01-25 12:00') \g /dev/null
SELECT is(pg_temp.p(7, 'consent'), '["marketing/sms", "service/any"]', 'the stricter of the accounts counts');
SELECT is(pg_temp.p(9, 'consent'), '["profiling/any"]', 'who refuses all channels refuses each');
SELECT is(pg_temp.p(7, 'phone_verified') || pg_temp.p(7, 'email_verified') || pg_temp.p(9, 'phone_verified'), 'truefalsefalse', 'verified is what is and still holds');
SELECT is(round(pg_temp.p(7, 'completeness')::numeric * 7), 4::numeric, 'name, phone, e-mail, something verified');

-- ---- the till ------------------------------------------------------------------------------------------------------

SELECT pg_temp.buy('t1', 7, '2027-01-24', 'A', 2), pg_temp.look('t2', 7, '2027-01-24', 'B') \g /dev/null
SELECT retail.run_member_profile('2027-01-25 13:00') \g /dev/null
CREATE ROLE profile_till IN ROLE retail_store;
SELECT raises_as('profile_till', 'RT040', $$SELECT retail.member_at_till('13800000007')$$);
SELECT retail.bind_principal('profile_till', 'S1') \g /dev/null
SELECT as_role('profile_till', $$SELECT retail.member_at_till('13800000007')$$) AS card \gset
SELECT is(:'card'::jsonb ->> 'member' || ' ' || (:'card'::jsonb ->> 'name') || ' ' || (:'card'::jsonb ->> 'stage') || ' ' || (:'card'::jsonb ->> 'tier'), '7 王** active regular', 'a store sees whom it serves, without the name');
SELECT is(:'card'::jsonb #>> '{purchases,0,skus,0}' || (:'card'::jsonb #>> '{looked_at,0,sku}') || (:'card'::jsonb #>> '{likes,0,category}'), 'ABC1', '... what was bought, looked at online and liked');
SELECT is(as_role('profile_till', $$SELECT retail.member_at_till('13800000008')$$), NULL, 'nobody');
SELECT raises_as('profile_till', 'RT017', $$SELECT retail.member_at_till(repeat('1', 400))$$);
SELECT raises_as('profile_till', '42501', 'SELECT * FROM retail.member_profile');
SELECT raises_as('retail_bi', '42501', 'SELECT stage FROM retail.member_profile');

-- ---- telling and forgetting -------------------------------------------------------------------------------------------

SELECT ok(retail.export_member(8) @> '{"profile": {"member_id": 7, "stage": "active", "orders": 1, "affinities": [{"category": "C1"}]}}', 'a profile is told');
SELECT retail.erase_member(7, 'asked') \g /dev/null
SELECT is((SELECT count(*) FROM retail.member_profile WHERE member_id IN (7, 8)) + (SELECT count(*) FROM retail.event WHERE account_id IN (7, 8)), 0::bigint, 'a profile is forgotten, and who did what');
SELECT retail.touch_profile('{7,8}'), retail.run_member_profile('2027-01-26'), retail.run_member_profile('2027-01-26', true) \g /dev/null
SELECT is((SELECT count(*) FROM retail.member_profile WHERE member_id IN (7, 8)), 0::bigint, '... and does not come again');
SELECT is((SELECT count(*) FROM retail.sales_order WHERE member_id = 7), 1::bigint, 'the books stay');

-- ---- who may -------------------------------------------------------------------------------------------------------

SELECT raises_as('retail_service', '42501', 'SELECT retail.run_member_profile()');
SELECT raises_as('retail_app', '42501', $$SELECT retail.put_life_cycle_rule('lost', 50)$$);
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound at the end');
SELECT * FROM finish();
ROLLBACK;
