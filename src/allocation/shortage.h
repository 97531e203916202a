/*-------------------------------------------------------------------------
 *
 * shortage.h
 *	  Orders of which not everything is there.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */

#ifndef PG_RETAIL_SHORTAGE_H
#define PG_RETAIL_SHORTAGE_H

#include "allocation/sourcing.h"

/* What becomes of units that cannot be allocated. */
typedef enum ShortageRule
{
	SHORTAGE_REFUSE,
	SHORTAGE_PARTIAL,  /* they are cancelled */
	SHORTAGE_BACKORDER /* they wait */
} ShortageRule;

extern void SourceWithRule(const SourcingRequest *request, ShortageRule rule,
						   bool read_only, SourcingResult *result);
extern bool AnyMissing(const SourcingRequest *request);

#endif /* PG_RETAIL_SHORTAGE_H */
