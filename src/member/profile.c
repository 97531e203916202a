/*-------------------------------------------------------------------------
 *
 * profile.c
 *	  One person's purchases and interests made into a profile.
 *
 * ProfileSummarise() sees the person's own facts only, ProfileJudge() the
 * result and the figures of the population.  Neither hangs on who else is
 * looked at, so people made one by one or all together come out the same.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COMPARE(a, b) ((a) < (b) ? -1 : (a) > (b))

/* By person, time and number. */
int
ProfileComparePurchases(const void *a, const void *b)
{
	const ProfilePurchase *p = a;
	const ProfilePurchase *q = b;

	if (p->person != q->person)
		return COMPARE(p->person, q->person);
	if (p->at != q->at)
		return COMPARE(p->at, q->at);
	return COMPARE(p->order_id, q->order_id);
}

/* By person, category and time; equal ones are alike in every way. */
int
ProfileCompareInterests(const void *a, const void *b)
{
	const ProfileInterest *p = a;
	const ProfileInterest *q = b;

	if (p->person != q->person)
		return COMPARE(p->person, q->person);
	if (p->category_id != q->category_id)
		return COMPARE(p->category_id, q->category_id);
	if (p->at != q->at)
		return COMPARE(p->at, q->at);
	if (p->bought != q->bought)
		return COMPARE(p->bought, q->bought);
	return COMPARE(p->weight, q->weight);
}

typedef enum Aspect
{
	CHANNEL,
	NODE,
	HOUR
} Aspect;

static int64_t
AspectOf(const ProfilePurchase *purchase, Aspect aspect)
{
	switch (aspect)
	{
		case CHANNEL:
			return purchase->channel_id;
		case NODE:
			return purchase->node_id;
		case HOUR:
			return purchase->hour + 1;
	}
	return 0;
}

/* What most purchases share, late ones counting more; 0: none tells. */
static int64_t
Preferred(const ProfileFacts *facts, double half_life, Aspect aspect,
		  ProfileTally *tallies)
{
	int64_t last = facts->purchases[facts->n_purchases - 1].at;
	size_t n = 0;
	size_t best = 0;

	for (size_t i = 0; i < facts->n_purchases; i++)
	{
		const ProfilePurchase *purchase = &facts->purchases[i];
		int64_t key = AspectOf(purchase, aspect);
		size_t k = 0;

		if (key == 0)
			continue;
		while (k < n && tallies[k].key != key)
			k++;
		if (k == n)
			tallies[n++] = (ProfileTally){key, 0};
		tallies[k].weight += exp2((double) (purchase->at - last) / half_life);
	}
	for (size_t k = 1; k < n; k++)
		if (tallies[k].weight > tallies[best].weight ||
			(tallies[k].weight == tallies[best].weight &&
			 tallies[k].key < tallies[best].key))
			best = k;
	return n > 0 ? tallies[best].key : 0;
}

/* Sums purchases up: how many, how much, on which days. */
static void
SumPurchases(const ProfileFacts *facts, Profile *profile)
{
	int64_t repeat_cents = 0;

	for (size_t i = 0; i < facts->n_purchases; i++)
	{
		const ProfilePurchase *purchase = &facts->purchases[i];

		/* The clock of the chain may be set back: a day never is. */
		if (i == 0)
			profile->first_day = profile->last_day = purchase->day;
		if (i == 0 || purchase->day > profile->last_day)
		{
			if (i > 0)
				ClvIntervalsAdd(&profile->intervals,
								purchase->day - profile->last_day);
			profile->days++;
			profile->last_day = purchase->day;
		}
		if (profile->days > 1)
			repeat_cents += purchase->cents;
		profile->orders++;
		profile->cents += purchase->cents;
		if (purchase->region_id != 0)
			profile->region_id = purchase->region_id;
	}
	if (profile->days > 1)
		profile->repeat_mean =
			(double) repeat_cents / 100 / (profile->days - 1);
}

/* Does an affinity come before another? */
static bool
IsStronger(const ProfileAffinity *a, const ProfileAffinity *b)
{
	return a->score > b->score ||
		(a->score == b->score && a->category_id < b->category_id);
}

/* Keeps an affinity if it is among the strongest. */
static void
KeepAffinity(Profile *profile, const ProfileAffinity *affinity)
{
	int at = profile->n_affinities;

	if (at == PROFILE_AFFINITIES)
	{
		at--;
		if (!IsStronger(affinity, &profile->affinities[at]))
			return;
	}
	else
		profile->n_affinities++;
	while (at > 0 && IsStronger(affinity, &profile->affinities[at - 1]))
	{
		profile->affinities[at] = profile->affinities[at - 1];
		at--;
	}
	profile->affinities[at] = *affinity;
}

/*
 * Sums interests up by category.  Within a category the sum is taken relative
 * to its last interest, so that no power of two overflows.
 */
static void
SumInterests(const ProfileFacts *facts, double half_life, Profile *profile)
{
	size_t i = 0;

	while (i < facts->n_interests)
	{
		int64_t category = facts->interests[i].category_id;
		ProfileAffinity affinity = {category, 0, 0};
		double sum = 0;
		double bought = 0;
		size_t end = i;
		int64_t last;

		while (end < facts->n_interests &&
			   facts->interests[end].category_id == category)
			end++;
		last = facts->interests[end - 1].at;
		for (; i < end; i++)
		{
			const ProfileInterest *interest = &facts->interests[i];
			double part = interest->weight *
				exp2((double) (interest->at - last) / half_life);

			sum += part;
			if (interest->bought)
				bought += part;
		}
		affinity.score = log2(sum) + (double) last / half_life;
		affinity.bought = bought / sum;
		KeepAffinity(profile, &affinity);
	}
}

