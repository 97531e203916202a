-- 23_inventory_cache.sql: the stock levels in shared memory, seen and reset.

CREATE FUNCTION retail.cached_stock() RETURNS TABLE (sku_id bigint, node_id bigint, available bigint, channel_id bigint, safety bigint)
LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 10000 ROWS 100000 AS 'MODULE_PATHNAME', 'retail_cached_stock';
COMMENT ON FUNCTION retail.cached_stock() IS 'Internal: what shared memory holds of this database: units of a SKU at a node before safety stock and due holds, or (available null) a safety stock of a channel (null: channels without a figure of their own).';

CREATE FUNCTION retail.stock_cache_status(OUT bytes bigint, OUT used double precision, OUT skus bigint, OUT levels bigint, OUT hits bigint, OUT misses bigint, OUT loads bigint, OUT evictions bigint)
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'retail_stock_cache_status';
COMMENT ON FUNCTION retail.stock_cache_status() IS
'How the stock levels in shared memory do: bytes (0: there is no cache), the part of them that is used, SKUs and levels (SKU and node) of this database; and since the server started, of all databases: look-ups that hit and missed, SKUs loaded, SKUs evicted for want of room.';

CREATE FUNCTION retail.forget_cached_stock(sku_ids bigint[]) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_forget_cached_stock';
COMMENT ON FUNCTION retail.forget_cached_stock(bigint[]) IS 'Internal: has shared memory drop these SKUs (null: all of this database) when the transaction commits.';

CREATE FUNCTION retail.reset_stock_cache() RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT retail.forget_cached_stock(NULL)
$$;
COMMENT ON FUNCTION retail.reset_stock_cache() IS 'Has shared memory drop the stock levels of this database when the transaction commits, e.g. after retail.stock was written by other means than the functions. They are read anew on demand.';

CREATE FUNCTION retail.check_stock_cache() RETURNS TABLE (sku text, node text, what text, cached bigint, actual bigint)
LANGUAGE sql VOLATILE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
	WITH held AS MATERIALIZED (
		SELECT * FROM retail.cached_stock()
	), difference AS (
		-- a row that has no sellable units need not be there
		SELECT s.sku_id, s.node_id, 'available' AS what, h.available AS cached, s.on_hand - s.reserved AS actual
		FROM retail.stock s LEFT JOIN held h ON h.sku_id = s.sku_id AND h.node_id = s.node_id AND h.available IS NOT NULL
		WHERE s.sku_id IN (SELECT x.sku_id FROM held x) AND (s.on_hand > 0 OR h.available IS NOT NULL) AND h.available IS DISTINCT FROM s.on_hand - s.reserved
		UNION ALL
		SELECT h.sku_id, h.node_id, 'available', h.available, NULL FROM held h
		WHERE h.available IS NOT NULL AND NOT EXISTS (SELECT FROM retail.stock s WHERE s.sku_id = h.sku_id AND s.node_id = h.node_id)
		UNION ALL
		SELECT coalesce(h.sku_id, f.sku_id), coalesce(h.node_id, f.node_id), 'safety', h.safety, f.quantity
		FROM (SELECT * FROM held x WHERE x.safety IS NOT NULL) h
		FULL JOIN (SELECT * FROM retail.safety_stock x WHERE x.sku_id IN (SELECT y.sku_id FROM held y)) f
			ON f.sku_id = h.sku_id AND f.node_id = h.node_id AND coalesce(f.channel_id, 0) = coalesce(h.channel_id, 0)
		WHERE h.safety IS DISTINCT FROM f.quantity
	)
	SELECT coalesce(k.code, d.sku_id::text), coalesce(n.code, d.node_id::text), d.what, d.cached, d.actual
	FROM difference d LEFT JOIN retail.sku k USING (sku_id) LEFT JOIN retail.node n USING (node_id) ORDER BY 1, 2, 3
$$;
COMMENT ON FUNCTION retail.check_stock_cache() IS 'One row for each stock level and safety stock in shared memory that differs from the tables; none when nobody writes meanwhile. A difference costs a second decision, never a unit: see docs/operations.md.';

GRANT EXECUTE ON FUNCTION retail.stock_cache_status(), retail.reset_stock_cache(), retail.check_stock_cache() TO retail_admin;
