/*-------------------------------------------------------------------------
 *
 * intake_decide.c
 *	  Who of a batch gets what.
 *
 * Orders are planned together, and decided in the order of the queue.  One that
 * cannot be served whole, and takes or awaits what it can get, is decided at its
 * place, as if those before it were placed: what it takes, nobody behind it has.
 * So is one that cannot be planned together with others.
 *
 * Which supply an order will wait for is known only when it is written.  Who is
 * behind it and wants that supply, or units that may be kept for it, is left for
 * the next batch.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/intake_batch.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "allocation/capacity.h"
#include "allocation/joint_sourcing.h"
#include "allocation/ledger.h"
#include "sales/backorder.h"

/* A SKU that orders of the batch wait for. */
typedef struct BatchWait
{
	int64 sku_id;	/* key */
	int64 quantity; /* units that wait */
	bool kept;		/* what lies there may be kept for them */
} BatchWait;

/* Locks as settle_shortage() does, for all orders of the batch in one order. */
static RetailStatement lock_supply = {
	"SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('pg_retail backorder'), pg_catalog.hashint8(x.u))"
	" FROM (SELECT DISTINCT u FROM pg_catalog.unnest($1) u ORDER BY 1) x",
	1,
	{INT8ARRAYOID}};

/* Makes an empty table of SKUs that orders wait for. */
HTAB *
CreateWaits(void)
{
	HASHCTL control = {0};

	control.hcxt = CurrentMemoryContext;
	control.keysize = sizeof(int64);
	control.entrysize = sizeof(BatchWait);
	return hash_create("pg_retail waits", 64, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Finds, or makes, what is known of a SKU that somebody waits for. */
static BatchWait *
FindWait(Batch *batch, int64 sku_id)
{
	bool found;
	BatchWait *wait = hash_search(batch->waits, &sku_id, HASH_ENTER, &found);

	if (!found)
	{
		wait->quantity = 0;
		wait->kept = false;
	}
	return wait;
}

/* Leaves an order for the next batch, and with it who is behind it. */
void
Postpone(Batch *batch, BatchRow *row)
{
	const SourcingRequest *s = &row->placement.order->sourcing;

	row->state = INTAKE_LEFT;
	batch->n_postponed++;
	for (int i = 0; i < s->n_lines; i++)
		FindWait(batch, s->lines[i].sku_id)->kept = true;
}

/* States the orders of a batch that can be decided together. */
void
StateStep(RowSet *set)
{
	for (; set->next < set->n; set->next++)
	{
		BatchRow *row = set->rows[set->next];
		Placement *p = &row->placement;

		CHECK_FOR_INTERRUPTS();
		if (row->state == INTAKE_WAITING &&
			CanSourceTogether(&p->order->sourcing))
			row->nodes = StateOrder(&p->order->sourcing, false, &p->result);
	}
}

/* Plans stated orders together, in the order of the batch where it matters. */
void
PlanTogether(Batch *batch)
{
	SharedOrder *orders = palloc0(sizeof(SharedOrder) * batch->n);
	BatchRow **rows = palloc(sizeof(BatchRow *) * batch->n);
	SharedSummary summary;
	int n = 0;

	for (int i = 0; i < batch->n; i++)
	{
		BatchRow *row = &batch->rows[i];

		if (row->state != INTAKE_WAITING || row->nodes == NULL)
			continue;
		orders[n].request = &row->placement.order->sourcing;
		orders[n].result = &row->placement.result;
		rows[n++] = row;
	}
	SourceTogether(orders, n, &summary);
	for (int i = 0; i < n; i++)
		rows[i]->planned = rows[i]->placement.result.status == SOLVER_OK;
}

/* Enters what is decided of an order. */
static void
Decided(Batch *batch, BatchRow *row)
{
	Placement *p = &row->placement;

	CompletePlacement(p);
	LedgerPost(batch->ledger, &p->order->sourcing, &p->result, 1);
	row->state = INTAKE_DECIDED;
}

/* Decides one order on what those before it left. */
static void
DecideAlone(BatchRow *row)
{
	Placement *p = &row->placement;
	const SourcingRequest *s = &p->order->sourcing;

	row->attempts++;
	SourceWithRule(s, p->order->shortage, false, &p->result);
	if (p->result.status != SOLVER_OK)
		ReportNoPlan(s, &p->result);
}

/* Does any order of the batch that is behind others want what may be kept? */
static bool
WantsKept(const Batch *batch, const SourcingRequest *s)
{
	for (int i = 0; i < s->n_lines; i++)
	{
		const BatchWait *wait =
			hash_search(batch->waits, &s->lines[i].sku_id, HASH_FIND, NULL);

		if (wait && wait->kept)
			return true;
	}
	return false;
}

/*
 * Looks for supply with a date that covers the units of a decided order that
 * are not there, and those that others before it wait for; raises RT020 without
 * it.  Found out only when it is written, it would cost the others, too.
 */
static void
CheckSupply(Batch *batch, BatchRow *row)
{
	Placement *p = &row->placement;
	const SourcingRequest *s = &p->order->sourcing;

	if (strcmp(p->order->shortage_name, "backorder") != 0)
		return;
	for (int sign = 1; sign >= -1; sign -= 2)
	{
		for (int i = 0; i < s->n_lines; i++)
		{
			int64 before = s->lines[i].missing == 0
				? 0
				: FindWait(batch, s->lines[i].sku_id)->quantity;

			row->contested |= before > 0;
			s->lines[i].missing += sign * before;
		}
		if (sign > 0)
			QuoteShortage(p);
	}
	row->contested = false;
}

/* Notes what a decided order waits for, and what may be kept for it. */
static void
NoteWaits(Batch *batch, const BatchRow *row)
{
	const SourcingRequest *s = &row->placement.order->sourcing;
	const SourcingResult *result = &row->placement.result;
	const SolverProblem *problem = &result->problem;

	for (int i = 0; i < s->n_lines; i++)
	{
		BatchWait *wait;
		int64 rest = 0;

		if (s->lines[i].missing == 0)
			continue;
		for (int c = 0; c < problem->n_nodes; c++)
			rest += Max(problem->available[i * problem->n_nodes + c], 0);
		wait = FindWait(batch, s->lines[i].sku_id);
		wait->quantity += s->lines[i].missing;
		wait->kept |= rest > s->lines[i].quantity - s->lines[i].missing;
	}
}

/* Is the plan that an order has together with others still possible? */
static bool
StillFits(Batch *batch, BatchRow *row)
{
	const SourcingRequest *s = &row->placement.order->sourcing;
	SourcingResult *result = &row->placement.result;
	const SolverPlan *plan = &result->plan;
	int n_nodes = result->problem.n_nodes;
	int64 *left = unconstify(int64 *, result->problem.available);
	bool fits = true;

	if (!batch->alone)
		return true;
	LedgerApply(batch->ledger, s, result);
	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];

		left[piece->line * n_nodes + plan->parcels[piece->parcel].node] -=
			piece->quantity;
	}
	for (int i = 0; i < plan->n_pieces; i++)
		fits &= left[plan->pieces[i].line * n_nodes +
					 plan->parcels[plan->pieces[i].parcel].node] >= 0;
	/* The trace tells what there was. */
	for (int i = 0; i < plan->n_pieces; i++)
		left[plan->pieces[i].line * n_nodes +
			 plan->parcels[plan->pieces[i].parcel].node] +=
			plan->pieces[i].quantity;
	return fits;
}

