-- bad_input.sql: what bad input gets: an SQLSTATE of class RT with DETAIL and HINT, and a database that is as it was.
-- And what is only unusual, which is taken.
\set ECHO none
\pset tuples_only on
\pset format unaligned
\pset null null
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
CREATE EXTENSION pg_retail;
SELECT count(*) > 0 FROM retail.install();
-- Nothing shall move by itself while we look.
SELECT count(retail.enable_task(name, false)) > 0 FROM retail.task;

CREATE TABLE hint_seen (hint text PRIMARY KEY);
-- Calls, and tells what came of it. Long values are cut, moments of now hidden, a hint is printed once.
CREATE FUNCTION bad(what text, call text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	message text;
	detail text;
	hint text;
	answer text;
BEGIN
	RETURN NEXT '* ' || what;
	BEGIN
		EXECUTE 'SELECT x::text FROM ' || call || ' AS x LIMIT 1' INTO answer;
		RETURN NEXT '    ACCEPTED: ' || left(coalesce(answer, 'null'), 100);
		RETURN;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	END;
	message := regexp_replace(message, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+\d\d', '<now>');
	detail := regexp_replace(detail, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+\d\d', '<now>');
	RETURN NEXT format('    %s %s', state, left(message, 100));
	RETURN NEXT format('      %s', CASE WHEN detail = '' THEN 'NO DETAIL' WHEN length(detail) > 180 THEN format('%s... (%s characters)', left(detail, 60), length(detail)) ELSE detail END);
	INSERT INTO hint_seen VALUES (hint) ON CONFLICT DO NOTHING;
	IF FOUND THEN
		RETURN NEXT format('      Hint: %s', CASE WHEN hint = '' THEN 'NONE' ELSE hint END);
	END IF;
END $$;

-- An order that must be refused, by place_order() and by quote_order() in the same words.
CREATE FUNCTION bad_order(what text, lines text, destination text DEFAULT '''{"region": "BJ"}''', channel text DEFAULT '''app''', more text DEFAULT '') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	placed text[] := ARRAY(SELECT bad(what, format('retail.place_order(%s, ''BAD'', %s, %s, as_of => ''2026-03-02 02:00+00'' %s)', channel, lines, destination, more)));
	quoted text[] := ARRAY(SELECT bad(what, format('retail.quote_order(%s, %s, %s, as_of => ''2026-03-02 02:00+00'' %s)', channel, lines, destination, more)));
BEGIN
	RETURN QUERY SELECT unnest(placed);
	IF ARRAY(SELECT l FROM unnest(placed) l WHERE l !~ '^ +Hint: ') <> quoted THEN
		RETURN NEXT '  but quote_order() answers:';
		RETURN QUERY SELECT unnest(quoted[2:]);
	END IF;
END $$;

-- Every table of the platform: how many rows, and a hash of what is in them.
CREATE FUNCTION database_state() RETURNS TABLE (name text, n bigint, content text) LANGUAGE plpgsql AS $$
BEGIN
	FOR name IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind = 'r' ORDER BY 1 LOOP
		EXECUTE format('SELECT count(*), md5(string_agg(t::text, '' '' ORDER BY t::text)) FROM retail.%I t', name) INTO n, content;
		RETURN NEXT;
	END LOOP;
END $$;
CREATE FUNCTION changed() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT format('CHANGED: %s had %s rows, has %s', name, b.n, a.n) FROM database_state() a FULL JOIN public.before b USING (name) WHERE (a.n, a.content) IS DISTINCT FROM (b.n, b.content);
	IF NOT FOUND THEN
		RETURN NEXT 'The database is as it was.';
	END IF;
END $$;

\echo ---- a chain whose names are in many scripts ----
SELECT retail.put_region('CN', '中国', latitude => 35, longitude => 105), retail.put_region('BJ', '北京 🏯', parent => 'CN', latitude => 39.9, longitude => 116.4),
	retail.put_region('القاهرة', 'القاهرة', latitude => 30.04, longitude => 31.24), retail.put_region('nowhere', 'no lane leads here');
SELECT retail.put_channel('app', '小程序', 'app'), retail.put_channel('خط', 'قناة', 'web'), retail.put_channel('old', 'closed', 'web', is_active => false);
SELECT retail.put_carrier_service('STD', '顺丰速运', '标快'), retail.put_carrier_service('क', 'डाक', 'साधारण');
SELECT retail.put_lane('STD', 'CN', 'z', 48, from_region => 'CN'), retail.put_lane('क', 'القاهرة', 'ж', 96, from_region => 'CN');
SELECT retail.put_rate_card('STD', 'z', 1000, 10, 1000, 2, max_weight_g => 50000), retail.put_rate_card('क', 'ж', 1000, 50, 1000, 20);
SELECT retail.put_node('W1', '北京仓', 'warehouse', region => 'BJ'), retail.put_node('W2', '上海仓', 'warehouse', region => 'CN'),
	retail.put_node('S1', 'Магазин', 'store', region => 'BJ', can_ship => false, can_pick_up => true, can_receive => false),
	retail.put_node('W0', 'closed', 'warehouse', region => 'BJ', is_active => false);
SELECT retail.put_unit('BOX', 'box');
SELECT retail.put_sku('A1', 'tea', 500, list_price => 9.90), retail.put_sku('A2', 'pot', 2000, list_price => 50), retail.put_sku('A3', 'no price', 100),
	retail.put_sku('A0', 'inactive', 100, list_price => 1, is_active => false), retail.put_sku('COLD', 'milk', 1000, list_price => 5, temperature_class => 'chilled'),
	retail.put_sku('茶', '茶叶', 250, list_price => 30), retail.put_sku('שוקולד', 'שוקולד', 100, list_price => 8), retail.put_sku('🍵☕️', 'two cups', 300, list_price => 12),
	retail.put_sku(U&'zero\200Bwidth', 'with a zero-width space', 300, list_price => 12), retail.put_sku('e' || U&'\0301', 'e and a combining accent', 10, list_price => 1),
	retail.put_sku(U&'\00E9', 'the same, composed', 10, list_price => 2);
SELECT retail.put_sku_unit('A1', 'BOX', 7);
SELECT retail.receive_stock('r1', 'W1', '[{"sku": "A1", "qty": 100}, {"sku": "A2", "qty": 100}, {"sku": "COLD", "qty": 100}, {"sku": "A3", "qty": 100}, {"sku": "A0", "qty": 9}]', '2026-03-01 00:00+00') ->> 'skus',
	retail.receive_stock('r2', 'W1', (SELECT jsonb_agg(jsonb_build_object('sku', code, 'qty', 20) ORDER BY code) FROM retail.sku WHERE code !~ '^[A-Z]'), '2026-03-01 00:00+00') ->> 'skus',
	retail.adjust_stock('r3', 'S1', '[{"sku": "A1", "qty": 10}]', 'found', '2026-03-01 00:00+00') ->> 'skus',
	retail.receive_stock('r4', 'W2', '[{"sku": "A1", "qty": 5}]', '2026-03-01 00:00+00') ->> 'skus';
-- Orders whose later life is asked for below: one is paid, one open, one shipped, one waits at the counter.
SELECT external_no, status, total FROM (VALUES ('paid'), ('open'), ('sent')) n (external_no),
	LATERAL retail.place_order('app', external_no, '[{"sku": "A1", "qty": 3}, {"sku": "A2", "qty": 1}]', '{"region": "BJ"}', as_of => '2026-03-01 02:00+00');
SELECT status FROM retail.place_order('app', 'counter', '[{"sku": "A1", "qty": 1}]', fulfilment => 'pick_up', pick_up_node => 'S1', payment => 'on_delivery', as_of => '2026-03-01 02:00+00');
CREATE FUNCTION parcel(no text) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT s.shipment_id FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no = no $$;
SELECT retail.record_payment('app', no, 'P-' || no, 95.70, 'wechat', '2026-03-01 02:05+00') ->> 'payment_state' FROM (VALUES ('paid'), ('sent')) n (no);
SELECT retail.ship_order(parcel('sent'), 'T1', as_of => '2026-03-01 08:00+00') ->> 'status';
SELECT retail.return_order('B1', 'app', 'sent', 'W1', '[{"sku": "A1", "qty": 1}]', 'too green', '2026-03-05 08:00+00') ->> 'amount';
SELECT retail.hold_stock('H1', 'app', '[{"sku": "A1", "node": "W1", "qty": 2}]', NULL, '2026-03-01 02:00+00') ->> 'replayed';
SELECT retail.transfer_out('X1', 'W1', 'W2', '[{"sku": "A2", "qty": 10}]', '2026-03-01 02:00+00') ->> 'units';
SELECT retail.put_allocation_policy('gone', 'active'), retail.put_allocation_policy('standard', 'active'), retail.put_allocation_policy('one parcel', max_parcels => 1);
SELECT count(*) FROM retail.check_integrity();
CREATE TABLE before AS SELECT * FROM database_state();
SELECT changed();

\echo ---- lines: the list ----
SELECT bad_order('no lines at all', 'NULL');
SELECT bad_order('an empty list', $$'[]'$$);
SELECT bad_order('JSON null', $$'null'$$);
SELECT bad_order('an object', $$'{"sku": "A1", "qty": 1}'$$);
SELECT bad_order('a number', '''1''');
SELECT bad_order('a string', $$'"A1"'$$);
SELECT bad_order('201 lines', $$(SELECT jsonb_agg(jsonb_build_object('sku', 'A1', 'qty', 1)) FROM generate_series(1, 201))$$);
SELECT bad_order('10,000 lines', $$(SELECT jsonb_agg(jsonb_build_object('sku', 'A1', 'qty', 1)) FROM generate_series(1, 10000))$$);
SELECT bad_order('nested 1,000 deep', $$(repeat('[', 1000) || repeat(']', 1000))::jsonb$$);
SELECT bad_order('a line nested 1,000 deep', $$(repeat('[', 1000) || '1' || repeat(']', 1000))::jsonb || '[1]'$$);
SELECT bad_order('a field nested 1,000 deep', $$('[{"sku": ' || repeat('{"a":', 1000) || '1' || repeat('}', 1000) || ', "qty": 1}]')::jsonb$$);
SELECT bad_order('a line that is a number', '''[1]''');
SELECT bad_order('a line that is null', '''[null]''');
SELECT bad_order('a line that is an array', $$'[["A1", 1]]'$$);
SELECT bad_order('the second line is broken', $$'[{"sku": "A1", "qty": 1}, {"qty": 1}]'$$);
SELECT bad_order('a NUL in the JSON, which PostgreSQL refuses itself', $$'[{"sku": "A\u0000", "qty": 1}]'$$);

\echo ---- lines: the SKU ----
SELECT bad_order('an unknown SKU', $$'[{"sku": "NOPE", "qty": 1}]'$$);
SELECT bad_order('an unknown SKU in the second line', $$'[{"sku": "A1", "qty": 1}, {"sku": "NOPE", "qty": 1}]'$$);
SELECT bad_order('another case', $$'[{"sku": "a1", "qty": 1}]'$$);
SELECT bad_order('a blank too many', $$'[{"sku": "A1 ", "qty": 1}]'$$);
SELECT bad_order('an inactive SKU', $$'[{"sku": "A0", "qty": 1}]'$$);
SELECT bad_order('no SKU', $$'[{"qty": 1}]'$$);
SELECT bad_order('SKU null', $$'[{"sku": null, "qty": 1}]'$$);
SELECT bad_order('SKU a number', $$'[{"sku": 1, "qty": 1}]'$$);
SELECT bad_order('SKU empty', $$'[{"sku": "", "qty": 1}]'$$);
SELECT bad_order('SKU of 1 MB', $$jsonb_build_array(jsonb_build_object('sku', repeat('茶', 349525), 'qty', 1))$$);
SELECT bad_order('SKU with a quote', $$'[{"sku": "A1''; DROP TABLE retail.sku; --", "qty": 1}]'$$);
SELECT bad_order('SKU in Arabic', $$'[{"sku": "شاي", "qty": 1}]'$$);
SELECT bad_order('SKU an emoji', $$'[{"sku": "🍵", "qty": 1}]'$$);
SELECT bad_order('SKU without its zero-width space', $$'[{"sku": "zerowidth", "qty": 1}]'$$);

\echo ---- lines: the quantity ----
SELECT bad_order('quantity ' || q, format($$'[{"sku": "A1", "qty": %s}]'$$, q))
FROM unnest(ARRAY['0', '-1', '-0.0', '1.5', '0.0001', '"3"', 'null', 'true', '[1]', '1000000001', '9223372036854775808', '1e20']) q;
SELECT bad_order('quantity 1e400', $$'[{"sku": "A1", "qty": 1e400}]'$$);
SELECT bad_order('quantity -1e400', $$'[{"sku": "A1", "qty": -1e400}]'$$);
SELECT bad_order('quantity 1e-400', $$'[{"sku": "A1", "qty": 1e-400}]'$$);
SELECT bad_order('quantity 1e130000', $$'[{"sku": "A1", "qty": 1e130000}]'$$);
SELECT bad_order('no quantity', $$'[{"sku": "A1"}]'$$);
SELECT bad_order('lines of one SKU that sum to more than a billion', $$'[{"sku": "A1", "qty": 999999999}, {"sku": "A1", "qty": 2}]'$$);
SELECT bad_order('lines of one SKU that sum to more than there is', $$'[{"sku": "A1", "qty": 60}, {"sku": "A2", "qty": 1}, {"sku": "A1", "qty": 60}]'$$);
SELECT bad_order('a pack that nobody knows', $$'[{"sku": "A1", "qty": 1, "unit": "PALLET"}]'$$);
SELECT bad_order('a pack of another SKU', $$'[{"sku": "A2", "qty": 1, "unit": "BOX"}]'$$);
SELECT bad_order('a pack that is a number', $$'[{"sku": "A1", "qty": 1, "unit": 7}]'$$);
SELECT bad_order('packs that are too many units', $$'[{"sku": "A1", "qty": 1000000000, "unit": "BOX"}]'$$);

\echo ---- lines: money ----
SELECT bad_order('price ' || p, format($$'[{"sku": "A1", "qty": 1, "price": %s}]'$$, p))
FROM unnest(ARRAY['-0.01', '-1', '0.001', '1000000000', '1e20', '"9.90"', '"NaN"', 'true', '[]']) p;
SELECT bad_order('price 1e400', $$'[{"sku": "A1", "qty": 1, "price": 1e400}]'$$);
SELECT bad_order('price 1e-400', $$'[{"sku": "A1", "qty": 1, "price": 1e-400}]'$$);
SELECT bad_order('no price at all', $$'[{"sku": "A3", "qty": 1}]'$$);
SELECT bad_order('one SKU with two prices', $$'[{"sku": "A1", "qty": 1, "price": 9}, {"sku": "A1", "qty": 1, "price": 8}]'$$);
SELECT bad_order('a pack whose pieces do not cost whole cents', $$'[{"sku": "A1", "qty": 1, "unit": "BOX", "price": 10}]'$$);
SELECT bad_order('an amount too large', $$'[{"sku": "A1", "qty": 1000000000, "price": 999999999.99}]'$$);
SELECT bad_order('a sum too large', $$'[{"sku": "A1", "qty": 9, "price": 999999999.99}, {"sku": "A2", "qty": 9, "price": 999999999.99}]'$$);
SELECT bad_order('an order too large', $$(SELECT jsonb_agg(jsonb_build_object('sku', code, 'qty', 900, 'price', 999999999.99) ORDER BY code) FROM retail.sku WHERE is_active)$$);
SELECT bad_order('discount ' || d, format($$'[{"sku": "A1", "qty": 1, "discount": %s}]'$$, d))
FROM unnest(ARRAY['-0.01', '0.001', '9.91', '1e400', '"1"']) d;
SELECT bad_order('discounts that sum to more than the amount', $$'[{"sku": "A1", "qty": 1, "discount": 9.90}, {"sku": "A1", "qty": 1, "discount": 9.91}]'$$);

\echo ---- destination ----
SELECT bad_order('no destination', $$'[{"sku": "A1", "qty": 1}]'$$, 'NULL');
SELECT bad_order('destination ' || d, $$'[{"sku": "A1", "qty": 1}]'$$, format('%L', d))
FROM unnest(ARRAY['{}', '[]', 'null', '"BJ"', '{"region": "XX"}', '{"region": 1}', '{"region": ""}', '{"region": null}', '{"lat": 39.9}', '{"lon": 116}', '{"lat": 39.9, "lon": null}',
	'{"lat": 0, "lon": -30}', '{"lat": 91, "lon": 0}', '{"lat": -90.0001, "lon": 0}', '{"lat": 0, "lon": 180.5}', '{"lat": 0, "lon": -181}', '{"lat": "39.9", "lon": "116.4"}', '{"lat": "NaN", "lon": 0}',
	'{"lat": 1e400, "lon": 0}', '{"lat": 0, "lon": -1e400}', '{"region": "BJ", "lat": 200, "lon": 0}']) d;
SELECT bad_order('a region that no lane reaches', $$'[{"sku": "A1", "qty": 1}]'$$, $$'{"region": "nowhere"}'$$);
SELECT bad_order('a region in the shape of a bomb', $$'[{"sku": "A1", "qty": 1}]'$$, $$('{"region": ' || repeat('[', 1000) || repeat(']', 1000) || '}')::jsonb$$);
SELECT bad_order('a region of 1 MB', $$'[{"sku": "A1", "qty": 1}]'$$, $$jsonb_build_object('region', repeat('x', 1048576))$$);

\echo ---- channel, fulfilment, money, policy ----
SELECT bad_order('channel ' || coalesce(c, 'null'), $$'[{"sku": "A1", "qty": 1}]'$$, channel => coalesce(quote_literal(c), 'NULL')) FROM unnest(ARRAY['nope', 'APP', '', ' app', 'old', NULL]) c;
SELECT bad_order('channel of 1 MB', $$'[{"sku": "A1", "qty": 1}]'$$, channel => $$repeat('خ', 524288)$$);
SELECT bad_order(m, $$'[{"sku": "A1", "qty": 1}]'$$, more => ', ' || m)
FROM unnest(ARRAY[$$fulfilment => 'drone'$$, 'fulfilment => NULL', $$fulfilment => 'counter'$$, $$fulfilment => 'pick_up'$$, $$fulfilment => 'pick_up', pick_up_node => 'nope'$$,
	$$fulfilment => 'pick_up', pick_up_node => 'W1'$$, $$fulfilment => 'pick_up', pick_up_node => 'W0'$$, $$freight => -0.01$$, $$freight => 'NaN'$$, $$freight => 'Infinity'$$, $$freight => 1e20$$,
	$$freight => 0.001$$, $$policy => 'nope'$$, $$policy => ''$$, $$policy => 'gone'$$]) m;
SELECT bad('payment => ' || p, format($$retail.place_order('app', 'BAD', '[{"sku": "A1", "qty": 1}]', '{"region": "BJ"}', payment => %s)$$, p)) FROM unnest(ARRAY['''barter''', '''''', 'NULL']) p;
SELECT bad('as_of => ' || t, format($$retail.place_order('app', 'BAD', '[{"sku": "A1", "qty": 1}]', '{"region": "BJ"}', as_of => %s)$$, t))
FROM unnest(ARRAY['NULL', '''infinity''', '''-infinity''', '''1999-12-31 23:59:59+00''', '''2100-01-01 00:00+00''', '''4713-01-01 00:00+00 BC''', '''294276-12-31 00:00+00''']) t;
SELECT bad('quote as_of => ' || t, format($$retail.quote_order('app', '[{"sku": "A1", "qty": 1}]', '{"region": "BJ"}', as_of => %s)$$, t))
FROM unnest(ARRAY['NULL', '''infinity''', '''1999-12-31 23:59:59+00''', '''2100-01-01 00:00+00''']) t;

\echo ---- stock that is not there, or does not get there ----
SELECT bad_order('more than there is', $$'[{"sku": "A1", "qty": 1000}]'$$);
SELECT bad_order('a billion', $$'[{"sku": "A2", "qty": 1000000000}]'$$);
SELECT bad_order('more than lies where it is picked up', $$'[{"sku": "A1", "qty": 11}]'$$, more => $$, fulfilment => 'pick_up', pick_up_node => 'S1'$$);
SELECT bad_order('what is not where it is picked up', $$'[{"sku": "A2", "qty": 1}]'$$, more => $$, fulfilment => 'pick_up', pick_up_node => 'S1'$$);
SELECT bad_order('chilled goods, and no carrier that cools', $$'[{"sku": "COLD", "qty": 1}]'$$);
SELECT bad_order('heavier than the rate card goes', $$'[{"sku": "A2", "qty": 26}]'$$, more => $$, policy => 'one parcel'$$);

\echo ---- the order number ----
SELECT bad('external_no ' || coalesce(left(quote_literal(n), 20), 'null'), format($$retail.place_order('app', %L, '[{"sku": "A1", "qty": 1}]', '{"region": "BJ"}', as_of => '2026-03-02 02:00+00')$$, n))
FROM unnest(ARRAY[NULL, '', '   ', E'a\tb', E'a\nb', E'\x7f', repeat('x', 201), repeat('x', 1048576)]) n;
SELECT bad('the same number, another quantity', $$retail.place_order('app', 'open', '[{"sku": "A1", "qty": 4}, {"sku": "A2", "qty": 1}]', '{"region": "BJ"}')$$);
SELECT bad('the same number, another region', $$retail.place_order('app', 'open', '[{"sku": "A1", "qty": 3}, {"sku": "A2", "qty": 1}]', '{"region": "CN"}')$$);
SELECT bad('the same number, another freight', $$retail.place_order('app', 'open', '[{"sku": "A1", "qty": 3}, {"sku": "A2", "qty": 1}]', '{"region": "BJ"}', freight => 5)$$);
SELECT bad('the same number, an order that could not be placed', $$retail.place_order('app', 'open', '[{"sku": "NOPE", "qty": 3}]', '{"region": "BJ"}')$$);
-- The same number with the same content gets the first answer, whenever it comes.
SELECT o.status, o.total, o.promised_at, o.parcels -> 0 ->> 'node', o.replayed, o.order_id = (SELECT x.order_id FROM retail.sales_order x WHERE x.external_no = 'open')
FROM retail.place_order('app', 'open', '[{"sku": "A1", "qty": 3}, {"sku": "A2", "qty": 1}]', '{"region": "BJ"}', as_of => '2031-01-01 00:00+00') o;

SELECT changed();

\echo ---- stock ----
SELECT bad('receive_stock: lines ' || coalesce(left(l, 60), 'null'), format($$retail.receive_stock('BAD', 'W1', %L)$$, l))
FROM unnest(ARRAY[NULL, '[]', '{}', 'null', '1', '[1]', '[null]', '[{}]', '[{"sku": "NOPE", "qty": 1}]', '[{"sku": null, "qty": 1}]', '[{"sku": 7, "qty": 1}]', '[{"sku": "A1"}]', '[{"sku": "A1", "qty": 0}]', '[{"sku": "A1", "qty": -1}]',
	'[{"sku": "A1", "qty": 1.5}]', '[{"sku": "A1", "qty": "1"}]', '[{"sku": "A1", "qty": 1e400}]', '[{"sku": "A1", "qty": 1000000001}]', '[{"sku": "A1", "qty": 1, "condition": "broken"}]',
	'[{"sku": "A1", "qty": 1, "condition": 1}]', repeat('[', 1000) || repeat(']', 1000)]) l;
SELECT bad('receive_stock: 100,001 lines', $$retail.receive_stock('BAD', 'W1', (SELECT jsonb_agg(jsonb_build_object('sku', 'A1', 'qty', 1)) FROM generate_series(1, 100001)))$$);
SELECT bad('receive_stock: a SKU of 1 MB', $$retail.receive_stock('BAD', 'W1', jsonb_build_array(jsonb_build_object('sku', repeat('茶', 349525), 'qty', 1)))$$);
SELECT bad('receive_stock: node ' || coalesce(left(n, 20), 'null'), format($$retail.receive_stock('BAD', %L, '[{"sku": "A1", "qty": 1}]')$$, n)) FROM unnest(ARRAY[NULL, '', 'nope', 'W0', 'S1', repeat('仓', 1000)]) n;
SELECT bad('receive_stock: document_no ' || coalesce(left(quote_literal(n), 20), 'null'), format($$retail.receive_stock(%L, 'W1', '[{"sku": "A1", "qty": 1}]')$$, n)) FROM unnest(ARRAY[NULL, '', ' ', E'\r', repeat('n', 201)]) n;
SELECT bad('receive_stock: as_of ' || coalesce(t, 'null'), format($$retail.receive_stock('BAD', 'W1', '[{"sku": "A1", "qty": 1}]', %L)$$, t)) FROM unnest(ARRAY[NULL, 'infinity', '1999-12-31 00:00+00', '2100-01-01 00:00+00']) t;
SELECT bad('receive_stock: the same number, other lines', $$retail.receive_stock('r1', 'W1', '[{"sku": "A1", "qty": 1}]')$$);
SELECT bad('receive_stock: the same number, other content', $$retail.receive_stock('r4', 'W2', '[{"sku": "A1", "qty": 6}]')$$);
SELECT retail.receive_stock('r4', 'W2', '[{"sku": "A1", "qty": 5}]') - 'document_id' AS "the first answer";
SELECT bad('adjust_stock: quantity 0', $$retail.adjust_stock('BAD', 'W1', '[{"sku": "A1", "qty": 0}]', 'lost')$$);
SELECT bad('adjust_stock: reason ' || coalesce(left(r, 20), 'null'), format($$retail.adjust_stock('BAD', 'W1', '[{"sku": "A1", "qty": 1}]', %L)$$, r)) FROM unnest(ARRAY[NULL, '', repeat('r', 61)]) r;
SELECT bad('count_stock: quantity -1', $$retail.count_stock('BAD', 'W1', '[{"sku": "A1", "qty": -1}]')$$);
SELECT bad('count_stock: in the future', $$retail.count_stock('BAD', 'W1', '[{"sku": "A1", "qty": 1}]', '2099-01-01 00:00+00')$$);
SELECT bad('transfer_out: more than is free', $$retail.transfer_out('BAD', 'W1', 'W2', '[{"sku": "A1", "qty": 101}]')$$);
SELECT bad('transfer_out: to itself', $$retail.transfer_out('BAD', 'W1', 'W1', '[{"sku": "A1", "qty": 1}]')$$);
SELECT bad('transfer_out: to a node that does not receive', $$retail.transfer_out('BAD', 'W1', 'S1', '[{"sku": "A1", "qty": 1}]')$$);
SELECT bad('transfer_out: to a node that is not', $$retail.transfer_out('BAD', 'W1', 'nope', '[{"sku": "A1", "qty": 1}]')$$);
SELECT bad('transfer_out: the same number, other lines', $$retail.transfer_out('X1', 'W1', 'W2', '[{"sku": "A2", "qty": 11}]')$$);
SELECT bad('transfer_in: unknown', $$retail.transfer_in('nope')$$);
SELECT bad('transfer_in: null', $$retail.transfer_in(NULL)$$);
SELECT bad('transfer_in: a SKU that was not sent', $$retail.transfer_in('X1', '[{"sku": "A1", "qty": 1}]')$$);
SELECT bad('transfer_in: damaged -1', $$retail.transfer_in('X1', '[{"sku": "A2", "qty": 1, "damaged": -1}]')$$);
SELECT bad('transfer_in: damaged 0.5', $$retail.transfer_in('X1', '[{"sku": "A2", "qty": 1, "damaged": 0.5}]')$$);
SELECT bad('hold_stock: ' || c, 'retail.hold_stock(' || c || ')') FROM unnest(ARRAY[$$NULL, 'app', '[{"sku": "A1", "node": "W1", "qty": 1}]'$$, $$'BAD', 'nope', '[{"sku": "A1", "node": "W1", "qty": 1}]'$$,
	$$'BAD', 'app', '[{"sku": "A1", "qty": 1}]'$$, $$'BAD', 'app', '[{"sku": "A1", "node": "nope", "qty": 1}]'$$, $$'BAD', 'app', '[{"sku": "A1", "node": 1, "qty": 1}]'$$, $$'BAD', 'app', '[{"sku": "A1", "node": "W1", "qty": 0}]'$$,
	$$'BAD', 'app', '[{"sku": "A1", "node": "W1", "qty": 99}]'$$, $$'BAD', 'app', '[{"sku": "A1", "node": "W1", "qty": 90}, {"sku": "A1", "node": "W1", "qty": 90}]'$$,
	$$'BAD', 'app', '[{"sku": "A1", "node": "W1", "qty": 1}]', '0'$$, $$'BAD', 'app', '[{"sku": "A1", "node": "W1", "qty": 1}]', '-1 hour'$$, $$'BAD', 'app', '[{"sku": "A1", "node": "W1", "qty": 1}]', '1000 years'$$,
	$$'BAD', 'app', '[{"sku": "A1", "node": "W1", "qty": 1}]', as_of => 'infinity'$$, $$'H1', 'app', '[{"sku": "A1", "node": "W1", "qty": 3}]'$$]) c;
SELECT bad(f, format('retail.%s(%s)', f, k)) FROM unnest('{commit_hold,release_hold,ship_hold}'::text[]) f, unnest(ARRAY['NULL', '''nope''']) k;
SELECT bad('set_safety_stock: ' || c, 'retail.set_safety_stock(' || c || ')') FROM unnest(ARRAY[$$'NOPE', 'W1', 1$$, $$'A1', 'nope', 1$$, $$'A1', 'W1', -1$$, $$'A1', 'W1', NULL$$, $$'A1', 'W1', 1, 'nope'$$, $$'A1', 'W1', 9223372036854775807$$]) c;
SELECT bad('available_to_promise: ' || c, 'retail.available_to_promise(' || c || ')') FROM unnest(ARRAY[$$'NOPE'$$, 'NULL', $$'A1', 'nope'$$]) c;
SELECT bad(f, format('retail.%s(%s)', f, t)) FROM unnest('{run_expire_holds,run_release_unpaid}'::text[]) f, unnest(ARRAY['NULL', '''infinity''', '''1999-01-01''']) t;
SELECT changed();

\echo ---- the life of an order ----
SELECT bad('record_payment: ' || c, 'retail.record_payment(' || c || ')') FROM unnest(ARRAY[$$'nope', 'open', 'P9', 1$$, $$NULL, 'open', 'P9', 1$$, $$'app', 'nope', 'P9', 1$$, $$'app', NULL, 'P9', 1$$, $$'app', 'open', NULL, 1$$, $$'app', 'open', '', 1$$,
	$$'app', 'open', 'P9', NULL$$, $$'app', 'open', 'P9', 0$$, $$'app', 'open', 'P9', -1$$, $$'app', 'open', 'P9', 'NaN'$$, $$'app', 'open', 'P9', 'Infinity'$$, $$'app', 'open', 'P9', 0.001$$, $$'app', 'open', 'P9', 1e12$$, $$'app', 'open', 'P9', 1, ''$$,
	$$'app', 'open', 'P9', 1, as_of => 'infinity'$$, $$'app', 'paid', 'P-paid', 1, 'wechat'$$, $$'app', 'open', 'P-paid', 95.70, 'wechat'$$]) c;
SELECT bad('record_refund: ' || c, 'retail.record_refund(' || c || ')') FROM unnest(ARRAY[$$'app', 'nope', 'F9', 1$$, $$'app', 'open', 'F9', 1$$, $$'app', 'paid', 'F9', 95.71$$, $$'app', 'paid', 'F9', 0$$, $$'app', 'paid', 'F9', -5$$, $$'app', 'paid', 'F9', 'NaN'$$,
	$$'app', 'paid', 'P-paid', 1, 'wechat'$$]) c;
SELECT bad('cancel_order: ' || c, 'retail.cancel_order(' || c || ')') FROM unnest(ARRAY[$$'app', 'nope'$$, $$'nope', 'open'$$, $$'app', NULL$$, $$'app', 'open', '[]'$$, $$'app', 'open', '{}'$$, $$'app', 'open', '[{"sku": "NOPE", "qty": 1}]'$$, $$'app', 'open', '[{"sku": "茶", "qty": 1}]'$$,
	$$'app', 'open', '[{"sku": "A1", "qty": 4}]'$$, $$'app', 'open', '[{"sku": "A1", "qty": 2}, {"sku": "A1", "qty": 2}]'$$, $$'app', 'open', '[{"sku": "A1", "qty": 0}]'$$, $$'app', 'open', '[{"sku": "A1", "qty": -1}]'$$, $$'app', 'open', reason => ''$$,
	$$'app', 'open', cancel_no => ''$$, $$'app', 'open', as_of => 'infinity'$$, $$'app', 'sent'$$]) c;
SELECT bad(replace(c, 'parcel', 'parcel of'), 'retail.' || c) FROM unnest(ARRAY[$$ship_order(0)$$, $$ship_order(NULL)$$, $$ship_order(parcel('open'), 'T9')$$, $$ship_order(parcel('counter'), 'T9')$$, $$ship_order(parcel('paid'), '')$$, $$ship_order(parcel('paid'), 'T9', '[]')$$,
	$$ship_order(parcel('paid'), 'T9', '[{"sku": "NOPE", "qty": 1}]')$$, $$ship_order(parcel('paid'), 'T9', '[{"sku": "茶", "qty": 1}]')$$, $$ship_order(parcel('paid'), 'T9', '[{"sku": "A1", "qty": 4}]')$$, $$ship_order(parcel('paid'), 'T9', '[{"sku": "A1", "qty": 0}]')$$,
	$$ship_order(parcel('paid'), 'T9', as_of => 'infinity')$$, $$ship_order(parcel('sent'), 'T2')$$, $$deliver_order(0)$$, $$deliver_order(parcel('paid'))$$, $$deliver_order(parcel('sent'), '2026-03-01 07:59+00')$$, $$deliver_order(parcel('sent'), NULL)$$,
	$$ready_for_pick_up(0)$$, $$ready_for_pick_up(parcel('paid'))$$, $$pick_up(0)$$, $$pick_up(parcel('paid'))$$, $$pick_up(parcel('counter'), '1900-01-01 00:00+00')$$]) c;
SELECT bad('record_sale: ' || c, 'retail.record_sale(' || c || ')') FROM unnest(ARRAY[$$'nope', 'T9', 'S1', '[{"sku": "A1", "qty": 1}]'$$, $$'app', 'T9', 'nope', '[{"sku": "A1", "qty": 1}]'$$, $$'app', 'T9', 'S1', '[]'$$, $$'app', 'T9', 'S1', NULL$$,
	$$'app', 'T9', 'S1', '[{"sku": "NOPE", "qty": 1}]'$$, $$'app', 'T9', 'S1', '[{"sku": "A1", "qty": 0}]'$$, $$'app', 'T9', 'S1', '[{"sku": "A1", "qty": 1, "price": -1}]'$$, $$'app', 'T9', 'S1', '[{"sku": "A1", "qty": 1, "price": 1e400}]'$$,
	$$'app', 'T9', 'S1', '[{"sku": "A1", "qty": 1, "discount": 10}]'$$, $$'app', 'T9', 'S1', '[{"sku": "A1", "qty": 1e400}]'$$, $$'app', 'T9', 'S1', '[{"sku": "A3", "qty": 1}]'$$, $$'app', '', 'S1', '[{"sku": "A1", "qty": 1}]'$$, $$'app', 'T9', 'S1', '[{"sku": "A1", "qty": 1}]', 'infinity'$$,
	$$'app', 'open', 'S1', '[{"sku": "A1", "qty": 1}]'$$]) c;
SELECT bad('return_order: ' || c, 'retail.return_order(' || c || ')') FROM unnest(ARRAY[$$'B9', 'app', 'nope', 'W1', '[{"sku": "A1", "qty": 1}]'$$, $$'B9', 'nope', 'sent', 'W1', '[{"sku": "A1", "qty": 1}]'$$, $$'B9', 'app', 'sent', 'nope', '[{"sku": "A1", "qty": 1}]'$$,
	$$'B9', 'app', 'sent', 'S1', '[{"sku": "A1", "qty": 1}]'$$, $$'B9', 'app', 'sent', 'W1', '[]'$$, $$'B9', 'app', 'sent', 'W1', NULL$$, $$'B9', 'app', 'sent', 'W1', '[{"sku": "A1", "qty": 3}]'$$, $$'B9', 'app', 'sent', 'W1', '[{"sku": "茶", "qty": 1}]'$$,
	$$'B9', 'app', 'sent', 'W1', '[{"sku": "A1", "qty": 0}]'$$, $$'B9', 'app', 'paid', 'W1', '[{"sku": "A1", "qty": 1}]'$$, $$'', 'app', 'sent', 'W1', '[{"sku": "A1", "qty": 1}]'$$, $$'B9', 'app', 'sent', 'W1', '[{"sku": "A1", "qty": 1}]', as_of => '2150-01-01 00:00+00'$$,
	$$'B1', 'app', 'sent', 'W1', '[{"sku": "A1", "qty": 2}]', 'too green'$$]) c;
SELECT bad('inspect_return: ' || c, 'retail.inspect_return(' || c || ')') FROM unnest(ARRAY[$$'nope', '[{"sku": "A1", "sellable": 1}]'$$, $$NULL, '[{"sku": "A1", "sellable": 1}]'$$, $$'B1', '[]'$$, $$'B1', '[{"sku": "A1"}]'$$, $$'B1', '[{"sku": "A1", "sellable": 2}]'$$,
	$$'B1', '[{"sku": "A1", "sellable": -1}]'$$, $$'B1', '[{"sku": "A1", "sellable": 1, "damaged": 1}]'$$, $$'B1', '[{"sku": "A2", "sellable": 1}]'$$, $$'B1', '[{"sku": "NOPE", "sellable": 1}]'$$, $$'B1', '[{"sku": "A1", "sellable": 1}]', as_of => 'infinity'$$]) c;
SELECT bad('order_status: ' || c, 'retail.order_status(' || c || ')') FROM unnest(ARRAY[$$'app', 'nope'$$, $$'nope', 'open'$$, $$NULL, 'open'$$, $$'app', NULL$$]) c;
SELECT changed();

\echo ---- the catalogue ----
SELECT bad(left(c, 160), 'retail.' || c) FROM unnest(ARRAY[
	$$put_region(NULL, 'x')$$, $$put_region('', 'x')$$, $$put_region(E'a\tb', 'x')$$, $$put_region('x', NULL)$$, $$put_region('x', '')$$, $$put_region('x', 'x', parent => 'nope')$$, $$put_region('CN', 'x', parent => 'BJ')$$, $$put_region('CN', 'x', parent => 'CN')$$,
	$$put_region('x', 'x', latitude => 'NaN', longitude => 0)$$, $$put_region('x', 'x', latitude => 0, longitude => 'Infinity')$$, $$put_region('x', 'x', latitude => 91, longitude => 0)$$, $$put_region('x', 'x', latitude => 1)$$, $$put_region(repeat('x', 201), 'x')$$, $$put_region(repeat('茶', 90), 'x')$$,
	$$put_region('x', repeat('x', 1048576))$$,
	$$put_channel('x', 'x', 'fax')$$, $$put_channel('x', 'x', NULL)$$, $$put_channel('x', 'x', 'app', '0')$$, $$put_channel('x', 'x', 'app', '-1 day')$$, $$put_channel('x', 'x', 'app', NULL)$$, $$put_channel('x', 'x', 'app', '178000000 years')$$,
	$$put_category('x', 'x', 'nope')$$, $$put_supplier('', 'x')$$, $$put_unit('x', '')$$,
	$$put_sku('x', 'x', -1)$$, $$put_sku('x', 'x', NULL)$$, $$put_sku('x', 'x', 10000001)$$, $$put_sku('x', 'x', 1, volume_cm3 => -1)$$, $$put_sku('x', 'x', 1, category => 'nope')$$, $$put_sku('x', 'x', 1, supplier => 'nope')$$, $$put_sku('x', 'x', 1, list_price => -0.01)$$,
	$$put_sku('x', 'x', 1, list_price => 'NaN')$$, $$put_sku('x', 'x', 1, list_price => 'Infinity')$$, $$put_sku('x', 'x', 1, list_price => 0.001)$$, $$put_sku('x', 'x', 1, list_price => 1e12)$$, $$put_sku('x', 'x', 1, temperature_class => 'hot')$$, $$put_sku('x', 'x', 1, shelf_life_days => 0)$$,
	$$put_sku('x', 'x', 1, base_unit => 'nope')$$, $$put_sku('x', 'x', 1, is_active => NULL)$$, $$put_sku_unit('NOPE', 'BOX', 7)$$, $$put_sku_unit('A1', 'nope', 7)$$, $$put_sku_unit('A1', 'EA', 7)$$, $$put_sku_unit('A1', 'BOX', 1)$$, $$put_sku_unit('A1', 'BOX', 0)$$,
	$$put_calendar('x', 'x', '[]')$$, $$put_calendar('x', 'x', '{"8": ["09:00", "18:00"]}')$$, $$put_calendar('x', 'x', '{"1": ["18:00", "09:00"]}')$$, $$put_calendar('x', 'x', '{"1": ["09:00", "25:00"]}')$$, $$put_calendar('x', 'x', '{"1": "all day"}')$$,
	$$put_calendar_day('nope', '2026-01-01')$$, $$put_node('x', 'x', 'castle')$$, $$put_node('x', 'x', 'store', region => 'nope')$$, $$put_node('x', 'x', 'store', time_zone => 'Mars/Olympus')$$, $$put_node('x', 'x', 'store', time_zone => NULL)$$, $$put_node('x', 'x', 'store', calendar => 'nope')$$,
	$$put_node('x', 'x', 'store', latitude => 'NaN', longitude => 'NaN')$$, $$put_node('x', 'x', 'store', latitude => 0)$$, $$put_node('x', 'x', 'store', processing_minutes => -1)$$, $$put_node('x', 'x', 'store', daily_capacity => -1)$$, $$put_node('x', 'x', 'store', temperature_classes => '{hot}')$$,
	$$put_node('x', 'x', 'store', temperature_classes => '{}')$$, $$put_node('x', 'x', 'store', parcel_cost => -1)$$, $$put_node('x', 'x', 'store', unit_cost => 'NaN')$$, $$put_node('x', 'x', 'store', cut_off => NULL)$$,
	$$put_carrier_service('x', '', 'x')$$, $$put_carrier_service('x', 'x', 'x', volumetric_divisor => -1)$$, $$put_lane('nope', 'CN', 'z', 1, from_node => 'W1')$$, $$put_lane('STD', 'nope', 'z', 1, from_node => 'W1')$$, $$put_lane('STD', 'CN', 'z', 1)$$,
	$$put_lane('STD', 'CN', 'z', 1, from_node => 'W1', from_region => 'CN')$$, $$put_lane('STD', 'CN', 'z', -1, from_node => 'W1')$$, $$put_lane('STD', 'CN', 'z', 1, from_node => 'W1', from_km => 'NaN')$$, $$put_lane('STD', 'CN', 'z', 1, from_node => 'W1', from_km => 10, to_km => 10)$$,
	$$put_lane('STD', 'CN', 'z2', 1, from_region => 'CN', from_km => 5)$$, $$put_rate_card('nope', 'z', 1000, 1, 1000, 1)$$, $$put_rate_card('STD', 'y', 1000, 1, 1000)$$, $$put_rate_card('STD', 'y', 1000, -1, 1000, 1)$$, $$put_rate_card('STD', 'y', 1000, 'NaN', 1000, 1)$$,
	$$put_rate_card('STD', 'y', 1000, 1, 0, 1)$$, $$put_rate_card('STD', 'y', brackets => '[]')$$, $$put_rate_card('STD', 'y', brackets => '[{"up_to_g": 10, "price": 1}, {"up_to_g": 5, "price": 1}]')$$, $$put_rate_card('STD', 'y', brackets => '[{"up_to_g": 10, "price": -1}]')$$,
	$$put_rate_card('STD', 'y', brackets => '[{"up_to_g": 1e400, "price": 1}]')$$, $$put_rate_card('STD', 'z', 1000, 1, 1000, 1, valid_from => '2026-01-01 00:00+00')$$, $$put_rate_card('STD', 'y', 1000, 1, 1000, 1, valid_from => 'infinity')$$,
	$$put_rate_card('STD', 'y', 1000, 1, 1000, 1, valid_from => '2027-01-01 00:00+00', valid_to => '2026-01-01 00:00+00')$$,
	$$put_allocation_policy(NULL)$$, $$put_allocation_policy('x', 'perfect')$$, $$put_allocation_policy('x', channel => 'nope')$$, $$put_allocation_policy('x', split_penalty => -1)$$, $$put_allocation_policy('x', lateness_per_day => 'NaN')$$, $$put_allocation_policy('x', target_hours => -1)$$, $$put_allocation_policy('x', max_parcels => 0)$$,
	$$put_allocation_policy('x', split_penalty => 'Infinity')$$, $$put_allocation_policy('x', lateness_per_day => '-Infinity')$$, $$put_allocation_policy('x', scarcity_weight => -0.5)$$, $$put_allocation_policy('x', scarcity_weight => 'NaN')$$,
	$$put_allocation_policy('x', markdown_weight => 'Infinity')$$, $$put_allocation_policy('x', markdown_weight => NULL)$$, $$put_allocation_policy('x', markdown_weight => 0.00001)$$, $$put_allocation_policy('x', max_reroutes => -1)$$, $$put_allocation_policy('x', reoptimise_minutes => 43201)$$,
	$$put_allocation_policy('standard@1')$$, $$activate_policy('standard', 9)$$, $$activate_policy(NULL, NULL)$$, $$retire_policy('nope', 1)$$, $$retire_policy('standard', (SELECT version FROM retail.allocation_policy WHERE code = 'standard' AND status = 'active'))$$,
	$$put_stock_prices(NULL)$$, $$put_stock_prices('{}')$$, $$put_stock_prices('[]')$$, $$put_stock_prices('[null]')$$, $$put_stock_prices('[{"sku": "A1", "node": "W1"}]')$$, $$put_stock_prices('[{"sku": "A1", "scarcity": 1}]')$$, $$put_stock_prices('[{"sku": "A1", "node": "W1", "scarcity": 1, "price": 2}]')$$,
	$$put_stock_prices('[{"sku": "A1", "node": "W1", "scarcity": -1}]')$$, $$put_stock_prices('[{"sku": "A1", "node": "W1", "scarcity": "1"}]')$$, $$put_stock_prices('[{"sku": "A1", "node": "W1", "scarcity": null}]')$$, $$put_stock_prices('[{"sku": "A1", "node": "W1", "markdown": 1e400}]')$$, $$put_stock_prices('[{"sku": "A1", "node": "W1", "markdown": 0.001}]')$$,
	$$put_stock_prices('[{"sku": "nope", "node": "W1", "scarcity": 1}]')$$, $$put_stock_prices('[{"sku": "A1", "node": "nope", "scarcity": 1}]')$$, $$put_stock_prices('[{"sku": "A1", "node": "W1", "scarcity": 1}, {"sku": "A1", "node": "W1", "scarcity": 2}]')$$, $$put_stock_prices('[{"sku": "A1", "node": "W1", "scarcity": 1}]', 'infinity')$$,
	$$put_markdown_rule(NULL)$$, $$put_markdown_rule('NaN')$$, $$put_markdown_rule(1.5)$$, $$put_markdown_rule(0.5, 'nope')$$, $$put_markdown_rule(0.5, begins_at => -1)$$, $$put_markdown_rule(0.5, life_days => 0)$$, $$run_stock_prices('infinity')$$, $$run_stock_prices(NULL)$$,
	$$put_rate_card('STD', 'y', brackets => '[{"up_to_g": 10, "price": 1}, {"from_g": 20, "up_to_g": 30, "price": 2}]')$$, $$put_rate_card('STD', 'y', brackets => '[{"up_to_g": 10, "price": 1}, {"from_g": 5, "up_to_g": 30, "price": 2}]')$$,
	$$put_rate_card('STD', 'y', brackets => '[{"up_to_g": null, "price": 1}, {"up_to_g": 30, "price": 2}]')$$, $$put_rate_card('STD', 'z', 1000, 1, 1000, 1, valid_from => '1999-01-01 00:00+00', valid_to => '2026-01-01 00:00+00')$$,
	$$put_rate_card('STD', 'z', 1000, 1, 1000, 1, valid_from => '2025-01-01 00:00+00', valid_to => '2026-01-01 00:00+00')$$,
	$$bind_principal('nobody', node => 'W1')$$, $$bind_principal('retail_store')$$, $$bind_principal('retail_store', node => 'nope')$$, $$bind_principal('retail_supplier', supplier => 'nope')$$, $$bind_principal('retail_supplier', 'W1', 'nope')$$]) c;
SELECT changed();

\echo ---- what is only unusual is taken ----
BEGIN;
SELECT status, total, jsonb_path_query_array(parcels, '$[*].lines[*].sku') FROM retail.place_order('خط', 'הזמנה №1 🎁', '[{"sku": "שוקולד", "qty": 1}, {"sku": "茶", "qty": 2}, {"sku": "🍵☕️", "qty": 1}]',
	'{"region": "القاهرة", "recipient": {"name": "فاطمة الزهراء", "note": "‏בלי פעמון‎ 👩‍👩‍👧"}}', as_of => '2026-03-02 02:00+00');
SELECT sku, qty, is_that_one FROM retail.place_order('app', 'zero-width', jsonb_build_array(jsonb_build_object('sku', U&'zero\200Bwidth', 'qty', 1)), '{"region": "BJ"}', as_of => '2026-03-02 02:00+00') o,
	LATERAL (SELECT replace(l ->> 'sku', U&'\200B', '<ZWSP>') AS sku, l ->> 'qty' AS qty, l ->> 'sku' = U&'zero\200Bwidth' AS is_that_one FROM jsonb_array_elements(o.parcels -> 0 -> 'lines') l) x;
-- composed and combining accents are two codes, at two prices
SELECT goods_total FROM retail.quote_order('app', jsonb_build_array(jsonb_build_object('sku', U&'\00E9', 'qty', 1), jsonb_build_object('sku', 'e' || U&'\0301', 'qty', 1)), '{"region": "BJ"}', as_of => '2026-03-02 02:00+00');
-- lines of one SKU are summed
SELECT goods_total, discount_total, parcels -> 0 -> 'lines' FROM retail.quote_order('app', '[{"sku": "A1", "qty": 1, "discount": 1}, {"sku": "A2", "qty": 1}, {"sku": "A1", "qty": 2, "discount": 0.50}, {"sku": "A1", "qty": 1, "unit": "BOX"}]', '{"region": "BJ"}', as_of => '2026-03-02 02:00+00');
-- 200 lines, whole numbers in other notations, a price of nothing, members and keys that nobody asked for
SELECT parcels -> 0 -> 'lines' FROM retail.quote_order('app', (SELECT jsonb_agg(jsonb_build_object('sku', 'A1', 'qty', CASE i WHEN 1 THEN 0.2e1 WHEN 2 THEN 1.000 ELSE 1 END, 'price', 0, 'colour', 'red')) FROM generate_series(1, 60) i), '{"region": "BJ"}', as_of => '2026-03-02 02:00+00');
SELECT jsonb_array_length(parcels -> 0 -> 'lines'), goods_total FROM retail.quote_order('app', (SELECT jsonb_agg('{"sku": "A1", "qty": 1, "price": 0.01}'::jsonb) || (SELECT jsonb_agg('{"sku": "A2", "qty": 1, "price": 0}'::jsonb) FROM generate_series(1, 20)) FROM generate_series(1, 80)),
	'{"region": "BJ"}', as_of => '2026-03-02 02:00+00');
-- no region in reach, unless a region is named; the pole, the date line
SET LOCAL pg_retail.region_reach_km = 20000;
SELECT d, trace ->> 'destination', parcels -> 0 ->> 'distance_km' FROM unnest(ARRAY['{"lat": 90, "lon": 0, "region": "BJ"}', '{"lat": -90, "lon": -180, "region": "BJ"}', '{"lat": 39.9, "lon": 116.4}', '{"lat": 39.91, "lon": 116.41, "region": "BJ"}']::jsonb[]) d, LATERAL retail.quote_order('app', '[{"sku": "A1", "qty": 1}]', d, as_of => '2026-03-02 02:00+00');
-- first and last moment
SELECT t, promised_at FROM unnest('{2000-01-01 00:00+00,2099-12-31 23:59:59+00}'::timestamptz[]) t, LATERAL retail.quote_order('app', '[{"sku": "A1", "qty": 1}]', '{"region": "BJ"}', as_of => t);
-- a recipient of 1 MB, and one that is nested 1,000 deep
SELECT status FROM retail.place_order('app', '1 MB', '[{"sku": "A1", "qty": 1}]', jsonb_build_object('region', 'BJ', 'recipient', repeat('茶', 349525)), as_of => '2026-03-02 02:00+00');
SELECT status FROM retail.place_order('app', 'deep', '[{"sku": "A1", "qty": 1}]', ('{"region": "BJ", "recipient": ' || repeat('[', 1000) || repeat(']', 1000) || '}')::jsonb, as_of => '2026-03-02 02:00+00');
SELECT external_no, pg_column_size(recipient) > 1000, length(recipient::text) FROM retail.sales_order WHERE external_no IN ('1 MB', 'deep') ORDER BY 1;
SELECT status, freight_total FROM retail.place_order('app', repeat('長', 200), '[{"sku": "A1", "qty": 1}]', '{"region": "BJ"}', freight => 0, as_of => '2026-03-02 02:00+00');
-- a capacity below what is promised: promises stand, nothing more is promised for that day
SELECT retail.put_node('W1', '北京仓', 'warehouse', region => 'BJ', daily_capacity => 1) > 0;
SELECT node, day, promised > capacity, room, over_promised = promised - 1 FROM retail_bi.node_capacity;
SELECT parcels -> 0 ->> 'node', parcels -> 0 ->> 'full_on', parcels -> 0 ->> 'ship_by' FROM retail.place_order('app', 'next day', '[{"sku": "A1", "qty": 1}]', '{"region": "BJ"}', as_of => '2026-03-02 02:00+00');
-- a shadow of weights that cannot be weighed does not touch an order
SELECT retail.put_allocation_policy('absurd', 'shadow', split_penalty => 1000000, lateness_per_day => 1000000, target_hours => 0, scarcity_weight => 1000, markdown_weight => 1000),
	retail.put_stock_prices('[{"sku": "A1", "node": "W1", "scarcity": 1000000}, {"sku": "A1", "node": "W2", "markdown": 1000000}]');
SELECT status FROM retail.place_order('app', 'absurd', '[{"sku": "A1", "qty": 1}]', '{"region": "BJ"}', as_of => '2026-03-02 02:00+00');
SELECT x.status, s.status, s.reason, s.cost FROM retail.allocation_shadow s JOIN retail.sales_order x USING (order_id) WHERE x.external_no = 'absurd';
SELECT count(*) FROM retail.check_integrity();
ROLLBACK;

\echo ---- without a helper: the statement fails, the session goes on ----
\set VERBOSITY sqlstate
SELECT * FROM retail.place_order('app', 'BAD', '[{"sku": "NOPE", "qty": 1}]', '{"region": "BJ"}');
SELECT * FROM retail.place_order('app', 'BAD', '[{"sku": "A1", "qty": 1}]', '{"region": "nowhere"}');
SELECT * FROM retail.quote_order('app', '[{"sku": "A1", "qty": 1000}]', '{"region": "BJ"}');
SELECT retail.hold_stock('BAD', 'app', '[{"sku": "A1", "node": "W1", "qty": 1000}]');
SELECT retail.cancel_order('app', 'nope');
\set VERBOSITY default
SELECT changed();
SELECT count(*) FROM retail.check_integrity();

\echo ---- bundles ----
SELECT retail.put_sku('SET', 'tea and pot', 0, list_price => 55) > 0 AND retail.put_sku('SET2', 'another', 0, list_price => 5) > 0 AND retail.put_bundle('SET', '[{"sku": "A1", "qty": 2}, {"sku": "A2", "qty": 1}]') > 0;
SELECT retail.put_inbound('purchase_order', 'PO1', 'A2', 'W1', 5, '2026-03-10 00:00+00', '2026-03-02 00:00+00') IS NOT NULL;
SELECT external_no, status FROM (VALUES ('refused', 1), ('waits', 103)) n (external_no, qty), LATERAL retail.place_order('app', external_no, jsonb_build_array(jsonb_build_object('sku', 'A2', 'qty', qty)), '{"region": "BJ"}', payment => 'on_delivery', shortage => 'backorder_undated', as_of => '2026-03-02 02:00+00');
SELECT status FROM retail.place_order('app', 'asked', '[{"sku": "A1", "qty": 1}]', fulfilment => 'pick_up', pick_up_node => 'S1', payment => 'on_delivery', as_of => '2026-03-02 02:00+00');
SELECT retail.reject_shipment(parcel('refused'), 'closed', rejection_no => 'J1', as_of => '2026-03-02 03:00+00') ->> 'outcome', retail.reject_shipment(parcel('asked'), 'damaged', as_of => '2026-03-02 03:00+00') ->> 'outcome';
SELECT state, count(*) FROM retail.submit_orders('[{"channel": "app", "external_no": "queued", "lines": [{"sku": "A1", "qty": 1}], "destination": {"region": "BJ"}}]', '2026-03-02 02:00+00') GROUP BY 1;
SELECT count(*) FROM retail.check_integrity();
DELETE FROM before;
INSERT INTO before SELECT * FROM database_state();
SELECT bad('put_bundle: ' || c, 'retail.put_bundle(' || c || ')') FROM unnest(ARRAY[$$NULL, '[{"sku": "A1", "qty": 1}]'$$, $$'NOPE', '[{"sku": "A1", "qty": 1}]'$$, $$'SET2', '[]'$$, $$'SET2', '{}'$$, $$'SET2', '7'$$, $$'SET2', '[7]'$$, $$'SET2', '[null]'$$, $$'SET2', '[{}]'$$,
	$$'SET2', '[{"sku": "A1"}]'$$, $$'SET2', '[{"sku": "A1", "qty": 0}]'$$, $$'SET2', '[{"sku": "A1", "qty": -1}]'$$, $$'SET2', '[{"sku": "A1", "qty": 0.5}]'$$, $$'SET2', '[{"sku": "A1", "qty": "1"}]'$$, $$'SET2', '[{"sku": "A1", "qty": "NaN"}]'$$, $$'SET2', '[{"sku": "A1", "qty": 1e400}]'$$,
	$$'SET2', '[{"sku": 1, "qty": 1}]'$$, $$'SET2', '[{"sku": "NOPE", "qty": 1}]'$$, $$'SET2', '[{"sku": "A1", "qty": 1, "unit": "CRATE"}]'$$, $$'SET2', '[{"sku": "SET2", "qty": 1}]'$$, $$'SET2', '[{"sku": "SET", "qty": 1}]'$$, $$'SET2', '[{"sku": "A1", "qty": 1, "colour": "red"}]'$$,
	$$'SET2', (SELECT jsonb_agg('{"sku": "A1", "qty": 1}'::jsonb) FROM generate_series(1, 51))$$, $$'A1', '[{"sku": "A2", "qty": 1}]'$$]) c;
SELECT bad_order('a bundle: ' || l, quote_literal(l)) FROM unnest(ARRAY['[{"sku": "SET", "qty": 0}]', '[{"sku": "SET", "qty": 1.5}]', '[{"sku": "SET", "qty": 1000000000}]', '[{"sku": "SET", "qty": 1, "unit": "BOX"}]', '[{"sku": "SET", "qty": 1, "discount": 55.01}]', '[{"sku": "SET2", "qty": 1}, {"sku": "SET", "qty": 1000}]']) l;
SELECT bad('receive_stock: a bundle', $$retail.receive_stock('BAD', 'W1', '[{"sku": "SET", "qty": 1}]')$$);
SELECT changed();

\echo ---- refusals, exceptions, questions ----
SELECT bad('reject_shipment: ' || c, 'retail.reject_shipment(' || c || ')') FROM unnest(ARRAY[$$NULL, 'closed'$$, $$0, 'closed'$$, $$-1, 'closed'$$, $$parcel('open'), NULL$$, $$parcel('open'), 'bored'$$, $$parcel('open'), ''$$, $$parcel('open'), 'closed', '[]'$$, $$parcel('open'), 'closed', '{}'$$,
	$$parcel('open'), 'closed', '[{"sku": "NOPE", "qty": 1}]'$$, $$parcel('open'), 'closed', '[{"sku": "A1", "qty": 0}]'$$, $$parcel('open'), 'closed', '[{"sku": "A1", "qty": -1}]'$$, $$parcel('open'), 'closed', '[{"sku": "A1", "qty": 4}]'$$, $$parcel('open'), 'closed', '[{"sku": "A1", "qty": 1.5}]'$$,
	$$parcel('open'), 'closed', '[{"sku": "A1", "qty": null}]'$$, $$parcel('open'), 'closed', rejection_no => ''$$, $$parcel('open'), 'closed', rejection_no => repeat('n', 201)$$, $$parcel('open'), 'closed', note => E'\r'$$, $$parcel('open'), 'closed', as_of => 'infinity'$$, $$parcel('open'), 'closed', as_of => NULL$$,
	$$parcel('sent'), 'closed'$$, $$parcel('refused'), 'damaged', rejection_no => 'J1'$$]) c;
SELECT bad('resolve_exception: ' || c, 'retail.resolve_exception(' || c || ')') FROM unnest(ARRAY[$$NULL, 'retry'$$, $$0, 'retry'$$, $$(SELECT min(exception_id) FROM retail.order_exception), NULL$$, $$(SELECT min(exception_id) FROM retail.order_exception), 'pray'$$,
	$$(SELECT min(exception_id) FROM retail.order_exception), 'node'$$, $$(SELECT min(exception_id) FROM retail.order_exception), 'node', 'nope'$$, $$(SELECT min(exception_id) FROM retail.order_exception), 'cancel', note => E'\x01'$$, $$(SELECT min(exception_id) FROM retail.order_exception), 'cancel', as_of => 'infinity'$$]) c;
SELECT bad('answer_question: ' || c, 'retail.answer_question(' || c || ')') FROM unnest(ARRAY[$$NULL, 'asked', 'cancel'$$, $$'nope', 'asked', 'cancel'$$, $$'app', NULL, 'cancel'$$, $$'app', 'nope', 'cancel'$$, $$'app', 'open', 'cancel'$$, $$'app', 'asked', NULL$$, $$'app', 'asked', 'perhaps'$$, $$'app', 'asked', 'other_store'$$,
	$$'app', 'asked', 'other_store', 'nope'$$, $$'app', 'asked', 'other_store', 'S1'$$, $$'app', 'asked', 'ship_home'$$, $$'app', 'asked', 'ship_home', destination => '[]'$$, $$'app', 'asked', 'ship_home', destination => '{"region": "nope"}'$$, $$'app', 'asked', 'ship_home', destination => '{"lat": 91, "lon": 0}'$$, $$'app', 'asked', 'cancel', as_of => 'infinity'$$]) c;
SELECT bad('set_question_rules: ' || c, 'retail.set_question_rules(' || c || ')') FROM unnest(ARRAY[$$NULL$$, $$'nope'$$, $$'app', '0'$$, $$'app', '-1 day'$$, $$'app', '61 days'$$, $$'app', NULL$$, $$'app', unanswered => 'shrug'$$, $$'app', convert_pick_up => NULL$$]) c;
SELECT bad('pause_node: ' || c, 'retail.pause_node(' || c || ')') FROM unnest(ARRAY[$$NULL$$, $$'nope'$$, $$'W1', 'infinity'$$, $$'W1', '1999-01-01'$$, $$'W1', reason => ''$$, $$'W1', reason => NULL$$, $$'W1', as_of => NULL$$]) c;
SELECT bad('resume_node: ' || c, 'retail.resume_node(' || c || ')') FROM unnest(ARRAY['NULL', '''nope''']) c;
SELECT bad(f, format('retail.%s(%s)', f, t)) FROM unnest('{run_exceptions,run_questions}'::text[]) f, unnest(ARRAY['NULL', '''infinity''', '''1999-01-01''']) t;
SELECT changed();

\echo ---- orders that wait ----
SELECT bad_order('shortage ' || coalesce(s, 'null'), '''[{"sku": "A1", "qty": 1}]''', more => format(', shortage => %L', s)) FROM unnest(ARRAY[NULL, '', 'Partial', 'maybe', repeat('s', 300)]) s;
SELECT bad_order('partial, and nothing there', '''[{"sku": "COLD", "qty": 1}]''', '''{"region": "BJ"}''', more => ', shortage => ''partial''');
SELECT bad_order('backorder, and nothing on its way', '''[{"sku": "A1", "qty": 1000}]''', more => ', shortage => ''backorder''');
SELECT bad('put_inbound: ' || c, 'retail.put_inbound(' || c || ')') FROM unnest(ARRAY[$$NULL, 'P', 'A1', 'W1', 1, '2026-03-10'$$, $$'transfer', 'P', 'A1', 'W1', 1, '2026-03-10'$$, $$'other', NULL, 'A1', 'W1', 1, '2026-03-10'$$, $$'other', '', 'A1', 'W1', 1, '2026-03-10'$$, $$'other', repeat('p', 201), 'A1', 'W1', 1, '2026-03-10'$$,
	$$'other', 'P', 'NOPE', 'W1', 1, '2026-03-10'$$, $$'other', 'P', 'SET', 'W1', 1, '2026-03-10'$$, $$'other', 'P', 'A1', 'nope', 1, '2026-03-10'$$, $$'other', 'P', 'A1', 'S1', 1, '2026-03-10'$$, $$'other', 'P', 'A1', 'W1', 0, '2026-03-10'$$, $$'other', 'P', 'A1', 'W1', -1, '2026-03-10'$$, $$'other', 'P', 'A1', 'W1', NULL, '2026-03-10'$$,
	$$'other', 'P', 'A1', 'W1', 1000000001, '2026-03-10'$$, $$'other', 'P', 'A1', 'W1', 1, NULL$$, $$'other', 'P', 'A1', 'W1', 1, 'infinity'$$, $$'other', 'P', 'A1', 'W1', 1, '2026-03-10', 'infinity'$$]) c;
SELECT bad('close_inbound: ' || c, 'retail.close_inbound(' || c || ')') FROM unnest(ARRAY[$$NULL, 'PO1'$$, $$'purchase_order', NULL$$, $$'purchase_order', 'nope'$$, $$'purchase_order', 'PO1', 'NOPE'$$, $$'purchase_order', 'PO1', 'A2', 'nope'$$, $$'purchase_order', 'PO1', 'A2', 'W1', -1$$, $$'purchase_order', 'PO1', 'A2', 'W1', 6$$, $$'purchase_order', 'PO1', as_of => 'infinity'$$]) c;
SELECT bad('set_backorder_priority: ' || c, 'retail.set_backorder_priority(' || c || ')') FROM unnest(ARRAY[$$NULL, 'waits', 1$$, $$'nope', 'waits', 1$$, $$'app', NULL, 1$$, $$'app', 'nope', 1$$, $$'app', 'waits', -1$$, $$'app', 'waits', 101$$, $$'app', 'waits', NULL$$, $$'app', 'waits', 1, 'infinity'$$]) c;
SELECT bad('set_backorder_horizon: ' || c, 'retail.set_backorder_horizon(' || c || ')') FROM unnest(ARRAY[$$NULL, '1 day'$$, $$'nope', '1 day'$$, $$'app', '-1 day'$$, $$'app', '367 days'$$, $$'app', NULL$$]) c;
SELECT bad('run_backorders', format('retail.run_backorders(%s)', t)) FROM unnest(ARRAY['NULL', '''infinity''', '''1999-01-01''']) t;
SELECT changed();

\echo ---- the queue of submitted orders ----
SELECT bad('submit_orders: ' || left(c, 60), 'retail.submit_orders(' || c || ')') FROM unnest(ARRAY['NULL', '''{}''', '''[]''', '''7''', '''"x"''', '''null''', '(SELECT jsonb_agg(1) FROM generate_series(1, 10001))', '''[{}]'', NULL', '''[{}]'', ''infinity''', '''[{}]'', ''1999-01-01''']) c;
-- one bad order does not raise: it is answered for itself
SELECT s.sqlstate, left(s.error, 60) AS error, left(s.detail, 90) AS detail, s.hint <> '' AS hint, s.state, left(e::text, 100) AS element
FROM unnest(ARRAY['7', '"x"', 'null', '[]', '{}', '{"channel": null}', '{"channel": 7}', '{"channel": "nope"}', '{"channel": "old"}', '{"external_no": null}', '{"external_no": 7}', '{"external_no": " "}', '{"external_no": "\u0007"}', jsonb_build_object('external_no', repeat('n', 201))::text,
	'{"lines": null}', '{"lines": []}', '{"lines": {}}', '{"lines": "A1"}', '{"fulfilment": 1}', '{"fulfilment": ["ship"]}', '{"pick_up_node": 1}', '{"member_id": "1"}', '{"member_id": 1.5}', '{"member_id": 1e20}', '{"freight": "1"}', '{"freight": {}}', '{"payment": true}', '{"policy": 1}',
	'{"shortage": 1}', '{"shortage": ["partial"]}', '{"priority": -1}', '{"priority": 101}', '{"priority": 0.5}', '{"priority": "high"}', '{"priority": "NaN"}', '{"needed_by": 7}', '{"needed_by": "soon"}', '{"needed_by": "infinity"}', '{"needed_by": "1999-12-31"}', '{"as_of": "2026-03-02"}', '{"colour": "red"}', jsonb_build_object(repeat('k', 300), 1)::text]::jsonb[]) WITH ORDINALITY x (e, o),
	LATERAL retail.submit_orders(jsonb_build_array(CASE jsonb_typeof(e) WHEN 'object' THEN CASE e WHEN '{}' THEN e ELSE '{"channel": "app", "external_no": "BAD", "lines": [{"sku": "A1", "qty": 1}], "destination": {"region": "BJ"}}' || e END ELSE e END), '2026-03-02 02:00+00') s ORDER BY x.o;
SELECT s.sqlstate, s.error FROM retail.submit_orders('[{"channel": "app", "external_no": "queued", "lines": [{"sku": "A1", "qty": 2}], "destination": {"region": "BJ"}}, {"channel": "app", "external_no": "open", "lines": [{"sku": "A1", "qty": 2}], "destination": {"region": "BJ"}}]', '2026-03-02 02:00+00') s;
SELECT bad('intake_status: ' || c, 'retail.intake_status(' || c || ')') FROM unnest(ARRAY[$$NULL, 'queued'$$, $$'nope', 'queued'$$, $$'app', NULL$$, $$'app', 'nope'$$]) c;
SELECT bad('run_allocation: ' || c, 'retail.run_allocation(' || c || ')') FROM unnest(ARRAY['NULL', '''infinity''', '''1999-01-01''', 'now(), NULL', 'now(), 0', 'now(), -1', 'now(), 10001']) c;
SELECT bad('run_reoptimise: ' || c, 'retail.run_reoptimise(' || c || ')') FROM unnest(ARRAY['NULL', '''infinity''', '''1999-01-01''']) c;
SELECT changed();
-- what codes mean is found out when they are decided: each is refused for itself, with what place_order() raises
BEGIN;
SELECT count(*) FROM retail.submit_orders((SELECT jsonb_agg('{"channel": "app", "lines": [{"sku": "A1", "qty": 1}], "destination": {"region": "BJ"}}' || jsonb_build_object('external_no', 'B' || o) || e ORDER BY o) FROM unnest(ARRAY['{"lines": [{"sku": "NOPE", "qty": 1}]}', '{"lines": [{"sku": "A1", "qty": -1}]}', '{"lines": [{"sku": "A1", "qty": "NaN"}]}', '{"lines": [{"sku": "SET", "qty": 1, "unit": "BOX"}]}',
	'{"shortage": "maybe"}', '{"shortage": "backorder", "lines": [{"sku": "A1", "qty": 1000}]}', '{"shortage": "partial", "fulfilment": "pick_up", "pick_up_node": "S1", "lines": [{"sku": "COLD", "qty": 1}]}', '{"fulfilment": "fly"}', '{"fulfilment": "pick_up"}', '{"freight": -1}', '{"freight": 0.001}', '{"payment": "later"}', '{"policy": "nope"}', '{"destination": []}', '{"destination": {"lat": 1}}']::jsonb[]) WITH ORDINALITY x (e, o)), '2026-03-02 02:00+00') s WHERE s.state = 'queued';
SELECT regexp_replace(retail.run_allocation('2026-03-02 02:00+00'), '\d+', 'N');
SELECT i.external_no, i.sqlstate, left(i.error, 60), left(i.detail, 120), i.hint <> '' FROM retail.order_intake i WHERE i.state = 'refused' ORDER BY i.intake_id;
ROLLBACK;

\echo ---- retention ----
SELECT bad('put_retention: ' || c, 'retail.put_retention(' || c || ')') FROM unnest(ARRAY[$$NULL, '2 days'$$, $$'sales_order', '2 days'$$, $$repeat('k', 300), '2 days'$$, $$'order_intake', '0'$$, $$'order_intake', '-2 days'$$, $$'order_intake', '23:59:59'$$, $$'order_intake', '101 years'$$, $$'order_intake', '2 days', NULL$$, $$'order_intake', '2 days', 'infinity'$$]) c;
SELECT bad('run_retention: ' || c, 'retail.run_retention(' || c || ')') FROM unnest(ARRAY['NULL', '''infinity''', '''1999-01-01''', 'now(), ''{nope}''', 'now(), ''{NULL}''', 'now(), NULL, 0', 'now(), NULL, -1', 'now(), NULL, NULL', 'now(), NULL, 1000000001', 'now(), NULL, 1, 0', 'now(), NULL, 1, NULL', 'now(), NULL, 1, 100001', 'NULL, NULL', '''infinity'', NULL']) c;
SELECT changed();

\echo ---- the checks themselves ----
SELECT bad(c, 'retail.' || c) FROM unnest(ARRAY['check_text(NULL, NULL)', 'check_text(''x'', NULL, 0)', 'check_text('''', ''it'', NULL)', 'check_text(repeat(''x'', 201), ''it'', NULL)', 'check_text(NULL, NULL, NULL)', 'check_time(NULL, NULL)', 'check_time(''infinity'', NULL)', 'check_money(NULL, NULL)', 'check_money(''NaN'', NULL)', 'check_coordinates(NULL, NULL)', 'check_coordinates(''NaN'', 0)']) c;
SELECT count(*) FROM retail.check_integrity();
