/*-------------------------------------------------------------------------
 *
 * order_reload.h
 *	  An order that was placed, stated again for the sourcing of some of its
 *	  units.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_ORDER_RELOAD_H
#define PG_RETAIL_ORDER_RELOAD_H

#include "allocation/sourcing.h"

typedef struct ReloadedOrder
{
	int64 order_id;
	bool has_promise;
	TimestampTz promised_at; /* of the whole order */
	bool is_held;			 /* waits for its payment */
	TimestampTz held_until;	 /* payment due, when is_held */
	SourcingRequest sourcing;
} ReloadedOrder;

/* Units of a line that are to be sourced. */
typedef struct ReloadedUnits
{
	int line_no;
	int64 quantity;
} ReloadedUnits;

extern ReloadedOrder *ReloadOrder(int64 order_id, const ReloadedUnits *units,
								  int n, const char *policy, TimestampTz as_of);

#endif /* PG_RETAIL_ORDER_RELOAD_H */
