/*-------------------------------------------------------------------------
 *
 * test_joint.c
 *	  Unit tests of the joint allocation.
 *
 * Cases with known answers, failing memory, interruption, and random batches
 * against a brute force and a plain first come, first served that share
 * nothing with the core but solver_solve().
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/allocation/joint.h"
#include "solver_check.h"

#define MAX_ORDERS 60
#define MAX_LINES 4
#define MAX_NODES 8
#define MAX_SKUS 12
#define MAX_CELLS (MAX_LINES * MAX_NODES)

/* An order with the arrays its problem points to. */
typedef struct TestOrder
{
	SolverProblem problem;
	SolverLine lines[MAX_LINES];
	SolverNode nodes[MAX_NODES];
	SolverService services[MAX_NODES];
	int64_t available[MAX_CELLS];
	int64_t skus[MAX_LINES];
	int64_t node_keys[MAX_NODES];
} TestOrder;

/* A batch over one stock. */
typedef struct Batch
{
	JointProblem problem;
	JointOrder orders[MAX_ORDERS];
	TestOrder own[MAX_ORDERS];
	SolverBracket brackets[MAX_NODES];
	SolverTariff tariffs[MAX_NODES];
	int n_nodes;
	int64_t stock[MAX_SKUS][MAX_NODES];
	int capacity[MAX_NODES];
	int allocations;
	int living;
	int fail_at; /* allocation that fails; -1: none */
	int questions;
	int stop_at; /* question answered with yes; -1: none */
} Batch;

/* A set of plans and what it costs, as the brute force sees it. */
typedef struct Outcome
{
	bool served[MAX_ORDERS];
	int64_t cost;
} Outcome;

static uint64_t random_state;

static int64_t
Random(int64_t low, int64_t high)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return low + (int64_t) ((random_state >> 11) % (uint64_t) (high - low + 1));
}

static void *
TestAlloc(void *context, size_t size)
{
	Batch *batch = context;
	void *pointer;

	if (batch->allocations++ == batch->fail_at)
		return NULL;
	pointer = malloc(size);
	memset(pointer, 0x5A, size);
	batch->living++;
	return pointer;
}

static void
TestRelease(void *context, void *pointer)
{
	Batch *batch = context;

	assert_non_null(pointer);
	batch->living--;
	free(pointer);
}

static bool
TestInterrupted(void *context)
{
	Batch *batch = context;

	return batch->questions++ == batch->stop_at;
}

/*
 * Make a batch of orders without lines; node i sends a parcel for 1000 + 100 i,
 * and has nothing.
 */
static Batch *
MakeBatch(int n_orders, int n_nodes)
{
	Batch *batch = calloc(1, sizeof(Batch));

	batch->fail_at = -1;
	batch->stop_at = -1;
	batch->n_nodes = n_nodes;
	batch->problem = (JointProblem){.n_orders = n_orders,
									.orders = batch->orders,
									.alloc = TestAlloc,
									.release = TestRelease,
									.interrupted = TestInterrupted,
									.context = batch};
	for (int i = 0; i < n_nodes; i++)
	{
		batch->capacity[i] = INT32_MAX;
		batch->brackets[i] =
			(SolverBracket){.up_to_g = INT64_MAX, .base = 1000 + 100 * i};
		batch->tariffs[i] =
			(SolverTariff){.brackets = &batch->brackets[i], .n_brackets = 1};
	}
	for (int i = 0; i < n_orders; i++)
	{
		TestOrder *own = &batch->own[i];

		own->problem = (SolverProblem){.n_nodes = n_nodes,
									   .n_tariffs = n_nodes,
									   .lines = own->lines,
									   .nodes = own->nodes,
									   .tariffs = batch->tariffs,
									   .available = own->available,
									   .split_penalty = 200,
									   .alloc = TestAlloc,
									   .release = TestRelease,
									   .interrupted = TestInterrupted,
									   .context = batch};
		for (int j = 0; j < n_nodes; j++)
		{
			own->services[j] = (SolverService){.tariff = j};
			own->nodes[j] = (SolverNode){.services = &own->services[j],
										 .n_services = 1,
										 .max_parcels = INT32_MAX};
			own->node_keys[j] = 100 + j;
		}
		batch->orders[i] = (JointOrder){.problem = &own->problem,
										.skus = own->skus,
										.nodes = own->node_keys};
	}
	return batch;
}

