/*-------------------------------------------------------------------------
 *
 * shapes.c
 *	  Random instances of the allocation problem, one shape after the other,
 *	  and instances from a file.
 *
 * Every shape starts from the same plain instance: 1 to 12 lines, 1 to 40
 * nodes, lines of which most nodes have some whole, one service a node, and
 * rate cards of first weight plus additional.  Each then adds what it is named
 * after, "mixed" adds everything at once.  Every third instance is small
 * enough for the program with slots (see programs.c).
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "oracle.h"

#include <inttypes.h>
#include <string.h>

#include "../unit/hooks.h"
#include "../unit/random.h"

typedef enum Shape
{
	FIRST_WEIGHT,
	BRACKETS,
	VOLUMETRIC,
	SERVICES,
	LATENESS,
	SCARCITY,
	MARKDOWN,
	HANDLING,
	CAPACITY,
	MAX_PARCELS,
	SPLIT_PENALTY,
	INFEASIBLE,
	TIES,
	MIXED,
	LONG,
	DIVIDED
} Shape;

const char *const shape_names[] = {
	"first_weight", "brackets",	  "volumetric", "services", "lateness",
	"scarcity",		"markdown",	  "handling",	"capacity", "max_parcels",
	"penalty",		"infeasible", "ties",		"mixed",	"long",
	"divided",		NULL};

void
SeedCases(uint64_t seed)
{
	SeedRandom(seed);
}

/*
 * Point a problem to the arrays of its case.
 */
static void
BeginCase(Case *c, int n_lines, int n_nodes, int n_tariffs)
{
	memset(&c->problem, 0, sizeof(SolverProblem));
	c->problem.n_lines = n_lines;
	c->problem.n_nodes = n_nodes;
	c->problem.n_tariffs = n_tariffs;
	c->problem.lines = c->lines;
	c->problem.nodes = c->nodes;
	c->problem.tariffs = c->tariffs;
	c->problem.available = c->available;
	c->problem.stock_value = c->stock_value;
	c->problem.alloc = PlainAlloc;
	c->problem.release = PlainRelease;
	memset(c->lines, 0, sizeof(c->lines));
	memset(c->nodes, 0, sizeof(SolverNode) * (size_t) n_nodes);
	memset(c->available, 0, sizeof(int64_t) * (size_t) (n_lines * n_nodes));
	memset(c->stock_value, 0, sizeof(int64_t) * (size_t) (n_lines * n_nodes));
}

/*
 * Make first weight plus additional, now and then with a greatest weight.
 */
static void
FirstWeightTariff(Case *c, int tariff)
{
	c->tariffs[tariff] = (SolverTariff){c->brackets[tariff], 1, 0};
	c->brackets[tariff][0] = (SolverBracket){
		.up_to_g = (Random(0, 3) ? NEVER : Random(20, 60) * 100),
		.base = Random(300, 1500),
		.over_g = Random(0, 2) * 500,
		.step_g = (Random(0, 3) ? 1000 : Random(1, 10) * 100),
		.step_price = Random(20, 400)};
}

/*
 * Make weight brackets, whose prices need not grow.
 */
static void
BracketTariff(Case *c, int tariff)
{
	int n = (int) Random(2, 4);
	int64_t up_to = 0;

	c->tariffs[tariff] = (SolverTariff){c->brackets[tariff], n, 0};
	for (int i = 0; i < n; i++)
	{
		bool steps = Random(0, 3) == 0;

		up_to += Random(4, 30) * 100;
		c->brackets[tariff][i] = (SolverBracket){
			.up_to_g = (i == n - 1 && Random(0, 3) ? NEVER : up_to),
			.base = Random(100, 1500),
			.over_g = (steps ? Random(0, 30) * 100 : 0),
			.step_g = (steps ? Random(1, 10) * 100 : 0),
			.step_price = (steps ? Random(0, 300) : 0)};
	}
}

/*
 * Put a quantity of a line at a node unless the node has many lines already:
 * the columns of a node double with each.
 */
