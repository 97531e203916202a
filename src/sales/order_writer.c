/*-------------------------------------------------------------------------
 *
 * order_writer.c
 *	  Writes decided orders: headers, lines, parcels, reservations, traces
 *	  and events, the stock counters last.
 *
 * Everything is written for many orders at once, with one statement for all
 * rows of a table or two; a single order is a set of one.  Rows travel as
 * one argument of type record[] (RetailRowShape).  The rows of one order are
 * written here and nowhere else, so the hot tables have no foreign keys among
 * them; check_sales_integrity() looks for orphans.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/order_writer.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "allocation/capacity.h"
#include "allocation/shadow.h"
#include "sales/backorder.h"
#include "sales/order_bundle.h"

static RetailRowShape order_shape = {
	18,
	{INT8OID, TEXTOID, BYTEAOID, INT8OID, TEXTOID, INT8OID, FLOAT8OID,
	 FLOAT8OID, JSONBOID, INT8OID, TEXTOID, TIMESTAMPTZOID, NUMERICOID,
	 NUMERICOID, NUMERICOID, NUMERICOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static RetailStatement insert_orders = {
	"INSERT INTO retail.sales_order (channel_id, external_no, request_hash, member_id, fulfilment, region_id, latitude,"
	" longitude, recipient, pick_up_node_id, payment_state, payment_due_at, goods_total, discount_total, freight_total, total,"
	" promised_at, placed_at)"
	" SELECT * FROM unnest($1) AS o (channel_id bigint, external_no text, request_hash bytea, member_id bigint, fulfilment text,"
	" region_id bigint, latitude float8, longitude float8, recipient jsonb, pick_up_node_id bigint, payment_state text,"
	" payment_due_at timestamptz, goods_total numeric(14,2), discount_total numeric(14,2), freight_total numeric(14,2),"
	" total numeric(14,2), promised_at timestamptz, placed_at timestamptz)"
	" ON CONFLICT (channel_id, external_no) DO NOTHING RETURNING order_id, channel_id, external_no",
	1,
	{RECORDARRAYOID}};

static RetailRowShape line_shape = {8,
									{INT8OID, INT4OID, INT8OID, INT8OID,
									 NUMERICOID, NUMERICOID, NUMERICOID,
									 INT8OID}};

static RetailRowShape event_shape = {
	4, {INT8OID, TIMESTAMPTZOID, TEXTOID, INT4OID}};

static RetailStatement insert_lines = {
	"WITH event AS (INSERT INTO retail.order_event (order_id, kind, occurred_at, actor, detail)"
	" SELECT e.order_id, 'placed', e.occurred_at, e.actor, pg_catalog.jsonb_build_object('parcels', e.parcels)"
	" FROM unnest($2) AS e (order_id bigint, occurred_at timestamptz, actor text, parcels int))"
	" INSERT INTO retail.order_line (order_id, line_no, sku_id, quantity, unit_price, discount, amount, allocated, backordered)"
	" SELECT l.*, l.quantity - l.allocated FROM unnest($1) AS l (order_id bigint, line_no int, sku_id bigint, quantity bigint,"
	" unit_price numeric(14,2), discount numeric(14,2), amount numeric(14,2), allocated bigint)",
	2,
	{RECORDARRAYOID, RECORDARRAYOID}};

static RetailRowShape shipment_shape = {
	12,
	{INT8OID, INT8OID, TEXTOID, INT8OID, TEXTOID, FLOAT8OID, INT8OID,
	 NUMERICOID, NUMERICOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

/* RETURNING keeps the order of the rows that a plain INSERT ... SELECT wrote. */
static RetailStatement insert_shipments = {
	"INSERT INTO retail.shipment (order_id, node_id, kind, carrier_service_id, zone, distance_km, weight_g,"
	" freight_cost, handling_cost, ship_by, promised_at, planned_at)"
	" SELECT * FROM unnest($1) AS s (order_id bigint, node_id bigint, kind text, carrier_service_id bigint, zone text,"
	" distance_km float8, weight_g bigint, freight_cost numeric(14,2), handling_cost numeric(14,2), ship_by timestamptz,"
	" promised_at timestamptz, planned_at timestamptz) RETURNING shipment_id",
	1,
	{RECORDARRAYOID}};

