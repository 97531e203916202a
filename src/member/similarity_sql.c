/*-------------------------------------------------------------------------
 *
 * similarity_sql.c
 *	  SQL face of the comparators: how alike two texts are once they are folded.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "retail.h"

#include "utils/builtins.h"

#include "member/comparators.h"
#include "member/normalise_sql.h"

/* Folds an argument of the function; returns the length. */
static int
FoldArgument(FunctionCallInfo fcinfo, int n, bool address,
			 char out[NORMALISE_TEXT_SIZE])
{
	RetailText argument = RetailTextArgument(fcinfo, n);
	Normaliser *normaliser = RetailNormaliser();

	return (address
				? NormaliseAddress(normaliser, argument.text, argument.length,
								   out, NORMALISE_TEXT_SIZE)
				: NormaliseText(normaliser, argument.text, argument.length, out,
								NORMALISE_TEXT_SIZE))
		.length;
}

PG_FUNCTION_INFO_V1(retail_jaro_winkler);
Datum
retail_jaro_winkler(PG_FUNCTION_ARGS)
{
	char a[NORMALISE_TEXT_SIZE];
	char b[NORMALISE_TEXT_SIZE];
	int a_length = FoldArgument(fcinfo, 0, false, a);
	int b_length = FoldArgument(fcinfo, 1, false, b);

	PG_RETURN_FLOAT8(JaroWinkler(a, a_length, b, b_length));
}

PG_FUNCTION_INFO_V1(retail_damerau_levenshtein);
Datum
retail_damerau_levenshtein(PG_FUNCTION_ARGS)
{
	char a[NORMALISE_TEXT_SIZE];
	char b[NORMALISE_TEXT_SIZE];
	int a_length = FoldArgument(fcinfo, 0, false, a);
	int b_length = FoldArgument(fcinfo, 1, false, b);

	PG_RETURN_INT32(DamerauLevenshtein(a, a_length, b, b_length, COMPARE_MAX));
}

PG_FUNCTION_INFO_V1(retail_address_similarity);
Datum
retail_address_similarity(PG_FUNCTION_ARGS)
{
	char a[NORMALISE_TEXT_SIZE];
	char b[NORMALISE_TEXT_SIZE];
	int a_length = FoldArgument(fcinfo, 0, true, a);
	int b_length = FoldArgument(fcinfo, 1, true, b);

	PG_RETURN_FLOAT8(AddressSimilarity(a, a_length, b, b_length));
}

/* Jaro-Winkler of two parts of names. */
static double
PartSimilarity(const char *a, const char *b)
{
	return JaroWinkler(a, (int) strlen(a), b, (int) strlen(b));
}

/*
 * Surname with surname and given name with given name, or crosswise where that
 * is likelier; a name of one part is compared with the whole other one.
 */
PG_FUNCTION_INFO_V1(retail_name_similarity);
Datum
retail_name_similarity(PG_FUNCTION_ARGS)
{
	NormalName a;
	NormalName b;
	uint32 a_flags = NormaliseName(
		RetailNormaliser(), RetailStringArgument(fcinfo, 0), NULL, NULL, &a);
	uint32 b_flags = NormaliseName(
		RetailNormaliser(), RetailStringArgument(fcinfo, 1), NULL, NULL, &b);
	double straight;
	double crossed;

	if ((a_flags | b_flags) & NORMALISE_EMPTY)
		PG_RETURN_NULL();
	if (a.surname[0] == '\0' || a.given[0] == '\0' || b.surname[0] == '\0' ||
		b.given[0] == '\0')
		PG_RETURN_FLOAT8(PartSimilarity(psprintf("%s%s", a.surname, a.given),
										psprintf("%s%s", b.surname, b.given)));
	straight = (PartSimilarity(a.surname, b.surname) +
				PartSimilarity(a.given, b.given)) /
		2;
	crossed = (PartSimilarity(a.surname, b.given) +
			   PartSimilarity(a.given, b.surname)) /
		2;
	PG_RETURN_FLOAT8(Max(straight, crossed));
}
