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
		ScanKeyEntryInitialize(&read->keys[k], 0, k + 1,
							   info->ii_UniqueStrats[k], InvalidOid,
							   index->rd_indcollation[k],
							   info->ii_UniqueProcs[k], (Datum) 0);
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

/* Keys of a table while somebody asks which are taken. */
struct RetailKeys
{
	RetailTable *table;
	Relation relation;
	Relation index; /* NULL: only a statement could tell */
	TupleTableSlot *slot;
	TableRead *read;
};

/* Begins to ask whether rows with some keys are to be seen now. */
RetailKeys *
RetailKeysBegin(RetailTable *table)
{
	RetailKeys *keys = palloc0(sizeof(RetailKeys));
	TablePlan *plan;

	keys->table = table;
	keys->relation = TableOpen(table, AccessShareLock);
	plan = table->plan;
	if (plan->insertable && retail_direct_writes)
	{
		keys->slot = table_slot_create(keys->relation, NULL);
		keys->index =
			index_open(plan->index_ids[TableKeyIndex(plan)], AccessShareLock);
		PushActiveSnapshot(GetTransactionSnapshot());
		keys->read = TableReadBegin(plan, keys->relation, keys->index);
		PopActiveSnapshot();
	}
	return keys;
}

/*
 * Says whether a row with this key is there; waits for nobody.  Where only a
 * statement could tell, the answer is true.
 */
bool
RetailKeyIsTaken(RetailKeys *keys, const Datum *key)
{
	bool taken;

	if (keys->index == NULL)
		return true;
	PushActiveSnapshot(keys->read->snapshot);
	taken = TableReadNext(keys->read, keys->table->plan, keys->table, key,
						  keys->slot);
	PopActiveSnapshot();
	ExecClearTuple(keys->slot);
	return taken;
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
