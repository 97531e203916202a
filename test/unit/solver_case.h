/*-------------------------------------------------------------------------
 *
 * solver_case.h
 *	  Problems for the unit tests of the allocation solver, solved and judged.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef SOLVER_CASE_H
#define SOLVER_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hooks.h"
#include "random.h"
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
	Hooks hooks;
} Case;

/*
 * Make a case: each line 1 unit of 1000 g, each node one service of tariff 0
 * (10.00 flat), no stock anywhere.
 */
static inline Case *
MakeCase(int n_lines, int n_nodes)
{
	Case *c = calloc(1, sizeof(Case));

	c->hooks.fail_at = -1;
	c->hooks.stop_at = -1;
	c->problem = (SolverProblem){.n_lines = n_lines,
								 .n_nodes = n_nodes,
								 .n_tariffs = 1,
								 .lines = c->lines,
								 .nodes = c->nodes,
								 .tariffs = c->tariffs,
								 .available = c->available,
								 .stock_value = c->stock_value};
	SetHooks(&c->problem, &c->hooks);
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

static inline void
Stock(Case *c, int line, int node, int64_t quantity)
{
	c->available[line * c->problem.n_nodes + node] = quantity;
}

/*
 * Solve a case and check what must hold whatever the answer.
 */
static inline SolverStatus
SolveCase(Case *c, SolverPlan *plan)
{
	SolverStatus status;

	c->hooks.allocations = 0;
	c->hooks.questions = 0;
	memset(plan, 0x5A, sizeof(SolverPlan));
	status = solver_solve(&c->problem, plan);
	if (status == SOLVER_OK)
	{
		const char *wrong = JudgePlan(&c->problem, plan);

		if (wrong != NULL)
			fail_msg("%s", wrong);
		assert_int_equal(c->hooks.living, 2);
	}
	else
	{
		assert_int_equal(c->hooks.living, 0);
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

static inline void
FreePlan(Case *c, SolverPlan *plan)
{
	solver_free_plan(&c->problem, plan);
	assert_int_equal(c->hooks.living, 0);
	assert_null(plan->parcels);
	solver_free_plan(&c->problem, plan);
}

/*
 * Solve a case that must have an exact plan of a known cost and size.
 */
static inline void
ExpectPlan(Case *c, int64_t cost, int n_parcels)
{
	SolverPlan plan;

	assert_int_equal(SolveCase(c, &plan), SOLVER_OK);
	assert_int_equal(plan.cost, cost);
	assert_int_equal(plan.n_parcels, n_parcels);
	assert_true(plan.exact);
	FreePlan(c, &plan);
}

static inline void
ExpectFailure(Case *c, SolverStatus expected, int short_line)
{
	SolverPlan plan;

	assert_int_equal(SolveCase(c, &plan), expected);
	assert_int_equal(plan.short_line, short_line);
}

/*
 * Make a random tariff: brackets whose prices need not grow.
 */
static inline void
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
static inline Case *
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

#endif /* SOLVER_CASE_H */
