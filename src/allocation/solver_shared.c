/*-------------------------------------------------------------------------
 *
 * solver_shared.c
 *	  Solves problems in which lines draw from the same stock.
 *
 * To the solver each line has a stock of its own.  Where lines share one, that
 * is a relaxation: its plan, if no stock is overdrawn, is the optimum of the
 * shared problem, too.  Else branch and bound: a stock of a units at a node of
 * which lines take p1 x1 + p2 x2 + ... > a is overdrawn by every plan in which
 * each line takes as much again, so in any other plan some line takes less.
 * Each branch lets one line take less there; together they hold all plans that
 * the stock allows.  Lower bounds are the least of the branches', hence proven;
 * a plan that meets it is exact.  When the number of branches ends before that,
 * the bound stays behind, and the trace says so.
 *
 * No PostgreSQL header, no global state, like the solver.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "solver_shared.h"

#include <string.h>

#include "solver_internal.h"

/* One search: the problem with the stock that its branch may use. */
typedef struct Search
{
	SolverProblem problem;
	const SolverStock *stocks;
	int n_stocks;
	int64_t *available;	 /* of the problem: changed by branches */
	int64_t *taken;		 /* [line * n_nodes + node], of the last plan */
	int branches;		 /* left */
	SolverStatus status; /* SOLVER_OK until memory or patience ends */
	bool limited;		 /* a branch failed for more than stock */
	bool found;
	SolverPlan best;
	int64_t bound; /* the least of the branches that were closed */
} Search;

/* Where a stock is overdrawn. */
typedef struct Overdraft
{
	const SolverStock *stock; /* NULL: nowhere */
	int node;
} Overdraft;

/* Finds a stock that a plan overdraws, and notes what each line takes where. */
static Overdraft
FindOverdraft(Search *search, const SolverPlan *plan)
{
	const SolverProblem *problem = &search->problem;
	Overdraft result = {NULL, 0};

	memset(search->taken, 0,
		   sizeof(int64_t) * (size_t) problem->n_lines *
			   (size_t) problem->n_nodes);
	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];

		search->taken[SOLVER_CELL(problem, piece->line,
								  plan->parcels[piece->parcel].node)] +=
			piece->quantity;
	}
	for (int s = 0; s < search->n_stocks; s++)
		for (int p = 0; p < plan->n_parcels; p++)
		{
			const SolverStock *stock = &search->stocks[s];
			int node = plan->parcels[p].node;
			int64_t left = stock->available[node];

			for (int d = 0; d < stock->n_draws; d++)
				left -= stock->draws[d].units *
					search->taken[SOLVER_CELL(problem, stock->draws[d].line,
											  node)];
			if (left < 0)
			{
				result.stock = stock;
				result.node = node;
				return result;
			}
		}
	return result;
}

/* Keeps a plan that overdraws nothing when it is the cheapest so far. */
static void
KeepPlan(Search *search, SolverPlan *plan)
{
	if (search->found && plan->cost >= search->best.cost)
	{
		solver_free_plan(&search->problem, plan);
		return;
	}
	if (search->found)
		solver_free_plan(&search->problem, &search->best);
	search->best = *plan;
	search->found = true;
}

/* Closes a branch in which no plan is cheaper than the bound. */
static void
CloseBranch(Search *search, int64_t bound)
{
	if (bound < search->bound)
		search->bound = bound;
}

/*
 * States how much each line draws at least, if it draws as in the last plan,
 * so that the stock is still overdrawn: the smaller these are, the more each
 * branch excludes.
 */
static void
Thresholds(const Search *search, const Overdraft *overdraft, int64_t *at_least)
{
	const SolverStock *stock = overdraft->stock;
	int64_t excess = -stock->available[overdraft->node] - 1;
	int n_drawing = 0;

	for (int d = 0; d < stock->n_draws; d++)
	{
		at_least[d] = search->taken[SOLVER_CELL(
			&search->problem, stock->draws[d].line, overdraft->node)];
		excess += stock->draws[d].units * at_least[d];
		n_drawing += at_least[d] > 0;
	}
	for (int d = 0; d < stock->n_draws; d++)
	{
		int64_t less;

		if (at_least[d] == 0)
			continue;
		less = excess / (n_drawing > 1 ? n_drawing : 1) / stock->draws[d].units;
		n_drawing--;
		if (less > at_least[d] - 1)
			less = at_least[d] - 1;
		at_least[d] -= less;
		excess -= less * stock->draws[d].units;
	}
}

