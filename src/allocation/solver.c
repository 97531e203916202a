/*-------------------------------------------------------------------------
 *
 * solver.c
 *	  Which node fulfils which line of an order: entry point of the solver.
 *
 * A plan divides the lines of an order into parcels.  A parcel leaves one
 * node by one of its services and costs freight (a tariff of its billed
 * weight, not necessarily monotone), handling, lateness of the promise, and
 * the value the stock has where it lies; each parcel after the first costs a
 * split penalty.  This is set partitioning with non-additive columns.
 *
 * A line that some node can send whole, in one parcel, is kept whole; only a
 * line that no node can send whole is divided, and only if the problem
 * allows that.  (Where capacities leave no such plan, every line may be
 * divided.)  The methods:
 *
 *	- at most SOLVER_EXACT_LINES lines, none divided: dynamic program over
 *	  subsets of lines, always optimal (solver_exact.c);
 *	- otherwise: greedy construction and local search (solver_heuristic.c),
 *	  judged by a lower bound from duality (solver_bound.c), which now and
 *	  then proves that the plan is optimal.
 *
 * Among plans of equal cost: fewer parcels, then fewer parcels from nodes
 * not preferred, then lower node numbers (by their sum), then lower service
 * numbers.  No step depends on time or addresses: the same problem always
 * gets the same plan.
 *
 * Work memory (solver_memory.c) is released by solver_solve() on every path,
 * so no other function has anything to clean up.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "solver.h"

#include <stdlib.h>
#include <string.h>

#include "solver_internal.h"

/* Order of the parcels of a finished plan. */
typedef struct ParcelKey
{
	int line; /* lowest line of the parcel */
	int node;
	int draft; /* number in the draft */
} ParcelKey;

/*
 * Tell the freight of a parcel under a tariff.
 *
 * billed_g, if wanted, receives the weight the tariff was asked for.
 */
int64_t
solver_freight(const SolverTariff *tariff, int64_t weight_g, int64_t volume_cm3,
			   int64_t *billed_g)
{
	int64_t billed = weight_g;

	if (weight_g < 0 || volume_cm3 < 0)
		return -1;
	if (tariff->volumetric_divisor > 0)
	{
		int64_t volumetric;

		if (volume_cm3 > INT64_MAX / 1000)
			return -1;
		volumetric = volume_cm3 * 1000 / tariff->volumetric_divisor;
		if (volume_cm3 * 1000 % tariff->volumetric_divisor != 0)
			volumetric++;
		if (volumetric > billed)
			billed = volumetric;
	}
	if (billed_g != NULL)
		*billed_g = billed;

	for (int i = 0; i < tariff->n_brackets; i++)
	{
		const SolverBracket *bracket = &tariff->brackets[i];
		int64_t steps = 0;

		if (billed > bracket->up_to_g)
			continue;
		if (billed > bracket->over_g && bracket->step_g > 0)
		{
			int64_t excess = billed - bracket->over_g;

			steps = excess / bracket->step_g +
				(excess % bracket->step_g != 0 ? 1 : 0);
		}
		if (bracket->base > SOLVER_MAX_VALUE ||
			(bracket->step_price > 0 &&
			 steps > (SOLVER_MAX_VALUE - bracket->base) / bracket->step_price))
			return -1;
		return bracket->base + steps * bracket->step_price;
	}
	return -1;
}

/*
 * Name a status, for messages and tests.
 */
const char *
solver_status_text(SolverStatus status)
{
	switch (status)
	{
		case SOLVER_OK:
			return "ok";
		case SOLVER_NO_STOCK:
			return "not enough stock";
		case SOLVER_NO_SERVICE:
			return "no service can carry the line";
		case SOLVER_NO_PLAN:
			return "no plan within the limits";
		case SOLVER_BAD_PROBLEM:
			return "invalid problem";
		case SOLVER_NO_MEMORY:
			return "out of memory";
		case SOLVER_INTERRUPTED:
			return "interrupted";
	}
	return "unknown status";
}

/*
 * Begin to work on a problem.
 */
