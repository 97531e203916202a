/*-------------------------------------------------------------------------
 *
 * fuzz_solver.c
 *	  Any bytes make a problem; every answer of the allocation solver to it is
 *	  judged (see ../unit/solver_check.h).
 *
 * Most numbers are small, so that problems are feasible; some are as wild as
 * the bytes say.  The hooks fail or interrupt when the bytes say so, too.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#define MAX_LINES 16
#define MAX_NODES 12
#define MAX_TARIFFS 4
#define MAX_BRACKETS 3
#define MAX_SERVICES 3

/* Everything that a problem points to. */
typedef struct FuzzProblem
{
	SolverProblem problem;
	SolverLine lines[MAX_LINES];
	SolverNode nodes[MAX_NODES];
	SolverService services[MAX_NODES][MAX_SERVICES];
	SolverTariff tariffs[MAX_TARIFFS];
	SolverBracket brackets[MAX_TARIFFS][MAX_BRACKETS];
	int64_t available[MAX_LINES * MAX_NODES];
	int64_t stock_value[MAX_LINES * MAX_NODES];
} FuzzProblem;

/*
 * Judge an answer.
 */
static void
JudgeAnswer(const SolverProblem *problem, Input *input, SolverStatus status,
			SolverPlan *plan)
{
	if (status == SOLVER_OK)
	{
		const char *wrong = JudgePlan(problem, plan);
		bool split = false;

		Require(wrong == NULL, wrong);
		TallyPlan(plan);
		for (int i = 0; i < problem->n_lines && !plan->exact; i++)
			split |= !JudgeWhole(problem, i);
		if (problem->n_lines <= SOLVER_EXACT_LINES && !split &&
			!problem->allow_line_split)
			Require(plan->exact, "a small order is not solved exactly");
		Require(input->hooks.living == 2, "memory is left over");
		solver_free_plan(problem, plan);
	}
	else
	{
		Require(plan->parcels == NULL && plan->pieces == NULL &&
					plan->n_parcels == 0 && plan->n_pieces == 0 &&
					plan->cost == 0 && !plan->exact,
				"a failed plan is not empty");
		Require((plan->short_line >= 0) ==
					(status == SOLVER_NO_STOCK || status == SOLVER_NO_SERVICE),
				"short_line does not fit the status");
	}
	FuzzEnd(input, status);
}

/*
 * Decode the lines, and the stock of each at each node.
 */
static void
DecodeLines(Input *input, FuzzProblem *fuzz, bool markdown)
{
	for (int i = 0; i < fuzz->problem.n_lines; i++)
	{
		SolverLine *line = &fuzz->lines[i];
		uint8_t class = Byte(input);

		line->quantity = 1 + Byte(input) % 4;
		if (class == 255)
			line->quantity = Number(input, 3000);
		line->unit_weight_g = Number(input, 1500);
		line->unit_volume_cm3 = Number(input, 5000);
		line->temperature = (class < 160 ? 0 : UINT32_C(1) << class % 3);
	}
	for (int i = 0; i < fuzz->problem.n_lines * fuzz->problem.n_nodes; i++)
	{
		uint8_t stock = Byte(input);

		fuzz->available[i] = stock % 8;
		if (stock > 250)
			fuzz->available[i] = Number(input, 3000);
		fuzz->stock_value[i] = (markdown ? (int8_t) Byte(input) : 0);
		if (stock == 250)
			fuzz->stock_value[i] = Number(input, 100);
	}
}

/*
 * Decode the nodes.
 */
static void
DecodeNodes(Input *input, FuzzProblem *fuzz)
{
	for (int i = 0; i < fuzz->problem.n_nodes; i++)
	{
		SolverNode *node = &fuzz->nodes[i];
		uint8_t capacity = Byte(input);

		node->services = fuzz->services[i];
		node->n_services = 1 + Byte(input) % MAX_SERVICES;
		node->per_parcel = Number(input, 500);
		node->per_unit = Number(input, 50);
		node->preferred = Byte(input) % 2;
		node->max_parcels = (capacity < 224 ? INT32_MAX : capacity % 4);
		for (int j = 0; j < node->n_services; j++)
		{
			uint8_t classes = Byte(input);

			fuzz->services[i][j] = (SolverService){
				.tariff = Byte(input) % MAX_TARIFFS,
				.lateness = Number(input, 500),
				.temperature = (classes < 128 ? 7 : classes % 8)};
		}
	}
}

/*
 * Decode the tariffs.
 */
static void
DecodeTariffs(Input *input, FuzzProblem *fuzz)
{
	for (int i = 0; i < MAX_TARIFFS; i++)
	{
		SolverTariff *tariff = &fuzz->tariffs[i];
		int64_t up_to = 0;

		tariff->brackets = fuzz->brackets[i];
		tariff->n_brackets = 1 + Byte(input) % MAX_BRACKETS;
		tariff->volumetric_divisor =
			(Byte(input) % 2 ? Number(input, 8000) : 0);
		for (int j = 0; j < tariff->n_brackets; j++)
		{
			SolverBracket *bracket = &fuzz->brackets[i][j];
			int64_t step = Number(input, 5000);

			if (step < 0 || step > INT64_MAX - up_to)
				step = INT64_MAX - up_to;
			up_to += step;
			bracket->up_to_g = up_to;
			bracket->base = Number(input, 2000);
			bracket->over_g = Number(input, 2000);
			bracket->step_g = Number(input, 1000);
			bracket->step_price = Number(input, 500);
		}
	}
}

/*
 * Read how many lines or nodes there are: an order of six lines and six nodes
 * is decided a hundred times while one of sixteen is, so few are large.
 */
static int
Count(Input *input, int most)
{
	uint8_t number = Byte(input);

	return 1 + number % (number < 224 && most > 6 ? 6 : most);
}

/*
 * Decode one problem, solve it, judge the answer.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FuzzProblem fuzz;
	SolverProblem *problem = &fuzz.problem;
	Input input = FuzzBegin(data, size);
	SolverPlan plan;
	SolverStatus status;
	uint8_t flags = Byte(&input);

	memset(&fuzz, 0, sizeof(fuzz));
	SetHooks(problem, &input.hooks);
	problem->n_lines = Count(&input, flags & 16 ? MAX_LINES : 6);
	problem->n_nodes = Count(&input, MAX_NODES);
	problem->n_tariffs = MAX_TARIFFS;
	problem->lines = fuzz.lines;
	problem->nodes = fuzz.nodes;
	problem->tariffs = fuzz.tariffs;
	problem->available = fuzz.available;
	problem->allow_line_split = flags & 1;
	problem->stock_value = (flags & 2 ? fuzz.stock_value : NULL);
	problem->max_parcels = (flags & 4 ? Byte(&input) % 6 : 0);
	if ((flags & 0x68) == 0x28)
		input.hooks.fail_at = Byte(&input) % 64;
	if ((flags & 0x68) == 0x48)
		input.hooks.stop_at = Byte(&input) % 64;
	problem->split_penalty = Number(&input, 500);
	DecodeLines(&input, &fuzz, flags & 128);
	DecodeNodes(&input, &fuzz);
	DecodeTariffs(&input, &fuzz);

	status = solver_solve(problem, &plan);
	JudgeAnswer(problem, &input, status, &plan);
	return 0;
}
