/*-------------------------------------------------------------------------
 *
 * joint.c
 *	  Many orders decided together over the stock they share: entry point.
 *
 * Every order is solved as if it were alone.  If these plans leave enough for
 * each other, and mostly they do, nothing else is to be done.  Otherwise:
 *
 *	1. Who is served: orders take turns, best rank first, first come first
 *	   served in one rank.  One that finds too little makes those before it
 *	   move elsewhere, if they can, but never go without (joint_improve.c).
 *	2. At what cost: prices are put on what is oversubscribed, by subgradient
 *	   steps (Held and Karp 1971; Fisher, "The Lagrangian relaxation method for
 *	   solving integer programming problems", Management Science 27, 1981).
 *	   They prove a lower bound, and lead to plans that give way where that is
 *	   cheapest (joint_price.c).
 *	3. Orders that pay for others' advantage try to take what they would have
 *	   alone, and the others move, as long as all together gain
 *	   (joint_improve.c).
 *
 * The result is the best of what was met on the way, first come first served
 * or the incumbents among it.  No step depends on time or addresses.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "joint_internal.h"

#include <stdlib.h>
#include <string.h>

/* Default budget of solver calls: some, and some for each that competes. */
#define BASE_SOLVES 64
#define SOLVES_PER_CONTENDED 16

/* Place of an order in the sequence. */
typedef struct SequenceKey
{
	int64_t rank;
	int order;
} SequenceKey;

/*
 * Compare two orders: rank, then first come.
 */
static int
CompareSequence(const void *left, const void *right)
{
	const SequenceKey *a = left;
	const SequenceKey *b = right;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/*
 * Put the orders into the sequence in which they are served.
 */
static bool
MakeSequence(JointWork *work)
{
	SequenceKey *keys =
		JointAlloc(work, (size_t) work->n_orders, sizeof(SequenceKey));

	work->sequence = JointAlloc(work, (size_t) work->n_orders, sizeof(int));
	if (keys == NULL || work->sequence == NULL)
		return false;
	for (int i = 0; i < work->n_orders; i++)
	{
		keys[i].rank = work->states[i].order->rank;
		keys[i].order = i;
	}
	qsort(keys, (size_t) work->n_orders, sizeof(SequenceKey), CompareSequence);
	for (int i = 0; i < work->n_orders; i++)
		work->sequence[i] = keys[i].order;
	return true;
}

/*
 * Check an incumbent: does it point to what there is?
 */
static bool
CheckIncumbent(const SolverProblem *problem, const SolverPlan *plan)
{
	if (plan->n_parcels < 1 || plan->n_pieces < 1 || plan->parcels == NULL ||
		plan->pieces == NULL)
		return false;
	for (int i = 0; i < plan->n_parcels; i++)
	{
		int node = plan->parcels[i].node;

		if (node < 0 || node >= problem->n_nodes ||
			plan->parcels[i].service < 0 ||
			plan->parcels[i].service >= problem->nodes[node].n_services)
			return false;
	}
	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];

		if (piece->line < 0 || piece->line >= problem->n_lines ||
			piece->parcel < 0 || piece->parcel >= plan->n_parcels ||
			piece->quantity < 1 ||
			piece->quantity > problem->lines[piece->line].quantity)
			return false;
	}
	return true;
}

/*
 * Check the orders; the solver checks what is theirs alone.
 */
static bool
CheckOrders(const JointProblem *problem)
{
	for (int i = 0; i < problem->n_orders; i++)
	{
		const JointOrder *order = &problem->orders[i];

		if (order->problem == NULL || order->skus == NULL ||
			order->problem->n_lines < 1 ||
			order->problem->n_lines > SOLVER_MAX_LINES ||
			order->problem->n_nodes < 0 ||
			(order->problem->n_nodes > 0 &&
			 (order->nodes == NULL || order->problem->nodes == NULL ||
			  order->problem->available == NULL)) ||
			(order->incumbent != NULL) !=
				(problem->orders[0].incumbent != NULL) ||
			(order->incumbent != NULL &&
			 !CheckIncumbent(order->problem, order->incumbent)))
			return false;
	}
	return true;
}

/*
 * Keep a copy of an order's incumbent as a draft.
 */
static int
KeepIncumbent(JointWork *work, int order)
{
	const JointState *state = &work->states[order];
	const SolverProblem *problem = state->problem;
	SolverPlan plan = *state->order->incumbent;
	size_t parcels = (size_t) plan.n_parcels * sizeof(SolverParcel);
	size_t pieces = (size_t) plan.n_pieces * sizeof(SolverPiece);

	plan.parcels = problem->alloc(problem->context, parcels);
	plan.pieces = problem->alloc(problem->context, pieces);
	plan.short_line = -1;
	if (plan.parcels == NULL || plan.pieces == NULL)
	{
		work->status = SOLVER_NO_MEMORY;
		solver_free_plan(problem, &plan);
		return UNSERVED;
	}
	memcpy(plan.parcels, state->order->incumbent->parcels, parcels);
	memcpy(plan.pieces, state->order->incumbent->pieces, pieces);
	return JointKeepDraft(work, order, &plan);
}

