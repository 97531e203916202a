-- inventory.sql: documents, transfers, holds, expiry, availability, repair: what
-- they do, what they refuse, and that a retry changes nothing.
BEGIN;
SET client_min_messages = warning;
SELECT plan(195);

-- The counters of a SKU at a node: on_hand/reserved/in_transit/damaged/quality_hold.
CREATE FUNCTION pg_temp.stock(sku text, node text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws('/', s.on_hand, s.reserved, s.in_transit, s.damaged, s.quality_hold)
	FROM retail.stock s JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id) WHERE k.code = sku AND n.code = node
$$;

SELECT retail.put_channel('app', '应用', 'app'), retail.put_channel('web', 'web', 'web'), retail.put_channel('off', 'off', 'web', is_active => false),
	retail.put_sku('A', '茶', 500, list_price => 10), retail.put_sku('B', 'b', 100), retail.put_sku('C', 'c', 1), retail.put_sku('OLD', 'old', 1, is_active => false),
	retail.put_node('W1', '仓一', 'warehouse'), retail.put_node('W2', '仓二', 'warehouse'), retail.put_node('S1', '店', 'store'),
	retail.put_node('NORECV', 'x', 'store', can_receive => false), retail.put_node('SHUT', 'x', 'store', is_active => false) \g /dev/null
CREATE ROLE inventory_test_s1 LOGIN IN ROLE retail_store;
CREATE ROLE inventory_test_bi LOGIN IN ROLE retail_bi;
SELECT retail.bind_principal('inventory_test_s1', 'S1') \g /dev/null

-- ---- receipts -----------------------------------------------------------------------

SELECT is(retail.receive_stock('R1', 'W1', '[{"sku":"A","qty":10},{"sku":"A","qty":5.0},{"sku":"B","qty":3,"condition":"damaged"},{"sku":"B","qty":2,"condition":"quality_hold"}]') - 'document_id',
	'{"skus":2,"units":20,"replayed":false}', 'a receipt books what came, 5.0 is whole');
SELECT is(pg_temp.stock('A', 'W1'), '15/0/0/0/0', 'sellable goods are on hand');
SELECT is(pg_temp.stock('B', 'W1'), '0/0/0/3/2', 'damaged and held goods are not');
SELECT is(retail.receive_stock('R1', 'W1', '[{"sku":"A","qty":10},{"sku":"A","qty":5.0},{"sku":"B","qty":3,"condition":"damaged"},{"sku":"B","qty":2,"condition":"quality_hold"}]', now() + '1 hour') - 'document_id',
	'{"skus":2,"units":20,"replayed":true}', 'the same number gets the first answer');
SELECT is(pg_temp.stock('A', 'W1'), '15/0/0/0/0', '... and books nothing');
SELECT is((SELECT count(*) FROM retail.movement WHERE reason = 'receipt' AND ref_type = 'document'), 3::bigint, 'one ledger row for each SKU and condition');
SELECT is((SELECT actor FROM retail.movement LIMIT 1), session_user::text, 'the ledger knows who booked');
SAVEPOINT own;
SELECT is(retail.receive_stock('R1', 'W2', '[{"sku":"A","qty":10}]') ->> 'replayed', 'false', 'each node has its own numbers');
ROLLBACK TO own;
SELECT raises('RT030', $$SELECT retail.receive_stock('R1', 'W1', '[{"sku":"A","qty":11}]')$$);
SELECT raises('RT001', $$SELECT retail.receive_stock('R2', 'W1', '[{"sku":"NONE","qty":1}]')$$);
SELECT raises('RT002', $$SELECT retail.receive_stock('R2', 'NONE', '[{"sku":"A","qty":1}]')$$);
SELECT raises('RT002', $$SELECT retail.receive_stock('R2', 'SHUT', '[{"sku":"A","qty":1}]')$$);
SELECT raises('RT022', $$SELECT retail.receive_stock('R2', 'NORECV', '[{"sku":"A","qty":1}]')$$);
SELECT raises('RT014', $$SELECT retail.receive_stock('R2', 'W1', '[{"sku":"A","qty":1}]', 'infinity')$$);
SELECT raises('RT014', $$SELECT retail.receive_stock('R2', 'W1', '[{"sku":"A","qty":1}]', NULL)$$);
SELECT raises('RT015', $$SELECT retail.receive_stock(' ', 'W1', '[{"sku":"A","qty":1}]')$$);
SELECT raises('RT015', $$SELECT retail.receive_stock(NULL, 'W1', '[{"sku":"A","qty":1}]')$$);
SELECT raises(x.code, format('SELECT retail.receive_stock(%L, %L, %L)', 'R2', 'W1', x.lines)) FROM (VALUES
	('RT011', NULL), ('RT011', 'null'), ('RT011', '{}'), ('RT011', '[]'), ('RT011', '[1]'), ('RT011', '[{"qty":1}]'), ('RT011', '[{"sku":7,"qty":1}]'),
	('RT011', '[{"sku":"A","qty":1,"condition":"lost"}]'), ('RT010', '[{"sku":"A"}]'), ('RT010', '[{"sku":"A","qty":0}]'), ('RT010', '[{"sku":"A","qty":-1}]'),
	('RT010', '[{"sku":"A","qty":1.5}]'), ('RT010', '[{"sku":"A","qty":"1"}]'), ('RT010', '[{"sku":"A","qty":null}]'), ('RT010', '[{"sku":"A","qty":1e99}]'),
	('RT010', '[{"sku":"A","qty":1000000001}]')) x (code, lines);
