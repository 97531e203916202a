/*-------------------------------------------------------------------------
 *
 * joint_state.c
 *	  What orders share, the current solution, and solving one order with
 *	  what the others leave, or under prices.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "joint_internal.h"

#include <string.h>

/* Kinds of keys that are numbered. */
enum
{
	KEY_NODE,
	KEY_SKU,
	KEY_CELL,	 /* SKU number, node number */
	KEY_CAPACITY /* node number, day */
};

/*
 * Allocate zeroed memory that lives as long as the work.
 *
 * Returns NULL, and leaves SOLVER_NO_MEMORY in the work, on failure.
 */
void *
JointAlloc(JointWork *work, size_t count, size_t size)
{
	void *pointer = SolverMemoryAlloc(&work->memory, count, size);

	if (pointer == NULL && work->status == SOLVER_OK)
		work->status = SOLVER_NO_MEMORY;
	return pointer;
}

/*
 * Make room for more elements of an array, at least doubling it.
 */
bool
JointGrow(JointWork *work, void **array, int *room, int needed, size_t size)
{
	int grown = *room < 16 ? 16 : *room;
	void *copy;

	if (needed <= *room)
		return true;
	while (grown < needed)
	{
		if (grown > INT32_MAX / 2)
		{
			work->status = SOLVER_NO_MEMORY;
			return false;
		}
		grown *= 2;
	}
	copy = JointAlloc(work, (size_t) grown, size);
	if (copy == NULL)
		return false;
	if (*room > 0)
		memcpy(copy, *array, (size_t) *room * size);
	*array = copy;
	*room = grown;
	return true;
}

/*
 * Find the slot of a key in the hash table, its own or an empty one.
 */
static JointKey *
FindSlot(JointKey *keys, int max_keys, int kind, int64_t a, int64_t b)
{
	uint64_t hash = (uint64_t) a * UINT64_C(0x9E3779B97F4A7C15) ^
		((uint64_t) b + (uint64_t) kind) * UINT64_C(0xC2B2AE3D27D4EB4F);
	uint32_t at;

	hash ^= hash >> 29;
	hash *= UINT64_C(0xBF58476D1CE4E5B9);
	at = (uint32_t) (hash >> 32);
	for (;; at++)
	{
		JointKey *key = &keys[at & (uint32_t) (max_keys - 1)];

		if (key->number < 0 ||
			(key->a == a && key->b == b && key->kind == kind))
			return key;
	}
}

/*
 * Double the hash table when it is half full.
 */
static bool
GrowKeys(JointWork *work)
{
	int wanted = work->max_keys == 0 ? 256 : work->max_keys * 2;
	JointKey *keys;

	if (work->n_keys * 2 < work->max_keys)
		return true;
	keys = JointAlloc(work, (size_t) wanted, sizeof(JointKey));
	if (keys == NULL)
		return false;
	for (int i = 0; i < wanted; i++)
		keys[i].number = -1;
	for (int i = 0; i < work->max_keys; i++)
	{
		const JointKey *old = &work->keys[i];

		if (old->number >= 0)
			*FindSlot(keys, wanted, old->kind, old->a, old->b) = *old;
	}
	work->keys = keys;
	work->max_keys = wanted;
	return true;
}

/*
 * Make the row of a resource; returns its number or -1.
 */
static int
AddResource(JointWork *work, int sku, int node)
{
	int number = work->n_resources;
	JointResource *resource;

	if (!JointGrow(work, (void **) &work->resources, &work->max_resources,
				   number + 1, sizeof(JointResource)))
		return -1;
	resource = &work->resources[number];
	memset(resource, 0, sizeof(JointResource));
	resource->sku = sku;
	resource->node = node;
	resource->stuck = -1;
	resource->next = -1;
	if (sku >= 0)
	{
		resource->next = work->first_of_sku[sku];
		work->first_of_sku[sku] = number;
	}
	work->n_resources++;
	return number;
}

/*
 * Number a SKU that is new; returns its number or -1.
 */
