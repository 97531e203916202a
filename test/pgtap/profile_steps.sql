-- profile_steps.sql: random histories, taken in step by step, give the same profiles as all at once; so does every consent.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT no_plan();
SELECT setseed(0.42) \g /dev/null

INSERT INTO retail.member_source (code) VALUES ('app') \g /dev/null
INSERT INTO retail.account (account_id, source_id, external_id, full_name, registered_at)
	SELECT i, s.source_id, 'u' || i, '王' || i, '2026-01-01'::timestamptz + random() * interval '100 days' FROM retail.member_source s, generate_series(1, 60) i;
SELECT setval(pg_get_serial_sequence('retail.account', 'account_id'), 60) \g /dev/null
SELECT retail.put_region('R', 'R'), retail.put_category('C' || c, 'c') FROM generate_series(1, 12) c \g /dev/null
SELECT retail.put_sku('K' || k, 'k', 1, category => 'C' || 1 + k % 12, list_price => 1 + k) FROM generate_series(1, 30) k \g /dev/null
SELECT retail.put_channel('app', 'App', 'app'), retail.put_channel('pos', 'Pos', 'pos'), retail.put_node('S' || i, 'S', 'store', 'R') FROM generate_series(1, 4) i \g /dev/null
SELECT retail.adjust_stock('in' || i, 'S' || i, (SELECT jsonb_agg(jsonb_build_object('sku', code, 'qty', 100000)) FROM retail.sku), 'found') FROM generate_series(1, 4) i \g /dev/null
SELECT retail.put_profile_setting(refit_every => '366 days', half_life_days => 20) \g /dev/null
SELECT retail.put_life_cycle_rule('active', 20, 'activity', 13) \g /dev/null

