/*-------------------------------------------------------------------------
 *
 * test_solver.c
 *	  Unit tests of the allocation solver.
 *
 * Small cases with known answers, every error status, failing memory,
 * interruption, and random problems against a brute force that shares no
 * code with the solver (see solver_check.h).
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

#include "solver_check.h"

#define MAX_LINES 24
#define MAX_NODES 8
#define MAX_TARIFFS 4
#define MAX_BRACKETS 3
#define ANY UINT32_C(0xFFFFFFFF)
#define NEVER INT64_MAX

/* A problem with the arrays it points to. */
typedef struct Case
{
	SolverProblem problem;
	SolverLine lines[MAX_LINES];
	SolverNode nodes[MAX_NODES];
	SolverService services[MAX_NODES][2];
	SolverTariff tariffs[MAX_TARIFFS];
	SolverBracket brackets[MAX_TARIFFS][MAX_BRACKETS];
	int64_t available[MAX_LINES * MAX_NODES];
	int64_t stock_value[MAX_LINES * MAX_NODES];
	/* what the hooks saw */
	int allocations;
	int living;
	int fail_at; /* allocation that fails; -1: none */
	int questions;
	int stop_at; /* question answered with yes; -1: none */
} Case;

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
	Case *c = context;
	void *pointer;

	if (c->allocations++ == c->fail_at)
		return NULL;
	pointer = malloc(size);
	memset(pointer, 0x5A, size);
	c->living++;
	return pointer;
}

static void
TestRelease(void *context, void *pointer)
{
	Case *c = context;

	assert_non_null(pointer);
	c->living--;
	free(pointer);
}

static bool
TestInterrupted(void *context)
{
	Case *c = context;

	return c->questions++ == c->stop_at;
}

/*
 * Make a case: each line 1 unit of 1000 g, each node one service of tariff 0
 * (10.00 flat), no stock anywhere.
 */
static Case *
MakeCase(int n_lines, int n_nodes)
{
	Case *c = calloc(1, sizeof(Case));

	c->fail_at = -1;
	c->stop_at = -1;
	c->problem = (SolverProblem){.n_lines = n_lines,
								 .n_nodes = n_nodes,
								 .n_tariffs = 1,
								 .lines = c->lines,
								 .nodes = c->nodes,
								 .tariffs = c->tariffs,
								 .available = c->available,
								 .stock_value = c->stock_value,
								 .alloc = TestAlloc,
								 .release = TestRelease,
								 .interrupted = TestInterrupted,
								 .context = c};
	for (int i = 0; i < n_lines; i++)
		c->lines[i] = (SolverLine){.quantity = 1, .unit_weight_g = 1000};
	for (int i = 0; i < n_nodes; i++)
	{
		c->services[i][0] = (SolverService){.tariff = 0, .temperature = ANY};
		c->nodes[i] = (SolverNode){.services = c->services[i],
								   .n_services = 1,
								   .max_parcels = INT32_MAX};
	}
	for (int i = 0; i < MAX_TARIFFS; i++)
	{
		c->brackets[i][0] = (SolverBracket){.up_to_g = NEVER, .base = 1000};
		c->tariffs[i] =
			(SolverTariff){.brackets = c->brackets[i], .n_brackets = 1};
	}
	return c;
}

static void
Stock(Case *c, int line, int node, int64_t quantity)
{
	c->available[line * c->problem.n_nodes + node] = quantity;
}

/*
 * Solve a case and check what must hold whatever the answer.
 */
static SolverStatus
SolveCase(Case *c, SolverPlan *plan)
{
	SolverStatus status;

	c->allocations = 0;
	c->questions = 0;
	memset(plan, 0x5A, sizeof(SolverPlan));
	status = solver_solve(&c->problem, plan);
	if (status == SOLVER_OK)
	{
		const char *wrong = JudgePlan(&c->problem, plan);

		if (wrong != NULL)
			fail_msg("%s", wrong);
		assert_int_equal(c->living, 2);
	}
	else
	{
		assert_int_equal(c->living, 0);
		assert_int_equal(plan->n_parcels, 0);
		assert_int_equal(plan->n_pieces, 0);
		assert_null(plan->parcels);
		assert_null(plan->pieces);
		assert_int_equal(plan->cost, 0);
		assert_int_equal(plan->lower_bound, 0);
		assert_false(plan->exact);
	}
	return status;
}

static void
FreePlan(Case *c, SolverPlan *plan)
{
	solver_free_plan(&c->problem, plan);
	assert_int_equal(c->living, 0);
	assert_null(plan->parcels);
	solver_free_plan(&c->problem, plan);
}

/*
 * Solve a case that must have an exact plan of a known cost and size.
 */
static void
ExpectPlan(Case *c, int64_t cost, int n_parcels)
{
	SolverPlan plan;

	assert_int_equal(SolveCase(c, &plan), SOLVER_OK);
	assert_int_equal(plan.cost, cost);
	assert_int_equal(plan.n_parcels, n_parcels);
	assert_true(plan.exact);
	FreePlan(c, &plan);
}

static void
ExpectFailure(Case *c, SolverStatus expected, int short_line)
{
	SolverPlan plan;

	assert_int_equal(SolveCase(c, &plan), expected);
	assert_int_equal(plan.short_line, short_line);
}

/*
 * Brute force over plans that keep lines whole: every partition of the lines,
 * every choice of nodes.
 */
