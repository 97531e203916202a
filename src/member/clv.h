/*-------------------------------------------------------------------------
 *
 * clv.h
 *	  What people will still buy: BG/NBD for how often, Gamma-Gamma for how
 *	  much, log-normal intervals for when next.  Pure: no PostgreSQL.
 *
 * P. S. Fader, B. G. S. Hardie, K. L. Lee (2005), "Counting Your Customers" the
 * Easy Way, Marketing Science 24(2), 275-284; P. S. Fader, B. G. S. Hardie
 * (2013), The Gamma-Gamma Model of Monetary Value.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_CLV_H
#define PG_RETAIL_CLV_H

#include <stdbool.h>
#include <stddef.h>

/* A person's purchases, or those of several people who are alike. */
typedef struct ClvCase
{
	double x;	   /* repeat purchases: all but the first */
	double t_x;	   /* time from the first to the last; 0 when x is 0 */
	double t;	   /* time from the first to the end of observation */
	double mean;   /* mean value of the repeat purchases, when x > 0 */
	double weight; /* how many people */
} ClvCase;

typedef struct ClvFrequency /* BG/NBD */
{
	double r;
	double alpha;
	double a;
	double b;
	double log_likelihood;
} ClvFrequency;

typedef struct ClvValue /* Gamma-Gamma */
{
	double p;
	double q;
	double v;
	double log_likelihood;
} ClvValue;

/* Natural logarithms of the intervals between a person's purchases. */
typedef struct ClvIntervals
{
	int n;
	double mean;
	double squares; /* sum of squared deviations from the mean */
} ClvIntervals;

typedef struct ClvIntervalModel
{
	double mean;
	double within;
	double between;
} ClvIntervalModel;

typedef struct ClvNext /* days after the last purchase */
{
	double low;
	double due;
	double high;
} ClvNext;

/* Called now and then while fitting; may not return. */
typedef void (*ClvPause)(void *argument);

extern double ClvFrequencyLogLikelihood(const ClvFrequency *model,
										const ClvCase *cases, size_t n);
extern bool ClvFitFrequency(const ClvCase *cases, size_t n, ClvPause pause,
							void *argument, ClvFrequency *model);
extern double
ClvAlive(const ClvFrequency *model, double x, double t_x, double t);
extern double ClvExpectedPurchases(const ClvFrequency *model, double x,
								   double t_x, double t, double ahead);

extern double
ClvValueLogLikelihood(const ClvValue *model, const ClvCase *cases, size_t n);
extern bool ClvFitValue(const ClvCase *cases, size_t n, ClvPause pause,
						void *argument, ClvValue *model);
extern double ClvExpectedValue(const ClvValue *model, double x, double mean);

extern void ClvIntervalsAdd(ClvIntervals *intervals, double days);
extern bool
ClvFitIntervals(const ClvIntervals *people, size_t n, ClvIntervalModel *model);
extern ClvNext
ClvPredictNext(const ClvIntervalModel *model, const ClvIntervals *person);

#endif /* PG_RETAIL_CLV_H */
