/*-------------------------------------------------------------------------
 *
 * normalise_phone.c
 *	  Phone numbers -> E.164.
 *
 * A number is read in its country's plan: calling code, the prefix dialled
 * before national numbers, how long they are, which begin a mobile number.  For
 * China the areas count as well.  Anything else keeps its digits, so that two
 * writings of it still compare equal.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/normalise_internal.h"

#include <string.h>

/* Digits that are kept of a number. */
#define MAX_DIGITS 32
#define MAX_EXTENSION 6
#define MAX_GROUPS 6

/* The plan of a country. */
typedef struct Plan
{
	char country[3];
	const char *code;
	const char *trunk; /* dialled before a national number */
	uint8_t shortest;  /* digits of a national number without the trunk */
	uint8_t longest;
	const char *mobile; /* beginnings of mobile numbers, between blanks */
} Plan;

/* China first: it is looked up most.  Of one code, the first is the main one. */
static const Plan Plans[] = {{"CN", "86", "0", 9, 11, " 13 14 15 16 17 18 19 "},
							 {"HK", "852", "", 8, 8, " 5 6 7 9 "},
							 {"MO", "853", "", 8, 8, " 6 "},
							 {"TW", "886", "0", 8, 9, " 9 "},
							 {"US", "1", "1", 10, 10, ""},
							 {"CA", "1", "1", 10, 10, ""},
							 {"JP", "81", "0", 9, 10, " 70 80 90 "},
							 {"KR", "82", "0", 8, 10, " 1 "},
							 {"SG", "65", "", 8, 8, " 8 9 "},
							 {"MY", "60", "0", 8, 10, " 1 "},
							 {"TH", "66", "0", 8, 9, " 6 8 9 "},
							 {"VN", "84", "0", 9, 10, " 3 5 7 8 9 "},
							 {"PH", "63", "0", 8, 10, " 9 "},
							 {"ID", "62", "0", 8, 12, " 8 "},
							 {"IN", "91", "0", 10, 10, " 6 7 8 9 "},
							 {"PK", "92", "0", 9, 10, " 3 "},
							 {"BD", "880", "0", 8, 10, " 1 "},
							 {"LK", "94", "0", 9, 9, " 7 "},
							 {"NP", "977", "0", 8, 10, " 98 97 "},
							 {"MM", "95", "0", 7, 10, " 9 "},
							 {"KH", "855", "0", 8, 9, " 1 6 7 8 9 "},
							 {"LA", "856", "0", 8, 10, " 20 "},
							 {"MN", "976", "0", 8, 8, " 8 9 "},
							 {"BN", "673", "", 7, 7, " 7 8 "},
							 {"RU", "7", "8", 10, 10, " 9 70 74 75 77 "},
							 {"KZ", "7", "8", 10, 10, " 70 74 75 77 "},
							 {"UZ", "998", "", 9, 9, " 9 "},
							 {"AU", "61", "0", 9, 9, " 4 "},
							 {"NZ", "64", "0", 8, 10, " 2 "},
							 {"GB", "44", "0", 9, 10, " 7 "},
							 {"IE", "353", "0", 7, 9, " 8 "},
							 {"DE", "49", "0", 6, 11, " 15 16 17 "},
							 {"AT", "43", "0", 6, 12, " 6 "},
							 {"CH", "41", "0", 9, 9, " 7 "},
							 {"FR", "33", "0", 9, 9, " 6 7 "},
							 {"BE", "32", "0", 8, 9, " 4 "},
							 {"NL", "31", "0", 9, 9, " 6 "},
							 {"LU", "352", "", 5, 9, " 6 "},
							 {"ES", "34", "", 9, 9, " 6 7 "},
							 {"PT", "351", "", 9, 9, " 9 "},
							 {"IT", "39", "", 8, 11, " 3 "},
							 {"GR", "30", "", 10, 10, " 69 "},
							 {"DK", "45", "", 8, 8, ""},
							 {"SE", "46", "0", 7, 9, " 7 "},
							 {"NO", "47", "", 8, 8, " 4 9 "},
							 {"FI", "358", "0", 6, 10, " 4 5 "},
							 {"IS", "354", "", 7, 7, " 6 7 8 "},
							 {"PL", "48", "", 9, 9, " 5 6 7 8 "},
							 {"CZ", "420", "", 9, 9, " 6 7 "},
							 {"SK", "421", "0", 9, 9, " 9 "},
							 {"HU", "36", "06", 8, 9, " 2 3 7 "},
							 {"RO", "40", "0", 9, 9, " 7 "},
							 {"BG", "359", "0", 8, 9, " 8 9 "},
							 {"UA", "380", "0", 9, 9, " 5 6 7 9 "},
							 {"BY", "375", "80", 9, 9, " 2 3 4 "},
							 {"TR", "90", "0", 10, 10, " 5 "},
							 {"IL", "972", "0", 8, 9, " 5 "},
							 {"AE", "971", "0", 8, 9, " 5 "},
							 {"SA", "966", "0", 9, 9, " 5 "},
							 {"QA", "974", "", 8, 8, " 3 5 6 7 "},
							 {"KW", "965", "", 8, 8, " 5 6 9 "},
							 {"IR", "98", "0", 10, 10, " 9 "},
							 {"IQ", "964", "0", 8, 10, " 7 "},
							 {"EG", "20", "0", 8, 10, " 1 "},
							 {"MA", "212", "0", 9, 9, " 6 7 "},
							 {"ZA", "27", "0", 9, 9, " 6 7 8 "},
							 {"NG", "234", "0", 8, 10, " 7 8 9 "},
							 {"KE", "254", "0", 9, 9, " 7 1 "},
							 {"GH", "233", "0", 9, 9, " 2 5 "},
							 {"ET", "251", "0", 9, 9, " 9 7 "},
							 {"TZ", "255", "0", 9, 9, " 6 7 "},
							 {"BR", "55", "0", 10, 11, ""},
							 {"MX", "52", "", 10, 10, ""},
							 {"AR", "54", "0", 10, 11, " 9 "},
							 {"CL", "56", "", 9, 9, " 9 "},
							 {"CO", "57", "", 10, 10, " 3 "},
							 {"PE", "51", "0", 8, 9, " 9 "},
							 {"VE", "58", "0", 10, 10, " 4 "},
							 {"EC", "593", "0", 8, 9, " 9 "}};