static RetailStatement address_shipments = {
	"UPDATE retail.shipment s SET to_node_id = $2 WHERE s.shipment_id = ANY ($1) AND s.kind = 'ship_to_store'",
	2,
	{INT8ARRAYOID, INT8OID}};

static RetailRowShape piece_shape = {8,
									 {INT8OID, INT8OID, INT4OID, INT8OID,
									  INT8OID, INT8OID, TIMESTAMPTZOID,
									  TIMESTAMPTZOID}};

static RetailRowShape decision_shape = {8,
										{INT8OID, TIMESTAMPTZOID, INT8OID,
										 NUMERICOID, NUMERICOID, BOOLOID,
										 INT4OID, JSONBOID}};

static RetailStatement insert_pieces = {
	"WITH piece AS MATERIALIZED (SELECT * FROM unnest($1) AS p (shipment_id bigint, order_id bigint, line_no int, sku_id bigint,"
	" quantity bigint, node_id bigint, expires_at timestamptz, as_of timestamptz)),"
	" reserved AS (INSERT INTO retail.reservation (sku_id, node_id, quantity, open_quantity, state, expires_at, order_id, line_no,"
	" shipment_id, created_at, changed_at)"
	" SELECT p.sku_id, p.node_id, p.quantity, p.quantity, CASE WHEN p.expires_at IS NULL THEN 'committed' ELSE 'held' END,"
	" p.expires_at, p.order_id, p.line_no, p.shipment_id, p.as_of, p.as_of FROM piece p),"
	" decision AS (INSERT INTO retail.allocation_decision (order_id, decided_at, policy_id, cost, lower_bound, is_exact, n_parcels, trace)"
	" SELECT * FROM unnest($2) AS d (order_id bigint, decided_at timestamptz, policy_id bigint, cost numeric(14,2),"
	" lower_bound numeric(14,2), is_exact boolean, n_parcels int, trace jsonb))"
	" INSERT INTO retail.shipment_line (shipment_id, order_id, line_no, sku_id, quantity)"
	" SELECT p.shipment_id, p.order_id, p.line_no, p.sku_id, p.quantity FROM piece p",
	2,
	{RECORDARRAYOID, RECORDARRAYOID}};

static RetailStatement mark_expired = {
	"SELECT sku_id, node_id, quantity FROM retail.mark_expired($1, $2, $3)",
	3,
	{TIMESTAMPTZOID, INT8ARRAYOID, BOOLOID}};

/* Sums the freight of a plan. */
int64
PlanFreight(const SolverPlan *plan)
{
	int64 sum = 0;

	for (int i = 0; i < plan->n_parcels; i++)
		sum += plan->parcels[i].freight;
	return sum;
}

/* Completes what an order is once its plan is known: promise, freight, dues. */
void
CompletePlacement(Placement *p)
{
	p->promised_at = PlanPromise(&p->order->sourcing, &p->result);
	if (!p->freight_given)
		p->freight = PlanFreight(&p->result.plan);
	p->nothing_due =
		p->order->goods_total - p->order->discount_total + p->freight == 0;
}

/* Forms the row of an order. */
static Datum
OrderRow(const Placement *p)
{
	const OrderRequest *order = p->order;
	const SourcingRequest *s = &order->sourcing;
	const CatalogNode *counter = s->store ? s->store : s->pick_up_node;
	bool due = !p->on_delivery && !p->nothing_due;
	bool nulls[18] = {false};
	Datum values[18] = {0};

	values[0] = Int64GetDatum(s->channel->id);
	values[1] = CStringGetTextDatum(p->external_no);
	values[2] = p->request_hash;
	values[3] = Int64GetDatum(p->member_id);
	values[4] = CStringGetTextDatum(s->store			  ? "ship_to_store"
										: s->pick_up_node ? "pick_up"
														  : "ship");
	values[5] = Int64GetDatum(s->region ? s->region->id : 0);
	values[6] = Float8GetDatum(s->latitude);
	values[7] = Float8GetDatum(s->longitude);
	values[8] = PointerGetDatum(order->recipient);
	values[9] = Int64GetDatum(counter ? counter->id : 0);
	values[10] = CStringGetTextDatum(p->on_delivery		  ? "on_delivery"
										 : p->nothing_due ? "paid"
														  : "unpaid");
	values[11] = TimestampTzGetDatum(s->as_of + s->channel->payment_ttl);
	values[12] = RetailCentsToNumeric(order->goods_total);
	values[13] = RetailCentsToNumeric(order->discount_total);
	values[14] = RetailCentsToNumeric(p->freight);
	values[15] = RetailCentsToNumeric(order->goods_total -
									  order->discount_total + p->freight);
	values[16] = TimestampTzGetDatum(p->promised_at);
	values[17] = TimestampTzGetDatum(s->placed_at);
	nulls[3] = !p->has_member;
	nulls[5] = !s->region;
	nulls[6] = nulls[7] = !s->located;
	nulls[8] = !order->recipient;
	nulls[9] = !counter;
	nulls[11] = !due;
	nulls[16] = p->promised_at == DT_NOBEGIN;
	return RetailRow(&order_shape, values, nulls);
}

