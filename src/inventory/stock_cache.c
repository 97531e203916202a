/*-------------------------------------------------------------------------
 *
 * stock_cache.c
 *	  What may be promised of a SKU at each node, kept in shared memory.
 *
 * A decision needs a hundred rows of retail.stock for each SKU, from as many
 * pages.  Here they lie side by side.  The cache advises: the guarded UPDATE
 * of StockPost() is the only truth, so a wrong level costs a second decision,
 * made from the table, and never a unit that is not there.
 *
 * Data structures.  Shared memory is divided into partitions, each with its
 * lock, its hash table of entries (one a SKU of a database), and its pool of
 * chunks.  An entry owns a chain of chunks that hold numbers: the safety
 * stocks (node, channel, quantity), padded to an even count, then the levels
 * (node, available).  A partition that is full evicts by the clock.
 *
 * How it stays true.  A transaction writes the levels that it left behind
 * just before it commits, while it still has the locks of the rows: so writes
 * of one row arrive in the order of their commits (stock_writes.c).  If it
 * fails after all, it drops the entries that it touched.
 *
 * How an entry is loaded.  First it is created empty, with a ticket: from
 * then on every transaction that commits leaves its levels in it.  Those that
 * had passed before it was there, and whose commit cannot be seen yet, are
 * found in the array of committers: each notes there a ticket of its own
 * before it writes, and removes it when its commit is visible.  Once nobody
 * there has an older ticket than the entry, a new snapshot shows all that the
 * entry has missed; the rows that it shows, overlaid with the levels that
 * were left meanwhile, make the entry ready.  Until then readers use the
 * table.
 *
 * A prepared transaction is committed by somebody who does not know what it
 * wrote: its entries are dropped, and their partitions load none until a
 * snapshot shows that it has ended.
 *
 * Writes that bypass StockPost() are not seen: TRUNCATE, restore and rewrite
 * change the file of the table, which an entry belongs to; for the others an
 * entry has a maximum age, and there is retail.reset_stock_cache().
 *
 * Nothing is raised while a lock is held.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "inventory/stock_cache.h"

#include "access/parallel.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"

#define TRANCHE "pg_retail stock cache"
#define MAX_PARTITIONS 64
/* A partition of less would not hold a SKU that lies at thousands of nodes. */
#define MIN_PARTITION_BYTES (512 * 1024)

/* A multiple of 2 and of 3: no level or safety stock straddles two chunks. */
#define CHUNK_NUMBERS 60
#define LEVEL_NUMBERS 2
#define SAFETY_NUMBERS 3

/* How many levels may be left in an entry while it is loaded. */
#define LOADING_SLACK 64

#define NONE PG_UINT32_MAX

typedef struct Chunk
{
	uint32 next;
	int64 numbers[CHUNK_NUMBERS];
} Chunk;

typedef enum EntryState
{
	ENTRY_FREE,
	ENTRY_LOADING, /* has only what was committed since its ticket */
	ENTRY_READY
} EntryState;

typedef struct Entry
{
	int64 sku_id;
	Oid database;
	Oid file;
	uint64 ticket;
	TimestampTz loaded_at;
	uint32 next;  /* in the bucket, or in the list of free ones */
	uint32 first; /* chunk */
	uint32 last;
	int32 n_safeties;
	int32 n_levels;
	uint8 state;
	bool sorted;		/* levels ascend by node */
	volatile bool used; /* set by readers, cleared by the clock */
} Entry;

typedef struct Partition
{
	uint32 free_entry;
	uint32 free_chunk;
	uint32 n_free_chunks;
	uint32 hand;		   /* of the clock */
	TransactionId blocked; /* no loads while a snapshot may not show it */
	bool met_prepared;	   /* transactions prepared before the start */
	pg_atomic_uint64 hits; /* counted under a shared lock */
	pg_atomic_uint64 misses;
	uint64 loads;
	uint64 evictions;
} Partition;

