/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  How far a long job is, for whoever looks from another session.
 *
 * The server has no progress reports of extensions, and rows of a transaction
 * that runs are seen by nobody.  So a job tells in pg_stat_activity what it is
 * at, in place of the name of the application, which comes back with the end
 * of the transaction however it ends.  retail_bi.job_progress shows it.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "retail.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/guc.h"

static bool reported = false;

/* Gives the session its name back. */
static void
RestoreName(XactEvent event, void *arg)
{
	if (!reported || event == XACT_EVENT_PRE_COMMIT ||
		event == XACT_EVENT_PRE_PREPARE ||
		event == XACT_EVENT_PARALLEL_PRE_COMMIT)
		return;
	reported = false;
	pgstat_report_appname(application_name ? application_name : "");
}

/* Says which step of a job this session is at, and how far. */
void
RetailReportProgress(const char *job, const char *step, int64 done, int64 total)
{
	static bool registered = false;
	char name[NAMEDATALEN];

	if (!registered)
		RegisterXactCallback(RestoreName, NULL);
	registered = true;
	reported = true;
	snprintf(name, sizeof(name), "pg_retail %s: %s %lld/%lld", job, step,
			 (long long) done, (long long) total);
	pgstat_report_appname(name);
}

/* report_progress(job, step, done, total) */
PG_FUNCTION_INFO_V1(retail_report_progress);
Datum
retail_report_progress(PG_FUNCTION_ARGS)
{
	RetailReportProgress(text_to_cstring(PG_GETARG_TEXT_PP(0)),
						 text_to_cstring(PG_GETARG_TEXT_PP(1)),
						 PG_GETARG_INT64(2), PG_GETARG_INT64(3));
	PG_RETURN_VOID();
}
