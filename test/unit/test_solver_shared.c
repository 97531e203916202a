/*-------------------------------------------------------------------------
 *
 * test_solver_shared.c
 *	  Unit tests of lines that draw from the same stock: random problems
 *	  against every way to send their units.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "solver_case.h"

#include "../../src/allocation/solver_shared.h"

#define MAX_STOCKS 2

/* A problem whose lines share stocks. */
typedef struct SharedCase
{
	Case *c;
	int n_stocks;
	SolverStock stocks[MAX_STOCKS];
	SolverDraw draws[MAX_STOCKS][4];
	int64_t available[MAX_STOCKS][MAX_NODES];
} SharedCase;

/* Every plan with one parcel a node: units of each line at each node. */
typedef struct Every
{
	const SharedCase *s;
	bool whole; /* lines that a node could send alone are not divided */
	int64_t at[4][3];
	int64_t best;
} Every;

static int64_t
PriceOf(const Every *e, int node)
{
	const SolverProblem *p = &e->s->c->problem;
	const SolverBracket *b = p->tariffs[0].brackets;
	int64_t weight = 0;
	int64_t units = 0;
	int64_t value = 0;

	for (int i = 0; i < p->n_lines; i++)
	{
		weight += e->at[i][node] * p->lines[i].unit_weight_g;
		units += e->at[i][node];
		value += e->at[i][node] * p->stock_value[i * p->n_nodes + node];
	}
	if (units == 0)
		return 0;
	return p->split_penalty + b->base +
		(weight > b->over_g
			 ? (weight - b->over_g + b->step_g - 1) / b->step_g * b->step_price
			 : 0) +
		p->nodes[node].per_parcel + units * p->nodes[node].per_unit + value;
}

static void
WeighPlan(Every *e)
{
	const SolverProblem *p = &e->s->c->problem;
	int64_t cost = -p->split_penalty;
	int parcels = 0;

	for (int s = 0; s < e->s->n_stocks; s++)
		for (int n = 0; n < p->n_nodes; n++)
		{
			const SolverStock *stock = &e->s->stocks[s];
			int64_t left = stock->available[n];

			for (int d = 0; d < stock->n_draws; d++)
				left -= stock->draws[d].units * e->at[stock->draws[d].line][n];
			if (left < 0)
				return;
		}
	for (int n = 0; n < p->n_nodes; n++)
	{
		bool sends = false;

		for (int i = 0; i < p->n_lines; i++)
			sends = sends || e->at[i][n] > 0;
		parcels += sends;
		cost += PriceOf(e, n);
	}
	if ((p->max_parcels == 0 || parcels <= p->max_parcels) && cost < e->best)
		e->best = cost;
}

static void
EveryPlan(Every *e, int line, int node, int64_t left)
{
	const SolverProblem *p = &e->s->c->problem;
	int64_t there;
	bool undivided = !p->allow_line_split;

	if (line == p->n_lines)
	{
		WeighPlan(e);
		return;
	}
	if (node == p->n_nodes)
	{
		if (left == 0)
			EveryPlan(e, line + 1, 0,
					  line + 1 < p->n_lines ? p->lines[line + 1].quantity : 0);
		return;
	}
	for (int n = 0; n < p->n_nodes && e->whole; n++)
		undivided = undivided ||
			p->available[line * p->n_nodes + n] >= p->lines[line].quantity;
	there = p->available[line * p->n_nodes + node];
	for (int64_t units = 0; units <= left && units <= there; units++)
	{
		if (undivided && units != 0 && units != p->lines[line].quantity)
			continue;
		e->at[line][node] = units;
		EveryPlan(e, line, node + 1, left - units);
	}
	e->at[line][node] = 0;
}

static int64_t
CheapestOfAll(const SharedCase *s, bool whole)
{
	Every e = {.s = s, .whole = whole, .best = NEVER};

	EveryPlan(&e, 0, 0, s->c->problem.lines[0].quantity);
	return e.best;
}

/*
 * Make an order of bundles (line 0, perhaps 1) and of SKUs that are in them and
 * ordered alone, too.
 */
