/*-------------------------------------------------------------------------
 *
 * match_passes.c
 *	  Which blocking passes a model uses, and which keys and identifiers are
 *	  too common to be used.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_learn.h"

#include <string.h>

/* Passes are added while they find such a share of what is left, ... */
#define LEAST_GAIN 0.0003
/* ... and a match for so many pairs. */
#define PAIRS_A_MATCH 20000.0
/* Pairs that are cheap enough to need no choice. */
#define FREE_PAIRS 3000000

/* ---- choice of passes ---- */

/*
 * Is the key's block within the limit?  Not known of keys that are not in the
 * sample.
 */
static bool
BlockIsSmall(const Pairs *pairs, const PairPass *pass, uint32_t key)
{
	int64_t low = 0;
	int64_t left = pass->n_entries;

	if (pass->n_stopped == 0 || pairs->sample > 0)
		return true;
	while (left > 0)
	{
		int64_t half = left / 2;

		if (pass->entries[low + half] >> 32 < key)
		{
			low += half + 1;
			left -= half + 1;
		}
		else
			left = half;
	}
	return low + pairs->block_limit >= pass->n_entries ||
		pass->entries[low + pairs->block_limit] >> 32 != key;
}

static uint64_t
PassesOfPair(const Learner *learner, const Sample *sample)
{
	const Pairs *pairs = &learner->pairs;
	uint64_t found = 0;

	for (int p = 0; p < pairs->n_passes; p++)
	{
		const PairPass *pass = &pairs->passes[p];
		uint32_t a[MAX_PASS_KEYS];
		uint32_t b[MAX_PASS_KEYS];
		int n_a;
		int n_b;

		if (!pass->active)
			continue;
		n_a = PassKeys(learner->records, sample->a, pass->pass, a);
		n_b = PassKeys(learner->records, sample->b, pass->pass, b);
		for (int i = 0; i < n_a; i++)
			for (int j = 0; j < n_b; j++)
				if (a[i] == b[j] && BlockIsSmall(pairs, pass, a[i]))
					found |= UINT64_C(1) << p;
	}
	return found;
}

/*
 * Take the pass that finds most for its cost, until what is left is not worth
 * it.  With few records all that was tried is used.  That of whole identifiers
 * is always used: they may come later, and verified ones merge at once.
 */
MatchStatus
ChoosePasses(Learner *learner)
{
	const Pairs *pairs = &learner->pairs;
	ModelCore *core = &learner->model->core;
	int64_t budget = learner->records->settings.max_pairs;
	uint64_t *found =
		MemoryAlloc(&learner->memory, learner->n_samples + 1, sizeof(uint64_t));
	double *worth =
		MemoryAlloc(&learner->memory, learner->n_samples + 1, sizeof(double));
	bool taken[MAX_PASSES] = {false};
	bool identifiers = false;
	double total = 0.0;
	double cost = 0.0;
	int64_t n = 0;

	if (found == NULL || worth == NULL)
		return MATCH_NO_MEMORY;
	for (int64_t i = 0; i < learner->n_samples; i++)
		if (learner->match[i] >= 0.3f)
		{
			found[n] = PassesOfPair(learner, &learner->samples[i]);
			worth[n] = learner->match[i] * learner->scale;
			total += worth[n++];
		}
	if (budget == 0)
		budget = learner->records->n * 12;
	if (budget < FREE_PAIRS)
		budget = FREE_PAIRS;
	core->n_passes = 0;
	for (;;)
	{
		double gains[MAX_PASSES] = {0};
		int best = -1;
		double best_value = 0.0;

		for (int64_t i = 0; i < n; i++)
			for (int p = 0; p < pairs->n_passes; p++)
				if (found[i] >> p & 1)
					gains[p] += worth[i];
		for (int p = 0; p < pairs->n_passes; p++)
		{
			double pass_cost =
				(double) pairs->passes[p].n_pairs * learner->scale;
			double value;

			if (taken[p] || !pairs->passes[p].active ||
				cost + pass_cost > (double) budget)
				continue;
			if (cost + pass_cost > FREE_PAIRS &&
				(gains[p] < LEAST_GAIN * total ||
				 gains[p] * PAIRS_A_MATCH < pass_cost))
				continue;
			value =
				(gains[p] + 1e-6) / (pass_cost + (double) learner->records->n);
			if (best < 0 || value > best_value)
			{
				best = p;
				best_value = value;
			}
		}
		if (best < 0)
			break;
		taken[best] = true;
		cost += (double) pairs->passes[best].n_pairs * learner->scale;
		core->passes[core->n_passes++] = pairs->passes[best].pass;
		for (int64_t i = 0; i < n; i++)
			if (found[i] >> best & 1)
				found[i] = 0;
		identifiers |= core->passes[core->n_passes - 1] == PASS_IDENTIFIER;
	}
	if (!identifiers)
	{
		memmove(core->passes + 1, core->passes,
				(size_t) core->n_passes * sizeof(core->passes[0]));
		core->passes[0] = PASS_IDENTIFIER;
		core->n_passes++;
	}
	return MATCH_OK;
}

/* ---- keys and values too common ---- */

#define COUNTERS (1 << 20)

typedef struct StopWork
{
	Learner *learner;
	uint16_t *counters[MAX_THREADS];
	uint64_t *keys[MAX_THREADS]; /* keys in hot counters, and scratch */
	uint64_t *scratch[MAX_THREADS];
	int64_t room;
	uint64_t *stopped[MAX_PASSES];
	int64_t n_stopped[MAX_PASSES];
	int64_t stop_room[MAX_PASSES];
} StopWork;

static uint32_t
CounterOf(uint32_t key)
{
	return (key * UINT32_C(0x9E3779B1)) >> 12;
}

