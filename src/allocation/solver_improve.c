/*-------------------------------------------------------------------------
 *
 * solver_improve.c
 *	  Local search: improve a plan until no change helps.
 *
 * The changes, cheap ones first:
 *
 *	- gather: send one parcel, or two together, from another node;
 *	- move: a piece to another parcel or to a new one;
 *	- swap: two pieces of two parcels;
 *	- dissolve: spread a parcel over the others, or over new ones;
 *	- shift: some units of a piece to another parcel or to a new one.
 *
 * A line that may not be split moves as a whole; of another, as much moves as
 * the new node has, or with shift some.  A change is made if it lowers the cost, or the tie weight
 * at equal cost, so the search ends.
 *
 * Last comes polish, a large neighbourhood solved to optimality (Shaw 1998):
 * the contents of a few parcels, at most POLISH_PIECES pieces of different
 * lines, are an order of their own, to be sent from what stock and capacity
 * the other parcels leave; the exact program decides how.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "solver.h"

#include <string.h>

#include "solver_search.h"

#define SHIFT_UNITS 3 /* so few units may move alone */

/*
 * Consider moving some of a piece, or as much as the node has, to a parcel or
 * to a new one.
 */
static void
ConsiderMove(Search *search, const SolverPiece *piece, int64_t wanted,
			 int number, int node, Change *best)
{
	const SolverProblem *problem = search->problem;
	const Parcel *from = &search->parcels[piece->parcel];
	SolverLoad source;
	SolverLoad target = {0};
	Change change = {.node = node, .parcel = number};
	int64_t price;

	change.quantity =
		(node == from->node
			 ? wanted
			 : SolverGiveQuantity(search, node, piece->line, wanted));
	if (change.quantity == 0)
		return;
	if (number != NEW_PARCEL)
		target = SolverLoadWith(search, &search->parcels[number], piece->line,
								change.quantity);
	else
		SolverAddLoad(problem, &target, node, piece->line, change.quantity);
	price = SolverPriceLoad(search, node, &target);
	if (price == SOLVER_INFINITE)
		return;
	change.cost = price - from->cost;
	if (number != NEW_PARCEL)
		change.cost -= search->parcels[number].cost;
	else
		change.tie += SolverTie(problem, node);
	if (from->n_pieces == 1 && change.quantity == piece->quantity)
		change.tie -= SolverTie(problem, from->node);
	else
	{
		source = SolverLoadWithout(search, from, piece, change.quantity);
		price = SolverPriceLoad(search, from->node, &source);
		if (price == SOLVER_INFINITE)
			return;
		change.cost += price;
	}
	if (SolverIsCheaper(change.cost, change.tie, best->cost, best->tie))
		*best = change;
}

/*
 * Consider moving so much of a piece anywhere.
 */
static void
ConsiderMoves(Search *search, const SolverPiece *piece, int64_t wanted,
			  Change *best)
{
	const SolverProblem *problem = search->problem;
	const Parcel *from = &search->parcels[piece->parcel];
	bool all = from->n_pieces == 1 && wanted == piece->quantity;

	for (int i = 0; i < search->n_parcels; i++)
	{
		if (i != piece->parcel)
			ConsiderMove(search, piece, wanted, i, search->parcels[i].node,
						 best);
	}
	for (int i = 0; i < problem->n_nodes; i++)
	{
		if (search->n_parcels < search->max_parcels &&
			search->sent[i] < problem->nodes[i].max_parcels &&
			!(i == from->node && all))
			ConsiderMove(search, piece, wanted, NEW_PARCEL, i, best);
	}
}

/*
 * Make a move, if there is one.
 */
static bool
MakeMove(Search *search, int number, Change *move)
{
	SolverPiece piece = search->pieces[number];

	if (move->quantity == 0)
		return false;
	if (move->parcel == NEW_PARCEL)
		move->parcel = SolverOpenParcel(search, move->node);
	if (move->parcel < 0 ||
		!SolverAddPiece(search, move->parcel, piece.line, move->quantity))
	{
		if (move->parcel >= 0 && search->parcels[move->parcel].n_pieces == 0)
			SolverDropParcel(search, move->parcel);
		return false;
	}
	SolverTakePiece(search, number, move->quantity);
	if (search->parcels[piece.parcel].n_pieces == 0)
		SolverDropParcel(search, piece.parcel);
	return true;
}

/*
 * Make the best move of one piece, if any helps.
 */
