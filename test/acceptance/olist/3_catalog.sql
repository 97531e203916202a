-- 3_catalog.sql: postcodes, sellers and products become regions, nodes and
-- SKUs, through the put_ functions. A row that the API refuses is noted.

-- The worker's clock is today's; these orders are of 2016 to 2018. Left alone,
-- it would find every one of them unpaid for years.
SELECT retail.enable_task(t, false) FROM unnest('{expire_holds,release_unpaid_orders}'::text[]) t \g /dev/null

-- A boleto is paid days later, one in the data after 188 days.
SELECT retail.put_channel('olist', 'Olist marketplace', 'marketplace', '366 days') \g /dev/null

-- Nine centroids lie outside Brazil (in Portugal, China ...): such a postcode
-- is known, but not where it is, so it lies at the centroid of its state.
CREATE VIEW olist.located_zip AS
SELECT z.zip, z.city, z.state, CASE WHEN inside THEN z.latitude END AS latitude, CASE WHEN inside THEN z.longitude END AS longitude
FROM olist.zip z, LATERAL (SELECT z.latitude BETWEEN -34 AND 5.5 AND z.longitude BETWEEN -74 AND -32) b (inside);

SELECT retail.put_region('BR', 'Brasil') \g /dev/null
SELECT count(retail.put_region('BR-' || s.state, s.state, 'BR', s.latitude, s.longitude)) || ' states'
FROM (SELECT z.state, avg(z.latitude) AS latitude, avg(z.longitude) AS longitude FROM olist.located_zip z GROUP BY 1 ORDER BY 1) s;
SELECT count(retail.put_region(z.zip, z.city, 'BR-' || z.state, z.latitude, z.longitude)) || ' postcodes' FROM olist.located_zip z;
SELECT count(retail.put_category(p.category, p.category)) || ' categories' FROM (SELECT DISTINCT category FROM olist.product WHERE category IS NOT NULL ORDER BY 1) p;

CREATE PROCEDURE olist.put_skus() LANGUAGE plpgsql AS $$
DECLARE
	p olist.product;
	said record;
	n int := 0;
BEGIN
	FOR p IN SELECT * FROM olist.product ORDER BY product_id LOOP
		BEGIN
			PERFORM retail.put_sku(p.product_id, coalesce(p.category, 'produto') || ' ' || left(p.product_id, 6), p.weight_g,
				coalesce(p.length_cm * p.height_cm * p.width_cm, 0), p.category);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS said.code = RETURNED_SQLSTATE;
		END;
	END LOOP;
END $$;
DROP PROCEDURE olist.put_skus();
