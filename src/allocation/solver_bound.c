/*-------------------------------------------------------------------------
 *
 * solver_bound.c
 *	  What every feasible plan of an order costs at least.
 *
 * The bound is a price argument (weak duality; the ascent follows
 * Erlenkotter 1978, "A dual-based procedure for uncapacitated facility
 * location").  Let each unit of line l have a price v(l) such that no parcel
 * carries goods worth more than itself costs, split penalty included.  Then
 * the parcels of any plan together cost at least the worth of the order,
 * sum of quantity(l) * v(l), and the plan costs that less one penalty.
 *
 * Why no parcel is worth more than it costs: a parcel by service j of a node,
 * with x(l) units of line l, costs at least
 *
 *	F(j) + sum of x(l) * c(l, j)
 *
 * where c(l, j) = handling and stock value of a unit + slope(j) * weight of a
 * unit, and F(j) = handling, lateness and penalty of a parcel + intercept(j).
 * Here intercept + slope * weight is a straight line under the tariff: slope
 * is free (>= 0), intercept is the least of freight - slope * weight over the
 * weights the order can produce.  Between two steps of a bracket freight is at
 * least max(base, base + (weight - over) / step * price), which is convex, so
 * that least is attained at an end of the bracket or at its over_g.  Billed
 * weight is at least real weight and at least volumetric weight, so either
 * may be taken, as slope >= 0.  At most m(l, j) units of l fit in the parcel:
 * what the node has (all or nothing for a line that is kept whole), and what
 * the tariff can take.  So if
 *
 *	sum over l of m(l, j) * max(0, v(l) - c(l, j)) <= F(j)	 for each j
 *
 * then sum of x(l) * v(l) <= sum of x(l) * c(l, j) + F(j) <= cost.
 *
 * A second bound counts parcels: if no plan can carry line l in fewer than k(l)
 * parcels (greedily, from the greatest m on; per node, what t parcels carry is
 * concave in t), the fixed parts alone cost k(l) times the least F(j) of those
 * that take l, and the other part of each line costs what its units cost where
 * they are cheapest within availability.  The weight of the order over the
 * heaviest parcel any tariff takes is another such count.
 *
 * Prices start at min over j of c(l, j), which uses none of any F(j), and are
 * raised in turn as far as the slack of every F(j) allows, for a few choices
 * of slopes and of the pace; the best sum is the bound.  Arithmetic is in
 * double precision: what rounding could have added is taken off before the
 * bound is rounded up to a whole number (as costs are whole).
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "solver.h"

#include <math.h>
#include <stdlib.h>

#include "solver_internal.h"

#define N_SLOPES 5 /* choices of slope tried */
#define N_PACES 2  /* raise fully at once, or in small rounds */
#define PACE_ROUNDS 8
#define MAX_POINTS 64	   /* points of a tariff looked at for a slope */
#define MAX_PLAN_COST 9e18 /* more than SOLVER_MAX_PLAN_PARCELS can cost */

/* A point of the convex minorant of a tariff's brackets. */
typedef struct Point
{
	double weight;
	double freight;
} Point;

/* A straight line under a tariff. */
typedef struct Support
{
	double slope;
	double intercept;
	bool volumetric; /* slope is per gram of volumetric weight */
} Support;

/* One way to send a parcel. */
typedef struct Facility
{
	int node;
	int service;
	double fixed; /* F(j) */
	double slack; /* what prices have left of it */
} Facility;

/* So much of a line, at this cost a unit or so much in a parcel. */
typedef struct Supply
{
	double key;
	double amount;
} Supply;

typedef struct Bound
{
	SolverWork *work;
	const SolverProblem *problem;
	const bool *may_split;
	SolverLoad order;  /* all of it */
	Support *supports; /* by tariff */
	Facility *facilities;
	size_t n_facilities;
	double *most;		   /* m(l, j): [line * n_facilities + facility] */
	double *unit_cost;	   /* c(l, j) */
	double *price;		   /* v(l) */
	int *order_of_lines;   /* scarce ones first */
	double *least_parcels; /* k(l) */
	Supply *supplies;	   /* scratch: two for each node */
} Bound;

/*
 * Tell the lightest and the heaviest billed weight the order can produce.
 */
