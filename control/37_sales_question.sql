-- 37_sales_question.sql: a pick-up that a store refused never moves silently:
-- the customer is asked, and what he answers is done.

CREATE FUNCTION retail.question_options(order_id bigint, line_nos bigint[], quantities bigint[], excluded bigint[], as_of timestamptz)
RETURNS TABLE (answer text, node text, distance_km float8, region text, ready_at timestamptz, cost numeric)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 5000 ROWS 7 AS 'MODULE_PATHNAME', 'retail_question_options';
COMMENT ON FUNCTION retail.question_options(bigint, bigint[], bigint[], bigint[], timestamptz) IS
'Internal: how units of a pick-up that was refused could reach the customer without the excluded nodes, as nearest_stores() and quote_order() find out: the five nearest stores that have them, what others send to the store, and home (to the region of the store, where the order has none), each with its time and the chain''s cost. Who cannot is left out.';

CREATE FUNCTION retail.pick_up_options(order_id bigint, as_of timestamptz) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	w record;
	refund numeric;
	spared numeric;		-- what handing the units over where they were refused would have cost
	result jsonb;
BEGIN
	SELECT array_agg(u.line_no) AS numbers, array_agg(u.quantity) AS quantities, sum(u.quantity) AS units INTO w FROM retail.open_units($1) u;
	SELECT sum(retail.line_share(l.amount, l.quantity, l.cancelled + l.returned, u.quantity)) INTO refund
		FROM retail.open_units($1) u JOIN retail.order_line l ON l.order_id = $1 AND l.line_no = u.line_no;
	SELECT n.unit_cost * w.units + CASE WHEN EXISTS (SELECT FROM retail.shipment s WHERE s.order_id = $1 AND s.node_id = n.node_id AND s.status <> 'cancelled') THEN 0 ELSE n.parcel_cost END INTO spared
		FROM retail.sales_order o JOIN retail.node n ON n.node_id = o.pick_up_node_id WHERE o.order_id = $1;
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('answer', x.answer, 'node', x.node, 'distance_km', round(x.distance_km::numeric, 1), 'region', CASE x.answer WHEN 'ship_home' THEN x.region END,
			'ready_at', x.ready_at, 'charge', 0.00, 'cost', x.cost, 'cost_difference', x.cost - spared)) ORDER BY x.n) INTO result
		FROM retail.question_options($1, w.numbers, w.quantities, ARRAY(SELECT e.node_id FROM retail.order_exclusion e WHERE e.order_id = $1), as_of)
			WITH ORDINALITY x (answer, node, distance_km, region, ready_at, cost, n);
	RETURN coalesce(result, '[]') || jsonb_build_object('answer', 'cancel', 'refund', refund, 'cost', 0.00, 'cost_difference', -spared);
END $$;
COMMENT ON FUNCTION retail.pick_up_options(bigint, timestamptz) IS
'Internal: what a customer may choose whose pick-up was refused: question_options(), and to cancel. charge is what he pays more (nothing: he pays what he was told), refund what he gets back; cost is what the chain spends, cost_difference how much more than the pick-up that was refused.';

CREATE FUNCTION retail.ask_customer(order_id bigint, shipment_id bigint, node_id bigint, as_of timestamptz) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	q retail.order_question;
	within interval := (SELECT c.answer_within FROM retail.sales_order o JOIN retail.channel c USING (channel_id) WHERE o.order_id = $1);
BEGIN
	UPDATE retail.order_question x SET options = retail.pick_up_options($1, $4), shipment_id = $2, node_id = $3, deadline = greatest(x.deadline, $4 + within)
		WHERE x.order_id = $1 AND x.state = 'open' RETURNING x.* INTO q;
	IF NOT FOUND THEN
		INSERT INTO retail.order_question AS x (order_id, shipment_id, node_id, options, asked_at, deadline)
			VALUES ($1, $2, $3, retail.pick_up_options($1, $4), $4, $4 + within) RETURNING x.* INTO q;
	END IF;
	PERFORM retail.add_order_event($1, 'pick_up_refused', $4, jsonb_build_object('question_id', q.question_id, 'shipment_id', $2, 'node', (SELECT n.code FROM retail.node n WHERE n.node_id = $3),
		'lines', retail.open_lines($1), 'deadline', q.deadline,
		'options', (SELECT jsonb_agg(x.e - '{cost,cost_difference}'::text[] ORDER BY x.n) FROM jsonb_array_elements(q.options) WITH ORDINALITY x (e, n))));
	RETURN jsonb_build_object('outcome', 'asked', 'question_id', q.question_id, 'deadline', q.deadline);
