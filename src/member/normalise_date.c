/*-------------------------------------------------------------------------
 *
 * normalise_date.c
 *	  Dates as people and systems write them, and gender.
 *
 * A date is read as up to three numbers and perhaps the name of a month; which
 * of them is the year is told by its length, its unit or its place.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/normalise_internal.h"

#include <string.h>

#define FIRST_YEAR 1850
#define LAST_YEAR 2100
/* Two digits are a year from 1930 on. */
#define PIVOT 30
/* The year before the first of the Republic's calendar. */
#define REPUBLIC 1911

#define MAX_PARTS 3

/* What a number of a date was said to be. */
typedef enum Unit
{
	UNIT_NONE,
	UNIT_YEAR,
	UNIT_MONTH,
	UNIT_DAY
} Unit;

typedef struct Part
{
	int value;
	int digits;
	Unit unit;
} Part;

typedef struct Parts
{
	int n;
	Part part[MAX_PARTS];
	int month;	  /* by name; 0: none */
	int month_at; /* numbers that came before it */
	bool republic;
	bool excess; /* there was more than a date */
	int n_digits;
	char digits[12];
} Parts;

static int
DaysOf(int year, int month)
{
	static const int8_t days[] = {31, 28, 31, 30, 31, 30,
								  31, 31, 30, 31, 30, 31};

	if (month == 2 &&
		(year == 0 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))))
		return 29;
	return days[month - 1];
}

/* The month that these letters name, or 0. */
static int
MonthOf(const char *letters, size_t n)
{
	static const char *const names[] = {
		"january", "february", "march",		"april",   "may",	   "june",
		"july",	   "august",   "september", "october", "november", "december"};

	for (int i = 0; i < 12 && n >= 3; i++)
		if (n <= strlen(names[i]) && strncmp(letters, names[i], n) == 0)
			return i + 1;
	return n == 4 && strncmp(letters, "sept", 4) == 0 ? 9 : 0;
}

static void
AddPart(Parts *parts, int value, int digits)
{
	if (parts->n == MAX_PARTS)
		parts->excess = true;
	else
		parts->part[parts->n++] = (Part){.value = value, .digits = digits};
}

/* Read a number in digits; returns how many characters it took. */
static int
ScanDigits(Normaliser *normaliser, const uint32_t *chars, int n, Parts *parts)
{
	int value = 0;
	int i = 0;
	int digit;

	while (i < n && (digit = NormaliseDigit(normaliser, chars[i])) >= 0)
	{
		if (i < 8)
			value = value * 10 + digit;
		if (parts->n_digits < (int) sizeof(parts->digits) - 1)
			parts->digits[parts->n_digits++] = (char) ('0' + digit);
		i++;
	}
	if (i == 0)
		return 0;
	if (i > 8 && i != 14) /* yyyymmddhhmmss */
	{
		parts->excess = true;
		return i;
	}
	AddPart(parts, value, i > 8 ? 8 : i);
	return i;
}

/* Read a Chinese numeral: digit by digit (一九八〇) or with tens (二十三). */
static int
ScanNumeral(const uint32_t *chars, int n, Parts *parts)
{
	int value = 0;
	int i = 0;
	int digit;
	bool tens = false;

	for (; i < n && i < 8 && (digit = NormaliseHanDigit(chars[i])) >= 0; i++)
	{
		if (digit == 10)
		{
			value = i == 0 ? 10 : value * 10;
			tens = true;
		}
		else if (tens)
			value += digit;
		else
			value = value * 10 + digit;
	}
	if (i > 0)
		AddPart(parts, value, tens ? 2 : i);
	return i;
}

static Unit
UnitOf(uint32_t character)
{
	if (NormaliseOneOf(character, U32("年")))
		return UNIT_YEAR;
	if (NormaliseOneOf(character, U32("月")))
		return UNIT_MONTH;
	return NormaliseOneOf(character, U32("日号")) ? UNIT_DAY : UNIT_NONE;
}

