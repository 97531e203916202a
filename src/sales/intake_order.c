/*-------------------------------------------------------------------------
 *
 * intake_order.c
 *	  Reads one submitted order from its JSON object.
 *
 * Only the form is checked here, without raising anything: one bad order must
 * not refuse the others, and a subtransaction for each would cost more than
 * the queue.  What the codes mean is found out when the order is decided.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/intake.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "compat.h"
#include "sales/order_hash.h"
#include "sales/order_request.h"

#define KEYS_HINT \
	"The keys of an order are channel, external_no, lines, destination, fulfilment, pick_up_node, member_id, freight, payment, policy, shortage, priority and needed_by."

static const char *const known_keys[] = {
	"channel",		"external_no", "lines",	   "destination", "fulfilment",
	"pick_up_node", "member_id",   "freight",  "payment",	  "policy",
	"shortage",		"priority",	   "needed_by"};

/* Fills in what is wrong; returns false. */
static bool
Refuse(IntakeError *error, int sqlstate, const char *message,
	   const char *detail, const char *hint)
{
	error->sqlstate = sqlstate;
	error->message = message;
	error->detail = detail;
	error->hint = hint;
	return false;
}

/* Finds a key; false when it is absent or null. */
static bool
Find(JsonbContainer *object, const char *key, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, key, (int) strlen(key),
										value) != NULL &&
		value->type != jbvNull;
}

/* Shows a value, cut to what a person reads. */
static char *
Show(JsonbValue *value)
{
	Jsonb *jsonb = JsonbValueToJsonb(value);
	char *text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	int length = (int) strlen(text);

	return pnstrdup(text, pg_mbcliplen(text, length, 200));
}

/* Reads a text; false, with the error, when it is something else. */
static bool
ReadText(JsonbContainer *object, const char *key, char *missing, char **result,
		 IntakeError *error)
{
	JsonbValue value;

	*result = missing;
	if (!Find(object, key, &value))
		return true;
	if (value.type != jbvString)
		return Refuse(error, RT_INVALID_ARGUMENT,
					  psprintf("%s is no text", key),
					  psprintf("%s is %s.", key, Show(&value)),
					  psprintf("Give %s as a JSON string.", key));
	*result = pnstrdup(value.val.string.val, value.val.string.len);
	return true;
}

/* Reads a whole number of a range; false, with the error, otherwise. */
static bool
ReadInt(JsonbContainer *object, const char *key, int64 low, int64 high,
		bool *given, int64 *result, IntakeError *error)
{
	JsonbValue value;

	*given = Find(object, key, &value);
	*result = 0;
	if (!*given ||
		(value.type == jbvNumeric &&
		 RetailNumericToInt64(value.val.numeric, PG_INT64_MAX, result) &&
		 *result >= low && *result <= high))
		return true;
	return Refuse(error, RT_INVALID_ARGUMENT, psprintf("invalid %s", key),
				  psprintf("%s is %s.", key, Show(&value)),
				  high == PG_INT64_MAX
					  ? "Give a whole number."
					  : psprintf("Give a whole number from %lld to %lld.",
								 (long long) low, (long long) high));
}

/* Reads a time in ISO 8601; false, with the error, otherwise. */
static bool
ReadTime(JsonbContainer *object, const char *key, bool *given,
		 TimestampTz *result, IntakeError *error)
{
	JsonbValue value;
	char *text;
	char work[MAXDATELEN + MAXDATEFIELDS];
	char *fields[MAXDATEFIELDS];
	int types[MAXDATEFIELDS];
	int n_fields;
	int type;
	struct pg_tm tm;
	fsec_t fraction;
	int zone;

	*given = Find(object, key, &value);
	if (!*given)
		return true;
	if (value.type == jbvString)
	{
		text = pnstrdup(value.val.string.val, value.val.string.len);
		if (ParseDateTime(text, work, sizeof(work), fields, types,
						  MAXDATEFIELDS, &n_fields) == 0 &&
			decode_datetime_compat(fields, types, n_fields, &type, &tm,
								   &fraction, &zone) == 0 &&
			type == DTK_DATE &&
			tm2timestamp(&tm, fraction, &zone, result) == 0 && *result >= 0 &&
			*result < INT64CONST(36525) * USECS_PER_DAY)
			return true;
	}
	return Refuse(
		error, RT_INVALID_TIME, psprintf("invalid time for %s", key),
		psprintf("%s is %s.", key, Show(&value)),
		"Give a time such as \"2026-11-11T20:00:00+08:00\", in the years 2000 to 2099.");
}

