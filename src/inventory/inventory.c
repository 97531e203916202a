/*-------------------------------------------------------------------------
 *
 * inventory.c
 *	  Posting to stock: ledger rows and counters of SKUs at nodes.
 *
 * StockPost() is the only writer of retail.stock.  It writes the ledger rows
 * first and then updates the counters row by row in (sku, node) order: every
 * transaction that posts takes the row locks in the same order, and holds the
 * lock of a popular row for the shortest time.  What may be promised is
 * checked by the very UPDATE that takes it, on the row that it locks, so that
 * concurrent buyers cannot oversell under READ COMMITTED.  What an UPDATE
 * leaves is remembered for the shared cache (stock_writes.c).
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "inventory/inventory.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "foundation/table_writer.h"
#include "inventory/stock_cache.h"

/* Net change of one row of retail.stock. */
typedef struct StockDelta
{
	int64 sku_id;
	int64 node_id;
	int64 change[STOCK_N_COUNTERS];
	int64 promised; /* units that a guarded posting promises */
	int64 safety;	/* -1: not guarded */
} StockDelta;

static const char *const counter_names[STOCK_N_COUNTERS] = {
	"sellable", "reserved", "in_transit", "damaged", "quality_hold"};

static RetailStatement insert_movements = {
	"INSERT INTO retail.movement (sku_id, node_id, condition, quantity, reason, ref_type, ref_id, occurred_at, actor)"
	" SELECT u.sku_id, u.node_id, u.condition, u.quantity, $5, $6, $7, $8, $9"
	" FROM unnest($1, $2, $3, $4) AS u (sku_id, node_id, condition, quantity)",
	9,
	{INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TEXTOID, TEXTOID,
	 INT8OID, TIMESTAMPTZOID, TEXTOID}};

static RetailStatement update_stock = {
	"UPDATE retail.stock SET on_hand = on_hand + $3, reserved = reserved + $4, in_transit = in_transit + $5,"
	" damaged = damaged + $6, quality_hold = quality_hold + $7, updated_at = greatest(updated_at, $8)"
	" WHERE sku_id = $1 AND node_id = $2 AND ($9 IS NULL OR on_hand + $3 - reserved - $4 >= $9)"
	" RETURNING on_hand - reserved",
	9,
	{INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
	 TIMESTAMPTZOID, INT8OID}};

/* The counters of a row, in the order of StockCounter after its key. */
static RetailTable stock_table = {"stock",
								  8,
								  {{"sku_id", INT8OID},
								   {"node_id", INT8OID},
								   {"on_hand", INT8OID},
								   {"reserved", INT8OID},
								   {"in_transit", INT8OID},
								   {"damaged", INT8OID},
								   {"quality_hold", INT8OID},
								   {"updated_at", TIMESTAMPTZOID}},
								  NULL,
								  2};

static RetailStatement insert_stock = {
	"INSERT INTO retail.stock AS s (sku_id, node_id, on_hand, reserved, in_transit, damaged, quality_hold, updated_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
	" ON CONFLICT (sku_id, node_id) DO UPDATE SET on_hand = s.on_hand + $3, reserved = s.reserved + $4,"
	" in_transit = s.in_transit + $5, damaged = s.damaged + $6, quality_hold = s.quality_hold + $7, updated_at = $8"
	" RETURNING on_hand - reserved",
	8,
	{INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
	 TIMESTAMPTZOID}};

static RetailStatement select_free = {
	"SELECT on_hand - reserved FROM retail.stock WHERE sku_id = $1 AND node_id = $2",
	2,
	{INT8OID, INT8OID}};

static RetailStatement select_codes = {
	"SELECT coalesce((SELECT code FROM retail.sku WHERE sku_id = $1), $1::text),"
	" coalesce((SELECT code FROM retail.node WHERE node_id = $2), $2::text)",
	2,
	{INT8OID, INT8OID}};

static RetailStatement select_safety = {
	"SELECT sku_id, node_id, quantity FROM retail.safety_stock"
	" WHERE sku_id = ANY ($1) AND node_id = ANY ($2) AND (channel_id = $3 OR channel_id IS NULL)"
	" ORDER BY channel_id NULLS FIRST",
	3,
	{INT8ARRAYOID, INT8ARRAYOID, INT8OID}};

