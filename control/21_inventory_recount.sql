-- 21_inventory_recount.sql: correcting stock when a node refuses goods that it
-- was to send.

CREATE FUNCTION retail.post_refusal(reason text, shipment_id bigint, node_id bigint, sku_ids bigint[], units bigint[], released bigint[],
	other_sku_ids bigint[], other_node_ids bigint[], as_of timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	l record;
BEGIN
	-- All rows that this transaction is going to change, in one pass, in the global order.
	PERFORM retail.lock_stock($4 || $7, array_fill($3, ARRAY[cardinality($4)]) || $8);
	SELECT array_agg(x.sku_id) AS skus, array_agg($3) AS nodes, array_agg(x.counter) AS counters, array_agg(x.quantity) AS quantities INTO l
	FROM (SELECT u.sku_id, v.counter, v.quantity
		  FROM unnest($4, $5, $6) u (sku_id, units, released) JOIN retail.stock s ON s.sku_id = u.sku_id AND s.node_id = $3,
		  -- nobody can miss more than was there; what nobody was promised is doubted too
		  LATERAL (SELECT CASE $1 WHEN 'not_found' THEN least(u.units, greatest(s.on_hand, 0)) WHEN 'damaged' THEN u.units ELSE 0 END) g (gone),
		  LATERAL (SELECT CASE $1 WHEN 'not_found' THEN greatest(s.on_hand - g.gone - (s.reserved - u.released), 0) ELSE 0 END) d (doubted),
		  LATERAL (VALUES ('reserved', -u.released), ('sellable', -g.gone - d.doubted), ('damaged', CASE $1 WHEN 'damaged' THEN g.gone ELSE 0 END), ('quality_hold', d.doubted)) v (counter, quantity)
		  WHERE v.quantity <> 0) x;
	IF $1 = 'not_found' THEN
		INSERT INTO retail.stock_recount AS r (sku_id, node_id, quantity, asked_at)
			SELECT u.sku_id, $3, coalesce((SELECT sum(h.quantity) FROM unnest(l.skus, l.counters, l.quantities) h (sku_id, counter, quantity)
				WHERE h.sku_id = u.sku_id AND h.counter = 'quality_hold'), 0), $9 FROM unnest($4) u (sku_id)
			ON CONFLICT (sku_id, node_id) DO UPDATE SET quantity = r.quantity + excluded.quantity, asked_at = greatest(r.asked_at, excluded.asked_at);
	END IF;
	IF l.skus IS NOT NULL THEN
		PERFORM retail.post_stock(l.skus, l.nodes, l.counters, l.quantities, $1, 'shipment', $2, $9);
	END IF;
END $$;
COMMENT ON FUNCTION retail.post_refusal(text, bigint, bigint, bigint[], bigint[], bigint[], bigint[], bigint[], timestamptz) IS
'Internal: corrects stock for units that a node refused: not_found books them out and puts what nobody was promised on quality hold until a count, damaged moves them to damaged, other reasons leave the goods; released units of stock.reserved are given back. The other pairs of SKU and node are locked with them, for a caller that changes those next.';
