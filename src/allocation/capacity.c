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
 * A count is exact, a counter in shared memory (day_counter.c) says at most too
 * much.  While the counter leaves room for all that an order could send in a
 * parcel each, the count would not change the decision, and is not made.
 *
 * A decision rests on figures that others may outdate.  So whoever writes
 * parcels claims them last, after the rows of stock, day by day in the same
 * order: ClaimCapacity() adds them to the counters, under a lock that others
 * share; where a counter has no room, or there is none, it has the day for
 * itself until the transaction ends, and counts in a snapshot taken after the
 * lock.  When a day holds too many, the caller rolls back and decides again, as
 * it does when another buyer took the stock.  So a day never takes a parcel
 * more than it may, and never refuses one that it can take: the last word is a
 * count that nobody else is about to change.
 *
 * Parcels of nodes without a limit are claimed too: they may get one, and
 * their counters, while a transaction does not know of it yet.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/capacity.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/snapmgr.h"

#include "allocation/candidates.h"
#include "allocation/day_counter.h"
#include "allocation/ledger.h"
#include "inventory/stock_cache.h"

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

/* Names the local day of a node. */
static NodeDay
DayOf(const CatalogNode *node, TimestampTz departure)
{
	NodeDay day = {node->id, 0};
	TimestampTz end;

	CatalogLocalDay(node, departure, &day.begin, &end);
	return day;
}

/*
 * Returns how many parcels a candidate still takes on a day; or fewer, if they
 * are enough for every unit of the order.
 */
static int
CapacityLeft(const SourcingRequest *request, const SourcingCandidate *candidate,
			 TimestampTz departure, bool read_only)
{
	const CatalogNode *node = candidate->node;
	NodeDay day = DayOf(node, departure);
	int64 left = node->daily_capacity;
	int64 parcels;

	if (request->ledger)
		left -= LedgerPlanned(request->ledger, node, departure);
	if (retail_stock_cache && DayCountersUsable() &&
		DayCounterRead(&day, &parcels))
	{
		int64 units = 0;

		for (int i = 0; i < request->n_lines; i++)
			units += request->lines[i].quantity;
		if (left - parcels >= units)
			return (int) (left - parcels);
	}
	left -= request->ledger ? LedgerWritten(request->ledger, node, departure,
											CountParcels, !read_only)
							: CountParcels(node, departure, !read_only);
	return (int) Max(left, 0);
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

/* Parcels that a transaction writes for a day of a node. */
typedef struct Claim
{
	const CatalogNode *node;
	TimestampTz departure;
	NodeDay day;
	int32 key; /* of the lock of the day */
	int n;
} Claim;

/* Orders claims by the keys of their locks, those of a day side by side. */
static int
CompareClaims(const void *a, const void *b)
{
	const Claim *left = a;
	const Claim *right = b;

	if (left->key != right->key)
		return left->key < right->key ? -1 : 1;
	if (left->day.node_id != right->day.node_id)
		return left->day.node_id < right->day.node_id ? -1 : 1;
	if (left->day.begin != right->day.begin)
		return left->day.begin < right->day.begin ? -1 : 1;
	return 0;
}

/*
 * Adds a claim to the counter of its day; false when only a count can tell.
 * Once in a while the counter is compared with the table, which somebody may
 * have written to directly; *fits tells when that shows the day to be too full.
 */
static bool
AddClaim(const Claim *claim, bool *fits)
{
	int limit = claim->node->daily_capacity;
	DayClaim answer = DAY_UNKNOWN;

	if (!DayCountersUsable())
		return limit < 0;
	DayLockAcquire(claim->key, DAY_SHARED);
	if (retail_stock_cache || limit < 0)
		answer = DayCounterAdd(&claim->day, claim->n,
							   limit < 0 ? PG_INT64_MAX : limit);
	if (answer == DAY_ADDED_OLD)
	{
		int64 parcels = CountParcels(claim->node, claim->departure, true);

		DayCounterCompare(&claim->day, parcels);
		*fits = limit < 0 || parcels <= limit;
		return true;
	}
	if (answer == DAY_ADDED || limit < 0)
		return true;
	DayLockRelease(claim->key, DAY_SHARED);
	return false;
}

/*
 * Claims parcels of a day; false when it holds too many.  Who must count waits
 * in a queue of its own, and looks again: somebody may have counted meanwhile.
 */
static bool
ClaimDay(const Claim *claim)
{
	bool fits = true;
	int64 parcels;

	if (AddClaim(claim, &fits))
		return fits;
	DayLockAcquire(claim->key, DAY_QUEUED);
	if (AddClaim(claim, &fits))
	{
		DayLockRelease(claim->key, DAY_QUEUED);
		return fits;
	}
	DayLockAcquire(claim->key, DAY_EXCLUSIVE);
	parcels = CountParcels(claim->node, claim->departure, true);
	if (parcels > claim->node->daily_capacity)
		return false;
	if (DayCountersUsable())
		DayCounterSet(&claim->day, parcels);
	return true;
}

/*
 * Claims the capacity of the days of parcels that this transaction has
 * written, inside an SPI connection.  Returns NULL when all of them hold, else
 * a node that has too many: the caller must roll back.
 */
const CatalogNode *
ClaimCapacity(const CapacityDay *days, int n)
{
	Claim *claims = palloc(sizeof(Claim) * Max(n, 1));
	const CatalogNode *full = NULL;

	for (int i = 0; i < n; i++)
	{
		claims[i].node = days[i].node;
		claims[i].departure = days[i].departure;
		claims[i].day = DayOf(days[i].node, days[i].departure);
		claims[i].key = DayLockKey(&claims[i].day);
		claims[i].n = 1;
	}
	qsort(claims, n, sizeof(Claim), CompareClaims);
	for (int i = 0; i < n && full == NULL; i++)
	{
		if (i + 1 < n && CompareClaims(&claims[i], &claims[i + 1]) == 0)
			claims[i + 1].n += claims[i].n;
		else if (!ClaimDay(&claims[i]))
			full = claims[i].node;
	}
	pfree(claims);
	return full;
}

/*
 * note_parcel(node_id, ship_by): a parcel that nobody decided, the rest of
 * one that left in part, has its place on its day whether or not there is room.
 */
PG_FUNCTION_INFO_V1(retail_note_parcel);
Datum
retail_note_parcel(PG_FUNCTION_ARGS)
{
	TimestampTz departure = PG_GETARG_TIMESTAMPTZ(1);
	const CatalogNode *node;

	SPI_connect();
	node = CatalogNodeById(RetailCatalogGet(), PG_GETARG_INT64(0));
	if (node && DayCountersUsable())
	{
		NodeDay day = DayOf(node, departure);

		DayLockAcquire(DayLockKey(&day), DAY_SHARED);
		if (DayCounterAdd(&day, 1, PG_INT64_MAX) == DAY_ADDED_OLD)
			DayCounterCompare(&day, CountParcels(node, departure, true));
	}
	SPI_finish();
	PG_RETURN_VOID();
}
