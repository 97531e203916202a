/*-------------------------------------------------------------------------
 *
 * solver_check.h
 *	  Independent judge of plans: used by the unit, oracle and fuzz tests.
 *
 * Nothing here calls the solver; freight and costs are worked out anew from
 * the definitions in solver.h.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef SOLVER_CHECK_H
#define SOLVER_CHECK_H

#include <stdlib.h>

#include "../../src/allocation/solver.h"

/*
 * Work out the weight a tariff is asked for.
 */
static inline int64_t
JudgeBilled(const SolverTariff *tariff, int64_t weight, int64_t volume)
{
	int64_t volumetric;

	if (tariff->volumetric_divisor == 0)
		return weight;
	volumetric = volume * 1000 / tariff->volumetric_divisor +
		(volume * 1000 % tariff->volumetric_divisor != 0);
	return volumetric > weight ? volumetric : weight;
}

/*
 * Work out freight from the definition; -1: not carried.
 */
static inline int64_t
JudgeFreight(const SolverTariff *tariff, int64_t weight, int64_t volume)
{
	int64_t billed = JudgeBilled(tariff, weight, volume);

	for (int i = 0; i < tariff->n_brackets; i++)
	{
		const SolverBracket *b = &tariff->brackets[i];
		__extension__ __int128 freight = b->base;

		if (billed > b->up_to_g)
			continue;
		if (billed > b->over_g && b->step_g > 0)
		{
			int64_t over = billed - b->over_g;

			int64_t steps = over / b->step_g + (over % b->step_g > 0);

			freight += (__extension__(__int128) steps) * b->step_price;
		}
		return freight > INT64_C(500000000000000) ? -1 : (int64_t) freight;
	}
	return -1;
}

/*
 * Price a parcel of given quantities by one service; false: not carried.
 */
static inline bool
JudgeService(const SolverProblem *problem, int node, int service,
			 const int64_t *quantities, SolverParcel *parcel)
{
	const SolverNode *from = &problem->nodes[node];
	const SolverService *by = &from->services[service];
	int64_t units = 0;

	*parcel = (SolverParcel){.node = node, .service = service};
	for (int i = 0; i < problem->n_lines; i++)
	{
		const SolverLine *line = &problem->lines[i];

		if (quantities[i] == 0)
			continue;
		if ((line->temperature & by->temperature) != line->temperature)
			return false;
		parcel->weight_g += quantities[i] * line->unit_weight_g;
		parcel->volume_cm3 += quantities[i] * line->unit_volume_cm3;
		if (problem->stock_value != NULL)
			parcel->stock_value += quantities[i] *
				problem->stock_value[i * problem->n_nodes + node];
		units += quantities[i];
	}
	parcel->billed_g = JudgeBilled(&problem->tariffs[by->tariff],
								   parcel->weight_g, parcel->volume_cm3);
	parcel->freight = JudgeFreight(&problem->tariffs[by->tariff],
								   parcel->weight_g, parcel->volume_cm3);
	parcel->handling = from->per_parcel + from->per_unit * units;
	parcel->lateness = by->lateness;
	return parcel->freight >= 0;
}

static inline int64_t
JudgeParcelCost(const SolverParcel *parcel)
{
	return parcel->freight + parcel->handling + parcel->lateness +
		parcel->stock_value;
}

/*
 * Check whether a node can send a line whole, in one parcel.
 */
static inline bool
JudgeWhole(const SolverProblem *problem, int line)
{
	int64_t *quantities = calloc((size_t) problem->n_lines, sizeof(int64_t));
	bool whole = false;

	quantities[line] = problem->lines[line].quantity;
	for (int i = 0; i < problem->n_nodes; i++)
	{
		SolverParcel parcel;

		if (problem->nodes[i].max_parcels < 1 ||
			problem->available[line * problem->n_nodes + i] < quantities[line])
			continue;
		for (int j = 0; j < problem->nodes[i].n_services; j++)
			whole |= JudgeService(problem, i, j, quantities, &parcel);
	}
	free(quantities);
	return whole;
}

/*
 * Check the pieces of a plan; quantities receives them by parcel and line.
 */
