-- 34_sales_fulfilment.sql: bundles of orders, stores that can hand an order
-- over, and orders that wait for stock.

CREATE FUNCTION retail.nearest_stores(channel text, lines jsonb, destination jsonb, max_stores int DEFAULT 5, fulfilment text DEFAULT 'any',
	policy text DEFAULT NULL, as_of timestamptz DEFAULT now())
RETURNS TABLE (node text, distance_km float8, pick_up_at timestamptz, pick_up_cost numeric, ship_to_store_at timestamptz, ship_to_store_cost numeric)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 5000 ROWS 5 SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'retail_nearest_stores';
COMMENT ON FUNCTION retail.nearest_stores(text, jsonb, jsonb, int, text, text, timestamptz) IS
'The nearest nodes at which a customer could collect an order, by distance (km, null: not known) from destination {"region"? and/or "lat", "lon"}, at most max_stores (1 to 100): when it would be ready, and the chain''s cost under the policy, from the store''s own stock (pick_up_at, null: it does not have everything) and with what others send (ship_to_store_at). fulfilment: pick_up, ship_to_store or any. Writes nothing; runs on a standby. Raises RT001, RT003 to RT005, RT010 to RT014, RT016.';

CREATE FUNCTION retail.check_fulfilment_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT 3, format('order %s line %s', b.order_id, b.line_no), format('has %s units worth %s, its bundles %s worth %s', l.quantity, l.amount, b.quantity, b.amount)
	FROM (SELECT x.order_id, x.line_no, sum(x.quantity) AS quantity, sum(x.amount) AS amount FROM retail.order_bundle x GROUP BY 1, 2) b
	JOIN retail.order_line l USING (order_id, line_no) WHERE b.quantity > l.quantity OR b.amount > l.amount
	UNION ALL
	SELECT 3, format('shipment %s', s.shipment_id), format('is of kind %s to node %s, its order is collected at node %s', s.kind, s.to_node_id, o.pick_up_node_id)
	FROM retail.shipment s JOIN retail.sales_order o USING (order_id)
	WHERE s.status <> 'cancelled' AND s.to_node_id IS DISTINCT FROM CASE s.kind WHEN 'ship_to_store' THEN o.pick_up_node_id END
$$;
COMMENT ON FUNCTION retail.check_fulfilment_integrity() IS 'Invariant 3: bundles of an order against its lines, parcels to stores against where their order is collected.';

GRANT EXECUTE ON FUNCTION retail.nearest_stores(text, jsonb, jsonb, int, text, text, timestamptz) TO retail_admin, retail_app, retail_store, retail_service;
GRANT EXECUTE ON FUNCTION retail.check_fulfilment_integrity() TO retail_admin;
