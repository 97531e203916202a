/*-------------------------------------------------------------------------
 *
 * resolution.c
 *	  Who is who among all accounts: from tables to tables.
 *
 * Reads accounts and identifiers (resolution_read.c), learns a model or takes
 * the active one (resolution_model.c), lets the matcher resolve (match.h), and
 * writes what is different from before (resolution_write.c): all in the
 * caller's transaction, under the caller's advisory lock.  The matcher's
 * memory is a context of ours; its threads live inside its calls only, so an
 * error can be raised as soon as a call has returned.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/resolution.h"

#include <time.h>
#include <unistd.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* Microseconds between two progress reports. */
#define TELL_EVERY 200000
#define MAX_THREADS 8

int retail_resolution_threads = 0;

/* ---- what the matcher asks for ---- */

static void *
Allocate(void *context, size_t size)
{
	return MemoryContextAllocExtended(context, Max(size, 1),
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

static void
Release(void *context, void *pointer)
{
	(void) context;
	pfree(pointer);
}

/* Tells how far the matcher is; true when the query was cancelled. */
static bool
Progress(void *context, const char *stage, double done)
{
	Resolution *resolution = context;

	(void) stage;
	ResolutionTell(resolution, (int64) (done * 100), 100);
	return QueryCancelPending || ProcDiePending;
}

/* ---- a run ---- */

/* Begins a step of the job. */
void
ResolutionStep(Resolution *resolution, const char *step)
{
	CHECK_FOR_INTERRUPTS();
	ereport(DEBUG1,
			errmsg_internal("resolution: %s (%.2f s of processors)", step,
							(double) clock() / CLOCKS_PER_SEC));
	resolution->step = step;
	resolution->reported_at = 0;
	ResolutionTell(resolution, 0, 0);
}

/* Tells how far the step is, some times a second. */
void
ResolutionTell(Resolution *resolution, int64 done, int64 total)
{
	TimestampTz now = GetCurrentTimestamp();

	if (now - resolution->reported_at < TELL_EVERY)
		return;
	resolution->reported_at = now;
	RetailReportProgress(RESOLUTION_JOB, resolution->step, done,
						 Max(total, done));
}

/* Raises what the matcher returned, unless all is well. */
void
ResolutionCheck(Resolution *resolution, MatchStatus status, const char *what)
{
	(void) resolution;
	if (status == MATCH_OK)
		return;
	CHECK_FOR_INTERRUPTS();
	if (status == MATCH_INTERRUPTED)
		ereport(ERROR, errcode(ERRCODE_QUERY_CANCELED),
				errmsg("canceling statement due to user request"));
	if (status == MATCH_NO_MEMORY)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
				errdetail("Failed to %s.", what));
	elog(ERROR, "could not %s: %s", what, MatchStatusText(status));
}

/* Prepares a run inside an SPI connection. */
Resolution *
ResolutionBegin(TimestampTz as_of)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "pg_retail resolution", ALLOCSET_DEFAULT_SIZES);
	Resolution *resolution =
		MemoryContextAllocZero(context, sizeof(Resolution));
	int threads = retail_resolution_threads;

	/* Keys of accounts that the snapshot does not show would be lost. */
	if (IsolationUsesXactSnapshot())
		ereport(
			ERROR, errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			errmsg("all accounts cannot be resolved by an old snapshot"),
			errdetail("The transaction does not see what came since it began."),
			errhint("Use the isolation level READ COMMITTED."));
	if (threads <= 0)
		threads = (int) Min(sysconf(_SC_NPROCESSORS_ONLN), MAX_THREADS);
	resolution->context = context;
	resolution->as_of = as_of;
	resolution->threads = Max(threads, 1);
	resolution->memory = (MatchMemory){Allocate, Release, context};
	resolution->run = (MatchRun){resolution->threads, Progress, resolution};
	resolution->step = "begin";
	resolution->settings = MemberSettingsLoad(context);
	return resolution;
}

void
ResolutionEnd(Resolution *resolution)
{
	MemoryContextDelete(resolution->context);
}

