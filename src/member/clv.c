/*-------------------------------------------------------------------------
 *
 * clv.c
 *	  BG/NBD, Gamma-Gamma and log-normal intervals: likelihoods, fitting by
 *	  maximum likelihood (Nelder-Mead over logarithms), predictions.
 *
 * Everything is summed in the order of the cases, so the same cases in the
 * same order give the same bits.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "clv.h"

#include <math.h>

#define MAX_DIMENSIONS 4
#define MAX_STEPS 600
#define TOLERANCE 1e-9
/* Parameters stay within exp(-LIMIT) to exp(LIMIT): data may have no optimum. */
#define LIMIT 12.0
#define TEN_PERCENT_QUANTILE 1.2815515655446004

/* ---- Nelder-Mead ---- */

typedef double (*Cost)(const double *logs, const void *context);

typedef struct Simplex
{
	int n;
	double points[MAX_DIMENSIONS + 1][MAX_DIMENSIONS];
	double costs[MAX_DIMENSIONS + 1];
	Cost cost;
	const void *context;
} Simplex;

/* Keeps a point within the limits and returns its cost. */
static double
CostAt(const Simplex *simplex, double *point)
{
	double cost;

	for (int i = 0; i < simplex->n; i++)
		point[i] = fmin(fmax(point[i], -LIMIT), LIMIT);
	cost = simplex->cost(point, simplex->context);
	return isnan(cost) ? HUGE_VAL : cost;
}

/* Sets a corner. */
static void
SetCorner(Simplex *simplex, int corner, const double *point, double cost)
{
	for (int i = 0; i < simplex->n; i++)
		simplex->points[corner][i] = point[i];
	simplex->costs[corner] = cost;
}

/* Puts the corners in the order of their costs. */
static void
SortCorners(Simplex *simplex)
{
	for (int i = 1; i <= simplex->n; i++)
		for (int j = i; j > 0 && simplex->costs[j] < simplex->costs[j - 1]; j--)
		{
			double point[MAX_DIMENSIONS];
			double cost = simplex->costs[j];

			for (int k = 0; k < simplex->n; k++)
				point[k] = simplex->points[j][k];
			SetCorner(simplex, j, simplex->points[j - 1],
					  simplex->costs[j - 1]);
			SetCorner(simplex, j - 1, point, cost);
		}
}

/* Moves the worst corner through the middle of the others, by a factor. */
static double
Reflect(const Simplex *simplex, double factor, double *point)
{
	int n = simplex->n;

	for (int k = 0; k < n; k++)
	{
		double middle = 0;

		for (int i = 0; i < n; i++)
			middle += simplex->points[i][k] / n;
		point[k] = middle + factor * (simplex->points[n][k] - middle);
	}
	return CostAt(simplex, point);
}

/* Makes one step; the corners are in order. */
static void
Step(Simplex *simplex)
{
	int n = simplex->n;
	double reflected[MAX_DIMENSIONS];
	double other[MAX_DIMENSIONS];
	double cost = Reflect(simplex, -1, reflected);
	double other_cost;

	if (cost < simplex->costs[n - 1] && cost >= simplex->costs[0])
	{
		SetCorner(simplex, n, reflected, cost);
		return;
	}
	if (cost < simplex->costs[0])
	{
		other_cost = Reflect(simplex, -2, other);
		if (other_cost < cost)
			SetCorner(simplex, n, other, other_cost);
		else
			SetCorner(simplex, n, reflected, cost);
		return;
	}
	other_cost = Reflect(simplex, cost < simplex->costs[n] ? -0.5 : 0.5, other);
	if (other_cost < fmin(cost, simplex->costs[n]))
	{
		SetCorner(simplex, n, other, other_cost);
		return;
	}
	for (int i = 1; i <= n; i++)
	{
		for (int k = 0; k < n; k++)
			other[k] = (simplex->points[i][k] + simplex->points[0][k]) / 2;
		other_cost = CostAt(simplex, other);
		SetCorner(simplex, i, other, other_cost);
	}
}

/* Minimises from a start, which becomes the answer; returns its cost. */
static double
Minimise(Simplex *simplex, double *point, ClvPause pause, void *argument)
{
	int n = simplex->n;

	for (int i = 0; i <= n; i++)
	{
		double corner[MAX_DIMENSIONS];
		double cost;

		for (int k = 0; k < n; k++)
			corner[k] = point[k] + (i == k + 1 ? 0.7 : 0);
		cost = CostAt(simplex, corner);
		SetCorner(simplex, i, corner, cost);
	}
	for (int step = 0; step < MAX_STEPS; step++)
	{
		SortCorners(simplex);
		if (simplex->costs[n] - simplex->costs[0] <=
			TOLERANCE * (fabs(simplex->costs[0]) + 1e-3))
			break;
		if (pause)
			pause(argument);
		Step(simplex);
	}
	SortCorners(simplex);
	for (int k = 0; k < n; k++)
		point[k] = simplex->points[0][k];
	return simplex->costs[0];
}

typedef struct Cases
{
	const ClvCase *cases;
	size_t n;
} Cases;