SELECT lives_ok($$SELECT retail.receive_stock('R2', 'W1', '[{"sku":"OLD","qty":1}]')$$, 'an inactive SKU can still be received, and a number that failed is free');
SELECT raises_as('inventory_test_s1', 'no error', $$SELECT retail.receive_stock('RS', 'S1', '[{"sku":"A","qty":4}]')$$);
SELECT raises_as('inventory_test_s1', 'RT040', $$SELECT retail.receive_stock('RS2', 'W1', '[{"sku":"A","qty":4}]')$$);
SELECT raises_as('inventory_test_bi', '42501', $$SELECT retail.receive_stock('RS2', 'W1', '[{"sku":"A","qty":4}]')$$);

-- ---- adjustments -----------------------------------------------------------------------

SELECT is(retail.adjust_stock('A1', 'W1', '[{"sku":"A","qty":-2},{"sku":"A","qty":2,"condition":"damaged"},{"sku":"B","qty":-4}]', 'broken') - 'document_id',
	'{"skus":2,"units":-4,"replayed":false}', 'an adjustment moves between conditions and takes away');
SELECT is(pg_temp.stock('A', 'W1'), '13/0/0/2/0', '... in both counters');
SELECT is(pg_temp.stock('B', 'W1'), '-4/0/0/3/2', '... below zero when it must');
SELECT is(retail.adjust_stock('A1', 'W1', '[{"sku":"A","qty":-2},{"sku":"A","qty":2,"condition":"damaged"},{"sku":"B","qty":-4}]', 'broken') -> 'replayed', 'true', 'a retry is answered');
SELECT is(pg_temp.stock('B', 'W1'), '-4/0/0/3/2', '... and books nothing');
SELECT is(retail.adjust_stock('A2', 'W1', '[{"sku":"A","qty":3},{"sku":"A","qty":-3}]', 'nothing') -> 'units', '0', 'lines that cancel each other book nothing');
SELECT retail.adjust_stock('A3', 'W1', '[{"sku":"B","qty":4}]', 'found') \g /dev/null
SELECT raises('RT030', $$SELECT retail.adjust_stock('A1', 'W1', '[{"sku":"A","qty":-2},{"sku":"A","qty":2,"condition":"damaged"},{"sku":"B","qty":-4}]', 'stolen')$$);
SELECT raises('RT001', $$SELECT retail.adjust_stock('A9', 'W1', '[{"sku":"NONE","qty":1}]', 'x')$$);
SELECT raises('RT002', $$SELECT retail.adjust_stock('A9', 'NONE', '[{"sku":"A","qty":1}]', 'x')$$);
SELECT raises('RT010', $$SELECT retail.adjust_stock('A9', 'W1', '[{"sku":"A","qty":0}]', 'x')$$);
SELECT raises('RT010', $$SELECT retail.adjust_stock('A9', 'W1', '[{"sku":"A","qty":0.5}]', 'x')$$);
SELECT raises('RT011', $$SELECT retail.adjust_stock('A9', 'W1', '[]', 'x')$$);
SELECT raises('RT014', $$SELECT retail.adjust_stock('A9', 'W1', '[{"sku":"A","qty":1}]', 'x', '1999-01-01')$$);
SELECT raises('RT015', $$SELECT retail.adjust_stock('A9', 'W1', '[{"sku":"A","qty":1}]', NULL)$$);
SELECT raises('RT015', $$SELECT retail.adjust_stock('', 'W1', '[{"sku":"A","qty":1}]', 'x')$$);
SELECT raises_as('inventory_test_s1', 'RT040', $$SELECT retail.adjust_stock('A9', 'W1', '[{"sku":"A","qty":1}]', 'x')$$);

