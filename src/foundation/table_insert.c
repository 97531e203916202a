/*-------------------------------------------------------------------------
 *
 * table_insert.c
 *	  Inserts many rows into a hot table without an INSERT statement.
 *
 * An INSERT of a few rows costs more in starting the executor and in reading
 * the CHECK constraints back from their text than in writing the rows.  So
 * rows go to the table as COPY brings them there: defaults and constraints
 * are made ready once a session (TablePlan), rows are written by
 * table_multi_insert(), index entries by the executor.
 *
 * That is done for tables that are what they look like.  Where a user gave
 * one an insert trigger, a rule, forced row-level security, partitions, a
 * generated column or a deferrable key, where a column has another type than
 * ours, where Citus may own the table, under REPEATABLE READ (a taken key must
 * fail there), or when pg_retail.direct_inserts is off, the same rows are
 * inserted by a statement, which knows about all of these.
 *
 * A plan lives until something changes about its table; a plan in use stays
 * valid because its table is locked.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "foundation/table_insert.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"

/* Rows that are written to table and indexes before the next are formed. */
#define CHUNK 256

/* A column that rows do not bring, with its default. */
typedef struct DefaultColumn
{
	int column;		 /* from 0 */
	ExprState *expr; /* NULL: constant */
	Datum value;
	bool isnull;
} DefaultColumn;

/* How rows get into a table; everything of it is in its memory context. */
typedef struct TablePlan
{
	MemoryContext context;
	Oid relid;
	bool valid;	 /* false: something changed, make it anew */
	bool direct; /* false: by statement */
	/* by statement */
	RetailRowShape shape;
	RetailStatement statement;
	/* directly */
	TupleDesc desc;
	int column[RETAIL_MAX_COLUMNS]; /* of the table, by column given, from 0 */
	int key;						/* column handed back, from 0; -1: none */
	int n_defaults;
	DefaultColumn *defaults;
	int n_checks;
	ExprState **checks;
	int n_indexes;
	Oid *index_ids;
	IndexInfo **indexes;
	List *arbiter; /* oid of the key that may be taken */
	EState *estate;
	ResultRelInfo *target;
	int n_slots;
	TupleTableSlot **slots;
	struct TablePlan *next; /* of all plans */
} TablePlan;

bool retail_direct_inserts = true;

static TablePlan *all_plans = NULL;

/* Marks the plans of a table, or index, or of all tables as outdated. */
static void
ForgetPlans(Datum argument, Oid relid)
{
	(void) argument;
	for (TablePlan *plan = all_plans; plan != NULL; plan = plan->next)
	{
		if (relid == InvalidOid || plan->relid == relid)
			plan->valid = false;
		for (int i = 0; i < plan->n_indexes; i++)
			if (plan->index_ids[i] == relid)
				plan->valid = false;
	}
}

/* A changed function may have been inlined into a constraint. */
static void
ForgetAllPlans(Datum argument, int cache_id, uint32 hash)
{
	(void) cache_id;
	(void) hash;
	ForgetPlans(argument, InvalidOid);
}

/* Called once, when the module is loaded. */
void
RetailTableInit(void)
{
	CacheRegisterRelcacheCallback(ForgetPlans, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, ForgetAllPlans, (Datum) 0);
}

/* Is every row of the table only what an insert of ours writes? */
static bool
IsPlainTable(Relation relation)
{
	TriggerDesc *triggers = relation->trigdesc;
	TupleConstr *constraints = RelationGetDescr(relation)->constr;

	if (relation->rd_rel->relkind != RELKIND_RELATION ||
		relation->rd_rel->relispartition ||
		relation->rd_rel->relam != HEAP_TABLE_AM_OID ||
		relation->rd_rel->relforcerowsecurity || relation->rd_rules != NULL)
		return false;
	if (constraints && constraints->has_generated_stored)
		return false;
	if (triggers &&
		(triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
		 triggers->trig_insert_before_statement ||
		 triggers->trig_insert_after_statement ||
		 triggers->trig_insert_new_table))
		return false;
	return !OidIsValid(get_extension_oid("citus", true));
}

