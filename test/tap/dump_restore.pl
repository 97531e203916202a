# dump_restore.pl: pg_dump and restore, in both formats, into servers that never saw pg_retail: what a user added comes
# along, every row is the same, check_integrity() finds nothing, install() has nothing to do, and business goes on.
# Then DROP EXTENSION, which keeps every row, and CREATE EXTENSION again.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RetailTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = PostgreSQL::Test::Utils::tempdir();
my $source = new_server('source');
install($source, 'shop');
make_chain($source, 'shop');
stock_chain($source, 'shop', 100, qw(W1 W2 W3 S1));
$source->safe_psql('shop', 'SELECT retail.enable_task(name, false) FROM retail.task');

# One order in each state, a hold, a transfer on its way, a return, a count, safety stock, a draft policy, a binding, and
# names that a dump must quote. The tasks are switched off, so that nothing moves between the two looks.
$source->safe_psql('shop', q{
SELECT retail.put_sku('杯''子"\\', E'tea; cup -- 茶杯', 300, list_price => 5), retail.put_calendar('hours', 'Hours', '{"1": ["09:00", "24:00"]}');
SELECT retail.put_calendar_day('hours', '2026-10-01', note => '国庆节'), retail.put_supplier('S', 'Supplier'), retail.put_category('tea', '茶');
SELECT retail.put_allocation_policy('shadow', 'shadow', split_penalty => 9), retail.put_stock_prices('[{"sku": "A3", "node": "W1", "scarcity": 0.05}]'), retail.put_markdown_rule(0.3, 'tea');
SELECT retail.receive_stock('r', 'W1', '[{"sku": "杯''子\"\\\\", "qty": 7, "condition": "damaged"}]');
SELECT retail.place_order('app', 'N1', '[{"sku": "A1", "qty": 2}, {"sku": "A2", "qty": 1}]', '{"region": "R1", "recipient": {"name": "李雷", "note": "line\nbreak\t\"quoted\""}}');
SELECT retail.record_payment('app', 'N1', 'P1', (SELECT total FROM retail.sales_order WHERE external_no = 'N1'), 'wechat');
SELECT retail.ship_order((SELECT shipment_id FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'N1'), 'T1');
SELECT retail.deliver_order((SELECT shipment_id FROM retail.shipment WHERE tracking_no = 'T1'));
SELECT retail.return_order('B1', 'app', 'N1', 'W2', '[{"sku": "A1", "qty": 1}]');
SELECT retail.place_order('app', 'N2', '[{"sku": "A1", "qty": 150}]', '{"region": "R2"}');
SELECT retail.place_order('app', 'N3', '[{"sku": "A3", "qty": 1}]', fulfilment => 'pick_up', pick_up_node => 'S1');
SELECT retail.place_order('app', 'N4', '[{"sku": "A3", "qty": 1}]', '{"region": "R1"}');
SELECT retail.cancel_order('app', 'N4', cancel_no => 'C4');
SELECT retail.record_sale('shop', 'T1', 'S1', '[{"sku": "A1", "qty": 1}]', member_id => 1);
SELECT retail.hold_stock('H1', 'app', '[{"sku": "A2", "node": "W2", "qty": 5}]', NULL);
SELECT retail.transfer_out('X1', 'W3', 'W2', '[{"sku": "A3", "qty": 10}]');
SELECT retail.count_stock('K1', 'W3', '[{"sku": "A2", "qty": 98}]');
SELECT retail.set_safety_stock('A1', 'W1', 3, 'app'), retail.put_allocation_policy('draft', max_parcels => 1);
SELECT retail.put_sku('SET', 'Set', 0, list_price => 9), retail.put_bundle('SET', '[{"sku": "A1", "qty": 1}, {"sku": "A2", "qty": 1}]');
SELECT retail.place_order('app', 'N5', '[{"sku": "SET", "qty": 1}]', '{"region": "R1"}');
SELECT retail.put_inbound('purchase_order', 'PO1', 'A3', 'W1', 500, now() + interval '3 days');
SELECT retail.place_order('app', 'N6', '[{"sku": "A3", "qty": 400}]', '{"region": "R1"}', shortage => 'backorder');
SELECT retail.place_order('app', 'N7', '[{"sku": "A2", "qty": 1}]', '{"region": "R1"}', payment => 'on_delivery');
SELECT retail.reject_shipment(s.shipment_id, 'not_found', rejection_no => 'J1') FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'N7';
SELECT retail.reject_shipment(s.shipment_id, 'damaged', rejection_no => 'J2') FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'N3';
SELECT retail.submit_orders('[{"channel": "app", "external_no": "Q1", "lines": [{"sku": "A2", "qty": 1000000}], "destination": {"region": "R1"}}]');
SELECT retail.run_allocation();
SELECT retail.put_retention('order_intake', '20 days');
CREATE ROLE tap_store LOGIN IN ROLE retail_store;
SELECT retail.bind_principal('tap_store', node => 'W2');

-- what a user adds
ALTER TABLE retail.sku ADD COLUMN colour text DEFAULT 'red', ADD COLUMN weight_kg numeric GENERATED ALWAYS AS (weight_g / 1000.0) STORED;
UPDATE retail.sku SET colour = '蓝' WHERE code = 'A2';
CREATE INDEX sku_colour ON retail.sku (colour);
CREATE INDEX order_recipient ON retail.sales_order USING gin (recipient);
CREATE POLICY own_policy ON retail.movement FOR SELECT TO retail_supplier USING (reason = 'receipt');
CREATE VIEW public.blue AS SELECT s.code, p.free FROM retail.sku s JOIN retail_bi.stock_position p ON p.sku = s.code WHERE s.colour <> 'red';
CREATE TABLE public.extra (order_id bigint PRIMARY KEY REFERENCES retail.sales_order, remark text);
INSERT INTO public.extra SELECT order_id, 'mine' FROM retail.sales_order;
CREATE MATERIALIZED VIEW public.by_day AS SELECT channel, orders FROM retail_bi.order_daily;
});
make_members($source, 'shop');
integrity_ok($source, 'shop', 'check_integrity() finds nothing in the original');
my $rows = fingerprint($source, 'shop');
my %count = map { (split /\|/)[ 0, 1 ] } split /\n/, $rows;
my @empty = grep { $count{$_} == 0 && $_ ne 'integrity_violation' && $_ !~ /^sku_unit$/ } sort keys %count;
is("@empty", '', 'every table has rows');

