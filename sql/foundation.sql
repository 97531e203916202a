-- foundation.sql: what is there before and after install(): errors, versions, roles, the ledger of applied files, who
-- calls, and the binding of logins to nodes and suppliers.
\pset format unaligned
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE EXTENSION pg_retail;
SELECT retail.version() = extversion AS library_matches, nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'pg_retail';

-- ---- before install() ----
SELECT * FROM retail.upgrade();
SELECT * FROM retail.check_integrity();
SELECT * FROM retail.place_order('app', 'N1', '[{"sku": "A1", "qty": 1}]', '{"region": "R"}');
SELECT * FROM retail.quote_order('app', '[{"sku": "A1", "qty": 1}]', '{"region": "R"}');
SELECT * FROM retail.run_due_tasks();
SELECT * FROM retail.schedule_jobs();
\set VERBOSITY sqlstate
SELECT * FROM retail.upgrade();
SELECT * FROM retail.quote_order('app', '[{"sku": "A1", "qty": 1}]', '{"region": "R"}');
\set VERBOSITY default
SELECT count(*) AS tables FROM pg_class WHERE relnamespace = 'retail'::regnamespace AND relkind = 'r';

-- ---- install() ----
-- It is one transaction: what goes wrong leaves nothing behind.
BEGIN;
SELECT count(*) > 5 AS many, bool_and(action = 'applied') AS applied FROM retail.install();
ROLLBACK;
SELECT count(*) AS tables FROM pg_class WHERE relnamespace = 'retail'::regnamespace AND relkind = 'r';
SELECT action, count(*) > 5 AS many, bool_and(file ~ '^[a-z0-9_./-]+\.sql$') AS files FROM retail.install() GROUP BY action;
-- again, and upgrade(): nothing to do
CREATE FUNCTION objects() RETURNS TABLE (object text, n bigint, last xid8) LANGUAGE sql AS $$
	SELECT 'relations', count(*), max(xmin::text::xid8) FROM pg_class WHERE relnamespace IN ('retail'::regnamespace, 'retail_bi'::regnamespace)
	UNION ALL SELECT 'descriptions', count(*), max(d.xmin::text::xid8) FROM pg_description d JOIN pg_class c ON c.oid = objoid WHERE classoid = 'pg_class'::regclass AND relnamespace IN ('retail'::regnamespace, 'retail_bi'::regnamespace)
	UNION ALL SELECT 'policies', count(*), max(p.xmin::text::xid8) FROM pg_policy p
$$;
CREATE TEMP TABLE before AS SELECT * FROM objects();
SELECT action, count(*) = (SELECT count(*) FROM retail.schema_migration) AS all_of_them FROM retail.install() GROUP BY action;
SELECT action, count(*) = (SELECT count(*) FROM retail.schema_migration) AS all_of_them FROM retail.upgrade() GROUP BY action;
SELECT * FROM objects() EXCEPT SELECT * FROM before;
SELECT bool_and(version ~ '^\d+\.\d+\.\d+$') AS versions, bool_and(checksum ~ '^[0-9a-f]{64}$') AS checksums, bool_and(applied_by = current_user) AS by_us FROM retail.schema_migration;
-- a file that is not what was applied is told, and left alone
BEGIN;
UPDATE retail.schema_migration SET checksum = repeat('0', 64) WHERE file = (SELECT min(file COLLATE "C") FROM retail.schema_migration);
SELECT action FROM retail.upgrade() WHERE action <> 'already applied';
ROLLBACK;
SELECT count(*) AS violations FROM retail.check_integrity();

-- ---- the extension owns the logic, the business owns its tables ----
-- No table, view, sequence or schema belongs to the extension.
SELECT DISTINCT classid::regclass FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_retail') AND deptype = 'e' ORDER BY 1;
-- No view and no column default calls a function of the extension.
SELECT count(*) AS dependent FROM pg_depend d JOIN pg_depend e ON e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e' AND e.refclassid = 'pg_extension'::regclass
WHERE d.deptype = 'n' AND d.classid IN ('pg_rewrite'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_policy'::regclass) AND e.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_retail');
-- Columns have built-in types only.
SELECT DISTINCT n.nspname AS types_of FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_type t ON t.oid = atttypid JOIN pg_namespace n ON n.oid = typnamespace
WHERE c.relnamespace IN ('retail'::regnamespace, 'retail_bi'::regnamespace) AND c.relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped;
-- Every function, table and column is commented; every function of the definer fixes its search_path.
SELECT p.oid::regprocedure AS uncommented FROM pg_proc p WHERE pronamespace = 'retail'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL ORDER BY 1;
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace IN ('retail'::regnamespace, 'retail_bi'::regnamespace) AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT attisdropped
	AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL) ORDER BY 1, 2;
SELECT p.oid::regprocedure AS without_search_path FROM pg_proc p WHERE pronamespace = 'retail'::regnamespace AND prosecdef
	AND NOT coalesce('search_path=retail, pg_catalog, pg_temp' = ANY (proconfig), false) ORDER BY 1;

-- ---- error codes ----
SELECT * FROM retail.error_codes() ORDER BY sqlstate;
SELECT count(*) = count(DISTINCT sqlstate) AND count(*) = count(DISTINCT name) AS distinct, bool_and(sqlstate ~ '^RT[0-9]{3}$') AS class_rt FROM retail.error_codes();
-- What the functions' sources and comments raise is listed.
SELECT DISTINCT m[1] AS not_listed FROM pg_proc p, LATERAL regexp_matches(prosrc || ' ' || obj_description(oid, 'pg_proc'), '\m(RT\d{3})\M', 'g') m
WHERE pronamespace = 'retail'::regnamespace AND proname <> 'error_codes' AND m[1] NOT IN (SELECT sqlstate FROM retail.error_codes()) ORDER BY 1;

