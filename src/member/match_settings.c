/*-------------------------------------------------------------------------
 *
 * match_settings.c
 *	  Thresholds, sources and identifier types of the tables, as the matcher wants them.
 *
 * Online and batch read them here, in one order, so that they agree.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/match_settings.h"

#include "utils/memutils.h"

#define UNIX_EPOCH_DAYS 10957 /* from 1970 to PostgreSQL's 2000 */

/* The day of a time since 1970, UTC; infinities are always. */
int32
MemberDay(TimestampTz time)
{
	int64 day;

	if (TIMESTAMP_IS_NOBEGIN(time))
		return MATCH_ALWAYS_FROM;
	if (TIMESTAMP_IS_NOEND(time))
		return MATCH_ALWAYS_TO;
	day = time / USECS_PER_DAY;
	if (time % USECS_PER_DAY < 0)
		day--;
	return (int32) (day + UNIX_EPOCH_DAYS);
}

/* How the values of a type are made comparable, by its column normaliser. */
NormaliseKind
MemberValueKind(const char *type, const char *normaliser)
{
	NormaliseKind named = NormaliseKindOf(type);

	if (strcmp(normaliser, "phone") == 0)
		return NORMALISE_KIND_PHONE;
	if (strcmp(normaliser, "email") == 0)
		return NORMALISE_KIND_EMAIL;
	if (strcmp(normaliser, "digits") == 0)
		return NORMALISE_KIND_CARD;
	if (strcmp(normaliser, "folded") == 0)
		return named == NORMALISE_KIND_CARD ? NORMALISE_KIND_CARD
											: NORMALISE_KIND_DEVICE;
	if (strcmp(normaliser, "hash") == 0)
		return NORMALISE_KIND_NATIONAL;
	return NORMALISE_KIND_OPAQUE;
}

static MatchKind
CompareAs(NormaliseKind kind)
{
	switch (kind)
	{
		case NORMALISE_KIND_PHONE:
			return MATCH_KIND_PHONE;
		case NORMALISE_KIND_EMAIL:
			return MATCH_KIND_EMAIL;
		case NORMALISE_KIND_CARD:
			return MATCH_KIND_NUMBER;
		default:
			return MATCH_KIND_EXACT;
	}
}

static void
LoadTypes(MemberSettings *settings, MemoryContext context)
{
	static RetailStatement statement = {
		"SELECT type, normaliser, is_unique, merges, max_per_member, max_members, idle_days"
		" FROM retail.identifier_type ORDER BY type COLLATE \"C\" LIMIT 32",
		0,
		{0},
		NULL,
		false};
	MatchType *types;
	int n;

	RetailExecute(&statement, NULL, NULL, true, SPI_OK_SELECT);
	n = (int) SPI_processed;
	types = MemoryContextAllocZero(context, sizeof(MatchType) * Max(n, 1));
	settings->types =
		MemoryContextAllocZero(context, sizeof(MemberType) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		MemberType *type = &settings->types[i];
		char *normaliser = RetailCellText(i, 2);
		bool isnull;
		int64 idle;

		type->name = MemoryContextStrdup(context, RetailCellText(i, 1));
		type->kind = MemberValueKind(type->name, normaliser);
		type->hashed = strcmp(normaliser, "hash") == 0;
		types[i].code = (int64) NormaliseHash(type->name, strlen(type->name));
		types[i].kind = CompareAs(type->kind);
		types[i].single = RetailCellBool(i, 3);
		types[i].unique = RetailCellBool(i, 4);
		types[i].max_values = (int) RetailCellInt64(i, 5, NULL);
		types[i].max_members = (int) RetailCellInt64(i, 6, NULL);
		idle = RetailCellInt64(i, 7, &isnull);
		if (!isnull && type->kind == NORMALISE_KIND_PHONE)
			settings->match.idle_days = (int) idle;
	}
	settings->match.n_types = n;
	settings->match.types = types;
}

static void
LoadSources(MemberSettings *settings, MemoryContext context)
{
	static RetailStatement statement = {
		"SELECT source_id, country, deduplicated::int, code"
		" FROM retail.member_source ORDER BY source_id LIMIT 4096",
		0,
		{0},
		NULL,
		false};
	MatchSource *sources;
	int n;

	RetailExecute(&statement, NULL, NULL, true, SPI_OK_SELECT);
	n = (int) SPI_processed;
	sources = MemoryContextAllocZero(context, sizeof(MatchSource) * Max(n, 1));
	settings->sources =
		MemoryContextAllocZero(context, sizeof(MemberSource) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		bool unknown;
		int64 deduplicated = RetailCellInt64(i, 3, &unknown);

		sources[i].code = RetailCellInt64(i, 1, NULL);
		sources[i].deduplicated = unknown ? MATCH_DEDUPLICATED_UNKNOWN
			: deduplicated				  ? MATCH_DEDUPLICATED_YES
										  : MATCH_DEDUPLICATED_NO;
		settings->sources[i].source_id = sources[i].code;
		strlcpy(settings->sources[i].country, RetailCellText(i, 2), 3);
		settings->sources[i].code =
			MemoryContextStrdup(context, RetailCellText(i, 4));
	}
	settings->match.n_sources = n;
	settings->match.sources = sources;
}

/* What people set; without a row the defaults of the matcher hold. */
static void
LoadThresholds(MatchSettings *match)
{
	static RetailStatement statement = {
		"SELECT merge_probability, review_probability, max_accounts"
		" FROM retail.match_setting",
		0,
		{0},
		NULL,
		false};

	RetailExecute(&statement, NULL, NULL, true, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return;
	match->merge_probability = RetailCellFloat8(0, 1, NULL);
	match->review_probability = RetailCellFloat8(0, 2, NULL);
	match->max_cluster = (int) RetailCellInt64(0, 3, NULL);
}

/*
 * Reads the settings into a context, inside an SPI connection, by the active
 * snapshot.
 */
MemberSettings *
MemberSettingsLoad(MemoryContext context)
{
	MemberSettings *settings =
		MemoryContextAllocZero(context, sizeof(MemberSettings));

	MatchSettingsDefault(&settings->match);
	LoadThresholds(&settings->match);
	LoadTypes(settings, context);
	LoadSources(settings, context);
	return settings;
}

/* Returns the index of an identifier type, or -1. */
int
MemberTypeIndex(const MemberSettings *settings, const char *name)
{
	for (int i = 0; i < settings->match.n_types; i++)
		if (strcmp(settings->types[i].name, name) == 0)
			return i;
	return -1;
}

/* Returns the index of a source, or -1. */
int
MemberSourceIndex(const MemberSettings *settings, int64 source_id)
{
	int low = 0;
	int high = settings->match.n_sources - 1;

	while (low <= high)
	{
		int middle = (low + high) / 2;
		int64 found = settings->sources[middle].source_id;

		if (found == source_id)
			return middle;
		if (found < source_id)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

/* Returns the index of a source by its code, or -1. */
int
MemberSourceByCode(const MemberSettings *settings, const char *code)
{
	for (int i = 0; i < settings->match.n_sources; i++)
		if (strcmp(settings->sources[i].code, code) == 0)
			return i;
	return -1;
}
