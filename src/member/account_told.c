/*-------------------------------------------------------------------------
 *
 * account_told.c
 *	  Reads the arguments of upsert_account() and checks them.
 *
 * Errors end in logs, so none shows a value of the person: DETAIL names the
 * field.  What is merely odd is taken: an impossible date, emoji; control
 * characters become blanks.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/member_internal.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

#include "compat.h"

const char *const account_text_names[ACCOUNT_TEXTS] = {
	[MATCH_FULL_NAME] = "full_name", [MATCH_GIVEN_NAME] = "given_name",
	[MATCH_SURNAME] = "surname",	 [MATCH_BIRTH_DATE] = "birth_date",
	[MATCH_GENDER] = "gender",		 [MATCH_ADDRESS] = "address",
	[MATCH_CITY] = "city",			 [MATCH_REGION] = "region",
	[MATCH_POSTCODE] = "postcode",	 [ACCOUNT_TIME_ZONE] = "time_zone",
	[ACCOUNT_LANGUAGE] = "language"};

/* Which argument each of them is. */
static const int text_arguments[ACCOUNT_TEXTS] = {2, 3, 4,	5,	6, 7,
												  8, 9, 10, 14, 15};
#define IDENTIFIERS_ARGUMENT 11
#define ATTRIBUTES_ARGUMENT 12
#define CONSENT_ARGUMENT 13
#define REGISTERED_ARGUMENT 16
#define AS_OF_ARGUMENT 17

#define MAX_TEXT 1000
#define MAX_VALUE 320
#define MAX_ATTRIBUTES_SIZE 20000

#define IDENTIFIER_HINT \
	"Give [{\"type\": ..., \"value\": ..., \"verified\"?: true, \"valid_from\"?, \"valid_to\"?, \"used_at\"?}], at most 100 of them."

/* A text without control characters and blanks around it. */
static char *
CleanText(const text *value, const char *name)
{
	char *result = text_to_cstring(value);
	char *begin = result;
	size_t length;

	for (char *p = result; *p; p++)
		if ((unsigned char) *p < 0x20 || *p == 0x7f)
			*p = ' ';
	while (*begin == ' ')
		begin++;
	length = strlen(begin);
	while (length > 0 && begin[length - 1] == ' ')
		begin[--length] = '\0';
	if (length > MAX_TEXT && pg_mbstrlen(begin) > MAX_TEXT)
		ereport(ERROR, errcode(RT_INVALID_TEXT), errmsg("%s is too long", name),
				errdetail("%s has %d characters.", name, pg_mbstrlen(begin)),
				errhint("Give at most %d characters.", MAX_TEXT));
	return begin;
}

/* Raises RT016 unless the time zone is known and the language looks like one. */
static void
CheckLocale(const ToldAccount *told)
{
	const char *zone = told->text[ACCOUNT_TIME_ZONE];
	const char *language = told->text[ACCOUNT_LANGUAGE];

	if (zone && *zone && (strlen(zone) > TZ_STRLEN_MAX || !pg_tzset(zone)))
		ereport(ERROR, errcode(RT_INVALID_ARGUMENT),
				errmsg("unknown time zone"),
				errdetail("time_zone is no IANA name."),
				errhint("Give a name such as Asia/Shanghai."));
	if (language && *language &&
		(strlen(language) > 35 ||
		 strspn(
			 language,
			 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") !=
			 strlen(language)))
		ereport(ERROR, errcode(RT_INVALID_ARGUMENT), errmsg("invalid language"),
				errdetail("language is no BCP 47 tag."),
				errhint("Give a tag such as zh-CN."));
}

pg_noreturn_compat static void
RefuseIdentifier(int number, const char *what)
{
	ereport(ERROR, errcode(RT_INVALID_IDENTIFIER), errmsg("invalid identifier"),
			errdetail("identifiers[%d] %s.", number, what),
			errhint(IDENTIFIER_HINT));
}

/* Finds a key; false when it is absent or null. */
static bool
Find(JsonbContainer *object, const char *key, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, key, (int) strlen(key),
										value) != NULL &&
		value->type != jbvNull;
}

