-- policy.sql: versions of policies and their states, prices of stock and what
-- they do to a plan, the relief of ageing stock.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT plan(59);

SELECT retail.put_region('CN', '中国'), retail.put_region('SH', '上海', 'CN', 31.23, 121.47), retail.put_channel('app', 'App', 'app'), retail.put_channel('vip', 'VIP', 'app'),
	retail.put_category('food', 'Food'), retail.put_category('dairy', 'Dairy', 'food'),
	retail.put_sku('A', 'A', 500, list_price => 10), retail.put_sku('B', 'B', 500, list_price => 10),
	retail.put_sku('MILK', 'milk', 500, list_price => 10, category => 'dairy', shelf_life_days => 10), retail.put_sku('RICE', 'rice', 500, list_price => 20, category => 'food'),
	retail.put_node('NEAR', 'near', 'warehouse', 'SH'), retail.put_node('FAR', 'far', 'warehouse', 'SH'),
	retail.put_carrier_service('std', 'C', 'std'), retail.put_lane('std', 'CN', 'near', 24, 'NEAR'), retail.put_lane('std', 'CN', 'far', 24, 'FAR'),
	retail.put_rate_card('std', 'near', 1000, 5, 1000, 1), retail.put_rate_card('std', 'far', 1000, 8, 1000, 1) \g /dev/null
SELECT retail.receive_stock('in', n, '[{"sku": "A", "qty": 10}, {"sku": "B", "qty": 10}]', '2026-03-01') FROM unnest('{NEAR,FAR}'::text[]) n \g /dev/null

-- node, cost of one order line
CREATE FUNCTION pg_temp.quote(sku text, qty int DEFAULT 1, policy text DEFAULT NULL, channel text DEFAULT 'app') RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' ', parcels -> 0 ->> 'node', cost, parcels -> 0 ->> 'stock_value')
	FROM retail.quote_order(channel, jsonb_build_array(jsonb_build_object('sku', sku, 'qty', qty)), '{"region": "SH"}', policy => policy, as_of => '2026-03-02 02:00+00') $$;
CREATE FUNCTION pg_temp.policies() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(concat_ws(' ', p.code || '@' || version, c.code, status), ', ' ORDER BY p.code, version, c.code) FROM retail.allocation_policy p LEFT JOIN retail.channel c USING (channel_id) $$;

