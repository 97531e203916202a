/*-------------------------------------------------------------------------
 *
 * hooks.h
 *	  Hooks for the cores of allocation that count what they are asked, and
 *	  fail or interrupt when they are told to.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef HOOKS_H
#define HOOKS_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct Hooks
{
	int allocations;
	int living;	 /* not released yet */
	int fail_at; /* allocation that fails; -1: none */
	int questions;
	int stop_at; /* question answered with yes; -1: none */
} Hooks;

/* Allocate memory that is not zero by chance. */
static inline void *
HookAlloc(void *context, size_t size)
{
	Hooks *hooks = context;
	void *pointer;

	if (hooks->allocations++ == hooks->fail_at)
		return NULL;
	pointer = malloc(size);
	if (pointer == NULL)
		abort();
	memset(pointer, 0xA5, size);
	hooks->living++;
	return pointer;
}

static inline void
HookRelease(void *context, void *pointer)
{
	if (pointer == NULL)
		abort(); /* the cores release only what they have */
	((Hooks *) context)->living--;
	free(pointer);
}

static inline bool
HookInterrupted(void *context)
{
	Hooks *hooks = context;

	return hooks->questions++ == hooks->stop_at;
}

/* Hooks for those who measure or compare. */
static inline void *
PlainAlloc(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

static inline void
PlainRelease(void *context, void *pointer)
{
	(void) context;
	free(pointer);
}

/* Set the hooks of a problem, of one order or of many. */
#define SetHooks(problem, hooks)                                     \
	((problem)->alloc = HookAlloc, (problem)->release = HookRelease, \
	 (problem)->interrupted = HookInterrupted, (problem)->context = (hooks))

#endif /* HOOKS_H */
