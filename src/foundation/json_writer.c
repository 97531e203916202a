/*-------------------------------------------------------------------------
 *
 * json_writer.c
 *	  Builds a jsonb value by saying what is in it.  To write JSON as text and
 *	  have it parsed costs about three times as much.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "foundation/json_writer.h"

#include "catalog/pg_type.h"
#include "utils/datetime.h"
#include "utils/json.h"

/* Pushes the key of what follows, unless it is an element of an array. */
static void
PushKey(JsonWriter *json, const char *key)
{
	JsonbValue value;

	if (key == NULL)
		return;
	value.type = jbvString;
	value.val.string.val = unconstify(char *, key);
	value.val.string.len = (int) strlen(key);
	pushJsonbValue(&json->state, WJB_KEY, &value);
}

/* Pushes a value under its key, or as an element. */
static void
PushValue(JsonWriter *json, const char *key, JsonbValue *value)
{
	PushKey(json, key);
	pushJsonbValue(&json->state, key ? WJB_VALUE : WJB_ELEM, value);
}

/* Opens an object. */
void
JsonBeginObject(JsonWriter *json, const char *key)
{
	PushKey(json, key);
	pushJsonbValue(&json->state, WJB_BEGIN_OBJECT, NULL);
}

/* Closes the object that was opened last. */
void
JsonEndObject(JsonWriter *json)
{
	json->value = pushJsonbValue(&json->state, WJB_END_OBJECT, NULL);
}

/* Opens an array. */
void
JsonBeginArray(JsonWriter *json, const char *key)
{
	PushKey(json, key);
	pushJsonbValue(&json->state, WJB_BEGIN_ARRAY, NULL);
}

/* Closes the array that was opened last. */
void
JsonEndArray(JsonWriter *json)
{
	json->value = pushJsonbValue(&json->state, WJB_END_ARRAY, NULL);
}

/* Adds a text, which must outlive the writer. */
void
JsonAddText(JsonWriter *json, const char *key, const char *value)
{
	JsonbValue string;

	string.type = jbvString;
	string.val.string.val = unconstify(char *, value);
	string.val.string.len = (int) strlen(value);
	PushValue(json, key, &string);
}

/* Adds a whole number. */
void
JsonAddInteger(JsonWriter *json, const char *key, int64 value)
{
	JsonbValue number;

	number.type = jbvNumeric;
	number.val.numeric = int64_to_numeric(value);
	PushValue(json, key, &number);
}

/* Adds value / 10^digits, with that many digits after the point. */
void
JsonAddDecimal(JsonWriter *json, const char *key, int64 value, int digits)
{
	JsonbValue number;

	number.type = jbvNumeric;
	number.val.numeric = int64_div_fast_to_numeric(value, digits);
	PushValue(json, key, &number);
}

/* Adds true or false. */
void
JsonAddBoolean(JsonWriter *json, const char *key, bool value)
{
	JsonbValue boolean;

	boolean.type = jbvBool;
	boolean.val.boolean = value;
	PushValue(json, key, &boolean);
}

/* Adds a time in ISO 8601, in the time zone of the session. */
void
JsonAddTime(JsonWriter *json, const char *key, TimestampTz value)
{
	char *text = palloc(MAXDATELEN + 1);

	JsonEncodeDateTime(text, TimestampTzGetDatum(value), TIMESTAMPTZOID, NULL);
	JsonAddText(json, key, text);
}

/* Returns what was built, once the outermost value is closed. */
Datum
JsonDatum(JsonWriter *json)
{
	return JsonbPGetDatum(JsonbValueToJsonb(json->value));
}