SolverWork
SolverBeginWork(const SolverProblem *problem)
{
	SolverWork work = {.problem = problem,
					   .status = SOLVER_OK,
					   .memory = {.alloc = problem->alloc,
								  .release = problem->release,
								  .context = problem->context}};

	return work;
}

/*
 * Allocate zeroed work memory for an array.
 *
 * Returns NULL, and leaves SOLVER_NO_MEMORY in the work, on failure.
 */
void *
SolverAlloc(SolverWork *work, size_t count, size_t size)
{
	void *pointer = SolverMemoryAlloc(&work->memory, count, size);

	if (pointer == NULL && work->status == SOLVER_OK)
		work->status = SOLVER_NO_MEMORY;
	return pointer;
}

/*
 * Count work done; ask the interrupt hook now and then.
 *
 * Returns false once the work has failed, and ever after.
 */
bool
SolverStep(SolverWork *work, int64_t steps)
{
	const SolverProblem *problem = work->problem;

	work->steps -= steps;
	if (work->steps <= 0)
	{
		work->steps = SOLVER_INTERRUPT_STEPS;
		if (work->status == SOLVER_OK && problem->interrupted != NULL &&
			problem->interrupted(problem->context))
			work->status = SOLVER_INTERRUPTED;
	}
	return work->status == SOLVER_OK;
}

/*
 * Tell what a unit of a line's stock is worth at a node.
 */
int64_t
SolverStockValue(const SolverProblem *problem, int line, int node)
{
	if (problem->stock_value == NULL)
		return 0;
	return problem->stock_value[SOLVER_CELL(problem, line, node)];
}

/*
 * Give the tie-breaking weight of a parcel from a node.
 *
 * Sums of it compare the number of parcels first, then how many of them come
 * from nodes not preferred, then node numbers.
 */
int64_t
SolverTie(const SolverProblem *problem, int node)
{
	return (INT64_C(1) << 44) +
		(problem->nodes[node].preferred ? 0 : INT64_C(1) << 32) + node;
}

/*
 * Add a quantity of a line to a load that leaves from a node.
 *
 * A negative quantity takes it off again, but for the temperature classes.
 */
void
SolverAddLoad(const SolverProblem *problem, SolverLoad *load, int node,
			  int line, int64_t quantity)
{
	const SolverLine *item = &problem->lines[line];

	load->weight_g += quantity * item->unit_weight_g;
	load->volume_cm3 += quantity * item->unit_volume_cm3;
	load->units += quantity;
	load->stock_value += quantity * SolverStockValue(problem, line, node);
	load->temperature |= item->temperature;
}

/*
 * Price a parcel by the cheapest service of its node.
 *
 * Returns SOLVER_INFINITE when no service takes the load.  The split penalty
 * is not part of the price.
 */
int64_t
SolverPrice(const SolverProblem *problem, int node, const SolverLoad *load,
			SolverParcel *parcel)
{
	const SolverNode *from = &problem->nodes[node];
	int64_t handling = from->per_parcel + from->per_unit * load->units;
	int64_t best = SOLVER_INFINITE;

	for (int i = 0; i < from->n_services; i++)
	{
		const SolverService *service = &from->services[i];
		int64_t billed_g = 0;
		int64_t freight;

		if ((load->temperature & ~service->temperature) != 0)
			continue;
		freight = solver_freight(&problem->tariffs[service->tariff],
								 load->weight_g, load->volume_cm3, &billed_g);
		if (freight < 0 || freight + service->lateness >= best)
			continue;
		best = freight + service->lateness;
		if (parcel != NULL)
		{
			parcel->node = node;
			parcel->service = i;
			parcel->weight_g = load->weight_g;
			parcel->billed_g = billed_g;
			parcel->volume_cm3 = load->volume_cm3;
			parcel->freight = freight;
			parcel->handling = handling;
			parcel->lateness = service->lateness;
			parcel->stock_value = load->stock_value;
		}
	}
	if (best == SOLVER_INFINITE)
		return SOLVER_INFINITE;
	return best + handling + load->stock_value;
}

