# cancel.pl: a query that is cancelled while an order is being decided. An order of 200 lines over 400 nodes keeps the
# solver busy for most of its time; it is cancelled at twenty moments from its begin to its end, by statement_timeout
# and by pg_cancel_backend(): each time the session hears 57014 and nothing else, nothing of the order is written, and
# the session goes on.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RetailTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $steps = 20;

my $node = new_server('main');
install($node, 'shop');
$node->safe_psql('shop', q{
SELECT retail.enable_task(name, false) FROM retail.task;
SELECT retail.put_region('R', '区', latitude => 30, longitude => 110), retail.put_channel('app', 'App', 'app'), retail.put_carrier_service('STD', '顺丰', '标快');
SELECT retail.put_sku('A' || i, '商品', 500 + i, list_price => 10) FROM generate_series(1, 200) i;
SELECT retail.put_node('W' || i, '仓', 'warehouse', 'R', 30 + i * 0.01, 110, parcel_cost => i % 7) FROM generate_series(1, 400) i;
SELECT retail.put_lane('STD', 'R', 'Z', 24, from_region => 'R'), retail.put_rate_card('STD', 'Z', 1000, 5, 1000, 1.5);
SELECT retail.receive_stock('first', 'W' || n, (SELECT jsonb_agg(jsonb_build_object('sku', 'A' || i, 'qty', 1 + (i * n) % 3)) FROM generate_series(1, 200) i WHERE (i * 7 + n * 13) % 5 <> 0))
	FROM generate_series(1, 400) n;
CREATE FUNCTION public.lines() RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_agg(jsonb_build_object('sku', 'A' || i, 'qty', 20)) FROM generate_series(1, 200) i $$;
CREATE PROCEDURE public.measure() LANGUAGE plpgsql AS $$
DECLARE
	begun timestamptz := clock_timestamp();
BEGIN
	PERFORM retail.quote_order('app', public.lines(), '{"region": "R"}');
	PERFORM set_config('cancel.took', ceil(extract(epoch FROM clock_timestamp() - begun) * 1000)::text, false);
END $$;
});
$node->safe_psql('shop', 'VACUUM ANALYZE');
my $before = fingerprint($node, 'shop');

# ---- statement_timeout, at every moment of the decision -------------------------------------------------------------

# One session does it all: what an interrupted decision leaves behind would show in the next. The first calls warm it up.
my $script = "\\set ON_ERROR_STOP off\n\\set VERBOSITY sqlstate\nCALL public.measure();\nCALL public.measure();\n";
for my $step (1 .. $steps)
{
	$script .= "SELECT greatest(current_setting('cancel.took')::int * $step / ($steps + 2), 1) AS patience \\gset\n"
	  . "SET statement_timeout = :patience;\n"
	  . "SELECT 'placed $step' FROM retail.place_order('app', 'N$step', public.lines(), '{\"region\": \"R\"}');\n"
	  . "\\echo step $step :LAST_ERROR_SQLSTATE\nRESET statement_timeout;\nSELECT 'alive $step ' || count(*) FROM retail.sales_order WHERE external_no = 'N$step';\n";
}
my ($rc, $out, $err) = $node->psql('shop', $script);
my %stands;
for my $line (split /\n/, $out)
{
	$stands{$1}{error} = $2 if $line =~ /^step (\d+) (\w+)/;
	$stands{$1}{rows} = $2 if $line =~ /^alive (\d+) (\d+)/;
	$stands{$1}{placed} = 1 if $line =~ /^placed (\d+)/;
}
my @cancelled = grep { !$stands{$_}{placed} } 1 .. $steps;
# A machine that is faster now than it was when it was measured may finish the last of them.
cmp_ok(scalar @cancelled, '>=', $steps / 2, 'most of the orders were cancelled while they were being decided') or diag($out, $err);
is(scalar(grep { ($stands{$_}{error} // '') ne '57014' } @cancelled), 0, '... with 57014 each') or diag($out, $err);
is(scalar(grep { $stands{$_}{rows} // 'dead' ne '0' } @cancelled), 0, '... nothing of them was written, and the session went on') or diag($out, $err);
is(join(',', sort keys %{ sqlstates($node) }), '57014', '... and the server reported nothing else');
is(fingerprint($node, 'shop'), $before, '... no row of any table is another') if @cancelled == $steps;

# ---- pg_cancel_backend -------------------------------------------------------------------------------------------------

my $took = $node->safe_psql('shop', "CALL public.measure();\nCALL public.measure();\nSELECT current_setting('cancel.took')");
my $heard = 0;
for my $try (1 .. 5)
{
	my $wait = sprintf('%.3f', $took / 1000 * $try / 10);
	# The other session connects while this one begins to decide.
	($rc, $out, $err) = $node->psql('shop', qq{\\set ON_ERROR_STOP off
\\set VERBOSITY sqlstate
SELECT pg_backend_pid() AS pid \\gset
\\setenv BUYER :pid
\\! (psql -XAtq -c "SELECT pg_sleep($wait)" -c "SELECT pg_cancel_backend(\$BUYER)" >/dev/null 2>&1 &)
SELECT 'placed' FROM retail.place_order('app', 'C$try', public.lines(), '{"region": "R"}');
\\echo heard :LAST_ERROR_SQLSTATE
\\! sleep 1
SELECT 'wrote ' || count(*) FROM retail.sales_order WHERE external_no = 'C$try';
});
	next if $out =~ /^placed/m;
	$heard++;
	like($out, qr/^heard 57014\nwrote 0$/m, "try $try was cancelled by another session, wrote nothing and goes on") or diag($out, $err);
}
cmp_ok($heard, '>=', 1, 'orders were cancelled by another session');

# ---- and afterwards ---------------------------------------------------------------------------------------------------------

is($node->safe_psql('shop', q{SELECT status, jsonb_array_length(parcels) > 1 FROM retail.place_order('app', 'LAST', public.lines(), '{"region": "R"}')}), 'open|t', 'the same order is placed when it is left alone');
is($node->safe_psql('shop', q{SELECT sum(s.reserved) = 4000 * (SELECT count(*) FROM retail.sales_order) FROM retail.stock s}), 't', 'and stock is reserved for the orders that exist');
integrity_ok($node, 'shop');
no_crash_ok($node);
$node->stop;
done_testing();
