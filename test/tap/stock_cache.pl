# stock_cache.pl: the stock levels in shared memory are those of the table, whatever was posted, rolled back, prepared or
# evicted; and where they cannot be, an order is decided again from the table.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RetailTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 16;
my $seconds = $ENV{LONG} ? 60 : 8;

my $node = new_server('main', streaming => 1, conf => "deadlock_timeout = '200ms'\nmax_prepared_transactions = 40\nrestart_after_crash = on\npg_retail.worker_enabled = off\n");

my $order = 0;

# Loads every SKU into the cache, and says how many are there.
sub load
{
	my ($db) = @_;
	$node->safe_psql($db, q{SELECT count(q.total) FROM retail.sku k, retail.quote_order('app', jsonb_build_array(jsonb_build_object('sku', k.code, 'qty', 1)), '{"region": "R1"}') q}) for 1 .. 2;
	return $node->safe_psql($db, q{SELECT skus FROM retail.stock_cache_status()});
}

# The cache is loaded, and after the statements it still agrees with the table without having been loaded again.
sub agrees
{
	my ($db, $name, @statements) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = load($db);
	$node->safe_psql($db, join(";\n", @statements));
	is($node->safe_psql($db, 'SELECT * FROM retail.check_stock_cache()'), '', "$name: cache and table agree");
	return $before - $node->safe_psql($db, 'SELECT skus FROM retail.stock_cache_status()');
}

# Where an order of one SKU would be sent from, by cache and by table.
sub sources
{
	my ($db, $qty, $settings) = @_;
	my $quote = qq{SELECT coalesce(string_agg(p ->> 'node', ' '), 'none') FROM retail.quote_order('app', '[{"sku": "A1", "qty": $qty}]', '{"region": "R1"}') q, jsonb_array_elements(q.parcels) p};
	return $node->safe_psql($db, "$settings; $quote") . ', ' . $node->safe_psql($db, "$settings; SET pg_retail.stock_cache = off; $quote");
}

sub place
{
	my ($qty) = @_;
	$order++;
	return qq{SELECT order_id FROM retail.place_order('app', 'O$order', '[{"sku": "A1", "qty": $qty}, {"sku": "A2", "qty": 1}]', '{"region": "R1"}')};
}

# ---- every kind of posting ------------------------------------------------------------------------------

install($node, 'shop');
make_chain($node, 'shop', payment_ttl => '1 day');
is($node->safe_psql('shop', 'SELECT bytes > 0, skus FROM retail.stock_cache_status()'), 't|0', 'the cache is there, and empty');
stock_chain($node, 'shop', 1000, 'W1', 'W2', 'W3');
is(load('shop'), 3, 'quotes load it');
is($node->safe_psql('shop', 'SELECT count(*), sum(available) FROM retail.cached_stock()'), '9|9000', 'with what the table has');
is($node->safe_psql('shop', q{WITH before AS MATERIALIZED (SELECT hits FROM retail.stock_cache_status()), quote AS MATERIALIZED (SELECT q.total FROM before, retail.quote_order('app', '[{"sku": "A1", "qty": 1}]', '{"region": "R1"}') q)
	SELECT (SELECT s.hits - before.hits FROM quote, retail.stock_cache_status() s) FROM before}), '1', 'a quote reads it');

is(agrees('shop', 'an order', place(3)), 0, '... and the entries stay');
is(agrees('shop', 'a receipt at a new node', q{SELECT retail.receive_stock('r9', 'W5', '[{"sku": "A1", "qty": 7}, {"sku": "A2", "qty": 7, "condition": "damaged"}]')}), 0, '... and the entries stay');
agrees('shop', 'a hold and its release', q{SELECT retail.hold_stock('h1', 'app', '[{"sku": "A1", "node": "W1", "qty": 5}]')}, q{SELECT retail.hold_stock('h2', 'app', '[{"sku": "A1", "node": "W2", "qty": 5}]')}, q{SELECT retail.release_hold('h1')}, q{SELECT retail.ship_hold('h2')});
agrees('shop', 'an adjustment and a count', q{SELECT retail.adjust_stock('a1', 'W1', '[{"sku": "A1", "qty": -900}]', 'theft')}, q{SELECT retail.count_stock('c1', 'W2', '[{"sku": "A2", "qty": 0}]')});
agrees('shop', 'a transfer', q{SELECT retail.transfer_out('t1', 'W3', 'W4', '[{"sku": "A1", "qty": 30}]')}, q{SELECT retail.transfer_in('t1')});
agrees('shop', 'a cancellation', place(2), qq{SELECT retail.cancel_order('app', 'O$order')});
agrees('shop', 'one row several times in a transaction', 'BEGIN', place(1), place(1), place(1), 'COMMIT');
agrees('shop', 'a rollback', 'BEGIN', place(1), place(1), 'ROLLBACK');
agrees('shop', 'a savepoint that is rolled back, and one that is not', 'BEGIN', place(1), 'SAVEPOINT a', place(1), 'SAVEPOINT b', place(2), 'RELEASE b', 'ROLLBACK TO a', place(3), 'SAVEPOINT c', place(1), 'RELEASE c', 'COMMIT');
agrees('shop', 'a commit that fails', 'CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE \'no\'; END $$',
	'CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON retail.order_event DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.refuse()');
