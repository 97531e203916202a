/*-------------------------------------------------------------------------
 *
 * sourcing.c
 *	  States an order as a problem for the solver, and has it solved.
 *
 * Master data comes from the cache; each order reads stock of its own SKUs
 * (stock_view.c), which makes nodes candidates (candidates.c).
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/sourcing.h"

#include "miscadmin.h"

#include "allocation/candidates.h"
#include "allocation/capacity.h"
#include "allocation/composite.h"
#include "allocation/ledger.h"
#include "allocation/stock_price.h"

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

/* Copies the tariffs of the catalogue and adds the free one of pick-up. */
static const SolverTariff *
TariffsFor(const SourcingRequest *request)
{
	static const SolverBracket free_bracket = {INT64_MAX, 0, 0, 0, 0};
	SolverTariff *tariffs;

	if (request->pick_up_node == NULL && request->store == NULL)
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
	problem->n_tariffs = request->catalog->n_tariffs +
		(request->pick_up_node || request->store ? 1 : 0);
	problem->available = available;
	problem->stock_value = StockValues(request, request->policy, result);
	problem->split_penalty = request->policy->split_penalty;
	problem->max_parcels = request->policy->max_parcels;
	problem->allow_line_split = request->policy->allow_line_split;
	problem->alloc = SolverAlloc;
	problem->release = SolverRelease;
	problem->interrupted = SolverInterrupted;
	problem->context = CurrentMemoryContext;
}

/* Orders returned units by SKU and node. */
static int
CompareReturned(const void *a, const void *b)
{
	const ReturnedUnits *left = a;
	const ReturnedUnits *right = b;

	if (left->sku_id != right->sku_id)
		return left->sku_id < right->sku_id ? -1 : 1;
	return left->node_id < right->node_id ? -1 : left->node_id > right->node_id;
}

/* Adds what the caller gives back to the stock that was read. */
static void
AddReturned(const SourcingRequest *request, StockView *view)
{
	for (int i = 0; i < view->n_cells && request->n_returned > 0; i++)
	{
		StockCell *cell = &view->cells[i];
		ReturnedUnits key = {request->lines[cell->line].sku_id, cell->node_id,
							 0};
		const ReturnedUnits *found =
			bsearch(&key, request->returned, request->n_returned,
					sizeof(ReturnedUnits), CompareReturned);

		if (found)
			cell->available += found->quantity;
	}
}

/*
 * Reads stock and states the order as a problem, inside an SPI connection; what
 * the result points to lives in the current memory context.  Nothing is decided
 * yet: SolveLines() solves it.  Returns the nodes of the problem, whose limits the
 * caller may lower.
 */
SolverNode *
StateOrder(const SourcingRequest *request, bool read_only,
		   SourcingResult *result)
{
	StockView view;
	SolverNode *nodes;

	memset(result, 0, sizeof(*result));
	ReadStockView(request, read_only, &view);
	result->saw_expired = view.saw_expired;
	result->from_cache = view.from_cache && !request->stock_anew;
	AddReturned(request, &view);
	KeepForBackorders(request, read_only, &view);
	nodes = MakeCandidates(request, &view, result);
	StateProblem(request, nodes, view.cells, view.n_cells, result);
	if (request->ledger)
		LedgerApply(request->ledger, request, result);
	return nodes;
}

/* Decides an order that was stated, inside an SPI connection. */
void
SolveOrder(const SourcingRequest *request, bool read_only,
		   SourcingResult *result)
{
	SolverNode *nodes = unconstify(SolverNode *, result->problem.nodes);

	result->status = SolveLines(request, &result->problem, &result->plan);
	while (LimitCapacity(request, nodes, read_only, result))
	{
		solver_free_plan(&result->problem, &result->plan);
		result->status = SolveLines(request, &result->problem, &result->plan);
	}
	CHECK_FOR_INTERRUPTS();
	if (result->status == SOLVER_NO_MEMORY)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory in the allocation solver"));
	if (result->status == SOLVER_INTERRUPTED)
		elog(ERROR, "allocation solver: %s",
			 solver_status_text(result->status));
}

/*
 * Reads stock and decides, inside an SPI connection.  The result lives in the
 * current memory context; its status says whether there is a plan.  Nobody is
 * refused on the word of the cache: then the table is asked.
 */
void
SourceOrder(const SourcingRequest *request, bool read_only,
			SourcingResult *result)
{
	SourcingRequest again = *request;

	StateOrder(request, read_only, result);
	SolveOrder(request, read_only, result);
	if (result->status == SOLVER_OK || !result->from_cache)
		return;
	again.stock_anew = true;
	StateOrder(&again, read_only, result);
	SolveOrder(&again, read_only, result);
}

/* Names the kind of a parcel from a candidate, as retail.shipment.kind does. */
const char *
ParcelKind(const SourcingRequest *request, const SourcingCandidate *candidate)
{
	if (candidate->collected)
		return "pick_up";
	return request->store ? "ship_to_store" : "ship";
}

/*
 * Returns when the customer has a parcel that arrives at an instant: at once,
 * or when the store to which it was shipped hands it over.
 */
TimestampTz
HandOver(const SourcingRequest *request, TimestampTz arrival)
{
	TimestampTz ready;

	if (request->store && CatalogPickUpReady(request->store, arrival, &ready))
		return ready;
	return arrival;
}

/* Returns when the customer has a parcel of the plan. */
TimestampTz
ParcelPromise(const SourcingRequest *request, const SourcingResult *result,
			  int parcel)
{
	const SolverParcel *p = &result->plan.parcels[parcel];
	const SourcingCandidate *candidate = &result->candidates[p->node];

	if (candidate->collected)
		return candidate->departure;
	return HandOver(request,
					candidate->departure +
						candidate->lanes[p->service]->lead_hours *
							USECS_PER_HOUR);
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
