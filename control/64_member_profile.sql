-- 64_member_profile.sql: the profile of a person, kept up by what happens
-- (src/member/profile*.c), and what a store sees of it.

CREATE FUNCTION retail.make_profiles(members bigint[], as_of timestamptz, refit boolean, OUT people bigint, OUT changed bigint, OUT added bigint, OUT removed bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_make_profiles';
COMMENT ON FUNCTION retail.make_profiles(bigint[], timestamptz, boolean) IS
'Internal: makes the profiles of the people of some accounts (null: of everybody) from their accounts, orders and events, and writes those that differ. refit, for everybody only: first fits the figures of the population and writes them to profile_model. The caller holds the lock of the profiles.';

CREATE FUNCTION retail.lock_profiles(wait boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	IF wait THEN
		PERFORM pg_advisory_xact_lock(hashtext('pg_retail'), 64);
		RETURN true;
	END IF;
	RETURN pg_try_advisory_xact_lock_shared(hashtext('pg_retail'), 64);
END $$;
COMMENT ON FUNCTION retail.lock_profiles(boolean) IS 'Internal: keeps others from making profiles until the transaction ends. A run waits for its turn; who only refreshes some does not, and is told whether it may.';

CREATE FUNCTION retail.touch_profile(members bigint[]) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	INSERT INTO retail.profile_queue (member_id) SELECT DISTINCT m FROM unnest($1) m WHERE m IS NOT NULL
$$;
COMMENT ON FUNCTION retail.touch_profile(bigint[]) IS 'Internal: something changed about accounts or people, whose profiles the next run makes anew: an account, an identifier, a consent, a merge or split (all the numbers before and after).';

CREATE FUNCTION retail.refresh_profile(member bigint, as_of timestamptz DEFAULT now()) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	IF refresh_profile.member IS NULL THEN
		RETURN false;
	END IF;
	PERFORM retail.check_time(refresh_profile.as_of, 'as_of');
	IF NOT retail.lock_profiles(false) THEN
		RETURN false;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtext('pg_retail.profile'), hashint8(refresh_profile.member));
	-- Not of a time before that of the others.
	PERFORM retail.make_profiles(ARRAY[refresh_profile.member], greatest(retail.effective_time(refresh_profile.as_of), (SELECT s.as_of FROM retail.profile_state s)), false);
	RETURN true;
END $$;
COMMENT ON FUNCTION retail.refresh_profile(bigint, timestamptz) IS
'Makes the profile of one person anew at once, by the number of the person or of any account; false: a run of run_member_profile() is at it. Raises RT014.';

-- ---- the run --------------------------------------------------------------------------------

CREATE FUNCTION retail.profile_changes(seen_as_of timestamptz, seen_xid xid8, seen_from timestamptz, as_of timestamptz) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	queued bigint[];
BEGIN
	WITH taken AS (DELETE FROM retail.profile_queue RETURNING member_id) SELECT array_agg(DISTINCT t.member_id) INTO queued FROM taken t;
	IF queued IS NOT NULL THEN
		PERFORM retail.adopt_events(queued);
	END IF;
	-- Who was registered in the moment between reading and writing of a batch of events.
	PERFORM retail.adopt_events(array_agg(a.account_id)) FROM retail.event e
		JOIN retail.account a ON a.source_id = e.account_source_id AND a.external_id = e.account_external_id
		WHERE e.recorded_at >= seen_from AND e.xid >= seen_xid AND e.account_external_id IS NOT NULL HAVING count(*) > 0;
	RETURN ARRAY(
		SELECT unnest(queued)
		-- whose accounts came or went, ...
		UNION SELECT unnest(ARRAY[c.account_id, c.from_member_id, c.to_member_id]) FROM retail.member_change c WHERE c.xid >= seen_xid
		-- ... what was written down since then, ...
		UNION SELECT o.member_id FROM retail.order_event e JOIN retail.sales_order o USING (order_id)
			WHERE e.recorded_at >= seen_from AND e.xid >= seen_xid AND o.member_id IS NOT NULL
		UNION SELECT e.account_id FROM retail.event e WHERE e.recorded_at >= seen_from AND e.xid >= seen_xid AND e.account_id IS NOT NULL
		-- ... what was written ahead of its time, ...
		UNION SELECT o.member_id FROM retail.sales_order o WHERE o.placed_at > seen_as_of AND o.placed_at <= as_of AND o.member_id IS NOT NULL
		UNION SELECT e.account_id FROM retail.event e WHERE e.happened_at > seen_as_of AND e.happened_at <= as_of AND e.account_id IS NOT NULL
		-- ... and what changes by time alone.
		UNION SELECT p.member_id FROM retail.member_profile p WHERE p.next_change_at <= as_of);
END $$;
COMMENT ON FUNCTION retail.profile_changes(timestamptz, xid8, timestamptz, timestamptz) IS
'Internal: accounts and people whose profiles may have changed since a run, and takes them from the queue. What transactions wrote that were running then is read again: to make a profile twice does no harm.';

CREATE FUNCTION retail.count_members() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	smallest int := (SELECT s.smallest_group FROM retail.profile_setting s);
BEGIN
	DELETE FROM retail.member_life_cycle;
	-- Too small a group joins the others of its stage; if they are too few together, none of them is told.
	WITH g AS MATERIALIZED (
		SELECT p.stage, p.region_id, p.preferred_channel_id AS channel_id, count(*) AS people, sum(p.orders) AS orders, sum(p.monetary) AS monetary, coalesce(sum(p.lifetime_value), 0) AS lifetime_value
		FROM retail.member_profile p GROUP BY 1, 2, 3)
	INSERT INTO retail.member_life_cycle (stage, region_id, channel_id, people, orders, monetary, lifetime_value)
		SELECT g.stage, g.region_id, g.channel_id, g.people, g.orders, g.monetary, g.lifetime_value FROM g WHERE g.people >= smallest AND (g.region_id, g.channel_id) IS NOT NULL
		UNION ALL
		SELECT g.stage, NULL, NULL, sum(g.people), sum(g.orders), sum(g.monetary), sum(g.lifetime_value) FROM g WHERE g.people < smallest OR (g.region_id, g.channel_id) IS NULL
		GROUP BY g.stage HAVING sum(g.people) >= smallest;
	DELETE FROM retail.member_rfm;
	INSERT INTO retail.member_rfm (recency_score, frequency_score, monetary_score, people, monetary, lifetime_value)
		SELECT p.recency_score, p.frequency_score, p.monetary_score, count(*), sum(p.monetary), coalesce(sum(p.lifetime_value), 0)
		FROM retail.member_profile p WHERE p.recency_score IS NOT NULL GROUP BY 1, 2, 3 HAVING count(*) >= smallest;
END $$;
COMMENT ON FUNCTION retail.count_members() IS 'Internal: counts profiles for BI, by stage, region and channel, and by scores; leaves out what is too small.';

CREATE FUNCTION retail.run_member_profile(as_of timestamptz, "full" boolean) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	state retail.profile_state;
	setting retail.profile_setting;
	now_xid xid8;
	now_from timestamptz;
	touched bigint[];
	made record;
	whole boolean;
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(run_member_profile.as_of, 'as_of');
	as_of := retail.effective_time(run_member_profile.as_of);
	PERFORM retail.lock_profiles(true);
	SELECT * INTO state FROM retail.profile_state;
	SELECT * INTO setting FROM retail.profile_setting;
	-- First of all how far this run will have seen: a snapshot of now, before anything is read. Transactions that are
	-- running began later than now_from; prepared ones do not tell, nor does the server to a role that may not know.
	now_xid := pg_snapshot_xmin(pg_current_snapshot());
	now_from := CASE WHEN EXISTS (SELECT FROM pg_prepared_xacts) OR NOT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') THEN state.seen_from
		ELSE (SELECT least(transaction_timestamp(), min(a.xact_start)) FROM pg_stat_activity a) - interval '1 minute' END;
	-- A state from another server (a restored dump) knows nothing of the transactions of this one.
	whole := coalesce($2, false) OR state.as_of IS NULL OR state.full_at IS NULL OR state.version <> setting.version OR run_member_profile.as_of >= state.full_at + setting.refit_every
		OR state.seen_xid > pg_snapshot_xmax(pg_current_snapshot());
	IF NOT whole AND run_member_profile.as_of < state.as_of THEN
		RETURN format('profiles are of %s already', state.as_of);
	END IF;
	PERFORM retail.report_progress('member_profile', 'queue', 0, 1);
	IF whole THEN
		DELETE FROM retail.profile_queue;
		PERFORM retail.adopt_events(NULL);
	ELSE
		touched := retail.profile_changes(state.as_of, state.seen_xid, state.seen_from, run_member_profile.as_of);
		-- So many that it is no more work to make all, by figures of the population that hold for them.
		whole := cardinality(touched) > (SELECT greatest(1000, m.people / 5) FROM retail.profile_model m ORDER BY m.profile_model_id DESC LIMIT 1);
	END IF;
	SELECT m.* INTO made FROM retail.make_profiles(CASE WHEN NOT whole THEN touched END, run_member_profile.as_of, whole) m;
	IF whole THEN
		PERFORM retail.count_members();
	END IF;
	UPDATE retail.profile_state s SET as_of = run_member_profile.as_of, full_at = CASE WHEN whole THEN run_member_profile.as_of ELSE s.full_at END,
		version = CASE WHEN whole THEN setting.version ELSE s.version END, seen_xid = now_xid, seen_from = now_from;
	RETURN format('%s people looked at%s: %s profiles changed, %s added, %s removed', made.people, CASE WHEN whole THEN ', all' ELSE '' END, made.changed, made.added, made.removed);
END $$;
COMMENT ON FUNCTION retail.run_member_profile(timestamptz, boolean) IS
'Keeps the profiles of people up: makes those anew of whom orders, events, accounts, merges or consents changed since the last run, or whose stage changes by time alone. "full": makes all anew, and fits by them the scores and models of the population (profile_model); that is also done when there is no profile yet, when settings or rules changed, when more than 1000 people and a fifth of all are to be made anew, or when the figures are older than profile_setting.refit_every. Orders and events after as_of do not count yet; an as_of before that of the last run does nothing, unless full. Accounts that were copied in are found by a full run. Says what it did. Two at once: the second waits. Raises RT014, RT016 (time zone), RT050.';

CREATE FUNCTION retail.run_member_profile(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT retail.run_member_profile($1, false)
$$;
COMMENT ON FUNCTION retail.run_member_profile(timestamptz) IS 'The task of the worker: what is new since the last run, and everything once a day. Raises RT014, RT016, RT050.';

-- ---- rules ------------------------------------------------------------------------------------

CREATE FUNCTION retail.put_profile_setting(half_life_days double precision DEFAULT NULL, horizon_days int DEFAULT NULL, time_zone text DEFAULT NULL,
	refit_every interval DEFAULT NULL, smallest_group int DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	fault text;
BEGIN
	fault := CASE WHEN $1 IS NOT NULL AND NOT $1 BETWEEN 1 AND 3650 THEN format('half_life_days is %s.', $1)
		WHEN $2 NOT BETWEEN 1 AND 3650 THEN format('horizon_days is %s.', $2)
		WHEN $3 IS NOT NULL AND NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = $3) THEN format('time_zone is "%s".', left($3, 200))
		WHEN $4 NOT BETWEEN interval '1 hour' AND interval '366 days' THEN format('refit_every is %s.', $4)
		WHEN $5 NOT BETWEEN 1 AND 10000 THEN format('smallest_group is %s.', $5) END;
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid setting of profiles', DETAIL = fault,
			HINT = 'Give 1 to 3650 days, an IANA time zone, an interval from 1 hour to 366 days, a group of 1 to 10000.';
	END IF;
	UPDATE retail.profile_setting s SET half_life_days = coalesce($1, s.half_life_days), horizon_days = coalesce($2, s.horizon_days), time_zone = coalesce($3, s.time_zone),
		refit_every = coalesce($4, s.refit_every), smallest_group = coalesce($5, s.smallest_group), version = s.version + 1;
END $$;
COMMENT ON FUNCTION retail.put_profile_setting(double precision, int, text, interval, int) IS
'Changes how profiles are made; null keeps a setting. The next run makes all profiles anew. Raises RT016.';

CREATE FUNCTION retail.put_life_cycle_rule(stage text, "position" int, counted_from text DEFAULT 'purchase', below_days int DEFAULT NULL, most_orders int DEFAULT NULL, description text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	created boolean;
	fault text;
BEGIN
	-- Rules are judged together: one change at a time.
	UPDATE retail.profile_setting s SET version = s.version + 1;
	fault := CASE WHEN coalesce($1, '') !~ '^[a-z][a-z0-9_]{0,39}$' THEN format('stage is %s.', coalesce('"' || left($1, 200) || '"', 'null'))
		WHEN $2 IS NULL OR $2 NOT BETWEEN 1 AND 100 THEN format('position is %s.', coalesce($2::text, 'null'))
		WHEN coalesce($3, '') NOT IN ('registration', 'purchase', 'activity') THEN format('counted_from is %s.', coalesce('"' || left($3, 200) || '"', 'null'))
		WHEN $4 NOT BETWEEN 1 AND 36500 THEN format('below_days is %s.', $4)
		WHEN $5 < 0 THEN format('most_orders is %s.', $5)
		WHEN EXISTS (SELECT FROM retail.life_cycle_rule r WHERE r.position = $2 AND r.stage <> $1) THEN format('Position %s is that of stage %s.', $2, (SELECT r.stage FROM retail.life_cycle_rule r WHERE r.position = $2)) END;
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid rule of the life cycle', DETAIL = fault,
			HINT = 'Give a name of small letters, a free position from 1 to 100, counted_from registration, purchase or activity, 1 to 36500 days, 0 or more orders.';
	END IF;
	IF $6 IS NOT NULL AND $6 <> '' THEN
		PERFORM retail.check_text($6, 'description', 1000);
	END IF;
	INSERT INTO retail.life_cycle_rule AS r (stage, position, counted_from, below_days, most_orders, description) VALUES ($1, $2, $3, $4, $5, coalesce($6, ''))
		ON CONFLICT (stage) DO UPDATE SET position = excluded.position, counted_from = excluded.counted_from, below_days = excluded.below_days, most_orders = excluded.most_orders,
			description = coalesce($6, r.description)
		RETURNING r.xmax = 0 INTO created;
	PERFORM retail.check_life_cycle();
	RETURN CASE WHEN created THEN 'created' ELSE 'updated' END;
END $$;
COMMENT ON FUNCTION retail.put_life_cycle_rule(text, int, text, int, int, text) IS
'Defines a stage of life or changes it; the first in the order of position that fits is a person''s. below_days: fits while fewer days have passed since counted_from; null: always. most_orders: fits people with at most so many purchases; null: all. The last must fit everybody, and only that one. The next run makes all profiles anew. Returns created or updated. Raises RT015, RT016.';

CREATE FUNCTION retail.check_life_cycle() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	last retail.life_cycle_rule;
	early text := (SELECT r.stage FROM retail.life_cycle_rule r WHERE r.below_days IS NULL AND r.most_orders IS NULL ORDER BY r.position LIMIT 1);
BEGIN
	SELECT r.* INTO last FROM retail.life_cycle_rule r ORDER BY r.position DESC LIMIT 1;
	IF last.stage IS NULL OR last.below_days IS NOT NULL OR last.most_orders IS NOT NULL OR early <> last.stage THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'the last stage of life, and no other, must fit everybody',
			DETAIL = CASE WHEN last.stage IS NULL THEN 'There is no stage.' WHEN early <> last.stage THEN format('Nobody comes past stage %s.', early) ELSE format('Stage %s is the last.', last.stage) END,
			HINT = 'Give it no limits and the highest position.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_life_cycle() IS 'Internal: raises RT016 unless the last stage, and no other, fits everybody.';

CREATE FUNCTION retail.drop_life_cycle_rule(stage text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	UPDATE retail.profile_setting s SET version = s.version + 1;
	DELETE FROM retail.life_cycle_rule r WHERE r.stage = $1;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown stage of life', DETAIL = format('stage is %s.', coalesce('"' || left($1, 200) || '"', 'null')),
			HINT = 'See SELECT stage FROM retail.life_cycle_rule.';
	END IF;
	PERFORM retail.check_life_cycle();
END $$;
COMMENT ON FUNCTION retail.drop_life_cycle_rule(text) IS 'Removes a stage of life; the last one must fit everybody. The next run makes all profiles anew. Raises RT005, RT016.';

CREATE FUNCTION retail.put_affinity_weight(kind text, weight real, description text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	created boolean;
BEGIN
	IF coalesce($1, '') !~ '^[a-z][a-z0-9_]{0,39}$' OR $2 IS NULL OR NOT $2 BETWEEN 0 AND 1000 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid weight of an interest', DETAIL = format('kind is %s, weight is %s.', coalesce('"' || left($1, 200) || '"', 'null'), coalesce($2::text, 'null')),
			HINT = 'Give bought_store, bought_online or the kind of an event, and 0 to 1000.';
	END IF;
	UPDATE retail.profile_setting s SET version = s.version + 1;
	IF $2 = 0 THEN
		DELETE FROM retail.affinity_weight w WHERE w.kind = $1;
		RETURN 'removed';
	END IF;
	INSERT INTO retail.affinity_weight AS w (kind, weight, description) VALUES ($1, $2, coalesce($3, ''))
		ON CONFLICT (kind) DO UPDATE SET weight = excluded.weight, description = coalesce($3, w.description) RETURNING w.xmax = 0 INTO created;
	RETURN CASE WHEN created THEN 'created' ELSE 'updated' END;
END $$;
COMMENT ON FUNCTION retail.put_affinity_weight(text, real, text) IS
'How much a purchase (bought_store, bought_online) or the kind of an event says about what a person likes; 0: nothing. The next run makes all profiles anew. Returns created, updated or removed. Raises RT016.';

-- ---- looking at it -------------------------------------------------------------------------------

CREATE FUNCTION retail.member_affinity(member bigint, as_of timestamptz DEFAULT now()) RETURNS TABLE (category text, score double precision, share double precision, bought real)
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 8 SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT g.code, 2 ^ greatest(a.score - extract(epoch FROM $2 - '2000-01-01 00:00+00') / 86400 / s.half_life_days, -1000), 2 ^ greatest(a.score - p.affinity_score[1], -1000) / sum(2 ^ greatest(a.score - p.affinity_score[1], -1000)) OVER (), a.bought
	FROM retail.member_profile p CROSS JOIN retail.profile_setting s,
	LATERAL unnest(p.affinity_category, p.affinity_score, p.affinity_bought) WITH ORDINALITY a (category_id, score, bought, n) JOIN retail.category g USING (category_id)
	WHERE p.member_id = coalesce((SELECT l.member_id FROM retail.member_link l WHERE l.account_id = $1), $1)
	ORDER BY a.n
$$;
COMMENT ON FUNCTION retail.member_affinity(bigint, timestamptz) IS
'What a person likes, by the profile: category, score at as_of (halved every half-life), share among the eight kept, and which part of it comes from purchases.';

CREATE FUNCTION retail.till_card(member bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
-- To plan these statements costs twice what they do, and what they read is found by keys.
DECLARE
	p retail.member_profile;
	accounts bigint[];
	bought jsonb;
	looked jsonb;
	likes jsonb;
BEGIN
	accounts := ARRAY(SELECT l.account_id FROM retail.member_link l WHERE l.member_id = member) || member;
	SELECT * INTO p FROM retail.member_profile x WHERE x.member_id = till_card.member;
	SELECT coalesce(jsonb_agg(jsonb_build_object('at', o.placed_at, 'channel', c.code, 'total', o.total, 'skus', (SELECT jsonb_agg(k.name ORDER BY l.line_no) FROM retail.order_line l JOIN retail.sku k USING (sku_id)
			WHERE l.order_id = o.order_id AND l.line_no <= 5)) ORDER BY o.placed_at DESC, o.order_id DESC), '[]') INTO bought
		FROM (SELECT s.order_id, s.placed_at, s.channel_id, s.total FROM retail.sales_order s WHERE s.member_id = ANY (accounts) AND s.status <> 'cancelled' ORDER BY s.placed_at DESC, s.order_id DESC LIMIT 5) o
		JOIN retail.channel c USING (channel_id);
	SELECT coalesce(jsonb_agg(jsonb_build_object('at', e.happened_at, 'kind', e.kind, 'sku', k.code, 'name', k.name, 'category', g.code) ORDER BY e.happened_at DESC), '[]') INTO looked
		FROM (SELECT v.* FROM unnest(accounts) u (account_id) CROSS JOIN LATERAL (SELECT y.happened_at, y.kind, y.sku_id, y.category_id FROM retail.event y
				WHERE y.account_id = u.account_id AND y.kind IN ('view', 'cart', 'favourite', 'search') ORDER BY y.happened_at DESC LIMIT 10) v ORDER BY v.happened_at DESC LIMIT 10) e
		LEFT JOIN retail.sku k ON k.sku_id = e.sku_id LEFT JOIN retail.category g ON g.category_id = e.category_id;
	SELECT coalesce(jsonb_agg(jsonb_build_object('category', g.code, 'name', g.name, 'bought', round(a.bought::numeric, 2)) ORDER BY a.n), '[]') INTO likes
		FROM unnest(p.affinity_category, p.affinity_bought) WITH ORDINALITY a (category_id, bought, n) JOIN retail.category g USING (category_id);
	RETURN jsonb_build_object('member', member, 'stage', p.stage, 'tier', coalesce(p.tier, 'regular'), 'points', p.points, 'orders', p.orders, 'last_purchase_at', p.last_purchase_at,
		'purchases', bought, 'looked_at', looked, 'likes', likes);
END $$;
COMMENT ON FUNCTION retail.till_card(bigint) IS 'Internal: what a store may see of a person, but the name.';

CREATE FUNCTION retail.member_at_till(code text, node text DEFAULT NULL) RETURNS SETOF jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1 SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	RETURN QUERY SELECT f.card || jsonb_build_object('name', f.display_name) FROM retail.find_member($1, node => $2) f;
END $$;
COMMENT ON FUNCTION retail.member_at_till(text, text) IS
'What a store sees of the person with a phone number, card or other identifier, or M and the member number: name (masked), stage, tier, points, last purchases, what was looked at online lately, and what the person likes, as the last run of run_member_profile() left it. The cards of find_member(), verified first. Raises RT002, RT017, RT040.';

-- ---- forgetting and telling -------------------------------------------------------------------------

CREATE FUNCTION retail.member_export_profile(account_ids bigint[]) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT jsonb_build_object('profile', (SELECT to_jsonb(p) - '{affinity_category,affinity_score,affinity_bought}'::text[]
		|| jsonb_build_object('affinities', (SELECT coalesce(jsonb_agg(to_jsonb(a)), '[]') FROM retail.member_affinity(p.member_id, p.updated_at) a))
		FROM retail.member_profile p WHERE p.member_id = ANY ($1) ORDER BY p.member_id LIMIT 1))
$$;
COMMENT ON FUNCTION retail.member_export_profile(bigint[]) IS 'Internal: the profile of a person.';

CREATE FUNCTION retail.member_forget_profile(account_ids bigint[], as_of timestamptz) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	-- Waits for a run, which would write the profile again; the next one sees that the accounts are erased.
	PERFORM pg_advisory_xact_lock_shared(hashtext('pg_retail'), 64);
	DELETE FROM retail.member_profile p WHERE p.member_id = ANY (account_ids);
	RETURN 0;
END $$;
COMMENT ON FUNCTION retail.member_forget_profile(bigint[], timestamptz) IS 'Internal: removes the profiles under some numbers; waits for a run that is going on.';

GRANT EXECUTE ON FUNCTION retail.run_member_profile(timestamptz), retail.run_member_profile(timestamptz, boolean), retail.refresh_profile(bigint, timestamptz) TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.put_profile_setting(double precision, int, text, interval, int), retail.put_life_cycle_rule(text, int, text, int, int, text), retail.drop_life_cycle_rule(text),
	retail.put_affinity_weight(text, real, text) TO retail_admin;
GRANT EXECUTE ON FUNCTION retail.member_affinity(bigint, timestamptz) TO retail_admin, retail_app, retail_service;
GRANT EXECUTE ON FUNCTION retail.member_at_till(text, text) TO retail_admin, retail_app, retail_service, retail_store;
