-- 91_worker_retention.sql: removing working rows that nobody needs any more.
--
-- Each run is a transaction of its own and removes a limited number of rows in
-- batches in the order of their keys; rows that others have locked are left
-- for the next run.  The books (orders, lines, parcels, movements, events,
-- payments, returns) stay, and so do policies: what is left can name them.

CREATE FUNCTION retail.put_retention(kind text, keep interval, as_of timestamptz DEFAULT now()) RETURNS interval
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	old retail.retention_rule;
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(put_retention.as_of, 'as_of');
	SELECT * INTO old FROM retail.retention_rule r WHERE r.kind = put_retention.kind FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown kind of rows', DETAIL = format('kind is %s.', coalesce('"' || left(put_retention.kind, 200) || '"', 'null')),
			HINT = 'See SELECT kind, description FROM retail.retention_rule.';
	END IF;
	IF put_retention.keep NOT BETWEEN interval '1 day' AND interval '100 years' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid time to keep rows', DETAIL = format('keep is %s.', put_retention.keep),
			HINT = 'Give 1 day to 100 years, or null to keep them for ever.';
	END IF;
	IF old.keep IS DISTINCT FROM put_retention.keep THEN
		UPDATE retail.retention_rule r SET keep = put_retention.keep, changed_at = put_retention.as_of, changed_by = retail.caller() WHERE r.kind = old.kind;
		INSERT INTO retail.retention_log (kind, action, at, actor, keep) VALUES (old.kind, 'rule', put_retention.as_of, retail.caller(), put_retention.keep);
	END IF;
	RETURN old.keep;
END $$;
COMMENT ON FUNCTION retail.put_retention(text, interval, timestamptz) IS
'Says how long rows of a kind (see retail.retention_rule) are kept: 1 day to 100 years, null for ever. Returns what it was. Raises RT005, RT014, RT016, RT050.';

