# intake.pl: the intake queue as a process. The worker decides what is submitted and tells who listens; a server that is
# killed in mid-batch places every submitted order exactly once afterwards; 64 shop fronts that submit, others that place
# directly and several workers promise exactly what is there.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RetailTest;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('main', conf => "max_connections = 150\nfsync = on\nsynchronous_commit = on\ndeadlock_timeout = '200ms'\nlock_timeout = '60s'\n");

# An array of n orders of one unit each, as SQL; numbers begin with the prefix.
sub orders
{
	my ($prefix, $n) = @_;
	return qq{(SELECT jsonb_agg(jsonb_build_object('channel', 'app', 'external_no', '$prefix' || i, 'destination', jsonb_build_object('region', 'R' || 1 + i % 5),
		'lines', jsonb_build_array(jsonb_build_object('sku', 'A' || 1 + i % 3, 'qty', 1 + i % 2), jsonb_build_object('sku', 'A' || 1 + (i + 1) % 3, 'qty', 1)))) FROM generate_series(1, $n) i)};
}

# ---- the worker --------------------------------------------------------------------------------------------

install($node, 'shop');
make_chain($node, 'shop', payment_ttl => '1 day');
stock_chain($node, 'shop', 100000, qw(W1 W2 W3 W4 W5));
is($node->safe_psql('shop', 'SELECT count(*) FROM retail.submit_orders(' . orders('W', 1200) . q{) s WHERE s.state = 'queued'}), '1200', 'orders are queued');
ok($node->poll_query_until('shop', q{SELECT count(*) = 0 FROM retail.order_intake WHERE state = 'queued'}), 'the worker decides them');
is($node->safe_psql('shop', q{SELECT count(*), count(DISTINCT batch) > 1 FROM retail.order_intake WHERE state = 'placed'}), '1200|t', 'in several batches');
$node->safe_psql('shop', q{SELECT retail.enable_task('allocate_intake', false)});
like($node->safe_psql('shop', 'LISTEN retail_allocation; SELECT count(*) FROM retail.submit_orders(' . orders('L', 3) . ') s; SELECT retail.run_allocation()'),
	qr/Asynchronous notification "retail_allocation" with payload "\{"batch": \d+, "placed": 3, "refused": 0, "left": 0\}"/, 'who listens is told');
integrity_ok($node, 'shop');

# ---- kill -9 in mid-batch -------------------------------------------------------------------------------------

for my $round (1 .. 2)
{
	my $submitted = 3000;
	$node->safe_psql('shop', 'SELECT count(*) FROM retail.submit_orders(' . orders("K$round-", $submitted) . ') s');
	my $pid = fork();
	die "fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		run_pgbench($node, 'shop', { run => [ 1, 'SELECT retail.run_allocation(now(), 20);' ] }, '-c', 3, '-j', 1, '-T', 60);
		POSIX::_exit(0);
	}
	ok($node->poll_query_until('shop', "SELECT count(*) >= 200 FROM retail.order_intake WHERE external_no LIKE 'K$round-%' AND state = 'placed'"), "round $round: batches are decided");
	# one batch is written and not committed, the others are in the middle of theirs and wait for its stock
	my $open = $node->background_psql('shop');
	$open->query_safe('BEGIN');
	like($open->query_safe('SELECT retail.run_allocation(now(), 300)'), qr/300 placed/, "round $round: one is written and not committed");
	cmp_ok(kill_server($node), '>', 3, "round $round: the server and its processes are killed");
	waitpid($pid, 0);
	eval { $open->quit };
	$node->start;
	is($node->safe_psql('shop', "SELECT count(*) FROM retail.order_intake WHERE external_no LIKE 'K$round-%'"), $submitted, "round $round: every submitted order is there");
	my $placed = $node->safe_psql('shop', "SELECT count(*) FROM retail.order_intake WHERE external_no LIKE 'K$round-%' AND state = 'placed'");
	cmp_ok($placed, '<=', $submitted - 300, "round $round: the batch that was not committed waits again ($placed of $submitted were placed)");
	integrity_ok($node, 'shop', "round $round: check_integrity() finds nothing after recovery");
	$node->safe_psql('shop', q{SELECT retail.enable_task('allocate_intake')});
	ok($node->poll_query_until('shop', q{SELECT count(*) = 0 FROM retail.order_intake WHERE state = 'queued'}), "round $round: the worker decides the rest");
	$node->safe_psql('shop', q{SELECT retail.enable_task('allocate_intake', false)});
	is($node->safe_psql('shop', "SELECT count(*), count(DISTINCT i.order_id), count(o.order_id) FROM retail.order_intake i LEFT JOIN retail.sales_order o ON o.order_id = i.order_id AND o.external_no = i.external_no WHERE i.external_no LIKE 'K$round-%' AND i.state = 'placed'"),
		"$submitted|$submitted|$submitted", "round $round: each is placed exactly once");
	is($node->safe_psql('shop', "SELECT count(*) FROM retail.sales_order WHERE external_no LIKE 'K$round-%'"), $submitted, "round $round: and nothing else is");
	integrity_ok($node, 'shop', "round $round: check_integrity() finds nothing at the end");
}

# ---- a flash sale ------------------------------------------------------------------------------------------------

# 1,000 units at one node: 64 fronts submit, 8 place directly, 3 workers decide.
install($node, 'flash');
make_chain($node, 'flash', nodes => 1, skus => 1, payment_ttl => '1 day');
$node->safe_psql('flash', q{SELECT retail.receive_stock('r1', 'W1', '[{"sku": "A1", "qty": 1000}]'); CREATE SEQUENCE public.no; SELECT retail.enable_task('allocate_intake', false)});
my $log = log_position($node);
my ($status, $output) = run_pgbench($node, 'flash', {
	submit => [ 70, q{SELECT state FROM retail.submit_orders(jsonb_build_array(jsonb_build_object('channel', 'app', 'external_no', 'N' || nextval('public.no'), 'lines', '[{"sku": "A1", "qty": 1}]'::jsonb, 'destination', '{"region": "R1"}'::jsonb)));} ],
	run => [ 4, q{SELECT retail.run_allocation(now(), 40);} ],
	place => [ 8, q{DO $$ BEGIN PERFORM retail.place_order('app', 'D' || nextval('public.no'), '[{"sku": "A1", "qty": 1}]', '{"region": "R1"}'); EXCEPTION WHEN SQLSTATE 'RT020' THEN NULL; END $$;} ],
}, '-c', 64, '-j', 4, '-t', 40);
is($status, 0, 'a flash sale: no client stopped') or diag($output);
is_deeply(sqlstates($node, $log), {}, 'no error, no deadlock');
1 while $node->safe_psql('flash', 'SELECT retail.run_allocation()') ne 'nothing waits';
is($node->safe_psql('flash', 'SELECT on_hand, reserved FROM retail.stock'), '1000|1000', 'exactly 1,000 units are promised');
is($node->safe_psql('flash', q{SELECT count(*), count(*) FILTER (WHERE external_no LIKE 'N%') > 0, count(*) FILTER (WHERE external_no LIKE 'D%') > 0 FROM retail.sales_order}), '1000|t|t', 'to 1,000 orders, submitted ones and others');
is($node->safe_psql('flash', q{SELECT DISTINCT state, sqlstate FROM retail.order_intake ORDER BY 1}), "placed|\nrefused|RT020", 'who came too late is told so');
integrity_ok($node, 'flash');

no_crash_ok($node);
$node->stop('fast');
done_testing();
