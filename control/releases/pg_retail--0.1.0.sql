\echo Use "CREATE EXTENSION pg_retail" to load this file. \quit

-- 00_roles.sql: the roles of the platform.  They belong to the cluster, not to
-- the extension: made here so that a restored dump finds them before its
-- grants and policies, and kept when the extension is dropped.
DO $$
DECLARE r text;
BEGIN
	FOREACH r IN ARRAY '{retail_admin,retail_app,retail_store,retail_supplier,retail_service,retail_bi}'::text[] LOOP
		IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r) THEN
			BEGIN
				EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', r);
			EXCEPTION WHEN duplicate_object OR unique_violation THEN
				NULL;				-- another database made it at the same moment
			END;
		END IF;
	END LOOP;
END $$;

-- 01_foundation.sql: installing and upgrading the tables, error codes, who
-- calls, and the checks that every room shares.

CREATE FUNCTION retail.version() RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'retail_version';
COMMENT ON FUNCTION retail.version() IS 'Version of the loaded library.';

CREATE FUNCTION retail.caller() RETURNS name
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'retail_caller';
COMMENT ON FUNCTION retail.caller() IS 'The role that calls, also inside SECURITY DEFINER functions; SET ROLE counts.';

CREATE FUNCTION retail.schema_files(OUT version text, OUT file text, OUT content text) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_schema_files';
COMMENT ON FUNCTION retail.schema_files() IS 'The schema files shipped beside the extension: base files (version 0.1.0) and migrations, in the order in which they are applied.';

CREATE FUNCTION retail.apply_schema_files() RETURNS TABLE (file text, action text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	f record;
	installed int[] := (SELECT string_to_array(e.extversion, '.')::int[] FROM pg_extension e WHERE e.extname = 'pg_retail');
	applied text;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('pg_retail'), 1);
	IF to_regclass('retail.schema_migration') IS NULL THEN
		CREATE TABLE retail.schema_migration (
			file		text PRIMARY KEY,
			version		text NOT NULL,
			checksum	text NOT NULL,
			applied_at	timestamptz NOT NULL DEFAULT now(),
			applied_by	name NOT NULL DEFAULT current_user
		);
		COMMENT ON TABLE retail.schema_migration IS 'Schema files that install() and upgrade() have applied.';
		COMMENT ON COLUMN retail.schema_migration.file IS 'Path below the extension''s schema folder.';
		COMMENT ON COLUMN retail.schema_migration.version IS 'Version that brought the file.';
		COMMENT ON COLUMN retail.schema_migration.checksum IS 'SHA-256 of the file as applied.';
		COMMENT ON COLUMN retail.schema_migration.applied_at IS 'When.';
		COMMENT ON COLUMN retail.schema_migration.applied_by IS 'By whom.';
	END IF;
	FOR f IN SELECT * FROM retail.schema_files() LOOP
		CONTINUE WHEN string_to_array(f.version, '.')::int[] > installed;
		file := f.file;
		SELECT m.checksum INTO applied FROM retail.schema_migration m WHERE m.file = f.file;
		IF NOT FOUND THEN
			EXECUTE f.content;
			INSERT INTO retail.schema_migration (file, version, checksum)
				VALUES (f.file, f.version, encode(sha256(convert_to(f.content, 'UTF8')), 'hex'));
			action := 'applied';
		ELSIF applied <> encode(sha256(convert_to(f.content, 'UTF8')), 'hex') THEN
			action := 'already applied, but the shipped file has changed since';
		ELSE
			action := 'already applied';
		END IF;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.apply_schema_files() IS 'Applies what is missing of the schema files up to the extension''s version; install() and upgrade() call it.';

