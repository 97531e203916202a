# jobs.pl: every job (retail.run_*) tells how far it is, and can be cancelled in the middle of its work: the session hears
# 57014, nothing of the job is done, the session goes on, and the next run does it all. Each job is held by a trigger that
# sleeps at the first row that it writes.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RetailTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# What each job needs to have work is made below. call: as it is called; progress: what another session sees meanwhile.
my %jobs = (
	run_allocation => { progress => 'allocation|write|0|3' },
	run_backorders => { at => '1 hour', progress => 'backorders|release|0|200' },
	run_erasures => { progress => 'erasures|forget|0|1000' },
	run_due_tasks => { progress => 'retention|order_intake|0|20000' },
	run_exceptions => { at => '2 days', progress => 'exceptions|route|0|100' },
	run_expire_holds => { at => '1 day' },
	run_housekeeping => {},
	run_integrity_check => {},
	run_match_keys => {},
	run_member_profile => { progress => 'member_profile|queue|0|1' },
	run_next_task => { progress => 'retention|order_intake|0|20000' },
	run_questions => { at => '3 days', progress => 'questions|end|0|100' },
	run_release_unpaid => { at => '1 day' },
	run_reoptimise => { at => '1 second', progress => 'reoptimise|write|0|2' },
	run_resolution => {},
	run_retention => { progress => 'retention|order_intake|0|20000' },
	run_scarcity_prices => { progress => 'scarcity_prices|compute|0|1' },
	run_stock_prices => { progress => 'stock_prices|compute|0|1' },
);

# The worker would do the work itself.
my $node = new_server('main', conf => "pg_retail.worker_enabled = off\n");
install($node, 'shop');
$node->safe_psql('shop', q{SELECT retail.enable_task(name, false) FROM retail.task});
make_chain($node, 'shop', nodes => 3, skus => 4);
$node->safe_psql('shop', q{
CREATE FUNCTION public.doze() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('jobs.doze', true) = 'on' THEN
		PERFORM pg_sleep(120);
	END IF;
	RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
DO $$
DECLARE
	t regclass;
BEGIN
	FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'retail'::regnamespace AND relkind = 'r' AND relname <> 'task' LOOP
		EXECUTE format('CREATE TRIGGER aa_doze BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION public.doze()', t);
	END LOOP;
END $$;
CREATE FUNCTION public.o(no text, sku text, qty int) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('channel', 'app', 'external_no', no, 'lines', jsonb_build_array(jsonb_build_object('sku', sku, 'qty', qty)), 'destination', '{"region": "R1"}'::jsonb, 'payment', 'on_delivery') $$;
-- stock of old, which falls in value
SELECT retail.receive_stock('old', 'W1', '[{"sku": "A1", "qty": 1000}]', now() - interval '90 days'), retail.put_markdown_rule(0.5, begins_at => 0, life_days => 100);
-- decided long ago: for retention
SELECT retail.submit_orders(jsonb_build_array(public.o('old1', 'A1', 1), public.o('old2', 'A1', 1), public.o('old3', 'A1', 1)), now() - interval '60 days');
SELECT retail.run_allocation(now() - interval '60 days');
-- two orders that are better planned together
SELECT retail.receive_stock('j1', 'W1', '[{"sku": "A2", "qty": 1}, {"sku": "A3", "qty": 1}]'), retail.receive_stock('j2', 'W2', '[{"sku": "A2", "qty": 1}]');
SELECT retail.place_order('app', 'J1', '[{"sku": "A2", "qty": 1}]', '{"region": "R1"}', payment => 'on_delivery'), retail.place_order('app', 'J2', '[{"sku": "A2", "qty": 1}, {"sku": "A3", "qty": 1}]', '{"region": "R1"}', payment => 'on_delivery');
-- unpaid, held, refused, asked
SELECT retail.place_order('app', 'unpaid', '[{"sku": "A1", "qty": 1}]', '{"region": "R1"}'), retail.hold_stock('H1', 'app', '[{"sku": "A1", "node": "W1", "qty": 2}]');
SELECT retail.adjust_stock('s1', 'S1', '[{"sku": "A1", "qty": 1}]', 'found'), retail.adjust_stock('s2', 'W3', '[{"sku": "A4", "qty": 2}]', 'found');
SELECT retail.place_order('app', 'asked', '[{"sku": "A1", "qty": 1}]', fulfilment => 'pick_up', pick_up_node => 'S1', payment => 'on_delivery'), retail.place_order('app', 'refused', '[{"sku": "A4", "qty": 2}]', '{"region": "R1"}', payment => 'on_delivery');
SELECT retail.reject_shipment(s.shipment_id, 'damaged') FROM retail.shipment s JOIN retail.sales_order o USING (order_id) WHERE o.external_no IN ('asked', 'refused');
SELECT retail.place_order('app', 'waits', '[{"sku": "A4", "qty": 1}]', '{"region": "R1"}', payment => 'on_delivery', shortage => 'backorder_undated');
SELECT retail.receive_stock('a4', 'W1', '[{"sku": "A4", "qty": 5}]');
-- queued
SELECT retail.submit_orders(jsonb_build_array(public.o('Q1', 'A1', 1), public.o('Q2', 'A1', 1), public.o('Q3', 'A1', 1)));
-- forgotten while an order of hers is on its way
SELECT retail.put_member_source('crm');
SELECT retail.place_order('app', 'M1', '[{"sku": "A1", "qty": 1}]', '{"region": "R1", "recipient": {"name": "Li"}}', payment => 'on_delivery', member_id => u.member_id) FROM retail.upsert_account('crm', 'm1', 'Li') u;
SELECT retail.erase_member(a.account_id, 'asked') FROM retail.account a;
-- known before the last resolution, and copied in since
SELECT count(*) FROM retail.import_accounts((SELECT jsonb_agg(jsonb_build_object('source', 'crm', 'external_id', 'k' || i, 'full_name', chr(20000 + i) || chr(21000 + i % 7), 'birth_date', (date '1960-01-01' + 37 * i)::text)) FROM generate_series(1, 60) i));
SELECT retail.run_resolution(now(), true, true, true);
INSERT INTO retail.account (source_id, external_id, full_name, birth_date) SELECT a.source_id, 'n' || a.external_id, a.full_name, a.birth_date FROM retail.account a WHERE a.external_id LIKE 'k%';
INSERT INTO retail.integrity_violation (found_at, invariant, object, detail) VALUES ('2026-01-01 00:00+00', 1, 'kept', ''), (now() - interval '1 year', 1, 'old', '');
});
my $now = $node->safe_psql('shop', 'SELECT now()');
$jobs{run_integrity_check}{as_of} = '2026-01-01 00:00+00';

