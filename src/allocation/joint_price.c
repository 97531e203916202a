/*-------------------------------------------------------------------------
 *
 * joint_price.c
 *	  Prices of what is scarce: a lower bound, and plans that give way where
 *	  that is cheapest.
 *
 * The limits of the resources are relaxed: a unit of a resource that was
 * oversubscribed costs its price, and every order is solved alone under the
 * prices.  The sum of these costs, less what the limits are worth, is a lower
 * bound for the orders served together.  Prices rise where more is demanded
 * than there is, and fall where less; only orders that a change can touch are
 * solved again.  Prices are whole minor units, so the bound is exact.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "joint_internal.h"

#include <string.h>

#define MAX_ROUNDS 60
/* Rounds without a better bound before steps are halved. */
#define PATIENCE 3
#define MIN_STEP 0.02

/*
 * Count what the plans under prices demand.
 */
static void
CountDemand(JointWork *work)
{
	for (int i = 0; i < work->n_resources; i++)
		work->resources[i].demand = 0;
	for (int i = 0; i < work->n_orders; i++)
	{
		const JointDraft *d;

		if (work->states[i].current == UNSERVED)
			continue;
		d = &work->drafts[work->states[i].priced];
		for (int j = 0; j < d->n_uses; j++)
			work->resources[d->uses[j].resource].demand += d->uses[j].quantity;
	}
}

/*
 * Take up the resources that are oversubscribed for the first time.
 */
static void
TakeUp(JointWork *work)
{
	for (int i = 0; i < work->n_orders; i++)
	{
		const JointState *state = &work->states[i];

		if (state->current == UNSERVED)
			continue;
		for (int j = 0; j < work->drafts[state->priced].n_uses; j++)
		{
			JointUse use = work->drafts[state->priced].uses[j];
			int64_t limit;

			if (work->resources[use.resource].priced ||
				work->resources[use.resource].demand <= use.limit)
				continue;
			limit = JointLimit(work, use.resource);
			if (work->status != SOLVER_OK)
				return;
			work->resources[use.resource].limit = limit;
			work->resources[use.resource].priced = true;
		}
	}
}

/*
 * Tell the bound under the prices; false: it cannot be told in 64 bits.
 */
static bool
TellBound(const JointWork *work, int64_t *bound)
{
	double guard = 0;

	*bound = 0;
	for (int i = 0; i < work->n_orders; i++)
		if (work->states[i].current != UNSERVED)
			*bound += work->states[i].priced_bound;
	for (int i = 0; i < work->n_resources; i++)
	{
		const JointResource *r = &work->resources[i];

		guard += (double) r->price * (double) r->limit;
		if (guard > (double) (INT64_MAX / 4))
			return false;
		*bound -= r->price * r->limit;
	}
	return true;
}

/*
 * Sum up the squares of what is missing or over, where prices can change.
 */
static double
SquareOfExcess(const JointWork *work)
{
	double sum = 0;

	for (int i = 0; i < work->n_resources; i++)
	{
		const JointResource *r = &work->resources[i];
		double excess = (double) (r->demand - r->limit);

		if (r->priced && (excess > 0 || r->exact_price > 0))
			sum += excess * excess;
	}
	return sum;
}

/*
 * Mark the orders that a change of a price may touch.
 */
static void
MarkOrders(JointWork *work, int resource, bool risen)
{
	for (int i = 0; i < work->n_orders; i++)
	{
		JointState *state = &work->states[i];
		const JointDraft *d;

		if (state->current == UNSERVED || state->dirty)
			continue;
		/* Cheaper than before: whoever could use it.  Dearer: its users. */
		state->dirty = !risen && JointReaches(work, i, resource);
		d = &work->drafts[state->priced];
		for (int j = 0; j < d->n_uses && risen; j++)
			state->dirty |= d->uses[j].resource == resource;
	}
}

/*
 * Move all prices by a step; false: none changed.
 */