-- ---- counts ---------------------------------------------------------------------------------

SELECT retail.receive_stock('R10', 'W2', '[{"sku":"A","qty":20},{"sku":"B","qty":7}]', now() - interval '3 hours'),
	retail.hold_stock('H-count', 'app', '[{"sku":"A","node":"W2","qty":4}]', NULL),
	retail.adjust_stock('A10', 'W2', '[{"sku":"A","qty":-5}]', 'sold', now() - interval '1 hour') \g /dev/null
SELECT is(retail.count_stock('C1', 'W2', '[{"sku":"A","qty":18}]', now() - interval '2 hours') - 'document_id',
	'{"skus":1,"corrected":1,"found":0,"lost":2,"replayed":false}', 'a count corrects what lay there at its moment');
SELECT is(pg_temp.stock('A', 'W2'), '13/4/0/0/0', '... keeps later movements and reservations');
SELECT is(pg_temp.stock('B', 'W2'), '7/0/0/0/0', '... and leaves SKUs alone that it does not list');
SELECT is(retail.count_stock('C1', 'W2', '[{"sku":"A","qty":18}]', now() - interval '1 minute') -> 'replayed', 'true', 'a retry at another moment is a retry');
SELECT is(pg_temp.stock('A', 'W2'), '13/4/0/0/0', '... and books nothing');
SELECT is(retail.count_stock('C2', 'W2', '[{"sku":"A","qty":13}]') - 'document_id', '{"skus":1,"corrected":0,"found":0,"lost":0,"replayed":false}', 'a count that agrees changes nothing');
SELECT is(retail.count_stock('C3', 'W2', '[{"sku":"A","qty":10},{"sku":"A","qty":4}]', complete => true) - 'document_id',
	'{"skus":2,"corrected":2,"found":1,"lost":7,"replayed":false}', 'a complete count sums shelves, and what it does not list is gone');
SELECT is(pg_temp.stock('A', 'W2') || ' ' || pg_temp.stock('B', 'W2'), '14/4/0/0/0 0/0/0/0/0', '... to what was counted');
SELECT is(retail.count_stock('C4', 'W2', '[{"sku":"A","qty":15},{"sku":"B","qty":0}]', complete => true) - 'document_id',
	'{"skus":2,"corrected":1,"found":1,"lost":0,"replayed":false}', 'a complete count that lists every SKU');
SELECT is(retail.count_stock('C5', 'W2', '[{"sku":"C","qty":9}]') - 'document_id', '{"skus":1,"corrected":1,"found":9,"lost":0,"replayed":false}', 'a SKU that was never there');
SELECT is(pg_temp.stock('C', 'W2'), '9/0/0/0/0', '... is there now');
SELECT raises('RT030', $$SELECT retail.count_stock('C1', 'W2', '[{"sku":"A","qty":19}]')$$);
SELECT raises('RT030', $$SELECT retail.count_stock('C1', 'W2', '[{"sku":"A","qty":18}]', complete => true)$$);
SELECT raises('RT001', $$SELECT retail.count_stock('C9', 'W2', '[{"sku":"NONE","qty":1}]')$$);
SELECT raises('RT002', $$SELECT retail.count_stock('C9', 'NONE', '[{"sku":"A","qty":1}]')$$);
SELECT raises('RT010', $$SELECT retail.count_stock('C9', 'W2', '[{"sku":"A","qty":-1}]')$$);
SELECT raises('RT011', $$SELECT retail.count_stock('C9', 'W2', '[]')$$);
SELECT raises('RT011', $$SELECT retail.count_stock('C9', 'W2', '[{"sku":"A","qty":1,"condition":"damaged"}]')$$);
SELECT raises('RT014', $$SELECT retail.count_stock('C9', 'W2', '[{"sku":"A","qty":1}]', now() + interval '3 days')$$);
SELECT raises('RT014', $$SELECT retail.count_stock('C9', 'W2', '[{"sku":"A","qty":1}]', NULL)$$);
SELECT raises('RT015', $$SELECT retail.count_stock('', 'W2', '[{"sku":"A","qty":1}]')$$);
SELECT raises_as('inventory_test_s1', 'RT040', $$SELECT retail.count_stock('C9', 'W2', '[{"sku":"A","qty":1}]')$$);

