/*-------------------------------------------------------------------------
 *
 * trace.c
 *	  Why an order was given to these nodes, as JSON for people: the parcels
 *	  with their costs, what other nodes would have cost, and how many were
 *	  left out for which reason.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/sourcing.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"

/* How many nodes that were not chosen a trace tells of. */
#define MAX_ALTERNATIVES 5

/* A node that could have served the order, seen as the only one. */
typedef struct Alternative
{
	int candidate;
	int missing;   /* lines it cannot supply whole */
	bool possible; /* a carrier takes all it can supply in one parcel */
	int64 cost;	   /* of that parcel, the sum of the following */
	int64 freight;
	int64 handling;
	int64 lateness;
	int64 stock_value;
} Alternative;

/* Appends an amount of cents as a JSON number. */
static void
AppendMoney(StringInfo buffer, const char *key, int64 cents)
{
	appendStringInfo(buffer, ",\"%s\":%s%lld.%02lld", key, cents < 0 ? "-" : "",
					 llabs(cents) / 100, llabs(cents) % 100);
}

/* Appends a time in ISO 8601. */
static void
AppendTime(StringInfo buffer, const char *key, TimestampTz value)
{
	char text[MAXDATELEN + 1];

	JsonEncodeDateTime(text, TimestampTzGetDatum(value), TIMESTAMPTZOID, NULL);
	appendStringInfo(buffer, ",\"%s\":\"%s\"", key, text);
}

/* Appends a distance when it is known. */
static void
AppendDistance(StringInfo buffer, double km)
{
	if (!isnan(km))
		appendStringInfo(buffer, ",\"distance_km\":%.1f", km);
}

/* Appends what is in a parcel. */
static void
AppendPieces(StringInfo buffer, const SourcingRequest *request,
			 const SolverPlan *plan, int parcel)
{
	bool first = true;

	appendStringInfoString(buffer, ",\"lines\":[");
	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];

		if (piece->parcel != parcel)
			continue;
		appendStringInfo(buffer, "%s{\"line_no\":%d,\"sku\":", first ? "" : ",",
						 request->lines[piece->line].line_no);
		escape_json(buffer, request->lines[piece->line].sku);
		appendStringInfo(buffer, ",\"qty\":%lld}", (long long) piece->quantity);
		first = false;
	}
	appendStringInfoChar(buffer, ']');
}

/* Appends the parcels of the plan as a JSON array; ids may be NULL. */
void
AppendParcels(StringInfo buffer, const SourcingRequest *request,
			  const SourcingResult *result, const int64 *shipment_ids)
{
	appendStringInfoChar(buffer, '[');
	for (int i = 0; i < result->plan.n_parcels; i++)
	{
		const SolverParcel *parcel = &result->plan.parcels[i];
		const SourcingCandidate *candidate = &result->candidates[parcel->node];

		appendStringInfo(buffer, "%s{\"node\":", i ? "," : "");
		escape_json(buffer, candidate->node->code);
		if (shipment_ids)
			appendStringInfo(buffer, ",\"shipment_id\":%lld",
							 (long long) shipment_ids[i]);
		appendStringInfo(buffer, ",\"kind\":\"%s\"",
						 ParcelKind(request, candidate));
		if (!candidate->collected)
		{
			appendStringInfoString(buffer, ",\"service\":");
			escape_json(buffer,
						candidate->lanes[parcel->service]->service->code);
			appendStringInfoString(buffer, ",\"zone\":");
			escape_json(buffer, candidate->lanes[parcel->service]->zone);
		}
		AppendDistance(buffer, candidate->distance_km);
		appendStringInfo(buffer, ",\"weight_g\":%lld,\"billed_g\":%lld",
						 (long long) parcel->weight_g,
						 (long long) parcel->billed_g);
		AppendMoney(buffer, "freight", parcel->freight);
		AppendMoney(buffer, "handling", parcel->handling);
		AppendMoney(buffer, "lateness", parcel->lateness);
		if (parcel->stock_value != 0)
			AppendMoney(buffer, "stock_value", parcel->stock_value);
		if (candidate->departure != candidate->first_departure)
			AppendTime(buffer, "full_on", candidate->first_departure);
		AppendTime(buffer, "ship_by", candidate->departure);
		AppendTime(buffer, "promised_at", ParcelPromise(request, result, i));
		AppendPieces(buffer, request, &result->plan, i);
		appendStringInfoChar(buffer, '}');
	}
	appendStringInfoChar(buffer, ']');
}

