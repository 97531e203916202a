# oversell.pl: many buyers at once promise exactly what is there, never deadlock, and hear no error but "out of stock".
#
# First one SKU at one node, then three SKUs spread over five nodes in orders that name them in any order, then
# everything that touches stock at the same time: orders, payments, cancellations, holds, shipments, returns, counts,
# transfers, and the sweepers. The server's log tells the SQLSTATE of every error.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RetailTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 32;
my $seconds = $ENV{LONG} ? 120 : 20;

my $node = new_server('main', conf => "deadlock_timeout = '200ms'\nlock_timeout = '60s'\n");

# ---- one SKU, one node ----------------------------------------------------------------------------------

# A client goes on until it is refused; so an early refusal of one does not matter, but one of all would show.
install($node, 'one');
make_chain($node, 'one', nodes => 1, skus => 1, payment_ttl => '1 day');
$node->safe_psql('one', q{SELECT retail.receive_stock('r1', 'W1', '[{"sku": "A1", "qty": 1000}]'); CREATE SEQUENCE public.no});

my $log = log_position($node);
my ($status, $output) = run_pgbench($node, 'one',
	{ place => [ 1, q{SELECT status FROM retail.place_order('app', 'N' || nextval('public.no'), '[{"sku": "A1", "qty": 1}]', '{"region": "R1"}');} ] },
	'-c', $clients, '-j', 4, '-t', 2000);
is_deeply(sqlstates($node, $log), { RT020 => $clients }, "one SKU, $clients clients: each ends with \"out of stock\", and nothing else happens")
  or diag($output);
is($node->safe_psql('one', q{SELECT on_hand, reserved FROM retail.stock}), '1000|1000', 'exactly 1,000 units are promised');
is($node->safe_psql('one', q{SELECT count(*), count(DISTINCT external_no) FROM retail.sales_order}), '1000|1000', 'to 1,000 orders');
is($node->safe_psql('one', q{SELECT sum(open_quantity), count(*) FROM retail.reservation WHERE state = 'held'}), '1000|1000', 'each with its reservation');
integrity_ok($node, 'one');

# More than one unit each: what is left at the end is less than anybody asked last.
install($node, 'few');
make_chain($node, 'few', nodes => 1, skus => 1, payment_ttl => '1 day');
$node->safe_psql('few', q{SELECT retail.receive_stock('r1', 'W1', '[{"sku": "A1", "qty": 1000}]'); CREATE SEQUENCE public.no});
$log = log_position($node);
($status, $output) = run_pgbench($node, 'few',
	{ place => [ 1, qq{\\set q random(1, 5)\nSELECT status FROM retail.place_order('app', 'N' || nextval('public.no'), jsonb_build_array(jsonb_build_object('sku', 'A1', 'qty', :q)), '{"region": "R1"}');} ],
	  hold => [ 1, qq{\\set q random(1, 5)\nSELECT retail.hold_stock('H' || nextval('public.no'), 'app', jsonb_build_array(jsonb_build_object('sku', 'A1', 'node', 'W1', 'qty', :q)));} ] },
	'-c', $clients, '-j', 4, '-t', 2000);
is_deeply(sqlstates($node, $log), { RT020 => $clients }, 'orders and holds of one to five units: no error but RT020') or diag($output);
is($node->safe_psql('few', q{SELECT reserved <= on_hand, on_hand - reserved < 5 FROM retail.stock}), 't|t', 'nothing is promised twice, and nothing is left over');
integrity_ok($node, 'few');

# All clients place the same numbers: each is one order, and everybody gets its key.
install($node, 'same');
make_chain($node, 'same', nodes => 1, skus => 1, payment_ttl => '1 day');
$node->safe_psql('same', q{SELECT retail.receive_stock('r1', 'W1', '[{"sku": "A1", "qty": 1000}]'); CREATE UNLOGGED TABLE public.answer (no text, order_id bigint, replayed boolean)});
$log = log_position($node);
($status, $output) = run_pgbench($node, 'same',
	{ place => [ 1, qq{\\set n random(1, 40)\n} . q{INSERT INTO public.answer SELECT 'N' || :n, order_id, replayed FROM retail.place_order('app', 'N' || :n, '[{"sku": "A1", "qty": 2}]', '{"region": "R1"}');} ] },
	'-c', $clients, '-j', 4, '-t', 20);
