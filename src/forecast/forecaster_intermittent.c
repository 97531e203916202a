/*-------------------------------------------------------------------------
 *
 * forecaster_intermittent.c
 *	  Methods for demand with many empty periods: Croston (1972), its correction
 *	  by Syntetos and Boylan (2005), TSB (Teunter, Syntetos and Babai 2011),
 *	  ADIDA (Nikolopoulos et al. 2011) and IMAPA (Petropoulos and Kourentzes
 *	  2015).  Their forecasts are flat.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "forecaster_internal.h"

#define CROSTON_ALPHA 0.1

/* Candidates of TSB: smoothing of sizes and of the probability of a demand. */
static const double TsbSizes[] = {0.02, 0.05, 0.1, 0.2, 0.3};
static const double TsbChances[] = {0.02, 0.05, 0.1, 0.2, 0.3};

void
FlatPath(double *path, int horizon, double value)
{
	for (int h = 0; h < horizon; h++)
		path[h] = value;
}

/*
 * Croston's estimate, times factor: mean size over mean interval, both smoothed
 * at demands only.
 */
void
CrostonPaths(const double *y, int n, double factor, Paths *paths)
{
	double size = 0;
	double interval = 0;
	int since = 0;
	bool seen = false;
	double *path = paths->at;

	for (int t = 0; t <= n; t++)
	{
		if (t >= paths->first)
		{
			FlatPath(path, paths->horizon, seen ? factor * size / interval : 0);
			path += paths->horizon;
		}
		if (t == n)
			break;
		since++;
		if (y[t] == 0)
			continue;
		if (seen)
		{
			size += CROSTON_ALPHA * (y[t] - size);
			interval += CROSTON_ALPHA * (since - interval);
		}
		else
		{
			size = y[t];
			interval = since;
			seen = true;
		}
		since = 0;
	}
}

double
SbaFactor(void)
{
	return 1 - CROSTON_ALPHA / 2;
}

/*
 * Run TSB: the size is smoothed at demands, the probability always.  Return the
 * mean squared one-step error; write paths when there are any.
 */
static double
TsbRun(const double *y, int n, double alpha, double beta, Paths *paths)
{
	double size = 0;
	double chance = 0;
	double squares = 0;
	int demands = 0;
	double *path = paths != NULL ? paths->at : NULL;

	for (int t = 0; t < n; t++)
		if (y[t] != 0)
		{
			size += y[t];
			demands++;
		}
	size = demands > 0 ? size / demands : 0;
	chance = (double) demands / n;
	for (int t = 0; t <= n; t++)
	{
		if (paths != NULL && t >= paths->first)
		{
			FlatPath(path, paths->horizon, size * chance);
			path += paths->horizon;
		}
		if (t == n)
			break;
		squares += (y[t] - size * chance) * (y[t] - size * chance);
		if (y[t] != 0)
			size += alpha * (y[t] - size);
		chance += beta * ((y[t] != 0) - chance);
	}
	return squares / n;
}

void
TsbPaths(Arena *arena, const double *y, int n, Paths *paths)
{
	double least = INFINITY;
	double alpha = 0;
	double beta = 0;

	for (size_t i = 0; i < sizeof(TsbSizes) / sizeof(double); i++)
		for (size_t j = 0; j < sizeof(TsbChances) / sizeof(double); j++)
		{
			double squares = TsbRun(y, n, TsbSizes[i], TsbChances[j], NULL);

			if (squares < least)
			{
				least = squares;
				alpha = TsbSizes[i];
				beta = TsbChances[j];
			}
			if (ArenaStopped(arena))
				return;
		}
	(void) TsbRun(y, n, alpha, beta, paths);
}

/* Return the mean distance between demands, rounded; 1 without any. */
int
MeanInterval(const double *y, int n)
{
	int demands = 0;
	int last = 0;

	for (int t = 0; t < n; t++)
		if (y[t] != 0)
		{
			demands++;
			last = t + 1;
		}
	return demands > 0 ? (int) lround((double) last / demands) : 1;
}

/*
 * Sum the first t observations in buckets that end at t; a rest at the
 * beginning is left out.
 */
static int
Aggregate(const double *y, int t, int bucket, double *sums)
{
	int buckets = t / bucket;
	const double *from = y + (t - buckets * bucket);

	for (int i = 0; i < buckets; i++)
	{
		sums[i] = 0;
		for (int j = 0; j < bucket; j++)
			sums[i] += *from++;
	}
	return buckets;
}

/*
 * Add weight times simple exponential smoothing of the buckets to every path.
 */
static void
AddAggregated(Arena *arena, const double *y, int n, int bucket, double weight,
			  double *columns, double *sums, Paths *paths)
{
	int buckets = Aggregate(y, n, bucket, sums);
	EtsModel ses = {.error = 'A',
					.trend = 'N',
					.season = 'N',
					.period = 1,
					.y = sums,
					.n = buckets,
					.fit_initial = true};

	(void) EtsFit(arena, &ses, columns, FIT_WELL);
	for (int origin = 0; origin < paths->origins; origin++)
	{
		double level = ses.level;

		buckets = Aggregate(y, paths->first + origin, bucket, sums);
		for (int i = 0; i < buckets; i++)
			level += ses.alpha * (sums[i] - level);
		for (int h = 0; h < paths->horizon; h++)
			paths->at[origin * paths->horizon + h] += weight * level / bucket;
		if (origin % 16 == 0 && ArenaStopped(arena))
			return;
	}
}

/*
 * ADIDA: smooth the sums of buckets as long as the mean interval.  IMAPA: the
 * mean over all buckets up to that length.
 */
void
AggregatePaths(Arena *arena, const double *y, int n, bool every_level,
			   double *columns, Paths *paths)
{
	size_t used = arena->used;
	double *sums = ArenaDoubles(arena, (size_t) n);
	int longest = MeanInterval(y, n);

	if (longest > n / 2)
		longest = n / 2;
	if (longest > 64)
		longest = 64;
	if (longest < 1)
		longest = 1;
	memset(paths->at, 0,
		   sizeof(double) * (size_t) paths->origins * (size_t) paths->horizon);
	for (int bucket = every_level ? 1 : longest; bucket <= longest; bucket++)
		AddAggregated(arena, y, n, bucket, every_level ? 1.0 / longest : 1,
					  columns, sums, paths);
	arena->used = used;
}