/*
 * Keys of a pass that more records have than a block may: candidates by
 * hashed counters, then exactly.
 */
static void
StopPass(void *context, int64_t p, int worker)
{
	StopWork *work = context;
	const MatchRecords *records = work->learner->records;
	const ModelCore *core = &work->learner->model->core;
	uint16_t *counters = work->counters[worker];
	uint64_t *hot = work->keys[worker];
	int pass = core->passes[p];
	int64_t n_hot = 0;
	bool any = false;
	uint32_t keys[MAX_PASS_KEYS];

	memset(counters, 0, COUNTERS * sizeof(uint16_t));
	for (int64_t i = 0; i < records->n; i++)
	{
		int n = PassKeys(records, (uint32_t) i, pass, keys);

		for (int k = 0; k < n; k++)
		{
			uint16_t *counter = &counters[CounterOf(keys[k])];

			if (*counter < UINT16_MAX)
				any |= ++*counter > core->block_limit;
		}
	}
	for (int64_t i = 0; any && i < records->n; i++)
	{
		int n = PassKeys(records, (uint32_t) i, pass, keys);

		for (int k = 0; k < n && n_hot < work->room; k++)
			if (counters[CounterOf(keys[k])] > core->block_limit)
				hot[n_hot++] = (uint64_t) keys[k] << 32;
	}
	MatchSort(hot, work->scratch[worker], n_hot, 32);
	for (int64_t i = 0; i < n_hot;)
	{
		int64_t end = i + 1;

		while (end < n_hot && hot[end] == hot[i])
			end++;
		if (end - i > core->block_limit &&
			work->n_stopped[p] < work->stop_room[p])
			work->stopped[p][work->n_stopped[p]++] =
				OUTER_KEY(pass, (uint32_t) (hot[i] >> 32));
		i = end;
	}
}

MatchStatus
LearnStopped(Learner *learner)
{
	Memory *memory = &learner->memory;
	MatchModel *model = learner->model;
	ModelCore *core = &model->core;
	StopWork work = {.learner = learner};
	int threads = MatchThreads(learner->run);
	int identifiers = 0;
	int most = 1;
	uint64_t *scratch;
	MatchStatus status;

	for (int64_t i = 0; i < learner->records->n; i++)
		if (learner->records->rows[i].n_identifiers > identifiers)
			identifiers = learner->records->rows[i].n_identifiers;
	for (int p = 0; p < core->n_passes; p++)
	{
		int slots = PassSlots(learner->records, core->passes[p], identifiers);

		most = slots > most ? slots : most;
		work.stop_room[p] =
			learner->records->n * slots / (core->block_limit + 1) + 1;
		work.stopped[p] =
			MemoryAlloc(memory, work.stop_room[p], sizeof(uint64_t));
		if (work.stopped[p] == NULL)
			return MATCH_NO_MEMORY;
	}
	work.room = learner->records->n * (most > 4 ? 4 : most) + 1;
	for (int i = 0; i < threads && i < core->n_passes; i++)
	{
		work.counters[i] = MemoryAlloc(memory, COUNTERS, sizeof(uint16_t));
		work.keys[i] = MemoryAlloc(memory, work.room, sizeof(uint64_t));
		work.scratch[i] = MemoryAlloc(memory, work.room, sizeof(uint64_t));
		if (work.counters[i] == NULL || work.keys[i] == NULL ||
			work.scratch[i] == NULL)
			return MATCH_NO_MEMORY;
	}
	status =
		MatchParallel(learner->run, "learn", core->n_passes, StopPass, &work);
	if (status != MATCH_OK)
		return status;
	for (int p = 0; p < core->n_passes; p++)
		core->n_stopped += work.n_stopped[p];
	model->stopped =
		MemoryAlloc(&model->memory, core->n_stopped + 1, sizeof(uint64_t));
	scratch = MemoryAlloc(memory, core->n_stopped + 1, sizeof(uint64_t));
	if (model->stopped == NULL || scratch == NULL)
		return MATCH_NO_MEMORY;
	core->n_stopped = 0;
	for (int p = 0; p < core->n_passes; p++)
		for (int64_t i = 0; i < work.n_stopped[p]; i++)
			model->stopped[core->n_stopped++] = work.stopped[p][i];
	MatchSort(model->stopped, scratch, core->n_stopped, 0);
	return MATCH_OK;
}

/*
 * Values of identifiers that more records have than people may share.
 */
MatchStatus
LearnShared(Learner *learner)
{
	const MatchRecords *records = learner->records;
	const Values *values = &records->values[SET_IDENTIFIER];
	MatchModel *model = learner->model;
	ModelCore *core = &model->core;
	uint64_t *scratch;
	int64_t n = 0;

	for (int turn = 0; turn < 2; turn++)
	{
		if (turn == 1)
		{
			model->shared =
				MemoryAlloc(&model->memory, n + 1, sizeof(uint64_t));
			if (model->shared == NULL)
				return MATCH_NO_MEMORY;
		}
		n = 0;
		for (int64_t i = 0; i < records->n_identifiers; i++)
		{
			const Identifier *identifier = &records->identifiers[i];

			if (!IsOverShared(model, records, identifier))
				continue;
			if (turn == 1)
				model->shared[n] = values->hash[identifier->value];
			n++;
		}
	}
	scratch = MemoryAlloc(&learner->memory, n + 1, sizeof(uint64_t));
	if (scratch == NULL)
		return MATCH_NO_MEMORY;
	MatchSort(model->shared, scratch, n, 0);
	for (int64_t i = 0; i < n; i++)
		if (i == 0 || model->shared[i] != model->shared[i - 1])
			model->shared[core->n_shared++] = model->shared[i];
	return MATCH_OK;
}