command_ok([ 'pg_dump', '-d', $source->connstr('shop'), '-Fc', '-f', "$folder/custom" ], 'pg_dump -Fc');
command_ok([ 'pg_dump', '-d', $source->connstr('shop'), '-f', "$folder/plain.sql" ], 'pg_dump');
command_ok([ 'pg_dump', '-d', $source->connstr('shop'), '--schema-only', '-f', "$folder/schema.sql" ], 'pg_dump --schema-only');
unlike(slurp_file("$folder/schema.sql"), qr/CREATE FUNCTION retail\.place_order/, 'the dump leaves the functions to CREATE EXTENSION');

my $catalogue = q{
SELECT 'index', schemaname || '.' || indexname, indexdef FROM pg_indexes WHERE schemaname IN ('retail', 'public')
UNION ALL SELECT 'policy', schemaname || '.' || tablename || '.' || policyname, concat(roles, cmd, qual, with_check) FROM pg_policies
UNION ALL SELECT 'column', table_schema || '.' || table_name || '.' || column_name, concat(data_type, is_nullable, column_default, generation_expression, identity_generation) FROM information_schema.columns WHERE table_schema IN ('retail', 'retail_bi', 'public')
UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace IN ('retail'::regnamespace, 'public'::regnamespace) AND conrelid <> 0
UNION ALL SELECT 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'grant', oid::regclass::text, (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(relacl) a) FROM pg_class WHERE relnamespace IN ('retail'::regnamespace, 'retail_bi'::regnamespace) AND relkind IN ('r', 'v')
UNION ALL SELECT 'row security', oid::regclass::text, relrowsecurity::text FROM pg_class WHERE relnamespace = 'retail'::regnamespace AND relkind = 'r'
UNION ALL SELECT 'sequence', schemaname || '.' || sequencename, coalesce(last_value::text, 'fresh') FROM pg_sequences WHERE schemaname = 'retail'
UNION ALL SELECT 'comment', objoid::regclass || '.' || objsubid, description FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid IN (SELECT oid FROM pg_class WHERE relnamespace IN ('retail'::regnamespace, 'retail_bi'::regnamespace))
ORDER BY 1, 2, 3};
my $objects = $source->safe_psql('shop', $catalogue);

# ---- restored ----------------------------------------------------------------------------------------------

for my $format (qw(custom plain))
{
	# Roles that CREATE EXTENSION does not make are the user's to bring along.
	my $node = new_server($format);
	$node->safe_psql('postgres', "CREATE ROLE tap_store LOGIN; CREATE DATABASE shop TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_roles WHERE rolname LIKE 'retail%'}), '0', "$format: the server has no role of ours");
	if ($format eq 'custom')
	{
		command_ok([ 'pg_restore', '-d', $node->connstr('shop'), '--exit-on-error', '-j', 4, "$folder/custom" ], "$format: pg_restore without an error");
	}
	else
	{
		command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('shop'), '-f', "$folder/plain.sql" ], "$format: psql without an error");
	}
	is(fingerprint($node, 'shop'), $rows, "$format: every table has the same rows");
	is($node->safe_psql('shop', $catalogue), $objects, "$format: indexes, policies, columns, constraints, triggers, grants, comments and sequences are the same");
	is($node->safe_psql('shop', 'SELECT count(*) FROM public.blue WHERE free IS NOT NULL'), $source->safe_psql('shop', 'SELECT count(*) FROM public.blue'), "$format: the user's view works");
	integrity_ok($node, 'shop', "$format: check_integrity() finds nothing");
	is($node->safe_psql('shop', q{SELECT DISTINCT action FROM retail.install()}), 'already applied', "$format: install() says that all is there");
	is($node->safe_psql('shop', q{SELECT DISTINCT action FROM retail.upgrade()}), 'already applied', "$format: and upgrade() too");
	is(fingerprint($node, 'shop'), $rows, "$format: and both changed nothing");
	goes_on($node, $format);
	$node->stop('fast') if $format eq 'plain';
	drop_and_create($node, $format) if $format eq 'custom';
	no_crash_ok($node);
}