/*
 * Add a line to an order.
 */
static void
Want(Batch *batch, int order, int sku, int64_t quantity)
{
	TestOrder *own = &batch->own[order];
	int line = own->problem.n_lines++;

	own->skus[line] = sku;
	own->lines[line] =
		(SolverLine){.quantity = quantity, .unit_weight_g = 1000};
}

/*
 * Let all orders see the stock, less a safety stock, and the capacities.
 */
static void
ShowStock(Batch *batch, const int64_t *safety)
{
	for (int i = 0; i < batch->problem.n_orders; i++)
	{
		TestOrder *own = &batch->own[i];

		for (int k = 0; k < batch->n_nodes; k++)
		{
			own->nodes[k].max_parcels = batch->capacity[k];
			for (int j = 0; j < own->problem.n_lines; j++)
			{
				int64_t left = batch->stock[own->skus[j]][k] -
					(safety == NULL ? 0 : safety[i]);

				own->available[j * batch->n_nodes + k] = left > 0 ? left : 0;
			}
		}
	}
}

/*
 * Sum what all plans take of a SKU at a node; NULL: fine, else what is wrong.
 * Those with the greatest safety stock are posted first.
 */
static const char *
JudgeCell(const Batch *batch, const JointResult *result, int sku, int node)
{
	int64_t used[MAX_ORDERS] = {0};
	int64_t limit[MAX_ORDERS] = {0};

	for (int i = 0; i < batch->problem.n_orders; i++)
	{
		const SolverPlan *plan = &result->answers[i].plan;

		for (int j = 0; j < plan->n_pieces; j++)
		{
			const SolverPiece *piece = &plan->pieces[j];

			if (batch->own[i].skus[piece->line] != sku ||
				plan->parcels[piece->parcel].node != node)
				continue;
			used[i] += piece->quantity;
			limit[i] =
				batch->own[i].available[piece->line * batch->n_nodes + node];
		}
	}
	for (int i = 0; i < batch->problem.n_orders; i++)
	{
		int64_t sum = 0;

		for (int j = 0; j < batch->problem.n_orders; j++)
			sum += limit[j] <= limit[i] ? used[j] : 0;
		if (used[i] > 0 && sum > limit[i])
			return "stock is oversold";
	}
	return NULL;
}

/*
 * Judge a result against its batch; NULL: nothing wrong with it.
 */
static const char *
JudgeResult(const Batch *batch, const JointResult *result)
{
	int64_t cost = 0;
	int served = 0;
	const char *wrong = NULL;

	for (int i = 0; i < batch->problem.n_orders && wrong == NULL; i++)
	{
		const JointAnswer *answer = &result->answers[i];

		if (answer->status != SOLVER_OK)
		{
			if (answer->plan.n_parcels != 0)
				return "a plan without success";
			continue;
		}
		wrong = JudgePlan(&batch->own[i].problem, &answer->plan);
		cost += answer->plan.cost;
		served++;
	}
	for (int i = 0; i < MAX_SKUS && wrong == NULL; i++)
		for (int j = 0; j < batch->n_nodes && wrong == NULL; j++)
			wrong = JudgeCell(batch, result, i, j);
	for (int j = 0; j < batch->n_nodes && wrong == NULL; j++)
	{
		int sent = 0;

		for (int i = 0; i < batch->problem.n_orders; i++)
			for (int p = 0; p < result->answers[i].plan.n_parcels; p++)
				sent += result->answers[i].plan.parcels[p].node == j;
		if (sent > batch->capacity[j])
			wrong = "a node sends more than it can";
	}
	if (wrong != NULL)
		return wrong;
	if (cost != result->cost || served != result->n_served)
		return "the sum is wrong";
	if (result->lower_bound > result->cost)
		return "the bound is above the cost";
	if (result->cost > result->first_come_cost)
		return "worse than first come, first served";
	return NULL;
}