static bool
MovePiece(Search *search, int number)
{
	SolverPiece piece = search->pieces[number];
	Change best = {0};

	ConsiderMoves(search, &piece, piece.quantity, &best);
	return MakeMove(search, number, &best);
}

/*
 * Try to move each piece.
 */
static bool
MovePieces(Search *search)
{
	bool improved = false;

	for (int i = 0; i < search->n_pieces && SolverGoOn(search); i++)
		improved |= MovePiece(search, i);
	return improved;
}

/*
 * Try to move a part of each piece that may be divided: a few units, so many
 * that the rest is a few, or half of it.
 */
static bool
ShiftUnits(Search *search)
{
	bool improved = false;

	for (int i = 0; i < search->n_pieces; i++)
	{
		SolverPiece piece = search->pieces[i];
		Change best = {0};
		int64_t tried = 0;

		if (!search->may_split[piece.line])
			continue;
		for (int j = 0; j < 2 * SHIFT_UNITS + 1; j++)
		{
			int64_t units = j < SHIFT_UNITS ? j + 1
				: j == SHIFT_UNITS			? piece.quantity / 2
								   : piece.quantity - 2 * SHIFT_UNITS - 1 + j;

			if (units <= tried || units >= piece.quantity)
				continue;
			if (!SolverGoOn(search))
				return improved;
			ConsiderMoves(search, &piece, units, &best);
			tried = units;
		}
		improved |= MakeMove(search, i, &best);
	}
	return improved;
}

/*
 * Give the stock of a parcel back (sign 1), or use it again (sign -1).
 */
void
SolverReturnStock(Search *search, int number, int sign)
{
	for (int i = 0; i < search->n_pieces; i++)
	{
		const SolverPiece *piece = &search->pieces[i];

		if (piece->parcel == number)
			search->left[SOLVER_CELL(search->problem, piece->line,
									 search->parcels[number].node)] +=
				sign * piece->quantity;
	}
}

/*
 * Price all of wanted as one parcel of a node that has it.
 *
 * Only the first n_lines entries of search->lines matter.
 */
static int64_t
PriceGathered(Search *search, int node, const int *lines, int n_lines)
{
	SolverLoad load = {0};

	for (int i = 0; i < n_lines; i++)
	{
		int line = lines[i];

		if (search->left[SOLVER_CELL(search->problem, line, node)] <
			search->wanted[line])
			return SOLVER_INFINITE;
	}
	for (int i = 0; i < n_lines; i++)
		SolverAddLoad(search->problem, &load, node, lines[i],
					  search->wanted[lines[i]]);
	return SolverPriceLoad(search, node, &load);
}

/*
 * List what one or two parcels carry, in search->lines and search->wanted.
 */
static int
ListGathered(Search *search, int first, int second)
{
	int n_lines = 0;

	for (int i = 0; i < search->n_pieces; i++)
	{
		const SolverPiece *piece = &search->pieces[i];

		if (piece->parcel != first && piece->parcel != second)
			continue;
		search->wanted[piece->line] = 0;
	}
	for (int i = 0; i < search->n_pieces; i++)
	{
		const SolverPiece *piece = &search->pieces[i];

		if (piece->parcel != first && piece->parcel != second)
			continue;
		if (search->wanted[piece->line] == 0)
			search->lines[n_lines++] = piece->line;
		search->wanted[piece->line] += piece->quantity;
	}
	return n_lines;
}

/*
 * Replace one or two parcels by one of another node.
 */
static void
ReplaceParcels(Search *search, int first, int second, int node, int n_lines)
{
	int number;

	for (int i = search->n_pieces - 1; i >= 0; i--)
	{
		if (search->pieces[i].parcel == first ||
			search->pieces[i].parcel == second)
			search->pieces[i] = search->pieces[--search->n_pieces];
	}
	/* The higher number first: dropping renumbers the last parcel. */
	if (second != first)
		SolverDropParcel(search, second);
	SolverDropParcel(search, first);
	number = SolverOpenParcel(search, node);
	for (int i = 0; number >= 0 && i < n_lines; i++)
		(void) SolverAddPiece(search, number, search->lines[i],
							  search->wanted[search->lines[i]]);
}

/*
 * Send one parcel (first = second) or two as one from the best node.
 */