/* Writes the order rows; order_id stays 0 where a number is taken. */
static int
WriteOrderRows(Placement **placements, int n)
{
	Datum *rows = palloc(sizeof(Datum) * n);
	Datum argument;
	uint64 row = 0;

	for (int i = 0; i < n; i++)
		rows[i] = OrderRow(placements[i]);
	argument = RetailRowArray(rows, n);
	RetailExecute(&insert_orders, &argument, NULL, false,
				  SPI_OK_INSERT_RETURNING);
	/* What was written comes back in the order in which it went in. */
	for (int i = 0; i < n; i++)
	{
		Placement *p = placements[i];

		p->order_id = 0;
		if (row < SPI_processed &&
			RetailCellInt64(row, 2, NULL) == p->order->sourcing.channel->id &&
			strcmp(RetailCellText(row, 3), p->external_no) == 0)
			p->order_id = RetailCellInt64(row++, 1, NULL);
	}
	if (row != SPI_processed)
		elog(ERROR, "orders were not written in their order");
	return (int) row;
}

/* Writes the lines of the orders, and the first event of each. */
static void
WriteLines(Placement **placements, int n)
{
	int n_lines = 0;
	int line = 0;
	Datum *lines;
	Datum *events = palloc(sizeof(Datum) * n);
	Datum arguments[2];

	for (int i = 0; i < n; i++)
		n_lines += placements[i]->order->sourcing.n_lines;
	lines = palloc(sizeof(Datum) * n_lines);
	for (int i = 0; i < n; i++)
	{
		const Placement *p = placements[i];
		const SourcingRequest *s = &p->order->sourcing;
		const SolverPlan *plan = &p->result.plan;
		int64 *allocated = palloc0(sizeof(int64) * s->n_lines);
		Datum event[4] = {
			Int64GetDatum(p->order_id), TimestampTzGetDatum(s->as_of),
			CStringGetTextDatum(p->actor), Int32GetDatum(plan->n_parcels)};

		events[i] = RetailRow(&event_shape, event, NULL);
		for (int j = 0; j < plan->n_pieces; j++)
			allocated[plan->pieces[j].line] += plan->pieces[j].quantity;
		for (int j = 0; j < s->n_lines; j++)
		{
			const OrderLinePrice *price = &p->order->prices[j];
			int64 quantity = s->lines[j].quantity;
			Datum values[8] = {
				Int64GetDatum(p->order_id),
				Int32GetDatum(s->lines[j].line_no),
				Int64GetDatum(s->lines[j].sku_id),
				Int64GetDatum(quantity),
				RetailCentsToNumeric(price->unit_price),
				RetailCentsToNumeric(price->discount),
				RetailCentsToNumeric(quantity * price->unit_price -
									 price->discount),
				Int64GetDatum(allocated[j])};

			lines[line++] = RetailRow(&line_shape, values, NULL);
		}
	}
	arguments[0] = RetailRowArray(lines, n_lines);
	arguments[1] = RetailRowArray(events, n);
	RetailExecute(&insert_lines, arguments, NULL, false, SPI_OK_INSERT);
}

