/*-------------------------------------------------------------------------
 *
 * sourcing.c
 *	  States an order as a problem for the solver: which nodes have stock
 *	  that the channel may promise, which carriers reach the destination from
 *	  there, when each parcel would arrive and what it costs.
 *
 * Master data comes from the cache; each order reads stock, safety stock and
 * due holds of its own SKUs only.  Available to promise is
 *		on hand - reserved + due holds - safety stock of the channel
 * where due holds are reservations that expired but were not yet swept: they
 * stop counting when they expire.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/sourcing.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"

#include "catalog/geo.h"

/* Stock of one SKU at one node, as read. */
typedef struct StockCell
{
	int line;
	int candidate; /* -1: the node is no candidate */
	int64 node_id;
	int64 available; /* before safety stock */
	int64 safety;
	bool own_safety; /* the channel's own figure */
} StockCell;

typedef struct CellKey
{
	int64 sku_id;
	int64 node_id;
} CellKey;

typedef struct CellEntry
{
	CellKey key;
	StockCell *cell;
} CellEntry;

typedef struct NodeEntry
{
	int64 node_id;
	int candidate;
} NodeEntry;

static RetailStatement select_stock = {
	"SELECT sku_id, node_id, on_hand - reserved FROM retail.stock"
	" WHERE sku_id = ANY ($1) AND on_hand > 0 AND ($2 IS NULL OR node_id = $2)"
	" ORDER BY node_id, sku_id", /* so that ties do not depend on the heap */
	2,
	{INT8ARRAYOID, INT8OID}};

static RetailStatement select_expired = {
	"SELECT sku_id, node_id, sum(open_quantity)::bigint FROM retail.reservation"
	" WHERE state = 'held' AND expires_at <= $2 AND sku_id = ANY ($1) GROUP BY 1, 2",
	2,
	{INT8ARRAYOID, TIMESTAMPTZOID}};

static RetailStatement select_safety = {
	"SELECT sku_id, node_id, quantity, channel_id IS NOT NULL FROM retail.safety_stock"
	" WHERE sku_id = ANY ($1) AND (channel_id = $2 OR channel_id IS NULL)",
	2,
	{INT8ARRAYOID, INT8OID}};

