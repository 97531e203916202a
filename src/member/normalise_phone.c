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
	uint8_t shortest; /* digits of a national number without the trunk */
	uint8_t longest;
	const char *code;
	const char *trunk;	/* dialled before a national number */
	const char *mobile; /* beginnings of mobile numbers, between blanks */
} Plan;

/* China first: it is looked up most.  Of one code, the first is the main one. */
static const Plan Plans[] = {{"CN", 9, 11, "86", "0", " 13 14 15 16 17 18 19 "},
							 {"HK", 8, 8, "852", "", " 5 6 7 9 "},
							 {"MO", 8, 8, "853", "", " 6 "},
							 {"TW", 8, 9, "886", "0", " 9 "},
							 {"US", 10, 10, "1", "1", ""},
							 {"CA", 10, 10, "1", "1", ""},
							 {"JP", 9, 10, "81", "0", " 70 80 90 "},
							 {"KR", 8, 10, "82", "0", " 1 "},
							 {"SG", 8, 8, "65", "", " 8 9 "},
							 {"MY", 8, 10, "60", "0", " 1 "},
							 {"TH", 8, 9, "66", "0", " 6 8 9 "},
							 {"VN", 9, 10, "84", "0", " 3 5 7 8 9 "},
							 {"PH", 8, 10, "63", "0", " 9 "},
							 {"ID", 8, 12, "62", "0", " 8 "},
							 {"IN", 10, 10, "91", "0", " 6 7 8 9 "},
							 {"PK", 9, 10, "92", "0", " 3 "},
							 {"BD", 8, 10, "880", "0", " 1 "},
							 {"LK", 9, 9, "94", "0", " 7 "},
							 {"NP", 8, 10, "977", "0", " 98 97 "},
							 {"MM", 7, 10, "95", "0", " 9 "},
							 {"KH", 8, 9, "855", "0", " 1 6 7 8 9 "},
							 {"LA", 8, 10, "856", "0", " 20 "},
							 {"MN", 8, 8, "976", "0", " 8 9 "},
							 {"BN", 7, 7, "673", "", " 7 8 "},
							 {"RU", 10, 10, "7", "8", " 9 70 74 75 77 "},
							 {"KZ", 10, 10, "7", "8", " 70 74 75 77 "},
							 {"UZ", 9, 9, "998", "", " 9 "},
							 {"AU", 9, 9, "61", "0", " 4 "},
							 {"NZ", 8, 10, "64", "0", " 2 "},
							 {"GB", 9, 10, "44", "0", " 7 "},
							 {"IE", 7, 9, "353", "0", " 8 "},
							 {"DE", 6, 11, "49", "0", " 15 16 17 "},
							 {"AT", 6, 12, "43", "0", " 6 "},
							 {"CH", 9, 9, "41", "0", " 7 "},
							 {"FR", 9, 9, "33", "0", " 6 7 "},
							 {"BE", 8, 9, "32", "0", " 4 "},
							 {"NL", 9, 9, "31", "0", " 6 "},
							 {"LU", 5, 9, "352", "", " 6 "},
							 {"ES", 9, 9, "34", "", " 6 7 "},
							 {"PT", 9, 9, "351", "", " 9 "},
							 {"IT", 8, 11, "39", "", " 3 "},
							 {"GR", 10, 10, "30", "", " 69 "},
							 {"DK", 8, 8, "45", "", ""},
							 {"SE", 7, 9, "46", "0", " 7 "},
							 {"NO", 8, 8, "47", "", " 4 9 "},
							 {"FI", 6, 10, "358", "0", " 4 5 "},
							 {"IS", 7, 7, "354", "", " 6 7 8 "},
							 {"PL", 9, 9, "48", "", " 5 6 7 8 "},
							 {"CZ", 9, 9, "420", "", " 6 7 "},
							 {"SK", 9, 9, "421", "0", " 9 "},
							 {"HU", 8, 9, "36", "06", " 2 3 7 "},
							 {"RO", 9, 9, "40", "0", " 7 "},
							 {"BG", 8, 9, "359", "0", " 8 9 "},
							 {"UA", 9, 9, "380", "0", " 5 6 7 9 "},
							 {"BY", 9, 9, "375", "80", " 2 3 4 "},
							 {"TR", 10, 10, "90", "0", " 5 "},
							 {"IL", 8, 9, "972", "0", " 5 "},
							 {"AE", 8, 9, "971", "0", " 5 "},
							 {"SA", 9, 9, "966", "0", " 5 "},
							 {"QA", 8, 8, "974", "", " 3 5 6 7 "},
							 {"KW", 8, 8, "965", "", " 5 6 9 "},
							 {"IR", 10, 10, "98", "0", " 9 "},
							 {"IQ", 8, 10, "964", "0", " 7 "},
							 {"EG", 8, 10, "20", "0", " 1 "},
							 {"MA", 9, 9, "212", "0", " 6 7 "},
							 {"ZA", 9, 9, "27", "0", " 6 7 8 "},
							 {"NG", 8, 10, "234", "0", " 7 8 9 "},
							 {"KE", 9, 9, "254", "0", " 7 1 "},
							 {"GH", 9, 9, "233", "0", " 2 5 "},
							 {"ET", 9, 9, "251", "0", " 9 7 "},
							 {"TZ", 9, 9, "255", "0", " 6 7 "},
							 {"BR", 10, 11, "55", "0", ""},
							 {"MX", 10, 10, "52", "", ""},
							 {"AR", 10, 11, "54", "0", " 9 "},
							 {"CL", 9, 9, "56", "", " 9 "},
							 {"CO", 10, 10, "57", "", " 3 "},
							 {"PE", 8, 9, "51", "0", " 9 "},
							 {"VE", 10, 10, "58", "0", " 4 "},
							 {"EC", 8, 9, "593", "0", " 9 "}};

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
