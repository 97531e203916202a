/*-------------------------------------------------------------------------
 *
 * account_write.c
 *	  Accounts, identifiers and consents into their tables.
 *
 * What is not told stays.  What is told late (as of before the last change)
 * fills only what is empty.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/member_internal.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

/* Finds the account and locks it; account_id 0: there is none. */
void
FindAccount(const ToldAccount *told, const MemberModel *model,
			StoredAccount *stored)
{
	static RetailStatement statement = {
		"SELECT account_id, content_hash = $3, keyed_model FROM retail.account"
		" WHERE source_id = $1 AND external_id = $2 FOR UPDATE",
		3,
		{INT8OID, TEXTOID, BYTEAOID},
		NULL,
		false};
	Datum values[3];
	bool never;
	int64 keyed;

	values[0] = Int64GetDatum(told->settings->sources[told->source].source_id);
	values[1] = CStringGetTextDatum(told->external_id);
	values[2] = told->hash;
	memset(stored, 0, sizeof(*stored));
	RetailExecute(&statement, values, NULL, false, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return;
	stored->account_id = RetailCellInt64(0, 1, NULL);
	keyed = RetailCellInt64(0, 3, &never);
	stored->keyed = !never && keyed == model->model_id;
	if (stored->account_id <= model->keyed_through && (never || keyed >= 0))
		stored->keyed = true;
	stored->unchanged = stored->keyed && RetailCellBool(0, 2);
}

/* Fills in the arguments that both statements have, from the first text on. */
static int
SetTexts(const ToldAccount *told, Datum *values, char *nulls)
{
	int n = 0;

	for (int i = 0; i < ACCOUNT_TEXTS; i++, n++)
	{
		nulls[n] = told->text[i] ? ' ' : 'n';
		values[n] = told->text[i] ? CStringGetTextDatum(told->text[i]) : 0;
	}
	nulls[n] = told->attributes ? ' ' : 'n';
	values[n++] = JsonbPGetDatum(told->attributes);
	nulls[n] = told->has_registered_at ? ' ' : 'n';
	values[n++] = TimestampTzGetDatum(told->registered_at);
	nulls[n] = ' ';
	values[n++] = TimestampTzGetDatum(told->as_of);
	nulls[n] = ' ';
	values[n++] = told->hash;
	return n;
}

/* Makes the account; false: somebody made it at the same moment. */
static bool
InsertAccount(const ToldAccount *told, const MemberModel *model,
			  StoredAccount *stored)
{
	static RetailStatement statement = {
		"INSERT INTO retail.account AS a (full_name, given_name, surname, birth_date, gender, address, city, region, postcode, time_zone, language,"
		" attributes, registered_at, updated_at, content_hash, source_id, external_id, keyed_model)"
		" VALUES (nullif($1, ''), nullif($2, ''), nullif($3, ''), nullif($4, ''), nullif($5, ''), nullif($6, ''), nullif($7, ''), nullif($8, ''), nullif($9, ''), nullif($10, ''), nullif($11, ''),"
		" nullif(jsonb_strip_nulls($12), '{}'), coalesce($13, $14), $14, $15, $16, $17, $18)"
		" ON CONFLICT ON CONSTRAINT account_source_id_external_id_key DO NOTHING RETURNING a.account_id",
		18,
		{TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
		 TEXTOID, TEXTOID, TEXTOID, JSONBOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
		 BYTEAOID, INT8OID, TEXTOID, INT4OID},
		NULL,
		false};
	Datum values[18];
	char nulls[18];
	int n = SetTexts(told, values, nulls);

	nulls[n] = ' ';
	values[n++] =
		Int64GetDatum(told->settings->sources[told->source].source_id);
	nulls[n] = ' ';
	values[n++] = CStringGetTextDatum(told->external_id);
	nulls[n] = ' ';
	values[n++] = Int32GetDatum(model->model_id);
	RetailExecute(&statement, values, nulls, false, SPI_OK_INSERT_RETURNING);
	if (SPI_processed == 0)
		return false;
	stored->account_id = RetailCellInt64(0, 1, NULL);
	stored->created = true;
	return true;
}

#define SET_TEXT(column, argument)                              \
	" " column " = CASE WHEN " argument " IS NULL THEN " column \
	" WHEN late THEN coalesce(" column ", nullif(" argument     \
	", '')) ELSE nullif(" argument ", '') END,"

static void
UpdateAccount(const ToldAccount *told, const MemberModel *model,
			  const StoredAccount *stored)
{
	static RetailStatement statement = {
		"UPDATE retail.account AS a SET" SET_TEXT("full_name", "$1") SET_TEXT(
			"given_name", "$2") SET_TEXT("surname", "$3") SET_TEXT("birth_date",
																   "$4")
			SET_TEXT("gender", "$5") SET_TEXT("address", "$6") SET_TEXT(
				"city", "$7") SET_TEXT("region", "$8") SET_TEXT("postcode",
																"$9")
				SET_TEXT("time_zone", "$10") SET_TEXT(
					"language",
					"$11") " attributes = CASE WHEN $12 IS NULL THEN attributes"
						   " WHEN late THEN nullif(jsonb_strip_nulls($12 || coalesce(attributes, '{}')), '{}')"
						   " ELSE nullif(jsonb_strip_nulls(coalesce(attributes, '{}') || $12), '{}') END,"
						   " registered_at = coalesce($13, registered_at), updated_at = greatest(updated_at, $14),"
						   " content_hash = CASE WHEN late THEN content_hash ELSE $15 END, keyed_model = $17"
						   " FROM (SELECT o.updated_at > $14 AS late FROM retail.account o WHERE o.account_id = $16) x WHERE account_id = $16",
		17,
		{TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
		 TEXTOID, TEXTOID, TEXTOID, JSONBOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
		 BYTEAOID, INT8OID, INT4OID},
		NULL,
		false};
	Datum values[17];
	char nulls[17];
	int n = SetTexts(told, values, nulls);

	nulls[n] = ' ';
	values[n++] = Int64GetDatum(stored->account_id);
	nulls[n] = ' ';
	values[n++] = Int32GetDatum(model->model_id);
	RetailExecute(&statement, values, nulls, false, SPI_OK_UPDATE);
}

/* ---- identifiers ---- */

/* The arguments of both statements. */
static void
SetIdentifier(const ToldAccount *told, int64 account_id,
			  const ToldIdentifier *identifier, Datum *values, char *nulls)
{
	memset(nulls, ' ', 8);
	values[0] = Int64GetDatum(account_id);
	values[1] =
		CStringGetTextDatum(told->settings->types[identifier->type].name);
	values[2] = CStringGetTextDatum(identifier->value);
	values[3] = BoolGetDatum(identifier->verified);
	values[4] = TimestampTzGetDatum(identifier->valid_from);
	nulls[4] = identifier->has_valid_from ? ' ' : 'n';
	values[5] = TimestampTzGetDatum(identifier->valid_to);
	nulls[5] = identifier->has_valid_to ? ' ' : 'n';
	values[6] = TimestampTzGetDatum(identifier->used_at);
	nulls[6] = identifier->has_used_at ? ' ' : 'n';
	values[7] = TimestampTzGetDatum(told->as_of);
}

/* Tells more of an open identifier; false: there is none. */
static bool
UpdateIdentifier(Datum *values, const char *nulls)
{
	/* $5, since when, is known already */
	static RetailStatement statement = {
		"UPDATE retail.identifier AS i SET verified = i.verified OR $4, last_used_at = greatest(i.last_used_at, $7),"
		/* never before it began, whatever the source says */
		" valid_to = greatest(coalesce($6, i.valid_to), i.valid_from + interval '1 microsecond')"
		" WHERE i.account_id = $1 AND i.type = $2 AND i.value = $3 AND i.valid_to = 'infinity' RETURNING 1",
		7,
		{INT8OID, TEXTOID, TEXTOID, BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
		 TIMESTAMPTZOID},
		NULL,
		false};

	RetailExecute(&statement, values, nulls, false, SPI_OK_UPDATE_RETURNING);
	return SPI_processed > 0;
}

static void
InsertIdentifier(Datum *values, const char *nulls)
{
	static RetailStatement statement = {
		"INSERT INTO retail.identifier AS i (account_id, type, value, verified, valid_from, valid_to, last_used_at)"
		" VALUES ($1, $2, $3, $4, coalesce($5, CASE WHEN $6 <= $8 THEN '-infinity' ELSE $8 END), coalesce($6, 'infinity'), $7)"
		" ON CONFLICT ON CONSTRAINT identifier_pkey DO UPDATE SET verified = i.verified OR excluded.verified,"
		" valid_to = excluded.valid_to, last_used_at = greatest(i.last_used_at, excluded.last_used_at)",
		8,
		{INT8OID, TEXTOID, TEXTOID, BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
		 TIMESTAMPTZOID, TIMESTAMPTZOID},
		NULL,
		false};

	RetailExecute(&statement, values, nulls, false, SPI_OK_INSERT);
}

static void
WriteConsents(const ToldAccount *told, int64 account_id)
{
	static RetailStatement statement = {
		"SELECT retail.note_told_consents($1, $2, $3)",
		3,
		{INT8OID, JSONBOID, TIMESTAMPTZOID},
		NULL,
		false};
	Datum values[3];

	values[0] = Int64GetDatum(account_id);
	values[1] = JsonbPGetDatum(told->consent);
	values[2] = TimestampTzGetDatum(told->as_of);
	RetailExecute(&statement, values, NULL, false, SPI_OK_SELECT);
}

/* The profile of the person follows at the next run. */
static void
QueueProfile(int64 account_id)
{
	static RetailStatement statement = {
		"INSERT INTO retail.profile_queue (member_id) VALUES ($1)",
		1,
		{INT8OID},
		NULL,
		false};
	Datum value = Int64GetDatum(account_id);

	RetailExecute(&statement, &value, NULL, false, SPI_OK_INSERT);
}

/* Writes what was told of an account that FindAccount() found, or did not. */
void
WriteAccount(const ToldAccount *told, const MemberModel *model,
			 StoredAccount *stored)
{
	if (stored->account_id == 0 && !InsertAccount(told, model, stored))
	{
		FindAccount(told, model, stored);
		if (stored->account_id == 0)
			ereport(
				ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				errmsg(
					"could not serialize access due to a concurrent account"));
		if (stored->unchanged)
			return;
	}
	if (!stored->created)
		UpdateAccount(told, model, stored);
	for (int i = 0; i < told->n_identifiers; i++)
	{
		Datum values[8];
		char nulls[8];

		SetIdentifier(told, stored->account_id, &told->identifiers[i], values,
					  nulls);
		/* A list may name a value twice. */
		if ((stored->created && i == 0) || !UpdateIdentifier(values, nulls))
			InsertIdentifier(values, nulls);
	}
	if (told->consent)
		WriteConsents(told, stored->account_id);
	QueueProfile(stored->account_id);
}

/* The person of an account. */
int64
MemberOf(int64 account_id)
{
	static RetailStatement statement = {
		"SELECT member_id FROM retail.member_link WHERE account_id = $1",
		1,
		{INT8OID},
		NULL,
		false};
	Datum value = Int64GetDatum(account_id);

	RetailExecute(&statement, &value, NULL, false, SPI_OK_SELECT);
	return SPI_processed > 0 ? RetailCellInt64(0, 1, NULL) : account_id;
}
