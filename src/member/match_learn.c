/*-------------------------------------------------------------------------
 *
 * match_learn.c
 *	  Learn a model from records, without labels.
 *
 * Keys are sampled when there are many records: of every pass one key in 2^s,
 * with all of its records, so that blocks stay whole.  On the candidates of
 * these and on random pairs EM estimates the parameters; the passes that find
 * what the candidates show to be matches are kept, at the least cost.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_em.h"

#include <math.h>
#include <string.h>

/* Beyond so many records keys are sampled. */
#define SAMPLE_ABOVE 50000
/* ... so that about so many are left. */
#define SAMPLE_ROWS 20000
/* Then a pass whose records are mostly in blocks too large is none. */
#define MOST_LOST 0.3
#define SAMPLE_PAIRS 500000
#define RANDOM_PAIRS 250000
#define RANDOM_CHUNK 4096
#define MAX_ENTRIES 8192
#define EM_ROUNDS 100
/* Experience counts like so many matches. */
#define EXPERIENCE 5.0
/* Passes are added while they find such a share of what is left, ... */
#define LEAST_GAIN 0.0003
/* ... and a match for so many pairs. */
#define PAIRS_A_MATCH 20000.0
/* Pairs that are cheap enough to need no choice. */
#define FREE_PAIRS 3000000
/* A source is de-duplicated when its own pairs are this share of the others. */
#define OWN_PAIRS 0.003

typedef struct Sample
{
	uint64_t pattern;
	uint32_t a;
	uint32_t b;
} Sample;

typedef struct Learner
{
	MatchRecords *records;
	const MatchRun *run;
	Memory memory; /* of the learning only */
	MatchModel *model;
	Pairs pairs;
	CompareCache *caches[MAX_THREADS];
	uint64_t *random;
	int64_t n_random;
	double scale;
	Sample *samples;
	int64_t n_samples;
	float *match; /* probability of every sample */
} Learner;

static void
FindFields(Learner *learner)
{
	const MatchRecords *records = learner->records;
	uint8_t *present = learner->model->core.present;
	uint64_t used[CELLS] = {0};

	for (int64_t i = 0; i < records->n; i++)
		for (int c = 0; c < CELLS; c++)
			used[c] += records->rows[i].cell[c] != 0;
	present[FIELD_GIVEN] = used[CELL_GIVEN] > 1;
	present[FIELD_SURNAME] = used[CELL_SURNAME] > 1;
	present[FIELD_ORDER] = present[FIELD_GIVEN] && present[FIELD_SURNAME];
	present[FIELD_BIRTH] = used[CELL_BIRTH] > 1;
	present[FIELD_GENDER] = used[CELL_GENDER] > 1;
	present[FIELD_ADDRESS] = used[CELL_ADDRESS] > 1;
	present[FIELD_POSTCODE] = used[CELL_POSTCODE] > 1;
	present[FIELD_CITY] = used[CELL_CITY] > 1;
	present[FIELD_REGION] = used[CELL_REGION] > 1;
	for (int i = 0; i < MATCH_MAX_ATTRIBUTES; i++)
		present[FIELD_ATTRIBUTE + i] = used[CELL_ATTRIBUTE + i] > 1;
	for (int f = FIELD_PHONE; f <= FIELD_EXACT2; f++)
		present[f] = records->values[SET_IDENTIFIER].n > 1;
}

/* ---- samples of pairs ---- */

static bool
TakeSample(void *context, uint32_t a, uint32_t b, int pass, int worker,
		   void *item)
{
	Learner *learner = context;
	Comparison comparison;
	Sample *sample = item;

	(void) pass;
	CompareRows(learner->records, a, b, learner->caches[worker], &comparison);
	sample->pattern = PackPattern(&comparison);
	sample->a = a;
	sample->b = b;
	return true;
}

/*
 * Leave out the passes that cost too much, the dearest first.
 */
