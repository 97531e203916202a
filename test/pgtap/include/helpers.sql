-- helpers.sql: what the pgTAP scripts share; loaded into the template of their databases.

-- The SQLSTATE of a statement, and that its hint and detail say something.
CREATE FUNCTION raises(code text, statement text, about text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	got text;
	hint text;
	detail text;
BEGIN
	BEGIN
		EXECUTE statement;
		got := 'no error';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS got = RETURNED_SQLSTATE, hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
		got := got || CASE WHEN hint = '' THEN ' without hint' ELSE '' END || CASE WHEN detail = '' THEN ' without detail' ELSE '' END;
	END;
	RETURN is(got, code, coalesce(about, statement));
END $$;

-- The DETAIL of the error that a statement raises.
CREATE FUNCTION detail_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS result = PG_EXCEPTION_DETAIL;
	RETURN result;
END $$;

-- raises() in the role of somebody.
CREATE FUNCTION raises_as(role text, code text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	got text;
BEGIN
	BEGIN
		PERFORM set_config('role', role, true);
		EXECUTE statement;
		got := 'no error';
		PERFORM set_config('role', 'none', true);
	EXCEPTION WHEN OTHERS THEN
		got := SQLSTATE;
	END;
	RETURN is(got, code, role || ': ' || statement);
END $$;

-- What a statement answers in the role of somebody; the SQLSTATE of its error.
CREATE FUNCTION as_role(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM set_config('role', role, true);
	EXECUTE statement INTO result;
	PERFORM set_config('role', 'none', true);
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;

-- ---- orders by their number ----

CREATE FUNCTION order_id(no text) RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT o.order_id FROM retail.sales_order o WHERE o.external_no = $1 $$;
-- The n-th parcel of an order.
CREATE FUNCTION parcel(no text, n int DEFAULT 1) RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT s.shipment_id FROM retail.shipment s WHERE s.order_id = order_id($1) ORDER BY s.shipment_id LIMIT 1 OFFSET $2 - 1 $$;
CREATE FUNCTION events(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(e.kind, ' ' ORDER BY e.event_id) FROM retail.order_event e WHERE e.order_id = order_id($1) $$;
-- On hand/reserved of a SKU at a node.
CREATE FUNCTION stock(sku text, node text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT s.on_hand || '/' || s.reserved FROM retail.stock s JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id) WHERE k.code = $1 AND n.code = $2 $$;
-- On hand/reserved/damaged/quality hold.
CREATE FUNCTION stock_states(sku text, node text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws('/', s.on_hand, s.reserved, s.damaged, s.quality_hold) FROM retail.stock s JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id) WHERE k.code = $1 AND n.code = $2 $$;
-- sku:ordered=allocated+backordered+cancelled
CREATE FUNCTION line_states(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s:%s=%s+%s+%s', k.code, l.quantity, l.allocated, l.backordered, l.cancelled), ' ' ORDER BY l.line_no)
	FROM retail.order_line l JOIN retail.sku k USING (sku_id) WHERE l.order_id = order_id($1) $$;
