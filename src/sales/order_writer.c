/*-------------------------------------------------------------------------
 *
 * order_writer.c
 *	  Writes decided orders: headers, lines, parcels, reservations, traces
 *	  and events, the stock counters last.
 *
 * Everything is written for many orders at once, all rows of a table together
 * (table_insert.c); a single order is a set of one.  The rows of one order are
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
#include "utils/snapmgr.h"

#include "allocation/capacity.h"
#include "allocation/shadow.h"
#include "foundation/table_writer.h"
#include "sales/backorder.h"
#include "sales/order_bundle.h"

/* The rows of an order, as this file writes them. */
static RetailTable order_table = {"sales_order",
								  18,
								  {{"channel_id", INT8OID},
								   {"external_no", TEXTOID},
								   {"request_hash", BYTEAOID},
								   {"member_id", INT8OID},
								   {"fulfilment", TEXTOID},
								   {"region_id", INT8OID},
								   {"latitude", FLOAT8OID},
								   {"longitude", FLOAT8OID},
								   {"recipient", JSONBOID},
								   {"pick_up_node_id", INT8OID},
								   {"payment_state", TEXTOID},
								   {"payment_due_at", TIMESTAMPTZOID},
								   {"goods_total", NUMERICOID},
								   {"discount_total", NUMERICOID},
								   {"freight_total", NUMERICOID},
								   {"total", NUMERICOID},
								   {"promised_at", TIMESTAMPTZOID},
								   {"placed_at", TIMESTAMPTZOID}},
								  "order_id",
								  2};

static RetailTable line_table = {"order_line",
								 9,
								 {{"order_id", INT8OID},
								  {"line_no", INT4OID},
								  {"sku_id", INT8OID},
								  {"quantity", INT8OID},
								  {"unit_price", NUMERICOID},
								  {"discount", NUMERICOID},
								  {"amount", NUMERICOID},
								  {"allocated", INT8OID},
								  {"backordered", INT8OID}}};

static RetailTable event_table = {"order_event",
								  5,
								  {{"order_id", INT8OID},
								   {"kind", TEXTOID},
								   {"occurred_at", TIMESTAMPTZOID},
								   {"actor", TEXTOID},
								   {"detail", JSONBOID}}};

static RetailTable shipment_table = {"shipment",
									 13,
									 {{"order_id", INT8OID},
									  {"node_id", INT8OID},
									  {"kind", TEXTOID},
									  {"carrier_service_id", INT8OID},
									  {"zone", TEXTOID},
									  {"distance_km", FLOAT8OID},
									  {"weight_g", INT8OID},
									  {"freight_cost", NUMERICOID},
									  {"handling_cost", NUMERICOID},
									  {"ship_by", TIMESTAMPTZOID},
									  {"promised_at", TIMESTAMPTZOID},
									  {"planned_at", TIMESTAMPTZOID},
									  {"to_node_id", INT8OID, true}},
									 "shipment_id"};

static RetailTable content_table = {"shipment_line",
									5,
									{{"shipment_id", INT8OID},
									 {"order_id", INT8OID},
									 {"line_no", INT4OID},
									 {"sku_id", INT8OID},
									 {"quantity", INT8OID}}};

static RetailTable reservation_table = {"reservation",
										11,
										{{"sku_id", INT8OID},
										 {"node_id", INT8OID},
										 {"quantity", INT8OID},
										 {"open_quantity", INT8OID},
										 {"state", TEXTOID},
										 {"expires_at", TIMESTAMPTZOID},
										 {"order_id", INT8OID},
										 {"line_no", INT4OID},
										 {"shipment_id", INT8OID},
										 {"created_at", TIMESTAMPTZOID},
										 {"changed_at", TIMESTAMPTZOID}}};

static RetailTable decision_table = {"allocation_decision",
									 8,
									 {{"order_id", INT8OID},
									  {"decided_at", TIMESTAMPTZOID},
									  {"policy_id", INT8OID},
									  {"cost", NUMERICOID},
									  {"lower_bound", NUMERICOID},
									  {"is_exact", BOOLOID},
									  {"n_parcels", INT4OID},
									  {"trace", JSONBOID}}};

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

/* Begins to ask for the numbers of orders. */
RetailKeys *
OrderNumbersBegin(void)
{
	return RetailKeysBegin(&order_table, GetTransactionSnapshot());
}

