/*-------------------------------------------------------------------------
 *
 * match_cluster.c
 *	  From pairs to persons.
 *
 * Edges are taken in descending weight, ties by records; an edge joins the
 * clusters of its records unless a rule on the whole of both forbids it: a
 * person's cannot-link, two records of a de-duplicated source, contradictory
 * identifiers, size, or evidence between the rest of the two that speaks
 * against it (a kind of average linkage: no chain of lucky pairs joins
 * strangers).  The
 * edges of one connected component never look at another, so what comes out
 * is a function of the component.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_internal.h"

#include <math.h>
#include <string.h>

#define NOBODY UINT32_MAX
/* Weights between clusters are cut to this: no single pair decides alone. */
#define WEIGHT_CUT 15.0
/* At most so many pairs between two clusters are compared. */
#define MEAN_PAIRS 256
#define CHECK_EDGES 1024

typedef struct Clusters
{
	ClusterProblem *problem;
	uint32_t *parent; /* of a root: itself */
	uint32_t *next;	  /* the other members, in a ring */
	uint32_t *size;
	uint32_t *first_forbidden; /* by rank, n + 1; NULL: no cannot-links */
	uint32_t *forbidden;
} Clusters;

static uint32_t
Root(Clusters *clusters, uint32_t rank)
{
	uint32_t *parent = clusters->parent;

	while (parent[rank] != rank)
	{
		parent[rank] = parent[parent[rank]];
		rank = parent[rank];
	}
	return rank;
}

/*
 * Did a person part a member of one from a member of the other?
 */
static bool
Forbidden(Clusters *clusters, uint32_t a, uint32_t b)
{
	uint32_t member = a;

	if (clusters->first_forbidden == NULL)
		return false;
	do
	{
		for (uint32_t i = clusters->first_forbidden[member];
			 i < clusters->first_forbidden[member + 1]; i++)
			if (Root(clusters, clusters->forbidden[i]) == b)
				return true;
		member = clusters->next[member];
	} while (member != a);
	return false;
}

/*
 * Have both a record of the same de-duplicated source?
 */
static bool
SameSource(const Clusters *clusters, uint32_t a, uint32_t b, bool sure)
{
	const Row *rows = clusters->problem->records->rows;
	const MatchSource *sources = clusters->problem->model->sources;
	uint32_t i = a;

	do
	{
		int source = rows[i].source;
		uint32_t j = b;
		int deduplicated = (int) sources[source].deduplicated;

		if (deduplicated == MATCH_DEDUPLICATED_YES ||
			(deduplicated == DEDUPLICATED_LEARNED && !sure))
			do
			{
				if (rows[j].source == source)
					return true;
				j = clusters->next[j];
			} while (j != b);
		i = clusters->next[i];
	} while (i != a);
	return false;
}

/*
 * Would an identifier not join these two themselves?  Then a third that has
 * it, and says less of itself, does not join them either.
 */
static bool
Vetoes(const Comparison *c, MatchRule rule)
{
	return rule == MATCH_RULE_SECOND_FIELD
		? c->shared_value
		: c->birth_conflict || c->gender_conflict;
}

/*
 * Compare the members of two clusters, evenly spread when there are too many:
 * MATCH_RULE_WEIGHT when they may join.
 *
 * Every pair gives evidence e, its weight without the prior; the prior counts
 * once.  Pairs are no independent witnesses, the records of one cluster being
 * copies of one another, nor is one witness heard n times: n pairs that say
 * the same count like the cube root of n.  How many pairs say anything is the
 * participation ratio (sum |e|)^2 / sum e^2, so that pairs that have nothing
 * in common to be compared by do not dilute the others.
 */
