/*-------------------------------------------------------------------------
 *
 * random.h
 *	  The same random numbers on every machine (xorshift), for instances of
 *	  tests and benchmarks.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

/* Set it to anything but 0. */
static uint64_t random_state;

/*
 * Draw a number from low to high.
 */
static inline int64_t
Random(int64_t low, int64_t high)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return low + (int64_t) ((random_state >> 11) % (uint64_t) (high - low + 1));
}

/*
 * Start from a small number: neighbours give unlike numbers.
 */
static inline void
SeedRandom(uint64_t seed)
{
	random_state = seed * UINT64_C(0x9E3779B97F4A7C15);
	if (random_state == 0)
		random_state = 1;
}

#endif /* RANDOM_H */
