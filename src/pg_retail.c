/*-------------------------------------------------------------------------
 *
 * pg_retail.c
 *	  Module load: settings, and the background worker when preloaded.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "retail.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "allocation/day_counter.h"
#include "allocation/solver.h"
#include "catalog/cache.h"
#include "compat.h"
#include "foundation/table_writer.h"
#include "inventory/stock_cache.h"
#include "member/online_model.h"
#include "member/resolution.h"
#include "worker/worker.h"

#ifndef PG_RETAIL_VERSION
#define PG_RETAIL_VERSION "unknown"
#endif

RETAIL_MODULE_MAGIC(PG_RETAIL_VERSION);

int retail_max_order_lines = 200;
int retail_region_reach_km = 1000;

void _PG_init(void);

/* Defines the settings and starts what runs at server start. */
void
_PG_init(void)
{
	DefineCustomIntVariable("pg_retail.max_order_lines",
							"Most lines an order may have.", NULL,
							&retail_max_order_lines, 200, 1, SOLVER_MAX_LINES,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"pg_retail.region_reach_km",
		"How far a destination may lie from the region that its coordinates are taken for.",
		NULL, &retail_region_reach_km, 1000, 1, 20100, PGC_SUSET, 0, NULL, NULL,
		NULL);
	DefineCustomBoolVariable(
		"pg_retail.direct_writes",
		"Write orders and stock straight into their tables.",
		"When off, or where a table is more than a plain one, statements write them.",
		&retail_direct_writes, true, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"pg_retail.resolution_threads",
		"Threads by which run_resolution() folds and compares accounts.",
		"0: one a processor, at most 8.", &retail_resolution_threads, 0, 0, 16,
		PGC_SUSET, 0, NULL, NULL, NULL);
	RetailTableInit();
	StockCacheInit();
	DayCountersInit();
	RetailWorkerInit();
	MarkGUCPrefixReserved("pg_retail");
	RetailCatalogInit();
	MemberModelInit();
}

PG_FUNCTION_INFO_V1(retail_version);
Datum
retail_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(PG_RETAIL_VERSION));
}