typedef struct Brute
{
	const SolverProblem *problem;
	int64_t price[32][MAX_NODES]; /* by set of lines; NEVER */
	uint32_t blocks[5];
	int n_blocks;
	int sent[MAX_NODES];
	int64_t best;
} Brute;

static void
BruteNodes(Brute *b, int block, int64_t cost)
{
	if (block == b->n_blocks)
	{
		cost += b->problem->split_penalty * (b->n_blocks - 1);
		if (cost < b->best)
			b->best = cost;
		return;
	}
	for (int i = 0; i < b->problem->n_nodes; i++)
	{
		if (b->price[b->blocks[block]][i] == NEVER ||
			b->sent[i] >= b->problem->nodes[i].max_parcels)
			continue;
		b->sent[i]++;
		BruteNodes(b, block + 1, cost + b->price[b->blocks[block]][i]);
		b->sent[i]--;
	}
}

static void
BrutePartitions(Brute *b, int line)
{
	if (line == b->problem->n_lines)
	{
		if (b->problem->max_parcels == 0 ||
			b->n_blocks <= b->problem->max_parcels)
			BruteNodes(b, 0, 0);
		return;
	}
	for (int i = 0; i <= b->n_blocks; i++)
	{
		if (i == b->n_blocks)
			b->blocks[b->n_blocks++] = 0;
		b->blocks[i] |= UINT32_C(1) << line;
		BrutePartitions(b, line + 1);
		b->blocks[i] &= ~(UINT32_C(1) << line);
		if (b->blocks[i] == 0)
		{
			b->n_blocks--;
			break;
		}
	}
}

static int64_t
BruteWhole(const SolverProblem *problem)
{
	Brute b = {.problem = problem, .best = NEVER};

	for (uint32_t set = 1; set < UINT32_C(1) << problem->n_lines; set++)
	{
		for (int i = 0; i < problem->n_nodes; i++)
		{
			int64_t quantities[5] = {0};
			bool stocked = true;

			b.price[set][i] = NEVER;
			for (int k = 0; k < problem->n_lines; k++)
			{
				if (set & UINT32_C(1) << k)
					quantities[k] = problem->lines[k].quantity;
				stocked &= quantities[k] <=
					problem->available[k * problem->n_nodes + i];
			}
			for (int j = 0; stocked && j < problem->nodes[i].n_services; j++)
			{
				SolverParcel parcel;

				if (JudgeService(problem, i, j, quantities, &parcel) &&
					JudgeParcelCost(&parcel) < b.price[set][i])
					b.price[set][i] = JudgeParcelCost(&parcel);
			}
		}
	}
	BrutePartitions(&b, 0);
	return b.best;
}

/*
 * Brute force over plans that divide lines: the next parcel must carry some
 * of the first line still wanted.  Costs must not be negative.
 */
typedef struct BruteSplit
{
	const SolverProblem *problem;
	const bool *may_split;
	int64_t wanted[3];
	int64_t left[3 * MAX_NODES];
	int sent[MAX_NODES];
	int64_t best;
} BruteSplit;

static void BruteParcels(BruteSplit *b, int n_parcels, int64_t cost);

static void
BruteParcel(BruteSplit *b, int node, int line, int first, int64_t *carried,
			int n_parcels, int64_t cost)
{
	const SolverProblem *problem = b->problem;
	int64_t most;

	if (line == problem->n_lines)
	{
		int64_t cheapest = NEVER;

		for (int j = 0; j < problem->nodes[node].n_services; j++)
		{
			SolverParcel parcel;

			if (JudgeService(problem, node, j, carried, &parcel) &&
				JudgeParcelCost(&parcel) < cheapest)
				cheapest = JudgeParcelCost(&parcel);
		}
		if (cheapest == NEVER)
			return;
		if (n_parcels > 0)
			cheapest += problem->split_penalty;
		for (int i = 0; i < problem->n_lines; i++)
		{
			b->wanted[i] -= carried[i];
			b->left[i * problem->n_nodes + node] -= carried[i];
		}
		b->sent[node]++;
		BruteParcels(b, n_parcels + 1, cost + cheapest);
		b->sent[node]--;
		for (int i = 0; i < problem->n_lines; i++)
		{
			b->wanted[i] += carried[i];
			b->left[i * problem->n_nodes + node] += carried[i];
		}
		return;
	}
	most = b->left[line * problem->n_nodes + node];
	if (most > b->wanted[line])
		most = b->wanted[line];
	for (int64_t q = (line == first ? 1 : 0); q <= most; q++)
	{
		if (!b->may_split[line] && q != 0 && q != problem->lines[line].quantity)
			continue;
		carried[line] = q;
		BruteParcel(b, node, line + 1, first, carried, n_parcels, cost);
	}
	carried[line] = 0;
}

static void
BruteParcels(BruteSplit *b, int n_parcels, int64_t cost)
{
	int first = 0;
	int64_t carried[3] = {0};

	if (cost >= b->best)
		return;
	while (first < b->problem->n_lines && b->wanted[first] == 0)
		first++;
	if (first == b->problem->n_lines)
	{
		b->best = cost;
		return;
	}
	if (b->problem->max_parcels > 0 && n_parcels >= b->problem->max_parcels)
		return;
	for (int i = 0; i < b->problem->n_nodes; i++)
	{
		if (b->sent[i] < b->problem->nodes[i].max_parcels)
			BruteParcel(b, i, 0, first, carried, n_parcels, cost);
	}
}