#define N_PLANS ((int) (sizeof(Plans) / sizeof(Plans[0])))

/* Numbers that stand in examples and in place of none. */
static const char BlockedNumbers[] =
	" 13800138000 13800000000 13812345678 13912345678 13012345678 15012345678 "
	"18012345678 18612345678 18812345678 13123456789 13512345678 13612345678 "
	"12345678901 11111111111 10000000000 ";

/* Prefixes of cheap calls that phones of the past put before a mobile number. */
static const char CarrierPrefixes[] = " 17951 17911 17909 12593 17900 10193 ";

/* One number as it was written. */
typedef struct Number
{
	bool international; /* with + or 00 */
	bool masked;
	int n;
	int n_extension;
	int n_groups;
	uint8_t groups[MAX_GROUPS + 1]; /* digits between separators */
	char digits[MAX_DIGITS + 2];
	char extension[MAX_EXTENSION + 1];
} Number;

/* What it is read as. */
typedef struct Reading
{
	const char *code;
	const char *national;
	int n;
	bool mobile;
} Reading;

static bool
BeginsLike(const char *digits, const char *list)
{
	for (const char *at = list; (at = strchr(at, ' ')) != NULL; at++)
	{
		size_t n = strcspn(at + 1, " ");

		if (n > 0 && strncmp(digits, at + 1, n) == 0)
			return true;
	}
	return false;
}

/* A national number of China: mobile, an area and 7 or 8 digits, or 400/800. */
static bool
ReadChinese(const char *digits, int n, bool trunk, Reading *reading)
{
	int area = digits[0] == '1' || digits[0] == '2' ? 2 : 3;

	reading->code = "86";
	reading->national = digits;
	reading->n = n;
	reading->mobile = n == 11 && digits[0] == '1' && digits[1] >= '3';
	if (reading->mobile)
		return true;
	if (n == 10 &&
		(strncmp(digits, "400", 3) == 0 || strncmp(digits, "800", 3) == 0))
		return true;
	if (!trunk || (digits[0] == '1' && digits[1] != '0') || digits[0] == '0')
		return false;
	/* no local number begins with 0 or 1 */
	return (n - area == 7 || n - area == 8) && digits[area] >= '2' &&
		(area == 3 || n - area == 8);
}

