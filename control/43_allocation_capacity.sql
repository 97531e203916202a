-- 43_allocation_capacity.sql: the counters of parcels in shared memory.

CREATE FUNCTION retail.note_parcel(node_id bigint, ship_by timestamptz) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_note_parcel';
COMMENT ON FUNCTION retail.note_parcel(bigint, timestamptz) IS 'Internal: a parcel was written that no decision has claimed a place for; the counter of its day rises, full or not. Called after the rows of stock.';

CREATE FUNCTION retail.day_counters() RETURNS TABLE (node_id bigint, day_begin timestamptz, parcels bigint)
LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1000 ROWS 1000 AS 'MODULE_PATHNAME', 'retail_day_counters';
COMMENT ON FUNCTION retail.day_counters() IS 'Internal: how many parcels the days of nodes hold at most, as shared memory has it; day_begin is the local midnight at which the day begins.';

CREATE FUNCTION retail.reset_day_counters() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'retail_reset_day_counters';
COMMENT ON FUNCTION retail.reset_day_counters() IS 'Has shared memory forget at once how many parcels the days of nodes hold, e.g. after retail.shipment was written by other means than the functions. They are counted anew on demand.';

GRANT EXECUTE ON FUNCTION retail.reset_day_counters() TO retail_admin;
