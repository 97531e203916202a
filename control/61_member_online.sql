-- 61_member_online.sql: why accounts are one person, or are not; who stands at
-- the till.

CREATE FUNCTION retail.score_accounts(a bigint, b bigint, OUT weight float8, OUT probability float8, OUT prior float8, OUT adjustment float8, OUT band text, OUT rule text, OUT evidence jsonb, OUT model_id int)
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000 AS 'MODULE_PATHNAME', 'retail_score_accounts';
COMMENT ON FUNCTION retail.score_accounts(bigint, bigint) IS 'Internal: compares two accounts by the active model; null when one of them is not there or was erased.';

CREATE FUNCTION retail.evidence_words(evidence jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT string_agg(format('%s %s (%s bits)', replace(e.key, '_', ' '), e.value ->> 0, to_char((e.value ->> 1)::numeric, 'FMSG990.0')), ', ' ORDER BY (e.value ->> 1)::numeric DESC, e.key)
	FROM jsonb_each($1) e WHERE jsonb_typeof(e.value) = 'array' AND (e.value ->> 1)::numeric <> 0
$$;
COMMENT ON FUNCTION retail.evidence_words(jsonb) IS 'Internal: the evidence of a link in words: what agrees first, what disagrees last.';

CREATE FUNCTION retail.explain_match(a bigint, b bigint) RETURNS TABLE (item text, finding text, bits numeric, explanation text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 12 SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	s record;
	c retail.match_constraint;
	e record;
BEGIN
	PERFORM retail.check_member(a), retail.check_member(b), retail.check_argument(a <> b, 'b', b::text, 'Name two accounts.'), retail.check_not_erased(ARRAY[a, b]);
	SELECT * INTO s FROM retail.score_accounts(a, b);
	RETURN QUERY SELECT 'before looking', format('one pair in %s', to_char(power(2, least(-s.prior, 60)), 'FM999,999,999,999,999,999')), round(s.prior::numeric, 1),
		'How rarely two accounts taken at random are one person.';
	FOR e IN SELECT x.key, x.value ->> 0 AS level, (x.value ->> 1)::numeric AS bits FROM jsonb_each(s.evidence) x WHERE jsonb_typeof(x.value) = 'array' ORDER BY (x.value ->> 1)::numeric DESC, x.key LOOP
		RETURN QUERY SELECT replace(e.key, '_', ' '), e.level, e.bits, CASE
			WHEN e.bits > 0 THEN format('%s times as likely of one person as of two.', to_char(power(2, least(e.bits, 60)), CASE WHEN e.bits < 5 THEN 'FM99990.0' ELSE 'FM999,999,999,999,999,999' END))
			WHEN e.bits < 0 THEN format('%s times as likely of two people as of one.', to_char(power(2, least(-e.bits, 60)), CASE WHEN e.bits > -5 THEN 'FM99990.0' ELSE 'FM999,999,999,999,999,999' END))
			ELSE 'Says nothing.' END;
	END LOOP;
	IF abs(s.adjustment) >= 0.05 THEN
		RETURN QUERY SELECT 'fields that depend on each other', NULL, round(s.adjustment::numeric, 1), 'What several fields say together is less, or more, than their sum.';
	END IF;
	RETURN QUERY SELECT 'score', format('%s %%', trim_scale(round((100 * s.probability)::numeric, 4))), round(s.weight::numeric, 1), CASE s.rule
		WHEN 'identifier' THEN 'A verified identifier that belongs to one person at a time is the same, and nothing vetoes it.'
		WHEN 'contradiction' THEN 'Different verified identifiers of which a person has one: never merged.'
		WHEN 'birth_date' THEN 'A shared identifier would merge them, but the birth dates are clearly different.'
		WHEN 'gender' THEN 'A shared identifier would merge them, but the genders are different.'
		WHEN 'second_field' THEN 'Nothing but an identifier that people share or hand on agrees: a second field must.'
		ELSE format('All that was compared, by model %s.', s.model_id) END;
	SELECT * INTO c FROM retail.match_constraint x WHERE x.account_a = least(a, b) AND x.account_b = greatest(a, b);
	IF FOUND THEN
		RETURN QUERY SELECT 'decided by a person', CASE c.kind WHEN 'must_link' THEN 'one person' ELSE 'two people' END, NULL::numeric, format('By %s at %s: %s', c.actor, c.decided_at, c.reason);
	END IF;
	RETURN QUERY SELECT 'result', CASE WHEN retail.member_of(a) = retail.member_of(b) THEN format('one person: member %s', retail.member_of(a)) ELSE format('two people: members %s and %s', retail.member_of(a), retail.member_of(b)) END,
		NULL::numeric, CASE s.band WHEN 'merge' THEN 'The score merges them, unless the rest of their accounts disagrees.' WHEN 'review' THEN 'The score asks a person to decide.' ELSE 'The score leaves them apart, unless other accounts join them.' END;
END $$;
COMMENT ON FUNCTION retail.explain_match(bigint, bigint) IS
'Why two accounts are one person, or are not: a row for each field that both have, with what was found, its bits (log2 of how much more likely it is of one person than of two) and the meaning in words; then the score, what a person decided, and the result. No value in clear. Raises RT007, RT016, RT031 (erased).';

CREATE FUNCTION retail.explain_member(id bigint) RETURNS TABLE (account_id bigint, source text, since timestamptz, rule text, joined_with bigint, bits numeric, explanation text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 3 SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	PERFORM retail.check_member(id);
	RETURN QUERY
	SELECT m.a, s.code, coalesce(c.changed_at, x.registered_at), c.rule, c.partner_id, round(c.weight::numeric, 1), CASE
		WHEN x.erased_at IS NOT NULL THEN 'Was forgotten.'
		WHEN c.account_id IS NULL THEN CASE WHEN m.n = 1 THEN 'Its number is the person''s: the lowest of its accounts.' ELSE 'Belongs to the person.' END
		WHEN c.rule = 'must_link' THEN format('Joined by %s%s.', c.actor, coalesce(': ' || c.reason, ''))
		WHEN c.kind = 'split' OR c.rule = 'resolution' THEN format('Came here when accounts were parted%s.', coalesce(': ' || c.reason, ''))
		WHEN c.rule = 'score' THEN format('Very likely the same as account %s: %s.', c.partner_id, coalesce(retail.evidence_words(c.evidence), 'the evidence is gone'))
		ELSE format('The same %s as account %s, verified: %s.', replace(c.rule, '_', ' '), c.partner_id, coalesce(retail.evidence_words(c.evidence), 'the evidence is gone')) END
	FROM retail.member_accounts(id) WITH ORDINALITY m (a, n) JOIN retail.account x ON x.account_id = m.a JOIN retail.member_source s USING (source_id)
	LEFT JOIN LATERAL (SELECT y.* FROM retail.member_change y WHERE y.account_id = m.a AND y.kind <> 'erase' ORDER BY y.member_change_id DESC LIMIT 1) c ON true
	ORDER BY m.a;
END $$;
COMMENT ON FUNCTION retail.explain_member(bigint) IS 'Why the accounts of a person are together: a row for each, with the account by which it was joined, the rule, the weight in bits and the reason in words. Raises RT007.';

-- ---- at the till ----------------------------------------------------------------------------------

CREATE FUNCTION retail.display_name(id bigint) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	-- 王** of 王小明, A** L** of Ada Lovelace: enough to greet, too little to know.
	SELECT string_agg(left(w, 1) || '**', ' ' ORDER BY n)
	FROM (SELECT coalesce(a.full_name, concat_ws(' ', a.given_name, a.surname)) AS name FROM retail.member_accounts($1) m JOIN retail.account a ON a.account_id = m JOIN retail.member_source s USING (source_id)
		WHERE coalesce(a.full_name, a.given_name, a.surname) IS NOT NULL ORDER BY s.priority, a.account_id LIMIT 1) x, regexp_split_to_table(btrim(x.name), '[\s,·]+') WITH ORDINALITY p (w, n)
$$;
COMMENT ON FUNCTION retail.display_name(bigint) IS 'Internal: the name of a person, masked.';

CREATE FUNCTION retail.find_place(node text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	who name := retail.caller();
	place bigint;
BEGIN
	IF node IS NOT NULL THEN
		place := retail.node_id(node, 'known');
		PERFORM retail.check_node_access(place);
		RETURN place;
	ELSIF pg_has_role(who, 'retail_admin', 'MEMBER') OR pg_has_role(who, 'retail_app', 'MEMBER') OR pg_has_role(who, 'retail_service', 'MEMBER') THEN
		RETURN NULL;
	END IF;
	SELECT min(p.node_id) INTO place FROM retail.principal p WHERE p.role_name = who AND p.node_id IS NOT NULL;
	IF place IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT040', MESSAGE = 'not permitted at a till', DETAIL = format('Role %s is not bound to a node.', who), HINT = 'Ask an administrator for SELECT retail.bind_principal(role, node => code).';
	END IF;
	RETURN place;
END $$;
COMMENT ON FUNCTION retail.find_place(text) IS 'Internal: the node at which the caller looks somebody up; null for the whole chain. Raises RT002, RT040.';

CREATE FUNCTION retail.access_time(as_of timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT CASE WHEN pg_has_role(retail.caller(), 'retail_admin', 'MEMBER') THEN $1 ELSE now() END
$$;
COMMENT ON FUNCTION retail.access_time(timestamptz) IS 'Internal: when somebody looks at a person: now, whatever the caller says; as_of for administrators, who may replay and simulate.';

CREATE FUNCTION retail.find_by_code(code text, type text, as_of timestamptz) RETURNS TABLE (member_id bigint, found_by text, verified boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1 SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	t record;
	folded text;
BEGIN
	IF (find_by_code.type = 'member' AND code ~ '^[Mm]?[0-9]{1,18}$' OR find_by_code.type IS NULL AND code ~ '^[Mm][0-9]{1,18}$')
		AND EXISTS (SELECT FROM retail.account a WHERE a.account_id = ltrim(code, 'Mm')::bigint AND a.erased_at IS NULL) THEN
		RETURN QUERY SELECT retail.member_of(ltrim(code, 'Mm')::bigint), 'member', true;
	END IF;
	-- Small statements: a plan of all at once would cost more than they do.
	FOR t IN SELECT x.type FROM retail.identifier_type x WHERE x.type = find_by_code.type OR find_by_code.type IS NULL AND x.normaliser <> 'hash' ORDER BY x.priority, x.type LOOP
		folded := retail.fold_identifier(t.type, code);
		CONTINUE WHEN folded IS NULL OR EXISTS (SELECT FROM retail.blocked_identifier b WHERE (b.type IS NULL OR b.type = t.type) AND folded LIKE b.pattern);
		RETURN QUERY SELECT retail.member_of(i.account_id), t.type::text, i.verified FROM retail.identifier i
			WHERE i.value = folded AND i.type = t.type AND i.valid_from <= find_by_code.as_of AND i.valid_to > find_by_code.as_of ORDER BY i.verified DESC, i.account_id LIMIT 20;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.find_by_code(text, text, timestamptz) IS 'Internal: people who have an identifier of this value now, or this member number; one row an account.';

CREATE FUNCTION retail.find_member(code text, type text DEFAULT NULL, node text DEFAULT NULL, as_of timestamptz DEFAULT now())
RETURNS TABLE (member_id bigint, display_name text, found_by text, verified boolean, card jsonb)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1 SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	place bigint := retail.find_place(node);
	who name := retail.caller();
	has_card boolean := to_regprocedure('retail.till_card(pg_catalog.int8)') IS NOT NULL;
	x record;
	found_any boolean := false;
BEGIN
	PERFORM retail.check_time(find_member.as_of, 'as_of');
	as_of := retail.access_time(find_member.as_of);
	IF find_member.type <> 'member' THEN
		PERFORM retail.check_identifier_type(find_member.type);
	END IF;
	IF code IS NULL OR length(code) > 320 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT017', MESSAGE = 'invalid code', DETAIL = 'code is null or too long.', HINT = 'Give a phone, a card number or M and the member number.';
	END IF;
	FOR x IN SELECT f.member_id, (array_agg(f.found_by))[1] AS found_by, bool_or(f.verified) AS verified FROM retail.find_by_code(find_member.code, find_member.type, find_member.as_of) f GROUP BY f.member_id ORDER BY 3 DESC, 1 LIMIT 5 LOOP
		found_any := true;
		member_id := x.member_id;
		found_by := x.found_by;
		verified := x.verified;
		display_name := retail.display_name(x.member_id);
		IF has_card THEN
			EXECUTE format('SELECT retail.%I($1)', 'till_card') INTO card USING x.member_id;
		END IF;
		INSERT INTO retail.member_access (kind, member_id, found_by, node_id, actor, accessed_at) VALUES ('find', x.member_id, x.found_by, place, who, find_member.as_of);
		RETURN NEXT;
	END LOOP;
	IF NOT found_any THEN
		INSERT INTO retail.member_access (kind, found_by, node_id, actor, accessed_at) VALUES ('find', find_member.type, place, who, find_member.as_of);
	END IF;
END $$;
COMMENT ON FUNCTION retail.find_member(text, text, text, timestamptz) IS
'Who stands at the till? By phone, card or any other identifier (type: of this type only), or by M and the member number: the person, the name masked, and what a store may see of the profile (card). Several rows, verified first, when people share a value; at most 5. A store must be bound to the node. Who looked up whom is recorded in retail.member_access, not by which value. as_of counts for administrators; others look now. Raises RT002, RT005, RT014, RT017, RT040.';

GRANT EXECUTE ON FUNCTION retail.explain_match(bigint, bigint), retail.explain_member(bigint) TO retail_admin, retail_app, retail_service;
GRANT EXECUTE ON FUNCTION retail.find_member(text, text, text, timestamptz) TO retail_admin, retail_app, retail_service, retail_store;
