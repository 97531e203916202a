/*-------------------------------------------------------------------------
 *
 * joint_sourcing.c
 *	  Deciding stated orders together over the stock they share: the face of
 *	  the core in joint.h.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/joint_sourcing.h"

#include "miscadmin.h"

/*
 * Tells whether an order can be decided together with others: units that
 * travel together are a line of their own to the solver, which the core does
 * not know.
 */
bool
CanSourceTogether(const SourcingRequest *request)
{
	for (int i = 0; i < request->n_lines; i++)
		if (request->lines[i].missing != 0)
			return false;
	return request->n_lines > 0 && request->n_sets == 0;
}

/* States one order to the core. */
static void
StateJointOrder(const SharedOrder *shared, JointOrder *order)
{
	const SourcingRequest *request = shared->request;
	const SourcingResult *result = shared->result;
	int64 *skus = palloc(sizeof(int64) * request->n_lines);
	int64 *nodes = palloc(sizeof(int64) * Max(result->n_candidates, 1));
	int64 *days = palloc0(sizeof(int64) * Max(result->n_candidates, 1));

	for (int i = 0; i < request->n_lines; i++)
		skus[i] = request->lines[i].sku_id;
	for (int c = 0; c < result->n_candidates; c++)
	{
		const SourcingCandidate *candidate = &result->candidates[c];
		TimestampTz end;

		nodes[c] = candidate->node->id;
		if (result->problem.nodes[c].max_parcels != PG_INT32_MAX)
			CatalogLocalDay(candidate->node, candidate->departure, &days[c],
							&end);
	}
	order->problem = &result->problem;
	order->skus = skus;
	order->nodes = nodes;
	order->days = days;
	order->rank = shared->rank;
	order->incumbent = shared->incumbent;
}

/*
 * Decides orders together.  All of them were stated from one view of the
 * stock, CanSourceTogether() is true of each, and the limits of their nodes
 * are those of the day.  Results live in the current memory context.
 */
void
SourceTogether(SharedOrder *orders, int n, SharedSummary *summary)
{
	JointProblem problem = {0};
	JointOrder *stated = palloc0(sizeof(JointOrder) * Max(n, 1));
	JointResult joint;
	SolverStatus status;

	memset(summary, 0, sizeof(*summary));
	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
		StateJointOrder(&orders[i], &stated[i]);
	problem.n_orders = n;
	problem.orders = stated;
	problem.alloc = orders[0].result->problem.alloc;
	problem.release = orders[0].result->problem.release;
	problem.interrupted = orders[0].result->problem.interrupted;
	problem.context = CurrentMemoryContext;
	status = joint_solve(&problem, &joint);
	CHECK_FOR_INTERRUPTS();
	if (status == SOLVER_NO_MEMORY)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory in the allocation solver"));
	if (status != SOLVER_OK)
		elog(ERROR, "joint allocation: %s", solver_status_text(status));
	for (int i = 0; i < n; i++)
	{
		orders[i].result->status = joint.answers[i].status;
		orders[i].result->plan = joint.answers[i].plan;
		orders[i].alone = joint.answers[i].alone;
		memset(&joint.answers[i].plan, 0, sizeof(SolverPlan));
	}
	summary->n_served = joint.n_served;
	summary->n_contended = joint.n_contended;
	summary->n_solves = joint.n_solves;
	summary->cost = joint.cost;
	summary->lower_bound = joint.lower_bound;
	summary->first_come_cost = joint.first_come_cost;
	joint_free_result(&problem, &joint);
}
