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

/* Counts the parcels of a node that are written, on the day of a departure. */
typedef int64 (*CountFunction)(const CatalogNode *node, TimestampTz departure,
							   bool latest);

extern SourcingLedger *LedgerCreate(void);
extern void LedgerPost(SourcingLedger *ledger, const SourcingRequest *request,
					   const SourcingResult *result, int sign);
extern void LedgerApply(SourcingLedger *ledger, const SourcingRequest *request,
						SourcingResult *result);
extern int64 LedgerPlanned(SourcingLedger *ledger, const CatalogNode *node,
						   TimestampTz departure);
extern int64
LedgerWritten(SourcingLedger *ledger, const CatalogNode *node,
			  TimestampTz departure, CountFunction count, bool latest);
extern bool
LedgerSeesDue(SourcingLedger *ledger, Datum as_of, bool (*ask)(Datum as_of));
extern void LedgerRecount(SourcingLedger *ledger);
extern bool LedgerDeparture(SourcingLedger *ledger, const CatalogNode *node,
							TimestampTz as_of, TimestampTz *departure);

#endif /* PG_RETAIL_LEDGER_H */
