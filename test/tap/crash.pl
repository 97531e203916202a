# crash.pl: kill -9 of the whole server in mid-load, three times. After each recovery every call that was acknowledged
# is there with all its rows, check_integrity() finds nothing, the worker is back, and a client that did not get its
# answer gets it by asking again.
#
# Each client is a process of its own that speaks to one psql and writes a call's number to its file when psql has
# printed the line that follows the call: psql reads on only after the commit was reported.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RetailTest;
use IPC::Open2;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 8;
my $rounds = 3;
my $folder = PostgreSQL::Test::Utils::tempdir();

# What matters here is on: a commit that was reported must survive.
my $node = new_server('main', conf => "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\ncheckpoint_timeout = 30s\nmax_wal_size = 64MB\n");
install($node, 'shop');
make_chain($node, 'shop', payment_ttl => '3 seconds');
stock_chain($node, 'shop', 3000, qw(W1 W2 W3 W4 W5));

# ---- clients ------------------------------------------------------------------------------------------------

# The calls of one turn of a client: [kind, number, statement]. An order is placed, every second one is paid, every
# third cancelled, and goods are held beside.
sub turn
{
	my ($client, $round, $n) = @_;
	my $no = "$client-$round-$n";
	my @lines = map { sprintf('{"sku": "A%d", "qty": %d}', $_, 1 + ($n + $_) % 2) } 1 .. 1 + $n % 3;
	my @calls = ([ 'order', $no, place($no, $n) ]);
	push @calls, [ 'payment', $no, qq{SELECT retail.record_payment('app', '$no', 'P$no', (SELECT total FROM retail.sales_order WHERE external_no = '$no'), 'wechat')} ]
	  if $n % 2 == 0;
	push @calls, [ 'cancel', $no, qq{SELECT retail.cancel_order('app', '$no', cancel_no => 'C$no')} ] if $n % 3 == 0;
	push @calls, [ 'hold', $no, sprintf(q{SELECT retail.hold_stock('H%s', 'app', '[{"sku": "A%d", "node": "W%d", "qty": 1}]', '2 seconds')}, $no, 1 + $n % 3, 1 + $n % 5) ]
	  if $n % 4 == 0;
	return @calls;
}

sub place
{
	my ($no, $n) = @_;
	my $lines = join(', ', map { sprintf('{"sku": "A%d", "qty": %d}', $_, 1 + ($n + $_) % 2) } 1 .. 1 + $n % 3);
	return sprintf(q{SELECT order_id FROM retail.place_order('app', '%s', '[%s]', '{"region": "R%d"}')}, $no, $lines, 1 + $n % 5);
}

# Becomes a client; never returns. Its file has a line "begin kind number" before, and "done kind number" after a call.
sub be_client
{
	my ($client, $round) = @_;
	open(my $file, '>>', "$folder/$client") or POSIX::_exit(1);
	$file->autoflush(1);
	local $SIG{PIPE} = 'IGNORE';
	local %ENV = $node->_get_env();
	open(STDERR, '>', '/dev/null');
	my $pid = open2(my $out, my $in, 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port, '-d', 'shop', '-f', '-');
  LOOP: for (my $n = 0;; $n++)
	{
		for my $call (turn($client, $round, $n))
		{
			my ($kind, $no, $sql) = @$call;
			print $file "begin $kind $no\n";
			print $in "$sql;\n\\echo ready\n" or last LOOP;
			$in->flush;
			my $line;
			do { $line = <$out> } while (defined $line && $line ne "ready\n");
			last LOOP unless defined $line;
			print $file "done $kind $no\n";
		}
	}
	POSIX::_exit(0);
}

# ---- rounds --------------------------------------------------------------------------------------------------

