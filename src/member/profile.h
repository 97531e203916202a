/*-------------------------------------------------------------------------
 *
 * profile.h
 *	  One person's purchases and interests made into a profile.  Pure: no
 *	  PostgreSQL.
 *
 * Times are microseconds since 2000-01-01 UTC, days are days of the chain
 * since then, money is in cents.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_PROFILE_H
#define PG_RETAIL_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clv.h"

#define PROFILE_AFFINITIES 8
#define PROFILE_BREAKS 4
#define PROFILE_NEVER INT64_MIN
#define PROFILE_DAY INT64_C(86400000000)

typedef struct ProfilePurchase
{
	int64_t at;
	int64_t order_id; /* parts purchases of the same moment */
	int64_t cents;
	int64_t channel_id;
	int64_t node_id;   /* 0: shipped */
	int64_t region_id; /* 0: not told */
	int32_t person;
	int32_t day;
	int8_t hour;
} ProfilePurchase;

typedef struct ProfileInterest
{
	int64_t at;
	int64_t category_id;
	int32_t person;
	float weight;
	bool bought;
} ProfileInterest;

typedef enum ProfileCountedFrom
{
	FROM_REGISTRATION,
	FROM_PURCHASE,
	FROM_ACTIVITY
} ProfileCountedFrom;

typedef struct ProfileRule
{
	ProfileCountedFrom counted_from;
	int below_days;	 /* 0: no limit */
	int most_orders; /* -1: no limit */
} ProfileRule;

typedef struct ProfileSettings
{
	double half_life; /* microseconds */
	const ProfileRule *rules;
	int n_rules; /* the last has no limit in days */
} ProfileSettings;

/* What single people are judged by. */
typedef struct ProfilePopulation
{
	double recency[PROFILE_BREAKS]; /* seconds since 2000-01-01 */
	double frequency[PROFILE_BREAKS];
	double monetary[PROFILE_BREAKS];
	bool has_breaks;
	bool has_frequency;
	bool has_value;
	bool has_intervals;
	ClvFrequency clv; /* in days */
	ClvValue value;
	ClvIntervalModel intervals;
	int32_t fitted_day;
	int horizon_days;
} ProfilePopulation;

typedef struct ProfileFacts
{
	int64_t registered_at;
	int64_t last_event_at;			  /* PROFILE_NEVER: none */
	const ProfilePurchase *purchases; /* by time, then number */
	size_t n_purchases;
	const ProfileInterest *interests; /* as ProfileCompareInterests() has it */
	size_t n_interests;
} ProfileFacts;

typedef struct ProfileAffinity
{
	int64_t category_id;
	double score;  /* binary logarithm, as of 2000-01-01 */
	double bought; /* share that comes from purchases */
} ProfileAffinity;

typedef struct Profile
{
	int64_t first_purchase_at;
	int64_t last_purchase_at; /* PROFILE_NEVER: never bought */
	int64_t next_change_at;	  /* PROFILE_NEVER: never */
	int64_t cents;
	int64_t channel_id; /* 0: none, as in the next three */
	int64_t node_id;
	int64_t region_id;
	int32_t orders;
	int32_t days; /* with purchases */
	int32_t first_day;
	int32_t last_day;
	int hour; /* -1: none */
	int stage;
	double
		repeat_mean; /* value of a day with purchases but the first, in units */
	ClvIntervals intervals;
	int n_affinities;
	ProfileAffinity affinities[PROFILE_AFFINITIES];
	/* by the population */
	int recency_score; /* 0: none */
	int frequency_score;
	int monetary_score;
	double alive; /* negative: not known, as in the next two */
	double expected_orders;
	double expected_value;
	bool has_next;
	int64_t next_due;
	int64_t next_from;
	int64_t next_to;
} Profile;

/* Work memory for choosing what is preferred: one for each purchase. */
typedef struct ProfileTally
{
	int64_t key;
	double weight;
} ProfileTally;

extern int ProfileComparePurchases(const void *a, const void *b);
extern int ProfileCompareInterests(const void *a, const void *b);
extern void
ProfileSummarise(const ProfileFacts *facts, const ProfileSettings *settings,
				 int64_t as_of, ProfileTally *tallies, Profile *profile);
extern int ProfileStage(const ProfileSettings *settings, int64_t registered_at,
						int64_t first_purchase_at, int64_t last_purchase_at,
						int64_t last_event_at, int32_t orders, int64_t as_of,
						int64_t *next_change_at);
extern ClvCase ProfileCase(const Profile *profile, int32_t until_day);
extern void ProfileBreaks(double *values, size_t n, double *breaks);
extern void ProfileJudge(Profile *profile, const ProfilePopulation *population);

#endif /* PG_RETAIL_PROFILE_H */
