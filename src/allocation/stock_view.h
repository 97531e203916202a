/*-------------------------------------------------------------------------
 *
 * stock_view.h
 *	  What each node may promise of the SKUs of an order.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */

#ifndef PG_RETAIL_STOCK_VIEW_H
#define PG_RETAIL_STOCK_VIEW_H

#include "allocation/sourcing.h"

/* Stock of one SKU at one node, as read. */
typedef struct StockCell
{
	int line;
	int candidate; /* -1: the node is no candidate */
	int64 node_id;
	int64 available; /* before safety stock */
	int64 safety;
	bool own_safety; /* the channel's own figure */
} StockCell;

typedef struct StockView
{
	StockCell *cells; /* by node, then SKU */
	int n_cells;
	bool saw_expired; /* due holds count as available */
	bool from_cache;  /* it may be a little behind the table */
} StockView;

extern void
ReadStockView(const SourcingRequest *request, bool read_only, StockView *view);
extern void KeepForBackorders(const SourcingRequest *request, bool read_only,
							  StockView *view);

#endif /* PG_RETAIL_STOCK_VIEW_H */
