# member_resolution.pl: run_resolution() on generated accounts: what it writes is what a second run finds; cancelled or killed (-9) at
# any moment it leaves nothing behind (nor does a run whose session is terminated), and the next run writes what an undisturbed one does; two at once take turns; a run tells how
# far it is.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RetailTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $accounts = 1500;
my $folder = PostgreSQL::Test::Utils::tempdir();
my $generator = "$folder/identity_people";

system('cc', '-std=gnu11', '-O1', '-o', $generator, "$ENV{RETAIL_ROOT}/bench/identity_people.c") == 0 or BAIL_OUT('the generator of people does not compile');
system($generator, $accounts, 7, $folder) == 0 or BAIL_OUT('the generator of people fails');

my $node = new_server('main', conf => "fsync = on\nfull_page_writes = on\n");
install($node, 'shop');
$node->safe_psql('shop', qq{
INSERT INTO retail.member_source (source_id, code) VALUES (1, 'online'), (2, 'store');
\\copy retail.account (account_id, source_id, external_id, full_name, birth_date, gender, address, city, region, postcode) FROM '$folder/account.tsv'
\\copy retail.identifier (account_id, type, value, verified, last_used_at) FROM '$folder/identifier.tsv'
CREATE FUNCTION public.written() RETURNS text LANGUAGE sql AS \$\$
	SELECT concat_ws(' ', (SELECT count(*) FROM retail.member_link), (SELECT count(*) FROM retail.member_change), (SELECT count(*) FROM retail.match_review),
		(SELECT count(*) FROM retail.match_model), (SELECT count(*) FROM retail.match_key)) \$\$;
CREATE FUNCTION public.who() RETURNS text LANGUAGE sql AS \$\$ SELECT md5(string_agg(account_id || ':' || member_id, ',' ORDER BY account_id)) FROM retail.member_link \$\$;
});
is($node->safe_psql('shop', 'SELECT public.written()'), '0 0 0 0 0', 'nobody is linked at first');

# A session that resolves, as a process of its own; returns [harness, its output].
sub start_run
{
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr('shop'), '-c', 'SELECT retail.run_resolution()' ], '>', \$out, '2>', \$err);
	return { harness => $run, out => \$out, err => \$err };
}

sub finish_run
{
	my ($run) = @_;
	eval { $run->{harness}->finish };
	return;
}

my $working = q{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'pg_retail resolution: %'};
my $step = q{SELECT string_agg(step, ',') FROM retail_bi.job_progress WHERE job = 'resolution'};

# ---- killed and cancelled -----------------------------------------------------------------------------------------------------------

for my $moment (1, 2)
{
	my $run = start_run();
	ok($node->poll_query_until('shop', $working), "kill $moment: a run is at work");
	usleep(400_000 * ($moment - 1));
	note('killed in step ' . ($node->safe_psql('shop', $step) || 'unknown'));
	kill_server($node);
	finish_run($run);
	$node->start;
	is($node->safe_psql('shop', 'SELECT public.written()'), '0 0 0 0 0', "kill $moment: nothing of it was written");
}

my $cancelled = 0;
for my $moment (0 .. 3)
{
	my $run = start_run();
	$node->poll_query_until('shop', $working);
	usleep(300_000 * $moment);
	$node->safe_psql('shop', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pg_retail resolution: %'});
	finish_run($run);
	next if ${ $run->{out} } =~ /accounts are/;    # it was faster
	$cancelled++;
	like(${ $run->{err} }, qr/57014/, "cancel $moment: the session hears 57014");
	is($node->safe_psql('shop', 'SELECT public.written()'), '0 0 0 0 0', "cancel $moment: nothing of it was written");
}
cmp_ok($cancelled, '>=', 1, 'runs were cancelled at work');

# ---- terminated while others fold what was read ------------------------------------------------------------------------------------

install($node, 'large');
$node->safe_psql('large', qq{
INSERT INTO retail.member_source (source_id, code) VALUES (1, 'online'), (2, 'store');
\\copy retail.account (account_id, source_id, external_id, full_name, birth_date, gender, address, city, region, postcode) FROM '$folder/account.tsv'
INSERT INTO retail.account (account_id, source_id, external_id, full_name, birth_date, gender, address, city, region, postcode)
	SELECT account_id + 10000 * g, source_id, external_id || '-' || g, full_name, birth_date, gender, address, city, region, postcode FROM retail.account, generate_series(1, 60) g;
INSERT INTO retail.identifier (account_id, type, value) SELECT account_id, 'phone', '+8613' || lpad(account_id::text, 9, '0') FROM retail.account;
});
for my $moment (1 .. 4)
{
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr('large'), '-c', 'SET pg_retail.resolution_threads = 4', '-c', 'SELECT retail.run_resolution()' ], '>', \$out, '2>', \$err);
	my $reads = q{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'pg_retail resolution: read accounts%'};
	$node->poll_query_until('large', $reads);
	$node->safe_psql('large', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pg_retail resolution: %'});
	eval { $run->finish };
	like($err, qr/57P01/, "terminate $moment: the session ends, and it alone");
}
is($node->safe_psql('large', 'SELECT count(*) FROM retail.match_model'), '0', 'nothing of it was written');

# ---- undisturbed ----------------------------------------------------------------------------------------------------------------------

