/*-------------------------------------------------------------------------
 *
 * shadow.c
 *	  Recording what shadow policies would have decided.
 *
 * Beside each decision of the acting policy, a shadow policy decides the same
 * problem: the same stock, candidates and rates, with its own weights and
 * limits.  Nothing is done with its plan; it is priced by both policies, as
 * is the plan that is done, and written to retail.allocation_shadow.
 *
 * Deciding and writing run in subtransactions of their own: whatever goes
 * wrong, but for a cancelled query, is the shadow's loss and not the order's.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/shadow.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

#include "allocation/candidates.h"
#include "allocation/capacity.h"
#include "allocation/composite.h"
#include "allocation/stock_price.h"

/* One shadow policy at one decision. */
typedef struct Shadow
{
	int64 order_id;
	const SourcingRequest *acting_request;
	const SourcingResult *acting;
	SourcingRequest request; /* the same order under the shadow policy */
	SourcingResult result;	 /* what it decides */
	SolverNode *nodes;		 /* of its problem */
	const char *error;		 /* NULL: it went well */
} Shadow;

typedef struct ShadowList
{
	Shadow **shadows;
	int n;
} ShadowList;

static RetailRowShape shadow_shape = {
	18,
	{INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID, TEXTOID, TEXTOID, BOOLOID,
	 NUMERICOID, NUMERICOID, NUMERICOID, NUMERICOID, INT4OID, INT4OID,
	 NUMERICOID, NUMERICOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTARRAYOID}};

static RetailStatement insert_shadows = {
	"INSERT INTO retail.allocation_shadow (order_id, decided_at, policy_id, acting_policy_id, status, reason, same_plan, cost,"
	" acting_plan_cost, cost_by_acting, acting_plan_cost_by_acting, n_parcels, acting_parcels, freight, acting_freight, promised_at,"
	" acting_promised_at, nodes)"
	" SELECT * FROM unnest($1) AS s (order_id bigint, decided_at timestamptz, policy_id bigint, acting_policy_id bigint, status text,"
	" reason text, same_plan boolean, cost numeric, acting_plan_cost numeric, cost_by_acting numeric, acting_plan_cost_by_acting numeric,"
	" n_parcels int, acting_parcels int, freight numeric, acting_freight numeric, promised_at timestamptz,"
	" acting_promised_at timestamptz, nodes text[])"
	" ON CONFLICT DO NOTHING", /* decided twice at the same moment */
	1,
	{RECORDARRAYOID}};

/* Is this policy a shadow of the request's channel? */
static bool
Shadows(const CatalogPolicy *policy, const SourcingRequest *request)
{
	return policy->shadow &&
		(policy->channel_id == 0 || policy->channel_id == request->channel->id);
}

/* Is there a shadow policy for the channel of a request? */
bool
HasShadows(const SourcingRequest *request)
{
	for (int i = 0; i < request->catalog->n_policies; i++)
		if (Shadows(&request->catalog->policies[i], request))
			return true;
	return false;
}

/*
 * Runs a body in a subtransaction of its own; returns the message of an error,
 * or NULL.  A cancelled query and a server that goes down are not ours to
 * catch.
 */
