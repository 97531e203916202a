/*-------------------------------------------------------------------------
 *
 * match_resolve.c
 *	  The whole way from bound records to persons, and the measure of it.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_internal.h"

#include <string.h>

/* Pairs that a person's constraints add come behind this weight. */
#define HUMAN_WEIGHT 100.0f

/* The result, and the memory that it is in. */
typedef struct OwnedResult
{
	MatchResult result; /* first: the caller sees only this */
	Memory memory;
} OwnedResult;

typedef struct Resolver
{
	const MatchRecords *records;
	const MatchModel *model;
	const MatchRun *run;
	Memory memory; /* of the resolution only */
	CompareCache *caches[MAX_THREADS];
	Edge *edges;
	int64_t n_edges;
	MatchStatistics statistics;
} Resolver;

/*
 * Compare two records, unless what is cheap to compare leaves no way to the
 * review band.
 */
static bool
CompareWorthy(Resolver *resolver, uint32_t a, uint32_t b, CompareCache *cache,
			  Comparison *c)
{
	const MatchModel *model = resolver->model;
	uint32_t dear = FIELD_BIT(FIELD_ADDRESS);
	uint32_t pending;

	CompareCheap(resolver->records, a, b, cache, c, &pending);
	if (c->contradiction)
		return false;
	if (!c->shared_value &&
		WeighAtMost(model, c, pending) < model->review_weight)
		return false;
	if (pending & ~dear)
		CompareRest(resolver->records, a, b, pending & ~dear, c);
	pending &= dear;
	if (pending == 0)
		return true;
	if (!c->shared_value &&
		WeighAtMost(model, c, pending) < model->review_weight)
		return false;
	CompareRest(resolver->records, a, b, pending, c);
	return true;
}

static bool
ScorePair(void *context, uint32_t a, uint32_t b, int pass, int worker,
		  void *item)
{
	Resolver *resolver = context;
	Comparison comparison;
	double weight;
	MatchRule rule;
	MatchBand band;
	Edge *edge = item;

	(void) pass;
	if (!CompareWorthy(resolver, a, b, resolver->caches[worker], &comparison))
		return false;
	weight = Weigh(resolver->model, &comparison);
	band = Judge(resolver->model, &comparison, &weight, &rule);
	if (band == MATCH_BAND_LEAVE)
		return false;
	*edge = (Edge){.a = a,
				   .b = b,
				   .weight = (float) weight,
				   .band = (uint8_t) band,
				   .rule = (uint8_t) rule};
	return true;
}

static MatchStatus
FindEdges(Resolver *resolver)
{
	const ModelCore *core = &resolver->model->core;
	Pairs pairs = {.records = resolver->records,
				   .model = resolver->model,
				   .block_limit = core->block_limit};
	MatchStatus status;

	/* a set that grew since the model was learned */
	if (resolver->records->n > 2 * core->n_records)
		pairs.block_limit = (int64_t) core->block_limit * 4;
	for (int i = 0; i < core->n_passes; i++)
		if (PassUsable(resolver->records, core->passes[i]))
			pairs.passes[pairs.n_passes++].pass = core->passes[i];
	status = PairsOpen(&resolver->memory, &pairs, resolver->run);
	if (status == MATCH_OK)
		status = PairsVisit(&resolver->memory, &pairs, ScorePair, resolver,
							sizeof(Edge), resolver->run);
	if (status != MATCH_OK)
		return status;
	resolver->statistics.candidates = pairs.n_visited;
	resolver->statistics.stopped = core->n_stopped;
	for (int p = 0; p < pairs.n_passes; p++)
		resolver->statistics.stopped += pairs.passes[p].n_stopped;
	resolver->edges = (Edge *) (void *) pairs.items;
	resolver->n_edges = pairs.n_items;
	pairs.items = NULL;
	PairsClose(&resolver->memory, &pairs);
	return MATCH_OK;
}

static int64_t
RankOfId(const MatchRecords *records, int64_t id)
{
	int64_t low = 0;
	int64_t left = records->n;

	while (left > 0)
	{
		int64_t half = left / 2;

		if (records->id[low + half] < id)
		{
			low += half + 1;
			left -= half + 1;
		}
		else
			left = half;
	}
	return low < records->n && records->id[low] == id ? low : -1;
}

/*
 * Add the edges that a person asked for.
 */