static SharedCase
RandomShared(int most_units)
{
	SharedCase s = {.n_stocks = (int) Random(1, 2)};
	int n_lines = s.n_stocks + (int) Random(1, 2);
	int n_nodes = (int) Random(1, 3);
	Case *c = MakeCase(n_lines, n_nodes);

	s.c = c;
	/* one parcel is never dearer than two of the same goods */
	c->brackets[0][0] = (SolverBracket){NEVER, Random(0, 500), 0,
										Random(1, 3) * 250, Random(0, 200)};
	c->problem.split_penalty = Random(0, 1) * Random(0, 300);
	c->problem.max_parcels = Random(0, 3) ? 0 : (int) Random(1, 2);
	for (int i = 0; i < n_lines; i++)
	{
		c->lines[i].quantity = Random(1, most_units);
		c->lines[i].unit_weight_g = Random(0, 4) * 300;
		for (int n = 0; n < n_nodes; n++)
		{
			c->available[i * n_nodes + n] = Random(0, most_units * 2);
			c->stock_value[i * n_nodes + n] = Random(0, 2) * Random(-50, 50);
		}
	}
	for (int n = 0; n < n_nodes; n++)
	{
		c->nodes[n].per_parcel = Random(0, 400);
		c->nodes[n].per_unit = Random(0, 60);
	}
	for (int t = 0; t < s.n_stocks; t++)
	{
		SolverStock *stock = &s.stocks[t];

		stock->draws = s.draws[t];
		stock->available = s.available[t];
		for (int i = 0; i < n_lines && stock->n_draws < 3; i++)
			if (i == 0 || i == n_lines - 1 - t || Random(0, 2) == 0)
				s.draws[t][stock->n_draws++] =
					(SolverDraw){i, i == 0 ? Random(1, 3) : Random(1, 2)};
		for (int n = 0; n < n_nodes; n++)
		{
			s.available[t][n] = Random(0, most_units * 3);
			for (int d = 0; d < stock->n_draws; d++)
			{
				int64_t *there =
					&c->available[s.draws[t][d].line * n_nodes + n];
				int64_t most = s.available[t][n] / s.draws[t][d].units;

				*there = *there < most ? *there : most;
			}
		}
	}
	return s;
}

/* Solve with the stocks where they are now: the case may have been copied. */
static SolverStatus
SolveShared(SharedCase *s, SolverPlan *plan)
{
	for (int t = 0; t < s->n_stocks; t++)
	{
		s->stocks[t].draws = s->draws[t];
		s->stocks[t].available = s->available[t];
	}
	return solver_solve_shared(&s->c->problem, s->stocks, s->n_stocks, plan);
}

static void
ExpectFeasible(SharedCase *s, const SolverPlan *plan)
{
	const SolverProblem *p = &s->c->problem;

	for (int i = 0; i < p->n_lines; i++)
	{
		int64_t sent = 0;

		for (int k = 0; k < plan->n_pieces; k++)
			sent += plan->pieces[k].line == i ? plan->pieces[k].quantity : 0;
		assert_int_equal(sent, p->lines[i].quantity);
	}
	for (int t = 0; t < s->n_stocks; t++)
		for (int n = 0; n < p->n_nodes; n++)
		{
			int64_t left = s->available[t][n];

			for (int k = 0; k < plan->n_pieces; k++)
				for (int d = 0; d < s->stocks[t].n_draws; d++)
					if (plan->pieces[k].line == s->draws[t][d].line &&
						plan->parcels[plan->pieces[k].parcel].node == n)
						left -= plan->pieces[k].quantity * s->draws[t][d].units;
			assert_true(left >= 0);
		}
	assert_true(plan->lower_bound <= plan->cost);
	assert_int_equal(plan->exact, plan->lower_bound == plan->cost);
}

static void
whole_plans_are_optimal(void **state)
{
	int solved = 0;
	int refused = 0;

	(void) state;
	random_state = 7;
	for (int i = 0; i < 20000; i++)
	{
		SharedCase s = RandomShared((int) Random(1, 3));
		SolverPlan plan;
		SolverStatus status;
		int64_t best;

		s.c->problem.allow_line_split = false;
		status = SolveShared(&s, &plan);
		best = CheapestOfAll(&s, true);
		if (best == NEVER)
		{
			assert_int_not_equal(status, SOLVER_OK);
			refused++;
		}
		else
		{
			assert_int_equal(status, SOLVER_OK);
			ExpectFeasible(&s, &plan);
			assert_true(plan.exact);
			assert_int_equal(plan.cost, best);
			solver_free_plan(&s.c->problem, &plan);
			solved++;
		}
		assert_int_equal(s.c->hooks.living, 0);
		free(s.c);
	}
	assert_true(solved > 2000);
	assert_true(refused > 2000);
}