/*
 * Decides the orders in the order of the queue: by the plan that they have
 * together where it still fits, else alone.  Those that must be served whole
 * and could not be, or whose plan asks a node for more parcels than it takes,
 * are left to be decided after the others.
 */
void
QueueStep(RowSet *set)
{
	for (; set->next < set->n; set->next++)
	{
		Batch *batch = set->batch;
		BatchRow *row = set->rows[set->next];
		Placement *p = &row->placement;
		bool waits;

		CHECK_FOR_INTERRUPTS();
		if (set->next % 64 == 0)
			RetailReportProgress("allocation", "decide", set->next, set->n);
		if (row->state != INTAKE_WAITING)
			continue;
		if (batch->alone && WantsKept(batch, &p->order->sourcing))
		{
			Postpone(batch, row);
			continue;
		}
		if (row->planned && StillFits(batch, row))
		{
			if (LimitCapacity(&p->order->sourcing, row->nodes, false,
							  &p->result))
				continue;
			row->attempts++;
			Decided(batch, row);
			continue;
		}
		if (row->nodes && !row->planned &&
			p->order->shortage == SHORTAGE_REFUSE)
			continue;
		batch->alone = true;
		DecideAlone(row);
		waits = p->order->shortage == SHORTAGE_BACKORDER &&
			AnyMissing(&p->order->sourcing);
		if (waits)
			CheckSupply(batch, row);
		Decided(batch, row);
		if (waits)
			NoteWaits(batch, row);
	}
}

/* Decides the orders that are left, one after the other. */
void
DecideStep(RowSet *set)
{
	for (; set->next < set->n; set->next++)
	{
		CHECK_FOR_INTERRUPTS();
		if (set->rows[set->next]->state != INTAKE_WAITING)
			continue;
		DecideAlone(set->rows[set->next]);
		Decided(set->batch, set->rows[set->next]);
	}
}

/* Locks the supply that decided orders will wait for, before any stock. */
void
LockSupply(Batch *batch)
{
	int64 *skus;
	Datum argument;
	int n = 0;

	for (int i = 0; i < batch->n; i++)
		if (batch->rows[i].state == INTAKE_DECIDED)
			n += batch->rows[i].placement.order->sourcing.n_lines;
	skus = palloc(sizeof(int64) * Max(n, 1));
	n = 0;
	for (int i = 0; i < batch->n; i++)
	{
		const OrderRequest *order = batch->rows[i].placement.order;

		if (batch->rows[i].state != INTAKE_DECIDED ||
			order->shortage != SHORTAGE_BACKORDER)
			continue;
		for (int j = 0; j < order->sourcing.n_lines; j++)
			if (order->sourcing.lines[j].missing > 0)
				skus[n++] = order->sourcing.lines[j].sku_id;
	}
	if (n == 0)
		return;
	argument = RetailInt64Array(skus, n);
	RetailExecute(&lock_supply, &argument, NULL, false, SPI_OK_SELECT);
}
