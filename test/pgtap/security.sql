-- security.sql: what must hold for every object of the platform, of rooms to
-- come too: comments, grants, search paths, row-level security, independence
-- of tables from the extension.
BEGIN;
SET client_min_messages = warning;
SELECT plan(39);

CREATE TEMP VIEW f AS SELECT p.oid, p.oid::regprocedure::text AS name, p.proname, p.prosecdef, p.proconfig, p.prosrc, p.proacl, p.proowner, p.provolatile, l.lanname
	FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = 'retail'::regnamespace;
CREATE TEMP VIEW t AS SELECT c.oid, c.oid::regclass::text AS name, c.relname, c.relkind, c.relnamespace::regnamespace::text AS schema, c.relrowsecurity, c.relacl, c.relowner, c.reloptions
	FROM pg_class c WHERE c.relnamespace IN ('retail'::regnamespace, 'retail_bi'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm', 'f');

-- ---- functions ------------------------------------------------------------------

SELECT cmp_ok((SELECT count(*) FROM f), '>', 50::bigint, 'there are functions to look at');
SELECT is_empty('SELECT name FROM f WHERE obj_description(oid, ''pg_proc'') IS NULL', 'every function has a comment');
SELECT is_empty($$ SELECT name FROM f WHERE proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) a WHERE a.grantee = 0) $$, 'no function is executable by PUBLIC');
SELECT is_empty($$ SELECT name, a.grantee::regrole FROM f, aclexplode(proacl) a WHERE a.grantee <> f.proowner
	AND a.grantee::regrole::text NOT IN ('retail_admin', 'retail_app', 'retail_store', 'retail_supplier', 'retail_service', 'retail_bi') $$, 'functions are granted to roles of the platform only');
SELECT is_empty($$ SELECT name FROM f, aclexplode(proacl) a WHERE a.grantee <> f.proowner AND a.is_grantable $$, 'nobody may pass a grant on');
SELECT is_empty($$ SELECT name, a.grantee::regrole FROM f, aclexplode(proacl) a WHERE obj_description(oid, 'pg_proc') LIKE 'Internal:%'
	AND a.grantee <> f.proowner AND a.grantee::regrole::text NOT IN ('retail_admin', 'retail_app') $$, 'internal functions are not for stores, suppliers, service and BI');
SELECT is_empty($$ SELECT name FROM f WHERE prosecdef AND NOT EXISTS (SELECT FROM unnest(proconfig) c WHERE c ~ '^search_path=retail, pg_catalog, pg_temp$') $$,
	'every SECURITY DEFINER function has the search path retail, pg_catalog, pg_temp');
SELECT is_empty($$ SELECT name FROM f WHERE EXISTS (SELECT FROM unnest(proconfig) c WHERE c LIKE 'search_path=%' AND c !~ ', pg_temp$') $$, 'every search path ends in pg_temp');
SELECT is_empty($$ SELECT name, m[1] FROM f, regexp_matches(prosrc, '''(RT[0-9A-Z]{3})''', 'g') m WHERE m[1] NOT IN (SELECT e.sqlstate FROM retail.error_codes() e) $$,
	'every error code raised is listed by error_codes()');
SELECT is_empty($$ SELECT name, m[1] FROM f, regexp_matches(obj_description(oid, 'pg_proc'), '(RT[0-9]{3})', 'g') m WHERE m[1] NOT IN (SELECT e.sqlstate FROM retail.error_codes() e) $$,
	'... and every one that a comment promises');
SELECT is_empty('SELECT e.sqlstate FROM retail.error_codes() e GROUP BY 1 HAVING count(*) > 1 OR min(e.sqlstate) !~ ''^RT[0-9]{3}$'' OR bool_or(coalesce(e.name, '''') = '''' OR coalesce(e.meaning, '''') = '''')',
	'error codes are of class RT, listed once, named and explained');
SELECT is_empty($$ SELECT name FROM f WHERE provolatile = 'i' AND prosrc ~ '(FROM|JOIN|INTO|UPDATE)\s+retail\.[a-z_]+\s' AND lanname <> 'c' $$, 'no function that reads tables calls itself immutable');

-- ---- tables and views ------------------------------------------------------------

SELECT cmp_ok((SELECT count(*) FROM t WHERE schema = 'retail'), '>', 30::bigint, 'there are tables to look at');
SELECT is_empty('SELECT name FROM t WHERE obj_description(oid, ''pg_class'') IS NULL', 'every table and view has a comment');
SELECT is_empty('SELECT name, a.attname FROM t JOIN pg_attribute a ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT a.attisdropped AND col_description(t.oid, a.attnum) IS NULL', 'every column has a comment');
SELECT is_empty($$ SELECT name, a.attname, a.atttypid::regtype FROM t JOIN pg_attribute a ON a.attrelid = t.oid JOIN pg_type y ON y.oid = a.atttypid
	WHERE a.attnum > 0 AND NOT a.attisdropped AND y.typnamespace <> 'pg_catalog'::regnamespace $$, 'every column has a built-in type');
SELECT is_empty('SELECT name FROM t WHERE schema = ''retail'' AND relkind NOT IN (''r'', ''p'') AND relname NOT IN (''member'', ''member_alarms'')', 'schema retail has tables, no views but those of the people');
SELECT is_empty('SELECT name FROM t WHERE schema = ''retail_bi'' AND relkind <> ''v''', 'schema retail_bi has views, nothing else');
SELECT is_empty($$ SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'retail_bi'::regnamespace $$, '... and no functions');
SELECT is_empty('SELECT name FROM t WHERE schema = ''retail_bi'' AND NOT coalesce(''security_invoker=true'' = ANY (reloptions), false)', 'every BI view runs with the rights of its reader');
SELECT is_empty($$ SELECT name FROM t, aclexplode(coalesce(relacl, acldefault('r', relowner))) a WHERE a.grantee = 0 $$, 'PUBLIC reads no table and no view');
SELECT is_empty($$ SELECT n.nspname FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a WHERE n.nspname IN ('retail', 'retail_bi') AND a.grantee = 0 $$,
	'PUBLIC may not even use the schemas');
