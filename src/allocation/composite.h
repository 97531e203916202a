/*-------------------------------------------------------------------------
 *
 * composite.h
 *	  Lines that travel together, stated to the solver as one.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */

#ifndef PG_RETAIL_COMPOSITE_H
#define PG_RETAIL_COMPOSITE_H

#include "allocation/sourcing.h"

/* What the solver sees instead of the lines of an order. */
typedef struct Composite
{
	SolverProblem problem;
	int *line_of; /* by line of the order: the solver's; -1: none is wanted */
	int64 *pack;  /* units of the line in one unit of the solver's line */
} Composite;

extern bool ComposeProblem(const SourcingRequest *request,
						   const SolverProblem *problem, Composite *composite);
extern void ExpandPlan(const SourcingRequest *request,
					   const Composite *composite, SolverPlan *plan);
extern SolverStatus SolveLines(const SourcingRequest *request,
							   const SolverProblem *problem, SolverPlan *plan);

#endif /* PG_RETAIL_COMPOSITE_H */
