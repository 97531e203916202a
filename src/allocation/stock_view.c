/*-------------------------------------------------------------------------
 *
 * stock_view.c
 *	  Reads what each node may promise of the SKUs of an order:
 *		on hand - reserved + due holds - safety stock of the channel
 *	  where due holds are reservations that expired but were not yet swept:
 *	  they stop counting when they expire.
 *
 * Levels and safety stock come from shared memory where they can
 * (inventory/stock_cache.c); SKUs that are not there are read from the table
 * and left there.  Due holds are always looked up.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/stock_view.h"

#include "allocation/ledger.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/snapmgr.h"

#include "foundation/table_writer.h"
#include "inventory/stock_cache.h"

static RetailStatement select_stock = {
	"SELECT sku_id, node_id, on_hand - reserved FROM retail.stock"
	" WHERE sku_id = ANY ($1) AND on_hand > 0 AND ($2 IS NULL OR node_id = $2)"
	" ORDER BY node_id, sku_id", /* so that ties do not depend on the heap */
	2,
	{INT8ARRAYOID, INT8OID}};

/* By the index of held reservations, whatever their number. */
static RetailTable held_table = {
	"reservation", 1, {{"expires_at", TIMESTAMPTZOID}}};

static RetailStatement select_first_due = {
	"SELECT min(expires_at) FROM retail.reservation WHERE state = 'held'",
	0,
	{0},
	.generic = true};

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

static RetailStatement select_levels = {
	"SELECT sku_id, node_id, on_hand - reserved FROM retail.stock"
	" WHERE sku_id = ANY ($1) AND on_hand > 0 ORDER BY sku_id, node_id",
	1,
	{INT8ARRAYOID}};

static RetailStatement select_safeties = {
	"SELECT sku_id, node_id, channel_id, quantity FROM retail.safety_stock"
	" WHERE sku_id = ANY ($1) ORDER BY sku_id, node_id, channel_id NULLS FIRST",
	1,
	{INT8ARRAYOID}};

/* Finds the stock cell of a SKU at a node, or NULL. */
static StockCell *
FindCell(const SourcingRequest *request, StockView *view, int64 sku_id,
		 int64 node_id)
{
	int low = 0;
	int high = view->n_cells;

	while (low < high)
	{
		int middle = (low + high) / 2;
		const StockCell *cell = &view->cells[middle];

		if (cell->node_id < node_id ||
			(cell->node_id == node_id &&
			 request->lines[cell->line].sku_id < sku_id))
			low = middle + 1;
		else
			high = middle;
	}
	if (low < view->n_cells && view->cells[low].node_id == node_id &&
		request->lines[view->cells[low].line].sku_id == sku_id)
		return &view->cells[low];
	return NULL;
}

/* Fills a cell. */
static void
SetCell(StockCell *cell, int line, int64 node_id, int64 available)
{
	cell->line = line;
	cell->candidate = -1;
	cell->node_id = node_id;
	cell->available = available;
	cell->safety = 0;
	cell->own_safety = false;
}

/* Subtracts the safety stock of a node: the channel's own figure wins. */
static void
SetSafety(StockCell *cell, int64 quantity, bool own)
{
	if (cell == NULL || (cell->own_safety && !own))
		return;
	cell->safety = quantity;
	cell->own_safety = own;
}