SELECT is_empty($$ SELECT name, a.grantee::regrole, a.privilege_type FROM t, aclexplode(relacl) a WHERE a.grantee <> t.relowner
	AND a.privilege_type <> 'SELECT' AND a.grantee::regrole::text <> 'retail_admin' $$, 'rows change through functions: the roles may only read tables');

-- The extension can go, or be replaced, without touching what install() made.
SELECT is_empty($$ SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_depend d JOIN pg_extension e ON e.extname = 'pg_retail'
	WHERE d.classid <> 'pg_proc'::regclass AND (d.refclassid, d.refobjid) IN (
		SELECT 'pg_extension'::regclass::oid, e.oid UNION ALL
		SELECT m.classid, m.objid FROM pg_depend m WHERE m.refclassid = 'pg_extension'::regclass AND m.refobjid = e.oid AND m.deptype = 'e' AND m.classid <> 'pg_namespace'::regclass)
	AND d.classid IN ('pg_class'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass, 'pg_rewrite'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass) $$,
	'no table, view, policy, trigger, default or constraint depends on the extension');
SELECT is_empty($$ SELECT t.tgname, t.tgfoid::regprocedure FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = t.tgfoid AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_retail' WHERE c.relnamespace = 'retail'::regnamespace $$, 'trigger functions are not the extension''s');

-- ---- row-level security ------------------------------------------------------------

SELECT is_empty($$ SELECT DISTINCT name FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE schema = 'retail' AND relkind <> 'v' AND relname NOT IN ('node', 'lane') AND NOT relrowsecurity
	AND (a.attname IN ('node_id', 'order_id', 'member_id', 'transfer_id', 'return_id', 'shipment_id', 'hold_id', 'recipient') OR a.attname LIKE '%\_node\_id') $$,
	'row-level security is on wherever a node''s, an order''s or a person''s rows lie');
SELECT is_empty($$ SELECT name FROM t WHERE relrowsecurity AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.oid) $$, 'a table with row-level security has a policy');
SELECT is_empty($$ SELECT name, p.polname FROM t JOIN pg_policy p ON p.polrelid = t.oid WHERE p.polroles = '{0}' AND pg_get_expr(p.polqual, p.polrelid) = 'true' $$, 'no policy opens a table to everyone');
SELECT is_empty($$ SELECT c.column_name FROM information_schema.column_privileges c WHERE c.grantee = 'retail_bi' AND c.table_schema = 'retail' AND c.table_name = 'sales_order'
	AND c.column_name IN ('recipient', 'member_id', 'latitude', 'longitude', 'request_hash') $$, 'BI reads no column of an order that names or locates a person');

-- ---- a store's login -----------------------------------------------------------------

SELECT retail.put_supplier('SUP', '供应商') AS supplier, retail.put_sku('P', 'p', 1, supplier => 'SUP') AS p, retail.put_sku('Q', 'q', 1) AS q,
	retail.put_node('MINE', '本店', 'store') AS mine, retail.put_node('OTHER', '别店', 'store') AS other \gset
INSERT INTO retail.stock (sku_id, node_id, on_hand) VALUES (:p, :mine, 1), (:q, :mine, 2), (:p, :other, 4), (:q, :other, 8);
CREATE ROLE security_test_store LOGIN IN ROLE retail_store;
CREATE ROLE security_test_supplier LOGIN IN ROLE retail_supplier;
CREATE ROLE security_test_nobody LOGIN;

SELECT is(as_role('security_test_store', 'SELECT coalesce(sum(on_hand), 0) FROM retail.stock'), '0', 'a store that is not bound sees no stock');
SELECT is(retail.bind_principal('security_test_store', node => 'MINE'), retail.bind_principal('security_test_store', node => 'MINE'), 'binding twice is binding once');
SELECT is(as_role('security_test_store', 'SELECT sum(on_hand) FROM retail.stock'), '3', 'a bound store sees the stock of its own node');
SELECT is(as_role('security_test_store', 'SELECT string_agg(n.code, '','') FROM retail.principal p JOIN retail.node n USING (node_id)'), 'MINE', '... and its own binding');
SELECT is(as_role('security_test_store', format('SELECT retail.check_node_access(%s)', :other)), 'RT040', '... and may not act for another');
SELECT is(as_role('security_test_store', format('SELECT retail.check_node_access(%s)', :mine)), '', '... but for itself');
SELECT is(as_role('security_test_store', 'SELECT retail.bind_principal(''security_test_store'', node => ''OTHER'')'), '42501', '... and cannot bind itself elsewhere');
SELECT is(as_role('security_test_supplier', 'SELECT coalesce(sum(on_hand), 0) FROM retail.stock') || ', ' || retail.bind_principal('security_test_supplier', supplier => 'SUP') * 0 || ', ' ||
	as_role('security_test_supplier', 'SELECT sum(on_hand) FROM retail.stock'), '0, 0, 5', 'a supplier sees, once bound, where its own SKUs lie');
SELECT is(as_role('security_test_store', 'UPDATE retail.stock SET on_hand = 100 RETURNING 1'), '42501', 'nobody changes stock by hand');
SELECT is(as_role('security_test_nobody', 'SELECT count(*) FROM retail.stock'), '42501', 'a role that is none of ours sees nothing');

SELECT * FROM finish();
ROLLBACK;
