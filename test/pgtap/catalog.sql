-- catalog.sql: lookups, upserts and their errors, rate cards in both forms, and
-- the BI views over what they and the other rooms wrote.
BEGIN;
SET client_min_messages = warning;
SET track_functions = 'pl';
SELECT plan(322);

CREATE FUNCTION pg_temp.message_and_hint_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN message || ' | ' || hint;
END $$;

-- Rows of schema retail written in this transaction so far, and cache resets.
CREATE FUNCTION pg_temp.effects() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT format('%s rows, %s resets', (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables WHERE schemaname = 'retail'),
		coalesce((SELECT calls FROM pg_stat_xact_user_functions WHERE funcid = 'retail.catalog_changed'::regproc), 0))
$$;

-- An upsert, done again: same key, nothing written, no cache reset.
CREATE FUNCTION pg_temp.repeats(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	before text := pg_temp.effects();
	first text;
	again text;
BEGIN
	EXECUTE 'SELECT (' || statement || ')::text' INTO first;
	RETURN NEXT ok(first IS NOT NULL AND pg_temp.effects() <> before, 'writes and returns a key: ' || statement);
	before := pg_temp.effects();
	EXECUTE 'SELECT (' || statement || ')::text' INTO again;
	RETURN NEXT is(again || ', ' || pg_temp.effects(), first || ', ' || before, '... and again writes nothing');
END $$;

-- Runs a statement as another role: ok, or the SQLSTATE.
CREATE FUNCTION pg_temp.as_role(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('role', role, true);
	EXECUTE statement;
	PERFORM set_config('role', 'none', true);
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;

-- ---- upserts are idempotent, in any script ------------------------------------

SELECT pg_temp.repeats(s) FROM (VALUES
	('retail.put_region(''CN'', ''中国'')'),
	('retail.put_region(''CN-JS'', ''江苏省'', ''CN'', 32.06, 118.79)'),
	('retail.put_region(''CN-JS-WX'', ''无锡市'', ''CN-JS'', latitude => 31.57, longitude => 120.30)'),
	('retail.put_channel(''wx'', ''微信小程序'', ''mini_program'')'),
	('retail.put_channel(''pos'', ''店铺 POS'', ''pos'', ''1 hour'', false)'),
	('retail.put_category(''食品'', ''食品 🍜'')'),
	('retail.put_category(''零食'', ''零食'', ''食品'')'),
	('retail.put_supplier(''S1'', ''Größe & Söhne'')'),
	('retail.put_supplier(''S2'', ''Поставщик'', is_active => false)'),
	('retail.put_unit(''BOX'', ''箱'')'),
	('retail.put_sku(''A'', ''苏打饼干'', 250)'),
	('retail.put_sku(''B'', ''مثلجات'', 1200, 3000, ''零食'', ''S1'', 19.90, ''frozen'', 180)'),
	('retail.put_sku(''OLD'', ''停产'', 0, is_active => false)'),
	('retail.put_sku_unit(''A'', ''BOX'', 24)'),
	('retail.put_calendar(''shop'', ''门店'', ''{"1": ["09:00", "21:00"], "6": ["10:00", "24:00"], "7": null}'')'),
	('retail.put_calendar(''bare'', ''Bare'')'),
	('retail.put_calendar_day(''shop'', ''2025-10-01'', note => ''国庆节'')'),
	('retail.put_calendar_day(''shop'', ''2025-10-11'', ''10:00'', ''18:00'')'),
	('retail.put_node(''W1'', ''无锡仓'', ''warehouse'', ''CN-JS-WX'')'),
	('retail.put_node(''ST1'', ''Zürich'', ''store'', ''CN-JS'', 47.37, 8.54, ''Europe/Zurich'', ''shop'', ''12:00'', 30, 50, false, true, false, ''{frozen,ambient,frozen}'', 1.50, 0.25, ''S1'')'),
	('retail.put_node(''GONE'', ''旧仓'', ''warehouse'', is_active => false)'),
	('retail.put_carrier_service(''SF'', ''顺丰'', ''标快'')'),
	('retail.put_carrier_service(''STO'', ''申通'', ''标准'', ''{ambient,chilled}'', 6000, false)'),
	('retail.put_lane(''SF'', ''CN-JS'', ''江苏省'', 24, from_region => ''CN'', to_km => 100)'),
	('retail.put_lane(''SF'', ''CN-JS'', ''江苏省'', 36, from_region => ''CN'', from_km => 100)'),
	('retail.put_lane(''SF'', ''CN'', ''全国'', 72, from_node => ''W1'')'),
	('retail.put_lane(''STO'', ''CN'', ''全国'', 72, from_node => ''GONE'')'),
	('retail.put_rate_card(''SF'', ''江苏省'', 1000, 6.0, 1000, 0.9, valid_to => ''2025-01-01'')'),
	('retail.put_rate_card(''SF'', ''江苏省'', 1000, 6.5, 1000, 1, 50000, valid_from => ''2025-01-01'')'),
	('retail.put_rate_card(''STO'', ''江苏省'', brackets => ''[{"up_to_g": 1000, "price": 3.5}, {"up_to_g": 2000, "price": 4}, {"up_to_g": 3000, "price": 4.5},
		{"up_to_g": 9223372036854775807, "price": 3.5, "over_g": 1000, "step_g": 1000, "step_price": 0.8}]'')')
) v (s);

-- ---- what they stored -----------------------------------------------------------

SELECT is((SELECT array_agg(r.code ORDER BY r.region_id) FROM retail.region r), '{CN,CN-JS,CN-JS-WX}', 'one row a region');
SELECT is((SELECT p.name FROM retail.region r JOIN retail.region p ON p.region_id = r.parent_id WHERE r.code = 'CN-JS'), '中国', 'the parent of a region is found by code');
SELECT is((SELECT s.name FROM retail.sku s WHERE s.code = 'B'), 'مثلجات', 'names are kept in any script');
SELECT is((SELECT (s.list_price, s.temperature_class, s.shelf_life_days, s.base_unit, c.code, p.code)::text FROM retail.sku s
	JOIN retail.category c USING (category_id) JOIN retail.supplier p USING (supplier_id) WHERE s.code = 'B'), '(19.90,frozen,180,EA,零食,S1)', 'a SKU with everything');
SELECT results_eq($$ SELECT h.iso_dow, h.opens, h.closes FROM retail.calendar_hours h ORDER BY 1 $$,
	$$ VALUES (1, '09:00'::time, '21:00'::time), (6, '10:00', '24:00') $$, 'opening hours; a null day is closed');
SELECT is((SELECT n.temperature_classes FROM retail.node n WHERE n.code = 'ST1'), '{ambient,frozen}', 'temperature classes are kept once each');
SELECT results_eq($$ SELECT b.up_to_g, b.base_price, b.over_g, b.step_g, b.step_price FROM retail.rate_bracket b JOIN retail.rate_card c USING (rate_card_id)
	WHERE c.zone = '江苏省' AND c.carrier_service_id = retail.carrier_service_id('SF') ORDER BY c.valid_from $$,
	$$ VALUES (9223372036854775807, 6.00, 1000::bigint, 1000::bigint, 0.90), (50000, 6.50, 1000, 1000, 1.00) $$, 'first weight and steps');
SELECT results_eq($$ SELECT b.up_to_g, b.base_price, b.over_g, b.step_g, b.step_price FROM retail.rate_bracket b JOIN retail.rate_card c USING (rate_card_id)
	WHERE c.carrier_service_id = retail.carrier_service_id('STO') ORDER BY b.up_to_g $$,
	$$ VALUES (1000::bigint, 3.50, 0::bigint, 0::bigint, 0.00), (2000, 4.00, 0, 0, 0.00), (3000, 4.50, 0, 0, 0.00), (9223372036854775807, 3.50, 1000, 1000, 0.80) $$, 'brackets');

-- ---- changes keep the key ---------------------------------------------------------

CREATE TEMP TABLE keys AS SELECT retail.region_id('CN-JS-WX') AS region, retail.sku_id('A') AS sku, retail.node_id('W1') AS node, retail.channel_id('wx') AS channel,
	retail.category_id('零食') AS category, retail.supplier_id('S1') AS supplier, retail.calendar_id('shop') AS calendar, retail.carrier_service_id('SF') AS service;
SELECT is(retail.put_region('CN-JS-WX', 'Wuxi', 'CN'), region, 'put_region changes the row of its code') FROM keys;
SELECT is(retail.put_sku('A', 'Cracker', 260, list_price => 5), sku, 'put_sku changes the row of its code') FROM keys;
SELECT is(retail.put_node('W1', 'Wuxi DC', 'warehouse', 'CN-JS-WX', 31.57, 120.30, can_pick_up => true), node, 'put_node changes the row of its code') FROM keys;
SELECT is(retail.put_channel('wx', 'WeChat', 'mini_program', '15 minutes'), channel, 'put_channel changes the row of its code') FROM keys;
SELECT is(retail.put_category('零食', 'Snacks', '食品'), category, 'put_category changes the row of its code') FROM keys;
SELECT is(retail.put_supplier('S1', 'Size & Sons'), supplier, 'put_supplier changes the row of its code') FROM keys;
SELECT is(retail.put_calendar('shop', 'Shop'), calendar, 'put_calendar changes the row of its code') FROM keys;
SELECT is((SELECT count(*) FROM retail.calendar_hours), 2::bigint, '... and without hours leaves them');
SELECT is(retail.put_calendar('shop', 'Shop', '{"3": ["08:00", "20:30"]}'), calendar, '... and with hours') FROM keys;
SELECT results_eq('SELECT h.iso_dow, h.closes FROM retail.calendar_hours h', $$ VALUES (3, '20:30'::time) $$, '... replaces them');
SELECT lives_ok($$ SELECT retail.put_calendar('shop', 'Shop', '{}') $$, '... an empty object');
SELECT is_empty('SELECT FROM retail.calendar_hours', '... closes every weekday');
SELECT lives_ok($$ SELECT retail.put_calendar_day('shop', '2025-10-01', '11:00', '16:00', '国庆节') $$, 'put_calendar_day');
SELECT is((SELECT d.opens FROM retail.calendar_day d WHERE d.day = '2025-10-01'), '11:00', '... changes its day');
SELECT is(retail.put_carrier_service('SF', 'SF', 'Standard', '{ambient}', 12000), service, 'put_carrier_service changes the row of its code') FROM keys;
SELECT is(retail.put_sku_unit('A', 'BOX', 12), sku, 'put_sku_unit') FROM keys;
SELECT is((SELECT u.factor FROM retail.sku_unit u), 12::bigint, '... changes its factor');
SELECT is(retail.put_unit('BOX', 'box'), 'BOX', 'put_unit returns the code');
SELECT lives_ok($$ SELECT retail.put_lane('SF', 'CN', '全国', 60, from_node => 'W1', to_km => 500) $$, 'put_lane');
SELECT is((SELECT (l.lead_hours, l.to_km)::text FROM retail.lane l WHERE l.from_node_id = (SELECT node FROM keys)), '(60,500)', '... changes the lane of its key');
SELECT lives_ok($$ SELECT retail.put_rate_card('STO', '江苏省', brackets => '[{"up_to_g": 500, "price": 3, "from_g": 0}, {"up_to_g": null, "price": 4, "from_g": 500}]') $$, 'put_rate_card');
SELECT results_eq($$ SELECT b.up_to_g, b.base_price FROM retail.rate_bracket b JOIN retail.rate_card c USING (rate_card_id) WHERE c.carrier_service_id = retail.carrier_service_id('STO') ORDER BY 1 $$,
	$$ VALUES (500::bigint, 3.00), (9223372036854775807, 4.00) $$, '... replaces the brackets; null: open-ended');

-- ---- lookups ------------------------------------------------------------------------

SELECT is(retail.sku_id('A'), (SELECT s.sku_id FROM retail.sku s WHERE s.code = 'A'), 'sku_id');
SELECT is(retail.node_id('W1'), (SELECT n.node_id FROM retail.node n WHERE n.code = 'W1'), 'node_id');
SELECT is(retail.node_id('W1', 'ship'), retail.node_id('W1'), 'node_id: may ship');
SELECT is(retail.node_id('ST1', 'pick_up'), retail.node_id('ST1'), 'node_id: pick-up');
SELECT is(retail.node_id('W1', 'receive'), retail.node_id('W1'), 'node_id: may receive');
SELECT is(retail.supplier_id('S2'), (SELECT s.supplier_id FROM retail.supplier s WHERE s.code = 'S2'), 'supplier_id finds an inactive one');
SELECT is(retail.carrier_service_id('STO'), (SELECT c.carrier_service_id FROM retail.carrier_service c WHERE c.code = 'STO'), 'carrier_service_id finds an inactive one');
SELECT raises(c, s) FROM (VALUES
	('RT001', 'SELECT retail.sku_id(''nope'')'), ('RT001', 'SELECT retail.sku_id(NULL)'), ('RT001', 'SELECT retail.sku_id(''OLD'')'), ('RT001', 'SELECT retail.sku_id(''a'')'),
	('RT002', 'SELECT retail.node_id(''nope'')'), ('RT002', 'SELECT retail.node_id(NULL)'), ('RT002', 'SELECT retail.node_id(''GONE'')'),
	('RT002', 'SELECT retail.node_id(''nope'', ''ship'')'), ('RT022', 'SELECT retail.node_id(''ST1'', ''ship'')'), ('RT022', 'SELECT retail.node_id(''ST1'', ''receive'')'),
	('RT016', 'SELECT retail.node_id(''W1'', ''fly'')'),
	('RT003', 'SELECT retail.channel_id(''nope'')'), ('RT003', 'SELECT retail.channel_id(NULL)'), ('RT003', 'SELECT retail.channel_id(''pos'')'),
	('RT004', 'SELECT retail.region_id(''nope'')'), ('RT004', 'SELECT retail.region_id(NULL)'),
	('RT005', 'SELECT retail.category_id(''nope'')'), ('RT005', 'SELECT retail.category_id(NULL)'),
	('RT005', 'SELECT retail.supplier_id(''nope'')'), ('RT005', 'SELECT retail.supplier_id(NULL)'),
	('RT005', 'SELECT retail.calendar_id(''nope'')'), ('RT005', 'SELECT retail.calendar_id(NULL)'),
	('RT005', 'SELECT retail.carrier_service_id(''nope'')'), ('RT005', 'SELECT retail.carrier_service_id(NULL)')
) v (c, s);
SELECT is(bool_and(detail_of(format('SELECT retail.%s(NULL)', f)) LIKE '% is null.'), true, 'every lookup says that the code is null')
	FROM unnest('{sku_id,node_id,channel_id,region_id,category_id,supplier_id,calendar_id,carrier_service_id}'::text[]) f;
SELECT is(pg_temp.message_and_hint_of('SELECT retail.sku_id(''OLD'')'), 'SKU is inactive | Activate it with retail.put_sku(..., is_active => true), or name another SKU.', 'sku_id tells inactive from unknown');
SELECT matches(pg_temp.message_and_hint_of('SELECT retail.sku_id(''nope'')'), '^unknown SKU \| .*retail\.put_sku\(\)', 'sku_id names put_sku');
SELECT matches(pg_temp.message_and_hint_of('SELECT retail.node_id(''GONE'')'), '^node is inactive', 'node_id tells inactive from unknown');
SELECT matches(detail_of('SELECT retail.sku_id(''饼'')'), '饼', 'the detail names the code');

-- ---- every argument is checked, never by a bare constraint -----------------------------

SELECT raises(c, 'SELECT retail.' || s) FROM (VALUES
	('RT015', 'put_region(NULL, ''x'')'), ('RT015', 'put_region('' '', ''x'')'), ('RT015', 'put_region(''R'', '''')'), ('RT015', 'put_region(repeat(''x'', 201), ''x'')'),
	('RT015', 'put_region(repeat(''字'', 86), ''x'')'), ('RT015', 'put_region(''R'' || chr(10), ''x'')'),
	('RT004', 'put_region(''R'', ''x'', ''nope'')'), ('RT004', 'put_region(''R'', ''x'', ''R'')'), ('RT016', 'put_region(''CN'', ''x'', ''CN'')'),
	('RT016', 'put_region(''CN'', ''x'', ''CN-JS-WX'')'),
	('RT013', 'put_region(''R'', ''x'', latitude => 1)'), ('RT013', 'put_region(''R'', ''x'', NULL, 91, 0)'), ('RT013', 'put_region(''R'', ''x'', NULL, ''NaN'', 0)'),
	('RT013', 'put_region(''R'', ''x'', NULL, 0, ''-Infinity'')'),
	('RT015', 'put_channel(''C'', NULL, ''app'')'), ('RT016', 'put_channel(''C'', ''x'', ''fax'')'), ('RT016', 'put_channel(''C'', ''x'', NULL)'),
	('RT014', 'put_channel(''C'', ''x'', ''app'', ''0'')'), ('RT014', 'put_channel(''C'', ''x'', ''app'', ''-1 hour'')'), ('RT014', 'put_channel(''C'', ''x'', ''app'', NULL)'),
	('RT016', 'put_channel(''C'', ''x'', ''app'', is_active => NULL)'),
	('RT005', 'put_category(''C'', ''x'', ''nope'')'), ('RT016', 'put_category(''食品'', ''x'', ''零食'')'), ('RT015', 'put_category('''', ''x'')'),
	('RT015', 'put_supplier(''S'', NULL)'), ('RT016', 'put_supplier(''S'', ''x'', NULL)'), ('RT015', 'put_unit(''U'', '''')'), ('RT015', 'put_unit(NULL, ''x'')'),
	('RT010', 'put_sku(''K'', ''x'', -1)'), ('RT010', 'put_sku(''K'', ''x'', NULL)'), ('RT010', 'put_sku(''K'', ''x'', 10000001)'), ('RT010', 'put_sku(''K'', ''x'', 1, -1)'),
	('RT010', 'put_sku(''K'', ''x'', 1, 100000001)'), ('RT005', 'put_sku(''K'', ''x'', 1, category => ''nope'')'), ('RT005', 'put_sku(''K'', ''x'', 1, supplier => ''nope'')'),
	('RT012', 'put_sku(''K'', ''x'', 1, list_price => ''NaN'')'), ('RT012', 'put_sku(''K'', ''x'', 1, list_price => -0.01)'), ('RT012', 'put_sku(''K'', ''x'', 1, list_price => 0.001)'),
	('RT012', 'put_sku(''K'', ''x'', 1, list_price => 1000000000)'), ('RT012', 'put_sku(''K'', ''x'', 1, list_price => ''Infinity'')'),
	('RT016', 'put_sku(''K'', ''x'', 1, temperature_class => ''hot'')'), ('RT016', 'put_sku(''K'', ''x'', 1, shelf_life_days => 0)'), ('RT005', 'put_sku(''K'', ''x'', 1, base_unit => ''nope'')'),
	('RT005', 'put_sku(''K'', ''x'', 1, base_unit => NULL)'), ('RT016', 'put_sku(''A'', ''x'', 1, base_unit => ''BOX'')'), ('RT016', 'put_sku(''K'', ''x'', 1, is_active => NULL)'),
	('RT001', 'put_sku_unit(''nope'', ''BOX'', 2)'), ('RT005', 'put_sku_unit(''A'', ''nope'', 2)'), ('RT010', 'put_sku_unit(''A'', ''BOX'', 1)'),
	('RT010', 'put_sku_unit(''A'', ''BOX'', NULL)'), ('RT016', 'put_sku_unit(''A'', ''EA'', 2)'),
	('RT016', 'put_calendar(''C'', ''x'', ''[]'')'), ('RT016', 'put_calendar(''C'', ''x'', ''{"0": null}'')'), ('RT016', 'put_calendar(''C'', ''x'', ''{"8": ["09:00", "10:00"]}'')'),
	('RT016', 'put_calendar(''C'', ''x'', ''{"1": "09:00"}'')'), ('RT016', 'put_calendar(''C'', ''x'', ''{"1": ["09:00"]}'')'), ('RT016', 'put_calendar(''C'', ''x'', ''{"1": ["21:00", "09:00"]}'')'),
	('RT016', 'put_calendar(''C'', ''x'', ''{"1": ["09:00", "24:01"]}'')'), ('RT016', 'put_calendar(''C'', ''x'', ''{"1": ["9", null]}'')'), ('RT015', 'put_calendar(''C'', NULL)'),
	('RT005', 'put_calendar_day(''nope'', ''2025-01-01'')'), ('RT014', 'put_calendar_day(''shop'', NULL)'), ('RT014', 'put_calendar_day(''shop'', ''infinity'')'),
	('RT014', 'put_calendar_day(''shop'', ''1999-12-31'')'), ('RT016', 'put_calendar_day(''shop'', ''2025-01-01'', ''09:00'')'),
	('RT016', 'put_calendar_day(''shop'', ''2025-01-01'', ''09:00'', ''09:00'')'), ('RT015', 'put_calendar_day(''shop'', ''2025-01-01'', note => '''')'),
	('RT015', 'put_node(''N'', '''', ''store'')'), ('RT016', 'put_node(''N'', ''x'', ''shop'')'), ('RT004', 'put_node(''N'', ''x'', ''store'', ''nope'')'),
	('RT013', 'put_node(''N'', ''x'', ''store'', NULL, 0, 181)'), ('RT013', 'put_node(''N'', ''x'', ''store'', longitude => 8)'),
	('RT016', 'put_node(''N'', ''x'', ''store'', time_zone => ''Asia/Nowhere'')'), ('RT016', 'put_node(''N'', ''x'', ''store'', time_zone => ''x8'')'),
	('RT016', 'put_node(''N'', ''x'', ''store'', time_zone => NULL)'), ('RT005', 'put_node(''N'', ''x'', ''store'', calendar => ''nope'')'),
	('RT014', 'put_node(''N'', ''x'', ''store'', cut_off => NULL)'), ('RT016', 'put_node(''N'', ''x'', ''store'', processing_minutes => -1)'),
	('RT010', 'put_node(''N'', ''x'', ''store'', daily_capacity => -1)'), ('RT016', 'put_node(''N'', ''x'', ''store'', can_ship => NULL)'),
	('RT016', 'put_node(''N'', ''x'', ''store'', temperature_classes => ''{}'')'), ('RT016', 'put_node(''N'', ''x'', ''store'', temperature_classes => ''{hot}'')'),
	('RT016', 'put_node(''N'', ''x'', ''store'', temperature_classes => NULL)'), ('RT012', 'put_node(''N'', ''x'', ''store'', parcel_cost => ''NaN'')'),
	('RT012', 'put_node(''N'', ''x'', ''store'', parcel_cost => 1000001)'), ('RT012', 'put_node(''N'', ''x'', ''store'', unit_cost => NULL)'),
	('RT005', 'put_node(''N'', ''x'', ''store'', supplier => ''nope'')'),
	('RT015', 'put_carrier_service(''X'', '''', ''x'')'), ('RT016', 'put_carrier_service(''X'', ''x'', ''x'', ''{ambient,NULL}'')'), ('RT016', 'put_carrier_service(''X'', ''x'', ''x'', volumetric_divisor => -1)'),
	('RT005', 'put_lane(''nope'', ''CN'', ''z'', 1, ''W1'')'), ('RT004', 'put_lane(''SF'', ''nope'', ''z'', 1, ''W1'')'), ('RT002', 'put_lane(''SF'', ''CN'', ''z'', 1, ''nope'')'),
	('RT004', 'put_lane(''SF'', ''CN'', ''z'', 1, NULL, ''nope'')'), ('RT016', 'put_lane(''SF'', ''CN'', ''z'', 1)'), ('RT016', 'put_lane(''SF'', ''CN'', ''z'', 1, ''W1'', ''CN'')'),
	('RT015', 'put_lane(''SF'', ''CN'', '''', 1, ''W1'')'), ('RT016', 'put_lane(''SF'', ''CN'', ''z'', -1, ''W1'')'), ('RT016', 'put_lane(''SF'', ''CN'', ''z'', NULL, ''W1'')'),
	('RT016', 'put_lane(''SF'', ''CN'', ''z'', 1, ''ST1'', from_km => ''NaN'')'), ('RT016', 'put_lane(''SF'', ''CN'', ''z'', 1, ''ST1'', to_km => ''NaN'')'),
	('RT016', 'put_lane(''SF'', ''CN'', ''z'', 1, ''ST1'', from_km => 5, to_km => 5)'), ('RT016', 'put_lane(''SF'', ''CN'', ''z'', 1, ''ST1'', from_km => -1)'),
	('RT016', 'put_lane(''SF'', ''CN-JS'', ''z'', 1, from_region => ''CN'', from_km => 50, to_km => 60)'), ('RT016', 'put_lane(''SF'', ''CN-JS'', ''z'', 1, from_region => ''CN'', to_km => 101)'),
	('RT005', 'put_rate_card(''nope'', ''z'', 1000, 1, 1000, 1)'), ('RT015', 'put_rate_card(''SF'', '''', 1000, 1, 1000, 1)'), ('RT016', 'put_rate_card(''SF'', ''z'')'),
	('RT016', 'put_rate_card(''SF'', ''z'', 1000, 1, 1000)'), ('RT016', 'put_rate_card(''SF'', ''z'', 1000, 1, 1000, 1, brackets => ''[{"up_to_g": 1, "price": 1}]'')'),
	('RT010', 'put_rate_card(''SF'', ''z'', -1, 1, 1000, 1)'), ('RT010', 'put_rate_card(''SF'', ''z'', 1000, 1, 0, 1)'), ('RT010', 'put_rate_card(''SF'', ''z'', 1000, 1, 1000, 1, 999)'),
	('RT012', 'put_rate_card(''SF'', ''z'', 1000, ''NaN'', 1000, 1)'), ('RT012', 'put_rate_card(''SF'', ''z'', 1000, 1, 1000, -1)'), ('RT012', 'put_rate_card(''SF'', ''z'', 1000, 10000001, 1000, 1)'),
	('RT014', 'put_rate_card(''SF'', ''z'', 1000, 1, 1000, 1, valid_from => ''-infinity'')'), ('RT014', 'put_rate_card(''SF'', ''z'', 1000, 1, 1000, 1, valid_to => NULL)'),
	('RT016', 'put_rate_card(''SF'', ''z'', 1000, 1, 1000, 1, valid_from => ''2025-01-01'', valid_to => ''2025-01-01'')'),
	('RT016', 'put_rate_card(''SF'', ''江苏省'', 1000, 1, 1000, 1, valid_from => ''2024-06-01'')'), ('RT016', 'put_rate_card(''SF'', ''江苏省'', 1000, 1, 1000, 1, valid_from => ''2001-01-01'', valid_to => ''2002-01-01'')'),
	('RT016', 'put_rate_card(''SF'', ''z'', brackets => ''{}'')'), ('RT016', 'put_rate_card(''SF'', ''z'', brackets => ''[]'')'), ('RT016', 'put_rate_card(''SF'', ''z'', brackets => ''[1]'')'),
	('RT016', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 1000}]'')'), ('RT016', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 1000, "price": 1, "prise": 2}]'')'),
	('RT016', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 2000, "price": 1}, {"up_to_g": 1000, "price": 2}]'')'),
	('RT016', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 1000, "price": 1}, {"up_to_g": 1000, "price": 2}]'')'),
	('RT016', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 1000, "price": 1}, {"from_g": 2000, "up_to_g": 3000, "price": 2}]'')'),
	('RT016', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": null, "price": 1}, {"up_to_g": 1000, "price": 2}]'')'),
	('RT016', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 1000, "price": 1, "step_price": 2}]'')'),
	('RT016', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 1000, "price": 1, "over_g": 1001, "step_g": 1}]'')'),
	('RT010', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 1.5, "price": 1}]'')'), ('RT010', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": "1000", "price": 1}]'')'),
	('RT010', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 9223372036854775808, "price": 1}]'')'),
	('RT010', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 1000, "price": 1, "over_g": -1}]'')'),
	('RT012', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 1000, "price": -1}]'')'), ('RT012', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 1000, "price": null}]'')'),
	('RT012', 'put_rate_card(''SF'', ''z'', brackets => ''[{"up_to_g": 1000, "price": 1, "step_g": 1, "step_price": 0.001}]'')')
) v (c, s);