static MatchRule
CompareClusters(const Clusters *clusters, uint32_t a, uint32_t b, bool sure)
{
	const ClusterProblem *problem = clusters->problem;
	uint64_t all = (uint64_t) clusters->size[a] * clusters->size[b];
	uint64_t step = all > MEAN_PAIRS ? all / MEAN_PAIRS : 1;
	uint64_t at = 0;
	double prior = problem->model->log_prior;
	double sum = 0.0;
	double absolute = 0.0;
	double squares = 0.0;
	double witnesses;
	uint32_t i = a;

	do
	{
		uint32_t j = b;

		do
		{
			if (at++ % step == 0)
			{
				Comparison c;
				double weight;
				MatchRule rule;

				CompareRows(problem->records, i < j ? i : j, i < j ? j : i,
							NULL, &c);
				if (c.contradiction)
					return MATCH_RULE_CONTRADICTION;
				weight = Weigh(problem->model, &c);
				if (Judge(problem->model, &c, &weight, &rule) !=
						MATCH_BAND_MERGE &&
					sure && Vetoes(&c, rule))
					return rule == MATCH_RULE_WEIGHT ? MATCH_RULE_CLUSTER
													 : rule;
				weight = fmin(weight, WEIGHT_CUT) - prior;
				sum += weight;
				absolute += fabs(weight);
				squares += weight * weight;
			}
			j = clusters->next[j];
		} while (j != b);
		i = clusters->next[i];
	} while (i != a);
	if (sure || squares == 0.0)
		return MATCH_RULE_WEIGHT;
	witnesses = absolute * absolute / squares;
	return prior + sum / witnesses * cbrt(witnesses) >= 0.0
		? MATCH_RULE_WEIGHT
		: MATCH_RULE_CLUSTER;
}

/*
 * May the clusters join by this edge?
 */
static MatchRule
MayJoin(Clusters *clusters, const Edge *edge, uint32_t a, uint32_t b)
{
	int64_t size = (int64_t) clusters->size[a] + clusters->size[b];
	bool human = edge->human == 1;

	if (Forbidden(clusters, a, b))
		return MATCH_RULE_CANNOT_LINK;
	if (human)
		return MATCH_RULE_WEIGHT;
	if (size > clusters->problem->model->core.max_cluster)
		return MATCH_RULE_SIZE;
	if (SameSource(clusters, a, b, edge->rule == MATCH_RULE_IDENTIFIER))
		return MATCH_RULE_SOURCE;
	if (size == 2)
		return MATCH_RULE_WEIGHT; /* the edge says it all */
	return CompareClusters(clusters, a, b, edge->rule == MATCH_RULE_IDENTIFIER);
}

static void
Join(Clusters *clusters, uint32_t a, uint32_t b)
{
	uint32_t next;

	if (b < a)
	{
		uint32_t swap = a;

		a = b;
		b = swap;
	}
	/* the lowest is the root; rings are spliced */
	clusters->parent[b] = a;
	clusters->size[a] += clusters->size[b];
	next = clusters->next[a];
	clusters->next[a] = clusters->next[b];
	clusters->next[b] = next;
}

/*
 * Cannot-links by record, both ways.
 */
static MatchStatus
ListForbidden(Memory *memory, Clusters *clusters)
{
	const ClusterProblem *problem = clusters->problem;
	int64_t n = problem->records->n;
	int64_t n_forbidden = 0;
	uint32_t *first;

	for (int64_t i = 0; i < problem->n_edges; i++)
		n_forbidden += problem->edges[i].human == 2;
	if (n_forbidden == 0)
		return MATCH_OK;
	first = MemoryZeroed(memory, n + 2, sizeof(uint32_t));
	clusters->forbidden =
		MemoryAlloc(memory, n_forbidden * 2, sizeof(uint32_t));
	if (first == NULL || clusters->forbidden == NULL)
		return MATCH_NO_MEMORY;
	for (int64_t i = 0; i < problem->n_edges; i++)
		if (problem->edges[i].human == 2)
		{
			first[problem->edges[i].a + 2]++;
			first[problem->edges[i].b + 2]++;
		}
	for (int64_t i = 2; i < n + 2; i++)
		first[i] += first[i - 1];
	for (int64_t i = 0; i < problem->n_edges; i++)
	{
		const Edge *edge = &problem->edges[i];

		if (edge->human != 2)
			continue;
		clusters->forbidden[first[edge->a + 1]++] = edge->b;
		clusters->forbidden[first[edge->b + 1]++] = edge->a;
	}
	clusters->first_forbidden = first;
	return MATCH_OK;
}