static void
StockLine(Case *c, int line, int node, int64_t quantity, int most_lines)
{
	int n = 0;

	for (int i = 0; i < c->problem.n_lines; i++)
		n += i != line &&
			c->available[i * c->problem.n_nodes + node] >= c->lines[i].quantity;
	if (n < most_lines || quantity < c->lines[line].quantity)
		c->available[line * c->problem.n_nodes + node] = quantity;
}

/*
 * Make the plain instance that every shape starts from.
 */
static void
PlainCase(Case *c, int n_lines, int n_nodes, int most_lines)
{
	int64_t density = Random(20, 90);

	BeginCase(c, n_lines, n_nodes, 4);
	c->problem.split_penalty = Random(0, 1) * Random(0, 400);
	for (int i = 0; i < c->problem.n_tariffs; i++)
		FirstWeightTariff(c, i);
	for (int i = 0; i < n_lines; i++)
		c->lines[i] = (SolverLine){.quantity = Random(1, 4),
								   .unit_weight_g = Random(5, 900),
								   .unit_volume_cm3 = Random(10, 6000)};
	for (int i = 0; i < n_nodes; i++)
	{
		c->services[i][0] = (SolverService){.tariff = (int) Random(0, 3),
											.temperature = UINT32_MAX};
		c->nodes[i] = (SolverNode){.per_parcel = Random(0, 3) * 50,
								   .services = c->services[i],
								   .n_services = 1,
								   .max_parcels = INT32_MAX};
		for (int k = 0; k < n_lines; k++)
		{
			int64_t wanted = c->lines[k].quantity;

			if (Random(0, 99) < density)
				StockLine(c, k, i, wanted + Random(0, 3), most_lines);
			else if (Random(0, 3) == 0)
				StockLine(c, k, i, Random(0, wanted), most_lines);
		}
	}
	/* most lines are somewhere */
	for (int k = 0; k < 2 * n_lines; k++)
		StockLine(c, k / 2, (int) Random(0, n_nodes - 1), 9, most_lines + 1);
}

/*
 * Several services a node, each for some temperature classes.
 */
static void
AddServices(Case *c)
{
	for (int k = 0; k < c->problem.n_lines; k++)
		c->lines[k].temperature =
			(Random(0, 3) ? 1 : UINT32_C(1) << Random(0, 2));
	for (int i = 0; i < c->problem.n_nodes; i++)
	{
		c->nodes[i].n_services = (int) Random(1, 3);
		for (int j = 0; j < c->nodes[i].n_services; j++)
			c->services[i][j] = (SolverService){
				.tariff = (int) Random(0, c->problem.n_tariffs - 1),
				.temperature =
					(j == 0 ? UINT32_C(7) : (uint32_t) Random(1, 7))};
	}
}

static void
AddLateness(Case *c)
{
	for (int i = 0; i < c->problem.n_nodes; i++)
	{
		if (c->nodes[i].n_services == 1)
			c->services[i][1] = (SolverService){.tariff = (int) Random(0, 3),
												.temperature = UINT32_MAX};
		if (c->nodes[i].n_services == 1)
			c->nodes[i].n_services = 2;
		for (int j = 0; j < c->nodes[i].n_services; j++)
			c->services[i][j].lateness = Random(0, 4) * 150;
	}
}

static void
AddStockValues(Case *c, int64_t low, int64_t high)
{
	for (int i = 0; i < c->problem.n_lines * c->problem.n_nodes; i++)
		c->stock_value[i] = (Random(0, 1) ? Random(low, high) : 0);
}

/*
 * Few parcels a node, and cheap light ones, so that the limit binds.
 */
static void
AddCapacity(Case *c)
{
	for (int i = 0; i < c->problem.n_nodes; i++)
	{
		if (Random(0, 5) == 0)
			continue;
		c->nodes[i].max_parcels = (int) (Random(0, 5) ? Random(1, 2) : 0);
		c->nodes[i].per_parcel = Random(0, 40);
	}
	c->problem.split_penalty = Random(0, 1) * Random(0, 60);
	for (int i = 0; i < c->problem.n_tariffs; i++)
		c->brackets[i][0].base = Random(0, 150);
}

