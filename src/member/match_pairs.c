/*-------------------------------------------------------------------------
 *
 * match_pairs.c
 *	  Candidate pairs: records that have a blocking key in common.
 *
 * Of every pass the pairs (key, record) are sorted, and runs of equal keys are
 * blocks.  A pair that has several keys in common is visited at the first of
 * them only, in the order of the passes, so that no memory of visited pairs is
 * needed.  Blocks are handed out in rounds of a bounded number of pairs, each
 * task writing to its own place, so that what comes out does not depend on the
 * number of threads and workers never ask for memory.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_internal.h"

#include <string.h>

#define CHUNK_ROWS 8192
#define TASK_PAIRS 65536
#define ROUND_PAIRS (INT64_C(1) << 21)

typedef struct KeyWork
{
	Pairs *pairs;
	int64_t *counts; /* [chunk * n_passes + pass]: then where to write */
	uint64_t *some;	 /* by record, when sampled: passes it has keys of */
	bool fill;
	MatchStatus status;
	uint64_t **scratch;
	uint32_t *local[MAX_THREADS]; /* keys of a block, when sampled */
	int64_t local_room;
} KeyWork;

static bool
Sampled(const Pairs *pairs, uint32_t key)
{
	return pairs->sample == 0 ||
		key * UINT32_C(0x9E3779B1) >> (32 - pairs->sample) == 0;
}

static bool
Wanted(const Pairs *pairs, int pass, uint32_t key)
{
	return Sampled(pairs, key) &&
		(pairs->model == NULL ||
		 !Contains(pairs->model->stopped, pairs->model->core.n_stopped,
				   OUTER_KEY(pass, key)));
}

/*
 * Keys of a range of records: counted, then written.
 */
static void
KeysOfRows(void *context, int64_t chunk, int worker)
{
	KeyWork *work = context;
	Pairs *pairs = work->pairs;
	int64_t *counts = &work->counts[chunk * pairs->n_passes];
	int64_t end = (chunk + 1) * CHUNK_ROWS;
	uint32_t keys[MAX_PASS_KEYS];
	RowParts parts;

	(void) worker;
	if (end > pairs->records->n)
		end = pairs->records->n;
	for (int64_t i = chunk * CHUNK_ROWS; i < end; i++)
	{
		RowPartsBegin(&parts, (uint32_t) i);
		for (int p = 0; p < pairs->n_passes; p++)
		{
			PairPass *pass = &pairs->passes[p];
			uint32_t *of_pass = keys;
			int n;

			if (pairs->keys == NULL && work->fill && !(work->some[i] >> p & 1))
				continue;
			if (pairs->keys == NULL)
				n = PassKeysOf(pairs->records, &parts, pass->pass, keys);
			else
			{
				of_pass = &pairs->keys[i * pairs->n_slots + pass->first_slot];
				n = pass->n_slots;
				if (!work->fill)
				{
					n = PassKeysOf(pairs->records, &parts, pass->pass, keys);
					for (int k = 0; k < pass->n_slots; k++)
						of_pass[k] = k < n && Wanted(pairs, pass->pass, keys[k])
							? keys[k]
							: 0;
					n = pass->n_slots;
				}
			}
			for (int k = 0; k < n; k++)
			{
				if (of_pass[k] == 0 ||
					(pairs->keys == NULL &&
					 !Wanted(pairs, pass->pass, of_pass[k])))
					continue;
				if (work->fill)
					pass->entries[counts[p]] =
						(uint64_t) of_pass[k] << 32 | (uint64_t) i;
				else if (work->some != NULL)
					work->some[i] |= UINT64_C(1) << p;
				counts[p]++;
			}
		}
	}
}

/*
 * Sort the entries of a pass, count its pairs and cut it into tasks.
 */
