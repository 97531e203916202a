/*-------------------------------------------------------------------------
 *
 * programs.c
 *	  The allocation problem as a mixed-integer program, stated in two ways
 *	  that share neither code nor ideas with the solver.
 *
 * The program with slots knows nothing of subsets.  It has slots for parcels,
 * and for each slot p and option o (node, service, bracket, real or volumetric
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
 * The program with columns is for orders that are too large for slots and
 * whose lines are kept whole.  It has a column for every parcel that can be:
 * a node and a set of lines that it has, at the price of its cheapest service
 * (by solver_check.h).  Where no node can be full, the set comes from the
 * node that sends it cheapest.
 *
 *	sum over columns that hold line l of x	 = 1
 *	sum over columns of the node of x		<= capacity(node)
 *	sum over all columns of x				<= most parcels
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "oracle.h"

#include <inttypes.h>
#include <string.h>

#define MAX_OPTIONS (SLOT_NODES * MAX_SERVICES * MAX_BRACKETS * 2)
#define MAX_COLUMNS 200000

/* A parcel that can be: whole lines, as bits, from a node. */
typedef struct Column
{
	uint32_t set;
	int node;
	int64_t cost;
} Column;

static Column columns[MAX_COLUMNS];

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

/*
 * Decide which lines the program may divide, and how many slots it needs.
 */
void
ClassifyCase(Case *c)
{
	int64_t slots = 0;

	c->divided = false;
	for (int i = 0; i < c->problem.n_lines; i++)
	{
		c->may_split[i] =
			c->problem.allow_line_split && !JudgeWhole(&c->problem, i);
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
 * Write bounds and kinds of the variables.
 */
static void
WriteDeclarations(FILE *file, const Case *c, const Option *options, int n)
{
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
 * Write the program with slots; false if the instance is too large for it.
 */
bool
WriteSlotProgram(FILE *file, const Case *c)
{
	Option options[MAX_OPTIONS];
	int n;

	if (c->problem.n_lines > SLOT_LINES || c->problem.n_nodes > SLOT_NODES)
		return false;
	n = ListOptions(c, options);
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
	WriteDeclarations(file, c, options, n);
	return true;
}

/*
 * Price a set of whole lines as a parcel of a node; INT64_MIN: it cannot be.
 */
static int64_t
PriceSet(const Case *c, int node, uint32_t set)
{
	int64_t quantities[MAX_LINES] = {0};
	int64_t best = 0;
	bool found = false;

	for (int l = 0; l < c->problem.n_lines; l++)
	{
		if (set & UINT32_C(1) << l)
			quantities[l] = c->lines[l].quantity;
	}
	for (int j = 0; j < c->nodes[node].n_services; j++)
	{
		SolverParcel parcel;

		if (!JudgeService(&c->problem, node, j, quantities, &parcel) ||
			(found && JudgeParcelCost(&parcel) >= best))
			continue;
		best = JudgeParcelCost(&parcel);
		found = true;
	}
	return found ? best : INT64_MIN;
}

/*
 * Add a column, or make the one of the same set cheaper if node does not
 * matter.
 */
static bool
AddColumn(int *n, Column column, int *by_set)
{
	if (by_set != NULL && by_set[column.set] >= 0)
	{
		Column *known = &columns[by_set[column.set]];

		if (column.cost < known->cost)
			*known = column;
		return true;
	}
	if (*n >= MAX_COLUMNS)
		return false;
	if (by_set != NULL)
		by_set[column.set] = *n;
	columns[(*n)++] = column;
	return true;
}

/*
 * List the columns; returns their number, or -1 if there are too many.
 */
static int
ListColumns(const Case *c, bool limited)
{
	size_t n_sets = (size_t) 1 << c->problem.n_lines;
	int *by_set = (limited ? NULL : malloc(n_sets * sizeof(int)));
	int n = 0;

	for (size_t i = 0; by_set != NULL && i < n_sets; i++)
		by_set[i] = -1;
	for (int i = 0; i < c->problem.n_nodes && n >= 0; i++)
	{
		uint32_t stock = 0;

		for (int l = 0; l < c->problem.n_lines; l++)
		{
			if (c->available[l * c->problem.n_nodes + i] >=
				c->lines[l].quantity)
				stock |= UINT32_C(1) << l;
		}
		if (c->nodes[i].max_parcels == 0)
			continue;
		for (uint32_t set = stock; set != 0 && n >= 0; set = (set - 1) & stock)
		{
			int64_t cost = PriceSet(c, i, set);

			if (cost != INT64_MIN &&
				!AddColumn(&n, (Column){set, i, cost}, by_set))
				n = -1;
		}
	}
	free(by_set);
	return n;
}

/*
 * Write a row over the columns of a line (or of all) and a node (or of all).
 */
static void
WriteColumnRow(FILE *file, int n, int line, int node, const char *sense,
			   int right)
{
	fprintf(file, " zero");
	for (int i = 0; i < n; i++)
	{
		if ((line < 0 || columns[i].set & UINT32_C(1) << line) &&
			(node < 0 || columns[i].node == node))
			fprintf(file, " + x%d\n", i);
	}
	fprintf(file, " %s %d\n", sense, right);
}

/*
 * Check whether all nodes together have too little of some line: then there is
 * no plan, divided or not.
 */
static bool
IsShort(const Case *c)
{
	for (int l = 0; l < c->problem.n_lines; l++)
	{
		int64_t left = c->lines[l].quantity;

		for (int i = 0; i < c->problem.n_nodes; i++)
			left -= c->available[l * c->problem.n_nodes + i];
		if (left > 0)
			return true;
	}
	return false;
}

/*
 * Write the program with columns; false if the instance is too large for it,
 * or has lines that can be had in parts only.
 */
bool
WriteColumnProgram(FILE *file, const Case *c)
{
	bool limited = false;
	int n;

	for (int i = 0; i < c->problem.n_nodes; i++)
		limited |= c->nodes[i].max_parcels > 0 &&
			c->nodes[i].max_parcels < c->problem.n_lines;
	if (c->divided && !IsShort(c))
		return false;
	n = ListColumns(c, limited);
	if (n < 0)
		return false;
	fprintf(file, "Minimize\n cost: zero\n");
	for (int i = 0; i < n; i++)
		fprintf(file, " %+" PRId64 " x%d\n",
				columns[i].cost + c->problem.split_penalty, i);
	fprintf(file, "Subject To\n");
	for (int l = 0; l < c->problem.n_lines; l++)
		WriteColumnRow(file, n, l, -1, "=", 1);
	for (int i = 0; limited && i < c->problem.n_nodes; i++)
	{
		if (c->nodes[i].max_parcels < c->problem.n_lines)
			WriteColumnRow(file, n, -1, i, "<=", c->nodes[i].max_parcels);
	}
	if (c->problem.max_parcels > 0)
		WriteColumnRow(file, n, -1, -1, "<=", c->problem.max_parcels);
	fprintf(file, "Bounds\n zero = 0\nBinaries\n");
	for (int i = 0; i < n; i++)
		fprintf(file, " x%d\n", i);
	fprintf(file, "End\n");
	return true;
}
