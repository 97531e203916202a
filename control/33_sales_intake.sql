-- 33_sales_intake.sql: the intake queue: submitting orders (src/sales/intake.c)
-- and deciding them in batches (src/sales/intake_batch.c).

CREATE FUNCTION retail.submit_orders(orders jsonb, as_of timestamptz DEFAULT now(),
	OUT n int, OUT channel text, OUT external_no text, OUT state text, OUT order_id bigint, OUT replayed boolean,
	OUT sqlstate text, OUT error text, OUT detail text, OUT hint text) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 200 ROWS 10 SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'retail_submit_orders';
COMMENT ON FUNCTION retail.submit_orders(jsonb, timestamptz) IS
'Puts orders into the intake queue, for run_allocation() to decide. orders: an array of 1 to 10000 objects with the arguments of place_order() as keys (channel, external_no, lines, destination, fulfilment, pick_up_node, member_id, freight, payment, policy, shortage), and priority (0 to 100, higher goes first) and needed_by (a time; earlier goes first). One row an element, in their order: state is queued, placed or refused as the number stands, or invalid for an element that cannot be taken, with SQLSTATE, message, detail and hint; the others are taken. Idempotent by (channel, external_no); one that was refused is queued again. Raises RT011 (no such array), RT014.';

CREATE FUNCTION retail.run_allocation(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10000 SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'retail_run_allocation';
COMMENT ON FUNCTION retail.run_allocation(timestamptz) IS
'Decides the next batch (500) of the intake queue together: highest priority first, then needed_by, then first come first served; places what can be fulfilled, in part where the order says so (shortage), and refuses the rest with the reason, in one transaction, and notifies channel retail_allocation with {batch, placed, refused, left}. Any number of sessions may run it at once. Returns a report; it ends in "more waiting" when the batch was full, or left orders that wait for what the others are given. Raises RT014.';

CREATE FUNCTION retail.run_allocation(as_of timestamptz, batch_size int) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10000 SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'retail_run_allocation';
COMMENT ON FUNCTION retail.run_allocation(timestamptz, int) IS 'The same with batches of 1 to 10000 orders. Raises RT014, RT016.';

CREATE FUNCTION retail.intake_status(channel text, external_no text,
	OUT state text, OUT order_id bigint, OUT submitted_at timestamptz, OUT decided_at timestamptz, OUT priority int, OUT needed_by timestamptz,
	OUT attempts int, OUT batch bigint, OUT sqlstate text, OUT error text, OUT detail text, OUT hint text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	the_channel bigint := coalesce((SELECT c.channel_id FROM retail.channel c WHERE c.code = $1), retail.channel_id($1));
BEGIN
	SELECT i.state, i.order_id, i.submitted_at, i.decided_at, i.priority, i.needed_by, i.attempts, i.batch, i.sqlstate, i.error, i.detail, i.hint
		INTO state, order_id, submitted_at, decided_at, priority, needed_by, attempts, batch, sqlstate, error, detail, hint
		FROM retail.order_intake i WHERE i.channel_id = the_channel AND i.external_no = $2;
	IF FOUND THEN
		RETURN;
	END IF;
	SELECT 'placed', o.order_id, o.placed_at, o.recorded_at INTO state, order_id, submitted_at, decided_at
		FROM retail.sales_order o WHERE o.channel_id = the_channel AND o.external_no = $2;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown order',
			DETAIL = CASE WHEN $2 IS NULL THEN 'external_no is null.' ELSE format('Channel "%s" has no order "%s", placed or submitted.', $1, left($2, 200)) END,
			HINT = 'Submit it with retail.submit_orders(), or place it with retail.place_order().';
	END IF;
END $$;
COMMENT ON FUNCTION retail.intake_status(text, text) IS
'Where an order stands that was submitted: queued, placed (with order_id; also one that was placed directly) or refused (with SQLSTATE, message, detail and hint). Raises RT003, RT006.';

CREATE FUNCTION retail.check_intake_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT 3, format('submitted order "%s" of channel %s', i.external_no, i.channel_id), format('names order %s, which is not that', i.order_id)
	FROM retail.order_intake i LEFT JOIN retail.sales_order o ON o.order_id = i.order_id
	WHERE i.state = 'placed' AND (o.channel_id, o.external_no, o.request_hash) IS DISTINCT FROM (i.channel_id, i.external_no, i.request_hash)
$$;
COMMENT ON FUNCTION retail.check_intake_integrity() IS 'Every submitted order that was placed names its order.';

GRANT EXECUTE ON FUNCTION retail.submit_orders(jsonb, timestamptz), retail.intake_status(text, text), retail.run_allocation(timestamptz), retail.run_allocation(timestamptz, int) TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.intake_status(text, text) TO retail_service;
GRANT EXECUTE ON FUNCTION retail.check_intake_integrity() TO retail_admin;