static void
LimitPasses(Pairs *pairs, int64_t limit)
{
	for (;;)
	{
		int64_t total = 0;
		int dearest = -1;

		for (int p = 0; p < pairs->n_passes; p++)
		{
			const PairPass *pass = &pairs->passes[p];

			if (!pass->active)
				continue;
			total += pass->n_pairs;
			if (dearest < 0 || pass->n_pairs > pairs->passes[dearest].n_pairs)
				dearest = p;
		}
		if (total <= limit || dearest < 0)
			return;
		pairs->passes[dearest].active = false;
	}
}

static MatchStatus
SamplePairs(Learner *learner)
{
	MatchRecords *records = learner->records;
	Pairs *pairs = &learner->pairs;
	ModelCore *core = &learner->model->core;
	MatchStatus status;

	pairs->records = records;
	if (records->n > SAMPLE_ABOVE)
		while (records->n >> pairs->sample > SAMPLE_ROWS)
			pairs->sample++;
	core->block_limit =
		(int32_t) (records->n < 10000		 ? 2000
					   : records->n > 100000 ? 200
											 : 20000000 / records->n);
	pairs->block_limit = core->block_limit;
	for (int pass = 0; pass < PassCount(); pass++)
		if (PassUsable(records, pass) &&
			!(pairs->sample > 0 && PassIsLoose(pass)))
			pairs->passes[pairs->n_passes++].pass = pass;
	status = PairsOpen(&learner->memory, pairs, learner->run);
	if (status != MATCH_OK)
		return status;
	for (int p = 0; p < pairs->n_passes && pairs->sample > 0; p++)
		if ((double) pairs->passes[p].n_lost >
			MOST_LOST * (double) pairs->passes[p].n_entries)
			pairs->passes[p].active = false;
	LimitPasses(pairs, SAMPLE_PAIRS);
	status = PairsVisit(&learner->memory, pairs, TakeSample, learner,
						sizeof(Sample), learner->run);
	learner->scale = exp2(pairs->sample);
	learner->samples = (Sample *) (void *) pairs->items;
	learner->n_samples = pairs->n_items;
	return status;
}

/*
 * Pair number i of random ones: the same ones for the same number of records.
 */
static void
RandomPair(int64_t n, int64_t i, uint32_t *a, uint32_t *b)
{
	uint64_t x = MatchMix((uint64_t) i, 4711);

	*a = (uint32_t) (x % (uint64_t) n);
	x = MatchMix(x, 4712);
	*b = (uint32_t) (x % (uint64_t) (n - 1));
	*b += *b >= *a;
}

static void
RandomRange(void *context, int64_t task, int worker)
{
	Learner *learner = context;
	const MatchRecords *records = learner->records;
	int64_t end = (task + 1) * RANDOM_CHUNK;
	int64_t all = records->n * (records->n - 1) / 2;

	if (end > learner->n_random)
		end = learner->n_random;
	for (int64_t i = task * RANDOM_CHUNK; i < end; i++)
	{
		Comparison comparison;
		uint32_t a;
		uint32_t b;

		if (learner->n_random == all)
		{
			/* every pair: row b of the triangle begins at b * (b - 1) / 2 */
			b = (uint32_t) ((1.0 + sqrt(1.0 + 8.0 * (double) i)) / 2.0);
			while ((int64_t) b * (b - 1) / 2 > i)
				b--;
			while ((int64_t) b * (b + 1) / 2 <= i)
				b++;
			a = (uint32_t) (i - (int64_t) b * (b - 1) / 2);
		}
		else
			RandomPair(records->n, i, &a, &b);
		CompareRows(records, a, b, learner->caches[worker], &comparison);
		learner->random[i] = PackPattern(&comparison);
	}
}

static MatchStatus
SampleRandom(Learner *learner)
{
	int64_t n = learner->records->n;
	int64_t all = n * (n - 1) / 2;

	learner->n_random = all < 2 * RANDOM_PAIRS ? all : RANDOM_PAIRS;
	learner->random =
		MemoryAlloc(&learner->memory, learner->n_random + 1, sizeof(uint64_t));
	if (learner->random == NULL)
		return MATCH_NO_MEMORY;
	return MatchParallel(learner->run, "learn",
						 (learner->n_random + RANDOM_CHUNK - 1) / RANDOM_CHUNK,
						 RandomRange, learner);
}

