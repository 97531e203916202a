/*-------------------------------------------------------------------------
 *
 * solver_oracle.c
 *	  The allocation solver against a mixed-integer program solved by cbc.
 *
 * usage: solver_oracle N SEED DIRECTORY
 *
 * The program knows nothing of subsets: it has slots for parcels, and for
 * each slot p and option o (node, service, bracket, real or volumetric
 * weight) it decides u(p,o), is the parcel sent so; x(l,p,o), how much of
 * line l goes into it; w(p,o), its billed weight; n(p,o), the further steps
 * it pays for:
 *
 *	sum over p, o of x(l,p,o)			 = quantity(l)
 *	sum over o of u(p,o)				<= 1
 *	x(l,p,o)							<= fits(l,node) * u(p,o)
 *	sum over p, o of the node of x		<= available(l,node)
 *	sum over p, o of the node of u		<= capacity(node)
 *	w(p,o) = weight of x, or volumetric weight rounded up, whichever o says,
 *			 and o is only allowed if that is the greater one
 *	previous bracket's end + 1 <= w(p,o) <= this one's, if u(p,o)
 *	n(p,o) >= (w(p,o) - over_g * u(p,o)) / step_g
 *
 * If lines are kept whole, x is quantity times a binary, and slot p holds
 * line p and later lines only (that breaks the symmetry of the slots).
 *
 * Orders whose lines are kept whole must agree to the cent; for divided ones
 * the optimum must lie between our lower bound and our cost.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/solver_check.h"

#define MAX_LINES 6
#define MAX_NODES 4
#define MAX_TARIFFS 3
#define MAX_BRACKETS 3
#define NEVER INT64_MAX
#define CBC_SECONDS 20

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
	bool may_split[MAX_LINES];
	bool divided; /* some line must be split */
	int n_slots;
} Case;