static bool
GatherPair(Search *search, int first, int second)
{
	const SolverProblem *problem = search->problem;
	const Parcel *one = &search->parcels[first];
	const Parcel *two = &search->parcels[second];
	int n_lines = ListGathered(search, first, second);
	int64_t cost = one->cost;
	int64_t tie = SolverTie(problem, one->node);
	int best = -1;

	search->budget -= (search->n_pieces + problem->n_nodes) / 64;
	SolverReturnStock(search, first, 1);
	if (second != first)
	{
		SolverReturnStock(search, second, 1);
		cost += two->cost;
		tie += SolverTie(problem, two->node);
	}
	for (int i = 0; i < problem->n_nodes; i++)
	{
		int64_t price;

		if (search->sent[i] - (i == one->node || i == two->node ? 1 : 0) >=
			problem->nodes[i].max_parcels)
			continue;
		price = PriceGathered(search, i, search->lines, n_lines);
		if (price < SOLVER_INFINITE &&
			SolverIsCheaper(price, SolverTie(problem, i), cost, tie))
		{
			cost = price;
			tie = SolverTie(problem, i);
			best = i;
		}
	}
	if (best >= 0)
	{
		ReplaceParcels(search, first, second, best, n_lines);
		return true;
	}
	SolverReturnStock(search, first, -1);
	if (second != first)
		SolverReturnStock(search, second, -1);
	return false;
}

/*
 * Try to gather each parcel, and each pair.
 */
static bool
GatherParcels(Search *search)
{
	bool improved = false;

	for (int i = 0; i < search->n_parcels; i++)
	{
		for (int j = i; j < search->n_parcels; j++)
		{
			if (!SolverStep(search->work, search->problem->n_nodes) ||
				!SolverGoOn(search))
				return false;
			/* The parcels have been renumbered then: j = i is tried again. */
			if (GatherPair(search, i, j))
			{
				improved = true;
				j = i - 1;
			}
			if (i >= search->n_parcels)
				break;
		}
	}
	return improved;
}

/*
 * Swap two pieces between their parcels, if that helps.
 */
static bool
SwapPair(Search *search, int first, int second)
{
	const SolverProblem *problem = search->problem;
	SolverPiece a = search->pieces[first];
	SolverPiece b = search->pieces[second];
	const Parcel *p = &search->parcels[a.parcel];
	const Parcel *q = &search->parcels[b.parcel];
	SolverLoad load_p;
	SolverLoad load_q;
	int64_t price_p;
	int64_t price_q;

	if (a.parcel == b.parcel || a.line == b.line)
		return false;
	if (p->node != q->node &&
		(search->left[SOLVER_CELL(problem, a.line, q->node)] < a.quantity ||
		 search->left[SOLVER_CELL(problem, b.line, p->node)] < b.quantity))
		return false;
	load_p = SolverLoadWithout(search, p, &a, a.quantity);
	load_q = SolverLoadWithout(search, q, &b, b.quantity);
	SolverAddLoad(problem, &load_p, p->node, b.line, b.quantity);
	SolverAddLoad(problem, &load_q, q->node, a.line, a.quantity);
	price_p = SolverPriceLoad(search, p->node, &load_p);
	price_q = SolverPriceLoad(search, q->node, &load_q);
	if (price_p == SOLVER_INFINITE || price_q == SOLVER_INFINITE ||
		price_p + price_q >= p->cost + q->cost)
		return false;

	/* The later piece first: taking one renumbers the last. */
	SolverTakePiece(search, second, b.quantity);
	SolverTakePiece(search, first, a.quantity);
	(void) SolverAddPiece(search, b.parcel, a.line, a.quantity);
	(void) SolverAddPiece(search, a.parcel, b.line, b.quantity);
	return true;
}

/*
 * Try to swap each pair of pieces.
 */
static bool
SwapPieces(Search *search)
{
	bool improved = false;

	for (int i = 0; i < search->n_pieces; i++)
	{
		search->budget -= (search->n_pieces - i) / 64;
		for (int j = i + 1; j < search->n_pieces; j++)
		{
			if (!SolverGoOn(search))
				return improved;
			improved |= SwapPair(search, i, j);
		}
	}
	return improved;
}

/*
 * Put the plan back that was saved.
 */
static void
RestorePlan(Search *search, int n_parcels, int n_pieces)
{
	for (int i = 0; i < search->n_parcels; i++)
	{
		SolverReturnStock(search, i, 1);
		search->sent[search->parcels[i].node]--;
	}
	search->n_parcels = n_parcels;
	search->n_pieces = n_pieces;
	memcpy(search->parcels, search->saved_parcels,
		   (size_t) n_parcels * sizeof(Parcel));
	memcpy(search->pieces, search->saved_pieces,
		   (size_t) n_pieces * sizeof(SolverPiece));
	for (int i = 0; i < search->n_parcels; i++)
	{
		SolverReturnStock(search, i, -1);
		search->sent[search->parcels[i].node]++;
	}
}

