/*-------------------------------------------------------------------------
 *
 * solver_search.h
 *	  The plan under search: shared by the heuristic's parts.
 *
 * solver_heuristic.c constructs plans, solver_improve.c improves them.  A
 * plan is an unordered list of pieces and a list of parcels with their loads
 * and prices; left[] and sent[] follow every change, so that a change is
 * priced without looking at the rest of the plan.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_SOLVER_SEARCH_H
#define PG_RETAIL_SOLVER_SEARCH_H

#include "solver_internal.h"

#define NEW_PARCEL (-1)
#define POLISH_PIECES 10 /* at most SOLVER_EXACT_LINES */

typedef struct Parcel
{
	int node;
	int n_pieces;
	int64_t cost; /* penalty included */
	SolverLoad load;
	uint16_t classes[32]; /* pieces that need each temperature bit */
} Parcel;

typedef struct Search
{
	SolverWork *work;
	const SolverProblem *problem;
	const bool *may_split;
	int64_t *left; /* [line * n_nodes + node]: stock not used */
	int *sent;	   /* parcels of each node */
	Parcel *parcels;
	int n_parcels;
	int max_parcels;
	SolverPiece *pieces; /* in no order */
	int n_pieces;
	int max_pieces;
	int64_t budget;
	uint64_t random;
	/* scratch */
	int64_t *wanted; /* by line */
	int64_t *take;	 /* by line */
	int *lines;
	Parcel *saved_parcels;
	SolverPiece *saved_pieces;
	SolverNode *polish_nodes; /* the order of a few parcels, see polish */
	int64_t *polish_available;
	int64_t *polish_value;
} Search;

/* A change of the plan that was priced. */
typedef struct Change
{
	int node;
	int parcel; /* or NEW_PARCEL */
	int64_t quantity;
	int64_t cost; /* what it adds */
	int64_t tie;
} Change;

extern int64_t
SolverPriceLoad(Search *search, int node, const SolverLoad *load);
extern bool SolverGoOn(Search *search);
extern bool SolverIsCheaper(int64_t cost, int64_t tie, int64_t other_cost,
							int64_t other_tie);
extern SolverLoad SolverLoadWithout(const Search *search, const Parcel *parcel,
									const SolverPiece *piece, int64_t quantity);
extern SolverLoad SolverLoadWith(const Search *search, const Parcel *parcel,
								 int line, int64_t quantity);
extern int SolverOpenParcel(Search *search, int node);
extern void SolverDropParcel(Search *search, int number);
extern bool
SolverAddPiece(Search *search, int number, int line, int64_t quantity);
extern void SolverTakePiece(Search *search, int number, int64_t quantity);
extern void SolverSumPlan(const Search *search, int64_t *cost, int64_t *tie);
extern int64_t
SolverGiveQuantity(const Search *search, int node, int line, int64_t wanted);
extern bool SolverInsertLine(Search *search, int line, int64_t wanted,
							 int except, bool allow_new);
extern void SolverReturnStock(Search *search, int number, int sign);
extern void SolverImprovePlan(Search *search);

#endif /* PG_RETAIL_SOLVER_SEARCH_H */
