-- 40_allocation.sql: the policies that weigh which node fulfils what, and the
-- check of the decisions.  Deciding itself is C (src/allocation), called by
-- place_order() and quote_order() of the sales room.

CREATE FUNCTION retail.put_allocation_policy(code text, status text DEFAULT 'draft', channel text DEFAULT NULL, split_penalty numeric DEFAULT 2,
	lateness_per_day numeric DEFAULT 1, target_hours int DEFAULT 48, max_parcels int DEFAULT NULL, allow_line_split boolean DEFAULT true) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_channel bigint := CASE WHEN channel IS NOT NULL THEN retail.channel_id(channel) END;
	next_version int;
BEGIN
	PERFORM retail.check_text(code, 'code', 60);
	PERFORM retail.check_money(split_penalty, 'split_penalty');
	PERFORM retail.check_money(lateness_per_day, 'lateness_per_day');
	IF status IS NULL OR status NOT IN ('draft', 'active') OR target_hours IS NULL OR target_hours NOT BETWEEN 0 AND 2400 OR max_parcels < 1
	   OR allow_line_split IS NULL OR split_penalty > 1000000 OR lateness_per_day > 1000000 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid allocation policy',
			DETAIL = format('status %s, target_hours %s, max_parcels %s, split_penalty %s, lateness_per_day %s.', status, target_hours, max_parcels, split_penalty, lateness_per_day),
			HINT = 'status is draft or active, target_hours 0 to 2400, max_parcels at least 1 or null, penalties at most 1000000.';
	END IF;
	PERFORM pg_advisory_xact_lock(hashtext('pg_retail'), 2);
	SELECT coalesce(max(p.version), 0) + 1 INTO next_version FROM retail.allocation_policy p WHERE p.code = code;
	IF status = 'active' THEN
		UPDATE retail.allocation_policy p SET status = 'retired' WHERE p.status = 'active' AND p.channel_id IS NOT DISTINCT FROM the_channel;
	END IF;
	INSERT INTO retail.allocation_policy (code, version, status, channel_id, split_penalty, lateness_per_day, target_hours, max_parcels, allow_line_split)
		VALUES (code, next_version, status, the_channel, split_penalty, lateness_per_day, target_hours, max_parcels, allow_line_split);
	RETURN next_version;
END $$;
COMMENT ON FUNCTION retail.put_allocation_policy(text, text, text, numeric, numeric, int, int, boolean) IS
'Writes a new version of an allocation policy and returns its number. active retires what was active for the channel (null: all channels without one of their own); draft is only used when named. Raises RT003, RT012, RT015, RT016.';

CREATE FUNCTION retail.check_allocation_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT 3, format('order %s', o.order_id), 'has no allocation decision'
	FROM retail.sales_order o WHERE o.fulfilment <> 'counter' AND NOT EXISTS (SELECT FROM retail.allocation_decision d WHERE d.order_id = o.order_id)
	UNION ALL
	SELECT 3, format('decision of order %s', d.order_id), format('cost %s is below its lower bound %s', d.cost, d.lower_bound)
	FROM retail.allocation_decision d WHERE d.cost < d.lower_bound OR (d.is_exact AND d.cost <> d.lower_bound)
$$;
COMMENT ON FUNCTION retail.check_allocation_integrity() IS 'Every order that is fulfilled from stock has a decision, and none claims to beat its bound.';

GRANT EXECUTE ON FUNCTION retail.put_allocation_policy(text, text, text, numeric, numeric, int, int, boolean), retail.check_allocation_integrity() TO retail_admin;
