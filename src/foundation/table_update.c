/*-------------------------------------------------------------------------
 *
 * table_update.c
 *	  Changes rows of a hot table, without an UPDATE statement where that is
 *	  possible (table_plan.c).
 *
 * A row is read by its key, changed and written back, as READ COMMITTED does
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

/* Rows of a table while they are changed one after the other. */
struct RetailUpdate
{
	RetailTable *table;
	Relation relation;
	bool direct; /* false: only statements may */
	bool changed;
	TupleTableSlot *before;
	TableRead *read;
};

/* Begins to change rows of a table; they are seen as they are committed now. */
RetailUpdate *
RetailUpdateBegin(RetailTable *table)
{
	RetailUpdate *update = palloc0(sizeof(RetailUpdate));
	TablePlan *plan;

	update->table = table;
	update->relation = TableOpen(table, RowExclusiveLock);
	plan = table->plan;
	update->direct =
		plan->updatable && retail_direct_writes && !IsolationUsesXactSnapshot();
	if (!update->direct)
		return update;
	CheckCmdReplicaIdentity(update->relation, CMD_UPDATE);
	TableTargetOpen(plan, update->relation, 1);
	update->before = table_slot_create(update->relation, NULL);
	PushActiveSnapshot(GetTransactionSnapshot());
	update->read = TableReadBegin(
		plan, update->relation,
		plan->target->ri_IndexRelationDescs[TableKeyIndex(plan)]);
	PopActiveSnapshot();
	return update;
}

/*
 * Changes the row of a key.  Only its writer's columns may change, and none of
 * the key.
 */
RetailRowResult
RetailUpdateRow(RetailUpdate *update, const Datum *key, RetailRowChange change,
				void *argument)
{
	TablePlan *plan = update->table->plan;
	RetailRowResult result;

	if (!update->direct)
		return ROW_BY_STATEMENT;
	PushActiveSnapshot(update->read->snapshot);
	result =
		TableReadNext(update->read, plan, update->table, key, update->before)
		? ReplaceRow(plan, update->table, update->before, change, argument)
		: ROW_MISSING;
	PopActiveSnapshot();
	ExecClearTuple(plan->slots[0]);
	ResetPerTupleExprContext(plan->estate);
	update->changed |= result == ROW_CHANGED;
	return result;
}

/*
 * The same of a row that this transaction has locked, and which lies there
 * since.
 */
RetailRowResult
RetailUpdateLocked(RetailUpdate *update, ItemPointer tid,
				   RetailRowChange change, void *argument)
{
	TablePlan *plan = update->table->plan;
	RetailRowResult result;

	if (!update->direct)
		return ROW_BY_STATEMENT;
	PushActiveSnapshot(update->read->snapshot);
	result = table_tuple_fetch_row_version(update->relation, tid, SnapshotAny,
										   update->before)
		? ReplaceRow(plan, update->table, update->before, change, argument)
		: ROW_MISSING;
	PopActiveSnapshot();
	ExecClearTuple(plan->slots[0]);
	ResetPerTupleExprContext(plan->estate);
	update->changed |= result == ROW_CHANGED;
	return result;
}

/* Ends it: what follows in this transaction sees the changes. */
void
RetailUpdateEnd(RetailUpdate *update)
{
	if (update->direct)
	{
		TableReadEnd(update->read);
		ExecDropSingleTupleTableSlot(update->before);
		TableTargetClose(update->table->plan);
	}
	table_close(update->relation, NoLock);
	if (update->changed)
		CommandCounterIncrement();
	pfree(update);
}
