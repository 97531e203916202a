-- example.sql: the first SQL that README.md shows, with its real output.
CREATE EXTENSION pg_retail;
SELECT count(*) AS files FROM retail.install() WHERE action = 'applied';

SET timezone = 'Asia/Shanghai';

-- A country, two cities, a channel, a carrier with its prices.
SELECT retail.put_region('CN', '中国'), retail.put_region('SH', '上海', 'CN', 31.23, 121.47), retail.put_region('GZ', '广州', 'CN', 23.13, 113.26);
SELECT retail.put_channel('app', 'Shop app', 'app');
SELECT retail.put_carrier_service('express', 'SF', 'Standard express');
SELECT retail.put_rate_card('express', 'near', first_weight_g => 1000, first_price => 10, step_weight_g => 1000, step_price => 2),
       retail.put_rate_card('express', 'far',  first_weight_g => 1000, first_price => 18, step_weight_g => 1000, step_price => 6);
SELECT retail.put_lane('express', 'CN', 'near', lead_hours => 24, from_region => 'CN', to_km => 300),
       retail.put_lane('express', 'CN', 'far',  lead_hours => 72, from_region => 'CN', from_km => 300);

-- Two warehouses and a store, two articles, some stock.
SELECT retail.put_node('DC-SH', 'Shanghai warehouse', 'warehouse', 'SH'),
       retail.put_node('DC-GZ', 'Guangzhou warehouse', 'warehouse', 'GZ'),
       retail.put_node('S-001', 'Nanjing Road store', 'store', 'SH', can_pick_up => true, parcel_cost => 3);
SELECT retail.put_sku('SHAMPOO', '洗发水 400 ml', weight_g => 450, list_price => 29.90),
       retail.put_sku('BISCUIT', '饼干 200 g', weight_g => 220, list_price => 9.90);
SELECT retail.receive_stock('GR-1', 'DC-SH', '[{"sku": "SHAMPOO", "qty": 1}, {"sku": "BISCUIT", "qty": 80}]');
SELECT retail.receive_stock('GR-2', 'DC-GZ', '[{"sku": "SHAMPOO", "qty": 500}, {"sku": "BISCUIT", "qty": 80}]');
SELECT retail.receive_stock('GR-3', 'S-001', '[{"sku": "SHAMPOO", "qty": 6}]');

-- One call decides who sends what, and holds it.
SELECT o.total, p.node, p.freight, p.handling, p.promised_at, p.lines
FROM retail.place_order('app', 'WX-1001',
       lines       => '[{"sku": "SHAMPOO", "qty": 2}, {"sku": "BISCUIT", "qty": 3}]',
       destination => '{"region": "SH", "lat": 31.20, "lon": 121.43}',
       as_of       => '2026-11-02 10:00+08') AS o,
     jsonb_to_recordset(o.parcels) AS p (node text, freight numeric, handling numeric, promised_at timestamptz, lines jsonb);

-- Why? What would the others have cost?
SELECT d.cost, d.is_exact, a.node, a.cost AS alone, a.lacks, a.reason
FROM retail.allocation_decision d, jsonb_to_recordset(d.trace -> 'alternatives') AS a (node text, cost numeric, lacks text[], reason text);

-- Paid, shipped, delivered; and the books are right.
SELECT retail.record_payment('app', 'WX-1001', 'PAY-1', 109.50, 'wechat_pay', '2026-11-02 10:05+08') ->> 'payment_state' AS payment;
SELECT retail.ship_order(shipment_id, 'SF-' || shipment_id, as_of => '2026-11-02 16:00+08') ->> 'status' AS status FROM retail.shipment ORDER BY shipment_id;
SELECT sku.code AS sku, node.code AS node, on_hand, reserved FROM retail.stock JOIN retail.sku USING (sku_id) JOIN retail.node USING (node_id) ORDER BY 1, 2;
SELECT * FROM retail.check_integrity();

-- More than there is: refused, with a reason, and nothing changes.
SELECT * FROM retail.place_order('app', 'WX-1002', '[{"sku": "BISCUIT", "qty": 500}]', '{"region": "SH"}', as_of => '2026-11-02 10:10+08');
