/*-------------------------------------------------------------------------
 *
 * order_request.c
 *	  Checks an order and resolves its codes: lines, destination, channel,
 *	  fulfilment and policy.  Bad input is refused with an error of class RT
 *	  before anything is read from stock.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/order_request.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "sales/order_bundle.h"

#define LINE_HINT \
	"A line is an object such as {\"sku\": \"A1\", \"qty\": 2, \"price\": 9.90, \"discount\": 0.50, \"unit\": \"BOX\"}; price, discount and unit may be left out."

/* A line as the caller wrote it. */
typedef struct InputLine
{
	char *sku;
	char *unit; /* NULL: base unit */
	int64 quantity;
	bool has_price;
	int64 price; /* of one of the caller's units */
	int64 discount;
} InputLine;

/* Finds a key of a JSON object; false when it is absent or null. */
static bool
FindKey(JsonbContainer *object, const char *key, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, key, (int) strlen(key),
										value) != NULL &&
		value->type != jbvNull;
}

/* Copies a JSON string. */
static char *
JsonText(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* Cuts a text of the caller that an error shows: he may have sent a megabyte. */
static const char *
Excerpt(const char *text)
{
	int length = (int) strlen(text);
	int shown = pg_mbcharcliplen(text, length, 200);

	return shown == length ? text : psprintf("%s...", pnstrdup(text, shown));
}

/* Shows a JSON value in an error. */
static const char *
JsonExcerpt(JsonbValue *value)
{
	Jsonb *jsonb = JsonbValueToJsonb(value);

	return Excerpt(JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb)));
}

/* Raises RT011 for a line that is not of the right form. */
static void
MalformedLine(int line, JsonbValue *element)
{
	ereport(ERROR, errcode(RT_INVALID_LINES),
			errmsg("line %d is malformed", line + 1),
			errdetail("It is %s.", JsonExcerpt(element)), errhint(LINE_HINT));
}

/* Reads an amount of money of a line; false when it is absent. */
static bool
LineMoney(JsonbContainer *object, int line, const char *key, int64 *cents)
{
	JsonbValue value;

	if (!FindKey(object, key, &value))
		return false;
	if (value.type != jbvNumeric ||
		!RetailNumericToCents(value.val.numeric, RETAIL_MAX_CENTS - 1, cents) ||
		*cents < 0)
		ereport(
			ERROR, errcode(RT_INVALID_MONEY),
			errmsg("invalid %s in line %d", key, line + 1),
			errdetail("%s is %s.", key, JsonExcerpt(&value)),
			errhint(
				"Give 0 or more, below one billion, with at most two decimals."));
	return true;
}

/* Reads one line. */
static void
ParseLine(JsonbValue *element, int line, InputLine *input)
{
	JsonbContainer *object = element->val.binary.data;
	JsonbValue value;

	memset(input, 0, sizeof(*input));
	if (element->type != jbvBinary || !JsonContainerIsObject(object))
		MalformedLine(line, element);
	if (!FindKey(object, "sku", &value) || value.type != jbvString)
		MalformedLine(line, element);
	input->sku = JsonText(&value);
	if (FindKey(object, "unit", &value))
	{
		if (value.type != jbvString)
			MalformedLine(line, element);
		input->unit = JsonText(&value);
	}
	if (!FindKey(object, "qty", &value) || value.type != jbvNumeric ||
		!RetailNumericToInt64(value.val.numeric, RETAIL_MAX_QUANTITY,
							  &input->quantity) ||
		input->quantity <= 0)
		ereport(ERROR, errcode(RT_INVALID_QUANTITY),
				errmsg("invalid quantity in line %d", line + 1),
				errdetail("SKU \"%s\" has quantity %s.", Excerpt(input->sku),
						  FindKey(object, "qty", &value) ? JsonExcerpt(&value)
														 : "null"),
				errhint("Give a whole number from 1 to 1000000000."));
	input->has_price = LineMoney(object, line, "price", &input->price);
	LineMoney(object, line, "discount", &input->discount);
}