static void
BilledRange(const Bound *bound, const SolverTariff *tariff, int64_t *lightest,
			int64_t *heaviest)
{
	const SolverProblem *problem = bound->problem;

	*lightest = INT64_MAX;
	for (int i = 0; i < problem->n_lines; i++)
	{
		int64_t billed = 0;

		(void) solver_freight(tariff, problem->lines[i].unit_weight_g,
							  problem->lines[i].unit_volume_cm3, &billed);
		if (billed < *lightest)
			*lightest = billed;
	}
	(void) solver_freight(tariff, bound->order.weight_g,
						  bound->order.volume_cm3, heaviest);
}

/*
 * Give the next points of a tariff's minorant, those of one bracket.
 *
 * Returns how many points there are (0: the order never falls into it).
 */
static int
BracketPoints(const SolverBracket *bracket, int64_t from, int64_t to,
			  Point *points)
{
	int64_t weights[3];

	if (bracket->up_to_g < to)
		to = bracket->up_to_g;
	if (from > to)
		return 0;
	weights[0] = from;
	weights[1] = bracket->over_g;
	if (weights[1] < from)
		weights[1] = from;
	if (weights[1] > to)
		weights[1] = to;
	weights[2] = to;
	for (int i = 0; i < 3; i++)
	{
		points[i].weight = (double) weights[i];
		points[i].freight = (double) bracket->base;
		if (weights[i] > bracket->over_g && bracket->step_g > 0)
			points[i].freight += (double) (weights[i] - bracket->over_g) /
				(double) bracket->step_g * (double) bracket->step_price;
	}
	return 3;
}

/*
 * Find the slope of the lower convex hull of some points at a weight.
 *
 * Any slope would do for the bound to hold; this one makes it tight there.
 */
static double
HullSlope(const Point *points, int n_points, double at)
{
	double lowest = HUGE_VAL;
	double slope = 0;

	for (int i = 0; i < n_points; i++)
	{
		for (int j = 0; j < n_points; j++)
		{
			double rise;
			double value;

			if (points[i].weight >= at || points[j].weight <= at)
				continue;
			rise = (points[j].freight - points[i].freight) /
				(points[j].weight - points[i].weight);
			value = points[i].freight + rise * (at - points[i].weight);
			if (value < lowest)
			{
				lowest = value;
				slope = rise;
			}
		}
	}
	return slope > 0 ? slope : 0;
}

/*
 * Find the greatest intercept that keeps a line under a tariff.
 */
static double
Intercept(const SolverTariff *tariff, int64_t lightest, int64_t heaviest,
		  double slope)
{
	double least = HUGE_VAL;
	int64_t from = lightest;

	for (int i = 0; i < tariff->n_brackets && from <= heaviest; i++)
	{
		Point points[3];
		int n = BracketPoints(&tariff->brackets[i], from, heaviest, points);

		for (int j = 0; j < n; j++)
		{
			double carried = slope * points[j].weight;
			double gap = points[j].freight - carried -
				1e-14 * (points[j].freight + carried);

			if (gap < least)
				least = gap;
		}
		if (tariff->brackets[i].up_to_g >= heaviest)
			break;
		if (tariff->brackets[i].up_to_g >= from)
			from = tariff->brackets[i].up_to_g + 1;
	}
	return least;
}

/*
 * Lay a straight line under a tariff, tight at a share of the order's weight.
 */
static void
SupportTariff(const Bound *bound, const SolverTariff *tariff, double share,
			  Support *support)
{
	Point points[MAX_POINTS];
	int n_points = 0;
	int64_t lightest = 0;
	int64_t heaviest = 0;
	int64_t from;

	support->slope = 0;
	support->volumetric = (tariff->volumetric_divisor > 0 &&
						   (double) bound->order.volume_cm3 * 1000 /
								   (double) tariff->volumetric_divisor >
							   (double) bound->order.weight_g);
	BilledRange(bound, tariff, &lightest, &heaviest);
	from = lightest;
	for (int i = 0; i < tariff->n_brackets && from <= heaviest &&
		 n_points + 3 <= MAX_POINTS;
		 i++)
	{
		n_points += BracketPoints(&tariff->brackets[i], from, heaviest,
								  &points[n_points]);
		if (tariff->brackets[i].up_to_g >= heaviest)
			break;
		if (tariff->brackets[i].up_to_g >= from)
			from = tariff->brackets[i].up_to_g + 1;
	}
	if (share > 0 && n_points > 1)
	{
		double span = points[n_points - 1].weight - points[0].weight;

		support->slope =
			HullSlope(points, n_points, points[0].weight + share * span - 0.5);
	}
	support->intercept = Intercept(tariff, lightest, heaviest, support->slope);
	if (support->intercept < 0)
	{
		support->slope = 0;
		support->intercept = Intercept(tariff, lightest, heaviest, 0);
	}
}

