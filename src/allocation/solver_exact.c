/*-------------------------------------------------------------------------
 *
 * solver_exact.c
 *	  Optimal division of few lines into parcels, each line whole.
 *
 * Dynamic programming over subsets of lines, as for set partitioning
 * (Held and Karp 1962; Yeh 1986 for partitions):
 *
 *	best[T] = cheapest parcel that carries exactly the lines of T
 *	plan[S] = min over T within S, T holding the lowest line of S, of
 *			  best[T] + plan[S - T]
 *
 * Only submasks of what a node has in stock are enumerated, and freight is
 * computed once per tariff and subset, however many nodes share the tariff.
 * With n lines that is at most 2^n steps a service and 3^n / 2 for the plan;
 * as every state but the first lacks line 0, 3^(n-1) / 2 suffice.
 *
 * If the order's max_parcels binds, plan[] gets one layer per number of
 * parcels.  If the capacity of a node binds, a second program takes the
 * nodes one after the other:
 *
 *	plan'[S] = min over T of plan[S], option(node, T) + plan[S - T]
 *
 * applied as often as the node may send a parcel.  Nodes that can never run
 * out (capacity >= n) form the start of that chain by the first program.
 * An option is left out when even the plan without capacities could not
 * complete it more cheaply than a plan already known (reduced-cost fixing).
 *
 * Every cost here includes one split penalty a parcel; the caller's cost has
 * one less.  Costs are compared with their tie weight (see SolverTie), which
 * is additive too.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "solver.h"

#include <string.h>

#include "solver_internal.h"

#define FREIGHT_UNKNOWN (-1)

/* A service of a node, with the lines it can carry whole. */
typedef struct Offer
{
	int node;
	int tariff;
	int64_t fixed; /* handling, lateness and penalty of a parcel */
	uint32_t mask;
} Offer;

/* Cheapest parcel of each subset. */
typedef struct Table
{
	int64_t *cost;
	int *node;
} Table;

/* Cheapest plan of each subset. */
typedef struct Layer
{
	int64_t *cost;
	int64_t *tie;
	uint16_t *choice; /* the parcel holding the lowest line */
} Layer;

/* One parcel more from a node with limited capacity: what it changed. */
typedef struct Round
{
	int node;
	uint16_t *choice; /* [layer * n_sets + set]; 0: no parcel */
	struct Round *previous;
} Round;

typedef struct Exact
{
	SolverWork *work;
	const SolverProblem *problem;
	int n_lines;
	uint32_t n_sets;	  /* 2 ^ n_lines */
	uint32_t temperature; /* all classes that lines need */
	int n_layers;		  /* max_parcels if it can bind, else 0 */
	int64_t *weight;	  /* of each subset */
	int64_t *volume;
	Offer *offers; /* by tariff, then node, then service */
	int n_offers;
	int64_t *freight;  /* scratch: of each subset, current tariff */
	int64_t *variable; /* scratch: handling and stock, current node */
	int *leaders;	   /* scratch: by mask, see LeaderBeats */
	Table best;
	Layer layers[SOLVER_EXACT_LINES + 1];
} Exact;

/*
 * Allocate a table and fill it with infinity.
 */
static bool
MakeTable(Exact *exact, Table *table)
{
	table->cost = SolverAlloc(exact->work, exact->n_sets, sizeof(int64_t));
	table->node = SolverAlloc(exact->work, exact->n_sets, sizeof(int));
	if (table->cost == NULL || table->node == NULL)
		return false;
	for (uint32_t set = 0; set < exact->n_sets; set++)
		table->cost[set] = SOLVER_INFINITE;
	return true;
}

/*
 * Allocate the layers of a plan, infinite but for the empty set.
 */