-- ---- versions ----------------------------------------------------------------------
SELECT is(retail.put_allocation_policy('standard', split_penalty => 9), 2, 'a change is a new version');
SELECT is(retail.put_allocation_policy('standard', split_penalty => 4), 3, '... and another');
SELECT is(retail.put_allocation_policy('vip', 'active', 'vip'), 1, 'a channel has a policy of its own');
SELECT is(pg_temp.policies(), 'standard@1 active, standard@2 draft, standard@3 draft, vip@1 vip active', 'drafts do not decide');
SELECT is((SELECT trace ->> 'policy_version' FROM retail.quote_order('app', '[{"sku": "A", "qty": 1}]', '{"region": "SH"}')), '1', 'the active version decides');
SELECT is((SELECT trace ->> 'policy_version' FROM retail.quote_order('app', '[{"sku": "A", "qty": 1}]', '{"region": "SH"}', policy => 'standard')), '3', 'a code names its newest version');
SELECT is((SELECT trace ->> 'policy_version' FROM retail.quote_order('app', '[{"sku": "A", "qty": 1}]', '{"region": "SH"}', policy => 'standard@2')), '2', 'code@version names one');
SELECT raises('RT005', format($$SELECT retail.quote_order('app', '[{"sku": "A", "qty": 1}]', '{"region": "SH"}', policy => %L)$$, p)) FROM unnest('{standard@4,standard@,standard@02,standard@2@2,stand@2,@2}'::text[]) p;
SELECT is(retail.activate_policy('standard', 2), 'draft', 'a draft is activated');
SELECT is(pg_temp.policies(), 'standard@1 retired, standard@2 active, standard@3 draft, vip@1 vip active', '... and what was active is retired, of its channel only');
SELECT is((SELECT trace ->> 'policy_version' FROM retail.quote_order('app', '[{"sku": "A", "qty": 1}]', '{"region": "SH"}')), '2', '... and decides');
SELECT is(retail.activate_policy('standard', 2), 'active', 'again: it stays as it is');
SELECT is(retail.activate_policy('standard', 1), 'retired', 'the way back');
SELECT is(pg_temp.policies(), 'standard@1 active, standard@2 retired, standard@3 draft, vip@1 vip active', '... to a retired version');
SELECT raises('RT016', $$SELECT retail.retire_policy('standard', 1)$$, 'somebody must decide');
SELECT is(retail.retire_policy('vip', 1), 'active', 'a channel can do without');
SELECT is((SELECT trace ->> 'policy' FROM retail.quote_order('vip', '[{"sku": "A", "qty": 1}]', '{"region": "SH"}')), 'standard', '... and falls back to the policy of all');
SELECT is(retail.retire_policy('vip', 1), 'retired', 'again: it stays as it is');
SELECT raises('RT005', $$SELECT retail.quote_order('app', '[{"sku": "A", "qty": 1}]', '{"region": "SH"}', policy => 'vip@1')$$, 'a retired version answers no quotes');
SELECT raises('RT005', $$SELECT retail.activate_policy('vip', 2)$$);
SELECT raises('RT005', $$SELECT retail.retire_policy(NULL, 1)$$);
SELECT raises('RT005', $$SELECT retail.activate_policy('standard', NULL)$$);
SELECT is(retail.put_allocation_policy('try', 'shadow'), 1, 'a shadow');
SELECT is(retail.put_allocation_policy('try', 'shadow', split_penalty => 3), 2, '... and its next version');
SELECT is(pg_temp.policies(), 'standard@1 active, standard@2 retired, standard@3 draft, try@1 retired, try@2 shadow, vip@1 vip retired', 'of a code one shadow is decided at a time');
SELECT raises_as('retail_app', '42501', $$SELECT retail.activate_policy('standard', 2)$$);
SELECT raises_as('retail_app', '42501', $$SELECT retail.make_policy_active(1, NULL)$$);

-- ---- prices of stock ---------------------------------------------------------------
SELECT is(pg_temp.quote('A'), 'NEAR 5.00', 'without prices the nearer node sends');
SELECT is(retail.put_stock_prices('[{"sku": "A", "node": "NEAR", "scarcity": 2}]'), 1, 'a unit is worth 2 there');
SELECT is(pg_temp.quote('A'), 'NEAR 7.00 2.00', '... which is a cost of the plan');
SELECT is(pg_temp.quote('A', 2), 'FAR 8.00', '... of each unit: two are sent from elsewhere');
SELECT is(pg_temp.quote('B', 2), 'NEAR 5.00', '... of that SKU');
SELECT is(retail.put_stock_prices('[{"sku": "A", "node": "FAR", "markdown": 4.50}]'), 1, 'a unit saves 4.50 elsewhere');
SELECT is(pg_temp.quote('A'), 'FAR 3.50 -4.50', '... which is a relief of the plan');
SELECT is(pg_temp.quote('A', 2), 'FAR -1.00 -9.00', '... and may exceed its cost');
SELECT is(retail.put_stock_prices('[{"sku": "A", "node": "FAR", "markdown": 4.50}, {"sku": "A", "node": "NEAR", "scarcity": 2}]'), 0, 'a retry changes nothing');
SELECT is(retail.put_stock_prices('[{"sku": "A", "node": "FAR", "scarcity": 4}]'), 1, 'both at once');
SELECT is(pg_temp.quote('A'), 'NEAR 7.00 2.00', '... a half is left of it');
SELECT is(retail.put_allocation_policy('blind', scarcity_weight => 0, markdown_weight => 0), 1, 'a policy that does not care');
SELECT is(pg_temp.quote('A', policy => 'blind'), 'NEAR 5.00', '... sends as if there were no prices');
SELECT is(retail.put_allocation_policy('half', scarcity_weight => 0.5, markdown_weight => 1.3333), 1, 'and one that weighs them');
SELECT is(pg_temp.quote('A', policy => 'half'), 'FAR 4.00 -4.00', '... 8 + 0.5 x 4 - 1.3333 x 4.50, to the cent');
SELECT order_id FROM retail.place_order('app', 'P1', '[{"sku": "A", "qty": 2}]', '{"region": "SH"}', policy => 'half', as_of => '2026-03-02 02:00+00') \gset
SELECT is((SELECT cost FROM retail.allocation_decision WHERE order_id = :order_id), 0.00, 'orders too');
SELECT is(retail.put_stock_prices('[{"sku": "A", "node": "FAR", "scarcity": 0, "markdown": 0}, {"sku": "A", "node": "NEAR", "scarcity": 0}]'), 2, 'prices are taken back');
SELECT is(pg_temp.quote('A', 2), 'NEAR 5.00', '... and do not count');