$node->safe_psql('shop', 'TRUNCATE retail.member_link, retail.member_change, retail.match_review, retail.match_model, retail.match_key');
like($node->safe_psql('shop', 'SELECT retail.run_resolution()'), qr/^$accounts accounts are \d+ members: .*model \d+ learned, \d+ keys written$/, 'a run ends');
my $who = $node->safe_psql('shop', 'SELECT public.who()');
my $written = $node->safe_psql('shop', 'SELECT public.written()');
cmp_ok($node->safe_psql('shop', 'SELECT count(*) FROM retail.member_link'), '>', $accounts / 10, 'many accounts belong together');
is($node->safe_psql('shop', 'SELECT count(*) FROM retail.member_link l WHERE EXISTS (SELECT FROM retail.member_link m WHERE m.account_id = l.member_id)'), '0', 'a person is the lowest of its accounts');
is($node->safe_psql('shop', q{SELECT count(*) FROM retail.member_link l WHERE NOT EXISTS (SELECT FROM retail.member_change c
	WHERE c.account_id = l.account_id AND c.to_member_id = l.member_id AND c.kind = 'merge' AND c.partner_id IS NOT NULL AND c.evidence ? 'prior')}), '0', 'every link has its reason');
is($node->safe_psql('shop', 'SELECT count(*) FROM retail.account a WHERE NOT EXISTS (SELECT FROM retail.match_key k WHERE k.account_id = a.account_id)') < $accounts / 50, 1, 'nearly every account has keys');

like($node->safe_psql('shop', 'SELECT retail.run_resolution(now(), true, false, NULL)'), qr/: 0 accounts merged, 0 split, 0 reviews opened, 0 closed$/, 'the next run finds nothing to do');
is($node->safe_psql('shop', 'SELECT retail.run_resolution()'), '0 accounts are new or changed: 0 accounts merged, 0 split', '... nor does one of what is new');
is($node->safe_psql('shop', 'SELECT public.written()'), $written, '... and writes nothing');

# The same from nothing, with another number of threads and by a model learned anew, while another run wants to begin.
$node->safe_psql('shop', 'TRUNCATE retail.member_link, retail.member_change, retail.match_review, retail.match_model, retail.match_key');
my @both = (start_run(), start_run());
finish_run($_) for @both;
is(scalar(grep { ${ $_->{out} } =~ /0 accounts merged, 0 split/ } @both), 1, 'of two runs at once the second finds the work done');
is($node->safe_psql('shop', 'SELECT public.who()'), $who, 'numbers of members are the same from run to run');
$node->safe_psql('shop', 'SET pg_retail.resolution_threads = 1; SELECT retail.run_resolution(now(), true, true, true)');
is($node->safe_psql('shop', 'SELECT public.who()'), $who, '... and with one thread');

# ---- what people decide, and what changes ------------------------------------------------------------------------------------------------

my ($a, $b) = split /\|/, $node->safe_psql('shop', 'SELECT member_id, account_id FROM retail.member_link ORDER BY account_id LIMIT 1');
$node->safe_psql('shop', "INSERT INTO retail.match_constraint (account_a, account_b, kind, decided_at, actor) VALUES ($a, $b, 'cannot_link', now(), 'test')");
my $whole = 'SELECT retail.run_resolution(now(), true, false, NULL)';
like($node->safe_psql('shop', $whole), qr/ 1 split, /, 'who is told apart by a person is split');
is($node->safe_psql('shop', "SELECT retail.member_of($b), (SELECT kind || ' ' || rule FROM retail.member_change WHERE account_id = $b ORDER BY member_change_id DESC LIMIT 1)"),
	"$b|split resolution", '... is a member again, and it is written down');
$node->safe_psql('shop', 'DELETE FROM retail.match_constraint');
$node->safe_psql('shop', $whole);
is($node->safe_psql('shop', 'SELECT public.who()'), $who, '... and back when that is taken back');

# What is copied in later is resolved by itself, to what a run over all finds.
$node->safe_psql('shop', q{INSERT INTO retail.account (account_id, source_id, external_id, full_name, birth_date, gender, address, city, region, postcode)
	SELECT 1000000 + account_id, source_id, 'copy' || external_id, full_name, birth_date, gender, address, city, region, postcode FROM retail.account WHERE account_id % 40 = 0;
INSERT INTO retail.identifier (account_id, type, value, verified) SELECT 1000000 + account_id, type, value, verified FROM retail.identifier WHERE account_id % 40 = 0;
ANALYZE retail.account});
like($node->safe_psql('shop', 'SELECT retail.run_resolution()'), qr/^37 accounts are new or changed: \d+ accounts merged, 0 split$/, 'accounts that were copied in are resolved by themselves');
is($node->safe_psql('shop', 'SELECT retail.run_resolution()'), '0 accounts are new or changed: 0 accounts merged, 0 split', '... once');
like($node->safe_psql('shop', $whole), qr/: 0 accounts merged, 0 split/, '... to what a run over all finds');
$node->safe_psql('shop', 'DELETE FROM retail.identifier WHERE account_id > 1000000; DELETE FROM retail.member_link WHERE account_id > 1000000; DELETE FROM retail.account WHERE account_id > 1000000');

# A poisoned account does not stop the others.
$node->safe_psql('shop', "INSERT INTO retail.identifier (account_id, type, value) SELECT $b, 'device', 'd' || i FROM generate_series(1, 500) i");
$node->safe_psql('shop', "UPDATE retail.account SET full_name = E'\\U0001F600\\u0007' || repeat('x', 20000), birth_date = '9999-99-99' WHERE account_id = $a");
like($node->safe_psql('shop', $whole), qr/, 1 accounts with exceptions$/, 'an account with too many identifiers is an exception');
is($node->safe_psql('shop', 'SELECT account_id, sqlstate FROM retail.account_exception'), "$b|54000", '... with the reason');
unlike($node->safe_psql('shop', $whole), qr/exceptions/, '... told once');

no_crash_ok($node);
$node->stop('fast');
done_testing();
