/*-------------------------------------------------------------------------
 *
 * shortage.c
 *	  Decides an order of which not everything is there: first as it is, then
 *	  with what is there of each line.
 *
 * A line is cut to what the nodes that can serve it may promise: the sum over
 * them, or the most that one has where the policy does not split lines.  Lines
 * that travel together are cut in whole sets, and before the units ordered
 * beside them.  When limits of the plan (most
 * parcels, capacity, carriers) still leave no plan, an order that takes what it
 * can get loses whole lines, those first that fewest nodes have, until there is
 * a plan; then each lost line is tried again.  So none that is left out could
 * be added to the plan.  An order whose rest waits for stock is not cut for
 * limits: stock does not lift them.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/shortage.h"

#include "miscadmin.h"

/*
 * An element of an order is what is wanted or left out: the sets of one kind
 * that travel together (from 0), or what is ordered of a line beside its sets
 * (after the sets, by line).
 */
static int
CountElements(const SourcingRequest *request)
{
	return request->n_sets + request->n_lines;
}

/* Returns the units of a line in one unit of an element; 0: none. */
static int64
UnitsIn(const SourcingRequest *request, int element, int line)
{
	const SourcingSet *set;

	if (element >= request->n_sets)
		return element - request->n_sets == line ? 1 : 0;
	set = &request->sets[element];
	for (int i = 0; i < set->n_lines; i++)
		if (set->lines[i] == line)
			return set->packs[i];
	return 0;
}

/* Returns how many of an element are ordered. */
static int64
Ordered(const SourcingRequest *request, int element)
{
	const SourcingLine *line;

	if (element < request->n_sets)
		return request->sets[element].quantity;
	line = &request->lines[element - request->n_sets];
	return line->quantity - line->bound;
}

/* Returns how many of an element are left out. */
static int64
Missing(const SourcingRequest *request, int element)
{
	int line = element - request->n_sets;
	int64 missing;

	if (element < request->n_sets)
		return request->sets[element].missing;
	missing = request->lines[line].missing;
	for (int i = 0; i < request->n_sets; i++)
		missing -= request->sets[i].missing * UnitsIn(request, i, line);
	return missing;
}

/* Wants so many of an element. */
static void
Want(const SourcingRequest *request, int element, int64 quantity)
{
	int64 missing = Ordered(request, element) - quantity;
	int64 more = missing - Missing(request, element);

	for (int i = 0; i < request->n_lines; i++)
		request->lines[i].missing += more * UnitsIn(request, element, i);
	if (element < request->n_sets)
		request->sets[element].missing = missing;
}

/* Has a node a service for the temperature classes of an element? */
static bool
CanCarry(const SourcingRequest *request, const SolverNode *node, int element)
{
	uint32 classes = 0;

	for (int i = 0; i < request->n_lines; i++)
		if (UnitsIn(request, element, i) > 0)
			classes |= request->lines[i].temperature;
	for (int s = 0; s < node->n_services; s++)
		if ((classes & ~node->services[s].temperature) == 0)
			return true;
	return false;
}

/* Returns how many of an element a node could send of the given stock. */
static int64
ThereAt(const SourcingRequest *request, const SolverProblem *problem,
		const int64 *available, int element, int c)
{
	int64 result = Ordered(request, element);

	if (!CanCarry(request, &problem->nodes[c], element))
		return 0;
	for (int i = 0; i < request->n_lines; i++)
	{
		int64 units = UnitsIn(request, element, i);

		if (units > 0)
			result = Min(result, available[i * problem->n_nodes + c] / units);
	}
	return result;
}

/* Takes up to so many of an element from the stock; returns how many. */
static int64
Take(const SourcingRequest *request, const SolverProblem *problem,
	 int64 *available, int element, int64 most)
{
	int64 taken = 0;
	int64 best = 0;

	for (int c = 0; c < problem->n_nodes; c++)
		best = Max(best, ThereAt(request, problem, available, element, c));
	for (int c = 0; c < problem->n_nodes && taken < most; c++)
	{
		int64 here = ThereAt(request, problem, available, element, c);

		/* Undivided, it comes from a node that has most of it. */
		if (here == 0 || (!problem->allow_line_split && here < best))
			continue;
		here = Min(here, most - taken);
		for (int i = 0; i < request->n_lines; i++)
			available[i * problem->n_nodes + c] -=
				here * UnitsIn(request, element, i);
		taken += here;
		if (!problem->allow_line_split)
			break;
	}
	return taken;
}

/* Copies the stock that the nodes have. */
static int64 *
CopyStock(const SourcingRequest *request, const SolverProblem *problem)
{
	Size size = sizeof(int64) * Max(request->n_lines * problem->n_nodes, 1);
	int64 *available = palloc(size);

	memcpy(available, problem->available,
		   sizeof(int64) * request->n_lines * problem->n_nodes);
	return available;
}

