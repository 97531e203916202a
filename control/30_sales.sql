-- 30_sales.sql: the life of an order after it was placed: payment, refund,
-- cancellation, release of what is not paid, shipping, pick-up, delivery.
--
-- Every verb locks the order row first, then its reservations in (sku,
-- reservation) order, and posts to stock once, as its last write.

CREATE FUNCTION retail.lock_order(channel text, external_no text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	-- A channel that takes no new orders still serves those that it has.
	the_channel bigint := coalesce((SELECT c.channel_id FROM retail.channel c WHERE c.code = channel), retail.channel_id(channel));
	result bigint;
BEGIN
	SELECT o.order_id INTO result FROM retail.sales_order o WHERE o.channel_id = the_channel AND o.external_no = external_no FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown order',
			DETAIL = CASE WHEN external_no IS NULL THEN 'external_no is null.' ELSE format('Channel "%s" has no order "%s".', channel, left(external_no, 200)) END,
			HINT = 'Use the channel and external_no given to retail.place_order() or retail.record_sale().';
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.lock_order(text, text) IS 'Internal: locks the order of a channel (active or not) for update and returns its key. What is read of the order must be read in a later statement. Raises RT003, RT006.';

CREATE FUNCTION retail.lock_shipment(shipment_id bigint, at_counter boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	s record;
BEGIN
	SELECT x.order_id, x.node_id, x.to_node_id INTO s FROM retail.shipment x WHERE x.shipment_id = $1;	-- none ever changes
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown shipment',
			DETAIL = CASE WHEN $1 IS NULL THEN 'shipment_id is null.' ELSE format('No shipment has the key %s.', $1) END,
			HINT = 'Use a shipment_id that retail.place_order() returned, or see retail.shipment.';
	END IF;
	PERFORM retail.check_node_access(CASE WHEN at_counter THEN coalesce(s.to_node_id, s.node_id) ELSE s.node_id END);
	PERFORM FROM retail.sales_order o WHERE o.order_id = s.order_id FOR UPDATE;
	RETURN s.order_id;
END $$;
COMMENT ON FUNCTION retail.lock_shipment(bigint, boolean) IS 'Internal: locks the order of a shipment for update and returns the order''s key; the shipment must be read in a later statement. at_counter: for the store where it is collected, else for the node that sends it. Raises RT006, RT040.';

CREATE FUNCTION retail.lock_reservations(order_ids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	PERFORM FROM retail.reservation r WHERE r.order_id = ANY ($1) ORDER BY r.sku_id, r.reservation_id FOR UPDATE;
END $$;
COMMENT ON FUNCTION retail.lock_reservations(bigint[]) IS 'Internal: locks the reservations of some orders, whose rows the caller has locked, in the global order.';

CREATE FUNCTION retail.line_share(amount numeric, quantity bigint, units_before bigint, units bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN round($1 * ($3 + $4) / $2, 2) - round($1 * $3 / $2, 2);
COMMENT ON FUNCTION retail.line_share(numeric, bigint, bigint, bigint) IS 'Internal: share of the next units in the amount of a line of quantity units, after units_before (cancelled and returned ones) had theirs; all shares together are the amount, to the cent.';

CREATE FUNCTION retail.add_order_event(order_id bigint, kind text, as_of timestamptz, detail jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO retail.order_event (order_id, kind, occurred_at, actor, detail) VALUES ($1, $2, $3, retail.caller(), coalesce($4, '{}'));
END $$;
COMMENT ON FUNCTION retail.add_order_event(bigint, text, timestamptz, jsonb) IS 'Internal: writes down what happened to an order.';

CREATE FUNCTION retail.refresh_order_status(order_id bigint) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	wanted bigint := (SELECT sum(l.quantity - l.cancelled) FROM retail.order_line l WHERE l.order_id = $1);
	p record;
	result text;
BEGIN
	SELECT coalesce(sum(l.quantity), 0) AS shipped, coalesce(sum(l.quantity) FILTER (WHERE s.status = 'delivered'), 0) AS delivered INTO p
		FROM retail.shipment s JOIN retail.shipment_line l USING (shipment_id) WHERE s.order_id = $1 AND s.shipped_at IS NOT NULL;
	result := CASE WHEN wanted = 0 THEN 'cancelled' WHEN p.delivered = wanted THEN 'delivered' WHEN p.shipped = wanted THEN 'shipped'
				   WHEN p.shipped > 0 THEN 'partly_shipped' ELSE 'open' END;
	UPDATE retail.sales_order o SET status = result WHERE o.order_id = $1 AND o.status <> result;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.refresh_order_status(bigint) IS 'Internal: sets the status of an order to what its lines and parcels say, and returns it.';

CREATE FUNCTION retail.shrink_parcels(order_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	-- What is left of a line stays in its first parcels.
	UPDATE retail.shipment_line l SET quantity = l.quantity - x.surplus
	FROM (SELECT p.shipment_id, p.line_no, least(p.quantity, sum(p.quantity) OVER (PARTITION BY p.line_no ORDER BY p.shipment_id) - (b.allocated - b.shipped)) AS surplus
		  FROM retail.shipment s JOIN retail.shipment_line p USING (shipment_id) JOIN retail.order_line b ON b.order_id = p.order_id AND b.line_no = p.line_no
		  WHERE s.order_id = $1 AND s.status IN ('planned', 'ready') AND s.shipped_at IS NULL) x
	WHERE l.shipment_id = x.shipment_id AND l.line_no = x.line_no AND x.surplus > 0;
	UPDATE retail.shipment s SET status = CASE WHEN x.units = 0 THEN 'cancelled' ELSE s.status END, weight_g = x.weight_g
	FROM (SELECT l.shipment_id, sum(l.quantity) AS units, sum(l.quantity * k.weight_g)::bigint AS weight_g
		  FROM retail.shipment z JOIN retail.shipment_line l USING (shipment_id) JOIN retail.sku k USING (sku_id) WHERE z.order_id = $1 GROUP BY 1) x
	WHERE s.shipment_id = x.shipment_id AND s.status IN ('planned', 'ready') AND s.shipped_at IS NULL AND (x.units = 0 OR s.weight_g <> x.weight_g);
END $$;
COMMENT ON FUNCTION retail.shrink_parcels(bigint) IS 'Internal: takes what is no longer allocated out of the planned parcels of an order, the latest first, and cancels those that are empty.';

CREATE FUNCTION retail.release_surplus(order_id bigint, as_of timestamptz) RETURNS TABLE (sku_id bigint, node_id bigint, quantity bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	IF (SELECT o.payment_due_at FROM retail.sales_order o WHERE o.order_id = $1) IS NOT NULL THEN		-- a swept hold names what a late payment reserves again
		UPDATE retail.reservation r SET changed_at = as_of, state = CASE WHEN r.quantity > x.surplus THEN 'expired' ELSE 'released' END,
			quantity = CASE WHEN r.quantity > x.surplus THEN r.quantity - x.surplus ELSE r.quantity END, released_quantity = CASE WHEN r.quantity > x.surplus THEN r.quantity - x.surplus ELSE r.quantity END
		FROM (SELECT y.sku_id, y.reservation_id, y.quantity - l.quantity AS surplus FROM retail.reservation y JOIN retail.shipment_line l USING (shipment_id, line_no)
			  WHERE y.order_id = $1 AND y.state = 'expired') x
		WHERE r.sku_id = x.sku_id AND r.reservation_id = x.reservation_id AND x.surplus > 0;
	END IF;
	RETURN QUERY
	UPDATE retail.reservation r SET open_quantity = r.open_quantity - x.surplus, released_quantity = r.released_quantity + x.surplus, changed_at = as_of,
		state = CASE WHEN r.open_quantity > x.surplus THEN r.state WHEN r.shipped_quantity > 0 THEN 'shipped' ELSE 'released' END
	FROM (SELECT y.sku_id, y.reservation_id,
			least(y.open_quantity, sum(y.open_quantity) OVER (PARTITION BY y.shipment_id, y.line_no ORDER BY y.reservation_id) - l.quantity)::bigint AS surplus
		  FROM retail.reservation y JOIN retail.shipment_line l USING (shipment_id, line_no) WHERE y.order_id = $1 AND y.open_quantity > 0) x
	WHERE r.sku_id = x.sku_id AND r.reservation_id = x.reservation_id AND x.surplus > 0
	RETURNING r.sku_id, r.node_id, -x.surplus;
END $$;
COMMENT ON FUNCTION retail.release_surplus(bigint, timestamptz) IS
'Internal: releases what the reservations of an order, locked by the caller, have beyond its parcels, and returns what the caller must post to stock.reserved.';

CREATE FUNCTION retail.cancel_units(order_id bigint, sku_ids bigint[], quantities bigint[], as_of timestamptz, detail jsonb)
RETURNS TABLE (sku_id bigint, node_id bigint, quantity bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	gone record;
	o retail.sales_order;
	new_status text;
BEGIN
	PERFORM retail.lock_reservations(ARRAY[$1]);
	WITH wanted AS (
		SELECT l.line_no, CASE WHEN $2 IS NULL THEN l.quantity - l.cancelled - l.shipped ELSE u.quantity END AS units
		FROM retail.order_line l LEFT JOIN unnest($2, $3) u (sku_id, quantity) ON u.sku_id = l.sku_id WHERE l.order_id = $1
	), done AS (
		UPDATE retail.order_line l SET backordered = l.backordered - least(l.backordered, w.units), allocated = l.allocated - w.units + least(l.backordered, w.units),
			cancelled = l.cancelled + w.units, cancelled_amount = l.cancelled_amount + retail.line_share(l.amount, l.quantity, l.cancelled + l.returned, w.units)
		FROM wanted w WHERE l.order_id = $1 AND l.line_no = w.line_no AND w.units > 0
		RETURNING l.line_no, l.sku_id, w.units, retail.line_share(l.amount, l.quantity, l.cancelled + l.returned - w.units, w.units) AS amount
	) SELECT coalesce(sum(d.units), 0) AS units, coalesce(sum(d.amount), 0) AS amount,
		jsonb_agg(jsonb_build_object('line_no', d.line_no, 'sku', k.code, 'qty', d.units, 'amount', d.amount) ORDER BY d.line_no) AS lines INTO gone
	FROM done d JOIN retail.sku k USING (sku_id);
	PERFORM retail.shrink_parcels($1), retail.trim_backorders($1);
	new_status := retail.refresh_order_status($1);
	UPDATE retail.sales_order x SET cancelled_amount = x.cancelled_amount + gone.amount + CASE new_status WHEN 'cancelled' THEN x.freight_total - x.freight_cancelled ELSE 0 END,
		freight_cancelled = CASE new_status WHEN 'cancelled' THEN x.freight_total ELSE x.freight_cancelled END,
		payment_due_at = CASE new_status WHEN 'cancelled' THEN NULL ELSE x.payment_due_at END
		WHERE x.order_id = $1 RETURNING x.* INTO o;
	PERFORM retail.add_order_event($1, CASE new_status WHEN 'cancelled' THEN 'cancelled' ELSE 'line_cancelled' END, as_of, $5 || jsonb_build_object(
		'cancelled_units', gone.units, 'cancelled_amount', gone.amount + CASE new_status WHEN 'cancelled' THEN o.freight_total ELSE 0 END,
		'lines', gone.lines, 'refund_due', greatest(o.paid - o.refunded - (o.total - o.cancelled_amount - o.returned_amount), 0)));
	PERFORM retail.close_waiting($1, as_of, 'cancelled');
	RETURN QUERY SELECT * FROM retail.release_surplus($1, as_of);
END $$;
COMMENT ON FUNCTION retail.cancel_units(bigint, bigint[], bigint[], timestamptz, jsonb) IS
'Internal: cancels units of an order that the caller has locked (sku_ids null: all that has not left), with their amounts, parcels, reservations and event, and returns what the caller must post to stock.reserved. The caller has checked that so many are left.';

CREATE FUNCTION retail.settle_order(order_id bigint, as_of timestamptz, detail jsonb, sku_ids bigint[] DEFAULT '{}', node_ids bigint[] DEFAULT '{}', quantities bigint[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	the_channel bigint := (SELECT o.channel_id FROM retail.sales_order o WHERE o.order_id = $1);
	l record;
	lost record;
BEGIN
	IF EXISTS (SELECT FROM retail.reservation r WHERE r.order_id = $1 AND r.state = 'expired') THEN
		-- Due holds of others will have to make room: all are locked together, in the global order.
		PERFORM FROM retail.reservation r WHERE (r.sku_id, r.reservation_id) IN (
				SELECT x.sku_id, x.reservation_id FROM retail.reservation x WHERE x.order_id = $1
				UNION ALL SELECT y.sku_id, y.reservation_id FROM retail.reservation y WHERE y.state = 'held' AND y.expires_at <= as_of
					AND y.sku_id = ANY (ARRAY(SELECT l.sku_id FROM retail.order_line l WHERE l.order_id = $1)))
			ORDER BY r.sku_id, r.reservation_id FOR UPDATE;
	ELSE
		PERFORM retail.lock_reservations(ARRAY[$1]);
	END IF;
	UPDATE retail.reservation r SET state = 'committed', expires_at = NULL, changed_at = as_of WHERE r.order_id = $1 AND r.state = 'held';
	UPDATE retail.sales_order o SET payment_state = 'paid', payment_due_at = NULL WHERE o.order_id = $1;
	-- Units whose hold was swept before the money came are reserved again, where they were.
	SELECT array_agg(x.sku_id) AS skus, array_agg(x.node_id) AS nodes, array_agg(x.line_no) AS lines, array_agg(x.shipment_id) AS shipments, array_agg(x.quantity) AS quantities, sum(x.quantity) AS units INTO lost
	FROM (SELECT p.sku_id, s.node_id, p.line_no, p.shipment_id, p.quantity - coalesce((SELECT sum(r.open_quantity) FROM retail.reservation r
				WHERE r.order_id = $1 AND r.shipment_id = p.shipment_id AND r.line_no = p.line_no), 0)::bigint AS quantity
		  FROM retail.shipment s JOIN retail.shipment_line p USING (shipment_id) WHERE s.order_id = $1 AND s.status IN ('planned', 'ready') AND s.shipped_at IS NULL) x
	WHERE x.quantity > 0;
	IF lost.skus IS NULL THEN
		PERFORM retail.add_order_event($1, 'paid', as_of, detail);
		PERFORM retail.post_stock($4, $5, array_fill('reserved'::text, ARRAY[cardinality($4)]), $6, 'release', 'order', $1, as_of) WHERE cardinality($4) > 0;
		RETURN;
	END IF;
	BEGIN
		PERFORM retail.add_order_event($1, 'paid', as_of, detail || jsonb_build_object('reserved_again', lost.units));
		INSERT INTO retail.reservation (sku_id, node_id, quantity, open_quantity, state, order_id, line_no, shipment_id, created_at, changed_at)
			SELECT u.sku_id, u.node_id, u.quantity, u.quantity, 'committed', $1, u.line_no, u.shipment_id, as_of, as_of
			FROM unnest(lost.skus, lost.nodes, lost.lines, lost.shipments, lost.quantities) u (sku_id, node_id, line_no, shipment_id, quantity);
		-- Due holds of others make room; one that somebody got hold of since is not waited for, out of lock order.
		SELECT $4 || lost.skus || array_agg(e.sku_id) AS skus, $5 || lost.nodes || array_agg(e.node_id) AS nodes, $6 || lost.quantities || array_agg(-e.quantity) AS quantities INTO l
			FROM retail.mark_expired(as_of, lost.skus) e;
		PERFORM retail.post_stock(l.skus, l.nodes, array_fill('reserved'::text, ARRAY[cardinality(l.skus)]), l.quantities, 'reserve', 'order', $1, as_of, the_channel);
	EXCEPTION WHEN SQLSTATE 'RT020' THEN		-- sold to others meanwhile
		SELECT $4 || array_agg(c.sku_id) AS skus, $5 || array_agg(c.node_id) AS nodes, $6 || array_agg(c.quantity) AS quantities INTO l
			FROM retail.cancel_units($1, NULL, NULL, as_of, '{"reason": "paid_too_late"}') c;
		PERFORM retail.add_order_event($1, 'payment_after_cancellation', as_of, detail || jsonb_build_object('refund_due', o.paid - o.refunded - (o.total - o.cancelled_amount - o.returned_amount)))
			FROM retail.sales_order o WHERE o.order_id = $1;
		PERFORM retail.post_stock(l.skus, l.nodes, array_fill('reserved'::text, ARRAY[cardinality(l.skus)]), l.quantities, 'release', 'order', $1, as_of) WHERE cardinality(l.skus) > 0;
	END;
END $$;
COMMENT ON FUNCTION retail.settle_order(bigint, timestamptz, jsonb, bigint[], bigint[], bigint[]) IS
'Internal: an order that the caller has locked owes nothing more: its holds are committed, those that were swept are reserved again, and if the stock is gone the order is cancelled. Posts to stock, together with changes of stock.reserved that the caller brings.';

CREATE FUNCTION retail.record_money(order_id bigint, kind text, method text, payment_no text, amount numeric, as_of timestamptz) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	old retail.payment;
BEGIN
	INSERT INTO retail.payment AS p (method, payment_no, order_id, kind, amount, occurred_at) VALUES ($3, $4, $1, $2, $5, $6)
		ON CONFLICT ON CONSTRAINT payment_method_payment_no_key DO NOTHING;
	IF FOUND THEN
		RETURN true;
	END IF;
	SELECT * INTO STRICT old FROM retail.payment p WHERE p.method = $3 AND p.payment_no = $4;
	IF (old.order_id, old.kind, old.amount) IS DISTINCT FROM ($1, $2, $5) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT030', MESSAGE = format('%s number reused', $2),
			DETAIL = format('Number "%s" of %s is a %s of %s for order %s, not a %s of %s for order %s.', $4, $3, old.kind, old.amount, old.order_id, $2, $5, $1),
			HINT = 'Use the payment system''s own number of each payment and refund; repeat one unchanged to get its answer.';
	END IF;
	RETURN false;
END $$;
COMMENT ON FUNCTION retail.record_money(bigint, text, text, text, numeric, timestamptz) IS 'Internal: writes a payment or refund down; false when it is there already. Raises RT030.';

CREATE FUNCTION retail.payment_answer(order_id bigint, replayed boolean) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT jsonb_build_object('order_id', o.order_id, 'status', o.status, 'payment_state', o.payment_state, 'paid', o.paid, 'refunded', o.refunded,
		'due', o.total - o.cancelled_amount - o.returned_amount - o.paid + o.refunded, 'replayed', $2)
	FROM retail.sales_order o WHERE o.order_id = $1
$$;
COMMENT ON FUNCTION retail.payment_answer(bigint, boolean) IS 'Internal: where the money of an order stands.';

CREATE FUNCTION retail.record_payment(channel text, external_no text, payment_no text, amount numeric, method text DEFAULT 'other', as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	o retail.sales_order;
	due numeric;
	detail jsonb := jsonb_build_object('method', method, 'payment_no', payment_no, 'amount', amount);
BEGIN
	PERFORM retail.check_text(payment_no, 'payment_no'), retail.check_text(method, 'method', 60), retail.check_money(amount, 'amount'),
		retail.check_argument(amount > 0, 'amount', amount::text, 'Give what was paid, more than 0.', 'RT012'), retail.check_time(as_of, 'as_of');
	the_order := retail.lock_order(channel, external_no);
	IF NOT retail.record_money(the_order, 'payment', method, payment_no, amount, as_of) THEN
		RETURN retail.payment_answer(the_order, true);
	END IF;
	UPDATE retail.sales_order x SET paid = x.paid + amount WHERE x.order_id = the_order RETURNING x.* INTO o;
	due := o.total - o.cancelled_amount - o.returned_amount - o.paid + o.refunded;
	IF o.status = 'cancelled' THEN
		UPDATE retail.sales_order x SET payment_state = 'paid' WHERE x.order_id = the_order;
		PERFORM retail.add_order_event(the_order, 'payment_after_cancellation', as_of, detail || jsonb_build_object('refund_due', -due));
	ELSIF due <= 0 AND o.payment_state <> 'paid' THEN
		PERFORM retail.settle_order(the_order, as_of, detail);
	ELSIF due > 0 AND o.payment_state <> 'paid' THEN
		UPDATE retail.sales_order x SET payment_state = 'partly_paid' WHERE x.order_id = the_order AND x.payment_state = 'unpaid';
		PERFORM retail.add_order_event(the_order, 'partly_paid', as_of, detail || jsonb_build_object('due', due));
	ELSE						-- it was paid before
		PERFORM retail.add_order_event(the_order, 'paid', as_of, detail || jsonb_build_object('due', due));
	END IF;
	RETURN retail.payment_answer(the_order, false);
END $$;
COMMENT ON FUNCTION retail.record_payment(text, text, text, numeric, text, timestamptz) IS
'Records money received for an order; once nothing is due, its stock is committed. A payment after the hold was swept reserves the same units again, or, when they are gone, cancels the order; a payment for a cancelled order is recorded and owed back. Idempotent by (method, payment_no). Returns where the order stands now: {order_id, status, payment_state, paid, refunded, due (below 0: owed to the customer), replayed}. Raises RT003, RT006, RT012, RT014, RT015, RT030.';

CREATE FUNCTION retail.record_refund(channel text, external_no text, refund_no text, amount numeric, method text DEFAULT 'other', as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	o retail.sales_order;
BEGIN
	PERFORM retail.check_text(refund_no, 'refund_no'), retail.check_text(method, 'method', 60), retail.check_money(amount, 'amount'),
		retail.check_argument(amount > 0, 'amount', amount::text, 'Give what was paid back, more than 0.', 'RT012'), retail.check_time(as_of, 'as_of');
	the_order := retail.lock_order(channel, external_no);
	IF NOT retail.record_money(the_order, 'refund', method, refund_no, amount, as_of) THEN
		RETURN retail.payment_answer(the_order, true);
	END IF;
	SELECT * INTO STRICT o FROM retail.sales_order x WHERE x.order_id = the_order;
	IF amount > o.paid - o.refunded THEN
		RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'refund exceeds what was paid',
			DETAIL = format('Refund of %s; %s was paid and %s refunded so far.', amount, o.paid, o.refunded),
			HINT = format('Refund at most %s.', o.paid - o.refunded);
	END IF;
	UPDATE retail.sales_order x SET refunded = x.refunded + amount WHERE x.order_id = the_order;
	PERFORM retail.add_order_event(the_order, 'refunded', as_of, jsonb_build_object('method', method, 'refund_no', refund_no, 'amount', amount));
	RETURN retail.payment_answer(the_order, false);
END $$;
COMMENT ON FUNCTION retail.record_refund(text, text, text, numeric, text, timestamptz) IS
'Records money paid back to the customer, never more than was received; the payment state stays. Idempotent by (method, refund_no), one range of numbers with payments. Returns the same as record_payment(). Raises RT003, RT006, RT012, RT014, RT015, RT030, RT032.';

CREATE FUNCTION retail.cancel_answer(order_id bigint, cancel_no text, replayed boolean) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT jsonb_build_object('order_id', o.order_id, 'status', o.status, 'cancelled_units', e.detail -> 'cancelled_units', 'cancelled_amount', e.detail -> 'cancelled_amount',
		'refund_due', greatest(o.paid - o.refunded - (o.total - o.cancelled_amount - o.returned_amount), 0), 'replayed', $3)
	FROM retail.sales_order o JOIN retail.order_event e USING (order_id)
	WHERE o.order_id = $1 AND e.kind IN ('cancelled', 'line_cancelled') AND ($2 IS NULL OR e.detail ->> 'cancel_no' = $2)
	ORDER BY e.event_id DESC LIMIT 1
$$;
COMMENT ON FUNCTION retail.cancel_answer(bigint, text, boolean) IS 'Internal: what a cancellation (null: the last one) cancelled, and where the order stands now.';

CREATE FUNCTION retail.check_cancellation(order_id bigint, sku_ids bigint[], quantities bigint[]) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	bad record;
BEGIN
	IF $2 IS NULL THEN
		SELECT sum(l.quantity) AS ordered, sum(l.shipped) AS shipped, sum(l.cancelled) AS cancelled INTO bad FROM retail.order_line l WHERE l.order_id = $1;
		IF bad.ordered = bad.shipped + bad.cancelled THEN
			RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'nothing left to cancel',
				DETAIL = format('Of %s units %s were shipped and %s cancelled before.', bad.ordered, bad.shipped, bad.cancelled),
				HINT = 'Take shipped units back with retail.return_order().';
		END IF;
		RETURN;
	END IF;
	SELECT k.code, u.quantity, l.sku_id IS NOT NULL AS ordered, l.quantity AS n, l.shipped, l.cancelled INTO bad
		FROM unnest($2, $3) u (sku_id, quantity) JOIN retail.sku k USING (sku_id) LEFT JOIN retail.order_line l ON l.order_id = $1 AND l.sku_id = u.sku_id
		WHERE u.quantity > coalesce(l.quantity - l.shipped - l.cancelled, 0) ORDER BY k.code LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'more units than there are left to cancel',
			DETAIL = CASE WHEN bad.ordered THEN format('SKU %s: %s to cancel, but of %s units %s were shipped and %s cancelled before.', bad.code, bad.quantity, bad.n, bad.shipped, bad.cancelled)
						  ELSE format('SKU %s: %s to cancel, but it is not in the order.', bad.code, bad.quantity) END,
			HINT = 'Cancel fewer units; take shipped ones back with retail.return_order().';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_cancellation(bigint, bigint[], bigint[]) IS 'Internal: raises RT031 when an order has nothing left to cancel (sku_ids null), RT032 when it has less than that.';

CREATE FUNCTION retail.cancel_order(channel text, external_no text, lines jsonb DEFAULT NULL, reason text DEFAULT 'customer', cancel_no text DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	w record;
	l record;
	o retail.sales_order;
	asked jsonb;
BEGIN
	PERFORM retail.check_text(reason, 'reason'), retail.check_text(coalesce(cancel_no, '-'), 'cancel_no'), retail.check_time(as_of, 'as_of');
	the_order := retail.lock_order(channel, external_no);
	IF nullif(lines, 'null') IS NOT NULL THEN
		SELECT array_agg(p.sku_id) AS skus, array_agg(p.quantity) AS quantities, jsonb_object_agg(p.sku_id, p.quantity) AS asked INTO w
			FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines) q GROUP BY 1) p;
	ELSE
		SELECT NULL::bigint[] AS skus, NULL::bigint[] AS quantities, 'null'::jsonb AS asked INTO w;
	END IF;
	IF cancel_no IS NOT NULL THEN
		SELECT e.detail -> 'asked' INTO asked FROM retail.order_event e
			WHERE e.order_id = the_order AND e.kind IN ('cancelled', 'line_cancelled') AND e.detail ->> 'cancel_no' = cancel_no;
		IF asked = w.asked THEN
			RETURN retail.cancel_answer(the_order, cancel_no, true);
		ELSIF FOUND THEN
			RAISE EXCEPTION USING ERRCODE = 'RT030', MESSAGE = 'cancellation number reused', DETAIL = format('"%s" cancelled other units of order "%s".', cancel_no, external_no),
				HINT = 'Use a new number for another cancellation; repeat the same lines to get the first answer.';
		END IF;
	END IF;
	SELECT * INTO STRICT o FROM retail.sales_order x WHERE x.order_id = the_order;
	IF o.status = 'cancelled' AND w.skus IS NULL THEN
		RETURN retail.cancel_answer(the_order, NULL, true);
	END IF;
	PERFORM retail.check_cancellation(the_order, w.skus, w.quantities);
	SELECT array_agg(c.sku_id) AS skus, array_agg(c.node_id) AS nodes, array_agg(c.quantity) AS quantities, array_agg('reserved'::text) AS counters INTO l
		FROM retail.cancel_units(the_order, w.skus, w.quantities, as_of, jsonb_strip_nulls(jsonb_build_object('reason', reason, 'cancel_no', cancel_no)) || jsonb_build_object('asked', w.asked)) c;
	SELECT * INTO STRICT o FROM retail.sales_order x WHERE x.order_id = the_order;
	IF o.status <> 'cancelled' AND o.payment_state IN ('unpaid', 'partly_paid') AND o.paid - o.refunded >= o.total - o.cancelled_amount - o.returned_amount THEN
		-- What was paid so far covers what is left.
		PERFORM retail.settle_order(the_order, as_of, '{}', coalesce(l.skus, '{}'), coalesce(l.nodes, '{}'), coalesce(l.quantities, '{}'));
	ELSIF l.skus IS NOT NULL THEN
		PERFORM retail.post_stock(l.skus, l.nodes, l.counters, l.quantities, 'release', 'order', the_order, as_of);
	END IF;
	RETURN retail.cancel_answer(the_order, cancel_no, false);
END $$;
COMMENT ON FUNCTION retail.cancel_order(text, text, jsonb, text, text, timestamptz) IS
'Cancels what has not been shipped of an order: all of it, or lines [{"sku", "qty"}]; the latest parcels lose their units first, reserved stock is given back, and the freight is cancelled when nothing is left. Idempotent by cancel_no; cancelling the whole again needs none. Returns {order_id, status, cancelled_units, cancelled_amount (both of this call), refund_due (now), replayed}. Raises RT001, RT003, RT005, RT006, RT010, RT011, RT014, RT015, RT030, RT031, RT032.';

CREATE FUNCTION retail.run_release_unpaid(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
#variable_conflict use_variable
DECLARE
	due bigint[];
	l record;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	as_of := retail.effective_time(as_of);
	-- Nobody is waited for here, so the index may give the order of locking.
	SELECT array_agg(d.order_id ORDER BY d.order_id) INTO due
		FROM (SELECT o.order_id FROM retail.sales_order o WHERE o.payment_due_at <= as_of ORDER BY o.payment_due_at LIMIT 1000 FOR UPDATE SKIP LOCKED) d;
	IF due IS NULL THEN
		RETURN '0 unpaid orders cancelled, 0 units given back';
	END IF;
	BEGIN
		PERFORM retail.lock_reservations(due);
		SELECT array_agg(c.sku_id) AS skus, array_agg(c.node_id) AS nodes, array_agg(c.quantity) AS quantities, array_agg('reserved'::text) AS counters, coalesce(-sum(c.quantity), 0) AS units INTO l
			FROM unnest(due) u (order_id), LATERAL retail.cancel_units(u.order_id, NULL, NULL, as_of, '{"reason": "unpaid"}') c;
		IF l.skus IS NOT NULL THEN
			PERFORM retail.post_stock(l.skus, l.nodes, l.counters, l.quantities, 'release', NULL, NULL, as_of);
		END IF;
	EXCEPTION WHEN lock_not_available THEN
		-- Who takes stock again and again in one transaction may be waiting for us: give way before it is a deadlock.
		RETURN format('%s unpaid orders wait for stock that is in use', cardinality(due));
	END;
	RETURN format('%s unpaid orders cancelled, %s units given back', cardinality(due), l.units);
END $$;
COMMENT ON FUNCTION retail.run_release_unpaid(timestamptz) IS
'Worker task: cancels orders that were not (or not fully) paid by payment_due_at and gives their stock back, at most 1000 orders a run; what was paid in part is in the event as refund_due. When others keep their stock locked for half a second, the next run tries again. Safe to run twice at once. Raises RT014.';

CREATE FUNCTION retail.check_can_leave(shipment_id bigint, wanted_kind text, hint text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	s record;
BEGIN
	SELECT x.kind, x.status, x.shipped_at, o.external_no, o.payment_state INTO STRICT s FROM retail.shipment x JOIN retail.sales_order o USING (order_id) WHERE x.shipment_id = $1;
	IF s.kind <> wanted_kind OR s.status NOT IN ('planned', 'ready') OR s.shipped_at IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'the state of the shipment does not allow this', DETAIL = format('Shipment %s is of kind %s and %s.', $1, s.kind, s.status), HINT = $3;
	ELSIF s.payment_state NOT IN ('paid', 'on_delivery') THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'the order is not paid', DETAIL = format('Order "%s" of shipment %s is %s.', s.external_no, $1, s.payment_state),
			HINT = 'Record its payment with retail.record_payment() first.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_can_leave(bigint, text, text) IS 'Internal: raises RT031 unless a shipment is of this kind, has not left and its order is paid or to be paid on delivery.';

CREATE FUNCTION retail.split_shipment(shipment_id bigint, lines jsonb, as_of timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	now_units record;
	bad record;
	rest bigint;
BEGIN
	SELECT array_agg(p.sku_id) AS skus, array_agg(p.quantity) AS quantities, sum(p.quantity)::bigint AS units INTO now_units
		FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines($2) q GROUP BY 1) p;
	SELECT k.code, u.quantity, coalesce(l.quantity, 0) AS there INTO bad FROM unnest(now_units.skus, now_units.quantities) u (sku_id, quantity) JOIN retail.sku k USING (sku_id)
		LEFT JOIN retail.shipment_line l ON l.shipment_id = $1 AND l.sku_id = u.sku_id WHERE u.quantity > coalesce(l.quantity, 0) ORDER BY k.code LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'more units than the shipment has', DETAIL = format('SKU %s: %s to ship, %s in shipment %s.', bad.code, bad.quantity, bad.there, $1),
			HINT = 'Ship what retail.shipment_line lists, or less.';
	ELSIF now_units.units = (SELECT sum(l.quantity) FROM retail.shipment_line l WHERE l.shipment_id = $1) THEN
		RETURN NULL;
	END IF;
	-- Planned costs are shared by units, so that their sum stays as decided.
	INSERT INTO retail.shipment (order_id, node_id, to_node_id, kind, carrier_service_id, zone, distance_km, freight_cost, handling_cost, ship_by, promised_at, planned_at)
		SELECT s.order_id, s.node_id, s.to_node_id, s.kind, s.carrier_service_id, s.zone, s.distance_km, s.freight_cost - retail.line_share(s.freight_cost, t.units, 0, now_units.units),
			s.handling_cost - retail.line_share(s.handling_cost, t.units, 0, now_units.units), s.ship_by, s.promised_at, as_of
		FROM retail.shipment s, LATERAL (SELECT sum(l.quantity)::bigint AS units FROM retail.shipment_line l WHERE l.shipment_id = s.shipment_id) t
		WHERE s.shipment_id = $1 RETURNING retail.shipment.shipment_id INTO rest;
	UPDATE retail.shipment s SET freight_cost = s.freight_cost - r.freight_cost, handling_cost = s.handling_cost - r.handling_cost
		FROM retail.shipment r WHERE s.shipment_id = $1 AND r.shipment_id = rest;
	INSERT INTO retail.shipment_line (shipment_id, order_id, line_no, sku_id, quantity)
		SELECT rest, l.order_id, l.line_no, l.sku_id, l.quantity - coalesce(u.quantity, 0) FROM retail.shipment_line l LEFT JOIN unnest(now_units.skus, now_units.quantities) u (sku_id, quantity) USING (sku_id)
		WHERE l.shipment_id = $1 AND l.quantity > coalesce(u.quantity, 0);
	DELETE FROM retail.shipment_line l WHERE l.shipment_id = $1 AND l.sku_id <> ALL (now_units.skus);
	UPDATE retail.shipment_line l SET quantity = u.quantity FROM unnest(now_units.skus, now_units.quantities) u (sku_id, quantity) WHERE l.shipment_id = $1 AND l.sku_id = u.sku_id;
	UPDATE retail.shipment s SET weight_g = (SELECT sum(l.quantity * k.weight_g)::bigint FROM retail.shipment_line l JOIN retail.sku k USING (sku_id) WHERE l.shipment_id = s.shipment_id)
		WHERE s.shipment_id IN ($1, rest);
	PERFORM retail.split_reservations($1, rest, as_of);
	RETURN rest;
END $$;
COMMENT ON FUNCTION retail.split_shipment(bigint, jsonb, timestamptz) IS 'Internal: leaves these lines in a shipment and moves the rest, with its reservations, to a new planned one, whose key it returns; null when nothing is left. Raises RT001, RT005, RT010, RT011, RT032.';

CREATE FUNCTION retail.split_reservations(from_shipment bigint, to_shipment bigint, as_of timestamptz) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	WITH keep AS (		-- of each open reservation, what its old parcel still needs
		SELECT r.sku_id, r.reservation_id, greatest(r.open_quantity - greatest(sum(r.open_quantity) OVER (PARTITION BY r.line_no ORDER BY r.reservation_id)
			- coalesce(l.quantity, 0), 0), 0)::bigint AS quantity
		FROM retail.reservation r LEFT JOIN retail.shipment_line l USING (shipment_id, line_no)
		WHERE r.order_id = (SELECT s.order_id FROM retail.shipment s WHERE s.shipment_id = $1) AND r.shipment_id = $1 AND r.open_quantity > 0
	), split AS (		-- these rows are not the ones updated below: a split one keeps its key
		INSERT INTO retail.reservation (sku_id, node_id, quantity, open_quantity, state, expires_at, order_id, line_no, shipment_id, created_at, changed_at)
		SELECT r.sku_id, r.node_id, r.open_quantity - k.quantity, r.open_quantity - k.quantity, r.state, r.expires_at, r.order_id, r.line_no, $2, r.created_at, $3
		FROM keep k JOIN retail.reservation r USING (sku_id, reservation_id) WHERE k.quantity > 0 AND k.quantity < r.open_quantity
	)
	UPDATE retail.reservation r SET changed_at = $3, shipment_id = CASE WHEN k.quantity = 0 THEN $2 ELSE $1 END,
		quantity = CASE WHEN k.quantity = 0 THEN r.quantity ELSE r.quantity - r.open_quantity + k.quantity END,
		open_quantity = CASE WHEN k.quantity = 0 THEN r.open_quantity ELSE k.quantity END
	FROM keep k WHERE r.sku_id = k.sku_id AND r.reservation_id = k.reservation_id AND k.quantity < r.open_quantity
$$;
COMMENT ON FUNCTION retail.split_reservations(bigint, bigint, timestamptz) IS 'Internal: moves the open reservations that a shipment no longer needs to another one, in part where they serve both.';

CREATE FUNCTION retail.send_shipment(shipment_id bigint, new_status text, as_of timestamptz, detail jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	s retail.shipment;
	l record;
	units bigint := (SELECT sum(x.quantity) FROM retail.shipment_line x WHERE x.shipment_id = $1);
BEGIN
	UPDATE retail.shipment x SET status = new_status, tracking_no = $4 ->> 'tracking_no', shipped_at = as_of, delivered_at = CASE new_status WHEN 'delivered' THEN as_of END
		WHERE x.shipment_id = $1 RETURNING x.* INTO s;
	IF as_of < (SELECT o.placed_at FROM retail.sales_order o WHERE o.order_id = s.order_id) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'a parcel cannot leave before it was ordered', DETAIL = format('as_of is %s.', as_of),
			HINT = 'Give the time at which it left.';
	END IF;
	UPDATE retail.order_line b SET shipped = b.shipped + x.quantity FROM retail.shipment_line x
		WHERE x.shipment_id = $1 AND x.quantity > 0 AND b.order_id = s.order_id AND b.line_no = x.line_no;
	PERFORM retail.refresh_order_status(s.order_id);
	PERFORM retail.add_order_event(s.order_id, 'shipped', as_of, $4 || jsonb_build_object('shipment_id', $1, 'units', units));
	IF new_status = 'delivered' THEN
		PERFORM retail.add_order_event(s.order_id, 'delivered', as_of, jsonb_build_object('shipment_id', $1, 'units', units));
	END IF;
	SELECT array_agg(x.sku_id) AS skus, array_agg(s.node_id) AS nodes, array_agg(x.counter) AS counters, array_agg(-x.quantity) AS quantities INTO l
		FROM (SELECT p.sku_id, 'sellable' AS counter, p.quantity FROM retail.shipment_line p WHERE p.shipment_id = $1 AND p.quantity > 0
			  UNION ALL SELECT r.sku_id, 'reserved', r.open_quantity FROM retail.reservation r WHERE r.order_id = s.order_id AND r.shipment_id = $1 AND r.open_quantity > 0) x;
	UPDATE retail.reservation r SET shipped_quantity = r.shipped_quantity + r.open_quantity, open_quantity = 0, state = 'shipped', changed_at = as_of
		WHERE r.order_id = s.order_id AND r.shipment_id = $1 AND r.open_quantity > 0;
	PERFORM retail.post_stock(l.skus, l.nodes, l.counters, l.quantities, 'sale', 'shipment', $1, as_of);
END $$;
COMMENT ON FUNCTION retail.send_shipment(bigint, text, timestamptz, jsonb) IS 'Internal: a whole parcel leaves its node: shipped, or delivered at once. The caller has locked its order and reservations.';

CREATE FUNCTION retail.ship_order(shipment_id bigint, tracking_no text DEFAULT NULL, lines jsonb DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	s retail.shipment;
	rest bigint;
BEGIN
	PERFORM retail.check_text(coalesce(tracking_no, '-'), 'tracking_no'), retail.check_time(as_of, 'as_of');
	the_order := retail.lock_shipment(shipment_id);
	SELECT * INTO STRICT s FROM retail.shipment x WHERE x.shipment_id = shipment_id;
	IF s.kind IN ('ship', 'ship_to_store') AND s.shipped_at IS NOT NULL AND s.tracking_no IS NOT DISTINCT FROM tracking_no THEN
		SELECT (e.detail ->> 'rest_shipment_id')::bigint INTO rest FROM retail.order_event e
			WHERE e.order_id = the_order AND e.kind = 'shipped' AND (e.detail ->> 'shipment_id')::bigint = shipment_id;
		RETURN jsonb_build_object('shipment_id', shipment_id, 'status', s.status, 'rest_shipment_id', rest, 'replayed', true);
	END IF;
	PERFORM retail.check_can_leave(shipment_id, CASE s.kind WHEN 'ship_to_store' THEN 'ship_to_store' ELSE 'ship' END,
		CASE WHEN s.kind = 'pick_up' THEN 'Hand it over with retail.pick_up().' WHEN s.shipped_at IS NOT NULL
		THEN format('It left with tracking number %s; repeat that to get the first answer.', coalesce(s.tracking_no, 'null')) ELSE 'Ship a planned parcel of the order.' END);
	PERFORM retail.lock_reservations(ARRAY[the_order]);
	IF nullif(lines, 'null') IS NOT NULL THEN
		rest := retail.split_shipment(shipment_id, lines, as_of);
	END IF;
	PERFORM retail.send_shipment(shipment_id, 'shipped', as_of, jsonb_strip_nulls(jsonb_build_object('tracking_no', tracking_no, 'rest_shipment_id', rest)));
	IF rest IS NOT NULL THEN
		PERFORM retail.note_parcel(s.node_id, s.ship_by);
	END IF;
	RETURN jsonb_build_object('shipment_id', shipment_id, 'status', 'shipped', 'rest_shipment_id', rest, 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.ship_order(bigint, text, jsonb, timestamptz) IS
'Books a parcel as gone: the whole, or lines [{"sku", "qty"}] of it; the rest then waits in a new planned parcel of the same node, service and promise. Its order must be paid, or to be paid on delivery. Idempotent: the same shipment with the same tracking_no is answered again. Returns {shipment_id, status, rest_shipment_id, replayed}. Raises RT001, RT005, RT006, RT010, RT011, RT014, RT015, RT031, RT032, RT040.';

CREATE FUNCTION retail.ready_for_pick_up(shipment_id bigint, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	s retail.shipment;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	the_order := retail.lock_shipment(shipment_id, at_counter => true);
	SELECT * INTO STRICT s FROM retail.shipment x WHERE x.shipment_id = shipment_id;
	IF s.status <> 'ready' THEN
		IF s.kind = 'ship_to_store' THEN
			PERFORM retail.check_at_store(shipment_id, as_of);
		ELSE
			PERFORM retail.check_can_leave(shipment_id, 'pick_up', 'Only a planned pick-up, or a parcel that was shipped to the store, can be made ready.');
		END IF;
		UPDATE retail.shipment x SET status = 'ready' WHERE x.shipment_id = shipment_id;
		PERFORM retail.add_order_event(the_order, 'ready', as_of, jsonb_build_object('shipment_id', shipment_id));
	END IF;
	RETURN jsonb_build_object('shipment_id', shipment_id, 'status', 'ready', 'replayed', s.status = 'ready');
END $$;
COMMENT ON FUNCTION retail.ready_for_pick_up(bigint, timestamptz) IS 'The goods of a pick-up wait at the counter, or a parcel that was shipped to a store has arrived there; its order must be paid, or to be paid at the counter. Idempotent. Returns {shipment_id, status, replayed}. Raises RT006, RT014, RT031, RT040.';

CREATE FUNCTION retail.check_at_store(shipment_id bigint, as_of timestamptz) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	s retail.shipment;
BEGIN
	SELECT * INTO STRICT s FROM retail.shipment x WHERE x.shipment_id = $1;
	IF s.status NOT IN ('shipped', 'ready') OR s.shipped_at IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'the parcel is not on its way to the store', DETAIL = format('Shipment %s is of kind %s and %s.', $1, s.kind, s.status),
			HINT = 'The node that sends it books it out with retail.ship_order() first.';
	ELSIF as_of < s.shipped_at THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'arrived before it left', DETAIL = format('as_of is %s, shipment %s left at %s.', as_of, $1, s.shipped_at),
			HINT = 'Give the moment at which it arrived.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_at_store(bigint, timestamptz) IS 'Internal: raises RT031 unless a parcel was shipped to a store and not handed over yet, RT014 when it would arrive before it left.';

CREATE FUNCTION retail.pick_up(shipment_id bigint, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	s retail.shipment;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	the_order := retail.lock_shipment(shipment_id, at_counter => true);
	SELECT * INTO STRICT s FROM retail.shipment x WHERE x.shipment_id = shipment_id;
	IF s.kind IN ('pick_up', 'ship_to_store') AND s.status = 'delivered' THEN
		RETURN jsonb_build_object('shipment_id', shipment_id, 'status', 'delivered', 'replayed', true);
	ELSIF s.kind = 'ship_to_store' THEN		-- its stock left the sender when it was shipped
		PERFORM retail.check_at_store(shipment_id, as_of);
		PERFORM retail.finish_shipment(shipment_id, as_of);
	ELSE
		PERFORM retail.check_can_leave(shipment_id, 'pick_up', 'Only a pick-up that is planned or ready can be handed over; ship parcels with retail.ship_order().');
		PERFORM retail.lock_reservations(ARRAY[the_order]);
		PERFORM retail.send_shipment(shipment_id, 'delivered', as_of, '{}');
	END IF;
	RETURN jsonb_build_object('shipment_id', shipment_id, 'status', 'delivered', 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.pick_up(bigint, timestamptz) IS 'Hands a pick-up over to the customer: shipped and delivered at once, whether or not it was made ready before; or a parcel that arrived at the store. Idempotent. Returns {shipment_id, status, replayed}. Raises RT006, RT014, RT031, RT040.';

CREATE FUNCTION retail.finish_shipment(shipment_id bigint, as_of timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	the_order bigint;
BEGIN
	UPDATE retail.shipment x SET status = 'delivered', delivered_at = as_of WHERE x.shipment_id = $1 RETURNING x.order_id INTO the_order;
	PERFORM retail.refresh_order_status(the_order);
	PERFORM retail.add_order_event(the_order, 'delivered', as_of, jsonb_build_object('shipment_id', $1,
		'units', (SELECT sum(l.quantity) FROM retail.shipment_line l WHERE l.shipment_id = $1)));
END $$;
COMMENT ON FUNCTION retail.finish_shipment(bigint, timestamptz) IS 'Internal: the customer has a parcel that left before. The caller has locked its order.';

CREATE FUNCTION retail.deliver_order(shipment_id bigint, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	s retail.shipment;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	the_order := retail.lock_shipment(shipment_id);
	SELECT * INTO STRICT s FROM retail.shipment x WHERE x.shipment_id = shipment_id;
	IF s.status = 'delivered' THEN
		RETURN jsonb_build_object('shipment_id', shipment_id, 'status', 'delivered', 'replayed', true);
	ELSIF s.kind = 'ship_to_store' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'the customer collects this parcel', DETAIL = format('Shipment %s is of kind %s and %s.', shipment_id, s.kind, s.status),
			HINT = 'Book its arrival at the store with retail.ready_for_pick_up(), and retail.pick_up() when the customer has it.';
	ELSIF s.status <> 'shipped' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'the shipment has not left', DETAIL = format('Shipment %s is %s.', shipment_id, s.status),
			HINT = 'Ship it with retail.ship_order(), or hand it over with retail.pick_up().';
	ELSIF as_of < s.shipped_at THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'delivered before it left', DETAIL = format('as_of is %s, shipment %s left at %s.', as_of, shipment_id, s.shipped_at),
			HINT = 'Give the moment at which it arrived.';
	END IF;
	PERFORM retail.finish_shipment(shipment_id, as_of);
	RETURN jsonb_build_object('shipment_id', shipment_id, 'status', 'delivered', 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.deliver_order(bigint, timestamptz) IS 'A shipped parcel arrived at the customer. Idempotent. Returns {shipment_id, status, replayed}. Raises RT006, RT014 (before it left), RT031, RT040.';

GRANT EXECUTE ON FUNCTION retail.record_payment(text, text, text, numeric, text, timestamptz), retail.record_refund(text, text, text, numeric, text, timestamptz),
	retail.cancel_order(text, text, jsonb, text, text, timestamptz), retail.run_release_unpaid(timestamptz), retail.ship_order(bigint, text, jsonb, timestamptz),
	retail.ready_for_pick_up(bigint, timestamptz), retail.pick_up(bigint, timestamptz), retail.deliver_order(bigint, timestamptz) TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.ship_order(bigint, text, jsonb, timestamptz), retail.ready_for_pick_up(bigint, timestamptz), retail.pick_up(bigint, timestamptz),
	retail.deliver_order(bigint, timestamptz) TO retail_store;
GRANT EXECUTE ON FUNCTION retail.cancel_order(text, text, jsonb, text, text, timestamptz), retail.record_refund(text, text, text, numeric, text, timestamptz) TO retail_service;
