-- store_plans.sql: what a store may read of its own is found through an index by node, however large the chain is.
BEGIN;
SET client_min_messages = warning;
SELECT plan(8);
SELECT retail.put_region('CN', '中国', NULL, 35, 105), retail.put_node('S1', '一店', 'store', 'CN'), retail.put_node('S2', '二店', 'store', 'CN'), retail.put_node('S3', '三店', 'store', 'CN'), retail.put_sku('A', 'Tea', 500, list_price => 10) \g /dev/null
SELECT retail.receive_stock('R', n, '[{"sku": "A", "qty": 5}]') FROM unnest('{S1,S2,S3}'::text[]) n \g /dev/null
CREATE ROLE plans_one IN ROLE retail_store;
CREATE ROLE plans_two IN ROLE retail_store;
CREATE ROLE plans_none IN ROLE retail_store;
SELECT retail.bind_principal('plans_one', 'S1'), retail.bind_principal('plans_two', 'S1'), retail.bind_principal('plans_two', 'S2') \g /dev/null
CREATE FUNCTION pg_temp.as_role(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	result text;
BEGIN
	PERFORM set_config('role', role, true);
	FOR line IN EXECUTE statement LOOP
		result := concat_ws('|', result, trim(line));
	END LOOP;
	PERFORM set_config('role', 'none', true);
	RETURN result;
END $$;
SET LOCAL enable_seqscan = off;
SELECT matches(pg_temp.as_role('plans_one', 'EXPLAIN (COSTS off) SELECT * FROM retail.movement'), 'movement_node.*Index Cond: \(node_id = ANY', 'the ledger by node');
SELECT matches(pg_temp.as_role('plans_one', 'EXPLAIN (COSTS off) SELECT * FROM retail.stock'), 'stock_node.*Index Cond: \(node_id = ANY', 'stock by node');
SELECT matches(pg_temp.as_role('plans_one', $$EXPLAIN (COSTS off) SELECT * FROM retail.shipment WHERE status <> 'cancelled'$$), 'BitmapOr.*shipment_node.*shipment_to_node', 'parcels by sender or receiver');
SELECT is(pg_temp.as_role('plans_one', 'SELECT count(*) FROM retail.movement'), '1', 'a store sees its own');
SELECT is(pg_temp.as_role('plans_two', 'SELECT count(*) FROM retail.movement'), '2', 'who is bound to two sees both');
SELECT is(pg_temp.as_role('plans_none', 'SELECT count(*) FROM retail.movement'), '0', 'who is bound to none sees nothing');
SELECT is(pg_temp.as_role('plans_two', 'SELECT count(*) FROM retail.stock'), '2', 'of stock, too');
SELECT is(pg_temp.as_role('retail_app', 'SELECT count(*) FROM retail.movement'), '3', 'the chain sees all');
SELECT * FROM finish();
ROLLBACK;