static int
AddSku(JointWork *work)
{
	if (!JointGrow(work, (void **) &work->first_of_sku, &work->max_skus,
				   work->n_skus + 1, sizeof(int)))
		return -1;
	work->first_of_sku[work->n_skus] = -1;
	return work->n_skus++;
}

/*
 * Number a node that is new; returns its number or -1.
 */
static int
AddNode(JointWork *work)
{
	if (!JointGrow(work, (void **) &work->local, &work->max_local,
				   work->n_nodes + 1, sizeof(int)))
		return -1;
	work->local[work->n_nodes] = -1;
	return work->n_nodes++;
}

/*
 * Find the number of a key, giving it one if it is new; -1: no memory.
 */
static int
Number(JointWork *work, int kind, int64_t a, int64_t b)
{
	JointKey *key;

	if (!GrowKeys(work))
		return -1;
	key = FindSlot(work->keys, work->max_keys, kind, a, b);
	if (key->number >= 0)
		return key->number;
	key->a = a;
	key->b = b;
	key->kind = kind;
	if (kind == KEY_NODE)
		key->number = AddNode(work);
	else if (kind == KEY_SKU)
		key->number = AddSku(work);
	else
		key->number = AddResource(work, kind == KEY_CELL ? (int) a : -1,
								  kind == KEY_CELL ? (int) b : (int) a);
	if (key->number >= 0)
		work->n_keys++;
	return key->number;
}

/*
 * Number the SKUs of all orders; refuses two lines of one SKU in an order.
 */
bool
JointPrepare(JointWork *work)
{
	int room = 0;
	int *seen = NULL; /* [SKU]: last order that has it, plus 1 */

	for (int i = 0; i < work->n_orders; i++)
	{
		JointState *state = &work->states[i];

		state->skus =
			JointAlloc(work, (size_t) state->problem->n_lines, sizeof(int));
		if (state->skus == NULL)
			return false;
		for (int j = 0; j < state->problem->n_lines; j++)
		{
			int sku = Number(work, KEY_SKU, state->order->skus[j], 0);

			if (sku < 0 ||
				!JointGrow(work, (void **) &seen, &room, sku + 1, sizeof(int)))
				return false;
			if (seen[sku] == i + 1)
			{
				work->status = SOLVER_BAD_PROBLEM;
				return false;
			}
			seen[sku] = i + 1;
			state->skus[j] = sku;
		}
	}
	return true;
}

/*
 * Find the resource that is the capacity of a node of an order; -1: unlimited
 * or no memory.
 */
static int
Capacity(JointWork *work, const JointState *state, int node, int number)
{
	if (state->problem->nodes[node].max_parcels == INT32_MAX)
		return -1;
	return Number(work, KEY_CAPACITY, number,
				  state->order->days == NULL ? 0 : state->order->days[node]);
}

/*
 * Number the nodes of an order; only orders that compete need it.
 */
static bool
NumberNodes(JointWork *work, JointState *state)
{
	const SolverProblem *problem = state->problem;
	int *nodes;
	int *capacity;

	if (state->nodes != NULL)
		return true;
	nodes = JointAlloc(work, (size_t) problem->n_nodes, sizeof(int));
	capacity = JointAlloc(work, (size_t) problem->n_nodes, sizeof(int));
	if (nodes == NULL || capacity == NULL)
		return false;
	for (int i = 0; i < problem->n_nodes; i++)
	{
		nodes[i] = Number(work, KEY_NODE, state->order->nodes[i], 0);
		if (nodes[i] < 0)
			return false;
		capacity[i] = Capacity(work, state, i, nodes[i]);
		if (work->status != SOLVER_OK)
			return false;
	}
	state->nodes = nodes;
	state->capacity = capacity;
	return true;
}

/*
 * Add a use to a draft that has room for it.
 */
static void
AddUse(JointDraft *draft, int resource, int64_t quantity, int64_t limit)
{
	for (int i = 0; i < draft->n_uses; i++)
	{
		if (draft->uses[i].resource == resource)
		{
			draft->uses[i].quantity += quantity;
			return;
		}
	}
	draft->uses[draft->n_uses].resource = resource;
	draft->uses[draft->n_uses].quantity = quantity;
	draft->uses[draft->n_uses++].limit = limit;
}

