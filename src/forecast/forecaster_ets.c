/*-------------------------------------------------------------------------
 *
 * forecaster_ets.c
 *	  Exponential smoothing in state-space form: the filter, its likelihood,
 *	  and the choice among the admissible models by AICc (Hyndman, Koehler, Ord
 *	  and Snyder 2008).
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "forecaster_internal.h"

/* Rounds of a fit before its starts are compared. */
#define SCOUTING_ROUNDS 4
#define MAX_ROUNDS 40

/* Where each parameter of a model stands in the vector; -1: not there. */
typedef struct EtsLayout
{
	int alpha, beta, gamma, phi, level, slope, seasonal;
	int p;
} EtsLayout;

static EtsLayout
Layout(const EtsModel *model)
{
	EtsLayout at = {-1, -1, -1, -1, -1, -1, -1, 0};

	at.alpha = at.p++;
	if (model->trend != 'N')
		at.beta = at.p++;
	if (model->season != 'N')
		at.gamma = at.p++;
	if (model->trend == 'D')
		at.phi = at.p++;
	if (model->fit_initial)
	{
		at.level = at.p++;
		if (model->trend != 'N')
			at.slope = at.p++;
		if (model->season != 'N' && model->fit_seasonal &&
			model->period <= MAX_FITTED_SEASON)
		{
			at.seasonal = at.p;
			at.p += model->period - 1;
		}
	}
	return at;
}

/*
 * Take the parameters over into the model.
 */
static void
Unpack(EtsModel *model, const EtsLayout *at, const double *x)
{
	model->alpha = x[at->alpha];
	model->beta = at->beta >= 0 ? x[at->beta] * model->alpha : 0;
	model->gamma = at->gamma >= 0 ? x[at->gamma] * (1 - model->alpha) : 0;
	model->phi = at->phi >= 0 ? x[at->phi] : 1;
	if (at->level >= 0)
		model->level = x[at->level];
	if (at->slope >= 0)
		model->slope = x[at->slope];
	if (at->seasonal >= 0)
	{
		double rest = model->season == 'M' ? model->period : 0;

		for (int i = 0; i < model->period - 1; i++)
		{
			model->seasonal[i] = x[at->seasonal + i];
			rest -= model->seasonal[i];
		}
		model->seasonal[model->period - 1] = rest;
	}
}

/* Where the filter stands. */
typedef struct EtsState
{
	double level;
	double slope;
} EtsState;

/*
 * One step of the filter; return the forecast that it begins with.
 */
static inline double
Step(const EtsModel *model, EtsState *state, double *season, double y)
{
	double drift = model->trend == 'N' ? 0 : model->phi * state->slope;
	double base = state->level + drift;
	double forecast = base;
	double level;

	if (model->season == 'A')
	{
		forecast += *season;
		level = base + model->alpha * (y - forecast);
		*season += model->gamma * (y - forecast);
	}
	else if (model->season == 'M')
	{
		forecast *= *season;
		level = base + model->alpha * (y - forecast) / *season;
		*season += model->gamma * (y - forecast) / base;
	}
	else
		level = base + model->alpha * (y - forecast);
	if (model->trend != 'N')
		state->slope = drift +
			(model->alpha > 0 ? model->beta / model->alpha : 0) *
				(level - base);
	state->level = level;
	return forecast;
}

/*
 * Residuals whose sum of squares the likelihood falls with.  With
 * multiplicative errors these are relative errors times the geometric mean of
 * the forecasts: n log(sum e^2) + 2 sum log f, concentrated.
 */
static bool
Residuals(void *context, const double *x, double *residuals)
{
	EtsModel *model = context;
	EtsLayout at = Layout(model);
	EtsState state;
	int phase = 0;
	double *ring = model->ring;
	double logs = 0;
	double product = 1;
	double none = 0;

	Unpack(model, &at, x);
	state = (EtsState){model->level, model->slope};
	if (model->season != 'N')
		memcpy(ring, model->seasonal, sizeof(double) * (size_t) model->period);
	for (int t = 0; t < model->n; t++)
	{
		double *season = model->season == 'N' ? &none : &ring[phase];
		double forecast = Step(model, &state, season, model->y[t]);
		double miss = model->y[t] - forecast;

		if (model->error == 'M')
		{
			if (!(forecast > 1e-8))
				return false;
			miss /= forecast;
			product *= forecast;
			if (product < 1e-100 || product > 1e100)
			{
				logs += log(product);
				product = 1;
			}
		}
		if (model->season == 'M' && !(*season > 1e-8 && state.level > 1e-8))
			return false;
		residuals[t] = miss;
		if (++phase == model->period)
			phase = 0;
	}
	if (model->error == 'M')
	{
		double scale = exp((logs + log(product)) / model->n);

		for (int t = 0; t < model->n; t++)
			residuals[t] *= scale;
	}
	return true;
}

/*
 * Initial states: the line through the first observations, without season.
 */