/* Read letters: the name of a month, th behind a day, T before a time. */
static int
ScanLetters(const uint32_t *chars, int n, Parts *parts)
{
	char letters[12];
	size_t length = 0;
	int i = 0;
	int month;

	for (; i < n && chars[i] >= 'a' && chars[i] <= 'z'; i++)
		if (length < sizeof(letters))
			letters[length++] = (char) chars[i];
	if (i == 0)
		return 0;
	month = MonthOf(letters, length);
	if (month > 0 && parts->month == 0)
	{
		parts->month = month;
		parts->month_at = parts->n;
	}
	else if (!NormaliseInList(letters, length, " st nd rd th of "))
		parts->excess = true;
	return i;
}

/* Is this where the time of day begins? */
static bool
TimeBegins(Normaliser *normaliser, const uint32_t *chars, int n,
		   const Parts *parts)
{
	int at = 1;
	int digits = 0;

	if (parts->n + (parts->month > 0) < 2 && parts->n_digits != 8)
		return false;
	if (chars[0] != ' ' && chars[0] != 't')
		return false;
	while (at < n && NormaliseDigit(normaliser, chars[at]) >= 0)
	{
		at++;
		digits++;
	}
	return (digits == 1 || digits == 2) && at < n && chars[at] == ':';
}

static void
Scan(Normaliser *normaliser, const uint32_t *chars, int n, Parts *parts)
{
	int i = 0;

	*parts = (Parts){0};
	while (i < n)
	{
		int took;
		Unit unit;

		if (TimeBegins(normaliser, &chars[i], n - i, parts))
			return;
		if ((took = NormaliseBegins(&chars[i], n - i, U32("民国"))) > 0)
			parts->republic = true;
		else if ((took = ScanDigits(normaliser, &chars[i], n - i, parts)) ==
					 0 &&
				 (took = ScanNumeral(&chars[i], n - i, parts)) == 0 &&
				 (took = ScanLetters(&chars[i], n - i, parts)) == 0)
		{
			unit = UnitOf(chars[i]);
			if (unit != UNIT_NONE && parts->n > 0 &&
				parts->part[parts->n - 1].unit == UNIT_NONE)
				parts->part[parts->n - 1].unit = unit;
			else if (!NormaliseOneOf(chars[i], U32(" -/.,:'年月日号–—、·")))
				parts->excess = true;
			took = 1;
		}
		i += took;
	}
}

static int16_t
FullYear(int year, int digits)
{
	if (digits > 2)
		return (int16_t) (year > 9999 ? 9999 : year);
	return (int16_t) (year >= PIVOT ? 1900 + year : 2000 + year);
}

/* A month or day; what is too large stays impossible. */
static int8_t
Small(int value)
{
	return (int8_t) (value > 99 ? 99 : value);
}

/* Eight, six or four digits without separators. */
static void
ReadBlock(const Part *block, NormalDate *date)
{
	int value = block->value;

	if (block->digits == 8)
	{
		date->year = (int16_t) (value / 10000);
		date->month = (int8_t) (value / 100 % 100);
		date->day = (int8_t) (value % 100);
		/* ddmmyyyy, where only that can be */
		if ((date->year < FIRST_YEAR || date->year > LAST_YEAR) &&
			value % 10000 >= FIRST_YEAR && value % 10000 <= LAST_YEAR)
		{
			date->year = (int16_t) (value % 10000);
			date->month = (int8_t) (value / 10000 % 100);
			date->day = (int8_t) (value / 1000000);
		}
	}
	else if (block->digits == 6)
	{
		if (value / 100 >= FIRST_YEAR && value / 100 <= LAST_YEAR &&
			value % 100 <= 12)
		{
			date->year = (int16_t) (value / 100);
			date->month = (int8_t) (value % 100);
		}
		else
		{
			date->year = FullYear(value / 10000, 2);
			date->month = (int8_t) (value / 100 % 100);
			date->day = (int8_t) (value % 100);
		}
	}
	else if (block->digits == 4)
		date->year = (int16_t) value;
	else
		date->flags |= NORMALISE_INVALID;
}

