# worker.pl: the background worker from outside: it comes, runs tasks, survives what fails, makes way for DDL,
# comes back after a crash, keeps off a standby; and the daily jobs really run under pg_cron.
#
# The launcher's naptime is a minute here, so everything that happens sooner happens because somebody woke it.
# Nothing sleeps: every wait is a poll for the state that is expected.
use strict;
use warnings;

use File::Basename qw(dirname);
my ($pgxs, $pkglibdir);

BEGIN
{
	my $config = $ENV{PG_CONFIG} || 'pg_config';
	chomp($pgxs = `$config --pgxs`);
	chomp($pkglibdir = `$config --pkglibdir`);
	$pgxs = dirname($pgxs) . '/..';
	unshift @INC, "$pgxs/src/test/perl", "$pgxs/test/perl";
	$ENV{PG_REGRESS} ||= "$pgxs/test/regress/pg_regress";
}

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $have_cron = -e "$pkglibdir/pg_cron.so";

# How soon something must have happened that is not left to a naptime of the launcher (s).
my $soon = 30;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = '" . ($have_cron ? 'pg_cron,' : '') . "pg_retail'");
$node->append_conf('postgresql.conf', q{
pg_retail.launcher_naptime = '1min'
pg_retail.worker_naptime = '100ms'
restart_after_crash = on
max_worker_processes = 20
allow_in_place_tablespaces = on
autovacuum = off
});
$node->append_conf('postgresql.conf', q{
cron.database_name = 'postgres'
cron.use_background_workers = on
}) if $have_cron;
$node->start;

# ---- helpers ----------------------------------------------------------------------------------------

sub worker_pid
{
	my ($db) = @_;
	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_retail worker' AND datname = '$db'");
}

# Waits for a worker in a database, other than the given one.
sub wait_for_worker
{
	my ($db, $but) = @_;
	$but ||= 0;
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_retail worker' AND datname = '$db' AND pid <> $but AND wait_event_type = 'Extension'"
	) or die "no worker in $db";
	return worker_pid($db);
}

sub wait_for_no_worker
{
	my ($db) = @_;
	return $node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_retail worker' AND datname = '$db'");
}

sub task
{
	my ($db, $name, $expression) = @_;
	return $node->safe_psql($db, "SELECT $expression FROM retail.task WHERE name = '$name'");
}

sub wait_for_task
{
	my ($db, $name, $condition) = @_;
	return $node->poll_query_until($db, "SELECT $condition FROM retail.task WHERE name = '$name'");
}

# What the Nth failure of a task recorded.
sub failure
{
	my ($name, $nth, $expression) = @_;
	return $node->safe_psql('shop', "SELECT $expression FROM public.tap_failure WHERE name = '$name' AND total_failures = $nth");
}

# Runs a statement that must fail; returns the whole message, with SQLSTATE.
sub error_of
{
	my ($db, $sql, %params) = @_;
	my ($rc, $out, $err) = $node->psql($db, "\\set VERBOSITY verbose\n$sql", %params);
	return $rc == 0 ? 'no error' : $err;
}

sub install
{
	my ($db) = @_;
	$node->safe_psql($db, 'CREATE EXTENSION pg_retail');
	$node->safe_psql($db, 'SELECT * FROM retail.install()');
	return;
}

# ---- the daily jobs: start the one that needs a minute ----------------------------------------------

