/*-------------------------------------------------------------------------
 *
 * resolution_model.c
 *	  The model of the matcher in table match_model: read, learned, written.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/resolution.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"

/* Names of the extra columns of the active model, or of one to be learned. */
static void
NameAttributes(Resolution *resolution, RetailStatement *statement)
{
	MemoryContext old;

	RetailExecute(statement, NULL, NULL, false, SPI_OK_SELECT);
	old = MemoryContextSwitchTo(resolution->context);
	for (int i = 0; i < (int) Min(SPI_processed, MATCH_MAX_ATTRIBUTES); i++)
		resolution->attributes[i] = pstrdup(RetailCellText(i, 1));
	resolution->settings->match.n_attributes =
		(int) Min(SPI_processed, MATCH_MAX_ATTRIBUTES);
	MemoryContextSwitchTo(old);
}

/* Chooses the extra columns: the attributes that most accounts have. */
static void
ChooseAttributes(Resolution *resolution)
{
	static RetailStatement statement = {
		"SELECT k FROM (SELECT attributes FROM retail.account WHERE attributes IS NOT NULL LIMIT 20000) a, jsonb_each(a.attributes) AS e (k, v)"
		" WHERE jsonb_typeof(v) IN ('string', 'number', 'boolean') GROUP BY k ORDER BY count(*) DESC, k COLLATE \"C\" LIMIT 6",
		0,
		{0},
		NULL,
		false};

	NameAttributes(resolution, &statement);
}

/* Reads the active model; false when there is none that can be used. */
bool
ResolutionLoadModel(Resolution *resolution)
{
	static RetailStatement statement = {
		"SELECT model_id, parameters FROM retail.match_model WHERE state = 'active'",
		0,
		{0},
		NULL,
		false};
	static RetailStatement attributes = {
		"SELECT jsonb_array_elements_text(summary -> 'attributes') FROM retail.match_model WHERE state = 'active'",
		0,
		{0},
		NULL,
		false};
	MatchStatus status;
	bytea *bytes;
	bool isnull;

	RetailExecute(&statement, NULL, NULL, false, SPI_OK_SELECT);
	if (SPI_processed == 0)
	{
		ChooseAttributes(resolution);
		return false;
	}
	resolution->model_id = RetailCellInt64(0, 1, NULL);
	bytes = DatumGetByteaPP(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 2, &isnull));
	status = MatchModelRead(&resolution->memory, VARDATA_ANY(bytes),
							VARSIZE_ANY_EXHDR(bytes), &resolution->model);
	if (status == MATCH_OK)
		NameAttributes(resolution, &attributes);
	if (status == MATCH_OK &&
		!MatchModelFits(resolution->model, &resolution->settings->match))
	{
		MatchModelFree(resolution->model);
		resolution->model = NULL;
	}
	else if (status == MATCH_BAD_MODEL)
		resolution->model = NULL; /* of another version: learned anew */
	else
		ResolutionCheck(resolution, status, "model");
	if (resolution->model == NULL)
		ChooseAttributes(resolution);
	return resolution->model != NULL;
}

/* ---- for people ---- */

/* A number that JSON knows. */
static void
AppendNumber(StringInfo json, double value)
{
	if (isfinite(value))
		appendStringInfo(json, "%.6g", value);
	else
		appendStringInfoString(json, "null");
}

static void
AppendFields(StringInfo json, const MatchModel *model)
{
	appendStringInfoString(json, "\"fields\": {");
	for (int field = 0; field < MatchFieldCount(model); field++)
	{
		const char *level;

		appendStringInfoString(json, field ? ", " : "");
		escape_json(json, MatchFieldName(model, field));
		appendStringInfoString(json, ": [");
		for (int l = 1; (level = MatchLevelName(model, field, l)) != NULL; l++)
		{
			double m, u;

			MatchFieldLevel(model, field, l, &m, &u);
			appendStringInfoString(json,
								   l > 1 ? ", {\"level\": " : "{\"level\": ");
			escape_json(json, level);
			appendStringInfoString(json, ", \"m\": ");
			AppendNumber(json, m);
			appendStringInfoString(json, ", \"u\": ");
			AppendNumber(json, u);
			appendStringInfoString(json, ", \"bits\": ");
			AppendNumber(json, m > 0 && u > 0 ? log2(m / u) : NAN);
			appendStringInfoChar(json, '}');
		}
		appendStringInfoChar(json, ']');
	}
	appendStringInfoChar(json, '}');
}

