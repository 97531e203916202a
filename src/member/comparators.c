/*-------------------------------------------------------------------------
 *
 * comparators.c
 *	  How alike two folded texts, dates, addresses or numbers are.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "comparators.h"

#include <stddef.h>
#include <string.h>

/* Words of an address that are aligned; the rest is ignored. */
#define MAX_WORDS 24
/* Words are the same word with a typo from here on. */
#define WORD_ALIKE 0.88

typedef struct Word
{
	const char *text;
	int length;
	uint32_t letters; /* bits of those that occur */
	bool number;
	bool used;
} Word;

static int
Min(int a, int b)
{
	return a < b ? a : b;
}

static int
Max(int a, int b)
{
	return a > b ? a : b;
}

static int
Cut(int length)
{
	return length > COMPARE_MAX ? COMPARE_MAX : length;
}

/*
 * One order of two texts, so that greedy assignments are symmetric.
 */
static bool
InOrder(const char *a, int a_length, const char *b, int b_length)
{
	if (a_length != b_length)
		return a_length < b_length;
	return memcmp(a, b, (size_t) a_length) <= 0;
}

/*
 * Where every character of a text stands; only the characters of both texts
 * are set.
 */
static void
Places(const char *text, int length, const char *other, int other_length,
	   uint64_t *places)
{
	for (int i = 0; i < other_length; i++)
		places[(unsigned char) other[i]] = 0;
	for (int i = 0; i < length; i++)
		places[(unsigned char) text[i]] = 0;
	for (int i = 0; i < length; i++)
		places[(unsigned char) text[i]] |= UINT64_C(1) << i;
}

static uint64_t
LowBits(int n)
{
	if (n <= 0)
		return 0;
	return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}

/*
 * Characters of a that b has within a window, each of b's used once, the first
 * first.  For b of at most 64 characters.
 */
static int
CommonShort(const char *a, int a_length, const char *b, int b_length,
			int window, char *common, bool *used)
{
	uint64_t places[256];
	uint64_t taken = 0;
	int n_common = 0;

	Places(b, b_length, a, a_length, places);
	for (int i = 0; i < a_length; i++)
	{
		uint64_t here = places[(unsigned char) a[i]] & ~taken &
			LowBits(i + window + 1) & ~LowBits(Max(i - window, 0));

		if (here != 0)
		{
			taken |= here & (~here + 1);
			common[n_common++] = a[i];
		}
	}
	for (int j = 0; j < b_length; j++)
		used[j] = taken >> j & 1;
	return n_common;
}

static int
CommonLong(const char *a, int a_length, const char *b, int b_length, int window,
		   char *common, bool *used)
{
	int n_common = 0;

	memset(used, 0, (size_t) b_length * sizeof(bool));
	for (int i = 0; i < a_length; i++)
	{
		int end = Min(i + window + 1, b_length);

		for (int j = Max(i - window, 0); j < end; j++)
			if (!used[j] && b[j] == a[i])
			{
				used[j] = true;
				common[n_common++] = a[i];
				break;
			}
	}
	return n_common;
}

/*
 * Jaro's similarity: common characters within half the longer length, and how
 * many of them are out of order.
 */
double
Jaro(const char *a, int a_length, const char *b, int b_length)
{
	char common[COMPARE_MAX];
	bool used[COMPARE_MAX];
	int n_common;
	int moved = 0;
	int transpositions;
	int window;

	a_length = Cut(a_length);
	b_length = Cut(b_length);
	if (a_length == b_length && memcmp(a, b, (size_t) a_length) == 0)
		return a_length > 0 ? 1.0 : 0.0;
	if (a_length == 0 || b_length == 0)
		return 0.0;
	if (!InOrder(a, a_length, b, b_length))
		return Jaro(b, b_length, a, a_length);
	window = Max(Max(a_length, b_length) / 2 - 1, 0);
	n_common = b_length <= 64
		? CommonShort(a, a_length, b, b_length, window, common, used)
		: CommonLong(a, a_length, b, b_length, window, common, used);
	if (n_common == 0)
		return 0.0;
	for (int j = 0, k = 0; k < n_common; j++)
		/* Both ways fill it.  NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Branch) */
		if (used[j])
			moved += b[j] != common[k++];
	transpositions = moved / 2;
	return ((double) n_common / a_length + (double) n_common / b_length +
			(double) (n_common - transpositions) / n_common) /
		3.0;
}