static void
SortPass(void *context, int64_t p, int worker)
{
	KeyWork *work = context;
	Pairs *pairs = work->pairs;
	PairPass *pass = &pairs->passes[p];
	int64_t in_task = 0;

	(void) worker;
	MatchSort(pass->entries, work->scratch[p], pass->n_entries, 32);
	pass->n_tasks = 0;
	pass->tasks[0] = 0;
	for (int64_t i = 0; i < pass->n_entries;)
	{
		int64_t end = i + 1;
		int64_t size;

		while (end < pass->n_entries &&
			   pass->entries[end] >> 32 == pass->entries[i] >> 32)
			end++;
		size = end - i;
		if (size > pairs->block_limit)
		{
			pass->n_stopped++;
			pass->n_lost += size;
			size = 0;
		}
		pass->n_pairs += size * (size - 1) / 2;
		in_task += size * (size - 1) / 2;
		i = end;
		if (in_task >= TASK_PAIRS)
		{
			pass->tasks[++pass->n_tasks] = i;
			in_task = 0;
		}
	}
	if (pass->tasks[pass->n_tasks] < pass->n_entries)
		pass->tasks[++pass->n_tasks] = pass->n_entries;
}

static MatchStatus
AllocateEntries(Memory *memory, KeyWork *work, int64_t n_chunks)
{
	Pairs *pairs = work->pairs;

	for (int p = 0; p < pairs->n_passes; p++)
	{
		PairPass *pass = &pairs->passes[p];
		int64_t total = 0;

		for (int64_t chunk = 0; chunk < n_chunks; chunk++)
		{
			int64_t count = work->counts[chunk * pairs->n_passes + p];

			work->counts[chunk * pairs->n_passes + p] = total;
			total += count;
		}
		pass->n_entries = total;
		pass->entries = MemoryAlloc(memory, total + 1, sizeof(uint64_t));
		if (pass->entries == NULL)
			return MATCH_NO_MEMORY;
	}
	return MATCH_OK;
}

static MatchStatus
SortPasses(Memory *memory, KeyWork *work, const MatchRun *run)
{
	Pairs *pairs = work->pairs;
	uint64_t *scratch[MAX_PASSES] = {NULL};
	MatchStatus status = MATCH_OK;

	work->scratch = scratch;
	/* a task has TASK_PAIRS pairs, but the last; and a pair needs an entry for
	 * every half of the square of a block */
	for (int p = 0; p < pairs->n_passes && status == MATCH_OK; p++)
	{
		PairPass *pass = &pairs->passes[p];
		int64_t limit =
			pairs->block_limit < TASK_PAIRS ? pairs->block_limit : TASK_PAIRS;
		int64_t most = pass->n_entries * limit / TASK_PAIRS + 3;

		pass->tasks = MemoryAlloc(memory, most, sizeof(int64_t));
		scratch[p] = MemoryAlloc(memory, pass->n_entries + 1, sizeof(uint64_t));
		if (pass->tasks == NULL || scratch[p] == NULL)
			status = MATCH_NO_MEMORY;
	}
	if (status == MATCH_OK)
		status = MatchParallel(run, "block", pairs->n_passes, SortPass, work);
	for (int p = 0; p < pairs->n_passes; p++)
		MemoryDrop(memory, scratch[p]);
	work->scratch = NULL;
	return status;
}

MatchStatus
PairsOpen(Memory *memory, Pairs *pairs, const MatchRun *run)
{
	const MatchRecords *records = pairs->records;
	KeyWork work = {.pairs = pairs};
	int64_t n_chunks = (records->n + CHUNK_ROWS - 1) / CHUNK_ROWS;
	int identifiers = 0;
	MatchStatus status;

	for (int64_t i = 0; i < records->n; i++)
		if (records->rows[i].n_identifiers > identifiers)
			identifiers = records->rows[i].n_identifiers;
	pairs->n_slots = 0;
	for (int p = 0; p < pairs->n_passes; p++)
	{
		PairPass *pass = &pairs->passes[p];

		*pass = (PairPass){.pass = pass->pass, .active = true};
		pass->first_slot = pairs->n_slots;
		pass->n_slots = PassSlots(records, pass->pass, identifiers);
		pairs->n_slots += pass->n_slots;
	}
	pairs->keys = NULL;
	if (pairs->sample == 0)
	{
		pairs->keys = MemoryAlloc(memory, records->n * pairs->n_slots + 1,
								  sizeof(uint32_t));
		if (pairs->keys == NULL)
			return MATCH_NO_MEMORY;
	}
	else
	{
		work.some = MemoryZeroed(memory, records->n + 1, sizeof(uint64_t));
		if (work.some == NULL)
			return MATCH_NO_MEMORY;
	}
	work.counts =
		MemoryZeroed(memory, n_chunks * pairs->n_passes + 1, sizeof(int64_t));
	if (work.counts == NULL)
		return MATCH_NO_MEMORY;
	status = MatchParallel(run, "keys", n_chunks, KeysOfRows, &work);
	if (status == MATCH_OK)
		status = AllocateEntries(memory, &work, n_chunks);
	work.fill = true;
	if (status == MATCH_OK)
		status = MatchParallel(run, "keys", n_chunks, KeysOfRows, &work);
	MemoryDrop(memory, work.counts);
	MemoryDrop(memory, work.some);
	if (status == MATCH_OK)
		status = SortPasses(memory, &work, run);
	return status;
}