/*
 * Spread the pieces of a parcel over other parcels, if that helps.
 */
static bool
DissolveParcel(Search *search, int number, bool allow_new)
{
	int n_parcels = search->n_parcels;
	int n_pieces = search->n_pieces;
	int64_t cost;
	int64_t tie;
	int64_t new_cost;
	int64_t new_tie;
	bool placed = true;

	search->budget -= n_parcels / 8 + n_pieces / 64;
	SolverSumPlan(search, &cost, &tie);
	memcpy(search->saved_parcels, search->parcels,
		   (size_t) n_parcels * sizeof(Parcel));
	memcpy(search->saved_pieces, search->pieces,
		   (size_t) n_pieces * sizeof(SolverPiece));
	for (int i = 0; i < search->n_pieces && placed;)
	{
		SolverPiece piece = search->pieces[i];

		if (piece.parcel != number)
		{
			i++;
			continue;
		}
		SolverTakePiece(search, i, piece.quantity);
		placed = SolverInsertLine(search, piece.line, piece.quantity, number,
								  allow_new);
	}
	if (placed)
	{
		SolverDropParcel(search, number);
		SolverSumPlan(search, &new_cost, &new_tie);
		if (SolverIsCheaper(new_cost, new_tie, cost, tie))
			return true;
	}
	RestorePlan(search, n_parcels, n_pieces);
	return false;
}

/*
 * Try to dissolve each parcel.
 */
static bool
DissolveParcels(Search *search)
{
	bool improved = false;

	for (int i = 0; i < search->n_parcels && SolverGoOn(search); i++)
		improved |= DissolveParcel(search, i, false) ||
			(SolverGoOn(search) && DissolveParcel(search, i, true));
	return improved;
}

/* A few parcels whose contents are an order of their own. */
typedef struct Region
{
	int parcels[POLISH_PIECES];
	int n_parcels;
	SolverPiece pieces[POLISH_PIECES];
	int n_pieces;
	int64_t cost;
	int64_t tie;
} Region;

/*
 * Check whether a parcel can join a region: room, and no line twice.
 */
static bool
FitsRegion(const Search *search, const Region *region, int number)
{
	if (region->n_pieces + search->parcels[number].n_pieces > POLISH_PIECES)
		return false;
	for (int i = 0; i < search->n_pieces; i++)
	{
		if (search->pieces[i].parcel != number)
			continue;
		for (int j = 0; j < region->n_pieces; j++)
		{
			if (region->pieces[j].line == search->pieces[i].line)
				return false;
		}
	}
	return true;
}

/*
 * Choose the parcels of a region: a first one, then others at a stride.
 */
static void
ChooseRegion(const Search *search, int first, int stride, Region *region)
{
	memset(region, 0, sizeof(Region));
	region->cost = -search->problem->split_penalty;
	for (int i = 0; i < search->n_parcels; i++)
	{
		int number = (first + i * stride) % search->n_parcels;
		bool chosen = !FitsRegion(search, region, number);

		for (int j = 0; j < region->n_parcels; j++)
			chosen |= (region->parcels[j] == number);
		if (chosen)
			continue;
		region->parcels[region->n_parcels++] = number;
		region->cost += search->parcels[number].cost;
		region->tie += SolverTie(search->problem, search->parcels[number].node);
		for (int j = 0; j < search->n_pieces; j++)
		{
			if (search->pieces[j].parcel == number)
				region->pieces[region->n_pieces++] = search->pieces[j];
		}
	}
}

/*
 * Describe the contents of a region as an order.
 */
