/*-------------------------------------------------------------------------
 *
 * resolution.h
 *	  Who is who among all accounts: inner matters of resolution*.c.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_RESOLUTION_H
#define PG_RETAIL_RESOLUTION_H

#include "retail.h"

#include "member/match.h"
#include "member/match_settings.h"

#define RESOLUTION_JOB "resolution"

/* A run over all accounts; everything of it is in its context. */
typedef struct Resolution
{
	MemoryContext context;
	TimestampTz as_of;
	int threads;
	MemberSettings *settings;
	MatchMemory memory;
	MatchRun run;
	const char *step; /* what the progress report says */
	TimestampTz reported_at;

	char *attributes[MATCH_MAX_ATTRIBUTES]; /* names of extra columns */
	MatchRecords *records;
	int64 n_records;
	int64 *ids; /* of the records, in the order of rows */
	int64 ids_room;
	MatchModel *model;
	int64 model_id;
	MatchResult *result;

	/* what was written */
	int64 merged;
	int64 split;
	int64 reviews_opened;
	int64 reviews_closed;
	int64 exceptions;
	int64 keys;
} Resolution;

extern int retail_resolution_threads;

extern Resolution *ResolutionBegin(TimestampTz as_of);
extern void ResolutionEnd(Resolution *resolution);
extern void ResolutionStep(Resolution *resolution, const char *step);
extern void ResolutionTell(Resolution *resolution, int64 done, int64 total);
extern void
ResolutionCheck(Resolution *resolution, MatchStatus status, const char *what);

extern void ResolutionReadAccounts(Resolution *resolution);
extern bool ResolutionLoadModel(Resolution *resolution);
extern void ResolutionLearnModel(Resolution *resolution);
extern void ResolutionWrite(Resolution *resolution);
extern void ResolutionWriteKeys(Resolution *resolution);

/* A value that is not in the form in which it is stored. */
typedef struct StaleIdentifier
{
	int64 account_id;
	int type;			/* index into settings->types */
	const char *value;	/* as it is */
	const char *stored; /* as it shall be; "": not at all */
} StaleIdentifier;

typedef struct StaleIdentifiers
{
	StaleIdentifier *rows; /* in the context current at first */
	int64 n;
	int64 room;
} StaleIdentifiers;

extern char *StaleFold(const MemberType *type, const char *value, int length,
					   const char *country);
extern void StaleNote(StaleIdentifiers *stale, StaleIdentifier row);
extern int64 StaleWrite(const StaleIdentifiers *stale,
						const MemberSettings *settings, TimestampTz as_of);

/* Row by row through a table of schema retail, as the snapshot sees it. */
typedef struct ResolutionScan
{
	Relation relation;
	struct TableScanDescData *scan;
	struct TupleTableSlot *slot;
	int column[20]; /* attribute numbers of the columns wanted */
} ResolutionScan;

extern void ResolutionScanBegin(ResolutionScan *scan, const char *table,
								const char *const *columns, int n);
extern bool ResolutionScanNext(ResolutionScan *scan);
extern Datum
ResolutionScanValue(ResolutionScan *scan, int column, bool *isnull);
extern void ResolutionScanEnd(ResolutionScan *scan);

#endif /* PG_RETAIL_RESOLUTION_H */