/* Reads the list of lines. */
static InputLine *
ParseLines(Jsonb *lines, int *n)
{
	InputLine *input;

	if (!JB_ROOT_IS_ARRAY(lines) || JB_ROOT_IS_SCALAR(lines) ||
		JB_ROOT_COUNT(lines) < 1 ||
		JB_ROOT_COUNT(lines) > (uint32) retail_max_order_lines)
		ereport(
			ERROR, errcode(RT_INVALID_LINES), errmsg("invalid list of lines"),
			JB_ROOT_IS_ARRAY(lines) && !JB_ROOT_IS_SCALAR(lines)
				? errdetail("The order has %u lines.", JB_ROOT_COUNT(lines))
				: errdetail("lines is not a JSON array."),
			errhint(
				"Give a JSON array of 1 to %d lines (setting pg_retail.max_order_lines). %s",
				retail_max_order_lines, LINE_HINT));
	*n = (int) JB_ROOT_COUNT(lines);
	input = palloc(sizeof(InputLine) * *n);
	for (int i = 0; i < *n; i++)
		ParseLine(getIthJsonbValueFromContainer(&lines->root, i), i, &input[i]);
	return input;
}

/* Adds a resolved line to the order, summing lines of one SKU. */
static void
AddLine(OrderRequest *order, const SourcingLine *line,
		const OrderLinePrice *price)
{
	SourcingRequest *sourcing = &order->sourcing;

	for (int i = 0; i < sourcing->n_lines; i++)
	{
		if (sourcing->lines[i].sku_id != line->sku_id)
			continue;
		if (order->prices[i].unit_price != price->unit_price)
			ereport(
				ERROR, errcode(RT_INVALID_LINES),
				errmsg("one SKU with two prices"),
				errdetail("SKU %s is listed at %lld.%02lld and at %lld.%02lld.",
						  line->sku,
						  (long long) order->prices[i].unit_price / 100,
						  (long long) order->prices[i].unit_price % 100,
						  (long long) price->unit_price / 100,
						  (long long) price->unit_price % 100),
				errhint(
					"List a SKU once, or give the difference as a discount."));
		sourcing->lines[i].quantity += line->quantity;
		order->prices[i].discount += price->discount;
		return;
	}
	sourcing->lines[sourcing->n_lines] = *line;
	sourcing->lines[sourcing->n_lines].line_no = sourcing->n_lines + 1;
	order->prices[sourcing->n_lines++] = *price;
}

/* Resolves a line of the caller. */
static void
ResolveLine(OrderRequest *order, const InputLine *input, int n,
			const SkuRow *row)
{
	SourcingLine line = {0};
	OrderLinePrice price = {0};
	int64 factor = row->factor;

	line.sku_id = row->sku_id;
	line.sku = input->sku;
	if (!row->found || !row->active)
		ereport(
			ERROR, errcode(RT_UNKNOWN_SKU),
			!row->found ? errmsg("unknown SKU") : errmsg("SKU is inactive"),
			errdetail("Line %d names SKU \"%s\".", n + 1, Excerpt(input->sku)),
			errhint(
				"Make it known with retail.put_sku(), or correct the code."));
	if (factor == 0)
		ereport(
			ERROR, errcode(RT_UNKNOWN_OBJECT), errmsg("unknown unit"),
			errdetail("SKU \"%s\" is not sold by \"%s\".", input->sku,
					  input->unit ? Excerpt(input->unit) : ""),
			errhint(
				"See retail.sku_unit, or add the pack with retail.put_sku_unit()."));
	if (input->quantity > RETAIL_MAX_QUANTITY / factor)
		ereport(ERROR, errcode(RT_INVALID_QUANTITY),
				errmsg("invalid quantity in line %d", n + 1),
				errdetail("%lld packs of %lld units are too many.",
						  (long long) input->quantity, (long long) factor),
				errhint("Give at most 1000000000 units."));
	line.weight_g = row->weight_g;
	line.volume_cm3 = row->volume_cm3;
	line.temperature = row->temperature;
	line.quantity = input->quantity * factor;
	price.discount = input->discount;
	if (input->has_price && input->price % factor != 0)
		ereport(
			ERROR, errcode(RT_INVALID_MONEY),
			errmsg("invalid price in line %d", n + 1),
			errdetail("A pack of %lld units does not cost whole cents a unit.",
					  (long long) factor),
			errhint("Order base units, or give the difference as a discount."));
	price.unit_price = input->has_price ? input->price / factor : row->price;
	if (!input->has_price && !row->priced)
		ereport(
			ERROR, errcode(RT_INVALID_MONEY),
			errmsg("line %d has no price", n + 1),
			errdetail("SKU \"%s\" has no list price.", input->sku),
			errhint(
				"Give \"price\" in the line, or a list price with retail.put_sku()."));
	if (row->bundle)
	{
		OrderBundle bundle = {line.sku_id, line.sku, line.quantity, price};

		AddBundle(order, &bundle);
	}
	else
		AddLine(order, &line, &price);
}

