-- allocation.sql: which node fulfils what, when and for how much, on a small chain and at fixed moments.  All times are
-- shown in UTC; Shanghai is UTC+8 all year, New York UTC-5 in winter and UTC-4 in summer.
\set ECHO none
\pset tuples_only on
\pset format unaligned
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
CREATE EXTENSION pg_retail;
SELECT count(*) > 0 FROM retail.install();
-- Nothing shall move by itself while we look.
SELECT count(retail.enable_task(name, false)) > 0 FROM retail.task;

-- ---- the chain ----
SELECT retail.put_region('CN', 'China', latitude => 35, longitude => 105), retail.put_region('EAST', 'Shanghai', 'CN', 31.23, 121.47), retail.put_region('NORTH', 'Beijing', 'CN', 39.90, 116.40),
	retail.put_region('SOUTH', 'Guangzhou', 'CN', 23.13, 113.26), retail.put_region('XJ', 'Urumqi', 'CN', 43.83, 87.62), retail.put_region('US', 'United States'), retail.put_region('NY', 'New York', 'US', 40.71, -74.01),
	retail.put_region('MOON', 'The Moon');
SELECT retail.put_channel('app', 'App', 'app', '1 hour'), retail.put_channel('vip', 'VIP', 'mini_program', '1 hour');
-- working days, a short Saturday; two holidays, and a Sunday that makes up for one of them
SELECT retail.put_calendar('weekdays', 'Weekdays', '{"1": ["09:00", "18:00"], "2": ["09:00", "18:00"], "3": ["09:00", "18:00"], "4": ["09:00", "18:00"], "5": ["09:00", "18:00"], "6": ["09:00", "12:00"]}'),
	retail.put_calendar_day('weekdays', '2026-10-01', note => 'National Day'), retail.put_calendar_day('weekdays', '2026-10-02', note => 'National Day'), retail.put_calendar_day('weekdays', '2026-10-04', '09:00', '18:00', 'make-up day'),
	retail.put_calendar('shop', 'Shop', '{"1": ["10:00", "22:00"], "2": ["10:00", "22:00"], "3": ["10:00", "22:00"], "4": ["10:00", "22:00"], "5": ["10:00", "22:00"], "6": ["10:00", "22:00"], "7": ["10:00", "22:00"]}'),
	retail.put_calendar('never', 'Never open', '{}');
SELECT retail.put_node('WE', 'East', 'warehouse', 'EAST', parcel_cost => 1, unit_cost => 0.20), retail.put_node('WN', 'North', 'warehouse', 'NORTH', parcel_cost => 1, unit_cost => 0.20),
	retail.put_node('WS', 'South', 'warehouse', 'SOUTH', calendar => 'weekdays', parcel_cost => 1, unit_cost => 0.20),
	retail.put_node('SHOP', 'Shop', 'store', 'EAST', calendar => 'shop', processing_minutes => 120, can_pick_up => true, daily_capacity => 1, temperature_classes => '{ambient,chilled}', parcel_cost => 3),
	retail.put_node('NYC', 'New York', 'warehouse', 'NY', time_zone => 'America/New_York'),
	retail.put_node('OLD', 'closed for good', 'warehouse', 'EAST', calendar => 'never');
SELECT retail.put_carrier_service('STD', 'C', 'standard', volumetric_divisor => 6000), retail.put_carrier_service('EXP', 'C', 'express'), retail.put_carrier_service('COOL', 'C', 'cooled', '{ambient,chilled}');
SELECT retail.put_lane('STD', 'CN', 'a', 24, from_region => 'CN', to_km => 500), retail.put_lane('STD', 'CN', 'b', 48, from_region => 'CN', from_km => 500, to_km => 1500),
	retail.put_lane('STD', 'CN', 'c', 120, from_region => 'CN', from_km => 1500), retail.put_lane('EXP', 'CN', 'x', 12, from_region => 'CN'),
	retail.put_lane('COOL', 'EAST', 'cold', 6, from_node => 'SHOP'), retail.put_lane('STD', 'US', 'us', 72, from_region => 'US');
