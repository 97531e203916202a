/*-------------------------------------------------------------------------
 *
 * solver_heuristic.c
 *	  Good division of an order into parcels where the exact program does not
 *	  apply: many lines, or a line that no node has whole.
 *
 * Several starts, each a greedy construction followed by local search
 * (solver_improve.c); the best plan wins.  Constructions:
 *
 *	- coverage: again and again the parcel that carries most of what is left;
 *	- ratio: the parcel that costs least for what it carries (the greedy of
 *	  set covering, Chvatal 1979), later starts with a disturbed ratio;
 *	- insertion: line after line, scarce ones first, each where it adds least.
 *
 * A line that may not be split is carried as a whole; of another, as much goes
 * into a parcel as its node has and its tariff takes.  The work is bounded by
 * a number of priced parcels, not by time, so the same problem gives the same
 * plan on any machine.
 *
 * Inside, cost is that of the parcels with one split penalty each.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "solver.h"

#include <string.h>

#include "solver_search.h"

#define N_STARTS 8
#define START_BUDGET INT64_C(250000)	/* prices asked for in one start */
#define CONSTRUCT_MOST INT64_C(2000000) /* of them at most in construction */
#define TOTAL_BUDGET INT64_C(1000000)	/* no further start after that */
#define SPARE_PIECES (2 * SOLVER_MAX_PLAN_PARCELS)

enum
{
	START_COVERAGE,
	START_RATIO,
	START_INSERTION /* and all later ones: disturbed ratio */
};

/*
 * Price a load as a parcel of a node, split penalty included.
 */
int64_t
SolverPriceLoad(Search *search, int node, const SolverLoad *load)
{
	int64_t price = SolverPrice(search->problem, node, load, NULL);

	search->budget--;
	if (price == SOLVER_INFINITE)
		return SOLVER_INFINITE;
	return price + search->problem->split_penalty;
}

/*
 * Ask whether the search may go on.
 */
bool
SolverGoOn(Search *search)
{
	return SolverStep(search->work, 16) && search->budget > 0;
}

/*
 * Compare two changes: cost, then what ties are decided by.
 */
bool
SolverIsCheaper(int64_t cost, int64_t tie, int64_t other_cost,
				int64_t other_tie)
{
	return cost < other_cost || (cost == other_cost && tie < other_tie);
}

/*
 * Tell the load of a parcel without a quantity of one of its pieces.
 */
SolverLoad
SolverLoadWithout(const Search *search, const Parcel *parcel,
				  const SolverPiece *piece, int64_t quantity)
{
	SolverLoad load = parcel->load;
	uint32_t classes = search->problem->lines[piece->line].temperature;

	SolverAddLoad(search->problem, &load, parcel->node, piece->line, -quantity);
	if (quantity < piece->quantity)
		return load;
	for (; classes != 0; classes &= classes - 1)
	{
		if (parcel->classes[__builtin_ctz(classes)] == 1)
			load.temperature &= ~(classes & (~classes + 1));
	}
	return load;
}

/*
 * Tell the load of a parcel with a quantity of a line more.
 */
SolverLoad
SolverLoadWith(const Search *search, const Parcel *parcel, int line,
			   int64_t quantity)
{
	SolverLoad load = parcel->load;

	SolverAddLoad(search->problem, &load, parcel->node, line, quantity);
	return load;
}

/*
 * Count a piece in or out of the temperature classes of a parcel.
 */
static void
CountClasses(const Search *search, Parcel *parcel, int line, int by)
{
	uint32_t classes = search->problem->lines[line].temperature;

	for (; classes != 0; classes &= classes - 1)
	{
		uint16_t *count = &parcel->classes[__builtin_ctz(classes)];

		*count = (uint16_t) (*count + by);
		if (*count == 0)
			parcel->load.temperature &= ~(classes & (~classes + 1));
	}
}

/*
 * Open an empty parcel at a node; return its number, or -1.
 */
int
SolverOpenParcel(Search *search, int node)
{
	Parcel *parcel;

	if (search->n_parcels >= search->max_parcels ||
		search->sent[node] >= search->problem->nodes[node].max_parcels)
		return -1;
	parcel = &search->parcels[search->n_parcels];
	memset(parcel, 0, sizeof(Parcel));
	parcel->node = node;
	search->sent[node]++;
	return search->n_parcels++;
}

/*
 * Drop an empty parcel; the last one takes its number.
 */
