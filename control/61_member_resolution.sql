-- 61_member_resolution.sql: who is who among all accounts (src/member/resolution.c).

CREATE FUNCTION retail.resolve_accounts(as_of timestamptz, learn boolean, make_keys boolean, OUT accounts bigint, OUT members bigint, OUT model_id int, OUT learned boolean,
	OUT merged bigint, OUT split bigint, OUT reviews_opened bigint, OUT reviews_closed bigint, OUT exceptions bigint, OUT keys bigint)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_resolve_accounts';
COMMENT ON FUNCTION retail.resolve_accounts(timestamptz, boolean, boolean, OUT bigint, OUT bigint, OUT int, OUT boolean, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT bigint) IS
'Internal: resolves all accounts by the active model, or by one that it learns, and writes what is different from before; with make_keys, match_key anew. The caller holds the lock of resolutions.';

CREATE FUNCTION retail.write_match_keys(as_of timestamptz) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_write_match_keys';
COMMENT ON FUNCTION retail.write_match_keys(timestamptz) IS
'Internal: writes the keys of all accounts by the active model in place of those in match_key; returns how many. The caller holds the lock of resolutions. Raises RT005 without an active model.';

CREATE FUNCTION retail.resolve_some(account_ids bigint[], as_of timestamptz) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_resolve_some';
COMMENT ON FUNCTION retail.resolve_some(bigint[], timestamptz) IS
'Internal: makes the keys of some accounts, finds out whose they are as upsert_account() does, and notes the model. The caller holds the lock of resolutions. Raises RT060.';

CREATE FUNCTION retail.unresolved_accounts() RETURNS bigint[]
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT coalesce(array_agg(a.account_id ORDER BY a.account_id), '{}') FROM retail.account a, retail.match_model m
	WHERE m.state = 'active' AND a.erased_at IS NULL AND (a.keyed_model = -1 OR (a.account_id > m.keyed_through AND a.keyed_model IS DISTINCT FROM m.model_id))
$$;
COMMENT ON FUNCTION retail.unresolved_accounts() IS 'Internal: the accounts that were copied in, or must be looked at again, since the last resolution by the active model.';

CREATE FUNCTION retail.run_resolution(as_of timestamptz, whole boolean, learn boolean, make_keys boolean) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	accounts CONSTANT float8 := (SELECT c.reltuples FROM pg_class c WHERE c.oid = 'retail.account'::regclass);
	known record;
	done record;
	fresh bigint[];
	before bigint;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	as_of := retail.effective_time(as_of);
	PERFORM retail.lock_members(true);
	SELECT m.learned_from, m.keyed_through, m.model_id INTO known FROM retail.match_model m WHERE m.state = 'active';
	-- anew when there is twice as much to learn from
	learn := coalesce(learn, known.model_id IS NULL OR accounts > 2 * known.learned_from + 1000);
	fresh := retail.unresolved_accounts();
	-- A whole run takes as long as some ten thousand accounts one by one.
	whole := learn OR known.model_id IS NULL OR known.keyed_through = 0 OR coalesce(whole, cardinality(fresh) > 100 + accounts / 100);
	IF NOT whole THEN
		before := (SELECT coalesce(max(c.member_change_id), 0) FROM retail.member_change c);
		PERFORM retail.resolve_some(fresh, as_of);
		SELECT count(*) FILTER (WHERE c.kind = 'merge') AS merged, count(*) FILTER (WHERE c.kind = 'split') AS split INTO done FROM retail.member_change c WHERE c.member_change_id > before;
		RETURN format('%s accounts are new or changed: %s accounts merged, %s split', cardinality(fresh), done.merged, done.split);
	END IF;
	SELECT * INTO done FROM retail.resolve_accounts(as_of, learn, coalesce(make_keys, learn OR known.keyed_through = 0 OR fresh <> '{}'));
	UPDATE retail.account_exception x SET resolved_at = as_of WHERE x.error = 'too many accounts may be one person' AND x.resolved_at IS NULL;
	IF done.keys > 0 THEN		-- what block_identifier() had asked for is done
		UPDATE retail.account a SET keyed_model = NULL WHERE a.keyed_model = -1;
	END IF;
	RETURN format('%s accounts are %s members: %s accounts merged, %s split, %s reviews opened, %s closed', done.accounts, done.members, done.merged, done.split,
		done.reviews_opened, done.reviews_closed)
		|| CASE WHEN done.learned THEN format(', model %s learned', done.model_id) ELSE '' END
		|| CASE WHEN done.keys > 0 THEN format(', %s keys written', done.keys) ELSE '' END
		|| CASE WHEN done.exceptions > 0 THEN format(', %s accounts with exceptions', done.exceptions) ELSE '' END;
END $$;
COMMENT ON FUNCTION retail.run_resolution(timestamptz, boolean, boolean, boolean) IS
'Finds out which accounts are one person, in one transaction: all of them (whole), or only those that were copied in or changed since (not whole; null: all when they are more than one in a hundred). By the active model, or by one learned from the accounts (learn; null: when there is none, or twice as many accounts as it was learned from). Writes only what is different from before: member_link with a row of member_change each, match_review, account_exception, and identifiers that were copied in in another form than upsert_account() stores them in (blank and unusable ones are set aside in account_exception, without the value). What people decided (match_constraint, decide_review()) holds. Numbers of members are stable from run to run. make_keys writes match_key anew, where upsert_account() looks (null: when the model is new or accounts were copied in). upsert_account() waits meanwhile. See retail_bi.job_progress. Can be cancelled and repeated at any time; runs under READ COMMITTED only. Raises RT014.';

-- The task.
CREATE FUNCTION retail.run_resolution(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT retail.run_resolution($1, NULL, NULL, NULL)
$$;
COMMENT ON FUNCTION retail.run_resolution(timestamptz) IS
'run_resolution(as_of, null, null, null): resolves what is new, or all accounts where that is called for. Task resolution, not enabled at first: upsert_account() resolves what comes one by one. Raises RT014.';

CREATE FUNCTION retail.run_match_keys(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
	PERFORM retail.check_time(as_of, 'as_of'), retail.lock_members(true);
	RETURN format('%s keys written', retail.write_match_keys(retail.effective_time(as_of)));
END $$;
COMMENT ON FUNCTION retail.run_match_keys(timestamptz) IS
'Writes match_key anew for all accounts, also those that were copied in, by the active model; run_resolution() does so itself when it must. upsert_account() waits meanwhile. Can be repeated. Raises RT005 without an active model, RT014.';

GRANT EXECUTE ON FUNCTION retail.run_resolution(timestamptz), retail.run_resolution(timestamptz, boolean, boolean, boolean), retail.run_match_keys(timestamptz) TO retail_admin;