static bool
MakeLayers(Exact *exact, Layer *layers)
{
	for (int i = 0; i <= exact->n_layers; i++)
	{
		Layer *layer = &layers[i];

		layer->cost = SolverAlloc(exact->work, exact->n_sets, sizeof(int64_t));
		layer->tie = SolverAlloc(exact->work, exact->n_sets, sizeof(int64_t));
		layer->choice =
			SolverAlloc(exact->work, exact->n_sets, sizeof(uint16_t));
		if (layer->cost == NULL || layer->tie == NULL || layer->choice == NULL)
			return false;
		for (uint32_t set = 1; set < exact->n_sets; set++)
			layer->cost[set] = SOLVER_INFINITE;
	}
	return true;
}

/*
 * Compute weight and volume of every subset from a smaller one.
 */
static void
SumSubsets(Exact *exact)
{
	for (uint32_t set = 1; set < exact->n_sets; set++)
	{
		const SolverLine *line = &exact->problem->lines[__builtin_ctz(set)];
		uint32_t rest = set & (set - 1);

		exact->weight[set] =
			exact->weight[rest] + line->quantity * line->unit_weight_g;
		exact->volume[set] =
			exact->volume[rest] + line->quantity * line->unit_volume_cm3;
	}
}

/*
 * Tell which lines each node has whole.
 */
static uint16_t *
StockMasks(Exact *exact)
{
	const SolverProblem *problem = exact->problem;
	uint16_t *masks =
		SolverAlloc(exact->work, (size_t) problem->n_nodes, sizeof(uint16_t));

	for (int i = 0; masks != NULL && i < exact->n_lines; i++)
	{
		const int64_t *available =
			&problem->available[SOLVER_CELL(problem, i, 0)];
		int64_t wanted = problem->lines[i].quantity;

		for (int j = 0; j < problem->n_nodes; j++)
			masks[j] |= (uint16_t) ((available[j] >= wanted ? 1 : 0) << i);
	}
	return masks;
}

/*
 * Describe what a service of a node can carry, and its price per parcel.
 */
static Offer
DescribeOffer(const Exact *exact, int node, int service, uint32_t stock)
{
	const SolverProblem *problem = exact->problem;
	const SolverService *by = &problem->nodes[node].services[service];
	Offer offer;

	offer.node = node;
	offer.tariff = by->tariff;
	offer.fixed =
		problem->nodes[node].per_parcel + by->lateness + problem->split_penalty;
	offer.mask = stock;
	if ((exact->temperature & ~by->temperature) == 0)
		return offer;
	for (int i = 0; i < exact->n_lines; i++)
	{
		if ((problem->lines[i].temperature & ~by->temperature) != 0)
			offer.mask &= ~(UINT32_C(1) << i);
	}
	return offer;
}

/*
 * Check whether a node does all that another one could, for the same price.
 */
static bool
Replaces(const Exact *exact, const uint16_t *masks, int node, int other)
{
	const SolverProblem *problem = exact->problem;
	const SolverNode *by = &problem->nodes[node];
	const SolverNode *needless = &problem->nodes[other];

	return by->services == needless->services &&
		by->n_services == needless->n_services &&
		(masks[other] & ~masks[node]) == 0 &&
		by->per_parcel <= needless->per_parcel &&
		by->per_unit <= needless->per_unit &&
		by->max_parcels >= exact->n_lines &&
		SolverTie(problem, node) <= SolverTie(problem, other);
}

/*
 * List the nodes that are worth a look.
 *
 * Nodes of a chain that have the same carriers, prices and promises often
 * share one array of services.  Among them one that lacks what another has
 * in stock, handles for no less and does not win ties is in no better plan:
 * put the other in its place.  Returns their number, or -1.
 */
static int
ListNodes(Exact *exact, const uint16_t *masks, int *nodes)
{
	const SolverProblem *problem = exact->problem;
	int first[64];
	int *next =
		SolverAlloc(exact->work, (size_t) problem->n_nodes, sizeof(int));
	int n = 0;

	if (next == NULL)
		return -1;
	for (int i = 0; i < 64; i++)
		first[i] = -1;
	for (int i = 0; i < problem->n_nodes; i++)
	{
		const SolverNode *node = &problem->nodes[i];
		int *bucket = &first[((uintptr_t) node->services >> 4) % 64];
		int other = *bucket;

		if (masks[i] == 0 || node->max_parcels == 0)
			continue;
		/* Units have a price of their own at each node. */
		if (problem->stock_value != NULL)
			other = -1;
		while (other >= 0 && !Replaces(exact, masks, other, i))
			other = next[other];
		if (other >= 0)
			continue;
		next[i] = *bucket;
		*bucket = i;
		nodes[n++] = i;
	}
	return SolverStep(exact->work, problem->n_nodes) ? n : -1;
}

