-- capacity.sql: what a node packs on a local day, when its day is full, and
-- lanes without a price.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT plan(50);

SELECT retail.put_region('CN', '中国'), retail.put_region('SH', '上海', 'CN', 31.23, 121.47), retail.put_region('US', 'US'), retail.put_region('NY', 'New York', 'US', 40.71, -74.01), retail.put_channel('app', 'App', 'app'),
	retail.put_calendar('weekdays', 'Weekdays', '{"1": ["09:00", "18:00"], "2": ["09:00", "18:00"], "3": ["09:00", "18:00"], "4": ["09:00", "18:00"], "5": ["09:00", "18:00"], "6": ["09:00", "12:00"]}'),
	retail.put_sku('A', 'A', 500, list_price => 10), retail.put_sku('BIG', 'BIG', 2000, list_price => 10),
	retail.put_carrier_service('std', 'C', 'std'), retail.put_lane('std', 'CN', 'z', 24, from_region => 'CN'), retail.put_lane('std', 'US', 'us', 24, from_region => 'US'),
	retail.put_rate_card('std', 'z', 1000, 5, 1000, 1, max_weight_g => 2000), retail.put_rate_card('std', 'us', 1000, 5, 1000, 1) \g /dev/null
CREATE FUNCTION pg_temp.node(code text, capacity int, region text DEFAULT 'SH', zone text DEFAULT 'Asia/Shanghai', calendar text DEFAULT NULL, cut_off time DEFAULT '16:00') RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT retail.put_node(code, code, 'store', region, time_zone => zone, calendar => calendar, cut_off => cut_off, can_pick_up => true, daily_capacity => capacity) $$;
SELECT pg_temp.node('S', 2, calendar => 'weekdays'), pg_temp.node('US', 1, 'NY', 'America/New_York', cut_off => '23:30') \g /dev/null
SELECT retail.receive_stock('in', n, '[{"sku": "A", "qty": 100}, {"sku": "BIG", "qty": 100}]', '2026-02-01') FROM unnest('{S,US}'::text[]) n \g /dev/null
-- where from and when a new order leaves, or the SQLSTATE
CREATE FUNCTION pg_temp.place(no text, at timestamptz, sku text DEFAULT 'A', qty int DEFAULT 1, region text DEFAULT 'SH', zone text DEFAULT 'Asia/Shanghai', pick_up text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT string_agg(concat_ws(' ', p ->> 'node', to_char((p ->> 'ship_by')::timestamptz AT TIME ZONE zone, 'Dy MM-DD HH24:MI'), p ->> 'lateness'), ', ')
		FROM retail.place_order('app', no, jsonb_build_array(jsonb_build_object('sku', sku, 'qty', qty)), jsonb_build_object('region', region), CASE WHEN pick_up IS NULL THEN 'ship' ELSE 'pick_up' END, pick_up, as_of => at) o,
			jsonb_array_elements(o.parcels) p);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
CREATE FUNCTION pg_temp.days() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(concat_ws(' ', node, to_char(day, 'MM-DD'), promised || '/' || capacity, room, over_promised), ', ' ORDER BY node, day) FROM retail_bi.node_capacity $$;

