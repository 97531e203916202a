-- 62_member_merge.sql: what people decide about people: merging, splitting,
-- reviews; which account's word counts; the checks of the room.
--
-- Facts stay under the number under which they were recorded, so a merge or a
-- split moves nothing but rows of member_link, and is undone by its contrary.
-- Locks: the gate (shared; exclusive for runs over everybody), then accounts
-- in the order of their numbers.

CREATE FUNCTION retail.lock_members(exclusive boolean) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_lock_members';
COMMENT ON FUNCTION retail.lock_members(boolean) IS 'Internal: the gate of the member room, until the transaction ends: exclusive for whoever resolves everybody, shared for whoever resolves some.';

CREATE FUNCTION retail.lock_accounts(account_ids bigint[]) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_lock_accounts';
COMMENT ON FUNCTION retail.lock_accounts(bigint[]) IS 'Internal: locks accounts against being linked by others until the transaction ends, in the order of their numbers, after the gate.';

CREATE FUNCTION retail.lock_groups(ids bigint[]) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	seen bigint[];
	found_now bigint[];
BEGIN
	-- Who waited reads again: the groups may have grown.
	LOOP
		seen := found_now;
		found_now := ARRAY(SELECT DISTINCT m FROM unnest(ids) i, LATERAL retail.member_accounts(i) m ORDER BY 1);
		EXIT WHEN found_now <@ seen;
		PERFORM retail.lock_accounts(found_now);
	END LOOP;
	RETURN found_now;
END $$;
COMMENT ON FUNCTION retail.lock_groups(bigint[]) IS 'Internal: locks all accounts of the people of these numbers, and returns them in order.';

CREATE FUNCTION retail.regroup_accounts(account_ids bigint[], member_ids bigint[], rule text, partner_id bigint, reason text, as_of timestamptz) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	moved int;
BEGIN
	INSERT INTO retail.member_change (account_id, from_member_id, to_member_id, kind, rule, partner_id, changed_at, actor, reason)
		SELECT w.a, retail.member_of(w.a), w.m, CASE WHEN $3 = 'split' THEN 'split' ELSE 'merge' END, $3, CASE WHEN $4 <> w.a THEN $4 END, $6, retail.caller(), $5
		FROM unnest($1, $2) w (a, m) WHERE retail.member_of(w.a) <> w.m ORDER BY w.a;
	GET DIAGNOSTICS moved = ROW_COUNT;
	DELETE FROM retail.member_link l USING unnest($1, $2) w (a, m) WHERE l.account_id = w.a AND w.m = w.a;
	INSERT INTO retail.member_link AS l (account_id, member_id) SELECT w.a, w.m FROM unnest($1, $2) w (a, m) WHERE w.m <> w.a
		ON CONFLICT ON CONSTRAINT member_link_pkey DO UPDATE SET member_id = excluded.member_id WHERE l.member_id <> excluded.member_id;
	RETURN moved;
END $$;
COMMENT ON FUNCTION retail.regroup_accounts(bigint[], bigint[], text, bigint, text, timestamptz) IS 'Internal: gives accounts to people, with a row of member_change for each that moves; returns how many did.';

CREATE FUNCTION retail.check_not_erased(account_ids bigint[]) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	gone bigint := (SELECT min(a.account_id) FROM retail.account a WHERE a.account_id = ANY ($1) AND a.erased_at IS NOT NULL);
BEGIN
	IF gone IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'the person was forgotten', DETAIL = format('Account %s was erased.', gone), HINT = 'Nothing is known any more that could be decided.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_not_erased(bigint[]) IS 'Internal: raises RT031 when one of the accounts was erased.';

CREATE FUNCTION retail.merge_members(a bigint, b bigint, reason text, as_of timestamptz DEFAULT now()) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	everyone bigint[];
	of_a bigint[];
	of_b bigint[];
