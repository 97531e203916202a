/*-------------------------------------------------------------------------
 *
 * reoptimise.c
 *	  The second look: orders that were decided one after the other, and whose
 *	  parcels are not on the floor yet, are decided again together.
 *
 * What the parcels hold counts as available to all of them, so that orders can
 * swap units and merge parcels.  An order keeps its promise: carriers that
 * would bring a parcel later than the order was promised are no choice.  What
 * it has now is its incumbent; the core of joint.h leaves it where nothing is
 * gained, and the total cost never grows.
 *
 * The caller has locked the orders and their reservations.  Parcels that change
 * are cancelled and written anew, with the stock counters last and netted.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "retail.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "allocation/candidates.h"
#include "allocation/capacity.h"
#include "allocation/joint_sourcing.h"
#include "sales/order_reload.h"
#include "sales/order_writer.h"

/* A quantity of a line in a planned parcel, as read. */
typedef struct PlannedPiece
{
	int64 order_id;
	int64 shipment_id;
	int64 node_id;
	int64 service_id;
	TimestampTz ship_by;
	int line_no;
	int64 sku_id;
	int64 quantity;
} PlannedPiece;

/* An order that is looked at. */
typedef struct Replan
{
	const PlannedPiece *pieces; /* by shipment and line */
	int n_pieces;
	ReloadedOrder *order;
	SourcingResult result;
	SolverPlan incumbent;
	int64 *shipment_ids; /* of the incumbent's parcels */
	bool out;			 /* it is left alone */
	bool changed;
} Replan;

/* Parcels of a node on a day that belong to the orders that are looked at. */
typedef struct DayEntry
{
	struct DayKey
	{
		int64 node_id;
		TimestampTz begin;
	} key;
	int own;
	bool counted;
	int limit;
} DayEntry;

/* All that a look needs. */
typedef struct Look
{
	TimestampTz as_of;
	int n;
	Replan *replans;
	ReturnedUnits *returned;
	int n_returned;
	HTAB *days;
	int n_out;
} Look;

static RetailStatement select_pieces = {
	"SELECT s.order_id, s.shipment_id, s.node_id, s.carrier_service_id, s.ship_by, l.line_no, l.sku_id, l.quantity"
	" FROM retail.shipment s JOIN retail.shipment_line l USING (shipment_id)"
	" WHERE s.order_id = ANY ($1) AND s.status = 'planned' AND l.quantity > 0"
	" ORDER BY s.order_id, s.shipment_id, l.line_no",
	1,
	{INT8ARRAYOID}};

static RetailStatement cancel_parcels = {
	"WITH gone AS (UPDATE retail.shipment s SET status = 'cancelled', weight_g = 0 WHERE s.shipment_id = ANY ($2)),"
	" emptied AS (UPDATE retail.shipment_line l SET quantity = 0 WHERE l.shipment_id = ANY ($2))"
	" UPDATE retail.reservation r SET open_quantity = 0, released_quantity = r.released_quantity + x.units, state = 'released', changed_at = $3"
	" FROM (SELECT y.sku_id, y.reservation_id, y.open_quantity AS units FROM retail.reservation y"
	" WHERE y.order_id = ANY ($1) AND y.shipment_id = ANY ($2) AND y.open_quantity > 0) x"
	" WHERE r.sku_id = x.sku_id AND r.reservation_id = x.reservation_id RETURNING r.sku_id, r.node_id, x.units",
	3,
	{INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID}};

static RetailStatement note_replan = {
	"WITH promise AS (UPDATE retail.sales_order o SET promised_at = $2 WHERE o.order_id = $1)"
	" INSERT INTO retail.order_event (order_id, kind, occurred_at, actor, detail) VALUES ($1, 'replanned', $3, $4, $5)",
	5,
	{INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, JSONBOID}};