/* ---- how often: BG/NBD ---- */

/* Most people bought a few times: what hangs on x alone is kept for those. */
#define KEPT 64

static double
FrequencyPart(const ClvFrequency *m, double x)
{
	return lgamma(m->r + x) + lgamma(m->b + x) - lgamma(m->a + m->b + x);
}

/* Formula (6) of the paper, for all cases. */
double
ClvFrequencyLogLikelihood(const ClvFrequency *m, const ClvCase *cases, size_t n)
{
	double constant = m->r * log(m->alpha) - lgamma(m->r) +
		lgamma(m->a + m->b) - lgamma(m->b);
	double sum = 0;
	double kept[KEPT];

	for (int x = 0; x < KEPT; x++)
		kept[x] = FrequencyPart(m, x);
	for (size_t i = 0; i < n; i++)
	{
		const ClvCase *c = &cases[i];
		double stays = -(m->r + c->x) * log(m->alpha + c->t);
		double one = constant +
			(c->x < KEPT && c->x == (int) c->x ? kept[(int) c->x]
											   : FrequencyPart(m, c->x));

		if (c->x > 0)
		{
			double left = log(m->a) - log(m->b + c->x - 1) -
				(m->r + c->x) * log(m->alpha + c->t_x);
			double more = fmax(stays, left);

			stays = more + log1p(exp(fmin(stays, left) - more));
		}
		sum += c->weight * (one + stays);
	}
	return sum;
}

static ClvFrequency
FrequencyOf(const double *logs)
{
	ClvFrequency model = {exp(logs[0]), exp(logs[1]), exp(logs[2]),
						  exp(logs[3]), 0};

	return model;
}

static double
FrequencyCost(const double *logs, const void *context)
{
	const Cases *cases = context;
	ClvFrequency model = FrequencyOf(logs);

	return -ClvFrequencyLogLikelihood(&model, cases->cases, cases->n);
}

/* Fits BG/NBD; false when nobody came back or nobody was seen for any time. */
bool
ClvFitFrequency(const ClvCase *cases, size_t n, ClvPause pause, void *argument,
				ClvFrequency *model)
{
	Cases context = {cases, n};
	Simplex simplex = {.n = 4, .cost = FrequencyCost, .context = &context};
	double people = 0;
	double time = 0;
	double repeats = 0;
	double best;
	double point[MAX_DIMENSIONS];

	for (size_t i = 0; i < n; i++)
	{
		people += cases[i].weight;
		time += cases[i].weight * cases[i].t;
		repeats += cases[i].weight * cases[i].x;
	}
	if (!(repeats > 0) || !(time > 0))
		return false;
	point[0] = log(0.5);
	point[1] = log(0.5 * time / repeats + 1e-3 * time / people);
	point[2] = 0;
	point[3] = log(2);
	Minimise(&simplex, point, pause, argument);
	/* A simplex may collapse: it begins anew where it stopped. */
	best = Minimise(&simplex, point, pause, argument);
	*model = FrequencyOf(point);
	model->log_likelihood = -best;
	return isfinite(best);
}

/* The odds that somebody with these purchases has left. */
static double
OddsOfLeaving(const ClvFrequency *m, double x, double t_x, double t)
{
	if (x <= 0)
		return 0;
	return m->a / (m->b + x - 1) *
		exp((m->r + x) * (log(m->alpha + t) - log(m->alpha + t_x)));
}

/* The chance that somebody with these purchases still buys. */
double
ClvAlive(const ClvFrequency *model, double x, double t_x, double t)
{
	return 1 / (1 + OddsOfLeaving(model, x, t_x, t));
}

/* Gauss' hypergeometric function by its series, 0 <= z < 1. */
static double
Hypergeometric(double a, double b, double c, double z)
{
	double term = 1;
	double sum = 1;

	for (int j = 0; j < 20000; j++)
	{
		term *= (a + j) * (b + j) / ((c + j) * (j + 1)) * z;
		sum += term;
		if (fabs(term) <= 1e-13 * fabs(sum))
			break;
	}
	return sum;
}

/*
 * Purchases expected in some time ahead, formula (10) of the paper.  Euler's
 * transformation takes the power of x out of the series:
 * (1-z)^(r+x) F(r+x, b+x; c; z) = (1-z)^(a-1) F(a+b-1-r, a-1; c; z).
 */
double
ClvExpectedPurchases(const ClvFrequency *m, double x, double t_x, double t,
					 double ahead)
{
	/* Both are removable singularities. */
	double a = fabs(m->a - 1) < 1e-6 ? 1 + 1e-6 : m->a;
	double c = fabs(a + m->b + x - 1) < 1e-9 ? 1e-9 : a + m->b + x - 1;
	double z = ahead / (m->alpha + t + ahead);
	double lasting =
		pow(1 - z, a - 1) * Hypergeometric(a + m->b - 1 - m->r, a - 1, c, z);

	return fmax(c / (a - 1) * (1 - lasting), 0) /
		(1 + OddsOfLeaving(m, x, t_x, t));
}

/* ---- how much: Gamma-Gamma ---- */