BEGIN
	PERFORM retail.check_member(a), retail.check_member(b), retail.check_text(reason, 'reason', 500), retail.check_time(as_of, 'as_of'),
		retail.check_argument(a <> b, 'b', b::text, 'Name two accounts.');
	everyone := retail.lock_groups(ARRAY[a, b]);
	PERFORM retail.check_not_erased(everyone);
	of_a := ARRAY(SELECT retail.member_accounts(a));
	of_b := ARRAY(SELECT retail.member_accounts(b));
	-- The later word of a person counts.
	IF NOT a = ANY (of_b) THEN
		DELETE FROM retail.match_constraint c WHERE c.kind = 'cannot_link'
			AND (c.account_a = ANY (of_a) AND c.account_b = ANY (of_b) OR c.account_a = ANY (of_b) AND c.account_b = ANY (of_a));
	END IF;
	INSERT INTO retail.match_constraint AS c (account_a, account_b, kind, decided_at, actor, reason)
		VALUES (least(a, b), greatest(a, b), 'must_link', as_of, retail.caller(), merge_members.reason)
		ON CONFLICT ON CONSTRAINT match_constraint_pkey DO UPDATE SET kind = excluded.kind, decided_at = excluded.decided_at, actor = excluded.actor, reason = excluded.reason WHERE c.kind <> excluded.kind;
	PERFORM retail.regroup_accounts(everyone, array_fill(everyone[1], ARRAY[cardinality(everyone)]), 'must_link', CASE WHEN everyone[1] = ANY (of_a) THEN a ELSE b END, reason, as_of);
	UPDATE retail.match_review r SET state = 'merged', decided_at = as_of, actor = retail.caller()
		WHERE r.state = 'open' AND r.account_a = ANY (everyone) AND r.account_b = ANY (everyone);
	RETURN everyone[1];
END $$;
COMMENT ON FUNCTION retail.merge_members(bigint, bigint, text, timestamptz) IS
'Makes two people one, by the word of a person: lasting, whatever the data say, until split_member(). Returns the number of the person, the lowest of its accounts. Facts stay under the numbers under which they were recorded: member_of() and member_accounts() find them. Repeating it, or merging in a circle, changes nothing. Raises RT007, RT014 to RT016, RT031 (one was erased).';

CREATE FUNCTION retail.split_member(account_ids bigint[], reason text, together boolean DEFAULT true, as_of timestamptz DEFAULT now()) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	everyone bigint[];
	part bigint[] := ARRAY(SELECT DISTINCT i FROM unnest(account_ids) i ORDER BY 1);
	rest bigint[];
BEGIN
	PERFORM retail.check_text(reason, 'reason', 500), retail.check_time(as_of, 'as_of'), retail.check_argument(together IS NOT NULL, 'together', NULL, 'Give true or false.'),
		retail.check_argument(cardinality(part) > 0, 'account_ids', account_ids::text, 'Name the accounts that belong to somebody else.');
	PERFORM retail.check_member(i) FROM unnest(part) i;
	everyone := retail.lock_groups(part);
	PERFORM retail.check_not_erased(everyone);
	PERFORM retail.check_argument((SELECT count(DISTINCT retail.member_of(i)) FROM unnest(part) i) = 1, 'account_ids', account_ids::text, 'Name accounts of one person; see retail.member_accounts(id).');
	rest := ARRAY(SELECT i FROM unnest(everyone) i WHERE i <> ALL (part) ORDER BY 1);
	IF cardinality(everyone) = 1 OR together AND cardinality(rest) = 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'nothing to split', DETAIL = format('Member %s has %s account(s), all of them named.', everyone[1], cardinality(everyone)),
			HINT = 'Name some accounts of several, or say together => false to part them all.';
	END IF;
	INSERT INTO retail.match_constraint AS c (account_a, account_b, kind, decided_at, actor, reason)
		SELECT least(p, o), greatest(p, o), 'cannot_link', as_of, retail.caller(), split_member.reason
		FROM unnest(part) p, unnest(everyone) o WHERE o = ANY (rest) OR NOT together AND p < o AND o = ANY (part)
		ON CONFLICT ON CONSTRAINT match_constraint_pkey DO UPDATE SET kind = excluded.kind, decided_at = excluded.decided_at, actor = excluded.actor, reason = excluded.reason WHERE c.kind <> excluded.kind;
	IF together THEN			-- the evidence between them may have gone with the rest
		INSERT INTO retail.match_constraint AS c (account_a, account_b, kind, decided_at, actor, reason)
			SELECT part[1], p, 'must_link', as_of, retail.caller(), split_member.reason FROM unnest(part[2:]) p
			ON CONFLICT ON CONSTRAINT match_constraint_pkey DO NOTHING;
	END IF;
	UPDATE retail.match_review r SET state = 'kept_apart', decided_at = as_of, actor = retail.caller()
		FROM retail.match_constraint c WHERE r.state IN ('open', 'merged') AND r.account_a = ANY (everyone) AND r.account_b = ANY (everyone)
		AND (c.account_a, c.account_b, c.kind) = (r.account_a, r.account_b, 'cannot_link');
	PERFORM retail.regroup_accounts(rest || part, array_fill(rest[1], ARRAY[cardinality(rest)]) || CASE WHEN together THEN array_fill(part[1], ARRAY[cardinality(part)]) ELSE part END, 'split', NULL, reason, as_of);
	RETURN part[1];
