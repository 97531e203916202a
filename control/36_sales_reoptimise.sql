-- 36_sales_reoptimise.sql: the wave that goes to the floor, and the second look
-- at orders before it does (src/sales/reoptimise.c).

CREATE FUNCTION retail.release_parcels(node text, until timestamptz DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	n bigint := retail.node_id(node);
	orders bigint[];
	parcels int;
BEGIN
	PERFORM retail.check_node_access(n), retail.check_time(as_of, 'as_of'), retail.check_time(coalesce(until, as_of), 'until');
	as_of := retail.effective_time(as_of);
	-- Orders first, in order; what is theirs is read in the next statement.
	SELECT array_agg(x.order_id) INTO orders FROM (
		SELECT o.order_id FROM retail.sales_order o WHERE o.order_id IN (SELECT s.order_id FROM retail.shipment s
			WHERE s.node_id = n AND s.status = 'planned' AND s.released_at IS NULL AND (until IS NULL OR s.ship_by <= until))
		ORDER BY o.order_id FOR UPDATE) x;
	WITH released AS (
		UPDATE retail.shipment s SET released_at = as_of FROM retail.sales_order o
		WHERE s.order_id = ANY (orders) AND o.order_id = s.order_id AND o.payment_state IN ('paid', 'on_delivery')
			AND s.node_id = n AND s.status = 'planned' AND s.released_at IS NULL AND (until IS NULL OR s.ship_by <= until)
		RETURNING s.order_id, s.shipment_id
	), noted AS (
		INSERT INTO retail.order_event (order_id, kind, occurred_at, actor, detail)
			SELECT r.order_id, 'released', as_of, retail.caller(), jsonb_build_object('shipment_id', r.shipment_id, 'node', node) FROM released r
	) SELECT count(*) INTO parcels FROM released;
	RETURN parcels;
END $$;
COMMENT ON FUNCTION retail.release_parcels(text, timestamptz, timestamptz) IS
'Releases a wave to the floor: the planned parcels of a node that must leave by until (null: all), of orders that are paid or pay on delivery. They are on its pick_list() from now on, and run_reoptimise() leaves their orders alone. Each is an event of kind released. Idempotent. Returns the number of parcels. Raises RT002, RT014, RT040.';

CREATE FUNCTION retail.pick_list(node text) RETURNS TABLE (shipment_id bigint, channel text, external_no text, kind text, service text, ship_by timestamptz, released_at timestamptz,
	line_no int, sku text, name text, qty bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 1000 SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	n bigint := retail.node_id($1);
BEGIN
	PERFORM retail.check_node_access(n);
	RETURN QUERY
	SELECT s.shipment_id, c.code, o.external_no, s.kind, v.code, s.ship_by, s.released_at, l.line_no, k.code, k.name, l.quantity
	FROM retail.shipment s JOIN retail.sales_order o USING (order_id) JOIN retail.channel c USING (channel_id)
	LEFT JOIN retail.carrier_service v ON v.carrier_service_id = s.carrier_service_id
	JOIN retail.shipment_line l ON l.shipment_id = s.shipment_id AND l.quantity > 0 JOIN retail.sku k USING (sku_id)
	WHERE s.node_id = n AND s.status = 'planned' AND s.released_at IS NOT NULL
	ORDER BY s.ship_by, s.shipment_id, l.line_no;
END $$;
COMMENT ON FUNCTION retail.pick_list(text) IS 'What the floor of a node has to pick: the lines of its released parcels, the most urgent first. Raises RT002, RT040.';

CREATE FUNCTION retail.may_replan(order_ids bigint[], as_of timestamptz) RETURNS SETOF bigint
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100 SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT o.order_id FROM retail.sales_order o
	WHERE o.order_id = ANY ($1) AND o.status = 'open' AND o.fulfilment = 'ship' AND o.payment_state IN ('paid', 'on_delivery')
		AND EXISTS (SELECT FROM retail.shipment s WHERE s.order_id = o.order_id AND s.status = 'planned')
		AND NOT EXISTS (SELECT FROM retail.shipment s WHERE s.order_id = o.order_id AND s.status <> 'cancelled'
			AND (s.status <> 'planned' OR s.kind <> 'ship' OR s.released_at IS NOT NULL OR s.ship_by IS NULL OR s.ship_by <= $2))
		AND NOT EXISTS (SELECT FROM retail.order_bundle b WHERE b.order_id = o.order_id)
		AND NOT EXISTS (SELECT FROM retail.order_exclusion x WHERE x.order_id = o.order_id)
		AND NOT EXISTS (SELECT FROM retail.order_exception e WHERE e.order_id = o.order_id)
		AND NOT EXISTS (SELECT FROM retail.allocation_decision d WHERE d.order_id = o.order_id AND d.decided_at >= $2)
$$;
COMMENT ON FUNCTION retail.may_replan(bigint[], timestamptz) IS
'Internal: which of some orders may be planned again: shipped to the customer and paid (or paid on delivery), with all their parcels still planned, not released and in time, without bundles, never refused by a node and never an exception.';

CREATE FUNCTION retail.replan_orders(order_ids bigint[], as_of timestamptz, OUT looked int, OUT changed int, OUT parcels_before int, OUT parcels_after int,
	OUT cost_before numeric, OUT cost_after numeric)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_replan_orders';
COMMENT ON FUNCTION retail.replan_orders(bigint[], timestamptz, OUT int, OUT int, OUT int, OUT int, OUT numeric, OUT numeric) IS
'Internal: plans orders again together, whose rows and reservations the caller has locked, and writes what is cheaper; no order is promised later than before. Raises RT005 without an active policy, 40001 when stock changed meanwhile.';

CREATE FUNCTION retail.run_reoptimise(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
#variable_conflict use_variable
DECLARE
	candidates bigint[];
	found record;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	as_of := retail.effective_time(as_of);
	-- Whoever ships, pays, cancels or refuses an order holds its row: it is left alone, and so are those of another second look.
	SELECT array_agg(d.order_id ORDER BY d.order_id) INTO candidates FROM (
		SELECT o.order_id FROM retail.sales_order o
		WHERE o.placed_at < as_of AND o.placed_at > as_of - interval '1 minute' * (SELECT max(p.reoptimise_minutes) FROM retail.allocation_policy p WHERE p.status = 'active')
			AND o.placed_at > as_of - interval '1 minute' * (SELECT p.reoptimise_minutes FROM retail.allocation_policy p
				WHERE p.status = 'active' AND (p.channel_id = o.channel_id OR p.channel_id IS NULL) ORDER BY p.channel_id NULLS LAST LIMIT 1)
			AND o.order_id IN (SELECT retail.may_replan(ARRAY[o.order_id], as_of))
		ORDER BY (SELECT count(*) FROM retail.shipment s WHERE s.order_id = o.order_id AND s.status = 'planned') = 1, o.placed_at, o.order_id LIMIT 1000 FOR UPDATE OF o SKIP LOCKED) d;
	-- Now that they are locked: what became of them before that.
	candidates := ARRAY(SELECT r FROM retail.may_replan(candidates, as_of) r ORDER BY r);
	IF cardinality(candidates) = 0 THEN
		RETURN '0 orders looked at';
	END IF;
	FOR try IN 1 .. 3 LOOP
		BEGIN
			PERFORM retail.lock_reservations(candidates);
			SELECT * INTO found FROM retail.replan_orders(candidates, as_of);
			EXIT;
		EXCEPTION
			WHEN lock_not_available THEN
				-- Who takes stock again and again in one transaction may be waiting for us: give way before it is a deadlock.
				RETURN format('%s orders wait for stock that is in use', cardinality(candidates));
			WHEN serialization_failure THEN		-- another buyer took what was planned on
				IF try = 3 THEN
					RETURN format('%s orders wait: stock changed under the second look', cardinality(candidates));
				END IF;
		END;
	END LOOP;
	RETURN format('%s orders looked at, %s planned again: %s parcels instead of %s, %s saved', found.looked, found.changed, found.parcels_after, found.parcels_before,
		found.cost_before - found.cost_after);
END $$;
COMMENT ON FUNCTION retail.run_reoptimise(timestamptz) IS
'The second look: plans orders again together that were placed within the cool-down of their policy (reoptimise_minutes) and whose parcels are not released yet, where that costs less in total; no order is promised later than before. Each that changes has an event of kind replanned, with cost and parcels before and after. At most 1000 orders, those in several parcels first. Safe to run twice at once and again. Says what it saved. Task reoptimise, not enabled at first. Raises RT014.';

GRANT EXECUTE ON FUNCTION retail.release_parcels(text, timestamptz, timestamptz), retail.pick_list(text) TO retail_admin, retail_app, retail_store;
GRANT EXECUTE ON FUNCTION retail.run_reoptimise(timestamptz) TO retail_admin, retail_app;