/* A transaction between its writes to the cache and its visibility. */
typedef struct Committer
{
	pg_atomic_uint64 ticket; /* 0: none */
	uint64 partitions;		 /* bits of those that it writes to */
} Committer;

typedef struct SharedCache
{
	uint32 n_partitions;
	uint32 n_entries; /* in each partition, as many as buckets and chunks */
	uint32 n_committers;
	Size partition_size;
	pg_atomic_uint64 ticket;
	Committer committers[FLEXIBLE_ARRAY_MEMBER];
} SharedCache;

bool retail_stock_cache = true;
static int stock_cache_mb = 64;
static int stock_cache_max_age = 3600;

static SharedCache *shared = NULL;
static LWLockPadded *locks;
static char *partitions;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/* retail.stock of this database, until its relcache entry is invalidated. */
static Oid stock_relid = InvalidOid;
static Oid stock_file = InvalidOid;

/* ---- layout ---- */

static uint32
PartitionCount(void)
{
	Size bytes = (Size) stock_cache_mb * 1024 * 1024;

	return (uint32) Min(bytes / MIN_PARTITION_BYTES, MAX_PARTITIONS);
}

static Size
PartitionSize(void)
{
	Size bytes = (Size) stock_cache_mb * 1024 * 1024;

	return TYPEALIGN_DOWN(PG_CACHE_LINE_SIZE, bytes / PartitionCount());
}

static Size
HeaderSize(void)
{
	return CACHELINEALIGN(offsetof(SharedCache, committers) +
						  sizeof(Committer) * MaxBackends);
}

static inline Partition *
PartitionAt(uint32 p)
{
	return (Partition *) (partitions + shared->partition_size * p);
}

static inline Entry *
EntriesOf(Partition *partition)
{
	return (Entry *) ((char *) partition + MAXALIGN(sizeof(Partition)));
}

static inline Chunk *
ChunksOf(Partition *partition)
{
	return (Chunk *) (EntriesOf(partition) + shared->n_entries);
}

static inline uint32 *
BucketsOf(Partition *partition)
{
	return (uint32 *) (ChunksOf(partition) + shared->n_entries);
}

static uint32
HashKey(Oid database, int64 sku_id)
{
	int64 key[2] = {database, sku_id};

	return hash_bytes((const unsigned char *) key, sizeof(key));
}

static inline uint32 *
BucketOf(Partition *partition, uint32 hash)
{
	return &BucketsOf(partition)[hash / MAX_PARTITIONS % shared->n_entries];
}

/* ---- start ---- */

static void
RequestSharedMemory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(HeaderSize() + PartitionSize() * PartitionCount() +
						   PG_CACHE_LINE_SIZE);
	RequestNamedLWLockTranche(TRANCHE, (int) PartitionCount());
}

/* Makes a partition empty. */
static void
ResetPartition(Partition *partition)
{
	memset(partition, 0, sizeof(*partition));
	pg_atomic_init_u64(&partition->hits, 0);
	pg_atomic_init_u64(&partition->misses, 0);
	for (uint32 i = 0; i < shared->n_entries; i++)
	{
		uint32 next = i + 1 < shared->n_entries ? i + 1 : NONE;

		EntriesOf(partition)[i].state = ENTRY_FREE;
		EntriesOf(partition)[i].next = next;
		ChunksOf(partition)[i].next = next;
		BucketsOf(partition)[i] = NONE;
	}
	partition->n_free_chunks = shared->n_entries;
}