END $$;
COMMENT ON FUNCTION retail.split_member(bigint[], text, boolean, timestamptz) IS
'Parts accounts from the person to whom they were joined, however and whenever that was: a lasting cannot-link. together: the named accounts are one (other) person; false: each is somebody else, and all accounts may be named. What was recorded under their numbers (orders, points, coupons, events) is theirs again. Returns the number of the person whose accounts were named first. Raises RT007, RT014 to RT016, RT031.';

CREATE FUNCTION retail.split_member(account_id bigint, reason text, as_of timestamptz DEFAULT now()) RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT retail.split_member(ARRAY[$1], $2, true, $3)
$$;
COMMENT ON FUNCTION retail.split_member(bigint, text, timestamptz) IS 'Parts one account from its person. Raises RT007, RT014 to RT016, RT031.';

CREATE FUNCTION retail.decide_review(a bigint, b bigint, same boolean, reason text, as_of timestamptz DEFAULT now()) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	low bigint := least(a, b);
	high bigint := greatest(a, b);
	everyone bigint[];
BEGIN
	PERFORM retail.check_text(reason, 'reason', 500), retail.check_time(as_of, 'as_of'), retail.check_argument(same IS NOT NULL, 'same', NULL, 'Say true (one person) or false (two people).');
	IF NOT EXISTS (SELECT FROM retail.match_review r WHERE r.account_a = low AND r.account_b = high) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'no such question', DETAIL = format('Nobody asked about accounts %s and %s.', coalesce(a::text, 'null'), coalesce(b::text, 'null')),
			HINT = 'See SELECT * FROM retail.match_review WHERE state = ''open'', or use merge_members() or split_member().';
	END IF;
	IF same THEN
		PERFORM retail.merge_members(a, b, reason, as_of);
	ELSE
		everyone := retail.lock_groups(ARRAY[a, b]);
		PERFORM retail.check_not_erased(everyone);
		IF retail.member_of(a) = retail.member_of(b) THEN
			RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'the two are one person now', DETAIL = format('Accounts %s and %s belong to member %s.', a, b, retail.member_of(a)),
				HINT = 'Say with retail.split_member() which accounts belong to somebody else.';
		END IF;
		INSERT INTO retail.match_constraint AS c (account_a, account_b, kind, decided_at, actor, reason)
			VALUES (low, high, 'cannot_link', as_of, retail.caller(), decide_review.reason)
			ON CONFLICT ON CONSTRAINT match_constraint_pkey DO UPDATE SET kind = excluded.kind, decided_at = excluded.decided_at, actor = excluded.actor, reason = excluded.reason WHERE c.kind <> excluded.kind;
	END IF;
	UPDATE retail.match_review r SET state = CASE WHEN same THEN 'merged' ELSE 'kept_apart' END, decided_at = as_of, actor = retail.caller() WHERE r.account_a = low AND r.account_b = high;
	RETURN retail.member_of(a);
END $$;
COMMENT ON FUNCTION retail.decide_review(bigint, bigint, boolean, text, timestamptz) IS
'Answers a question of retail.match_review: same: the two are one person (they are merged) or two (a lasting cannot-link). A later answer replaces an earlier one. Returns the member number of a. Raises RT005, RT007, RT014 to RT016, RT031.';

-- ---- which account's word counts ---------------------------------------------------------------

CREATE FUNCTION retail.put_survivorship_rule(field text, criteria text[]) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	PERFORM retail.require_installed(),
		retail.check_argument(field IN ('any', 'full_name', 'given_name', 'surname', 'birth_date', 'gender', 'address', 'city', 'region', 'postcode', 'time_zone', 'language')
			OR EXISTS (SELECT FROM retail.identifier_type t WHERE t.type = field), 'field', field, 'Give a field of retail.account, a type of identifier, or any.'),
		retail.check_argument(criteria <@ '{verified,complete,recent,source}' AND cardinality(criteria) > 0, 'criteria', criteria::text, 'Give some of verified, complete, recent, source, the most important first.');
	INSERT INTO retail.survivorship_rule AS r (field, criteria) VALUES (put_survivorship_rule.field, put_survivorship_rule.criteria)
		ON CONFLICT ON CONSTRAINT survivorship_rule_pkey DO UPDATE SET criteria = excluded.criteria;
	RETURN array_to_string(criteria, ', ');
