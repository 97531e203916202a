/*-------------------------------------------------------------------------
 *
 * online_model.c
 *	  The matcher's model and settings, kept by each backend.
 *
 * A statement trigger on match_model, match_setting, member_source and identifier_type queues
 * a relcache invalidation of the table; at commit it reaches every backend,
 * whose next MemberModelGet() reads anew, by the latest snapshot: what is read
 * outlives the transaction.  A model that was replaced stays in memory until
 * the transaction ends, for whoever is using it.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/online_model.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

static const char *const watched_tables[] = {
	"match_model", "match_setting", "member_source", "identifier_type"};
#define WATCHED ((int) lengthof(watched_tables))

static MemberModel *current_model = NULL;
static volatile bool model_is_stale = true;
static Oid watched_oids[WATCHED];

static void
SettingsInvalidated(Datum arg, Oid relid)
{
	if (relid == InvalidOid)
		model_is_stale = true;
	for (int i = 0; i < WATCHED; i++)
		if (watched_oids[i] == relid)
			model_is_stale = true;
}

/* Registers the callback; called once when the module is loaded. */
void
MemberModelInit(void)
{
	CacheRegisterRelcacheCallback(SettingsInvalidated, (Datum) 0);
}

PG_FUNCTION_INFO_V1(retail_invalidate_member_settings);
Datum
retail_invalidate_member_settings(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	Oid namespace = get_namespace_oid("retail", false);

	for (int i = 0; i < WATCHED; i++)
	{
		if (relid != get_relname_relid(watched_tables[i], namespace))
			continue;
		CacheInvalidateRelcacheByRelid(relid);
		PG_RETURN_VOID();
	}
	ereport(ERROR, errcode(RT_INVALID_ARGUMENT),
			errmsg("not a table of the matcher's settings"),
			errdetail("OID %u is none of the tables that are cached.", relid),
			errhint("Name a table, e.g. 'retail.match_model'::regclass."));
}

static void *
Allocate(void *context, size_t size)
{
	return MemoryContextAllocExtended(context, Max(size, 1),
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

static void
Release(void *context, void *pointer)
{
	pfree(pointer);
}

/* The matcher's memory out of a context. */
MatchMemory
MemberMemory(MemoryContext context)
{
	MatchMemory memory = {Allocate, Release, context};

	return memory;
}

/* Raises an error unless the matcher did what it was asked. */
void
MemberMatchCheck(MatchStatus status, const char *what)
{
	if (status == MATCH_OK)
		return;
	if (status == MATCH_NO_MEMORY)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
				errdetail("Matching accounts failed in step \"%s\".", what));
	elog(ERROR, "matching accounts failed in step \"%s\": %s", what,
		 MatchStatusText(status));
}

/* Reads the active model; false: there is none that can be used. */
static bool
ReadModel(MemberModel *model)
{
	static RetailStatement statement = {
		"SELECT model_id, keyed_through, parameters, ARRAY(SELECT jsonb_array_elements_text(summary -> 'attributes'))"
		" FROM retail.match_model WHERE state = 'active'",
		0,
		{0},
		NULL,
		false};
	bool isnull;
	bytea *bytes;
	MatchStatus status;
	Datum *names;
	int n;

	RetailExecute(&statement, NULL, NULL, true, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	bytes = DatumGetByteaPP(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 3, &isnull));
	status = MatchModelRead(&model->memory, VARDATA_ANY(bytes),
							VARSIZE_ANY_EXHDR(bytes), &model->model);
	if (status == MATCH_BAD_MODEL)
		return false; /* of another version: learned anew by the next run */
	MemberMatchCheck(status, "model");
	deconstruct_array(
		DatumGetArrayTypeP(SPI_getbinval(SPI_tuptable->vals[0],
										 SPI_tuptable->tupdesc, 4, &isnull)),
		TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &n);
	n = Min(n, MATCH_MAX_ATTRIBUTES);
	for (int i = 0; i < n; i++)
		model->attributes[i] =
			MemoryContextStrdup(model->context, TextDatumGetCString(names[i]));
	model->settings->match.n_attributes = n;
	if (!MatchModelFits(model->model, &model->settings->match))
	{
		MatchModelFree(model->model);
		return false;
	}
	model->model_id = (int) RetailCellInt64(0, 1, NULL);
	model->keyed_through = RetailCellInt64(0, 2, NULL);
	return true;
}

static void
LoadModel(MemberModel *model)
{
	Oid namespace = get_namespace_oid("retail", false);

	for (int i = 0; i < WATCHED; i++)
		watched_oids[i] = get_relname_relid(watched_tables[i], namespace);
	model->memory = MemberMemory(model->context);
	model->settings = MemberSettingsLoad(model->context);
	if (ReadModel(model))
		return;
	model->settings->match.n_attributes = 0;
	MemberMatchCheck(MatchModelDefault(&model->memory, &model->settings->match,
									   &model->model),
					 "default model");
}

/* Reads the model into a context of its own, which remembers nobody. */
static MemberModel *
NewModel(void)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "pg_retail member model", ALLOCSET_DEFAULT_SIZES);
	MemberModel *model = MemoryContextAllocZero(context, sizeof(MemberModel));

	model->context = context;
	/* A worker has the snapshot of its leader, and nothing but it. */
	if (IsInParallelMode())
		PushActiveSnapshot(GetActiveSnapshot());
	else
		PushActiveSnapshot(GetLatestSnapshot());
	LoadModel(model);
	PopActiveSnapshot();
	return model;
}

/*
 * Returns the model, inside an SPI connection; it is there until the
 * transaction ends.
 */
const MemberModel *
MemberModelGet(void)
{
	MemberModel *model;

	/* Invalidations of commits before now must have arrived. */
	AcceptInvalidationMessages();
	if (current_model && !model_is_stale)
		return current_model;
	/* What comes while we read makes it stale again. */
	model_is_stale = false;
	PG_TRY()
		;
		{
			model = NewModel();
		}
		PG_CATCH();
		{
			model_is_stale = true;
			PG_RE_THROW();
		}
	PG_END_TRY();
	if (IsInParallelMode())
		model_is_stale = true;
	if (current_model)
		MemoryContextSetParent(current_model->context, TopTransactionContext);
	MemoryContextSetParent(model->context, TopMemoryContext);
	current_model = model;
	return model;
}