is($node->safe_psql('shop', q{SELECT string_agg(DISTINCT p.proname, ' ' ORDER BY p.proname) FROM pg_proc p WHERE p.pronamespace = 'retail'::regnamespace AND p.proname ~ '^run_' AND p.proname <> 'run_one_task'}),
	join(' ', sort keys %jobs), 'every job is tried here');

# Runs a job in a session of its own, with the trigger that sleeps; returns its process and where its output goes.
sub start_job
{
	my ($name, $as_of) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/out';
	my $pid = fork();
	die "fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		my ($rc, $out, $err) = $node->psql('shop', qq{\\set ON_ERROR_STOP off
\\set VERBOSITY sqlstate
SET application_name = 'a till';
SET jobs.doze = 'on';
SELECT * FROM retail.$name('$as_of');
\\echo heard :LAST_ERROR_SQLSTATE
SELECT 'alive as ' || application_name FROM pg_stat_activity WHERE pid = pg_backend_pid();
});
		append_to_file($file, $out);
		POSIX::_exit(0);
	}
	return ($pid, $file);
}

$node->safe_psql('shop', q{UPDATE retail.task SET enabled = name = 'retention', next_run_at = '2000-01-01'});
for my $name (sort keys %jobs)
{
	my $job = $jobs{$name};
	my $as_of = $job->{as_of} || $node->safe_psql('shop', "SELECT '$now'::timestamptz + interval '" . ($job->{at} || '0') . "'");
	my $before = fingerprint($node, 'shop');
	my ($pid, $file) = start_job($name, $as_of);
	my $asleep = "FROM pg_stat_activity a WHERE a.datname = 'shop' AND a.query LIKE '%FROM retail.$name(%' AND a.wait_event = 'PgSleep'";
	if (!ok($node->poll_query_until('shop', "SELECT count(*) = 1 $asleep"), "$name works"))
	{
		waitpid($pid, 0);
		diag(slurp_file($file));
		next;
	}
	is($node->safe_psql('shop', "SELECT p.job, p.step, p.done, p.total FROM retail_bi.job_progress p WHERE p.pid = (SELECT a.pid $asleep)"), $job->{progress}, '... and tells how far it is') if $job->{progress};
	$node->safe_psql('shop', "SELECT pg_cancel_backend(a.pid) $asleep");
	waitpid($pid, 0);
	like(slurp_file($file), qr/^heard 57014\nalive as a till$/m, '... is cancelled, and the session goes on under its own name');
	is(fingerprint($node, 'shop'), $before, '... nothing of it is done');
	is($node->safe_psql('shop', 'SELECT count(*) FROM retail_bi.job_progress'), '0', '... and nobody tells of it any more');
}
is($node->safe_psql('shop', q{SELECT string_agg(total_runs || ' ' || total_failures, ', ') FROM retail.task WHERE name = 'retention'}), '0 0', 'a task that was cancelled in a session has not run');
is(join(',', sort keys %{ sqlstates($node) }), '57014', 'the server reported nothing else');

