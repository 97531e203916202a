/*-------------------------------------------------------------------------
 *
 * solver_check.c
 *	  Which problems the allocation solver takes on.
 *
 * A problem is refused if its numbers are negative or absurd: after these
 * checks no sum or product in the solver overflows an int64_t.  Then each
 * line must be in stock, and at nodes that have a service for it.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "solver.h"

#include "solver_internal.h"

/*
 * Check that a number is neither negative nor absurd.
 */
static bool
CheckValue(int64_t value)
{
	return value >= 0 && value <= SOLVER_MAX_VALUE;
}

/*
 * Add count * value to a total that must stay within SOLVER_MAX_VALUE.
 */
static bool
CheckTotal(int64_t *total, int64_t count, int64_t value)
{
	if (value != 0 && count > (SOLVER_MAX_VALUE - *total) / value)
		return false;
	*total += count * value;
	return true;
}

/*
 * Check the counts and pointers of a problem.
 */
static bool
CheckShape(const SolverProblem *problem)
{
	if (problem->alloc == NULL || problem->release == NULL)
		return false;
	if (problem->n_lines < 1 || problem->n_lines > SOLVER_MAX_LINES ||
		problem->n_nodes < 0 || problem->n_nodes > SOLVER_MAX_NODES ||
		problem->n_tariffs < 0)
		return false;
	if (problem->lines == NULL ||
		(problem->n_nodes > 0 && problem->nodes == NULL) ||
		(problem->n_nodes > 0 && problem->available == NULL) ||
		(problem->n_tariffs > 0 && problem->tariffs == NULL))
		return false;
	return problem->max_parcels >= 0 && CheckValue(problem->split_penalty);
}

/*
 * Check that tariffs are in order.
 */
static bool
CheckTariffs(const SolverProblem *problem)
{
	for (int i = 0; i < problem->n_tariffs; i++)
	{
		const SolverTariff *tariff = &problem->tariffs[i];
		int64_t previous = 0;

		if (tariff->volumetric_divisor < 0 || tariff->n_brackets < 0 ||
			(tariff->n_brackets > 0 && tariff->brackets == NULL))
			return false;
		for (int j = 0; j < tariff->n_brackets; j++)
		{
			const SolverBracket *bracket = &tariff->brackets[j];

			if (bracket->up_to_g < previous || bracket->over_g < 0 ||
				bracket->step_g < 0 || !CheckValue(bracket->base) ||
				!CheckValue(bracket->step_price))
				return false;
			previous = bracket->up_to_g;
		}
	}
	return true;
}

/*
 * Check the services of a node.
 */
static bool
CheckServices(const SolverProblem *problem, const SolverNode *node)
{
	if (node->n_services < 0 ||
		(node->n_services > 0 && node->services == NULL))
		return false;
	for (int i = 0; i < node->n_services; i++)
	{
		const SolverService *service = &node->services[i];

		if (service->tariff < 0 || service->tariff >= problem->n_tariffs ||
			!CheckValue(service->lateness))
			return false;
	}
	return true;
}

/*
 * Check the nodes; those that share an array of services one after the other
 * need it checked once.
 */
static bool
CheckNodes(const SolverProblem *problem)
{
	const SolverNode *checked[16] = {NULL};

	for (int i = 0; i < problem->n_nodes; i++)
	{
		const SolverNode *node = &problem->nodes[i];
		const SolverNode **like =
			&checked[((uintptr_t) node->services >> 4) % 16];

		if (!CheckValue(node->per_parcel) || !CheckValue(node->per_unit) ||
			node->max_parcels < 0)
			return false;
		if (*like != NULL && (*like)->services == node->services &&
			(*like)->n_services == node->n_services)
			continue;
		if (!CheckServices(problem, node))
			return false;
		*like = node;
	}
	return true;
}

/*
 * Check the lines, and the totals of the order.
 */
static bool
CheckLines(const SolverProblem *problem)
{
	int64_t weight = 0;
	int64_t volume = 0;
	int64_t units = 0;
	int64_t handling = 0;
	int64_t most = 0; /* per unit */

	for (int i = 0; i < problem->n_lines; i++)
	{
		const SolverLine *line = &problem->lines[i];

		if (line->quantity < 1 || !CheckValue(line->quantity) ||
			!CheckValue(line->unit_weight_g) ||
			!CheckValue(line->unit_volume_cm3) ||
			!CheckTotal(&weight, line->quantity, line->unit_weight_g) ||
			!CheckTotal(&volume, line->quantity, line->unit_volume_cm3) ||
			!CheckTotal(&units, line->quantity, 1))
			return false;
	}
	for (int i = 0; i < problem->n_nodes; i++)
		if (problem->nodes[i].per_unit > most)
			most = problem->nodes[i].per_unit;
	return CheckTotal(&handling, units, most);
}

/*
 * Check availability, and that no choice of stock is worth an absurd sum.
 */
static bool
CheckStock(const SolverProblem *problem)
{
	size_t cells = (size_t) problem->n_lines * (size_t) problem->n_nodes;
	int64_t total = 0;
	int64_t signs = 0;

	for (size_t i = 0; i < cells; i++)
		signs |= problem->available[i];
	if (signs < 0)
		return false;
	for (int i = 0; i < problem->n_lines && problem->stock_value != NULL; i++)
	{
		int64_t most = 0;

		for (int j = 0; j < problem->n_nodes; j++)
		{
			int64_t value = SolverStockValue(problem, i, j);

			if (value < -SOLVER_MAX_VALUE || value > SOLVER_MAX_VALUE)
				return false;
			if (value < 0)
				value = -value;
			if (value > most)
				most = value;
		}
		if (!CheckTotal(&total, problem->lines[i].quantity, most))
			return false;
	}
	return true;
}

/*
 * Check that enough of a line lies at nodes, all or those that can send it.
 */
static bool
LineIsSupplied(const SolverProblem *problem, int line, bool need_service)
{
	int64_t wanted = problem->lines[line].quantity;

	for (int i = 0; i < problem->n_nodes; i++)
	{
		int64_t stock = problem->available[SOLVER_CELL(problem, line, i)];

		if (stock == 0 ||
			(need_service && !SolverNodeTakes(problem, i, line, 1)))
			continue;
		if (stock >= wanted)
			return true;
		wanted -= stock;
	}
	return false;
}

/*
 * Find a line that cannot be served at all, whatever the limits.
 */
SolverStatus
SolverCheckSupply(const SolverProblem *problem, int *short_line)
{
	for (int i = 0; i < problem->n_lines; i++)
	{
		*short_line = i;
		if (!LineIsSupplied(problem, i, false))
			return SOLVER_NO_STOCK;
	}
	for (int i = 0; i < problem->n_lines; i++)
	{
		*short_line = i;
		if (!LineIsSupplied(problem, i, true))
			return SOLVER_NO_SERVICE;
	}
	*short_line = -1;
	return SOLVER_OK;
}

/*
 * Check that a problem makes sense, and that no sum in it can overflow.
 */
bool
SolverCheckProblem(const SolverProblem *problem)
{
	return CheckShape(problem) && CheckTariffs(problem) &&
		CheckNodes(problem) && CheckLines(problem) && CheckStock(problem);
}
