/*-------------------------------------------------------------------------
 *
 * composite.c
 *	  Units that travel together (the components of a bundle) are one line to
 *	  the solver: a unit of it is what one bundle holds, with the sum of the
 *	  weights and the union of the temperature classes, and a node has as many
 *	  as its scarcest component allows.  What is ordered of a SKU beside its
 *	  bundles is a line of its own, and draws from the same stock
 *	  (solver_shared.c).  Lines of which nothing is wanted now are left out.
 *	  Whatever reads the plan sees the lines of the order.
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

/* Adds what a line of the solver holds of a line of the order. */
static void
AddPart(Composite *composite, SolverLine *lines, const SourcingRequest *request,
		int line, int64 pack)
{
	int n = composite->problem.n_lines;
	CompositePart *part = &composite->parts[composite->n_parts++];
	const SourcingLine *goods = &request->lines[line];

	part->solver_line = n;
	part->line = line;
	part->pack = pack;
	lines[n].unit_weight_g += pack * goods->weight_g;
	lines[n].unit_volume_cm3 += pack * goods->volume_cm3;
	lines[n].temperature |= goods->temperature;
}

/* States sets and single units that are wanted now as lines of the solver. */
static void
MakeLines(const SourcingRequest *request, Composite *composite)
{
	int64 *left = palloc(sizeof(int64) * request->n_lines);
	int n_parts = request->n_lines;
	SolverLine *lines;

	for (int i = 0; i < request->n_sets; i++)
		n_parts += request->sets[i].n_lines;
	for (int i = 0; i < request->n_lines; i++)
		left[i] = request->lines[i].quantity - request->lines[i].missing;
	composite->parts = palloc(sizeof(CompositePart) * Max(n_parts, 1));
	composite->n_parts = 0;
	lines = palloc0(sizeof(SolverLine) *
					Max(request->n_sets + request->n_lines, 1));
	composite->problem.n_lines = 0;
	composite->problem.lines = lines;
	for (int i = 0; i < request->n_sets; i++)
	{
		const SourcingSet *set = &request->sets[i];
		int64 sets = set->quantity - set->missing;

		if (sets == 0)
			continue;
		lines[composite->problem.n_lines].quantity = sets;
		for (int j = 0; j < set->n_lines; j++)
		{
			AddPart(composite, lines, request, set->lines[j], set->packs[j]);
			left[set->lines[j]] -= sets * set->packs[j];
		}
		composite->problem.n_lines++;
	}
	for (int i = 0; i < request->n_lines; i++)
	{
		if (left[i] == 0)
			continue;
		lines[composite->problem.n_lines].quantity = left[i];
		AddPart(composite, lines, request, i, 1);
		composite->problem.n_lines++;
	}
	pfree(left);
}