isnt($node->psql('shop', place(1)), 0, 'a deferred trigger refuses the commit');
$node->safe_psql('shop', 'DROP TRIGGER refuse ON retail.order_event');
agrees('shop', 'after it');
isnt(agrees('shop', 'safety stock', q{SELECT retail.set_safety_stock('A1', 'W1', 20), retail.set_safety_stock('A1', 'W2', 5, 'app')}), 0, 'a SKU whose safety stock changes is loaded again');
agrees('shop', 'safety stock that is changed and removed', q{SELECT retail.set_safety_stock('A1', 'W1', 30)}, q{DELETE FROM retail.safety_stock WHERE channel_id IS NOT NULL});
agrees('shop', 'safety stock that is truncated', 'TRUNCATE retail.safety_stock');
agrees('shop', 'a rewrite of the table', 'VACUUM FULL retail.stock');

# What a transaction has posted itself, it decides with.
is($node->safe_psql('shop', q{BEGIN; SELECT FROM retail.quote_order('app', '[{"sku": "A3", "qty": 1}]', '{"region": "R4"}');
	SELECT FROM retail.receive_stock('r10', 'W4', '[{"sku": "A3", "qty": 1}]'); SELECT q.parcels -> 0 ->> 'node' FROM retail.quote_order('app', '[{"sku": "A3", "qty": 1}]', '{"region": "R4"}') q;
	SELECT FROM retail.hold_stock('h3', 'app', '[{"sku": "A3", "node": "W4", "qty": 1}]'); SELECT q.parcels -> 0 ->> 'node' FROM retail.quote_order('app', '[{"sku": "A3", "qty": 1}]', '{"region": "R4"}') q; ROLLBACK}),
	"W4\nW3", 'a transaction sees its own postings');
agrees('shop', 'and nobody else does');

# ---- due holds ----------------------------------------------------------------------------------------------

$node->safe_psql('shop', q{SELECT retail.hold_stock('d' || n.code, 'app', jsonb_build_array(jsonb_build_object('sku', 'A1', 'node', n.code, 'qty', a.available)), '1 hour', as_of => now() - interval '2 hours')
	FROM retail.node n, retail.available_to_promise('A1') a WHERE a.node = n.code AND a.available > 0});
agrees('shop', 'holds that are due');
is($node->safe_psql('shop', 'SELECT sum(available) FROM retail.cached_stock() JOIN retail.sku USING (sku_id) WHERE code = \'A1\''), '0', 'nothing is free');
is(sources('shop', 1, 'SELECT'), "W1, W1", 'but due holds count as available, from the cache too');
agrees('shop', 'an order that sweeps them', place(1));

# ---- who bypasses the functions ---------------------------------------------------------------------------------