/* Costs a node as the only one: one parcel with all lines it has whole. */
static Alternative
CostAlone(const SolverProblem *problem, int candidate)
{
	const SolverNode *node = &problem->nodes[candidate];
	Alternative result = {candidate, 0, false, 0, 0, 0, 0, 0};
	int64 weight = 0;
	int64 volume = 0;
	int64 units = 0;
	int64 stock_value = 0;
	uint32 temperature = 0;

	for (int i = 0; i < problem->n_lines; i++)
	{
		const SolverLine *line = &problem->lines[i];

		if (problem->available[i * problem->n_nodes + candidate] <
			line->quantity)
		{
			result.missing++;
			continue;
		}
		weight += line->quantity * line->unit_weight_g;
		volume += line->quantity * line->unit_volume_cm3;
		units += line->quantity;
		if (problem->stock_value)
			stock_value += line->quantity *
				problem->stock_value[i * problem->n_nodes + candidate];
		temperature |= line->temperature;
	}
	for (int s = 0; s < node->n_services; s++)
	{
		const SolverService *service = &node->services[s];
		int64_t billed;
		int64 freight = solver_freight(&problem->tariffs[service->tariff],
									   weight, volume, &billed);
		int64 cost;

		if (freight < 0 || (temperature & ~service->temperature) != 0)
			continue;
		cost = freight + node->per_parcel + units * node->per_unit +
			service->lateness + stock_value;
		if (result.possible && cost >= result.cost)
			continue;
		result.possible = true;
		result.cost = cost;
		result.freight = freight;
		result.handling = node->per_parcel + units * node->per_unit;
		result.lateness = service->lateness;
		result.stock_value = stock_value;
	}
	return result;
}

/* Is an alternative better: fewer missing lines, then cheaper? */
static bool
IsBetter(const Alternative *left, const Alternative *right)
{
	if (left->missing != right->missing)
		return left->missing < right->missing;
	if (left->possible != right->possible)
		return left->possible;
	if (left->cost != right->cost)
		return left->cost < right->cost;
	return left->candidate < right->candidate;
}

/* Keeps an alternative among the best, in their order; returns their number. */
static int
KeepBest(Alternative *best, int n, const Alternative *alternative)
{
	int i;

	if (n == MAX_ALTERNATIVES && !IsBetter(alternative, &best[n - 1]))
		return n;
	if (n < MAX_ALTERNATIVES)
		n++;
	for (i = n - 1; i > 0 && IsBetter(alternative, &best[i - 1]); i--)
		best[i] = best[i - 1];
	best[i] = *alternative;
	return n;
}

/* Appends one alternative with the reason why it lost. */
static void
AppendAlternative(StringInfo buffer, const SourcingRequest *request,
				  const SourcingResult *result, const Alternative *alternative)
{
	const SourcingCandidate *candidate =
		&result->candidates[alternative->candidate];
	int n = result->n_candidates;
	bool first = true;

	appendStringInfoString(buffer, "{\"node\":");
	escape_json(buffer, candidate->node->code);
	AppendDistance(buffer, candidate->distance_km);
	if (result->problem.nodes[alternative->candidate].preferred)
		appendStringInfoString(buffer, ",\"nearest\":true");
	if (alternative->possible)
	{
		AppendMoney(buffer, "cost", alternative->cost);
		AppendMoney(buffer, "freight", alternative->freight);
		AppendMoney(buffer, "handling", alternative->handling);
		AppendMoney(buffer, "lateness", alternative->lateness);
		if (alternative->stock_value != 0)
			AppendMoney(buffer, "stock_value", alternative->stock_value);
	}
	if (alternative->missing > 0)
	{
		appendStringInfoString(buffer, ",\"lacks\":[");
		for (int i = 0; i < request->n_lines; i++)
		{
			if (result->problem.available[i * n + alternative->candidate] >=
				request->lines[i].quantity)
				continue;
			if (!first)
				appendStringInfoChar(buffer, ',');
			escape_json(buffer, request->lines[i].sku);
			first = false;
		}
		appendStringInfoString(buffer,
							   "],\"reason\":\"does not have everything\"}");
	}
	else if (result->problem.nodes[alternative->candidate].max_parcels == 0)
		appendStringInfoString(buffer,
							   ",\"reason\":\"is full for two weeks\"}");
	else if (!alternative->possible)
		appendStringInfoString(
			buffer,
			",\"reason\":\"no carrier takes all of it in one parcel\"}");
	else
	{
		AppendMoney(buffer, "more_than_plan",
					alternative->cost - result->plan.cost);
		appendStringInfo(buffer, ",\"reason\":\"%s\"}",
						 alternative->cost > result->plan.cost
							 ? "costs more"
							 : "costs the same, and is not preferred");
	}
}

