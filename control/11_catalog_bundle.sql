-- 11_catalog_bundle.sql: bundles.  A bundle is a SKU that is sold and priced as
-- one, and consists of others: it never has stock of its own.

CREATE FUNCTION retail.put_bundle(sku text, components jsonb) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	bundle bigint := retail.sku_id(sku);
	wanted record;
BEGIN
	-- One at a time, so that two cannot become each other's component.
	PERFORM pg_advisory_xact_lock(hashtext('pg_retail'), 3);
	PERFORM FROM retail.sku s WHERE s.sku_id = bundle FOR UPDATE;
	IF nullif(components, 'null') IS NULL THEN
		DELETE FROM retail.bundle_component c WHERE c.bundle_sku_id = bundle;
		UPDATE retail.sku s SET is_bundle = false WHERE s.sku_id = bundle AND s.is_bundle;
		RETURN bundle;
	END IF;
	SELECT array_agg(p.sku_id) AS skus, array_agg(p.quantity) AS quantities INTO wanted
		FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(components) q WHERE q.sku_id <> bundle GROUP BY 1) p;
	PERFORM retail.check_argument(jsonb_array_length(components) <= 50 AND cardinality(wanted.skus) > 0, 'components', left(components::text, 200),
		'Give 1 to 50 other SKUs such as {"sku": "A1", "qty": 2}.', 'RT011');
	PERFORM retail.check_argument(NOT EXISTS (SELECT FROM jsonb_array_elements(components) e JOIN retail.sku s ON s.code = e ->> 'sku' WHERE s.sku_id = bundle), 'components', left(components::text, 200),
		'A bundle does not contain itself.', 'RT011');
	PERFORM retail.check_argument(NOT EXISTS (SELECT FROM unnest(wanted.quantities) q WHERE q > 1000000), 'components', left(components::text, 200),
		'A bundle has at most 1000000 units of a component.', 'RT010');
	IF EXISTS (SELECT FROM retail.bundle_component c WHERE c.sku_id = bundle) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'a bundle cannot be part of a bundle', HINT = 'List the components of the inner bundle instead.',
			DETAIL = format('SKU "%s" is a component of "%s".', sku, (SELECT min(s.code) FROM retail.bundle_component c JOIN retail.sku s ON s.sku_id = c.bundle_sku_id WHERE c.sku_id = bundle));
	END IF;
	IF EXISTS (SELECT FROM retail.stock s WHERE s.sku_id = bundle AND (s.on_hand, s.reserved, s.in_transit, s.damaged, s.quality_hold) <> (0, 0, 0, 0, 0)) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'a bundle has no stock of its own', HINT = 'Book its stock out with retail.adjust_stock() first, or give the bundle another SKU.',
			DETAIL = format('SKU "%s" lies at %s nodes.', sku, (SELECT count(*) FROM retail.stock s WHERE s.sku_id = bundle AND (s.on_hand, s.reserved, s.in_transit, s.damaged, s.quality_hold) <> (0, 0, 0, 0, 0)));
	END IF;
	DELETE FROM retail.bundle_component c WHERE c.bundle_sku_id = bundle AND c.sku_id <> ALL (wanted.skus);
	INSERT INTO retail.bundle_component AS c (bundle_sku_id, sku_id, quantity) SELECT bundle, u.sku_id, u.quantity FROM unnest(wanted.skus, wanted.quantities) u (sku_id, quantity)
		ON CONFLICT ON CONSTRAINT bundle_component_pkey DO UPDATE SET quantity = excluded.quantity WHERE c.quantity <> excluded.quantity;
	UPDATE retail.sku s SET is_bundle = true WHERE s.sku_id = bundle AND NOT s.is_bundle;
	RETURN bundle;
END $$;
COMMENT ON FUNCTION retail.put_bundle(text, jsonb) IS
'Says what a SKU consists of: components [{"sku", "qty" of one bundle, "unit"?}], 1 to 50; null: it is no bundle any more. Orders that were placed keep the components they had. A bundle has no stock, is no part of another, and weighs what its components weigh. Returns its key. Raises RT001, RT005, RT010, RT011, RT016, RT031.';

CREATE FUNCTION retail.bundle_to_promise(sku_id bigint, channel text, as_of timestamptz) RETURNS TABLE (node text, node_kind text, on_hand bigint, available bigint, in_transit bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = retail, pg_catalog, pg_temp AS $$
	-- A node that lacks a component altogether has none of the bundle.
	SELECT p.node, p.node_kind, min(floor(p.on_hand::numeric / c.quantity))::bigint, min(floor(p.available::numeric / c.quantity))::bigint, min(floor(p.in_transit::numeric / c.quantity))::bigint
	FROM retail.bundle_component c JOIN retail.sku s USING (sku_id), LATERAL retail.available_to_promise(s.code, $2, $3) p
	WHERE c.bundle_sku_id = $1 GROUP BY 1, 2 HAVING count(*) = (SELECT count(*) FROM retail.bundle_component x WHERE x.bundle_sku_id = $1)
$$;
COMMENT ON FUNCTION retail.bundle_to_promise(bigint, text, timestamptz) IS 'Internal: how many bundles could be made up at each node of what its components have there. Raises RT001 (a component is inactive), RT003, RT014.';

CREATE FUNCTION retail.check_bundle_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT 0, format('SKU %s', s.code), CASE WHEN s.is_bundle THEN 'is a bundle without components' ELSE 'has components, but is no bundle' END
	FROM retail.sku s WHERE s.is_bundle <> EXISTS (SELECT FROM retail.bundle_component c WHERE c.bundle_sku_id = s.sku_id)
	UNION ALL
	SELECT 0, format('SKU %s', s.code), 'is a bundle and part of another'
	FROM retail.sku s WHERE s.is_bundle AND EXISTS (SELECT FROM retail.bundle_component c WHERE c.sku_id = s.sku_id)
	UNION ALL
	SELECT 0, format('SKU %s', s.code), format('is a bundle, but has stock at node %s', x.node_id)
	FROM retail.sku s JOIN retail.stock x USING (sku_id) WHERE s.is_bundle AND (x.on_hand, x.reserved, x.in_transit, x.damaged, x.quality_hold) <> (0, 0, 0, 0, 0)
$$;
COMMENT ON FUNCTION retail.check_bundle_integrity() IS 'Bundles without components, inside others, or with stock of their own.';

GRANT EXECUTE ON FUNCTION retail.put_bundle(text, jsonb) TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.check_bundle_integrity() TO retail_admin;
