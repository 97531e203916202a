/*-------------------------------------------------------------------------
 *
 * stock_view.c
 *	  Reads what each node may promise of the SKUs of an order:
 *		on hand - reserved + due holds - safety stock of the channel
 *	  where due holds are reservations that expired but were not yet swept:
 *	  they stop counting when they expire.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/stock_view.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

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

/*
 * Reads what may be promised of the SKUs of a request, inside an SPI
 * connection.
 */
void
ReadStockView(const SourcingRequest *request, bool read_only, StockView *view)
{
	int64 *sku_ids = palloc(sizeof(int64) * request->n_lines);
	Datum skus;
	HTAB *index;

	for (int i = 0; i < request->n_lines; i++)
		sku_ids[i] = request->lines[i].sku_id;
	skus = RetailInt64Array(sku_ids, request->n_lines);
	view->cells = ReadStock(request, skus, read_only, &view->n_cells, &index);
	view->saw_expired = AdjustStock(request, skus, read_only, index);
}
