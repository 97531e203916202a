-- statement.sql: the problem that an order is, read from the tables by plain SQL that shares nothing with the C of the
-- extension: what may be promised, which lanes reach the customer from where, when a parcel leaves and arrives, what it costs.
-- Creates schema oracle. oracle.statement() writes an instance as test/oracle/shapes.c reads it (see ReadCase there).

CREATE SCHEMA oracle;

CREATE FUNCTION oracle.classes(classes text[]) RETURNS int LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(sum(DISTINCT CASE c WHEN 'ambient' THEN 1 WHEN 'chilled' THEN 2 WHEN 'frozen' THEN 4 END), 0)::int FROM unnest(classes) c
$$;

-- A region and what lies above it; steps 0 is itself.
CREATE FUNCTION oracle.regions(the_region bigint) RETURNS TABLE (region_id bigint, steps int) LANGUAGE sql STABLE ROWS 4 AS $$
	WITH RECURSIVE up AS (
		SELECT r.region_id, r.parent_id, 0 AS steps FROM retail.region r WHERE r.region_id = the_region
		UNION ALL
		SELECT r.region_id, r.parent_id, up.steps + 1 FROM retail.region r JOIN up ON r.region_id = up.parent_id
	) SELECT region_id, steps FROM up
$$;

-- Where a region lies, or the next one above it of which that is known.
CREATE FUNCTION oracle.place(the_region bigint) RETURNS point LANGUAGE sql STABLE AS $$
	SELECT point(r.longitude, r.latitude) FROM oracle.regions(the_region) u JOIN retail.region r USING (region_id) WHERE r.latitude IS NOT NULL ORDER BY u.steps LIMIT 1
$$;

-- Kilometres on the globe, by the spherical law of cosines.
CREATE FUNCTION oracle.km(a point, b point) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
	SELECT 6371.0088 * radians(acosd(least(1, sind(a[1]) * sind(b[1]) + cosd(a[1]) * cosd(b[1]) * cosd(a[0] - b[0]))))
$$;

-- Where each node lies, and its region with those above it (no region: the node itself, steps -1); refresh it when nodes change.
CREATE MATERIALIZED VIEW oracle.origin AS
	SELECT n.node_id, coalesce(point(n.longitude, n.latitude), oracle.place(n.region_id)) AS there, u.region_id, u.steps
	FROM retail.node n CROSS JOIN LATERAL (SELECT NULL::bigint AS region_id, -1 AS steps UNION ALL SELECT * FROM oracle.regions(n.region_id)) u;
CREATE INDEX ON oracle.origin (node_id);
ANALYZE oracle.origin;

-- The opening hours of a calendar from a day on; no calendar: around the clock.
CREATE FUNCTION oracle.openings(the_calendar bigint, from_day date, zone text) RETURNS TABLE (day date, opens timestamptz, closes timestamptz, closing time)
LANGUAGE sql STABLE AS $$
	SELECT d.day, (d.day + h.opens) AT TIME ZONE zone, (d.day + h.closes) AT TIME ZONE zone, h.closes
	FROM (SELECT from_day + i AS day FROM generate_series(0, 45) i) d
	LEFT JOIN retail.calendar_day x ON x.calendar_id = the_calendar AND x.day = d.day
	LEFT JOIN retail.calendar_hours w ON w.calendar_id = the_calendar AND w.iso_dow = extract(isodow FROM d.day)
	CROSS JOIN LATERAL (SELECT CASE WHEN the_calendar IS NULL THEN '00:00' WHEN x.day IS NOT NULL THEN x.opens ELSE w.opens END AS opens,
		CASE WHEN the_calendar IS NULL THEN '24:00' WHEN x.day IS NOT NULL THEN x.closes ELSE w.closes END AS closes) h
	WHERE h.opens IS NOT NULL
$$;

