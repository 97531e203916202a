/*-------------------------------------------------------------------------
 *
 * resolution_identifiers.c
 *	  Brings identifiers that were copied in to the form in which
 *	  upsert_account() stores them: lookups by value find no other, and of
 *	  some types nothing but a hash may be kept.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/resolution.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "member/member_internal.h"

/* Rows that are written by one statement. */
#define ROWS 8192
/* Characters of a value, as the table has it. */
#define MAX_VALUE 320

/*
 * Returns the form in which a value is stored, "" when it cannot be; NULL: the
 * value is in that form.
 */
char *
StaleFold(const MemberType *type, const char *value, int length,
		  const char *country)
{
	uint32 flags;
	char *stored = FoldIdentifier(type, value, length, country, &flags);

	if (stored == NULL || (type->hashed && (flags & NORMALISE_BLOCKED)) ||
		pg_mbstrlen(stored) > MAX_VALUE)
		return pstrdup("");
	if ((int) strlen(stored) == length && memcmp(stored, value, length) == 0)
		return NULL;
	return stored;
}

void
StaleNote(StaleIdentifiers *stale, StaleIdentifier row)
{
	if (stale->n == stale->room)
	{
		stale->room = Max(stale->room * 2, 1024);
		stale->rows = stale->rows
			? repalloc_huge(stale->rows, sizeof(StaleIdentifier) * stale->room)
			: palloc(sizeof(StaleIdentifier) * stale->room);
	}
	stale->rows[stale->n++] = row;
}

/* Writes some rows; returns how many accounts have values that are none. */
static int64
WriteSome(const StaleIdentifier *rows, int n, const MemberSettings *settings,
		  TimestampTz as_of)
{
	/* Values that become equal become one row, which knows what each knew. */
	static RetailStatement statement = {
		"WITH told AS MATERIALIZED (SELECT DISTINCT x.* FROM unnest($1, $2, $3, $4) AS x (account_id, type, value, stored)), gone AS ("
		"DELETE FROM retail.identifier i USING told x WHERE i.account_id = x.account_id AND i.type = x.type AND i.value = x.value"
		" RETURNING i.account_id, i.type, x.stored, i.verified, i.valid_from, i.valid_to, i.last_used_at), kept AS ("
		"INSERT INTO retail.identifier AS i (account_id, type, value, verified, valid_from, valid_to, last_used_at)"
		" SELECT g.account_id, g.type, g.stored, bool_or(g.verified), g.valid_from, max(g.valid_to), max(g.last_used_at) FROM gone g WHERE g.stored <> ''"
		" GROUP BY g.account_id, g.type, g.stored, g.valid_from ORDER BY g.account_id, g.type, g.stored, g.valid_from"
		" ON CONFLICT ON CONSTRAINT identifier_pkey DO UPDATE SET verified = i.verified OR excluded.verified,"
		" valid_to = greatest(i.valid_to, excluded.valid_to), last_used_at = greatest(i.last_used_at, excluded.last_used_at))"
		" INSERT INTO retail.account_exception (source_id, external_id, account_id, sqlstate, error, detail, hint, raised_at)"
		" SELECT a.source_id, a.external_id, a.account_id, 'RT016', 'identifier cannot be used', format('A value of type \"%s\" is blank, stands for none or is too long.', g.type),"
		" 'Tell the value by upsert_account() if the person has one.', $5"
		" FROM (SELECT DISTINCT g.account_id, g.type FROM gone g WHERE g.stored = '') g JOIN retail.account a USING (account_id) ORDER BY a.account_id, g.type",
		5,
		{INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
		 TIMESTAMPTZOID},
		NULL,
		false};
	int64 *accounts = palloc(sizeof(int64) * n);
	char **texts[3];
	Datum values[5];

	for (int c = 0; c < 3; c++)
		texts[c] = palloc(sizeof(char *) * n);
	for (int i = 0; i < n; i++)
	{
		accounts[i] = rows[i].account_id;
		texts[0][i] = settings->types[rows[i].type].name;
		texts[1][i] = (char *) rows[i].value;
		texts[2][i] = (char *) rows[i].stored;
	}
	values[0] = RetailInt64Array(accounts, n);
	for (int c = 0; c < 3; c++)
		values[1 + c] = RetailTextArray(texts[c], n);
	values[4] = TimestampTzGetDatum(as_of);
	RetailExecute(&statement, values, NULL, false, SPI_OK_INSERT);
	return (int64) SPI_processed;
}

/* Writes what was noted; returns how many exceptions that made. */
int64
StaleWrite(const StaleIdentifiers *stale, const MemberSettings *settings,
		   TimestampTz as_of)
{
	MemoryContext chunk = AllocSetContextCreate(
		CurrentMemoryContext, "pg_retail identifiers", ALLOCSET_DEFAULT_SIZES);
	int64 exceptions = 0;

	for (int64 i = 0; i < stale->n; i += ROWS)
	{
		MemoryContext old = MemoryContextSwitchTo(chunk);

		exceptions += WriteSome(&stale->rows[i], (int) Min(stale->n - i, ROWS),
								settings, as_of);
		MemoryContextSwitchTo(old);
		MemoryContextReset(chunk);
		CHECK_FOR_INTERRUPTS();
		RetailReportProgress(RESOLUTION_JOB, "store identifiers", i + 1,
							 stale->n);
	}
	MemoryContextDelete(chunk);
	return exceptions;
}
