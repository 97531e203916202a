/*-------------------------------------------------------------------------
 *
 * resolution_fold.c
 *	  Folds accounts by the thousand, beside the thread that reads them.
 *
 * Batches wait in one queue, oldest first.  States of a batch: WAITING ->
 * FOLDING -> DONE, under the mutex; only the reader puts and takes.  The
 * number of batches on their way is bounded, so memory is.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/resolution_fold.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK ((size_t) 512 * 1024)
#define MAX_HELPERS 16
/* Batches on their way for each thread, and one for the reader. */
#define AHEAD 2

enum
{
	WAITING,
	FOLDING,
	DONE
};

/* Texts of a batch: blocks that are kept for the next batch. */
typedef struct ArenaBlock
{
	struct ArenaBlock *next;
	size_t size;
	size_t used;
	char data[];
} ArenaBlock;

struct FoldArena
{
	ArenaBlock *first;
	ArenaBlock *current;
};

struct FoldPool
{
	const FoldBlocked *blocked;
	int n_blocked;
	int n_helpers;
	pthread_t helpers[MAX_HELPERS];
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	FoldBatch *first; /* handed in and not taken back, oldest first */
	FoldBatch **last;
	int n_queued;
	FoldBatch *idle;
	bool stop;
	Normaliser *normaliser; /* the reader's own */
	FoldedAccount *folded;
};

/* ---- memory ---- */

static void *
ArenaTake(FoldArena *arena, size_t size)
{
	ArenaBlock *block = arena->current;
	void *taken;

	size = (size + 7) & ~(size_t) 7;
	while (block != NULL && block->size - block->used < size)
	{
		block = block->next;
		if (block != NULL)
			block->used = 0;
	}
	if (block == NULL)
	{
		size_t room = size > ARENA_BLOCK ? size : ARENA_BLOCK;

		block = malloc(sizeof(ArenaBlock) + room);
		if (block == NULL)
			return NULL;
		block->size = room;
		block->used = 0;
		block->next = arena->current ? arena->current->next : arena->first;
		if (arena->current)
			arena->current->next = block;
		else
			arena->first = block;
	}
	arena->current = block;
	taken = block->data + block->used;
	block->used += size;
	return taken;
}

static void
ArenaReset(FoldArena *arena)
{
	arena->current = arena->first;
	if (arena->first)
		arena->first->used = 0;
}

static void
ArenaFree(FoldArena *arena)
{
	if (arena == NULL)
		return;
	while (arena->first)
	{
		ArenaBlock *block = arena->first;

		arena->first = block->next;
		free(block);
	}
	free(arena);
}

/* Keeps a text of a row; NULL when there is no memory. */
const char *
FoldKeep(FoldBatch *batch, const char *data, size_t length)
{
	char *copy = ArenaTake(batch->raw, length + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, data, length);
	copy[length] = '\0';
	return copy;
}

/* ---- folding ---- */

/* LIKE: % any characters, _ one, \ takes the next as it is. */
bool
FoldMatchesPattern(const char *value, size_t length, const char *pattern)
{
	const char *end = value + length;
	const char *star = NULL, *again = NULL;

	while (value < end)
	{
		if (*pattern == '%')
		{
			star = pattern++;
			again = value;
		}
		else if (*pattern == '_')
		{
			pattern++;
			/* a character may have several bytes */
			while (++value < end && ((unsigned char) *value & 0xC0) == 0x80)
				;
		}
		else if (pattern[*pattern == '\\'] == *value)
		{
			pattern += *pattern == '\\' ? 2 : 1;
			value++;
		}
		else if (star != NULL)
		{
			pattern = star + 1;
			value = ++again;
		}
		else
			return false;
	}
	while (*pattern == '%')
		pattern++;
	return *pattern == '\0';
}

static bool
IsBlocked(const FoldPool *pool, const MatchIdentifier *identifier)
{
	for (int i = 0; i < pool->n_blocked; i++)
		if ((pool->blocked[i].type < 0 ||
			 pool->blocked[i].type == identifier->type) &&
			FoldMatchesPattern(identifier->data, identifier->length,
							   pool->blocked[i].pattern))
			return true;
	return false;
}

/* Copies what a folded account points to into the arena of the batch. */
static bool
KeepFolded(FoldPool *pool, FoldBatch *batch, const FoldedAccount *folded,
		   MatchInput *input)
{
	MatchIdentifier *identifiers;
	int n = 0;

	*input = folded->input;
	for (int c = 0; c < MATCH_COLUMNS; c++)
		if (input->text[c].length > 0)
		{
			char *copy = ArenaTake(batch->folded, input->text[c].length);

			if (copy == NULL)
				return false;
			memcpy(copy, input->text[c].data, input->text[c].length);
			input->text[c].data = copy;
		}
	if (input->n_identifiers == 0)
		return true;
	identifiers = ArenaTake(batch->folded,
							sizeof(MatchIdentifier) * input->n_identifiers);
	if (identifiers == NULL)
		return false;
	for (int i = 0; i < input->n_identifiers; i++)
	{
		const MatchIdentifier *from = &folded->input.identifiers[i];
		char *copy;

		if (IsBlocked(pool, from))
			continue;
		copy = ArenaTake(batch->folded, from->length);
		if (copy == NULL)
			return false;
		memcpy(copy, from->data, from->length);
		identifiers[n] = *from;
		identifiers[n++].data = copy;
	}
	input->identifiers = identifiers;
	input->n_identifiers = n;
	return true;
}

static void
FoldAll(FoldPool *pool, FoldBatch *batch, Normaliser *normaliser,
		FoldedAccount *folded)
{
	for (int i = 0; i < batch->n; i++)
	{
		AccountFold(normaliser, &batch->rows[i], folded);
		batch->stale[i] = folded->stale;
		if (!KeepFolded(pool, batch, folded, &batch->inputs[i]))
		{
			batch->failed = true;
			return;
		}
	}
}

