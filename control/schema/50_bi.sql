-- 50_bi.sql: what BI tools read.  The views run with the rights of the reader,
-- hold no personal data and call no function of the extension.  A day is a
-- UTC day; codes name things, so that a view can be joined with the catalogue.

CREATE VIEW retail_bi.stock_position WITH (security_invoker = true) AS
SELECT k.code AS sku, k.name AS sku_name, c.code AS category, n.code AS node, n.kind AS node_kind, g.code AS region,
	s.on_hand, s.reserved, s.in_transit, s.damaged, s.quality_hold, s.on_hand - s.reserved AS free, s.updated_at
FROM retail.stock s JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id)
LEFT JOIN retail.category c ON c.category_id = k.category_id LEFT JOIN retail.region g ON g.region_id = n.region_id;
COMMENT ON VIEW retail_bi.stock_position IS 'Stock of each SKU at each node, in base units.';
COMMENT ON COLUMN retail_bi.stock_position.sku IS 'Code of the SKU.';
COMMENT ON COLUMN retail_bi.stock_position.sku_name IS 'Its name.';
COMMENT ON COLUMN retail_bi.stock_position.category IS 'Code of its category.';
COMMENT ON COLUMN retail_bi.stock_position.node IS 'Code of the node.';
COMMENT ON COLUMN retail_bi.stock_position.node_kind IS 'warehouse, store, supplier or virtual.';
COMMENT ON COLUMN retail_bi.stock_position.region IS 'Code of the region in which the node lies.';
COMMENT ON COLUMN retail_bi.stock_position.on_hand IS 'Sellable units that lie there; below zero when sales were reported before receipts.';
COMMENT ON COLUMN retail_bi.stock_position.reserved IS 'Units promised to orders and holds.';
COMMENT ON COLUMN retail_bi.stock_position.in_transit IS 'Units on their way to the node.';
COMMENT ON COLUMN retail_bi.stock_position.damaged IS 'Units that lie there damaged.';
COMMENT ON COLUMN retail_bi.stock_position.quality_hold IS 'Units that wait for inspection.';
COMMENT ON COLUMN retail_bi.stock_position.free IS 'on_hand - reserved: promised to nobody, safety stock included.';
COMMENT ON COLUMN retail_bi.stock_position.updated_at IS 'Time of the last change.';

CREATE VIEW retail_bi.stock_by_sku WITH (security_invoker = true) AS
SELECT k.code AS sku, k.name AS sku_name, c.code AS category, n.kind AS node_kind, count(*) AS nodes,
	count(*) FILTER (WHERE s.on_hand <= s.reserved) AS nodes_stocked_out,
	sum(s.on_hand)::bigint AS on_hand, sum(s.reserved)::bigint AS reserved, sum(s.in_transit)::bigint AS in_transit,
	sum(s.damaged)::bigint AS damaged, sum(s.quality_hold)::bigint AS quality_hold, sum(s.on_hand - s.reserved)::bigint AS free
FROM retail.stock s JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id) LEFT JOIN retail.category c ON c.category_id = k.category_id
GROUP BY k.code, k.name, c.code, n.kind;
COMMENT ON VIEW retail_bi.stock_by_sku IS 'Stock of each SKU in the whole chain, by kind of node, in base units.';
COMMENT ON COLUMN retail_bi.stock_by_sku.sku IS 'Code of the SKU.';
COMMENT ON COLUMN retail_bi.stock_by_sku.sku_name IS 'Its name.';
COMMENT ON COLUMN retail_bi.stock_by_sku.category IS 'Code of its category.';
COMMENT ON COLUMN retail_bi.stock_by_sku.node_kind IS 'warehouse, store, supplier or virtual.';
COMMENT ON COLUMN retail_bi.stock_by_sku.nodes IS 'Nodes of this kind that have ever kept the SKU.';
COMMENT ON COLUMN retail_bi.stock_by_sku.nodes_stocked_out IS 'Those of them where nothing is free.';
COMMENT ON COLUMN retail_bi.stock_by_sku.on_hand IS 'Sellable units.';
COMMENT ON COLUMN retail_bi.stock_by_sku.reserved IS 'Units promised to orders and holds.';
COMMENT ON COLUMN retail_bi.stock_by_sku.in_transit IS 'Units on their way to these nodes.';
COMMENT ON COLUMN retail_bi.stock_by_sku.damaged IS 'Damaged units.';
COMMENT ON COLUMN retail_bi.stock_by_sku.quality_hold IS 'Units that wait for inspection.';
COMMENT ON COLUMN retail_bi.stock_by_sku.free IS 'on_hand - reserved.';

