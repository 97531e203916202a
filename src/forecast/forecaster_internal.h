/*-------------------------------------------------------------------------
 *
 * forecaster_internal.h
 *	  What the files of the forecasting core share.
 *
 * Every method is a component: it is fitted to a series once and then says, for
 * any of the last origins, what it would have forecast from there.  One matrix
 * of such paths is enough to combine components, to weigh them, and to learn
 * how far forecasts of each lead miss.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_FORECASTER_INTERNAL_H
#define PG_RETAIL_FORECASTER_INTERNAL_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "forecaster.h"

/* Initial seasonal states are fitted up to this length of a season. */
#define MAX_FITTED_SEASON 24
#define MAX_PARAMETERS (6 + MAX_FITTED_SEASON)

/* One allocation for the whole forecast, handed out piece by piece. */
typedef struct Arena
{
	double *base;
	size_t size; /* in doubles */
	size_t used;
	bool (*interrupted)(void *context);
	void *context;
	bool stopped; /* the caller wants no answer any more */
} Arena;

extern double *ArenaDoubles(Arena *arena, size_t n);
extern bool ArenaStopped(Arena *arena);

/*
 * Forecasts of the steps 1 .. horizon from the last origins, oldest first; the
 * last origin is the end of the history.
 */
typedef struct Paths
{
	int origins;
	int horizon;
	int first;	/* observations known at the oldest origin */
	double *at; /* [origin * horizon + step - 1] */
} Paths;

/* A forecast in the making. */
typedef struct Work
{
	const ForecastProblem *problem;
	Arena arena;
	double *y; /* the history, divided by scale */
	int n;
	int season; /* 1 when the history is too short for it */
	double scale;
	bool positive;	 /* every observation is above 0 */
	double *columns; /* for FitLeastSquares() */
	double *adjusted;
	double *indices;
	char season_kind; /* of adjusted: N, A, M */
	ForecastClass class;
	char *model;
	Paths paths; /* of the answer */
} Work;

extern Paths PathsLike(Arena *arena, const Paths *paths);
extern const double *LastPath(const Paths *paths);

/* ---- forecaster_methods.c ------------------------------------------------ */

extern bool RunEts(Work *work, const double *y, const char *form,
				   bool fit_seasonal, double tolerance, Paths *paths);
extern bool RunMethod(Work *work, ForecastMethod method, Paths *paths);
extern void AdjustSeason(Work *work);
extern void RestoreSeason(const Work *work, Paths *paths);

/* ---- forecaster_auto.c --------------------------------------------------- */

extern void RunAuto(Work *work);

/* ---- forecaster_quantile.c ----------------------------------------------- */

extern void SpreadQuantiles(Work *work, double *quantiles);

/* ---- forecaster_fit.c ---------------------------------------------------- */

typedef bool (*ResidualFunction)(void *model, const double *parameters,
								 double *residuals);

/* How well a fit is done: alone, or as one of several. */
#define FIT_WELL 1e-7
#define FIT_ROUGHLY 1e-3

typedef struct FitSpace
{
	int n; /* residuals */
	int p; /* parameters */
	const double *lower;
	const double *upper;
	int max_rounds;
	double tolerance; /* a round that gains less, relatively, is the last */
	double *columns;  /* [(p + 2) * n] */
} FitSpace;

extern double
FitLeastSquares(Arena *arena, const FitSpace *space, ResidualFunction function,
				void *model, double *parameters);

/* ---- forecaster_season.c ------------------------------------------------- */

extern bool SeasonIsVisible(const double *y, int n, int season);
extern void SeasonIndices(Arena *arena, const double *y, int n, int season,
						  bool multiplicative, bool shrink, double *indices);

/* ---- forecaster_ets.c ---------------------------------------------------- */

typedef struct EtsModel
{
	char error;	 /* A, M */
	char trend;	 /* N, A, D (damped) */
	char season; /* N, A, M */
	int period;
	const double *y;
	int n;
	/* fitted */
	double alpha, beta, gamma, phi;
	double level, slope; /* initial states */
	double *seasonal;	 /* [period], of the first observations */
	double aicc;
	bool fit_initial;  /* level and slope; else as the first periods say */
	bool fit_seasonal; /* initial seasons too; else shrunk averages */
	double *ring;	   /* [period], of the filter */
} EtsModel;

extern bool
EtsFit(Arena *arena, EtsModel *model, double *columns, double tolerance);
extern void EtsPaths(Arena *arena, const EtsModel *model, Paths *paths);

/* ---- forecaster_theta.c -------------------------------------------------- */

typedef struct ThetaModel
{
	const double *y;
	int n;
	double alpha, theta, level;
} ThetaModel;

extern void ThetaClassic(Arena *arena, const double *y, int n, double *columns,
						 double tolerance, Paths *paths);
extern void
DotFit(Arena *arena, ThetaModel *model, double *columns, double tolerance);
extern void DotPaths(const ThetaModel *model, Paths *paths);

/* ---- forecaster_simple.c, forecaster_intermittent.c ---------------------- */

extern void FlatPath(double *path, int horizon, double value);
extern void SeasonalNaivePaths(const double *y, int season, Paths *paths);
extern void MovingAveragePaths(const double *y, int window, Paths *paths);
extern void CrostonPaths(const double *y, int n, double factor, Paths *paths);
extern double SbaFactor(void);
extern void TsbPaths(Arena *arena, const double *y, int n, Paths *paths);
extern int MeanInterval(const double *y, int n);
extern void AggregatePaths(Arena *arena, const double *y, int n,
						   bool every_level, double *columns, Paths *paths);

#endif /* PG_RETAIL_FORECASTER_INTERNAL_H */
