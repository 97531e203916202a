/*-------------------------------------------------------------------------
 *
 * trace.c
 *	  Why an order was given to these nodes, as jsonb for people: the parcels
 *	  with their costs, what other nodes would have cost, and how many were
 *	  left out for which reason.
 *
 * Keys are added as jsonb orders them, shorter ones first: what is in order
 * need not be sorted.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/sourcing.h"

#include <math.h>

#include "foundation/json_writer.h"

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

/* Adds an amount of cents. */
static void
AddMoney(JsonWriter *json, const char *key, int64 cents)
{
	JsonAddDecimal(json, key, cents, 2);
}

/* Adds a distance when it is known. */
static void
AddDistance(JsonWriter *json, double km)
{
	if (!isnan(km))
		JsonAddDecimal(json, "distance_km", (int64) rint(km * 10), 1);
}

/* Adds what is in a parcel. */
static void
AddPieces(JsonWriter *json, const SourcingRequest *request,
		  const SolverPlan *plan, int parcel)
{
	JsonBeginArray(json, "lines");
	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];

		if (piece->parcel != parcel)
			continue;
		JsonBeginObject(json, NULL);
		JsonAddInteger(json, "qty", piece->quantity);
		JsonAddText(json, "sku", request->lines[piece->line].sku);
		JsonAddInteger(json, "line_no", request->lines[piece->line].line_no);
		JsonEndObject(json);
	}
	JsonEndArray(json);
}

/* Adds the parcels of the plan as an array; ids may be NULL. */
void
AddParcels(JsonWriter *json, const char *key, const SourcingRequest *request,
		   const SourcingResult *result, const int64 *shipment_ids)
{
	JsonBeginArray(json, key);
	for (int i = 0; i < result->plan.n_parcels; i++)
	{
		const SolverParcel *parcel = &result->plan.parcels[i];
		const SourcingCandidate *candidate = &result->candidates[parcel->node];

		JsonBeginObject(json, NULL);
		JsonAddText(json, "kind", ParcelKind(request, candidate));
		JsonAddText(json, "node", candidate->node->code);
		if (!candidate->collected)
			JsonAddText(json, "zone", candidate->lanes[parcel->service]->zone);
		AddPieces(json, request, &result->plan, i);
		AddMoney(json, "freight", parcel->freight);
		if (candidate->departure != candidate->first_departure)
			JsonAddTime(json, "full_on", candidate->first_departure);
		if (!candidate->collected)
			JsonAddText(json, "service",
						candidate->lanes[parcel->service]->service->code);
		JsonAddTime(json, "ship_by", candidate->departure);
		JsonAddInteger(json, "billed_g", parcel->billed_g);
		AddMoney(json, "handling", parcel->handling);
		AddMoney(json, "lateness", parcel->lateness);
		JsonAddInteger(json, "weight_g", parcel->weight_g);
		AddDistance(json, CandidateDistance(request, candidate));
		JsonAddTime(json, "promised_at", ParcelPromise(request, result, i));
		if (shipment_ids)
			JsonAddInteger(json, "shipment_id", shipment_ids[i]);
		if (parcel->stock_value != 0)
			AddMoney(json, "stock_value", parcel->stock_value);
		JsonEndObject(json);
	}
	JsonEndArray(json);
}

/* Returns the parcels of the plan as jsonb; ids may be NULL. */
Datum
ParcelsJsonb(const SourcingRequest *request, const SourcingResult *result,
			 const int64 *shipment_ids)
{
	JsonWriter json = {0};

	AddParcels(&json, NULL, request, result, shipment_ids);
	return JsonDatum(&json);
}

/* Does a candidate have a line whole? */
static bool
HasLine(const SolverProblem *problem, int line, int candidate)
{
	return problem->available[line * problem->n_nodes + candidate] >=
		problem->lines[line].quantity;
}

/* Counts the lines that a candidate cannot supply whole. */
static int
CountMissing(const SolverProblem *problem, int candidate)
{
	int missing = 0;

	for (int i = 0; i < problem->n_lines; i++)
		missing += !HasLine(problem, i, candidate);
	return missing;
}

