/*-------------------------------------------------------------------------
 *
 * slot.c
 *		The table of databases in shared memory that launcher, workers and
 *		DDL sessions share.
 *
 * Data structures: one fixed array of RetailWorkerSlot, one slot a database,
 * created with the server and emptied by a crash restart.  It has no more
 * than a thousand entries and is looked at a few times a second, so it is
 * searched from one end.
 *
 * Locking: one LWLock, RetailWorkers->lock, protects the whole array and the
 * launcher's pid.  It is held for the few instructions of one change, never
 * across a wait, a signal, a catalog access or a palloc, and no other lock is
 * taken under it.  A pointer to a slot is valid only while it is held; the
 * functions below take it themselves, except those that hand out such a
 * pointer, whose caller holds it.
 *
 * Life cycle: see RetailSlotState in worker.h.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "worker/worker.h"

#define RETAIL_LWLOCK_TRANCHE "pg_retail_worker"

/* A worker that lived this long has recovered from its earlier failures. */
#define RETAIL_QUIET_RUN_MS 300000

/* Restart back-off: 1 s, 2 s, 4 s ... 5 min. */
#define RETAIL_RESTART_BASE_MS 1000
#define RETAIL_RESTART_CAP_MS 300000

RetailWorkerShared *RetailWorkers = NULL;

static shmem_request_hook_type PreviousShmemRequestHook = NULL;
static shmem_startup_hook_type PreviousShmemStartupHook = NULL;

static void RetailSlotShmemRequest(void);
static void RetailSlotShmemStartup(void);

/*
 * RetailSlotInit asks for the shared memory; called while the library is
 * preloaded.
 */
void
RetailSlotInit(void)
{
	PreviousShmemRequestHook = shmem_request_hook;
	shmem_request_hook = RetailSlotShmemRequest;
	PreviousShmemStartupHook = shmem_startup_hook;
	shmem_startup_hook = RetailSlotShmemStartup;
}

/*
 * RetailSlotShmemRequest reserves the array and its lock.
 */
static void
RetailSlotShmemRequest(void)
{
	if (PreviousShmemRequestHook)
		PreviousShmemRequestHook();

	RequestAddinShmemSpace(MAXALIGN(sizeof(RetailWorkerShared)));
	RequestNamedLWLockTranche(RETAIL_LWLOCK_TRANCHE, 1);
}

/*
 * RetailSlotShmemStartup creates the array, or attaches to it.
 */
