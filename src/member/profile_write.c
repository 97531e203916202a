/*-------------------------------------------------------------------------
 *
 * profile_write.c
 *	  retail.make_profiles(): makes the profiles of everybody or of some and
 *	  writes those that are another than before.
 *
 * Everybody is made twice when the figures of the population are fitted: once
 * for what these are made of, once to be judged by them.  To keep a million
 * profiles in between would cost more than to make them again.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/profile_run.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define BATCH 2000
#define MAX_CENTS 99999999999999.0

#define ROW_TYPE                                                                                           \
	"member_id bigint, accounts int, registered_at timestamptz, completeness real, "                       \
	"phone_verified boolean, email_verified boolean, consent text[], orders int, purchase_days int, "      \
	"monetary numeric, first_purchase_at timestamptz, last_purchase_at timestamptz, "                      \
	"recency_score smallint, frequency_score smallint, monetary_score smallint, stage text, "              \
	"next_change_at timestamptz, preferred_channel_id bigint, preferred_node_id bigint, "                  \
	"preferred_hour smallint, region_id bigint, events bigint, last_event_at timestamptz, "                \
	"affinity_category bigint[], affinity_score float8[], affinity_bought real[], alive real, "            \
	"expected_orders real, expected_value numeric, lifetime_value numeric, next_purchase_at timestamptz, " \
	"next_purchase_from timestamptz, next_purchase_to timestamptz"
#define COLUMNS                                                                                        \
	"accounts, registered_at, completeness, phone_verified, email_verified, consent, orders, "         \
	"purchase_days, monetary, first_purchase_at, last_purchase_at, recency_score, frequency_score, "   \
	"monetary_score, stage, next_change_at, preferred_channel_id, preferred_node_id, preferred_hour, " \
	"region_id, events, last_event_at, affinity_category, affinity_score, affinity_bought, alive, "    \
	"expected_orders, expected_value, lifetime_value, next_purchase_at, next_purchase_from, "          \
	"next_purchase_to"
#define NEW_COLUMNS                                                                                        \
	"r.accounts, r.registered_at, r.completeness, r.phone_verified, r.email_verified, r.consent, "         \
	"r.orders, r.purchase_days, r.monetary, r.first_purchase_at, r.last_purchase_at, r.recency_score, "    \
	"r.frequency_score, r.monetary_score, r.stage, r.next_change_at, r.preferred_channel_id, "             \
	"r.preferred_node_id, r.preferred_hour, r.region_id, r.events, r.last_event_at, r.affinity_category, " \
	"r.affinity_score, r.affinity_bought, r.alive, r.expected_orders, r.expected_value, "                  \
	"r.lifetime_value, r.next_purchase_at, r.next_purchase_from, r.next_purchase_to"
#define OLD_COLUMNS                                                                                        \
	"p.accounts, p.registered_at, p.completeness, p.phone_verified, p.email_verified, p.consent, "         \
	"p.orders, p.purchase_days, p.monetary, p.first_purchase_at, p.last_purchase_at, p.recency_score, "    \
	"p.frequency_score, p.monetary_score, p.stage, p.next_change_at, p.preferred_channel_id, "             \
	"p.preferred_node_id, p.preferred_hour, p.region_id, p.events, p.last_event_at, p.affinity_category, " \
	"p.affinity_score, p.affinity_bought, p.alive, p.expected_orders, p.expected_value, "                  \
	"p.lifetime_value, p.next_purchase_at, p.next_purchase_from, p.next_purchase_to"

typedef enum Column
{
	COLUMN_MEMBER_ID,
	COLUMN_ACCOUNTS,
	COLUMN_REGISTERED_AT,
	COLUMN_COMPLETENESS,
	COLUMN_PHONE_VERIFIED,
	COLUMN_EMAIL_VERIFIED,
	COLUMN_CONSENT,
	COLUMN_ORDERS,
	COLUMN_PURCHASE_DAYS,
	COLUMN_MONETARY,
	COLUMN_FIRST_PURCHASE_AT,
	COLUMN_LAST_PURCHASE_AT,
	COLUMN_RECENCY_SCORE,
	COLUMN_FREQUENCY_SCORE,
	COLUMN_MONETARY_SCORE,
	COLUMN_STAGE,
	COLUMN_NEXT_CHANGE_AT,
	COLUMN_PREFERRED_CHANNEL_ID,
	COLUMN_PREFERRED_NODE_ID,
	COLUMN_PREFERRED_HOUR,
	COLUMN_REGION_ID,
	COLUMN_EVENTS,
	COLUMN_LAST_EVENT_AT,
	COLUMN_AFFINITY_CATEGORY,
	COLUMN_AFFINITY_SCORE,
	COLUMN_AFFINITY_BOUGHT,
	COLUMN_ALIVE,
	COLUMN_EXPECTED_ORDERS,
	COLUMN_EXPECTED_VALUE,
	COLUMN_LIFETIME_VALUE,
	COLUMN_NEXT_PURCHASE_AT,
	COLUMN_NEXT_PURCHASE_FROM,
	COLUMN_NEXT_PURCHASE_TO,
	N_COLUMNS
} Column;

static RetailRowShape row_shape = {
	N_COLUMNS, {INT8OID,		INT4OID,		TIMESTAMPTZOID, FLOAT4OID,
				BOOLOID,		BOOLOID,		TEXTARRAYOID,	INT4OID,
				INT4OID,		NUMERICOID,		TIMESTAMPTZOID, TIMESTAMPTZOID,
				INT2OID,		INT2OID,		INT2OID,		TEXTOID,
				TIMESTAMPTZOID, INT8OID,		INT8OID,		INT2OID,
				INT8OID,		INT8OID,		TIMESTAMPTZOID, INT8ARRAYOID,
				FLOAT8ARRAYOID, FLOAT4ARRAYOID, FLOAT4OID,		FLOAT4OID,
				NUMERICOID,		NUMERICOID,		TIMESTAMPTZOID, TIMESTAMPTZOID,
				TIMESTAMPTZOID}};

/* Rows that are as they were are not written. */
static RetailStatement write_rows = {
	"WITH r AS MATERIALIZED (SELECT * FROM unnest($1) AS r (" ROW_TYPE
	")), changed AS ("
	"UPDATE retail.member_profile p SET (" COLUMNS
	", updated_at) = ROW (" NEW_COLUMNS ", $2) FROM r"
	" WHERE p.member_id = r.member_id AND ROW (" OLD_COLUMNS
	") IS DISTINCT FROM ROW (" NEW_COLUMNS ") RETURNING 1), added AS ("
	"INSERT INTO retail.member_profile (member_id, " COLUMNS
	", updated_at) SELECT r.member_id, " NEW_COLUMNS ", $2 FROM r"
	" WHERE NOT EXISTS (SELECT FROM retail.member_profile p WHERE p.member_id = r.member_id) ORDER BY r.member_id ON CONFLICT (member_id) DO NOTHING RETURNING 1)"
	" SELECT (SELECT count(*) FROM changed), (SELECT count(*) FROM added)",
	2,
	{RECORDARRAYOID, TIMESTAMPTZOID},
	NULL,
	true};

