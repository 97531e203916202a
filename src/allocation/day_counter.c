/*-------------------------------------------------------------------------
 *
 * day_counter.c
 *	  How many parcels the days of nodes hold at most, in shared memory, and
 *	  the locks under which that stays true.
 *
 * A counter never says less than the parcels of its day in retail.shipment
 * that are committed, plus those of transactions in flight that have claimed
 * them.  So whoever adds to it within the limit needs to count nothing; who
 * cannot counts the table, which is the only truth.  There need not be a
 * counter: after a start there is none.
 *
 * Locks.  They are heavyweight locks, so they last until the transaction (or
 * subtransaction) ends, pass to a prepared one, and take part in deadlock
 * detection.
 *	  shared	 who adds parcels, from before it adds to the counter
 *	  queued	 who may have to count: one at a time, beside shared ones
 *	  exclusive	 who counts, until its end
 *
 * Why a counter is never too low.
 * 1. It is set from the table under the exclusive lock only.  Then nobody
 *	  else who has added is in flight, so the table shows all claims; those who
 *	  have written parcels and not claimed them yet will add them afterwards.
 * 2. Who adds does so under the shared lock, in one step with the comparison
 *	  with the limit, and holds the lock to its end; so its claim is not
 *	  overwritten while the table does not show it.
 * 3. When a (sub)transaction fails, what it added is taken out; what it set,
 *	  which also reflects what it had cancelled, is dropped.  Both happen before
 *	  its locks are released.
 * 4. Nothing else lowers a counter.  A cancelled parcel stays in it until
 *	  somebody finds the day full and counts: so it is never a reason to say
 *	  that a day is full, only one to count.
 * 5. A prepared transaction keeps its locks.  What it set is dropped when it
 *	  is prepared; what it added stays, at worst for nothing.
 * 6. Any counter may be dropped at any time (for room, by
 *	  retail.reset_day_counters()): a new one needs the exclusive lock, which
 *	  waits for all who have added.
 * A counter belongs to the file of the table, which TRUNCATE, restore and
 * rewrite change.  Rows that are written by other means than the functions
 * are found when the counter is compared with the table, every five minutes or
 * as pg_retail.stock_cache_max_age says (capacity.c).
 *
 * Data structures.  A table of sets of WAYS counters; a day has its place in
 * one of them, and takes that of the earliest day there.  Nothing is raised
 * while the lock of a set is held.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/day_counter.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "inventory/stock_cache.h"

#define TRANCHE "pg_retail day counters"
#define LOCKS 64
#define WAYS 8
#define SETS 4096

/* How long a counter is not compared with the table, at most; in seconds. */
#define COMPARE_AFTER 300

/* The modes conflict as they should: see the lock conflict table of core. */
static const LOCKMODE lock_modes[] = {RowExclusiveLock,
									  ShareUpdateExclusiveLock, ExclusiveLock};

typedef struct DayCounter
{
	NodeDay day;
	Oid database; /* InvalidOid: free */
	Oid file;	  /* of retail.shipment */
	int64 parcels;
	TimestampTz compared_at;
} DayCounter;

/* What the current transaction has done to a counter. */
typedef struct DayNote
{
	NodeDay day;
	Oid file;
	int64 added;
	bool set;
	int nesting;
} DayNote;

static DayCounter *counters = NULL;
static LWLockPadded *counter_locks;

static DayNote *notes = NULL; /* in TopTransactionContext */
static int n_notes = 0;
static int n_room = 0;

/* retail.shipment of this database, until its relcache entry is invalidated. */
static Oid shipment_relid = InvalidOid;
static Oid shipment_file = InvalidOid;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/* ---- which table ---- */

/* Forgets which file retail.shipment is when its relcache entry goes. */
static void
ShipmentInvalidated(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == shipment_relid)
		shipment_relid = InvalidOid;
}

/* Tells which file retail.shipment is; InvalidOid when there is none. */
static Oid
ShipmentFile(void)
{
	Oid namespace;
	Oid relid;
	Relation shipment;

	if (OidIsValid(shipment_relid))
		return shipment_file;
	namespace = get_namespace_oid("retail", true);
	relid = OidIsValid(namespace) ? get_relname_relid("shipment", namespace)
								  : InvalidOid;
	if (!OidIsValid(relid))
		return InvalidOid;
	shipment = table_open(relid, AccessShareLock);
	/* Set before it is read: an invalidation meanwhile undoes it. */
	shipment_relid = relid;
	shipment_file = shipment->rd_rel->relfilenode;
	table_close(shipment, NoLock);
	return shipment_file;
}

/* Says whether there are counters, which all backends use. */
bool
DayCountersUsable(void)
{
	return counters != NULL && !RecoveryInProgress() &&
		OidIsValid(ShipmentFile());
}

