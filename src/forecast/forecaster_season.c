/*-------------------------------------------------------------------------
 *
 * forecaster_season.c
 *	  Is there a season, and what is it like: the classical decomposition by
 *	  centred moving averages.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "forecaster_internal.h"

/*
 * Does the autocorrelation at the season differ from zero at 90 %, given those
 * of the shorter lags (Bartlett)?
 */
bool
SeasonIsVisible(const double *y, int n, int season)
{
	double mean = 0;
	double variance = 0;
	double squares = 0;
	double last = 0;


	if (season < 2 || n < 2 * season + 1)
		return false;
	for (int i = 0; i < n; i++)
		mean += y[i];
	mean /= n;
	for (int i = 0; i < n; i++)
		variance += (y[i] - mean) * (y[i] - mean);
	if (!(variance > 0))
		return false;
	for (int lag = 1; lag <= season; lag++)
	{
		double sum = 0;

		for (int i = lag; i < n; i++)
			sum += (y[i] - mean) * (y[i - lag] - mean);
		last = sum / variance;
		if (lag < season)
			squares += last * last;
	}
	return fabs(last) > 1.6448536269514722 * sqrt((1 + 2 * squares) / n);
}

/*
 * Average what each season's ratio (or difference) to the centred moving
 * average is; phase 0 is that of the first observation.
 *
 * Few seasons say little: the estimates of James and Stein (1961) take the
 * indices towards none by the share of their variance that is noise (for
 * seasons, Miller and Williams 2003).
 */
void
SeasonIndices(Arena *arena, const double *y, int n, int season,
			  bool multiplicative, bool shrink, double *indices)
{
	size_t used = arena->used;
	double *count = ArenaDoubles(arena, (size_t) season);
	double squares = 0;
	int half = season / 2;
	double window = 0;
	double total = 0;
	double between = 0;
	double within = 0;
	double kept = 1;
	int counted = 0;

	for (int i = 0; i < season; i++)
		indices[i] = count[i] = 0;
	for (int i = 0; i < season; i++)
		window += y[i];
	for (int i = half; i + half < n; i++)
	{
		double centre;
		double index = multiplicative;

		/* window = y[i - half] .. season values */
		if (season % 2 == 0)
			centre = (window - 0.5 * y[i - half] + 0.5 * y[i + half]) / season;
		else
			centre = window / season;
		if (!multiplicative)
			index = y[i] - centre;
		else if (centre > 1e-9)
			index = y[i] / centre;
		indices[i % season] += index;
		squares += index * index;
		count[i % season]++;
		counted++;
		if (i - half + season < n)
			window += y[i - half + season] - y[i - half];
	}
	for (int i = 0; i < season; i++)
	{
		if (count[i] > 0)
		{
			squares -= indices[i] * indices[i] / count[i];
			indices[i] /= count[i];
		}
		else
			indices[i] = multiplicative;
		total += indices[i] / season;
	}
	for (int i = 0; i < season; i++)
	{
		if (!multiplicative)
			indices[i] -= total;
		else
			indices[i] = total > 1e-9 ? indices[i] / total : 1;
		between +=
			(indices[i] - multiplicative) * (indices[i] - multiplicative);
	}
	if (shrink && season > 3 && counted > season && between > 0)
	{
		/* the variance of a mean, and what remains of the indices' own */
		within = fmax(squares, 0) / (counted - season) * season / counted;
		kept = 1 - (season - 3) * within / between;
		kept = fmax(kept, 0);
	}
	for (int i = 0; i < season; i++)
		indices[i] = multiplicative + kept * (indices[i] - multiplicative);
	arena->used = used;
}
