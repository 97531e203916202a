/*-------------------------------------------------------------------------
 *
 * capacity.c
 *	  How many parcels a node takes on a local day, and on which day it has
 *	  room.
 *
 * Capacity is a lazy constraint of a decision: parcels are counted only for
 * nodes that a plan chooses and that have a limit.  A node whose day is full
 * is not lost: its departure moves to the next open day with room, and with it
 * the promise and its lateness.
 *
 * A decision rests on a count that others may outdate.  So whoever writes
 * parcels claims them last, after the rows of stock: ClaimCapacity() locks the
 * days of nodes with a limit until the transaction ends, always in the same
 * order, and counts anew in a snapshot taken after the lock; when a day holds
 * too many, the caller rolls back and decides again, as it does when another
 * buyer took the stock.  Locks are advisory locks with a key of our own, whose
 * second half is a hash: two days that share it wait for each other, and no
 * more.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/capacity.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "allocation/candidates.h"
#include "allocation/ledger.h"

/* How far a departure moves to find room, in days. */
#define HORIZON (14 * USECS_PER_DAY)

static RetailStatement select_load = {
	"SELECT count(*) FROM retail.shipment"
	" WHERE node_id = $1 AND ship_by >= $2 AND ship_by < $3 AND status <> 'cancelled'",
	3,
	{INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

/*
 * Counts the parcels of a node on the local day of a departure.  Who is going
 * to write counts in the latest snapshot, whatever the isolation level: what
 * others have promised is promised.
 */
int64
CountParcels(const CatalogNode *node, TimestampTz departure, bool latest)
{
	TimestampTz begin;
	TimestampTz end;
	Datum values[3];

	CatalogLocalDay(node, departure, &begin, &end);
	values[0] = Int64GetDatum(node->id);
	values[1] = TimestampTzGetDatum(begin);
	values[2] = TimestampTzGetDatum(end);
	if (latest)
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetLatestSnapshot());
	}
	RetailExecute(&select_load, values, NULL, true, SPI_OK_SELECT);
	if (latest)
		PopActiveSnapshot();
	return RetailCellInt64(0, 1, NULL);
}

/* Returns how many parcels a candidate still takes on a day. */
static int
CapacityLeft(const SourcingRequest *request, const SourcingCandidate *candidate,
			 TimestampTz departure, bool read_only)
{
	const CatalogNode *node = candidate->node;
	int64 parcels = request->ledger
		? LedgerParcels(request->ledger, node, departure, CountParcels,
						!read_only)
		: CountParcels(node, departure, !read_only);

	return (int) Max(node->daily_capacity - parcels, 0);
}

/*
 * Moves a candidate's departure to the next open day that has more room than
 * its limit says now; false when there is none within the horizon.
 */
static bool
MoveDeparture(const SourcingRequest *request, SolverNode *node,
			  SourcingCandidate *candidate, bool read_only)
{
	TimestampTz departure = candidate->departure;

	while (CatalogNextDeparture(candidate->node, !candidate->collected,
								&departure) &&
		   departure <= candidate->first_departure + HORIZON)
	{
		int left = CapacityLeft(request, candidate, departure, read_only);

		if (left <= node->max_parcels)
			continue;
		node->max_parcels = left;
		candidate->departure = departure;
		DateServices(request, candidate, node);
		return true;
	}
	return false;
}

/*
 * Counts what a candidate with a limit can still take, once; when its day is
 * full, it leaves on the next day with room.
 */
void
LimitCandidate(const SourcingRequest *request, SolverNode *nodes, int c,
			   bool read_only, SourcingResult *result)
{
	SourcingCandidate *candidate = &result->candidates[c];

	if (candidate->capacity_known)
		return;
	candidate->capacity_known = true;
	nodes[c].max_parcels = 0;
	if (candidate->node->daily_capacity > 0)
		nodes[c].max_parcels =
			CapacityLeft(request, candidate, candidate->departure, read_only);
	if (nodes[c].max_parcels == 0 &&
		(candidate->node->daily_capacity == 0 ||
		 !MoveDeparture(request, &nodes[c], candidate, read_only)))
		LeaveOut(&result->rejects, &result->rejects.full, candidate->node,
				 "full");
}