static int64_t
BruteDivided(const SolverProblem *problem, const bool *may_split)
{
	BruteSplit b = {.problem = problem, .may_split = may_split, .best = NEVER};

	for (int i = 0; i < problem->n_lines; i++)
		b.wanted[i] = problem->lines[i].quantity;
	memcpy(b.left, problem->available,
		   (size_t) (problem->n_lines * problem->n_nodes) * sizeof(int64_t));
	BruteParcels(&b, 0, 0);
	return b.best;
}

/*
 * Make a random tariff: brackets whose prices need not grow.
 */
static void
RandomTariff(Case *c, int tariff)
{
	int n = (int) Random(1, MAX_BRACKETS);
	int64_t up_to = 0;

	for (int i = 0; i < n; i++)
	{
		up_to += Random(200, 2500);
		c->brackets[tariff][i] = (SolverBracket){
			.up_to_g = (i == n - 1 && Random(0, 4) ? NEVER : up_to),
			.base = Random(100, 1500),
			.over_g = Random(0, 1500),
			.step_g = Random(0, 1) * Random(100, 1000),
			.step_price = Random(0, 300)};
	}
	c->tariffs[tariff].n_brackets = n;
	c->tariffs[tariff].volumetric_divisor = (Random(0, 1) ? 6000 : 0);
}

/*
 * Make a random case.
 */
static Case *
RandomCase(int n_lines, int n_nodes, int64_t most_units)
{
	Case *c = MakeCase(n_lines, n_nodes);
	int stocked = (int) Random(1, 4);

	c->problem.n_tariffs = MAX_TARIFFS;
	for (int i = 0; i < MAX_TARIFFS; i++)
		RandomTariff(c, i);
	for (int i = 0; i < n_lines; i++)
		c->lines[i] = (SolverLine){
			.quantity = Random(1, most_units),
			.unit_weight_g = Random(0, 700),
			.unit_volume_cm3 = Random(0, 5000),
			.temperature = (uint32_t) (Random(0, 3) ? 0 : Random(0, 2))};
	for (int i = 0; i < n_nodes; i++)
	{
		c->nodes[i].n_services = (int) Random(1, 2);
		c->nodes[i].per_parcel = Random(0, 300);
		c->nodes[i].per_unit = Random(0, 30);
		c->nodes[i].preferred = Random(0, 1);
		if (Random(0, 1) == 0)
			c->nodes[i].max_parcels = (Random(0, 5) ? 1 : 0);
		for (int j = 0; j < 2; j++)
			c->services[i][j] =
				(SolverService){.tariff = (int) Random(0, MAX_TARIFFS - 1),
								.lateness = Random(0, 2) * 100,
								.temperature = (uint32_t) Random(1, 3)};
		for (int k = 0; k < n_lines; k++)
		{
			if (Random(0, 3) < stocked)
				Stock(c, k, i,
					  Random(0, 2) ? c->lines[k].quantity
								   : Random(0, c->lines[k].quantity));
			c->stock_value[k * n_nodes + i] = Random(-40, 60);
		}
	}
	c->problem.split_penalty = Random(0, 1) * Random(0, 500);
	c->problem.max_parcels = (int) (Random(0, 2) ? 0 : Random(1, n_lines));
	return c;
}

/* Tests: tariffs */

static void
freight_of_first_weight_plus_additional(void **state)
{
	SolverBracket bracket = {NEVER, 800, 1000, 500, 150};
	SolverTariff tariff = {&bracket, 1, 0};
	int64_t billed;

	(void) state;
	assert_int_equal(solver_freight(&tariff, 0, 0, &billed), 800);
	assert_int_equal(billed, 0);
	assert_int_equal(solver_freight(&tariff, 1000, 0, NULL), 800);
	assert_int_equal(solver_freight(&tariff, 1001, 0, NULL), 950);
	assert_int_equal(solver_freight(&tariff, 1500, 0, NULL), 950);
	assert_int_equal(solver_freight(&tariff, 1501, 0, &billed), 1100);
	assert_int_equal(billed, 1501);
}

static void
freight_of_brackets(void **state)
{
	SolverBracket brackets[] = {{500, 600, 0, 0, 0}, {1000, 500, 0, 0, 0}};
	SolverTariff tariff = {brackets, 2, 0};

	(void) state;
	assert_int_equal(solver_freight(&tariff, 500, 0, NULL), 600);
	assert_int_equal(solver_freight(&tariff, 501, 0, NULL), 500);
	assert_int_equal(solver_freight(&tariff, 1001, 0, NULL), -1);
	tariff.n_brackets = 0;
	assert_int_equal(solver_freight(&tariff, 1, 0, NULL), -1);
}

static void
freight_of_volumetric_weight(void **state)
{
	SolverBracket bracket = {NEVER, 0, 0, 1, 1};
	SolverTariff tariff = {&bracket, 1, 6000};
	int64_t billed;

	(void) state;
	assert_int_equal(solver_freight(&tariff, 100, 6000, &billed), 1000);
	assert_int_equal(billed, 1000);
	assert_int_equal(solver_freight(&tariff, 100, 6001, &billed), 1001);
	assert_int_equal(solver_freight(&tariff, 5000, 6000, &billed), 5000);
}