static void
Release(Batch *batch, JointResult *result)
{
	joint_free_result(&batch->problem, result);
	assert_int_equal(batch->living, 0);
	free(batch);
}

/*
 * Serve plainly: each order in turn with what those before it left.
 */
static Outcome
FirstCome(Batch *batch, const int *sequence)
{
	Outcome outcome = {0};
	int64_t used[MAX_SKUS][MAX_NODES] = {0};
	int sent[MAX_NODES] = {0};

	for (int s = 0; s < batch->problem.n_orders; s++)
	{
		int i = sequence[s];
		TestOrder left = batch->own[i];
		SolverPlan plan;

		left.problem.available = left.available;
		left.problem.nodes = left.nodes;
		for (int k = 0; k < batch->n_nodes; k++)
		{
			if (batch->capacity[k] < INT32_MAX)
				left.nodes[k].max_parcels -= sent[k];
			for (int j = 0; j < left.problem.n_lines; j++)
			{
				int64_t *a = &left.available[j * batch->n_nodes + k];

				*a -= used[left.skus[j]][k];
				if (*a < 0)
					*a = 0;
			}
		}
		if (solver_solve(&left.problem, &plan) == SOLVER_OK)
		{
			outcome.served[i] = true;
			outcome.cost += plan.cost;
			for (int j = 0; j < plan.n_pieces; j++)
				used[left.skus[plan.pieces[j].line]]
					[plan.parcels[plan.pieces[j].parcel].node] +=
					plan.pieces[j].quantity;
			for (int p = 0; p < plan.n_parcels; p++)
				sent[plan.parcels[p].node]++;
		}
		solver_free_plan(&left.problem, &plan);
	}
	return outcome;
}

/*
 * Compare who is served: < 0 when left is better in sequence.
 */
static int
CompareServed(const bool *left, const bool *right, const int *sequence, int n)
{
	for (int s = 0; s < n; s++)
		if (left[sequence[s]] != right[sequence[s]])
			return left[sequence[s]] ? -1 : 1;
	return 0;
}

/* The brute force's state. */
typedef struct Brute
{
	const Batch *batch;
	const int *sequence;
	int64_t left[MAX_SKUS][MAX_NODES];
	int capacity[MAX_NODES];
	Outcome now;
	Outcome best;
	bool any;
} Brute;

static void BruteOrder(Brute *brute, int turn);

/*
 * Send every line of an order from every node, one parcel a node, and go on.
 */
static void
BruteLine(Brute *brute, int turn, int line, int *from)
{
	int i = brute->sequence[turn];
	const TestOrder *own = &brute->batch->own[i];
	int64_t cost = -own->problem.split_penalty;
	bool fits = true;

	if (line < own->problem.n_lines)
	{
		for (int k = 0; k < brute->batch->n_nodes; k++)
		{
			int64_t *left = &brute->left[own->skus[line]][k];

			if (*left < own->lines[line].quantity)
				continue;
			*left -= own->lines[line].quantity;
			from[line] = k;
			BruteLine(brute, turn, line + 1, from);
			*left += own->lines[line].quantity;
		}
		return;
	}
	for (int k = 0; k < brute->batch->n_nodes; k++)
	{
		int64_t quantities[MAX_LINES] = {0};
		bool any = false;
		SolverParcel parcel;

		for (int j = 0; j < own->problem.n_lines; j++)
		{
			if (from[j] != k)
				continue;
			quantities[j] = own->lines[j].quantity;
			any = true;
		}
		if (!any)
			continue;
		fits &= JudgeService(&own->problem, k, 0, quantities, &parcel) &&
			brute->capacity[k] > 0;
		cost += JudgeParcelCost(&parcel) + own->problem.split_penalty;
	}
	if (!fits)
		return;
	for (int sign = -1; sign <= 1; sign += 2)
	{
		bool sends[MAX_NODES] = {false};

		for (int j = 0; j < own->problem.n_lines; j++)
			sends[from[j]] = true;
		for (int k = 0; k < brute->batch->n_nodes; k++)
			if (sends[k] && brute->capacity[k] < INT32_MAX)
				brute->capacity[k] += sign;
		brute->now.cost -= sign * cost;
		brute->now.served[i] = sign < 0;
		if (sign < 0)
			BruteOrder(brute, turn + 1);
	}
}

