# RetailTest.pm: what the TAP tests share: servers with pg_retail loaded, a small chain made through the API, load from
# pgbench, what the server's log says, and the check at every end. A test says
#
#   use FindBin;
#   use lib $FindBin::Bin;
#   use RetailTest;
package RetailTest;

use strict;
use warnings;

use File::Basename qw(dirname);
use Exporter 'import';

our @EXPORT = qw(new_server install make_chain stock_chain make_members error_of integrity_ok worker_pid wait_for_worker
  run_pgbench kill_server sqlstates log_position no_crash_ok fingerprint);

# As scripts/tap.sh says it; worked out here for somebody who runs one test by hand.
BEGIN
{
	my $config = $ENV{PG_CONFIG} || 'pg_config';
	chomp(my $pgxs = `$config --pgxs`);
	$pgxs = dirname($pgxs) . '/..';
	unshift @INC, "$pgxs/src/test/perl", "$pgxs/test/perl";
	$ENV{PG_REGRESS} ||= "$pgxs/test/regress/pg_regress";
}

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

# ---- servers ------------------------------------------------------------------------------------------

# Makes and starts a server with pg_retail preloaded. The log names the SQLSTATE of every error.
# streaming => 1: a standby may follow it; conf => lines of postgresql.conf.
sub new_server
{
	my ($name, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => $params{streaming} ? 1 : 0);
	$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pg_retail'
pg_retail.worker_naptime = '500ms'
max_connections = 60
shared_buffers = 64MB
max_wal_size = 1GB
log_statement = none
log_line_prefix = '%m [%p] %e %q%a '
timezone = 'UTC'
});
	$node->append_conf('postgresql.conf', $params{conf}) if $params{conf};
	$node->start;
	return $node;
}

# A database with the extension and its tables.
sub install
{
	my ($node, $db) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
	$node->safe_psql($db, 'CREATE EXTENSION pg_retail');
	$node->safe_psql($db, 'SELECT * FROM retail.install()');
	return;
}

# ---- a chain -------------------------------------------------------------------------------------------

# Master data, and nothing else: region CN with R1 to Rn below it, warehouse Wi in Ri, store S1 in R1 where customers
# collect, channels app (orders are paid within payment_ttl) and shop, SKUs A1 to Am of 500 g at 9.90, one carrier.
# Parameters: nodes (5), skus (3), payment_ttl ('30 minutes').
sub make_chain
{
	my ($node, $db, %params) = @_;
	my $nodes = $params{nodes} || 5;
	my $skus = $params{skus} || 3;
	my $ttl = $params{payment_ttl} || '30 minutes';
	$node->safe_psql($db, qq{
SELECT retail.put_region('CN', '中国', latitude => 35, longitude => 105);
SELECT retail.put_region('R' || i, '区 ' || i, parent => 'CN', latitude => 20 + 3 * i, longitude => 110 + i) FROM generate_series(1, $nodes) i;
SELECT retail.put_channel('app', 'App', 'app', payment_ttl => '$ttl'), retail.put_channel('shop', '门店', 'pos');
SELECT retail.put_carrier_service('STD', '顺丰', '标快');
SELECT retail.put_lane('STD', 'CN', 'near', 24, from_region => 'CN', to_km => 500),
	retail.put_lane('STD', 'CN', 'far', 72, from_region => 'CN', from_km => 500);
SELECT retail.put_rate_card('STD', 'near', 1000, 8, 1000, 2), retail.put_rate_card('STD', 'far', 1000, 12, 1000, 5);
SELECT retail.put_node('W' || i, '仓 ' || i, 'warehouse', region => 'R' || i, parcel_cost => 1.5, unit_cost => 0.3) FROM generate_series(1, $nodes) i;
SELECT retail.put_node('S1', '店 1', 'store', region => 'R1', can_ship => false, can_pick_up => true);
SELECT retail.put_sku('A' || i, '商品 ' || i, 500, list_price => 9.90) FROM generate_series(1, $skus) i;
});
	return;
}

