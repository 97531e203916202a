/*-------------------------------------------------------------------------
 *
 * launcher.c
 *		The launcher: one process a server, which keeps one worker running in
 *		each database that has the extension.
 *
 * It is connected to the shared catalogs only, so it sees which databases
 * there are but not what is in them.  So it starts a worker in a database it
 * does not know, one such database at a time; a worker that finds no
 * extension leaves at once, and the database is tried again after
 * RETAIL_RECHECK_MS, or when CREATE EXTENSION commits there (ddl.c).
 *
 * Data structures: the slots in shared memory (slot.c), and beside them one
 * private array with the handles of the workers that were registered and
 * have not claimed their slot yet.  A launcher that is restarted finds the
 * workers of its predecessor in the slots and lets them be.
 *
 * Locking: catalogs, handles and signals are used outside of the slots' lock.
 *
 * Life cycle: RecoveryFinished --postmaster--> LOOK --> SLEEP --latch or
 * timeout--> LOOK.  It sleeps outside of any transaction.  SIGHUP reloads the
 * settings, SIGTERM ends it, and an error too; the postmaster brings it back
 * after 10 s.  When pg_retail.worker_enabled is off it starts nothing; the
 * workers leave on their own.  Never runs on a standby, nor in pg_upgrade.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "worker/worker.h"

#define RETAIL_LAUNCHER_RESTART_S 10

/* Waiting for a free background worker of the server: 10 s ... 5 min. */
#define RETAIL_EXHAUSTED_BASE_MS 10000
#define RETAIL_EXHAUSTED_CAP_MS 300000

StaticAssertDecl(sizeof(RetailWorkerArgs) <= BGW_EXTRALEN,
				 "the worker's arguments must fit into bgw_extra");

/* A database where a worker may run. */
typedef struct RetailDatabase
{
	Oid dboid;
	char *name;
} RetailDatabase;

/* A worker that was registered and has not been seen since. */
typedef struct RetailPendingWorker
{
	BackgroundWorkerHandle *handle; /* NULL when there is none */
	uint32 generation;
} RetailPendingWorker;

static RetailPendingWorker *PendingWorkers = NULL;

/* Registrations refused in a row, and when to try the next. */
static int ExhaustedCount = 0;
static TimestampTz ExhaustedUntil = 0;

/* What the log has been told already. */
static bool LoggedMissingRole = false;
static bool LoggedFullArray = false;

static void LauncherExit(int code, Datum arg);
static long LauncherLook(void);
static List *
ReadDatabases(MemoryContext context, bool *role_found, Oid *roleid);
static const RetailDatabase *FindDatabase(List *databases, Oid dboid);
static void CheckPendingWorkers(void);
static void RetireSlots(List *databases);
static void AddSlots(List *databases);
static void StartWorkers(List *databases, Oid roleid, bool known);
static bool StartWorker(int slotno, const RetailDatabase *database, Oid roleid);
static long NextLook(List *databases);

/*
 * RetailLauncherRegister makes the postmaster start the launcher as soon as
 * the server accepts writes.
 */
void
RetailLauncherRegister(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags =
		BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RETAIL_LAUNCHER_RESTART_S;
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name),
			 "pg_retail");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name),
			 "RetailLauncherMain");
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "pg_retail launcher");
	snprintf(worker.bgw_type, sizeof(worker.bgw_type), "pg_retail launcher");
	RegisterBackgroundWorker(&worker);
}

/*
 * RetailLauncherMain is the launcher process.
 */