/* Limits the nodes that a plan chooses; returns true when that forbids it. */
static bool
LimitChosen(const SourcingRequest *request, SolverNode *nodes, bool read_only,
			SourcingResult *result)
{
	const SolverPlan *plan = &result->plan;
	bool changed = false;

	for (int i = 0; i < plan->n_parcels; i++)
	{
		int c = plan->parcels[i].node;
		SourcingCandidate *candidate = &result->candidates[c];
		int used = 0;

		if (candidate->capacity_known)
			continue;
		LimitCandidate(request, nodes, c, read_only, result);
		for (int j = 0; j < plan->n_parcels; j++)
			used += plan->parcels[j].node == c;
		changed |= used > nodes[c].max_parcels ||
			candidate->departure != candidate->first_departure;
	}
	return changed;
}

/*
 * Brings capacity into a problem that was solved without; returns true when it
 * must be solved again.  Where there is no plan, a node that has room for some
 * parcels only may have more on a later day.
 */
bool
LimitCapacity(const SourcingRequest *request, SolverNode *nodes, bool read_only,
			  SourcingResult *result)
{
	bool changed = false;

	if (result->status == SOLVER_OK)
		return LimitChosen(request, nodes, read_only, result);
	if (result->status != SOLVER_NO_PLAN && result->status != SOLVER_NO_SERVICE)
		return false;
	for (int c = 0; c < result->n_candidates; c++)
	{
		SourcingCandidate *candidate = &result->candidates[c];
		int limit = candidate->node->daily_capacity;

		if (candidate->capacity_known && nodes[c].max_parcels > 0 &&
			nodes[c].max_parcels < limit)
			changed |= MoveDeparture(request, &nodes[c], candidate, read_only);
	}
	return changed;
}

/* The second key of the lock of a day. */
static int32
DayKey(const CapacityDay *day)
{
	TimestampTz begin;
	TimestampTz end;
	int64 key[2];

	CatalogLocalDay(day->node, day->departure, &begin, &end);
	key[0] = day->node->id;
	key[1] = begin;
	return (int32) hash_bytes((const unsigned char *) key, sizeof(key));
}

/* Orders days by the keys of their locks. */
static int
CompareDays(const void *a, const void *b)
{
	int32 left = DayKey(a);
	int32 right = DayKey(b);

	return left < right ? -1 : left > right;
}

/*
 * Claims the capacity of the days of parcels that this transaction has
 * written, inside an SPI connection; sorts the days.  Returns NULL when all of
 * them hold, else a node that has too many: the caller must roll back.
 */
const CatalogNode *
ClaimCapacity(CapacityDay *days, int n)
{
	static const char name[] = "pg_retail capacity";
	int32 space =
		(int32) hash_bytes((const unsigned char *) name, sizeof(name) - 1);
	int kept = 0;

	for (int i = 0; i < n; i++)
		if (days[i].node->daily_capacity >= 0)
			days[kept++] = days[i];
	qsort(days, kept, sizeof(CapacityDay), CompareDays);
	for (int i = 0; i < kept; i++)
		if (i == 0 || DayKey(&days[i]) != DayKey(&days[i - 1]))
			DirectFunctionCall2(pg_advisory_xact_lock_int4,
								Int32GetDatum(space),
								Int32GetDatum(DayKey(&days[i])));
	for (int i = 0; i < kept; i++)
	{
		const CatalogNode *node = days[i].node;

		if (i > 0 && node == days[i - 1].node &&
			DayKey(&days[i]) == DayKey(&days[i - 1]))
			continue;
		if (CountParcels(node, days[i].departure, true) > node->daily_capacity)
			return node;
	}
	return NULL;
}
