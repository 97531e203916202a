# standby.pl: a physical standby answers quotes, views and checks, refuses to write, keeps its backends' caches fresh
# while it replays, runs no worker, and goes on as the primary after its promotion.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RetailTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_server('primary', streaming => 1);
install($primary, 'shop');
make_chain($primary, 'shop');
stock_chain($primary, 'shop', 100, qw(W1 W2 W3 S1));

# A bit of everything, so that the views have something to say.
$primary->safe_psql('shop', q{
SELECT retail.put_allocation_policy('other', 'shadow', split_penalty => 9), retail.put_lane('STD', 'CN', 'without a price', 24, from_node => 'W1', from_km => 9000);
UPDATE retail.node SET daily_capacity = 100;
SELECT retail.place_order('app', 'N1', '[{"sku": "A1", "qty": 2}, {"sku": "A2", "qty": 1}]', '{"region": "R1"}');
SELECT retail.record_payment('app', 'N1', 'P1', (SELECT total FROM retail.sales_order WHERE external_no = 'N1'), 'wechat');
SELECT retail.ship_order((SELECT shipment_id FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no = 'N1'), 'T1');
SELECT retail.place_order('app', 'N2', '[{"sku": "A1", "qty": 150}]', '{"region": "R2"}');
SELECT retail.place_order('app', 'N3', '[{"sku": "A3", "qty": 1}]', fulfilment => 'pick_up', pick_up_node => 'S1');
SELECT retail.hold_stock('H1', 'app', '[{"sku": "A2", "node": "W2", "qty": 5}]', NULL);
SELECT retail.transfer_out('X1', 'W3', 'W2', '[{"sku": "A3", "qty": 10}]');
SELECT retail.adjust_stock('J1', 'W1', '[{"sku": "A1", "qty": -99}]', 'shrinkage');
SELECT retail.record_sale('shop', 'T1', 'S1', '[{"sku": "A2", "qty": 1}]', member_id => 1);
});
make_members($primary, 'shop');

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub catch_up
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	return;
}
catch_up();
is($standby->safe_psql('shop', 'SELECT pg_is_in_recovery()'), 't', 'it is a standby');

# ---- what it answers --------------------------------------------------------------------------------------------

my $quote = q{SELECT total, freight_total, cost, is_exact, jsonb_array_length(parcels), trace -> 'parcels' -> 0 ->> 'node'
	FROM retail.quote_order('app', '[{"sku": "A2", "qty": 2}]', '{"region": "R3"}', as_of => '2026-03-02 02:00+00')};
my $answer = $primary->safe_psql('shop', $quote);
like($answer, qr/^27\.80\|8\.00\|/, 'the primary quotes');
is($standby->safe_psql('shop', $quote), $answer, 'the standby quotes the same');
is( $standby->safe_psql('shop', q{SELECT count(*) FROM retail.quote_order('app', '[{"sku": "A3", "qty": 1}]', fulfilment => 'pick_up', pick_up_node => 'S1')}),
	'1', 'and quotes a pick-up');
like(error_of($standby, 'shop', q{SELECT * FROM retail.quote_order('app', '[{"sku": "A1", "qty": 5000}]', '{"region": "R3"}')}),
	qr/RT020.*DETAIL:.*HINT:/s, 'a quote that cannot be met has the same error there');

my @views = split /\n/, $primary->safe_psql('shop', q{SELECT viewname FROM pg_views WHERE schemaname = 'retail_bi' ORDER BY 1});
cmp_ok(scalar @views, '>=', 8, 'retail_bi has views');
for my $view (@views)
{
	# worker_task tells how late it is, by the clock
	my $sql = $view eq 'worker_task' ? "SELECT name FROM retail_bi.$view ORDER BY 1" : "SELECT to_jsonb(v) FROM retail_bi.$view v ORDER BY to_jsonb(v)";
	my $rows = $primary->safe_psql('shop', $sql);
	isnt($rows, '', "retail_bi.$view has rows") unless $view =~ /^over_promised|hold|^(job_progress|lanes_without_rates|node_capacity|order_exceptions|policy_comparison)$/ && $rows eq '';
	is($standby->safe_psql('shop', $sql), $rows, "retail_bi.$view answers on the standby");
}
integrity_ok($standby, 'shop', 'check_integrity() finds nothing on the standby');
for my $sql (
	q{SELECT * FROM retail.available_to_promise('A1', 'app', '2026-03-02 02:00+00')},
	q{SELECT * FROM retail.nearest_stores('app', '[{"sku": "A3", "qty": 1}]', '{"region": "R3"}', as_of => '2026-03-02 02:00+00')},
	q{SELECT promised_at, short FROM retail.quote_order('app', '[{"sku": "A1", "qty": 5000}]', '{"region": "R3"}', as_of => '2026-03-02 02:00+00', shortage => 'backorder_undated')},
	q{SELECT retail.order_status('app', 'N1') - 'events'},
	q{SELECT retail.version()}, q{SELECT * FROM retail.error_codes()},
	q{SELECT retail.sku_id('A1'), retail.node_id('W1'), retail.channel_id('app'), retail.region_id('R1')})
{
	my ($name) = $sql =~ /(retail\.\w+)/;
	is($standby->safe_psql('shop', $sql), $primary->safe_psql('shop', $sql), "$name() answers the same");
}

