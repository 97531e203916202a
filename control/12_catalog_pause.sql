-- 12_catalog_pause.sql: a node that takes nothing new for a while.

CREATE FUNCTION retail.end_of_local_day(node_id bigint, as_of timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT ((as_of AT TIME ZONE n.time_zone)::date + 1)::timestamp AT TIME ZONE n.time_zone FROM retail.node n WHERE n.node_id = $1
$$;
COMMENT ON FUNCTION retail.end_of_local_day(bigint, timestamptz) IS 'Internal: the midnight that ends a node''s own day.';

CREATE FUNCTION retail.pause_node(node text, until timestamptz DEFAULT NULL, reason text DEFAULT 'closed', as_of timestamptz DEFAULT now()) RETURNS timestamptz
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	n bigint := retail.node_id(node, 'known');
BEGIN
	PERFORM retail.check_node_access(n), retail.check_time(as_of, 'as_of'), retail.check_text(reason, 'reason');
	until := coalesce(until, retail.end_of_local_day(n, as_of));
	IF NOT (until > as_of AND until <= as_of + interval '366 days') THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'invalid end of a pause', DETAIL = format('until is %s, as_of is %s.', until, as_of),
			HINT = 'Give a time within a year after as_of, or null for the end of the node''s day; close a node for good with retail.put_node(is_active => false).';
	END IF;
	UPDATE retail.node x SET paused_until = until, pause_reason = reason WHERE x.node_id = n AND (x.paused_until, x.pause_reason) IS DISTINCT FROM (until, reason);
	RETURN until;
END $$;
COMMENT ON FUNCTION retail.pause_node(text, timestamptz, text, timestamptz) IS
'Gives a node nothing new, neither parcels nor pick-ups, until a time (null: the end of its local day); what it has stays. Returns until. Raises RT002, RT014, RT015, RT040.';

CREATE FUNCTION retail.resume_node(node text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	n bigint := retail.node_id(node, 'known');
BEGIN
	PERFORM retail.check_node_access(n);
	UPDATE retail.node x SET paused_until = NULL, pause_reason = NULL WHERE x.node_id = n AND x.paused_until IS NOT NULL;
	RETURN FOUND;
END $$;
COMMENT ON FUNCTION retail.resume_node(text) IS 'Ends a pause of a node; false when there was none. Raises RT002, RT040.';

GRANT EXECUTE ON FUNCTION retail.pause_node(text, timestamptz, text, timestamptz), retail.resume_node(text) TO retail_admin, retail_app, retail_store;
