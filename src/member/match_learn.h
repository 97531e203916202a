/*-------------------------------------------------------------------------
 *
 * match_learn.h
 *	  What the files that learn a model share.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_MATCH_LEARN_H
#define PG_RETAIL_MATCH_LEARN_H

#include "match_em.h"

typedef struct Sample
{
	uint64_t pattern;
	uint32_t a;
	uint32_t b;
} Sample;

typedef struct Learner
{
	MatchRecords *records;
	const MatchRun *run;
	Memory memory; /* of the learning only */
	MatchModel *model;
	Pairs pairs;
	CompareCache *caches[MAX_THREADS];
	uint64_t *random;
	int64_t n_random;
	double scale;
	Sample *samples;
	int64_t n_samples;
	float *match; /* probability of every sample */
} Learner;

/* Take the passes that find the matches of the samples at the least cost. */
extern MatchStatus ChoosePasses(Learner *learner);
/* Keys of these that more records have than a block may. */
extern MatchStatus LearnStopped(Learner *learner);
/* Identifiers that more records have than people may share. */
extern MatchStatus LearnShared(Learner *learner);

#endif /* PG_RETAIL_MATCH_LEARN_H */