-- An inactive lane may stand in the way of nothing; then bands can be redrawn.
SELECT lives_ok($$ SELECT retail.put_lane('SF', 'CN-JS', '江苏省', 36, from_region => 'CN', from_km => 100, is_active => false) $$, 'a band is switched off');
SELECT lives_ok($$ SELECT retail.put_lane('SF', 'CN-JS', '江苏省', 24, from_region => 'CN', to_km => 200) $$, '... another takes its place');
SELECT raises('RT016', $$ SELECT retail.put_lane('SF', 'CN-JS', '江苏省', 36, from_region => 'CN', from_km => 100) $$, '... and it cannot come back');

-- ---- distance and invariants ------------------------------------------------------------

SELECT cmp_ok(abs(retail.distance_km(39.9042, 116.4074, 31.2304, 121.4737) - 1067), '<', 3::float8, 'Beijing to Shanghai is 1067 km');
SELECT is(retail.distance_km(31.5, 120.3, 31.5, 120.3), 0::float8, 'a point is 0 km from itself');
SELECT is(retail.distance_km(NULL, 0, 0, 0), NULL, 'no distance to nowhere');
SELECT is_empty('SELECT * FROM retail.check_catalog_integrity()', 'the catalogue is sound');
SELECT is_empty('SELECT * FROM retail.check_integrity()', '... and so is everything');
SAVEPOINT broken;
UPDATE retail.region SET parent_id = retail.region_id('CN-JS-WX') WHERE code = 'CN';
UPDATE retail.category SET parent_id = retail.category_id('零食') WHERE code = '食品';
UPDATE retail.rate_card SET valid_to = 'infinity';
UPDATE retail.lane SET is_active = true;
SELECT results_eq('SELECT c.invariant, split_part(c.object, '' '', 1), count(*) FROM retail.check_catalog_integrity() c GROUP BY 1, 2 ORDER BY 2',
	$$ VALUES (0, 'category', 2::bigint), (0, 'lane', 1), (0, 'rate', 1), (0, 'region', 2) $$, 'cycles and overlaps are found; what hangs below a cycle is not blamed');
