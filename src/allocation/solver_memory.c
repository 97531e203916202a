/*-------------------------------------------------------------------------
 *
 * solver_memory.c
 *	  Work memory of one decision, of an order or of many.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "solver_memory.h"

#include <stdint.h>
#include <string.h>

/* Head of an allocation; the union keeps the 64-bit numbers after it aligned. */
struct SolverBlock
{
	union
	{
		SolverBlock *next;
		int64_t integer;
		double real;
	} head;
};

/*
 * Allocate zeroed memory for an array; NULL on failure.
 */
void *
SolverMemoryAlloc(SolverMemory *memory, size_t count, size_t size)
{
	SolverBlock *block = NULL;

	if (count == 0)
		count = 1;
	if (count <= (SIZE_MAX / 2 - sizeof(SolverBlock)) / size)
		block =
			memory->alloc(memory->context, sizeof(SolverBlock) + count * size);
	if (block == NULL)
		return NULL;
	block->head.next = memory->blocks;
	memory->blocks = block;
	return memset(block + 1, 0, count * size);
}

/*
 * Release all of it.
 */
void
SolverMemoryRelease(SolverMemory *memory)
{
	while (memory->blocks != NULL)
	{
		SolverBlock *block = memory->blocks;

		memory->blocks = block->head.next;
		memory->release(memory->context, block);
	}
}
