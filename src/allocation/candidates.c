/*-------------------------------------------------------------------------
 *
 * candidates.c
 *	  Turns the nodes that have stock into candidates: which carriers reach
 *	  the destination from there, and when each parcel would leave and arrive.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/candidates.h"
#include "allocation/ledger.h"

#include <math.h>

#include "catalog/geo.h"

/* Costs a promise that is later than the policy's target, by days begun. */
int64
PromiseLateness(const SourcingRequest *request, TimestampTz promise)
{
	TimestampTz target =
		request->placed_at + request->policy->target_hours * USECS_PER_HOUR;

	if (promise <= target)
		return 0;
	return (promise - target + USECS_PER_DAY - 1) / USECS_PER_DAY *
		request->policy->lateness_per_day;
}

/*
 * Services of a departure: what one carrier service costs and promises is the
 * same from all nodes that have one reach and one departure, so they share it.
 */
typedef struct Fan
{
	const CatalogReach *reach; /* NULL: the customer comes */
	TimestampTz departure;
	uint32 temperature; /* of the node */
	SolverService *services;
	const CatalogLane **lanes; /* NULL: the customer comes */
	int n;
	int next; /* with the same hash, or -1 */
} Fan;

#define FAN_BUCKETS 64

/* What is the same for all candidates of an order. */
typedef struct Maker
{
	const SourcingRequest *request;
	GeoPlace place; /* of the destination, when it is located */
	int n_fans;
	int room;
	Fan *fans;
	int first[FAN_BUCKETS]; /* fan, or -1 */
} Maker;

/* Begins to make candidates for an order. */
static void
BeginCandidates(Maker *maker, const SourcingRequest *request)
{
	maker->request = request;
	if (request->located)
		maker->place = geo_place(request->latitude, request->longitude);
	maker->n_fans = 0;
	maker->room = 16;
	maker->fans = palloc(sizeof(Fan) * maker->room);
	for (int i = 0; i < FAN_BUCKETS; i++)
		maker->first[i] = -1;
}

/* Costs the lateness of services by their departure. */
static void
CostLateness(const SourcingRequest *request, TimestampTz departure,
			 const CatalogLane *const *lanes, SolverService *services, int n)
{
	for (int i = 0; i < n; i++)
	{
		TimestampTz promise = departure;

		if (lanes)
			promise = HandOver(request,
							   promise + lanes[i]->lead_hours * USECS_PER_HOUR);
		services[i].lateness = PromiseLateness(request, promise);
	}
}

/* Fills the services of a fan. */
static void
FillFan(const SourcingRequest *request, Fan *fan)
{
	const CatalogReach *reach = fan->reach;

	fan->n = reach ? reach->n : 1;
	fan->services = palloc(sizeof(SolverService) * Max(fan->n, 1));
	fan->lanes = NULL;
	if (reach)
	{
		/* The catalogue forgets routes when it has looked for too many. */
		fan->lanes = palloc(sizeof(CatalogLane *) * Max(fan->n, 1));
		memcpy(fan->lanes, reach->lanes, sizeof(CatalogLane *) * fan->n);
	}
	for (int i = 0; i < fan->n; i++)
	{
		SolverService *service = &fan->services[i];

		service->tariff = reach ? reach->tariffs[i]
								: request->catalog->n_tariffs; /* the free */
		service->temperature = fan->temperature;
		if (reach)
			service->temperature &= reach->lanes[i]->service->temperature;
		if (reach && request->store)
			service->temperature &= request->store->temperature;
	}
	CostLateness(request, fan->departure, reach ? reach->lanes : NULL,
				 fan->services, fan->n);
}

