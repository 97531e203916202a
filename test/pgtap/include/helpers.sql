-- helpers.sql: what the pgTAP scripts share; loaded into the template of their databases.

-- The SQLSTATE of a statement, and that its hint and detail say something.
CREATE FUNCTION raises(code text, statement text, about text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	got text;
	hint text;
	detail text;
BEGIN
	BEGIN
		EXECUTE statement;
		got := 'no error';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS got = RETURNED_SQLSTATE, hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
		got := got || CASE WHEN hint = '' THEN ' without hint' ELSE '' END || CASE WHEN detail = '' THEN ' without detail' ELSE '' END;
	END;
	RETURN is(got, code, coalesce(about, statement));
END $$;

-- The DETAIL of the error that a statement raises.
CREATE FUNCTION detail_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS result = PG_EXCEPTION_DETAIL;
	RETURN result;
END $$;

-- raises() in the role of somebody.
CREATE FUNCTION raises_as(role text, code text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	got text;
BEGIN
	BEGIN
		PERFORM set_config('role', role, true);
		EXECUTE statement;
		got := 'no error';
		PERFORM set_config('role', 'none', true);
	EXCEPTION WHEN OTHERS THEN
		got := SQLSTATE;
	END;
	RETURN is(got, code, role || ': ' || statement);
END $$;