static void
freight_overflow_is_refused(void **state)
{
	SolverBracket bracket = {NEVER, 1, 0, 1, INT64_MAX / 2};
	SolverTariff tariff = {&bracket, 1, 1};

	(void) state;
	assert_int_equal(solver_freight(&tariff, 1000000, 0, NULL), -1);
	assert_int_equal(solver_freight(&tariff, -1, 0, NULL), -1);
	assert_int_equal(solver_freight(&tariff, 0, -1, NULL), -1);
	assert_int_equal(solver_freight(&tariff, 0, INT64_MAX, NULL), -1);
	bracket.base = INT64_MAX;
	assert_int_equal(solver_freight(&tariff, 0, 0, NULL), -1);
}

/* Tests: known answers */

static void
one_parcel_beats_two(void **state)
{
	Case *c = MakeCase(2, 3);

	(void) state;
	Stock(c, 0, 0, 1);
	Stock(c, 1, 1, 1);
	Stock(c, 0, 2, 1);
	Stock(c, 1, 2, 1);
	c->nodes[2].per_parcel = 999;
	ExpectPlan(c, 1999, 1);
	c->nodes[2].per_parcel = 1001;
	ExpectPlan(c, 2000, 2);
	c->problem.split_penalty = 2;
	ExpectPlan(c, 2001, 1);
	free(c);
}

static void
two_parcels_of_one_node_where_weight_is_limited(void **state)
{
	Case *c = MakeCase(3, 1);

	(void) state;
	for (int i = 0; i < 3; i++)
		Stock(c, i, 0, 1);
	c->brackets[0][0].up_to_g = 2000;
	c->problem.split_penalty = 50;
	ExpectPlan(c, 2050, 2);
	c->nodes[0].max_parcels = 1;
	ExpectFailure(c, SOLVER_NO_PLAN, -1);
	free(c);
}

static void
two_light_parcels_beat_a_heavy_one(void **state)
{
	Case *c = MakeCase(2, 1);

	(void) state;
	Stock(c, 0, 0, 1);
	Stock(c, 1, 0, 1);
	c->brackets[0][0] = (SolverBracket){1000, 300, 0, 0, 0};
	c->brackets[0][1] = (SolverBracket){NEVER, 900, 0, 0, 0};
	c->tariffs[0].n_brackets = 2;
	ExpectPlan(c, 600, 2);
	c->problem.max_parcels = 1;
	ExpectPlan(c, 900, 1);
	c->problem.max_parcels = 0;
	c->nodes[0].max_parcels = 1;
	ExpectPlan(c, 900, 1);
	free(c);
}

static void
cold_goods_need_a_cold_service(void **state)
{
	Case *c = MakeCase(2, 1);

	(void) state;
	Stock(c, 0, 0, 1);
	Stock(c, 1, 0, 1);
	c->lines[0].temperature = 1;
	c->lines[1].temperature = 2;
	c->problem.n_tariffs = 2;
	c->brackets[1][0].base = 1500;
	c->nodes[0].n_services = 2;
	c->services[0][0].temperature = 1;
	c->services[0][1] = (SolverService){1, 0, 2};
	ExpectPlan(c, 2500, 2);
	c->services[0][1].temperature = 3;
	ExpectPlan(c, 1500, 1);
	free(c);
}

static void
stock_value_and_lateness_count(void **state)
{
	Case *c = MakeCase(1, 2);

	(void) state;
	c->lines[0].quantity = 3;
	Stock(c, 0, 0, 3);
	Stock(c, 0, 1, 3);
	c->stock_value[1] = -500;
	c->services[1][0].lateness = 1400;
	ExpectPlan(c, 900, 1);
	c->services[1][0].lateness = 1600;
	ExpectPlan(c, 1000, 1);
	c->problem.stock_value = NULL;
	ExpectPlan(c, 1000, 1);
	c->stock_value[0] = -1000;
	c->problem.stock_value = c->stock_value;
	ExpectPlan(c, -2000, 1);
	free(c);
}

static void
capacity_of_a_node_binds(void **state)
{
	Case *c = MakeCase(2, 2);

	(void) state;
	for (int i = 0; i < 2; i++)
	{
		Stock(c, 0, i, 1);
		Stock(c, 1, i, 1);
	}
	c->brackets[0][0].up_to_g = 1000;
	c->nodes[1].per_parcel = 500;
	ExpectPlan(c, 2000, 2);
	c->nodes[0].max_parcels = 1;
	ExpectPlan(c, 2500, 2);
	c->nodes[0].max_parcels = 0;
	ExpectPlan(c, 3000, 2);
	c->nodes[1].max_parcels = 1;
	ExpectFailure(c, SOLVER_NO_PLAN, -1);
	c->nodes[0].max_parcels = 1;
	c->problem.max_parcels = 2;
	ExpectPlan(c, 2500, 2);
	free(c);
}

static void
ties_go_to_fewer_parcels_then_preferred_then_lower_node(void **state)
{
	Case *c = MakeCase(2, 4);
	SolverPlan plan;

	(void) state;
	for (int i = 0; i < 4; i++)
	{
		Stock(c, 0, i, 1);
		Stock(c, 1, i, 1);
	}
	c->brackets[0][0] = (SolverBracket){NEVER, 0, 0, 1000, 500};
	c->nodes[2].preferred = true;
	c->nodes[3].preferred = true;
	assert_int_equal(SolveCase(c, &plan), SOLVER_OK);
	assert_int_equal(plan.cost, 1000);
	assert_int_equal(plan.n_parcels, 1);
	assert_int_equal(plan.parcels[0].node, 2);
	FreePlan(c, &plan);
	c->nodes[2].preferred = false;
	c->nodes[3].preferred = false;
	assert_int_equal(SolveCase(c, &plan), SOLVER_OK);
	assert_int_equal(plan.parcels[0].node, 0);
	FreePlan(c, &plan);
	free(c);
}

