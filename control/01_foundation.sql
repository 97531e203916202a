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
	('RT006', 'unknown_order', 'No order, shipment, return, hold, transfer, exception or question has this number.'),
	('RT007', 'unknown_member', 'No account or member has this number, or not any more.'),
	('RT010', 'invalid_quantity', 'A quantity is missing, zero, negative, fractional or too large.'),
	('RT011', 'invalid_lines', 'A list of lines is empty, too long, malformed or contradicts itself.'),
	('RT012', 'invalid_money', 'A price, discount, cost or amount is missing, negative, not a number, too large or finer than a cent.'),
	('RT013', 'invalid_coordinates', 'Latitude or longitude is missing, not a number or out of range.'),
	('RT014', 'invalid_time', 'A time is missing, infinite, outside the years 2000 to 2099, ahead of the clock, or before what must have come first.'),
	('RT015', 'invalid_text', 'A code, number or name is empty, too long or has control characters.'),
	('RT016', 'invalid_argument', 'Another argument has a value that is not allowed.'),
	('RT017', 'invalid_identifier', 'An identifier of a person is malformed, of no use, or too many came at once; the value is not shown.'),
	('RT020', 'out_of_stock', 'What is available to promise does not cover the quantity.'),
	('RT021', 'unreachable', 'Stock is there, but no lane, carrier or opening lets it reach the destination.'),
	('RT022', 'node_incapable', 'The node may not do this (ship, pick-up, receive, temperature class).'),
	('RT023', 'refused_too_often', 'Nodes refused an order as often as its policy routes it again; not raised, but the reason of an exception.'),
	('RT024', 'unanswered', 'A customer did not answer in time; not raised, but the reason of an exception.'),
	('RT030', 'number_reused', 'The same external number came with different content.'),
	('RT031', 'wrong_state', 'The order, shipment, return, hold or transfer is in a state that does not allow this.'),
	('RT032', 'exceeds', 'More units or money than there are to ship, cancel, return, inspect, receive or refund.'),
	('RT040', 'not_permitted', 'The calling role is not bound to this node or supplier.'),
	('RT050', 'not_installed', 'retail.install() has not run in this database.'),
	('RT051', 'no_scheduler', 'pg_cron is not available in this database.'),
	('RT060', 'too_busy', 'Stock changed under the decision too many times; try again.')
$$;
COMMENT ON FUNCTION retail.error_codes() IS 'Every SQLSTATE that pg_retail raises; all are of class RT.';

CREATE FUNCTION retail.report_progress(job text, step text, done bigint, total bigint) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'retail_report_progress';
COMMENT ON FUNCTION retail.report_progress(text, text, bigint, bigint) IS 'Internal: tells in pg_stat_activity how far a job of this session is, until its transaction ends; see retail_bi.job_progress.';

CREATE FUNCTION retail.effective_time(as_of timestamptz) RETURNS timestamptz
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'retail_effective_time';
COMMENT ON FUNCTION retail.effective_time(timestamptz) IS 'The time that a caller may act at: as_of for administrators, who may replay and simulate; for others no later than now, so that nobody''s clock ends what others hold.';