/* Finds, or makes, the services of a reach for a departure from a node. */
static const Fan *
FindFan(Maker *maker, const CatalogReach *reach, TimestampTz departure,
		uint32 temperature)
{
	uint64 hash = (uint64) (uintptr_t) reach ^
		((uint64) departure * UINT64CONST(0x9E3779B97F4A7C15) >> 32);
	int *bucket = &maker->first[(hash ^ hash >> 7) % FAN_BUCKETS];
	Fan *fan;

	for (int i = *bucket; i >= 0; i = maker->fans[i].next)
	{
		fan = &maker->fans[i];
		if (fan->reach == reach && fan->departure == departure &&
			fan->temperature == temperature)
			return fan;
	}
	if (maker->n_fans == maker->room)
	{
		maker->room *= 2;
		maker->fans = repalloc(maker->fans, sizeof(Fan) * maker->room);
	}
	fan = &maker->fans[maker->n_fans];
	fan->reach = reach;
	fan->departure = departure;
	fan->temperature = temperature;
	FillFan(maker->request, fan);
	fan->next = *bucket;
	*bucket = maker->n_fans++;
	return fan;
}

/* Gives a candidate services of its own, which may be changed. */
void
OwnServices(SourcingCandidate *candidate, SolverNode *node)
{
	Size n = Max(node->n_services, 1);
	SolverService *services = palloc(sizeof(SolverService) * n);

	memcpy(services, node->services, sizeof(SolverService) * node->n_services);
	node->services = services;
	if (candidate->lanes)
	{
		const CatalogLane **lanes = palloc(sizeof(CatalogLane *) * n);

		memcpy(lanes, candidate->lanes,
			   sizeof(CatalogLane *) * node->n_services);
		candidate->lanes = lanes;
	}
}

/* Costs the lateness of a candidate anew: its departure has changed. */
void
DateServices(const SourcingRequest *request, SourcingCandidate *candidate,
			 SolverNode *node)
{
	OwnServices(candidate, node);
	CostLateness(request, candidate->departure, candidate->lanes,
				 unconstify(SolverService *, node->services), node->n_services);
}

/* Returns how far a candidate is from the destination; NaN: not known. */
double
CandidateDistance(const SourcingRequest *request,
				  const SourcingCandidate *candidate)
{
	const CatalogNode *node = candidate->node;

	if (!request->located || !node->located)
		return NAN;
	return geo_distance_km(node->latitude, node->longitude, request->latitude,
						   request->longitude);
}

/* Did the node refuse this order? */
static bool
IsExcluded(const SourcingRequest *request, const CatalogNode *node)
{
	for (int i = 0; i < request->n_excluded; i++)
		if (request->excluded[i] == node->id)
			return true;
	return false;
}

/* Counts a node that is left out, and names the first of them. */
void
LeaveOut(SourcingRejects *rejects, int *count, const CatalogNode *node,
		 const char *why)
{
	(*count)++;
	if (node == NULL || rejects->n_named == MAX_NAMED)
		return;
	rejects->named[rejects->n_named].node = node;
	rejects->named[rejects->n_named++].why = why;
}

/*
 * Makes a node a candidate: fills the solver's view of it and ours.  Returns
 * false, counting the reason, when it cannot serve this order.
 */
