-- 41_allocation_price.sql: what a unit is worth where it lies: scarcity, fed by
-- whoever plans stock, and the markdown that old stock is heading for.

CREATE FUNCTION retail.put_stock_prices(prices jsonb, as_of timestamptz DEFAULT now()) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	bad record;
	changed int;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	PERFORM retail.check_argument(jsonb_typeof(prices) = 'array' AND jsonb_array_length(prices) BETWEEN 1 AND 100000, 'prices', prices::text,
		'Give an array of 1 to 100000 objects such as {"sku": "A1", "node": "W1", "scarcity": 2.50}.');
	-- Parsed in one go: what it names, and the first thing that is wrong with it.
	SELECT e.n, e.p INTO bad FROM jsonb_array_elements(prices) WITH ORDINALITY e (p, n)
		WHERE NOT coalesce(jsonb_typeof(e.p) = 'object' AND jsonb_typeof(e.p -> 'sku') = 'string' AND jsonb_typeof(e.p -> 'node') = 'string'
			AND e.p ?| '{scarcity,markdown}' AND e.p - '{sku,node,scarcity,markdown}'::text[] = '{}', false) ORDER BY e.n LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = format('price %s is malformed', bad.n), DETAIL = left(bad.p::text, 200),
			HINT = 'A price has "sku" and "node", and "scarcity" or "markdown" or both.';
	END IF;
	SELECT e.n, k.key, e.p -> k.key AS amount INTO bad FROM jsonb_array_elements(prices) WITH ORDINALITY e (p, n), (VALUES ('scarcity'), ('markdown')) k (key)
		WHERE e.p ? k.key AND NOT CASE jsonb_typeof(e.p -> k.key) WHEN 'number' THEN (e.p ->> k.key)::numeric BETWEEN 0 AND 1000000
			AND scale(trim_scale((e.p ->> k.key)::numeric)) <= 2 ELSE false END ORDER BY e.n LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT012', MESSAGE = format('invalid %s of price %s', bad.key, bad.n), DETAIL = format('%s is %s.', bad.key, left(bad.amount::text, 200)),
			HINT = 'Give an amount for each base unit, from 0 to one million, with at most two decimals.';
	END IF;
	SELECT e.p ->> 'sku' AS sku INTO bad FROM jsonb_array_elements(prices) WITH ORDINALITY e (p, n)
		WHERE NOT EXISTS (SELECT FROM retail.sku k WHERE k.code = e.p ->> 'sku') ORDER BY e.n LIMIT 1;
	IF FOUND THEN
		PERFORM retail.sku_id(bad.sku);
	END IF;
	SELECT e.p ->> 'node' AS node INTO bad FROM jsonb_array_elements(prices) WITH ORDINALITY e (p, n)
		WHERE NOT EXISTS (SELECT FROM retail.node x WHERE x.code = e.p ->> 'node') ORDER BY e.n LIMIT 1;
	IF FOUND THEN
		PERFORM retail.node_id(bad.node);
	END IF;
	SELECT e.p ->> 'sku' AS sku, e.p ->> 'node' AS node INTO bad FROM jsonb_array_elements(prices) e (p) GROUP BY 1, 2 HAVING count(*) > 1 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'two prices of one SKU at one node', DETAIL = format('SKU "%s" at node "%s".', bad.sku, bad.node),
			HINT = 'Name each pair once.';
	END IF;
	-- One feed at a time: what it does not name it leaves as the one before wrote it.
	PERFORM pg_advisory_xact_lock(hashtext('pg_retail'), 40);
	INSERT INTO retail.stock_price AS s (sku_id, node_id, scarcity, markdown, updated_at)
		SELECT k.sku_id, x.node_id, coalesce((e.p ->> 'scarcity')::numeric, old.scarcity, 0), coalesce((e.p ->> 'markdown')::numeric, old.markdown, 0), as_of
		FROM jsonb_array_elements(prices) e (p) JOIN retail.sku k ON k.code = e.p ->> 'sku' JOIN retail.node x ON x.code = e.p ->> 'node'
		LEFT JOIN retail.stock_price old ON old.sku_id = k.sku_id AND old.node_id = x.node_id
		WHERE (coalesce((e.p ->> 'scarcity')::numeric, old.scarcity, 0), coalesce((e.p ->> 'markdown')::numeric, old.markdown, 0))
			IS DISTINCT FROM (coalesce(old.scarcity, 0), coalesce(old.markdown, 0))
		ON CONFLICT ON CONSTRAINT stock_price_pkey DO UPDATE SET scarcity = excluded.scarcity, markdown = excluded.markdown, updated_at = excluded.updated_at;
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed;
END $$;
COMMENT ON FUNCTION retail.put_stock_prices(jsonb, timestamptz) IS
'Feeds prices of stock: [{"sku", "node", "scarcity"?, "markdown"?}], amounts for each base unit; what is not named stays as it is, 0 takes it back. The cost of a plan rises by scarcity_weight x scarcity and falls by markdown_weight x markdown for each unit that it takes there. Returns how many prices changed; a retry changes none. Raises RT001, RT002, RT012, RT014, RT016.';

