/*-------------------------------------------------------------------------
 *
 * resolution_fold.h
 *	  Folds accounts by the thousand, beside the thread that reads them.
 *
 * Pure C, no PostgreSQL header.  The reader fills a batch and hands it in; a
 * helper thread, or the reader itself when all are busy, folds it; the reader
 * takes it back in the order in which it handed batches in.  Helpers block all
 * signals and call nothing but the normaliser and malloc().
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_RESOLUTION_FOLD_H
#define PG_RETAIL_RESOLUTION_FOLD_H

#include "member/account_fold.h"

#define FOLD_ROWS 2048

typedef struct FoldArena FoldArena;

/* Values that never match: LIKE patterns on the normalised value. */
typedef struct FoldBlocked
{
	int32_t type; /* index into settings->types; -1: all */
	const char *pattern;
} FoldBlocked;

typedef struct FoldBatch
{
	/* the reader's */
	int n;
	AccountRow rows[FOLD_ROWS];
	FoldArena *raw; /* holds the texts of rows; see FoldKeep() */
	/* the result */
	MatchInput inputs[FOLD_ROWS];
	FoldArena *folded;
	bool stale[FOLD_ROWS]; /* has identifiers in another form than stored */
	bool failed;		   /* no memory */
	/* the pool's */
	int state;
	struct FoldBatch *next;
} FoldBatch;

typedef struct FoldPool FoldPool;

extern FoldPool *
FoldPoolStart(int helpers, const FoldBlocked *blocked, int n_blocked);
extern FoldBatch *FoldPoolBatch(FoldPool *pool);
extern const char *FoldKeep(FoldBatch *batch, const char *data, size_t length);
extern void FoldPoolPut(FoldPool *pool, FoldBatch *batch);
extern FoldBatch *FoldPoolTake(FoldPool *pool, bool all);
extern void FoldPoolGiveBack(FoldPool *pool, FoldBatch *batch);
extern void FoldPoolStop(FoldPool *pool);

extern bool
FoldMatchesPattern(const char *value, size_t length, const char *pattern);

#endif /* PG_RETAIL_RESOLUTION_FOLD_H */
