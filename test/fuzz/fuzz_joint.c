/*-------------------------------------------------------------------------
 *
 * fuzz_joint.c
 *	  Any bytes make a batch of orders; what the joint allocation answers is
 *	  judged: every plan by ../unit/solver_check.h, and all of them together.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "../unit/joint_check.h"
#include "fuzz.h"

#define MAX_ORDERS 10
#define MAX_LINES 3
#define MAX_NODES 5
#define MAX_SKUS 4

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

/* What the orders share. */
typedef struct FuzzNodes
{
	int n;
	SolverBracket brackets[MAX_NODES];
	SolverTariff tariffs[MAX_NODES];
	uint8_t stock[MAX_SKUS][MAX_NODES];
	int capacity[MAX_NODES];
} FuzzNodes;

/*
 * Judge the answer to a batch.
 */
static void
JudgeResult(const JointProblem *batch, const JointResult *result)
{
	const char *wrong = JudgeBatch(batch, result);

	Require(wrong == NULL, wrong);
	for (int i = 0; i < batch->n_orders; i++)
		TallyPlan(&result->answers[i].plan);
}

/*
 * Decide those that have a plan once more, with that plan in hand.
 */
static SolverStatus
LookAgain(const JointProblem *batch, const JointResult *first)
{
	JointProblem again = *batch;
	JointOrder orders[MAX_ORDERS];
	JointResult result;
	SolverStatus status;

	again.orders = orders;
	again.n_orders = 0;
	again.max_solves = 0;
	for (int i = 0; i < batch->n_orders; i++)
	{
		if (first->answers[i].status != SOLVER_OK)
			continue;
		orders[again.n_orders] = batch->orders[i];
		orders[again.n_orders++].incumbent = &first->answers[i].plan;
	}
	status = joint_solve(&again, &result);
	if (status == SOLVER_OK)
	{
		JudgeResult(&again, &result);
		Require(result.cost <= first->cost, "the second look costs more");
	}
	else
		Require(result.answers == NULL, "answers without success");
	joint_free_result(&again, &result);
	return status;
}

/*
 * Read one order over the stock of all; safety stock differs.
 */
static void
DecodeOrder(Input *input, FuzzOrder *order, const FuzzNodes *nodes)
{
	SolverProblem *problem = &order->problem;
	uint8_t shape = Byte(input);
	uint8_t safety = Byte(input);

	*problem = (SolverProblem){.n_lines = 1 + shape % MAX_LINES,
							   .n_nodes = nodes->n,
							   .n_tariffs = nodes->n,
							   .lines = order->lines,
							   .nodes = order->nodes,
							   .tariffs = nodes->tariffs,
							   .available = order->available,
							   .stock_value = order->stock_value,
							   .split_penalty = Byte(input),
							   .allow_line_split = shape & 128};
	SetHooks(problem, &input->hooks);
	for (int i = 0; i < problem->n_lines; i++)
	{
		order->skus[i] = (shape / 4 + i) % MAX_SKUS;
		order->lines[i].quantity = 1 + Byte(input) % 3;
		order->lines[i].unit_weight_g = Number(input, 255);
	}
	for (int k = 0; k < nodes->n; k++)
	{
		order->services[k] =
			(SolverService){.tariff = k, .lateness = Number(input, 255)};
		order->nodes[k] = (SolverNode){.services = &order->services[k],
									   .n_services = 1,
									   .max_parcels = nodes->capacity[k]};
		order->keys[k] = 7 * k;
		for (int i = 0; i < problem->n_lines; i++)
		{
			int left = nodes->stock[order->skus[i]][k] -
				(safety > 200 ? safety % 4 : 0);
			int at = i * nodes->n + k;

			order->available[at] = left > 0 ? left : 0;
			order->stock_value[at] = shape & 64 ? (int8_t) Byte(input) : 0;
		}
	}
}

/*
 * Read what orders share: tariffs, stock and capacities of the nodes.
 */
static void
DecodeNodes(Input *input, FuzzNodes *nodes)
{
	for (int k = 0; k < nodes->n; k++)
	{
		uint8_t limit = Byte(input);

		nodes->capacity[k] = limit < 64 ? limit % 8 : INT32_MAX;
		nodes->brackets[k] = (SolverBracket){.up_to_g = INT64_MAX,
											 .base = Number(input, 255),
											 .step_g = 100,
											 .step_price = Byte(input)};
		nodes->tariffs[k] =
			(SolverTariff){.brackets = &nodes->brackets[k], .n_brackets = 1};
		for (int i = 0; i < MAX_SKUS; i++)
			nodes->stock[i][k] = Byte(input) % 6;
	}
}

/*
 * Decode a batch, decide it, judge the answer.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FuzzOrder orders[MAX_ORDERS];
	static FuzzNodes nodes;
	Input input = FuzzBegin(data, size);
	JointOrder joint[MAX_ORDERS];
	JointProblem problem = {.orders = joint};
	JointResult result;
	SolverStatus status;
	uint8_t flags = Byte(&input);

	memset(orders, 0, sizeof(orders));
	SetHooks(&problem, &input.hooks);
	nodes.n = 1 + Byte(&input) % MAX_NODES;
	problem.n_orders = Byte(&input) % (MAX_ORDERS + 1);
	problem.max_solves = flags & 4 ? Byte(&input) : 0;
	if ((flags & 3) == 1)
		input.hooks.fail_at = Byte(&input);
	if ((flags & 3) == 2)
		input.hooks.stop_at = Byte(&input);
	DecodeNodes(&input, &nodes);
	for (int i = 0; i < problem.n_orders; i++)
	{
		DecodeOrder(&input, &orders[i], &nodes);
		joint[i] = (JointOrder){.problem = &orders[i].problem,
								.skus = orders[i].skus,
								.nodes = orders[i].keys,
								.rank = Byte(&input) % 3};
	}

	status = joint_solve(&problem, &result);
	if (status == SOLVER_OK)
		JudgeResult(&problem, &result);
	else
		Require(result.answers == NULL, "answers without success");
	if (status == SOLVER_OK && (flags & 8))
		status = LookAgain(&problem, &result);
	joint_free_result(&problem, &result);
	FuzzEnd(&input, status);
	return 0;
}