SELECT lives_ok($$ SELECT retail.put_region('X', 'x', 'CN-JS') $$, 'a broken tree does not hang its writers');
ROLLBACK TO broken;

-- ---- BI views -----------------------------------------------------------------------------

INSERT INTO retail.stock (sku_id, node_id, on_hand, reserved, in_transit, damaged, quality_hold) VALUES
	(retail.sku_id('A'), retail.node_id('W1'), 10, 4, 3, 2, 1), (retail.sku_id('A'), retail.node_id('ST1'), 2, 5, 0, 0, 0), (retail.sku_id('B'), retail.node_id('ST1'), 0, 0, 0, 0, 0);
INSERT INTO retail.movement (sku_id, node_id, condition, quantity, reason, occurred_at, actor) VALUES
	(retail.sku_id('A'), retail.node_id('W1'), 'sellable', 12, 'receipt', '2025-03-01 23:59+00', 'test'), (retail.sku_id('B'), retail.node_id('W1'), 'sellable', 3, 'receipt', '2025-03-01 00:00+00', 'test'),
	(retail.sku_id('A'), retail.node_id('W1'), 'sellable', -2, 'sale', '2025-03-02 00:00+00', 'test');
INSERT INTO retail.sales_order (order_id, channel_id, external_no, request_hash, fulfilment, recipient, status, goods_total, discount_total, freight_total, total, placed_at) VALUES
	(1, retail.channel_id('wx'), 'O1', '', 'ship', '{"name": "王"}', 'delivered', 100, 10, 6, 96, '2025-03-01 10:00+00'),
	(2, retail.channel_id('wx'), 'O2', '', 'ship', '{"name": "李"}', 'cancelled', 20, 0, 0, 20, '2025-03-01 23:00+00'),
	(3, retail.channel_id('wx'), 'O3', '', 'pick_up', NULL, 'open', 5, 0, 0, 5, '2025-03-02 01:00+00');
