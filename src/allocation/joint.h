/*-------------------------------------------------------------------------
 *
 * joint.h
 *	  Many orders decided together over the stock they share: the pure core.
 *
 * solver.h decides one order; here orders compete.  Same conventions: structs
 * in, structs out, no PostgreSQL header, no global state, memory from the
 * hooks, errors as return codes, the same problem always gets the same plans.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_JOINT_H
#define PG_RETAIL_JOINT_H

#include "solver.h"

/*
 * One order.  Its problem says what it could do if it were alone: available[]
 * is the stock less the order's safety stock, max_parcels of a node is all
 * that the node can still take.  Orders must be of one view of the stock.
 * What an order may have is its available[] less what other orders take: so
 * the plans can be posted one after the other, greatest safety stock first.
 */
typedef struct JointOrder
{
	const SolverProblem *problem;
	const int64_t *skus;  /* [line]: key of the SKU, distinct in an order */
	const int64_t *nodes; /* [node]: key of the node, distinct in an order */
	const int64_t *days;  /* [node]: whose capacity a parcel from there uses;
							* NULL: all of one day */

	/*
	 * Who is served when there is not enough for all: the lowest rank, and
	 * first come first served (the order of the array) in one rank.
	 */
	int64_t rank;

	/*
	 * The plan it has already, or NULL.  Either all orders have one or none;
	 * with them no order loses its plan and the total cost does not grow.
	 * Figures of the parcels and the cost must be true, and stock and
	 * capacities include what the plans use.
	 */
	const SolverPlan *incumbent;
} JointOrder;

typedef struct JointProblem
{
	int n_orders;
	const JointOrder *orders;

	/*
	 * Most calls of the solver beyond the one for each order and those that
	 * first come, first served needs (at most one more for each); 0: a default
	 * that suits a batch.  When it is spent the best result so far is given.
	 */
	int max_solves;

	void *(*alloc)(void *context, size_t size); /* NULL on failure */
	void (*release)(void *context, void *pointer);
	bool (*interrupted)(void *context); /* may be NULL */
	void *context;
} JointProblem;

typedef struct JointAnswer
{
	/*
	 * As solver_solve() tells it.  Without a plan: why the order could not be
	 * served alone (alone is true), or not from what the others left.
	 */
	SolverStatus status;
	bool alone;

	/*
	 * lower_bound is that of the order alone, exact refers to it: a plan that
	 * makes room for others may cost more.
	 */
	SolverPlan plan;
} JointAnswer;

typedef struct JointResult
{
	JointAnswer *answers; /* by order */
	int n_served;
	int n_contended; /* orders that want what others want, too */
	int n_solves;	 /* calls of the solver */
	int64_t cost;	 /* of all plans */

	/*
	 * No plans for the orders that are served cost less in total, where lines
	 * are divided only if no node has them whole in the undivided stock.
	 */
	int64_t lower_bound;
	int64_t first_come_cost; /* of plain first come, first served, if it
							  * serves the same orders, else cost; of the
							  * incumbents, if there are any */
} JointResult;

/*
 * Decide orders together.  SOLVER_OK even if no order can be served; without
 * it (bad problem, no memory, interrupted) the result is empty.
 */
extern SolverStatus
joint_solve(const JointProblem *problem, JointResult *result);
extern void joint_free_result(const JointProblem *problem, JointResult *result);

#endif /* PG_RETAIL_JOINT_H */