/* A national number as the plan says; trunk: its prefix is off already. */
static bool
ReadNational(const Plan *plan, const char *digits, int n, bool trunk,
			 Reading *reading)
{
	if (plan == Plans)
		return ReadChinese(digits, n, trunk, reading);
	if (n < plan->shortest || n > plan->longest ||
		(digits[0] == '0' && strcmp(plan->country, "IT") != 0))
		return false;
	if (plan->code[0] == '1' &&
		(digits[0] < '2' || digits[3] < '2')) /* North America */
		return false;
	reading->code = plan->code;
	reading->national = digits;
	reading->n = n;
	reading->mobile = BeginsLike(digits, plan->mobile);
	return true;
}

/* A number that begins with a calling code. */
static bool
ReadInternational(const char *digits, int n, Reading *reading)
{
	for (int i = 0; i < N_PLANS; i++)
	{
		const Plan *plan = &Plans[i];
		int code = (int) strlen(plan->code);
		int trunk = (int) strlen(plan->trunk);

		if (n <= code || strncmp(digits, plan->code, (size_t) code) != 0)
			continue;
		if (ReadNational(plan, digits + code, n - code, true, reading))
			return true;
		/* +86 0 10 ... */
		if (trunk > 0 && plan->trunk[0] == '0' && n - code > trunk &&
			strncmp(digits + code, plan->trunk, (size_t) trunk) == 0 &&
			ReadNational(plan, digits + code + trunk, n - code - trunk, true,
						 reading))
			return true;
		return false;
	}
	/* Countries of which we know nothing but that E.164 holds. */
	reading->code = "";
	reading->national = digits;
	reading->n = n;
	reading->mobile = false;
	return n >= 8 && n <= 15 && digits[0] != '0';
}

/* A number without a calling code, or with one but no +. */
static bool
ReadDomestic(const Plan *plan, const char *digits, int n, Reading *reading)
{
	int trunk = plan == NULL ? 0 : (int) strlen(plan->trunk);
	int code = plan == NULL ? 0 : (int) strlen(plan->code);

	if (plan != NULL && ReadNational(plan, digits, n, false, reading))
		return true;
	if (trunk > 0 && n > trunk &&
		strncmp(digits, plan->trunk, (size_t) trunk) == 0 &&
		ReadNational(plan, digits + trunk, n - trunk, true, reading))
		return true;
	if (plan == Plans && n == 16 && BeginsLike(digits, CarrierPrefixes) &&
		ReadNational(plan, digits + 5, 11, false, reading) && reading->mobile)
		return true;
	if (code > 0 && n > code &&
		strncmp(digits, plan->code, (size_t) code) == 0 &&
		ReadInternational(digits, n, reading))
		return true;
	return n > 8 && digits[0] == '0' && digits[1] == '0' &&
		ReadInternational(digits + 2, n - 2, reading);
}

/* Digits behind a word for extension; returns how many characters it took. */
static int
ExtensionMark(const uint32_t *chars, int n)
{
	static const uint32_t *const marks[] = {
		U32(";ext="), U32("extension"), U32("ext."), U32("ext"), U32("转分机"),
		U32("转"),	  U32("轉"),		U32("分机"), U32("x"),	 U32("#")};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
	{
		int length = NormaliseBegins(chars, n, marks[i]);

		if (length > 0)
			return length;
	}
	return 0;
}

static bool
EndsNumber(const uint32_t *chars, int n)
{
	return NormaliseOneOf(chars[0], U32("/,|、，。")) ||
		(chars[0] == ';' && NormaliseBegins(chars, n, U32(";ext=")) == 0) ||
		(chars[0] == U'或');
}

static void
AddDigit(Number *number, int digit, bool extension)
{
	if (extension)
	{
		if (number->n_extension < MAX_EXTENSION)
			number->extension[number->n_extension++] = (char) ('0' + digit);
	}
	else if (number->n < MAX_DIGITS)
	{
		number->digits[number->n++] = (char) ('0' + digit);
		number->groups[number->n_groups]++;
	}
}

/* Read one number; returns how many characters it took. */
static int
ScanNumber(Normaliser *normaliser, const uint32_t *chars, int n, Number *number)
{
	bool extension = false;
	int i = 0;

	memset(number, 0, sizeof(*number));
	for (; i < n && !EndsNumber(&chars[i], n - i); i++)
	{
		int digit = NormaliseDigit(normaliser, chars[i]);
		int mark;

		if (digit >= 0)
			AddDigit(number, digit, extension);
		else if (chars[i] == '+' && number->n == 0)
			number->international = true;
		else if (NormaliseOneOf(chars[i], U32("*＊×●")))
		{
			number->masked |= !extension;
			if (!extension)
				AddDigit(number, '*' - '0', false);
		}
		else if (number->n > 0 && NormaliseBegins(&chars[i], n - i, U32("(0)")))
			i += 2; /* +44 (0)20 ... */
		else if (number->n > 0 && (mark = ExtensionMark(&chars[i], n - i)) > 0)
		{
			extension = true;
			i += mark - 1;
		}
		else if (number->groups[number->n_groups] > 0 &&
				 number->n_groups < MAX_GROUPS)
			number->n_groups++;
	}
	if (number->groups[number->n_groups] > 0)
		number->n_groups++;
	return i;
}