/*
 * Tell how much of a line fits in one parcel of a facility.
 */
static int64_t
MostInParcel(const Bound *bound, const Facility *facility, int line)
{
	const SolverProblem *problem = bound->problem;
	const SolverLine *item = &problem->lines[line];
	const SolverService *service =
		&problem->nodes[facility->node].services[facility->service];
	const SolverTariff *tariff = &problem->tariffs[service->tariff];
	int64_t stock =
		problem->available[SOLVER_CELL(problem, line, facility->node)];
	int64_t low = 0;
	int64_t high = item->quantity;

	if ((item->temperature & ~service->temperature) != 0 ||
		tariff->n_brackets == 0)
		return 0;
	if (stock < high)
		high = (bound->may_split[line] ? stock : 0);

	/* Whatever the prices, billed weight past the last bracket never goes. */
	while (low < high)
	{
		int64_t middle =
			(bound->may_split[line] ? low + (high - low + 1) / 2 : high);
		int64_t billed = 0;

		(void) solver_freight(tariff, middle * item->unit_weight_g,
							  middle * item->unit_volume_cm3, &billed);
		if (billed <= tariff->brackets[tariff->n_brackets - 1].up_to_g)
			low = middle;
		else
			high = (bound->may_split[line] ? middle - 1 : 0);
	}
	return low;
}

/*
 * List the facilities, and what fits in a parcel of each.
 */
static bool
MakeFacilities(Bound *bound)
{
	const SolverProblem *problem = bound->problem;
	size_t n_facilities = 0;
	size_t n_cells;

	for (int i = 0; i < problem->n_nodes; i++)
	{
		if (problem->nodes[i].max_parcels > 0)
			n_facilities += (size_t) problem->nodes[i].n_services;
	}
	n_cells = n_facilities * (size_t) problem->n_lines;
	bound->facilities =
		SolverAlloc(bound->work, n_facilities, sizeof(Facility));
	bound->most = SolverAlloc(bound->work, n_cells, sizeof(double));
	bound->unit_cost = SolverAlloc(bound->work, n_cells, sizeof(double));
	if (bound->work->status != SOLVER_OK)
		return false;
	for (int i = 0; i < problem->n_nodes; i++)
	{
		if (problem->nodes[i].max_parcels == 0)
			continue;
		for (int j = 0; j < problem->nodes[i].n_services; j++)
		{
			Facility *facility = &bound->facilities[bound->n_facilities];

			facility->node = i;
			facility->service = j;
			for (int k = 0; k < problem->n_lines; k++)
				bound->most[(size_t) k * n_facilities + bound->n_facilities] =
					(double) MostInParcel(bound, facility, k);
			bound->n_facilities++;
			if (!SolverStep(bound->work, problem->n_lines))
				return false;
		}
	}
	return true;
}

/*
 * Put the lines that few facilities can send first.
 */
static bool
OrderLines(Bound *bound)
{
	int n_lines = bound->problem->n_lines;
	int *count = SolverAlloc(bound->work, (size_t) n_lines, sizeof(int));

	bound->order_of_lines =
		SolverAlloc(bound->work, (size_t) n_lines, sizeof(int));
	if (bound->work->status != SOLVER_OK)
		return false;
	for (int i = 0; i < n_lines; i++)
	{
		int at = i;

		for (size_t j = 0; j < bound->n_facilities; j++)
			count[i] += (bound->most[(size_t) i * bound->n_facilities + j] > 0);
		for (; at > 0 && count[bound->order_of_lines[at - 1]] > count[i]; at--)
			bound->order_of_lines[at] = bound->order_of_lines[at - 1];
		bound->order_of_lines[at] = i;
	}
	return true;
}

