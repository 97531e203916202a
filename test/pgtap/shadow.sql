-- shadow.sql: what a shadow policy would do is recorded beside what is done,
-- and never gets in its way.
BEGIN;
SET client_min_messages = error;
SET TIME ZONE 'UTC';
SELECT plan(25);

SELECT retail.put_region('CN', '中国'), retail.put_region('SH', '上海', 'CN', 31.23, 121.47), retail.put_channel('app', 'App', 'app'), retail.put_channel('vip', 'VIP', 'app'),
	retail.put_sku('A', 'A', 500, list_price => 10), retail.put_sku('B', 'B', 500, list_price => 10), retail.put_sku('C', 'C', 500, list_price => 10),
	retail.put_node('N1', 'has A', 'warehouse', 'SH'), retail.put_node('N2', 'has B', 'warehouse', 'SH'), retail.put_node('FAR', 'has all', 'warehouse', 'SH'),
	retail.put_carrier_service('std', 'C', 'std'), retail.put_lane('std', 'CN', 'near', 24, 'N1'), retail.put_lane('std', 'CN', 'near', 24, 'N2'), retail.put_lane('std', 'CN', 'far', 72, 'FAR'),
	retail.put_rate_card('std', 'near', 1000, 5, 1000, 1), retail.put_rate_card('std', 'far', 1000, 9, 1000, 1), retail.put_allocation_policy('standard', 'active', lateness_per_day => 4) \g /dev/null
SELECT retail.receive_stock('in', n, l, '2026-03-01') FROM (VALUES ('N1', '[{"sku": "A", "qty": 20}]'::jsonb), ('N2', '[{"sku": "B", "qty": 10}]'), ('FAR', '[{"sku": "A", "qty": 10}, {"sku": "B", "qty": 10}, {"sku": "C", "qty": 10}]')) v (n, l) \g /dev/null

CREATE FUNCTION pg_temp.place(no text, skus text, channel text DEFAULT 'app') RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT (SELECT string_agg(p ->> 'node', '+') FROM jsonb_array_elements(o.parcels) p)
	FROM retail.place_order(channel, no, (SELECT jsonb_agg(jsonb_build_object('sku', s, 'qty', 1)) FROM regexp_split_to_table(skus, '') s), '{"region": "SH"}', as_of => '2026-03-02 02:00+00') o $$;
CREATE FUNCTION pg_temp.shadows(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', p.code, s.status, s.reason, s.same_plan, array_to_string(s.nodes, '+'), s.cost, s.acting_plan_cost, s.cost_by_acting, s.acting_plan_cost_by_acting, s.n_parcels, s.acting_parcels, s.freight, s.acting_freight,
		to_char(s.promised_at, 'DD HH24:MI'), to_char(s.acting_promised_at, 'DD HH24:MI')), '; ' ORDER BY p.code), 'none')
	FROM retail.allocation_shadow s JOIN retail.sales_order o USING (order_id) JOIN retail.allocation_policy p USING (policy_id) WHERE o.external_no = no $$;

SELECT is(pg_temp.place('O0', 'A') || ': ' || pg_temp.shadows('O0'), 'N1: none', 'without shadows nothing is recorded');
-- two near parcels: 5 + 5 + 2; one far: 9, promised 72 + 6 h, 30 h late: 2 days at 4
SELECT is(pg_temp.place('O1', 'AB'), 'N1+N2', 'what the acting policy does');
SELECT isnt(retail.put_allocation_policy('frugal', 'shadow', lateness_per_day => 1), NULL, 'a shadow that does not mind being late');
SELECT is(pg_temp.place('O2', 'AB'), 'N1+N2', '... changes nothing of what is done');
SELECT is(pg_temp.shadows('O2'), 'frugal planned f FAR 11.00 12.00 17.00 12.00 1 2 9.00 10.00 05 08:00 03 08:00', '... and is recorded: both plans by both weights');
SELECT is(pg_temp.place('O3', 'A') || ': ' || pg_temp.shadows('O3'), 'N1: frugal planned t N1 5.00 5.00 5.00 5.00 1 1 5.00 5.00 03 08:00 03 08:00', 'where both agree it says so');
SELECT is((SELECT count(*) FROM retail.quote_order('app', '[{"sku": "A", "qty": 1}]', '{"region": "SH"}')), 1::bigint, 'a quote is decided by the acting policy');
SELECT is((SELECT count(*) FROM retail.allocation_shadow), 2::bigint, '... and not recorded');
SELECT isnt(retail.put_allocation_policy('alone', 'shadow', 'vip', max_parcels => 1, lateness_per_day => 400), NULL, 'a shadow of one channel, of one parcel');
SELECT is(pg_temp.place('O4', 'AB') || ': ' || pg_temp.shadows('O4'), 'N1+N2: frugal planned f FAR 11.00 12.00 17.00 12.00 1 2 9.00 10.00 05 08:00 03 08:00', 'is not asked of another');
SELECT retail.adjust_stock('out', 'FAR', '[{"sku": "B", "qty": -10}]', 'shrinkage', '2026-03-02') \g /dev/null
SELECT is(pg_temp.place('O5', 'AB', 'vip') || ': ' || pg_temp.shadows('O5'), 'N1+N2: alone no_plan no plan within the limits f 12.00 2 10.00 03 08:00; frugal planned t N1+N2 12.00 12.00 12.00 12.00 2 2 10.00 10.00 03 08:00 03 08:00',
	'... and says when it has no plan');
