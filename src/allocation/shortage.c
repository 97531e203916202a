/*-------------------------------------------------------------------------
 *
 * shortage.c
 *	  Decides an order of which not everything is there: first as it is, then
 *	  with what is there of each line.
 *
 * A line is cut to what the nodes that can serve it may promise: the sum over
 * them, or the most that one has where the policy does not split lines.  Lines
 * that travel together are cut in whole sets.  When limits of the plan (most
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

/* Is a line the first of those that travel together (or alone)? */
static bool
IsFirst(const SourcingRequest *request, int line)
{
	for (int i = 0; i < line; i++)
		if (request->lines[line].group > 0 &&
			request->lines[i].group == request->lines[line].group)
			return false;
	return true;
}

/* Do two lines travel together? */
static bool
Together(const SourcingRequest *request, int a, int b)
{
	return a == b ||
		(request->lines[a].group > 0 &&
		 request->lines[a].group == request->lines[b].group);
}

/* Returns the units of a line in each of the sets that stay together. */
static int64
Pack(const SourcingLine *line)
{
	return line->group > 0 ? line->pack : 1;
}

/* Has a node a service for the temperature classes of a set? */
static bool
CanCarry(const SourcingRequest *request, const SolverNode *node, int first)
{
	uint32 classes = 0;

	for (int i = 0; i < request->n_lines; i++)
		if (Together(request, first, i))
			classes |= request->lines[i].temperature;
	for (int s = 0; s < node->n_services; s++)
		if ((classes & ~node->services[s].temperature) == 0)
			return true;
	return false;
}

/* Returns how many sets a node has of the lines that travel with the first. */
static int64
SetsAt(const SourcingRequest *request, const SolverProblem *problem, int first,
	   int c)
{
	int64 sets = request->lines[first].quantity / Pack(&request->lines[first]);

	if (!CanCarry(request, &problem->nodes[c], first))
		return 0;
	for (int i = 0; i < request->n_lines; i++)
		if (Together(request, first, i))
			sets = Min(sets,
					   problem->available[i * problem->n_nodes + c] /
						   Pack(&request->lines[i]));
	return sets;
}

/* Wants so many sets of the lines that travel with the first. */
static void
Want(const SourcingRequest *request, int first, int64 sets)
{
	for (int i = 0; i < request->n_lines; i++)
		if (Together(request, first, i))
			request->lines[i].missing =
				request->lines[i].quantity - sets * Pack(&request->lines[i]);
}

/* Returns how many sets of the lines with the first may be wanted at most. */
static int64
MostSets(const SourcingRequest *request, const SolverProblem *problem,
		 int first)
{
	int64 sets = request->lines[first].quantity / Pack(&request->lines[first]);
	int64 there = 0;

	for (int c = 0; c < problem->n_nodes; c++)
	{
		int64 here = SetsAt(request, problem, first, c);

		there = problem->allow_line_split ? there + here : Max(there, here);
	}
	return Min(sets, there);
}

/* Finds what is wanted and fewest nodes have whole; -1: nothing is wanted. */
static int
RarestLine(const SourcingRequest *request, const SolverProblem *problem)
{
	int result = -1;
	int fewest = PG_INT32_MAX;

	for (int i = 0; i < request->n_lines; i++)
	{
		const SourcingLine *line = &request->lines[i];
		int nodes = 0;

		if (!IsFirst(request, i) || line->missing == line->quantity)
			continue;
		for (int c = 0; c < problem->n_nodes; c++)
			nodes += SetsAt(request, problem, i, c) >=
				(line->quantity - line->missing) / Pack(line);
		if (nodes <= fewest)
		{
			fewest = nodes;
			result = i;
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

/* Leaves whole lines out until there is a plan, then tries each again. */
static void
LeaveOut(const SourcingRequest *request, bool read_only, SourcingResult *result)
{
	int *left_out = palloc(sizeof(int) * request->n_lines);
	int n = 0;
	int line;

	while (HasNoPlan(result) &&
		   (line = RarestLine(request, &result->problem)) >= 0)
	{
		left_out[n++] = line;
		Want(request, line, 0);
		SolveAgain(request, read_only, result);
	}
	/* The last one was left out for nothing but itself. */
	for (int i = n - 2; i >= 0; i--)
	{
		Want(request, left_out[i],
			 MostSets(request, &result->problem, left_out[i]));
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
	SourceOrder(request, read_only, result);
	if (rule == SHORTAGE_REFUSE || !HasNoPlan(result))
		return;
	status = result->status;
	short_line = result->plan.short_line;
	for (int i = 0; i < request->n_lines; i++)
		if (IsFirst(request, i))
			Want(request, i, MostSets(request, &result->problem, i));
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