/* Finds the columns that rows bring; false when one has another type. */
static bool
FindColumns(TablePlan *plan, const RetailTable *table)
{
	plan->key = -1;
	for (int i = 0; i < table->n; i++)
		plan->column[i] = -1;
	for (int c = 0; c < plan->desc->natts; c++)
	{
		Form_pg_attribute attribute = TupleDescAttr(plan->desc, c);

		if (attribute->attisdropped)
			continue;
		if (table->key && strcmp(NameStr(attribute->attname), table->key) == 0)
			plan->key = c;
		for (int i = 0; i < table->n; i++)
			if (strcmp(NameStr(attribute->attname), table->columns[i].name) ==
				0)
			{
				if (attribute->atttypid != table->columns[i].type)
					return false;
				plan->column[i] = c;
			}
	}
	for (int i = 0; i < table->n; i++)
		if (plan->column[i] < 0)
			return false;
	return table->key == NULL || plan->key >= 0;
}

/* Makes the defaults of the columns that rows do not bring ready. */
static void
PrepareDefaults(TablePlan *plan, const RetailTable *table, Relation relation)
{
	plan->defaults = palloc0(sizeof(DefaultColumn) * plan->desc->natts);
	for (int c = 0; c < plan->desc->natts; c++)
	{
		DefaultColumn *column = &plan->defaults[plan->n_defaults];
		Expr *expr;
		bool given = false;

		for (int i = 0; i < table->n; i++)
			given = given || plan->column[i] == c;
		if (given)
			continue;
		plan->n_defaults++;
		column->column = c;
		column->isnull = true;
		expr = TupleDescAttr(plan->desc, c)->attisdropped
			? NULL
			: (Expr *) build_column_default(relation, c + 1);
		if (expr == NULL)
			continue;
		expr = expression_planner(expr);
		if (IsA(expr, Const))
		{
			column->value = ((Const *) expr)->constvalue;
			column->isnull = ((Const *) expr)->constisnull;
		}
		else
			column->expr = ExecInitExpr(expr, NULL);
	}
}

/* Makes the CHECK constraints ready. */
static void
PrepareChecks(TablePlan *plan)
{
	TupleConstr *constraints = plan->desc->constr;

	plan->n_checks = constraints ? constraints->num_check : 0;
	plan->checks = palloc(sizeof(ExprState *) * Max(plan->n_checks, 1));
	for (int i = 0; i < plan->n_checks; i++)
		plan->checks[i] = ExecPrepareExpr(
			stringToNode(constraints->check[i].ccbin), plan->estate);
}

/* Is the index the key that the first columns of the table may have taken? */
static bool
IsArbiter(const TablePlan *plan, const RetailTable *table,
		  const IndexInfo *index)
{
	if (!index->ii_Unique || index->ii_Predicate || index->ii_Expressions ||
		index->ii_NumIndexKeyAttrs != table->n_unique)
		return false;
	for (int i = 0; i < table->n_unique; i++)
	{
		bool found = false;

		for (int k = 0; k < index->ii_NumIndexKeyAttrs; k++)
			found = found ||
				index->ii_IndexAttrNumbers[k] == plan->column[i] + 1;
		if (!found)
			return false;
	}
	return true;
}

/* Learns the indexes; false when one cannot be checked at once. */
static bool
PrepareIndexes(TablePlan *plan, const RetailTable *table, Relation relation)
{
	List *ids = RelationGetIndexList(relation);
	ListCell *cell;
	bool plain = true;

	plan->index_ids = palloc(sizeof(Oid) * Max(list_length(ids), 1));
	plan->indexes = palloc(sizeof(IndexInfo *) * Max(list_length(ids), 1));
	foreach(cell, ids)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		IndexInfo *info = BuildIndexInfo(index);

		if (!index->rd_index->indimmediate || index->rd_index->indisexclusion)
			plain = false;
		if (table->n_unique > 0 && IsArbiter(plan, table, info))
		{
			BuildSpeculativeIndexInfo(index, info);
			plan->arbiter = list_make1_oid(RelationGetRelid(index));
		}
		plan->index_ids[plan->n_indexes] = RelationGetRelid(index);
		plan->indexes[plan->n_indexes++] = info;
		index_close(index, AccessShareLock);
	}
	list_free(ids);
	return plain && (table->n_unique == 0 || plan->arbiter != NIL);
}

