/*-------------------------------------------------------------------------
 *
 * kept.c
 *	  What is kept for orders that wait: units that are pegged to supply of a
 *	  node are like safety stock there for orders that came later, so that
 *	  nobody overtakes between the receipt and its release to who waits.
 *
 * A new order comes after all that wait; one that exists after those of higher
 * priority, and of equal priority that were placed before it.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/stock_view.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static RetailStatement select_kept = {
	"SELECT b.sku_id, b.node_id, sum(b.quantity)::bigint FROM retail.backorder b"
	" WHERE b.sku_id = ANY ($1) AND b.node_id IS NOT NULL AND ($2 = 0 OR (b.order_id <> $2 AND (-b.priority, b.since, b.order_id)"
	" < (-coalesce((SELECT max(x.priority) FROM retail.backorder x WHERE x.order_id = $2), 0), $3, $2)))"
	" GROUP BY 1, 2",
	3,
	{INT8ARRAYOID, INT8OID, TIMESTAMPTZOID}};

/*
 * Has any order ever waited since the table was last empty?  Cheaper than a
 * query for each order of a chain where none does.
 */
static bool
AnyBackorders(void)
{
	Oid relid =
		get_relname_relid("backorder", get_namespace_oid("retail", false));
	Relation relation;
	bool any;

	/* The library may be newer than the tables: upgrade() has not run yet. */
	if (!OidIsValid(relid))
		return false;
	relation = table_open(relid, AccessShareLock);
	any = RelationGetNumberOfBlocks(relation) > 0;
	table_close(relation, AccessShareLock);
	return any;
}

/* Adds what is kept for others to the safety stock of the cells. */
void
KeepForBackorders(const SourcingRequest *request, bool read_only,
				  StockView *view)
{
	int64 *sku_ids;
	Datum values[3];

	if (view->n_cells == 0 || !AnyBackorders())
		return;
	sku_ids = palloc(sizeof(int64) * request->n_lines);
	for (int i = 0; i < request->n_lines; i++)
		sku_ids[i] = request->lines[i].sku_id;
	values[0] = RetailInt64Array(sku_ids, request->n_lines);
	values[1] = Int64GetDatum(request->order_id);
	values[2] = TimestampTzGetDatum(request->placed_at);
	RetailExecute(&select_kept, values, NULL, read_only, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int64 sku_id = RetailCellInt64(row, 1, NULL);
		int64 node_id = RetailCellInt64(row, 2, NULL);

		for (int i = 0; i < view->n_cells; i++)
			if (view->cells[i].node_id == node_id &&
				request->lines[view->cells[i].line].sku_id == sku_id)
				view->cells[i].safety += RetailCellInt64(row, 3, NULL);
	}
}