SELECT retail.put_rate_card('STD', 'a', 1000, 8, 1000, 2), retail.put_rate_card('STD', 'b', 1000, 12, 1000, 5), retail.put_rate_card('STD', 'c', 1000, 18, 1000, 10), retail.put_rate_card('EXP', 'x', 1000, 40, 1000, 10),
	retail.put_rate_card('COOL', 'cold', brackets => '[{"up_to_g": 2000, "price": 15}, {"up_to_g": 5000, "price": 25}]'),
	retail.put_rate_card('STD', 'us', 1000, 6, 500, 1.50, valid_to => '2026-07-01 00:00+00'), retail.put_rate_card('STD', 'us', 1000, 9, 500, 2, valid_from => '2026-07-01 00:00+00');
SELECT retail.put_sku('TEA', 'tea', 500, list_price => 10), retail.put_sku('POT', 'pot', 2000, list_price => 50), retail.put_sku('CUP', 'cup', 300, list_price => 8), retail.put_sku('MILK', 'milk', 1000, list_price => 6, temperature_class => 'chilled'),
	retail.put_sku('ICE', 'ice', 1000, list_price => 6, temperature_class => 'frozen'), retail.put_sku('FOAM', 'foam', 100, volume_cm3 => 30000, list_price => 20);
SELECT retail.receive_stock('r1', 'WE', '[{"sku": "TEA", "qty": 10}, {"sku": "FOAM", "qty": 10}]', '2026-01-01 00:00+00') ->> 'units', retail.receive_stock('r2', 'WN', '[{"sku": "TEA", "qty": 10}, {"sku": "POT", "qty": 10}]', '2026-01-01 00:00+00') ->> 'units',
	retail.receive_stock('r3', 'WS', '[{"sku": "TEA", "qty": 10}, {"sku": "POT", "qty": 10}, {"sku": "CUP", "qty": 10}]', '2026-01-01 00:00+00') ->> 'units',
	retail.receive_stock('r4', 'SHOP', '[{"sku": "CUP", "qty": 10}, {"sku": "MILK", "qty": 10}, {"sku": "ICE", "qty": 10}]', '2026-01-01 00:00+00') ->> 'units',
	retail.receive_stock('r5', 'NYC', '[{"sku": "TEA", "qty": 10}]', '2026-01-01 00:00+00') ->> 'units', retail.receive_stock('r6', 'OLD', '[{"sku": "POT", "qty": 10}]', '2026-01-01 00:00+00') ->> 'units';

-- How an answer is shown: what it costs the chain, then a line for each parcel.
CREATE FUNCTION shown(parcels jsonb, cost numeric, is_exact boolean) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('    costs %s, %s', cost, CASE WHEN is_exact THEN 'proven cheapest' ELSE 'not proven' END)
	UNION ALL (SELECT format('    %s %s%s: %s; %s g billed %s, freight %s + handling %s + lateness %s; leaves %s, there %s', p ->> 'node', coalesce(p ->> 'service' || ' ' || (p ->> 'zone'), p ->> 'kind'),
		coalesce(' ' || (p ->> 'distance_km') || ' km', ''), (SELECT string_agg((l ->> 'qty') || ' ' || (l ->> 'sku'), ', ' ORDER BY l ->> 'line_no') FROM jsonb_array_elements(p -> 'lines') l),
		p ->> 'weight_g', p ->> 'billed_g', p ->> 'freight', p ->> 'handling', p ->> 'lateness', to_char((p ->> 'ship_by')::timestamptz, 'Dy DD HH24:MI'), to_char((p ->> 'promised_at')::timestamptz, 'Dy DD HH24:MI'))
	FROM jsonb_array_elements(parcels) WITH ORDINALITY AS e (p, n) ORDER BY p ->> 'node', n)
$$;
-- Asks for lines such as '2 TEA, 1 POT' and tells the answer, or the error.
CREATE FUNCTION ask(what text, lines text, region text DEFAULT 'EAST', at timestamptz DEFAULT '2026-03-02 02:00+00', channel text DEFAULT 'app', policy text DEFAULT NULL, pick_up_node text DEFAULT NULL) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	q record;
	detail text;
