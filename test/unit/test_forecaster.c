/*-------------------------------------------------------------------------
 *
 * test_forecaster.c
 *	  Unit tests of the forecasting core.
 *
 * Expected figures of R are those of its package forecast, version 8.20.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "../../src/forecast/forecaster_internal.h"
#include "hooks.h"
#include "random.h"

#define MAX_STEPS 64

static const double Levels[] = {0.05, 0.25, 0.5, 0.75, 0.95};

static Hooks
Quiet(void)
{
	return (Hooks){.fail_at = -1, .stop_at = -1};
}

static ForecastProblem
Problem(Hooks *hooks, const double *y, int n, int horizon, int season,
		ForecastMethod method)
{
	return (ForecastProblem){.history = y,
							 .n = n,
							 .horizon = horizon,
							 .season = season,
							 .method = method,
							 .levels = Levels,
							 .n_levels = 5,
							 .alloc = HookAlloc,
							 .release = HookRelease,
							 .interrupted = HookInterrupted,
							 .context = hooks};
}

/*
 * Forecast without anything that goes wrong, into an array of the test.
 */
static void
Mean(const double *y, int n, int horizon, int season, ForecastMethod method,
	 double *mean)
{
	Hooks hooks = Quiet();
	ForecastProblem problem = Problem(&hooks, y, n, horizon, season, method);
	ForecastAnswer answer;

	assert_int_equal(forecast_solve(&problem, &answer), FORECAST_OK);
	memcpy(mean, answer.mean, sizeof(double) * (size_t) horizon);
	forecast_free_answer(&problem, &answer);
	assert_int_equal(hooks.living, 0);
}

static void
ExpectNear(double found, double expected, double relative)
{
	if (!(fabs(found - expected) <= relative * fmax(fabs(expected), 1e-9)))
		fail_msg("%.10g instead of %.10g", found, expected);
}

/* A normal number, roughly: the sum of twelve uniform ones. */
static double
Noise(void)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += (double) Random(0, 1000000) / 1000000;
	return sum;
}

/* 50 + t + 7 (t^2 mod 5) */
static void
Sawtooth(double *y, int n)
{
	for (int t = 1; t <= n; t++)
		y[t - 1] = 50 + t + 7 * (t * t % 5);
}

/* Four seasons, each a multiple of a trend, and a little more. */
static void
Quarters(double *y, int n)
{
	static const double season[] = {0.7, 1.1, 1.4, 0.8};

	for (int t = 1; t <= n; t++)
		y[t - 1] = (80 + 2 * t) * season[(t - 1) % 4] + t * 5 % 7;
}

static void
smoothing_and_theta_agree_with_r(void **state)
{
	static const double theta[] = {90.33916945, 90.79245088, 91.24573230};
	double y[30];
	double mean[3];

	(void) state;
	Sawtooth(y, 30);
	Mean(y, 30, 3, 1, FORECAST_THETA, mean);
	for (int h = 0; h < 3; h++)
		ExpectNear(mean[h], theta[h], 1e-3);
	Mean(y, 30, 1, 1, FORECAST_SES, mean);
	ExpectNear(mean[0], 87.83045898, 1e-3);
}

/*
 * Fit a model of the given form; return its AICc.
 */
static double
FittedAicc(const char *form, const double *y, int n, int period)
{
	double room[400];
	double columns[40 * (MAX_PARAMETERS + 2)];
	double seasonal[4];
	double ring[4];
	Arena arena = {.base = room, .size = 400};
	EtsModel model = {.error = form[0],
					  .trend = form[1],
					  .season = form[2],
					  .period = period,
					  .y = y,
					  .n = n,
					  .fit_initial = true,
					  .fit_seasonal = true,
					  .seasonal = seasonal,
					  .ring = ring};

	assert_true(EtsFit(&arena, &model, columns, FIT_WELL));
	return model.aicc;
}

/*
 * A fit is at least as likely as R's, whose search stops early.
 */
