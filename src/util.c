/*-------------------------------------------------------------------------
 *
 * util.c
 *	  Helpers of more than one room: kept statements, result cells, exact
 *	  money, checks of text and time.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "retail.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/*
 * Runs a kept statement inside an SPI connection and returns the SPI code.
 * A code other than the expected one is an internal error.
 */
int
RetailExecute(RetailStatement *statement, Datum *values, const char *nulls,
			  bool read_only, int expected)
{
	int code;

	if (statement->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare_cursor(
			statement->sql, statement->nargs, statement->argtypes,
			statement->generic ? CURSOR_OPT_GENERIC_PLAN : 0);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", statement->sql,
				 SPI_result_code_string(SPI_result));
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "could not keep plan of \"%s\"", statement->sql);
		statement->plan = plan;
	}
	code = SPI_execute_plan(statement->plan, values, nulls, read_only, 0);
	if (code != expected)
		elog(ERROR, "unexpected result %s of \"%s\"",
			 SPI_result_code_string(code), statement->sql);
	return code;
}

/* Returns a bigint (or integer) cell of the last SPI result. */
int64
RetailCellInt64(uint64 row, int column, bool *isnull)
{
	bool null;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								column, &null);

	if (isnull)
		*isnull = null;
	if (null)
		return 0;
	if (TupleDescAttr(SPI_tuptable->tupdesc, column - 1)->atttypid == INT4OID)
		return DatumGetInt32(value);
	return DatumGetInt64(value);
}

/* Returns a boolean cell of the last SPI result; null is false. */
bool
RetailCellBool(uint64 row, int column)
{
	bool null;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								column, &null);

	return !null && DatumGetBool(value);
}

/* Returns a float8 cell of the last SPI result. */
double
RetailCellFloat8(uint64 row, int column, bool *isnull)
{
	bool null;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								column, &null);

	if (isnull)
		*isnull = null;
	return null ? 0 : DatumGetFloat8(value);
}

/* Returns a text cell of the last SPI result, palloc'd, or NULL. */
char *
RetailCellText(uint64 row, int column)
{
	bool null;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								column, &null);

	return null ? NULL : TextDatumGetCString(value);
}

/* Forms a row of a shape, as a datum of type record; nulls may be NULL. */
Datum
RetailRow(RetailRowShape *shape, const Datum *values, const bool *nulls)
{
	static const bool no_nulls[lengthof(shape->types)] = {false};

	if (shape->desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc desc = CreateTemplateTupleDesc(shape->n);

		for (int i = 0; i < shape->n; i++)
			TupleDescInitEntry(desc, i + 1, NULL, shape->types[i], -1, 0);
		shape->desc = BlessTupleDesc(desc);
		MemoryContextSwitchTo(old);
	}
	return HeapTupleGetDatum(
		heap_form_tuple(shape->desc, unconstify(Datum *, values),
						unconstify(bool *, nulls ? nulls : no_nulls)));
}

/* Builds a record[] for a statement's argument. */
Datum
RetailRowArray(Datum *rows, int n)
{
	return PointerGetDatum(
		construct_array(rows, n, RECORDOID, -1, false, TYPALIGN_DOUBLE));
}