BEGIN
	RETURN NEXT format('* %s: %s to %s on %s', what, lines, coalesce(pick_up_node, region), to_char(at, 'Dy YYYY-MM-DD HH24:MI'));
	SELECT * INTO q FROM retail.quote_order(channel, (SELECT jsonb_agg(jsonb_build_object('sku', m[2], 'qty', m[1]::int) ORDER BY n) FROM regexp_matches(lines, '(\d+) (\w+)', 'g') WITH ORDINALITY AS r (m, n)),
		CASE WHEN pick_up_node IS NULL THEN jsonb_build_object('region', region) END, CASE WHEN pick_up_node IS NULL THEN 'ship' ELSE 'pick_up' END, pick_up_node, policy => policy, as_of => at);
	RETURN QUERY SELECT shown(q.parcels, q.cost, q.is_exact);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN NEXT format('    %s %s', SQLSTATE, SQLERRM);
	RETURN NEXT format('    %s', detail);
END $$;

\echo ---- the cheapest node ----
SELECT ask('from next door', '1 TEA');
SELECT ask('from the north', '1 TEA', 'NORTH');
SELECT ask('all that it has', '10 TEA', 'NORTH', policy => 'standard');
SELECT ask('1,000 g are the first weight', '2 TEA');
SELECT ask('500 g more are a step begun', '3 TEA');
SELECT ask('from the south', '1 CUP', 'SOUTH');
\echo ---- split ----
SELECT ask('one node far away has both, and costs less than two next door', '1 TEA, 1 CUP');
SELECT ask('heavier, and two next door cost less', '8 TEA, 8 CUP');
SELECT retail.put_allocation_policy('one', max_parcels => 1), retail.put_allocation_policy('dear split', split_penalty => 100), retail.put_allocation_policy('free split', split_penalty => 0), retail.put_allocation_policy('whole lines', allow_line_split => false);
SELECT ask('unless a split is dear', '8 TEA, 8 CUP', policy => 'dear split');
SELECT ask('or forbidden', '8 TEA, 8 CUP', policy => 'one');
SELECT ask('three lines at three nodes, when splits are free', '1 FOAM, 1 POT, 1 CUP', 'NORTH', policy => 'free split');
SELECT ask('no node has both', '1 FOAM, 1 POT', policy => 'one');
SELECT ask('a line is split over two nodes', '15 TEA', 'NORTH');
SELECT ask('over three', '30 TEA');
SELECT ask('unless lines stay whole', '15 TEA', 'NORTH', policy => 'whole lines');
SELECT ask('more than there is in the country', '31 TEA');
\echo ---- cut-off, weekends, holidays: WS closes on Sunday and cuts off at 16:00 in Shanghai ----
SELECT ask('before the cut-off', '1 CUP', 'SOUTH', '2026-03-02 07:59+00');
SELECT ask('at the cut-off', '1 CUP', 'SOUTH', '2026-03-02 08:00+00');
SELECT ask('a second later', '1 CUP', 'SOUTH', '2026-03-02 08:00:01+00');
SELECT ask('in the night', '1 CUP', 'SOUTH', '2026-03-02 18:00+00');
SELECT ask('Saturday, an hour before it closes', '1 CUP', 'SOUTH', '2026-03-07 03:00+00');
SELECT ask('Saturday, after it closed', '1 CUP', 'SOUTH', '2026-03-07 04:00+00');
SELECT ask('on the eve of two holidays, which a make-up Sunday follows', '1 CUP', 'SOUTH', '2026-09-30 09:00+00');
SELECT ask('on the Saturday between', '1 CUP', 'SOUTH', '2026-10-03 05:00+00');
\echo ---- daylight saving: NYC cuts off at 16:00 local time ----
SELECT ask('in winter', '1 TEA', 'NY', '2026-03-07 15:00+00');
SELECT ask('on the day that clocks go forward', '1 TEA', 'NY', '2026-03-08 15:00+00');
SELECT ask('15:30 winter time would still be in time, 16:30 summer time is not', '1 TEA', 'NY', '2026-03-08 20:30+00');
SELECT ask('in summer', '1 TEA', 'NY', '2026-06-01 15:00+00');
SELECT ask('on the day that clocks go back', '1 TEA', 'NY', '2026-11-01 05:30+00');
SELECT ask('the second 01:30 of that night', '1 TEA', 'NY', '2026-11-01 06:30+00');
SELECT retail.put_node('NYC', 'New York', 'warehouse', 'NY', time_zone => 'America/New_York', cut_off => '02:30', processing_minutes => 0) > 0;
SELECT ask('a cut-off that does not exist on that day', '1 TEA', 'NY', '2026-03-08 05:30+00');
SELECT ask('and exists a day later', '1 TEA', 'NY', '2026-03-09 05:30+00');
SELECT retail.put_node('NYC', 'New York', 'warehouse', 'NY', time_zone => 'America/New_York', cut_off => '01:30', processing_minutes => 0) > 0;
SELECT ask('a cut-off that comes twice on that day', '1 TEA', 'NY', '2026-11-01 05:00+00');
SELECT retail.put_node('NYC', 'New York', 'warehouse', 'NY', time_zone => 'America/New_York', processing_minutes => 60) > 0;
\echo ---- pick-up at SHOP, open 10:00 to 22:00 in Shanghai, two hours of work ----
SELECT ask('before it opens', '1 CUP', at => '2026-03-02 00:00+00', pick_up_node => 'SHOP');
SELECT ask('while it is open', '1 CUP', at => '2026-03-02 05:00+00', pick_up_node => 'SHOP');
SELECT ask('an hour before it closes: the other hour is worked next morning', '1 CUP', at => '2026-03-02 13:00+00', pick_up_node => 'SHOP');
SELECT ask('just in time', '1 CUP', at => '2026-03-02 12:00+00', pick_up_node => 'SHOP');
SELECT ask('chilled goods', '2 MILK', at => '2026-03-02 05:00+00', pick_up_node => 'SHOP');
SELECT ask('what it does not have', '1 TEA', pick_up_node => 'SHOP');
SELECT ask('where nobody collects', '1 TEA', pick_up_node => 'WE');
SELECT ask('goods that it cannot keep', '1 ICE', pick_up_node => 'SHOP');
\echo ---- temperature ----
SELECT ask('chilled goods go with the cooled carrier', '1 MILK', at => '2026-03-02 05:00+00');
SELECT ask('heavier, in the second bracket', '3 MILK', at => '2026-03-02 05:00+00');
SELECT ask('6 kg are two parcels, and SHOP packs one a day', '6 MILK', at => '2026-03-02 05:00+00');
BEGIN;
SELECT retail.put_node('SHOP', 'Shop', 'store', 'EAST', calendar => 'shop', processing_minutes => 120, can_pick_up => true, daily_capacity => 2, temperature_classes => '{ambient,chilled}', parcel_cost => 3) > 0;
SELECT ask('or two', '6 MILK', at => '2026-03-02 05:00+00');
ROLLBACK;
SELECT ask('chilled and ambient goods in one cooled parcel', '1 MILK, 1 CUP', at => '2026-03-02 05:00+00');
SELECT ask('beyond the cooled lane', '1 MILK', 'NORTH');
SELECT ask('frozen goods, which no node keeps', '1 ICE');
\echo ---- reach and distance ----
SELECT ask('the nearer of two that have it', '1 CUP', 'NORTH');
SELECT ask('zone c begins at 1,500 km', '1 TEA', 'XJ');
SELECT ask('where no lane goes', '1 TEA', 'MOON');
SELECT ask('stock is abroad only', '1 POT', 'NY');
-- zone a ends before 500 km
SELECT p ->> 'node', p ->> 'zone', p ->> 'distance_km' FROM (VALUES (35.7262), (35.7270)) v (lat), LATERAL retail.quote_order('app', '[{"sku": "TEA", "qty": 1}]', jsonb_build_object('region', 'CN', 'lat', lat, 'lon', 121.47), as_of => '2026-03-02 02:00+00') o, LATERAL jsonb_array_elements(o.parcels) p;
SELECT retail.put_lane('STD', 'EAST', 'a', 6, from_node => 'WE') > 0;
SELECT ask('a lane of the node itself goes before that of its region', '1 TEA');
SELECT retail.put_lane('STD', 'EAST', 'a', 6, from_node => 'WE', is_active => false) > 0;
\echo ---- volumetric weight ----
SELECT ask('100 g that are as big as 5 kg', '1 FOAM');
SELECT ask('together with heavy goods the volume counts once', '1 FOAM, 1 TEA');
\echo ---- rate cards and time ----
SELECT ask('the old price in its last second', '3 TEA', 'NY', '2026-06-30 23:59:59+00');
SELECT ask('the new price', '3 TEA', 'NY', '2026-07-01 00:00+00');
SELECT retail.put_rate_card('STD', 'us', 1000, 9, 500, 2, valid_from => '2026-07-01 00:00+00', valid_to => '2027-01-01 00:00+00') > 0;
SELECT ask('when no card is valid any more', '1 TEA', 'NY', '2027-01-01 00:00+00');
\echo ---- lateness: a promise after the target costs by days begun ----
SELECT ask('48 hours are just met from next door', '1 TEA', policy => 'standard');
SELECT retail.put_allocation_policy('hurry', target_hours => 24, lateness_per_day => 30);
SELECT ask('express is worth its price when lateness is dear', '1 POT', policy => 'hurry');
SELECT ask('and standard when it is not', '1 POT');
\echo ---- policies ----
SELECT retail.put_allocation_policy('vip', 'active', channel => 'vip', target_hours => 24, lateness_per_day => 30);
SELECT q.trace ->> 'policy', q.trace ->> 'policy_version', q.parcels -> 0 ->> 'service' FROM (VALUES ('app'), ('vip')) c (channel), LATERAL retail.quote_order(channel, '[{"sku": "POT", "qty": 1}]', '{"region": "EAST"}', as_of => '2026-03-02 02:00+00') q;
SELECT retail.put_allocation_policy('standard', 'active', target_hours => 96), retail.put_allocation_policy('standard', split_penalty => 7);
-- by default the active version; by name the latest, even a draft
SELECT q.trace ->> 'policy', q.trace ->> 'policy_version', q.trace -> 'cost' FROM (VALUES (NULL), ('standard')) p (policy), LATERAL retail.quote_order('app', '[{"sku": "FOAM", "qty": 1}, {"sku": "POT", "qty": 1}]', '{"region": "EAST"}', policy => policy, as_of => '2026-03-02 02:00+00') q;
SELECT p.code, version, status, c.code FROM retail.allocation_policy p LEFT JOIN retail.channel c USING (channel_id) ORDER BY p.code COLLATE "C", 2;
\echo ---- safety stock ----
SELECT retail.set_safety_stock('TEA', 'WE', 9), retail.set_safety_stock('TEA', 'WE', 0, 'vip');
SELECT ask('the last one that the app may promise', '1 TEA');
SELECT ask('the app leaves the rest alone', '2 TEA');
SELECT ask('the VIP channel has a figure of its own', '2 TEA', channel => 'vip');
SELECT node, available FROM retail.available_to_promise('TEA', 'app', '2026-03-02 02:00+00');
SELECT node, available FROM retail.available_to_promise('TEA', 'vip', '2026-03-02 02:00+00');
SELECT retail.set_safety_stock('TEA', 'WE', 0);

