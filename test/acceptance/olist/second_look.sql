-- second_look.sql: the same orders in strict time order by one session, with retail.run_reoptimise() every three hours, or never.
-- Run in copies of the database, before the replay that the report is about.
--
-- Orders are placed, paid, cancelled and sent as of the times in the data. Parcels are not released before they leave: an order
-- may be planned again until its first parcel is due at the carrier, at most for three days.
CREATE TABLE olist.look (at timestamptz, said text);

CREATE PROCEDURE olist.replay_in_time(look boolean) LANGUAGE plpgsql AS $$
DECLARE
	e record;
	placed olist.event;
BEGIN
	UPDATE retail.allocation_policy SET reoptimise_minutes = CASE WHEN look THEN 72 * 60 ELSE 0 END WHERE status = 'active';
	FOR e IN SELECT q.as_of AS at, 1 AS kind, q.order_id, NULL AS event, q.lines, q.destination, q.freight FROM olist.request q
		UNION ALL SELECT v.at AT TIME ZONE 'America/Sao_Paulo', v.kind, d.order_id, v.event, NULL, NULL, NULL
			FROM olist.request q JOIN olist."order" d USING (order_id), LATERAL (SELECT d.status = 'canceled') c (cancelled),
			LATERAL (VALUES (CASE WHEN c.cancelled THEN d.approved ELSE least(d.approved, d.left_seller) END, 2, 'pay'),
				(CASE WHEN c.cancelled THEN coalesce(d.approved, d.purchased) + interval '1 hour' END, 3, 'cancel'),
				(CASE WHEN NOT c.cancelled THEN d.left_seller END, 4, 'ship')) v (at, kind, event) WHERE v.at IS NOT NULL
		-- only while an order may wait
		UNION ALL SELECT DISTINCT date_trunc('hour', q.as_of) + h * interval '1 hour', 5, NULL, NULL, NULL::jsonb, NULL::jsonb, NULL::numeric
			FROM olist.request q, generate_series(1, 72) h WHERE look AND (extract(hour FROM q.as_of AT TIME ZONE 'UTC') + h)::int % 3 = 0
		ORDER BY 1, 2, 3
	LOOP
		BEGIN
			IF e.kind = 5 THEN
				INSERT INTO olist.look SELECT e.at, r FROM retail.run_reoptimise(e.at) r WHERE r NOT LIKE '0 orders%' AND r NOT LIKE '%, 0 planned again%';
			ELSIF e.kind = 1 THEN
				INSERT INTO olist.placed SELECT e.order_id, o.order_id, 1 FROM retail.place_order('olist', e.order_id, e.lines, e.destination, freight => e.freight, as_of => e.at) o;
			ELSE
				SELECT p.order_id, p.retail_order_id, 1, 0, e.at, e.event, o.total INTO placed
					FROM olist.placed p JOIN retail.sales_order o ON o.order_id = p.retail_order_id WHERE p.order_id = e.order_id;
				IF FOUND AND e.event = 'ship' THEN	-- what was planned again leaves, not what it replaced
					PERFORM retail.ship_order(s.shipment_id, 'BR' || s.shipment_id, as_of => e.at) FROM retail.shipment s
						WHERE s.order_id = placed.retail_order_id AND s.status = 'planned';
				ELSIF FOUND THEN
					CALL olist.follow_order(placed);
				END IF;
			END IF;
		EXCEPTION WHEN SQLSTATE 'RT001' OR SQLSTATE 'RT004' OR SQLSTATE 'RT011' OR SQLSTATE 'RT014' THEN
			NULL;	-- what the data has wrong; the replay notes it
		END;
		COMMIT;
	END LOOP;
END $$;

-- How many parcels each order would be planned in if all the opening stock were there for it alone: no second look gets below.
CREATE VIEW olist.alone AS
	WITH good AS MATERIALIZED (
		SELECT q.* FROM olist.request q JOIN retail.region z ON z.code = q.destination ->> 'region'
		WHERE q.lines <> '[]' AND NOT EXISTS (SELECT FROM jsonb_array_elements(q.lines) l WHERE NOT EXISTS (SELECT FROM retail.sku k WHERE k.code = l ->> 'sku'))
	) SELECT count(*) AS orders, sum(jsonb_array_length(a.parcels)) AS parcels
	FROM good g, LATERAL retail.quote_order('olist', g.lines, g.destination, as_of => g.as_of) a;

-- Parcels as planned at last; those of orders that were cancelled later as they were then.
CREATE VIEW olist.outcome AS
	SELECT count(DISTINCT s.order_id) AS orders, count(*) AS parcels, sum(s.freight_cost) AS freight,
		(SELECT count(*) FROM retail.order_event e WHERE e.kind = 'replanned') AS replanned, (SELECT count(*) FROM retail.check_integrity()) AS violations
	FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE s.status <> 'cancelled' AND o.status <> 'cancelled';