static void
InitialStates(Arena *arena, EtsModel *model)
{
	int n = model->n;
	int m = model->season == 'N' ? 1 : model->period;
	int length = model->season == 'N' ? 10 : 2 * m;
	double sx = 0, sy = 0, sxx = 0, sxy = 0;

	if (length < 10)
		length = 10;
	if (length > n)
		length = n;
	if (model->season != 'N')
		SeasonIndices(arena, model->y, n, m, model->season == 'M',
					  !model->fit_seasonal, model->seasonal);
	for (int t = 0; t < length; t++)
	{
		double y = model->y[t];

		if (model->season == 'A')
			y -= model->seasonal[t % m];
		else if (model->season == 'M')
		{
			model->seasonal[t % m] = fmax(model->seasonal[t % m], 0.01);
			y /= model->seasonal[t % m];
		}
		sx += t + 1;
		sy += y;
		sxx += (double) (t + 1) * (t + 1);
		sxy += (t + 1) * y;
	}
	if (model->trend == 'N' || length < 2)
	{
		model->level = sy / length;
		model->slope = 0;
	}
	else
	{
		model->slope = (length * sxy - sx * sy) / (length * sxx - sx * sx);
		model->level = (sy - model->slope * sx) / length;
	}
	if ((model->error == 'M' || model->season == 'M') &&
		model->level + model->slope < 0.01)
	{
		model->level = fmax(model->y[0], 0.01);
		model->slope = 0;
	}
}

/*
 * Fill the box of the parameters, and where to begin inside it.
 */
static void
Begin(Arena *arena, EtsModel *model, const EtsLayout *at, double *lower,
	  double *upper, double *x)
{
	InitialStates(arena, model);
	for (int j = 0; j < at->p; j++)
	{
		lower[j] = 1e-4;
		upper[j] = 0.9999;
	}
	if (at->gamma >= 0)
		x[at->gamma] = 0.05;
	if (at->phi >= 0)
	{
		x[at->phi] = 0.95;
		lower[at->phi] = 0.8;
		upper[at->phi] = 0.98;
	}
	if (at->level >= 0)
	{
		x[at->level] = model->level;
		lower[at->level] = -INFINITY;
		upper[at->level] = INFINITY;
	}
	if (at->slope >= 0)
	{
		x[at->slope] = model->slope;
		lower[at->slope] = -INFINITY;
		upper[at->slope] = INFINITY;
	}
	for (int i = 0; at->seasonal >= 0 && i < model->period - 1; i++)
	{
		x[at->seasonal + i] = model->seasonal[i];
		lower[at->seasonal + i] = model->season == 'M' ? 0.001 : -INFINITY;
		upper[at->seasonal + i] = INFINITY;
	}
}

/*
 * Fit a model; false when it cannot follow the series.
 *
 * A few rounds from each start tell which valley is the deepest.
 */
bool
EtsFit(Arena *arena, EtsModel *model, double *columns, double tolerance)
{
	static const double starts[][2] = {{0.15, 0.05}, {0.6, 0.1}, {0.9, 0.6}};
	EtsLayout at = Layout(model);
	int n_starts = model->trend == 'N' ? 2 : 3; /* one valley is missing */
	double lower[MAX_PARAMETERS];
	double upper[MAX_PARAMETERS];
	double first[MAX_PARAMETERS] = {0};
	double best[MAX_PARAMETERS] = {0};
	double least = INFINITY;
	int estimated = at.p + 1; /* the variance, too */
	FitSpace space = {.n = model->n,
					  .p = at.p,
					  .lower = lower,
					  .upper = upper,
					  .max_rounds = SCOUTING_ROUNDS,
					  .tolerance = tolerance,
					  .columns = columns};

	Begin(arena, model, &at, lower, upper, first);
	for (int start = 0; start < n_starts; start++)
	{
		double x[MAX_PARAMETERS];
		double sum;

		memcpy(x, first, sizeof(x));
		x[at.alpha] = starts[start][0];
		if (at.beta >= 0)
			x[at.beta] = starts[start][1];
		sum = FitLeastSquares(arena, &space, Residuals, model, x);
		if (sum < least)
		{
			least = sum;
			memcpy(best, x, sizeof(best));
		}
	}
	if (!isfinite(least))
		return false;
	space.max_rounds = MAX_ROUNDS;
	least = FitLeastSquares(arena, &space, Residuals, model, best);
	Unpack(model, &at, best);
	model->aicc = model->n * log(fmax(least, 1e-300)) + 2.0 * estimated;
	if (model->n - estimated - 1 > 0)
		model->aicc +=
			2.0 * estimated * (estimated + 1) / (model->n - estimated - 1);
	else
		model->aicc = INFINITY;
	return true;
}

/*
 * Run the fitted filter and write the path of every origin.
 */
void
EtsPaths(Arena *arena, const EtsModel *model, Paths *paths)
{
	size_t used = arena->used;
	int m = model->season == 'N' ? 1 : model->period;
	double *ring = ArenaDoubles(arena, (size_t) m);
	EtsState state = {model->level, model->slope};
	double *path = paths->at;

	ring[0] = 0;
	if (model->season != 'N')
		memcpy(ring, model->seasonal, sizeof(double) * (size_t) m);
	for (int t = 0; t <= model->n; t++)
	{
		if (t >= paths->first)
		{
			double damping = model->phi;
			double trend = 0;

			for (int h = 0; h < paths->horizon; h++)
			{
				double season = ring[(t + h) % m];

				if (model->trend != 'N')
				{
					trend += damping * state.slope;
					damping *= model->phi;
				}
				path[h] = state.level + trend;
				if (model->season == 'A')
					path[h] += season;
				else if (model->season == 'M')
					path[h] *= season;
			}
			path += paths->horizon;
		}
		if (t < model->n)
			(void) Step(model, &state, &ring[t % m], model->y[t]);
	}
	arena->used = used;
}