INSERT INTO retail.order_line (order_id, line_no, sku_id, quantity, unit_price, discount, amount, allocated, cancelled) VALUES
	(1, 1, retail.sku_id('A'), 3, 20, 10, 50, 3, 0), (1, 2, retail.sku_id('B'), 2, 20, 0, 40, 2, 0), (2, 1, retail.sku_id('A'), 4, 5, 0, 20, 0, 4), (3, 1, retail.sku_id('A'), 1, 5, 0, 5, 1, 0);
INSERT INTO retail.shipment (order_id, node_id, kind, status, freight_cost, handling_cost, promised_at, planned_at, shipped_at, delivered_at) VALUES
	(1, retail.node_id('W1'), 'ship', 'delivered', 6, 1, '2025-03-03 10:00+00', '2025-03-01 10:00+00', '2025-03-01 16:00+00', '2025-03-02 10:00+00'),
	(1, retail.node_id('W1'), 'ship', 'delivered', 7, 1, '2025-03-03 10:00+00', '2025-03-01 10:00+00', '2025-03-01 22:00+00', '2025-03-04 10:00+00'),
	(1, retail.node_id('W1'), 'ship', 'cancelled', 9, 9, NULL, '2025-03-01 10:00+00', NULL, NULL),
	(3, retail.node_id('ST1'), 'pick_up', 'planned', 0, 0.5, '2025-03-03 10:00+00', '2025-03-02 01:00+00', NULL, NULL);
