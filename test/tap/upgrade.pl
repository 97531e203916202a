# upgrade.pl: from every released version to the current one: ALTER EXTENSION UPDATE, then retail.upgrade(). The data
# stays right, and what comes out is what a fresh installation has: the same functions, tables, policies and comments.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RetailTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = $ENV{RETAIL_ROOT} || "$FindBin::Bin/../..";
my @releases;

for my $file (glob "$root/control/releases/pg_retail--*.sql")
{
	push @releases, $1 if $file =~ /pg_retail--(\d+\.\d+\.\d+)\.sql$/;
}

my $node = new_server('main');
install($node, 'fresh');
my $current = $node->safe_psql('fresh', "SELECT extversion FROM pg_extension WHERE extname = 'pg_retail'");
@releases = grep { $_ ne $current } @releases;
ok(@releases > 0, 'there is a released version to upgrade from');

# Everything that the extension says of its functions, one line each.
sub functions
{
	my ($db) = @_;
	return $node->safe_psql($db, q{
		SELECT format('%s|%s|%s|%s', p.oid::regprocedure, md5(pg_get_functiondef(p.oid)),
			(SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(p.proacl) x), obj_description(p.oid, 'pg_proc'))
		FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
		JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_retail' ORDER BY 1});
}

# The dumped definition of all that install() made, in an order that does not depend on when it was made.
sub tables
{
	my ($db) = @_;
	my ($out, $err);
	IPC::Run::run(['pg_dump', '-s', '-d', $node->connstr($db)], '>', \$out, '2>', \$err) or die $err;
	return join "\n", sort grep { !/^--/ && !/^\\(un)?restrict/ } split /\n/, $out;
}

# The lines that only one of two texts has.
sub differences
{
	my ($one, $other) = @_;
	my %count;
	$count{$_}++ for split /\n/, $one;
	$count{$_}-- for split /\n/, $other;
	return join "\n", map { ($count{$_} > 0 ? '< ' : '> ') . $_ } sort grep { $count{$_} } keys %count;
}

# Places orders of two units each, pays every second one and cancels every fifth.
sub place_orders
{
	my ($db, $prefix, $n) = @_;
	$node->safe_psql($db, qq{
DO \$\$ BEGIN FOR i IN 1..$n LOOP
	PERFORM retail.place_order('app', '$prefix' || i, '[{"sku": "A1", "qty": 1}, {"sku": "A2", "qty": 1}]', '{"region": "R2"}');
	IF i % 2 = 0 THEN
		PERFORM retail.record_payment('app', '$prefix' || i, '$prefix' || i, (SELECT total FROM retail.sales_order WHERE external_no = '$prefix' || i));
	END IF;
	IF i % 5 = 0 THEN PERFORM retail.cancel_order('app', '$prefix' || i); END IF;
END LOOP; END \$\$});
	return;
}

for my $old (@releases)
{
	my $db = "from_$old";
	$db =~ tr/./_/;
	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
	$node->safe_psql($db, "CREATE EXTENSION pg_retail VERSION '$old'");
	my $files = $node->safe_psql($db, "SELECT count(*) FROM retail.install() WHERE action = 'applied'");
	cmp_ok($files, '>', 5, "$old: install() applies the files of its time");
	is($node->safe_psql($db, "SELECT count(*) FROM retail.schema_migration WHERE string_to_array(version, '.')::int[] > string_to_array('$old', '.')::int[]"),
		0, "$old: and none of a later one");
	make_chain($node, $db);
	stock_chain($node, $db, 100, 'W1', 'W2');
	place_orders($db, 'before', 20);
	integrity_ok($node, $db, "$old: books are right before");
	my $before = $node->safe_psql($db, 'SELECT count(*), sum(total) FROM retail.sales_order');

	$node->safe_psql($db, 'ALTER EXTENSION pg_retail UPDATE');
	is($node->safe_psql($db, "SELECT extversion FROM pg_extension WHERE extname = 'pg_retail'"), $current, "$old: updated to $current");
	$node->safe_psql($db, 'SELECT * FROM retail.upgrade()');
	is($node->safe_psql($db, "SELECT count(*) FROM retail.upgrade() WHERE action <> 'already applied'"), 0, "$old: upgrade() again does nothing");
	integrity_ok($node, $db, "$old: books are right after");
	is($node->safe_psql($db, 'SELECT count(*), sum(total) FROM retail.sales_order'), $before, "$old: orders are all there");
	place_orders($db, 'after', 5);
	integrity_ok($node, $db, "$old: and new ones can be placed");

	is(differences(functions($db), functions('fresh')), '', "$old: functions, grants and comments are those of a fresh installation");
	is(differences(tables($db), tables('fresh')), '', "$old: tables, policies and views too");
}

$node->stop;
done_testing();