/*
 * Work out F(j) and c(l, j) for tariffs supported at a share of the weight.
 */
static bool
PriceFacilities(Bound *bound, double share)
{
	const SolverProblem *problem = bound->problem;

	for (int i = 0; i < problem->n_tariffs; i++)
	{
		SupportTariff(bound, &problem->tariffs[i], share, &bound->supports[i]);
		if (!SolverStep(bound->work, problem->n_lines + MAX_POINTS))
			return false;
	}
	for (size_t j = 0; j < bound->n_facilities; j++)
	{
		Facility *facility = &bound->facilities[j];
		const SolverNode *node = &problem->nodes[facility->node];
		const SolverService *service = &node->services[facility->service];
		const Support *support = &bound->supports[service->tariff];
		int64_t divisor = problem->tariffs[service->tariff].volumetric_divisor;

		facility->fixed = (double) node->per_parcel +
			(double) service->lateness + (double) problem->split_penalty +
			support->intercept;
		for (int i = 0; i < problem->n_lines; i++)
		{
			const SolverLine *line = &problem->lines[i];
			double weight = (double) line->unit_weight_g;

			if (support->volumetric)
				weight =
					(double) line->unit_volume_cm3 * 1000 / (double) divisor;
			bound->unit_cost[(size_t) i * bound->n_facilities + j] =
				(double) node->per_unit + support->slope * weight +
				(double) SolverStockValue(problem, i, facility->node);
		}
		if (!SolverStep(bound->work, problem->n_lines))
			return false;
	}
	return true;
}

/*
 * Start all prices where they use none of any facility's fixed cost.
 *
 * Returns false when nobody can send some line.
 */
static bool
StartPrices(Bound *bound)
{
	for (size_t j = 0; j < bound->n_facilities; j++)
		bound->facilities[j].slack = bound->facilities[j].fixed;
	for (int i = 0; i < bound->problem->n_lines; i++)
	{
		const double *most = &bound->most[(size_t) i * bound->n_facilities];
		const double *cost =
			&bound->unit_cost[(size_t) i * bound->n_facilities];

		bound->price[i] = HUGE_VAL;
		for (size_t j = 0; j < bound->n_facilities; j++)
		{
			if (most[j] > 0 && cost[j] < bound->price[i])
				bound->price[i] = cost[j];
		}
		if (bound->price[i] == HUGE_VAL)
			return false;
	}
	return true;
}

/*
 * Raise the price of a line by a part of what all slacks allow.
 */
static void
RaisePrice(Bound *bound, int line, double part)
{
	const double *most = &bound->most[(size_t) line * bound->n_facilities];
	const double *cost = &bound->unit_cost[(size_t) line * bound->n_facilities];
	double old = bound->price[line];
	double target = HUGE_VAL;

	for (size_t j = 0; j < bound->n_facilities; j++)
	{
		double base = (cost[j] > old ? cost[j] : old);

		if (most[j] <= 0)
			continue;
		if (base + bound->facilities[j].slack / most[j] < target)
			target = base + bound->facilities[j].slack / most[j];
	}
	target = old + part * (target - old);
	if (!(target > old && target < HUGE_VAL))
		return;
	for (size_t j = 0; j < bound->n_facilities; j++)
	{
		double base = (cost[j] > old ? cost[j] : old);

		if (most[j] <= 0 || target <= base)
			continue;
		bound->facilities[j].slack -= most[j] * (target - base);
		if (bound->facilities[j].slack < 0)
			bound->facilities[j].slack = 0;
	}
	bound->price[line] = target;
}

/*
 * Sum up the prices, less whatever rounding may have added to them.
 */
static double
WorthOfOrder(const Bound *bound)
{
	double worth = 0;
	double magnitude = 0;
	double excess = 0;

	for (size_t j = 0; j < bound->n_facilities; j++)
	{
		double used = 0;

		for (int i = 0; i < bound->problem->n_lines; i++)
		{
			size_t cell = (size_t) i * bound->n_facilities + j;

			if (bound->most[cell] > 0 &&
				bound->price[i] > bound->unit_cost[cell])
				used += bound->most[cell] *
					(bound->price[i] - bound->unit_cost[cell]);
		}
		if (used - bound->facilities[j].fixed > excess)
			excess = used - bound->facilities[j].fixed;
	}
	for (int i = 0; i < bound->problem->n_lines; i++)
	{
		double value =
			(double) bound->problem->lines[i].quantity * bound->price[i];

		worth += value;
		magnitude += fabs(value);
	}
	return worth - excess * SOLVER_MAX_PLAN_PARCELS - magnitude * 1e-12;
}

