/*-------------------------------------------------------------------------
 *
 * place_order.c
 *	  retail.place_order() and retail.quote_order(): one call decides who
 *	  fulfils an order, and holds the stock.
 *
 * place_order writes the order with all its rows (order_writer.c) in a
 * subtransaction, the stock counters last.  Each counter is taken by an UPDATE that checks what
 * may be promised; when another buyer was faster, the subtransaction is rolled
 * back and the order is decided anew on the stock that is left, so a decision
 * never rests on units that are gone.  The same external number finds the
 * first order by its unique key, waiting for one that is being placed.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "retail.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "sales/backorder.h"
#include "sales/order_hash.h"

/* How often a decision is made anew before the caller is told to try again. */
#define MAX_ATTEMPTS 20

static RetailStatement select_order = {
	"SELECT o.order_id, o.request_hash, o.status, o.goods_total, o.discount_total, o.freight_total, o.total,"
	" coalesce((e.detail ->> 'promised_at')::timestamptz, CASE WHEN d.trace IS NULL THEN o.promised_at ELSE (d.trace ->> 'promised_at')::timestamptz END), d.trace -> 'parcels', o.recorded_at,"
	" e.detail -> 'short'"
	" FROM retail.sales_order o LEFT JOIN LATERAL (SELECT x.trace FROM retail.allocation_decision x"
	" WHERE x.order_id = o.order_id ORDER BY x.decided_at LIMIT 1) d ON true"
	" LEFT JOIN LATERAL (SELECT x.detail FROM retail.order_event x WHERE x.order_id = o.order_id"
	" AND x.kind IN ('line_cancelled', 'backordered') AND x.detail ? 'short' ORDER BY x.event_id LIMIT 1) e ON true"
	" WHERE o.channel_id = $1 AND o.external_no = $2",
	2,
	{INT8OID, TEXTOID}};

/* Returns the text of an argument, or NULL. */
static char *
TextArgument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument)
		? NULL
		: text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* Raises the given error when an argument that is needed is null. */
static void
RequireArgument(FunctionCallInfo fcinfo, int argument, const char *name,
				int code)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR, errcode(code), errmsg("%s is missing", name),
				errdetail("%s is null.", name),
				errhint("Give a value for %s.", name));
}

/* Returns what shall become of units that are not there. */
static const char *
ShortageArgument(FunctionCallInfo fcinfo, int argument)
{
	/* The function of 0.1.0 has no such argument. */
	if (PG_NARGS() <= argument)
		return "refuse";
	RequireArgument(fcinfo, argument, "shortage", RT_INVALID_ARGUMENT);
	return TextArgument(fcinfo, argument);
}

/* Decides and writes the order once, in a subtransaction. */
static Outcome
Attempt(Placement *p, bool wait)
{
	const SourcingRequest *s = &p->order->sourcing;
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile Outcome outcome = TAKEN;
	StockShortage shortage;

	SourceWithRule(s, p->order->shortage, false, &p->result);
	if (p->result.status != SOLVER_OK)
		return NO_PLAN;
	CompletePlacement(p);

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY()
		;
		{
			outcome = WriteOrders(&p, 1, wait, &shortage);
		}
		PG_CATCH();
		{
			ErrorData *error;

			/* An error that left us inside would abort the session's next statements. */
			MemoryContextSwitchTo(context);
			error = CopyErrorData();
			FlushErrorState();
			RollbackAndReleaseCurrentSubTransaction();
			MemoryContextSwitchTo(context);
			CurrentResourceOwner = owner;
			/* What was locked is free again: the loop is ours, decide anew. */
			if (error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED)
				ReThrowError(error);
			FreeErrorData(error);
			return OUTRUN;
		}
	PG_END_TRY();
	if (outcome == OUTRUN)
		RollbackAndReleaseCurrentSubTransaction();
	else
		ReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return outcome;
}

/* Are two hashes the same? */
static bool
SameHash(Datum a, Datum b)
{
	return DatumGetBool(DirectFunctionCall2(byteaeq, a, b));
}

/* Does a channel have an order of this number, or can only a statement tell? */
static bool
IsRepeated(const CatalogChannel *channel, const char *external_no)
{
	RetailKeys *numbers = OrderNumbersBegin();
	bool taken = OrderNumberIsTaken(numbers, channel->id, external_no);

	RetailKeysEnd(numbers);
	return taken;
}

/*
 * Looks for the order of this number; fills the answer and returns true when
 * it was placed before with the same content, raises RT030 with other content.
 */