\echo ---- placing: what was quoted is what is done ----
CREATE FUNCTION place(no text, lines jsonb, region text DEFAULT 'EAST', at timestamptz DEFAULT '2026-03-02 02:00+00', channel text DEFAULT 'app') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	o record;
	detail text;
BEGIN
	SELECT * INTO o FROM retail.place_order(channel, no, lines, jsonb_build_object('region', region), as_of => at);
	RETURN NEXT format('* %s: %s, goods %s - %s + freight %s = %s, there %s%s', no, o.status, o.goods_total, o.discount_total, o.freight_total, o.total, to_char(o.promised_at, 'Dy DD HH24:MI'), CASE WHEN o.replayed THEN ', replayed' ELSE '' END);
	RETURN QUERY SELECT shown(o.parcels, d.cost, d.is_exact) FROM retail.allocation_decision d WHERE d.order_id = o.order_id;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN NEXT format('* %s: %s %s (%s)', no, SQLSTATE, SQLERRM, detail);
END $$;
SELECT place('N1', '[{"sku": "TEA", "qty": 2, "discount": 1.50}, {"sku": "CUP", "qty": 1, "price": 7}]', at => '2026-03-02 05:00+00');
SELECT place('N1', '[{"sku": "TEA", "qty": 2, "discount": 1.50}, {"sku": "CUP", "qty": 1, "price": 7}]', at => '2026-03-09 05:00+00');
\echo ---- capacity: SHOP packs one parcel a local day; a full day moves the promise ----
SELECT place('C1', '[{"sku": "MILK", "qty": 1}]', at => '2026-03-03 02:00+00');
SELECT place('C2', '[{"sku": "MILK", "qty": 1}]', at => '2026-03-03 03:00+00');
SELECT place('C3', '[{"sku": "CUP", "qty": 1}]', at => '2026-03-03 03:00+00');
SELECT trace -> 'left_out' FROM retail.allocation_decision JOIN retail.sales_order USING (order_id) WHERE external_no = 'C3';
-- after the cut-off it is the next day's, which begins at 16:00 UTC
SELECT place('C4', '[{"sku": "MILK", "qty": 1}]', at => '2026-03-03 09:00+00');
SELECT place('C5', '[{"sku": "MILK", "qty": 1}]', at => '2026-03-03 16:30+00');
SELECT retail.cancel_order('app', 'C4', as_of => '2026-03-03 16:40+00') ->> 'status';
SELECT place('C6', '[{"sku": "MILK", "qty": 1}]', at => '2026-03-03 16:45+00');
\echo ---- holds: what is due does not count any more, swept or not ----
SELECT retail.hold_stock('H1', 'app', '[{"sku": "FOAM", "node": "WE", "qty": 8}]', '10 minutes', '2026-03-04 02:00+00') ->> 'expires_at';
SELECT place('H1', '[{"sku": "FOAM", "qty": 3}]', at => '2026-03-04 02:09:59+00');
SELECT place('H2', '[{"sku": "FOAM", "qty": 3}]', at => '2026-03-04 02:10+00');
SELECT state, open_quantity FROM retail.reservation r JOIN retail.stock_hold USING (hold_id);
SELECT on_hand, reserved, available FROM retail.available_to_promise('FOAM', 'app', '2026-03-04 02:10+00');
\echo ---- the trace ----
SELECT jsonb_pretty(trace) FROM retail.allocation_decision JOIN retail.sales_order USING (order_id) WHERE external_no = 'N1';
SELECT jsonb_pretty(trace - 'parcels') FROM retail.quote_order('app', '[{"sku": "TEA", "qty": 1}, {"sku": "POT", "qty": 1}]', '{"region": "NORTH"}', as_of => '2026-03-02 02:00+00');
\echo ---- explained ----
SELECT retail.explain_order('app', 'N1');
SELECT retail.explain_order('app', 'C3');
SELECT retail.put_node('SHOP', 'Shop', 'store', 'EAST', calendar => 'shop', processing_minutes => 120, can_pick_up => true, temperature_classes => '{ambient,chilled}', parcel_cost => 3) > 0,
	retail.put_allocation_policy('one', 'shadow', max_parcels => 1), retail.set_safety_stock('POT', 'WN', 10, 'app'), retail.put_stock_prices('[{"sku": "CUP", "node": "SHOP", "scarcity": 0.75}, {"sku": "TEA", "node": "WS", "markdown": 0.20}]');
SELECT place('E1', '[{"sku": "TEA", "qty": 8}, {"sku": "CUP", "qty": 8}]', at => '2026-03-14 09:00+00', region => 'EAST');
SELECT retail.explain_order('app', 'E1');
SELECT place('E2', '[{"sku": "TEA", "qty": 14}]', at => '2026-03-14 09:00+00', region => 'NORTH');
SELECT retail.explain_order('app', 'E2');
SELECT status FROM retail.place_order('app', 'E3', '[{"sku": "CUP", "qty": 1}]', fulfilment => 'pick_up', pick_up_node => 'SHOP', as_of => '2026-03-14 13:00+00');
SELECT retail.explain_order('app', 'E3');
\echo ---- the books ----
SELECT o.external_no, n.code, s.status, s.freight_cost, s.handling_cost, s.weight_g FROM retail.shipment s JOIN retail.sales_order o USING (order_id) JOIN retail.node n USING (node_id) ORDER BY s.shipment_id;
SELECT * FROM retail.check_integrity();