static double
ValuePart(const ClvValue *m, double x)
{
	return lgamma(m->p * x + m->q) - lgamma(m->p * x);
}

/* The likelihood of the mean of a person's repeat purchases, for all cases. */
double
ClvValueLogLikelihood(const ClvValue *m, const ClvCase *cases, size_t n)
{
	double constant = m->q * log(m->v) - lgamma(m->q);
	double sum = 0;
	double kept[KEPT];

	for (int x = 1; x < KEPT; x++)
		kept[x] = ValuePart(m, x);
	for (size_t i = 0; i < n; i++)
	{
		const ClvCase *c = &cases[i];
		double px = m->p * c->x;

		if (c->x <= 0 || c->mean <= 0)
			continue;
		sum += c->weight *
			(constant +
			 (c->x < KEPT && c->x == (int) c->x ? kept[(int) c->x]
												: ValuePart(m, c->x)) +
			 (px - 1) * log(c->mean) + px * log(c->x) -
			 (px + m->q) * log(m->v + c->x * c->mean));
	}
	return sum;
}

/* q stays above 1, below which the mean value would be infinite. */
static ClvValue
ValueOf(const double *logs)
{
	ClvValue model = {exp(logs[0]), 1 + exp(logs[1]), exp(logs[2]), 0};

	return model;
}

static double
ValueCost(const double *logs, const void *context)
{
	const Cases *cases = context;
	ClvValue model = ValueOf(logs);

	return -ClvValueLogLikelihood(&model, cases->cases, cases->n);
}

/* Fits Gamma-Gamma; false with fewer than ten people who came back. */
bool
ClvFitValue(const ClvCase *cases, size_t n, ClvPause pause, void *argument,
			ClvValue *model)
{
	Cases context = {cases, n};
	Simplex simplex = {.n = 3, .cost = ValueCost, .context = &context};
	double people = 0;
	double sum = 0;
	double point[MAX_DIMENSIONS];
	double best;

	for (size_t i = 0; i < n; i++)
		if (cases[i].x > 0 && cases[i].mean > 0)
		{
			people += cases[i].weight;
			sum += cases[i].weight * cases[i].mean;
		}
	if (people < 10)
		return false;
	point[0] = log(2);
	point[1] = log(2);
	point[2] = log(sum / people);
	Minimise(&simplex, point, pause, argument);
	best = Minimise(&simplex, point, pause, argument);
	*model = ValueOf(point);
	model->log_likelihood = -best;
	return isfinite(best);
}

/* The mean value of a person's purchases, given the mean of x repeats. */
double
ClvExpectedValue(const ClvValue *m, double x, double mean)
{
	if (x <= 0 || mean <= 0)
		return m->p * m->v / (m->q - 1);
	return (m->v + x * mean) * m->p / (m->p * x + m->q - 1);
}

/* ---- when next ---- */

/* Adds an interval of so many days. */
void
ClvIntervalsAdd(ClvIntervals *intervals, double days)
{
	double value = log(days);
	double before = intervals->mean;

	intervals->n++;
	intervals->mean += (value - before) / intervals->n;
	intervals->squares += (value - before) * (value - intervals->mean);
}

/*
 * Parts the variance of log intervals into within and between people, by the
 * moments of one-way analysis of variance; false when there are no intervals.
 */
bool
ClvFitIntervals(const ClvIntervals *people, size_t n, ClvIntervalModel *model)
{
	double all = 0;
	double all_squared = 0;
	double groups = 0;
	double within = 0;
	double between = 0;
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		if (people[i].n > 0)
		{
			groups++;
			all += people[i].n;
			all_squared += (double) people[i].n * people[i].n;
			within += people[i].squares;
			sum += people[i].n * people[i].mean;
		}
	if (all == 0)
		return false;
	model->mean = sum / all;
	for (size_t i = 0; i < n; i++)
		between += people[i].n * (people[i].mean - model->mean) *
			(people[i].mean - model->mean);
	model->between = 0;
	if (all > groups)
		model->within = within / (all - groups);
	else
		model->within = groups > 1 ? between / (groups - 1) : 0;
	if (groups > 1 && all > groups)
		model->between = fmax((between / (groups - 1) - model->within) /
								  ((all - all_squared / all) / (groups - 1)),
							  0);
	/* Nobody is that regular: a day's play in a year. */
	model->within = fmax(model->within, 1e-4);
	return true;
}

/* Predicts the next purchase of a person, with an interval of 80 %. */
ClvNext
ClvPredictNext(const ClvIntervalModel *m, const ClvIntervals *person)
{
	double own = person->n / m->within;
	double mean = m->mean;
	double variance = m->within;
	double spread;
	ClvNext next;

	if (m->between > 0)
	{
		mean = (m->mean / m->between + own * person->mean) /
			(1 / m->between + own);
		variance += 1 / (1 / m->between + own);
	}
	spread = TEN_PERCENT_QUANTILE * sqrt(variance);
	next.due = exp(mean);
	next.low = exp(mean - spread);
	next.high = exp(mean + spread);
	return next;
}
