/*-------------------------------------------------------------------------
 *
 * match_em.c
 *	  Estimation of m, u and the priors from counts of comparison patterns.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_em.h"

#include <math.h>
#include <string.h>

#define LEAST_U 1e-7
#define LEAST_M 1e-4
/* The household class begins with this share of the prior of matches. */
#define FIRST_HOUSEHOLDS 0.1
#define CONVERGED 1e-6
/* A pair that looks like a match has a key in common.  Others are counted by
 * random pairs as far as these say next to nothing: of many records a random
 * pair stands for so many that a single likely one would be a crowd. */
#define LIKELY 0.3
#define UNINFORMED 64.0
/* At most so many times the matches among candidates are all matches. */
#define MOST_UNSEEN 2.0

typedef struct Sums
{
	double m[FIELDS][MAX_LEVELS];
	double h[FIELDS][MAX_LEVELS];
	double u[FIELDS][MAX_LEVELS];	   /* random pairs */
	double u_seen[FIELDS][MAX_LEVELS]; /* candidates */
	double m_given[FIELDS][MAX_PARENTS][MAX_LEVELS][MAX_LEVELS];
	double u_given[FIELDS][MAX_PARENTS][MAX_LEVELS][MAX_LEVELS];
	double matches; /* among candidates, and likely ones of these */
	double likely;
	double unlikely; /* expected among random pairs that do not look it */
	double households;
	double others;
} Sums;

static bool
IsHouseholdField(int field)
{
	return field == FIELD_SURNAME || field == FIELD_PHONE ||
		field == FIELD_ADDRESS || field == FIELD_POSTCODE ||
		field == FIELD_CITY || field == FIELD_REGION;
}

void
CountPatterns(uint64_t *items, int64_t n, double *counts, PatternCounts *out)
{
	int64_t n_out = 0;

	for (int64_t i = 0; i < n;)
	{
		int64_t end = i + 1;

		while (end < n && items[end] == items[i])
			end++;
		items[n_out] = items[i];
		counts[n_out++] = (double) (end - i);
		i = end;
	}
	out->n = n_out;
	out->pattern = items;
	out->count = counts;
}

/*
 * The first field of a pattern that this one depends on; -1: none is known.
 */
static int
KnownParent(uint64_t pattern, int field, int *number)
{
	const int *parents = FieldParents(field);

	for (int i = 0; parents[i] >= 0; i++)
		if (PATTERN_LEVEL(pattern, parents[i]) != 0)
		{
			*number = i;
			return PATTERN_LEVEL(pattern, parents[i]);
		}
	return -1;
}

static double
SafeLog(double x)
{
	return log2(x < 1e-30 ? 1e-30 : x);
}

void
EmTakeLogs(const ModelCore *core, EmLogs *logs)
{
	for (int f = 0; f < FIELDS; f++)
		for (int l = 1; l < MAX_LEVELS; l++)
		{
			logs->one[f][l] = SafeLog(core->m[f][l]);
			logs->two[f][l] = SafeLog(core->u[f][l]);
			logs->household[f][l] =
				IsHouseholdField(f) ? SafeLog(core->h[f][l]) : logs->two[f][l];
			for (int i = 0; i < MAX_PARENTS; i++)
				for (int p = 0; p < MAX_LEVELS; p++)
				{
					logs->one_given[f][i][p][l] =
						SafeLog(core->m_given[f][i][p][l]);
					logs->two_given[f][i][p][l] =
						SafeLog(core->u_given[f][i][p][l]);
				}
		}
	logs->prior = SafeLog(core->prior);
	logs->household_prior = SafeLog(core->household_prior);
}

/*
 * Probabilities of the classes of a pattern; gives log2 of its likelihood.
 */
double
EmClassify(const ModelCore *core, const EmLogs *logs, uint64_t pattern,
		   double *match, double *household)
{
	double one = logs->prior;
	double two = 0.0;
	double of_household = logs->household_prior;
	double most;
	double sum;

	for (int f = 0; f < FIELDS; f++)
	{
		int level = PATTERN_LEVEL(pattern, f);
		int number;
		int given;
		double m;
		double u;

		if (level == 0)
			continue;
		given = KnownParent(pattern, f, &number);
		m = logs->one[f][level];
		u = logs->two[f][level];
		if (given >= 0)
		{
			m = logs->one_given[f][number][given][level];
			u = logs->two_given[f][number][given][level];
		}
		one += m;
		two += u;
		of_household += IsHouseholdField(f) ? logs->household[f][level] : u;
	}
	most = one > two ? one : two;
	most = most > of_household ? most : of_household;
	one = exp2(one - most);
	two = exp2(two - most);
	of_household =
		core->household_prior > 0.0 ? exp2(of_household - most) : 0.0;
	sum = one + two + of_household;
	*match = one / sum;
	*household = of_household / sum;
	return most + log2(sum);
}