static bool
MovePrices(JointWork *work, double step)
{
	bool changed = false;

	for (int i = 0; i < work->n_resources; i++)
	{
		JointResource *r = &work->resources[i];
		int64_t price;

		if (!r->priced)
			continue;
		r->exact_price += step * (double) (r->demand - r->limit);
		if (r->exact_price < 0)
			r->exact_price = 0;
		if (r->exact_price > (double) work->max_price)
			r->exact_price = (double) work->max_price;
		price = (int64_t) (r->exact_price + 0.5);
		if (price == r->price)
			continue;
		MarkOrders(work, i, price > r->price);
		work->resources[i].price = price;
		changed = true;
	}
	return changed;
}

/*
 * Solve the orders again that new prices touch; false: stop here.
 */
static bool
SolveUnderPrices(JointWork *work)
{
	for (int i = 0; i < work->n_orders; i++)
	{
		JointState *state = &work->states[i];
		int draft;

		if (!state->dirty)
			continue;
		state->dirty = false;
		draft = JointSolve(work, i, JOINT_PRICED);
		if (draft == UNSERVED)
			return false;
		state->priced = draft;
		state->priced_bound = work->drafts[draft].bound;
	}
	return true;
}

/*
 * Serve the orders of the current solution anew, in sequence, by their plans
 * under prices where they fit.  Keeps the better solution in best.
 */
static void
Repair(JointWork *work, const bool *served, int *best, int64_t *best_cost)
{
	bool complete = true;

	JointClear(work);
	for (int i = 0; i < work->n_orders && complete; i++)
	{
		int order = work->sequence[i];
		int draft = work->states[order].priced;

		if (!served[order])
			continue;
		if (!JointFits(work, draft))
			draft = JointSolve(work, order, JOINT_RESIDUAL | JOINT_PRICED);
		if (draft != UNSERVED)
			JointSet(work, order, draft);
		else
			complete = JointMakeRoom(work, order);
	}
	if (complete && work->cost < *best_cost)
	{
		JointSave(work, best);
		*best_cost = work->cost;
	}
	JointRestore(work, best);
}

/*
 * Begin with no prices: every order has the plan it would have alone.
 */
static void
Begin(JointWork *work, bool *served)
{
	int64_t units = 1;

	for (int i = 0; i < work->n_orders; i++)
	{
		JointState *state = &work->states[i];

		served[i] = state->current != UNSERVED;
		state->priced = state->alone;
		state->priced_bound = state->bound;
		state->dirty = false;
		if (!served[i])
			continue;
		for (int j = 0; j < state->problem->n_lines; j++)
			if (state->problem->lines[j].quantity > units)
				units = state->problem->lines[j].quantity;
	}
	work->max_price = JOINT_MAX_LINE_PRICE / units;
	if (work->max_price > JOINT_MAX_PRICE)
		work->max_price = JOINT_MAX_PRICE;
}

/*
 * Search prices: raises the bound of the work, and leaves the best solution
 * met on the way.
 */
void
JointSearchPrices(JointWork *work)
{
	int *best = JointAlloc(work, (size_t) work->n_orders, sizeof(int));
	bool *served = JointAlloc(work, (size_t) work->n_orders, sizeof(bool));
	int64_t best_cost = work->cost;
	int64_t reserve = work->left / 3; /* for what comes after */
	double share = 1;
	int waited = 0;

	if (best == NULL || served == NULL)
		return;
	Begin(work, served);
	JointSave(work, best);
	work->left -= reserve;
	for (int round = 0; round < MAX_ROUNDS; round++)
	{
		int64_t bound;
		double square;

		CountDemand(work);
		TakeUp(work);
		if (work->status != SOLVER_OK || !TellBound(work, &bound))
			break;
		if (bound > work->bound || round == 0)
			waited = 0;
		else if (++waited >= PATIENCE)
		{
			share /= 2;
			waited = 0;
		}
		if (bound > work->bound)
			work->bound = bound;
		square = SquareOfExcess(work);
		if (square == 0 || round % 3 == 2)
			Repair(work, served, best, &best_cost);
		if (square == 0 || share < MIN_STEP || best_cost <= work->bound ||
			work->left <= 0)
			break;
		if (!MovePrices(work, share * (double) (best_cost - bound) / square) ||
			!SolveUnderPrices(work))
			break;
	}
	if (work->status == SOLVER_OK)
		Repair(work, served, best, &best_cost);
	work->left += reserve;
}
