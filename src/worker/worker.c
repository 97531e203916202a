/*-------------------------------------------------------------------------
 *
 * worker.c
 *		The worker: one process a database that runs the tasks of the table
 *		retail.task when they are due.  Also the settings of this room and
 *		RetailWorkerInit(), which sets it up.
 *
 * C knows nothing of tasks.  A step is one transaction in which the worker
 * calls the SQL function retail.run_next_task(), which picks a due task, runs
 * it inside a subtransaction, and records how it ended.  What escapes from
 * there (a cancel, a statement that cannot be caught) is recorded by the
 * worker in a new transaction, so that such a task backs off like any other
 * and the tasks behind it run.
 *
 * Data structures: RunningTask, the name of the task that the current step
 * has reached; it is set through retail.note_running_task() and survives the
 * rollback of the step.  Memory of a pass is in one context, which is reset.
 *
 * Locking: a step holds AccessShareLock on the extension object from before
 * it looks for the first function until its end.  DROP EXTENSION (core) and
 * ALTER EXTENSION UPDATE (ddl.c) hold AccessExclusiveLock, so neither meets a
 * running step, and a step never sees half of an update.
 *
 * Life cycle:
 *
 *	CLAIM --slot is not ours any more--> exit 0, before it connects
 *	CLAIM --> CONNECT --> PASS
 *	PASS: steps until nothing is due --> SLEEP
 *	PASS --the extension is not here--> exit 0, try again later
 *	PASS --disabled, or another role--> exit 0
 *	PASS --an error that could not be recorded--> SLEEP, longer each time
 *	SLEEP --latch or timeout--> PASS
 *	SLEEP --SIGTERM--> exit 0
 *	PASS --SIGTERM or FATAL--> exit 1; the launcher backs off, unless it was
 *	suspended
 *
 * It never sleeps inside a transaction.  Where retail.install() has not run
 * yet, and where transactions are read only, a pass does nothing.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "compat.h"
#include "worker/worker.h"

/* Sleep after errors that could not be recorded: 1 s ... 1 min. */
#define RETAIL_ERROR_BASE_MS 1000
#define RETAIL_ERROR_CAP_MS 60000

typedef enum StepResult
{
	STEP_RAN,		   /* a task ran, well or not */
	STEP_IDLE,		   /* nothing is due, or not installed yet */
	STEP_ERROR,		   /* failed before or beside any task */
	STEP_NO_EXTENSION, /* the extension is not in this database */
	STEP_OTHER_ROLE	   /* pg_retail.worker_role is not what we are */
} StepResult;

/* settings */
bool RetailWorkerEnabled = true;
int RetailWorkerNaptime = 1000;
int RetailLauncherNaptime = 10000;
char *RetailWorkerRole = NULL;

/* this process, when it is a worker */
static bool IsRetailWorker = false;
static int WorkerSlotNo = -1;
static RetailWorkerArgs WorkerArgs;
static RetailExitReason WorkerExitReason = RETAIL_EXIT_ERROR;
static MemoryContext PassContext = NULL;
static char RunningTask[2 * NAMEDATALEN];

static void DefineSettings(void);
static void WorkerExit(int code, Datum arg);
static void WorkerLeave(RetailExitReason reason);
static StepResult RunPass(void);
static StepResult RunStep(void);
static StepResult CallNextTask(void);
static bool LockExtension(void);
static bool ConfiguredRoleIsOurs(void);
static bool SchemaIsInstalled(void);
static bool RecordFailure(const char *task, const ErrorData *failure);
static void HandleConfigReload(void);

PG_FUNCTION_INFO_V1(retail_note_running_task);

/*
 * RetailWorkerInit defines the settings, and, when the library is preloaded,
 * asks for shared memory, hooks DDL and registers the launcher.
 */
void
RetailWorkerInit(void)
{
	DefineSettings();

	if (!process_shared_preload_libraries_in_progress)
		return;

	RetailSlotInit();
	RetailDdlInit();

	/* Nothing may write while pg_upgrade copies the databases. */
	if (!IsBinaryUpgrade)
		RetailLauncherRegister();
}

/*
 * DefineSettings defines the settings of this room.
 */
