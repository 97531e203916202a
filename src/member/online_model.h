/*-------------------------------------------------------------------------
 *
 * online_model.h
 *	  The matcher's model and settings, kept by each backend.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_ONLINE_MODEL_H
#define PG_RETAIL_ONLINE_MODEL_H

#include "member/match_settings.h"

typedef struct MemberModel
{
	MemoryContext context; /* holds all of it */
	int model_id;		   /* 0: the one that needs no learning */
	int64 keyed_through;   /* accounts up to this have their keys by it */
	MemberSettings *settings;
	MatchMemory memory;
	MatchModel *model;
	char *attributes[MATCH_MAX_ATTRIBUTES]; /* keys of account.attributes */
} MemberModel;

extern void MemberModelInit(void);
extern const MemberModel *MemberModelGet(void);
extern MatchMemory MemberMemory(MemoryContext context);
extern void MemberMatchCheck(MatchStatus status, const char *what);

#endif /* PG_RETAIL_ONLINE_MODEL_H */