static void
fits_are_as_likely_as_those_of_r(void **state)
{
	Hooks hooks = Quiet();
	double y[30];
	ForecastProblem problem;
	ForecastAnswer answer;

	(void) state;
	Sawtooth(y, 30);
	ExpectNear(FittedAicc("ANN", y, 30, 1), 264.2347839, 1e-4);
	assert_true(FittedAicc("AAN", y, 30, 1) < 262.1672292 + 0.01);
	assert_true(FittedAicc("AAN", y, 30, 1) > 262.1672292 - 5);
	Quarters(y, 28);
	assert_true(FittedAicc("MAM", y, 28, 4) < 163.8729633 + 0.01);
	assert_true(FittedAicc("MAM", y, 28, 4) > 163.8729633 - 20);
	problem = Problem(&hooks, y, 28, 4, 4, FORECAST_ETS);
	assert_int_equal(forecast_solve(&problem, &answer), FORECAST_OK);
	assert_string_equal(answer.model, "ets(M,A,M)");
	forecast_free_answer(&problem, &answer);
}

static void
sporadic_methods_follow_their_formulas(void **state)
{
	static const double y[] = {0, 3, 0, 0, 2, 0, 0, 0, 4, 0, 1, 0, 0, 5, 0};
	static const double even[] = {0, 6, 0, 6, 0, 6, 0, 6};
	double mean[2];
	double before;

	(void) state;
	Mean(y, 15, 2, 1, FORECAST_CROSTON, mean);
	ExpectNear(mean[0], 1.296886376, 1e-9); /* R */
	ExpectNear(mean[1], mean[0], 0);
	before = mean[0];
	Mean(y, 15, 1, 1, FORECAST_SBA, mean);
	ExpectNear(mean[0], 0.95 * before, 1e-12);
	/* buckets of two hold 6 each: 3 a period, whatever the smoothing */
	Mean(even, 8, 1, 1, FORECAST_ADIDA, mean);
	ExpectNear(mean[0], 3, 1e-6);
	/* size 6 always; the chance wanders a little about 1/2 */
	Mean(even, 8, 1, 1, FORECAST_TSB, mean);
	assert_true(mean[0] > 2.7 && mean[0] < 3.6);
}

/*
 * The published recursion of the dynamic optimised theta model, word by word
 * (Fiorucci et al. 2016), at given parameters.
 */
static void
dot_is_the_published_recursion(void **state)
{
	ThetaModel model = {.n = 20, .alpha = 0.3, .theta = 2.5, .level = 30};
	double y[25];
	double at[4];
	Arena arena = {0};
	Paths paths = {.origins = 1, .horizon = 4, .first = 20, .at = at};
	double level = model.level;
	double a = 0;
	double b = 0;
	double mean = 0;

	(void) state;
	(void) arena;
	Sawtooth(y, 20);
	model.y = y;
	DotPaths(&model, &paths);
	for (int t = 1; t <= 24; t++)
	{
		double alpha = model.alpha;
		double forecast = level +
			(1 - 1 / model.theta) *
				(pow(1 - alpha, t - 1) * a +
				 (1 - pow(1 - alpha, t)) / alpha * b);
		double value = t <= 20 ? y[t - 1] : forecast;

		if (t > 20)
			ExpectNear(at[t - 21], forecast, 1e-9);
		level = alpha * value + (1 - alpha) * level;
		b = t == 1 ? 0 : ((t - 2) * b + 6.0 / t * (value - mean)) / (t + 1);
		mean = ((t - 1) * mean + value) / t;
		a = mean - (t + 1) / 2.0 * b;
	}
}

static void
every_method_answers_at_the_edges(void **state)
{
	static double y[60];
	double mean[MAX_STEPS];

	(void) state;
	for (int kind = 0; kind < 5; kind++)
		for (int n = 1; n <= 60; n += n < 30 ? 1 : 10)
			for (int m = 0; m < FORECAST_METHODS; m++)
			{
				for (int t = 0; t < n; t++)
					y[t] = kind == 0 ? 0
						: kind == 1	 ? 7
						: kind == 2	 ? t % 5 == 3
						: kind == 3	 ? 1 + t
									 : 1e99 * (t % 2 * 2 - 1);
				if (m == FORECAST_HW_MULTIPLICATIVE && kind != 1 && kind != 3)
					continue;
				for (int season = 1; season <= 13; season += 6)
				{
					Mean(y, n, 14, season, (ForecastMethod) m, mean);
					for (int h = 0; h < 14; h++)
					{
						assert_true(isfinite(mean[h]));
						if (kind == 0)
							assert_true(mean[h] == 0);
						if (kind == 1 && m != FORECAST_SBA)
							ExpectNear(mean[h], 7, 1e-6);
					}
				}
			}
}