/*
 * Says whether an order of this channel has this number already; where only a
 * statement can tell, the answer is true.
 */
bool
OrderNumberIsTaken(RetailKeys *numbers, int64 channel_id,
				   const char *external_no)
{
	Datum key[2] = {Int64GetDatum(channel_id),
					CStringGetTextDatum(external_no)};

	return RetailKeysFind(numbers, key) != ROW_MISSING;
}

/* Adds the row of an order. */
static void
AddOrderRow(RetailRows *rows, const Placement *p)
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
	RetailRowsAdd(rows, values, nulls);
}

/* Writes the order rows; order_id stays 0 where a number is taken. */
static int
WriteOrderRows(Placement **placements, int n)
{
	RetailRows *rows = RetailRowsMake(&order_table, n);
	int64 *keys = palloc(sizeof(int64) * n);
	int written;

	for (int i = 0; i < n; i++)
		AddOrderRow(rows, placements[i]);
	written = RetailRowsInsert(rows, keys);
	for (int i = 0; i < n; i++)
		placements[i]->order_id = keys[i];
	return written;
}

/* Makes what the first event of an order tells. */
static Datum
PlacedDetail(int n_parcels)
{
	JsonWriter json = {0};

	JsonBeginObject(&json, NULL);
	JsonAddInteger(&json, "parcels", n_parcels);
	JsonEndObject(&json);
	return JsonDatum(&json);
}

/* Adds the lines of an order. */
static void
AddLineRows(RetailRows *rows, const Placement *p)
{
	const SourcingRequest *s = &p->order->sourcing;
	const SolverPlan *plan = &p->result.plan;
	int64 *allocated = palloc0(sizeof(int64) * s->n_lines);

	for (int i = 0; i < plan->n_pieces; i++)
		allocated[plan->pieces[i].line] += plan->pieces[i].quantity;
	for (int i = 0; i < s->n_lines; i++)
	{
		const OrderLinePrice *price = &p->order->prices[i];
		int64 quantity = s->lines[i].quantity;
		Datum values[9] = {Int64GetDatum(p->order_id),
						   Int32GetDatum(s->lines[i].line_no),
						   Int64GetDatum(s->lines[i].sku_id),
						   Int64GetDatum(quantity),
						   RetailCentsToNumeric(price->unit_price),
						   RetailCentsToNumeric(price->discount),
						   RetailCentsToNumeric(quantity * price->unit_price -
												price->discount),
						   Int64GetDatum(allocated[i]),
						   Int64GetDatum(quantity - allocated[i])};

		RetailRowsAdd(rows, values, NULL);
	}
	pfree(allocated);
}

/* Writes the lines of the orders, and the first event of each. */
static void
WriteLines(Placement **placements, int n)
{
	RetailRows *events = RetailRowsMake(&event_table, n);
	RetailRows *lines = RetailRowsMake(&line_table, n * 4);
	Datum placed = CStringGetTextDatum("placed");

	for (int i = 0; i < n; i++)
	{
		const Placement *p = placements[i];
		Datum event[5] = {Int64GetDatum(p->order_id), placed,
						  TimestampTzGetDatum(p->order->sourcing.as_of),
						  CStringGetTextDatum(p->actor),
						  PlacedDetail(p->result.plan.n_parcels)};

		RetailRowsAdd(events, event, NULL);
		AddLineRows(lines, p);
	}
	RetailRowsInsert(events, NULL);
	RetailRowsInsert(lines, NULL);
}

/* Adds the row of one planned parcel. */
static void
AddShipmentRow(RetailRows *rows, const ParcelSet *set, int parcel)
{
	const SourcingRequest *s = set->request;
	const SolverParcel *plan = &set->result->plan.parcels[parcel];
	const SourcingCandidate *candidate = &set->result->candidates[plan->node];
	const char *kind = ParcelKind(s, candidate);
	bool nulls[13] = {false};
	Datum values[13] = {0};

	values[0] = Int64GetDatum(set->order_id);
	values[1] = Int64GetDatum(candidate->node->id);
	values[2] = CStringGetTextDatum(kind);
	if (candidate->collected)
		nulls[3] = nulls[4] = true;
	else
	{
		values[3] = Int64GetDatum(candidate->lanes[plan->service]->service->id);
		values[4] = CStringGetTextDatum(candidate->lanes[plan->service]->zone);
	}
	values[5] = Float8GetDatum(CandidateDistance(s, candidate));
	nulls[5] = isnan(DatumGetFloat8(values[5]));
	values[6] = Int64GetDatum(plan->weight_g);
	values[7] = RetailCentsToNumeric(plan->freight);
	values[8] = RetailCentsToNumeric(plan->handling);
	values[9] = TimestampTzGetDatum(candidate->departure);
	values[10] = TimestampTzGetDatum(ParcelPromise(s, set->result, parcel));
	values[11] = TimestampTzGetDatum(s->as_of);
	nulls[12] = !s->store || strcmp(kind, "ship_to_store") != 0;
	if (!nulls[12])
		values[12] = Int64GetDatum(s->store->id);
	RetailRowsAdd(rows, values, nulls);
}

