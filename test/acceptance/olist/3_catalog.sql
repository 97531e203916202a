-- 3_catalog.sql: postcodes, products and sellers become regions, SKUs and
-- nodes, through the put_ functions. A row that the API refuses is noted.

-- The worker's clock is today's; these orders are of 2016 to 2018. Left alone,
-- it would find every one of them unpaid for years.
SELECT FROM (SELECT retail.enable_task(t, false) FROM unnest('{expire_holds,release_unpaid_orders}'::text[]) t) x;

-- A boleto is paid days later, one in the data after 188 days.
SELECT FROM retail.put_channel('olist', 'Olist marketplace', 'marketplace', '366 days');

-- Nine centroids lie outside Brazil (in Portugal, China ...): such a postcode
-- is known, but not where it is, so it lies at the centroid of its state.
CREATE VIEW olist.located_zip AS
SELECT z.zip, z.city, z.state, CASE WHEN inside THEN z.latitude END AS latitude, CASE WHEN inside THEN z.longitude END AS longitude
FROM olist.zip z, LATERAL (SELECT z.latitude BETWEEN -34 AND 5.5 AND z.longitude BETWEEN -74 AND -32) b (inside);

SELECT FROM retail.put_region('BR', 'Brasil');
SELECT count(retail.put_region('BR-' || s.state, s.state, 'BR', s.latitude, s.longitude)) || ' states'
FROM (SELECT z.state, avg(z.latitude) AS latitude, avg(z.longitude) AS longitude FROM olist.located_zip z GROUP BY 1 ORDER BY 1) s;
SELECT count(retail.put_region(z.zip, z.city, 'BR-' || z.state, z.latitude, z.longitude)) || ' postcodes' FROM olist.located_zip z;
SELECT count(retail.put_category(p.category, p.category)) || ' categories' FROM (SELECT DISTINCT category FROM olist.product WHERE category IS NOT NULL ORDER BY 1) p;

DO $$
DECLARE
	p olist.product;
	state text;
	message text;
	detail text;
BEGIN
	FOR p IN SELECT * FROM olist.product ORDER BY product_id LOOP
		BEGIN
			PERFORM retail.put_sku(p.product_id, coalesce(p.category, 'produto') || ' ' || left(p.product_id, 6), p.weight_g,
				coalesce(p.length_cm * p.height_cm * p.width_cm, 0), p.category);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
			INSERT INTO olist.refused_row VALUES ('sku', p.product_id, state, message, detail);
		END;
	END LOOP;
END $$;
SELECT count(*) || ' SKUs' FROM retail.sku;

-- A seller takes as long to hand a parcel to the carrier as it did in the half
-- that teaches (5 parcels at least, else as all sellers do).
CREATE UNLOGGED TABLE olist.pace AS
WITH sent AS (
	SELECT s.seller_id, extract(epoch FROM o.left_seller - o.approved) / 60 AS minutes
	FROM olist.sent s JOIN olist.half h USING (order_id) JOIN olist."order" o USING (order_id)
	WHERE h.teaches AND o.left_seller > o.approved
)
SELECT s.seller_id, count(*) AS parcels, percentile_cont(0.5) WITHIN GROUP (ORDER BY s.minutes) AS minutes FROM sent s GROUP BY GROUPING SETS ((s.seller_id), ());

DO $$
DECLARE
	s olist.seller;
	state text;
	message text;
	detail text;
	minutes int;
	usual int := (SELECT p.minutes FROM olist.pace p WHERE p.seller_id IS NULL);
BEGIN
	FOR s IN SELECT * FROM olist.seller ORDER BY seller_id LOOP
		minutes := coalesce((SELECT least(p.minutes, 43200) FROM olist.pace p WHERE p.seller_id = s.seller_id AND p.parcels >= 5), usual);
		BEGIN
			PERFORM retail.put_node(s.seller_id, s.city, 'supplier', s.zip, time_zone => 'America/Sao_Paulo', processing_minutes => minutes);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
			INSERT INTO olist.refused_row VALUES ('node', s.seller_id, state, message, detail);
			-- the postcode is unknown: somewhere in its state
			PERFORM retail.put_node(s.seller_id, s.city, 'supplier', 'BR-' || s.state, time_zone => 'America/Sao_Paulo', processing_minutes => minutes);
		END;
	END LOOP;
END $$;
SELECT count(*) || ' nodes' FROM retail.node;
SELECT format('refused: %s %s (%s, %s): %s', kind, code, sqlstate, message, detail) FROM olist.refused_row ORDER BY 1;
ANALYZE retail.region, retail.sku, retail.node, retail.category;
