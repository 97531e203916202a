-- scarcity.sql: prices of scarce stock from past demand, and what they do to a plan.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT plan(26);

SELECT retail.put_region('CN', '中国'), retail.put_region('SH', '上海', 'CN', 31.23, 121.47), retail.put_channel('app', 'App', 'app'),
	retail.put_sku('A', 'A', 500, list_price => 10), retail.put_sku('B', 'B', 500, list_price => 10),
	retail.put_node('NEAR', 'near', 'warehouse', 'SH'), retail.put_node('FAR', 'far', 'warehouse', 'SH'), retail.put_node('SHOP', 'shop', 'store', 'SH', can_ship => false, can_pick_up => true),
	retail.put_carrier_service('std', 'C', 'std'), retail.put_lane('std', 'CN', 'near', 24, 'NEAR'), retail.put_lane('std', 'CN', 'far', 24, 'FAR'),
	retail.put_rate_card('std', 'near', 1000, 5, 1000, 1), retail.put_rate_card('std', 'far', 1000, 6, 1000, 1) \g /dev/null
SELECT retail.receive_stock('in', n, jsonb_build_array(jsonb_build_object('sku', 'A', 'qty', CASE n WHEN 'NEAR' THEN 22 ELSE 100 END), '{"sku": "B", "qty": 100}'::jsonb), '2026-02-28') FROM unnest('{NEAR,FAR}'::text[]) n \g /dev/null
SELECT retail.receive_stock('in', 'SHOP', '[{"sku": "B", "qty": 6}]', '2026-02-28') \g /dev/null

CREATE FUNCTION pg_temp.prices() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(concat_ws(' ', k.code, n.code, p.scarcity, p.markdown), ', ' ORDER BY k.code, n.code) FROM retail.stock_price p JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id) WHERE p.scarcity + p.markdown > 0 $$;
CREATE FUNCTION pg_temp.sender(policy text DEFAULT NULL) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' ', parcels -> 0 ->> 'node', cost) FROM retail.quote_order('app', '[{"sku": "A", "qty": 1}]', '{"region": "SH"}', policy => policy, as_of => '2026-03-11') $$;

-- ---- the probability ---------------------------------------------------------------
SELECT is(retail.at_least(0, 3), 1::float8, 'none come for certain');
SELECT is(round(retail.at_least(1, 1)::numeric, 9), 0.632120559, 'one comes: 1 - 1/e');
SELECT is(round(retail.at_least(3, 2)::numeric, 9), 0.323323584, 'three come when two are expected: 1 - 5 exp(-2)');
SELECT is(retail.at_least(1, 0), 0::float8, 'nobody is expected');
SELECT ok(retail.at_least(400, 450) BETWEEN 0.98 AND 1 AND retail.at_least(500, 450) BETWEEN 0 AND 0.02, 'many, without underflow');
SELECT is(ARRAY[retail.at_least(9999, 10000), retail.at_least(10001, 10000), retail.at_least(1001, 1e-300), retail.at_least(5, 1e-300)], '{1,0,0,0}'::float8[], 'very many come as expected; very few do not come');

-- ---- prices --------------------------------------------------------------------------
SELECT is(retail.run_scarcity_prices(as_of => '2026-03-11'), '0 scarcity prices, 0 changed', 'without demand nothing is scarce');
SELECT order_id FROM generate_series(0, 19) i CROSS JOIN LATERAL retail.place_order('app', 'A' || i, '[{"sku": "A", "qty": 1}]', '{"region": "SH"}', payment => 'on_delivery', as_of => '2026-03-01'::timestamptz + i * interval '12 hours') \g /dev/null
SELECT order_id FROM generate_series(1, 5) i CROSS JOIN LATERAL retail.place_order('app', 'B' || i, '[{"sku": "B", "qty": 1}]', fulfilment => 'pick_up', pick_up_node => 'SHOP', payment => 'on_delivery', as_of => '2026-03-01'::timestamptz + i * interval '1 day') \g /dev/null
SELECT is((SELECT available FROM retail.available_to_promise('A', 'app', '2026-03-11') WHERE node = 'NEAR'), 2::bigint, 'two are left of a SKU of which two a day are sent');
SELECT is(pg_temp.sender(), 'NEAR 5.00', 'the near node would send them');
SELECT is(retail.run_scarcity_prices(cover_days => 1, as_of => '2026-03-11') || ': ' || pg_temp.prices(), '2 scarcity prices, 2 changed: A NEAR 1.05 0.00, B SHOP 0.79 0.00',
	'2 x P(2 or more of (0.8 x 20 + 0.2 x 10) x 20.5/21 / 10 come in a day); 2 x P(1 or more of 0.5), who fetch it there');
SELECT is(pg_temp.sender(), 'FAR 6.00', '... so the next is sent from where there are many');
SELECT is(retail.run_scarcity_prices(cover_days => 1, as_of => '2026-03-11'), '2 scarcity prices, 0 changed', 'again: nothing');
SELECT is(retail.run_scarcity_prices(cover_days => 5, as_of => '2026-03-11') || ': ' || pg_temp.prices(), '2 scarcity prices, 2 changed: A NEAR 2.00 0.00, B SHOP 1.84 0.00', 'the later the receipt the scarcer');
SELECT is(retail.run_scarcity_prices(cover_days => 5, dearer => 0.5, as_of => '2026-03-11') || ': ' || pg_temp.prices(), '2 scarcity prices, 2 changed: A NEAR 0.50 0.00, B SHOP 0.46 0.00', 'at most what it costs more from elsewhere');
SELECT is(pg_temp.sender(), 'NEAR 5.50', '... where less than that is saved the near node sends');
SELECT is(retail.put_stock_prices('[{"sku": "A", "node": "NEAR", "markdown": 0.25}, {"sku": "B", "node": "FAR", "scarcity": 3}]'), 2, 'fed by hand');
SELECT retail.receive_stock('in2', 'NEAR', '[{"sku": "A", "qty": 100}]', '2026-03-11') \g /dev/null
SELECT is(retail.run_scarcity_prices(cover_days => 5, dearer => 0.5, as_of => '2026-03-11') || ': ' || pg_temp.prices(), '1 scarcity prices, 2 changed: A NEAR 0.00 0.25, B SHOP 0.46 0.00', 'replenished: not scarce any more, markdown stays, and what was fed as scarcity is gone');
SELECT is(retail.run_scarcity_prices(cover_days => 5, as_of => '2026-06-11'), '0 scarcity prices, 1 changed', 'demand of long ago does not count');
SELECT is(retail.run_scarcity_prices(cover_days => 5, dearer => 0, as_of => '2026-03-11'), '0 scarcity prices, 0 changed', 'nor what costs nothing');

-- ---- bad input -------------------------------------------------------------------------
SELECT raises('RT016', format('SELECT retail.run_scarcity_prices(cover_days => %s)', a)) FROM unnest('{0,366,"NULL"}'::text[]) a;
SELECT raises('RT012', $$SELECT retail.run_scarcity_prices(dearer => 'NaN')$$);
SELECT raises('RT016', $$SELECT retail.run_scarcity_prices(history_days => 0)$$);
SELECT raises('RT014', $$SELECT retail.run_scarcity_prices(as_of => 'infinity')$$);
SELECT raises_as('retail_store', '42501', $$SELECT retail.run_scarcity_prices()$$);
SELECT * FROM retail.check_integrity();
SELECT * FROM finish();
ROLLBACK;
