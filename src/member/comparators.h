/*-------------------------------------------------------------------------
 *
 * comparators.h
 *	  How alike two folded texts, dates, addresses or numbers are.
 *
 * Pure functions of bytes with their lengths; no allocation, no zero byte
 * needed at the end.  Texts longer than COMPARE_MAX bytes are compared by
 * their first COMPARE_MAX bytes.  All are symmetric; the similarity of equal
 * texts is 1, that of an empty and another text is 0.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_COMPARATORS_H
#define PG_RETAIL_COMPARATORS_H

#include <stdbool.h>
#include <stdint.h>

#define COMPARE_MAX 255

/*
 * Jaro's similarity (JASA 1989), and with Winkler's bonus of 0.1 for each of
 * up to four equal leading bytes (1990), as in most published tables without
 * a lower bound for the bonus.
 */
extern double Jaro(const char *a, int a_length, const char *b, int b_length);
extern double
JaroWinkler(const char *a, int a_length, const char *b, int b_length);

/*
 * Insertions, deletions, substitutions and transpositions of neighbours that
 * turn a into b, no byte edited twice (optimal string alignment, Damerau 1964
 * as computed by Wagner & Fischer); limit + 1 when there are more than limit.
 */
extern int DamerauLevenshtein(const char *a, int a_length, const char *b,
							  int b_length, int limit);

/* A date that may be partial; year 0: no date at all. */
typedef struct CompareDate
{
	int16_t year;
	int8_t month; /* 0: not known */
	int8_t day;	  /* 0: not known */
} CompareDate;

typedef enum CompareDateLevel
{
	DATE_EQUAL = 1, /* both complete */
	DATE_TYPO,		/* one digit, two neighbouring digits, day and month */
	DATE_PARTIAL,	/* what both know agrees, but one is partial */
	DATE_TWO_PARTS, /* two of year, month and day */
	DATE_NEAR,		/* two typos */
	DATE_SAME_YEAR, /* not more than the year */
	DATE_DIFFERENT
} CompareDateLevel;

/* Read yyyy-mm-dd, yyyy-mm, yyyy or the same digits without dashes. */
extern bool ReadDate(const char *text, int length, CompareDate *date);
extern CompareDateLevel CompareDates(CompareDate a, CompareDate b);

/*
 * Similarity of addresses: words are aligned whatever their order, with typos;
 * numbers count only when they are equal; words run together are seen.
 */
extern double
AddressSimilarity(const char *a, int a_length, const char *b, int b_length);

/* The same as a step, of two that are not equal; faster. */
typedef enum CompareAddressLevel
{
	ADDRESS_VERY_ALIKE = 2,
	ADDRESS_ALIKE,
	ADDRESS_IN_COMMON,
	ADDRESS_DIFFERENT
} CompareAddressLevel;

extern CompareAddressLevel
CompareAddresses(const char *a, int a_length, const char *b, int b_length);

/* Bytes that both have at their end. */
extern int
CommonSuffix(const char *a, int a_length, const char *b, int b_length);

/*
 * Phonetic code of a folded Latin word: Soundex with the first letter coded
 * like the others and vowels kept apart, so that "philip" and "filip" agree;
 * 0 for no letters.
 */
extern uint32_t PhoneticCode(const char *text, int length);

#endif /* PG_RETAIL_COMPARATORS_H */
