/*-------------------------------------------------------------------------
 *
 * match_model.c
 *	  The model: created, derived, written, read, asked and bound to records.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_internal.h"

#include <math.h>
#include <string.h>

#define MODEL_MAGIC UINT64_C(0x4c45444f4d545250)
#define MODEL_VERSION 1
/* A value that nobody else was seen with is somebody else's as rarely as
 * this, in rows. */
#define LEAST_OTHERS 0.05
/* No model is learned with larger blocks. */
#define MOST_BLOCK 100000

MatchModel *
ModelCreate(const MatchMemory *hooks, const MatchSettings *settings)
{
	MatchModel *model = hooks->alloc(hooks->context, sizeof(MatchModel));
	ModelCore *core;

	if (model == NULL)
		return NULL;
	memset(model, 0, sizeof(MatchModel));
	model->memory.hooks = *hooks;
	core = &model->core;
	core->magic = MODEL_MAGIC;
	core->version = MODEL_VERSION;
	core->size = sizeof(ModelCore);
	core->merge_probability = settings->merge_probability;
	core->review_probability = settings->review_probability;
	core->idle_days = settings->idle_days;
	core->max_cluster = settings->max_cluster;
	core->n_types = settings->n_types;
	core->n_sources = settings->n_sources;
	core->n_attributes = settings->n_attributes;
	if (settings->n_types > 0)
		memcpy(model->types, settings->types,
			   (size_t) settings->n_types * sizeof(MatchType));
	model->sources =
		MemoryAlloc(&model->memory, settings->n_sources, sizeof(MatchSource));
	if (model->sources == NULL)
	{
		MatchModelFree(model);
		return NULL;
	}
	memcpy(model->sources, settings->sources,
		   (size_t) settings->n_sources * sizeof(MatchSource));
	return model;
}

static float
Log2(double x)
{
	return (float) log2(x < 1e-30 ? 1e-30 : x);
}

static float
Most(float a, float b)
{
	return a > b ? a : b;
}

/*
 * Bounds of what a field can say, for pairs that need not be compared in full.
 */
static void
DeriveBounds(MatchModel *model)
{
	for (int f = 0; f < FIELDS; f++)
	{
		const int *parents = FieldParents(f);
		float two = -1000.0f;
		float home = -1000.0f;

		for (int l = LEVEL_EXACT + 1; l < LevelCount(f); l++)
		{
			two = Most(two, model->log_m[f][l] - model->log_u[f][l]);
			home = Most(home, model->log_m[f][l] - model->log_h[f][l]);
			for (int i = 0; parents[i] >= 0; i++)
				for (int p = 1; p < LevelCount(parents[i]); p++)
				{
					float m = model->log_m_given[f][i][p][l];

					two = Most(two, m - model->log_u_given[f][i][p][l]);
					home = Most(home, m - model->log_h[f][l]);
				}
		}
		model->log_most[f] = two;
		model->log_most_home[f] = home;
	}
}

void
ModelDerive(MatchModel *model)
{
	ModelCore *core = &model->core;

	for (int f = 0; f < FIELDS; f++)
		for (int l = 0; l < MAX_LEVELS; l++)
		{
			model->log_m[f][l] = l == 0 ? 0 : Log2(core->m[f][l]);
			model->log_u[f][l] = l == 0 ? 0 : Log2(core->u[f][l]);
			model->log_h[f][l] = l == 0 ? 0 : Log2(core->h[f][l]);
			for (int i = 0; i < MAX_PARENTS; i++)
				for (int p = 0; p < MAX_LEVELS; p++)
				{
					model->log_m_given[f][i][p][l] =
						l == 0 ? 0 : Log2(core->m_given[f][i][p][l]);
					model->log_u_given[f][i][p][l] =
						l == 0 ? 0 : Log2(core->u_given[f][i][p][l]);
				}
		}
	model->log_prior = Log2(core->prior);
	model->log_household = Log2(core->household_prior);
	model->merge_weight =
		Log2(core->merge_probability) - Log2(1.0 - core->merge_probability);
	model->review_weight =
		Log2(core->review_probability) - Log2(1.0 - core->review_probability);
	DeriveBounds(model);
}

