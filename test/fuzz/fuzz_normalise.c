/*-------------------------------------------------------------------------
 *
 * fuzz_normalise.c
 *	  Any bytes as every kind of value: results are closed, clean and stay what
 *	  they are when they are normalised again.
 *
 * The input is cut in up to three parts at zero bytes (a name in three
 * columns); the length of the first says how large the buffers are.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "member/normalise.h"

#define SIZE NORMALISE_TEXT_SIZE

typedef NormalText (*TextFunction)(Normaliser *, const char *, int, char *,
								   size_t);

static Normaliser *Shared;

static NormalText
PhoneOfChina(Normaliser *normaliser, const char *text, int length, char *out,
			 size_t size)
{
	return NormalisePhone(normaliser, text, length, NULL, out, size);
}

static NormalText
PhoneOfAmerica(Normaliser *normaliser, const char *text, int length, char *out,
			   size_t size)
{
	return NormalisePhone(normaliser, text, length, "US", out, size);
}

/* Words of a-z and 0-9, one blank between. */
static bool
IsWords(const char *text)
{
	size_t n = strlen(text);

	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789 ") == n &&
		strstr(text, "  ") == NULL &&
		(n == 0 || (text[0] != ' ' && text[n - 1] != ' '));
}

/* Normalise into a buffer of exactly this size. */
static void
JudgeSmall(TextFunction function, const char *text, int length, size_t size)
{
	char *out = malloc(size);
	NormalText result = function(Shared, text, length, out, size);

	Require((size_t) result.length == strlen(out), "length is wrong");
	Require((size_t) result.length < size, "longer than its buffer");
	free(out);
}

static void
JudgeText(TextFunction function, bool words, const char *text, int length)
{
	char out[SIZE];
	char again[SIZE];
	NormalText result = function(Shared, text, length, out, SIZE);

	Require((size_t) result.length == strlen(out), "length is wrong");
	Require(!words || IsWords(out), "result has more than words");
	Require((result.length == 0) == ((result.flags & NORMALISE_EMPTY) != 0),
			"EMPTY is wrong");
	if (result.flags & NORMALISE_TRUNCATED)
		return;
	(void) function(Shared, out, -1, again, SIZE);
	Require(strcmp(out, again) == 0, "normalised twice it is another");
}

static void
JudgeName(const char *full, const char *given, const char *surname)
{
	NormalName name;
	NormalName again;
	uint32_t flags = NormaliseName(Shared, full, given, surname, &name);

	Require(IsWords(name.surname) && IsWords(name.given),
			"a name has more than words");
	if (flags & NORMALISE_TRUNCATED ||
		strlen(name.surname) > NORMALISE_NAME_SIZE / 2 ||
		strlen(name.given) > NORMALISE_NAME_SIZE / 2)
		return;
	(void) NormaliseName(Shared, NULL, name.given, name.surname, &again);
	Require(strcmp(name.surname, again.surname) == 0 &&
				strcmp(name.given, again.given) == 0,
			"a name normalised twice is another");
}

static void
JudgeDate(const char *text, int length)
{
	NormalDate date = NormaliseDate(Shared, text, length);
	NormalDate again = NormaliseDate(Shared, date.digits, -1);

	Require(strcmp(date.digits, again.digits) == 0, "a date changes");
	if (date.year == 0)
		Require(date.month == 0 && date.day == 0, "a month without a year");
	else
		Require(date.year >= 1850 && date.year <= 2100 && date.month <= 12 &&
					date.day <= 31 && date.month >= 0 && date.day >= 0,
				"an impossible date");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const TextFunction words[] = {NormaliseText, NormaliseAddress,
										 NormalisePlace, NormalisePostcode};
	static const TextFunction others[] = {NormaliseEmail, PhoneOfChina,
										  PhoneOfAmerica};
	char text[FUZZ_MAX_LENGTH + 1];
	const char *parts[3] = {NULL, NULL, NULL};
	int n = (int) (size < FUZZ_MAX_LENGTH ? size : FUZZ_MAX_LENGTH);
	size_t small;

	FuzzTally(data, size);
	if (Shared == NULL)
		Shared = NormaliserCreate();
	Require(Shared != NULL, "no normaliser");
	if (n > 0)
		memcpy(text, data, (size_t) n);
	text[n] = '\0';
	for (int i = 0, at = 0; i < 3 && at < n; i++)
	{
		parts[i] = text + at;
		at += (int) strlen(text + at) + 1;
	}
	small = strlen(text) % 32 + 1;
	for (int i = 0; i < 4; i++)
	{
		JudgeText(words[i], true, text, n);
		JudgeSmall(words[i], text, n, small);
	}
	for (int i = 0; i < 3; i++)
	{
		JudgeText(others[i], false, text, n);
		JudgeSmall(others[i], text, n, small);
	}
	for (int kind = 0; kind < NORMALISE_KINDS; kind++)
	{
		char out[SIZE];
		char again[SIZE];
		NormalText result = NormaliseIdentifier(Shared, (NormaliseKind) kind,
												text, n, "CN", out, SIZE);

		Require((size_t) result.length == strlen(out), "length is wrong");
		(void) NormaliseIdentifier(Shared, (NormaliseKind) kind, out, -1, "CN",
								   again, SIZE);
		Require((result.flags & NORMALISE_TRUNCATED) != 0 ||
					strcmp(out, again) == 0,
				"an identifier normalised twice is another");
	}
	JudgeName(parts[0], parts[1], parts[2]);
	JudgeDate(text, n);
	(void) NormaliseGender(text, n);
	return 0;
}