SKIP:
{
	skip 'pg_cron is not there', 6 unless $have_cron;
	install('postgres');

	my $error = error_of('postgres', 'SELECT * FROM retail.schedule_jobs()');
	like($error, qr/RT051.*DETAIL:.*preloaded; cron\.database_name is "postgres".*HINT:.*CREATE EXTENSION pg_cron;/s,
		'schedule_jobs() where pg_cron could be installed says so');

	$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
	is( $node->safe_psql('postgres', 'SELECT job, schedule, status FROM retail.schedule_jobs()'),
		"retail_housekeeping|41 19 * * *|scheduled\nretail_integrity|17 19 * * *|scheduled\nretail_stock_prices|37 18 * * *|scheduled",
		'schedule_jobs() registers the daily jobs');
	is( $node->safe_psql('postgres', 'SELECT jobname, schedule, command, database, active FROM cron.job ORDER BY jobname'),
		"retail_housekeeping|41 19 * * *|SELECT retail.run_housekeeping()|postgres|t\n"
		  . "retail_integrity|17 19 * * *|SELECT retail.run_integrity_check()|postgres|t\n"
		  . 'retail_stock_prices|37 18 * * *|SELECT retail.run_stock_prices()|postgres|t',
		'the jobs stand in cron.job');
	$node->safe_psql('postgres', q{SELECT retail.put_daily_job('retail_integrity', '* * * * *', 'SELECT retail.run_integrity_check()')});
	is( $node->safe_psql('postgres', 'SELECT job, status FROM retail.schedule_jobs()'),
		"retail_housekeeping|unchanged\nretail_integrity|updated\nretail_stock_prices|unchanged",
		'schedule_jobs() again updates what has changed');
	is( $node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT jobname) FROM cron.job'),
		'3|3', 'and adds nothing');
	like(error_of('postgres', q{SELECT retail.put_daily_job('evil', '* * * * *', 'DROP TABLE retail.task')}),
		qr/RT016.*DETAIL.*HINT/s, 'a job can only call run_ functions');
}

# ---- coming up --------------------------------------------------------------------------------------

is( $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_retail launcher' AND application_name = 'pg_retail launcher'"),
	'1', 'the launcher runs');

$node->safe_psql('postgres', 'CREATE DATABASE shop');
ok(wait_for_no_worker('shop'), 'no worker where the extension is not');
my $begun = time;
$node->safe_psql('shop', 'CREATE EXTENSION pg_retail');
my $pid = wait_for_worker('shop');
cmp_ok(time - $begun, '<', $soon, 'CREATE EXTENSION brings the worker at once');
is( $node->safe_psql('postgres', "SELECT application_name, usename, state FROM pg_stat_activity WHERE pid = $pid"),
	'pg_retail worker|' . $node->safe_psql('postgres', 'SELECT rolname FROM pg_roles WHERE oid = 10') . '|idle',
	'it is idle before install(), and says who it is');
$node->safe_psql('shop', 'SELECT * FROM retail.install()');
ok(wait_for_task('shop', 'expire_holds', 'total_runs > 0'), 'the seeded tasks run after install()');
is(task('shop', 'expire_holds', 'total_failures, last_error IS NULL'), '0|t', 'without an error');
is( $node->safe_psql('shop', q{SELECT name, function_name, run_every FROM retail.task WHERE name IN ('expire_holds', 'release_unpaid_orders') ORDER BY name}),
	"expire_holds|run_expire_holds|00:00:10\nrelease_unpaid_orders|run_release_unpaid|00:00:10",
	'the two tasks of the spine are there');

# ---- tasks ------------------------------------------------------------------------------------------

$node->safe_psql('shop', q{
	CREATE TABLE public.tap_log (at timestamptz);
	CREATE FUNCTION retail.run_tap_ok(as_of timestamptz) RETURNS bigint LANGUAGE sql VOLATILE AS
		'INSERT INTO public.tap_log VALUES (as_of); SELECT count(*) FROM public.tap_log';
	CREATE FUNCTION retail.run_tap_bad(as_of timestamptz) RETURNS void LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO public.tap_log VALUES ('2000-01-01'); RAISE EXCEPTION 'the milk is sour'; END $$;
	CREATE FUNCTION retail.run_tap_assert(as_of timestamptz) RETURNS void LANGUAGE plpgsql AS
		$$ BEGIN ASSERT false, 'never so'; END $$;
	CREATE FUNCTION retail.run_tap_rows(as_of timestamptz) RETURNS TABLE (a int, b text) LANGUAGE sql AS
		$$ VALUES (1, 'x'), (2, 'y') $$;
	CREATE FUNCTION retail.run_tap_slow(as_of timestamptz) RETURNS void LANGUAGE sql AS
		'SELECT pg_advisory_xact_lock(4711)';
	-- every failure as it was recorded, because the next may come before we look
	CREATE TABLE public.tap_failure (LIKE retail.task);
	CREATE FUNCTION public.tap_keep() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO public.tap_failure VALUES (NEW.*); RETURN NULL; END $$;
	CREATE TRIGGER tap_keep AFTER UPDATE ON retail.task FOR EACH ROW
		WHEN (NEW.total_failures > OLD.total_failures) EXECUTE FUNCTION public.tap_keep();
});

