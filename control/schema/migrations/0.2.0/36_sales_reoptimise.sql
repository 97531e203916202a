-- 0.2.0/36_sales_reoptimise.sql: parcels are released to the floor, and until
-- then orders may be planned again together.

-- Invariant: a parcel that is released stays as it was planned, but for what
-- is cancelled or refused.
ALTER TABLE retail.shipment ADD COLUMN released_at timestamptz;
COMMENT ON COLUMN retail.shipment.released_at IS 'When it was released to the floor by release_parcels(); null: not yet, or it was made ready or shipped without. Until then run_reoptimise() may replace it.';
GRANT SELECT (released_at) ON retail.shipment TO retail_bi;

-- Off until stores and warehouses work by release_parcels(): where they pick
-- whatever is planned, a parcel must not change under their hands.
INSERT INTO retail.task (name, function_name, run_every, description, enabled) VALUES
	('reoptimise', 'run_reoptimise', interval '5 minutes', 'Plans orders again together whose parcels are not on the floor yet.', false)
	ON CONFLICT (name) DO NOTHING;
