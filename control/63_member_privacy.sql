-- 63_member_privacy.sql: consent, export and erasure.
--
-- Rooms that hold data of a person bring <what>_export(account_ids) RETURNS
-- jsonb and <what>_erase(account_ids) RETURNS bigint, or, where data may still
-- be needed, member_export_<room>(account_ids) and
-- member_forget_<room>(account_ids, as_of) RETURNS int (how many things need
-- them): export_member() and erase_member() call all of them.

CREATE FUNCTION retail.note_consent(account_ids bigint[], purpose text, channel text, granted boolean, happened_at timestamptz, proof text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
	PERFORM retail.check_argument(purpose ~ '^[a-z][a-z0-9_]{0,62}$', 'purpose', purpose, 'Give small letters, digits and underscores, such as marketing or profiling.'),
		retail.check_argument(channel ~ '^[a-z][a-z0-9_]{0,62}$', 'channel', channel, 'Give small letters, digits and underscores, such as sms, push or wechat; any for all.'),
		retail.check_argument(granted IS NOT NULL, 'granted', NULL, 'Give true (given) or false (withdrawn).'), retail.check_time(happened_at, 'at');
	IF proof IS NOT NULL THEN
		PERFORM retail.check_text(proof, 'proof', 500);
	END IF;
	-- A yes that somebody's clock puts into the future must not stand above a no of today.
	happened_at := retail.effective_time(happened_at);
	INSERT INTO retail.consent_event (account_id, purpose, channel, granted, happened_at, actor, proof)
		SELECT a, purpose, channel, granted, happened_at, retail.caller(), proof FROM unnest(account_ids) a
		WHERE NOT EXISTS (SELECT FROM retail.consent_event e WHERE (e.account_id, e.purpose, e.channel, e.granted, e.happened_at) = (a, note_consent.purpose, note_consent.channel, note_consent.granted, note_consent.happened_at));
	-- An older word, heard late, is history only; of two at once the stricter counts.
	INSERT INTO retail.consent AS c (account_id, purpose, channel, granted, changed_at) SELECT a, purpose, channel, granted, happened_at FROM unnest(account_ids) a
		ON CONFLICT ON CONSTRAINT consent_pkey DO UPDATE SET granted = excluded.granted, changed_at = excluded.changed_at
		WHERE excluded.changed_at > c.changed_at OR excluded.changed_at = c.changed_at AND NOT excluded.granted;
	PERFORM retail.touch_profile(account_ids);
END $$;
COMMENT ON FUNCTION retail.note_consent(bigint[], text, text, boolean, timestamptz, text) IS 'Internal: writes a consent of accounts and its history. Raises RT014 to RT016.';

CREATE FUNCTION retail.note_told_consents(account_id bigint, consents jsonb, as_of timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	n int;
	e jsonb;
BEGIN
	FOR n, e IN SELECT x.n::int, x.e FROM jsonb_array_elements(consents) WITH ORDINALITY x (e, n) LOOP
		IF jsonb_typeof(e) <> 'object' OR jsonb_typeof(e -> 'purpose') IS DISTINCT FROM 'string' OR jsonb_typeof(e -> 'granted') IS DISTINCT FROM 'boolean' OR e - '{purpose,channel,granted,at,proof}'::text[] <> '{}' THEN
			RAISE EXCEPTION USING ERRCODE = 'RT011', MESSAGE = 'invalid consent', DETAIL = format('consent[%s] is malformed.', n - 1),
				HINT = 'Give [{"purpose": ..., "channel"?: ..., "granted": true, "at"?, "proof"?}].';
		END IF;
		PERFORM retail.note_consent(ARRAY[$1], e ->> 'purpose', coalesce(e ->> 'channel', 'any'), (e -> 'granted')::boolean, coalesce(retail.parse_member_time(e ->> 'at', 'at'), $3), e ->> 'proof');
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.note_told_consents(bigint, jsonb, timestamptz) IS 'Internal: the consents that came with an account. Raises RT011, RT014 to RT016.';

CREATE FUNCTION retail.set_consent(id bigint, purpose text, granted boolean, channel text DEFAULT 'any', at timestamptz DEFAULT now(), proof text DEFAULT NULL, one_account boolean DEFAULT false) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	accounts bigint[];
BEGIN
	PERFORM retail.check_member(id), retail.check_argument(one_account IS NOT NULL, 'one_account', NULL, 'Give true or false.');
	accounts := retail.lock_groups(ARRAY[id]);
	PERFORM retail.check_not_erased(accounts);
	IF one_account THEN
		accounts := ARRAY[id];
	END IF;
	PERFORM retail.note_consent(accounts, purpose, channel, granted, at, proof);
	RETURN cardinality(accounts);
END $$;
COMMENT ON FUNCTION retail.set_consent(bigint, text, boolean, text, timestamptz, text, boolean) IS
'Writes down that a person gave or withdrew consent to a purpose by a channel (any: all), at that time; for all accounts of the person, or one_account. proof: where the proof lies. The history stays (retail.consent_event). Returns for how many accounts. Raises RT007, RT014 to RT016, RT031 (erased).';

CREATE FUNCTION retail.consent_of(id bigint, purpose text, channel text DEFAULT 'any') RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT coalesce(bool_and(x.granted), false)
	FROM retail.member_accounts($1) m, LATERAL (SELECT c.granted FROM retail.consent c WHERE c.account_id = m AND c.purpose = $2 AND ($3 = 'any' OR c.channel IN ($3, 'any'))
		ORDER BY CASE WHEN $3 = 'any' THEN c.granted END, c.changed_at DESC, c.granted LIMIT 1) x
$$;
COMMENT ON FUNCTION retail.consent_of(bigint, text, text) IS
'May the person be reached for this purpose by this channel? Within an account the later word counts, of the channel or of any; among the accounts of a person the stricter: one that withdrew is enough for no. Who never said anything, did not consent. any asks for all channels: one withdrawn is no.';

CREATE FUNCTION retail.member_export_member(account_ids bigint[]) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT jsonb_build_object(
		'accounts', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(a) - '{source_id,content_hash,keyed_model}'::text[] || jsonb_build_object('source', s.code)) ORDER BY a.account_id), '[]')
			FROM retail.account a JOIN retail.member_source s USING (source_id) WHERE a.account_id = ANY ($1)),
		'identifiers', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(i)) ORDER BY i.account_id, i.type, i.valid_from), '[]') FROM retail.identifier i WHERE i.account_id = ANY ($1)),
		'consents', (SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY c.account_id, c.purpose, c.channel), '[]') FROM retail.consent c WHERE c.account_id = ANY ($1)),
		'consent_history', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(e)) ORDER BY e.consent_event_id), '[]') FROM retail.consent_event e WHERE e.account_id = ANY ($1)),
		'changes', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(c)) ORDER BY c.member_change_id), '[]') FROM retail.member_change c WHERE c.account_id = ANY ($1)),
		'decisions', (SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY c.account_a, c.account_b), '[]') FROM retail.match_constraint c WHERE c.account_a = ANY ($1) OR c.account_b = ANY ($1)),
		'questions', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(r)) ORDER BY r.account_a, r.account_b), '[]') FROM retail.match_review r WHERE r.account_a = ANY ($1) OR r.account_b = ANY ($1)),
		'refusals', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(x)) ORDER BY x.account_exception_id), '[]') FROM retail.account_exception x
			WHERE EXISTS (SELECT FROM retail.account a WHERE a.account_id = ANY ($1) AND (x.account_id = a.account_id OR (x.source_id, x.external_id) = (a.source_id, a.external_id)))),
		'accesses', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(x)) ORDER BY x.member_access_id), '[]') FROM retail.member_access x WHERE x.member_id = ANY ($1)),
		'erasures', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.member_erasure_id), '[]') FROM retail.member_erasure x WHERE x.member_id = ANY ($1)))