/* Forms the row of one planned parcel. */
static Datum
ShipmentRow(const ParcelSet *set, int parcel)
{
	const SourcingRequest *s = set->request;
	const SolverParcel *plan = &set->result->plan.parcels[parcel];
	const SourcingCandidate *candidate = &set->result->candidates[plan->node];
	bool nulls[12] = {false};
	Datum values[12] = {0};

	values[0] = Int64GetDatum(set->order_id);
	values[1] = Int64GetDatum(candidate->node->id);
	values[2] = CStringGetTextDatum(ParcelKind(s, candidate));
	if (candidate->collected)
		nulls[3] = nulls[4] = true;
	else
	{
		values[3] = Int64GetDatum(candidate->lanes[plan->service]->service->id);
		values[4] = CStringGetTextDatum(candidate->lanes[plan->service]->zone);
	}
	values[5] = Float8GetDatum(candidate->distance_km);
	nulls[5] = isnan(candidate->distance_km);
	values[6] = Int64GetDatum(plan->weight_g);
	values[7] = RetailCentsToNumeric(plan->freight);
	values[8] = RetailCentsToNumeric(plan->handling);
	values[9] = TimestampTzGetDatum(candidate->departure);
	values[10] = TimestampTzGetDatum(ParcelPromise(s, set->result, parcel));
	values[11] = TimestampTzGetDatum(s->as_of);
	return RetailRow(&shipment_shape, values, nulls);
}

/* Writes the planned parcels and remembers their keys. */
static void
WriteShipments(ParcelSet *sets, int n)
{
	int n_parcels = 0;
	int parcel = 0;
	Datum *rows;
	Datum argument;

	for (int i = 0; i < n; i++)
		n_parcels += sets[i].result->plan.n_parcels;
	rows = palloc(sizeof(Datum) * n_parcels);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < sets[i].result->plan.n_parcels; j++)
			rows[parcel++] = ShipmentRow(&sets[i], j);
	argument = RetailRowArray(rows, n_parcels);
	RetailExecute(&insert_shipments, &argument, NULL, false,
				  SPI_OK_INSERT_RETURNING);
	if (SPI_processed != (uint64) n_parcels)
		elog(ERROR, "%d parcels planned, " UINT64_FORMAT " written", n_parcels,
			 SPI_processed);
	parcel = 0;
	for (int i = 0; i < n; i++)
	{
		int count = sets[i].result->plan.n_parcels;

		sets[i].shipment_ids = palloc(sizeof(int64) * count);
		for (int j = 0; j < count; j++)
			sets[i].shipment_ids[j] = RetailCellInt64(parcel++, 1, NULL);
	}
	for (int i = 0; i < n; i++)
		if (sets[i].request->store)
		{
			Datum values[2] = {RetailInt64Array(sets[i].shipment_ids,
												sets[i].result->plan.n_parcels),
							   Int64GetDatum(sets[i].request->store->id)};

			RetailExecute(&address_shipments, values, NULL, false,
						  SPI_OK_UPDATE);
		}
}

/* Forms the row of a piece: of its parcel's contents and its reservation. */
static Datum
PieceRow(const ParcelSet *set, const SolverPiece *piece)
{
	const SourcingRequest *s = set->request;
	int node = set->result->plan.parcels[piece->parcel].node;
	bool nulls[8] = {false};
	Datum values[8] = {Int64GetDatum(set->shipment_ids[piece->parcel]),
					   Int64GetDatum(set->order_id),
					   Int32GetDatum(s->lines[piece->line].line_no),
					   Int64GetDatum(s->lines[piece->line].sku_id),
					   Int64GetDatum(piece->quantity),
					   Int64GetDatum(set->result->candidates[node].node->id),
					   TimestampTzGetDatum(set->expires_at),
					   TimestampTzGetDatum(s->as_of)};

	nulls[6] = !set->expires;
	return RetailRow(&piece_shape, values, nulls);
}

/* Forms the row of a decision with its trace. */
static Datum
DecisionRow(const ParcelSet *set)
{
	const SourcingRequest *s = set->request;
	const SolverPlan *plan = &set->result->plan;
	char *trace = DecisionTrace(s, set->result, set->shipment_ids);
	Datum values[8] = {
		Int64GetDatum(set->order_id),
		TimestampTzGetDatum(set->decided_at ? set->decided_at : s->as_of),
		Int64GetDatum(s->policy->id),
		RetailCentsToNumeric(plan->cost),
		RetailCentsToNumeric(plan->lower_bound),
		BoolGetDatum(plan->exact),
		Int32GetDatum(plan->n_parcels),
		DirectFunctionCall1(jsonb_in, CStringGetDatum(trace))};

	return RetailRow(&decision_shape, values, NULL);
}