/*
 * Serve an order in every way, or not, and go on with the next.
 */
static void
BruteOrder(Brute *brute, int turn)
{
	int from[MAX_LINES];

	if (turn == brute->batch->problem.n_orders)
	{
		int order = brute->any
			? CompareServed(brute->now.served, brute->best.served,
							brute->sequence, turn)
			: -1;

		if (order < 0 || (order == 0 && brute->now.cost < brute->best.cost))
			brute->best = brute->now;
		brute->any = true;
		return;
	}
	BruteLine(brute, turn, 0, from);
	BruteOrder(brute, turn + 1);
}

static Outcome
BruteForce(const Batch *batch, const int *sequence)
{
	Brute *brute = calloc(1, sizeof(Brute));
	Outcome best;

	brute->batch = batch;
	brute->sequence = sequence;
	memcpy(brute->left, batch->stock, sizeof(brute->left));
	memcpy(brute->capacity, batch->capacity, sizeof(brute->capacity));
	BruteOrder(brute, 0);
	best = brute->best;
	free(brute);
	return best;
}

/*
 * Make a random batch: scarce stock, prices by destination, few nodes.
 */
static Batch *
RandomBatch(int n_orders, int n_nodes, int n_skus, int most_lines,
			int most_units)
{
	Batch *batch = MakeBatch(n_orders, n_nodes);

	for (int i = 0; i < n_nodes; i++)
	{
		batch->brackets[i] = (SolverBracket){.up_to_g = INT64_MAX,
											 .base = Random(500, 1500),
											 .over_g = 1000,
											 .step_g = 1000,
											 .step_price = Random(0, 200)};
		if (Random(0, 5) == 0)
			batch->capacity[i] = (int) Random(0, n_orders);
		for (int j = 0; j < n_skus; j++)
			batch->stock[j][i] =
				Random(0, 2) == 0 ? 0 : Random(0, 1 + n_orders / 2);
	}
	for (int i = 0; i < n_orders; i++)
	{
		int n_lines = (int) Random(1, most_lines);
		int first = (int) Random(0, n_skus - 1);

		for (int j = 0; j < n_lines; j++)
			Want(batch, i, (first + j) % n_skus, Random(1, most_units));
		for (int k = 0; k < n_nodes; k++)
		{
			batch->own[i].services[k].lateness = Random(0, 1500);
			batch->own[i].nodes[k].per_parcel = Random(0, 300);
		}
		batch->orders[i].rank = Random(0, 2);
	}
	ShowStock(batch, NULL);
	return batch;
}

/*
 * Put the orders of a batch into sequence.
 */
static void
Sequence(const Batch *batch, int *sequence)
{
	int n = 0;

	for (int rank = 0; rank <= 2; rank++)
		for (int i = 0; i < batch->problem.n_orders; i++)
			if (batch->orders[i].rank == rank)
				sequence[n++] = i;
}

static void
test_no_orders(void **state)
{
	Batch *batch = MakeBatch(0, 1);
	JointResult result;

	(void) state;
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
	assert_int_equal(result.n_served, 0);
	Release(batch, &result);
}

