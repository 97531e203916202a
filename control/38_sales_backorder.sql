-- 38_sales_backorder.sql: orders of which not everything is there: the rest is
-- cancelled, or waits for what is on its way.
--
-- Who waits is pegged to supply with a date, first come, first served within a
-- priority.  What arrives at the node of a peg is kept for it: newcomers see
-- it as safety stock (src/allocation/kept.c), until run_backorders() gives it
-- away.  Locks: orders by key, then backorders; stock last.

CREATE FUNCTION retail.node_promise(node_id bigint, at timestamptz, temperature_class text, fulfilment text, region_id bigint, latitude float8, longitude float8, counter_id bigint, channel_id bigint) RETURNS timestamptz
LANGUAGE c STABLE PARALLEL RESTRICTED COST 100 AS 'MODULE_PATHNAME', 'retail_node_promise';
COMMENT ON FUNCTION retail.node_promise(bigint, timestamptz, text, text, bigint, float8, float8, bigint, bigint) IS
'Internal: when a customer would have goods of a temperature class that lie at a node at a time; null when the node cannot serve him.';

CREATE FUNCTION retail.plan_backorder(the_sku bigint, quantity bigint, fulfilment text, region_id bigint, latitude float8, longitude float8, counter_id bigint, channel_id bigint,
	with_stock boolean, as_of timestamptz)