/*
 * List what a draft uses.
 */
static bool
ListUses(JointWork *work, const JointState *state, JointDraft *draft)
{
	const SolverProblem *problem = state->problem;
	const SolverPlan *plan = &draft->plan;

	draft->uses =
		JointAlloc(work, (size_t) plan->n_pieces + (size_t) plan->n_parcels,
				   sizeof(JointUse));
	if (draft->uses == NULL)
		return false;
	for (int i = 0; i < plan->n_parcels; i++)
	{
		int node = plan->parcels[i].node;
		int number = state->nodes != NULL
			? state->nodes[node]
			: Number(work, KEY_NODE, state->order->nodes[node], 0);
		int capacity = number < 0 ? -1 : Capacity(work, state, node, number);

		if (capacity >= 0)
			AddUse(draft, capacity, 1, problem->nodes[node].max_parcels);
		for (int j = 0; j < plan->n_pieces; j++)
		{
			const SolverPiece *piece = &plan->pieces[j];
			int cell;

			if (piece->parcel != i || work->status != SOLVER_OK)
				continue;
			cell = Number(work, KEY_CELL, state->skus[piece->line], number);
			if (cell >= 0)
				AddUse(draft, cell, piece->quantity,
					   problem->available[(size_t) piece->line *
											  (size_t) problem->n_nodes +
										  (size_t) node]);
		}
	}
	return work->status == SOLVER_OK;
}

/*
 * Give a plan that was made under prices its true figures.
 */
static void
TellTrueFigures(const SolverProblem *problem, SolverPlan *plan)
{
	plan->cost = problem->split_penalty * (plan->n_parcels - 1);
	for (int i = 0; i < plan->n_parcels; i++)
	{
		plan->parcels[i].handling =
			problem->nodes[plan->parcels[i].node].per_parcel;
		plan->parcels[i].stock_value = 0;
	}
	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];
		SolverParcel *parcel = &plan->parcels[piece->parcel];

		parcel->handling +=
			problem->nodes[parcel->node].per_unit * piece->quantity;
		if (problem->stock_value != NULL)
			parcel->stock_value += piece->quantity *
				problem->stock_value[(size_t) piece->line *
										 (size_t) problem->n_nodes +
									 (size_t) parcel->node];
	}
	for (int i = 0; i < plan->n_parcels; i++)
		plan->cost += plan->parcels[i].freight + plan->parcels[i].handling +
			plan->parcels[i].lateness + plan->parcels[i].stock_value;
}

/*
 * Keep a plan of an order as a draft, whose plan it becomes.
 *
 * Returns its number; UNSERVED, with the plan released, on failure.
 */
int
JointKeepDraft(JointWork *work, int order, const SolverPlan *plan)
{
	JointState *state = &work->states[order];
	JointDraft *draft;
	bool kept = JointGrow(work, (void **) &work->drafts, &work->max_drafts,
						  work->n_drafts + 1, sizeof(JointDraft));

	if (kept)
	{
		draft = &work->drafts[work->n_drafts];
		memset(draft, 0, sizeof(JointDraft));
		draft->order = order;
		draft->plan = *plan;
		draft->bound = plan->lower_bound;
		TellTrueFigures(state->problem, &draft->plan);
		if (draft->plan.cost > work->max_cost ||
			draft->plan.cost < -work->max_cost ||
			draft->bound < -work->max_cost)
		{
			state->status = SOLVER_BAD_PROBLEM; /* sums would overflow */
			kept = false;
		}
		else
			kept = ListUses(work, state, draft);
	}
	if (!kept)
	{
		SolverPlan gone = *plan;

		solver_free_plan(state->problem, &gone);
		return UNSERVED;
	}
	return work->n_drafts++;
}

/*
 * Make the scratch arrays large enough for a problem.
 */