int
RarityClass(uint32_t count)
{
	return count <= 2 ? 0
		: count <= 3  ? 1
		: count <= 5  ? 2
		: count <= 9  ? 3
		: count < 20  ? 4
					  : 5;
}

/*
 * A person has the value: the chance that a given other one has it too, from
 * the rows that have it but for the first, as far as these are of others.
 */
float
ModelRarity(const MatchModel *model, int frequency, uint32_t count)
{
	const ModelCore *core = &model->core;
	double others = ((count < 2 ? 2 : count) - 1) *
		core->others[frequency][RarityClass(count)];

	if (core->n_filled[frequency] < 1.0)
		return 0.0f;
	if (others < LEAST_OTHERS)
		others = LEAST_OTHERS;
	return Log2(others / core->n_filled[frequency]);
}

bool
Contains(const uint64_t *sorted, int64_t n, uint64_t item)
{
	int64_t low = 0;
	int64_t left = n;

	while (left > 0)
	{
		int64_t half = left / 2;

		if (sorted[low + half] < item)
		{
			low += half + 1;
			left -= half + 1;
		}
		else
			left = half;
	}
	return low < n && sorted[low] == item;
}

/*
 * What linkage of people usually looks like; the data then correct it.
 */
void
ExperienceLevels(int field, double *m, double *u)
{
	static const double name_m[] = {0, .88, .06, .02, .015, .025};
	static const double name_u[] = {0, .004, .004, .012, .08, .90};
	static const double order_m[] = {0, .97, .03};
	static const double birth_m[] = {0, .88, .06, .01, .015, .01, .01, .015};
	static const double birth_u[] = {0,	   .0001, .001, .001,
									 .004, .01,	  .02,	.9639};
	static const double equal_m[] = {0, .90, .10};
	static const double gender_m[] = {0, .98, .02};
	static const double gender_u[] = {0, .50, .50};
	static const double exact_u[] = {0, .00001, .99999};
	static const double phone_m[] = {0, .80, .05, .03, .12};
	static const double phone_u[] = {0, .00001, .0001, .0005, .99939};
	static const double number_m[] = {0, .85, .08, .02, .05};
	static const double number_u[] = {0, .00001, .0001, .001, .99889};
	static const double email_m[] = {0, .75, .08, .05, .04, .08};
	static const double email_u[] = {0, .00001, .0001, .0005, .01, .98939};
	static const double address_m[] = {0, .60, .15, .08, .05, .12};
	static const double address_u[] = {0, .0001, .001, .005, .04, .9539};
	static const double postcode_m[] = {0, .80, .07, .03, .10};
	static const double postcode_u[] = {0, .002, .01, .03, .958};
	static const double text_m[] = {0, .80, .08, .12};
	static const double text_u[] = {0, .03, .02, .95};
	const double *of_m = text_m;
	const double *of_u = text_u;
	int n = LevelCount(field);

	switch (field)
	{
		case FIELD_GIVEN:
		case FIELD_SURNAME:
			of_m = name_m, of_u = name_u;
			break;
		case FIELD_ORDER:
			of_m = order_m, of_u = order_m;
			break;
		case FIELD_BIRTH:
			of_m = birth_m, of_u = birth_u;
			break;
		case FIELD_GENDER:
			of_m = gender_m, of_u = gender_u;
			break;
		case FIELD_PHONE:
			of_m = phone_m, of_u = phone_u;
			break;
		case FIELD_EMAIL:
			of_m = email_m, of_u = email_u;
			break;
		case FIELD_NUMBER:
		case FIELD_NUMBER2:
			of_m = number_m, of_u = number_u;
			break;
		case FIELD_EXACT:
		case FIELD_EXACT2:
			of_m = equal_m, of_u = exact_u;
			break;
		case FIELD_ADDRESS:
			of_m = address_m, of_u = address_u;
			break;
		case FIELD_POSTCODE:
			of_m = postcode_m, of_u = postcode_u;
			break;
		default:
			break;
	}
	for (int i = 0; i < MAX_LEVELS; i++)
	{
		m[i] = i < n ? of_m[i] : 0.0;
		u[i] = i < n ? of_u[i] : 0.0;
	}
}