/* ---- estimation ---- */

static int
FieldCell(int field)
{
	switch (field)
	{
		case FIELD_GIVEN:
			return CELL_GIVEN;
		case FIELD_SURNAME:
			return CELL_SURNAME;
		case FIELD_BIRTH:
			return CELL_BIRTH;
		case FIELD_ADDRESS:
			return CELL_ADDRESS;
		case FIELD_POSTCODE:
			return CELL_POSTCODE;
		case FIELD_CITY:
			return CELL_CITY;
		case FIELD_REGION:
			return CELL_REGION;
		default:
			return field >= FIELD_ATTRIBUTE
				? CELL_ATTRIBUTE + field - FIELD_ATTRIBUTE
				: -1;
	}
}

static const Values *
FrequencyValues(const MatchRecords *records, int frequency, int *column)
{
	*column = frequency == FREQUENCY_SURNAME;
	return &records->values[frequency <= FREQUENCY_SURNAME
								? SET_NAME
								: frequency - FREQUENCY_BIRTH + SET_BIRTH];
}

/*
 * How many pairs have the field, and agree on it.
 */
static void
CountCollisions(const MatchRecords *records, EmProblem *problem)
{
	for (int f = 0; f < FIELDS; f++)
	{
		int frequency = FieldFrequency(f);
		const Values *values;
		int column;
		double filled = 0.0;
		double equal = 0.0;

		problem->filled_pairs[f] = 0.0;
		if (frequency < 0 || frequency == FREQUENCY_IDENTIFIER)
			continue;
		values = FrequencyValues(records, frequency, &column);
		for (uint32_t v = 1; v < values->n; v++)
		{
			double count = values->count[column][v];

			filled += count;
			equal += count * (count - 1.0) / 2.0;
		}
		problem->filled_pairs[f] = filled * (filled - 1.0) / 2.0;
		problem->collisions[f] = equal;
	}
}

static MatchStatus
Estimate(Learner *learner)
{
	const MatchRecords *records = learner->records;
	Memory *memory = &learner->memory;
	EmProblem problem = {.core = &learner->model->core};
	int64_t n = learner->n_samples;
	int64_t more = n > learner->n_random ? n : learner->n_random;
	uint64_t *candidates = MemoryAlloc(memory, n + 1, sizeof(uint64_t));
	uint64_t *scratch = MemoryAlloc(memory, more + 1, sizeof(uint64_t));
	double *counts = MemoryAlloc(memory, n + 1, sizeof(double));
	double *random_counts =
		MemoryAlloc(memory, learner->n_random + 1, sizeof(double));

	if (candidates == NULL || scratch == NULL || counts == NULL ||
		random_counts == NULL)
		return MATCH_NO_MEMORY;
	for (int64_t i = 0; i < n; i++)
		candidates[i] = learner->samples[i].pattern;
	MatchSort(candidates, scratch, n, 0);
	MatchSort(learner->random, scratch, learner->n_random, 0);
	CountPatterns(candidates, n, counts, &problem.candidates);
	CountPatterns(learner->random, learner->n_random, random_counts,
				  &problem.random);
	problem.scale = learner->scale;
	problem.all_pairs = (double) records->n * (double) (records->n - 1) / 2.0;
	problem.random_pairs = (double) learner->n_random;
	problem.experience = EXPERIENCE;
	problem.households = learner->model->core.present[FIELD_ADDRESS] ||
		learner->model->core.present[FIELD_PHONE];
	problem.max_rounds = EM_ROUNDS;
	problem.core->prior = 1.0 / (double) records->n;
	CountCollisions(records, &problem);
	EmEstimate(&problem);
	return MATCH_OK;
}

/*
 * The probability of every sample to be a match.
 */
static MatchStatus
JudgeSamples(Learner *learner)
{
	const ModelCore *core = &learner->model->core;
	EmLogs logs;

	learner->match =
		MemoryAlloc(&learner->memory, learner->n_samples + 1, sizeof(float));
	if (learner->match == NULL)
		return MATCH_NO_MEMORY;
	EmTakeLogs(core, &logs);
	for (int64_t i = 0; i < learner->n_samples; i++)
	{
		double match;
		double household;

		(void) EmClassify(core, &logs, learner->samples[i].pattern, &match,
						  &household);
		learner->match[i] = (float) match;
	}
	return MATCH_OK;
}