CREATE FUNCTION retail.install() RETURNS TABLE (file text, action text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $$ SELECT * FROM retail.apply_schema_files() $$;
COMMENT ON FUNCTION retail.install() IS 'Creates the tables, policies and views of the platform as ordinary objects of this database; can be repeated. Says what it did with each file.';

CREATE FUNCTION retail.upgrade() RETURNS TABLE (file text, action text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
BEGIN
	PERFORM retail.require_installed();
	RETURN QUERY SELECT * FROM retail.apply_schema_files();
END $$;
COMMENT ON FUNCTION retail.upgrade() IS 'After ALTER EXTENSION pg_retail UPDATE: applies the migrations that are missing; can be repeated. Raises RT050 when install() has not run.';

CREATE FUNCTION retail.require_installed() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
	IF pg_catalog.to_regclass('retail.schema_migration') IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT050', MESSAGE = 'the tables of pg_retail are not installed in this database',
			DETAIL = 'Table retail.schema_migration does not exist.', HINT = 'Run SELECT retail.install();';
	END IF;
END $$;
COMMENT ON FUNCTION retail.require_installed() IS 'Raises RT050 unless install() has run.';

CREATE FUNCTION retail.error_codes(OUT sqlstate text, OUT name text, OUT meaning text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 30 AS $$
	VALUES
	('RT001', 'unknown_sku', 'A SKU code is not in the catalogue, or the SKU is inactive.'),
	('RT002', 'unknown_node', 'A node code is not in the catalogue, or the node is inactive.'),
	('RT003', 'unknown_channel', 'A channel code is not in the catalogue, or the channel is inactive.'),
	('RT004', 'unknown_region', 'A region code is not in the catalogue.'),
	('RT005', 'unknown_object', 'Another named object (calendar, carrier service, policy, task ...) does not exist.'),
	('RT006', 'unknown_order', 'No order, shipment, return, hold or transfer has this number.'),
	('RT010', 'invalid_quantity', 'A quantity is missing, zero, negative, fractional or too large.'),
	('RT011', 'invalid_lines', 'A list of lines is empty, too long, malformed or contradicts itself.'),
	('RT012', 'invalid_money', 'A price, discount, cost or amount is missing, negative, not a number, too large or finer than a cent.'),
	('RT013', 'invalid_coordinates', 'Latitude or longitude is missing, not a number or out of range.'),
	('RT014', 'invalid_time', 'A time is missing, infinite or outside the years 2000 to 2099.'),
	('RT015', 'invalid_text', 'A code, number or name is empty, too long or has control characters.'),
	('RT016', 'invalid_argument', 'Another argument has a value that is not allowed.'),
	('RT020', 'out_of_stock', 'What is available to promise does not cover the quantity.'),
	('RT021', 'unreachable', 'Stock is there, but no lane, carrier or opening lets it reach the destination.'),
	('RT022', 'node_incapable', 'The node may not do this (ship, pick-up, receive, temperature class).'),
	('RT030', 'number_reused', 'The same external number came with different content.'),
	('RT031', 'wrong_state', 'The order, shipment, return, hold or transfer is in a state that does not allow this.'),
	('RT032', 'exceeds', 'More units or money than there are to ship, cancel, return, inspect, receive or refund.'),
	('RT040', 'not_permitted', 'The calling role is not bound to this node or supplier.'),
	('RT050', 'not_installed', 'retail.install() has not run in this database.'),
	('RT051', 'no_scheduler', 'pg_cron is not available in this database.'),
	('RT060', 'too_busy', 'Stock changed under the decision too many times; try again.')
$$;
COMMENT ON FUNCTION retail.error_codes() IS 'Every SQLSTATE that pg_retail raises; all are of class RT.';

CREATE FUNCTION retail.check_time(value timestamptz, argument text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF value IS NULL OR value < '2000-01-01 00:00+00' OR value >= '2100-01-01 00:00+00' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'invalid time for ' || argument,
			DETAIL = pg_catalog.format('%s is %s.', argument, coalesce(value::text, 'null')),
			HINT = 'Give a time in the years 2000 to 2099.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_time(timestamptz, text) IS 'Raises RT014 unless the time is finite and in the years 2000 to 2099.';

CREATE FUNCTION retail.check_text(value text, argument text, max_length int DEFAULT 200) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF value IS NULL OR pg_catalog.btrim(value) = '' OR pg_catalog.length(value) > max_length OR value ~ '[\x01-\x1f\x7f]' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT015', MESSAGE = 'invalid text for ' || argument,
			DETAIL = CASE WHEN value IS NULL THEN argument || ' is null.'
						  WHEN pg_catalog.btrim(value) = '' THEN argument || ' is blank.'
						  WHEN pg_catalog.length(value) > max_length THEN pg_catalog.format('%s has %s characters.', argument, pg_catalog.length(value))
						  ELSE argument || ' has control characters.' END,
			HINT = pg_catalog.format('Give 1 to %s printable characters, in any script.', max_length);
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_text(text, text, int) IS 'Raises RT015 unless the text is 1 to max_length characters without control characters.';

CREATE FUNCTION retail.check_money(value numeric, argument text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF value IS NULL OR value = 'NaN' OR value < 0 OR value >= 1000000000 OR pg_catalog.scale(pg_catalog.trim_scale(value)) > 2 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT012', MESSAGE = 'invalid amount for ' || argument,
			DETAIL = pg_catalog.format('%s is %s.', argument, coalesce(value::text, 'null')),
			HINT = 'Give 0 or more, below one billion, with at most two decimals.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_money(numeric, text) IS 'Raises RT012 unless the amount is 0 or more, below one billion and has at most two decimals.';

CREATE FUNCTION retail.check_coordinates(latitude float8, longitude float8) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	-- NaN sorts above every number, so BETWEEN refuses it.
	IF NOT coalesce(latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180, false) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT013', MESSAGE = 'invalid coordinates',
			DETAIL = pg_catalog.format('Latitude is %s, longitude is %s.', coalesce(latitude::text, 'null'), coalesce(longitude::text, 'null')),
			HINT = 'Give degrees (WGS 84): latitude from -90 to 90, longitude from -180 to 180, both or neither.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_coordinates(float8, float8) IS 'Raises RT013 unless both are degrees in range.';

CREATE FUNCTION retail.check_node_access(checked_node_id bigint) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	who name := retail.caller();
BEGIN
	IF pg_has_role(who, 'retail_admin', 'MEMBER') OR pg_has_role(who, 'retail_app', 'MEMBER') OR pg_has_role(who, 'retail_service', 'MEMBER') THEN
		RETURN;
	END IF;
	IF NOT EXISTS (SELECT FROM retail.principal p WHERE p.role_name = who AND p.node_id = checked_node_id) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT040', MESSAGE = 'not permitted at this node',
			DETAIL = format('Role %s is not bound to node %s.', who,
				coalesce((SELECT n.code FROM retail.node n WHERE n.node_id = checked_node_id), checked_node_id::text)),
			HINT = 'Ask an administrator for SELECT retail.bind_principal(role, node => code).';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_node_access(bigint) IS 'Raises RT040 unless the caller works for the whole chain or is bound to the node.';

CREATE FUNCTION retail.bind_principal(role_name text, node text DEFAULT NULL, supplier text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_node bigint;
	the_supplier bigint;
	result bigint;
BEGIN
	IF num_nonnulls(node, supplier) <> 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'a role is bound to one node or one supplier at a time',
			DETAIL = format('node is %s, supplier is %s.', coalesce(node, 'null'), coalesce(supplier, 'null')), HINT = 'Call once for each.';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role_name) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown role', DETAIL = format('Role %s does not exist.', coalesce(role_name, 'null')),
			HINT = 'Run CREATE ROLE ... LOGIN IN ROLE retail_store (or retail_supplier) first.';
	END IF;
	IF node IS NOT NULL THEN
		the_node := retail.node_id(node);
	ELSE
		SELECT s.supplier_id INTO the_supplier FROM retail.supplier s WHERE s.code = supplier;
		IF NOT FOUND THEN
			RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown supplier', DETAIL = format('Supplier %s does not exist.', supplier),
				HINT = 'See SELECT code, name FROM retail.supplier.';
		END IF;
	END IF;
	SELECT p.principal_id INTO result FROM retail.principal p
		WHERE p.role_name = role_name AND (p.node_id = the_node OR p.supplier_id = the_supplier);
	IF NOT FOUND THEN
		INSERT INTO retail.principal (role_name, node_id, supplier_id) VALUES (role_name, the_node, the_supplier)
			RETURNING principal_id INTO result;
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.bind_principal(text, text, text) IS 'Binds a login role to a node or supplier (by code), for row-level security. Raises RT002, RT005, RT016.';

CREATE FUNCTION retail.check_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	f regprocedure;
BEGIN
	PERFORM retail.require_installed();
	-- Each room brings check_<room>_integrity().
	FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'retail'::regnamespace AND p.proname ~ '^check_[a-z]+_integrity$' ORDER BY p.proname LOOP
		RETURN QUERY EXECUTE format('SELECT * FROM %s', f);
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.check_integrity() IS 'One row for each violation of an invariant; none when all is well. Runs on a standby too.';

GRANT EXECUTE ON FUNCTION retail.version(), retail.caller(), retail.error_codes(), retail.require_installed(),
	retail.check_time(timestamptz, text), retail.check_text(text, text, int), retail.check_money(numeric, text),
	retail.check_coordinates(float8, float8), retail.check_node_access(bigint)
	TO retail_admin, retail_app, retail_store, retail_supplier, retail_service, retail_bi;
GRANT EXECUTE ON FUNCTION retail.check_integrity(), retail.bind_principal(text, text, text) TO retail_admin;

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
	SELECT n.node_id, capability IS NULL OR CASE capability WHEN 'ship' THEN n.can_ship WHEN 'pick_up' THEN n.can_pick_up WHEN 'receive' THEN n.can_receive END
		INTO result, able FROM retail.node n WHERE n.code = $1 AND n.is_active;
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
		HINT = 'Give ship, pick_up, receive or null.';
END $$;
COMMENT ON FUNCTION retail.node_id(text, text) IS 'Key of the active node with this code; capability (ship, pick_up or receive) asks that it may do that. Raises RT002, RT016, RT022.';

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
		PERFORM retail.check_time(valid_to, 'valid_to'),
			retail.check_argument(valid_from < valid_to, 'valid_to', valid_to::text, 'Give a time after valid_from, or infinity.');
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

CREATE FUNCTION retail.parse_stock_lines(lines jsonb, sign text DEFAULT 'positive')
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
		   OR coalesce(e ->> 'condition', 'sellable') NOT IN ('sellable', 'damaged', 'quality_hold') LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT011', MESSAGE = format('line %s is malformed', bad.n), DETAIL = left(bad.e::text, 200),
			HINT = 'A line is an object with "sku" (text), "qty" (whole number) and, where it applies, "condition": sellable, damaged or quality_hold.';
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
	SELECT e, n INTO bad FROM jsonb_array_elements(lines) WITH ORDINALITY AS l (e, n)
		WHERE NOT EXISTS (SELECT FROM retail.sku s WHERE s.code = e ->> 'sku') LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT001', MESSAGE = 'unknown SKU', DETAIL = format('Line %s names SKU "%s".', bad.n, left(bad.e ->> 'sku', 200)),
			HINT = 'Make it known with retail.put_sku(), or correct the code.';
	END IF;
	RETURN QUERY SELECT s.sku_id, l.e ->> 'node', coalesce(l.e ->> 'condition', 'sellable'), sum((l.e ->> 'qty')::numeric)::bigint, sum(coalesce((l.e ->> 'damaged')::numeric, 0))::bigint
		FROM jsonb_array_elements(lines) AS l (e) JOIN retail.sku s ON s.code = l.e ->> 'sku'
		GROUP BY 1, 2, 3 ORDER BY 1, 2;
END $$;
COMMENT ON FUNCTION retail.parse_stock_lines(jsonb, text) IS 'Checks and resolves a JSON list of lines, summed by SKU, node and condition; sign is positive, zero (allowed) or any. Raises RT001, RT010, RT011.';

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
		ON CONFLICT ON CONSTRAINT stock_document_kind_document_no_key DO NOTHING RETURNING d.document_id INTO document_id;
	IF FOUND THEN
		RETURN;
	END IF;
	SELECT * INTO STRICT old FROM retail.stock_document d WHERE d.kind = kind AND d.document_no = document_no;
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
	n bigint := retail.node_id(node, 'receive');
	doc record;
	l record;
BEGIN
	PERFORM retail.check_node_access(n);
	SELECT * INTO doc FROM retail.begin_document('receipt', document_no, n, NULL, lines, as_of, note);
	IF doc.replay IS NOT NULL THEN
		RETURN doc.replay;
	END IF;
	SELECT array_agg(p.sku_id) AS skus, array_agg(n) AS nodes, array_agg(p.condition) AS conditions, array_agg(p.quantity) AS quantities,
		count(DISTINCT p.sku_id) AS n_skus, sum(p.quantity) AS units INTO l FROM retail.parse_stock_lines(lines) p;
	PERFORM retail.post_stock(l.skus, l.nodes, l.conditions, l.quantities, 'receipt', 'document', doc.document_id, as_of);
	RETURN retail.end_document(doc.document_id, jsonb_build_object('document_id', doc.document_id, 'skus', l.n_skus, 'units', l.units));
END $$;
COMMENT ON FUNCTION retail.receive_stock(text, text, jsonb, timestamptz, text) IS
'Books goods in at a node. lines: [{"sku", "qty" > 0, "condition"?: sellable|damaged|quality_hold}]. Idempotent by document_no. Returns {document_id, skus, units, replayed}. Raises RT001, RT002, RT010, RT011, RT014, RT015, RT022, RT030, RT040.';

CREATE FUNCTION retail.adjust_stock(document_no text, node text, lines jsonb, reason text, as_of timestamptz DEFAULT now(), note text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	n bigint := retail.node_id(node);
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
		count(DISTINCT p.sku_id) AS n_skus, sum(p.quantity) AS units INTO l FROM retail.parse_stock_lines(lines, 'any') p WHERE p.quantity <> 0;
	IF l.skus IS NOT NULL THEN
		PERFORM retail.post_stock(l.skus, l.nodes, l.conditions, l.quantities, reason, 'document', doc.document_id, as_of);
	END IF;
	RETURN retail.end_document(doc.document_id, jsonb_build_object('document_id', doc.document_id, 'skus', l.n_skus, 'units', coalesce(l.units, 0)));
END $$;
COMMENT ON FUNCTION retail.adjust_stock(text, text, jsonb, text, timestamptz, text) IS
'Corrects stock at a node by signed quantities, with a reason (shrinkage, found, damaged ...); two lines of one SKU with opposite signs move units between conditions. Physical stock may fall below zero: that is recorded, never refused. Idempotent by document_no. Raises RT001, RT002, RT010, RT011, RT014, RT015, RT030, RT040.';

CREATE FUNCTION retail.count_stock(document_no text, node text, lines jsonb, counted_at timestamptz DEFAULT now(), complete boolean DEFAULT false, note text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	n bigint := retail.node_id(node);
	doc record;
	c record;
	l record;
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
	IF EXISTS (SELECT FROM retail.parse_stock_lines(lines, 'zero') p WHERE p.condition <> 'sellable') THEN
		RAISE EXCEPTION USING ERRCODE = 'RT011', MESSAGE = 'a count is of sellable goods', DETAIL = left(lines::text, 200),
			HINT = 'Correct damaged and held goods with retail.adjust_stock().';
	END IF;
	SELECT array_agg(p.sku_id) AS skus, array_agg(p.quantity) AS counted INTO c
		FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines, 'zero') q GROUP BY 1) p;
	IF complete THEN
		SELECT c.skus || array_agg(s.sku_id), c.counted || array_agg(0::bigint) INTO c.skus, c.counted
			FROM retail.stock s WHERE s.node_id = n AND s.sku_id <> ALL (c.skus);
	END IF;
	-- Lock first, read in the next statement: a difference computed before the
	-- lock would undo what committed meanwhile.
	PERFORM FROM retail.stock s WHERE s.sku_id = ANY (c.skus) AND s.node_id = n ORDER BY s.sku_id, s.node_id FOR NO KEY UPDATE;
	SELECT array_agg(d.sku_id) AS skus, array_agg(n) AS nodes, array_agg('sellable'::text) AS conditions, array_agg(d.difference) AS quantities,
		coalesce(sum(d.difference) FILTER (WHERE d.difference > 0), 0) AS found, coalesce(-sum(d.difference) FILTER (WHERE d.difference < 0), 0) AS lost INTO l
	FROM (SELECT u.sku_id, u.quantity - (coalesce(s.on_hand, 0) - coalesce(later.quantity, 0)) AS difference
		  FROM unnest(c.skus, c.counted) u (sku_id, quantity)
		  LEFT JOIN retail.stock s ON s.sku_id = u.sku_id AND s.node_id = n
		  LEFT JOIN LATERAL (SELECT sum(m.quantity)::bigint AS quantity FROM retail.movement m
			WHERE m.sku_id = u.sku_id AND m.node_id = n AND m.condition = 'sellable' AND m.occurred_at > counted_at) later ON true) d
	WHERE d.difference <> 0;
	IF l.skus IS NOT NULL THEN
		PERFORM retail.post_stock(l.skus, l.nodes, l.conditions, l.quantities, 'count', 'document', doc.document_id, counted_at);
	END IF;
	RETURN retail.end_document(doc.document_id, jsonb_build_object('document_id', doc.document_id,
		'skus', cardinality(c.skus), 'corrected', coalesce(cardinality(l.skus), 0), 'found', l.found, 'lost', l.lost));
END $$;
COMMENT ON FUNCTION retail.count_stock(text, text, jsonb, timestamptz, boolean, text) IS
'Sets sellable stock to what was counted at counted_at; movements after that moment still count and reservations are kept: the way to import a snapshot of another system too. complete: SKUs that are not listed were counted as 0. Idempotent by document_no. Returns {document_id, skus, corrected, found, lost, replayed}. Raises RT001, RT002, RT010, RT011, RT014, RT015, RT030, RT040.';

CREATE FUNCTION retail.transfer_out(document_no text, from_node text, to_node text, lines jsonb, as_of timestamptz DEFAULT now(), note text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	n bigint := retail.node_id(from_node);
	dest bigint := retail.node_id(to_node, 'receive');
	doc record;
	l record;
	due record;
	the_transfer bigint;
	lacking record;
BEGIN
	PERFORM retail.check_node_access(n);
	IF n = dest THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'a transfer needs two nodes', DETAIL = format('Both are %s.', from_node),
			HINT = 'Name another node to receive the goods.';
	END IF;
	SELECT * INTO doc FROM retail.begin_document('transfer_out', document_no, n, dest, lines, as_of, note);
	IF doc.replay IS NOT NULL THEN
		RETURN doc.replay;
	END IF;
	SELECT array_agg(p.sku_id ORDER BY p.sku_id) AS skus, array_agg(p.quantity ORDER BY p.sku_id) AS quantities, sum(p.quantity) AS units INTO l
		FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines) q GROUP BY 1) p;
	-- Every row is locked at once, in the global order; what is promised to
	-- customers cannot leave, but what due holds give back can.
	SELECT array_agg(e.sku_id) AS skus, array_agg(e.node_id) AS nodes, array_agg('reserved'::text) AS counters, array_agg(-e.quantity) AS quantities INTO due
		FROM retail.mark_expired(as_of, l.skus, wait => true) e;
	PERFORM FROM retail.stock s WHERE s.sku_id = ANY (l.skus) AND s.node_id = ANY (ARRAY[n, dest] || due.nodes) ORDER BY s.sku_id, s.node_id FOR NO KEY UPDATE;
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
	INSERT INTO retail.stock_transfer (document_no, from_node_id, to_node_id, sent_at) VALUES (document_no, n, dest, as_of) RETURNING transfer_id INTO the_transfer;
	INSERT INTO retail.stock_transfer_line (transfer_id, sku_id, sent) SELECT the_transfer, u.* FROM unnest(l.skus, l.quantities) u;
	PERFORM retail.post_stock(array_agg(u.sku_id) || due.skus, array_agg(x.node_id) || due.nodes, array_agg(x.counter) || due.counters,
			array_agg(x.sign * u.quantity) || due.quantities, 'transfer_out', 'transfer', the_transfer, as_of)
		FROM unnest(l.skus, l.quantities) u (sku_id, quantity), (VALUES (n, 'sellable', -1), (dest, 'in_transit', 1)) x (node_id, counter, sign);
	RETURN retail.end_document(doc.document_id, jsonb_build_object('document_id', doc.document_id, 'transfer_id', the_transfer, 'skus', cardinality(l.skus), 'units', l.units));
END $$;
COMMENT ON FUNCTION retail.transfer_out(text, text, text, jsonb, timestamptz, text) IS
'Sends goods from a node to another; they are in transit to it until transfer_in(). Units promised to customers cannot leave. Idempotent by document_no. Raises RT001, RT002, RT010, RT011, RT014, RT015, RT016, RT020, RT022, RT030, RT040.';

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
	SELECT * INTO doc FROM retail.begin_document('transfer_in', document_no, t.from_node_id, t.to_node_id, coalesce(lines, 'null'), as_of, note);
	IF doc.replay IS NOT NULL THEN
		RETURN doc.replay;
	END IF;
	IF lines IS NULL THEN
		UPDATE retail.stock_transfer_line SET received = sent WHERE transfer_id = t.transfer_id;
	ELSE
		IF EXISTS (SELECT FROM retail.parse_stock_lines(lines, 'zero') p
				   WHERE p.sku_id NOT IN (SELECT x.sku_id FROM retail.stock_transfer_line x WHERE x.transfer_id = t.transfer_id)) THEN
			RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'a SKU arrived that was never sent', DETAIL = left(lines::text, 200),
				HINT = 'Book goods that the sender did not list with retail.adjust_stock().';
		END IF;
		UPDATE retail.stock_transfer_line x SET received = p.quantity, damaged = p.damaged
			FROM (SELECT q.sku_id, sum(q.quantity) AS quantity, sum(q.damaged) AS damaged FROM retail.parse_stock_lines(lines, 'zero') q GROUP BY 1) p
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
'Closes a transfer at the receiving node: everything as sent, or what lines say ([{"sku", "qty": sellable units, "damaged"?}]; a SKU that is not listed did not arrive). Shortage and overage are recorded. Idempotent. Returns {received, damaged, short, ...}. Raises RT001, RT006, RT010, RT011, RT014, RT030, RT032, RT040.';

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

CREATE FUNCTION retail.mark_expired(as_of timestamptz, sku_ids bigint[] DEFAULT NULL, wait boolean DEFAULT false)
RETURNS TABLE (sku_id bigint, node_id bigint, quantity bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	due bigint[];
BEGIN
	IF wait THEN			-- in key order, so that those who wait cannot deadlock
		SELECT array_agg(d.reservation_id) INTO due FROM (SELECT r.reservation_id FROM retail.reservation r
			WHERE r.state = 'held' AND r.expires_at <= as_of AND r.sku_id = ANY (sku_ids)
			ORDER BY r.sku_id, r.reservation_id FOR UPDATE) d;
	ELSE
		SELECT array_agg(d.reservation_id) INTO due FROM (SELECT r.reservation_id FROM retail.reservation r
			WHERE r.state = 'held' AND r.expires_at <= as_of AND (sku_ids IS NULL OR r.sku_id = ANY (sku_ids))
			ORDER BY r.expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED) d;
	END IF;
	IF due IS NULL THEN
		RETURN;
	END IF;
	RETURN QUERY WITH gone AS (
		UPDATE retail.reservation r SET state = 'expired', released_quantity = r.released_quantity + r.open_quantity, open_quantity = 0, changed_at = as_of
		FROM (SELECT x.sku_id, x.reservation_id, x.open_quantity FROM retail.reservation x
			  WHERE x.state = 'held' AND x.expires_at <= as_of AND x.reservation_id = ANY (due)) o
		WHERE r.sku_id = o.sku_id AND r.reservation_id = o.reservation_id
		RETURNING r.sku_id, r.node_id, o.open_quantity AS quantity)
	SELECT g.sku_id, g.node_id, sum(g.quantity)::bigint FROM gone g GROUP BY 1, 2;
END $$;
COMMENT ON FUNCTION retail.mark_expired(timestamptz, bigint[], boolean) IS 'Internal: marks due holds (of some SKUs, or at most 10000 of all) as expired and returns what the caller must give back to stock.reserved. Rows that others work on are left to them, or waited for.';

CREATE FUNCTION retail.run_expire_holds(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	l record;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	SELECT array_agg(e.sku_id) AS skus, array_agg(e.node_id) AS nodes, array_agg('reserved'::text) AS counters, array_agg(-e.quantity) AS quantities,
		coalesce(sum(e.quantity), 0) AS units INTO l FROM retail.mark_expired(as_of) e;
	IF l.skus IS NOT NULL THEN
		PERFORM retail.post_stock(l.skus, l.nodes, l.counters, l.quantities, 'expire', NULL, NULL, as_of);
	END IF;
	RETURN format('%s units of expired holds given back', l.units);
END $$;
COMMENT ON FUNCTION retail.run_expire_holds(timestamptz) IS 'Worker task: gives back what holds that are due reserved, at most 10000 holds a run. Safe to run twice at once. Raises RT014.';

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
		FROM (SELECT q.sku_id, q.node_code, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines) q GROUP BY 1, 2) p;
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
'Holds units at named nodes for a while: lines [{"sku", "node", "qty"}], all or nothing, never beyond what the channel may promise. time_to_live null: until released. Idempotent by hold_key. Returns {hold_id, expires_at, replayed}. Raises RT001, RT002, RT003, RT010, RT011, RT014, RT015, RT020, RT030, RT040.';

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
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	the_sku bigint := retail.sku_id($1);
	the_channel bigint := CASE WHEN channel IS NOT NULL THEN retail.channel_id(channel) END;
BEGIN
	RETURN QUERY
	SELECT n.code, n.kind, s.on_hand, s.reserved - coalesce(e.quantity, 0)::bigint, coalesce(f.quantity, 0),
		greatest(s.on_hand - (s.reserved - coalesce(e.quantity, 0)::bigint) - coalesce(f.quantity, 0), 0), s.in_transit
	FROM retail.stock s JOIN retail.node n USING (node_id)
	LEFT JOIN (SELECT r.node_id, sum(r.open_quantity) AS quantity FROM retail.reservation r
			   WHERE r.state = 'held' AND r.expires_at <= as_of AND r.sku_id = the_sku GROUP BY 1) e USING (node_id)
	LEFT JOIN LATERAL (SELECT x.quantity FROM retail.safety_stock x WHERE x.sku_id = the_sku AND x.node_id = s.node_id
			   AND (x.channel_id = the_channel OR x.channel_id IS NULL) ORDER BY x.channel_id NULLS LAST LIMIT 1) f ON true
	WHERE s.sku_id = the_sku ORDER BY 6 DESC, 1;
END $$;
COMMENT ON FUNCTION retail.available_to_promise(text, text, timestamptz) IS
'Where a SKU lies in the whole chain and how much of it a channel may promise: on hand - live reservations - safety stock. Holds that are due do not count. Raises RT001, RT003.';

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
	retail.count_stock(text, text, jsonb, timestamptz, boolean, text), retail.transfer_out(text, text, text, jsonb, timestamptz, text),
	retail.transfer_in(text, jsonb, timestamptz, text), retail.hold_stock(text, text, jsonb, interval, timestamptz),
	retail.commit_hold(text, timestamptz), retail.release_hold(text, timestamptz), retail.ship_hold(text, timestamptz),
	retail.available_to_promise(text, text, timestamptz) TO retail_admin, retail_app, retail_store;
GRANT EXECUTE ON FUNCTION retail.available_to_promise(text, text, timestamptz) TO retail_service;
GRANT EXECUTE ON FUNCTION retail.set_safety_stock(text, text, bigint, text), retail.run_expire_holds(timestamptz), retail.repair_stock(text),
	retail.check_inventory_integrity() TO retail_admin;
GRANT EXECUTE ON FUNCTION retail.set_safety_stock(text, text, bigint, text), retail.run_expire_holds(timestamptz) TO retail_app;

-- 30_sales.sql: the life of an order after it was placed: payment, refund,
-- cancellation, release of what is not paid, shipping, pick-up, delivery.
--
-- Every verb locks the order row first, then its reservations in (sku,
-- reservation) order, and posts to stock once, as its last write.

CREATE FUNCTION retail.lock_order(channel text, external_no text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	-- A channel that takes no new orders still serves those that it has.
	the_channel bigint := coalesce((SELECT c.channel_id FROM retail.channel c WHERE c.code = channel), retail.channel_id(channel));
	result bigint;
BEGIN
	SELECT o.order_id INTO result FROM retail.sales_order o WHERE o.channel_id = the_channel AND o.external_no = external_no FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown order',
			DETAIL = CASE WHEN external_no IS NULL THEN 'external_no is null.' ELSE format('Channel "%s" has no order "%s".', channel, left(external_no, 200)) END,
			HINT = 'Use the channel and external_no given to retail.place_order() or retail.record_sale().';
	END IF;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.lock_order(text, text) IS 'Internal: locks the order of a channel (active or not) for update and returns its key. What is read of the order must be read in a later statement. Raises RT003, RT006.';

CREATE FUNCTION retail.lock_shipment(shipment_id bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	s record;
BEGIN
	SELECT x.order_id, x.node_id INTO s FROM retail.shipment x WHERE x.shipment_id = $1;	-- neither ever changes
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown shipment',
			DETAIL = CASE WHEN $1 IS NULL THEN 'shipment_id is null.' ELSE format('No shipment has the key %s.', $1) END,
			HINT = 'Use a shipment_id that retail.place_order() returned, or see retail.shipment.';
	END IF;
	PERFORM retail.check_node_access(s.node_id);
	PERFORM FROM retail.sales_order o WHERE o.order_id = s.order_id FOR UPDATE;
	RETURN s.order_id;
END $$;
COMMENT ON FUNCTION retail.lock_shipment(bigint) IS 'Internal: locks the order of a shipment for update and returns the order''s key; the shipment must be read in a later statement. Raises RT006, RT040.';

CREATE FUNCTION retail.lock_reservations(order_ids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	PERFORM FROM retail.reservation r WHERE r.order_id = ANY ($1) ORDER BY r.sku_id, r.reservation_id FOR UPDATE;
END $$;
COMMENT ON FUNCTION retail.lock_reservations(bigint[]) IS 'Internal: locks the reservations of some orders, whose rows the caller has locked, in the global order.';

CREATE FUNCTION retail.line_share(amount numeric, quantity bigint, units_before bigint, units bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN round($1 * ($3 + $4) / $2, 2) - round($1 * $3 / $2, 2);
COMMENT ON FUNCTION retail.line_share(numeric, bigint, bigint, bigint) IS 'Internal: share of the next units in the amount of a line of quantity units, after units_before (cancelled and returned ones) had theirs; all shares together are the amount, to the cent.';

CREATE FUNCTION retail.add_order_event(order_id bigint, kind text, as_of timestamptz, detail jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO retail.order_event (order_id, kind, occurred_at, actor, detail) VALUES ($1, $2, $3, retail.caller(), coalesce($4, '{}'));
END $$;
COMMENT ON FUNCTION retail.add_order_event(bigint, text, timestamptz, jsonb) IS 'Internal: writes down what happened to an order.';

CREATE FUNCTION retail.refresh_order_status(order_id bigint) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	wanted bigint := (SELECT sum(l.quantity - l.cancelled) FROM retail.order_line l WHERE l.order_id = $1);
	p record;
	result text;
BEGIN
	SELECT coalesce(sum(l.quantity), 0) AS shipped, coalesce(sum(l.quantity) FILTER (WHERE s.status = 'delivered'), 0) AS delivered INTO p
		FROM retail.shipment s JOIN retail.shipment_line l USING (shipment_id) WHERE s.order_id = $1 AND s.status IN ('shipped', 'delivered');
	result := CASE WHEN wanted = 0 THEN 'cancelled' WHEN p.delivered = wanted THEN 'delivered' WHEN p.shipped = wanted THEN 'shipped'
				   WHEN p.shipped > 0 THEN 'partly_shipped' ELSE 'open' END;
	UPDATE retail.sales_order o SET status = result WHERE o.order_id = $1 AND o.status <> result;
	RETURN result;
END $$;
COMMENT ON FUNCTION retail.refresh_order_status(bigint) IS 'Internal: sets the status of an order to what its lines and parcels say, and returns it.';

CREATE FUNCTION retail.shrink_parcels(order_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	-- What is left of a line stays in its first parcels.
	UPDATE retail.shipment_line l SET quantity = l.quantity - x.surplus
	FROM (SELECT p.shipment_id, p.line_no, least(p.quantity, sum(p.quantity) OVER (PARTITION BY p.line_no ORDER BY p.shipment_id) - (b.allocated - b.shipped)) AS surplus
		  FROM retail.shipment s JOIN retail.shipment_line p USING (shipment_id) JOIN retail.order_line b ON b.order_id = p.order_id AND b.line_no = p.line_no
		  WHERE s.order_id = $1 AND s.status IN ('planned', 'ready')) x
	WHERE l.shipment_id = x.shipment_id AND l.line_no = x.line_no AND x.surplus > 0;
	UPDATE retail.shipment s SET status = CASE WHEN x.units = 0 THEN 'cancelled' ELSE s.status END, weight_g = x.weight_g
	FROM (SELECT l.shipment_id, sum(l.quantity) AS units, sum(l.quantity * k.weight_g)::bigint AS weight_g
		  FROM retail.shipment z JOIN retail.shipment_line l USING (shipment_id) JOIN retail.sku k USING (sku_id) WHERE z.order_id = $1 GROUP BY 1) x
	WHERE s.shipment_id = x.shipment_id AND s.status IN ('planned', 'ready') AND (x.units = 0 OR s.weight_g <> x.weight_g);
END $$;
COMMENT ON FUNCTION retail.shrink_parcels(bigint) IS 'Internal: takes what is no longer allocated out of the planned parcels of an order, the latest first, and cancels those that are empty.';

CREATE FUNCTION retail.cancel_units(order_id bigint, sku_ids bigint[], quantities bigint[], as_of timestamptz, detail jsonb)
RETURNS TABLE (sku_id bigint, node_id bigint, quantity bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	gone record;
	o retail.sales_order;
	new_status text;
BEGIN
	PERFORM retail.lock_reservations(ARRAY[$1]);
	WITH wanted AS (
		SELECT l.line_no, CASE WHEN $2 IS NULL THEN l.quantity - l.cancelled - l.shipped ELSE u.quantity END AS units
		FROM retail.order_line l LEFT JOIN unnest($2, $3) u (sku_id, quantity) ON u.sku_id = l.sku_id WHERE l.order_id = $1
	), done AS (
		UPDATE retail.order_line l SET backordered = l.backordered - least(l.backordered, w.units), allocated = l.allocated - w.units + least(l.backordered, w.units),
			cancelled = l.cancelled + w.units, cancelled_amount = l.cancelled_amount + retail.line_share(l.amount, l.quantity, l.cancelled + l.returned, w.units)
		FROM wanted w WHERE l.order_id = $1 AND l.line_no = w.line_no AND w.units > 0
		RETURNING l.line_no, l.sku_id, w.units, retail.line_share(l.amount, l.quantity, l.cancelled + l.returned - w.units, w.units) AS amount
	) SELECT coalesce(sum(d.units), 0) AS units, coalesce(sum(d.amount), 0) AS amount,
		jsonb_agg(jsonb_build_object('line_no', d.line_no, 'sku', k.code, 'qty', d.units, 'amount', d.amount) ORDER BY d.line_no) AS lines INTO gone
	FROM done d JOIN retail.sku k USING (sku_id);
	PERFORM retail.shrink_parcels($1);
	new_status := retail.refresh_order_status($1);
	UPDATE retail.sales_order x SET cancelled_amount = x.cancelled_amount + gone.amount + CASE new_status WHEN 'cancelled' THEN x.freight_total - x.freight_cancelled ELSE 0 END,
		freight_cancelled = CASE new_status WHEN 'cancelled' THEN x.freight_total ELSE x.freight_cancelled END,
		payment_due_at = CASE new_status WHEN 'cancelled' THEN NULL ELSE x.payment_due_at END
		WHERE x.order_id = $1 RETURNING x.* INTO o;
	PERFORM retail.add_order_event($1, CASE new_status WHEN 'cancelled' THEN 'cancelled' ELSE 'line_cancelled' END, as_of, $5 || jsonb_build_object(
		'cancelled_units', gone.units, 'cancelled_amount', gone.amount + CASE new_status WHEN 'cancelled' THEN o.freight_total ELSE 0 END,
		'lines', gone.lines, 'refund_due', greatest(o.paid - o.refunded - (o.total - o.cancelled_amount - o.returned_amount), 0)));
	IF o.payment_due_at IS NOT NULL THEN		-- a swept hold names what a late payment reserves again
		UPDATE retail.reservation r SET changed_at = as_of, state = CASE WHEN r.quantity > x.surplus THEN 'expired' ELSE 'released' END,
			quantity = CASE WHEN r.quantity > x.surplus THEN r.quantity - x.surplus ELSE r.quantity END, released_quantity = CASE WHEN r.quantity > x.surplus THEN r.quantity - x.surplus ELSE r.quantity END
		FROM (SELECT y.sku_id, y.reservation_id, y.quantity - l.quantity AS surplus FROM retail.reservation y JOIN retail.shipment_line l USING (shipment_id, line_no)
			  WHERE y.order_id = $1 AND y.state = 'expired') x
		WHERE r.sku_id = x.sku_id AND r.reservation_id = x.reservation_id AND x.surplus > 0;
	END IF;
	RETURN QUERY
	UPDATE retail.reservation r SET open_quantity = r.open_quantity - x.surplus, released_quantity = r.released_quantity + x.surplus, changed_at = as_of,
		state = CASE WHEN r.open_quantity > x.surplus THEN r.state WHEN r.shipped_quantity > 0 THEN 'shipped' ELSE 'released' END
	FROM (SELECT y.sku_id, y.reservation_id,
			least(y.open_quantity, sum(y.open_quantity) OVER (PARTITION BY y.shipment_id, y.line_no ORDER BY y.reservation_id) - l.quantity)::bigint AS surplus
		  FROM retail.reservation y JOIN retail.shipment_line l USING (shipment_id, line_no) WHERE y.order_id = $1 AND y.open_quantity > 0) x
	WHERE r.sku_id = x.sku_id AND r.reservation_id = x.reservation_id AND x.surplus > 0
	RETURNING r.sku_id, r.node_id, -x.surplus;
END $$;
COMMENT ON FUNCTION retail.cancel_units(bigint, bigint[], bigint[], timestamptz, jsonb) IS
'Internal: cancels units of an order that the caller has locked (sku_ids null: all that has not left), with their amounts, parcels, reservations and event, and returns what the caller must post to stock.reserved. The caller has checked that so many are left.';

CREATE FUNCTION retail.settle_order(order_id bigint, as_of timestamptz, detail jsonb, sku_ids bigint[] DEFAULT '{}', node_ids bigint[] DEFAULT '{}', quantities bigint[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	the_channel bigint := (SELECT o.channel_id FROM retail.sales_order o WHERE o.order_id = $1);
	l record;
	lost record;
BEGIN
	PERFORM retail.lock_reservations(ARRAY[$1]);
	UPDATE retail.reservation r SET state = 'committed', expires_at = NULL, changed_at = as_of WHERE r.order_id = $1 AND r.state = 'held';
	UPDATE retail.sales_order o SET payment_state = 'paid', payment_due_at = NULL WHERE o.order_id = $1;
	-- Units whose hold was swept before the money came are reserved again, where they were.
	SELECT array_agg(x.sku_id) AS skus, array_agg(x.node_id) AS nodes, array_agg(x.line_no) AS lines, array_agg(x.shipment_id) AS shipments, array_agg(x.quantity) AS quantities, sum(x.quantity) AS units INTO lost
	FROM (SELECT p.sku_id, s.node_id, p.line_no, p.shipment_id, p.quantity - coalesce((SELECT sum(r.open_quantity) FROM retail.reservation r
				WHERE r.order_id = $1 AND r.shipment_id = p.shipment_id AND r.line_no = p.line_no), 0)::bigint AS quantity
		  FROM retail.shipment s JOIN retail.shipment_line p USING (shipment_id) WHERE s.order_id = $1 AND s.status IN ('planned', 'ready')) x
	WHERE x.quantity > 0;
	IF lost.skus IS NULL THEN
		PERFORM retail.add_order_event($1, 'paid', as_of, detail);
		PERFORM retail.post_stock($4, $5, array_fill('reserved'::text, ARRAY[cardinality($4)]), $6, 'release', 'order', $1, as_of) WHERE cardinality($4) > 0;
		RETURN;
	END IF;
	BEGIN
		PERFORM retail.add_order_event($1, 'paid', as_of, detail || jsonb_build_object('reserved_again', lost.units));
		INSERT INTO retail.reservation (sku_id, node_id, quantity, open_quantity, state, order_id, line_no, shipment_id, created_at, changed_at)
			SELECT u.sku_id, u.node_id, u.quantity, u.quantity, 'committed', $1, u.line_no, u.shipment_id, as_of, as_of
			FROM unnest(lost.skus, lost.nodes, lost.lines, lost.shipments, lost.quantities) u (sku_id, node_id, line_no, shipment_id, quantity);
		-- Due holds of others make room; those that somebody works on are not waited for, out of lock order.
		SELECT $4 || lost.skus || array_agg(e.sku_id) AS skus, $5 || lost.nodes || array_agg(e.node_id) AS nodes, $6 || lost.quantities || array_agg(-e.quantity) AS quantities INTO l
			FROM retail.mark_expired(as_of, lost.skus) e;
		PERFORM retail.post_stock(l.skus, l.nodes, array_fill('reserved'::text, ARRAY[cardinality(l.skus)]), l.quantities, 'reserve', 'order', $1, as_of, the_channel);
	EXCEPTION WHEN SQLSTATE 'RT020' THEN		-- sold to others meanwhile
		SELECT $4 || array_agg(c.sku_id) AS skus, $5 || array_agg(c.node_id) AS nodes, $6 || array_agg(c.quantity) AS quantities INTO l
			FROM retail.cancel_units($1, NULL, NULL, as_of, '{"reason": "paid_too_late"}') c;
		PERFORM retail.add_order_event($1, 'payment_after_cancellation', as_of, detail || jsonb_build_object('refund_due', o.paid - o.refunded - (o.total - o.cancelled_amount - o.returned_amount)))
			FROM retail.sales_order o WHERE o.order_id = $1;
		PERFORM retail.post_stock(l.skus, l.nodes, array_fill('reserved'::text, ARRAY[cardinality(l.skus)]), l.quantities, 'release', 'order', $1, as_of) WHERE cardinality(l.skus) > 0;
	END;
END $$;
COMMENT ON FUNCTION retail.settle_order(bigint, timestamptz, jsonb, bigint[], bigint[], bigint[]) IS
'Internal: an order that the caller has locked owes nothing more: its holds are committed, those that were swept are reserved again, and if the stock is gone the order is cancelled. Posts to stock, together with changes of stock.reserved that the caller brings.';

CREATE FUNCTION retail.record_money(order_id bigint, kind text, method text, payment_no text, amount numeric, as_of timestamptz) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	old retail.payment;
BEGIN
	INSERT INTO retail.payment AS p (method, payment_no, order_id, kind, amount, occurred_at) VALUES ($3, $4, $1, $2, $5, $6)
		ON CONFLICT ON CONSTRAINT payment_method_payment_no_key DO NOTHING;
	IF FOUND THEN
		RETURN true;
	END IF;
	SELECT * INTO STRICT old FROM retail.payment p WHERE p.method = $3 AND p.payment_no = $4;
	IF (old.order_id, old.kind, old.amount) IS DISTINCT FROM ($1, $2, $5) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT030', MESSAGE = format('%s number reused', $2),
			DETAIL = format('Number "%s" of %s is a %s of %s for order %s, not a %s of %s for order %s.', $4, $3, old.kind, old.amount, old.order_id, $2, $5, $1),
			HINT = 'Use the payment system''s own number of each payment and refund; repeat one unchanged to get its answer.';
	END IF;
	RETURN false;
END $$;
COMMENT ON FUNCTION retail.record_money(bigint, text, text, text, numeric, timestamptz) IS 'Internal: writes a payment or refund down; false when it is there already. Raises RT030.';

CREATE FUNCTION retail.payment_answer(order_id bigint, replayed boolean) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT jsonb_build_object('order_id', o.order_id, 'status', o.status, 'payment_state', o.payment_state, 'paid', o.paid, 'refunded', o.refunded,
		'due', o.total - o.cancelled_amount - o.returned_amount - o.paid + o.refunded, 'replayed', $2)
	FROM retail.sales_order o WHERE o.order_id = $1
$$;
COMMENT ON FUNCTION retail.payment_answer(bigint, boolean) IS 'Internal: where the money of an order stands.';

CREATE FUNCTION retail.record_payment(channel text, external_no text, payment_no text, amount numeric, method text DEFAULT 'other', as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	o retail.sales_order;
	due numeric;
	detail jsonb := jsonb_build_object('method', method, 'payment_no', payment_no, 'amount', amount);
BEGIN
	PERFORM retail.check_text(payment_no, 'payment_no'), retail.check_text(method, 'method', 60), retail.check_money(amount, 'amount'),
		retail.check_argument(amount > 0, 'amount', amount::text, 'Give what was paid, more than 0.', 'RT012'), retail.check_time(as_of, 'as_of');
	the_order := retail.lock_order(channel, external_no);
	IF NOT retail.record_money(the_order, 'payment', method, payment_no, amount, as_of) THEN
		RETURN retail.payment_answer(the_order, true);
	END IF;
	UPDATE retail.sales_order x SET paid = x.paid + amount WHERE x.order_id = the_order RETURNING x.* INTO o;
	due := o.total - o.cancelled_amount - o.returned_amount - o.paid + o.refunded;
	IF o.status = 'cancelled' THEN
		UPDATE retail.sales_order x SET payment_state = 'paid' WHERE x.order_id = the_order;
		PERFORM retail.add_order_event(the_order, 'payment_after_cancellation', as_of, detail || jsonb_build_object('refund_due', -due));
	ELSIF due <= 0 AND o.payment_state <> 'paid' THEN
		PERFORM retail.settle_order(the_order, as_of, detail);
	ELSIF due > 0 AND o.payment_state <> 'paid' THEN
		UPDATE retail.sales_order x SET payment_state = 'partly_paid' WHERE x.order_id = the_order AND x.payment_state = 'unpaid';
		PERFORM retail.add_order_event(the_order, 'partly_paid', as_of, detail || jsonb_build_object('due', due));
	END IF;
	RETURN retail.payment_answer(the_order, false);
END $$;
COMMENT ON FUNCTION retail.record_payment(text, text, text, numeric, text, timestamptz) IS
'Records money received for an order; once nothing is due, its stock is committed. A payment after the hold was swept reserves the same units again, or, when they are gone, cancels the order; a payment for a cancelled order is recorded and owed back. Idempotent by (method, payment_no). Returns where the order stands now: {order_id, status, payment_state, paid, refunded, due (below 0: owed to the customer), replayed}. Raises RT003, RT006, RT012, RT014, RT015, RT030.';

CREATE FUNCTION retail.record_refund(channel text, external_no text, refund_no text, amount numeric, method text DEFAULT 'other', as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	o retail.sales_order;
BEGIN
	PERFORM retail.check_text(refund_no, 'refund_no'), retail.check_text(method, 'method', 60), retail.check_money(amount, 'amount'),
		retail.check_argument(amount > 0, 'amount', amount::text, 'Give what was paid back, more than 0.', 'RT012'), retail.check_time(as_of, 'as_of');
	the_order := retail.lock_order(channel, external_no);
	IF NOT retail.record_money(the_order, 'refund', method, refund_no, amount, as_of) THEN
		RETURN retail.payment_answer(the_order, true);
	END IF;
	SELECT * INTO STRICT o FROM retail.sales_order x WHERE x.order_id = the_order;
	IF amount > o.paid - o.refunded THEN
		RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'refund exceeds what was paid',
			DETAIL = format('Refund of %s; %s was paid and %s refunded so far.', amount, o.paid, o.refunded),
			HINT = format('Refund at most %s.', o.paid - o.refunded);
	END IF;
	UPDATE retail.sales_order x SET refunded = x.refunded + amount WHERE x.order_id = the_order;
	PERFORM retail.add_order_event(the_order, 'refunded', as_of, jsonb_build_object('method', method, 'refund_no', refund_no, 'amount', amount));
	RETURN retail.payment_answer(the_order, false);
END $$;
COMMENT ON FUNCTION retail.record_refund(text, text, text, numeric, text, timestamptz) IS
'Records money paid back to the customer, never more than was received; the payment state stays. Idempotent by (method, refund_no), one range of numbers with payments. Returns the same as record_payment(). Raises RT003, RT006, RT012, RT014, RT015, RT030, RT032.';

CREATE FUNCTION retail.cancel_answer(order_id bigint, cancel_no text, replayed boolean) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT jsonb_build_object('order_id', o.order_id, 'status', o.status, 'cancelled_units', e.detail -> 'cancelled_units', 'cancelled_amount', e.detail -> 'cancelled_amount',
		'refund_due', greatest(o.paid - o.refunded - (o.total - o.cancelled_amount - o.returned_amount), 0), 'replayed', $3)
	FROM retail.sales_order o JOIN retail.order_event e USING (order_id)
	WHERE o.order_id = $1 AND e.kind IN ('cancelled', 'line_cancelled') AND ($2 IS NULL OR e.detail ->> 'cancel_no' = $2)
	ORDER BY e.event_id DESC LIMIT 1
$$;
COMMENT ON FUNCTION retail.cancel_answer(bigint, text, boolean) IS 'Internal: what a cancellation (null: the last one) cancelled, and where the order stands now.';

CREATE FUNCTION retail.check_cancellation(order_id bigint, sku_ids bigint[], quantities bigint[]) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	bad record;
BEGIN
	IF $2 IS NULL THEN
		SELECT sum(l.quantity) AS ordered, sum(l.shipped) AS shipped, sum(l.cancelled) AS cancelled INTO bad FROM retail.order_line l WHERE l.order_id = $1;
		IF bad.ordered = bad.shipped + bad.cancelled THEN
			RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'nothing left to cancel',
				DETAIL = format('Of %s units %s were shipped and %s cancelled before.', bad.ordered, bad.shipped, bad.cancelled),
				HINT = 'Take shipped units back with retail.return_order().';
		END IF;
		RETURN;
	END IF;
	SELECT k.code, u.quantity, l.sku_id IS NOT NULL AS ordered, l.quantity AS n, l.shipped, l.cancelled INTO bad
		FROM unnest($2, $3) u (sku_id, quantity) JOIN retail.sku k USING (sku_id) LEFT JOIN retail.order_line l ON l.order_id = $1 AND l.sku_id = u.sku_id
		WHERE u.quantity > coalesce(l.quantity - l.shipped - l.cancelled, 0) ORDER BY k.code LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'more units than there are left to cancel',
			DETAIL = CASE WHEN bad.ordered THEN format('SKU %s: %s to cancel, but of %s units %s were shipped and %s cancelled before.', bad.code, bad.quantity, bad.n, bad.shipped, bad.cancelled)
						  ELSE format('SKU %s: %s to cancel, but it is not in the order.', bad.code, bad.quantity) END,
			HINT = 'Cancel fewer units; take shipped ones back with retail.return_order().';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_cancellation(bigint, bigint[], bigint[]) IS 'Internal: raises RT031 when an order has nothing left to cancel (sku_ids null), RT032 when it has less than that.';

CREATE FUNCTION retail.cancel_order(channel text, external_no text, lines jsonb DEFAULT NULL, reason text DEFAULT 'customer', cancel_no text DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	w record;
	l record;
	o retail.sales_order;
	asked jsonb;
BEGIN
	PERFORM retail.check_text(reason, 'reason'), retail.check_text(coalesce(cancel_no, '-'), 'cancel_no'), retail.check_time(as_of, 'as_of');
	the_order := retail.lock_order(channel, external_no);
	IF nullif(lines, 'null') IS NOT NULL THEN
		SELECT array_agg(p.sku_id) AS skus, array_agg(p.quantity) AS quantities, jsonb_object_agg(p.sku_id, p.quantity) AS asked INTO w
			FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines) q GROUP BY 1) p;
	ELSE
		SELECT NULL::bigint[] AS skus, NULL::bigint[] AS quantities, 'null'::jsonb AS asked INTO w;
	END IF;
	IF cancel_no IS NOT NULL THEN
		SELECT e.detail -> 'asked' INTO asked FROM retail.order_event e
			WHERE e.order_id = the_order AND e.kind IN ('cancelled', 'line_cancelled') AND e.detail ->> 'cancel_no' = cancel_no;
		IF asked = w.asked THEN
			RETURN retail.cancel_answer(the_order, cancel_no, true);
		ELSIF FOUND THEN
			RAISE EXCEPTION USING ERRCODE = 'RT030', MESSAGE = 'cancellation number reused', DETAIL = format('"%s" cancelled other units of order "%s".', cancel_no, external_no),
				HINT = 'Use a new number for another cancellation; repeat the same lines to get the first answer.';
		END IF;
	END IF;
	SELECT * INTO STRICT o FROM retail.sales_order x WHERE x.order_id = the_order;
	IF o.status = 'cancelled' AND w.skus IS NULL THEN
		RETURN retail.cancel_answer(the_order, NULL, true);
	END IF;
	PERFORM retail.check_cancellation(the_order, w.skus, w.quantities);
	SELECT array_agg(c.sku_id) AS skus, array_agg(c.node_id) AS nodes, array_agg(c.quantity) AS quantities, array_agg('reserved'::text) AS counters INTO l
		FROM retail.cancel_units(the_order, w.skus, w.quantities, as_of, jsonb_strip_nulls(jsonb_build_object('reason', reason, 'cancel_no', cancel_no)) || jsonb_build_object('asked', w.asked)) c;
	SELECT * INTO STRICT o FROM retail.sales_order x WHERE x.order_id = the_order;
	IF o.status <> 'cancelled' AND o.payment_state = 'partly_paid' AND o.paid - o.refunded >= o.total - o.cancelled_amount - o.returned_amount THEN
		-- What was paid so far covers what is left.
		PERFORM retail.settle_order(the_order, as_of, '{}', coalesce(l.skus, '{}'), coalesce(l.nodes, '{}'), coalesce(l.quantities, '{}'));
	ELSIF l.skus IS NOT NULL THEN
		PERFORM retail.post_stock(l.skus, l.nodes, l.counters, l.quantities, 'release', 'order', the_order, as_of);
	END IF;
	RETURN retail.cancel_answer(the_order, cancel_no, false);
END $$;
COMMENT ON FUNCTION retail.cancel_order(text, text, jsonb, text, text, timestamptz) IS
'Cancels what has not been shipped of an order: all of it, or lines [{"sku", "qty"}]; the latest parcels lose their units first, reserved stock is given back, and the freight is cancelled when nothing is left. Idempotent by cancel_no; cancelling the whole again needs none. Returns {order_id, status, cancelled_units, cancelled_amount (both of this call), refund_due (now), replayed}. Raises RT001, RT003, RT006, RT010, RT011, RT014, RT015, RT030, RT031, RT032.';

CREATE FUNCTION retail.run_release_unpaid(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	due bigint[];
	l record;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	-- Nobody is waited for here, so the index may give the order of locking.
	SELECT array_agg(d.order_id ORDER BY d.order_id) INTO due
		FROM (SELECT o.order_id FROM retail.sales_order o WHERE o.payment_due_at <= as_of ORDER BY o.payment_due_at LIMIT 1000 FOR UPDATE SKIP LOCKED) d;
	IF due IS NULL THEN
		RETURN '0 unpaid orders cancelled, 0 units given back';
	END IF;
	PERFORM retail.lock_reservations(due);
	SELECT array_agg(c.sku_id) AS skus, array_agg(c.node_id) AS nodes, array_agg(c.quantity) AS quantities, array_agg('reserved'::text) AS counters, coalesce(-sum(c.quantity), 0) AS units INTO l
		FROM unnest(due) u (order_id), LATERAL retail.cancel_units(u.order_id, NULL, NULL, as_of, '{"reason": "unpaid"}') c;
	IF l.skus IS NOT NULL THEN
		PERFORM retail.post_stock(l.skus, l.nodes, l.counters, l.quantities, 'release', NULL, NULL, as_of);
	END IF;
	RETURN format('%s unpaid orders cancelled, %s units given back', cardinality(due), l.units);
END $$;
COMMENT ON FUNCTION retail.run_release_unpaid(timestamptz) IS
'Worker task: cancels orders that were not (or not fully) paid by payment_due_at and gives their stock back, at most 1000 orders a run; what was paid in part is in the event as refund_due. Safe to run twice at once. Raises RT014.';

CREATE FUNCTION retail.check_can_leave(shipment_id bigint, wanted_kind text, hint text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	s record;
BEGIN
	SELECT x.kind, x.status, o.external_no, o.payment_state INTO STRICT s FROM retail.shipment x JOIN retail.sales_order o USING (order_id) WHERE x.shipment_id = $1;
	IF s.kind <> wanted_kind OR s.status NOT IN ('planned', 'ready') THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'the state of the shipment does not allow this', DETAIL = format('Shipment %s is of kind %s and %s.', $1, s.kind, s.status), HINT = $3;
	ELSIF s.payment_state NOT IN ('paid', 'on_delivery') THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'the order is not paid', DETAIL = format('Order "%s" of shipment %s is %s.', s.external_no, $1, s.payment_state),
			HINT = 'Record its payment with retail.record_payment() first.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_can_leave(bigint, text, text) IS 'Internal: raises RT031 unless a shipment is of this kind, has not left and its order is paid or to be paid on delivery.';

CREATE FUNCTION retail.split_shipment(shipment_id bigint, lines jsonb, as_of timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	now_units record;
	bad record;
	rest bigint;
BEGIN
	SELECT array_agg(p.sku_id) AS skus, array_agg(p.quantity) AS quantities, sum(p.quantity)::bigint AS units INTO now_units
		FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines($2) q GROUP BY 1) p;
	SELECT k.code, u.quantity, coalesce(l.quantity, 0) AS there INTO bad FROM unnest(now_units.skus, now_units.quantities) u (sku_id, quantity) JOIN retail.sku k USING (sku_id)
		LEFT JOIN retail.shipment_line l ON l.shipment_id = $1 AND l.sku_id = u.sku_id WHERE u.quantity > coalesce(l.quantity, 0) ORDER BY k.code LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'more units than the shipment has', DETAIL = format('SKU %s: %s to ship, %s in shipment %s.', bad.code, bad.quantity, bad.there, $1),
			HINT = 'Ship what retail.shipment_line lists, or less.';
	ELSIF now_units.units = (SELECT sum(l.quantity) FROM retail.shipment_line l WHERE l.shipment_id = $1) THEN
		RETURN NULL;
	END IF;
	-- Planned costs are shared by units, so that their sum stays as decided.
	INSERT INTO retail.shipment (order_id, node_id, kind, carrier_service_id, zone, distance_km, freight_cost, handling_cost, ship_by, promised_at, planned_at)
		SELECT s.order_id, s.node_id, s.kind, s.carrier_service_id, s.zone, s.distance_km, s.freight_cost - retail.line_share(s.freight_cost, t.units, 0, now_units.units),
			s.handling_cost - retail.line_share(s.handling_cost, t.units, 0, now_units.units), s.ship_by, s.promised_at, as_of
		FROM retail.shipment s, LATERAL (SELECT sum(l.quantity)::bigint AS units FROM retail.shipment_line l WHERE l.shipment_id = s.shipment_id) t
		WHERE s.shipment_id = $1 RETURNING retail.shipment.shipment_id INTO rest;
	UPDATE retail.shipment s SET freight_cost = s.freight_cost - r.freight_cost, handling_cost = s.handling_cost - r.handling_cost
		FROM retail.shipment r WHERE s.shipment_id = $1 AND r.shipment_id = rest;
	INSERT INTO retail.shipment_line (shipment_id, order_id, line_no, sku_id, quantity)
		SELECT rest, l.order_id, l.line_no, l.sku_id, l.quantity - coalesce(u.quantity, 0) FROM retail.shipment_line l LEFT JOIN unnest(now_units.skus, now_units.quantities) u (sku_id, quantity) USING (sku_id)
		WHERE l.shipment_id = $1 AND l.quantity > coalesce(u.quantity, 0);
	DELETE FROM retail.shipment_line l WHERE l.shipment_id = $1 AND l.sku_id <> ALL (now_units.skus);
	UPDATE retail.shipment_line l SET quantity = u.quantity FROM unnest(now_units.skus, now_units.quantities) u (sku_id, quantity) WHERE l.shipment_id = $1 AND l.sku_id = u.sku_id;
	UPDATE retail.shipment s SET weight_g = (SELECT sum(l.quantity * k.weight_g)::bigint FROM retail.shipment_line l JOIN retail.sku k USING (sku_id) WHERE l.shipment_id = s.shipment_id)
		WHERE s.shipment_id IN ($1, rest);
	PERFORM retail.split_reservations($1, rest, as_of);
	RETURN rest;
END $$;
COMMENT ON FUNCTION retail.split_shipment(bigint, jsonb, timestamptz) IS 'Internal: leaves these lines in a shipment and moves the rest, with its reservations, to a new planned one, whose key it returns; null when nothing is left. Raises RT001, RT010, RT011, RT032.';

CREATE FUNCTION retail.split_reservations(from_shipment bigint, to_shipment bigint, as_of timestamptz) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	WITH keep AS (		-- of each open reservation, what its old parcel still needs
		SELECT r.sku_id, r.reservation_id, greatest(r.open_quantity - greatest(sum(r.open_quantity) OVER (PARTITION BY r.line_no ORDER BY r.reservation_id)
			- coalesce(l.quantity, 0), 0), 0)::bigint AS quantity
		FROM retail.reservation r LEFT JOIN retail.shipment_line l USING (shipment_id, line_no)
		WHERE r.order_id = (SELECT s.order_id FROM retail.shipment s WHERE s.shipment_id = $1) AND r.shipment_id = $1 AND r.open_quantity > 0
	), split AS (		-- these rows are not the ones updated below: a split one keeps its key
		INSERT INTO retail.reservation (sku_id, node_id, quantity, open_quantity, state, expires_at, order_id, line_no, shipment_id, created_at, changed_at)
		SELECT r.sku_id, r.node_id, r.open_quantity - k.quantity, r.open_quantity - k.quantity, r.state, r.expires_at, r.order_id, r.line_no, $2, r.created_at, $3
		FROM keep k JOIN retail.reservation r USING (sku_id, reservation_id) WHERE k.quantity > 0 AND k.quantity < r.open_quantity
	)
	UPDATE retail.reservation r SET changed_at = $3, shipment_id = CASE WHEN k.quantity = 0 THEN $2 ELSE $1 END,
		quantity = CASE WHEN k.quantity = 0 THEN r.quantity ELSE r.quantity - r.open_quantity + k.quantity END,
		open_quantity = CASE WHEN k.quantity = 0 THEN r.open_quantity ELSE k.quantity END
	FROM keep k WHERE r.sku_id = k.sku_id AND r.reservation_id = k.reservation_id AND k.quantity < r.open_quantity
$$;
COMMENT ON FUNCTION retail.split_reservations(bigint, bigint, timestamptz) IS 'Internal: moves the open reservations that a shipment no longer needs to another one, in part where they serve both.';

CREATE FUNCTION retail.send_shipment(shipment_id bigint, new_status text, as_of timestamptz, detail jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	s retail.shipment;
	l record;
	units bigint := (SELECT sum(x.quantity) FROM retail.shipment_line x WHERE x.shipment_id = $1);
BEGIN
	UPDATE retail.shipment x SET status = new_status, tracking_no = $4 ->> 'tracking_no', shipped_at = as_of, delivered_at = CASE new_status WHEN 'delivered' THEN as_of END
		WHERE x.shipment_id = $1 RETURNING x.* INTO s;
	UPDATE retail.order_line b SET shipped = b.shipped + x.quantity FROM retail.shipment_line x
		WHERE x.shipment_id = $1 AND x.quantity > 0 AND b.order_id = s.order_id AND b.line_no = x.line_no;
	PERFORM retail.refresh_order_status(s.order_id);
	PERFORM retail.add_order_event(s.order_id, 'shipped', as_of, $4 || jsonb_build_object('shipment_id', $1, 'units', units));
	IF new_status = 'delivered' THEN
		PERFORM retail.add_order_event(s.order_id, 'delivered', as_of, jsonb_build_object('shipment_id', $1, 'units', units));
	END IF;
	SELECT array_agg(x.sku_id) AS skus, array_agg(s.node_id) AS nodes, array_agg(x.counter) AS counters, array_agg(-x.quantity) AS quantities INTO l
		FROM (SELECT p.sku_id, 'sellable' AS counter, p.quantity FROM retail.shipment_line p WHERE p.shipment_id = $1 AND p.quantity > 0
			  UNION ALL SELECT r.sku_id, 'reserved', r.open_quantity FROM retail.reservation r WHERE r.order_id = s.order_id AND r.shipment_id = $1 AND r.open_quantity > 0) x;
	UPDATE retail.reservation r SET shipped_quantity = r.shipped_quantity + r.open_quantity, open_quantity = 0, state = 'shipped', changed_at = as_of
		WHERE r.order_id = s.order_id AND r.shipment_id = $1 AND r.open_quantity > 0;
	PERFORM retail.post_stock(l.skus, l.nodes, l.counters, l.quantities, 'sale', 'shipment', $1, as_of);
END $$;
COMMENT ON FUNCTION retail.send_shipment(bigint, text, timestamptz, jsonb) IS 'Internal: a whole parcel leaves its node: shipped, or delivered at once. The caller has locked its order and reservations.';

CREATE FUNCTION retail.ship_order(shipment_id bigint, tracking_no text DEFAULT NULL, lines jsonb DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	s retail.shipment;
	rest bigint;
BEGIN
	PERFORM retail.check_text(coalesce(tracking_no, '-'), 'tracking_no'), retail.check_time(as_of, 'as_of');
	the_order := retail.lock_shipment(shipment_id);
	SELECT * INTO STRICT s FROM retail.shipment x WHERE x.shipment_id = shipment_id;
	IF s.kind = 'ship' AND s.status IN ('shipped', 'delivered') AND s.tracking_no IS NOT DISTINCT FROM tracking_no THEN
		SELECT (e.detail ->> 'rest_shipment_id')::bigint INTO rest FROM retail.order_event e
			WHERE e.order_id = the_order AND e.kind = 'shipped' AND (e.detail ->> 'shipment_id')::bigint = shipment_id;
		RETURN jsonb_build_object('shipment_id', shipment_id, 'status', s.status, 'rest_shipment_id', rest, 'replayed', true);
	END IF;
	PERFORM retail.check_can_leave(shipment_id, 'ship', CASE WHEN s.kind = 'pick_up' THEN 'Hand it over with retail.pick_up().' WHEN s.status IN ('shipped', 'delivered')
		THEN format('It left with tracking number %s; repeat that to get the first answer.', coalesce(s.tracking_no, 'null')) ELSE 'Ship a planned parcel of the order.' END);
	PERFORM retail.lock_reservations(ARRAY[the_order]);
	IF nullif(lines, 'null') IS NOT NULL THEN
		rest := retail.split_shipment(shipment_id, lines, as_of);
	END IF;
	PERFORM retail.send_shipment(shipment_id, 'shipped', as_of, jsonb_strip_nulls(jsonb_build_object('tracking_no', tracking_no, 'rest_shipment_id', rest)));
	RETURN jsonb_build_object('shipment_id', shipment_id, 'status', 'shipped', 'rest_shipment_id', rest, 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.ship_order(bigint, text, jsonb, timestamptz) IS
'Books a parcel as gone: the whole, or lines [{"sku", "qty"}] of it; the rest then waits in a new planned parcel of the same node, service and promise. Its order must be paid, or to be paid on delivery. Idempotent: the same shipment with the same tracking_no is answered again. Returns {shipment_id, status, rest_shipment_id, replayed}. Raises RT001, RT006, RT010, RT011, RT014, RT015, RT031, RT032, RT040.';

CREATE FUNCTION retail.ready_for_pick_up(shipment_id bigint, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	old_status text;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	the_order := retail.lock_shipment(shipment_id);
	SELECT x.status INTO STRICT old_status FROM retail.shipment x WHERE x.shipment_id = shipment_id;
	IF old_status <> 'ready' THEN
		PERFORM retail.check_can_leave(shipment_id, 'pick_up', 'Only a planned pick-up can be made ready.');
		UPDATE retail.shipment x SET status = 'ready' WHERE x.shipment_id = shipment_id;
		PERFORM retail.add_order_event(the_order, 'ready', as_of, jsonb_build_object('shipment_id', shipment_id));
	END IF;
	RETURN jsonb_build_object('shipment_id', shipment_id, 'status', 'ready', 'replayed', old_status = 'ready');
END $$;
COMMENT ON FUNCTION retail.ready_for_pick_up(bigint, timestamptz) IS 'The goods of a pick-up wait at the counter; its order must be paid, or to be paid at the counter. Idempotent. Returns {shipment_id, status, replayed}. Raises RT006, RT014, RT031, RT040.';

CREATE FUNCTION retail.pick_up(shipment_id bigint, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	s retail.shipment;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	the_order := retail.lock_shipment(shipment_id);
	SELECT * INTO STRICT s FROM retail.shipment x WHERE x.shipment_id = shipment_id;
	IF s.kind = 'pick_up' AND s.status = 'delivered' THEN
		RETURN jsonb_build_object('shipment_id', shipment_id, 'status', 'delivered', 'replayed', true);
	END IF;
	PERFORM retail.check_can_leave(shipment_id, 'pick_up', 'Only a pick-up that is planned or ready can be handed over; ship parcels with retail.ship_order().');
	PERFORM retail.lock_reservations(ARRAY[the_order]);
	PERFORM retail.send_shipment(shipment_id, 'delivered', as_of, '{}');
	RETURN jsonb_build_object('shipment_id', shipment_id, 'status', 'delivered', 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.pick_up(bigint, timestamptz) IS 'Hands a pick-up over to the customer: shipped and delivered at once, whether or not it was made ready before. Idempotent. Returns {shipment_id, status, replayed}. Raises RT006, RT014, RT031, RT040.';

CREATE FUNCTION retail.deliver_order(shipment_id bigint, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_order bigint;
	s retail.shipment;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of');
	the_order := retail.lock_shipment(shipment_id);
	SELECT * INTO STRICT s FROM retail.shipment x WHERE x.shipment_id = shipment_id;
	IF s.status = 'delivered' THEN
		RETURN jsonb_build_object('shipment_id', shipment_id, 'status', 'delivered', 'replayed', true);
	ELSIF s.status <> 'shipped' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT031', MESSAGE = 'the shipment has not left', DETAIL = format('Shipment %s is %s.', shipment_id, s.status),
			HINT = 'Ship it with retail.ship_order(), or hand it over with retail.pick_up().';
	ELSIF as_of < s.shipped_at THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'delivered before it left', DETAIL = format('as_of is %s, shipment %s left at %s.', as_of, shipment_id, s.shipped_at),
			HINT = 'Give the moment at which it arrived.';
	END IF;
	UPDATE retail.shipment x SET status = 'delivered', delivered_at = as_of WHERE x.shipment_id = shipment_id;
	PERFORM retail.refresh_order_status(the_order);
	PERFORM retail.add_order_event(the_order, 'delivered', as_of, jsonb_build_object('shipment_id', shipment_id,
		'units', (SELECT sum(l.quantity) FROM retail.shipment_line l WHERE l.shipment_id = shipment_id)));
	RETURN jsonb_build_object('shipment_id', shipment_id, 'status', 'delivered', 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.deliver_order(bigint, timestamptz) IS 'A shipped parcel arrived at the customer. Idempotent. Returns {shipment_id, status, replayed}. Raises RT006, RT014 (before it left), RT031, RT040.';

GRANT EXECUTE ON FUNCTION retail.record_payment(text, text, text, numeric, text, timestamptz), retail.record_refund(text, text, text, numeric, text, timestamptz),
	retail.cancel_order(text, text, jsonb, text, text, timestamptz), retail.run_release_unpaid(timestamptz), retail.ship_order(bigint, text, jsonb, timestamptz),
	retail.ready_for_pick_up(bigint, timestamptz), retail.pick_up(bigint, timestamptz), retail.deliver_order(bigint, timestamptz) TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.ship_order(bigint, text, jsonb, timestamptz), retail.ready_for_pick_up(bigint, timestamptz), retail.pick_up(bigint, timestamptz),
	retail.deliver_order(bigint, timestamptz) TO retail_store;
GRANT EXECUTE ON FUNCTION retail.cancel_order(text, text, jsonb, text, text, timestamptz), retail.record_refund(text, text, text, numeric, text, timestamptz) TO retail_service;

-- 31_sales_place.sql: quoting and placing orders (src/sales/place_order.c).

CREATE FUNCTION retail.place_order(channel text, external_no text, lines jsonb, destination jsonb DEFAULT NULL,
	fulfilment text DEFAULT 'ship', pick_up_node text DEFAULT NULL, member_id bigint DEFAULT NULL, freight numeric DEFAULT NULL,
	payment text DEFAULT 'prepaid', policy text DEFAULT NULL, as_of timestamptz DEFAULT now(),
	OUT order_id bigint, OUT status text, OUT goods_total numeric, OUT discount_total numeric, OUT freight_total numeric,
	OUT total numeric, OUT promised_at timestamptz, OUT parcels jsonb, OUT replayed boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000 SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'retail_place_order';
COMMENT ON FUNCTION retail.place_order(text, text, jsonb, jsonb, text, text, bigint, numeric, text, text, timestamptz) IS
'Places an order: prices freight, chooses the cheapest nodes and holds stock, in one transaction. lines: [{"sku", "qty", "price"?, "discount"?, "unit"?}]; destination: {"region"?, "lat"?, "lon"?, "recipient"?}; fulfilment: ship or pick_up (with pick_up_node); freight: what the customer is charged, null for the rate card''s; payment: prepaid (stock is held until the channel''s payment_ttl) or on_delivery. Idempotent by (channel, external_no). Raises RT001 to RT005, RT010 to RT016, RT020 to RT022, RT030, RT060.';

CREATE FUNCTION retail.quote_order(channel text, lines jsonb, destination jsonb DEFAULT NULL, fulfilment text DEFAULT 'ship',
	pick_up_node text DEFAULT NULL, freight numeric DEFAULT NULL, policy text DEFAULT NULL, as_of timestamptz DEFAULT now(),
	OUT goods_total numeric, OUT discount_total numeric, OUT freight_total numeric, OUT total numeric, OUT promised_at timestamptz,
	OUT parcels jsonb, OUT cost numeric, OUT is_exact boolean, OUT trace jsonb)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 500 SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'retail_quote_order';
COMMENT ON FUNCTION retail.quote_order(text, jsonb, jsonb, text, text, numeric, text, timestamptz) IS
'Answers what place_order() would, without writing anything; also on a standby, and for a draft policy by name. cost is the chain''s cost under the policy, trace says why. Raises the same errors as place_order().';

GRANT EXECUTE ON FUNCTION retail.place_order(text, text, jsonb, jsonb, text, text, bigint, numeric, text, text, timestamptz) TO retail_admin, retail_app;
GRANT EXECUTE ON FUNCTION retail.quote_order(text, jsonb, jsonb, text, text, numeric, text, timestamptz) TO retail_admin, retail_app, retail_store, retail_service;

-- 32_sales_returns.sql: sales at a till, goods that come back and what inspection
-- finds, the state of an order for the service desk, and the check of the room.
--
-- Locks: the order row first, then stock in (sku, node) order; post_stock() is
-- the last write of each verb.

CREATE FUNCTION retail.is_whole(value jsonb, lowest bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE pg_catalog.jsonb_typeof(value) WHEN 'number' THEN value::numeric BETWEEN lowest AND 1000000000 AND value::numeric = pg_catalog.trunc(value::numeric) ELSE false END
$$;
COMMENT ON FUNCTION retail.is_whole(jsonb, bigint) IS 'Internal: is it a JSON number without fraction, from lowest to 1000000000? Raises nothing.';

CREATE FUNCTION retail.is_money(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE coalesce(pg_catalog.jsonb_typeof(value), 'null') WHEN 'null' THEN true
		WHEN 'number' THEN value::numeric >= 0 AND value::numeric < 1000000000 AND pg_catalog.scale(pg_catalog.trim_scale(value::numeric)) <= 2 ELSE false END
$$;
COMMENT ON FUNCTION retail.is_money(jsonb) IS 'Internal: is it absent, or a JSON number from 0 to below one billion with at most two decimals? Raises nothing.';

CREATE FUNCTION retail.check_sale_lines(lines jsonb) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	bad record;
BEGIN
	PERFORM retail.check_argument(CASE jsonb_typeof(lines) WHEN 'array' THEN jsonb_array_length(lines) BETWEEN 1 AND 200 END, 'lines',
		CASE jsonb_typeof(lines) WHEN 'array' THEN format('an array of %s elements', jsonb_array_length(lines)) ELSE lines::text END,
		'Give a JSON array of 1 to 200 objects such as {"sku": "A1", "qty": 2, "price": 9.90, "discount": 0.50}.', 'RT011');
	SELECT * INTO bad FROM (
		SELECT l.n, l.e, CASE
				WHEN jsonb_typeof(l.e) <> 'object' OR jsonb_typeof(l.e -> 'sku') IS DISTINCT FROM 'string' OR l.e ? 'unit' THEN 'RT011'
				WHEN NOT retail.is_whole(l.e -> 'qty', 1) THEN 'RT010'
				WHEN NOT retail.is_money(l.e -> 'price') OR NOT retail.is_money(l.e -> 'discount') THEN 'RT012'
				WHEN k.sku_id IS NULL THEN 'RT001'
				WHEN coalesce(l.e ->> 'price', k.list_price::text) IS NULL THEN 'RT012' END AS code
		FROM jsonb_array_elements(lines) WITH ORDINALITY AS l (e, n) LEFT JOIN retail.sku k ON k.code = l.e ->> 'sku') x
		WHERE x.code IS NOT NULL ORDER BY x.n LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = bad.code, DETAIL = left(bad.e::text, 200),
			MESSAGE = format(CASE bad.code WHEN 'RT011' THEN 'line %s is malformed' WHEN 'RT010' THEN 'invalid quantity in line %s'
				WHEN 'RT012' THEN 'invalid or missing price or discount in line %s' ELSE 'unknown SKU in line %s' END, bad.n),
			HINT = CASE bad.code WHEN 'RT011' THEN 'A line is an object with "sku" (text), "qty" (base units) and, where it applies, "price" (of a base unit) and "discount" (of the line).'
				WHEN 'RT010' THEN 'Give a whole number from 1 to 1000000000.'
				WHEN 'RT012' THEN 'Give 0 or more, below one billion, with at most two decimals; a line without "price" needs a list price (retail.put_sku()).'
				ELSE 'Make it known with retail.put_sku(), or correct the code.' END;
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_sale_lines(jsonb) IS 'Internal: checks the form of the lines of a sale. An inactive SKU passes: what was sold was sold. Raises RT001, RT010, RT011, RT012.';

CREATE FUNCTION retail.parse_sale_lines(lines jsonb)
RETURNS TABLE (line_no int, sku_id bigint, quantity bigint, unit_price numeric, discount numeric, weight_g bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	bad record;
BEGIN
	PERFORM retail.check_sale_lines(lines);
	SELECT * INTO bad FROM (
		SELECT k.code, count(DISTINCT p.price) AS prices, min(p.price) AS lowest, max(p.price) AS highest, sum(p.qty) AS units, sum(p.qty * p.price) AS worth,
			sum(p.discount) AS discount, sum(sum(p.qty * p.price)) OVER () AS goods
		FROM jsonb_array_elements(lines) AS l (e) JOIN retail.sku k ON k.code = l.e ->> 'sku',
		LATERAL (SELECT (l.e ->> 'qty')::numeric, coalesce((l.e ->> 'price')::numeric, k.list_price), coalesce((l.e ->> 'discount')::numeric, 0)) p (qty, price, discount)
		GROUP BY k.code) x
		WHERE x.prices > 1 OR x.units > 1000000000 OR x.discount > x.worth OR x.goods >= 10000000000 ORDER BY x.code LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = CASE WHEN bad.prices > 1 THEN 'RT011' WHEN bad.units > 1000000000 THEN 'RT010' ELSE 'RT012' END,
			MESSAGE = CASE WHEN bad.prices > 1 THEN 'one SKU with two prices' WHEN bad.units > 1000000000 THEN 'too many units of one SKU'
						   WHEN bad.discount > bad.worth THEN 'discount exceeds the amount of its line' ELSE 'the sale is too large' END,
			DETAIL = format('SKU "%s": %s units at %s to %s, discount %s; all goods %s.', bad.code, bad.units, bad.lowest, bad.highest, bad.discount, bad.goods),
			HINT = 'Lines of one SKU are summed: give one price and the difference as a discount, at most 1000000000 units, and goods below ten billion a sale.';
	END IF;
	RETURN QUERY SELECT (row_number() OVER (ORDER BY min(l.n)))::int, k.sku_id, sum((l.e ->> 'qty')::numeric)::bigint, min(coalesce((l.e ->> 'price')::numeric, k.list_price)),
			sum(coalesce((l.e ->> 'discount')::numeric, 0)), k.weight_g
		FROM jsonb_array_elements(lines) WITH ORDINALITY AS l (e, n) JOIN retail.sku k ON k.code = l.e ->> 'sku' GROUP BY k.sku_id ORDER BY 1;
END $$;
COMMENT ON FUNCTION retail.parse_sale_lines(jsonb) IS 'Internal: checks, prices and sums the lines of a sale, numbered by first mention. Raises RT001, RT010, RT011, RT012.';

CREATE FUNCTION retail.replay_sale(channel_id bigint, external_no text, request_hash bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	o retail.sales_order;
BEGIN
	SELECT * INTO o FROM retail.sales_order x WHERE x.channel_id = $1 AND x.external_no = $2;
	IF NOT FOUND THEN
		RETURN NULL;
	ELSIF o.request_hash <> $3 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT030', MESSAGE = 'order number reused',
			DETAIL = format('"%s" was recorded at %s with other content (%s).', external_no, o.recorded_at, o.fulfilment),
			HINT = 'Use a new number for a new sale; repeat the same content to get the first answer.';
	END IF;
	RETURN jsonb_build_object('order_id', o.order_id, 'total', o.total, 'replayed', true,
		'oversold', (SELECT jsonb_array_length(e.detail -> 'oversold') > 0 FROM retail.order_event e WHERE e.order_id = o.order_id AND e.kind = 'sold'));
END $$;
COMMENT ON FUNCTION retail.replay_sale(bigint, text, bytea) IS 'Internal: the first answer of a sale recorded before, or null. Raises RT030.';

CREATE FUNCTION retail.book_sale(order_id bigint, node text, payment_no text, method text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	o retail.sales_order;
	parcel bigint;
	short jsonb;
BEGIN
	SELECT * INTO STRICT o FROM retail.sales_order x WHERE x.order_id = $1;
	INSERT INTO retail.shipment AS s (order_id, node_id, kind, status, weight_g, planned_at, shipped_at, delivered_at)
		SELECT o.order_id, o.pick_up_node_id, 'counter', 'delivered', sum(l.quantity * k.weight_g), o.placed_at, o.placed_at, o.placed_at
		FROM retail.order_line l JOIN retail.sku k USING (sku_id) WHERE l.order_id = o.order_id RETURNING s.shipment_id INTO parcel;
	INSERT INTO retail.shipment_line (shipment_id, order_id, line_no, sku_id, quantity)
		SELECT parcel, l.order_id, l.line_no, l.sku_id, l.quantity FROM retail.order_line l WHERE l.order_id = o.order_id;
	IF o.total > 0 THEN
		PERFORM retail.record_money(o.order_id, 'payment', $4, $3, o.total, o.placed_at);
	END IF;
	-- What is short is told by rows that cannot change any more.
	PERFORM FROM retail.stock s WHERE s.node_id = o.pick_up_node_id AND s.sku_id IN (SELECT l.sku_id FROM retail.order_line l WHERE l.order_id = o.order_id)
		ORDER BY s.sku_id, s.node_id FOR NO KEY UPDATE;
	SELECT coalesce(jsonb_agg(k.code ORDER BY l.line_no), '[]') INTO short
		FROM retail.order_line l JOIN retail.sku k USING (sku_id) LEFT JOIN retail.stock s ON s.sku_id = l.sku_id AND s.node_id = o.pick_up_node_id
		WHERE l.order_id = o.order_id AND coalesce(s.on_hand, 0) - l.quantity < coalesce(s.reserved, 0);
	PERFORM retail.add_order_event(o.order_id, 'sold', o.placed_at, jsonb_build_object('node', $2, 'total', o.total, 'oversold', short));
	PERFORM retail.post_stock(array_agg(l.sku_id), array_agg(o.pick_up_node_id), array_agg('sellable'::text), array_agg(-l.quantity), 'sale', 'shipment', parcel, o.placed_at)
		FROM retail.order_line l WHERE l.order_id = o.order_id;
	RETURN short <> '[]';
END $$;
COMMENT ON FUNCTION retail.book_sale(bigint, text, text, text) IS 'Internal: hands over, pays and books a sale whose order and lines are written; true when less lies there afterwards than is promised. Raises RT030.';

CREATE FUNCTION retail.record_sale(channel text, external_no text, node text, lines jsonb, sold_at timestamptz DEFAULT now(), member_id bigint DEFAULT NULL,
	payment_no text DEFAULT NULL, method text DEFAULT 'till') RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_channel bigint := retail.channel_id(channel);
	n bigint := retail.node_id(node);
	the_payment text := coalesce(payment_no, channel || ':' || external_no);
	hash bytea := sha256(convert_to(jsonb_build_array('sale', channel, external_no, node, lines, member_id, the_payment, method)::text, 'UTF8'));
	answer jsonb;
	o retail.sales_order;
	l record;
BEGIN
	PERFORM retail.check_node_access(n), retail.check_text(external_no, 'external_no'), retail.check_time(sold_at, 'sold_at'),
		retail.check_text(the_payment, 'payment_no', 500), retail.check_text(method, 'method', 60);
	answer := retail.replay_sale(the_channel, external_no, hash);
	IF answer IS NOT NULL THEN
		RETURN answer;
	END IF;
	SELECT array_agg(p.line_no) AS numbers, array_agg(p.sku_id) AS skus, array_agg(p.quantity) AS quantities, array_agg(p.unit_price) AS prices, array_agg(p.discount) AS discounts,
		sum(p.quantity * p.unit_price) AS goods, sum(p.discount) AS discount INTO l FROM retail.parse_sale_lines(lines) p;
	INSERT INTO retail.sales_order AS x (channel_id, external_no, request_hash, member_id, fulfilment, pick_up_node_id, status, payment_state, goods_total, discount_total,
			total, paid, placed_at)
		VALUES (the_channel, external_no, hash, member_id, 'counter', n, 'delivered', 'paid', l.goods, l.discount, l.goods - l.discount, l.goods - l.discount, sold_at)
		ON CONFLICT ON CONSTRAINT sales_order_channel_id_external_no_key DO NOTHING RETURNING x.* INTO o;
	IF NOT FOUND THEN			-- somebody recorded it at the same moment
		RETURN retail.replay_sale(the_channel, external_no, hash);
	END IF;
	INSERT INTO retail.order_line (order_id, line_no, sku_id, quantity, unit_price, discount, amount, allocated, shipped)
		SELECT o.order_id, u.line_no, u.sku_id, u.quantity, u.price, u.discount, u.quantity * u.price - u.discount, u.quantity, u.quantity
		FROM unnest(l.numbers, l.skus, l.quantities, l.prices, l.discounts) u (line_no, sku_id, quantity, price, discount);
	RETURN jsonb_build_object('order_id', o.order_id, 'total', o.total, 'oversold', retail.book_sale(o.order_id, node, the_payment, method), 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.record_sale(text, text, text, jsonb, timestamptz, bigint, text, text) IS
'Records what was sold and paid at a till: lines [{"sku", "qty", "price"? of a unit, default the list price, "discount"? of the line}], 1 to 200; lines of one SKU are summed. Stock falls below zero or below what is promised if it must: recorded, never refused (oversold). payment_no defaults to channel:external_no. Idempotent by (channel, external_no). Returns {order_id, total, oversold, replayed}. Raises RT001, RT002, RT003, RT010, RT011, RT012, RT014, RT015, RT030, RT040.';

CREATE FUNCTION retail.replay_return(return_no text, request_hash bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	r retail.sales_return;
BEGIN
	SELECT * INTO r FROM retail.sales_return x WHERE x.return_no = $1;
	IF NOT FOUND THEN
		RETURN NULL;
	ELSIF r.request_hash <> $2 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT030', MESSAGE = 'return number reused', DETAIL = format('Return "%s" of %s had other content.', return_no, r.received_at),
			HINT = 'Use a new number for a new return; repeat the same content to get the first answer.';
	END IF;
	RETURN jsonb_build_object('return_id', r.return_id, 'amount', r.amount, 'replayed', true);
END $$;
COMMENT ON FUNCTION retail.replay_return(text, bytea) IS 'Internal: the first answer of a return booked before, or null. Raises RT030.';

CREATE FUNCTION retail.price_return(order_id bigint, lines jsonb) RETURNS TABLE (line_no int, sku_id bigint, quantity bigint, amount numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	bad record;
BEGIN
	SELECT k.code, p.quantity, coalesce(l.shipped, 0) AS shipped, coalesce(l.returned, 0) AS returned INTO bad
		FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines) q GROUP BY 1) p
		JOIN retail.sku k USING (sku_id) LEFT JOIN retail.order_line l ON l.order_id = $1 AND l.sku_id = p.sku_id
		WHERE p.quantity > coalesce(l.shipped - l.returned, 0) ORDER BY k.code LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'more units come back than left',
			DETAIL = format('SKU "%s": %s to return, %s shipped, %s returned before.', bad.code, bad.quantity, bad.shipped, bad.returned),
			HINT = 'Return at most what was shipped and is not back yet; see retail.order_status().';
	END IF;
	RETURN QUERY SELECT l.line_no, l.sku_id, p.quantity, retail.line_share(l.amount, l.quantity, l.cancelled + l.returned, p.quantity)
		FROM (SELECT q.sku_id, sum(q.quantity)::bigint AS quantity FROM retail.parse_stock_lines(lines) q GROUP BY 1) p
		JOIN retail.order_line l ON l.order_id = $1 AND l.sku_id = p.sku_id ORDER BY 1;
END $$;
COMMENT ON FUNCTION retail.price_return(bigint, jsonb) IS 'Internal: what the lines of a return are worth, to the cent; the order must be locked. Raises RT001, RT010, RT011, RT032.';

CREATE FUNCTION retail.return_order(return_no text, channel text, external_no text, node text, lines jsonb, reason text DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	n bigint := retail.node_id(node, 'receive');
	hash bytea := sha256(convert_to(jsonb_build_array('return', channel, external_no, node, lines, reason)::text, 'UTF8'));
	the_order bigint;
	answer jsonb;
	r retail.sales_return;
	l record;
BEGIN
	PERFORM retail.check_node_access(n), retail.check_text(return_no, 'return_no'), retail.check_time(as_of, 'as_of');
	IF reason IS NOT NULL THEN
		PERFORM retail.check_text(reason, 'reason', 1000);
	END IF;
	the_order := retail.lock_order(channel, external_no);
	answer := retail.replay_return(return_no, hash);
	IF answer IS NOT NULL THEN
		RETURN answer;
	END IF;
	SELECT array_agg(p.line_no) AS numbers, array_agg(p.sku_id) AS skus, array_agg(p.quantity) AS quantities, array_agg(p.amount) AS amounts, sum(p.amount) AS amount,
		array_agg(n) AS nodes, array_agg('quality_hold'::text) AS counters, sum(p.quantity) AS units INTO l FROM retail.price_return(the_order, lines) p;
	INSERT INTO retail.sales_return AS x (return_no, order_id, node_id, request_hash, reason, amount, received_at)
		VALUES (return_no, the_order, n, hash, reason, l.amount, as_of) ON CONFLICT ON CONSTRAINT sales_return_return_no_key DO NOTHING RETURNING x.* INTO r;
	IF NOT FOUND THEN			-- another order took the number at the same moment
		RETURN retail.replay_return(return_no, hash);
	END IF;
	INSERT INTO retail.return_line (return_id, line_no, sku_id, quantity, amount)
		SELECT r.return_id, u.* FROM unnest(l.numbers, l.skus, l.quantities, l.amounts) u;
	UPDATE retail.order_line x SET returned = x.returned + u.quantity, returned_amount = x.returned_amount + u.amount
		FROM unnest(l.numbers, l.quantities, l.amounts) u (line_no, quantity, amount) WHERE x.order_id = the_order AND x.line_no = u.line_no;
	UPDATE retail.sales_order x SET returned_amount = x.returned_amount + l.amount WHERE x.order_id = the_order;
	PERFORM retail.add_order_event(the_order, 'returned', as_of,
		jsonb_build_object('return_id', r.return_id, 'return_no', return_no, 'node', node, 'units', l.units, 'amount', l.amount));
	PERFORM retail.post_stock(l.skus, l.nodes, l.counters, l.quantities, 'return', 'return', r.return_id, as_of);
	RETURN jsonb_build_object('return_id', r.return_id, 'amount', r.amount, 'replayed', false);
END $$;
COMMENT ON FUNCTION retail.return_order(text, text, text, text, jsonb, text, timestamptz) IS
'Books goods of an order back in, at any node that receives, on quality hold until inspect_return(): lines [{"sku", "qty"}]. amount is what they cost, to the cent; pay it back with record_refund(). Idempotent by return_no. Returns {return_id, amount, replayed}. Raises RT001, RT002, RT003, RT006, RT010, RT011, RT014, RT015, RT022, RT030, RT032, RT040.';

CREATE FUNCTION retail.parse_inspection_lines(return_id bigint, lines jsonb) RETURNS TABLE (line_no int, sku_id bigint, sellable bigint, damaged bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	bad record;
	hint constant text := 'A line is an object such as {"sku": "A1", "sellable": 2, "damaged": 1}: whole numbers from 0, at least one unit in all.';
BEGIN
	PERFORM retail.check_argument(CASE jsonb_typeof(lines) WHEN 'array' THEN jsonb_array_length(lines) BETWEEN 1 AND 100000 END, 'lines', lines::text,
		'Give a JSON array of 1 to 100000 lines. ' || hint, 'RT011');
	SELECT * INTO bad FROM (
		SELECT l.n, l.e, CASE WHEN jsonb_typeof(l.e) <> 'object' OR jsonb_typeof(l.e -> 'sku') IS DISTINCT FROM 'string' THEN 'RT011'
				WHEN NOT retail.is_whole(coalesce(l.e -> 'sellable', '0'), 0) OR NOT retail.is_whole(coalesce(l.e -> 'damaged', '0'), 0)
				  OR (coalesce(l.e -> 'sellable', '0'), coalesce(l.e -> 'damaged', '0')) = ('0'::jsonb, '0'::jsonb) THEN 'RT010'
				WHEN NOT EXISTS (SELECT FROM retail.sku k WHERE k.code = l.e ->> 'sku') THEN 'RT001' END AS code
		FROM jsonb_array_elements(lines) WITH ORDINALITY AS l (e, n)) x WHERE x.code IS NOT NULL ORDER BY x.n LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = bad.code, DETAIL = left(bad.e::text, 200), HINT = hint,
			MESSAGE = format(CASE bad.code WHEN 'RT011' THEN 'line %s is malformed' WHEN 'RT010' THEN 'invalid quantity in line %s' ELSE 'unknown SKU in line %s' END, bad.n);
	END IF;
	FOR bad IN SELECT r.line_no, k.sku_id, k.code, p.sellable, p.damaged, coalesce(r.quantity, 0) AS quantity, coalesce(r.sellable + r.damaged, 0) AS inspected
		FROM (SELECT l.e ->> 'sku' AS code, sum(coalesce((l.e ->> 'sellable')::numeric, 0))::bigint AS sellable, sum(coalesce((l.e ->> 'damaged')::numeric, 0))::bigint AS damaged
			  FROM jsonb_array_elements(lines) AS l (e) GROUP BY 1) p
		JOIN retail.sku k USING (code) LEFT JOIN retail.return_line r ON r.return_id = $1 AND r.sku_id = k.sku_id ORDER BY k.sku_id
	LOOP
		IF bad.sellable + bad.damaged > bad.quantity - bad.inspected THEN
			RAISE EXCEPTION USING ERRCODE = 'RT032', MESSAGE = 'more units inspected than came back',
				DETAIL = format('SKU "%s": %s sellable and %s damaged, %s returned, %s inspected before.', bad.code, bad.sellable, bad.damaged, bad.quantity, bad.inspected),
				HINT = 'Inspect at most what came back and is still on quality hold.';
		END IF;
		line_no := bad.line_no; sku_id := bad.sku_id; sellable := bad.sellable; damaged := bad.damaged;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.parse_inspection_lines(bigint, jsonb) IS 'Internal: checks, resolves and sums what inspection found; the order must be locked. Raises RT001, RT010, RT011, RT032.';

CREATE FUNCTION retail.inspect_return(return_no text, lines jsonb, inspection_no text DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	r retail.sales_return;
	old jsonb;
	l record;
	left_over bigint;
	answer jsonb;
BEGIN
	PERFORM retail.check_time(as_of, 'as_of'), retail.check_text(coalesce(inspection_no, '-'), 'inspection_no');
	SELECT * INTO r FROM retail.sales_return x WHERE x.return_no = return_no;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown return', DETAIL = format('No return has the number "%s".', return_no),
			HINT = 'Use the return_no given to retail.return_order().';
	END IF;
	PERFORM retail.check_node_access(r.node_id);
	PERFORM FROM retail.sales_order o WHERE o.order_id = r.order_id FOR UPDATE;
	SELECT e.detail INTO old FROM retail.order_event e WHERE e.order_id = r.order_id AND e.kind = 'inspected'
		AND (e.detail ->> 'return_id')::bigint = r.return_id AND e.detail ->> 'inspection_no' = inspection_no;
	IF FOUND THEN
		PERFORM retail.check_argument(old -> 'lines' = lines, 'inspection_no', inspection_no, 'This number came with other lines before; use a new number for a new inspection.', 'RT030');
		RETURN old -> 'answer' || '{"replayed": true}';
	END IF;
	SELECT array_agg(p.line_no) AS numbers, array_agg(p.sku_id) AS skus, array_agg(p.sellable) AS sellable, array_agg(p.damaged) AS damaged,
		sum(p.sellable) AS sum_sellable, sum(p.damaged) AS sum_damaged INTO l FROM retail.parse_inspection_lines(r.return_id, lines) p;
	UPDATE retail.return_line x SET sellable = x.sellable + u.sellable, damaged = x.damaged + u.damaged
		FROM unnest(l.numbers, l.sellable, l.damaged) u (line_no, sellable, damaged) WHERE x.return_id = r.return_id AND x.line_no = u.line_no;
	SELECT sum(x.quantity - x.sellable - x.damaged) INTO left_over FROM retail.return_line x WHERE x.return_id = r.return_id;
	IF left_over = 0 THEN
		UPDATE retail.sales_return x SET status = 'inspected', inspected_at = as_of WHERE x.return_id = r.return_id;
	END IF;
	answer := jsonb_build_object('return_id', r.return_id, 'sellable', l.sum_sellable, 'damaged', l.sum_damaged, 'left', left_over,
		'status', CASE left_over WHEN 0 THEN 'inspected' ELSE 'received' END);
	PERFORM retail.add_order_event(r.order_id, 'inspected', as_of,
		jsonb_build_object('return_id', r.return_id, 'return_no', return_no, 'inspection_no', inspection_no, 'lines', lines, 'answer', answer));
	PERFORM retail.post_stock(array_agg(u.sku_id), array_agg(r.node_id), array_agg(y.counter), array_agg(y.quantity), 'inspection', 'return', r.return_id, as_of)
		FROM unnest(l.skus, l.sellable, l.damaged) u (sku_id, sellable, damaged),
		LATERAL (VALUES ('quality_hold', -u.sellable - u.damaged), ('sellable', u.sellable), ('damaged', u.damaged)) y (counter, quantity) WHERE y.quantity <> 0;
	RETURN answer || '{"replayed": false}';
END $$;
COMMENT ON FUNCTION retail.inspect_return(text, jsonb, text, timestamptz) IS
'Takes returned goods off quality hold: lines [{"sku", "sellable"?, "damaged"?}], in as many parts as it takes. Idempotent by inspection_no within the return, if given. Returns {return_id, sellable, damaged, left (units still on hold), status, replayed}. Raises RT001, RT006, RT010, RT011, RT014, RT015, RT030, RT032, RT040.';

CREATE FUNCTION retail.describe_order(order_id bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT to_jsonb(o) - '{channel_id,request_hash,region_id,pick_up_node_id}'::text[] || jsonb_build_object(
		'channel', (SELECT c.code FROM retail.channel c WHERE c.channel_id = o.channel_id),
		'region', (SELECT r.code FROM retail.region r WHERE r.region_id = o.region_id),
		'pick_up_node', (SELECT n.code FROM retail.node n WHERE n.node_id = o.pick_up_node_id),
		'lines', (SELECT coalesce(jsonb_agg(to_jsonb(l) - '{order_id,sku_id}'::text[] || jsonb_build_object('sku', k.code, 'name', k.name) ORDER BY l.line_no), '[]')
			FROM retail.order_line l LEFT JOIN retail.sku k USING (sku_id) WHERE l.order_id = o.order_id),
		'parcels', (SELECT coalesce(jsonb_agg(to_jsonb(s) - '{order_id,node_id,carrier_service_id,freight_cost,handling_cost}'::text[] || jsonb_build_object('node', n.code,
				'carrier_service', c.code, 'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object('line_no', p.line_no, 'sku', k.code, 'quantity', p.quantity) ORDER BY p.line_no), '[]')
					FROM retail.shipment_line p LEFT JOIN retail.sku k USING (sku_id) WHERE p.shipment_id = s.shipment_id)) ORDER BY s.shipment_id), '[]')
			FROM retail.shipment s LEFT JOIN retail.node n USING (node_id) LEFT JOIN retail.carrier_service c USING (carrier_service_id) WHERE s.order_id = o.order_id),
		'payments', (SELECT coalesce(jsonb_agg(to_jsonb(p) - 'order_id' ORDER BY p.occurred_at, p.payment_id), '[]') FROM retail.payment p WHERE p.order_id = o.order_id),
		'returns', (SELECT coalesce(jsonb_agg(to_jsonb(r) - '{order_id,node_id,request_hash}'::text[] || jsonb_build_object('node', n.code,
				'lines', (SELECT coalesce(jsonb_agg(to_jsonb(x) - '{return_id,sku_id}'::text[] || jsonb_build_object('sku', k.code) ORDER BY x.line_no), '[]')
					FROM retail.return_line x LEFT JOIN retail.sku k USING (sku_id) WHERE x.return_id = r.return_id)) ORDER BY r.return_id), '[]')
			FROM retail.sales_return r JOIN retail.node n USING (node_id) WHERE r.order_id = o.order_id),
		'events', (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', e.kind, 'occurred_at', e.occurred_at, 'recorded_at', e.recorded_at, 'actor', e.actor, 'detail', e.detail)
				ORDER BY e.occurred_at, e.event_id), '[]') FROM retail.order_event e WHERE e.order_id = o.order_id))
	FROM retail.sales_order o WHERE o.order_id = $1
$$;
COMMENT ON FUNCTION retail.describe_order(bigint) IS 'Internal: an order with its lines, parcels, payments, returns and events as one JSON object, with codes for keys and without the chain''s costs; null when there is none.';

CREATE FUNCTION retail.order_status(channel text, external_no text) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	who name := retail.caller();
	-- An inactive channel still answers for its old orders.
	the_channel bigint := coalesce((SELECT c.channel_id FROM retail.channel c WHERE c.code = channel), retail.channel_id(channel));
	the_order bigint;
BEGIN
	SELECT o.order_id INTO the_order FROM retail.sales_order o WHERE o.channel_id = the_channel AND o.external_no = external_no;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT006', MESSAGE = 'unknown order', DETAIL = format('Channel "%s" has no order "%s".', channel, left(external_no, 200)),
			HINT = 'Use the channel''s own order number, as given to retail.place_order() or retail.record_sale().';
	END IF;
	IF NOT (pg_has_role(who, 'retail_admin', 'MEMBER') OR pg_has_role(who, 'retail_app', 'MEMBER') OR pg_has_role(who, 'retail_service', 'MEMBER'))
	   AND NOT EXISTS (SELECT FROM retail.shipment s JOIN retail.principal p USING (node_id) WHERE s.order_id = the_order AND p.role_name = who) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT040', MESSAGE = 'not permitted to see this order', DETAIL = format('No parcel of order "%s" is of a node that role %s is bound to.', external_no, who),
			HINT = 'Ask the service desk, or an administrator for SELECT retail.bind_principal(role, node => code).';
	END IF;
	RETURN retail.describe_order(the_order);
END $$;
COMMENT ON FUNCTION retail.order_status(text, text) IS
'All that a service desk wants to know of an order, as one JSON object: its columns with lines, parcels (with lines), payments, returns (with lines) and events in the order of time. A store sees the orders of which it has a parcel. Raises RT003, RT006, RT040.';

CREATE FUNCTION retail.order_money_violations() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	WITH line AS (
		SELECT l.order_id, sum(l.quantity * l.unit_price) AS goods, sum(l.discount) AS discount, sum(l.amount) AS amount,
			sum(l.cancelled_amount) AS cancelled, sum(l.returned_amount) AS returned FROM retail.order_line l GROUP BY 1
	), money AS (
		SELECT p.order_id, sum(p.amount) FILTER (WHERE p.kind = 'payment') AS paid, sum(p.amount) FILTER (WHERE p.kind = 'refund') AS refunded FROM retail.payment p GROUP BY 1
	), back AS (
		SELECT r.order_id, sum(r.amount) AS amount FROM retail.sales_return r GROUP BY 1
	)
	SELECT 7, pg_catalog.format('order %s', o.order_id), pg_catalog.format('%s is %s, its rows say %s', x.what, x.counted, coalesce(x.summed, 0))
	FROM retail.sales_order o LEFT JOIN line l USING (order_id) LEFT JOIN money m USING (order_id) LEFT JOIN back b USING (order_id),
	LATERAL (VALUES ('goods_total', o.goods_total, l.goods), ('discount_total', o.discount_total, l.discount), ('total', o.total, l.amount + o.freight_total),
		('cancelled_amount', o.cancelled_amount, l.cancelled + o.freight_cancelled), ('returned_amount', o.returned_amount, l.returned),
		('returned_amount', o.returned_amount, b.amount), ('paid', o.paid, m.paid), ('refunded', o.refunded, m.refunded)) x (what, counted, summed)
	WHERE x.counted <> coalesce(x.summed, 0)
$$;
COMMENT ON FUNCTION retail.order_money_violations() IS 'Internal: invariant 7, orders against their lines, payments and returns, to the cent.';

CREATE FUNCTION retail.order_unit_violations() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	WITH piece AS (
		SELECT p.order_id, p.line_no, sum(p.quantity) FILTER (WHERE s.status <> 'cancelled') AS planned, sum(p.quantity) FILTER (WHERE s.status IN ('shipped', 'delivered')) AS gone
		FROM retail.shipment_line p JOIN retail.shipment s USING (shipment_id) GROUP BY 1, 2
	), promise AS (
		SELECT r.order_id, r.line_no, sum(r.open_quantity) AS open, sum(r.released_quantity) FILTER (WHERE r.state = 'expired') AS expired, sum(r.shipped_quantity) AS shipped
		FROM retail.reservation r WHERE r.order_id IS NOT NULL GROUP BY 1, 2
	), back AS (
		SELECT r.order_id, l.line_no, sum(l.quantity) AS units FROM retail.sales_return r JOIN retail.return_line l USING (return_id) GROUP BY 1, 2
	)
	SELECT 3, pg_catalog.format('order %s line %s', l.order_id, l.line_no), pg_catalog.format('%s is %s, %s say %s', x.what, x.counted, x.who, coalesce(x.summed, 0))
	FROM retail.order_line l JOIN retail.sales_order o USING (order_id) LEFT JOIN piece p USING (order_id, line_no)
	LEFT JOIN promise q USING (order_id, line_no) LEFT JOIN back b USING (order_id, line_no),
	LATERAL (VALUES ('allocated', l.allocated, 'parcels', p.planned), ('shipped', l.shipped, 'parcels that left', p.gone), ('returned', l.returned, 'returns', b.units),
		('allocated - shipped', l.allocated - l.shipped, 'reservations', coalesce(q.open, 0) + CASE WHEN o.payment_due_at IS NOT NULL
			-- swept, and perhaps cancelled in part since; paying reserves the rest again
			THEN least(coalesce(q.expired, 0), greatest(l.allocated - l.shipped - coalesce(q.open, 0), 0)) ELSE 0 END),
		('shipped', CASE WHEN o.fulfilment <> 'counter' THEN l.shipped ELSE 0 END, 'reservations', q.shipped)) x (what, counted, who, summed)
	WHERE x.counted <> coalesce(x.summed, 0)
$$;
COMMENT ON FUNCTION retail.order_unit_violations() IS 'Internal: invariant 3, order lines against parcels, reservations and returns.';

CREATE FUNCTION retail.return_violations() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT 7, pg_catalog.format('return %s', r.return_no), pg_catalog.format('amount is %s, its lines say %s', r.amount, coalesce(l.amount, 0))
	FROM retail.sales_return r LEFT JOIN (SELECT x.return_id, sum(x.amount) AS amount FROM retail.return_line x GROUP BY 1) l USING (return_id)
	WHERE r.amount <> coalesce(l.amount, 0)
	UNION ALL
	SELECT 3, pg_catalog.format('return %s', r.return_no), pg_catalog.format('status is %s, %s units wait for inspection', r.status, l.waiting)
	FROM retail.sales_return r JOIN (SELECT x.return_id, sum(x.quantity - x.sellable - x.damaged) AS waiting FROM retail.return_line x GROUP BY 1) l USING (return_id)
	WHERE (r.status = 'inspected') <> (l.waiting = 0)
	UNION ALL
	SELECT 3, pg_catalog.format('return %s of SKU %s', coalesce(w.return_id, m.ref_id), coalesce(w.sku_id, m.sku_id)),
		pg_catalog.format('%s units wait for inspection, the ledger of its node says %s', coalesce(w.waiting, 0), coalesce(m.quantity, 0))
	FROM (SELECT l.return_id, l.sku_id, r.node_id, l.quantity - l.sellable - l.damaged AS waiting FROM retail.return_line l JOIN retail.sales_return r USING (return_id)) w
	FULL JOIN (SELECT x.ref_id, x.sku_id, x.node_id, sum(x.quantity) AS quantity FROM retail.movement x
			   WHERE x.condition = 'quality_hold' AND x.ref_type = 'return' GROUP BY 1, 2, 3) m
		ON m.ref_id = w.return_id AND m.sku_id = w.sku_id AND m.node_id = w.node_id
	WHERE coalesce(w.waiting, 0) <> coalesce(m.quantity, 0)
	UNION ALL
	SELECT 3, pg_catalog.format('return %s line %s', r.return_no, x.line_no), 'its order has no such line of this SKU'
	FROM retail.return_line x JOIN retail.sales_return r USING (return_id) LEFT JOIN retail.order_line l ON l.order_id = r.order_id AND l.line_no = x.line_no AND l.sku_id = x.sku_id
	WHERE l.order_id IS NULL
$$;
COMMENT ON FUNCTION retail.return_violations() IS 'Internal: invariants 3 and 7 of returns: their amounts, what waits for inspection, and the ledger.';

CREATE FUNCTION retail.order_orphans() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT 3, pg_catalog.format('order %s', o.order_id), 'no such channel, region or node'
	FROM retail.sales_order o LEFT JOIN retail.channel c USING (channel_id) LEFT JOIN retail.region r USING (region_id) LEFT JOIN retail.node n ON n.node_id = o.pick_up_node_id
	WHERE c.channel_id IS NULL OR (o.region_id IS NOT NULL AND r.region_id IS NULL) OR (o.pick_up_node_id IS NOT NULL AND n.node_id IS NULL)
	UNION ALL
	SELECT 3, pg_catalog.format('order %s', o.order_id), 'has no lines'
	FROM retail.sales_order o WHERE NOT EXISTS (SELECT FROM retail.order_line l WHERE l.order_id = o.order_id)
	UNION ALL
	SELECT 3, pg_catalog.format('order %s line %s', l.order_id, l.line_no), pg_catalog.format('no SKU %s', l.sku_id)
	FROM retail.order_line l WHERE NOT EXISTS (SELECT FROM retail.sku k WHERE k.sku_id = l.sku_id)
	UNION ALL
	SELECT 3, pg_catalog.format('shipment %s', s.shipment_id), pg_catalog.format('no node %s', s.node_id)
	FROM retail.shipment s WHERE NOT EXISTS (SELECT FROM retail.node n WHERE n.node_id = s.node_id)
	UNION ALL
	SELECT 3, pg_catalog.format('shipment %s line %s', p.shipment_id, p.line_no), 'is of another order or SKU than its shipment and order line'
	FROM retail.shipment_line p JOIN retail.shipment s USING (shipment_id) JOIN retail.order_line l ON l.order_id = p.order_id AND l.line_no = p.line_no
	WHERE s.order_id <> p.order_id OR l.sku_id <> p.sku_id
	UNION ALL
	SELECT 3, pg_catalog.format('reservation %s of SKU %s', r.reservation_id, r.sku_id), pg_catalog.format('order %s has no line %s of this SKU', r.order_id, r.line_no)
	FROM retail.reservation r LEFT JOIN retail.order_line l ON l.order_id = r.order_id AND l.line_no = r.line_no AND l.sku_id = r.sku_id
	WHERE r.order_id IS NOT NULL AND l.order_id IS NULL
$$;
COMMENT ON FUNCTION retail.order_orphans() IS 'Internal: rows of orders, shipments and reservations that name what does not exist; hot tables have no foreign keys.';

-- Compiling these plans takes longer than running them.
CREATE FUNCTION retail.check_sales_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET jit = off SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT * FROM retail.order_money_violations() UNION ALL SELECT * FROM retail.order_unit_violations()
	UNION ALL SELECT * FROM retail.return_violations() UNION ALL SELECT * FROM retail.order_orphans()
$$;
COMMENT ON FUNCTION retail.check_sales_integrity() IS 'Invariants 3 and 7: orders against lines, parcels, reservations, payments and returns, to the unit and to the cent, and orphans. Raises nothing.';

GRANT EXECUTE ON FUNCTION retail.record_sale(text, text, text, jsonb, timestamptz, bigint, text, text), retail.return_order(text, text, text, text, jsonb, text, timestamptz),
	retail.inspect_return(text, jsonb, text, timestamptz), retail.order_status(text, text) TO retail_admin, retail_app, retail_store;
GRANT EXECUTE ON FUNCTION retail.return_order(text, text, text, text, jsonb, text, timestamptz), retail.order_status(text, text) TO retail_service;
GRANT EXECUTE ON FUNCTION retail.check_sales_integrity(), retail.order_money_violations(), retail.order_unit_violations(), retail.return_violations(), retail.order_orphans()
	TO retail_admin, retail_app;

-- 40_allocation.sql: the policies that weigh which node fulfils what, and the
-- check of the decisions.  Deciding itself is C (src/allocation), called by
-- place_order() and quote_order() of the sales room.

CREATE FUNCTION retail.put_allocation_policy(code text, status text DEFAULT 'draft', channel text DEFAULT NULL, split_penalty numeric DEFAULT 2,
	lateness_per_day numeric DEFAULT 1, target_hours int DEFAULT 48, max_parcels int DEFAULT NULL, allow_line_split boolean DEFAULT true) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	the_channel bigint := CASE WHEN channel IS NOT NULL THEN retail.channel_id(channel) END;
	next_version int;
BEGIN
	PERFORM retail.check_text(code, 'code', 60);
	PERFORM retail.check_money(split_penalty, 'split_penalty');
	PERFORM retail.check_money(lateness_per_day, 'lateness_per_day');
	IF status IS NULL OR status NOT IN ('draft', 'active') OR target_hours IS NULL OR target_hours NOT BETWEEN 0 AND 2400 OR max_parcels < 1
	   OR allow_line_split IS NULL OR split_penalty > 1000000 OR lateness_per_day > 1000000 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid allocation policy',
			DETAIL = format('status %s, target_hours %s, max_parcels %s, split_penalty %s, lateness_per_day %s.', status, target_hours, max_parcels, split_penalty, lateness_per_day),
			HINT = 'status is draft or active, target_hours 0 to 2400, max_parcels at least 1 or null, penalties at most 1000000.';
	END IF;
	PERFORM pg_advisory_xact_lock(hashtext('pg_retail'), 2);
	SELECT coalesce(max(p.version), 0) + 1 INTO next_version FROM retail.allocation_policy p WHERE p.code = code;
	IF status = 'active' THEN
		UPDATE retail.allocation_policy p SET status = 'retired' WHERE p.status = 'active' AND p.channel_id IS NOT DISTINCT FROM the_channel;
	END IF;
	INSERT INTO retail.allocation_policy (code, version, status, channel_id, split_penalty, lateness_per_day, target_hours, max_parcels, allow_line_split)
		VALUES (code, next_version, status, the_channel, split_penalty, lateness_per_day, target_hours, max_parcels, allow_line_split);
	RETURN next_version;
END $$;
COMMENT ON FUNCTION retail.put_allocation_policy(text, text, text, numeric, numeric, int, int, boolean) IS
'Writes a new version of an allocation policy and returns its number. active retires what was active for the channel (null: all channels without one of their own); draft is only used when named. Raises RT003, RT012, RT015, RT016.';

CREATE FUNCTION retail.check_allocation_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT 3, format('order %s', o.order_id), 'has no allocation decision'
	FROM retail.sales_order o WHERE o.fulfilment <> 'counter' AND NOT EXISTS (SELECT FROM retail.allocation_decision d WHERE d.order_id = o.order_id)
	UNION ALL
	SELECT 3, format('decision of order %s', d.order_id), format('cost %s is below its lower bound %s', d.cost, d.lower_bound)
	FROM retail.allocation_decision d WHERE d.cost < d.lower_bound OR (d.is_exact AND d.cost <> d.lower_bound)
$$;
COMMENT ON FUNCTION retail.check_allocation_integrity() IS 'Every order that is fulfilled from stock has a decision, and none claims to beat its bound.';

GRANT EXECUTE ON FUNCTION retail.put_allocation_policy(text, text, text, numeric, numeric, int, int, boolean), retail.check_allocation_integrity() TO retail_admin;

-- 90_worker.sql: running the tasks of the background worker, and registering
-- the daily jobs with pg_cron.
--
-- The worker (src/worker) only calls run_next_task(); a human or another
-- scheduler may do the same, at the same time.  A task function is
-- retail.run_<something>(as_of timestamptz), idempotent and safe to run twice
-- at once.  Task functions and daily jobs run with the rights of the
-- extension's owner, so their names are data that is checked twice: by the
-- constraints of the tables and here.

CREATE FUNCTION retail.note_running_task(task text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_note_running_task';
COMMENT ON FUNCTION retail.note_running_task(text) IS
'Internal: tells the background worker which task it is running, for pg_stat_activity and for errors that cannot be caught in SQL. Does nothing in other sessions.';

CREATE FUNCTION retail.check_task_function(function_name text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	IF function_name IS NULL OR function_name !~ '^run_[a-z0-9_]{1,59}$' OR function_name IN ('run_next_task', 'run_due_tasks') THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid name of a task function',
			DETAIL = format('The name is %s.', coalesce('"' || left(function_name, 200) || '"', 'null')),
			HINT = 'Give the bare name of a function of schema retail: run_ and then small letters, digits and underscores.';
	END IF;
	IF to_regprocedure('retail.' || function_name || '(pg_catalog.timestamptz)') IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown task function',
			DETAIL = format('There is no function retail.%s(timestamptz).', function_name),
			HINT = 'Create it, or correct the name with retail.put_task().';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_task_function(text) IS
'Internal: raises RT016 unless the name may be that of a task function, and RT005 unless retail.<name>(timestamptz) exists.';

CREATE FUNCTION retail.record_task_failure(task text, error text, as_of timestamptz DEFAULT now(), took interval DEFAULT interval '0') RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	next_try timestamptz;
BEGIN
	UPDATE retail.task AS t SET
			last_started_at = record_task_failure.as_of,
			last_finished_at = record_task_failure.as_of + record_task_failure.took,
			last_failed_at = record_task_failure.as_of,
			last_error = left(record_task_failure.error, 2000),
			consecutive_failures = t.consecutive_failures + 1,
			total_runs = t.total_runs + 1,
			total_failures = t.total_failures + 1,
			-- Double the interval with each failure up to an hour, or the interval itself if that is longer.
			next_run_at = record_task_failure.as_of
				+ greatest(t.run_every, least(t.run_every * 2 ^ least(t.consecutive_failures + 1, 12), interval '1 hour'))
		WHERE t.name = record_task_failure.task
		RETURNING t.next_run_at INTO next_try;
	RAISE WARNING USING MESSAGE = format('retail task %s failed: %s', record_task_failure.task, record_task_failure.error),
		HINT = coalesce(format('The next try is at %s.', next_try), 'The task does not exist any more.');
END $$;
COMMENT ON FUNCTION retail.record_task_failure(text, text, timestamptz, interval) IS
'Internal: writes a failed run into its task, moves the next run away by run_every * 2^failures (at most an hour, at least run_every) and warns.';

CREATE FUNCTION retail.run_one_task(as_of timestamptz, already text[], OUT task text, OUT ok boolean, OUT result text, OUT error text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	due record;
	begun timestamptz;
	state text;
	message text;
BEGIN
	-- FOR UPDATE re-reads a row that another session has just run, finds it
	-- not due any more, and takes the next.
	SELECT t.name, t.function_name INTO due FROM retail.task AS t
		WHERE t.enabled AND t.next_run_at <= run_one_task.as_of AND t.name <> ALL (run_one_task.already)
		ORDER BY t.next_run_at, t.name LIMIT 1
		FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN;
	END IF;

	task := due.name;
	begun := clock_timestamp();
	PERFORM retail.note_running_task(due.name);
	BEGIN
		PERFORM retail.check_task_function(due.function_name);
		EXECUTE format('SELECT left(string_agg(r::text, E''\n''), 8000) FROM retail.%I($1) AS r', due.function_name)
			INTO result USING run_one_task.as_of;
		ok := true;
	EXCEPTION WHEN assert_failure OR OTHERS THEN	-- OTHERS leaves query_canceled out, as it should
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
		ok := false;
		result := NULL;
		error := state || ': ' || message;
	END;

	IF ok THEN
		UPDATE retail.task AS t SET
				last_started_at = run_one_task.as_of,
				last_finished_at = run_one_task.as_of + (clock_timestamp() - begun),
				last_result = run_one_task.result,
				consecutive_failures = 0,
				total_runs = t.total_runs + 1,
				next_run_at = run_one_task.as_of + t.run_every
			WHERE t.name = due.name;
	ELSE
		PERFORM retail.record_task_failure(due.name, error, run_one_task.as_of, clock_timestamp() - begun);
	END IF;
END $$;
COMMENT ON FUNCTION retail.run_one_task(timestamptz, text[]) IS
'Internal: runs the task that has been due longest, of those not locked and not in the list, and records how it went. All null when nothing is due. A query cancel is not caught.';

CREATE FUNCTION retail.run_next_task(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(run_next_task.as_of, 'as_of');
	RETURN (SELECT r.task FROM retail.run_one_task(run_next_task.as_of, '{}') AS r);
END $$;
COMMENT ON FUNCTION retail.run_next_task(timestamptz) IS
'Runs the task that has been due longest and returns its name, or null when nothing is due. An error of the task is recorded in retail.task and warned about, not raised. This is what the background worker calls. Raises RT014, RT050.';

CREATE FUNCTION retail.run_due_tasks(as_of timestamptz DEFAULT now()) RETURNS TABLE (task text, ok boolean, result text, error text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 10 SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	already text[] := '{}';
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(run_due_tasks.as_of, 'as_of');
	LOOP
		SELECT r.task, r.ok, r.result, r.error INTO run_due_tasks.task, run_due_tasks.ok, run_due_tasks.result, run_due_tasks.error
			FROM retail.run_one_task(run_due_tasks.as_of, already) AS r;
		EXIT WHEN run_due_tasks.task IS NULL;
		already := already || run_due_tasks.task;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.run_due_tasks(timestamptz) IS
'Runs all tasks that are due at as_of, each once, in one transaction, and says how each went. Tasks that another session is running are left out. Raises RT014, RT050.';

CREATE FUNCTION retail.put_task(name text, function_name text, run_every interval, enabled boolean DEFAULT true,
	description text DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	created boolean;
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(put_task.as_of, 'as_of');
	IF put_task.name IS NULL OR put_task.name !~ '^[a-z][a-z0-9_]{0,62}$' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid name of a task',
			DETAIL = format('The name is %s.', coalesce('"' || left(put_task.name, 200) || '"', 'null')),
			HINT = 'Give 1 to 63 small letters, digits and underscores, a letter first.';
	END IF;
	PERFORM retail.check_task_function(put_task.function_name);
	IF put_task.run_every IS NULL OR put_task.run_every NOT BETWEEN interval '1 second' AND interval '366 days' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid interval of a task',
			DETAIL = format('run_every is %s.', coalesce(put_task.run_every::text, 'null')),
			HINT = 'Give an interval from 1 second to 366 days.';
	END IF;
	IF put_task.enabled IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid state of a task',
			DETAIL = 'enabled is null.', HINT = 'Give true or false.';
	END IF;
	IF put_task.description IS NOT NULL THEN
		PERFORM retail.check_text(put_task.description, 'description', 1000);
	END IF;

	INSERT INTO retail.task AS t (name, function_name, run_every, enabled, description, next_run_at)
		VALUES (put_task.name, put_task.function_name, put_task.run_every, put_task.enabled, put_task.description, put_task.as_of)
		ON CONFLICT (name) DO UPDATE SET
			function_name = excluded.function_name,
			run_every = excluded.run_every,
			enabled = excluded.enabled,
			description = coalesce(excluded.description, t.description),
			consecutive_failures = 0,
			next_run_at = excluded.next_run_at
		RETURNING t.xmax = 0 INTO created;
	RETURN CASE WHEN created THEN 'created' ELSE 'updated' END;
END $$;
COMMENT ON FUNCTION retail.put_task(text, text, interval, boolean, text, timestamptz) IS
'Defines a task of the background worker, or changes it, and makes it due at as_of with its failures forgiven. Returns created or updated. Raises RT005 when retail.<function_name>(timestamptz) does not exist, RT014, RT015, RT016, RT050.';

CREATE FUNCTION retail.enable_task(name text, enabled boolean DEFAULT true, as_of timestamptz DEFAULT now()) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(enable_task.as_of, 'as_of');
	IF enable_task.enabled IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid state of a task',
			DETAIL = 'enabled is null.', HINT = 'Give true or false.';
	END IF;
	UPDATE retail.task AS t SET
			enabled = enable_task.enabled,
			consecutive_failures = CASE WHEN enable_task.enabled THEN 0 ELSE t.consecutive_failures END,
			next_run_at = CASE WHEN enable_task.enabled THEN enable_task.as_of ELSE t.next_run_at END
		WHERE t.name = enable_task.name;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown task',
			DETAIL = format('There is no task %s.', coalesce('"' || left(enable_task.name, 200) || '"', 'null')),
			HINT = 'See SELECT name FROM retail.task, or define it with retail.put_task().';
	END IF;
END $$;
COMMENT ON FUNCTION retail.enable_task(text, boolean, timestamptz) IS
'Enables a task and makes it due at as_of with its failures forgiven, or disables it; waits for a run that is going on. Raises RT005, RT014, RT016, RT050.';

CREATE FUNCTION retail.run_integrity_check(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	most CONSTANT bigint := 10000;
	found_rows bigint;
	stored_rows bigint;
	summary text;
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(run_integrity_check.as_of, 'as_of');
	DELETE FROM retail.integrity_violation AS v WHERE v.found_at = run_integrity_check.as_of;
	WITH violation AS MATERIALIZED (
		SELECT row_number() OVER () AS n, c.invariant, c.object, c.detail FROM retail.check_integrity() AS c
	), stored AS (
		INSERT INTO retail.integrity_violation (found_at, invariant, object, detail)
			SELECT run_integrity_check.as_of, v.invariant, coalesce(v.object, ''), coalesce(v.detail, '')
			FROM violation AS v WHERE v.n <= most
			RETURNING 1
	)
	SELECT (SELECT count(*) FROM violation), (SELECT count(*) FROM stored) INTO found_rows, stored_rows;

	IF found_rows = 0 THEN
		RETURN 'no violation';
	END IF;
	summary := format('%s violation(s)', found_rows)
		|| CASE WHEN found_rows > stored_rows THEN format(', the first %s stored', stored_rows) ELSE '' END;
	RAISE WARNING USING MESSAGE = 'pg_retail integrity check: ' || summary,
		HINT = format('See SELECT * FROM retail.integrity_violation WHERE found_at = %L.', run_integrity_check.as_of);
	RETURN summary;
END $$;
COMMENT ON FUNCTION retail.run_integrity_check(timestamptz) IS
'Runs check_integrity() and stores what it finds in retail.integrity_violation, at most 10000 rows a run; returns a summary and warns when there is anything. The same as_of again replaces its rows. Raises RT014, RT050.';

CREATE FUNCTION retail.run_housekeeping(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	deleted bigint;
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(run_housekeeping.as_of, 'as_of');
	DELETE FROM retail.integrity_violation AS v WHERE v.found_at < run_housekeeping.as_of - interval '90 days';
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN format('%s old integrity violation(s) deleted', deleted);
END $$;
COMMENT ON FUNCTION retail.run_housekeeping(timestamptz) IS
'Deletes what is kept for a limited time only: integrity violations older than 90 days. Raises RT014, RT050.';

CREATE FUNCTION retail.put_daily_job(name text, schedule text, command text) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	created boolean;
BEGIN
	PERFORM retail.require_installed();
	IF put_daily_job.name IS NULL OR put_daily_job.name !~ '^[a-z][a-z0-9_]{0,62}$' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid name of a job',
			DETAIL = format('The name is %s.', coalesce('"' || left(put_daily_job.name, 200) || '"', 'null')),
			HINT = 'Give 1 to 63 small letters, digits and underscores, a letter first.';
	END IF;
	IF put_daily_job.schedule IS NULL OR put_daily_job.schedule !~ '^([0-9*,/-]+ ){4}[0-9*,/-]+$' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid schedule of a job',
			DETAIL = format('The schedule is %s.', coalesce('"' || left(put_daily_job.schedule, 200) || '"', 'null')),
			HINT = 'Give five fields as in crontab, such as 17 3 * * * for 03:17 (GMT) each day.';
	END IF;
	IF put_daily_job.command IS NULL OR put_daily_job.command !~ '^SELECT retail\.run_[a-z0-9_]{1,59}\(\)$' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid command of a job',
			DETAIL = format('The command is %s.', coalesce('"' || left(put_daily_job.command, 200) || '"', 'null')),
			HINT = 'Give SELECT retail.run_something() with the name of a function of schema retail.';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_proc AS p WHERE p.pronamespace = 'retail'::regnamespace
			AND p.proname = substring(put_daily_job.command FROM '\.(run_[a-z0-9_]+)') AND p.pronargs = p.pronargdefaults) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown function in the command of a job',
			DETAIL = format('The command is "%s".', put_daily_job.command),
			HINT = 'The function must be in schema retail and need no argument.';
	END IF;

	INSERT INTO retail.daily_job AS d (name, schedule, command)
		VALUES (put_daily_job.name, put_daily_job.schedule, put_daily_job.command)
		ON CONFLICT (name) DO UPDATE SET schedule = excluded.schedule, command = excluded.command
		RETURNING d.xmax = 0 INTO created;
	RETURN CASE WHEN created THEN 'created' ELSE 'updated' END;
END $$;
COMMENT ON FUNCTION retail.put_daily_job(text, text, text) IS
'Defines a daily job or changes it; schedule_jobs() then tells pg_cron. Returns created or updated. Raises RT005, RT016, RT050.';

CREATE FUNCTION retail.require_pg_cron() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	here CONSTANT text := current_database();
	cron_home CONSTANT text := current_setting('cron.database_name', true);
	preloaded CONSTANT boolean := current_setting('shared_preload_libraries') ~ '(^|[\s,"/])pg_cron(\.so)?($|[\s,"])';
	available CONSTANT boolean := EXISTS (SELECT FROM pg_available_extensions AS a WHERE a.name = 'pg_cron');
	hint text;
BEGIN
	IF EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'pg_cron') THEN
		RETURN;
	END IF;

	IF preloaded AND cron_home = here THEN
		hint := 'Run CREATE EXTENSION pg_cron; in this database, then SELECT * FROM retail.schedule_jobs(); again.';
	ELSIF preloaded THEN
		hint := format('Connect to database "%s" as a superuser and run: CREATE EXTENSION IF NOT EXISTS pg_cron; ', cron_home)
			|| coalesce((SELECT string_agg(format('SELECT cron.schedule_in_database(%L, %L, %L, %L);', d.name || '@' || here, d.schedule, d.command, here),
					' ' ORDER BY d.name) FROM retail.daily_job AS d), '');
	ELSE
		hint := CASE WHEN available THEN '' ELSE
					format('Install pg_cron (on Debian the package postgresql-%s-cron). ', current_setting('server_version_num')::int / 10000) END
			|| format('Add pg_cron to shared_preload_libraries, set cron.database_name = %L, restart the server, and run CREATE EXTENSION pg_cron; in this database. ', here)
			|| 'Or let another scheduler (cron, systemd) run each day: '
			|| coalesce((SELECT string_agg(format('psql -d %s -c "%s" (at %s)', quote_ident(here), d.command, d.schedule),
					'; ' ORDER BY d.name) FROM retail.daily_job AS d), '');
	END IF;

	RAISE EXCEPTION USING ERRCODE = 'RT051', MESSAGE = format('pg_cron is not installed in database "%s"', here),
		DETAIL = format('The extension''s files are %s; the library is %s; cron.database_name is %s.',
			CASE WHEN available THEN 'there' ELSE 'not there' END,
			CASE WHEN preloaded THEN 'preloaded' ELSE 'not in shared_preload_libraries' END,
			coalesce('"' || cron_home || '"', 'not set')),
		HINT = hint;
END $$;
COMMENT ON FUNCTION retail.require_pg_cron() IS
'Internal: raises RT051 unless pg_cron is installed in this database, and says in the hint what to do in this very server.';

CREATE FUNCTION retail.schedule_jobs() RETURNS TABLE (job text, schedule text, command text, status text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 10 SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	daily record;
	known record;
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.require_pg_cron();
	FOR daily IN SELECT d.name, d.schedule, d.command FROM retail.daily_job AS d ORDER BY d.name LOOP
		-- Dynamic, because schema cron need not exist when this is created.
		EXECUTE 'SELECT j.schedule, j.command, j.active, j.database FROM cron.job AS j
				WHERE j.jobname::text = $1 AND j.username::text = current_user::text'
			INTO known USING daily.name;
		IF known.database <> current_database() THEN
			RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = format('pg_cron has a job "%s" already', daily.name),
				DETAIL = format('It runs in database "%s", not in this one.', known.database),
				HINT = format('Schedule that job under the name %L instead, with cron.schedule_in_database().', daily.name || '@' || known.database);
		ELSIF known.schedule IS NULL OR (known.schedule, known.command) IS DISTINCT FROM (daily.schedule, daily.command) THEN
			EXECUTE 'SELECT cron.schedule($1::text, $2::text, $3::text)' USING daily.name, daily.schedule, daily.command;
		END IF;

		job := daily.name;
		schedule := daily.schedule;
		command := daily.command;
		status := CASE WHEN known.schedule IS NULL THEN 'scheduled'
					   WHEN (known.schedule, known.command) IS DISTINCT FROM (daily.schedule, daily.command) THEN 'updated'
					   WHEN NOT known.active THEN 'unchanged, paused by cron.alter_job()'
					   ELSE 'unchanged' END;
		RETURN NEXT;
	END LOOP;

	IF coalesce(current_setting('cron.use_background_workers', true), 'off') <> 'on' THEN
		RAISE NOTICE USING MESSAGE = format('pg_cron runs these jobs over a connection to "%s" as role "%s"',
				coalesce(current_setting('cron.host', true), 'localhost'), current_user),
			HINT = 'Let pg_hba.conf or .pgpass allow that connection without asking, or set cron.use_background_workers = on and restart.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.schedule_jobs() IS
'Registers the jobs of retail.daily_job with pg_cron, or brings their schedule and command up to date; they run as the owner of this function. status: scheduled, updated or unchanged. Can be repeated. Raises RT051, with what to do, when pg_cron is not in this database, RT016 when it has a job of that name for another database, RT050.';

CREATE FUNCTION retail.unschedule_jobs() RETURNS TABLE (job text, schedule text, command text, status text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 10 SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	daily record;
	known record;
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.require_pg_cron();
	FOR daily IN SELECT d.name, d.schedule, d.command FROM retail.daily_job AS d ORDER BY d.name LOOP
		EXECUTE 'SELECT j.jobid, j.schedule, j.command FROM cron.job AS j
				WHERE j.jobname::text = $1 AND j.username::text = current_user::text AND j.database::text = current_database()::text'
			INTO known USING daily.name;
		IF known.jobid IS NOT NULL THEN
			EXECUTE 'SELECT cron.unschedule($1::bigint)' USING known.jobid;
		END IF;
		job := daily.name;
		schedule := coalesce(known.schedule, daily.schedule);
		command := coalesce(known.command, daily.command);
		status := CASE WHEN known.jobid IS NULL THEN 'not scheduled' ELSE 'unscheduled' END;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.unschedule_jobs() IS
'Takes the jobs of retail.daily_job out of pg_cron; their rows stay. status: unscheduled or not scheduled. Can be repeated. Raises RT050, RT051.';

REVOKE ALL ON FUNCTION retail.note_running_task(text), retail.check_task_function(text),
	retail.record_task_failure(text, text, timestamptz, interval), retail.run_one_task(timestamptz, text[]),
	retail.run_next_task(timestamptz), retail.run_due_tasks(timestamptz),
	retail.put_task(text, text, interval, boolean, text, timestamptz), retail.enable_task(text, boolean, timestamptz),
	retail.run_integrity_check(timestamptz), retail.run_housekeeping(timestamptz),
	retail.put_daily_job(text, text, text), retail.require_pg_cron(), retail.schedule_jobs(), retail.unschedule_jobs()
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retail.record_task_failure(text, text, timestamptz, interval),
	retail.run_next_task(timestamptz), retail.run_due_tasks(timestamptz),
	retail.put_task(text, text, interval, boolean, text, timestamptz), retail.enable_task(text, boolean, timestamptz),
	retail.run_integrity_check(timestamptz), retail.run_housekeeping(timestamptz),
	retail.put_daily_job(text, text, text), retail.schedule_jobs(), retail.unschedule_jobs()
	TO retail_admin;

-- 99_grants.sql: PUBLIC may call nothing; each room has granted its functions
-- to the roles of the platform.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA retail FROM PUBLIC;
