-- destination.sql: a region and coordinates that contradict each other.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT plan(14);
CREATE FUNCTION pg_temp.quote(destination jsonb) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' ', q.trace ->> 'destination', round((q.parcels -> 0 ->> 'distance_km')::numeric), q.parcels -> 0 ->> 'zone')
	FROM retail.quote_order('mp', '[{"sku": "A", "qty": 1}]', $1, as_of => '2026-03-02 02:00+00') q $$;
SELECT retail.put_region('CN', '中国', NULL, 35, 105), retail.put_region('CN-XJ', '新疆', 'CN', 43.8, 87.6), retail.put_region('CN-SH', '上海', 'CN', 31.2, 121.5), retail.put_region('CN-HL', '黑龙江', 'CN', 45.8, 126.5), retail.put_region('X', 'nowhere'),
	retail.put_channel('mp', '小程序', 'mini_program'), retail.put_sku('A', 'Tea', 500, list_price => 10),
	retail.put_node('W', '仓', 'warehouse', 'CN-SH', 31.2, 121.5), retail.put_node('S', '店', 'store', 'CN-SH', 31.2, 121.5, can_ship => false, can_pick_up => true),
	retail.put_carrier_service('SF', '顺丰', '标快'), retail.put_lane('SF', 'CN', 'far', 48, from_node => 'W'), retail.put_lane('SF', 'CN-SH', 'near', 24, from_node => 'W'), retail.put_lane('SF', 'X', 'x', 24, from_node => 'W') \g /dev/null
SELECT retail.put_rate_card('SF', z, 1000, 6, 1000, 2) FROM unnest('{far,near,x}'::text[]) z \g /dev/null
SELECT retail.receive_stock('R', n, '[{"sku": "A", "qty": 9}]', '2026-03-01 00:00+00') FROM unnest('{W,S}'::text[]) n \g /dev/null

SELECT is(pg_temp.quote('{"region": "CN-SH", "lat": 39.9, "lon": 116.4}'), 'CN-SH 1071 near', 'the region decides zone and rate, the coordinates the distance');
SELECT is(pg_temp.quote('{"region": "CN-XJ", "lat": 37.8, "lon": 75.2}'), 'CN-XJ 4262 far', 'a large province');
SELECT is(pg_temp.quote('{"region": "CN", "lat": 48.4, "lon": 134.3}'), 'CN 2196 far', 'a country: the nearest region below it counts');
SELECT raises('RT013', $$ SELECT pg_temp.quote('{"region": "CN-SH", "lat": 0, "lon": 0}') $$, 'coordinates that are missing in truth');
SELECT raises('RT013', $$ SELECT pg_temp.quote('{"region": "CN-SH", "lat": 39.5, "lon": 75.2}') $$, 'the other end of the country');
SELECT is(detail_of($$ SELECT pg_temp.quote('{"region": "CN-SH", "lat": 52.5, "lon": 13.4}') $$), 'lat 52.5, lon 13.4 lies 8403 km from region CN-SH.', '... is told with the distance');
SELECT is(pg_temp.quote('{"region": "X", "lat": 0, "lon": 0}'), 'X 12959 x', 'a region that lies nowhere contradicts nothing');
SET LOCAL pg_retail.region_reach_km = 300;
SELECT raises('RT013', $$ SELECT pg_temp.quote('{"region": "CN-SH", "lat": 39.9, "lon": 116.4}') $$, 'a chain of small regions is stricter');
SET LOCAL pg_retail.region_reach_km = 1000;

-- the customer of a refused pick-up gives an address
SELECT order_id FROM retail.place_order('mp', 'P', '[{"sku": "A", "qty": 1}]', NULL, 'pick_up', 'S', payment => 'on_delivery', as_of => '2026-03-02 02:00+00') \gset
SELECT retail.reject_shipment((SELECT shipment_id FROM retail.shipment WHERE order_id = :order_id), 'damaged', as_of => '2026-03-02 02:10+00') \g /dev/null
SELECT raises('RT013', $$ SELECT retail.answer_question('mp', 'P', 'ship_home', destination => '{"region": "CN-SH", "lat": 0, "lon": 0}', as_of => '2026-03-02 03:00+00') $$, 'an address that contradicts itself');
SELECT is(detail_of($$ SELECT retail.answer_question('mp', 'P', 'ship_home', destination => '{"region": "CN-SH", "lat": 52.5, "lon": 13.4}', as_of => '2026-03-02 03:00+00') $$), 'lat 52.5, lon 13.4 lies 8403 km from region CN-SH.', '... is told the same');
SELECT lives_ok($$ SELECT retail.answer_question('mp', 'P', 'ship_home', destination => '{"region": "CN-SH", "lat": 31, "lon": 121}', as_of => '2026-03-02 03:00+00') $$, 'the right one');
SELECT raises('RT013', $$ SELECT * FROM retail.nearest_stores('mp', '[{"sku": "A", "qty": 1}]', '{"region": "CN-SH", "lat": 0, "lon": 0}') $$, 'asking for stores, too');
SELECT is((SELECT state FROM retail.submit_orders('[{"channel": "mp", "external_no": "Q", "lines": [{"sku": "A", "qty": 1}], "destination": {"region": "CN-SH", "lat": 0, "lon": 0}}]', '2026-03-02 03:00+00')), 'queued', 'the intake queue looks codes up later');
SELECT retail.run_allocation('2026-03-02 03:00+00') \g /dev/null
SELECT is((SELECT i.state || ' ' || i.sqlstate FROM retail.order_intake i WHERE i.external_no = 'Q'), 'refused RT013', '... and refuses it then');
SELECT * FROM finish();
ROLLBACK;