RETURNS TABLE (node_id bigint, units bigint, source_kind text, source_no text, expected_at timestamptz, promised_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	s record;
	wanted bigint := quantity;
	until timestamptz := plan_backorder.as_of + (SELECT c.backorder_horizon FROM retail.channel c WHERE c.channel_id = plan_backorder.channel_id);
BEGIN
	FOR s IN SELECT x.*, retail.node_promise(x.node_id, greatest(x.expected_at, plan_backorder.as_of), (SELECT k.temperature_class FROM retail.sku k WHERE k.sku_id = the_sku), $3, $4, $5, $6, $7, $8) AS promise
		FROM (SELECT v.source_kind, v.source_no, v.node_id, v.expected_at, v.open_quantity - coalesce((SELECT sum(b.quantity) FROM retail.backorder b
				WHERE b.sku_id = the_sku AND b.node_id = v.node_id AND b.source_kind = v.source_kind AND b.source_no = v.source_no), 0)::bigint AS free
			  FROM (SELECT 'stock' AS source_kind, n.code AS source_no, t.node_id, t.on_hand - t.reserved
						- coalesce((SELECT max(f.quantity) FROM retail.safety_stock f WHERE f.sku_id = the_sku AND f.node_id = t.node_id), 0) AS open_quantity, plan_backorder.as_of AS expected_at
					FROM retail.stock t JOIN retail.node n USING (node_id) WHERE with_stock AND t.sku_id = the_sku AND t.on_hand > t.reserved
					UNION ALL SELECT i.source_kind, i.source_no, i.node_id, i.open_quantity, i.expected_at FROM retail.inbound_supply() i WHERE i.sku_id = the_sku AND i.expected_at <= until) v) x
		WHERE x.free > 0 ORDER BY x.expected_at, x.source_kind = 'stock' DESC, x.source_kind, x.source_no, x.node_id
	LOOP
		CONTINUE WHEN s.promise IS NULL;
		node_id := s.node_id; units := least(wanted, s.free); source_kind := s.source_kind; source_no := s.source_no; expected_at := s.expected_at; promised_at := s.promise;
		RETURN NEXT;
		wanted := wanted - units;
		EXIT WHEN wanted = 0;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.plan_backorder(bigint, bigint, text, bigint, float8, float8, bigint, bigint, boolean, timestamptz) IS
'Internal: which supply that nobody waits for, earliest first, within the channel''s horizon and from nodes that can serve the customer, covers units of a SKU; fewer rows when there is not enough.';

CREATE FUNCTION retail.report_no_supply(the_sku bigint, wanted bigint, covered bigint, channel_id bigint) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'RT020', MESSAGE = 'not enough stock, and not enough on its way',
		DETAIL = format('SKU %s: %s units would have to wait, %s are expected within %s that nobody waits for.', (SELECT k.code FROM retail.sku k WHERE k.sku_id = the_sku), wanted, covered,
			(SELECT c.backorder_horizon FROM retail.channel c WHERE c.channel_id = $4)),
		HINT = 'Announce supply with retail.put_inbound(), or order with shortage => ''backorder_undated'' or ''partial''.';
END $$;
COMMENT ON FUNCTION retail.report_no_supply(bigint, bigint, bigint, bigint) IS 'Internal: raises RT020 for units that cannot wait.';

CREATE FUNCTION retail.refresh_promise(order_id bigint) RETURNS timestamptz
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	UPDATE retail.sales_order o SET promised_at = CASE
			WHEN EXISTS (SELECT FROM retail.open_units($1)) OR EXISTS (SELECT FROM retail.backorder b WHERE b.order_id = $1 AND b.promised_at IS NULL) THEN NULL
			ELSE coalesce(greatest((SELECT max(s.promised_at) FROM retail.shipment s WHERE s.order_id = $1 AND s.status <> 'cancelled'),
				(SELECT max(b.promised_at) FROM retail.backorder b WHERE b.order_id = $1)), o.promised_at) END
		WHERE o.order_id = $1 RETURNING o.promised_at
$$;
COMMENT ON FUNCTION retail.refresh_promise(bigint) IS
'Internal: sets the promise of an order, locked by the caller, to the latest of its parcels and of what it waits for; null when nobody knows, because units wait without a date or for a decision. An order of which nothing is left keeps the last one.';

CREATE FUNCTION retail.trim_backorders(order_id bigint, released boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM retail.backorder b WHERE b.order_id = $1) THEN
		PERFORM retail.refresh_promise($1);
		RETURN;
	END IF;
	-- What was released waited for the earliest supply, what is cancelled for the latest.
	WITH ranked AS (
		SELECT b.backorder_id, b.line_no, b.quantity, row_number() OVER (ORDER BY b.expected_at, b.backorder_id) * CASE WHEN released THEN -1 ELSE 1 END AS rank FROM retail.backorder b WHERE b.order_id = $1
	), kept AS (
		SELECT r.backorder_id, least(r.quantity, greatest(l.backordered - (sum(r.quantity) OVER (PARTITION BY r.line_no ORDER BY r.rank) - r.quantity), 0))::bigint AS quantity
		FROM ranked r JOIN retail.order_line l ON l.order_id = $1 AND l.line_no = r.line_no
	), gone AS (
		DELETE FROM retail.backorder b USING kept k WHERE b.backorder_id = k.backorder_id AND k.quantity = 0
	)
	UPDATE retail.backorder b SET quantity = k.quantity FROM kept k WHERE b.backorder_id = k.backorder_id AND k.quantity BETWEEN 1 AND b.quantity - 1;
	PERFORM retail.refresh_promise($1);
END $$;
COMMENT ON FUNCTION retail.trim_backorders(bigint, boolean) IS 'Internal: takes out of the queue what is no longer backordered of an order that the caller has locked: released, or cancelled; and sets its promise.';

CREATE FUNCTION retail.settle_shortage(order_id bigint, shortage text, as_of timestamptz, OUT promised_at timestamptz, OUT nothing_due boolean, OUT short jsonb)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	o retail.sales_order;
	l record;
	p record;
	found_units bigint;
BEGIN
	SELECT * INTO STRICT o FROM retail.sales_order x WHERE x.order_id = $1;
	IF shortage = 'partial' THEN
		SELECT jsonb_agg(jsonb_build_object('line_no', x.line_no, 'sku', k.code, 'qty', x.backordered, 'outcome', 'cancelled',
			'amount', retail.line_share(x.amount, x.quantity, 0, x.backordered)) ORDER BY x.line_no) INTO short
			FROM retail.order_line x JOIN retail.sku k USING (sku_id) WHERE x.order_id = $1 AND x.backordered > 0;
		PERFORM retail.cancel_units($1, array_agg(x.sku_id), array_agg(x.backordered), as_of, jsonb_build_object('reason', 'shortage', 'short', short))
			FROM retail.order_line x WHERE x.order_id = $1 AND x.backordered > 0;
		UPDATE retail.sales_order x SET payment_state = 'paid', payment_due_at = NULL WHERE x.order_id = $1 AND x.payment_state = 'unpaid' AND x.total = x.cancelled_amount;
	ELSE
		FOR l IN SELECT x.line_no, x.sku_id, x.backordered FROM retail.order_line x WHERE x.order_id = $1 AND x.backordered > 0 ORDER BY x.sku_id LOOP
			PERFORM pg_advisory_xact_lock(hashtext('pg_retail backorder'), hashint8(l.sku_id));		-- one at a time looks for supply of a SKU
		END LOOP;
		FOR l IN SELECT x.line_no, x.sku_id, x.backordered FROM retail.order_line x WHERE x.order_id = $1 AND x.backordered > 0 ORDER BY x.line_no LOOP
			found_units := 0;
			FOR p IN SELECT * FROM retail.plan_backorder(l.sku_id, l.backordered, o.fulfilment, o.region_id, o.latitude, o.longitude, o.pick_up_node_id, o.channel_id, false, as_of) LOOP
				INSERT INTO retail.backorder (order_id, line_no, sku_id, quantity, since, node_id, source_kind, source_no, expected_at, promised_at)
					VALUES ($1, l.line_no, l.sku_id, p.units, o.placed_at, p.node_id, p.source_kind, p.source_no, p.expected_at, p.promised_at);
				found_units := found_units + p.units;
			END LOOP;
			CONTINUE WHEN found_units = l.backordered;
			IF shortage <> 'backorder_undated' THEN
				PERFORM retail.report_no_supply(l.sku_id, l.backordered, found_units, o.channel_id);
			END IF;
			INSERT INTO retail.backorder (order_id, line_no, sku_id, quantity, since) VALUES ($1, l.line_no, l.sku_id, l.backordered - found_units, o.placed_at);
		END LOOP;
		SELECT jsonb_agg(jsonb_build_object('line_no', b.line_no, 'sku', k.code, 'qty', b.quantity, 'outcome', 'waits', 'expected_at', b.expected_at, 'promised_at', b.promised_at)
			ORDER BY b.line_no, b.expected_at, b.backorder_id) INTO short FROM retail.backorder b JOIN retail.sku k USING (sku_id) WHERE b.order_id = $1;
		promised_at := greatest(o.promised_at, (SELECT max(b.promised_at) FROM retail.backorder b WHERE b.order_id = $1));
		IF EXISTS (SELECT FROM retail.backorder b WHERE b.order_id = $1 AND b.promised_at IS NULL) THEN
			promised_at := NULL;
		END IF;
		UPDATE retail.sales_order x SET promised_at = settle_shortage.promised_at WHERE x.order_id = $1;
		PERFORM retail.add_order_event($1, 'backordered', as_of, jsonb_build_object('short', short, 'promised_at', promised_at));
	END IF;
	SELECT x.payment_state = 'paid', x.promised_at INTO nothing_due, promised_at FROM retail.sales_order x WHERE x.order_id = $1;
END $$;
COMMENT ON FUNCTION retail.settle_shortage(bigint, text, timestamptz) IS
'Internal: the backordered units of an order that was written just now are cancelled with their money (partial), or wait for supply (backorder, backorder_undated). Raises RT020 when there is no dated supply for them and shortage is backorder.';

CREATE FUNCTION retail.quote_shortage(shortage text, line_nos bigint[], sku_ids bigint[], quantities bigint[], cents bigint[], missing bigint[], fulfilment text, region_id bigint,
	latitude float8, longitude float8, counter_id bigint, channel_id bigint, as_of timestamptz, OUT promised_at timestamptz, OUT short jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	l record;
	p record;
	found_units bigint;
	undated boolean := false;
BEGIN
	short := '[]';
	FOR l IN SELECT u.*, k.code FROM unnest($2, $3, $4, $5, $6) u (line_no, sku_id, quantity, amount, missing) JOIN retail.sku k USING (sku_id) WHERE u.missing > 0 ORDER BY u.line_no LOOP
		IF shortage = 'partial' THEN
			short := short || jsonb_build_object('line_no', l.line_no, 'sku', l.code, 'qty', l.missing, 'outcome', 'cancelled', 'amount', retail.line_share(l.amount * 0.01, l.quantity, 0, l.missing));
			CONTINUE;
		END IF;
		found_units := 0;
		FOR p IN SELECT * FROM retail.plan_backorder(l.sku_id, l.missing, $7, $8, $9, $10, $11, $12, false, as_of) LOOP
			short := short || jsonb_build_object('line_no', l.line_no, 'sku', l.code, 'qty', p.units, 'outcome', 'waits', 'expected_at', p.expected_at, 'promised_at', p.promised_at);
			promised_at := greatest(promised_at, p.promised_at);
			found_units := found_units + p.units;
		END LOOP;
		CONTINUE WHEN found_units = l.missing;
		IF shortage <> 'backorder_undated' THEN
			PERFORM retail.report_no_supply(l.sku_id, l.missing, found_units, $12);
		END IF;
		short := short || jsonb_build_object('line_no', l.line_no, 'sku', l.code, 'qty', l.missing - found_units, 'outcome', 'waits', 'expected_at', NULL, 'promised_at', NULL);
		undated := true;
	END LOOP;
	IF undated THEN
		promised_at := NULL;
	END IF;
END $$;
COMMENT ON FUNCTION retail.quote_shortage(text, bigint[], bigint[], bigint[], bigint[], bigint[], text, bigint, float8, float8, bigint, bigint, timestamptz) IS
'Internal: what settle_shortage() would answer for an order that is quoted. Raises RT020.';

CREATE FUNCTION retail.redate_backorders(sku_ids bigint[], as_of timestamptz) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	orders bigint[];
	waiting jsonb;
	promises jsonb;
	l record;
	p record;
	found_units bigint;
	new_promise timestamptz;
	changed int := 0;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('pg_retail backorder'), hashint8(x.u)) FROM (SELECT DISTINCT u FROM unnest(sku_ids) u ORDER BY 1) x;
	PERFORM FROM retail.sales_order o WHERE o.order_id IN (SELECT b.order_id FROM retail.backorder b WHERE b.sku_id = ANY (sku_ids)) ORDER BY o.order_id FOR UPDATE;
	SELECT array_agg(DISTINCT b.order_id) INTO orders FROM retail.backorder b WHERE b.sku_id = ANY (sku_ids);
	IF orders IS NULL THEN
		RETURN 0;
	END IF;
	SELECT jsonb_object_agg(o.order_id, o.promised_at) INTO promises FROM retail.sales_order o WHERE o.order_id = ANY (orders);
	-- All pegs of these SKUs are made anew, in the order of the queue.
	WITH gone AS (
		DELETE FROM retail.backorder b WHERE b.sku_id = ANY (sku_ids) RETURNING b.*
	) SELECT jsonb_agg(to_jsonb(x) ORDER BY x.priority DESC, x.since, x.order_id, x.line_no) INTO waiting
	FROM (SELECT g.order_id, g.line_no, g.sku_id, g.priority, g.since, sum(g.quantity)::bigint AS quantity FROM gone g GROUP BY 1, 2, 3, 4, 5) x;
	FOR l IN SELECT w.*, o.fulfilment, o.region_id, o.latitude, o.longitude, o.pick_up_node_id, o.channel_id
		FROM ROWS FROM (jsonb_to_recordset(waiting) AS (order_id bigint, line_no int, sku_id bigint, priority int, since timestamptz, quantity bigint)) WITH ORDINALITY w (order_id, line_no, sku_id, priority, since, quantity, n)
		JOIN retail.sales_order o USING (order_id) ORDER BY w.n
	LOOP
		found_units := 0;
		FOR p IN SELECT * FROM retail.plan_backorder(l.sku_id, l.quantity, l.fulfilment, l.region_id, l.latitude, l.longitude, l.pick_up_node_id, l.channel_id, true, as_of) LOOP
			INSERT INTO retail.backorder (order_id, line_no, sku_id, quantity, priority, since, node_id, source_kind, source_no, expected_at, promised_at)
				VALUES (l.order_id, l.line_no, l.sku_id, p.units, l.priority, l.since, p.node_id, p.source_kind, p.source_no, p.expected_at, p.promised_at);
			found_units := found_units + p.units;
		END LOOP;
		INSERT INTO retail.backorder (order_id, line_no, sku_id, quantity, priority, since)
			SELECT l.order_id, l.line_no, l.sku_id, l.quantity - found_units, l.priority, l.since WHERE found_units < l.quantity;
	END LOOP;
	FOR l IN SELECT o.order_id, (promises ->> o.order_id::text)::timestamptz AS old_promise FROM unnest(orders) o (order_id) ORDER BY 1 LOOP
		new_promise := retail.refresh_promise(l.order_id);
		IF new_promise IS DISTINCT FROM l.old_promise THEN
			PERFORM retail.add_order_event(l.order_id, 'promise_changed', as_of, jsonb_build_object('old_promise', l.old_promise, 'new_promise', new_promise));
			changed := changed + 1;
		END IF;
	END LOOP;
	RETURN changed;
END $$;
COMMENT ON FUNCTION retail.redate_backorders(bigint[], timestamptz) IS
'Internal: pegs all that waits for some SKUs anew to what lies free and what is on its way, first come, first served within a priority; orders whose promise changed get an event promise_changed. Returns how many those are.';

CREATE FUNCTION retail.releasable_units(order_id bigint) RETURNS TABLE (line_no bigint, waits bigint, units bigint, in_bundle boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	waiting jsonb;		-- by line: units that no bundle has had yet
	free jsonb;
	given jsonb := '{}'::jsonb;
	b record;
	n bigint;
BEGIN
	SELECT jsonb_object_agg(l.line_no, l.waits), jsonb_object_agg(l.line_no, least(l.waits, coalesce((SELECT sum(s.on_hand - s.reserved) FROM retail.stock s
			WHERE s.sku_id = l.sku_id AND s.on_hand > s.reserved), 0))) INTO waiting, free
		FROM (SELECT x.line_no, x.sku_id, sum(x.quantity)::bigint AS waits FROM retail.backorder x WHERE x.order_id = $1 GROUP BY 1, 2) l;
	-- Whole bundles only; what is ordered beside them, or is left of a broken one, needs nothing else.
	FOR b IN SELECT x.bundle_sku_id, jsonb_object_agg(x.line_no, x.quantity / x.bundles) AS packs, min(x.bundles) AS bundles
			FROM retail.order_bundle x WHERE x.order_id = $1 GROUP BY 1 HAVING bool_and(waiting ? x.line_no::text) ORDER BY 1 LOOP
		SELECT least(b.bundles, min((waiting ->> p.key)::bigint / p.value::bigint))::bigint INTO n FROM jsonb_each_text(b.packs) p;
		SELECT waiting || jsonb_object_agg(p.key, (waiting ->> p.key)::bigint - n * p.value::bigint) INTO waiting FROM jsonb_each_text(b.packs) p;
		SELECT least(n, min((free ->> p.key)::bigint / p.value::bigint)) INTO n FROM jsonb_each_text(b.packs) p;
		SELECT free || jsonb_object_agg(p.key, (free ->> p.key)::bigint - n * p.value::bigint), given || jsonb_object_agg(p.key, coalesce((given ->> p.key)::bigint, 0) + n * p.value::bigint)
			INTO free, given FROM jsonb_each_text(b.packs) p;
	END LOOP;
	RETURN QUERY SELECT l.line_no::bigint, l.waits, coalesce((given ->> l.line_no::text)::bigint, 0) + least((waiting ->> l.line_no::text)::bigint, (free ->> l.line_no::text)::bigint),
			given ? l.line_no::text
		FROM (SELECT x.line_no, sum(x.quantity)::bigint AS waits FROM retail.backorder x WHERE x.order_id = $1 GROUP BY 1) l ORDER BY 1;
END $$;
COMMENT ON FUNCTION retail.releasable_units(bigint) IS 'Internal: of each line of an order that waits, how many units wait, and how many of them, in whole bundles, lie free anywhere.';

CREATE FUNCTION retail.release_backorder(order_id bigint, as_of timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	o retail.sales_order;
	attempt record;
	r record;
	new_promise timestamptz;
	released bigint := 0;
BEGIN
	SELECT * INTO STRICT o FROM retail.sales_order x WHERE x.order_id = $1;
	-- All that waits in one decision; else what lies free of it; else line by line.
	FOR attempt IN SELECT 1 AS n, array_agg(u.line_no) AS numbers, array_agg(u.waits) AS quantities FROM retail.releasable_units($1) u HAVING bool_and(u.units = u.waits)
		UNION ALL SELECT 2, array_agg(u.line_no), array_agg(u.units) FROM retail.releasable_units($1) u WHERE u.units > 0 HAVING count(*) > 1 OR min(u.units) < min(u.waits) OR NOT bool_and(u.units = u.waits)
		UNION ALL (SELECT 3, ARRAY[u.line_no], ARRAY[u.units] FROM retail.releasable_units($1) u WHERE u.units > 0 AND NOT u.in_bundle ORDER BY u.line_no)
		ORDER BY 1
	LOOP
		EXIT WHEN attempt.n = 2 AND released > 0;
		CONTINUE WHEN attempt.numbers IS NULL;
		SELECT * INTO r FROM retail.route_again($1, attempt.numbers, attempt.quantities, '{"cause": "backorder"}', as_of, pick_up_node => CASE o.fulfilment WHEN 'pick_up' THEN o.pick_up_node_id END);
		IF r.parcels IS NOT NULL THEN
			released := released + (SELECT sum(q) FROM unnest(attempt.quantities) q);
			EXIT WHEN attempt.n < 3;
		END IF;
	END LOOP;
	IF released > 0 THEN
		new_promise := (SELECT x.promised_at FROM retail.sales_order x WHERE x.order_id = $1);
		IF new_promise IS DISTINCT FROM o.promised_at THEN
			PERFORM retail.add_order_event($1, 'promise_changed', as_of, jsonb_build_object('old_promise', o.promised_at, 'new_promise', new_promise));
		END IF;
	END IF;
	RETURN released;
END $$;
COMMENT ON FUNCTION retail.release_backorder(bigint, timestamptz) IS 'Internal: gives an order that the caller has locked what lies free of what it waits for; returns how many units.';

CREATE FUNCTION retail.run_backorders(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
#variable_conflict use_variable
DECLARE
	stale bigint[];
	e record;
	units bigint;
	changed int := 0;
	orders int := 0;
	released bigint := 0;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	as_of := retail.effective_time(as_of);
	-- Pegs first, for they need orders, which come before stock: what came or is late, what did not come, what is free now.
	SELECT array_agg(DISTINCT b.sku_id) INTO stale FROM retail.backorder b LEFT JOIN retail.inbound_supply() i USING (source_kind, source_no, sku_id, node_id)
		WHERE b.promised_at < as_of OR i.expected_at <> b.expected_at OR (b.source_kind <> 'stock' AND i.sku_id IS NULL)
		   OR (b.source_kind IS NULL AND (SELECT sum(x.open_quantity) FROM retail.inbound_supply() x WHERE x.sku_id = b.sku_id)
				> (SELECT coalesce(sum(y.quantity) FILTER (WHERE y.source_kind <> 'stock'), 0) FROM retail.backorder y WHERE y.sku_id = b.sku_id));
	BEGIN
		IF stale IS NOT NULL THEN
			PERFORM retail.report_progress('backorders', 'date anew', 0, cardinality(stale));
			changed := retail.redate_backorders(stale, as_of);
		END IF;
	EXCEPTION WHEN lock_not_available THEN
		NULL;		-- an order is being worked on: the next run dates it anew
	END;
	FOR e IN SELECT b.order_id FROM retail.backorder b
		WHERE EXISTS (SELECT FROM retail.stock s WHERE s.sku_id = b.sku_id AND s.on_hand > s.reserved)
		GROUP BY 1 ORDER BY max(b.priority) DESC, min(b.since), 1 LIMIT 200
	LOOP
		PERFORM retail.report_progress('backorders', 'release', orders, 200);
		BEGIN
			PERFORM FROM retail.sales_order o WHERE o.order_id = e.order_id AND coalesce(o.payment_due_at > as_of, true) FOR UPDATE SKIP LOCKED;
			CONTINUE WHEN NOT FOUND OR NOT EXISTS (SELECT FROM retail.backorder b WHERE b.order_id = e.order_id);
			units := retail.release_backorder(e.order_id, as_of);
			released := released + units;
			orders := orders + (units > 0)::int;
		EXCEPTION WHEN lock_not_available THEN
			EXIT;		-- who takes stock again and again in one transaction may be waiting for us: give way before it is a deadlock
		END;
	END LOOP;
	RETURN format('%s units released to %s orders, %s promises changed', released, orders, changed);
END $$;
COMMENT ON FUNCTION retail.run_backorders(timestamptz) IS
'Worker task: pegs orders that wait to other supply when theirs did not come, or is late (event promise_changed), and gives them what lies free now, first come, first served within a priority, at most 200 orders a run. Nobody who came later gets units that an order waits for at that node. Safe to run twice at once. Raises RT014.';

CREATE FUNCTION retail.set_backorder_horizon(channel text, horizon interval) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_channel bigint := retail.channel_id(channel);
BEGIN
	PERFORM retail.check_argument(horizon BETWEEN '0' AND '366 days', 'horizon', horizon::text, 'Give 0 to 366 days.');
	UPDATE retail.channel c SET backorder_horizon = horizon WHERE c.channel_id = the_channel AND c.backorder_horizon <> horizon;
END $$;
COMMENT ON FUNCTION retail.set_backorder_horizon(text, interval) IS 'How far ahead inbound supply counts for orders of a channel that wait (30 days at first). Raises RT003, RT016.';

CREATE FUNCTION retail.set_backorder_priority(channel text, external_no text, priority int, as_of timestamptz DEFAULT now()) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	-- Its row is locked with the others, in their order.
	the_order bigint := coalesce((SELECT o.order_id FROM retail.sales_order o JOIN retail.channel c USING (channel_id) WHERE c.code = channel AND o.external_no = external_no),
		retail.lock_order(channel, external_no));
	skus bigint[];
BEGIN
	PERFORM retail.check_argument(priority BETWEEN 0 AND 100, 'priority', priority::text, 'Give 0 to 100, higher goes first.'), retail.check_time(as_of, 'as_of');
	SELECT array_agg(DISTINCT b.sku_id) INTO skus FROM retail.backorder b WHERE b.order_id = the_order;
	IF skus IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'nothing of the order waits', DETAIL = format('Order "%s" has no backordered units.', external_no), HINT = 'See retail.backorder for orders that wait.';
	END IF;
	UPDATE retail.backorder b SET priority = priority WHERE b.order_id = the_order;
	RETURN retail.redate_backorders(skus, as_of);
END $$;
COMMENT ON FUNCTION retail.set_backorder_priority(text, text, int, timestamptz) IS 'Moves an order that waits ahead of those of lower priority (0 to 100, 0 at first). Returns how many promises changed. Raises RT003, RT006, RT014, RT016, RT031.';

CREATE FUNCTION retail.check_backorder_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT 3, format('order %s line %s', b.order_id, b.line_no), format('%s units are backordered, %s wait', coalesce(l.backordered, 0), b.quantity)
	FROM (SELECT x.order_id, x.line_no, x.sku_id, sum(x.quantity) AS quantity FROM retail.backorder x GROUP BY 1, 2, 3) b
	LEFT JOIN retail.order_line l ON l.order_id = b.order_id AND l.line_no = b.line_no AND l.sku_id = b.sku_id WHERE b.quantity > coalesce(l.backordered, 0)
	UNION ALL
	SELECT 3, format('order %s', o.order_id), format('is promised for %s, its parts for %s', coalesce(o.promised_at::text, 'no time'), coalesce(x.latest::text, 'no time'))
	FROM retail.sales_order o
	CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM retail.order_line l WHERE l.order_id = o.order_id AND l.backordered > 0)) w (waits)
	CROSS JOIN LATERAL (SELECT w.waits AND (EXISTS (SELECT FROM retail.open_units(o.order_id)) OR EXISTS (SELECT FROM retail.backorder b WHERE b.order_id = o.order_id AND b.promised_at IS NULL)),
		greatest((SELECT max(s.promised_at) FROM retail.shipment s WHERE s.order_id = o.order_id AND s.status <> 'cancelled'),
			CASE WHEN w.waits THEN (SELECT max(b.promised_at) FROM retail.backorder b WHERE b.order_id = o.order_id) END)) x (unknown, latest)
	WHERE o.fulfilment <> 'counter' AND CASE WHEN x.unknown THEN o.promised_at IS NOT NULL ELSE coalesce(o.promised_at, '-infinity') < x.latest END
$$;
COMMENT ON FUNCTION retail.check_backorder_integrity() IS 'Invariant 3: units that wait for stock against the lines of their orders; orders that are promised earlier than their parts, or not at all though all of these are, or though some are not.';

GRANT EXECUTE ON FUNCTION retail.run_backorders(timestamptz), retail.set_backorder_horizon(text, interval), retail.set_backorder_priority(text, text, int, timestamptz) TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.check_backorder_integrity() TO retail_admin;
