-- bundles.sql: what a bundle consists of, what it costs by component, that its components travel together, and that
-- payments, cancellations and returns of it are right to the unit and to the cent.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT * FROM no_plan();

CREATE FUNCTION pg_temp.place(no text, lines jsonb, freight numeric DEFAULT 0, policy text DEFAULT NULL) RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT order_id FROM retail.place_order('mp', $1, $2, '{"region": "CN"}', freight => $3, policy => $4, payment => 'on_delivery', as_of => '2026-03-02 02:00+00') $$;
-- sku quantity*price-discount=amount
CREATE FUNCTION pg_temp.lines(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s %s*%s-%s=%s', k.code, l.quantity, l.unit_price, l.discount, l.amount), '; ' ORDER BY k.code)
	FROM retail.order_line l JOIN retail.sku k USING (sku_id) WHERE l.order_id = order_id($1) $$;
CREATE FUNCTION pg_temp.bundles(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(format('%s %s: %s %s=%s', b.code, x.bundles, k.code, x.quantity, x.amount), '; ' ORDER BY b.code, k.code)
	FROM retail.order_bundle x JOIN retail.sku b ON b.sku_id = x.bundle_sku_id JOIN retail.order_line l USING (order_id, line_no) JOIN retail.sku k ON k.sku_id = l.sku_id
	WHERE x.order_id = order_id($1) $$;
CREATE FUNCTION pg_temp.parcels(no text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(p, '; ' ORDER BY p) FROM (SELECT format('%s: %s (%sg, freight %s, handling %s)', n.code, (SELECT string_agg(k.code || l.quantity, ' ' ORDER BY k.code) FROM retail.shipment_line l JOIN retail.sku k USING (sku_id)
		WHERE l.shipment_id = s.shipment_id), s.weight_g, s.freight_cost, s.handling_cost) AS p
	FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE s.order_id = order_id($1)) x $$;

SELECT retail.put_region('CN', '中国', NULL, 35, 105), retail.put_channel('mp', '小程序', 'mini_program'),
	retail.put_sku('A', 'Tea', 500, list_price => 10), retail.put_sku('B', 'Cup', 300, list_price => 20), retail.put_sku('C', 'Pot', 900, list_price => 25),
	retail.put_sku('F', 'Ice cream', 400, list_price => 8, temperature_class => 'frozen'), retail.put_sku('N', 'Leaflet', 10),
	retail.put_sku('SET', 'Tea set', 1, list_price => 25), retail.put_sku('SIX', 'Six teas', 1, list_price => 50), retail.put_sku('COOL', 'Tea with ice', 1, list_price => 15),
	retail.put_sku('GIFT', 'Two leaflets and more', 1, list_price => 1), retail.put_sku('TWO', 'Cup and pot', 1, list_price => 40),
	retail.put_node('W1', '一仓', 'warehouse', 'CN', unit_cost => 0.50, parcel_cost => 1), retail.put_node('W2', '二仓', 'warehouse', 'CN', unit_cost => 0.50, parcel_cost => 1),
	retail.put_carrier_service('STD', 'Carrier', 'Standard'), retail.put_carrier_service('ICE', 'Carrier', 'Cold', temperature_classes => '{frozen}') \g /dev/null
SELECT retail.put_lane('STD', 'CN', 'Z', 24, from_region => 'CN'), retail.put_rate_card('STD', 'Z', 1000, 6, 1000, 2),
	retail.put_lane('ICE', 'CN', 'I', 24, from_region => 'CN'), retail.put_rate_card('ICE', 'I', 1000, 20, 1000, 5) \g /dev/null

-- ---- the catalogue -----------------------------------------------------------------

SELECT lives_ok($$ SELECT retail.put_bundle('SET', '[{"sku": "A", "qty": 1}, {"sku": "B", "qty": 2}]'), retail.put_bundle('SIX', '[{"sku": "A", "qty": 6}]'),
	retail.put_bundle('COOL', '[{"sku": "A", "qty": 1}, {"sku": "F", "qty": 1}]'), retail.put_bundle('GIFT', '[{"sku": "N", "qty": 2}]'), retail.put_bundle('TWO', '[{"sku": "B", "qty": 1}, {"sku": "C", "qty": 1}]') $$, 'bundles');
SELECT is((SELECT string_agg(k.code || c.quantity, ' ' ORDER BY k.code) FROM retail.bundle_component c JOIN retail.sku k USING (sku_id) WHERE c.bundle_sku_id = retail.sku_id('SET')), 'A1 B2', 'components of a bundle');
SELECT lives_ok($$ SELECT retail.put_bundle('SET', '[{"sku": "A", "qty": 1}, {"sku": "B", "qty": 1}, {"sku": "A", "qty": 0.5e1}, {"sku": "C", "qty": 1}]') $$, '... changed, a component listed twice');
SELECT is((SELECT string_agg(k.code || c.quantity, ' ' ORDER BY k.code) FROM retail.bundle_component c JOIN retail.sku k USING (sku_id) WHERE c.bundle_sku_id = retail.sku_id('SET')), 'A6 B1 C1', '... is summed');
SELECT retail.put_bundle('SET', '[{"sku": "A", "qty": 1}, {"sku": "B", "qty": 1}]') \g /dev/null
SELECT raises('RT001', $$ SELECT retail.put_bundle('NOPE', '[{"sku": "A", "qty": 1}]') $$);
SELECT raises('RT001', $$ SELECT retail.put_bundle('SET', '[{"sku": "NOPE", "qty": 1}]') $$);
SELECT raises('RT011', format('SELECT retail.put_bundle(''SET'', %L)', c)) FROM unnest('{"[]","{}","[1]","[{\"sku\": \"SET\", \"qty\": 1}]","[{\"sku\": \"A\", \"qty\": 1}, {\"sku\": \"SIX\", \"qty\": 1}]","[{\"sku\": \"A\", \"qty\": 1, \"price\": 2}]"}'::text[]) c;
SELECT raises('RT011', $$ SELECT retail.put_bundle('A', '[{"sku": "A", "qty": 1}, {"sku": "B", "qty": 1}]') $$, 'a bundle does not contain itself');
SELECT raises('RT010', format('SELECT retail.put_bundle(''SET'', ''[{"sku": "A", "qty": %s}]'')', q)) FROM unnest('{0,-1,1.5,1000001,"null","\"1\""}'::text[]) q;
SELECT raises('RT016', $$ SELECT retail.put_bundle('A', '[{"sku": "C", "qty": 1}]') $$, 'a component does not become a bundle');
SELECT raises('RT011', $$ SELECT retail.receive_stock('R0', 'W1', '[{"sku": "SET", "qty": 1}]') $$, 'a bundle is not received');
SELECT raises('RT011', $$ SELECT retail.hold_stock('H0', 'mp', '[{"sku": "SET", "node": "W1", "qty": 1}]') $$, '... nor held');
SELECT lives_ok($$ SELECT retail.receive_stock('R1', 'W1', '[{"sku": "A", "qty": 20}, {"sku": "B", "qty": 7}, {"sku": "F", "qty": 5}]', '2026-03-01 00:00+00'),
	retail.receive_stock('R2', 'W2', '[{"sku": "A", "qty": 9}, {"sku": "B", "qty": 3}, {"sku": "C", "qty": 10}, {"sku": "N", "qty": 100}]', '2026-03-01 00:00+00') $$, 'stock');
SELECT raises('RT031', $$ SELECT retail.put_bundle('C', '[{"sku": "A", "qty": 1}]') FROM retail.put_bundle('TWO', NULL) $$, 'a SKU with stock does not become a bundle');
SELECT lives_ok($$ SELECT retail.put_sku('E', 'E', 1, list_price => 2), retail.put_bundle('E', '[{"sku": "A", "qty": 1}]'), retail.put_bundle('E', NULL) $$, 'a bundle is taken apart');
SELECT lives_ok($$ SELECT retail.receive_stock('R3', 'W1', '[{"sku": "E", "qty": 1}]') $$, '... and is an ordinary SKU again');

-- ---- available to promise ----------------------------------------------------------

SELECT results_eq($$ SELECT node, on_hand, available, reserved FROM retail.available_to_promise('SET') $$, $$ VALUES ('W1', 7::bigint, 7::bigint, NULL::bigint), ('W2', 3, 3, NULL) $$, 'what could be made up at each node');
SELECT results_eq($$ SELECT node, available FROM retail.available_to_promise('SIX') $$, $$ VALUES ('W1', 3::bigint), ('W2', 1) $$, '... rounded down');
SELECT results_eq($$ SELECT node, available FROM retail.available_to_promise('COOL') $$, $$ VALUES ('W1', 5::bigint) $$, 'a node that lacks a component is not listed');

-- ---- price and plan ----------------------------------------------------------------

SELECT lives_ok($$ SELECT pg_temp.place('B1', '[{"sku": "SET", "qty": 1}]') $$, 'a bundle is ordered');
SELECT is(pg_temp.lines('B1'), 'A 1*10.00-1.67=8.33; B 1*20.00-3.33=16.67', '25.00 divided by list prices, largest remainder');
SELECT is(pg_temp.bundles('B1'), 'SET 1: A 1=8.33; SET 1: B 1=16.67', '... and remembered');
SELECT is((SELECT (goods_total, discount_total, total)::text FROM retail.sales_order WHERE external_no = 'B1'), '(30.00,5.00,25.00)', '... the order costs what the bundle costs');
SELECT is(pg_temp.parcels('B1'), 'W1: A1 B1 (800g, freight 6.00, handling 2.00)', '... one parcel; each unit is handled');
SELECT is((SELECT (d.cost, d.lower_bound, d.is_exact)::text FROM retail.allocation_decision d WHERE d.order_id = order_id('B1')), '(8.00,8.00,t)', '... and proven cheapest');
SELECT is(jsonb_array_length(retail.order_status('mp', 'B1') -> 'bundles'), 2, '... told by order_status()');
SELECT lives_ok($$ SELECT pg_temp.place('B2', '[{"sku": "SET", "qty": 2, "price": 24.99, "discount": 0.01}, {"sku": "SET", "qty": 1, "price": 24.99}]') $$, 'with a price of its own, listed twice');
SELECT is((SELECT total FROM retail.sales_order WHERE external_no = 'B2'), 74.96, '... is summed');
SELECT is(pg_temp.bundles('B2'), 'SET 3: A 3=24.99; SET 3: B 3=49.97', '... and divided');
SELECT lives_ok($$ SELECT pg_temp.place('B3', '[{"sku": "GIFT", "qty": 3}]') $$, 'components without list price');
SELECT is(pg_temp.lines('B3'), 'N 6*0.50-0.00=3.00', '... cost what the bundle costs');
SELECT lives_ok($$ SELECT pg_temp.place('B4', '[{"sku": "SIX", "qty": 1, "price": 70}]') $$, 'a bundle dearer than its components');
SELECT is(pg_temp.lines('B4'), 'A 6*11.67-0.02=70.00', '... its unit price is what is paid for a unit');
SELECT raises('RT011', $$ SELECT pg_temp.place('BX', '[{"sku": "SET", "qty": 2, "price": 24.99}, {"sku": "SET", "qty": 1}]') $$, 'one bundle with two prices');
SELECT raises('RT012', $$ SELECT pg_temp.place('BX', '[{"sku": "SET", "qty": 1, "discount": 25.01}]') $$, 'a discount above the price of a bundle');
SELECT raises('RT010', $$ SELECT pg_temp.place('BX', '[{"sku": "SIX", "qty": 1000000000, "price": 0}]') $$, 'too many units');

-- ---- demand is summed ---------------------------------------------------------------

-- W1 has 20 - 1 - 3 - 6 of A left, W2 9: alone and in bundles together they may not exceed that.
SELECT is((SELECT sum(available) FROM retail.available_to_promise('A')), 19::numeric, 'before');
SELECT raises('RT020', $$ SELECT pg_temp.place('BX', '[{"sku": "A", "qty": 8}, {"sku": "SIX", "qty": 2}]') $$, 'a component alone and in a bundle is checked together');
SELECT raises('RT020', $$ SELECT pg_temp.place('BX', '[{"sku": "SET", "qty": 10}, {"sku": "SIX", "qty": 2}]') $$, '... in two bundles too');
SELECT lives_ok($$ SELECT pg_temp.place('B5', '[{"sku": "A", "qty": 2, "price": 9}, {"sku": "SET", "qty": 1}]') $$, 'alone and in a bundle');
SELECT is(pg_temp.lines('B5'), 'A 3*9.00-0.67=26.33; B 1*20.00-3.33=16.67', '... are one line, its amount exact');
SELECT is(pg_temp.bundles('B5'), 'SET 1: A 1=8.33; SET 1: B 1=16.67', '... of which the bundle is a part');
SELECT is((SELECT count(*) FROM retail.shipment WHERE order_id = order_id('B5')), 1::bigint, '... in one parcel');

-- ---- together -----------------------------------------------------------------------

-- B lies at both, C at W2 only: TWO comes from W2, although B alone would come from W1.
SELECT lives_ok($$ SELECT pg_temp.place('B6', '[{"sku": "TWO", "qty": 2}, {"sku": "E", "qty": 1}]') $$, 'a bundle and something else');
SELECT is(pg_temp.parcels('B6'), 'W1: E1 (1g, freight 6.00, handling 1.50); W2: B2 C2 (2400g, freight 10.00, handling 3.00)', '... components stay together');
SELECT is(detail_of($$ SELECT pg_temp.place('BX', '[{"sku": "TWO", "qty": 3}]') $$), 'SKU B: 3 asked and 3 available to promise, but not where the others are.', 'components that do not lie together');
SELECT raises('RT020', $$ SELECT pg_temp.place('BX', '[{"sku": "TWO", "qty": 3}]') $$);
SELECT lives_ok($$ SELECT pg_temp.place('B7', '[{"sku": "SIX", "qty": 1}]') $$, 'six teas come from the one node that has them') ;
SELECT is(pg_temp.parcels('B7'), 'W1: A6 (3000g, freight 10.00, handling 4.00)', '... together');
SELECT raises('RT020', $$ SELECT pg_temp.place('BX', '[{"sku": "SIX", "qty": 2}]') $$, 'two of them do not lie at any node, nor one at each');
SELECT raises('RT021', $$ SELECT pg_temp.place('BX', '[{"sku": "COOL", "qty": 1}]') $$, 'a mix that no service carries');
SELECT retail.put_node('W1', '一仓', 'warehouse', 'CN', unit_cost => 0.50, parcel_cost => 1, temperature_classes => '{ambient,frozen}'), retail.put_carrier_service('ICE', 'Carrier', 'Cold', temperature_classes => '{ambient,frozen}') \g /dev/null
SELECT lives_ok($$ SELECT pg_temp.place('B8', '[{"sku": "COOL", "qty": 1}]') $$, '... until one does');
SELECT is(pg_temp.parcels('B8'), 'W1: A1 F1 (900g, freight 20.00, handling 2.00)', '... in one parcel');
SELECT retail.receive_stock('R4', 'W1', '[{"sku": "B", "qty": 4}, {"sku": "A", "qty": 3}]', '2026-03-01 00:00+00'), retail.receive_stock('R5', 'W2', '[{"sku": "B", "qty": 3}]', '2026-03-01 00:00+00') \g /dev/null
SELECT is((SELECT string_agg(node || available, ' ' ORDER BY node) FROM retail.available_to_promise('SET')), 'W1' || (SELECT available FROM retail.available_to_promise('SET') WHERE node = 'W1') || ' W2' || (SELECT available FROM retail.available_to_promise('SET') WHERE node = 'W2'), 'both nodes have the set');
SELECT lives_ok($$ SELECT pg_temp.place('B9', jsonb_build_array(jsonb_build_object('sku', 'SET', 'qty', (SELECT sum(available) FROM retail.available_to_promise('SET'))))) $$, 'all the sets there are');
SELECT is((SELECT count(*) FROM (SELECT s.shipment_id FROM retail.shipment s JOIN retail.shipment_line l USING (shipment_id) WHERE s.order_id = order_id('B9') GROUP BY 1
	HAVING count(DISTINCT l.quantity) = 1 AND count(*) = 2) x), 2::bigint, '... come from two nodes, each with whole sets');
SELECT is((SELECT trace -> 'exact' FROM retail.quote_order('mp', '[{"sku": "GIFT", "qty": 2}]', '{"region": "CN"}', as_of => '2026-03-02 02:00+00')), 'true', 'a quote');

-- ---- alone and in a bundle: apart when that is cheaper, or all there is --------------------

SELECT retail.put_sku('P', 'Plate', 500, list_price => 10), retail.put_sku('Q', 'Bowl', 500, list_price => 10), retail.put_sku('R', 'Jug', 500, list_price => 10),
	retail.put_sku('PQ', 'Plate and bowl', 1, list_price => 18), retail.put_sku('PR', 'Plate and jug', 1, list_price => 18), retail.put_sku('P2Q', 'Two plates and a bowl', 1, list_price => 25) \g /dev/null
SELECT retail.put_bundle('PQ', '[{"sku": "P", "qty": 1}, {"sku": "Q", "qty": 1}]'), retail.put_bundle('PR', '[{"sku": "P", "qty": 1}, {"sku": "R", "qty": 1}]'), retail.put_bundle('P2Q', '[{"sku": "P", "qty": 2}, {"sku": "Q", "qty": 1}]'),
	retail.receive_stock('R6', 'W1', '[{"sku": "P", "qty": 2}, {"sku": "Q", "qty": 2}]', '2026-03-01 00:00+00'), retail.receive_stock('R7', 'W2', '[{"sku": "P", "qty": 5}, {"sku": "R", "qty": 1}]', '2026-03-01 00:00+00') \g /dev/null
CREATE FUNCTION pg_temp.quote(lines jsonb, policy text DEFAULT NULL, shortage text DEFAULT 'refuse') RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' ', q.cost, q.is_exact, (SELECT string_agg(p ->> 'node' || ':' || (SELECT string_agg((l ->> 'sku') || (l ->> 'qty'), ' ' ORDER BY l ->> 'sku') FROM jsonb_array_elements(p -> 'lines') l), '; ' ORDER BY p ->> 'node')
		FROM jsonb_array_elements(q.parcels) p), (SELECT string_agg(format('-%s%s', x ->> 'sku', x ->> 'qty'), ' ') FROM jsonb_array_elements(q.short) x))
	FROM retail.quote_order('mp', $1, '{"region": "CN"}', policy => $2, shortage => $3, as_of => '2026-03-02 02:00+00') q $$;
SELECT is(pg_temp.quote('[{"sku": "PQ", "qty": 1}, {"sku": "P", "qty": 1}]'), '10.50 t W1:P2 Q1', 'together where that is cheaper');
SELECT is(pg_temp.quote('[{"sku": "PQ", "qty": 1}, {"sku": "P", "qty": 3}]'), '20.50 t W1:P1 Q1; W2:P3', 'units beside the bundle come from elsewhere');
SELECT is(pg_temp.quote('[{"sku": "PQ", "qty": 2}, {"sku": "P", "qty": 5}]'), '26.50 t W1:P2 Q2; W2:P5', 'all there is of it');
SELECT is(pg_temp.quote('[{"sku": "PQ", "qty": 1}, {"sku": "PR", "qty": 1}]'), '18.00 t W1:P1 Q1; W2:P1 R1', 'two bundles that share a SKU, each from where it lies');
SELECT is(pg_temp.quote('[{"sku": "P2Q", "qty": 1}, {"sku": "P", "qty": 1}]'), '20.00 t W1:P2 Q1; W2:P1', 'a unit that the bundle needs is not given to another line');
SELECT is(pg_temp.quote('[{"sku": "P2Q", "qty": 1}, {"sku": "PR", "qty": 1}, {"sku": "P", "qty": 4}, {"sku": "Q", "qty": 1}]'), '27.00 t W1:P2 Q2; W2:P5 R1', 'two bundles and units beside both');
SELECT raises('RT020', $$ SELECT pg_temp.quote('[{"sku": "P2Q", "qty": 1}, {"sku": "PQ", "qty": 1}]') $$, 'a bundle is not torn apart: W1 has one plate too few');
SELECT is(pg_temp.quote('[{"sku": "P2Q", "qty": 1}, {"sku": "PQ", "qty": 1}]', shortage => 'partial'), '10.50 t W1:P2 Q1 -P1 -Q1', 'partial: one bundle, whole');
SELECT is(pg_temp.quote('[{"sku": "PQ", "qty": 2}, {"sku": "P", "qty": 6}]', shortage => 'partial'), '26.50 t W1:P2 Q2; W2:P5 -P1', 'partial: bundles first');
-- the order as it is placed, refused and waits
SELECT is(pg_temp.place('M1', '[{"sku": "PQ", "qty": 1}, {"sku": "P", "qty": 3}]') > 0, true, 'placed');
SELECT is(pg_temp.lines('M1'), 'P 4*10.00-1.00=39.00; Q 1*10.00-1.00=9.00', '... one line a SKU');
SELECT is(pg_temp.parcels('M1'), 'W1: P1 Q1 (1000g, freight 6.00, handling 2.00); W2: P3 (1500g, freight 8.00, handling 2.50)', '... in two parcels, handled by the unit');
SELECT is_empty($$ SELECT * FROM retail.check_integrity() $$, '... and sound');
SELECT retail.receive_stock('R8', 'W1', '[{"sku": "P", "qty": 3}]', '2026-03-01 00:00+00'), retail.receive_stock('R9', 'W2', '[{"sku": "P", "qty": 1}, {"sku": "Q", "qty": 1}]', '2026-03-01 00:00+00') \g /dev/null
SELECT is(retail.reject_shipment(parcel('M1', 1), 'damaged', as_of => '2026-03-02 03:00+00') ->> 'outcome', 'rerouted', 'the bundle is refused');
SELECT is(pg_temp.parcels('M1') ~ 'W2: P1 Q1', true, '... and goes, whole, to the other node');
SELECT is(retail.reject_shipment(parcel('M1', 2), 'closed', as_of => '2026-03-02 03:00+00') ->> 'outcome', 'exception', 'the others are refused: both nodes have said no');
SELECT is(retail.resolve_exception((SELECT max(exception_id) FROM retail.order_exception), 'retry', clear_exclusions => true, as_of => '2026-03-02 04:00+00') ->> 'resolution', 'routed', '... W1 is asked again');
SELECT is(pg_temp.parcels('M1') ~ 'W1: P3 ', true, '... and sends them without a bundle');
SELECT retail.resume_node('W2') \g /dev/null
SELECT is_empty($$ SELECT * FROM retail.check_integrity() $$, '... all is sound');
SELECT retail.put_inbound('purchase_order', 'PO', 'Q', 'W1', 2, '2026-03-05 00:00+00', '2026-03-02 00:00+00'), retail.put_inbound('purchase_order', 'PO', 'P', 'W1', 3, '2026-03-05 00:00+00', '2026-03-02 00:00+00') \g /dev/null
SELECT order_id FROM retail.place_order('mp', 'M2', '[{"sku": "PQ", "qty": 3}, {"sku": "P", "qty": 6}]', '{"region": "CN"}', freight => 0, payment => 'on_delivery', as_of => '2026-03-02 05:00+00', shortage => 'backorder') \g /dev/null
SELECT is(pg_temp.parcels('M2') || ', ' || (SELECT string_agg(k.code || b.quantity, ' ' ORDER BY k.code) FROM retail.backorder b JOIN retail.sku k USING (sku_id) WHERE b.order_id = order_id('M2')), 'W1: P1 Q1 (1000g, freight 6.00, handling 2.00); W2: P5 (2500g, freight 10.00, handling 3.50), P3 Q2',
	'what is there goes, two bundles and a unit wait');
SELECT results_eq($$ SELECT line_no, waits, units FROM retail.releasable_units(order_id('M2')) $$, $$ VALUES (1::bigint, 3::bigint, 0::bigint), (2, 2, 0) $$, '... for now');
SELECT retail.receive_stock('R10', 'W1', '[{"sku": "P", "qty": 1}]', '2026-03-03 00:00+00') \g /dev/null
SELECT results_eq($$ SELECT line_no, waits, units FROM retail.releasable_units(order_id('M2')) $$, $$ VALUES (1::bigint, 3::bigint, 1::bigint), (2, 2, 0) $$, 'a unit came in: the one beside the bundles');
SELECT is(retail.run_backorders('2026-03-03 01:00+00'), '1 units released to 1 orders, 0 promises changed', '... is released');
SELECT retail.receive_stock('R11', 'W1', '[{"sku": "P", "qty": 1}, {"sku": "Q", "qty": 2}]', '2026-03-03 00:00+00') \g /dev/null
SELECT is(retail.run_backorders('2026-03-03 02:00+00') ~ '^2 units released', true, 'one bundle is complete, the other is not');
SELECT retail.receive_stock('R12', 'W1', '[{"sku": "P", "qty": 1}]', '2026-03-03 00:00+00') \g /dev/null
SELECT is(retail.run_backorders('2026-03-03 03:00+00') ~ '^2 units released', true, '... until it is');
SELECT is((SELECT string_agg(format('%s=%s+%s', quantity, allocated, backordered), ' ' ORDER BY line_no) FROM retail.order_line WHERE order_id = order_id('M2')), '9=9+0 3=3+0', 'nothing waits any more');
SELECT is_empty($$ SELECT * FROM retail.check_integrity() $$, '... all is sound');

-- ---- cancel and return --------------------------------------------------------------

SELECT is(retail.cancel_order('mp', 'B2', '[{"sku": "A", "qty": 1}]', cancel_no => 'c1') ->> 'cancelled_amount', '8.33', 'a component is cancelled');
SELECT is(retail.cancel_order('mp', 'B2', '[{"sku": "A", "qty": 1}]', cancel_no => 'c2') ->> 'cancelled_amount', '8.33', '... and another');
SELECT raises('RT011', $$ SELECT retail.cancel_order('mp', 'B2', '[{"sku": "SET", "qty": 1}]') $$, 'a bundle is cancelled by its components');
SELECT is(retail.cancel_order('mp', 'B2') ->> 'cancelled_amount', '58.30', 'the rest');
SELECT is((SELECT (status, cancelled_amount)::text FROM retail.sales_order WHERE external_no = 'B2'), '(cancelled,74.96)', '... to the cent');
SELECT lives_ok($$ SELECT retail.ship_order(parcel('B5'), 'T5', as_of => '2026-03-02 06:00+00') $$, 'a parcel leaves');
SELECT is(retail.return_order('RT1', 'mp', 'B5', 'W1', '[{"sku": "A", "qty": 1}]') ->> 'amount', '8.78', 'a component comes back at the average of its line');
SELECT is(retail.return_order('RT2', 'mp', 'B5', 'W1', '[{"sku": "A", "qty": 2}, {"sku": "B", "qty": 1}]') ->> 'amount', '34.22', '... and the rest');
SELECT is((SELECT (returned_amount, total)::text FROM retail.sales_order WHERE external_no = 'B5'), '(43.00,43.00)', '... together what was paid');
SELECT raises('RT001', $$ SELECT pg_temp.place('BX', '[{"sku": "TWO", "qty": 1}]') FROM retail.put_sku('C', 'Pot', 900, list_price => 25, is_active => false) $$, 'a bundle with an inactive component');

-- ---- at the till ---------------------------------------------------------------------

SELECT retail.put_channel('pos', 'POS', 'pos'), retail.put_node('T1', '一店', 'store', 'CN') \g /dev/null
SELECT retail.receive_stock('R20', 'T1', '[{"sku": "A", "qty": 10}, {"sku": "B", "qty": 5}, {"sku": "N", "qty": 9}]', '2026-03-01 00:00+00') \g /dev/null
SELECT is(retail.record_sale('pos', 'T1', 'T1', '[{"sku": "SET", "qty": 1}]', '2026-03-02 02:00+00') - 'order_id', '{"total": 25.00, "oversold": false, "replayed": false}', 'a bundle is sold');
SELECT is(pg_temp.lines('T1'), 'A 1*10.00-1.67=8.33; B 1*20.00-3.33=16.67', '... for its components, as an order of it');
SELECT is(pg_temp.bundles('T1'), 'SET 1: A 1=8.33; SET 1: B 1=16.67', '... which is remembered');
SELECT is(stock('A', 'T1') || ' ' || stock('B', 'T1'), '9/0 4/0', '... out of the store''s stock');
SELECT is(retail.record_sale('pos', 'T1', 'T1', '[{"sku": "SET", "qty": 1}]', '2026-03-02 02:00+00') -> 'replayed', 'true', '... once');
SELECT is(retail.record_sale('pos', 'T2', 'T1', '[{"sku": "A", "qty": 2, "price": 9}, {"sku": "SET", "qty": 2, "price": 24.99, "discount": 0.01}, {"sku": "SET", "qty": 1, "price": 24.99}]', '2026-03-02 03:00+00') -> 'total', '92.96', 'alone and in a bundle, listed twice, with a discount');
SELECT is(pg_temp.lines('T2'), 'A 5*9.00-2.01=42.99; B 3*20.00-10.03=49.97', '... are one line a SKU, to the cent');
SELECT is(pg_temp.bundles('T2'), 'SET 3: A 3=24.99; SET 3: B 3=49.97', '... divided like the order B2');
SELECT is(retail.record_sale('pos', 'T3', 'T1', '[{"sku": "GIFT", "qty": 3}]', '2026-03-02 03:00+00') -> 'total', '3.00', 'components without list price');
SELECT is(pg_temp.lines('T3'), 'N 6*0.50-0.00=3.00', '... cost what the bundle costs');
SELECT is(retail.record_sale('pos', 'T4', 'T1', '[{"sku": "SIX", "qty": 1, "price": 70}, {"sku": "SET", "qty": 2, "price": 0}]', '2026-03-02 03:00+00') - 'order_id', '{"total": 70.00, "oversold": true, "replayed": false}', 'two bundles with one SKU, more than lies there: recorded, never refused');
SELECT is(pg_temp.lines('T4'), 'A 8*10.00-10.00=70.00; B 2*20.00-40.00=0.00', '... a bundle that is given away');
SELECT is(stock('A', 'T1') || ' ' || stock('B', 'T1'), '-4/0 -1/0', '... stock says what is missing');
SELECT raises('RT011', $$ SELECT retail.record_sale('pos', 'TX', 'T1', '[{"sku": "SET", "qty": 1, "price": 24}, {"sku": "SET", "qty": 1}]') $$, 'one bundle with two prices');
SELECT raises('RT012', $$ SELECT retail.record_sale('pos', 'TX', 'T1', '[{"sku": "SET", "qty": 1, "discount": 25.01}]') $$, 'a discount above the price');
SELECT raises('RT010', $$ SELECT retail.record_sale('pos', 'TX', 'T1', '[{"sku": "SIX", "qty": 200000000, "price": 0}]') $$, 'too many units');
SELECT is(retail.divide_amount(0.05, '{1,1,1}'), '{0.02,0.02,0.01}', 'cents that are left go to the first');
SELECT is(retail.divide_amount(10, '{0,3,7}'), '{0.00,3.00,7.00}', 'a weight of 0 has nothing');
-- what comes back
SELECT is(retail.return_order('RB1', 'pos', 'T2', 'T1', '[{"sku": "SET", "qty": 1}]', as_of => '2026-03-03 02:00+00') ->> 'amount', '25.26', 'a bundle comes back, at the average of its lines');
SELECT is((SELECT string_agg(k.code || l.quantity || '=' || l.amount, ' ' ORDER BY k.code) FROM retail.return_line l JOIN retail.sales_return r USING (return_id) JOIN retail.sku k USING (sku_id) WHERE r.return_no = 'RB1'), 'A1=8.60 B1=16.66', '... as its components');
SELECT is(retail.return_order('RB2', 'pos', 'T2', 'T1', '[{"sku": "SET", "qty": 2}, {"sku": "A", "qty": 2}]', as_of => '2026-03-03 02:00+00') ->> 'amount', '67.70', 'the others and what was bought alone');
SELECT is((SELECT (o.returned_amount, o.total)::text FROM retail.sales_order o WHERE o.external_no = 'T2'), '(92.96,92.96)', '... all of it, to the cent');
SELECT raises('RT032', $$ SELECT retail.return_order('RB3', 'pos', 'T2', 'T1', '[{"sku": "SET", "qty": 1}]') $$, 'no more than was sold');
SELECT raises('RT011', $$ SELECT retail.return_order('RB3', 'pos', 'T2', 'T1', '[{"sku": "SIX", "qty": 1}]') $$, 'a bundle that was not in it');
SELECT raises('RT011', $$ SELECT retail.return_order('RB3', 'pos', 'T2', 'T1', '[{"sku": "SET", "qty": 1, "note": "x"}]') $$, 'a line with more in it');
SELECT raises('RT011', format('SELECT retail.return_order(''RB3'', ''pos'', ''T1'', ''T1'', %L)', l)) FROM unnest('{"[]","{}","[1]","null"}'::text[]) l;
SELECT lives_ok($$ SELECT retail.put_bundle('SET', '[{"sku": "A", "qty": 5}, {"sku": "N", "qty": 1}]') $$, 'the bundle is another now');
SELECT is(retail.return_order('RB4', 'pos', 'T1', 'T1', '[{"sku": "SET", "qty": 1}]', as_of => '2026-03-03 02:00+00') ->> 'amount', '25.00', '... the one that was sold before it comes back');
SELECT is(pg_temp.bundles('T1') || ' ' || (SELECT returned_amount FROM retail.sales_order WHERE external_no = 'T1'), 'SET 1: A 1=8.33; SET 1: B 1=16.67 25.00', '... what was sold comes back as it was sold');
SELECT is(retail.inspect_return('RB4', '[{"sku": "A", "sellable": 1}, {"sku": "B", "damaged": 1}]') ->> 'status', 'inspected', '... and is inspected by component');
SELECT is_empty($$ SELECT * FROM retail.check_integrity() $$, 'all is sound');

-- ---- rights and integrity -----------------------------------------------------------

SELECT raises_as('retail_store', '42501', $$ SELECT retail.put_bundle('SET', NULL) $$);
SELECT is(has_function_privilege('retail_app', 'retail.put_bundle(text, jsonb)', 'EXECUTE'), true, 'the application may');
SELECT is_empty($$ SELECT * FROM retail.check_integrity() $$, 'integrity');
SELECT lives_ok($$ UPDATE retail.order_bundle SET quantity = quantity * 10 WHERE order_id = order_id('B1') $$, 'a bundle that holds more than its lines');
SELECT is((SELECT count(*) FROM retail.check_fulfilment_integrity()), 2::bigint, '... is found');
SELECT lives_ok($$ UPDATE retail.sku SET is_bundle = true WHERE code = 'B' $$, 'a bundle of nothing, with stock, in a bundle');
SELECT is((SELECT count(DISTINCT detail) FROM retail.check_bundle_integrity()), 5::bigint, '... is found');
SELECT * FROM finish();
ROLLBACK;
