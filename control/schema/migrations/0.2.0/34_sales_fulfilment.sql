-- 0.2.0/34_sales_fulfilment.sql: which lines of an order came from a bundle.

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
