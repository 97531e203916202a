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

/* Brings identifiers of the accounts to the form in which they are stored. */
static void
StoreIdentifiers(Datum account_ids, TimestampTz as_of)
{
	static RetailStatement statement = {
		"SELECT i.account_id, i.type, i.value, s.country FROM retail.identifier i JOIN retail.account a USING (account_id)"
		" JOIN retail.member_source s USING (source_id) WHERE i.account_id = ANY ($1)",
		1,
		{INT8ARRAYOID},
		NULL,
		false};
	const MemberSettings *settings = MemberModelGet()->settings;
	StaleIdentifiers stale = {0};

	RetailExecute(&statement, &account_ids, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		int type = MemberTypeIndex(settings, RetailCellText(i, 2));
		char *value = RetailCellText(i, 3);
		char *stored = type < 0
			? NULL
			: StaleFold(&settings->types[type], value, (int) strlen(value),
						RetailCellText(i, 4));

		if (stored)
			StaleNote(&stale,
					  (StaleIdentifier){RetailCellInt64(i, 1, NULL), type,
										value, stored});
	}
	StaleWrite(&stale, settings, as_of);
}

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

	SPI_connect();
	StoreIdentifiers(PG_GETARG_DATUM(0), as_of);
	SPI_finish();
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