/*
 * Solve every order as if it were alone; incumbents are in the running.
 */
static void
SolveAlone(JointWork *work)
{
	for (int i = 0; i < work->n_orders && work->status == SOLVER_OK; i++)
	{
		JointState *state = &work->states[i];
		int incumbent;

		state->alone = JointSolve(work, i, 0);
		if (state->alone != UNSERVED)
			state->bound = work->drafts[state->alone].bound;
		if (state->order->incumbent == NULL || work->status != SOLVER_OK)
			continue;
		incumbent = KeepIncumbent(work, i);
		if (incumbent == UNSERVED)
		{
			if (work->status == SOLVER_OK)
				work->status = SOLVER_BAD_PROBLEM;
			return;
		}
		state->first_come = incumbent;
		if (state->alone == UNSERVED ||
			work->drafts[incumbent].plan.cost <=
				work->drafts[state->alone].plan.cost)
		{
			state->bound = work->drafts[incumbent].plan.cost;
			state->alone = incumbent;
		}
	}
}

/*
 * Count the orders whose plan, as if alone, leaves others too little.
 */
static int
CountContended(JointWork *work)
{
	int n = 0;

	for (int i = 0; i < work->n_orders; i++)
		JointSet(work, i, work->states[i].alone);
	for (int i = 0; i < work->n_orders; i++)
	{
		const JointState *state = &work->states[i];
		const JointDraft *d;
		bool contended = false;

		if (state->alone == UNSERVED)
			continue;
		d = &work->drafts[state->alone];
		for (int j = 0; j < d->n_uses; j++)
			contended |=
				work->resources[d->uses[j].resource].used > d->uses[j].limit;
		n += contended;
	}
	return n;
}

/*
 * Serve the orders in sequence, each as cheaply as those before it leave it;
 * make_room: one that finds too little makes those before it move.
 */
static void
ServeInSequence(JointWork *work, bool make_room)
{
	JointClear(work);
	for (int i = 0; i < work->n_orders && work->status == SOLVER_OK; i++)
	{
		int order = work->sequence[i];
		JointState *state = &work->states[order];
		int draft = state->alone;

		if (draft == UNSERVED)
			continue;
		if (!JointFits(work, draft) && make_room)
			draft = state->first_come;
		if (draft == UNSERVED || !JointFits(work, draft))
		{
			work->left++;
			draft = JointSolve(work, order, JOINT_RESIDUAL);
		}
		if (draft != UNSERVED)
			JointSet(work, order, draft);
		else if (make_room)
			JointMakeRoom(work, order);
		if (!make_room)
			state->first_come = draft;
	}
}

/*
 * Serve first come, first served; if that leaves orders without, serve again
 * and make room for them.  Tells its cost, if it serves the same orders.
 */
static bool
Serve(JointWork *work, int64_t *first_come_cost)
{
	int served = 0;

	if (work->problem->orders[0].incumbent != NULL)
	{
		for (int i = 0; i < work->n_orders; i++)
			JointSet(work, i, work->states[i].first_come);
		*first_come_cost = work->cost;
		return true;
	}
	ServeInSequence(work, false);
	*first_come_cost = work->cost;
	for (int i = 0; i < work->n_orders; i++)
		served += work->states[i].alone != UNSERVED;
	if (work->n_served == served || work->status != SOLVER_OK)
		return true;
	ServeInSequence(work, true);
	for (int i = 0; i < work->n_orders; i++)
		if ((work->states[i].current == UNSERVED) !=
			(work->states[i].first_come == UNSERVED))
			return false;
	return true;
}

/*
 * Sum up the bounds of the orders served, each alone.
 */
static int64_t
SumBounds(const JointWork *work)
{
	int64_t sum = 0;

	for (int i = 0; i < work->n_orders; i++)
		if (work->states[i].current != UNSERVED)
			sum += work->states[i].bound;
	return sum;
}

/*
 * Decide the orders that compete; all of them is the current solution.
 */
static void
Decide(JointWork *work, int64_t *first_come_cost)
{
	bool comparable = Serve(work, first_come_cost);

	if (work->status != SOLVER_OK)
		return;
	work->bound = SumBounds(work);
	JointImprove(work);
	if (work->cost > work->bound)
	{
		JointSearchPrices(work);
		JointImprove(work);
	}
	if (comparable && *first_come_cost < work->cost)
		for (int i = 0; i < work->n_orders; i++)
			JointSet(work, i, work->states[i].first_come);
	if (!comparable)
		*first_come_cost = work->cost;
}

