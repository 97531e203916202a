/*-------------------------------------------------------------------------
 *
 * order_writer.h
 *	  Writing decided orders: their rows, their parcels, their stock.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */

#ifndef PG_RETAIL_ORDER_WRITER_H
#define PG_RETAIL_ORDER_WRITER_H

#include "foundation/table_writer.h"
#include "inventory/inventory.h"
#include "sales/order_request.h"

/* The parcels of one decision, for an order that exists (WriteParcels). */
typedef struct ParcelSet
{
	int64 order_id;
	const SourcingRequest *request;
	const SourcingResult *result; /* its status is SOLVER_OK */
	bool expires;				  /* held until expires_at, else committed */
	TimestampTz expires_at;
	TimestampTz decided_at; /* 0: the as_of of the request */
	int64 *shipment_ids;	/* out: by parcel of the plan */
} ParcelSet;

/* What place_order knows besides the order itself. */
typedef struct Placement
{
	OrderRequest *order;
	SourcingResult result;
	const char *external_no;
	const char *actor; /* who ordered */
	Datum request_hash;
	bool has_member;
	int64 member_id;
	bool freight_given;
	int64 freight; /* charged, cents */
	bool on_delivery;
	bool nothing_due;		 /* an order of 0.00 is paid as it stands */
	int64 order_id;			 /* 0: not written, its number is taken */
	TimestampTz promised_at; /* DT_NOBEGIN: nobody knows */
	Datum short_units;		 /* jsonb: what is cancelled or waits; 0: nothing */
	int64 *shipment_ids;
} Placement;

typedef enum Outcome
{
	PLACED,
	TAKEN,	/* the external number exists */
	OUTRUN, /* another buyer took the stock */
	NO_PLAN /* nobody can fulfil it */
} Outcome;

extern RetailKeys *OrderNumbersBegin(void);
extern bool OrderNumberIsTaken(RetailKeys *numbers, int64 channel_id,
							   const char *external_no);
extern int64 PlanFreight(const SolverPlan *plan);
extern void CompletePlacement(Placement *p);
extern Outcome
WriteOrders(Placement **placements, int n, bool wait, StockShortage *shortage);
extern bool WriteParcels(ParcelSet *sets, int n, const StockPosting *more,
						 int n_more, bool wait, StockShortage *shortage);

#endif /* PG_RETAIL_ORDER_WRITER_H */
