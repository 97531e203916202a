/*-------------------------------------------------------------------------
 *
 * joint_check.h
 *	  Independent judge of what joint_solve() answers: used by the unit and
 *	  fuzz tests.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef JOINT_CHECK_H
#define JOINT_CHECK_H

#include "../../src/allocation/joint.h"
#include "solver_check.h"

/* What one parcel or piece takes of something shared. */
typedef struct Use
{
	int64_t sku; /* -1: the capacity of the node */
	int64_t node;
	int64_t day;
	int64_t quantity;
	int64_t limit; /* what this order may see of it */
} Use;

/*
 * List what all plans use; uses has room for every parcel and piece.
 */
static inline int
JudgeUses(const JointProblem *batch, const JointResult *result, Use *uses)
{
	int n = 0;

	for (int i = 0; i < batch->n_orders; i++)
	{
		const JointOrder *order = &batch->orders[i];
		const SolverProblem *problem = order->problem;
		const SolverPlan *plan = &result->answers[i].plan;

		for (int j = 0; j < plan->n_parcels; j++)
		{
			int node = plan->parcels[j].node;

			uses[n++] =
				(Use){.sku = -1,
					  .node = order->nodes[node],
					  .day = order->days == NULL ? 0 : order->days[node],
					  .quantity = 1,
					  .limit = problem->nodes[node].max_parcels};
		}
		for (int j = 0; j < plan->n_pieces; j++)
		{
			const SolverPiece *piece = &plan->pieces[j];
			int node = plan->parcels[piece->parcel].node;

			uses[n++] = (Use){
				.sku = order->skus[piece->line],
				.node = order->nodes[node],
				.quantity = piece->quantity,
				.limit =
					problem->available[piece->line * problem->n_nodes + node]};
		}
	}
	return n;
}

/*
 * Check that what is shared suffices when those who see least of it (with the
 * greatest safety stock) take first.
 */
static inline const char *
JudgeShared(const JointProblem *batch, const JointResult *result)
{
	const char *wrong = NULL;
	size_t most = 1;
	Use *uses;
	int n;

	for (int i = 0; i < batch->n_orders; i++)
		most += (size_t) (result->answers[i].plan.n_parcels +
						  result->answers[i].plan.n_pieces);
	uses = calloc(most, sizeof(Use));
	n = JudgeUses(batch, result, uses);
	for (int i = 0; i < n && wrong == NULL; i++)
	{
		int64_t sum = 0;

		for (int j = 0; j < n; j++)
		{
			if (uses[j].sku == uses[i].sku && uses[j].node == uses[i].node &&
				uses[j].day == uses[i].day && uses[j].limit <= uses[i].limit)
				sum += uses[j].quantity;
		}
		if (sum > uses[i].limit)
			wrong = uses[i].sku < 0 ? "a node sends more than it can"
									: "stock is oversold";
	}
	free(uses);
	return wrong;
}

/*
 * Judge the answer to a batch; NULL: nothing wrong with it.
 */
static inline const char *
JudgeBatch(const JointProblem *batch, const JointResult *result)
{
	int64_t cost = 0;
	int served = 0;

	for (int i = 0; i < batch->n_orders; i++)
	{
		const JointAnswer *answer = &result->answers[i];
		const char *wrong;

		if (answer->status != SOLVER_OK)
		{
			if (answer->plan.n_parcels != 0)
				return "a plan without success";
			if (batch->orders[i].incumbent != NULL)
				return "an order has lost its plan";
			continue;
		}
		wrong = JudgePlan(batch->orders[i].problem, &answer->plan);
		if (wrong != NULL)
			return wrong;
		cost += answer->plan.cost;
		served++;
	}
	if (cost != result->cost || served != result->n_served)
		return "the sum is wrong";
	if (result->lower_bound > result->cost)
		return "the bound is above the cost";
	if (result->cost > result->first_come_cost)
		return "worse than before, or than first come, first served";
	return JudgeShared(batch, result);
}

#endif /* JOINT_CHECK_H */