static void
RetailSlotShmemStartup(void)
{
	bool found;

	if (PreviousShmemStartupHook)
		PreviousShmemStartupHook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	RetailWorkers = ShmemInitStruct("pg_retail workers",
									sizeof(RetailWorkerShared), &found);
	if (!found)
	{
		memset(RetailWorkers, 0, sizeof(RetailWorkerShared));
		RetailWorkers->lock =
			&(GetNamedLWLockTranche(RETAIL_LWLOCK_TRANCHE))->lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * RetailSlotFind returns the slot of a database, or NULL.  The caller holds
 * the lock.
 */
RetailWorkerSlot *
RetailSlotFind(Oid dboid)
{
	Assert(LWLockHeldByMe(RetailWorkers->lock));

	for (int i = 0; i < RETAIL_MAX_DATABASES; i++)
	{
		RetailWorkerSlot *slot = &RetailWorkers->slots[i];

		if (slot->state != RETAIL_SLOT_FREE && slot->dboid == dboid)
			return slot;
	}
	return NULL;
}

/*
 * RetailSlotFindOrAdd returns the slot of a database, taking a free one when
 * it has none; NULL when all are taken.  The caller holds the lock
 * exclusively.
 */
RetailWorkerSlot *
RetailSlotFindOrAdd(Oid dboid)
{
	RetailWorkerSlot *slot = RetailSlotFind(dboid);

	if (slot != NULL)
		return slot;

	for (int i = 0; i < RETAIL_MAX_DATABASES; i++)
	{
		slot = &RetailWorkers->slots[i];
		if (slot->state == RETAIL_SLOT_FREE)
		{
			uint32 generation = slot->generation;

			memset(slot, 0, sizeof(RetailWorkerSlot));
			/* A straggler of the slot's former database must not match. */
			slot->generation = generation + 1;
			slot->dboid = dboid;
			slot->state = RETAIL_SLOT_STOPPED;
			return slot;
		}
	}
	return NULL;
}

/*
 * RetailSlotIsSuspended tells whether DDL keeps workers away from a database.
 * The caller holds the lock.
 */
bool
RetailSlotIsSuspended(const RetailWorkerSlot *slot, TimestampTz now)
{
	return slot->suspenders > 0 && now < slot->suspended_until;
}

/*
 * RetailSlotClaim makes the calling worker the worker of its slot.  False
 * means that it is not wanted any more and must leave without connecting.
 */
bool
RetailSlotClaim(int slotno, const RetailWorkerArgs *args)
{
	RetailWorkerSlot *slot = &RetailWorkers->slots[slotno];
	TimestampTz now = GetCurrentTimestamp();
	bool claimed = false;

	LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
	if (slot->state == RETAIL_SLOT_STARTING && slot->dboid == args->dboid &&
		slot->generation == args->generation)
	{
		if (RetailSlotIsSuspended(slot, now))
			slot->state = RETAIL_SLOT_STOPPED;
		else
		{
			slot->state = RETAIL_SLOT_RUNNING;
			slot->pid = MyProcPid;
			claimed = true;
		}
	}
	LWLockRelease(RetailWorkers->lock);

	return claimed;
}

/*
 * RetailSlotRelease gives the slot back when its worker exits, and decides
 * when the next worker may come.
 */
void
RetailSlotRelease(int slotno, uint32 generation, RetailExitReason reason)
{
	RetailWorkerSlot *slot = &RetailWorkers->slots[slotno];
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
	if (slot->state == RETAIL_SLOT_RUNNING && slot->pid == MyProcPid &&
		slot->generation == generation)
	{
		slot->pid = 0;
		slot->state = RETAIL_SLOT_STOPPED;
		slot->next_start_at = 0;

		if (reason == RETAIL_EXIT_NO_EXTENSION)
		{
			slot->failures = 0;
			if (!slot->recheck)
			{
				slot->has_extension = false;
				slot->next_start_at =
					TimestampTzPlusMilliseconds(now, RETAIL_RECHECK_MS);
			}
		}
		else if (reason == RETAIL_EXIT_ERROR &&
				 !RetailSlotIsSuspended(slot, now))
		{
			int64 wait;

			if (TimestampDifferenceExceeds(slot->started_at, now,
										   RETAIL_QUIET_RUN_MS))
				slot->failures = 0;
			wait = RetailBackoffMs(RETAIL_RESTART_BASE_MS, slot->failures,
								   RETAIL_RESTART_CAP_MS);
			slot->failures++;
			slot->next_start_at = TimestampTzPlusMilliseconds(now, wait);
		}
	}
	LWLockRelease(RetailWorkers->lock);

	RetailWakeLauncher();
}

/*
 * RetailSlotConfirm notes that the worker has found the extension in its
 * database.
 */
void
RetailSlotConfirm(int slotno)
{
	RetailWorkerSlot *slot = &RetailWorkers->slots[slotno];

	LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
	slot->has_extension = true;
	LWLockRelease(RetailWorkers->lock);

	/* The launcher may be waiting with the next unknown database. */
	RetailWakeLauncher();
}

/*
 * RetailSlotSuspend keeps new workers away from a database until
 * RetailSlotResume, and returns the pid of the worker there, or 0.
 */
pid_t
RetailSlotSuspend(Oid dboid)
{
	RetailWorkerSlot *slot;
	TimestampTz now = GetCurrentTimestamp();
	pid_t pid = 0;

	LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
	slot = RetailSlotFindOrAdd(dboid);
	if (slot != NULL)
	{
		/* Those whose time has run out do not count any more. */
		if (!RetailSlotIsSuspended(slot, now))
			slot->suspenders = 0;
		slot->suspenders++;
		slot->suspended_until =
			TimestampTzPlusMilliseconds(now, RETAIL_SUSPEND_MS);
		pid = slot->pid;
	}
	LWLockRelease(RetailWorkers->lock);

	return pid;
}

/*
 * RetailSlotResume takes back one RetailSlotSuspend.
 */
void
RetailSlotResume(Oid dboid)
{
	RetailWorkerSlot *slot;

	LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
	slot = RetailSlotFind(dboid);
	if (slot != NULL && slot->suspenders > 0)
		slot->suspenders--;
	LWLockRelease(RetailWorkers->lock);
}

/*
 * RetailSlotPid returns the pid of the worker of a database, or 0.
 */
pid_t
RetailSlotPid(Oid dboid)
{
	RetailWorkerSlot *slot;
	pid_t pid = 0;

	LWLockAcquire(RetailWorkers->lock, LW_SHARED);
	slot = RetailSlotFind(dboid);
	if (slot != NULL)
		pid = slot->pid;
	LWLockRelease(RetailWorkers->lock);

	return pid;
}

/*
 * RetailSlotRecheck makes the launcher try a database at its next look,
 * whatever its back-off.
 */
void
RetailSlotRecheck(Oid dboid)
{
	RetailWorkerSlot *slot;

	LWLockAcquire(RetailWorkers->lock, LW_EXCLUSIVE);
	slot = RetailSlotFind(dboid);
	if (slot != NULL)
	{
		slot->recheck = true;
		slot->has_extension = true;
		slot->failures = 0;
		slot->next_start_at = 0;
	}
	LWLockRelease(RetailWorkers->lock);
}

/*
 * RetailWakeProcess sets the latch of a process of ours, if it still lives.
 */
void
RetailWakeProcess(pid_t pid)
{
	PGPROC *proc = pid != 0 ? BackendPidGetProc(pid) : NULL;

	if (proc != NULL)
		SetLatch(&proc->procLatch);
}

/*
 * RetailWakeLauncher makes the launcher look at the databases now.
 */
void
RetailWakeLauncher(void)
{
	pid_t pid;

	LWLockAcquire(RetailWorkers->lock, LW_SHARED);
	pid = RetailWorkers->launcher_pid;
	LWLockRelease(RetailWorkers->lock);

	RetailWakeProcess(pid);
}

/*
 * RetailBackoffMs is base * 2^failures milliseconds, at most cap.
 */
int64
RetailBackoffMs(int64 base, int failures, int64 cap)
{
	for (int i = 0; i < failures && base < cap; i++)
		base *= 2;
	return Min(base, cap);
}
