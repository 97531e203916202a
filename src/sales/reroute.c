/*-------------------------------------------------------------------------
 *
 * reroute.c
 *	  retail.route_units(): decides anew who fulfils units of an order that
 *	  exists, without the nodes that refused it, and writes the parcels.
 *
 * The SQL around it (control/35_sales_reroute.sql) has locked the order, keeps
 * its counters and its events, and catches RT060, rolls back and calls again
 * when another buyer took the stock.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "retail.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "sales/order_reload.h"
#include "sales/order_writer.h"

/* A node refused the goods: stock is corrected before others are reserved. */
typedef struct Refusal
{
	Datum reason;
	Datum shipment_id;
	Datum node_id;
	Datum sku_ids;
	Datum units;
	Datum released;
} Refusal;

static RetailStatement post_refusal = {
	"SELECT retail.post_refusal($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	9,
	{TEXTOID, INT8OID, INT8OID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
	 INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID}};

static RetailStatement select_due = {
	"SELECT sku_id, node_id FROM retail.reservation"
	" WHERE state = 'held' AND expires_at <= $1 AND sku_id = ANY ($2) GROUP BY 1, 2",
	2,
	{TIMESTAMPTZOID, INT8ARRAYOID}};

static RetailStatement select_decided_at = {
	"SELECT max(decided_at) FROM retail.allocation_decision WHERE order_id = $1",
	1,
	{INT8OID}};

/*
 * Gathers the stock rows that writing the plan will change: what it takes, and
 * what due holds of its SKUs give back.
 */
static void
PlannedRows(const SourcingRequest *request, const SourcingResult *result,
			Datum *skus, Datum *nodes)
{
	const SolverPlan *plan = &result->plan;
	int n = plan->n_pieces;
	int64 *sku_ids = palloc(sizeof(int64) * Max(request->n_lines, n));
	int64 *node_ids;
	Datum values[2];

	SPI_processed = 0;
	if (result->saw_expired)
	{
		for (int i = 0; i < request->n_lines; i++)
			sku_ids[i] = request->lines[i].sku_id;
		values[0] = TimestampTzGetDatum(RetailEffectiveTime(request->as_of));
		values[1] = RetailInt64Array(sku_ids, request->n_lines);
		RetailExecute(&select_due, values, NULL, false, SPI_OK_SELECT);
	}
	sku_ids = palloc(sizeof(int64) * (n + SPI_processed));
	node_ids = palloc(sizeof(int64) * (n + SPI_processed));
	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];
		int c = plan->parcels[piece->parcel].node;

		sku_ids[i] = request->lines[piece->line].sku_id;
		node_ids[i] = result->candidates[c].node->id;
	}
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		sku_ids[n] = RetailCellInt64(row, 1, NULL);
		node_ids[n++] = RetailCellInt64(row, 2, NULL);
	}
	*skus = RetailInt64Array(sku_ids, n);
	*nodes = RetailInt64Array(node_ids, n);
}

/* Books what was refused, with all rows locked that come after it. */
static void
PostRefusal(const Refusal *refusal, const SourcingRequest *request,
			const SourcingResult *result)
{
	Datum values[9] = {refusal->reason,	 refusal->shipment_id,
					   refusal->node_id, refusal->sku_ids,
					   refusal->units,	 refusal->released};

	PlannedRows(request, result, &values[6], &values[7]);
	values[8] = TimestampTzGetDatum(request->as_of);
	RetailExecute(&post_refusal, values, NULL, false, SPI_OK_SELECT);
}

/* Returns a moment for the decision at which the order has none yet. */
static TimestampTz
DecisionTime(int64 order_id, TimestampTz as_of)
{
	Datum values[1] = {Int64GetDatum(order_id)};
	bool isnull;
	TimestampTz last;

	RetailExecute(&select_decided_at, values, NULL, false, SPI_OK_SELECT);
	last = RetailCellInt64(0, 1, &isnull);
	return isnull || last < as_of ? as_of : last + 1;
}