END $$;
COMMENT ON FUNCTION retail.put_survivorship_rule(text, text[]) IS 'Says by which criteria golden_record() chooses a field among the accounts of a person; see retail.survivorship_rule. Raises RT016, RT050.';

CREATE FUNCTION retail.golden_record(id bigint) RETURNS TABLE (field text, value text, account_id bigint, source text, told_at timestamptz, verified boolean, sources int)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 12 SET search_path = retail, pg_catalog, pg_temp AS $$
	WITH accounts AS MATERIALIZED (
		SELECT a.*, s.code AS source, s.priority, EXISTS (SELECT FROM retail.identifier i WHERE i.account_id = a.account_id AND i.verified AND i.valid_to = 'infinity') AS proved
		FROM retail.account a JOIN retail.member_source s USING (source_id) WHERE a.account_id IN (SELECT retail.member_accounts($1))
	), told AS (
		SELECT f.field, f.value, a.account_id, a.source, a.priority, a.updated_at AS told_at, a.proved AS verified, false AS is_identifier
		FROM accounts a, LATERAL (VALUES ('full_name', a.full_name), ('given_name', a.given_name), ('surname', a.surname), ('birth_date', a.birth_date), ('gender', a.gender), ('address', a.address),
			('city', a.city), ('region', a.region), ('postcode', a.postcode), ('time_zone', a.time_zone), ('language', a.language)) f (field, value)
		WHERE f.value IS NOT NULL
		UNION ALL
		SELECT i.type, i.value, a.account_id, a.source, a.priority, coalesce(i.last_used_at, nullif(i.valid_from, '-infinity'), a.updated_at), i.verified, true
		FROM accounts a JOIN retail.identifier i USING (account_id) WHERE i.valid_to = 'infinity'
	), scored AS (			-- for completeness a hanzi counts as five letters
		SELECT t.*, ARRAY(SELECT CASE c.criterion WHEN 'verified' THEN t.verified::int::numeric WHEN 'complete' THEN length(regexp_replace(t.value, '[^[:alnum:]]', '', 'g')) + 4 * length(regexp_replace(t.value, '[\x01-\xff]', '', 'g'))
				WHEN 'recent' THEN extract(epoch FROM t.told_at) ELSE -t.priority END FROM unnest(r.criteria) WITH ORDINALITY c (criterion, n) ORDER BY c.n) AS score
		FROM told t CROSS JOIN LATERAL (SELECT x.criteria FROM retail.survivorship_rule x WHERE x.field IN (t.field, 'any') ORDER BY x.field = 'any' LIMIT 1) r
	)
	SELECT DISTINCT ON (s.is_identifier, s.field) s.field, s.value, s.account_id, s.source, s.told_at, s.verified, (count(*) OVER (PARTITION BY s.is_identifier, s.field, s.value))::int
	FROM scored s ORDER BY s.is_identifier, s.field, s.score DESC, s.account_id
$$;
COMMENT ON FUNCTION retail.golden_record(bigint) IS
'The best of what the accounts of a person say, a row a field: the value, whose word it is, since when, and how many accounts say the same (sources). Chosen by retail.survivorship_rule; of identifiers the best open one of each type. No row for a number that no account has.';

-- ---- what a marketer asks ------------------------------------------------------------------------

