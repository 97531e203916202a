/*-------------------------------------------------------------------------
 *
 * inventory.h
 *	  Posting to stock: the one way in which counters and ledger change.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_INVENTORY_H
#define PG_RETAIL_INVENTORY_H

#include "retail.h"

typedef enum StockCounter
{
	STOCK_SELLABLE,
	STOCK_RESERVED,
	STOCK_IN_TRANSIT,
	STOCK_DAMAGED,
	STOCK_QUALITY_HOLD,
	STOCK_N_COUNTERS
} StockCounter;

typedef struct StockPosting
{
	int64 sku_id;
	int64 node_id;
	StockCounter counter;
	int64 quantity; /* signed */
	int64 safety;	/* with a growing STOCK_RESERVED: what must stay
								 * unpromised; -1: not guarded */
} StockPosting;

typedef struct StockCause
{
	const char *reason;
	const char *ref_type; /* NULL: none */
	int64 ref_id;
	TimestampTz occurred_at;
} StockCause;

/* Which row could not promise what was asked; SKU 0: a node's day is full. */
typedef struct StockShortage
{
	int64 sku_id;
	int64 node_id;
	int64 wanted;
	int64 available;
} StockShortage;

extern bool StockPost(StockPosting *postings, int n, const StockCause *cause,
					  StockShortage *shortage);

#endif /* PG_RETAIL_INVENTORY_H */
