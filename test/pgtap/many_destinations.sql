-- many_destinations.sql: one batch goes to more destinations than the catalogue remembers routes to: what it forgets in the
-- middle is not what orders before it were promised.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT no_plan();

SELECT retail.put_region('R', 'Region'), retail.put_channel('web', 'Web', 'web'), retail.put_carrier_service('std', 'Carrier', 'Standard'), retail.put_sku('A', 'A', 500, list_price => 10),
	retail.put_node('W1', 'W1', 'warehouse') \g /dev/null
SELECT count(retail.put_region('R' || i, 'Region ' || i, 'R')) FROM generate_series(1, 4000) i \g /dev/null
SELECT retail.put_lane('std', 'R', 'near', 24, 'W1'), retail.put_rate_card('std', 'near', 1000, 5, 1000, 1) \g /dev/null
SELECT retail.receive_stock('r1', 'W1', '[{"sku": "A", "qty": 10000}]', '2026-03-01 00:00+00') \g /dev/null

SELECT is((SELECT string_agg(DISTINCT s.state, ' ') FROM retail.submit_orders((SELECT jsonb_agg(jsonb_build_object('channel', 'web', 'external_no', 'N' || i, 'lines', '[{"sku": "A", "qty": 1}]'::jsonb, 'destination',
	jsonb_build_object('region', 'R' || i))) FROM generate_series(1, 600) i), '2026-03-02 02:00+00') s), 'queued', 'orders to 600 regions are queued');
SELECT matches(retail.run_allocation('2026-03-02 02:00:01+00', 600), ': 600 placed, 0 refused', 'one batch places them');
SELECT results_eq('SELECT s.zone, c.code, count(*) FROM retail.shipment s JOIN retail.carrier_service c USING (carrier_service_id) GROUP BY 1, 2', $$VALUES ('near'::text, 'std'::text, 600::bigint)$$, 'each by its lane');

SELECT * FROM finish();
ROLLBACK;