-- ---- a full day moves the promise ---------------------------------------------------
SELECT is(pg_temp.place('O1', '2026-03-05 02:00+00'), 'S Thu 03-05 16:00 0.00', 'Thursday has room');
SELECT is(pg_temp.place('O2', '2026-03-05 02:00+00'), 'S Thu 03-05 16:00 0.00', '... for two');
SELECT is(pg_temp.place('O3', '2026-03-05 02:00+00'), 'S Fri 03-06 16:00 1.00', 'the third leaves on Friday, and is late, which costs');
SELECT is(pg_temp.place('O4', '2026-03-05 02:00+00'), 'S Fri 03-06 16:00 1.00', '... and the fourth');
SELECT is(pg_temp.place('O5', '2026-03-05 02:00+00'), 'S Sat 03-07 12:00 2.00', 'on Saturday the carrier comes at closing; lateness counts by days begun');
SELECT is(pg_temp.place('O6', '2026-03-05 02:00+00'), 'S Sat 03-07 12:00 2.00', '... for two');
SELECT is(pg_temp.place('O7', '2026-03-05 02:00+00'), 'S Mon 03-09 16:00 4.00', 'on Sunday it is closed');
SELECT is(pg_temp.days(), 'S 03-05 2/2 0 0, S 03-06 2/2 0 0, S 03-07 2/2 0 0, S 03-09 1/2 1 0', 'the days as they are promised');
SELECT is((SELECT promised_at FROM retail.sales_order WHERE external_no = 'O7'), '2026-03-10 08:00+00', 'the customer is promised what can be kept');
SELECT is(retail.cancel_order('app', 'O3', as_of => '2026-03-05 03:00+00') ->> 'status', 'cancelled', 'a cancelled parcel');
SELECT is(pg_temp.place('O8', '2026-03-05 04:00+00'), 'S Fri 03-06 16:00 1.00', '... gives its place back');
SELECT is(pg_temp.place('O9', '2026-03-05 04:00+00', 'BIG', 2), 'S Tue 03-10 16:00 5.00, S Tue 03-10 16:00 5.00', 'two parcels of one order leave together, when there is room for both');
SELECT is(pg_temp.place('O10', '2026-03-05 04:00+00', 'BIG', 3), 'RT021', 'three do on no day');
SELECT is(pg_temp.place('O11', '2026-03-05 04:00+00', pick_up => 'S'), 'S Mon 03-09 10:00 2.00', 'a pick-up is ready when there is room');
-- ---- capacity that changes ----------------------------------------------------------
SELECT isnt(pg_temp.node('S', 1, calendar => 'weekdays'), NULL, 'capacity below what is promised is taken');
SELECT is(pg_temp.days(), 'S 03-05 2/1 0 1, S 03-06 2/1 0 1, S 03-07 2/1 0 1, S 03-09 2/1 0 1, S 03-10 2/1 0 1', '... and shown');
SELECT is(pg_temp.place('O12', '2026-03-05 04:00+00'), 'S Wed 03-11 16:00 6.00', '... and nothing more is promised on these days');
SELECT isnt(pg_temp.node('S', 0, calendar => 'weekdays'), NULL, 'a capacity of 0');
SELECT is(pg_temp.place('O13', '2026-03-05 04:00+00'), 'RT021', '... takes nothing at all');
SELECT isnt(pg_temp.node('S', 1, calendar => 'weekdays'), NULL);
SELECT is(pg_temp.place('P' || i, '2026-03-05 04:00+00'), e, 'up to two weeks ahead') FROM (VALUES (1, 'S Thu 03-12 16:00 7.00'), (2, 'S Fri 03-13 16:00 8.00'), (3, 'S Sat 03-14 12:00 8.00'), (4, 'S Mon 03-16 16:00 11.00')) v (i, e);
SELECT pg_temp.place('Q' || i, '2026-03-05 04:00+00') FROM generate_series(1, 3) i \g /dev/null
SELECT is(pg_temp.place('P9', '2026-03-05 04:00+00'), 'RT021', '... and not further');
-- ---- the local midnight, on the night that clocks go forward: 08 March, 02:00 in New York ----
SELECT is(pg_temp.place('U1', '2026-03-08 04:20+00', region => 'NY', zone => 'America/New_York'), 'US Sun 03-08 00:20 0.00', 'ordered at 23:20 on Saturday, packed after midnight: it is Sunday''s');
SELECT is(pg_temp.place('U2', '2026-03-08 05:10+00', region => 'NY', zone => 'America/New_York'), 'US Mon 03-09 23:30 1.00', 'the next, ten minutes into Sunday, is Monday''s');
SELECT is(pg_temp.place('U3', '2026-03-10 03:40+00', region => 'NY', zone => 'America/New_York'), 'US Tue 03-10 23:30 0.00', 'on Monday after the cut-off: Tuesday''s');
SELECT is(substr(pg_temp.days(), position('US' IN pg_temp.days())), 'US 03-08 1/1 0 0, US 03-09 1/1 0 0, US 03-10 1/1 0 0', 'each local day has one parcel');
-- ---- the counters in shared memory: never less than the table, whatever is undone ----
SELECT retail.put_sku('C', 'C', 500, list_price => 10), pg_temp.node('C', 3), retail.receive_stock('in', 'C', '[{"sku": "C", "qty": 100}]', '2026-02-01') \g /dev/null
CREATE FUNCTION pg_temp.counter(node text DEFAULT 'C') RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(to_char(c.day_begin AT TIME ZONE n.time_zone, 'MM-DD HH24:MI ') || c.parcels, ', ' ORDER BY c.day_begin) FROM retail.day_counters() c JOIN retail.node n USING (node_id) WHERE n.code = node $$;
CREATE FUNCTION pg_temp.too_low() RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT count(*) FROM retail.day_counters() c JOIN retail.node n USING (node_id) WHERE c.parcels < (SELECT count(*) FROM retail.shipment s
		WHERE s.node_id = c.node_id AND s.status <> 'cancelled' AND (s.ship_by AT TIME ZONE n.time_zone)::date = (c.day_begin AT TIME ZONE n.time_zone)::date) $$;
CREATE FUNCTION pg_temp.undone(VARIADIC statements text[]) RETURNS text LANGUAGE plpgsql AS $$		-- what the last of them answers, before all are rolled back
DECLARE
	s text;
	answer text;
