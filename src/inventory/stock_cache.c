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
#include "inventory/stock_cache_internal.h"

#include "access/transam.h"
#include "access/twophase.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "compat.h"

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
	StockCacheCopyNumbers(partition, entry, numbers, n);
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
	uint32 p = hash % stock_cache->n_partitions;
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
		LWLockAcquire(&stock_cache_locks[p].lock, LW_SHARED);
		entry = StockCacheFindEntry(partition, hash, source->database,
									list->sku_id);
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
		LWLockRelease(&stock_cache_locks[p].lock);
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
	uint32 p = hash % stock_cache->n_partitions;
	Partition *partition = PartitionAt(p);
	TimestampTz now = GetCurrentTimestamp();
	uint64 ticket = 0;
	Entry *entry;

	LWLockAcquire(&stock_cache_locks[p].lock, LW_EXCLUSIVE);
	entry = StockCacheFindEntry(partition, hash, source->database, sku_id);
	if (entry == NULL && StockCacheMakeRoom(partition, 1, NULL))
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
				StockCacheEmptyEntry(partition, entry);
				entry->state = ENTRY_LOADING;
				entry->file = source->file;
				/* Whoever locked this partition before us has an older one. */
				entry->ticket =
					pg_atomic_fetch_add_u64(&stock_cache->ticket, 1);
			}
		}
		entry->used = true;
		ticket = entry->state == ENTRY_LOADING ? entry->ticket : 0;
	}
	LWLockRelease(&stock_cache_locks[p].lock);
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
	for (uint32 c = 0; c < stock_cache->n_committers; c++)
	{
		uint64 theirs = pg_atomic_read_u64(&stock_cache->committers[c].ticket);
		uint64 bits;

		if (theirs == 0)
			continue;
		pg_read_barrier();
		bits = stock_cache->committers[c].partitions;
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
		{
			partition->blocked = ReadNextTransactionId();
			TransactionIdRetreat(partition->blocked);
		}
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
	StockLevel left[LOADING_SLACK] = {0};
	int n = *n_levels;

	if (entry->n_levels > LOADING_SLACK)
		return false;
	StockCacheCopyNumbers(partition, entry, (int64 *) left,
						  entry->n_levels * LEVEL_NUMBERS);
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
	uint32 p = hash % stock_cache->n_partitions;
	Partition *partition = PartitionAt(p);
	StockLevel *levels =
		palloc(sizeof(StockLevel) * (list->n_levels + LOADING_SLACK));
	TimestampTz now = GetCurrentTimestamp();
	int n_levels = list->n_levels;
	Entry *entry;

	if (n_levels > 0)
		memcpy(levels, list->levels, sizeof(StockLevel) * n_levels);
	LWLockAcquire(&stock_cache_locks[p].lock, LW_EXCLUSIVE);
	entry =
		StockCacheFindEntry(partition, hash, source->database, list->sku_id);
	if (entry && entry->state == ENTRY_LOADING && entry->ticket == ticket &&
		!IsBlocked(partition, xmin) &&
		MergeLevels(partition, entry, levels, &n_levels))
	{
		StockCacheEmptyEntry(partition, entry);
		if (StockCacheMakeRoom(partition,
							   ChunksFor(NumbersOf(list->n_safeties, n_levels)),
							   entry))
		{
			static const int64 padding = 0;
			int at = list->n_safeties * SAFETY_NUMBERS;

			StockCacheAppendNumbers(partition, entry, 0,
									(const int64 *) list->safeties, at);
			StockCacheAppendNumbers(partition, entry, at, &padding,
									LevelsAt(list->n_safeties) - at);
			StockCacheAppendNumbers(
				partition, entry, LevelsAt(list->n_safeties),
				(const int64 *) levels, n_levels * LEVEL_NUMBERS);
			entry->n_safeties = list->n_safeties;
			entry->n_levels = n_levels;
			entry->sorted = n_levels == list->n_levels;
			entry->loaded_at = now;
			entry->state = ENTRY_READY;
			partition->loads++;
		}
		else
			StockCacheRemoveEntry(partition,
								  entry); /* it is larger than the partition */
	}
	LWLockRelease(&stock_cache_locks[p].lock);
	pfree(levels);
}

/* ---- committing ---- */

/* The bit of the partition that a SKU lies in. */
uint64
StockCachePartitionBit(Oid database, int64 sku_id)
{
	return UINT64CONST(1) << (HashKey(database, sku_id) %
							  stock_cache->n_partitions);
}

/* Notes, before any level is written, that we are about to commit. */
void
StockCacheBeginCommit(uint64 bits)
{
	Committer *committer = &stock_cache->committers[proc_number_compat()];

	committer->partitions = bits;
	pg_write_barrier();
	pg_atomic_write_u64(&committer->ticket,
						pg_atomic_fetch_add_u64(&stock_cache->ticket, 1));
	pg_memory_barrier();
}