void
SolverDropParcel(Search *search, int number)
{
	int last = --search->n_parcels;

	search->sent[search->parcels[number].node]--;
	if (number == last)
		return;
	search->parcels[number] = search->parcels[last];
	for (int i = 0; i < search->n_pieces; i++)
	{
		if (search->pieces[i].parcel == last)
			search->pieces[i].parcel = number;
	}
}

/*
 * Put a quantity of a line into a parcel; false if there are too many pieces.
 */
bool
SolverAddPiece(Search *search, int number, int line, int64_t quantity)
{
	Parcel *parcel = &search->parcels[number];
	SolverPiece *piece = NULL;

	search->budget -= search->n_pieces / 64;
	for (int i = 0; i < search->n_pieces; i++)
	{
		if (search->pieces[i].parcel == number &&
			search->pieces[i].line == line)
			piece = &search->pieces[i];
	}
	if (piece == NULL)
	{
		if (search->n_pieces >= search->max_pieces)
			return false;
		piece = &search->pieces[search->n_pieces++];
		piece->line = line;
		piece->parcel = number;
		piece->quantity = 0;
		parcel->n_pieces++;
		CountClasses(search, parcel, line, 1);
	}
	piece->quantity += quantity;
	parcel->load = SolverLoadWith(search, parcel, line, quantity);
	parcel->cost = SolverPriceLoad(search, parcel->node, &parcel->load);
	search->left[SOLVER_CELL(search->problem, line, parcel->node)] -= quantity;
	return true;
}

/*
 * Take a quantity of a piece out of its parcel; the parcel may become empty.
 *
 * If nothing of the piece is left, the last piece takes its number.
 */
void
SolverTakePiece(Search *search, int number, int64_t quantity)
{
	SolverPiece *piece = &search->pieces[number];
	Parcel *parcel = &search->parcels[piece->parcel];

	search->left[SOLVER_CELL(search->problem, piece->line, parcel->node)] +=
		quantity;
	SolverAddLoad(search->problem, &parcel->load, parcel->node, piece->line,
				  -quantity);
	piece->quantity -= quantity;
	if (piece->quantity == 0)
	{
		CountClasses(search, parcel, piece->line, -1);
		parcel->n_pieces--;
		*piece = search->pieces[--search->n_pieces];
	}
	if (parcel->n_pieces > 0)
		parcel->cost = SolverPriceLoad(search, parcel->node, &parcel->load);
}

/*
 * Add up the plan.
 */
void
SolverSumPlan(const Search *search, int64_t *cost, int64_t *tie)
{
	*cost = 0;
	*tie = 0;
	for (int i = 0; i < search->n_parcels; i++)
	{
		*cost += search->parcels[i].cost;
		*tie += SolverTie(search->problem, search->parcels[i].node);
	}
}

/*
 * Empty the plan.
 */
static void
ClearPlan(Search *search)
{
	const SolverProblem *problem = search->problem;

	search->n_parcels = 0;
	search->n_pieces = 0;
	memset(search->sent, 0, (size_t) problem->n_nodes * sizeof(int));
	memcpy(search->left, problem->available,
		   (size_t) problem->n_lines * (size_t) problem->n_nodes *
			   sizeof(int64_t));
	for (int i = 0; i < problem->n_lines; i++)
		search->wanted[i] = problem->lines[i].quantity;
}

/*
 * Find how much of a line fits into a parcel beside a load, and its price.
 *
 * Whether more fits is decided by the last bracket of a tariff, so it is
 * found by bisection; a line that may not be split fits whole or not at all.
 * One unit is tried early: most parcels of a large plan are full.
 */
static int64_t
FitQuantity(Search *search, int node, const SolverLoad *load, int line,
			int64_t most, int64_t *price)
{
	int64_t low = 0;
	int64_t high = most;
	int64_t middle = most;

	*price = SOLVER_INFINITE;
	while (low < high)
	{
		SolverLoad tried = *load;
		int64_t cost;

		SolverAddLoad(search->problem, &tried, node, line, middle);
		cost = SolverPriceLoad(search, node, &tried);
		if (cost < SOLVER_INFINITE)
		{
			low = middle;
			*price = cost;
		}
		else if (!search->may_split[line])
			return 0;
		else
			high = middle - 1;
		middle = (low == 0 && high == most - 1 && high > 0)
			? 1
			: low + (high - low + 1) / 2;
	}
	return low;
}

/*
 * Tell how much of a wanted quantity of a line a node can give.
 */
