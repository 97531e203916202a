/*-------------------------------------------------------------------------
 *
 * capacity.h
 *	  How many parcels a node takes on a local day, and on which day it has
 *	  room.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_CAPACITY_H
#define PG_RETAIL_CAPACITY_H

#include "allocation/sourcing.h"

/* A day on which parcels leave a node. */
typedef struct CapacityDay
{
	const CatalogNode *node;
	TimestampTz departure;
} CapacityDay;

extern int64
CountParcels(const CatalogNode *node, TimestampTz departure, bool latest);
extern void LimitCandidate(const SourcingRequest *request, SolverNode *nodes,
						   int c, bool read_only, SourcingResult *result);
extern bool LimitCapacity(const SourcingRequest *request, SolverNode *nodes,
						  bool read_only, SourcingResult *result);
extern const CatalogNode *ClaimCapacity(const CapacityDay *days, int n);

#endif /* PG_RETAIL_CAPACITY_H */
