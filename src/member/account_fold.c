/*-------------------------------------------------------------------------
 *
 * account_fold.c
 *	  An account as its table has it -> the record that the matcher compares.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/account_fold.h"

#include <stdio.h>
#include <string.h>

/* Hands a text on, unless it is worth nothing. */
static void
SetText(FoldedAccount *folded, MatchColumn column, const char *data,
		size_t length, uint64_t native)
{
	MatchText *text = &folded->input.text[column];

	text->data = data;
	text->length =
		(uint32_t) (length > MATCH_MAX_TEXT ? MATCH_MAX_TEXT : length);
	text->native = native;
}

/*
 * The parts of a name.  The full name is taken apart by the normaliser, which
 * knows surnames; what it made goes into the columns of the parts.
 */
static void
FoldName(Normaliser *normaliser, const AccountRow *account,
		 FoldedAccount *folded)
{
	/* The normaliser wants texts that end with a zero byte. */
	char parts[3][NORMALISE_MAX_INPUT + 1];
	const char *given[3] = {NULL, NULL, NULL};
	uint32_t flags;

	for (int i = 0; i < 3; i++)
	{
		const AccountText *text = &account->text[MATCH_FULL_NAME + i];
		int length = text->length;

		if (text->data == NULL || length <= 0)
			continue;
		if (length > NORMALISE_MAX_INPUT)
			length = NORMALISE_MAX_INPUT;
		memcpy(parts[i], text->data, length);
		parts[i][length] = '\0';
		given[i] = parts[i];
	}
	if (given[0] == NULL && given[1] == NULL && given[2] == NULL)
		return;
	flags =
		NormaliseName(normaliser, given[0], given[1], given[2], &folded->name);
	if (flags & (NORMALISE_EMPTY | NORMALISE_BLOCKED))
		return;
	SetText(folded, MATCH_GIVEN_NAME, folded->name.given,
			strlen(folded->name.given), folded->name.given_hash);
	SetText(folded, MATCH_SURNAME, folded->name.surname,
			strlen(folded->name.surname), folded->name.surname_hash);
}

/* Dates as the matcher reads them; impossible ones stay digits. */
static void
FoldBirthDate(Normaliser *normaliser, const AccountText *text,
			  FoldedAccount *folded)
{
	NormalDate *date = &folded->birth_date;
	char *out = folded->birth_text;
	size_t size = sizeof(folded->birth_text);

	if (text->data == NULL || text->length <= 0)
		return;
	*date = NormaliseDate(normaliser, text->data, text->length);
	if (date->flags & (NORMALISE_EMPTY | NORMALISE_BLOCKED))
		return;
	if (date->year > 0 && date->month > 0 && date->day > 0)
		snprintf(out, size, "%04d-%02d-%02d", date->year, date->month,
				 date->day);
	else if (date->year > 0 && date->month > 0)
		snprintf(out, size, "%04d-%02d", date->year, date->month);
	else if (date->year > 0)
		snprintf(out, size, "%04d", date->year);
	else
		snprintf(out, size, "%s", date->digits);
	SetText(folded, MATCH_BIRTH_DATE, out, strlen(out), 0);
}

/* Texts of one column each. */
static void
FoldColumn(Normaliser *normaliser, const AccountText *text, MatchColumn column,
		   FoldedAccount *folded)
{
	char *out = folded->text[column];
	size_t size = sizeof(folded->text[column]);
	NormalText result;

	if (text->data == NULL || text->length <= 0)
		return;
	switch (column)
	{
		case MATCH_ADDRESS:
			result = NormaliseAddress(normaliser, text->data, text->length, out,
									  size);
			break;
		case MATCH_CITY:
		case MATCH_REGION:
			result =
				NormalisePlace(normaliser, text->data, text->length, out, size);
			break;
		case MATCH_POSTCODE:
			result = NormalisePostcode(normaliser, text->data, text->length,
									   out, size);
			break;
		default:
			result =
				NormaliseText(normaliser, text->data, text->length, out, size);
	}
	if ((result.flags & (NORMALISE_EMPTY | NORMALISE_BLOCKED)) == 0)
		SetText(folded, column, out, result.length, result.native_hash);
}

/* The last day on which a value was surely the account's. */
static int32_t
LastDay(const AccountIdentifier *identifier)
{
	return identifier->valid_to < identifier->last_used ? identifier->valid_to
														: identifier->last_used;
}

static void
FoldIdentifiers(Normaliser *normaliser, const AccountRow *account,
				FoldedAccount *folded)
{
	int n = 0;

	folded->stale = false;
	for (int i = 0; i < account->n_identifiers && n < MATCH_MAX_IDENTIFIERS;
		 i++)
	{
		const AccountIdentifier *from = &account->identifiers[i];
		MatchIdentifier *to = &folded->identifiers[n];

		if (from->value.data == NULL || from->value.length <= 0)
			continue;
		to->type = from->type;
		to->verified = from->verified;
		to->valid_from = from->valid_from;
		to->valid_to = LastDay(from);
		if (from->stored_hash)
		{
			to->data = from->value.data;
			to->length = (uint32_t) from->value.length;
		}
		else
		{
			NormalText value = NormaliseIdentifier(
				normaliser, from->kind, from->value.data, from->value.length,
				account->country, folded->values[n], sizeof(folded->values[n]));

			if (from->hashed || (value.flags & NORMALISE_EMPTY) ||
				(int) value.length != from->value.length ||
				memcmp(folded->values[n], from->value.data, value.length) != 0)
				folded->stale = true;
			if (value.flags & (NORMALISE_EMPTY | NORMALISE_BLOCKED))
				continue;
			to->data = folded->values[n];
			to->length = (uint32_t) value.length;
		}
		n++;
	}
	folded->input.n_identifiers = n;
	folded->input.identifiers = folded->identifiers;
}

/* Folds an account. */
void
AccountFold(Normaliser *normaliser, const AccountRow *account,
			FoldedAccount *folded)
{
	const AccountText *gender = &account->text[MATCH_GENDER];

	memset(&folded->input, 0, sizeof(folded->input));
	folded->input.id = account->id;
	folded->input.source = account->source;
	folded->name.flags = 0;
	FoldName(normaliser, account, folded);
	FoldBirthDate(normaliser, &account->text[MATCH_BIRTH_DATE], folded);
	folded->gender[0] =
		gender->data ? NormaliseGender(gender->data, gender->length) : '\0';
	/* A title says it when nothing else does. */
	if (folded->gender[0] == '\0' &&
		(folded->name.flags & NORMALISE_TITLE_MALE))
		folded->gender[0] = 'm';
	if (folded->gender[0] == '\0' &&
		(folded->name.flags & NORMALISE_TITLE_FEMALE))
		folded->gender[0] = 'f';
	if (folded->gender[0] != '\0')
		SetText(folded, MATCH_GENDER, folded->gender, 1, 0);
	for (int column = MATCH_ADDRESS; column < MATCH_COLUMNS; column++)
		FoldColumn(normaliser, &account->text[column], (MatchColumn) column,
				   folded);
	FoldIdentifiers(normaliser, account, folded);
}
