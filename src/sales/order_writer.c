/*-------------------------------------------------------------------------
 *
 * order_writer.c
 *	  Writes a decided order: header, lines, parcels, reservations, trace and
 *	  event, the stock counters last.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/order_writer.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "inventory/inventory.h"

static RetailStatement insert_order = {
	"INSERT INTO retail.sales_order (channel_id, external_no, request_hash, member_id, fulfilment, region_id, latitude,"
	" longitude, recipient, pick_up_node_id, payment_state, payment_due_at, goods_total, discount_total, freight_total, total,"
	" promised_at, placed_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 * 0.01, $14 * 0.01, $15 * 0.01,"
	" ($13 - $14 + $15) * 0.01, $16, $17)"
	" ON CONFLICT (channel_id, external_no) DO NOTHING RETURNING order_id",
	17,
	{INT8OID, TEXTOID, BYTEAOID, INT8OID, TEXTOID, INT8OID, FLOAT8OID,
	 FLOAT8OID, JSONBOID, INT8OID, TEXTOID, TIMESTAMPTZOID, INT8OID, INT8OID,
	 INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static RetailStatement insert_lines = {
	"INSERT INTO retail.order_line (order_id, line_no, sku_id, quantity, unit_price, discount, amount, allocated)"
	" SELECT $1, u.n, u.sku_id, u.quantity, u.price * 0.01, u.discount * 0.01, (u.quantity * u.price - u.discount) * 0.01, u.quantity"
	" FROM unnest($2, $3, $4, $5) WITH ORDINALITY AS u (sku_id, quantity, price, discount, n)",
	5,
	{INT8OID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID}};

static RetailStatement insert_shipment = {
	"INSERT INTO retail.shipment (order_id, node_id, kind, carrier_service_id, zone, distance_km, weight_g,"
	" freight_cost, handling_cost, ship_by, promised_at, planned_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8 * 0.01, $9 * 0.01, $10, $11, $12) RETURNING shipment_id",
	12,
	{INT8OID, INT8OID, TEXTOID, INT8OID, TEXTOID, FLOAT8OID, INT8OID, INT8OID,
	 INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static RetailStatement insert_pieces = {
	"WITH piece AS MATERIALIZED (SELECT * FROM unnest($2, $3, $4, $5, $6) AS u (shipment_id, node_id, line_no, sku_id, quantity)),"
	" reserved AS (INSERT INTO retail.reservation (sku_id, node_id, quantity, open_quantity, state, expires_at, order_id, line_no,"
	" shipment_id, created_at, changed_at)"
	" SELECT p.sku_id, p.node_id, p.quantity, p.quantity, CASE WHEN $7 IS NULL THEN 'committed' ELSE 'held' END, $7, $1, p.line_no,"
	" p.shipment_id, $8, $8 FROM piece p)"
	" INSERT INTO retail.shipment_line (shipment_id, order_id, line_no, sku_id, quantity)"
	" SELECT p.shipment_id, $1, p.line_no, p.sku_id, p.quantity FROM piece p",
	8,
	{INT8OID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
	 INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static RetailStatement insert_decision = {
	"WITH decision AS (INSERT INTO retail.allocation_decision (order_id, decided_at, policy_id, cost, lower_bound, is_exact, n_parcels, trace)"
	" VALUES ($1, $2, $3, $4 * 0.01, $5 * 0.01, $6, $7, $8))"
	" INSERT INTO retail.order_event (order_id, kind, occurred_at, actor, detail)"
	" VALUES ($1, 'placed', $2, $9, pg_catalog.jsonb_build_object('parcels', $7))",
	9,
	{INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, BOOLOID, INT4OID,
	 JSONBOID, TEXTOID}};

static RetailStatement mark_expired = {
	"SELECT sku_id, node_id, quantity FROM retail.mark_expired($1, $2, $3)",
	3,
	{TIMESTAMPTZOID, INT8ARRAYOID, BOOLOID}};

/* Writes the order row; false when its number is taken. */
static bool
WriteOrder(Placement *p)
{
	const SourcingRequest *s = &p->order->sourcing;
	char nulls[18] = "                 ";
	Datum values[17] = {0};

	values[0] = Int64GetDatum(s->channel->id);
	values[1] = CStringGetTextDatum(p->external_no);
	values[2] = p->request_hash;
	values[3] = Int64GetDatum(p->member_id);
	values[4] = CStringGetTextDatum(s->pick_up_node ? "pick_up" : "ship");
	values[5] = Int64GetDatum(s->region ? s->region->id : 0);
	values[6] = Float8GetDatum(s->latitude);
	values[7] = Float8GetDatum(s->longitude);
	values[8] = PointerGetDatum(p->order->recipient);
	values[9] = Int64GetDatum(s->pick_up_node ? s->pick_up_node->id : 0);
	values[10] = CStringGetTextDatum(p->on_delivery		  ? "on_delivery"
										 : p->nothing_due ? "paid"
														  : "unpaid");
	values[11] = TimestampTzGetDatum(s->as_of + s->channel->payment_ttl);
	values[12] = Int64GetDatum(p->order->goods_total);
	values[13] = Int64GetDatum(p->order->discount_total);
	values[14] = Int64GetDatum(p->freight);
	values[15] = TimestampTzGetDatum(p->promised_at);
	values[16] = TimestampTzGetDatum(s->as_of);
	if (!p->has_member)
		nulls[3] = 'n';
	if (!s->region)
		nulls[5] = 'n';
	if (!s->located)
		nulls[6] = nulls[7] = 'n';
	if (!p->order->recipient)
		nulls[8] = 'n';
	if (!s->pick_up_node)
		nulls[9] = 'n';
	if (p->on_delivery || p->nothing_due)
		nulls[11] = 'n';
	RetailExecute(&insert_order, values, nulls, false, SPI_OK_INSERT_RETURNING);
	if (SPI_processed == 0)
		return false;
	p->order_id = RetailCellInt64(0, 1, NULL);
	return true;
}

