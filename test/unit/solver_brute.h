/*-------------------------------------------------------------------------
 *
 * solver_brute.h
 *	  Every plan of a small order, one after the other: what the allocation
 *	  solver is compared with.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef SOLVER_BRUTE_H
#define SOLVER_BRUTE_H

#include "solver_case.h"

/*
 * Brute force over plans that keep lines whole: every partition of the lines,
 * every choice of nodes.
 */
typedef struct Brute
{
	const SolverProblem *problem;
	int64_t price[32][MAX_NODES]; /* by set of lines; NEVER */
	uint32_t blocks[5];
	int n_blocks;
	int sent[MAX_NODES];
	int64_t best;
} Brute;

static inline void
BruteNodes(Brute *b, int block, int64_t cost)
{
	if (block == b->n_blocks)
	{
		cost += b->problem->split_penalty * (b->n_blocks - 1);
		if (cost < b->best)
			b->best = cost;
		return;
	}
	for (int i = 0; i < b->problem->n_nodes; i++)
	{
		if (b->price[b->blocks[block]][i] == NEVER ||
			b->sent[i] >= b->problem->nodes[i].max_parcels)
			continue;
		b->sent[i]++;
		BruteNodes(b, block + 1, cost + b->price[b->blocks[block]][i]);
		b->sent[i]--;
	}
}

static inline void
BrutePartitions(Brute *b, int line)
{
	if (line == b->problem->n_lines)
	{
		if (b->problem->max_parcels == 0 ||
			b->n_blocks <= b->problem->max_parcels)
			BruteNodes(b, 0, 0);
		return;
	}
	for (int i = 0; i <= b->n_blocks; i++)
	{
		if (i == b->n_blocks)
			b->blocks[b->n_blocks++] = 0;
		b->blocks[i] |= UINT32_C(1) << line;
		BrutePartitions(b, line + 1);
		b->blocks[i] &= ~(UINT32_C(1) << line);
		if (b->blocks[i] == 0)
		{
			b->n_blocks--;
			break;
		}
	}
}

static inline int64_t
BruteWhole(const SolverProblem *problem)
{
	Brute b = {.problem = problem, .best = NEVER};

	for (uint32_t set = 1; set < UINT32_C(1) << problem->n_lines; set++)
	{
		for (int i = 0; i < problem->n_nodes; i++)
		{
			int64_t quantities[5] = {0};
			bool stocked = true;

			b.price[set][i] = NEVER;
			for (int k = 0; k < problem->n_lines; k++)
			{
				if (set & UINT32_C(1) << k)
					quantities[k] = problem->lines[k].quantity;
				stocked &= quantities[k] <=
					problem->available[k * problem->n_nodes + i];
			}
			for (int j = 0; stocked && j < problem->nodes[i].n_services; j++)
			{
				SolverParcel parcel;

				if (JudgeService(problem, i, j, quantities, &parcel) &&
					JudgeParcelCost(&parcel) < b.price[set][i])
					b.price[set][i] = JudgeParcelCost(&parcel);
			}
		}
	}
	BrutePartitions(&b, 0);
	return b.best;
}

/*
 * Brute force over plans that divide lines: the next parcel must carry some
 * of the first line still wanted.  Costs must not be negative.
 */
typedef struct BruteSplit
{
	const SolverProblem *problem;
	const bool *may_split;
	int64_t wanted[3];
	int64_t left[3 * MAX_NODES];
	int sent[MAX_NODES];
	int64_t best;
} BruteSplit;

static void BruteParcels(BruteSplit *b, int n_parcels, int64_t cost);

static inline void
BruteParcel(BruteSplit *b, int node, int line, int first, int64_t *carried,
			int n_parcels, int64_t cost)
{
	const SolverProblem *problem = b->problem;
	int64_t most;

	if (line == problem->n_lines)
	{
		int64_t cheapest = NEVER;

		for (int j = 0; j < problem->nodes[node].n_services; j++)
		{
			SolverParcel parcel;

			if (JudgeService(problem, node, j, carried, &parcel) &&
				JudgeParcelCost(&parcel) < cheapest)
				cheapest = JudgeParcelCost(&parcel);
		}
		if (cheapest == NEVER)
			return;
		if (n_parcels > 0)
			cheapest += problem->split_penalty;
		for (int i = 0; i < problem->n_lines; i++)
		{
			b->wanted[i] -= carried[i];
			b->left[i * problem->n_nodes + node] -= carried[i];
		}
		b->sent[node]++;
		BruteParcels(b, n_parcels + 1, cost + cheapest);
		b->sent[node]--;
		for (int i = 0; i < problem->n_lines; i++)
		{
			b->wanted[i] += carried[i];
			b->left[i * problem->n_nodes + node] += carried[i];
		}
		return;
	}
	most = b->left[line * problem->n_nodes + node];
	if (most > b->wanted[line])
		most = b->wanted[line];
	for (int64_t q = (line == first ? 1 : 0); q <= most; q++)
	{
		if (!b->may_split[line] && q != 0 && q != problem->lines[line].quantity)
			continue;
		carried[line] = q;
		BruteParcel(b, node, line + 1, first, carried, n_parcels, cost);
	}
	carried[line] = 0;
}

static inline void
BruteParcels(BruteSplit *b, int n_parcels, int64_t cost)
{
	int first = 0;
	int64_t carried[3] = {0};

	if (cost >= b->best)
		return;
	while (first < b->problem->n_lines && b->wanted[first] == 0)
		first++;
	if (first == b->problem->n_lines)
	{
		b->best = cost;
		return;
	}
	if (b->problem->max_parcels > 0 && n_parcels >= b->problem->max_parcels)
		return;
	for (int i = 0; i < b->problem->n_nodes; i++)
	{
		if (b->sent[i] < b->problem->nodes[i].max_parcels)
			BruteParcel(b, i, 0, first, carried, n_parcels, cost);
	}
}

static inline int64_t
BruteDivided(const SolverProblem *problem, const bool *may_split)
{
	BruteSplit b = {.problem = problem, .may_split = may_split, .best = NEVER};

	for (int i = 0; i < problem->n_lines; i++)
		b.wanted[i] = problem->lines[i].quantity;
	memcpy(b.left, problem->available,
		   (size_t) (problem->n_lines * problem->n_nodes) * sizeof(int64_t));
	BruteParcels(&b, 0, 0);
	return b.best;
}

#endif /* SOLVER_BRUTE_H */
