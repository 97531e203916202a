/*-------------------------------------------------------------------------
 *
 * fuzz_comparators.c
 *	  Any two texts: similarities are symmetric and bounded, edits obey their
 *	  limit, nothing is read beyond the end.
 *
 * The input is cut in two; the first byte says where, and which limit.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "../../src/member/comparators.h"

static void
JudgeDates(const char *a, int n_a, const char *b, int n_b)
{
	CompareDate of_a;
	CompareDate of_b;
	bool both = ReadDate(a, n_a, &of_a);

	both &= ReadDate(b, n_b, &of_b);
	if (both)
		Require(CompareDates(of_a, of_b) == CompareDates(of_b, of_a),
				"dates are not symmetric");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* of their own, so that reading beyond them is seen */
	int limit = size > 0 ? data[0] % 8 : 0;
	int n_a = size > 1 ? (int) (data[0] % size) : 0;
	int n_b = size > 1 ? (int) size - 1 - n_a : 0;
	char *a = malloc((size_t) n_a + (n_a == 0));
	char *b = malloc((size_t) n_b + (n_b == 0));
	double jaro;
	double address;
	int edits;

	FuzzTally(data, size);
	Require(a != NULL && b != NULL, "no memory");
	if (size > 1)
	{
		memcpy(a, data + 1, (size_t) n_a);
		memcpy(b, data + 1 + n_a, (size_t) n_b);
	}
	jaro = JaroWinkler(a, n_a, b, n_b);
	address = AddressSimilarity(a, n_a, b, n_b);
	edits = DamerauLevenshtein(a, n_a, b, n_b, limit);
	Require(jaro >= 0.0 && jaro <= 1.0, "Jaro-Winkler is out of bounds");
	Require(jaro == JaroWinkler(b, n_b, a, n_a),
			"Jaro-Winkler is not symmetric");
	Require(address >= 0.0 && address <= 1.0, "an address is out of bounds");
	Require(address == AddressSimilarity(b, n_b, a, n_a),
			"addresses are not symmetric");
	Require(edits >= 0 && edits <= limit + 1, "edits are out of bounds");
	Require(edits == DamerauLevenshtein(b, n_b, a, n_a, limit),
			"edits are not symmetric");
	JudgeDates(a, n_a, b, n_b);
	(void) PhoneticCode(a, n_a);
	Require(CommonSuffix(a, n_a, b, n_b) <= n_a, "the suffix is too long");
	free(a);
	free(b);
	return 0;
}