/* ---- frequencies ---- */

/*
 * Agreements on values by how many rows have them: all, and of matches.
 */
static void
CountAgreements(const Learner *learner, int frequency, const Values *values,
				int column, double *of_matches)
{
	const MatchRecords *records = learner->records;

	for (int f = 0; f < FIELDS; f++)
	{
		int cell = FieldCell(f);

		if (FieldFrequency(f) != frequency || cell < 0)
			continue;
		for (int64_t i = 0; i < learner->n_samples; i++)
		{
			const Sample *sample = &learner->samples[i];
			uint32_t value = records->rows[sample->a].cell[cell];

			if (value != 0 && value == records->rows[sample->b].cell[cell])
				of_matches[RarityClass(values->count[column][value])] +=
					learner->match[i] * learner->scale;
		}
	}
}

static void
CountIdentifierAgreements(const Learner *learner, const Values *values,
						  double *of_matches)
{
	const MatchRecords *records = learner->records;

	for (int64_t i = 0; i < learner->n_samples; i++)
	{
		const Row *a = &records->rows[learner->samples[i].a];
		const Row *b = &records->rows[learner->samples[i].b];

		for (int j = 0; j < a->n_identifiers; j++)
			for (int k = 0; k < b->n_identifiers; k++)
			{
				uint32_t value =
					records->identifiers[a->first_identifier + j].value;

				if (value ==
					records->identifiers[b->first_identifier + k].value)
					of_matches[RarityClass(values->count[0][value])] +=
						learner->match[i] * learner->scale;
			}
	}
}

/*
 * Which share of the agreements is of different people: rare values are
 * mostly shared by one person's records.
 */
static void
LearnOthers(const Learner *learner, int frequency)
{
	ModelCore *core = &learner->model->core;
	double all[RARITY_CLASSES] = {0};
	double of_matches[RARITY_CLASSES] = {0};
	double *others = core->others[frequency];
	int column;
	const Values *values =
		FrequencyValues(learner->records, frequency, &column);

	core->n_filled[frequency] = 0.0;
	if (values->n <= 1)
		return;
	for (uint32_t v = 1; v < values->n; v++)
	{
		double count = values->count[column][v];

		core->n_filled[frequency] += count;
		all[RarityClass((uint32_t) count)] += count * (count - 1.0) / 2.0;
	}
	if (frequency == FREQUENCY_IDENTIFIER)
		CountIdentifierAgreements(learner, values, of_matches);
	else
		CountAgreements(learner, frequency, values, column, of_matches);
	for (int c = 0; c < RARITY_CLASSES; c++)
	{
		double left = all[c] - of_matches[c];

		others[c] = ((left > 0.0 ? left : 0.0) + 0.5) / (all[c] + 0.5);
		if (others[c] > 1.0)
			others[c] = 1.0;
		if (c > 0 && others[c] < others[c - 1])
			others[c] = others[c - 1];
	}
}

static int
CompareEntries(const FrequencyEntry *a, const FrequencyEntry *b)
{
	return a->hash < b->hash ? -1 : a->hash > b->hash;
}

static void
SortEntries(FrequencyEntry *entries, int64_t n)
{
	/* heap sort: no memory, and never slow */
	for (int64_t i = n / 2 - 1 + n; i > 0;)
	{
		FrequencyEntry item;
		int64_t at;
		int64_t end;

		if (i >= n)
			at = i - n, end = n;
		else
		{
			FrequencyEntry top = entries[0];

			entries[0] = entries[i];
			entries[i] = top;
			at = 0, end = i;
		}
		item = entries[at];
		for (int64_t child; (child = 2 * at + 1) < end; at = child)
		{
			if (child + 1 < end &&
				CompareEntries(&entries[child], &entries[child + 1]) < 0)
				child++;
			if (CompareEntries(&item, &entries[child]) >= 0)
				break;
			entries[at] = entries[child];
		}
		entries[at] = item;
		i = i == n ? n - 1 : i - 1;
	}
}