/* Writes the contents of the parcels, their reservations and the decisions. */
static void
WritePieces(const ParcelSet *sets, int n)
{
	int n_pieces = 0;
	int piece = 0;
	Datum *pieces;
	Datum *decisions = palloc(sizeof(Datum) * n);
	Datum arguments[2];

	for (int i = 0; i < n; i++)
		n_pieces += sets[i].result->plan.n_pieces;
	pieces = palloc(sizeof(Datum) * n_pieces);
	for (int i = 0; i < n; i++)
	{
		const SolverPlan *plan = &sets[i].result->plan;

		for (int j = 0; j < plan->n_pieces; j++)
			pieces[piece++] = PieceRow(&sets[i], &plan->pieces[j]);
		decisions[i] = DecisionRow(&sets[i]);
	}
	arguments[0] = RetailRowArray(pieces, n_pieces);
	arguments[1] = RetailRowArray(decisions, n);
	RetailExecute(&insert_pieces, arguments, NULL, false, SPI_OK_INSERT);
}

/*
 * Gathers what due holds of the SKUs give back.  Their reservations are locked
 * now, before any row of stock; wait says whether to wait for those that
 * another transaction is sweeping.  Leaves room for more postings.
 */
static StockPosting *
SweepExpired(const ParcelSet *sets, int n, bool wait, int room, int *n_postings)
{
	TimestampTz as_of = DT_NOEND;
	int n_skus = 0;
	int64 *skus;
	StockPosting *postings;
	Datum values[3];

	*n_postings = 0;
	for (int i = 0; i < n; i++)
		if (sets[i].result->saw_expired)
		{
			n_skus += sets[i].request->n_lines;
			as_of = Min(as_of, sets[i].request->as_of);
		}
	if (n_skus == 0)
		return palloc(sizeof(StockPosting) * Max(room, 1));
	skus = palloc(sizeof(int64) * n_skus);
	n_skus = 0;
	for (int i = 0; i < n; i++)
		for (int j = 0;
			 sets[i].result->saw_expired && j < sets[i].request->n_lines; j++)
			skus[n_skus++] = sets[i].request->lines[j].sku_id;
	values[0] = TimestampTzGetDatum(as_of);
	values[1] = RetailInt64Array(skus, n_skus);
	values[2] = BoolGetDatum(wait);
	RetailExecute(&mark_expired, values, NULL, false, SPI_OK_SELECT);
	postings = palloc(sizeof(StockPosting) * (SPI_processed + room));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		StockPosting *posting = &postings[(*n_postings)++];

		posting->sku_id = RetailCellInt64(row, 1, NULL);
		posting->node_id = RetailCellInt64(row, 2, NULL);
		posting->counter = STOCK_RESERVED;
		posting->quantity = -RetailCellInt64(row, 3, NULL);
		posting->safety = -1;
	}
	return postings;
}

/* Adds what the pieces of a decision reserve; returns how many that are. */
static int
AddPostings(const ParcelSet *set, StockPosting *postings)
{
	const SourcingResult *result = set->result;
	const SolverPlan *plan = &result->plan;

	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];
		int c = plan->parcels[piece->parcel].node;

		postings[i].sku_id = set->request->lines[piece->line].sku_id;
		postings[i].node_id = result->candidates[c].node->id;
		postings[i].counter = STOCK_RESERVED;
		postings[i].quantity = piece->quantity;
		postings[i].safety =
			result->safety[piece->line * result->n_candidates + c];
	}
	return plan->n_pieces;
}

/*
 * Takes the parcels of the decisions from the capacity of their nodes; false,
 * with the node and no SKU in *shortage, when a day is full.
 */
static bool
TakeCapacity(const ParcelSet *sets, int n, StockShortage *shortage)
{
	CapacityDay *days;
	const CatalogNode *full;
	int count = 0;

	for (int i = 0; i < n; i++)
		count += sets[i].result->plan.n_parcels;
	days = palloc(sizeof(CapacityDay) * Max(count, 1));
	count = 0;
	for (int i = 0; i < n; i++)
	{
		const SourcingResult *result = sets[i].result;

		for (int j = 0; j < result->plan.n_parcels; j++)
		{
			const SourcingCandidate *candidate =
				&result->candidates[result->plan.parcels[j].node];

			days[count].node = candidate->node;
			days[count++].departure = candidate->departure;
		}
	}
	full = ClaimCapacity(days, count);
	pfree(days);
	if (full == NULL)
		return true;
	shortage->sku_id = 0;
	shortage->node_id = full->id;
	shortage->wanted = 1;
	shortage->available = 0;
	return false;
}