static bool
FitScratch(JointWork *work, const SolverProblem *problem)
{
	size_t cells = (size_t) problem->n_lines * (size_t) problem->n_nodes;

	if (cells > work->max_cells)
	{
		work->max_cells = cells * 2;
		work->available = JointAlloc(work, work->max_cells, sizeof(int64_t));
		work->value = JointAlloc(work, work->max_cells, sizeof(int64_t));
	}
	if (problem->n_nodes > work->max_nodes)
	{
		work->max_nodes = problem->n_nodes * 2;
		work->nodes =
			JointAlloc(work, (size_t) work->max_nodes, sizeof(SolverNode));
	}
	return work->status == SOLVER_OK;
}

/*
 * Tell what of a limit an order may count on.
 */
static int64_t
Left(const JointWork *work, const JointResource *resource, int64_t limit,
	 int how)
{
	bool residual = (how & JOINT_RESIDUAL) != 0 ||
		((how & JOINT_STUCK) != 0 && resource->stuck == work->turn);

	if (!residual)
		return limit;
	return limit > resource->used ? limit - resource->used : 0;
}

/*
 * State the problem of an order with what it may count on, and the prices.
 */
static bool
StateProblem(JointWork *work, JointState *state, int how, SolverProblem *stated)
{
	const SolverProblem *problem = state->problem;
	size_t n_nodes = (size_t) problem->n_nodes;
	size_t cells = (size_t) problem->n_lines * n_nodes;

	if (!NumberNodes(work, state) || !FitScratch(work, problem))
		return false;
	*stated = *problem;
	if (n_nodes == 0)
		return true;
	stated->available =
		memcpy(work->available, problem->available, cells * sizeof(int64_t));
	stated->nodes =
		memcpy(work->nodes, problem->nodes, n_nodes * sizeof(SolverNode));
	if ((how & JOINT_PRICED) != 0)
	{
		if (problem->stock_value != NULL)
			memcpy(work->value, problem->stock_value, cells * sizeof(int64_t));
		else
			memset(work->value, 0, cells * sizeof(int64_t));
		stated->stock_value = work->value;
	}

	for (int i = 0; i < problem->n_nodes; i++)
	{
		const JointResource *capacity;

		work->local[state->nodes[i]] = i;
		if (state->capacity[i] < 0)
			continue;
		capacity = &work->resources[state->capacity[i]];
		work->nodes[i].max_parcels =
			(int) Left(work, capacity, work->nodes[i].max_parcels, how);
		if ((how & JOINT_PRICED) != 0)
			work->nodes[i].per_parcel += capacity->price;
	}
	for (int i = 0; i < problem->n_lines; i++)
	{
		for (int r = work->first_of_sku[state->skus[i]]; r >= 0;
			 r = work->resources[r].next)
		{
			const JointResource *cell = &work->resources[r];
			size_t at = (size_t) i * n_nodes;

			if (work->local[cell->node] < 0)
				continue;
			at += (size_t) work->local[cell->node];
			work->available[at] = Left(work, cell, work->available[at], how);
			if ((how & JOINT_PRICED) != 0)
				work->value[at] += cell->price;
		}
	}
	for (int i = 0; i < problem->n_nodes; i++)
		work->local[state->nodes[i]] = -1;
	return true;
}

/*
 * Solve an order that is not in the current solution; how: JOINT_... flags,
 * 0: as if it were alone.
 *
 * Returns the draft; UNSERVED when there is no plan, or no call left.
 */
int
JointSolve(JointWork *work, int order, int how)
{
	JointState *state = &work->states[order];
	SolverProblem stated;
	SolverPlan plan;
	SolverStatus status;

	if (work->status != SOLVER_OK || (how != 0 && work->left <= 0))
		return UNSERVED;
	if (work->problem->interrupted != NULL &&
		work->problem->interrupted(work->problem->context))
		work->status = SOLVER_INTERRUPTED;
	if (work->status == SOLVER_OK && how != 0)
	{
		work->left--;
		StateProblem(work, state, how, &stated);
	}
	if (work->status != SOLVER_OK)
		return UNSERVED;
	work->n_solves++;
	status = solver_solve(how != 0 ? &stated : state->problem, &plan);
	if (status == SOLVER_NO_MEMORY || status == SOLVER_INTERRUPTED)
		work->status = status;
	if (status != SOLVER_OK)
	{
		state->status = status;
		state->short_line = plan.short_line;
		return UNSERVED;
	}
	return JointKeepDraft(work, order, &plan);
}