/* Finds the stage of life at a time, and when it next may be another. */
int
ProfileStage(const ProfileSettings *settings, int64_t registered_at,
			 int64_t first_purchase_at, int64_t last_purchase_at,
			 int64_t last_event_at, int32_t orders, int64_t as_of,
			 int64_t *next_change_at)
{
	bool bought = last_purchase_at != PROFILE_NEVER;
	int64_t from[3];

	from[FROM_REGISTRATION] = bought && first_purchase_at < registered_at
		? first_purchase_at
		: registered_at;
	from[FROM_PURCHASE] = bought ? last_purchase_at : registered_at;
	from[FROM_ACTIVITY] = from[FROM_PURCHASE];
	if (registered_at > from[FROM_ACTIVITY])
		from[FROM_ACTIVITY] = registered_at;
	if (last_event_at > from[FROM_ACTIVITY])
		from[FROM_ACTIVITY] = last_event_at;

	*next_change_at = PROFILE_NEVER;
	for (int i = 0; i < settings->n_rules; i++)
	{
		const ProfileRule *rule = &settings->rules[i];
		int64_t ends;

		if (rule->most_orders >= 0 && orders > rule->most_orders)
			continue;
		if (rule->below_days == 0)
			return i;
		ends = from[rule->counted_from] + rule->below_days * PROFILE_DAY;
		if (as_of < ends)
		{
			*next_change_at = ends;
			return i;
		}
	}
	return settings->n_rules - 1;
}

/* Makes what hangs on the person alone. */
void
ProfileSummarise(const ProfileFacts *facts, const ProfileSettings *settings,
				 int64_t as_of, ProfileTally *tallies, Profile *profile)
{
	memset(profile, 0, sizeof(*profile));
	profile->first_purchase_at = profile->last_purchase_at = PROFILE_NEVER;
	profile->hour = -1;
	if (facts->n_purchases > 0)
	{
		profile->first_purchase_at = facts->purchases[0].at;
		profile->last_purchase_at = facts->purchases[facts->n_purchases - 1].at;
		SumPurchases(facts, profile);
		profile->channel_id =
			Preferred(facts, settings->half_life, CHANNEL, tallies);
		profile->node_id = Preferred(facts, settings->half_life, NODE, tallies);
		profile->hour =
			(int) Preferred(facts, settings->half_life, HOUR, tallies) - 1;
	}
	SumInterests(facts, settings->half_life, profile);
	profile->stage =
		ProfileStage(settings, facts->registered_at, profile->first_purchase_at,
					 profile->last_purchase_at, facts->last_event_at,
					 profile->orders, as_of, &profile->next_change_at);
}

/* What the models of the population see of a buyer on a day. */
ClvCase
ProfileCase(const Profile *profile, int32_t until_day)
{
	int32_t until =
		until_day > profile->last_day ? until_day : profile->last_day;
	ClvCase result = {profile->days - 1, profile->last_day - profile->first_day,
					  until - profile->first_day, profile->repeat_mean, 1};

	return result;
}

static int
CompareDoubles(const void *a, const void *b)
{
	return COMPARE(*(const double *) a, *(const double *) b);
}

/* Finds what parts values into fifths; sorts them. */
void
ProfileBreaks(double *values, size_t n, double *breaks)
{
	qsort(values, n, sizeof(double), CompareDoubles);
	for (size_t k = 0; k < PROFILE_BREAKS; k++)
		breaks[k] =
			values[(n * (k + 1) + PROFILE_BREAKS) / (PROFILE_BREAKS + 1) - 1];
}

/* 1 plus how many breaks a value exceeds. */
static int
Score(const double *breaks, double value)
{
	int score = 1;

	for (int k = 0; k < PROFILE_BREAKS; k++)
		score += value > breaks[k];
	return score;
}

/* Whole seconds are enough, and a century. */
static int64_t
DaysAfter(int64_t at, double days)
{
	return at + llrint(fmin(days, 36500) * 86400) * 1000000;
}

/* Makes what hangs on the population too. */
void
ProfileJudge(Profile *profile, const ProfilePopulation *population)
{
	profile->alive = profile->expected_orders = profile->expected_value = -1;
	if (profile->last_purchase_at == PROFILE_NEVER)
		return;
	if (population->has_breaks)
	{
		profile->recency_score = Score(
			population->recency, (double) profile->last_purchase_at / 1000000);
		profile->frequency_score =
			Score(population->frequency, profile->orders);
		profile->monetary_score =
			Score(population->monetary, (double) profile->cents / 100);
	}
	if (population->has_frequency)
	{
		ClvCase seen = ProfileCase(profile, population->fitted_day);

		profile->alive = ClvAlive(&population->clv, seen.x, seen.t_x, seen.t);
		profile->expected_orders =
			ClvExpectedPurchases(&population->clv, seen.x, seen.t_x, seen.t,
								 population->horizon_days);
		if (population->has_value)
			profile->expected_value =
				ClvExpectedValue(&population->value, seen.x, seen.mean);
	}
	if (population->has_intervals)
	{
		ClvNext next =
			ClvPredictNext(&population->intervals, &profile->intervals);

		profile->has_next = true;
		profile->next_due = DaysAfter(profile->last_purchase_at, next.due);
		profile->next_from = DaysAfter(profile->last_purchase_at, next.low);
		profile->next_to = DaysAfter(profile->last_purchase_at, next.high);
	}
}