-- ---- transfers -------------------------------------------------------------------------------

SELECT is(retail.transfer_out('T1', 'W2', 'S1', '[{"sku":"A","qty":6},{"sku":"C","qty":5}]') - '{document_id,transfer_id}'::text[], '{"skus":2,"units":11,"replayed":false}', 'a transfer leaves');
SELECT is(pg_temp.stock('A', 'W2') || ' ' || pg_temp.stock('A', 'S1'), '9/4/0/0/0 4/0/6/0/0', '... and is on its way');
SELECT is(retail.transfer_out('T1', 'W2', 'S1', '[{"sku":"A","qty":6},{"sku":"C","qty":5}]') -> 'replayed', 'true', 'a retry is answered');
SELECT is(pg_temp.stock('A', 'S1'), '4/0/6/0/0', '... and sends nothing');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'integrity with a transfer on its way');
SELECT raises('RT020', $$SELECT retail.transfer_out('T2', 'W2', 'S1', '[{"sku":"A","qty":6}]')$$, 'what is promised cannot leave: 9 on hand, 4 reserved');
SELECT raises('RT020', $$SELECT retail.transfer_out('T2', 'S1', 'W2', '[{"sku":"B","qty":1}]')$$, 'what never was there cannot leave');
SELECT raises('RT016', $$SELECT retail.transfer_out('T2', 'W2', 'W2', '[{"sku":"A","qty":1}]')$$);
SELECT raises('RT022', $$SELECT retail.transfer_out('T2', 'W2', 'NORECV', '[{"sku":"A","qty":1}]')$$);
SELECT raises('RT030', $$SELECT retail.transfer_out('T1', 'W2', 'S1', '[{"sku":"A","qty":7}]')$$);
SELECT raises('RT030', $$SELECT retail.transfer_out('T1', 'W2', 'W1', '[{"sku":"A","qty":6},{"sku":"C","qty":5}]')$$);
SELECT raises('RT001', $$SELECT retail.transfer_out('T2', 'W2', 'S1', '[{"sku":"NONE","qty":1}]')$$);
SELECT raises('RT002', $$SELECT retail.transfer_out('T2', 'W2', 'NONE', '[{"sku":"A","qty":1}]')$$);
SELECT raises('RT010', $$SELECT retail.transfer_out('T2', 'W2', 'S1', '[{"sku":"A","qty":0}]')$$);
SELECT raises('RT011', $$SELECT retail.transfer_out('T2', 'W2', 'S1', '[{}]')$$);
SELECT raises('RT014', $$SELECT retail.transfer_out('T2', 'W2', 'S1', '[{"sku":"A","qty":1}]', 'infinity')$$);
SELECT raises('RT015', $$SELECT retail.transfer_out('', 'W2', 'S1', '[{"sku":"A","qty":1}]')$$);
SELECT raises_as('inventory_test_s1', 'RT040', $$SELECT retail.transfer_out('T2', 'W2', 'S1', '[{"sku":"A","qty":1}]')$$);
SELECT raises('RT006', $$SELECT retail.transfer_in('NONE')$$);
SELECT raises('RT032', $$SELECT retail.transfer_in('T1', '[{"sku":"B","qty":1}]')$$);
SELECT raises('RT001', $$SELECT retail.transfer_in('T1', '[{"sku":"NONE","qty":1}]')$$);
SELECT raises('RT010', $$SELECT retail.transfer_in('T1', '[{"sku":"A","qty":1,"damaged":-1}]')$$);
SELECT raises('RT011', $$SELECT retail.transfer_in('T1', '[]')$$);
SELECT raises('RT014', $$SELECT retail.transfer_in('T1', as_of => NULL)$$);
SELECT is(retail.transfer_in('T1', '[{"sku":"A","qty":3,"damaged":1.0},{"sku":"C","qty":7}]') - '{document_id,transfer_id}'::text[],
	'{"received":10,"damaged":1,"short":0,"replayed":false}', 'a transfer arrives: two A short, one damaged, two C over');