/* With the name of a month: the year is the longer or the last number. */
static void
ReadNamed(const Parts *parts, NormalDate *date)
{
	int year = parts->n - 1;

	date->month = (int8_t) parts->month;
	if (parts->n == 0 || parts->n > 2)
	{
		date->flags |= NORMALISE_INVALID;
		return;
	}
	if (parts->n == 2 && parts->part[0].digits > 2)
		year = 0;
	date->year = FullYear(parts->part[year].value, parts->part[year].digits);
	if (parts->n == 2)
		date->day = Small(parts->part[1 - year].value);
	if (parts->n == 2 && parts->part[1 - year].digits > 2)
		date->flags |= NORMALISE_INVALID;
}

/* Day and month in either order: the day first, unless it cannot be. */
static void
ReadDayMonth(const Part *first, const Part *second, NormalDate *date)
{
	bool swap = second->value > 12 && first->value <= 12;

	if (first->value <= 12 && second->value <= 12 &&
		first->value != second->value)
		date->flags |= NORMALISE_AMBIGUOUS;
	date->day = Small(swap ? second->value : first->value);
	date->month = Small(swap ? first->value : second->value);
}

/* Two or three numbers. */
static void
ReadNumbers(const Parts *parts, NormalDate *date)
{
	const Part *part = parts->part;
	int last = parts->n - 1;

	for (int i = 0; i < parts->n; i++)
		if (part[i].digits > 4 || (part[i].digits > 2 && i != 0 && i != last))
		{
			date->flags |= NORMALISE_INVALID;
			return;
		}
	if (part[0].digits > 2 || part[0].unit == UNIT_YEAR ||
		(parts->n == 3 && part[last].digits <= 2))
	{
		/* the year is first; a short one in front is so in China, too */
		date->year = FullYear(part[0].value, part[0].digits);
		if (parts->republic)
			date->year = (int16_t) (part[0].value + REPUBLIC);
		date->month = Small(part[1].value);
		if (parts->n == 3)
			date->day = Small(part[2].value);
		/* 15/01/80: the first cannot be a year of somebody unborn, but a day */
		if (part[0].digits <= 2 && part[0].unit == UNIT_NONE &&
			part[0].value <= 31 && parts->n == 3 && part[2].value > 31)
		{
			date->year = FullYear(part[2].value, 2);
			ReadDayMonth(&part[0], &part[1], date);
		}
		else if (part[0].digits <= 2 && part[0].unit == UNIT_NONE &&
				 part[0].value <= 31)
			date->flags |= NORMALISE_AMBIGUOUS;
	}
	else if (part[last].digits > 2)
	{
		date->year = FullYear(part[last].value, part[last].digits);
		if (parts->n == 2)
			date->month = Small(part[0].value);
		else
			ReadDayMonth(&part[0], &part[1], date);
	}
	else
		date->flags |= NORMALISE_INVALID;
}

/* Is it a date that can be? */
static bool
IsPossible(const NormalDate *date)
{
	if (date->year < FIRST_YEAR || date->year > LAST_YEAR)
		return false;
	if (date->month == 0)
		return date->day == 0;
	return date->month >= 1 && date->month <= 12 && date->day >= 0 &&
		date->day <= DaysOf(date->year, date->month);
}

static void
PutDigits(NormalDate *date)
{
	int number = date->year;
	int n = 4;

	if (date->month > 0)
	{
		number = number * 100 + date->month;
		n = 6;
	}
	if (date->day > 0)
	{
		number = number * 100 + date->day;
		n = 8;
	}
	date->digits[n] = '\0';
	while (n > 0)
	{
		date->digits[--n] = (char) ('0' + number % 10);
		number /= 10;
	}
}

/* Dates that programs write for none. */
static bool
IsStandIn(const NormalDate *date)
{
	return (date->month == 1 && date->day == 1 &&
			(date->year == 1900 || date->year == 1970)) ||
		(date->year == 1899 && date->month == 12 && date->day >= 30);
}

