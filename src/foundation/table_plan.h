/*-------------------------------------------------------------------------
 *
 * table_plan.h
 *	  What is made ready once a session to write rows into a table: inner
 *	  matters of table_plan.c, table_insert.c and table_update.c.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_TABLE_PLAN_H
#define PG_RETAIL_TABLE_PLAN_H

#include "foundation/table_writer.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"

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
	bool valid;		 /* false: something changed, make it anew */
	bool plain;		 /* its rows lie here, and nothing changes them */
	bool insertable; /* directly; false: by statement */
	bool updatable;
	/* by statement */
	RetailRowShape shape;
	RetailStatement statement;
	/* directly */
	TupleDesc desc;
	int column[RETAIL_MAX_COLUMNS]; /* of the table, by column given, from 0 */
	int32 typmod[RETAIL_MAX_COLUMNS]; /* of a numeric one; -1: none */
	int key;						  /* column handed back, from 0; -1: none */
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

extern Relation TableOpen(RetailTable *table, LOCKMODE mode);
extern void TableTargetOpen(TablePlan *plan, Relation relation, int n_slots);
extern void TableTargetClose(TablePlan *plan);
extern int TableKeyIndex(const TablePlan *plan);
/* Rows while they are read by their keys, one after the other. */
typedef struct TableRead
{
	IndexScanDesc scan;
	Snapshot snapshot; /* registered */
	ScanKeyData keys[INDEX_MAX_KEYS];
} TableRead;

extern TableRead *
TableReadBegin(TablePlan *plan, Relation relation, Relation index);
extern bool
TableReadNext(TableRead *read, TablePlan *plan, const RetailTable *table,
			  const Datum *key, TupleTableSlot *slot);
extern void TableReadEnd(TableRead *read);
extern void TableCheckSlot(TablePlan *plan, TupleTableSlot *slot);

#endif /* PG_RETAIL_TABLE_PLAN_H */