static void
a_line_is_split_only_if_it_must(void **state)
{
	Case *c = MakeCase(1, 3);
	SolverPlan plan;

	(void) state;
	c->lines[0].quantity = 10;
	Stock(c, 0, 0, 6);
	Stock(c, 0, 1, 6);
	Stock(c, 0, 2, 2);
	ExpectFailure(c, SOLVER_NO_PLAN, -1);
	c->problem.allow_line_split = true;
	c->problem.split_penalty = 10;
	ExpectPlan(c, 2010, 2);
	Stock(c, 0, 2, 10);
	c->nodes[2].per_parcel = 5000;
	ExpectPlan(c, 6000, 1);
	c->nodes[2].max_parcels = 0;
	assert_int_equal(SolveCase(c, &plan), SOLVER_OK);
	assert_int_equal(plan.cost, 2010);
	assert_int_equal(plan.n_pieces, 2);
	FreePlan(c, &plan);
	free(c);
}

static void
a_line_too_heavy_for_a_parcel_takes_several(void **state)
{
	Case *c = MakeCase(1, 1);

	(void) state;
	c->lines[0].quantity = 50;
	Stock(c, 0, 0, 80);
	c->brackets[0][0].up_to_g = 20000;
	ExpectFailure(c, SOLVER_NO_PLAN, -1);
	c->problem.allow_line_split = true;
	ExpectPlan(c, 3000, 3);
	c->nodes[0].max_parcels = 2;
	ExpectFailure(c, SOLVER_NO_PLAN, -1);
	free(c);
}

static void
capacity_may_force_a_split(void **state)
{
	Case *c = MakeCase(3, 2);
	SolverPlan plan;

	(void) state;
	for (int i = 0; i < 3; i++)
	{
		c->lines[i].quantity = 2;
		Stock(c, i, 0, 2);
		Stock(c, i, 1, 2);
	}
	c->brackets[0][0].up_to_g = 3000;
	c->problem.max_parcels = 2;
	ExpectFailure(c, SOLVER_NO_PLAN, -1);
	c->problem.allow_line_split = true;
	assert_int_equal(SolveCase(c, &plan), SOLVER_OK);
	assert_int_equal(plan.cost, 2000);
	FreePlan(c, &plan);
	free(c);
}

/* Tests: errors */

static void
no_stock_names_the_line(void **state)
{
	Case *c = MakeCase(2, 2);

	(void) state;
	Stock(c, 0, 0, 1);
	c->lines[1].quantity = 5;
	Stock(c, 1, 0, 2);
	Stock(c, 1, 1, 2);
	ExpectFailure(c, SOLVER_NO_STOCK, 1);
	c->problem.n_nodes = 0;
	ExpectFailure(c, SOLVER_NO_STOCK, 0);
	free(c);
}

static void
no_service_names_the_line(void **state)
{
	Case *c = MakeCase(2, 2);

	(void) state;
	Stock(c, 0, 0, 1);
	Stock(c, 1, 1, 1);
	c->lines[1].temperature = 4;
	c->services[1][0].temperature = 3;
	ExpectFailure(c, SOLVER_NO_SERVICE, 1);
	c->lines[1].temperature = 2;
	c->nodes[0].n_services = 0;
	ExpectFailure(c, SOLVER_NO_SERVICE, 0);
	c->nodes[0].n_services = 1;
	c->brackets[0][0].up_to_g = 999;
	ExpectFailure(c, SOLVER_NO_SERVICE, 0);
	free(c);
}

