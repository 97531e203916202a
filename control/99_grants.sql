-- 99_grants.sql: PUBLIC may call nothing; each room has granted its functions
-- to the roles of the platform.  Only functions of the extension are touched:
-- a REVOKE in an extension script counts as the initial privileges of what it
-- hits, and pg_dump would forget those of the user's own functions.
DO $$
DECLARE f regprocedure;
BEGIN
	FOR f IN SELECT d.objid::regprocedure FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
			 WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND e.extname = 'pg_retail'
			   AND d.classid = 'pg_catalog.pg_proc'::regclass AND d.deptype = 'e' LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
	END LOOP;
END $$;

-- While the extension was away nothing told the backends' caches of changes.
DO $$
DECLARE t regclass;
BEGIN
	FOR t IN SELECT DISTINCT g.tgrelid::regclass FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid
			 WHERE p.pronamespace = 'retail'::regnamespace AND p.proname = 'catalog_changed' LOOP
		PERFORM retail.invalidate_catalog(t);
	END LOOP;
END $$;
