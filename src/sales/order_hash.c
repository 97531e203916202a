/*-------------------------------------------------------------------------
 *
 * order_hash.c
 *	  What an order says, as a hash: a retry is told from another order of the
 *	  same number.
 *
 * jsonb has one order of keys; numbers are hashed by their value, so 1 and 1.0
 * are one.  The hash of an order without trailing zeros is that of 0.1.0, and
 * an order of 0.1.0 is known by the hash that it was written with.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/order_hash.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

/* Takes the trailing zeros off a number. */
static Numeric
Trim(Numeric number)
{
	return DatumGetNumeric(
		DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(number)));
}

/* May any number of a JSON value have trailing zeros: has it a fraction? */
static bool
HasFractions(Jsonb *jsonb)
{
	JsonbIterator *iterator = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue value;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
		if ((token == WJB_VALUE || token == WJB_ELEM) &&
			value.type == jbvNumeric &&
			DatumGetInt32(DirectFunctionCall1(
				numeric_scale, NumericGetDatum(value.val.numeric))) > 0)
			return true;
	return false;
}

/* Copies a JSON value, its numbers without trailing zeros. */
static Jsonb *
TrimNumbers(Jsonb *jsonb)
{
	JsonbIterator *iterator = JsonbIteratorInit(&jsonb->root);
	JsonbParseState *state = NULL;
	JsonbValue *result = NULL;
	JsonbIteratorToken token;
	JsonbValue value;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		bool scalar =
			token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM;

		if (scalar && value.type == jbvNumeric)
			value.val.numeric = Trim(value.val.numeric);
		if (token == WJB_BEGIN_ARRAY && value.val.array.rawScalar)
			return jsonb; /* refused later */
		result = pushJsonbValue(&state, token, scalar ? &value : NULL);
	}
	return JsonbValueToJsonb(result);
}

/* Adds a JSON value to what is hashed. */
static void
AddJson(StringInfo buffer, Jsonb *jsonb, bool verbatim)
{
	if (jsonb && !verbatim && HasFractions(jsonb))
		jsonb = TrimNumbers(jsonb);
	appendStringInfoChar(buffer, '|');
	if (jsonb)
		JsonbToCString(buffer, &jsonb->root, VARSIZE(jsonb));
	else
		appendStringInfoString(buffer, "null");
}

/* Adds a text to what is hashed. */
static void
AddText(StringInfo buffer, const char *text)
{
	appendStringInfo(buffer, "|%s", text ? text : "null");
}

/*
 * Hashes what is ordered, not when: a retry may come later.  verbatim: numbers
 * as they were written, as 0.1.0 did.
 */
Datum
HashOrder(const OrderContent *content, bool verbatim)
{
	StringInfoData buffer;

	initStringInfo(&buffer);
	AddJson(&buffer, content->lines, verbatim);
	AddJson(&buffer, content->destination, verbatim);
	AddText(&buffer, content->fulfilment);
	AddText(&buffer, content->pick_up_node);
	AddText(&buffer,
			content->has_member
				? psprintf("%lld", (long long) content->member_id)
				: NULL);
	AddText(&buffer,
			content->freight
				? DatumGetCString(DirectFunctionCall1(
					  numeric_out,
					  NumericGetDatum(verbatim ? content->freight
											   : Trim(content->freight))))
				: NULL);
	AddText(&buffer, content->payment);
	/* An order that is refused when it is short has the hash of 0.1.0. */
	if (strcmp(content->shortage, "refuse") != 0)
		AddText(&buffer, content->shortage);
	return DirectFunctionCall1(
		sha256_bytea,
		PointerGetDatum(cstring_to_text_with_len(buffer.data, buffer.len)));
}
