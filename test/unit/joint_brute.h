/*-------------------------------------------------------------------------
 *
 * joint_brute.h
	  What the joint allocation is compared with: every combination of plans,
 *	  and plain first come, first served.
 *
 * They share nothing with the core but solver_solve().
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef JOINT_BRUTE_H
#define JOINT_BRUTE_H

#include "joint_case.h"

/* A set of plans and what it costs, as the brute force sees it. */
typedef struct Outcome
{
	bool served[MAX_ORDERS];
	int64_t cost;
} Outcome;

/*
 * Serve plainly: each order in turn with what those before it left.
 */
static inline Outcome
FirstCome(Batch *batch, const int *sequence)
{
	Outcome outcome = {0};
	int64_t used[MAX_SKUS][MAX_NODES] = {0};
	int sent[MAX_NODES] = {0};

	for (int s = 0; s < batch->problem.n_orders; s++)
	{
		int i = sequence[s];
		TestOrder left = batch->own[i];
		SolverPlan plan;

		left.problem.available = left.available;
		left.problem.nodes = left.nodes;
		for (int k = 0; k < batch->n_nodes; k++)
		{
			if (batch->capacity[k] < INT32_MAX)
				left.nodes[k].max_parcels -= sent[k];
			for (int j = 0; j < left.problem.n_lines; j++)
			{
				int64_t *a = &left.available[j * batch->n_nodes + k];

				*a -= used[left.skus[j]][k];
				if (*a < 0)
					*a = 0;
			}
		}
		if (solver_solve(&left.problem, &plan) == SOLVER_OK)
		{
			outcome.served[i] = true;
			outcome.cost += plan.cost;
			for (int j = 0; j < plan.n_pieces; j++)
				used[left.skus[plan.pieces[j].line]]
					[plan.parcels[plan.pieces[j].parcel].node] +=
					plan.pieces[j].quantity;
			for (int p = 0; p < plan.n_parcels; p++)
				sent[plan.parcels[p].node]++;
		}
		solver_free_plan(&left.problem, &plan);
	}
	return outcome;
}

/*
 * Compare who is served: < 0 when left is better in sequence.
 */
static inline int
CompareServed(const bool *left, const bool *right, const int *sequence, int n)
{
	for (int s = 0; s < n; s++)
		if (left[sequence[s]] != right[sequence[s]])
			return left[sequence[s]] ? -1 : 1;
	return 0;
}

/* The brute force's state. */
typedef struct Brute
{
	const Batch *batch;
	const int *sequence;
	int64_t left[MAX_SKUS][MAX_NODES];
	int capacity[MAX_NODES];
	Outcome now;
	Outcome best;
	bool any;
} Brute;

static inline void BruteOrder(Brute *brute, int turn);

/*
 * Send every line of an order from every node, one parcel a node, and go on.
 */
static inline void
BruteLine(Brute *brute, int turn, int line, int *from)
{
	int i = brute->sequence[turn];
	const TestOrder *own = &brute->batch->own[i];
	int64_t cost = -own->problem.split_penalty;
	bool fits = true;

	if (line < own->problem.n_lines)
	{
		for (int k = 0; k < brute->batch->n_nodes; k++)
		{
			int64_t *left = &brute->left[own->skus[line]][k];

			if (*left < own->lines[line].quantity)
				continue;
			*left -= own->lines[line].quantity;
			from[line] = k;
			BruteLine(brute, turn, line + 1, from);
			*left += own->lines[line].quantity;
		}
		return;
	}
	for (int k = 0; k < brute->batch->n_nodes; k++)
	{
		int64_t quantities[MAX_LINES] = {0};
		bool any = false;
		SolverParcel parcel;

		for (int j = 0; j < own->problem.n_lines; j++)
		{
			if (from[j] != k)
				continue;
			quantities[j] = own->lines[j].quantity;
			any = true;
		}
		if (!any)
			continue;
		fits &= JudgeService(&own->problem, k, 0, quantities, &parcel) &&
			brute->capacity[k] > 0;
		cost += JudgeParcelCost(&parcel) + own->problem.split_penalty;
	}
	if (!fits)
		return;
	for (int sign = -1; sign <= 1; sign += 2)
	{
		bool sends[MAX_NODES] = {false};

		for (int j = 0; j < own->problem.n_lines; j++)
			sends[from[j]] = true;
		for (int k = 0; k < brute->batch->n_nodes; k++)
			if (sends[k] && brute->capacity[k] < INT32_MAX)
				brute->capacity[k] += sign;
		brute->now.cost -= sign * cost;
		brute->now.served[i] = sign < 0;
		if (sign < 0)
			BruteOrder(brute, turn + 1);
	}
}

/*
 * Serve an order in every way, or not, and go on with the next.
 */
static inline void
BruteOrder(Brute *brute, int turn)
{
	int from[MAX_LINES];

	if (turn == brute->batch->problem.n_orders)
	{
		int order = brute->any
			? CompareServed(brute->now.served, brute->best.served,
							brute->sequence, turn)
			: -1;

		if (order < 0 || (order == 0 && brute->now.cost < brute->best.cost))
			brute->best = brute->now;
		brute->any = true;
		return;
	}
	BruteLine(brute, turn, 0, from);
	BruteOrder(brute, turn + 1);
}

static inline Outcome
BruteForce(const Batch *batch, const int *sequence)
{
	Brute *brute = calloc(1, sizeof(Brute));
	Outcome best;

	brute->batch = batch;
	brute->sequence = sequence;
	memcpy(brute->left, batch->stock, sizeof(brute->left));
	memcpy(brute->capacity, batch->capacity, sizeof(brute->capacity));
	BruteOrder(brute, 0);
	best = brute->best;
	free(brute);
	return best;
}

/*
 * Put the orders of a batch into sequence.
 */
static inline void
Sequence(const Batch *batch, int *sequence)
{
	int n = 0;

	for (int rank = 0; rank <= 2; rank++)
		for (int i = 0; i < batch->problem.n_orders; i++)
			if (batch->orders[i].rank == rank)
				sequence[n++] = i;
}

#endif /* JOINT_BRUTE_H */