# ---- left alone, each does what it was kept from ---------------------------------------------------------------------

my %done = (
	run_allocation => qr/3 placed, 0 refused/, run_backorders => qr/^1 units released to 1 orders/, run_exceptions => qr/^1 exceptions tried again, 1 routed/,
	run_expire_holds => qr/^[1-9]\d* units/, run_housekeeping => qr/^2 old/, run_questions => qr/^1 unanswered/, run_release_unpaid => qr/^1 unpaid orders cancelled/,
	run_retention => qr/^3 order_intake removed/, run_stock_prices => qr/[1-9]\d* changed$/,
);
for my $name (sort keys %done)
{
	my $as_of = $node->safe_psql('shop', "SELECT '$now'::timestamptz + interval '" . ($jobs{$name}{at} || '0') . "'");
	like($node->safe_psql('shop', "SELECT * FROM retail.$name('$as_of')"), $done{$name}, "$name is done when it is left alone");
}
integrity_ok($node, 'shop');

# ---- a batch that decides for long is cancelled at every moment -------------------------------------------------------

$node->safe_psql('shop', q{
SELECT retail.receive_stock('many' || i, 'W' || i, (SELECT jsonb_agg(jsonb_build_object('sku', 'A' || k, 'qty', 500)) FROM generate_series(1, 4) k)) FROM generate_series(1, 3) i;
SELECT count(*) FROM retail.submit_orders((SELECT jsonb_agg(public.o('T' || i, 'A' || 1 + i % 4, 1 + i % 9) || jsonb_build_object('shortage', (ARRAY['refuse', 'partial', 'backorder_undated'])[1 + i % 3])) FROM generate_series(1, 1500) i));
});
my $before = fingerprint($node, 'shop');
my $script = "\\set ON_ERROR_STOP off\n\\set VERBOSITY sqlstate\n";
for my $step (1 .. 12)
{
	my $patience = 5 * 2**($step / 2);
	$script .= "SET statement_timeout = " . int($patience) . ";\nSELECT retail.run_allocation(now(), 1500);\n\\echo step $step :LAST_ERROR_SQLSTATE\nRESET statement_timeout;\n";
}
my ($rc, $out, $err) = $node->psql('shop', $script);
my @cancelled = $out =~ /^step \d+ 57014$/mg;
cmp_ok(scalar @cancelled, '>=', 4, 'a batch is cancelled at several moments') or diag($out, $err);
is($node->safe_psql('shop', q{SELECT count(*) FILTER (WHERE state = 'queued') IN (0, 1500) FROM retail.order_intake WHERE external_no LIKE 'T%'}), 't', '... all of it or nothing');
is(fingerprint($node, 'shop'), $before, '... no row of any table is another') if @cancelled == 12;
1 while $node->safe_psql('shop', 'SELECT retail.run_allocation()') ne 'nothing waits';
is($node->safe_psql('shop', q{SELECT count(*) FROM retail.order_intake WHERE external_no LIKE 'T%' AND state = 'queued'}), '0', 'then all are decided');
integrity_ok($node, 'shop');
no_crash_ok($node);
$node->stop;
done_testing();