/* Read decoded characters; what is impossible is INVALID, with its digits. */
static NormalDate
ReadDate(Normaliser *normaliser, const uint32_t *chars, int n)
{
	NormalDate date = {0};
	Parts parts;

	Scan(normaliser, chars, n, &parts);
	if (parts.n == 0 && !parts.excess)
		date.flags |= NORMALISE_EMPTY;
	else if (parts.month > 0)
		ReadNamed(&parts, &date);
	else if (parts.n == 1 && !parts.republic)
		ReadBlock(&parts.part[0], &date);
	else if (parts.n == 1)
		date.year = FullYear(parts.part[0].value + REPUBLIC, 4);
	else if (parts.n > 1)
		ReadNumbers(&parts, &date);
	/* 1980-00-00 knows the year */
	if (date.month == 0)
		date.day = 0;
	if (date.flags & NORMALISE_EMPTY)
		return date;
	if (parts.excess || !IsPossible(&date))
		date.flags |= NORMALISE_INVALID;
	if ((date.flags & NORMALISE_INVALID) == 0)
	{
		if (IsStandIn(&date))
			date.flags |= NORMALISE_BLOCKED;
		PutDigits(&date);
		return date;
	}
	date = (NormalDate){.flags = NORMALISE_INVALID};
	memcpy(date.digits, parts.digits, sizeof(date.digits));
	return date;
}

NormalDate
NormaliseDate(Normaliser *normaliser, const char *text, int length)
{
	NormalDate date;
	Chars chars;
	uint32_t flags;

	NormaliseDecode(normaliser, text, length, &chars);
	flags = chars.flags;
	date = ReadDate(normaliser, chars.at, chars.n);
	if (date.flags & NORMALISE_INVALID)
	{
		NormalDate again;
		uint32_t digits[sizeof(date.digits)];
		int n = 0;

		/* its digits alone may be one */
		for (; date.digits[n] != '\0'; n++)
			digits[n] = (unsigned char) date.digits[n];
		again = ReadDate(normaliser, digits, n);
		if (n > 5 && (again.flags & NORMALISE_INVALID) == 0)
		{
			again.flags |= NORMALISE_AMBIGUOUS;
			date = again;
		}
		else if (n == 0)
			date.flags |= NORMALISE_EMPTY;
		else if (strspn(date.digits, "0") == (size_t) n ||
				 strcmp(date.digits, "00010101") == 0 ||
				 strncmp(date.digits, "9999", 4) == 0)
			date.flags |= NORMALISE_BLOCKED;
	}
	date.flags |= flags;
	return date;
}

char
NormaliseGender(const char *text, int length)
{
	static const char male[] =
		" m male man boy mr masculine 1 男 男性 男士 先生 男生 м муж h homme "
		"hombre mann ";
	static const char female[] =
		" f female woman girl mrs ms miss feminine 2 女 女性 女士 小姐 女生 ж жен "
		"femme mujer frau w ";
	char folded[16];
	size_t n = 0;
	size_t size = 0;
	const char *digit = "\xef\xbc\x91"; /* full-width 1 */

	if (text == NULL)
		return 0;
	size = length < 0 ? strnlen(text, 64) : (size_t) length;
	while (size > 0 && (*text == ' ' || *text == '\t'))
	{
		text++;
		size--;
	}
	while (size > 0 &&
		   (text[size - 1] == ' ' || text[size - 1] == '.' ||
			text[size - 1] == '\t' || text[size - 1] == '\n' ||
			text[size - 1] == '\r'))
		size--;
	if (size == 0 || size >= sizeof(folded))
		return 0;
	if (size == 3 && memcmp(text, digit, 2) == 0 && (text[2] & 0xff) <= 0x92 &&
		(text[2] & 0xff) >= 0x91)
		return (text[2] & 0xff) == 0x91 ? 'm' : 'f';
	for (; n < size; n++)
		folded[n] = text[n] >= 'A' && text[n] <= 'Z'
			? (char) (text[n] + ('a' - 'A'))
			: text[n];
	if (memchr(folded, ' ', n) != NULL || memchr(folded, '\0', n) != NULL)
		return 0;
	if (NormaliseInList(folded, n, male))
		return 'm';
	return NormaliseInList(folded, n, female) ? 'f' : 0;
}
