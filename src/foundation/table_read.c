/*-------------------------------------------------------------------------
 *
 * table_read.c
 *	  Reads a row by its key and the least value of an index, without a
 *	  statement where that is possible (table_plan.c).
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "foundation/table_plan.h"

#include "catalog/pg_am.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* Returns which index of a table is its key. */
int
TableKeyIndex(const TablePlan *plan)
{
	int which = 0;

	while (plan->index_ids[which] != linitial_oid(plan->arbiter))
		which++;
	return which;
}

/* Begins to read rows by the key that an index is of, by the active snapshot. */
TableRead *
TableReadBegin(TablePlan *plan, Relation relation, Relation index)
{
	const IndexInfo *info = plan->indexes[TableKeyIndex(plan)];
	TableRead *read = palloc(sizeof(TableRead));

	read->snapshot = RegisterSnapshot(GetActiveSnapshot());
	for (int k = 0; k < info->ii_NumIndexKeyAttrs; k++)
		ScanKeyEntryInitialize(
			&read->keys[k], 0, k + 1, info->ii_UniqueStrats[k], InvalidOid,
			index->rd_indcollation[k], info->ii_UniqueProcs[k], (Datum) 0);
	read->scan = index_beginscan_compat(relation, index, read->snapshot,
										info->ii_NumIndexKeyAttrs, 0);
	return read;
}

/* Reads the row of a key into a slot; false: none. */
bool
TableReadNext(TableRead *read, TablePlan *plan, const RetailTable *table,
			  const Datum *key, TupleTableSlot *slot)
{
	const IndexInfo *info = plan->indexes[TableKeyIndex(plan)];

	for (int k = 0; k < table->n_unique; k++)
	{
		int i = 0;

		while (plan->column[i] + 1 != info->ii_IndexAttrNumbers[k])
			i++;
		read->keys[k].sk_argument = key[i];
	}
	index_rescan(read->scan, read->keys, table->n_unique, NULL, 0);
	if (!index_getnext_slot(read->scan, ForwardScanDirection, slot))
		return false;
	ExecMaterializeSlot(slot);
	return true;
}

/* Ends it. */
void
TableReadEnd(TableRead *read)
{
	index_endscan(read->scan);
	UnregisterSnapshot(read->snapshot);
	pfree(read);
}

/* Keys of a table while somebody asks what is there. */
struct RetailKeys
{
	RetailTable *table;
	Relation relation;
	Relation index; /* NULL: only a statement could tell */
	TupleTableSlot *slot;
	TableRead *read;
	BlockNumber n_blocks; /* of the table, when it was opened; 0: not asked */
};

/* Begins to ask for rows with some keys, as a snapshot shows them. */
RetailKeys *
RetailKeysBegin(RetailTable *table, Snapshot snapshot)
{
	RetailKeys *keys = palloc0(sizeof(RetailKeys));
	TablePlan *plan;

	keys->table = table;
	keys->relation = TableOpen(table, AccessShareLock);
	plan = table->plan;
	if (plan->plain && plan->arbiter != NIL && retail_direct_writes)
	{
		keys->slot = table_slot_create(keys->relation, NULL);
		keys->index =
			index_open(plan->index_ids[TableKeyIndex(plan)], AccessShareLock);
		PushActiveSnapshot(snapshot);
		keys->read = TableReadBegin(plan, keys->relation, keys->index);
		PopActiveSnapshot();
	}
	return keys;
}

/* Says whether a row with this key is there; waits for nobody. */
RetailRowResult
RetailKeysFind(RetailKeys *keys, const Datum *key)
{
	bool found;

	if (keys->index == NULL)
		return ROW_BY_STATEMENT;
	PushActiveSnapshot(keys->read->snapshot);
	found = TableReadNext(keys->read, keys->table->plan, keys->table, key,
						  keys->slot);
	PopActiveSnapshot();
	return found ? ROW_FOUND : ROW_MISSING;
}

/*
 * Looks for a row where one was found earlier.  What lies there now may be
 * another row: the caller compares the key.
 */
RetailRowResult
RetailKeysFindAt(RetailKeys *keys, const ItemPointerData *tid)
{
	ItemPointerData place = *tid;

	if (keys->index == NULL)
		return ROW_BY_STATEMENT;
	if (keys->n_blocks == 0)
		keys->n_blocks = RelationGetNumberOfBlocks(keys->relation);
	if (ItemPointerGetBlockNumber(&place) >= keys->n_blocks)
		return ROW_MISSING;
	return table_tuple_fetch_row_version(keys->relation, &place,
										 keys->read->snapshot, keys->slot)
		? ROW_FOUND
		: ROW_MISSING;
}

/* Tells where the row lies that was found last. */
ItemPointerData
RetailKeysPlace(const RetailKeys *keys)
{
	return keys->slot->tts_tid;
}

/*
 * Reads a column of the row that was found last; valid until the next.  One
 * that is not there yet is null.
 */
Datum
RetailKeysColumn(RetailKeys *keys, int column, bool *isnull)
{
	int c = keys->table->plan->column[column];

	*isnull = true;
	return c < 0 ? 0 : slot_getattr(keys->slot, c + 1, isnull);
}

/* Ends it. */
void
RetailKeysEnd(RetailKeys *keys)
{
	if (keys->index)
	{
		TableReadEnd(keys->read);
		ExecDropSingleTupleTableSlot(keys->slot);
		index_close(keys->index, AccessShareLock);
	}
	table_close(keys->relation, AccessShareLock);
	pfree(keys);
}

/* Is the table's only column the first of a b-tree that can be read? */
static bool
IsOrderedBy(const TablePlan *plan, Relation index)
{
	return index->rd_rel->relam == BTREE_AM_OID &&
		index->rd_index->indrelid == plan->relid &&
		index->rd_index->indisvalid &&
		index->rd_index->indkey.values[0] == plan->column[0] + 1 &&
		(index->rd_indoption[0] & (INDOPTION_DESC | INDOPTION_NULLS_FIRST)) ==
		0;
}

/*
 * Finds the least value of a table's only column, which an index beside the
 * table orders by.  The snapshot is the active one.  ROW_MISSING: there is no
 * row in the index; ROW_BY_STATEMENT: only a statement can tell.
 */
RetailRowResult
RetailIndexLeast(RetailTable *table, const char *index_name, Datum *value)
{
	Relation relation = TableOpen(table, AccessShareLock);
	Oid index_id =
		get_relname_relid(index_name, RelationGetNamespace(relation));
	RetailRowResult result = ROW_BY_STATEMENT;

	if (table->plan->plain && OidIsValid(index_id))
	{
		Relation index = index_open(index_id, AccessShareLock);

		if (IsOrderedBy(table->plan, index))
		{
			TupleTableSlot *slot = table_slot_create(relation, NULL);
			IndexScanDesc scan = index_beginscan_compat(
				relation, index, GetActiveSnapshot(), 0, 0);
			bool isnull = true;

			index_rescan(scan, NULL, 0, NULL, 0);
			if (index_getnext_slot(scan, ForwardScanDirection, slot))
				*value =
					slot_getattr(slot, table->plan->column[0] + 1, &isnull);
			result = isnull ? ROW_MISSING : ROW_FOUND;
			index_endscan(scan);
			ExecDropSingleTupleTableSlot(slot);
		}
		index_close(index, AccessShareLock);
	}
	table_close(relation, AccessShareLock);
	return result;
}
