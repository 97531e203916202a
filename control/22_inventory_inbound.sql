-- 22_inventory_inbound.sql: what is on its way to a node, beside transfers.

CREATE FUNCTION retail.inbound_supply() RETURNS TABLE (source_kind text, source_no text, sku_id bigint, node_id bigint, open_quantity bigint, expected_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$		-- nothing is set here, so that it becomes a part of the query that asks
	SELECT 'transfer'::text, t.document_no, l.sku_id, t.to_node_id, l.sent, coalesce(t.expected_at, t.sent_at + interval '2 days')
	FROM retail.stock_transfer t JOIN retail.stock_transfer_line l USING (transfer_id) WHERE t.status = 'in_transit'
	UNION ALL
	SELECT i.source_kind, i.source_no, i.sku_id, i.node_id, i.open_quantity, i.expected_at FROM retail.inbound i WHERE i.open_quantity > 0
$$;
COMMENT ON FUNCTION retail.inbound_supply() IS 'Units on their way (base units, with dates): open transfers, and what put_inbound() announced.';

CREATE FUNCTION retail.put_inbound(source_kind text, source_no text, sku text, node text, quantity bigint, expected_at timestamptz, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_sku bigint := retail.sku_id(sku);
	the_node bigint := retail.node_id(node, 'receive');
	known retail.inbound;
BEGIN
	PERFORM retail.check_argument(source_kind IN ('purchase_order', 'other'), 'source_kind', source_kind, 'Give purchase_order or other; transfers count by themselves.'),
		retail.check_text(source_no, 'source_no'), retail.check_time(as_of, 'as_of'),
		retail.check_argument(quantity BETWEEN 1 AND 1000000000, 'quantity', quantity::text, 'Give a whole number from 1 to 1000000000.', 'RT010'),
		retail.check_argument(expected_at >= '2000-01-01 00:00+00' AND expected_at < '2100-01-01 00:00+00', 'expected_at', expected_at::text, 'Give a time in the years 2000 to 2099.', 'RT014'),
		retail.check_argument(NOT (SELECT s.is_bundle FROM retail.sku s WHERE s.sku_id = the_sku), 'sku', sku, 'A bundle has no stock: announce its components.', 'RT011');
	INSERT INTO retail.inbound AS i (source_kind, source_no, sku_id, node_id, quantity, open_quantity, expected_at, changed_at)
		VALUES (source_kind, source_no, the_sku, the_node, quantity, quantity, expected_at, as_of)
		ON CONFLICT ON CONSTRAINT inbound_key DO UPDATE SET changed_at = as_of, expected_at = excluded.expected_at, quantity = excluded.quantity,
			open_quantity = greatest(i.open_quantity + excluded.quantity - i.quantity, 0)
		RETURNING i.* INTO known;
	RETURN jsonb_build_object('inbound_id', known.inbound_id, 'open', known.open_quantity, 'changed', retail.redate_backorders(ARRAY[the_sku], as_of));
END $$;
COMMENT ON FUNCTION retail.put_inbound(text, text, text, text, bigint, timestamptz, timestamptz) IS
'Announces units that a purchase order or another document is to bring to a node, or changes quantity and date of an announcement (what was closed of it stays closed). Orders that wait for it are dated anew. Idempotent by source, SKU and node. Returns {inbound_id, open (units), changed (orders with another promise)}. Raises RT001, RT002, RT010, RT011, RT014, RT015, RT016, RT022.';

CREATE FUNCTION retail.close_inbound(source_kind text, source_no text, sku text DEFAULT NULL, node text DEFAULT NULL, quantity bigint DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_sku bigint := CASE WHEN sku IS NOT NULL THEN retail.sku_id(sku) END;
	the_node bigint := CASE WHEN node IS NOT NULL THEN retail.node_id(node, 'known') END;
	skus bigint[];
	open_units bigint;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	PERFORM FROM retail.inbound i WHERE i.source_kind = source_kind AND i.source_no = source_no AND i.sku_id = coalesce(the_sku, i.sku_id) AND i.node_id = coalesce(the_node, i.node_id)
		ORDER BY i.inbound_id FOR UPDATE;
	SELECT array_agg(DISTINCT i.sku_id), sum(i.open_quantity) INTO skus, open_units FROM retail.inbound i
		WHERE i.source_kind = source_kind AND i.source_no = source_no AND i.sku_id = coalesce(the_sku, i.sku_id) AND i.node_id = coalesce(the_node, i.node_id);
	IF skus IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown inbound', DETAIL = format('%s %s brings nothing%s.', coalesce(left(source_kind, 200), 'null'), coalesce('"' || left(source_no, 200) || '"', 'null'), CASE WHEN sku IS NULL THEN '' ELSE format(' of SKU "%s"', sku) END),
			HINT = 'Use the source, SKU and node given to retail.put_inbound().';
	END IF;
	PERFORM retail.check_argument(quantity IS NULL OR (quantity BETWEEN 0 AND open_units AND sku IS NOT NULL AND node IS NOT NULL), 'quantity', quantity::text,
		format('Give null for all that is open, or, with SKU and node, 0 to the %s units that are.', open_units), 'RT032');
	UPDATE retail.inbound i SET open_quantity = i.open_quantity - coalesce(quantity, i.open_quantity), changed_at = as_of
		WHERE i.source_kind = source_kind AND i.source_no = source_no AND i.sku_id = coalesce(the_sku, i.sku_id) AND i.node_id = coalesce(the_node, i.node_id);
	RETURN jsonb_build_object('closed', coalesce(quantity, open_units), 'changed', retail.redate_backorders(skus, as_of));
END $$;
COMMENT ON FUNCTION retail.close_inbound(text, text, text, text, bigint, timestamptz) IS
'Announced units came (book them in with receive_stock() first) or will not come: all that is open of a source, of one SKU, or quantity units of it at a node. Orders that waited for them are pegged to what lies there or to other supply. Returns {closed (units), changed (orders with another promise)}. Raises RT001, RT002, RT005, RT014, RT032.';

GRANT EXECUTE ON FUNCTION retail.put_inbound(text, text, text, text, bigint, timestamptz, timestamptz), retail.close_inbound(text, text, text, text, bigint, timestamptz) TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.inbound_supply() TO retail_admin, retail_app, retail_service, retail_store;
