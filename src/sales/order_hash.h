/*-------------------------------------------------------------------------
 *
 * order_hash.h
 *	  What an order says, as a hash.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_ORDER_HASH_H
#define PG_RETAIL_ORDER_HASH_H

#include "retail.h"

/* Which is hashed of an order; its time and its policy are not. */
typedef struct OrderContent
{
	Jsonb *lines;
	Jsonb *destination; /* NULL: none */
	const char *fulfilment;
	const char *pick_up_node; /* NULL: none */
	bool has_member;
	int64 member_id;
	Numeric freight; /* NULL: the rate card's */
	const char *payment;
	const char *shortage;
} OrderContent;

extern Datum HashOrder(const OrderContent *content, bool verbatim);

#endif /* PG_RETAIL_ORDER_HASH_H */