SELECT retail.put_stock_prices('[{"sku": "A", "node": "N1", "scarcity": 3}]') \g /dev/null
SELECT isnt(retail.put_allocation_policy('frugal', 'shadow', lateness_per_day => 1, scarcity_weight => 2), NULL, 'a shadow that keeps scarce stock');
SELECT is(pg_temp.place('O6', 'A') || ': ' || pg_temp.shadows('O6'), 'N1: frugal planned t N1 11.00 11.00 8.00 8.00 1 1 5.00 5.00 03 08:00 03 08:00', 'prices count by its weights: 5 + 2 x 3 and 5 + 3');
SELECT is((SELECT sum(s.acting_plan_cost_by_acting - d.cost) FROM retail.allocation_shadow s JOIN retail.allocation_decision d USING (order_id, decided_at)), 0.00, 'a plan is priced as it was decided');
-- ---- capacity: the shadow counts the parcels of nodes that only it chooses ----
SELECT retail.put_stock_prices('[{"sku": "A", "node": "N1", "scarcity": 0}]'), retail.put_node('FAR', 'has all', 'warehouse', 'SH', daily_capacity => 0), retail.receive_stock('in2', 'FAR', '[{"sku": "B", "qty": 10}]', '2026-03-01') \g /dev/null
SELECT is(pg_temp.place('O7', 'AB') || ': ' || pg_temp.shadows('O7'), 'N1+N2: frugal planned t N1+N2 12.00 12.00 12.00 12.00 2 2 10.00 10.00 03 08:00 03 08:00', 'a node that is full is full for the shadow too');
SELECT is((SELECT string_agg(concat_ws(' ', policy, acting_policy, decisions, without_plan, same_plan_share, parcels, acting_parcels, freight, acting_freight, promise_hours, acting_promise_hours, cost, acting_plan_cost, cost_by_acting, acting_plan_cost_by_acting), '; ' ORDER BY policy)
	FROM retail_bi.policy_comparison WHERE policy LIKE 'frugal%'), 'frugal@1 standard@2 4 0 0.5000 1.2500 1.7500 8.2500 8.7500 54.00 30.00 9.7500 10.2500 12.7500 10.2500; frugal@2 standard@2 2 0 1.0000 1.5000 1.5000 7.5000 7.5000 30.00 30.00 11.5000 11.5000 10.0000 10.0000',
	'the comparison');
SELECT is((SELECT concat_ws(' ', decisions, without_plan, parcels, acting_parcels) FROM retail_bi.policy_comparison WHERE policy = 'alone@1'), '1 1', 'decisions without a plan are in no mean');
-- ---- a failure is the shadow's ----
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the disk of the shadow is full'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON retail.allocation_shadow FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SELECT is(pg_temp.place('O8', 'AB') || ': ' || pg_temp.shadows('O8'), 'N1+N2: none', 'when the shadow cannot be written the order is');
DROP TRIGGER refuse ON retail.allocation_shadow;
SELECT is((SELECT count(*) FROM retail.check_integrity()), 0::bigint, 'and the books are right');
SELECT is(retail.activate_policy('frugal', 2), 'shadow', 'a shadow that did well is activated');
SELECT is(pg_temp.place('O9', 'A') || ': ' || pg_temp.shadows('O9'), 'N1: none', '... and decides');
SELECT is((SELECT trace ->> 'policy' FROM retail.allocation_decision JOIN retail.sales_order USING (order_id) WHERE external_no = 'O9'), 'frugal', '... itself');
SELECT is(retail.retire_policy('alone', 1), 'shadow', 'another is retired');
SELECT is(pg_temp.place('O10', 'A', 'vip') || ': ' || pg_temp.shadows('O10'), 'N1: none', '... and is not asked any more');
SELECT raises_as('retail_store', '42501', 'SELECT FROM retail.allocation_shadow');
SELECT * FROM retail.check_integrity();
SELECT * FROM finish();
ROLLBACK;