-- ---- the relief of ageing stock -----------------------------------------------------
SELECT is(retail.run_stock_prices('2026-03-20'), '0 prices of ageing stock, 0 changed', 'without rules nothing ages');
SELECT isnt(retail.put_markdown_rule(0.4, 'food'), NULL, 'food loses 40 % of its price in the second half of its life');
SELECT retail.receive_stock('m1', 'FAR', '[{"sku": "MILK", "qty": 6}, {"sku": "RICE", "qty": 6}]', '2026-03-01'), retail.receive_stock('m2', 'FAR', '[{"sku": "MILK", "qty": 4}]', '2026-03-06'),
	retail.adjust_stock('m3', 'FAR', '[{"sku": "MILK", "qty": -2}]', 'shrinkage', '2026-03-06 01:00+00'), retail.receive_stock('m4', 'NEAR', '[{"sku": "MILK", "qty": 5}]', '2026-03-06') \g /dev/null
CREATE FUNCTION pg_temp.prices() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(concat_ws(' ', k.code, n.code, p.scarcity, p.markdown), ', ' ORDER BY k.code, n.code) FROM retail.stock_price p JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id) WHERE p.scarcity + p.markdown > 0 $$;
SELECT is(retail.run_stock_prices('2026-03-06 02:00+00') || ': ' || coalesce(pg_temp.prices(), ''), '1 prices of ageing stock, 1 changed: MILK FAR 0.00 0.03', 'half a life old, two hours ago; rice keeps');
SELECT is(retail.run_stock_prices('2026-03-09') || ': ' || pg_temp.prices(), '1 prices of ageing stock, 1 changed: MILK FAR 0.00 1.20',
	'of 8 units 4 are the last in and 4 are 8 days old: 4/8 x 0.4 x 10 x (0.8 - 0.5) / 0.5');
SELECT is(retail.run_stock_prices('2026-03-09'), '1 prices of ageing stock, 0 changed', 'again: nothing');
SELECT is(retail.put_stock_prices('[{"sku": "MILK", "node": "NEAR", "scarcity": 0.75}, {"sku": "A", "node": "NEAR", "markdown": 1}]'), 2, 'fed beside it');
SELECT is(retail.run_stock_prices('2026-03-30') || ': ' || pg_temp.prices(), '2 prices of ageing stock, 2 changed: A NEAR 0.00 1.00, MILK FAR 0.00 4.00, MILK NEAR 0.75 4.00', 'past its life all of the rate; others'' prices stay');
SELECT isnt(retail.put_markdown_rule(0, 'dairy'), NULL, 'a nearer category has a rule of its own');
SELECT is(retail.run_stock_prices('2026-03-30') || ': ' || pg_temp.prices(), '0 prices of ageing stock, 2 changed: A NEAR 0.00 1.00, MILK NEAR 0.75 0.00', '... and what is relieved no more is taken back');
SELECT * FROM retail.check_integrity();
SELECT * FROM finish();
ROLLBACK;