$node->safe_psql('shop', q{
	SELECT retail.put_task('tap_bad', 'run_tap_bad', '1 second');
	SELECT retail.put_task('tap_assert', 'run_tap_assert', '1 minute');
	SELECT retail.put_task('tap_rows', 'run_tap_rows', '1 minute');
	SELECT retail.put_task('tap_ok', 'run_tap_ok', '1 second', description => 'writes a line');
});
ok(wait_for_task('shop', 'tap_ok', 'total_runs > 0'), 'a due task runs');
is(task('shop', 'tap_ok', q{last_result::int > 0, consecutive_failures, next_run_at - last_started_at, last_finished_at >= last_started_at}),
	't|0|00:00:01|t', 'its result, times and next run are recorded');
ok(wait_for_task('shop', 'tap_rows', 'total_runs = 1'), 'a task that returns rows runs');
is(task('shop', 'tap_rows', 'last_result'), "(1,x)\n(2,y)", 'all its rows are the result');

ok(wait_for_task('shop', 'tap_bad', 'total_failures > 0'), 'a failing task counts its failure');
is(failure('tap_bad', 1, 'last_error, total_runs, consecutive_failures, next_run_at - last_failed_at'),
	'P0001: the milk is sour|1|1|00:00:02', 'with its error, and backs off');
ok(wait_for_task('shop', 'tap_bad', 'total_failures > 1'), 'it is tried again');
is(failure('tap_bad', 2, 'total_runs, consecutive_failures, next_run_at - last_failed_at'), '2|2|00:00:04', 'and backs off twice as long');
is($node->safe_psql('shop', q{SELECT count(*) FROM public.tap_log WHERE at = '2000-01-01'}), '0', 'what it did is undone');
my $runs = task('shop', 'tap_ok', 'total_runs');
ok(wait_for_task('shop', 'tap_ok', "total_runs > $runs"), 'another task goes on meanwhile');
ok(wait_for_task('shop', 'tap_assert', 'consecutive_failures = 1'), 'a failed assertion is an error like others');
like(task('shop', 'tap_assert', 'last_error'), qr/^P0004: never so/, 'and is recorded');
is($node->safe_psql('shop', q{SELECT state, total_failures > 0 FROM retail_bi.worker_task WHERE name = 'tap_bad'}),
	'failing|t', 'the view shows it failing');
is(worker_pid('shop'), $pid, 'the worker is the same process still');

# Back-off is capped at an hour, and never shorter than the interval; as_of replays it without waiting.
$node->safe_psql('shop', q{SELECT retail.enable_task('tap_bad', false); SELECT retail.enable_task('tap_assert', false)});
is( $node->safe_psql('shop', q{
	BEGIN;
	UPDATE retail.task SET enabled = name IN ('tap_bad', 'tap_assert'), next_run_at = '2030-01-01', consecutive_failures = 30;
	UPDATE retail.task SET run_every = '1 day' WHERE name = 'tap_assert';
	SELECT task, ok, error FROM retail.run_due_tasks('2030-01-01 00:00:00+00');
	SELECT name, next_run_at - last_failed_at FROM retail.task WHERE enabled ORDER BY name;
	ROLLBACK;
}), "tap_assert|f|P0004: never so\ntap_bad|f|P0001: the milk is sour\ntap_assert|1 day\ntap_bad|01:00:00",
	'back-off ends at an hour or the interval');

