/*-------------------------------------------------------------------------
 *
 * stock_cache.h
 *	  What may be promised of a SKU at each node, kept in shared memory.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_STOCK_CACHE_H
#define PG_RETAIL_STOCK_CACHE_H

#include "retail.h"

/* Units of a SKU at a node: on hand - reserved. */
typedef struct StockLevel
{
	int64 node_id;
	int64 available;
} StockLevel;

/* Units of a SKU at a node that a channel may not promise. */
typedef struct StockSafety
{
	int64 node_id;
	int64 channel_id; /* 0: channels without a figure of their own */
	int64 quantity;
} StockSafety;

/* All that is known of one SKU; levels ascend by node. */
typedef struct StockList
{
	int64 sku_id;
	int n_levels;
	int n_safeties;
	StockLevel *levels;
	StockSafety *safeties;
} StockList;

/* The table as it was when a list was read. */
typedef struct StockSource
{
	Oid database;
	Oid file; /* of retail.stock: another after TRUNCATE or restore */
} StockSource;

/* Counters for people, of the whole server but for entries and levels. */
typedef struct StockCacheStatus
{
	int64 bytes;
	int64 entries; /* of this database */
	int64 levels;  /* of this database */
	int64 chunks;
	int64 free_chunks;
	uint64 hits;
	uint64 misses;
	uint64 loads;
	uint64 evictions;
} StockCacheStatus;

extern bool retail_stock_cache;
extern int stock_cache_max_age; /* seconds */

extern void StockCacheInit(void);
extern bool StockCacheExists(void);
extern bool StockCacheUsable(void);
extern StockSource StockCacheSource(void);

extern bool StockCacheFind(const StockSource *source, StockList *list);
extern uint64
StockCacheTrack(const StockSource *source, int64 sku_id, bool anew);
extern void StockCacheSettle(const StockList *lists, uint64 *tickets, int n);
extern void StockCacheInstall(const StockSource *source, const StockList *list,
							  uint64 ticket, TransactionId xmin);

extern void StockCacheBeginCommit(uint64 partitions);
extern void StockCacheEndCommit(void);
extern uint64 StockCachePartitionBit(Oid database, int64 sku_id);
extern void
StockCacheWrite(const StockSource *source, int64 sku_id, StockLevel level);
extern void StockCacheForget(Oid database, int64 sku_id);
extern void StockCacheForgetAll(Oid database);
extern void StockCacheBlock(Oid database, int64 sku_id, TransactionId xid);

extern bool
StockCacheNext(Oid database, int *partition, int *entry, StockList *list);
extern void StockCacheGetStatus(StockCacheStatus *status);

/* stock_writes.c: what the current transaction wrote */
extern void StockWritesInit(void);
extern void StockWritesRemember(int64 sku_id, int64 node_id, int64 available);
extern void StockWritesForget(int64 sku_id);
extern void StockWritesForgetAll(void);
extern bool StockWritesTouch(int64 sku_id);
extern bool StockWritesOverlay(StockList *list);

#endif /* PG_RETAIL_STOCK_CACHE_H */
