/*-------------------------------------------------------------------------
 *
 * day_counter.h
 *	  How many parcels the days of nodes hold at most, in shared memory, and
 *	  the locks under which that stays true.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_DAY_COUNTER_H
#define PG_RETAIL_DAY_COUNTER_H

#include "postgres.h"

#include "utils/timestamp.h"

/* The local day of a node, which begins at an instant. */
typedef struct NodeDay
{
	int64 node_id;
	TimestampTz begin;
} NodeDay;

typedef enum DayClaim
{
	DAY_UNKNOWN, /* there is no counter */
	DAY_FULL,	 /* as far as the counter knows */
	DAY_ADDED,
	DAY_ADDED_OLD /* ... and it is time to look at the table again */
} DayClaim;

extern void DayCountersInit(void);
extern bool DayCountersUsable(void);
extern bool DayCounterRead(const NodeDay *day, int64 *parcels);
extern DayClaim DayCounterAdd(const NodeDay *day, int64 n, int64 limit);
extern void DayCounterSet(const NodeDay *day, int64 parcels);
extern void DayCounterCompare(const NodeDay *day, int64 parcels);

/* The locks of a day; all but a shared one are of one transaction at a time. */
typedef enum DayLock
{
	DAY_SHARED,	  /* I add to the counter */
	DAY_QUEUED,	  /* I may count; goes with shared ones of others */
	DAY_EXCLUSIVE /* I count: nobody else adds */
} DayLock;

extern int32 DayLockKey(const NodeDay *day);
extern void DayLockAcquire(int32 key, DayLock lock);
extern void DayLockRelease(int32 key, DayLock lock);

#endif /* PG_RETAIL_DAY_COUNTER_H */