/* Whose number is no person's any more. */
#define GONE                                                                                                 \
	"NOT EXISTS (SELECT FROM retail.account a LEFT JOIN retail.member_link l ON l.account_id = a.account_id" \
	" WHERE a.account_id = p.member_id AND a.erased_at IS NULL AND l.account_id IS NULL)"
static RetailStatement remove_rows[2] = {
	{"DELETE FROM retail.member_profile p WHERE " GONE, 0, {0}},
	{"DELETE FROM retail.member_profile p WHERE p.member_id = ANY ($1) AND " GONE,
	 1,
	 {INT8ARRAYOID},
	 NULL,
	 true}};

static int
CompareTexts(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/*
 * What a person agreed to and no account of it refused; who refused one
 * channel did not agree to any.
 */
static Datum
ConsentDatum(const ProfileRun *run, const ProfilePerson *person)
{
	char *granted[MAX_CONSENTS] = {NULL};
	int n = 0;

	for (int i = 0; i < run->n_consents; i++)
	{
		const ProfileConsent *consent = &run->consents[i];
		bool any = strcmp(consent->channel, "any") == 0;
		bool agreed = (person->told & person->granted & ~person->denied &
					   ~person->not_all) >>
				i &
			1;

		for (int k = 0; k < run->n_consents && agreed && any; k++)
			agreed = (person->denied >> k & 1) == 0 ||
				strcmp(consent->purpose, run->consents[k].purpose) != 0;
		if (agreed)
			granted[n++] =
				psprintf("%s/%s", consent->purpose, consent->channel);
	}
	qsort(granted, n, sizeof(char *), CompareTexts);
	return RetailTextArray(granted, n);
}

/* Fills in a column; a condition that is false leaves it null. */
#define SET(column, condition, datum) \
	do                                \
	{                                 \
		nulls[column] = !(condition); \
		if (condition)                \
			values[column] = (datum); \
	} while (0)

static Datum
CentsDatum(double units)
{
	return RetailCentsToNumeric(
		(int64) rint(fmin(fmax(units * 100, 0), MAX_CENTS)));
}

static void
SetAffinities(const Profile *profile, Datum *values, bool *nulls)
{
	Datum categories[PROFILE_AFFINITIES];
	Datum scores[PROFILE_AFFINITIES];
	Datum bought[PROFILE_AFFINITIES];
	int n = profile->n_affinities;

	for (int i = 0; i < n; i++)
	{
		categories[i] = Int64GetDatum(profile->affinities[i].category_id);
		scores[i] = Float8GetDatum(profile->affinities[i].score);
		bought[i] = Float4GetDatum((float) profile->affinities[i].bought);
	}
	SET(COLUMN_AFFINITY_CATEGORY, true,
		PointerGetDatum(construct_array(categories, n, INT8OID, 8,
										FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)));
	SET(COLUMN_AFFINITY_SCORE, true,
		PointerGetDatum(construct_array(scores, n, FLOAT8OID, 8,
										FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)));
	SET(COLUMN_AFFINITY_BOUGHT, true,
		PointerGetDatum(
			construct_array(bought, n, FLOAT4OID, 4, true, TYPALIGN_INT)));
}

static void
SetPurchases(const Profile *profile, Datum *values, bool *nulls)
{
	bool bought = profile->last_purchase_at != PROFILE_NEVER;

	SET(COLUMN_ORDERS, true, Int32GetDatum(profile->orders));
	SET(COLUMN_PURCHASE_DAYS, true, Int32GetDatum(profile->days));
	SET(COLUMN_MONETARY, true, RetailCentsToNumeric(profile->cents));
	SET(COLUMN_FIRST_PURCHASE_AT, bought,
		TimestampTzGetDatum(profile->first_purchase_at));
	SET(COLUMN_LAST_PURCHASE_AT, bought,
		TimestampTzGetDatum(profile->last_purchase_at));
	SET(COLUMN_RECENCY_SCORE, profile->recency_score > 0,
		Int16GetDatum((int16) profile->recency_score));
	SET(COLUMN_FREQUENCY_SCORE, profile->frequency_score > 0,
		Int16GetDatum((int16) profile->frequency_score));
	SET(COLUMN_MONETARY_SCORE, profile->monetary_score > 0,
		Int16GetDatum((int16) profile->monetary_score));
	SET(COLUMN_PREFERRED_CHANNEL_ID, profile->channel_id != 0,
		Int64GetDatum(profile->channel_id));
	SET(COLUMN_PREFERRED_NODE_ID, profile->node_id != 0,
		Int64GetDatum(profile->node_id));
	SET(COLUMN_PREFERRED_HOUR, profile->hour >= 0,
		Int16GetDatum((int16) profile->hour));
	SET(COLUMN_REGION_ID, profile->region_id != 0,
		Int64GetDatum(profile->region_id));
}

static void
SetPredictions(const Profile *profile, Datum *values, bool *nulls)
{
	bool both = profile->expected_orders >= 0 && profile->expected_value >= 0;

	SET(COLUMN_ALIVE, profile->alive >= 0,
		Float4GetDatum((float) profile->alive));
	SET(COLUMN_EXPECTED_ORDERS, profile->expected_orders >= 0,
		Float4GetDatum((float) profile->expected_orders));
	SET(COLUMN_EXPECTED_VALUE, profile->expected_value >= 0,
		CentsDatum(profile->expected_value));
	SET(COLUMN_LIFETIME_VALUE, both,
		CentsDatum(profile->expected_orders * profile->expected_value));
	SET(COLUMN_NEXT_PURCHASE_AT, profile->has_next,
		TimestampTzGetDatum(profile->next_due));
	SET(COLUMN_NEXT_PURCHASE_FROM, profile->has_next,
		TimestampTzGetDatum(profile->next_from));
	SET(COLUMN_NEXT_PURCHASE_TO, profile->has_next,
		TimestampTzGetDatum(profile->next_to));
}

/* Makes the row of a person. */
static Datum
MakeRow(ProfileRun *run, size_t index)
{
	const ProfilePerson *person = &run->people[index];
	Profile profile;
	Datum values[N_COLUMNS];
	bool nulls[N_COLUMNS];

	ProfileOfPerson(run, index, &profile);
	ProfileJudge(&profile, &run->population);
	SET(COLUMN_MEMBER_ID, true, Int64GetDatum(person->member_id));
	SET(COLUMN_ACCOUNTS, true, Int32GetDatum(person->accounts));
	SET(COLUMN_REGISTERED_AT, true, TimestampTzGetDatum(person->registered_at));
	SET(COLUMN_COMPLETENESS, true,
		Float4GetDatum((float) __builtin_popcount(person->known & KNOWS_ALL) /
					   7));
	SET(COLUMN_PHONE_VERIFIED, true,
		BoolGetDatum((person->known & VERIFIED_PHONE) != 0));
	SET(COLUMN_EMAIL_VERIFIED, true,
		BoolGetDatum((person->known & VERIFIED_EMAIL) != 0));
	SET(COLUMN_CONSENT, true, ConsentDatum(run, person));
	SET(COLUMN_STAGE, true, CStringGetTextDatum(run->stages[profile.stage]));
	SET(COLUMN_NEXT_CHANGE_AT, profile.next_change_at != PROFILE_NEVER,
		TimestampTzGetDatum(profile.next_change_at));
	SET(COLUMN_EVENTS, true, Int64GetDatum(person->events));
	SET(COLUMN_LAST_EVENT_AT, person->last_event_at != PROFILE_NEVER,
		TimestampTzGetDatum(person->last_event_at));
	SetPurchases(&profile, values, nulls);
	SetAffinities(&profile, values, nulls);
	SetPredictions(&profile, values, nulls);
	return RetailRow(&row_shape, values, nulls);
}

/* Writes the profiles, so many at a time. */
void
ProfileWriteAll(ProfileRun *run)
{
	MemoryContext context = AllocSetContextCreate(
		run->context, "pg_retail profile rows", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int level = ProfileByIndex();

	for (size_t begin = 0; begin < run->n_people; begin += BATCH)
	{
		int n = (int) Min(BATCH, run->n_people - begin);
		Datum *rows = palloc(sizeof(Datum) * n);
		Datum values[2];

		RetailReportProgress(PROFILE_JOB, "write", (int64) begin,
							 (int64) run->n_people);
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
			rows[i] = MakeRow(run, begin + i);
		values[0] = RetailRowArray(rows, n);
		values[1] = TimestampTzGetDatum(run->as_of);
		RetailExecute(&write_rows, values, NULL, false, SPI_OK_SELECT);
		run->changed += RetailCellInt64(0, 1, NULL);
		run->added += RetailCellInt64(0, 2, NULL);
		SPI_freetuptable(SPI_tuptable);
		MemoryContextReset(context);
	}
	AtEOXact_GUC(true, level);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Removes rows of numbers that are no person's, among those asked for. */
static void
RemoveGone(ProfileRun *run, Datum asked)
{
	RetailExecute(&remove_rows[!run->all], &asked, NULL, false, SPI_OK_DELETE);
	run->removed = (int64) SPI_processed;
}

/* Reads everything by one snapshot, then writes. */
static void
MakeProfiles(ProfileRun *run, Datum asked)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	ProfileReadSettings(run);
	ProfileReadFacts(run);
	if (!run->refit)
		ProfileReadPopulation(run);
	PopActiveSnapshot();
	if (run->refit)
		ProfileFitPopulation(run);
	ProfileWriteAll(run);
	RemoveGone(run, asked);
	if (run->refit)
		ProfileWriteStatistics(run);
}

/* make_profiles(members, as_of, refit) */
PG_FUNCTION_INFO_V1(retail_make_profiles);
Datum
retail_make_profiles(PG_FUNCTION_ARGS)
{
	ProfileRun run;
	TupleDesc desc;
	Datum values[4];
	bool nulls[4] = {false};
	Datum asked;
	MemoryContext old;

	memset(&run, 0, sizeof(run));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "make_profiles() returns a row");
	desc = BlessTupleDesc(desc);
	run.all = PG_ARGISNULL(0);
	run.as_of = PG_GETARG_TIMESTAMPTZ(1);
	run.refit = run.all && PG_GETARG_BOOL(2);
	SPI_connect();
	run.context = AllocSetContextCreate(
		CurrentMemoryContext, "pg_retail profiles", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(run.context);
	run.members = RetailInt64ArrayArgument(fcinfo, 0, &run.n_members);
	asked = RetailInt64Array(run.members, run.n_members);
	MakeProfiles(&run, asked);
	MemoryContextSwitchTo(old);
	values[0] = Int64GetDatum((int64) run.n_people);
	values[1] = Int64GetDatum(run.changed);
	values[2] = Int64GetDatum(run.added);
	values[3] = Int64GetDatum(run.removed);
	MemoryContextDelete(run.context);
	SPI_finish();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