# A poisoned function name: past the constraint that would refuse it.
$node->safe_psql('shop', q{
	ALTER TABLE retail.task DROP CONSTRAINT task_function_name_check;
	INSERT INTO retail.task (name, function_name, run_every) VALUES
		('tap_poison', 'run_x(now()); DROP TABLE public.tap_log; --', '1 minute'),
		('tap_self', 'run_next_task', '1 minute'),
		('tap_missing', 'run_tap_missing', '1 minute');
});
ok(wait_for_task('shop', 'tap_poison', 'consecutive_failures = 1'), 'a poisoned function name fails');
like(task('shop', 'tap_poison', 'last_error'), qr/^RT016: /, 'with RT016');
ok(wait_for_task('shop', 'tap_self', 'consecutive_failures = 1'), 'a task cannot call run_next_task');
like(task('shop', 'tap_self', 'last_error'), qr/^RT016: /, 'with RT016');
ok(wait_for_task('shop', 'tap_missing', 'consecutive_failures = 1'), 'a missing function fails');
like(task('shop', 'tap_missing', 'last_error'), qr/^RT005: /, 'with RT005');
is($node->safe_psql('shop', q{SELECT to_regclass('public.tap_log') IS NOT NULL}), 't', 'nothing of it was executed');
$node->safe_psql('shop', q{DELETE FROM retail.task WHERE name IN ('tap_poison', 'tap_self', 'tap_missing')});

# What the functions refuse, and whom.
like(error_of('shop', q{SELECT retail.put_task('x', 'run_tap_missing', '1 minute')}), qr/RT005.*DETAIL.*HINT/s, 'put_task: unknown function');
like(error_of('shop', q{SELECT retail.put_task('x', 'run_tap_ok; --', '1 minute')}), qr/RT016.*DETAIL.*HINT/s, 'put_task: bad function name');
like(error_of('shop', q{SELECT retail.put_task('X y', 'run_tap_ok', '1 minute')}), qr/RT016.*DETAIL.*HINT/s, 'put_task: bad name');
like(error_of('shop', q{SELECT retail.put_task('x', 'run_tap_ok', '0')}), qr/RT016.*DETAIL.*HINT/s, 'put_task: bad interval');
like(error_of('shop', q{SELECT retail.put_task('x', 'run_tap_ok', '1 minute', NULL)}), qr/RT016.*DETAIL.*HINT/s, 'put_task: null');
like(error_of('shop', q{SELECT retail.enable_task('nothing')}), qr/RT005.*DETAIL.*HINT/s, 'enable_task: unknown task');
like(error_of('shop', q{SELECT retail.run_next_task('infinity')}), qr/RT014.*DETAIL.*HINT/s, 'run_next_task: infinity');
$node->safe_psql('postgres', 'CREATE ROLE tap_stranger LOGIN; CREATE ROLE tap_admin LOGIN IN ROLE retail_admin; CREATE ROLE tap_app LOGIN IN ROLE retail_app');
like(error_of('shop', 'SELECT retail.run_next_task()', extra_params => [ '-U', 'tap_stranger' ]), qr/42501/, 'a stranger may not run tasks');
like(error_of('shop', 'SELECT retail.run_next_task()', extra_params => [ '-U', 'tap_app' ]), qr/42501/, 'nor may an application');
like(error_of('shop', 'SELECT * FROM retail.task', extra_params => [ '-U', 'tap_app' ]), qr/42501/, 'nor look at them');
like(error_of('shop', 'UPDATE retail.task SET enabled = false', extra_params => [ '-U', 'tap_admin' ]), qr/42501/, 'an admin changes tasks through functions only');
is($node->safe_psql('shop', q{SELECT retail.put_task('tap_ok', 'run_tap_ok', '1 second'); SELECT count(*) > 0 FROM retail_bi.worker_task}, extra_params => [ '-U', 'tap_admin' ]),
	"updated\nt", 'an admin may define them and look');

# A task that is being run, seen from outside; one that is cancelled.
my $blocker = $node->background_psql('shop');
$blocker->query_safe('SELECT pg_advisory_lock(4711)');
$node->safe_psql('shop', q{SELECT retail.put_task('tap_slow', 'run_tap_slow', '1 minute')});
ok($node->poll_query_until('postgres', "SELECT query = 'pg_retail task tap_slow' AND state = 'active' FROM pg_stat_activity WHERE pid = $pid"),
	'pg_stat_activity shows the running task');