static void
test_uncontended_is_one_solve_each(void **state)
{
	Batch *batch = MakeBatch(3, 2);
	JointResult result;

	(void) state;
	for (int i = 0; i < 3; i++)
		Want(batch, i, 0, 1);
	batch->stock[0][0] = 3;
	ShowStock(batch, NULL);
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
	assert_null(JudgeResult(batch, &result));
	assert_int_equal(result.n_solves, 3);
	assert_int_equal(result.n_contended, 0);
	assert_int_equal(result.cost, 3000);
	assert_int_equal(result.lower_bound, 3000);
	Release(batch, &result);
}

/*
 * The last unit near by: one has it for 10.00 and could have another for
 * 11.00, the second would pay 30.00 more.
 */
static void
test_gives_way_where_it_is_cheap(void **state)
{
	Batch *batch = MakeBatch(2, 2);
	JointResult result;

	(void) state;
	Want(batch, 0, 0, 1);
	Want(batch, 1, 0, 1);
	batch->own[1].services[1].lateness = 3000;
	batch->stock[0][0] = 1;
	batch->stock[0][1] = 1;
	ShowStock(batch, NULL);
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
	assert_null(JudgeResult(batch, &result));
	assert_int_equal(result.cost, 2100);
	assert_int_equal(result.first_come_cost, 5100);
	assert_int_equal(result.answers[0].plan.parcels[0].node, 1);
	assert_false(result.answers[0].plan.exact);
	assert_int_equal(result.answers[0].plan.lower_bound, 1000);
	Release(batch, &result);
}

static void
test_makes_room(void **state)
{
	Batch *batch = MakeBatch(2, 2);
	JointResult result;

	(void) state;
	Want(batch, 0, 0, 1);
	Want(batch, 1, 0, 1);
	batch->own[1].nodes[1].n_services = 0; /* only node 0 reaches it */
	batch->stock[0][0] = 1;
	batch->stock[0][1] = 1;
	ShowStock(batch, NULL);
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
	assert_null(JudgeResult(batch, &result));
	assert_int_equal(result.n_served, 2);
	assert_int_equal(result.cost, 2100);
	Release(batch, &result);
}

static void
test_rank_then_first_come(void **state)
{
	Batch *batch = MakeBatch(4, 1);
	JointResult result;

	(void) state;
	for (int i = 0; i < 4; i++)
	{
		Want(batch, i, 0, 1);
		batch->orders[i].rank = 5;
	}
	batch->orders[2].rank = -1;
	batch->own[1].services[0].lateness = 0;
	batch->own[0].services[0].lateness = 90000; /* dear, but first */
	batch->stock[0][0] = 2;
	ShowStock(batch, NULL);
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
	assert_null(JudgeResult(batch, &result));
	assert_int_equal(result.answers[2].status, SOLVER_OK);
	assert_int_equal(result.answers[0].status, SOLVER_OK);
	assert_int_equal(result.answers[1].status, SOLVER_NO_STOCK);
	assert_false(result.answers[1].alone);
	assert_int_equal(result.answers[1].plan.short_line, 0);
	assert_int_equal(result.answers[3].status, SOLVER_NO_STOCK);
	Release(batch, &result);
}

static void
test_alone_is_told(void **state)
{
	Batch *batch = MakeBatch(2, 1);
	JointResult result;

	(void) state;
	Want(batch, 0, 0, 3);
	Want(batch, 1, 0, 1);
	batch->stock[0][0] = 2;
	ShowStock(batch, NULL);
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
	assert_int_equal(result.answers[0].status, SOLVER_NO_STOCK);
	assert_true(result.answers[0].alone);
	assert_int_equal(result.answers[1].status, SOLVER_OK);
	Release(batch, &result);
}

