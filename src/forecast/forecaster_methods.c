/*-------------------------------------------------------------------------
 *
 * forecaster_methods.c
 *	  Each method by its name, as paths from the last origins.
 *
 * Methods without a season of their own work on the series without its season,
 * which their paths get back.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <stdio.h>

#include "forecaster_internal.h"

#define MOVING_WINDOW 28
/* A multiplicative season takes away at most this much of a period. */
#define LEAST_INDEX 0.05

/*
 * Take the season out of the series, into work->adjusted.
 *
 * Shrinking decides by itself how much of a season there is; where it is not
 * defined (seasons of two or three) a test decides.
 */
void
AdjustSeason(Work *work)
{
	int m = work->season;

	work->season_kind = 'N';
	if (m > 1 && (m > 3 || SeasonIsVisible(work->y, work->n, m)))
		work->season_kind = work->positive ? 'M' : 'A';
	if (work->season_kind != 'N')
		SeasonIndices(&work->arena, work->y, work->n, m,
					  work->season_kind == 'M', true, work->indices);
	for (int i = 0; i < m && work->season_kind == 'M'; i++)
		work->indices[i] = fmax(work->indices[i], LEAST_INDEX);
	for (int t = 0; t < work->n; t++)
	{
		work->adjusted[t] = work->y[t];
		if (work->season_kind == 'M')
			work->adjusted[t] /= work->indices[t % m];
		else if (work->season_kind == 'A')
			work->adjusted[t] -= work->indices[t % m];
	}
}

/*
 * Put the season back on paths of work->adjusted.
 */
void
RestoreSeason(const Work *work, Paths *paths)
{
	double *path = paths->at;

	if (work->season_kind == 'N')
		return;
	for (int origin = 0; origin < paths->origins; origin++)
	{
		int phase = (paths->first + origin) % work->season;

		for (int h = 0; h < paths->horizon; h++)
		{
			if (work->season_kind == 'M')
				*path++ *= work->indices[phase];
			else
				*path++ += work->indices[phase];
			if (++phase == work->season)
				phase = 0;
		}
	}
}

/*
 * Write the model's name, in the notation of Hyndman et al.
 */
static void
NameEts(Work *work, const EtsModel *model)
{
	(void) snprintf(work->model, FORECAST_MODEL_LENGTH, "ets(%c,%s,%c)",
					model->error,
					model->trend == 'D'		  ? "Ad"
						: model->trend == 'A' ? "A"
											  : "N",
					model->season);
}

/*
 * Fit one model of exponential smoothing; false when it cannot follow.
 */
bool
RunEts(Work *work, const double *y, const char *form, bool fit_seasonal,
	   double tolerance, Paths *paths)
{
	size_t used = work->arena.used;
	EtsModel model = {.error = form[0],
					  .trend = form[1],
					  .season = form[2],
					  .period = form[2] == 'N' ? 1 : work->season,
					  .y = y,
					  .n = work->n,
					  .fit_initial = true,
					  .fit_seasonal = fit_seasonal};
	bool fitted;

	model.seasonal = ArenaDoubles(&work->arena, (size_t) work->season);
	model.ring = ArenaDoubles(&work->arena, (size_t) work->season);
	fitted = EtsFit(&work->arena, &model, work->columns, tolerance);
	if (fitted)
	{
		EtsPaths(&work->arena, &model, paths);
		NameEts(work, &model);
	}
	work->arena.used = used;
	return fitted;
}

/*
 * Fit every admissible model, and keep the one with the least AICc; those with
 * multiplicative parts only where the series is above zero.
 */
