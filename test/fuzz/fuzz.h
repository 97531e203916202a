/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What the fuzzers share: bytes that become numbers, and a tally of what was
 *	  executed.
 *
 * The first byte of an input says how it goes on after its end: with zeros (0),
 * or with noise grown from that byte.  So a short input is a complete problem
 * too, and a longer one differs from it only where its bytes stand.
 *
 * A fuzzer includes this file once and calls FuzzBegin() and FuzzEnd(), or
 * FuzzTally() alone when bytes are what it judges.  Built for libFuzzer, or with
 * FUZZ_MAIN as a program that reads files.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/hooks.h"
#include "../unit/solver_check.h"

#define FUZZ_MAX_LENGTH 4096
/* Bits that mark the inputs seen; a power of two. */
#define FUZZ_MARKS (UINT64_C(1) << 30)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of the input, and the hooks that it sets. */
typedef struct Input
{
	const uint8_t *data;
	size_t size;
	uint64_t noise; /* 0: zeros follow the input */
	Hooks hooks;
} Input;

/* What was executed by this process. */
static struct
{
	int64_t inputs;
	int64_t answers[SOLVER_INTERRUPTED + 1];
	int64_t plans;
	int64_t exact;
	int64_t parcels;
	uint64_t marked; /* bits of marks that are set */
	uint8_t *marks;
} Tally;

/*
 * Print the tally when the process ends.
 *
 * Distinct inputs are counted by linear probabilistic counting (Whang 1990).
 */
static void
FuzzReport(void)
{
	double free_marks = (double) (FUZZ_MARKS - Tally.marked);
	double distinct =
		(double) FUZZ_MARKS * log((double) FUZZ_MARKS / free_marks);

	fprintf(stderr, "# %lld inputs judged, %.0f of them distinct; answers:",
			(long long) Tally.inputs, distinct);
	for (int i = 0; i <= SOLVER_INTERRUPTED; i++)
		fprintf(stderr, "%s %lld %s", i > 0 ? "," : "",
				(long long) Tally.answers[i],
				solver_status_text((SolverStatus) i));
	fprintf(stderr,
			"; %lld plans of %lld parcels judged feasible, %lld of them "
			"proven optimal\n",
			(long long) Tally.plans, (long long) Tally.parcels,
			(long long) Tally.exact);
}

/*
 * Stop at a finding.
 */
static void
Require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "finding: %s\n", what);
	abort();
}

/*
 * Count an input, and whether it is a new one.
 */
static void
FuzzTally(const uint8_t *data, size_t size)
{
	uint64_t hash = UINT64_C(14695981039346656037);
	uint8_t *mark;

	if (Tally.marks == NULL)
	{
		Tally.marks = calloc(FUZZ_MARKS / 8, 1);
		Require(Tally.marks != NULL, "no memory for the tally");
		(void) atexit(FuzzReport);
	}
	Tally.inputs++;
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ data[i]) * UINT64_C(1099511628211);
	hash = (hash ^ hash >> 32) * UINT64_C(0x9E3779B97F4A7C15);
	hash = hash >> 8 & (FUZZ_MARKS - 1);
	mark = &Tally.marks[hash / 8];
	if ((*mark & (1 << hash % 8)) == 0)
	{
		*mark = (uint8_t) (*mark | (1 << hash % 8));
		Tally.marked++;
	}
}

static inline uint8_t
Byte(Input *input)
{
	if (input->size > 0)
	{
		input->size--;
		return *input->data++;
	}
	if (input->noise == 0)
		return 0;
	input->noise ^= input->noise << 13;
	input->noise ^= input->noise >> 7;
	input->noise ^= input->noise << 17;
	return (uint8_t) (input->noise >> 32);
}

static inline Input
FuzzBegin(const uint8_t *data, size_t size)
{
	Input input = {
		.data = data, .size = size, .hooks = {.fail_at = -1, .stop_at = -1}};

	FuzzTally(data, size);
	input.noise = Byte(&input) * UINT64_C(0x9E3779B97F4A7C15);
	return input;
}

/*
 * Read a number: mostly 0 .. small, sometimes a power of two, an extreme, or
 * 64 bits as they are.  Noise is never extreme.
 */
static inline int64_t
Number(Input *input, int64_t small)
{
	bool noise = input->size == 0;
	uint8_t kind = Byte(input);
	uint64_t wild = 0;

	if (kind < 250 || noise)
		return (int64_t) (((uint64_t) kind * 251 + Byte(input)) %
						  (uint64_t) (small + 1));
	if (kind == 250)
		return INT64_C(1) << (Byte(input) % 63);
	if (kind == 251)
		return INT64_MAX - Byte(input);
	if (kind == 252)
		return INT64_MIN + Byte(input);
	if (kind == 253)
		return -(int64_t) Byte(input);
	for (int i = 0; i < 8; i++)
		wild = wild << 8 | Byte(input);
	/* unsigned to signed without relying on the implementation */
	return kind == 254 ? (int64_t) (wild >> 1) : (int64_t) (wild >> 20);
}

/*
 * Count a plan that was judged; an empty one is none.
 */
static inline void
TallyPlan(const SolverPlan *plan)
{
	Tally.plans += plan->n_parcels > 0;
	Tally.parcels += plan->n_parcels;
	Tally.exact += plan->exact;
}

/*
 * Judge what is left when everything was released, and why it failed.
 */
static inline void
FuzzEnd(const Input *input, SolverStatus status)
{
	Tally.answers[status]++;
	Require(input->hooks.living == 0, "memory leaks");
	Require(status != SOLVER_NO_MEMORY || input->hooks.fail_at >= 0,
			"out of memory without a failure");
	Require(status != SOLVER_INTERRUPTED || input->hooks.stop_at >= 0,
			"interrupted without a reason");
}

#ifdef FUZZ_MAIN
int
main(int argc, char **argv)
{
	static uint8_t data[FUZZ_MAX_LENGTH];

	for (int i = 1; i < argc; i++)
	{
		FILE *file = fopen(argv[i], "rb");
		size_t size;

		if (file == NULL)
		{
			perror(argv[i]);
			return 1;
		}
		size = fread(data, 1, sizeof(data), file);
		(void) fclose(file);
		(void) LLVMFuzzerTestOneInput(data, size);
	}
	return 0;
}
#endif

#endif /* FUZZ_H */
