-- 60_member.sql: systems that know people, accounts, identifiers.
--
-- Personal data never stand in an error: DETAIL names the field, not the
-- value, for errors go to logs.  A person's number is the lowest account of
-- its group (member_link); every function takes any number of the group.

CREATE FUNCTION retail.member_of(id bigint) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT coalesce((SELECT l.member_id FROM retail.member_link l WHERE l.account_id = $1), $1)
$$;
COMMENT ON FUNCTION retail.member_of(bigint) IS 'The person to whom a number belongs now: an account, or a person under a number that it had before. A number that no account has is returned as it is, for facts may have come from elsewhere; null stays null.';

CREATE FUNCTION retail.member_accounts(id bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE PARALLEL SAFE ROWS 2 AS $$
	SELECT retail.member_of($1) UNION ALL SELECT l.account_id FROM retail.member_link l WHERE l.member_id = retail.member_of($1)
$$;
COMMENT ON FUNCTION retail.member_accounts(bigint) IS 'All account numbers of the person, the lowest (the person''s own) first: whoever sums up facts of a person takes those recorded under any of them.';

CREATE FUNCTION retail.check_member(id bigint) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM retail.account a WHERE a.account_id = $1) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT007', MESSAGE = 'unknown member',
			DETAIL = format('No account has number %s.', coalesce($1::text, 'null')), HINT = 'Give the number of an account or member, as upsert_account() returned it.';
	END IF;
	RETURN retail.member_of($1);
END $$;
COMMENT ON FUNCTION retail.check_member(bigint) IS 'Internal: the person of a number that must be that of an account. Raises RT007.';

CREATE FUNCTION retail.invalidate_member_settings(relid oid) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_invalidate_member_settings';
COMMENT ON FUNCTION retail.invalidate_member_settings(oid) IS 'Internal: tells every backend, when the transaction commits, that this table of the matcher''s settings changed. Raises RT016.';

-- ---- sources, types, blocked values -----------------------------------------------------

