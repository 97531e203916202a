/*-------------------------------------------------------------------------
 *
 * member.c
 *	  upsert_account(): writes down what a source knows of a person, and says
 *	  who it is.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/member_internal.h"

#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "member/online.h"

/* The normaliser of this backend, made at first use. */
Normaliser *
MemberNormaliser(void)
{
	static Normaliser *normaliser = NULL;

	if (normaliser == NULL)
		normaliser = NormaliserCreate();
	if (normaliser == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
				errdetail("The normaliser could not be made."));
	return normaliser;
}

/* The SHA-256 of a value, in hex. */
static char *
HashValue(const char *value, int length)
{
	Datum hash = DirectFunctionCall1(
		sha256_bytea, PointerGetDatum(cstring_to_text_with_len(value, length)));

	return TextDatumGetCString(
		DirectFunctionCall2(binary_encode, hash, CStringGetTextDatum("hex")));
}

/*
 * Returns the form in which a value is stored, palloc'd; NULL when nothing is
 * left of it.
 */
char *
FoldIdentifier(const MemberType *type, const char *value, int length,
			   const char *country, uint32 *flags)
{
	char *out = palloc(NORMALISE_TEXT_SIZE);
	NormalText result =
		NormaliseIdentifier(MemberNormaliser(), type->kind, value, length,
							country, out, NORMALISE_TEXT_SIZE);

	*flags = result.flags;
	if ((result.flags & NORMALISE_EMPTY) || result.length == 0)
		return NULL;
	if (type->hashed && !(result.flags & NORMALISE_HASHED))
		return HashValue(out, result.length);
	return out;
}

PG_FUNCTION_INFO_V1(retail_fold_identifier);
Datum
retail_fold_identifier(PG_FUNCTION_ARGS)
{
	char *name = PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *country =
		PG_ARGISNULL(2) ? "CN" : text_to_cstring(PG_GETARG_TEXT_PP(2));
	char *folded = NULL;
	const MemberSettings *settings;
	uint32 flags;
	int type;

	SPI_connect();
	settings = MemberModelGet()->settings;
	SPI_finish();
	type = MemberTypeIndex(settings, name);
	if (type < 0)
		ereport(
			ERROR, errcode(RT_UNKNOWN_OBJECT),
			errmsg("unknown type of identifier"),
			errdetail("There is no type \"%.60s\".", name),
			errhint(
				"See SELECT type, description FROM retail.identifier_type."));
	if (!PG_ARGISNULL(1))
	{
		text *value = PG_GETARG_TEXT_PP(1);

		folded = FoldIdentifier(&settings->types[type], VARDATA_ANY(value),
								VARSIZE_ANY_EXHDR(value), country, &flags);
	}
	if (folded == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(folded));
}

/* What became of the account, for its source. */
static const char *
Outcome(const Online *online, int64 *member_id)
{
	const OnlineNode *self = &online->nodes[0];
	int64 old = self->member;
	int64 first = 0;
	int people = 0;
	bool left = false;

	*member_id = self->person;
	for (int i = 0; i < online->n; i++)
	{
		const OnlineNode *node = &online->nodes[i];

		if (!node->reached || node->input == NULL ||
			(online->created && i == 0))
			continue;
		if (node->person != self->person)
			left = left || (!online->created && node->member == old);
		else if (people == 0 || (people == 1 && node->member != first))
		{
			first = people == 0 ? node->member : first;
			people++;
		}
	}
	if (online->created)
		return people == 0 ? "created" : people == 1 ? "joined" : "merged";
	return people > 1 ? "merged" : left ? "split" : "updated";
}

PG_FUNCTION_INFO_V1(retail_upsert_account);
Datum
retail_upsert_account(PG_FUNCTION_ARGS)
{
	const MemberModel *model;
	ToldAccount told;
	StoredAccount stored;
	Online online;
	TupleDesc desc;
	Datum values[4];
	bool nulls[4] = {false, false, false, false};
	const char *outcome = "unchanged";
	int64 member_id;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	SPI_connect();
	/* Before anything else: whoever resolves everybody learns a new model, and
	 * changes rows that we must not lock before we wait for it. */
	MemberLockGate(false);
	model = MemberModelGet();
	ReadToldAccount(fcinfo, model->settings, &told);
	memset(&online, 0, sizeof(online));
	FindAccount(&told, model, &stored);
	if (!stored.unchanged)
		WriteAccount(&told, model, &stored);
	if (stored.unchanged)
		member_id = MemberOf(stored.account_id);
	else
	{
		OnlineResolve(model, stored.account_id, stored.created, told.as_of,
					  &online);
		outcome = Outcome(&online, &member_id);
	}
	SPI_finish();
	values[0] = Int64GetDatum(member_id);
	values[1] = Int64GetDatum(stored.account_id);
	values[2] = CStringGetTextDatum(outcome);
	values[3] = Int32GetDatum(online.questions);
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
