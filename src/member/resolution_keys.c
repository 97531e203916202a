/*-------------------------------------------------------------------------
 *
 * resolution_keys.c
 *	  Writes the blocking keys of all accounts, by which upsert_account() finds
 *	  the same person.
 *
 * Keys of another model are worth nothing, so the table is emptied, filled in
 * the order of its primary key, and its indexes are built afterwards: that is
 * several times faster than to enter ten million rows into them.  Whoever
 * reads the table waits for the end of the transaction.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/resolution.h"

#include "access/heapam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Rows that are handed to the table at once. */
#define ROWS 1000

typedef struct Key
{
	int64 key;
	int64 account_id;
} Key;

/* ---- sorting ---- */

/* Sorts by one byte of the key, as a number with a sign at the last one. */
static void
SortByByte(const Key *from, Key *to, int64 n, int byte)
{
	int64 start[256] = {0};
	int64 sum = 0;
	int flip = byte == 7 ? 0x80 : 0;

	for (int64 i = 0; i < n; i++)
		start[(((uint64) from[i].key >> (8 * byte)) & 0xFF) ^ flip]++;
	for (int b = 0; b < 256; b++)
	{
		int64 count = start[b];

		start[b] = sum;
		sum += count;
	}
	for (int64 i = 0; i < n; i++)
		to[start[(((uint64) from[i].key >> (8 * byte)) & 0xFF) ^ flip]++] =
			from[i];
}

/* Sorts keys that come in the order of accounts; returns where they are. */
static Key *
SortKeys(Key *keys, int64 n)
{
	Key *other = palloc_extended(sizeof(Key) * Max(n, 1), MCXT_ALLOC_HUGE);

	for (int byte = 0; byte < 8; byte++)
	{
		Key *swap = keys;

		CHECK_FOR_INTERRUPTS();
		SortByByte(keys, other, n, byte);
		keys = other;
		other = swap;
	}
	pfree(other);
	return keys;
}

static int
CompareAccounts(const void *a, const void *b)
{
	const Key *x = a, *y = b;

	return (x->account_id > y->account_id) - (x->account_id < y->account_id);
}

/* ---- keys ---- */

/* The keys of all records, in the order of accounts. */
static Key *
MakeKeys(Resolution *resolution, int64 *n)
{
	int64 room = Max(resolution->n_records * 8, 1024);
	Key *keys = palloc_extended(sizeof(Key) * room, MCXT_ALLOC_HUGE);
	bool sorted = true;

	*n = 0;
	for (int64 row = 0; row < resolution->n_records; row++)
	{
		uint64_t found[MATCH_MAX_KEYS];
		int n_found = MatchKeys(resolution->records, row, found);

		if (*n + n_found > room)
			keys = repalloc_huge(
				keys, sizeof(Key) * (room = room * 3 / 2 + MATCH_MAX_KEYS));
		for (int i = 0; i < n_found; i++)
			keys[(*n)++] = (Key){(int64) found[i], resolution->ids[row]};
		if (row > 0 && resolution->ids[row - 1] > resolution->ids[row])
			sorted = false;
		if (row % 65536 == 0)
		{
			CHECK_FOR_INTERRUPTS();
			ResolutionTell(resolution, row, resolution->n_records);
		}
	}
	if (!sorted)
		qsort(keys, *n, sizeof(Key), CompareAccounts);
	return keys;
}

/* Fills the empty table, leaving its indexes alone. */
static void
FillTable(Resolution *resolution, Oid relid, const Key *keys, int64 n)
{
	Relation relation = table_open(relid, RowExclusiveLock);
	BulkInsertState bulk = GetBulkInsertState();
	CommandId command = GetCurrentCommandId(true);
	int at_key = get_attnum(relid, "key") - 1;
	int at_account = get_attnum(relid, "account_id") - 1;
	TupleTableSlot *slots[ROWS];
	MemoryContext row_context = AllocSetContextCreate(
		CurrentMemoryContext, "pg_retail keys", ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < ROWS; i++)
		slots[i] = table_slot_create(relation, NULL);
	for (int64 first = 0; first < n; first += ROWS)
	{
		int m = (int) Min(n - first, ROWS);
		MemoryContext old;

		for (int i = 0; i < m; i++)
		{
			TupleTableSlot *slot = slots[i];

			ExecClearTuple(slot);
			memset(slot->tts_isnull, true,
				   sizeof(bool) * slot->tts_tupleDescriptor->natts);
			slot->tts_values[at_key] = Int64GetDatum(keys[first + i].key);
			slot->tts_values[at_account] =
				Int64GetDatum(keys[first + i].account_id);
			slot->tts_isnull[at_key] = slot->tts_isnull[at_account] = false;
			ExecStoreVirtualTuple(slot);
		}
		old = MemoryContextSwitchTo(row_context);
		table_multi_insert(relation, slots, m, command, 0, bulk);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
		CHECK_FOR_INTERRUPTS();
		ResolutionTell(resolution, first, n);
	}
	for (int i = 0; i < ROWS; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	FreeBulkInsertState(bulk);
	table_finish_bulk_insert(relation, 0);
	table_close(relation, NoLock);
	CommandCounterIncrement();
}

static void
Run(const char *sql, int expected)
{
	int code = SPI_execute(sql, false, 0);

	if (code != expected)
		elog(ERROR, "unexpected result %s of \"%s\"",
			 SPI_result_code_string(code), sql);
}

/* Writes keys of the bound records in place of all that there are. */
void
ResolutionWriteKeys(Resolution *resolution)
{
	static RetailStatement note = {
		"UPDATE retail.match_model SET keyed_through = $2 WHERE model_id = $1",
		2,
		{INT4OID, INT8OID},
		NULL,
		false};
	MemoryContext work = AllocSetContextCreate(
		resolution->context, "pg_retail match keys", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);
	Oid relid =
		get_relname_relid("match_key", get_namespace_oid("retail", false));
	int64 n, through = 0;
	Key *keys;
	Datum values[2];

	ResolutionStep(resolution, "make keys");
	keys = MakeKeys(resolution, &n);
	keys = SortKeys(keys, n);
	ResolutionStep(resolution, "write keys");
	Run("TRUNCATE retail.match_key", SPI_OK_UTILITY);
	FillTable(resolution, relid, keys, n);
	ResolutionStep(resolution, "index keys");
	Run("REINDEX TABLE retail.match_key", SPI_OK_UTILITY);
	for (int64 row = 0; row < resolution->n_records; row++)
		through = Max(through, resolution->ids[row]);
	values[0] = Int32GetDatum((int32) resolution->model_id);
	values[1] = Int64GetDatum(through);
	RetailExecute(&note, values, NULL, false, SPI_OK_UPDATE);
	resolution->keys = n;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}
