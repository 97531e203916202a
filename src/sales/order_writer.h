/*-------------------------------------------------------------------------
 *
 * order_writer.h
 *	  Writing a decided order: its rows, its parcels, its stock.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */

#ifndef PG_RETAIL_ORDER_WRITER_H
#define PG_RETAIL_ORDER_WRITER_H

#include "sales/order_request.h"

/* What place_order knows besides the order itself. */
typedef struct Placement
{
	OrderRequest *order;
	SourcingResult result;
	const char *external_no;
	Datum request_hash;
	bool has_member;
	int64 member_id;
	bool freight_given;
	int64 freight; /* charged, cents */
	bool on_delivery;
	bool nothing_due; /* an order of 0.00 is paid as it stands */
	int64 order_id;
	TimestampTz promised_at;
	int64 *shipment_ids;
	const char *parcels; /* JSON */
} Placement;

typedef enum Outcome
{
	PLACED,
	TAKEN,	/* the external number exists */
	OUTRUN, /* another buyer took the stock */
	NO_PLAN /* nobody can fulfil it */
} Outcome;

extern Outcome WriteOrderRows(Placement *p, bool wait);

#endif /* PG_RETAIL_ORDER_WRITER_H */