/* Reads the constraints that people set. */
static MatchConstraint *
ReadConstraints(Resolution *resolution, int64 *n)
{
	static RetailStatement statement = {
		"SELECT account_a, account_b, kind = 'must_link' FROM retail.match_constraint ORDER BY 1, 2",
		0,
		{0},
		NULL,
		false};
	MatchConstraint *constraints;

	RetailExecute(&statement, NULL, NULL, false, SPI_OK_SELECT);
	*n = (int64) SPI_processed;
	constraints = MemoryContextAllocHuge(resolution->context,
										 sizeof(MatchConstraint) * Max(*n, 1));
	for (int64 i = 0; i < *n; i++)
		constraints[i] = (MatchConstraint){RetailCellInt64(i, 1, NULL),
										   RetailCellInt64(i, 2, NULL),
										   RetailCellBool(i, 3)};
	return constraints;
}

/* Resolves the records that were read. */
static void
Resolve(Resolution *resolution, bool learn)
{
	int64 n_constraints;
	MatchConstraint *constraints;

	ResolutionStep(resolution, "prepare");
	ResolutionCheck(resolution,
					MatchPrepare(resolution->records, &resolution->run),
					"prepare");
	if (learn || resolution->model == NULL)
		ResolutionLearnModel(resolution);
	ResolutionStep(resolution, "bind");
	ResolutionCheck(
		resolution,
		MatchBind(resolution->records, resolution->model, &resolution->run),
		"bind");
	constraints = ReadConstraints(resolution, &n_constraints);
	ResolutionStep(resolution, "resolve");
	ResolutionCheck(resolution,
					MatchResolve(resolution->records, constraints,
								 n_constraints, &resolution->run,
								 &resolution->result),
					"resolve");
}

/*
 * resolve_accounts(as_of, learn, keys): (accounts, members, model_id, learned,
 * merged, split, reviews_opened, reviews_closed, exceptions, keys)
 */
PG_FUNCTION_INFO_V1(retail_resolve_accounts);
Datum
retail_resolve_accounts(PG_FUNCTION_ARGS)
{
	TimestampTz as_of = PG_GETARG_TIMESTAMPTZ(0);
	bool learn = PG_GETARG_BOOL(1);
	TupleDesc desc;
	bool keys = PG_GETARG_BOOL(2);
	Datum values[10];
	bool nulls[10] = {false};
	Resolution *resolution;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	SPI_connect();
	resolution = ResolutionBegin(as_of);
	learn = !ResolutionLoadModel(resolution) || learn;
	ResolutionReadAccounts(resolution);
	values[0] = Int64GetDatum(resolution->n_records);
	if (resolution->n_records > 0)
	{
		Resolve(resolution, learn);
		ResolutionWrite(resolution);
		if (keys)
			ResolutionWriteKeys(resolution);
		values[1] = Int64GetDatum(resolution->result->statistics.clusters);
		ResolutionStep(resolution, "done");
	}
	else
		values[1] = Int64GetDatum(0);
	nulls[2] = resolution->model_id == 0;
	values[2] = Int32GetDatum((int32) resolution->model_id);
	values[3] = BoolGetDatum(learn && resolution->n_records > 0);
	values[4] = Int64GetDatum(resolution->merged);
	values[5] = Int64GetDatum(resolution->split);
	values[6] = Int64GetDatum(resolution->reviews_opened);
	values[7] = Int64GetDatum(resolution->reviews_closed);
	values[8] = Int64GetDatum(resolution->exceptions);
	values[9] = Int64GetDatum(resolution->keys);
	ResolutionEnd(resolution);
	SPI_finish();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* write_match_keys(as_of): how many keys of how many accounts */
PG_FUNCTION_INFO_V1(retail_write_match_keys);
Datum
retail_write_match_keys(PG_FUNCTION_ARGS)
{
	Resolution *resolution;
	int64 keys;

	SPI_connect();
	resolution = ResolutionBegin(PG_GETARG_TIMESTAMPTZ(0));
	if (!ResolutionLoadModel(resolution))
		ereport(ERROR, errcode(RT_UNKNOWN_OBJECT),
				errmsg("no model of accounts is active"),
				errdetail("Keys are made by the model that run_resolution() "
						  "learns from the accounts."),
				errhint("Call retail.run_resolution(), which makes them too."));
	ResolutionReadAccounts(resolution);
	ResolutionStep(resolution, "prepare");
	ResolutionCheck(resolution,
					MatchPrepare(resolution->records, &resolution->run),
					"prepare");
	ResolutionCheck(
		resolution,
		MatchBind(resolution->records, resolution->model, &resolution->run),
		"bind");
	ResolutionWriteKeys(resolution);
	keys = resolution->keys;
	ResolutionEnd(resolution);
	SPI_finish();
	PG_RETURN_INT64(keys);
}
