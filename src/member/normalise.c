/*-------------------------------------------------------------------------
 *
 * normalise.c
 *	  Free text, places and postcodes; small helpers of the other parts.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/normalise_internal.h"

#include <string.h>

void
OutputBegin(Output *out, char *text, size_t size)
{
	*out = (Output){.text = text, .size = size};
	if (size > 0)
		text[0] = '\0';
}

void
OutputByte(Output *out, char byte)
{
	if (out->length + 1 >= out->size)
	{
		out->full = true;
		return;
	}
	out->text[out->length++] = byte;
	out->text[out->length] = '\0';
}

void
OutputString(Output *out, const char *string)
{
	while (*string != '\0')
		OutputByte(out, *string++);
}

void
OutputGap(Output *out)
{
	out->gap = out->length > 0;
}

void
OutputLetter(Output *out, char letter)
{
	if (out->gap && out->length + 2 >= out->size)
	{
		out->full = true; /* never end in a blank */
		return;
	}
	if (out->gap)
		OutputByte(out, ' ');
	out->gap = false;
	OutputByte(out, letter);
}

int
NormaliseDigit(Normaliser *normaliser, uint32_t character)
{
	const FoldEntry *entry;

	if (character < 128)
		return character >= '0' && character <= '9' ? (int) character - '0'
													: -1;
	entry = NormaliseLookUp(normaliser, character);
	if (entry->kind == FOLD_LETTERS && entry->length == 1 &&
		entry->text[0] >= '0' && entry->text[0] <= '9')
		return entry->text[0] - '0';
	return -1;
}

int
NormaliseHanDigit(uint32_t character)
{
	static const uint32_t *const digits = U32("〇一二三四五六七八九十");

	if (character == U'零')
		return 0;
	if (character == U'两')
		return 2;
	for (int i = 0; digits[i] != 0; i++)
		if (digits[i] == character)
			return i;
	return -1;
}

int
NormaliseBegins(const uint32_t *chars, int n, const uint32_t *prefix)
{
	int i = 0;

	for (; prefix[i] != 0; i++)
		if (i >= n || chars[i] != prefix[i])
			return 0;
	return i;
}

int
NormaliseEnds(const uint32_t *chars, int n, const uint32_t *suffix)
{
	int length = 0;

	while (suffix[length] != 0)
		length++;
	return length <= n &&
			NormaliseBegins(&chars[n - length], length, suffix) == length
		? length
		: 0;
}

void
NormaliseTrim(const uint32_t **chars, int *n)
{
	static const uint32_t *const blanks = U32(" \u3000\u2028\u2029");

	while (*n > 0 && NormaliseOneOf((*chars)[0], blanks))
	{
		(*chars)++;
		(*n)--;
	}
	while (*n > 0 && NormaliseOneOf((*chars)[*n - 1], blanks))
		(*n)--;
}

bool
NormaliseInList(const char *word, size_t length, const char *list)
{
	if (length == 0)
		return false;
	for (const char *at = list + 1; *at != '\0'; at++)
	{
		if (*at == *word && strncmp(at, word, length) == 0 && at[length] == ' ')
			return true;
		while (*at != ' ')
			at++;
	}
	return false;
}

bool
NormaliseIsFiller(const char *text, size_t length)
{
	bool same = length > 0;
	bool up = length > 3;
	bool down = length > 3;

	for (size_t i = 1; i < length; i++)
	{
		same &= text[i] == text[0];
		up &= text[i] == text[i - 1] + 1 ||
			(text[i] == '0' && text[i - 1] == '9');
		down &= text[i] == text[i - 1] - 1 ||
			(text[i] == '9' && text[i - 1] == '0');
	}
	return same || up || down;
}

uint64_t
NormaliseHash(const char *bytes, size_t length)
{
	uint64_t hash = UINT64_C(0x9E3779B97F4A7C15) ^ length;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char) bytes[i]) * UINT64_C(0x100000001B3);
	hash = (hash ^ hash >> 32) * UINT64_C(0xD6E8FEB86659FD93);
	hash = (hash ^ hash >> 32) * UINT64_C(0xD6E8FEB86659FD93);
	hash ^= hash >> 32;
	return hash == 0 ? 1 : hash;
}

