-- 40_allocation.sql: the policies that weigh which node fulfils what, and the
-- check of the decisions.  Deciding itself is C (src/allocation), called by
-- place_order() and quote_order() of the sales room.

CREATE FUNCTION retail.check_weight(value numeric, argument text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	-- NaN and Infinity sort above every number.
	IF NOT coalesce(value BETWEEN 0 AND 1000 AND pg_catalog.scale(pg_catalog.trim_scale(value)) <= 4, false) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid weight for ' || argument,
			DETAIL = pg_catalog.format('%s is %s.', argument, coalesce(value::text, 'null')),
			HINT = 'Give a factor from 0 (does not count) to 1000, with at most four decimals; 1 counts the amount as it is.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_weight(numeric, text) IS 'Internal: raises RT016 unless the weight is a number from 0 to 1000 with at most four decimals.';

CREATE FUNCTION retail.make_policy_active(the_policy bigint, the_channel bigint) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	UPDATE retail.allocation_policy p SET status = 'retired' WHERE p.status = 'active' AND p.channel_id IS NOT DISTINCT FROM the_channel AND p.policy_id <> the_policy;
	UPDATE retail.allocation_policy p SET status = 'active' WHERE p.policy_id = the_policy AND p.status <> 'active';
$$;
COMMENT ON FUNCTION retail.make_policy_active(bigint, bigint) IS 'Internal: makes a policy the active one of its channel in the place of what was.';

CREATE FUNCTION retail.put_allocation_policy(code text, status text DEFAULT 'draft', channel text DEFAULT NULL, split_penalty numeric DEFAULT 2,
	lateness_per_day numeric DEFAULT 1, target_hours int DEFAULT 48, max_parcels int DEFAULT NULL, allow_line_split boolean DEFAULT true,
	scarcity_weight numeric DEFAULT 1, markdown_weight numeric DEFAULT 1, max_reroutes int DEFAULT 3, reoptimise_minutes int DEFAULT 60) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_channel bigint := CASE WHEN channel IS NOT NULL THEN retail.channel_id(channel) END;
	next_version int;
	the_policy bigint;
BEGIN
	PERFORM retail.check_text(code, 'code', 60),
		retail.check_argument(position('@' IN code) = 0, 'code', code, 'Leave out the @: it divides a code from a version.', 'RT015'),
		retail.check_money(split_penalty, 'split_penalty'), retail.check_money(lateness_per_day, 'lateness_per_day'),
		retail.check_weight(scarcity_weight, 'scarcity_weight'), retail.check_weight(markdown_weight, 'markdown_weight'),
		retail.check_argument(max_reroutes BETWEEN 0 AND 100, 'max_reroutes', max_reroutes::text, 'Give how often an order is routed again, from 0 to 100.'),
		retail.check_argument(reoptimise_minutes BETWEEN 0 AND 43200, 'reoptimise_minutes', reoptimise_minutes::text, 'Give minutes, from 0 (never) to 43200 (30 days).');
	IF status IS NULL OR status NOT IN ('draft', 'shadow', 'active') OR target_hours IS NULL OR target_hours NOT BETWEEN 0 AND 2400 OR max_parcels < 1
	   OR allow_line_split IS NULL OR split_penalty > 1000000 OR lateness_per_day > 1000000 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid allocation policy',
			DETAIL = format('status %s, target_hours %s, max_parcels %s, split_penalty %s, lateness_per_day %s.', status, target_hours, max_parcels, split_penalty, lateness_per_day),
			HINT = 'status is draft, shadow or active, target_hours 0 to 2400, max_parcels at least 1 or null, penalties at most 1000000.';
	END IF;
	PERFORM pg_advisory_xact_lock(hashtext('pg_retail'), 2);
	SELECT coalesce(max(p.version), 0) + 1 INTO next_version FROM retail.allocation_policy p WHERE p.code = code;
	IF status = 'shadow' THEN
		UPDATE retail.allocation_policy p SET status = 'retired' WHERE p.code = code AND p.status = 'shadow' AND p.channel_id IS NOT DISTINCT FROM the_channel;
	END IF;
	INSERT INTO retail.allocation_policy (code, version, status, channel_id, split_penalty, lateness_per_day, target_hours, max_parcels, allow_line_split,
			scarcity_weight, markdown_weight, max_reroutes, reoptimise_minutes)
		VALUES (code, next_version, CASE WHEN status = 'active' THEN 'draft' ELSE status END, the_channel, split_penalty, lateness_per_day, target_hours, max_parcels,
			allow_line_split, scarcity_weight, markdown_weight, max_reroutes, reoptimise_minutes)
		RETURNING policy_id INTO the_policy;
	IF status = 'active' THEN
		PERFORM retail.make_policy_active(the_policy, the_channel);
	END IF;
	RETURN next_version;
END $$;
COMMENT ON FUNCTION retail.put_allocation_policy(text, text, text, numeric, numeric, int, int, boolean, numeric, numeric, int, int) IS
'Writes a new version of an allocation policy and returns its number. active retires what was active for the channel (null: all channels without one of their own); draft is only used when named; shadow is decided for every order of the channel (null: all) beside the active one, and recorded in retail.allocation_shadow without acting. Raises RT003, RT012, RT015, RT016.';

CREATE FUNCTION retail.lock_policy(code text, version int, OUT policy_id bigint, OUT channel_id bigint, OUT status text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('pg_retail'), 2);
	SELECT p.policy_id, p.channel_id, p.status INTO policy_id, channel_id, status FROM retail.allocation_policy p WHERE p.code = code AND p.version = version;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown allocation policy',
			DETAIL = format('Policy %s has no version %s.', coalesce('"' || left(code, 200) || '"', 'null'), coalesce(version::text, 'null')),
			HINT = 'See SELECT code, version, status FROM retail.allocation_policy.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.lock_policy(text, int) IS 'Internal: keeps other changes of policies out until the transaction ends, and finds a version. Raises RT005.';

CREATE FUNCTION retail.activate_policy(code text, version int) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	p record;
BEGIN
	SELECT * INTO p FROM retail.lock_policy(code, version);
	PERFORM retail.make_policy_active(p.policy_id, p.channel_id);
	RETURN p.status;
END $$;
COMMENT ON FUNCTION retail.activate_policy(text, int) IS
'Lets an existing version (a draft, a shadow, or a retired one: the way back) decide from now on, in the place of what was active for its channel. Returns the status that it had; an active one stays as it is. Raises RT005.';

CREATE FUNCTION retail.retire_policy(code text, version int) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	p record;
BEGIN
	SELECT * INTO p FROM retail.lock_policy(code, version);
	IF p.status = 'active' AND p.channel_id IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'the active policy of all channels cannot be retired',
			DETAIL = format('Policy "%s" version %s decides for every channel without one of its own.', code, version),
			HINT = 'Activate another version or policy with retail.activate_policy(); this one is then retired.';
	END IF;
	UPDATE retail.allocation_policy x SET status = 'retired' WHERE x.policy_id = p.policy_id AND x.status <> 'retired';
	RETURN p.status;
END $$;
COMMENT ON FUNCTION retail.retire_policy(text, int) IS
'Takes a version out of use: a draft, a shadow, or the active one of a channel, which falls back to that of all channels. Returns the status that it had. Raises RT005, RT016 (the active policy of all channels).';

CREATE FUNCTION retail.check_allocation_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT 3, format('order %s', o.order_id), 'has no allocation decision'
	FROM retail.sales_order o WHERE o.fulfilment <> 'counter' AND NOT EXISTS (SELECT FROM retail.allocation_decision d WHERE d.order_id = o.order_id)
		AND (retail.needs_history(o.order_id) OR o.placed_at >= coalesce((SELECT max(l.cutoff) FROM retail.retention_log l WHERE l.kind = 'allocation_decision'), '-infinity'))
	UNION ALL
	SELECT 3, format('decision of order %s', d.order_id), format('cost %s is below its lower bound %s', d.cost, d.lower_bound)
	FROM retail.allocation_decision d WHERE d.cost < d.lower_bound OR (d.is_exact AND d.cost <> d.lower_bound)
	UNION ALL
	SELECT 3, format('shadow of order %s', s.order_id), format('policy %s shadows a decision of %s that does not exist', s.policy_id, s.decided_at)
	FROM retail.allocation_shadow s WHERE NOT EXISTS (SELECT FROM retail.allocation_decision d WHERE d.order_id = s.order_id AND d.decided_at = s.decided_at)
$$;
COMMENT ON FUNCTION retail.check_allocation_integrity() IS 'Every order that is fulfilled from stock has a decision, unless run_retention() may have removed it, none claims to beat its bound, and shadows follow decisions.';

GRANT EXECUTE ON FUNCTION retail.put_allocation_policy(text, text, text, numeric, numeric, int, int, boolean, numeric, numeric, int, int),
	retail.activate_policy(text, int), retail.retire_policy(text, int), retail.check_allocation_integrity() TO retail_admin;