/* Reads levels and safety stock of the order's SKUs from the tables. */
static void
ReadTables(const SourcingRequest *request, Datum skus, bool read_only,
		   StockView *view)
{
	Datum values[2] = {skus, 0};

	if (request->pick_up_node)
		values[1] = Int64GetDatum(request->pick_up_node->id);
	RetailExecute(&select_stock, values, request->pick_up_node ? "  " : " n",
				  read_only, SPI_OK_SELECT);
	view->n_cells = (int) SPI_processed;
	view->cells = palloc(sizeof(StockCell) * Max(view->n_cells, 1));
	for (int i = 0; i < view->n_cells; i++)
	{
		int64 sku_id = RetailCellInt64(i, 1, NULL);
		int line = 0;

		while (request->lines[line].sku_id != sku_id)
			line++;
		SetCell(&view->cells[i], line, RetailCellInt64(i, 2, NULL),
				RetailCellInt64(i, 3, NULL));
	}
	values[1] = Int64GetDatum(request->channel->id);
	RetailExecute(&select_safety, values, NULL, read_only, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
		SetSafety(FindCell(request, view, RetailCellInt64(row, 1, NULL),
						   RetailCellInt64(row, 2, NULL)),
				  RetailCellInt64(row, 3, NULL), RetailCellBool(row, 4));
}

/* Fills lists that ascend by SKU from rows that do. */
static void
FillLevels(StockList *lists, int n)
{
	uint64 row = 0;
	StockLevel *levels = palloc(sizeof(StockLevel) * Max(SPI_processed, 1));

	for (int i = 0; i < n; i++)
	{
		lists[i].levels = &levels[row];
		for (; row < SPI_processed &&
			 RetailCellInt64(row, 1, NULL) == lists[i].sku_id;
			 row++)
		{
			levels[row].node_id = RetailCellInt64(row, 2, NULL);
			levels[row].available = RetailCellInt64(row, 3, NULL);
			lists[i].n_levels++;
		}
	}
}

/* The same of safety stock. */
static void
FillSafeties(StockList *lists, int n)
{
	uint64 row = 0;
	StockSafety *safeties = palloc(sizeof(StockSafety) * Max(SPI_processed, 1));

	for (int i = 0; i < n; i++)
	{
		lists[i].safeties = &safeties[row];
		for (; row < SPI_processed &&
			 RetailCellInt64(row, 1, NULL) == lists[i].sku_id;
			 row++)
		{
			safeties[row].node_id = RetailCellInt64(row, 2, NULL);
			safeties[row].channel_id = RetailCellInt64(row, 3, NULL);
			safeties[row].quantity = RetailCellInt64(row, 4, NULL);
			lists[i].n_safeties++;
		}
	}
}

static int
CompareLists(const void *a, const void *b)
{
	const StockList *left = a;
	const StockList *right = b;

	return left->sku_id < right->sku_id ? -1 : left->sku_id > right->sku_id;
}

/*
 * Reads SKUs from the tables as committed now, and leaves them in the cache.
 * The entries are created before the snapshot is taken, so that no commit is
 * missed.
 */
static void
LoadLists(const StockSource *source, StockList *lists, int n, bool anew,
		  bool read_only)
{
	uint64 *tickets = palloc(sizeof(uint64) * n);
	int64 *sku_ids = palloc(sizeof(int64) * n);
	Datum skus;
	TransactionId xmin;

	qsort(lists, n, sizeof(StockList), CompareLists);
	for (int i = 0; i < n; i++)
	{
		sku_ids[i] = lists[i].sku_id;
		lists[i].n_levels = lists[i].n_safeties = 0;
		tickets[i] = StockWritesTouch(sku_ids[i])
			? 0
			: StockCacheTrack(source, sku_ids[i], anew);
	}
	StockCacheSettle(lists, tickets, n);
	if (!read_only)
		CommandCounterIncrement(); /* our own writes count */
	PushActiveSnapshot(GetLatestSnapshot());
	xmin = GetActiveSnapshot()->xmin;
	skus = RetailInt64Array(sku_ids, n);
	RetailExecute(&select_levels, &skus, NULL, true, SPI_OK_SELECT);
	FillLevels(lists, n);
	RetailExecute(&select_safeties, &skus, NULL, true, SPI_OK_SELECT);
	FillSafeties(lists, n);
	PopActiveSnapshot();
	for (int i = 0; i < n; i++)
		if (tickets[i] != 0)
			StockCacheInstall(source, &lists[i], tickets[i], xmin);
	pfree(tickets);
	pfree(sku_ids);
}

/* Reads the order's SKUs, from the cache where it has them. */
static StockList *
ReadLists(const SourcingRequest *request, bool read_only)
{
	StockSource source = StockCacheSource();
	StockList *lists = palloc0(sizeof(StockList) * request->n_lines);
	int missing = 0; /* at the beginning of the array */

	for (int i = 0; i < request->n_lines; i++)
	{
		StockList list = {request->lines[i].sku_id};

		if (!request->stock_anew && StockCacheFind(&source, &list) &&
			StockWritesOverlay(&list))
			lists[i] = list;
		else
		{
			lists[i] = lists[missing];
			lists[missing++].sku_id = request->lines[i].sku_id;
		}
	}
	if (missing > 0)
		LoadLists(&source, lists, missing, request->stock_anew, read_only);
	qsort(lists, request->n_lines, sizeof(StockList), CompareLists);
	return lists;
}

/* A list that is being merged. */
typedef struct Cursor
{
	const StockLevel *next;
	const StockLevel *end;
	const StockList *list;
	int line;
} Cursor;

/* Orders cursors by the node that comes next, and by SKU. */
static inline bool
ComesBefore(const Cursor *left, const Cursor *right)
{
	if (left->next->node_id != right->next->node_id)
		return left->next->node_id < right->next->node_id;
	return left->list->sku_id < right->list->sku_id;
}

/* Orders cursors by SKU. */
static int
CompareCursors(const void *a, const void *b)
{
	const Cursor *left = a;
	const Cursor *right = b;

	return left->list->sku_id < right->list->sku_id
		? -1
		: left->list->sku_id > right->list->sku_id;
}

/* Restores a heap of cursors below a place of it. */
static void
SiftDown(Cursor *heap, int at, int n)
{
	for (int child = 2 * at + 1; child < n; child = 2 * at + 1)
	{
		Cursor top = heap[at];

		if (child + 1 < n && ComesBefore(&heap[child + 1], &heap[child]))
			child++;
		if (!ComesBefore(&heap[child], &heap[at]))
			break;
		heap[at] = heap[child];
		heap[child] = top;
		at = child;
	}
}

/*
 * Takes the next cell of few cursors, which ascend by SKU: the first of those
 * with the lowest node.  Returns which it is of.
 */
static inline int
FirstCursor(const Cursor *cursors, int n)
{
	int first = 0;

	for (int i = 1; i < n; i++)
		if (cursors[i].next->node_id < cursors[first].next->node_id)
			first = i;
	return first;
}

/* With more cursors than these a heap is faster than to look at each. */
#define FEW_CURSORS 8

/* Merges lists that ascend by SKU into cells, by node and SKU. */
static void
MergeLists(const SourcingRequest *request, const StockList *lists,
		   StockView *view)
{
	Cursor *cursors = palloc(sizeof(Cursor) * request->n_lines);
	int64 only =
		request->pick_up_node ? request->pick_up_node->id : PG_INT64_MIN;
	int room = 0;
	int n = 0;

	for (int i = 0; i < request->n_lines; i++)
	{
		Cursor cursor = {lists[i].levels, lists[i].levels + lists[i].n_levels,
						 &lists[i], 0};

		while (request->lines[cursor.line].sku_id != lists[i].sku_id)
			cursor.line++;
		if (lists[i].n_levels > 0)
			cursors[n++] = cursor;
		room += lists[i].n_levels;
	}
	for (int at = n / 2 - 1; n > FEW_CURSORS && at >= 0; at--)
		SiftDown(cursors, at, n);
	view->n_cells = 0;
	view->cells = palloc(sizeof(StockCell) * Max(room, 1));
	while (n > 0)
	{
		bool few = n <= FEW_CURSORS;
		int at = few ? FirstCursor(cursors, n) : 0;
		const StockLevel *level = cursors[at].next++;

		if (only == PG_INT64_MIN || only == level->node_id)
			SetCell(&view->cells[view->n_cells++], cursors[at].line,
					level->node_id, level->available);
		if (cursors[at].next < cursors[at].end)
		{
			if (!few)
				SiftDown(cursors, 0, n);
			continue;
		}
		n--;
		if (n >= FEW_CURSORS)
		{
			cursors[0] = cursors[n];
			SiftDown(cursors, 0, n);
		}
		else
			memmove(&cursors[at], &cursors[at + 1], sizeof(Cursor) * (n - at));
		if (n == FEW_CURSORS)
			qsort(cursors, n, sizeof(Cursor), CompareCursors);
	}
	pfree(cursors);
}

/* Reads levels and safety stock of the order's SKUs through the cache. */
static void
ReadCache(const SourcingRequest *request, bool read_only, StockView *view)
{
	StockList *lists = ReadLists(request, read_only);

	MergeLists(request, lists, view);
	for (int i = 0; i < request->n_lines; i++)
	{
		for (int j = 0; j < lists[i].n_safeties; j++)
		{
			const StockSafety *safety = &lists[i].safeties[j];

			if (safety->channel_id == 0 ||
				safety->channel_id == request->channel->id)
				SetSafety(
					FindCell(request, view, lists[i].sku_id, safety->node_id),
					safety->quantity, safety->channel_id != 0);
		}
	}
}

/* Tells whether any hold at all is due: mostly not, which is soon seen. */
static bool
AnythingDue(Datum as_of, bool read_only)
{
	Datum first = 0;
	RetailRowResult result;
	bool none;

	PushActiveSnapshot(read_only ? GetActiveSnapshot()
								 : GetTransactionSnapshot());
	result = RetailIndexLeast(&held_table, "reservation_due", &first);
	PopActiveSnapshot();
	none = result == ROW_MISSING;
	if (result == ROW_BY_STATEMENT)
	{
		RetailExecute(&select_first_due, NULL, NULL, read_only, SPI_OK_SELECT);
		first = Int64GetDatum(RetailCellInt64(0, 1, &none));
	}
	return !none && DatumGetTimestampTz(first) <= DatumGetTimestampTz(as_of);
}

/* The same for the ledger of a batch. */
static bool
AnythingDueNow(Datum as_of)
{
	return AnythingDue(as_of, false);
}

/* Adds what due holds give back; tells whether there are any. */
static bool
AddDueHolds(const SourcingRequest *request, Datum skus, bool read_only,
			StockView *view)
{
	Datum values[2] = {
		skus, TimestampTzGetDatum(RetailEffectiveTime(request->as_of))};

	if (request->ledger
			? !LedgerSeesDue(request->ledger, values[1], AnythingDueNow)
			: !AnythingDue(values[1], read_only))
		return false;
	RetailExecute(&select_expired, values, NULL, read_only, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		StockCell *cell = FindCell(request, view, RetailCellInt64(row, 1, NULL),
								   RetailCellInt64(row, 2, NULL));

		if (cell)
			cell->available += RetailCellInt64(row, 3, NULL);
	}
	return SPI_processed > 0;
}

/*
 * Reads what may be promised of the SKUs of a request, inside an SPI
 * connection.
 */
void
ReadStockView(const SourcingRequest *request, bool read_only, StockView *view)
{
	int64 *sku_ids = palloc(sizeof(int64) * request->n_lines);
	Datum skus;

	for (int i = 0; i < request->n_lines; i++)
		sku_ids[i] = request->lines[i].sku_id;
	skus = RetailInt64Array(sku_ids, request->n_lines);
	view->from_cache = StockCacheUsable();
	if (view->from_cache)
		ReadCache(request, read_only, view);
	else
		ReadTables(request, skus, read_only, view);
	view->saw_expired = AddDueHolds(request, skus, read_only, view);
}
