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
#include "match_learn.h"

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
/* A source is de-duplicated when its own pairs are this share of the others. */
#define OWN_PAIRS 0.003

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

/* ---- sources ---- */

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