static void SearchBranch(Search *search, int64_t parent_bound);

/*
 * Lets one line after the other take less where a stock is overdrawn.  Those
 * before it take at least their thresholds, which limits it further.
 */
static void
Branch(Search *search, const Overdraft *overdraft, int64_t bound)
{
	const SolverStock *stock = overdraft->stock;
	const SolverProblem *problem = &search->problem;
	int64_t left = stock->available[overdraft->node];
	int64_t *at_least = problem->alloc(
		problem->context, sizeof(int64_t) * (size_t) stock->n_draws);

	if (at_least == NULL)
	{
		search->status = SOLVER_NO_MEMORY;
		return;
	}
	Thresholds(search, overdraft, at_least);
	for (int d = 0; d < stock->n_draws && search->status == SOLVER_OK; d++)
	{
		size_t cell =
			SOLVER_CELL(problem, stock->draws[d].line, overdraft->node);
		int64_t before = search->available[cell];
		int64_t limit = left / stock->draws[d].units;

		if (at_least[d] == 0)
			continue;
		if (limit > at_least[d] - 1)
			limit = at_least[d] - 1;
		if (limit < before)
			search->available[cell] = limit;
		SearchBranch(search, bound);
		search->available[cell] = before;
		left -= at_least[d] * stock->draws[d].units;
		if (left < 0)
			break; /* the others would take more than is left */
	}
	problem->release(problem->context, at_least);
}

/* Solves a branch, and what it branches into. */
static void
SearchBranch(Search *search, int64_t parent_bound)
{
	SolverPlan plan;
	SolverStatus status;
	Overdraft overdraft;
	int64_t bound;

	if (search->branches == 0)
	{
		CloseBranch(search, parent_bound);
		return;
	}
	search->branches--;
	status = solver_solve(&search->problem, &plan);
	if (status == SOLVER_NO_PLAN)
	{
		search->limited = true;
		/* Beyond what is solved exactly none was found, but there may be one. */
		if (search->problem.n_lines > SOLVER_EXACT_LINES ||
			search->problem.allow_line_split)
			CloseBranch(search, parent_bound);
		return;
	}
	if (status == SOLVER_NO_STOCK || status == SOLVER_NO_SERVICE)
		return;
	if (status != SOLVER_OK)
	{
		search->status = status;
		return;
	}
	bound = plan.lower_bound > parent_bound ? plan.lower_bound : parent_bound;
	overdraft = FindOverdraft(search, &plan);
	if (overdraft.stock == NULL)
	{
		CloseBranch(search, bound);
		KeepPlan(search, &plan);
		return;
	}
	solver_free_plan(&search->problem, &plan);
	if (search->found && bound >= search->best.cost)
		CloseBranch(search, bound);
	else
		Branch(search, &overdraft, bound);
}

/*
 * Looks for a plan by giving an overdrawn stock to the lines in turn, the first
 * or the last first, as the plan would have it, until nothing is overdrawn.
 */
static void
Divide(Search *search, bool last_first)
{
	const SolverProblem *problem = &search->problem;

	for (;;)
	{
		SolverPlan plan;
		SolverStatus status = solver_solve(problem, &plan);
		Overdraft overdraft;
		int64_t left;

		if (status == SOLVER_NO_MEMORY || status == SOLVER_INTERRUPTED)
			search->status = status;
		if (status != SOLVER_OK)
			return;
		overdraft = FindOverdraft(search, &plan);
		if (overdraft.stock == NULL)
		{
			KeepPlan(search, &plan);
			return;
		}
		solver_free_plan(problem, &plan);
		left = overdraft.stock->available[overdraft.node];
		for (int i = 0; i < overdraft.stock->n_draws; i++)
		{
			int d = last_first ? overdraft.stock->n_draws - 1 - i : i;
			const SolverDraw *draw = &overdraft.stock->draws[d];
			size_t cell = SOLVER_CELL(problem, draw->line, overdraft.node);
			int64_t limit = search->taken[cell];

			if (limit > left / draw->units)
				limit = left / draw->units;
			if (limit < search->available[cell])
				search->available[cell] = limit;
			left -= limit * draw->units;
		}
	}
}

