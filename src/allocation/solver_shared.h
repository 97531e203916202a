/*-------------------------------------------------------------------------
 *
 * solver_shared.h
 *	  Lines that draw from the same stock: a SKU ordered alone and as a part
 *	  of a bundle.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_SOLVER_SHARED_H
#define PG_RETAIL_SOLVER_SHARED_H

#include "solver.h"

/* How often a problem is solved at most, to keep shared stock within bounds. */
#define SOLVER_MAX_BRANCHES 256

/* What a line takes from a stock. */
typedef struct SolverDraw
{
	int line;
	int64_t units; /* of the stock, in one unit of the line; > 0 */
} SolverDraw;

/* A stock that several lines draw from; each line draws from it once. */
typedef struct SolverStock
{
	int n_draws;
	const SolverDraw *draws;  /* the least flexible line first */
	const int64_t *available; /* [node], units of the stock */
} SolverStock;

extern SolverStatus
solver_solve_shared(const SolverProblem *problem, const SolverStock *stocks,
					int n_stocks, SolverPlan *plan);

#endif /* PG_RETAIL_SOLVER_SHARED_H */
