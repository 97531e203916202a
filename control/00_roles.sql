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
