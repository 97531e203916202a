/*-------------------------------------------------------------------------
 *
 * order_reload.c
 *	  States an order that was placed again, for the sourcing of some of its
 *	  units: rerouting what a node refused, the second look.
 *
 * The destination, the pick-up node and the day from which lateness counts are
 * the order's; lanes, tariffs, calendars and the policy are those of now.  The
 * caller has locked the order, so that its units stay what he says.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/order_reload.h"

#include "catalog/pg_type.h"

#include "sales/order_bundle.h"

static RetailStatement select_order = {
	"SELECT channel_id, region_id, latitude, longitude, pick_up_node_id, placed_at, promised_at, payment_due_at,"
	" fulfilment = 'ship_to_store'"
	" FROM retail.sales_order WHERE order_id = $1",
	1,
	{INT8OID}};

static RetailStatement select_lines = {
	"SELECT l.sku_id, s.code, s.weight_g, s.volume_cm3, s.temperature_class"
	" FROM unnest($2) WITH ORDINALITY AS u (line_no, n)"
	" JOIN retail.order_line l ON l.order_id = $1 AND l.line_no = u.line_no JOIN retail.sku s USING (sku_id)"
	" ORDER BY u.n",
	2,
	{INT8OID, INT8ARRAYOID}};

/* Reads the head of the order; the catalogue finds what its keys mean. */
static void
ReloadHead(ReloadedOrder *order, const char *policy)
{
	SourcingRequest *s = &order->sourcing;
	Datum values[1] = {Int64GetDatum(order->order_id)};
	bool isnull;
	bool no_longitude;
	int64 id;

	RetailExecute(&select_order, values, NULL, false, SPI_OK_SELECT);
	if (SPI_processed == 0)
		elog(ERROR, "order %lld does not exist", (long long) order->order_id);
	s->catalog = RetailCatalogGet();
	s->channel = CatalogChannelById(s->catalog, RetailCellInt64(0, 1, &isnull));
	if (s->channel == NULL)
		elog(ERROR, "order %lld has no channel", (long long) order->order_id);
	s->policy = CatalogPolicyFor(s->catalog, policy, s->channel->id);
	if (s->policy == NULL)
		ereport(
			ERROR, errcode(RT_UNKNOWN_OBJECT),
			errmsg("unknown allocation policy"),
			errdetail("No policy is active for channel \"%s\".",
					  s->channel->code),
			errhint("Make one active with retail.put_allocation_policy()."));
	id = RetailCellInt64(0, 2, &isnull);
	s->region = isnull ? NULL : CatalogRegionById(s->catalog, id);
	s->latitude = RetailCellFloat8(0, 3, &isnull);
	s->longitude = RetailCellFloat8(0, 4, &no_longitude);
	s->located = !isnull && !no_longitude;
	id = RetailCellInt64(0, 5, &isnull);
	if (!isnull && RetailCellBool(0, 9))
		s->store = CatalogNodeById(s->catalog, id);
	else if (!isnull)
		s->pick_up_node = CatalogNodeById(s->catalog, id);
	s->placed_at = RetailCellInt64(0, 6, &isnull);
	order->promised_at = RetailCellInt64(0, 7, &isnull);
	order->has_promise = !isnull;
	order->held_until = RetailCellInt64(0, 8, &isnull);
	order->is_held = !isnull;
}

/*
 * States an order again, for the sourcing of the given units, inside an SPI
 * connection.  policy: its code, or NULL for the channel's active one.
 */
ReloadedOrder *
ReloadOrder(int64 order_id, const ReloadedUnits *units, int n,
			const char *policy, TimestampTz as_of)
{
	ReloadedOrder *order = palloc0(sizeof(ReloadedOrder));
	SourcingRequest *s = &order->sourcing;
	int64 *line_nos = palloc(sizeof(int64) * Max(n, 1));
	Datum values[2];

	order->order_id = order_id;
	s->as_of = as_of;
	s->order_id = order_id;
	ReloadHead(order, policy);
	for (int i = 0; i < n; i++)
		line_nos[i] = units[i].line_no;
	values[0] = Int64GetDatum(order_id);
	values[1] = RetailInt64Array(line_nos, n);
	RetailExecute(&select_lines, values, NULL, false, SPI_OK_SELECT);
	if (SPI_processed != (uint64) n)
		elog(ERROR, "order %lld lacks a line that is to be sourced",
			 (long long) order_id);
	s->n_lines = n;
	s->lines = palloc0(sizeof(SourcingLine) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		SourcingLine *line = &s->lines[i];

		line->line_no = units[i].line_no;
		line->quantity = units[i].quantity;
		line->sku_id = RetailCellInt64(i, 1, NULL);
		line->sku = RetailCellText(i, 2);
		line->weight_g = RetailCellInt64(i, 3, NULL);
		line->volume_cm3 = RetailCellInt64(i, 4, NULL);
		line->temperature = TemperatureBits(RetailCellText(i, 5));
	}
	RegroupLines(s, order_id);
	return order;
}
