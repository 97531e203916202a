-- 7_report.sql: what came out, whether the sums add up, and whether any
-- invariant is violated.
ANALYZE olist.placed, olist.event, retail.sales_order, retail.order_line, retail.shipment, retail.shipment_line;

CREATE TABLE olist.violation AS SELECT * FROM retail.check_integrity();

-- Where sellers and customers are to the API: a region without centroid lies
-- at that of its state.
CREATE VIEW olist.place_of AS
SELECT r.region_id, coalesce(r.latitude, s.latitude) AS latitude, coalesce(r.longitude, s.longitude) AS longitude, CASE WHEN r.code LIKE 'BR-%' THEN r.region_id ELSE s.region_id END AS state_id
FROM retail.region r LEFT JOIN retail.region s ON s.region_id = r.parent_id;

-- The rate card as one table, and the price of a parcel by it, worked out in SQL.
CREATE TABLE olist.tariff AS
SELECT l.to_region_id AS region_id, l.from_km, l.to_km, coalesce(lag(b.up_to_g) OVER (PARTITION BY l.lane_id ORDER BY b.up_to_g), -1) AS above_g, b.*
FROM retail.lane l JOIN retail.rate_card c USING (carrier_service_id, zone) JOIN retail.rate_bracket b USING (rate_card_id);
CREATE INDEX ON olist.tariff (region_id, from_km);
ANALYZE olist.tariff;

CREATE FUNCTION olist.card_price(from_state bigint, to_state bigint, km float8, grams bigint) RETURNS numeric LANGUAGE sql STABLE AS $$
	SELECT t.base_price + CASE WHEN t.step_g > 0 AND grams > t.over_g THEN ceil((grams - t.over_g)::numeric / t.step_g) * t.step_price ELSE 0 END
	FROM olist.tariff t
	WHERE t.region_id = CASE WHEN from_state = to_state THEN from_state ELSE retail.region_id('BR') END
		AND t.from_km <= km AND km < t.to_km AND t.above_g < grams AND grams <= t.up_to_g
$$;

-- Ours: the parcels as decided, also of orders that were cancelled later (those
-- keep their planned cost, but weigh nothing any more).
CREATE TABLE olist.our_parcel AS
SELECT p.order_id, s.shipment_id, s.node_id, s.status, s.freight_cost, s.distance_km, s.weight_g, s.promised_at,
	olist.card_price(f.state_id, t.state_id, retail.distance_km(f.latitude, f.longitude, t.latitude, t.longitude), s.weight_g) AS card_price
FROM olist.placed p JOIN retail.sales_order o ON o.order_id = p.retail_order_id JOIN retail.shipment s ON s.order_id = o.order_id
	JOIN retail.node n USING (node_id) JOIN olist.place_of f ON f.region_id = n.region_id JOIN olist.place_of t ON t.region_id = o.region_id;

-- Theirs: what each seller really sent, and what our card asks for that.
CREATE TABLE olist.their_parcel AS
SELECT p.order_id, n.node_id, r.freight, d.km AS distance_km, olist.card_price(f.state_id, t.state_id, d.km, r.weight_g) AS card_price
FROM olist.placed p JOIN olist.sent r USING (order_id) JOIN retail.sales_order o ON o.order_id = p.retail_order_id JOIN retail.node n ON n.code = r.seller_id
	JOIN olist.place_of f ON f.region_id = n.region_id JOIN olist.place_of t ON t.region_id = o.region_id,
	LATERAL (SELECT retail.distance_km(f.latitude, f.longitude, t.latitude, t.longitude)) d (km);

