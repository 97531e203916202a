-- guards.sql: what a store's login, a wrong clock, a misread line or a closed
-- node cannot do to the rest of the chain.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT plan(24);

CREATE FUNCTION pg_temp.code_of(statement text, who text DEFAULT 'none') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('role', who, true);
	EXECUTE statement;
	PERFORM set_config('role', 'none', true);
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;

SELECT retail.put_region('CN', '中国'), retail.put_region('SH', '上海', 'CN', 31.23, 121.47), retail.put_channel('app', 'App', 'app'), retail.put_channel('pos', '门店', 'pos'),
	retail.put_sku('A', 'A', 500, list_price => 10), retail.put_sku('B', 'B', 500, list_price => 10), retail.put_unit('BOX', 'box'), retail.put_sku_unit('A', 'BOX', 12),
	retail.put_node('W1', 'W1', 'warehouse', 'SH'), retail.put_node('S1', 'S1', 'store', 'SH'), retail.put_node('S2', 'S2', 'store', 'SH'),
	retail.put_carrier_service('std', 'C', 'std'), retail.put_lane('std', 'CN', 'z', 24, from_region => 'CN'), retail.put_rate_card('std', 'z', 1000, 10, 1000, 1) \g /dev/null
SELECT retail.receive_stock('in', n, '[{"sku": "A", "qty": 100}, {"sku": "B", "qty": 100}]', '2026-03-01') FROM unnest('{W1,S1,S2}'::text[]) n \g /dev/null
CREATE ROLE guards_till IN ROLE retail_store;
CREATE ROLE guards_app IN ROLE retail_app;
SELECT retail.bind_principal('guards_till', 'S1') \g /dev/null
SELECT retail.hold_stock('cart', 'app', '[{"sku": "A", "node": "W1", "qty": 50}]', '1 hour') \g /dev/null

-- ---- the clock ---------------------------------------------------------------------
SELECT is(pg_temp.code_of($$SELECT retail.hold_stock('evil', 'pos', '[{"sku":"A","node":"S1","qty":1}]', '1 minute', as_of => '2099-12-30')$$, 'guards_till'), 'RT014', 'a store does not run ahead of the clock');
SELECT is(pg_temp.code_of($$SELECT retail.hold_stock('evil', 'pos', '[{"sku":"A","node":"S1","qty":1}]', '1 minute', as_of => now() + interval '20 hours')$$, 'guards_till'), 'no error', 'a clock that is a little off is borne');
SELECT is(stock('A', 'W1'), '100/50', '... and ends nobody''s hold');
SELECT is(pg_temp.code_of($$SELECT retail.run_expire_holds(now() + interval '20 hours')$$, 'guards_app'), 'no error', 'nor does the sweeper, when an application runs it ahead');
SELECT is(stock('A', 'W1'), '100/50', '... the hold is still there');
SELECT is(pg_temp.code_of($$SELECT retail.receive_stock('typo', 'S2', '[{"sku":"B","qty":10}]', as_of => '2062-11-22')$$, 'guards_app'), 'RT014', 'goods do not arrive in 2062');
SELECT is(pg_temp.code_of($$SELECT retail.place_order('app', 'later', '[{"sku":"B","qty":1}]', '{"region":"SH"}', as_of => '2062-11-22')$$, 'guards_app'), 'RT014', 'nor are orders placed then');
SELECT is(retail.run_expire_holds(now() + interval '2 hours'), '50 units of expired holds given back', 'an administrator may simulate');
SELECT order_id AS early FROM retail.place_order('app', 'early', '[{"sku": "B", "qty": 1}]', '{"region": "SH"}', payment => 'on_delivery', as_of => '2026-03-02 10:00+08') \gset
SELECT is(pg_temp.code_of(format($$SELECT retail.ship_order(shipment_id, as_of => '2026-03-01') FROM retail.shipment WHERE order_id = %s$$, :early)), 'RT014', 'a parcel does not leave before it was ordered');