/* Wants of each element what is there when those before it have theirs. */
static void
WantWhatIsThere(const SourcingRequest *request, const SolverProblem *problem)
{
	int64 *available = CopyStock(request, problem);

	for (int e = 0; e < CountElements(request); e++)
		Want(request, e,
			 Take(request, problem, available, e, Ordered(request, e)));
	pfree(available);
}

/* Returns how many of an element are there beside what is wanted of others. */
static int64
MostBeside(const SourcingRequest *request, const SolverProblem *problem,
		   int element)
{
	int64 *available = CopyStock(request, problem);
	int64 result;

	for (int e = 0; e < CountElements(request); e++)
		if (e != element)
			Take(request, problem, available, e,
				 Ordered(request, e) - Missing(request, e));
	result =
		Take(request, problem, available, element, Ordered(request, element));
	pfree(available);
	return result;
}

/* Finds what is wanted and fewest nodes have whole; -1: nothing is wanted. */
static int
RarestElement(const SourcingRequest *request, const SolverProblem *problem)
{
	int result = -1;
	int fewest = PG_INT32_MAX;

	for (int e = 0; e < CountElements(request); e++)
	{
		int64 wanted = Ordered(request, e) - Missing(request, e);
		int nodes = 0;

		if (wanted == 0)
			continue;
		for (int c = 0; c < problem->n_nodes; c++)
			nodes +=
				ThereAt(request, problem, problem->available, e, c) >= wanted;
		if (nodes <= fewest)
		{
			fewest = nodes;
			result = e;
		}
	}
	return result;
}

/* May another choice of lines have a plan? */
static bool
HasNoPlan(const SourcingResult *result)
{
	return result->status == SOLVER_NO_STOCK ||
		result->status == SOLVER_NO_SERVICE || result->status == SOLVER_NO_PLAN;
}

/* Solves again with what is wanted now. */
static void
SolveAgain(const SourcingRequest *request, bool read_only,
		   SourcingResult *result)
{
	CHECK_FOR_INTERRUPTS();
	solver_free_plan(&result->problem, &result->plan);
	SolveOrder(request, read_only, result);
}

/* Leaves whole elements out until there is a plan, then tries each again. */
static void
LeaveOut(const SourcingRequest *request, bool read_only, SourcingResult *result)
{
	int *left_out = palloc(sizeof(int) * CountElements(request));
	int n = 0;
	int element;

	while (HasNoPlan(result) &&
		   (element = RarestElement(request, &result->problem)) >= 0)
	{
		left_out[n++] = element;
		Want(request, element, 0);
		SolveAgain(request, read_only, result);
	}
	/* The last one was left out for nothing but itself. */
	for (int i = n - 2; i >= 0; i--)
	{
		Want(request, left_out[i],
			 MostBeside(request, &result->problem, left_out[i]));
		SolveAgain(request, read_only, result);
		if (result->status != SOLVER_OK)
		{
			Want(request, left_out[i], 0);
			SolveAgain(request, read_only, result);
		}
	}
	pfree(left_out);
}

/* Is any unit of the order left out of its plan? */
bool
AnyMissing(const SourcingRequest *request)
{
	for (int i = 0; i < request->n_lines; i++)
		if (request->lines[i].missing > 0)
			return true;
	return false;
}

/*
 * Decides an order like SourceOrder(), or, when it has no plan and the rule
 * allows it, with the units that are there; lines[].missing says which are not.
 * Nothing at all is a plan for an order that waits only.
 */
void
SourceWithRule(const SourcingRequest *request, ShortageRule rule,
			   bool read_only, SourcingResult *result)
{
	SolverStatus status;
	int short_line;
	bool nothing = true;

	for (int i = 0; i < request->n_lines; i++)
		request->lines[i].missing = 0;
	for (int i = 0; i < request->n_sets; i++)
		request->sets[i].missing = 0;
	SourceOrder(request, read_only, result);
	if (rule == SHORTAGE_REFUSE || !HasNoPlan(result))
		return;
	status = result->status;
	short_line = result->plan.short_line;
	WantWhatIsThere(request, &result->problem);
	if (rule == SHORTAGE_BACKORDER && !AnyMissing(request))
		return; /* everything is there, but there is no plan */
	SolveAgain(request, read_only, result);
	if (rule == SHORTAGE_PARTIAL)
		LeaveOut(request, read_only, result);
	for (int i = 0; i < request->n_lines; i++)
		nothing =
			nothing && request->lines[i].missing == request->lines[i].quantity;
	if (nothing && rule == SHORTAGE_PARTIAL)
	{
		result->status = status;
		result->plan.short_line = short_line;
	}
}