/*
 * Hand the drafts of the current solution over as the answers.
 */
static bool
WriteAnswers(JointWork *work, JointResult *result)
{
	const JointProblem *problem = work->problem;

	result->answers = problem->alloc(
		problem->context, ((size_t) work->n_orders + 1) * sizeof(JointAnswer));
	if (result->answers == NULL)
		return false;
	for (int i = 0; i < work->n_orders; i++)
	{
		const JointState *state = &work->states[i];
		JointAnswer *answer = &result->answers[i];

		memset(answer, 0, sizeof(JointAnswer));
		if (state->current == UNSERVED)
		{
			answer->status = state->status;
			answer->alone = state->alone == UNSERVED;
			answer->plan.short_line = state->short_line;
			continue;
		}
		answer->plan = work->drafts[state->current].plan;
		memset(&work->drafts[state->current].plan, 0, sizeof(SolverPlan));
		answer->plan.lower_bound =
			state->bound < answer->plan.cost ? state->bound : answer->plan.cost;
		answer->plan.exact = answer->plan.lower_bound == answer->plan.cost;
	}
	return true;
}

/*
 * Decide, and tell the result.
 */
static void
Solve(JointWork *work, JointResult *result)
{
	SolveAlone(work);
	if (work->status != SOLVER_OK)
		return;
	result->n_contended = CountContended(work);
	result->first_come_cost = work->cost;
	for (int i = 0; i < work->n_orders; i++)
	{
		const JointState *state = &work->states[i];

		if (state->order->incumbent != NULL)
			result->first_come_cost +=
				work->drafts[state->first_come].plan.cost -
				work->drafts[state->alone].plan.cost;
	}
	work->left = work->problem->max_solves > 0
		? work->problem->max_solves
		: BASE_SOLVES + SOLVES_PER_CONTENDED * (int64_t) result->n_contended;
	work->bound = SumBounds(work);
	if (result->n_contended > 0)
		Decide(work, &result->first_come_cost);
	if (work->status != SOLVER_OK)
		return;
	result->n_served = work->n_served;
	result->n_solves = work->n_solves;
	result->cost = work->cost;
	result->lower_bound = work->bound < work->cost ? work->bound : work->cost;
	if (!WriteAnswers(work, result))
		work->status = SOLVER_NO_MEMORY;
}

/*
 * Take up the orders.
 */
static bool
Begin(JointWork *work)
{
	const JointProblem *problem = work->problem;

	work->n_orders = problem->n_orders;
	work->max_cost = INT64_MAX / 4 / (problem->n_orders + 1);
	work->states =
		JointAlloc(work, (size_t) problem->n_orders, sizeof(JointState));
	if (work->states == NULL)
		return false;
	for (int i = 0; i < problem->n_orders; i++)
	{
		JointState *state = &work->states[i];

		state->order = &problem->orders[i];
		state->problem = state->order->problem;
		state->alone = UNSERVED;
		state->current = UNSERVED;
		state->first_come = UNSERVED;
		state->priced = UNSERVED;
		state->short_line = -1;
	}
	return MakeSequence(work) && JointPrepare(work);
}

/*
 * Decide orders together.
 */
SolverStatus
joint_solve(const JointProblem *problem, JointResult *result)
{
	JointWork work = {.problem = problem,
					  .memory = {.alloc = problem->alloc,
								 .release = problem->release,
								 .context = problem->context}};

	memset(result, 0, sizeof(JointResult));
	if (problem->alloc == NULL || problem->release == NULL ||
		problem->n_orders < 0 || problem->max_solves < 0 ||
		(problem->n_orders > 0 && problem->orders == NULL) ||
		!CheckOrders(problem))
		return SOLVER_BAD_PROBLEM;
	work.status = SOLVER_OK;
	if (Begin(&work))
		Solve(&work, result);
	for (int i = 0; i < work.n_drafts; i++)
		solver_free_plan(work.states[work.drafts[i].order].problem,
						 &work.drafts[i].plan);
	SolverMemoryRelease(&work.memory);
	if (work.status != SOLVER_OK)
		memset(result, 0, sizeof(JointResult));
	return work.status;
}

/*
 * Release what a result holds, and empty it.
 */
void
joint_free_result(const JointProblem *problem, JointResult *result)
{
	for (int i = 0; result->answers != NULL && i < problem->n_orders; i++)
		solver_free_plan(problem->orders[i].problem, &result->answers[i].plan);
	if (result->answers != NULL)
		problem->release(problem->context, result->answers);
	memset(result, 0, sizeof(JointResult));
}
