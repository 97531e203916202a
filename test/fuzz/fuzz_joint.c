/*-------------------------------------------------------------------------
 *
 * fuzz_joint.c
 *	  Any bytes make a batch of orders; what the joint allocation answers is
 *	  judged: every plan by ../unit/solver_check.h, and all of them together.
 *
 * Built for libFuzzer, or with FUZZ_MAIN as a program that reads files.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/allocation/joint.h"
#include "../unit/solver_check.h"

#define MAX_ORDERS 10
#define MAX_LINES 3
#define MAX_NODES 5
#define MAX_SKUS 4

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct FuzzOrder
{
	SolverProblem problem;
	SolverLine lines[MAX_LINES];
	SolverNode nodes[MAX_NODES];
	SolverService services[MAX_NODES];
	int64_t available[MAX_LINES * MAX_NODES];
	int64_t stock_value[MAX_LINES * MAX_NODES];
	int64_t skus[MAX_LINES];
	int64_t keys[MAX_NODES];
} FuzzOrder;

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
 * Read a number: mostly 0 .. 255, sometimes an extreme.
 */
static int64_t
Number(Input *input)
{
	uint8_t kind = Byte(input);

	if (kind == 255)
		return INT64_MAX - Byte(input);
	if (kind == 254)
		return INT64_C(1) << (Byte(input) % 63);
	if (kind == 253)
		return -(int64_t) Byte(input);
	return kind;
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
Require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "finding: %s\n", what);
	abort();
}

/*
 * Check that what is taken of a SKU at a node, or sent from it (sku -1), can
 * be taken by those with the greatest safety stock first.
 */
static void
JudgeShared(const FuzzOrder *orders, int n, const JointResult *result, int sku,
			int node)
{
	int64_t used[MAX_ORDERS] = {0};
	int64_t limit[MAX_ORDERS] = {0};

	for (int i = 0; i < n; i++)
	{
		const SolverPlan *plan = &result->answers[i].plan;

		for (int j = 0; j < plan->n_parcels && sku < 0; j++)
		{
			used[i] += plan->parcels[j].node == node;
			limit[i] = orders[i].nodes[node].max_parcels;
		}
		for (int j = 0; j < plan->n_pieces && sku >= 0; j++)
		{
			const SolverPiece *piece = &plan->pieces[j];

			if (orders[i].skus[piece->line] != sku ||
				plan->parcels[piece->parcel].node != node)
				continue;
			used[i] += piece->quantity;
			limit[i] =
				orders[i]
					.available[piece->line * orders[i].problem.n_nodes + node];
		}
	}
	for (int i = 0; i < n; i++)
	{
		int64_t sum = 0;

		for (int j = 0; j < n; j++)
			sum += limit[j] <= limit[i] ? used[j] : 0;
		Require(used[i] == 0 || sum <= limit[i], "more is taken than there is");
	}
}

/*
 * Judge the answer to a batch.
 */
static void
JudgeResult(const FuzzOrder *orders, int n, const JointResult *result)
{
	int64_t cost = 0;
	int served = 0;

	for (int i = 0; i < n; i++)
	{
		const JointAnswer *answer = &result->answers[i];
		const char *wrong;

		if (answer->status != SOLVER_OK)
		{
			Require(answer->plan.n_parcels == 0, "a plan without success");
			continue;
		}
		wrong = JudgePlan(&orders[i].problem, &answer->plan);
		Require(wrong == NULL, wrong);
		cost += answer->plan.cost;
		served++;
	}
	Require(cost == result->cost && served == result->n_served,
			"the sum is wrong");
	Require(result->lower_bound <= result->cost, "the bound is above the cost");
	Require(result->cost <= result->first_come_cost,
			"worse than first come, first served");
	for (int node = 0; node < MAX_NODES; node++)
		for (int sku = -1; sku < MAX_SKUS; sku++)
			JudgeShared(orders, n, result, sku, node);
}

/*
 * Read one order over the stock of all; safety stock differs.
 */
