-- plpgsql.sql: every PL/pgSQL function of the extension, read by plpgsql_check
-- against the installed tables: unknown columns, wrong types, dead variables.
BEGIN;
SET client_min_messages = warning;
SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'plpgsql_check') AS available \gset
\if :available
CREATE EXTENSION plpgsql_check;
SELECT plan(2);
SELECT cmp_ok((SELECT count(*) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = 'retail'::regnamespace AND l.lanname = 'plpgsql'), '>', 80::bigint,
	'there are functions to read');
SELECT is_empty($$
	SELECT p.oid::regprocedure, c.lineno, c.level, c.sqlstate, c.message
	FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang,
	LATERAL plpgsql_check_function_tb(p.oid, relid => coalesce((SELECT max(t.tgrelid) FROM pg_trigger t WHERE t.tgfoid = p.oid), 0),
		fatal_errors => false, extra_warnings => false) c
	WHERE p.pronamespace = 'retail'::regnamespace AND l.lanname = 'plpgsql' AND p.prosrc !~ 'cron[.]job' AND c.level IN ('error', 'warning')
		-- those that read cron.job can only be read where pg_cron is installed
	$$, 'plpgsql_check finds nothing');
\else
SELECT plan(1);
SELECT skip('plpgsql_check is not installed', 1);
\endif
SELECT * FROM finish();
ROLLBACK;