$$;
COMMENT ON FUNCTION retail.member_export_member(bigint[]) IS 'Internal: what the member room holds of a person.';

CREATE FUNCTION retail.export_member(id bigint, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	the_member bigint := retail.check_member(id);
	accounts bigint[] := ARRAY(SELECT retail.member_accounts(id));
	result jsonb := jsonb_build_object('member_id', the_member, 'exported_at', as_of);
	part jsonb;
	f regproc;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'retail'::regnamespace AND p.proname ~ '^member_export_[a-z_]+$|^[a-z_]+_export$' AND p.proargtypes[0] = 'bigint[]'::regtype AND p.pronargs = 1 ORDER BY p.proname LOOP
		EXECUTE format('SELECT %s($1)', f) INTO part USING accounts;
		result := result || CASE WHEN f::text ~ 'member_export_' THEN coalesce(part, '{}') ELSE jsonb_build_object(substring(f::text FROM '([a-z_]+)_export$'), part) END;
	END LOOP;
	INSERT INTO retail.member_access (kind, member_id, actor, accessed_at) VALUES ('export', the_member, retail.caller(), retail.access_time(as_of));
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.export_member(bigint, timestamptz) IS 'All that is held of a person, of every room, as JSON: accounts, identifiers, consents with history, merges, decisions, lookups, orders, profile, events. Of national ids only a hash is held. The export itself is recorded in retail.member_access. Raises RT007, RT014.';

CREATE FUNCTION retail.forget_rooms(account_ids bigint[], as_of timestamptz) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	waits int := 0;
	more int;
	f regproc;
BEGIN
	-- First those that find their rows by what the accounts still say.
	FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'retail'::regnamespace AND p.proname ~ '^[a-z_]+_erase$' AND p.proargtypes[0] = 'bigint[]'::regtype AND p.pronargs = 1 ORDER BY p.proname LOOP
		EXECUTE format('SELECT %s($1)', f) USING account_ids;
	END LOOP;
	FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'retail'::regnamespace AND p.proname ~ '^member_forget_[a-z_]+$' AND p.pronargs = 2 ORDER BY p.proname LOOP
		EXECUTE format('SELECT %s($1, $2)', f) INTO more USING account_ids, as_of;
		waits := waits + coalesce(more, 0);
	END LOOP;
	RETURN waits;
END $$;
COMMENT ON FUNCTION retail.forget_rooms(bigint[], timestamptz) IS 'Internal: has every room forget the people of these accounts; returns how many things still need their data.';

CREATE FUNCTION retail.member_forget_member(account_ids bigint[], as_of timestamptz) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM retail.identifier i WHERE i.account_id = ANY (account_ids);
	DELETE FROM retail.match_key k WHERE k.account_id = ANY (account_ids);
	DELETE FROM retail.match_review r WHERE r.account_a = ANY (account_ids) OR r.account_b = ANY (account_ids);
	DELETE FROM retail.match_constraint c WHERE c.account_a = ANY (account_ids) OR c.account_b = ANY (account_ids);
	DELETE FROM retail.account_exception x USING retail.account a WHERE a.account_id = ANY (account_ids) AND (x.account_id = a.account_id OR (x.source_id, x.external_id) = (a.source_id, a.external_id));
	UPDATE retail.member_change c SET evidence = NULL, reason = NULL, weight = NULL WHERE c.account_id = ANY (account_ids) AND num_nonnulls(c.evidence, c.reason, c.weight) > 0;
	UPDATE retail.member_change c SET evidence = CASE WHEN c.partner_id = ANY (account_ids) THEN NULL ELSE c.evidence END, reason = NULL
		WHERE (c.partner_id = ANY (account_ids) OR c.from_member_id = ANY (account_ids) OR c.to_member_id = ANY (account_ids)) AND num_nonnulls(c.evidence, c.reason) > 0;
	-- That there was a consent when a message went out may have to be shown; where its proof lies names the person.
	INSERT INTO retail.consent_event (account_id, purpose, channel, granted, happened_at, actor)
		SELECT c.account_id, c.purpose, c.channel, false, greatest(member_forget_member.as_of, c.changed_at), retail.caller() FROM retail.consent c WHERE c.account_id = ANY (account_ids) AND c.granted;
	UPDATE retail.consent c SET granted = false, changed_at = greatest(member_forget_member.as_of, c.changed_at) WHERE c.account_id = ANY (account_ids) AND c.granted;
	UPDATE retail.consent_event e SET proof = NULL WHERE e.account_id = ANY (account_ids) AND e.proof IS NOT NULL;
	UPDATE retail.account a SET external_id = 'erased:' || a.account_id, full_name = NULL, given_name = NULL, surname = NULL, birth_date = NULL, gender = NULL, address = NULL, city = NULL, region = NULL, postcode = NULL,
			attributes = NULL, time_zone = NULL, language = NULL, content_hash = NULL, keyed_model = NULL, updated_at = member_forget_member.as_of, erased_at = member_forget_member.as_of
		WHERE a.account_id = ANY (account_ids) AND a.erased_at IS NULL;
	RETURN 0;
END $$;
COMMENT ON FUNCTION retail.member_forget_member(bigint[], timestamptz) IS 'Internal: forgets the people of these accounts in the member room.';

CREATE FUNCTION retail.erase_member(id bigint, reason text, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	accounts bigint[];
	the_member bigint;
	waits int;
	e retail.member_erasure;
BEGIN
	PERFORM retail.check_member(id), retail.check_text(reason, 'reason', 500), retail.check_time(as_of, 'as_of');
	accounts := retail.lock_groups(ARRAY[id]);
	the_member := accounts[1];
	SELECT * INTO e FROM retail.member_erasure x WHERE x.member_id = the_member AND x.account_ids @> accounts ORDER BY x.member_erasure_id DESC LIMIT 1;
	IF NOT FOUND THEN
		INSERT INTO retail.member_change (account_id, from_member_id, to_member_id, kind, rule, changed_at, actor)
			SELECT a, the_member, the_member, 'erase', 'erase', as_of, retail.caller() FROM unnest(accounts) a;
		waits := retail.forget_rooms(accounts, as_of);
		INSERT INTO retail.member_erasure AS x (member_id, account_ids, state, requested_at, done_at, waits_for, actor, reason)
			VALUES (the_member, accounts, CASE WHEN waits = 0 THEN 'done' ELSE 'waiting' END, as_of, CASE WHEN waits = 0 THEN as_of END, waits, retail.caller(), erase_member.reason)
			RETURNING x.* INTO e;
	ELSE						-- something may have come since under the number
		waits := retail.forget_rooms(e.account_ids, as_of);
		UPDATE retail.member_erasure x SET state = CASE WHEN waits = 0 THEN 'done' ELSE 'waiting' END, done_at = CASE WHEN waits = 0 THEN coalesce(x.done_at, erase_member.as_of) END, waits_for = waits
			WHERE x.member_erasure_id = e.member_erasure_id RETURNING x.* INTO e;
	END IF;
	RETURN jsonb_build_object('member_id', e.member_id, 'accounts', cardinality(e.account_ids), 'state', e.state, 'waits_for', e.waits_for);
END $$;
COMMENT ON FUNCTION retail.erase_member(bigint, text, timestamptz) IS
'Forgets a person in every room: names, addresses, identifiers, keys, evidence, profile, events'' contents. The books stay: orders, their money and goods, under a number that nobody can be found by any more. The address of an order that is not finished stays until it is (state waiting; run_erasures() goes on). No consent is left. The external ids are forgotten too, so a source that tells of the same person again makes a new person. Idempotent; asked again, it forgets what came under the number since. Returns {member_id, accounts, state: done|waiting, waits_for}. Raises RT007, RT014, RT015.';

CREATE FUNCTION retail.run_erasures(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	e retail.member_erasure;
	waits int;
	tried int := 0;
	finished int := 0;
BEGIN
	PERFORM retail.require_installed(), retail.check_time(as_of, 'as_of');
	FOR e IN SELECT x.* FROM retail.member_erasure x WHERE x.state = 'waiting' ORDER BY x.requested_at, x.member_erasure_id LIMIT 1000 FOR UPDATE SKIP LOCKED LOOP
		PERFORM retail.report_progress('erasures', 'forget', tried, 1000);
		waits := retail.forget_rooms(e.account_ids, run_erasures.as_of);
		UPDATE retail.member_erasure x SET state = CASE WHEN waits = 0 THEN 'done' ELSE 'waiting' END, done_at = CASE WHEN waits = 0 THEN run_erasures.as_of END, waits_for = waits WHERE x.member_erasure_id = e.member_erasure_id;
		tried := tried + 1;
		finished := finished + (waits = 0)::int;
	END LOOP;
	RETURN CASE WHEN tried = 0 THEN 'nothing waits' ELSE format('%s erasures finished, %s wait for orders', finished, tried - finished) END;
END $$;
COMMENT ON FUNCTION retail.run_erasures(timestamptz) IS 'Goes on with the erasures that wait for orders to be finished, the oldest 1000 first. Returns a report. Raises RT014, RT050.';

GRANT EXECUTE ON FUNCTION retail.set_consent(bigint, text, boolean, text, timestamptz, text, boolean), retail.export_member(bigint, timestamptz), retail.erase_member(bigint, text, timestamptz) TO retail_admin, retail_app, retail_service;
GRANT EXECUTE ON FUNCTION retail.consent_of(bigint, text, text) TO retail_admin, retail_app, retail_service;
GRANT EXECUTE ON FUNCTION retail.run_erasures(timestamptz) TO retail_admin;
