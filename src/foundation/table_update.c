/*-------------------------------------------------------------------------
 *
 * table_update.c
 *	  Changes one row of a hot table, without an UPDATE statement where that
 *	  is possible (table_plan.c).
 *
 * The row is read by its key, changed and written back, as READ COMMITTED does
 * it: when somebody else wrote it meanwhile, the latest version is locked and
 * changed instead.  So what a change refuses is refused of the very version
 * that would have been replaced.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "foundation/table_plan.h"

#include "utils/snapmgr.h"

/* Fills the new version of a row; false when the change refuses it. */
static bool
ChangeRow(TablePlan *plan, const RetailTable *table, TupleTableSlot *before,
		  TupleTableSlot *after, RetailRowChange change, void *argument)
{
	Datum values[RETAIL_MAX_COLUMNS];
	bool nulls[RETAIL_MAX_COLUMNS];

	slot_getallattrs(before);
	ExecClearTuple(after);
	memcpy(after->tts_values, before->tts_values,
		   sizeof(Datum) * plan->desc->natts);
	memcpy(after->tts_isnull, before->tts_isnull,
		   sizeof(bool) * plan->desc->natts);
	for (int i = 0; i < table->n; i++)
	{
		Assert(plan->column[i] >= 0);
		values[i] = before->tts_values[plan->column[i]];
		nulls[i] = before->tts_isnull[plan->column[i]];
	}
	if (!change(values, nulls, argument))
		return false;
	for (int i = 0; i < table->n; i++)
	{
		after->tts_values[plan->column[i]] = values[i];
		after->tts_isnull[plan->column[i]] = nulls[i];
	}
	ExecStoreVirtualTuple(after);
	after->tts_tableOid = plan->relid;
	TableCheckSlot(plan, after);
	return true;
}

/* Locks the latest version of a row that somebody else wrote; false: deleted. */
static bool
FollowRow(TablePlan *plan, TupleTableSlot *before, LockTupleMode mode)
{
	TM_FailureData failure;
	ItemPointerData tid = before->tts_tid;
	TM_Result result = table_tuple_lock(
		plan->target->ri_RelationDesc, &tid, GetActiveSnapshot(), before,
		plan->estate->es_output_cid, mode, LockWaitBlock,
		TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);

	if (result == TM_Deleted)
		return false;
	if (result != TM_Ok)
		elog(ERROR, "could not lock a row of \"%s\": %d",
			 RelationGetRelationName(plan->target->ri_RelationDesc),
			 (int) result);
	return true;
}

/* Replaces a row by its changed self. */
static RetailRowResult
ReplaceRow(TablePlan *plan, const RetailTable *table, TupleTableSlot *before,
		   RetailRowChange change, void *argument)
{
	Relation relation = plan->target->ri_RelationDesc;
	TupleTableSlot *after = plan->slots[0];

	for (;;)
	{
		TM_FailureData failure;
		LockTupleMode mode;
		update_indexes_compat indexes;
		TM_Result result;

		CHECK_FOR_INTERRUPTS();
		if (!ChangeRow(plan, table, before, after, change, argument))
			return ROW_REFUSED;
		result = table_tuple_update(relation, &before->tts_tid, after,
									plan->estate->es_output_cid,
									GetActiveSnapshot(), InvalidSnapshot, true,
									&failure, &mode, &indexes);
		if (result == TM_Ok)
		{
			if (indexes)
				list_free(exec_update_index_tuples_compat(
					plan->target, after, plan->estate, indexes));
			return ROW_CHANGED;
		}
		if (result == TM_Deleted)
			return ROW_MISSING;
		if (result != TM_Updated)
			elog(ERROR, "could not change a row of \"%s\": %d",
				 RelationGetRelationName(relation), (int) result);
		if (!FollowRow(plan, before, mode))
			return ROW_MISSING;
	}
}

/*
 * Changes the row of a key.  Only its writer's
 * columns may change, and none of the key.
 */
RetailRowResult
RetailRowUpdate(RetailTable *table, const Datum *key, RetailRowChange change,
				void *argument)
{
	Relation relation = TableOpen(table, RowExclusiveLock);
	TablePlan *plan = table->plan;
	RetailRowResult changed = ROW_BY_STATEMENT;

	if (plan->updatable && retail_direct_writes && !IsolationUsesXactSnapshot())
	{
		TupleTableSlot *before;

		CheckCmdReplicaIdentity(relation, CMD_UPDATE);
		TableTargetOpen(plan, relation, 1);
		before = table_slot_create(relation, NULL);
		PushActiveSnapshot(GetTransactionSnapshot());
		changed = TableReadRow(
					  plan, table, relation,
					  plan->target->ri_IndexRelationDescs[TableKeyIndex(plan)],
					  key, before)
			? ReplaceRow(plan, table, before, change, argument)
			: ROW_MISSING;
		PopActiveSnapshot();
		ExecClearTuple(plan->slots[0]);
		ExecDropSingleTupleTableSlot(before);
		ResetPerTupleExprContext(plan->estate);
		TableTargetClose(plan);
		if (changed == ROW_CHANGED)
			CommandCounterIncrement();
	}
	table_close(relation, NoLock);
	return changed;
}