/*
 * Raise the prices for one choice of slopes and pace; return their worth.
 */
static double
Ascend(Bound *bound, int rounds)
{
	if (!StartPrices(bound))
		return HUGE_VAL;
	for (int round = 1; round <= rounds; round++)
	{
		for (int i = 0; i < bound->problem->n_lines; i++)
		{
			RaisePrice(bound, bound->order_of_lines[i],
					   1.0 / (rounds - round + 1));
			if (!SolverStep(bound->work, (int64_t) bound->n_facilities))
				return -HUGE_VAL;
		}
	}
	return WorthOfOrder(bound);
}

/*
 * Compare two supplies by key.
 */
static int
CompareSupplies(const void *left, const void *right)
{
	const Supply *a = left;
	const Supply *b = right;

	return a->key < b->key ? -1 : a->key > b->key;
}

/*
 * Count the parcels that a line takes at least.
 */
static double
LeastParcels(Bound *bound, int line)
{
	const SolverProblem *problem = bound->problem;
	double wanted = (double) problem->lines[line].quantity;
	double parcels = 0;
	size_t n = 0;

	for (size_t j = 0, end; j < bound->n_facilities; j = end)
	{
		int node = bound->facilities[j].node;
		double stock =
			(double) problem->available[SOLVER_CELL(problem, line, node)];
		double most = 0;
		double full;

		for (end = j;
			 end < bound->n_facilities && bound->facilities[end].node == node;
			 end++)
			most = fmax(most,
						bound->most[(size_t) line * bound->n_facilities + end]);
		if (most <= 0)
			continue;
		full = fmin(floor(stock / most), problem->nodes[node].max_parcels);
		bound->supplies[n++] = (Supply){-most, full};
		if (full < problem->nodes[node].max_parcels)
			bound->supplies[n++] = (Supply){-(stock - full * most), 1};
	}
	qsort(bound->supplies, n, sizeof(Supply), CompareSupplies);
	for (size_t i = 0; i < n && wanted > 0; i++)
	{
		double size = -bound->supplies[i].key;
		double taken;

		if (size <= 0)
			break;
		taken = fmin(ceil(wanted / size), bound->supplies[i].amount);
		parcels += taken;
		wanted -= taken * size;
	}
	/* Large numbers are inexact: better one parcel too few. */
	return problem->lines[line].quantity > INT64_C(1) << 40
		? fmax(parcels - 1, 1)
		: fmax(parcels, 1);
}

/*
 * Tell what the units of a line cost at least, wherever they come from.
 */
static double
LeastUnitCosts(Bound *bound, int line)
{
	const SolverProblem *problem = bound->problem;
	double wanted = (double) problem->lines[line].quantity;
	double cost = 0;
	size_t n = 0;

	for (size_t j = 0, end; j < bound->n_facilities; j = end)
	{
		int node = bound->facilities[j].node;
		double least = HUGE_VAL;

		for (end = j;
			 end < bound->n_facilities && bound->facilities[end].node == node;
			 end++)
		{
			size_t cell = (size_t) line * bound->n_facilities + end;

			if (bound->most[cell] > 0)
				least = fmin(least, bound->unit_cost[cell]);
		}
		if (least < HUGE_VAL)
			bound->supplies[n++] = (Supply){
				least,
				(double) problem->available[SOLVER_CELL(problem, line, node)]};
	}
	qsort(bound->supplies, n, sizeof(Supply), CompareSupplies);
	for (size_t i = 0; i < n && wanted > 0; i++)
	{
		double taken = fmin(wanted, bound->supplies[i].amount);

		cost += taken * bound->supplies[i].key;
		wanted -= taken;
	}
	return cost;
}

/*
 * Tell what the parcels cost at least that the order's weight makes needed.
 */
