/*-------------------------------------------------------------------------
 *
 * match_em.h
 *	  Estimation of m, u and the priors from counts of comparison patterns.
 *
 * Two samples of pairs: candidates, which hold nearly all matches, and random
 * ones, which hold nearly none.  The model is the same for all pairs, so the
 * odds of a candidate are those of any pair with its pattern (the selection
 * depends on the pattern alone), m is learned from candidates weighted by the
 * probability to be a match, and u from random pairs weighted by that of not
 * being one.  EM as in Winkler (1988) and Enamorado, Fifield & Imai (2019).
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_MATCH_EM_H
#define PG_RETAIL_MATCH_EM_H

#include "match_internal.h"

/* Patterns and how often they were seen. */
typedef struct PatternCounts
{
	int64_t n;
	uint64_t *pattern;
	double *count;
} PatternCounts;

typedef struct EmProblem
{
	ModelCore *core; /* present, m, u, h and priors: start and result */
	PatternCounts candidates;
	PatternCounts random;
	double scale;		 /* pairs that a candidate stands for */
	double all_pairs;	 /* of the records */
	double random_pairs; /* drawn */
	/* pairs that agree exactly, and that have the field, among all */
	double collisions[FIELDS];
	double filled_pairs[FIELDS];
	double experience; /* weight of experience values, in matches */
	bool households;
	int max_rounds;
	double log_likelihood; /* out: of the candidates, for tests */
} EmProblem;

/* Logarithms of the model, as patterns need them. */
typedef struct EmLogs
{
	double one[FIELDS][MAX_LEVELS];
	double two[FIELDS][MAX_LEVELS];
	double one_given[FIELDS][MAX_PARENTS][MAX_LEVELS][MAX_LEVELS];
	double two_given[FIELDS][MAX_PARENTS][MAX_LEVELS][MAX_LEVELS];
	double household[FIELDS][MAX_LEVELS];
	double prior;
	double household_prior;
} EmLogs;

/* Count sorted patterns; items is overwritten. */
extern void
CountPatterns(uint64_t *items, int64_t n, double *counts, PatternCounts *out);
extern void EmEstimate(EmProblem *problem);
extern void EmTakeLogs(const ModelCore *core, EmLogs *logs);
/* Probabilities of one person and one household; gives log2 of the
 * likelihood of the pattern. */
extern double EmClassify(const ModelCore *core, const EmLogs *logs,
						 uint64_t pattern, double *match, double *household);

#endif /* PG_RETAIL_MATCH_EM_H */
