/*-------------------------------------------------------------------------
 *
 * no_plan.c
 *	  Tells the caller why an order has no plan, with the numbers.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/sourcing.h"

/* Tells of nodes that said no, when there are any. */
static const char *
RefusalText(const SourcingRejects *r)
{
	if (r->paused + r->excluded == 0)
		return "";
	return psprintf(", %d paused, %d that refused this order before", r->paused,
					r->excluded);
}

/* Raises RT020 or RT021 for a line that cannot be served, with the numbers. */
static void
ReportShortLine(const SourcingRequest *request, const SourcingResult *result)
{
	const SourcingRejects *r = &result->rejects;
	int line = result->plan.short_line;
	const SourcingLine *l = &request->lines[line];
	bool no_stock = result->status == SOLVER_NO_STOCK;
	int64 available = 0;

	for (int c = 0; c < result->n_candidates; c++)
		available += result->problem.available[line * result->n_candidates + c];
	if (no_stock && l->bound > 0 && available >= l->quantity)
		ereport(
			ERROR, errcode(RT_OUT_OF_STOCK),
			errmsg("the components of a bundle do not lie together"),
			errdetail(
				"SKU %s: %lld asked and %lld available to promise, but not where the others are.",
				l->sku, (long long) l->quantity, (long long) available),
			errhint(
				"See retail.available_to_promise() of the bundle, or order its components apart."));
	if (no_stock &&
		r->inactive + r->paused + r->excluded + r->incapable + r->closed +
				r->unreachable + r->full ==
			0)
		ereport(
			ERROR, errcode(RT_OUT_OF_STOCK), errmsg("out of stock"),
			errdetail("SKU %s: %lld asked, %lld available to promise%s%s.",
					  l->sku, (long long) l->quantity, (long long) available,
					  request->pick_up_node ? " at node " : "",
					  request->pick_up_node ? request->pick_up_node->code : ""),
			errhint(
				"See retail.available_to_promise() for where the SKU lies."));
	if (!no_stock && request->pick_up_node)
		ereport(
			ERROR, errcode(RT_NODE_INCAPABLE),
			errmsg("the node may not keep what is ordered"),
			errdetail(
				"SKU %s is of a temperature class that node %s does not offer.",
				l->sku, request->pick_up_node->code),
			errhint(
				"Choose another node, or add the class with retail.put_node()."));
	ereport(
		ERROR,
		errcode(no_stock && r->unreachable + r->closed + r->paused == 0
					? RT_OUT_OF_STOCK
					: RT_UNREACHABLE),
		no_stock ? errmsg("not enough stock that can reach the customer")
				 : errmsg("no carrier takes what is ordered"),
		errdetail(
			"SKU %s: %lld asked, %lld at %d nodes that can serve the order. Other nodes with stock: %d without a lane or rate card, %d closed, %d that may not, %d inactive%s.",
			l->sku, (long long) l->quantity, (long long) available,
			result->n_candidates, r->unreachable, r->closed, r->incapable,
			r->inactive, RefusalText(r)),
		errhint(
			"See retail.lane, retail.rate_card and retail.node for what serves this destination."));
}

/* Raises the error that tells why there is no plan. */
void
ReportNoPlan(const SourcingRequest *request, const SourcingResult *result)
{
	if (result->status == SOLVER_BAD_PROBLEM)
		ereport(
			ERROR, errcode(RT_INVALID_QUANTITY),
			errmsg("order is too large to plan"),
			errdetail(
				"Its total weight, volume or cost exceeds 10^15 grams, cubic centimetres or cents."),
			errhint("Divide the order."));
	if (result->plan.short_line >= 0)
		ReportShortLine(request, result);
	ereport(
		ERROR, errcode(RT_UNREACHABLE),
		errmsg("no plan within the limits of policy and capacity"),
		errdetail(
			"%d nodes can serve the order, %d of them full for two weeks; policy \"%s\" allows %d parcels (0: any number)%s.",
			result->n_candidates, result->rejects.full, request->policy->code,
			request->policy->max_parcels,
			request->policy->allow_line_split ? "" : " and no split lines"),
		errhint(
			"Try fewer lines, another day, or a policy with more parcels."));
}
