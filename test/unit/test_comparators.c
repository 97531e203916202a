/*-------------------------------------------------------------------------
 *
 * test_comparators.c
 *	  Unit tests of the comparators: published values, brute force, symmetry.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/member/comparators.h"
#include "random.h"

#define CASES 20000

static int
Length(const char *text)
{
	return (int) strlen(text);
}

static void
Near(double found, double expected)
{
	if (fabs(found - expected) > 0.0001)
		fail_msg("%.5f instead of %.5f", found, expected);
}

static double
JaroOf(const char *a, const char *b)
{
	return Jaro(a, Length(a), b, Length(b));
}

static double
WinklerOf(const char *a, const char *b)
{
	return JaroWinkler(a, Length(a), b, Length(b));
}

static int
Edits(const char *a, const char *b, int limit)
{
	return DamerauLevenshtein(a, Length(a), b, Length(b), limit);
}

static double
Addresses(const char *a, const char *b)
{
	return AddressSimilarity(a, Length(a), b, Length(b));
}

static int
DateLevel(const char *a, const char *b)
{
	CompareDate of_a;
	CompareDate of_b;

	assert_true(ReadDate(a, Length(a), &of_a));
	assert_true(ReadDate(b, Length(b), &of_b));
	assert_int_equal(CompareDates(of_a, of_b), CompareDates(of_b, of_a));
	return CompareDates(of_a, of_b);
}

/* Winkler 1990 and 2006, tables of examples. */
static void
jaro_winkler_has_the_published_values(void **state)
{
	(void) state;
	Near(JaroOf("martha", "marhta"), 0.9444);
	Near(JaroOf("dwayne", "duane"), 0.8222);
	Near(JaroOf("dixon", "dicksonx"), 0.7667);
	Near(WinklerOf("martha", "marhta"), 0.9611);
	Near(WinklerOf("dwayne", "duane"), 0.8400);
	Near(WinklerOf("dixon", "dicksonx"), 0.8133);
	Near(WinklerOf("jones", "johnson"), 0.8324);
	Near(WinklerOf("michelle", "michael"), 0.9214);
	Near(WinklerOf("hardin", "martinez"), 0.7222);
	Near(WinklerOf("shackleford", "shackelford"), 0.9818);
	Near(WinklerOf("same", "same"), 1.0);
	Near(WinklerOf("abc", "xyz"), 0.0);
	Near(WinklerOf("", "abc"), 0.0);
	Near(WinklerOf("", ""), 0.0);
}

static void
edits_are_counted_to_the_limit(void **state)
{
	(void) state;
	assert_int_equal(Edits("kitten", "sitting", 5), 3);
	assert_int_equal(Edits("ca", "abc", 5), 3); /* no byte twice */
	assert_int_equal(Edits("marhta", "martha", 5), 1);
	assert_int_equal(Edits("13912345678", "13912354678", 1), 1);
	assert_int_equal(Edits("abcdef", "ghijkl", 2), 3);
	assert_int_equal(Edits("", "abc", 2), 3);
	assert_int_equal(Edits("", "ab", 2), 2);
	assert_int_equal(Edits("", "", 0), 0);
	assert_int_equal(Edits("a", "b", 0), 1);
}

/* Beyond the 64 characters that are compared by bits. */
#define LONGEST 80

