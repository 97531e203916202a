-- 39_sales_member.sql: what the room of orders holds of a person, and
-- forgetting it (called by export_member() and erase_member()).

CREATE FUNCTION retail.member_export_orders(account_ids bigint[]) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT jsonb_build_object('orders', coalesce((SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('channel', c.code, 'external_no', o.external_no, 'member_id', o.member_id, 'placed_at', o.placed_at, 'fulfilment', o.fulfilment,
			'status', o.status, 'payment_state', o.payment_state, 'total', o.total, 'paid', o.paid, 'refunded', o.refunded, 'region', r.code, 'latitude', o.latitude, 'longitude', o.longitude, 'recipient', o.recipient,
			'lines', (SELECT jsonb_agg(jsonb_build_object('sku', k.code, 'quantity', l.quantity, 'unit_price', l.unit_price, 'amount', l.amount, 'cancelled', l.cancelled, 'returned', l.returned) ORDER BY l.line_no)
				FROM retail.order_line l JOIN retail.sku k USING (sku_id) WHERE l.order_id = o.order_id))) ORDER BY o.placed_at, o.order_id)
		FROM retail.sales_order o JOIN retail.channel c USING (channel_id) LEFT JOIN retail.region r USING (region_id) WHERE o.member_id = ANY ($1)), '[]'),
		'waiting_orders', coalesce((SELECT jsonb_agg(i.request ORDER BY i.intake_id) FROM retail.order_intake i WHERE i.request ->> 'member_id' = ANY ($1::text[])), '[]'))
$$;
COMMENT ON FUNCTION retail.member_export_orders(bigint[]) IS 'Internal: orders of a person, placed and submitted.';

CREATE FUNCTION retail.member_forget_orders(account_ids bigint[], as_of timestamptz) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	finished bigint[];
BEGIN
	-- What was handed to a carrier half a year ago has arrived, or is lost.
	finished := ARRAY(SELECT o.order_id FROM retail.sales_order o WHERE o.member_id = ANY (account_ids)
		AND (o.status IN ('delivered', 'cancelled') OR o.status = 'shipped' AND o.placed_at < as_of - interval '180 days')
		AND (o.recipient IS NOT NULL OR o.latitude IS NOT NULL) ORDER BY o.order_id FOR UPDATE);
	UPDATE retail.sales_order o SET recipient = NULL, latitude = NULL, longitude = NULL WHERE o.order_id = ANY (finished);
	UPDATE retail.order_event e SET detail = e.detail #- '{destination,lat}' #- '{destination,lon}' WHERE e.order_id = ANY (finished) AND e.detail -> 'destination' ?| '{lat,lon}';
	UPDATE retail.order_question q SET answer_detail = q.answer_detail #- '{given,destination,lat}' #- '{given,destination,lon}'
		WHERE q.order_id = ANY (finished) AND q.answer_detail #> '{given,destination}' ?| '{lat,lon}';
	UPDATE retail.order_intake i SET request = '{}' WHERE i.state = 'refused' AND i.request ->> 'member_id' = ANY (account_ids::text[]);
	RETURN (SELECT count(*) FROM retail.sales_order o WHERE o.member_id = ANY (account_ids) AND (o.recipient IS NOT NULL OR o.latitude IS NOT NULL))
		+ (SELECT count(*) FROM retail.order_intake i WHERE i.state = 'queued' AND i.request ->> 'member_id' = ANY (account_ids::text[]));
END $$;
COMMENT ON FUNCTION retail.member_forget_orders(bigint[], timestamptz) IS 'Internal: takes names, addresses and coordinates out of the finished orders of a person; the orders stay. Returns how many are not finished and still need theirs.';