int64_t
SolverGiveQuantity(const Search *search, int node, int line, int64_t wanted)
{
	int64_t left = search->left[SOLVER_CELL(search->problem, line, node)];

	if (left >= wanted)
		return wanted;
	return search->may_split[line] ? left : 0;
}

/*
 * Fill a parcel of a node with whatever is wanted and fits.
 *
 * search->take receives the quantities.  Returns the price, and in covered
 * the number of lines carried, fractions included.
 */
static int64_t
FillParcel(Search *search, int node, double *covered)
{
	const SolverProblem *problem = search->problem;
	SolverLoad load = {0};
	int64_t price;

	*covered = 0;
	for (int i = 0; i < problem->n_lines; i++)
	{
		search->take[i] =
			SolverGiveQuantity(search, node, i, search->wanted[i]);
		if (search->take[i] == 0)
			continue;
		SolverAddLoad(problem, &load, node, i, search->take[i]);
		*covered +=
			(double) search->take[i] / (double) problem->lines[i].quantity;
	}
	if (*covered == 0)
		return SOLVER_INFINITE;
	price = SolverPriceLoad(search, node, &load);
	if (price < SOLVER_INFINITE)
		return price;

	/* Not all together: line by line. */
	memset(&load, 0, sizeof(load));
	*covered = 0;
	for (int i = 0; i < problem->n_lines; i++)
	{
		int64_t added;

		if (search->take[i] == 0)
			continue;
		search->take[i] =
			FitQuantity(search, node, &load, i, search->take[i], &added);
		if (search->take[i] == 0)
			continue;
		price = added;
		SolverAddLoad(problem, &load, node, i, search->take[i]);
		*covered +=
			(double) search->take[i] / (double) problem->lines[i].quantity;
	}
	return price;
}

/*
 * Draw a number from 0.6 to 1.4 (xorshift, seeded by the number of the start).
 */
static double
Disturbance(Search *search)
{
	search->random ^= search->random << 13;
	search->random ^= search->random >> 7;
	search->random ^= search->random << 17;
	return 0.6 + 0.8 * (double) (search->random >> 40) / (double) (1 << 24);
}

/*
 * Score a parcel for a greedy construction: lower is better.
 */
static double
ScoreParcel(Search *search, int start, double price, double covered)
{
	double score;

	if (start == START_COVERAGE)
		return -covered;
	/* Negative prices: the more it covers, the better all the same. */
	score = (price >= 0 ? price / covered : price * covered);
	if (start > START_INSERTION)
	{
		double factor = Disturbance(search);

		score = (score >= 0 ? score * factor : score / factor);
	}
	return score;
}

/*
 * Add the parcel of search->take, and the same again while all of it is still
 * wanted and there: a line of many units makes many equal parcels.
 */
static bool
AddTakenParcels(Search *search, int node, int64_t *n_wanted)
{
	const SolverProblem *problem = search->problem;
	bool again = true;

	while (again && search->sent[node] < problem->nodes[node].max_parcels)
	{
		int number = SolverOpenParcel(search, node);

		if (number < 0 || search->budget <= 0 ||
			!SolverStep(search->work, problem->n_lines))
			return false;
		for (int i = 0; i < problem->n_lines; i++)
		{
			if (search->take[i] == 0)
				continue;
			if (!SolverAddPiece(search, number, i, search->take[i]))
				return false;
			search->wanted[i] -= search->take[i];
			*n_wanted -= (search->wanted[i] == 0);
			again &= SolverGiveQuantity(search, node, i, search->wanted[i]) >=
				search->take[i];
		}
	}
	return true;
}

/*
 * Construct a plan by adding the best parcel again and again.
 */
static bool
ConstructByParcels(Search *search, int start, int64_t n_wanted)
{
	const SolverProblem *problem = search->problem;

	while (n_wanted > 0)
	{
		int best = -1;
		double best_score = 0;
		int64_t best_price = 0;
		double covered;

		for (int i = 0; i < problem->n_nodes; i++)
		{
			int64_t price;
			double score;

			if (search->sent[i] >= problem->nodes[i].max_parcels)
				continue;
			if (search->budget <= 0 ||
				!SolverStep(search->work, problem->n_lines))
				return false;
			price = FillParcel(search, i, &covered);
			if (price == SOLVER_INFINITE)
				continue;
			score = ScoreParcel(search, start, (double) price, covered);
			if (best < 0 || score < best_score ||
				(score == best_score && price < best_price))
			{
				best = i;
				best_score = score;
				best_price = price;
			}
		}
		if (best < 0)
			return false;
		(void) FillParcel(search, best, &covered);
		if (!AddTakenParcels(search, best, &n_wanted))
			return false;
	}
	return true;
}

