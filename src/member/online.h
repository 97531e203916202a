/*-------------------------------------------------------------------------
 *
 * online.h
 *	  Who is this account?  Resolution of one account among all: inner
 *	  matters of online*.c.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_ONLINE_H
#define PG_RETAIL_ONLINE_H

#include "member/member_internal.h"

#include "utils/hsearch.h"

/* An account that may belong to it. */
typedef struct OnlineNode
{
	int64 id;
	bool loaded;
	bool missing; /* no such account, or a forgotten one */
	bool reached; /* in the component: linked by pairs, people or groups */
	TransactionId xmin; /* of the row that was read */
	int64 member;		/* whose it is now */
	int64 person;		/* whose it shall be */
	MatchInput *input;
} OnlineNode;

/* Where the node of an account is. */
typedef struct OnlineEntry
{
	int64 id;
	int place;
} OnlineEntry;

/* The neighbourhood of an account. */
typedef struct Online
{
	const MemberModel *model;
	TimestampTz as_of;
	int64 account_id;
	bool created;
	MemoryContext context;
	HTAB *index; /* id -> place in nodes */
	int n;
	int room;
	OnlineNode *nodes;
	int n_constraints;
	int constraints_room;
	MatchConstraint *constraints;
	int n_reached;
	MatchRecords *records; /* of all loaded nodes; rows[node] */
	int *rows;
	MatchResult *result;
	int merged_people; /* how many were made one */
	int questions;
} Online;

/* online_read.c */
extern int OnlineNodeOf(Online *online, int64 id);
extern OnlineNode *OnlineNodeAt(Online *online, int64 id);
extern void OnlineLoad(Online *online);
extern MatchInput *OnlineFold(const MemberModel *model, AccountRow *row);
extern void OnlineRecords(Online *online);
extern void OnlineConstraints(Online *online, const int64 *ids, int n);
extern void OnlineGroups(Online *online, const int64 *ids, int n);
extern int
OnlineCandidates(Online *online, const int64 *ids, int n, int64 **pairs);
extern bool OnlineHasChanged(Online *online);

/* online_write.c */
extern void OnlineWriteKeys(const MemberModel *model, int64 account_id,
							bool created, const uint64 *keys, int n);
extern void OnlineApply(Online *online);

/* online.c */
extern void OnlineBegin(Online *online, const MemberModel *model,
						int64 account_id, TimestampTz as_of);
extern void OnlineResolve(const MemberModel *model, int64 account_id,
						  bool created, TimestampTz as_of, Online *online);

/* online_evidence.c */
extern Datum
EvidenceJson(const MatchModel *model, const MatchEvidence *evidence);
extern const char *
EvidenceRuleName(const MemberModel *model, const MatchEvidence *evidence,
				 MatchRule rule);
extern const char *ReviewReason(MatchRule rule);

#endif /* PG_RETAIL_ONLINE_H */