/* ---- counters ---- */

/* Finds the set of a day and locks it. */
static DayCounter *
LockSet(const NodeDay *day, LWLockMode mode, LWLock **lock)
{
	uint32 set =
		hash_bytes((const unsigned char *) day, sizeof(NodeDay)) % SETS;

	*lock = &counter_locks[set % LOCKS].lock;
	LWLockAcquire(*lock, mode);
	return &counters[set * WAYS];
}

/* Finds the counter of a day in its set, or NULL. */
static DayCounter *
FindCounter(DayCounter *set, const NodeDay *day, Oid file)
{
	for (int i = 0; i < WAYS; i++)
		if (set[i].day.node_id == day->node_id &&
			set[i].day.begin == day->begin && set[i].file == file &&
			set[i].database == MyDatabaseId)
			return &set[i];
	return NULL;
}

/* Takes a note of the current subtransaction that is yet to be filled. */
static DayNote *
AddNote(const NodeDay *day)
{
	Oid file = ShipmentFile(); /* which may raise an error */
	DayNote *note;

	if (n_notes == n_room)
	{
		int room = Max(n_room * 2, 32);

		notes = notes
			? repalloc_huge(notes, sizeof(DayNote) * room)
			: MemoryContextAlloc(TopTransactionContext, sizeof(DayNote) * room);
		n_room = room;
	}
	note = &notes[n_notes++];
	note->day = *day;
	note->file = file;
	note->added = 0;
	note->set = false;
	note->nesting = GetCurrentTransactionNestLevel();
	return note;
}

/* Reads how many parcels a day holds at most; false when nobody knows. */
bool
DayCounterRead(const NodeDay *day, int64 *parcels)
{
	Oid file = ShipmentFile();
	LWLock *lock;
	const DayCounter *counter =
		FindCounter(LockSet(day, LW_SHARED, &lock), day, file);

	if (counter)
		*parcels = counter->parcels;
	LWLockRelease(lock);
	return counter != NULL;
}

/*
 * Adds parcels to the counter of a day, if it stays within the limit then.
 * The caller has the shared lock of the day, or a stronger one.
 */
DayClaim
DayCounterAdd(const NodeDay *day, int64 n, int64 limit)
{
	DayNote *note = AddNote(day);
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	DayClaim claim = DAY_UNKNOWN;
	LWLock *lock;
	DayCounter *counter =
		FindCounter(LockSet(day, LW_EXCLUSIVE, &lock), day, note->file);

	if (counter && counter->parcels + n > limit)
		claim = DAY_FULL;
	else if (counter)
	{
		counter->parcels += n;
		note->added = n;
		claim = DAY_ADDED;
		if (now - counter->compared_at >
			Min(COMPARE_AFTER, stock_cache_max_age) * USECS_PER_SEC)
		{
			counter->compared_at = now;
			claim = DAY_ADDED_OLD;
		}
	}
	LWLockRelease(lock);
	if (note->added == 0)
		n_notes--;
	return claim;
}

/*
 * Sets the counter of a day to what the table holds.  The caller has its
 * exclusive lock.
 */
void
DayCounterSet(const NodeDay *day, int64 parcels)
{
	DayNote *note = AddNote(day);
	LWLock *lock;
	DayCounter *set = LockSet(day, LW_EXCLUSIVE, &lock);
	DayCounter *counter = FindCounter(set, day, note->file);

	for (int i = 0; counter == NULL && i < WAYS; i++)
		if (!OidIsValid(set[i].database))
			counter = &set[i];
	if (counter == NULL)
	{
		counter = set;
		for (int i = 1; i < WAYS; i++)
			if (set[i].day.begin < counter->day.begin)
				counter = &set[i];
	}
	counter->day = *day;
	counter->database = MyDatabaseId;
	counter->file = note->file;
	counter->parcels = parcels;
	counter->compared_at = GetCurrentTransactionStartTimestamp();
	LWLockRelease(lock);
	note->set = true;
}

/*
 * Forgets the counter of a day if it says less than the table holds: what else
 * is on its way is not known, so the next claim counts behind the lock.
 */
void
DayCounterCompare(const NodeDay *day, int64 parcels)
{
	Oid file = ShipmentFile();
	LWLock *lock;
	DayCounter *counter =
		FindCounter(LockSet(day, LW_EXCLUSIVE, &lock), day, file);

	if (counter && parcels > counter->parcels)
		counter->database = InvalidOid;
	LWLockRelease(lock);
}

/* ---- locks ---- */

/* The second key of the lock of a day; two days that share it do no harm. */
int32
DayLockKey(const NodeDay *day)
{
	return (int32) hash_bytes((const unsigned char *) day, sizeof(NodeDay));
}

