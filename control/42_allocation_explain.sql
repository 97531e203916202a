-- 42_allocation_explain.sql: the trace of a decision as sentences.

CREATE FUNCTION retail.explain_cost(costs jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT concat_ws(', ', 'freight ' || (costs ->> 'freight'), 'handling ' || (costs ->> 'handling'),
		'lateness ' || CASE WHEN (costs ->> 'lateness')::numeric > 0 THEN costs ->> 'lateness' END,
		CASE WHEN (costs ->> 'stock_value')::numeric > 0 THEN 'scarce stock ' || (costs ->> 'stock_value')
			 WHEN (costs ->> 'stock_value')::numeric < 0 THEN 'less ' || ltrim(costs ->> 'stock_value', '-') || ' for ageing stock' END)
$$;
COMMENT ON FUNCTION retail.explain_cost(jsonb) IS 'What a parcel of a trace, or an alternative, costs, in words; part of explain_decision().';

CREATE FUNCTION retail.explain_parcel(p jsonb, n int, decided_at timestamptz, target_hours int) RETURNS SETOF text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	node record;
	leaves timestamp;
	ordered timestamp;
BEGIN
	SELECT x.name, x.time_zone, x.cut_off, x.daily_capacity, c.name AS calendar INTO node
		FROM retail.node x LEFT JOIN retail.calendar c USING (calendar_id) WHERE x.code = p ->> 'node';
	leaves := (p ->> 'ship_by')::timestamptz AT TIME ZONE coalesce(node.time_zone, 'UTC');
	ordered := decided_at AT TIME ZONE coalesce(node.time_zone, 'UTC');
	RETURN NEXT format('Parcel %s: %s from %s%s%s%s.', n, (SELECT string_agg(format('%s %s', l ->> 'qty', l ->> 'sku'), ', ' ORDER BY o) FROM jsonb_array_elements(p -> 'lines') WITH ORDINALITY e (l, o)),
		p ->> 'node', coalesce(format(' (%s)', nullif(node.name, p ->> 'node')), ''), ', ' || (p ->> 'distance_km') || ' km away',
		', by ' || (p ->> 'service') || ', zone ' || (p ->> 'zone'));
	RETURN NEXT format('  It costs %s: %s%s.', (p ->> 'freight')::numeric + (p ->> 'handling')::numeric + (p ->> 'lateness')::numeric + coalesce((p ->> 'stock_value')::numeric, 0),
		retail.explain_cost(p), CASE WHEN p ? 'service' THEN format('; %s g, billed as %s g', p ->> 'weight_g', p ->> 'billed_g') END);
	IF p ? 'full_on' THEN
		RETURN NEXT format('  %s was full (%s packs %s a day): this parcel waits for the next day with room.',
			to_char((p ->> 'full_on')::timestamptz AT TIME ZONE coalesce(node.time_zone, 'UTC'), 'FMDy FMDD Mon'), p ->> 'node',
			CASE node.daily_capacity WHEN 1 THEN '1 parcel' ELSE coalesce(node.daily_capacity::text, 'so many') || ' parcels' END);
	END IF;
	IF p ? 'service' THEN
		RETURN NEXT format('  It leaves %s %s: %s.', to_char(leaves, 'FMDy FMDD Mon HH24:MI'), node.time_zone,
			CASE WHEN p ? 'full_on' THEN 'at that day''s collection'
				 WHEN leaves::date = ordered::date THEN format('decided %s, in time for that day''s collection (cut-off %s)', to_char(ordered, 'HH24:MI'), to_char(node.cut_off, 'HH24:MI'))
				 ELSE format('decided %s, so this is the first collection that it can make (cut-off %s%s)', to_char(ordered, 'FMDy FMDD Mon HH24:MI'), to_char(node.cut_off, 'HH24:MI'),
					coalesce('; opening hours "' || node.calendar || '"', '')) END);
		RETURN NEXT format('  %s %s, %s hours later%s.', CASE p ->> 'kind' WHEN 'ship_to_store' THEN 'It can be collected' ELSE 'It is promised for' END,
			to_char((p ->> 'promised_at')::timestamptz AT TIME ZONE node.time_zone, 'FMDy FMDD Mon HH24:MI'),
			trim_scale(round(extract(epoch FROM (p ->> 'promised_at')::timestamptz - (p ->> 'ship_by')::timestamptz) / 3600, 1)),
			CASE WHEN (p ->> 'lateness')::numeric > 0 THEN format('; the policy aims at %s hours from the order', target_hours) END);
	ELSE
		RETURN NEXT format('  It is ready for the customer %s %s%s.', to_char(leaves, 'FMDy FMDD Mon HH24:MI'), node.time_zone, coalesce(' (opening hours "' || node.calendar || '")', ''));
	END IF;
END $$;
COMMENT ON FUNCTION retail.explain_parcel(jsonb, int, timestamptz, int) IS 'A parcel of a trace in sentences; part of explain_decision(). Reads names and calendars as the caller may see them.';

CREATE FUNCTION retail.explain_decision(trace jsonb, decided_at timestamptz) RETURNS SETOF text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	cost numeric := (trace ->> 'cost')::numeric;
	below numeric := cost - (trace ->> 'lower_bound')::numeric;
	parcels int := jsonb_array_length(trace -> 'parcels');
	p jsonb;
	n int := 0;
	target int := (SELECT x.target_hours FROM retail.allocation_policy x WHERE x.code = trace ->> 'policy' AND x.version = (trace ->> 'policy_version')::int);
	others text;
	unnamed int;
BEGIN
	RETURN NEXT format('Policy %s, version %s, chose the plan that costs %s, of all plans with the %s %s that could serve the order; %s.', trace ->> 'policy', trace ->> 'policy_version', cost,
		trace ->> 'candidates', CASE trace ->> 'candidates' WHEN '1' THEN 'node' ELSE 'nodes' END,
		CASE WHEN (trace ->> 'exact')::boolean THEN 'no plan is cheaper'
			 ELSE format('that none is cheaper is not proven: at most %s could be saved (%s %%)', below, round(100 * below / nullif(abs(cost), 0), 1)) END);
	FOR p IN SELECT e FROM jsonb_array_elements(trace -> 'parcels') e LOOP
		n := n + 1;
		RETURN QUERY SELECT * FROM retail.explain_parcel(p, n, decided_at, target);
	END LOOP;
	IF trace ? 'split_penalty' THEN
		RETURN NEXT format('Sending %s parcels instead of one counts %s more.', parcels, trace ->> 'split_penalty');
	END IF;
	FOR p IN SELECT e FROM jsonb_array_elements(trace -> 'alternatives') e LOOP
		RETURN NEXT format('All from %s%s%s: %s.', p ->> 'node', ', ' || (p ->> 'distance_km') || ' km away', CASE WHEN p ? 'nearest' THEN ', the nearest' END,
			CASE WHEN p ? 'lacks' THEN format('too little %s there', (SELECT string_agg(l, ', ') FROM jsonb_array_elements_text(p -> 'lacks') l))
				 WHEN NOT p ? 'cost' OR p ->> 'reason' NOT LIKE 'costs%' THEN p ->> 'reason'
				 WHEN (p ->> 'more_than_plan')::numeric > 0 THEN format('%s, %s more (%s)', p ->> 'cost', p ->> 'more_than_plan', retail.explain_cost(p))
				 ELSE format('%s, the same (%s), and not nearer', p ->> 'cost', retail.explain_cost(p)) END);
	END LOOP;
	-- Places with stock that were no candidates: the first by name, the others by number.
	SELECT string_agg(format('%s (%s)', e ->> 'node', why.text), ', ' ORDER BY o) INTO others
		FROM jsonb_array_elements(coalesce(trace -> 'left_out_nodes', '[]')) WITH ORDINALITY e (e, o)
		LEFT JOIN (VALUES ('inactive', 'is not active'), ('paused', 'takes a break'), ('refused_before', 'refused this order'), ('may_not', 'may not send or hand out'), ('closed', 'does not open within a year'),
			('no_lane', 'has no lane or rate card to this place'), ('full', 'is full for two weeks'), ('kept_back', 'keeps all it has as safety stock')) why (code, text) ON why.code = e ->> 'why';
	SELECT coalesce(sum(x.value::int), 0) - jsonb_array_length(coalesce(trace -> 'left_out_nodes', '[]')) INTO unnamed
		FROM jsonb_each_text(coalesce(trace -> 'left_out', '{}')) x WHERE trace ? 'left_out_nodes';
	IF others IS NOT NULL THEN
		RETURN NEXT format('Left out, though stock lies there: %s%s.', others, CASE WHEN unnamed > 0 THEN format(' and %s more', unnamed) ELSE '' END);
	END IF;
END $$;
COMMENT ON FUNCTION retail.explain_decision(jsonb, timestamptz) IS 'The trace of a decision in sentences, also that of quote_order(); part of explain_order().';

CREATE FUNCTION retail.explain_cause(order_id bigint, n int) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	-- Each decision after the first was written with one of these events.
	SELECT CASE WHEN e.kind = 'released' THEN ', because stock came in' WHEN e.kind = 'replanned' THEN ', together with other orders'
		WHEN e.detail ->> 'cause' = 'refused' THEN format(', because %s %s', e.detail ->> 'node', CASE e.detail ->> 'reason' WHEN 'not_found' THEN 'did not find the goods' WHEN 'damaged' THEN 'found the goods damaged'
			WHEN 'closed' THEN 'was closed' ELSE 'had too much to do' END)
		WHEN e.detail ->> 'cause' = 'answer' THEN ', as the customer wished' WHEN e.detail ->> 'cause' = 'node' THEN ', by hand' ELSE ', when it was tried again' END
	FROM retail.order_event e WHERE e.order_id = $1 AND e.kind IN ('rerouted', 'released', 'replanned') ORDER BY e.event_id OFFSET $2 - 2 LIMIT 1
$$;
COMMENT ON FUNCTION retail.explain_cause(bigint, int) IS 'Why the n-th decision of an order (from 2) was made, as the end of a sentence; part of explain_order().';

CREATE FUNCTION retail.explain_waiting(order_id bigint) RETURNS SETOF text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	d record;
	asked text;
BEGIN
	FOR d IN SELECT b.quantity, k.code, b.source_kind, b.source_no, n.code AS node, b.expected_at AT TIME ZONE n.time_zone AS expected, b.promised_at AT TIME ZONE n.time_zone AS promised, n.time_zone
		FROM retail.backorder b JOIN retail.sku k USING (sku_id) LEFT JOIN retail.node n USING (node_id) WHERE b.order_id = $1 ORDER BY b.line_no, b.expected_at, b.backorder_id LOOP
		RETURN NEXT CASE WHEN d.source_kind IS NULL THEN format('%s %s wait for stock; none is on its way.', d.quantity, d.code)
			WHEN d.source_kind = 'stock' THEN format('%s %s wait for what lies at %s, to be sent next.', d.quantity, d.code, d.node)
			ELSE format('%s %s wait for %s %s, expected at %s %s %s: with the customer %s.', d.quantity, d.code, replace(d.source_kind, '_', ' '), d.source_no, d.node,
				to_char(d.expected, 'FMDy FMDD Mon HH24:MI'), d.time_zone, to_char(d.promised, 'FMDy FMDD Mon HH24:MI')) END;
	END LOOP;
	SELECT format('the customer''s answer, until %s UTC', to_char(q.deadline AT TIME ZONE 'UTC', 'FMDy FMDD Mon HH24:MI')) INTO asked FROM retail.order_question q WHERE q.order_id = $1 AND q.state = 'open';
	FOR d IN SELECT u.quantity, k.code FROM retail.open_units($1) u JOIN retail.sku k USING (sku_id) ORDER BY u.line_no LOOP
		RETURN NEXT format('%s %s wait for %s.', d.quantity, d.code, coalesce(asked, 'a decision: no node sends them (see the exception queue)'));
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.explain_waiting(bigint) IS 'What the units of an order wait for that nobody sends yet; part of explain_order(). Shows what the caller may see.';

CREATE FUNCTION retail.explain_order(channel text, external_no text) RETURNS SETOF text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	o record;
	d record;
	s record;
	n int := 0;
BEGIN
	SELECT x.order_id, x.status, x.fulfilment, x.placed_at, g.code AS region, p.code AS pick_up INTO o
		FROM retail.sales_order x JOIN retail.channel c USING (channel_id) LEFT JOIN retail.region g ON g.region_id = x.region_id LEFT JOIN retail.node p ON p.node_id = x.pick_up_node_id
		WHERE c.code = channel AND x.external_no = external_no;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown order', DETAIL = format('Channel %s has no order %s that you may see.', coalesce('"' || left(channel, 200) || '"', 'null'),
			coalesce('"' || left(external_no, 200) || '"', 'null')), HINT = 'Check channel and number.';
	END IF;
	RETURN NEXT format('Order %s of channel %s: %s%s.', external_no, channel, (SELECT string_agg(format('%s %s', l.quantity, k.code), ', ' ORDER BY l.line_no)
		FROM retail.order_line l JOIN retail.sku k USING (sku_id) WHERE l.order_id = o.order_id), CASE o.fulfilment WHEN 'ship' THEN ' to ' || o.region WHEN 'pick_up' THEN ' for pick-up at ' || o.pick_up
			WHEN 'ship_to_store' THEN ', to be collected at ' || o.pick_up ELSE ' at the till of ' || o.pick_up END);
	FOR d IN SELECT b.bundles, k.code, string_agg(format('%s %s', b.quantity, c.code), ', ' ORDER BY b.line_no) AS parts FROM retail.order_bundle b JOIN retail.sku k ON k.sku_id = b.bundle_sku_id
			JOIN retail.order_line l USING (order_id, line_no) JOIN retail.sku c ON c.sku_id = l.sku_id WHERE b.order_id = o.order_id GROUP BY 1, 2 ORDER BY 2 LOOP
		RETURN NEXT format('%s of these came as %s %s; what a bundle holds travels together.', d.parts, d.bundles, d.code);
	END LOOP;
	FOR d IN SELECT x.decided_at, x.trace FROM retail.allocation_decision x WHERE x.order_id = o.order_id ORDER BY x.decided_at LOOP
		n := n + 1;
		IF n > 1 THEN
			RETURN NEXT format('Decided again at %s UTC%s.', to_char(d.decided_at AT TIME ZONE 'UTC', 'FMDy FMDD Mon YYYY HH24:MI'), retail.explain_cause(o.order_id, n));
		END IF;
		RETURN QUERY SELECT * FROM retail.explain_decision(d.trace, d.decided_at);
		-- Shadows are a matter of the chain, not of a store.
		CONTINUE WHEN NOT has_table_privilege('retail.allocation_shadow', 'SELECT');
		FOR s IN SELECT format('%s, version %s', p.code, p.version) AS policy, x.* FROM retail.allocation_shadow x JOIN retail.allocation_policy p USING (policy_id)
				 WHERE x.order_id = o.order_id AND x.decided_at = d.decided_at ORDER BY p.code, p.version LOOP
			RETURN NEXT format('Shadow policy %s, %s.', s.policy, CASE WHEN s.status <> 'planned' THEN 'has no plan: ' || s.reason WHEN s.same_plan THEN 'would do the same'
				ELSE format('would send from %s: %s by its weights, where this plan costs %s', array_to_string(s.nodes, ', '), s.cost, s.acting_plan_cost) END);
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT * FROM retail.explain_waiting(o.order_id);
	IF n = 0 THEN
		RETURN NEXT CASE o.fulfilment WHEN 'counter' THEN 'Nothing had to be decided.' ELSE 'The decision is not kept any more.' END;
	END IF;
	IF o.status = 'cancelled' THEN
		RETURN NEXT 'The order was cancelled.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.explain_order(text, text) IS
'Why an order was given to these nodes, in sentences: each parcel with its cost and promise, what other nodes would have cost or lack, who was left out, what shadow policies would do. Shows what the caller may see. Raises RT006.';

GRANT EXECUTE ON FUNCTION retail.explain_cost(jsonb), retail.explain_parcel(jsonb, int, timestamptz, int), retail.explain_decision(jsonb, timestamptz),
	retail.explain_cause(bigint, int), retail.explain_waiting(bigint), retail.explain_order(text, text) TO retail_admin, retail_app, retail_store, retail_service;