is($node->safe_psql('shop', q{BEGIN; SELECT count(*) FROM retail.run_due_tasks(now() + interval '1 hour') WHERE task = 'tap_slow'; ROLLBACK}),
	'0', 'a task that runs is not run a second time');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
ok(wait_for_task('shop', 'tap_slow', 'consecutive_failures = 1'), 'a cancel is recorded for the task that ran');
like(task('shop', 'tap_slow', q{last_error || ' ' || (next_run_at - last_failed_at)}), qr/^57014: .* 00:02:00$/, 'with its error and back-off');
is(worker_pid('shop'), $pid, 'and the worker goes on');
$runs = task('shop', 'tap_ok', 'total_runs');
ok(wait_for_task('shop', 'tap_ok', "total_runs > $runs"), 'with the other tasks');

# ---- ALTER EXTENSION UPDATE ---------------------------------------------------------------------------

$node->safe_psql('shop', q{SELECT retail.enable_task('tap_slow')});
$node->poll_query_until('postgres', "SELECT query = 'pg_retail task tap_slow' AND state = 'active' FROM pg_stat_activity WHERE pid = $pid");
my $updater = $node->background_psql('shop');
$updater->query_safe('SET client_min_messages = warning; BEGIN');
$updater->query_until(qr/sent/, "\\echo sent\nALTER EXTENSION pg_retail UPDATE;\n");
ok($node->poll_query_until('shop', "SELECT count(*) = 1 FROM pg_locks WHERE classid = 'pg_extension'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted"),
	'ALTER EXTENSION UPDATE waits for the running task');
$blocker->query_safe('SELECT pg_advisory_unlock(4711)');
$updater->query_safe('SELECT 1');
is(task('shop', 'tap_slow', 'consecutive_failures'), '0', 'the task ended well before the update began');
ok($node->poll_query_until('shop', "SELECT count(*) = 1 FROM pg_locks WHERE classid = 'pg_extension'::regclass AND pid = $pid AND NOT granted"),
	'the next task waits for the update');
$runs = task('shop', 'tap_ok', 'total_runs');
$updater->query_safe('COMMIT');
ok(wait_for_task('shop', 'tap_ok', "total_runs > $runs"), 'and runs after its commit');
$updater->quit;
$blocker->quit;

# ---- DDL on databases -----------------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE shop');
ok(1, 'CREATE DATABASE ... TEMPLATE works with the worker connected');
$pid = wait_for_worker('shop', $pid);
ok($pid, 'the worker is back in the original');
my $copy_pid = wait_for_worker('copy');
ok($copy_pid, 'and there is one in the copy');

$node->safe_psql('postgres', 'ALTER DATABASE copy RENAME TO copy2');
$copy_pid = wait_for_worker('copy2', $copy_pid);
ok($copy_pid, 'ALTER DATABASE ... RENAME works, and the worker is back');

$node->safe_psql('postgres', q{CREATE TABLESPACE tap_space LOCATION ''});
$node->safe_psql('postgres', 'ALTER DATABASE copy2 SET TABLESPACE tap_space');
$copy_pid = wait_for_worker('copy2', $copy_pid);
ok($copy_pid, 'ALTER DATABASE ... SET TABLESPACE works, and the worker is back');

like(error_of('postgres', 'DROP DATABASE copy2', extra_params => [ '-U', 'tap_stranger' ]), qr/42501/, 'a stranger may not drop the database');
like(error_of('postgres', 'BEGIN; DROP DATABASE copy2'), qr/25001/, 'nor may anybody inside a transaction');
is(worker_pid('copy2'), $copy_pid, 'and neither disturbs the worker');

my $visitor = $node->background_psql('copy2');
$visitor->query_safe('SELECT 1');
like(error_of('postgres', 'DROP DATABASE copy2'), qr/55006/, 'DROP DATABASE fails for another session');
$copy_pid = wait_for_worker('copy2', $copy_pid);
ok($copy_pid, 'after which the worker is back');

