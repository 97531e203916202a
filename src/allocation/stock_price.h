/*-------------------------------------------------------------------------
 *
 * stock_price.h
 *	  What a unit is worth where it lies, in the terms of a policy.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_STOCK_PRICE_H
#define PG_RETAIL_STOCK_PRICE_H

#include "allocation/sourcing.h"

extern int64 *
StockValues(const SourcingRequest *request, const CatalogPolicy *policy,
			const SourcingResult *result);

#endif /* PG_RETAIL_STOCK_PRICE_H */
