# capacity.pl: many buyers at once, one by one and in batches, with cancellations between: no node ever packs more parcels
# on a day than it can, none of its days stays empty that was wanted, and nobody hears of it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RetailTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 16;
my $node = new_server('main', conf => "deadlock_timeout = '200ms'\nlock_timeout = '60s'\n");

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
integrity_ok($node, 'db');

done_testing();
