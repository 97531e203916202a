/*-------------------------------------------------------------------------
 *
 * normalise_sql.h
 *	  The normaliser of this backend.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_NORMALISE_SQL_H
#define PG_RETAIL_NORMALISE_SQL_H

#include "member/normalise.h"

/* Made at first use, kept for the session; raises when there is no memory. */
extern Normaliser *RetailNormaliser(void);

/* SHA-256 of a text in hex; result has 65 bytes. */
extern void RetailHashText(const char *text, int length, char *result);

#endif /* PG_RETAIL_NORMALISE_SQL_H */
