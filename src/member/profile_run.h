/*-------------------------------------------------------------------------
 *
 * profile_run.h
 *	  What the parts of the SQL face of profiles share: who there is, what
 *	  they did, and how their rows are written.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_PROFILE_RUN_H
#define PG_RETAIL_PROFILE_RUN_H

#include "retail.h"

#include "member/profile.h"

#define PROFILE_JOB "member_profile"
/* So many (purpose, channel) pairs of consent are told apart. */
#define MAX_CONSENTS 64

/* What is known of an account, as bits: a seventh of completeness each. */
#define KNOWS_PHONE 0x10
#define KNOWS_EMAIL 0x20
#define KNOWS_VERIFIED 0x40
#define KNOWS_ALL 0x7f
#define VERIFIED_PHONE 0x80
#define VERIFIED_EMAIL 0x100

typedef struct ProfileAccount
{
	int64 account_id;
	int64 member_id;
	TimestampTz registered_at;
	int person;
	int known;
	struct pg_tz *zone; /* NULL: that of the chain */
	uint64 granted;		/* by number of the pair */
	uint64 denied;
	uint64 not_all; /* of any channel: some other was refused */
} ProfileAccount;

typedef struct ProfilePerson
{
	int64 member_id;
	TimestampTz registered_at;
	TimestampTz last_event_at;
	int64 events;
	uint64 told; /* pairs of consent that an account speaks of */
	uint64 granted;
	uint64 denied;
	uint64 not_all;
	int accounts;
	int known;
	size_t purchases; /* the first of its purchases and of its interests, */
	size_t interests; /* whose next are those of the next person */
} ProfilePerson;

typedef struct ProfileConsent
{
	char *purpose;
	char *channel;
} ProfileConsent;

typedef struct ProfileKind
{
	char *kind;
	float weight;
} ProfileKind;

typedef struct ProfileNode
{
	int64 node_id; /* key */
	int64 region_id;
	struct pg_tz *zone;
} ProfileNode;

typedef struct ProfileSku
{
	int64 sku_id; /* key */
	int64 category_id;
} ProfileSku;

/* An array that grows. */
typedef struct ProfileArray
{
	void *items;
	size_t n;
	size_t room;
	size_t size;
} ProfileArray;

typedef struct ProfileRun
{
	MemoryContext context; /* of all that follows */
	TimestampTz as_of;
	bool all; /* everybody, not some */
	bool refit;
	int64 *members; /* who, unless all */
	int n_members;

	ProfileSettings settings;
	char **stages;
	int horizon_days;
	struct pg_tz *zone; /* of the chain */
	ProfileKind *kinds;
	int n_kinds;
	float bought_store;
	float bought_online;
	HTAB *nodes;
	HTAB *skus;
	ProfilePopulation population;

	ProfileArray accounts;	/* ProfileAccount by account_id */
	ProfileArray purchases; /* ProfilePurchase by person */
	ProfileArray interests; /* ProfileInterest by person */
	ProfilePerson *people;	/* by member_id; one more at the end */
	size_t n_people;
	ProfileConsent consents[MAX_CONSENTS];
	int n_consents;
	ProfileTally *tallies;
	int32 last_order; /* the purchase found last */

	int64 changed;
	int64 added;
	int64 removed;
} ProfileRun;

extern int ProfileByIndex(void);
extern void *ProfileArrayAdd(ProfileArray *array);
extern void ProfileReadSettings(ProfileRun *run);
extern void ProfileReadFacts(ProfileRun *run);
extern void ProfileOfPerson(ProfileRun *run, size_t person, Profile *profile);
extern int32 ProfileLocalDay(const ProfileRun *run, TimestampTz at);

extern void ProfileReadPopulation(ProfileRun *run);
extern void ProfileFitPopulation(ProfileRun *run);
extern void ProfileWriteStatistics(ProfileRun *run);

extern void ProfileWriteAll(ProfileRun *run);

#endif /* PG_RETAIL_PROFILE_RUN_H */
