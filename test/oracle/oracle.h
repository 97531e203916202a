/*-------------------------------------------------------------------------
 *
 * oracle.h
 *	  Instances of the allocation problem, and two statements of it as a
 *	  mixed-integer program.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdio.h>

#include "../unit/solver_check.h"

#define MAX_LINES 24
#define MAX_NODES 4000
#define MAX_SERVICES 16
#define MAX_TARIFFS 256
#define MAX_BRACKETS 16
#define NEVER INT64_MAX
#define REFUSED INT64_MIN /* as a cost: there is no plan */

/* Orders and chains that the program with slots can be asked about. */
#define SLOT_LINES 5
#define SLOT_NODES 5

/* A problem with the arrays it points to. */
typedef struct Case
{
	SolverProblem problem;
	SolverLine lines[MAX_LINES];
	SolverNode nodes[MAX_NODES];
	SolverService services[MAX_NODES][MAX_SERVICES];
	SolverTariff tariffs[MAX_TARIFFS];
	SolverBracket brackets[MAX_TARIFFS][MAX_BRACKETS];
	int64_t available[MAX_LINES * MAX_NODES];
	int64_t stock_value[MAX_LINES * MAX_NODES];
	bool may_split[MAX_LINES];
	bool divided; /* some line must be split */
	int n_slots;
} Case;

/* What may be asked for: see shapes.c. */
extern const char *const shape_names[];
extern void SeedCases(uint64_t seed);
extern void MakeCase(Case *c, int shape, int number);
extern bool ReadCase(Case *c, FILE *file, long *id, int64_t *cost);

/* Programs in LP format; false: the instance is too large. */
extern void ClassifyCase(Case *c);
extern bool WriteSlotProgram(FILE *file, const Case *c);
extern bool WriteColumnProgram(FILE *file, const Case *c);

#endif /* ORACLE_H */
