-- 31_sales_place.sql: quoting and placing orders (src/sales/place_order.c).

CREATE FUNCTION retail.place_order(channel text, external_no text, lines jsonb, destination jsonb DEFAULT NULL,
	fulfilment text DEFAULT 'ship', pick_up_node text DEFAULT NULL, member_id bigint DEFAULT NULL, freight numeric DEFAULT NULL,
	payment text DEFAULT 'prepaid', policy text DEFAULT NULL, as_of timestamptz DEFAULT now(), shortage text DEFAULT 'refuse',
	OUT order_id bigint, OUT status text, OUT goods_total numeric, OUT discount_total numeric, OUT freight_total numeric,
	OUT total numeric, OUT promised_at timestamptz, OUT parcels jsonb, OUT replayed boolean, OUT short jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000 SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'retail_place_order';
COMMENT ON FUNCTION retail.place_order(text, text, jsonb, jsonb, text, text, bigint, numeric, text, text, timestamptz, text) IS
'Places an order: prices freight, chooses the cheapest nodes and holds stock, in one transaction. lines: [{"sku", "qty", "price"?, "discount"?, "unit"?}]; destination: {"region"?, "lat"?, "lon"?, "recipient"?}; fulfilment: ship, pick_up or ship_to_store (both with pick_up_node); freight: what the customer is charged, null for the rate card''s; payment: prepaid (stock is held until the channel''s payment_ttl) or on_delivery. shortage says what becomes of units that are not there: refuse (the whole order), partial (they are cancelled, with their money), backorder (they wait for supply with a date) or backorder_undated (without one, too); short lists them: [{line_no, sku, qty, outcome: cancelled|waits, amount or expected_at and promised_at}]. Idempotent by (channel, external_no). Raises RT001 to RT005, RT010 to RT016, RT020 to RT022, RT030, RT060.';

CREATE FUNCTION retail.quote_order(channel text, lines jsonb, destination jsonb DEFAULT NULL, fulfilment text DEFAULT 'ship',
	pick_up_node text DEFAULT NULL, freight numeric DEFAULT NULL, policy text DEFAULT NULL, as_of timestamptz DEFAULT now(), shortage text DEFAULT 'refuse',
	OUT goods_total numeric, OUT discount_total numeric, OUT freight_total numeric, OUT total numeric, OUT promised_at timestamptz,
	OUT parcels jsonb, OUT cost numeric, OUT is_exact boolean, OUT trace jsonb, OUT short jsonb)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 500 SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'retail_quote_order';
COMMENT ON FUNCTION retail.quote_order(text, jsonb, jsonb, text, text, numeric, text, timestamptz, text) IS
'Answers what place_order() would, without writing anything; also on a standby, and for a draft policy by name. cost is the chain''s cost under the policy, trace says why. Raises the same errors as place_order().';

GRANT EXECUTE ON FUNCTION retail.place_order(text, text, jsonb, jsonb, text, text, bigint, numeric, text, text, timestamptz, text) TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.quote_order(text, jsonb, jsonb, text, text, numeric, text, timestamptz, text) TO retail_admin, retail_app, retail_store, retail_service;
