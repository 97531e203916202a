-- 0.2.0/30_sales.sql: an index to count the parcels of a node on a day, shipped
-- ones too, against its daily capacity; and what could locate or name a person
-- is taken from BI: exact distances, free text, payment numbers.
CREATE INDEX shipment_node ON retail.shipment (node_id, ship_by) WHERE status <> 'cancelled';

REVOKE SELECT ON retail.shipment, retail.order_event, retail.payment, retail.sales_return, retail.allocation_decision FROM retail_bi;
GRANT SELECT (shipment_id, order_id, node_id, kind, status, carrier_service_id, zone, weight_g, freight_cost, handling_cost, ship_by, promised_at, planned_at,
	shipped_at, delivered_at) ON retail.shipment TO retail_bi;
GRANT SELECT (event_id, order_id, kind, occurred_at, recorded_at) ON retail.order_event TO retail_bi;
GRANT SELECT (payment_id, method, order_id, kind, amount, occurred_at, recorded_at) ON retail.payment TO retail_bi;
GRANT SELECT (return_id, return_no, order_id, node_id, status, amount, received_at, inspected_at) ON retail.sales_return TO retail_bi;
GRANT SELECT (order_id, decided_at, policy_id, cost, lower_bound, is_exact, n_parcels) ON retail.allocation_decision TO retail_bi;
