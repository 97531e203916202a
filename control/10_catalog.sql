-- 10_catalog.sql: master data by natural code: lookups that resolve a code or
-- say what is wrong with it, and upserts that can be repeated.
--
-- An upsert first looks whether anything differs, and writes nothing if not:
-- the statement triggers of the catalogue fire even for a statement that
-- touches no row, and every backend would drop its cache.

CREATE FUNCTION retail.distance_km(lat1 float8, lon1 float8, lat2 float8, lon2 float8) RETURNS float8
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'retail_distance_km';
COMMENT ON FUNCTION retail.distance_km(float8, float8, float8, float8) IS 'Great-circle distance in kilometres between two points, degrees WGS 84 (on a sphere: at most 0.5 % off); null when a coordinate is null. Coordinates are not checked; raises nothing.';

CREATE FUNCTION retail.invalidate_catalog(oid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_invalidate_catalog';
COMMENT ON FUNCTION retail.invalidate_catalog(oid) IS 'Internal: tells every backend, on standbys too, that a table of the catalogue changed. The table''s trigger calls it.';

CREATE FUNCTION retail.check_argument(is_valid boolean, argument text, value text, expected text, code text DEFAULT 'RT016') RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF is_valid IS NOT TRUE THEN
		RAISE EXCEPTION USING ERRCODE = code, MESSAGE = 'invalid value for ' || argument,
			DETAIL = pg_catalog.format('%s is %s.', argument, coalesce(pg_catalog.left(value, 200), 'null')), HINT = expected;
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_argument(boolean, text, text, text, text) IS 'Internal: raises code (default RT016) unless is_valid is true; value goes to the detail, expected to the hint.';

CREATE FUNCTION retail.check_code(code text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	-- The cache tells codes apart by their first 255 bytes.
	PERFORM retail.check_text(code, 'code'), retail.check_argument(octet_length(code) <= 255, 'code', code, 'Give at most 255 bytes; a Chinese character has three.', 'RT015');
END $$;
COMMENT ON FUNCTION retail.check_code(text) IS 'Internal: raises RT015 unless the text can be the code of a row of the catalogue: 1 to 200 characters and at most 255 bytes.';

-- Lookups. They run with the rights of the caller; most calls come from
-- functions that are SECURITY DEFINER themselves.

CREATE FUNCTION retail.sku_id(code text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
	result bigint;
	known boolean;
BEGIN
	SELECT s.sku_id INTO result FROM retail.sku s WHERE s.code = $1 AND s.is_active;
	IF NOT FOUND THEN
		known := EXISTS (SELECT FROM retail.sku s WHERE s.code = $1);
		RAISE EXCEPTION USING ERRCODE = 'RT001', MESSAGE = CASE WHEN known THEN 'SKU is inactive' ELSE 'unknown SKU' END,
			DETAIL = CASE WHEN $1 IS NULL THEN 'The SKU code is null.' WHEN known THEN pg_catalog.format('SKU "%s" takes no new orders.', $1)
						  ELSE pg_catalog.format('No SKU has the code "%s".', pg_catalog.left($1, 200)) END,
			HINT = CASE WHEN known THEN 'Activate it with retail.put_sku(..., is_active => true), or name another SKU.'
						ELSE 'Make it known with retail.put_sku(), or correct the code.' END;
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.sku_id(text) IS 'Key of the active SKU with this code. Raises RT001.';

CREATE FUNCTION retail.node_id(code text, capability text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
	result bigint;
	able boolean;
	known boolean;
BEGIN
	SELECT n.node_id, capability IS NULL OR CASE capability WHEN 'known' THEN true WHEN 'ship' THEN n.can_ship WHEN 'pick_up' THEN n.can_pick_up WHEN 'receive' THEN n.can_receive END
		INTO result, able FROM retail.node n WHERE n.code = $1 AND (n.is_active OR capability = 'known');
	IF NOT FOUND THEN
		known := EXISTS (SELECT FROM retail.node n WHERE n.code = $1);
		RAISE EXCEPTION USING ERRCODE = 'RT002', MESSAGE = CASE WHEN known THEN 'node is inactive' ELSE 'unknown node' END,
			DETAIL = CASE WHEN $1 IS NULL THEN 'The node code is null.' WHEN known THEN pg_catalog.format('Node "%s" is closed for new work.', $1)
						  ELSE pg_catalog.format('No node has the code "%s".', pg_catalog.left($1, 200)) END,
			HINT = CASE WHEN known THEN 'Activate it with retail.put_node(..., is_active => true), or name another node.'
						ELSE 'Make it known with retail.put_node(), or correct the code.' END;
	ELSIF able THEN
		RETURN result;
	ELSIF capability IN ('ship', 'pick_up', 'receive') THEN
		RAISE EXCEPTION USING ERRCODE = 'RT022', MESSAGE = 'the node may not do this', DETAIL = pg_catalog.format('Node "%s" has can_%s = false.', $1, capability),
			HINT = pg_catalog.format('Name another node, or allow it with retail.put_node(..., can_%s => true).', capability);
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'unknown capability', DETAIL = pg_catalog.format('capability is "%s".', pg_catalog.left(capability, 200)),
		HINT = 'Give ship, pick_up, receive, known or null.';
END $$;
COMMENT ON FUNCTION retail.node_id(text, text) IS 'Key of the active node with this code; capability (ship, pick_up or receive) asks that it may do that; known takes an inactive node too. Raises RT002, RT016, RT022.';

CREATE FUNCTION retail.channel_id(code text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
	result bigint;
	known boolean;
BEGIN
	SELECT c.channel_id INTO result FROM retail.channel c WHERE c.code = $1 AND c.is_active;
	IF NOT FOUND THEN
		known := EXISTS (SELECT FROM retail.channel c WHERE c.code = $1);
		RAISE EXCEPTION USING ERRCODE = 'RT003', MESSAGE = CASE WHEN known THEN 'channel is inactive' ELSE 'unknown channel' END,
			DETAIL = CASE WHEN $1 IS NULL THEN 'The channel code is null.' WHEN known THEN pg_catalog.format('Channel "%s" takes no new orders.', $1)
						  ELSE pg_catalog.format('No channel has the code "%s".', pg_catalog.left($1, 200)) END,
			HINT = CASE WHEN known THEN 'Activate it with retail.put_channel(..., is_active => true), or name another channel.'
						ELSE 'Make it known with retail.put_channel(), or correct the code.' END;
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.channel_id(text) IS 'Key of the active channel with this code. Raises RT003.';

CREATE FUNCTION retail.region_id(code text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
	result bigint;
BEGIN
	SELECT r.region_id INTO result FROM retail.region r WHERE r.code = $1;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT004', MESSAGE = 'unknown region',
			DETAIL = CASE WHEN $1 IS NULL THEN 'The region code is null.' ELSE pg_catalog.format('No region has the code "%s".', pg_catalog.left($1, 200)) END,
			HINT = 'Make it known with retail.put_region(), or correct the code.';
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.region_id(text) IS 'Key of the region with this code. Raises RT004.';

CREATE FUNCTION retail.category_id(code text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
	result bigint;
BEGIN
	SELECT c.category_id INTO result FROM retail.category c WHERE c.code = $1;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown category',
			DETAIL = CASE WHEN $1 IS NULL THEN 'The category code is null.' ELSE pg_catalog.format('No category has the code "%s".', pg_catalog.left($1, 200)) END,
			HINT = 'Make it known with retail.put_category(), or correct the code.';
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.category_id(text) IS 'Key of the category with this code. Raises RT005.';

CREATE FUNCTION retail.supplier_id(code text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
	result bigint;
BEGIN
	SELECT s.supplier_id INTO result FROM retail.supplier s WHERE s.code = $1;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown supplier',
			DETAIL = CASE WHEN $1 IS NULL THEN 'The supplier code is null.' ELSE pg_catalog.format('No supplier has the code "%s".', pg_catalog.left($1, 200)) END,
			HINT = 'Make it known with retail.put_supplier(), or correct the code.';
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.supplier_id(text) IS 'Key of the supplier with this code, active or not. Raises RT005.';

CREATE FUNCTION retail.calendar_id(code text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
	result bigint;
BEGIN
	SELECT c.calendar_id INTO result FROM retail.calendar c WHERE c.code = $1;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown calendar',
			DETAIL = CASE WHEN $1 IS NULL THEN 'The calendar code is null.' ELSE pg_catalog.format('No calendar has the code "%s".', pg_catalog.left($1, 200)) END,
			HINT = 'Make it known with retail.put_calendar(), or correct the code.';
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.calendar_id(text) IS 'Key of the calendar with this code. Raises RT005.';

CREATE FUNCTION retail.carrier_service_id(code text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
	result bigint;
BEGIN
	SELECT c.carrier_service_id INTO result FROM retail.carrier_service c WHERE c.code = $1;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown carrier service',
			DETAIL = CASE WHEN $1 IS NULL THEN 'The carrier service code is null.' ELSE pg_catalog.format('No carrier service has the code "%s".', pg_catalog.left($1, 200)) END,
			HINT = 'Make it known with retail.put_carrier_service(), or correct the code.';
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.carrier_service_id(text) IS 'Key of the carrier service with this code, active or not. Raises RT005.';

-- Upserts. Rules that span rows (trees, distance bands, periods) are checked
-- after lock_catalog(), so that two writers cannot break them together.

CREATE FUNCTION retail.lock_catalog() RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$ SELECT pg_advisory_xact_lock(hashtext('pg_retail'), 10) $$;
COMMENT ON FUNCTION retail.lock_catalog() IS 'Internal: one writer at a time to regions, categories, lanes and rate cards, until the transaction ends.';

CREATE FUNCTION retail.put_region(code text, name text, parent text DEFAULT NULL, latitude float8 DEFAULT NULL, longitude float8 DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_parent bigint := CASE WHEN parent IS NOT NULL THEN retail.region_id(parent) END;
	result bigint;
BEGIN
	PERFORM retail.check_code(code), retail.check_text(name, 'name');
	IF num_nonnulls(latitude, longitude) > 0 THEN
		PERFORM retail.check_coordinates(latitude, longitude);
	END IF;
	SELECT r.region_id INTO result FROM retail.region r
		WHERE r.code = code AND (r.name, r.parent_id, r.latitude, r.longitude) IS NOT DISTINCT FROM (name, the_parent, latitude, longitude);
	IF FOUND THEN
		RETURN result;
	END IF;
	PERFORM retail.lock_catalog();
	IF EXISTS (WITH RECURSIVE above AS (
			SELECT r.region_id, r.parent_id, r.code FROM retail.region r WHERE r.region_id = the_parent
			UNION SELECT r.region_id, r.parent_id, r.code FROM above a JOIN retail.region r ON r.region_id = a.parent_id)
		SELECT FROM above a WHERE a.code = code) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'a region cannot lie in itself', DETAIL = format('Region "%s" lies in "%s" or is the same.', parent, code),
			HINT = 'Name a parent that is not below this region; move that one first.';
	END IF;
	INSERT INTO retail.region AS r (code, name, parent_id, latitude, longitude) VALUES (code, name, the_parent, latitude, longitude)
		ON CONFLICT ON CONSTRAINT region_code_key DO UPDATE
			SET name = excluded.name, parent_id = excluded.parent_id, latitude = excluded.latitude, longitude = excluded.longitude
		RETURNING r.region_id INTO result;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.put_region(text, text, text, float8, float8) IS 'Adds or changes a region by its code; parent is a code, the centroid is in degrees WGS 84. Returns its key. Raises RT004, RT013, RT015, RT016 (cycle).';

CREATE FUNCTION retail.put_channel(code text, name text, kind text, payment_ttl interval DEFAULT '30 minutes', is_active boolean DEFAULT true) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	result bigint;
BEGIN
	PERFORM retail.check_code(code), retail.check_text(name, 'name'),
		retail.check_argument(kind IN ('mini_program', 'app', 'web', 'pos', 'marketplace', 'social'), 'kind', kind, 'Give mini_program, app, web, pos, marketplace or social.'),
		retail.check_argument(payment_ttl > '0' AND payment_ttl <= '366 days', 'payment_ttl', payment_ttl::text, 'Give more than 0 and at most a year.', 'RT014'),
		retail.check_argument(is_active IS NOT NULL, 'is_active', NULL, 'Give true or false.');
	SELECT c.channel_id INTO result FROM retail.channel c
		WHERE c.code = code AND (c.name, c.kind, c.payment_ttl, c.is_active) IS NOT DISTINCT FROM (name, kind, payment_ttl, is_active);
	IF NOT FOUND THEN
		INSERT INTO retail.channel AS c (code, name, kind, payment_ttl, is_active) VALUES (code, name, kind, payment_ttl, is_active)
			ON CONFLICT ON CONSTRAINT channel_code_key DO UPDATE
				SET name = excluded.name, kind = excluded.kind, payment_ttl = excluded.payment_ttl, is_active = excluded.is_active
			RETURNING c.channel_id INTO result;
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.put_channel(text, text, text, interval, boolean) IS 'Adds or changes a channel by its code; payment_ttl is how long an unpaid order holds its stock. Returns its key. Raises RT014, RT015, RT016.';

CREATE FUNCTION retail.put_category(code text, name text, parent text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_parent bigint := CASE WHEN parent IS NOT NULL THEN retail.category_id(parent) END;
	result bigint;
BEGIN
	PERFORM retail.check_code(code), retail.check_text(name, 'name');
	SELECT c.category_id INTO result FROM retail.category c WHERE c.code = code AND (c.name, c.parent_id) IS NOT DISTINCT FROM (name, the_parent);
	IF FOUND THEN
		RETURN result;
	END IF;
	PERFORM retail.lock_catalog();
	IF EXISTS (WITH RECURSIVE above AS (
			SELECT c.category_id, c.parent_id, c.code FROM retail.category c WHERE c.category_id = the_parent
			UNION SELECT c.category_id, c.parent_id, c.code FROM above a JOIN retail.category c ON c.category_id = a.parent_id)
		SELECT FROM above a WHERE a.code = code) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'a category cannot lie in itself', DETAIL = format('Category "%s" lies in "%s" or is the same.', parent, code),
			HINT = 'Name a parent that is not below this category; move that one first.';
	END IF;
	INSERT INTO retail.category AS c (code, name, parent_id) VALUES (code, name, the_parent)
		ON CONFLICT ON CONSTRAINT category_code_key DO UPDATE SET name = excluded.name, parent_id = excluded.parent_id
		RETURNING c.category_id INTO result;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.put_category(text, text, text) IS 'Adds or changes a category by its code; parent is a code. Returns its key. Raises RT005, RT015, RT016 (cycle).';

CREATE FUNCTION retail.put_supplier(code text, name text, is_active boolean DEFAULT true) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	result bigint;
BEGIN
	PERFORM retail.check_code(code), retail.check_text(name, 'name'), retail.check_argument(is_active IS NOT NULL, 'is_active', NULL, 'Give true or false.');
	SELECT s.supplier_id INTO result FROM retail.supplier s WHERE s.code = code AND (s.name, s.is_active) IS NOT DISTINCT FROM (name, is_active);
	IF NOT FOUND THEN
		INSERT INTO retail.supplier AS s (code, name, is_active) VALUES (code, name, is_active)
			ON CONFLICT ON CONSTRAINT supplier_code_key DO UPDATE SET name = excluded.name, is_active = excluded.is_active
			RETURNING s.supplier_id INTO result;
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.put_supplier(text, text, boolean) IS 'Adds or changes a supplier by its code. Returns its key. Raises RT015, RT016.';

CREATE FUNCTION retail.put_unit(code text, name text) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
	PERFORM retail.check_code(code), retail.check_text(name, 'name');
	IF NOT EXISTS (SELECT FROM retail.unit u WHERE u.code = code AND u.name = name) THEN
		INSERT INTO retail.unit (code, name) VALUES (code, name) ON CONFLICT ON CONSTRAINT unit_pkey DO UPDATE SET name = excluded.name;
	END IF;
	RETURN code;
END $$;
COMMENT ON FUNCTION retail.put_unit(text, text) IS 'Adds or changes a unit by its code, which is its key. Returns it. Raises RT015.';

CREATE FUNCTION retail.put_sku(code text, name text, weight_g bigint, volume_cm3 bigint DEFAULT 0, category text DEFAULT NULL, supplier text DEFAULT NULL,
	list_price numeric DEFAULT NULL, temperature_class text DEFAULT 'ambient', shelf_life_days int DEFAULT NULL, base_unit text DEFAULT 'EA',
	is_active boolean DEFAULT true) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_category bigint := CASE WHEN category IS NOT NULL THEN retail.category_id(category) END;
	the_supplier bigint := CASE WHEN supplier IS NOT NULL THEN retail.supplier_id(supplier) END;
	result bigint;
BEGIN
	PERFORM retail.check_code(code), retail.check_text(name, 'name'),
		retail.check_argument(weight_g BETWEEN 0 AND 10000000, 'weight_g', weight_g::text, 'Give grams, from 0 to 10000000.', 'RT010'),
		retail.check_argument(volume_cm3 BETWEEN 0 AND 100000000, 'volume_cm3', volume_cm3::text, 'Give cubic centimetres, from 0 (not known) to 100000000.', 'RT010'),
		retail.check_argument(coalesce(shelf_life_days, 1) > 0, 'shelf_life_days', shelf_life_days::text, 'Give days, 1 or more, or null when it does not expire.'),
		retail.check_argument(temperature_class IN ('ambient', 'chilled', 'frozen'), 'temperature_class', temperature_class, 'Give ambient, chilled or frozen.'),
		retail.check_argument(is_active IS NOT NULL, 'is_active', NULL, 'Give true or false.'),
		retail.check_money(coalesce(list_price, 0), 'list_price');
	SELECT s.sku_id INTO result FROM retail.sku s
		WHERE s.code = code AND (s.name, s.weight_g, s.volume_cm3, s.category_id, s.supplier_id, s.list_price, s.temperature_class, s.shelf_life_days, s.base_unit, s.is_active)
			IS NOT DISTINCT FROM (name, weight_g, volume_cm3, the_category, the_supplier, list_price, temperature_class, shelf_life_days, base_unit, is_active);
	IF FOUND THEN
		RETURN result;
	END IF;
	IF NOT EXISTS (SELECT FROM retail.unit u WHERE u.code = base_unit) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown unit',
			DETAIL = CASE WHEN base_unit IS NULL THEN 'base_unit is null.' ELSE format('No unit has the code "%s".', left(base_unit, 200)) END,
			HINT = 'Make it known with retail.put_unit(), or correct the code.';
	END IF;
	IF EXISTS (SELECT FROM retail.sku_unit p JOIN retail.sku s USING (sku_id) WHERE s.code = code AND p.unit = base_unit) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'the base unit is a pack of this SKU', DETAIL = format('SKU "%s" has packs of unit %s.', code, base_unit),
			HINT = 'Name the unit in which single pieces are counted.';
	END IF;
	INSERT INTO retail.sku AS s (code, name, weight_g, volume_cm3, category_id, supplier_id, list_price, temperature_class, shelf_life_days, base_unit, is_active)
		VALUES (code, name, weight_g, volume_cm3, the_category, the_supplier, list_price, temperature_class, shelf_life_days, base_unit, is_active)
		ON CONFLICT ON CONSTRAINT sku_code_key DO UPDATE
			SET name = excluded.name, weight_g = excluded.weight_g, volume_cm3 = excluded.volume_cm3, category_id = excluded.category_id,
				supplier_id = excluded.supplier_id, list_price = excluded.list_price, temperature_class = excluded.temperature_class,
				shelf_life_days = excluded.shelf_life_days, base_unit = excluded.base_unit, is_active = excluded.is_active
		RETURNING s.sku_id INTO result;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.put_sku(text, text, bigint, bigint, text, text, numeric, text, int, text, boolean) IS
'Adds or changes a SKU by its code; weight, volume and price are of one base unit; category and supplier are codes; shelf_life_days null: does not expire. Returns its key. Raises RT005, RT010, RT012, RT015, RT016.';

CREATE FUNCTION retail.put_sku_unit(sku text, unit text, factor bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_sku bigint := coalesce((SELECT s.sku_id FROM retail.sku s WHERE s.code = sku), retail.sku_id(sku));
BEGIN
	PERFORM retail.check_argument(factor BETWEEN 2 AND 1000000000, 'factor', factor::text, 'Give the base units in one pack, 2 or more.', 'RT010');
	IF NOT EXISTS (SELECT FROM retail.unit u WHERE u.code = unit) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown unit',
			DETAIL = CASE WHEN unit IS NULL THEN 'unit is null.' ELSE format('No unit has the code "%s".', left(unit, 200)) END,
			HINT = 'Make it known with retail.put_unit(), or correct the code.';
	END IF;
	IF EXISTS (SELECT FROM retail.sku s WHERE s.sku_id = the_sku AND s.base_unit = unit) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'the base unit is no pack', DETAIL = format('SKU "%s" is counted in %s.', sku, unit),
			HINT = 'Name another unit for the pack.';
	END IF;
	IF NOT EXISTS (SELECT FROM retail.sku_unit p WHERE p.sku_id = the_sku AND p.unit = unit AND p.factor = factor) THEN
		INSERT INTO retail.sku_unit (sku_id, unit, factor) VALUES (the_sku, unit, factor)
			ON CONFLICT ON CONSTRAINT sku_unit_pkey DO UPDATE SET factor = excluded.factor;
	END IF;
	RETURN the_sku;
END $$;
COMMENT ON FUNCTION retail.put_sku_unit(text, text, bigint) IS 'Says that one pack (unit) of a SKU holds factor base units. Returns the key of the SKU. Raises RT001, RT005, RT010, RT016.';

CREATE FUNCTION retail.put_calendar(code text, name text, hours jsonb DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	is_time constant text := '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$';
	bad record;
	wanted jsonb;
	result bigint;
BEGIN
	PERFORM retail.check_code(code), retail.check_text(name, 'name');
	hours := nullif(hours, 'null');
	IF hours IS NOT NULL THEN
		PERFORM retail.check_argument(jsonb_typeof(hours) = 'object', 'hours', hours::text, 'Give an object such as {"1": ["09:00", "21:00"], "7": null}.');
		SELECT h.day, h.span INTO bad FROM jsonb_each(hours) h (day, span)
			WHERE NOT coalesce(h.day ~ '^[1-7]$' AND CASE jsonb_typeof(h.span) WHEN 'null' THEN true
				WHEN 'array' THEN jsonb_array_length(h.span) = 2 AND h.span ->> 0 ~ is_time AND h.span ->> 1 ~ is_time AND h.span ->> 0 < h.span ->> 1 END, false) LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid opening hours', DETAIL = format('Day "%s" has %s.', left(bad.day, 200), left(bad.span::text, 200)),
				HINT = 'Name days 1 (Monday) to 7 (Sunday); give each ["HH:MM", "HH:MM"], opening before closing, 24:00 at the latest, or null when closed.';
		END IF;
		SELECT coalesce(jsonb_object_agg(h.day, h.span), '{}') INTO wanted FROM jsonb_each(hours) h (day, span) WHERE jsonb_typeof(h.span) = 'array';
	END IF;
	SELECT c.calendar_id INTO result FROM retail.calendar c WHERE c.code = code AND c.name = name;
	IF NOT FOUND THEN
		INSERT INTO retail.calendar AS c (code, name) VALUES (code, name)
			ON CONFLICT ON CONSTRAINT calendar_code_key DO UPDATE SET name = excluded.name RETURNING c.calendar_id INTO result;
	END IF;
	IF wanted <> (SELECT coalesce(jsonb_object_agg(h.iso_dow, jsonb_build_array(to_char(h.opens, 'HH24:MI'), to_char(h.closes, 'HH24:MI'))), '{}')
				  FROM retail.calendar_hours h WHERE h.calendar_id = result) THEN
		DELETE FROM retail.calendar_hours h WHERE h.calendar_id = result;
		INSERT INTO retail.calendar_hours (calendar_id, iso_dow, opens, closes)
			SELECT result, h.day::int, (h.span ->> 0)::time, (h.span ->> 1)::time FROM jsonb_each(wanted) h (day, span)
			ON CONFLICT ON CONSTRAINT calendar_hours_pkey DO UPDATE SET opens = excluded.opens, closes = excluded.closes;
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.put_calendar(text, text, jsonb) IS
'Adds or changes an opening calendar by its code. hours: {"1" (Monday) to "7": ["09:00", "21:00"] local time, or null}; a day that is not listed is closed; hours null leaves the weekdays as they are (of a new calendar: closed). Returns its key. Raises RT015, RT016.';

CREATE FUNCTION retail.put_calendar_day(calendar text, day date, opens time DEFAULT NULL, closes time DEFAULT NULL, note text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_calendar bigint := retail.calendar_id(calendar);
BEGIN
	PERFORM retail.check_argument(day BETWEEN '2000-01-01' AND '2099-12-31', 'day', day::text, 'Give a date in the years 2000 to 2099.', 'RT014'),
		retail.check_argument(num_nonnulls(opens, closes) = 0 OR opens < closes, 'opens and closes', format('%s to %s', coalesce(opens::text, 'null'), coalesce(closes::text, 'null')),
			'Give both, opening before closing, or neither when it is closed all day.');
	IF note IS NOT NULL THEN
		PERFORM retail.check_text(note, 'note');
	END IF;
	IF NOT EXISTS (SELECT FROM retail.calendar_day d WHERE d.calendar_id = the_calendar AND d.day = day
				   AND (d.opens, d.closes, d.note) IS NOT DISTINCT FROM (opens, closes, note)) THEN
		INSERT INTO retail.calendar_day (calendar_id, day, opens, closes, note) VALUES (the_calendar, day, opens, closes, note)
			ON CONFLICT ON CONSTRAINT calendar_day_pkey DO UPDATE SET opens = excluded.opens, closes = excluded.closes, note = excluded.note;
	END IF;
	RETURN the_calendar;
END $$;
COMMENT ON FUNCTION retail.put_calendar_day(text, date, time, time, text) IS
'Says how a calendar differs on one local date: closed (no times: a holiday) or open at these times (a make-up workday). Returns the key of the calendar. Raises RT005, RT014, RT015, RT016.';

CREATE FUNCTION retail.put_node(code text, name text, kind text, region text DEFAULT NULL, latitude float8 DEFAULT NULL, longitude float8 DEFAULT NULL,
	time_zone text DEFAULT 'Asia/Shanghai', calendar text DEFAULT NULL, cut_off time DEFAULT '16:00', processing_minutes int DEFAULT 60,
	daily_capacity int DEFAULT NULL, can_ship boolean DEFAULT true, can_pick_up boolean DEFAULT false, can_receive boolean DEFAULT true,
	temperature_classes text[] DEFAULT '{ambient}', parcel_cost numeric DEFAULT 0, unit_cost numeric DEFAULT 0, supplier text DEFAULT NULL,
	is_active boolean DEFAULT true) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_region bigint := CASE WHEN region IS NOT NULL THEN retail.region_id(region) END;
	the_calendar bigint := CASE WHEN calendar IS NOT NULL THEN retail.calendar_id(calendar) END;
	the_supplier bigint := CASE WHEN supplier IS NOT NULL THEN retail.supplier_id(supplier) END;
	result bigint;
BEGIN
	PERFORM retail.check_code(code), retail.check_text(name, 'name'),
		retail.check_argument(kind IN ('warehouse', 'store', 'supplier', 'virtual'), 'kind', kind, 'Give warehouse, store, supplier or virtual.'),
		retail.check_argument(cut_off IS NOT NULL, 'cut_off', NULL, 'Give a local time of day.', 'RT014'),
		retail.check_argument(processing_minutes BETWEEN 0 AND 43200, 'processing_minutes', processing_minutes::text, 'Give minutes, from 0 to 43200 (30 days).'),
		retail.check_argument(coalesce(daily_capacity, 0) >= 0, 'daily_capacity', daily_capacity::text, 'Give parcels a day, 0 or more, or null when unlimited.', 'RT010'),
		retail.check_argument(num_nulls(can_ship, can_pick_up, can_receive, is_active) = 0, 'can_ship, can_pick_up, can_receive or is_active', NULL, 'Give true or false.'),
		retail.check_argument(cardinality(temperature_classes) > 0 AND temperature_classes <@ '{ambient,chilled,frozen}', 'temperature_classes', temperature_classes::text,
			'Give an array of one or more of ambient, chilled and frozen.'),
		retail.check_money(parcel_cost, 'parcel_cost'), retail.check_money(unit_cost, 'unit_cost'),
		retail.check_argument(parcel_cost <= 1000000, 'parcel_cost', parcel_cost::text, 'Give at most one million.', 'RT012'),
		retail.check_argument(unit_cost <= 1000000, 'unit_cost', unit_cost::text, 'Give at most one million.', 'RT012');
	IF num_nonnulls(latitude, longitude) > 0 THEN
		PERFORM retail.check_coordinates(latitude, longitude);
	END IF;
	temperature_classes := ARRAY(SELECT DISTINCT u.class FROM unnest(temperature_classes) u (class) ORDER BY 1);
	SELECT n.node_id INTO result FROM retail.node n
		WHERE n.code = code AND (n.name, n.kind, n.region_id, n.supplier_id, n.latitude, n.longitude, n.time_zone, n.calendar_id, n.cut_off, n.processing_minutes,
				n.daily_capacity, n.can_ship, n.can_pick_up, n.can_receive, n.temperature_classes, n.parcel_cost, n.unit_cost, n.is_active)
			IS NOT DISTINCT FROM (name, kind, the_region, the_supplier, latitude, longitude, time_zone, the_calendar, cut_off, processing_minutes,
				daily_capacity, can_ship, can_pick_up, can_receive, temperature_classes, parcel_cost, unit_cost, is_active);
	IF FOUND THEN
		RETURN result;
	END IF;
	-- AT TIME ZONE would be cheaper, but takes abbreviations and any name with a
	-- number; the view lists what exists, and is read for the first node only.
	IF NOT EXISTS (SELECT FROM retail.node n WHERE n.time_zone = time_zone) AND NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = time_zone) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'unknown time zone', DETAIL = format('time_zone is %s.', coalesce('"' || left(time_zone, 200) || '"', 'null')),
			HINT = 'Give an IANA name such as Asia/Shanghai, spelled as in pg_timezone_names.';
	END IF;
	INSERT INTO retail.node AS n (code, name, kind, region_id, supplier_id, latitude, longitude, time_zone, calendar_id, cut_off, processing_minutes,
			daily_capacity, can_ship, can_pick_up, can_receive, temperature_classes, parcel_cost, unit_cost, is_active)
		VALUES (code, name, kind, the_region, the_supplier, latitude, longitude, time_zone, the_calendar, cut_off, processing_minutes,
			daily_capacity, can_ship, can_pick_up, can_receive, temperature_classes, parcel_cost, unit_cost, is_active)
		ON CONFLICT ON CONSTRAINT node_code_key DO UPDATE
			SET name = excluded.name, kind = excluded.kind, region_id = excluded.region_id, supplier_id = excluded.supplier_id, latitude = excluded.latitude,
				longitude = excluded.longitude, time_zone = excluded.time_zone, calendar_id = excluded.calendar_id, cut_off = excluded.cut_off,
				processing_minutes = excluded.processing_minutes, daily_capacity = excluded.daily_capacity, can_ship = excluded.can_ship,
				can_pick_up = excluded.can_pick_up, can_receive = excluded.can_receive, temperature_classes = excluded.temperature_classes,
				parcel_cost = excluded.parcel_cost, unit_cost = excluded.unit_cost, is_active = excluded.is_active
		RETURNING n.node_id INTO result;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.put_node(text, text, text, text, float8, float8, text, text, time, int, int, boolean, boolean, boolean, text[], numeric, numeric, text, boolean) IS
'Adds or changes a node by its code; region, calendar and supplier are codes; without coordinates it lies at the centroid of its region, without calendar it is always open; cut_off is local time; daily_capacity in parcels, null: unlimited. Returns its key. Raises RT004, RT005, RT010, RT012, RT013, RT014, RT015, RT016.';

CREATE FUNCTION retail.put_carrier_service(code text, carrier text, name text, temperature_classes text[] DEFAULT '{ambient}', volumetric_divisor int DEFAULT 0,
	is_active boolean DEFAULT true) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	result bigint;
BEGIN
	PERFORM retail.check_code(code), retail.check_text(carrier, 'carrier'), retail.check_text(name, 'name'),
		retail.check_argument(cardinality(temperature_classes) > 0 AND temperature_classes <@ '{ambient,chilled,frozen}', 'temperature_classes', temperature_classes::text,
			'Give an array of one or more of ambient, chilled and frozen.'),
		retail.check_argument(volumetric_divisor BETWEEN 0 AND 100000, 'volumetric_divisor', volumetric_divisor::text, 'Give cubic centimetres a kilogram, at most 100000, or 0 for real weight only.'),
		retail.check_argument(is_active IS NOT NULL, 'is_active', NULL, 'Give true or false.');
	temperature_classes := ARRAY(SELECT DISTINCT u.class FROM unnest(temperature_classes) u (class) ORDER BY 1);
	SELECT c.carrier_service_id INTO result FROM retail.carrier_service c
		WHERE c.code = code AND (c.carrier, c.name, c.temperature_classes, c.volumetric_divisor, c.is_active)
			IS NOT DISTINCT FROM (carrier, name, temperature_classes, volumetric_divisor, is_active);
	IF NOT FOUND THEN
		INSERT INTO retail.carrier_service AS c (code, carrier, name, temperature_classes, volumetric_divisor, is_active)
			VALUES (code, carrier, name, temperature_classes, volumetric_divisor, is_active)
			ON CONFLICT ON CONSTRAINT carrier_service_code_key DO UPDATE
				SET carrier = excluded.carrier, name = excluded.name, temperature_classes = excluded.temperature_classes,
					volumetric_divisor = excluded.volumetric_divisor, is_active = excluded.is_active
			RETURNING c.carrier_service_id INTO result;
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.put_carrier_service(text, text, text, text[], int, boolean) IS
'Adds or changes a carrier''s product by its code; volumetric_divisor: cubic centimetres billed as one kilogram, 0: real weight only. Returns its key. Raises RT015, RT016.';

CREATE FUNCTION retail.put_lane(carrier_service text, to_region text, zone text, lead_hours int, from_node text DEFAULT NULL, from_region text DEFAULT NULL,
	from_km float8 DEFAULT 0, to_km float8 DEFAULT 'Infinity', is_active boolean DEFAULT true) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_service bigint := retail.carrier_service_id(carrier_service);
	the_to bigint := retail.region_id(to_region);
	the_node bigint := CASE WHEN from_node IS NOT NULL THEN coalesce((SELECT n.node_id FROM retail.node n WHERE n.code = from_node), retail.node_id(from_node)) END;
	the_from bigint := CASE WHEN from_region IS NOT NULL THEN retail.region_id(from_region) END;
	other retail.lane;
	result bigint;
BEGIN
	-- NaN sorts above infinity.
	PERFORM retail.check_text(zone, 'zone'),
		retail.check_argument(num_nonnulls(from_node, from_region) = 1, 'from_node and from_region', format('%s and %s', coalesce(from_node, 'null'), coalesce(from_region, 'null')),
			'Give the origin as one of both.'),
		retail.check_argument(lead_hours BETWEEN 0 AND 2400, 'lead_hours', lead_hours::text, 'Give hours from leaving the node to delivery, from 0 to 2400.'),
		retail.check_argument(from_km >= 0 AND from_km < 'Infinity', 'from_km', from_km::text, 'Give kilometres, 0 or more.'),
		retail.check_argument(to_km > from_km AND to_km <= 'Infinity', 'to_km', to_km::text, 'Give kilometres beyond from_km, or Infinity.'),
		retail.check_argument(is_active IS NOT NULL, 'is_active', NULL, 'Give true or false.');
	SELECT l.lane_id INTO result FROM retail.lane l
		WHERE (l.carrier_service_id, l.to_region_id, l.from_km) = (the_service, the_to, from_km)
			AND (l.from_node_id, l.from_region_id, l.zone, l.lead_hours, l.to_km, l.is_active) IS NOT DISTINCT FROM (the_node, the_from, zone, lead_hours, to_km, is_active);
	IF FOUND THEN
		RETURN result;
	END IF;
	PERFORM retail.lock_catalog();
	IF is_active THEN
		SELECT * INTO other FROM retail.lane l
			WHERE (l.carrier_service_id, l.to_region_id) = (the_service, the_to) AND (l.from_node_id, l.from_region_id) IS NOT DISTINCT FROM (the_node, the_from)
				AND l.is_active AND l.from_km <> from_km AND l.from_km < to_km AND l.to_km > from_km LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'distance bands overlap',
				DETAIL = format('%s to %s km overlaps the lane %s to %s km of zone %s.', from_km, to_km, other.from_km, other.to_km, other.zone),
				HINT = 'Bands of one service, origin and destination must not share a distance; shorten the other lane or put it with is_active => false first.';
		END IF;
	END IF;
	INSERT INTO retail.lane AS l (carrier_service_id, from_node_id, from_region_id, to_region_id, from_km, to_km, zone, lead_hours, is_active)
		VALUES (the_service, the_node, the_from, the_to, from_km, to_km, zone, lead_hours, is_active)
		ON CONFLICT ON CONSTRAINT lane_key DO UPDATE
			SET to_km = excluded.to_km, zone = excluded.zone, lead_hours = excluded.lead_hours, is_active = excluded.is_active
		RETURNING l.lane_id INTO result;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.put_lane(text, text, text, int, text, text, float8, float8, boolean) IS
'Adds or changes the lane of a carrier service from a node or region to a region, at great-circle distances from from_km (part of its key) to below to_km: zone of the rate card, hours to delivery. Returns its key. Raises RT002, RT004, RT005, RT015, RT016 (also when distance bands overlap).';

CREATE FUNCTION retail.parse_rate_brackets(brackets jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	highest constant numeric := 9223372036854775807;
	b jsonb;
	n int := 0;
	key text;
	last numeric := 0;
	up_to numeric;
	result jsonb := jsonb_build_array();
BEGIN
	IF jsonb_typeof(brackets) IS DISTINCT FROM 'array' OR jsonb_array_length(brackets) NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid list of brackets', DETAIL = format('brackets is %s.', coalesce(left(brackets::text, 200), 'null')),
			HINT = 'Give an array of 1 to 1000 objects such as {"up_to_g": 1000, "price": 3.5}.';
	END IF;
	FOR b IN SELECT e FROM jsonb_array_elements(brackets) e LOOP
		n := n + 1;
		IF jsonb_typeof(b) <> 'object' OR NOT b ?& '{up_to_g,price}' OR b - '{from_g,up_to_g,price,over_g,step_g,step_price}'::text[] <> '{}' THEN
			RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = format('bracket %s is malformed', n), DETAIL = left(b::text, 200),
				HINT = 'A bracket has "up_to_g" and "price", and may have "over_g", "step_g", "step_price" and "from_g".';
		END IF;
		FOREACH key IN ARRAY '{from_g,up_to_g,over_g,step_g}'::text[] LOOP
			PERFORM retail.check_argument(coalesce(jsonb_typeof(b -> key), 'null') = 'null'
				OR CASE jsonb_typeof(b -> key) WHEN 'number' THEN (b ->> key)::numeric BETWEEN 0 AND highest AND (b ->> key)::numeric = trunc((b ->> key)::numeric) END,
				format('%s of bracket %s', key, n), (b -> key)::text, 'Give whole grams, from 0 to 9223372036854775807.', 'RT010');
		END LOOP;
		FOREACH key IN ARRAY '{price,step_price}'::text[] LOOP
			CONTINUE WHEN key = 'step_price' AND coalesce(jsonb_typeof(b -> key), 'null') = 'null';
			PERFORM retail.check_argument(jsonb_typeof(b -> key) = 'number', format('%s of bracket %s', key, n), (b -> key)::text, 'Give an amount.', 'RT012');
			PERFORM retail.check_money((b ->> key)::numeric, format('%s of bracket %s', key, n)),
				retail.check_argument((b ->> key)::numeric <= 10000000, format('%s of bracket %s', key, n), b ->> key, 'Give at most ten million.', 'RT012');
		END LOOP;
		up_to := coalesce((b ->> 'up_to_g')::numeric, highest);
		IF up_to <= last OR (b ->> 'from_g')::numeric <> last THEN
			RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'brackets must ascend without gap or overlap',
				DETAIL = format('Bracket %s runs from %s to %s g, the one before it ends at %s g.', n, coalesce(b ->> 'from_g', last::text), up_to, last),
				HINT = 'Order brackets by up_to_g; each begins where the one before it ends. Null in the last: open-ended.';
		ELSIF coalesce((b ->> 'over_g')::numeric, 0) > up_to OR (coalesce((b ->> 'step_price')::numeric, 0) > 0 AND coalesce((b ->> 'step_g')::numeric, 0) = 0) THEN
			RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = format('bracket %s has steps that never count', n), DETAIL = left(b::text, 200),
				HINT = 'Above over_g, which is not above up_to_g, each step_g begun costs step_price.';
		END IF;
		last := up_to;
		result := result || jsonb_build_array(jsonb_build_array(up_to, (b ->> 'price')::numeric, coalesce((b ->> 'over_g')::bigint, 0),
			coalesce((b ->> 'step_g')::bigint, 0), coalesce((b ->> 'step_price')::numeric, 0)));
	END LOOP;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.parse_rate_brackets(jsonb) IS 'Internal: checks the brackets of put_rate_card() and returns each as [up_to_g, base_price, over_g, step_g, step_price]. Raises RT010, RT012, RT016.';

CREATE FUNCTION retail.put_rate_card(carrier_service text, zone text, first_weight_g bigint DEFAULT NULL, first_price numeric DEFAULT NULL,
	step_weight_g bigint DEFAULT NULL, step_price numeric DEFAULT NULL, max_weight_g bigint DEFAULT NULL, brackets jsonb DEFAULT NULL,
	valid_from timestamptz DEFAULT '2000-01-01 00:00+00', valid_to timestamptz DEFAULT 'infinity') RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_service bigint := retail.carrier_service_id(carrier_service);
	other retail.rate_card;
	wanted jsonb;
	result bigint;
BEGIN
	PERFORM retail.check_text(zone, 'zone'), retail.check_time(valid_from, 'valid_from');
	IF valid_to IS DISTINCT FROM 'infinity' THEN
		PERFORM retail.check_time(valid_to, 'valid_to');
		PERFORM retail.check_argument(valid_from < valid_to, 'valid_to', valid_to::text, 'Give a time after valid_from, or infinity.');
	END IF;
	brackets := nullif(brackets, 'null');
	IF brackets IS NOT NULL AND num_nonnulls(first_weight_g, first_price, step_weight_g, step_price, max_weight_g) = 0 THEN
		wanted := retail.parse_rate_brackets(brackets);
	ELSIF brackets IS NULL AND num_nonnulls(first_weight_g, first_price, step_weight_g, step_price) = 4 THEN
		PERFORM retail.check_argument(first_weight_g BETWEEN 0 AND 1000000000, 'first_weight_g', first_weight_g::text, 'Give grams, from 0 to 1000000000.', 'RT010'),
			retail.check_argument(step_weight_g BETWEEN 1 AND 1000000000, 'step_weight_g', step_weight_g::text, 'Give grams, from 1 to 1000000000.', 'RT010'),
			retail.check_argument(coalesce(max_weight_g, 1) >= 1 AND coalesce(max_weight_g, first_weight_g) >= first_weight_g, 'max_weight_g', max_weight_g::text,
				'Give grams, first_weight_g or more, or null when there is no limit.', 'RT010'),
			retail.check_money(first_price, 'first_price'), retail.check_money(step_price, 'step_price'),
			retail.check_argument(greatest(first_price, step_price) <= 10000000, 'first_price or step_price', greatest(first_price, step_price)::text, 'Give at most ten million.', 'RT012');
		wanted := jsonb_build_array(jsonb_build_array(coalesce(max_weight_g, 9223372036854775807), first_price, first_weight_g, step_weight_g, step_price));
	ELSE
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'a rate card has exactly one form',
			DETAIL = format('first_weight_g is %s, first_price %s, step_weight_g %s, step_price %s, max_weight_g %s; brackets is %s.', coalesce(first_weight_g::text, 'null'),
				coalesce(first_price::text, 'null'), coalesce(step_weight_g::text, 'null'), coalesce(step_price::text, 'null'), coalesce(max_weight_g::text, 'null'),
				CASE WHEN brackets IS NULL THEN 'null' ELSE 'given' END),
			HINT = 'Give first_weight_g, first_price, step_weight_g and step_price (max_weight_g if there is a limit), or brackets alone.';
	END IF;
	SELECT c.rate_card_id INTO result FROM retail.rate_card c
		WHERE (c.carrier_service_id, c.zone, c.valid_from, c.valid_to) = (the_service, zone, valid_from, valid_to)
			AND wanted = (SELECT jsonb_agg(jsonb_build_array(b.up_to_g, b.base_price, b.over_g, b.step_g, b.step_price) ORDER BY b.up_to_g)
						  FROM retail.rate_bracket b WHERE b.rate_card_id = c.rate_card_id);
	IF FOUND THEN
		RETURN result;
	END IF;
	PERFORM retail.lock_catalog();
	SELECT * INTO other FROM retail.rate_card c
		WHERE (c.carrier_service_id, c.zone) = (the_service, zone) AND c.valid_from <> valid_from AND c.valid_from < valid_to AND c.valid_to > valid_from LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'validity periods overlap',
			DETAIL = format('%s to %s overlaps the card of zone %s valid from %s to %s.', valid_from, valid_to, zone, other.valid_from, other.valid_to),
			HINT = 'End the other card first: put it again with its own valid_from and a valid_to that is not after this valid_from.';
	END IF;
	INSERT INTO retail.rate_card AS c (carrier_service_id, zone, valid_from, valid_to) VALUES (the_service, zone, valid_from, valid_to)
		ON CONFLICT ON CONSTRAINT rate_card_carrier_service_id_zone_valid_from_key DO UPDATE SET valid_to = excluded.valid_to
		RETURNING c.rate_card_id INTO result;
	DELETE FROM retail.rate_bracket b WHERE b.rate_card_id = result;
	INSERT INTO retail.rate_bracket (rate_card_id, up_to_g, base_price, over_g, step_g, step_price)
		SELECT result, (w.b ->> 0)::bigint, (w.b ->> 1)::numeric, (w.b ->> 2)::bigint, (w.b ->> 3)::bigint, (w.b ->> 4)::numeric FROM jsonb_array_elements(wanted) w (b);
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.put_rate_card(text, text, bigint, numeric, bigint, numeric, bigint, jsonb, timestamptz, timestamptz) IS
'Adds or changes what a carrier service charges in a zone from valid_from (part of its key) to before valid_to, in one of two forms: first_price up to first_weight_g, then step_price for each step_weight_g begun, up to max_weight_g (null: no limit); or brackets [{"up_to_g" (null: no limit), "price", "over_g"?, "step_g"?, "step_price"?, "from_g"?}], ascending: price, plus step_price for each step_g begun above over_g. Returns its key. Raises RT005, RT010, RT012, RT014, RT015, RT016 (also when periods overlap).';

CREATE FUNCTION retail.check_catalog_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT 0, format('rate card of %s, zone %s', s.code, a.zone), format('the period from %s overlaps the one from %s', a.valid_from, b.valid_from)
	FROM retail.rate_card a JOIN retail.rate_card b USING (carrier_service_id, zone) JOIN retail.carrier_service s USING (carrier_service_id)
	WHERE a.valid_from < b.valid_from AND b.valid_from < a.valid_to
	UNION ALL
	SELECT 0, format('lane %s of %s', a.lane_id, s.code), format('its distances from %s km overlap those of lane %s from %s km', a.from_km, b.lane_id, b.from_km)
	FROM retail.lane a JOIN retail.lane b USING (carrier_service_id, to_region_id) JOIN retail.carrier_service s USING (carrier_service_id)
	WHERE (a.from_node_id = b.from_node_id OR a.from_region_id = b.from_region_id) AND a.is_active AND b.is_active AND a.from_km < b.from_km AND b.from_km < a.to_km
	UNION ALL
	(WITH RECURSIVE above (start, region_id) AS (
		SELECT r.region_id, r.parent_id FROM retail.region r WHERE r.parent_id IS NOT NULL
		UNION ALL SELECT a.start, r.parent_id FROM above a JOIN retail.region r USING (region_id) WHERE r.parent_id IS NOT NULL
	) CYCLE region_id SET is_cycle USING path
	SELECT DISTINCT 0, format('region %s', r.code), 'it lies in itself' FROM above a JOIN retail.region r ON r.region_id = a.start WHERE a.region_id = a.start)
	UNION ALL
	(WITH RECURSIVE above (start, category_id) AS (
		SELECT c.category_id, c.parent_id FROM retail.category c WHERE c.parent_id IS NOT NULL
		UNION ALL SELECT a.start, c.parent_id FROM above a JOIN retail.category c USING (category_id) WHERE c.parent_id IS NOT NULL
	) CYCLE category_id SET is_cycle USING path
	SELECT DISTINCT 0, format('category %s', c.code), 'it lies in itself' FROM above a JOIN retail.category c ON c.category_id = a.start WHERE a.category_id = a.start)
$$;
COMMENT ON FUNCTION retail.check_catalog_integrity() IS 'Invariant 0: rate cards that overlap in time, active lanes that overlap in distance, regions and categories that lie in themselves.';

GRANT EXECUTE ON FUNCTION retail.distance_km(float8, float8, float8, float8), retail.sku_id(text), retail.node_id(text, text), retail.channel_id(text),
	retail.region_id(text), retail.category_id(text), retail.supplier_id(text), retail.calendar_id(text), retail.carrier_service_id(text)
	TO retail_admin, retail_app, retail_store, retail_supplier, retail_service, retail_bi;
GRANT EXECUTE ON FUNCTION retail.invalidate_catalog(oid), retail.put_region(text, text, text, float8, float8), retail.put_channel(text, text, text, interval, boolean),
	retail.put_category(text, text, text), retail.put_supplier(text, text, boolean), retail.put_unit(text, text),
	retail.put_sku(text, text, bigint, bigint, text, text, numeric, text, int, text, boolean), retail.put_sku_unit(text, text, bigint),
	retail.put_calendar(text, text, jsonb), retail.put_calendar_day(text, date, time, time, text),
	retail.put_node(text, text, text, text, float8, float8, text, text, time, int, int, boolean, boolean, boolean, text[], numeric, numeric, text, boolean),
	retail.put_carrier_service(text, text, text, text[], int, boolean), retail.put_lane(text, text, text, int, text, text, float8, float8, boolean),
	retail.put_rate_card(text, text, bigint, numeric, bigint, numeric, bigint, jsonb, timestamptz, timestamptz) TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.check_catalog_integrity() TO retail_admin;