/* Writes the order lines. */
static void
WriteLines(Placement *p)
{
	const SourcingRequest *s = &p->order->sourcing;
	int64 *columns[4];
	Datum values[5];

	for (int c = 0; c < 4; c++)
		columns[c] = palloc(sizeof(int64) * s->n_lines);
	for (int i = 0; i < s->n_lines; i++)
	{
		columns[0][i] = s->lines[i].sku_id;
		columns[1][i] = s->lines[i].quantity;
		columns[2][i] = p->order->prices[i].unit_price;
		columns[3][i] = p->order->prices[i].discount;
	}
	values[0] = Int64GetDatum(p->order_id);
	for (int c = 0; c < 4; c++)
		values[c + 1] = RetailInt64Array(columns[c], s->n_lines);
	RetailExecute(&insert_lines, values, NULL, false, SPI_OK_INSERT);
}

/* Writes one planned parcel and returns its key. */
static int64
WriteShipment(Placement *p, int parcel)
{
	const SourcingRequest *s = &p->order->sourcing;
	const SolverParcel *plan = &p->result.plan.parcels[parcel];
	const SourcingCandidate *candidate = &p->result.candidates[plan->node];
	char nulls[13] = "            ";
	Datum values[12] = {0};

	values[0] = Int64GetDatum(p->order_id);
	values[1] = Int64GetDatum(candidate->node->id);
	values[2] = CStringGetTextDatum(s->pick_up_node ? "pick_up" : "ship");
	if (s->pick_up_node)
		nulls[3] = nulls[4] = 'n';
	else
	{
		values[3] = Int64GetDatum(candidate->lanes[plan->service]->service->id);
		values[4] = CStringGetTextDatum(candidate->lanes[plan->service]->zone);
	}
	values[5] = Float8GetDatum(candidate->distance_km);
	if (isnan(candidate->distance_km))
		nulls[5] = 'n';
	values[6] = Int64GetDatum(plan->weight_g);
	values[7] = Int64GetDatum(plan->freight);
	values[8] = Int64GetDatum(plan->handling);
	values[9] = TimestampTzGetDatum(candidate->departure);
	values[10] = TimestampTzGetDatum(ParcelPromise(s, &p->result, parcel));
	values[11] = TimestampTzGetDatum(s->as_of);
	RetailExecute(&insert_shipment, values, nulls, false,
				  SPI_OK_INSERT_RETURNING);
	return RetailCellInt64(0, 1, NULL);
}

