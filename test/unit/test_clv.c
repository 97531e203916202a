/*-------------------------------------------------------------------------
 *
 * test_clv.c
 *	  Lifetime value against published figures and against simulation.
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

#include <cmocka.h>

#include "../../src/member/clv.h"

#define assert_near(got, want, tolerance)                        \
	do                                                           \
	{                                                            \
		double got_ = (got);                                     \
		double want_ = (want);                                   \
		if (!(fabs(got_ - want_) <= (tolerance)))                \
			fail_msg("%s is %.9g, not %.9g", #got, got_, want_); \
	} while (0)

/* CDNOW: Fader, Hardie & Lee 2005, table 2; time in weeks. */
static const ClvFrequency cdnow = {0.243, 4.414, 0.793, 2.426, 0};
/* Their note on the Gamma-Gamma model, for the same customers. */
static const ClvValue cdnow_value = {6.25, 3.74, 15.44, 0};

static void
published_expectation(void **state)
{
	(void) state;
	/* Customer 0001 of the "BG/NBD in Excel" note: 1.226 in the next 39 weeks. */
	assert_near(ClvExpectedPurchases(&cdnow, 2, 30.43, 38.86, 39), 1.226,
				0.0005);
	/* Nothing ahead, nothing expected. */
	assert_near(ClvExpectedPurchases(&cdnow, 2, 30.43, 38.86, 0), 0, 1e-9);
}

static void
published_values(void **state)
{
	/* x, mean, E(M): the first customers of the published sample. */
	static const double known[][3] = {{2, 22.35, 24.66},
									  {1, 11.77, 18.91},
									  {0, 0, 35.17},
									  {7, 73.74, 71.46},
									  {2, 25.55, 27.28}};

	(void) state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		/* the parameters are published with two decimals */
		assert_near(ClvExpectedValue(&cdnow_value, known[i][0], known[i][1]),
					known[i][2], 0.07);
}

static void
likelihood_of_single_cases(void **state)
{
	/* Formula (6) written out, for somebody who never came back. */
	ClvCase once = {0, 0, 38.86, 0, 1};
	ClvCase twice = {1, 10, 30, 0, 1};
	double r = cdnow.r;
	double alpha = cdnow.alpha;
	double stays = tgamma(r + 1) / tgamma(r) * pow(alpha, r) *
		pow(alpha + 30, -(r + 1)) * cdnow.b / (cdnow.a + cdnow.b);
	double left = tgamma(r + 1) / tgamma(r) * pow(alpha, r) *
		pow(alpha + 10, -(r + 1)) * cdnow.a / (cdnow.a + cdnow.b);

	(void) state;
	assert_near(ClvFrequencyLogLikelihood(&cdnow, &once, 1),
				r * log(alpha / (alpha + 38.86)), 1e-9);
	assert_near(ClvFrequencyLogLikelihood(&cdnow, &twice, 1), log(stays + left),
				1e-9);
	twice.weight = 3;
	assert_near(ClvFrequencyLogLikelihood(&cdnow, &twice, 1),
				3 * log(stays + left), 1e-9);
	assert_near(ClvAlive(&cdnow, 1, 10, 30), stays / (stays + left), 1e-9);
	assert_near(ClvAlive(&cdnow, 0, 0, 30), 1, 0);
}

