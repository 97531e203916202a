-- member_hostile.sql: clocks that run ahead, times without end, facts that come after a person was forgotten, what others wrote
-- of the person: no consent that was not given, nothing left, nothing kept back.
BEGIN;
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
SELECT no_plan();

SELECT retail.put_member_source('app'), retail.put_member_source('store'), retail.put_channel('web', 'Web', 'web'), retail.put_node('S1', 'S1', 'store'), retail.put_sku('A', 'A', 500, list_price => 10), retail.put_region('R', 'R'), retail.put_carrier_service('std', 'Carrier', 'Standard') \g /dev/null
SELECT retail.put_lane('std', 'R', 'near', 24, 'S1'), retail.put_rate_card('std', 'near', 1000, 5, 1000, 1), retail.receive_stock('r1', 'S1', '[{"sku": "A", "qty": 10}]', '2026-03-01 00:00+00') \g /dev/null
CREATE ROLE hostile_app LOGIN IN ROLE retail_app;
CREATE ROLE hostile_store LOGIN IN ROLE retail_store;
SELECT retail.bind_principal('hostile_store', node => 'S1') \g /dev/null
SELECT u.account_id AS a FROM retail.upsert_account('app', 'a', '王小明', identifiers => '[{"type": "phone", "value": "13901882211", "verified": true}]', as_of => '2026-03-01') u \gset

-- ---- clocks ----------------------------------------------------------------------------------------------------

SELECT is(as_role('hostile_app', format($$SELECT retail.set_consent(%s, 'marketing', true, 'sms', now() + interval '20 hours')$$, :a)), '1', 'a yes from a clock that is ahead');
SELECT is(as_role('hostile_app', format($$SELECT retail.set_consent(%s, 'marketing', false, 'sms', clock_timestamp())$$, :a)), '1', '... and a no of now');
SELECT ok(NOT retail.consent_of(:a, 'marketing', 'sms'), '... which counts');
SELECT is(as_role('hostile_app', $$SELECT u.outcome FROM retail.upsert_account('app', 'a', consent => jsonb_build_array(jsonb_build_object('purpose', 'marketing', 'channel', 'push', 'granted', true, 'at', now() + interval '20 hours'))) u$$), 'updated', 'the same, told by a source');
SELECT is(as_role('hostile_app', format($$SELECT retail.set_consent(%s, 'marketing', false, 'push', clock_timestamp())$$, :a)), '1', '... and a no of now');
SELECT ok(NOT retail.consent_of(:a, 'marketing', 'push'), '... which counts');
SELECT is(as_role('hostile_app', $$SELECT u.outcome FROM retail.upsert_account('app', 'b', 'Old Name', as_of => now() + interval '20 hours') u$$), 'created', 'an account from a clock that is ahead');
SELECT is(as_role('hostile_app', $$SELECT u.outcome FROM retail.upsert_account('app', 'b', 'New Name', as_of => clock_timestamp()) u$$), 'updated', '... is told anew');
SELECT is((SELECT x.full_name FROM retail.account x WHERE x.external_id = 'b'), 'New Name', '... and what is told counts');
SELECT is(as_role('hostile_store', $$SELECT f.display_name FROM retail.find_member('13901882211', as_of => '2026-03-02') f$$), '王**', 'a store looks somebody up, and says it was long ago');
SELECT is((SELECT x.accessed_at FROM retail.member_access x ORDER BY x.member_access_id DESC LIMIT 1), now(), '... but when it was is written down');

-- ---- times without end: no error shows the value ---------------------------------------------------------------

SELECT raises('RT017', $$SELECT retail.upsert_account('app', 'c', identifiers => '[{"type": "phone", "value": "13901882212", "valid_from": "infinity"}]')$$);
SELECT raises('RT017', $$SELECT retail.upsert_account('app', 'c', identifiers => '[{"type": "phone", "value": "13901882212", "valid_to": "-infinity"}]')$$);
SELECT is((SELECT u.outcome FROM retail.upsert_account('app', 'c', identifiers => '[{"type": "phone", "value": "13901882212", "valid_from": "-infinity", "valid_to": "infinity"}]') u), 'created', 'always is a time');

-- ---- all that is held ------------------------------------------------------------------------------------------

SELECT retail.record_events('[{"id": "e1", "kind": "view", "at": "2026-03-01T00:00:00Z", "account": "s", "properties": {"q": "held-1"}}, {"id": "e2", "kind": "view", "at": "2026-03-01T00:00:00Z", "account": "s", "sku": "NONE", "properties": {"q": "held-2"}}]', 'store', '2026-03-02') \g /dev/null
SELECT u.account_id AS s FROM retail.upsert_account('store', 's', 'Ada Lovelace', as_of => '2026-03-02') u \gset
SELECT retail.import_accounts('[{"source": "store", "external_id": "s", "birth_date": 5}]', '2026-03-02') \g /dev/null
SELECT ok(retail.export_member(:s)::text ~ 'held-1', 'an event that came before its account is told');
SELECT ok(retail.export_member(:s)::text ~ 'held-2', '... also one that was set aside');
SELECT is(retail.export_member(:s) #>> '{refusals,0,sqlstate}', 'RT016', '... and that an account was refused');

-- ---- forgotten -------------------------------------------------------------------------------------------------

SELECT u.account_id AS o FROM retail.upsert_account('app', 'o', 'Grace Hopper', as_of => '2026-03-02') u \gset
SELECT retail.merge_members(:s, :o, 'Ada says so', '2026-03-03'), retail.split_member(:o, 'Ada was wrong', '2026-03-04') \g /dev/null
SELECT is(retail.erase_member(:s, 'file 1', '2026-03-05') ->> 'state', 'done', 'a person is forgotten');
SELECT is_empty($$SELECT * FROM retail.member_change c WHERE c.reason ~ 'Ada'$$, '... also in what was said of it to others');
SELECT retail.record_events(format('[{"id": "e3", "kind": "view", "at": "2026-03-06T00:00:00Z", "member": %s, "properties": {"q": "held-3"}}]', :s)::jsonb, 'store', '2026-03-06') \g /dev/null
SELECT is((SELECT concat_ws(' ', e.account_id, e.properties) FROM retail.event e WHERE e.external_id = 'e3'), '', 'what it does then is counted, no more');
SELECT is_empty($$SELECT * FROM retail.event_exception x WHERE x.content::text ~ 'held'$$, 'nothing waits');
SELECT retail.place_order('web', 'LATE', '[{"sku": "A", "qty": 1}]', '{"region": "R", "recipient": {"name": "Ada"}}', freight => 0, payment => 'on_delivery', member_id => :s, as_of => '2026-03-06') \g /dev/null
SELECT is(retail.erase_member(:s, 'file 1', '2026-03-07') ->> 'state', 'waiting', 'an order that came later is forgotten when one asks again');
SELECT retail.cancel_order('web', 'LATE', reason => 'x', as_of => '2026-03-08') \g /dev/null
SELECT is(retail.run_erasures('2026-03-09'), '1 erasures finished, 0 wait for orders', '... once it is finished');
SELECT is((SELECT o.recipient FROM retail.sales_order o WHERE o.external_no = 'LATE'), NULL, '... with its address');
SELECT is_empty('SELECT * FROM retail.check_integrity()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