-- Something at random happens at a time, some of it late, some of it written ahead of its time.
CREATE FUNCTION pg_temp.happen(n int, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	who bigint := 1 + floor(60 * random() ^ 2);
	other bigint := 1 + floor(60 * random());
	dice double precision := random();
	moved timestamptz := at + (random() - 0.6) * interval '9 days';
	o record;
BEGIN
	IF dice < 0.35 THEN
		PERFORM retail.record_sale('pos', 'o' || n, 'S' || 1 + floor(4 * random()), (SELECT jsonb_agg(jsonb_build_object('sku', 'K' || 1 + (n * 7 + i * 3) % 30, 'qty', 1 + (n + i) % 3)) FROM generate_series(1, 1 + n % 3) i),
			sold_at => moved, member_id => CASE WHEN random() < 0.9 THEN who END);
	ELSIF dice < 0.7 THEN
		PERFORM retail.record_events(jsonb_build_array(jsonb_build_object('source', 'app', 'id', 'e' || n, 'kind', (ARRAY['view', 'cart', 'click', 'store_visit'])[1 + n % 4], 'at', moved,
			'account', 'u' || CASE WHEN random() < 0.1 THEN 60 + floor(random() * 10) ELSE who END, 'sku', 'K' || 1 + n % 30)), as_of => at + interval '20 days');
	ELSIF dice < 0.8 THEN
		SELECT s.external_no, k.code, s.placed_at INTO o FROM retail.sales_order s JOIN retail.order_line l USING (order_id) JOIN retail.sku k USING (sku_id) WHERE l.returned < l.quantity AND s.placed_at < at ORDER BY random() LIMIT 1;
		IF FOUND THEN
			PERFORM retail.return_order('r' || n, 'pos', o.external_no, 'S1', jsonb_build_array(jsonb_build_object('sku', o.code, 'qty', 1)), as_of => greatest(at, o.placed_at));
		END IF;
	ELSIF dice < 0.88 AND who <> other THEN
		PERFORM retail.merge_members(who, other, 'same', as_of => at);
	ELSIF dice < 0.94 THEN
		PERFORM retail.split_member(who, 'not the same', as_of => at) FROM retail.member_link l WHERE l.account_id = who;
	ELSIF dice < 0.97 THEN
		PERFORM retail.set_consent(who, (ARRAY['marketing', 'profiling'])[1 + n % 2], random() < 0.6, (ARRAY['sms', 'email', 'any'])[1 + n % 3], at => moved, one_account => random() < 0.5);
	ELSE
		PERFORM retail.upsert_account('app', 'u' || 61 + floor(random() * 10), 'stranger ' || n, as_of => at);
	END IF;
END $$;
-- Differences between the profiles and what they are when all are made anew by the same figures.
CREATE FUNCTION pg_temp.differ(at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	made record;
BEGIN
	SELECT m.* INTO made FROM retail.make_profiles(NULL, at, false) m;
	RETURN made.changed + made.added + made.removed;
END $$;

SELECT pg_temp.happen(i, '2026-02-01'::timestamptz + i * interval '1 hour') FROM generate_series(1, 400) i \g /dev/null
SELECT matches(retail.run_member_profile('2026-02-20'), ' all: ', 'everybody is made once');
SELECT is((SELECT m.r > 0 AND m.p > 0 AND m.interval_within > 0 AND cardinality(m.recency_breaks) = 4 FROM retail.profile_model m ORDER BY 1 DESC LIMIT 1), true, 'there is a model of each kind');
CREATE TEMP TABLE steps (step int, said text, differ bigint);
DO $$
DECLARE
	at timestamptz := '2026-02-20';
	said text;
BEGIN
	FOR step IN 1 .. 40 LOOP
		PERFORM pg_temp.happen(400 + step * 30 + i, at + i * interval '1 hour') FROM generate_series(1, floor(30 * random())::int) i;
		at := at + random() * interval '4 days';
		said := retail.run_member_profile(at);
		INSERT INTO steps VALUES (step, said, pg_temp.differ(at));
	END LOOP;
END $$;
SELECT is((SELECT count(*) FROM steps WHERE said LIKE '%all:%'), 0::bigint, 'then people step by step');
SELECT cmp_ok((SELECT count(DISTINCT said) FROM steps), '>', 20::bigint, '... of whom something changed');
SELECT is_empty('SELECT * FROM steps WHERE differ <> 0', '... and each time they are what they are when all are made anew');
SELECT is((SELECT count(*) FROM retail.member_profile), (SELECT count(*) FROM retail.member m WHERE NOT m.erased), 'one profile a person');
SELECT cmp_ok((SELECT count(*) FROM retail.member_link), '>', 5::bigint, 'some were merged');
SELECT is((SELECT sum(p.orders) FROM retail.member_profile p), (SELECT count(*) FROM retail.sales_order o WHERE o.member_id IS NOT NULL AND o.placed_at <= (SELECT as_of FROM retail.profile_state) AND o.total > o.returned_amount)::bigint, 'no order is lost or counted twice');
SELECT is((SELECT sum(p.monetary) FROM retail.member_profile p), (SELECT sum(o.total - o.returned_amount) FROM retail.sales_order o WHERE o.member_id IS NOT NULL AND o.placed_at <= (SELECT as_of FROM retail.profile_state)), '... nor any money');
SELECT is((SELECT sum(p.events) FROM retail.member_profile p), (SELECT count(*) FROM retail.event e WHERE e.account_id IS NOT NULL AND e.happened_at <= (SELECT as_of FROM retail.profile_state))::numeric, '... nor any event');

-- The same figures by statements of our own.
SELECT is_empty($$
	SELECT p.member_id FROM retail.member_profile p LEFT JOIN (
		SELECT retail.member_of(o.member_id) AS member_id, count(*) AS orders, count(DISTINCT (o.placed_at AT TIME ZONE 'Asia/Shanghai')::date) AS days, sum(o.total - o.returned_amount) AS monetary, max(o.placed_at) AS last
		FROM retail.sales_order o WHERE o.member_id IS NOT NULL AND o.placed_at <= (SELECT as_of FROM retail.profile_state) AND o.total > o.returned_amount GROUP BY 1) x USING (member_id)
	WHERE (p.orders, p.purchase_days, p.monetary, p.last_purchase_at) IS DISTINCT FROM (coalesce(x.orders, 0), coalesce(x.days, 0), coalesce(x.monetary, 0), x.last)$$, 'orders, days, money and last purchase, by a query');
SELECT is_empty($$
	SELECT p.member_id, a.category_id FROM retail.member_profile p CROSS JOIN LATERAL unnest(p.affinity_category, p.affinity_score) a (category_id, score) JOIN (
		SELECT retail.member_of(i.who) AS member_id, i.category_id, sum(i.weight * 2 ^ (extract(epoch FROM i.at - '2026-01-01') / 86400 / 20)) AS score FROM (
			SELECT o.member_id AS who, k.category_id, 5 AS weight, o.placed_at AS at FROM retail.sales_order o JOIN retail.order_line l USING (order_id) JOIN retail.sku k USING (sku_id)
				WHERE o.member_id IS NOT NULL AND o.total > o.returned_amount AND l.quantity > l.returned
			UNION ALL SELECT e.account_id, e.category_id, w.weight, e.happened_at FROM retail.event e JOIN retail.affinity_weight w USING (kind) WHERE e.account_id IS NOT NULL) i
		WHERE i.at <= (SELECT as_of FROM retail.profile_state) GROUP BY 1, 2) x ON (x.member_id, x.category_id) = (p.member_id, a.category_id)
	WHERE abs(log(2.0, x.score::numeric) - (a.score - extract(epoch FROM '2026-01-01'::timestamptz - '2000-01-01') / 86400 / 20)::numeric) > 1e-6$$, 'affinities, by a query');
SELECT is_empty($$
	SELECT p.member_id, p.consent, x.consent FROM retail.member_profile p, LATERAL (
		SELECT coalesce(array_agg(DISTINCT c.purpose || '/' || c.channel ORDER BY c.purpose || '/' || c.channel) FILTER (WHERE retail.consent_of(p.member_id, c.purpose, c.channel)), '{}') AS consent
		FROM retail.consent c WHERE c.account_id IN (SELECT retail.member_accounts(p.member_id))) x
	WHERE x.consent IS DISTINCT FROM p.consent$$, 'consent is what consent_of() says');

SELECT matches(retail.run_member_profile((SELECT as_of FROM retail.profile_state), true), ' 0 added, 0 removed$', 'a full run fits the figures anew');
SELECT is(pg_temp.differ((SELECT as_of FROM retail.profile_state)), 0::bigint, '... and all are made by them');
SELECT is((SELECT count(*) FROM retail.member_profile p WHERE p.orders > 0 AND num_nulls(p.recency_score, p.alive, p.expected_orders, p.lifetime_value, p.next_purchase_at) > 0), 0::bigint, 'buyers have scores and predictions');
SELECT is((SELECT count(*) FROM retail.member_profile p WHERE p.orders > 0 AND NOT (p.next_purchase_from < p.next_purchase_at AND p.next_purchase_at < p.next_purchase_to AND p.alive BETWEEN 0 AND 1 AND p.lifetime_value >= 0)), 0::bigint, '... that make sense');
SELECT cmp_ok((SELECT abs(corr(p.recency_score, extract(epoch FROM p.last_purchase_at))) FROM retail.member_profile p), '>', 0.8::double precision, 'who bought lately scores high');

-- ---- what BI sees -----------------------------------------------------------------------------------

SELECT is((SELECT r.people::int FROM retail_bi.member_retention r WHERE r.months_later = 0 ORDER BY r.cohort LIMIT 1), (SELECT count(*)::int FROM retail.member_profile p WHERE p.first_purchase_at >= '2026-01-31 16:00' AND p.first_purchase_at < '2026-02-28 16:00'), 'a cohort is who bought first in a month of the chain');
SELECT is((SELECT r.buyers || '/' || r.repeat_buyers FROM retail_bi.member_repurchase r WHERE r.window_days = 30 AND r.channel IS NULL), (
	SELECT count(*) || '/' || count(*) FILTER (WHERE x.n > 1) FROM (SELECT count(*) AS n FROM retail.sales_order o CROSS JOIN retail.profile_state s WHERE o.member_id IS NOT NULL AND o.total > o.returned_amount AND o.placed_at BETWEEN s.as_of - interval '30 days' AND s.as_of GROUP BY retail.member_of(o.member_id)) x), 'repurchase, by a query');
SELECT is_empty('SELECT * FROM retail_bi.member_life_cycle WHERE people < 10', 'no small group is shown, by stage');
SELECT is_empty('SELECT * FROM retail_bi.member_rfm WHERE people < 10', '... by score');
SELECT is_empty('SELECT * FROM retail_bi.member_retention WHERE people < 10', '... by cohort');
SELECT is_empty('SELECT * FROM retail_bi.member_repurchase WHERE buyers < 10', '... by channel');
SELECT retail.put_profile_setting(smallest_group => 1) \g /dev/null
SELECT retail.run_member_profile((SELECT as_of FROM retail.profile_state)) \g /dev/null
SELECT is((SELECT sum(l.people) FROM retail_bi.member_life_cycle l), (SELECT count(*) FROM retail.member_profile)::numeric, 'all groups together are all people');
SELECT is((SELECT sum(l.people) FROM retail_bi.member_rfm l), (SELECT count(*) FROM retail.member_profile WHERE orders > 0)::numeric, '... and all cells all buyers');
SELECT is(as_role('retail_bi', 'SELECT count(*) > 0 FROM retail_bi.member_life_cycle, retail_bi.member_rfm, retail_bi.member_retention, retail_bi.member_repurchase'), 'true', 'BI reads its views');
SELECT is_empty($$SELECT c.table_name, c.column_name FROM information_schema.column_privileges c WHERE c.grantee = 'retail_bi' AND c.table_name IN ('member_profile', 'event', 'event_exception', 'profile_queue', 'account', 'identifier')$$, '... and nothing of a person');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound at the end');
SELECT * FROM finish();
ROLLBACK;
