/*-------------------------------------------------------------------------
 *
 * solver_bench.c
 *	  Time of one decision of the allocation solver, against cbc on the very
 *	  same instance.
 *
 * usage: solver_bench LINES INSTANCES SEED DIRECTORY [NODES]
 *
 * An instance is an order of so many lines on a chain of 320 nodes (or NODES):
 * 10 warehouses, and stores at random distances, 40 % of the SKU x node pairs
 * stocked, services and rate cards as in demo/chain.sql.  Prices grow with
 * weight, and two parcels never cost less than one of the same service, so one
 * parcel of each node, service and bracket is enough: that spares cbc the
 * slots which test/oracle/solver_oracle.c needs, and it is several times
 * faster for it.
 *
 * Prints a line an instance: microseconds of ours, seconds of cbc (as cbc says
 * itself, without starting the program), the ratio, both costs.  Ends with 1
 * when a cost differs.  Without cbc, or with DIRECTORY "-", its columns are
 * "-".
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/allocation/solver.h"
#include "../test/unit/hooks.h"
#include "../test/unit/random.h"

#define MAX_NODES 10000
#define N_WAREHOUSES 10
#define MAX_SERVICES 4
#define CBC_SECONDS 90
#define BUSY_SECONDS 0.25

enum
{
	EXPRESS,
	ECONOMY = 6,
	CITY = 9,
	COLD = 11,
	N_TARIFFS = 14
};

static const SolverBracket express[6] = {
	{50000, 600, 1000, 1000, 120},	{50000, 750, 1000, 1000, 180},
	{50000, 900, 1000, 1000, 320},	{50000, 1050, 1000, 1000, 460},
	{50000, 1200, 1000, 1000, 650}, {50000, 1500, 1000, 1000, 900}};
static const SolverBracket economy[3][5] = {{{500, 320, 0, 0, 0},
											 {1000, 400, 0, 0, 0},
											 {3000, 600, 0, 0, 0},
											 {10000, 1200, 0, 0, 0},
											 {30000, 1200, 10000, 1000, 100}},
											{{500, 480, 0, 0, 0},
											 {1000, 600, 0, 0, 0},
											 {3000, 900, 0, 0, 0},
											 {10000, 1800, 0, 0, 0},
											 {30000, 1800, 10000, 1000, 150}},
											{{500, 704, 0, 0, 0},
											 {1000, 880, 0, 0, 0},
											 {3000, 1320, 0, 0, 0},
											 {10000, 2640, 0, 0, 0},
											 {30000, 2640, 10000, 1000, 220}}};
static const SolverBracket city[2] = {{20000, 700, 1000, 1000, 100},
									  {20000, 1000, 1000, 1000, 150}};
static const SolverBracket cold[3] = {{30000, 1800, 1000, 1000, 400},
									  {30000, 2800, 1000, 1000, 700},
									  {30000, 4500, 1000, 1000, 1200}};

typedef struct Instance
{
	SolverProblem problem;
	SolverLine *lines;
	SolverNode nodes[MAX_NODES];
	SolverService services[MAX_NODES][MAX_SERVICES];
	SolverTariff tariffs[N_TARIFFS];
	int64_t *available;
} Instance;

static Instance the_instance;
static int n_nodes = 320;

static double
Now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* Fills in the rate cards. */
static void
MakeTariffs(Instance *in)
{
	for (int i = 0; i < 6; i++)
		in->tariffs[EXPRESS + i] = (SolverTariff){&express[i], 1, 6000};
	for (int i = 0; i < 3; i++)
		in->tariffs[ECONOMY + i] = (SolverTariff){economy[i], 5, 8000};
	for (int i = 0; i < 2; i++)
		in->tariffs[CITY + i] = (SolverTariff){&city[i], 1, 0};
	for (int i = 0; i < 3; i++)
		in->tariffs[COLD + i] = (SolverTariff){&cold[i], 1, 5000};
}

/* Gives a node its services, by its distance. */
static void
MakeServices(Instance *in, int node, int64_t km)
{
	static const int64_t zones[6] = {100, 500, 1000, 1500, 2500, INT64_MAX};
	SolverService *s = in->services[node];
	int zone = 0;
	int n = 0;

	while (km >= zones[zone])
		zone++;
	s[n++] = (SolverService){EXPRESS + zone, zone >= 4 ? 100 : 0, 1};
	s[n++] = (SolverService){ECONOMY +
								 (km < 300		  ? 0
									  : km < 1200 ? 1
												  : 2),
							 km < 300		 ? 100
								 : km < 1200 ? 200
											 : 400,
							 1};
	if (km < 10)
		s[n++] = (SolverService){CITY + (km < 3 ? 0 : 1), 0, 3};
	if (km < 2200)
		s[n++] = (SolverService){COLD +
									 (km < 300		  ? 0
										  : km < 1000 ? 1
													  : 2),
								 0, 7};
	in->nodes[node].services = s;
	in->nodes[node].n_services = n;
}

