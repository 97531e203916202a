# capacity.pl: many buyers at once, one by one and in batches, with cancellations between: no node ever packs more parcels
# on a day than it can, none of its days stays empty that was wanted, and nobody hears of it. The same with limits of a few
# parcels, orders that are undone, prepared transactions, a crash, settings that differ, and rows written by hand.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RetailTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $clients = 16;
my $node = new_server('main', conf => "deadlock_timeout = '200ms'\nlock_timeout = '60s'\nmax_connections = 120\nmax_prepared_transactions = 10\npg_retail.stock_cache_max_age = 1\n");
my $day = q{as_of => '2026-04-06 00:00+00'};

# days that hold too much, days before the last of their node that have room, counters that say less than the table
sub days_ok
{
	my ($from, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($node->safe_psql('db', q{
		SELECT count(*) FILTER (WHERE over_promised > 0), count(*) FILTER (WHERE room > 0 AND day < (SELECT max(d.day) FROM retail_bi.node_capacity d WHERE d.node = c.node)), (
			SELECT count(*) FROM retail.day_counters() x JOIN retail.node n USING (node_id) JOIN (
				SELECT s.node_id, (s.ship_by AT TIME ZONE m.time_zone)::date AS day, count(*) AS parcels FROM retail.shipment s JOIN retail.node m USING (node_id) WHERE s.status <> 'cancelled' GROUP BY 1, 2) t
				ON t.node_id = x.node_id AND t.day = (x.day_begin AT TIME ZONE n.time_zone)::date WHERE x.parcels < t.parcels)
		FROM retail_bi.node_capacity c WHERE day >= '} . $from . q{'}), '0|0|0', $name);
	return;
}


install($node, 'db');
make_chain($node, 'db', nodes => 2, skus => 20, payment_ttl => '1 day');
$node->safe_psql('db', q{
	SELECT retail.enable_task(name, false) FROM retail.task;
	UPDATE retail.node SET daily_capacity = 150;
	SELECT retail.receive_stock('r' || n.code, n.code, (SELECT jsonb_agg(jsonb_build_object('sku', code, 'qty', 1000)) FROM retail.sku), '2026-03-01') FROM retail.node n;
	CREATE SEQUENCE public.no});

# ---- one by one: different SKUs, so that rows of stock seldom come between two buyers ----
my $log = log_position($node);
my ($status, $output) = run_pgbench($node, 'db',
	{ place => [ 9, qq{\\set s random(1, 20)\n} . q{SELECT status FROM retail.place_order('app', 'N' || nextval('public.no'), jsonb_build_array(jsonb_build_object('sku', 'A' || :s, 'qty', 1)), '{"region": "R1"}', as_of => '2026-03-02 00:00+00');} ],
	  cancel => [ 1, q{SELECT retail.cancel_order('app', external_no, as_of => '2026-03-02 00:00+00') FROM (SELECT external_no FROM retail.sales_order WHERE status = 'open' ORDER BY random() LIMIT 1) o;} ] },
	'-c', $clients, '-j', 4, '-t', 100);
is($status, 0, "$clients clients place and cancel orders") or diag($output);
my %seen = %{ sqlstates($node, $log) };
delete $seen{RT031};		# two cancel the same order
is_deeply(\%seen, {}, '... and hear no error');
is($node->safe_psql('db', 'SELECT max(promised), bool_or(over_promised > 0) FROM retail_bi.node_capacity'), '150|f', 'days are filled to the last parcel, and none beyond');
is($node->safe_psql('db', q{SELECT count(*) > 1200 FROM retail.shipment WHERE status <> 'cancelled'}), 't', '... of more orders than a day of both nodes can hold');

# ---- in batches, from two queues at once, beside single orders ----
$log = log_position($node);
($status, $output) = run_pgbench($node, 'db',
	{ batch => [ 1, q{SELECT count(*) FROM retail.submit_orders((SELECT jsonb_agg(jsonb_build_object('channel', 'app', 'external_no', 'B' || nextval('public.no'), 'destination', '{"region": "R1"}'::jsonb,
		'lines', jsonb_build_array(jsonb_build_object('sku', 'A' || (1 + i % 20), 'qty', 1)))) FROM generate_series(1, 20) i), '2026-03-02 00:00+00');} ],
	  decide => [ 1, q{SELECT retail.run_allocation('2026-03-02 00:00+00');} ],
	  place => [ 2, qq{\\set s random(1, 20)\n} . q{SELECT status FROM retail.place_order('app', 'N' || nextval('public.no'), jsonb_build_array(jsonb_build_object('sku', 'A' || :s, 'qty', 1)), '{"region": "R1"}', as_of => '2026-03-02 00:00+00');} ] },
	'-c', 8, '-j', 4, '-t', 40);
is($status, 0, 'batches and single orders together') or diag($output);
is_deeply(sqlstates($node, $log), {}, '... without an error');
$node->safe_psql('db', q{SELECT retail.run_allocation('2026-03-02 00:00+00') FROM generate_series(1, 5)});
is($node->safe_psql('db', 'SELECT max(promised), bool_or(over_promised > 0) FROM retail_bi.node_capacity'), '150|f', 'no day holds more than it can');
is($node->safe_psql('db', q{SELECT count(*) FROM retail_bi.node_capacity c WHERE room > 0 AND day < (SELECT max(d.day) FROM retail_bi.node_capacity d WHERE d.node = c.node)}), 0, 'every place that was given back was taken again');
days_ok('2026-03-02', '... and no counter says less than the table');
integrity_ok($node, 'db');

# ---- a few parcels a day, 64 buyers, a third of them changes their mind before they have ordered ----
$node->safe_psql('db', q{
	SELECT retail.receive_stock('s' || n.code, n.code, (SELECT jsonb_agg(jsonb_build_object('sku', code, 'qty', 1000)) FROM retail.sku), '2026-03-01') FROM retail.node n;
	UPDATE retail.node SET daily_capacity = 90});
my $place = qq{\\set s random(1, 20)\n} . qq{SELECT status FROM retail.place_order('app', 'N' || nextval('public.no'), jsonb_build_array(jsonb_build_object('sku', 'A' || :s, 'qty', 1)), '{"region": "R1"}', $day);};
$log = log_position($node);
($status, $output) = run_pgbench($node, 'db',
	{ place => [ 6, $place ], undo => [ 3, "BEGIN;\n$place\nROLLBACK;" ], table => [ 1, "SET pg_retail.stock_cache = off;\n$place\nRESET pg_retail.stock_cache;" ],
	  cancel => [ 1, qq{SELECT retail.cancel_order('app', external_no, $day) FROM (SELECT external_no FROM retail.sales_order WHERE status = 'open' ORDER BY random() LIMIT 1) o;} ] },
	'-c', 64, '-j', 4, '-t', 30);
is($status, 0, '64 clients') or diag($output);
%seen = %{ sqlstates($node, $log) };
delete $seen{RT031};
is_deeply(\%seen, {}, '... hear no error');
$node->safe_psql('db', qq{SELECT retail.place_order('app', 'F' || i, '[{"sku": "A1", "qty": 1}]', '{"region": "R1"}', $day) FROM generate_series(1, 40) i});
days_ok('2026-04-06', 'every day is filled to the last parcel, in spite of what was undone');

# ---- a crash in the middle: memory is gone, the table is not ----
my $load = IPC::Run::start([ 'bash', '-c', 'for i in $(seq 40); do echo "$1" | psql -Xq -d "$2" >/dev/null 2>&1 & done; wait', 'load',
	qq{SELECT retail.place_order('app', 'K' || nextval('public.no'), jsonb_build_array(jsonb_build_object('sku', 'A' || (1 + i % 20), 'qty', 1)), '{"region": "R1"}', $day) FROM generate_series(1, 3) i\\\\watch 0.01},
	$node->connstr('db') ]);
ok($node->poll_query_until('db', q{SELECT count(*) > 1800 FROM retail.sales_order}), 'orders come in');
kill_server($node);
$load->finish;
$node->start;
is($node->safe_psql('db', 'SELECT count(*) FROM retail.day_counters()'), 0, 'a crash, after which no counter is left');
($status, $output) = run_pgbench($node, 'db', { place => [ 1, $place ] }, '-c', 64, '-j', 4, '-t', 10);
is($status, 0, '... and orders are placed as before') or diag($output);
$node->safe_psql('db', qq{SELECT retail.place_order('app', 'G' || i, '[{"sku": "A1", "qty": 1}]', '{"region": "R1"}', $day) FROM generate_series(1, 40) i});
days_ok('2026-04-06', 'no day was filled too much before or after the crash');

# ---- one node, one parcel a day: a prepared transaction keeps its place until it is known what becomes of it ----
$node->safe_psql('db', q{
	SELECT retail.put_region('RP', 'P', parent => 'CN', latitude => 30, longitude => 110), retail.put_sku('P', 'P', 500, list_price => 10), retail.put_sku('Q', 'Q', 500, list_price => 10);
	SELECT retail.put_node('P', 'P', 'warehouse', region => 'RP', daily_capacity => 1);
	SELECT retail.receive_stock('p', 'P', '[{"sku": "P", "qty": 100}, {"sku": "Q", "qty": 100}]', '2026-03-01')});

sub order_p { my ($no, $sku) = @_; $sku ||= 'P'; return qq{SELECT o.parcels -> 0 ->> 'ship_by' FROM retail.place_order('app', '$no', '[{"sku": "$sku", "qty": 1}]', '{"region": "RP"}', as_of => '2026-05-04 00:00+00') o}; }
my @fate = ([ 'ROLLBACK', '2026-05-04' ], [ 'COMMIT', '2026-05-05' ]);
for my $f (@fate)
{
	my ($end, $leaves) = @$f;
	$node->safe_psql('db', "BEGIN; " . order_p("P$end") . "; PREPARE TRANSACTION 'p'");
	if ($end eq "COMMIT") { $node->stop("immediate"); $node->start }
	like(error_of($node, 'db', "SET lock_timeout = '300ms'; " . order_p("Q$end", 'Q')), qr/55P03/, 'while a parcel is prepared, whoever wants its place waits');
	$node->safe_psql('db', "$end PREPARED 'p'");
	like($node->safe_psql('db', order_p("Q$end", 'Q')), qr/^$leaves/, "... and has it after $end, or not");
	$node->safe_psql('db', qq{SELECT retail.cancel_order('app', 'Q$end', as_of => '2026-05-04 00:00+00')});
}
# a cancellation and a claim that counts, prepared together and rolled back
$node->safe_psql('db', q{SELECT retail.cancel_order('app', 'PCOMMIT', as_of => '2026-05-04 00:00+00'); UPDATE retail.node SET daily_capacity = 2 WHERE code = 'P'});
$node->safe_psql('db', order_p('R1') . ';' . order_p('R2'));
$node->safe_psql('db', q{BEGIN; SELECT retail.cancel_order('app', n, as_of => '2026-05-04 00:00+00') FROM unnest('{R1,R2}'::text[]) n; } . order_p('R3') . "; PREPARE TRANSACTION 'r'");
$node->safe_psql('db', "ROLLBACK PREPARED 'r'");
like($node->safe_psql('db', order_p('R4')), qr/^2026-05-05T/, 'what a prepared transaction had given back is taken again when it is rolled back');

# ---- rows that are written by hand are found when the counter is compared with the table ----
$node->safe_psql('db', q{UPDATE retail.node SET daily_capacity = 4 WHERE code = 'P'});
is($node->safe_psql('db', q{SELECT parcels FROM retail.day_counters() JOIN retail.node USING (node_id) WHERE code = 'P' AND day_begin < '2026-05-04 06:00+00'}) || 'none', 'none', 'no counter');
like($node->safe_psql('db', order_p('H1')), qr/^2026-05-04T/, 'there is room for one more');
$node->safe_psql('db', q{INSERT INTO retail.shipment (order_id, node_id, kind, ship_by, planned_at) SELECT order_id, node_id, kind, ship_by, planned_at FROM retail.shipment s
	WHERE s.ship_by < '2026-05-05 00:00+00' AND s.node_id = (SELECT node_id FROM retail.node WHERE code = 'P') AND s.status <> 'cancelled' LIMIT 1});
usleep(1_100_000);
like($node->safe_psql('db', order_p('H2')), qr/^2026-05-05T/, '... and after a second none');
$node->safe_psql('db', q{DELETE FROM retail.shipment s WHERE NOT EXISTS (SELECT FROM retail.shipment_line l WHERE l.shipment_id = s.shipment_id)});
like($node->safe_psql('db', order_p('H3')), qr/^2026-05-04T/, 'a row that is taken away by hand gives its place back at once');
days_ok('2026-04-06', 'all of these days are as they should be');
no_crash_ok($node);
integrity_ok($node, 'db');

done_testing();
