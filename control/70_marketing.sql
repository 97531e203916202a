-- 70_marketing.sql: what people did, at any touch point (src/marketing/event.c).

CREATE FUNCTION retail.parse_events(events jsonb, source text, as_of timestamptz,
	OUT n int, OUT source_code text, OUT external_id text, OUT kind text, OUT account_source text, OUT account text, OUT member bigint,
	OUT happened_at timestamptz, OUT channel text, OUT node text, OUT sku text, OUT category text, OUT value numeric, OUT properties jsonb,
	OUT sqlstate text, OUT error text, OUT detail text, OUT content jsonb) RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 1000 COST 1000 AS 'MODULE_PATHNAME', 'retail_parse_events';
COMMENT ON FUNCTION retail.parse_events(jsonb, text, timestamptz) IS
'Internal: the events of an array, a row each; those of a wrong form with the reason and the content as it came. Raises RT011.';

CREATE FUNCTION retail.record_events(events jsonb, source text DEFAULT NULL, as_of timestamptz DEFAULT now(),
	OUT recorded int, OUT repeated int, OUT set_aside int)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
-- By keys: to read all accounts for a batch of events would cost more than the batch.
#variable_conflict use_column
BEGIN
	PERFORM retail.check_time(record_events.as_of, 'as_of');
	as_of := retail.effective_time(record_events.as_of);
	-- In the order of their keys, so that two batches with the same events wait for each other instead of dying together.
	WITH read AS MATERIALIZED (
		SELECT e.*, s.source_id, s2.source_id AS account_source_id, a.account_id, a.erased_at, b.account_id AS member_id, b.erased_at AS member_erased_at,
			c.channel_id, d.node_id, k.sku_id, coalesce(g.category_id, k.category_id) AS category_id,
			CASE WHEN e.sqlstate IS NOT NULL THEN e.sqlstate
				WHEN s.source_id IS NULL OR (e.account_source IS NOT NULL AND s2.source_id IS NULL) OR (e.member IS NOT NULL AND b.account_id IS NULL) THEN 'RT005'
				WHEN e.sku IS NOT NULL AND k.sku_id IS NULL THEN 'RT001'
				WHEN e.node IS NOT NULL AND d.node_id IS NULL THEN 'RT002'
				WHEN e.channel IS NOT NULL AND c.channel_id IS NULL THEN 'RT003'
				WHEN e.category IS NOT NULL AND g.category_id IS NULL THEN 'RT005' END AS refused
		FROM retail.parse_events(record_events.events, record_events.source, record_events.as_of) e
		LEFT JOIN retail.member_source s ON s.code = e.source_code
		LEFT JOIN retail.member_source s2 ON s2.code = e.account_source
		LEFT JOIN retail.account a ON a.source_id = s2.source_id AND a.external_id = e.account
		LEFT JOIN retail.account b ON b.account_id = e.member
		LEFT JOIN retail.channel c ON c.code = e.channel
		LEFT JOIN retail.node d ON d.code = e.node
		LEFT JOIN retail.sku k ON k.code = e.sku
		LEFT JOIN retail.category g ON g.code = e.category
	), written AS (
		INSERT INTO retail.event (source_id, external_id, kind, account_id, account_source_id, account_external_id, happened_at, channel_id, node_id, sku_id, category_id, value, properties)
			SELECT r.source_id, r.external_id, r.kind,
				CASE WHEN r.erased_at IS NULL AND r.member_erased_at IS NULL THEN coalesce(r.member_id, r.account_id) END,
				CASE WHEN r.account_id IS NULL THEN r.account_source_id END, CASE WHEN r.account_id IS NULL THEN r.account END,
				r.happened_at, r.channel_id, r.node_id, r.sku_id, r.category_id, r.value,
				CASE WHEN r.erased_at IS NULL AND r.member_erased_at IS NULL THEN r.properties END
			FROM read r WHERE r.refused IS NULL ORDER BY r.source_id, r.external_id, r.n
			ON CONFLICT (source_id, external_id) DO NOTHING
			RETURNING 1
	), refused AS (
		INSERT INTO retail.event_exception AS x (source, external_id, account_source, account_external_id, member_id, content, sqlstate, error, detail, raised_at, last_at)
			SELECT * FROM (
				SELECT DISTINCT ON (r.source_code, r.external_id, CASE WHEN r.source_code IS NULL OR r.external_id IS NULL THEN r.n END)
					r.source_code, r.external_id, r.account_source, r.account, r.member,
					coalesce(r.content, jsonb_strip_nulls(jsonb_build_object('source', r.source_code, 'id', r.external_id, 'kind', r.kind, 'account_source', CASE WHEN r.account IS NOT NULL THEN r.account_source END,
						'account', r.account, 'member', r.member, 'at', r.happened_at, 'channel', r.channel, 'node', r.node, 'sku', r.sku, 'category', r.category, 'value', r.value, 'properties', r.properties))),
					r.refused, coalesce(r.error, 'unknown ' || w.what), coalesce(r.detail, format('%s is "%s".', w.what, w.code)), record_events.as_of AS raised_at, record_events.as_of AS last_at
				FROM read r CROSS JOIN LATERAL (SELECT CASE WHEN r.source_id IS NULL THEN 'source' WHEN r.account_source IS NOT NULL AND r.account_source_id IS NULL THEN 'account_source'
						WHEN r.member IS NOT NULL AND r.member_id IS NULL THEN 'member' WHEN r.refused = 'RT001' THEN 'sku' WHEN r.refused = 'RT002' THEN 'node' WHEN r.refused = 'RT003' THEN 'channel' ELSE 'category' END) t (what)
					CROSS JOIN LATERAL (SELECT t.what, CASE t.what WHEN 'source' THEN r.source_code WHEN 'account_source' THEN r.account_source WHEN 'member' THEN r.member::text WHEN 'sku' THEN r.sku WHEN 'node' THEN r.node
						WHEN 'channel' THEN r.channel ELSE r.category END) w (what, code)
				WHERE r.refused IS NOT NULL
				ORDER BY r.source_code, r.external_id, CASE WHEN r.source_code IS NULL OR r.external_id IS NULL THEN r.n END, r.n DESC) one
			ON CONFLICT (source, external_id) WHERE source IS NOT NULL AND external_id IS NOT NULL DO UPDATE SET
				account_source = excluded.account_source, account_external_id = excluded.account_external_id, member_id = excluded.member_id, content = excluded.content,
				sqlstate = excluded.sqlstate, error = excluded.error, detail = excluded.detail, attempts = x.attempts + 1, last_at = excluded.last_at, resolved_at = NULL
			RETURNING 1
	), mended AS (
		UPDATE retail.event_exception x SET resolved_at = record_events.as_of, content = '{}' FROM read r
			WHERE r.refused IS NULL AND x.source = r.source_code AND x.external_id = r.external_id AND x.resolved_at IS NULL
	)
	SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM read r WHERE r.refused IS NULL), (SELECT count(*) FROM read r WHERE r.refused IS NOT NULL)
		INTO recorded, repeated, set_aside;
	repeated := repeated - recorded;
