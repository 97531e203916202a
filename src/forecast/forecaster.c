/*-------------------------------------------------------------------------
 *
 * forecaster.c
 *	  The entry of the forecasting core: checks, memory, classes, names.
 *
 * The history is divided by its mean magnitude, so that no constant below
 * depends on units.  All memory of a forecast is one piece, whose size is
 * known beforehand.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "forecaster_internal.h"

/* Origins whose forecasts are compared with what came. */
#define MAX_ORIGINS 60
#define MAX_PATH_POINTS 20000
/* Matrices of paths that are alive at once. */
#define MAX_COMPONENTS 8

static const char *const MethodNames[FORECAST_METHODS] = {
	"auto",
	"naive",
	"seasonal_naive",
	"moving_average",
	"ses",
	"holt",
	"damped",
	"holt_winters_additive",
	"holt_winters_multiplicative",
	"ets",
	"theta",
	"dot",
	"croston",
	"sba",
	"tsb",
	"adida",
	"imapa"};

const char *
forecast_method_name(ForecastMethod method)
{
	return (unsigned) method < FORECAST_METHODS ? MethodNames[method]
												: "unknown";
}

bool
forecast_method_of(const char *name, ForecastMethod *method)
{
	for (int i = 0; i < FORECAST_METHODS; i++)
		if (strcmp(name, MethodNames[i]) == 0)
		{
			*method = (ForecastMethod) i;
			return true;
		}
	return false;
}

const char *
forecast_class_name(ForecastClass class)
{
	static const char *const names[] = {"smooth", "intermittent", "erratic",
										"lumpy", "empty"};

	return (unsigned) class <= FORECAST_EMPTY ? names[class] : "unknown";
}

const char *
forecast_status_text(ForecastStatus status)
{
	static const char *const texts[] = {
		"ok",		  "bad history", "bad value", "bad horizon",
		"bad season", "bad method",	 "bad level", "not positive",
		"no memory",  "interrupted"};

	return (unsigned) status <= FORECAST_INTERRUPTED ? texts[status]
													 : "unknown";
}

/*
 * Class of a demand, by the mean distance of its non-zero periods and by the
 * squared coefficient of variation of their sizes.
 */
ForecastClass
forecast_class(const double *history, int n, double *adi, double *cv2)
{
	double mean = 0;
	double squares = 0;
	double interval;
	double variation;
	int demands = 0;

	for (int i = 0; i < n; i++)
		if (history[i] != 0)
		{
			double before = mean;

			demands++;
			mean += (history[i] - mean) / demands;
			squares += (history[i] - before) * (history[i] - mean);
		}
	interval = demands > 0 ? (double) n / demands : INFINITY;
	variation =
		demands > 1 && mean != 0 ? squares / (demands - 1) / (mean * mean) : 0;
	if (adi != NULL)
		*adi = interval;
	if (cv2 != NULL)
		*cv2 = variation;
	if (demands == 0)
		return FORECAST_EMPTY;
	if (interval < 1.32)
		return variation < 0.49 ? FORECAST_SMOOTH : FORECAST_ERRATIC;
	return variation < 0.49 ? FORECAST_INTERMITTENT : FORECAST_LUMPY;
}

/*
 * Hand out memory; the arena was made large enough.
 */
double *
ArenaDoubles(Arena *arena, size_t n)
{
	double *piece = arena->base + arena->used;

	if (arena->used + n > arena->size)
	{
		/* cannot happen; stay inside what is there */
		arena->stopped = true;
		arena->used = 0;
		return arena->base;
	}
	arena->used += n;
	return piece;
}

bool
ArenaStopped(Arena *arena)
{
	if (!arena->stopped && arena->interrupted != NULL)
		arena->stopped = arena->interrupted(arena->context);
	return arena->stopped;
}

Paths
PathsLike(Arena *arena, const Paths *paths)
{
	Paths copy = *paths;

	copy.at =
		ArenaDoubles(arena, (size_t) paths->origins * (size_t) paths->horizon);
	return copy;
}

/* The forecast proper. */
const double *
LastPath(const Paths *paths)
{
	return paths->at + (size_t) (paths->origins - 1) * (size_t) paths->horizon;
}

static ForecastStatus
CheckProblem(const ForecastProblem *problem)
{
	if (problem->n < 1 || problem->n > FORECAST_MAX_HISTORY ||
		problem->history == NULL)
		return FORECAST_BAD_HISTORY;
	if (problem->horizon < 1 || problem->horizon > FORECAST_MAX_HORIZON)
		return FORECAST_BAD_HORIZON;
	if (problem->season < 1 || problem->season > FORECAST_MAX_SEASON)
		return FORECAST_BAD_SEASON;
	if ((unsigned) problem->method >= FORECAST_METHODS)
		return FORECAST_BAD_METHOD;
	if (problem->n_levels < 0 || problem->n_levels > FORECAST_MAX_LEVELS)
		return FORECAST_BAD_LEVEL;
	for (int i = 0; i < problem->n_levels; i++)
		if (!(problem->levels[i] > 0 && problem->levels[i] < 1))
			return FORECAST_BAD_LEVEL;
	for (int i = 0; i < problem->n; i++)
		if (!(fabs(problem->history[i]) <= FORECAST_MAX_VALUE))
			return FORECAST_BAD_VALUE;
	return FORECAST_OK;
}

