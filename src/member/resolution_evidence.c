/*-------------------------------------------------------------------------
 *
 * resolution_evidence.c
 *	  Why two accounts were linked, as JSON for tables: {"prior": bits,
 *	  "<field>": ["<level>", bits], ...}, no value in clear.
 *
 * Made some hundred thousand times a run, so names of fields and levels are
 * made JSON values once, and so are the numbers: bits come in tenths.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/resolution_evidence.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/memutils.h"

/* Tenths of bits that are kept: -MOST to MOST. */
#define MOST 1000
#define MAX_LEVELS 64

struct EvidenceWriter
{
	Resolution *resolution;
	MemoryContext context;
	JsonbValue prior;
	JsonbValue adjustment;
	JsonbValue fields[MATCH_MAX_FIELDS];
	JsonbValue levels[MATCH_MAX_FIELDS][MAX_LEVELS];
	int n_levels[MATCH_MAX_FIELDS];
	const char *identifier[MATCH_MAX_FIELDS]; /* the type, of such a field */
	Numeric tenths[2 * MOST + 1];
	MatchEvidence last;
};

static JsonbValue
StringValue(const char *text)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = (char *) text;
	value.val.string.len = (int) strlen(text);
	return value;
}

EvidenceWriter *
EvidenceBegin(Resolution *resolution)
{
	EvidenceWriter *writer = palloc0(sizeof(EvidenceWriter));

	writer->resolution = resolution;
	writer->context = CurrentMemoryContext;
	writer->prior = StringValue("prior");
	writer->adjustment = StringValue("adjustment");
	for (int f = 0; f < MatchFieldCount(resolution->model); f++)
	{
		const char *name = MatchFieldName(resolution->model, f);
		const char *level;

		writer->fields[f] = StringValue(name);
		for (int l = 0; l < MAX_LEVELS &&
			 (level = MatchLevelName(resolution->model, f, l)) != NULL;
			 l++)
		{
			writer->levels[f][l] = StringValue(level);
			writer->n_levels[f] = l + 1;
		}
		if (MemberTypeIndex(resolution->settings, name) >= 0)
			writer->identifier[f] = name;
	}
	return writer;
}

static JsonbValue
NumberValue(EvidenceWriter *writer, double bits)
{
	JsonbValue value;
	int tenths =
		isfinite(bits) ? (int) rint(fmax(fmin(bits * 10, MOST), -MOST)) : 0;
	Numeric *kept = &writer->tenths[tenths + MOST];

	if (*kept == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(writer->context);

		*kept = int64_div_fast_to_numeric(tenths, 1);
		MemoryContextSwitchTo(old);
	}
	value.type = jbvNumeric;
	value.val.numeric = *kept;
	return value;
}

/* Compares two rows again and tells of it. */
Datum
EvidenceOf(EvidenceWriter *writer, int64 row_a, int64 row_b)
{
	MatchEvidence *evidence = &writer->last;
	JsonbParseState *state = NULL;
	JsonbValue value;

	MatchScore(writer->resolution->records, row_a, row_b, evidence);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &writer->prior);
	value = NumberValue(writer, evidence->prior);
	pushJsonbValue(&state, WJB_VALUE, &value);
	if (fabs(evidence->adjustment) >= 0.05)
	{
		pushJsonbValue(&state, WJB_KEY, &writer->adjustment);
		value = NumberValue(writer, evidence->adjustment);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	for (int i = 0; i < evidence->n_fields; i++)
	{
		const MatchFieldEvidence *field = &evidence->fields[i];

		if (field->level <= 0 || field->level >= writer->n_levels[field->field])
			continue;
		pushJsonbValue(&state, WJB_KEY, &writer->fields[field->field]);
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		pushJsonbValue(&state, WJB_ELEM,
					   &writer->levels[field->field][field->level]);
		value = NumberValue(writer, field->bits);
		pushJsonbValue(&state, WJB_ELEM, &value);
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	return JsonbPGetDatum(
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* The name of a rule in member_change, for the rows last compared. */
const char *
EvidenceRule(const EvidenceWriter *writer, MatchRule rule)
{
	const MatchEvidence *evidence = &writer->last;
	int best = -1;

	if (rule == MATCH_RULE_MUST_LINK)
		return "must_link";
	if (rule != MATCH_RULE_IDENTIFIER)
		return "score";
	for (int i = 0; i < evidence->n_fields; i++)
		if (writer->identifier[evidence->fields[i].field] &&
			evidence->fields[i].bits > 0 &&
			(best < 0 ||
			 evidence->fields[i].bits > evidence->fields[best].bits))
			best = i;
	return best < 0 ? "identifier"
					: writer->identifier[evidence->fields[best].field];
}