END $$;
COMMENT ON FUNCTION retail.ask_customer(bigint, bigint, bigint, timestamptz) IS
'Internal: asks the customer of an order, locked by the caller, what shall become of the units that wait; a question that is open already is asked anew, with more time.';

CREATE FUNCTION retail.move_pick_up(order_id bigint) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	UPDATE retail.sales_order o SET fulfilment = CASE WHEN p.node_id IS NULL THEN 'ship' ELSE 'pick_up' END, pick_up_node_id = p.node_id
	FROM (SELECT (SELECT s.node_id FROM retail.shipment s WHERE s.order_id = $1 AND s.kind = 'pick_up' AND s.status <> 'cancelled' ORDER BY s.shipment_id DESC LIMIT 1)) p (node_id)
	WHERE o.order_id = $1 AND o.fulfilment = 'pick_up' AND o.pick_up_node_id IS DISTINCT FROM p.node_id
		AND EXISTS (SELECT FROM retail.shipment s WHERE s.order_id = $1 AND s.status <> 'cancelled')
$$;
COMMENT ON FUNCTION retail.move_pick_up(bigint) IS 'Internal: sets where an order is collected to the node of its latest pick-up; without one, and with parcels that are sent, it is shipped.';

CREATE FUNCTION retail.send_to_store(order_id bigint, as_of timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	store record;
BEGIN
	SELECT n.code, n.region_id, coalesce(n.latitude, r.latitude) AS latitude, coalesce(n.longitude, r.longitude) AS longitude INTO store
		FROM retail.sales_order o JOIN retail.node n ON n.node_id = o.pick_up_node_id LEFT JOIN retail.region r ON r.region_id = n.region_id WHERE o.order_id = $1 AND o.fulfilment = 'pick_up';
	IF FOUND THEN
		UPDATE retail.sales_order o SET fulfilment = 'ship_to_store', region_id = store.region_id, latitude = store.latitude, longitude = store.longitude WHERE o.order_id = $1;
		PERFORM retail.add_order_event($1, 'converted', $2, jsonb_build_object('from', 'pick_up', 'to', 'ship_to_store', 'node', store.code));
	END IF;
END $$;
COMMENT ON FUNCTION retail.send_to_store(bigint, timestamptz) IS 'Internal: a pick-up becomes ship to store: collected at the same store, to which others may send.';

CREATE FUNCTION retail.check_region_span(region_id bigint, latitude float8, longitude float8) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	km float8;
BEGIN
	WITH RECURSIVE below AS (
		SELECT r.region_id, r.latitude, r.longitude FROM retail.region r WHERE r.region_id = $1
		UNION ALL SELECT r.region_id, r.latitude, r.longitude FROM retail.region r JOIN below b ON r.parent_id = b.region_id
	) SELECT min(retail.distance_km($2, $3, b.latitude, b.longitude)) INTO km FROM below b;
	IF km > 3 * current_setting('pg_retail.region_reach_km')::int THEN
		RAISE EXCEPTION USING ERRCODE = 'RT013', MESSAGE = 'region and coordinates contradict each other',
			DETAIL = format('lat %s, lon %s lies %s km from region %s.', $2, $3, round(km), (SELECT r.code FROM retail.region r WHERE r.region_id = $1)),
			HINT = 'Correct one of them, or leave the coordinates out; up to three times pg_retail.region_reach_km is accepted.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_region_span(bigint, float8, float8) IS 'Internal: raises RT013 when coordinates lie further than three times pg_retail.region_reach_km from a region and all those below it, as place_order() does.';

CREATE FUNCTION retail.set_destination(order_id bigint, destination jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	the_region bigint := coalesce(CASE WHEN $2 ->> 'region' IS NOT NULL THEN retail.region_id($2 ->> 'region') END, (SELECT o.region_id FROM retail.sales_order o WHERE o.order_id = $1));
	lat float8;
	lon float8;
BEGIN
	PERFORM retail.check_argument($2 IS NULL OR jsonb_typeof($2) = 'object', 'destination', $2::text, 'Give {"region": code, "lat"?, "lon"?, "recipient"?}.'),
		retail.check_argument(the_region IS NOT NULL, 'destination', $2::text, 'Give {"region": code}: the order was to be collected and has no address.', 'RT004'),
		retail.check_argument(coalesce(jsonb_typeof($2 -> 'lat'), 'number') = 'number' AND coalesce(jsonb_typeof($2 -> 'lon'), 'number') = 'number', 'destination', $2::text,
			'Give lat and lon as numbers, both or neither.', 'RT013');
	IF $2 ? 'lat' OR $2 ? 'lon' THEN
		lat := ($2 ->> 'lat')::float8;
		lon := ($2 ->> 'lon')::float8;
		PERFORM retail.check_coordinates(lat, lon), retail.check_region_span(the_region, lat, lon);
	ELSE
		SELECT r.latitude, r.longitude INTO lat, lon FROM retail.region r WHERE r.region_id = the_region;
	END IF;
	UPDATE retail.sales_order o SET region_id = the_region, latitude = lat, longitude = lon, recipient = coalesce(nullif($2 -> 'recipient', 'null'), o.recipient) WHERE o.order_id = $1;
END $$;
COMMENT ON FUNCTION retail.set_destination(bigint, jsonb) IS 'Internal: where an order that was to be collected is sent instead. Raises RT004, RT013, RT016.';

CREATE FUNCTION retail.answer_question(channel text, external_no text, answer text, node text DEFAULT NULL, destination jsonb DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	given jsonb := jsonb_strip_nulls(jsonb_build_object('node', node, 'destination', destination - 'recipient'));
	q retail.order_question;
	w record;
	r record;
	done jsonb;
BEGIN
	PERFORM retail.check_argument(answer IN ('other_store', 'ship_to_store', 'ship_home', 'cancel'), 'answer', answer, 'Give other_store, ship_to_store, ship_home or cancel.'), retail.check_time(as_of, 'as_of'),
		retail.check_argument((answer = 'other_store') = (node IS NOT NULL), 'node', node, 'Name a node with other_store, and with no other answer.');
	the_order := retail.lock_order(channel, external_no);
	SELECT * INTO q FROM retail.order_question x WHERE x.order_id = the_order ORDER BY x.question_id DESC LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'the customer was not asked', DETAIL = format('Order "%s" has no question.', external_no), HINT = 'See retail.order_question.';
	ELSIF q.state = 'answered' AND q.answer = answer AND q.answer_detail -> 'given' = given THEN
		RETURN q.answer_detail - 'given' || '{"replayed": true}';
	ELSIF q.state <> 'open' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'the question is closed', DETAIL = format('Question %s is %s since %s.', q.question_id, q.state, q.closed_at), HINT = 'See retail.order_status() for what became of the order.';
	ELSIF as_of < q.asked_at THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'answered before it was asked', DETAIL = format('as_of is %s, it was asked at %s.', as_of, q.asked_at), HINT = 'Give the time of the answer.';
	END IF;
	UPDATE retail.order_question x SET state = 'answered', answer = answer, closed_at = as_of, answer_detail = '{}' WHERE x.question_id = q.question_id;
	PERFORM retail.add_order_event(the_order, 'question_closed', as_of, jsonb_build_object('question_id', q.question_id, 'state', 'answered', 'answer', answer) || given);
	done := jsonb_build_object('question_id', q.question_id, 'answer', answer);
	IF answer = 'cancel' THEN
		done := done || jsonb_build_object('refund_due', retail.cancel_order(channel, external_no, retail.open_lines(the_order), 'pick_up_refused', format('question %s', q.question_id), as_of) -> 'refund_due');
	ELSE
		IF answer = 'ship_home' THEN
			PERFORM retail.set_destination(the_order, destination);
		ELSIF answer = 'ship_to_store' THEN
			PERFORM retail.send_to_store(the_order, as_of);
		END IF;
		SELECT array_agg(u.line_no) AS numbers, array_agg(u.quantity) AS quantities INTO w FROM retail.open_units(the_order) u;
		SELECT * INTO r FROM retail.route_again(the_order, w.numbers, w.quantities, jsonb_build_object('cause', 'answer', 'question_id', q.question_id), as_of,
			pick_up_node => CASE answer WHEN 'other_store' THEN retail.node_id(node, 'pick_up') END);
		IF r.parcels IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = r.state, MESSAGE = r.message, DETAIL = r.detail, HINT = 'Let the customer choose anew.';
		END IF;
		PERFORM retail.move_pick_up(the_order), retail.close_waiting(the_order, as_of, 'answered');
		done := done || jsonb_build_object('parcels', r.parcels, 'promised_at', r.promised_at);
	END IF;
	UPDATE retail.order_question x SET answer_detail = done || jsonb_build_object('given', given) WHERE x.question_id = q.question_id;
	RETURN done || '{"replayed": false}';
END $$;
COMMENT ON FUNCTION retail.answer_question(text, text, text, text, jsonb, timestamptz) IS
'What a customer whose pick-up was refused wants: other_store (node: collect there), ship_to_store (collect where it was to be, from what others send), ship_home (destination as of place_order(), if the order has none) or cancel (of the refused units). What the customer pays stays. When it cannot be done any more, nothing is changed and he may choose anew. An answer after the deadline counts as long as nothing has been decided. Idempotent. Returns {question_id, answer, parcels?, promised_at?, refund_due?, replayed}. Raises RT002, RT003, RT004, RT006, RT013, RT014, RT016, RT020, RT021, RT022, RT031, RT060.';

CREATE FUNCTION retail.run_questions(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
#variable_conflict use_variable
DECLARE
	q record;
	o retail.sales_order;
	c retail.channel;
	cancelled int := 0;
	queued int := 0;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	as_of := retail.effective_time(as_of);
	FOR q IN SELECT x.question_id, x.order_id, x.shipment_id FROM retail.order_question x WHERE x.state = 'open' AND x.deadline <= as_of ORDER BY x.deadline, x.question_id LIMIT 100
	LOOP
		PERFORM retail.report_progress('questions', 'end', cancelled + queued, 100);
		BEGIN
			SELECT * INTO o FROM retail.sales_order x WHERE x.order_id = q.order_id FOR UPDATE SKIP LOCKED;
			CONTINUE WHEN NOT FOUND;
			UPDATE retail.order_question x SET state = 'expired', closed_at = as_of WHERE x.question_id = q.question_id AND x.state = 'open' AND x.deadline <= as_of;
			CONTINUE WHEN NOT FOUND;
			PERFORM retail.add_order_event(o.order_id, 'question_closed', as_of, jsonb_build_object('question_id', q.question_id, 'state', 'expired'));
			SELECT * INTO STRICT c FROM retail.channel x WHERE x.channel_id = o.channel_id;
			IF c.unanswered = 'cancel' THEN
				PERFORM retail.cancel_order(c.code, o.external_no, retail.open_lines(o.order_id), 'unanswered', format('question %s', q.question_id), as_of);
				cancelled := cancelled + 1;
			ELSE
				PERFORM retail.open_exception('pick_up', 'RT024', 'the customer did not answer', format('Question %s was to be answered within %s.', q.question_id, c.answer_within), as_of, o.order_id, q.shipment_id);
				queued := queued + 1;
			END IF;
		EXCEPTION WHEN lock_not_available THEN
			EXIT;		-- as in run_exceptions()
		END;
	END LOOP;
	RETURN format('%s unanswered questions: %s cancelled, %s to the exception queue', cancelled + queued, cancelled, queued);
END $$;
COMMENT ON FUNCTION retail.run_questions(timestamptz) IS
'Worker task: ends questions about refused pick-ups that were not answered by their deadline: the units are cancelled, or wait in the exception queue, as the channel says (set_question_rules()). Safe to run twice at once. Raises RT014.';

CREATE FUNCTION retail.set_question_rules(channel text, answer_within interval DEFAULT '1 day', unanswered text DEFAULT 'exception', convert_pick_up boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_channel bigint := retail.channel_id(channel);
BEGIN
	PERFORM retail.check_argument(answer_within > '0' AND answer_within <= interval '60 days', 'answer_within', answer_within::text, 'Give more than 0 and at most 60 days.'),
		retail.check_argument(unanswered IN ('exception', 'cancel'), 'unanswered', unanswered, 'Give exception or cancel.'),
		retail.check_argument(convert_pick_up IS NOT NULL, 'convert_pick_up', NULL, 'Give true or false.');
	UPDATE retail.channel c SET answer_within = answer_within, unanswered = unanswered, convert_pick_up = convert_pick_up
		WHERE c.channel_id = the_channel AND (c.answer_within, c.unanswered, c.convert_pick_up) IS DISTINCT FROM (answer_within, unanswered, convert_pick_up);
END $$;
COMMENT ON FUNCTION retail.set_question_rules(text, interval, text, boolean) IS
'How long customers of a channel are waited for when a pick-up was refused, and what then becomes of it: exception (a person decides) or cancel. convert_pick_up: they are not asked, others send what was refused to the store where they collect. Raises RT003, RT016.';

CREATE FUNCTION retail.waiting_violations() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT 3, pg_catalog.format('order %s', w.order_id), pg_catalog.format('has an open %s, but no unit waits', w.what)
	FROM (SELECT e.order_id, 'exception' AS what FROM retail.order_exception e WHERE e.state = 'open' AND e.order_id IS NOT NULL
		  UNION ALL SELECT q.order_id, 'question' FROM retail.order_question q WHERE q.state = 'open') w
	WHERE NOT EXISTS (SELECT FROM retail.open_units(w.order_id))
	UNION ALL
	SELECT 3, pg_catalog.format('order %s', l.order_id), pg_catalog.format('%s units wait, and nobody is to act', sum(l.backordered))
	FROM retail.order_line l WHERE l.backordered > 0 AND EXISTS (SELECT FROM retail.open_units(l.order_id))
		AND NOT EXISTS (SELECT FROM retail.order_exception e WHERE e.order_id = l.order_id AND e.state = 'open')
		AND NOT EXISTS (SELECT FROM retail.order_question q WHERE q.order_id = l.order_id AND q.state = 'open')
	GROUP BY l.order_id
	UNION ALL
	SELECT 3, pg_catalog.format('rejection %s', j.rejection_id), 'is not of the order and node of its shipment'
	FROM retail.shipment_rejection j JOIN retail.shipment s USING (shipment_id) WHERE (j.order_id, j.node_id) <> (s.order_id, s.node_id)
	UNION ALL
	SELECT 1, pg_catalog.format('recount of SKU %s at node %s', r.sku_id, r.node_id), 'no such stock'
	FROM retail.stock_recount r WHERE NOT EXISTS (SELECT FROM retail.stock s WHERE s.sku_id = r.sku_id AND s.node_id = r.node_id)
$$;
COMMENT ON FUNCTION retail.waiting_violations() IS 'Internal: invariant 3 of units that wait: each has an open exception or question, and these have units; rejections and recounts that name what does not exist.';

GRANT EXECUTE ON FUNCTION retail.answer_question(text, text, text, text, jsonb, timestamptz) TO retail_admin, retail_app, retail_service;
GRANT EXECUTE ON FUNCTION retail.run_questions(timestamptz), retail.set_question_rules(text, interval, text, boolean), retail.waiting_violations() TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.open_units(bigint) TO retail_admin, retail_app, retail_store, retail_service;
