-- 34_sales_fulfilment.sql: bundles of orders, stores that can hand an order
-- over, and orders that wait for stock.

CREATE FUNCTION retail.check_fulfilment_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT 3, format('order %s line %s', b.order_id, b.line_no), format('has %s units worth %s, its bundles %s worth %s', l.quantity, l.amount, b.quantity, b.amount)
	FROM (SELECT x.order_id, x.line_no, sum(x.quantity) AS quantity, sum(x.amount) AS amount FROM retail.order_bundle x GROUP BY 1, 2) b
	JOIN retail.order_line l USING (order_id, line_no) WHERE b.quantity > l.quantity OR b.amount > l.amount
$$;
COMMENT ON FUNCTION retail.check_fulfilment_integrity() IS 'Invariant 3: bundles of an order against its lines.';

GRANT EXECUTE ON FUNCTION retail.check_fulfilment_integrity() TO retail_admin;