static void
DefineSettings(void)
{
	DefineCustomBoolVariable(
		"pg_retail.worker_enabled",
		"Runs background workers in the databases where pg_retail is installed.",
		NULL, &RetailWorkerEnabled, true, PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_retail.worker_naptime",
							"Time a worker sleeps when no task is due.", NULL,
							&RetailWorkerNaptime, 1000, 10, 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"pg_retail.launcher_naptime",
		"Time between two looks of the launcher at the databases.", NULL,
		&RetailLauncherNaptime, 10000, 100, 3600 * 1000, PGC_SIGHUP,
		GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomStringVariable(
		"pg_retail.worker_role", "Role that the workers run as.",
		"It must be able to log in, and a member of retail_admin. "
		"An empty string means the bootstrap superuser.",
		&RetailWorkerRole, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/*
 * RetailWorkerMain is the worker process of one database.
 */
void
RetailWorkerMain(Datum main_arg)
{
	int failures = 0;

	WorkerSlotNo = DatumGetInt32(main_arg);
	memcpy(&WorkerArgs, MyBgworkerEntry->bgw_extra, sizeof(WorkerArgs));

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	/*
	 * Before the connection is made, so that a session which suspends the
	 * slot either sees us in it or keeps us out of the database; and so that
	 * our transaction is over when the slot is given back.
	 */
	before_shmem_exit(WorkerExit, (Datum) 0);
	if (!RetailSlotClaim(WorkerSlotNo, &WorkerArgs))
		WorkerLeave(RETAIL_EXIT_ASKED);

	BackgroundWorkerInitializeConnectionByOid(WorkerArgs.dboid,
											  WorkerArgs.roleid, 0);
	IsRetailWorker = true;

	/* Whatever the database and the role say. */
	SetConfigOption("application_name", "pg_retail worker", PGC_USERSET,
					PGC_S_OVERRIDE);
	SetConfigOption("search_path", "pg_catalog", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed",
					PGC_SUSET, PGC_S_OVERRIDE);

	PassContext = AllocSetContextCreate(
		TopMemoryContext, "pg_retail worker pass", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		long nap = RetailWorkerNaptime;
		StepResult result;

		result = RunPass();

		if (result == STEP_NO_EXTENSION)
			WorkerLeave(RETAIL_EXIT_NO_EXTENSION);
		if (result == STEP_OTHER_ROLE || !RetailWorkerEnabled)
			WorkerLeave(RETAIL_EXIT_ASKED);
		if (result == STEP_ERROR)
			nap = RetailBackoffMs(Max(nap, RETAIL_ERROR_BASE_MS), ++failures,
								  Max(nap, RETAIL_ERROR_CAP_MS));
		else
			failures = 0;

		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, nap,
						 wait_event_compat("PgRetailWorkerMain"));
		ResetLatch(MyLatch);

		/* There is no work that would be lost, so nothing to complain about. */
		if (ProcDiePending)
			WorkerLeave(RETAIL_EXIT_ASKED);

		/* There is no statement that a cancel could be meant for. */
		QueryCancelPending = false;
		CHECK_FOR_INTERRUPTS();
		HandleConfigReload();
	}
}

/*
 * WorkerExit gives the slot back, however the process ends.
 */
static void
WorkerExit(int code, Datum arg)
{
	RetailSlotRelease(WorkerSlotNo, WorkerArgs.generation, WorkerExitReason);
}

/*
 * WorkerLeave ends the process in good order.
 */
static void
WorkerLeave(RetailExitReason reason)
{
	WorkerExitReason = reason;
	proc_exit(0);
}

/*
 * RunPass runs due tasks, each in its own transaction, until none is left.
 */
static StepResult
RunPass(void)
{
	StepResult result = STEP_IDLE;

	while (RetailWorkerEnabled)
	{
		MemoryContextSwitchTo(PassContext);
		result = RunStep();
		MemoryContextSwitchTo(TopMemoryContext);
		MemoryContextReset(PassContext);

		if (result != STEP_RAN)
			break;

		HandleConfigReload();
	}

	(void) pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);

	return result;
}

/*
 * RunStep runs the next due task; an error is logged, and recorded for the
 * task that was running.
 */
static StepResult
RunStep(void)
{
	volatile StepResult result = STEP_ERROR;
	ErrorData *volatile failure = NULL;

	RunningTask[0] = '\0';

	PG_TRY()
		;
		{
			result = CallNextTask();
		}
		PG_CATCH();
		{
			HOLD_INTERRUPTS();
			MemoryContextSwitchTo(PassContext);
			failure = CopyErrorData();
			disable_all_timeouts(false);
			QueryCancelPending = false;
			EmitErrorReport();
			FlushErrorState();
			AbortCurrentTransaction();
			RESUME_INTERRUPTS();
		}
	PG_END_TRY();

	if (failure != NULL)
	{
		MemoryContextSwitchTo(PassContext);
		if (RunningTask[0] != '\0' && RecordFailure(RunningTask, failure))
			result = STEP_RAN;
		else
			result = STEP_ERROR;
	}

	return result;
}

/*
 * CallNextTask is one step: a transaction that calls retail.run_next_task().
 */
static StepResult
CallNextTask(void)
{
	StepResult result = STEP_IDLE;
	static bool confirmed = false;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();

	if (!ConfiguredRoleIsOurs())
	{
		CommitTransactionCommand();
		return STEP_OTHER_ROLE;
	}
	if (!LockExtension())
	{
		CommitTransactionCommand();
		return STEP_NO_EXTENSION;
	}
	if (!confirmed)
	{
		RetailSlotConfirm(WorkerSlotNo);
		confirmed = true;
	}

	if (SchemaIsInstalled() && !XactReadOnly)
	{
		int code;

		PushActiveSnapshot(GetTransactionSnapshot());
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");

		pgstat_report_activity(STATE_RUNNING, "SELECT retail.run_next_task()");
		code = SPI_execute("SELECT retail.run_next_task()", false, 0);
		if (code != SPI_OK_SELECT || SPI_processed != 1)
			elog(ERROR, "retail.run_next_task() failed: %s",
				 SPI_result_code_string(code));
		if (SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) !=
			NULL)
			result = STEP_RAN;

		SPI_finish();
		PopActiveSnapshot();
	}

	CommitTransactionCommand();

	return result;
}

