/*-------------------------------------------------------------------------
 *
 * member_internal.h
 *	  What upsert_account() is made of: inner matters of the member room.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_MEMBER_INTERNAL_H
#define PG_RETAIL_MEMBER_INTERNAL_H

#include "retail.h"

#include "member/match_settings.h"
#include "member/online_model.h"

#define RT_UNKNOWN_MEMBER RT_ERRCODE('0', '0', '7')
#define RT_INVALID_IDENTIFIER RT_ERRCODE('0', '1', '7')

/* The text columns of account: those of the matcher, then two more. */
#define ACCOUNT_TIME_ZONE ((int) MATCH_ATTRIBUTE)
#define ACCOUNT_LANGUAGE (ACCOUNT_TIME_ZONE + 1)
#define ACCOUNT_TEXTS (ACCOUNT_LANGUAGE + 1)
#define MAX_TOLD_IDENTIFIERS 100

extern const char *const account_text_names[ACCOUNT_TEXTS];

/* An identifier as it was told, normalised. */
typedef struct ToldIdentifier
{
	int type; /* index into settings->types */
	char *value;
	bool verified;
	bool has_valid_from;
	bool has_valid_to;
	bool has_used_at;
	TimestampTz valid_from;
	TimestampTz valid_to;
	TimestampTz used_at;
} ToldIdentifier;

/* What a source told of an account, checked. */
typedef struct ToldAccount
{
	const MemberSettings *settings;
	int source; /* index into settings->sources */
	char *external_id;
	char *text[ACCOUNT_TEXTS]; /* NULL: not told; "": cleared */
	int n_identifiers;
	ToldIdentifier *identifiers;
	Jsonb *attributes; /* NULL: not told */
	Jsonb *consent;	   /* NULL: not told */
	bool has_registered_at;
	TimestampTz registered_at;
	TimestampTz as_of;
	Datum hash; /* bytea */
} ToldAccount;

/* The account in its table. */
typedef struct StoredAccount
{
	int64 account_id;
	bool created;
	bool keyed;		/* its match keys are of the present model */
	bool unchanged; /* and this was told before */
} StoredAccount;

/* member.c */
extern Normaliser *MemberNormaliser(void);
extern char *FoldIdentifier(const MemberType *type, const char *value,
							int length, const char *country, uint32 *flags);

/* account_told.c */
extern void ReadToldAccount(FunctionCallInfo fcinfo,
							const MemberSettings *settings, ToldAccount *told);

/* account_write.c */
extern void FindAccount(const ToldAccount *told, const MemberModel *model,
						StoredAccount *stored);
extern void WriteAccount(const ToldAccount *told, const MemberModel *model,
						 StoredAccount *stored);
extern int64 MemberOf(int64 account_id);

/* member_lock.c */
extern bool MemberGateIsMine(void);
extern void MemberLockGate(bool exclusive);
extern bool MemberLockKeys(const uint64 *keys, int n);
extern bool MemberLockAccounts(const int64 *ids, int n);

#endif /* PG_RETAIL_MEMBER_INTERNAL_H */
