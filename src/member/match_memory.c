/*-------------------------------------------------------------------------
 *
 * match_memory.c
 *	  Memory, threads, hashes and sorts of the resolver core.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

struct MemoryBlock
{
	MemoryBlock *next;
	MemoryBlock *previous;
	max_align_t content[];
};

void *
MemoryAlloc(Memory *memory, int64_t count, size_t size)
{
	MemoryBlock *block;

	if (count < 0 ||
		(uint64_t) count > (SIZE_MAX / 2 - sizeof(MemoryBlock)) / size)
		return NULL;
	block = memory->hooks.alloc(memory->hooks.context,
								sizeof(MemoryBlock) + (size_t) count * size);
	if (block == NULL)
		return NULL;
	block->next = memory->blocks;
	block->previous = NULL;
	if (memory->blocks != NULL)
		memory->blocks->previous = block;
	memory->blocks = block;
	return block->content;
}

void *
MemoryZeroed(Memory *memory, int64_t count, size_t size)
{
	void *pointer = MemoryAlloc(memory, count, size);

	if (pointer != NULL)
		memset(pointer, 0, (size_t) count * size);
	return pointer;
}

void
MemoryDrop(Memory *memory, void *pointer)
{
	MemoryBlock *block;

	if (pointer == NULL)
		return;
	block = (MemoryBlock *) ((char *) pointer - offsetof(MemoryBlock, content));
	if (block->next != NULL)
		block->next->previous = block->previous;
	if (block->previous != NULL)
		block->previous->next = block->next;
	else
		memory->blocks = block->next;
	memory->hooks.release(memory->hooks.context, block);
}

void
MemoryRelease(Memory *memory)
{
	while (memory->blocks != NULL)
	{
		MemoryBlock *block = memory->blocks;

		memory->blocks = block->next;
		memory->hooks.release(memory->hooks.context, block);
	}
}

/*
 * array is the address of a pointer; it is left as it was on failure.
 */
bool
MemoryGrow(Memory *memory, void *array, int64_t *room, int64_t used,
		   int64_t count, size_t size)
{
	void *old;
	void *grown;
	int64_t wanted = *room * 2;

	if (count <= *room)
		return true;
	if (wanted < count)
		wanted = count;
	if (wanted < 16)
		wanted = 16;
	grown = MemoryAlloc(memory, wanted, size);
	if (grown == NULL)
		return false;
	memcpy(&old, array, sizeof(old));
	if (old != NULL)
	{
		memcpy(grown, old, (size_t) used * size);
		MemoryDrop(memory, old);
	}
	memcpy(array, &grown, sizeof(grown));
	*room = wanted;
	return true;
}

typedef struct Work
{
	const MatchRun *run;
	const char *stage;
	MatchTask task;
	void *context;
	int64_t n_tasks;
	_Atomic int64_t next;
	_Atomic bool stop;
} Work;

typedef struct Worker
{
	Work *work;
	int number;
} Worker;

int
MatchThreads(const MatchRun *run)
{
	if (run == NULL || run->threads < 1)
		return 1;
	return run->threads > MAX_THREADS ? MAX_THREADS : run->threads;
}

static void
DoTasks(Work *work, int worker)
{
	const MatchRun *run = work->run;

	while (!work->stop)
	{
		int64_t task = work->next++;

		if (task >= work->n_tasks)
			break;
		if (worker == 0 && run != NULL && run->progress != NULL &&
			run->progress(run->context, work->stage,
						  (double) task / (double) work->n_tasks))
		{
			work->stop = true;
			break;
		}
		work->task(work->context, task, worker);
	}
}

static void *
WorkerMain(void *argument)
{
	Worker *worker = argument;

	DoTasks(worker->work, worker->number);
	return NULL;
}

/*
 * Signals are for the calling thread.  A thread that cannot be had is done
 * without.
 */
MatchStatus
MatchParallel(const MatchRun *run, const char *stage, int64_t n_tasks,
			  MatchTask task, void *context)
{
	Work work = {.run = run,
				 .stage = stage,
				 .task = task,
				 .context = context,
				 .n_tasks = n_tasks};
	pthread_t threads[MAX_THREADS];
	Worker workers[MAX_THREADS];
	int n_threads = MatchThreads(run);
	int started = 0;

	if (n_threads > n_tasks)
		n_threads = (int) n_tasks;
	if (n_threads > 1)
	{
		sigset_t all;
		sigset_t before;

		(void) sigfillset(&all);
		(void) pthread_sigmask(SIG_SETMASK, &all, &before);
		for (int i = 1; i < n_threads; i++)
		{
			workers[i] = (Worker){&work, i};
			if (pthread_create(&threads[started], NULL, WorkerMain,
							   &workers[i]) != 0)
				break;
			started++;
		}
		(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	DoTasks(&work, 0);
	for (int i = 0; i < started; i++)
		(void) pthread_join(threads[i], NULL);
	return work.stop ? MATCH_INTERRUPTED : MATCH_OK;
}

uint64_t
MatchMix(uint64_t a, uint64_t b)
{
	uint64_t x =
		(a ^ UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xBF58476D1CE4E5B9);

	x ^= x >> 29;
	x = (x ^ b) * UINT64_C(0x94D049BB133111EB);
	x ^= x >> 32;
	x *= UINT64_C(0xD6E8FEB86659FD93);
	return x ^ x >> 31;
}

/*
 * Hash bytes, eight at a time in the order of the machine.  Never 0.
 */
uint64_t
MatchHash(uint64_t seed, const char *data, size_t length)
{
	uint64_t hash = MatchMix(seed, length);

	while (length > 0)
	{
		uint64_t word = 0;
		size_t n = length < 8 ? length : 8;

		memcpy(&word, data, n);
		hash = (hash ^ word) * UINT64_C(0x9FB21C651E98DF25);
		hash ^= hash >> 32;
		data += n;
		length -= n;
	}
	hash = MatchMix(hash, 1);
	return hash == 0 ? 1 : hash;
}

/*
 * Radix sort, stable, 11 bits a turn.
 */
void
MatchSort(uint64_t *items, uint64_t *scratch, int64_t n, int from)
{
	uint64_t *in = items;
	uint64_t *out = scratch;

	if (n < 64)
	{
		for (int64_t i = 1; i < n; i++)
		{
			uint64_t item = items[i];
			int64_t j = i;

			while (j > 0 && items[j - 1] >> from > item >> from)
			{
				items[j] = items[j - 1];
				j--;
			}
			items[j] = item;
		}
		return;
	}
	for (int shift = from; shift < 64; shift += 11)
	{
		int64_t start[2048] = {0};
		int64_t sum = 0;
		uint64_t *swap;

		for (int64_t i = 0; i < n; i++)
			start[in[i] >> shift & 2047]++;
		if (start[in[0] >> shift & 2047] == n)
			continue; /* all the same */
		for (int i = 0; i < 2048; i++)
		{
			int64_t count = start[i];

			start[i] = sum;
			sum += count;
		}
		for (int64_t i = 0; i < n; i++)
			out[start[in[i] >> shift & 2047]++] = in[i];
		swap = in;
		in = out;
		out = swap;
	}
	if (in != items)
		memcpy(items, in, (size_t) n * sizeof(uint64_t));
}