CREATE FUNCTION retail.check_member_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT 6, format('account %s', l.account_id), format('belongs to member %s, %s', l.member_id, CASE WHEN a.account_id IS NULL THEN 'but there is no such account' ELSE 'which is no account' END)
	FROM retail.member_link l LEFT JOIN retail.account a USING (account_id) LEFT JOIN retail.account m ON m.account_id = l.member_id
	WHERE a.account_id IS NULL OR m.account_id IS NULL
	UNION ALL
	SELECT 6, format('account %s', l.account_id), format('belongs to member %s, which belongs to member %s itself', l.member_id, m.member_id)
	FROM retail.member_link l JOIN retail.member_link m ON m.account_id = l.member_id
	UNION ALL
	SELECT 6, format('accounts %s and %s', c.account_a, c.account_b), format('are %s by the word of a person, but %s', replace(c.kind, '_', '-'), CASE c.kind WHEN 'cannot_link' THEN 'one' ELSE 'two' END)
	FROM retail.match_constraint c LEFT JOIN retail.member_link la ON la.account_id = c.account_a LEFT JOIN retail.member_link lb ON lb.account_id = c.account_b
	WHERE (coalesce(la.member_id, c.account_a) = coalesce(lb.member_id, c.account_b)) = (c.kind = 'cannot_link')
	UNION ALL
	SELECT 6, format('account %s', coalesce(l.account_id, c.account_id)), format('belongs to member %s, its last change says %s', coalesce(l.member_id, c.account_id), coalesce(c.to_member_id::text, 'nothing'))
	FROM retail.member_link l FULL JOIN (SELECT DISTINCT ON (x.account_id) x.account_id, x.to_member_id FROM retail.member_change x WHERE x.kind <> 'erase' ORDER BY x.account_id, x.member_change_id DESC) c USING (account_id)
	WHERE coalesce(l.member_id, c.account_id) IS DISTINCT FROM c.to_member_id
	UNION ALL
	SELECT 6, format('%s of account %s', x.what, x.account_id), 'there is no such account'
	FROM (SELECT 'identifier' AS what, i.account_id FROM retail.identifier i UNION SELECT 'match key', k.account_id FROM retail.match_key k UNION SELECT 'consent', c.account_id FROM retail.consent c
		UNION SELECT 'constraint', c.account_a FROM retail.match_constraint c UNION SELECT 'constraint', c.account_b FROM retail.match_constraint c
		UNION SELECT 'question', r.account_a FROM retail.match_review r UNION SELECT 'question', r.account_b FROM retail.match_review r) x
	WHERE NOT EXISTS (SELECT FROM retail.account a WHERE a.account_id = x.account_id)
	UNION ALL
	SELECT 6, format('question about accounts %s and %s', r.account_a, r.account_b), 'is open, but they are one person'
	FROM retail.match_review r LEFT JOIN retail.member_link la ON la.account_id = r.account_a LEFT JOIN retail.member_link lb ON lb.account_id = r.account_b
	WHERE r.state = 'open' AND coalesce(la.member_id, r.account_a) = coalesce(lb.member_id, r.account_b)
	UNION ALL
	SELECT 6, format('account %s', a.account_id), 'was erased, but personal data are left'
	FROM retail.account a WHERE a.erased_at IS NOT NULL AND (num_nonnulls(a.full_name, a.given_name, a.surname, a.birth_date, a.gender, a.address, a.city, a.region, a.postcode, a.attributes, a.content_hash) > 0
		OR EXISTS (SELECT FROM retail.identifier i WHERE i.account_id = a.account_id) OR EXISTS (SELECT FROM retail.match_key k WHERE k.account_id = a.account_id))
	UNION ALL
	SELECT 6, format('consent of account %s to %s by %s', coalesce(c.account_id, e.account_id), coalesce(c.purpose, e.purpose), coalesce(c.channel, e.channel)), 'is not what its history says'
	FROM retail.consent c FULL JOIN (SELECT DISTINCT ON (x.account_id, x.purpose, x.channel) x.account_id, x.purpose, x.channel, x.granted FROM retail.consent_event x
		ORDER BY x.account_id, x.purpose, x.channel, x.happened_at DESC, x.granted, x.consent_event_id DESC) e USING (account_id, purpose, channel)
	WHERE c.granted IS DISTINCT FROM e.granted
$$;
COMMENT ON FUNCTION retail.check_member_integrity() IS 'Invariant 6: links lead to the lowest number of a group in one step, as the last change says; the word of people is kept; nothing hangs on an account that is not there; nothing of a person is left who was forgotten; consents are what their history says.';

GRANT EXECUTE ON FUNCTION retail.merge_members(bigint, bigint, text, timestamptz), retail.split_member(bigint[], text, boolean, timestamptz), retail.split_member(bigint, text, timestamptz),
	retail.decide_review(bigint, bigint, boolean, text, timestamptz), retail.golden_record(bigint) TO retail_admin, retail_app, retail_service;
GRANT EXECUTE ON FUNCTION retail.put_survivorship_rule(text, text[]), retail.check_member_integrity() TO retail_admin;