static bool
MakeCandidate(Maker *maker, const CatalogNode *node, SolverNode *solver_node,
			  SourcingCandidate *candidate, SourcingRejects *rejects)
{
	const SourcingRequest *request = maker->request;
	const CatalogReach *reach = NULL;
	const Fan *fan;
	/* What the store has itself need not travel to it. */
	bool ships = request->pick_up_node == NULL && request->store != node;

	if (request->only_node && node != request->only_node)
		return false;
	if (!node->active)
	{
		LeaveOut(rejects, &rejects->inactive, node, "inactive");
		return false;
	}
	if (IsExcluded(request, node))
	{
		LeaveOut(rejects, &rejects->excluded, node, "refused_before");
		return false;
	}
	if (request->as_of < node->paused_until)
	{
		LeaveOut(rejects, &rejects->paused, node, "paused");
		return false;
	}
	if (ships ? !node->can_ship : !node->can_pick_up)
	{
		LeaveOut(rejects, &rejects->incapable, node, "may_not");
		return false;
	}
	if (!ships
			? !CatalogPickUpReady(node, request->as_of, &candidate->departure)
			: request->ledger
			? !LedgerDeparture(request->ledger, node, request->as_of,
							   &candidate->departure)
			: !CatalogDeparture(node, request->as_of, &candidate->departure))
	{
		LeaveOut(rejects, &rejects->closed, node, "closed");
		return false;
	}
	candidate->node = node;
	candidate->first_departure = candidate->departure;
	candidate->collected = !ships;
	candidate->chord = request->located && node->located
		? geo_chord(&node->place, &maker->place)
		: NAN;
	if (ships)
		reach = CatalogReachOf(request->catalog, node, request->region,
							   &maker->place, candidate->chord, request->as_of);
	if (ships && reach->n == 0)
	{
		LeaveOut(rejects, &rejects->unreachable, node, "no_lane");
		return false;
	}
	fan = FindFan(maker, reach, candidate->departure, node->temperature);
	candidate->lanes = fan->lanes;
	solver_node->services = fan->services;
	solver_node->n_services = fan->n;
	solver_node->per_parcel = node->parcel_cost;
	solver_node->per_unit = node->unit_cost;
	solver_node->preferred = false;
	solver_node->max_parcels = PG_INT32_MAX;
	candidate->capacity_known = node->daily_capacity < 0;
	return true;
}

/*
 * Could a node serve goods of some temperature class at the time of a request?
 * Then tells when the customer would have them, at the earliest.
 */
bool
ServesFrom(const SourcingRequest *request, const CatalogNode *node,
		   uint32 temperature, TimestampTz *promise)
{
	SolverNode solver_node = {0};
	SourcingCandidate candidate = {0};
	SourcingRejects rejects = {0};
	Maker maker;
	bool found = false;

	BeginCandidates(&maker, request);
	if (!MakeCandidate(&maker, node, &solver_node, &candidate, &rejects))
		return false;
	for (int i = 0; i < solver_node.n_services; i++)
	{
		TimestampTz arrival = candidate.departure;

		if ((temperature & ~solver_node.services[i].temperature) != 0)
			continue;
		if (!candidate.collected)
			arrival = HandOver(
				request,
				arrival + candidate.lanes[i]->lead_hours * USECS_PER_HOUR);
		*promise = found ? Min(*promise, arrival) : arrival;
		found = true;
	}
	return found;
}

/* Turns the nodes of the cells, which ascend, into candidates, nearest preferred. */
SolverNode *
MakeCandidates(const SourcingRequest *request, StockView *view,
			   SourcingResult *result)
{
	StockCell *cells = view->cells;
	int n_cells = view->n_cells;
	int room = Max(Min(n_cells, request->catalog->n_nodes), 1);
	SolverNode *nodes = palloc(sizeof(SolverNode) * room);
	Maker maker;
	int64 last_node = 0; /* what became of it: */
	int candidate = -1;
	int nearest = -1;

	BeginCandidates(&maker, request);
	result->candidates = palloc(sizeof(SourcingCandidate) * room);
	for (int i = 0; i < n_cells; i++)
	{
		int c = result->n_candidates;

		if (cells[i].available - cells[i].safety <= 0)
		{
			if (cells[i].available > 0)
				LeaveOut(&result->rejects, &result->rejects.kept_back,
						 CatalogNodeById(request->catalog, cells[i].node_id),
						 "kept_back");
			continue;
		}
		if (cells[i].node_id != last_node)
		{
			const CatalogNode *node =
				CatalogNodeById(request->catalog, cells[i].node_id);

			last_node = cells[i].node_id;
			candidate = -1;
			if (node &&
				MakeCandidate(&maker, node, &nodes[c], &result->candidates[c],
							  &result->rejects))
			{
				candidate = c;
				result->n_candidates++;
				/* A distance that is not known is farther than any. */
				if (nearest < 0 || isnan(result->candidates[nearest].chord) ||
					result->candidates[c].chord <
						result->candidates[nearest].chord)
					nearest = c;
			}
		}
		cells[i].candidate = candidate;
	}
	if (nearest >= 0)
		nodes[nearest].preferred = true;
	return nodes;
}
