/*-------------------------------------------------------------------------
 *
 * ddl.c
 *		What commands on databases and on the extension itself must do about
 *		the worker, through ProcessUtility_hook.
 *
 * DROP DATABASE, ALTER DATABASE ... RENAME and SET TABLESPACE, and CREATE
 * DATABASE ... TEMPLATE fail while anybody is connected to the database.  So
 * the session that runs one suspends the database's slot, ends its worker and
 * waits until that is gone; at the end of its transaction, whatever the end,
 * it lifts the suspension and wakes the launcher.  That is done for the owner
 * of the database only: everybody else is about to be refused, and must not
 * be able to disturb.
 *
 * ALTER EXTENSION pg_retail UPDATE first locks the extension object, which it
 * would not do by itself: a step of the worker holds the share lock, so it is
 * waited for, and the next begins after the commit.  DROP EXTENSION takes
 * that lock in core.  CREATE EXTENSION wakes the launcher, DROP EXTENSION the
 * worker, both after the commit.
 *
 * Data structures: three variables of the session, good for the current
 * transaction, consumed by the transaction callback.
 *
 * Locking: the slots' lock for single changes (slot.c); never while waiting.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "worker/worker.h"

/* How often we look whether the worker is gone. */
#define RETAIL_STOP_POLL_MS 10

static ProcessUtility_hook_type PreviousProcessUtility = NULL;

/* What the current transaction owes at its end. */
static Oid SuspendedDatabase = InvalidOid;
static bool CreatedExtension = false;
static bool DroppedExtension = false;

static void
RetailProcessUtility(PlannedStmt *pstmt, const char *queryString,
					 bool readOnlyTree, ProcessUtilityContext context,
					 ParamListInfo params, QueryEnvironment *queryEnv,
					 DestReceiver *dest, QueryCompletion *qc);
static const char *DatabaseToLeave(Node *statement);
static const char *OptionString(List *options, const char *name);
static bool DropsExtension(DropStmt *statement);
static void LeaveDatabase(const char *name);
static void WaitUntilGone(pid_t pid, const char *name);
static void LockExtensionForUpdate(void);
static void RetailDdlXactCallback(XactEvent event, void *arg);

/*
 * RetailDdlInit puts our hook in front of the others.
 */
void
RetailDdlInit(void)
{
	PreviousProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = RetailProcessUtility;
	RegisterXactCallback(RetailDdlXactCallback, NULL);
}

/*
 * RetailProcessUtility prepares for the commands that concern us and passes
 * every command on.
 */
static void
RetailProcessUtility(PlannedStmt *pstmt, const char *queryString,
					 bool readOnlyTree, ProcessUtilityContext context,
					 ParamListInfo params, QueryEnvironment *queryEnv,
					 DestReceiver *dest, QueryCompletion *qc)
{
	Node *statement = pstmt->utilityStmt;

	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
		case T_CreatedbStmt:
		case T_AlterDatabaseStmt:
		case T_RenameStmt:
		{
			const char *name = DatabaseToLeave(statement);

			/* Inside a transaction block these fail by themselves. */
			if (name != NULL &&
				!IsInTransactionBlock(context == PROCESS_UTILITY_TOPLEVEL))
				LeaveDatabase(name);
		}
		break;

		case T_AlterExtensionStmt:
			if (strcmp(((AlterExtensionStmt *) statement)->extname,
					   RETAIL_EXTENSION_NAME) == 0)
				LockExtensionForUpdate();
			break;

		case T_CreateExtensionStmt:
			if (strcmp(((CreateExtensionStmt *) statement)->extname,
					   RETAIL_EXTENSION_NAME) == 0)
				CreatedExtension = true;
			break;

		case T_DropStmt:
			if (DropsExtension((DropStmt *) statement))
				DroppedExtension = true;
			break;

		default:
			break;
	}

	if (PreviousProcessUtility)
		PreviousProcessUtility(pstmt, queryString, readOnlyTree, context,
							   params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context,
								params, queryEnv, dest, qc);
}

/*
 * DatabaseToLeave returns the name of the database that a command needs to
 * itself, or NULL.
 */
