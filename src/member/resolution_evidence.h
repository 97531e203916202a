/*-------------------------------------------------------------------------
 *
 * resolution_evidence.h
 *	  Why two accounts were linked, as JSON for tables.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_RESOLUTION_EVIDENCE_H
#define PG_RETAIL_RESOLUTION_EVIDENCE_H

#include "member/resolution.h"

typedef struct EvidenceWriter EvidenceWriter;

extern EvidenceWriter *EvidenceBegin(Resolution *resolution);
extern Datum EvidenceOf(EvidenceWriter *writer, int64 row_a, int64 row_b);
extern const char *EvidenceRule(const EvidenceWriter *writer, MatchRule rule);

#endif /* PG_RETAIL_RESOLUTION_EVIDENCE_H */
