-- direct_writes.sql: orders and stock are written straight into their tables, or by statements where a table is more than a
-- plain one; nobody can tell which, but by the time it takes.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT plan(35);

SELECT retail.put_region('CN', '中国'), retail.put_region('SH', '上海', 'CN', 31.23, 121.47), retail.put_channel('app', 'App', 'app'),
	retail.put_sku('A', 'A', 500, list_price => 10), retail.put_sku('B', 'B', 700, list_price => 4.5),
	retail.put_node('N1', 'one', 'warehouse', 'SH'), retail.put_node('N2', 'two', 'store', 'SH'),
	retail.put_carrier_service('std', 'C', 'std'), retail.put_lane('std', 'CN', 'all', 24, from_region => 'CN'),
	retail.put_rate_card('std', 'all', 1000, 5, 1000, 1) \g /dev/null
SELECT retail.receive_stock('in', 'N1', '[{"sku": "A", "qty": 100}]', '2026-03-01'), retail.receive_stock('in', 'N2', '[{"sku": "B", "qty": 100}]', '2026-03-01') \g /dev/null

CREATE FUNCTION pg_temp.place(no text, qty int DEFAULT 1, fulfilment text DEFAULT 'ship') RETURNS boolean LANGUAGE sql VOLATILE AS $$
	SELECT replayed FROM retail.place_order('app', no, jsonb_build_array(jsonb_build_object('sku', 'A', 'qty', qty), '{"sku": "B", "qty": 1}'::jsonb), '{"region": "SH"}',
		payment => 'on_delivery', as_of => '2026-03-02 02:00+00') $$;
