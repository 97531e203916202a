-- 0.2.0/21_inventory_recount.sql: goods whose shelf is doubted, because some of
-- them were not found, are on quality hold until somebody has counted.

CREATE TABLE retail.stock_recount (
	sku_id		bigint NOT NULL,
	node_id		bigint NOT NULL,
	quantity	bigint NOT NULL CHECK (quantity >= 0),
	asked_at	timestamptz NOT NULL,
	PRIMARY KEY (sku_id, node_id)
);
CREATE INDEX stock_recount_node ON retail.stock_recount (node_id);
COMMENT ON TABLE retail.stock_recount IS 'What a node has to count, because a picker did not find it; count_stock() ends it.';
COMMENT ON COLUMN retail.stock_recount.sku_id IS 'The SKU.';
COMMENT ON COLUMN retail.stock_recount.node_id IS 'The node.';
COMMENT ON COLUMN retail.stock_recount.quantity IS 'Units that nobody had been promised and that are on quality hold until then.';
COMMENT ON COLUMN retail.stock_recount.asked_at IS 'When it was last doubted; a count of that moment or later settles it.';

ALTER TABLE retail.stock_recount ENABLE ROW LEVEL SECURITY;
CREATE POLICY stock_recount_chain ON retail.stock_recount FOR SELECT TO retail_admin, retail_app, retail_service, retail_bi USING (true);
CREATE POLICY stock_recount_store ON retail.stock_recount FOR SELECT TO retail_store
	USING (node_id IN (SELECT p.node_id FROM retail.principal p WHERE p.role_name = current_user));
GRANT SELECT ON retail.stock_recount TO retail_admin, retail_app, retail_service, retail_store, retail_bi;
