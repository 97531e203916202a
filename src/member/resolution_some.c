/*-------------------------------------------------------------------------
 *
 * resolution_some.c
 *	  Who some accounts are: one after the other, as upsert_account() finds it
 *	  out, for a few that were copied in or must be looked at again.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/resolution.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"

#include "member/online.h"

/* resolve_some(account_ids, as_of) */
PG_FUNCTION_INFO_V1(retail_resolve_some);
Datum
retail_resolve_some(PG_FUNCTION_ARGS)
{
	static RetailStatement note = {
		"UPDATE retail.account SET keyed_model = $2 WHERE account_id = ANY ($1)",
		2,
		{INT8ARRAYOID, INT4OID},
		NULL,
		false};
	TimestampTz as_of = PG_GETARG_TIMESTAMPTZ(1);
	int n;
	int64 *ids = RetailInt64ArrayArgument(fcinfo, 0, &n);
	const MemberModel *model;
	Datum values[2];

	for (int i = 0; i < n; i++)
	{
		Online online;

		CHECK_FOR_INTERRUPTS();
		/* Its memory goes with each of them. */
		SPI_connect();
		OnlineResolve(MemberModelGet(), ids[i], false, as_of, &online);
		SPI_finish();
		RetailReportProgress(RESOLUTION_JOB, "resolve what is new", i + 1, n);
	}
	SPI_connect();
	model = MemberModelGet();
	values[0] = PG_GETARG_DATUM(0);
	values[1] = Int32GetDatum(model->model_id);
	RetailExecute(&note, values, NULL, false, SPI_OK_UPDATE);
	SPI_finish();
	PG_RETURN_VOID();
}
