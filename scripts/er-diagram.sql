-- er-diagram.sql: prints docs/er-diagram.md, the entity-relationship diagram of
-- the live schema (Mermaid), for `make docs`. Run with psql -X -q -A -t.
SELECT '# Entity-relationship diagram

Generated from the live schema by `make docs`; do not edit. PK, FK and UK mark keys. Dotted lines are
references without a foreign key: hot tables carry none to rows that all writers share
(see [inventory](inventory.md)); `retail.check_integrity()` looks for orphans instead.
';

WITH tables AS (
	SELECT c.oid, c.relname FROM pg_class c WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p')
), columns AS (
	SELECT t.oid, t.relname, a.attnum, a.attname, replace(replace(format_type(a.atttypid, NULL), ' ', '_'), '[]', '_array') AS type_name,
		EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'p' AND a.attnum = ANY (k.conkey)) AS pk,
		EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey)) AS fk,
		EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'u' AND a.attnum = ANY (k.conkey)) AS uk
	FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
), rooms (room, title, members) AS (
	VALUES (1, 'Catalogue', '{region,channel,category,supplier,unit,sku,sku_unit,calendar,calendar_hours,calendar_day,node,carrier_service,lane,rate_card,rate_bracket}'::text[]),
		(2, 'Inventory', '{stock,safety_stock,stock_document,stock_transfer,stock_transfer_line,movement,stock_hold,reservation}'),
		(3, 'Sales and allocation', '{sales_order,order_line,shipment,shipment_line,order_event,payment,sales_return,return_line,allocation_policy,allocation_decision}'),
		(4, 'Foundation, worker and the rest', NULL)
), placed AS (
	SELECT t.oid, t.relname, coalesce((SELECT r.room FROM rooms r WHERE t.relname = ANY (r.members)), 4) AS room FROM tables t
), parts AS (
	SELECT r.room, 0 AS part, '' AS key, format(E'## %s\n\n```mermaid\nerDiagram', r.title) AS line FROM rooms r
	UNION ALL
	SELECT p.room, 1, p.relname, format(E'    %s {\n%s\n    }', p.relname,
		string_agg(format('        %s %s%s', c.type_name, c.attname,
			coalesce(' ' || nullif(concat_ws(',', CASE WHEN c.pk THEN 'PK' END, CASE WHEN c.fk THEN 'FK' END, CASE WHEN c.uk THEN 'UK' END), ''), '')), E'\n' ORDER BY c.attnum))
	FROM placed p JOIN columns c ON c.oid = p.oid GROUP BY p.room, p.relname
	UNION ALL
	SELECT p.room, 2, format('%s %s %s', f.relname, p.relname, k.conname),
		format('    %s %s--o{ %s : "%s"', f.relname, CASE WHEN bool_or(a.attnotnull) THEN '||' ELSE '|o' END, p.relname, string_agg(a.attname, ', ' ORDER BY a.attnum))
	FROM pg_constraint k JOIN placed p ON p.oid = k.conrelid JOIN tables f ON f.oid = k.confrelid
	JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
	WHERE k.contype = 'f' GROUP BY p.room, p.relname, f.relname, k.conname
	UNION ALL
	-- A column named like another table's single-column key refers to it.
	SELECT p.room, 3, format('%s %s %s', f.relname, p.relname, c.attname), format('    %s |o..o{ %s : "%s"', f.relname, p.relname, c.attname)
	FROM placed p JOIN columns c ON c.oid = p.oid AND NOT c.fk
	JOIN pg_constraint k ON k.contype = 'p' AND cardinality(k.conkey) = 1 AND k.conrelid <> p.oid
	JOIN tables f ON f.oid = k.conrelid
	JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] AND a.attname = c.attname AND a.attname ~ '_id$'
	UNION ALL
	SELECT r.room, 4, '', E'```\n' FROM rooms r
)
SELECT line FROM parts ORDER BY room, part, key COLLATE "C";