MatchStatus
MatchModelDefault(const MatchMemory *hooks, const MatchSettings *settings,
				  MatchModel **model)
{
	/* the cheap ones; numbers of match_block.c */
	static const int cheap[] = {0, 1, 2, 3, 4, 5, 6, 10, 11, 12, 13};
	ModelCore *core;

	*model = ModelCreate(hooks, settings);
	if (*model == NULL)
		return MATCH_NO_MEMORY;
	core = &(*model)->core;
	core->n_records = 0;
	core->prior = 1e-5;
	core->household_prior = 1e-5;
	core->block_limit = 500;
	for (int f = 0; f < FIELDS; f++)
	{
		ExperienceLevels(f, core->m[f], core->u[f]);
		memcpy(core->h[f], core->m[f], sizeof(core->h[f]));
		for (int i = 0; i < MAX_PARENTS; i++)
			for (int p = 0; p < MAX_LEVELS; p++)
			{
				memcpy(core->m_given[f][i][p], core->m[f], sizeof(core->m[f]));
				memcpy(core->u_given[f][i][p], core->u[f], sizeof(core->u[f]));
			}
		core->present[f] = 1;
	}
	for (int i = 0; i < MAX_LEVELS; i++)
		core->u[FIELD_ORDER][i] = 1.0;
	core->n_passes = (int32_t) (sizeof(cheap) / sizeof(cheap[0]));
	for (int i = 0; i < core->n_passes; i++)
		core->passes[i] = cheap[i];
	/* no frequencies: u of the levels is used */
	ModelDerive(*model);
	return MATCH_OK;
}

/* ---- bytes ---- */

static uint64_t
Checksum(const char *bytes, size_t size)
{
	return MatchHash(MODEL_VERSION, bytes, size);
}

size_t
MatchModelSize(const MatchModel *model)
{
	const ModelCore *core = &model->core;
	size_t size = sizeof(ModelCore) +
		(size_t) core->n_types * sizeof(MatchType) +
		(size_t) core->n_sources * sizeof(MatchSource) +
		(size_t) (core->n_stopped + core->n_shared) * sizeof(uint64_t) +
		sizeof(uint64_t);

	for (int i = 0; i < FREQUENCIES; i++)
		size +=
			(size_t) core->n_entries[i] * (sizeof(uint64_t) + sizeof(uint32_t));
	return size;
}

static char *
Put(char *at, const void *data, size_t size)
{
	if (size > 0)
		memcpy(at, data, size);
	return at + size;
}

void
MatchModelWrite(const MatchModel *model, void *bytes)
{
	const ModelCore *core = &model->core;
	char *at = bytes;
	uint64_t checksum;

	at = Put(at, core, sizeof(ModelCore));
	for (int i = 0; i < core->n_types; i++)
	{
		MatchType type;

		/* padding has no content of its own */
		memset(&type, 0, sizeof(type));
		type.code = model->types[i].code;
		type.kind = model->types[i].kind;
		type.unique = model->types[i].unique;
		type.single = model->types[i].single;
		type.max_members = model->types[i].max_members;
		type.max_values = model->types[i].max_values;
		at = Put(at, &type, sizeof(type));
	}
	for (int i = 0; i < core->n_sources; i++)
	{
		MatchSource source;

		memset(&source, 0, sizeof(source));
		source.code = model->sources[i].code;
		source.deduplicated = model->sources[i].deduplicated;
		at = Put(at, &source, sizeof(source));
	}
	for (int i = 0; i < FREQUENCIES; i++)
		for (int64_t j = 0; j < core->n_entries[i]; j++)
		{
			at = Put(at, &model->entries[i][j].hash, sizeof(uint64_t));
			at = Put(at, &model->entries[i][j].count, sizeof(uint32_t));
		}
	at = Put(at, model->stopped, (size_t) core->n_stopped * sizeof(uint64_t));
	at = Put(at, model->shared, (size_t) core->n_shared * sizeof(uint64_t));
	checksum = Checksum(bytes, (size_t) (at - (char *) bytes));
	(void) Put(at, &checksum, sizeof(checksum));
}