static const char *
DatabaseToLeave(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) statement)->dbname;

		case T_CreatedbStmt:
			return OptionString(((CreatedbStmt *) statement)->options,
								"template");

		case T_AlterDatabaseStmt:
			if (OptionString(((AlterDatabaseStmt *) statement)->options,
							 "tablespace") != NULL)
				return ((AlterDatabaseStmt *) statement)->dbname;
			break;

		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				return ((RenameStmt *) statement)->subname;
			break;

		default:
			break;
	}
	return NULL;
}

/*
 * OptionString returns the value of an option of a command, or NULL.
 */
static const char *
OptionString(List *options, const char *name)
{
	ListCell *cell;

	foreach(cell, options)
	{
		DefElem *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

/*
 * DropsExtension tells whether a DROP names our extension.
 */
static bool
DropsExtension(DropStmt *statement)
{
	ListCell *cell;

	if (statement->removeType != OBJECT_EXTENSION)
		return false;

	foreach(cell, statement->objects)
	{
		if (strcmp(strVal(lfirst(cell)), RETAIL_EXTENSION_NAME) == 0)
			return true;
	}
	return false;
}

/*
 * LeaveDatabase keeps workers out of a database until the end of the
 * transaction, and ends the one that is in it.
 */
static void
LeaveDatabase(const char *name)
{
	Oid dboid;
	pid_t pid;

	if (OidIsValid(SuspendedDatabase) || RecoveryInProgress())
		return;

	dboid = get_database_oid(name, true);
	if (!OidIsValid(dboid) || dboid == MyDatabaseId ||
		!database_ownercheck_compat(dboid, GetUserId()))
		return;

	pid = RetailSlotSuspend(dboid);
	SuspendedDatabase = dboid;

	if (pid != 0)
		WaitUntilGone(pid, name);
}

/*
 * WaitUntilGone ends a worker and waits until it is no longer in the list of
 * processes, for a limited time; what comes then, the command itself reports.
 */
static void
WaitUntilGone(pid_t pid, const char *name)
{
	TimestampTz start = GetCurrentTimestamp();

	if (BackendPidGetProc(pid) == NULL)
		return;
	if (kill(pid, SIGTERM) != 0)
		ereport(DEBUG1,
				(errmsg_internal("could not signal pg_retail worker %d: %m",
								 (int) pid)));

	while (BackendPidGetProc(pid) != NULL)
	{
		if (TimestampDifferenceExceeds(start, GetCurrentTimestamp(),
									   RETAIL_STOP_TIMEOUT_MS))
		{
			ereport(
				WARNING,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg(
					 "the pg_retail worker of database \"%s\" has not stopped yet",
					 name),
				 errdetail("Its PID is %d.", (int) pid)));
			return;
		}

		(void) WaitLatch(
			MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
			RETAIL_STOP_POLL_MS, wait_event_compat("PgRetailWorkerStop"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * LockExtensionForUpdate waits until no step of the worker runs, and keeps
 * the next from beginning before the end of the transaction.
 */
static void
LockExtensionForUpdate(void)
{
	Oid extoid = get_extension_oid(RETAIL_EXTENSION_NAME, true);

	/* Others are about to be refused, and must not hold up the worker. */
	if (OidIsValid(extoid) && extension_ownercheck_compat(extoid, GetUserId()))
		LockDatabaseObject(ExtensionRelationId, extoid, 0, AccessExclusiveLock);
}

/*
 * RetailDdlXactCallback does at the end of a transaction what its commands
 * have left to do.
 */
static void
RetailDdlXactCallback(XactEvent event, void *arg)
{
	bool committed = event == XACT_EVENT_COMMIT;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;

	if (OidIsValid(SuspendedDatabase))
	{
		RetailSlotResume(SuspendedDatabase);
		RetailWakeLauncher();
	}
	if (CreatedExtension && committed)
	{
		RetailSlotRecheck(MyDatabaseId);
		RetailWakeLauncher();
	}
	if (DroppedExtension && committed)
		RetailWakeProcess(RetailSlotPid(MyDatabaseId));

	SuspendedDatabase = InvalidOid;
	CreatedExtension = false;
	DroppedExtension = false;
}
