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

/*
 * Reads the row of a key, which the given index is of, by the active snapshot,
 * into a slot; false: none.
 */
bool
TableReadRow(TablePlan *plan, const RetailTable *table, Relation relation,
			 Relation index, const Datum *key, TupleTableSlot *slot)
{
	const IndexInfo *info = plan->indexes[TableKeyIndex(plan)];
	ScanKeyData keys[INDEX_MAX_KEYS];
	IndexScanDesc scan;
	bool found;

	for (int k = 0; k < table->n_unique; k++)
	{
		int i = 0;

		while (plan->column[i] + 1 != info->ii_IndexAttrNumbers[k])
			i++;
		ScanKeyEntryInitialize(&keys[k], 0, k + 1, info->ii_UniqueStrats[k],
							   InvalidOid, index->rd_indcollation[k],
							   info->ii_UniqueProcs[k], key[i]);
	}
	scan = index_beginscan_compat(relation, index, GetActiveSnapshot(),
								  table->n_unique, 0);
	index_rescan(scan, keys, table->n_unique, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
		ExecMaterializeSlot(slot);
	index_endscan(scan);
	return found;
}

/*
 * Says whether a row with this key is to be seen now; waits for nobody.  Where
 * only a statement could tell, the answer is true.
 */
bool
RetailKeyIsTaken(RetailTable *table, const Datum *key)
{
	Relation relation = TableOpen(table, AccessShareLock);
	TablePlan *plan = table->plan;
	bool taken = true;

	if (plan->insertable && retail_direct_writes)
	{
		TupleTableSlot *slot = table_slot_create(relation, NULL);
		Relation index =
			index_open(plan->index_ids[TableKeyIndex(plan)], AccessShareLock);

		PushActiveSnapshot(GetTransactionSnapshot());
		taken = TableReadRow(plan, table, relation, index, key, slot);
		PopActiveSnapshot();
		ExecDropSingleTupleTableSlot(slot);
		index_close(index, AccessShareLock);
	}
	table_close(relation, AccessShareLock);
	return taken;
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
