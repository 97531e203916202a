-- 20_inventory.sql: what changes stock: documents (receipt, adjustment, count,
-- transfer), holds, expiry, and the repair and check of the counters.
--
-- Every change goes through post_stock(): ledger rows first, then the counters
-- in (sku, node) order, the hottest rows last.

CREATE FUNCTION retail.post_stock(sku_ids bigint[], node_ids bigint[], counters text[], quantities bigint[],
	reason text, ref_type text, ref_id bigint, occurred_at timestamptz, guard_channel bigint DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_post_stock';
COMMENT ON FUNCTION retail.post_stock(bigint[], bigint[], text[], bigint[], text, text, bigint, timestamptz, bigint) IS
'Internal: changes counters (sellable, in_transit, damaged, quality_hold: with a ledger row each; reserved: without). With guard_channel, a SKU and node whose reserved grows must have as much available to promise in that channel, else RT020 and nothing is changed.';

CREATE FUNCTION retail.lock_stock(sku_ids bigint[], node_ids bigint[]) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	-- A row that is missing is made, for it has its place in the order of
	-- locks, too; the table is locked against repair_stock() before any row.
	INSERT INTO retail.stock AS s (sku_id, node_id) SELECT DISTINCT u.sku_id, u.node_id FROM unnest($1, $2) u (sku_id, node_id) ORDER BY 1, 2
		ON CONFLICT (sku_id, node_id) DO UPDATE SET updated_at = s.updated_at WHERE false
$$;
COMMENT ON FUNCTION retail.lock_stock(bigint[], bigint[]) IS 'Internal: locks counters in (sku, node) order for a caller that must read them before it posts, in a later statement. Changes nothing, but makes rows that are missing.';

CREATE FUNCTION retail.parse_stock_lines(lines jsonb, sign text DEFAULT 'positive', optional text[] DEFAULT '{}')
RETURNS TABLE (sku_id bigint, node_code text, condition text, quantity bigint, damaged bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	bad record;
BEGIN
	IF lines IS NULL OR jsonb_typeof(lines) <> 'array' OR jsonb_array_length(lines) NOT BETWEEN 1 AND 100000 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT011', MESSAGE = 'invalid list of lines',
			DETAIL = CASE WHEN lines IS NULL THEN 'lines is null.'
						  WHEN jsonb_typeof(lines) <> 'array' THEN format('lines is a JSON %s.', jsonb_typeof(lines))
						  ELSE format('lines has %s elements.', jsonb_array_length(lines)) END,
			HINT = 'Give a JSON array of 1 to 100000 objects such as {"sku": "A1", "qty": 3}.';
	END IF;
	SELECT e, n INTO bad FROM jsonb_array_elements(lines) WITH ORDINALITY AS l (e, n)
		WHERE jsonb_typeof(e) <> 'object' OR jsonb_typeof(e -> 'sku') IS DISTINCT FROM 'string'
		   OR coalesce(e ->> 'condition', 'sellable') NOT IN ('sellable', 'damaged', 'quality_hold')
		   OR coalesce(jsonb_typeof(e -> 'unit'), 'null') NOT IN ('string', 'null')
		   OR EXISTS (SELECT FROM jsonb_object_keys(CASE jsonb_typeof(e) WHEN 'object' THEN e ELSE '{}' END) k WHERE k <> ALL ('{sku,qty,unit}'::text[] || optional)) LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT011', MESSAGE = format('line %s is malformed', bad.n), DETAIL = left(bad.e::text, 200),
			HINT = 'A line is an object with "sku" (text), "qty" (whole number), optionally "unit" (a pack of the SKU)'
				|| CASE WHEN 'condition' = ANY (optional) THEN ', "condition" (sellable, damaged or quality_hold)' ELSE '' END
				|| CASE WHEN 'node' = ANY (optional) THEN ', "node" (code)' ELSE '' END || CASE WHEN 'damaged' = ANY (optional) THEN ', "damaged" (whole number)' ELSE '' END || ', and nothing else.';
	END IF;
	SELECT e, n INTO bad FROM jsonb_array_elements(lines) WITH ORDINALITY AS l (e, n)
		WHERE NOT CASE WHEN jsonb_typeof(e -> 'qty') = 'number' THEN
				(e ->> 'qty')::numeric = trunc((e ->> 'qty')::numeric) AND abs((e ->> 'qty')::numeric) <= 1000000000
				AND CASE sign WHEN 'positive' THEN (e ->> 'qty')::numeric > 0 WHEN 'zero' THEN (e ->> 'qty')::numeric >= 0 ELSE (e ->> 'qty')::numeric <> 0 END
				ELSE false END
		   OR NOT CASE jsonb_typeof(e -> 'damaged') WHEN 'number' THEN (e ->> 'damaged')::numeric BETWEEN 0 AND 1000000000 AND (e ->> 'damaged')::numeric = trunc((e ->> 'damaged')::numeric)
				ELSE e -> 'damaged' IS NULL END LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT010', MESSAGE = format('invalid quantity in line %s', bad.n), DETAIL = left(bad.e::text, 200),
			HINT = CASE sign WHEN 'positive' THEN 'Give a whole number from 1 to 1000000000.' WHEN 'zero' THEN 'Give a whole number from 0 to 1000000000.'
							 ELSE 'Give a whole number other than 0, at most 1000000000 either way.' END;
	END IF;
	-- OFFSET 0 keeps the look-up by code inside: how many lines there are is
	-- unknown to the planner, and a join would read the whole of retail.sku.
	SELECT e, n, s.is_bundle INTO bad FROM jsonb_array_elements(lines) WITH ORDINALITY AS l (e, n)
		LEFT JOIN LATERAL (SELECT s.is_bundle FROM retail.sku s WHERE s.code = e ->> 'sku' OFFSET 0) s ON true WHERE s.is_bundle IS DISTINCT FROM false LIMIT 1;
	IF bad.is_bundle THEN
		RAISE EXCEPTION USING ERRCODE = 'RT011', MESSAGE = 'a bundle has no units of its own', DETAIL = format('Line %s names SKU "%s".', bad.n, left(bad.e ->> 'sku', 200)),
			HINT = 'List its components: see retail.bundle_component, and retail.order_bundle for those of an order.';
	ELSIF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT001', MESSAGE = 'unknown SKU', DETAIL = format('Line %s names SKU "%s".', bad.n, left(bad.e ->> 'sku', 200)),
			HINT = 'Make it known with retail.put_sku(), or correct the code.';
	END IF;
	SELECT e, n INTO bad FROM jsonb_array_elements(lines) WITH ORDINALITY AS l (e, n) WHERE e ->> 'unit' IS NOT NULL
		AND NOT EXISTS (SELECT FROM retail.sku k WHERE k.code = e ->> 'sku' AND (k.base_unit = e ->> 'unit'
			OR EXISTS (SELECT FROM retail.sku_unit u WHERE u.sku_id = k.sku_id AND u.unit = e ->> 'unit'))) LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown unit', DETAIL = format('Line %s: SKU "%s" has no pack "%s".', bad.n, left(bad.e ->> 'sku', 200), left(bad.e ->> 'unit', 200)),
			HINT = 'See retail.sku_unit, or add the pack with retail.put_sku_unit().';
	END IF;
	RETURN QUERY SELECT s.sku_id, l.e ->> 'node', coalesce(l.e ->> 'condition', 'sellable'), sum((l.e ->> 'qty')::numeric * s.factor)::bigint,
			sum(coalesce((l.e ->> 'damaged')::numeric, 0) * s.factor)::bigint
		FROM jsonb_array_elements(lines) AS l (e), LATERAL (SELECT k.sku_id, CASE WHEN l.e ->> 'unit' IS NULL OR l.e ->> 'unit' = k.base_unit THEN 1
			ELSE (SELECT u.factor FROM retail.sku_unit u WHERE u.sku_id = k.sku_id AND u.unit = l.e ->> 'unit') END AS factor
			FROM retail.sku k WHERE k.code = l.e ->> 'sku' OFFSET 0) s
		GROUP BY 1, 2, 3 ORDER BY 1, 2;
END $$;
COMMENT ON FUNCTION retail.parse_stock_lines(jsonb, text, text[]) IS 'Internal: checks and resolves a JSON list of lines, in base units, summed by SKU, node and condition; sign is positive, zero (allowed) or any, optional the keys that a line may have beside sku, qty and unit. Raises RT001, RT005, RT010, RT011.';

CREATE FUNCTION retail.begin_document(kind text, document_no text, node_id bigint, to_node_id bigint, content jsonb, as_of timestamptz, note text,
	OUT document_id bigint, OUT replay jsonb)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	hash bytea := sha256(convert_to(jsonb_build_array(node_id, to_node_id, content)::text, 'UTF8'));
	old retail.stock_document;
BEGIN
	PERFORM retail.check_text(document_no, 'document_no');
	PERFORM retail.check_time(as_of, 'as_of');
	INSERT INTO retail.stock_document AS d (kind, document_no, node_id, to_node_id, request_hash, occurred_at, actor, note)
		VALUES (kind, document_no, node_id, to_node_id, hash, as_of, retail.caller(), note)
		ON CONFLICT ON CONSTRAINT stock_document_number DO NOTHING RETURNING d.document_id INTO document_id;
	IF FOUND THEN
		RETURN;
	END IF;
	SELECT * INTO STRICT old FROM retail.stock_document d WHERE d.kind = kind AND d.node_id = node_id AND d.document_no = document_no;
	IF old.request_hash <> hash THEN
		RAISE EXCEPTION USING ERRCODE = 'RT030', MESSAGE = format('%s number reused', kind),
			DETAIL = format('%s "%s" was posted at %s with other content.', kind, document_no, old.recorded_at),
			HINT = 'Use a new number for a new document; repeat the same content to get the first answer.';
	END IF;
	replay := old.result || '{"replayed": true}';
END $$;
COMMENT ON FUNCTION retail.begin_document(text, text, bigint, bigint, jsonb, timestamptz, text) IS 'Internal: opens a stock document, or finds the first answer of one posted before (replay). Raises RT014, RT015, RT030.';

CREATE FUNCTION retail.end_document(document_id bigint, result jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $$
	UPDATE retail.stock_document d SET result = $2 WHERE d.document_id = $1 RETURNING d.result || '{"replayed": false}'
$$;
COMMENT ON FUNCTION retail.end_document(bigint, jsonb) IS 'Internal: keeps the answer of a stock document.';

CREATE FUNCTION retail.receive_stock(document_no text, node text, lines jsonb, as_of timestamptz DEFAULT now(), note text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	n bigint := retail.node_id(node, 'known');
	doc record;
	l record;
BEGIN
	PERFORM retail.check_node_access(n);
	SELECT * INTO doc FROM retail.begin_document('receipt', document_no, n, NULL, lines, as_of, note);
	IF doc.replay IS NOT NULL THEN
		RETURN doc.replay;
	END IF;
	PERFORM retail.node_id(node, 'receive');
	SELECT array_agg(p.sku_id) AS skus, array_agg(n) AS nodes, array_agg(p.condition) AS conditions, array_agg(p.quantity) AS quantities,
		count(DISTINCT p.sku_id) AS n_skus, sum(p.quantity) AS units INTO l FROM retail.parse_stock_lines(lines, 'positive', '{condition}') p;
	PERFORM retail.post_stock(l.skus, l.nodes, l.conditions, l.quantities, 'receipt', 'document', doc.document_id, as_of);
	RETURN retail.end_document(doc.document_id, jsonb_build_object('document_id', doc.document_id, 'skus', l.n_skus, 'units', l.units));
END $$;
COMMENT ON FUNCTION retail.receive_stock(text, text, jsonb, timestamptz, text) IS
'Books goods in at a node. lines: [{"sku", "qty" > 0, "condition"?: sellable|damaged|quality_hold}]. Idempotent by document_no. Returns {document_id, skus, units, replayed}. Raises RT001, RT002, RT005, RT010, RT011, RT014, RT015, RT022, RT030, RT040.';

CREATE FUNCTION retail.adjust_stock(document_no text, node text, lines jsonb, reason text, as_of timestamptz DEFAULT now(), note text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	n bigint := retail.node_id(node, 'known');
	doc record;
	l record;
BEGIN
	PERFORM retail.check_node_access(n);
	PERFORM retail.check_text(reason, 'reason', 60);
	SELECT * INTO doc FROM retail.begin_document('adjustment', document_no, n, NULL, jsonb_build_array(lines, reason), as_of, note);
	IF doc.replay IS NOT NULL THEN
		RETURN doc.replay;
	END IF;
	SELECT array_agg(p.sku_id) AS skus, array_agg(n) AS nodes, array_agg(p.condition) AS conditions, array_agg(p.quantity) AS quantities,
		count(DISTINCT p.sku_id) AS n_skus, sum(p.quantity) AS units INTO l FROM retail.parse_stock_lines(lines, 'any', '{condition}') p WHERE p.quantity <> 0;
	IF l.skus IS NOT NULL THEN
		PERFORM retail.post_stock(l.skus, l.nodes, l.conditions, l.quantities, reason, 'document', doc.document_id, as_of);
	END IF;
	RETURN retail.end_document(doc.document_id, jsonb_build_object('document_id', doc.document_id, 'skus', l.n_skus, 'units', coalesce(l.units, 0)));
END $$;
COMMENT ON FUNCTION retail.adjust_stock(text, text, jsonb, text, timestamptz, text) IS
'Corrects stock at a node by signed quantities, with a reason (shrinkage, found, damaged ...); two lines of one SKU with opposite signs move units between conditions. Physical stock may fall below zero: that is recorded, never refused. Idempotent by document_no. Raises RT001, RT002, RT005, RT010, RT011, RT014, RT015, RT030, RT040.';

CREATE FUNCTION retail.count_stock(document_no text, node text, lines jsonb, counted_at timestamptz DEFAULT now(), complete boolean DEFAULT false, note text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	n bigint := retail.node_id(node, 'known');
	doc record;
	c record;
	l record;
	held record;
BEGIN
	PERFORM retail.check_node_access(n);
	SELECT * INTO doc FROM retail.begin_document('count', document_no, n, NULL, jsonb_build_array(lines, complete), counted_at, note);
	IF doc.replay IS NOT NULL THEN
		RETURN doc.replay;
	END IF;
	IF counted_at > clock_timestamp() + interval '1 day' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'a count cannot lie in the future', DETAIL = format('counted_at is %s.', counted_at),
			HINT = 'Give the moment at which the shelf was counted.';
	END IF;
	IF complete AND lines = '[]' THEN		-- the shelves are empty
		SELECT '{}'::bigint[] AS skus, '{}'::bigint[] AS counted INTO c;
	ELSIF EXISTS (SELECT FROM retail.parse_stock_lines(lines, 'zero') p WHERE p.condition <> 'sellable') THEN
		RAISE EXCEPTION USING ERRCODE = 'RT011', MESSAGE = 'a count is of sellable goods', DETAIL = left(lines::text, 200),
			HINT = 'Correct damaged and held goods with retail.adjust_stock().';
	END IF;
	IF lines <> '[]' THEN
		SELECT array_agg(p.sku_id) AS skus, array_agg(p.quantity) AS counted INTO c
			FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines, 'zero') q GROUP BY 1) p;
	END IF;
	IF complete THEN
		SELECT c.skus || array_agg(s.sku_id), c.counted || array_agg(0::bigint) INTO c.skus, c.counted
			FROM retail.stock s WHERE s.node_id = n AND s.sku_id <> ALL (c.skus);
	END IF;
	-- Lock first, read in the next statement: a difference computed before the
	-- lock would undo what committed meanwhile.
	PERFORM retail.lock_stock(c.skus, array_fill(n, ARRAY[cardinality(c.skus)]));
	-- What was on hold until it was counted was counted with the rest.
	WITH settled AS (DELETE FROM retail.stock_recount r WHERE r.node_id = n AND r.sku_id = ANY (c.skus) AND r.asked_at <= counted_at RETURNING r.sku_id, r.quantity)
	SELECT coalesce(array_agg(x.sku_id), '{}') AS skus, coalesce(array_agg(least(x.quantity, greatest(s.quality_hold, 0))), '{}') AS quantities INTO held
		FROM settled x JOIN retail.stock s ON s.sku_id = x.sku_id AND s.node_id = n;
	SELECT array_agg(d.sku_id) || held.skus AS skus, array_agg(n) || array_fill(n, ARRAY[cardinality(held.skus)]) AS nodes,
		array_agg('sellable'::text) || array_fill('quality_hold'::text, ARRAY[cardinality(held.skus)]) AS conditions,
		array_agg(d.difference) || (SELECT coalesce(array_agg(-h), '{}') FROM unnest(held.quantities) h) AS quantities, count(*) AS corrected,
		coalesce(sum(d.difference - d.held) FILTER (WHERE d.difference > d.held), 0) AS found, coalesce(-sum(d.difference - d.held) FILTER (WHERE d.difference < d.held), 0) AS lost INTO l
	FROM (SELECT u.sku_id, u.quantity - (coalesce(s.on_hand, 0) - coalesce(later.quantity, 0)) AS difference,
			coalesce((SELECT h.quantity FROM unnest(held.skus, held.quantities) h (sku_id, quantity) WHERE h.sku_id = u.sku_id), 0) AS held
		  FROM unnest(c.skus, c.counted) u (sku_id, quantity)
		  LEFT JOIN retail.stock s ON s.sku_id = u.sku_id AND s.node_id = n
		  LEFT JOIN LATERAL (SELECT sum(m.quantity)::bigint AS quantity FROM retail.movement m
			WHERE m.sku_id = u.sku_id AND m.node_id = n AND m.condition = 'sellable' AND m.occurred_at > counted_at) later ON true) d
	WHERE d.difference <> 0 OR d.held <> 0;
	IF l.corrected > 0 THEN
		PERFORM retail.post_stock(l.skus, l.nodes, l.conditions, l.quantities, 'count', 'document', doc.document_id, counted_at);
	END IF;
	RETURN retail.end_document(doc.document_id, jsonb_build_object('document_id', doc.document_id,
		'skus', cardinality(c.skus), 'corrected', l.corrected, 'found', l.found, 'lost', l.lost));
END $$;
COMMENT ON FUNCTION retail.count_stock(text, text, jsonb, timestamptz, boolean, text) IS
'Sets sellable stock to what was counted at counted_at; movements after that moment still count and reservations are kept: the way to import a snapshot of another system too. complete: SKUs that are not listed were counted as 0; lines [] says that nothing lies there. Ends the quality hold of goods that were to be counted (retail.stock_recount). Idempotent by document_no. Returns {document_id, skus, corrected, found, lost, replayed}. Raises RT001, RT002, RT005, RT010, RT011, RT014, RT015, RT030, RT040.';

CREATE FUNCTION retail.transfer_out(document_no text, from_node text, to_node text, lines jsonb, as_of timestamptz DEFAULT now(), note text DEFAULT NULL, expected_at timestamptz DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	n bigint := retail.node_id(from_node, 'known');
	dest bigint := retail.node_id(to_node, 'known');
	doc record;
	l record;
	due record;
	the_transfer bigint;
	lacking record;
BEGIN
	PERFORM retail.check_node_access(n);
	PERFORM retail.check_argument(coalesce(expected_at >= as_of AND expected_at < '2100-01-01 00:00+00', true), 'expected_at', expected_at::text, 'Give a time after as_of and before the year 2100, or null.', 'RT014');
	IF n = dest THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'a transfer needs two nodes', DETAIL = format('Both are %s.', from_node),
			HINT = 'Name another node to receive the goods.';
	END IF;
	SELECT * INTO doc FROM retail.begin_document('transfer_out', document_no, n, dest, lines, as_of, note);
	IF doc.replay IS NOT NULL THEN
		RETURN doc.replay;
	END IF;
	PERFORM retail.node_id(to_node, 'receive');
	SELECT array_agg(p.sku_id ORDER BY p.sku_id) AS skus, array_agg(p.quantity ORDER BY p.sku_id) AS quantities, sum(p.quantity) AS units INTO l
		FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines) q GROUP BY 1) p;
	-- Every row is locked at once, in the global order; what is promised to
	-- customers cannot leave, but what due holds give back can.
	SELECT array_agg(e.sku_id) AS skus, array_agg(e.node_id) AS nodes, array_agg('reserved'::text) AS counters, array_agg(-e.quantity) AS quantities INTO due
		FROM retail.mark_expired(as_of, l.skus, wait => true) e;
	PERFORM retail.lock_stock(l.skus || l.skus || due.skus, array_fill(n, ARRAY[cardinality(l.skus)]) || array_fill(dest, ARRAY[cardinality(l.skus)]) || due.nodes);
	SELECT k.code, u.quantity, f.free INTO lacking
		FROM unnest(l.skus, l.quantities) u (sku_id, quantity) JOIN retail.sku k USING (sku_id)
		LEFT JOIN retail.stock s ON s.sku_id = u.sku_id AND s.node_id = n,
		LATERAL (SELECT coalesce(s.on_hand - s.reserved, 0) - coalesce((SELECT sum(e.quantity) FROM unnest(due.skus, due.nodes, due.quantities) e (sku_id, node_id, quantity)
			WHERE e.sku_id = u.sku_id AND e.node_id = n), 0)) f (free)
		WHERE f.free < u.quantity LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT020', MESSAGE = 'not enough stock to transfer',
			DETAIL = format('SKU %s at node %s: %s asked, %s not promised to customers.', lacking.code, from_node, lacking.quantity, greatest(lacking.free, 0)),
			HINT = 'Send less, or release reservations first.';
	END IF;
	INSERT INTO retail.stock_transfer (document_no, from_node_id, to_node_id, sent_at, expected_at) VALUES (document_no, n, dest, as_of, expected_at) RETURNING transfer_id INTO the_transfer;
	INSERT INTO retail.stock_transfer_line (transfer_id, sku_id, sent) SELECT the_transfer, u.* FROM unnest(l.skus, l.quantities) u;
	PERFORM retail.post_stock(array_agg(u.sku_id) || due.skus, array_agg(x.node_id) || due.nodes, array_agg(x.counter) || due.counters,
			array_agg(x.sign * u.quantity) || due.quantities, 'transfer_out', 'transfer', the_transfer, as_of)
		FROM unnest(l.skus, l.quantities) u (sku_id, quantity), (VALUES (n, 'sellable', -1), (dest, 'in_transit', 1)) x (node_id, counter, sign);
	RETURN retail.end_document(doc.document_id, jsonb_build_object('document_id', doc.document_id, 'transfer_id', the_transfer, 'skus', cardinality(l.skus), 'units', l.units));
END $$;
COMMENT ON FUNCTION retail.transfer_out(text, text, text, jsonb, timestamptz, text, timestamptz) IS
'Sends goods from a node to another; they are in transit to it until transfer_in(), and expected there at expected_at (null: two days later). Units promised to customers cannot leave. Idempotent by document_no. Raises RT001, RT002, RT005, RT010, RT011, RT014, RT015, RT016, RT020, RT022, RT030, RT040.';

CREATE FUNCTION retail.transfer_in(document_no text, lines jsonb DEFAULT NULL, as_of timestamptz DEFAULT now(), note text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	t retail.stock_transfer;
	doc record;
	l record;
BEGIN
	SELECT * INTO t FROM retail.stock_transfer x WHERE x.document_no = $1 FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown transfer', DETAIL = CASE WHEN document_no IS NULL THEN 'document_no is null.' ELSE format('No transfer has the number "%s".', left(document_no, 200)) END,
			HINT = 'Use the document_no given to retail.transfer_out().';
	END IF;
	PERFORM retail.check_node_access(t.to_node_id);
	IF as_of < t.sent_at THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'goods cannot arrive before they were sent', DETAIL = format('as_of is %s, sent at %s.', as_of, t.sent_at),
			HINT = 'Give the time at which they arrived.';
	END IF;
	SELECT * INTO doc FROM retail.begin_document('transfer_in', document_no, t.from_node_id, t.to_node_id, coalesce(lines, 'null'), as_of, note);
	IF doc.replay IS NOT NULL THEN
		RETURN doc.replay;
	END IF;
	IF lines IS NULL THEN
		UPDATE retail.stock_transfer_line SET received = sent WHERE transfer_id = t.transfer_id;
	ELSE
		IF EXISTS (SELECT FROM retail.parse_stock_lines(lines, 'zero', '{damaged}') p
				   WHERE p.sku_id NOT IN (SELECT x.sku_id FROM retail.stock_transfer_line x WHERE x.transfer_id = t.transfer_id)) THEN
			RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'a SKU arrived that was never sent', DETAIL = left(lines::text, 200),
				HINT = 'Book goods that the sender did not list with retail.adjust_stock().';
		END IF;
		UPDATE retail.stock_transfer_line x SET received = p.quantity, damaged = p.damaged
			FROM (SELECT q.sku_id, sum(q.quantity) AS quantity, sum(q.damaged) AS damaged FROM retail.parse_stock_lines(lines, 'zero', '{damaged}') q GROUP BY 1) p
			WHERE x.transfer_id = t.transfer_id AND x.sku_id = p.sku_id;
	END IF;
	PERFORM retail.post_stock(array_agg(x.sku_id), array_agg(t.to_node_id), array_agg(y.counter), array_agg(y.quantity), 'transfer_in', 'transfer', t.transfer_id, as_of)
		FROM retail.stock_transfer_line x, LATERAL (VALUES ('in_transit', -x.sent), ('sellable', x.received), ('damaged', x.damaged)) y (counter, quantity)
		WHERE x.transfer_id = t.transfer_id AND y.quantity <> 0;
	UPDATE retail.stock_transfer SET status = 'received', received_at = as_of WHERE transfer_id = t.transfer_id;
	SELECT sum(x.received) AS received, sum(x.damaged) AS damaged, sum(x.sent - x.received - x.damaged) AS short INTO l
		FROM retail.stock_transfer_line x WHERE x.transfer_id = t.transfer_id;
	RETURN retail.end_document(doc.document_id, jsonb_build_object('document_id', doc.document_id, 'transfer_id', t.transfer_id, 'received', l.received, 'damaged', l.damaged, 'short', l.short));
END $$;
COMMENT ON FUNCTION retail.transfer_in(text, jsonb, timestamptz, text) IS
'Closes a transfer at the receiving node: everything as sent, or what lines say ([{"sku", "qty": sellable units, "damaged"?}]; a SKU that is not listed did not arrive). Shortage and overage are recorded. Idempotent. Returns {received, damaged, short, ...}. Raises RT001, RT005, RT006, RT010, RT011, RT014, RT030, RT032, RT040.';

CREATE FUNCTION retail.set_safety_stock(sku text, node text, quantity bigint, channel text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_sku bigint := retail.sku_id(sku);
	the_node bigint := retail.node_id(node);
	the_channel bigint := CASE WHEN channel IS NOT NULL THEN retail.channel_id(channel) END;
BEGIN
	IF quantity IS NULL OR quantity NOT BETWEEN 0 AND 1000000000 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT010', MESSAGE = 'invalid safety stock', DETAIL = format('quantity is %s.', coalesce(quantity::text, 'null')),
			HINT = 'Give a whole number from 0 to 1000000000.';
	END IF;
	INSERT INTO retail.safety_stock AS s (sku_id, node_id, channel_id, quantity) VALUES (the_sku, the_node, the_channel, quantity)
		ON CONFLICT ON CONSTRAINT safety_stock_key DO UPDATE SET quantity = excluded.quantity;
END $$;
COMMENT ON FUNCTION retail.set_safety_stock(text, text, bigint, text) IS 'Units of a SKU at a node that a channel (null: every channel without its own figure) may not promise. Raises RT001, RT002, RT003, RT010.';

CREATE FUNCTION retail.mark_expired(as_of timestamptz, sku_ids bigint[], wait boolean DEFAULT false, node_ids bigint[] DEFAULT NULL)
RETURNS TABLE (sku_id bigint, node_id bigint, quantity bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	due bigint[];
	due_skus bigint[];
BEGIN
	as_of := retail.effective_time(as_of);
	IF wait THEN			-- in key order, so that those who wait cannot deadlock
		SELECT array_agg(d.sku_id), array_agg(d.reservation_id) INTO due_skus, due FROM (SELECT r.sku_id, r.reservation_id FROM retail.reservation r
			WHERE r.state = 'held' AND r.expires_at <= as_of AND r.sku_id = ANY (sku_ids)
			ORDER BY r.sku_id, r.reservation_id FOR UPDATE) d;
	ELSE
		-- The longest due ones, locked in key order too: SKIP LOCKED waits when a
		-- row that it saw free was updated meanwhile and is locked again.
		SELECT array_agg(d.sku_id), array_agg(d.reservation_id) INTO due_skus, due FROM (SELECT r.sku_id, r.reservation_id FROM retail.reservation r
			WHERE r.state = 'held' AND r.expires_at <= as_of AND (r.sku_id, r.reservation_id) IN (
				SELECT x.sku_id, x.reservation_id FROM retail.reservation x
				WHERE x.state = 'held' AND x.expires_at <= as_of AND x.sku_id = ANY (sku_ids)
					AND (node_ids IS NULL OR (x.sku_id, x.node_id) IN (SELECT u.sku_id, u.node_id FROM unnest(sku_ids, node_ids) u (sku_id, node_id)))
				ORDER BY x.expires_at LIMIT 10000)
			ORDER BY r.sku_id, r.reservation_id FOR UPDATE SKIP LOCKED) d;
	END IF;
	IF due IS NULL THEN
		RETURN;
	END IF;
	RETURN QUERY WITH gone AS (
		UPDATE retail.reservation r SET state = 'expired', released_quantity = r.released_quantity + r.open_quantity, open_quantity = 0, changed_at = as_of
		FROM (SELECT x.sku_id, x.reservation_id, x.open_quantity FROM unnest(due_skus, due) u (sku_id, reservation_id)
			  JOIN retail.reservation x ON x.sku_id = u.sku_id AND x.reservation_id = u.reservation_id WHERE x.state = 'held' AND x.expires_at <= as_of) o
		WHERE r.sku_id = o.sku_id AND r.reservation_id = o.reservation_id
		RETURNING r.sku_id, r.node_id, o.open_quantity AS quantity)
	SELECT g.sku_id, g.node_id, sum(g.quantity)::bigint FROM gone g GROUP BY 1, 2;
END $$;
COMMENT ON FUNCTION retail.mark_expired(timestamptz, bigint[], boolean, bigint[]) IS 'Internal: marks due holds of some SKUs (with node_ids: of the pairs) as expired and returns what the caller must give back to stock.reserved. Those that others work on are left to them, or waited for; without waiting at most 10000 are marked.';

CREATE FUNCTION retail.run_expire_holds(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	idle record;
	l record;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	as_of := retail.effective_time(as_of);
	-- Stock first, and only rows that nobody works on: the sweeper does not
	-- wait, so it cannot deadlock with one who takes stock again and again; and
	-- who needs what is being swept waits at the row of stock until it is.  In
	-- the global order all the same: SKIP LOCKED waits when a row that it saw
	-- free was updated and is being updated again (heap_lock_updated_tuple).
	LOCK TABLE retail.stock IN ROW EXCLUSIVE MODE;
	SELECT array_agg(d.sku_id) AS skus, array_agg(d.node_id) AS nodes INTO idle
		FROM (SELECT s.sku_id, s.node_id FROM retail.stock s
			  WHERE (s.sku_id, s.node_id) IN (SELECT x.sku_id, x.node_id FROM (SELECT r.sku_id, r.node_id FROM retail.reservation r
				WHERE r.state = 'held' AND r.expires_at <= as_of ORDER BY r.expires_at LIMIT 10000) x)
			  ORDER BY s.sku_id, s.node_id FOR NO KEY UPDATE SKIP LOCKED) d;
	SELECT array_agg(e.sku_id) AS skus, array_agg(e.node_id) AS nodes, array_agg('reserved'::text) AS counters, array_agg(-e.quantity) AS quantities,
		coalesce(sum(e.quantity), 0) AS units INTO l FROM retail.mark_expired(as_of, idle.skus, node_ids => idle.nodes) e;
	IF l.skus IS NOT NULL THEN
		PERFORM retail.post_stock(l.skus, l.nodes, l.counters, l.quantities, 'expire', NULL, NULL, as_of);
	END IF;
	RETURN format('%s units of expired holds given back', l.units);
END $$;
COMMENT ON FUNCTION retail.run_expire_holds(timestamptz) IS 'Worker task: gives back what holds that are due reserved, at most 10000 holds a run; stock that others work on is left to the next run. Safe to run twice at once. Raises RT014.';

CREATE FUNCTION retail.hold_stock(hold_key text, channel text, lines jsonb, time_to_live interval DEFAULT '30 minutes', as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	the_channel bigint := retail.channel_id(channel);
	hash bytea := sha256(convert_to(jsonb_build_array(channel, lines)::text, 'UTF8'));
	h retail.stock_hold;
	l record;
BEGIN
	PERFORM retail.check_text(hold_key, 'hold_key');
	PERFORM retail.check_time(as_of, 'as_of');
	IF time_to_live <= '0' OR time_to_live > '366 days' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'invalid time to live', DETAIL = format('time_to_live is %s.', time_to_live),
			HINT = 'Give more than 0 and at most a year, or null for a hold that does not expire.';
	END IF;
	INSERT INTO retail.stock_hold AS x (hold_key, channel_id, request_hash, expires_at, created_at) VALUES (hold_key, the_channel, hash, as_of + time_to_live, as_of)
		ON CONFLICT ON CONSTRAINT stock_hold_hold_key_key DO NOTHING RETURNING x.* INTO h;
	IF NOT FOUND THEN
		SELECT * INTO STRICT h FROM retail.stock_hold x WHERE x.hold_key = $1;
		IF h.request_hash <> hash THEN
			RAISE EXCEPTION USING ERRCODE = 'RT030', MESSAGE = 'hold key reused', DETAIL = format('"%s" was held at %s with other lines.', hold_key, h.created_at),
				HINT = 'Use a new key for other lines.';
		END IF;
		RETURN jsonb_build_object('hold_id', h.hold_id, 'expires_at', h.expires_at, 'replayed', true);
	END IF;
	SELECT array_agg(p.sku_id) AS skus, array_agg(retail.node_id(p.node_code)) AS nodes, array_agg('reserved'::text) AS counters, array_agg(p.quantity) AS quantities INTO l
		FROM (SELECT q.sku_id, q.node_code, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines, 'positive', '{node}') q GROUP BY 1, 2) p;
	PERFORM retail.check_node_access(x) FROM (SELECT DISTINCT unnest(l.nodes)) u (x);
	INSERT INTO retail.reservation (sku_id, node_id, quantity, open_quantity, state, expires_at, hold_id, created_at, changed_at)
		SELECT u.sku_id, u.node_id, u.quantity, u.quantity, 'held', h.expires_at, h.hold_id, as_of, as_of FROM unnest(l.skus, l.nodes, l.quantities) u (sku_id, node_id, quantity);
	-- What expired holds of these SKUs give back is posted in the same pass, so
	-- that rows are locked in one order and a due hold never causes a stock-out.
	SELECT l.skus || array_agg(e.sku_id), l.nodes || array_agg(e.node_id), l.counters || array_agg('reserved'::text), l.quantities || array_agg(-e.quantity)
		INTO l.skus, l.nodes, l.counters, l.quantities FROM retail.mark_expired(as_of, l.skus, wait => true) e;
	PERFORM retail.post_stock(l.skus, l.nodes, l.counters, l.quantities, 'hold', 'hold', h.hold_id, as_of, the_channel);
	RETURN jsonb_build_object('hold_id', h.hold_id, 'expires_at', h.expires_at, 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.hold_stock(text, text, jsonb, interval, timestamptz) IS
'Holds units at named nodes for a while: lines [{"sku", "node", "qty"}], all or nothing, never beyond what the channel may promise. time_to_live null: until released. Idempotent by hold_key. Returns {hold_id, expires_at, replayed}. Raises RT001, RT002, RT003, RT005, RT010, RT011, RT014, RT015, RT020, RT030, RT040.';

CREATE FUNCTION retail.close_hold(hold_key text, new_state text, as_of timestamptz) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	h retail.stock_hold;
	was text[];
	l record;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	SELECT * INTO h FROM retail.stock_hold x WHERE x.hold_key = $1 FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown hold', DETAIL = CASE WHEN hold_key IS NULL THEN 'hold_key is null.' ELSE format('No hold has the key "%s".', left(hold_key, 200)) END,
			HINT = 'Use the key given to retail.hold_stock().';
	END IF;
	PERFORM retail.check_node_access(r.node_id) FROM retail.reservation r WHERE r.hold_id = h.hold_id;
	PERFORM FROM retail.reservation r WHERE r.hold_id = h.hold_id ORDER BY r.sku_id, r.reservation_id FOR UPDATE;
	SELECT array_agg(DISTINCT r.state) INTO was FROM retail.reservation r WHERE r.hold_id = h.hold_id;
	IF was <@ ARRAY[new_state] OR (new_state = 'released' AND was <@ '{released,expired}') THEN
		RETURN jsonb_build_object('hold_id', h.hold_id, 'state', was[1], 'replayed', true);
	ELSIF NOT (was <@ '{held,committed}' OR (new_state = 'released' AND was <@ '{held,committed,released,expired}')) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = format('hold cannot become %s', new_state), DETAIL = format('Hold "%s" is %s.', hold_key, array_to_string(was, ', ')),
			HINT = 'Hold the stock anew with another key.';
	END IF;
	IF new_state = 'committed' THEN
		UPDATE retail.reservation r SET state = 'committed', expires_at = NULL, changed_at = as_of WHERE r.hold_id = h.hold_id;
	ELSE
		SELECT array_agg(r.sku_id) AS skus, array_agg(r.node_id) AS nodes, array_agg('reserved'::text) AS reserved, array_agg('sellable'::text) AS sellable, array_agg(-r.open_quantity) AS quantities INTO l
			FROM retail.reservation r WHERE r.hold_id = h.hold_id AND r.open_quantity > 0;
		UPDATE retail.reservation r SET state = new_state, changed_at = as_of, open_quantity = 0,
				shipped_quantity = CASE new_state WHEN 'shipped' THEN r.open_quantity ELSE 0 END, released_quantity = CASE new_state WHEN 'released' THEN r.open_quantity ELSE 0 END
			WHERE r.hold_id = h.hold_id AND r.open_quantity > 0;
		IF new_state = 'shipped' THEN
			PERFORM retail.post_stock(l.skus || l.skus, l.nodes || l.nodes, l.reserved || l.sellable, l.quantities || l.quantities, 'sale', 'hold', h.hold_id, as_of);
		ELSE
			PERFORM retail.post_stock(l.skus, l.nodes, l.reserved, l.quantities, 'release', 'hold', h.hold_id, as_of);
		END IF;
	END IF;
	RETURN jsonb_build_object('hold_id', h.hold_id, 'state', new_state, 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.close_hold(text, text, timestamptz) IS 'Internal: commits, releases or ships a hold. A due hold that nobody has swept yet still has its units and can be committed.';

CREATE FUNCTION retail.commit_hold(hold_key text, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$ SELECT retail.close_hold($1, 'committed', $2) $$;
COMMENT ON FUNCTION retail.commit_hold(text, timestamptz) IS 'Makes a hold last until it is shipped or released. Idempotent. Raises RT006, RT014, RT031, RT040.';

CREATE FUNCTION retail.release_hold(hold_key text, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$ SELECT retail.close_hold($1, 'released', $2) $$;
COMMENT ON FUNCTION retail.release_hold(text, timestamptz) IS 'Gives held units back. Idempotent. Raises RT006, RT014, RT031, RT040.';

CREATE FUNCTION retail.ship_hold(hold_key text, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$ SELECT retail.close_hold($1, 'shipped', $2) $$;
COMMENT ON FUNCTION retail.ship_hold(text, timestamptz) IS 'Books held units as gone, for callers that keep their orders elsewhere. Idempotent. Raises RT006, RT014, RT031, RT040.';

CREATE FUNCTION retail.available_to_promise(sku text, channel text DEFAULT NULL, as_of timestamptz DEFAULT now())
RETURNS TABLE (node text, node_kind text, on_hand bigint, reserved bigint, safety bigint, available bigint, in_transit bigint)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	the_sku bigint := retail.sku_id($1);
	the_channel bigint := CASE WHEN channel IS NOT NULL THEN retail.channel_id(channel) END;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	IF (SELECT k.is_bundle FROM retail.sku k WHERE k.sku_id = the_sku) THEN
		RETURN QUERY SELECT b.node, b.node_kind, b.on_hand, NULL::bigint, NULL::bigint, b.available, b.in_transit FROM retail.bundle_to_promise(the_sku, channel, as_of) b ORDER BY b.available DESC, b.node;
		RETURN;
	END IF;
	RETURN QUERY
	SELECT n.code, n.kind, s.on_hand, s.reserved - coalesce(e.quantity, 0)::bigint, coalesce(f.quantity, 0) + coalesce(k.quantity, 0)::bigint,
		greatest(s.on_hand - (s.reserved - coalesce(e.quantity, 0)::bigint) - coalesce(f.quantity, 0) - coalesce(k.quantity, 0)::bigint, 0), s.in_transit
	FROM retail.stock s JOIN retail.node n USING (node_id)
	LEFT JOIN (SELECT r.node_id, sum(r.open_quantity) AS quantity FROM retail.reservation r
			   WHERE r.state = 'held' AND r.expires_at <= as_of AND r.sku_id = the_sku GROUP BY 1) e USING (node_id)
	LEFT JOIN LATERAL (SELECT x.quantity FROM retail.safety_stock x WHERE x.sku_id = the_sku AND x.node_id = s.node_id
			   AND (x.channel_id = the_channel OR x.channel_id IS NULL) ORDER BY x.channel_id NULLS LAST LIMIT 1) f ON true
	LEFT JOIN (SELECT b.node_id, sum(b.quantity) AS quantity FROM retail.backorder b WHERE b.sku_id = the_sku AND b.node_id IS NOT NULL GROUP BY 1) k USING (node_id)
	WHERE s.sku_id = the_sku ORDER BY 6 DESC, 1;
END $$;
COMMENT ON FUNCTION retail.available_to_promise(text, text, timestamptz) IS
'Where a SKU lies in the whole chain and how much of it a channel may promise: on hand - live reservations - safety stock (with what is kept for orders that wait). Holds that are due do not count. Of a bundle: how many could be made up at each node of what its components have there; reserved and safety are null. Raises RT001, RT003, RT014.';

CREATE FUNCTION retail.check_inventory_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	WITH moved AS (
		SELECT m.sku_id, m.node_id,
			coalesce(sum(m.quantity) FILTER (WHERE m.condition = 'sellable'), 0) AS on_hand,
			coalesce(sum(m.quantity) FILTER (WHERE m.condition = 'in_transit'), 0) AS in_transit,
			coalesce(sum(m.quantity) FILTER (WHERE m.condition = 'damaged'), 0) AS damaged,
			coalesce(sum(m.quantity) FILTER (WHERE m.condition = 'quality_hold'), 0) AS quality_hold
		FROM retail.movement m GROUP BY 1, 2
	), promised AS (
		SELECT r.sku_id, r.node_id, sum(r.open_quantity) AS reserved FROM retail.reservation r WHERE r.open_quantity > 0 GROUP BY 1, 2
	)
	SELECT 1, format('stock of SKU %s at node %s', sku_id, node_id), format('%s is %s, its rows say %s', x.counter, x.counted, x.summed)
	FROM (retail.stock s FULL JOIN moved m USING (sku_id, node_id)) FULL JOIN promised p USING (sku_id, node_id),
	LATERAL (VALUES ('on_hand', s.on_hand, m.on_hand), ('in_transit', s.in_transit, m.in_transit), ('damaged', s.damaged, m.damaged),
		('quality_hold', s.quality_hold, m.quality_hold), ('reserved', s.reserved, p.reserved)) x (counter, counted, summed)
	WHERE coalesce(x.counted, 0) <> coalesce(x.summed, 0)
	UNION ALL
	SELECT 1, format('movement of SKU %s at node %s', m.sku_id, m.node_id), 'no such SKU or node'
	FROM moved m WHERE NOT EXISTS (SELECT FROM retail.sku k WHERE k.sku_id = m.sku_id) OR NOT EXISTS (SELECT FROM retail.node n WHERE n.node_id = m.node_id)
	UNION ALL
	SELECT 1, format('reservation %s of SKU %s', r.reservation_id, r.sku_id), format('no hold %s', r.hold_id)
	FROM retail.reservation r WHERE r.hold_id IS NOT NULL AND NOT EXISTS (SELECT FROM retail.stock_hold h WHERE h.hold_id = r.hold_id)
	UNION ALL
	SELECT 1, format('transfer %s', t.document_no), format('SKU %s: in transit does not match what is open', l.sku_id)
	FROM retail.stock_transfer t JOIN retail.stock_transfer_line l USING (transfer_id)
	WHERE (SELECT coalesce(sum(m.quantity), 0) FROM retail.movement m WHERE m.sku_id = l.sku_id AND m.node_id = t.to_node_id
		   AND m.condition = 'in_transit' AND m.ref_type = 'transfer' AND m.ref_id = t.transfer_id)
		  <> CASE t.status WHEN 'in_transit' THEN l.sent ELSE 0 END
$$;
COMMENT ON FUNCTION retail.check_inventory_integrity() IS 'Invariant 1: counters against ledger and reservations, orphans, open transfers.';

CREATE FUNCTION retail.repair_stock(sku text DEFAULT NULL) RETURNS TABLE (sku_code text, node_code text, counter text, was bigint, is_now bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	the_sku bigint := CASE WHEN sku IS NOT NULL THEN retail.sku_id(sku) END;
BEGIN
	LOCK TABLE retail.stock IN SHARE ROW EXCLUSIVE MODE;	-- writers wait until the counters are right
	PERFORM retail.reset_stock_cache();		-- which does not see what this writes
	RETURN QUERY
	WITH truth AS (
		SELECT t.sku_id, t.node_id, sum(t.on_hand)::bigint AS on_hand, sum(t.in_transit)::bigint AS in_transit, sum(t.damaged)::bigint AS damaged,
			sum(t.quality_hold)::bigint AS quality_hold, sum(t.reserved)::bigint AS reserved
		FROM (SELECT m.sku_id, m.node_id, CASE m.condition WHEN 'sellable' THEN m.quantity ELSE 0 END AS on_hand, CASE m.condition WHEN 'in_transit' THEN m.quantity ELSE 0 END AS in_transit,
				CASE m.condition WHEN 'damaged' THEN m.quantity ELSE 0 END AS damaged, CASE m.condition WHEN 'quality_hold' THEN m.quantity ELSE 0 END AS quality_hold, 0 AS reserved
			  FROM retail.movement m WHERE the_sku IS NULL OR m.sku_id = the_sku
			  UNION ALL SELECT r.sku_id, r.node_id, 0, 0, 0, 0, r.open_quantity FROM retail.reservation r WHERE r.open_quantity > 0 AND (the_sku IS NULL OR r.sku_id = the_sku)
			  UNION ALL SELECT s.sku_id, s.node_id, 0, 0, 0, 0, 0 FROM retail.stock s WHERE the_sku IS NULL OR s.sku_id = the_sku) t
		GROUP BY 1, 2
	), old AS MATERIALIZED (SELECT * FROM retail.stock s WHERE the_sku IS NULL OR s.sku_id = the_sku
	), fixed AS (
		INSERT INTO retail.stock AS s (sku_id, node_id, on_hand, in_transit, damaged, quality_hold, reserved)
		SELECT t.sku_id, t.node_id, t.on_hand, t.in_transit, t.damaged, t.quality_hold, t.reserved FROM truth t
		ON CONFLICT (sku_id, node_id) DO UPDATE SET on_hand = excluded.on_hand, in_transit = excluded.in_transit, damaged = excluded.damaged,
			quality_hold = excluded.quality_hold, reserved = excluded.reserved, updated_at = now()
			WHERE (s.on_hand, s.in_transit, s.damaged, s.quality_hold, s.reserved) IS DISTINCT FROM
				(excluded.on_hand, excluded.in_transit, excluded.damaged, excluded.quality_hold, excluded.reserved)
		RETURNING s.*
	)
	SELECT k.code, n.code, x.counter, coalesce(x.was, 0), x.is_now
	FROM fixed f LEFT JOIN old o USING (sku_id, node_id) JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id),
	LATERAL (VALUES ('on_hand', o.on_hand, f.on_hand), ('in_transit', o.in_transit, f.in_transit), ('damaged', o.damaged, f.damaged),
		('quality_hold', o.quality_hold, f.quality_hold), ('reserved', o.reserved, f.reserved)) x (counter, was, is_now)
	WHERE coalesce(x.was, 0) <> x.is_now ORDER BY 1, 2, 3;
END $$;
COMMENT ON FUNCTION retail.repair_stock(text) IS 'Sets the counters (of one SKU, or all) to what ledger and reservations say and returns what it changed. Blocks writers while it runs. Raises RT001.';

GRANT EXECUTE ON FUNCTION retail.receive_stock(text, text, jsonb, timestamptz, text), retail.adjust_stock(text, text, jsonb, text, timestamptz, text),
	retail.count_stock(text, text, jsonb, timestamptz, boolean, text), retail.transfer_out(text, text, text, jsonb, timestamptz, text, timestamptz),
	retail.transfer_in(text, jsonb, timestamptz, text), retail.hold_stock(text, text, jsonb, interval, timestamptz),
	retail.commit_hold(text, timestamptz), retail.release_hold(text, timestamptz), retail.ship_hold(text, timestamptz),
	retail.available_to_promise(text, text, timestamptz) TO retail_admin, retail_app, retail_store;
GRANT EXECUTE ON FUNCTION retail.available_to_promise(text, text, timestamptz) TO retail_service;
GRANT EXECUTE ON FUNCTION retail.set_safety_stock(text, text, bigint, text), retail.run_expire_holds(timestamptz), retail.repair_stock(text),
	retail.check_inventory_integrity() TO retail_admin;
GRANT EXECUTE ON FUNCTION retail.set_safety_stock(text, text, bigint, text), retail.run_expire_holds(timestamptz) TO retail_app;
