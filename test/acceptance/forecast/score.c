/*-------------------------------------------------------------------------
 *
 * score.c
 *	  How accurate the method "auto" is on sets of real series, and what it costs.
 *
 *		score long  <set> < *_long.csv		id,period,freq,set,t,y
 *		score daily <set> < daily.csv		series_id,day_no,sale,...
 *
 * Rows of a series follow each other, its history first, oldest first.  Of a daily set the last 7
 * days are held out, and weeks are its season; every set has the same settings.
 * A tab-separated line is printed for each period of a set.  An optional third
 * argument names another method.
 *
 * sMAPE	mean of 200 |y - f| / (|y| + |f|), by series
 * MASE		mean error over the mean error of the seasonal naive forecast
 *			inside the history, by series
 * RMSSE	root of the mean squared error over that of the naive forecast
 *			inside the history, by series; weighted by volume of the history
 * WAPE		sum of errors over sum of values, of all series
 * bias		sum of (f - y) over sum of values, of all series
 * cover	shares of the held-out values inside the intervals of 50 and 90 %
 *
 * Series whose scale is zero (constant) count for neither MASE nor RMSSE.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../../src/forecast/forecaster.h"

#define MAX_LINE 4096
#define MAX_LENGTH 100000
#define MAX_PERIODS 16
#define NAME_LENGTH 64
#define DAILY_TEST 7

typedef struct Series
{
	char id[NAME_LENGTH];
	char period[NAME_LENGTH];
	int season;
	int n_train;
	int n_test;
	double train[MAX_LENGTH];
	double test[MAX_LENGTH];
} Series;

typedef struct Row
{
	char *id;
	char *period;
	int season;
	bool test;
	double value;
} Row;

/* What was measured of one period of a set. */
typedef struct Score
{
	char period[NAME_LENGTH];
	int series;
	int scaled;
	int rooted;
	double smape;
	double mase;
	double rmsse;
	double weighted;
	double weight;
	double absolute;
	double signed_error;
	double volume;
	double points;
	double within50;
	double within90;
	double seconds;
} Score;

static Score Scores[MAX_PERIODS];
static int NScores;
static ForecastMethod Method = FORECAST_AUTO;