static void
units_do_not_matter(void **state)
{
	double y[72];
	double large[72];
	double a[12];
	double b[12];

	(void) state;
	SeedRandom(5);
	for (int t = 0; t < 72; t++)
	{
		y[t] = (60 + t) * (1 + 0.3 * sin(t * 3.14159 / 6)) + 3 * Noise();
		large[t] = 1024 * y[t]; /* exact */
	}
	for (int m = 0; m < FORECAST_METHODS; m++)
	{
		Mean(y, 72, 12, 12, (ForecastMethod) m, a);
		Mean(large, 72, 12, 12, (ForecastMethod) m, b);
		for (int h = 0; h < 12; h++)
			ExpectNear(b[h], 1024 * a[h], 1e-9);
	}
}

static void
seasons_are_kept_and_noise_is_not(void **state)
{
	double y[140];
	double mean[7];
	double wide = 0;
	double first_mean;

	(void) state;
	SeedRandom(11);
	for (int series = 0; series < 20; series++)
	{
		double least = INFINITY;
		double most = -INFINITY;

		for (int t = 0; t < 140; t++)
			y[t] = 100 + 10 * Noise();
		Mean(y, 140, 7, 7, FORECAST_DOT, mean);
		for (int h = 0; h < 7; h++)
		{
			least = fmin(least, mean[h]);
			most = fmax(most, mean[h]);
		}
		wide += (most - least) / 20;
	}
	/* the averages of 20 weeks are 6.3 apart */
	assert_true(wide < 4.5);
	for (int t = 0; t < 140; t++)
		y[t] = (t % 7 == 5 ? 200 : 100) + 10 * Noise();
	Mean(y, 140, 7, 7, FORECAST_AUTO, mean);
	first_mean = mean[0];
	ExpectNear(first_mean, 100, 0.1); /* 140 is a multiple of 7 */
	ExpectNear(mean[5], 200, 0.1);
}

/*
 * Intervals hold what they say on walks with noise, on average.
 */
static void
intervals_cover_what_they_say(void **state)
{
	int within90 = 0;
	int within50 = 0;
	int points = 0;

	(void) state;
	SeedRandom(17);
	for (int series = 0; series < 150; series++)
	{
		Hooks hooks = Quiet();
		double y[92];
		double level = 100;
		ForecastProblem problem = Problem(&hooks, y, 80, 12, 1, FORECAST_AUTO);
		ForecastAnswer answer;

		for (int t = 0; t < 92; t++)
		{
			level += 0.3 + 1.5 * Noise();
			y[t] = level + 3 * Noise();
		}
		assert_int_equal(forecast_solve(&problem, &answer), FORECAST_OK);
		for (int h = 0; h < 12; h++, points++)
		{
			const double *q = answer.quantiles + (size_t) h * 5;
			double came = y[80 + h];

			within90 += came >= q[0] && came <= q[4];
			within50 += came >= q[1] && came <= q[3];
			for (int i = 1; i < 5; i++)
				assert_true(q[i] >= q[i - 1]);
		}
		forecast_free_answer(&problem, &answer);
	}
	print_message("# 90 %%: %.3f, 50 %%: %.3f\n", (double) within90 / points,
				  (double) within50 / points);
	assert_true(within90 > 0.86 * points && within90 < 0.96 * points);
	assert_true(within50 > 0.44 * points && within50 < 0.60 * points);
}

static void
classes_follow_their_two_numbers(void **state)
{
	static const double y[] = {0, 2, 0, 0, 4, 0};
	static const double none[] = {0, 0};
	double adi;
	double cv2;

	(void) state;
	assert_int_equal(forecast_class(y, 6, &adi, &cv2), FORECAST_INTERMITTENT);
	ExpectNear(adi, 3, 1e-12);
	ExpectNear(cv2, 2.0 / 9, 1e-12);
	assert_int_equal(forecast_class(none, 2, &adi, &cv2), FORECAST_EMPTY);
}

