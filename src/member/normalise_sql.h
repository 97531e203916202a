/*-------------------------------------------------------------------------
 *
 * normalise_sql.h
 *	  The normaliser of this backend, and text arguments for it.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_NORMALISE_SQL_H
#define PG_RETAIL_NORMALISE_SQL_H

#include "fmgr.h"

#include "member/normalise.h"

/* Made at first use, kept for the session; raises when there is no memory. */
extern Normaliser *RetailNormaliser(void);

/* SHA-256 of a text in hex; result has 65 bytes. */
extern void RetailHashText(const char *text, int length, char *result);

/* A text argument in UTF-8; text is NULL when it is null. */
typedef struct RetailText
{
	const char *text;
	int length;
} RetailText;

extern RetailText RetailTextArgument(FunctionCallInfo fcinfo, int n);
/* The same, closed by a zero byte. */
extern char *RetailStringArgument(FunctionCallInfo fcinfo, int n);

#endif /* PG_RETAIL_NORMALISE_SQL_H */
