/*-------------------------------------------------------------------------
 *
 * event.c
 *	  Reads events from JSON, a row each, for record_events().
 *
 * Only the form is checked here, without raising anything: one bad event must
 * not refuse the others.  What the codes mean is looked up by the statement
 * that records them all.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "retail.h"

#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "compat.h"

#define MAX_EVENTS 100000
#define MAX_TEXT 200
#define MAX_PROPERTIES 8192
#define MAX_CONTENT 65536
/* Clocks of tills and phones are off by some minutes. */
#define MAX_AHEAD (10 * USECS_PER_MINUTE)

/* What parse_events() returns, column by column. */
typedef enum EventField
{
	NUMBER,
	SOURCE,
	EXTERNAL_ID,
	KIND,
	ACCOUNT_SOURCE,
	ACCOUNT,
	MEMBER,
	HAPPENED_AT,
	CHANNEL,
	NODE,
	SKU,
	CATEGORY,
	VALUE,
	PROPERTIES,
	SQLSTATE,
	ERROR_TEXT,
	DETAIL,
	CONTENT,
	N_FIELDS
} EventField;

static const struct
{
	const char *key;
	EventField field;
} keys[] = {{"source", SOURCE},
			{"id", EXTERNAL_ID},
			{"kind", KIND},
			{"account_source", ACCOUNT_SOURCE},
			{"account", ACCOUNT},
			{"member", MEMBER},
			{"at", HAPPENED_AT},
			{"channel", CHANNEL},
			{"node", NODE},
			{"sku", SKU},
			{"category", CATEGORY},
			{"value", VALUE},
			{"properties", PROPERTIES}};

typedef struct EventRow
{
	Datum values[N_FIELDS];
	bool nulls[N_FIELDS];
	TimestampTz as_of;
} EventRow;

/* Says what is wrong with an event, unless something was before. */
static void
Refuse(EventRow *row, int sqlstate, const char *error, const char *detail)
{
	if (!row->nulls[SQLSTATE])
		return;
	row->values[SQLSTATE] = CStringGetTextDatum(unpack_sql_state(sqlstate));
	row->values[ERROR_TEXT] = CStringGetTextDatum(error);
	row->values[DETAIL] = CStringGetTextDatum(detail);
	row->nulls[SQLSTATE] = row->nulls[ERROR_TEXT] = row->nulls[DETAIL] = false;
}

/* kind: a small letter, then small letters, digits and underscores. */
static bool
IsKind(const char *text, int length)
{
	if (length < 1 || length > 40 || text[0] < 'a' || text[0] > 'z')
		return false;
	for (int i = 1; i < length; i++)
		if (!(text[i] >= 'a' && text[i] <= 'z') &&
			!(text[i] >= '0' && text[i] <= '9') && text[i] != '_')
			return false;
	return true;
}

static void
ReadText(EventRow *row, EventField field, const char *key, JsonbValue *value)
{
	char *text;

	if (value->type != jbvString)
	{
		Refuse(row, RT_INVALID_ARGUMENT, psprintf("%s is no text", key),
			   psprintf("%s is not a JSON string.", key));
		return;
	}
	text = pnstrdup(value->val.string.val, value->val.string.len);
	if (field == KIND && !IsKind(text, value->val.string.len))
		Refuse(
			row, RT_INVALID_ARGUMENT, "invalid kind",
			"kind is not 1 to 40 small letters, digits and underscores, a letter first.");
	else if (!RetailTextIsValid(text, MAX_TEXT))
		Refuse(
			row, RT_INVALID_TEXT, psprintf("invalid text for %s", key),
			psprintf("%s is not 1 to %d printable characters.", key, MAX_TEXT));
	else
	{
		row->values[field] = CStringGetTextDatum(text);
		row->nulls[field] = false;
	}
}

