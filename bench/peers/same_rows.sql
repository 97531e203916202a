-- same_rows.sql: the floor of retail.place_order(): a transaction that is told the answer and only writes the same rows, in one
-- round trip, into tables of the same shape (columns, checks, indexes and foreign keys of ours, in a schema of its own).
--
-- The answers are orders that retail.place_order() has decided before: run it after some thousand of them. The trace is one
-- of usual length, so that it is compressed and written as ours is.

CREATE SCHEMA floor;

DO $$
DECLARE
	tables constant text[] := '{sales_order,order_line,shipment,shipment_line,reservation,allocation_decision,order_event,stock}';
	t text;
	c record;
BEGIN
	FOREACH t IN ARRAY tables LOOP
		EXECUTE format('CREATE TABLE floor.%I (LIKE retail.%I INCLUDING ALL)', t, t);
		FOR c IN SELECT x FROM pg_class k, unnest(k.reloptions) x WHERE k.oid = ('retail.' || t)::regclass LOOP
			EXECUTE format('ALTER TABLE floor.%I SET (%s)', t, c.x);
		END LOOP;
	END LOOP;
	FOR c IN SELECT k.conrelid::regclass::text AS source, pg_get_constraintdef(k.oid) AS definition FROM pg_constraint k
			 WHERE k.contype = 'f' AND k.conrelid::regclass::text = ANY (ARRAY(SELECT 'retail.' || x FROM unnest(tables[1:7]) x))
				AND k.confrelid::regclass::text = ANY (ARRAY(SELECT 'retail.' || x FROM unnest(tables[1:7]) x)) LOOP
		EXECUTE format('ALTER TABLE %s ADD %s', replace(c.source, 'retail.', 'floor.'), replace(c.definition, 'retail.', 'floor.'));
	END LOOP;
END $$;

INSERT INTO floor.stock SELECT * FROM retail.stock;

CREATE TABLE floor.answer AS
	SELECT row_number() OVER ()::int AS answer_id, x.* FROM (
		SELECT o.order_id, o.channel_id, o.region_id, o.latitude, o.longitude, o.goods_total, o.freight_total, o.total, o.promised_at,
			l.skus, l.quantities, l.prices, s.*, p.piece_skus, p.piece_nodes, p.piece_lines, p.piece_quantities
		FROM retail.sales_order o
		CROSS JOIN LATERAL (SELECT array_agg(y.sku_id ORDER BY y.line_no) AS skus, array_agg(y.quantity ORDER BY y.line_no) AS quantities, array_agg(y.unit_price ORDER BY y.line_no) AS prices
			FROM retail.order_line y WHERE y.order_id = o.order_id) l
		CROSS JOIN LATERAL (SELECT array_agg(y.node_id) AS nodes, array_agg(y.carrier_service_id) AS services, array_agg(y.zone) AS zones, array_agg(y.distance_km) AS distances,
			array_agg(y.weight_g) AS weights, array_agg(y.freight_cost) AS freights, array_agg(y.handling_cost) AS handlings, array_agg(y.promised_at) AS promises
			FROM retail.shipment y WHERE y.order_id = o.order_id) s
		CROSS JOIN LATERAL (SELECT array_agg(y.sku_id ORDER BY y.sku_id, z.node_id) AS piece_skus, array_agg(z.node_id ORDER BY y.sku_id, z.node_id) AS piece_nodes,
			array_agg(y.line_no ORDER BY y.sku_id, z.node_id) AS piece_lines, array_agg(y.quantity ORDER BY y.sku_id, z.node_id) AS piece_quantities
			FROM retail.shipment_line y JOIN retail.shipment z USING (shipment_id) WHERE y.order_id = o.order_id) p
		WHERE o.external_no LIKE 'B%' AND cardinality(l.skus) = 3 AND cardinality(s.nodes) = (SELECT count(DISTINCT n) FROM unnest(s.nodes) n)
		ORDER BY o.order_id LIMIT 2000) x;
ALTER TABLE floor.answer ADD PRIMARY KEY (answer_id);

