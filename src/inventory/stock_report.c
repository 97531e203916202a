/*-------------------------------------------------------------------------
 *
 * stock_report.c
 *	  The stock cache seen from SQL: what it holds, how it does, and making
 *	  it forget.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "inventory/stock_cache.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"

#include "compat.h"

/* Returns one row for each level and safety stock of this database. */
PG_FUNCTION_INFO_V1(retail_cached_stock);
Datum
retail_cached_stock(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int partition = 0;
	int entry = 0;
	StockList list;

	InitMaterializedSRF(fcinfo, 0);
	while (StockCacheExists() &&
		   StockCacheNext(MyDatabaseId, &partition, &entry, &list))
	{
		Datum values[5] = {Int64GetDatum(list.sku_id)};
		bool nulls[5] = {false, false, false, true, true};

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < list.n_levels; i++)
		{
			values[1] = Int64GetDatum(list.levels[i].node_id);
			values[2] = Int64GetDatum(list.levels[i].available);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
								 nulls);
		}
		nulls[2] = true;
		nulls[4] = false;
		for (int i = 0; i < list.n_safeties; i++)
		{
			values[1] = Int64GetDatum(list.safeties[i].node_id);
			values[3] = Int64GetDatum(list.safeties[i].channel_id);
			nulls[3] = list.safeties[i].channel_id == 0;
			values[4] = Int64GetDatum(list.safeties[i].quantity);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
								 nulls);
		}
		pfree(list.safeties); /* the memory of all of it */
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(retail_stock_cache_status);
Datum
retail_stock_cache_status(PG_FUNCTION_ARGS)
{
	TupleDesc tupdesc;
	StockCacheStatus status = {0};
	Datum values[8];
	bool nulls[8] = {0};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (StockCacheExists())
		StockCacheGetStatus(&status);
	values[0] = Int64GetDatum(status.bytes);
	values[1] = Float8GetDatum(
		status.chunks == 0
			? 0
			: (double) (status.chunks - status.free_chunks) / status.chunks);
	values[2] = Int64GetDatum(status.entries);
	values[3] = Int64GetDatum(status.levels);
	values[4] = Int64GetDatum((int64) status.hits);
	values[5] = Int64GetDatum((int64) status.misses);
	values[6] = Int64GetDatum((int64) status.loads);
	values[7] = Int64GetDatum((int64) status.evictions);
	return HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

/* Drops SKUs, or everything when given null, when the transaction commits. */
PG_FUNCTION_INFO_V1(retail_forget_cached_stock);
Datum
retail_forget_cached_stock(PG_FUNCTION_ARGS)
{
	Datum *skus;
	bool *nulls;
	int n;

	if (PG_ARGISNULL(0))
	{
		StockWritesForgetAll();
		PG_RETURN_VOID();
	}
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), INT8OID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &skus, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			StockWritesForget(DatumGetInt64(skus[i]));
	PG_RETURN_VOID();
}