/* Reads what is in the planned parcels of the orders. */
static PlannedPiece *
ReadPieces(Datum order_ids, int *n)
{
	PlannedPiece *pieces;

	RetailExecute(&select_pieces, &order_ids, NULL, false, SPI_OK_SELECT);
	*n = (int) SPI_processed;
	pieces = palloc(sizeof(PlannedPiece) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		pieces[i].order_id = RetailCellInt64(i, 1, NULL);
		pieces[i].shipment_id = RetailCellInt64(i, 2, NULL);
		pieces[i].node_id = RetailCellInt64(i, 3, NULL);
		pieces[i].service_id = RetailCellInt64(i, 4, NULL);
		pieces[i].ship_by = RetailCellInt64(i, 5, NULL);
		pieces[i].line_no = (int) RetailCellInt64(i, 6, NULL);
		pieces[i].sku_id = RetailCellInt64(i, 7, NULL);
		pieces[i].quantity = RetailCellInt64(i, 8, NULL);
	}
	return pieces;
}

/* States an order again, for the units in its planned parcels. */
static void
Reload(Replan *replan, TimestampTz as_of)
{
	ReloadedUnits *units =
		palloc(sizeof(ReloadedUnits) * Max(replan->n_pieces, 1));
	int n = 0;

	for (int i = 0; i < replan->n_pieces; i++)
	{
		const PlannedPiece *piece = &replan->pieces[i];
		int line = 0;

		while (line < n && units[line].line_no != piece->line_no)
			line++;
		if (line == n)
		{
			units[n].line_no = piece->line_no;
			units[n++].quantity = 0;
		}
		units[line].quantity += piece->quantity;
	}
	replan->order =
		ReloadOrder(replan->pieces[0].order_id, units, n, NULL, as_of);
	replan->out = !CanSourceTogether(&replan->order->sourcing) ||
		replan->order->sourcing.region == NULL;
}

/* Divides the pieces into orders, and states them again. */
static void
ReadOrders(Look *look, const PlannedPiece *pieces, int n_pieces)
{
	look->replans = palloc0(sizeof(Replan) * Max(n_pieces, 1));
	for (int i = 0; i < n_pieces; i++)
	{
		if (i == 0 || pieces[i].order_id != pieces[i - 1].order_id)
			look->replans[look->n++].pieces = &pieces[i];
		look->replans[look->n - 1].n_pieces++;
	}
	for (int i = 0; i < look->n; i++)
	{
		Reload(&look->replans[i], look->as_of);
		look->n_out += look->replans[i].out;
	}
}

/* Orders units by SKU and node. */
static int
CompareUnits(const void *a, const void *b)
{
	const ReturnedUnits *left = a;
	const ReturnedUnits *right = b;

	if (left->sku_id != right->sku_id)
		return left->sku_id < right->sku_id ? -1 : 1;
	return left->node_id < right->node_id ? -1 : left->node_id > right->node_id;
}

/* Sums the units that the orders hold, by SKU and node. */
static void
SumReturned(Look *look)
{
	ReturnedUnits *units;
	int room = 0;
	int n = 0;

	for (int i = 0; i < look->n; i++)
		room += look->replans[i].n_pieces;
	units = palloc(sizeof(ReturnedUnits) * Max(room, 1));
	for (int i = 0; i < look->n; i++)
	{
		const Replan *replan = &look->replans[i];

		for (int j = 0; j < replan->n_pieces && !replan->out; j++)
		{
			units[n].sku_id = replan->pieces[j].sku_id;
			units[n].node_id = replan->pieces[j].node_id;
			units[n++].quantity = replan->pieces[j].quantity;
		}
	}
	qsort(units, n, sizeof(ReturnedUnits), CompareUnits);
	look->returned = units;
	look->n_returned = 0;
	for (int i = 0; i < n; i++)
	{
		if (i == 0 ||
			CompareUnits(&units[i], &units[look->n_returned - 1]) != 0)
			units[look->n_returned++] = units[i];
		else
			units[look->n_returned - 1].quantity += units[i].quantity;
	}
}

/* Finds the entry of a node on the local day of a departure. */
static DayEntry *
FindDay(Look *look, const CatalogNode *node, TimestampTz departure)
{
	DayEntry *entry;
	struct DayKey key = {0};
	TimestampTz end;
	bool found;

	key.node_id = node->id;
	CatalogLocalDay(node, departure, &key.begin, &end);
	entry = hash_search(look->days, &key, HASH_ENTER, &found);
	if (!found)
	{
		entry->own = 0;
		entry->counted = false;
	}
	return entry;
}

