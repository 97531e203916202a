/*-------------------------------------------------------------------------
 *
 * normalise_fold.c
 *	  What each character becomes: asked of ICU once, then remembered.
 *
 * The memory is a table of pages of 256 characters, made when the first
 * character of a page comes; planes above 3 (tags, private use) have none, and
 * their characters vanish.  Scripts whose letters are read by their neighbours
 * (Arabic, Hangul, kana, Indic ...) are not remembered: runs of them go
 * through ICU as a whole.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/normalise_internal.h"

#include <stdlib.h>
#include <string.h>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>
#include <unicode/utrans.h>
#include <unicode/uversion.h>

/* Raised whenever our rules give another text. */
#define RULES_VERSION 1

/* Characters of a run that go through ICU at once, and what may come of it. */
#define RUN_CHARS 128
#define RUN_UNITS 4096

typedef enum Rule
{
	RULE_HAN,
	RULE_SIMPLIFY,
	RULE_LATIN,
	RULE_ASCII
} Rule;

static const char *const RuleIds[FOLD_RULES] = {
	[RULE_HAN] = "Han-Latin",
	[RULE_SIMPLIFY] = "Traditional-Simplified",
	[RULE_LATIN] = "Any-Latin",
	[RULE_ASCII] = "NFD; [:Mn:] Remove; Latin-ASCII",
};

static const FoldEntry Nothing = {.kind = FOLD_DROP};

/* Cyrillic as it is usually spelt in English, from U+0430 on. */
static const char *const Cyrillic[] = {
	"a",  "b",	  "v", "g", "d", "e",  "zh", "z",  "i", "y",  "k",	"l",
	"m",  "n",	  "o", "p", "r", "s",  "t",	 "u",  "f", "kh", "ts", "ch",
	"sh", "shch", "",  "y", "",	 "e",  "yu", "ya", "e", "e",  "dj", "g",
	"ye", "dz",	  "i", "i", "j", "lj", "nj", "c",  "k", "i",  "u",	"dz"};

/* Other letters of Cyrillic alphabets that are in use. */
static const struct
{
	uint32_t character;
	const char *text;
} MoreCyrillic[] = {{0x491, "g"},  {0x493, "g"},  {0x497, "zh"}, {0x499, "z"},
					{0x49b, "k"},  {0x49d, "k"},  {0x4a3, "n"},	 {0x4a5, "n"},
					{0x4ab, "s"},  {0x4af, "u"},  {0x4b1, "u"},	 {0x4b3, "kh"},
					{0x4b7, "ch"}, {0x4b9, "ch"}, {0x4bb, "h"},	 {0x4d9, "a"},
					{0x4e9, "o"},  {0x4ef, "u"},  {0x4e3, "i"}};

Normaliser *
NormaliserCreate(void)
{
	UErrorCode error = U_ZERO_ERROR;
	Normaliser *normaliser = calloc(1, sizeof(Normaliser));

	if (normaliser == NULL)
		return NULL;
	normaliser->nfkc_casefold = unorm2_getNFKCCasefoldInstance(&error);
	if (U_FAILURE(error))
	{
		free(normaliser);
		return NULL;
	}
	return normaliser;
}

void
NormaliserFree(Normaliser *normaliser)
{
	if (normaliser == NULL)
		return;
	for (int i = 0; i < FOLD_PAGES; i++)
		free(normaliser->pages[i]);
	for (int i = 0; i < FOLD_RULES; i++)
		if (normaliser->rules[i] != NULL)
			utrans_close(normaliser->rules[i]);
	free(normaliser);
}

uint32_t
NormaliserVersion(void)
{
	UVersionInfo version;

	u_getVersion(version);
	return (uint32_t) RULES_VERSION << 16 | (uint32_t) version[0] << 8 |
		version[1];
}

/*
 * Apply a transliterator to n units in a buffer of RUN_UNITS.  Returns how many
 * there are then, 0 when it cannot be had or it fails.
 */
static int
ApplyRule(Normaliser *normaliser, Rule rule, UChar *units, int n)
{
	UErrorCode error = U_ZERO_ERROR;
	int32_t limit = n;
	int32_t length = n;

	if (!normaliser->tried[rule])
	{
		UChar id[64];

		normaliser->tried[rule] = true;
		u_uastrcpy(id, RuleIds[rule]);
		normaliser->rules[rule] =
			utrans_openU(id, -1, UTRANS_FORWARD, NULL, 0, NULL, &error);
		if (U_FAILURE(error))
			normaliser->rules[rule] = NULL;
		error = U_ZERO_ERROR;
	}
	if (normaliser->rules[rule] == NULL)
		return 0;
	utrans_transUChars(normaliser->rules[rule], units, &length, RUN_UNITS, 0,
					   &limit, &error);
	return U_FAILURE(error) || length > RUN_UNITS ? 0 : length;
}

