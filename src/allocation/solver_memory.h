/*-------------------------------------------------------------------------
 *
 * solver_memory.h
 *	  Work memory of one decision: blocks from the caller's allocator, chained,
 *	  so that they can be released together on every path.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_SOLVER_MEMORY_H
#define PG_RETAIL_SOLVER_MEMORY_H

#include <stddef.h>

typedef struct SolverBlock SolverBlock;

typedef struct SolverMemory
{
	void *(*alloc)(void *context, size_t size);
	void (*release)(void *context, void *pointer);
	void *context;
	SolverBlock *blocks;
} SolverMemory;

extern void *SolverMemoryAlloc(SolverMemory *memory, size_t count, size_t size);
extern void SolverMemoryRelease(SolverMemory *memory);

#endif /* PG_RETAIL_SOLVER_MEMORY_H */
