-- 0.2.0/10_catalog.sql: a lane cannot end at NaN kilometres (NaN sorts above
-- every number and passed the check of the band); whoever may write master
-- data may also tell the caches; a supplier sees what a SKU and a node are, not
-- what they cost; a node may be paused.
ALTER TABLE retail.lane ADD CONSTRAINT lane_to_km_check CHECK (to_km <= 'Infinity');

ALTER FUNCTION retail.catalog_changed() SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp;

REVOKE SELECT ON retail.sku, retail.node FROM retail_supplier;
GRANT SELECT (sku_id, code, name, category_id, supplier_id, base_unit, weight_g, volume_cm3, shelf_life_days, temperature_class, is_active) ON retail.sku TO retail_supplier;
GRANT SELECT (node_id, code, name, kind, region_id, can_ship, can_pick_up, can_receive, is_active) ON retail.node TO retail_supplier;

-- A node may take a break: nothing new is given to it before paused_until.
ALTER TABLE retail.node ADD COLUMN paused_until timestamptz, ADD COLUMN pause_reason text,
	ADD CONSTRAINT node_pause CHECK ((paused_until IS NULL) = (pause_reason IS NULL));
COMMENT ON COLUMN retail.node.paused_until IS 'It gets no new orders before this time; null, or in the past: not paused.';
COMMENT ON COLUMN retail.node.pause_reason IS 'Why it is, or was, paused.';