/* Makes an order and where its goods lie. */
static void
MakeInstance(Instance *in, int n_lines)
{
	memset(in, 0, sizeof(*in));
	in->lines = calloc((size_t) n_lines, sizeof(SolverLine));
	in->available = calloc((size_t) n_lines * n_nodes, sizeof(int64_t));
	if (in->lines == NULL || in->available == NULL)
		exit(2);
	MakeTariffs(in);
	for (int i = 0; i < n_nodes; i++)
	{
		bool warehouse = i < N_WAREHOUSES;

		/* a dozen stores of 310 lie in the customer's city */
		MakeServices(in, i,
					 warehouse					 ? Random(20, 2600)
						 : i < N_WAREHOUSES + n_nodes * 12 / 320 ? Random(1, 25)
												 : Random(60, 3000));
		in->nodes[i].per_parcel = warehouse ? 220 : 350;
		in->nodes[i].per_unit = warehouse ? 35 : 60;
		in->nodes[i].max_parcels = INT32_MAX;
	}
	for (int l = 0; l < n_lines; l++)
	{
		in->lines[l].quantity = Random(1, 3);
		in->lines[l].unit_weight_g = Random(5, 120) * 10;
		in->lines[l].unit_volume_cm3 =
			in->lines[l].unit_weight_g * Random(12, 45) / 10;
		in->lines[l].temperature = Random(0, 9) == 0 ? 2 : 1;
		for (int i = 0; i < n_nodes; i++)
			if (Random(0, 99) < (i < N_WAREHOUSES ? 85 : 39))
				in->available[l * n_nodes + i] = Random(3, 20);
	}
	in->problem = (SolverProblem){.n_lines = n_lines,
								  .n_nodes = n_nodes,
								  .n_tariffs = N_TARIFFS,
								  .lines = in->lines,
								  .nodes = in->nodes,
								  .tariffs = in->tariffs,
								  .available = in->available,
								  .split_penalty = 200,
								  .allow_line_split = true,
								  .alloc = PlainAlloc,
								  .release = PlainRelease};
}

/* Seconds of one decision, and its cost; -1 when there is no plan. */
static double
TimeOurs(const Instance *in, int64_t *cost, bool *exact)
{
	double begin = Now();
	double spent;
	int n = 0;

	do
	{
		SolverPlan plan;

		if (solver_solve(&in->problem, &plan) != SOLVER_OK)
			return -1;
		*cost = plan.cost;
		*exact = plan.exact;
		solver_free_plan(&in->problem, &plan);
		n++;
		spent = Now() - begin;
	} while (spent < BUSY_SECONDS);
	return spent / n;
}

/* Can this node and service carry the whole of a line? */
static bool
Carries(const Instance *in, int node, const SolverService *service, int line)
{
	return in->available[line * n_nodes + node] >= in->lines[line].quantity &&
		(in->lines[line].temperature & ~service->temperature) == 0;
}

/* What WriteProgram writes in one pass over the options. */
typedef enum Part
{
	OBJECTIVE,
	SUPPLY,
	ROWS,
	GENERALS,
	BINARIES
} Part;

/* Writes the part of one option o: a node, a service and a bracket. */
static void
WriteOption(FILE *f, const Instance *in, Part part, int line, int o, int node,
			const SolverService *service, const SolverBracket *b)
{
	const SolverNode *n = &in->nodes[node];
	int64_t divisor = in->tariffs[service->tariff].volumetric_divisor;

	if (part == OBJECTIVE)
		fprintf(f, " + %" PRId64 " u%d\n",
				b->base + n->per_parcel + service->lateness +
					in->problem.split_penalty,
				o);
	if (part == OBJECTIVE && b->step_g > 0)
		fprintf(f, " + %" PRId64 " n%d\n", b->step_price, o);
	if (part == GENERALS && b->step_g > 0)
		fprintf(f, " n%d\n", o);
	if (part == BINARIES)
		fprintf(f, " u%d\n", o);
	for (int l = 0; l < in->problem.n_lines; l++)
	{
		if (!Carries(in, node, service, l))
			continue;
		if (part == OBJECTIVE)
			fprintf(f, " + %" PRId64 " x%d_%d\n",
					n->per_unit * in->lines[l].quantity, l, o);
		else if (part == SUPPLY && l == line)
			fprintf(f, " + x%d_%d\n", l, o);
		else if (part == BINARIES)
			fprintf(f, " x%d_%d\n", l, o);
		else if (part == ROWS)
			fprintf(f, " x%d_%d - u%d <= 0\n", l, o, o);
	}
	if (part != ROWS)
		return;
	/* real weight, then volumetric weight, both times the divisor */
	for (int volumetric = 0; volumetric <= (divisor > 0); volumetric++)
	{
		int64_t scale = volumetric ? divisor : 1;

		for (int kind = 0; kind < (b->step_g > 0 ? 2 : 1); kind++)
		{
			for (int l = 0; l < in->problem.n_lines; l++)
				if (Carries(in, node, service, l))
					fprintf(f, " + %" PRId64 " x%d_%d",
							in->lines[l].quantity *
								(volumetric
									 ? in->lines[l].unit_volume_cm3 * 1000
									 : in->lines[l].unit_weight_g),
							l, o);
			if (kind == 0)
				fprintf(f, " - %" PRId64 " u%d <= 0\n", b->up_to_g * scale, o);
			else
				fprintf(f, " - %" PRId64 " u%d - %" PRId64 " n%d <= 0\n",
						b->over_g * scale, o, b->step_g * scale, o);
		}
	}
}