CREATE VIEW retail_bi.over_promised WITH (security_invoker = true) AS
SELECT k.code AS sku, k.name AS sku_name, n.code AS node, n.kind AS node_kind, s.on_hand, s.reserved, s.reserved - s.on_hand AS lacking, s.updated_at
FROM retail.stock s JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id)
WHERE s.reserved > s.on_hand;
COMMENT ON VIEW retail_bi.over_promised IS 'Where more is promised than lies there, because stock was lost, or sold offline, after the promise.';
COMMENT ON COLUMN retail_bi.over_promised.sku IS 'Code of the SKU.';
COMMENT ON COLUMN retail_bi.over_promised.sku_name IS 'Its name.';
COMMENT ON COLUMN retail_bi.over_promised.node IS 'Code of the node.';
COMMENT ON COLUMN retail_bi.over_promised.node_kind IS 'warehouse, store, supplier or virtual.';
COMMENT ON COLUMN retail_bi.over_promised.on_hand IS 'Sellable units that lie there.';
COMMENT ON COLUMN retail_bi.over_promised.reserved IS 'Units promised to orders and holds.';
COMMENT ON COLUMN retail_bi.over_promised.lacking IS 'reserved - on_hand.';
COMMENT ON COLUMN retail_bi.over_promised.updated_at IS 'Time of the last change.';

-- Orders and their lines are added up side by side, not joined first: an order
-- counts once whatever its lines, and a filter on the day reaches both halves.
CREATE VIEW retail_bi.order_daily WITH (security_invoker = true) AS
SELECT x.day, c.code AS channel, sum(x.orders)::bigint AS orders, sum(x.units)::bigint AS units, sum(x.goods_total) AS goods_total, sum(x.discount) AS discount,
	sum(x.freight) AS freight, sum(x.cancelled)::bigint AS cancelled_orders, sum(x.delivered)::bigint AS delivered_orders
FROM (
	SELECT (o.placed_at AT TIME ZONE 'UTC')::date AS day, o.channel_id, 1 AS orders, 0::bigint AS units, o.goods_total, o.discount_total AS discount,
		o.freight_total AS freight, (o.status = 'cancelled')::int AS cancelled, (o.status = 'delivered')::int AS delivered
	FROM retail.sales_order o
	UNION ALL
	SELECT (o.placed_at AT TIME ZONE 'UTC')::date, o.channel_id, 0, l.quantity, 0, 0, 0, 0, 0
	FROM retail.sales_order o JOIN retail.order_line l USING (order_id)
) x JOIN retail.channel c USING (channel_id)
GROUP BY x.day, c.code;
COMMENT ON VIEW retail_bi.order_daily IS 'Orders as placed, by day and channel; what was cancelled later is in the figures.';
COMMENT ON COLUMN retail_bi.order_daily.day IS 'UTC date on which they were placed.';
COMMENT ON COLUMN retail_bi.order_daily.channel IS 'Code of the channel.';
COMMENT ON COLUMN retail_bi.order_daily.orders IS 'Number of orders.';
COMMENT ON COLUMN retail_bi.order_daily.units IS 'Base units ordered.';
COMMENT ON COLUMN retail_bi.order_daily.goods_total IS 'Quantity times unit price, before discount.';
COMMENT ON COLUMN retail_bi.order_daily.discount IS 'Discounts of the lines.';
COMMENT ON COLUMN retail_bi.order_daily.freight IS 'Freight charged to customers.';
COMMENT ON COLUMN retail_bi.order_daily.cancelled_orders IS 'Orders that are now cancelled altogether.';
COMMENT ON COLUMN retail_bi.order_daily.delivered_orders IS 'Orders that are now delivered altogether.';

CREATE VIEW retail_bi.fulfilment_daily WITH (security_invoker = true) AS
SELECT (s.planned_at AT TIME ZONE 'UTC')::date AS day, n.code AS node, s.kind, count(*) AS parcels,
	sum(s.freight_cost) AS freight_cost, sum(s.handling_cost) AS handling_cost,
	count(*) FILTER (WHERE s.delivered_at IS NOT NULL) AS delivered,
	round(avg((s.delivered_at <= s.promised_at)::int) FILTER (WHERE s.delivered_at IS NOT NULL), 4) AS on_time_rate,
	round(avg(extract(epoch FROM s.shipped_at - o.placed_at)) / 3600, 2) AS hours_to_ship,
	round(avg(extract(epoch FROM s.delivered_at - o.placed_at)) / 3600, 2) AS hours_to_deliver
