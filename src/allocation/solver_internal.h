/*-------------------------------------------------------------------------
 *
 * solver_internal.h
 *	  What the parts of the allocation solver share.
 *
 * solver.c chooses the method and writes the plan; solver_check.c refuses
 * what cannot be solved; solver_exact.c is the dynamic program over subsets of
 * lines; solver_heuristic.c and solver_improve.c are greedy construction and
 * local search; solver_bound.c derives the lower bound that judges those.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_SOLVER_INTERNAL_H
#define PG_RETAIL_SOLVER_INTERNAL_H

#include "solver.h"
#include "solver_memory.h"

/*
 * No number of a problem, and no total weight, volume, units, handling or
 * stock value of an order, may exceed this.  A parcel then costs less than
 * 2.1e15, split penalty included, and the dearest plan of
 * SOLVER_MAX_PLAN_PARCELS parcels still fits an int64_t.
 */
#define SOLVER_MAX_VALUE INT64_C(500000000000000)
#define SOLVER_MAX_PLAN_PARCELS 4000
#define SOLVER_MAX_NODES (1 << 20)

/* Dearer than any parcel or plan of whole lines; two of them can be added. */
#define SOLVER_INFINITE (INT64_MAX / 2 - 1)

/* Steps of work between two questions to the interrupt hook. */
#define SOLVER_INTERRUPT_STEPS 4096

/* One call of solver_solve(): its memory and its first failure. */
typedef struct SolverWork
{
	const SolverProblem *problem;
	SolverStatus status; /* SOLVER_OK until memory or patience ends */
	SolverMemory memory; /* all of it is released at the end */
	int64_t steps;		 /* until the interrupt hook is asked */
	bool nested;		 /* heuristic: do not call the exact program */
} SolverWork;

/* What the price of a parcel depends on, besides its node. */
typedef struct SolverLoad
{
	int64_t weight_g;
	int64_t volume_cm3;
	int64_t units;
	int64_t stock_value;
	uint32_t temperature; /* union of the classes of its lines */
} SolverLoad;

/* A plan before its services are chosen and its parcels are put in order. */
typedef struct SolverDraft
{
	int n_parcels;
	int n_pieces;
	int *nodes; /* node of each parcel */
	SolverPiece *pieces;
	int64_t cost; /* split penalties included */
	int64_t tie;  /* sum of SolverTie() of the parcels */
} SolverDraft;

/* Index of a line at a node in available[] and stock_value[]. */
#define SOLVER_CELL(problem, line, node) \
	((size_t) (line) * (size_t) (problem)->n_nodes + (size_t) (node))

extern SolverWork SolverBeginWork(const SolverProblem *problem);
extern void *SolverAlloc(SolverWork *work, size_t count, size_t size);
extern bool SolverStep(SolverWork *work, int64_t steps);
extern void SolverAddLoad(const SolverProblem *problem, SolverLoad *load,
						  int node, int line, int64_t quantity);
extern int64_t SolverPrice(const SolverProblem *problem, int node,
						   const SolverLoad *load, SolverParcel *parcel);
extern bool SolverNodeTakes(const SolverProblem *problem, int node, int line,
							int64_t quantity);
extern int64_t
SolverStockValue(const SolverProblem *problem, int line, int node);
extern int64_t SolverTie(const SolverProblem *problem, int node);

extern bool SolverCheckProblem(const SolverProblem *problem);
extern SolverStatus
SolverCheckSupply(const SolverProblem *problem, int *short_line);
extern SolverStatus SolverExact(SolverWork *work, SolverDraft *draft);
extern SolverStatus SolverHeuristic(SolverWork *work, const bool *may_split,
									int64_t lower_bound, SolverDraft *draft);
extern SolverStatus
SolverLowerBound(SolverWork *work, const bool *may_split, int64_t *lower_bound);

#endif /* PG_RETAIL_SOLVER_INTERNAL_H */