for my $round (1 .. $rounds)
{
	my @pids;
	for my $client (1 .. $clients)
	{
		my $pid = fork();
		die "fork: $!" unless defined $pid;
		be_client($client, $round) if $pid == 0;
		push @pids, $pid;
	}
	# In mid-load: when so many orders are in, and all clients go on.
	my $before = $round == 1 ? 0 : $node->safe_psql('shop', 'SELECT count(*) FROM retail.sales_order');
	ok($node->poll_query_until('shop', "SELECT count(*) >= $before + " . 150 * $round . " FROM retail.sales_order"), "round $round: clients are at work");
	$node->safe_psql('shop', 'CHECKPOINT') if $round == 2;
	cmp_ok(kill_server($node), '>=', $clients, "round $round: the server and its processes are killed");
	waitpid($_, 0) for @pids;

	$node->start;
	my (%done, %open);
	for my $client (1 .. $clients)
	{
		for my $line (split /\n/, slurp_file("$folder/$client"))
		{
			my ($what, $kind, $no) = split / /, $line;
			if ($what eq 'begin') { $open{"$kind $no"} = 1 }
			else { delete $open{"$kind $no"}; push @{ $done{$kind} }, $no }
		}
	}
	note("round $round: acknowledged " . join(', ', map { scalar(@{ $done{$_} }) . " $_" } sort keys %done) . '; unanswered ' . scalar(keys %open));
	cmp_ok(scalar @{ $done{order} }, '>', 100 * $round, "round $round: many orders were acknowledged");
	my %there = (
		order => q{SELECT external_no FROM retail.sales_order o WHERE EXISTS (SELECT FROM retail.order_line l WHERE l.order_id = o.order_id)
			AND EXISTS (SELECT FROM retail.shipment s WHERE s.order_id = o.order_id) AND EXISTS (SELECT FROM retail.reservation r WHERE r.order_id = o.order_id)
			AND EXISTS (SELECT FROM retail.order_event e WHERE e.order_id = o.order_id AND e.kind = 'placed')},
		payment => q{SELECT substr(payment_no, 2) FROM retail.payment},
		cancel => q{SELECT substr(detail ->> 'cancel_no', 2) FROM retail.order_event WHERE kind = 'cancelled' AND detail ? 'cancel_no'},
		hold => q{SELECT substr(h.hold_key, 2) FROM retail.stock_hold h WHERE EXISTS (SELECT FROM retail.reservation r WHERE r.hold_id = h.hold_id)},
	);
	for my $kind (sort keys %there)
	{
		my %found = map { $_ => 1 } split /\n/, $node->safe_psql('shop', $there{$kind});
		my @lost = grep { !$found{$_} } @{ $done{$kind} || [] };
		is("@lost", '', "round $round: every acknowledged $kind is there");
	}
	integrity_ok($node, 'shop', "round $round: check_integrity() finds nothing");
	ok(wait_for_worker($node, 'shop'), "round $round: the worker is back");
	is($node->safe_psql('shop', 'SELECT count(*) - count(DISTINCT external_no) FROM retail.sales_order'), '0', "round $round: no order is there twice");

	# A client that was not answered asks again.
	my @again = sort map { /^order (\S+)$/ ? $1 : () } keys %open;
	my $answers = join("\n", map { my ($n) = /-(\d+)$/; place($_, $n) . ';' } @again);
	my $ids = @again ? $node->safe_psql('shop', $answers) : '';
	is(scalar(split /\n/, $ids), scalar @again, "round $round: " . @again . ' unanswered orders are answered when they are placed again');
	is($node->safe_psql('shop', sprintf(q{SELECT count(*) FROM retail.sales_order WHERE external_no IN ('%s')}, join("', '", @again))), scalar @again,
		"round $round: and each is there once");
}

# What was held for nobody comes back, as if nothing had happened.
ok($node->poll_query_until('shop', q{SELECT count(*) = 0 FROM retail.reservation WHERE state = 'held' AND expires_at < now() - interval '1 second'}) , 'the worker sweeps what is due')
  or diag($node->safe_psql('shop', 'SELECT name, next_run_at, last_error FROM retail.task'));
integrity_ok($node, 'shop');
no_crash_ok($node);
$node->stop('fast');
done_testing();
