-- 0.2.0/10_catalog.sql: a lane cannot end at NaN kilometres: NaN sorts above
-- every number and passed the check of the band.
ALTER TABLE retail.lane ADD CONSTRAINT lane_to_km_check CHECK (to_km <= 'Infinity');