static void
AddMaxParcels(Case *c)
{
	c->problem.max_parcels = (int) Random(1, 4);
	c->problem.split_penalty = 0;
	for (int i = 0; i < c->problem.n_tariffs; i++)
		c->brackets[i][0].base = Random(0, 300);
}

/*
 * Take so much away that many an order cannot be sent, all of it, whole.
 */
static void
MakeInfeasible(Case *c)
{
	int line = (int) Random(0, c->problem.n_lines - 1);

	switch (Random(0, 3))
	{
		case 0: /* nobody has the line whole */
			for (int i = 0; i < c->problem.n_nodes; i++)
				c->available[line * c->problem.n_nodes + i] =
					Random(0, c->lines[line].quantity - 1);
			break;
		case 1: /* nobody may carry it */
			c->lines[line].temperature = 8;
			for (int i = 0; i < c->problem.n_nodes; i++)
				c->services[i][0].temperature = (Random(0, 30) ? 7 : 15);
			break;
		case 2: /* it is too heavy for most */
			for (int i = 0; i < c->problem.n_tariffs; i++)
				c->brackets[i][c->tariffs[i].n_brackets - 1].up_to_g =
					Random(1, 40) * 100;
			c->lines[line].unit_weight_g = Random(500, 5000);
			break;
		default: /* too few parcels */
			c->problem.max_parcels = (int) Random(1, 2);
			for (int i = 0; i < c->problem.n_nodes; i++)
				c->nodes[i].max_parcels = (int) Random(0, 1);
	}
}

/*
 * Make nodes, lines and prices alike.
 */
static void
MakeTies(Case *c)
{
	for (int i = 0; i < c->problem.n_tariffs; i++)
		c->brackets[i][0] =
			(SolverBracket){NEVER, Random(0, 1) * 500, 0, 1000, 500};
	c->problem.split_penalty = Random(0, 1) * 500;
	for (int k = 0; k < c->problem.n_lines; k++)
		c->lines[k].unit_weight_g = 1000 / c->lines[k].quantity;
	for (int i = 0; i < c->problem.n_nodes; i++)
	{
		c->nodes[i].per_parcel = 0;
		c->nodes[i].preferred = Random(0, 5) == 0;
	}
}

static void
AddEverything(Case *c)
{
	for (int i = 0; i < c->problem.n_tariffs; i++)
	{
		if (Random(0, 1))
			BracketTariff(c, i);
		c->tariffs[i].volumetric_divisor =
			(Random(0, 1) ? Random(4, 8) * 1000 : 0);
	}
	AddServices(c);
	AddLateness(c);
	AddStockValues(c, -80, 80);
	for (int i = 0; i < c->problem.n_nodes; i++)
	{
		c->nodes[i].per_unit = Random(0, 60);
		c->nodes[i].preferred = Random(0, 9) == 0;
		if (Random(0, 2) == 0)
			c->nodes[i].max_parcels = (int) Random(0, 2);
	}
	if (Random(0, 3) == 0)
		c->problem.max_parcels = (int) Random(1, 5);
}

/*
 * An order with a line that must be divided, if it can be sent at all: spread
 * over nodes, or too heavy for one parcel.
 */
static void
MakeDivided(Case *c, bool heavy)
{
	for (int i = 0; i < c->problem.n_lines * c->problem.n_nodes; i++)
		c->available[i] = Random(0, c->lines[i / c->problem.n_nodes].quantity);
	if (heavy)
	{
		for (int i = 0; i < c->problem.n_nodes; i++)
			c->available[i] = Random(1, c->lines[0].quantity);
		c->lines[0].unit_weight_g = Random(500, 1500);
		for (int i = 0; i < c->problem.n_tariffs; i++)
		{
			c->tariffs[i].n_brackets = 1;
			c->brackets[i][0].up_to_g = Random(10, 30) * 100;
		}
	}
	c->problem.allow_line_split = true;
}

/*
 * See to it that there is enough of each line, whole at one node or (if lines
 * may be divided) over all of them.
 */
