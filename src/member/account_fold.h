/*-------------------------------------------------------------------------
 *
 * account_fold.h
 *	  An account as its table has it -> the record that the matcher compares.
 *
 * Pure C, no PostgreSQL header: threads may fold, each with a Normaliser of
 * its own.  Both ways into the matcher (one account online, all in a batch)
 * go through here, so that both compare the same.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_ACCOUNT_FOLD_H
#define PG_RETAIL_ACCOUNT_FOLD_H

#include "member/match.h"
#include "member/normalise.h"

/* A text as it is stored; data NULL: not told. */
typedef struct AccountText
{
	const char *data;
	int length;
} AccountText;

/* Times are days since 1970-01-01, UTC. */
typedef struct AccountIdentifier
{
	int32_t type; /* index into settings->types */
	NormaliseKind kind;
	bool hashed;	  /* only a hash of the value is to be stored */
	bool stored_hash; /* the value is a hash already: compared as it is */
	bool verified;
	int32_t valid_from; /* MATCH_ALWAYS_FROM: -infinity */
	int32_t valid_to;	/* MATCH_ALWAYS_TO: infinity */
	int32_t last_used;	/* MATCH_ALWAYS_TO: not known */
	AccountText value;
} AccountIdentifier;

typedef struct AccountRow
{
	int64_t id;
	int32_t source;		 /* index into settings->sources */
	const char *country; /* of phones that name none; two letters */
	/* in the order of MatchColumn, as stored */
	AccountText text[MATCH_COLUMNS];
	int n_identifiers; /* blocked ones are left out by the caller */
	const AccountIdentifier *identifiers;
} AccountRow;

/* A folded account: input points into the buffers, until the next fold. */
typedef struct FoldedAccount
{
	MatchInput input;
	MatchIdentifier identifiers[MATCH_MAX_IDENTIFIERS];
	bool stale; /* one of them is not in the form in which it is stored */
	NormalName name;
	NormalDate birth_date;
	char birth_text[16];
	char gender[2];
	char text[MATCH_COLUMNS][MATCH_MAX_TEXT + 1];
	char values[MATCH_MAX_IDENTIFIERS][NORMALISE_TEXT_SIZE];
} FoldedAccount;

extern void AccountFold(Normaliser *normaliser, const AccountRow *account,
						FoldedAccount *folded);

#endif /* PG_RETAIL_ACCOUNT_FOLD_H */