/*
 * Collect the offers of the nodes, sorted by tariff (counting sort).
 */
static bool
CollectOffers(Exact *exact)
{
	const SolverProblem *problem = exact->problem;
	size_t *next = SolverAlloc(exact->work, (size_t) problem->n_tariffs + 1,
							   sizeof(size_t));
	int *nodes =
		SolverAlloc(exact->work, (size_t) problem->n_nodes, sizeof(int));
	uint16_t *masks = StockMasks(exact);
	size_t n_services = 0;
	int n;

	if (next == NULL || nodes == NULL || masks == NULL)
		return false;
	n = ListNodes(exact, masks, nodes);
	for (int i = 0; i < n; i++)
	{
		const SolverNode *node = &problem->nodes[nodes[i]];

		for (int j = 0; j < node->n_services; j++)
			next[node->services[j].tariff + 1]++;
		n_services += (size_t) node->n_services;
	}
	for (int i = 0; i < problem->n_tariffs; i++)
		next[i + 1] += next[i];

	exact->n_offers = (int) n_services;
	exact->offers = SolverAlloc(exact->work, n_services, sizeof(Offer));
	if (n < 0 || exact->offers == NULL)
		return false;
	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < problem->nodes[nodes[i]].n_services; j++)
		{
			Offer offer = DescribeOffer(exact, nodes[i], j, masks[nodes[i]]);

			exact->offers[next[offer.tariff]++] = offer;
		}
		if (!SolverStep(exact->work, exact->n_lines))
			return false;
	}
	return true;
}

/*
 * Compute the freight of a subset under a tariff.
 */
static int64_t
SubsetFreight(const Exact *exact, int tariff, uint32_t set)
{
	int64_t freight =
		solver_freight(&exact->problem->tariffs[tariff], exact->weight[set],
					   exact->volume[set], NULL);

	return freight < 0 ? SOLVER_INFINITE : freight;
}

/*
 * Enter every subset an offer can carry into a table.
 *
 * Submasks come in ascending order, so the costs that do not depend on the
 * tariff are known for the subset without its lowest line.
 */
static void
PriceOffer(Exact *exact, const Offer *offer, Table *table)
{
	const SolverProblem *problem = exact->problem;
	const SolverNode *node = &problem->nodes[offer->node];
	int64_t *variable = exact->variable;
	int64_t *freight = exact->freight;
	int64_t line_cost[SOLVER_EXACT_LINES] = {0};
	uint32_t mask = offer->mask;

	for (int i = 0; i < exact->n_lines; i++)
		line_cost[i] = problem->lines[i].quantity *
			(node->per_unit + SolverStockValue(problem, i, offer->node));
	variable[0] = offer->fixed;
	for (uint32_t set = mask & (~mask + 1); set != 0; set = (set - mask) & mask)
	{
		int64_t cost;

		variable[set] =
			variable[set & (set - 1)] + line_cost[__builtin_ctz(set)];
		if (freight[set] == FREIGHT_UNKNOWN)
			freight[set] = SubsetFreight(exact, offer->tariff, set);
		if (freight[set] == SOLVER_INFINITE)
			continue;
		cost = freight[set] + variable[set];
		if (cost < table->cost[set] ||
			(cost == table->cost[set] &&
			 SolverTie(problem, offer->node) <
				 SolverTie(problem, table->node[set])))
		{
			table->cost[set] = cost;
			table->node[set] = offer->node;
		}
	}
}

/*
 * Check whether an earlier offer makes one of the same tariff needless: it
 * carries the same lines and costs no more whatever they are.
 *
 * Most nodes of a chain have one of a few prices for handling, so this leaves
 * a few offers of each tariff and mask.  leaders[mask] is the number of the
 * last offer that was not beaten, plus 1; the caller clears them when the
 * tariff changes.
 */
