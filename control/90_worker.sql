-- 90_worker.sql: running the tasks of the background worker, and registering
-- the daily jobs with pg_cron.
--
-- The worker (src/worker) only calls run_next_task(); a human or another
-- scheduler may do the same, at the same time.  A task function is
-- retail.run_<something>(as_of timestamptz), idempotent and safe to run twice
-- at once.  Task functions and daily jobs run with the rights of the
-- extension's owner, so their names are data that is checked twice: by the
-- constraints of the tables and here.

CREATE FUNCTION retail.note_running_task(task text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'retail_note_running_task';
COMMENT ON FUNCTION retail.note_running_task(text) IS
'Internal: tells the background worker which task it is running, for pg_stat_activity and for errors that cannot be caught in SQL. Does nothing in other sessions.';

CREATE FUNCTION retail.check_task_function(function_name text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	IF function_name IS NULL OR function_name !~ '^run_[a-z0-9_]{1,59}$' OR function_name IN ('run_next_task', 'run_due_tasks') THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid name of a task function',
			DETAIL = format('The name is %s.', coalesce('"' || left(function_name, 200) || '"', 'null')),
			HINT = 'Give the bare name of a function of schema retail: run_ and then small letters, digits and underscores.';
	END IF;
	IF to_regprocedure('retail.' || function_name || '(pg_catalog.timestamptz)') IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown task function',
			DETAIL = format('There is no function retail.%s(timestamptz).', function_name),
			HINT = 'Create it, or correct the name with retail.put_task().';
	END IF;
END $$;
COMMENT ON FUNCTION retail.check_task_function(text) IS
'Internal: raises RT016 unless the name may be that of a task function, and RT005 unless retail.<name>(timestamptz) exists.';

CREATE FUNCTION retail.record_task_failure(task text, error text, as_of timestamptz DEFAULT now(), took interval DEFAULT interval '0') RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	next_try timestamptz;
BEGIN
	UPDATE retail.task AS t SET
			last_started_at = record_task_failure.as_of,
			last_finished_at = record_task_failure.as_of + record_task_failure.took,
			last_failed_at = record_task_failure.as_of,
			last_error = left(record_task_failure.error, 2000),
			consecutive_failures = t.consecutive_failures + 1,
			total_runs = t.total_runs + 1,
			total_failures = t.total_failures + 1,
			-- Double the interval with each failure up to an hour, or the interval itself if that is longer.
			next_run_at = record_task_failure.as_of
				+ greatest(t.run_every, least(t.run_every * 2 ^ least(t.consecutive_failures + 1, 12), interval '1 hour'))
		WHERE t.name = record_task_failure.task
		RETURNING t.next_run_at INTO next_try;
	RAISE WARNING USING MESSAGE = format('retail task %s failed: %s', record_task_failure.task, record_task_failure.error),
		HINT = coalesce(format('The next try is at %s.', next_try), 'The task does not exist any more.');
END $$;
COMMENT ON FUNCTION retail.record_task_failure(text, text, timestamptz, interval) IS
'Internal: writes a failed run into its task, moves the next run away by run_every * 2^failures (at most an hour, at least run_every) and warns.';

CREATE FUNCTION retail.run_one_task(as_of timestamptz, already text[], OUT task text, OUT ok boolean, OUT result text, OUT error text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	due record;
	begun timestamptz;
	state text;
	message text;
BEGIN
	-- FOR UPDATE re-reads a row that another session has just run, finds it
	-- not due any more, and takes the next.
	SELECT t.name, t.function_name INTO due FROM retail.task AS t
		WHERE t.enabled AND t.next_run_at <= run_one_task.as_of AND t.name <> ALL (run_one_task.already)
		ORDER BY t.next_run_at, t.name LIMIT 1
		FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN;
	END IF;

	task := due.name;
	begun := clock_timestamp();
	PERFORM retail.note_running_task(due.name);
	BEGIN
		PERFORM retail.check_task_function(due.function_name);
		EXECUTE format('SELECT left(string_agg(r::text, E''\n''), 8000) FROM retail.%I($1) AS r', due.function_name)
			INTO result USING run_one_task.as_of;
		ok := true;
	EXCEPTION WHEN assert_failure OR OTHERS THEN	-- OTHERS leaves query_canceled out, as it should
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
		ok := false;
		result := NULL;
		error := state || ': ' || message;
	END;

	IF ok THEN
		UPDATE retail.task AS t SET
				last_started_at = run_one_task.as_of,
				last_finished_at = run_one_task.as_of + (clock_timestamp() - begun),
				last_result = run_one_task.result,
				consecutive_failures = 0,
				total_runs = t.total_runs + 1,
				-- a task that says so has more to do, and goes on at once
				next_run_at = CASE WHEN run_one_task.result LIKE '%; more waiting' THEN run_one_task.as_of ELSE run_one_task.as_of + t.run_every END
			WHERE t.name = due.name;
	ELSE
		PERFORM retail.record_task_failure(due.name, error, run_one_task.as_of, clock_timestamp() - begun);
	END IF;
END $$;
COMMENT ON FUNCTION retail.run_one_task(timestamptz, text[]) IS
'Internal: runs the task that has been due longest, of those not locked and not in the list, and records how it went. All null when nothing is due. A query cancel is not caught.';

CREATE FUNCTION retail.run_next_task(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(run_next_task.as_of, 'as_of');
	RETURN (SELECT r.task FROM retail.run_one_task(run_next_task.as_of, '{}') AS r);
END $$;
COMMENT ON FUNCTION retail.run_next_task(timestamptz) IS
'Runs the task that has been due longest and returns its name, or null when nothing is due. An error of the task is recorded in retail.task and warned about, not raised. This is what the background worker calls. Raises RT014, RT050.';

CREATE FUNCTION retail.run_due_tasks(as_of timestamptz DEFAULT now()) RETURNS TABLE (task text, ok boolean, result text, error text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 10 SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	already text[] := '{}'::text[];
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(run_due_tasks.as_of, 'as_of');
	LOOP
		SELECT r.task, r.ok, r.result, r.error INTO run_due_tasks.task, run_due_tasks.ok, run_due_tasks.result, run_due_tasks.error
			FROM retail.run_one_task(run_due_tasks.as_of, already) AS r;
		EXIT WHEN run_due_tasks.task IS NULL;
		already := already || run_due_tasks.task;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.run_due_tasks(timestamptz) IS
'Runs all tasks that are due at as_of, each once, in one transaction, and says how each went. Tasks that another session is running are left out. Raises RT014, RT050.';

CREATE FUNCTION retail.put_task(name text, function_name text, run_every interval, enabled boolean DEFAULT true,
	description text DEFAULT NULL, as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	created boolean;
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(put_task.as_of, 'as_of');
	IF put_task.name IS NULL OR put_task.name !~ '^[a-z][a-z0-9_]{0,62}$' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid name of a task',
			DETAIL = format('The name is %s.', coalesce('"' || left(put_task.name, 200) || '"', 'null')),
			HINT = 'Give 1 to 63 small letters, digits and underscores, a letter first.';
	END IF;
	PERFORM retail.check_task_function(put_task.function_name);
	IF put_task.run_every IS NULL OR put_task.run_every NOT BETWEEN interval '1 second' AND interval '366 days' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid interval of a task',
			DETAIL = format('run_every is %s.', coalesce(put_task.run_every::text, 'null')),
			HINT = 'Give an interval from 1 second to 366 days.';
	END IF;
	IF put_task.enabled IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid state of a task',
			DETAIL = 'enabled is null.', HINT = 'Give true or false.';
	END IF;
	IF put_task.description IS NOT NULL THEN
		PERFORM retail.check_text(put_task.description, 'description', 1000);
	END IF;

	INSERT INTO retail.task AS t (name, function_name, run_every, enabled, description, next_run_at)
		VALUES (put_task.name, put_task.function_name, put_task.run_every, put_task.enabled, put_task.description, put_task.as_of)
		ON CONFLICT (name) DO UPDATE SET
			function_name = excluded.function_name,
			run_every = excluded.run_every,
			enabled = excluded.enabled,
			description = coalesce(excluded.description, t.description),
			consecutive_failures = 0,
			next_run_at = excluded.next_run_at
		RETURNING t.xmax = 0 INTO created;
	RETURN CASE WHEN created THEN 'created' ELSE 'updated' END;
END $$;
COMMENT ON FUNCTION retail.put_task(text, text, interval, boolean, text, timestamptz) IS
'Defines a task of the background worker, or changes it, and makes it due at as_of with its failures forgiven. Returns created or updated. Raises RT005 when retail.<function_name>(timestamptz) does not exist, RT014, RT015, RT016, RT050.';

CREATE FUNCTION retail.enable_task(name text, enabled boolean DEFAULT true, as_of timestamptz DEFAULT now()) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(enable_task.as_of, 'as_of');
	IF enable_task.enabled IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid state of a task',
			DETAIL = 'enabled is null.', HINT = 'Give true or false.';
	END IF;
	UPDATE retail.task AS t SET
			enabled = enable_task.enabled,
			consecutive_failures = CASE WHEN enable_task.enabled THEN 0 ELSE t.consecutive_failures END,
			next_run_at = CASE WHEN enable_task.enabled THEN enable_task.as_of ELSE t.next_run_at END
		WHERE t.name = enable_task.name;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown task',
			DETAIL = format('There is no task %s.', coalesce('"' || left(enable_task.name, 200) || '"', 'null')),
			HINT = 'See SELECT name FROM retail.task, or define it with retail.put_task().';
	END IF;
END $$;
COMMENT ON FUNCTION retail.enable_task(text, boolean, timestamptz) IS
'Enables a task and makes it due at as_of with its failures forgiven, or disables it; waits for a run that is going on. Raises RT005, RT014, RT016, RT050.';

CREATE FUNCTION retail.run_integrity_check(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	most CONSTANT bigint := 10000;
	found_rows bigint;
	stored_rows bigint;
	summary text;
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(run_integrity_check.as_of, 'as_of');
	DELETE FROM retail.integrity_violation AS v WHERE v.found_at = run_integrity_check.as_of;
	WITH violation AS MATERIALIZED (
		SELECT row_number() OVER () AS n, c.invariant, c.object, c.detail FROM retail.check_integrity() AS c
	), stored AS (
		INSERT INTO retail.integrity_violation (found_at, invariant, object, detail)
			SELECT run_integrity_check.as_of, v.invariant, coalesce(v.object, ''), coalesce(v.detail, '')
			FROM violation AS v WHERE v.n <= most
			RETURNING 1
	)
	SELECT (SELECT count(*) FROM violation), (SELECT count(*) FROM stored) INTO found_rows, stored_rows;

	IF found_rows = 0 THEN
		RETURN 'no violation';
	END IF;
	summary := format('%s violation(s)', found_rows)
		|| CASE WHEN found_rows > stored_rows THEN format(', the first %s stored', stored_rows) ELSE '' END;
	RAISE WARNING USING MESSAGE = 'pg_retail integrity check: ' || summary,
		HINT = format('See SELECT * FROM retail.integrity_violation WHERE found_at = %L.', run_integrity_check.as_of);
	RETURN summary;
END $$;
COMMENT ON FUNCTION retail.run_integrity_check(timestamptz) IS
'Runs check_integrity() and stores what it finds in retail.integrity_violation, at most 10000 rows a run; returns a summary and warns when there is anything. The same as_of again replaces its rows. Raises RT014, RT050.';

CREATE FUNCTION retail.run_housekeeping(as_of timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	deleted bigint;
	keep interval := interval '90 days';
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.check_time(run_housekeeping.as_of, 'as_of');
	-- The functions may be newer than the tables, until upgrade() has run.
	IF to_regclass('retail.retention_rule') IS NOT NULL THEN
		keep := (SELECT r.keep FROM retail.retention_rule AS r WHERE r.kind = 'integrity_violation');
	END IF;
	DELETE FROM retail.integrity_violation AS v WHERE v.found_at < run_housekeeping.as_of - keep;
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN format('%s old integrity violation(s) deleted', deleted);
END $$;
COMMENT ON FUNCTION retail.run_housekeeping(timestamptz) IS
'Deletes integrity violations that are older than retail.retention_rule keeps them (90 days); run_retention() does this and more. Raises RT014, RT050.';

CREATE FUNCTION retail.put_daily_job(name text, schedule text, command text) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	created boolean;
BEGIN
	PERFORM retail.require_installed();
	IF put_daily_job.name IS NULL OR put_daily_job.name !~ '^[a-z][a-z0-9_]{0,62}$' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid name of a job',
			DETAIL = format('The name is %s.', coalesce('"' || left(put_daily_job.name, 200) || '"', 'null')),
			HINT = 'Give 1 to 63 small letters, digits and underscores, a letter first.';
	END IF;
	IF put_daily_job.schedule IS NULL OR put_daily_job.schedule !~ '^([0-9*,/-]+ ){4}[0-9*,/-]+$' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid schedule of a job',
			DETAIL = format('The schedule is %s.', coalesce('"' || left(put_daily_job.schedule, 200) || '"', 'null')),
			HINT = 'Give five fields as in crontab, such as 17 3 * * * for 03:17 (GMT) each day.';
	END IF;
	IF put_daily_job.command IS NULL OR put_daily_job.command !~ '^SELECT retail\.run_[a-z0-9_]{1,59}\(\)$' THEN
		RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = 'invalid command of a job',
			DETAIL = format('The command is %s.', coalesce('"' || left(put_daily_job.command, 200) || '"', 'null')),
			HINT = 'Give SELECT retail.run_something() with the name of a function of schema retail.';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_proc AS p WHERE p.pronamespace = 'retail'::regnamespace
			AND p.proname = substring(put_daily_job.command FROM '\.(run_[a-z0-9_]+)') AND p.pronargs = p.pronargdefaults) THEN
		RAISE EXCEPTION USING ERRCODE = 'RT005', MESSAGE = 'unknown function in the command of a job',
			DETAIL = format('The command is "%s".', put_daily_job.command),
			HINT = 'The function must be in schema retail and need no argument.';
	END IF;

	INSERT INTO retail.daily_job AS d (name, schedule, command)
		VALUES (put_daily_job.name, put_daily_job.schedule, put_daily_job.command)
		ON CONFLICT (name) DO UPDATE SET schedule = excluded.schedule, command = excluded.command
		RETURNING d.xmax = 0 INTO created;
	RETURN CASE WHEN created THEN 'created' ELSE 'updated' END;
END $$;
COMMENT ON FUNCTION retail.put_daily_job(text, text, text) IS
'Defines a daily job or changes it; schedule_jobs() then tells pg_cron. Returns created or updated. Raises RT005, RT016, RT050.';

CREATE FUNCTION retail.require_pg_cron() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = retail, pg_catalog, pg_temp AS $$
DECLARE
	here CONSTANT text := current_database();
	cron_home CONSTANT text := current_setting('cron.database_name', true);
	preloaded CONSTANT boolean := current_setting('shared_preload_libraries') ~ '(^|[\s,"/])pg_cron(\.so)?($|[\s,"])';
	available CONSTANT boolean := EXISTS (SELECT FROM pg_available_extensions AS a WHERE a.name = 'pg_cron');
	hint text;
BEGIN
	IF EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'pg_cron') THEN
		RETURN;
	END IF;

	IF preloaded AND cron_home = here THEN
		hint := 'Run CREATE EXTENSION pg_cron; in this database, then SELECT * FROM retail.schedule_jobs(); again.';
	ELSIF preloaded THEN
		hint := format('Connect to database "%s" as a superuser and run: CREATE EXTENSION IF NOT EXISTS pg_cron; ', cron_home)
			|| coalesce((SELECT string_agg(format('SELECT cron.schedule_in_database(%L, %L, %L, %L);', d.name || '@' || here, d.schedule, d.command, here),
					' ' ORDER BY d.name) FROM retail.daily_job AS d), '');
	ELSE
		hint := CASE WHEN available THEN '' ELSE
					format('Install pg_cron (on Debian the package postgresql-%s-cron). ', current_setting('server_version_num')::int / 10000) END
			|| format('Add pg_cron to shared_preload_libraries, set cron.database_name = %L, restart the server, and run CREATE EXTENSION pg_cron; in this database. ', here)
			|| 'Or let another scheduler (cron, systemd) run each day: '
			|| coalesce((SELECT string_agg(format('psql -d %s -c "%s" (at %s)', quote_ident(here), d.command, d.schedule),
					'; ' ORDER BY d.name) FROM retail.daily_job AS d), '');
	END IF;

	RAISE EXCEPTION USING ERRCODE = 'RT051', MESSAGE = format('pg_cron is not installed in database "%s"', here),
		DETAIL = format('The extension''s files are %s; the library is %s; cron.database_name is %s.',
			CASE WHEN available THEN 'there' ELSE 'not there' END,
			CASE WHEN preloaded THEN 'preloaded' ELSE 'not in shared_preload_libraries' END,
			coalesce('"' || cron_home || '"', 'not set')),
		HINT = hint;
END $$;
COMMENT ON FUNCTION retail.require_pg_cron() IS
'Internal: raises RT051 unless pg_cron is installed in this database, and says in the hint what to do in this very server.';

CREATE FUNCTION retail.schedule_jobs() RETURNS TABLE (job text, schedule text, command text, status text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 10 SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	daily record;
	known record;
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.require_pg_cron();
	FOR daily IN SELECT d.name, d.schedule, d.command FROM retail.daily_job AS d ORDER BY d.name LOOP
		-- Dynamic, because schema cron need not exist when this is created.
		EXECUTE 'SELECT j.schedule, j.command, j.active, j.database FROM cron.job AS j
				WHERE j.jobname::text = $1 AND j.username::text = current_user::text'
			INTO known USING daily.name;
		IF known.database <> current_database() THEN
			RAISE EXCEPTION USING ERRCODE = 'RT016', MESSAGE = format('pg_cron has a job "%s" already', daily.name),
				DETAIL = format('It runs in database "%s", not in this one.', known.database),
				HINT = format('Schedule that job under the name %L instead, with cron.schedule_in_database().', daily.name || '@' || known.database);
		ELSIF known.schedule IS NULL OR (known.schedule, known.command) IS DISTINCT FROM (daily.schedule, daily.command) THEN
			EXECUTE 'SELECT cron.schedule($1::text, $2::text, $3::text)' USING daily.name, daily.schedule, daily.command;
		END IF;

		job := daily.name;
		schedule := daily.schedule;
		command := daily.command;
		status := CASE WHEN known.schedule IS NULL THEN 'scheduled'
					   WHEN (known.schedule, known.command) IS DISTINCT FROM (daily.schedule, daily.command) THEN 'updated'
					   WHEN NOT known.active THEN 'unchanged, paused by cron.alter_job()'
					   ELSE 'unchanged' END;
		RETURN NEXT;
	END LOOP;

	IF coalesce(current_setting('cron.use_background_workers', true), 'off') <> 'on' THEN
		RAISE NOTICE USING MESSAGE = format('pg_cron runs these jobs over a connection to "%s" as role "%s"',
				coalesce(current_setting('cron.host', true), 'localhost'), current_user),
			HINT = 'Let pg_hba.conf or .pgpass allow that connection without asking, or set cron.use_background_workers = on and restart.';
	END IF;
END $$;
COMMENT ON FUNCTION retail.schedule_jobs() IS
'Registers the jobs of retail.daily_job with pg_cron, or brings their schedule and command up to date; they run as the owner of this function. status: scheduled, updated or unchanged. Can be repeated. Raises RT051, with what to do, when pg_cron is not in this database, RT016 when it has a job of that name for another database, RT050.';

CREATE FUNCTION retail.unschedule_jobs() RETURNS TABLE (job text, schedule text, command text, status text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 10 SET search_path = retail, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	daily record;
	known record;
BEGIN
	PERFORM retail.require_installed();
	PERFORM retail.require_pg_cron();
	FOR daily IN SELECT d.name, d.schedule, d.command FROM retail.daily_job AS d ORDER BY d.name LOOP
		EXECUTE 'SELECT j.jobid, j.schedule, j.command FROM cron.job AS j
				WHERE j.jobname::text = $1 AND j.username::text = current_user::text AND j.database::text = current_database()::text'
			INTO known USING daily.name;
		IF known.jobid IS NOT NULL THEN
			EXECUTE 'SELECT cron.unschedule($1::bigint)' USING known.jobid;
		END IF;
		job := daily.name;
		schedule := coalesce(known.schedule, daily.schedule);
		command := coalesce(known.command, daily.command);
		status := CASE WHEN known.jobid IS NULL THEN 'not scheduled' ELSE 'unscheduled' END;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION retail.unschedule_jobs() IS
'Takes the jobs of retail.daily_job out of pg_cron; their rows stay. status: unscheduled or not scheduled. Can be repeated. Raises RT050, RT051.';

REVOKE ALL ON FUNCTION retail.note_running_task(text), retail.check_task_function(text),
	retail.record_task_failure(text, text, timestamptz, interval), retail.run_one_task(timestamptz, text[]),
	retail.run_next_task(timestamptz), retail.run_due_tasks(timestamptz),
	retail.put_task(text, text, interval, boolean, text, timestamptz), retail.enable_task(text, boolean, timestamptz),
	retail.run_integrity_check(timestamptz), retail.run_housekeeping(timestamptz),
	retail.put_daily_job(text, text, text), retail.require_pg_cron(), retail.schedule_jobs(), retail.unschedule_jobs()
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retail.record_task_failure(text, text, timestamptz, interval),
	retail.run_next_task(timestamptz), retail.run_due_tasks(timestamptz),
	retail.put_task(text, text, interval, boolean, text, timestamptz), retail.enable_task(text, boolean, timestamptz),
	retail.run_integrity_check(timestamptz), retail.run_housekeeping(timestamptz),
	retail.put_daily_job(text, text, text), retail.schedule_jobs(), retail.unschedule_jobs()
	TO retail_admin;
