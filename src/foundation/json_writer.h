/*-------------------------------------------------------------------------
 *
 * json_writer.h
 *	  Builds a jsonb value by saying what is in it, without a text between.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_JSON_WRITER_H
#define PG_RETAIL_JSON_WRITER_H

#include "retail.h"

/* Begin with {0}.  Keys are NULL inside an array, and must outlive the writer. */
typedef struct JsonWriter
{
	JsonbParseState *state;
	JsonbValue *value; /* what was closed last */
} JsonWriter;

extern void JsonBeginObject(JsonWriter *json, const char *key);
extern void JsonEndObject(JsonWriter *json);
extern void JsonBeginArray(JsonWriter *json, const char *key);
extern void JsonEndArray(JsonWriter *json);
extern void JsonAddText(JsonWriter *json, const char *key, const char *value);
extern void JsonAddInteger(JsonWriter *json, const char *key, int64 value);
extern void
JsonAddDecimal(JsonWriter *json, const char *key, int64 value, int digits);
extern void JsonAddBoolean(JsonWriter *json, const char *key, bool value);
extern void JsonAddTime(JsonWriter *json, const char *key, TimestampTz value);
extern Datum JsonDatum(JsonWriter *json);

#endif /* PG_RETAIL_JSON_WRITER_H */