# Books quantity units of every SKU in at each node given by code.
sub stock_chain
{
	my ($node, $db, $quantity, @codes) = @_;
	my $list = join(', ', map { "'$_'" } @codes);
	$node->safe_psql($db, qq{
SELECT retail.receive_stock('first ' || n.code, n.code, (SELECT jsonb_agg(jsonb_build_object('sku', k.code, 'qty', $quantity) ORDER BY k.code) FROM retail.sku k))
FROM retail.node n WHERE n.code IN ($list) ORDER BY n.code});
	return;
}

# ---- statements ------------------------------------------------------------------------------------------

# People of two systems in every state: joined, merged, parted, asked about, forgotten; with consents, events and profiles.
# Their orders are under member 1: give place_order() that number.
sub make_members
{
	my ($node, $db) = @_;
	$node->safe_psql($db, q{
SELECT retail.put_member_source('web', 'Web shop', 10), retail.put_member_source('till', 'Tills', 20);
SELECT retail.block_identifier('+864008%', 'our own number', 'phone'), retail.put_profile_setting(smallest_group => 1);
SELECT member_id FROM retail.upsert_account('web', 'w1', '张小明', birth_date => '1990-05-17', gender => '男', address => '中山路12号', city => '杭州市', attributes => '{"shoe": 43}',
	identifiers => '[{"type": "phone", "value": "13805712233", "verified": true}, {"type": "email", "value": "Ming@example.com"}]', consent => '[{"purpose": "marketing", "granted": true}]');
SELECT member_id FROM retail.upsert_account('till', 't1', 'Zhang Xiaoming', birth_date => '1990-05-17', identifiers => '[{"type": "phone", "value": "+86 138 0571 2233", "verified": true}]');
SELECT member_id FROM retail.upsert_account('till', 't2', '张大明', birth_date => '1958-01-02', gender => '男', identifiers => '[{"type": "phone", "value": "13805712233", "verified": true}]');
SELECT member_id FROM retail.upsert_account('web', 'w2', '李雷', birth_date => '1985-02-30', identifiers => '[{"type": "card", "value": "VIP 7"}, {"type": "national_id", "value": "11010519491231002X"}]');
SELECT member_id FROM retail.upsert_account('till', 't3', '韩梅梅', birth_date => '1988-08');
SELECT member_id FROM retail.upsert_account('till', 't4', '王芳', identifiers => '[{"type": "email", "value": "fang@example.com"}]');
SELECT retail.merge_members(a.account_id, b.account_id, 'the same card') FROM retail.account a, retail.account b WHERE a.external_id = 'w2' AND b.external_id = 't3';
SELECT retail.split_member(a.account_id, 'a couple') FROM retail.account a WHERE a.external_id = 't3';
SELECT retail.set_consent(1, 'marketing', false, 'sms');
SELECT outcome FROM retail.import_accounts('[{"source": "nowhere", "external_id": "x"}]');
SELECT retail.record_events('[{"source": "web", "id": "e1", "kind": "view", "at": "2026-03-01T10:00:00Z", "account": "w1", "sku": "A1"}, {"source": "web", "id": "e2", "kind": "view", "at": "2026-03-01T10:00:00Z", "sku": "no such"}]');
SELECT member_id FROM retail.find_member('13805712233');
SELECT retail.run_resolution(now(), true, true, true);
SELECT retail.run_member_profile(now(), true);
SELECT retail.erase_member(a.account_id, 'request 17') FROM retail.account a WHERE a.external_id = 't4';
SELECT member_id FROM retail.upsert_account('web', 'w9', '赵六');
});
	return;
}


# Runs a statement that must fail; returns the whole message, with SQLSTATE.
sub error_of
{
	my ($node, $db, $sql, %params) = @_;
	my ($rc, $out, $err) = $node->psql($db, "\\set VERBOSITY verbose\n$sql", %params);
	return $rc == 0 ? 'no error' : $err;
}