/*
 * Consider putting more of a line into a parcel, or into a new one of a node.
 *
 * Keeps in best the change that adds least per unit.
 */
static void
ConsiderInsertion(Search *search, int line, int64_t wanted, int number,
				  int node, Change *best)
{
	SolverLoad load = {0};
	Change change;
	int64_t give = SolverGiveQuantity(search, node, line, wanted);
	double gap;

	if (give == 0)
		return;
	if (number != NEW_PARCEL)
		load = search->parcels[number].load;
	change.quantity =
		FitQuantity(search, node, &load, line, give, &change.cost);
	if (change.quantity == 0)
		return;
	change.node = node;
	change.parcel = number;
	change.tie = 0;
	if (number != NEW_PARCEL)
		change.cost -= search->parcels[number].cost;
	else
		change.tie = SolverTie(search->problem, node);
	gap = (double) change.cost * (double) best->quantity -
		(double) best->cost * (double) change.quantity;
	if (best->quantity == 0 || gap < 0 || (gap == 0 && change.tie < best->tie))
		*best = change;
}

/*
 * Insert a quantity of a line where it adds least.
 *
 * A new parcel that takes all it can is followed by equal ones at once: the
 * other choices have not changed, so they would be made one by one.
 */
bool
SolverInsertLine(Search *search, int line, int64_t wanted, int except,
				 bool allow_new)
{
	const SolverProblem *problem = search->problem;

	while (wanted > 0)
	{
		Change best = {0};

		for (int i = 0; i < search->n_parcels; i++)
		{
			if (i != except)
				ConsiderInsertion(search, line, wanted, i,
								  search->parcels[i].node, &best);
		}
		for (int i = 0; allow_new && i < problem->n_nodes; i++)
		{
			if (search->n_parcels < search->max_parcels &&
				search->sent[i] < problem->nodes[i].max_parcels)
				ConsiderInsertion(search, line, wanted, NEW_PARCEL, i, &best);
		}
		if (best.quantity == 0 || search->budget <= 0)
			return false;
		do
		{
			int number = best.parcel;

			if (number == NEW_PARCEL)
				number = SolverOpenParcel(search, best.node);
			if (number < 0 ||
				!SolverAddPiece(search, number, line, best.quantity) ||
				!SolverStep(search->work, problem->n_nodes))
				return false;
			wanted -= best.quantity;
		} while (best.parcel == NEW_PARCEL &&
				 SolverGiveQuantity(search, best.node, line, wanted) >=
					 best.quantity &&
				 search->sent[best.node] <
					 problem->nodes[best.node].max_parcels);
	}
	return true;
}

/*
 * Construct a plan line by line, scarce lines first.
 */
static bool
ConstructByLines(Search *search)
{
	for (int i = 0; i < search->problem->n_lines; i++)
	{
		int line = search->lines[i];

		if (!SolverInsertLine(search, line, search->wanted[line], -1, true))
			return false;
	}
	return true;
}

/*
 * Sort the lines by the number of nodes that have any of it.
 */
static void
SortLines(Search *search)
{
	const SolverProblem *problem = search->problem;

	for (int i = 0; i < problem->n_lines; i++)
	{
		int at = i;

		search->take[i] = 0;
		for (int j = 0; j < problem->n_nodes; j++)
		{
			if (problem->available[SOLVER_CELL(problem, i, j)] > 0)
				search->take[i]++;
		}
		for (; at > 0 && search->take[search->lines[at - 1]] > search->take[i];
			 at--)
			search->lines[at] = search->lines[at - 1];
		search->lines[at] = i;
	}
}

/*
 * Keep the plan as the draft if it is the best so far.
 */
static void
KeepPlan(const Search *search, SolverDraft *draft)
{
	int64_t cost;
	int64_t tie;

	SolverSumPlan(search, &cost, &tie);
	cost -= search->problem->split_penalty;
	if (draft->n_parcels > 0 &&
		!SolverIsCheaper(cost, tie, draft->cost, draft->tie))
		return;
	draft->cost = cost;
	draft->tie = tie;
	draft->n_parcels = search->n_parcels;
	draft->n_pieces = search->n_pieces;
	for (int i = 0; i < search->n_parcels; i++)
		draft->nodes[i] = search->parcels[i].node;
	memcpy(draft->pieces, search->pieces,
		   (size_t) search->n_pieces * sizeof(SolverPiece));
}