void
PairsClose(Memory *memory, Pairs *pairs)
{
	for (int p = 0; p < pairs->n_passes; p++)
	{
		MemoryDrop(memory, pairs->passes[p].entries);
		MemoryDrop(memory, pairs->passes[p].tasks);
	}
	MemoryDrop(memory, pairs->keys);
	MemoryDrop(memory, pairs->items);
	pairs->keys = NULL;
	pairs->items = NULL;
	pairs->n_passes = 0;
}

/* ---- visiting ---- */

typedef struct Visit
{
	Pairs *pairs;
	PairVisitor visitor;
	void *context;
	size_t item_size;
	/* the tasks of a round */
	int64_t n_tasks;
	int *pass;
	int64_t *from;
	int64_t *to;
	int64_t *place;	  /* where its items begin */
	int64_t *n_items; /* how many there are */
	int64_t *n_visited;
	char *buffer;
	uint32_t *local[MAX_THREADS];
} Visit;

/*
 * Is this key, of this pass, the first that both have?
 */
static bool
IsFirstCommon(const Pairs *pairs, const uint32_t *a, const uint32_t *b, int p,
			  uint32_t key)
{
	for (int q = 0; q <= p; q++)
	{
		const PairPass *pass = &pairs->passes[q];
		const uint32_t *of_a = a + pass->first_slot;
		const uint32_t *of_b = b + pass->first_slot;

		if (!pass->active)
			continue;
		for (int i = 0; i < pass->n_slots; i++)
		{
			if (of_a[i] == 0 || (q == p && of_a[i] >= key))
				continue;
			for (int j = 0; j < pass->n_slots; j++)
				if (of_a[i] == of_b[j])
					return false;
		}
	}
	return true;
}

/*
 * Keys of a record, all passes; 0 where there is none.
 */
static void
AllKeys(const Pairs *pairs, uint32_t rank, uint32_t *keys)
{
	uint32_t of_pass[MAX_PASS_KEYS];
	RowParts parts;

	RowPartsBegin(&parts, rank);
	for (int p = 0; p < pairs->n_passes; p++)
	{
		const PairPass *pass = &pairs->passes[p];
		int n = 0;

		if (pass->active)
			n = PassKeysOf(pairs->records, &parts, pass->pass, of_pass);
		for (int i = 0; i < pass->n_slots; i++)
			keys[pass->first_slot + i] = i < n ? of_pass[i] : 0;
	}
}

/*
 * All pairs of a block.
 */
static void
VisitBlock(Visit *visit, int64_t task, int p, const uint64_t *block,
		   int64_t size, int worker)
{
	Pairs *pairs = visit->pairs;
	uint32_t key = (uint32_t) (block[0] >> 32);
	const uint32_t *keys = pairs->keys;
	char *item = visit->buffer +
		(visit->place[task] + visit->n_items[task]) *
			(int64_t) visit->item_size;

	if (keys == NULL)
	{
		uint32_t *local = visit->local[worker];

		for (int64_t i = 0; i < size; i++)
			AllKeys(pairs, (uint32_t) block[i], local + i * pairs->n_slots);
		keys = local;
	}
#ifdef __GNUC__
	for (int64_t i = 0; i < size; i++)
		__builtin_prefetch(&pairs->records->rows[(uint32_t) block[i]]);
#endif
	for (int64_t i = 0; i < size; i++)
		for (int64_t j = i + 1; j < size; j++)
		{
			uint32_t a = (uint32_t) block[i];
			uint32_t b = (uint32_t) block[j];
			int64_t at_a = pairs->keys == NULL ? i : a;
			int64_t at_b = pairs->keys == NULL ? j : b;

			if (!IsFirstCommon(pairs, keys + at_a * pairs->n_slots,
							   keys + at_b * pairs->n_slots, p, key))
				continue;
			visit->n_visited[task]++;
			if (visit->visitor(visit->context, a, b, p, worker, item))
			{
				visit->n_items[task]++;
				item += visit->item_size;
			}
		}
}