-- Order by order. It is served by its own sellers when every SKU comes from
-- who really sold it.
CREATE TABLE olist.compared AS
SELECT o.order_id AS retail_order_id, p.order_id, u.parcels AS our_parcels, u.freight AS ours, u.km AS our_km, t.parcels AS their_parcels, t.paid, t.card, t.km AS their_km,
	(SELECT sum(l.quantity) FROM retail.order_line l WHERE l.order_id = o.order_id) AS units,
	NOT EXISTS (SELECT FROM retail.shipment s JOIN retail.shipment_line l USING (shipment_id) JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id)
		WHERE s.order_id = o.order_id AND NOT EXISTS (SELECT FROM olist.item i WHERE i.order_id = p.order_id AND i.product_id = k.code AND i.seller_id = n.code)) AS by_own_sellers,
	extract(epoch FROM u.promised_at - o.placed_at) / 86400 AS promised_days, extract(epoch FROM d.delivered - d.purchased) / 86400 AS real_days
FROM olist.placed p JOIN olist."order" d ON d.order_id = p.order_id JOIN retail.sales_order o ON o.order_id = p.retail_order_id
	JOIN (SELECT x.order_id, count(*) AS parcels, sum(x.freight_cost) AS freight, max(x.distance_km) AS km, max(x.promised_at) AS promised_at FROM olist.our_parcel x GROUP BY 1) u ON u.order_id = p.order_id
	JOIN (SELECT x.order_id, count(*) AS parcels, sum(x.freight) AS paid, sum(x.card_price) AS card, max(x.distance_km) AS km FROM olist.their_parcel x GROUP BY 1) t ON t.order_id = p.order_id;

CREATE TABLE olist.report (seq int GENERATED ALWAYS AS IDENTITY, name text, value numeric, unit text, note text);
CREATE TABLE olist.sum_check (seq int GENERATED ALWAYS AS IDENTITY, what text, left_side numeric, right_side numeric);

INSERT INTO olist.report (name, value, unit, note)
SELECT 'orders.input', count(*), 'orders', 'in the files' FROM olist."order"
UNION ALL SELECT 'orders.teaching', count(*), 'orders', 'their freight taught the rate card; not placed' FROM olist.half WHERE teaches
UNION ALL SELECT 'orders.handed_in', count(*), 'orders', 'handed to place_order(), in time order' FROM olist.request
UNION ALL SELECT 'orders.placed', count(*), 'orders', 'placed and allocated' FROM olist.placed
UNION ALL SELECT 'orders.refused', count(*), 'orders', 'refused one by one' FROM olist.refused
UNION ALL (SELECT 'orders.refused.' || r.sqlstate, count(*), 'orders', min(coalesce(c.name || ': ', '') || r.message) FROM olist.refused r LEFT JOIN retail.error_codes() c USING (sqlstate) GROUP BY r.sqlstate ORDER BY 1)
UNION ALL (SELECT 'rows.refused.' || r.kind || '.' || r.sqlstate, count(*), 'rows', min(r.message) || CASE r.kind WHEN 'node' THEN '; the seller then went to the centroid of its state' ELSE '' END FROM olist.refused_row r GROUP BY r.kind, r.sqlstate ORDER BY 1)
UNION ALL (SELECT 'events.refused.' || r.kind || '.' || r.sqlstate, count(*), 'events', min(r.message) FROM olist.refused_event r GROUP BY r.kind, r.sqlstate ORDER BY 1)
UNION ALL (SELECT 'orders.' || o.status, count(*), 'orders', 'as they stand at the end' FROM retail.sales_order o GROUP BY o.status ORDER BY 1)
UNION ALL SELECT 'catalog.skus', count(*), 'SKUs', 'with real weight and volume' FROM retail.sku
UNION ALL SELECT 'catalog.nodes', count(*), 'nodes', 'sellers' FROM retail.node
UNION ALL SELECT 'stock.places', count(*), 'SKU x node', 'generated, seed 0.2018' FROM olist.opening
UNION ALL SELECT 'stock.nodes_of_a_sku.least', min(n), 'nodes', 'every SKU lies at so many at least' FROM (SELECT count(o.seller_id) AS n FROM retail.sku k LEFT JOIN olist.opening o ON o.product_id = k.code GROUP BY k.code) x;

