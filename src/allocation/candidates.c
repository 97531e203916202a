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

/* Room for the services of many candidates, so that each is not one more palloc. */
typedef struct ServicePool
{
	int n;
	int room;
	SolverService *services;
	const CatalogLane **lanes;
	int *tariffs;
} ServicePool;

/* Services for which a pool takes room at a time. */
#define POOL_SERVICES 512

/* Sees to it that a candidate with every service finds room. */
static void
GrowPool(ServicePool *pool, int n_services)
{
	if (pool->room - pool->n >= n_services)
		return;
	/* What candidates point into stays where it is. */
	pool->n = 0;
	pool->room = Max(POOL_SERVICES, n_services);
	pool->services = palloc0(sizeof(SolverService) * pool->room);
	pool->lanes = palloc(sizeof(CatalogLane *) * pool->room);
	pool->tariffs = palloc(sizeof(int) * pool->room);
}

/* Makes the services of a node that ships; returns how many there are. */
static int
ShippingServices(const SourcingRequest *request, SourcingCandidate *candidate,
				 ServicePool *pool)
{
	SolverService *services;
	const int *tariffs;
	int n;

	GrowPool(pool, Max(request->catalog->n_services, 1));
	services = &pool->services[pool->n];
	tariffs = &pool->tariffs[pool->n];
	candidate->lanes = &pool->lanes[pool->n];
	n = CatalogLanes(request->catalog, candidate->node, request->region,
					 candidate->distance_km, request->as_of, candidate->lanes,
					 &pool->tariffs[pool->n]);
	for (int i = 0; i < n; i++)
	{
		services[i].tariff = tariffs[i];
		services[i].temperature = candidate->lanes[i]->service->temperature &
			candidate->node->temperature;
		if (request->store)
			services[i].temperature &= request->store->temperature;
	}
	return n;
}

/* Costs the lateness of each service of a candidate by its departure. */
void
DateServices(const SourcingRequest *request, const SourcingCandidate *candidate,
			 SolverNode *node)
{
	SolverService *services = unconstify(SolverService *, node->services);

	for (int i = 0; i < node->n_services; i++)
	{
		TimestampTz promise = candidate->departure;

		if (!candidate->collected)
			promise = HandOver(
				request,
				promise + candidate->lanes[i]->lead_hours * USECS_PER_HOUR);
		services[i].lateness = PromiseLateness(request, promise);
	}
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
MakeCandidate(const SourcingRequest *request, const CatalogNode *node,
			  ServicePool *pool, SolverNode *solver_node,
			  SourcingCandidate *candidate, SourcingRejects *rejects)
{
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
	candidate->distance_km = request->located && node->located
		? geo_distance_km(node->latitude, node->longitude, request->latitude,
						  request->longitude)
		: NAN;
	if (ships)
		solver_node->n_services = ShippingServices(request, candidate, pool);
	else
	{
		GrowPool(pool, 1);
		pool->services[pool->n].tariff =
			request->catalog->n_tariffs; /* the free one */
		pool->services[pool->n].temperature = node->temperature;
		solver_node->n_services = 1;
	}
	if (solver_node->n_services == 0)
	{
		LeaveOut(rejects, &rejects->unreachable, node, "no_lane");
		return false;
	}
	solver_node->services = &pool->services[pool->n];
	pool->n += solver_node->n_services;
	DateServices(request, candidate, solver_node);
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
	ServicePool pool = {0};
	bool found = false;

	if (!MakeCandidate(request, node, &pool, &solver_node, &candidate,
					   &rejects))
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
	SolverNode *nodes = palloc0(sizeof(SolverNode) * Max(n_cells, 1));
	ServicePool pool = {0};
	int64 last_node = 0; /* what became of it: */
	int candidate = -1;
	int nearest = -1;

	result->candidates = palloc0(sizeof(SourcingCandidate) * Max(n_cells, 1));
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
				MakeCandidate(request, node, &pool, &nodes[c],
							  &result->candidates[c], &result->rejects))
			{
				candidate = c;
				result->n_candidates++;
				/* A distance that is not known is farther than any. */
				if (nearest < 0 ||
					isnan(result->candidates[nearest].distance_km) ||
					result->candidates[c].distance_km <
						result->candidates[nearest].distance_km)
					nearest = c;
			}
		}
		cells[i].candidate = candidate;
	}
	if (nearest >= 0)
		nodes[nearest].preferred = true;
	return nodes;
}