DO $$
BEGIN
	EXECUTE format($function$
CREATE FUNCTION floor.write_order(the_number text, the_answer int) RETURNS bigint LANGUAGE plpgsql AS $body$
DECLARE
	a floor.answer;
	the_order bigint;
BEGIN
	SELECT * INTO a FROM floor.answer x WHERE x.answer_id = the_answer;
	INSERT INTO floor.sales_order AS o (channel_id, external_no, request_hash, fulfilment, region_id, latitude, longitude, payment_state, payment_due_at, goods_total, freight_total, total, promised_at, placed_at)
		VALUES (a.channel_id, the_number, '\x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'ship', a.region_id, a.latitude, a.longitude, 'unpaid', now() + interval '30 minutes',
			a.goods_total, a.freight_total, a.total, a.promised_at, now()) ON CONFLICT (channel_id, external_no) DO NOTHING RETURNING o.order_id INTO the_order;
	INSERT INTO floor.order_line (order_id, line_no, sku_id, quantity, unit_price, amount, allocated)
		SELECT the_order, u.n, u.sku_id, u.quantity, u.price, u.quantity * u.price, u.quantity FROM unnest(a.skus, a.quantities, a.prices) WITH ORDINALITY AS u (sku_id, quantity, price, n);
	WITH parcel AS (
		INSERT INTO floor.shipment (order_id, node_id, kind, carrier_service_id, zone, distance_km, weight_g, freight_cost, handling_cost, ship_by, promised_at, planned_at)
		SELECT the_order, u.node_id, 'ship', u.service, u.zone, u.km, u.weight, u.freight, u.handling, now(), u.promised_at, now()
			FROM unnest(a.nodes, a.services, a.zones, a.distances, a.weights, a.freights, a.handlings, a.promises) AS u (node_id, service, zone, km, weight, freight, handling, promised_at)
		RETURNING shipment_id, node_id
	), piece AS MATERIALIZED (
		SELECT p.shipment_id, u.* FROM unnest(a.piece_skus, a.piece_nodes, a.piece_lines, a.piece_quantities) AS u (sku_id, node_id, line_no, quantity) JOIN parcel p USING (node_id)
	), reserved AS (
		INSERT INTO floor.reservation (sku_id, node_id, quantity, open_quantity, state, expires_at, order_id, line_no, shipment_id, created_at, changed_at)
		SELECT p.sku_id, p.node_id, p.quantity, p.quantity, 'held', now() + interval '30 minutes', the_order, p.line_no, p.shipment_id, now(), now() FROM piece p
	)
	INSERT INTO floor.shipment_line (shipment_id, order_id, line_no, sku_id, quantity) SELECT p.shipment_id, the_order, p.line_no, p.sku_id, p.quantity FROM piece p;
	WITH decision AS (
		INSERT INTO floor.allocation_decision (order_id, decided_at, policy_id, cost, lower_bound, is_exact, n_parcels, trace) VALUES (the_order, now(), 1, 12.34, 12.34, true, cardinality(a.nodes), %L))
	INSERT INTO floor.order_event (order_id, kind, occurred_at, actor, detail) VALUES (the_order, 'placed', now(), 'postgres', '{"parcels": 1}');
	FOR i IN 1 .. cardinality(a.piece_skus) LOOP
		UPDATE floor.stock s SET reserved = s.reserved + a.piece_quantities[i], updated_at = now()
			WHERE s.sku_id = a.piece_skus[i] AND s.node_id = a.piece_nodes[i] AND s.on_hand - s.reserved >= a.piece_quantities[i];
	END LOOP;
	RETURN the_order;
END $body$ $function$, (SELECT d.trace FROM retail.allocation_decision d ORDER BY abs(length(d.trace::text) - (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY length(x.trace::text)) FROM retail.allocation_decision x)), d.order_id LIMIT 1));
END $$;

