/*-------------------------------------------------------------------------
 *
 * backorder.c
 *	  What becomes of the units of an order that are not there: they are
 *	  cancelled, or wait for what is on its way.  SQL decides and writes that
 *	  (control/34_sales_fulfilment.sql, 38_sales_backorder.sql); here are the
 *	  calls, and when a node could deliver what it is going to get.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/backorder.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"

#include "allocation/candidates.h"

static RetailStatement settle_shortage = {
	"SELECT promised_at, nothing_due, short FROM retail.settle_shortage($1, $2, $3)",
	3,
	{INT8OID, TEXTOID, TIMESTAMPTZOID}};

static RetailStatement quote_shortage = {
	"SELECT promised_at, short FROM retail.quote_shortage($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
	13,
	{TEXTOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
	 INT8ARRAYOID, TEXTOID, INT8OID, FLOAT8OID, FLOAT8OID, INT8OID, INT8OID,
	 TIMESTAMPTZOID}};

/* Keeps a promise and a jsonb of the last SPI result. */
static void
KeepAnswer(Placement *p, int promise, int units)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
								promise, &isnull);

	p->promised_at = isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, units,
						  &isnull);
	p->short_units = isnull ? 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
}

/*
 * Cancels the units of a written order that its plan leaves out, or lets them
 * wait, inside an SPI connection.
 */
void
SettleShortage(Placement *p)
{
	Datum values[3] = {Int64GetDatum(p->order_id),
					   CStringGetTextDatum(p->order->shortage_name),
					   TimestampTzGetDatum(p->order->sourcing.as_of)};

	RetailExecute(&settle_shortage, values, NULL, false, SPI_OK_SELECT);
	p->nothing_due = RetailCellBool(0, 2);
	KeepAnswer(p, 1, 3);
}

/* Says what SettleShortage() would do, without writing. */
void
QuoteShortage(Placement *p)
{
	const SourcingRequest *s = &p->order->sourcing;
	const CatalogNode *counter = s->store ? s->store : s->pick_up_node;
	int64 *columns[5];
	char nulls[14] = "             ";
	Datum values[13] = {0};

	for (int c = 0; c < 5; c++)
		columns[c] = palloc(sizeof(int64) * s->n_lines);
	for (int i = 0; i < s->n_lines; i++)
	{
		const OrderLinePrice *price = &p->order->prices[i];

		columns[0][i] = s->lines[i].line_no;
		columns[1][i] = s->lines[i].sku_id;
		columns[2][i] = s->lines[i].quantity;
		columns[3][i] =
			s->lines[i].quantity * price->unit_price - price->discount;
		columns[4][i] = s->lines[i].missing;
	}
	values[0] = CStringGetTextDatum(p->order->shortage_name);
	for (int c = 0; c < 5; c++)
		values[c + 1] = RetailInt64Array(columns[c], s->n_lines);
	values[6] = CStringGetTextDatum(s->store			  ? "ship_to_store"
										: s->pick_up_node ? "pick_up"
														  : "ship");
	values[7] = Int64GetDatum(s->region ? s->region->id : 0);
	values[8] = Float8GetDatum(s->latitude);
	values[9] = Float8GetDatum(s->longitude);
	values[10] = Int64GetDatum(counter ? counter->id : 0);
	values[11] = Int64GetDatum(s->channel->id);
	values[12] = TimestampTzGetDatum(s->as_of);
	if (!s->region)
		nulls[7] = 'n';
	if (!s->located)
		nulls[8] = nulls[9] = 'n';
	if (!counter)
		nulls[10] = 'n';
	RetailExecute(&quote_shortage, values, nulls, true, SPI_OK_SELECT);
	{
		TimestampTz planned = p->promised_at;

		KeepAnswer(p, 1, 2);
		if (p->order->shortage == SHORTAGE_PARTIAL)
			p->promised_at = planned;
		else if (p->promised_at != DT_NOBEGIN)
			p->promised_at = Max(p->promised_at, planned);
	}
}

/*
 * node_promise(node_id, at, temperature_class, fulfilment, region_id, latitude,
 *				longitude, counter_id, channel_id)
 */
PG_FUNCTION_INFO_V1(retail_node_promise);
Datum
retail_node_promise(PG_FUNCTION_ARGS)
{
	SourcingRequest request = {0};
	const CatalogNode *node;
	const CatalogNode *counter;
	char *fulfilment;
	uint32 temperature;
	TimestampTz promise;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) ||
		PG_ARGISNULL(3) || PG_ARGISNULL(8))
		PG_RETURN_NULL();
	request.catalog = RetailCatalogGet();
	request.as_of = request.placed_at = PG_GETARG_TIMESTAMPTZ(1);
	temperature = TemperatureBits(TextDatumGetCString(PG_GETARG_DATUM(2)));
	fulfilment = TextDatumGetCString(PG_GETARG_DATUM(3));
	request.channel = CatalogChannelById(request.catalog, PG_GETARG_INT64(8));
	node = CatalogNodeById(request.catalog, PG_GETARG_INT64(0));
	counter = PG_ARGISNULL(7)
		? NULL
		: CatalogNodeById(request.catalog, PG_GETARG_INT64(7));
	if (request.channel == NULL || node == NULL)
		PG_RETURN_NULL();
	request.policy =
		CatalogPolicyFor(request.catalog, NULL, request.channel->id);
	if (request.policy == NULL)
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(4))
		request.region = CatalogRegionById(request.catalog, PG_GETARG_INT64(4));
	request.located = !PG_ARGISNULL(5) && !PG_ARGISNULL(6);
	if (request.located)
	{
		request.latitude = PG_GETARG_FLOAT8(5);
		request.longitude = PG_GETARG_FLOAT8(6);
	}
	if (strcmp(fulfilment, "pick_up") == 0)
	{
		request.pick_up_node = counter;
		if (node != counter)
			PG_RETURN_NULL();
	}
	else if (strcmp(fulfilment, "ship_to_store") == 0)
		request.store = counter;
	if (request.pick_up_node == NULL && request.region == NULL)
		PG_RETURN_NULL();
	if (!ServesFrom(&request, node, temperature, &promise))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(promise);
}
