-- reference.sql: prints docs/reference.md, every function, error code and
-- setting, from the comments of the live schema, for `make docs`.
-- Run with psql -X -q -A -t.
SELECT '# Reference

Made from the live schema by `make docs`; do not edit. Functions that begin with "Internal" are the rooms'' own:
no contract. The columns of every table are described by `\d+` and in the [ER diagram](er-diagram.md).

## Functions

| function | returns | roles | what it does |
|---|---|---|---|';

SELECT format('| `%s(%s)` | `%s` | %s | %s |', p.proname,
	regexp_replace(pg_get_function_arguments(p.oid), ',? ?OUT .*$', ''),
	replace(CASE WHEN cardinality(p.proallargtypes) > p.pronargs THEN
		CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END || '(' || (SELECT string_agg(a.name || ' ' || format_type(a.type, NULL), ', ' ORDER BY a.n)
		 FROM unnest(p.proargnames, p.proallargtypes, p.proargmodes) WITH ORDINALITY AS a (name, type, mode, n) WHERE a.mode IN ('o', 't')) || ')'
		ELSE pg_get_function_result(p.oid) END, '|', '\|'),
	coalesce((SELECT string_agg(replace(r.rolname, 'retail_', ''), ', ' ORDER BY r.rolname)
		FROM aclexplode(p.proacl) x JOIN pg_roles r ON r.oid = x.grantee WHERE x.privilege_type = 'EXECUTE' AND r.rolname ~ '^retail_'), 'none'),
	replace(obj_description(p.oid, 'pg_proc'), '|', '\|'))
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_retail'
ORDER BY p.proname COLLATE "C", pg_get_function_identity_arguments(p.oid) COLLATE "C";

SELECT '
## Error codes

All are of class RT, with a DETAIL that shows the offending value and a HINT that says how to mend it.

| SQLSTATE | name | meaning |
|---|---|---|';
SELECT format('| `%s` | %s | %s |', sqlstate, name, meaning) FROM retail.error_codes() ORDER BY sqlstate;

SELECT '
## Settings

| setting | default | unit | changed by | what it does |
|---|---|---|---|---|';
SELECT format('| `%s` | `%s` | %s | %s | %s |', name, boot_val, coalesce(unit, ''), context, short_desc) FROM pg_settings WHERE name LIKE 'pg_retail.%' ORDER BY name;

SELECT '
## Worker tasks and daily jobs

| task | function | interval | what it does |
|---|---|---|---|';
SELECT format('| `%s` | `%s` | %s | %s |', t.name, t.function_name, t.run_every, obj_description(p.oid, 'pg_proc'))
FROM retail.task t JOIN pg_proc p ON p.proname = t.function_name AND p.pronamespace = 'retail'::regnamespace ORDER BY t.name;
SELECT '
| daily job | cron schedule | command |
|---|---|---|';
SELECT format('| `%s` | `%s` | `%s` |', name, schedule, command) FROM retail.daily_job ORDER BY name;
SELECT '
## BI views

| view | what it shows |
|---|---|';
SELECT format('| `retail_bi.%s` | %s |', c.relname, obj_description(c.oid, 'pg_class')) FROM pg_class c
WHERE c.relnamespace = 'retail_bi'::regnamespace AND c.relkind = 'v' ORDER BY c.relname COLLATE "C";