# The worker is in the middle of a task.
$visitor->query_safe('SELECT pg_advisory_lock(4711)');
$node->safe_psql('copy2', q{SELECT retail.put_task('tap_slow', 'run_tap_slow', '1 minute')});
$node->poll_query_until('postgres', "SELECT query = 'pg_retail task tap_slow' AND state = 'active' FROM pg_stat_activity WHERE pid = $copy_pid");
$begun = time;
my $second = $node->background_psql('postgres');
$second->query_until(qr/sent/, "\\echo sent\nDROP DATABASE copy2 WITH (FORCE);\n");
$second->query_safe('SELECT 1');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_database WHERE datname = 'copy2'}), '0', 'DROP DATABASE works in the middle of a task');
cmp_ok(time - $begun, '<', $soon, 'at once');
$second->quit;
eval { $visitor->quit };

$node->safe_psql('postgres', 'CREATE DATABASE short');
install('short');
wait_for_worker('short');
$begun = time;
$node->safe_psql('postgres', 'DROP DATABASE short');
cmp_ok(time - $begun, '<', $soon, 'a plain DROP DATABASE works at once too');

# ---- settings ---------------------------------------------------------------------------------------------

$node->safe_psql('postgres', 'ALTER SYSTEM SET pg_retail.worker_enabled = off');
$node->reload;
ok(wait_for_no_worker('shop'), 'worker_enabled = off stops the worker');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET pg_retail.worker_enabled');
$node->reload;
$pid = wait_for_worker('shop');
ok($pid, 'and on brings it back');

$node->safe_psql('postgres', 'CREATE ROLE tap_worker LOGIN IN ROLE retail_admin; ALTER SYSTEM SET pg_retail.worker_role = tap_worker');
$node->reload;
$pid = wait_for_worker('shop', $pid);
is($node->safe_psql('postgres', "SELECT usename FROM pg_stat_activity WHERE pid = $pid"), 'tap_worker', 'worker_role changes who it is');
$runs = task('shop', 'tap_ok', 'total_runs');
ok(wait_for_task('shop', 'tap_ok', "total_runs > $runs"), 'and the tasks run');
$node->safe_psql('postgres', 'ALTER SYSTEM SET pg_retail.worker_role = tap_nobody');
$node->reload;
ok(wait_for_no_worker('shop'), 'no worker runs as a role that does not exist');
$node->wait_for_log(qr/WARNING:  role "tap_nobody" of pg_retail\.worker_role does not exist/);
ok(1, 'and the log says so');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET pg_retail.worker_role');
$node->reload;
$pid = wait_for_worker('shop');

# ---- DROP EXTENSION -----------------------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE brief');
install('brief');
wait_for_worker('brief');
$begun = time;
$node->safe_psql('brief', 'DROP EXTENSION pg_retail CASCADE');
ok(wait_for_no_worker('brief'), 'the worker leaves after DROP EXTENSION');
cmp_ok(time - $begun, '<', $soon, 'at once');
is($node->safe_psql('brief', 'SELECT count(*) > 0 FROM retail.task'), 't', 'the tables stay');
$begun = time;
$node->safe_psql('brief', 'CREATE EXTENSION pg_retail');
wait_for_worker('brief');
cmp_ok(time - $begun, '<', $soon, 'and CREATE EXTENSION brings it back at once');
$node->safe_psql('postgres', 'ALTER DATABASE brief ALLOW_CONNECTIONS false');
$node->safe_psql('postgres', 'ALTER SYSTEM SET pg_retail.launcher_naptime = 200');
$node->reload;
ok(wait_for_no_worker('brief'), 'it leaves a database that does not allow connections any more');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET pg_retail.launcher_naptime');
$node->reload;

# ---- kill -9 ----------------------------------------------------------------------------------------------

kill 'KILL', $pid;
my $new_pid = wait_for_worker('shop', $pid);
ok($new_pid, 'after kill -9 of the worker the server recovers and the worker returns');
$runs = task('shop', 'tap_ok', 'total_runs');
ok(wait_for_task('shop', 'tap_ok', "total_runs > $runs"), 'and runs tasks');

