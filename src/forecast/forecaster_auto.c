/*-------------------------------------------------------------------------
 *
 * forecaster_auto.c
 *	  The method "auto": a few sturdy methods, combined.
 *
 * Combinations beat the choice of one model, on long horizons above all
 * (Makridakis and Hibon 2000; Fiorucci et al. 2016).  The class of the demand says
 * which methods take part.  Each has a prior weight, which what it missed from
 * the last origins changes gently: weights that follow the past closely follow
 * its noise.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <stdio.h>

#include "forecaster_internal.h"

#define MAX_PARTS 6
#define WEIGHT_POWER 1.5
/* A path further from the history than this many of its ranges is left out. */
#define EXPLOSION 20

typedef enum Part
{
	PART_DOT,
	PART_THETA,
	PART_HOLT,
	PART_SES,
	PART_SEASONAL, /* damped trend with a season of its own */
	PART_TSB,
	PART_ADIDA
} Part;

typedef struct PartWeight
{
	Part part;
	double weight;
} PartWeight;

/*
 * The dynamic theta model is the best of them wherever it was tried; the others
 * fail elsewhere than it does.
 */
static const PartWeight Regular[] = {
	{PART_DOT, 3}, {PART_THETA, 1}, {PART_HOLT, 0.5}, {PART_SEASONAL, 1}};
static const PartWeight Sporadic[] = {
	{PART_DOT, 1}, {PART_SES, 1}, {PART_TSB, 1}, {PART_ADIDA, 1}};

static bool
RunPart(Work *work, Part part, Paths *paths)
{
	Arena *arena = &work->arena;
	const double *adjusted = work->adjusted;
	ThetaModel dot = {.y = adjusted, .n = work->n};

	switch (part)
	{
		case PART_DOT:
			DotFit(arena, &dot, work->columns, FIT_ROUGHLY);
			DotPaths(&dot, paths);
			break;
		case PART_THETA:
			ThetaClassic(arena, adjusted, work->n, work->columns, FIT_ROUGHLY,
						 paths);
			break;
		case PART_HOLT:
			if (!RunEts(work, adjusted, "AAN", false, FIT_ROUGHLY, paths))
				return false;
			break;
		case PART_SES:
			if (!RunEts(work, adjusted, "ANN", false, FIT_ROUGHLY, paths))
				return false;
			break;
		case PART_SEASONAL:
			if (work->season_kind != 'N')
				return RunEts(work, work->y, work->positive ? "MDM" : "ADA",
							  false, FIT_ROUGHLY, paths);
			if (!RunEts(work, adjusted, work->positive ? "MDN" : "ADN", false,
						FIT_ROUGHLY, paths))
				return false;
			break;
		case PART_TSB:
			TsbPaths(arena, adjusted, work->n, paths);
			break;
		case PART_ADIDA:
			AggregatePaths(arena, adjusted, work->n, false, work->columns,
						   paths);
			break;
	}
	RestoreSeason(work, paths);
	return true;
}

/*
 * Cut paths at zero, and return the mean absolute miss, or infinity when the
 * forecast leaves all bounds.
 */
static double
JudgePart(const Work *work, Paths *paths)
{
	double least = INFINITY;
	double most = -INFINITY;
	double sum = 0;
	double range;
	int count = 0;
	double *path = paths->at;

	for (int t = 0; t < work->n; t++)
	{
		least = fmin(least, work->y[t]);
		most = fmax(most, work->y[t]);
	}
	range = most - least + 0.1;
	for (int origin = 0; origin < paths->origins; origin++)
		for (int h = 0; h < paths->horizon; h++, path++)
		{
			int t = paths->first + origin + h;

			if (!isfinite(*path) || *path > most + EXPLOSION * range ||
				*path < least - EXPLOSION * range)
			{
				if (origin == paths->origins - 1)
					return INFINITY;
				*path = work->y[paths->first + origin - 1];
			}
			if (work->problem->non_negative && *path < 0)
				*path = 0;
			if (t < work->n)
			{
				sum += fabs(work->y[t] - *path);
				count++;
			}
		}
	return count > 0 ? sum / count : 0;
}

/*
 * Replace the answer's paths by the weighted mean of the parts'.
 */
static void
Combine(Work *work, const Paths *parts, const double *misses,
		const double *priors, int n_parts)
{
	double least = INFINITY;
	double weights[MAX_PARTS];
	double total = 0;
	size_t points = (size_t) work->paths.origins * (size_t) work->paths.horizon;

	for (int i = 0; i < n_parts; i++)
		least = fmin(least, misses[i]);
	for (int i = 0; i < n_parts; i++)
	{
		weights[i] =
			priors[i] * pow((least + 1e-6) / (misses[i] + 1e-6), WEIGHT_POWER);
		total += weights[i];
	}
	memset(work->paths.at, 0, sizeof(double) * points);
	for (int i = 0; i < n_parts; i++)
		for (size_t j = 0; j < points; j++)
			work->paths.at[j] += weights[i] / total * parts[i].at[j];
}

void
RunAuto(Work *work)
{
	bool sporadic =
		work->class == FORECAST_INTERMITTENT || work->class == FORECAST_LUMPY;
	const PartWeight *list = sporadic ? Sporadic : Regular;
	size_t length = sporadic ? sizeof(Sporadic) / sizeof(*Sporadic)
							 : sizeof(Regular) / sizeof(*Regular);
	Paths parts[MAX_PARTS];
	double misses[MAX_PARTS];
	double priors[MAX_PARTS];
	int n_parts = 0;

	if (work->n < 3 || work->class == FORECAST_EMPTY)
	{
		MovingAveragePaths(work->y, work->n, &work->paths);
		(void) snprintf(work->model, FORECAST_MODEL_LENGTH, "auto(%s: mean)",
						forecast_class_name(work->class));
		return;
	}
	AdjustSeason(work);
	for (size_t i = 0; i < length; i++)
	{
		parts[n_parts] = PathsLike(&work->arena, &work->paths);
		if (!RunPart(work, list[i].part, &parts[n_parts]))
			continue;
		misses[n_parts] = JudgePart(work, &parts[n_parts]);
		priors[n_parts] = list[i].weight;
		if (isfinite(misses[n_parts]))
			n_parts++;
	}
	if (n_parts > 0)
		Combine(work, parts, misses, priors, n_parts);
	else
		MovingAveragePaths(work->y, work->n, &work->paths);
	(void) snprintf(work->model, FORECAST_MODEL_LENGTH, "auto(%s: %s)",
					forecast_class_name(work->class),
					n_parts == 0   ? "mean"
						: sporadic ? "dot, ses, tsb, adida"
								   : "dot, theta, holt, damped");
}