static void
bad_problems_are_refused(void **state)
{
	Case *c = MakeCase(2, 2);

	(void) state;
#define EXPECT_BAD(field, value)                  \
	do                                            \
	{                                             \
		Case saved = *c;                          \
		(field) = (value);                        \
		ExpectFailure(c, SOLVER_BAD_PROBLEM, -1); \
		*c = saved;                               \
	} while (0)

	for (int i = 0; i < 2; i++)
	{
		Stock(c, i, 0, 1);
		Stock(c, i, 1, 1);
	}
	EXPECT_BAD(c->problem.n_lines, 0);
	EXPECT_BAD(c->problem.n_lines, SOLVER_MAX_LINES + 1);
	EXPECT_BAD(c->problem.n_nodes, -1);
	EXPECT_BAD(c->problem.n_nodes, INT32_MAX);
	EXPECT_BAD(c->problem.n_tariffs, -1);
	EXPECT_BAD(c->problem.n_tariffs, 0);
	EXPECT_BAD(c->problem.lines, NULL);
	EXPECT_BAD(c->problem.nodes, NULL);
	EXPECT_BAD(c->problem.tariffs, NULL);
	EXPECT_BAD(c->problem.available, NULL);
	EXPECT_BAD(c->problem.alloc, NULL);
	EXPECT_BAD(c->problem.release, NULL);
	EXPECT_BAD(c->problem.split_penalty, -1);
	EXPECT_BAD(c->problem.split_penalty, INT64_MAX);
	EXPECT_BAD(c->problem.max_parcels, -1);
	EXPECT_BAD(c->lines[1].quantity, 0);
	EXPECT_BAD(c->lines[1].quantity, INT64_MIN);
	EXPECT_BAD(c->lines[1].quantity, INT64_MAX);
	EXPECT_BAD(c->lines[1].unit_weight_g, -1);
	EXPECT_BAD(c->lines[1].unit_weight_g, INT64_MAX);
	EXPECT_BAD(c->lines[1].unit_volume_cm3, -1);
	EXPECT_BAD(c->lines[1].unit_volume_cm3, INT64_MAX);
	EXPECT_BAD(c->nodes[1].per_parcel, -1);
	EXPECT_BAD(c->nodes[1].per_unit, -1);
	EXPECT_BAD(c->nodes[1].per_unit, INT64_C(600000000000000));
	EXPECT_BAD(c->nodes[1].max_parcels, -1);
	EXPECT_BAD(c->nodes[1].n_services, -1);
	EXPECT_BAD(c->nodes[1].services, NULL);
	EXPECT_BAD(c->services[1][0].tariff, -1);
	EXPECT_BAD(c->services[1][0].tariff, 1);
	EXPECT_BAD(c->services[1][0].lateness, -1);
	EXPECT_BAD(c->services[1][0].lateness, INT64_MAX);
	EXPECT_BAD(c->tariffs[0].brackets, NULL);
	EXPECT_BAD(c->tariffs[0].n_brackets, -1);
	EXPECT_BAD(c->tariffs[0].volumetric_divisor, -1);
	EXPECT_BAD(c->brackets[0][0].up_to_g, -1);
	EXPECT_BAD(c->brackets[0][0].base, -1);
	EXPECT_BAD(c->brackets[0][0].over_g, -1);
	EXPECT_BAD(c->brackets[0][0].step_g, -1);
	EXPECT_BAD(c->brackets[0][0].step_price, -1);
	EXPECT_BAD(c->available[3], -1);
	EXPECT_BAD(c->stock_value[3], INT64_MIN);
	EXPECT_BAD(c->stock_value[3], INT64_MAX);
	ExpectPlan(c, 1000, 1);

	/* each number alone is fine, the total is not */
	c->lines[0].quantity = 2000000;
	c->lines[0].unit_weight_g = INT64_C(1000000000);
	ExpectFailure(c, SOLVER_BAD_PROBLEM, -1);
	c->lines[0].unit_weight_g = 1;
	c->stock_value[0] = INT64_C(-1000000000);
	ExpectFailure(c, SOLVER_BAD_PROBLEM, -1);
	c->stock_value[0] = 0;
	c->tariffs[0].n_brackets = 2;
	c->brackets[0][0].up_to_g = 2000;
	c->brackets[0][1].up_to_g = 1000;
	ExpectFailure(c, SOLVER_BAD_PROBLEM, -1);
	free(c);
}

static void
unlimited_stock_is_fine(void **state)
{
	Case *c = MakeCase(1, 3);

	(void) state;
	for (int i = 0; i < 3; i++)
		Stock(c, 0, i, INT64_MAX);
	ExpectPlan(c, 1000, 1);
	free(c);
}

static void
statuses_have_texts(void **state)
{
	(void) state;
	for (int i = SOLVER_OK; i <= SOLVER_INTERRUPTED; i++)
	{
		for (int j = 0; j < i; j++)
			assert_string_not_equal(solver_status_text((SolverStatus) i),
									solver_status_text((SolverStatus) j));
	}
	assert_non_null(solver_status_text((SolverStatus) 99));
}

/*
 * Make cases that reach every part of the solver.
 */
static Case *
HardCase(int kind)
{
	Case *c = MakeCase(kind == 3 ? 16 : 4, 4);

	for (int i = 0; i < c->problem.n_lines; i++)
	{
		c->lines[i].quantity = 4;
		for (int j = 0; j < 4; j++)
			Stock(c, i, j, kind == 2 && i == 0 ? 2 : 4);
	}
	for (int j = 0; j < 4; j++)
		c->nodes[j].per_parcel = j * 100;
	c->brackets[0][0].up_to_g = 8000;
	if (kind == 1) /* capacity and max_parcels bind */
	{
		c->nodes[0].max_parcels = 1;
		c->brackets[0][0].base = 100;
		c->brackets[0][0].over_g = 4000;
		c->brackets[0][0].step_g = 1;
		c->brackets[0][0].step_price = 1;
		c->problem.max_parcels = 3;
	}
	if (kind == 4) /* the exact program finds none */
	{
		c->brackets[0][0].up_to_g = 6000;
		c->problem.max_parcels = 3;
	}
	c->problem.allow_line_split = true;
	return c;
}

static void
failing_memory_leaks_nothing(void **state)
{
	(void) state;
	for (int kind = 0; kind <= 4; kind++)
	{
		Case *c = HardCase(kind);
		SolverPlan plan;
		int n;

		assert_int_equal(SolveCase(c, &plan), SOLVER_OK);
		FreePlan(c, &plan);
		n = c->allocations;
		for (c->fail_at = 0; c->fail_at < n; c->fail_at++)
			ExpectFailure(c, SOLVER_NO_MEMORY, -1);
		assert_int_equal(SolveCase(c, &plan), SOLVER_OK);
		FreePlan(c, &plan);
		free(c);
	}
}