static int
SlowEdits(const char *a, int n_a, const char *b, int n_b)
{
	static int d[LONGEST + 1][LONGEST + 1];

	for (int i = 0; i <= n_a; i++)
		for (int j = 0; j <= n_b; j++)
		{
			int best = i == 0 ? j : j == 0 ? i : 99;

			if (i > 0 && j > 0)
			{
				best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
				best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
				best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
			}
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
				a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[n_a][n_b];
}

static int
RandomText(char *text, int most, const char *letters)
{
	int n = (int) Random(0, most);

	for (int i = 0; i < n; i++)
		text[i] = letters[Random(0, (int64_t) strlen(letters) - 1)];
	return n;
}

static void
edits_are_those_of_the_whole_table(void **state)
{
	char a[16];
	char b[16];

	(void) state;
	SeedRandom(1);
	for (int i = 0; i < CASES; i++)
	{
		int n_a = RandomText(a, 9, "abc");
		int n_b = RandomText(b, 9, "abc");
		int limit = (int) Random(0, 6);
		int slow = SlowEdits(a, n_a, b, n_b);

		assert_int_equal(DamerauLevenshtein(a, n_a, b, n_b, limit),
						 slow > limit ? limit + 1 : slow);
	}
}

/*
 * Another text with some edits.
 */
static int
Edited(const char *text, int n, char *edited, int edits, const char *letters)
{
	memcpy(edited, text, (size_t) n);
	for (int i = 0; i < edits && n > 1; i++)
	{
		int at = (int) Random(0, n - 2);
		char swap = edited[at];

		switch (Random(0, 2))
		{
			case 0:
				edited[at] = letters[Random(0, (int64_t) strlen(letters) - 1)];
				break;
			case 1:
				edited[at] = edited[at + 1];
				edited[at + 1] = swap;
				break;
			default:
				memmove(edited + at, edited + at + 1, (size_t) (n - at - 1));
				n--;
				break;
		}
	}
	return n;
}

static void
edits_of_long_texts_are_those_of_the_whole_table(void **state)
{
	char a[LONGEST];
	char b[LONGEST];
	int within = 0;

	(void) state;
	SeedRandom(3);
	for (int i = 0; i < 4000; i++)
	{
		int n_a = RandomText(a, LONGEST, "abcdef");
		int n_b = Edited(a, n_a, b, (int) Random(0, 6), "abcdef");
		int limit = (int) Random(0, 6);
		int slow = SlowEdits(a, n_a, b, n_b);

		within += slow <= limit;
		assert_int_equal(DamerauLevenshtein(a, n_a, b, n_b, limit),
						 slow > limit ? limit + 1 : slow);
	}
	assert_true(within > 500 && within < 3500);
}

static double
SlowJaro(const char *a, int n_a, const char *b, int n_b)
{
	bool used_a[LONGEST] = {false};
	bool used_b[LONGEST] = {false};
	int window = (n_a > n_b ? n_a : n_b) / 2 - 1;
	int common = 0;
	int moved = 0;

	if (window < 0)
		window = 0;
	for (int i = 0; i < n_a; i++)
		for (int j = 0; j < n_b; j++)
			if (!used_b[j] && a[i] == b[j] && j - i <= window &&
				i - j <= window)
			{
				used_a[i] = used_b[j] = true;
				common++;
				break;
			}
	if (common == 0)
		return 0.0;
	for (int i = 0, j = 0; i < n_a; i++)
	{
		if (!used_a[i])
			continue;
		while (!used_b[j])
			j++;
		moved += a[i] != b[j++];
	}
	return ((double) common / n_a + (double) common / n_b +
			(common - moved / 2) / (double) common) /
		3.0;
}

static void
jaro_is_that_of_the_definition(void **state)
{
	char a[LONGEST];
	char b[LONGEST];

	(void) state;
	SeedRandom(4);
	for (int i = 0; i < CASES; i++)
	{
		int most = i % 2 ? 12 : LONGEST;
		int n_a = RandomText(a, most, "abcde");
		int n_b = RandomText(b, most, "abcde");
		bool first = n_a != n_b ? n_a < n_b : memcmp(a, b, (size_t) n_a) <= 0;

		if (n_a == 0 || n_b == 0)
			continue;
		Near(Jaro(a, n_a, b, n_b),
			 first ? SlowJaro(a, n_a, b, n_b) : SlowJaro(b, n_b, a, n_a));
	}
}

static void
steps_of_addresses_are_those_of_their_similarity(void **state)
{
	char a[48];
	char b[48];
	int seen[ADDRESS_DIFFERENT + 1] = {0};

	(void) state;
	SeedRandom(5);
	for (int i = 0; i < CASES; i++)
	{
		int n_a = RandomText(a, 48, "abcdefghi 12 ");
		int n_b = Edited(a, n_a, b, (int) Random(0, 14), "abcdefghi 12 ");
		double similarity = AddressSimilarity(a, n_a, b, n_b);
		int step = similarity >= 0.85 ? ADDRESS_VERY_ALIKE
			: similarity >= 0.65	  ? ADDRESS_ALIKE
			: similarity >= 0.4		  ? ADDRESS_IN_COMMON
									  : ADDRESS_DIFFERENT;

		if (n_a == n_b && memcmp(a, b, (size_t) n_a) == 0)
			continue;
		assert_int_equal(CompareAddresses(a, n_a, b, n_b), step);
		seen[step]++;
	}
	for (int step = ADDRESS_VERY_ALIKE; step <= ADDRESS_DIFFERENT; step++)
		assert_true(seen[step] > 0);
}

static void
similarities_are_symmetric_and_bounded(void **state)
{
	char a[32];
	char b[32];

	(void) state;
	SeedRandom(2);
	for (int i = 0; i < CASES; i++)
	{
		int n_a = RandomText(a, 24, "abcd 12");
		int n_b = RandomText(b, 24, "abcd 12");
		double jaro = JaroWinkler(a, n_a, b, n_b);
		double address = AddressSimilarity(a, n_a, b, n_b);

		assert_true(jaro >= 0.0 && jaro <= 1.0);
		assert_true(address >= 0.0 && address <= 1.0);
		assert_true(jaro == JaroWinkler(b, n_b, a, n_a));
		assert_true(address == AddressSimilarity(b, n_b, a, n_a));
	}
}

static void
dates_are_compared_by_what_people_get_wrong(void **state)
{
	(void) state;
	assert_int_equal(DateLevel("1980-01-15", "19800115"), DATE_EQUAL);
	assert_int_equal(DateLevel("1980-03-04", "1980-04-03"), DATE_TYPO);
	assert_int_equal(DateLevel("1980-01-15", "1980-01-16"), DATE_TYPO);
	assert_int_equal(DateLevel("1980-01-15", "1908-01-15"), DATE_TYPO);
	assert_int_equal(DateLevel("1980-01", "1980-01-15"), DATE_PARTIAL);
	assert_int_equal(DateLevel("1980", "1980-01-15"), DATE_PARTIAL);
	assert_int_equal(DateLevel("1980", "1981-01-15"), DATE_DIFFERENT);
	assert_int_equal(DateLevel("1980-02", "1980-01-15"), DATE_SAME_YEAR);
	assert_int_equal(DateLevel("1943-06-16", "1939-06-16"), DATE_TWO_PARTS);
	assert_int_equal(DateLevel("1943-06-16", "1944-06-17"), DATE_NEAR);
	assert_int_equal(DateLevel("1943-06-16", "1943-12-27"), DATE_SAME_YEAR);
	assert_int_equal(DateLevel("1943-06-16", "1987-12-29"), DATE_DIFFERENT);
}

static void
impossible_dates_are_none(void **state)
{
	static const char *const bad[] = {"",			"1980-13-01", "1980-01-32",
									  "0000-01-01", "80-01-01",	  "1980-1-1",
									  "1980-02-30", "abcd",		  "198001011"};
	CompareDate date;

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		assert_false(ReadDate(bad[i], Length(bad[i]), &date));
		assert_int_equal(date.year, 0);
	}
	assert_true(ReadDate("2000-02-29", 10, &date));
}