static void
DescribeRegion(Search *search, const Region *region, SolverLine *lines,
			   SolverProblem *order)
{
	const SolverProblem *problem = search->problem;
	int n_nodes = problem->n_nodes;

	*order = *problem;
	order->n_lines = region->n_pieces;
	order->lines = lines;
	order->nodes = search->polish_nodes;
	order->available = search->polish_available;
	order->stock_value = search->polish_value;
	order->max_parcels =
		search->max_parcels - search->n_parcels + region->n_parcels;
	memcpy(search->polish_nodes, problem->nodes,
		   (size_t) n_nodes * sizeof(SolverNode));
	for (int i = 0; i < n_nodes; i++)
		search->polish_nodes[i].max_parcels -= search->sent[i];
	for (int i = 0; i < region->n_parcels; i++)
	{
		const Parcel *parcel = &search->parcels[region->parcels[i]];

		search->polish_nodes[parcel->node].max_parcels++;
	}
	for (int i = 0; i < region->n_pieces; i++)
	{
		const SolverPiece *piece = &region->pieces[i];
		int from = search->parcels[piece->parcel].node;

		lines[i] = problem->lines[piece->line];
		lines[i].quantity = piece->quantity;
		for (int j = 0; j < n_nodes; j++)
		{
			size_t cell = SOLVER_CELL(problem, i, j);

			search->polish_available[cell] =
				search->left[SOLVER_CELL(problem, piece->line, j)];
			search->polish_value[cell] =
				SolverStockValue(problem, piece->line, j);
		}
		search->polish_available[SOLVER_CELL(problem, i, from)] +=
			piece->quantity;
	}
}

/*
 * Replace the parcels of a region by those of a draft.
 */
static void
ReplaceRegion(Search *search, Region *region, const SolverDraft *draft)
{
	int numbers[POLISH_PIECES];

	for (int i = 0; i < region->n_parcels; i++)
	{
		SolverReturnStock(search, region->parcels[i], 1);
		for (int j = search->n_pieces - 1; j >= 0; j--)
		{
			if (search->pieces[j].parcel == region->parcels[i])
				search->pieces[j] = search->pieces[--search->n_pieces];
		}
	}
	/* The highest number first: dropping renumbers the last parcel. */
	while (region->n_parcels > 0)
	{
		int last = 0;

		for (int i = 1; i < region->n_parcels; i++)
		{
			if (region->parcels[i] > region->parcels[last])
				last = i;
		}
		SolverDropParcel(search, region->parcels[last]);
		region->parcels[last] = region->parcels[--region->n_parcels];
	}
	for (int i = 0; i < draft->n_parcels; i++)
		numbers[i] = SolverOpenParcel(search, draft->nodes[i]);
	for (int i = 0; i < draft->n_pieces; i++)
		(void) SolverAddPiece(search, numbers[draft->pieces[i].parcel],
							  region->pieces[draft->pieces[i].line].line,
							  draft->pieces[i].quantity);
}

/*
 * Solve one region exactly; use the answer if it is cheaper.
 */
static bool
PolishRegion(Search *search, int first, int stride)
{
	SolverLine lines[POLISH_PIECES];
	SolverProblem order;
	SolverWork work;
	SolverDraft draft = {0};
	SolverStatus status;
	Region region;
	bool improved = false;

	ChooseRegion(search, first, stride, &region);
	if (region.n_parcels == 0)
		return false;
	search->budget -= 16 +
		((int64_t) (search->problem->n_nodes + 32) << region.n_pieces) / 16;
	DescribeRegion(search, &region, lines, &order);
	work = SolverBeginWork(&order);
	work.steps = search->work->steps;
	work.nested = true;
	status = SolverExact(&work, &draft);
	search->work->steps = work.steps;
	if (work.status != SOLVER_OK)
		search->work->status = work.status;
	else if (status == SOLVER_OK &&
			 SolverIsCheaper(draft.cost, draft.tie, region.cost, region.tie))
	{
		ReplaceRegion(search, &region, &draft);
		improved = true;
	}
	SolverMemoryRelease(&work.memory);
	return improved;
}

/*
 * Polish regions around each parcel.
 */
static bool
PolishParcels(Search *search)
{
	if (search->work->nested)
		return false;
	for (int stride = 1; stride <= 3; stride++)
	{
		for (int i = 0; i < search->n_parcels; i++)
		{
			if (!SolverGoOn(search))
				return false;
			if (PolishRegion(search, i, stride))
				return true;
			if (search->n_parcels <= 2)
				return false; /* every region is the same */
		}
	}
	return false;
}

/*
 * Improve the plan until no change helps or the budget is spent.
 */
void
SolverImprovePlan(Search *search)
{
	bool improved = true;

	while (improved && SolverGoOn(search))
	{
		improved = GatherParcels(search);
		improved |= MovePieces(search);
		if (!improved)
			improved = SwapPieces(search);
		if (!improved)
			improved = DissolveParcels(search);
		if (!improved)
			improved = PolishParcels(search);
		if (!improved)
			improved = ShiftUnits(search);
	}
}