static void
bounds_of_divided_plans_are_true(void **state)
{
	int solved = 0;
	int exact = 0;
	int missed = 0;

	(void) state;
	random_state = 11;
	for (int i = 0; i < 10000; i++)
	{
		SharedCase s = RandomShared((int) Random(1, 3));
		SolverPlan plan;
		SolverStatus status;

		s.c->problem.allow_line_split = true;
		status = SolveShared(&s, &plan);
		if (status == SOLVER_OK)
		{
			ExpectFeasible(&s, &plan);
			assert_true(plan.cost >= CheapestOfAll(&s, false));
			assert_true(plan.lower_bound <= CheapestOfAll(&s, true));
			exact += plan.exact;
			solved++;
			solver_free_plan(&s.c->problem, &plan);
		}
		else
			missed += CheapestOfAll(&s, true) != NEVER;
		assert_int_equal(s.c->hooks.living, 0);
		free(s.c);
	}
	print_message("%d solved, %d of them exact, %d plans missed\n", solved,
				  exact, missed);
	assert_true(solved > 2000);
	assert_true(exact > solved * 3 / 4);
	assert_int_equal(missed, 0);
}

static void
many_units_end_in_time(void **state)
{
	(void) state;
	random_state = 13;
	for (int i = 0; i < 200; i++)
	{
		SharedCase s = RandomShared(1000);
		SolverPlan plan;

		s.c->problem.allow_line_split = true;
		s.c->problem.max_parcels = 0;
		if (SolveShared(&s, &plan) == SOLVER_OK)
		{
			ExpectFeasible(&s, &plan);
			solver_free_plan(&s.c->problem, &plan);
		}
		assert_int_equal(s.c->hooks.living, 0);
		free(s.c);
	}
}

/* A bundle and a loose unit, one of the SKU here and one there. */
static SharedCase
OneHereOneThere(void)
{
	SharedCase s = {.c = MakeCase(2, 2), .n_stocks = 1};

	Stock(s.c, 0, 0, 1);
	Stock(s.c, 1, 0, 1);
	Stock(s.c, 1, 1, 1);
	s.c->nodes[1].per_parcel = 100;
	s.draws[0][0] = (SolverDraw){0, 1};
	s.draws[0][1] = (SolverDraw){1, 1};
	s.available[0][0] = s.available[0][1] = 1;
	s.stocks[0].n_draws = 2;
	return s;
}

static void
the_loose_unit_comes_from_elsewhere(void **state)
{
	SharedCase s = OneHereOneThere();
	SolverPlan plan;

	(void) state;
	assert_int_equal(SolveShared(&s, &plan), SOLVER_OK);
	assert_int_equal(plan.cost, 2100);
	assert_true(plan.exact);
	solver_free_plan(&s.c->problem, &plan);
	s.available[0][0] = 2;
	assert_int_equal(SolveShared(&s, &plan), SOLVER_OK);
	assert_int_equal(plan.cost, 1000);
	solver_free_plan(&s.c->problem, &plan);
	s.available[0][0] = 1;
	s.c->problem.max_parcels = 1;
	assert_int_equal(SolveShared(&s, &plan), SOLVER_NO_PLAN);
	s.c->problem.max_parcels = 0;
	s.available[0][1] = 0;
	s.c->available[1 * 2 + 1] = 0;
	assert_int_equal(SolveShared(&s, &plan), SOLVER_NO_STOCK);
	assert_int_equal(plan.short_line, 1);
	free(s.c);
}

static void
no_memory_and_no_patience(void **state)
{
	(void) state;
	for (int fail = 0;; fail++)
	{
		SharedCase s = OneHereOneThere();
		SolverPlan plan;
		SolverStatus status;

		s.c->hooks.fail_at = fail;
		status = SolveShared(&s, &plan);
		if (status == SOLVER_OK)
			solver_free_plan(&s.c->problem, &plan);
		else
			assert_int_equal(status, SOLVER_NO_MEMORY);
		assert_int_equal(s.c->hooks.living, 0);
		free(s.c);
		if (status == SOLVER_OK)
		{
			assert_true(fail > 10);
			break;
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_plans_are_optimal),
		cmocka_unit_test(bounds_of_divided_plans_are_true),
		cmocka_unit_test(many_units_end_in_time),
		cmocka_unit_test(the_loose_unit_comes_from_elsewhere),
		cmocka_unit_test(no_memory_and_no_patience),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
