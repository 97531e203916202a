-- 0.2.0/23_inventory_cache.sql: safety stock is kept in shared memory beside the
-- stock levels, which hear of its changes.  The functions are not the
-- extension's, so that no table depends on it.
CREATE FUNCTION retail.safety_stock_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	IF to_regprocedure('retail.forget_cached_stock(bigint[])') IS NOT NULL THEN
		PERFORM retail.forget_cached_stock(ARRAY[OLD.sku_id, NEW.sku_id]);
	END IF;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION retail.safety_stock_changed() IS 'Has the stock levels in shared memory forget a SKU whose safety stock changed.';
REVOKE ALL ON FUNCTION retail.safety_stock_changed() FROM PUBLIC;
CREATE TRIGGER safety_stock_changed AFTER INSERT OR UPDATE OR DELETE ON retail.safety_stock
	FOR EACH ROW EXECUTE FUNCTION retail.safety_stock_changed();

CREATE FUNCTION retail.safety_stock_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	IF to_regprocedure('retail.forget_cached_stock(bigint[])') IS NOT NULL THEN
		PERFORM retail.forget_cached_stock(NULL);
	END IF;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION retail.safety_stock_emptied() IS 'Has the stock levels in shared memory forget all SKUs when safety stock is truncated.';
REVOKE ALL ON FUNCTION retail.safety_stock_emptied() FROM PUBLIC;
CREATE TRIGGER safety_stock_emptied AFTER TRUNCATE ON retail.safety_stock
	FOR EACH STATEMENT EXECUTE FUNCTION retail.safety_stock_emptied();