/* Reads a time in ISO 8601 with a zone; false when it is none. */
static bool
ParseTime(const JsonbValue *value, TimestampTz *result)
{
	char *text;
	char work[MAXDATELEN + MAXDATEFIELDS];
	char *fields[MAXDATEFIELDS];
	int types[MAXDATEFIELDS];
	int n;
	int type;
	struct pg_tm tm;
	fsec_t fraction;
	int zone;

	/* "tomorrow" and "now" are words of the server's clock, not of an event's. */
	if (value->type != jbvString || value->val.string.len < 10 ||
		!isdigit((unsigned char) value->val.string.val[0]))
		return false;
	text = pnstrdup(value->val.string.val, value->val.string.len);
	return ParseDateTime(text, work, sizeof(work), fields, types, MAXDATEFIELDS,
						 &n) == 0 &&
		decode_datetime_compat(fields, types, n, &type, &tm, &fraction,
							   &zone) == 0 &&
		type == DTK_DATE && tm2timestamp(&tm, fraction, &zone, result) == 0 &&
		*result >= 0 && *result < INT64CONST(36525) * USECS_PER_DAY;
}

static void
ReadTime(EventRow *row, JsonbValue *value)
{
	TimestampTz at;

	if (!ParseTime(value, &at))
		Refuse(
			row, RT_INVALID_TIME, "invalid time for at",
			"at is not a time such as \"2026-11-11T20:00:00+08:00\", in the years 2000 to 2099.");
	else if (at > row->as_of + MAX_AHEAD)
		Refuse(row, RT_INVALID_TIME, "time in the future for at",
			   psprintf("at is %s.", timestamptz_to_str(at)));
	else
	{
		row->values[HAPPENED_AT] = TimestampTzGetDatum(at);
		row->nulls[HAPPENED_AT] = false;
	}
}

static void
ReadNumber(EventRow *row, EventField field, JsonbValue *value)
{
	int64 number;

	if (field == MEMBER)
	{
		if (value->type != jbvNumeric ||
			!RetailNumericToInt64(value->val.numeric, PG_INT64_MAX, &number) ||
			number <= 0)
			Refuse(row, RT_INVALID_ARGUMENT, "invalid member",
				   "member is not a number of a member.");
		else
			row->values[MEMBER] = Int64GetDatum(number);
	}
	else if (value->type != jbvNumeric ||
			 !RetailNumericToCents(value->val.numeric, RETAIL_MAX_CENTS - 1,
								   &number) ||
			 number < 0)
		Refuse(
			row, RT_INVALID_MONEY, "invalid amount for value",
			"value is not 0 or more, below one billion, with at most two decimals.");
	else
		row->values[VALUE] = RetailCentsToNumeric(number);
	row->nulls[field] = !row->nulls[SQLSTATE];
}

static void
ReadProperties(EventRow *row, JsonbValue *value)
{
	Jsonb *properties;

	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
	{
		Refuse(row, RT_INVALID_ARGUMENT, "properties are no object",
			   "properties is not a JSON object.");
		return;
	}
	properties = JsonbValueToJsonb(value);
	if (VARSIZE(properties) > MAX_PROPERTIES)
		Refuse(row, RT_INVALID_ARGUMENT, "properties are too large",
			   psprintf("properties has %d bytes, the most is %d.",
						(int) VARSIZE(properties), MAX_PROPERTIES));
	else
	{
		row->values[PROPERTIES] = JsonbPGetDatum(properties);
		row->nulls[PROPERTIES] = false;
	}
}

static void
ReadField(EventRow *row, const JsonbValue *key, JsonbValue *value)
{
	for (size_t i = 0; i < lengthof(keys); i++)
		if (strlen(keys[i].key) == (size_t) key->val.string.len &&
			memcmp(keys[i].key, key->val.string.val, key->val.string.len) == 0)
		{
			if (value->type == jbvNull)
				return;
			switch (keys[i].field)
			{
				case HAPPENED_AT:
					ReadTime(row, value);
					break;
				case MEMBER:
				case VALUE:
					ReadNumber(row, keys[i].field, value);
					break;
				case PROPERTIES:
					ReadProperties(row, value);
					break;
				default:
					ReadText(row, keys[i].field, keys[i].key, value);
			}
			return;
		}
	Refuse(row, RT_INVALID_ARGUMENT, "unknown key of an event",
		   psprintf("The key is \"%s\".",
					pnstrdup(key->val.string.val,
							 pg_mbcliplen(key->val.string.val,
										  key->val.string.len, 100))));
}

