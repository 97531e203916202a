/*-------------------------------------------------------------------------
 *
 * profile_population.c
 *	  The figures of the population: read from, or fitted and written to,
 *	  retail.profile_model; and the counts that BI sees.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/profile_run.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/hsearch.h"

/* Likelihoods are taken of so many buyers at most. */
#define MAX_SAMPLED 50000
#define MONTHS 1200 /* 2000 to 2099 */
#define MAX_CHANNELS 64

static RetailStatement read_model = {
	"SELECT m.fitted_day, m.horizon_days, m.r, m.alpha, m.a, m.b, m.p, m.q, m.v, m.interval_mean, m.interval_within, m.interval_between,"
	" m.recency_breaks, m.frequency_breaks, m.monetary_breaks FROM retail.profile_model m ORDER BY m.profile_model_id DESC LIMIT 1",
	0,
	{0}};

static RetailStatement insert_model = {
	"INSERT INTO retail.profile_model (fitted_at, fitted_day, horizon_days, people, buyers, sampled, r, alpha, a, b, log_likelihood, p, q, v,"
	" interval_mean, interval_within, interval_between, recency_breaks, frequency_breaks, monetary_breaks)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
	20,
	{TIMESTAMPTZOID, DATEOID,		 INT4OID,		 INT8OID,
	 INT8OID,		 INT8OID,		 FLOAT8OID,		 FLOAT8OID,
	 FLOAT8OID,		 FLOAT8OID,		 FLOAT8OID,		 FLOAT8OID,
	 FLOAT8OID,		 FLOAT8OID,		 FLOAT8OID,		 FLOAT8OID,
	 FLOAT8OID,		 FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID}};

static RetailStatement insert_cohort = {
	"INSERT INTO retail.member_cohort (cohort, months_later, people, buyers) SELECT $1, $2, $3, $4",
	4,
	{DATEOID, INT4OID, INT8OID, INT8OID}};

static RetailStatement insert_repurchase = {
	"INSERT INTO retail.member_repurchase (window_days, channel_id, buyers, repeat_buyers)"
	" SELECT $1, $2, $3, $4 WHERE $3 >= (SELECT s.smallest_group FROM retail.profile_setting s)",
	4,
	{INT4OID, INT8OID, INT8OID, INT8OID}};

static RetailStatement clear_counts = {
	"WITH c AS (DELETE FROM retail.member_cohort), r AS (DELETE FROM retail.member_repurchase)"
	" SELECT s.smallest_group::bigint FROM retail.profile_setting s",
	0,
	{0}};

static double
Cell(int column, bool *isnull)
{
	return RetailCellFloat8(0, column, isnull);
}

/* Reads breaks, of which there are four, or none. */
static bool
ReadBreaks(int column, double *breaks)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
								column, &isnull);
	Datum *elements;
	int n;

	deconstruct_array(DatumGetArrayTypeP(value), FLOAT8OID, sizeof(float8),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements, NULL, &n);
	if (n != PROFILE_BREAKS)
		return false;
	for (int i = 0; i < n; i++)
		breaks[i] = DatumGetFloat8(elements[i]);
	return true;
}

/* Reads the figures that the last full run has left. */
void
ProfileReadPopulation(ProfileRun *run)
{
	ProfilePopulation *p = &run->population;
	bool none;

	memset(p, 0, sizeof(*p));
	RetailExecute(&read_model, NULL, NULL, true, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return;
	p->fitted_day = DatumGetDateADT(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &none));
	p->horizon_days = (int) RetailCellInt64(0, 2, NULL);
	p->clv.r = Cell(3, &none);
	p->has_frequency = !none;
	p->clv.alpha = Cell(4, &none);
	p->clv.a = Cell(5, &none);
	p->clv.b = Cell(6, &none);
	p->value.p = Cell(7, &none);
	p->has_value = !none;
	p->value.q = Cell(8, &none);
	p->value.v = Cell(9, &none);
	p->intervals.mean = Cell(10, &none);
	p->has_intervals = !none;
	p->intervals.within = Cell(11, &none);
	p->intervals.between = Cell(12, &none);
	p->has_breaks = ReadBreaks(13, p->recency) &&
		ReadBreaks(14, p->frequency) && ReadBreaks(15, p->monetary);
}

