/*-------------------------------------------------------------------------
 *
 * stock_cache_memory.c
 *	  The shared memory of stock levels: its settings, its start, and entries
 *	  and chunks within a partition.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "inventory/stock_cache_internal.h"

#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define TRANCHE "pg_retail stock cache"

/* A partition of less would not hold a SKU that lies at thousands of nodes. */
#define MIN_PARTITION_BYTES (512 * 1024)

bool retail_stock_cache = true;
int stock_cache_max_age = 3600;
static int stock_cache_mb = 64;

SharedCache *stock_cache = NULL;
LWLockPadded *stock_cache_locks;
char *stock_cache_partitions;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/* retail.stock of this database, until its relcache entry is invalidated. */
static Oid stock_relid = InvalidOid;
static Oid stock_file = InvalidOid;

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
	for (uint32 i = 0; i < stock_cache->n_entries; i++)
	{
		uint32 next = i + 1 < stock_cache->n_entries ? i + 1 : NONE;

		EntriesOf(partition)[i].state = ENTRY_FREE;
		EntriesOf(partition)[i].next = next;
		ChunksOf(partition)[i].next = next;
		BucketsOf(partition)[i] = NONE;
	}
	partition->n_free_chunks = stock_cache->n_entries;
}

static void
StartSharedMemory(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	stock_cache = ShmemInitStruct(
		"pg_retail stock cache",
		HeaderSize() + PartitionSize() * PartitionCount() + PG_CACHE_LINE_SIZE,
		&found);
	stock_cache_locks = GetNamedLWLockTranche(TRANCHE);
	stock_cache_partitions = (char *) TYPEALIGN(
		PG_CACHE_LINE_SIZE, (char *) stock_cache + HeaderSize());
	if (!found)
	{
		stock_cache->n_partitions = PartitionCount();
		stock_cache->partition_size = PartitionSize();
		stock_cache->n_committers = MaxBackends;
		stock_cache->n_entries =
			(uint32) ((stock_cache->partition_size -
					   MAXALIGN(sizeof(Partition))) /
					  (sizeof(Entry) + sizeof(Chunk) + sizeof(uint32)));
		pg_atomic_init_u64(&stock_cache->ticket, 1);
		for (uint32 i = 0; i < stock_cache->n_committers; i++)
		{
			pg_atomic_init_u64(&stock_cache->committers[i].ticket, 0);
			stock_cache->committers[i].partitions = 0;
		}
		for (uint32 p = 0; p < stock_cache->n_partitions; p++)
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
	return stock_cache != NULL;
}

/*
 * Says whether the current transaction may decide from the cache: it shows
 * what is committed now, and a standby hears of no commits.
 */
bool
StockCacheUsable(void)
{
	return stock_cache != NULL && retail_stock_cache && !RecoveryInProgress() &&
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
Entry *
StockCacheFindEntry(Partition *partition, uint32 hash, Oid database,
					int64 sku_id)
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
void
StockCacheEmptyEntry(Partition *partition, Entry *entry)
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
void
StockCacheRemoveEntry(Partition *partition, Entry *entry)
{
	uint32 number = (uint32) (entry - EntriesOf(partition));
	uint32 *link = BucketOf(partition, HashKey(entry->database, entry->sku_id));

	StockCacheEmptyEntry(partition, entry);
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
bool
StockCacheMakeRoom(Partition *partition, uint32 n_chunks, const Entry *keep)
{
	for (uint32 turns = 0; turns < 2 * stock_cache->n_entries; turns++)
	{
		Entry *entry;

		if (partition->n_free_chunks >= n_chunks &&
			(keep != NULL || partition->free_entry != NONE))
			return true;
		entry = &EntriesOf(partition)[partition->hand];
		partition->hand = (partition->hand + 1) % stock_cache->n_entries;
		if (entry->state == ENTRY_FREE || entry == keep)
			continue;
		if (entry->used)
			entry->used = false;
		else
		{
			StockCacheRemoveEntry(partition, entry);
			partition->evictions++;
		}
	}
	return false;
}

/* Appends numbers to an entry that has room for them in free chunks. */
void
StockCacheAppendNumbers(Partition *partition, Entry *entry, int64 at,
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
bool
StockCacheSetLevel(Partition *partition, Entry *entry, StockLevel level)
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
	StockCacheAppendNumbers(partition, entry, at, numbers, LEVEL_NUMBERS);
	entry->n_levels++;
	entry->sorted = entry->n_levels == 1; /* readers sort their copy */
	return true;
}

/* Copies the numbers of an entry. */
void
StockCacheCopyNumbers(Partition *partition, const Entry *entry, int64 *numbers,
					  int n)
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
