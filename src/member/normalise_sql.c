/*-------------------------------------------------------------------------
 *
 * normalise_sql.c
 *	  SQL face of the normaliser: one function a kind of value.
 *
 * Results are null where nothing is left of a value.  Texts go through UTF-8,
 * whatever the encoding of the database; bytes that are no text of it cannot
 * come, except in SQL_ASCII, where they are dropped.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "retail.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"

#include "member/normalise_sql.h"

Normaliser *
RetailNormaliser(void)
{
	static Normaliser *normaliser = NULL;

	if (normaliser == NULL)
		normaliser = NormaliserCreate();
	if (normaliser == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
				errdetail("Failed to create the normaliser of names."));
	return normaliser;
}

void
RetailHashText(const char *text, int length, char *result)
{
	static const char digits[] = "0123456789abcdef";
	uint8 digest[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);

	if (context == NULL || pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (const uint8 *) text, (size_t) length) <
			0 ||
		pg_cryptohash_final(context, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a SHA-256");
	pg_cryptohash_free(context);
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
	{
		*result++ = digits[digest[i] >> 4];
		*result++ = digits[digest[i] & 15];
	}
	*result = '\0';
}

/* Does the server's own text need no conversion? */
static bool
IsUtf8(void)
{
	return GetDatabaseEncoding() == PG_UTF8 ||
		GetDatabaseEncoding() == PG_SQL_ASCII;
}

RetailText
RetailTextArgument(FunctionCallInfo fcinfo, int n)
{
	RetailText argument = {0};
	text *value;

	if (PG_ARGISNULL(n))
		return argument;
	value = PG_GETARG_TEXT_PP(n);
	argument.text = VARDATA_ANY(value);
	argument.length = (int) VARSIZE_ANY_EXHDR(value);
	if (!IsUtf8())
	{
		char *converted =
			pg_server_to_any(argument.text, argument.length, PG_UTF8);

		if (converted != argument.text)
		{
			argument.text = converted;
			argument.length = (int) strlen(converted);
		}
	}
	return argument;
}

char *
RetailStringArgument(FunctionCallInfo fcinfo, int n)
{
	RetailText argument = RetailTextArgument(fcinfo, n);

	return argument.text == NULL ? NULL
								 : pnstrdup(argument.text, argument.length);
}

/* A result in the encoding of the database. */
static Datum
ResultText(const char *text, int length)
{
	if (!IsUtf8())
	{
		char *converted = pg_any_to_server(text, length, PG_UTF8);

		if (converted != text)
			return CStringGetTextDatum(converted);
	}
	return PointerGetDatum(cstring_to_text_with_len(text, length));
}

/* The country of a phone: two letters, or RT016. */
static void
CountryArgument(FunctionCallInfo fcinfo, int n, char country[3])
{
	text *value = PG_GETARG_TEXT_PP(n);
	const char *letters = VARDATA_ANY(value);

	if (VARSIZE_ANY_EXHDR(value) != 2 || !isalpha((unsigned char) letters[0]) ||
		!isalpha((unsigned char) letters[1]))
		ereport(ERROR, errcode(RT_INVALID_ARGUMENT),
				errmsg("invalid value for country"),
				errdetail("country is \"%s\".", text_to_cstring(value)),
				errhint("Give the two letters of ISO 3166, as in CN."));
	memcpy(country, letters, 2);
	country[2] = '\0';
}

typedef NormalText (*TextFunction)(Normaliser *, const char *, int, char *,
								   size_t);

