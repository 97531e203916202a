/*-------------------------------------------------------------------------
 *
 * match_settings.h
 *	  Thresholds, sources and identifier types of the tables, as the matcher wants them.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_MATCH_SETTINGS_H
#define PG_RETAIL_MATCH_SETTINGS_H

#include "retail.h"

#include "member/account_fold.h"

/* How the values of a type are treated, by the index in settings.types. */
typedef struct MemberType
{
	char *name;
	NormaliseKind kind;
	bool hashed; /* only the SHA-256 is stored */
} MemberType;

/* How the accounts of a source are read, by the index in settings.sources. */
typedef struct MemberSource
{
	int64 source_id;
	char *code;
	char country[3];
} MemberSource;

typedef struct MemberSettings
{
	MatchSettings match;   /* n_attributes 0: set by whoever has a model */
	MemberType *types;	   /* by name */
	MemberSource *sources; /* by source_id */
} MemberSettings;

extern MemberSettings *MemberSettingsLoad(MemoryContext context);
extern int MemberTypeIndex(const MemberSettings *settings, const char *name);
extern int MemberSourceIndex(const MemberSettings *settings, int64 source_id);
extern int MemberSourceByCode(const MemberSettings *settings, const char *code);
extern NormaliseKind MemberValueKind(const char *type, const char *normaliser);
extern int32 MemberDay(TimestampTz time);

#endif /* PG_RETAIL_MATCH_SETTINGS_H */
