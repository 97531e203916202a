/*-------------------------------------------------------------------------
 *
 * table_plan.c
 *	  What is made ready once a session to write rows into a table.
 *
 * A statement that writes a few rows costs more in starting the executor and
 * in reading the CHECK constraints back from their text than in writing.  So
 * rows go to hot tables as COPY brings them there: defaults, constraints and
 * indexes are made ready once a session, rows are handed to the table and
 * their index entries to the executor.
 *
 * That is done for tables that are what they look like.  Where a user gave
 * one a trigger, a rule, forced row-level security, partitions, a generated
 * column or a deferrable key, where a column has another type than ours, where
 * Citus may own the table, under REPEATABLE READ (what another transaction did
 * must fail there), or when pg_retail.direct_writes is off, the same is done
 * by a statement, which knows about all of these.
 *
 * A plan lives until something changes about its table or an index of it; a
 * plan in use stays valid because its table is locked.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "foundation/table_plan.h"

#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

bool retail_direct_writes = true;

static TablePlan *all_plans = NULL;
static TablePlan *retired_plans = NULL; /* freed when the transaction ends */
static uint64 times_forgotten = 0;

/* Marks the plans of a table, or index, or of all tables as outdated. */
static void
ForgetPlans(Datum argument, Oid relid)
{
	(void) argument;
	times_forgotten++;
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

/* Is every row of the table only what is written to it? */
static bool
IsPlainTable(Relation relation)
{
	TupleDesc desc = RelationGetDescr(relation);

	if (relation->rd_rel->relkind != RELKIND_RELATION ||
		relation->rd_rel->relispartition ||
		relation->rd_rel->relam != HEAP_TABLE_AM_OID ||
		relation->rd_rel->relforcerowsecurity || relation->rd_rules != NULL)
		return false;
	for (int c = 0; c < desc->natts; c++)
		if (TupleDescAttr(desc, c)->attgenerated != '\0')
			return false;
	return !OidIsValid(get_extension_oid("citus", true));
}

/*
 * Does a trigger fire on an event?  A foreign key's does not on an update: we
 * never change a key.
 */
static bool
HasTrigger(Relation relation, int16 event)
{
	TriggerDesc *triggers = relation->trigdesc;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		if ((triggers->triggers[i].tgtype & event) != 0 &&
			(event != TRIGGER_TYPE_UPDATE ||
			 RI_FKey_trigger_type(triggers->triggers[i].tgfoid) ==
				 RI_TRIGGER_NONE))
			return true;
	return false;
}

/*
 * Finds the columns that rows bring; false when one is missing or has another
 * type.  One that came later may be missing.
 */
static bool
FindColumns(TablePlan *plan, const RetailTable *table)
{
	bool same = true;

	plan->key = -1;
	for (int i = 0; i < table->n; i++)
		plan->column[i] = plan->typmod[i] = -1;
	for (int c = 0; c < plan->desc->natts; c++)
	{
		Form_pg_attribute attribute = TupleDescAttr(plan->desc, c);
		const char *name = NameStr(attribute->attname);

		if (attribute->attisdropped)
			continue;
		if (table->key && strcmp(name, table->key) == 0)
			plan->key = c;
		for (int i = 0; i < table->n; i++)
			if (strcmp(name, table->columns[i].name) == 0)
			{
				plan->column[i] = c;
				if (attribute->atttypid == NUMERICOID)
					plan->typmod[i] = attribute->atttypmod;
				same = same && attribute->atttypid == table->columns[i].type;
			}
	}
	for (int i = 0; i < table->n; i++)
		same = same && (plan->column[i] >= 0 || table->columns[i].later);
	return same && (table->key == NULL || plan->key >= 0);
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
		plan->checks[i] = check_is_enforced_compat(&constraints->check[i])
			? ExecPrepareExpr(stringToNode(constraints->check[i].ccbin),
							  plan->estate)
			: NULL;
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
			found =
				found || index->ii_IndexAttrNumbers[k] == plan->column[i] + 1;
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
		/* All of them, as ON CONFLICT infers; one that is being built is none. */
		if (table->n_unique > 0 && index->rd_index->indisvalid &&
			IsArbiter(plan, table, info))
		{
			BuildSpeculativeIndexInfo(index, info);
			plan->arbiter = lappend_oid(plan->arbiter, RelationGetRelid(index));
		}
		plan->index_ids[plan->n_indexes] = RelationGetRelid(index);
		plan->indexes[plan->n_indexes++] = info;
		index_close(index, AccessShareLock);
	}
	list_free(ids);
	return plain && (table->n_unique == 0 || plan->arbiter != NIL);
}