SELECT is(pg_temp.stock('A', 'S1') || ' ' || pg_temp.stock('C', 'S1'), '7/0/0/1/0 7/0/0/0/0', '... as it was counted at the door');
SELECT is(retail.transfer_in('T1', '[{"sku":"A","qty":3,"damaged":1.0},{"sku":"C","qty":7}]') -> 'replayed', 'true', 'a retry is answered');
SELECT raises('RT030', $$SELECT retail.transfer_in('T1')$$, 'a second arrival with other lines');
SELECT retail.transfer_out('T3', 'S1', 'W2', '[{"sku":"A","qty":2},{"sku":"C","qty":1}]'), retail.transfer_out('T4', 'S1', 'W2', '[{"sku":"A","qty":2},{"sku":"C","qty":1}]') \g /dev/null
SELECT is(retail.transfer_in('T3') - '{document_id,transfer_id}'::text[], '{"received":3,"damaged":0,"short":0,"replayed":false}', 'everything as sent');
SELECT is(retail.transfer_in('T3') -> 'replayed', 'true', '... and again');
SELECT raises_as('inventory_test_s1', 'RT040', $$SELECT retail.transfer_in('T4')$$);
SELECT is(retail.transfer_in('T4', '[{"sku":"C","qty":0}]') -> 'short', '3', 'what is not listed did not arrive');
SELECT is(pg_temp.stock('A', 'W2') || ' ' || pg_temp.stock('C', 'W2'), '11/4/0/0/0 5/0/0/0/0', '... and is on its way no longer');
SELECT is((SELECT array_agg(status ORDER BY document_no) FROM retail.stock_transfer), '{received,received,received}', 'all transfers are closed');

-- ---- availability and safety stock ---------------------------------------------------------------

SELECT retail.set_safety_stock('A', 'W1', 3), retail.set_safety_stock('A', 'W1', 10, 'web'), retail.set_safety_stock('A', 'W1', 9, 'web') \g /dev/null
SELECT results_eq($$SELECT node, on_hand, reserved, safety, available, in_transit FROM retail.available_to_promise('A', 'app')$$,
	$$VALUES ('W1', 13::bigint, 0::bigint, 3::bigint, 10::bigint, 0::bigint), ('W2', 11, 4, 0, 7, 0), ('S1', 3, 0, 0, 3, 0)$$, 'available to promise in a channel without safety stock of its own');
SELECT is((SELECT available FROM retail.available_to_promise('A', 'web') WHERE node = 'W1'), 4::bigint, '... in one that has its own');
SELECT is((SELECT available FROM retail.available_to_promise('A') WHERE node = 'W1'), 10::bigint, '... and in no channel');
SELECT raises('RT001', $$SELECT * FROM retail.available_to_promise('NONE')$$);
SELECT raises('RT003', $$SELECT * FROM retail.available_to_promise('A', 'NONE')$$);
SELECT raises('RT001', $$SELECT retail.set_safety_stock('NONE', 'W1', 1)$$);
SELECT raises('RT002', $$SELECT retail.set_safety_stock('A', 'NONE', 1)$$);
SELECT raises('RT003', $$SELECT retail.set_safety_stock('A', 'W1', 1, 'off')$$);
SELECT raises('RT010', $$SELECT retail.set_safety_stock('A', 'W1', -1)$$);
SELECT raises('RT010', $$SELECT retail.set_safety_stock('A', 'W1', NULL)$$);
SELECT raises_as('inventory_test_s1', '42501', $$SELECT retail.set_safety_stock('A', 'S1', 1)$$);

-- ---- holds ---------------------------------------------------------------------------------------