static void
RunEtsByAicc(Work *work, Paths *paths)
{
	size_t used = work->arena.used;
	size_t room = sizeof(double) * (size_t) work->season;
	double *seasonal = ArenaDoubles(&work->arena, (size_t) work->season);
	double *kept = ArenaDoubles(&work->arena, (size_t) work->season);
	double *ring = ArenaDoubles(&work->arena, (size_t) work->season);
	EtsModel best = {.aicc = INFINITY};
	bool found = false;

	for (const char *error = "AM"; *error != '\0'; error++)
		for (const char *trend = "NAD"; *trend != '\0'; trend++)
			for (const char *season = "NAM"; *season != '\0'; season++)
			{
				EtsModel model = {.error = *error,
								  .trend = *trend,
								  .season = *season,
								  .period = *season == 'N' ? 1 : work->season,
								  .y = work->y,
								  .n = work->n,
								  .fit_initial = true,
								  .fit_seasonal = true,
								  .seasonal = seasonal,
								  .ring = ring};

				if ((*season != 'N' && work->season < 2) ||
					(*error == 'A' && *season == 'M') ||
					(*error == 'M' && !work->positive))
					continue;
				if (!EtsFit(&work->arena, &model, work->columns, FIT_WELL))
					continue;
				if (!found || model.aicc < best.aicc)
				{
					found = true;
					best = model;
					memcpy(kept, seasonal, room);
				}
			}
	best.seasonal = kept;
	if (found)
	{
		EtsPaths(&work->arena, &best, paths);
		NameEts(work, &best);
	}
	else /* the caller has interrupted it */
		MovingAveragePaths(work->y, work->n, paths);
	work->arena.used = used;
}

static void
RunTheta(Work *work, bool dynamic, Paths *paths)
{
	ThetaModel model = {.y = work->adjusted, .n = work->n};

	AdjustSeason(work);
	if (dynamic)
	{
		DotFit(&work->arena, &model, work->columns, FIT_WELL);
		DotPaths(&model, paths);
	}
	else
		ThetaClassic(&work->arena, work->adjusted, work->n, work->columns,
					 FIT_WELL, paths);
	RestoreSeason(work, paths);
}

/*
 * Run one method on the work's series; false when it needs a series above zero
 * and this one is not.
 */
bool
RunMethod(Work *work, ForecastMethod method, Paths *paths)
{
	const double *y = work->y;
	int n = work->n;

	(void) snprintf(work->model, FORECAST_MODEL_LENGTH, "%s",
					forecast_method_name(method));
	switch (method)
	{
		case FORECAST_NAIVE:
			SeasonalNaivePaths(y, 1, paths);
			break;
		case FORECAST_SEASONAL_NAIVE:
			if (work->problem->season > n)
				(void) snprintf(work->model, FORECAST_MODEL_LENGTH, "naive");
			SeasonalNaivePaths(y, work->problem->season, paths);
			break;
		case FORECAST_MOVING_AVERAGE:
			MovingAveragePaths(y,
							   work->problem->season > 1 ? work->problem->season
														 : MOVING_WINDOW,
							   paths);
			break;
		case FORECAST_SES:
			return RunEts(work, y, "ANN", true, FIT_WELL, paths);
		case FORECAST_HOLT:
			return RunEts(work, y, "AAN", true, FIT_WELL, paths);
		case FORECAST_DAMPED:
			return RunEts(work, y, "ADN", true, FIT_WELL, paths);
		case FORECAST_HW_ADDITIVE:
			return RunEts(work, y, work->season > 1 ? "AAA" : "AAN", true,
						  FIT_WELL, paths);
		case FORECAST_HW_MULTIPLICATIVE:
			if (!work->positive)
				return false;
			return RunEts(work, y, work->season > 1 ? "MAM" : "MAN", true,
						  FIT_WELL, paths) ||
				RunEts(work, y, "AAN", true, FIT_WELL, paths);
		case FORECAST_ETS:
			RunEtsByAicc(work, paths);
			break;
		case FORECAST_THETA:
		case FORECAST_DOT:
			RunTheta(work, method == FORECAST_DOT, paths);
			break;
		case FORECAST_CROSTON:
			CrostonPaths(y, n, 1, paths);
			break;
		case FORECAST_SBA:
			CrostonPaths(y, n, SbaFactor(), paths);
			break;
		case FORECAST_TSB:
			TsbPaths(&work->arena, y, n, paths);
			break;
		case FORECAST_ADIDA:
		case FORECAST_IMAPA:
			AggregatePaths(&work->arena, y, n, method == FORECAST_IMAPA,
						   work->columns, paths);
			break;
		default:
			return false;
	}
	return true;
}
