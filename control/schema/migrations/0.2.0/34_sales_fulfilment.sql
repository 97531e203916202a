-- 0.2.0/34_sales_fulfilment.sql: which lines of an order came from a bundle;
-- orders that are shipped to a store and collected there.

-- Invariant: of a line, the bundles hold at most its quantity; their amounts
-- are the parts of what the bundle cost.
CREATE TABLE retail.order_bundle (
	order_id		bigint NOT NULL REFERENCES retail.sales_order,
	bundle_sku_id	bigint NOT NULL,
	line_no			integer NOT NULL,
	bundles			bigint NOT NULL CHECK (bundles > 0),
	quantity		bigint NOT NULL CHECK (quantity > 0),
	amount			numeric(14,2) NOT NULL CHECK (amount >= 0),
	PRIMARY KEY (order_id, bundle_sku_id, line_no),
	FOREIGN KEY (order_id, line_no) REFERENCES retail.order_line,
	CHECK (quantity % bundles = 0)
);
COMMENT ON TABLE retail.order_bundle IS 'Bundles of an order as placed: which of its lines are their components.';
COMMENT ON COLUMN retail.order_bundle.order_id IS 'The order.';
COMMENT ON COLUMN retail.order_bundle.bundle_sku_id IS 'The bundle that was ordered.';
COMMENT ON COLUMN retail.order_bundle.line_no IS 'The order line of a component.';
COMMENT ON COLUMN retail.order_bundle.bundles IS 'How many of the bundle were ordered.';
COMMENT ON COLUMN retail.order_bundle.quantity IS 'Base units of the component in all of them.';
COMMENT ON COLUMN retail.order_bundle.amount IS 'Share of the component in what they cost, to the cent; part of the amount of the line.';

ALTER TABLE retail.order_bundle ENABLE ROW LEVEL SECURITY;
CREATE POLICY order_bundle_chain ON retail.order_bundle FOR SELECT TO retail_admin, retail_app, retail_service, retail_bi USING (true);
CREATE POLICY order_bundle_store ON retail.order_bundle FOR SELECT TO retail_store
	USING (EXISTS (SELECT FROM retail.sales_order o WHERE o.order_id = order_bundle.order_id));
GRANT SELECT ON retail.order_bundle TO retail_admin, retail_app, retail_service, retail_store, retail_bi;

ALTER TABLE retail.sales_order DROP CONSTRAINT sales_order_fulfilment_check;
ALTER TABLE retail.sales_order ADD CONSTRAINT sales_order_fulfilment_check CHECK (fulfilment IN ('ship', 'pick_up', 'ship_to_store', 'counter'));
COMMENT ON COLUMN retail.sales_order.fulfilment IS 'ship, pick_up (collected at a node), ship_to_store (collected at a store, which others send to) or counter (sold at a till).';
ALTER TABLE retail.shipment DROP CONSTRAINT shipment_kind_check;
ALTER TABLE retail.shipment ADD CONSTRAINT shipment_kind_check CHECK (kind IN ('ship', 'pick_up', 'ship_to_store', 'counter'));
-- No foreign key, like its other keys: it is the order's pick-up node, which
-- check_sales_integrity() sees to.
ALTER TABLE retail.shipment ADD COLUMN to_node_id bigint;
CREATE INDEX shipment_to_node ON retail.shipment (to_node_id) WHERE to_node_id IS NOT NULL;
COMMENT ON COLUMN retail.shipment.kind IS 'ship, pick_up, ship_to_store or counter.';
COMMENT ON COLUMN retail.shipment.to_node_id IS 'With ship_to_store: the store where it is collected.';
COMMENT ON COLUMN retail.shipment.status IS 'planned, shipped, ready (waits at the counter: of a pick-up before, with ship_to_store after it was shipped), delivered or cancelled.';
COMMENT ON COLUMN retail.shipment.shipped_at IS 'When it left; null: it has not left.';
GRANT SELECT (to_node_id) ON retail.shipment TO retail_bi;
-- Both the store that sends and the one that receives see a parcel.
DROP POLICY shipment_store ON retail.shipment;
CREATE POLICY shipment_store ON retail.shipment FOR SELECT TO retail_store
	USING (node_id = ANY (ARRAY(SELECT p.node_id FROM retail.principal p WHERE p.role_name = current_user))
		OR to_node_id = ANY (ARRAY(SELECT p.node_id FROM retail.principal p WHERE p.role_name = current_user)));