/* Writes a part for every option. */
static void
WritePart(FILE *f, const Instance *in, Part part, int line)
{
	int o = 0;

	for (int i = 0; i < n_nodes; i++)
		for (int s = 0; s < in->nodes[i].n_services; s++)
		{
			const SolverService *service = &in->services[i][s];
			const SolverTariff *tariff = &in->tariffs[service->tariff];
			bool any = false;

			for (int l = 0; l < in->problem.n_lines; l++)
				any |= Carries(in, i, service, l);
			for (int k = 0; any && k < tariff->n_brackets; k++)
				WriteOption(f, in, part, line, o++, i, service,
							&tariff->brackets[k]);
		}
}

/* Writes the instance as a mixed-integer program in LP format. */
static void
WriteProgram(FILE *f, const Instance *in)
{
	fprintf(f, "Minimize\n cost:\n");
	WritePart(f, in, OBJECTIVE, 0);
	fprintf(f, "Subject To\n");
	for (int l = 0; l < in->problem.n_lines; l++)
	{
		WritePart(f, in, SUPPLY, l);
		fprintf(f, " = 1\n");
	}
	WritePart(f, in, ROWS, 0);
	fprintf(f, "Generals\n");
	WritePart(f, in, GENERALS, 0);
	fprintf(f, "Binaries\n");
	WritePart(f, in, BINARIES, 0);
	fprintf(f, "End\n");
}

/* Reads the first line of a file that begins so; false when there is none. */
static bool
FindLine(const char *name, const char *begins, char *line, int size)
{
	FILE *f = fopen(name, "r");
	bool found = false;

	if (f == NULL)
		return false;
	while (!found && fgets(line, size, f) != NULL)
		found = strncmp(line, begins, strlen(begins)) == 0;
	fclose(f);
	return found;
}

/*
 * Seconds that cbc says it took, and the optimum (negative when it ran into
 * the limit).  Returns -1 when cbc is not there.
 */
static double
TimeCbc(const Instance *in, const char *directory, double *optimum)
{
	char name[512];
	char command[2048];
	char line[512];
	double cpu = -1;
	double wall = -1;
	FILE *f;

	snprintf(name, sizeof(name), "%s/solver_bench.lp", directory);
	f = fopen(name, "w");
	if (f == NULL)
		return -1;
	WriteProgram(f, in);
	fclose(f);
	snprintf(
		command, sizeof(command),
		"cbc %s sec %d ratio 0 allow 0.01 increment 0.5 solve solu %s/solver_bench.sol >%s/solver_bench.log 2>&1",
		name, CBC_SECONDS, directory, directory);
	if (system(command) != 0)
		return -1;
	snprintf(name, sizeof(name), "%s/solver_bench.sol", directory);
	*optimum = -1;
	if (FindLine(name, "Optimal", line, sizeof(line)) &&
		sscanf(line, "Optimal - objective value %lf", optimum) == 1)
		*optimum -= (double) in->problem.split_penalty;
	snprintf(name, sizeof(name), "%s/solver_bench.log", directory);
	if (!FindLine(name, "Total time", line, sizeof(line)) ||
		sscanf(line, "Total time (CPU seconds): %lf (Wallclock seconds): %lf",
			   &cpu, &wall) != 2)
		return -1;
	return wall;
}

int
main(int argc, char **argv)
{
	int n_lines = argc > 1 ? atoi(argv[1]) : 3;
	int n = argc > 2 ? atoi(argv[2]) : 5;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	const char *directory = argc > 4 ? argv[4] : ".";
	int wrong = 0;

	if (argc > 5)
		n_nodes = atoi(argv[5]);
	if (n_nodes < N_WAREHOUSES || n_nodes > MAX_NODES)
		return 2;

	for (int i = 0; i < n; i++)
	{
		Instance *in = &the_instance;
		int64_t cost = 0;
		bool exact = false;
		double optimum = 0;
		double ours;
		double cbc;

		SeedRandom(seed + (uint64_t) i);
		MakeInstance(in, n_lines);
		ours = TimeOurs(in, &cost, &exact);
		cbc = strcmp(directory, "-") == 0
			? -1
			: TimeCbc(in, directory, &optimum);
		if (cbc < 0)
			printf("%.1f\t-\t-\t%" PRId64 "\t-\n", ours * 1e6, cost);
		else
			printf("%.1f\t%.2f\t%.3g\t%" PRId64 "\t%.0f\n", ours * 1e6, cbc,
				   ours / (cbc > 0.005 ? cbc : 0.005), cost, optimum);
		fflush(stdout);
		if (ours < 0 ||
			(cbc >= 0 && optimum >= 0 && exact &&
			 ((double) cost - optimum > 0.5 || optimum - (double) cost > 0.5)))
			wrong++;
		free(in->lines);
		free(in->available);
	}
	return wrong > 0;
}