install($node, 'direct');
make_chain($node, 'direct', payment_ttl => '1 day');
stock_chain($node, 'direct', 10, 'W1', 'W5');
load('direct');
$node->safe_psql('direct', q{UPDATE retail.stock SET on_hand = 0 WHERE node_id = retail.node_id('W1')});
is($node->safe_psql('direct', 'SELECT count(*) FROM retail.check_stock_cache()'), '3', 'an UPDATE by a superuser is not noticed');
is(sources('direct', 1, 'SELECT'), "W1, W5", '... by a quote');
is($node->safe_psql('direct', q{SELECT parcels -> 0 ->> 'node' FROM retail.place_order('app', 'X1', '[{"sku": "A1", "qty": 1}]', '{"region": "R1"}')}), 'W5', '... but an order is decided anew');
is(sources('direct', 1, 'SELECT'), "W5, W5", 'and has corrected the cache');
$node->safe_psql('direct', q{UPDATE retail.stock SET on_hand = 0});
$node->safe_psql('direct', q{SELECT retail.reset_stock_cache()});
is($node->safe_psql('direct', 'SELECT skus FROM retail.stock_cache_status()'), '0', 'reset_stock_cache() empties it');
like(error_of($node, 'direct', q{SELECT retail.quote_order('app', '[{"sku": "A2", "qty": 1}]', '{"region": "R1"}')}), qr/RT020/, 'nothing is left');
$node->safe_psql('direct', q{UPDATE retail.stock SET on_hand = 10 WHERE node_id = retail.node_id('W5')});
is($node->safe_psql('direct', q{SELECT parcels -> 0 ->> 'node' FROM retail.place_order('app', 'X2', '[{"sku": "A2", "qty": 1}]', '{"region": "R1"}')}), 'W5', 'nobody is refused on the word of the cache');
load('direct');
$node->safe_psql('direct', q{UPDATE retail.stock SET on_hand = 10});
is($node->safe_psql('direct', q{SELECT count(*) FROM retail.repair_stock()}) > 0 && $node->safe_psql('direct', 'SELECT * FROM retail.check_stock_cache()'), '', 'repair_stock() tells the cache');
load('direct');
$node->safe_psql('direct', 'TRUNCATE retail.stock');
like(error_of($node, 'direct', q{SELECT retail.quote_order('app', '[{"sku": "A1", "qty": 1}]', '{"region": "R1"}')}), qr/RT020/, 'TRUNCATE is noticed');

# ---- load, with all ways in which a transaction ends -------------------------------------------------------------

install($node, 'busy');
make_chain($node, 'busy', nodes => 6, skus => 12, payment_ttl => '1 day');
stock_chain($node, 'busy', 100000, 'W1', 'W2', 'W3', 'W4', 'W5', 'W6');
$node->safe_psql('busy', 'CREATE SEQUENCE public.no');
my $one = q{SELECT order_id FROM retail.place_order('app', 'L' || nextval('public.no'), jsonb_build_array(jsonb_build_object('sku', 'A' || :a, 'qty', 1), jsonb_build_object('sku', 'A' || :b + 6, 'qty', 2)), jsonb_build_object('region', 'R' || :r));};
my $draw = "\\set a random(1, 6)\n\\set b random(1, 6)\n\\set r random(1, 6)\n\\set no random(1, 1000000000)\n";
my ($status, $output) = run_pgbench($node, 'busy', {
	place => [ 8, "$draw$one" ],
	rollback => [ 2, "${draw}BEGIN;\n$one\nROLLBACK;" ],
	savepoint => [ 2, "${draw}BEGIN;\nSAVEPOINT s;\n$one\nROLLBACK TO s;\n$one\nCOMMIT;" ],
	prepare => [ 1, "${draw}BEGIN;\n$one\nPREPARE TRANSACTION 'p:no';\nCOMMIT PREPARED 'p:no';" ],
	unprepare => [ 1, "${draw}BEGIN;\n$one\nPREPARE TRANSACTION 'u:no';\nROLLBACK PREPARED 'u:no';" ],
	forget => [ 1, "SELECT retail.forget_cached_stock(array_agg(sku_id)) FROM retail.sku WHERE random() < 0.3;" ],
	receive => [ 1, "${draw}SELECT retail.receive_stock('R' || nextval('public.no'), 'W' || :r, jsonb_build_array(jsonb_build_object('sku', 'A' || :a, 'qty', 3)));" ],
}, '-c', $clients, '-j', 2, '-T', $seconds);
# Two prepared orders may wait for each other's stock: that is a deadlock of theirs.
ok($output !~ /ERROR/ || $output =~ /deadlock/, 'orders, rollbacks, savepoints, prepared transactions and evictions at once') or diag($output);
is($node->safe_psql('busy', 'SELECT * FROM retail.check_stock_cache()'), '', 'at rest cache and table agree');
is($node->safe_psql('busy', 'SELECT count(*) FROM retail.stock WHERE reserved > on_hand'), '0', 'nothing is oversold');
load('busy');
is($node->safe_psql('busy', 'SELECT * FROM retail.check_stock_cache()'), '', 'and after it is loaded again');
is($node->safe_psql('busy', 'SELECT hits > 0, loads > 0 FROM retail.stock_cache_status()'), 't|t', 'it was used');
integrity_ok($node, 'busy');

