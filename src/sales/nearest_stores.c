/*-------------------------------------------------------------------------
 *
 * nearest_stores.c
 *	  retail.nearest_stores(): where a customer could collect an order, how
 *	  far that is, when it would be ready and what it would cost the chain;
 *	  and retail.question_options(): the same for what a store refused.
 *
 * Stores are asked from the nearest outwards, each like an order that is
 * quoted, until enough of them can hand the order over.  Nothing is written.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/order_request.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "catalog/geo.h"
#include "catalog/pg_type.h"
#include "sales/order_reload.h"
#include "utils/array.h"

#define MAX_STORES 100
#define OFFERED_STORES 5

typedef struct Store
{
	const CatalogNode *node;
	double distance_km; /* NaN: not known */
} Store;

/* Orders stores by distance, those of unknown place last. */
static int
CompareStores(const void *a, const void *b)
{
	const Store *left = a;
	const Store *right = b;

	if (isnan(left->distance_km) != isnan(right->distance_km))
		return isnan(left->distance_km) ? 1 : -1;
	if (!isnan(left->distance_km) && left->distance_km != right->distance_km)
		return left->distance_km < right->distance_km ? -1 : 1;
	return left->node->id < right->node->id ? -1 : 1;
}

/* Lists the nodes where customers may collect now, nearest first. */
static Store *
ListStores(const SourcingRequest *sourcing, int *n)
{
	HASH_SEQ_STATUS scan;
	const CatalogNode *node;
	Store *stores = palloc(
		sizeof(Store) * Max(hash_get_num_entries(sourcing->catalog->nodes), 1));

	*n = 0;
	hash_seq_init(&scan, sourcing->catalog->nodes);
	while ((node = hash_seq_search(&scan)) != NULL)
	{
		if (!node->active || !node->can_pick_up ||
			sourcing->as_of < node->paused_until)
			continue;
		stores[*n].node = node;
		stores[(*n)++].distance_km = sourcing->located && node->located
			? geo_distance_km(node->latitude, node->longitude,
							  sourcing->latitude, sourcing->longitude)
			: NAN;
	}
	qsort(stores, *n, sizeof(Store), CompareStores);
	return stores;
}

/* Asks when a stated order would be ready and for how much; false: never. */
static bool
AskStore(const SourcingRequest *sourcing, MemoryContext context, Datum *values,
		 bool *nulls)
{
	SourcingResult result;
	MemoryContext old;

	CHECK_FOR_INTERRUPTS();
	SourceOrder(sourcing, true, &result);
	if (result.status != SOLVER_OK)
		return false;
	old = MemoryContextSwitchTo(context);
	values[0] = TimestampTzGetDatum(PlanPromise(sourcing, &result));
	values[1] = RetailCentsToNumeric(result.plan.cost);
	nulls[0] = nulls[1] = false;
	MemoryContextSwitchTo(old);
	return true;
}

/* Asks stores one after the other, and returns those that can hand over. */
static void
AskStores(const OrderRequest *order, bool pick_up, bool ship_to_store,
		  int max_stores, ReturnSetInfo *rsinfo, MemoryContext caller)
{
	int n;
	int found = 0;
	Store *stores = ListStores(&order->sourcing, &n);
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "pg_retail store", ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < n && found < max_stores; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		SourcingRequest asked = order->sourcing;
		bool can = false;
		Datum values[6] = {0};
		bool nulls[6] = {false, false, true, true, true, true};

		values[0] = CStringGetTextDatum(stores[i].node->code);
		values[1] = Float8GetDatum(stores[i].distance_km);
		nulls[1] = isnan(stores[i].distance_km);
		PickUpAt(&asked, stores[i].node);
		if (pick_up)
			can |= AskStore(&asked, context, &values[2], &nulls[2]);
		if (ship_to_store && ShipToStore(&asked, stores[i].node))
			can |= AskStore(&asked, context, &values[4], &nulls[4]);
		if (can)
		{
			MemoryContextSwitchTo(caller);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
								 nulls);
			found++;
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
}

/*
 * nearest_stores(channel, lines, destination, max_stores, fulfilment, policy,
 *				  as_of)
 */
PG_FUNCTION_INFO_V1(retail_nearest_stores);
Datum
retail_nearest_stores(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"channel",	  "lines", "destination", "max_stores",
		"fulfilment", "",	   "as_of"};
	static const int codes[] = {RT_UNKNOWN_CHANNEL,	 RT_INVALID_LINES,
								RT_INVALID_ARGUMENT, RT_INVALID_ARGUMENT,
								RT_INVALID_ARGUMENT, 0,
								RT_INVALID_TIME};
	MemoryContext caller = CurrentMemoryContext;
	OrderArguments arguments = {0};
	OrderRequest *order;
	char *fulfilment;
	bool pick_up;
	bool ship_to_store;
	int max_stores;

	for (int i = 0; i < 7; i++)
		if (i != 5 && PG_ARGISNULL(i))
			ereport(ERROR, errcode(codes[i]), errmsg("%s is missing", names[i]),
					errdetail("%s is null.", names[i]),
					errhint("Give a value for %s.", names[i]));
	arguments.channel = text_to_cstring(PG_GETARG_TEXT_PP(0));
	arguments.lines = PG_GETARG_JSONB_P(1);
	arguments.destination = PG_GETARG_JSONB_P(2);
	arguments.fulfilment = "ship"; /* to find out where the customer is */
	arguments.policy =
		PG_ARGISNULL(5) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(5));
	arguments.as_of = PG_GETARG_TIMESTAMPTZ(6);
	max_stores = PG_GETARG_INT32(3);
	fulfilment = text_to_cstring(PG_GETARG_TEXT_PP(4));
	pick_up = strcmp(fulfilment, "ship_to_store") != 0;
	ship_to_store = strcmp(fulfilment, "pick_up") != 0;
	if (max_stores < 1 || max_stores > MAX_STORES)
		ereport(ERROR, errcode(RT_INVALID_ARGUMENT),
				errmsg("invalid value for max_stores"),
				errdetail("max_stores is %d.", max_stores),
				errhint("Give 1 to %d.", MAX_STORES));
	if (pick_up && ship_to_store && strcmp(fulfilment, "any") != 0)
		ereport(ERROR, errcode(RT_INVALID_ARGUMENT),
				errmsg("invalid fulfilment"),
				errdetail("fulfilment is \"%.200s\".", fulfilment),
				errhint("Use pick_up, ship_to_store or any."));

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	order = ParseOrder(&arguments, true);
	AskStores(order, pick_up, ship_to_store, max_stores,
			  (ReturnSetInfo *) fcinfo->resultinfo, caller);
	SPI_finish();
	return (Datum) 0;
}