SELECT is(retail.hold_stock('H1', 'web', '[{"sku":"A","node":"W1","qty":3},{"sku":"A","node":"W1","qty":1}]') -> 'replayed', 'false', 'a hold takes all that the channel may promise');
SELECT is(pg_temp.stock('A', 'W1'), '13/4/0/2/0', '... into reserved');
SELECT is(retail.hold_stock('H1', 'web', '[{"sku":"A","node":"W1","qty":3},{"sku":"A","node":"W1","qty":1}]', '1 day') -> 'replayed', 'true', 'a retry is answered');
SELECT raises('RT030', $$SELECT retail.hold_stock('H1', 'web', '[{"sku":"A","node":"W1","qty":3}]')$$);
SELECT raises('RT030', $$SELECT retail.hold_stock('H1', 'app', '[{"sku":"A","node":"W1","qty":3},{"sku":"A","node":"W1","qty":1}]')$$);
SELECT raises('RT020', $$SELECT retail.hold_stock('H2', 'web', '[{"sku":"A","node":"W1","qty":1}]')$$, 'the channel''s safety stock is kept');
SELECT raises('RT020', $$SELECT retail.hold_stock('H2', 'app', '[{"sku":"A","node":"S1","qty":1},{"sku":"A","node":"W1","qty":7}]')$$, 'all or nothing');
SELECT is(pg_temp.stock('A', 'S1'), '3/0/0/1/0', '... is nothing');
SELECT lives_ok($$SELECT retail.hold_stock('H2', 'app', '[{"sku":"A","node":"W1","qty":6}]')$$, 'another channel may go further');
SELECT is(retail.release_hold('H2') - 'hold_id', '{"state":"released","replayed":false}', 'release gives back');
SELECT is(retail.release_hold('H2') -> 'replayed', 'true', '... once');
SELECT is(retail.commit_hold('H1') - 'hold_id', '{"state":"committed","replayed":false}', 'a hold is committed');
SELECT is(retail.commit_hold('H1') -> 'replayed', 'true', '... once');
SELECT is(retail.run_expire_holds(now() + interval '1 year'), '0 units of expired holds given back', 'committed and endless holds do not expire');
SELECT is(retail.ship_hold('H1') - 'hold_id', '{"state":"shipped","replayed":false}', 'a hold ships');
SELECT is(pg_temp.stock('A', 'W1'), '9/0/0/2/0', '... off the shelf and out of reserved');
SELECT is(retail.ship_hold('H1') -> 'replayed', 'true', '... once');
SELECT is((SELECT sum(quantity) FROM retail.movement WHERE ref_type = 'hold' AND reason = 'sale'), -4::numeric, '... with a ledger row');
SELECT raises('RT031', $$SELECT retail.release_hold('H1')$$);
SELECT raises('RT031', $$SELECT retail.commit_hold('H2')$$);
SELECT raises('RT031', $$SELECT retail.ship_hold('H2')$$);
SELECT raises('RT006', $$SELECT retail.commit_hold('NONE')$$);
SELECT raises('RT006', $$SELECT retail.release_hold(NULL)$$);
SELECT raises('RT006', $$SELECT retail.ship_hold('NONE')$$);
SELECT raises('RT014', $$SELECT retail.commit_hold('H1', 'infinity')$$);
SELECT raises(x.code, format('SELECT retail.hold_stock(%L, %L, %L)', x.key, x.channel, x.lines)) FROM (VALUES
	('RT001', 'H9', 'app', '[{"sku":"NONE","node":"W1","qty":1}]'), ('RT002', 'H9', 'app', '[{"sku":"A","node":"NONE","qty":1}]'), ('RT002', 'H9', 'app', '[{"sku":"A","qty":1}]'),
	('RT003', 'H9', 'NONE', '[{"sku":"A","node":"W1","qty":1}]'), ('RT010', 'H9', 'app', '[{"sku":"A","node":"W1","qty":0}]'), ('RT011', 'H9', 'app', '[]'), ('RT011', 'H9', 'app', NULL),
	('RT015', '', 'app', '[{"sku":"A","node":"W1","qty":1}]'), ('RT020', 'H9', 'app', '[{"sku":"B","node":"S1","qty":1}]')) x (code, key, channel, lines);