/*
 * Ask for what comparing the records of blocks to come will read: they are
 * anywhere in memory.
 */
#define AHEAD_ROW 48
#define AHEAD_VALUE 24

static void
LookAhead(const Pairs *pairs, const uint64_t *entries, int64_t at, int64_t end,
		  bool values)
{
#ifdef __GNUC__
	const MatchRecords *records = pairs->records;
	uint32_t rank = (uint32_t) entries[at];
	const Row *row = &records->rows[rank];

	/* alone in its block */
	if (at + 1 < end && entries[at + 1] >> 32 != entries[at] >> 32 && at > 0 &&
		entries[at - 1] >> 32 != entries[at] >> 32)
		return;
	if (values)
	{
		const uint64_t *neighbours = records->values[SET_ADDRESS].neighbours;

		__builtin_prefetch(&records->identifiers[row->first_identifier]);
		if (neighbours != NULL)
			__builtin_prefetch(&neighbours[row->cell[CELL_ADDRESS]]);
		return;
	}
	__builtin_prefetch(row);
	if (pairs->keys != NULL)
		__builtin_prefetch(&pairs->keys[(int64_t) rank * pairs->n_slots]);
#else
	(void) pairs, (void) entries, (void) at, (void) end, (void) values;
#endif
}

static void
VisitTask(void *context, int64_t task, int worker)
{
	Visit *visit = context;
	Pairs *pairs = visit->pairs;
	int p = visit->pass[task];
	const uint64_t *entries = pairs->passes[p].entries;
	int64_t row = visit->from[task];
	int64_t value = row;

	visit->n_items[task] = 0;
	visit->n_visited[task] = 0;
	for (int64_t i = visit->from[task]; i < visit->to[task];)
	{
		int64_t end = i + 1;

		for (; row < i + AHEAD_ROW && row < visit->to[task]; row++)
			LookAhead(pairs, entries, row, visit->to[task], false);
		for (; value < i + AHEAD_VALUE && value < visit->to[task]; value++)
			LookAhead(pairs, entries, value, visit->to[task], true);
		while (end < visit->to[task] && entries[end] >> 32 == entries[i] >> 32)
			end++;
		if (end - i > 1 && end - i <= pairs->block_limit)
			VisitBlock(visit, task, p, entries + i, end - i, worker);
		i = end;
	}
}

/* At most so many pairs has a range of entries. */
static int64_t
PairsOfRange(const Pairs *pairs, const uint64_t *entries, int64_t from,
			 int64_t to)
{
	int64_t n = 0;

	for (int64_t i = from; i < to;)
	{
		int64_t end = i + 1;

		while (end < to && entries[end] >> 32 == entries[i] >> 32)
			end++;
		if (end - i <= pairs->block_limit)
			n += (end - i) * (end - i - 1) / 2;
		i = end;
	}
	return n;
}

static bool
AllocateVisit(Memory *memory, Visit *visit, int64_t tasks, int64_t room,
			  int threads)
{
	Pairs *pairs = visit->pairs;

	visit->pass = MemoryAlloc(memory, tasks, sizeof(int));
	visit->from = MemoryAlloc(memory, tasks, sizeof(int64_t));
	visit->to = MemoryAlloc(memory, tasks, sizeof(int64_t));
	visit->place = MemoryAlloc(memory, tasks, sizeof(int64_t));
	visit->n_items = MemoryAlloc(memory, tasks, sizeof(int64_t));
	visit->n_visited = MemoryAlloc(memory, tasks, sizeof(int64_t));
	visit->buffer = MemoryAlloc(memory, room, visit->item_size);
	if (visit->pass == NULL || visit->from == NULL || visit->to == NULL ||
		visit->place == NULL || visit->n_items == NULL ||
		visit->n_visited == NULL || visit->buffer == NULL)
		return false;
	for (int i = 0; i < threads && pairs->keys == NULL; i++)
	{
		visit->local[i] =
			MemoryAlloc(memory, (pairs->block_limit + 1) * pairs->n_slots + 1,
						sizeof(uint32_t));
		if (visit->local[i] == NULL)
			return false;
	}
	return true;
}