/* What a customer may choose instead of the pick-up that was refused. */
typedef struct Offers
{
	const SourcingRequest *refused; /* what is left of the order to fulfil */
	ReturnSetInfo *rsinfo;
	MemoryContext caller;
	MemoryContext work; /* of one offer */
} Offers;

/* Offers an answer if somebody can fulfil it; returns whether. */
static bool
Offer(const Offers *offers, const char *answer, const SourcingRequest *asked,
	  const CatalogNode *node, double distance_km)
{
	MemoryContext old = MemoryContextSwitchTo(offers->work);
	Datum values[6] = {0};
	bool nulls[6] = {false};
	bool can = AskStore(asked, offers->work, &values[4], &nulls[4]);

	values[0] = CStringGetTextDatum(answer);
	values[1] = CStringGetTextDatum(node ? node->code : "");
	nulls[1] = node == NULL;
	values[2] = Float8GetDatum(distance_km);
	nulls[2] = isnan(distance_km);
	values[3] = CStringGetTextDatum(asked->region ? asked->region->code : "");
	nulls[3] = asked->region == NULL;
	if (can)
	{
		MemoryContextSwitchTo(offers->caller);
		tuplestore_putvalues(offers->rsinfo->setResult, offers->rsinfo->setDesc,
							 values, nulls);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(offers->work);
	return can;
}

/* Offers the nearest other stores that have what was refused. */
static void
OfferStores(const Offers *offers)
{
	int n;
	int found = 0;
	Store *stores = ListStores(offers->refused, &n);

	for (int i = 0; i < n && found < OFFERED_STORES; i++)
	{
		SourcingRequest asked = *offers->refused;

		if (stores[i].node == offers->refused->pick_up_node)
			continue;
		PickUpAt(&asked, stores[i].node);
		found += Offer(offers, "other_store", &asked, stores[i].node,
					   stores[i].distance_km);
	}
}

/* Offers to send it: to the store, and home. */
static void
OfferShipping(const Offers *offers)
{
	const SourcingRequest *refused = offers->refused;
	SourcingRequest asked = *refused;

	if (!ShipToStore(&asked, refused->pick_up_node))
		return;
	Offer(offers, "ship_to_store", &asked, refused->pick_up_node, 0);
	/* Nobody knows yet where home is: near the store, most likely. */
	asked.store = NULL;
	if (refused->region)
	{
		asked.region = refused->region;
		asked.located = refused->located;
		asked.latitude = refused->latitude;
		asked.longitude = refused->longitude;
	}
	Offer(offers, "ship_home", &asked, NULL, NAN);
}

/*
 * question_options(order_id, line_nos, quantities, excluded, as_of)
 */
PG_FUNCTION_INFO_V1(retail_question_options);
Datum
retail_question_options(PG_FUNCTION_ARGS)
{
	Offers offers = {.caller = CurrentMemoryContext,
					 .rsinfo = (ReturnSetInfo *) fcinfo->resultinfo};
	ReloadedOrder *order;
	ReloadedUnits *units;
	int n;
	int64 *lines = RetailInt64ArrayArgument(fcinfo, 1, &n);
	int n_quantities;
	int64 *quantities = RetailInt64ArrayArgument(fcinfo, 2, &n_quantities);

	if (n == 0 || n != n_quantities)
		elog(ERROR, "no units to ask about");
	units = palloc(sizeof(ReloadedUnits) * n);
	for (int i = 0; i < n; i++)
	{
		units[i].line_no = (int) lines[i];
		units[i].quantity = quantities[i];
	}
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	order = ReloadOrder(PG_GETARG_INT64(0), units, n, NULL,
						PG_GETARG_TIMESTAMPTZ(4));
	order->sourcing.excluded =
		RetailInt64ArrayArgument(fcinfo, 3, &order->sourcing.n_excluded);
	offers.refused = &order->sourcing;
	offers.work = AllocSetContextCreate(CurrentMemoryContext, "pg_retail offer",
										ALLOCSET_DEFAULT_SIZES);
	if (order->sourcing.pick_up_node)
	{
		OfferStores(&offers);
		OfferShipping(&offers);
	}
	SPI_finish();
	return (Datum) 0;
}