static const char *
RunGuarded(void (*body)(void *argument), void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	const char *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY()
		;
		{
			body(argument);
			ReleaseCurrentSubTransaction();
		}
		PG_CATCH();
		{
			ErrorData *data;

			MemoryContextSwitchTo(context);
			data = CopyErrorData();
			FlushErrorState();
			RollbackAndReleaseCurrentSubTransaction();
			MemoryContextSwitchTo(context);
			CurrentResourceOwner = owner;
			if (data->sqlerrcode == ERRCODE_QUERY_CANCELED ||
				data->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
				data->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
				ReThrowError(data);
			error = data->message ? data->message : "unknown error";
		}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/* States the acting policy's problem in the terms of the shadow. */
static void
StateShadow(Shadow *shadow)
{
	const SourcingResult *acting = shadow->acting;
	SourcingResult *result = &shadow->result;
	const CatalogPolicy *policy = shadow->request.policy;
	int n = acting->n_candidates;

	result->problem = acting->problem;
	result->n_candidates = n;
	result->safety = acting->safety;
	result->candidates = palloc(sizeof(SourcingCandidate) * Max(n, 1));
	memcpy(result->candidates, acting->candidates,
		   sizeof(SourcingCandidate) * n);
	shadow->nodes = palloc(sizeof(SolverNode) * Max(n, 1));
	memcpy(shadow->nodes, acting->problem.nodes, sizeof(SolverNode) * n);
	for (int c = 0; c < n; c++)
		DateServices(&shadow->request, &result->candidates[c],
					 &shadow->nodes[c]);
	result->problem.nodes = shadow->nodes;
	result->problem.stock_value = StockValues(&shadow->request, policy, acting);
	result->problem.split_penalty = policy->split_penalty;
	result->problem.max_parcels = policy->max_parcels;
	result->problem.allow_line_split = policy->allow_line_split;
	result->problem.context = CurrentMemoryContext;
}

/* Decides as the shadow. */
static void
DecideShadow(void *argument)
{
	Shadow *shadow = argument;
	SourcingResult *result = &shadow->result;

	StateShadow(shadow);
	do
		result->status =
			SolveLines(&shadow->request, &result->problem, &result->plan);
	while (LimitCapacity(&shadow->request, shadow->nodes, false, result));
	CHECK_FOR_INTERRUPTS();
}

/*
 * Prices a plan by the weights of a request and its problem.  Freight and
 * handling do not depend on the policy; the promise is that of the plan.
 */
static int64
PricePlan(const SourcingRequest *request, const SolverProblem *problem,
		  const SourcingResult *planned)
{
	const SolverPlan *plan = &planned->plan;
	int64 cost = Max(plan->n_parcels - 1, 0) * request->policy->split_penalty;

	for (int i = 0; i < plan->n_parcels; i++)
		cost += plan->parcels[i].freight + plan->parcels[i].handling +
			PromiseLateness(request, ParcelPromise(request, planned, i));
	for (int i = 0; i < plan->n_pieces && problem->stock_value; i++)
		cost += plan->pieces[i].quantity *
			problem->stock_value[plan->pieces[i].line * problem->n_nodes +
								 plan->parcels[plan->pieces[i].parcel].node];
	return cost;
}

/* Do two parcels of two plans hold the same? */
static bool
SameParcel(const SolverPlan *a, int i, const SolverPlan *b, int j)
{
	int q = 0;

	if (a->parcels[i].node != b->parcels[j].node ||
		a->parcels[i].service != b->parcels[j].service)
		return false;
	/* Pieces are ordered by parcel, then line. */
	for (int p = 0; p < a->n_pieces; p++)
	{
		if (a->pieces[p].parcel != i)
			continue;
		while (q < b->n_pieces && b->pieces[q].parcel != j)
			q++;
		if (q == b->n_pieces || a->pieces[p].line != b->pieces[q].line ||
			a->pieces[p].quantity != b->pieces[q].quantity)
			return false;
		q++;
	}
	while (q < b->n_pieces && b->pieces[q].parcel != j)
		q++;
	return q == b->n_pieces;
}

/* Do two plans send the same from the same nodes on the same days? */
static bool
SamePlan(const SourcingResult *a, const SourcingResult *b)
{
	const SolverPlan *left = &a->plan;
	const SolverPlan *right = &b->plan;
	bool *used = palloc0(sizeof(bool) * Max(right->n_parcels, 1));

	if (left->n_parcels != right->n_parcels)
		return false;
	for (int i = 0; i < left->n_parcels; i++)
	{
		int node = left->parcels[i].node;
		int j = 0;

		while (j < right->n_parcels &&
			   (used[j] || !SameParcel(left, i, right, j)))
			j++;
		if (j == right->n_parcels ||
			a->candidates[node].departure != b->candidates[node].departure)
			return false;
		used[j] = true;
	}
	return true;
}

/* Sums the freight of a plan. */
static int64
Freight(const SolverPlan *plan)
{
	int64 sum = 0;

	for (int i = 0; i < plan->n_parcels; i++)
		sum += plan->parcels[i].freight;
	return sum;
}

/* Makes an array of the nodes of a plan. */
static Datum
PlanNodes(const SourcingResult *result)
{
	int n = result->plan.n_parcels;
	char **codes = palloc(sizeof(char *) * Max(n, 1));

	for (int i = 0; i < n; i++)
		codes[i] = result->candidates[result->plan.parcels[i].node].node->code;
	return RetailTextArray(codes, n);
}

/* Makes the row of a shadow. */
static Datum
ShadowRow(const Shadow *shadow)
{
	const SourcingRequest *acting_request = shadow->acting_request;
	const SourcingResult *acting = shadow->acting;
	const SourcingResult *result = &shadow->result;
	bool planned = shadow->error == NULL && result->status == SOLVER_OK;
	Datum values[18] = {0};
	bool nulls[18] = {0};

	values[0] = Int64GetDatum(shadow->order_id);
	values[1] = TimestampTzGetDatum(acting_request->as_of);
	values[2] = Int64GetDatum(shadow->request.policy->id);
	values[3] = Int64GetDatum(acting_request->policy->id);
	values[10] = RetailCentsToNumeric(
		PricePlan(acting_request, &acting->problem, acting));
	values[12] = Int32GetDatum(acting->plan.n_parcels);
	values[14] = RetailCentsToNumeric(Freight(&acting->plan));
	values[16] = TimestampTzGetDatum(PlanPromise(acting_request, acting));
	if (planned)
	{
		values[4] = CStringGetTextDatum("planned");
		values[6] = BoolGetDatum(SamePlan(acting, result));
		values[7] = RetailCentsToNumeric(result->plan.cost);
		values[8] = RetailCentsToNumeric(
			PricePlan(&shadow->request, &result->problem, acting));
		values[9] = RetailCentsToNumeric(
			PricePlan(acting_request, &acting->problem, result));
		values[11] = Int32GetDatum(result->plan.n_parcels);
		values[13] = RetailCentsToNumeric(Freight(&result->plan));
		values[15] = TimestampTzGetDatum(PlanPromise(&shadow->request, result));
		values[17] = PlanNodes(result);
		nulls[5] = true;
	}
	else
	{
		values[4] = CStringGetTextDatum(shadow->error ? "failed" : "no_plan");
		values[5] = CStringGetTextDatum(
			shadow->error ? shadow->error : solver_status_text(result->status));
		values[6] = BoolGetDatum(false);
		nulls[7] = nulls[8] = nulls[9] = nulls[11] = nulls[13] = nulls[15] =
			nulls[17] = true;
	}
	return RetailRow(&shadow_shape, values, nulls);
}

/* Writes the rows of shadows. */
static void
WriteShadows(void *argument)
{
	const ShadowList *list = argument;
	Datum *rows = palloc(sizeof(Datum) * list->n);
	Datum values[1];

	for (int i = 0; i < list->n; i++)
		rows[i] = ShadowRow(list->shadows[i]);
	values[0] = RetailRowArray(rows, list->n);
	RetailExecute(&insert_shadows, values, NULL, false, SPI_OK_INSERT);
}

/*
 * Lets the shadow policies of their channels decide orders that were decided,
 * inside an SPI connection, and records what they say.
 */
void
RecordShadows(const int64 *order_ids, const SourcingRequest *const *requests,
			  const SourcingResult *const *results, int n)
{
	ShadowList list = {0};
	const char *error;

	for (int i = 0; i < n; i++)
	{
		const RetailCatalog *catalog = requests[i]->catalog;

		for (int j = 0; j < catalog->n_policies; j++)
		{
			Shadow *shadow;

			if (!Shadows(&catalog->policies[j], requests[i]) ||
				results[i]->plan.n_parcels == 0)
				continue;
			shadow = palloc0(sizeof(Shadow));
			shadow->order_id = order_ids[i];
			shadow->acting_request = requests[i];
			shadow->acting = results[i];
			shadow->request = *requests[i];
			shadow->request.policy = &catalog->policies[j];
			shadow->error = RunGuarded(DecideShadow, shadow);
			list.shadows = list.n == 0
				? palloc(sizeof(Shadow *))
				: repalloc(list.shadows, sizeof(Shadow *) * (list.n + 1));
			list.shadows[list.n++] = shadow;
		}
	}
	if (list.n == 0)
		return;
	error = RunGuarded(WriteShadows, &list);
	if (error)
		ereport(
			WARNING,
			errmsg("what shadow policies would do could not be recorded: %s",
				   error),
			errhint(
				"Orders are not affected; retire the shadow with retail.retire_policy() if this lasts."));
}