/* ---- fitting ---- */

typedef struct Buyers
{
	size_t n;
	double *recency;
	double *frequency;
	double *monetary;
	ClvIntervals *intervals;
	ClvCase *cases;
	size_t n_cases;
} Buyers;

/* A number that looks drawn at random, the same for a member each time. */
static uint32
Draw(int64 member_id)
{
	uint64 h = (uint64) member_id;

	h = (h ^ (h >> 33)) * UINT64CONST(0xff51afd7ed558ccd);
	h = (h ^ (h >> 33)) * UINT64CONST(0xc4ceb9fe1a85ec53);
	return (uint32) (h ^ (h >> 33));
}

static void *
Huge(size_t count, size_t size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, Max(count * size, 1));
}

/* Gathers what the figures are made of. */
static Buyers
GatherBuyers(ProfileRun *run)
{
	Buyers b = {0};
	size_t buyers = 0;
	double share;

	for (size_t k = 0; k < run->n_people; k++)
		buyers += run->people[k + 1].purchases > run->people[k].purchases;
	share = buyers > MAX_SAMPLED ? (double) MAX_SAMPLED / (double) buyers : 1;
	b.recency = Huge(buyers, sizeof(double));
	b.frequency = Huge(buyers, sizeof(double));
	b.monetary = Huge(buyers, sizeof(double));
	b.intervals = Huge(buyers, sizeof(ClvIntervals));
	b.cases = Huge(buyers, sizeof(ClvCase));
	for (size_t k = 0; k < run->n_people; k++)
	{
		const ProfilePerson *person = &run->people[k];
		Profile profile;

		if (person[1].purchases == person->purchases)
			continue;
		if (b.n % 10000 == 0)
			CHECK_FOR_INTERRUPTS();
		ProfileOfPerson(run, k, &profile);
		b.recency[b.n] = (double) profile.last_purchase_at / 1000000;
		b.frequency[b.n] = profile.orders;
		b.monetary[b.n] = (double) profile.cents / 100;
		b.intervals[b.n++] = profile.intervals;
		if (Draw(person->member_id) <= share * PG_UINT32_MAX)
			b.cases[b.n_cases++] =
				ProfileCase(&profile, run->population.fitted_day);
	}
	return b;
}

static void
Interrupts(void *argument)
{
	CHECK_FOR_INTERRUPTS();
}

static int
CompareCases(const void *a, const void *b)
{
	const ClvCase *p = a;
	const ClvCase *q = b;

	if (p->x != q->x)
		return p->x < q->x ? -1 : 1;
	if (p->t_x != q->t_x)
		return p->t_x < q->t_x ? -1 : 1;
	return p->t < q->t ? -1 : p->t > q->t;
}

/* Makes one case of those that are alike; their values are lost. */
static size_t
MergeCases(ClvCase *cases, size_t n)
{
	size_t kept = 0;

	qsort(cases, n, sizeof(ClvCase), CompareCases);
	for (size_t i = 1; i < n; i++)
		if (CompareCases(&cases[kept], &cases[i]) == 0)
			cases[kept].weight += cases[i].weight;
		else
			cases[++kept] = cases[i];
	return n > 0 ? kept + 1 : 0;
}