# The check that every test ends with.
sub integrity_ok
{
	my ($node, $db, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql($db, 'SELECT * FROM retail.check_integrity() LIMIT 20'), '', $name || 'check_integrity() finds nothing');
}

# One line for each table of the platform: its name, number of rows and a hash of what is in them.
sub fingerprint
{
	my ($node, $db) = @_;
	return $node->safe_psql($db, q{
SELECT c.relname, (xpath('/row/n/text()', x))[1], (xpath('/row/h/text()', x))[1]
FROM pg_class c, query_to_xml(format('SELECT count(*) AS n, md5(coalesce(string_agg(t::text, E''\n'' ORDER BY t::text), '''')) AS h FROM retail.%I t', c.relname), false, true, '') x
WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname NOT IN ('task')
ORDER BY 1});
}

# ---- the background worker ---------------------------------------------------------------------------------

# Its process id, or an empty string.
sub worker_pid
{
	my ($node, $db) = @_;
	return $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_retail worker' AND datname = '$db'");
}

sub wait_for_worker
{
	my ($node, $db) = @_;
	return $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_retail worker' AND datname = '$db'");
}

# ---- load ----------------------------------------------------------------------------------------------------

# Runs pgbench with scripts given as name => [weight, text]. Returns (exit status, output). A client whose statement
# fails stops, so a script that may be refused calls public.try(), see oversell.pl.
sub run_pgbench
{
	my ($node, $db, $scripts, @options) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my @files;
	for my $name (sort keys %$scripts)
	{
		my ($weight, $text) = @{ $scripts->{$name} };
		append_to_file("$folder/$name.sql", $text);
		push @files, '-f', "$folder/$name.sql\@$weight";
	}
	my ($out, $err) = ('', '');
	local %ENV = $node->_get_env();
	IPC::Run::run([ 'pgbench', '-n', '--max-tries=1', @options, @files, '-h', $node->host, '-p', $node->port, $db ], '>', \$out, '2>', \$err);
	my $status = $? >> 8;
	note(join("\n", grep { /number of transactions|number of failed|latency average|tps/ } split /\n/, $out));
	return ($status, "$out$err");
}

# ---- a crash ------------------------------------------------------------------------------------------

# Stops the server dead: the postmaster cannot start another child, then all of them are killed.
sub kill_server
{
	my ($node) = @_;
	my $postmaster = $node->{_pid};
	kill 'STOP', $postmaster;
	my @children = map { /^(\d+)$/ ? $1 : () } split /\s+/, children_of($postmaster);
	kill 'KILL', $postmaster, @children;
	$node->{_pid} = undef;
	# Shared memory is free when the last of them is gone.
	for (1 .. 600)
	{
		last unless grep { kill 0, $_ } @children;
		usleep(100_000);
	}
	return scalar @children;
}

sub children_of
{
	my ($parent) = @_;
	my @children;
	for my $file (glob '/proc/[0-9]*/stat')
	{
		open(my $stat, '<', $file) or next;
		my $line = <$stat>;
		push @children, $1 if defined $line && $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $parent;
	}
	return join(' ', @children);
}

# ---- the server's log ------------------------------------------------------------------------------------------

sub log_position
{
	my ($node) = @_;
	return -s $node->logfile;
}

# How often each SQLSTATE was reported as an error since a position: { RT020 => 32 }.
sub sqlstates
{
	my ($node, $from) = @_;
	my %count;
	for my $line (split /\n/, slurp_file($node->logfile, $from || 0))
	{
		$count{$1}++ if $line =~ /^\S+ \S+ \S+ \[\d+\] (\w{5}) .*?(?:ERROR|FATAL|PANIC):  /;
	}
	return \%count;
}

# No process of the server died of itself; kill -9 of the whole server leaves no such line.
sub no_crash_ok
{
	my ($node) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|was terminated by signal/, $node->name . ': nothing crashed');
}

1;