SELECT raises('RT014', $$SELECT retail.hold_stock('H9', 'app', '[{"sku":"A","node":"W1","qty":1}]', '0')$$);
SELECT raises('RT014', $$SELECT retail.hold_stock('H9', 'app', '[{"sku":"A","node":"W1","qty":1}]', '2 years')$$);
SELECT raises_as('inventory_test_s1', 'no error', $$SELECT retail.hold_stock('HS', 'app', '[{"sku":"A","node":"S1","qty":1}]')$$);
SELECT raises_as('inventory_test_s1', 'RT040', $$SELECT retail.hold_stock('HS2', 'app', '[{"sku":"A","node":"W1","qty":1}]')$$);
SELECT raises_as('inventory_test_s1', 'RT040', $$SELECT retail.release_hold('H-count')$$);
SELECT retail.release_hold('HS') \g /dev/null

-- ---- expiry ---------------------------------------------------------------------------------------

SELECT retail.hold_stock('E1', 'app', '[{"sku":"C","node":"W2","qty":5}]', '10 minutes', '2026-05-01 10:00+00') \g /dev/null
SELECT is((SELECT concat_ws('/', reserved, available) FROM retail.available_to_promise('C', 'app', '2026-05-01 10:09+00') WHERE node = 'W2'), '5/0', 'a hold counts until it is due');
SELECT raises('RT020', $$SELECT retail.hold_stock('E2', 'app', '[{"sku":"C","node":"W2","qty":1}]', as_of => '2026-05-01 10:09+00')$$);
SELECT is((SELECT concat_ws('/', reserved, available) FROM retail.available_to_promise('C', 'app', '2026-05-01 10:10+00') WHERE node = 'W2'), '0/5', '... and no longer, though nobody has swept it');
SELECT lives_ok($$SELECT retail.hold_stock('E2', 'app', '[{"sku":"C","node":"W2","qty":5}]', '10 minutes', '2026-05-01 10:10+00')$$, 'a due hold never causes a stock-out');
SELECT is(pg_temp.stock('C', 'W2'), '5/5/0/0/0', '... and is swept by who needs its units');
SELECT raises('RT031', $$SELECT retail.commit_hold('E1')$$, 'a swept hold cannot be committed');
SELECT is(retail.release_hold('E1') - 'hold_id', '{"state":"expired","replayed":true}', '... and has nothing to release');
SELECT is(retail.commit_hold('E2', '2026-05-01 10:30+00') -> 'state', '"committed"', 'a due hold that nobody swept still has its units');
SELECT is(retail.release_hold('E2') -> 'state', '"released"', 'a committed hold can be released');
SELECT retail.hold_stock('E3', 'app', '[{"sku":"C","node":"W2","qty":2},{"sku":"A","node":"W2","qty":1}]', '10 minutes', '2026-05-01 11:00+00'),
	retail.hold_stock('E4', 'app', '[{"sku":"C","node":"W2","qty":4}]', '10 minutes', '2026-05-01 11:30+00') \g /dev/null
SELECT is(pg_temp.stock('C', 'W2') || ' ' || pg_temp.stock('A', 'W2'), '5/4/0/0/0 11/5/0/0/0', 'one SKU of a hold was swept, the other not');
SELECT raises('RT031', $$SELECT retail.commit_hold('E3')$$, '... so it cannot be committed');
SELECT is(retail.release_hold('E3') - 'hold_id', '{"state":"released","replayed":false}', '... but the rest can be released');
SELECT is(pg_temp.stock('A', 'W2'), '11/4/0/0/0', '... once');
SELECT is(retail.run_expire_holds('2026-05-01 11:39+00'), '0 units of expired holds given back', 'the sweeper leaves what is not due');
SELECT lives_ok($$SELECT retail.transfer_out('T5', 'W2', 'S1', '[{"sku":"C","qty":5}]', '2026-05-01 11:40+00')$$, 'a due hold does not keep goods from a transfer');
SELECT is(pg_temp.stock('C', 'W2'), '0/0/0/0/0', '... which sweeps it');
SELECT retail.transfer_in('T5'), retail.hold_stock('E5', 'app', '[{"sku":"C","node":"S1","qty":5}]', '10 minutes', '2026-05-01 12:00+00') \g /dev/null
SELECT is(retail.run_expire_holds('2026-05-01 12:10+00'), '5 units of expired holds given back', 'the sweeper gives back what is due');
SELECT is(retail.run_expire_holds('2026-05-01 12:10+00'), '0 units of expired holds given back', '... once');
SELECT raises('RT014', $$SELECT retail.run_expire_holds('infinity')$$);
-- A till that reports late takes units that a due hold had: they cannot be promised again.
SELECT retail.hold_stock('E6', 'app', '[{"sku":"A","node":"S1","qty":3}]', '10 minutes', '2026-05-01 13:00+00'), retail.adjust_stock('A20', 'S1', '[{"sku":"A","qty":-2}]', 'sold') \g /dev/null
SELECT raises('RT020', $$SELECT retail.hold_stock('E7', 'app', '[{"sku":"A","node":"S1","qty":3}]', as_of => '2026-05-01 14:00+00')$$, 'what a due hold gives back is not promised beyond what is there');
SELECT lives_ok($$SELECT retail.hold_stock('E7', 'app', '[{"sku":"A","node":"S1","qty":1}]', as_of => '2026-05-01 14:00+00')$$, '... and up to it is');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'integrity');