static void
addresses_are_aligned_by_words(void **state)
{
	(void) state;
	Near(Addresses("56 carr crescent", "56 carr crescent"), 1.0);
	Near(Addresses("56 carr crescent", "crescent carr 56"), 1.0);
	assert_true(Addresses("37 castley circuit", "37 castley xircuit") > 0.85);
	assert_true(Addresses("7 shoalhaven avenue druids oak",
						  "7 shoalhaven avenue druidsoak") > 0.85);
	assert_true(Addresses("8 park road", "8 park road flat 3") > 0.8);
	assert_true(Addresses("8 park road", "19 station lane") < 0.3);
	assert_true(Addresses("8 park road", "9 park road") <
				Addresses("8 park road", "8 park road"));
	Near(Addresses("", "8 park road"), 0.0);
}

static void
names_that_sound_alike_have_one_code(void **state)
{
	(void) state;
	assert_int_equal(PhoneticCode("philip", 6), PhoneticCode("filip", 5));
	assert_int_equal(PhoneticCode("meyer", 5), PhoneticCode("meier", 5));
	assert_int_equal(PhoneticCode("catherine", 9),
					 PhoneticCode("katherine", 9));
	assert_int_not_equal(PhoneticCode("smith", 5), PhoneticCode("jones", 5));
	assert_int_equal(PhoneticCode("123", 3), 0);
	assert_int_equal(PhoneticCode("", 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jaro_winkler_has_the_published_values),
		cmocka_unit_test(edits_are_counted_to_the_limit),
		cmocka_unit_test(edits_are_those_of_the_whole_table),
		cmocka_unit_test(edits_of_long_texts_are_those_of_the_whole_table),
		cmocka_unit_test(jaro_is_that_of_the_definition),
		cmocka_unit_test(steps_of_addresses_are_those_of_their_similarity),
		cmocka_unit_test(similarities_are_symmetric_and_bounded),
		cmocka_unit_test(dates_are_compared_by_what_people_get_wrong),
		cmocka_unit_test(impossible_dates_are_none),
		cmocka_unit_test(addresses_are_aligned_by_words),
		cmocka_unit_test(names_that_sound_alike_have_one_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