/* Checks the sums of the order: prices cannot overflow, discounts not exceed. */
static void
CheckTotals(OrderRequest *order)
{
	order->goods_total = 0;
	order->discount_total = 0;
	for (int i = 0; i < order->sourcing.n_lines; i++)
	{
		const SourcingLine *line = &order->sourcing.lines[i];
		const OrderLinePrice *price = &order->prices[i];

		if (line->quantity > RETAIL_MAX_QUANTITY)
			ereport(
				ERROR, errcode(RT_INVALID_QUANTITY),
				errmsg("invalid quantity of SKU %s", line->sku),
				errdetail("Its lines sum to %lld.", (long long) line->quantity),
				errhint("Give at most 1000000000 units."));
		if (price->unit_price > 0 &&
			line->quantity > RETAIL_MAX_CENTS * 100 / price->unit_price)
			ereport(ERROR, errcode(RT_INVALID_MONEY),
					errmsg("amount of SKU %s is too large", line->sku),
					errdetail("%lld units are more than an order may be worth.",
							  (long long) line->quantity),
					errhint("Divide the order."));
		if (price->discount > line->quantity * price->unit_price)
			ereport(
				ERROR, errcode(RT_INVALID_MONEY),
				errmsg("discount of SKU %s exceeds its amount", line->sku),
				errdetail("Discount is %lld.%02lld.",
						  (long long) price->discount / 100,
						  (long long) price->discount % 100),
				errhint(
					"A discount is of the whole line and at most quantity times price."));
		order->goods_total += line->quantity * price->unit_price;
		order->discount_total += price->discount;
	}
	if (order->goods_total >= RETAIL_MAX_CENTS * 10)
		ereport(ERROR, errcode(RT_INVALID_MONEY), errmsg("order is too large"),
				errdetail("Its goods are worth %lld.",
						  (long long) order->goods_total / 100),
				errhint("Divide the order."));
}

/* Resolves the lines against the SKUs. */
static void
ResolveLines(OrderRequest *order, const OrderArguments *arguments,
			 bool read_only)
{
	int n;
	InputLine *input = ParseLines(arguments->lines, &n);
	SkuLookup lookup;

	if (arguments->skus)
		lookup = *arguments->skus;
	else
		LookUpSkus(&arguments->lines, 1, read_only, &lookup);
	order->sourcing.lines = palloc0(sizeof(SourcingLine) * n);
	order->prices = palloc0(sizeof(OrderLinePrice) * n);
	order->bundles = palloc0(sizeof(OrderBundle) * n);
	for (int i = 0; i < n; i++)
		ResolveLine(order, &input[i], i, &lookup.rows[i]);
	CheckTotals(order);
	if (order->n_bundles > 0)
	{
		ExpandBundles(order, read_only);
		CheckTotals(order);
	}
}