INSERT INTO retail.allocation_decision (order_id, decided_at, policy_id, cost, lower_bound, is_exact, n_parcels, trace) VALUES
	(1, '2025-03-01 10:00+00', 1, 15, 15, true, 2, '{}'), (2, '2025-03-01 23:00+00', 1, 6, 5, false, 1, '{}');

SELECT results_eq('SELECT p.sku, p.sku_name, p.category, p.node, p.node_kind, p.region, p.on_hand, p.reserved, p.in_transit, p.damaged, p.quality_hold, p.free FROM retail_bi.stock_position p ORDER BY 1, 4 DESC LIMIT 1',
	$$ VALUES ('A', 'Cracker', NULL::text, 'W1', 'warehouse', 'CN-JS-WX', 10::bigint, 4::bigint, 3::bigint, 2::bigint, 1::bigint, 6::bigint) $$, 'stock_position');
SELECT results_eq('SELECT s.sku, s.node_kind, s.nodes, s.nodes_stocked_out, s.on_hand, s.free FROM retail_bi.stock_by_sku s ORDER BY 1, 2',
	$$ VALUES ('A', 'store', 1::bigint, 1::bigint, 2::bigint, -3::bigint), ('A', 'warehouse', 1, 0, 10, 6), ('B', 'store', 1, 1, 0, 0) $$, 'stock_by_sku');
