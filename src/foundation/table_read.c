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

/* Reads the row of a key, by the active snapshot, into a slot; false: none. */
bool
TableReadRow(TablePlan *plan, const RetailTable *table, const Datum *key,
			 TupleTableSlot *slot)
{
	ResultRelInfo *target = plan->target;
	ScanKeyData keys[INDEX_MAX_KEYS];
	IndexScanDesc scan;
	Relation index;
	IndexInfo *info;
	int which = 0;
	bool found;

	while (plan->index_ids[which] != linitial_oid(plan->arbiter))
		which++;
	index = target->ri_IndexRelationDescs[which];
	info = plan->indexes[which];
	for (int k = 0; k < table->n_unique; k++)
	{
		int i = 0;

		while (plan->column[i] + 1 != info->ii_IndexAttrNumbers[k])
			i++;
		ScanKeyEntryInitialize(&keys[k], 0, k + 1, info->ii_UniqueStrats[k],
							   InvalidOid, index->rd_indcollation[k],
							   info->ii_UniqueProcs[k], key[i]);
	}
	scan = index_beginscan_compat(target->ri_RelationDesc, index,
								  GetActiveSnapshot(), table->n_unique, 0);
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
	Relation relation = TableOpen(table, RowExclusiveLock);
	TablePlan *plan = table->plan;
	bool taken = true;

	if (plan->insertable && retail_direct_writes)
	{
		TupleTableSlot *slot = table_slot_create(relation, NULL);

		TableTargetOpen(plan, relation, 1);
		PushActiveSnapshot(GetTransactionSnapshot());
		taken = TableReadRow(plan, table, key, slot);
		PopActiveSnapshot();
		ExecDropSingleTupleTableSlot(slot);
		TableTargetClose(plan);
	}
	table_close(relation, NoLock);
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
