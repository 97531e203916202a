-- 4_stock.sql: Olist tells no stock levels, so they are generated, from a
-- stated seed: the same stock in every run.
--
-- A SKU lies at every seller that really sold it, with as many units as that
-- seller sold of it in the whole of the data, so that each seller could serve
-- its own orders. And it lies at two sellers more, drawn from the items sold in
-- its category (a seller of twice as many items is drawn twice as often; most
-- are in SP, as in life), with a quarter to three quarters of the units that
-- all sellers sold of it, one at least.
SET max_parallel_workers_per_gather = 0;
SELECT FROM setseed(0.2018);

CREATE UNLOGGED TABLE olist.drawn_number AS
SELECT p.product_id, p.category, p.k, random() AS u, random() AS v
FROM (SELECT p.product_id, p.category, k FROM olist.product p JOIN retail.sku s ON s.code = p.product_id, generate_series(1, 12) k ORDER BY p.product_id, k) p;

CREATE UNLOGGED TABLE olist.sold AS
SELECT i.seller_id, i.product_id, p.category,
	row_number() OVER (ORDER BY i.order_id, i.item_no) AS n,
	row_number() OVER (PARTITION BY p.category ORDER BY i.order_id, i.item_no) AS n_in_category
FROM olist.item i JOIN olist.product p USING (product_id);
CREATE INDEX ON olist.sold (n);
CREATE INDEX ON olist.sold (category, n_in_category);
ANALYZE olist.drawn_number, olist.sold;

CREATE UNLOGGED TABLE olist.opening AS
WITH seller_sold AS (
	SELECT s.product_id, s.seller_id, count(*) AS units FROM olist.sold s GROUP BY 1, 2
), sku_sold AS (
	SELECT s.product_id, count(*) AS units FROM olist.sold s GROUP BY 1
), in_category AS (
	SELECT s.category, count(*) AS n FROM olist.sold s GROUP BY 1
), drawn AS (		-- numbers 1 to 8 draw from the category, the others from all items, should those not suffice
	SELECT d.product_id, coalesce(c.seller_id, a.seller_id) AS seller_id, min(d.k) AS k
	FROM olist.drawn_number d
		LEFT JOIN in_category i ON i.category = d.category AND d.k <= 8
		LEFT JOIN olist.sold c ON c.category = d.category AND c.n_in_category = floor(d.u * i.n) + 1
		LEFT JOIN olist.sold a ON d.k > 8 AND a.n = floor(d.u * (SELECT count(*) FROM olist.sold)) + 1
	WHERE c.seller_id IS NOT NULL OR a.seller_id IS NOT NULL
	GROUP BY 1, 2
), chosen AS (
	SELECT d.*, row_number() OVER (PARTITION BY d.product_id ORDER BY d.k) AS place
	FROM drawn d WHERE NOT EXISTS (SELECT FROM seller_sold s WHERE s.product_id = d.product_id AND s.seller_id = d.seller_id)
)
SELECT s.product_id, s.seller_id, s.units, true AS really_sold_it FROM seller_sold s JOIN retail.sku k ON k.code = s.product_id
UNION ALL
SELECT c.product_id, c.seller_id, greatest(round(coalesce(t.units, 0) * (0.25 + 0.5 * n.v)), 1), false
FROM chosen c JOIN olist.drawn_number n USING (product_id, k) LEFT JOIN sku_sold t USING (product_id) WHERE c.place <= 2;

SELECT sum((r ->> 'units')::bigint) || ' units in ' || sum((r ->> 'skus')::bigint) || ' places at ' || count(*) || ' nodes'
FROM (SELECT retail.receive_stock('opening ' || o.seller_id, o.seller_id, jsonb_agg(jsonb_build_object('sku', o.product_id, 'qty', o.units)), '2016-09-01 00:00-03', 'generated')
	FROM olist.opening o GROUP BY o.seller_id) x (r);
ANALYZE retail.stock, retail.movement;
