-- 5_rate_card.sql: a rate card from the freight of the half that teaches.
--
-- Freight in Olist depends on weight, on distance and on whether the parcel
-- leaves its state; real weight explains it better than volume does. So: two
-- groups of distance bands, inside a state (lanes from each state to itself) and
-- across (one lane from Brazil to Brazil), each band a zone, weight brackets in
-- each. The price of a cell is the median of what was paid for the parcels in
-- it, drawn towards an additive model of its logarithm where parcels are few
-- (the model counts as much as 5 of them, and fills the holes), and then made
-- to rise, or stay, with weight and with distance. Freight of 0 is a promotion,
-- not a price, and teaches nothing.
CREATE TABLE olist.bracket AS
SELECT up_to_g, lag(up_to_g, 1, 0) OVER (ORDER BY up_to_g) AS over_g FROM unnest('{250,500,1000,2000,3000,5000,7500,10000,15000,20000,30000}'::int[]) up_to_g;

CREATE TABLE olist.band AS
SELECT in_state, from_km, coalesce(lead(from_km) OVER (PARTITION BY in_state ORDER BY from_km), 'Infinity') AS to_km,
	CASE WHEN in_state THEN 'in state' ELSE 'across' END || ', from ' || from_km || ' km' AS zone, NULL::int AS lead_hours, NULL::float8 AS effect
FROM (SELECT true, unnest('{0,100,200,400}'::float8[]) UNION ALL SELECT false, unnest('{0,200,400,700,1000,1500,2000,2500}'::float8[])) b (in_state, from_km);

CREATE TABLE olist.cell AS
SELECT b.zone, b.in_state, b.from_km, w.up_to_g, p.parcels, p.paid, NULL::float8 AS model, NULL::float8 AS smooth, NULL::numeric AS price
FROM olist.band b CROSS JOIN olist.bracket w, LATERAL (
	SELECT count(*) AS parcels, percentile_cont(0.5) WITHIN GROUP (ORDER BY s.freight) AS paid FROM olist.sent s JOIN olist.half h USING (order_id)
	WHERE h.teaches AND s.freight > 0 AND (s.from_state = s.to_state) = b.in_state AND s.km >= b.from_km AND s.km < b.to_km
		AND s.weight_g > w.over_g - (w.over_g = 0)::int AND s.weight_g <= w.up_to_g) p;

-- ln(price) = effect of the band + effect of the bracket, by turns.
ALTER TABLE olist.bracket ADD effect float8 DEFAULT 0;
DO $$
BEGIN
	FOR i IN 1 .. 50 LOOP
		UPDATE olist.band b SET effect = (SELECT sum(c.parcels * (ln(c.paid) - w.effect)) / sum(c.parcels) FROM olist.cell c JOIN olist.bracket w USING (up_to_g) WHERE c.zone = b.zone AND c.parcels > 0);
		UPDATE olist.bracket w SET effect = (SELECT sum(c.parcels * (ln(c.paid) - b.effect)) / sum(c.parcels) FROM olist.cell c JOIN olist.band b USING (zone) WHERE c.up_to_g = w.up_to_g AND c.parcels > 0);
	END LOOP;
END $$;
UPDATE olist.cell c SET model = exp(b.effect + w.effect) FROM olist.band b, olist.bracket w WHERE b.zone = c.zone AND w.up_to_g = c.up_to_g;
UPDATE olist.cell c SET smooth = exp((c.parcels * ln(coalesce(c.paid, c.model)) + 5 * ln(c.model)) / (c.parcels + 5));
-- Half way between the least rising table above and the greatest one below.
UPDATE olist.cell c SET price = round(((SELECT max(x.smooth) FROM olist.cell x WHERE x.in_state = c.in_state AND x.from_km <= c.from_km AND x.up_to_g <= c.up_to_g)
	+ (SELECT min(x.smooth) FROM olist.cell x WHERE x.in_state = c.in_state AND x.from_km >= c.from_km AND x.up_to_g >= c.up_to_g))::numeric / 2, 2);

-- Hours from leaving the seller to the customer, in the same half.
UPDATE olist.band b SET lead_hours = (
	SELECT least(ceil(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM o.delivered - o.left_seller) / 3600)), 2400)
	FROM olist.sent s JOIN olist.half h USING (order_id) JOIN olist."order" o USING (order_id)
	WHERE h.teaches AND o.delivered > o.left_seller AND (s.from_state = s.to_state) = b.in_state AND s.km >= b.from_km AND s.km < b.to_km);

SELECT FROM retail.put_carrier_service('standard', 'Olist', 'Standard');
-- Above the last bracket each kilogram begun costs a tenth of what the last ten did.
SELECT count(retail.put_rate_card('standard', z.zone, brackets => z.brackets || jsonb_build_array(jsonb_build_object('up_to_g', NULL, 'price', z.at_30kg,
	'over_g', 30000, 'step_g', 1000, 'step_price', round((z.at_30kg - z.at_20kg) / 10, 2))))) || ' zones with 12 brackets each'
FROM (SELECT c.zone, jsonb_agg(jsonb_build_object('up_to_g', c.up_to_g, 'price', c.price) ORDER BY c.up_to_g) AS brackets,
		max(c.price) FILTER (WHERE c.up_to_g = 30000) AS at_30kg, max(c.price) FILTER (WHERE c.up_to_g = 20000) AS at_20kg
	FROM olist.cell c GROUP BY 1 ORDER BY 1) z;
SELECT count(retail.put_lane('standard', l.region, l.zone, l.lead_hours, from_region => l.region, from_km => l.from_km, to_km => l.to_km)) || ' lanes'
FROM (SELECT b.*, r.region FROM olist.band b, LATERAL (SELECT 'BR' WHERE NOT b.in_state UNION ALL SELECT DISTINCT 'BR-' || state FROM olist.zip WHERE b.in_state) r (region)
	ORDER BY b.in_state, r.region, b.from_km) l;