/* Refuses what lacks something, or says it twice. */
static void
CheckRow(EventRow *row)
{
	static const struct
	{
		EventField field;
		const char *key;
	} needed[] = {{SOURCE, "source"},
				  {EXTERNAL_ID, "id"},
				  {KIND, "kind"},
				  {HAPPENED_AT, "at"}};

	for (size_t i = 0; i < lengthof(needed); i++)
		if (row->nulls[needed[i].field])
			Refuse(row,
				   needed[i].field == HAPPENED_AT ? RT_INVALID_TIME
												  : RT_INVALID_TEXT,
				   psprintf("%s is missing", needed[i].key),
				   psprintf("%s is null.", needed[i].key));
	if (!row->nulls[MEMBER] && !row->nulls[ACCOUNT])
		Refuse(row, RT_INVALID_ARGUMENT, "account and member are both given",
			   "account and member name the person twice.");
	if (row->nulls[ACCOUNT_SOURCE])
	{
		row->values[ACCOUNT_SOURCE] = row->values[SOURCE];
		row->nulls[ACCOUNT_SOURCE] = row->nulls[SOURCE] || row->nulls[ACCOUNT];
	}
}

/* Keeps a refused event as it came, for people and for another try. */
static void
KeepContent(EventRow *row, JsonbValue *element)
{
	Jsonb *content;

	if (row->nulls[SQLSTATE])
		return;
	content = JsonbValueToJsonb(element);
	if (VARSIZE(content) > MAX_CONTENT)
		row->values[CONTENT] = DirectFunctionCall1(
			jsonb_in,
			CStringGetDatum(psprintf("{\"bytes\": %d}", VARSIZE(content))));
	else
		row->values[CONTENT] = JsonbPGetDatum(content);
	row->nulls[CONTENT] = false;
}

/* Reads one element of the array. */
static void
ReadEvent(EventRow *row, JsonbValue *element)
{
	if (element->type == jbvBinary &&
		JsonContainerIsObject(element->val.binary.data))
	{
		JsonbIterator *iterator = JsonbIteratorInit(element->val.binary.data);
		JsonbIteratorToken token;
		JsonbValue key;
		JsonbValue value;

		while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
			if (token == WJB_KEY &&
				JsonbIteratorNext(&iterator, &value, true) == WJB_VALUE)
				ReadField(row, &key, &value);
		CheckRow(row);
	}
	else
		Refuse(row, RT_INVALID_ARGUMENT, "an event is no object",
			   "The element is not a JSON object.");
	KeepContent(row, element);
}

/* Returns the rows of an array of events; source is that of events without one. */
static void
ReadEvents(ReturnSetInfo *result, Jsonb *events, Datum source, bool no_source,
		   TimestampTz as_of)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "pg_retail event", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue element;
	int n = 0;

	iterator = JsonbIteratorInit(&events->root);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		EventRow row;

		if (token != WJB_ELEM)
			continue;
		CHECK_FOR_INTERRUPTS();
		memset(row.nulls, true, sizeof(row.nulls));
		row.as_of = as_of;
		row.values[NUMBER] = Int32GetDatum(++n);
		row.values[SOURCE] = source;
		row.nulls[NUMBER] = false;
		row.nulls[SOURCE] = no_source;
		old = MemoryContextSwitchTo(context);
		ReadEvent(&row, &element);
		MemoryContextSwitchTo(old);
		tuplestore_putvalues(result->setResult, result->setDesc, row.values,
							 row.nulls);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}

/* parse_events(events, source, as_of) */
PG_FUNCTION_INFO_V1(retail_parse_events);
Datum
retail_parse_events(PG_FUNCTION_ARGS)
{
	Jsonb *events;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) ||
		!JB_ROOT_IS_ARRAY(events = PG_GETARG_JSONB_P(0)) ||
		JB_ROOT_IS_SCALAR(events) || JB_ROOT_COUNT(events) > MAX_EVENTS)
		ereport(ERROR, errcode(RT_INVALID_LINES),
				errmsg("invalid list of events"),
				errdetail("events is null, no array or too long."),
				errhint("Give a JSON array of at most %d events.", MAX_EVENTS));
	InitMaterializedSRF(fcinfo, 0);
	ReadEvents((ReturnSetInfo *) fcinfo->resultinfo, events,
			   PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1),
			   PG_ARGISNULL(1), PG_GETARG_TIMESTAMPTZ(2));
	PG_RETURN_NULL();
}
