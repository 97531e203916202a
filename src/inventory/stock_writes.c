/*-------------------------------------------------------------------------
 *
 * stock_writes.c
 *	  The stock levels that the current transaction has left behind, until it
 *	  ends and the shared cache learns of them.
 *
 * StockPost() remembers each level as its UPDATE returns it: an absolute
 * figure, so nothing drifts.  The rows stay locked until the transaction
 * ends, so the last figure of a row is still true when it commits.  They are
 * written to the cache just before the commit, in its PRE_COMMIT event, when
 * no other transaction can have changed the rows since; if the commit fails
 * after that, the entries are dropped.
 *
 * The writes are kept in the order in which they were made.  Those of a
 * subtransaction are at the end when it ends: it drops them, or hands them to
 * its parent.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "inventory/stock_cache.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* What a decision would have to look through; more are read from the table. */
#define MAX_OVERLAY 4096

typedef struct StockWrite
{
	StockSource source;
	int64 sku_id;
	StockLevel level;
	int nesting;
	bool forget; /* the whole SKU: nobody knows what was written */
} StockWrite;

static StockWrite *writes = NULL; /* in TopTransactionContext */
static int n_writes = 0;
static int n_room = 0;
static bool forget_all = false;
static bool committing = false;

/* Appends a write of the current subtransaction. */
static StockWrite *
AddWrite(int64 sku_id)
{
	StockWrite *write;

	if (n_writes == n_room)
	{
		int room = Max(n_room * 2, 64);

		writes = writes ? repalloc_huge(writes, sizeof(StockWrite) * room)
						: MemoryContextAlloc(TopTransactionContext,
											 sizeof(StockWrite) * room);
		n_room = room;
	}
	write = &writes[n_writes++];
	memset(write, 0, sizeof(*write));
	write->source = StockCacheSource();
	write->sku_id = sku_id;
	write->nesting = GetCurrentTransactionNestLevel();
	return write;
}

/* Remembers the level that an UPDATE of retail.stock has left behind. */
void
StockWritesRemember(int64 sku_id, int64 node_id, int64 available)
{
	StockWrite *write;

	if (!StockCacheExists())
		return;
	write = AddWrite(sku_id);
	write->level.node_id = node_id;
	write->level.available = available;
}

/* Has the cache drop a SKU when this transaction commits. */
void
StockWritesForget(int64 sku_id)
{
	if (StockCacheExists())
		AddWrite(sku_id)->forget = true;
}

/* Has the cache drop this database when this transaction commits. */
void
StockWritesForgetAll(void)
{
	forget_all = StockCacheExists();
}

/*
 * Says whether the transaction has written stock of a SKU in a way that the
 * cache's entry cannot be loaded from, or overlaid with, what it sees.
 */
bool
StockWritesTouch(int64 sku_id)
{
	if (n_writes > MAX_OVERLAY || forget_all)
		return true;
	for (int i = 0; i < n_writes; i++)
		if (writes[i].sku_id == sku_id)
			return true;
	return false;
}

/* Finds a level of a list by its node, or NULL. */
static StockLevel *
FindLevel(StockList *list, int64 node_id)
{
	int low = 0;
	int high = list->n_levels;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (list->levels[middle].node_id < node_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->n_levels && list->levels[low].node_id == node_id
		? &list->levels[low]
		: NULL;
}

/*
 * Overlays what the cache has of a SKU with the transaction's own writes;
 * false when they are too many, or of a kind that the table must be read.
 */
bool
StockWritesOverlay(StockList *list)
{
	if (n_writes > MAX_OVERLAY || forget_all)
		return false;
	for (int i = 0; i < n_writes; i++)
	{
		StockLevel *level;

		if (writes[i].sku_id != list->sku_id)
			continue;
		level = FindLevel(list, writes[i].level.node_id);
		if (writes[i].forget || level == NULL)
			return false;
		level->available = writes[i].level.available;
	}
	return true;
}

/* Forgets everything; the memory goes with the transaction. */
static void
Reset(void)
{
	writes = NULL;
	n_writes = n_room = 0;
	forget_all = false;
	committing = false;
}

/* Leaves the levels in the cache, in the order in which they were written. */
static void
WriteLevels(void)
{
	uint64 bits = 0;

	for (int i = 0; i < n_writes; i++)
		bits |= StockCachePartitionBit(MyDatabaseId, writes[i].sku_id);
	committing = true;
	StockCacheBeginCommit(bits);
	for (int i = 0; i < n_writes; i++)
		if (!writes[i].forget)
			StockCacheWrite(&writes[i].source, writes[i].sku_id,
							writes[i].level);
}

/* Drops what was written outside of the cache's sight. */
static void
DropForgotten(void)
{
	for (int i = 0; i < n_writes; i++)
		if (writes[i].forget)
			StockCacheForget(MyDatabaseId, writes[i].sku_id);
	if (forget_all)
		StockCacheForgetAll(MyDatabaseId);
}

/* Drops all that was written: it has not been committed after all. */
static void
DropWritten(void)
{
	for (int i = 0; i < n_writes; i++)
		StockCacheForget(MyDatabaseId, writes[i].sku_id);
}

/* Drops all that was written: who knows when it is committed. */
static void
BlockWritten(void)
{
	TransactionId xid = GetTopTransactionIdIfAny();

	for (int i = 0; i < n_writes; i++)
		StockCacheBlock(MyDatabaseId, writes[i].sku_id, xid);
}

/* Follows the end of the transaction. */
static void
TransactionEvent(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (n_writes > 0)
				WriteLevels();
			break;
		case XACT_EVENT_COMMIT:
			DropForgotten();
			if (committing)
				StockCacheEndCommit();
			Reset();
			break;
		case XACT_EVENT_ABORT:
			if (committing)
			{
				DropWritten();
				StockCacheEndCommit();
			}
			Reset();
			break;
		case XACT_EVENT_PRE_PREPARE:
			BlockWritten();
			break;
		case XACT_EVENT_PREPARE:
			Reset();
			break;
		default:
			break;
	}
}

/* Follows the end of a subtransaction. */
static void
SubtransactionEvent(SubXactEvent event, SubTransactionId my,
					SubTransactionId parent, void *arg)
{
	int nesting = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (n_writes > 0 && writes[n_writes - 1].nesting >= nesting)
			n_writes--;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		for (int i = n_writes; i > 0 && writes[i - 1].nesting >= nesting; i--)
			writes[i - 1].nesting = nesting - 1;
}

/* Registers the callbacks; called once when the module is preloaded. */
void
StockWritesInit(void)
{
	RegisterXactCallback(TransactionEvent, NULL);
	RegisterSubXactCallback(SubtransactionEvent, NULL);
}
