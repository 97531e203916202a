/*-------------------------------------------------------------------------
 *
 * online_evidence.c
 *	  Why two accounts were linked, as JSON for tables: {"prior": bits,
 *	  "<field>": ["<level>", bits], ...}, as a batch writes it
 *	  (resolution_evidence.c); no value in clear.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/online.h"

#include <math.h>

#include "utils/builtins.h"

static void
PushString(JsonbParseState **state, JsonbIteratorToken token, const char *text)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = (int) strlen(text);
	pushJsonbValue(state, token, &value);
}

/* Bits, in tenths. */
static void
PushBits(JsonbParseState **state, JsonbIteratorToken token, double bits)
{
	JsonbValue value;
	double tenths = isfinite(bits) ? rint(fmax(fmin(bits, 100), -100) * 10) : 0;

	value.type = jbvNumeric;
	value.val.numeric = int64_div_fast_to_numeric((int64) tenths, 1);
	pushJsonbValue(state, token, &value);
}

Datum
EvidenceJson(const MatchModel *model, const MatchEvidence *evidence)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	PushString(&state, WJB_KEY, "prior");
	PushBits(&state, WJB_VALUE, evidence->prior);
	if (fabs(evidence->adjustment) >= 0.05)
	{
		PushString(&state, WJB_KEY, "adjustment");
		PushBits(&state, WJB_VALUE, evidence->adjustment);
	}
	for (int i = 0; i < evidence->n_fields; i++)
	{
		const MatchFieldEvidence *field = &evidence->fields[i];
		const char *level = MatchLevelName(model, field->field, field->level);

		if (field->level <= 0 || level == NULL)
			continue;
		PushString(&state, WJB_KEY, MatchFieldName(model, field->field));
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		PushString(&state, WJB_ELEM, level);
		PushBits(&state, WJB_ELEM, field->bits);
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	return JsonbPGetDatum(
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* The name of a rule in member_change. */
const char *
EvidenceRuleName(const MemberModel *model, const MatchEvidence *evidence,
				 MatchRule rule)
{
	const char *best = "identifier";
	double most = 0;

	if (rule == MATCH_RULE_MUST_LINK)
		return "must_link";
	if (rule != MATCH_RULE_IDENTIFIER)
		return "score";
	for (int i = 0; i < evidence->n_fields; i++)
	{
		const char *name =
			MatchFieldName(model->model, evidence->fields[i].field);

		if (evidence->fields[i].bits > most &&
			MemberTypeIndex(model->settings, name) >= 0)
		{
			best = name;
			most = evidence->fields[i].bits;
		}
	}
	return best;
}

/* What kept a pair from being merged, in match_review. */
const char *
ReviewReason(MatchRule rule)
{
	switch (rule)
	{
		case MATCH_RULE_CONTRADICTION:
		case MATCH_RULE_BIRTH_DATE:
		case MATCH_RULE_GENDER:
		case MATCH_RULE_SECOND_FIELD:
			return "veto";
		case MATCH_RULE_SOURCE:
			return "source";
		case MATCH_RULE_CLUSTER:
		case MATCH_RULE_CANNOT_LINK:
			return "conflict";
		case MATCH_RULE_SIZE:
			return "size";
		default:
			return "score";
	}
}
