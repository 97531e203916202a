/*-------------------------------------------------------------------------
 *
 * joint_internal.h
 *	  What the parts of the joint allocation share.
 *
 * joint.c enters, serves first come, first served, and gives the result;
 * joint_state.c knows what is shared and solves one order in the light of it;
 * joint_price.c searches prices of what is scarce; joint_improve.c makes room
 * for an order by moving others.
 *
 * What orders share is a resource: the stock of a SKU at a node, or the
 * capacity of a node on a day.  Only resources that some plan uses have a row.
 * A plan once solved is kept as a draft; a solution is a draft for each order.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_JOINT_INTERNAL_H
#define PG_RETAIL_JOINT_INTERNAL_H

#include "joint.h"
#include "solver_memory.h"

#define UNSERVED (-1)

/* Highest price of a unit, and of a line, in minor units. */
#define JOINT_MAX_PRICE INT64_C(1000000000)
#define JOINT_MAX_LINE_PRICE INT64_C(10000000000000)

typedef struct JointResource
{
	int sku; /* number of the SKU; -1: a capacity */
	int node;
	int next;		/* of the same SKU, or of the capacities; -1: last */
	int64_t used;	/* by the current solution */
	int64_t demand; /* by the plans under prices */
	int64_t limit;	/* most that all orders together may use, if priced */
	bool priced;
	int64_t price;
	double exact_price; /* before rounding */
	int64_t stuck;		/* the turn in which nobody could leave it */
} JointResource;

/* What a plan uses of a resource, of the limit there is for this order. */
typedef struct JointUse
{
	int resource;
	int64_t quantity;
	int64_t limit;
} JointUse;

typedef struct JointDraft
{
	int order;
	SolverPlan plan; /* true figures, whatever the prices were */
	int64_t bound;	 /* of the problem as it was priced */
	int n_uses;
	JointUse *uses;
} JointDraft;

/* One order under decision. */
typedef struct JointState
{
	const JointOrder *order;
	const SolverProblem *problem;
	int *skus;		/* [line]: number */
	int *nodes;		/* [node]: number; NULL: not asked for yet */
	int *capacity;	/* [node]: resource or -1; made with nodes */
	int alone;		/* draft: the cheapest if alone, or UNSERVED */
	int64_t bound;	/* of it alone */
	int current;	/* draft, or UNSERVED */
	int first_come; /* draft that first come, first served gave */
	int priced;		/* draft under prices */
	int64_t priced_bound;
	bool locked;		 /* not to be moved now */
	bool dirty;			 /* to be solved again under new prices */
	SolverStatus status; /* why it was not served */
	int short_line;
} JointState;

/* Entry of the hash table that numbers keys. */
typedef struct JointKey
{
	int64_t a;
	int64_t b;
	int kind;
	int number; /* -1: empty */
} JointKey;

/* A change of the solution that can be taken back. */
typedef struct JointMove
{
	int order;
	int draft; /* before */
} JointMove;

typedef struct JointWork
{
	const JointProblem *problem;
	SolverStatus status; /* SOLVER_OK until memory or patience ends */
	SolverMemory memory;
	int n_orders;
	JointState *states;
	int *sequence; /* orders, best rank first */

	JointKey *keys;
	int n_keys;
	int max_keys; /* a power of two */
	int n_skus;
	int n_nodes;
	int *first_of_sku; /* [SKU]: resource or -1 */
	int max_skus;
	int *local; /* [node number]: node of the problem at hand, or -1 */
	int max_local;

	JointResource *resources;
	int n_resources;
	int max_resources;

	JointDraft *drafts;
	int n_drafts;
	int max_drafts;

	JointMove *moves;
	int n_moves;
	int max_moves;

	/* The problem at hand. */
	int64_t *available;
	int64_t *value;
	SolverNode *nodes;
	size_t max_cells;
	int max_nodes;

	int n_solves;
	int64_t left;	  /* solver calls that may still be made */
	int64_t turn;	  /* grows when something became free */
	int64_t cost;	  /* of the current solution */
	int n_served;	  /* in it */
	int64_t bound;	  /* proven for the orders served */
	int64_t max_cost; /* of one order, so that sums do not overflow */
	int64_t max_price;
} JointWork;

/* How an order is to be solved. */
#define JOINT_RESIDUAL 1 /* with what the others leave */
#define JOINT_PRICED 2	 /* under the prices */
#define JOINT_STUCK 4	 /* as if others could leave all but what is stuck */

extern void *JointAlloc(JointWork *work, size_t count, size_t size);
extern bool
JointGrow(JointWork *work, void **array, int *room, int needed, size_t size);
extern bool JointPrepare(JointWork *work);
extern int JointSolve(JointWork *work, int order, int how);
extern int JointKeepDraft(JointWork *work, int order, const SolverPlan *plan);
extern bool JointFits(const JointWork *work, int draft);
extern void JointSet(JointWork *work, int order, int draft);
extern void JointMoveTo(JointWork *work, int order, int draft);
extern void JointUndo(JointWork *work, int n_moves);
extern void JointClear(JointWork *work);
extern void JointSave(const JointWork *work, int *solution);
extern void JointRestore(JointWork *work, const int *solution);
extern bool JointReaches(JointWork *work, int order, int resource);
extern int64_t JointLimit(JointWork *work, int resource);

extern bool JointMakeRoom(JointWork *work, int order);
extern void JointImprove(JointWork *work);
extern void JointSearchPrices(JointWork *work);

#endif /* PG_RETAIL_JOINT_INTERNAL_H */
