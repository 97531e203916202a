-- 32_sales_returns.sql: sales at a till, goods that come back and what inspection
-- finds, the state of an order for the service desk, and the check of the room.
--
-- Locks: the order row first, then stock in (sku, node) order; post_stock() is
-- the last write of each verb.

CREATE FUNCTION retail.is_whole(value jsonb, lowest bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE pg_catalog.jsonb_typeof(value) WHEN 'number' THEN value::numeric BETWEEN lowest AND 1000000000 AND value::numeric = pg_catalog.trunc(value::numeric) ELSE false END
$$;
COMMENT ON FUNCTION retail.is_whole(jsonb, bigint) IS 'Internal: is it a JSON number without fraction, from lowest to 1000000000? Raises nothing.';

CREATE FUNCTION retail.is_money(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE coalesce(pg_catalog.jsonb_typeof(value), 'null') WHEN 'null' THEN true
		WHEN 'number' THEN value::numeric >= 0 AND value::numeric < 1000000000 AND pg_catalog.scale(pg_catalog.trim_scale(value::numeric)) <= 2 ELSE false END
$$;
COMMENT ON FUNCTION retail.is_money(jsonb) IS 'Internal: is it absent, or a JSON number from 0 to below one billion with at most two decimals? Raises nothing.';

CREATE FUNCTION retail.check_sale_lines(lines jsonb) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	bad record;
BEGIN
	PERFORM retail.check_argument(CASE jsonb_typeof(lines) WHEN 'array' THEN jsonb_array_length(lines) BETWEEN 1 AND 200 END, 'lines',
		CASE jsonb_typeof(lines) WHEN 'array' THEN format('an array of %s elements', jsonb_array_length(lines)) ELSE lines::text END,
		'Give a JSON array of 1 to 200 objects such as {"sku": "A1", "qty": 2, "price": 9.90, "discount": 0.50}.', 'RT011');
	SELECT * INTO bad FROM (
		SELECT l.n, l.e, CASE
				WHEN jsonb_typeof(l.e) <> 'object' OR jsonb_typeof(l.e -> 'sku') IS DISTINCT FROM 'string' OR l.e ? 'unit' THEN 'RT011'
				WHEN NOT retail.is_whole(l.e -> 'qty', 1) THEN 'RT010'
				WHEN NOT retail.is_money(l.e -> 'price') OR NOT retail.is_money(l.e -> 'discount') THEN 'RT012'
				WHEN k.sku_id IS NULL THEN 'RT001'
				WHEN coalesce(l.e ->> 'price', k.list_price::text) IS NULL THEN 'RT012' END AS code
		FROM jsonb_array_elements(lines) WITH ORDINALITY AS l (e, n) LEFT JOIN retail.sku k ON k.code = l.e ->> 'sku') x
		WHERE x.code IS NOT NULL ORDER BY x.n LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = bad.code, DETAIL = left(bad.e::text, 200),
			MESSAGE = format(CASE bad.code WHEN 'RT011' THEN 'line %s is malformed' WHEN 'RT010' THEN 'invalid quantity in line %s'
				WHEN 'RT012' THEN 'invalid or missing price or discount in line %s' ELSE 'unknown SKU in line %s' END, bad.n),
			HINT = CASE bad.code WHEN 'RT011' THEN 'A line is an object with "sku" (text), "qty" (base units) and, where it applies, "price" (of a base unit) and "discount" (of the line).'
				WHEN 'RT010' THEN 'Give a whole number from 1 to 1000000000.'
				WHEN 'RT012' THEN 'Give 0 or more, below one billion, with at most two decimals; a line without "price" needs a list price (retail.put_sku()).'
				ELSE 'Make it known with retail.put_sku(), or correct the code.' END;
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_sale_lines(jsonb) IS 'Internal: checks the form of the lines of a sale. An inactive SKU passes: what was sold was sold. Raises RT001, RT010, RT011, RT012.';

CREATE FUNCTION retail.divide_amount(amount numeric, weights numeric[]) RETURNS numeric[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT array_agg((x.cents + (x.rank <= x.missing)::int) * 0.01 ORDER BY x.n) FROM (
		SELECT s.n, s.cents, row_number() OVER (ORDER BY s.exact - s.cents DESC, s.n) AS rank, $1 * 100 - sum(s.cents) OVER () AS missing
		FROM (SELECT w.n, e.exact, floor(e.exact) AS cents FROM unnest($2) WITH ORDINALITY w (weight, n), LATERAL (SELECT $1 * 100 * w.weight / (SELECT sum(v) FROM unnest($2) v)) e (exact)) s) x
$$;
COMMENT ON FUNCTION retail.divide_amount(numeric, numeric[]) IS 'Internal: divides an amount by weights (not all of them 0), to the cent by largest remainder; the shares sum to the amount.';

CREATE FUNCTION retail.expand_sale_bundles(lines jsonb) RETURNS TABLE (bundle_sku_id bigint, sku_id bigint, n bigint, bundles bigint, quantity bigint, amount numeric)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT b.sku_id, c.sku_ids[i], b.n, b.bundles, b.bundles * c.quantities[i], (retail.divide_amount(b.amount, c.weights))[i]
	FROM (SELECT k.sku_id, min(l.n) AS n, sum((l.e ->> 'qty')::numeric)::bigint AS bundles,
			sum((l.e ->> 'qty')::numeric * coalesce((l.e ->> 'price')::numeric, k.list_price) - coalesce((l.e ->> 'discount')::numeric, 0)) AS amount
		  FROM jsonb_array_elements(lines) WITH ORDINALITY AS l (e, n) JOIN retail.sku k ON k.code = l.e ->> 'sku' WHERE k.is_bundle GROUP BY 1) b
	CROSS JOIN LATERAL (SELECT array_agg(p.sku_id ORDER BY p.sku_id) AS sku_ids, array_agg(p.quantity ORDER BY p.sku_id) AS quantities,
			-- by list prices, or by units where there are none
			array_agg(p.quantity * CASE WHEN p.worth > 0 THEN coalesce(p.list_price, 0) ELSE 1 END ORDER BY p.sku_id) AS weights
		FROM (SELECT x.sku_id, x.quantity, s.list_price, sum(x.quantity * s.list_price) OVER () AS worth
			  FROM retail.bundle_component x JOIN retail.sku s ON s.sku_id = x.sku_id WHERE x.bundle_sku_id = b.sku_id) p) c
	CROSS JOIN LATERAL generate_subscripts(c.sku_ids, 1) i
$$;
COMMENT ON FUNCTION retail.expand_sale_bundles(jsonb) IS 'Internal: the components of the bundles in the lines of a sale, with their units and their shares in what the bundles cost, as place_order() divides them; n is the first line that names the bundle.';

CREATE FUNCTION retail.parse_sale_lines(lines jsonb)
RETURNS TABLE (line_no int, sku_id bigint, quantity bigint, unit_price numeric, discount numeric, weight_g bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	bad record;
BEGIN
	PERFORM retail.check_sale_lines(lines);
	SELECT * INTO bad FROM (
		SELECT k.code, count(DISTINCT p.price) AS prices, min(p.price) AS lowest, max(p.price) AS highest, sum(p.qty) AS units, sum(p.qty * p.price) AS worth,
			sum(p.discount) AS discount, sum(sum(p.qty * p.price)) OVER () AS goods,
			sum(p.qty) * coalesce((SELECT max(c.quantity) FROM retail.bundle_component c WHERE c.bundle_sku_id = k.sku_id), 1) AS most
		FROM jsonb_array_elements(lines) AS l (e) JOIN retail.sku k ON k.code = l.e ->> 'sku',
		LATERAL (SELECT (l.e ->> 'qty')::numeric, coalesce((l.e ->> 'price')::numeric, k.list_price), coalesce((l.e ->> 'discount')::numeric, 0)) p (qty, price, discount)
		GROUP BY k.code, k.sku_id) x
		WHERE x.prices > 1 OR x.most > 1000000000 OR x.discount > x.worth OR x.goods >= 10000000000 ORDER BY x.code LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = CASE WHEN bad.prices > 1 THEN 'RT011' WHEN bad.most > 1000000000 THEN 'RT010' ELSE 'RT012' END,
			MESSAGE = CASE WHEN bad.prices > 1 THEN 'one SKU with two prices' WHEN bad.most > 1000000000 THEN 'too many units of one SKU'
						   WHEN bad.discount > bad.worth THEN 'discount exceeds the amount of its line' ELSE 'the sale is too large' END,
			DETAIL = format('SKU "%s": %s units at %s to %s, discount %s; all goods %s.', bad.code, bad.units, bad.lowest, bad.highest, bad.discount, bad.goods),
			HINT = 'Lines of one SKU are summed: give one price and the difference as a discount, at most 1000000000 units, and goods below ten billion a sale.';
	END IF;
	RETURN QUERY SELECT (row_number() OVER (ORDER BY x.n, x.sku_id))::int, x.sku_id, x.quantity, p.price, x.quantity * p.price - x.amount, k.weight_g
		FROM (SELECT s.sku_id, min(s.n) AS n, sum(s.quantity)::bigint AS quantity, sum(s.amount) AS amount, max(s.price) AS price
			  FROM (SELECT k.sku_id, min(l.n), sum((l.e ->> 'qty')::numeric), sum((l.e ->> 'qty')::numeric * coalesce((l.e ->> 'price')::numeric, k.list_price) - coalesce((l.e ->> 'discount')::numeric, 0)),
						min(coalesce((l.e ->> 'price')::numeric, k.list_price))
					FROM jsonb_array_elements(lines) WITH ORDINALITY AS l (e, n) JOIN retail.sku k ON k.code = l.e ->> 'sku' WHERE NOT k.is_bundle GROUP BY 1
					UNION ALL SELECT b.sku_id, b.n, b.quantity, b.amount, NULL FROM retail.expand_sale_bundles(lines) b) s (sku_id, n, quantity, amount, price) GROUP BY 1) x
		JOIN retail.sku k USING (sku_id)
		-- Alone it has its price, else the list price; but never less than is paid for a unit on average.
		CROSS JOIN LATERAL (SELECT greatest(coalesce(x.price, k.list_price, 0), ceil(x.amount * 100 / x.quantity) / 100)::numeric(14,2)) p (price) ORDER BY 1;
END $$;
COMMENT ON FUNCTION retail.parse_sale_lines(jsonb) IS 'Internal: checks, prices and sums the lines of a sale, bundles by their components, numbered by first mention. Raises RT001, RT010, RT011, RT012.';

CREATE FUNCTION retail.replay_sale(channel_id bigint, external_no text, request_hash bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	o retail.sales_order;
BEGIN
	SELECT * INTO o FROM retail.sales_order x WHERE x.channel_id = $1 AND x.external_no = $2;
	IF NOT FOUND THEN
		RETURN NULL;
	ELSIF o.request_hash <> $3 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT030', MESSAGE = 'order number reused',
			DETAIL = format('"%s" was recorded at %s with other content (%s).', external_no, o.recorded_at, o.fulfilment),
			HINT = 'Use a new number for a new sale; repeat the same content to get the first answer.';
	END IF;
	RETURN jsonb_build_object('order_id', o.order_id, 'total', o.total, 'replayed', true,
		'oversold', (SELECT jsonb_array_length(e.detail -> 'oversold') > 0 FROM retail.order_event e WHERE e.order_id = o.order_id AND e.kind = 'sold'));
END $$;
COMMENT ON FUNCTION retail.replay_sale(bigint, text, bytea) IS 'Internal: the first answer of a sale recorded before, or null. Raises RT030.';

CREATE FUNCTION retail.book_sale(order_id bigint, node text, payment_no text, method text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	o retail.sales_order;
	parcel bigint;
	short jsonb;
BEGIN
	SELECT * INTO STRICT o FROM retail.sales_order x WHERE x.order_id = $1;
	INSERT INTO retail.shipment AS s (order_id, node_id, kind, status, weight_g, planned_at, shipped_at, delivered_at)
		SELECT o.order_id, o.pick_up_node_id, 'counter', 'delivered', sum(l.quantity * k.weight_g), o.placed_at, o.placed_at, o.placed_at
		FROM retail.order_line l JOIN retail.sku k USING (sku_id) WHERE l.order_id = o.order_id RETURNING s.shipment_id INTO parcel;
	INSERT INTO retail.shipment_line (shipment_id, order_id, line_no, sku_id, quantity)
		SELECT parcel, l.order_id, l.line_no, l.sku_id, l.quantity FROM retail.order_line l WHERE l.order_id = o.order_id;
	IF o.total > 0 THEN
		PERFORM retail.record_money(o.order_id, 'payment', $4, $3, o.total, o.placed_at);
	END IF;
	-- What is short is told by rows that cannot change any more.
	PERFORM retail.lock_stock(array_agg(l.sku_id), array_agg(o.pick_up_node_id)) FROM retail.order_line l WHERE l.order_id = o.order_id;
	SELECT coalesce(jsonb_agg(k.code ORDER BY l.line_no), '[]') INTO short
		FROM retail.order_line l JOIN retail.sku k USING (sku_id) LEFT JOIN retail.stock s ON s.sku_id = l.sku_id AND s.node_id = o.pick_up_node_id
		WHERE l.order_id = o.order_id AND coalesce(s.on_hand, 0) - l.quantity < coalesce(s.reserved, 0);
	PERFORM retail.add_order_event(o.order_id, 'sold', o.placed_at, jsonb_build_object('node', $2, 'total', o.total, 'oversold', short));
	PERFORM retail.post_stock(array_agg(l.sku_id), array_agg(o.pick_up_node_id), array_agg('sellable'::text), array_agg(-l.quantity), 'sale', 'shipment', parcel, o.placed_at)
		FROM retail.order_line l WHERE l.order_id = o.order_id;
	RETURN short <> '[]';
END $$;
COMMENT ON FUNCTION retail.book_sale(bigint, text, text, text) IS 'Internal: hands over, pays and books a sale whose order and lines are written; true when less lies there afterwards than is promised. Raises RT030.';

CREATE FUNCTION retail.sale_channel(channel text, method text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	c retail.channel;
	who name := retail.caller();
BEGIN
	-- A sale that a till reports late is recorded even when its channel is
	-- closed by now.
	SELECT * INTO c FROM retail.channel x WHERE x.code = $1;
	IF NOT FOUND THEN
		RETURN retail.channel_id($1);
	END IF;
	IF (c.kind <> 'pos' OR $2 IS DISTINCT FROM 'till') AND NOT (pg_has_role(who, 'retail_admin', 'MEMBER') OR pg_has_role(who, 'retail_app', 'MEMBER')) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT040', MESSAGE = 'a store sells in a channel of kind pos, by method till',
			DETAIL = format('Channel "%s" is of kind %s, method is "%s".', $1, c.kind, $2), HINT = 'Numbers of other channels and payment systems are their own; sell in the store''s channel.';
	END IF;
	RETURN c.channel_id;
END $$;
COMMENT ON FUNCTION retail.sale_channel(text, text) IS 'Internal: key of the channel of a till sale, active or not. Raises RT003; RT040 when a store would use the numbers of another kind of channel or payment system.';

CREATE FUNCTION retail.record_sale(channel text, external_no text, node text, lines jsonb, sold_at timestamptz DEFAULT now(), member_id bigint DEFAULT NULL,
	payment_no text DEFAULT NULL, method text DEFAULT 'till') RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_channel bigint := retail.sale_channel(channel, method);
	n bigint := retail.node_id(node, 'known');
	the_payment text := coalesce(payment_no, channel || ':' || external_no);
	hash bytea := sha256(convert_to(jsonb_build_array('sale', channel, external_no, node, lines, member_id, the_payment, method)::text, 'UTF8'));
	answer jsonb;
	o retail.sales_order;
	l record;
BEGIN
	PERFORM retail.check_node_access(n), retail.check_text(external_no, 'external_no'), retail.check_time(sold_at, 'sold_at'),
		retail.check_text(the_payment, 'payment_no', 500), retail.check_text(method, 'method', 60);
	answer := retail.replay_sale(the_channel, external_no, hash);
	IF answer IS NOT NULL THEN
		RETURN answer;
	END IF;
	SELECT array_agg(p.line_no) AS numbers, array_agg(p.sku_id) AS skus, array_agg(p.quantity) AS quantities, array_agg(p.unit_price) AS prices, array_agg(p.discount) AS discounts,
		sum(p.quantity * p.unit_price) AS goods, sum(p.discount) AS discount INTO l FROM retail.parse_sale_lines(lines) p;
	INSERT INTO retail.sales_order AS x (channel_id, external_no, request_hash, member_id, fulfilment, pick_up_node_id, status, payment_state, goods_total, discount_total,
			total, paid, placed_at)
		VALUES (the_channel, external_no, hash, member_id, 'counter', n, 'delivered', 'paid', l.goods, l.discount, l.goods - l.discount, l.goods - l.discount, sold_at)
		ON CONFLICT ON CONSTRAINT sales_order_channel_id_external_no_key DO NOTHING RETURNING x.* INTO o;
	IF NOT FOUND THEN			-- somebody recorded it at the same moment
		RETURN retail.replay_sale(the_channel, external_no, hash);
	END IF;
	INSERT INTO retail.order_line (order_id, line_no, sku_id, quantity, unit_price, discount, amount, allocated, shipped)
		SELECT o.order_id, u.line_no, u.sku_id, u.quantity, u.price, u.discount, u.quantity * u.price - u.discount, u.quantity, u.quantity
		FROM unnest(l.numbers, l.skus, l.quantities, l.prices, l.discounts) u (line_no, sku_id, quantity, price, discount);
	INSERT INTO retail.order_bundle (order_id, bundle_sku_id, line_no, bundles, quantity, amount)
		SELECT o.order_id, b.bundle_sku_id, u.line_no, b.bundles, b.quantity, b.amount FROM retail.expand_sale_bundles(lines) b JOIN unnest(l.numbers, l.skus) u (line_no, sku_id) USING (sku_id);
	RETURN jsonb_build_object('order_id', o.order_id, 'total', o.total, 'oversold', retail.book_sale(o.order_id, node, the_payment, method), 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.record_sale(text, text, text, jsonb, timestamptz, bigint, text, text) IS
'Records what was sold and paid at a till: lines [{"sku", "qty", "price"? of a unit, default the list price, "discount"? of the line}], 1 to 200; lines of one SKU are summed; a bundle is sold by its components, which share its amount as in place_order(). Stock falls below zero or below what is promised if it must: recorded, never refused (oversold). payment_no defaults to channel:external_no. Idempotent by (channel, external_no). Returns {order_id, total, oversold, replayed}. Raises RT001, RT002, RT003, RT010, RT011, RT012, RT014, RT015, RT030, RT040.';

CREATE FUNCTION retail.replay_return(return_no text, request_hash bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	r retail.sales_return;
BEGIN
	SELECT * INTO r FROM retail.sales_return x WHERE x.return_no = $1;
	IF NOT FOUND THEN
		RETURN NULL;
	ELSIF r.request_hash <> $2 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT030', MESSAGE = 'return number reused', DETAIL = format('Return "%s" of %s had other content.', return_no, r.received_at),
			HINT = 'Use a new number for a new return; repeat the same content to get the first answer.';
	END IF;
	RETURN jsonb_build_object('return_id', r.return_id, 'amount', r.amount, 'replayed', true);
END $$;
COMMENT ON FUNCTION retail.replay_return(text, bytea) IS 'Internal: the first answer of a return booked before, or null. Raises RT030.';

CREATE FUNCTION retail.expand_returned_bundles(order_id bigint, lines jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	-- What is no bundle of the order, or malformed, stays as it is: parse_stock_lines() judges it.
	SELECT CASE WHEN jsonb_typeof(lines) <> 'array' THEN lines ELSE (
		SELECT coalesce(jsonb_agg(coalesce(c.line, l.e) ORDER BY l.n, c.line_no), lines) FROM jsonb_array_elements(lines) WITH ORDINALITY l (e, n)
		LEFT JOIN LATERAL (SELECT b.line_no, jsonb_build_object('sku', s.code, 'qty', (l.e ->> 'qty')::numeric * (b.quantity / b.bundles)) AS line
			FROM retail.sku k JOIN retail.order_bundle b ON b.order_id = $1 AND b.bundle_sku_id = k.sku_id
			JOIN retail.order_line o ON o.order_id = b.order_id AND o.line_no = b.line_no JOIN retail.sku s ON s.sku_id = o.sku_id
			WHERE k.code = l.e ->> 'sku' AND retail.is_whole(l.e -> 'qty', 1) AND l.e - '{sku,qty}'::text[] = '{}') c ON jsonb_typeof(l.e) = 'object') END
$$;
COMMENT ON FUNCTION retail.expand_returned_bundles(bigint, jsonb) IS 'Internal: lines of a return with the components, as they were sold, in place of the bundles of an order.';

CREATE FUNCTION retail.price_return(order_id bigint, lines jsonb) RETURNS TABLE (line_no int, sku_id bigint, quantity bigint, amount numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	bad record;
BEGIN
	lines := retail.expand_returned_bundles($1, lines);
	SELECT k.code, p.quantity, coalesce(l.shipped, 0) AS shipped, coalesce(l.returned, 0) AS returned INTO bad
		FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines) q GROUP BY 1) p
		JOIN retail.sku k USING (sku_id) LEFT JOIN retail.order_line l ON l.order_id = $1 AND l.sku_id = p.sku_id
		WHERE p.quantity > coalesce(l.shipped - l.returned, 0) ORDER BY k.code LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'more units come back than left',
			DETAIL = format('SKU "%s": %s to return, %s shipped, %s returned before.', bad.code, bad.quantity, bad.shipped, bad.returned),
			HINT = 'Return at most what was shipped and is not back yet; see retail.order_status().';
	END IF;
	RETURN QUERY SELECT l.line_no, l.sku_id, p.quantity, retail.line_share(l.amount, l.quantity, l.cancelled + l.returned, p.quantity)
		FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines) q GROUP BY 1) p
		JOIN retail.order_line l ON l.order_id = $1 AND l.sku_id = p.sku_id ORDER BY 1;
END $$;
COMMENT ON FUNCTION retail.price_return(bigint, jsonb) IS 'Internal: what the lines of a return are worth, to the cent; the order must be locked. Raises RT001, RT005, RT010, RT011, RT032.';

CREATE FUNCTION retail.return_order(return_no text, channel text, external_no text, node text, lines jsonb, reason text DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	n bigint := retail.node_id(node, 'known');
	hash bytea := sha256(convert_to(jsonb_build_array('return', channel, external_no, node, lines, reason)::text, 'UTF8'));
	the_order bigint;
	answer jsonb;
	r retail.sales_return;
	l record;
BEGIN
	PERFORM retail.check_node_access(n), retail.check_text(return_no, 'return_no'), retail.check_time(as_of, 'as_of');
	IF reason IS NOT NULL THEN
		PERFORM retail.check_text(reason, 'reason', 1000);
	END IF;
	the_order := retail.lock_order(channel, external_no);
	answer := retail.replay_return(return_no, hash);
	IF answer IS NOT NULL THEN
		RETURN answer;
	END IF;
	PERFORM retail.node_id(node, 'receive');
	SELECT array_agg(p.line_no) AS numbers, array_agg(p.sku_id) AS skus, array_agg(p.quantity) AS quantities, array_agg(p.amount) AS amounts, sum(p.amount) AS amount,
		array_agg(n) AS nodes, array_agg('quality_hold'::text) AS counters, sum(p.quantity) AS units INTO l FROM retail.price_return(the_order, lines) p;
	INSERT INTO retail.sales_return AS x (return_no, order_id, node_id, request_hash, reason, amount, received_at)
		VALUES (return_no, the_order, n, hash, reason, l.amount, as_of) ON CONFLICT ON CONSTRAINT sales_return_return_no_key DO NOTHING RETURNING x.* INTO r;
	IF NOT FOUND THEN			-- another order took the number at the same moment
		RETURN retail.replay_return(return_no, hash);
	END IF;
	INSERT INTO retail.return_line (return_id, line_no, sku_id, quantity, amount)
		SELECT r.return_id, u.* FROM unnest(l.numbers, l.skus, l.quantities, l.amounts) u;
	UPDATE retail.order_line x SET returned = x.returned + u.quantity, returned_amount = x.returned_amount + u.amount
		FROM unnest(l.numbers, l.quantities, l.amounts) u (line_no, quantity, amount) WHERE x.order_id = the_order AND x.line_no = u.line_no;
	UPDATE retail.sales_order x SET returned_amount = x.returned_amount + l.amount WHERE x.order_id = the_order;
	PERFORM retail.add_order_event(the_order, 'returned', as_of,
		jsonb_build_object('return_id', r.return_id, 'return_no', return_no, 'node', node, 'units', l.units, 'amount', l.amount));
	PERFORM retail.post_stock(l.skus, l.nodes, l.counters, l.quantities, 'return', 'return', r.return_id, as_of);
	RETURN jsonb_build_object('return_id', r.return_id, 'amount', r.amount, 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.return_order(text, text, text, text, jsonb, text, timestamptz) IS
'Books goods of an order back in, at any node that receives, on quality hold until inspect_return(): lines [{"sku", "qty"}]; a bundle of the order means its components. amount is what they cost, to the cent; pay it back with record_refund(). Idempotent by return_no. Returns {return_id, amount, replayed}. Raises RT001, RT002, RT003, RT005, RT006, RT010, RT011, RT014, RT015, RT022, RT030, RT032, RT040.';

CREATE FUNCTION retail.parse_inspection_lines(return_id bigint, lines jsonb) RETURNS TABLE (line_no int, sku_id bigint, sellable bigint, damaged bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	bad record;
	hint constant text := 'A line is an object such as {"sku": "A1", "sellable": 2, "damaged": 1}: whole numbers from 0, at least one unit in all.';
BEGIN
	PERFORM retail.check_argument(CASE jsonb_typeof(lines) WHEN 'array' THEN jsonb_array_length(lines) BETWEEN 1 AND 100000 END, 'lines', lines::text,
		'Give a JSON array of 1 to 100000 lines. ' || hint, 'RT011');
	SELECT * INTO bad FROM (
		SELECT l.n, l.e, CASE WHEN jsonb_typeof(l.e) <> 'object' OR jsonb_typeof(l.e -> 'sku') IS DISTINCT FROM 'string' THEN 'RT011'
				WHEN NOT retail.is_whole(coalesce(l.e -> 'sellable', '0'), 0) OR NOT retail.is_whole(coalesce(l.e -> 'damaged', '0'), 0)
				  OR (coalesce(l.e -> 'sellable', '0'), coalesce(l.e -> 'damaged', '0')) = ('0'::jsonb, '0'::jsonb) THEN 'RT010'
				WHEN NOT EXISTS (SELECT FROM retail.sku k WHERE k.code = l.e ->> 'sku') THEN 'RT001' END AS code
		FROM jsonb_array_elements(lines) WITH ORDINALITY AS l (e, n)) x WHERE x.code IS NOT NULL ORDER BY x.n LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = bad.code, DETAIL = left(bad.e::text, 200), HINT = hint,
			MESSAGE = format(CASE bad.code WHEN 'RT011' THEN 'line %s is malformed' WHEN 'RT010' THEN 'invalid quantity in line %s' ELSE 'unknown SKU in line %s' END, bad.n);
	END IF;
	FOR bad IN SELECT r.line_no, k.sku_id, k.code, p.sellable, p.damaged, coalesce(r.quantity, 0) AS quantity, coalesce(r.sellable + r.damaged, 0) AS inspected
		FROM (SELECT l.e ->> 'sku' AS code, sum(coalesce((l.e ->> 'sellable')::numeric, 0))::bigint AS sellable, sum(coalesce((l.e ->> 'damaged')::numeric, 0))::bigint AS damaged
			  FROM jsonb_array_elements(lines) AS l (e) GROUP BY 1) p
		JOIN retail.sku k USING (code) LEFT JOIN retail.return_line r ON r.return_id = $1 AND r.sku_id = k.sku_id ORDER BY k.sku_id
	LOOP
		IF bad.sellable + bad.damaged > bad.quantity - bad.inspected THEN
			RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'more units inspected than came back',
				DETAIL = format('SKU "%s": %s sellable and %s damaged, %s returned, %s inspected before.', bad.code, bad.sellable, bad.damaged, bad.quantity, bad.inspected),
				HINT = 'Inspect at most what came back and is still on quality hold.';
		END IF;
		line_no := bad.line_no; sku_id := bad.sku_id; sellable := bad.sellable; damaged := bad.damaged;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.parse_inspection_lines(bigint, jsonb) IS 'Internal: checks, resolves and sums what inspection found; the order must be locked. Raises RT001, RT010, RT011, RT032.';

CREATE FUNCTION retail.inspect_return(return_no text, lines jsonb, inspection_no text DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	r retail.sales_return;
	old jsonb;
	l record;
	left_over bigint;
	answer jsonb;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of'), retail.check_text(coalesce(inspection_no, '-'), 'inspection_no');
	SELECT * INTO r FROM retail.sales_return x WHERE x.return_no = return_no;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown return', DETAIL = format('No return has the number "%s".', return_no),
			HINT = 'Use the return_no given to retail.return_order().';
	END IF;
	PERFORM retail.check_node_access(r.node_id);
	PERFORM FROM retail.sales_order o WHERE o.order_id = r.order_id FOR UPDATE;
	SELECT e.detail INTO old FROM retail.order_event e WHERE e.order_id = r.order_id AND e.kind = 'inspected'
		AND (e.detail ->> 'return_id')::bigint = r.return_id AND e.detail ->> 'inspection_no' = inspection_no;
	IF FOUND THEN
		PERFORM retail.check_argument(old -> 'lines' = lines, 'inspection_no', inspection_no, 'This number came with other lines before; use a new number for a new inspection.', 'RT030');
		RETURN old -> 'answer' || '{"replayed": true}';
	END IF;
	SELECT array_agg(p.line_no) AS numbers, array_agg(p.sku_id) AS skus, array_agg(p.sellable) AS sellable, array_agg(p.damaged) AS damaged,
		sum(p.sellable) AS sum_sellable, sum(p.damaged) AS sum_damaged INTO l FROM retail.parse_inspection_lines(r.return_id, lines) p;
	UPDATE retail.return_line x SET sellable = x.sellable + u.sellable, damaged = x.damaged + u.damaged
		FROM unnest(l.numbers, l.sellable, l.damaged) u (line_no, sellable, damaged) WHERE x.return_id = r.return_id AND x.line_no = u.line_no;
	SELECT sum(x.quantity - x.sellable - x.damaged) INTO left_over FROM retail.return_line x WHERE x.return_id = r.return_id;
	IF left_over = 0 THEN
		UPDATE retail.sales_return x SET status = 'inspected', inspected_at = as_of WHERE x.return_id = r.return_id;
	END IF;
	answer := jsonb_build_object('return_id', r.return_id, 'sellable', l.sum_sellable, 'damaged', l.sum_damaged, 'left', left_over,
		'status', CASE left_over WHEN 0 THEN 'inspected' ELSE 'received' END);
	PERFORM retail.add_order_event(r.order_id, 'inspected', as_of,
		jsonb_build_object('return_id', r.return_id, 'return_no', return_no, 'inspection_no', inspection_no, 'lines', lines, 'answer', answer));
	PERFORM retail.post_stock(array_agg(u.sku_id), array_agg(r.node_id), array_agg(y.counter), array_agg(y.quantity), 'inspection', 'return', r.return_id, as_of)
		FROM unnest(l.skus, l.sellable, l.damaged) u (sku_id, sellable, damaged),
		LATERAL (VALUES ('quality_hold', -u.sellable - u.damaged), ('sellable', u.sellable), ('damaged', u.damaged)) y (counter, quantity) WHERE y.quantity <> 0;
	RETURN answer || '{"replayed": false}';
END $$;
COMMENT ON FUNCTION retail.inspect_return(text, jsonb, text, timestamptz) IS
'Takes returned goods off quality hold: lines [{"sku", "sellable"?, "damaged"?}], in as many parts as it takes. Idempotent by inspection_no within the return, if given. Returns {return_id, sellable, damaged, left (units still on hold), status, replayed}. Raises RT001, RT006, RT010, RT011, RT014, RT015, RT030, RT032, RT040.';

CREATE FUNCTION retail.describe_order(order_id bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT to_jsonb(o) - '{channel_id,request_hash,region_id,pick_up_node_id}'::text[] || jsonb_build_object(
		'channel', (SELECT c.code FROM retail.channel c WHERE c.channel_id = o.channel_id),
		'region', (SELECT r.code FROM retail.region r WHERE r.region_id = o.region_id),
		'pick_up_node', (SELECT n.code FROM retail.node n WHERE n.node_id = o.pick_up_node_id),
		'lines', (SELECT coalesce(jsonb_agg(to_jsonb(l) - '{order_id,sku_id}'::text[] || jsonb_build_object('sku', k.code, 'name', k.name) ORDER BY l.line_no), '[]')
			FROM retail.order_line l LEFT JOIN retail.sku k USING (sku_id) WHERE l.order_id = o.order_id),
		'parcels', (SELECT coalesce(jsonb_agg(to_jsonb(s) - '{order_id,node_id,to_node_id,carrier_service_id,freight_cost,handling_cost}'::text[] || jsonb_build_object('node', n.code,
				'to_node', (SELECT x.code FROM retail.node x WHERE x.node_id = s.to_node_id),
				'carrier_service', c.code, 'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object('line_no', p.line_no, 'sku', k.code, 'quantity', p.quantity) ORDER BY p.line_no), '[]')
					FROM retail.shipment_line p LEFT JOIN retail.sku k USING (sku_id) WHERE p.shipment_id = s.shipment_id)) ORDER BY s.shipment_id), '[]')
			FROM retail.shipment s LEFT JOIN retail.node n USING (node_id) LEFT JOIN retail.carrier_service c USING (carrier_service_id) WHERE s.order_id = o.order_id),
		'waits', (SELECT coalesce(jsonb_agg(jsonb_build_object('line_no', b.line_no, 'sku', k.code, 'quantity', b.quantity, 'expected_at', b.expected_at, 'promised_at', b.promised_at,
				'source_kind', b.source_kind, 'source_no', b.source_no) ORDER BY b.line_no, b.expected_at, b.backorder_id), '[]') FROM retail.backorder b JOIN retail.sku k USING (sku_id) WHERE b.order_id = o.order_id),
		'bundles', (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', k.code, 'bundles', b.bundles, 'line_no', b.line_no, 'quantity', b.quantity, 'amount', b.amount) ORDER BY k.code, b.line_no), '[]')
			FROM retail.order_bundle b JOIN retail.sku k ON k.sku_id = b.bundle_sku_id WHERE b.order_id = o.order_id),
		'payments', (SELECT coalesce(jsonb_agg(to_jsonb(p) - 'order_id' ORDER BY p.occurred_at, p.payment_id), '[]') FROM retail.payment p WHERE p.order_id = o.order_id),
		'returns', (SELECT coalesce(jsonb_agg(to_jsonb(r) - '{order_id,node_id,request_hash}'::text[] || jsonb_build_object('node', n.code,
				'lines', (SELECT coalesce(jsonb_agg(to_jsonb(x) - '{return_id,sku_id}'::text[] || jsonb_build_object('sku', k.code) ORDER BY x.line_no), '[]')
					FROM retail.return_line x LEFT JOIN retail.sku k USING (sku_id) WHERE x.return_id = r.return_id)) ORDER BY r.return_id), '[]')
			FROM retail.sales_return r JOIN retail.node n USING (node_id) WHERE r.order_id = o.order_id),
		'events', (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', e.kind, 'occurred_at', e.occurred_at, 'recorded_at', e.recorded_at, 'actor', e.actor, 'detail', e.detail)
				ORDER BY e.occurred_at, e.event_id), '[]') FROM retail.order_event e WHERE e.order_id = o.order_id))
	FROM retail.sales_order o WHERE o.order_id = $1
$$;
COMMENT ON FUNCTION retail.describe_order(bigint) IS 'Internal: an order with its lines, what waits, bundles, parcels, payments, returns and events as one JSON object, with codes for keys and without the chain''s costs; null when there is none.';

CREATE FUNCTION retail.order_status(channel text, external_no text) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	who name := retail.caller();
	-- An inactive channel still answers for its old orders.
	the_channel bigint := coalesce((SELECT c.channel_id FROM retail.channel c WHERE c.code = channel), retail.channel_id(channel));
	the_order bigint;
BEGIN
	SELECT o.order_id INTO the_order FROM retail.sales_order o WHERE o.channel_id = the_channel AND o.external_no = external_no;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown order', DETAIL = format('Channel "%s" has no order "%s".', channel, left(external_no, 200)),
			HINT = 'Use the channel''s own order number, as given to retail.place_order() or retail.record_sale().';
	END IF;
	IF NOT (pg_has_role(who, 'retail_admin', 'MEMBER') OR pg_has_role(who, 'retail_app', 'MEMBER') OR pg_has_role(who, 'retail_service', 'MEMBER'))
	   AND NOT EXISTS (SELECT FROM retail.shipment s JOIN retail.principal p ON p.node_id IN (s.node_id, s.to_node_id) WHERE s.order_id = the_order AND p.role_name = who) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT040', MESSAGE = 'not permitted to see this order', DETAIL = format('No parcel of order "%s" is of a node that role %s is bound to.', external_no, who),
			HINT = 'Ask the service desk, or an administrator for SELECT retail.bind_principal(role, node => code).';
	END IF;
	RETURN retail.describe_order(the_order);
END $$;
COMMENT ON FUNCTION retail.order_status(text, text) IS
'All that a service desk wants to know of an order, as one JSON object: its columns with lines, parcels (with lines), payments, returns (with lines) and events in the order of time. A store sees the orders of which it has a parcel. Raises RT003, RT006, RT040.';

CREATE FUNCTION retail.order_money_violations() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	WITH line AS (
		SELECT l.order_id, sum(l.quantity * l.unit_price) AS goods, sum(l.discount) AS discount, sum(l.amount) AS amount,
			sum(l.cancelled_amount) AS cancelled, sum(l.returned_amount) AS returned FROM retail.order_line l GROUP BY 1
	), money AS (
		SELECT p.order_id, sum(p.amount) FILTER (WHERE p.kind = 'payment') AS paid, sum(p.amount) FILTER (WHERE p.kind = 'refund') AS refunded FROM retail.payment p GROUP BY 1
	), back AS (
		SELECT r.order_id, sum(r.amount) AS amount FROM retail.sales_return r GROUP BY 1
	)
	SELECT 7, pg_catalog.format('order %s', o.order_id), pg_catalog.format('%s is %s, its rows say %s', x.what, x.counted, coalesce(x.summed, 0))
	FROM retail.sales_order o LEFT JOIN line l USING (order_id) LEFT JOIN money m USING (order_id) LEFT JOIN back b USING (order_id),
	LATERAL (VALUES ('goods_total', o.goods_total, l.goods), ('discount_total', o.discount_total, l.discount), ('total', o.total, l.amount + o.freight_total),
		('cancelled_amount', o.cancelled_amount, l.cancelled + o.freight_cancelled), ('returned_amount', o.returned_amount, l.returned),
		('returned_amount', o.returned_amount, b.amount), ('paid', o.paid, m.paid), ('refunded', o.refunded, m.refunded)) x (what, counted, summed)
	WHERE x.counted <> coalesce(x.summed, 0)
$$;
COMMENT ON FUNCTION retail.order_money_violations() IS 'Internal: invariant 7, orders against their lines, payments and returns, to the cent.';

CREATE FUNCTION retail.order_unit_violations() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	WITH piece AS (
		SELECT p.order_id, p.line_no, sum(p.quantity) FILTER (WHERE s.status <> 'cancelled') AS planned, sum(p.quantity) FILTER (WHERE s.status IN ('shipped', 'delivered') OR (s.status = 'ready' AND s.shipped_at IS NOT NULL)) AS gone
		FROM retail.shipment_line p JOIN retail.shipment s USING (shipment_id) GROUP BY 1, 2
	), promise AS (
		SELECT r.order_id, r.line_no, sum(r.open_quantity) AS open, sum(r.released_quantity) FILTER (WHERE r.state = 'expired') AS expired, sum(r.shipped_quantity) AS shipped
		FROM retail.reservation r WHERE r.order_id IS NOT NULL GROUP BY 1, 2
	), back AS (
		SELECT r.order_id, l.line_no, sum(l.quantity) AS units FROM retail.sales_return r JOIN retail.return_line l USING (return_id) GROUP BY 1, 2
	)
	SELECT 3, pg_catalog.format('order %s line %s', l.order_id, l.line_no), pg_catalog.format('%s is %s, %s say %s', x.what, x.counted, x.who, coalesce(x.summed, 0))
	FROM retail.order_line l JOIN retail.sales_order o USING (order_id) LEFT JOIN piece p USING (order_id, line_no)
	LEFT JOIN promise q USING (order_id, line_no) LEFT JOIN back b USING (order_id, line_no),
	LATERAL (VALUES ('allocated', l.allocated, 'parcels', p.planned), ('shipped', l.shipped, 'parcels that left', p.gone), ('returned', l.returned, 'returns', b.units),
		('allocated - shipped', l.allocated - l.shipped, 'reservations', coalesce(q.open, 0) + CASE WHEN o.payment_due_at IS NOT NULL
			-- swept, and perhaps cancelled in part since; paying reserves the rest again
			THEN least(coalesce(q.expired, 0), greatest(l.allocated - l.shipped - coalesce(q.open, 0), 0)) ELSE 0 END),
		('shipped', CASE WHEN o.fulfilment <> 'counter' THEN l.shipped ELSE 0 END, 'reservations', q.shipped)) x (what, counted, who, summed)
	WHERE x.counted <> coalesce(x.summed, 0)
$$;
COMMENT ON FUNCTION retail.order_unit_violations() IS 'Internal: invariant 3, order lines against parcels, reservations and returns.';

CREATE FUNCTION retail.return_violations() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT 7, pg_catalog.format('return %s', r.return_no), pg_catalog.format('amount is %s, its lines say %s', r.amount, coalesce(l.amount, 0))
	FROM retail.sales_return r LEFT JOIN (SELECT x.return_id, sum(x.amount) AS amount FROM retail.return_line x GROUP BY 1) l USING (return_id)
	WHERE r.amount <> coalesce(l.amount, 0)
	UNION ALL
	SELECT 3, pg_catalog.format('return %s', r.return_no), pg_catalog.format('status is %s, %s units wait for inspection', r.status, l.waiting)
	FROM retail.sales_return r JOIN (SELECT x.return_id, sum(x.quantity - x.sellable - x.damaged) AS waiting FROM retail.return_line x GROUP BY 1) l USING (return_id)
	WHERE (r.status = 'inspected') <> (l.waiting = 0)
	UNION ALL
	SELECT 3, pg_catalog.format('return %s of SKU %s', coalesce(w.return_id, m.ref_id), coalesce(w.sku_id, m.sku_id)),
		pg_catalog.format('%s units wait for inspection, the ledger of its node says %s', coalesce(w.waiting, 0), coalesce(m.quantity, 0))
	FROM (SELECT l.return_id, l.sku_id, r.node_id, l.quantity - l.sellable - l.damaged AS waiting FROM retail.return_line l JOIN retail.sales_return r USING (return_id)) w
	FULL JOIN (SELECT x.ref_id, x.sku_id, x.node_id, sum(x.quantity) AS quantity FROM retail.movement x
			   WHERE x.condition = 'quality_hold' AND x.ref_type = 'return' GROUP BY 1, 2, 3) m
		ON m.ref_id = w.return_id AND m.sku_id = w.sku_id AND m.node_id = w.node_id
	WHERE coalesce(w.waiting, 0) <> coalesce(m.quantity, 0)
	UNION ALL
	SELECT 3, pg_catalog.format('return %s line %s', r.return_no, x.line_no), 'its order has no such line of this SKU'
	FROM retail.return_line x JOIN retail.sales_return r USING (return_id) LEFT JOIN retail.order_line l ON l.order_id = r.order_id AND l.line_no = x.line_no AND l.sku_id = x.sku_id
	WHERE l.order_id IS NULL
$$;
COMMENT ON FUNCTION retail.return_violations() IS 'Internal: invariants 3 and 7 of returns: their amounts, what waits for inspection, and the ledger.';

CREATE FUNCTION retail.order_orphans() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT 3, pg_catalog.format('order %s', o.order_id), 'no such channel, region or node'
	FROM retail.sales_order o LEFT JOIN retail.channel c USING (channel_id) LEFT JOIN retail.region r USING (region_id) LEFT JOIN retail.node n ON n.node_id = o.pick_up_node_id
	WHERE c.channel_id IS NULL OR (o.region_id IS NOT NULL AND r.region_id IS NULL) OR (o.pick_up_node_id IS NOT NULL AND n.node_id IS NULL)
	UNION ALL
	SELECT 3, pg_catalog.format('order %s', o.order_id), 'has no lines'
	FROM retail.sales_order o WHERE NOT EXISTS (SELECT FROM retail.order_line l WHERE l.order_id = o.order_id)
	UNION ALL
	SELECT 3, pg_catalog.format('order %s line %s', l.order_id, l.line_no), pg_catalog.format('no SKU %s', l.sku_id)
	FROM retail.order_line l WHERE NOT EXISTS (SELECT FROM retail.sku k WHERE k.sku_id = l.sku_id)
	UNION ALL
	SELECT 3, pg_catalog.format('shipment %s', s.shipment_id), pg_catalog.format('no node %s', s.node_id)
	FROM retail.shipment s WHERE NOT EXISTS (SELECT FROM retail.node n WHERE n.node_id = s.node_id)
	UNION ALL
	SELECT 3, pg_catalog.format('shipment %s line %s', p.shipment_id, p.line_no), 'is of another order or SKU than its shipment and order line'
	FROM retail.shipment_line p LEFT JOIN retail.shipment s USING (shipment_id) LEFT JOIN retail.order_line l ON l.order_id = p.order_id AND l.line_no = p.line_no
	WHERE s.order_id IS DISTINCT FROM p.order_id OR l.sku_id IS DISTINCT FROM p.sku_id
	UNION ALL
	SELECT 3, pg_catalog.format('order %s', l.order_id), pg_catalog.format('SKU %s is in %s lines', l.sku_id, count(*))
	FROM retail.order_line l GROUP BY l.order_id, l.sku_id HAVING count(*) > 1
	UNION ALL
	SELECT 3, pg_catalog.format('%s of order %s', x.object, x.order_id), 'no such order'
	FROM (SELECT 'line', order_id FROM retail.order_line UNION SELECT 'shipment', order_id FROM retail.shipment
		  UNION SELECT 'event', order_id FROM retail.order_event UNION SELECT 'decision', order_id FROM retail.allocation_decision) x (object, order_id)
	WHERE NOT EXISTS (SELECT FROM retail.sales_order o WHERE o.order_id = x.order_id)
	UNION ALL
	SELECT 3, pg_catalog.format('reservation %s of SKU %s', r.reservation_id, r.sku_id), pg_catalog.format('order %s has no line %s of this SKU', r.order_id, r.line_no)
	FROM retail.reservation r LEFT JOIN retail.order_line l ON l.order_id = r.order_id AND l.line_no = r.line_no AND l.sku_id = r.sku_id
	WHERE r.order_id IS NOT NULL AND l.order_id IS NULL
$$;
COMMENT ON FUNCTION retail.order_orphans() IS 'Internal: rows of orders, shipments and reservations that name what does not exist; hot tables have no foreign keys.';

-- Compiling these plans takes longer than running them.
CREATE FUNCTION retail.check_sales_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET jit = off SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT * FROM retail.order_money_violations() UNION ALL SELECT * FROM retail.order_unit_violations()
	UNION ALL SELECT * FROM retail.return_violations() UNION ALL SELECT * FROM retail.order_orphans() UNION ALL SELECT * FROM retail.waiting_violations()
$$;
COMMENT ON FUNCTION retail.check_sales_integrity() IS 'Invariants 3 and 7: orders against lines, parcels, reservations, payments and returns, to the unit and to the cent, and orphans. Raises nothing.';

GRANT EXECUTE ON FUNCTION retail.record_sale(text, text, text, jsonb, timestamptz, bigint, text, text), retail.return_order(text, text, text, text, jsonb, text, timestamptz),
	retail.inspect_return(text, jsonb, text, timestamptz), retail.order_status(text, text) TO retail_admin, retail_app, retail_store;
GRANT EXECUTE ON FUNCTION retail.return_order(text, text, text, text, jsonb, text, timestamptz), retail.order_status(text, text) TO retail_service;
GRANT EXECUTE ON FUNCTION retail.check_sales_integrity(), retail.order_money_violations(), retail.order_unit_violations(), retail.return_violations(), retail.order_orphans()
	TO retail_admin, retail_app;