/* Descending weights as ascending numbers. */
static uint64_t
OrderOfWeight(const Edge *edge)
{
	uint32_t bits;

	if (edge->human == 1)
		return 0;
	memcpy(&bits, &edge->weight, sizeof(bits));
	bits = bits >> 31 != 0 ? ~bits : bits | UINT32_C(1) << 31;
	return ~bits;
}

static MatchStatus
OrderEdges(Memory *memory, const ClusterProblem *problem, uint64_t **order,
		   int64_t *n_order)
{
	uint64_t *scratch;
	int64_t n = 0;

	*order = MemoryAlloc(memory, problem->n_edges + 1, sizeof(uint64_t));
	scratch = MemoryAlloc(memory, problem->n_edges + 1, sizeof(uint64_t));
	if (*order == NULL || scratch == NULL)
		return MATCH_NO_MEMORY;
	for (int64_t i = 0; i < problem->n_edges; i++)
	{
		const Edge *edge = &problem->edges[i];

		if (edge->human != 2 &&
			(edge->human == 1 || edge->band == MATCH_BAND_MERGE))
			(*order)[n++] =
				(OrderOfWeight(edge) & UINT32_MAX) << 32 | (uint64_t) i;
	}
	MatchSort(*order, scratch, n, 32);
	MemoryDrop(memory, scratch);
	*n_order = n;
	return MATCH_OK;
}

MatchStatus
ClusterEdges(Memory *memory, ClusterProblem *problem, const MatchRun *run)
{
	Clusters clusters = {.problem = problem};
	int64_t n = problem->records->n;
	MatchStatistics *statistics = problem->statistics;
	uint64_t *order = NULL;
	int64_t n_order = 0;
	MatchStatus status;

	clusters.parent = problem->cluster;
	clusters.next = MemoryAlloc(memory, n + 1, sizeof(uint32_t));
	clusters.size = MemoryAlloc(memory, n + 1, sizeof(uint32_t));
	if (clusters.next == NULL || clusters.size == NULL)
		return MATCH_NO_MEMORY;
	for (int64_t i = 0; i < n; i++)
	{
		clusters.parent[i] = clusters.next[i] = (uint32_t) i;
		clusters.size[i] = 1;
	}
	status = ListForbidden(memory, &clusters);
	if (status == MATCH_OK)
		status = OrderEdges(memory, problem, &order, &n_order);
	if (status != MATCH_OK)
		return status;
	for (int64_t i = 0; i < n_order; i++)
	{
		Edge *edge = &problem->edges[order[i] & UINT32_MAX];
		uint32_t a = Root(&clusters, edge->a);
		uint32_t b = Root(&clusters, edge->b);
		MatchRule rule;

		if (i % CHECK_EDGES == 0 && run != NULL && run->progress != NULL &&
			run->progress(run->context, "cluster",
						  (double) i / (double) n_order))
			return MATCH_INTERRUPTED;
		if (a == b)
			continue;
		rule = MayJoin(&clusters, edge, a, b);
		if (rule == MATCH_RULE_WEIGHT)
		{
			Join(&clusters, a, b);
			edge->merged = 1;
			continue;
		}
		edge->rule = (uint8_t) rule;
		statistics->alarms += rule == MATCH_RULE_SIZE;
	}
	for (int64_t i = 0; i < n; i++)
	{
		problem->cluster[i] = Root(&clusters, (uint32_t) i);
		if (problem->cluster[i] != i)
			continue;
		statistics->clusters++;
		if (clusters.size[i] > statistics->largest)
			statistics->largest = clusters.size[i];
	}
	MemoryDrop(memory, order);
	MemoryDrop(memory, clusters.next);
	MemoryDrop(memory, clusters.size);
	MemoryDrop(memory, clusters.first_forbidden);
	MemoryDrop(memory, clusters.forbidden);
	return MATCH_OK;
}