static void
StartSharedMemory(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("pg_retail stock cache",
							 HeaderSize() + PartitionSize() * PartitionCount() +
								 PG_CACHE_LINE_SIZE,
							 &found);
	locks = GetNamedLWLockTranche(TRANCHE);
	partitions =
		(char *) TYPEALIGN(PG_CACHE_LINE_SIZE, (char *) shared + HeaderSize());
	if (!found)
	{
		shared->n_partitions = PartitionCount();
		shared->partition_size = PartitionSize();
		shared->n_committers = MaxBackends;
		shared->n_entries =
			(uint32) ((shared->partition_size - MAXALIGN(sizeof(Partition))) /
					  (sizeof(Entry) + sizeof(Chunk) + sizeof(uint32)));
		pg_atomic_init_u64(&shared->ticket, 1);
		for (uint32 i = 0; i < shared->n_committers; i++)
		{
			pg_atomic_init_u64(&shared->committers[i].ticket, 0);
			shared->committers[i].partitions = 0;
		}
		for (uint32 p = 0; p < shared->n_partitions; p++)
			ResetPartition(PartitionAt(p));
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Forgets which file retail.stock is when its relcache entry goes. */
static void
StockInvalidated(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == stock_relid)
		stock_relid = InvalidOid;
}

/* Defines the settings and, when preloaded, asks for shared memory. */
void
StockCacheInit(void)
{
	DefineCustomBoolVariable(
		"pg_retail.stock_cache",
		"Decides orders from stock levels in shared memory.",
		"Off: every decision reads the table.", &retail_stock_cache, true,
		PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"pg_retail.stock_cache_max_age",
		"Time after which stock levels in shared memory are read anew.",
		"Bounds how long a change is overlooked that bypassed the functions.",
		&stock_cache_max_age, 3600, 1, 86400, PGC_SIGHUP, GUC_UNIT_S, NULL,
		NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable(
		"pg_retail.stock_cache_size",
		"Shared memory for stock levels; 0: none.",
		"16 bytes for each SKU and node with stock, plus a fifth.",
		&stock_cache_mb, 64, 0, 65536, PGC_POSTMASTER, GUC_UNIT_MB, NULL, NULL,
		NULL);
	if (stock_cache_mb == 0)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = RequestSharedMemory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = StartSharedMemory;
	CacheRegisterRelcacheCallback(StockInvalidated, (Datum) 0);
	StockWritesInit();
}

/* Says whether there is a cache. */
bool
StockCacheExists(void)
{
	return shared != NULL;
}

/*
 * Says whether the current transaction may decide from the cache: it shows
 * what is committed now, and a standby hears of no commits.
 */
bool
StockCacheUsable(void)
{
	return shared != NULL && retail_stock_cache && !RecoveryInProgress() &&
		!IsolationUsesXactSnapshot() && !IsInParallelMode() &&
		OidIsValid(StockCacheSource().file);
}

/* Tells which table levels come from now. */
StockSource
StockCacheSource(void)
{
	StockSource source = {MyDatabaseId, InvalidOid};

	if (!OidIsValid(stock_relid))
	{
		Oid namespace = get_namespace_oid("retail", true);
		Oid relid = OidIsValid(namespace)
			? get_relname_relid("stock", namespace)
			: InvalidOid;
		Relation stock;

		if (!OidIsValid(relid))
			return source;
		stock = table_open(relid, AccessShareLock);
		/* Set before it is read: an invalidation meanwhile undoes it. */
		stock_relid = relid;
		stock_file = stock->rd_rel->relfilenode;
		table_close(stock, NoLock);
	}
	source.file = stock_file;
	return source;
}

/* ---- chunks and entries; the caller holds the lock ---- */

/* Finds the entry of a SKU, or NULL. */
static Entry *
FindEntry(Partition *partition, uint32 hash, Oid database, int64 sku_id)
{
	for (uint32 i = *BucketOf(partition, hash); i != NONE;)
	{
		Entry *entry = &EntriesOf(partition)[i];

		if (entry->sku_id == sku_id && entry->database == database)
			return entry;
		i = entry->next;
	}
	return NULL;
}

/* Gives the chunks of an entry back. */
static void
EmptyEntry(Partition *partition, Entry *entry)
{
	for (uint32 c = entry->first; c != NONE;)
	{
		Chunk *chunk = &ChunksOf(partition)[c];
		uint32 next = chunk->next;

		chunk->next = partition->free_chunk;
		partition->free_chunk = c;
		partition->n_free_chunks++;
		c = next;
	}
	entry->first = entry->last = NONE;
	entry->n_levels = entry->n_safeties = 0;
	entry->sorted = true;
}

/* Removes an entry. */
static void
RemoveEntry(Partition *partition, Entry *entry)
{
	uint32 number = (uint32) (entry - EntriesOf(partition));
	uint32 *link = BucketOf(partition, HashKey(entry->database, entry->sku_id));

	EmptyEntry(partition, entry);
	while (*link != number)
		link = &EntriesOf(partition)[*link].next;
	*link = entry->next;
	entry->state = ENTRY_FREE;
	entry->next = partition->free_entry;
	partition->free_entry = number;
}

/*
 * Evicts entries until there is a free one and so many chunks; returns false
 * when the partition has less altogether.  The entry to keep is never evicted.
 */
static bool
MakeRoom(Partition *partition, uint32 n_chunks, const Entry *keep)
{
	for (uint32 turns = 0; turns < 2 * shared->n_entries; turns++)
	{
		Entry *entry;

		if (partition->n_free_chunks >= n_chunks &&
			(keep != NULL || partition->free_entry != NONE))
			return true;
		entry = &EntriesOf(partition)[partition->hand];
		partition->hand = (partition->hand + 1) % shared->n_entries;
		if (entry->state == ENTRY_FREE || entry == keep)
			continue;
		if (entry->used)
			entry->used = false;
		else
		{
			RemoveEntry(partition, entry);
			partition->evictions++;
		}
	}
	return false;
}

/* Appends numbers to an entry that has room for them in free chunks. */
static void
AppendNumbers(Partition *partition, Entry *entry, int64 at,
			  const int64 *numbers, int n)
{
	for (int i = 0; i < n; i++)
	{
		if ((at + i) % CHUNK_NUMBERS == 0)
		{
			uint32 fresh = partition->free_chunk;
			Chunk *chunk = &ChunksOf(partition)[fresh];

			partition->free_chunk = chunk->next;
			partition->n_free_chunks--;
			chunk->next = NONE;
			if (entry->last == NONE)
				entry->first = fresh;
			else
				ChunksOf(partition)[entry->last].next = fresh;
			entry->last = fresh;
		}
		ChunksOf(partition)[entry->last].numbers[(at + i) % CHUNK_NUMBERS] =
			numbers[i];
	}
}

/* Where the levels of an entry begin. */
static inline int
LevelsAt(int n_safeties)
{
	return TYPEALIGN(LEVEL_NUMBERS, n_safeties * SAFETY_NUMBERS);
}

static inline int
NumbersOf(int n_safeties, int n_levels)
{
	return LevelsAt(n_safeties) + n_levels * LEVEL_NUMBERS;
}

static inline uint32
ChunksFor(int n_numbers)
{
	return (uint32) ((n_numbers + CHUNK_NUMBERS - 1) / CHUNK_NUMBERS);
}

/* Finds the place of a node's level in an entry, or NULL. */
static int64 *
FindLevel(Partition *partition, const Entry *entry, int64 node_id)
{
	int at = LevelsAt(entry->n_safeties);
	int end = NumbersOf(entry->n_safeties, entry->n_levels);
	int begin = 0;

	for (uint32 c = entry->first; c != NONE; begin += CHUNK_NUMBERS)
	{
		Chunk *chunk = &ChunksOf(partition)[c];

		for (; at < Min(end, begin + CHUNK_NUMBERS); at += LEVEL_NUMBERS)
			if (chunk->numbers[at - begin] == node_id)
				return &chunk->numbers[at - begin];
		c = chunk->next;
	}
	return NULL;
}

/* Leaves a level in an entry; false when there is no room for it. */
static bool
SetLevel(Partition *partition, Entry *entry, StockLevel level)
{
	int64 *place = FindLevel(partition, entry, level.node_id);
	int64 numbers[LEVEL_NUMBERS] = {level.node_id, level.available};
	int at = NumbersOf(entry->n_safeties, entry->n_levels);

	if (place)
	{
		place[1] = level.available;
		return true;
	}
	if (at % CHUNK_NUMBERS == 0 && partition->n_free_chunks == 0)
		return false;
	AppendNumbers(partition, entry, at, numbers, LEVEL_NUMBERS);
	entry->n_levels++;
	entry->sorted = entry->n_levels == 1; /* readers sort their copy */
	return true;
}

/* Copies the numbers of an entry. */
static void
CopyNumbers(Partition *partition, const Entry *entry, int64 *numbers, int n)
{
	uint32 c = entry->first;

	for (int at = 0; at < n; at += CHUNK_NUMBERS)
	{
		const Chunk *chunk = &ChunksOf(partition)[c];

		memcpy(&numbers[at], chunk->numbers,
			   sizeof(int64) * Min(CHUNK_NUMBERS, n - at));
		c = chunk->next;
	}
}

/* ---- reading ---- */

static int
CompareLevels(const void *a, const void *b)
{
	const StockLevel *left = a;
	const StockLevel *right = b;

	return left->node_id < right->node_id ? -1 : left->node_id > right->node_id;
}

/*
 * Copies an entry into a list, with the partition locked, into memory for so
 * many numbers; returns how many it takes, and copies nothing if they are more.
 */
static int
CopyEntry(Partition *partition, const Entry *entry, int64 *numbers, int room,
		  StockList *list)
{
	int n = NumbersOf(entry->n_safeties, entry->n_levels);

	if (n > room)
		return n;
	CopyNumbers(partition, entry, numbers, n);
	list->sku_id = entry->sku_id;
	list->n_safeties = entry->n_safeties;
	list->n_levels = entry->n_levels;
	list->safeties = (StockSafety *) numbers;
	list->levels = (StockLevel *) (numbers + LevelsAt(entry->n_safeties));
	return n;
}

/* Says whether an entry can be used. */
static bool
IsCurrent(const Entry *entry, const StockSource *source, TimestampTz now)
{
	return entry->file == source->file && entry->state == ENTRY_READY &&
		now - entry->loaded_at <= stock_cache_max_age * USECS_PER_SEC;
}

/* Copies what the cache has of list->sku_id; false when it has nothing. */
bool
StockCacheFind(const StockSource *source, StockList *list)
{
	uint32 hash = HashKey(source->database, list->sku_id);
	uint32 p = hash % shared->n_partitions;
	Partition *partition = PartitionAt(p);
	TimestampTz now = GetCurrentTimestamp();
	int room = 8 * CHUNK_NUMBERS;
	bool found = false;
	bool sorted = true;
	int needed;

	do
	{
		int64 *numbers = palloc(sizeof(int64) * room);
		Entry *entry;

		needed = 0;
		LWLockAcquire(&locks[p].lock, LW_SHARED);
		entry = FindEntry(partition, hash, source->database, list->sku_id);
		found = entry && IsCurrent(entry, source, now);
		if (found)
		{
			needed = CopyEntry(partition, entry, numbers, room, list);
			sorted = entry->sorted;
			entry->used = true;
		}
		if (needed <= room)
			pg_atomic_fetch_add_u64(
				found ? &partition->hits : &partition->misses, 1);
		LWLockRelease(&locks[p].lock);
		if (needed <= room)
			break;
		pfree(numbers);
		room = needed + LEVEL_NUMBERS * LOADING_SLACK;
	} while (true);
	if (found && !sorted)
		qsort(list->levels, list->n_levels, sizeof(StockLevel), CompareLevels);
	return found;
}

/* ---- loading ---- */

/*
 * Sees to it that commits from now on leave their levels in the entry of a
 * SKU that is about to be loaded, and returns its ticket; 0 when there is no
 * room.  With anew an entry that is ready is loaded again.
 */
uint64
StockCacheTrack(const StockSource *source, int64 sku_id, bool anew)
{
	uint32 hash = HashKey(source->database, sku_id);
	uint32 p = hash % shared->n_partitions;
	Partition *partition = PartitionAt(p);
	TimestampTz now = GetCurrentTimestamp();
	uint64 ticket = 0;
	Entry *entry;

	LWLockAcquire(&locks[p].lock, LW_EXCLUSIVE);
	entry = FindEntry(partition, hash, source->database, sku_id);
	if (entry == NULL && MakeRoom(partition, 1, NULL))
	{
		uint32 number = partition->free_entry;
		uint32 *bucket = BucketOf(partition, hash);

		entry = &EntriesOf(partition)[number];
		partition->free_entry = entry->next;
		entry->next = *bucket;
		*bucket = number;
		entry->sku_id = sku_id;
		entry->database = source->database;
		entry->state = ENTRY_FREE;
		entry->first = entry->last = NONE;
	}
	if (entry)
	{
		if (entry->state != ENTRY_LOADING || entry->file != source->file)
		{
			if (entry->state != ENTRY_READY || anew ||
				!IsCurrent(entry, source, now))
			{
				EmptyEntry(partition, entry);
				entry->state = ENTRY_LOADING;
				entry->file = source->file;
				/* Whoever locked this partition before us has an older one. */
				entry->ticket = pg_atomic_fetch_add_u64(&shared->ticket, 1);
			}
		}
		entry->used = true;
		ticket = entry->state == ENTRY_LOADING ? entry->ticket : 0;
	}
	LWLockRelease(&locks[p].lock);
	return ticket;
}

/*
 * Takes the tickets away of those SKUs whose levels may have been changed by
 * a transaction that did not find the entry and is not yet visible.
 */
void
StockCacheSettle(const StockList *lists, uint64 *tickets, int n)
{
	pg_memory_barrier();
	for (uint32 c = 0; c < shared->n_committers; c++)
	{
		uint64 theirs = pg_atomic_read_u64(&shared->committers[c].ticket);
		uint64 bits;

		if (theirs == 0)
			continue;
		pg_read_barrier();
		bits = shared->committers[c].partitions;
		for (int i = 0; i < n; i++)
			if (theirs < tickets[i] &&
				(bits & StockCachePartitionBit(MyDatabaseId, lists[i].sku_id)))
				tickets[i] = 0;
	}
	pg_memory_barrier();
}

/* Says whether a snapshot may miss a transaction that was prepared. */
static bool
IsBlocked(Partition *partition, TransactionId xmin)
{
	if (!partition->met_prepared)
	{
		partition->met_prepared = true;
		if (max_prepared_xacts > 0)
			partition->blocked = ReadNextTransactionId();
	}
	if (!TransactionIdIsValid(partition->blocked))
		return false;
	if (!TransactionIdPrecedes(partition->blocked, xmin))
		return true;
	partition->blocked = InvalidTransactionId;
	return false;
}

/*
 * Overlays the levels of a list with those that were left in the entry while
 * it was loaded; false when there is not enough room for them.
 */
static bool
MergeLevels(Partition *partition, const Entry *entry, StockLevel *levels,
			int *n_levels)
{
	int64 numbers[LEVEL_NUMBERS * LOADING_SLACK];
	const StockLevel *left = (const StockLevel *) numbers;
	int n = *n_levels;

	if (entry->n_levels > LOADING_SLACK)
		return false;
	CopyNumbers(partition, entry, numbers, entry->n_levels * LEVEL_NUMBERS);
	for (int i = 0; i < entry->n_levels; i++)
	{
		StockLevel *known = bsearch(&left[i], levels, *n_levels,
									sizeof(StockLevel), CompareLevels);

		if (known == NULL)
			known = &levels[n++];
		*known = left[i];
	}
	*n_levels = n;
	return true;
}

/*
 * Makes the entry ready with levels that were read by a snapshot taken after
 * StockCacheSettle().
 */
void
StockCacheInstall(const StockSource *source, const StockList *list,
				  uint64 ticket, TransactionId xmin)
{
	uint32 hash = HashKey(source->database, list->sku_id);
	uint32 p = hash % shared->n_partitions;
	Partition *partition = PartitionAt(p);
	StockLevel *levels =
		palloc(sizeof(StockLevel) * (list->n_levels + LOADING_SLACK));
	TimestampTz now = GetCurrentTimestamp();
	int n_levels = list->n_levels;
	Entry *entry;

	if (n_levels > 0)
		memcpy(levels, list->levels, sizeof(StockLevel) * n_levels);
	LWLockAcquire(&locks[p].lock, LW_EXCLUSIVE);
	entry = FindEntry(partition, hash, source->database, list->sku_id);
	if (entry && entry->state == ENTRY_LOADING && entry->ticket == ticket &&
		!IsBlocked(partition, xmin) &&
		MergeLevels(partition, entry, levels, &n_levels))
	{
		EmptyEntry(partition, entry);
		if (MakeRoom(partition,
					 ChunksFor(NumbersOf(list->n_safeties, n_levels)), entry))
		{
			static const int64 padding = 0;
			int at = list->n_safeties * SAFETY_NUMBERS;

			AppendNumbers(partition, entry, 0, (const int64 *) list->safeties,
						  at);
			AppendNumbers(partition, entry, at, &padding,
						  LevelsAt(list->n_safeties) - at);
			AppendNumbers(partition, entry, LevelsAt(list->n_safeties),
						  (const int64 *) levels, n_levels * LEVEL_NUMBERS);
			entry->n_safeties = list->n_safeties;
			entry->n_levels = n_levels;
			entry->sorted = n_levels == list->n_levels;
			entry->loaded_at = now;
			entry->state = ENTRY_READY;
			partition->loads++;
		}
		else
			RemoveEntry(partition, entry); /* it is larger than the partition */
	}
	LWLockRelease(&locks[p].lock);
	pfree(levels);
}

/* ---- committing ---- */

/* The bit of the partition that a SKU lies in. */
uint64
StockCachePartitionBit(Oid database, int64 sku_id)
{
	return UINT64CONST(1) << (HashKey(database, sku_id) % shared->n_partitions);
}

/* Notes, before any level is written, that we are about to commit. */
void
StockCacheBeginCommit(uint64 bits)
{
	Committer *committer = &shared->committers[proc_number_compat()];

	committer->partitions = bits;
	pg_write_barrier();
	pg_atomic_write_u64(&committer->ticket,
						pg_atomic_fetch_add_u64(&shared->ticket, 1));
	pg_memory_barrier();
}

/* Notes that our commit is visible, or that we have failed. */
void
StockCacheEndCommit(void)
{
	pg_memory_barrier();
	pg_atomic_write_u64(&shared->committers[proc_number_compat()].ticket, 0);
}

/* Leaves a level of a transaction that commits. */
void
StockCacheWrite(const StockSource *source, int64 sku_id, StockLevel level)
{
	uint32 hash = HashKey(source->database, sku_id);
	uint32 p = hash % shared->n_partitions;
	Partition *partition = PartitionAt(p);
	Entry *entry;

	LWLockAcquire(&locks[p].lock, LW_EXCLUSIVE);
	entry = FindEntry(partition, hash, source->database, sku_id);
	if (entry &&
		(entry->file != source->file || !SetLevel(partition, entry, level)))
		RemoveEntry(partition, entry);
	LWLockRelease(&locks[p].lock);
}

/* Drops the entry of a SKU. */
void
StockCacheForget(Oid database, int64 sku_id)
{
	uint32 hash = HashKey(database, sku_id);
	uint32 p = hash % shared->n_partitions;
	Partition *partition = PartitionAt(p);
	Entry *entry;

	LWLockAcquire(&locks[p].lock, LW_EXCLUSIVE);
	entry = FindEntry(partition, hash, database, sku_id);
	if (entry)
		RemoveEntry(partition, entry);
	LWLockRelease(&locks[p].lock);
}

/* Drops all entries of a database. */
void
StockCacheForgetAll(Oid database)
{
	for (uint32 p = 0; p < shared->n_partitions; p++)
	{
		Partition *partition = PartitionAt(p);

		LWLockAcquire(&locks[p].lock, LW_EXCLUSIVE);
		for (uint32 i = 0; i < shared->n_entries; i++)
		{
			Entry *entry = &EntriesOf(partition)[i];

			if (entry->state != ENTRY_FREE && entry->database == database)
				RemoveEntry(partition, entry);
		}
		LWLockRelease(&locks[p].lock);
	}
}

/* Drops the entry of a SKU that a transaction has written that is prepared. */
void
StockCacheBlock(Oid database, int64 sku_id, TransactionId xid)
{
	uint32 p = HashKey(database, sku_id) % shared->n_partitions;
	Partition *partition = PartitionAt(p);

	StockCacheForget(database, sku_id);
	LWLockAcquire(&locks[p].lock, LW_EXCLUSIVE);
	if (!TransactionIdIsValid(partition->blocked) ||
		TransactionIdPrecedes(partition->blocked, xid))
		partition->blocked = xid;
	LWLockRelease(&locks[p].lock);
}

/* ---- for people and tests ---- */

/*
 * Copies the next entry of a database that is ready; begins with *partition
 * and *entry at 0.  Returns false at the end.
 */
bool
StockCacheNext(Oid database, int *partition, int *entry, StockList *list)
{
	int room = (int) shared->n_entries * CHUNK_NUMBERS;
	int64 *numbers = palloc_extended(sizeof(int64) * room, MCXT_ALLOC_HUGE);

	for (; *partition < (int) shared->n_partitions; (*partition)++, *entry = 0)
	{
		Partition *part = PartitionAt(*partition);
		bool found = false;

		LWLockAcquire(&locks[*partition].lock, LW_SHARED);
		while (!found && *entry < (int) shared->n_entries)
		{
			Entry *e = &EntriesOf(part)[(*entry)++];

			found = e->state == ENTRY_READY && e->database == database;
			if (found)
				CopyEntry(part, e, numbers, room, list);
		}
		LWLockRelease(&locks[*partition].lock);
		if (found)
			return true;
	}
	pfree(numbers);
	return false;
}

/* Counts what there is. */
void
StockCacheGetStatus(StockCacheStatus *status)
{
	memset(status, 0, sizeof(*status));
	status->bytes = (int64) (shared->partition_size * shared->n_partitions);
	for (uint32 p = 0; p < shared->n_partitions; p++)
	{
		Partition *partition = PartitionAt(p);

		LWLockAcquire(&locks[p].lock, LW_SHARED);
		for (uint32 i = 0; i < shared->n_entries; i++)
		{
			Entry *entry = &EntriesOf(partition)[i];

			if (entry->state != ENTRY_READY || entry->database != MyDatabaseId)
				continue;
			status->entries++;
			status->levels += entry->n_levels;
		}
		status->chunks += shared->n_entries;
		status->free_chunks += partition->n_free_chunks;
		status->hits += pg_atomic_read_u64(&partition->hits);
		status->misses += pg_atomic_read_u64(&partition->misses);
		status->loads += partition->loads;
		status->evictions += partition->evictions;
		LWLockRelease(&locks[p].lock);
	}
}