-- When a parcel leaves: on the first open day that the order is in time for, collected at the cut-off or at closing, or when the
-- work on it is done, if that is later. Work goes on in opening hours only.
CREATE FUNCTION oracle.departure(the_calendar bigint, zone text, cut_off time, minutes int, as_of timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
	WITH opening AS MATERIALIZED (
		SELECT * FROM oracle.openings(the_calendar, (as_of AT TIME ZONE zone)::date, zone)
	), first_day AS (
		SELECT o.*, greatest(o.opens, as_of) AS begins FROM opening o
		WHERE o.day > (as_of AT TIME ZONE zone)::date OR ((as_of AT TIME ZONE zone)::time <= cut_off AND (as_of AT TIME ZONE zone)::time < o.closing)
		ORDER BY o.day LIMIT 1
	), working AS (
		SELECT greatest(o.opens, f.begins) AS opens, o.closes, sum(o.closes - greatest(o.opens, f.begins)) OVER (ORDER BY o.day) AS total
		FROM opening o, first_day f WHERE o.closes > f.begins
	)
	SELECT greatest((f.day + least(cut_off, f.closing)) AT TIME ZONE zone,
		(SELECT w.closes - (w.total - minutes * interval '1 minute') FROM working w WHERE w.total >= minutes * interval '1 minute' ORDER BY w.opens LIMIT 1))
	FROM first_day f
$$;

-- When an order can be collected: when the work on it is done, which goes on in opening hours only.
CREATE FUNCTION oracle.ready(the_calendar bigint, zone text, minutes int, begins timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
	SELECT w.closes - (w.total - minutes * interval '1 minute') FROM (
		SELECT greatest(o.opens, begins) AS opens, o.closes, sum(o.closes - greatest(o.opens, begins)) OVER (ORDER BY o.day) AS total
		FROM oracle.openings(the_calendar, (begins AT TIME ZONE zone)::date, zone) o WHERE o.closes > begins) w
	WHERE w.total >= minutes * interval '1 minute' ORDER BY w.opens LIMIT 1
$$;

-- What a channel may be promised of the SKUs.
CREATE FUNCTION oracle.promisable(the_channel bigint, skus bigint[], as_of timestamptz) RETURNS TABLE (sku_id bigint, node_id bigint, units bigint) LANGUAGE sql STABLE AS $$
	SELECT s.sku_id, s.node_id, greatest(s.on_hand - s.reserved + coalesce(due.units, 0) - coalesce(own.quantity, general.quantity, 0), 0)
	FROM retail.stock s
	LEFT JOIN retail.safety_stock own ON own.sku_id = s.sku_id AND own.node_id = s.node_id AND own.channel_id = the_channel
	LEFT JOIN retail.safety_stock general ON general.sku_id = s.sku_id AND general.node_id = s.node_id AND general.channel_id IS NULL
	LEFT JOIN LATERAL (SELECT sum(r.open_quantity)::bigint AS units FROM retail.reservation r
		WHERE r.sku_id = s.sku_id AND r.node_id = s.node_id AND r.state = 'held' AND r.expires_at <= as_of) due ON true
	WHERE s.sku_id = ANY (skus)
$$;

-- How each carrier reaches a place from each of some nodes: by the lane that says most about it.
CREATE FUNCTION oracle.routes(nodes bigint[], to_region bigint, here point, as_of timestamptz) RETURNS TABLE (node_id bigint, service_id bigint, card_id bigint, hours int, classes int)
LANGUAGE sql STABLE AS $$
	WITH destination AS MATERIALIZED (
		SELECT * FROM oracle.regions(to_region)
	), reached AS MATERIALIZED (
		SELECT l.*, d.steps AS to_steps, c.rate_card_id, oracle.classes(s.temperature_classes) AS classes FROM destination d JOIN retail.lane l ON l.to_region_id = d.region_id AND l.is_active
		JOIN retail.carrier_service s ON s.carrier_service_id = l.carrier_service_id AND s.is_active
		JOIN retail.rate_card c ON c.carrier_service_id = l.carrier_service_id AND c.zone = l.zone AND as_of >= c.valid_from AND as_of < c.valid_to
	)
	SELECT DISTINCT ON (n.node_id, l.carrier_service_id) n.node_id, l.carrier_service_id, l.rate_card_id, l.lead_hours, oracle.classes(n.temperature_classes) & l.classes
	FROM retail.node n
	JOIN oracle.origin o ON o.node_id = n.node_id
	CROSS JOIN LATERAL (SELECT oracle.km(o.there, here) AS km OFFSET 0) d
	JOIN reached l ON CASE WHEN o.region_id IS NULL THEN l.from_node_id = n.node_id ELSE l.from_region_id = o.region_id END
		AND CASE WHEN d.km IS NULL THEN l.from_km = 0 AND l.to_km = 'Infinity' ELSE d.km >= l.from_km AND d.km < l.to_km END
	WHERE n.node_id = ANY (nodes)
	ORDER BY n.node_id, l.carrier_service_id, o.steps, l.to_steps, l.to_km - l.from_km
$$;

-- How many parcels a node still packs on the local day of a time; null: as many as there are.
CREATE FUNCTION oracle.room(the_node bigint, leaves timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
	SELECT n.daily_capacity - (SELECT count(*) FROM retail.shipment x WHERE x.node_id = n.node_id AND x.status <> 'cancelled'
		AND (x.ship_by AT TIME ZONE n.time_zone)::date = (leaves AT TIME ZONE n.time_zone)::date)
	FROM retail.node n WHERE n.node_id = the_node
$$;

-- The nodes that could serve, each with what a parcel costs besides freight, when it leaves and how many it packs on that day: the
-- first one, or when that is full the next with room, at most 14 days later.
CREATE FUNCTION oracle.senders(nodes bigint[], as_of timestamptz) RETURNS TABLE (node_id bigint, leaves timestamptz, parcel_cents bigint, unit_cents bigint, capacity bigint)
LANGUAGE sql STABLE AS $$
	WITH leaving AS MATERIALIZED (
		SELECT g.*, oracle.departure(g.calendar_id, g.time_zone, g.cut_off, g.processing_minutes, as_of) AS leaves
		FROM (SELECT DISTINCT calendar_id, time_zone, cut_off, processing_minutes FROM retail.node WHERE node_id = ANY (nodes)) g
	)
	SELECT n.node_id, coalesce(later.leaves, l.leaves), (n.parcel_cost * 100)::bigint, (n.unit_cost * 100)::bigint, coalesce(later.room, CASE WHEN first_day.room < 0 THEN 0 ELSE first_day.room END, 2147483647)
	FROM retail.node n JOIN leaving l ON l.calendar_id IS NOT DISTINCT FROM n.calendar_id AND (l.time_zone, l.cut_off, l.processing_minutes) = (n.time_zone, n.cut_off, n.processing_minutes)
	CROSS JOIN LATERAL (SELECT oracle.room(n.node_id, l.leaves) AS room OFFSET 0) first_day
	LEFT JOIN LATERAL (
		SELECT d.leaves, r.room FROM oracle.openings(n.calendar_id, (l.leaves AT TIME ZONE n.time_zone)::date + 1, n.time_zone) o
		CROSS JOIN LATERAL (SELECT (o.day + least(n.cut_off, o.closing)) AT TIME ZONE n.time_zone AS leaves) d CROSS JOIN LATERAL (SELECT oracle.room(n.node_id, d.leaves) AS room OFFSET 0) r
		WHERE r.room > 0 AND d.leaves <= l.leaves + interval '14 days' ORDER BY d.leaves LIMIT 1) later ON first_day.room <= 0
	WHERE n.node_id = ANY (nodes) AND n.is_active AND n.can_ship AND (n.paused_until > as_of) IS NOT TRUE AND l.leaves IS NOT NULL
$$;

-- The same of the one store where an order is collected. When its day is full, work begins on a later one.
CREATE FUNCTION oracle.store(the_node bigint, as_of timestamptz) RETURNS TABLE (node_id bigint, leaves timestamptz, parcel_cents bigint, unit_cents bigint, capacity bigint)
LANGUAGE sql STABLE AS $$
	SELECT n.node_id, coalesce(later.ready, r.ready), (n.parcel_cost * 100)::bigint, (n.unit_cost * 100)::bigint, coalesce(later.room, greatest(first_day.room, 0), 2147483647)
	FROM retail.node n CROSS JOIN LATERAL (SELECT oracle.ready(n.calendar_id, n.time_zone, n.processing_minutes, as_of) AS ready OFFSET 0) r
	CROSS JOIN LATERAL (SELECT oracle.room(n.node_id, r.ready) AS room OFFSET 0) first_day
	LEFT JOIN LATERAL (
		SELECT d.ready, x.room FROM generate_series(1, 14) i
		CROSS JOIN LATERAL (SELECT oracle.ready(n.calendar_id, n.time_zone, n.processing_minutes, ((r.ready AT TIME ZONE n.time_zone)::date + i)::timestamp AT TIME ZONE n.time_zone) AS ready OFFSET 0) d
		CROSS JOIN LATERAL (SELECT oracle.room(n.node_id, d.ready) AS room OFFSET 0) x
		WHERE x.room > 0 AND d.ready <= r.ready + interval '14 days' ORDER BY d.ready LIMIT 1) later ON first_day.room <= 0
	WHERE n.node_id = the_node AND n.is_active AND n.can_pick_up AND (n.paused_until > as_of) IS NOT TRUE AND r.ready IS NOT NULL
$$;

-- The instance of an order, and the cost that is claimed for it in cents (the least bigint: refused). With a store it is collected there: one
-- service, free of charge.
CREATE FUNCTION oracle.statement(id bigint, claimed bigint, channel text, lines jsonb, destination jsonb, as_of timestamptz, store text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	the_channel bigint := (SELECT c.channel_id FROM retail.channel c WHERE c.code = channel);
	to_region bigint := (SELECT r.region_id FROM retail.region r WHERE r.code = destination ->> 'region');
	here point := coalesce(point((destination ->> 'lon')::float8, (destination ->> 'lat')::float8), oracle.place(to_region));
	the_store retail.node;
	policy retail.allocation_policy;
	answer text;
BEGIN
	SELECT * INTO STRICT policy FROM retail.allocation_policy p WHERE p.status = 'active' AND (p.channel_id = the_channel OR p.channel_id IS NULL) ORDER BY p.channel_id NULLS LAST LIMIT 1;
	SELECT * INTO the_store FROM retail.node n WHERE n.code = store;
	WITH demand AS MATERIALIZED (
		SELECT row_number() OVER (ORDER BY k.sku_id) AS n, k.sku_id, sum((l ->> 'qty')::bigint) AS units, k.weight_g, k.volume_cm3, oracle.classes(ARRAY[k.temperature_class]) AS class
		FROM jsonb_array_elements(lines) l JOIN retail.sku k ON k.code = l ->> 'sku' GROUP BY k.sku_id
	), stock AS MATERIALIZED (
		SELECT p.* FROM oracle.promisable(the_channel, (SELECT array_agg(d.sku_id) FROM demand d), as_of) p
			WHERE p.units > 0 AND (store IS NULL OR p.node_id = the_store.node_id)
	), route AS MATERIALIZED (
		SELECT r.*, dense_rank() OVER (ORDER BY r.card_id) - 1 AS tariff FROM oracle.routes((SELECT array_agg(DISTINCT s.node_id) FROM stock s), to_region, here, as_of) r
			WHERE store IS NULL
		UNION ALL SELECT the_store.node_id, NULL, NULL, 0, oracle.classes(the_store.temperature_classes), 0 WHERE store IS NOT NULL
	), sender AS MATERIALIZED (
		SELECT s.* FROM oracle.senders((SELECT array_agg(DISTINCT r.node_id) FROM route r), as_of) s WHERE store IS NULL
		UNION ALL SELECT s.* FROM oracle.store(the_store.node_id, as_of) s WHERE store IS NOT NULL
	)
	SELECT concat_ws(' ', id, claimed, (policy.split_penalty * 100)::bigint, coalesce(policy.max_parcels, 0), policy.allow_line_split::int,
			(SELECT count(*) FROM demand), (SELECT count(*) FROM sender), (SELECT count(DISTINCT tariff) FROM route),
		(SELECT string_agg(concat_ws(' ', d.units, d.weight_g, d.volume_cm3, d.class), ' ' ORDER BY d.n) FROM demand d),
		CASE WHEN store IS NOT NULL THEN '0 1 9223372036854775807 0 0 0 0' END,
		(SELECT string_agg(concat_ws(' ', c.volumetric_divisor, b.n, b.brackets), ' ' ORDER BY t.tariff) FROM (SELECT DISTINCT r.tariff, r.card_id, r.service_id FROM route r) t
			JOIN retail.carrier_service c ON c.carrier_service_id = t.service_id
			CROSS JOIN LATERAL (SELECT count(*) AS n, string_agg(concat_ws(' ', x.up_to_g, (x.base_price * 100)::bigint, x.over_g, x.step_g, (x.step_price * 100)::bigint), ' ' ORDER BY x.up_to_g) AS brackets
				FROM retail.rate_bracket x WHERE x.rate_card_id = t.card_id) b),
		(SELECT string_agg(concat_ws(' ', s.parcel_cents, s.unit_cents, s.capacity, r.n, r.services, c.cells), ' ' ORDER BY s.node_id) FROM sender s
			CROSS JOIN LATERAL (SELECT count(*) AS n, string_agg(concat_ws(' ', x.tariff, (greatest(ceil(extract(epoch FROM s.leaves + x.hours * interval '1 hour' - as_of
				- policy.target_hours * interval '1 hour') / 86400), 0) * policy.lateness_per_day * 100)::bigint, x.classes), ' ') AS services FROM route x WHERE x.node_id = s.node_id) r
			CROSS JOIN LATERAL (SELECT string_agg(concat_ws(' ', coalesce(x.units, 0), coalesce(round(100 * (p.scarcity * policy.scarcity_weight - p.markdown * policy.markdown_weight)), 0)::bigint), ' ' ORDER BY d.n) AS cells
				FROM demand d LEFT JOIN stock x ON x.sku_id = d.sku_id AND x.node_id = s.node_id LEFT JOIN retail.stock_price p ON p.sku_id = d.sku_id AND p.node_id = s.node_id) c))
	INTO answer;
	RETURN answer;
END $$;

-- What quote_order() says that an order costs, in cents; the least bigint when it cannot be served.
CREATE FUNCTION oracle.quote(channel text, lines jsonb, destination jsonb, as_of timestamptz, store text DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT (q.cost * 100)::bigint FROM retail.quote_order(channel, lines, destination, CASE WHEN store IS NULL THEN 'ship' ELSE 'pick_up' END, store, as_of => as_of) q);
-- RT022: the store may not keep goods of that temperature class.
EXCEPTION WHEN SQLSTATE 'RT020' OR SQLSTATE 'RT021' OR SQLSTATE 'RT022' THEN
	RETURN -9223372036854775808;
END $$;