/* Reads the parts of an order that are JSON themselves. */
static bool
ReadParts(JsonbContainer *object, IntakeOrder *order, IntakeError *error)
{
	JsonbValue value;

	if (!Find(object, "lines", &value) || value.type != jbvBinary ||
		!JsonContainerIsArray(value.val.binary.data) ||
		JsonContainerSize(value.val.binary.data) < 1 ||
		JsonContainerSize(value.val.binary.data) >
			(uint32) retail_max_order_lines)
		return Refuse(
			error, RT_INVALID_LINES, "invalid list of lines",
			"lines is missing, no array, empty or too long.",
			psprintf(
				"Give a JSON array of 1 to %d lines (setting pg_retail.max_order_lines).",
				retail_max_order_lines));
	order->lines = JsonbValueToJsonb(&value);
	if (Find(object, "destination", &value))
		order->destination = JsonbValueToJsonb(&value);
	if (Find(object, "freight", &value))
	{
		if (value.type != jbvNumeric)
			return Refuse(
				error, RT_INVALID_MONEY, "invalid freight",
				psprintf("freight is %s.", Show(&value)),
				"Give 0 or more, below one billion, with at most two decimals; or leave it out to charge the rate card's freight.");
		order->freight = value.val.numeric;
	}
	return true;
}

/* Refuses a key that means nothing: what it says would be lost. */
static bool
CheckKeys(JsonbContainer *object, IntakeError *error)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue key;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		bool known = token != WJB_KEY;

		for (size_t i = 0; !known && i < lengthof(known_keys); i++)
			known = strlen(known_keys[i]) == (size_t) key.val.string.len &&
				strncmp(known_keys[i], key.val.string.val,
						key.val.string.len) == 0;
		if (!known)
			return Refuse(error, RT_INVALID_ARGUMENT, "unknown key of an order",
						  psprintf("The key is %s.", Show(&key)), KEYS_HINT);
	}
	return true;
}

/*
 * Reads one submitted order; false, with the error, when it is not of the
 * right form.  channel and external_no are filled in as far as they can be
 * read, to name it.
 */
bool
ReadIntakeOrder(JsonbContainer *object, IntakeOrder *order, IntakeError *error)
{
	bool given;
	int64 priority;

	memset(order, 0, sizeof(*order));
	memset(error, 0, sizeof(*error));
	if (!JsonContainerIsObject(object))
		return Refuse(error, RT_INVALID_ARGUMENT, "an order is no object",
					  "The element is not a JSON object.", KEYS_HINT);
	if (!ReadText(object, "channel", NULL, &order->channel, error) ||
		!ReadText(object, "external_no", NULL, &order->external_no, error))
		return false;
	if (order->channel == NULL)
		return Refuse(error, RT_UNKNOWN_CHANNEL, "channel is missing",
					  "channel is null.", "Give a value for channel.");
	if (order->external_no == NULL)
		return Refuse(error, RT_INVALID_TEXT, "external_no is missing",
					  "external_no is null.", "Give a value for external_no.");
	if (!RetailTextIsValid(order->external_no, 200))
		return Refuse(
			error, RT_INVALID_TEXT, "invalid text for external_no",
			"external_no is blank, longer than 200 characters or has control characters.",
			"Give 1 to 200 printable characters, in any script.");
	if (!CheckKeys(object, error) || !ReadParts(object, order, error) ||
		!ReadText(object, "fulfilment", "ship", &order->fulfilment, error) ||
		!ReadText(object, "pick_up_node", NULL, &order->pick_up_node, error) ||
		!ReadInt(object, "member_id", PG_INT64_MIN, PG_INT64_MAX,
				 &order->has_member, &order->member_id, error) ||
		!ReadText(object, "payment", "prepaid", &order->payment, error) ||
		!ReadText(object, "policy", NULL, &order->policy, error) ||
		!ReadText(object, "shortage", "refuse", &order->shortage, error) ||
		!ReadInt(object, "priority", 0, 100, &given, &priority, error) ||
		!ReadTime(object, "needed_by", &order->has_needed_by, &order->needed_by,
				  error))
		return false;
	order->priority = (int) priority;
	return true;
}

/* Hashes a submitted order as place_order() does. */
Datum
HashIntakeOrder(const IntakeOrder *order, bool verbatim)
{
	OrderContent content = {
		order->lines,		 order->destination, order->fulfilment,
		order->pick_up_node, order->has_member,	 order->member_id,
		order->freight,		 order->payment,	 order->shortage};

	return HashOrder(&content, verbatim);
}