/* Forms the statement that inserts the rows of an argument. */
static void
PrepareStatement(TablePlan *plan, const RetailTable *table)
{
	StringInfoData sql;
	const char *comma = "";

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO retail.%s (", table->name);
	for (int i = 0; i < table->n; i++)
		appendStringInfo(&sql, "%s%s", i ? ", " : "", table->columns[i].name);
	appendStringInfoString(&sql, ") SELECT * FROM unnest($1) AS r (");
	for (int i = 0; i < table->n; i++)
		appendStringInfo(&sql, "%s%s %s", i ? ", " : "", table->columns[i].name,
						 format_type_be(table->columns[i].type));
	appendStringInfoChar(&sql, ')');
	if (table->n_unique > 0)
	{
		appendStringInfoString(&sql, " ON CONFLICT (");
		for (int i = 0; i < table->n_unique; i++, comma = ", ")
			appendStringInfo(&sql, "%s%s", comma, table->columns[i].name);
		appendStringInfoString(&sql, ") DO NOTHING");
	}
	appendStringInfo(&sql, " RETURNING %s", table->key ? table->key : "1");
	plan->statement.sql = sql.data;
	plan->statement.nargs = 1;
	plan->statement.argtypes[0] = RECORDARRAYOID;
	plan->shape.n = table->n;
	for (int i = 0; i < table->n; i++)
		plan->shape.types[i] = table->columns[i].type;
}

/* Makes the plan of a table that is open and locked, in a context of its own. */
static TablePlan *
MakePlan(const RetailTable *table, Relation relation)
{
	MemoryContext context = AllocSetContextCreate(
		TopMemoryContext, "pg_retail table plan", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TablePlan *plan = palloc0(sizeof(TablePlan));

	plan->context = context;
	plan->relid = RelationGetRelid(relation);
	plan->desc = CreateTupleDescCopyConstr(RelationGetDescr(relation));
	PrepareStatement(plan, table);
	plan->direct = IsPlainTable(relation) && FindColumns(plan, table);
	if (plan->direct)
	{
		plan->estate = CreateExecutorState();
		plan->target = makeNode(ResultRelInfo);
		PrepareDefaults(plan, table, relation);
		PrepareChecks(plan);
		plan->direct = PrepareIndexes(plan, table, relation);
	}
	MemoryContextSwitchTo(old);
	return plan;
}

/* Drops an outdated plan. */
static void
DropPlan(TablePlan *plan)
{
	TablePlan **link = &all_plans;

	while (*link != plan)
		link = &(*link)->next;
	*link = plan->next;
	if (plan->statement.plan)
		SPI_freeplan(plan->statement.plan);
	if (plan->shape.desc)
		FreeTupleDesc(plan->shape.desc);
	MemoryContextDelete(plan->context);
}

/* Opens the table for writing, and sees to it that its plan is up to date. */
static Relation
OpenTable(RetailTable *table)
{
	Oid relid = table->plan && table->plan->valid
		? table->plan->relid
		: get_relname_relid(table->name, get_namespace_oid("retail", false));
	Relation relation;

	if (!OidIsValid(relid))
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation \"retail.%s\" does not exist", table->name));
	/* To lock it is to hear what changed about it. */
	relation = table_open(relid, RowExclusiveLock);
	if (table->plan == NULL || !table->plan->valid)
	{
		TablePlan *plan = MakePlan(table, relation);

		if (table->plan)
			DropPlan(table->plan);
		plan->next = all_plans;
		all_plans = plan;
		plan->valid = true;
		table->plan = plan;
	}
	return relation;
}

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
			records[i] = RetailRow(&plan->shape,
								   &rows->values[(first + i) * table->n],
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

/* Makes the plan's target what the executor expects for this table. */
static void
OpenTarget(TablePlan *plan, Relation relation, int n_slots)
{
	ResultRelInfo *target = plan->target;
	MemoryContext old = MemoryContextSwitchTo(plan->context);

	if (target->ri_IndexRelationDescs == NULL)
		target->ri_IndexRelationDescs =
			palloc(sizeof(Relation) * Max(plan->n_indexes, 1));
	target->ri_RelationDesc = relation;
	target->ri_IndexRelationInfo = plan->indexes;
	target->ri_NumIndices = plan->n_indexes;
	for (int i = 0; i < plan->n_indexes; i++)
	{
		target->ri_IndexRelationDescs[i] =
			index_open(plan->index_ids[i], RowExclusiveLock);
		/* What an access method keeps, it keeps for this call. */
		plan->indexes[i]->ii_AmCache = NULL;
		plan->indexes[i]->ii_Context = old;
	}
	if (plan->n_slots < n_slots)
	{
		TupleTableSlot **slots = palloc(sizeof(TupleTableSlot *) * n_slots);

		if (plan->slots)
			memcpy(slots, plan->slots,
				   sizeof(TupleTableSlot *) * plan->n_slots);
		while (plan->n_slots < n_slots)
			slots[plan->n_slots++] =
				MakeSingleTupleTableSlot(plan->desc, &TTSOpsVirtual);
		plan->slots = slots;
	}
	MemoryContextSwitchTo(old);
	plan->estate->es_output_cid = GetCurrentCommandId(true);
	ResetPerTupleExprContext(plan->estate);
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
		slot->tts_values[plan->column[i]] = rows->values[row * n + i];
		slot->tts_isnull[plan->column[i]] = rows->nulls[row * n + i];
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

/* Checks what the table demands of a row; the executor words the error. */
static void
CheckSlot(TablePlan *plan, TupleTableSlot *slot)
{
	ExprContext *context = GetPerTupleExprContext(plan->estate);
	bool right = true;

	for (int c = 0; c < plan->desc->natts; c++)
		right = right &&
			(!slot->tts_isnull[c] || !TupleDescAttr(plan->desc, c)->attnotnull);
	context->ecxt_scantuple = slot;
	for (int i = 0; i < plan->n_checks && right; i++)
		right = ExecCheck(plan->checks[i], context);
	if (right)
		return;
	ExecConstraints(plan->target, slot, plan->estate);
	elog(ERROR, "a row of \"%s\" broke a constraint and broke none",
		 RelationGetRelationName(plan->target->ri_RelationDesc));
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

/*
 * Says whether a row with this key is in the table, and waits for whoever is
 * inserting one.  Where only a statement could tell, the answer is true.
 */
bool
RetailKeyIsTaken(RetailTable *table, const Datum *key)
{
	Relation relation = OpenTable(table);
	TablePlan *plan = table->plan;
	bool taken = true;

	if (plan->direct && retail_direct_inserts && !IsolationUsesXactSnapshot())
	{
		TupleTableSlot *slot;
		ItemPointerData taken_by;

		OpenTarget(plan, relation, 1);
		slot = ExecStoreAllNullTuple(plan->slots[0]);
		for (int i = 0; i < table->n_unique; i++)
		{
			slot->tts_values[plan->column[i]] = key[i];
			slot->tts_isnull[plan->column[i]] = false;
		}
		taken = !exec_check_index_constraints_compat(
			plan->target, slot, plan->estate, &taken_by, plan->arbiter);
		ExecClearTuple(slot);
		ExecCloseIndices(plan->target);
	}
	table_close(relation, NoLock);
	return taken;
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
		CheckSlot(plan, plan->slots[i]);
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
				: plan->key >= 0	 ? DatumGetInt64(slot->tts_values[plan->key])
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
	relation = OpenTable(rows->table);
	plan = rows->table->plan;
	if (!plan->direct || !retail_direct_inserts ||
		(plan->arbiter != NIL && IsolationUsesXactSnapshot()))
		written = InsertByStatement(rows, keys);
	else
	{
		OpenTarget(plan, relation, Min(rows->n, CHUNK));
		for (int first = 0; first < rows->n; first += CHUNK)
		{
			CHECK_FOR_INTERRUPTS();
			written += InsertChunk(plan, rows, first,
								   Min(rows->n - first, CHUNK), keys);
		}
		ExecCloseIndices(plan->target);
		/* What follows in this transaction sees the rows. */
		CommandCounterIncrement();
	}
	table_close(relation, NoLock);
	return written;
}