/* Writes the contents of the parcels and the reservations behind them. */
static void
WritePieces(Placement *p)
{
	const SourcingRequest *s = &p->order->sourcing;
	const SolverPlan *plan = &p->result.plan;
	int64 *columns[5];
	Datum values[8];

	for (int c = 0; c < 5; c++)
		columns[c] = palloc(sizeof(int64) * plan->n_pieces);
	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];

		columns[0][i] = p->shipment_ids[piece->parcel];
		columns[1][i] =
			p->result.candidates[plan->parcels[piece->parcel].node].node->id;
		columns[2][i] = s->lines[piece->line].line_no;
		columns[3][i] = s->lines[piece->line].sku_id;
		columns[4][i] = piece->quantity;
	}
	values[0] = Int64GetDatum(p->order_id);
	for (int c = 0; c < 5; c++)
		values[c + 1] = RetailInt64Array(columns[c], plan->n_pieces);
	values[6] = TimestampTzGetDatum(s->as_of + s->channel->payment_ttl);
	values[7] = TimestampTzGetDatum(s->as_of);
	RetailExecute(&insert_pieces, values,
				  p->on_delivery || p->nothing_due ? "      n " : NULL, false,
				  SPI_OK_INSERT);
}

/* Writes the decision with its trace, and the first event of the order. */
static void
WriteDecision(Placement *p)
{
	const SourcingRequest *s = &p->order->sourcing;
	const SolverPlan *plan = &p->result.plan;
	char *trace = DecisionTrace(s, &p->result, p->shipment_ids);
	Datum values[9] = {Int64GetDatum(p->order_id),
					   TimestampTzGetDatum(s->as_of),
					   Int64GetDatum(s->policy->id),
					   Int64GetDatum(plan->cost),
					   Int64GetDatum(plan->lower_bound),
					   BoolGetDatum(plan->exact),
					   Int32GetDatum(plan->n_parcels),
					   DirectFunctionCall1(jsonb_in, CStringGetDatum(trace)),
					   CStringGetTextDatum(RetailCallerName())};

	RetailExecute(&insert_decision, values, NULL, false, SPI_OK_INSERT);
}

/*
 * Gathers what due holds of the order's SKUs give back.  Their reservations
 * are locked now, before any row of stock; wait says whether to wait for those
 * that another transaction is sweeping.
 */
static StockPosting *
SweepExpired(Placement *p, bool wait, int room, int *n)
{
	const SourcingRequest *s = &p->order->sourcing;
	int64 *skus = palloc(sizeof(int64) * s->n_lines);
	StockPosting *postings;
	Datum values[3];

	*n = 0;
	if (!p->result.saw_expired)
		return palloc(sizeof(StockPosting) * room);
	for (int i = 0; i < s->n_lines; i++)
		skus[i] = s->lines[i].sku_id;
	values[0] = TimestampTzGetDatum(s->as_of);
	values[1] = RetailInt64Array(skus, s->n_lines);
	values[2] = BoolGetDatum(wait);
	RetailExecute(&mark_expired, values, NULL, false, SPI_OK_SELECT);
	postings = palloc(sizeof(StockPosting) * (SPI_processed + room));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		StockPosting *posting = &postings[(*n)++];

		posting->sku_id = RetailCellInt64(row, 1, NULL);
		posting->node_id = RetailCellInt64(row, 2, NULL);
		posting->counter = STOCK_RESERVED;
		posting->quantity = -RetailCellInt64(row, 3, NULL);
		posting->safety = -1;
	}
	return postings;
}

/* Takes the stock, together with what due holds give back; false if it is gone. */
static bool
TakeStock(Placement *p, StockPosting *postings, int n)
{
	const SourcingRequest *s = &p->order->sourcing;
	const SolverPlan *plan = &p->result.plan;
	StockCause cause = {"reserve", NULL, 0, s->as_of};
	StockShortage shortage;

	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];
		int c = plan->parcels[piece->parcel].node;
		StockPosting *posting = &postings[n++];

		posting->sku_id = s->lines[piece->line].sku_id;
		posting->node_id = p->result.candidates[c].node->id;
		posting->counter = STOCK_RESERVED;
		posting->quantity = piece->quantity;
		posting->safety =
			p->result.safety[piece->line * p->result.n_candidates + c];
	}
	return StockPost(postings, n, &cause, &shortage);
}

/* Writes the order with all its rows, stock last. */
Outcome
WriteOrderRows(Placement *p, bool wait)
{
	StockPosting *postings;
	int n;

	if (!WriteOrder(p))
		return TAKEN;
	WriteLines(p);
	for (int i = 0; i < p->result.plan.n_parcels; i++)
		p->shipment_ids[i] = WriteShipment(p, i);
	WritePieces(p);
	WriteDecision(p);
	postings = SweepExpired(p, wait, p->result.plan.n_pieces, &n);
	return TakeStock(p, postings, n) ? PLACED : OUTRUN;
}