void
RetailLauncherMain(Datum main_arg)
{
	MemoryContext look_context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	SetConfigOption("application_name", "pg_retail launcher", PGC_USERSET,
					PGC_S_SESSION);

	PendingWorkers = MemoryContextAllocZero(
		TopMemoryContext, RETAIL_MAX_DATABASES * sizeof(RetailPendingWorker));
	look_context = AllocSetContextCreate(
		TopMemoryContext, "pg_retail launcher look", ALLOCSET_DEFAULT_SIZES);

	before_shmem_exit(LauncherExit, (Datum) 0);
	LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
	RetailWorkers->launcher_pid = MyProcPid;
	LWLockRelease(RetailWorkers->lock);

	ereport(DEBUG1, (errmsg_internal("pg_retail launcher started")));

	for (;;)
	{
		long timeout = RetailLauncherNaptime;

		if (RetailWorkerEnabled)
		{
			MemoryContext old_context = MemoryContextSwitchTo(look_context);

			timeout = LauncherLook();
			MemoryContextSwitchTo(old_context);
			MemoryContextReset(look_context);
		}

		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 timeout, wait_event_compat("PgRetailLauncherMain"));
		ResetLatch(MyLatch);

		CHECK_FOR_INTERRUPTS();

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			LoggedMissingRole = false;
		}
	}
}

/*
 * LauncherExit takes the launcher's name off the board.
 */
static void
LauncherExit(int code, Datum arg)
{
	LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
	if (RetailWorkers->launcher_pid == MyProcPid)
		RetailWorkers->launcher_pid = 0;
	LWLockRelease(RetailWorkers->lock);
}

/*
 * LauncherLook compares the databases there are with the workers there are,
 * starts and stops what is needed, and returns how long to sleep (ms).
 */
static long
LauncherLook(void)
{
	bool role_found;
	Oid roleid;
	List *databases = ReadDatabases(CurrentMemoryContext, &role_found, &roleid);

	CheckPendingWorkers();
	RetireSlots(databases);
	AddSlots(databases);

	if (!role_found)
	{
		if (!LoggedMissingRole)
			ereport(
				WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" of pg_retail.worker_role does not exist",
						RetailWorkerRole),
				 errdetail("No pg_retail worker is started."),
				 errhint(
					 "Create the role, or change the setting and reload.")));
		LoggedMissingRole = true;
		return RetailLauncherNaptime;
	}
	LoggedMissingRole = false;

	StartWorkers(databases, roleid, true);
	StartWorkers(databases, roleid, false);

	return NextLook(databases);
}

/*
 * ReadDatabases lists the databases that accept connections and are no
 * templates, and looks up the role the workers run as, in one transaction.
 */
static List *
ReadDatabases(MemoryContext context, bool *role_found, Oid *roleid)
{
	List *databases = NIL;
	Relation relation;
	TableScanDesc scan;
	HeapTuple tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();

	*roleid = InvalidOid;
	*role_found = true;
	if (RetailWorkerRole != NULL && RetailWorkerRole[0] != '\0')
	{
		*roleid = get_role_oid(RetailWorkerRole, true);
		*role_found = OidIsValid(*roleid);
	}

	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old_context;
		RetailDatabase *database;

		if (!form->datallowconn || form->datistemplate ||
			database_is_invalid_compat(form))
			continue;

		old_context = MemoryContextSwitchTo(context);
		database = palloc(sizeof(RetailDatabase));
		database->dboid = form->oid;
		database->name = pstrdup(NameStr(form->datname));
		databases = lappend(databases, database);
		MemoryContextSwitchTo(old_context);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);

	CommitTransactionCommand();
	(void) pgstat_report_stat(true);

	/* The end of the transaction has left us in TopMemoryContext. */
	MemoryContextSwitchTo(context);

	return databases;
}

/*
 * FindDatabase returns a database of the list, or NULL.
 */
static const RetailDatabase *
FindDatabase(List *databases, Oid dboid)
{
	ListCell *cell;

	foreach(cell, databases)
	{
		const RetailDatabase *database = lfirst(cell);

		if (database->dboid == dboid)
			return database;
	}
	return NULL;
}

/*
 * CheckPendingWorkers finds the workers that were registered and have come to
 * nothing: the postmaster could not fork them, or they died before they
 * claimed their slot.
 */