INSERT INTO olist.report (name, value, unit, note)
SELECT 'allocation.exact_rate', round(avg(is_exact::int), 4), 'share', 'decisions proven cheapest' FROM retail.allocation_decision
UNION ALL SELECT 'allocation.split_rate', round(avg((our_parcels > 1)::int), 4), 'share', 'orders in more than one parcel' FROM olist.compared
UNION ALL SELECT 'allocation.split_rate.real', round(avg((their_parcels > 1)::int), 4), 'share', 'the same orders in the data: more than one seller' FROM olist.compared
UNION ALL SELECT 'allocation.own_seller_rate', round(avg(by_own_sellers::int), 4), 'share', 'orders served by who really sold them' FROM olist.compared
UNION ALL SELECT 'allocation.km.median', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY our_km)::numeric), 'km', 'farthest parcel of an order, ours' FROM olist.compared
UNION ALL SELECT 'allocation.km.median.real', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY their_km)::numeric), 'km', 'the same from the real sellers' FROM olist.compared
UNION ALL SELECT 'promise.days.median', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY promised_days)::numeric, 1), 'days', 'order to promised delivery, ours; delivered orders' FROM olist.compared WHERE real_days IS NOT NULL
UNION ALL SELECT 'promise.days.median.real', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY real_days)::numeric, 1), 'days', 'order to real delivery, the same orders' FROM olist.compared WHERE real_days IS NOT NULL;

INSERT INTO olist.report (name, value, unit, note)
SELECT 'freight.' || f.name || g.suffix, round(f.value::numeric, f.digits), f.unit, f.note || g.note
FROM (VALUES ('', '', 1), ('.one_unit', ', orders of one unit only', 2)) g (suffix, note, which),
LATERAL (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ours) AS ours, percentile_cont(0.5) WITHIN GROUP (ORDER BY paid) AS paid, percentile_cont(0.5) WITHIN GROUP (ORDER BY card) AS card,
		sum(ours) AS sum_ours, sum(paid) AS sum_paid, sum(card) AS sum_card, percentile_cont(0.5) WITHIN GROUP (ORDER BY card / paid) FILTER (WHERE paid > 0) AS ratio,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(card - paid) / paid) FILTER (WHERE paid > 0) AS off, avg((ours < card)::int) AS cheaper, avg((ours > card)::int) AS dearer, count(*) AS n
	FROM olist.compared c WHERE g.which = 1 OR c.units = 1) x,
LATERAL (VALUES (1, 'orders', x.n, 0, 'orders', 'compared'),
	(2, 'median.ours', x.ours, 2, 'BRL', 'rate card of our parcels, per order'),
	(3, 'median.paid', x.paid, 2, 'BRL', 'really paid for the same orders'),
	(4, 'median.card_from_real_seller', x.card, 2, 'BRL', 'what our card asks from the real sellers'),
	(5, 'sum.ours', x.sum_ours, 2, 'BRL', 'rate card of our parcels'),
	(6, 'sum.paid', x.sum_paid, 2, 'BRL', 'really paid'),
	(7, 'sum.card_from_real_seller', x.sum_card, 2, 'BRL', 'our card from the real sellers'),
	(8, 'card_to_paid.median', x.ratio, 4, 'ratio', 'fit: card from the real sellers / paid, per order'),
	(9, 'card_off_paid.median', x.off, 4, 'share', 'fit: |card from the real sellers - paid| / paid, per order'),
	(10, 'cheaper_rate', x.cheaper, 4, 'share', 'orders cheaper than from the real sellers, by our card'),
	(11, 'dearer_rate', x.dearer, 4, 'share', 'orders dearer, by our card')) f (seq, name, value, digits, unit, note)
ORDER BY g.which, f.seq;