static double
SumPatterns(EmProblem *problem, Sums *sums)
{
	const ModelCore *core = problem->core;
	EmLogs logs;
	double likelihood = 0.0;
	double likely = fmin(LIKELY, UNINFORMED * core->prior);

	memset(sums, 0, sizeof(Sums));
	EmTakeLogs(core, &logs);
	for (int64_t i = 0; i < problem->candidates.n; i++)
	{
		uint64_t pattern = problem->candidates.pattern[i];
		double count = problem->candidates.count[i];
		double match;
		double household;

		likelihood +=
			count * EmClassify(core, &logs, pattern, &match, &household);
		sums->matches += count * match;
		if (match >= likely)
			sums->likely += count * match;
		sums->households += count * household;
		for (int f = 0; f < FIELDS; f++)
		{
			int level = PATTERN_LEVEL(pattern, f);
			int number;
			int given;

			sums->m[f][level] += count * match;
			sums->h[f][level] += count * household;
			sums->u_seen[f][level] += count * (1.0 - match - household);
			if (level == 0)
				continue;
			given = KnownParent(pattern, f, &number);
			if (given < 0)
				continue;
			sums->m_given[f][number][given][level] += count * match;
			/* random pairs that agree on the other field are rare */
			if (given <= (f == FIELD_EMAIL || f == FIELD_GENDER ? 4 : 2))
				sums->u_given[f][number][given][level] +=
					count * (1.0 - match - household);
		}
	}
	for (int64_t i = 0; i < problem->random.n; i++)
	{
		uint64_t pattern = problem->random.pattern[i];
		double match;
		double household;
		double other;

		(void) EmClassify(core, &logs, pattern, &match, &household);
		other = problem->random.count[i] * (1.0 - match - household);
		if (match < likely)
			sums->unlikely += problem->random.count[i] * match;
		sums->others += other;
		for (int f = 0; f < FIELDS; f++)
		{
			int level = PATTERN_LEVEL(pattern, f);
			int number;
			int given = KnownParent(pattern, f, &number);

			sums->u[f][level] += other;
			if (level != 0 && given >= 0)
				sums->u_given[f][number][given][level] += other;
		}
	}
	return likelihood;
}

/*
 * Shares of the levels of a field, with experience values as so many
 * observations.
 */
static void
Shares(int field, const double *sums, const double *experience, double weight,
	   double least, double *shares)
{
	int n = LevelCount(field);
	double total = 0.0;

	for (int l = 1; l < n; l++)
	{
		shares[l] = sums[l] + weight * experience[l];
		total += shares[l];
	}
	for (int l = 1; l < n; l++)
	{
		shares[l] /= total;
		if (shares[l] < least)
			shares[l] = least;
	}
}

static void
EstimateU(EmProblem *problem, const Sums *sums, int f)
{
	ModelCore *core = problem->core;
	double experience_m[MAX_LEVELS];
	double experience_u[MAX_LEVELS];
	int n = LevelCount(f);
	double agreeing = 0.0;
	double filled = 0.0;

	if (f == FIELD_ORDER)
	{
		/* the better order is taken, so it is no evidence by itself */
		for (int l = 1; l < n; l++)
			core->u[f][l] = 1.0;
		return;
	}
	ExperienceLevels(f, experience_m, experience_u);
	Shares(f, sums->u[f], experience_u, 1.0, LEAST_U, core->u[f]);
	for (int l = 1; l < n; l++)
		filled += sums->u[f][l];
	filled =
		sums->others > 0.0 ? filled / sums->others * problem->all_pairs : 0.0;
	if (filled < 1.0)
		return;
	/* candidates that are none are so many at least */
	for (int l = 1; l < n - 1; l++)
	{
		double seen = sums->u_seen[f][l] * problem->scale / filled;

		if (seen > core->u[f][l])
			core->u[f][l] = seen;
	}
	if (problem->filled_pairs[f] >= 1.0)
	{
		double of_matches = sums->m[f][LEVEL_EXACT] * problem->scale;
		double left = problem->collisions[f] - of_matches;

		if (left < 0.02 * problem->collisions[f])
			left = 0.02 * problem->collisions[f];
		core->u[f][LEVEL_EXACT] = (left + 0.1) / problem->filled_pairs[f];
		if (core->u[f][LEVEL_EXACT] > 0.99)
			core->u[f][LEVEL_EXACT] = 0.99;
	}
	for (int l = 1; l < n - 1; l++)
		agreeing += core->u[f][l];
	core->u[f][n - 1] = agreeing < 0.999 ? 1.0 - agreeing : 0.001;
}

