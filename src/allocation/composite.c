/*-------------------------------------------------------------------------
 *
 * composite.c
 *	  Lines that travel together (the components of a bundle) are one line to
 *	  the solver: a unit of it is what one bundle holds, with the sum of the
 *	  weights and the union of the temperature classes, and a node has as many
 *	  as its scarcest component allows.  Lines of which nothing is wanted now
 *	  are left out.  Whatever reads the plan sees the lines of the order.
 *
 * The node's handling of each unit is counted by the solver once a composite;
 * what the other units cost goes into the stock value of the composite, and
 * back into handling when the plan is expanded.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/composite.h"

#include <math.h>

/* Returns the units of a line that a plan is to cover. */
static int64
Wanted(const SourcingLine *line)
{
	return line->quantity - line->missing;
}

/* Assigns the lines of the order to lines of the solver; returns their number. */
static int
AssignLines(const SourcingRequest *request, Composite *composite)
{
	int n = 0;

	composite->line_of = palloc(sizeof(int) * request->n_lines);
	composite->pack = palloc(sizeof(int64) * request->n_lines);
	for (int i = 0; i < request->n_lines; i++)
	{
		const SourcingLine *line = &request->lines[i];

		composite->line_of[i] = -1;
		composite->pack[i] = line->group > 0 ? line->pack : 1;
		if (Wanted(line) == 0)
			continue;
		for (int j = 0; j < i && line->group > 0; j++)
			if (request->lines[j].group == line->group &&
				composite->line_of[j] >= 0)
				composite->line_of[i] = composite->line_of[j];
		if (composite->line_of[i] < 0)
			composite->line_of[i] = n++;
	}
	return n;
}

/* Sums the lines of the order into those of the solver. */
static SolverLine *
SumLines(const SourcingRequest *request, const Composite *composite, int n)
{
	SolverLine *lines = palloc0(sizeof(SolverLine) * Max(n, 1));

	for (int i = 0; i < request->n_lines; i++)
	{
		const SourcingLine *line = &request->lines[i];
		SolverLine *sum;

		if (composite->line_of[i] < 0)
			continue;
		sum = &lines[composite->line_of[i]];
		sum->quantity = Wanted(line) / composite->pack[i];
		sum->unit_weight_g += composite->pack[i] * line->weight_g;
		sum->unit_volume_cm3 += composite->pack[i] * line->volume_cm3;
		sum->temperature |= line->temperature;
	}
	return lines;
}

/* States what each node has of the solver's lines, and what that is worth. */
static void
SumStock(const SourcingRequest *request, const SolverProblem *problem,
		 Composite *composite)
{
	int n_lines = composite->problem.n_lines;
	int n_nodes = problem->n_nodes;
	Size cells = (Size) Max(n_lines * n_nodes, 1);
	int64 *available = palloc(sizeof(int64) * cells);
	int64 *value = palloc0(sizeof(int64) * cells);

	for (Size i = 0; i < cells; i++)
		available[i] = PG_INT64_MAX;
	for (int i = 0; i < request->n_lines; i++)
	{
		int64 pack = composite->pack[i];

		for (int c = 0; c < n_nodes && composite->line_of[i] >= 0; c++)
		{
			int from = i * n_nodes + c;
			int to = composite->line_of[i] * n_nodes + c;

			available[to] = Min(available[to], problem->available[from] / pack);
			value[to] += pack *
				(problem->nodes[c].per_unit +
				 (problem->stock_value ? problem->stock_value[from] : 0));
		}
	}
	for (int line = 0; line < n_lines; line++)
		for (int c = 0; c < n_nodes; c++)
			value[line * n_nodes + c] -= problem->nodes[c].per_unit;
	composite->problem.available = available;
	composite->problem.stock_value = value;
}

/*
 * States the problem with the lines that travel together as one.  Returns
 * false when there is nothing to put together or leave out.
 */
bool
ComposeProblem(const SourcingRequest *request, const SolverProblem *problem,
			   Composite *composite)
{
	bool plain = true;

	for (int i = 0; i < request->n_lines; i++)
		plain = plain && request->lines[i].group == 0 &&
			request->lines[i].missing == 0;
	if (plain)
		return false;
	composite->problem = *problem;
	composite->problem.n_lines = AssignLines(request, composite);
	composite->problem.lines =
		SumLines(request, composite, composite->problem.n_lines);
	SumStock(request, problem, composite);
	return true;
}

/* Finds the line of the order behind a line of the solver that is scarcest. */
static int
ScarcestLine(const SourcingRequest *request, const SolverProblem *problem,
			 const Composite *composite, int solver_line)
{
	double least = INFINITY;
	int result = -1;

	for (int i = 0; i < request->n_lines; i++)
	{
		double share = 0;

		if (composite->line_of[i] != solver_line)
			continue;
		for (int c = 0; c < problem->n_nodes; c++)
			share += (double) problem->available[i * problem->n_nodes + c];
		share /= (double) Wanted(&request->lines[i]);
		if (share < least)
		{
			least = share;
			result = i;
		}
	}
	return result;
}

/* Gives the pieces of a plan back to the lines of the order. */
void
ExpandPlan(const SourcingRequest *request, const Composite *composite,
		   SolverPlan *plan)
{
	SolverPiece *pieces =
		palloc(sizeof(SolverPiece) * Max(plan->n_pieces * request->n_lines, 1));
	int n = 0;

	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];
		SolverParcel *parcel = &plan->parcels[piece->parcel];
		int64 units = 0;
		int64 extra;

		for (int line = 0; line < request->n_lines; line++)
		{
			if (composite->line_of[line] != piece->line)
				continue;
			pieces[n].line = line;
			pieces[n].parcel = piece->parcel;
			pieces[n].quantity = piece->quantity * composite->pack[line];
			units += pieces[n++].quantity;
		}
		extra = (units - piece->quantity) *
			composite->problem.nodes[parcel->node].per_unit;
		parcel->handling += extra;
		parcel->stock_value -= extra;
	}
	if (plan->pieces)
		composite->problem.release(composite->problem.context, plan->pieces);
	plan->pieces = pieces;
	plan->n_pieces = n;
}

/* Solves the problem of a request, keeping together what travels together. */
SolverStatus
SolveLines(const SourcingRequest *request, const SolverProblem *problem,
		   SolverPlan *plan)
{
	Composite composite;
	SolverStatus status;

	if (!ComposeProblem(request, problem, &composite))
		return solver_solve(problem, plan);
	memset(plan, 0, sizeof(*plan));
	plan->short_line = -1;
	if (composite.problem.n_lines == 0)
		return SOLVER_OK; /* nothing is wanted now */
	status = solver_solve(&composite.problem, plan);
	if (status == SOLVER_OK)
		ExpandPlan(request, &composite, plan);
	else if (plan->short_line >= 0)
		plan->short_line =
			ScarcestLine(request, problem, &composite, plan->short_line);
	return status;
}