static bool
FindOrder(const char *channel, int64 channel_id, const Placement *p,
		  const OrderContent *content, Datum *answer, bool *nulls,
		  MemoryContext context)
{
	Datum values[2] = {Int64GetDatum(channel_id),
					   CStringGetTextDatum(p->external_no)};
	MemoryContext old;
	Datum hash;
	bool isnull;

	RetailExecute(&select_order, values, NULL, false, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	hash =
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
	if (!SameHash(hash, p->request_hash) &&
		!SameHash(hash, HashOrder(content, true)))
		ereport(
			ERROR, errcode(RT_NUMBER_REUSED), errmsg("order number reused"),
			errdetail(
				"Order \"%s\" of channel \"%s\" was placed with other content.",
				p->external_no, channel),
			errhint(
				"Use a new number for a new order; repeat the same content to get the first answer."));
	/* Columns 3 to 9 of the row are 2 to 8 of the answer, its status as placed. */
	old = MemoryContextSwitchTo(context);
	answer[0] = Int64GetDatum(RetailCellInt64(0, 1, NULL));
	nulls[0] = false;
	answer[1] = CStringGetTextDatum("open");
	nulls[1] = false;
	for (int i = 2; i < 8; i++)
	{
		Form_pg_attribute attribute =
			TupleDescAttr(SPI_tuptable->tupdesc, i + 1);

		answer[i] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
								  i + 2, &nulls[i]);
		if (!nulls[i])
			answer[i] =
				datumCopy(answer[i], attribute->attbyval, attribute->attlen);
	}
	answer[8] = BoolGetDatum(true);
	nulls[8] = false;
	answer[9] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 11,
							  &nulls[9]);
	if (!nulls[9])
		answer[9] = PointerGetDatum(PG_DETOAST_DATUM_COPY(answer[9]));
	MemoryContextSwitchTo(old);
	return true;
}

/* Forms the result tuple of the calling function. */
static Datum
FormAnswer(FunctionCallInfo fcinfo, Datum *answer, bool *nulls)
{
	TupleDesc tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(tupdesc), answer, nulls));
}

/* Places an order whose number is new; fills the answer. */
static void
PlaceNew(Placement *p, const char *channel, const OrderContent *content,
		 Datum *answer, bool *nulls, MemoryContext context)
{
	OrderRequest *order = p->order;
	Outcome outcome = OUTRUN;
	MemoryContext old;

	for (int attempt = 0; outcome == OUTRUN; attempt++)
	{
		CHECK_FOR_INTERRUPTS();
		if (attempt == MAX_ATTEMPTS)
			ereport(
				ERROR, errcode(RT_TOO_BUSY),
				errmsg("stock changed under the decision %d times",
					   MAX_ATTEMPTS),
				errdetail(
					"Other orders took the units of order \"%s\" again and again.",
					p->external_no),
				errhint("Place the order again."));
		/* One level was wrong; ask the table about all of them. */
		order->sourcing.stock_anew = attempt > 0;
		outcome = Attempt(p, attempt > 0);
	}
	if (outcome != PLACED)
	{
		/* What is missing may have gone to this very order, placed meanwhile. */
		if (FindOrder(channel, order->sourcing.channel->id, p, content, answer,
					  nulls, context))
			return;
		if (outcome == NO_PLAN)
			ReportNoPlan(&order->sourcing, &p->result);
		ereport(ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				errmsg("order \"%s\" is being placed by another transaction",
					   p->external_no));
	}
	old = MemoryContextSwitchTo(context);
	memset(nulls, 0, sizeof(bool) * 10);
	answer[0] = Int64GetDatum(p->order_id);
	answer[1] = CStringGetTextDatum("open");
	answer[2] = RetailCentsToNumeric(order->goods_total);
	answer[3] = RetailCentsToNumeric(order->discount_total);
	answer[4] = RetailCentsToNumeric(p->freight);
	answer[5] = RetailCentsToNumeric(order->goods_total -
									 order->discount_total + p->freight);
	answer[6] = TimestampTzGetDatum(p->promised_at);
	answer[7] = ParcelsJsonb(&order->sourcing, &p->result, p->shipment_ids);
	answer[8] = BoolGetDatum(false);
	nulls[9] = p->short_units == 0;
	answer[9] =
		nulls[9] ? 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(p->short_units));
	nulls[6] = p->promised_at == DT_NOBEGIN;
	MemoryContextSwitchTo(old);
}

/*
 * place_order(channel, external_no, lines, destination, fulfilment,
 *			   pick_up_node, member_id, freight, payment, policy, as_of,
 *			   shortage)
 */