/* Reads a time; false: there is none. */
static bool
ReadTime(JsonbContainer *object, const char *key, int number,
		 TimestampTz *result)
{
	JsonbValue value;
	char work[MAXDATELEN + MAXDATEFIELDS];
	char *fields[MAXDATEFIELDS];
	int types[MAXDATEFIELDS];
	int n_fields;
	int type;
	struct pg_tm tm;
	fsec_t fraction;
	int zone;

	if (!Find(object, key, &value))
		return false;
	if (value.type == jbvString &&
		ParseDateTime(pnstrdup(value.val.string.val, value.val.string.len),
					  work, sizeof(work), fields, types, MAXDATEFIELDS,
					  &n_fields) == 0 &&
		decode_datetime_compat(fields, types, n_fields, &type, &tm, &fraction,
							   &zone) == 0)
	{
		if (type == DTK_LATE)
			TIMESTAMP_NOEND(*result);
		else if (type == DTK_EARLY)
			TIMESTAMP_NOBEGIN(*result);
		if (type == DTK_LATE || type == DTK_EARLY ||
			(type == DTK_DATE &&
			 tm2timestamp(&tm, fraction, &zone, result) == 0))
			return true;
	}
	RefuseIdentifier(number, psprintf("has a %s that is no time", key));
}

static bool
ReadFlag(JsonbContainer *object, const char *key, int number)
{
	JsonbValue value;

	if (!Find(object, key, &value))
		return false;
	if (value.type != jbvBool)
		RefuseIdentifier(number, psprintf("has a %s that is no boolean", key));
	return value.val.boolean;
}

/* Refuses keys that mean nothing: what they say would be lost. */
static void
CheckKeys(JsonbContainer *object, int number)
{
	static const char *const known[] = {"type",		  "value",	  "verified",
										"valid_from", "valid_to", "used_at"};
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue key;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		bool found = token != WJB_KEY;

		for (size_t i = 0; !found && i < lengthof(known); i++)
			found = strlen(known[i]) == (size_t) key.val.string.len &&
				strncmp(known[i], key.val.string.val, key.val.string.len) == 0;
		if (!found)
			RefuseIdentifier(number, "has a key that means nothing");
	}
}

/* Reads the type of an identifier: its index. */
static int
ReadType(JsonbContainer *object, const MemberSettings *settings, int number)
{
	JsonbValue value;
	int type = -1;

	if (!Find(object, "type", &value) || value.type != jbvString)
		RefuseIdentifier(number, "has no type");
	if (value.val.string.len < NAMEDATALEN)
		type = MemberTypeIndex(
			settings, pnstrdup(value.val.string.val, value.val.string.len));
	if (type < 0)
		ereport(
			ERROR, errcode(RT_UNKNOWN_OBJECT),
			errmsg("unknown type of identifier"),
			errdetail("The type of identifiers[%d] does not exist.", number),
			errhint(
				"See SELECT type, description FROM retail.identifier_type, or make it with retail.put_identifier_type()."));
	return type;
}

/*
 * Reads one identifier; false: its value says so plainly that it is none
 * (blank, or a stand-in of which only a hash would be left) that it is left
 * out.
 */