static void
bad_problems_are_refused(void **state)
{
	static const double y[] = {1, 2, 3, NAN};
	static const double bad_level[] = {0.5, 1};
	Hooks hooks = Quiet();
	ForecastProblem good = Problem(&hooks, y, 3, 2, 1, FORECAST_AUTO);
	ForecastProblem bad;
	ForecastAnswer answer;

	(void) state;
#define REFUSED(change, status)                              \
	bad = good;                                              \
	change;                                                  \
	assert_int_equal(forecast_solve(&bad, &answer), status); \
	assert_null(answer.mean)
	REFUSED(bad.n = 0, FORECAST_BAD_HISTORY);
	REFUSED(bad.n = 4, FORECAST_BAD_VALUE);
	REFUSED(bad.n = FORECAST_MAX_HISTORY + 1, FORECAST_BAD_HISTORY);
	REFUSED(bad.horizon = 0, FORECAST_BAD_HORIZON);
	REFUSED(bad.horizon = FORECAST_MAX_HORIZON + 1, FORECAST_BAD_HORIZON);
	REFUSED(bad.season = 0, FORECAST_BAD_SEASON);
	REFUSED(bad.method = FORECAST_METHODS, FORECAST_BAD_METHOD);
	REFUSED((bad.levels = bad_level, bad.n_levels = 2), FORECAST_BAD_LEVEL);
	REFUSED(bad.n_levels = -1, FORECAST_BAD_LEVEL);
	assert_int_equal(hooks.allocations, 0);
}

static void
failing_memory_leaks_nothing(void **state)
{
	double y[48];

	(void) state;
	Quarters(y, 48);
	for (int fail = 0; fail < 2; fail++)
	{
		Hooks hooks = Quiet();
		ForecastProblem problem = Problem(&hooks, y, 48, 8, 4, FORECAST_AUTO);
		ForecastAnswer answer;

		hooks.fail_at = fail;
		assert_int_equal(forecast_solve(&problem, &answer), FORECAST_NO_MEMORY);
		assert_null(answer.mean);
		assert_int_equal(hooks.living, 0);
	}
}

static void
interruption_stops_every_method(void **state)
{
	static double y[5000];

	(void) state;
	for (int t = 0; t < 5000; t++)
		y[t] = 10 + t % 7 + t % 11;
	for (int m = 0; m < FORECAST_METHODS; m++)
	{
		Hooks hooks = Quiet();
		ForecastProblem problem =
			Problem(&hooks, y, 5000, 28, 7, (ForecastMethod) m);
		ForecastAnswer answer;
		int questions;

		assert_int_equal(forecast_solve(&problem, &answer), FORECAST_OK);
		forecast_free_answer(&problem, &answer);
		questions = hooks.questions;
		assert_true(questions > 0);
		for (int stop = 0; stop < questions; stop += 1 + questions / 3)
		{
			hooks = Quiet();
			hooks.stop_at = stop;
			assert_int_equal(forecast_solve(&problem, &answer),
							 FORECAST_INTERRUPTED);
			assert_int_equal(hooks.living, 0);
			/* it does not go on asking once it was told */
			assert_int_equal(hooks.questions, stop + 1);
		}
	}
}

static void
long_histories_are_forecast(void **state)
{
	static double y[100000];
	double mean[28];

	(void) state;
	for (int t = 0; t < 100000; t++)
		y[t] = 50 + 20 * (t % 7 == 3) + t % 13;
	Mean(y, 100000, 28, 7, FORECAST_AUTO, mean);
	for (int h = 0; h < 28; h++)
		assert_true(mean[h] > 45 && mean[h] < 90);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smoothing_and_theta_agree_with_r),
		cmocka_unit_test(fits_are_as_likely_as_those_of_r),
		cmocka_unit_test(sporadic_methods_follow_their_formulas),
		cmocka_unit_test(dot_is_the_published_recursion),
		cmocka_unit_test(every_method_answers_at_the_edges),
		cmocka_unit_test(units_do_not_matter),
		cmocka_unit_test(seasons_are_kept_and_noise_is_not),
		cmocka_unit_test(intervals_cover_what_they_say),
		cmocka_unit_test(classes_follow_their_two_numbers),
		cmocka_unit_test(bad_problems_are_refused),
		cmocka_unit_test(failing_memory_leaks_nothing),
		cmocka_unit_test(interruption_stops_every_method),
		cmocka_unit_test(long_histories_are_forecast),
	};

	return cmocka_run_group_tests_name("forecaster", tests, NULL, NULL);
}
