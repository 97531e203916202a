/*-------------------------------------------------------------------------
 *
 * joint_case.h
	  Batches for the unit tests of the joint allocation.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef JOINT_CASE_H
#define JOINT_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hooks.h"
#include "joint_check.h"
#include "random.h"

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
	Hooks hooks;
} Batch;

/*
 * Make a batch of orders without lines; node i sends a parcel for 1000 + 100 i,
 * and has nothing.
 */
static inline Batch *
MakeBatch(int n_orders, int n_nodes)
{
	Batch *batch = calloc(1, sizeof(Batch));

	batch->hooks.fail_at = -1;
	batch->hooks.stop_at = -1;
	batch->n_nodes = n_nodes;
	batch->problem =
		(JointProblem){.n_orders = n_orders, .orders = batch->orders};
	SetHooks(&batch->problem, &batch->hooks);
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
									   .split_penalty = 200};
		SetHooks(&own->problem, &batch->hooks);
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
static inline void
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
static inline void
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
 * Decide a batch and judge the answer.
 */
static inline void
Decide(Batch *batch, JointResult *result)
{
	const char *wrong;

	assert_int_equal(joint_solve(&batch->problem, result), SOLVER_OK);
	wrong = JudgeBatch(&batch->problem, result);
	if (wrong != NULL)
		fail_msg("%s", wrong);
}

static inline void
Release(Batch *batch, JointResult *result)
{
	joint_free_result(&batch->problem, result);
	assert_int_equal(batch->hooks.living, 0);
	free(batch);
}

/*
 * Make a random batch: scarce stock, prices by destination, few nodes.
 */
static inline Batch *
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

#endif /* JOINT_CASE_H */