/* An option of a slot. */
typedef struct Option
{
	int node;
	int service;
	bool volumetric;
	const SolverBracket *bracket;
	int64_t from_g; /* lightest weight of the bracket */
	int64_t to_g;
	int64_t divisor;
} Option;

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
PlainAlloc(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

static void
PlainRelease(void *context, void *pointer)
{
	(void) context;
	free(pointer);
}

/*
 * Fill in random tariffs.
 */
static void
RandomTariffs(Case *c)
{
	for (int i = 0; i < c->problem.n_tariffs; i++)
	{
		int n = (int) Random(1, MAX_BRACKETS);
		int64_t up_to = 0;

		for (int j = 0; j < n; j++)
		{
			up_to += Random(4, 30) * 100;
			c->brackets[i][j] = (SolverBracket){
				.up_to_g = (j == n - 1 && Random(0, 4) ? NEVER : up_to),
				.base = Random(100, 1500),
				.over_g = Random(0, 15) * 100,
				.step_g = Random(0, 1) * Random(1, 10) * 100,
				.step_price = Random(0, 300)};
		}
		c->tariffs[i] =
			(SolverTariff){c->brackets[i], n, Random(0, 2) ? 0 : 6000};
	}
}

/*
 * Make a random case; every third may divide lines.
 */
static void
RandomCase(Case *c, bool split)
{
	int n_lines = (int) Random(split ? 1 : 2, split ? 3 : MAX_LINES);
	int n_nodes = (int) Random(2, split ? 3 : MAX_NODES);

	memset(c, 0, sizeof(Case));
	c->problem =
		(SolverProblem){.n_lines = n_lines,
						.n_nodes = n_nodes,
						.n_tariffs = MAX_TARIFFS,
						.lines = c->lines,
						.nodes = c->nodes,
						.tariffs = c->tariffs,
						.available = c->available,
						.stock_value = c->stock_value,
						.split_penalty = Random(0, 1) * Random(0, 400),
						.max_parcels = (int) (Random(0, 3) ? 0 : Random(1, 3)),
						.allow_line_split = split,
						.alloc = PlainAlloc,
						.release = PlainRelease};
	RandomTariffs(c);
	for (int i = 0; i < n_lines; i++)
		c->lines[i] = (SolverLine){
			.quantity = Random(1, 4),
			.unit_weight_g = Random(0, 700),
			.unit_volume_cm3 = Random(0, 4000),
			.temperature = (uint32_t) (Random(0, 3) ? 0 : Random(1, 2))};
	for (int i = 0; i < n_nodes; i++)
	{
		c->nodes[i] = (SolverNode){
			.per_parcel = Random(0, 300),
			.per_unit = Random(0, 30),
			.services = c->services[i],
			.n_services = (int) Random(1, 2),
			.max_parcels = (int) (Random(0, 2) ? INT32_MAX : Random(0, 2))};
		for (int j = 0; j < 2; j++)
			c->services[i][j] = (SolverService){
				(int) Random(0, MAX_TARIFFS - 1), Random(0, 2) * 100,
				(uint32_t) (Random(0, 1) ? 3 : Random(1, 2))};
		for (int k = 0; k < n_lines; k++)
		{
			int64_t quantity = c->lines[k].quantity;

			c->available[k * n_nodes + i] =
				(split				? Random(0, quantity)
					 : Random(0, 3) ? quantity
									: Random(0, quantity));
			c->stock_value[k * n_nodes + i] = Random(-40, 60);
		}
	}
}

/*
 * Decide which lines the program may divide, and how many slots it needs.
 */
static void
ClassifyCase(Case *c)
{
	int64_t slots = 0;

	c->divided = false;
	for (int i = 0; i < c->problem.n_lines; i++)
	{
		c->may_split[i] = !JudgeWhole(&c->problem, i);
		c->divided |= c->may_split[i];
	}
	for (int i = 0; i < c->problem.n_lines; i++)
		slots += (c->may_split[i] ? c->lines[i].quantity : 1);
	if (c->problem.max_parcels > 0 && slots > c->problem.max_parcels &&
		c->divided)
		slots = c->problem.max_parcels;
	c->n_slots = (int) slots;
}

/*
 * List the options of a slot.
 */
static int
ListOptions(const Case *c, Option *options)
{
	int n = 0;
	int64_t weight = 0;
	int64_t volume = 0;

	for (int i = 0; i < c->problem.n_lines; i++)
	{
		weight += c->lines[i].quantity * c->lines[i].unit_weight_g;
		volume += c->lines[i].quantity * c->lines[i].unit_volume_cm3;
	}
	for (int i = 0; i < c->problem.n_nodes; i++)
	{
		for (int j = 0; j < c->nodes[i].n_services; j++)
		{
			const SolverTariff *tariff = &c->tariffs[c->services[i][j].tariff];
			int64_t from = 0;
			int64_t heaviest = JudgeBilled(tariff, weight, volume);

			for (int k = 0; k < tariff->n_brackets; k++)
			{
				const SolverBracket *b = &tariff->brackets[k];
				int64_t to = b->up_to_g < heaviest ? b->up_to_g : heaviest;

				for (int v = 0;
					 v <= (tariff->volumetric_divisor > 0) && from <= to; v++)
					options[n++] = (Option){
						i, j, v == 1, b, from, to, tariff->volumetric_divisor};
				from = to + 1;
			}
		}
	}
	return n;
}

/*
 * Tell whether a line may be in a slot by an option.
 */
static bool
Allowed(const Case *c, const Option *o, int slot, int line)
{
	if (!c->divided && line < slot)
		return false;
	if (c->lines[line].temperature &
		~c->services[o->node][o->service].temperature)
		return false;
	return c->available[line * c->problem.n_nodes + o->node] >=
		(c->may_split[line] ? 1 : c->lines[line].quantity);
}

/*
 * Write the objective.
 */
static void
WriteObjective(FILE *file, const Case *c, const Option *options, int n)
{
	fprintf(file, "Minimize\n cost:");
	for (int p = 0; p < c->n_slots; p++)
	{
		for (int o = 0; o < n; o++)
		{
			const SolverNode *node = &c->nodes[options[o].node];

			fprintf(file, " + %" PRId64 " u_%d_%d",
					options[o].bracket->base + node->per_parcel +
						node->services[options[o].service].lateness +
						c->problem.split_penalty,
					p, o);
			if (options[o].bracket->step_g > 0)
				fprintf(file, " + %" PRId64 " n_%d_%d",
						options[o].bracket->step_price, p, o);
			for (int l = 0; l < c->problem.n_lines; l++)
			{
				if (Allowed(c, &options[o], p, l))
					fprintf(file, " %+" PRId64 " x_%d_%d_%d",
							(c->may_split[l] ? 1 : c->lines[l].quantity) *
								(node->per_unit +
								 c->stock_value[l * c->problem.n_nodes +
												options[o].node]),
							l, p, o);
			}
			fprintf(file, "\n");
		}
	}
}

/*
 * Write the rows that tie slots together: supply, stock and capacity.
 */
static void
WriteSharedRows(FILE *file, const Case *c, const Option *options, int n)
{
	for (int l = 0; l < c->problem.n_lines; l++)
	{
		/* the last pass is for the whole line, the others for each node */
		for (int i = 0; i <= c->problem.n_nodes; i++)
		{
			bool any = false;

			if (i < c->problem.n_nodes && !c->may_split[l])
				continue;
			for (int p = 0; p < c->n_slots; p++)
			{
				for (int o = 0; o < n; o++)
				{
					if (!Allowed(c, &options[o], p, l) ||
						(i < c->problem.n_nodes && options[o].node != i))
						continue;
					fprintf(file, " + x_%d_%d_%d", l, p, o);
					any = true;
				}
			}
			if (!any && i == c->problem.n_nodes)
				fprintf(file, " zero = 1\n");
			else if (i == c->problem.n_nodes)
				fprintf(file, " = %" PRId64 "\n",
						c->may_split[l] ? c->lines[l].quantity : 1);
			else if (any)
				fprintf(file, " <= %" PRId64 "\n",
						c->available[l * c->problem.n_nodes + i]);
		}
	}
	for (int i = 0; i < c->problem.n_nodes; i++)
	{
		if (c->nodes[i].max_parcels > 100)
			continue;
		fprintf(file, " zero");
		for (int p = 0; p < c->n_slots; p++)
		{
			for (int o = 0; o < n; o++)
			{
				if (options[o].node == i)
					fprintf(file, " + u_%d_%d", p, o);
			}
		}
		fprintf(file, " <= %d\n", c->nodes[i].max_parcels);
	}
	fprintf(file, " zero");
	for (int p = 0; p < c->n_slots; p++)
	{
		for (int o = 0; o < n; o++)
			fprintf(file, " + u_%d_%d", p, o);
	}
	fprintf(file, " <= %d\n",
			c->problem.max_parcels > 0 ? c->problem.max_parcels : c->n_slots);
}

/*
 * Write a sum of weights (or 1000 times volumes) of a slot and option.
 */
static void
WriteSum(FILE *file, const Case *c, const Option *option, int p, int o,
		 bool volume, int64_t factor)
{
	for (int l = 0; l < c->problem.n_lines; l++)
	{
		int64_t unit =
			(volume ? c->lines[l].unit_volume_cm3 : c->lines[l].unit_weight_g) *
			factor * (c->may_split[l] ? 1 : c->lines[l].quantity);

		if (Allowed(c, option, p, l) && unit != 0)
			fprintf(file, " %+" PRId64 " x_%d_%d_%d", unit, l, p, o);
	}
}

/*
 * Write the rows of one option of one slot.
 */
static void
WriteOptionRows(FILE *file, const Case *c, const Option *option, int p, int o)
{
	const SolverBracket *b = option->bracket;

	for (int l = 0; l < c->problem.n_lines; l++)
	{
		int64_t fits = c->available[l * c->problem.n_nodes + option->node];

		if (!Allowed(c, option, p, l))
			continue;
		if (fits > c->lines[l].quantity)
			fits = c->lines[l].quantity;
		fprintf(file, " x_%d_%d_%d - %" PRId64 " u_%d_%d <= 0\n", l, p, o,
				c->may_split[l] ? fits : 1, p, o);
	}
	/* a slot in use carries the line of its number (or anything) */
	if (!c->divided && Allowed(c, option, p, p))
		fprintf(file, " x_%d_%d_%d - u_%d_%d >= 0\n", p, p, o, p, o);
	else if (!c->divided)
		fprintf(file, " u_%d_%d <= 0\n", p, o);
	else
	{
		fprintf(file, " zero - u_%d_%d", p, o);
		for (int l = 0; l < c->problem.n_lines; l++)
		{
			if (Allowed(c, option, p, l))
				fprintf(file, " + x_%d_%d_%d", l, p, o);
		}
		fprintf(file, " >= 0\n");
	}

	/* billed weight */
	if (option->volumetric)
	{
		fprintf(file, " %" PRId64 " w_%d_%d", option->divisor, p, o);
		WriteSum(file, c, option, p, o, true, -1000);
		fprintf(file, " >= 0\n");
		fprintf(file, " %" PRId64 " w_%d_%d", option->divisor, p, o);
		WriteSum(file, c, option, p, o, true, -1000);
		fprintf(file, " <= %" PRId64 "\n", option->divisor - 1);
		fprintf(file, " w_%d_%d", p, o);
		WriteSum(file, c, option, p, o, false, -1);
		fprintf(file, " >= 0\n");
	}
	else
	{
		fprintf(file, " w_%d_%d", p, o);
		WriteSum(file, c, option, p, o, false, -1);
		fprintf(file, " = 0\n");
		if (option->divisor > 0)
		{
			fprintf(file, " %" PRId64 " w_%d_%d", option->divisor, p, o);
			WriteSum(file, c, option, p, o, true, -1000);
			fprintf(file, " >= 0\n");
		}
	}
	fprintf(file, " w_%d_%d - %" PRId64 " u_%d_%d >= 0\n", p, o, option->from_g,
			p, o);
	fprintf(file, " w_%d_%d - %" PRId64 " u_%d_%d <= 0\n", p, o, option->to_g,
			p, o);
	if (b->step_g > 0)
		fprintf(file,
				" %" PRId64 " n_%d_%d - w_%d_%d + %" PRId64 " u_%d_%d >= 0\n",
				b->step_g, p, o, p, o, b->over_g, p, o);
}

/*
 * Write the whole program in LP format.
 */
static void
WriteProgram(FILE *file, const Case *c)
{
	Option options[MAX_NODES * 2 * MAX_BRACKETS * 2];
	int n = ListOptions(c, options);

	WriteObjective(file, c, options, n);
	fprintf(file, "Subject To\n");
	WriteSharedRows(file, c, options, n);
	for (int p = 0; p < c->n_slots; p++)
	{
		fprintf(file, " zero");
		for (int o = 0; o < n; o++)
			fprintf(file, " + u_%d_%d", p, o);
		fprintf(file, " <= 1\n");
		if (c->divided && p > 0) /* slots in use come first */
		{
			fprintf(file, " zero");
			for (int o = 0; o < n; o++)
				fprintf(file, " + u_%d_%d - u_%d_%d", p - 1, o, p, o);
			fprintf(file, " >= 0\n");
		}
		for (int o = 0; o < n; o++)
			WriteOptionRows(file, c, &options[o], p, o);
	}
	fprintf(file, "Bounds\n zero = 0\nGenerals\n");
	for (int p = 0; p < c->n_slots; p++)
	{
		for (int o = 0; o < n; o++)
		{
			if (options[o].bracket->step_g > 0)
				fprintf(file, " n_%d_%d", p, o);
			if (options[o].volumetric)
				fprintf(file, " w_%d_%d", p, o);
			for (int l = 0; l < c->problem.n_lines; l++)
			{
				if (Allowed(c, &options[o], p, l) && c->may_split[l])
					fprintf(file, " x_%d_%d_%d", l, p, o);
			}
		}
		fprintf(file, "\n");
	}
	fprintf(file, "Binaries\n");
	for (int p = 0; p < c->n_slots; p++)
	{
		for (int o = 0; o < n; o++)
		{
			fprintf(file, " u_%d_%d", p, o);
			for (int l = 0; l < c->problem.n_lines; l++)
			{
				if (Allowed(c, &options[o], p, l) && !c->may_split[l])
					fprintf(file, " x_%d_%d_%d", l, p, o);
			}
		}
		fprintf(file, "\n");
	}
	fprintf(file, "End\n");
}

/*
 * Solve a case with cbc.
 *
 * Returns 1 with the optimum, 0 if there is no plan, -1 if cbc gave up.
 */
static int
AskCbc(const Case *c, const char *directory, double *optimum)
{
	char name[512];
	char command[2048];
	char line[512] = "";
	FILE *file;
	int found = -1;

	snprintf(name, sizeof(name), "%s/solver_oracle.lp", directory);
	file = fopen(name, "w");
	if (file == NULL)
		return -1;
	WriteProgram(file, c);
	fclose(file);
	snprintf(command, sizeof(command),
			 "cbc %s/solver_oracle.lp sec %d ratio 0 allow 0.01 increment 0.5 "
			 "solve solu %s/solver_oracle.sol >%s/solver_oracle.log 2>&1",
			 directory, CBC_SECONDS, directory, directory);
	snprintf(name, sizeof(name), "%s/solver_oracle.sol", directory);
	remove(name);
	if (system(command) != 0)
		return -1;
	file = fopen(name, "r");
	if (file == NULL)
		return -1;
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	fclose(file);
	if (strncmp(line, "Optimal", 7) == 0 &&
		sscanf(line, "Optimal - objective value %lf", optimum) == 1)
		found = 1;
	else if (strstr(line, "nfeasible") != NULL)
		found = 0;
	*optimum -= (double) c->problem.split_penalty;
	return found;
}

/*
 * Compare one case; returns "passed", "failed" or "skipped".
 */
static const char *
CompareCase(Case *c, const char *directory, char *reason, size_t size)
{
	SolverPlan plan;
	SolverStatus status = solver_solve(&c->problem, &plan);
	const char *wrong = NULL;
	double optimum = 0;
	int found;
	const char *verdict = "failed";

	found = AskCbc(c, directory, &optimum);
	snprintf(reason, size,
			 "%s: ours %" PRId64 " (at least %" PRId64 "), cbc %d: %.2f",
			 solver_status_text(status), plan.cost, plan.lower_bound, found,
			 optimum);
	if (status == SOLVER_OK)
		wrong = JudgePlan(&c->problem, &plan);
	if (wrong != NULL)
		snprintf(reason, size, "%s", wrong);
	else if (found < 0)
		verdict = "skipped";
	else if (found == 0)
	{
		/* lines divided beyond need are not in this program */
		if (status != SOLVER_OK)
			verdict = "passed";
		else if (c->problem.allow_line_split)
			verdict = "skipped";
	}
	else if (c->divided && status == SOLVER_NO_PLAN)
		verdict = "skipped"; /* the heuristic may miss a plan */
	else if (status == SOLVER_OK && !c->divided && plan.exact &&
			 (double) plan.cost - optimum < 0.5 &&
			 optimum - (double) plan.cost < 0.5)
		verdict = "passed";
	else if (status == SOLVER_OK && c->divided &&
			 (double) plan.lower_bound < optimum + 0.5 &&
			 (double) plan.cost > optimum - 0.5)
		verdict = "passed";
	if (status == SOLVER_OK)
		solver_free_plan(&c->problem, &plan);
	return verdict;
}

int
main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 200;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	const char *directory = argc > 3 ? argv[3] : ".";
	int passed = 0;
	int failed = 0;
	int skipped = 0;
	int divided = 0;
	int refused = 0;
	int planned = 0;

	for (int i = 0; i < n; i++)
	{
		Case c;
		char reason[512];
		const char *verdict;

		/* Each case has a seed of its own, to be run again alone. */
		random_state = (seed + (uint64_t) i) * UINT64_C(0x9E3779B97F4A7C15);
		if (random_state == 0)
			random_state = 1;
		RandomCase(&c, i % 4 == 3);
		ClassifyCase(&c);
		if (c.divided && !c.problem.allow_line_split)
		{
			/* some line goes whole nowhere: no need to ask cbc */
			SolverPlan plan;
			SolverStatus status = solver_solve(&c.problem, &plan);

			refused++;
			if (status == SOLVER_OK)
				failed++;
			else
				passed++;
			continue;
		}
		verdict = CompareCase(&c, directory, reason, sizeof(reason));
		divided += c.divided;
		planned += strncmp(reason, "ok", 2) == 0;
		passed += strcmp(verdict, "passed") == 0;
		failed += strcmp(verdict, "failed") == 0;
		skipped += strcmp(verdict, "skipped") == 0;
		if (strcmp(verdict, "passed") != 0)
			printf("case %d of seed %" PRIu64 " %s: %s\n", i, seed, verdict,
				   reason);
	}
	printf("solver against cbc: %d planned, %d with divided lines; "
		   "%d refused unasked\n",
		   planned, divided, refused);
	printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
	return failed > 0 ? 1 : 0;
}