/*
 * Check whether a draft fits with what the current solution leaves.
 */
bool
JointFits(const JointWork *work, int draft)
{
	const JointDraft *d = &work->drafts[draft];

	for (int i = 0; i < d->n_uses; i++)
	{
		const JointUse *use = &d->uses[i];

		if (work->resources[use->resource].used > use->limit - use->quantity)
			return false;
	}
	return true;
}

/*
 * Give an order another draft, or none, in the current solution.
 */
void
JointSet(JointWork *work, int order, int draft)
{
	JointState *state = &work->states[order];

	for (int sign = -1; sign <= 1; sign += 2)
	{
		int number = sign < 0 ? state->current : draft;
		const JointDraft *d;

		if (number == UNSERVED)
			continue;
		d = &work->drafts[number];
		for (int i = 0; i < d->n_uses; i++)
			work->resources[d->uses[i].resource].used +=
				sign * d->uses[i].quantity;
		work->cost += sign * d->plan.cost;
		work->n_served += sign;
	}
	state->current = draft;
}

/*
 * The same, so that it can be undone.
 */
void
JointMoveTo(JointWork *work, int order, int draft)
{
	if (!JointGrow(work, (void **) &work->moves, &work->max_moves,
				   work->n_moves + 1, sizeof(JointMove)))
		return;
	work->moves[work->n_moves].order = order;
	work->moves[work->n_moves++].draft = work->states[order].current;
	JointSet(work, order, draft);
}

/*
 * Undo moves until so many are left.
 */
void
JointUndo(JointWork *work, int n_moves)
{
	while (work->n_moves > n_moves)
	{
		const JointMove *move = &work->moves[--work->n_moves];

		JointSet(work, move->order, move->draft);
	}
}

/*
 * Empty the current solution.
 */
void
JointClear(JointWork *work)
{
	for (int i = 0; i < work->n_orders; i++)
		JointSet(work, i, UNSERVED);
}

/*
 * Write the current solution down.
 */
void
JointSave(const JointWork *work, int *solution)
{
	for (int i = 0; i < work->n_orders; i++)
		solution[i] = work->states[i].current;
}

/*
 * Return to a solution that was written down.
 */
void
JointRestore(JointWork *work, const int *solution)
{
	for (int i = 0; i < work->n_orders; i++)
		JointSet(work, i, solution[i]);
}

/*
 * Tell whether an order could use a resource; now and then it cannot really.
 */
bool
JointReaches(JointWork *work, int order, int resource)
{
	JointState *state = &work->states[order];
	int sku = work->resources[resource].sku;

	if (sku >= 0)
	{
		for (int i = 0; i < state->problem->n_lines; i++)
			if (state->skus[i] == sku)
				return true;
		return false;
	}
	if (!NumberNodes(work, state))
		return false;
	for (int i = 0; i < state->problem->n_nodes; i++)
		if (state->capacity[i] == resource)
			return true;
	return false;
}

/*
 * Tell the most of a resource that the orders served may use together.
 */
int64_t
JointLimit(JointWork *work, int resource)
{
	int64_t limit = 0;

	for (int i = 0; i < work->n_orders; i++)
	{
		JointState *state = &work->states[i];
		const SolverProblem *problem = state->problem;
		const JointResource *r;
		int line = -1;

		if (state->current == UNSERVED || !NumberNodes(work, state))
			continue;
		r = &work->resources[resource]; /* they may have moved */
		for (int j = 0; j < problem->n_lines && r->sku >= 0; j++)
			if (state->skus[j] == r->sku)
				line = j;
		if (r->sku >= 0 && line < 0)
			continue;
		for (int j = 0; j < problem->n_nodes; j++)
		{
			int64_t own;

			if (line >= 0 ? state->nodes[j] != r->node
						  : state->capacity[j] != resource)
				continue;
			own = line >= 0
				? problem->available[(size_t) line * (size_t) problem->n_nodes +
									 (size_t) j]
				: problem->nodes[j].max_parcels;
			if (own > limit)
				limit = own;
		}
	}
	return limit;
}
