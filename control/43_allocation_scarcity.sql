-- 43_allocation_scarcity.sql: what a unit is worth to those who will ask for it
-- where it lies, from past demand and the stock that is left.

-- The k-th unit at a node is missed when k buyers or more come before the next
-- receipt; it is then sent from elsewhere, which costs more by some amount
-- (Littlewood's rule, 1972; Belobaba's expected marginal value, 1989).
CREATE FUNCTION retail.at_least(k bigint, expected float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
	term float8 := exp(-least(expected, 500));
	below float8 := term;
BEGIN
	IF k <= 0 THEN
		RETURN 1;
	ELSIF expected > 500 OR k > 1000 THEN		-- so many come nearly as expected
		RETURN CASE WHEN k <= expected THEN 1 ELSE 0 END;
	END IF;
	FOR i IN 1 .. k - 1 LOOP
		EXIT WHEN i > expected AND term < 1e-20;		-- what is left adds nothing, and must not underflow
		term := term * expected / i;
		below := below + term;
	END LOOP;
	RETURN greatest(1 - below, 0);
END $$;
COMMENT ON FUNCTION retail.at_least(bigint, float8) IS 'Internal: probability that at least k come when so many are expected (Poisson).';

CREATE FUNCTION retail.run_scarcity_prices(as_of timestamptz DEFAULT now(), cover_days int DEFAULT 7, dearer numeric DEFAULT 2, history_days int DEFAULT 28) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	days float8;
	lines bigint;
	units_a_line float8;
	priced int;
	changed int;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of'),
		retail.check_argument(cover_days BETWEEN 1 AND 365, 'cover_days', cover_days::text, 'Give the days until stock is replenished, from 1 to 365.'),
		retail.check_argument(history_days BETWEEN 1 AND 365, 'history_days', history_days::text, 'Give the days of past demand to look at, from 1 to 365.'),
		retail.check_money(dearer, 'dearer'), retail.check_argument(dearer <= 1000000, 'dearer', dearer::text, 'Give an amount of at most one million.');
	as_of := retail.effective_time(as_of);
	PERFORM pg_advisory_xact_lock(hashtext('pg_retail'), 40);
	PERFORM retail.report_progress('scarcity_prices', 'compute', 0, 1);
	-- how much the whole chain was asked for: one buyer is one line
	SELECT count(*), coalesce(avg(l.quantity), 1), greatest(least(extract(epoch FROM as_of - min(p.planned_at)) / 86400, history_days), 1)
		INTO lines, units_a_line, days
		FROM retail.shipment p JOIN retail.shipment_line l USING (shipment_id) WHERE p.status <> 'cancelled' AND l.quantity > 0
		AND p.planned_at > as_of - history_days * interval '1 day' AND p.planned_at <= as_of;
	WITH asked AS MATERIALIZED (
		SELECT l.sku_id, p.node_id, count(*) FILTER (WHERE p.kind = 'ship') AS shipped, count(*) FILTER (WHERE p.kind <> 'ship') AS fetched
		FROM retail.shipment p JOIN retail.shipment_line l USING (shipment_id) WHERE p.status <> 'cancelled' AND l.quantity > 0
			AND p.planned_at > as_of - history_days * interval '1 day' AND p.planned_at <= as_of
		GROUP BY l.sku_id, p.node_id
	), sold AS (
		SELECT a.sku_id, sum(a.shipped) AS lines FROM asked a GROUP BY a.sku_id
	), sender AS MATERIALIZED (		-- a node that never sent counts as half a line
		SELECT n.node_id, coalesce(sum(a.shipped), 0)::float8 + 0.5 AS pull FROM retail.node n LEFT JOIN asked a ON a.node_id = n.node_id WHERE n.is_active AND n.can_ship GROUP BY n.node_id
	), mean AS (	-- lines of a SKU that is in stock, for those of which little is known
		SELECT (SELECT sum(s.lines) FROM sold s)::float8 / nullif(count(DISTINCT s.sku_id), 0) AS lines FROM retail.stock s WHERE s.on_hand > s.reserved
	), held AS MATERIALIZED (
		SELECT s.sku_id, s.node_id, greatest(s.on_hand - s.reserved - coalesce(g.quantity, 0), 0) AS units, n.pull
		FROM retail.stock s LEFT JOIN sender n ON n.node_id = s.node_id
		LEFT JOIN retail.safety_stock g ON g.sku_id = s.sku_id AND g.node_id = s.node_id AND g.channel_id IS NULL
	), expected AS (	-- what is sent goes to the nodes that still have it, as they send in general; what is fetched stays
		SELECT h.sku_id, h.node_id, ceil(h.units / units_a_line)::bigint AS buyers,
			cover_days / days * (coalesce((0.8 * coalesce(s.lines, 0) + 0.2 * m.lines) * h.pull / sum(h.pull) OVER (PARTITION BY h.sku_id), 0) + coalesce(a.fetched, 0)) AS lines
		FROM held h CROSS JOIN mean m LEFT JOIN sold s ON s.sku_id = h.sku_id LEFT JOIN asked a ON a.sku_id = h.sku_id AND a.node_id = h.node_id WHERE h.units > 0
	), worth AS (		-- at least k of n expected come with a probability of n / k at most
		SELECT e.sku_id, e.node_id, round((dearer::float8 * retail.at_least(e.buyers, e.lines))::numeric, 2) AS scarcity
		FROM expected e WHERE lines > 0 AND dearer * e.lines >= 0.05 * e.buyers
	), wanted AS (
		SELECT w.sku_id, w.node_id, w.scarcity FROM worth w WHERE w.scarcity >= 0.05
		UNION ALL
		SELECT p.sku_id, p.node_id, 0 FROM retail.stock_price p WHERE p.scarcity > 0 AND NOT EXISTS (SELECT FROM worth w WHERE w.sku_id = p.sku_id AND w.node_id = p.node_id AND w.scarcity >= 0.05)
	), written AS (
		INSERT INTO retail.stock_price AS s (sku_id, node_id, scarcity, updated_at)
		SELECT w.sku_id, w.node_id, w.scarcity, as_of FROM wanted w LEFT JOIN retail.stock_price p USING (sku_id, node_id)
		WHERE w.scarcity <> coalesce(p.scarcity, 0)
		ON CONFLICT ON CONSTRAINT stock_price_pkey DO UPDATE SET scarcity = excluded.scarcity, updated_at = excluded.updated_at
		RETURNING 1
	)
	SELECT (SELECT count(*) FROM wanted w WHERE w.scarcity > 0), (SELECT count(*) FROM written) INTO priced, changed;
	RETURN format('%s scarcity prices, %s changed', priced, changed);
END $$;
COMMENT ON FUNCTION retail.run_scarcity_prices(timestamptz, int, numeric, int) IS
'Daily job where stock gets scarce between receipts: sets the scarcity price of every SKU at every node to dearer (what a unit from elsewhere costs more) x the probability that the last unit there is asked for within cover_days, by the demand of history_days. Prices below 0.05 are 0. Overwrites what put_stock_prices() fed as scarcity. Can be repeated. Raises RT014, RT015, RT016.';

GRANT EXECUTE ON FUNCTION retail.run_scarcity_prices(timestamptz, int, numeric, int) TO retail_admin, retail_app;