static void
DecodeOrder(Input *input, FuzzOrder *order, uint8_t stock[][MAX_NODES],
			const int *capacity)
{
	uint8_t shape = Byte(input);
	uint8_t safety = Byte(input);

	order->problem.n_lines = 1 + shape % MAX_LINES;
	order->problem.allow_line_split = shape & 128;
	order->problem.split_penalty = Byte(input);
	for (int i = 0; i < order->problem.n_lines; i++)
	{
		order->skus[i] = (shape / 4 + i) % MAX_SKUS;
		order->lines[i].quantity = 1 + Byte(input) % 3;
		order->lines[i].unit_weight_g = Number(input);
	}
	for (int k = 0; k < order->problem.n_nodes; k++)
	{
		order->services[k].lateness = Number(input);
		order->nodes[k] = (SolverNode){.services = &order->services[k],
									   .n_services = 1,
									   .max_parcels = capacity[k]};
		order->keys[k] = 7 * k;
		for (int i = 0; i < order->problem.n_lines; i++)
		{
			int left =
				stock[order->skus[i]][k] - (safety > 200 ? safety % 4 : 0);
			int at = i * order->problem.n_nodes + k;

			order->available[at] = left > 0 ? left : 0;
			order->stock_value[at] = shape & 64 ? (int8_t) Byte(input) : 0;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input input = {.data = data, .size = size, .fail_at = -1, .stop_at = -1};
	static FuzzOrder orders[MAX_ORDERS];
	JointOrder joint[MAX_ORDERS];
	SolverBracket brackets[MAX_NODES];
	SolverTariff tariffs[MAX_NODES];
	uint8_t stock[MAX_SKUS][MAX_NODES];
	int capacity[MAX_NODES];
	JointProblem problem = {.orders = joint,
							.alloc = FuzzAlloc,
							.release = FuzzRelease,
							.interrupted = FuzzInterrupted,
							.context = &input};
	JointResult result;
	SolverStatus status;
	uint8_t flags = Byte(&input);
	int n_nodes = 1 + Byte(&input) % MAX_NODES;

	memset(orders, 0, sizeof(orders));
	problem.n_orders = Byte(&input) % (MAX_ORDERS + 1);
	problem.max_solves = flags & 4 ? Byte(&input) : 0;
	if ((flags & 3) == 1)
		input.fail_at = Byte(&input);
	if ((flags & 3) == 2)
		input.stop_at = Byte(&input);
	for (int k = 0; k < n_nodes; k++)
	{
		uint8_t limit = Byte(&input);

		capacity[k] = limit < 64 ? limit % 8 : INT32_MAX;
		brackets[k] = (SolverBracket){.up_to_g = INT64_MAX,
									  .base = Number(&input),
									  .step_g = 100,
									  .step_price = Byte(&input)};
		tariffs[k] = (SolverTariff){.brackets = &brackets[k], .n_brackets = 1};
		for (int i = 0; i < MAX_SKUS; i++)
			stock[i][k] = Byte(&input) % 6;
	}
	for (int i = 0; i < problem.n_orders; i++)
	{
		FuzzOrder *order = &orders[i];

		order->problem = (SolverProblem){.n_nodes = n_nodes,
										 .n_tariffs = n_nodes,
										 .lines = order->lines,
										 .nodes = order->nodes,
										 .tariffs = tariffs,
										 .available = order->available,
										 .stock_value = order->stock_value,
										 .alloc = FuzzAlloc,
										 .release = FuzzRelease,
										 .interrupted = FuzzInterrupted,
										 .context = &input};
		DecodeOrder(&input, order, stock, capacity);
		for (int k = 0; k < n_nodes; k++)
			order->services[k].tariff = k;
		joint[i] = (JointOrder){.problem = &order->problem,
								.skus = order->skus,
								.nodes = order->keys,
								.rank = Byte(&input) % 3};
	}

	status = joint_solve(&problem, &result);
	if (status == SOLVER_OK)
		JudgeResult(orders, problem.n_orders, &result);
	else
	{
		Require(result.answers == NULL, "answers without success");
		Require(status != SOLVER_NO_MEMORY || input.fail_at >= 0, "no memory");
		Require(status != SOLVER_INTERRUPTED || input.stop_at >= 0,
				"interrupted");
	}
	joint_free_result(&problem, &result);
	Require(input.living == 0, "memory is left");
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