/* Reads a coordinate of the destination; false when it is absent. */
static bool
Coordinate(JsonbContainer *object, const char *key, double limit,
		   double *result)
{
	JsonbValue value;

	if (!FindKey(object, key, &value))
		return false;
	if (value.type == jbvNumeric)
		*result = DatumGetFloat8(DirectFunctionCall1(
			numeric_float8_no_overflow, NumericGetDatum(value.val.numeric)));
	if (value.type != jbvNumeric || !(*result >= -limit && *result <= limit))
		ereport(
			ERROR, errcode(RT_INVALID_COORDINATES),
			errmsg("invalid coordinates"),
			errdetail("%s is %s.", key, JsonExcerpt(&value)),
			errhint(
				"Give degrees (WGS 84): lat from -90 to 90, lon from -180 to 180, both or neither."));
	return true;
}

/*
 * The region decides carriers and rates, coordinates only measure distances;
 * but both must mean the same part of the world (no 0, 0 by mistake).
 */
static void
CheckRegionSpan(const SourcingRequest *sourcing)
{
	double km;

	if (!sourcing->located)
		return;
	/* Mostly near enough to the region itself, whatever lies below it. */
	if (sourcing->region->located &&
		geo_distance_km(sourcing->latitude, sourcing->longitude,
						sourcing->region->latitude,
						sourcing->region->longitude) <= RETAIL_REGION_SPAN_KM)
		return;
	km = CatalogDistanceToRegion(sourcing->catalog, sourcing->region,
								 sourcing->latitude, sourcing->longitude);
	if (km > RETAIL_REGION_SPAN_KM)
		ereport(
			ERROR, errcode(RT_INVALID_COORDINATES),
			errmsg("region and coordinates contradict each other"),
			errdetail("lat %g, lon %g lies %.0f km from region %s.",
					  sourcing->latitude, sourcing->longitude, km,
					  sourcing->region->code),
			errhint(
				"Correct one of them, or leave the coordinates out; up to three times pg_retail.region_reach_km is accepted."));
}

/* Resolves the destination of an order that is shipped. */
static void
ResolveDestination(OrderRequest *order, Jsonb *destination)
{
	SourcingRequest *sourcing = &order->sourcing;
	JsonbValue value;
	bool has_lat;
	bool has_lon;

	if (destination == NULL || !JB_ROOT_IS_OBJECT(destination))
		ereport(
			ERROR, errcode(RT_INVALID_ARGUMENT),
			errmsg("destination is missing"),
			errdetail(
				"An order that is shipped needs a destination as a JSON object."),
			errhint(
				"Give {\"region\": code} and/or {\"lat\": ..., \"lon\": ...}."));
	has_lat = Coordinate(&destination->root, "lat", 90, &sourcing->latitude);
	has_lon = Coordinate(&destination->root, "lon", 180, &sourcing->longitude);
	if (has_lat != has_lon)
		ereport(ERROR, errcode(RT_INVALID_COORDINATES),
				errmsg("invalid coordinates"),
				errdetail("One of lat and lon is missing."),
				errhint("Give both or neither."));
	sourcing->located = has_lat;
	if (FindKey(&destination->root, "region", &value))
	{
		if (value.type == jbvString)
			sourcing->region =
				CatalogRegionByCode(sourcing->catalog, JsonText(&value));
		if (sourcing->region == NULL)
			ereport(
				ERROR, errcode(RT_UNKNOWN_REGION), errmsg("unknown region"),
				errdetail("Region %s is not in the catalogue.",
						  JsonExcerpt(&value)),
				errhint(
					"Make it known with retail.put_region(), or give coordinates instead."));
		CheckRegionSpan(sourcing);
	}
	else if (has_lat)
		sourcing->region = CatalogNearestRegion(
			sourcing->catalog, sourcing->latitude, sourcing->longitude);
	if (sourcing->region == NULL)
		ereport(
			ERROR, errcode(RT_UNKNOWN_REGION),
			errmsg("destination names no place"),
			errdetail("It has neither a region nor coordinates near one."),
			errhint(
				"Give {\"region\": code} and/or {\"lat\": ..., \"lon\": ...}."));
	for (const CatalogRegion *r = sourcing->region; r && !sourcing->located;
		 r = r->parent)
	{
		sourcing->located = r->located;
		sourcing->latitude = r->latitude;
		sourcing->longitude = r->longitude;
	}
}

