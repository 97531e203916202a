/*-------------------------------------------------------------------------
 *
 * shadow.h
 *	  Recording what shadow policies would have decided.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_SHADOW_H
#define PG_RETAIL_SHADOW_H

#include "allocation/sourcing.h"

extern bool HasShadows(const SourcingRequest *request);
extern void
RecordShadows(const int64 *order_ids, const SourcingRequest *const *requests,
			  const SourcingResult *const *results, int n);

#endif /* PG_RETAIL_SHADOW_H */
