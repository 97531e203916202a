-- 0.2.0/11_catalog_bundle.sql: bundles, SKUs that consist of others.

-- Invariant: is_bundle tells whether the SKU has components; a bundle has no
-- stock, and is not a component itself.
ALTER TABLE retail.sku ADD COLUMN is_bundle boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN retail.sku.is_bundle IS 'It consists of other SKUs (retail.bundle_component) and has no stock of its own; set by put_bundle().';
GRANT SELECT (is_bundle) ON retail.sku TO retail_supplier;

CREATE TABLE retail.bundle_component (
	bundle_sku_id	bigint NOT NULL REFERENCES retail.sku,
	sku_id			bigint NOT NULL REFERENCES retail.sku,
	quantity		bigint NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
	PRIMARY KEY (bundle_sku_id, sku_id),
	CHECK (bundle_sku_id <> sku_id)
);
CREATE INDEX bundle_component_sku ON retail.bundle_component (sku_id);
COMMENT ON TABLE retail.bundle_component IS 'What a bundle consists of; its components are packed in one parcel.';
COMMENT ON COLUMN retail.bundle_component.bundle_sku_id IS 'The bundle.';
COMMENT ON COLUMN retail.bundle_component.sku_id IS 'A component.';
COMMENT ON COLUMN retail.bundle_component.quantity IS 'Base units of the component in one bundle.';
GRANT SELECT ON retail.bundle_component TO retail_admin, retail_app, retail_store, retail_service, retail_bi, retail_supplier;