# ---- what it refuses --------------------------------------------------------------------------------------------

for my $call (
	q{retail.place_order('app', 'N9', '[{"sku": "A2", "qty": 1}]', '{"region": "R1"}')},
	q{retail.record_payment('app', 'N2', 'P2', 10, 'wechat')},
	q{retail.cancel_order('app', 'N2')},
	q{retail.hold_stock('H9', 'app', '[{"sku": "A2", "node": "W2", "qty": 1}]')},
	q{retail.receive_stock('R9', 'W1', '[{"sku": "A2", "qty": 1}]')},
	q{retail.put_sku('A9', 'new', 100)},
	q{retail.run_expire_holds(now() + interval '1 year')},
	q{retail.run_release_unpaid(now() + interval '1 year')},
	q{retail.run_due_tasks()})
{
	my ($name) = $call =~ /^(retail\.\w+)/;
	like(error_of($standby, 'shop', "SELECT * FROM $call"), qr/(?:25006|55000|0A000): +.*(?:read-only|recovery)/, "$name() is refused, because it would write");
}
is($standby->safe_psql('shop', q{SELECT DISTINCT action FROM retail.install()}), 'already applied', 'install() finds nothing to do, and says so');

# An error in the middle of place_order() must not leave the session in an aborted transaction.
my $session = $standby->background_psql('shop', on_error_stop => 0);
$session->query(q{SELECT retail.place_order('app', 'N9', '[{"sku": "A2", "qty": 1}]', '{"region": "R1"}')});
$session->{stderr} = '';
is($session->query_safe($quote), $answer, 'a session that was refused still quotes');

# ---- caches ------------------------------------------------------------------------------------------------------

# The same backend of the standby has the old price in its cache.
$primary->safe_psql('shop', q{SELECT retail.put_rate_card('STD', 'near', 1000, 9.5, 1000, 2)});
catch_up();
like($session->query_safe($quote), qr/^29\.30\|9\.50\|/, 'a new price reaches the cache of a backend of the standby');
$primary->safe_psql('shop', q{BEGIN; SELECT retail.put_rate_card('STD', 'near', 1000, 99, 1000, 2); ROLLBACK});
catch_up();
like($session->query_safe($quote), qr/^29\.30\|9\.50\|/, 'one that was rolled back does not');
$primary->safe_psql('shop', q{SELECT retail.put_node('W' || i, '仓 ' || i, 'warehouse', region => 'R' || i, is_active => i <> 3) FROM generate_series(1, 3) i});
catch_up();
like($session->query_safe($quote), qr/\|W2$/, 'a node that was closed is not chosen there any more');
$primary->safe_psql('shop', q{SELECT retail.put_allocation_policy('late', lateness_per_day => 50, target_hours => 0)});
catch_up();
my $draft = $quote =~ s/as_of/policy => 'late', as_of/r;
is($session->query_safe($draft), $primary->safe_psql('shop', $draft), 'and a new policy is known');
$session->quit;

# ---- the worker, and promotion -------------------------------------------------------------------------------------

is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_retail%'}), '0', 'no worker runs on a standby');
ok(wait_for_worker($primary, 'shop'), 'but on the primary');

$session = $standby->background_psql('shop');
$session->query_safe($quote);
$primary->stop('fast');
$standby->promote;
ok(wait_for_worker($standby, 'shop'), 'the worker starts after promotion');
ok($standby->poll_query_until('shop', q{SELECT last_started_at > pg_postmaster_start_time() FROM retail.task WHERE name = 'expire_holds'}), 'and works');
is($session->query_safe(q{SELECT status, replayed FROM retail.place_order('app', 'N9', '[{"sku": "A2", "qty": 1}]', '{"region": "R1"}')}), 'open|f',
	'a session from before the promotion places an order');
is($session->query_safe(q{SELECT status, replayed FROM retail.place_order('app', 'N1', '[{"sku": "A1", "qty": 2}, {"sku": "A2", "qty": 1}]', '{"region": "R1"}')}), 'open|t',
	'and an order of the old primary is known');
$session->quit;
integrity_ok($standby, 'shop');
no_crash_ok($_) for $primary, $standby;
$standby->stop('fast');
done_testing();
