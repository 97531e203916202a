/*-------------------------------------------------------------------------
 *
 * intake_batch.h
 *	  A batch of the intake queue while it is decided.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_INTAKE_BATCH_H
#define PG_RETAIL_INTAKE_BATCH_H

#include "sales/intake.h"

#include "sales/order_writer.h"
#include "utils/hsearch.h"

typedef enum RowState
{
	INTAKE_WAITING,
	INTAKE_DECIDED,
	INTAKE_PLACED,
	INTAKE_REFUSED,
	INTAKE_LEFT /* stays in the queue */
} RowState;

/* One row of the queue, from the lock to the mark. */
typedef struct BatchRow
{
	RowState state;
	ItemPointerData tid; /* of the locked row */
	int64 channel_id;
	Jsonb *request;
	TimestampTz submitted_at;
	bool tried; /* by an earlier batch */
	int attempts;
	IntakeOrder input;
	SkuLookup skus;
	Placement placement;
	SolverNode *nodes; /* of the stated problem; NULL: not stated */
	bool planned;	   /* with the others, not posted yet */
	bool contested;	   /* it asks for supply that others may wait for */
	IntakeError error;
} BatchRow;

typedef struct Batch
{
	TimestampTz as_of;
	int64 number;
	SourcingLedger *ledger;
	HTAB *waits;	 /* SKUs that orders of the batch wait for */
	bool alone;		 /* somebody was decided without regard to the others */
	int n_postponed; /* left for the next batch */
	int n;
	BatchRow *rows; /* highest priority first */
} Batch;

/* Some rows of a batch that go through a step together. */
typedef struct RowSet
{
	Batch *batch;
	BatchRow **rows;
	int n;
	int next; /* row at which the step is */
	bool wait;
	Outcome outcome;
	StockShortage shortage;
} RowSet;

typedef void (*BatchStep)(RowSet *set);

extern HTAB *CreateWaits(void);
extern void Postpone(Batch *batch, BatchRow *row);
extern void StateStep(RowSet *set);
extern void PlanTogether(Batch *batch);
extern void QueueStep(RowSet *set);
extern void DecideStep(RowSet *set);
extern void LockSupply(Batch *batch);

#endif /* PG_RETAIL_INTAKE_BATCH_H */
