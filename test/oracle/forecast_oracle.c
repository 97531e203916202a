/*-------------------------------------------------------------------------
 *
 * forecast_oracle.c
 *	  The forecasting core against the package forecast of R, on random series
 *	  (forecast_series.R, read from standard input).
 *
 * Of exponential smoothing two things are compared: our filter run with R's
 * parameters must give R's AICc and R's forecasts, and our own fit must be as
 * likely as R's.  Theta and Croston must give the same forecasts.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../src/forecast/forecaster_internal.h"

#define MAX_LENGTH 200
#define STEPS 6
/* A fit may be this much less likely than R's, in AICc. */
#define FIT_SLACK 0.5
/* Share of fits that may find another local optimum than R's. */
#define FIT_STRAYS 0.03

static double Series[MAX_LENGTH];
static int N;
static int Period;

/* What was compared. */
static int Filters, WrongFilters, Fits, WorseFits, BetterFits, Thetas,
	WrongThetas, Crostons, WrongCrostons;

static double
Number(void)
{
	double number;

	if (scanf("%lf", &number) != 1)
	{
		printf("Bail out! a number is missing\n");
		exit(1);
	}
	return number;
}

static void *
Allocate(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

static void
Release(void *context, void *pointer)
{
	(void) context;
	free(pointer);
}

static bool
Near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance * fmax(1, fabs(b));
}

/*
 * AICc of a model from its one-step forecasts: of an initial state and a
 * smoothing parameter each counts one, and so does the variance.
 */
static double
Aicc(const EtsModel *model, const Paths *paths)
{
	int k = 3 + 2 * (model->trend != 'N') + (model->trend == 'D') +
		(model->season != 'N' ? model->period : 0);
	double squares = 0;
	double logs = 0;

	for (int t = 0; t < N; t++)
	{
		double f = paths->at[(size_t) t * STEPS];
		double miss = Series[t] - f;

		if (model->error == 'M')
			miss /= f;
		squares += miss * miss;
		logs += log(fabs(f));
	}
	return N * log(squares) + (model->error == 'M' ? 2 * logs : 0) + 2.0 * k +
		2.0 * k * (k + 1) / (N - k - 1);
}

static void
CompareEts(void)
{
	static double room[(MAX_PARAMETERS + 8) * MAX_LENGTH];
	static double columns[(MAX_PARAMETERS + 2) * MAX_LENGTH];
	static double points[(MAX_LENGTH + 1) * STEPS];
	double seasonal[24];
	double ring[24];
	char form[4];
	Arena arena = {.base = room, .size = sizeof(room) / sizeof(*room)};
	Paths paths = {.origins = N + 1, .horizon = STEPS, .at = points};
	EtsModel model = {.y = Series, .n = N, .seasonal = seasonal, .ring = ring};
	bool right;
	double aicc;

	if (scanf("%3s", form) != 1)
		exit(1);
	model.error = form[0];
	model.trend = form[1];
	model.season = form[2];
	model.period = form[2] == 'N' ? 1 : Period;
	model.alpha = Number();
	model.beta = Number();
	model.gamma = Number();
	model.phi = Number();
	model.level = Number();
	model.slope = Number();
	for (int i = 0; i < Period; i++)
		seasonal[i] = Number();
	aicc = Number();
	EtsPaths(&arena, &model, &paths);
	right = Near(Aicc(&model, &paths), aicc, 1e-6);
	for (int h = 0; h < STEPS; h++)
	{
		double number = Number(); /* NaN: not compared */
		/* R gives expected values where errors and seasons multiply */
		double tolerance =
			model.error == 'M' && model.season == 'M' ? 2e-3 : 1e-6;

		right &= isnan(number) || Near(LastPath(&paths)[h], number, tolerance);
	}
	Filters++;
	WrongFilters += !right;
	if (!right)
		printf("# filter %s: aicc %g, R says %g\n", form, Aicc(&model, &paths),
			   aicc);

	model.fit_initial = model.fit_seasonal = true;
	Fits++;
	if (!EtsFit(&arena, &model, columns, FIT_WELL))
		WorseFits++;
	else
	{
		WorseFits += model.aicc > aicc + FIT_SLACK;
		BetterFits += model.aicc < aicc - FIT_SLACK;
		if (model.aicc > aicc + FIT_SLACK)
			printf("# fit %s n %d: aicc %g, R finds %g\n", form, N, model.aicc,
				   aicc);
	}
}

/*
 * Compare a method with the forecasts that follow.
 */
static bool
SameForecasts(ForecastMethod method, int steps, double tolerance)
{
	ForecastProblem problem = {.history = Series,
							   .n = N,
							   .horizon = steps,
							   .season = Period,
							   .method = method,
							   .alloc = Allocate,
							   .release = Release};
	ForecastAnswer answer;
	bool same = forecast_solve(&problem, &answer) == FORECAST_OK;

	for (int h = 0; h < steps; h++)
	{
		double number = Number();

		if (same && !Near(answer.mean[h], number, tolerance))
		{
			printf("# step %d: %g, R says %g\n", h + 1, answer.mean[h], number);
			same = false;
		}
	}
	forecast_free_answer(&problem, &answer);
	return same;
}

static void
ReadSeries(void)
{
	Period = (int) Number();
	N = (int) Number();
	if (N > MAX_LENGTH || Period > 24)
		exit(1);
	for (int t = 0; t < N; t++)
		Series[t] = Number();
}

int
main(void)
{
	char word[16];
	bool ok[4];

	while (scanf("%15s", word) == 1)
	{
		if (strcmp(word, "series") == 0)
			ReadSeries();
		else if (strcmp(word, "ets") == 0)
			CompareEts();
		else if (strcmp(word, "theta") == 0)
		{
			Thetas++;
			WrongThetas += !SameForecasts(FORECAST_THETA, STEPS, 2e-3);
		}
		else if (strcmp(word, "croston") == 0)
		{
			Crostons++;
			WrongCrostons += !SameForecasts(FORECAST_CROSTON, 1, 1e-9);
		}
		else
			exit(1);
	}
	ok[0] = Filters > 0 && WrongFilters == 0;
	ok[1] = Fits > 0 && WorseFits <= FIT_STRAYS * Fits;
	ok[2] = Thetas > 0 && WrongThetas == 0;
	ok[3] = Crostons > 0 && WrongCrostons == 0;
	printf("1..4\n");
	printf("%sok 1 - exponential smoothing with R's parameters: %d of %d "
		   "models differ\n",
		   ok[0] ? "" : "not ", WrongFilters, Filters);
	printf("%sok 2 - our fits: %d of %d less likely than R's, %d more\n",
		   ok[1] ? "" : "not ", WorseFits, Fits, BetterFits);
	printf("%sok 3 - theta: %d of %d series differ\n", ok[2] ? "" : "not ",
		   WrongThetas, Thetas);
	printf("%sok 4 - Croston: %d of %d series differ\n", ok[3] ? "" : "not ",
		   WrongCrostons, Crostons);
	return !(ok[0] && ok[1] && ok[2] && ok[3]);
}