/* Finds the node where an order is collected. */
static const CatalogNode *
ResolveCounter(const OrderRequest *order, const char *code)
{
	const CatalogNode *node =
		code ? CatalogNodeByCode(order->sourcing.catalog, code) : NULL;
	if (node == NULL || !node->active)
		ereport(ERROR, errcode(RT_UNKNOWN_NODE), errmsg("unknown pick-up node"),
				code ? errdetail(
						   "Node \"%s\" is not in the catalogue, or inactive.",
						   Excerpt(code))
					 : errdetail("pick_up_node is null."),
				errhint("Name a node that customers may collect from."));
	/* cppcheck-suppress nullPointerRedundantCheck */
	if (!node->can_pick_up)
		ereport(ERROR, errcode(RT_NODE_INCAPABLE),
				errmsg("customers cannot collect at this node"),
				errdetail("Node %s does not offer pick-up.", node->code),
				errhint("Choose another node, or ship."));
	return node;
}

/* The order is collected at a node, from what it has. */
void
PickUpAt(SourcingRequest *sourcing, const CatalogNode *node)
{
	sourcing->pick_up_node = node;
	sourcing->store = NULL;
	sourcing->region = NULL;
	sourcing->located = node->located;
	sourcing->latitude = node->latitude;
	sourcing->longitude = node->longitude;
}

/*
 * The order is collected at a store, to which others ship what it lacks; false
 * when the catalogue does not say where the store lies.
 */
bool
ShipToStore(SourcingRequest *sourcing, const CatalogNode *node)
{
	PickUpAt(sourcing, node);
	sourcing->pick_up_node = NULL;
	sourcing->store = node;
	sourcing->region = node->region;
	if (node->region == NULL && node->located)
		sourcing->region = CatalogNearestRegion(
			sourcing->catalog, node->latitude, node->longitude);
	return sourcing->region != NULL;
}

/* Resolves how an order reaches the customer. */
static void
ResolveFulfilment(OrderRequest *order, const OrderArguments *arguments)
{
	SourcingRequest *sourcing = &order->sourcing;

	if (strcmp(arguments->fulfilment, "ship") == 0)
		ResolveDestination(order, arguments->destination);
	else if (strcmp(arguments->fulfilment, "pick_up") == 0)
		PickUpAt(sourcing, ResolveCounter(order, arguments->pick_up_node));
	else if (strcmp(arguments->fulfilment, "ship_to_store") == 0)
	{
		if (!ShipToStore(sourcing,
						 ResolveCounter(order, arguments->pick_up_node)))
			ereport(
				ERROR, errcode(RT_UNKNOWN_REGION),
				errmsg("the store lies nowhere"),
				errdetail(
					"Node %s has neither a region nor coordinates near one.",
					sourcing->store->code),
				errhint("Give it a region with retail.put_node()."));
	}
	else
		ereport(
			ERROR, errcode(RT_INVALID_ARGUMENT), errmsg("invalid fulfilment"),
			errdetail("fulfilment is \"%s\".", Excerpt(arguments->fulfilment)),
			errhint(
				"Use ship, pick_up or ship_to_store; till sales go to retail.record_sale()."));
}

