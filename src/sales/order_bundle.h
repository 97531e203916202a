/*-------------------------------------------------------------------------
 *
 * order_bundle.h
 *	  Bundles of an order: their components, their price, what goes together.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_ORDER_BUNDLE_H
#define PG_RETAIL_ORDER_BUNDLE_H

#include "sales/order_request.h"

extern void AddBundle(OrderRequest *order, const OrderBundle *bundle);
extern void ExpandBundles(OrderRequest *order, bool read_only);
extern void RegroupLines(SourcingRequest *sourcing, int64 order_id);
extern void WriteOrderBundles(const OrderRequest *order, int64 order_id);

#endif /* PG_RETAIL_ORDER_BUNDLE_H */