/* States what each node has of the solver's lines, and what that is worth. */
static void
SumStock(const SolverProblem *problem, Composite *composite)
{
	int n_lines = composite->problem.n_lines;
	int n_nodes = problem->n_nodes;
	Size cells = (Size) Max(n_lines * n_nodes, 1);
	int64 *available = palloc(sizeof(int64) * cells);
	int64 *value = palloc0(sizeof(int64) * cells);

	for (Size i = 0; i < cells; i++)
		available[i] = PG_INT64_MAX;
	for (int i = 0; i < composite->n_parts; i++)
	{
		const CompositePart *part = &composite->parts[i];

		for (int c = 0; c < n_nodes; c++)
		{
			int from = part->line * n_nodes + c;
			int to = part->solver_line * n_nodes + c;

			available[to] =
				Min(available[to], problem->available[from] / part->pack);
			value[to] += part->pack *
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

/* Says which lines of the solver draw from the same stock. */
static void
ShareStocks(const SourcingRequest *request, const SolverProblem *problem,
			Composite *composite)
{
	composite->n_stocks = 0;
	composite->stocks = palloc(sizeof(SolverStock) * request->n_lines);
	for (int i = 0; i < request->n_lines; i++)
	{
		SolverDraw *draws = palloc(sizeof(SolverDraw) * composite->n_parts);
		int n = 0;

		for (int j = 0; j < composite->n_parts; j++)
			if (composite->parts[j].line == i)
			{
				draws[n].line = composite->parts[j].solver_line;
				draws[n++].units = composite->parts[j].pack;
			}
		if (n > 1)
		{
			SolverStock *stock = &composite->stocks[composite->n_stocks++];

			stock->n_draws = n;
			stock->draws = draws;
			stock->available = &problem->available[(Size) i * problem->n_nodes];
		}
	}
}

/*
 * States the problem with the units that travel together as one line.  Returns
 * false when there is nothing to put together or leave out.
 */
bool
ComposeProblem(const SourcingRequest *request, const SolverProblem *problem,
			   Composite *composite)
{
	bool plain = request->n_sets == 0;

	for (int i = 0; i < request->n_lines; i++)
		plain = plain && request->lines[i].missing == 0;
	if (plain)
		return false;
	composite->problem = *problem;
	MakeLines(request, composite);
	SumStock(problem, composite);
	ShareStocks(request, problem, composite);
	return true;
}

/* Finds the line of the order behind a line of the solver that is scarcest. */
static int
ScarcestLine(const SourcingRequest *request, const SolverProblem *problem,
			 const Composite *composite, int solver_line)
{
	double least = INFINITY;
	int result = -1;

	for (int i = 0; i < composite->n_parts; i++)
	{
		int line = composite->parts[i].line;
		const SourcingLine *goods = &request->lines[line];
		double share = 0;

		if (composite->parts[i].solver_line != solver_line)
			continue;
		for (int c = 0; c < problem->n_nodes; c++)
			share += (double) problem->available[line * problem->n_nodes + c];
		share /= (double) (goods->quantity - goods->missing);
		if (share < least)
		{
			least = share;
			result = line;
		}
	}
	return result;
}

/* Adds units of a line to a parcel of a plan, which may have some of it. */
static void
AddPiece(SolverPlan *plan, int line, int parcel, int64 quantity)
{
	for (int i = plan->n_pieces - 1; i >= 0 && plan->pieces[i].parcel == parcel;
		 i--)
		if (plan->pieces[i].line == line)
		{
			plan->pieces[i].quantity += quantity;
			return;
		}
	plan->pieces[plan->n_pieces].line = line;
	plan->pieces[plan->n_pieces].parcel = parcel;
	plan->pieces[plan->n_pieces++].quantity = quantity;
}

/* Orders pieces by parcel, then line. */
static int
ComparePieces(const void *a, const void *b)
{
	const SolverPiece *left = a;
	const SolverPiece *right = b;

	if (left->parcel != right->parcel)
		return left->parcel - right->parcel;
	return left->line - right->line;
}

/* Gives the pieces of a plan back to the lines of the order. */
void
ExpandPlan(const SourcingRequest *request, const Composite *composite,
		   SolverPlan *plan)
{
	SolverPiece *pieces = plan->pieces;
	int n = plan->n_pieces;

	plan->pieces = palloc(sizeof(SolverPiece) * Max(n * request->n_lines, 1));
	plan->n_pieces = 0;
	for (int i = 0; i < n; i++)
	{
		SolverParcel *parcel = &plan->parcels[pieces[i].parcel];
		int64 units = 0;
		int64 extra;

		for (int j = 0; j < composite->n_parts; j++)
		{
			const CompositePart *part = &composite->parts[j];

			if (part->solver_line != pieces[i].line)
				continue;
			AddPiece(plan, part->line, pieces[i].parcel,
					 pieces[i].quantity * part->pack);
			units += pieces[i].quantity * part->pack;
		}
		extra = (units - pieces[i].quantity) *
			composite->problem.nodes[parcel->node].per_unit;
		parcel->handling += extra;
		parcel->stock_value -= extra;
	}
	qsort(plan->pieces, plan->n_pieces, sizeof(SolverPiece), ComparePieces);
	if (pieces)
		composite->problem.release(composite->problem.context, pieces);
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
	status = solver_solve_shared(&composite.problem, composite.stocks,
								 composite.n_stocks, plan);
	if (status == SOLVER_OK)
		ExpandPlan(request, &composite, plan);
	else if (plan->short_line >= 0)
		plan->short_line =
			ScarcestLine(request, problem, &composite, plan->short_line);
	return status;
}
