/*-------------------------------------------------------------------------
 *
 * worker.h
 *		What the files of the worker room share: the slots in shared memory,
 *		the settings, and who calls whom.
 *
 * slot.c		shared memory, and every change of a slot
 * launcher.c	the launcher process
 * worker.c		the worker process of one database; RetailWorkerInit()
 * ddl.c		what DROP DATABASE and its like must do first
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef RETAIL_WORKER_H
#define RETAIL_WORKER_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

/* Databases the launcher can watch; a slot is some 70 bytes. */
#define RETAIL_MAX_DATABASES 1024

/* How long a database without the extension is left alone. */
#define RETAIL_RECHECK_MS 60000

/* How long DDL on a database waits for its worker to leave. */
#define RETAIL_STOP_TIMEOUT_MS 5000

/* A suspension that nobody ends is over after this long. */
#define RETAIL_SUSPEND_MS 600000

/* A worker that the postmaster has not forked by then never will be. */
#define RETAIL_START_TIMEOUT_MS 60000

#define RETAIL_EXTENSION_NAME "pg_retail"

/*
 * The life of a slot.
 *
 *	FREE --launcher sees the database--> STOPPED --registered--> STARTING
 *	STARTING --worker claims it--> RUNNING --worker exits--> STOPPED
 *	STARTING --postmaster could not start it--> STOPPED
 *	STOPPED --database is gone--> FREE
 *
 * Suspension (DDL on the database) is beside this: a suspended slot is not
 * started, and a worker that claims one leaves before it connects.
 */
typedef enum RetailSlotState
{
	RETAIL_SLOT_FREE = 0,
	RETAIL_SLOT_STOPPED,
	RETAIL_SLOT_STARTING,
	RETAIL_SLOT_RUNNING
} RetailSlotState;

/* One database.  All fields are protected by RetailWorkerShared.lock. */
typedef struct RetailWorkerSlot
{
	Oid dboid; /* InvalidOid when the slot is free */
	RetailSlotState state;
	pid_t pid;			/* of the worker, 0 unless RUNNING */
	uint32 generation;	/* tells the worker that was started last from
								 * a straggler of an earlier start */
	bool has_extension; /* a worker has seen the extension there; such
								 * databases are started before unknown ones */
	bool recheck;		/* CREATE EXTENSION committed since the start of
								 * the last worker, which may have missed it */
	int failures;		/* exits in error since the last quiet run */
	int suspenders;		/* sessions that asked for suspension */
	TimestampTz suspended_until; /* safety net if they never end it */
	TimestampTz started_at;		 /* when the last worker was registered */
	TimestampTz next_start_at;	 /* not before: back-off or re-check */
} RetailWorkerSlot;

typedef struct RetailWorkerShared
{
	LWLock *lock;
	pid_t launcher_pid; /* 0 when there is none */
	RetailWorkerSlot slots[RETAIL_MAX_DATABASES];
} RetailWorkerShared;

/* What the launcher hands to a worker in bgw_extra. */
typedef struct RetailWorkerArgs
{
	Oid dboid;
	Oid roleid; /* InvalidOid: the bootstrap superuser */
	uint32 generation;
} RetailWorkerArgs;

/* Why a worker leaves; decides when the next one may come. */
typedef enum RetailExitReason
{
	RETAIL_EXIT_ERROR = 0,	  /* unless it says otherwise: back off */
	RETAIL_EXIT_NO_EXTENSION, /* look again in RETAIL_RECHECK_MS */
	RETAIL_EXIT_ASKED		  /* a setting changed: whenever allowed */
} RetailExitReason;

/* settings (worker.c) */
extern bool RetailWorkerEnabled;
extern int RetailWorkerNaptime;
extern int RetailLauncherNaptime;
extern char *RetailWorkerRole;

/* slot.c */
extern RetailWorkerShared *RetailWorkers;

extern void RetailSlotInit(void);
extern RetailWorkerSlot *RetailSlotFind(Oid dboid);
extern RetailWorkerSlot *RetailSlotFindOrAdd(Oid dboid);
extern bool
RetailSlotIsSuspended(const RetailWorkerSlot *slot, TimestampTz now);
extern bool RetailSlotClaim(int slotno, const RetailWorkerArgs *args);
extern void
RetailSlotRelease(int slotno, uint32 generation, RetailExitReason reason);
extern void RetailSlotConfirm(int slotno);
extern pid_t RetailSlotSuspend(Oid dboid);
extern void RetailSlotResume(Oid dboid);
extern pid_t RetailSlotPid(Oid dboid);
extern void RetailSlotRecheck(Oid dboid);
extern void RetailWakeProcess(pid_t pid);
extern void RetailWakeLauncher(void);
extern int64 RetailBackoffMs(int64 base, int failures, int64 cap);

/* launcher.c */
extern PGDLLEXPORT void RetailLauncherMain(Datum main_arg);
extern void RetailLauncherRegister(void);

/* worker.c */
extern PGDLLEXPORT void RetailWorkerMain(Datum main_arg);
extern void RetailWorkerInit(void);

/* ddl.c */
extern void RetailDdlInit(void);

#endif /* RETAIL_WORKER_H */
