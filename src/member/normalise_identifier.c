/*-------------------------------------------------------------------------
 *
 * normalise_identifier.c
 *	  Cards, platform ids, devices, national ids.
 *
 * A Chinese resident's number (GB 11643): six digits of the place, the birth
 * date, three of a sequence (odd for men), and a check digit (ISO 7064, MOD
 * 11-2).  The old form of 15 has two digits of the year and no check digit.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/normalise_internal.h"

#include <string.h>

#include <unicode/utf8.h>

#define ID_LENGTH 18
#define OLD_ID_LENGTH 15

static const char BlockedValues[] =
	" test null none nil nan na n/a unknown undefined anonymous guest default "
	"empty deleted 0 -1 00000000-0000-0000-0000-000000000000 (null) [null] "
	"\\n - -- . ";

/* Identifier types and how their values are treated. */
static const struct
{
	const char *type;
	NormaliseKind kind;
} Types[] = {{"phone", NORMALISE_KIND_PHONE},
			 {"mobile", NORMALISE_KIND_PHONE},
			 {"telephone", NORMALISE_KIND_PHONE},
			 {"email", NORMALISE_KIND_EMAIL},
			 {"mail", NORMALISE_KIND_EMAIL},
			 {"card", NORMALISE_KIND_CARD},
			 {"card_no", NORMALISE_KIND_CARD},
			 {"loyalty_card", NORMALISE_KIND_CARD},
			 {"member_card", NORMALISE_KIND_CARD},
			 {"device", NORMALISE_KIND_DEVICE},
			 {"device_id", NORMALISE_KIND_DEVICE},
			 {"idfa", NORMALISE_KIND_DEVICE},
			 {"oaid", NORMALISE_KIND_DEVICE},
			 {"imei", NORMALISE_KIND_DEVICE},
			 {"national_id", NORMALISE_KIND_NATIONAL},
			 {"id_card", NORMALISE_KIND_NATIONAL}};

NormaliseKind
NormaliseKindOf(const char *type)
{
	for (size_t i = 0; type != NULL && i < sizeof(Types) / sizeof(Types[0]);
		 i++)
		if (strcmp(Types[i].type, type) == 0)
			return Types[i].kind;
	return NORMALISE_KIND_OPAQUE;
}

/* Letters and digits of a decoded value; upper: as capitals. */
static NormalText
PutCode(Normaliser *normaliser, const Chars *chars, bool upper, char *out,
		size_t size)
{
	NormalText result = {.flags = chars->flags};
	Output output;

	OutputBegin(&output, out, size);
	for (int i = 0; i < chars->n; i++)
	{
		const FoldEntry *entry = NormaliseLookUp(normaliser, chars->at[i]);

		if (entry->kind == FOLD_HAN || entry->kind == FOLD_CONTEXT ||
			entry->kind == FOLD_FOREIGN)
			result.flags |= NORMALISE_INVALID;
		if (NormaliseOneOf(chars->at[i], U32("*＊●")))
		{
			result.flags |= NORMALISE_MASKED | NORMALISE_BLOCKED;
			OutputByte(&output, '*');
		}
		for (int k = 0; entry->kind == FOLD_LETTERS && k < entry->length; k++)
		{
			char byte = entry->text[k];

			OutputByte(&output,
					   upper && byte >= 'a' ? (char) (byte - ('a' - 'A'))
											: byte);
		}
	}
	result.length = (int) output.length;
	if (output.full)
		result.flags |= NORMALISE_TRUNCATED;
	return result;
}

/* Is it a SHA-256 in hex, whatever the case? */
static bool
IsHash(const char *text, int length)
{
	return length == 64 &&
		strspn(text, "0123456789abcdefABCDEF") == (size_t) length;
}

static char
CheckDigit(const char *digits)
{
	static const char check[] = "10X98765432";
	int sum = 0;

	for (int i = 0; i < ID_LENGTH - 1; i++)
		sum += (digits[i] - '0') * ((1 << (ID_LENGTH - 1 - i)) % 11);
	return check[sum % 11];
}

/* Two digits as a number. */
static int
Two(const char *digits)
{
	return (digits[0] - '0') * 10 + digits[1] - '0';
}

/* Make 18 digits of 15; false when these are no number of a resident. */
static bool
Lengthen(char *id, size_t size)
{
	if (strspn(id, "0123456789") != OLD_ID_LENGTH || size <= ID_LENGTH ||
		id[0] < '1' || id[0] > '8' || Two(id + 8) < 1 || Two(id + 8) > 12 ||
		Two(id + 10) < 1 || Two(id + 10) > 31)
		return false;
	memmove(id + 8, id + 6, OLD_ID_LENGTH - 6);
	memcpy(id + 6, "19", 2);
	id[ID_LENGTH - 1] = CheckDigit(id);
	id[ID_LENGTH] = '\0';
	return true;
}