/* What was learned, as JSON. */
static char *
Summary(Resolution *resolution)
{
	const MatchModel *model = resolution->model;
	const MatchSettings *settings = &resolution->settings->match;
	StringInfoData json;
	const char *pass;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"attributes\": [");
	for (int i = 0; i < settings->n_attributes; i++)
	{
		appendStringInfoString(&json, i ? ", " : "");
		escape_json(&json, resolution->attributes[i]);
	}
	appendStringInfoString(&json, "], \"prior\": ");
	AppendNumber(&json, MatchModelPrior(model));
	appendStringInfo(
		&json, ", \"merge_probability\": %g, \"review_probability\": %g, ",
		settings->merge_probability, settings->review_probability);
	AppendFields(&json, model);
	appendStringInfoString(&json, ", \"passes\": [");
	for (int i = 0;
		 (pass = MatchPassName(model, i)) != NULL && i < MatchPassCount(model);
		 i++)
	{
		appendStringInfoString(&json, i ? ", " : "");
		escape_json(&json, pass);
	}
	appendStringInfoString(&json, "], \"deduplicated\": {");
	for (int i = 0; i < settings->n_sources; i++)
		appendStringInfo(&json, "%s\"" INT64_FORMAT "\": %s", i ? ", " : "",
						 (int64) settings->sources[i].code,
						 MatchModelDeduplicated(model, i) ==
								 MATCH_DEDUPLICATED_YES
							 ? "true"
							 : "false");
	appendStringInfoString(&json, "}}");
	return json.data;
}

/* Learns a model from the records and makes it the active one. */
void
ResolutionLearnModel(Resolution *resolution)
{
	static RetailStatement retire = {
		"UPDATE retail.match_model SET state = 'retired' WHERE state = 'active'",
		0,
		{0},
		NULL,
		false};
	static RetailStatement insert = {
		"INSERT INTO retail.match_model (state, learned_at, learned_from, parameters, summary, actor)"
		" VALUES ('active', $1, $2, $3, $4, retail.caller()) RETURNING model_id",
		4,
		{TIMESTAMPTZOID, INT8OID, BYTEAOID, JSONBOID},
		NULL,
		false};
	Datum values[4];
	bytea *bytes;
	size_t size;

	ResolutionStep(resolution, "learn");
	if (resolution->model)
		MatchModelFree(resolution->model);
	resolution->model = NULL;
	ResolutionCheck(
		resolution,
		MatchLearn(resolution->records, &resolution->run, &resolution->model),
		"learn");
	size = MatchModelSize(resolution->model);
	bytes = palloc_extended(VARHDRSZ + size, MCXT_ALLOC_HUGE);
	SET_VARSIZE(bytes, VARHDRSZ + size);
	MatchModelWrite(resolution->model, VARDATA(bytes));
	values[0] = TimestampTzGetDatum(resolution->as_of);
	values[1] = Int64GetDatum(resolution->n_records);
	values[2] = PointerGetDatum(bytes);
	values[3] =
		DirectFunctionCall1(jsonb_in, CStringGetDatum(Summary(resolution)));
	RetailExecute(&retire, NULL, NULL, false, SPI_OK_UPDATE);
	RetailExecute(&insert, values, NULL, false, SPI_OK_INSERT_RETURNING);
	resolution->model_id = RetailCellInt64(0, 1, NULL);
	pfree(bytes);
}