static void
SupplyLines(Case *c)
{
	int n_nodes = c->problem.n_nodes;

	for (int k = 0; k < c->problem.n_lines; k++)
	{
		int64_t *stock = &c->available[k * n_nodes];
		int64_t most = 0;
		int64_t total = 0;
		int node = (int) Random(0, n_nodes - 1);

		for (int i = 0; i < n_nodes; i++)
		{
			most = stock[i] > most ? stock[i] : most;
			total += stock[i];
		}
		if (!c->problem.allow_line_split && most < c->lines[k].quantity)
			stock[node] = c->lines[k].quantity;
		for (; c->problem.allow_line_split && total < c->lines[k].quantity;
			 total++)
			stock[node++ % n_nodes]++;
	}
}

/*
 * Add to the plain instance what a shape is named after.
 */
static void
ShapeCase(Case *c, Shape shape)
{
	switch (shape)
	{
		case BRACKETS:
			for (int i = 0; i < c->problem.n_tariffs; i++)
				BracketTariff(c, i);
			break;
		case VOLUMETRIC:
			for (int i = 0; i < c->problem.n_tariffs; i++)
			{
				if (i % 2 == 1)
					BracketTariff(c, i);
				c->tariffs[i].volumetric_divisor = Random(4, 8) * 1000;
			}
			break;
		case SERVICES:
			AddServices(c);
			break;
		case LATENESS:
			AddLateness(c);
			break;
		case SCARCITY:
			AddStockValues(c, 0, 300);
			break;
		case MARKDOWN:
			AddStockValues(c, -300, 20);
			break;
		case HANDLING:
			for (int i = 0; i < c->problem.n_nodes; i++)
			{
				c->nodes[i].per_parcel = Random(0, 900);
				c->nodes[i].per_unit = Random(0, 200);
			}
			break;
		case CAPACITY:
			AddCapacity(c);
			break;
		case MAX_PARCELS:
			AddMaxParcels(c);
			break;
		case SPLIT_PENALTY:
			c->problem.split_penalty = Random(1, 3000);
			break;
		case INFEASIBLE:
			MakeInfeasible(c);
			break;
		case TIES:
			MakeTies(c);
			break;
		case MIXED:
			AddEverything(c);
			break;
		default:
			break;
	}
}

/*
 * Make instance number so and so of a shape.
 */
void
MakeCase(Case *c, int shape, int number)
{
	bool small = number % 3 == 0;
	int n_lines = (int) Random(1, small ? 4 : 12);
	int n_nodes = (int) Random(1, small ? 4 : 40);

	if (shape == DIVIDED)
	{
		PlainCase(c, (int) Random(1, 3), (int) Random(2, 3), 3);
		if (Random(0, 1))
			AddEverything(c);
		MakeDivided(c, Random(0, 2) == 0);
		SupplyLines(c);
	}
	else if (shape == LONG)
	{
		PlainCase(c, (int) Random(13, 18), (int) Random(6, 14), 7);
		if (Random(0, 1))
			AddEverything(c);
		c->problem.max_parcels = 0;
		SupplyLines(c);
	}
	else
	{
		/* where a node's capacity counts, cheaper nodes do not replace it */
		bool limited =
			shape == CAPACITY || shape == MIXED || shape == INFEASIBLE;

		PlainCase(c, n_lines, n_nodes, limited ? (n_nodes > 12 ? 5 : 7) : 12);
		ShapeCase(c, (Shape) shape);
	}
	/* without values the solver leaves more out */
	c->problem.stock_value = NULL;
	for (int i = 0; i < c->problem.n_lines * c->problem.n_nodes; i++)
	{
		if (c->stock_value[i] != 0)
			c->problem.stock_value = c->stock_value;
	}
	ClassifyCase(c);
}

/*
 * Read a number, or end the program.
 */
static int64_t
ReadNumber(FILE *file, int64_t low, int64_t high)
{
	int64_t number;

	if (fscanf(file, "%" SCNd64, &number) != 1 || number < low || number > high)
	{
		fprintf(stderr, "the file of instances makes no sense at %ld\n",
				ftell(file));
		exit(2);
	}
	return number;
}

/*
 * Read the tariffs of an instance.
 */
