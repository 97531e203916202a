/*-------------------------------------------------------------------------
 *
 * forecaster_simple.c
 *	  The yardsticks: naive, seasonal naive, moving average.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "forecaster_internal.h"

/*
 * Repeat the last season; the last observation where there is none yet.
 */
void
SeasonalNaivePaths(const double *y, int season, Paths *paths)
{
	for (int origin = 0; origin < paths->origins; origin++)
	{
		int t = paths->first + origin;
		int back = season <= t ? season : 1;
		double *path = paths->at + (size_t) origin * (size_t) paths->horizon;

		for (int h = 0; h < paths->horizon; h++)
			path[h] = y[t - back + h % back];
	}
}

/*
 * The mean of the last observations.
 */
void
MovingAveragePaths(const double *y, int window, Paths *paths)
{
	for (int origin = 0; origin < paths->origins; origin++)
	{
		int t = paths->first + origin;
		int length = window < t ? window : t;
		double sum = 0;

		for (int i = t - length; i < t; i++)
			sum += y[i];
		FlatPath(paths->at + (size_t) origin * (size_t) paths->horizon,
				 paths->horizon, sum / length);
	}
}