/* The canonical form of one character; returns how many it is made of. */
static int
Canonical(Normaliser *normaliser, uint32_t character, UChar *units, int size)
{
	UErrorCode error = U_ZERO_ERROR;
	UChar source[2];
	int32_t n = 0;

	U16_APPEND_UNSAFE(source, n, character);
	n = unorm2_normalize(normaliser->nfkc_casefold, source, n, units, size,
						 &error);
	return U_FAILURE(error) ? 0 : n;
}

/* Keep letters and digits of a rendering, if they fit. */
static bool
SetText(FoldEntry *entry, const UChar *units, int n)
{
	int length = 0;

	for (int i = 0; i < n; i++)
	{
		UChar unit = units[i];

		if (unit >= 'A' && unit <= 'Z')
			unit = (UChar) (unit + ('a' - 'A'));
		if ((unit < 'a' || unit > 'z') && (unit < '0' || unit > '9'))
			continue;
		if (length == (int) sizeof(entry->text))
			return false;
		entry->text[length++] = (char) unit;
	}
	entry->length = (uint8_t) length;
	return true;
}

static void
SetString(FoldEntry *entry, const char *string)
{
	entry->length = (uint8_t) strlen(string);
	memcpy(entry->text, string, entry->length);
}

/* A hanzi that nobody can read still differs from others. */
static void
SetCode(FoldEntry *entry, uint32_t character)
{
	static const char digits[] = "0123456789abcdef";

	entry->length = 6;
	entry->text[0] = 'u';
	for (int i = 5; i > 0; i--, character >>= 4)
		entry->text[i] = digits[character & 15];
}

/* A hanzi: its syllable without the tone; ü is v, as it is typed. */
static void
FoldHan(Normaliser *normaliser, FoldEntry *entry, uint32_t character)
{
	UChar units[RUN_UNITS];
	int32_t n = 0;

	entry->kind = FOLD_HAN;
	U16_APPEND_UNSAFE(units, n, character);
	n = ApplyRule(normaliser, RULE_HAN, units, n);
	for (int i = 0; i < n; i++)
		if (units[i] == 0xfc || (units[i] >= 0x1d6 && units[i] <= 0x1dc))
			units[i] = 'v';
	n = ApplyRule(normaliser, RULE_ASCII, units, n);
	if (!SetText(entry, units, n) || entry->length == 0)
		SetCode(entry, character);
}

/* A letter of an alphabet that is read letter by letter. */
static void
FoldLatin(Normaliser *normaliser, FoldEntry *entry, uint32_t character)
{
	UChar units[RUN_UNITS];
	int32_t n = 0;

	entry->kind = FOLD_LETTERS;
	if (character >= 0x1d6 && character <= 0x1dc && character % 2 == 0)
	{
		SetString(entry, "v"); /* ü with a tone is pinyin */
		return;
	}
	U16_APPEND_UNSAFE(units, n, character);
	n = ApplyRule(normaliser, RULE_ASCII, units, n);
	if (!SetText(entry, units, n) || entry->length == 0)
		entry->kind = FOLD_DROP;
}

static void
FoldCyrillic(FoldEntry *entry, uint32_t character)
{
	const int n = (int) (sizeof(Cyrillic) / sizeof(Cyrillic[0]));
	const int more = (int) (sizeof(MoreCyrillic) / sizeof(MoreCyrillic[0]));

	entry->kind = FOLD_FOREIGN;
	if (character >= 0x430 && character < 0x430 + (uint32_t) n)
	{
		SetString(entry, Cyrillic[character - 0x430]);
		return;
	}
	for (int i = 0; i < more; i++)
		if (MoreCyrillic[i].character == character)
		{
			SetString(entry, MoreCyrillic[i].text);
			return;
		}
	entry->kind = FOLD_CONTEXT;
}