static void
CheckPendingWorkers(void)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < RETAIL_MAX_DATABASES; i++)
	{
		RetailWorkerSlot *slot = &RetailWorkers->slots[i];
		RetailPendingWorker *pending = &PendingWorkers[i];
		bool starting;
		bool lost = false;
		uint32 generation;
		TimestampTz started_at;

		LWLockAcquire(RetailWorkers->lock, LW_SHARED);
		starting = slot->state == RETAIL_SLOT_STARTING;
		generation = slot->generation;
		started_at = slot->started_at;
		LWLockRelease(RetailWorkers->lock);

		if (starting)
		{
			pid_t pid;

			if (pending->handle != NULL && pending->generation == generation)
				lost = GetBackgroundWorkerPid(pending->handle, &pid) ==
					BGWH_STOPPED;
			else
				lost = TimestampDifferenceExceeds(started_at, now,
												  RETAIL_START_TIMEOUT_MS);
		}

		if (lost)
		{
			LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
			if (slot->state == RETAIL_SLOT_STARTING &&
				slot->generation == generation)
			{
				slot->state = RETAIL_SLOT_STOPPED;
				slot->generation++;
				slot->next_start_at = TimestampTzPlusMilliseconds(
					now,
					RetailBackoffMs(RETAIL_EXHAUSTED_BASE_MS, slot->failures,
									RETAIL_EXHAUSTED_CAP_MS));
				slot->failures++;
			}
			LWLockRelease(RetailWorkers->lock);
		}

		if (pending->handle != NULL && (!starting || lost))
		{
			pfree(pending->handle);
			pending->handle = NULL;
		}
	}
}

/*
 * RetireSlots frees the slots of databases that are gone, and stops workers
 * in databases that do not accept connections any more or became templates.
 */
static void
RetireSlots(List *databases)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < RETAIL_MAX_DATABASES; i++)
	{
		RetailWorkerSlot *slot = &RetailWorkers->slots[i];
		pid_t pid = 0;

		LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
		if (slot->state != RETAIL_SLOT_FREE &&
			FindDatabase(databases, slot->dboid) == NULL)
		{
			if (slot->state == RETAIL_SLOT_RUNNING)
				pid = slot->pid;
			else if (slot->state == RETAIL_SLOT_STOPPED &&
					 !RetailSlotIsSuspended(slot, now))
			{
				slot->state = RETAIL_SLOT_FREE;
				slot->dboid = InvalidOid;
			}
		}
		LWLockRelease(RetailWorkers->lock);

		if (pid != 0 && BackendPidGetProc(pid) != NULL)
			(void) kill(pid, SIGTERM);
	}
}

/*
 * AddSlots gives each database a slot.
 */
static void
AddSlots(List *databases)
{
	ListCell *cell;
	int without_slot = 0;

	LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
	foreach(cell, databases)
	{
		const RetailDatabase *database = lfirst(cell);

		if (RetailSlotFindOrAdd(database->dboid) == NULL)
			without_slot++;
	}
	LWLockRelease(RetailWorkers->lock);

	if (without_slot > 0 && !LoggedFullArray)
		ereport(WARNING,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("pg_retail does not look at %d of %d databases",
						without_slot, list_length(databases)),
				 errdetail("The launcher watches at most %d databases.",
						   RETAIL_MAX_DATABASES)));
	LoggedFullArray = without_slot > 0;
}

/*
 * StartWorkers starts what is missing, either in the databases known to have
 * the extension or in the others; of these one at a time, because each takes
 * one of the server's background workers only to find out.
 */
static void
StartWorkers(List *databases, Oid roleid, bool known)
{
	TimestampTz now = GetCurrentTimestamp();
	bool probing = false;

	if (ExhaustedCount > 0 && now < ExhaustedUntil)
		return;

	if (!known)
	{
		LWLockAcquire(RetailWorkers->lock, LW_SHARED);
		for (int i = 0; i < RETAIL_MAX_DATABASES; i++)
		{
			RetailWorkerSlot *slot = &RetailWorkers->slots[i];

			if (!slot->has_extension &&
				(slot->state == RETAIL_SLOT_STARTING ||
				 slot->state == RETAIL_SLOT_RUNNING))
				probing = true;
		}
		LWLockRelease(RetailWorkers->lock);
	}

	for (int i = 0; i < RETAIL_MAX_DATABASES && !probing; i++)
	{
		RetailWorkerSlot *slot = &RetailWorkers->slots[i];
		const RetailDatabase *database = NULL;

		LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
		if (slot->state == RETAIL_SLOT_STOPPED &&
			slot->has_extension == known && slot->next_start_at <= now &&
			!RetailSlotIsSuspended(slot, now))
			database = FindDatabase(databases, slot->dboid);
		if (database != NULL)
		{
			slot->state = RETAIL_SLOT_STARTING;
			slot->generation++;
			slot->recheck = false;
			slot->started_at = now;
		}
		LWLockRelease(RetailWorkers->lock);

		if (database == NULL)
			continue;
		if (!StartWorker(i, database, roleid))
			return;
		probing = !known;
	}
}

