/*-------------------------------------------------------------------------
 *
 * composite.h
 *	  Units that travel together, stated to the solver as one line.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */

#ifndef PG_RETAIL_COMPOSITE_H
#define PG_RETAIL_COMPOSITE_H

#include "allocation/solver_shared.h"
#include "allocation/sourcing.h"

/* What a line of the solver holds of a line of the order. */
typedef struct CompositePart
{
	int solver_line;
	int line;	/* of the order */
	int64 pack; /* its units in one unit of the solver's line */
} CompositePart;

/* What the solver sees instead of the lines of an order. */
typedef struct Composite
{
	SolverProblem problem;
	int n_parts;
	CompositePart *parts; /* by line of the solver */
	int n_stocks;
	SolverStock *stocks; /* of lines of the order that are in several parts */
} Composite;

extern bool ComposeProblem(const SourcingRequest *request,
						   const SolverProblem *problem, Composite *composite);
extern void ExpandPlan(const SourcingRequest *request,
					   const Composite *composite, SolverPlan *plan);
extern SolverStatus SolveLines(const SourcingRequest *request,
							   const SolverProblem *problem, SolverPlan *plan);

#endif /* PG_RETAIL_COMPOSITE_H */
