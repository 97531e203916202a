/*-------------------------------------------------------------------------
 *
 * test_solver.c
 *	  Unit tests of the allocation solver: tariffs, small cases with known
 *	  answers, every error status.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "solver_case.h"

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
	EXPECT_BAD(c->nodes[1].per_unit, INT64_C(300000000000000));
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
 * A parcel of one unit is cheap, one of two is dear: a line that must be
 * divided goes in three, though two parcels could hold it.
 */
static void
units_go_apart_where_that_is_cheaper(void **state)
{
	Case *c = MakeCase(1, 2);
	SolverPlan plan;

	(void) state;
	c->problem.allow_line_split = true;
	c->problem.n_tariffs = 2;
	c->lines[0] = (SolverLine){.quantity = 3, .unit_weight_g = 1445};
	c->brackets[0][0] = (SolverBracket){3000, 1435, 0, 1000, 312};
	c->brackets[1][0] = (SolverBracket){1900, 118, 0, 0, 0};
	for (int i = 0; i < 2; i++)
	{
		c->services[i][0].tariff = 1 - i;
		c->services[i][1] = (SolverService){i, 150, ANY};
		c->nodes[i].n_services = 2;
		c->nodes[i].per_parcel = 150;
		Stock(c, 0, i, 3 - i);
	}
	c->nodes[0].per_unit = 37;
	assert_int_equal(SolveCase(c, &plan), SOLVER_OK);
	assert_int_equal(plan.n_parcels, 3);
	FreePlan(c, &plan);
	free(c);
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
		cmocka_unit_test(units_go_apart_where_that_is_cheaper),
	};

	return cmocka_run_group_tests_name("solver", tests, NULL, NULL);
}