is_deeply(sqlstates($node, $log), {}, 'many clients place the same orders: no error') or diag($output);
is($node->safe_psql('same', q{SELECT count(*) = count(DISTINCT no), count(DISTINCT order_id) = count(*) FROM public.answer WHERE NOT replayed}), 't|t', 'each is placed once');
is($node->safe_psql('same', q{SELECT max(n), sum(replays) FROM (SELECT count(DISTINCT order_id) AS n, count(*) FILTER (WHERE NOT replayed) - 1 AS replays FROM public.answer GROUP BY no) x}), '1|0', 'and everybody is told the same key');
is($node->safe_psql('same', q{SELECT reserved = 2 * (SELECT count(*) FROM retail.sales_order) FROM retail.stock}), 't', 'its stock is held once');
integrity_ok($node, 'same');

# A buyer who does not wait for the lock is told so, and his session goes on.
my $locker = $node->background_psql('few');
$locker->query_safe('BEGIN; SELECT FROM retail.stock FOR UPDATE');
$node->safe_psql('few', q{SELECT retail.receive_stock('r2', 'S1', '[{"sku": "A1", "qty": 1}]')});
my ($rc, $out, $err) = $node->psql('few', q{
SET lock_timeout = '100ms';
SELECT retail.cancel_order('app', (SELECT external_no FROM retail.sales_order ORDER BY order_id LIMIT 1));
SELECT retail.place_order('app', 'L1', '[{"sku": "A1", "qty": 1}]', '{"region": "R1"}', as_of => now() + interval '2 days');
SELECT 'alive';
}, on_error_stop => 0);
is($out, 'alive', 'a session whose order met lock_timeout goes on');
like($err, qr/lock timeout.*lock timeout/s, 'after both calls were cancelled');
$locker->query_safe('COMMIT');
$locker->quit;
integrity_ok($node, 'few');

# ---- three SKUs, five nodes --------------------------------------------------------------------------------

# Each order takes one of each, named in any order. Every node has 200 of each: 1,000 orders, no more and no fewer.
install($node, 'five');
make_chain($node, 'five', payment_ttl => '1 day');
stock_chain($node, 'five', 200, qw(W1 W2 W3 W4 W5));
$node->safe_psql('five', q{
CREATE SEQUENCE public.no;
CREATE FUNCTION public.lines(permutation int) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_agg(jsonb_build_object('sku', 'A' || p.sku, 'qty', 1) ORDER BY p.n)
	FROM unnest((ARRAY['{1,2,3}','{1,3,2}','{2,1,3}','{2,3,1}','{3,1,2}','{3,2,1}'])[permutation]::int[]) WITH ORDINALITY AS p (sku, n) $$;
});
$log = log_position($node);
($status, $output) = run_pgbench($node, 'five',
	{ place => [ 1, qq{\\set p random(1, 6)\n\\set r random(1, 5)\n}
		  . q{SELECT status FROM retail.place_order('app', 'N' || nextval('public.no'), public.lines(:p), jsonb_build_object('region', 'R' || :r));} ] },
	'-c', $clients, '-j', 4, '-t', 2000);
is_deeply(sqlstates($node, $log), { RT020 => $clients }, 'three SKUs at five nodes, lines in any order: no deadlock, no error but RT020') or diag($output);
is($node->safe_psql('five', q{SELECT k.code, sum(s.on_hand), sum(s.reserved), bool_and(s.reserved <= s.on_hand) FROM retail.stock s JOIN retail.sku k USING (sku_id) GROUP BY 1 ORDER BY 1}),
	"A1|1000|1000|t\nA2|1000|1000|t\nA3|1000|1000|t", 'exactly 1,000 units of each are promised, at no node more than it has');
is($node->safe_psql('five', q{SELECT count(*), sum(n) FROM (SELECT count(*) AS n FROM retail.order_line GROUP BY order_id) x}), '1000|3000', 'to 1,000 whole orders');
integrity_ok($node, 'five');

# ---- everything at once ---------------------------------------------------------------------------------------