SELECT results_eq('SELECT o.sku, o.node, o.lacking FROM retail_bi.over_promised o', $$ VALUES ('A', 'ST1', 3::bigint) $$, 'over_promised');
SELECT results_eq('SELECT * FROM retail_bi.order_daily ORDER BY day', $$ VALUES
	('2025-03-01'::date, 'wx', 2::bigint, 9::bigint, 120.00, 10.00, 6.00, 1::bigint, 1::bigint), ('2025-03-02', 'wx', 1, 1, 5.00, 0.00, 0.00, 0, 0) $$, 'order_daily counts an order once, whatever its lines');
SELECT results_eq('SELECT * FROM retail_bi.fulfilment_daily ORDER BY day', $$ VALUES
	('2025-03-01'::date, 'W1', 'ship', 2::bigint, 13.00, 2.00, 2::bigint, 0.5000, 9.00, 48.00), ('2025-03-02', 'ST1', 'pick_up', 1, 0.00, 0.50, 0, NULL, NULL, NULL) $$, 'fulfilment_daily');
SELECT results_eq('SELECT * FROM retail_bi.order_split', $$ VALUES (2::bigint, 1::bigint, 1.0000) $$, 'order_split counts shipped orders and live parcels');
SELECT results_eq('SELECT * FROM retail_bi.movement_daily ORDER BY day', $$ VALUES
	('2025-03-01'::date, 'W1', 'receipt', 'sellable', 15::bigint), ('2025-03-02', 'W1', 'sale', 'sellable', -2) $$, 'movement_daily');