-- The second look, in a copy: extra is what an order has beyond its first parcel. Alone they were quoted on the opening stock, those
-- that were cancelled too.
INSERT INTO olist.report (name, value, unit, note)
SELECT 'second_look.' || f.name, f.value, f.unit, f.note
FROM olist.second_look w, olist.second_look l, olist.second_look a,
LATERAL (VALUES (1, 'orders', w.orders, 'orders', 'in time order by one session, those that were not cancelled'),
	(2, 'parcels.without', w.parcels, 'parcels', 'placed one by one'),
	(3, 'parcels.with', l.parcels, 'parcels', 'with a look every three hours, until an order has to leave'),
	(4, 'extra.without', w.parcels - w.orders, 'parcels', 'beyond one for each order'),
	(5, 'extra.with', l.parcels - l.orders, 'parcels', 'the same with the second look'),
	(6, 'extra.alone', a.parcels - a.orders, 'parcels', 'if each order, cancelled ones too, had all the opening stock to itself: no second look gets below'),
	(7, 'replanned', l.replanned, 'times', 'an order was planned again'),
	(8, 'freight.saved', w.freight - l.freight, 'BRL', format('of %s', w.freight))) f (seq, name, value, unit, note)
WHERE w.look = 'false' AND l.look = 'true' AND a.look = 'alone'
ORDER BY f.seq;

INSERT INTO olist.report (name, value, unit, note)
SELECT 'speed.' || s.work || '.' || s.sessions || '_sessions', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY s.per_s)::numeric), CASE s.work WHEN 'place' THEN 'orders/s' ELSE 'events/s' END,
	format('median of %s slices, %s to %s; %s', count(*), round(min(s.per_s)), round(max(s.per_s)),
		CASE s.work WHEN 'place' THEN 'place_order() and commit, refused ones included' ELSE 'pay, cancel and refund, ship, deliver, and commit' END)
FROM olist.speed s GROUP BY s.work, s.sessions ORDER BY s.work DESC, s.sessions;
INSERT INTO olist.report (name, value, unit, note)
SELECT 'speed.first_quote_of_a_session', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM t.first_call) * 1000)::numeric, 1), 'ms', 'reads the catalogue into the cache' FROM olist.timing t WHERE t.work = 'place'
UNION ALL SELECT 'speed.cpu.place', round((sum(t.cpu_s) / sum(t.calls) * 1000)::numeric, 2), 'ms', 'processor time of a place_order() and commit, mean' FROM olist.timing t WHERE t.work = 'place'
UNION ALL SELECT 'speed.cpu.follow', round((sum(t.cpu_s) / sum(t.calls) * 1000)::numeric, 2), 'ms', 'processor time of an event, mean' FROM olist.timing t WHERE t.work = 'follow'
UNION ALL SELECT 'speed.load_average', round(avg(t.load)::numeric, 1), 'processes', 'of the machine, ours and others, mean while placing; compare with its cores' FROM olist.timing t WHERE t.work = 'place'
UNION ALL SELECT 'integrity.violations', count(*), 'rows', 'check_integrity()' FROM olist.violation;

INSERT INTO olist.sum_check (what, left_side, right_side)
SELECT 'orders: in the files = teaching + handed in', (SELECT count(*) FROM olist."order"), (SELECT count(*) FROM olist.half WHERE teaches) + (SELECT count(*) FROM olist.request)
UNION ALL SELECT 'orders: handed in = placed + refused', (SELECT count(*) FROM olist.request), (SELECT count(*) FROM olist.placed) + (SELECT count(*) FROM olist.refused)
UNION ALL SELECT 'orders: placed = rows of retail.sales_order', (SELECT count(*) FROM olist.placed), (SELECT count(*) FROM retail.sales_order)
UNION ALL SELECT 'orders: without items = refused as RT011', (SELECT count(*) FROM olist."order" o WHERE NOT EXISTS (SELECT FROM olist.item i WHERE i.order_id = o.order_id)), (SELECT count(*) FROM olist.refused WHERE sqlstate = 'RT011')
UNION ALL SELECT 'orders: with items, to an unknown postcode = refused as RT004', (SELECT count(*) FROM olist."order" o JOIN olist.customer c USING (customer_id)
	WHERE NOT EXISTS (SELECT FROM olist.zip z WHERE z.zip = c.zip) AND EXISTS (SELECT FROM olist.item i WHERE i.order_id = o.order_id)), (SELECT count(*) FROM olist.refused WHERE sqlstate = 'RT004')