static void
DropVisit(Memory *memory, Visit *visit)
{
	MemoryDrop(memory, visit->pass);
	MemoryDrop(memory, visit->from);
	MemoryDrop(memory, visit->to);
	MemoryDrop(memory, visit->place);
	MemoryDrop(memory, visit->n_items);
	MemoryDrop(memory, visit->n_visited);
	MemoryDrop(memory, visit->buffer);
	for (int i = 0; i < MAX_THREADS; i++)
		MemoryDrop(memory, visit->local[i]);
}

/*
 * Run the tasks gathered, and take their items.
 */
static MatchStatus
VisitRound(Memory *memory, Visit *visit, int64_t *room, const MatchRun *run)
{
	Pairs *pairs = visit->pairs;
	MatchStatus status =
		MatchParallel(run, "compare", visit->n_tasks, VisitTask, visit);

	for (int64_t i = 0; i < visit->n_tasks && status == MATCH_OK; i++)
	{
		if (!MemoryGrow(memory, &pairs->items, room, pairs->n_items,
						pairs->n_items + visit->n_items[i], visit->item_size))
			return MATCH_NO_MEMORY;
		pairs->n_visited += visit->n_visited[i];
		if (visit->n_items[i] == 0)
			continue;
		memcpy(pairs->items + pairs->n_items * (int64_t) visit->item_size,
			   visit->buffer + visit->place[i] * (int64_t) visit->item_size,
			   (size_t) visit->n_items[i] * visit->item_size);
		pairs->n_items += visit->n_items[i];
	}
	visit->n_tasks = 0;
	return status;
}

MatchStatus
PairsVisit(Memory *memory, Pairs *pairs, PairVisitor visitor, void *context,
		   size_t item_size, const MatchRun *run)
{
	Visit visit = {.pairs = pairs,
				   .visitor = visitor,
				   .context = context,
				   .item_size = item_size};
	int64_t all_pairs = 0;
	int64_t all_tasks = 1;
	int64_t round = ROUND_PAIRS;
	int64_t largest = pairs->block_limit * (pairs->block_limit - 1) / 2;
	int64_t gathered = 0;
	int64_t room = 0;
	MatchStatus status = MATCH_OK;

	pairs->items = NULL;
	pairs->n_items = 0;
	pairs->n_visited = 0;
	for (int p = 0; p < pairs->n_passes; p++)
		if (pairs->passes[p].active)
		{
			all_pairs += pairs->passes[p].n_pairs;
			all_tasks += pairs->passes[p].n_tasks;
		}
	if (round < largest + TASK_PAIRS)
		round = largest + TASK_PAIRS;
	if (round > all_pairs)
		round = all_pairs;
	if (!AllocateVisit(memory, &visit, all_tasks, round + 1, MatchThreads(run)))
		status = MATCH_NO_MEMORY;
	for (int p = 0; p < pairs->n_passes && status == MATCH_OK; p++)
	{
		const PairPass *pass = &pairs->passes[p];

		for (int64_t t = 0;
			 pass->active && t < pass->n_tasks && status == MATCH_OK; t++)
		{
			int64_t n = PairsOfRange(pairs, pass->entries, pass->tasks[t],
									 pass->tasks[t + 1]);

			if (gathered + n > round)
			{
				status = VisitRound(memory, &visit, &room, run);
				gathered = 0;
			}
			visit.pass[visit.n_tasks] = p;
			visit.from[visit.n_tasks] = pass->tasks[t];
			visit.to[visit.n_tasks] = pass->tasks[t + 1];
			visit.place[visit.n_tasks++] = gathered;
			gathered += n;
		}
	}
	if (status == MATCH_OK)
		status = VisitRound(memory, &visit, &room, run);
	DropVisit(memory, &visit);
	return status;
}