NormalNationalId
NormaliseNationalId(Normaliser *normaliser, const char *text, int length,
					char *out, size_t size)
{
	NormalNationalId id = {0};
	NormalText code;
	NormalDate birth;
	Chars chars;

	NormaliseDecode(normaliser, text, length, &chars);
	code = PutCode(normaliser, &chars, true, out, size);
	id.flags = code.flags;
	if (IsHash(out, code.length))
	{
		for (int i = 0; i < code.length; i++)
			if (out[i] >= 'A')
				out[i] = (char) (out[i] + ('a' - 'A'));
		id.length = code.length;
		id.flags |= NORMALISE_HASHED;
		return id;
	}
	if (code.length == OLD_ID_LENGTH && Lengthen(out, size))
		code.length = ID_LENGTH;
	id.length = code.length;
	if (code.length == 0)
	{
		id.flags |= NORMALISE_EMPTY;
		return id;
	}
	if (NormaliseIsFiller(out, (size_t) code.length))
		id.flags |= NORMALISE_BLOCKED;
	id.flags |= NORMALISE_INVALID;
	if (code.length != ID_LENGTH || strspn(out, "0123456789") < ID_LENGTH - 1 ||
		out[0] < '1' || CheckDigit(out) != out[ID_LENGTH - 1])
		return id;
	birth = NormaliseDate(normaliser, out + 6, 8);
	if ((birth.flags & NORMALISE_INVALID) || birth.day == 0)
		return id;
	id.flags &= ~(uint32_t) NORMALISE_INVALID;
	id.birth_year = birth.year;
	id.birth_month = birth.month;
	id.birth_day = birth.day;
	id.gender = (out[16] - '0') % 2 == 1 ? 'm' : 'f';
	return id;
}

/* As it came, but for blanks at the ends and characters that show nothing. */
static NormalText
PutOpaque(Normaliser *normaliser, const char *text, int length, char *out,
		  size_t size)
{
	NormalText result = {0};
	Output output;
	size_t n = text == NULL ? 0
		: length < 0		? strnlen(text, NORMALISE_MAX_INPUT + 1)
							: (size_t) length;
	int32_t end;

	if (n > NORMALISE_MAX_INPUT)
	{
		result.flags |= NORMALISE_TRUNCATED;
		n = NORMALISE_MAX_INPUT;
	}
	end = (int32_t) n;
	OutputBegin(&output, out, size);
	for (int32_t i = 0; i < end;)
	{
		int32_t from = i;
		int32_t character;
		FoldKind kind;

		U8_NEXT(text, i, end, character);
		if (character < 0)
		{
			result.flags |= NORMALISE_BAD_BYTES;
			continue;
		}
		kind = NormaliseLookUp(normaliser, (uint32_t) character)->kind;
		if (character == ' ' || character == 0xa0 || character == 0x3000 ||
			(character >= '\t' && character <= '\r'))
			output.gap = output.length > 0;
		else if (kind == FOLD_DROP && character != '\'' && character != '`')
			continue;
		else if (output.length + (size_t) (i - from) + 2 > output.size)
			output.full = true;
		else if (!output.full)
			for (; from < i; from++)
				OutputLetter(&output, text[from]);
	}
	if (output.full)
		result.flags |= NORMALISE_TRUNCATED;
	result.length = (int) output.length;
	return result;
}

/* Stand-ins of any type, whatever their case. */
static bool
IsBlockedValue(const char *value, int length)
{
	char folded[40];

	if (length >= (int) sizeof(folded))
		return NormaliseIsFiller(value, (size_t) length);
	for (int i = 0; i <= length; i++)
		folded[i] = value[i] >= 'A' && value[i] <= 'Z'
			? (char) (value[i] + ('a' - 'A'))
			: value[i];
	return NormaliseInList(folded, (size_t) length, BlockedValues) ||
		(length > 2 && NormaliseIsFiller(folded, (size_t) length)) ||
		strcmp(folded, "无") == 0 || strcmp(folded, "未知") == 0 ||
		strcmp(folded, "测试") == 0;
}

NormalText
NormaliseIdentifier(Normaliser *normaliser, NormaliseKind kind,
					const char *text, int length, const char *country,
					char *out, size_t size)
{
	NormalText result = {0};
	NormalNationalId id;
	Chars chars;

	switch (kind)
	{
		case NORMALISE_KIND_PHONE:
			return NormalisePhone(normaliser, text, length, country, out, size);
		case NORMALISE_KIND_EMAIL:
			return NormaliseEmail(normaliser, text, length, out, size);
		case NORMALISE_KIND_NATIONAL:
			id = NormaliseNationalId(normaliser, text, length, out, size);
			result.flags = id.flags;
			result.length = id.length;
			break;
		case NORMALISE_KIND_CARD:
		case NORMALISE_KIND_DEVICE:
			NormaliseDecode(normaliser, text, length, &chars);
			result = PutCode(normaliser, &chars, kind == NORMALISE_KIND_CARD,
							 out, size);
			break;
		default:
			result = PutOpaque(normaliser, text, length, out, size);
			break;
	}
	if (result.length == 0)
		result.flags |= NORMALISE_EMPTY;
	else if (IsBlockedValue(out, result.length))
		result.flags |= NORMALISE_BLOCKED;
	return result;
}
