/*-------------------------------------------------------------------------
 *
 * solver.h
 *	  Which node fulfils which line of an order: the pure decision core.
 *
 * Structs in, structs out; no PostgreSQL header, no global state.  Memory
 * comes from the allocator in the problem, errors are return codes, and the
 * interrupt hook is asked at bounded intervals so that a query can be
 * cancelled inside the search.
 *
 * Units: money in minor units (1/100 of the currency), weight in grams,
 * volume in cubic centimetres, quantities in the SKU's base unit.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_SOLVER_H
#define PG_RETAIL_SOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Orders with at most this many distinct lines are solved to optimality. */
#define SOLVER_EXACT_LINES 12
/* Lines a problem may have at all. */
#define SOLVER_MAX_LINES 1000

/*
 * One step of a tariff.  A parcel of w grams falls into the first bracket
 * with w <= up_to_g and costs base + ceil((w - over_g) / step_g) * step_price
 * (the second term only when w > over_g and step_g > 0).  "First weight plus
 * additional" is one open-ended bracket; weight brackets are several flat
 * ones.  Prices need not grow with weight: real rate cards do not always.
 */
typedef struct SolverBracket
{
	int64_t up_to_g; /* inclusive; INT64_MAX when open-ended */
	int64_t base;
	int64_t over_g;
	int64_t step_g;
	int64_t step_price;
} SolverBracket;

typedef struct SolverTariff
{
	const SolverBracket *brackets; /* by ascending up_to_g */
	int n_brackets;
	int64_t volumetric_divisor; /* cm3 per kg; 0: real weight only */
} SolverTariff;

/* One way to carry a parcel from a node to the destination of this order. */
typedef struct SolverService
{
	int tariff;			  /* index into problem->tariffs */
	int64_t lateness;	  /* penalty of the promise it makes, per parcel */
	uint32_t temperature; /* classes it can carry, as bits */
} SolverService;

typedef struct SolverNode
{
	int64_t per_parcel; /* handling of one parcel */
	int64_t per_unit;	/* handling of one unit */
	const SolverService *services;
	int n_services;
	int max_parcels; /* capacity left today; INT32_MAX: unlimited */
	bool preferred;	 /* wins ties (e.g. nearest) */
} SolverNode;

typedef struct SolverLine
{
	int64_t quantity;
	int64_t unit_weight_g;
	int64_t unit_volume_cm3;
	uint32_t temperature; /* the one class bit it needs; 0: any */
} SolverLine;

typedef struct SolverProblem
{
	int n_lines;
	int n_nodes;
	int n_tariffs;
	const SolverLine *lines;
	const SolverNode *nodes;
	const SolverTariff *tariffs;
	const int64_t *available;	/* [line * n_nodes + node], >= 0 */
	const int64_t *stock_value; /* per unit, same shape; NULL: all 0.  May be
								 * negative (markdown relief). */

	int64_t split_penalty; /* for each parcel after the first */
	int max_parcels;	   /* of the whole plan; 0: unlimited */

	/*
	 * May one line come in several parcels?  Only a line that no node can send
	 * whole in one parcel is split, unless capacities leave no other plan;
	 * exact and lower_bound refer to that set of plans.
	 */
	bool allow_line_split;

	void *(*alloc)(void *context, size_t size); /* NULL on failure */
	void (*release)(void *context, void *pointer);
	bool (*interrupted)(void *context); /* may be NULL */
	void *context;
} SolverProblem;

/* A quantity of one line in one parcel. */
typedef struct SolverPiece
{
	int line;
	int parcel;
	int64_t quantity;
} SolverPiece;

typedef struct SolverParcel
{
	int node;
	int service;	  /* index into that node's services */
	int64_t weight_g; /* real */
	int64_t billed_g; /* real or volumetric, the greater */
	int64_t volume_cm3;
	int64_t freight;
	int64_t handling;
	int64_t lateness;
	int64_t stock_value;
} SolverParcel;

typedef struct SolverPlan
{
	int n_parcels;
	int n_pieces;
	SolverParcel *parcels;
	SolverPiece *pieces; /* by parcel, then line */
	int64_t cost;		 /* parcels and split penalties */
	int64_t lower_bound; /* no feasible plan costs less */
	bool exact;			 /* cost is proven optimal */
	int short_line;		 /* with SOLVER_NO_STOCK or SOLVER_NO_SERVICE:
								 * a line that cannot be served; else -1 */
} SolverPlan;

typedef enum SolverStatus
{
	SOLVER_OK = 0,
	SOLVER_NO_STOCK,	/* total availability of a line is short */
	SOLVER_NO_SERVICE,	/* stock is there, but services can carry less
								 * of it than is ordered */
	SOLVER_NO_PLAN,		/* max_parcels, capacity or no-split forbid all;
								 * proven for up to SOLVER_EXACT_LINES lines
								 * without splitting, else none was found */
	SOLVER_BAD_PROBLEM, /* negative or absurd numbers */
	SOLVER_NO_MEMORY,
	SOLVER_INTERRUPTED
} SolverStatus;

/* Freight of a parcel, or -1 when no bracket takes it (or on overflow). */
extern int64_t solver_freight(const SolverTariff *tariff, int64_t weight_g,
							  int64_t volume_cm3, int64_t *billed_g);

extern SolverStatus
solver_solve(const SolverProblem *problem, SolverPlan *plan);
extern void solver_free_plan(const SolverProblem *problem, SolverPlan *plan);
extern const char *solver_status_text(SolverStatus status);

#endif /* PG_RETAIL_SOLVER_H */