/*
 * Keep the commonest values: the rest count as being rare.
 */
static MatchStatus
LearnEntries(const Learner *learner, int frequency)
{
	MatchModel *model = learner->model;
	int column;
	const Values *values =
		FrequencyValues(learner->records, frequency, &column);
	int64_t with[64] = {0};
	uint32_t least = 3;
	int64_t n = 0;
	int64_t listed = 0;

	for (uint32_t v = 1; v < values->n; v++)
	{
		uint32_t count = values->count[column][v];

		with[count > 63 ? 63 : count]++;
	}
	for (int c = 63; c >= 3 && listed + with[c] <= MAX_ENTRIES; c--)
	{
		listed += with[c];
		least = (uint32_t) c;
	}
	if (listed == 0)
	{
		/* more than can be kept have 63 and more: raise the bar */
		for (least = 64; least < UINT32_MAX / 2; least *= 2)
		{
			listed = 0;
			for (uint32_t v = 1; v < values->n; v++)
				listed += values->count[column][v] >= least;
			if (listed <= MAX_ENTRIES)
				break;
		}
	}
	model->entries[frequency] =
		MemoryAlloc(&model->memory, listed + 1, sizeof(FrequencyEntry));
	if (model->entries[frequency] == NULL)
		return MATCH_NO_MEMORY;
	for (uint32_t v = 1; v < values->n; v++)
		if (values->count[column][v] >= least && n < listed)
			model->entries[frequency][n++] = (FrequencyEntry){
				.hash = values->hash[v], .count = values->count[column][v]};
	model->core.n_entries[frequency] = n;
	SortEntries(model->entries[frequency], n);
	return MATCH_OK;
}

/* ---- choice of passes ---- */

/*
 * Is the key's block within the limit?  Not known of keys that are not in the
 * sample.
 */
static bool
BlockIsSmall(const Pairs *pairs, const PairPass *pass, uint32_t key)
{
	int64_t low = 0;
	int64_t left = pass->n_entries;

	if (pass->n_stopped == 0 || pairs->sample > 0)
		return true;
	while (left > 0)
	{
		int64_t half = left / 2;

		if (pass->entries[low + half] >> 32 < key)
		{
			low += half + 1;
			left -= half + 1;
		}
		else
			left = half;
	}
	return low + pairs->block_limit >= pass->n_entries ||
		pass->entries[low + pairs->block_limit] >> 32 != key;
}

static uint64_t
PassesOfPair(const Learner *learner, const Sample *sample)
{
	const Pairs *pairs = &learner->pairs;
	uint64_t found = 0;

	for (int p = 0; p < pairs->n_passes; p++)
	{
		const PairPass *pass = &pairs->passes[p];
		uint32_t a[MAX_PASS_KEYS];
		uint32_t b[MAX_PASS_KEYS];
		int n_a;
		int n_b;

		if (!pass->active)
			continue;
		n_a = PassKeys(learner->records, sample->a, pass->pass, a);
		n_b = PassKeys(learner->records, sample->b, pass->pass, b);
		for (int i = 0; i < n_a; i++)
			for (int j = 0; j < n_b; j++)
				if (a[i] == b[j] && BlockIsSmall(pairs, pass, a[i]))
					found |= UINT64_C(1) << p;
	}
	return found;
}

/*
 * Take the pass that finds most for its cost, until what is left is not worth
 * it.  With few records all that was tried is used.  That of whole identifiers
 * is always used: they may come later, and verified ones merge at once.
 */
