-- 35_sales_reroute.sql: when a store says no: refusing parcels, routing again
-- without the node, and the queue of exceptions.

CREATE FUNCTION retail.open_exception(kind text, sqlstate text, message text, detail text, as_of timestamptz, order_id bigint DEFAULT NULL, shipment_id bigint DEFAULT NULL,
	channel_id bigint DEFAULT NULL, external_no text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	result bigint;
BEGIN
	IF $6 IS NOT NULL THEN
		SELECT o.channel_id, o.external_no INTO $8, $9 FROM retail.sales_order o WHERE o.order_id = $6;
	END IF;
	-- The row that is open already keeps its first moment and learns the latest reason.
	UPDATE retail.order_exception e SET kind = $1, shipment_id = coalesce($7, e.shipment_id), sqlstate = $2, message = left($3, 1000), detail = left(coalesce($4, ''), 2000),
			tries = e.tries + 1, tried_at = $5
		WHERE e.state = 'open' AND CASE WHEN $6 IS NULL THEN e.kind = 'intake' AND e.channel_id = $8 AND e.external_no = $9 ELSE e.order_id = $6 END
		RETURNING e.exception_id INTO result;
	IF NOT FOUND THEN
		INSERT INTO retail.order_exception (kind, order_id, shipment_id, channel_id, external_no, sqlstate, message, detail, tried_at, opened_at, opened_by)
			VALUES ($1, $6, $7, $8, $9, $2, left($3, 1000), left(coalesce($4, ''), 2000), $5, $5, retail.caller()) RETURNING exception_id INTO result;
		IF $6 IS NOT NULL THEN
			PERFORM retail.add_order_event($6, 'exception_opened', $5, jsonb_build_object('exception_id', result, 'kind', $1, 'sqlstate', $2, 'detail', $4));
		END IF;
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.open_exception(text, text, text, text, timestamptz, bigint, bigint, bigint, text) IS
'Internal: puts an order that no plan was found for into the exception queue, with SQLSTATE, message and DETAIL of the reason, and returns the key; an exception that is open already is told the new reason and counts one try more. With order_id null: of kind intake, known by channel_id and external_no. The caller has locked the order, or the row of the intake.';
