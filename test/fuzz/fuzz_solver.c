/*-------------------------------------------------------------------------
 *
 * fuzz_solver.c
 *	  Any bytes make a problem; every answer of the allocation solver to it is
 *	  judged (see ../unit/solver_check.h).
 *
 * Built for libFuzzer, or with FUZZ_MAIN as a program that reads files.
 *
 * Most numbers are small, so that problems are feasible; some are as wild as
 * the bytes say.  The hooks fail or interrupt when the bytes say so, too.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/solver_check.h"

#define MAX_LINES 16
#define MAX_NODES 12
#define MAX_TARIFFS 4
#define MAX_BRACKETS 3
#define MAX_SERVICES 3

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of the input, and what the hooks have seen. */
typedef struct Input
{
	const uint8_t *data;
	size_t size;
	int allocations;
	int fail_at;
	int questions;
	int stop_at;
	int living;
} Input;

static uint8_t
Byte(Input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

/*
 * Read a number: mostly 0 .. small, sometimes 64 bits as they are, a power of
 * two, or an extreme.
 */
static int64_t
Number(Input *input, int64_t small)
{
	uint8_t kind = Byte(input);
	uint64_t wild = 0;

	if (kind < 250)
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

static void *
FuzzAlloc(void *context, size_t size)
{
	Input *input = context;
	void *pointer;

	if (input->allocations++ == input->fail_at)
		return NULL;
	pointer = malloc(size);
	if (pointer != NULL)
		memset(pointer, 0xA5, size);
	input->living += pointer != NULL;
	return pointer;
}

static void
FuzzRelease(void *context, void *pointer)
{
	((Input *) context)->living--;
	free(pointer);
}

static bool
FuzzInterrupted(void *context)
{
	Input *input = context;

	return input->questions++ == input->stop_at;
}

/*
 * Stop at a finding.
 */
static void
Expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_solver: %s\n", what);
	abort();
}

/*
 * Judge an answer.
 */
static void
JudgeAnswer(const SolverProblem *problem, Input *input, SolverStatus status,
			SolverPlan *plan)
{
	if (status == SOLVER_OK)
	{
		const char *wrong = JudgePlan(problem, plan);
		bool split = false;

		Expect(wrong == NULL, wrong);
		for (int i = 0; i < problem->n_lines; i++)
			split |= !JudgeWhole(problem, i);
		if (problem->n_lines <= SOLVER_EXACT_LINES && !split &&
			!problem->allow_line_split)
			Expect(plan->exact, "a small order is not solved exactly");
		Expect(input->living == 2, "memory is left over");
		solver_free_plan(problem, plan);
	}
	else
	{
		Expect(plan->parcels == NULL && plan->pieces == NULL &&
				   plan->n_parcels == 0 && plan->n_pieces == 0 &&
				   plan->cost == 0 && !plan->exact,
			   "a failed plan is not empty");
		Expect((plan->short_line >= 0) ==
				   (status == SOLVER_NO_STOCK || status == SOLVER_NO_SERVICE),
			   "short_line does not fit the status");
	}
	Expect(input->living == 0, "memory leaks");
	if (status == SOLVER_NO_MEMORY)
		Expect(input->fail_at >= 0, "out of memory without a failure");
	if (status == SOLVER_INTERRUPTED)
		Expect(input->stop_at >= 0, "interrupted without a reason");
}

/*
 * Decode the tariffs.
 */
static void
DecodeTariffs(Input *input, SolverTariff *tariffs,
			  SolverBracket brackets[][MAX_BRACKETS])
{
	for (int i = 0; i < MAX_TARIFFS; i++)
	{
		int64_t up_to = 0;

		tariffs[i].brackets = brackets[i];
		tariffs[i].n_brackets = 1 + Byte(input) % MAX_BRACKETS;
		tariffs[i].volumetric_divisor =
			(Byte(input) % 2 ? Number(input, 8000) : 0);
		for (int j = 0; j < tariffs[i].n_brackets; j++)
		{
			int64_t step = Number(input, 5000);

			if (step < 0 || step > INT64_MAX - up_to)
				step = INT64_MAX - up_to;
			up_to += step;
			brackets[i][j].up_to_g = up_to;
			brackets[i][j].base = Number(input, 2000);
			brackets[i][j].over_g = Number(input, 2000);
			brackets[i][j].step_g = Number(input, 1000);
			brackets[i][j].step_price = Number(input, 500);
		}
	}
}

/*
 * Decode the nodes.
 */
static void
DecodeNodes(Input *input, int n_nodes, SolverNode *nodes,
			SolverService services[][MAX_SERVICES])
{
	for (int i = 0; i < n_nodes; i++)
	{
		uint8_t capacity = Byte(input);

		nodes[i].services = services[i];
		nodes[i].n_services = 1 + Byte(input) % MAX_SERVICES;
		nodes[i].per_parcel = Number(input, 500);
		nodes[i].per_unit = Number(input, 50);
		nodes[i].preferred = Byte(input) % 2;
		nodes[i].max_parcels = (capacity < 128 ? INT32_MAX : capacity % 4);
		for (int j = 0; j < MAX_SERVICES; j++)
		{
			uint8_t classes = Byte(input);

			services[i][j].tariff = Byte(input) % MAX_TARIFFS;
			services[i][j].lateness = Number(input, 500);
			services[i][j].temperature = (classes < 128 ? 7 : classes % 8);
		}
	}
}

/*
 * Decode one problem, solve it, judge the answer.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input input = {.data = data, .size = size, .fail_at = -1, .stop_at = -1};
	SolverLine lines[MAX_LINES] = {0};
	SolverNode nodes[MAX_NODES] = {0};
	SolverService services[MAX_NODES][MAX_SERVICES] = {0};
	SolverTariff tariffs[MAX_TARIFFS] = {0};
	SolverBracket brackets[MAX_TARIFFS][MAX_BRACKETS] = {0};
	int64_t available[MAX_LINES * MAX_NODES];
	int64_t stock_value[MAX_LINES * MAX_NODES];
	SolverProblem problem = {.n_tariffs = MAX_TARIFFS,
							 .lines = lines,
							 .nodes = nodes,
							 .tariffs = tariffs,
							 .available = available,
							 .alloc = FuzzAlloc,
							 .release = FuzzRelease,
							 .interrupted = FuzzInterrupted,
							 .context = &input};
	SolverPlan plan;
	SolverStatus status;
	uint8_t flags = Byte(&input);

	problem.n_lines = 1 + Byte(&input) % (flags & 16 ? MAX_LINES : 6);
	problem.n_nodes = 1 + Byte(&input) % MAX_NODES;
	problem.allow_line_split = flags & 1;
	problem.stock_value = (flags & 2 ? stock_value : NULL);
	problem.max_parcels = (flags & 4 ? Byte(&input) % 6 : 0);
	if ((flags & 0x28) == 0x28)
		input.fail_at = Byte(&input) % 64;
	if ((flags & 0x48) == 0x48)
		input.stop_at = Byte(&input) % 64;
	problem.split_penalty = Number(&input, 500);
	DecodeTariffs(&input, tariffs, brackets);
	for (int i = 0; i < problem.n_lines; i++)
	{
		uint8_t class = Byte(&input);

		lines[i].quantity = 1 + Byte(&input) % 4;
		if (class == 255)
			lines[i].quantity = Number(&input, 3000);
		lines[i].unit_weight_g = Number(&input, 1500);
		lines[i].unit_volume_cm3 = Number(&input, 5000);
		lines[i].temperature = (class < 160 ? 0 : UINT32_C(1) << class % 3);
	}
	DecodeNodes(&input, problem.n_nodes, nodes, services);
	for (int i = 0; i < problem.n_lines * problem.n_nodes; i++)
	{
		uint8_t stock = Byte(&input);

		available[i] = stock % 8;
		if (stock > 250)
			available[i] = Number(&input, 3000);
		stock_value[i] = (flags & 128 ? (int8_t) Byte(&input) : 0);
		if (stock == 250)
			stock_value[i] = Number(&input, 100);
	}

	status = solver_solve(&problem, &plan);
	JudgeAnswer(&problem, &input, status, &plan);
	return 0;
}

#ifdef FUZZ_MAIN
int
main(int argc, char **argv)
{
	static uint8_t data[65536];

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
		fclose(file);
		(void) LLVMFuzzerTestOneInput(data, size);
	}
	printf("%d inputs judged\n", argc - 1);
	return 0;
}
#endif