double
JaroWinkler(const char *a, int a_length, const char *b, int b_length)
{
	double jaro = Jaro(a, a_length, b, b_length);
	int prefix = 0;

	while (prefix < 4 && prefix < a_length && prefix < b_length &&
		   a[prefix] == b[prefix])
		prefix++;
	return jaro + prefix * 0.1 * (1.0 - jaro);
}

/*
 * Edit distance by columns of bits: Hyyro, "A bit-vector algorithm for
 * computing Levenshtein and Damerau edit distances" (2003).  For a of 1 to 64
 * characters.
 */
static int
EditsShort(const char *a, int a_length, const char *b, int b_length, int limit)
{
	uint64_t places[256];
	uint64_t last = UINT64_C(1) << (a_length - 1);
	uint64_t up = ~UINT64_C(0);
	uint64_t down = 0;
	uint64_t diagonal = 0;
	uint64_t before = 0;
	int distance = a_length;

	Places(a, a_length, b, b_length, places);
	for (int j = 0; j < b_length; j++)
	{
		uint64_t equal = places[(unsigned char) b[j]];
		uint64_t swapped = ((~diagonal & equal) << 1) & before;
		uint64_t right;
		uint64_t left;

		diagonal = (((equal & up) + up) ^ up) | equal | down | swapped;
		right = down | ~(diagonal | up);
		left = diagonal & up;
		distance += (right & last) != 0;
		distance -= (left & last) != 0;
		/* what is left of b takes away one each at most */
		if (distance - (b_length - 1 - j) > limit)
			return limit + 1;
		right = right << 1 | 1;
		left <<= 1;
		up = left | ~(diagonal | right);
		down = right & diagonal;
		before = equal;
	}
	return distance;
}

/*
 * Edit distance in a band: only alignments off by at most limit can be within
 * it.
 */