/* Writes the planned parcels and remembers their keys. */
static void
WriteShipments(ParcelSet *sets, int n)
{
	RetailRows *rows = RetailRowsMake(&shipment_table, n * 2);
	int64 *keys;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < sets[i].result->plan.n_parcels; j++)
			AddShipmentRow(rows, &sets[i], j);
	keys = palloc(sizeof(int64) * Max(rows->n, 1));
	RetailRowsInsert(rows, keys);
	for (int i = 0; i < n; i++)
	{
		sets[i].shipment_ids = keys;
		keys += sets[i].result->plan.n_parcels;
	}
}

/* Adds the rows of a piece: of its parcel's contents and its reservation. */
static void
AddPieceRows(RetailRows *contents, RetailRows *reservations,
			 const ParcelSet *set, const SolverPiece *piece, Datum state)
{
	const SourcingRequest *s = set->request;
	int node = set->result->plan.parcels[piece->parcel].node;
	Datum shipment_id = Int64GetDatum(set->shipment_ids[piece->parcel]);
	Datum order_id = Int64GetDatum(set->order_id);
	Datum line_no = Int32GetDatum(s->lines[piece->line].line_no);
	Datum sku_id = Int64GetDatum(s->lines[piece->line].sku_id);
	Datum quantity = Int64GetDatum(piece->quantity);
	Datum as_of = TimestampTzGetDatum(s->as_of);
	Datum content[5] = {shipment_id, order_id, line_no, sku_id, quantity};
	Datum reservation[11] = {
		sku_id,		 Int64GetDatum(set->result->candidates[node].node->id),
		quantity,	 quantity,
		state,		 TimestampTzGetDatum(set->expires_at),
		order_id,	 line_no,
		shipment_id, as_of,
		as_of};
	bool nulls[11] = {false};

	nulls[5] = !set->expires;
	RetailRowsAdd(contents, content, NULL);
	RetailRowsAdd(reservations, reservation, nulls);
}

/* Adds the row of a decision with its trace. */
static void
AddDecisionRow(RetailRows *rows, const ParcelSet *set)
{
	const SourcingRequest *s = set->request;
	const SolverPlan *plan = &set->result->plan;
	Datum values[8] = {
		Int64GetDatum(set->order_id),
		TimestampTzGetDatum(set->decided_at ? set->decided_at : s->as_of),
		Int64GetDatum(s->policy->id),
		RetailCentsToNumeric(plan->cost),
		RetailCentsToNumeric(plan->lower_bound),
		BoolGetDatum(plan->exact),
		Int32GetDatum(plan->n_parcels),
		DecisionTrace(s, set->result, set->shipment_ids)};

	RetailRowsAdd(rows, values, NULL);
}

/* Writes the contents of the parcels, their reservations and the decisions. */
static void
WritePieces(const ParcelSet *sets, int n)
{
	RetailRows *contents = RetailRowsMake(&content_table, n * 4);
	RetailRows *reservations = RetailRowsMake(&reservation_table, n * 4);
	RetailRows *decisions = RetailRowsMake(&decision_table, n);
	Datum held = CStringGetTextDatum("held");
	Datum committed = CStringGetTextDatum("committed");

	for (int i = 0; i < n; i++)
	{
		const SolverPlan *plan = &sets[i].result->plan;

		for (int j = 0; j < plan->n_pieces; j++)
			AddPieceRows(contents, reservations, &sets[i], &plan->pieces[j],
						 sets[i].expires ? held : committed);
		AddDecisionRow(decisions, &sets[i]);
	}
	RetailRowsInsert(contents, NULL);
	RetailRowsInsert(reservations, NULL);
	RetailRowsInsert(decisions, NULL);
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