/* Raises RT060 when others took stock, or the day of a node, meanwhile. */
static void
ReportOutrun(const SourcingRequest *request, const StockShortage *shortage)
{
	const CatalogNode *node =
		CatalogNodeById(request->catalog, shortage->node_id);
	const char *sku = NULL;

	for (int i = 0; i < request->n_lines; i++)
		if (request->lines[i].sku_id == shortage->sku_id)
			sku = request->lines[i].sku;
	ereport(
		ERROR, errcode(RT_TOO_BUSY),
		errmsg("stock or capacity changed under the decision"),
		sku ? errdetail("SKU %s at node %s: %lld wanted, %lld left to promise.",
						sku, node ? node->code : "",
						(long long) shortage->wanted,
						(long long) shortage->available)
			: errdetail("The day of node %s is full.", node ? node->code : ""),
		errhint("Try again."));
}

/* Decides and writes once; returns the parcels as jsonb. */
static Datum
RouteUnits(ReloadedOrder *order, const Refusal *refusal)
{
	SourcingRequest *request = &order->sourcing;
	SourcingResult result;
	ParcelSet set = {0};
	StockShortage shortage;

	SourceOrder(request, false, &result);
	if (result.status != SOLVER_OK)
		ReportNoPlan(request, &result);
	if (refusal)
		PostRefusal(refusal, request, &result);
	set.order_id = order->order_id;
	set.request = request;
	set.result = &result;
	set.expires = order->is_held;
	set.expires_at = order->held_until;
	set.decided_at = DecisionTime(order->order_id, request->as_of);
	if (!WriteParcels(&set, 1, NULL, 0, false, &shortage))
		ReportOutrun(request, &shortage);
	return ParcelsJsonb(request, &result, set.shipment_ids);
}

/*
 * route_units(order_id, line_nos, quantities, excluded, only_node,
 *			   pick_up_node, as_of, reason, shipment_id, node_id, sku_ids,
 *			   units, released)
 */
PG_FUNCTION_INFO_V1(retail_route_units);
Datum
retail_route_units(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	ReloadedOrder *order;
	SourcingRequest *request;
	ReloadedUnits *units;
	Refusal refusal;
	bool refused = !PG_ARGISNULL(7);
	int n;
	int n_quantities;
	int64 *lines = RetailInt64ArrayArgument(fcinfo, 1, &n);
	int64 *quantities = RetailInt64ArrayArgument(fcinfo, 2, &n_quantities);
	MemoryContext old;
	Datum answer;

	if (n == 0 || n != n_quantities)
		elog(ERROR, "no units to route");
	units = palloc(sizeof(ReloadedUnits) * n);
	for (int i = 0; i < n; i++)
	{
		units[i].line_no = (int) lines[i];
		units[i].quantity = quantities[i];
	}
	SPI_connect();
	order = ReloadOrder(PG_GETARG_INT64(0), units, n, NULL,
						PG_GETARG_TIMESTAMPTZ(6));
	request = &order->sourcing;
	request->excluded =
		RetailInt64ArrayArgument(fcinfo, 3, &request->n_excluded);
	if (!PG_ARGISNULL(4))
		request->only_node =
			CatalogNodeById(request->catalog, PG_GETARG_INT64(4));
	request->pick_up_node = PG_ARGISNULL(5)
		? NULL
		: CatalogNodeById(request->catalog, PG_GETARG_INT64(5));
	if (refused)
	{
		refusal.reason = PG_GETARG_DATUM(7);
		refusal.shipment_id = PG_GETARG_DATUM(8);
		refusal.node_id = PG_GETARG_DATUM(9);
		refusal.sku_ids = PG_GETARG_DATUM(10);
		refusal.units = PG_GETARG_DATUM(11);
		refusal.released = PG_GETARG_DATUM(12);
	}
	answer = RouteUnits(order, refused ? &refusal : NULL);
	old = MemoryContextSwitchTo(context);
	answer = PointerGetDatum(PG_DETOAST_DATUM_COPY(answer));
	MemoryContextSwitchTo(old);
	SPI_finish();
	PG_RETURN_DATUM(answer);
}