PG_FUNCTION_INFO_V1(retail_place_order);
Datum
retail_place_order(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	OrderArguments arguments = {0};
	OrderContent content = {0};
	Placement p = {0};
	Datum answer[10];
	bool nulls[10];
	const CatalogChannel *channel;

	RequireArgument(fcinfo, 0, "channel", RT_UNKNOWN_CHANNEL);
	RequireArgument(fcinfo, 1, "external_no", RT_INVALID_TEXT);
	RequireArgument(fcinfo, 2, "lines", RT_INVALID_LINES);
	RequireArgument(fcinfo, 4, "fulfilment", RT_INVALID_ARGUMENT);
	RequireArgument(fcinfo, 8, "payment", RT_INVALID_ARGUMENT);
	RequireArgument(fcinfo, 10, "as_of", RT_INVALID_TIME);
	arguments.channel = TextArgument(fcinfo, 0);
	arguments.lines = PG_GETARG_JSONB_P(2);
	arguments.destination = PG_ARGISNULL(3) ? NULL : PG_GETARG_JSONB_P(3);
	arguments.fulfilment = TextArgument(fcinfo, 4);
	arguments.pick_up_node = TextArgument(fcinfo, 5);
	arguments.policy = TextArgument(fcinfo, 9);
	arguments.as_of = PG_GETARG_TIMESTAMPTZ(10);
	arguments.shortage = ShortageArgument(fcinfo, 11);
	p.external_no = TextArgument(fcinfo, 1);
	p.actor = RetailCallerName();
	p.has_member = !PG_ARGISNULL(6);
	p.member_id = p.has_member ? PG_GETARG_INT64(6) : 0;
	p.freight_given = !PG_ARGISNULL(7);
	p.freight = p.freight_given ? FreightCents(PG_GETARG_NUMERIC(7)) : 0;
	p.on_delivery = IsPaidOnDelivery(TextArgument(fcinfo, 8));
	RetailCheckText(p.external_no, "external_no", 200);
	content.lines = arguments.lines;
	content.destination = arguments.destination;
	content.fulfilment = arguments.fulfilment;
	content.pick_up_node = arguments.pick_up_node;
	content.has_member = p.has_member;
	content.member_id = p.member_id;
	content.freight = p.freight_given ? PG_GETARG_NUMERIC(7) : NULL;
	content.payment = TextArgument(fcinfo, 8);
	content.shortage = arguments.shortage;
	p.request_hash = HashOrder(&content, false);

	SPI_connect();
	/* A retry is answered even when the catalogue has changed since. */
	channel = CatalogChannelByCode(RetailCatalogGet(), arguments.channel);
	if (channel == NULL || !IsRepeated(channel, p.external_no) ||
		!FindOrder(arguments.channel, channel->id, &p, &content, answer, nulls,
				   context))
	{
		p.order = ParseOrder(&arguments, false);
		PlaceNew(&p, arguments.channel, &content, answer, nulls, context);
	}
	SPI_finish();
	return FormAnswer(fcinfo, answer, nulls);
}

/*
 * quote_order(channel, lines, destination, fulfilment, pick_up_node, freight,
 *			   policy, as_of, shortage)
 */
PG_FUNCTION_INFO_V1(retail_quote_order);
Datum
retail_quote_order(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	OrderArguments arguments = {0};
	OrderRequest *order;
	Placement p = {0};
	Datum answer[10];
	bool nulls[10] = {0};
	MemoryContext old;

	RequireArgument(fcinfo, 0, "channel", RT_UNKNOWN_CHANNEL);
	RequireArgument(fcinfo, 1, "lines", RT_INVALID_LINES);
	RequireArgument(fcinfo, 3, "fulfilment", RT_INVALID_ARGUMENT);
	RequireArgument(fcinfo, 7, "as_of", RT_INVALID_TIME);
	arguments.channel = TextArgument(fcinfo, 0);
	arguments.lines = PG_GETARG_JSONB_P(1);
	arguments.destination = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);
	arguments.fulfilment = TextArgument(fcinfo, 3);
	arguments.pick_up_node = TextArgument(fcinfo, 4);
	p.freight_given = !PG_ARGISNULL(5);
	p.freight = p.freight_given ? FreightCents(PG_GETARG_NUMERIC(5)) : 0;
	arguments.policy = TextArgument(fcinfo, 6);
	arguments.as_of = PG_GETARG_TIMESTAMPTZ(7);
	arguments.shortage = ShortageArgument(fcinfo, 8);

	SPI_connect();
	order = ParseOrder(&arguments, true);
	SourceWithRule(&order->sourcing, order->shortage, true, &p.result);
	if (p.result.status != SOLVER_OK)
		ReportNoPlan(&order->sourcing, &p.result);
	p.order = order;
	CompletePlacement(&p);
	if (AnyMissing(&order->sourcing))
		QuoteShortage(&p);
	old = MemoryContextSwitchTo(context);
	answer[0] = RetailCentsToNumeric(order->goods_total);
	answer[1] = RetailCentsToNumeric(order->discount_total);
	answer[2] = RetailCentsToNumeric(p.freight);
	answer[3] = RetailCentsToNumeric(order->goods_total -
									 order->discount_total + p.freight);
	answer[4] = TimestampTzGetDatum(p.promised_at);
	nulls[4] = p.promised_at == DT_NOBEGIN;
	answer[5] = ParcelsJsonb(&order->sourcing, &p.result, NULL);
	answer[6] = RetailCentsToNumeric(p.result.plan.cost);
	answer[7] = BoolGetDatum(p.result.plan.exact);
	answer[8] = DecisionTrace(&order->sourcing, &p.result, NULL);
	nulls[9] = p.short_units == 0;
	if (!nulls[9])
		answer[9] = PointerGetDatum(PG_DETOAST_DATUM_COPY(p.short_units));
	MemoryContextSwitchTo(old);
	SPI_finish();
	return FormAnswer(fcinfo, answer, nulls);
}