static void
Fail(const char *what, const char *where)
{
	fprintf(stderr, "score: %s: %s\n", what, where);
	exit(1);
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

static Score *
ScoreOf(const char *period)
{
	for (int i = 0; i < NScores; i++)
		if (strcmp(Scores[i].period, period) == 0)
			return &Scores[i];
	if (NScores == MAX_PERIODS)
		Fail("too many periods", period);
	memcpy(Scores[NScores].period, period, NAME_LENGTH);
	return &Scores[NScores++];
}

/*
 * Compare a forecast with what came.
 */
static void
Judge(Score *score, const Series *series, const ForecastAnswer *answer)
{
	double naive = 0;
	double squares = 0;
	double volume = 0;
	double error = 0;
	double squared = 0;
	double smape = 0;
	int n = series->n_train;
	int m = series->season < n ? series->season : 1;

	for (int i = m; i < n; i++)
		naive += fabs(series->train[i] - series->train[i - m]) / (n - m);
	for (int i = 1; i < n; i++)
		squares += pow(series->train[i] - series->train[i - 1], 2) / (n - 1);
	for (int i = 0; i < n; i++)
		volume += series->train[i];
	for (int h = 0; h < series->n_test; h++)
	{
		double y = series->test[h];
		double f = answer->mean[h];
		const double *q = answer->quantiles + (size_t) h * 4;

		error += fabs(y - f);
		squared += (y - f) * (y - f);
		if (y != f)
			smape += 200 * fabs(y - f) / (fabs(y) + fabs(f));
		score->absolute += fabs(y - f);
		score->signed_error += f - y;
		score->volume += fabs(y);
		score->within90 += y >= q[0] && y <= q[3];
		score->within50 += y >= q[1] && y <= q[2];
		score->points++;
	}
	score->series++;
	score->smape += smape / series->n_test;
	if (naive > 0)
	{
		score->mase += error / series->n_test / naive;
		score->scaled++;
	}
	if (squares > 0)
	{
		double rmsse = sqrt(squared / series->n_test / squares);

		score->rmsse += rmsse;
		score->rooted++;
		score->weighted += volume * rmsse;
		score->weight += volume;
	}
}

/*
 * Forecast a series; only the forecast is timed.
 */
static void
ScoreSeries(const Series *series)
{
	static const double levels[] = {0.05, 0.25, 0.75, 0.95};
	ForecastProblem problem = {.history = series->train,
							   .n = series->n_train,
							   .horizon = series->n_test,
							   .season = series->season,
							   .method = Method,
							   .non_negative = true,
							   .levels = levels,
							   .n_levels = 4,
							   .alloc = Allocate,
							   .release = Release};
	Score *score = ScoreOf(series->period);
	ForecastAnswer answer;
	ForecastStatus status;
	clock_t begin;

	if (series->n_test == 0 || series->n_train == 0)
		return;
	begin = clock();
	status = forecast_solve(&problem, &answer);
	score->seconds += (double) (clock() - begin) / CLOCKS_PER_SEC;
	if (status != FORECAST_OK)
		Fail(series->id, forecast_status_text(status));
	Judge(score, series, &answer);
	forecast_free_answer(&problem, &answer);
}

/*
 * Cut off the next field of a line.
 */
static char *
Field(char **rest)
{
	char *field = *rest;
	char *comma = field + strcspn(field, ",\r\n");

	*rest = *comma == '\0' ? comma : comma + 1;
	*comma = '\0';
	return field;
}

static void
Keep(char *to, const char *from)
{
	if (strlen(from) >= NAME_LENGTH)
		Fail("a name is too long", from);
	memset(to, 0, NAME_LENGTH);
	memcpy(to, from, strlen(from));
}

/*
 * Hold out the last days of a daily series.
 */
static void
HoldOut(Series *series)
{
	series->n_test = DAILY_TEST;
	series->n_train -= DAILY_TEST;
	if (series->n_train < 1)
		Fail("a series is too short", series->id);
	memcpy(series->test, series->train + series->n_train,
		   sizeof(double) * DAILY_TEST);
}

/*
 * Cut a line into its fields.
 */
static Row
ReadRow(char *line, bool daily)
{
	char *rest = line;
	Row row = {.id = Field(&rest), .period = "daily", .season = 7};

	if (!daily)
	{
		row.period = Field(&rest);
		row.season = atoi(Field(&rest));
		row.test = strcmp(Field(&rest), "test") == 0;
	}
	(void) Field(&rest); /* rows are in order of time */
	row.value = atof(Field(&rest));
	return row;
}

static void
Append(Series *series, const Row *row)
{
	if (series->n_train == MAX_LENGTH || series->n_test == MAX_LENGTH)
		Fail("a series is too long", series->id);
	if (row->test)
		series->test[series->n_test++] = row->value;
	else
		series->train[series->n_train++] = row->value;
}

static void
FinishSeries(Series *series, bool daily)
{
	if (series->n_train == 0)
		return;
	if (daily)
		HoldOut(series);
	ScoreSeries(series);
}

static void
ReadSet(bool daily)
{
	static Series series;
	char line[MAX_LINE];

	if (fgets(line, sizeof(line), stdin) == NULL)
		Fail("empty input", "standard input");
	while (fgets(line, sizeof(line), stdin) != NULL)
	{
		Row row = ReadRow(line, daily);

		if (strcmp(row.id, series.id) != 0 ||
			strcmp(row.period, series.period) != 0)
		{
			FinishSeries(&series, daily);
			series.n_train = series.n_test = 0;
			Keep(series.id, row.id);
			Keep(series.period, row.period);
			series.season = row.season;
		}
		Append(&series, &row);
	}
	FinishSeries(&series, daily);
}

int
main(int argc, char **argv)
{
	if (argc < 3 || (argc > 3 && !forecast_method_of(argv[3], &Method)))
	{
		fprintf(stderr, "usage: score long|daily set [method]\n");
		return 1;
	}
	ReadSet(strcmp(argv[1], "daily") == 0);
	for (int i = 0; i < NScores; i++)
	{
		const Score *s = &Scores[i];

		printf(
			"%s\t%s\t%d\t%.3f\t%.4f\t%.4f\t%.4f\t%.4f\t%.4f\t%.3f\t%.3f\t%.3f\n",
			argv[2], s->period, s->series, s->smape / s->series,
			s->mase / s->scaled, s->rmsse / s->rooted, s->weighted / s->weight,
			s->absolute / s->volume, s->signed_error / s->volume,
			s->seconds / s->series * 1000, s->within50 / s->points,
			s->within90 / s->points);
	}
	return 0;
}