/* Tells whether a piece is the first of its parcel. */
static bool
BeginsParcel(const Replan *replan, int piece)
{
	return piece == 0 ||
		replan->pieces[piece].shipment_id !=
		replan->pieces[piece - 1].shipment_id;
}

/* Counts the parcels of the orders by node and day. */
static void
CountOwnParcels(Look *look)
{
	HASHCTL control = {0};

	control.keysize = sizeof(struct DayKey);
	control.entrysize = sizeof(DayEntry);
	control.hcxt = CurrentMemoryContext;
	look->days = hash_create("pg_retail second look days", 64, &control,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < look->n; i++)
	{
		const Replan *replan = &look->replans[i];

		for (int j = 0; j < replan->n_pieces && !replan->out; j++)
		{
			const CatalogNode *node = CatalogNodeById(
				replan->order->sourcing.catalog, replan->pieces[j].node_id);

			if (node && node->daily_capacity >= 0 && BeginsParcel(replan, j))
				FindDay(look, node, replan->pieces[j].ship_by)->own++;
		}
	}
}

/* Tells what a node can take on a day when the orders give back their part. */
static int
DayLimit(Look *look, const CatalogNode *node, TimestampTz departure)
{
	DayEntry *entry = FindDay(look, node, departure);

	if (!entry->counted)
	{
		int64 left = node->daily_capacity -
			CountParcels(node, departure, true) + entry->own;

		entry->limit = (int) Max(left, 0);
		entry->counted = true;
	}
	return entry->limit;
}

/* Finds the candidate that is a node, or -1. */
static int
FindCandidate(const SourcingResult *result, int64 node_id)
{
	for (int c = 0; c < result->n_candidates; c++)
		if (result->candidates[c].node->id == node_id)
			return c;
	return -1;
}

/* Takes away the services that would break the promise of the order. */
static void
KeepPromise(const ReloadedOrder *order, SourcingCandidate *candidate,
			SolverNode *node)
{
	SolverService *services;
	int n = 0;

	OwnServices(candidate, node);
	services = unconstify(SolverService *, node->services);
	for (int i = 0; i < node->n_services; i++)
	{
		TimestampTz arrival = candidate->departure +
			candidate->lanes[i]->lead_hours * USECS_PER_HOUR;

		if (order->has_promise && arrival > order->promised_at)
			continue;
		services[n] = services[i];
		candidate->lanes[n++] = candidate->lanes[i];
	}
	node->n_services = n;
}

/*
 * States what an order could have now.  A node that has a parcel of it sends
 * with that parcel's departure, whatever else it sends.  Returns false when a
 * parcel of it could not be planned as it is.
 */
static bool
StateReplan(Look *look, Replan *replan)
{
	SourcingRequest *request = &replan->order->sourcing;
	SourcingResult *result = &replan->result;
	SolverNode *nodes;

	request->returned = look->returned;
	request->n_returned = look->n_returned;
	nodes = StateOrder(request, false, result);
	for (int i = 0; i < replan->n_pieces; i++)
	{
		const PlannedPiece *piece = &replan->pieces[i];
		int c = FindCandidate(result, piece->node_id);

		if (c < 0)
			return false;
		if (piece->ship_by < result->candidates[c].departure)
		{
			result->candidates[c].departure = piece->ship_by;
			DateServices(request, &result->candidates[c], &nodes[c]);
		}
	}
	for (int c = 0; c < result->n_candidates; c++)
	{
		SourcingCandidate *candidate = &result->candidates[c];

		KeepPromise(replan->order, candidate, &nodes[c]);
		candidate->capacity_known = true;
		if (candidate->node->daily_capacity >= 0)
			nodes[c].max_parcels =
				DayLimit(look, candidate->node, candidate->departure);
	}
	return true;
}

/* Finds the service of a candidate that is a carrier's, or -1. */
static int
FindService(const SourcingResult *result, int c, int64 service_id)
{
	for (int i = 0; i < result->problem.nodes[c].n_services; i++)
		if (result->candidates[c].lanes[i]->service->id == service_id)
			return i;
	return -1;
}