static bool
LevelsAreGood(const double (*levels)[MAX_LEVELS], int n)
{
	for (int f = 0; f < n; f++)
		for (int l = 0; l < MAX_LEVELS; l++)
			if (!(levels[f][l] >= 0.0 && levels[f][l] <= 1.0))
				return false;
	return true;
}

/*
 * Numbers that later code relies on.
 */
static bool
CoreIsGood(const ModelCore *core, size_t size)
{
	int64_t most = (int64_t) size / 8;

	if (core->magic != MODEL_MAGIC || core->version != MODEL_VERSION ||
		core->size != sizeof(ModelCore) || core->n_types < 0 ||
		core->n_types > MATCH_MAX_TYPES || core->n_sources < 1 ||
		core->n_sources > MATCH_MAX_SOURCES || core->n_attributes < 0 ||
		core->n_attributes > MATCH_MAX_ATTRIBUTES || core->n_passes < 0 ||
		core->n_passes > MAX_PASSES || core->n_stopped < 0 ||
		core->n_stopped > most || core->n_shared < 0 || core->n_shared > most ||
		core->block_limit < 1 || core->block_limit > MOST_BLOCK ||
		core->max_cluster < 1 || core->idle_days < 0 ||
		!(core->prior > 0.0 && core->prior < 1.0) ||
		!(core->household_prior >= 0.0 && core->household_prior < 1.0) ||
		!(core->merge_probability > 0.0 && core->merge_probability < 1.0) ||
		!(core->review_probability > 0.0 && core->review_probability < 1.0) ||
		!LevelsAreGood(core->m, FIELDS) || !LevelsAreGood(core->u, FIELDS) ||
		!LevelsAreGood(core->h, FIELDS))
		return false;
	for (int i = 0; i < core->n_passes; i++)
		if (core->passes[i] < 0 || core->passes[i] >= PassCount())
			return false;
	for (int f = 0; f < FIELDS; f++)
		for (int i = 0; i < MAX_PARENTS; i++)
			if (!LevelsAreGood(core->m_given[f][i], MAX_LEVELS) ||
				!LevelsAreGood(core->u_given[f][i], MAX_LEVELS))
				return false;
	for (int i = 0; i < FREQUENCIES; i++)
	{
		if (core->n_entries[i] < 0 || core->n_entries[i] > most ||
			!(core->n_filled[i] >= 0.0 && core->n_filled[i] <= 1e18))
			return false;
		for (int c = 0; c < RARITY_CLASSES; c++)
			if (!(core->others[i][c] >= 0.0 && core->others[i][c] <= 1e9))
				return false;
	}
	return true;
}

static MatchStatus
ReadArrays(MatchModel *model, const char *at)
{
	ModelCore *core = &model->core;
	Memory *memory = &model->memory;

	if (core->n_types > 0)
		memcpy(model->types, at, (size_t) core->n_types * sizeof(MatchType));
	at += (size_t) core->n_types * sizeof(MatchType);
	model->sources = MemoryAlloc(memory, core->n_sources, sizeof(MatchSource));
	model->stopped = MemoryAlloc(memory, core->n_stopped + 1, sizeof(uint64_t));
	model->shared = MemoryAlloc(memory, core->n_shared + 1, sizeof(uint64_t));
	if (model->sources == NULL || model->stopped == NULL ||
		model->shared == NULL)
		return MATCH_NO_MEMORY;
	memcpy(model->sources, at, (size_t) core->n_sources * sizeof(MatchSource));
	at += (size_t) core->n_sources * sizeof(MatchSource);
	for (int i = 0; i < FREQUENCIES; i++)
	{
		model->entries[i] =
			MemoryAlloc(memory, core->n_entries[i] + 1, sizeof(FrequencyEntry));
		if (model->entries[i] == NULL)
			return MATCH_NO_MEMORY;
		for (int64_t j = 0; j < core->n_entries[i]; j++)
		{
			memcpy(&model->entries[i][j].hash, at, sizeof(uint64_t));
			memcpy(&model->entries[i][j].count, at + sizeof(uint64_t),
				   sizeof(uint32_t));
			at += sizeof(uint64_t) + sizeof(uint32_t);
		}
	}
	memcpy(model->stopped, at, (size_t) core->n_stopped * sizeof(uint64_t));
	at += (size_t) core->n_stopped * sizeof(uint64_t);
	memcpy(model->shared, at, (size_t) core->n_shared * sizeof(uint64_t));
	return MATCH_OK;
}