/*
 * The same by the level of another field; what is rarely seen is taken to be
 * as without it.
 */
static void
EstimateGiven(EmProblem *problem, const Sums *sums, int f)
{
	ModelCore *core = problem->core;
	const int *parents = FieldParents(f);

	for (int i = 0; parents[i] >= 0; i++)
		for (int p = 1; p < LevelCount(parents[i]); p++)
		{
			Shares(f, sums->m_given[f][i][p], core->m[f],
				   2.0 * problem->experience, LEAST_M, core->m_given[f][i][p]);
			Shares(f, sums->u_given[f][i][p], core->u[f], 5.0, LEAST_U,
				   core->u_given[f][i][p]);
		}
}

/*
 * Expected matches among all pairs.  Those that look it are candidates; of the
 * others blocking misses many, but random pairs show how many there are.
 */
static double
Matches(const EmProblem *problem, const Sums *sums)
{
	double candidates = sums->matches * problem->scale;
	double all = sums->likely * problem->scale;

	if (problem->random_pairs < 1.0)
		return candidates;
	all += sums->unlikely * problem->all_pairs / problem->random_pairs;
	if (all > MOST_UNSEEN * candidates)
		all = MOST_UNSEEN * candidates;
	return all > candidates ? all : candidates;
}

/*
 * One round; gives how much the m's changed.
 */
static double
Round(EmProblem *problem)
{
	ModelCore *core = problem->core;
	Sums sums;
	double change = 0.0;

	problem->log_likelihood = SumPatterns(problem, &sums);
	core->prior = (Matches(problem, &sums) + 0.5) / (problem->all_pairs + 1.0);
	if (core->prior > 0.5)
		core->prior = 0.5;
	if (problem->households)
		core->household_prior = (sums.households * problem->scale + 0.05) /
			(problem->all_pairs + 1.0);
	for (int f = 0; f < FIELDS; f++)
	{
		double before[MAX_LEVELS];
		double experience_m[MAX_LEVELS];
		double experience_u[MAX_LEVELS];

		if (!core->present[f])
			continue;
		memcpy(before, core->m[f], sizeof(before));
		ExperienceLevels(f, experience_m, experience_u);
		Shares(f, sums.m[f], experience_m, problem->experience, LEAST_M,
			   core->m[f]);
		Shares(f, sums.h[f], experience_m, problem->experience, LEAST_M,
			   core->h[f]);
		EstimateU(problem, &sums, f);
		EstimateGiven(problem, &sums, f);
		for (int l = 1; l < LevelCount(f); l++)
			change = fmax(change, fabs(core->m[f][l] - before[l]));
	}
	return change;
}

void
EmEstimate(EmProblem *problem)
{
	ModelCore *core = problem->core;

	core->household_prior =
		problem->households ? core->prior * FIRST_HOUSEHOLDS : 0.0;
	for (int f = 0; f < FIELDS; f++)
	{
		ExperienceLevels(f, core->m[f], core->u[f]);
		memcpy(core->h[f], core->m[f], sizeof(core->h[f]));
		for (int p = 0; p < MAX_PARENTS * MAX_LEVELS; p++)
		{
			memcpy(core->m_given[f][p / MAX_LEVELS][p % MAX_LEVELS], core->m[f],
				   sizeof(core->m[f]));
			memcpy(core->u_given[f][p / MAX_LEVELS][p % MAX_LEVELS], core->u[f],
				   sizeof(core->u[f]));
		}
		if (f == FIELD_ORDER)
			core->u[f][1] = core->u[f][2] = 1.0;
	}
	for (int i = 0; i < problem->max_rounds; i++)
		if (Round(problem) < CONVERGED)
			break;
}