/* What a canonical character of more than ASCII is rendered as. */
static void
FoldNative(Normaliser *normaliser, FoldEntry *entry, uint32_t character)
{
	UErrorCode error = U_ZERO_ERROR;
	int type = u_charType((UChar32) character);
	UScriptCode script = uscript_getScript((UChar32) character, &error);

	if (type == U_NON_SPACING_MARK || type == U_ENCLOSING_MARK ||
		type == U_COMBINING_SPACING_MARK)
		entry->kind = FOLD_MARK;
	else if (type == U_DECIMAL_DIGIT_NUMBER)
	{
		entry->kind = FOLD_LETTERS;
		entry->length = 1;
		entry->text[0] = (char) ('0' + u_charDigitValue((UChar32) character));
	}
	else if (NormaliseIsHan(character))
		FoldHan(normaliser, entry, character);
	else if (!u_isalpha((UChar32) character))
		entry->kind = type == U_CONTROL_CHAR || type == U_FORMAT_CHAR ||
				type == U_UNASSIGNED || type == U_PRIVATE_USE_CHAR ||
				type == U_SURROGATE || character == 0x2019 ||
				character == 0x2018 || character == 0xb4
			? FOLD_DROP
			: FOLD_SPACE;
	else if (script == USCRIPT_LATIN)
		FoldLatin(normaliser, entry, character);
	else if (script == USCRIPT_CYRILLIC)
		FoldCyrillic(entry, character);
	else if (type == U_MODIFIER_LETTER && script == USCRIPT_COMMON &&
			 character < 0x300)
		entry->kind = FOLD_DROP; /* apostrophes of transliterations */
	else
		entry->kind = FOLD_CONTEXT;
}

/* Traditional -> simplified, when that is one character. */
static uint32_t
Simplify(Normaliser *normaliser, uint32_t character)
{
	UChar units[RUN_UNITS];
	int32_t n = 0;
	int32_t i = 0;
	UChar32 simple;

	U16_APPEND_UNSAFE(units, n, character);
	n = ApplyRule(normaliser, RULE_SIMPLIFY, units, n);
	if (n == 0)
		return character;
	U16_NEXT(units, i, n, simple);
	return i == n && NormaliseIsHan((uint32_t) simple) ? (uint32_t) simple
													   : character;
}

/* Fill the entry of a character that was not met before. */
static void
Fold(Normaliser *normaliser, FoldEntry *entry, uint32_t character)
{
	UChar units[64];
	int32_t n = Canonical(normaliser, character, units, 64);
	int32_t i = 0;
	UChar32 first = 0;

	entry->native = character;
	entry->kind = FOLD_DROP;
	if (n == 0)
	{
		entry->native = 0;
		return;
	}
	U16_NEXT(units, i, n, first);
	if (i < n)
	{
		entry->kind = FOLD_LONG;
		return;
	}
	if (NormaliseIsHan((uint32_t) first))
		first = (UChar32) Simplify(normaliser, (uint32_t) first);
	entry->native = (uint32_t) first;
	if (entry->native != character)
	{
		const FoldEntry other = *NormaliseLookUp(normaliser, entry->native);

		*entry = other;
	}
	else
		FoldNative(normaliser, entry, character);
}

/* ASCII does not need ICU. */
static void
FoldAscii(FoldEntry *entry, uint32_t character)
{
	entry->native = character;
	entry->kind = FOLD_SPACE;
	if (character >= 'A' && character <= 'Z')
		entry->native = character + ('a' - 'A');
	if ((entry->native >= 'a' && entry->native <= 'z') ||
		(character >= '0' && character <= '9'))
	{
		entry->kind = FOLD_LETTERS;
		entry->length = 1;
		entry->text[0] = (char) entry->native;
	}
	else if (character == '\'' || character == '`')
		entry->kind = FOLD_DROP;
	else if (character >= '\t' && character <= '\r')
		entry->native = ' ';
	else if (character < ' ' || character == 127)
	{
		entry->kind = FOLD_DROP;
		entry->native = 0;
	}
}

const FoldEntry *
NormaliseLearn(Normaliser *normaliser, uint32_t character)
{
	FoldEntry **page;
	FoldEntry *entry;

	if (character >= FOLD_PAGES * FOLD_PAGE_SIZE)
		return &Nothing;
	page = &normaliser->pages[character / FOLD_PAGE_SIZE];
	if (*page == NULL)
	{
		*page = calloc(FOLD_PAGE_SIZE, sizeof(FoldEntry));
		if (*page == NULL)
			return &Nothing;
	}
	entry = &(*page)[character % FOLD_PAGE_SIZE];
	if (entry->kind == FOLD_UNKNOWN)
	{
		if (character < 128)
			FoldAscii(entry, character);
		else
			Fold(normaliser, entry, character);
	}
	return entry;
}

