/*-------------------------------------------------------------------------
 *
 * test_joint.c
	  Unit tests of the joint allocation: cases with known answers, bad
 *	  problems, failing memory and interruption.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "joint_case.h"

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
	Decide(batch, &result);
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
	Decide(batch, &result);
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
	Decide(batch, &result);
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
	Decide(batch, &result);
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
	Decide(batch, &result);
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
	Decide(batch, &result);
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
	Decide(batch, &result);
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
				batch->hooks.fail_at = at;
			else
				batch->hooks.stop_at = at;
			status = joint_solve(&batch->problem, &result);
			if (at < 0)
			{
				allocations = batch->hooks.allocations;
				questions = batch->hooks.questions;
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
	};

	return cmocka_run_group_tests_name("joint", tests, NULL, NULL);
}
