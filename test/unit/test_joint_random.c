/*-------------------------------------------------------------------------
 *
 * test_joint_random.c
	  Unit tests of the joint allocation: random batches against a brute force
 *	  and plain first come, first served.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "joint_brute.h"

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
		int order;

		random_state = 1000003 * (uint64_t) (run + 1);
		batch = RandomBatch(shape[0], shape[1], shape[2], shape[3], shape[4]);
		Sequence(batch, sequence);
		Decide(batch, &result);
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
		int order;
		int n = 10 + run % (MAX_ORDERS - 9);

		random_state = 7919 * (uint64_t) (run + 1);
		batch = RandomBatch(n, MAX_NODES, 8, 3, 3);
		for (int i = 0; i < n; i++)
			batch->own[i].problem.allow_line_split = run % 2;
		batch->problem.max_solves = run % 3 == 0 ? 5 : 0;
		Sequence(batch, sequence);
		Decide(batch, &result);
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
		cmocka_unit_test(test_against_brute_force),
		cmocka_unit_test(test_larger_batches),
	};

	return cmocka_run_group_tests_name("joint_random", tests, NULL, NULL);
}