static inline const char *
JudgePieces(const SolverProblem *problem, const SolverPlan *plan,
			int64_t *quantities)
{
	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];

		if (piece->line < 0 || piece->line >= problem->n_lines ||
			piece->parcel < 0 || piece->parcel >= plan->n_parcels)
			return "a piece points nowhere";
		if (piece->quantity < 1)
			return "an empty piece";
		if (i > 0 &&
			(piece->parcel < piece[-1].parcel ||
			 (piece->parcel == piece[-1].parcel &&
			  piece->line <= piece[-1].line)))
			return "pieces out of order";
		if (piece->parcel > (i > 0 ? piece[-1].parcel + 1 : 0))
			return "an empty parcel";
		quantities[piece->parcel * problem->n_lines + piece->line] =
			piece->quantity;
	}
	if (plan->n_pieces < 1 ||
		plan->pieces[plan->n_pieces - 1].parcel != plan->n_parcels - 1)
		return "the last parcel is empty";
	for (int i = 0; i < problem->n_lines; i++)
	{
		int64_t sum = 0;
		int n = 0;

		for (int j = 0; j < plan->n_parcels; j++)
		{
			sum += quantities[j * problem->n_lines + i];
			n += quantities[j * problem->n_lines + i] > 0;
		}
		if (sum != problem->lines[i].quantity)
			return "a line is not supplied exactly";
		if (n > 1 && !problem->allow_line_split)
			return "a line is split";
	}
	return NULL;
}

/*
 * Check stock and capacities of the nodes.
 */
static inline const char *
JudgeNodes(const SolverProblem *problem, const SolverPlan *plan,
		   const int64_t *quantities)
{
	if (problem->max_parcels > 0 && plan->n_parcels > problem->max_parcels)
		return "too many parcels";
	for (int i = 0; i < plan->n_parcels; i++)
	{
		int node = plan->parcels[i].node;
		int sent = 0;

		if (node < 0 || node >= problem->n_nodes ||
			plan->parcels[i].service < 0 ||
			plan->parcels[i].service >= problem->nodes[node].n_services)
			return "no such node or service";
		for (int k = 0; k < problem->n_lines; k++)
		{
			int64_t used = 0;

			for (int j = 0; j < plan->n_parcels; j++)
			{
				if (plan->parcels[j].node == node)
					used += quantities[j * problem->n_lines + k];
			}
			if (used > problem->available[k * problem->n_nodes + node])
				return "stock used twice";
		}
		for (int j = 0; j < plan->n_parcels; j++)
			sent += plan->parcels[j].node == node;
		if (sent > problem->nodes[node].max_parcels)
			return "node over capacity";
	}
	return NULL;
}

/*
 * Check every figure of the parcels, and the cost.
 */
static inline const char *
JudgeCosts(const SolverProblem *problem, const SolverPlan *plan,
		   const int64_t *quantities)
{
	int64_t cost = problem->split_penalty * (plan->n_parcels - 1);

	for (int i = 0; i < plan->n_parcels; i++)
	{
		const SolverParcel *given = &plan->parcels[i];
		const int64_t *own = &quantities[i * problem->n_lines];
		SolverParcel parcel;

		if (!JudgeService(problem, given->node, given->service, own, &parcel))
			return "the service cannot carry the parcel";
		if (parcel.weight_g != given->weight_g ||
			parcel.volume_cm3 != given->volume_cm3 ||
			parcel.billed_g != given->billed_g ||
			parcel.freight != given->freight ||
			parcel.handling != given->handling ||
			parcel.lateness != given->lateness ||
			parcel.stock_value != given->stock_value)
			return "a figure of a parcel is wrong";
		cost += JudgeParcelCost(&parcel);
		for (int j = 0; j < problem->nodes[given->node].n_services; j++)
		{
			SolverParcel other;

			if (JudgeService(problem, given->node, j, own, &other) &&
				JudgeParcelCost(&other) < JudgeParcelCost(given))
				return "the node has a cheaper service";
		}
	}
	if (cost != plan->cost)
		return "the cost does not add up";
	if (plan->lower_bound > plan->cost)
		return "the lower bound is above the cost";
	if (plan->exact != (plan->lower_bound == plan->cost))
		return "exact, but not at the lower bound";
	return NULL;
}

/*
 * Judge a plan; NULL: nothing wrong with it.
 */
static inline const char *
JudgePlan(const SolverProblem *problem, const SolverPlan *plan)
{
	int64_t *quantities;
	const char *wrong;

	if (plan->n_parcels < 1 || plan->parcels == NULL || plan->pieces == NULL)
		return "no parcels";
	if (plan->short_line != -1)
		return "short line in a complete plan";
	quantities = calloc((size_t) plan->n_parcels * (size_t) problem->n_lines,
						sizeof(int64_t));
	wrong = JudgePieces(problem, plan, quantities);
	if (wrong == NULL)
		wrong = JudgeNodes(problem, plan, quantities);
	if (wrong == NULL)
		wrong = JudgeCosts(problem, plan, quantities);
	free(quantities);
	return wrong;
}

#endif /* SOLVER_CHECK_H */
