/*-------------------------------------------------------------------------
 *
 * joint_sourcing.h
 *	  Deciding stated orders together over the stock they share.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_JOINT_SOURCING_H
#define PG_RETAIL_JOINT_SOURCING_H

#include "allocation/joint.h"
#include "allocation/sourcing.h"

/* An order that was stated with StateOrder(); see JointOrder. */
typedef struct SharedOrder
{
	const SourcingRequest *request;
	SourcingResult *result; /* receives status and plan */
	int64 rank;
	const SolverPlan *incumbent; /* all orders have one or none */
	bool alone; /* out: it could not be served even if it were alone */
} SharedOrder;

/* How the decision of all of them came out; see JointResult. */
typedef struct SharedSummary
{
	int n_served;
	int n_contended;
	int n_solves;
	int64 cost;
	int64 lower_bound;
	int64 first_come_cost;
} SharedSummary;

extern bool CanSourceTogether(const SourcingRequest *request);
extern void SourceTogether(SharedOrder *orders, int n, SharedSummary *summary);

#endif /* PG_RETAIL_JOINT_SOURCING_H */
