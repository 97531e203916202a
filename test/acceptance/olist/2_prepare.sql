-- 2_prepare.sql: which orders teach the rate card and which are placed, and
-- the requests for the latter.
ANALYZE olist.customer, olist.item, olist."order", olist.product, olist.seller, olist.zip;

-- What a seller sent of an order: freight is known for it, so it is the unit
-- from which the rate card learns.
CREATE UNLOGGED TABLE olist.sent AS
SELECT i.order_id, i.seller_id, s.state AS from_state, c.state AS to_state, sum(i.freight_value) AS freight, sum(p.weight_g) AS weight_g, count(*) AS units,
	retail.distance_km(zs.latitude, zs.longitude, zc.latitude, zc.longitude) AS km
FROM olist.item i JOIN olist."order" o USING (order_id) JOIN olist.customer c USING (customer_id) JOIN olist.product p USING (product_id)
	JOIN olist.seller s USING (seller_id) LEFT JOIN olist.zip zs ON zs.zip = s.zip LEFT JOIN olist.zip zc ON zc.zip = c.zip
GROUP BY i.order_id, i.seller_id, s.state, c.state, zs.latitude, zs.longitude, zc.latitude, zc.longitude;

-- A hash of its number puts an order into one half or the other. Only an order
-- whose freight, weight and ends are all known can teach; the others (without
-- items, with an unknown postcode ...) are all handed to the API, which is to
-- refuse what is bad.
CREATE UNLOGGED TABLE olist.half AS
SELECT o.order_id, get_byte(decode(md5('pg_retail ' || o.order_id), 'hex'), 0) % 2 = 0
	AND EXISTS (SELECT FROM olist.sent s WHERE s.order_id = o.order_id)
	AND NOT EXISTS (SELECT FROM olist.sent s WHERE s.order_id = o.order_id AND (s.km IS NULL OR s.weight_g IS NULL)) AS teaches
FROM olist."order" o;
ALTER TABLE olist.half ADD PRIMARY KEY (order_id);

-- The requests as a shop would send them. session halves them for two sessions.
CREATE UNLOGGED TABLE olist.request AS
SELECT o.order_id, ntile(:slices) OVER (ORDER BY o.purchased, o.order_id) AS slice, get_byte(decode(md5(o.order_id), 'hex'), 0) % 2 AS session,
	coalesce((SELECT jsonb_agg(jsonb_build_object('sku', l.product_id, 'qty', l.units, 'price', l.price) ORDER BY l.item_no)
		FROM (SELECT i.product_id, i.price, count(*) AS units, min(i.item_no) AS item_no FROM olist.item i WHERE i.order_id = o.order_id GROUP BY 1, 2) l), '[]') AS lines,
	jsonb_build_object('region', c.zip) AS destination,
	(SELECT coalesce(sum(i.freight_value), 0) FROM olist.item i WHERE i.order_id = o.order_id) AS freight,
	o.purchased AT TIME ZONE 'America/Sao_Paulo' AS as_of
FROM olist."order" o JOIN olist.customer c USING (customer_id) JOIN olist.half h USING (order_id)
WHERE NOT h.teaches;
CREATE INDEX ON olist.request (slice, as_of);
ANALYZE olist.sent, olist.half, olist.request;
