/*-------------------------------------------------------------------------
 *
 * ledger.h
 *	  What orders that are decided together take from each other before any
 *	  of it is written.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_LEDGER_H
#define PG_RETAIL_LEDGER_H

#include "allocation/sourcing.h"

extern SourcingLedger *LedgerCreate(void);
extern void LedgerPost(SourcingLedger *ledger, const SourcingRequest *request,
					   const SourcingResult *result, int sign);
extern void LedgerApply(SourcingLedger *ledger, const SourcingRequest *request,
						SourcingResult *result);
extern int LedgerParcels(SourcingLedger *ledger, const CatalogNode *node,
						 TimestampTz departure);

#endif /* PG_RETAIL_LEDGER_H */