/*
 * StartWorker registers the worker of a slot that was set to STARTING.  When
 * the server has no background worker left it puts the slot back, says so
 * once, and returns false.
 */
static bool
StartWorker(int slotno, const RetailDatabase *database, Oid roleid)
{
	RetailWorkerSlot *slot = &RetailWorkers->slots[slotno];
	RetailPendingWorker *pending = &PendingWorkers[slotno];
	RetailWorkerArgs args;
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	MemoryContext old_context;
	bool registered;
	int64 wait;

	/* Only the launcher changes the generation of a slot that is in use. */
	memset(&args, 0, sizeof(args));
	args.dboid = database->dboid;
	args.roleid = roleid;
	args.generation = slot->generation;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags =
		BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name),
			 "pg_retail");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name),
			 "RetailWorkerMain");
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "pg_retail worker");
	snprintf(worker.bgw_type, sizeof(worker.bgw_type), "pg_retail worker");
	worker.bgw_main_arg = Int32GetDatum(slotno);
	memcpy(worker.bgw_extra, &args, sizeof(args));
	worker.bgw_notify_pid = MyProcPid;

	if (pending->handle != NULL)
	{
		pfree(pending->handle);
		pending->handle = NULL;
	}

	old_context = MemoryContextSwitchTo(TopMemoryContext);
	registered = RegisterDynamicBackgroundWorker(&worker, &handle);
	MemoryContextSwitchTo(old_context);

	if (registered)
	{
		pending->handle = handle;
		pending->generation = args.generation;
		ExhaustedCount = 0;
		return true;
	}

	LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
	if (slot->state == RETAIL_SLOT_STARTING)
		slot->state = RETAIL_SLOT_STOPPED;
	LWLockRelease(RetailWorkers->lock);

	wait = RetailBackoffMs(RETAIL_EXHAUSTED_BASE_MS, ExhaustedCount,
						   RETAIL_EXHAUSTED_CAP_MS);
	ExhaustedUntil = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), wait);
	if (ExhaustedCount++ == 0)
		ereport(
			WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("could not start the pg_retail worker of database \"%s\"",
					database->name),
			 errdetail(
				 "All background workers of the server are in use; pg_retail keeps trying."),
			 errhint(
				 "Consider increasing the configuration parameter max_worker_processes.")));
	return false;
}

/*
 * NextLook returns how long the launcher may sleep (ms): its naptime, or less
 * when a worker may be started earlier.
 */
static long
NextLook(List *databases)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz wake = TimestampTzPlusMilliseconds(now, RetailLauncherNaptime);

	LWLockAcquire(RetailWorkers->lock, LW_SHARED);
	for (int i = 0; i < RETAIL_MAX_DATABASES; i++)
	{
		const RetailWorkerSlot *slot = &RetailWorkers->slots[i];

		/*
		 * One that could start now waits for something that sets our latch:
		 * the answer of another database, or the end of a suspension.
		 */
		if (slot->state == RETAIL_SLOT_STOPPED && slot->next_start_at > now &&
			FindDatabase(databases, slot->dboid) != NULL)
			wake = Min(wake, slot->next_start_at);
	}
	LWLockRelease(RetailWorkers->lock);

	if (ExhaustedCount > 0 && ExhaustedUntil > now)
		wake = Min(wake, ExhaustedUntil);

	return TimestampDifferenceMilliseconds(now, wake) + 1;
}