static void
interruption_stops_the_search(void **state)
{
	(void) state;
	for (int kind = 0; kind <= 4; kind++)
	{
		Case *c = HardCase(kind);
		SolverPlan plan;
		int n;

		assert_int_equal(SolveCase(c, &plan), SOLVER_OK);
		FreePlan(c, &plan);
		n = c->questions;
		assert_true(n > 0);
		for (int i = 0; i < n; i += (n > 100 ? n / 50 : 1))
		{
			c->stop_at = i;
			ExpectFailure(c, SOLVER_INTERRUPTED, -1);
			assert_int_equal(c->questions, i + 1);
		}
		c->problem.interrupted = NULL;
		assert_int_equal(SolveCase(c, &plan), SOLVER_OK);
		FreePlan(c, &plan);
		free(c);
	}
}

/* Tests: random problems */

/*
 * Check that two runs give the same plan.
 */
static void
ExpectSamePlan(Case *c, const SolverPlan *plan)
{
	SolverPlan again;

	assert_int_equal(solver_solve(&c->problem, &again), SOLVER_OK);
	assert_int_equal(again.n_pieces, plan->n_pieces);
	assert_memory_equal(again.parcels, plan->parcels,
						(size_t) plan->n_parcels * sizeof(SolverParcel));
	assert_memory_equal(again.pieces, plan->pieces,
						(size_t) plan->n_pieces * sizeof(SolverPiece));
	solver_free_plan(&c->problem, &again);
}

static void
random_whole_plans_are_optimal(void **state)
{
	int solved = 0;
	int capped = 0;
	int refused = 0;

	(void) state;
	random_state = 42;
	for (int i = 0; i < 8000; i++)
	{
		Case *c = RandomCase((int) Random(1, 5), (int) Random(1, 6), 3);
		SolverPlan plan;
		SolverStatus status;
		int64_t best;

		/* light parcels cheap, few of them allowed: capacities bind */
		for (int j = 0; i % 2 == 0 && j < c->problem.n_nodes; j++)
		{
			c->nodes[j].max_parcels = (Random(0, 3) ? 1 : 2);
			c->nodes[j].per_parcel = Random(0, 20);
			c->brackets[j % MAX_TARIFFS][0].base = Random(0, 100);
			c->problem.split_penalty = 0;
		}
		status = SolveCase(c, &plan);
		best = BruteWhole(&c->problem);

		if (best == NEVER)
		{
			assert_true(status >= SOLVER_NO_STOCK && status <= SOLVER_NO_PLAN);
			refused++;
		}
		else
		{
			assert_int_equal(status, SOLVER_OK);
			assert_true(plan.exact);
			assert_int_equal(plan.cost, best);
			solved++;
			if (i % 16 == 0)
				ExpectSamePlan(c, &plan);
			for (int j = 0; j < c->problem.n_nodes; j++)
			{
				int capacity = c->nodes[j].max_parcels;

				if (capacity == 0)
					continue;
				c->nodes[j].max_parcels = INT32_MAX;
				capped += BruteWhole(&c->problem) < best;
				c->nodes[j].max_parcels = capacity;
			}
			FreePlan(c, &plan);
		}
		free(c);
	}
	print_message("%d optimal, %d node capacities bound, %d refused\n", solved,
				  capped, refused);
	assert_true(solved > 3000 && capped > 50 && refused > 100);
}

static void
random_divided_plans_are_bounded(void **state)
{
	int n = 0;
	int optimal = 0;
	int proven = 0;
	int missed = 0;
	double gap = 0;
	double bound_gap = 0;

	(void) state;
	random_state = 7;
	for (int i = 0; i < 4000; i++)
	{
		Case *c = RandomCase((int) Random(1, 3), (int) Random(1, 3), 3);
		bool may_split[3] = {false};
		bool must_split = false;
		bool all[3] = {true, true, true};
		SolverPlan plan;
		SolverStatus status;
		int64_t strict;
		int64_t relaxed;
		bool divided = false;

		c->problem.allow_line_split = true;
		if (c->problem.max_parcels == 1)
			c->problem.max_parcels = 0;
		for (int j = 0; j < c->problem.n_lines * c->problem.n_nodes; j++)
		{
			c->stock_value[j] = Random(0, 60);
			if (c->available[j] > 1)
				c->available[j] = Random(1, c->available[j]);
		}
		for (int j = 0; j < c->problem.n_lines; j++)
		{
			may_split[j] = !JudgeWhole(&c->problem, j);
			must_split |= may_split[j];
		}
		status = SolveCase(c, &plan);
		strict = BruteDivided(&c->problem, may_split);
		relaxed = BruteDivided(&c->problem, all);
		if (relaxed == NEVER)
			assert_true(status >= SOLVER_NO_STOCK && status <= SOLVER_NO_PLAN);
		else if (status != SOLVER_OK)
		{
			assert_int_equal(status, SOLVER_NO_PLAN);
			missed++;
		}
		else
		{
			for (int j = 1; j < plan.n_pieces; j++)
			{
				for (int k = 0; k < j; k++)
					divided |= plan.pieces[j].line == plan.pieces[k].line &&
						!may_split[plan.pieces[j].line];
			}
			if (divided)
				assert_true(must_split || strict == NEVER);
			else
				assert_true(plan.lower_bound <= strict && strict <= plan.cost);
			assert_true(plan.lower_bound <= strict);
			assert_true(relaxed <= plan.cost);
			if (must_split)
			{
				int64_t best = (divided ? relaxed : strict);

				n++;
				optimal += plan.cost == best;
				proven += plan.exact;
				gap += (double) (plan.cost - best) / (double) best;
				bound_gap += (double) (best - plan.lower_bound) / (double) best;
			}
			FreePlan(c, &plan);
		}
		free(c);
	}
	print_message("%d divided: %d optimal, %d proven, mean gap %.3f %%, "
				  "mean slack of the bound %.1f %%, %d missed\n",
				  n, optimal, proven, 100 * gap / n, 100 * bound_gap / n,
				  missed);
	assert_true(n > 300);
	assert_true(optimal > n * 9 / 10);
	assert_true(missed < n / 50);
}

