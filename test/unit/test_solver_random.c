/*-------------------------------------------------------------------------
 *
 * test_solver_random.c
 *	  Unit tests of the allocation solver: random problems against a brute
 *	  force that shares no code with it.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "solver_brute.h"

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

/*
 * Nodes may share an array of services: then the solver need not look at each,
 * but must find the plan that it finds when each has an array of its own.
 */
static void
shared_services_change_no_plan(void **state)
{
	int solved = 0;

	(void) state;
	random_state = 77;
	for (int i = 0; i < 6000; i++)
	{
		Case *c = RandomCase((int) Random(1, 4), (int) Random(2, 6), 3);
		SolverPlan shared;
		SolverPlan own;
		SolverStatus status;

		if (i % 4 != 0)
			c->problem.stock_value = NULL;
		for (int j = 0; j < c->problem.n_nodes; j++)
		{
			c->nodes[j].services = c->services[j % 2];
			c->nodes[j].n_services = c->nodes[j % 2].n_services;
			c->nodes[j].per_parcel = 10 * Random(0, 1);
			c->nodes[j].per_unit = Random(0, 1);
			c->nodes[j].preferred = Random(0, 3) == 0;
			c->nodes[j].max_parcels =
				Random(0, 2) ? INT32_MAX : (int) Random(0, 2);
		}
		status = SolveCase(c, &shared);
		for (int j = 2; j < c->problem.n_nodes; j++)
		{
			memcpy(c->services[j], c->services[j % 2], sizeof(c->services[j]));
			c->nodes[j].services = c->services[j];
		}
		assert_int_equal(solver_solve(&c->problem, &own), status);
		if (status != SOLVER_OK)
		{
			free(c);
			continue;
		}
		solved++;
		assert_int_equal(own.cost, shared.cost);
		assert_int_equal(own.n_parcels, shared.n_parcels);
		assert_int_equal(own.n_pieces, shared.n_pieces);
		assert_memory_equal(own.parcels, shared.parcels,
							(size_t) own.n_parcels * sizeof(SolverParcel));
		assert_memory_equal(own.pieces, shared.pieces,
							(size_t) own.n_pieces * sizeof(SolverPiece));
		if (shared.exact)
			assert_true(shared.cost <= BruteWhole(&c->problem));
		solver_free_plan(&c->problem, &own);
		solver_free_plan(&c->problem, &shared);
		free(c);
	}
	assert_true(solved > 3000);
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
		if (i % 3 == 0)
			c->problem.stock_value = NULL;
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
		cmocka_unit_test(shared_services_change_no_plan),
		cmocka_unit_test(random_whole_plans_are_optimal),
		cmocka_unit_test(random_divided_plans_are_bounded),
		cmocka_unit_test(random_large_orders_are_feasible),
		cmocka_unit_test(heuristic_is_near_the_optimum),
	};

	return cmocka_run_group_tests_name("solver, random problems", tests, NULL,
									   NULL);
}