-- ---- lines -------------------------------------------------------------------------
SELECT is(retail.receive_stock('box', 'S2', '[{"sku": "A", "qty": 2, "unit": "BOX"}]') ->> 'units', '24', 'a pack counts what it holds');
SELECT is(pg_temp.code_of($$SELECT retail.receive_stock('box2', 'S2', '[{"sku": "B", "qty": 2, "unit": "BOX"}]')$$), 'RT005', 'a pack that the SKU does not have is refused');
SELECT is(pg_temp.code_of($$SELECT retail.transfer_out('t', 'S1', 'S2', '[{"sku": "A", "qty": 5, "condition": "damaged"}]')$$), 'RT011', 'damaged goods are not sent as sellable ones');
SELECT is(pg_temp.code_of($$SELECT retail.receive_stock('x', 'S2', '[{"sku": "A", "qty": 5, "quantity": 7}]')$$), 'RT011', 'a key that nobody reads is refused');
SELECT retail.place_order('app', 'boxes', '[{"sku": "A", "qty": 2, "unit": "BOX"}]', '{"region": "SH"}', as_of => '2026-03-02 10:00+08') \g /dev/null
SELECT is(retail.cancel_order('app', 'boxes', '[{"sku": "A", "qty": 1, "unit": "BOX"}]', as_of => '2026-03-02 11:00+08') ->> 'cancelled_units', '12', 'a cancelled box is twelve pieces');

-- ---- numbers of others -------------------------------------------------------------
SELECT is(pg_temp.code_of($$SELECT retail.record_sale('app', 'WX-1', 'S1', '[{"sku":"A","qty":1}]')$$, 'guards_till'), 'RT040', 'a till does not use the numbers of the app');
SELECT is(pg_temp.code_of($$SELECT retail.record_sale('pos', 'T-1', 'S1', '[{"sku":"A","qty":1}]', method => 'wechat_pay')$$, 'guards_till'), 'RT040', '... nor those of a payment system');
SELECT is(pg_temp.code_of($$SELECT retail.record_sale('pos', 'T-1', 'S1', '[{"sku":"A","qty":1}]')$$, 'guards_till'), 'no error', '... but its own');

-- ---- closed nodes ------------------------------------------------------------------
SELECT retail.put_node('S2', 'S2', 'store', 'SH', is_active => false) \g /dev/null
SELECT is(retail.receive_stock('box', 'S2', '[{"sku": "A", "qty": 2, "unit": "BOX"}]') ->> 'replayed', 'true', 'a retry is answered after the node was closed');
SELECT is(pg_temp.code_of($$SELECT retail.receive_stock('new', 'S2', '[{"sku": "A", "qty": 2}]')$$), 'RT002', '... new goods are refused');
SELECT is(pg_temp.code_of($$SELECT retail.transfer_out('empty', 'S2', 'W1', '[{"sku": "A", "qty": 2}]')$$), 'no error', '... and it can be emptied');

-- ---- a free rest -------------------------------------------------------------------
SELECT retail.place_order('app', 'gift', '[{"sku": "A", "qty": 1}, {"sku": "B", "qty": 1, "price": 0}]', '{"region": "SH"}', freight => 0, as_of => '2026-03-02 10:00+08') \g /dev/null
SELECT retail.cancel_order('app', 'gift', '[{"sku": "A", "qty": 1}]', as_of => '2026-03-02 10:05+08') \g /dev/null
SELECT is((SELECT payment_state FROM retail.sales_order WHERE external_no = 'gift'), 'paid', 'what is left of an order and costs nothing is paid');

-- ---- bindings ----------------------------------------------------------------------
SELECT is(pg_temp.code_of($$SELECT retail.bind_principal('retail_bi', 'S1')$$), 'RT016', 'only roles of stores and suppliers are bound');
SELECT is(retail.unbind_principal('guards_till', 'S1'), 1, 'a binding is taken back');

SELECT is_empty('SELECT * FROM retail.check_integrity()', 'all is sound at the end');
SELECT * FROM finish();
ROLLBACK;
