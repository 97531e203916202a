/*-------------------------------------------------------------------------
 *
 * retail.h
 *	  What more than one room needs: error codes, money, small SPI helpers.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_H
#define PG_RETAIL_H

#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* SQLSTATEs, listed for users by retail.error_codes(). */
#define RT_ERRCODE(c3, c4, c5) MAKE_SQLSTATE('R', 'T', c3, c4, c5)
#define RT_UNKNOWN_SKU RT_ERRCODE('0', '0', '1')
#define RT_UNKNOWN_NODE RT_ERRCODE('0', '0', '2')
#define RT_UNKNOWN_CHANNEL RT_ERRCODE('0', '0', '3')
#define RT_UNKNOWN_REGION RT_ERRCODE('0', '0', '4')
#define RT_UNKNOWN_OBJECT RT_ERRCODE('0', '0', '5')
#define RT_INVALID_QUANTITY RT_ERRCODE('0', '1', '0')
#define RT_INVALID_LINES RT_ERRCODE('0', '1', '1')
#define RT_INVALID_MONEY RT_ERRCODE('0', '1', '2')
#define RT_INVALID_COORDINATES RT_ERRCODE('0', '1', '3')
#define RT_INVALID_TIME RT_ERRCODE('0', '1', '4')
#define RT_INVALID_TEXT RT_ERRCODE('0', '1', '5')
#define RT_INVALID_ARGUMENT RT_ERRCODE('0', '1', '6')
#define RT_OUT_OF_STOCK RT_ERRCODE('0', '2', '0')
#define RT_UNREACHABLE RT_ERRCODE('0', '2', '1')
#define RT_NODE_INCAPABLE RT_ERRCODE('0', '2', '2')
#define RT_NUMBER_REUSED RT_ERRCODE('0', '3', '0')
#define RT_NOT_INSTALLED RT_ERRCODE('0', '5', '0')
#define RT_TOO_BUSY RT_ERRCODE('0', '6', '0')

#define RETAIL_MAX_QUANTITY INT64CONST(1000000000)
#define RETAIL_MAX_CENTS INT64CONST(100000000000)

extern int retail_max_order_lines;
extern int retail_region_reach_km;
/* Coordinates that lie further from the region named with them contradict it. */
#define RETAIL_REGION_SPAN_KM (3.0 * retail_region_reach_km)

/*
 * A statement prepared once per backend.  The first use prepares it; the plan
 * cache re-plans it when the tables change.
 */
typedef struct RetailStatement
{
	const char *sql;
	int nargs;
	Oid argtypes[20];
	SPIPlanPtr plan;
	bool generic; /* planned once: its best plan does not hang on arguments */
} RetailStatement;

extern void RetailReportProgress(const char *job, const char *step, int64 done,
								 int64 total);
extern int RetailExecute(RetailStatement *statement, Datum *values,
						 const char *nulls, bool read_only, int expected);
extern int64 RetailCellInt64(uint64 row, int column, bool *isnull);
extern bool RetailCellBool(uint64 row, int column);
extern double RetailCellFloat8(uint64 row, int column, bool *isnull);
extern char *RetailCellText(uint64 row, int column);

/*
 * The columns of rows that C hands to a statement, as one argument of type
 * record[]: unnest($1) AS row (column type, ...).  One array a column would
 * cost a tuplestore a column.
 */
typedef struct RetailRowShape
{
	int n;
	Oid types[40];
	TupleDesc desc; /* made at first use, kept for the session */
} RetailRowShape;

extern Datum
RetailRow(RetailRowShape *shape, const Datum *values, const bool *nulls);
extern Datum RetailRowArray(Datum *rows, int n);

extern Datum RetailInt64Array(const int64 *values, int n);
extern int64 *
RetailInt64ArrayArgument(FunctionCallInfo fcinfo, int argument, int *n);
extern Datum RetailTextArray(char *const *values, int n);

/* Exact conversions; false when the number is no whole number in range. */
extern bool RetailNumericToInt64(Numeric number, int64 limit, int64 *result);
extern bool RetailNumericToCents(Numeric number, int64 limit, int64 *result);
extern Datum RetailCentsToNumeric(int64 cents);

extern const char *RetailCallerName(void);
extern bool RetailTextIsValid(const char *value, int max_length);
extern void
RetailCheckText(const char *value, const char *argument, int max_length);
extern TimestampTz RetailEffectiveTime(TimestampTz as_of);
extern void RetailCheckTime(TimestampTz value, const char *argument);

#endif /* PG_RETAIL_H */