/* Finds the line of the request that is an order line. */
static int
FindLine(const SourcingRequest *request, int line_no)
{
	int line = 0;

	while (request->lines[line].line_no != line_no)
		line++;
	return line;
}

/* Prices a parcel of the incumbent; false when no tariff takes it now. */
static bool
PriceParcel(const SolverProblem *problem, const SolverPlan *plan, int number)
{
	SolverParcel *parcel = &plan->parcels[number];
	const SolverNode *node = &problem->nodes[parcel->node];
	const SolverService *service = &node->services[parcel->service];

	parcel->handling = node->per_parcel;
	parcel->lateness = service->lateness;
	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];
		const SolverLine *line = &problem->lines[piece->line];
		int at = piece->line * problem->n_nodes + parcel->node;

		if (piece->parcel != number)
			continue;
		if ((line->temperature & ~service->temperature) != 0)
			return false;
		parcel->weight_g += piece->quantity * line->unit_weight_g;
		parcel->volume_cm3 += piece->quantity * line->unit_volume_cm3;
		parcel->handling += piece->quantity * node->per_unit;
		if (problem->stock_value)
			parcel->stock_value += piece->quantity * problem->stock_value[at];
	}
	parcel->freight =
		solver_freight(&problem->tariffs[service->tariff], parcel->weight_g,
					   parcel->volume_cm3, &parcel->billed_g);
	return parcel->freight >= 0;
}

/*
 * Writes what the order has now as a plan of its problem, at the costs of now.
 * Returns false when that is not possible: a carrier or a lane is gone.
 */
static bool
StateIncumbent(Replan *replan)
{
	const SourcingResult *result = &replan->result;
	const SolverProblem *problem = &result->problem;
	SolverPlan *plan = &replan->incumbent;

	memset(plan, 0, sizeof(*plan));
	plan->short_line = -1;
	plan->parcels = palloc0(sizeof(SolverParcel) * replan->n_pieces);
	plan->pieces = palloc0(sizeof(SolverPiece) * replan->n_pieces);
	replan->shipment_ids = palloc(sizeof(int64) * replan->n_pieces);
	for (int i = 0; i < replan->n_pieces; i++)
	{
		const PlannedPiece *piece = &replan->pieces[i];
		SolverPiece *out = &plan->pieces[plan->n_pieces++];

		if (BeginsParcel(replan, i))
		{
			SolverParcel *parcel = &plan->parcels[plan->n_parcels];

			parcel->node = FindCandidate(result, piece->node_id);
			parcel->service =
				FindService(result, parcel->node, piece->service_id);
			if (parcel->service < 0)
				return false;
			replan->shipment_ids[plan->n_parcels++] = piece->shipment_id;
		}
		out->line = FindLine(&replan->order->sourcing, piece->line_no);
		out->parcel = plan->n_parcels - 1;
		out->quantity = piece->quantity;
	}
	plan->cost = problem->split_penalty * (plan->n_parcels - 1);
	for (int i = 0; i < plan->n_parcels; i++)
	{
		const SolverParcel *parcel = &plan->parcels[i];

		if (!PriceParcel(problem, plan, i))
			return false;
		plan->cost += parcel->freight + parcel->handling + parcel->lateness +
			parcel->stock_value;
	}
	return true;
}

/*
 * States all orders.  One that cannot be stated as it stands is left alone,
 * and its units with it: then the others are stated again.
 */
static void
StateAll(Look *look)
{
	bool again = true;

	while (again)
	{
		again = false;
		SumReturned(look);
		CountOwnParcels(look);
		for (int i = 0; i < look->n; i++)
		{
			Replan *replan = &look->replans[i];

			CHECK_FOR_INTERRUPTS();
			if (replan->out ||
				(StateReplan(look, replan) && StateIncumbent(replan)))
				continue;
			replan->out = true;
			look->n_out++;
			again = true;
		}
	}
}