static void
test_safety_stock_is_left(void **state)
{
	Batch *batch = MakeBatch(3, 1);
	static const int64_t safety[3] = {4, 0, 4};
	JointResult result;

	(void) state;
	for (int i = 0; i < 3; i++)
		Want(batch, i, 0, 1);
	batch->stock[0][0] = 5;
	ShowStock(batch, safety);
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
	assert_null(JudgeResult(batch, &result));
	assert_int_equal(result.answers[0].status, SOLVER_OK);
	assert_int_equal(result.answers[1].status, SOLVER_OK);
	assert_int_equal(result.answers[2].status, SOLVER_NO_STOCK);
	Release(batch, &result);
}

static void
test_capacity_is_shared_by_day(void **state)
{
	static const int64_t today[1] = {7};
	static const int64_t tomorrow[1] = {8};
	Batch *batch = MakeBatch(3, 1);
	JointResult result;

	(void) state;
	for (int i = 0; i < 3; i++)
	{
		Want(batch, i, i, 1);
		batch->stock[i][0] = 9;
		batch->orders[i].days = i < 2 ? today : tomorrow;
	}
	batch->capacity[0] = 1;
	ShowStock(batch, NULL);
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
	assert_int_equal(result.answers[0].status, SOLVER_OK);
	assert_int_equal(result.answers[1].status, SOLVER_NO_PLAN);
	assert_int_equal(result.answers[2].status, SOLVER_OK);
	Release(batch, &result);
}

/*
 * Each of two orders is split, and either could be whole if the other were
 * not: they swap.
 */
static void
test_incumbents_merge(void **state)
{
	SolverParcel parcels[2][2] = {{{.node = 0}, {.node = 1}},
								  {{.node = 0}, {.node = 1}}};
	SolverPiece pieces[2][2] = {{{0, 0, 1}, {1, 1, 1}}, {{1, 0, 1}, {0, 1, 1}}};
	SolverPlan plans[2];
	Batch *batch = MakeBatch(2, 2);
	JointResult result;

	(void) state;
	for (int i = 0; i < 2; i++)
	{
		Want(batch, i, 0, 1);
		Want(batch, i, 1, 1);
		for (int k = 0; k < 2; k++)
		{
			parcels[i][k].weight_g = parcels[i][k].billed_g = 1000;
			parcels[i][k].freight = 1000 + 100 * k;
			batch->stock[i][k] = 1;
		}
		plans[i] =
			(SolverPlan){2, 2, parcels[i], pieces[i], 2300, 2300, true, -1};
		batch->orders[i].incumbent = &plans[i];
	}
	ShowStock(batch, NULL);
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
	assert_null(JudgeResult(batch, &result));
	assert_int_equal(result.first_come_cost, 4600);
	assert_int_equal(result.cost, 2100);
	assert_int_equal(result.lower_bound, 2100);
	Release(batch, &result);
}

/*
 * What came in is enough for all: no competition, and one parcel less.
 */
static void
test_incumbent_alone(void **state)
{
	SolverParcel parcel = {
		.node = 1, .weight_g = 1000, .billed_g = 1000, .freight = 1100};
	SolverPiece piece = {0, 0, 1};
	SolverPlan plan = {1, 1, &parcel, &piece, 1100, 1100, true, -1};
	Batch *batch = MakeBatch(1, 2);
	JointResult result;

	(void) state;
	Want(batch, 0, 0, 1);
	batch->stock[0][0] = batch->stock[0][1] = 1;
	batch->orders[0].incumbent = &plan;
	ShowStock(batch, NULL);
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
	assert_null(JudgeResult(batch, &result));
	assert_int_equal(result.n_contended, 0);
	assert_int_equal(result.first_come_cost, 1100);
	assert_int_equal(result.cost, 1000);
	Release(batch, &result);
}