-- Every row of an order, without what numbers it.
CREATE FUNCTION pg_temp.rows_of(no text) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT jsonb_build_object(
		'order', (SELECT to_jsonb(o) - '{order_id,external_no,recorded_at,request_hash}'::text[] FROM retail.sales_order o WHERE o.order_id = order_id(no)),
		'lines', (SELECT jsonb_agg(to_jsonb(l) - 'order_id' ORDER BY l.line_no) FROM retail.order_line l WHERE l.order_id = order_id(no)),
		'shipments', (SELECT jsonb_agg(to_jsonb(s) - '{order_id,shipment_id}'::text[] ORDER BY s.node_id) FROM retail.shipment s WHERE s.order_id = order_id(no)),
		'contents', (SELECT jsonb_agg(to_jsonb(c) - '{order_id,shipment_id}'::text[] ORDER BY c.line_no) FROM retail.shipment_line c WHERE c.order_id = order_id(no)),
		'reservations', (SELECT jsonb_agg(to_jsonb(r) - '{order_id,shipment_id,reservation_id}'::text[] ORDER BY r.line_no) FROM retail.reservation r WHERE r.order_id = order_id(no)),
		'events', (SELECT jsonb_agg(to_jsonb(e) - '{order_id,event_id,recorded_at,xid}'::text[] ORDER BY e.event_id) FROM retail.order_event e WHERE e.order_id = order_id(no)),
		'decisions', (SELECT jsonb_agg(d.trace #- '{parcels,0,shipment_id}' #- '{parcels,1,shipment_id}') FROM retail.allocation_decision d WHERE d.order_id = order_id(no))) $$;

-- How many INSERTs into tables of orders this session has prepared.
CREATE FUNCTION pg_temp.statements() RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT count(*) FROM pg_backend_memory_contexts c WHERE c.name = 'CachedPlanSource'
		AND c.ident ~ '^INSERT INTO retail.(sales_order|order_line|order_event|shipment|shipment_line|reservation|allocation_decision) ' $$;

-- ---- the same rows in both ways ----
SELECT is(pg_temp.place('direct'), false, 'an order is written directly');
SELECT is(pg_temp.statements(), 0::bigint, '... without an INSERT');
SET pg_retail.direct_writes = off;
SELECT is(pg_temp.place('stated'), false, '... and one by statements');
SELECT is(pg_temp.statements(), 7::bigint, '... one for each table');
SELECT is(pg_temp.rows_of('direct'), pg_temp.rows_of('stated'), '... with the same rows');
SELECT ok(o.recorded_at = now() AND e.recorded_at = now() AND e.xid = pg_current_xact_id(), 'defaults are those of the table: ' || o.external_no)
	FROM retail.sales_order o JOIN retail.order_event e USING (order_id) ORDER BY o.order_id;
SELECT is(stock('A', 'N1'), '100/2', 'both are in the counters');
SELECT is(pg_temp.place('direct'), true, 'statements know the number of a direct order');
RESET pg_retail.direct_writes;
SELECT is(pg_temp.place('stated'), true, '... and the other way round');
SELECT raises('RT020', $$SELECT pg_temp.place('many', 99)$$, 'what is not there is refused');
SELECT is(order_id('many'), NULL, '... and nothing of it written');
SELECT is(stock('A', 'N1'), '100/2', '... not in the counters either');

-- ---- tables that a user changed ----
ALTER TABLE retail.order_line ADD COLUMN note text DEFAULT 'none', ADD COLUMN seen_at timestamptz DEFAULT now();
SELECT is(pg_temp.place('columns'), false, 'columns are added');
SELECT results_eq($$SELECT DISTINCT note, seen_at = now() FROM retail.order_line WHERE order_id = order_id('columns')$$, $$VALUES ('none', true)$$, '... and have their defaults');
ALTER TABLE retail.order_line DROP COLUMN note;
SELECT is(pg_temp.place('dropped'), false, 'a column is dropped');
ALTER TABLE retail.order_line ADD CONSTRAINT few CHECK (quantity < 5);
SELECT is((SELECT pg_temp.place('few', 4)), false, 'a constraint is added: it holds');
SELECT throws_ok($$SELECT pg_temp.place('much', 5)$$, '23514', 'new row for relation "order_line" violates check constraint "few"', '... and refuses');
SELECT is(order_id('much'), NULL, '... the whole order');
ALTER TABLE retail.order_line DROP CONSTRAINT few;
CREATE UNIQUE INDEX one_a_day ON retail.sales_order (placed_at) WHERE goods_total > 60;
SELECT is(pg_temp.place('unique', 7), false, 'a unique index is added: it holds');
SELECT throws_ok($$SELECT pg_temp.place('again', 7)$$, '23505', NULL, '... and refuses');
DROP INDEX retail.one_a_day;
ALTER TABLE retail.shipment ALTER COLUMN zone SET NOT NULL;
SELECT is(pg_temp.place('zone'), false, 'a column must be given: it is');
ALTER TABLE retail.shipment ALTER COLUMN zone DROP NOT NULL;

-- A trigger fires, and may change the row: such a table is written by statements.
CREATE FUNCTION pg_temp.mark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.tracking_no := 'T' || NEW.node_id; RETURN NEW; END $$;
CREATE TRIGGER mark BEFORE INSERT ON retail.shipment FOR EACH ROW EXECUTE FUNCTION pg_temp.mark();
SELECT is(pg_temp.place('trigger'), false, 'a trigger is added');
SELECT is((SELECT count(*) FROM retail.shipment s WHERE s.order_id = order_id('trigger') AND s.tracking_no = 'T' || s.node_id), 2::bigint, '... and fires');
DROP TRIGGER mark ON retail.shipment;
CREATE TEMP TABLE heard (sku_id bigint, reserved bigint);
CREATE FUNCTION pg_temp.hear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO heard VALUES (NEW.sku_id, NEW.reserved); RETURN NULL; END $$;
CREATE TRIGGER hear AFTER UPDATE ON retail.stock FOR EACH ROW EXECUTE FUNCTION pg_temp.hear();
SELECT is(pg_temp.place('stock'), false, 'a trigger on stock is added');
SELECT is((SELECT count(*) FROM heard), 2::bigint, '... and fires for each row');
DROP TRIGGER hear ON retail.stock;
-- A trigger that orders itself, while the plan of the table becomes outdated.
CREATE FUNCTION pg_temp.mirror() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.external_no NOT LIKE 'mirror%' THEN
		EXECUTE 'CREATE OR REPLACE FUNCTION pg_temp.nothing() RETURNS int LANGUAGE sql RETURN 1';
		PERFORM pg_temp.place('mirror of ' || NEW.external_no);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER mirror AFTER INSERT ON retail.sales_order FOR EACH ROW EXECUTE FUNCTION pg_temp.mirror();
SELECT is(pg_temp.place('gift'), false, 'a trigger that places orders is added');
SELECT ok(order_id('mirror of gift') > order_id('gift'), '... and does so');
DROP TRIGGER mirror ON retail.sales_order;

-- An index that is still being built, or was given up, is no key.
CREATE UNIQUE INDEX later ON retail.sales_order (channel_id, external_no);
UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = 'retail.later'::regclass;
SELECT is(pg_temp.place('later'), false, 'an index that holds nothing yet: a number that nobody has is new');
SELECT is(pg_temp.place('later'), true, '... once');
SELECT is(pg_temp.place('gift'), true, '... and others are known by the key that holds');
DROP INDEX retail.later;

ALTER TABLE retail.shipment ADD COLUMN heavy boolean GENERATED ALWAYS AS (weight_g > 1000) STORED;
SELECT is(pg_temp.place('generated', 3), false, 'a generated column is added');
SELECT results_eq($$SELECT heavy FROM retail.shipment WHERE order_id = order_id('generated') ORDER BY weight_g$$, $$VALUES (false), (true)$$, '... and computed');

ALTER TABLE retail.reservation ALTER COLUMN line_no TYPE bigint;
SELECT is(pg_temp.place('type'), false, 'a column has another type');

SELECT is((SELECT count(*) FROM retail.check_integrity()), 0::bigint, 'the books agree');
SELECT * FROM finish();
ROLLBACK;