CREATE FUNCTION retail.needs_history(order_id bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT NOT EXISTS (SELECT FROM retail.sales_order o WHERE o.order_id = $1 AND o.status IN ('shipped', 'delivered', 'cancelled'))
		OR EXISTS (SELECT FROM retail.order_line l WHERE l.order_id = $1 AND (l.backordered > 0 OR l.allocated > l.shipped))
		OR EXISTS (SELECT FROM retail.order_exception e WHERE e.order_id = $1 AND e.state = 'open')
		OR EXISTS (SELECT FROM retail.order_question q WHERE q.order_id = $1 AND q.state = 'open')
$$;
COMMENT ON FUNCTION retail.needs_history(bigint) IS 'Internal: may an order still be decided again? Everything of it has left or was cancelled, and nobody is asked about it, if not.';

CREATE FUNCTION retail.remove_batch(kind text, cutoff timestamptz, batch_size int, OUT removed bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
-- Planned for the cutoff: a plan for any would read a large table to find that nothing is old.
BEGIN
	CASE kind
	WHEN 'order_intake' THEN
		WITH old AS MATERIALIZED (
			SELECT i.channel_id, i.external_no FROM retail.order_intake i WHERE i.decided_at < cutoff AND i.state IN ('placed', 'refused')
				AND NOT EXISTS (SELECT FROM retail.order_exception e WHERE i.state = 'refused' AND e.kind = 'intake' AND e.state = 'open' AND e.channel_id = i.channel_id AND e.external_no = i.external_no)
			ORDER BY i.channel_id, i.external_no LIMIT batch_size FOR UPDATE OF i SKIP LOCKED)
		DELETE FROM retail.order_intake i USING old WHERE i.channel_id = old.channel_id AND i.external_no = old.external_no;
	WHEN 'allocation_shadow' THEN
		WITH old AS MATERIALIZED (
			SELECT s.order_id, s.decided_at, s.policy_id FROM retail.allocation_shadow s WHERE s.decided_at < cutoff
			ORDER BY s.order_id, s.decided_at, s.policy_id LIMIT batch_size FOR UPDATE SKIP LOCKED)
		DELETE FROM retail.allocation_shadow s USING old WHERE s.order_id = old.order_id AND s.decided_at = old.decided_at AND s.policy_id = old.policy_id;
	WHEN 'allocation_decision' THEN
		WITH old AS MATERIALIZED (
			SELECT d.order_id, d.decided_at FROM retail.allocation_decision d WHERE d.decided_at < cutoff AND NOT retail.needs_history(d.order_id)
			ORDER BY d.order_id, d.decided_at LIMIT batch_size FOR UPDATE SKIP LOCKED
		), shadows AS (
			DELETE FROM retail.allocation_shadow s USING old WHERE s.order_id = old.order_id AND s.decided_at = old.decided_at)
		DELETE FROM retail.allocation_decision d USING old WHERE d.order_id = old.order_id AND d.decided_at = old.decided_at;
	WHEN 'order_exception' THEN
		WITH old AS MATERIALIZED (
			SELECT e.exception_id FROM retail.order_exception e WHERE e.state = 'resolved' AND e.resolved_at < cutoff AND (e.order_id IS NULL OR NOT retail.needs_history(e.order_id))
			ORDER BY e.exception_id LIMIT batch_size FOR UPDATE SKIP LOCKED)
		DELETE FROM retail.order_exception e USING old WHERE e.exception_id = old.exception_id;
	WHEN 'order_question' THEN
		WITH old AS MATERIALIZED (
			SELECT q.question_id FROM retail.order_question q WHERE q.state <> 'open' AND q.closed_at < cutoff AND NOT retail.needs_history(q.order_id)
			ORDER BY q.question_id LIMIT batch_size FOR UPDATE SKIP LOCKED)
		DELETE FROM retail.order_question q USING old WHERE q.question_id = old.question_id;
	WHEN 'order_exclusion' THEN
		WITH old AS MATERIALIZED (
			SELECT x.order_id, x.node_id FROM retail.order_exclusion x WHERE x.excluded_at < cutoff AND NOT retail.needs_history(x.order_id)
			ORDER BY x.order_id, x.node_id LIMIT batch_size FOR UPDATE SKIP LOCKED)
		DELETE FROM retail.order_exclusion x USING old WHERE x.order_id = old.order_id AND x.node_id = old.node_id;
	WHEN 'shipment_rejection' THEN
		WITH old AS MATERIALIZED (
			SELECT j.rejection_id FROM retail.shipment_rejection j WHERE j.rejected_at < cutoff AND NOT retail.needs_history(j.order_id)
			ORDER BY j.rejection_id LIMIT batch_size FOR UPDATE SKIP LOCKED)
		DELETE FROM retail.shipment_rejection j USING old WHERE j.rejection_id = old.rejection_id;
	WHEN 'integrity_violation' THEN
		WITH old AS MATERIALIZED (
			SELECT v.integrity_violation_id FROM retail.integrity_violation v WHERE v.found_at < cutoff
			ORDER BY v.integrity_violation_id LIMIT batch_size FOR UPDATE SKIP LOCKED)
		DELETE FROM retail.integrity_violation v USING old WHERE v.integrity_violation_id = old.integrity_violation_id;
	WHEN 'event' THEN
		-- In no order: to sort what is old for each batch would cost more than to remove it.
		WITH old AS MATERIALIZED (
			SELECT e.source_id, e.external_id FROM retail.event e WHERE e.happened_at < cutoff LIMIT batch_size FOR UPDATE SKIP LOCKED)
		DELETE FROM retail.event e USING old WHERE e.source_id = old.source_id AND e.external_id = old.external_id;
	WHEN 'event_exception' THEN
		WITH old AS MATERIALIZED (
			SELECT x.event_exception_id FROM retail.event_exception x WHERE coalesce(x.resolved_at, x.raised_at) < cutoff
			ORDER BY x.event_exception_id LIMIT batch_size FOR UPDATE SKIP LOCKED)
		DELETE FROM retail.event_exception x USING old WHERE x.event_exception_id = old.event_exception_id;
	WHEN 'member_access' THEN
		WITH old AS MATERIALIZED (
			SELECT m.member_access_id FROM retail.member_access m WHERE m.accessed_at < cutoff
			ORDER BY m.member_access_id LIMIT batch_size FOR UPDATE SKIP LOCKED)
		DELETE FROM retail.member_access m USING old WHERE m.member_access_id = old.member_access_id;
	WHEN 'match_review' THEN
		WITH old AS MATERIALIZED (
			SELECT r.account_a, r.account_b FROM retail.match_review r WHERE r.state <> 'open' AND r.decided_at < cutoff
			ORDER BY r.account_a, r.account_b LIMIT batch_size FOR UPDATE SKIP LOCKED)
		DELETE FROM retail.match_review r USING old WHERE r.account_a = old.account_a AND r.account_b = old.account_b;
	WHEN 'account_exception' THEN
		WITH old AS MATERIALIZED (
			SELECT x.account_exception_id FROM retail.account_exception x WHERE x.resolved_at < cutoff
			ORDER BY x.account_exception_id LIMIT batch_size FOR UPDATE SKIP LOCKED)
		DELETE FROM retail.account_exception x USING old WHERE x.account_exception_id = old.account_exception_id;
	WHEN 'retention_log' THEN
		-- The last run of each kind says since when rows may be missing.
		WITH old AS MATERIALIZED (
			SELECT l.retention_log_id FROM retail.retention_log l WHERE l.at < remove_batch.cutoff
				AND EXISTS (SELECT FROM retail.retention_log n WHERE n.kind = l.kind AND n.action = l.action AND n.retention_log_id > l.retention_log_id AND (l.action = 'rule' OR n.cutoff >= l.cutoff))
			ORDER BY l.retention_log_id LIMIT batch_size FOR UPDATE SKIP LOCKED)
		DELETE FROM retail.retention_log l USING old WHERE l.retention_log_id = old.retention_log_id;
	END CASE;
	GET DIAGNOSTICS removed = ROW_COUNT;
END $$;
COMMENT ON FUNCTION retail.remove_batch(text, timestamptz, int) IS 'Internal: removes at most so many rows of a kind from before a time, in the order of their keys (events: in none), and counts them; rows that others have locked stay.';

CREATE FUNCTION retail.run_retention(as_of timestamptz, kinds text[], max_rows bigint DEFAULT 100000, batch_size int DEFAULT 1000)
RETURNS TABLE (kind text, cutoff timestamptz, removed bigint, more boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 10 SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	r retail.retention_rule;
	left_rows bigint := max_rows;
	wanted int;
	n bigint;
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(run_retention.as_of, 'as_of');
	IF batch_size IS NULL OR batch_size NOT BETWEEN 1 AND 100000 OR max_rows IS NULL OR max_rows NOT BETWEEN 1 AND 1000000000 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid number of rows', DETAIL = format('max_rows is %s, batch_size is %s.', coalesce(max_rows::text, 'null'), coalesce(batch_size::text, 'null')),
			HINT = 'Give 1 to 1000000000 for max_rows and 1 to 100000 for batch_size.';
	END IF;
	SELECT x.kind INTO kind FROM unnest(kinds) x (kind) WHERE NOT EXISTS (SELECT FROM retail.retention_rule y WHERE y.kind = x.kind) LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown kind of rows', DETAIL = format('kind is %s.', coalesce('"' || left(kind, 200) || '"', 'null')),
			HINT = 'See SELECT kind, description FROM retail.retention_rule.';
	END IF;
	-- Nobody but administrators makes rows older than they are.
	as_of := retail.effective_time(as_of);
	-- Shadows before their decisions, the log last.
	FOR r IN SELECT x.* FROM retail.retention_rule x WHERE x.keep IS NOT NULL AND (kinds IS NULL OR x.kind = ANY (kinds)) ORDER BY x.kind = 'retention_log', x.kind DESC LOOP
		kind := r.kind;
		cutoff := as_of - r.keep;
		removed := 0;
		more := left_rows = 0;
		WHILE left_rows > 0 LOOP
			PERFORM retail.report_progress('retention', r.kind, max_rows - left_rows, max_rows);
			wanted := least(batch_size, left_rows);
			n := retail.remove_batch(r.kind, cutoff, wanted);
			removed := removed + n;
			left_rows := left_rows - n;
			more := n = wanted;
			EXIT WHEN NOT more;
		END LOOP;
		IF removed > 0 THEN
			INSERT INTO retail.retention_log (kind, action, at, actor, keep, cutoff, removed) VALUES (r.kind, 'removed', run_retention.as_of, retail.caller(), r.keep, run_retention.cutoff, run_retention.removed);
		END IF;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.run_retention(timestamptz, text[], bigint, int) IS
'Removes rows that are older at as_of than retail.retention_rule keeps them, of some kinds (null: all), at most max_rows of all kinds in batches of batch_size; never what an order that is not finished may still need. Says for each kind with a rule how many it removed, from before when, and whether there may be more. Removed rows are counted in retail.retention_log. Raises RT005, RT014, RT016, RT050.';

CREATE FUNCTION retail.run_retention(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT coalesce(string_agg(format('%s %s', r.removed, r.kind), ', ' ORDER BY r.kind) FILTER (WHERE r.removed > 0), 'nothing') || ' removed' || CASE WHEN bool_or(r.more) THEN '; more waiting' ELSE '' END
	FROM retail.run_retention($1, NULL, 20000, 1000) r
$$;
COMMENT ON FUNCTION retail.run_retention(timestamptz) IS
'The task of the worker: removes at most 20000 rows and returns a report, which ends in "more waiting" when there may be more. Raises RT014, RT050.';

GRANT EXECUTE ON FUNCTION retail.put_retention(text, interval, timestamptz), retail.run_retention(timestamptz, text[], bigint, int), retail.run_retention(timestamptz) TO retail_admin;