static void
test_bad_problems(void **state)
{
	Batch *batch = MakeBatch(2, 2);
	SolverPlan plan = {0};
	JointResult result;

	(void) state;
	Want(batch, 0, 0, 1);
	Want(batch, 1, 0, 1);
	Want(batch, 1, 0, 1); /* one SKU twice */
	batch->stock[0][0] = 5;
	ShowStock(batch, NULL);
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_BAD_PROBLEM);
	assert_null(result.answers);
	batch->own[1].skus[1] = 1;
	batch->own[1].lines[1].quantity = -1; /* its own fault */
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
	assert_int_equal(result.answers[0].status, SOLVER_OK);
	assert_int_equal(result.answers[1].status, SOLVER_BAD_PROBLEM);
	joint_free_result(&batch->problem, &result);
	batch->orders[1].incumbent = &plan; /* one of two */
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_BAD_PROBLEM);
	batch->orders[0].incumbent = &plan; /* empty */
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_BAD_PROBLEM);
	batch->problem.n_orders = -1;
	assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_BAD_PROBLEM);
	Release(batch, &result);
}

/*
 * Fail each allocation, and interrupt at each question, in turn.
 */
static void
test_failures_leave_nothing(void **state)
{
	int allocations = 0;
	int questions = 0;

	(void) state;
	for (int pass = 0; pass < 2; pass++)
	{
		for (int at = -1; at < (pass == 0 ? allocations : questions); at++)
		{
			Batch *batch;
			JointResult result;
			SolverStatus status;

			random_state = 77;
			batch = RandomBatch(8, 3, 2, 2, 2);
			if (pass == 0)
				batch->fail_at = at;
			else
				batch->stop_at = at;
			status = joint_solve(&batch->problem, &result);
			if (at < 0)
			{
				allocations = batch->allocations;
				questions = batch->questions;
				assert_int_equal(status, SOLVER_OK);
				assert_true(result.n_contended > 0);
			}
			else
			{
				assert_int_equal(
					status, pass == 0 ? SOLVER_NO_MEMORY : SOLVER_INTERRUPTED);
				assert_null(result.answers);
			}
			Release(batch, &result);
		}
	}
}

/*
 * Small random batches against the brute force.
 */
static void
test_against_brute_force(void **state)
{
	static const int shapes[][5] = {/* orders, nodes, SKUs, lines, units */
									{6, 4, 1, 1, 1}, {5, 3, 2, 2, 1},
									{4, 3, 3, 2, 2}, {3, 3, 3, 3, 2},
									{6, 3, 2, 1, 2}, {5, 3, 3, 2, 2}};
	int n = 0;
	int contended = 0;
	int same_served = 0;
	int optimal = 0;
	int first_come_optimal = 0;
	int64_t cost = 0;
	int64_t optimum = 0;
	int64_t bound = 0;

	(void) state;
	for (int run = 0; run < 3000; run++)
	{
		const int *shape = shapes[run % 6];
		Batch *batch;
		JointResult result;
		Outcome brute;
		Outcome plain;
		bool served[MAX_ORDERS] = {false};
		int sequence[MAX_ORDERS];
		const char *wrong;
		int order;

		random_state = 1000003 * (uint64_t) (run + 1);
		batch = RandomBatch(shape[0], shape[1], shape[2], shape[3], shape[4]);
		Sequence(batch, sequence);
		assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
		wrong = JudgeResult(batch, &result);
		if (wrong != NULL)
			fail_msg("run %d: %s", run, wrong);
		for (int i = 0; i < shape[0]; i++)
			served[i] = result.answers[i].status == SOLVER_OK;
		plain = FirstCome(batch, sequence);
		order = CompareServed(served, plain.served, sequence, shape[0]);
		assert_true(order <= 0);
		if (order == 0)
			assert_true(result.cost <= plain.cost);
		if (result.n_contended > 0)
		{
			brute = BruteForce(batch, sequence);
			contended++;
			order = CompareServed(served, brute.served, sequence, shape[0]);
			assert_true(order >= 0);
			if (order == 0)
			{
				same_served++;
				if (result.lower_bound > brute.cost)
					fail_msg("run %d: the bound is above the optimum", run);
				assert_true(result.cost >= brute.cost);
				optimal += result.cost == brute.cost;
				cost += result.cost;
				optimum += brute.cost;
				bound += result.lower_bound;
			}
			first_come_optimal += CompareServed(plain.served, brute.served,
												sequence, shape[0]) == 0 &&
				plain.cost == brute.cost;
		}
		n++;
		Release(batch, &result);
	}
	print_message("%d batches, %d with competition: serves as many as possible "
				  "in %.2f %%, of these at least cost in %.2f %% (+%.3f %%; "
				  "bound %.2f %% below the optimum); first come, first served: "
				  "best in %.2f %%\n",
				  n, contended, 100.0 * same_served / contended,
				  100.0 * optimal / same_served,
				  100.0 * (double) (cost - optimum) / (double) optimum,
				  100.0 * (double) (optimum - bound) / (double) optimum,
				  100.0 * first_come_optimal / contended);
	assert_true(same_served * 100 >= contended * 99);
	assert_true(optimal * 100 >= same_served * 98);
}