/*
 * LockExtension locks the extension object against update and removal until
 * the end of the transaction; false when the extension is not there.
 */
static bool
LockExtension(void)
{
	Oid extoid = get_extension_oid(RETAIL_EXTENSION_NAME, true);

	if (!OidIsValid(extoid))
		return false;

	LockDatabaseObject(ExtensionRelationId, extoid, 0, AccessShareLock);

	/* It may have been dropped while we waited. */
	return get_extension_oid(RETAIL_EXTENSION_NAME, true) == extoid;
}

/*
 * ConfiguredRoleIsOurs tells whether the setting still names the role that we
 * are connected as.
 */
static bool
ConfiguredRoleIsOurs(void)
{
	Oid roleid = InvalidOid;

	if (RetailWorkerRole != NULL && RetailWorkerRole[0] != '\0')
	{
		roleid = get_role_oid(RetailWorkerRole, true);
		if (!OidIsValid(roleid))
			return false;
	}
	return roleid == WorkerArgs.roleid;
}

/*
 * SchemaIsInstalled tells whether retail.install() has made the table of
 * tasks.
 */
static bool
SchemaIsInstalled(void)
{
	Oid schemaoid = get_namespace_oid("retail", true);

	return OidIsValid(schemaoid) &&
		OidIsValid(get_relname_relid("task", schemaoid));
}

/*
 * RecordFailure writes an error that escaped from a task into its row, in a
 * transaction of its own; false when that fails too.
 */
static bool
RecordFailure(const char *task, const ErrorData *failure)
{
	volatile bool recorded = false;

	PG_TRY()
		;
		{
			Oid types[2] = {TEXTOID, TEXTOID};
			Datum values[2];

			SetCurrentStatementStartTimestamp();
			StartTransactionCommand();
			if (LockExtension() && SchemaIsInstalled())
			{
				PushActiveSnapshot(GetTransactionSnapshot());
				if (SPI_connect() != SPI_OK_CONNECT)
					elog(ERROR, "SPI_connect failed");

				values[0] = CStringGetTextDatum(task);
				values[1] = CStringGetTextDatum(
					psprintf("%s: %s", unpack_sql_state(failure->sqlerrcode),
							 failure->message ? failure->message
											  : "missing error text"));
				if (SPI_execute_with_args(
						"SELECT retail.record_task_failure($1, $2)", 2, types,
						values, NULL, false, 0) != SPI_OK_SELECT)
					elog(ERROR, "retail.record_task_failure() failed");
				recorded = true;

				SPI_finish();
				PopActiveSnapshot();
			}
			CommitTransactionCommand();
		}
		PG_CATCH();
		{
			HOLD_INTERRUPTS();
			MemoryContextSwitchTo(PassContext);
			disable_all_timeouts(false);
			QueryCancelPending = false;
			EmitErrorReport();
			FlushErrorState();
			AbortCurrentTransaction();
			RESUME_INTERRUPTS();
			recorded = false;
		}
	PG_END_TRY();

	return recorded;
}

/*
 * HandleConfigReload reads the configuration again after SIGHUP.
 */
static void
HandleConfigReload(void)
{
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/*
 * retail_note_running_task(text) tells the worker, and everyone who looks at
 * pg_stat_activity, which task it is running.  Elsewhere it does nothing.
 */
Datum
retail_note_running_task(PG_FUNCTION_ARGS)
{
	if (IsRetailWorker)
	{
		char *task = text_to_cstring(PG_GETARG_TEXT_PP(0));
		char *activity = psprintf("pg_retail task %s", task);

		strlcpy(RunningTask, task, sizeof(RunningTask));
		pgstat_report_activity(STATE_RUNNING, activity);
	}
	PG_RETURN_VOID();
}
