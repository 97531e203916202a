/*-------------------------------------------------------------------------
 *
 * stock_cache_internal.h
 *	  How stock levels lie in shared memory: see stock_cache.c.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_STOCK_CACHE_INTERNAL_H
#define PG_RETAIL_STOCK_CACHE_INTERNAL_H

#include "inventory/stock_cache.h"

#include "common/hashfn.h"
#include "port/atomics.h"
#include "storage/lwlock.h"

#define MAX_PARTITIONS 64

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

extern SharedCache *stock_cache;
extern LWLockPadded *stock_cache_locks;
extern char *stock_cache_partitions;

static inline Partition *
PartitionAt(uint32 p)
{
	return (Partition *) (stock_cache_partitions +
						  stock_cache->partition_size * p);
}

static inline Entry *
EntriesOf(Partition *partition)
{
	return (Entry *) ((char *) partition + MAXALIGN(sizeof(Partition)));
}

static inline Chunk *
ChunksOf(Partition *partition)
{
	return (Chunk *) (EntriesOf(partition) + stock_cache->n_entries);
}

static inline uint32 *
BucketsOf(Partition *partition)
{
	return (uint32 *) (ChunksOf(partition) + stock_cache->n_entries);
}

static inline uint32
HashKey(Oid database, int64 sku_id)
{
	int64 key[2] = {database, sku_id};

	return hash_bytes((const unsigned char *) key, sizeof(key));
}

static inline uint32 *
BucketOf(Partition *partition, uint32 hash)
{
	return &BucketsOf(
		partition)[hash / MAX_PARTITIONS % stock_cache->n_entries];
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

/* The caller holds the lock of the partition. */
extern Entry *StockCacheFindEntry(Partition *partition, uint32 hash,
								  Oid database, int64 sku_id);
extern void StockCacheEmptyEntry(Partition *partition, Entry *entry);
extern void StockCacheRemoveEntry(Partition *partition, Entry *entry);
extern bool
StockCacheMakeRoom(Partition *partition, uint32 n_chunks, const Entry *keep);
extern void StockCacheAppendNumbers(Partition *partition, Entry *entry,
									int64 at, const int64 *numbers, int n);
extern bool
StockCacheSetLevel(Partition *partition, Entry *entry, StockLevel level);
extern void StockCacheCopyNumbers(Partition *partition, const Entry *entry,
								  int64 *numbers, int n);

#endif /* PG_RETAIL_STOCK_CACHE_INTERNAL_H */