FROM retail.shipment s JOIN retail.sales_order o USING (order_id) JOIN retail.node n ON n.node_id = s.node_id
WHERE s.status <> 'cancelled'
GROUP BY 1, n.code, s.kind;
COMMENT ON VIEW retail_bi.fulfilment_daily IS 'Parcels that are not cancelled, by the day on which they were planned, node and kind.';
COMMENT ON COLUMN retail_bi.fulfilment_daily.day IS 'UTC date on which they were planned.';
COMMENT ON COLUMN retail_bi.fulfilment_daily.node IS 'Code of the node that packs them.';
COMMENT ON COLUMN retail_bi.fulfilment_daily.kind IS 'ship, pick_up or counter.';
COMMENT ON COLUMN retail_bi.fulfilment_daily.parcels IS 'Number of parcels.';
COMMENT ON COLUMN retail_bi.fulfilment_daily.freight_cost IS 'Freight by rate card, the chain''s cost.';
COMMENT ON COLUMN retail_bi.fulfilment_daily.handling_cost IS 'Handling at the node.';
COMMENT ON COLUMN retail_bi.fulfilment_daily.delivered IS 'Parcels that the customer has.';
COMMENT ON COLUMN retail_bi.fulfilment_daily.on_time_rate IS 'Share, 0 to 1, of the delivered parcels with a promise that came by the promised time.';
COMMENT ON COLUMN retail_bi.fulfilment_daily.hours_to_ship IS 'Mean hours from the order to leaving the node.';
COMMENT ON COLUMN retail_bi.fulfilment_daily.hours_to_deliver IS 'Mean hours from the order to delivery or collection.';

CREATE VIEW retail_bi.order_split WITH (security_invoker = true) AS
SELECT p.parcels, count(*) AS orders, round(count(*) / sum(count(*)) OVER (), 4) AS share
FROM (SELECT s.order_id, count(*) AS parcels FROM retail.shipment s WHERE s.kind = 'ship' AND s.status <> 'cancelled' GROUP BY s.order_id) p
GROUP BY p.parcels;
COMMENT ON VIEW retail_bi.order_split IS 'How many parcels shipped orders need; pick-ups, counter sales and cancelled parcels do not count.';
COMMENT ON COLUMN retail_bi.order_split.parcels IS 'Parcels of an order.';
COMMENT ON COLUMN retail_bi.order_split.orders IS 'Number of orders with so many.';
COMMENT ON COLUMN retail_bi.order_split.share IS 'Their share, 0 to 1.';

CREATE VIEW retail_bi.movement_daily WITH (security_invoker = true) AS
SELECT (m.occurred_at AT TIME ZONE 'UTC')::date AS day, n.code AS node, m.reason, m.condition, sum(m.quantity)::bigint AS units
FROM retail.movement m JOIN retail.node n USING (node_id)
GROUP BY 1, n.code, m.reason, m.condition;
COMMENT ON VIEW retail_bi.movement_daily IS 'The stock ledger by day, node, reason and condition.';
COMMENT ON COLUMN retail_bi.movement_daily.day IS 'UTC date on which it happened.';
COMMENT ON COLUMN retail_bi.movement_daily.node IS 'Code of the node.';
COMMENT ON COLUMN retail_bi.movement_daily.reason IS 'receipt, sale, return, count, transfer_out, transfer_in, inspection or the reason of an adjustment.';
COMMENT ON COLUMN retail_bi.movement_daily.condition IS 'sellable, in_transit, damaged or quality_hold.';
COMMENT ON COLUMN retail_bi.movement_daily.units IS 'Net base units, signed.';

CREATE VIEW retail_bi.allocation_daily WITH (security_invoker = true) AS
SELECT (d.decided_at AT TIME ZONE 'UTC')::date AS day, count(*) AS decisions, round(avg(d.cost), 2) AS avg_cost,
	round(avg(d.is_exact::int), 4) AS exact_share, round(avg((d.n_parcels > 1)::int), 4) AS split_share
FROM retail.allocation_decision d
GROUP BY 1;
COMMENT ON VIEW retail_bi.allocation_daily IS 'Allocation decisions by day.';
COMMENT ON COLUMN retail_bi.allocation_daily.day IS 'UTC date of the decision.';
COMMENT ON COLUMN retail_bi.allocation_daily.decisions IS 'Number of decisions.';
COMMENT ON COLUMN retail_bi.allocation_daily.avg_cost IS 'Mean cost of the chosen plan under its policy.';
COMMENT ON COLUMN retail_bi.allocation_daily.exact_share IS 'Share, 0 to 1, of plans proven cheapest.';
COMMENT ON COLUMN retail_bi.allocation_daily.split_share IS 'Share, 0 to 1, of plans with more than one parcel.';

GRANT SELECT ON retail_bi.stock_position, retail_bi.stock_by_sku, retail_bi.over_promised, retail_bi.order_daily, retail_bi.fulfilment_daily,
	retail_bi.order_split, retail_bi.movement_daily, retail_bi.allocation_daily TO retail_admin, retail_bi;
