/*-------------------------------------------------------------------------
 *
 * test_match_em.c
 *	  EM finds the parameters that simulated patterns were made with.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/member/match_em.h"
#include "random.h"

#define ALL_PAIRS 2000000
#define RANDOM_PAIRS 200000
#define MATCHES 4000

static const int fields[] = {FIELD_GIVEN, FIELD_SURNAME, FIELD_BIRTH,
							 FIELD_ADDRESS};
static const double true_m[][6] = {{0, .75, .15, .04, .02, .04},
								   {0, .80, .10, .03, .03, .04},
								   {0, .70, .20, 0, 0, .10},
								   {0, .50, .20, .10, .05, .15}};
static const double true_u[][6] = {{0, .01, .01, .02, .06, .90},
								   {0, .02, .01, .02, .05, .90},
								   {0, .0005, .002, 0, 0, .9975},
								   {0, .0002, .001, .005, .05, .9438}};

static int
Draw(const double *shares)
{
	double at = (double) Random(0, 999999) / 1e6;
	int level = 1;

	while (level < 5 && at >= shares[level])
		at -= shares[level++];
	return level;
}

/*
 * A pattern; a field in ten is missing.
 */
static uint64_t
Pattern(const double (*shares)[6], bool *has_key)
{
	uint64_t pattern = 0;

	*has_key = false;
	for (int i = 0; i < 4; i++)
	{
		int level = Draw(shares[i]);

		if (Random(1, 10) == 1)
			continue;
		*has_key |= level == LEVEL_EXACT;
		pattern |= (uint64_t) level << (fields[i] * LEVEL_BITS);
	}
	return pattern;
}

static int
ComparePatterns(const void *a, const void *b)
{
	uint64_t of_a = *(const uint64_t *) a;
	uint64_t of_b = *(const uint64_t *) b;

	return of_a < of_b ? -1 : of_a > of_b;
}

static void
em_finds_what_patterns_were_made_with(void **state)
{
	uint64_t *candidates = malloc(ALL_PAIRS * sizeof(uint64_t));
	uint64_t *random = malloc(RANDOM_PAIRS * sizeof(uint64_t));
	double *counts = malloc(ALL_PAIRS * sizeof(double));
	double *random_counts = malloc(RANDOM_PAIRS * sizeof(double));
	ModelCore *core = calloc(1, sizeof(ModelCore));
	EmProblem problem = {.core = core,
						 .scale = 1.0,
						 .all_pairs = ALL_PAIRS,
						 .random_pairs = RANDOM_PAIRS,
						 .experience = 5.0,
						 .max_rounds = 200};
	int64_t n = 0;
	int64_t n_random = 0;

	(void) state;
	SeedRandom(3);
	for (int64_t i = 0; i < ALL_PAIRS; i++)
	{
		bool has_key;
		uint64_t pattern = Pattern(i < MATCHES ? true_m : true_u, &has_key);

		if (has_key)
			candidates[n++] = pattern;
		if (n_random < RANDOM_PAIRS && i % 10 == 7)
			random[n_random++] = pattern;
	}
	qsort(candidates, (size_t) n, sizeof(uint64_t), ComparePatterns);
	qsort(random, (size_t) n_random, sizeof(uint64_t), ComparePatterns);
	CountPatterns(candidates, n, counts, &problem.candidates);
	CountPatterns(random, n_random, random_counts, &problem.random);
	core->prior = 1e-3;
	for (int i = 0; i < 4; i++)
		core->present[fields[i]] = 1;
	EmEstimate(&problem);
	if (fabs(core->prior * ALL_PAIRS - MATCHES) > 0.05 * MATCHES)
		fail_msg("%.0f matches", core->prior * ALL_PAIRS);
	for (int i = 0; i < 4; i++)
		for (int l = 1; l <= 2; l++)
		{
			double m = core->m[fields[i]][l];
			double u = core->u[fields[i]][l];

			if (fabs(m - true_m[i][l]) > 0.03)
				fail_msg("%s m %.4f", FieldName(fields[i]), m);
			if (fabs(u - true_u[i][l]) > 0.1 * true_u[i][l] + 0.0002)
				fail_msg("%s u %.5f", FieldName(fields[i]), u);
		}
	free(candidates);
	free(random);
	free(counts);
	free(random_counts);
	free(core);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(em_finds_what_patterns_were_made_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
