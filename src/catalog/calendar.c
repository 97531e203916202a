/*-------------------------------------------------------------------------
 *
 * calendar.c
 *	  When a node lets a parcel go, or has an order ready for pick-up.
 *
 * All of it in the node's own time zone: opening hours, cut-off, and the day
 * over which capacity is counted.  An order that arrives on an open day by
 * the cut-off (and before closing) leaves that day, when the carrier collects
 * at the cut-off or, if that is later, when it has been processed.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "catalog/cache.h"

#include "utils/datetime.h"

/* How many days ahead an opening is looked for. */
#define HORIZON_DAYS 370

/* How long a departure is remembered, and that it is not worth it. */
#define STEADY_TIME (15 * USECS_PER_MINUTE)
#define UNSTEADY_TIME (5 * USECS_PER_MINUTE)

/* Converts an instant to the node's local date and time of day. */
static void
ToLocal(const CatalogNode *node, TimestampTz instant, DateADT *day,
		TimeADT *time)
{
	struct pg_tm tm;
	fsec_t fsec;
	int tz;

	if (timestamp2tm(instant, &tz, &tm, &fsec, NULL, node->zone) != 0)
		ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				errmsg("timestamp out of range"));
	*day = date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
	*time = ((tm.tm_hour * 60 + tm.tm_min) * INT64CONST(60) + tm.tm_sec) *
			USECS_PER_SEC +
		fsec;
}

