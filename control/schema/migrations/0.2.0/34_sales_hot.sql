-- 0.2.0/34_sales_hot.sql: the tables that every order writes to carry no
-- foreign keys among themselves: all rows of an order are written by one
-- function, and a foreign key is a trigger a row. check_sales_integrity() and
-- check_inventory_integrity() look for orphans instead. Indexes that no query
-- of the platform reads are gone too: lines and pieces are found through their
-- order and their parcel.
ALTER TABLE retail.order_line DROP CONSTRAINT order_line_order_id_fkey;
ALTER TABLE retail.shipment DROP CONSTRAINT shipment_order_id_fkey;
ALTER TABLE retail.shipment_line DROP CONSTRAINT shipment_line_shipment_id_fkey;
ALTER TABLE retail.shipment_line DROP CONSTRAINT shipment_line_order_id_line_no_fkey;
ALTER TABLE retail.order_event DROP CONSTRAINT order_event_order_id_fkey;
ALTER TABLE retail.allocation_decision DROP CONSTRAINT allocation_decision_order_id_fkey;
ALTER TABLE retail.reservation DROP CONSTRAINT reservation_hold_id_fkey;
ALTER TABLE retail.order_line DROP CONSTRAINT order_line_order_id_sku_id_key;
DROP INDEX retail.order_line_sku, retail.shipment_line_order;
-- A trace is written once and seldom read: lz4, where the server has it, costs a fifth of the time.
DO $$
BEGIN
	ALTER TABLE retail.allocation_decision ALTER COLUMN trace SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
	NULL;		-- a server built without it goes on with pglz
END $$;