/*
 * Check whether a node has a service for a quantity of a line alone.
 */
bool
SolverNodeTakes(const SolverProblem *problem, int node, int line,
				int64_t quantity)
{
	SolverLoad load = {0};

	SolverAddLoad(problem, &load, node, line, quantity);
	return SolverPrice(problem, node, &load, NULL) < SOLVER_INFINITE;
}

/*
 * Check whether some node can send a line whole in one parcel.
 */
static bool
LineGoesWhole(const SolverProblem *problem, int line)
{
	int64_t wanted = problem->lines[line].quantity;

	for (int i = 0; i < problem->n_nodes; i++)
	{
		if (problem->nodes[i].max_parcels > 0 &&
			problem->available[SOLVER_CELL(problem, line, i)] >= wanted &&
			SolverNodeTakes(problem, i, line, wanted))
			return true;
	}
	return false;
}

/*
 * Compare two parcels for their order in the plan.
 */
static int
CompareParcelKeys(const void *left, const void *right)
{
	const ParcelKey *a = left;
	const ParcelKey *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return a->draft < b->draft ? -1 : a->draft > b->draft;
}

/*
 * Compare two pieces for their order in the plan.
 */
static int
ComparePieces(const void *left, const void *right)
{
	const SolverPiece *a = left;
	const SolverPiece *b = right;

	if (a->parcel != b->parcel)
		return a->parcel < b->parcel ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

/*
 * Number the parcels of a draft by their lowest line; sort its pieces.
 */
static SolverStatus
OrderDraft(SolverWork *work, SolverDraft *draft)
{
	ParcelKey *keys =
		SolverAlloc(work, (size_t) draft->n_parcels, sizeof(ParcelKey));
	int *number = SolverAlloc(work, (size_t) draft->n_parcels, sizeof(int));

	if (keys == NULL || number == NULL)
		return work->status;
	for (int i = 0; i < draft->n_parcels; i++)
	{
		keys[i].line = SOLVER_MAX_LINES;
		keys[i].node = draft->nodes[i];
		keys[i].draft = i;
	}
	for (int i = 0; i < draft->n_pieces; i++)
	{
		ParcelKey *key = &keys[draft->pieces[i].parcel];

		if (draft->pieces[i].line < key->line)
			key->line = draft->pieces[i].line;
	}
	qsort(keys, (size_t) draft->n_parcels, sizeof(ParcelKey),
		  CompareParcelKeys);
	for (int i = 0; i < draft->n_parcels; i++)
	{
		number[keys[i].draft] = i;
		draft->nodes[i] = keys[i].node;
	}
	for (int i = 0; i < draft->n_pieces; i++)
		draft->pieces[i].parcel = number[draft->pieces[i].parcel];
	qsort(draft->pieces, (size_t) draft->n_pieces, sizeof(SolverPiece),
		  ComparePieces);
	return SOLVER_OK;
}

/*
 * Write a draft down as the plan, choosing the service of each parcel.
 */
static SolverStatus
WritePlan(SolverWork *work, SolverDraft *draft, SolverPlan *plan)
{
	const SolverProblem *problem = work->problem;
	int piece = 0;

	if (OrderDraft(work, draft) != SOLVER_OK)
		return work->status;
	plan->parcels = problem->alloc(
		problem->context, (size_t) draft->n_parcels * sizeof(SolverParcel));
	plan->pieces = problem->alloc(
		problem->context, (size_t) draft->n_pieces * sizeof(SolverPiece));
	if (plan->parcels == NULL || plan->pieces == NULL)
		return SOLVER_NO_MEMORY;

	plan->n_parcels = draft->n_parcels;
	plan->n_pieces = draft->n_pieces;
	memcpy(plan->pieces, draft->pieces,
		   (size_t) draft->n_pieces * sizeof(SolverPiece));
	plan->cost = problem->split_penalty * (draft->n_parcels - 1);
	for (int i = 0; i < draft->n_parcels; i++)
	{
		SolverLoad load = {0};

		for (; piece < plan->n_pieces && plan->pieces[piece].parcel == i;
			 piece++)
			SolverAddLoad(problem, &load, draft->nodes[i],
						  plan->pieces[piece].line,
						  plan->pieces[piece].quantity);
		plan->cost +=
			SolverPrice(problem, draft->nodes[i], &load, &plan->parcels[i]);
	}
	return SOLVER_OK;
}

/*
 * Search heuristically, bound the result, and write the plan.
 */
static SolverStatus
SolveByHeuristic(SolverWork *work, const bool *may_split, SolverPlan *plan)
{
	SolverDraft draft = {0};
	SolverStatus status;

	status = SolverLowerBound(work, may_split, &plan->lower_bound);
	if (status == SOLVER_OK)
		status = SolverHeuristic(work, may_split, plan->lower_bound, &draft);
	if (status == SOLVER_OK)
		status = WritePlan(work, &draft, plan);
	if (status == SOLVER_OK)
		plan->exact = (plan->cost == plan->lower_bound);
	return status;
}

/*
 * Solve exactly and write the plan.
 */
static SolverStatus
SolveExactly(SolverWork *work, SolverPlan *plan)
{
	SolverDraft draft = {0};
	SolverStatus status;

	status = SolverExact(work, &draft);
	if (status == SOLVER_OK)
		status = WritePlan(work, &draft, plan);
	plan->lower_bound = plan->cost;
	plan->exact = true;
	return status;
}

/*
 * Choose the method and solve.
 */
static SolverStatus
Solve(SolverWork *work, SolverPlan *plan)
{
	const SolverProblem *problem = work->problem;
	bool *may_split =
		SolverAlloc(work, (size_t) problem->n_lines, sizeof(bool));
	bool must_split = false;
	SolverStatus status;

	if (may_split == NULL)
		return work->status;
	for (int i = 0; i < problem->n_lines; i++)
	{
		may_split[i] = !LineGoesWhole(problem, i);
		must_split |= may_split[i];
		if (!SolverStep(work, problem->n_nodes))
			return work->status;
	}
	if (must_split && !problem->allow_line_split)
		return SOLVER_NO_PLAN;

	if (!must_split && problem->n_lines <= SOLVER_EXACT_LINES)
		status = SolveExactly(work, plan);
	else
		status = SolveByHeuristic(work, may_split, plan);
	if (status != SOLVER_NO_PLAN || !problem->allow_line_split)
		return status;

	for (int i = 0; i < problem->n_lines; i++)
		may_split[i] = true;
	return SolveByHeuristic(work, may_split, plan);
}

/*
 * Decide which node fulfils which line.
 *
 * The plan belongs to the caller, who passes it to solver_free_plan().
 * Unless the status is SOLVER_OK the plan is empty and only its short_line
 * says something (-1: no line in particular).
 */
SolverStatus
solver_solve(const SolverProblem *problem, SolverPlan *plan)
{
	SolverWork work;
	SolverStatus status;
	int short_line = -1;

	memset(plan, 0, sizeof(SolverPlan));
	plan->short_line = -1;
	if (!SolverCheckProblem(problem))
		return SOLVER_BAD_PROBLEM;

	work = SolverBeginWork(problem);
	status = SolverCheckSupply(problem, &short_line);
	if (status == SOLVER_OK && !SolverStep(&work, 1))
		status = work.status;
	if (status == SOLVER_OK)
		status = Solve(&work, plan);
	SolverMemoryRelease(&work.memory);
	if (status != SOLVER_OK)
		solver_free_plan(problem, plan);
	plan->short_line = short_line;
	return status;
}

/*
 * Release what a plan holds, and empty it.
 */
void
solver_free_plan(const SolverProblem *problem, SolverPlan *plan)
{
	if (plan->parcels != NULL)
		problem->release(problem->context, plan->parcels);
	if (plan->pieces != NULL)
		problem->release(problem->context, plan->pieces);
	memset(plan, 0, sizeof(SolverPlan));
	plan->short_line = -1;
}
