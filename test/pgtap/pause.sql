-- pause.sql: a node that takes nothing new for a while.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT plan(26);

SELECT lives_ok($$ SELECT retail.put_region('CN', '中国', NULL, 35, 105), retail.put_channel('mp', '小程序', 'mini_program'), retail.put_sku('A', 'Tea', 500, list_price => 10),
	retail.put_node('N1', '近', 'store', 'CN', 35, 105, can_pick_up => true), retail.put_node('N2', '远', 'warehouse', 'CN', 39, 116, parcel_cost => 3), retail.put_carrier_service('SF', '顺丰', '标快'),
	retail.put_lane('SF', 'CN', 'Z', 24, from_region => 'CN'), retail.put_rate_card('SF', 'Z', 1000, 6, 1000, 2),
	retail.receive_stock('R1', 'N1', '[{"sku": "A", "qty": 20}]', '2026-03-01 00:00+00'), retail.receive_stock('R2', 'N2', '[{"sku": "A", "qty": 20}]', '2026-03-01 00:00+00') $$, 'a chain');

CREATE FUNCTION pg_temp.who(at timestamptz) RETURNS text LANGUAGE sql AS $$
	SELECT parcels -> 0 ->> 'node' FROM retail.quote_order('mp', '[{"sku": "A", "qty": 1}]', '{"region": "CN"}', as_of => at) $$;

SELECT is(pg_temp.who('2026-03-02 02:00+00'), 'N1', 'the cheapest node is chosen');
SELECT is(retail.pause_node('N1', reason => '盘点', as_of => '2026-03-02 02:00+00'), '2026-03-02 16:00+00'::timestamptz, 'a pause lasts until midnight at the node, 16:00 in Greenwich');
SELECT is(pg_temp.who('2026-03-02 02:00+00'), 'N2', 'a paused node is passed over, in this very session');
SELECT is(pg_temp.who('2026-03-02 15:59:59+00'), 'N2', '... to the last second');
SELECT is(pg_temp.who('2026-03-02 16:00+00'), 'N1', '... and no longer');
SELECT is((SELECT trace -> 'left_out' ->> 'paused' FROM retail.quote_order('mp', '[{"sku": "A", "qty": 1}]', '{"region": "CN"}', as_of => '2026-03-02 02:00+00')), '1', 'the trace says so');
SELECT raises('RT021', $$ SELECT retail.quote_order('mp', '[{"sku": "A", "qty": 1}]', fulfilment => 'pick_up', pick_up_node => 'N1', as_of => '2026-03-02 02:00+00') $$, 'nothing is picked up there meanwhile');
SELECT matches(detail_of($$ SELECT retail.quote_order('mp', '[{"sku": "A", "qty": 1}]', fulfilment => 'pick_up', pick_up_node => 'N1', as_of => '2026-03-02 02:00+00') $$), '1 paused', '... as the DETAIL tells');
SELECT raises('RT020', $$ SELECT retail.place_order('mp', 'X', '[{"sku": "A", "qty": 50}]', '{"region": "CN"}', as_of => '2026-03-02 18:00+00') $$, 'more than there is stays out of stock');
SELECT is(retail.resume_node('N1'), true, 'a pause is ended');
SELECT is(pg_temp.who('2026-03-02 02:00+00'), 'N1', '... at once');
SELECT is(retail.resume_node('N1'), false, '... only once');
SELECT is(retail.pause_node('N1', '2026-03-05 00:00+00', as_of => '2026-03-02 02:00+00'), '2026-03-05 00:00+00'::timestamptz, 'a pause of days');
SELECT is((SELECT n.pause_reason FROM retail.node n WHERE n.code = 'N1'), 'closed', '... with a reason');
SELECT lives_ok($$ SELECT retail.put_node('N1', '近', 'store', 'CN', 35, 105, can_pick_up => true) $$, 'a change of the node');
SELECT is(pg_temp.who('2026-03-04 02:00+00'), 'N2', '... does not end it');

SELECT raises('RT002', $$ SELECT retail.pause_node('N0') $$);
SELECT raises('RT002', $$ SELECT retail.resume_node(NULL) $$);
SELECT raises('RT014', $$ SELECT retail.pause_node('N1', '2026-03-02 02:00+00', as_of => '2026-03-02 02:00+00') $$, 'a pause that is over before it began');
SELECT raises('RT014', $$ SELECT retail.pause_node('N1', '2028-03-02 02:00+00', as_of => '2026-03-02 02:00+00') $$, 'a pause of two years');
SELECT raises('RT014', $$ SELECT retail.pause_node('N1', 'infinity', as_of => '2026-03-02 02:00+00') $$, 'a pause for ever');
SELECT raises('RT015', $$ SELECT retail.pause_node('N1', reason => '') $$);

CREATE ROLE pause_test_store LOGIN IN ROLE retail_store;
SELECT retail.bind_principal('pause_test_store', node => 'N1') \g /dev/null
SELECT raises_as('pause_test_store', 'no error', $$ SELECT retail.pause_node('N1'), retail.resume_node('N1') $$);
SELECT raises_as('pause_test_store', 'RT040', $$ SELECT retail.pause_node('N2') $$);
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound');

SELECT * FROM finish();
ROLLBACK;