/* Orders postings by SKU, node, counter and safety stock. */
static int
ComparePostings(const void *a, const void *b)
{
	const StockPosting *left = a;
	const StockPosting *right = b;

	if (left->sku_id != right->sku_id)
		return left->sku_id < right->sku_id ? -1 : 1;
	if (left->node_id != right->node_id)
		return left->node_id < right->node_id ? -1 : 1;
	if (left->counter != right->counter)
		return (int) left->counter - (int) right->counter;
	return left->safety < right->safety ? -1 : left->safety > right->safety;
}

/*
 * Sums sorted postings into one delta a stock row; returns their number.
 * Promises with different safety stocks are summed as if the greatest were
 * promised first: what is promised with less comes out of its safety stock.
 */
static int
SumPostings(const StockPosting *postings, int n, StockDelta *deltas)
{
	int count = 0;

	for (int i = 0; i < n; i++)
	{
		const StockPosting *p = &postings[i];
		StockDelta *d;

		if (count == 0 || deltas[count - 1].sku_id != p->sku_id ||
			deltas[count - 1].node_id != p->node_id)
		{
			d = &deltas[count++];
			memset(d, 0, sizeof(*d));
			d->sku_id = p->sku_id;
			d->node_id = p->node_id;
			d->safety = -1;
		}
		d = &deltas[count - 1];
		d->change[p->counter] += p->quantity;
		if (p->counter == STOCK_RESERVED && p->quantity > 0 && p->safety >= 0)
		{
			d->safety = Max(d->safety, p->safety - d->promised);
			d->promised += p->quantity;
		}
	}
	return count;
}

/* Writes one ledger row for each stock row and physical counter that moves. */
static void
WriteMovements(const StockDelta *deltas, int n, const StockCause *cause)
{
	int64 *skus = palloc(sizeof(int64) * n * STOCK_N_COUNTERS);
	int64 *nodes = palloc(sizeof(int64) * n * STOCK_N_COUNTERS);
	int64 *quantities = palloc(sizeof(int64) * n * STOCK_N_COUNTERS);
	char **conditions = palloc(sizeof(char *) * n * STOCK_N_COUNTERS);
	int count = 0;
	Datum values[9];
	char nulls[10] = "         ";

	for (int i = 0; i < n; i++)
	{
		for (int c = 0; c < STOCK_N_COUNTERS; c++)
		{
			if (c == STOCK_RESERVED || deltas[i].change[c] == 0)
				continue;
			skus[count] = deltas[i].sku_id;
			nodes[count] = deltas[i].node_id;
			quantities[count] = deltas[i].change[c];
			conditions[count++] = unconstify(char *, counter_names[c]);
		}
	}
	if (count > 0)
	{
		values[0] = RetailInt64Array(skus, count);
		values[1] = RetailInt64Array(nodes, count);
		values[2] = RetailTextArray(conditions, count);
		values[3] = RetailInt64Array(quantities, count);
		values[4] = CStringGetTextDatum(cause->reason);
		if (cause->ref_type)
		{
			values[5] = CStringGetTextDatum(cause->ref_type);
			values[6] = Int64GetDatum(cause->ref_id);
		}
		else
			nulls[5] = nulls[6] = 'n';
		values[7] = TimestampTzGetDatum(cause->occurred_at);
		values[8] = CStringGetTextDatum(RetailCallerName());
		RetailExecute(&insert_movements, values, nulls, false, SPI_OK_INSERT);
	}
	pfree(skus);
	pfree(nodes);
	pfree(quantities);
	pfree(conditions);
}

/* A delta on its way into a row, and what it leaves free there. */
typedef struct RowPosting
{
	const StockDelta *delta;
	TimestampTz occurred_at;
	int64 free;
} RowPosting;

