/*-------------------------------------------------------------------------
 *
 * ledger.c
 *	  What orders that are decided together take from each other before any
 *	  of it is written: units by SKU and node, parcels by node and day.
 *
 * An order that is stated with a ledger (SourcingRequest.ledger) finds the
 * stock and the capacity less by what the plans in it take.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/ledger.h"

#include "utils/hsearch.h"

typedef struct TakenUnits
{
	int64 node_id;
	int64 quantity;
} TakenUnits;

typedef struct TakenSku
{
	int64 sku_id; /* key */
	int n;
	int room;
	TakenUnits *nodes; /* the few that a SKU is sent from */
} TakenSku;

typedef struct LoadKey
{
	int64 node_id;
	int64 day; /* its begin */
} LoadKey;

typedef struct Load
{
	LoadKey key;
	int parcels;
	int64 written; /* what the tables say; -1: not counted yet */
} Load;

typedef struct Departure
{
	const CatalogNode *node; /* NULL: not asked for */
	bool open;
	TimestampTz departure;
} Departure;

struct SourcingLedger
{
	MemoryContext context;
	HTAB *skus;
	HTAB *loads;
	int n_departures;
	Departure *departures; /* by node; of all orders: they are of one time */
	bool asked_due;
	bool due; /* is any hold due? */
};

/* Makes an empty ledger in the current memory context. */
SourcingLedger *
LedgerCreate(void)
{
	SourcingLedger *ledger = palloc0(sizeof(SourcingLedger));
	HASHCTL control = {0};

	ledger->context = CurrentMemoryContext;
	control.hcxt = CurrentMemoryContext;
	control.keysize = sizeof(int64);
	control.entrysize = sizeof(TakenSku);
	ledger->skus = hash_create("pg_retail ledger of units", 1024, &control,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	control.keysize = sizeof(LoadKey);
	control.entrysize = sizeof(Load);
	ledger->loads = hash_create("pg_retail ledger of parcels", 256, &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return ledger;
}

/* Changes what is taken of a SKU at a node. */
static void
PostUnits(SourcingLedger *ledger, int64 sku_id, int64 node_id, int64 quantity)
{
	bool found;
	TakenSku *sku = hash_search(ledger->skus, &sku_id, HASH_ENTER, &found);

	if (!found)
	{
		sku->n = 0;
		sku->room = 4;
		sku->nodes =
			MemoryContextAlloc(ledger->context, sizeof(TakenUnits) * sku->room);
	}
	for (int i = 0; i < sku->n; i++)
		if (sku->nodes[i].node_id == node_id)
		{
			sku->nodes[i].quantity += quantity;
			return;
		}
	if (sku->n == sku->room)
	{
		sku->room *= 2;
		sku->nodes = repalloc(sku->nodes, sizeof(TakenUnits) * sku->room);
	}
	sku->nodes[sku->n].node_id = node_id;
	sku->nodes[sku->n++].quantity = quantity;
}

/* Finds, or makes, the load of the day of a departure. */
static Load *
FindLoad(SourcingLedger *ledger, const CatalogNode *node, TimestampTz departure)
{
	LoadKey key;
	TimestampTz begin;
	TimestampTz end;
	Load *load;
	bool found;

	CatalogLocalDay(node, departure, &begin, &end);
	key.node_id = node->id;
	key.day = begin;
	load = hash_search(ledger->loads, &key, HASH_ENTER, &found);
	if (!found)
	{
		load->parcels = 0;
		load->written = -1;
	}
	return load;
}

/* Enters what a plan takes (sign 1), or takes it out again (sign -1). */
void
LedgerPost(SourcingLedger *ledger, const SourcingRequest *request,
		   const SourcingResult *result, int sign)
{
	const SolverPlan *plan = &result->plan;

	for (int i = 0; i < plan->n_pieces; i++)
	{
		const SolverPiece *piece = &plan->pieces[i];
		int c = plan->parcels[piece->parcel].node;

		PostUnits(ledger, request->lines[piece->line].sku_id,
				  result->candidates[c].node->id, sign * piece->quantity);
	}
	for (int i = 0; i < plan->n_parcels; i++)
	{
		const SourcingCandidate *candidate =
			&result->candidates[plan->parcels[i].node];

		if (candidate->node->daily_capacity >= 0)
			FindLoad(ledger, candidate->node, candidate->departure)->parcels +=
				sign;
	}
}

/* Lowers the availability of a stated order by what is taken. */
void
LedgerApply(SourcingLedger *ledger, const SourcingRequest *request,
			SourcingResult *result)
{
	int n = result->n_candidates;
	int64 *available = unconstify(int64 *, result->problem.available);

	for (int line = 0; line < request->n_lines; line++)
	{
		const TakenSku *sku = hash_search(
			ledger->skus, &request->lines[line].sku_id, HASH_FIND, NULL);

		for (int i = 0; sku && i < sku->n; i++)
			for (int c = 0; c < n; c++)
				if (result->candidates[c].node->id == sku->nodes[i].node_id)
				{
					int64 *cell = &available[line * n + c];

					*cell = Max(*cell - sku->nodes[i].quantity, 0);
					break;
				}
	}
}

/* Tells how many parcels are planned for a node on a day. */
int64
LedgerPlanned(SourcingLedger *ledger, const CatalogNode *node,
			  TimestampTz departure)
{
	return FindLoad(ledger, node, departure)->parcels;
}

/* Counts the parcels of a node that are written on a day, once. */
int64
LedgerWritten(SourcingLedger *ledger, const CatalogNode *node,
			  TimestampTz departure, CountFunction count, bool latest)
{
	Load *load = FindLoad(ledger, node, departure);

	if (load->written < 0)
		load->written = count(node, departure, latest);
	return load->written;
}

/* Tells whether any hold is due; asked once, most of the time none is. */
bool
LedgerSeesDue(SourcingLedger *ledger, Datum as_of, bool (*ask)(Datum as_of))
{
	if (!ledger->asked_due)
	{
		ledger->due = ask(as_of);
		ledger->asked_due = true;
	}
	return ledger->due;
}

/* Forgets what the tables said: they have changed. */
void
LedgerRecount(SourcingLedger *ledger)
{
	HASH_SEQ_STATUS status;
	Load *load;

	ledger->asked_due = false;
	hash_seq_init(&status, ledger->loads);
	while ((load = hash_seq_search(&status)) != NULL)
		load->written = -1;
}

/* Makes room for the departures of nodes up to an index. */
static void
GrowDepartures(SourcingLedger *ledger, int index)
{
	int n = Max(ledger->n_departures * 2, Max(index + 1, 512));
	Departure *departures =
		MemoryContextAllocZero(ledger->context, sizeof(Departure) * n);

	if (ledger->departures)
	{
		memcpy(departures, ledger->departures,
			   sizeof(Departure) * ledger->n_departures);
		pfree(ledger->departures);
	}
	ledger->departures = departures;
	ledger->n_departures = n;
}

/* Finds when a parcel leaves a node, as CatalogDeparture() does, once. */
bool
LedgerDeparture(SourcingLedger *ledger, const CatalogNode *node,
				TimestampTz as_of, TimestampTz *departure)
{
	Departure *entry;

	if (node->index >= ledger->n_departures)
		GrowDepartures(ledger, node->index);
	entry = &ledger->departures[node->index];
	/* The catalogue may be another one by now. */
	if (entry->node != node)
	{
		entry->open = CatalogDeparture(node, as_of, &entry->departure);
		entry->node = node;
	}
	*departure = entry->departure;
	return entry->open;
}