# A transaction that stays prepared.
$node->safe_psql('busy', qq{BEGIN; SELECT FROM retail.place_order('app', 'P1', '[{"sku": "A1", "qty": 5}]', '{"region": "R1"}'); PREPARE TRANSACTION 'stays'});
load('busy');
is($node->safe_psql('busy', q{SELECT count(*) FROM retail.cached_stock() JOIN retail.sku USING (sku_id) WHERE code = 'A1'}), '0', 'its SKU is not cached while nobody knows how it ends');
$node->stop('immediate');
$node->start;
load('busy');
is($node->safe_psql('busy', q{SELECT count(*) FROM retail.cached_stock() JOIN retail.sku USING (sku_id) WHERE code = 'A1'}), '0', 'nor after a crash');
$node->safe_psql('busy', q{COMMIT PREPARED 'stays'});
is(load('busy'), 12, 'it is once it has ended');
is($node->safe_psql('busy', 'SELECT * FROM retail.check_stock_cache()'), '', 'with what it left');

# ---- kill -9 -----------------------------------------------------------------------------------------------------

my $pid = $node->safe_psql('busy', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'});
my $session = $node->background_psql('busy');
my $victim = $session->query_safe(q{SELECT pg_backend_pid()});
$session->query_safe(q{BEGIN; SELECT FROM retail.place_order('app', 'K1', '[{"sku": "A1", "qty": 5}]', '{"region": "R1"}')});
kill 'KILL', $victim;
$node->poll_query_until('postgres', 'SELECT true') for 1 .. 2;
$node->poll_query_until('busy', "SELECT pid <> $pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
is($node->safe_psql('busy', 'SELECT skus FROM retail.stock_cache_status()'), '0', 'a process that is killed empties the cache');
is(load('busy'), 12, 'which is loaded again');
is($node->safe_psql('busy', 'SELECT * FROM retail.check_stock_cache()'), '', 'as the table is');
eval { $session->quit };

# ---- too small ------------------------------------------------------------------------------------------------------

$node->append_conf('postgresql.conf', "pg_retail.stock_cache_size = '1MB'");
$node->restart;
install($node, 'small');
make_chain($node, 'small', nodes => 20, skus => 2500);
$node->safe_psql('small', q{SELECT retail.receive_stock('first ' || n.code, n.code, (SELECT jsonb_agg(jsonb_build_object('sku', k.code, 'qty', 5)) FROM retail.sku k)) FROM retail.node n WHERE n.code LIKE 'W%'});
load('small');
is($node->safe_psql('small', 'SELECT skus BETWEEN 500 AND 2400, evictions > 0, used > 0.9 FROM retail.stock_cache_status()'), 't|t|t', 'SKUs make room for others');
is($node->safe_psql('small', 'SELECT * FROM retail.check_stock_cache()'), '', 'and those that are there are right');

# ---- standby, and no cache at all -----------------------------------------------------------------------------------

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('busy', q{SELECT count(q.total) FROM retail.quote_order('app', '[{"sku": "A1", "qty": 1}]', '{"region": "R1"}') q; SELECT skus, hits + misses, (SELECT count(*) FROM retail.check_stock_cache()) FROM retail.stock_cache_status()}), "1\n0|0|0", 'a standby quotes from the table');
$standby->stop;

$node->append_conf('postgresql.conf', "pg_retail.stock_cache_size = 0");
$node->restart;
is($node->safe_psql('busy', q{SELECT replayed FROM retail.place_order('app', 'Z1', '[{"sku": "A1", "qty": 1}]', '{"region": "R1"}'); SELECT bytes FROM retail.stock_cache_status(); SELECT retail.reset_stock_cache()}), "f\n0\n", 'without memory orders are decided from the table');

integrity_ok($node, $_) for 'shop', 'busy', 'small';
no_crash_ok($standby);
done_testing();
