/*-------------------------------------------------------------------------
 *
 * forecaster_theta.c
 *	  The theta method (Assimakopoulos and Nikolopoulos 2000; as simple
 *	  exponential smoothing with drift, Hyndman and Billah 2003) and the dynamic
 *	  optimised theta model (Fiorucci, Pellegrini, Louzada, Petropoulos and
 *	  Koehler 2016).
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "forecaster_internal.h"

void
ThetaClassic(Arena *arena, const double *y, int n, double *columns,
			 double tolerance, Paths *paths)
{
	EtsModel ses = {.error = 'A',
					.trend = 'N',
					.season = 'N',
					.period = 1,
					.y = y,
					.n = n,
					.fit_initial = true};
	double sx = 0, sy = 0, sxx = 0, sxy = 0;
	double *path = paths->at;

	(void) EtsFit(arena, &ses, columns, tolerance);
	EtsPaths(arena, &ses, paths);
	for (int t = 0; t <= n; t++)
	{
		if (t >= paths->first)
		{
			double slope =
				t > 1 ? (t * sxy - sx * sy) / (t * sxx - sx * sx) / 2 : 0;
			double lag = (1 - pow(1 - ses.alpha, t)) / ses.alpha;

			for (int h = 0; h < paths->horizon; h++)
				path[h] += slope * (h + lag);
			path += paths->horizon;
		}
		if (t < n)
		{
			sx += t;
			sy += y[t];
			sxx += (double) t * t;
			sxy += t * y[t];
		}
	}
}

/* The running straight line, and the level. */
typedef struct DotState
{
	double level;
	double mean;
	double a;
	double b;
	double power; /* (1 - alpha)^(t) */
} DotState;

/*
 * Forecast of observation t (from 0).
 */
static inline double
DotForecast(const ThetaModel *model, const DotState *state)
{
	return state->level +
		(1 - 1 / model->theta) *
		(state->power * state->a +
		 (1 - (1 - model->alpha) * state->power) / model->alpha * state->b);
}

static inline void
DotStep(const ThetaModel *model, DotState *state, double y, int t)
{
	double before = state->mean;

	state->level = model->alpha * y + (1 - model->alpha) * state->level;
	state->mean = (t * state->mean + y) / (t + 1);
	if (t == 0)
		state->b = 0;
	else
		state->b = ((t - 1) * state->b + 6 * (y - before) / (t + 1)) / (t + 2);
	state->a = state->mean - (t + 2) / 2.0 * state->b;
	state->power *= 1 - model->alpha;
}

static bool
DotResiduals(void *context, const double *x, double *residuals)
{
	ThetaModel *model = context;
	DotState state = {x[2], 0, 0, 0, 1};

	model->alpha = x[0];
	model->theta = 1 / (1 - x[1]);
	model->level = x[2];
	for (int t = 0; t < model->n; t++)
	{
		residuals[t] = t == 0 ? 0 : model->y[t] - DotForecast(model, &state);
		DotStep(model, &state, model->y[t], t);
	}
	return true;
}

void
DotFit(Arena *arena, ThetaModel *model, double *columns, double tolerance)
{
	static const double lower[] = {0.1, 0, -INFINITY};
	static const double upper[] = {0.99, 0.99999, INFINITY};
	FitSpace space = {.n = model->n,
					  .p = 3,
					  .lower = lower,
					  .upper = upper,
					  .max_rounds = 30,
					  .tolerance = tolerance,
					  .columns = columns};
	double best[3] = {0.5, 0.5, model->y[0] / 2};
	double least = INFINITY;

	for (int start = 0; start < 2; start++)
	{
		double x[3] = {start == 0 ? 0.2 : 0.6, 0.5, model->y[0] / 2};
		double sum = FitLeastSquares(arena, &space, DotResiduals, model, x);

		if (sum < least)
		{
			least = sum;
			memcpy(best, x, sizeof(best));
		}
	}
	model->alpha = best[0];
	model->theta = 1 / (1 - best[1]);
	model->level = best[2];
}

void
DotPaths(const ThetaModel *model, Paths *paths)
{
	DotState state = {model->level, 0, 0, 0, 1};
	double *path = paths->at;


	for (int t = 0; t <= model->n; t++)
	{
		if (t >= paths->first)
		{
			DotState ahead = state;

			for (int h = 0; h < paths->horizon; h++)
			{
				path[h] = DotForecast(model, &ahead);
				DotStep(model, &ahead, path[h], t + h);
			}
			path += paths->horizon;
		}
		if (t < model->n)
			DotStep(model, &state, model->y[t], t);
	}
}