static bool
ReadIdentifier(ToldAccount *told, JsonbContainer *object, int number,
			   ToldIdentifier *identifier)
{
	const MemberSettings *settings = told->settings;
	const MemberType *type;
	JsonbValue value;
	uint32 flags;

	CheckKeys(object, number);
	memset(identifier, 0, sizeof(*identifier));
	identifier->type = ReadType(object, settings, number);
	type = &settings->types[identifier->type];
	identifier->verified = ReadFlag(object, "verified", number);
	identifier->has_valid_from =
		ReadTime(object, "valid_from", number, &identifier->valid_from);
	identifier->has_valid_to =
		ReadTime(object, "valid_to", number, &identifier->valid_to);
	identifier->has_used_at =
		ReadTime(object, "used_at", number, &identifier->used_at);
	if (!Find(object, "value", &value))
		return false;
	if (value.type != jbvString)
		RefuseIdentifier(number, "has a value that is no text");
	identifier->value =
		FoldIdentifier(type, value.val.string.val, value.val.string.len,
					   settings->sources[told->source].country, &flags);
	if (identifier->value == NULL ||
		(type->hashed && (flags & NORMALISE_BLOCKED)))
		return false;
	if (pg_mbstrlen(identifier->value) > MAX_VALUE)
		RefuseIdentifier(number,
						 psprintf("is longer than %d characters", MAX_VALUE));
	if ((identifier->has_valid_from &&
		 TIMESTAMP_IS_NOEND(identifier->valid_from)) ||
		(identifier->has_valid_to &&
		 TIMESTAMP_IS_NOBEGIN(identifier->valid_to)) ||
		(identifier->has_valid_from && identifier->has_valid_to &&
		 identifier->valid_from >= identifier->valid_to))
		RefuseIdentifier(number, "ends before it begins");
	return true;
}

static void
ReadIdentifiers(ToldAccount *told, Jsonb *list)
{
	uint32 n;

	if (!JB_ROOT_IS_ARRAY(list) || JB_ROOT_IS_SCALAR(list) ||
		JB_ROOT_COUNT(list) > MAX_TOLD_IDENTIFIERS)
		ereport(ERROR, errcode(RT_INVALID_IDENTIFIER),
				errmsg("invalid list of identifiers"),
				JB_ROOT_IS_ARRAY(list) && !JB_ROOT_IS_SCALAR(list)
					? errdetail("It has %u elements.", JB_ROOT_COUNT(list))
					: errdetail("identifiers is not a JSON array."),
				errhint(IDENTIFIER_HINT));
	n = JB_ROOT_COUNT(list);
	told->identifiers = palloc(sizeof(ToldIdentifier) * Max(n, 1));
	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(&list->root, i);

		if (element->type != jbvBinary ||
			!JsonContainerIsObject(element->val.binary.data))
			RefuseIdentifier((int) i, "is no object");
		if (ReadIdentifier(told, element->val.binary.data, (int) i,
						   &told->identifiers[told->n_identifiers]))
			told->n_identifiers++;
	}
}

/* Hashes what was told, but for when. */
static Datum
HashTold(FunctionCallInfo fcinfo, const ToldAccount *told)
{
	StringInfoData buffer;

	initStringInfo(&buffer);
	for (int i = 0; i < ACCOUNT_TEXTS; i++)
		if (told->text[i])
			appendStringInfo(&buffer, "%d=%zu:%s;", i, strlen(told->text[i]),
							 told->text[i]);
	for (int i = IDENTIFIERS_ARGUMENT; i <= CONSENT_ARGUMENT; i++)
	{
		Jsonb *value;

		if (PG_ARGISNULL(i))
			continue;
		value = PG_GETARG_JSONB_P(i);
		appendStringInfo(&buffer, "j%d=", i);
		JsonbToCString(&buffer, &value->root, VARSIZE(value));
	}
	if (told->has_registered_at)
		appendStringInfo(&buffer, "r=%lld", (long long) told->registered_at);
	return DirectFunctionCall1(
		sha256_bytea,
		PointerGetDatum(cstring_to_text_with_len(buffer.data, buffer.len)));
}

static void
ReadTimes(FunctionCallInfo fcinfo, ToldAccount *told)
{
	if (PG_ARGISNULL(AS_OF_ARGUMENT))
		ereport(ERROR, errcode(RT_INVALID_TIME), errmsg("as_of is missing"),
				errdetail("as_of is null."),
				errhint("Give a value for as_of."));
	told->as_of = PG_GETARG_TIMESTAMPTZ(AS_OF_ARGUMENT);
	RetailCheckTime(told->as_of, "as_of");
	/* A clock ahead would make what is told tomorrow late. */
	told->as_of = RetailEffectiveTime(told->as_of);
	told->has_registered_at = !PG_ARGISNULL(REGISTERED_ARGUMENT);
	if (!told->has_registered_at)
		return;
	/* Registered on paper long ago is fine. */
	told->registered_at = PG_GETARG_TIMESTAMPTZ(REGISTERED_ARGUMENT);
	if (TIMESTAMP_NOT_FINITE(told->registered_at) ||
		told->registered_at > told->as_of + USECS_PER_DAY)
		ereport(ERROR, errcode(RT_INVALID_TIME),
				errmsg("invalid time for registered_at"),
				errdetail("registered_at is infinite, or later than as_of."),
				errhint("Give the time at which the person registered."));
}

