/*-------------------------------------------------------------------------
 *
 * fuzz_forecaster.c
 *	  Any bytes make a series and a question; every answer of the forecasting
 *	  core is judged: finite, in order, not negative where that was asked, and
 *	  an error only where one is due.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "../../src/forecast/forecaster.h"

#define MAX_HISTORY 150
#define MAX_HORIZON 40
#define MAX_LEVELS 4

/* Everything that a problem points to. */
typedef struct FuzzForecast
{
	ForecastProblem problem;
	double history[MAX_HISTORY];
	double levels[MAX_LEVELS];
} FuzzForecast;

/*
 * Decode an observation: mostly a small count, sometimes 0, sometimes wild.
 */
static double
Observation(Input *input, uint8_t kind)
{
	int64_t number = Number(input, kind % 2 == 0 ? 20 : 3000);
	uint8_t shape = Byte(input);

	if (kind & 4 && shape < 170)
		return 0;
	if (kind & 8 && shape == 255)
		return ldexp((double) number, (int) (number % 400));
	if (kind & 8 && shape == 254)
		return number % 2 == 0 ? (double) NAN : (double) INFINITY;
	return kind & 16 ? (double) number / 7 - 30 : fabs((double) number);
}

static bool
AllFinite(const ForecastProblem *problem)
{
	for (int i = 0; i < problem->n; i++)
		if (!(fabs(problem->history[i]) <= FORECAST_MAX_VALUE))
			return false;
	return true;
}

static void
JudgeForecast(const ForecastProblem *problem, const ForecastAnswer *answer)
{
	Require(AllFinite(problem) && problem->n > 0 && problem->horizon > 0 &&
				problem->season > 0,
			"a bad problem has an answer");
	Require(answer->model[0] != '\0', "the model has no name");
	for (int h = 0; h < problem->horizon; h++)
	{
		const double *q =
			answer->quantiles + (size_t) h * (size_t) problem->n_levels;

		Require(isfinite(answer->mean[h]), "a mean is not finite");
		Require(!problem->non_negative || answer->mean[h] >= 0,
				"demand is negative");
		for (int i = 0; i < problem->n_levels; i++)
		{
			Require(isfinite(q[i]), "a quantile is not finite");
			Require(!problem->non_negative || q[i] >= 0,
					"a quantile is negative");
			Require(i == 0 || problem->levels[i] < problem->levels[i - 1] ||
						q[i] >= q[i - 1],
					"quantiles cross");
		}
	}
}

/*
 * Say it in the words of the tally, which knows the solvers only.
 */
static SolverStatus
Translate(ForecastStatus status)
{
	switch (status)
	{
		case FORECAST_OK:
			return SOLVER_OK;
		case FORECAST_NO_MEMORY:
			return SOLVER_NO_MEMORY;
		case FORECAST_INTERRUPTED:
			return SOLVER_INTERRUPTED;
		case FORECAST_NOT_POSITIVE:
			return SOLVER_NO_PLAN;
		default:
			return SOLVER_BAD_PROBLEM;
	}
}

/*
 * Decode one problem, forecast it, judge the answer.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FuzzForecast fuzz;
	ForecastProblem *problem = &fuzz.problem;
	Input input = FuzzBegin(data, size);
	ForecastAnswer answer;
	ForecastStatus status;
	uint8_t kind = Byte(&input);

	memset(&fuzz, 0, sizeof(fuzz));
	problem->alloc = HookAlloc;
	problem->release = HookRelease;
	problem->interrupted = HookInterrupted;
	problem->context = &input.hooks;
	problem->method = (ForecastMethod) (Byte(&input) % (FORECAST_METHODS + 1));
	problem->n = Byte(&input) % (MAX_HISTORY + 1);
	problem->horizon = Byte(&input) % (MAX_HORIZON + 1);
	problem->season = Byte(&input) % 32;
	problem->n_levels = Byte(&input) % (MAX_LEVELS + 1);
	problem->non_negative = kind & 32;
	problem->history = fuzz.history;
	problem->levels = fuzz.levels;
	if (kind & 64)
		input.hooks.fail_at = Byte(&input) % 4;
	if (kind & 128)
		input.hooks.stop_at = Byte(&input) % 64;
	for (int i = 0; i < problem->n_levels; i++)
		fuzz.levels[i] = Byte(&input) / 255.0;
	for (int i = 0; i < problem->n; i++)
		fuzz.history[i] = Observation(&input, kind);

	status = forecast_solve(problem, &answer);
	if (status == FORECAST_OK)
	{
		JudgeForecast(problem, &answer);
		Require(input.hooks.living == 1, "memory is left over");
		forecast_free_answer(problem, &answer);
	}
	else
		Require(answer.mean == NULL && answer.quantiles == NULL,
				"a failed answer is not empty");
	FuzzEnd(&input, Translate(status));
	return 0;
}
