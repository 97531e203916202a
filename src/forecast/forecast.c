/*-------------------------------------------------------------------------
 *
 * forecast.c
 *	  retail.forecast(): the forecasting core as a SQL function.
 *
 * No table is read, so the function is immutable and may run in parallel.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "retail.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "compat.h"
#include "forecast/forecaster.h"

static void *
ForecastAlloc(void *context, size_t size)
{
	return MemoryContextAllocExtended((MemoryContext) context, size,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

static void
ForecastRelease(void *context, void *pointer)
{
	pfree(pointer);
}

static bool
ForecastInterrupted(void *context)
{
	return InterruptPending && (QueryCancelPending || ProcDiePending);
}

/* Complains about an argument; detail is a whole sentence. */
static void
RefuseArgument(const char *argument, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(RT_INVALID_ARGUMENT),
			 errmsg("invalid value for %s", argument), errdetail("%s", detail),
			 errhint("%s", hint)));
}

/* Returns the elements of a one-dimensional array without nulls. */
static double *
ReadNumbers(ArrayType *array, const char *argument, int *n)
{
	Datum *values;
	bool *nulls;
	double *numbers;

	if (ARR_NDIM(array) > 1)
		RefuseArgument(argument,
					   psprintf("It has %d dimensions.", ARR_NDIM(array)),
					   "Give an array of one dimension.");
	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &values, &nulls, n);
	numbers =
		palloc_extended(sizeof(double) * (Size) Max(*n, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			RefuseArgument(argument, psprintf("Element %d is null.", i + 1),
						   "Give a number for every period, 0 where there was "
						   "no demand.");
		numbers[i] = DatumGetFloat8(values[i]);
	}
	return numbers;
}

/* Names the element of the history that is no usable number. */
static void
RefuseValue(const ForecastProblem *problem)
{
	int i = 0;

	while (i < problem->n - 1 && problem->history[i] >= -FORECAST_MAX_VALUE &&
		   problem->history[i] <= FORECAST_MAX_VALUE)
		i++;
	RefuseArgument(
		"history",
		psprintf("Element %d is %s.", i + 1,
				 DatumGetCString(DirectFunctionCall1(
					 float8out, Float8GetDatum(problem->history[i])))),
		"Give finite numbers, of a magnitude of at most 1e100.");
}

/* Turns what the core refuses into an error. */
static void
RefuseProblem(const ForecastProblem *problem, ForecastStatus status)
{
	switch (status)
	{
		case FORECAST_OK:
			break;
		case FORECAST_BAD_HISTORY:
			RefuseArgument("history",
						   psprintf("It has %d elements.", problem->n),
						   psprintf("Give from 1 to %d periods, oldest first.",
									FORECAST_MAX_HISTORY));
			break;
		case FORECAST_BAD_VALUE:
			RefuseValue(problem);
			break;
		case FORECAST_BAD_HORIZON:
			RefuseArgument(
				"horizon", psprintf("The horizon is %d.", problem->horizon),
				psprintf("Give from 1 to %d periods.", FORECAST_MAX_HORIZON));
			break;
		case FORECAST_BAD_SEASON:
			RefuseArgument("season",
						   psprintf("The season is %d.", problem->season),
						   psprintf("Give the periods of a season, from 1 (no "
									"season) to %d.",
									FORECAST_MAX_SEASON));
			break;
		case FORECAST_BAD_LEVEL:
			RefuseArgument("levels",
						   "A level is not between 0 and 1, or there are more "
						   "than 100.",
						   "Give quantiles such as 0.05 or 0.95.");
			break;
		case FORECAST_NOT_POSITIVE:
			RefuseArgument("method",
						   psprintf("%s needs a history above zero.",
									forecast_method_name(problem->method)),
						   "Use holt_winters_additive, or auto.");
			break;
		case FORECAST_NO_MEMORY:
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
			break;
		case FORECAST_INTERRUPTED:
			CHECK_FOR_INTERRUPTS();
			break;
		case FORECAST_BAD_METHOD:
			elog(ERROR, "forecast failed: %s", forecast_status_text(status));
	}
}