/* The sum of the series and a simulation of what it stands for. */
static void
expectation_is_that_of_a_simulation(void **state)
{
	static const double cases[][3] = {
		{0, 0, 10}, {1, 5, 40}, {4, 30, 32}, {12, 38, 39}, {3, 2, 38}};
	static const ClvFrequency models[] = {{0.243, 4.414, 0.793, 2.426, 0},
										  {2, 50, 1, 3, 0},
										  {0.7, 9, 0.1, 0.6, 0},
										  {5, 20, 3, 8, 0}};

	(void) state;
	for (size_t k = 0; k < sizeof(models) / sizeof(models[0]); k++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		{
			const ClvFrequency *m = &models[k];
			double x = cases[i][0];
			double t = cases[i][2];
			double odds = 0;
			double sum = 0;
			int steps = 400;

			/*
			 * Conditional on being alive the rate is gamma (r + x, alpha + t)
			 * and the chance to leave beta (a, b + x): expected purchases by
			 * the integral over the chance p of
			 * (1/p) (1 - ((alpha+t) / (alpha+t+p ahead)) ^ (r+x)), the
			 * expectation over the rate being in closed form.
			 */
			double ahead = 39;
			double weight = 0;

			for (int s = 0; s < steps * 50; s++)
			{
				/* p = u^8 spreads the points where beta (a < 1) has its mass */
				double u = (s + 0.5) / (steps * 50);
				double p = pow(u, 8);
				double density =
					pow(p, m->a - 1) * pow(1 - p, m->b + x - 1) * 8 * pow(u, 7);
				double f = p < 1e-12
					? (m->r + x) * ahead / (m->alpha + t)
					: (1 -
					   pow((m->alpha + t) / (m->alpha + t + p * ahead),
						   m->r + x)) /
						p;

				sum += density * f;
				weight += density;
			}
			odds = ClvAlive(m, x, cases[i][1], t);
			assert_near(ClvExpectedPurchases(m, x, cases[i][1], t, ahead),
						odds * sum / weight, 2e-3 * (1 + odds * sum / weight));
		}
}

static double
Uniform(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((double) (*seed >> 11) + 0.5) / 9007199254740992.0;
}

/* Marsaglia and Tsang, with the boost for shapes below one. */
static double
Gamma(uint64_t *seed, double shape)
{
	double d;
	double c;

	if (shape < 1)
		return Gamma(seed, shape + 1) * pow(Uniform(seed), 1 / shape);
	d = shape - 1.0 / 3;
	c = 1 / sqrt(9 * d);
	for (;;)
	{
		double z = sqrt(-2 * log(Uniform(seed))) *
			cos(6.283185307179586 * Uniform(seed));
		double v = pow(1 + c * z, 3);

		if (v > 0 && log(Uniform(seed)) < 0.5 * z * z + d - d * v + d * log(v))
			return d * v;
	}
}

static void
fitting_finds_what_made_the_data(void **state)
{
	enum
	{
		N = 20000
	};
	static const ClvFrequency truth = {0.8, 30, 0.7, 2.5, 0};
	static const ClvValue value_truth = {4, 5, 60, 0};
	ClvCase *cases = calloc(N, sizeof(ClvCase));
	uint64_t seed = 7;
	ClvFrequency found;
	ClvValue value;

	(void) state;
	for (int i = 0; i < N; i++)
	{
		double rate = Gamma(&seed, truth.r) / truth.alpha;
		double a = Gamma(&seed, truth.a);
		double leaves = a / (a + Gamma(&seed, truth.b));
		double scale = Gamma(&seed, value_truth.q) / value_truth.v;
		double now = 0;
		double spent = 0;
		ClvCase *c = &cases[i];

		c->t = 100 + 300 * Uniform(&seed);
		c->weight = 1;
		for (;;)
		{
			now += -log(Uniform(&seed)) / rate;
			if (now > c->t)
				break;
			c->x++;
			c->t_x = now;
			spent += Gamma(&seed, value_truth.p) / scale;
			if (Uniform(&seed) < leaves)
				break;
		}
		c->mean = c->x > 0 ? spent / c->x : 0;
	}
	assert_true(ClvFitFrequency(cases, N, NULL, NULL, &found));
	assert_near(found.r, truth.r, 0.06);
	assert_near(found.alpha, truth.alpha, 3);
	assert_near(found.a, truth.a, 0.12);
	assert_near(found.b, truth.b, 0.6);
	assert_true(found.log_likelihood >=
				ClvFrequencyLogLikelihood(&truth, cases, N));
	assert_true(ClvFitValue(cases, N, NULL, NULL, &value));
	assert_near(value.p, value_truth.p, 0.25);
	assert_near(value.q, value_truth.q, 0.4);
	assert_near(value.p * value.v / (value.q - 1),
				value_truth.p * value_truth.v / (value_truth.q - 1), 2);
	free(cases);
}

static void
poor_data_is_no_model(void **state)
{
	ClvCase cases[3] = {{0, 0, 10, 0, 1}, {0, 0, 0, 0, 1}, {0, 0, 5, 0, 1}};
	ClvFrequency model;
	ClvValue value;
	ClvIntervalModel intervals;
	ClvIntervals none[2] = {{0, 0, 0}, {0, 0, 0}};

	(void) state;
	assert_false(ClvFitFrequency(cases, 3, NULL, NULL, &model));
	assert_false(ClvFitFrequency(cases, 0, NULL, NULL, &model));
	assert_false(ClvFitValue(cases, 3, NULL, NULL, &value));
	assert_false(ClvFitIntervals(none, 2, &intervals));
	/* Everybody exactly once a day: no optimum inside, yet an answer. */
	for (int i = 0; i < 3; i++)
		cases[i] = (ClvCase){30, 30, 30, 5, 1};
	assert_true(ClvFitFrequency(cases, 3, NULL, NULL, &model));
	assert_near(ClvExpectedPurchases(&model, 30, 30, 30, 10), 10, 1.5);
}

static void
intervals_shrink_to_the_population(void **state)
{
	ClvIntervals people[3] = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
	ClvIntervals stranger = {0, 0, 0};
	ClvIntervalModel model;
	ClvNext weekly;
	ClvNext unknown;

	(void) state;
	for (int i = 0; i < 20; i++)
	{
		ClvIntervalsAdd(&people[0], i % 2 ? 6 : 8);
		ClvIntervalsAdd(&people[1], i % 2 ? 28 : 32);
		ClvIntervalsAdd(&people[2], i % 2 ? 80 : 100);
	}
	assert_near(people[0].mean, (log(6) + log(8)) / 2, 1e-12);
	assert_near(people[0].squares, 20 * pow(log(8.0 / 6) / 2, 2), 1e-9);
	assert_true(ClvFitIntervals(people, 3, &model));
	assert_true(model.between > model.within);
	weekly = ClvPredictNext(&model, &people[0]);
	unknown = ClvPredictNext(&model, &stranger);
	assert_near(weekly.due, 7, 0.2);
	assert_true(weekly.low < 6.5 && weekly.high > 7.5);
	assert_near(unknown.due, exp(model.mean), 1e-9);
	assert_true(unknown.high / unknown.low > weekly.high / weekly.low);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_expectation),
		cmocka_unit_test(published_values),
		cmocka_unit_test(likelihood_of_single_cases),
		cmocka_unit_test(expectation_is_that_of_a_simulation),
		cmocka_unit_test(fitting_finds_what_made_the_data),
		cmocka_unit_test(poor_data_is_no_model),
		cmocka_unit_test(intervals_shrink_to_the_population),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