-- ---- roles ----
SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolinherit FROM pg_roles WHERE rolname LIKE 'retail%' ORDER BY 1;
-- PUBLIC has nothing.
SELECT n.nspname FROM pg_namespace n, aclexplode(nspacl) a WHERE nspname IN ('retail', 'retail_bi') AND a.grantee = 0;
SELECT c.relname FROM pg_class c, aclexplode(relacl) a WHERE relnamespace IN ('retail'::regnamespace, 'retail_bi'::regnamespace) AND a.grantee = 0;
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'retail'::regnamespace AND EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) a WHERE a.grantee = 0) ORDER BY 1;
-- Nobody but the owner writes a table: the functions do. An administrator may copy accounts in.
SELECT c.relname, pg_get_userbyid(a.grantee), a.privilege_type FROM pg_class c, aclexplode(relacl) a WHERE relnamespace = 'retail'::regnamespace AND a.grantee <> relowner AND a.privilege_type <> 'SELECT' ORDER BY 1, 2;

-- ---- who calls ----
CREATE ROLE regress_retail_store LOGIN IN ROLE retail_store;
CREATE ROLE regress_retail_supplier LOGIN IN ROLE retail_supplier;
CREATE ROLE regress_retail_app LOGIN IN ROLE retail_app;
CREATE ROLE regress_retail_nobody LOGIN;
SELECT retail.caller() = current_user AS us;
SET ROLE regress_retail_store;
SELECT retail.caller();
RESET ROLE;
SET ROLE regress_retail_nobody;
SELECT retail.caller();
SELECT retail.version();
SELECT * FROM retail.stock;
RESET ROLE;

SELECT retail.put_region('R', 'R') AS region, retail.put_node('N1', 'one', 'store', region => 'R') AS n1, retail.put_node('N2', 'two', 'store', region => 'R') AS n2, retail.put_supplier('S1', 'one') AS s1,
	retail.put_channel('app', 'App', 'app') AS channel, retail.put_sku('A', 'a', 100, list_price => 1, supplier => 'S1') AS a, retail.put_sku('B', 'b', 100, list_price => 1) AS b;
SELECT retail.receive_stock('r' || n, 'N' || n, '[{"sku": "A", "qty": 5}, {"sku": "B", "qty": 7}]') ->> 'units' AS units FROM generate_series(1, 2) n;
SELECT retail.bind_principal('regress_retail_store', node => 'N1') = retail.bind_principal('regress_retail_store', node => 'N1') AS bound_once;
SELECT retail.bind_principal('regress_retail_supplier', supplier => 'S1') > 0 AS bound;
SELECT role_name, n.code AS node, s.code AS supplier FROM retail.principal LEFT JOIN retail.node n USING (node_id) LEFT JOIN retail.supplier s ON s.supplier_id = principal.supplier_id ORDER BY 1;

-- A store sees and changes its own node ...
SET ROLE regress_retail_store;
SELECT n.code, k.code, s.on_hand FROM retail.stock s JOIN retail.node n USING (node_id) JOIN retail.sku k USING (sku_id) ORDER BY 1, 2;
SELECT retail.adjust_stock('mine', 'N1', '[{"sku": "A", "qty": -1}]', 'broken') - 'document_id' AS mine;
SELECT actor, quantity FROM retail.movement WHERE reason = 'broken';
-- ... and no other.
SELECT retail.adjust_stock('theirs', 'N2', '[{"sku": "A", "qty": -1}]', 'broken');
SELECT retail.hold_stock('theirs', 'app', '[{"sku": "A", "node": "N2", "qty": 1}]');
UPDATE retail.stock SET on_hand = 1000;
SELECT retail.bind_principal('regress_retail_store', node => 'N2');
SELECT * FROM retail.install();
SELECT role_name FROM retail.principal ORDER BY 1;
RESET ROLE;
-- A supplier sees where its SKUs lie.
SET ROLE regress_retail_supplier;
SELECT s.node_id, k.code, s.on_hand FROM retail.stock s JOIN retail.sku k USING (sku_id) ORDER BY 1, 2;
SELECT count(*) FROM retail.movement;
RESET ROLE;
SET ROLE regress_retail_app;
SELECT count(*) FROM retail.stock;
RESET ROLE;
SELECT count(*) AS violations FROM retail.check_integrity();

-- ---- settings ----
-- in the order of their names; the prefix is reserved
SELECT name, setting, coalesce(unit, '') AS unit, context FROM pg_settings WHERE name LIKE 'pg\_retail.%' ORDER BY name COLLATE "C";
SET pg_retail.no_such_setting = 1;
SET pg_retail.max_order_lines = 0;
BEGIN;
SET LOCAL pg_retail.max_order_lines = 1;
SELECT * FROM retail.quote_order('app', '[{"sku": "A", "qty": 1}, {"sku": "B", "qty": 1}]', '{"region": "R"}');
ROLLBACK;

-- ---- DROP EXTENSION keeps every row ----
DROP EXTENSION pg_retail;
SELECT sum(on_hand) AS on_hand FROM retail.stock;
SELECT sum(on_hand)::bigint AS on_hand FROM retail_bi.stock_by_sku;
CREATE EXTENSION pg_retail;
SELECT DISTINCT action FROM retail.install();
SELECT count(*) AS violations FROM retail.check_integrity();

DROP OWNED BY regress_retail_store, regress_retail_supplier, regress_retail_app, regress_retail_nobody;
DROP ROLE regress_retail_store, regress_retail_supplier, regress_retail_app, regress_retail_nobody;
