/*-------------------------------------------------------------------------
 *
 * test_solver_limits.c
 *	  Unit tests of the allocation solver: failing memory, interruption, and
 *	  orders that are large.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <time.h>

#include "solver_case.h"

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
		n = c->hooks.allocations;
		for (c->hooks.fail_at = 0; c->hooks.fail_at < n; c->hooks.fail_at++)
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
		n = c->hooks.questions;
		assert_true(n > 0);
		for (int i = 0; i < n; i += (n > 100 ? n / 50 : 1))
		{
			c->hooks.stop_at = i;
			ExpectFailure(c, SOLVER_INTERRUPTED, -1);
			assert_int_equal(c->hooks.questions, i + 1);
		}
		c->problem.interrupted = NULL;
		assert_int_equal(SolveCase(c, &plan), SOLVER_OK);
		FreePlan(c, &plan);
		free(c);
	}
}

/* Tests: large orders */

#define CARTON_NODES 20
#define SCATTERED_NODES 320

/* A large problem with its arrays, and what its hook saw. */
typedef struct Large
{
	SolverProblem problem;
	SolverLine *lines;
	SolverNode *nodes;
	SolverService *services; /* two a node */
	SolverBracket brackets[3];
	SolverTariff tariffs[3];
	int64_t *available;
	int questions;
	int stop_at;  /* question answered with yes; -1: none */
	double asked; /* when the last was, seconds of processor time */
	double longest_silence;
} Large;

/*
 * Tell how much of the processor this test has used: a busy machine does not
 * matter.
 */
static double
ProcessorSeconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static bool
LargeInterrupted(void *context)
{
	Large *large = context;
	double now = ProcessorSeconds();

	if (now - large->asked > large->longest_silence)
		large->longest_silence = now - large->asked;
	large->asked = now;
	return large->questions++ == large->stop_at;
}

/*
 * Make a chain without stock, with a courier up to 30 kg and a dearer one,
 * and an order of lines of some weight.
 */
static Large *
MakeLarge(int n_lines, int n_nodes)
{
	static const SolverBracket brackets[3] = {{30000, 600, 1000, 1000, 120},
											  {30000, 900, 1000, 1000, 320},
											  {30000, 1800, 1000, 1000, 400}};
	Large *large = calloc(1, sizeof(Large));

	large->stop_at = -1;
	large->lines = calloc((size_t) n_lines, sizeof(SolverLine));
	large->nodes = calloc((size_t) n_nodes, sizeof(SolverNode));
	large->services = calloc((size_t) n_nodes * 2, sizeof(SolverService));
	large->available =
		calloc((size_t) n_lines * (size_t) n_nodes, sizeof(int64_t));
	memcpy(large->brackets, brackets, sizeof(brackets));
	for (int i = 0; i < 3; i++)
		large->tariffs[i] = (SolverTariff){&large->brackets[i], 1, 6000};
	for (int i = 0; i < n_nodes; i++)
	{
		large->services[2 * i] = (SolverService){i % 3, i % 2 * 100, ANY};
		large->services[2 * i + 1] = (SolverService){2, 0, ANY};
		large->nodes[i] = (SolverNode){.per_parcel = 200 + i % 7 * 30,
									   .per_unit = 30 + i % 3 * 10,
									   .services = &large->services[2 * i],
									   .n_services = 2,
									   .max_parcels = INT32_MAX};
	}
	large->problem = (SolverProblem){.n_lines = n_lines,
									 .n_nodes = n_nodes,
									 .n_tariffs = 3,
									 .lines = large->lines,
									 .nodes = large->nodes,
									 .tariffs = large->tariffs,
									 .available = large->available,
									 .split_penalty = 200,
									 .allow_line_split = true,
									 .alloc = PlainAlloc,
									 .release = PlainRelease,
									 .interrupted = LargeInterrupted,
									 .context = large};
	return large;
}

static void
FreeLarge(Large *large)
{
	free(large->lines);
	free(large->nodes);
	free(large->services);
	free(large->available);
	free(large);
}

/*
 * Make an order of many lines whose stock is scattered: each lies at a few
 * nodes, one in five nowhere whole.
 */
static Large *
MakeScattered(int n_lines)
{
	Large *large = MakeLarge(n_lines, SCATTERED_NODES);

	for (int l = 0; l < n_lines; l++)
	{
		large->lines[l] = (SolverLine){.quantity = Random(1, 6),
									   .unit_weight_g = Random(50, 2000),
									   .unit_volume_cm3 = Random(100, 5000)};
		for (int i = 0; i < 12; i++)
			large->available[l * SCATTERED_NODES +
							 Random(0, SCATTERED_NODES - 1)] =
				(l % 5 == 0 ? (large->lines[l].quantity + 2) / 3
							: large->lines[l].quantity);
	}
	return large;
}