BEGIN
	BEGIN
		FOREACH s IN ARRAY statements LOOP
			EXECUTE 'SELECT ' || s INTO answer;
		END LOOP;
		RAISE EXCEPTION USING ERRCODE = 'XX999';
	EXCEPTION WHEN SQLSTATE 'XX999' THEN
		RETURN answer;
	END;
END $$;
SELECT is(pg_temp.too_low(), 0::bigint, 'no counter of the days above is too low');
SELECT is(pg_temp.place('C1', '2026-03-05 02:00+00', 'C'), 'C Thu 03-05 16:00 0.00', 'a first parcel');
SELECT is(pg_temp.counter(), '03-05 00:00 1', '... is counted');
SELECT is(pg_temp.undone($$pg_temp.place('C2', '2026-03-05 02:00+00', 'C')$$, $$pg_temp.counter()$$), '03-05 00:00 2', 'a second one is added');
SELECT is(pg_temp.counter(), '03-05 00:00 1', '... and taken out when it is undone');
SELECT matches(pg_temp.place('C' || i, '2026-03-05 02:00+00', 'C'), '^C Thu', 'the day fills') FROM generate_series(3, 4) i;
SELECT is(pg_temp.undone($$retail.cancel_order('app', 'C1', as_of => '2026-03-05 03:00+00')$$, $$retail.cancel_order('app', 'C3', as_of => '2026-03-05 03:00+00')$$,
	$$pg_temp.place('C5', '2026-03-05 03:00+00', 'C')$$, $$pg_temp.counter()$$), '03-05 00:00 2', 'two are cancelled, and one takes a place, which counts anew');
SELECT is(pg_temp.too_low(), 0::bigint, '... that is no longer so when all of it is undone');
SELECT is(pg_temp.place('C6', '2026-03-05 03:00+00', 'C'), 'C Fri 03-06 16:00 1.00', '... and the day is full');
SELECT is((SELECT status FROM retail.place_order('app', 'C7', '[{"sku": "C", "qty": 3}]', '{"region": "SH"}', payment => 'on_delivery', as_of => '2026-03-06 02:00+00')), 'open', 'an order of three units');
SELECT is((SELECT retail.ship_order(s.shipment_id, 'T1', '[{"sku": "C", "qty": 1}]', '2026-03-06 03:00+00') ->> 'status' FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'C7'),
	'shipped', '... of which one leaves, and the others wait in a parcel of their own');
SELECT matches(pg_temp.counter(), '03-06 00:00 3$', '... which has the third place');
SELECT is(pg_temp.place('C8', '2026-03-06 03:00+00', 'C'), 'C Sat 03-07 16:00 1.00', '... so the next leaves a day later');
SELECT retail.reset_day_counters() \g /dev/null
SELECT is(pg_temp.counter(), NULL, 'what shared memory forgets');
SELECT is(pg_temp.place('C9', '2026-03-06 03:00+00', 'C'), 'C Sat 03-07 16:00 1.00', '... is counted anew');
-- ---- lanes without a price -----------------------------------------------------------
CREATE FUNCTION pg_temp.holes() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', carrier_service, zone, lanes, begins_at, ends_at), ', ' ORDER BY carrier_service, zone, begins_at), 'none') FROM retail_bi.lanes_without_rates $$;
SELECT is(pg_temp.holes(), 'none', 'every lane has a price');
SELECT retail.put_lane('std', 'US', 'far', 24, from_node => 'S'), retail.put_lane('std', 'CN', 'far', 24, from_node => 'US') \g /dev/null
SELECT is(pg_temp.holes(), 'std far 2 -infinity infinity', 'two lanes of a zone without any');
SELECT retail.put_rate_card('std', 'far', 1000, 5, 1000, 1, valid_to => '2020-01-01'), retail.put_rate_card('std', 'far', 1000, 5, 1000, 1, valid_from => '2021-01-01', valid_to => '2060-01-01') \g /dev/null
SELECT is(pg_temp.holes(), 'std far 2 2060-01-01 00:00:00+00 infinity', 'a price that ends; a hole in the past does not matter');
SELECT retail.put_rate_card('std', 'far', 1000, 7, 1000, 1, valid_from => '2061-01-01') \g /dev/null
SELECT is(pg_temp.holes(), 'std far 2 2060-01-01 00:00:00+00 2061-01-01 00:00:00+00', 'a hole between two');
SELECT retail.put_lane('std', 'US', 'far', 24, from_node => 'S', is_active => false), retail.put_carrier_service('std', 'C', 'std', is_active => false) \g /dev/null
SELECT is(pg_temp.holes(), 'none', 'what is not in use does not matter');
SELECT * FROM retail.check_integrity();
SELECT * FROM finish();
ROLLBACK;