/* Read one character of UTF-8; 0 when there is none at this place. */
static uint32_t
NextCharacter(const unsigned char *text, size_t n, size_t *at)
{
	unsigned char lead = text[*at];
	int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
	uint32_t character = lead & (0x3f >> more);

	(*at)++;
	if (lead < 0xc2 || lead > 0xf4 || *at + (size_t) more > n)
		return 0;
	for (int i = 0; i < more; i++)
	{
		if ((text[*at + (size_t) i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (text[*at + (size_t) i] & 0x3f);
	}
	if ((more == 2 && character < 0x800) ||
		(more == 3 && character < 0x10000) ||
		(character >= 0xd800 && character < 0xe000) || character > 0x10ffff)
		return 0;
	*at += (size_t) more;
	return character;
}

/* Append the canonical form of a character. */
static void
AppendCanonical(Normaliser *normaliser, Chars *chars, uint32_t character,
				bool *marks)
{
	const FoldEntry *entry = NormaliseLookUp(normaliser, character);
	UChar units[64];
	int32_t n;
	int32_t i = 0;

	*marks |= entry->kind == FOLD_MARK;
	if (entry->kind != FOLD_LONG)
	{
		if (entry->native == 0)
			return;
		if (chars->n < NORMALISE_MAX_INPUT)
			chars->at[chars->n++] = entry->native;
		else
			chars->flags |= NORMALISE_TRUNCATED;
		return;
	}
	n = Canonical(normaliser, character, units, 64);
	while (i < n)
	{
		UChar32 part;

		U16_NEXT(units, i, n, part);
		entry = NormaliseLookUp(normaliser, (uint32_t) part);
		*marks |= entry->kind == FOLD_MARK;
		if (chars->n == NORMALISE_MAX_INPUT)
			chars->flags |= NORMALISE_TRUNCATED;
		else if (entry->kind != FOLD_LONG && entry->native != 0)
			chars->at[chars->n++] = entry->native;
	}
}

/*
 * Compose letters and the marks behind them.  Without marks every character is
 * canonical by itself.
 */
void
NormaliseCompose(Normaliser *normaliser, Chars *chars)
{
	UErrorCode error = U_ZERO_ERROR;
	UChar source[NORMALISE_MAX_INPUT * 2];
	UChar target[NORMALISE_MAX_INPUT * 4];
	int32_t n = 0;
	int32_t i = 0;

	bool ascii = true;

	for (int c = 0; c < chars->n; c++)
	{
		ascii &= chars->at[c] < 128;
		U16_APPEND_UNSAFE(source, n, chars->at[c]);
	}
	if (ascii)
		return;
	n = unorm2_normalize(normaliser->nfkc_casefold, source, n, target,
						 NORMALISE_MAX_INPUT * 4, &error);
	if (U_FAILURE(error))
		return;
	chars->n = 0;
	while (i < n && chars->n < NORMALISE_MAX_INPUT)
	{
		UChar32 character;
		const FoldEntry *entry;

		U16_NEXT(target, i, n, character);
		entry = NormaliseLookUp(normaliser, (uint32_t) character);
		if (entry->kind == FOLD_LONG)
			chars->at[chars->n++] = (uint32_t) character;
		else if (entry->native != 0)
			chars->at[chars->n++] = entry->native;
	}
}

void
NormaliseDecode(Normaliser *normaliser, const char *text, int length,
				Chars *chars)
{
	const unsigned char *bytes = (const unsigned char *) text;
	size_t n = 0;
	size_t at = 0;
	bool marks = false;

	chars->flags = 0;
	chars->n = 0;
	if (text == NULL)
		return;
	n = length < 0 ? strnlen(text, NORMALISE_MAX_INPUT + 1) : (size_t) length;
	if (n > NORMALISE_MAX_INPUT)
	{
		chars->flags |= NORMALISE_TRUNCATED;
		n = NORMALISE_MAX_INPUT;
		while (n > NORMALISE_MAX_INPUT - 3 && (bytes[n] & 0xc0) == 0x80)
			n--;
	}
	while (at < n)
	{
		uint32_t character = bytes[at];

		if (character < 128)
			at++;
		else if ((character = NextCharacter(bytes, n, &at)) == 0)
		{
			chars->flags |= NORMALISE_BAD_BYTES;
			continue;
		}
		AppendCanonical(normaliser, chars, character, &marks);
	}
	if (marks)
		NormaliseCompose(normaliser, chars);
}

/* Render a run of letters that are read by their neighbours. */
static void
RenderRun(Normaliser *normaliser, const uint32_t *chars, int n, Output *out)
{
	UChar units[RUN_UNITS];
	int32_t length = 0;

	for (int i = 0; i < n; i++)
		U16_APPEND_UNSAFE(units, length, chars[i]);
	length = ApplyRule(normaliser, RULE_LATIN, units, length);
	length = ApplyRule(normaliser, RULE_ASCII, units, length);
	for (int i = 0; i < length; i++)
	{
		UChar unit = units[i];

		if (unit >= 'A' && unit <= 'Z')
			unit = (UChar) (unit + ('a' - 'A'));
		if ((unit >= 'a' && unit <= 'z') || (unit >= '0' && unit <= '9'))
			OutputLetter(out, (char) unit);
		else if (unit == ' ')
			OutputGap(out);
	}
}

void
NormaliseRender(Normaliser *normaliser, const uint32_t *chars, int n,
				Output *out)
{
	for (int i = 0; i < n;)
	{
		const FoldEntry *entry = NormaliseLookUp(normaliser, chars[i]);
		int end = i + 1;

		switch ((FoldKind) entry->kind)
		{
			case FOLD_LETTERS:
			case FOLD_FOREIGN:
				for (int k = 0; k < entry->length; k++)
					OutputLetter(out, entry->text[k]);
				break;
			case FOLD_HAN:
				OutputGap(out);
				for (int k = 0; k < entry->length; k++)
					OutputLetter(out, entry->text[k]);
				OutputGap(out);
				break;
			case FOLD_SPACE:
				OutputGap(out);
				break;
			case FOLD_CONTEXT:
				while (end < n && end - i < RUN_CHARS)
				{
					uint8_t next =
						NormaliseLookUp(normaliser, chars[end])->kind;

					if (next != FOLD_CONTEXT && next != FOLD_MARK)
						break;
					end++;
				}
				RenderRun(normaliser, &chars[i], end - i, out);
				break;
			default:
				break;
		}
		i = end;
	}
}

void
NormaliseRenderJoined(Normaliser *normaliser, const uint32_t *chars, int n,
					  Output *out)
{
	for (int i = 0, end; i < n; i = end)
	{
		bool han = NormaliseIsHan(chars[i]);

		for (end = i + 1; end < n && NormaliseIsHan(chars[end]) == han;)
			end++;
		if (!han)
		{
			NormaliseRender(normaliser, &chars[i], end - i, out);
			continue;
		}
		OutputGap(out);
		for (int k = i; k < end; k++)
		{
			const FoldEntry *entry = NormaliseLookUp(normaliser, chars[k]);

			for (int c = 0; c < entry->length; c++)
				OutputLetter(out, entry->text[c]);
		}
		OutputGap(out);
	}
}

uint32_t
NormaliseScripts(Normaliser *normaliser, const uint32_t *chars, int n)
{
	uint32_t flags = 0;

	for (int i = 0; i < n; i++)
	{
		uint8_t kind;

		if (chars[i] < 128)
			continue;
		kind = NormaliseLookUp(normaliser, chars[i])->kind;
		if (kind == FOLD_HAN)
			flags |= NORMALISE_HAN;
		else if (kind == FOLD_CONTEXT || kind == FOLD_FOREIGN)
			flags |= NORMALISE_OTHER_SCRIPT;
	}
	return flags;
}

uint64_t
NormaliseNativeHash(Normaliser *normaliser, const uint32_t *chars, int n)
{
	uint32_t native[NORMALISE_MAX_INPUT];
	int length = 0;
	bool foreign = false;

	for (int i = 0; i < n && i < NORMALISE_MAX_INPUT; i++)
	{
		uint8_t kind = NormaliseLookUp(normaliser, chars[i])->kind;

		if (kind == FOLD_HAN || kind == FOLD_CONTEXT || kind == FOLD_FOREIGN)
			foreign = true;
		else if (kind != FOLD_LETTERS && (kind != FOLD_MARK || !foreign))
			continue;
		native[length++] = chars[i];
	}
	return foreign ? NormaliseHash((const char *) native,
								   (size_t) length * sizeof(native[0]))
				   : 0;
}