/*
 * Make an order of twelve lines that every node has, which may send one
 * parcel each: the longest way through the exact program.
 */
static Large *
MakeCrowded(void)
{
	Large *large = MakeLarge(SOLVER_EXACT_LINES, SCATTERED_NODES);

	for (int l = 0; l < SOLVER_EXACT_LINES; l++)
		large->lines[l] =
			(SolverLine){.quantity = 1, .unit_weight_g = 900 + 7 * l};
	for (int i = 0; i < SCATTERED_NODES * SOLVER_EXACT_LINES; i++)
		large->available[i] = 1;
	for (int i = 0; i < SCATTERED_NODES; i++)
		large->nodes[i].max_parcels = 1;
	/* light parcels are cheap, and cheapest at one node */
	for (int i = 0; i < 3; i++)
		large->brackets[i] = (SolverBracket){30000, 10, 1000, 100, 300};
	large->problem.split_penalty = 0;
	large->nodes[0].per_parcel = 0;
	return large;
}

/*
 * Solve a large order, judge the plan, and return its number of parcels.
 */
static int
SolveLarge(Large *large, const char *what)
{
	SolverPlan plan;
	double begin = ProcessorSeconds();
	const char *wrong;
	int n_parcels;

	large->asked = begin;
	assert_int_equal(solver_solve(&large->problem, &plan), SOLVER_OK);
	wrong = JudgePlan(&large->problem, &plan);
	if (wrong != NULL)
		fail_msg("%s: %s", what, wrong);
	print_message("%s: %d parcels, %.1f %% above the bound, %.2f s, "
				  "asked %d times, at most %.0f ms apart\n",
				  what, plan.n_parcels,
				  100.0 * (double) (plan.cost - plan.lower_bound) /
					  (double) plan.lower_bound,
				  ProcessorSeconds() - begin, large->questions,
				  1e3 * large->longest_silence);
	n_parcels = plan.n_parcels;
	solver_free_plan(&large->problem, &plan);
	return n_parcels;
}

static void
cartons_by_the_thousand_are_sent(void **state)
{
	Large *large = MakeLarge(1, CARTON_NODES);

	(void) state;
	/* 20 kg each: a parcel of the courier holds one */
	large->lines[0] = (SolverLine){.quantity = 3000, .unit_weight_g = 20000};
	for (int i = 0; i < CARTON_NODES; i++)
		large->available[i] = 200;
	assert_int_equal(SolveLarge(large, "3,000 cartons"), 3000);
	FreeLarge(large);
}

static void
hundreds_of_scattered_lines_are_sent(void **state)
{
	(void) state;
	random_state = 300;
	for (int n_lines = 100; n_lines <= 300; n_lines += 200)
	{
		Large *large = MakeScattered(n_lines);

		assert_true(SolveLarge(large, "scattered lines") < n_lines);
		FreeLarge(large);
	}
}

/*
 * Stop the solver at some of its questions: it must end at once, and must
 * not work long without asking, whichever phase it is in.
 */
static void
ExpectInterruptible(Large *large, const char *what)
{
	int n;

	(void) SolveLarge(large, what);
	n = large->questions;
	assert_true(n > 20);
	assert_true(large->longest_silence < 0.25);
	for (int i = 0; i < 20; i++)
	{
		SolverPlan plan;

		large->questions = 0;
		large->stop_at = n / 20 * i;
		assert_int_equal(solver_solve(&large->problem, &plan),
						 SOLVER_INTERRUPTED);
		assert_int_equal(large->questions, large->stop_at + 1);
		assert_true(ProcessorSeconds() - large->asked < 0.25);
		assert_null(plan.parcels);
	}
}

static void
interruption_is_asked_for_in_every_phase(void **state)
{
	Large *large = MakeCrowded();

	(void) state;
	ExpectInterruptible(large, "exact program, capacities bind");
	FreeLarge(large);
	random_state = 301;
	large = MakeScattered(60);
	ExpectInterruptible(large, "bound, constructions, improvement");
	FreeLarge(large);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failing_memory_leaks_nothing),
		cmocka_unit_test(interruption_stops_the_search),
		cmocka_unit_test(cartons_by_the_thousand_are_sent),
		cmocka_unit_test(hundreds_of_scattered_lines_are_sent),
		cmocka_unit_test(interruption_is_asked_for_in_every_phase),
	};

	return cmocka_run_group_tests_name("solver, limits", tests, NULL, NULL);
}
