-- 35_sales_reroute.sql: when a store says no: refusing parcels, routing again
-- without the node, and the queue of exceptions.
--
-- What nobody will send is backordered in its order lines; an open exception or
-- an open question says who is to act.  Locks: the order, its reservations, the
-- rows of stock (all at once, retail.post_refusal()), then the node that pauses.

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

CREATE FUNCTION retail.open_units(order_id bigint) RETURNS TABLE (line_no bigint, sku_id bigint, quantity bigint)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT x.line_no, x.sku_id, x.quantity FROM (SELECT l.line_no, l.sku_id, l.backordered
			- coalesce((SELECT sum(b.quantity) FROM retail.backorder b WHERE b.order_id = l.order_id AND b.line_no = l.line_no), 0)::bigint AS quantity
		FROM retail.order_line l WHERE l.order_id = $1 AND l.backordered > 0) x WHERE x.quantity > 0 ORDER BY x.line_no
$$;
COMMENT ON FUNCTION retail.open_units(bigint) IS 'The units of an order that nobody is going to send as yet, and that do not wait for stock: an exception or a question is open. Shows what the caller may see.';

CREATE FUNCTION retail.open_lines(order_id bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT jsonb_agg(jsonb_build_object('sku', k.code, 'qty', u.quantity) ORDER BY u.line_no) FROM retail.open_units($1) u JOIN retail.sku k USING (sku_id)
$$;
COMMENT ON FUNCTION retail.open_lines(bigint) IS 'Internal: the open units of an order as the lines of a verb; null when there are none.';

CREATE FUNCTION retail.close_waiting(order_id bigint, as_of timestamptz, resolution text, note text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	gone bigint;
BEGIN
	IF EXISTS (SELECT FROM retail.open_units($1)) THEN
		RETURN;
	END IF;
	UPDATE retail.order_exception e SET state = 'resolved', resolved_at = $2, resolved_by = retail.caller(), resolution = $3, note = $4
		WHERE e.order_id = $1 AND e.state = 'open' RETURNING e.exception_id INTO gone;
	IF FOUND THEN
		PERFORM retail.add_order_event($1, 'exception_resolved', $2, jsonb_build_object('exception_id', gone, 'resolution', $3));
	END IF;
	UPDATE retail.order_question q SET state = 'withdrawn', closed_at = $2 WHERE q.order_id = $1 AND q.state = 'open' RETURNING q.question_id INTO gone;
	IF FOUND THEN
		PERFORM retail.add_order_event($1, 'question_closed', $2, jsonb_build_object('question_id', gone, 'state', 'withdrawn', 'resolution', $3));
	END IF;
END $$;
COMMENT ON FUNCTION retail.close_waiting(bigint, timestamptz, text, text) IS 'Internal: closes exception and question of an order, locked by the caller, when none of its units waits any more.';

CREATE FUNCTION retail.route_units(order_id bigint, line_nos bigint[], quantities bigint[], excluded bigint[], only_node bigint, pick_up_node bigint, as_of timestamptz,
	reason text, shipment_id bigint, node_id bigint, sku_ids bigint[], units bigint[], released bigint[]) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'retail_route_units';
COMMENT ON FUNCTION retail.route_units(bigint, bigint[], bigint[], bigint[], bigint, bigint, timestamptz, text, bigint, bigint, bigint[], bigint[], bigint[]) IS
'Internal: decides who fulfils units of an order that the caller has locked, as place_order() does but without the excluded nodes (or at only_node), and writes parcels, reservations, decision and stock; with a reason, what a node refused is posted by post_refusal() with it. Returns the parcels. Raises RT005, RT010, RT020, RT021, RT022, and RT060 when another buyer was faster: then nothing of it may stay.';

CREATE FUNCTION retail.route_again(order_id bigint, line_nos bigint[], quantities bigint[], cause jsonb, as_of timestamptz, only_node bigint DEFAULT NULL, pick_up_node bigint DEFAULT NULL,
	reason text DEFAULT NULL, shipment_id bigint DEFAULT NULL, node_id bigint DEFAULT NULL, sku_ids bigint[] DEFAULT NULL, units bigint[] DEFAULT NULL, released bigint[] DEFAULT NULL,
	OUT parcels jsonb, OUT promised_at timestamptz, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	excluded bigint[] := CASE WHEN only_node IS NULL THEN ARRAY(SELECT x.node_id FROM retail.order_exclusion x WHERE x.order_id = $1) END;
	old_promise timestamptz := (SELECT o.promised_at FROM retail.sales_order o WHERE o.order_id = $1);
BEGIN
	FOR attempt IN 1..20 LOOP
		BEGIN
			parcels := retail.route_units($1, line_nos, quantities, excluded, only_node, pick_up_node, as_of, reason, shipment_id, node_id, sku_ids, units, released);
			EXIT;
		EXCEPTION WHEN SQLSTATE 'RT060' OR SQLSTATE 'RT005' OR SQLSTATE 'RT010' OR SQLSTATE 'RT020' OR SQLSTATE 'RT021' OR SQLSTATE 'RT022' THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
		END;
		EXIT WHEN state <> 'RT060';
	END LOOP;
	IF parcels IS NULL THEN
		RETURN;
	END IF;
	state := NULL; message := NULL; detail := NULL; hint := NULL;
	UPDATE retail.order_line l SET allocated = l.allocated + u.quantity, backordered = l.backordered - u.quantity
		FROM unnest(line_nos, quantities) u (line_no, quantity) WHERE l.order_id = $1 AND l.line_no = u.line_no;
	PERFORM retail.trim_backorders($1, true);		-- what was released waits no longer; the promise is that of all that is left
	promised_at := (SELECT o.promised_at FROM retail.sales_order o WHERE o.order_id = $1);
	PERFORM retail.add_order_event($1, CASE cause ->> 'cause' WHEN 'backorder' THEN 'released' ELSE 'rerouted' END, as_of, cause || jsonb_build_object('parcels', parcels, 'old_promise', old_promise, 'new_promise', promised_at));
END $$;
COMMENT ON FUNCTION retail.route_again(bigint, bigint[], bigint[], jsonb, timestamptz, bigint, bigint, text, bigint, bigint, bigint[], bigint[], bigint[]) IS
'Internal: routes open units of an order, locked by the caller, with counters, promise and event rerouted; when stock is taken meanwhile, anew. Without a plan parcels is null, nothing is changed and state, message, detail and hint say why.';

CREATE FUNCTION retail.withdraw_units(shipment_id bigint, line_nos bigint[], quantities bigint[], as_of timestamptz) RETURNS TABLE (sku_id bigint, quantity bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	the_order bigint := (SELECT s.order_id FROM retail.shipment s WHERE s.shipment_id = $1);
BEGIN
	UPDATE retail.shipment_line l SET quantity = l.quantity - u.quantity FROM unnest($2, $3) u (line_no, quantity) WHERE l.shipment_id = $1 AND l.line_no = u.line_no;
	UPDATE retail.order_line l SET allocated = l.allocated - u.quantity, backordered = l.backordered + u.quantity
		FROM unnest($2, $3) u (line_no, quantity) WHERE l.order_id = the_order AND l.line_no = u.line_no;
	PERFORM retail.shrink_parcels(the_order);
	RETURN QUERY SELECT r.sku_id, -sum(r.quantity)::bigint FROM retail.release_surplus(the_order, as_of) r GROUP BY 1;
END $$;
COMMENT ON FUNCTION retail.withdraw_units(bigint, bigint[], bigint[], timestamptz) IS
'Internal: takes units out of a planned parcel, which is cancelled when nothing is left, and lets them wait as backordered; returns what is to be given back of stock.reserved at its node. The caller has locked order and reservations.';

CREATE FUNCTION retail.parse_refusal(shipment_id bigint, lines jsonb) RETURNS TABLE (line_no bigint, sku_id bigint, quantity bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	bad record;
BEGIN
	IF nullif(lines, 'null') IS NULL THEN
		RETURN QUERY SELECT l.line_no::bigint, l.sku_id, l.quantity FROM retail.shipment_line l WHERE l.shipment_id = $1 AND l.quantity > 0 ORDER BY l.line_no;
		RETURN;
	END IF;
	FOR bad IN SELECT k.code, p.sku_id, p.quantity, l.line_no, coalesce(l.quantity, 0) AS there
		FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines) q GROUP BY 1) p JOIN retail.sku k USING (sku_id)
		LEFT JOIN retail.shipment_line l ON l.shipment_id = $1 AND l.sku_id = p.sku_id ORDER BY l.line_no
	LOOP
		IF bad.quantity > bad.there THEN
			RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'more units than the shipment has', DETAIL = format('SKU %s: %s refused, %s in shipment %s.', bad.code, bad.quantity, bad.there, $1),
				HINT = 'Refuse what retail.shipment_line lists, or less.';
		END IF;
		line_no := bad.line_no; sku_id := bad.sku_id; quantity := bad.quantity;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.parse_refusal(bigint, jsonb) IS 'Internal: which units of a shipment a refusal means; lines null: all. Raises RT001, RT005, RT010, RT011, RT032.';

CREATE FUNCTION retail.reroutes_left(order_id bigint) RETURNS int
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT coalesce((SELECT (to_jsonb(p) ->> 'max_reroutes')::int FROM retail.allocation_policy p WHERE p.status = 'active' AND (p.channel_id = o.channel_id OR p.channel_id IS NULL)
			ORDER BY p.channel_id NULLS LAST LIMIT 1), 3)
		- (SELECT count(*) FROM retail.order_event e WHERE e.order_id = $1 AND e.kind = 'rerouted' AND e.detail ->> 'cause' = 'refused')::int
	FROM retail.sales_order o WHERE o.order_id = $1
$$;
COMMENT ON FUNCTION retail.reroutes_left(bigint) IS 'Internal: how often an order may still be routed again after a refusal, by the policy of its channel.';

CREATE FUNCTION retail.send_elsewhere(rejection_id bigint, line_nos bigint[], quantities bigint[], sku_ids bigint[], released bigint[]) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	j retail.shipment_rejection;
	r record;
	kind text := 'no_plan';
BEGIN
	SELECT * INTO STRICT j FROM retail.shipment_rejection x WHERE x.rejection_id = $1;
	IF retail.reroutes_left(j.order_id) > 0 THEN
		SELECT * INTO r FROM retail.route_again(j.order_id, $2, $3, jsonb_build_object('cause', 'refused', 'shipment_id', j.shipment_id, 'node',
				(SELECT n.code FROM retail.node n WHERE n.node_id = j.node_id), 'reason', j.reason), j.rejected_at,
			reason => j.reason, shipment_id => j.shipment_id, node_id => j.node_id, sku_ids => $4, units => $3, released => $5);
		IF r.parcels IS NOT NULL THEN
			RETURN jsonb_build_object('outcome', 'rerouted', 'parcels', r.parcels, 'promised_at', r.promised_at);
		END IF;
	ELSE
		kind := 'reroute_limit';
		SELECT 'RT023' AS state, 'nodes refused the order too often' AS message, format('%s refusals.', (SELECT count(*) FROM retail.shipment_rejection x WHERE x.order_id = j.order_id)) AS detail INTO r;
	END IF;
	r.detail := coalesce(r.detail, '');
	PERFORM retail.open_exception(kind, r.state, r.message, r.detail, j.rejected_at, j.order_id, j.shipment_id);
	PERFORM retail.post_refusal(j.reason, j.shipment_id, j.node_id, $4, $3, $5, '{}', '{}', j.rejected_at);
	RETURN jsonb_build_object('outcome', 'exception', 'exception_id', (SELECT e.exception_id FROM retail.order_exception e WHERE e.order_id = j.order_id AND e.state = 'open'),
		'sqlstate', r.state, 'detail', r.detail);
END $$;
COMMENT ON FUNCTION retail.send_elsewhere(bigint, bigint[], bigint[], bigint[], bigint[]) IS
'Internal: routes what was refused without the nodes that refused it, or opens an exception, and corrects stock either way.';

CREATE FUNCTION retail.reject_shipment(shipment_id bigint, reason text, lines jsonb DEFAULT NULL, rejection_no text DEFAULT NULL, note text DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	hash bytea := sha256(convert_to(jsonb_build_array(reason, nullif(lines, 'null'))::text, 'UTF8'));
	s retail.shipment;
	old retail.shipment_rejection;
	w record;
	released bigint[];
	answer jsonb;
BEGIN
	PERFORM retail.check_argument(reason IN ('not_found', 'damaged', 'closed', 'capacity'), 'reason', reason, 'Give not_found, damaged, closed or capacity.'),
		retail.check_text(coalesce(rejection_no, '-'), 'rejection_no'), retail.check_text(coalesce(note, '-'), 'note', 1000), retail.check_time(as_of, 'as_of');
	the_order := retail.lock_shipment(shipment_id);
	SELECT * INTO STRICT s FROM retail.shipment x WHERE x.shipment_id = shipment_id;
	SELECT * INTO old FROM retail.shipment_rejection x WHERE x.shipment_id = shipment_id
		AND CASE WHEN rejection_no IS NOT NULL THEN x.rejection_no = rejection_no ELSE s.status = 'cancelled' AND x.request_hash = hash END ORDER BY x.rejection_id DESC LIMIT 1;
	IF FOUND THEN
		PERFORM retail.check_argument(old.request_hash = hash, 'rejection_no', rejection_no, 'This number refused other units, or for another reason; use a new number for another refusal.', 'RT030');
		RETURN old.result || '{"replayed": true}';
	ELSIF s.kind = 'counter' OR s.status NOT IN ('planned', 'ready') OR s.shipped_at IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'the state of the shipment does not allow this', DETAIL = format('Shipment %s is of kind %s and %s.', shipment_id, s.kind, s.status),
			HINT = 'Refuse a parcel before it leaves; take back what has left with retail.return_order().';
	ELSIF as_of < (SELECT o.placed_at FROM retail.sales_order o WHERE o.order_id = the_order) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'a parcel cannot be refused before it was ordered', DETAIL = format('as_of is %s.', as_of), HINT = 'Give the time at which it was refused.';
	END IF;
	PERFORM retail.lock_reservations(ARRAY[the_order]);
	SELECT array_agg(p.line_no ORDER BY p.line_no) AS numbers, array_agg(p.sku_id ORDER BY p.line_no) AS skus, array_agg(p.quantity ORDER BY p.line_no) AS quantities, sum(p.quantity)::bigint AS units,
			jsonb_agg(jsonb_build_object('line_no', p.line_no, 'sku', k.code, 'qty', p.quantity) ORDER BY p.line_no) AS lines,
			sum(p.quantity) = (SELECT sum(l.quantity) FROM retail.shipment_line l WHERE l.shipment_id = shipment_id) AS is_whole INTO w
		FROM retail.parse_refusal(shipment_id, lines) p JOIN retail.sku k USING (sku_id);
	INSERT INTO retail.order_exclusion AS x (order_id, node_id, reason, excluded_at) VALUES (the_order, s.node_id, reason, as_of)
		ON CONFLICT ON CONSTRAINT order_exclusion_pkey DO UPDATE SET reason = excluded.reason, excluded_at = excluded.excluded_at;
	INSERT INTO retail.shipment_rejection AS x (shipment_id, rejection_no, order_id, node_id, reason, is_whole, units, lines, request_hash, rejected_at, actor, note)
		VALUES (shipment_id, rejection_no, the_order, s.node_id, reason, w.is_whole, w.units, w.lines, hash, as_of, retail.caller(), note) RETURNING x.* INTO old;
	PERFORM retail.add_order_event(the_order, 'rejected', as_of, jsonb_strip_nulls(jsonb_build_object('rejection_id', old.rejection_id, 'shipment_id', shipment_id,
		'node', (SELECT n.code FROM retail.node n WHERE n.node_id = s.node_id), 'reason', reason, 'units', w.units, 'lines', w.lines, 'note', note,
		'promised_at', (SELECT o.promised_at FROM retail.sales_order o WHERE o.order_id = the_order))));
	SELECT array_agg(coalesce(g.quantity, 0) ORDER BY u.n) INTO released FROM unnest(w.skus) WITH ORDINALITY u (sku_id, n)
		LEFT JOIN retail.withdraw_units(shipment_id, w.numbers, w.quantities, as_of) g USING (sku_id);
	IF (SELECT o.fulfilment = 'pick_up' AND s.kind = 'pick_up' AND NOT c.convert_pick_up FROM retail.sales_order o JOIN retail.channel c USING (channel_id) WHERE o.order_id = the_order) THEN
		answer := retail.ask_customer(the_order, shipment_id, s.node_id, as_of);
		PERFORM retail.post_refusal(reason, shipment_id, s.node_id, w.skus, w.quantities, released, '{}', '{}', as_of);
	ELSE
		IF s.kind = 'pick_up' THEN
			PERFORM retail.send_to_store(the_order, as_of);
		END IF;
		answer := retail.send_elsewhere(old.rejection_id, w.numbers, w.quantities, w.skus, released);
	END IF;
	PERFORM retail.refresh_promise(the_order);
	IF reason IN ('closed', 'capacity') THEN		-- last: every backend reads the catalogue again
		UPDATE retail.node n SET paused_until = retail.end_of_local_day(n.node_id, as_of), pause_reason = reason
			WHERE n.node_id = s.node_id AND coalesce(n.paused_until < retail.end_of_local_day(n.node_id, as_of), true);
	END IF;
	UPDATE retail.shipment_rejection x SET result = jsonb_build_object('rejection_id', old.rejection_id, 'shipment_id', shipment_id, 'units', w.units) || answer
		WHERE x.rejection_id = old.rejection_id RETURNING x.result || '{"replayed": false}' INTO answer;
	RETURN answer;
END $$;
COMMENT ON FUNCTION retail.reject_shipment(bigint, text, jsonb, text, text, timestamptz) IS
'A node refuses a parcel or pick-up that has not left, or lines [{"sku", "qty"}] of it. reason: not_found (the units are booked out, what nobody was promised there waits on quality hold for count_stock()), damaged (they move to damaged), closed or capacity (the node gets nothing new until its local midnight). A parcel is routed again without the node, as often as the policy says, else it waits in retail.order_exception; for a pick-up the customer is asked (event pick_up_refused, retail.order_question), or, as the channel says, others send to the store where he collects. What the customer pays stays. Idempotent by rejection_no within the parcel, and for a whole parcel without one. Returns {rejection_id, shipment_id, units, outcome: rerouted|exception|asked, parcels?, promised_at?, exception_id?, sqlstate?, detail?, question_id?, deadline?, replayed}. Raises RT001, RT005, RT006, RT010, RT011, RT014, RT015, RT016, RT030, RT031, RT032, RT040.';

CREATE FUNCTION retail.resolve_intake(exception_id bigint, action text, note text, as_of timestamptz) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	e retail.order_exception;
BEGIN
	-- The row of the queue first, as run_allocation() does.
	PERFORM FROM retail.order_intake i JOIN retail.order_exception x USING (channel_id, external_no) WHERE x.exception_id = $1 FOR UPDATE OF i;
	SELECT * INTO STRICT e FROM retail.order_exception x WHERE x.exception_id = $1 FOR UPDATE;
	IF e.state = 'resolved' THEN
		RETURN jsonb_build_object('exception_id', $1, 'state', e.state, 'resolution', e.resolution, 'replayed', true);
	ELSIF $2 = 'cancel' THEN
		UPDATE retail.order_exception x SET state = 'resolved', resolution = 'cancelled', resolved_at = $4, resolved_by = retail.caller(), note = $3 WHERE x.exception_id = $1;
		RETURN jsonb_build_object('exception_id', $1, 'state', 'resolved', 'resolution', 'cancelled', 'replayed', false);
	END IF;
	PERFORM retail.check_argument($2 = 'retry', 'action', $2, 'An order that was never placed can be tried again or cancelled; place it by hand with retail.place_order().');
	UPDATE retail.order_exception x SET note = $3 WHERE x.exception_id = $1;
	UPDATE retail.order_intake i SET state = 'queued', sqlstate = NULL, error = NULL, detail = NULL, hint = NULL, decided_at = NULL
		WHERE i.channel_id = e.channel_id AND i.external_no = e.external_no AND i.state = 'refused';
	RETURN jsonb_build_object('exception_id', $1, 'state', 'open', 'queued', FOUND, 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.resolve_intake(bigint, text, text, timestamptz) IS
'Internal: what becomes of a submitted order that could not be placed: retry puts it back into the intake queue, whose next decision resolves the exception or tells it the new reason; cancel leaves it refused. Raises RT016.';

CREATE FUNCTION retail.resolve_exception(exception_id bigint, action text, node text DEFAULT NULL, clear_exclusions boolean DEFAULT false, note text DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	e retail.order_exception;
	o retail.sales_order;
	w record;
	r record;
BEGIN
	PERFORM retail.check_argument(action IN ('retry', 'cancel', 'node'), 'action', action, 'Give retry, cancel or node.'), retail.check_time(as_of, 'as_of'),
		retail.check_text(coalesce(note, '-'), 'note', 1000), retail.check_argument((action = 'node') = (node IS NOT NULL), 'node', node, 'Name a node with action node, and with no other.'),
		retail.check_argument(clear_exclusions IS NOT NULL, 'clear_exclusions', NULL, 'Give true or false.');
	SELECT * INTO e FROM retail.order_exception x WHERE x.exception_id = exception_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown exception', DETAIL = format('No exception has the key %s.', coalesce(exception_id::text, 'null')), HINT = 'See retail.order_exception.';
	END IF;
	IF e.kind = 'intake' THEN
		RETURN retail.resolve_intake(exception_id, action, note, as_of);
	END IF;
	SELECT * INTO o FROM retail.sales_order x WHERE x.order_id = e.order_id FOR UPDATE;
	SELECT * INTO STRICT e FROM retail.order_exception x WHERE x.exception_id = exception_id FOR UPDATE;
	IF e.state = 'resolved' THEN
		RETURN jsonb_build_object('exception_id', exception_id, 'state', e.state, 'resolution', e.resolution, 'replayed', true);
	ELSIF as_of < e.opened_at THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'resolved before it was opened', DETAIL = format('as_of is %s, it was opened at %s.', as_of, e.opened_at), HINT = 'Give the time of now.';
	END IF;
	SELECT NULL::jsonb AS parcels, NULL::timestamptz AS promised_at INTO r;
	IF action = 'cancel' THEN
		PERFORM retail.cancel_order((SELECT c.code FROM retail.channel c WHERE c.channel_id = o.channel_id), o.external_no, retail.open_lines(o.order_id), 'exception',
			format('exception %s', exception_id), as_of);
	ELSE
		IF clear_exclusions THEN
			DELETE FROM retail.order_exclusion x WHERE x.order_id = o.order_id;
		END IF;
		SELECT array_agg(u.line_no) AS numbers, array_agg(u.quantity) AS quantities INTO w FROM retail.open_units(o.order_id) u;
		SELECT * INTO r FROM retail.route_again(o.order_id, w.numbers, w.quantities, jsonb_build_object('cause', action, 'exception_id', exception_id), as_of,
			only_node => CASE action WHEN 'node' THEN retail.node_id(node) END,
			pick_up_node => CASE WHEN o.fulfilment = 'pick_up' THEN CASE action WHEN 'node' THEN retail.node_id(node, 'pick_up') ELSE o.pick_up_node_id END END);
		IF r.parcels IS NULL AND action = 'node' THEN
			RAISE EXCEPTION USING ERRCODE = r.state, MESSAGE = r.message, DETAIL = r.detail, HINT = r.hint;
		ELSIF r.parcels IS NULL THEN
			PERFORM retail.open_exception(e.kind, r.state, r.message, r.detail, as_of, o.order_id);
			RETURN jsonb_build_object('exception_id', exception_id, 'state', 'open', 'sqlstate', r.state, 'message', r.message, 'detail', r.detail, 'replayed', false);
		END IF;
		PERFORM retail.move_pick_up(o.order_id);
		PERFORM retail.close_waiting(o.order_id, as_of, CASE action WHEN 'node' THEN 'by_hand' ELSE 'routed' END);
	END IF;
	UPDATE retail.order_exception x SET note = note WHERE x.exception_id = exception_id RETURNING x.* INTO e;
	RETURN jsonb_strip_nulls(jsonb_build_object('exception_id', exception_id, 'state', e.state, 'resolution', e.resolution, 'parcels', r.parcels, 'promised_at', r.promised_at, 'replayed', false));
END $$;
COMMENT ON FUNCTION retail.resolve_exception(bigint, text, text, boolean, text, timestamptz) IS
'A person decides what becomes of an order in the exception queue. action: retry (routes it again; clear_exclusions forgets which nodes refused it), node (gives it to the named node, which must have the stock and be able to serve it; refusals do not count), cancel (cancels the units that wait, as cancel_order() does). Of kind intake: retry puts the order back into the intake queue, cancel leaves it refused. Idempotent. Returns {exception_id, state, resolution, parcels?, promised_at?, sqlstate?, message?, detail? (why retry did not help), replayed}. Raises RT002, RT006, RT014, RT015, RT016, RT022; with node also RT020, RT021, RT060.';

CREATE FUNCTION retail.run_exceptions(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
#variable_conflict use_variable
DECLARE
	e record;
	o retail.sales_order;
	w record;
	r record;
	tried int := 0;
	routed int := 0;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	as_of := retail.effective_time(as_of);
	-- Worth a try: as much as is wanted lies free somewhere, and twice as long has passed as before the last try.
	FOR e IN SELECT x.exception_id, x.order_id FROM retail.order_exception x
		WHERE x.state = 'open' AND x.kind = 'no_plan' AND x.tried_at + least(interval '1 minute' * 2 ^ least(x.tries, 12), interval '1 day') <= as_of
			AND NOT EXISTS (SELECT FROM retail.open_units(x.order_id) u WHERE u.quantity > coalesce((SELECT sum(s.on_hand - s.reserved) FROM retail.stock s
				WHERE s.sku_id = u.sku_id AND s.on_hand > s.reserved AND s.node_id NOT IN (SELECT n.node_id FROM retail.order_exclusion n WHERE n.order_id = x.order_id)), 0))
		ORDER BY x.opened_at, x.exception_id LIMIT 100
	LOOP
		PERFORM retail.report_progress('exceptions', 'route', tried, 100);
		BEGIN
			SELECT * INTO o FROM retail.sales_order x WHERE x.order_id = e.order_id FOR UPDATE SKIP LOCKED;
			CONTINUE WHEN NOT FOUND OR NOT EXISTS (SELECT FROM retail.order_exception x WHERE x.exception_id = e.exception_id AND x.state = 'open' AND x.kind = 'no_plan');
			SELECT array_agg(u.line_no) AS numbers, array_agg(u.quantity) AS quantities INTO w FROM retail.open_units(e.order_id) u;
			SELECT * INTO r FROM retail.route_again(e.order_id, w.numbers, w.quantities, jsonb_build_object('cause', 'stock', 'exception_id', e.exception_id), as_of,
				pick_up_node => CASE o.fulfilment WHEN 'pick_up' THEN o.pick_up_node_id END);
			IF r.parcels IS NULL THEN
				PERFORM retail.open_exception('no_plan', r.state, r.message, r.detail, as_of, e.order_id);
			ELSE
				PERFORM retail.close_waiting(e.order_id, as_of, 'routed');
				routed := routed + 1;
			END IF;
			tried := tried + 1;
		EXCEPTION WHEN lock_not_available THEN
			EXIT;		-- who takes stock again and again in one transaction may be waiting for us: give way before it is a deadlock
		END;
	END LOOP;
	RETURN format('%s exceptions tried again, %s routed', tried, routed);
END $$;
COMMENT ON FUNCTION retail.run_exceptions(timestamptz) IS
'Worker task: routes orders again that no node could fulfil, those that have waited longest first, when as much as they want has become free somewhere; each try that fails doubles the wait for the next, up to a day. Safe to run twice at once. Raises RT014.';

GRANT EXECUTE ON FUNCTION retail.reject_shipment(bigint, text, jsonb, text, text, timestamptz) TO retail_admin, retail_app, retail_store;
GRANT EXECUTE ON FUNCTION retail.resolve_exception(bigint, text, text, boolean, text, timestamptz) TO retail_admin, retail_app, retail_service;
GRANT EXECUTE ON FUNCTION retail.run_exceptions(timestamptz) TO retail_admin, retail_app;
