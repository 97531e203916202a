/*-------------------------------------------------------------------------
 *
 * candidates.h
 *	  Which nodes can serve an order at all, how and when.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */

#ifndef PG_RETAIL_CANDIDATES_H
#define PG_RETAIL_CANDIDATES_H

#include "allocation/stock_view.h"

extern bool ServesFrom(const SourcingRequest *request, const CatalogNode *node,
					   uint32 temperature, TimestampTz *promise);
extern SolverNode *MakeCandidates(const SourcingRequest *request,
								  StockView *view, SourcingResult *result);
extern void LeaveOut(SourcingRejects *rejects, int *count,
					 const CatalogNode *node, const char *why);
extern int64
PromiseLateness(const SourcingRequest *request, TimestampTz promise);
extern void OwnServices(SourcingCandidate *candidate, SolverNode *node);
extern void DateServices(const SourcingRequest *request,
						 SourcingCandidate *candidate, SolverNode *node);

#endif /* PG_RETAIL_CANDIDATES_H */