/* 010-61234567-801: the last group is an extension. */
static void
SplitExtension(Number *number)
{
	if (number->n_groups != 3 || number->n_extension > 0 ||
		number->digits[0] != '0' || number->groups[0] < 3 ||
		number->groups[0] > 4 || number->groups[1] < 7 ||
		number->groups[1] > 8 || number->groups[2] > 5)
		return;
	number->n_extension = number->groups[2];
	number->n -= number->groups[2];
	memcpy(number->extension, number->digits + number->n,
		   (size_t) number->n_extension);
	number->digits[number->n] = '\0';
}

static bool
ReadNumber(const Plan *plan, Number *number, Reading *reading)
{
	if (number->masked || number->n < 5)
		return false;
	SplitExtension(number);
	if (number->international)
	{
		/* +0086 ... */
		int zeros = (int) strspn(number->digits, "0");

		if (zeros == 2 &&
			ReadInternational(number->digits + 2, number->n - 2, reading))
			return true;
		if (ReadInternational(number->digits, number->n, reading))
			return true;
	}
	return ReadDomestic(plan, number->digits, number->n, reading);
}

/* Stand-ins: an example, or eight equal or counting digits at the end. */
static bool
IsBlockedNumber(const char *digits, int n)
{
	if (NormaliseInList(digits, (size_t) n, BlockedNumbers))
		return true;
	if (n < 5)
		return true;
	return NormaliseIsFiller(digits + (n > 8 ? n - 8 : 0),
							 (size_t) (n > 8 ? 8 : n));
}

/* NULL: a country of which we know no plan. */
static const Plan *
PlanOf(const char *country)
{
	if (country == NULL || country[0] == '\0')
		return &Plans[0];
	for (int i = 0; i < N_PLANS; i++)
		if ((country[0] & 0x5f) == Plans[i].country[0] &&
			(country[1] & 0x5f) == Plans[i].country[1] && country[2] == '\0')
			return &Plans[i];
	return NULL;
}

static NormalText
PutNumber(const Number *number, const Reading *reading, uint32_t flags,
		  Output *output)
{
	NormalText result = {.flags = flags};

	if (reading != NULL)
	{
		OutputByte(output, '+');
		OutputString(output, reading->code);
		for (int i = 0; i < reading->n; i++)
			OutputByte(output, reading->national[i]);
		if (number->n_extension > 0)
		{
			OutputString(output, ";ext=");
			OutputString(output, number->extension);
		}
		else if (reading->mobile)
			result.flags |= NORMALISE_MOBILE;
		if (IsBlockedNumber(reading->national, reading->n))
			result.flags |= NORMALISE_BLOCKED;
	}
	else
	{
		OutputString(output, number->digits);
		result.flags |= NORMALISE_INVALID;
		if (number->masked)
			result.flags |= NORMALISE_MASKED | NORMALISE_BLOCKED;
		else if (IsBlockedNumber(number->digits, number->n))
			result.flags |= NORMALISE_BLOCKED;
	}
	if (output->full || number->n == MAX_DIGITS)
		result.flags |= NORMALISE_TRUNCATED;
	result.length = (int) output->length;
	return result;
}

NormalText
NormalisePhone(Normaliser *normaliser, const char *text, int length,
			   const char *country, char *out, size_t size)
{
	const Plan *plan = PlanOf(country);
	Chars chars;
	Output output;
	Number number;
	Number first = {0};
	Reading reading;

	NormaliseDecode(normaliser, text, length, &chars);
	OutputBegin(&output, out, size);
	for (int i = 0; i < chars.n; i++)
	{
		i += ScanNumber(normaliser, &chars.at[i], chars.n - i, &number);
		if (ReadNumber(plan, &number, &reading))
			return PutNumber(&number, &reading, chars.flags, &output);
		if (first.n == 0)
			first = number;
	}
	if (first.n == 0)
		return (NormalText){.flags = chars.flags | NORMALISE_EMPTY};
	return PutNumber(&first, NULL, chars.flags, &output);
}