/* Resolves what becomes of units that are not there. */
static void
ResolveShortage(OrderRequest *order, const char *shortage)
{
	order->shortage_name = shortage ? shortage : "refuse";
	if (strcmp(order->shortage_name, "refuse") == 0)
		order->shortage = SHORTAGE_REFUSE;
	else if (strcmp(order->shortage_name, "partial") == 0)
		order->shortage = SHORTAGE_PARTIAL;
	else if (strcmp(order->shortage_name, "backorder") == 0 ||
			 strcmp(order->shortage_name, "backorder_undated") == 0)
		order->shortage = SHORTAGE_BACKORDER;
	else
		ereport(
			ERROR, errcode(RT_INVALID_ARGUMENT), errmsg("invalid shortage"),
			errdetail("shortage is \"%s\".", Excerpt(shortage)),
			errhint("Use refuse, partial, backorder or backorder_undated."));
}

/* Keeps the personal part of a destination. */
static void
KeepRecipient(OrderRequest *order, Jsonb *destination)
{
	JsonbValue value;

	if (destination && JB_ROOT_IS_OBJECT(destination) &&
		FindKey(&destination->root, "recipient", &value))
		order->recipient = JsonbValueToJsonb(&value);
}

/* Reads the freight that the customer is charged. */
int64
FreightCents(Numeric freight)
{
	int64 cents;

	if (!RetailNumericToCents(freight, RETAIL_MAX_CENTS - 1, &cents) ||
		cents < 0)
		ereport(
			ERROR, errcode(RT_INVALID_MONEY), errmsg("invalid freight"),
			errdetail("freight is %s.",
					  DatumGetCString(DirectFunctionCall1(
						  numeric_out, NumericGetDatum(freight)))),
			errhint(
				"Give 0 or more, below one billion, with at most two decimals; or null to charge the rate card's freight."));
	return cents;
}

/* Is the order paid when it arrives, and not before it leaves? */
bool
IsPaidOnDelivery(const char *payment)
{
	bool on_delivery = strcmp(payment, "on_delivery") == 0;

	if (!on_delivery && strcmp(payment, "prepaid") != 0)
		ereport(ERROR, errcode(RT_INVALID_ARGUMENT), errmsg("invalid payment"),
				errdetail("payment is \"%s\".", Excerpt(payment)),
				errhint("Use prepaid or on_delivery."));
	return on_delivery;
}

/* Checks and resolves an order, inside an SPI connection. */
OrderRequest *
ParseOrder(const OrderArguments *arguments, bool read_only)
{
	OrderRequest *order = palloc0(sizeof(OrderRequest));
	SourcingRequest *sourcing = &order->sourcing;

	RetailCheckTime(arguments->as_of, "as_of");
	sourcing->as_of = arguments->as_of;
	sourcing->placed_at = arguments->as_of;
	sourcing->catalog = RetailCatalogGet();
	sourcing->channel =
		CatalogChannelByCode(sourcing->catalog, arguments->channel);
	if (sourcing->channel == NULL || !sourcing->channel->active)
		ereport(
			ERROR, errcode(RT_UNKNOWN_CHANNEL),
			sourcing->channel ? errmsg("channel is inactive")
							  : errmsg("unknown channel"),
			errdetail("Channel \"%s\".", Excerpt(arguments->channel)),
			errhint(
				"See SELECT code, name FROM retail.channel, or make it known with retail.put_channel()."));
	sourcing->policy = CatalogPolicyFor(sourcing->catalog, arguments->policy,
										sourcing->channel->id);
	if (sourcing->policy == NULL)
		ereport(
			ERROR, errcode(RT_UNKNOWN_OBJECT),
			errmsg("unknown allocation policy"),
			arguments->policy
				? errdetail("Policy \"%s\" does not exist, or is retired.",
							Excerpt(arguments->policy))
				: errdetail("No policy is active for channel \"%s\".",
							arguments->channel),
			errhint(
				"See SELECT code, version, status FROM retail.allocation_policy."));
	ResolveLines(order, arguments, read_only);
	ResolveFulfilment(order, arguments);
	ResolveShortage(order, arguments->shortage);
	KeepRecipient(order, arguments->destination);
	return order;
}