CREATE FUNCTION retail.check_time(value timestamptz, argument text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
BEGIN
	IF value IS NULL OR value < '2000-01-01 00:00+00' OR value >= '2100-01-01 00:00+00' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'invalid time for ' || coalesce(argument, 'an argument'),
			DETAIL = pg_catalog.format('%s is %s.', coalesce(argument, 'It'), coalesce(value::text, 'null')),
			HINT = 'Give a time in the years 2000 to 2099.';
	ELSIF value > pg_catalog.clock_timestamp() + interval '1 day' AND value > retail.effective_time(value) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT014', MESSAGE = 'time in the future for ' || coalesce(argument, 'an argument'),
			DETAIL = pg_catalog.format('%s is %s.', coalesce(argument, 'It'), value),
			HINT = 'Give the time at which it happened; only members of retail_admin may run ahead of the clock.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_time(timestamptz, text) IS 'Raises RT014 unless the time is finite, in the years 2000 to 2099 and, for callers other than administrators, at most a day ahead.';

CREATE FUNCTION retail.check_text(value text, argument text, max_length int DEFAULT 200) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
	name text := coalesce(argument, 'It');
	most int := coalesce(max_length, 200);
BEGIN
	IF value IS NULL OR pg_catalog.btrim(value) = '' OR pg_catalog.length(value) > most OR value ~ '[\x01-\x1f\x7f]' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT015', MESSAGE = 'invalid text for ' || coalesce(argument, 'an argument'),
			DETAIL = CASE WHEN value IS NULL THEN name || ' is null.'
						  WHEN pg_catalog.btrim(value) = '' THEN name || ' is blank.'
						  WHEN pg_catalog.length(value) > most THEN pg_catalog.format('%s has %s characters.', name, pg_catalog.length(value))
						  ELSE name || ' has control characters.' END,
			HINT = pg_catalog.format('Give 1 to %s printable characters, in any script.', most);
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_text(text, text, int) IS 'Raises RT015 unless the text is 1 to max_length (null: 200) characters without control characters.';

CREATE FUNCTION retail.check_money(value numeric, argument text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF value IS NULL OR value = 'NaN' OR value < 0 OR value >= 1000000000 OR pg_catalog.scale(pg_catalog.trim_scale(value)) > 2 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT012', MESSAGE = 'invalid amount for ' || coalesce(argument, 'an argument'),
			DETAIL = pg_catalog.format('%s is %s.', coalesce(argument, 'It'), coalesce(value::text, 'null')),
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
	IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role_name) AND NOT (pg_has_role(role_name, 'retail_store', 'MEMBER') OR pg_has_role(role_name, 'retail_supplier', 'MEMBER')) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'a binding needs a role of a store or supplier',
			DETAIL = format('Role %s is no member of retail_store or retail_supplier.', role_name), HINT = 'GRANT retail_store (or retail_supplier) to it first.';
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

CREATE FUNCTION retail.unbind_principal(role_name text, node text DEFAULT NULL, supplier text DEFAULT NULL) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	gone int;
BEGIN
	DELETE FROM retail.principal p WHERE p.role_name = $1
		AND ($2 IS NULL OR p.node_id = (SELECT n.node_id FROM retail.node n WHERE n.code = $2))
		AND ($3 IS NULL OR p.supplier_id = (SELECT s.supplier_id FROM retail.supplier s WHERE s.code = $3));
	GET DIAGNOSTICS gone = ROW_COUNT;
	IF gone = 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'no such binding', DETAIL = format('Role %s, node %s, supplier %s.', coalesce($1, 'null'), coalesce($2, 'any'), coalesce($3, 'any')),
			HINT = 'See SELECT * FROM retail.principal.';
	END IF;
	RETURN gone;
END $$;
COMMENT ON FUNCTION retail.unbind_principal(text, text, text) IS 'Takes bindings of a role back: to a node, to a supplier, or all of them; also of a role that was dropped. Returns how many. Raises RT005.';

CREATE FUNCTION retail.check_foundation_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
	SELECT 0, format('principal %s', p.role_name), 'is bound, but no such role exists: unbind it, or a new role of this name inherits the binding'
	FROM retail.principal p WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = p.role_name)
$$;
COMMENT ON FUNCTION retail.check_foundation_integrity() IS 'Bindings of roles that do not exist.';

CREATE FUNCTION retail.check_integrity() RETURNS TABLE (invariant int, object text, detail text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	f regprocedure;
	done int := 0;
	rooms int := (SELECT count(*) FROM pg_proc p WHERE p.pronamespace = 'retail'::regnamespace AND p.proname ~ '^check_[a-z]+_integrity$');
BEGIN
	PERFORM retail.require_installed();
	-- Each room brings check_<room>_integrity().
	FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'retail'::regnamespace AND p.proname ~ '^check_[a-z]+_integrity$' ORDER BY p.proname LOOP
		PERFORM retail.report_progress('integrity_check', substring(f::text FROM '[a-z]+_integrity'), done, rooms);
		RETURN QUERY EXECUTE format('SELECT * FROM %s', f);
		done := done + 1;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.check_integrity() IS 'One row for each violation of an invariant; none when all is well. Runs on a standby too.';

GRANT EXECUTE ON FUNCTION retail.version(), retail.caller(), retail.effective_time(timestamptz), retail.error_codes(), retail.require_installed(),
	retail.check_time(timestamptz, text), retail.check_text(text, text, int), retail.check_money(numeric, text),
	retail.check_coordinates(float8, float8), retail.check_node_access(bigint)
	TO retail_admin, retail_app, retail_store, retail_supplier, retail_service, retail_bi;
GRANT EXECUTE ON FUNCTION retail.check_integrity(), retail.bind_principal(text, text, text), retail.unbind_principal(text, text, text),
	retail.check_foundation_integrity() TO retail_admin;