int
DamerauLevenshtein(const char *a, int a_length, const char *b, int b_length,
				   int limit)
{
	int rows[3][COMPARE_MAX + 2];
	int far = limit + 1;

	a_length = Cut(a_length);
	b_length = Cut(b_length);
	while (a_length > 0 && b_length > 0 && a[0] == b[0])
	{
		a++, b++;
		a_length--, b_length--;
	}
	while (a_length > 0 && b_length > 0 && a[a_length - 1] == b[b_length - 1])
		a_length--, b_length--;
	if (a_length - b_length > limit || b_length - a_length > limit)
		return far;
	if (a_length == 0 || b_length == 0)
		return Max(a_length, b_length);
	/* what is left begins and ends with a difference */
	if (limit == 1)
		return (a_length == 1 && b_length == 1) ||
				(a_length == 2 && b_length == 2 && a[0] == b[1] && a[1] == b[0])
			? 1
			: far;
	if (a_length <= 64)
		return EditsShort(a, a_length, b, b_length, limit);
	if (b_length <= 64)
		return EditsShort(b, b_length, a, a_length, limit);
	for (int j = 0; j <= b_length; j++)
		rows[0][j] = Min(j, far);
	for (int i = 1; i <= a_length; i++)
	{
		int *row = rows[i % 3];
		const int *last = rows[(i + 2) % 3];
		const int *before = rows[(i + 1) % 3];
		int from = Max(1, i - limit);
		int to = Min(b_length, i + limit);
		int best = far;

		row[from - 1] = from == 1 ? Min(i, far) : far;
		for (int j = from; j <= to; j++)
		{
			/* Within the band all was computed.  NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
			int cost = last[j - 1] + (a[i - 1] != b[j - 1]);

			/* beyond the band of the row above nothing was computed */
			if (j < i + limit || j == 0)
				cost = Min(cost, last[j] + 1);
			cost = Min(cost, row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				cost = Min(cost, before[j - 2] + 1);
			row[j] = Min(cost, far);
			best = Min(best, row[j]);
		}
		if (best >= far)
			return far;
	}
	return rows[a_length % 3][b_length];
}

static bool
IsDigit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Read a date that is possible; impossible ones are no dates.
 */
bool
ReadDate(const char *text, int length, CompareDate *date)
{
	static const int8_t days[] = {31, 29, 31, 30, 31, 30,
								  31, 31, 30, 31, 30, 31};
	int digits[8];
	int n = 0;

	*date = (CompareDate){0, 0, 0};
	for (int i = 0; i < length; i++)
	{
		if (text[i] == '-' && (n == 4 || n == 6))
			continue;
		if (!IsDigit(text[i]) || n == 8)
			return false;
		digits[n++] = text[i] - '0';
	}
	if (n != 4 && n != 6 && n != 8)
		return false;
	date->year = (int16_t) (digits[0] * 1000 + digits[1] * 100 +
							digits[2] * 10 + digits[3]);
	if (n >= 6)
		date->month = (int8_t) (digits[4] * 10 + digits[5]);
	if (n == 8)
		date->day = (int8_t) (digits[6] * 10 + digits[7]);
	if (date->year == 0 || (n >= 6 && (date->month < 1 || date->month > 12)) ||
		(n == 8 && (date->day < 1 || date->day > days[date->month - 1])))
	{
		*date = (CompareDate){0, 0, 0};
		return false;
	}
	return true;
}

static void
WriteDate(CompareDate date, char *digits)
{
	int number = date.year * 10000 + date.month * 100 + date.day;

	for (int i = 7; i >= 0; i--)
	{
		digits[i] = (char) ('0' + number % 10);
		number /= 10;
	}
}

CompareDateLevel
CompareDates(CompareDate a, CompareDate b)
{
	char a_digits[8];
	char b_digits[8];
	bool year = a.year == b.year;
	bool month = a.month == b.month;
	bool day = a.day == b.day;
	int distance;

	if (year && month && day && a.day != 0)
		return DATE_EQUAL;
	if (a.day == 0 || b.day == 0)
	{
		if (a.month == 0 || b.month == 0)
			return year ? DATE_PARTIAL : DATE_DIFFERENT;
		return year && month ? DATE_PARTIAL
			: year			 ? DATE_SAME_YEAR
							 : DATE_DIFFERENT;
	}
	if (year && a.month == b.day && a.day == b.month)
		return DATE_TYPO;
	WriteDate(a, a_digits);
	WriteDate(b, b_digits);
	distance = DamerauLevenshtein(a_digits, 8, b_digits, 8, 2);
	if (distance == 1)
		return DATE_TYPO;
	if (year + month + day == 2)
		return DATE_TWO_PARTS;
	if (distance == 2)
		return DATE_NEAR;
	if (year)
		return DATE_SAME_YEAR;
	return DATE_DIFFERENT;
}

static int
SplitWords(const char *text, int length, Word *words)
{
	int n = 0;
	int at = 0;

	while (at < length && n < MAX_WORDS)
	{
		int start;

		while (at < length && text[at] == ' ')
			at++;
		start = at;
		while (at < length && text[at] != ' ')
			at++;
		if (at > start)
		{
			words[n] = (Word){.text = text + start,
							  .length = at - start,
							  .number = IsDigit(text[start])};
			for (int i = start; i < at; i++)
				words[n].letters |= UINT32_C(1) << (text[i] & 31);
			n++;
		}
	}
	return n;
}

/*
 * What a word counts: long words say more, to a point.
 */
static double
WordWeight(const Word *word)
{
	return word->number ? 3.0 : Min(word->length, 8);
}

static int
Bits(uint32_t set)
{
	set -= set >> 1 & UINT32_C(0x55555555);
	set = (set & UINT32_C(0x33333333)) + (set >> 2 & UINT32_C(0x33333333));
	set = (set + (set >> 4)) & UINT32_C(0x0F0F0F0F);
	return (int) (set * UINT32_C(0x01010101) >> 24);
}

static bool
SameWord(const Word *a, const Word *b)
{
	return a->length == b->length && a->letters == b->letters &&
		memcmp(a->text, b->text, (size_t) a->length) == 0;
}

/*
 * Can they be alike, by the letters that only one of them has?
 */
static bool
CanBeAlike(const Word *a, const Word *b)
{
	int common = Min(a->length - Bits(a->letters & ~b->letters),
					 b->length - Bits(b->letters & ~a->letters));
	double jaro =
		((double) common / a->length + (double) common / b->length + 1.0) / 3.0;
	int prefix = 0;

	while (prefix < 4 && prefix < a->length && prefix < b->length &&
		   a->text[prefix] == b->text[prefix])
		prefix++;
	return jaro + prefix * 0.1 * (1.0 - jaro) > WORD_ALIKE - 0.001;
}

static double
WordSimilarity(const Word *a, const Word *b)
{
	double similarity;

	if (SameWord(a, b))
		return 1.0;
	if (a->number || b->number || a->length < 3 || b->length < 3)
		return 0.0;
	if (a->length - b->length > 3 || b->length - a->length > 3)
		return 0.0;
	/* words that are alike have most letters in common */
	if (2 * Bits(a->letters & b->letters) <
			Min(Bits(a->letters), Bits(b->letters)) ||
		!CanBeAlike(a, b))
		return 0.0;
	similarity = JaroWinkler(a->text, a->length, b->text, b->length);
	return similarity >= WORD_ALIKE ? similarity : 0.0;
}

/*
 * Share of the words' weight that is found in the other: equal words first,
 * then alike ones.  Gives the mean of both sides and the share of the side
 * that has less.
 */
static double
AlignWords(Word *a, int n_a, Word *b, int n_b, double *of_less)
{
	double total_a = 0.0;
	double total_b = 0.0;
	double found_a = 0.0;
	double found_b = 0.0;

	for (int i = 0; i < n_a; i++)
		total_a += WordWeight(&a[i]);
	for (int j = 0; j < n_b; j++)
		total_b += WordWeight(&b[j]);
	for (int turn = 0; turn < 2; turn++)
		for (int i = 0; i < n_a; i++)
		{
			double best = 0.0;
			int with = -1;

			if (a[i].used)
				continue;
			for (int j = 0; j < n_b; j++)
			{
				double similarity;

				if (b[j].used)
					continue;
				similarity = turn > 0 ? WordSimilarity(&a[i], &b[j])
									  : SameWord(&a[i], &b[j]);
				if (similarity > best)
				{
					best = similarity;
					with = j;
				}
			}
			if (with < 0)
				continue;
			a[i].used = b[with].used = true;
			found_a += best * WordWeight(&a[i]);
			found_b += best * WordWeight(&b[with]);
		}
	*of_less = total_a < total_b ? found_a / total_a : found_b / total_b;
	return (found_a + found_b) / (total_a + total_b);
}

static int
Squeeze(const char *text, int length, char *squeezed)
{
	int n = 0;

	for (int i = 0; i < length; i++)
		if (text[i] != ' ')
			squeezed[n++] = text[i];
	return n;
}

/*
 * By words; -1 when one has none.
 */
static double
SimilarityOfWords(const char *a, int a_length, const char *b, int b_length)
{
	Word a_words[MAX_WORDS];
	Word b_words[MAX_WORDS];
	int n_a = SplitWords(a, a_length, a_words);
	int n_b = SplitWords(b, b_length, b_words);
	double similarity;
	double of_less;

	if (n_a == 0 || n_b == 0)
		return -1.0;
	if (n_a > n_b || (n_a == n_b && !InOrder(a, a_length, b, b_length)))
		similarity = AlignWords(b_words, n_b, a_words, n_a, &of_less);
	else
		similarity = AlignWords(a_words, n_a, b_words, n_b, &of_less);
	/* a part was left out on one side */
	if (Min(n_a, n_b) >= 2 && 0.85 * of_less > similarity)
		similarity = 0.85 * of_less;
	return similarity;
}

/*
 * Without the spaces: words run together or torn apart.  What is below the
 * least that is of interest may come as 0.
 */
static double
SimilarityOfSqueezed(const char *a, int a_length, const char *b, int b_length,
					 double least)
{
	char a_squeezed[COMPARE_MAX];
	char b_squeezed[COMPARE_MAX];
	int16_t left[256] = {0};
	int n_a = Squeeze(a, a_length, a_squeezed);
	int n_b = Squeeze(b, b_length, b_squeezed);
	int longer = Max(n_a, n_b);
	int limit = Min(longer / 4, (int) ((1.0 - least) * longer) + 1);
	int common = 0;
	int distance;

	/* characters that the other has not are edits */
	for (int i = 0; i < n_a; i++)
		left[(unsigned char) a_squeezed[i]]++;
	for (int i = 0; i < n_b; i++)
		common += left[(unsigned char) b_squeezed[i]]-- > 0;
	if (longer - common > limit)
		return 0.0;
	distance = DamerauLevenshtein(a_squeezed, n_a, b_squeezed, n_b, limit);
	return distance <= limit ? 1.0 - (double) distance / longer : 0.0;
}

double
AddressSimilarity(const char *a, int a_length, const char *b, int b_length)
{
	double words;
	double squeezed;

	a_length = Cut(a_length);
	b_length = Cut(b_length);
	if (a_length == b_length && memcmp(a, b, (size_t) a_length) == 0)
		return a_length > 0 ? 1.0 : 0.0;
	words = SimilarityOfWords(a, a_length, b, b_length);
	if (words < 0.0)
		return 0.0;
	if (words > 0.95)
		return words;
	squeezed = SimilarityOfSqueezed(a, a_length, b, b_length, words);
	return squeezed > words ? squeezed : words;
}

static CompareAddressLevel
AddressStep(double similarity)
{
	return similarity >= 0.85 ? ADDRESS_VERY_ALIKE
		: similarity >= 0.65  ? ADDRESS_ALIKE
		: similarity >= 0.4	  ? ADDRESS_IN_COMMON
							  : ADDRESS_DIFFERENT;
}

CompareAddressLevel
CompareAddresses(const char *a, int a_length, const char *b, int b_length)
{
	CompareAddressLevel of_words;
	CompareAddressLevel of_squeezed;
	double words;

	a_length = Cut(a_length);
	b_length = Cut(b_length);
	words = SimilarityOfWords(a, a_length, b, b_length);
	of_words = AddressStep(words);
	if (words < 0.0 || of_words == ADDRESS_VERY_ALIKE)
		return of_words;
	of_squeezed = AddressStep(SimilarityOfSqueezed(
		a, a_length, b, b_length, of_words == ADDRESS_ALIKE ? 0.85 : 0.65));
	return of_squeezed < of_words ? of_squeezed : of_words;
}

int
CommonSuffix(const char *a, int a_length, const char *b, int b_length)
{
	int n = 0;

	while (n < a_length && n < b_length &&
		   a[a_length - 1 - n] == b[b_length - 1 - n])
		n++;
	return n;
}

uint32_t
PhoneticCode(const char *text, int length)
{
	/* groups of Soundex; 0: vowels and h, w, y */
	static const char group[] = "01230120022455012623010202";
	uint32_t code = 0;
	char last = '0';
	int n = 0;

	for (int i = 0; i < length && n < 4; i++)
	{
		char now;

		if (text[i] < 'a' || text[i] > 'z')
			continue;
		now = group[text[i] - 'a'];
		if (text[i] == 'p' && i + 1 < length && text[i + 1] == 'h')
			now = '1';
		if (n == 0 && now == '0')
			code = 7, n = 1; /* begins with a vowel */
		else if (now != '0' && now != last)
		{
			code = code * 8 + (uint32_t) (now - '0');
			n++;
		}
		last = now;
	}
	return n == 0 ? 0 : code + 1;
}