static bool
LeaderBeats(Exact *exact, const Offer *offer)
{
	const SolverProblem *problem = exact->problem;
	int *leader = &exact->leaders[offer->mask];
	const Offer *other;

	if (problem->stock_value != NULL)
		return false; /* units have a price of their own at each node */
	other = (*leader > 0 ? &exact->offers[*leader - 1] : NULL);
	if (other != NULL && other->fixed <= offer->fixed &&
		problem->nodes[other->node].per_unit <=
			problem->nodes[offer->node].per_unit &&
		SolverTie(problem, other->node) <= SolverTie(problem, offer->node))
		return true;
	*leader = (int) (offer - exact->offers) + 1;
	return false;
}

/*
 * Enter the offers of all nodes with at least this capacity, or, if only is
 * not negative, of that node alone.
 */
static bool
PriceOffers(Exact *exact, int capacity, int only, Table *table)
{
	int tariff = -1;

	for (int i = 0; i < exact->n_offers; i++)
	{
		const Offer *offer = &exact->offers[i];

		if (offer->mask == 0 || (only >= 0 && offer->node != only) ||
			exact->problem->nodes[offer->node].max_parcels < capacity)
			continue;
		if (offer->tariff != tariff)
		{
			tariff = offer->tariff;
			for (uint32_t set = 0; set < exact->n_sets; set++)
				exact->freight[set] = FREIGHT_UNKNOWN;
			memset(exact->leaders, 0, exact->n_sets * sizeof(int));
		}
		if (LeaderBeats(exact, offer))
			continue;
		PriceOffer(exact, offer, table);
		if (!SolverStep(exact->work,
						INT64_C(1) << __builtin_popcount(offer->mask)))
			return false;
	}
	return true;
}

/*
 * Find the cheapest plan of one subset: try each parcel for its lowest line.
 */