-- The same of many orders: one statement writes all their rows, stock last, row by row in the order of its key.
DO $$
BEGIN
	EXECUTE format($function$
CREATE FUNCTION floor.write_batch(the_batch text, the_first int, n int) RETURNS int LANGUAGE plpgsql AS $body$
DECLARE
	posting record;
	written int := 0;
BEGIN
	FOR posting IN WITH a AS MATERIALIZED (
		SELECT x.*, the_batch || '-' || x.answer_id AS number FROM floor.answer x WHERE x.answer_id BETWEEN the_first AND the_first + n - 1
	), o AS (
		INSERT INTO floor.sales_order AS o (channel_id, external_no, request_hash, fulfilment, region_id, latitude, longitude, payment_state, payment_due_at, goods_total, freight_total, total, promised_at, placed_at)
		SELECT a.channel_id, a.number, '\x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'ship', a.region_id, a.latitude, a.longitude, 'unpaid', now() + interval '30 minutes',
			a.goods_total, a.freight_total, a.total, a.promised_at, now() FROM a ON CONFLICT (channel_id, external_no) DO NOTHING RETURNING o.order_id, o.external_no
	), x AS MATERIALIZED (
		SELECT a.*, o.order_id AS the_order FROM a JOIN o ON o.external_no = a.number
	), line AS (
		INSERT INTO floor.order_line (order_id, line_no, sku_id, quantity, unit_price, amount, allocated)
		SELECT x.the_order, u.n, u.sku_id, u.quantity, u.price, u.quantity * u.price, u.quantity FROM x, unnest(x.skus, x.quantities, x.prices) WITH ORDINALITY AS u (sku_id, quantity, price, n)
	), parcel AS (
		INSERT INTO floor.shipment (order_id, node_id, kind, carrier_service_id, zone, distance_km, weight_g, freight_cost, handling_cost, ship_by, promised_at, planned_at)
		SELECT x.the_order, u.node_id, 'ship', u.service, u.zone, u.km, u.weight, u.freight, u.handling, now(), u.promised_at, now()
			FROM x, unnest(x.nodes, x.services, x.zones, x.distances, x.weights, x.freights, x.handlings, x.promises) AS u (node_id, service, zone, km, weight, freight, handling, promised_at)
		RETURNING shipment_id, order_id, node_id
	), piece AS MATERIALIZED (
		SELECT p.shipment_id, x.the_order, u.* FROM x, unnest(x.piece_skus, x.piece_nodes, x.piece_lines, x.piece_quantities) AS u (sku_id, node_id, line_no, quantity), parcel p
			WHERE p.order_id = x.the_order AND p.node_id = u.node_id
	), reserved AS (
		INSERT INTO floor.reservation (sku_id, node_id, quantity, open_quantity, state, expires_at, order_id, line_no, shipment_id, created_at, changed_at)
		SELECT p.sku_id, p.node_id, p.quantity, p.quantity, 'held', now() + interval '30 minutes', p.the_order, p.line_no, p.shipment_id, now(), now() FROM piece p
	), content AS (
		INSERT INTO floor.shipment_line (shipment_id, order_id, line_no, sku_id, quantity) SELECT p.shipment_id, p.the_order, p.line_no, p.sku_id, p.quantity FROM piece p
	), decision AS (
		INSERT INTO floor.allocation_decision (order_id, decided_at, policy_id, cost, lower_bound, is_exact, n_parcels, trace) SELECT x.the_order, now(), 1, 12.34, 12.34, true, cardinality(x.nodes), %L FROM x
	), event AS (
		INSERT INTO floor.order_event (order_id, kind, occurred_at, actor, detail) SELECT x.the_order, 'placed', now(), 'postgres', '{"parcels": 1}' FROM x
	)
	SELECT piece.sku_id, piece.node_id, sum(piece.quantity) AS quantity FROM piece GROUP BY 1, 2 ORDER BY 1, 2 LOOP
		UPDATE floor.stock s SET reserved = s.reserved + posting.quantity, updated_at = now() WHERE s.sku_id = posting.sku_id AND s.node_id = posting.node_id;
		written := written + 1;
	END LOOP;
	RETURN written;
END $body$ $function$, (SELECT d.trace FROM retail.allocation_decision d ORDER BY abs(length(d.trace::text) - (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY length(x.trace::text)) FROM retail.allocation_decision x)), d.order_id LIMIT 1));
END $$;

VACUUM (ANALYZE) floor.stock, floor.answer;