/* Adds a delta to the counters of a row, unless its guard refuses. */
static bool
AddDelta(Datum *values, bool *nulls, void *argument)
{
	RowPosting *posting = argument;
	const StockDelta *delta = posting->delta;
	Datum *counters = &values[2];
	int64 sums[STOCK_N_COUNTERS];

	(void) nulls;
	for (int c = 0; c < STOCK_N_COUNTERS; c++)
		if (pg_add_s64_overflow(DatumGetInt64(counters[c]), delta->change[c],
								&sums[c]))
			ereport(ERROR, errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("bigint out of range"));
	posting->free = sums[STOCK_SELLABLE] - sums[STOCK_RESERVED];
	if (delta->promised > 0 && posting->free < delta->safety)
		return false;
	for (int c = 0; c < STOCK_N_COUNTERS; c++)
		counters[c] = Int64GetDatum(sums[c]);
	values[7] = TimestampTzGetDatum(
		Max(DatumGetTimestampTz(values[7]), posting->occurred_at));
	return true;
}

/*
 * Updates one row; false when its guard refuses.  A promise is guarded even
 * when due holds give back as much: what they held may be gone from the shelf.
 */
static bool
UpdateRow(RetailUpdate *update, const StockDelta *delta,
		  TimestampTz occurred_at)
{
	bool guarded = delta->promised > 0;
	Datum values[9] = {Int64GetDatum(delta->sku_id),
					   Int64GetDatum(delta->node_id),
					   Int64GetDatum(delta->change[STOCK_SELLABLE]),
					   Int64GetDatum(delta->change[STOCK_RESERVED]),
					   Int64GetDatum(delta->change[STOCK_IN_TRANSIT]),
					   Int64GetDatum(delta->change[STOCK_DAMAGED]),
					   Int64GetDatum(delta->change[STOCK_QUALITY_HOLD]),
					   TimestampTzGetDatum(occurred_at),
					   Int64GetDatum(delta->safety)};
	RowPosting posting = {delta, occurred_at, 0};
	RetailRowResult changed =
		RetailUpdateRow(update, values, AddDelta, &posting);

	if (changed == ROW_CHANGED)
		StockWritesRemember(delta->sku_id, delta->node_id, posting.free);
	if (changed == ROW_CHANGED || (changed == ROW_REFUSED && guarded))
		return changed == ROW_CHANGED;
	RetailExecute(&update_stock, values, guarded ? "         " : "        n",
				  false, SPI_OK_UPDATE_RETURNING);
	if (SPI_processed == 0)
	{
		if (guarded)
			return false;
		RetailExecute(&insert_stock, values, NULL, false,
					  SPI_OK_INSERT_RETURNING);
	}
	StockWritesRemember(delta->sku_id, delta->node_id,
						RetailCellInt64(0, 1, NULL));
	return true;
}

/*
 * Posts to ledger and counters inside an SPI connection; sorts the postings.
 *
 * Returns false, with the row in *shortage, when a guarded row cannot promise
 * what was asked; the caller must then roll back, for other rows may have been
 * changed.
 */
bool
StockPost(StockPosting *postings, int n, const StockCause *cause,
		  StockShortage *shortage)
{
	StockDelta *deltas = palloc(sizeof(StockDelta) * Max(n, 1));
	RetailUpdate *update;
	int count;

	qsort(postings, n, sizeof(StockPosting), ComparePostings);
	count = SumPostings(postings, n, deltas);
	WriteMovements(deltas, count, cause);
	update = RetailUpdateBegin(&stock_table);
	for (int i = 0; i < count; i++)
	{
		bool empty = deltas[i].promised == 0;

		CHECK_FOR_INTERRUPTS();
		for (int c = 0; c < STOCK_N_COUNTERS; c++)
			empty = empty && deltas[i].change[c] == 0;
		if (!empty && !UpdateRow(update, &deltas[i], cause->occurred_at))
		{
			Datum key[2] = {Int64GetDatum(deltas[i].sku_id),
							Int64GetDatum(deltas[i].node_id)};

			/* Whoever decides again shall not meet the level that misled us. */
			if (StockCacheExists())
				StockCacheForget(MyDatabaseId, deltas[i].sku_id);
			RetailExecute(&select_free, key, NULL, false, SPI_OK_SELECT);
			shortage->sku_id = deltas[i].sku_id;
			shortage->node_id = deltas[i].node_id;
			shortage->wanted = deltas[i].promised;
			/* What this posting gives back counts as available. */
			shortage->available = SPI_processed == 0
				? 0
				: Max(RetailCellInt64(0, 1, NULL) + deltas[i].promised -
						  deltas[i].change[STOCK_RESERVED] - deltas[i].safety,
					  0);
			RetailUpdateEnd(update);
			return false;
		}
	}
	RetailUpdateEnd(update);
	pfree(deltas);
	return true;
}