static MatchStatus
AddConstraints(Resolver *resolver, const MatchConstraint *constraints,
			   int64_t n)
{
	int64_t room = resolver->n_edges;

	if (n > 0 &&
		!MemoryGrow(&resolver->memory, &resolver->edges, &room,
					resolver->n_edges, resolver->n_edges + n, sizeof(Edge)))
		return MATCH_NO_MEMORY;
	for (int64_t i = 0; i < n; i++)
	{
		int64_t a = RankOfId(resolver->records, constraints[i].a);
		int64_t b = RankOfId(resolver->records, constraints[i].b);

		if (a < 0 || b < 0 || a == b)
			continue;
		resolver->edges[resolver->n_edges++] = (Edge){
			.a = (uint32_t) (a < b ? a : b),
			.b = (uint32_t) (a < b ? b : a),
			.weight = HUMAN_WEIGHT,
			.band = constraints[i].link ? MATCH_BAND_MERGE : MATCH_BAND_LEAVE,
			.rule = constraints[i].link ? MATCH_RULE_MUST_LINK
										: MATCH_RULE_CANNOT_LINK,
			.human = constraints[i].link ? 1 : 2};
	}
	return MATCH_OK;
}

/*
 * Sort edges by a, b; stable.
 */
static MatchStatus
SortEdges(Resolver *resolver)
{
	Memory *memory = &resolver->memory;
	int64_t n = resolver->n_edges;
	uint64_t *keys;
	uint64_t *scratch;
	Edge *sorted;

	if (n > UINT32_MAX)
		return MATCH_NO_MEMORY;
	keys = MemoryAlloc(memory, n + 1, sizeof(uint64_t));
	scratch = MemoryAlloc(memory, n + 1, sizeof(uint64_t));
	sorted = MemoryAlloc(memory, n + 1, sizeof(Edge));
	if (keys == NULL || scratch == NULL || sorted == NULL)
		return MATCH_NO_MEMORY;
	for (int64_t i = 0; i < n; i++)
		keys[i] = (uint64_t) resolver->edges[i].b << 32 | (uint64_t) i;
	MatchSort(keys, scratch, n, 32);
	for (int64_t i = 0; i < n; i++)
	{
		uint32_t edge = (uint32_t) keys[i];

		keys[i] = (uint64_t) resolver->edges[edge].a << 32 | edge;
	}
	MatchSort(keys, scratch, n, 32);
	for (int64_t i = 0; i < n; i++)
		sorted[i] = resolver->edges[(uint32_t) keys[i]];
	MemoryDrop(memory, keys);
	MemoryDrop(memory, scratch);
	MemoryDrop(memory, resolver->edges);
	resolver->edges = sorted;
	return MATCH_OK;
}

/*
 * Pairs that joined, and pairs that a person should look at.
 */
static bool
IsReported(const Edge *edge, const uint32_t *cluster)
{
	if (edge->merged)
		return true;
	return edge->human == 0 && cluster[edge->a] != cluster[edge->b];
}

static MatchStatus
MakeResult(Resolver *resolver, const uint32_t *cluster, MatchResult **result)
{
	const MatchRecords *records = resolver->records;
	const MatchMemory *hooks = &records->memory.hooks;
	OwnedResult *owned = hooks->alloc(hooks->context, sizeof(OwnedResult));
	int64_t *ids;
	int64_t *persons;
	MatchPair *pairs;
	int64_t n_pairs = 0;

	if (owned == NULL)
		return MATCH_NO_MEMORY;
	memset(owned, 0, sizeof(OwnedResult));
	owned->memory.hooks = *hooks;
	for (int64_t i = 0; i < resolver->n_edges; i++)
		n_pairs += IsReported(&resolver->edges[i], cluster);
	ids = MemoryAlloc(&owned->memory, records->n + 1, sizeof(int64_t));
	persons = MemoryAlloc(&owned->memory, records->n + 1, sizeof(int64_t));
	pairs = MemoryAlloc(&owned->memory, n_pairs + 1, sizeof(MatchPair));
	if (ids == NULL || persons == NULL || pairs == NULL)
	{
		MatchResultFree(&owned->result);
		return MATCH_NO_MEMORY;
	}
	for (int64_t i = 0; i < records->n; i++)
	{
		uint32_t rank = records->rank[i];

		ids[i] = records->id[rank];
		persons[i] = records->id[cluster[rank]];
	}
	n_pairs = 0;
	for (int64_t i = 0; i < resolver->n_edges; i++)
	{
		const Edge *edge = &resolver->edges[i];

		if (IsReported(edge, cluster))
			pairs[n_pairs++] = (MatchPair){
				.a = records->id[edge->a],
				.b = records->id[edge->b],
				.weight = edge->weight,
				.probability = (float) WeightProbability(edge->weight),
				.band = edge->band,
				.rule = edge->rule,
				.merged = edge->merged};
	}
	owned->result = (MatchResult){.n_records = records->n,
								  .ids = ids,
								  .persons = persons,
								  .n_pairs = n_pairs,
								  .pairs = pairs,
								  .statistics = resolver->statistics};
	*result = &owned->result;
	return MATCH_OK;
}