/* Has shadow policies decide beside us, where there are any. */
static void
AskShadows(const ParcelSet *sets, int n)
{
	int64 *order_ids = palloc(sizeof(int64) * Max(n, 1));
	const SourcingRequest **requests =
		palloc(sizeof(SourcingRequest *) * Max(n, 1));
	const SourcingResult **results =
		palloc(sizeof(SourcingResult *) * Max(n, 1));
	int count = 0;

	for (int i = 0; i < n; i++)
	{
		if (!HasShadows(sets[i].request))
			continue;
		order_ids[count] = sets[i].order_id;
		requests[count] = sets[i].request;
		results[count++] = sets[i].result;
	}
	if (count > 0)
		RecordShadows(order_ids, requests, results, count);
}

/*
 * Writes decided parcels of orders that exist, inside an SPI connection: their
 * shipments with contents, reservations and decisions, and posts to stock,
 * summed over all of them, as the last write of all.
 *
 * This is how an order is routed again, a backorder is released or orders are
 * planned anew.  The caller has locked the orders; has sourced what is wanted
 * now (lines[].line_no says which order lines that is); has changed the
 * order_line counters and written its own event; and brings what it gives back
 * to stock (n_more postings), for stock is posted once.  Returns false, with the row in
 * *shortage, when another buyer took the stock or the last parcels of a day (then
 * sku_id is 0): the caller rolls back to the
 * subtransaction in which it began to write, and decides anew with wait set.
 */
bool
WriteParcels(ParcelSet *sets, int n, const StockPosting *more, int n_more,
			 bool wait, StockShortage *shortage)
{
	StockCause cause = {"reserve", NULL, 0, sets[0].request->as_of};
	StockPosting *postings;
	int room = n_more;
	int count;

	WriteShipments(sets, n);
	WritePieces(sets, n);
	AskShadows(sets, n);
	for (int i = 0; i < n; i++)
		room += sets[i].result->plan.n_pieces;
	postings = SweepExpired(sets, n, wait, room, &count);
	for (int i = 0; i < n; i++)
		count += AddPostings(&sets[i], &postings[count]);
	for (int i = 0; i < n_more; i++)
		postings[count++] = more[i];
	return StockPost(postings, count, &cause, shortage) &&
		TakeCapacity(sets, n, shortage);
}

/*
 * Writes decided orders with all their rows, stock last.  Where the number of
 * an order is taken, nothing of it is written and its order_id is 0; TAKEN
 * says that of all.  After OUTRUN the caller must roll back.
 */
Outcome
WriteOrders(Placement **placements, int n, bool wait, StockShortage *shortage)
{
	Placement **written = palloc(sizeof(Placement *) * n);
	ParcelSet *sets = palloc0(sizeof(ParcelSet) * n);
	bool posted;
	int count = 0;

	if (WriteOrderRows(placements, n) == 0)
		return TAKEN;
	for (int i = 0; i < n; i++)
	{
		Placement *p = placements[i];
		const SourcingRequest *s = &p->order->sourcing;

		if (p->order_id == 0)
			continue;
		sets[count].order_id = p->order_id;
		sets[count].request = s;
		sets[count].result = &p->result;
		sets[count].expires_at = s->as_of + s->channel->payment_ttl;
		written[count++] = p;
	}
	WriteLines(written, count);
	for (int i = 0; i < count; i++)
		if (written[i]->order->n_bundles > 0)
			WriteOrderBundles(written[i]->order, written[i]->order_id);
	for (int i = 0; i < count; i++)
	{
		Placement *p = written[i];

		p->short_units = 0;
		if (AnyMissing(&p->order->sourcing))
			SettleShortage(p);
		sets[i].expires = !p->on_delivery && !p->nothing_due;
	}
	posted = WriteParcels(sets, count, NULL, 0, wait, shortage);
	for (int i = 0; i < count; i++)
		written[i]->shipment_ids = sets[i].shipment_ids;
	return posted ? PLACED : OUTRUN;
}