/* Builds a bigint[] for a statement's argument. */
Datum
RetailInt64Array(const int64 *values, int n)
{
	Datum *elements = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		elements[i] = Int64GetDatum(values[i]);
	return PointerGetDatum(construct_array(elements, n, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Reads a bigint[] argument, which holds no null; an absent one is empty. */
int64 *
RetailInt64ArrayArgument(FunctionCallInfo fcinfo, int argument, int *n)
{
	Datum *elements;
	int64 *result;

	*n = 0;
	if (PG_ARGISNULL(argument))
		return NULL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), INT8OID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements, NULL, n);
	result = palloc(sizeof(int64) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		result[i] = DatumGetInt64(elements[i]);
	return result;
}

/* Builds a text[] for a statement's argument. */
Datum
RetailTextArray(char *const *values, int n)
{
	Datum *elements = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		elements[i] = CStringGetTextDatum(values[i]);
	return PointerGetDatum(
		construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Converts a numeric that is a whole number with |n| <= limit. */
bool
RetailNumericToInt64(Numeric number, int64 limit, int64 *result)
{
	Datum n = NumericGetDatum(number);

	if (numeric_is_nan(number) || numeric_is_inf(number))
		return false;
	if (DatumGetInt32(DirectFunctionCall2(
			numeric_cmp, DirectFunctionCall1(numeric_abs, n),
			NumericGetDatum(int64_to_numeric(limit)))) > 0)
		return false;
	*result = DatumGetInt64(DirectFunctionCall1(numeric_int8, n));
	return DatumGetBool(DirectFunctionCall2(
		numeric_eq, n, NumericGetDatum(int64_to_numeric(*result))));
}

/* Converts an amount to cents; false when it is finer than a cent or too large. */
bool
RetailNumericToCents(Numeric number, int64 limit, int64 *result)
{
	if (numeric_is_nan(number) || numeric_is_inf(number))
		return false;
	return RetailNumericToInt64(DatumGetNumeric(DirectFunctionCall2(
									numeric_mul, NumericGetDatum(number),
									NumericGetDatum(int64_to_numeric(100)))),
								limit, result);
}

/* Converts cents to numeric with two decimals. */
Datum
RetailCentsToNumeric(int64 cents)
{
	return NumericGetDatum(int64_div_fast_to_numeric(cents, 2));
}

/* Names the role that calls, also inside SECURITY DEFINER functions. */
const char *
RetailCallerName(void)
{
	return GetUserNameFromId(GetOuterUserId(), false);
}

/* Is there something printable other than blanks, and no control character? */
static bool
TextIsPrintable(const char *value, bool *blank)
{
	bool control = false;

	*blank = true;
	for (const unsigned char *p = (const unsigned char *) value; *p; p++)
	{
		if (*p < 0x20 || *p == 0x7f)
			control = true;
		if (*p != ' ')
			*blank = false;
	}
	return !*blank && !control;
}

/* Is the text 1 to max_length printable characters? */
bool
RetailTextIsValid(const char *value, int max_length)
{
	bool blank;

	return TextIsPrintable(value, &blank) && pg_mbstrlen(value) <= max_length;
}

/* Raises RT015 unless the text is 1 to max_length printable characters. */
void
RetailCheckText(const char *value, const char *argument, int max_length)
{
	int length = pg_mbstrlen(value);
	bool blank;
	bool printable = TextIsPrintable(value, &blank);

	if (printable && length <= max_length)
		return;
	ereport(ERROR, errcode(RT_INVALID_TEXT),
			errmsg("invalid text for %s", argument),
			blank ? errdetail("%s is blank.", argument)
				: !printable
				? errdetail("%s has control characters.", argument)
				: errdetail("%s has %d characters.", argument, length),
			errhint("Give 1 to %d printable characters, in any script.",
					max_length));
}

/*
 * Returns the time at which the caller may act: administrators replay and
 * simulate, others cannot run ahead of the clock.
 */
TimestampTz
RetailEffectiveTime(TimestampTz as_of)
{
	TimestampTz now = GetCurrentTimestamp();

	if (as_of <= now ||
		has_privs_of_role(GetOuterUserId(),
						  get_role_oid("retail_admin", false)))
		return as_of;
	return now;
}

PG_FUNCTION_INFO_V1(retail_effective_time);
Datum
retail_effective_time(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(RetailEffectiveTime(PG_GETARG_TIMESTAMPTZ(0)));
}

/*
 * Raises RT014 unless the time lies in the years 2000 to 2099 and, for callers
 * other than administrators, at most a day ahead.
 */
void
RetailCheckTime(TimestampTz value, const char *argument)
{
	/* PostgreSQL's epoch is 2000-01-01; 36525 days follow until 2100. */
	if (value >= 0 && value < INT64CONST(36525) * USECS_PER_DAY)
	{
		if (value <= GetCurrentTimestamp() + USECS_PER_DAY ||
			RetailEffectiveTime(value) == value)
			return;
		ereport(
			ERROR, errcode(RT_INVALID_TIME),
			errmsg("time in the future for %s", argument),
			errdetail("%s is %s.", argument, timestamptz_to_str(value)),
			errhint(
				"Give the time at which it happened; only members of retail_admin may run ahead of the clock."));
	}
	ereport(ERROR, errcode(RT_INVALID_TIME),
			errmsg("invalid time for %s", argument),
			errdetail("%s is %s.", argument, timestamptz_to_str(value)),
			errhint("Give a time in the years 2000 to 2099."));
}