static void
PlanSubset(const Table *best, const int64_t *ties, const Layer *before,
		   Layer *layer, uint32_t set)
{
	uint32_t lowest = set & (~set + 1);
	uint32_t others = set ^ lowest;
	uint32_t part = others;
	int64_t least = SOLVER_INFINITE / 2; /* costs may be negative */
	int64_t least_tie = 0;
	uint32_t choice = 0;

	for (;;)
	{
		uint32_t parcel = part | lowest;
		int64_t cost = best->cost[parcel] + before->cost[set ^ parcel];

		if (cost <= least)
		{
			int64_t tie = ties[parcel] + before->tie[set ^ parcel];

			if (cost < least || tie < least_tie)
			{
				least = cost;
				least_tie = tie;
				choice = parcel;
			}
		}
		if (part == 0)
			break;
		part = (part - 1) & others;
	}
	/* Every layer has its arrays by now.  NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	layer->cost[set] = (choice == 0 ? SOLVER_INFINITE : least);
	layer->tie[set] = least_tie;
	layer->choice[set] = (uint16_t) choice;
}

/*
 * Fill the layers of a plan from the cheapest parcels.
 *
 * Without layers by number of parcels, layer 0 refers to itself.  Unless all
 * subsets are wanted, those that the whole order never reaches are left out.
 */
static bool
PlanSubsets(Exact *exact, const Table *best, bool all, Layer *layers)
{
	int64_t *ties = SolverAlloc(exact->work, exact->n_sets, sizeof(int64_t));

	if (ties == NULL)
		return false;
	for (uint32_t set = 1; set < exact->n_sets; set++)
	{
		if (best->cost[set] < SOLVER_INFINITE)
			ties[set] = SolverTie(exact->problem, best->node[set]);
	}
	for (int i = (exact->n_layers > 0 ? 1 : 0); i <= exact->n_layers; i++)
	{
		const Layer *before = &layers[exact->n_layers > 0 ? i - 1 : 0];

		for (uint32_t set = 1; set < exact->n_sets; set++)
		{
			if (!all && (set & 1) != 0 && set != exact->n_sets - 1)
				continue;
			PlanSubset(best, ties, before, &layers[i], set);
			if ((set & 31) == 0 && !SolverStep(exact->work, 1024))
				return false;
		}
	}
	return true;
}

/*
 * Append a parcel that carries whole lines to a draft.
 */
static void
AppendParcel(const Exact *exact, SolverDraft *draft, int node, uint32_t set)
{
	for (uint32_t rest = set; rest != 0; rest &= rest - 1)
	{
		SolverPiece *piece = &draft->pieces[draft->n_pieces++];

		piece->line = __builtin_ctz(rest);
		piece->parcel = draft->n_parcels;
		piece->quantity = exact->problem->lines[piece->line].quantity;
	}
	draft->nodes[draft->n_parcels++] = node;
}

/*
 * Append the parcels that layers chose for a subset.
 */
static void
AppendChoices(const Exact *exact, const Layer *layers, int layer,
			  const Table *best, uint32_t set, SolverDraft *draft)
{
	while (set != 0)
	{
		uint32_t parcel = layers[layer].choice[set];

		AppendParcel(exact, draft, best->node[parcel], parcel);
		set ^= parcel;
		if (exact->n_layers > 0)
			layer--;
	}
}

/*
 * Check whether a draft keeps within the capacity of its nodes.
 */
static bool
WithinCapacity(const Exact *exact, const SolverDraft *draft)
{
	for (int i = 0; i < draft->n_parcels; i++)
	{
		int sent = 0;

		for (int j = 0; j < draft->n_parcels; j++)
			sent += (draft->nodes[j] == draft->nodes[i] ? 1 : 0);
		if (sent > exact->problem->nodes[draft->nodes[i]].max_parcels)
			return false;
	}
	return true;
}

/*
 * Let a node send one parcel more, wherever that is cheaper.
 *
 * Reads the plans in from and writes to, which starts as a copy.  Returns
 * whether anything became cheaper.
 */
static bool
ImproveByParcel(const Exact *exact, const Table *options, int node,
				const Layer *from, const Layer *to, uint16_t *choice)
{
	uint32_t full = exact->n_sets - 1;
	int64_t tie_step = SolverTie(exact->problem, node);
	bool improved = false;
	int first = (exact->n_layers > 0 ? 1 : 0);

	for (uint32_t parcel = 1; parcel <= full; parcel++)
	{
		uint32_t others = full ^ parcel;

		if (options->cost[parcel] == SOLVER_INFINITE)
			continue;
		for (int i = first; i <= exact->n_layers; i++)
		{
			const Layer *before = &from[i - first];
			uint32_t rest = others;

			for (;; rest = (rest - 1) & others)
			{
				uint32_t set = rest | parcel;
				int64_t cost = before->cost[rest] + options->cost[parcel];
				int64_t tie = before->tie[rest] + tie_step;

				/* Every layer has its arrays by now.  NOLINTBEGIN(clang-analyzer-core.NullDereference) */
				if (before->cost[rest] < SOLVER_INFINITE &&
					(cost < to[i].cost[set] ||
					 (cost == to[i].cost[set] && tie < to[i].tie[set])))
				{
					to[i].cost[set] = cost;
					to[i].tie[set] = tie;
					choice[(uint32_t) i * exact->n_sets + set] =
						(uint16_t) parcel;
					improved = true;
				}
				/* NOLINTEND(clang-analyzer-core.NullDereference) */
				if (rest == 0)
					break;
			}
		}
		if (!SolverStep(exact->work, INT64_C(1) << __builtin_popcount(others)))
			return false;
	}
	return improved;
}

/*
 * Copy the layers of a plan.
 */
static void
CopyLayers(const Exact *exact, const Layer *from, Layer *to)
{
	for (int i = 0; i <= exact->n_layers; i++)
	{
		/* MakeLayers() made both.  NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
		memcpy(to[i].cost, from[i].cost, exact->n_sets * sizeof(int64_t));
		memcpy(to[i].tie, from[i].tie, exact->n_sets * sizeof(int64_t));
	}
}

/*
 * Price the parcels of one node, leaving out those no good plan can hold.
 *
 * Returns whether any is left.
 */
static bool
PriceOptions(Exact *exact, int node, const int64_t *bound, int64_t known,
			 Table *options)
{
	uint32_t full = exact->n_sets - 1;
	bool any = false;

	for (uint32_t set = 0; set <= full; set++)
		options->cost[set] = SOLVER_INFINITE;
	if (!PriceOffers(exact, 1, node, options))
		return false;
	for (uint32_t set = 1; set <= full; set++)
	{
		if (options->cost[set] == SOLVER_INFINITE)
			continue;
		if (bound[full ^ set] > known - options->cost[set])
			options->cost[set] = SOLVER_INFINITE;
		else
			any = true;
	}
	return any;
}

/*
 * Work out bounds for the capacitated program.
 *
 * bound[S] receives the cost of the cheapest plan of S without capacities,
 * and known that of some plan within capacities, if one is found.
 */
static bool
BoundOptions(Exact *exact, int64_t **bound, int64_t *known)
{
	const SolverProblem *problem = exact->problem;
	int n_layers = exact->n_layers;
	bool nested = exact->work->nested;
	bool *may_split =
		SolverAlloc(exact->work, (size_t) exact->n_lines, sizeof(bool));
	Layer layer[1];
	SolverDraft draft = {0};

	exact->n_layers = 0;
	if (may_split == NULL || !MakeLayers(exact, layer) ||
		!PlanSubsets(exact, &exact->best, true, layer))
		return false;
	exact->n_layers = n_layers;
	*bound = layer[0].cost;
	*known = SOLVER_INFINITE;
	exact->work->nested = true;
	if (SolverHeuristic(exact->work, may_split,
						layer[0].cost[exact->n_sets - 1] -
							problem->split_penalty,
						&draft) == SOLVER_OK)
		*known = draft.cost + problem->split_penalty;
	exact->work->nested = nested;
	return exact->work->status == SOLVER_OK;
}

/*
 * Take the nodes of limited capacity into a plan one after the other.
 */
static bool
AddLimitedNodes(Exact *exact, const int64_t *bound, int64_t known, Layer *plan,
				Round **rounds)
{
	Layer before[SOLVER_EXACT_LINES + 1];
	Table options;
	size_t n_choices = (size_t) (exact->n_layers + 1) * exact->n_sets;
	uint16_t *choice = NULL;

	if (!MakeTable(exact, &options) || !MakeLayers(exact, before))
		return false;
	for (int i = 0; i < exact->problem->n_nodes; i++)
	{
		int capacity = exact->problem->nodes[i].max_parcels;

		if (capacity == 0 || capacity >= exact->n_lines ||
			!PriceOptions(exact, i, bound, known, &options))
			continue;
		for (int j = 0; j < capacity; j++)
		{
			Round *round;

			if (choice == NULL)
				choice = SolverAlloc(exact->work, n_choices, sizeof(uint16_t));
			if (choice == NULL)
				return false;
			CopyLayers(exact, plan, before);
			if (!ImproveByParcel(exact, &options, i, before, plan, choice))
				break;
			round = SolverAlloc(exact->work, 1, sizeof(Round));
			if (round == NULL)
				return false;
			round->node = i;
			round->choice = choice;
			round->previous = *rounds;
			*rounds = round;
			choice = NULL;
		}
		if (exact->work->status != SOLVER_OK)
			return false;
	}
	return exact->work->status == SOLVER_OK;
}

/*
 * Find the optimum within the capacity of each node.
 */
static SolverStatus
PlanWithinCapacity(Exact *exact, SolverDraft *draft)
{
	Table unlimited;
	Layer start[SOLVER_EXACT_LINES + 1];
	Layer plan[SOLVER_EXACT_LINES + 1];
	Round *rounds = NULL;
	int64_t *bound;
	int64_t known;
	uint32_t set = exact->n_sets - 1;
	int layer = exact->n_layers;

	if (!BoundOptions(exact, &bound, &known) || !MakeTable(exact, &unlimited) ||
		!MakeLayers(exact, start) || !MakeLayers(exact, plan) ||
		!PriceOffers(exact, exact->n_lines, -1, &unlimited) ||
		!PlanSubsets(exact, &unlimited, true, start))
		return exact->work->status;
	CopyLayers(exact, start, plan);
	if (!AddLimitedNodes(exact, bound, known, plan, &rounds))
		return exact->work->status;
	if (plan[layer].cost[set] >= SOLVER_INFINITE)
		return SOLVER_NO_PLAN;

	draft->n_parcels = 0;
	draft->n_pieces = 0;
	draft->cost = plan[layer].cost[set];
	draft->tie = plan[layer].tie[set];
	for (Round *round = rounds; round != NULL; round = round->previous)
	{
		uint32_t parcel = round->choice[(uint32_t) layer * exact->n_sets + set];

		if (parcel == 0)
			continue;
		AppendParcel(exact, draft, round->node, parcel);
		set ^= parcel;
		if (exact->n_layers > 0)
			layer--;
	}
	AppendChoices(exact, start, layer, &unlimited, set, draft);
	return SOLVER_OK;
}

/*
 * Find the optimum without node capacities, at most max_parcels parcels.
 */
static SolverStatus
PlanFreely(Exact *exact, int n_layers, SolverDraft *draft)
{
	uint32_t full = exact->n_sets - 1;

	exact->n_layers = n_layers;
	if (!MakeLayers(exact, exact->layers) ||
		!PlanSubsets(exact, &exact->best, false, exact->layers))
		return exact->work->status;
	draft->cost = exact->layers[n_layers].cost[full];
	if (draft->cost >= SOLVER_INFINITE)
		return SOLVER_NO_PLAN;
	draft->n_parcels = 0;
	draft->n_pieces = 0;
	draft->tie = exact->layers[n_layers].tie[full];
	AppendChoices(exact, exact->layers, n_layers, &exact->best, full, draft);
	return SOLVER_OK;
}

/*
 * Find the cheapest plan that keeps every line whole.
 *
 * Returns SOLVER_NO_PLAN only if there is none.
 */
SolverStatus
SolverExact(SolverWork *work, SolverDraft *draft)
{
	Exact exact = {0};
	int n_lines = work->problem->n_lines;
	int limit = work->problem->max_parcels;
	SolverStatus status;

	exact.work = work;
	exact.problem = work->problem;
	exact.n_lines = n_lines;
	exact.n_sets = UINT32_C(1) << n_lines;
	exact.weight = SolverAlloc(work, exact.n_sets, sizeof(int64_t));
	exact.volume = SolverAlloc(work, exact.n_sets, sizeof(int64_t));
	exact.freight = SolverAlloc(work, exact.n_sets, sizeof(int64_t));
	exact.variable = SolverAlloc(work, exact.n_sets, sizeof(int64_t));
	exact.leaders = SolverAlloc(work, exact.n_sets, sizeof(int));
	draft->nodes = SolverAlloc(work, (size_t) n_lines, sizeof(int));
	draft->pieces = SolverAlloc(work, (size_t) n_lines, sizeof(SolverPiece));
	if (work->status != SOLVER_OK)
		return work->status;

	for (int i = 0; i < n_lines; i++)
		exact.temperature |= work->problem->lines[i].temperature;
	SumSubsets(&exact);
	if (!MakeTable(&exact, &exact.best) || !CollectOffers(&exact) ||
		!PriceOffers(&exact, 1, -1, &exact.best))
		return work->status;
	status = PlanFreely(&exact, 0, draft);
	if (status == SOLVER_OK && limit > 0 && draft->n_parcels > limit)
		status = PlanFreely(&exact, limit, draft);
	if (status == SOLVER_OK && !WithinCapacity(&exact, draft))
	{
		exact.n_layers = (limit > 0 && limit < n_lines ? limit : 0);
		status = PlanWithinCapacity(&exact, draft);
	}
	if (status == SOLVER_OK)
		draft->cost -= work->problem->split_penalty;
	return status;
}