/* Notes that our commit is visible, or that we have failed. */
void
StockCacheEndCommit(void)
{
	pg_memory_barrier();
	pg_atomic_write_u64(&stock_cache->committers[proc_number_compat()].ticket,
						0);
}

/* Leaves a level of a transaction that commits. */
void
StockCacheWrite(const StockSource *source, int64 sku_id, StockLevel level)
{
	uint32 hash = HashKey(source->database, sku_id);
	uint32 p = hash % stock_cache->n_partitions;
	Partition *partition = PartitionAt(p);
	Entry *entry;

	LWLockAcquire(&stock_cache_locks[p].lock, LW_EXCLUSIVE);
	entry = StockCacheFindEntry(partition, hash, source->database, sku_id);
	if (entry &&
		(entry->file != source->file ||
		 !StockCacheSetLevel(partition, entry, level)))
		StockCacheRemoveEntry(partition, entry);
	LWLockRelease(&stock_cache_locks[p].lock);
}

/* Drops the entry of a SKU. */
void
StockCacheForget(Oid database, int64 sku_id)
{
	uint32 hash = HashKey(database, sku_id);
	uint32 p = hash % stock_cache->n_partitions;
	Partition *partition = PartitionAt(p);
	Entry *entry;

	LWLockAcquire(&stock_cache_locks[p].lock, LW_EXCLUSIVE);
	entry = StockCacheFindEntry(partition, hash, database, sku_id);
	if (entry)
		StockCacheRemoveEntry(partition, entry);
	LWLockRelease(&stock_cache_locks[p].lock);
}

/* Drops all entries of a database. */
void
StockCacheForgetAll(Oid database)
{
	for (uint32 p = 0; p < stock_cache->n_partitions; p++)
	{
		Partition *partition = PartitionAt(p);

		LWLockAcquire(&stock_cache_locks[p].lock, LW_EXCLUSIVE);
		for (uint32 i = 0; i < stock_cache->n_entries; i++)
		{
			Entry *entry = &EntriesOf(partition)[i];

			if (entry->state != ENTRY_FREE && entry->database == database)
				StockCacheRemoveEntry(partition, entry);
		}
		LWLockRelease(&stock_cache_locks[p].lock);
	}
}

/* Drops the entry of a SKU that a transaction has written that is prepared. */
void
StockCacheBlock(Oid database, int64 sku_id, TransactionId xid)
{
	uint32 p = HashKey(database, sku_id) % stock_cache->n_partitions;
	Partition *partition = PartitionAt(p);

	StockCacheForget(database, sku_id);
	LWLockAcquire(&stock_cache_locks[p].lock, LW_EXCLUSIVE);
	if (!TransactionIdIsValid(partition->blocked) ||
		TransactionIdPrecedes(partition->blocked, xid))
		partition->blocked = xid;
	LWLockRelease(&stock_cache_locks[p].lock);
}

/* ---- for people and tests ---- */

/*
 * Copies the next entry of a database that is ready; begins with *partition
 * and *entry at 0.  Returns false at the end.
 */
bool
StockCacheNext(Oid database, int *partition, int *entry, StockList *list)
{
	int room = (int) stock_cache->n_entries * CHUNK_NUMBERS;
	int64 *numbers = palloc_extended(sizeof(int64) * room, MCXT_ALLOC_HUGE);

	for (; *partition < (int) stock_cache->n_partitions;
		 (*partition)++, *entry = 0)
	{
		Partition *part = PartitionAt(*partition);
		bool found = false;

		LWLockAcquire(&stock_cache_locks[*partition].lock, LW_SHARED);
		while (!found && *entry < (int) stock_cache->n_entries)
		{
			Entry *e = &EntriesOf(part)[(*entry)++];

			found = e->state == ENTRY_READY && e->database == database;
			if (found)
				CopyEntry(part, e, numbers, room, list);
		}
		LWLockRelease(&stock_cache_locks[*partition].lock);
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
	status->bytes =
		(int64) (stock_cache->partition_size * stock_cache->n_partitions);
	for (uint32 p = 0; p < stock_cache->n_partitions; p++)
	{
		Partition *partition = PartitionAt(p);

		LWLockAcquire(&stock_cache_locks[p].lock, LW_SHARED);
		for (uint32 i = 0; i < stock_cache->n_entries; i++)
		{
			Entry *entry = &EntriesOf(partition)[i];

			if (entry->state != ENTRY_READY || entry->database != MyDatabaseId)
				continue;
			status->entries++;
			status->levels += entry->n_levels;
		}
		status->chunks += stock_cache->n_entries;
		status->free_chunks += partition->n_free_chunks;
		status->hits += pg_atomic_read_u64(&partition->hits);
		status->misses += pg_atomic_read_u64(&partition->misses);
		status->loads += partition->loads;
		status->evictions += partition->evictions;
		LWLockRelease(&stock_cache_locks[p].lock);
	}
}