# Holds live for a second and orders wait two seconds for their payment, so the sweepers have work all the time.
install($node, 'mixed');
make_chain($node, 'mixed', skus => 6, payment_ttl => '2 seconds');
stock_chain($node, 'mixed', 40, qw(W1 W2 W3 W4 W5 S1));
$node->safe_psql('mixed', q{
CREATE SEQUENCE public.no;
CREATE UNLOGGED TABLE public.outcome (what text, result text);
-- Calls, and keeps what came of it; refusals (class RT) are results, everything else is an error.
CREATE FUNCTION public.try(what text, call text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	result text := 'done';
BEGIN
	BEGIN
		EXECUTE call;
	EXCEPTION WHEN OTHERS THEN
		IF SQLSTATE !~ '^RT' THEN
			RAISE;
		END IF;
		result := SQLSTATE;
	END;
	INSERT INTO public.outcome VALUES (what, result);
	RETURN result;
END $$;
-- One to three SKUs of six, in any order; each at a node of its own when nodes are asked for.
CREATE FUNCTION public.lines(with_nodes boolean DEFAULT false) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT jsonb_agg(jsonb_build_object('sku', code, 'qty', 1 + floor(random() * 3)::int) || CASE WHEN with_nodes THEN jsonb_build_object('node', 'W' || 1 + floor(random() * 5)::int) ELSE '{}' END)
	FROM (SELECT code FROM retail.sku ORDER BY random() LIMIT 1 + floor(random() * 3)::int) k $$;
CREATE FUNCTION public.an_order(wanted text DEFAULT 'true') RETURNS retail.sales_order LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	o retail.sales_order;
BEGIN
	EXECUTE format('SELECT o.* FROM (SELECT * FROM retail.sales_order ORDER BY order_id DESC LIMIT 300) o WHERE %s ORDER BY random() LIMIT 1', wanted) INTO o;
	RETURN o;
END $$;
});

my %mix = (
	place => [ 30, q{SELECT public.try('place', format('SELECT retail.place_order(%L, %L, %L, %L)', 'app', 'N' || nextval('public.no'), public.lines(), jsonb_build_object('region', 'R' || 1 + floor(random() * 5)::int)));} ],
	pick_up => [ 5, q{SELECT public.try('pick_up', format('SELECT retail.place_order(%L, %L, %L, fulfilment => %L, pick_up_node => %L)', 'app', 'N' || nextval('public.no'), public.lines(), 'pick_up', 'S1'));} ],
	pay => [ 20, q{SELECT public.try('pay', format('SELECT retail.record_payment(%L, %L, %L, %L, %L)', 'app', o.external_no, 'P' || nextval('public.no'), coalesce(o.total, 1), 'wechat'))
FROM public.an_order('payment_state = ''unpaid'' AND status = ''open''') o;} ],
	cancel => [ 10, q{SELECT public.try('cancel', format('SELECT retail.cancel_order(%L, %L, cancel_no => %L, reason => %L)', 'app', (public.an_order('status = ''open''')).external_no, 'C' || nextval('public.no'), 'changed mind'));} ],
	cancel_part => [ 5, q{SELECT public.try('cancel_part', format('SELECT retail.cancel_order(%L, %L, %L, cancel_no => %L)', 'app', o.external_no, (SELECT jsonb_agg(jsonb_build_object('sku', k.code, 'qty', 1)) FROM retail.order_line l JOIN retail.sku k USING (sku_id) WHERE l.order_id = o.order_id), 'C' || nextval('public.no')))
FROM public.an_order('status = ''open''') o;} ],
	return => [ 5, q{SELECT public.try('return', format('SELECT retail.return_order(%L, %L, %L, %L, %L)', 'B' || nextval('public.no'), 'app', o.external_no, 'W' || 1 + floor(random() * 5)::int, (SELECT jsonb_agg(jsonb_build_object('sku', k.code, 'qty', 1)) FROM retail.order_line l JOIN retail.sku k USING (sku_id) WHERE l.order_id = o.order_id)))
FROM public.an_order('status = ''shipped''') o;} ],
	sale => [ 3, q{SELECT public.try('sale', format('SELECT retail.record_sale(%L, %L, %L, %L)', 'shop', 'N' || nextval('public.no'), 'S1', public.lines()));} ],
	ship => [ 10, q{SELECT public.try('ship', format('SELECT retail.ship_order(%L, %L)', (SELECT s.shipment_id FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE s.status = 'planned' AND o.payment_state = 'paid' ORDER BY random() LIMIT 1), 'T' || nextval('public.no')));} ],
	hold => [ 15, q{SELECT public.try('hold', format('SELECT retail.hold_stock(%L, %L, %L, %L)', 'H' || nextval('public.no'), 'app', public.lines(true), interval '1 second'));} ],
	hold_end => [ 10, q{SELECT public.try('hold_end', format('SELECT retail.%I(%L)', (ARRAY['commit_hold', 'release_hold', 'ship_hold'])[1 + floor(random() * 3)::int], (SELECT hold_key FROM (SELECT hold_key FROM retail.stock_hold ORDER BY hold_id DESC LIMIT 50) h ORDER BY random() LIMIT 1)));} ],
	count => [ 2, q{SELECT public.try('count', format('SELECT retail.count_stock(%L, %L, %L, clock_timestamp())', 'K' || nextval('public.no'), 'W5', (SELECT jsonb_agg(jsonb_build_object('sku', k.code, 'qty', greatest(s.on_hand, 0)) ORDER BY random()) FROM retail.stock s JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id) WHERE n.code = 'W5')));} ],
	transfer => [ 3, qq{\\set w random(1, 4)\n} . q{SELECT nextval('public.no') AS no \gset
SELECT public.try('transfer_out', format('SELECT retail.transfer_out(%L, %L, %L, %L)', 'X' || :no, 'W' || :w, 'W' || :w % 4 + 1, public.lines()));
SELECT public.try('transfer_in', format('SELECT retail.transfer_in(%L)', 'X' || :no));} ],
	receive => [ 15, q{SELECT public.try('receive', format('SELECT retail.receive_stock(%L, %L, %L)', 'E' || nextval('public.no'), 'W' || 1 + floor(random() * 5)::int, public.lines()));} ],
	expire => [ 4, q{SELECT public.try('expire', 'SELECT retail.run_expire_holds()');} ],
	unpaid => [ 4, q{SELECT public.try('unpaid', 'SELECT retail.run_release_unpaid()');} ],
);
$log = log_position($node);
($status, $output) = run_pgbench($node, 'mixed', \%mix, '-c', $clients, '-j', 4, '-T', $seconds);
is($status, 0, 'everything at once: no client stopped') or diag($output);
is_deeply(sqlstates($node, $log), {}, 'no error outside class RT');
note($node->safe_psql('mixed', q{SELECT what, result, count(*) FROM public.outcome GROUP BY 1, 2 ORDER BY 1, 2}));
is($node->safe_psql('mixed', q{SELECT string_agg(w, ' ' ORDER BY w) FROM unnest('{place,pick_up,pay,cancel,cancel_part,return,sale,ship,hold,hold_end,count,transfer_out,transfer_in,receive,expire,unpaid}'::text[]) w
	WHERE NOT EXISTS (SELECT FROM public.outcome o WHERE o.what = w AND o.result = 'done')}), '', 'each kind of call succeeded at least once');