/* The functions of one text. */
static Datum
Normalised(FunctionCallInfo fcinfo, TextFunction function)
{
	RetailText argument = RetailTextArgument(fcinfo, 0);
	char out[NORMALISE_TEXT_SIZE];
	NormalText result = function(RetailNormaliser(), argument.text,
								 argument.length, out, sizeof(out));

	if (result.length == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(ResultText(out, result.length));
}

PG_FUNCTION_INFO_V1(retail_normalise_text);
Datum
retail_normalise_text(PG_FUNCTION_ARGS)
{
	return Normalised(fcinfo, NormaliseText);
}

PG_FUNCTION_INFO_V1(retail_normalise_address);
Datum
retail_normalise_address(PG_FUNCTION_ARGS)
{
	return Normalised(fcinfo, NormaliseAddress);
}

PG_FUNCTION_INFO_V1(retail_normalise_place);
Datum
retail_normalise_place(PG_FUNCTION_ARGS)
{
	return Normalised(fcinfo, NormalisePlace);
}

PG_FUNCTION_INFO_V1(retail_normalise_postcode);
Datum
retail_normalise_postcode(PG_FUNCTION_ARGS)
{
	return Normalised(fcinfo, NormalisePostcode);
}

PG_FUNCTION_INFO_V1(retail_normalise_email);
Datum
retail_normalise_email(PG_FUNCTION_ARGS)
{
	return Normalised(fcinfo, NormaliseEmail);
}

PG_FUNCTION_INFO_V1(retail_normalise_phone);
Datum
retail_normalise_phone(PG_FUNCTION_ARGS)
{
	RetailText argument = RetailTextArgument(fcinfo, 0);
	char country[3];
	char out[NORMALISE_TEXT_SIZE];
	NormalText result;

	CountryArgument(fcinfo, 1, country);
	result = NormalisePhone(RetailNormaliser(), argument.text, argument.length,
							country, out, sizeof(out));
	if (result.length == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(ResultText(out, result.length));
}

/* The parts of a name in one text: "surname, given". */
PG_FUNCTION_INFO_V1(retail_normalise_name);
Datum
retail_normalise_name(PG_FUNCTION_ARGS)
{
	NormalName name;
	uint32 flags = NormaliseName(
		RetailNormaliser(), RetailStringArgument(fcinfo, 0), NULL, NULL, &name);

	if (flags & NORMALISE_EMPTY)
		PG_RETURN_NULL();
	if (name.surname[0] == '\0')
		PG_RETURN_TEXT_P(cstring_to_text(name.given));
	PG_RETURN_TEXT_P(
		cstring_to_text(psprintf("%s, %s", name.surname, name.given)));
}

static Datum
PartOrNull(const char *part, bool *isnull)
{
	*isnull = part[0] == '\0';
	return *isnull ? (Datum) 0 : CStringGetTextDatum(part);
}

static HeapTuple
ResultRow(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return heap_form_tuple(BlessTupleDesc(desc), values, nulls);
}

PG_FUNCTION_INFO_V1(retail_split_name);
Datum
retail_split_name(PG_FUNCTION_ARGS)
{
	NormalName name;
	uint32 flags =
		NormaliseName(RetailNormaliser(), RetailStringArgument(fcinfo, 0),
					  RetailStringArgument(fcinfo, 1),
					  RetailStringArgument(fcinfo, 2), &name);
	Datum values[7];
	bool nulls[7] = {false};

	values[0] = PartOrNull(name.surname, &nulls[0]);
	values[1] = PartOrNull(name.given, &nulls[1]);
	values[2] = PartOrNull(name.suffix, &nulls[2]);
	values[3] = PartOrNull(flags & NORMALISE_TITLE_MALE			? "m"
							   : flags & NORMALISE_TITLE_FEMALE ? "f"
																: "",
						   &nulls[3]);
	values[4] = BoolGetDatum((flags & NORMALISE_CHINESE_NAME) != 0);
	values[5] = BoolGetDatum((flags & NORMALISE_AMBIGUOUS) != 0);
	values[6] = BoolGetDatum((flags & NORMALISE_BLOCKED) != 0);
	PG_RETURN_DATUM(HeapTupleGetDatum(ResultRow(fcinfo, values, nulls)));
}

/* Any identifier; a national id leaves as its hash only. */
static NormalText
Identifier(FunctionCallInfo fcinfo, char *out, size_t size)
{
	RetailText argument = RetailTextArgument(fcinfo, 1);
	NormaliseKind kind = NormaliseKindOf(RetailStringArgument(fcinfo, 0));
	char country[3];
	NormalText result;

	CountryArgument(fcinfo, 2, country);
	result = NormaliseIdentifier(RetailNormaliser(), kind, argument.text,
								 argument.length, country, out, size);
	if (kind == NORMALISE_KIND_NATIONAL && result.length > 0 &&
		(result.flags & NORMALISE_HASHED) == 0)
	{
		char hash[PG_SHA256_DIGEST_LENGTH * 2 + 1];

		RetailHashText(out, result.length, hash);
		result.length = (int) strlcpy(out, hash, size);
	}
	return result;
}

PG_FUNCTION_INFO_V1(retail_normalise_identifier);
Datum
retail_normalise_identifier(PG_FUNCTION_ARGS)
{
	char out[NORMALISE_TEXT_SIZE];
	NormalText result = Identifier(fcinfo, out, sizeof(out));

	if (result.length == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(ResultText(out, result.length));
}

PG_FUNCTION_INFO_V1(retail_is_stand_in);
Datum
retail_is_stand_in(PG_FUNCTION_ARGS)
{
	char out[NORMALISE_TEXT_SIZE];

	PG_RETURN_BOOL((Identifier(fcinfo, out, sizeof(out)).flags &
					(NORMALISE_BLOCKED | NORMALISE_EMPTY)) != 0);
}

PG_FUNCTION_INFO_V1(retail_read_national_id);
Datum
retail_read_national_id(PG_FUNCTION_ARGS)
{
	RetailText argument = RetailTextArgument(fcinfo, 0);
	char out[NORMALISE_TEXT_SIZE];
	char hash[PG_SHA256_DIGEST_LENGTH * 2 + 1];
	char gender[2] = {0};
	NormalNationalId id = NormaliseNationalId(
		RetailNormaliser(), argument.text, argument.length, out, sizeof(out));
	Datum values[4] = {0};
	bool nulls[4] = {false};

	nulls[1] = (id.flags & NORMALISE_EMPTY) != 0;
	if (id.flags & NORMALISE_HASHED)
		strlcpy(hash, out, sizeof(hash));
	else
		RetailHashText(out, id.length, hash);
	gender[0] = id.gender;
	values[0] = BoolGetDatum(id.birth_year != 0);
	values[1] = CStringGetTextDatum(hash);
	nulls[2] = id.birth_year == 0;
	if (!nulls[2])
		values[2] = DateADTGetDatum(
			date2j(id.birth_year, id.birth_month, id.birth_day) -
			POSTGRES_EPOCH_JDATE);
	values[3] = PartOrNull(gender, &nulls[3]);
	PG_RETURN_DATUM(HeapTupleGetDatum(ResultRow(fcinfo, values, nulls)));
}

static const char *
DateQuality(const NormalDate *date)
{
	if (date->flags & NORMALISE_EMPTY)
		return "none";
	if (date->flags & NORMALISE_BLOCKED)
		return "stand_in";
	if (date->flags & NORMALISE_INVALID)
		return "impossible";
	if (date->flags & NORMALISE_AMBIGUOUS)
		return "ambiguous";
	return date->day > 0 ? "exact" : "partial";
}

PG_FUNCTION_INFO_V1(retail_parse_birth_date);
Datum
retail_parse_birth_date(PG_FUNCTION_ARGS)
{
	RetailText argument = RetailTextArgument(fcinfo, 0);
	NormalDate date =
		NormaliseDate(RetailNormaliser(), argument.text, argument.length);
	Datum values[6] = {0};
	bool nulls[6] = {false};

	nulls[0] = date.day == 0;
	if (!nulls[0])
		values[0] = DateADTGetDatum(date2j(date.year, date.month, date.day) -
									POSTGRES_EPOCH_JDATE);
	nulls[1] = date.year == 0;
	values[1] = Int32GetDatum(date.year);
	nulls[2] = date.month == 0;
	values[2] = Int32GetDatum(date.month);
	nulls[3] = date.day == 0;
	values[3] = Int32GetDatum(date.day);
	values[4] = PartOrNull(date.digits, &nulls[4]);
	values[5] = CStringGetTextDatum(DateQuality(&date));
	PG_RETURN_DATUM(HeapTupleGetDatum(ResultRow(fcinfo, values, nulls)));
}

PG_FUNCTION_INFO_V1(retail_normalise_gender);
Datum
retail_normalise_gender(PG_FUNCTION_ARGS)
{
	RetailText argument = RetailTextArgument(fcinfo, 0);
	char gender[2] = {0};

	gender[0] = NormaliseGender(argument.text, argument.length);
	if (gender[0] == '\0')
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(gender));
}

PG_FUNCTION_INFO_V1(retail_normaliser_version);
Datum
retail_normaliser_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32((int32) NormaliserVersion());
}
