/*-------------------------------------------------------------------------
 *
 * forecaster.h
 *	  What will be wanted: forecasts of one series, with quantiles; the pure
 *	  core.
 *
 * Structs in, structs out; no PostgreSQL header, no global state, no chance:
 * the same problem has the same answer everywhere.  Memory comes from the
 * allocator in the problem, errors are return codes, and the interrupt hook is
 * asked at bounded intervals so that a query can be cancelled inside a fit.
 *
 * The core sees one clean series.  Known inputs (promotion, price, share of the
 * day out of stock, calendar) are a stage before and after it: their effects
 * are taken out of the history, and put on the paths again; they will be fields
 * of ForecastProblem, absent when zero.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_FORECASTER_H
#define PG_RETAIL_FORECASTER_H

#include <stdbool.h>
#include <stddef.h>

#define FORECAST_MAX_HISTORY 1000000
#define FORECAST_MAX_HORIZON 10000
#define FORECAST_MAX_SEASON 10000
#define FORECAST_MAX_LEVELS 100
/* Values beyond this, of either sign, are taken for mistakes. */
#define FORECAST_MAX_VALUE 1e100

typedef enum ForecastMethod
{
	FORECAST_AUTO = 0,
	FORECAST_NAIVE,
	FORECAST_SEASONAL_NAIVE,
	FORECAST_MOVING_AVERAGE, /* of one season, or of the last 28 */
	FORECAST_SES,
	FORECAST_HOLT,
	FORECAST_DAMPED,
	FORECAST_HW_ADDITIVE,
	FORECAST_HW_MULTIPLICATIVE,
	FORECAST_ETS, /* by AICc among the admissible models */
	FORECAST_THETA,
	FORECAST_DOT, /* dynamic optimised theta */
	FORECAST_CROSTON,
	FORECAST_SBA,
	FORECAST_TSB,
	FORECAST_ADIDA,
	FORECAST_IMAPA,
	FORECAST_METHODS /* how many there are */
} ForecastMethod;

/* Syntetos, Boylan and Croston (2005). */
typedef enum ForecastClass
{
	FORECAST_SMOOTH = 0,
	FORECAST_INTERMITTENT,
	FORECAST_ERRATIC,
	FORECAST_LUMPY,
	FORECAST_EMPTY /* nothing was ever wanted */
} ForecastClass;

typedef struct ForecastProblem
{
	const double *history; /* oldest first, finite */
	int n;
	int horizon; /* steps to forecast */
	int season;	 /* observations in a season; 1: none */
	ForecastMethod method;
	bool non_negative;	  /* demand: neither mean nor quantile below 0 */
	const double *levels; /* of the quantiles, between 0 and 1 */
	int n_levels;

	void *(*alloc)(void *context, size_t size); /* NULL on failure */
	void (*release)(void *context, void *pointer);
	bool (*interrupted)(void *context); /* may be NULL */
	void *context;
} ForecastProblem;

#define FORECAST_MODEL_LENGTH 80

typedef struct ForecastAnswer
{
	double *mean;					   /* [horizon] */
	double *quantiles;				   /* [step * n_levels + level] */
	char model[FORECAST_MODEL_LENGTH]; /* what made it, e.g. ets(M,Ad,M) */
} ForecastAnswer;

typedef enum ForecastStatus
{
	FORECAST_OK = 0,
	FORECAST_BAD_HISTORY, /* empty, or longer than FORECAST_MAX_HISTORY */
	FORECAST_BAD_VALUE,	  /* NaN, infinity, or beyond FORECAST_MAX_VALUE */
	FORECAST_BAD_HORIZON,
	FORECAST_BAD_SEASON,
	FORECAST_BAD_METHOD,
	FORECAST_BAD_LEVEL,	   /* not between 0 and 1 */
	FORECAST_NOT_POSITIVE, /* multiplicative seasons need a history above 0 */
	FORECAST_NO_MEMORY,
	FORECAST_INTERRUPTED
} ForecastStatus;

extern ForecastStatus
forecast_solve(const ForecastProblem *problem, ForecastAnswer *answer);
extern void
forecast_free_answer(const ForecastProblem *problem, ForecastAnswer *answer);
extern ForecastClass
forecast_class(const double *history, int n, double *adi, double *cv2);
extern const char *forecast_class_name(ForecastClass class);
extern const char *forecast_method_name(ForecastMethod method);
extern bool forecast_method_of(const char *name, ForecastMethod *method);
extern const char *forecast_status_text(ForecastStatus status);

#endif /* PG_RETAIL_FORECASTER_H */