is($node->safe_psql('mixed', q{SELECT DISTINCT what, result FROM public.outcome WHERE result NOT IN ('done', 'RT020')
	AND (what, result) NOT IN (('pay', 'RT031'), ('pay', 'RT032'), ('pay', 'RT006'), ('cancel', 'RT031'), ('cancel', 'RT032'), ('cancel', 'RT006'), ('cancel_part', 'RT006'), ('cancel_part', 'RT011'), ('cancel_part', 'RT031'), ('cancel_part', 'RT032'), ('return', 'RT006'), ('return', 'RT011'), ('return', 'RT031'), ('return', 'RT032'),
		('ship', 'RT031'), ('ship', 'RT032'), ('ship', 'RT006'), ('hold_end', 'RT031'), ('hold_end', 'RT006'), ('transfer_in', 'RT006'))}),
	'', 'and each refusal is one that the state explains');
# Nobody counts at W1 to W4 and nobody sells there over the counter: never more is promised than lies there.
is($node->safe_psql('mixed', q{SELECT sku, node, on_hand, reserved FROM retail_bi.over_promised WHERE node NOT IN ('W5', 'S1')}), '', 'no node promised more than it had');
integrity_ok($node, 'mixed');
$node->safe_psql('mixed', q{SELECT retail.run_expire_holds(now() + interval '1 hour'); SELECT retail.run_release_unpaid(now() + interval '1 hour')});
is($node->safe_psql('mixed', q{SELECT count(*) FROM retail.reservation WHERE state = 'held'}), '0', 'the sweepers leave nothing that is due');
integrity_ok($node, 'mixed', 'and check_integrity() still finds nothing');

no_crash_ok($node);
$node->stop('fast');
done_testing();