static RetailStatement select_load = {
	"SELECT count(*) FROM retail.shipment"
	" WHERE node_id = $1 AND ship_by >= $2 AND ship_by < $3 AND status <> 'cancelled'",
	3,
	{INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static void *
SolverAlloc(void *context, size_t size)
{
	return MemoryContextAllocExtended(context, size,
									  MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}

static void
SolverRelease(void *context, void *pointer)
{
	if (pointer)
		pfree(pointer);
}

/* Other interrupts (invalidations, barriers) can wait for the solver's end. */
static bool
SolverInterrupted(void *context)
{
	return InterruptPending && (QueryCancelPending || ProcDiePending);
}

/* Finds the stock cell of a SKU at a node, or NULL. */
static StockCell *
FindCell(HTAB *index, int64 sku_id, int64 node_id)
{
	CellKey key = {sku_id, node_id};
	CellEntry *entry = hash_search(index, &key, HASH_FIND, NULL);

	return entry ? entry->cell : NULL;
}

/* Reads the stock of the order's SKUs into cells. */
static StockCell *
ReadStock(const SourcingRequest *request, Datum skus, bool read_only, int *n,
		  HTAB **index)
{
	HASHCTL control = {0};
	Datum values[2] = {skus, 0};
	StockCell *cells;

	if (request->pick_up_node)
		values[1] = Int64GetDatum(request->pick_up_node->id);
	RetailExecute(&select_stock, values, request->pick_up_node ? "  " : " n",
				  read_only, SPI_OK_SELECT);
	*n = (int) SPI_processed;
	cells = palloc(sizeof(StockCell) * Max(*n, 1));

	control.keysize = sizeof(CellKey);
	control.entrysize = sizeof(CellEntry);
	control.hcxt = CurrentMemoryContext;
	*index = hash_create("pg_retail stock cells", Max(*n, 16), &control,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < *n; i++)
	{
		CellKey key;
		CellEntry *entry;

		key.sku_id = RetailCellInt64(i, 1, NULL);
		key.node_id = RetailCellInt64(i, 2, NULL);
		cells[i].node_id = key.node_id;
		cells[i].available = RetailCellInt64(i, 3, NULL);
		cells[i].safety = 0;
		cells[i].own_safety = false;
		cells[i].candidate = -1;
		for (cells[i].line = 0;
			 request->lines[cells[i].line].sku_id != key.sku_id;
			 cells[i].line++)
			;
		entry = hash_search(*index, &key, HASH_ENTER, NULL);
		entry->cell = &cells[i];
	}
	return cells;
}

/* Adds due holds and subtracts the channel's safety stock. */
static bool
AdjustStock(const SourcingRequest *request, Datum skus, bool read_only,
			HTAB *index)
{
	Datum values[2] = {
		skus, TimestampTzGetDatum(RetailEffectiveTime(request->as_of))};
	bool saw_expired = false;
	StockCell *cell;

	RetailExecute(&select_expired, values, NULL, read_only, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		cell = FindCell(index, RetailCellInt64(row, 1, NULL),
						RetailCellInt64(row, 2, NULL));
		if (cell)
			cell->available += RetailCellInt64(row, 3, NULL);
		saw_expired = true;
	}
	values[1] = Int64GetDatum(request->channel->id);
	RetailExecute(&select_safety, values, NULL, read_only, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool own = RetailCellBool(row, 4);

		cell = FindCell(index, RetailCellInt64(row, 1, NULL),
						RetailCellInt64(row, 2, NULL));
		if (cell == NULL || (cell->own_safety && !own))
			continue;
		cell->safety = RetailCellInt64(row, 3, NULL);
		cell->own_safety = own;
	}
	return saw_expired;
}

/* Counts the parcels that a node still takes on the day of a departure. */
static int
CapacityLeft(const CatalogNode *node, TimestampTz departure, bool read_only)
{
	TimestampTz begin;
	TimestampTz end;
	Datum values[3];

	CatalogLocalDay(node, departure, &begin, &end);
	values[0] = Int64GetDatum(node->id);
	values[1] = TimestampTzGetDatum(begin);
	values[2] = TimestampTzGetDatum(end);
	RetailExecute(&select_load, values, NULL, read_only, SPI_OK_SELECT);
	return (int) Max(node->daily_capacity - RetailCellInt64(0, 1, NULL), 0);
}

/* Costs a promise that is later than the policy's target, by days begun. */
static int64
Lateness(const SourcingRequest *request, TimestampTz promise)
{
	TimestampTz target =
		request->as_of + request->policy->target_hours * USECS_PER_HOUR;

	if (promise <= target)
		return 0;
	return (promise - target + USECS_PER_DAY - 1) / USECS_PER_DAY *
		request->policy->lateness_per_day;
}

/* Fills the services of a node that ships; returns how many there are. */
static int
ShippingServices(const SourcingRequest *request, SourcingCandidate *candidate,
				 SolverService *services)
{
	int room = Max(request->catalog->n_services, 1);
	int *tariffs = palloc(sizeof(int) * room);
	int n;

	candidate->lanes = palloc(sizeof(CatalogLane *) * room);
	n = CatalogLanes(request->catalog, candidate->node, request->region,
					 candidate->distance_km, request->as_of, candidate->lanes,
					 tariffs);
	for (int i = 0; i < n; i++)
	{
		const CatalogLane *lane = candidate->lanes[i];

		services[i].tariff = tariffs[i];
		services[i].temperature =
			lane->service->temperature & candidate->node->temperature;
		services[i].lateness = Lateness(
			request, candidate->departure + lane->lead_hours * USECS_PER_HOUR);
	}
	pfree(tariffs);
	return n;
}

/*
 * Makes a node a candidate: fills the solver's view of it and ours.  Returns
 * false, counting the reason, when it cannot serve this order.
 */
static bool
MakeCandidate(const SourcingRequest *request, const CatalogNode *node,
			  SolverNode *solver_node, SourcingCandidate *candidate,
			  SourcingRejects *rejects)
{
	bool ships = request->pick_up_node == NULL;
	SolverService *services;

	if (!node->active)
	{
		rejects->inactive++;
		return false;
	}
	if (ships ? !node->can_ship : !node->can_pick_up)
	{
		rejects->incapable++;
		return false;
	}
	if (ships
			? !CatalogDeparture(node, request->as_of, &candidate->departure)
			: !CatalogPickUpReady(node, request->as_of, &candidate->departure))
	{
		rejects->closed++;
		return false;
	}
	candidate->node = node;
	candidate->distance_km = request->located && node->located
		? geo_distance_km(node->latitude, node->longitude, request->latitude,
						  request->longitude)
		: NAN;
	services =
		palloc0(sizeof(SolverService) * Max(request->catalog->n_services, 1));
	if (ships)
		solver_node->n_services =
			ShippingServices(request, candidate, services);
	else
	{
		services[0].tariff = request->catalog->n_tariffs; /* the free one */
		services[0].temperature = node->temperature;
		services[0].lateness = Lateness(request, candidate->departure);
		solver_node->n_services = 1;
	}
	if (solver_node->n_services == 0)
	{
		rejects->unreachable++;
		return false;
	}
	solver_node->services = services;
	solver_node->per_parcel = node->parcel_cost;
	solver_node->per_unit = node->unit_cost;
	solver_node->preferred = false;
	solver_node->max_parcels = PG_INT32_MAX;
	candidate->capacity_known = node->daily_capacity < 0;
	return true;
}

/* Turns the nodes of the cells into candidates, nearest preferred. */
static SolverNode *
MakeCandidates(const SourcingRequest *request, StockCell *cells, int n_cells,
			   SourcingResult *result)
{
	SolverNode *nodes = palloc0(sizeof(SolverNode) * Max(n_cells, 1));
	HASHCTL control = {0};
	HTAB *known;
	int nearest = -1;

	result->candidates = palloc0(sizeof(SourcingCandidate) * Max(n_cells, 1));
	control.keysize = sizeof(int64);
	control.entrysize = sizeof(NodeEntry);
	control.hcxt = CurrentMemoryContext;
	known = hash_create("pg_retail candidates", Max(n_cells, 16), &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < n_cells; i++)
	{
		NodeEntry *entry;
		bool found;
		int c = result->n_candidates;

		if (cells[i].available - cells[i].safety <= 0)
			continue;
		entry = hash_search(known, &cells[i].node_id, HASH_ENTER, &found);
		if (!found)
		{
			const CatalogNode *node =
				CatalogNodeById(request->catalog, cells[i].node_id);

			entry->candidate = -1;
			if (node &&
				MakeCandidate(request, node, &nodes[c], &result->candidates[c],
							  &result->rejects))
			{
				entry->candidate = c;
				result->n_candidates++;
				/* A distance that is not known is farther than any. */
				if (nearest < 0 ||
					isnan(result->candidates[nearest].distance_km) ||
					result->candidates[c].distance_km <
						result->candidates[nearest].distance_km)
					nearest = c;
			}
		}
		cells[i].candidate = entry->candidate;
	}
	if (nearest >= 0)
		nodes[nearest].preferred = true;
	return nodes;
}

/* Copies the tariffs of the catalogue and adds the free one of pick-up. */
static const SolverTariff *
TariffsFor(const SourcingRequest *request)
{
	static const SolverBracket free_bracket = {INT64_MAX, 0, 0, 0, 0};
	SolverTariff *tariffs;

	if (request->pick_up_node == NULL)
		return request->catalog->tariffs;
	tariffs = palloc0(sizeof(SolverTariff) * (request->catalog->n_tariffs + 1));
	tariffs[request->catalog->n_tariffs].brackets = &free_bracket;
	tariffs[request->catalog->n_tariffs].n_brackets = 1;
	for (int i = 0; i < request->catalog->n_tariffs; i++)
		tariffs[i] = request->catalog->tariffs[i];
	return tariffs;
}

/* States the problem from request, candidates and cells. */
static void
StateProblem(const SourcingRequest *request, SolverNode *nodes,
			 const StockCell *cells, int n_cells, SourcingResult *result)
{
	SolverProblem *problem = &result->problem;
	SolverLine *lines = palloc(sizeof(SolverLine) * request->n_lines);
	Size size = sizeof(int64) * Max(request->n_lines * result->n_candidates, 1);
	int64 *available = palloc0(size);

	result->safety = palloc0(size);
	for (int i = 0; i < request->n_lines; i++)
	{
		lines[i].quantity = request->lines[i].quantity;
		lines[i].unit_weight_g = request->lines[i].weight_g;
		lines[i].unit_volume_cm3 = request->lines[i].volume_cm3;
		lines[i].temperature = request->lines[i].temperature;
	}
	for (int i = 0; i < n_cells; i++)
	{
		int at = cells[i].line * result->n_candidates + cells[i].candidate;

		if (cells[i].candidate < 0)
			continue;
		available[at] = cells[i].available - cells[i].safety;
		result->safety[at] = cells[i].safety;
	}
	problem->n_lines = request->n_lines;
	problem->lines = lines;
	problem->n_nodes = result->n_candidates;
	problem->nodes = nodes;
	problem->tariffs = TariffsFor(request);
	problem->n_tariffs =
		request->catalog->n_tariffs + (request->pick_up_node ? 1 : 0);
	problem->available = available;
	problem->split_penalty = request->policy->split_penalty;
	problem->max_parcels = request->policy->max_parcels;
	problem->allow_line_split = request->policy->allow_line_split;
	problem->alloc = SolverAlloc;
	problem->release = SolverRelease;
	problem->interrupted = SolverInterrupted;
	problem->context = CurrentMemoryContext;
}

/*
 * Looks up what the chosen nodes can still take; returns true when the plan
 * asks one for more, whose limit the problem then knows.
 */
static bool
CapacityExceeded(SolverNode *nodes, bool read_only, SourcingResult *result)
{
	const SolverPlan *plan = &result->plan;
	bool exceeded = false;

	for (int i = 0; i < plan->n_parcels; i++)
	{
		int c = plan->parcels[i].node;
		SourcingCandidate *candidate = &result->candidates[c];
		int used = 0;

		if (candidate->capacity_known)
			continue;
		candidate->capacity_known = true;
		nodes[c].max_parcels =
			CapacityLeft(candidate->node, candidate->departure, read_only);
		for (int j = 0; j < plan->n_parcels; j++)
			used += plan->parcels[j].node == c;
		if (nodes[c].max_parcels == 0)
			result->rejects.full++;
		exceeded |= used > nodes[c].max_parcels;
	}
	return exceeded;
}

/*
 * Reads stock and decides, inside an SPI connection.  The result lives in the
 * current memory context; its status says whether there is a plan.
 */
void
SourceOrder(const SourcingRequest *request, bool read_only,
			SourcingResult *result)
{
	int64 *sku_ids = palloc(sizeof(int64) * request->n_lines);
	Datum skus;
	HTAB *index;
	StockCell *cells;
	int n_cells;
	SolverNode *nodes;

	memset(result, 0, sizeof(*result));
	for (int i = 0; i < request->n_lines; i++)
		sku_ids[i] = request->lines[i].sku_id;
	skus = RetailInt64Array(sku_ids, request->n_lines);
	cells = ReadStock(request, skus, read_only, &n_cells, &index);
	result->saw_expired = AdjustStock(request, skus, read_only, index);
	nodes = MakeCandidates(request, cells, n_cells, result);
	StateProblem(request, nodes, cells, n_cells, result);
	result->status = solver_solve(&result->problem, &result->plan);
	/* Capacity is a lazy constraint: only nodes that are chosen are counted. */
	while (result->status == SOLVER_OK &&
		   CapacityExceeded(nodes, read_only, result))
	{
		solver_free_plan(&result->problem, &result->plan);
		result->status = solver_solve(&result->problem, &result->plan);
	}
	CHECK_FOR_INTERRUPTS();
	if (result->status == SOLVER_NO_MEMORY)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory in the allocation solver"));
	if (result->status == SOLVER_INTERRUPTED)
		elog(ERROR, "allocation solver: %s",
			 solver_status_text(result->status));
}

/* Raises RT020 or RT021 for a line that cannot be served, with the numbers. */
static void
ReportShortLine(const SourcingRequest *request, const SourcingResult *result)
{
	const SourcingRejects *r = &result->rejects;
	int line = result->plan.short_line;
	const SourcingLine *l = &request->lines[line];
	bool no_stock = result->status == SOLVER_NO_STOCK;
	int64 available = 0;

	for (int c = 0; c < result->n_candidates; c++)
		available += result->problem.available[line * result->n_candidates + c];
	if (no_stock &&
		r->inactive + r->incapable + r->closed + r->unreachable + r->full == 0)
		ereport(
			ERROR, errcode(RT_OUT_OF_STOCK), errmsg("out of stock"),
			errdetail("SKU %s: %lld asked, %lld available to promise%s%s.",
					  l->sku, (long long) l->quantity, (long long) available,
					  request->pick_up_node ? " at node " : "",
					  request->pick_up_node ? request->pick_up_node->code : ""),
			errhint(
				"See retail.available_to_promise() for where the SKU lies."));
	if (!no_stock && request->pick_up_node)
		ereport(
			ERROR, errcode(RT_NODE_INCAPABLE),
			errmsg("the node may not keep what is ordered"),
			errdetail(
				"SKU %s is of a temperature class that node %s does not offer.",
				l->sku, request->pick_up_node->code),
			errhint(
				"Choose another node, or add the class with retail.put_node()."));
	ereport(
		ERROR,
		errcode(no_stock && r->unreachable + r->closed == 0 ? RT_OUT_OF_STOCK
															: RT_UNREACHABLE),
		no_stock ? errmsg("not enough stock that can reach the customer")
				 : errmsg("no carrier takes what is ordered"),
		errdetail(
			"SKU %s: %lld asked, %lld at %d nodes that can serve the order. Other nodes with stock: %d without a lane or rate card, %d closed, %d that may not, %d inactive.",
			l->sku, (long long) l->quantity, (long long) available,
			result->n_candidates, r->unreachable, r->closed, r->incapable,
			r->inactive),
		errhint(
			"See retail.lane, retail.rate_card and retail.node for what serves this destination."));
}

/* Raises the error that tells why there is no plan. */
void
ReportNoPlan(const SourcingRequest *request, const SourcingResult *result)
{
	if (result->status == SOLVER_BAD_PROBLEM)
		ereport(
			ERROR, errcode(RT_INVALID_QUANTITY),
			errmsg("order is too large to plan"),
			errdetail(
				"Its total weight, volume or cost exceeds 10^15 grams, cubic centimetres or cents."),
			errhint("Divide the order."));
	if (result->plan.short_line >= 0)
		ReportShortLine(request, result);
	ereport(
		ERROR, errcode(RT_UNREACHABLE),
		errmsg("no plan within the limits of policy and capacity"),
		errdetail(
			"%d nodes can serve the order, %d of them full on the day; policy \"%s\" allows %d parcels (0: any number)%s.",
			result->n_candidates, result->rejects.full, request->policy->code,
			request->policy->max_parcels,
			request->policy->allow_line_split ? "" : " and no split lines"),
		errhint(
			"Try fewer lines, another day, or a policy with more parcels."));
}

/* Returns when the customer has a parcel of the plan. */
TimestampTz
ParcelPromise(const SourcingRequest *request, const SourcingResult *result,
			  int parcel)
{
	const SolverParcel *p = &result->plan.parcels[parcel];
	const SourcingCandidate *candidate = &result->candidates[p->node];

	if (request->pick_up_node)
		return candidate->departure;
	return candidate->departure +
		candidate->lanes[p->service]->lead_hours * USECS_PER_HOUR;
}

/* Returns when the last parcel of a plan arrives. */
TimestampTz
PlanPromise(const SourcingRequest *request, const SourcingResult *result)
{
	TimestampTz latest = DT_NOBEGIN;

	for (int i = 0; i < result->plan.n_parcels; i++)
		latest = Max(latest, ParcelPromise(request, result, i));
	return latest;
}