static Datum
BreaksDatum(const double *breaks, bool has)
{
	Datum elements[PROFILE_BREAKS];

	for (int i = 0; i < PROFILE_BREAKS; i++)
		elements[i] = Float8GetDatum(breaks[i]);
	return PointerGetDatum(construct_array(elements, has ? PROFILE_BREAKS : 0,
										   FLOAT8OID, sizeof(float8),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Writes the figures down. */
static void
WriteModel(ProfileRun *run, const Buyers *buyers)
{
	const ProfilePopulation *p = &run->population;
	const double frequency[] = {p->clv.r, p->clv.alpha, p->clv.a, p->clv.b,
								p->clv.log_likelihood};
	const double value[] = {p->value.p, p->value.q, p->value.v};
	const double intervals[] = {p->intervals.mean, p->intervals.within,
								p->intervals.between};
	Datum values[20];
	char nulls[20];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = TimestampTzGetDatum(run->as_of);
	values[1] = DateADTGetDatum(p->fitted_day);
	values[2] = Int32GetDatum(p->horizon_days);
	values[3] = Int64GetDatum((int64) run->n_people);
	values[4] = Int64GetDatum((int64) buyers->n);
	values[5] = Int64GetDatum((int64) buyers->n_cases);
	for (int i = 0; i < 5; i++)
		values[6 + i] = Float8GetDatum(frequency[i]);
	for (int i = 0; i < 3; i++)
	{
		values[11 + i] = Float8GetDatum(value[i]);
		values[14 + i] = Float8GetDatum(intervals[i]);
	}
	if (!p->has_frequency)
		memset(nulls + 6, 'n', 5);
	if (!p->has_value)
		memset(nulls + 11, 'n', 3);
	if (!p->has_intervals)
		memset(nulls + 14, 'n', 3);
	values[17] = BreaksDatum(p->recency, p->has_breaks);
	values[18] = BreaksDatum(p->frequency, p->has_breaks);
	values[19] = BreaksDatum(p->monetary, p->has_breaks);
	RetailExecute(&insert_model, values, nulls, false, SPI_OK_INSERT);
}

/* Fits the figures to everybody, and writes them down. */
void
ProfileFitPopulation(ProfileRun *run)
{
	ProfilePopulation *p = &run->population;
	Buyers buyers;

	memset(p, 0, sizeof(*p));
	p->fitted_day = ProfileLocalDay(run, run->as_of);
	p->horizon_days = run->horizon_days;
	RetailReportProgress(PROFILE_JOB, "fit", 0, 3);
	buyers = GatherBuyers(run);
	if (buyers.n > 0)
	{
		p->has_breaks = true;
		ProfileBreaks(buyers.recency, buyers.n, p->recency);
		ProfileBreaks(buyers.frequency, buyers.n, p->frequency);
		ProfileBreaks(buyers.monetary, buyers.n, p->monetary);
		p->has_intervals =
			ClvFitIntervals(buyers.intervals, buyers.n, &p->intervals);
		RetailReportProgress(PROFILE_JOB, "fit", 1, 3);
		p->has_value = ClvFitValue(buyers.cases, buyers.n_cases, Interrupts,
								   NULL, &p->value);
		RetailReportProgress(PROFILE_JOB, "fit", 2, 3);
		p->has_frequency = ClvFitFrequency(
			buyers.cases, MergeCases(buyers.cases, buyers.n_cases), Interrupts,
			NULL, &p->clv);
	}
	WriteModel(run, &buyers);
}

/* ---- counts ---- */

static int
MonthOf(int32 day)
{
	int year;
	int month;
	int mday;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
	return Max(Min((year - 2000) * 12 + month - 1, MONTHS - 1), 0);
}

/* Adds a person's months with purchases to its cohort. */
static void
CountMonths(const ProfilePurchase *purchases, size_t n, int64 *counts)
{
	int first = MonthOf(purchases[0].day);
	int last = -1;

	for (size_t i = 0; i < n; i++)
	{
		int month = MonthOf(purchases[i].day);

		if (month > last)
			counts[first * MONTHS + month - first]++;
		last = Max(last, month);
	}
}

typedef struct Repurchase
{
	int64 channel_id; /* 0: all */
	int64 buyers[3];
	int64 repeat_buyers[3];
	int orders[3]; /* of the person looked at */
} Repurchase;

static const int windows[3] = {30, 90, 365};

static Repurchase *
ChannelCounts(Repurchase *channels, int *n, int64 channel_id)
{
	for (int i = 1; i < *n; i++)
		if (channels[i].channel_id == channel_id)
			return &channels[i];
	if (*n == MAX_CHANNELS)
		return NULL;
	memset(&channels[*n], 0, sizeof(Repurchase));
	channels[*n].channel_id = channel_id;
	return &channels[(*n)++];
}

/* Adds a person to the counts of the windows. */
static void
CountWindows(const ProfilePurchase *purchases, size_t n, TimestampTz as_of,
			 Repurchase *channels, int *n_channels)
{
	/* from the last purchase back */
	for (size_t i = n; i-- > 0;)
	{
		Repurchase *of[2] = {&channels[0], NULL};

		if (purchases[i].at < as_of - windows[2] * PROFILE_DAY)
			break;
		of[1] = ChannelCounts(channels, n_channels, purchases[i].channel_id);
		for (int w = 0; w < 3; w++)
			for (int c = 0; c < 2; c++)
				if (of[c] != NULL &&
					purchases[i].at >= as_of - windows[w] * PROFILE_DAY)
				{
					int orders = ++of[c]->orders[w];

					of[c]->buyers[w] += orders == 1;
					of[c]->repeat_buyers[w] += orders == 2;
				}
	}
	for (int c = 0; c < *n_channels; c++)
		memset(channels[c].orders, 0, sizeof(channels[c].orders));
}

static void
WriteCohorts(const int64 *counts, int64 smallest, int last_month)
{
	for (int cohort = 0; cohort < MONTHS; cohort++)
	{
		const int64 *row = counts + cohort * MONTHS;

		if (row[0] == 0 || row[0] < smallest)
			continue;
		for (int later = 0; cohort + later <= last_month; later++)
		{
			Datum values[4] = {
				DateADTGetDatum(date2j(2000 + cohort / 12, 1 + cohort % 12, 1) -
								POSTGRES_EPOCH_JDATE),
				Int32GetDatum(later), Int64GetDatum(row[0]),
				Int64GetDatum(row[later])};

			RetailExecute(&insert_cohort, values, NULL, false, SPI_OK_INSERT);
		}
	}
}

static void
WriteWindows(const Repurchase *channels, int n)
{
	for (int c = 0; c < n; c++)
		for (int w = 0; w < 3; w++)
		{
			Datum values[4] = {Int32GetDatum(windows[w]),
							   Int64GetDatum(channels[c].channel_id),
							   Int64GetDatum(channels[c].buyers[w]),
							   Int64GetDatum(channels[c].repeat_buyers[w])};

			RetailExecute(&insert_repurchase, values, c == 0 ? " n  " : NULL,
						  false, SPI_OK_INSERT);
		}
}

/* Counts cohorts and repurchases of everybody, for BI. */
void
ProfileWriteStatistics(ProfileRun *run)
{
	int64 *counts = MemoryContextAllocExtended(
		CurrentMemoryContext, sizeof(int64) * MONTHS * MONTHS, MCXT_ALLOC_ZERO);
	Repurchase *channels = palloc0(sizeof(Repurchase) * MAX_CHANNELS);
	const ProfilePurchase *purchases = run->purchases.items;
	int n_channels = 1;
	int64 smallest;

	for (size_t k = 0; k < run->n_people; k++)
	{
		const ProfilePurchase *own = purchases + run->people[k].purchases;
		size_t n = run->people[k + 1].purchases - run->people[k].purchases;

		if (n == 0)
			continue;
		CountMonths(own, n, counts);
		CountWindows(own, n, run->as_of, channels, &n_channels);
	}
	RetailExecute(&clear_counts, NULL, NULL, false, SPI_OK_SELECT);
	smallest = RetailCellInt64(0, 1, NULL);
	WriteCohorts(counts, smallest, MonthOf(ProfileLocalDay(run, run->as_of)));
	WriteWindows(channels, n_channels);
	pfree(counts);
}
