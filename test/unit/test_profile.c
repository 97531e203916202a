/*-------------------------------------------------------------------------
 *
 * test_profile.c
 *	  A person's facts made into a profile.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/member/profile.h"
#include "random.h"

#define DAY PROFILE_DAY

static const ProfileRule rules[] = {{FROM_REGISTRATION, 30, 1},
									{FROM_PURCHASE, 60, -1},
									{FROM_ACTIVITY, 90, -1},
									{FROM_PURCHASE, 365, -1},
									{FROM_PURCHASE, 0, -1}};
static const ProfileSettings settings = {90.0 * DAY, rules, 5};

static ProfilePurchase
Purchase(int day, int64_t cents, int64_t channel, int64_t node, int hour)
{
	ProfilePurchase p = {0};

	p.at = day * DAY;
	p.day = day;
	p.cents = cents;
	p.channel_id = channel;
	p.node_id = node;
	p.hour = (int8_t) hour;
	p.order_id = day;
	return p;
}

static void
stages_end_at_the_moment(void **state)
{
	int64_t next;

	(void) state;
	/* registered on day 0, never bought */
	assert_int_equal(ProfileStage(&settings, 0, PROFILE_NEVER, PROFILE_NEVER,
								  PROFILE_NEVER, 0, 0, &next),
					 0);
	assert_int_equal(next, 30 * DAY);
	assert_int_equal(ProfileStage(&settings, 0, PROFILE_NEVER, PROFILE_NEVER,
								  PROFILE_NEVER, 0, 30 * DAY - 1, &next),
					 0);
	assert_int_equal(ProfileStage(&settings, 0, PROFILE_NEVER, PROFILE_NEVER,
								  PROFILE_NEVER, 0, 30 * DAY, &next),
					 1);
	assert_int_equal(next, 60 * DAY);
	/* looked on day 50: activity holds until day 140 */
	assert_int_equal(ProfileStage(&settings, 0, PROFILE_NEVER, PROFILE_NEVER,
								  50 * DAY, 0, 100 * DAY, &next),
					 2);
	assert_int_equal(next, 140 * DAY);
	assert_int_equal(ProfileStage(&settings, 0, PROFILE_NEVER, PROFILE_NEVER,
								  PROFILE_NEVER, 0, 365 * DAY, &next),
					 4);
	assert_true(next == PROFILE_NEVER);
	/* a second order ends being new */
	assert_int_equal(ProfileStage(&settings, 0, DAY, 2 * DAY, PROFILE_NEVER, 2,
								  3 * DAY, &next),
					 1);
	assert_int_equal(next, 62 * DAY);
	/* who bought before registering is known since then */
	assert_int_equal(ProfileStage(&settings, 100 * DAY, 50 * DAY, 50 * DAY,
								  PROFILE_NEVER, 1, 101 * DAY, &next),
					 1);
}

/* Stepping to each change finds every stage that any moment has. */
static void
no_change_is_missed(void **state)
{
	(void) state;
	SeedRandom(11);
	for (int run = 0; run < 2000; run++)
	{
		int64_t registered = Random(0, 100) * DAY;
		int64_t first = Random(0, 1) ? PROFILE_NEVER : Random(0, 200) * DAY;
		int64_t last =
			first == PROFILE_NEVER ? first : first + Random(0, 100) * DAY;
		int64_t event = Random(0, 1) ? PROFILE_NEVER : Random(0, 300) * DAY;
		int32_t orders = first == PROFILE_NEVER ? 0 : (int32_t) Random(1, 3);
		int64_t now = 300 * DAY;
		int64_t next;
		int stage = ProfileStage(&settings, registered, first, last, event,
								 orders, now, &next);

		for (int64_t t = now; t < now + 800 * DAY; t += DAY / 2)
		{
			int64_t ignored;

			if (next != PROFILE_NEVER && t >= next)
				stage = ProfileStage(&settings, registered, first, last, event,
									 orders, t, &next);
			assert_int_equal(stage,
							 ProfileStage(&settings, registered, first, last,
										  event, orders, t, &ignored));
		}
	}
}

static void
purchases_are_summed(void **state)
{
	ProfilePurchase purchases[] = {
		Purchase(10, 1000, 1, 0, 9), Purchase(10, 500, 1, 0, 9),
		Purchase(20, 4000, 2, 7, 20), Purchase(50, 2000, 2, 8, 20)};
	ProfileTally tallies[4];
	ProfileFacts facts = {0, PROFILE_NEVER, purchases, 4, NULL, 0};
	Profile profile;

	(void) state;
	purchases[2].region_id = 5;
	ProfileSummarise(&facts, &settings, 60 * DAY, tallies, &profile);
	assert_int_equal(profile.orders, 4);
	assert_int_equal(profile.days, 3);
	assert_int_equal(profile.cents, 7500);
	assert_true(fabs(profile.repeat_mean - 30) < 1e-12);
	assert_int_equal(profile.channel_id, 2);
	assert_int_equal(profile.node_id, 8); /* the later of two */
	assert_int_equal(profile.hour, 20);
	assert_int_equal(profile.region_id, 5);
	assert_int_equal(profile.intervals.n, 2);
	assert_true(fabs(profile.intervals.mean - (log(10) + log(30)) / 2) < 1e-12);
}

