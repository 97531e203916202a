/*-------------------------------------------------------------------------
 *
 * backorder.h
 *	  What becomes of the units of an order that are not there.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_BACKORDER_H
#define PG_RETAIL_BACKORDER_H

#include "sales/order_writer.h"

extern void SettleShortage(Placement *p);
extern void QuoteShortage(Placement *p);

#endif /* PG_RETAIL_BACKORDER_H */