/*
 * Set how many parcels and pieces a plan may have at any moment of the search.
 *
 * None is without a unit, so a small order needs little memory even if its
 * lines are divided; one more is there while a piece moves.
 */
static void
SetLimits(Search *search)
{
	const SolverProblem *problem = search->problem;
	int64_t units = 1;
	bool split = false;

	for (int i = 0; i < problem->n_lines; i++)
	{
		split |= search->may_split[i];
		units += problem->lines[i].quantity;
	}
	search->max_parcels = (split ? SOLVER_MAX_PLAN_PARCELS : problem->n_lines);
	search->max_pieces = problem->n_lines + (split ? SPARE_PIECES : 1);
	if (units < search->max_parcels)
		search->max_parcels = (int) units;
	if (units < search->max_pieces)
		search->max_pieces = (int) units;
	if (problem->max_parcels > 0 && problem->max_parcels < search->max_parcels)
		search->max_parcels = problem->max_parcels;
}

/*
 * Set up the search and the draft.
 */
static bool
BeginSearch(Search *search, SolverWork *work, const bool *may_split,
			SolverDraft *draft)
{
	const SolverProblem *problem = work->problem;
	size_t n_lines = (size_t) problem->n_lines;
	size_t n_nodes = (size_t) problem->n_nodes;

	search->work = work;
	search->problem = problem;
	search->may_split = may_split;
	SetLimits(search);
	search->left = SolverAlloc(work, n_lines * n_nodes, sizeof(int64_t));
	search->sent = SolverAlloc(work, n_nodes, sizeof(int));
	search->wanted = SolverAlloc(work, n_lines, sizeof(int64_t));
	search->take = SolverAlloc(work, n_lines, sizeof(int64_t));
	search->lines = SolverAlloc(work, n_lines, sizeof(int));
	search->parcels =
		SolverAlloc(work, (size_t) search->max_parcels, sizeof(Parcel));
	search->pieces =
		SolverAlloc(work, (size_t) search->max_pieces, sizeof(SolverPiece));
	search->saved_parcels =
		SolverAlloc(work, (size_t) search->max_parcels, sizeof(Parcel));
	search->saved_pieces =
		SolverAlloc(work, (size_t) search->max_pieces, sizeof(SolverPiece));
	search->polish_nodes = SolverAlloc(work, n_nodes, sizeof(SolverNode));
	search->polish_available =
		SolverAlloc(work, n_nodes * POLISH_PIECES, sizeof(int64_t));
	search->polish_value =
		SolverAlloc(work, n_nodes * POLISH_PIECES, sizeof(int64_t));
	draft->nodes = SolverAlloc(work, (size_t) search->max_parcels, sizeof(int));
	draft->pieces =
		SolverAlloc(work, (size_t) search->max_pieces, sizeof(SolverPiece));
	draft->n_parcels = 0;
	return work->status == SOLVER_OK;
}

/*
 * Search for a cheap plan; stop early at a plan that costs lower_bound.
 *
 * SOLVER_NO_PLAN says that none was found, not that there is none.
 */
SolverStatus
SolverHeuristic(SolverWork *work, const bool *may_split, int64_t lower_bound,
				SolverDraft *draft)
{
	Search search = {0};
	int64_t spent = 0;

	if (!BeginSearch(&search, work, may_split, draft))
		return work->status;
	for (int start = 0; start < N_STARTS; start++)
	{
		bool complete;

		search.budget = CONSTRUCT_MOST;
		search.random = UINT64_C(0x9E3779B97F4A7C15) * (uint64_t) (start + 1);
		ClearPlan(&search);
		if (start == START_INSERTION)
		{
			SortLines(&search);
			complete = ConstructByLines(&search);
		}
		else
			complete =
				ConstructByParcels(&search, start, work->problem->n_lines);
		search.budget += START_BUDGET - CONSTRUCT_MOST;
		if (complete)
		{
			SolverImprovePlan(&search);
			KeepPlan(&search, draft);
		}
		if (work->status != SOLVER_OK)
			return work->status;
		spent += START_BUDGET - search.budget;
		if (draft->n_parcels > 0 && draft->cost <= lower_bound)
			break;
		/* each construction has its turn if none found a plan */
		if (spent > TOTAL_BUDGET &&
			(draft->n_parcels > 0 || start >= START_INSERTION))
			break;
	}
	return draft->n_parcels > 0 ? SOLVER_OK : SOLVER_NO_PLAN;
}
