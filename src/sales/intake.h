/*-------------------------------------------------------------------------
 *
 * intake.h
 *	  Orders as they are submitted: one JSON object each, and what can be
 *	  wrong with it.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_INTAKE_H
#define PG_RETAIL_INTAKE_H

#include "retail.h"

/* An order of the queue, of the form that place_order() takes. */
typedef struct IntakeOrder
{
	char *channel;
	char *external_no;
	Jsonb *lines;
	Jsonb *destination; /* NULL: none */
	char *fulfilment;
	char *pick_up_node; /* NULL: none */
	bool has_member;
	int64 member_id;
	Numeric freight; /* NULL: the rate card's */
	char *payment;
	char *policy; /* NULL: the channel's */
	char *shortage;
	int priority;
	bool has_needed_by;
	TimestampTz needed_by;
} IntakeOrder;

/* Why one order is not taken, or not placed; the others go on. */
typedef struct IntakeError
{
	int sqlstate; /* 0: none */
	const char *message;
	const char *detail; /* may be NULL, as hint */
	const char *hint;
} IntakeError;

extern bool
ReadIntakeOrder(JsonbContainer *object, IntakeOrder *order, IntakeError *error);
extern Datum HashIntakeOrder(const IntakeOrder *order, bool verbatim);

#endif /* PG_RETAIL_INTAKE_H */