static void
ReadNames(FunctionCallInfo fcinfo, ToldAccount *told)
{
	static RetailStatement raise = {
		"SELECT retail.member_source_id($1)", 1, {TEXTOID}, NULL, false};
	char *source =
		PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));

	told->source = source ? MemberSourceByCode(told->settings, source) : -1;
	if (told->source < 0)
	{
		Datum value = source ? CStringGetTextDatum(source) : (Datum) 0;

		RetailExecute(&raise, &value, source ? " " : "n", true, SPI_OK_SELECT);
		elog(ERROR, "the sources of accounts changed meanwhile");
	}
	if (PG_ARGISNULL(1))
		ereport(ERROR, errcode(RT_INVALID_TEXT),
				errmsg("external_id is missing"),
				errdetail("external_id is null."),
				errhint("Give a value for external_id."));
	told->external_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
	RetailCheckText(told->external_id, "external_id", 200);
	if (strncmp(told->external_id, "erased:", 7) == 0)
		ereport(ERROR, errcode(RT_INVALID_TEXT),
				errmsg("invalid text for external_id"),
				errdetail("external_id begins with \"erased:\"."),
				errhint("Such numbers stand for people who were forgotten."));
}

/* Reads and checks the arguments, inside an SPI connection. */
void
ReadToldAccount(FunctionCallInfo fcinfo, const MemberSettings *settings,
				ToldAccount *told)
{
	memset(told, 0, sizeof(*told));
	told->settings = settings;
	ReadNames(fcinfo, told);
	ReadTimes(fcinfo, told);
	for (int i = 0; i < ACCOUNT_TEXTS; i++)
		if (!PG_ARGISNULL(text_arguments[i]))
			told->text[i] = CleanText(PG_GETARG_TEXT_PP(text_arguments[i]),
									  account_text_names[i]);
	CheckLocale(told);
	if (!PG_ARGISNULL(IDENTIFIERS_ARGUMENT))
		ReadIdentifiers(told, PG_GETARG_JSONB_P(IDENTIFIERS_ARGUMENT));
	if (!PG_ARGISNULL(ATTRIBUTES_ARGUMENT))
	{
		told->attributes = PG_GETARG_JSONB_P(ATTRIBUTES_ARGUMENT);
		if (!JB_ROOT_IS_OBJECT(told->attributes) ||
			VARSIZE(told->attributes) > MAX_ATTRIBUTES_SIZE)
			ereport(ERROR, errcode(RT_INVALID_ARGUMENT),
					errmsg("invalid attributes"),
					errdetail("attributes is no JSON object, or too large."),
					errhint("Give an object of at most %d bytes.",
							MAX_ATTRIBUTES_SIZE));
	}
	if (!PG_ARGISNULL(CONSENT_ARGUMENT))
	{
		told->consent = PG_GETARG_JSONB_P(CONSENT_ARGUMENT);
		if (!JB_ROOT_IS_ARRAY(told->consent) ||
			JB_ROOT_IS_SCALAR(told->consent) ||
			JB_ROOT_COUNT(told->consent) > MAX_TOLD_IDENTIFIERS)
			ereport(
				ERROR, errcode(RT_INVALID_LINES),
				errmsg("invalid list of consents"),
				errdetail("consent is no JSON array, or too long."),
				errhint(
					"Give [{\"purpose\": ..., \"channel\"?: ..., \"granted\": true, \"at\"?, \"proof\"?}]."));
	}
	told->hash = HashTold(fcinfo, told);
}