/* Fold a text that is ASCII throughout; false when it is not. */
static bool
FoldAsciiText(const char *text, size_t n, Output *out)
{
	for (size_t i = 0; i < n; i++)
	{
		char byte = text[i];

		if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9'))
			OutputLetter(out, byte);
		else if (byte >= 'A' && byte <= 'Z')
			OutputLetter(out, (char) (byte + ('a' - 'A')));
		else if (byte < 0)
			return false;
		else if (byte >= '\t' && byte <= '\r')
			OutputGap(out);
		else if (byte >= ' ' && byte != '\'' && byte != '`' && byte != 127)
			OutputGap(out);
	}
	return true;
}

static NormalText
Finish(const Output *out, uint32_t flags, uint64_t hash)
{
	NormalText result = {
		.flags = flags, .length = (int) out->length, .native_hash = hash};

	if (out->full)
		result.flags |= NORMALISE_TRUNCATED;
	if (out->length == 0)
		result.flags |= NORMALISE_EMPTY;
	return result;
}

NormalText
NormaliseText(Normaliser *normaliser, const char *text, int length, char *out,
			  size_t size)
{
	Output output;
	Chars chars;
	size_t n;

	OutputBegin(&output, out, size);
	if (text == NULL)
		return Finish(&output, 0, 0);
	n = length < 0 ? strnlen(text, NORMALISE_MAX_INPUT + 1) : (size_t) length;
	if (n <= NORMALISE_MAX_INPUT && FoldAsciiText(text, n, &output))
		return Finish(&output, 0, 0);
	OutputBegin(&output, out, size);
	NormaliseDecode(normaliser, text, length, &chars);
	NormaliseRender(normaliser, chars.at, chars.n, &output);
	return Finish(&output,
				  chars.flags | NormaliseScripts(normaliser, chars.at, chars.n),
				  NormaliseNativeHash(normaliser, chars.at, chars.n));
}

/* How many characters at the end of a hanzi place name say what it is. */
static int
PlaceSuffix(const uint32_t *chars, int n)
{
	static const uint32_t *const suffixes[] = {
		U32("维吾尔自治区"), U32("壮族自治区"), U32("回族自治区"),
		U32("特别行政区"),	 U32("自治区"),		U32("自治州"),
		U32("自治县"),		 U32("地区"),		U32("新区"),
		U32("省"),			 U32("市"),			U32("区"),
		U32("县"),			 U32("盟"),			U32("州")};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
	{
		int length = NormaliseEnds(chars, n, suffixes[i]);

		/* 州 belongs to names of two characters (广州), 县 to 赵县. */
		if (length > 0 && n - length >= (suffixes[i][0] == U'州' ? 3 : 2))
			return length;
	}
	return 0;
}

NormalText
NormalisePlace(Normaliser *normaliser, const char *text, int length, char *out,
			   size_t size)
{
	Output output;
	Chars chars;
	const uint32_t *at = chars.at;
	int n;
	uint32_t scripts;

	NormaliseDecode(normaliser, text, length, &chars);
	OutputBegin(&output, out, size);
	n = chars.n;
	NormaliseTrim(&at, &n);
	scripts = NormaliseScripts(normaliser, at, n);
	if (scripts & NORMALISE_HAN)
		n -= PlaceSuffix(at, n);
	else
	{
		int skip = NormaliseBegins(at, n, U32("city of "));

		at += skip;
		n -= skip;
	}
	NormaliseRenderJoined(normaliser, at, n, &output);
	return Finish(&output, chars.flags | scripts,
				  NormaliseNativeHash(normaliser, at, n));
}

NormalText
NormalisePostcode(Normaliser *normaliser, const char *text, int length,
				  char *out, size_t size)
{
	Output output;
	Chars chars;
	NormalText result;

	NormaliseDecode(normaliser, text, length, &chars);
	OutputBegin(&output, out, size);
	for (int i = 0; i < chars.n; i++)
	{
		const FoldEntry *entry = NormaliseLookUp(normaliser, chars.at[i]);

		for (int k = 0; entry->kind == FOLD_LETTERS && k < entry->length; k++)
			OutputByte(&output, entry->text[k]);
	}
	result = Finish(&output, chars.flags, 0);
	if (output.length > 2 && NormaliseIsFiller(output.text, output.length))
		result.flags |= NORMALISE_BLOCKED;
	return result;
}