# Ended by an administrator, worker and launcher both come back.
$node->safe_psql('postgres', "SELECT pg_terminate_backend($new_pid)");
$pid = wait_for_worker('shop', $new_pid);
ok($pid, 'a terminated worker returns');
my $launcher = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_retail launcher'});
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_retail launcher' AND pid <> $launcher"),
	'a terminated launcher returns');
is(worker_pid('shop'), $pid, 'and finds the worker that is there');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$pid = wait_for_worker('shop', $pid);
ok($pid, 'which it starts again when it ends');

# ---- a standby --------------------------------------------------------------------------------------------

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_retail%'}), '0', 'nothing runs on a standby');
is($standby->safe_psql('shop', 'SELECT count(*) > 0 FROM retail_bi.worker_task'), 't', 'where the view can be read');
$standby->promote;
ok($standby->poll_query_until('postgres', q{SELECT count(*) >= 2 FROM pg_stat_activity WHERE backend_type LIKE 'pg_retail%' AND coalesce(datname, 'shop') = 'shop'}),
	'launcher and worker start after its promotion');
$standby->stop('fast');

# ---- the daily jobs: by now a minute has turned -----------------------------------------------------------

SKIP:
{
	skip 'pg_cron is not there', 5 unless $have_cron;
	ok($node->poll_query_until('postgres', q{
		SELECT count(*) > 0 FROM cron.job_run_details WHERE command = 'SELECT retail.run_integrity_check()' AND status = 'succeeded'}),
		'pg_cron has run the job');
	is($node->safe_psql('postgres', q{SELECT job, status FROM retail.unschedule_jobs()}),
		"retail_housekeeping|unscheduled\nretail_integrity|unscheduled\nretail_stock_prices|unscheduled", 'unschedule_jobs() removes the jobs');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.job'), '0', 'from cron.job');

	my $error = error_of('shop', 'SELECT * FROM retail.schedule_jobs()');
	like($error, qr/RT051.*cron\.database_name is "postgres".*HINT:.*Connect to database "postgres"/s,
		'schedule_jobs() in another database than that of pg_cron fails with RT051');
	my @ready = $error =~ /(SELECT cron\.schedule_in_database\(.*?\);)/g;
	$node->safe_psql('postgres', join("\n", @ready));
	is( $node->safe_psql('postgres', 'SELECT jobname, database, command FROM cron.job ORDER BY jobname'),
		"retail_housekeeping\@shop|shop|SELECT retail.run_housekeeping()\nretail_integrity\@shop|shop|SELECT retail.run_integrity_check()\nretail_stock_prices\@shop|shop|SELECT retail.run_stock_prices()",
		'and the statements of its hint work as they are');
}

# ---- no pg_cron, and no background worker to be had ---------------------------------------------------------

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_retail'\nmax_worker_processes = 2\n");
my $before = -s $node->logfile;
$node->restart;
$node->wait_for_log(qr/WARNING:  could not start the pg_retail worker of database/, $before);
like(error_of('shop', 'SELECT * FROM retail.schedule_jobs()'),
	qr/RT051.*not in shared_preload_libraries.*HINT:.*shared_preload_libraries.*psql -d shop -c "SELECT retail\.run_integrity_check\(\)"/s,
	'schedule_jobs() without pg_cron in the server fails with RT051, and says what another scheduler should call');
$node->safe_psql('postgres', 'CREATE DATABASE extra TEMPLATE shop');
$node->safe_psql('postgres', 'DROP DATABASE extra');
my @refusals = slurp_file($node->logfile, $before) =~ /could not start the pg_retail worker of database/g;
is(scalar @refusals, 1, 'that the server has no background worker left is logged once');
my @due = split /\n/, $node->safe_psql('shop', q{SELECT task FROM retail.run_due_tasks(now() + interval '1 minute') WHERE ok ORDER BY task});
ok((grep { $_ eq 'expire_holds' } @due), 'a human can run what the worker would');

$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|server process .* was terminated by signal (?!9)/, 'nothing crashed by itself');

done_testing();