SELECT results_eq('SELECT * FROM retail_bi.allocation_daily', $$ VALUES ('2025-03-01'::date, 2::bigint, 10.50, 0.5000, 0.5000) $$, 'allocation_daily');
SELECT is(pg_temp.as_role(r, format('SELECT * FROM retail_bi.%I', v.relname)), 'ok', format('%s reads %s', r, v.relname))
	FROM unnest('{retail_bi,retail_admin}'::text[]) r, (SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'retail_bi'::regnamespace AND c.relkind = 'v' ORDER BY 1) v
	WHERE v.relname IN ('stock_position', 'stock_by_sku', 'over_promised', 'order_daily', 'fulfilment_daily', 'order_split', 'movement_daily', 'allocation_daily');
SELECT is(pg_temp.as_role('retail_bi', $$ DO 'BEGIN IF (SELECT count(*) FROM retail_bi.stock_position) <> 3 THEN RAISE ''rows are missing''; END IF; END' $$), 'ok', 'retail_bi sees every row');

-- ---- who may call ------------------------------------------------------------------------

CREATE ROLE catalog_test_nobody;
SELECT is(pg_temp.as_role('catalog_test_nobody', s), '42501', 'an ordinary role may not: ' || s) FROM (VALUES
	('SELECT retail.sku_id(''A'')'), ('SELECT retail.put_unit(''X'', ''x'')'), ('SELECT * FROM retail.sku'), ('SELECT * FROM retail_bi.stock_position')) v (s);