static MatchStatus
ChoosePasses(Learner *learner)
{
	const Pairs *pairs = &learner->pairs;
	ModelCore *core = &learner->model->core;
	int64_t budget = learner->records->settings.max_pairs;
	uint64_t *found =
		MemoryAlloc(&learner->memory, learner->n_samples + 1, sizeof(uint64_t));
	double *worth =
		MemoryAlloc(&learner->memory, learner->n_samples + 1, sizeof(double));
	bool taken[MAX_PASSES] = {false};
	bool identifiers = false;
	double total = 0.0;
	double cost = 0.0;
	int64_t n = 0;

	if (found == NULL || worth == NULL)
		return MATCH_NO_MEMORY;
	for (int64_t i = 0; i < learner->n_samples; i++)
		if (learner->match[i] >= 0.3f)
		{
			found[n] = PassesOfPair(learner, &learner->samples[i]);
			worth[n] = learner->match[i] * learner->scale;
			total += worth[n++];
		}
	if (budget == 0)
		budget = learner->records->n * 12;
	if (budget < FREE_PAIRS)
		budget = FREE_PAIRS;
	core->n_passes = 0;
	for (;;)
	{
		double gains[MAX_PASSES] = {0};
		int best = -1;
		double best_value = 0.0;

		for (int64_t i = 0; i < n; i++)
			for (int p = 0; p < pairs->n_passes; p++)
				if (found[i] >> p & 1)
					gains[p] += worth[i];
		for (int p = 0; p < pairs->n_passes; p++)
		{
			double pass_cost =
				(double) pairs->passes[p].n_pairs * learner->scale;
			double value;

			if (taken[p] || !pairs->passes[p].active ||
				cost + pass_cost > (double) budget)
				continue;
			if (cost + pass_cost > FREE_PAIRS &&
				(gains[p] < LEAST_GAIN * total ||
				 gains[p] * PAIRS_A_MATCH < pass_cost))
				continue;
			value =
				(gains[p] + 1e-6) / (pass_cost + (double) learner->records->n);
			if (best < 0 || value > best_value)
			{
				best = p;
				best_value = value;
			}
		}
		if (best < 0)
			break;
		taken[best] = true;
		cost += (double) pairs->passes[best].n_pairs * learner->scale;
		core->passes[core->n_passes++] = pairs->passes[best].pass;
		for (int64_t i = 0; i < n; i++)
			if (found[i] >> best & 1)
				found[i] = 0;
		identifiers |= core->passes[core->n_passes - 1] == PASS_IDENTIFIER;
	}
	if (!identifiers)
	{
		memmove(core->passes + 1, core->passes,
				(size_t) core->n_passes * sizeof(core->passes[0]));
		core->passes[0] = PASS_IDENTIFIER;
		core->n_passes++;
	}
	return MATCH_OK;
}

/* ---- keys and values too common ---- */

#define COUNTERS (1 << 20)

typedef struct StopWork
{
	Learner *learner;
	uint16_t *counters[MAX_THREADS];
	uint64_t *keys[MAX_THREADS]; /* keys in hot counters, and scratch */
	uint64_t *scratch[MAX_THREADS];
	int64_t room;
	uint64_t *stopped[MAX_PASSES];
	int64_t n_stopped[MAX_PASSES];
	int64_t stop_room[MAX_PASSES];
} StopWork;

static uint32_t
CounterOf(uint32_t key)
{
	return (key * UINT32_C(0x9E3779B1)) >> 12;
}

/*
 * Keys of a pass that more records have than a block may: candidates by
 * hashed counters, then exactly.
 */
static void
StopPass(void *context, int64_t p, int worker)
{
	StopWork *work = context;
	const MatchRecords *records = work->learner->records;
	const ModelCore *core = &work->learner->model->core;
	uint16_t *counters = work->counters[worker];
	uint64_t *hot = work->keys[worker];
	int pass = core->passes[p];
	int64_t n_hot = 0;
	bool any = false;
	uint32_t keys[MAX_PASS_KEYS];

	memset(counters, 0, COUNTERS * sizeof(uint16_t));
	for (int64_t i = 0; i < records->n; i++)
	{
		int n = PassKeys(records, (uint32_t) i, pass, keys);

		for (int k = 0; k < n; k++)
		{
			uint16_t *counter = &counters[CounterOf(keys[k])];

			if (*counter < UINT16_MAX)
				any |= ++*counter > core->block_limit;
		}
	}
	for (int64_t i = 0; any && i < records->n; i++)
	{
		int n = PassKeys(records, (uint32_t) i, pass, keys);

		for (int k = 0; k < n && n_hot < work->room; k++)
			if (counters[CounterOf(keys[k])] > core->block_limit)
				hot[n_hot++] = (uint64_t) keys[k] << 32;
	}
	MatchSort(hot, work->scratch[worker], n_hot, 32);
	for (int64_t i = 0; i < n_hot;)
	{
		int64_t end = i + 1;

		while (end < n_hot && hot[end] == hot[i])
			end++;
		if (end - i > core->block_limit &&
			work->n_stopped[p] < work->stop_room[p])
			work->stopped[p][work->n_stopped[p]++] =
				OUTER_KEY(pass, (uint32_t) (hot[i] >> 32));
		i = end;
	}
}