MatchStatus
MatchModelRead(const MatchMemory *hooks, const void *bytes, size_t size,
			   MatchModel **model)
{
	MatchModel *read;
	uint64_t checksum;
	MatchStatus status;

	*model = NULL;
	if (size < sizeof(ModelCore) + sizeof(checksum))
		return MATCH_BAD_MODEL;
	memcpy(&checksum, (const char *) bytes + size - sizeof(checksum),
		   sizeof(checksum));
	if (checksum != Checksum(bytes, size - sizeof(checksum)))
		return MATCH_BAD_MODEL;
	read = hooks->alloc(hooks->context, sizeof(MatchModel));
	if (read == NULL)
		return MATCH_NO_MEMORY;
	memset(read, 0, sizeof(MatchModel));
	read->memory.hooks = *hooks;
	memcpy(&read->core, bytes, sizeof(ModelCore));
	if (!CoreIsGood(&read->core, size) || MatchModelSize(read) != size)
		status = MATCH_BAD_MODEL;
	else
		status = ReadArrays(read, (const char *) bytes + sizeof(ModelCore));
	if (status != MATCH_OK)
	{
		MatchModelFree(read);
		return status;
	}
	ModelDerive(read);
	*model = read;
	return MATCH_OK;
}

bool
MatchModelFits(const MatchModel *model, const MatchSettings *settings)
{
	if (model->core.n_types != settings->n_types ||
		model->core.n_sources != settings->n_sources ||
		model->core.n_attributes != settings->n_attributes)
		return false;
	for (int i = 0; i < settings->n_types; i++)
		if (model->types[i].code != settings->types[i].code ||
			model->types[i].kind != settings->types[i].kind)
			return false;
	for (int i = 0; i < settings->n_sources; i++)
		if (model->sources[i].code != settings->sources[i].code)
			return false;
	return true;
}

void
MatchModelFree(MatchModel *model)
{
	MatchMemory hooks;

	if (model == NULL)
		return;
	hooks = model->memory.hooks;
	MemoryRelease(&model->memory);
	hooks.release(hooks.context, model);
}

/* ---- questions ---- */

int
MatchFieldCount(const MatchModel *model)
{
	(void) model;
	return FIELDS;
}

const char *
MatchFieldName(const MatchModel *model, int field)
{
	(void) model;
	return FieldName(field);
}

const char *
MatchLevelName(const MatchModel *model, int field, int level)
{
	(void) model;
	return LevelName(field, level);
}

void
MatchFieldLevel(const MatchModel *model, int field, int level, double *m,
				double *u)
{
	*m = *u = 0.0;
	if (LevelName(field, level) == NULL || !model->core.present[field])
		return;
	*m = model->core.m[field][level];
	*u = model->core.u[field][level];
}

double
MatchModelPrior(const MatchModel *model)
{
	return model->core.prior;
}

MatchDeduplicated
MatchModelDeduplicated(const MatchModel *model, int source)
{
	if (source < 0 || source >= model->core.n_sources)
		return MATCH_DEDUPLICATED_UNKNOWN;
	return (int) model->sources[source].deduplicated == DEDUPLICATED_LEARNED
		? MATCH_DEDUPLICATED_YES
		: model->sources[source].deduplicated;
}

int
MatchPassCount(const MatchModel *model)
{
	return model->core.n_passes;
}

const char *
MatchPassName(const MatchModel *model, int pass)
{
	if (pass < 0 || pass >= model->core.n_passes)
		return NULL;
	return PassName(model->core.passes[pass]);
}

/* ---- binding ---- */

#define BIND_VALUES 32768

typedef struct Binding
{
	MatchRecords *records;
	const MatchModel *model;
	int64_t first_task[FREQUENCIES + 1];
} Binding;

static int
FrequencySet(int frequency)
{
	return frequency <= FREQUENCY_SURNAME
		? SET_NAME
		: frequency - FREQUENCY_BIRTH + SET_BIRTH;
}