static void
nobody_has_nothing(void **state)
{
	ProfileFacts facts = {0, PROFILE_NEVER, NULL, 0, NULL, 0};
	ProfilePopulation population = {
		.has_breaks = true, .has_frequency = true, .has_intervals = true};
	Profile profile;

	(void) state;
	ProfileSummarise(&facts, &settings, DAY, NULL, &profile);
	ProfileJudge(&profile, &population);
	assert_int_equal(profile.orders, 0);
	assert_int_equal(profile.hour, -1);
	assert_true(profile.last_purchase_at == PROFILE_NEVER);
	assert_int_equal(profile.recency_score, 0);
	assert_true(profile.alive < 0 && !profile.has_next);
}

static void
interests_decay_by_half(void **state)
{
	/* Two views a half-life apart, and a purchase of something else. */
	ProfileInterest interests[] = {{0, 1, 0, 1, false},
								   {90 * DAY, 1, 0, 1, false},
								   {90 * DAY, 2, 0, 4, true}};
	ProfileFacts facts = {0, PROFILE_NEVER, NULL, 0, interests, 3};
	Profile profile;
	double at = 180;

	(void) state;
	ProfileSummarise(&facts, &settings, 90 * DAY, NULL, &profile);
	assert_int_equal(profile.n_affinities, 2);
	assert_int_equal(profile.affinities[0].category_id, 2);
	assert_true(fabs(exp2(profile.affinities[0].score - at / 90) - 2) < 1e-9);
	assert_true(profile.affinities[0].bought == 1);
	assert_int_equal(profile.affinities[1].category_id, 1);
	assert_true(fabs(exp2(profile.affinities[1].score - at / 90) - 0.75) <
				1e-9);
	assert_true(profile.affinities[1].bought == 0);
}

/* A short half-life over a hundred years neither overflows nor vanishes. */
static void
extreme_decay_stays_finite(void **state)
{
	static const ProfileSettings quick = {1.0 * DAY, rules, 5};
	ProfileInterest interests[12];
	ProfileFacts facts = {0, PROFILE_NEVER, NULL, 0, interests, 12};
	Profile profile;

	(void) state;
	for (int i = 0; i < 12; i++)
		interests[i] =
			(ProfileInterest){i * 3000 * DAY, i + 1, 0, 1, i % 2 == 0};
	ProfileSummarise(&facts, &quick, 40000 * DAY, NULL, &profile);
	assert_int_equal(profile.n_affinities, PROFILE_AFFINITIES);
	for (int i = 0; i < PROFILE_AFFINITIES; i++)
	{
		assert_int_equal(profile.affinities[i].category_id, 12 - i);
		assert_true(isfinite(profile.affinities[i].score));
	}
}

static void
fifths_are_fifths(void **state)
{
	double values[1000];
	double ties[10] = {1, 1, 1, 1, 1, 1, 1, 2, 2, 9};
	double breaks[PROFILE_BREAKS];
	ProfilePopulation population = {.has_breaks = true};
	int counts[6] = {0};

	(void) state;
	for (int i = 0; i < 1000; i++)
		values[i] = (i * 619) % 1000;
	ProfileBreaks(values, 1000, breaks);
	for (int k = 0; k < PROFILE_BREAKS; k++)
		population.recency[k] = population.frequency[k] = breaks[k];
	memcpy(population.monetary, breaks, sizeof(breaks));
	for (int i = 0; i < 1000; i++)
	{
		Profile profile = {.orders = i, .cents = i * 100};

		ProfileJudge(&profile, &population);
		assert_int_equal(profile.frequency_score, profile.monetary_score);
		counts[profile.frequency_score]++;
	}
	for (int k = 1; k <= 5; k++)
		assert_int_equal(counts[k], 200);
	/* Equal values have equal scores, and most are in the lowest. */
	ProfileBreaks(ties, 10, breaks);
	memcpy(population.frequency, breaks, sizeof(breaks));
	{
		Profile one = {.orders = 1};
		Profile nine = {.orders = 9};

		ProfileJudge(&one, &population);
		ProfileJudge(&nine, &population);
		assert_int_equal(one.frequency_score, 1);
		assert_int_equal(nine.frequency_score, 5);
	}
	ProfileBreaks(ties, 1, breaks);
	assert_true(breaks[0] == 1 && breaks[3] == 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stages_end_at_the_moment),
		cmocka_unit_test(no_change_is_missed),
		cmocka_unit_test(purchases_are_summed),
		cmocka_unit_test(nobody_has_nothing),
		cmocka_unit_test(interests_decay_by_half),
		cmocka_unit_test(extreme_decay_stays_finite),
		cmocka_unit_test(fifths_are_fifths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