/* Converts a local date and time of day to an instant. */
static TimestampTz
ToInstant(const CatalogNode *node, DateADT day, TimeADT time)
{
	struct pg_tm tm = {0};
	int tz;

	/* A time of 24:00 or later belongs to the following day. */
	day += (DateADT) (time / USECS_PER_DAY);
	time %= USECS_PER_DAY;
	j2date(day + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	tm.tm_hour = (int) (time / USECS_PER_HOUR);
	tm.tm_min = (int) (time / USECS_PER_MINUTE % 60);
	tm.tm_sec = (int) (time / USECS_PER_SEC % 60);
	tz = DetermineTimeZoneOffset(&tm, node->zone);
	return (TimestampTz) day * USECS_PER_DAY + time +
		(int64) tz * USECS_PER_SEC;
}

/* Returns the node's opening hours on a local date. */
static CatalogHours
HoursOf(const CatalogNode *node, DateADT day)
{
	const CatalogCalendar *calendar = node->calendar;
	CatalogHours always = {0, USECS_PER_DAY};
	int low = 0;
	int high;
	int dow;

	if (calendar == NULL)
		return always;
	high = calendar->n_days;
	while (low < high)
	{
		int middle = (low + high) / 2;

		if (calendar->days[middle].day < day)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < calendar->n_days && calendar->days[low].day == day)
		return calendar->days[low].hours;
	dow = j2day(day + POSTGRES_EPOCH_JDATE); /* 0 is Sunday */
	return calendar->week[dow == 0 ? 7 : dow];
}

/*
 * Finds when work that begins at an instant is done, within opening hours.
 * Counts real time, not the clock on the wall, which jumps twice a year.
 */
static bool
WorkDone(const CatalogNode *node, TimestampTz begin, TimestampTz *done)
{
	DateADT today;
	TimeADT now;
	int64 work = node->processing;

	ToLocal(node, begin, &today, &now);
	for (int i = 0; i < HORIZON_DAYS; i++)
	{
		CatalogHours hours = HoursOf(node, today + i);
		TimestampTz opens;
		TimestampTz closes;

		if (hours.opens >= hours.closes)
			continue;
		opens = Max(begin, ToInstant(node, today + i, hours.opens));
		closes = ToInstant(node, today + i, hours.closes);
		if (opens >= closes)
			continue;
		if (opens + work <= closes)
		{
			*done = opens + work;
			return true;
		}
		work -= closes - opens; /* goes on when it opens again */
	}
	return false;
}

/*
 * Finds when a parcel ordered at as_of leaves the node: processed, and
 * collected at the cut-off (or at closing, if that is earlier) of the first
 * open day that it was ordered in time for.  Returns false when the node does not open within a year.
 */
static bool
FindDeparture(const CatalogNode *node, TimestampTz as_of,
			  TimestampTz *departure)
{
	DateADT today;
	TimeADT now;

	ToLocal(node, as_of, &today, &now);
	for (int i = 0; i < HORIZON_DAYS; i++)
	{
		CatalogHours hours = HoursOf(node, today + i);
		TimestampTz opens;

		if (hours.opens >= hours.closes)
			continue;
		if (i == 0 && (now > node->cut_off || now >= hours.closes))
			continue;
		opens = Max(as_of, ToInstant(node, today + i, hours.opens));
		if (!WorkDone(node, opens, departure))
			return false;
		*departure =
			Max(*departure,
				ToInstant(node, today + i, Min(node->cut_off, hours.closes)));
		return true;
	}
	return false;
}

/* Does the clock on the node's wall run evenly from one instant to another? */
static bool
IsEven(const CatalogNode *node, TimestampTz from, TimestampTz to)
{
	DateADT days[2];
	TimeADT times[2];

	ToLocal(node, from, &days[0], &times[0]);
	ToLocal(node, to, &days[1], &times[1]);
	return (days[1] - days[0]) * USECS_PER_DAY + times[1] - times[0] ==
		to - from;
}

/*
 * The same, remembered.  Who orders later is not served earlier while the
 * clock is not put back: so when two instants have one departure, all between
 * them have it.  Most of the day it is the cut-off, for hours.
 */
bool
CatalogDeparture(const CatalogNode *node, TimestampTz as_of,
				 TimestampTz *departure)
{
	CatalogNode *memo = unconstify(CatalogNode *, node);
	TimestampTz until = as_of + STEADY_TIME;
	TimestampTz then;

	if (as_of >= node->known_from && as_of <= node->known_to)
	{
		*departure = node->known_departure;
		return true;
	}
	if (!FindDeparture(node, as_of, departure))
		return false;
	if (as_of >= node->unsteady_from &&
		as_of < node->unsteady_from + UNSTEADY_TIME)
		return true;
	if (IsEven(node, as_of, until) && FindDeparture(node, until, &then) &&
		then == *departure)
	{
		memo->known_from = as_of;
		memo->known_to = until;
		memo->known_departure = then;
	}
	else
		memo->unsteady_from = as_of;
	return true;
}

/* Finds when an order placed at as_of can be picked up at the node. */
bool
CatalogPickUpReady(const CatalogNode *node, TimestampTz as_of,
				   TimestampTz *ready)
{
	return WorkDone(node, as_of, ready);
}

/*
 * Moves a departure to a later local day: the collection of the next open day,
 * or for pick-up the first time at which work begun on a later day is done.
 * Returns false when the node does not open within a year.
 */
bool
CatalogNextDeparture(const CatalogNode *node, bool ships,
					 TimestampTz *departure)
{
	DateADT today;
	TimeADT now;

	ToLocal(node, *departure, &today, &now);
	if (!ships)
		return WorkDone(node, ToInstant(node, today + 1, 0), departure);
	for (int i = 1; i < HORIZON_DAYS; i++)
	{
		CatalogHours hours = HoursOf(node, today + i);

		if (hours.opens >= hours.closes)
			continue;
		*departure =
			ToInstant(node, today + i, Min(node->cut_off, hours.closes));
		return true;
	}
	return false;
}

/* Returns begin and end of the node's local day that contains an instant. */
void
CatalogLocalDay(const CatalogNode *node, TimestampTz as_of, TimestampTz *begin,
				TimestampTz *end)
{
	CatalogNode *memo = unconstify(CatalogNode *, node);

	if (as_of < node->day_begin || as_of >= node->day_end)
	{
		DateADT day;
		TimeADT time;

		ToLocal(node, as_of, &day, &time);
		memo->day_begin = ToInstant(node, day, 0);
		memo->day_end = ToInstant(node, day + 1, 0);
	}
	*begin = node->day_begin;
	*end = node->day_end;
}