-- ---- repair --------------------------------------------------------------------------------------

SELECT is_empty('SELECT * FROM retail.repair_stock()', 'nothing to repair');
UPDATE retail.stock s SET on_hand = 99, reserved = 7 FROM retail.sku k WHERE k.sku_id = s.sku_id AND k.code = 'A' AND s.node_id = retail.node_id('W1');
UPDATE retail.stock s SET damaged = 5, quality_hold = 5, in_transit = 5 FROM retail.sku k WHERE k.sku_id = s.sku_id AND k.code = 'B' AND s.node_id = retail.node_id('W1');
DELETE FROM retail.stock WHERE sku_id = retail.sku_id('C') AND node_id = retail.node_id('S1');
SELECT is((SELECT count(*) FROM retail.check_integrity() WHERE invariant = 1), 6::bigint, 'corrupted counters are found, each of them');
SELECT results_eq($$SELECT * FROM retail.repair_stock('A')$$, $$VALUES ('A', 'W1', 'on_hand', 99::bigint, 9::bigint), ('A', 'W1', 'reserved', 7, 0)$$, 'one SKU is repaired');
SELECT is((SELECT count(*) FROM retail.repair_stock()), 4::bigint, '... and the others');
SELECT is_empty('SELECT * FROM retail.check_integrity()', '... to the ledger and the reservations');
SELECT raises('RT001', $$SELECT * FROM retail.repair_stock('NONE')$$);
INSERT INTO retail.movement (sku_id, node_id, condition, quantity, reason, occurred_at, actor) VALUES (-1, retail.node_id('W1'), 'sellable', 1, 'x', now(), 'x');
SELECT isnt_empty($$SELECT * FROM retail.check_integrity() WHERE object LIKE 'movement of SKU -1%'$$, 'orphans in the ledger are found');
DELETE FROM retail.movement WHERE sku_id = -1;
UPDATE retail.stock_transfer SET status = 'in_transit' WHERE document_no = 'T3';
SELECT isnt_empty($$SELECT * FROM retail.check_integrity() WHERE object = 'transfer T3'$$, 'a transfer that does not match the ledger is found');
UPDATE retail.stock_transfer SET status = 'received' WHERE document_no = 'T3';
SELECT raises_as('inventory_test_s1', '42501', $$SELECT * FROM retail.repair_stock()$$);
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'integrity at the end');
SELECT retail.put_node('W9', '空仓', 'warehouse') \g /dev/null
SELECT is(retail.count_stock('C6', 'W9', '[]', complete => true) - 'document_id', '{"skus":0,"corrected":0,"found":0,"lost":0,"replayed":false}', 'a node where nothing ever lay is counted: it is empty');
SELECT is(retail.count_stock('C6', 'W9', '[]', complete => true) -> 'replayed', 'true', '... once');
SELECT is(retail.count_stock('C7', 'W9', '[{"sku":"A","qty":3}]', complete => true) - 'document_id', '{"skus":1,"corrected":1,"found":3,"lost":0,"replayed":false}', '... its first complete count');
SELECT is(retail.count_stock('C8', 'W9', '[]', complete => true) - 'document_id', '{"skus":1,"corrected":1,"found":0,"lost":3,"replayed":false}', '... and empty again');
SELECT * FROM finish();
ROLLBACK;