/* Tells whether a plan says something else than the incumbent. */
static bool
Differs(const SolverPlan *plan, const SolverPlan *incumbent)
{
	if (plan->n_parcels != incumbent->n_parcels ||
		plan->n_pieces != incumbent->n_pieces)
		return true;
	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];
		const SolverParcel *parcel = &plan->parcels[piece->parcel];
		bool same = false;

		for (int j = 0; j < incumbent->n_pieces && !same; j++)
		{
			const SolverPiece *old = &incumbent->pieces[j];
			const SolverParcel *from = &incumbent->parcels[old->parcel];

			same = old->line == piece->line &&
				old->quantity == piece->quantity &&
				from->node == parcel->node && from->service == parcel->service;
		}
		if (!same)
			return true;
	}
	return false;
}

/* Decides the orders together; returns how many change. */
static int
Decide(Look *look)
{
	SharedOrder *shared = palloc0(sizeof(SharedOrder) * Max(look->n, 1));
	SharedSummary summary;
	int n = 0;
	int changed = 0;

	for (int i = 0; i < look->n; i++)
	{
		Replan *replan = &look->replans[i];

		if (replan->out)
			continue;
		shared[n].request = &replan->order->sourcing;
		shared[n].result = &replan->result;
		shared[n++].incumbent = &replan->incumbent;
	}
	SourceTogether(shared, n, &summary);
	for (int i = 0; i < look->n && summary.cost < summary.first_come_cost; i++)
	{
		Replan *replan = &look->replans[i];

		replan->changed =
			!replan->out && Differs(&replan->result.plan, &replan->incumbent);
		changed += replan->changed;
	}
	return changed;
}

/* Cancels the parcels of the orders that change; returns what that releases. */
static StockPosting *
CancelParcels(const Look *look, int *n)
{
	int64 *orders = palloc(sizeof(int64) * look->n);
	int64 *shipments;
	StockPosting *postings;
	Datum values[3];
	int64 held = 0;
	int n_orders = 0;
	int n_shipments = 0;

	for (int i = 0; i < look->n; i++)
		n_shipments += look->replans[i].incumbent.n_parcels;
	shipments = palloc(sizeof(int64) * Max(n_shipments, 1));
	n_shipments = 0;
	for (int i = 0; i < look->n; i++)
	{
		const Replan *replan = &look->replans[i];

		if (!replan->changed)
			continue;
		orders[n_orders++] = replan->order->order_id;
		for (int j = 0; j < replan->incumbent.n_parcels; j++)
			shipments[n_shipments++] = replan->shipment_ids[j];
		for (int j = 0; j < replan->n_pieces; j++)
			held += replan->pieces[j].quantity;
	}
	values[0] = RetailInt64Array(orders, n_orders);
	values[1] = RetailInt64Array(shipments, n_shipments);
	values[2] = TimestampTzGetDatum(look->as_of);
	RetailExecute(&cancel_parcels, values, NULL, false,
				  SPI_OK_UPDATE_RETURNING);
	*n = (int) SPI_processed;
	postings = palloc0(sizeof(StockPosting) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		postings[i].sku_id = RetailCellInt64(i, 1, NULL);
		postings[i].node_id = RetailCellInt64(i, 2, NULL);
		postings[i].counter = STOCK_RESERVED;
		postings[i].quantity = -RetailCellInt64(i, 3, NULL);
		postings[i].safety = -1;
		held += postings[i].quantity;
	}
	if (held != 0)
		elog(ERROR, "parcels and reservations of an order differ by %lld units",
			 (long long) held);
	return postings;
}

/* Appends the cost and the nodes of a plan as JSON. */
static void
AppendPlan(StringInfo buffer, const char *key, const Replan *replan,
		   const SolverPlan *plan, const int64 *shipment_ids)
{
	appendStringInfo(buffer, "\"%s\":{\"cost\":%s%lld.%02lld,\"parcels\":[",
					 key, plan->cost < 0 ? "-" : "", llabs(plan->cost) / 100,
					 llabs(plan->cost) % 100);
	for (int i = 0; i < plan->n_parcels; i++)
	{
		int c = plan->parcels[i].node;

		appendStringInfo(buffer, "%s{\"node\":", i ? "," : "");
		escape_json(buffer, replan->result.candidates[c].node->code);
		if (shipment_ids)
			appendStringInfo(buffer, ",\"shipment_id\":%lld",
							 (long long) shipment_ids[i]);
		appendStringInfoChar(buffer, '}');
	}
	appendStringInfoString(buffer, "]}");
}