END $$;
COMMENT ON FUNCTION retail.record_events(jsonb, text, timestamptz) IS
'Records what people did. events: an array of at most 100000 objects with source (code of member_source; or the argument for all), id (the source''s own number), kind, at (a time; late and out of order is fine), and if it is so: account (the source''s number of the person; account_source if it is another system''s) or member (a number of ours), channel, node, sku, category, value, properties (an object of at most 8 kB). Idempotent by (source, id): what is there already is counted as repeated and not changed. An account that is not known is kept, and joined when it becomes known. What is malformed, more than ten minutes ahead of as_of or names what does not exist is set aside in event_exception, with the reason, and does not stop the others. Raises RT011 (no such array), RT014.';

CREATE FUNCTION retail.retry_events(max_events int DEFAULT 10000, as_of timestamptz DEFAULT now(), OUT recorded int, OUT repeated int, OUT set_aside int)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	waiting jsonb;
BEGIN
	IF retry_events.max_events IS NULL OR retry_events.max_events NOT BETWEEN 1 AND 100000 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid number of events', DETAIL = format('max_events is %s.', coalesce(retry_events.max_events::text, 'null')), HINT = 'Give 1 to 100000.';
	END IF;
	SELECT coalesce(jsonb_agg(jsonb_build_object('source', o.source) || o.content), '[]') INTO waiting FROM (
		SELECT x.source, x.content FROM retail.event_exception x
		WHERE x.resolved_at IS NULL AND x.source IS NOT NULL AND x.external_id IS NOT NULL AND jsonb_typeof(x.content) = 'object' ORDER BY x.raised_at LIMIT retry_events.max_events FOR UPDATE SKIP LOCKED) o;
	SELECT r.recorded, r.repeated, r.set_aside INTO recorded, repeated, set_aside FROM retail.record_events(waiting, as_of => retry_events.as_of) r;
END $$;
COMMENT ON FUNCTION retail.retry_events(int, timestamptz) IS
'Tries events again that were set aside, the oldest first, when what they name has been put into the catalogue. Those without source or id stay. Raises RT014, RT016.';