static uint32_t
EntryCount(const MatchModel *model, int frequency, uint64_t hash)
{
	const FrequencyEntry *entries = model->entries[frequency];
	int64_t low = 0;
	int64_t n = model->core.n_entries[frequency];

	while (n > 0)
	{
		int64_t half = n / 2;

		if (entries[low + half].hash < hash)
		{
			low += half + 1;
			n -= half + 1;
		}
		else
			n = half;
	}
	return low < model->core.n_entries[frequency] && entries[low].hash == hash
		? entries[low].count
		: 1;
}

static void
BindRange(void *context, int64_t task, int worker)
{
	Binding *binding = context;
	const MatchModel *model = binding->model;
	int frequency = 0;
	Values *values;
	int64_t end;

	(void) worker;
	while (task >= binding->first_task[frequency + 1])
		frequency++;
	values = &binding->records->values[FrequencySet(frequency)];
	task -= binding->first_task[frequency];
	end = (task + 1) * BIND_VALUES;
	if (end > values->n)
		end = values->n;
	for (int64_t i = task * BIND_VALUES; i < end; i++)
	{
		uint32_t count = EntryCount(model, frequency, values->hash[i]);

		if (model->core.n_filled[frequency] < 1.0)
			values->rarity[frequency == FREQUENCY_SURNAME][i] = 1.0f;
		else
			values->rarity[frequency == FREQUENCY_SURNAME][i] =
				ModelRarity(model, frequency, count);
		if (frequency == FREQUENCY_IDENTIFIER)
			values->shared[i] =
				Contains(model->shared, model->core.n_shared, values->hash[i]);
	}
}

/*
 * Is this identifier one that more records have than people may share?  The
 * same person may have several records, so the limit is a multiple.
 */
bool
IsOverShared(const MatchModel *model, const MatchRecords *records,
			 const Identifier *identifier)
{
	int limit = model->types[identifier->type].max_members;

	return limit > 0 &&
		records->values[SET_IDENTIFIER].count[0][identifier->value] >
		(int64_t) limit * 4 + 4;
}

/*
 * Values that came to be shared since the model was learned.
 */
static void
ShareMore(MatchRecords *records, const MatchModel *model)
{
	Values *values = &records->values[SET_IDENTIFIER];

	if (values->n > 1)
		for (int64_t i = 0; i < records->n_identifiers; i++)
			if (IsOverShared(model, records, &records->identifiers[i]))
				values->shared[records->identifiers[i].value] = 1;
}

MatchStatus
MatchBind(MatchRecords *records, const MatchModel *model, const MatchRun *run)
{
	Binding binding = {.records = records, .model = model};
	Memory *memory = &records->memory;
	MatchStatus status;

	if (!records->prepared ||
		records->settings.n_types != model->core.n_types ||
		records->settings.n_sources != model->core.n_sources ||
		records->settings.n_attributes != model->core.n_attributes)
		return MATCH_BAD_INPUT;
	for (int f = 0; f < FREQUENCIES; f++)
	{
		Values *values = &records->values[FrequencySet(f)];
		int column = f == FREQUENCY_SURNAME;

		binding.first_task[f + 1] = binding.first_task[f];
		if (values->n <= 1)
			continue;
		MemoryDrop(memory, values->rarity[column]);
		values->rarity[column] = MemoryAlloc(memory, values->n, sizeof(float));
		if (values->rarity[column] == NULL)
			return MATCH_NO_MEMORY;
		if (f == FREQUENCY_IDENTIFIER)
		{
			MemoryDrop(memory, values->shared);
			values->shared = MemoryAlloc(memory, values->n, sizeof(uint8_t));
			if (values->shared == NULL)
				return MATCH_NO_MEMORY;
		}
		binding.first_task[f + 1] +=
			(values->n + BIND_VALUES - 1) / BIND_VALUES;
	}
	records->settings.idle_days = model->core.idle_days;
	records->model = model;
	status = MatchParallel(run, "bind", binding.first_task[FREQUENCIES],
						   BindRange, &binding);
	if (status == MATCH_OK)
		ShareMore(records, model);
	return status;
}