/* Names the lock of a day: an advisory one with a first key of our own. */
static void
SetDayTag(LOCKTAG *tag, int32 key)
{
	static const char name[] = "pg_retail capacity";

	SET_LOCKTAG_ADVISORY(
		*tag, MyDatabaseId,
		hash_bytes((const unsigned char *) name, sizeof(name) - 1),
		(uint32) key, 2);
}

/* Waits for a lock of a day. */
void
DayLockAcquire(int32 key, DayLock lock)
{
	LOCKTAG tag;

	SetDayTag(&tag, key);
	(void) LockAcquire(&tag, lock_modes[lock], false, false);
}

/* Gives a lock back under which nothing was done. */
void
DayLockRelease(int32 key, DayLock lock)
{
	LOCKTAG tag;

	SetDayTag(&tag, key);
	if (!LockRelease(&tag, lock_modes[lock], false))
		elog(ERROR, "the lock of a day was not held");
}

/* ---- the end of transactions ---- */

/* Undoes what a failed (sub)transaction did to a counter, if it is there. */
static void
UndoNote(const DayNote *note)
{
	LWLock *lock;
	DayCounter *counter = FindCounter(LockSet(&note->day, LW_EXCLUSIVE, &lock),
									  &note->day, note->file);

	if (counter && note->set)
		counter->database = InvalidOid;
	else if (counter)
		counter->parcels -= note->added;
	LWLockRelease(lock);
}

/* Follows the end of the transaction; its locks are still held. */
static void
TransactionEvent(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_ABORT:
			while (n_notes > 0)
				UndoNote(&notes[--n_notes]);
			break;
		case XACT_EVENT_PRE_PREPARE:
			for (int i = 0; i < n_notes; i++)
				if (notes[i].set)
					UndoNote(&notes[i]);
			return;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	notes = NULL; /* the memory goes with the transaction */
	n_notes = n_room = 0;
}

/* Follows the end of a subtransaction. */
static void
SubtransactionEvent(SubXactEvent event, SubTransactionId my,
					SubTransactionId parent, void *arg)
{
	int nesting = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (n_notes > 0 && notes[n_notes - 1].nesting >= nesting)
			UndoNote(&notes[--n_notes]);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		for (int i = n_notes; i > 0 && notes[i - 1].nesting >= nesting; i--)
			notes[i - 1].nesting = nesting - 1;
}

/* ---- start ---- */

static void
RequestSharedMemory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(sizeof(DayCounter) * SETS * WAYS);
	RequestNamedLWLockTranche(TRANCHE, LOCKS);
}

static void
StartSharedMemory(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	counters = ShmemInitStruct("pg_retail day counters",
							   sizeof(DayCounter) * SETS * WAYS, &found);
	counter_locks = GetNamedLWLockTranche(TRANCHE);
	if (!found)
		memset(counters, 0, sizeof(DayCounter) * SETS * WAYS);
	LWLockRelease(AddinShmemInitLock);
}

/* When preloaded, asks for shared memory. */
void
DayCountersInit(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = RequestSharedMemory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = StartSharedMemory;
	CacheRegisterRelcacheCallback(ShipmentInvalidated, (Datum) 0);
	RegisterXactCallback(TransactionEvent, NULL);
	RegisterSubXactCallback(SubtransactionEvent, NULL);
}

/* ---- for people and tests ---- */

/* Returns one row for each counter of this database. */
PG_FUNCTION_INFO_V1(retail_day_counters);
Datum
retail_day_counters(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid file = ShipmentFile();

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; counters && i < SETS * WAYS; i++)
	{
		LWLock *lock = &counter_locks[i / WAYS % LOCKS].lock;
		Datum values[3];
		bool nulls[3] = {false};
		DayCounter counter;

		LWLockAcquire(lock, LW_SHARED);
		counter = counters[i];
		LWLockRelease(lock);
		if (counter.database != MyDatabaseId || counter.file != file)
			continue;
		values[0] = Int64GetDatum(counter.day.node_id);
		values[1] = TimestampTzGetDatum(counter.day.begin);
		values[2] = Int64GetDatum(counter.parcels);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Drops all counters of this database. */
PG_FUNCTION_INFO_V1(retail_reset_day_counters);
Datum
retail_reset_day_counters(PG_FUNCTION_ARGS)
{
	for (int i = 0; counters && i < SETS * WAYS; i++)
	{
		LWLock *lock = &counter_locks[i / WAYS % LOCKS].lock;

		LWLockAcquire(lock, LW_EXCLUSIVE);
		if (counters[i].database == MyDatabaseId)
			counters[i].database = InvalidOid;
		LWLockRelease(lock);
	}
	PG_RETURN_VOID();
}