CREATE FUNCTION retail.adopt_events(accounts bigint[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	adopted bigint;
BEGIN
	IF accounts IS NULL THEN
		UPDATE retail.event e SET account_id = CASE WHEN a.erased_at IS NULL THEN a.account_id END, account_source_id = NULL, account_external_id = NULL
			FROM retail.account a WHERE e.account_external_id IS NOT NULL AND a.source_id = e.account_source_id AND a.external_id = e.account_external_id;
	ELSE
		UPDATE retail.event e SET account_id = CASE WHEN a.erased_at IS NULL THEN a.account_id END, account_source_id = NULL, account_external_id = NULL
			FROM retail.account a WHERE a.account_id = ANY (accounts) AND e.account_external_id IS NOT NULL AND e.account_source_id = a.source_id AND e.account_external_id = a.external_id;
	END IF;
	GET DIAGNOSTICS adopted = ROW_COUNT;
	RETURN adopted;
END $$;
COMMENT ON FUNCTION retail.adopt_events(bigint[]) IS 'Internal: gives events of accounts that were not known to some accounts that now are (null: to all). Returns how many.';

CREATE FUNCTION retail.member_export_marketing(account_ids bigint[]) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT jsonb_build_object('events', coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('source', s.code, 'id', e.external_id, 'kind', e.kind, 'account', e.account_id, 'at', e.happened_at, 'recorded_at', e.recorded_at, 'channel', c.code,
			'node', n.code, 'sku', k.code, 'category', g.code, 'value', e.value, 'properties', e.properties)) ORDER BY e.happened_at, e.event_id), '[]'),
		'refused_events', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(x) - 'event_exception_id') ORDER BY x.event_exception_id), '[]') FROM retail.event_exception x WHERE x.member_id = ANY ($1)
			OR EXISTS (SELECT FROM retail.account a JOIN retail.member_source w USING (source_id) WHERE a.account_id = ANY ($1) AND w.code = x.account_source AND a.external_id = x.account_external_id)))
	-- also those that wait to be adopted
	FROM (SELECT o.* FROM retail.event o WHERE o.account_id = ANY ($1) UNION ALL
		SELECT o.* FROM retail.account a JOIN retail.event o ON o.account_source_id = a.source_id AND o.account_external_id = a.external_id WHERE a.account_id = ANY ($1) AND o.account_external_id IS NOT NULL) e
	JOIN retail.member_source s USING (source_id) LEFT JOIN retail.channel c ON c.channel_id = e.channel_id LEFT JOIN retail.node n ON n.node_id = e.node_id
	LEFT JOIN retail.sku k ON k.sku_id = e.sku_id LEFT JOIN retail.category g ON g.category_id = e.category_id
$$;
COMMENT ON FUNCTION retail.member_export_marketing(bigint[]) IS 'Internal: what the marketing room holds of a person.';

CREATE FUNCTION retail.member_forget_marketing(account_ids bigint[], as_of timestamptz) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	-- Before any row of an event: a run that makes profiles changes events too.
	PERFORM pg_advisory_xact_lock_shared(hashtext('pg_retail'), 64);
	PERFORM retail.adopt_events(account_ids);
	-- Events stay, to be counted.
	UPDATE retail.event e SET account_id = NULL, properties = NULL WHERE e.account_id = ANY (account_ids);
	DELETE FROM retail.event_exception x WHERE x.member_id = ANY (account_ids)
		OR EXISTS (SELECT FROM retail.account a JOIN retail.member_source s USING (source_id) WHERE a.account_id = ANY (account_ids) AND s.code = x.account_source AND a.external_id = x.account_external_id);
	RETURN 0;
END $$;
COMMENT ON FUNCTION retail.member_forget_marketing(bigint[], timestamptz) IS
'Internal: forgets the people of these accounts in the marketing room: events stay, without person and properties. Comes before member_forget_member() by name, while accounts still have their external ids.';

CREATE FUNCTION retail.check_marketing_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT 6, format('event "%s" of source %s', e.external_id, e.source_id), format('names account %s, which does not exist', e.account_id)
	FROM retail.event e WHERE e.account_id IS NOT NULL AND NOT EXISTS (SELECT FROM retail.account a WHERE a.account_id = e.account_id)
	UNION ALL
	SELECT 6, format('event "%s" of source %s', e.external_id, e.source_id), 'names a SKU, node or channel that does not exist'
	FROM retail.event e WHERE (e.sku_id IS NOT NULL AND NOT EXISTS (SELECT FROM retail.sku k WHERE k.sku_id = e.sku_id))
		OR (e.node_id IS NOT NULL AND NOT EXISTS (SELECT FROM retail.node n WHERE n.node_id = e.node_id))
		OR (e.channel_id IS NOT NULL AND NOT EXISTS (SELECT FROM retail.channel c WHERE c.channel_id = e.channel_id))
$$;
COMMENT ON FUNCTION retail.check_marketing_integrity() IS 'Events whose account, SKU, node or channel does not exist.';

GRANT EXECUTE ON FUNCTION retail.record_events(jsonb, text, timestamptz) TO retail_admin, retail_app, retail_service;
GRANT EXECUTE ON FUNCTION retail.retry_events(int, timestamptz) TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.check_marketing_integrity() TO retail_admin;