SELECT is(pg_temp.as_role('retail_supplier', s), '42501', 'a supplier may not: ' || s) FROM (VALUES
	('SELECT * FROM retail.rate_card'), ('SELECT * FROM retail.rate_bracket'), ('SELECT * FROM retail.lane'), ('SELECT retail.put_rate_card(''SF'', ''z'', 1, 1, 1, 1)'),
	('SELECT * FROM retail_bi.stock_position')) v (s);
SELECT is(pg_temp.as_role(r, 'SELECT retail.sku_id(''A''), retail.node_id(''W1''), retail.region_id(''CN''), retail.category_id(''食品'')'), 'ok', r || ' looks codes up')
	FROM unnest('{retail_admin,retail_app,retail_store,retail_supplier,retail_service,retail_bi}'::text[]) r;
SELECT is(pg_temp.as_role(r, 'SELECT retail.put_node(''W9'', ''九号'', ''warehouse'')'), e, format('%s puts a node: %s', r, e))
	FROM (VALUES ('retail_admin', 'ok'), ('retail_app', 'ok'), ('retail_store', '42501'), ('retail_supplier', '42501'), ('retail_service', '42501'), ('retail_bi', '42501')) v (r, e);
SELECT is(pg_temp.as_role('retail_app', 'INSERT INTO retail.unit VALUES (''X'', ''x'')'), '42501', 'the application writes through functions only');

SELECT * FROM finish();
ROLLBACK;