/*
 * Larger batches: feasible, never worse than first come, first served, and
 * within the budget.
 */
static void
test_larger_batches(void **state)
{
	int64_t cost = 0;
	int64_t first_come = 0;
	int64_t bound = 0;

	(void) state;
	for (int run = 0; run < 60; run++)
	{
		Batch *batch;
		JointResult result;
		Outcome plain;
		bool served[MAX_ORDERS] = {false};
		int sequence[MAX_ORDERS];
		const char *wrong;
		int order;
		int n = 10 + run % (MAX_ORDERS - 9);

		random_state = 7919 * (uint64_t) (run + 1);
		batch = RandomBatch(n, MAX_NODES, 8, 3, 3);
		for (int i = 0; i < n; i++)
			batch->own[i].problem.allow_line_split = run % 2;
		batch->problem.max_solves = run % 3 == 0 ? 5 : 0;
		Sequence(batch, sequence);
		assert_int_equal(joint_solve(&batch->problem, &result), SOLVER_OK);
		wrong = JudgeResult(batch, &result);
		if (wrong != NULL)
			fail_msg("run %d: %s", run, wrong);
		for (int i = 0; i < n; i++)
			served[i] = result.answers[i].status == SOLVER_OK;
		plain = FirstCome(batch, sequence);
		order = CompareServed(served, plain.served, sequence, n);
		assert_true(order <= 0);
		if (order == 0)
		{
			assert_true(result.cost <= plain.cost);
			cost += result.cost;
			first_come += plain.cost;
			bound += result.lower_bound;
		}
		if (run % 3 == 0)
			assert_true(result.n_solves <= 3 * n + 5);
		Release(batch, &result);
	}
	print_message("larger batches: %.2f %% cheaper than first come, first "
				  "served, at most %.2f %% above the optimum\n",
				  100.0 * (double) (first_come - cost) / (double) first_come,
				  100.0 * (double) (cost - bound) / (double) bound);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_orders),
		cmocka_unit_test(test_uncontended_is_one_solve_each),
		cmocka_unit_test(test_gives_way_where_it_is_cheap),
		cmocka_unit_test(test_makes_room),
		cmocka_unit_test(test_rank_then_first_come),
		cmocka_unit_test(test_alone_is_told),
		cmocka_unit_test(test_safety_stock_is_left),
		cmocka_unit_test(test_capacity_is_shared_by_day),
		cmocka_unit_test(test_incumbents_merge),
		cmocka_unit_test(test_incumbent_alone),
		cmocka_unit_test(test_bad_problems),
		cmocka_unit_test(test_failures_leave_nothing),
		cmocka_unit_test(test_against_brute_force),
		cmocka_unit_test(test_larger_batches),
	};

	return cmocka_run_group_tests_name("joint", tests, NULL, NULL);
}