UNION ALL SELECT 'orders: refused by an error of class RT = all refused', (SELECT count(*) FROM olist.refused WHERE sqlstate LIKE 'RT%'), (SELECT count(*) FROM olist.refused)
UNION ALL SELECT 'orders: out of stock or unreachable = 0', (SELECT count(*) FROM olist.refused WHERE sqlstate IN ('RT020', 'RT021')), 0
UNION ALL SELECT 'orders: cancelled in the data = cancelled', (SELECT count(*) FROM olist.placed JOIN olist."order" USING (order_id) WHERE status = 'canceled'), (SELECT count(*) FROM retail.sales_order WHERE status = 'cancelled')
UNION ALL SELECT 'orders: delivered in the data = delivered + refused', (SELECT count(*) FROM olist.event WHERE kind = 'deliver'), (SELECT count(*) FROM retail.sales_order WHERE status = 'delivered') + (SELECT count(*) FROM olist.refused_event WHERE kind = 'deliver')
UNION ALL SELECT 'units: items of the placed orders = units ordered', (SELECT count(*) FROM olist.item JOIN olist.placed USING (order_id)), (SELECT sum(quantity) FROM retail.order_line)
UNION ALL SELECT 'money: prices of the items = goods', (SELECT sum(price) FROM olist.item JOIN olist.placed USING (order_id)), (SELECT sum(goods_total) FROM retail.sales_order)
UNION ALL SELECT 'money: freight of the items = freight charged', (SELECT sum(freight_value) FROM olist.item JOIN olist.placed USING (order_id)), (SELECT sum(freight_total) FROM retail.sales_order)
UNION ALL SELECT 'money: paid - refunded = total - cancelled, of paid orders', (SELECT sum(paid - refunded) FROM retail.sales_order WHERE paid > 0), (SELECT sum(total - cancelled_amount) FROM retail.sales_order WHERE paid > 0)
UNION ALL SELECT 'stock: received - shipped = on hand', (SELECT sum(units) FROM olist.opening) - (SELECT sum(shipped) FROM retail.order_line), (SELECT sum(on_hand) FROM retail.stock)
UNION ALL SELECT 'stock: units ordered - shipped - cancelled = reserved', (SELECT sum(quantity - shipped - cancelled) FROM retail.order_line), (SELECT sum(reserved) FROM retail.stock)
UNION ALL SELECT 'stock: places received = rows of retail.stock', (SELECT count(*) FROM olist.opening), (SELECT count(*) FROM retail.stock)
UNION ALL SELECT 'stock: SKUs at fewer than two nodes = 0', (SELECT count(*) FROM (SELECT FROM retail.sku k LEFT JOIN olist.opening o ON o.product_id = k.code GROUP BY k.code HAVING count(o.seller_id) < 2) x), 0
UNION ALL SELECT 'freight: parcels priced otherwise by SQL from the same tables = 0', (SELECT count(*) FROM olist.our_parcel WHERE status <> 'cancelled' AND card_price IS DISTINCT FROM freight_cost), 0
UNION ALL SELECT 'freight: orders compared = placed', (SELECT count(*) FROM olist.compared), (SELECT count(*) FROM olist.placed)
UNION ALL SELECT 'second look: orders with it = without it', (SELECT orders FROM olist.second_look WHERE look = 'true'), (SELECT orders FROM olist.second_look WHERE look = 'false')
UNION ALL SELECT 'second look: parcels with it, less those without it, above 0 = 0', (SELECT greatest(max(parcels) FILTER (WHERE look = 'true') - max(parcels) FILTER (WHERE look = 'false'), 0) FROM olist.second_look), 0
UNION ALL SELECT 'second look: violations = 0', (SELECT sum(violations) FROM olist.second_look), 0
UNION ALL SELECT 'integrity: violations = 0', (SELECT count(*) FROM olist.violation), 0;

-- Nothing is left that today's clock would release.
SELECT FROM (SELECT retail.enable_task(t) FROM unnest('{expire_holds,release_unpaid_orders}'::text[]) t) x;