CREATE FUNCTION retail.put_markdown_rule(rate numeric, category text DEFAULT NULL, begins_at numeric DEFAULT 0.5, life_days int DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_category bigint := CASE WHEN category IS NOT NULL THEN retail.category_id(category) END;
	result bigint;
BEGIN
	PERFORM retail.check_argument(rate BETWEEN 0 AND 1, 'rate', rate::text, 'Give the share of the list price that is lost in the end, from 0 to 1.'),
		retail.check_argument(begins_at BETWEEN 0 AND 1, 'begins_at', begins_at::text, 'Give the share of the shelf life after which value is lost, from 0 to 1.'),
		retail.check_argument(coalesce(life_days, 1) BETWEEN 1 AND 36500, 'life_days', life_days::text, 'Give days, from 1 to 36500, or null.');
	INSERT INTO retail.markdown_rule AS r (category_id, rate, begins_at, life_days) VALUES (the_category, rate, begins_at, life_days)
		ON CONFLICT ON CONSTRAINT markdown_rule_key DO UPDATE SET rate = excluded.rate, begins_at = excluded.begins_at, life_days = excluded.life_days
		RETURNING r.markdown_rule_id INTO result;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.put_markdown_rule(numeric, text, numeric, int) IS
'Says how the value of stock of a category (null: all that no other rule covers) falls with age: by rate x list price in a straight line from begins_at x shelf life to its end; life_days for SKUs without a shelf life of their own. Returns its key. Raises RT005, RT016.';

-- The age of stock is first in, first out: what lies there is what came last.
-- Layers are the inflows of the ledger, newest first, until they cover what is
-- on hand; the relief is the mean over the units on hand.
CREATE FUNCTION retail.run_stock_prices(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	changed int;
	relieved int;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	as_of := retail.effective_time(as_of);
	PERFORM retail.report_progress('stock_prices', 'compute', 0, 1);
	PERFORM pg_advisory_xact_lock(hashtext('pg_retail'), 40);
	WITH RECURSIVE family (category_id, ancestor_id, depth) AS (
		SELECT c.category_id, c.category_id, 0 FROM retail.category c
		UNION ALL
		SELECT f.category_id, c.parent_id, f.depth + 1 FROM family f JOIN retail.category c ON c.category_id = f.ancestor_id
		WHERE c.parent_id IS NOT NULL AND f.depth < 32
	), nearest AS (
		SELECT DISTINCT ON (f.category_id) f.category_id, r.rate, r.begins_at, r.life_days
		FROM family f JOIN retail.markdown_rule r ON r.category_id = f.ancestor_id ORDER BY f.category_id, f.depth
	), ageing AS MATERIALIZED (
		SELECT k.sku_id, k.list_price * coalesce(n.rate, g.rate) AS most, coalesce(n.begins_at, g.begins_at)::float8 AS begins_at,
			coalesce(k.shelf_life_days, CASE WHEN n.category_id IS NULL THEN g.life_days ELSE n.life_days END) * 86400.0::float8 AS life
		FROM retail.sku k LEFT JOIN nearest n ON n.category_id = k.category_id LEFT JOIN retail.markdown_rule g ON g.category_id IS NULL
		WHERE coalesce(n.rate, g.rate) IS NOT NULL
	), layer AS (
		SELECT s.sku_id, s.node_id, a.most, a.begins_at, a.life, extract(epoch FROM as_of - m.occurred_at)::float8 AS age, s.on_hand, m.quantity,
			sum(m.quantity) OVER (PARTITION BY s.sku_id, s.node_id ORDER BY m.occurred_at DESC, m.movement_id DESC) - m.quantity AS newer
		FROM ageing a JOIN retail.stock s ON s.sku_id = a.sku_id AND s.on_hand > 0
		JOIN retail.movement m ON m.sku_id = s.sku_id AND m.node_id = s.node_id AND m.condition = 'sellable' AND m.quantity > 0 AND m.occurred_at <= as_of
		WHERE a.life > 0 AND a.most > 0
	), relief AS (
		SELECT l.sku_id, l.node_id,
			least(round((sum(least(l.quantity, l.on_hand - l.newer) * l.most
				* greatest(0, least(1, CASE WHEN l.begins_at < 1 THEN (l.age / l.life - l.begins_at) / (1 - l.begins_at) WHEN l.age >= l.life THEN 1 ELSE 0 END))::numeric)
				/ sum(least(l.quantity, l.on_hand - l.newer)))::numeric, 2), 1000000) AS markdown
		FROM layer l WHERE l.newer < l.on_hand GROUP BY l.sku_id, l.node_id
	), wanted AS (
		SELECT r.sku_id, r.node_id, r.markdown FROM relief r WHERE r.markdown > 0
		UNION ALL		-- what a rule covers and is not old (any more)
		SELECT p.sku_id, p.node_id, 0 FROM retail.stock_price p JOIN ageing a USING (sku_id)
		WHERE p.markdown > 0 AND NOT EXISTS (SELECT FROM relief r WHERE r.sku_id = p.sku_id AND r.node_id = p.node_id AND r.markdown > 0)
	), written AS (
		INSERT INTO retail.stock_price AS s (sku_id, node_id, markdown, updated_at)
		SELECT w.sku_id, w.node_id, w.markdown, as_of FROM wanted w LEFT JOIN retail.stock_price p USING (sku_id, node_id)
		WHERE w.markdown <> coalesce(p.markdown, 0)
		ON CONFLICT ON CONSTRAINT stock_price_pkey DO UPDATE SET markdown = excluded.markdown, updated_at = excluded.updated_at
		RETURNING 1
	)
	SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM wanted WHERE markdown > 0) INTO changed, relieved;
	RETURN format('%s prices of ageing stock, %s changed', relieved, changed);
END $$;
COMMENT ON FUNCTION retail.run_stock_prices(timestamptz) IS
'Daily job: sets the markdown relief of the SKUs that a rule covers from the age of what is on hand (first in, first out): mean over its units of rate x list price x (age / shelf life - begins_at) / (1 - begins_at), between 0 and rate x list price. Prices of other SKUs stay as they are. Can be repeated. Raises RT014.';

GRANT EXECUTE ON FUNCTION retail.put_stock_prices(jsonb, timestamptz), retail.put_markdown_rule(numeric, text, numeric, int), retail.run_stock_prices(timestamptz) TO retail_admin;
GRANT EXECUTE ON FUNCTION retail.put_stock_prices(jsonb, timestamptz), retail.run_stock_prices(timestamptz) TO retail_app;
