/*-------------------------------------------------------------------------
 *
 * table_insert.c
 *	  Inserts many rows into a hot table, without an INSERT statement where
 *	  that is possible (table_plan.c).
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "foundation/table_plan.h"

#include "storage/lmgr.h"
#include "utils/fmgrprotos.h"

/* Rows that are written to table and indexes before the next are formed. */
#define CHUNK 256

/* Prepares room for rows of a table. */
RetailRows *
RetailRowsMake(RetailTable *table, int room)
{
	RetailRows *rows = palloc(sizeof(RetailRows));

	rows->table = table;
	rows->n = 0;
	rows->room = Max(room, 1);
	rows->values = palloc(sizeof(Datum) * rows->room * table->n);
	rows->nulls = palloc(sizeof(bool) * rows->room * table->n);
	return rows;
}

/* Adds a row; nulls may be NULL.  Values by reference are not copied. */
void
RetailRowsAdd(RetailRows *rows, const Datum *values, const bool *nulls)
{
	int n = rows->table->n;

	if (rows->n == rows->room)
	{
		rows->room *= 2;
		rows->values =
			repalloc_huge(rows->values, sizeof(Datum) * rows->room * n);
		rows->nulls = repalloc_huge(rows->nulls, sizeof(bool) * rows->room * n);
	}
	memcpy(&rows->values[rows->n * n], values, sizeof(Datum) * n);
	if (nulls)
		memcpy(&rows->nulls[rows->n * n], nulls, sizeof(bool) * n);
	else
		memset(&rows->nulls[rows->n * n], 0, sizeof(bool) * n);
	rows->n++;
}

/* Inserts the rows by statement; see RetailRowsInsert(). */
static int
InsertByStatement(RetailRows *rows, int64 *keys)
{
	RetailTable *table = rows->table;
	TablePlan *plan = table->plan;
	/* Only row by row does the answer tell which key was taken. */
	int step = table->n_unique > 0 ? 1 : Max(rows->n, 1);
	Datum *records = palloc(sizeof(Datum) * step);
	int written = 0;

	for (int first = 0; first < rows->n; first += step)
	{
		Datum argument;

		for (int i = 0; i < step; i++)
			records[i] =
				RetailRow(&plan->shape, &rows->values[(first + i) * table->n],
						  &rows->nulls[(first + i) * table->n]);
		argument = RetailRowArray(records, step);
		RetailExecute(&plan->statement, &argument, NULL, false,
					  SPI_OK_INSERT_RETURNING);
		if (table->n_unique == 0 && SPI_processed != (uint64) step)
			elog(ERROR, "%d rows given for \"%s\", " UINT64_FORMAT " written",
				 step, table->name, SPI_processed);
		for (int i = 0; keys && i < step; i++)
			keys[first + i] =
				SPI_processed > 0 ? RetailCellInt64(i, 1, NULL) : 0;
		written += (int) SPI_processed;
	}
	return written;
}

/* Fills a slot with a row and its defaults. */
static void
FillSlot(TablePlan *plan, TupleTableSlot *slot, const RetailRows *rows, int row)
{
	int n = rows->table->n;
	ExprContext *context = GetPerTupleExprContext(plan->estate);

	ExecClearTuple(slot);
	for (int i = 0; i < n; i++)
	{
		if (plan->column[i] < 0)
			continue; /* upgrade() has not run yet */
		slot->tts_values[plan->column[i]] = rows->values[row * n + i];
		slot->tts_isnull[plan->column[i]] = rows->nulls[row * n + i];
		/* Precision and scale, and the error where they are exceeded. */
		if (plan->typmod[i] >= 0 && !rows->nulls[row * n + i])
			slot->tts_values[plan->column[i]] =
				DirectFunctionCall2(numeric, rows->values[row * n + i],
									Int32GetDatum(plan->typmod[i]));
	}
	for (int i = 0; i < plan->n_defaults; i++)
	{
		DefaultColumn *column = &plan->defaults[i];

		if (column->expr)
			slot->tts_values[column->column] = ExecEvalExprSwitchContext(
				column->expr, context, &slot->tts_isnull[column->column]);
		else
		{
			slot->tts_values[column->column] = column->value;
			slot->tts_isnull[column->column] = column->isnull;
		}
	}
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = plan->relid;
}