static void
ReadTariffs(Case *c, FILE *file)
{
	for (int i = 0; i < c->problem.n_tariffs; i++)
	{
		int64_t divisor = ReadNumber(file, 0, INT32_MAX);
		int n = (int) ReadNumber(file, 1, MAX_BRACKETS);

		c->tariffs[i] = (SolverTariff){c->brackets[i], n, divisor};
		for (int j = 0; j < n; j++)
		{
			SolverBracket *b = &c->brackets[i][j];

			b->up_to_g = ReadNumber(file, 0, INT64_MAX);
			b->base = ReadNumber(file, 0, INT32_MAX);
			b->over_g = ReadNumber(file, 0, INT64_MAX);
			b->step_g = ReadNumber(file, 0, INT64_MAX);
			b->step_price = ReadNumber(file, 0, INT32_MAX);
		}
	}
}

/*
 * Read the nodes of an instance, with what they have of each line.
 */
static void
ReadNodes(Case *c, FILE *file)
{
	int n_nodes = c->problem.n_nodes;

	for (int i = 0; i < n_nodes; i++)
	{
		SolverNode *node = &c->nodes[i];

		node->services = c->services[i];
		node->per_parcel = ReadNumber(file, 0, INT32_MAX);
		node->per_unit = ReadNumber(file, 0, INT32_MAX);
		node->max_parcels = (int) ReadNumber(file, 0, INT32_MAX);
		node->n_services = (int) ReadNumber(file, 0, MAX_SERVICES);
		for (int j = 0; j < node->n_services; j++)
		{
			c->services[i][j].tariff =
				(int) ReadNumber(file, 0, c->problem.n_tariffs - 1);
			c->services[i][j].lateness = ReadNumber(file, 0, INT32_MAX);
			c->services[i][j].temperature =
				(uint32_t) ReadNumber(file, 0, UINT32_MAX);
		}
		for (int k = 0; k < c->problem.n_lines; k++)
		{
			c->available[k * n_nodes + i] = ReadNumber(file, 0, INT64_MAX);
			c->stock_value[k * n_nodes + i] =
				ReadNumber(file, -INT32_MAX, INT32_MAX);
		}
	}
}

/*
 * Read an instance, and what somebody says that it costs (or REFUSED).
 *
 * Numbers, divided by blanks, money in cents: id, cost, split penalty, most
 * parcels, are lines divided (0, 1), lines, nodes, tariffs; for each line
 * quantity, g and cm3 a unit, class; for each tariff divisor, brackets, and
 * for each of them up to g, base, over g, step g, price of a step; for each
 * node handling of a parcel and of a unit, parcels it may send, services, for
 * each of them tariff, lateness, classes, and for each line what it has and
 * what that is worth.
 */
bool
ReadCase(Case *c, FILE *file, long *id, int64_t *cost)
{
	int64_t split_penalty;
	int64_t max_parcels;
	bool split;
	int n_lines;
	int n_nodes;

	if (fscanf(file, "%ld", id) != 1)
		return false;
	*cost = ReadNumber(file, REFUSED, INT64_MAX);
	split_penalty = ReadNumber(file, 0, INT32_MAX);
	max_parcels = ReadNumber(file, 0, INT32_MAX);
	split = ReadNumber(file, 0, 1) == 1;
	n_lines = (int) ReadNumber(file, 1, MAX_LINES);
	n_nodes = (int) ReadNumber(file, 0, MAX_NODES);
	BeginCase(c, n_lines, n_nodes, (int) ReadNumber(file, 0, MAX_TARIFFS));
	c->problem.split_penalty = split_penalty;
	c->problem.max_parcels = (int) max_parcels;
	c->problem.allow_line_split = split;
	for (int k = 0; k < n_lines; k++)
	{
		c->lines[k].quantity = ReadNumber(file, 1, INT32_MAX);
		c->lines[k].unit_weight_g = ReadNumber(file, 0, INT32_MAX);
		c->lines[k].unit_volume_cm3 = ReadNumber(file, 0, INT32_MAX);
		c->lines[k].temperature = (uint32_t) ReadNumber(file, 0, UINT32_MAX);
	}
	ReadTariffs(c, file);
	ReadNodes(c, file);
	ClassifyCase(c);
	return true;
}
