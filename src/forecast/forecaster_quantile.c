/*-------------------------------------------------------------------------
 *
 * forecaster_quantile.c
 *	  How far forecasts miss: quantiles for every step.
 *
 * No model's own variance is believed: what the very forecast, combined or not,
 * missed from the last origins is measured for each lead.  Errors inside the
 * sample are too small, as the method was fitted to it, and have heavy tails;
 * both are allowed for.  Sporadic demand follows its own history instead.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "forecaster_internal.h"

/* Degrees of freedom of the errors, and what fitting hides of them. */
#define TAIL_DF 5
#define HIDDEN 1.1
#define HIDDEN_N 12.0
#define HIDDEN_H 1.0
/* Misses that a lead needs, to be believed. */
#define ENOUGH_MISSES 6

/*
 * Quantile of the normal distribution (Acklam's rational approximation, within
 * 1.2e-9 of the truth, relatively).
 */
static double
NormalQuantile(double p)
{
	static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,
							   -2.759285104469687e+02, 1.383577518672690e+02,
							   -3.066479806614716e+01, 2.506628277459239e+00};
	static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,
							   -1.556989798598866e+02, 6.680131188771972e+01,
							   -1.328068155288572e+01};
	static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01,
							   -2.400758277161838e+00, -2.549732539343734e+00,
							   4.374664141464968e+00,  2.938163982698783e+00};
	static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01,
							   2.445134137142996e+00, 3.754408661907416e+00};
	double q;
	double r;

	if (p > 0.5)
		return -NormalQuantile(1 - p);
	if (p < 0.02425)
	{
		q = sqrt(-2 * log(p));
		return (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q +
				c[5]) /
			((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
	}
	q = p - 0.5;
	r = q * q;
	return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r +
			a[5]) *
		q / (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

/*
 * Quantile of Student's distribution of unit variance, by the expansion of
 * Cornish and Fisher about the normal one (Abramowitz and Stegun 26.7.5).
 */
static double
TailQuantile(double p)
{
	double z = NormalQuantile(p);
	double v = TAIL_DF;
	double z2 = z * z;
	double g1 = (z2 + 1) * z / 4;
	double g2 = ((5 * z2 + 16) * z2 + 3) * z / 96;
	double g3 = (((3 * z2 + 19) * z2 + 17) * z2 - 15) * z / 384;

	return (z + g1 / v + g2 / (v * v) + g3 / (v * v * v)) * sqrt((v - 2) / v);
}

/*
 * Fill the root mean square miss of every lead, as the last origins show it.
 */
static void
MissByLead(const Work *work, double *spread)
{
	const Paths *paths = &work->paths;

	for (int h = 0; h < paths->horizon; h++)
	{
		double squares = 0;
		double hidden = HIDDEN + (HIDDEN_N + HIDDEN_H * h) / work->n;
		int count = 0;

		for (int origin = 0; origin < paths->origins; origin++)
		{
			int t = paths->first + origin + h;
			double miss;

			if (t >= work->n)
				break;
			miss = work->y[t] -
				paths->at[(size_t) origin * (size_t) paths->horizon +
						  (size_t) h];
			squares += miss * miss;
			count++;
		}
		if (count >= ENOUGH_MISSES || (h == 0 && count > 0))
			spread[h] = hidden * sqrt(squares / count);
		else
			spread[h] = h > 0 ? spread[h - 1] * sqrt((h + 1.0) / h) : 0;
		if (h > 0)
			spread[h] = fmax(spread[h], spread[h - 1]);
	}
}

static int
CompareDoubles(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x > y) - (x < y);
}

/*
 * Sporadic demand: quantiles of the history, scaled to the forecast mean.
 */
static void
HistoryQuantiles(Work *work, double *quantiles)
{
	const ForecastProblem *problem = work->problem;
	const double *path = LastPath(&work->paths);
	double *sorted = work->columns;
	double mean = 0;

	memcpy(sorted, work->y, sizeof(double) * (size_t) work->n);
	qsort(sorted, (size_t) work->n, sizeof(double), CompareDoubles);
	for (int t = 0; t < work->n; t++)
		mean += sorted[t] / work->n;
	for (int i = 0; i < problem->n_levels; i++)
	{
		double at = problem->levels[i] * (work->n - 1);
		int below = (int) at;
		double value = sorted[below];

		if (below + 1 < work->n)
			value += (at - below) * (sorted[below + 1] - value);
		for (int h = 0; h < problem->horizon; h++)
			quantiles[(size_t) h * problem->n_levels + i] =
				mean > 0 ? value * fmax(path[h], 0) / mean : value;
	}
}

void
SpreadQuantiles(Work *work, double *quantiles)
{
	const ForecastProblem *problem = work->problem;
	const double *path = LastPath(&work->paths);
	double *spread;

	if (work->class == FORECAST_INTERMITTENT || work->class == FORECAST_LUMPY)
	{
		HistoryQuantiles(work, quantiles);
		return;
	}
	spread = ArenaDoubles(&work->arena, (size_t) problem->horizon);
	MissByLead(work, spread);
	for (int i = 0; i < problem->n_levels; i++)
	{
		double z = TailQuantile(problem->levels[i]);

		for (int h = 0; h < problem->horizon; h++)
			quantiles[(size_t) h * problem->n_levels + i] =
				path[h] + z * spread[h];
	}
}
