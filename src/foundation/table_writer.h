/*-------------------------------------------------------------------------
 *
 * table_writer.h
 *	  Rows of hot tables without statements: many inserted at once, one
 *	  changed, the first of an index read.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_TABLE_WRITER_H
#define PG_RETAIL_TABLE_WRITER_H

#include "retail.h"

#include "storage/itemptr.h"
#include "utils/snapshot.h"

#define RETAIL_MAX_COLUMNS 20

typedef struct RetailColumn
{
	const char *name;
	Oid type;
	bool later; /* came after 0.1.0: until upgrade() has run it is not there */
} RetailColumn;

/* A hot table as its one writer knows it; the other columns have defaults. */
typedef struct RetailTable
{
	const char *name; /* in schema retail */
	int n;
	RetailColumn columns[RETAIL_MAX_COLUMNS]; /* what every row brings */
	const char *key; /* bigint whose values are handed back, or NULL */
	int n_unique;	 /* the first columns are a unique key that may be taken */
	struct TablePlan *plan; /* made at first use */
} RetailTable;

/* Rows on their way into a table. */
typedef struct RetailRows
{
	RetailTable *table;
	int n;
	int room;
	Datum *values; /* n rows of table->n columns */
	bool *nulls;
} RetailRows;

extern bool retail_direct_writes;

extern void RetailTableInit(void);
extern RetailRows *RetailRowsMake(RetailTable *table, int room);
extern void
RetailRowsAdd(RetailRows *rows, const Datum *values, const bool *nulls);
extern int RetailRowsInsert(RetailRows *rows, int64 *keys);

/* Changes the columns of a row that its writer knows; false refuses it. */
typedef bool (*RetailRowChange)(Datum *values, bool *nulls, void *argument);

typedef enum RetailRowResult
{
	ROW_CHANGED,
	ROW_FOUND,
	ROW_REFUSED,
	ROW_MISSING,
	ROW_BY_STATEMENT /* nothing was done, only a statement may do it */
} RetailRowResult;

typedef struct RetailKeys RetailKeys;

extern RetailKeys *RetailKeysBegin(RetailTable *table, Snapshot snapshot);
extern RetailRowResult RetailKeysFind(RetailKeys *keys, const Datum *key);
extern RetailRowResult
RetailKeysFindAt(RetailKeys *keys, const ItemPointerData *tid);
extern ItemPointerData RetailKeysPlace(const RetailKeys *keys);
extern Datum RetailKeysColumn(RetailKeys *keys, int column, bool *isnull);
extern void RetailKeysEnd(RetailKeys *keys);

typedef struct RetailUpdate RetailUpdate;

extern RetailUpdate *RetailUpdateBegin(RetailTable *table);
extern RetailRowResult RetailUpdateRow(RetailUpdate *update, const Datum *key,
									   RetailRowChange change, void *argument);
extern RetailRowResult
RetailUpdateLocked(RetailUpdate *update, ItemPointer tid,
				   RetailRowChange change, void *argument);
extern void RetailUpdateEnd(RetailUpdate *update);
extern RetailRowResult
RetailIndexLeast(RetailTable *table, const char *index_name, Datum *value);

#endif /* PG_RETAIL_TABLE_WRITER_H */