/* Costs a node as the only one: one parcel with all lines it has whole. */
static Alternative
CostAlone(const SolverProblem *problem, int candidate, int missing)
{
	const SolverNode *node = &problem->nodes[candidate];
	Alternative result = {candidate, missing, false, 0, 0, 0, 0, 0};
	int64 weight = 0;
	int64 volume = 0;
	int64 units = 0;
	int64 stock_value = 0;
	uint32 temperature = 0;

	for (int i = 0; i < problem->n_lines; i++)
	{
		const SolverLine *line = &problem->lines[i];

		if (!HasLine(problem, i, candidate))
			continue;
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

/* Says why an alternative lost. */
static const char *
WhyNot(const SourcingResult *result, const Alternative *alternative)
{
	if (alternative->missing > 0)
		return "does not have everything";
	if (result->problem.nodes[alternative->candidate].max_parcels == 0)
		return "is full for two weeks";
	if (!alternative->possible)
		return "no carrier takes all of it in one parcel";
	return alternative->cost > result->plan.cost
		? "costs more"
		: "costs the same, and is not preferred";
}

/* Adds the lines that a node does not have whole. */
static void
AddLacks(JsonWriter *json, const SourcingRequest *request,
		 const SourcingResult *result, int candidate)
{
	JsonBeginArray(json, "lacks");
	for (int i = 0; i < request->n_lines; i++)
		if (!HasLine(&result->problem, i, candidate))
			JsonAddText(json, NULL, request->lines[i].sku);
	JsonEndArray(json);
}

/* Adds one alternative with the reason why it lost. */
static void
AddAlternative(JsonWriter *json, const SourcingRequest *request,
			   const SourcingResult *result, const Alternative *alternative)
{
	const SourcingCandidate *candidate =
		&result->candidates[alternative->candidate];
	const SolverNode *node = &result->problem.nodes[alternative->candidate];
	bool possible = alternative->possible;

	JsonBeginObject(json, NULL);
	if (possible)
		AddMoney(json, "cost", alternative->cost);
	JsonAddText(json, "node", candidate->node->code);
	if (alternative->missing > 0)
		AddLacks(json, request, result, alternative->candidate);
	JsonAddText(json, "reason", WhyNot(result, alternative));
	if (possible)
		AddMoney(json, "freight", alternative->freight);
	if (node->preferred)
		JsonAddBoolean(json, "nearest", true);
	if (possible)
	{
		AddMoney(json, "handling", alternative->handling);
		AddMoney(json, "lateness", alternative->lateness);
	}
	AddDistance(json, CandidateDistance(request, candidate));
	if (possible && alternative->stock_value != 0)
		AddMoney(json, "stock_value", alternative->stock_value);
	if (possible && alternative->missing == 0 && node->max_parcels != 0)
		AddMoney(json, "more_than_plan", alternative->cost - result->plan.cost);
	JsonEndObject(json);
}

/* Adds the nodes that would have been next, each as the only one. */
static void
AddAlternatives(JsonWriter *json, const SourcingRequest *request,
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
		bool preferred = result->problem.nodes[c].preferred;
		Alternative alternative;
		int missing;

		if (chosen[c] && result->plan.n_parcels == 1)
			continue;
		/* Most nodes lack more than the best, whatever they cost. */
		missing = CountMissing(&result->problem, c);
		if (n == MAX_ALTERNATIVES && missing > best[n - 1].missing &&
			!preferred)
			continue;
		alternative = CostAlone(&result->problem, c, missing);
		if (preferred)
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
	JsonBeginArray(json, "alternatives");
	for (int i = 0; i < n; i++)
		AddAlternative(json, request, result, &best[i]);
	JsonEndArray(json);
	pfree(chosen);
}

/* Adds how many nodes with stock were left out. */
static void
AddLeftOut(JsonWriter *json, const SourcingRejects *rejects)
{
	JsonBeginObject(json, "left_out");
	JsonAddInteger(json, "full", rejects->full);
	JsonAddInteger(json, "closed", rejects->closed);
	JsonAddInteger(json, "paused", rejects->paused);
	JsonAddInteger(json, "may_not", rejects->incapable);
	JsonAddInteger(json, "no_lane", rejects->unreachable);
	JsonAddInteger(json, "inactive", rejects->inactive);
	JsonAddInteger(json, "kept_back", rejects->kept_back);
	JsonAddInteger(json, "refused_before", rejects->excluded);
	JsonEndObject(json);
}

/* Adds the first of them by name. */
static void
AddLeftOutNodes(JsonWriter *json, const SourcingRejects *rejects)
{
	if (rejects->n_named == 0)
		return;
	JsonBeginArray(json, "left_out_nodes");
	for (int i = 0; i < rejects->n_named; i++)
	{
		JsonBeginObject(json, NULL);
		JsonAddText(json, "why", rejects->named[i].why);
		JsonAddText(json, "node", rejects->named[i].node->code);
		JsonEndObject(json);
	}
	JsonEndArray(json);
}

/* Returns the whole trace of a decision as jsonb. */
Datum
DecisionTrace(const SourcingRequest *request, const SourcingResult *result,
			  const int64 *shipment_ids)
{
	JsonWriter json = {0};

	JsonBeginObject(&json, NULL);
	AddMoney(&json, "cost", result->plan.cost);
	JsonAddBoolean(&json, "exact", result->plan.exact);
	JsonAddText(&json, "policy", request->policy->code);
	AddParcels(&json, "parcels", request, result, shipment_ids);
	AddLeftOut(&json, &result->rejects);
	JsonAddInteger(&json, "candidates", result->n_candidates);
	if (request->region)
		JsonAddText(&json, "destination", request->region->code);
	AddMoney(&json, "lower_bound", result->plan.lower_bound);
	if (result->plan.n_parcels > 0)
		JsonAddTime(&json, "promised_at", PlanPromise(request, result));
	AddAlternatives(&json, request, result);
	if (result->plan.n_parcels > 1)
		AddMoney(&json, "split_penalty",
				 (result->plan.n_parcels - 1) * request->policy->split_penalty);
	AddLeftOutNodes(&json, &result->rejects);
	JsonAddInteger(&json, "policy_version", request->policy->version);
	JsonEndObject(&json);
	return JsonDatum(&json);
}