static MatchStatus
Resolve(Resolver *resolver, const MatchConstraint *constraints,
		int64_t n_constraints, MatchResult **result)
{
	Memory *memory = &resolver->memory;
	uint32_t *cluster;
	MatchStatus status = FindEdges(resolver);

	if (status == MATCH_OK)
		status = AddConstraints(resolver, constraints, n_constraints);
	if (status == MATCH_OK)
		status = SortEdges(resolver);
	if (status != MATCH_OK)
		return status;
	cluster = MemoryAlloc(memory, resolver->records->n + 1, sizeof(uint32_t));
	if (cluster == NULL)
		return MATCH_NO_MEMORY;
	status =
		ClusterEdges(memory,
					 &(ClusterProblem){.records = resolver->records,
									   .model = resolver->model,
									   .edges = resolver->edges,
									   .n_edges = resolver->n_edges,
									   .cluster = cluster,
									   .statistics = &resolver->statistics},
					 resolver->run);
	return status == MATCH_OK ? MakeResult(resolver, cluster, result) : status;
}

MatchStatus
MatchResolve(const MatchRecords *records, const MatchConstraint *constraints,
			 int64_t n_constraints, const MatchRun *run, MatchResult **result)
{
	Resolver resolver = {
		.records = records, .model = records->model, .run = run};
	MatchStatus status = MATCH_OK;

	*result = NULL;
	if (records->model == NULL)
		return MATCH_BAD_INPUT;
	resolver.memory.hooks = records->memory.hooks;
	/* a cache pays when there is much to compare */
	for (int i = 0; i < MatchThreads(run) && records->n > 1000; i++)
	{
		resolver.caches[i] =
			MemoryZeroed(&resolver.memory, 1, sizeof(CompareCache));
		if (resolver.caches[i] == NULL)
			status = MATCH_NO_MEMORY;
	}
	if (status == MATCH_OK)
		status = Resolve(&resolver, constraints, n_constraints, result);
	MemoryRelease(&resolver.memory);
	return status;
}

void
MatchResultFree(MatchResult *result)
{
	OwnedResult *owned = (OwnedResult *) (void *) result;
	MatchMemory hooks;

	if (result == NULL)
		return;
	hooks = owned->memory.hooks;
	MemoryRelease(&owned->memory);
	hooks.release(hooks.context, owned);
}

/* ---- measure ---- */

static int64_t
PairsOfLabels(const int64_t *a, const int64_t *b, int64_t n, uint64_t *hashes,
			  uint64_t *scratch)
{
	int64_t pairs = 0;

	for (int64_t i = 0; i < n; i++)
		hashes[i] = MatchMix((uint64_t) a[i], (uint64_t) b[i]);
	MatchSort(hashes, scratch, n, 0);
	for (int64_t i = 0; i < n;)
	{
		int64_t end = i + 1;

		while (end < n && hashes[end] == hashes[i])
			end++;
		pairs += (end - i) * (end - i - 1) / 2;
		i = end;
	}
	return pairs;
}

MatchStatus
MatchMeasure(const MatchMemory *hooks, const int64_t *found,
			 const int64_t *truth, int64_t n, MatchAccuracy *accuracy)
{
	Memory memory = {.hooks = *hooks};
	uint64_t *hashes = MemoryAlloc(&memory, n + 1, sizeof(uint64_t));
	uint64_t *scratch = MemoryAlloc(&memory, n + 1, sizeof(uint64_t));

	if (hashes == NULL || scratch == NULL)
	{
		MemoryRelease(&memory);
		return MATCH_NO_MEMORY;
	}
	accuracy->true_pairs = PairsOfLabels(truth, truth, n, hashes, scratch);
	accuracy->found_pairs = PairsOfLabels(found, found, n, hashes, scratch);
	accuracy->common_pairs = PairsOfLabels(found, truth, n, hashes, scratch);
	MemoryRelease(&memory);
	accuracy->precision = accuracy->found_pairs == 0
		? 1.0
		: (double) accuracy->common_pairs / (double) accuracy->found_pairs;
	accuracy->recall = accuracy->true_pairs == 0
		? 1.0
		: (double) accuracy->common_pairs / (double) accuracy->true_pairs;
	accuracy->f1 = accuracy->precision + accuracy->recall == 0.0
		? 0.0
		: 2.0 * accuracy->precision * accuracy->recall /
			(accuracy->precision + accuracy->recall);
	return MATCH_OK;
}