CREATE FUNCTION retail.put_member_source(code text, name text DEFAULT NULL, priority int DEFAULT NULL, deduplicated boolean DEFAULT NULL,
	country text DEFAULT NULL, channel text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_channel bigint := CASE WHEN channel IS NOT NULL THEN retail.channel_id(channel) END;
	result bigint;
BEGIN
	PERFORM retail.require_installed(), retail.check_text(code, 'code', 60),
		retail.check_argument(coalesce(priority, 0) BETWEEN -1000000 AND 1000000, 'priority', priority::text, 'Give a number from -1000000 to 1000000.'),
		retail.check_argument(coalesce(country, 'CN') ~ '^[A-Z]{2}$', 'country', country, 'Give two capital letters (ISO 3166-1), such as CN.');
	IF coalesce(name, '') <> '' THEN
		PERFORM retail.check_text(name, 'name');
	END IF;
	INSERT INTO retail.member_source AS s (code, name, priority, deduplicated, country, channel_id)
		VALUES (code, coalesce(name, ''), coalesce(priority, 100), deduplicated, coalesce(country, 'CN'), the_channel)
		ON CONFLICT ON CONSTRAINT member_source_code_key DO UPDATE SET name = coalesce(put_member_source.name, s.name), priority = coalesce(put_member_source.priority, s.priority),
			deduplicated = coalesce(put_member_source.deduplicated, s.deduplicated), country = coalesce(put_member_source.country, s.country), channel_id = coalesce(the_channel, s.channel_id)
		RETURNING s.source_id INTO result;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.put_member_source(text, text, int, boolean, text, text) IS
'Makes a source of accounts, or changes it (null: as it was). deduplicated: true when it holds a person once, so that two of its accounts are two people; null lets the data decide. country: of phone numbers that name none. Returns its key. Raises RT003, RT015, RT016, RT050.';

CREATE FUNCTION retail.member_source_id(code text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	result bigint := (SELECT s.source_id FROM retail.member_source s WHERE s.code = $1);
BEGIN
	IF result IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown source of accounts', DETAIL = format('source is %s.', coalesce('"' || left($1, 200) || '"', 'null')),
			HINT = 'Make it with retail.put_member_source(), or see SELECT code FROM retail.member_source.';
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.member_source_id(text) IS 'Internal: key of a source of accounts. Raises RT005.';

CREATE FUNCTION retail.check_identifier_type(type text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM retail.identifier_type t WHERE t.type = $1) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown type of identifier', DETAIL = format('type is %s.', coalesce('"' || left($1, 60) || '"', 'null')),
			HINT = 'See SELECT type, description FROM retail.identifier_type, or make it with retail.put_identifier_type().';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_identifier_type(text) IS 'Internal: raises RT005 unless the type exists.';

CREATE FUNCTION retail.put_identifier_type(type text, description text, normaliser text, priority int, is_unique boolean DEFAULT false, merges boolean DEFAULT false,
	max_per_member int DEFAULT NULL, max_members int DEFAULT NULL, idle_days int DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	old text := (SELECT t.normaliser FROM retail.identifier_type t WHERE t.type = put_identifier_type.type);
BEGIN
	PERFORM retail.require_installed(), retail.check_argument(type ~ '^[a-z][a-z0-9_]{0,62}$', 'type', type, 'Give small letters, digits and underscores, a letter first.'),
		retail.check_text(description, 'description', 500),
		retail.check_argument(normaliser IN ('phone', 'email', 'digits', 'exact', 'folded', 'hash'), 'normaliser', normaliser, 'Give phone, email, digits, exact, folded or hash.'),
		retail.check_argument(priority BETWEEN -1000000 AND 1000000, 'priority', priority::text, 'Give a number from -1000000 to 1000000.'),
		retail.check_argument(is_unique IS NOT NULL AND merges IS NOT NULL, 'is_unique and merges', 'null', 'Give true or false.'),
		retail.check_argument(coalesce(max_per_member, 1) > 0, 'max_per_member', max_per_member::text, 'Give 1 or more, or null for no limit.'),
		retail.check_argument(coalesce(max_members, 1) > 0, 'max_members', max_members::text, 'Give 1 or more, or null for no limit.'),
		retail.check_argument(coalesce(idle_days, 1) BETWEEN 1 AND 36500, 'idle_days', idle_days::text, 'Give 1 to 36500, or null when values are never reissued.');
	IF old <> normaliser AND EXISTS (SELECT FROM retail.identifier i WHERE i.type = put_identifier_type.type) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'identifiers of this type are stored in their normalised form',
			DETAIL = format('Type "%s" is normalised as %s.', type, old), HINT = 'Make another type for values of another form.';
	END IF;
	-- The matcher counts types.
	PERFORM retail.check_argument(old IS NOT NULL OR (SELECT count(*) FROM retail.identifier_type) < 32, 'type', type, 'There may be 32 types at most.');
	INSERT INTO retail.identifier_type AS t (type, description, normaliser, priority, is_unique, merges, max_per_member, max_members, idle_days)
		VALUES (type, description, normaliser, priority, is_unique, merges, max_per_member, max_members, idle_days)
		ON CONFLICT ON CONSTRAINT identifier_type_pkey DO UPDATE SET description = excluded.description, normaliser = excluded.normaliser, priority = excluded.priority, is_unique = excluded.is_unique,
			merges = excluded.merges, max_per_member = excluded.max_per_member, max_members = excluded.max_members, idle_days = excluded.idle_days;
	RETURN CASE WHEN old IS NULL THEN 'created' ELSE 'updated' END;
END $$;
COMMENT ON FUNCTION retail.put_identifier_type(text, text, text, int, boolean, boolean, int, int, int) IS
'Defines a kind of identifier, or changes it: how its values are normalised and what they prove (see retail.identifier_type). Links follow at the next run_resolution(). Returns created or updated. Raises RT015, RT016, RT031, RT050.';

CREATE FUNCTION retail.put_match_settings(merge_probability float8 DEFAULT NULL, review_probability float8 DEFAULT NULL, max_accounts int DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	old retail.match_setting;
BEGIN
	PERFORM retail.require_installed();
	SELECT * INTO STRICT old FROM retail.match_setting FOR UPDATE;
	merge_probability := coalesce(merge_probability, old.merge_probability);
	review_probability := coalesce(review_probability, least(old.review_probability, merge_probability));
	max_accounts := coalesce(max_accounts, old.max_accounts);
	PERFORM retail.check_argument(merge_probability >= 0.5 AND merge_probability < 1, 'merge_probability', merge_probability::text, 'Give a probability from 0.5 to below 1.'),
		retail.check_argument(review_probability > 0 AND review_probability <= merge_probability, 'review_probability', review_probability::text, 'Give a probability above 0, at most merge_probability.'),
		retail.check_argument(max_accounts BETWEEN 2 AND 100000, 'max_accounts', max_accounts::text, 'Give 2 to 100000.');
	UPDATE retail.match_setting s SET merge_probability = put_match_settings.merge_probability, review_probability = put_match_settings.review_probability, max_accounts = put_match_settings.max_accounts
		WHERE (s.merge_probability, s.review_probability, s.max_accounts) IS DISTINCT FROM (put_match_settings.merge_probability, put_match_settings.review_probability, put_match_settings.max_accounts);
END $$;
COMMENT ON FUNCTION retail.put_match_settings(float8, float8, int) IS
'Says how sure two accounts must be of one person to be merged, and to be shown to a person (retail.match_review); null keeps a setting. A higher merge_probability merges less and asks more. Counts from the next model on: SELECT retail.run_resolution(now(), true, true, NULL). Raises RT016, RT050.';

CREATE FUNCTION retail.fold_identifier(type text, value text, country text DEFAULT 'CN') RETURNS text
LANGUAGE c STABLE PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_fold_identifier';
COMMENT ON FUNCTION retail.fold_identifier(text, text, text) IS 'Internal: the form in which an identifier is stored and compared, the SHA-256 of it for types that keep no more; null when nothing is left of it. Raises RT005.';

CREATE FUNCTION retail.block_identifier(pattern text, reason text, type text DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	stored text;
	result bigint;
BEGIN
	PERFORM retail.require_installed(), retail.check_text(pattern, 'pattern', 320), retail.check_text(reason, 'reason', 500), retail.check_time(as_of, 'as_of');
	IF type IS NOT NULL THEN
		PERFORM retail.check_identifier_type(type);
	END IF;
	stored := retail.blocked_pattern(type, pattern);
	INSERT INTO retail.blocked_identifier AS b (type, pattern, reason, blocked_at, blocked_by) VALUES (type, stored, reason, as_of, retail.caller())
		ON CONFLICT ON CONSTRAINT blocked_identifier_type_pattern_key DO UPDATE SET reason = excluded.reason
		RETURNING b.blocked_identifier_id INTO result;
	PERFORM retail.forget_keys(type, stored);
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.block_identifier(text, text, text, timestamptz) IS
'Makes a value, or with % a pattern of values (LIKE), prove nothing: the shop''s own number, test data. type: of this type only. Accounts keep the value; what it linked is parted at the next upsert_account() or run_resolution() of the account. Returns its key. Raises RT005, RT014, RT015, RT050.';

CREATE FUNCTION retail.unblock_identifier(pattern text, type text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	stored text;
BEGIN
	PERFORM retail.require_installed(), retail.check_text(pattern, 'pattern', 320);
	stored := retail.blocked_pattern(type, pattern);
	DELETE FROM retail.blocked_identifier b WHERE b.pattern IN (stored, unblock_identifier.pattern) AND b.type IS NOT DISTINCT FROM unblock_identifier.type;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM retail.forget_keys(type, stored);
	RETURN true;
END $$;
COMMENT ON FUNCTION retail.unblock_identifier(text, text) IS 'Lets a blocked value or pattern count again, from the next run_resolution() on; false when it was not blocked. Raises RT005, RT015, RT050.';

CREATE FUNCTION retail.blocked_pattern(type text, pattern text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT CASE WHEN $2 LIKE '%\%%' THEN $2 ELSE regexp_replace(coalesce(CASE WHEN $1 IS NOT NULL THEN retail.fold_identifier($1, $2) END, btrim($2)), '([\\_])', '\\\1', 'g') END
$$;
COMMENT ON FUNCTION retail.blocked_pattern(text, text) IS 'Internal: a pattern with % as it is, anything else as the normalised value, escaped for LIKE. Raises RT005.';

CREATE FUNCTION retail.forget_keys(type text, pattern text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	-- A plain value is found by the index, a pattern by reading all.
	IF pattern LIKE '%\%%' THEN
		UPDATE retail.account a SET keyed_model = -1 WHERE a.account_id IN
			(SELECT i.account_id FROM retail.identifier i WHERE i.value LIKE $2 AND i.type = coalesce($1, i.type));
	ELSE
		UPDATE retail.account a SET keyed_model = -1 WHERE a.account_id IN
			(SELECT i.account_id FROM retail.identifier i WHERE i.value = regexp_replace($2, '\\(.)', '\1', 'g') AND i.type = coalesce($1, i.type));
	END IF;
END $$;
COMMENT ON FUNCTION retail.forget_keys(text, text) IS 'Internal: has the accounts with a value, or with one of a pattern, resolved anew.';

-- ---- accounts ------------------------------------------------------------------------------

CREATE FUNCTION retail.upsert_account(source text, external_id text, full_name text DEFAULT NULL, given_name text DEFAULT NULL, surname text DEFAULT NULL,
	birth_date text DEFAULT NULL, gender text DEFAULT NULL, address text DEFAULT NULL, city text DEFAULT NULL, region text DEFAULT NULL, postcode text DEFAULT NULL,
	identifiers jsonb DEFAULT NULL, attributes jsonb DEFAULT NULL, consent jsonb DEFAULT NULL, time_zone text DEFAULT NULL, language text DEFAULT NULL,
	registered_at timestamptz DEFAULT NULL, as_of timestamptz DEFAULT now(),
	OUT member_id bigint, OUT account_id bigint, OUT outcome text, OUT questions int)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000 SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'retail_upsert_account';
COMMENT ON FUNCTION retail.upsert_account(text, text, text, text, text, text, text, text, text, text, text, jsonb, jsonb, jsonb, text, text, timestamptz, timestamptz) IS
'Writes down what a source knows of a person and says, in the same transaction, who it is: member_id. What is null stays as it was, an empty text clears a field. identifiers: [{"type", "value", "verified"?, "valid_from"?, "valid_to"?, "used_at"?}], added to those known; valid_to in the past closes one. attributes are merged by key, null removes one. consent: [{"purpose", "channel"?, "granted", "at"?, "proof"?}]. What is told with an as_of before the last change only fills what is empty. outcome: created (a new person), joined (a new account of a known person), merged (two people became one), split (the account left its group), updated (nobody moved) or unchanged; questions: how many pairs wait for a person (retail.match_review) because of it. Idempotent by (source, external_id) and content. Values that are odd (an impossible date) are kept as told. Raises RT005, RT011, RT014 to RT017, RT050; no error shows a value of the person.';

CREATE FUNCTION retail.import_accounts(accounts jsonb, as_of timestamptz DEFAULT now())
RETURNS TABLE (n int, source text, external_id text, account_id bigint, member_id bigint, outcome text, sqlstate text, error text, detail text, hint text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 100 SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	e jsonb;
	wrong text;
	state text;		-- in a handler, sqlstate is something else
	known CONSTANT text[] := '{source,external_id,full_name,given_name,surname,birth_date,gender,address,city,region,postcode,identifiers,attributes,consent,time_zone,language,registered_at}'::text[];
BEGIN
	PERFORM retail.require_installed(), retail.check_time(as_of, 'as_of');
	IF accounts IS NULL OR jsonb_typeof(accounts) <> 'array' OR jsonb_array_length(accounts) NOT BETWEEN 1 AND 10000 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT011', MESSAGE = 'invalid list of accounts',
			DETAIL = CASE WHEN jsonb_typeof(accounts) = 'array' THEN format('It has %s elements.', jsonb_array_length(accounts)) ELSE 'accounts is not a JSON array.' END,
			HINT = 'Give a JSON array of 1 to 10000 objects.';
	END IF;
	PERFORM retail.lock_members(true);
	FOR n, e IN SELECT x.n::int, x.e FROM jsonb_array_elements(accounts) WITH ORDINALITY x (e, n) LOOP
		PERFORM retail.report_progress('import_accounts', 'resolve', n - 1, jsonb_array_length(accounts));
		SELECT NULL::bigint, NULL::bigint, NULL, NULL, NULL, NULL, NULL INTO account_id, member_id, outcome, sqlstate, error, detail, hint;
		source := left(CASE WHEN jsonb_typeof(e) = 'object' THEN e ->> 'source' END, 200);
		external_id := left(CASE WHEN jsonb_typeof(e) = 'object' THEN e ->> 'external_id' END, 200);
		BEGIN
			IF jsonb_typeof(e) <> 'object' THEN
				RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'an account is no object', DETAIL = 'The element is not a JSON object.', HINT = 'The keys are the arguments of upsert_account().';
			END IF;
			-- A misspelt key could be anything, so it is not shown.
			SELECT string_agg(k, ', ') INTO wrong FROM jsonb_object_keys(e) k WHERE k <> ALL (known);
			IF wrong IS NOT NULL THEN
				RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'unknown key of an account', DETAIL = format('%s of its keys mean nothing.', (SELECT count(*) FROM jsonb_object_keys(e) k WHERE k <> ALL (known))),
					HINT = 'The keys are ' || array_to_string(known, ', ') || '.';
			END IF;
			SELECT string_agg(k.key, ', ') INTO wrong FROM jsonb_each(e) k WHERE k.key NOT IN ('identifiers', 'attributes', 'consent') AND jsonb_typeof(k.value) NOT IN ('string', 'null');
			IF wrong IS NOT NULL THEN
				RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'a field of an account is no text', DETAIL = format('%s must be JSON strings.', wrong), HINT = 'Quote the values, numbers too.';
			END IF;
			SELECT u.member_id, u.account_id, u.outcome INTO member_id, account_id, outcome FROM retail.upsert_account(e ->> 'source', e ->> 'external_id', e ->> 'full_name', e ->> 'given_name', e ->> 'surname',
				e ->> 'birth_date', e ->> 'gender', e ->> 'address', e ->> 'city', e ->> 'region', e ->> 'postcode', nullif(e -> 'identifiers', 'null'), nullif(e -> 'attributes', 'null'), nullif(e -> 'consent', 'null'),
				e ->> 'time_zone', e ->> 'language', retail.parse_member_time(e ->> 'registered_at', 'registered_at'), as_of) u;
			UPDATE retail.account_exception x SET resolved_at = import_accounts.as_of
				WHERE x.resolved_at IS NULL AND x.external_id = import_accounts.external_id AND x.source_id = (SELECT s.source_id FROM retail.member_source s WHERE s.code = import_accounts.source);
		EXCEPTION WHEN OTHERS THEN			-- leaves query_canceled out, as it should
			outcome := 'refused';
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, error = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
			import_accounts.sqlstate := state;
			IF state !~ '^RT' THEN			-- other messages may show what they met
				error := 'unexpected error';
				detail := 'Its message may hold personal data and is not kept.';
				hint := 'Call upsert_account() with this record to see it.';
			END IF;
			INSERT INTO retail.account_exception (source_id, external_id, account_id, sqlstate, error, detail, hint, raised_at)
				SELECT (SELECT s.source_id FROM retail.member_source s WHERE s.code = import_accounts.source), nullif(import_accounts.external_id, ''), NULL, state, error, detail, hint, import_accounts.as_of;
		END;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.import_accounts(jsonb, timestamptz) IS
'upsert_account() for an array of 1 to 10000 objects whose keys are its arguments. One row an element, in their order; a record that cannot be taken is refused with SQLSTATE, message, detail and hint, also in retail.account_exception, and the others go on. Others who resolve accounts wait until it commits. For whole populations copy into the tables and call run_resolution(). Raises RT011, RT014, RT050.';

CREATE FUNCTION retail.parse_member_time(value text, field text) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	RETURN value::timestamptz;
EXCEPTION WHEN data_exception THEN
	RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'invalid time for ' || field, DETAIL = format('%s is no time.', field), HINT = 'Give a time such as "2026-11-11T20:00:00+08:00".';
END $$;
COMMENT ON FUNCTION retail.parse_member_time(text, text) IS 'Internal: reads a time; an error does not show what was there instead. Raises RT014.';

CREATE FUNCTION retail.close_identifier(source text, external_id text, type text, value text, as_of timestamptz DEFAULT now()) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_source bigint := retail.member_source_id(source);
	the_account bigint;
BEGIN
	PERFORM retail.check_identifier_type(type), retail.check_time(as_of, 'as_of');
	SELECT a.account_id INTO the_account FROM retail.account a WHERE a.source_id = the_source AND a.external_id = close_identifier.external_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT007', MESSAGE = 'unknown account', DETAIL = format('Source "%s" has no account of this external_id.', source),
			HINT = 'Give external_id as it was given to upsert_account().';
	END IF;
	IF NOT EXISTS (SELECT FROM retail.identifier i WHERE i.account_id = the_account AND i.type = close_identifier.type AND i.value = retail.fold_identifier(type, value, (SELECT s.country FROM retail.member_source s WHERE s.source_id = the_source)) AND i.valid_to = 'infinity') THEN
		RETURN false;
	END IF;
	PERFORM retail.upsert_account(source, external_id, identifiers => jsonb_build_array(jsonb_build_object('type', type, 'value', value, 'valid_to', as_of)), as_of => as_of);
	RETURN true;
END $$;
COMMENT ON FUNCTION retail.close_identifier(text, text, text, text, timestamptz) IS
'Ends an identifier of an account at as_of (the number was given back, the card was lost) and resolves the account anew; the row stays with its validity. False when the account has no such open identifier. Raises RT005, RT007, RT014.';

GRANT EXECUTE ON FUNCTION retail.member_of(bigint), retail.member_accounts(bigint) TO retail_admin, retail_app, retail_service;
GRANT EXECUTE ON FUNCTION retail.upsert_account(text, text, text, text, text, text, text, text, text, text, text, jsonb, jsonb, jsonb, text, text, timestamptz, timestamptz),
	retail.import_accounts(jsonb, timestamptz), retail.close_identifier(text, text, text, text, timestamptz) TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.put_member_source(text, text, int, boolean, text, text), retail.put_identifier_type(text, text, text, int, boolean, boolean, int, int, int),
	retail.put_match_settings(float8, float8, int), retail.block_identifier(text, text, text, timestamptz), retail.unblock_identifier(text, text) TO retail_admin;

-- While the extension was away nothing told the backends of changes.
DO $$
DECLARE t regclass;
BEGIN
	FOR t IN SELECT DISTINCT g.tgrelid::regclass FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid
			 WHERE p.pronamespace = 'retail'::regnamespace AND p.proname = 'member_settings_changed' LOOP
		PERFORM retail.invalidate_member_settings(t);
	END LOOP;
END $$;