static MatchStatus
LearnStopped(Learner *learner)
{
	Memory *memory = &learner->memory;
	MatchModel *model = learner->model;
	ModelCore *core = &model->core;
	StopWork work = {.learner = learner};
	int threads = MatchThreads(learner->run);
	int identifiers = 0;
	int most = 1;
	uint64_t *scratch;
	MatchStatus status;

	for (int64_t i = 0; i < learner->records->n; i++)
		if (learner->records->rows[i].n_identifiers > identifiers)
			identifiers = learner->records->rows[i].n_identifiers;
	for (int p = 0; p < core->n_passes; p++)
	{
		int slots = PassSlots(learner->records, core->passes[p], identifiers);

		most = slots > most ? slots : most;
		work.stop_room[p] =
			learner->records->n * slots / (core->block_limit + 1) + 1;
		work.stopped[p] =
			MemoryAlloc(memory, work.stop_room[p], sizeof(uint64_t));
		if (work.stopped[p] == NULL)
			return MATCH_NO_MEMORY;
	}
	work.room = learner->records->n * (most > 4 ? 4 : most) + 1;
	for (int i = 0; i < threads && i < core->n_passes; i++)
	{
		work.counters[i] = MemoryAlloc(memory, COUNTERS, sizeof(uint16_t));
		work.keys[i] = MemoryAlloc(memory, work.room, sizeof(uint64_t));
		work.scratch[i] = MemoryAlloc(memory, work.room, sizeof(uint64_t));
		if (work.counters[i] == NULL || work.keys[i] == NULL ||
			work.scratch[i] == NULL)
			return MATCH_NO_MEMORY;
	}
	status =
		MatchParallel(learner->run, "learn", core->n_passes, StopPass, &work);
	if (status != MATCH_OK)
		return status;
	for (int p = 0; p < core->n_passes; p++)
		core->n_stopped += work.n_stopped[p];
	model->stopped =
		MemoryAlloc(&model->memory, core->n_stopped + 1, sizeof(uint64_t));
	scratch = MemoryAlloc(memory, core->n_stopped + 1, sizeof(uint64_t));
	if (model->stopped == NULL || scratch == NULL)
		return MATCH_NO_MEMORY;
	core->n_stopped = 0;
	for (int p = 0; p < core->n_passes; p++)
		for (int64_t i = 0; i < work.n_stopped[p]; i++)
			model->stopped[core->n_stopped++] = work.stopped[p][i];
	MatchSort(model->stopped, scratch, core->n_stopped, 0);
	return MATCH_OK;
}

/*
 * Values of identifiers that more records have than people may share.
 */
static MatchStatus
LearnShared(Learner *learner)
{
	const MatchRecords *records = learner->records;
	const Values *values = &records->values[SET_IDENTIFIER];
	MatchModel *model = learner->model;
	ModelCore *core = &model->core;
	uint64_t *scratch;
	int64_t n = 0;

	for (int turn = 0; turn < 2; turn++)
	{
		if (turn == 1)
		{
			model->shared =
				MemoryAlloc(&model->memory, n + 1, sizeof(uint64_t));
			if (model->shared == NULL)
				return MATCH_NO_MEMORY;
		}
		n = 0;
		for (int64_t i = 0; i < records->n_identifiers; i++)
		{
			const Identifier *identifier = &records->identifiers[i];

			if (!IsOverShared(model, records, identifier))
				continue;
			if (turn == 1)
				model->shared[n] = values->hash[identifier->value];
			n++;
		}
	}
	scratch = MemoryAlloc(&learner->memory, n + 1, sizeof(uint64_t));
	if (scratch == NULL)
		return MATCH_NO_MEMORY;
	MatchSort(model->shared, scratch, n, 0);
	for (int64_t i = 0; i < n; i++)
		if (i == 0 || model->shared[i] != model->shared[i - 1])
			model->shared[core->n_shared++] = model->shared[i];
	return MATCH_OK;
}