/* Writes the promise of an order that changes, and the event. */
static void
NoteReplan(const Look *look, const Replan *replan)
{
	StringInfoData detail;
	Datum values[5];

	initStringInfo(&detail);
	appendStringInfoChar(&detail, '{');
	AppendPlan(&detail, "before", replan, &replan->incumbent,
			   replan->shipment_ids);
	appendStringInfoChar(&detail, ',');
	AppendPlan(&detail, "after", replan, &replan->result.plan, NULL);
	appendStringInfoChar(&detail, '}');
	values[0] = Int64GetDatum(replan->order->order_id);
	values[1] = TimestampTzGetDatum(
		PlanPromise(&replan->order->sourcing, &replan->result));
	values[2] = TimestampTzGetDatum(look->as_of);
	values[3] = CStringGetTextDatum(RetailCallerName());
	values[4] = DirectFunctionCall1(jsonb_in, CStringGetDatum(detail.data));
	RetailExecute(&note_replan, values, NULL, false, SPI_OK_INSERT);
}

/* Writes the new plans of the orders that change. */
static void
WriteReplans(const Look *look, int changed)
{
	ParcelSet *sets = palloc0(sizeof(ParcelSet) * changed);
	StockPosting *given_back;
	StockShortage shortage;
	int n_given_back;
	int n = 0;

	given_back = CancelParcels(look, &n_given_back);
	for (int i = 0; i < look->n; i++)
	{
		const Replan *replan = &look->replans[i];

		if (!replan->changed)
			continue;
		NoteReplan(look, replan);
		sets[n].order_id = replan->order->order_id;
		sets[n].request = &replan->order->sourcing;
		sets[n].result = &replan->result;
		sets[n].expires = replan->order->is_held;
		sets[n++].expires_at = replan->order->held_until;
	}
	if (!WriteParcels(sets, n, given_back, n_given_back, false, &shortage))
		ereport(ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				errmsg("stock changed under the second look"));
}

/*
 * replan_orders(order_ids, as_of): looked at, changed, parcels and cost before
 * and after.
 */
PG_FUNCTION_INFO_V1(retail_replan_orders);
Datum
retail_replan_orders(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	Look look = {0};
	PlannedPiece *pieces;
	TupleDesc tupdesc;
	Datum answer[6];
	bool nulls[6] = {0};
	int64 cost_before = 0;
	int64 cost_after = 0;
	int parcels_before = 0;
	int parcels_after = 0;
	int n_pieces;
	int changed;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	look.as_of = PG_GETARG_TIMESTAMPTZ(1);
	SPI_connect();
	pieces = ReadPieces(PG_GETARG_DATUM(0), &n_pieces);
	ReadOrders(&look, pieces, n_pieces);
	RetailReportProgress("reoptimise", "plan", 0, look.n);
	StateAll(&look);
	changed = Decide(&look);
	for (int i = 0; i < look.n; i++)
	{
		const Replan *replan = &look.replans[i];
		const SolverPlan *after =
			replan->changed ? &replan->result.plan : &replan->incumbent;

		if (replan->out)
			continue;
		parcels_before += replan->incumbent.n_parcels;
		cost_before += replan->incumbent.cost;
		parcels_after += after->n_parcels;
		cost_after += after->cost;
	}
	if (changed > 0)
	{
		RetailReportProgress("reoptimise", "write", 0, changed);
		WriteReplans(&look, changed);
	}
	old = MemoryContextSwitchTo(context);
	answer[0] = Int32GetDatum(look.n - look.n_out);
	answer[1] = Int32GetDatum(changed);
	answer[2] = Int32GetDatum(parcels_before);
	answer[3] = Int32GetDatum(parcels_after);
	answer[4] = RetailCentsToNumeric(cost_before);
	answer[5] = RetailCentsToNumeric(cost_after);
	MemoryContextSwitchTo(old);
	SPI_finish();
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(tupdesc), answer, nulls)));
}