/* Takes the oldest batch that nobody folds; the mutex is held. */
static FoldBatch *
NextWaiting(FoldPool *pool)
{
	for (FoldBatch *batch = pool->first; batch != NULL; batch = batch->next)
		if (batch->state == WAITING)
		{
			batch->state = FOLDING;
			return batch;
		}
	return NULL;
}

static void
SetDone(FoldPool *pool, FoldBatch *batch)
{
	pthread_mutex_lock(&pool->mutex);
	batch->state = DONE;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->mutex);
}

static void *
Help(void *argument)
{
	FoldPool *pool = argument;
	Normaliser *normaliser = NormaliserCreate();
	FoldedAccount *folded = calloc(1, sizeof(FoldedAccount));

	pthread_mutex_lock(&pool->mutex);
	while (!pool->stop && normaliser != NULL && folded != NULL)
	{
		FoldBatch *batch = NextWaiting(pool);

		if (batch == NULL)
		{
			pthread_cond_wait(&pool->changed, &pool->mutex);
			continue;
		}
		pthread_mutex_unlock(&pool->mutex);
		FoldAll(pool, batch, normaliser, folded);
		SetDone(pool, batch);
		pthread_mutex_lock(&pool->mutex);
	}
	pthread_mutex_unlock(&pool->mutex);
	free(folded);
	if (normaliser)
		NormaliserFree(normaliser);
	return NULL;
}

/* ---- the reader's side ---- */

/* Starts the helpers; fewer, or none, where threads are short.  NULL: no
 * memory. */
FoldPool *
FoldPoolStart(int helpers, const FoldBlocked *blocked, int n_blocked)
{
	FoldPool *pool = calloc(1, sizeof(FoldPool));
	sigset_t all, before;

	if (pool == NULL)
		return NULL;
	pool->blocked = blocked;
	pool->n_blocked = n_blocked;
	pool->last = &pool->first;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->changed, NULL);
	pool->normaliser = NormaliserCreate();
	pool->folded = calloc(1, sizeof(FoldedAccount));
	if (pool->normaliser == NULL || pool->folded == NULL)
	{
		FoldPoolStop(pool);
		return NULL;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (pool->n_helpers < helpers && pool->n_helpers < MAX_HELPERS &&
		   pthread_create(&pool->helpers[pool->n_helpers], NULL, Help, pool) ==
			   0)
		pool->n_helpers++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pool;
}

/* An empty batch; NULL when there is no memory. */
FoldBatch *
FoldPoolBatch(FoldPool *pool)
{
	FoldBatch *batch = pool->idle;

	if (batch != NULL)
	{
		pool->idle = batch->next;
		ArenaReset(batch->raw);
		ArenaReset(batch->folded);
	}
	else
	{
		batch = malloc(sizeof(FoldBatch));
		if (batch == NULL)
			return NULL;
		batch->raw = calloc(1, sizeof(FoldArena));
		batch->folded = calloc(1, sizeof(FoldArena));
		if (batch->raw == NULL || batch->folded == NULL)
		{
			free(batch->raw);
			free(batch->folded);
			free(batch);
			return NULL;
		}
	}
	batch->n = 0;
	batch->failed = false;
	batch->next = NULL;
	return batch;
}

/* Hands a batch in. */
void
FoldPoolPut(FoldPool *pool, FoldBatch *batch)
{
	pthread_mutex_lock(&pool->mutex);
	batch->state = WAITING;
	batch->next = NULL;
	*pool->last = batch;
	pool->last = &batch->next;
	pool->n_queued++;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->mutex);
}

/*
 * Takes the oldest batch back, folded; NULL when there is room to read on
 * instead, or, with all, when none is left.  Helps rather than waits.
 */
FoldBatch *
FoldPoolTake(FoldPool *pool, bool all)
{
	FoldBatch *taken = NULL;

	pthread_mutex_lock(&pool->mutex);
	while (pool->first != NULL)
	{
		FoldBatch *batch = pool->first;

		if (batch->state == DONE)
		{
			pool->first = batch->next;
			if (pool->first == NULL)
				pool->last = &pool->first;
			pool->n_queued--;
			taken = batch;
			break;
		}
		if (!all && pool->n_queued <= AHEAD * pool->n_helpers)
			break;
		batch = NextWaiting(pool);
		if (batch == NULL)
		{
			pthread_cond_wait(&pool->changed, &pool->mutex);
			continue;
		}
		pthread_mutex_unlock(&pool->mutex);
		FoldAll(pool, batch, pool->normaliser, pool->folded);
		pthread_mutex_lock(&pool->mutex);
		batch->state = DONE;
	}
	pthread_mutex_unlock(&pool->mutex);
	return taken;
}

/* The batch can be used again. */
void
FoldPoolGiveBack(FoldPool *pool, FoldBatch *batch)
{
	batch->next = pool->idle;
	pool->idle = batch;
}

static void
FreeBatches(FoldBatch *batch)
{
	while (batch != NULL)
	{
		FoldBatch *next = batch->next;

		ArenaFree(batch->raw);
		ArenaFree(batch->folded);
		free(batch);
		batch = next;
	}
}

/* Waits for the helpers, which end with the batch that they are at. */
void
FoldPoolStop(FoldPool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	pool->stop = true;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->mutex);
	for (int i = 0; i < pool->n_helpers; i++)
		pthread_join(pool->helpers[i], NULL);
	FreeBatches(pool->first);
	FreeBatches(pool->idle);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->mutex);
	if (pool->normaliser)
		NormaliserFree(pool->normaliser);
	free(pool->folded);
	free(pool);
}