/*
 * A source whose records match others' but hardly ever each other holds every
 * person once.
 */
static MatchStatus
LearnDeduplicated(Learner *learner)
{
	const MatchRecords *records = learner->records;
	MatchModel *model = learner->model;
	int n = model->core.n_sources;
	double *own = MemoryZeroed(&learner->memory, n, sizeof(double));
	double *other = MemoryZeroed(&learner->memory, n, sizeof(double));

	if (own == NULL || other == NULL)
		return MATCH_NO_MEMORY;
	for (int64_t i = 0; i < learner->n_samples; i++)
	{
		int a = records->rows[learner->samples[i].a].source;
		int b = records->rows[learner->samples[i].b].source;

		if (learner->match[i] < 0.9f)
			continue;
		if (a == b)
			own[a] += learner->match[i];
		else
		{
			other[a] += learner->match[i];
			other[b] += learner->match[i];
		}
	}
	for (int s = 0; s < n; s++)
	{
		MatchDeduplicated *deduplicated = &model->sources[s].deduplicated;

		if (*deduplicated != MATCH_DEDUPLICATED_UNKNOWN)
			continue;
		*deduplicated = other[s] >= 20.0 && own[s] <= OWN_PAIRS * other[s]
			? (MatchDeduplicated) DEDUPLICATED_LEARNED
			: MATCH_DEDUPLICATED_NO;
	}
	return MATCH_OK;
}

static MatchStatus
Learn(Learner *learner)
{
	MatchStatus status = SamplePairs(learner);

	if (status == MATCH_OK)
		status = SampleRandom(learner);
	if (status == MATCH_OK)
		status = Estimate(learner);
	if (status == MATCH_OK)
		status = JudgeSamples(learner);
	for (int f = 0; f < FREQUENCIES && status == MATCH_OK; f++)
	{
		LearnOthers(learner, f);
		status = LearnEntries(learner, f);
	}
	if (status == MATCH_OK)
		status = LearnDeduplicated(learner);
	if (status == MATCH_OK)
		status = ChoosePasses(learner);
	PairsClose(&learner->memory, &learner->pairs);
	if (status == MATCH_OK)
		status = LearnShared(learner);
	if (status == MATCH_OK)
		status = LearnStopped(learner);
	return status;
}

MatchStatus
MatchLearn(MatchRecords *records, const MatchRun *run, MatchModel **model)
{
	Learner learner = {.records = records, .run = run};
	const MatchMemory *hooks = &records->memory.hooks;
	MatchStatus status = MATCH_OK;

	*model = NULL;
	if (!records->prepared)
		return MATCH_BAD_INPUT;
	if (records->n < 2)
		return MatchModelDefault(hooks, &records->settings, model);
	learner.memory.hooks = *hooks;
	learner.model = ModelCreate(hooks, &records->settings);
	if (learner.model == NULL)
		return MATCH_NO_MEMORY;
	learner.model->core.n_records = records->n;
	FindFields(&learner);
	for (int i = 0; i < MatchThreads(run) && status == MATCH_OK; i++)
	{
		learner.caches[i] =
			MemoryZeroed(&learner.memory, 1, sizeof(CompareCache));
		if (learner.caches[i] == NULL)
			status = MATCH_NO_MEMORY;
	}
	if (status == MATCH_OK)
		status = Learn(&learner);
	MemoryRelease(&learner.memory);
	if (status != MATCH_OK)
	{
		MatchModelFree(learner.model);
		return status;
	}
	ModelDerive(learner.model);
	*model = learner.model;
	return MATCH_OK;
}