/* Finds a method by its name. */
static ForecastMethod
ReadMethod(text *name)
{
	char *word = text_to_cstring(name);
	ForecastMethod method;

	if (!forecast_method_of(word, &method))
	{
		StringInfoData known;

		initStringInfo(&known);
		for (int i = 0; i < FORECAST_METHODS; i++)
			appendStringInfo(&known, "%s%s", i > 0 ? ", " : "",
							 forecast_method_name((ForecastMethod) i));
		RefuseArgument("method",
					   psprintf("There is no method \"%.*s\".",
								pg_mbcliplen(word, (int) strlen(word), 100),
								word),
					   psprintf("Methods are %s.", known.data));
	}
	return method;
}

/* Returns one row a step. */
PG_FUNCTION_INFO_V1(retail_forecast);
Datum
retail_forecast(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ForecastProblem problem = {.horizon = PG_GETARG_INT32(1),
							   .season = PG_GETARG_INT32(2),
							   .non_negative = PG_GETARG_BOOL(5),
							   .alloc = ForecastAlloc,
							   .release = ForecastRelease,
							   .interrupted = ForecastInterrupted,
							   .context = CurrentMemoryContext};
	ForecastAnswer answer;
	Datum model;

	problem.history =
		ReadNumbers(PG_GETARG_ARRAYTYPE_P(0), "history", &problem.n);
	problem.method = ReadMethod(PG_GETARG_TEXT_PP(3));
	problem.levels =
		ReadNumbers(PG_GETARG_ARRAYTYPE_P(4), "levels", &problem.n_levels);
	RefuseProblem(&problem, forecast_solve(&problem, &answer));
	InitMaterializedSRF(fcinfo, 0);
	model = CStringGetTextDatum(answer.model);
	for (int h = 0; h < problem.horizon; h++)
	{
		Datum *cells = palloc(sizeof(Datum) * Max(problem.n_levels, 1));
		bool nulls[4] = {false, false, false, false};
		Datum values[4];

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < problem.n_levels; i++)
			cells[i] = Float8GetDatum(
				answer.quantiles[(Size) h * problem.n_levels + i]);
		values[0] = Int32GetDatum(h + 1);
		values[1] = Float8GetDatum(answer.mean[h]);
		values[2] = PointerGetDatum(
			construct_array(cells, problem.n_levels, FLOAT8OID, sizeof(float8),
							FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		values[3] = model;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		pfree(cells);
		pfree(DatumGetPointer(values[2]));
	}
	return (Datum) 0;
}

/* Returns class, mean interval and squared coefficient of variation. */
PG_FUNCTION_INFO_V1(retail_demand_class);
Datum
retail_demand_class(PG_FUNCTION_ARGS)
{
	ForecastProblem problem = {0};
	ForecastClass class;
	TupleDesc desc;
	bool nulls[3] = {false, false, false};
	Datum values[3];
	double adi;
	double cv2;

	problem.history =
		ReadNumbers(PG_GETARG_ARRAYTYPE_P(0), "history", &problem.n);
	if (problem.n < 1 || problem.n > FORECAST_MAX_HISTORY)
		RefuseProblem(&problem, FORECAST_BAD_HISTORY);
	for (int i = 0; i < problem.n; i++)
		if (!(problem.history[i] >= -FORECAST_MAX_VALUE &&
			  problem.history[i] <= FORECAST_MAX_VALUE))
			RefuseProblem(&problem, FORECAST_BAD_VALUE);
	class = forecast_class(problem.history, problem.n, &adi, &cv2);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(forecast_class_name(class));
	values[1] = Float8GetDatum(adi);
	values[2] = Float8GetDatum(cv2);
	nulls[1] = nulls[2] = class == FORECAST_EMPTY;
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