static double
CountByWeight(const Bound *bound)
{
	const SolverProblem *problem = bound->problem;
	double heaviest = 0;
	double fixed = HUGE_VAL;

	for (size_t j = 0; j < bound->n_facilities; j++)
	{
		const Facility *facility = &bound->facilities[j];
		const SolverTariff *tariff =
			&problem->tariffs[problem->nodes[facility->node]
								  .services[facility->service]
								  .tariff];
		int last = tariff->n_brackets - 1;

		fixed = fmin(fixed, facility->fixed);
		if (last >= 0)
			heaviest = fmax(heaviest, (double) tariff->brackets[last].up_to_g);
	}
	if (heaviest <= 0 || fixed == HUGE_VAL)
		return 0;
	return fixed *
		ceil((double) bound->order.weight_g / heaviest * (1 - 1e-12));
}

/*
 * Bound the plan by the number of parcels of one line, or of all.
 */
static double
CountParcels(Bound *bound)
{
	double units = 0;
	double magnitude = 0;
	double parcels = CountByWeight(bound);

	for (int i = 0; i < bound->problem->n_lines; i++)
	{
		double cost = LeastUnitCosts(bound, i);
		double fixed = HUGE_VAL;

		for (size_t j = 0; j < bound->n_facilities; j++)
		{
			if (bound->most[(size_t) i * bound->n_facilities + j] > 0)
				fixed = fmin(fixed, bound->facilities[j].fixed);
		}
		if (fixed < HUGE_VAL)
			parcels = fmax(parcels, fixed * bound->least_parcels[i]);
		units += cost;
		magnitude += fabs(cost);
		if (!SolverStep(bound->work, (int64_t) bound->n_facilities))
			return -HUGE_VAL;
	}
	return units + parcels - (magnitude + parcels) * 1e-12;
}

/*
 * Find a cost that no feasible plan stays under.
 *
 * The caller has checked that each line can be supplied, so every line has a
 * facility that takes it, unless it may not be split and nobody has it whole:
 * then there is no plan.
 */
SolverStatus
SolverLowerBound(SolverWork *work, const bool *may_split, int64_t *lower_bound)
{
	static const double shares[N_SLOPES] = {0, 0.1, 0.3, 0.6, 1};
	static const int rounds[N_PACES] = {1, PACE_ROUNDS};
	Bound bound = {0};
	double best = -HUGE_VAL;

	bound.work = work;
	bound.problem = work->problem;
	bound.may_split = may_split;
	for (int i = 0; i < work->problem->n_lines; i++)
	{
		const SolverLine *line = &work->problem->lines[i];

		bound.order.weight_g += line->quantity * line->unit_weight_g;
		bound.order.volume_cm3 += line->quantity * line->unit_volume_cm3;
	}
	bound.supports =
		SolverAlloc(work, (size_t) work->problem->n_tariffs, sizeof(Support));
	bound.price =
		SolverAlloc(work, (size_t) work->problem->n_lines, sizeof(double));
	bound.least_parcels =
		SolverAlloc(work, (size_t) work->problem->n_lines, sizeof(double));
	bound.supplies =
		SolverAlloc(work, (size_t) work->problem->n_nodes * 2, sizeof(Supply));
	if (work->status != SOLVER_OK || !MakeFacilities(&bound) ||
		!OrderLines(&bound))
		return work->status;
	for (int i = 0; i < work->problem->n_lines; i++)
	{
		bound.least_parcels[i] = (may_split[i] ? LeastParcels(&bound, i) : 1);
		if (!SolverStep(work, (int64_t) bound.n_facilities))
			return work->status;
	}

	for (int i = 0; i < N_SLOPES; i++)
	{
		if (!PriceFacilities(&bound, shares[i]))
			return work->status;
		for (int j = 0; j < N_PACES; j++)
		{
			double worth = Ascend(&bound, rounds[j]);

			best = fmax(best, worth);
		}
		best = fmax(best, CountParcels(&bound));
	}
	if (work->status != SOLVER_OK)
		return work->status;
	best -= (double) work->problem->split_penalty + 1e-6;
	if (best > MAX_PLAN_COST)
		return SOLVER_NO_PLAN;
	*lower_bound = (int64_t) ceil(best);
	return SOLVER_OK;
}