/* Appends the nodes that would have been next, each as the only one. */
static void
AppendAlternatives(StringInfo buffer, const SourcingRequest *request,
				   const SourcingResult *result)
{
	Alternative best[MAX_ALTERNATIVES + 1];
	Alternative nearest = {-1};
	bool *chosen = palloc0(Max(result->n_candidates, 1));
	int n = 0;

	for (int i = 0; i < result->plan.n_parcels; i++)
		chosen[result->plan.parcels[i].node] = true;
	for (int c = 0; c < result->n_candidates; c++)
	{
		Alternative alternative;

		if (chosen[c] && result->plan.n_parcels == 1)
			continue;
		alternative = CostAlone(&result->problem, c);
		if (result->problem.nodes[c].preferred)
			nearest = alternative;
		n = KeepBest(best, n, &alternative);
	}
	/* The nearest is told of wherever it ranks: people ask for it. */
	if (nearest.candidate >= 0)
	{
		bool told = false;

		for (int i = 0; i < n; i++)
			told = told || best[i].candidate == nearest.candidate;
		if (!told)
			best[n++] = nearest;
	}
	appendStringInfoString(buffer, ",\"alternatives\":[");
	for (int i = 0; i < n; i++)
	{
		if (i)
			appendStringInfoChar(buffer, ',');
		AppendAlternative(buffer, request, result, &best[i]);
	}
	appendStringInfoChar(buffer, ']');
	pfree(chosen);
}

/* Appends how many nodes with stock were left out, and the first by name. */
static void
AppendLeftOut(StringInfo buffer, const SourcingRejects *rejects)
{
	appendStringInfo(
		buffer,
		",\"left_out\":{\"inactive\":%d,\"paused\":%d,\"refused_before\":%d,\"may_not\":%d,\"closed\":%d,\"no_lane\":%d,\"full\":%d,\"kept_back\":%d}",
		rejects->inactive, rejects->paused, rejects->excluded,
		rejects->incapable, rejects->closed, rejects->unreachable,
		rejects->full, rejects->kept_back);
	if (rejects->n_named == 0)
		return;
	appendStringInfoString(buffer, ",\"left_out_nodes\":[");
	for (int i = 0; i < rejects->n_named; i++)
	{
		appendStringInfo(buffer, "%s{\"node\":", i ? "," : "");
		escape_json(buffer, rejects->named[i].node->code);
		appendStringInfo(buffer, ",\"why\":\"%s\"}", rejects->named[i].why);
	}
	appendStringInfoChar(buffer, ']');
}

/* Returns the whole trace of a decision as JSON text. */
char *
DecisionTrace(const SourcingRequest *request, const SourcingResult *result,
			  const int64 *shipment_ids)
{
	StringInfoData buffer;

	initStringInfo(&buffer);
	appendStringInfoString(&buffer, "{\"policy\":");
	escape_json(&buffer, request->policy->code);
	appendStringInfo(&buffer, ",\"policy_version\":%d",
					 request->policy->version);
	AppendMoney(&buffer, "cost", result->plan.cost);
	AppendMoney(&buffer, "lower_bound", result->plan.lower_bound);
	appendStringInfo(&buffer, ",\"exact\":%s",
					 result->plan.exact ? "true" : "false");
	if (request->region)
	{
		appendStringInfoString(&buffer, ",\"destination\":");
		escape_json(&buffer, request->region->code);
	}
	if (result->plan.n_parcels > 0)
		AppendTime(&buffer, "promised_at", PlanPromise(request, result));
	appendStringInfoString(&buffer, ",\"parcels\":");
	AppendParcels(&buffer, request, result, shipment_ids);
	if (result->plan.n_parcels > 1)
		AppendMoney(&buffer, "split_penalty",
					(result->plan.n_parcels - 1) *
						request->policy->split_penalty);
	appendStringInfo(&buffer, ",\"candidates\":%d", result->n_candidates);
	AppendAlternatives(&buffer, request, result);
	AppendLeftOut(&buffer, &result->rejects);
	appendStringInfoChar(&buffer, '}');
	return buffer.data;
}