/* Inserts a row unless its key is taken, as ON CONFLICT DO NOTHING does. */
static bool
InsertUnlessTaken(TablePlan *plan, TupleTableSlot *slot)
{
	Relation relation = plan->target->ri_RelationDesc;
	TransactionId xid = GetCurrentTransactionId();

	for (;;)
	{
		ItemPointerData taken_by;
		bool lost = false;
		uint32 token;

		CHECK_FOR_INTERRUPTS();
		if (!exec_check_index_constraints_compat(
				plan->target, slot, plan->estate, &taken_by, plan->arbiter))
			return false;
		token = SpeculativeInsertionLockAcquire(xid);
		table_tuple_insert_speculative(
			relation, slot, plan->estate->es_output_cid, 0, NULL, token);
		list_free(exec_insert_index_tuples_compat(
			plan->target, slot, plan->estate, true, &lost, plan->arbiter));
		table_tuple_complete_speculative(relation, slot, token, !lost);
		SpeculativeInsertionLockRelease(xid);
		if (!lost)
			return true;
	}
}

/* Inserts a chunk of rows directly; returns how many were written. */
static int
InsertChunk(TablePlan *plan, const RetailRows *rows, int first, int n,
			int64 *keys)
{
	Relation relation = plan->target->ri_RelationDesc;
	int written = 0;

	for (int i = 0; i < n; i++)
	{
		FillSlot(plan, plan->slots[i], rows, first + i);
		TableCheckSlot(plan, plan->slots[i]);
	}
	if (plan->arbiter == NIL)
	{
		if (n == 1)
			table_tuple_insert(relation, plan->slots[0],
							   plan->estate->es_output_cid, 0, NULL);
		else
			table_multi_insert(relation, plan->slots, n,
							   plan->estate->es_output_cid, 0, NULL);
	}
	for (int i = 0; i < n; i++)
	{
		TupleTableSlot *slot = plan->slots[i];
		bool fresh = true;

		if (plan->arbiter != NIL)
			fresh = InsertUnlessTaken(plan, slot);
		else if (plan->n_indexes > 0)
			list_free(exec_insert_index_tuples_compat(
				plan->target, slot, plan->estate, false, NULL, NIL));
		if (keys)
			keys[first + i] = !fresh ? 0
				: plan->key >= 0 ? DatumGetInt64(slot->tts_values[plan->key])
								 : 1;
		written += fresh;
		ExecClearTuple(slot);
	}
	ResetPerTupleExprContext(plan->estate);
	return written;
}

/*
 * Inserts the rows inside an SPI connection and returns how many were written:
 * all, or fewer when the table has a key that may be taken.  keys, unless
 * NULL, gets each row's key, 0 where it was not written.
 */
int
RetailRowsInsert(RetailRows *rows, int64 *keys)
{
	Relation relation;
	TablePlan *plan;
	int written = 0;

	if (rows->n == 0)
		return 0;
	relation = TableOpen(rows->table, RowExclusiveLock);
	plan = rows->table->plan;
	if (!plan->insertable || !retail_direct_writes ||
		(plan->arbiter != NIL && IsolationUsesXactSnapshot()))
		written = InsertByStatement(rows, keys);
	else
	{
		TableTargetOpen(plan, relation, Min(rows->n, CHUNK));
		for (int first = 0; first < rows->n; first += CHUNK)
		{
			CHECK_FOR_INTERRUPTS();
			written += InsertChunk(plan, rows, first,
								   Min(rows->n - first, CHUNK), keys);
		}
		TableTargetClose(plan);
		/* What follows in this transaction sees the rows. */
		CommandCounterIncrement();
	}
	table_close(relation, NoLock);
	return written;
}
