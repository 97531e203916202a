-- example.sql: the first SQL that README.md shows, with its output.
SET client_min_messages = warning;
CREATE EXTENSION pg_retail;
SELECT bool_and(action = 'applied') AS installed FROM retail.install();

-- Where things are, and how they travel: two warehouses, one carrier, a nearby and a far zone.
SELECT retail.put_region('CN', 'China') AS china,
       retail.put_region('SH', 'Shanghai',  parent => 'CN', latitude => 31.23, longitude => 121.47) AS shanghai,
       retail.put_region('GZ', 'Guangzhou', parent => 'CN', latitude => 23.13, longitude => 113.26) AS guangzhou;
SELECT retail.put_node('WH-SH', 'Shanghai warehouse',  'warehouse', region => 'SH', parcel_cost => 1.20) AS shanghai,
       retail.put_node('WH-GZ', 'Guangzhou warehouse', 'warehouse', region => 'GZ', parcel_cost => 0.80) AS guangzhou;
SELECT retail.put_carrier_service('STD', 'SF', 'standard') AS service,
       retail.put_lane('STD', 'CN', 'near', 24, from_region => 'CN', to_km => 600) AS near,
       retail.put_lane('STD', 'CN', 'far',  72, from_region => 'CN', from_km => 600) AS far,
       retail.put_rate_card('STD', 'near', 1000,  8.00, 1000, 2.00) AS near_card,  -- first kg, each further kg
       retail.put_rate_card('STD', 'far',  1000, 12.00, 1000, 6.00) AS far_card;

-- What is sold, where, and what lies where.
SELECT retail.put_channel('app', 'Our app', 'app') AS channel,
       retail.put_sku('TEA', 'Green tea, 250 g', weight_g => 300, list_price => 39.90) AS tea,
       retail.put_sku('POT', 'Teapot', weight_g => 900, list_price => 120.00) AS pot;
SELECT retail.receive_stock('IN-1', 'WH-SH', '[{"sku": "TEA", "qty": 5}]') ->> 'units' AS shanghai,
       retail.receive_stock('IN-2', 'WH-GZ', '[{"sku": "TEA", "qty": 50}, {"sku": "POT", "qty": 10}]') ->> 'units' AS guangzhou;

-- A customer in Shanghai asks for tea and a pot. One parcel from far away costs less than two.
SELECT total, freight_total, p ->> 'node' AS node, p ->> 'zone' AS zone, p ->> 'billed_g' AS billed_g, is_exact
FROM retail.quote_order('app', '[{"sku": "TEA", "qty": 2}, {"sku": "POT", "qty": 1}]', '{"region": "SH"}'),
     jsonb_array_elements(parcels) p;

-- The order itself: decided, priced and held in one transaction. The same call again gets the same answer.
SELECT order_id, status, total, replayed
FROM retail.place_order('app', 'A-1001', '[{"sku": "TEA", "qty": 2}, {"sku": "POT", "qty": 1}]', '{"region": "SH"}');
SELECT order_id, status, total, replayed
FROM retail.place_order('app', 'A-1001', '[{"sku": "TEA", "qty": 2}, {"sku": "POT", "qty": 1}]', '{"region": "SH"}');

-- Why there?
SELECT a ->> 'node' AS not_chosen, a ->> 'reason' AS reason, a ->> 'lacks' AS lacks
FROM retail.allocation_decision, jsonb_array_elements(trace -> 'alternatives') a WHERE order_id = 1;

-- Paid, shipped, delivered; one pack of tea comes back.
SELECT retail.record_payment('app', 'A-1001', 'PAY-1', 217.80, 'wechat') ->> 'payment_state' AS payment;
SELECT retail.ship_order(1, 'SF123456') ->> 'status' AS parcel;
SELECT retail.deliver_order(1) ->> 'status' AS parcel;
SELECT retail.return_order('RET-1', 'app', 'A-1001', 'WH-SH', '[{"sku": "TEA", "qty": 1}]', 'changed mind') ->> 'amount' AS amount;

-- What the app may promise now. A returned pack waits for inspection first.
SELECT node, on_hand, reserved, available FROM retail.available_to_promise('TEA', 'app');
SELECT retail.place_order('app', 'A-1002', '[{"sku": "TEA", "qty": 1000}]', '{"region": "SH"}');

-- The books are right.
SELECT * FROM retail.check_integrity();