static void
random_large_orders_are_feasible(void **state)
{
	int n = 0;
	int proven = 0;
	double gap = 0;

	(void) state;
	random_state = 99;
	for (int i = 0; i < 60; i++)
	{
		Case *c = RandomCase((int) Random(13, MAX_LINES), MAX_NODES, 4);
		SolverPlan plan;

		c->problem.allow_line_split = Random(0, 1);
		c->problem.max_parcels = 0;
		for (int j = 0; j < MAX_NODES; j++)
			c->services[j][0].temperature = 3;
		for (int j = 0; j < MAX_TARIFFS; j++)
			c->brackets[j][c->tariffs[j].n_brackets - 1].up_to_g = NEVER;
		for (int j = 0; j < c->problem.n_lines; j++)
			Stock(c, j, (int) Random(0, MAX_NODES - 1), 4);
		if (SolveCase(c, &plan) == SOLVER_OK)
		{
			n++;
			proven += plan.exact;
			if (plan.cost > 0)
				gap += (double) (plan.cost - plan.lower_bound) /
					(double) plan.cost;
			if (i % 8 == 0)
				ExpectSamePlan(c, &plan);
			FreePlan(c, &plan);
		}
		free(c);
	}
	print_message("%d large: %d proven, mean gap to the bound %.1f %%\n", n,
				  proven, 100 * gap / n);
	assert_true(n > 20);
}

/*
 * Compare the heuristic with the exact program: the same order, once with a
 * thirteenth line that only one node has and that weighs and costs nothing.
 */
static void
heuristic_is_near_the_optimum(void **state)
{
	int n = 0;
	int same = 0;
	double gap = 0;

	(void) state;
	random_state = 5;
	for (int i = 0; i < 60; i++)
	{
		Case *c = RandomCase(13, 6, 2);
		SolverPlan exact;
		SolverPlan plan;

		c->problem.max_parcels = 0;
		for (int j = 0; j < 6; j++)
		{
			c->services[j][0].temperature = 3;
			c->nodes[j].max_parcels = INT32_MAX;
			for (int k = 0; k < 13; k++)
				c->stock_value[k * 6 + j] = 0;
			Stock(c, 12, j, 1);
		}
		for (int j = 0; j < 12; j++)
			Stock(c, j, (int) Random(0, 5), 2);
		for (int j = 0; j < 6; j++)
			c->nodes[j].per_unit = 0;
		for (int j = 0; j < MAX_TARIFFS; j++)
			c->brackets[j][c->tariffs[j].n_brackets - 1].up_to_g = NEVER;
		c->lines[12] = (SolverLine){.quantity = 1};
		if (SolveCase(c, &plan) == SOLVER_OK)
		{
			int64_t cost = plan.cost;
			int64_t bound = plan.lower_bound;

			FreePlan(c, &plan);
			c->problem.n_lines = 12;
			assert_int_equal(SolveCase(c, &exact), SOLVER_OK);
			assert_true(exact.exact);
			assert_true(bound <= exact.cost && exact.cost <= cost);
			n++;
			same += cost == exact.cost;
			gap += (double) (cost - exact.cost) / (double) exact.cost;
			FreePlan(c, &exact);
		}
		free(c);
	}
	print_message("%d compared: %d optimal, mean gap %.2f %%\n", n, same,
				  100 * gap / n);
	assert_true(n > 30);
	assert_true(gap / n < 0.03);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(freight_of_first_weight_plus_additional),
		cmocka_unit_test(freight_of_brackets),
		cmocka_unit_test(freight_of_volumetric_weight),
		cmocka_unit_test(freight_overflow_is_refused),
		cmocka_unit_test(one_parcel_beats_two),
		cmocka_unit_test(two_parcels_of_one_node_where_weight_is_limited),
		cmocka_unit_test(two_light_parcels_beat_a_heavy_one),
		cmocka_unit_test(cold_goods_need_a_cold_service),
		cmocka_unit_test(stock_value_and_lateness_count),
		cmocka_unit_test(capacity_of_a_node_binds),
		cmocka_unit_test(
			ties_go_to_fewer_parcels_then_preferred_then_lower_node),
		cmocka_unit_test(a_line_is_split_only_if_it_must),
		cmocka_unit_test(a_line_too_heavy_for_a_parcel_takes_several),
		cmocka_unit_test(capacity_may_force_a_split),
		cmocka_unit_test(no_stock_names_the_line),
		cmocka_unit_test(no_service_names_the_line),
		cmocka_unit_test(bad_problems_are_refused),
		cmocka_unit_test(unlimited_stock_is_fine),
		cmocka_unit_test(statuses_have_texts),
		cmocka_unit_test(failing_memory_leaks_nothing),
		cmocka_unit_test(interruption_stops_the_search),
		cmocka_unit_test(random_whole_plans_are_optimal),
		cmocka_unit_test(random_divided_plans_are_bounded),
		cmocka_unit_test(random_large_orders_are_feasible),
		cmocka_unit_test(heuristic_is_near_the_optimum),
	};

	return cmocka_run_group_tests_name("solver", tests, NULL, NULL);
}
