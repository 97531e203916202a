/*-------------------------------------------------------------------------
 *
 * sourcing.h
 *	  From an order's needs to a plan: which nodes send what, when and at
 *	  what cost, and why.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_SOURCING_H
#define PG_RETAIL_SOURCING_H

#include "catalog/cache.h"
#include "compat.h"
#include "foundation/json_writer.h"

/* One distinct SKU of an order. */
typedef struct SourcingLine
{
	int line_no; /* of the order line that it is, or is a part of */
	int64 sku_id;
	const char *sku;
	int64 quantity;
	int64 missing;	  /* of it, left out of the plan: it is not there */
	int64 weight_g;	  /* of a unit */
	int64 volume_cm3; /* of a unit */
	uint32 temperature;
	int64
		bound; /* of it, in sets (SourcingSet); the others travel as they like */
} SourcingLine;

/* Units that travel together: the components of a bundle that is ordered. */
typedef struct SourcingSet
{
	int64 quantity; /* how many such sets are ordered */
	int64 missing;	/* of them, left out of the plan */
	int n_lines;
	int *lines;	  /* of the order, each once */
	int64 *packs; /* units of each in one set */
} SourcingSet;

/* Units that count as available: those whom they are promised plan anew. */
typedef struct ReturnedUnits
{
	int64 sku_id;
	int64 node_id;
	int64 quantity;
} ReturnedUnits;

/* What orders that are decided together take from each other (ledger.h). */
typedef struct SourcingLedger SourcingLedger;

typedef struct SourcingRequest
{
	const RetailCatalog *catalog;
	const CatalogChannel *channel;
	const CatalogPolicy *policy;
	const CatalogNode *pick_up_node; /* NULL: ship */
	const CatalogNode *store;		 /* ship to this store; NULL: to a region */
	const CatalogRegion *region;	 /* destination; NULL with pick-up */
	bool located;
	double latitude;
	double longitude;
	TimestampTz as_of;
	int n_excluded;
	const int64 *excluded;		  /* nodes that refused this order */
	const CatalogNode *only_node; /* chosen by hand; NULL: any */
	int64 order_id; /* it exists and has its place in the queue; 0: it is new */
	TimestampTz placed_at; /* when the target of the policy began to run */
	int n_returned;
	const ReturnedUnits *returned; /* by SKU and node */
	SourcingLedger *ledger;		   /* NULL: it is decided alone */
	bool stock_anew; /* read stock from the table, not the cache */
	int n_lines;
	SourcingLine *lines;
	int n_sets;
	SourcingSet *sets;
} SourcingRequest;

/* How many of the nodes that were left out are named. */
#define MAX_NAMED 5

/* Why nodes that had stock were no candidates. */
typedef struct SourcingRejects
{
	int n_named;
	struct
	{
		const CatalogNode *node;
		const char *why;
	} named[MAX_NAMED]; /* the first of them */
	int kept_back;		/* all of it is safety stock */
	int inactive;
	int paused;
	int excluded;	 /* refused this order before */
	int incapable;	 /* may not ship */
	int closed;		 /* does not open within a year */
	int unreachable; /* no lane with a valid rate card */
	int full;		 /* no room on any day of the next two weeks */
} SourcingRejects;

typedef struct SourcingCandidate
{
	const CatalogNode *node;
	double chord; /* of its distance (geo_chord); NaN: not known */
	TimestampTz departure;
	TimestampTz first_departure; /* before a full day moved it */
	const CatalogLane **lanes;	 /* by service of the solver's node; shared */
	bool capacity_known;		 /* the solver's node has its limit */
	bool collected;				 /* the customer comes: no carrier, no lanes */
} SourcingCandidate;

typedef struct SourcingResult
{
	SolverStatus status;
	SolverProblem problem;
	SolverPlan plan;
	int n_candidates;
	SourcingCandidate *candidates;
	int64 *safety;	  /* [line * n_candidates + candidate] */
	bool saw_expired; /* due holds count as available in this plan */
	bool from_cache;  /* stock was not read from the table */
	SourcingRejects rejects;
} SourcingResult;

extern SolverNode *StateOrder(const SourcingRequest *request, bool read_only,
							  SourcingResult *result);
extern void SolveOrder(const SourcingRequest *request, bool read_only,
					   SourcingResult *result);
extern void SourceOrder(const SourcingRequest *request, bool read_only,
						SourcingResult *result);
pg_noreturn_compat extern void
ReportNoPlan(const SourcingRequest *request, const SourcingResult *result);
extern const char *
ParcelKind(const SourcingRequest *request, const SourcingCandidate *candidate);
extern double CandidateDistance(const SourcingRequest *request,
								const SourcingCandidate *candidate);
extern TimestampTz
HandOver(const SourcingRequest *request, TimestampTz arrival);
extern TimestampTz ParcelPromise(const SourcingRequest *request,
								 const SourcingResult *result, int parcel);
extern TimestampTz
PlanPromise(const SourcingRequest *request, const SourcingResult *result);
extern void
AddParcels(JsonWriter *json, const char *key, const SourcingRequest *request,
		   const SourcingResult *result, const int64 *shipment_ids);
extern Datum
ParcelsJsonb(const SourcingRequest *request, const SourcingResult *result,
			 const int64 *shipment_ids);
extern Datum
DecisionTrace(const SourcingRequest *request, const SourcingResult *result,
			  const int64 *shipment_ids);

#endif /* PG_RETAIL_SOURCING_H */