/*
 * Lay out the work: the scaled history, and room for every method.
 */
static bool
BeginWork(Work *work, const ForecastProblem *problem, char *model)
{
	size_t n = (size_t) problem->n;
	size_t horizon = (size_t) problem->horizon;
	int season = problem->n > 2 * problem->season ? problem->season : 1;
	int origins = problem->n / 2;
	size_t columns;
	size_t points;
	size_t size;

	if (origins > MAX_ORIGINS)
		origins = MAX_ORIGINS;
	if ((size_t) origins * horizon > MAX_PATH_POINTS)
		origins = (int) (MAX_PATH_POINTS / horizon);
	columns = n * (8 + (size_t) (season <= MAX_FITTED_SEASON ? season : 1));
	points = ((size_t) origins + 1) * horizon;
	size = columns + 4 * n + 8 * (size_t) season +
		(MAX_COMPONENTS + 1) * points + 4 * horizon + 64;
	*work = (Work){.problem = problem,
				   .n = problem->n,
				   .season = season,
				   .positive = true,
				   .season_kind = 'N',
				   .model = model};
	work->arena =
		(Arena){.base = problem->alloc(problem->context, size * sizeof(double)),
				.size = size,
				.interrupted = problem->interrupted,
				.context = problem->context};
	if (work->arena.base == NULL)
		return false;
	work->y = ArenaDoubles(&work->arena, n);
	work->adjusted = ArenaDoubles(&work->arena, n);
	work->indices = ArenaDoubles(&work->arena, (size_t) season);
	work->columns = ArenaDoubles(&work->arena, columns);
	work->paths = (Paths){.origins = origins + 1,
						  .horizon = problem->horizon,
						  .first = problem->n - origins,
						  .at = ArenaDoubles(&work->arena, points)};
	for (int i = 0; i < problem->n; i++)
		work->scale += fabs(problem->history[i]) / problem->n;
	if (!(work->scale > 0))
		work->scale = 1;
	for (int i = 0; i < problem->n; i++)
	{
		work->y[i] = problem->history[i] / work->scale;
		work->positive = work->positive && work->y[i] > 1e-6;
	}
	work->class = forecast_class(problem->history, problem->n, NULL, NULL);
	return true;
}

/*
 * Keep what the user is told within bounds, and in the user's units.
 */
static void
FinishAnswer(const Work *work, ForecastAnswer *answer)
{
	const ForecastProblem *problem = work->problem;
	const double *path = LastPath(&work->paths);

	for (int h = 0; h < problem->horizon; h++)
	{
		double *quantiles = answer->quantiles + (size_t) h * problem->n_levels;

		answer->mean[h] = path[h] * work->scale;
		if (problem->non_negative)
			answer->mean[h] = fmax(answer->mean[h], 0);
		for (int i = 0; i < problem->n_levels; i++)
		{
			quantiles[i] *= work->scale;
			if (problem->non_negative)
				quantiles[i] = fmax(quantiles[i], 0);
		}
	}
}

ForecastStatus
forecast_solve(const ForecastProblem *problem, ForecastAnswer *answer)
{
	ForecastStatus status = CheckProblem(problem);
	Work work;

	memset(answer, 0, sizeof(*answer));
	if (status != FORECAST_OK)
		return status;
	if (!BeginWork(&work, problem, answer->model))
		return FORECAST_NO_MEMORY;
	answer->mean = problem->alloc(problem->context,
								  sizeof(double) * (size_t) problem->horizon *
									  (1 + (size_t) problem->n_levels));
	if (answer->mean == NULL)
		status = FORECAST_NO_MEMORY;
	else
	{
		answer->quantiles = answer->mean + problem->horizon;
		if (problem->method == FORECAST_AUTO)
			RunAuto(&work);
		else if (!RunMethod(&work, problem->method, &work.paths))
			status = FORECAST_NOT_POSITIVE;
		if (ArenaStopped(&work.arena))
			status = FORECAST_INTERRUPTED;
		if (status == FORECAST_OK)
		{
			SpreadQuantiles(&work, answer->quantiles);
			FinishAnswer(&work, answer);
		}
		else
			forecast_free_answer(problem, answer);
	}
	problem->release(problem->context, work.arena.base);
	return status;
}

void
forecast_free_answer(const ForecastProblem *problem, ForecastAnswer *answer)
{
	if (answer->mean != NULL)
		problem->release(problem->context, answer->mean);
	memset(answer, 0, sizeof(*answer));
}
