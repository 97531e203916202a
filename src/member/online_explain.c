/*-------------------------------------------------------------------------
 *
 * online_explain.c
 *	  Compares two accounts by the active model, for explain_match().
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/online.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static const char *const band_names[] = {"leave", "review", "merge"};

PG_FUNCTION_INFO_V1(retail_score_accounts);
Datum
retail_score_accounts(PG_FUNCTION_ARGS)
{
	int64 ids[2] = {PG_GETARG_INT64(0), PG_GETARG_INT64(1)};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext old;
	Online online;
	TupleDesc desc;
	MatchEvidence evidence;
	Datum values[8];
	bool nulls[8] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	SPI_connect();
	OnlineBegin(&online, MemberModelGet(), ids[0], GetCurrentTimestamp());
	(void) OnlineNodeOf(&online, ids[1]);
	OnlineLoad(&online);
	OnlineRecords(&online);
	if (online.n < 2 || online.rows[0] < 0 || online.rows[1] < 0)
	{
		SPI_finish();
		PG_RETURN_NULL();
	}
	MatchScore(online.records, online.rows[0], online.rows[1], &evidence);
	old = MemoryContextSwitchTo(caller);
	values[0] = Float8GetDatum(evidence.weight);
	values[1] = Float8GetDatum(evidence.probability);
	values[2] = Float8GetDatum(evidence.prior);
	values[3] = Float8GetDatum(evidence.adjustment);
	values[4] = CStringGetTextDatum(band_names[evidence.band]);
	values[5] = CStringGetTextDatum(MatchRuleText(evidence.rule));
	values[6] = EvidenceJson(online.model->model, &evidence);
	values[7] = Int32GetDatum(online.model->model_id);
	MemoryContextSwitchTo(old);
	SPI_finish();
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