/* Finds a counter by its name. */
static StockCounter
CounterByName(const char *name)
{
	for (int c = 0; c < STOCK_N_COUNTERS; c++)
		if (strcmp(name, counter_names[c]) == 0)
			return (StockCounter) c;
	elog(ERROR, "unknown stock counter \"%s\"", name);
}

/* Fills in what a channel may not promise of each SKU and node. */
static void
LookUpSafety(StockPosting *postings, int n, Datum skus, Datum nodes,
			 int64 channel)
{
	Datum values[3] = {skus, nodes, Int64GetDatum(channel)};

	for (int i = 0; i < n; i++)
		postings[i].safety = 0;
	RetailExecute(&select_safety, values, NULL, false, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int64 sku_id = RetailCellInt64(row, 1, NULL);
		int64 node_id = RetailCellInt64(row, 2, NULL);

		/* The channel's own row comes last and wins. */
		for (int i = 0; i < n; i++)
			if (postings[i].sku_id == sku_id && postings[i].node_id == node_id)
				postings[i].safety = RetailCellInt64(row, 3, NULL);
	}
}

/* Raises RT020 for a row that could not promise what was asked. */
static void
ReportShortage(const StockShortage *shortage)
{
	Datum key[2] = {Int64GetDatum(shortage->sku_id),
					Int64GetDatum(shortage->node_id)};

	RetailExecute(&select_codes, key, NULL, false, SPI_OK_SELECT);
	ereport(
		ERROR, errcode(RT_OUT_OF_STOCK), errmsg("out of stock"),
		errdetail("SKU %s at node %s: %lld asked, %lld available to promise.",
				  RetailCellText(0, 1), RetailCellText(0, 2),
				  (long long) shortage->wanted,
				  (long long) shortage->available),
		errhint("See retail.available_to_promise() for where the SKU lies."));
}

PG_FUNCTION_INFO_V1(retail_post_stock);
Datum
retail_post_stock(PG_FUNCTION_ARGS)
{
	int n;
	int n_nodes;
	int n_counters;
	int n_quantities;
	int64 *skus;
	int64 *nodes;
	int64 *quantities;
	Datum *counters;
	bool *counter_nulls;
	StockPosting *postings;
	StockCause cause;
	StockShortage shortage;

	for (int i = 0; i < 5; i++)
		if (PG_ARGISNULL(i))
			elog(ERROR, "argument %d of post_stock is null", i + 1);
	skus = RetailInt64ArrayArgument(fcinfo, 0, &n);
	nodes = RetailInt64ArrayArgument(fcinfo, 1, &n_nodes);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false,
					  TYPALIGN_INT, &counters, &counter_nulls, &n_counters);
	quantities = RetailInt64ArrayArgument(fcinfo, 3, &n_quantities);
	if (n != n_nodes || n != n_counters || n != n_quantities)
		elog(ERROR, "arrays of post_stock differ in length");

	postings = palloc(sizeof(StockPosting) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		postings[i].sku_id = skus[i];
		postings[i].node_id = nodes[i];
		postings[i].counter = CounterByName(TextDatumGetCString(counters[i]));
		postings[i].quantity = quantities[i];
		postings[i].safety = -1;
	}
	cause.reason = text_to_cstring(PG_GETARG_TEXT_PP(4));
	cause.ref_type =
		PG_ARGISNULL(5) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(5));
	cause.ref_id = PG_ARGISNULL(6) ? 0 : PG_GETARG_INT64(6);
	cause.occurred_at = PG_GETARG_TIMESTAMPTZ(7);

	SPI_connect();
	if (!PG_ARGISNULL(8))
		LookUpSafety(postings, n, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1),
					 PG_GETARG_INT64(8));
	if (!StockPost(postings, n, &cause, &shortage))
		ReportShortage(&shortage);
	SPI_finish();
	PG_RETURN_VOID();
}