/* Appends the names of the columns that the table has. */
static void
AppendColumns(StringInfo sql, const TablePlan *plan, const RetailTable *table)
{
	const char *comma = "";

	for (int i = 0; i < table->n; i++)
		if (plan->column[i] >= 0 || !table->columns[i].later)
		{
			appendStringInfo(sql, "%s%s", comma, table->columns[i].name);
			comma = ", ";
		}
}

/* Forms the statement that inserts the rows of an argument. */
static void
PrepareStatement(TablePlan *plan, const RetailTable *table)
{
	StringInfoData sql;
	const char *comma = "";

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO retail.%s (", table->name);
	AppendColumns(&sql, plan, table);
	appendStringInfoString(&sql, ") SELECT ");
	AppendColumns(&sql, plan, table);
	appendStringInfoString(&sql, " FROM unnest($1) AS r (");
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
		CurrentMemoryContext, "pg_retail table plan", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TablePlan *plan = palloc0(sizeof(TablePlan));

	plan->context = context;
	plan->relid = RelationGetRelid(relation);
	plan->desc = CreateTupleDescCopyConstr(RelationGetDescr(relation));
	plan->plain = FindColumns(plan, table) && IsPlainTable(relation);
	PrepareStatement(plan, table);
	if (plan->plain)
	{
		plan->estate = CreateExecutorState();
		plan->target = makeNode(ResultRelInfo);
		PrepareDefaults(plan, table, relation);
		PrepareChecks(plan);
		if (PrepareIndexes(plan, table, relation))
		{
			plan->insertable = !HasTrigger(relation, TRIGGER_TYPE_INSERT);
			plan->updatable = !HasTrigger(relation, TRIGGER_TYPE_UPDATE);
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, TopMemoryContext);
	return plan;
}

/* Takes an outdated plan away: a caller farther up may still be using it. */
static void
RetirePlan(TablePlan *plan)
{
	TablePlan **link = &all_plans;

	while (*link != plan)
		link = &(*link)->next;
	*link = plan->next;
	plan->next = retired_plans;
	retired_plans = plan;
}

/* Frees the plans that were taken away, once nobody can be using them. */
static void
FreeRetiredPlans(XactEvent event, void *argument)
{
	(void) argument;
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	while (retired_plans != NULL)
	{
		TablePlan *plan = retired_plans;

		retired_plans = plan->next;
		if (plan->statement.plan)
			SPI_freeplan(plan->statement.plan);
		if (plan->shape.desc)
			FreeTupleDesc(plan->shape.desc);
		MemoryContextDelete(plan->context);
	}
}

/* Opens the table, and sees to it that its plan is up to date. */
Relation
TableOpen(RetailTable *table, LOCKMODE mode)
{
	Oid relid = table->plan && table->plan->valid
		? table->plan->relid
		: get_relname_relid(table->name, get_namespace_oid("retail", false));
	Relation relation;

	if (!OidIsValid(relid))
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation \"retail.%s\" does not exist", table->name));
	/* To lock it is to hear what changed about it. */
	relation = table_open(relid, mode);
	if (table->plan == NULL || !table->plan->valid)
	{
		uint64 before = times_forgotten;
		TablePlan *plan = MakePlan(table, relation);

		if (table->plan)
			RetirePlan(table->plan);
		plan->next = all_plans;
		all_plans = plan;
		/* What changed meanwhile waits for our lock: this use is right. */
		plan->valid = times_forgotten == before;
		table->plan = plan;
	}
	return relation;
}

/* Called once, when the module is loaded. */
void
RetailTableInit(void)
{
	CacheRegisterRelcacheCallback(ForgetPlans, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, ForgetAllPlans, (Datum) 0);
	RegisterXactCallback(FreeRetiredPlans, NULL);
}

/* Makes the plan's target what the executor expects for this table. */
void
TableTargetOpen(TablePlan *plan, Relation relation, int n_slots)
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

/* Closes what TableTargetOpen() opened, but for the table. */
void
TableTargetClose(TablePlan *plan)
{
	ExecCloseIndices(plan->target);
}

/* Checks what the table demands of a row; the executor words the error. */
void
TableCheckSlot(TablePlan *plan, TupleTableSlot *slot)
{
	ExprContext *context = GetPerTupleExprContext(plan->estate);
	bool right = true;

	for (int c = 0; c < plan->desc->natts; c++)
		right = right &&
			(!slot->tts_isnull[c] || !TupleDescAttr(plan->desc, c)->attnotnull);
	context->ecxt_scantuple = slot;
	for (int i = 0; i < plan->n_checks && right; i++)
		right = plan->checks[i] == NULL || ExecCheck(plan->checks[i], context);
	if (right)
		return;
	ExecConstraints(plan->target, slot, plan->estate);
	elog(ERROR, "a row of \"%s\" broke a constraint and broke none",
		 RelationGetRelationName(plan->target->ri_RelationDesc));
}