/* Finds a line whose stock is short in total for all who draw from it; or -1. */
static int
ShortLine(const SolverProblem *problem, const SolverStock *stocks, int n_stocks)
{
	for (int s = 0; s < n_stocks; s++)
	{
		const SolverStock *stock = &stocks[s];
		int64_t left = 0;

		for (int node = 0; node < problem->n_nodes; node++)
			left += stock->available[node];
		for (int d = 0; d < stock->n_draws; d++)
			left -= stock->draws[d].units *
				problem->lines[stock->draws[d].line].quantity;
		if (left < 0)
			return stock->draws[stock->n_draws - 1].line;
	}
	return -1;
}

/* Searches, and divides where the search ended without a plan. */
static void
RunSearch(Search *search, const int64_t *available, size_t cells)
{
	SearchBranch(search, INT64_MIN);
	for (int i = 0; i < 2 && !search->found && search->status == SOLVER_OK &&
		 search->branches == 0;
		 i++)
	{
		memcpy(search->available, available, sizeof(int64_t) * cells);
		Divide(search, i == 1);
	}
}

/* Says what a search has found. */
static SolverStatus
Conclude(Search *search, SolverPlan *plan)
{
	if (search->status != SOLVER_OK)
	{
		if (search->found)
			solver_free_plan(&search->problem, &search->best);
		return search->status;
	}
	if (search->found)
	{
		*plan = search->best;
		plan->lower_bound =
			search->bound < plan->cost ? search->bound : plan->cost;
		plan->exact = plan->lower_bound == plan->cost;
		return SOLVER_OK;
	}
	if (search->limited || search->branches == 0)
		return SOLVER_NO_PLAN;
	plan->short_line =
		search->stocks[0].draws[search->stocks[0].n_draws - 1].line;
	return SOLVER_NO_STOCK;
}

/* Searches for a plan that overdraws nothing; the plan is that without. */
static SolverStatus
SearchShared(Search *search, const SolverProblem *problem, SolverPlan *plan)
{
	size_t cells = (size_t) problem->n_lines * (size_t) problem->n_nodes;
	Overdraft overdraft = FindOverdraft(search, plan);

	if (overdraft.stock == NULL)
		return SOLVER_OK;
	solver_free_plan(problem, plan);
	plan->short_line = ShortLine(problem, search->stocks, search->n_stocks);
	if (plan->short_line >= 0)
		return SOLVER_NO_STOCK;
	memcpy(search->available, problem->available, sizeof(int64_t) * cells);
	search->problem.available = search->available;
	RunSearch(search, problem->available, cells);
	return Conclude(search, plan);
}

/*
 * Solves a problem in which lines draw from the same stocks.  available of the
 * problem says for each line what it could take if it were alone.  Status, plan
 * and who releases it are as of solver_solve().
 */
SolverStatus
solver_solve_shared(const SolverProblem *problem, const SolverStock *stocks,
					int n_stocks, SolverPlan *plan)
{
	SolverStatus status = solver_solve(problem, plan);
	Search search = {.problem = *problem,
					 .stocks = stocks,
					 .n_stocks = n_stocks,
					 .branches = SOLVER_MAX_BRANCHES,
					 .bound = INT64_MAX};
	size_t size;

	/* What is not possible with stocks of their own is not with one. */
	if (status != SOLVER_OK || n_stocks == 0)
		return status;
	size =
		sizeof(int64_t) * (size_t) problem->n_lines * (size_t) problem->n_nodes;
	search.available = problem->alloc(problem->context, size);
	search.taken = problem->alloc(problem->context, size);
	if (search.available == NULL || search.taken == NULL)
	{
		solver_free_plan(problem, plan);
		status = SOLVER_NO_MEMORY;
	}
	else
		status = SearchShared(&search, problem, plan);
	if (search.available != NULL)
		problem->release(problem->context, search.available);
	if (search.taken != NULL)
		problem->release(problem->context, search.taken);
	return status;
}
