/*-------------------------------------------------------------------------
 *
 * joint_improve.c
 *	  Making room: an order takes what it wants, and those who are in its way
 *	  move elsewhere, each where it costs least.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "joint_internal.h"

/* Plans that an order tries to take, one after the other. */
#define MAX_TRIES 6
/* Orders that are asked to leave a resource, the last served first. */
#define MAX_VICTIMS 12
/* Orders that may have to leave one resource. */
#define MAX_MOVES 16
#define MAX_PASSES 20

/*
 * Tell how much of a resource an order uses in the current solution.
 */
static int64_t
UsedBy(const JointWork *work, int order, int resource)
{
	int current = work->states[order].current;
	const JointDraft *d;

	if (current == UNSERVED)
		return 0;
	d = &work->drafts[current];
	for (int i = 0; i < d->n_uses; i++)
		if (d->uses[i].resource == resource)
			return d->uses[i].quantity;
	return 0;
}

/*
 * Find the cheapest plan of an order that leaves a resource, at least in part,
 * with what the others leave.
 */
static int
Alternative(JointWork *work, int order, int resource)
{
	JointState *state = &work->states[order];
	int current = state->current;
	int64_t before = UsedBy(work, order, resource);
	int draft;

	JointSet(work, order, UNSERVED);
	draft = JointFits(work, state->alone)
		? state->alone
		: JointSolve(work, order, JOINT_RESIDUAL);
	if (draft != UNSERVED)
	{
		JointSet(work, order, draft);
		if (UsedBy(work, order, resource) >= before)
			draft = UNSERVED;
	}
	JointSet(work, order, current);
	return draft;
}

/*
 * Make one order leave a resource: the one that loses least.
 */
static bool
Evict(JointWork *work, int resource)
{
	int victim = -1;
	int best = UNSERVED;
	int64_t best_loss = 0;
	int asked = 0;

	for (int i = work->n_orders - 1; i >= 0 && asked < MAX_VICTIMS; i--)
	{
		int order = work->sequence[i];
		const JointState *state = &work->states[order];
		int draft;
		int64_t loss;

		if (state->locked || UsedBy(work, order, resource) == 0)
			continue;
		asked++;
		draft = Alternative(work, order, resource);
		if (draft == UNSERVED)
			continue;
		loss = work->drafts[draft].plan.cost -
			work->drafts[state->current].plan.cost;
		if (victim >= 0 && loss >= best_loss)
			continue;
		victim = order;
		best = draft;
		best_loss = loss;
	}
	if (victim < 0)
		return false;
	JointMoveTo(work, victim, best);
	return work->status == SOLVER_OK;
}

/*
 * Give an order a plan, and make others move until it fits.  On failure the
 * solution is as before, and what could not be had is stuck.
 */
static bool
Take(JointWork *work, int order, int draft)
{
	bool fits = true;

	work->n_moves = 0;
	JointMoveTo(work, order, draft);
	work->states[order].locked = true;
	for (int i = 0; i < work->drafts[draft].n_uses && fits; i++)
	{
		const JointUse use = work->drafts[draft].uses[i];

		for (int n = 0; fits && work->resources[use.resource].used > use.limit;
			 n++)
			fits = n < MAX_MOVES && work->status == SOLVER_OK &&
				work->resources[use.resource].stuck != work->turn &&
				Evict(work, use.resource);
		if (!fits)
			work->resources[use.resource].stuck = work->turn;
	}
	work->states[order].locked = false;
	if (!fits)
		JointUndo(work, 0);
	return fits;
}

/*
 * Find the cheapest plan of an order, were it not for what is stuck.
 */
static int
Wish(JointWork *work, int order)
{
	int current = work->states[order].current;
	int draft;

	JointSet(work, order, UNSERVED);
	draft = JointSolve(work, order, JOINT_STUCK);
	JointSet(work, order, current);
	return draft;
}

/*
 * Serve an order that finds too little, if those in its way can move.
 */
bool
JointMakeRoom(JointWork *work, int order)
{
	int draft = work->states[order].alone;

	for (int i = 0; i < MAX_TRIES && work->left > 0; i++)
	{
		if (i > 0)
			draft = Wish(work, order);
		if (draft == UNSERVED || work->status != SOLVER_OK)
			return false;
		if (Take(work, order, draft))
		{
			work->turn++;
			return true;
		}
	}
	return false;
}

/*
 * Mark what made an order's plan too dear as stuck: what others had to leave.
 */
static void
GiveUp(JointWork *work, int order, int draft)
{
	const JointDraft *d = &work->drafts[draft];

	JointUndo(work, 0);
	JointSet(work, order, UNSERVED);
	for (int i = 0; i < d->n_uses; i++)
	{
		JointResource *resource = &work->resources[d->uses[i].resource];

		if (resource->used > d->uses[i].limit - d->uses[i].quantity)
			resource->stuck = work->turn;
	}
}

/*
 * Let an order take a cheaper plan, if all together gain.
 */
static bool
Gain(JointWork *work, int order)
{
	JointState *state = &work->states[order];
	int64_t before = work->cost;
	int draft = state->alone;

	work->turn++;
	for (int i = 0; i < MAX_TRIES && work->left > 0; i++)
	{
		int current = state->current;

		if (i > 0)
			draft = Wish(work, order);
		if (draft == UNSERVED || work->status != SOLVER_OK ||
			work->drafts[draft].plan.cost >= work->drafts[current].plan.cost)
			return false;
		if (!Take(work, order, draft))
			continue;
		if (work->cost < before)
			return true;
		GiveUp(work, order, draft);
		JointSet(work, order, current);
	}
	return false;
}

/*
 * Improve the current solution by exchanges until none helps.
 */
void
JointImprove(JointWork *work)
{
	bool improved = true;

	for (int pass = 0; pass < MAX_PASSES && improved; pass++)
	{
		improved = false;
		for (int i = 0; i < work->n_orders; i++)
		{
			int order = work->sequence[i];
			const JointState *state = &work->states[order];

			if (work->status != SOLVER_OK || work->left <= 0)
				return;
			if (state->current == UNSERVED ||
				work->drafts[state->current].plan.cost <=
					work->drafts[state->alone].plan.cost)
				continue;
			improved |= Gain(work, order);
		}
	}
}