# Business goes on: sequences, caches, replays, sweepers, row-level security.
sub goes_on
{
	my ($node, $name) = @_;
	my $last = $node->safe_psql('shop', 'SELECT max(order_id) FROM retail.sales_order');
	is($node->safe_psql('shop', q{SELECT order_id, status FROM retail.place_order('app', 'M1', '[{"sku": "A2", "qty": 1}]', '{"region": "R1"}')}), ($last + 1) . '|open',
		"$name: an order gets the next number");
	is($node->safe_psql('shop', q{SELECT replayed FROM retail.place_order('app', 'N2', '[{"sku": "A1", "qty": 150}]', '{"region": "R2"}')}), 't', "$name: an old one is answered again");
	is($node->safe_psql('shop', q{SELECT retail.receive_stock('first W1', 'W1', (SELECT jsonb_agg(jsonb_build_object('sku', k.code, 'qty', 100) ORDER BY k.code) FROM retail.sku k WHERE code LIKE 'A%')) ->> 'replayed'}),
		'true', "$name: and so is an old document");
	is($node->safe_psql('shop', q{SELECT retail.transfer_in('X1') ->> 'received'}), '10', "$name: a transfer arrives");
	is($node->safe_psql('shop', q{SELECT retail.release_hold('H1') ->> 'state'}), 'released', "$name: a hold is released");
	is($node->safe_psql('shop', q{SELECT retail.inspect_return('B1', '[{"sku": "A1", "sellable": 1}]') ->> 'status'}), 'inspected', "$name: a return is inspected");
	like($node->safe_psql('shop', q{SELECT retail.run_release_unpaid(now() + interval '1 day')}), qr/^5 unpaid orders cancelled/, "$name: unpaid orders are released");
	ok(wait_for_worker($node, 'shop'), "$name: the worker runs");
	is($node->safe_psql('shop', q{GRANT retail_store TO tap_store; SET ROLE tap_store; SELECT DISTINCT n.code FROM retail.stock s JOIN retail.node n USING (node_id)}), 'W2',
		"$name: a store sees its own stock only");
	integrity_ok($node, 'shop', "$name: check_integrity() still finds nothing");
	return;
}

# ---- DROP EXTENSION --------------------------------------------------------------------------------------------

sub drop_and_create
{
	my ($node, $name) = @_;
	my $before = fingerprint($node, 'shop');
	$node->safe_psql('shop', 'DROP EXTENSION pg_retail');
	is(fingerprint($node, 'shop'), $before, 'DROP EXTENSION keeps every row');
	is($node->safe_psql('shop', q{SELECT count(*) FROM pg_proc WHERE pronamespace = 'retail'::regnamespace AND proname NOT IN ('catalog_changed', 'member_settings_changed', 'safety_stock_changed', 'safety_stock_emptied')}), '0', 'and no function of ours');
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_retail worker'}), 'the worker leaves');
	is($node->safe_psql('shop', q{WITH u AS (UPDATE retail.node SET name = name RETURNING 1) SELECT count(*) > 0 FROM u}), 't', 'the tables can be changed without it');
	is($node->safe_psql('shop', q{SELECT count(*) > 0 FROM retail_bi.order_daily}), 't', 'the views answer without it');
	command_ok([ 'pg_dump', '-d', $node->connstr('shop'), '-f', "$folder/without.sql" ], 'and they can be dumped');
	$node->safe_psql('shop', 'CREATE EXTENSION pg_retail');
	is($node->safe_psql('shop', q{SELECT DISTINCT action FROM retail.install()}), 'already applied', 'CREATE EXTENSION finds its tables');
	integrity_ok($node, 'shop', 'check_integrity() finds nothing');
	is($node->safe_psql('shop', q{SELECT status FROM retail.place_order('app', 'M2', '[{"sku": "A2", "qty": 1}]', '{"region": "R1"}')}), 'open', 'orders are placed again');
	ok(wait_for_worker($node, 'shop'), 'the worker is back');
	integrity_ok($node, 'shop', 'and check_integrity() still finds nothing');
	$node->stop('fast');
	return;
}

$source->stop('fast');
no_crash_ok($source);
done_testing();
