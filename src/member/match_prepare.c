/*-------------------------------------------------------------------------
 *
 * match_prepare.c
 *	  Records as they come, and as columns of interned values.
 *
 * Adding copies a record into a chunk, nothing more; MatchPrepare() then sorts
 * by id and interns each set of values in a thread of its own.  Arrays of
 * values are as long as the rows could need; what is not used is never
 * touched.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_internal.h"

#include <string.h>

#define CHUNK_SIZE (INT64_C(1) << 22)
#define TASK_ROWS 16384

/* Before the texts of a record; lengths in the order of MatchColumn. */
typedef struct Added
{
	int32_t source;
	uint8_t n_identifiers;
	uint8_t length[MATCH_COLUMNS];
	uint64_t native[2]; /* of given name and surname */
} Added;

/* Before the value of an identifier. */
typedef struct AddedIdentifier
{
	int32_t from;
	int32_t to;
	uint8_t type;
	uint8_t verified;
	uint8_t length;
} AddedIdentifier;

/* Hash table of a set while it is built. */
typedef struct Interner
{
	MatchRecords *records;
	uint32_t *slots[SETS]; /* value numbers, 0: free */
	uint64_t mask[SETS];
	int tasks[SETS];
	int64_t first_task[SETS + 1];
	int part_set[SETS];
} Interner;

void
MatchSettingsDefault(MatchSettings *settings)
{
	*settings = (MatchSettings){.merge_probability = 0.5,
								.review_probability = 0.05,
								.idle_days = 90,
								.max_cluster = 100};
}

static bool
SettingsAreGood(const MatchSettings *settings)
{
	return settings->n_types >= 0 && settings->n_types <= MATCH_MAX_TYPES &&
		settings->n_sources >= 1 && settings->n_sources <= MATCH_MAX_SOURCES &&
		settings->n_attributes >= 0 &&
		settings->n_attributes <= MATCH_MAX_ATTRIBUTES &&
		settings->merge_probability > 0.0 &&
		settings->merge_probability < 1.0 &&
		settings->review_probability > 0.0 &&
		settings->review_probability <= settings->merge_probability &&
		settings->max_cluster >= 1 && settings->idle_days >= 0;
}

MatchStatus
MatchRecordsCreate(const MatchMemory *hooks, const MatchSettings *settings,
				   int64_t expected, MatchRecords **records)
{
	Memory memory = {.hooks = *hooks};
	MatchRecords *r;

	*records = NULL;
	if (!SettingsAreGood(settings))
		return MATCH_BAD_INPUT;
	r = hooks->alloc(hooks->context, sizeof(MatchRecords));
	if (r == NULL)
		return MATCH_NO_MEMORY;
	memset(r, 0, sizeof(MatchRecords));
	r->memory = memory;
	r->settings = *settings;
	if (settings->n_types > 0)
		memcpy(r->types, settings->types,
			   (size_t) settings->n_types * sizeof(MatchType));
	r->settings.types = r->types;
	r->sources =
		MemoryAlloc(&r->memory, settings->n_sources, sizeof(MatchSource));
	if (expected < 0 || expected > MATCH_MAX_RECORDS)
		expected = 0;
	if (r->sources == NULL ||
		!MemoryGrow(&r->memory, &r->added, &r->room, 0, expected + 1,
					sizeof(*r->added)) ||
		(r->added_id = MemoryAlloc(&r->memory, r->room, sizeof(int64_t))) ==
			NULL)
	{
		MatchRecordsFree(r);
		return MATCH_NO_MEMORY;
	}
	memcpy(r->sources, settings->sources,
		   (size_t) settings->n_sources * sizeof(MatchSource));
	r->settings.sources = r->sources;
	*records = r;
	return MATCH_OK;
}

static uint8_t
CutText(uint32_t length)
{
	return length > MATCH_MAX_TEXT ? MATCH_MAX_TEXT : (uint8_t) length;
}

static bool
GrowRows(MatchRecords *records)
{
	int64_t room = records->room;

	return MemoryGrow(&records->memory, &records->added_id, &room, records->n,
					  records->n + 1, sizeof(int64_t)) &&
		MemoryGrow(&records->memory, &records->added, &records->room,
				   records->n, records->n + 1, sizeof(*records->added));
}

static uint8_t *
Place(MatchRecords *records, int64_t size)
{
	uint8_t *at;

	size = (size + 7) / 8 * 8;
	if (size > records->chunk_left)
	{
		/* small sets, as for one new record, take small chunks */
		int64_t chunk = records->n < 64 ? INT64_C(1) << 14 : CHUNK_SIZE;

		if (chunk < size)
			chunk = size;
		records->chunk = MemoryAlloc(&records->memory, chunk, 1);
		if (records->chunk == NULL)
		{
			records->chunk_left = 0;
			return NULL;
		}
		records->chunk_left = chunk;
	}
	at = records->chunk;
	records->chunk += size;
	records->chunk_left -= size;
	return at;
}

MatchStatus
MatchRecordsAdd(MatchRecords *records, const MatchInput *input)
{
	Added added = {.source = input->source};
	int64_t size = sizeof(Added);
	uint8_t *at;
	uint8_t *begin;

	if (records->prepared || records->n >= MATCH_MAX_RECORDS ||
		input->source < 0 || input->source >= records->settings.n_sources ||
		input->n_identifiers < 0)
		return MATCH_BAD_INPUT;
	for (int i = 0; i < MATCH_COLUMNS; i++)
	{
		if (i >= MATCH_ATTRIBUTE + records->settings.n_attributes)
			break;
		added.length[i] = CutText(input->text[i].length);
		records->has[i] |= added.length[i] > 0;
		size += added.length[i];
	}
	added.native[0] = input->text[MATCH_GIVEN_NAME].native;
	added.native[1] = input->text[MATCH_SURNAME].native;
	for (int i = 0; i < input->n_identifiers; i++)
	{
		const MatchIdentifier *identifier = &input->identifiers[i];

		if (identifier->type < 0 ||
			identifier->type >= records->settings.n_types)
			return MATCH_BAD_INPUT;
		if (identifier->length == 0 ||
			added.n_identifiers == MATCH_MAX_IDENTIFIERS)
			continue;
		added.n_identifiers++;
		size += (int64_t) sizeof(AddedIdentifier) + CutText(identifier->length);
	}
	if (records->n == records->room && !GrowRows(records))
		return MATCH_NO_MEMORY;
	begin = at = Place(records, size);
	if (at == NULL)
		return MATCH_NO_MEMORY;
	memcpy(at, &added, sizeof(added));
	at += sizeof(added);
	for (int i = 0; i < MATCH_COLUMNS; i++)
		if (added.length[i] > 0)
		{
			memcpy(at, input->text[i].data, added.length[i]);
			at += added.length[i];
		}
	for (int i = 0, n = 0; n < added.n_identifiers; i++)
	{
		const MatchIdentifier *identifier = &input->identifiers[i];
		AddedIdentifier head = {.from = identifier->valid_from,
								.to = identifier->valid_to,
								.type = (uint8_t) identifier->type,
								.verified = identifier->verified,
								.length = CutText(identifier->length)};

		if (identifier->length == 0)
			continue;
		memcpy(at, &head, sizeof(head));
		at += sizeof(head);
		memcpy(at, identifier->data, head.length);
		at += head.length;
		n++;
	}
	records->n_identifiers += added.n_identifiers;
	records->added[records->n] = begin;
	records->added_id[records->n++] = input->id;
	return MATCH_OK;
}

/* ---- interning ---- */

/*
 * Give a value its number, and count it.
 */
static uint32_t
Intern(Interner *interner, int set, const char *text, int length, uint64_t seed,
	   uint64_t native, int column)
{
	Values *values = &interner->records->values[set];
	uint64_t folded = MatchHash(seed, text, (size_t) length);
	uint64_t hash = native == 0 ? folded : MatchMix(folded, native) | 1;
	uint64_t slot = hash & interner->mask[set];
	uint32_t value;

	while ((value = interner->slots[set][slot]) != 0 &&
		   values->hash[value] != hash)
		slot = (slot + 1) & interner->mask[set];
	if (value == 0)
	{
		value = values->n++;
		interner->slots[set][slot] = value;
		values->text[value] = text;
		values->length[value] = (uint8_t) length;
		values->hash[value] = hash;
		values->count[0][value] = 0;
		if (set == SET_NAME)
		{
			values->folded[value] = folded;
			values->native[value] = native != 0;
			values->count[1][value] = 0;
		}
		if (set == SET_BIRTH)
			(void) ReadDate(text, length, &values->date[value]);
	}
	values->count[column][value]++;
	return value;
}

/* Where the texts of a record begin. */
static const char *
AddedTexts(const uint8_t *added, Added *head, const char **texts)
{
	const char *at = (const char *) added + sizeof(Added);

	memcpy(head, added, sizeof(Added));
	for (int i = 0; i < MATCH_COLUMNS; i++)
	{
		texts[i] = at;
		at += head->length[i];
	}
	return at;
}

/*
 * A name in one piece: the last word is the surname.
 */
static void
InternFullName(Interner *interner, Row *row, const char *text, int length)
{
	int last = length;

	while (last > 0 && text[last - 1] != ' ')
		last--;
	if (last < length)
		row->cell[CELL_SURNAME] = Intern(interner, SET_NAME, text + last,
										 length - last, SET_NAME, 0, 1);
	while (last > 0 && text[last - 1] == ' ')
		last--;
	if (last > 0)
		row->cell[CELL_GIVEN] =
			Intern(interner, SET_NAME, text, last, SET_NAME, 0, 0);
}

static void
InternNames(Interner *interner, Row *row, const Added *head,
			const char *const *texts)
{
	if (head->length[MATCH_GIVEN_NAME] > 0)
		row->cell[CELL_GIVEN] = Intern(
			interner, SET_NAME, texts[MATCH_GIVEN_NAME],
			head->length[MATCH_GIVEN_NAME], SET_NAME, head->native[0], 0);
	if (head->length[MATCH_SURNAME] > 0)
		row->cell[CELL_SURNAME] =
			Intern(interner, SET_NAME, texts[MATCH_SURNAME],
				   head->length[MATCH_SURNAME], SET_NAME, head->native[1], 1);
	if (row->cell[CELL_GIVEN] == 0 && row->cell[CELL_SURNAME] == 0)
		InternFullName(interner, row, texts[MATCH_FULL_NAME],
					   head->length[MATCH_FULL_NAME]);
}

/*
 * Phones have one space of values, and so have e-mails; other types one each.
 */
static uint64_t
IdentifierSeed(const MatchRecords *records, int type)
{
	MatchKind kind = records->types[type].kind;

	if (kind == MATCH_KIND_PHONE || kind == MATCH_KIND_EMAIL)
		return 1000 + (uint64_t) kind;
	return 2000 + (uint64_t) records->types[type].code;
}

static void
InternIdentifiers(Interner *interner, Row *row, const Added *head,
				  const char *at)
{
	MatchRecords *records = interner->records;
	Identifier *identifiers = &records->identifiers[row->first_identifier];
	int n = 0;

	for (int i = 0; i < head->n_identifiers; i++)
	{
		AddedIdentifier added;
		Identifier identifier;

		memcpy(&added, at, sizeof(added));
		at += sizeof(added);
		identifier = (Identifier){
			.value = Intern(interner, SET_IDENTIFIER, at, added.length,
							IdentifierSeed(records, added.type), 0, 0),
			.from = added.from,
			.to = added.to,
			.type = added.type,
			.verified = added.verified};
		at += added.length;
		/* twice in one record is no evidence that people share it */
		for (int j = 0; j < n; j++)
			if (identifiers[j].value == identifier.value)
			{
				records->values[SET_IDENTIFIER].count[0][identifier.value]--;
				break;
			}
		identifiers[n++] = identifier;
	}
}

static int
SetCell(int set)
{
	static const int cells[] = {[SET_BIRTH] = CELL_BIRTH,
								[SET_ADDRESS] = CELL_ADDRESS,
								[SET_POSTCODE] = CELL_POSTCODE,
								[SET_CITY] = CELL_CITY,
								[SET_REGION] = CELL_REGION};

	if (set >= SET_ATTRIBUTE)
		return CELL_ATTRIBUTE + set - SET_ATTRIBUTE;
	return cells[set];
}

static int
SetColumn(int set)
{
	static const int columns[] = {[SET_BIRTH] = MATCH_BIRTH_DATE,
								  [SET_ADDRESS] = MATCH_ADDRESS,
								  [SET_POSTCODE] = MATCH_POSTCODE,
								  [SET_CITY] = MATCH_CITY,
								  [SET_REGION] = MATCH_REGION};

	if (set >= SET_ATTRIBUTE)
		return MATCH_ATTRIBUTE + set - SET_ATTRIBUTE;
	return columns[set];
}

static void
InternSet(void *context, int64_t set_task, int worker)
{
	Interner *interner = context;
	MatchRecords *records = interner->records;
	int set = interner->tasks[set_task];
	Added head;
	const char *texts[MATCH_COLUMNS];

	(void) worker;
	for (int64_t i = 0; i < records->n; i++)
	{
		Row *row = &records->rows[i];
		const char *end =
			AddedTexts(records->added[records->row_of[i]], &head, texts);

		if (set == SET_NAME)
			InternNames(interner, row, &head, texts);
		else if (set == SET_IDENTIFIER)
			InternIdentifiers(interner, row, &head, end);
		else if (head.length[SetColumn(set)] > 0)
			row->cell[SetCell(set)] =
				Intern(interner, set, texts[SetColumn(set)],
					   head.length[SetColumn(set)], (uint64_t) set, 0, 0);
	}
}

static bool
SetIsUsed(const MatchRecords *records, int set)
{
	if (set == SET_NAME)
		return records->has[MATCH_FULL_NAME] ||
			records->has[MATCH_GIVEN_NAME] || records->has[MATCH_SURNAME];
	if (set == SET_IDENTIFIER)
		return records->n_identifiers > 0;
	return records->has[SetColumn(set)];
}

static bool
CreateSet(Interner *interner, int set)
{
	MatchRecords *records = interner->records;
	Memory *memory = &records->memory;
	Values *values = &records->values[set];
	int64_t most = records->n + 1;
	uint64_t slots = 16;

	if (set == SET_NAME)
		most = 2 * records->n + 1;
	if (set == SET_IDENTIFIER)
		most = records->n_identifiers + 1;
	while (slots < (uint64_t) most * 3 / 2)
		slots *= 2;
	interner->mask[set] = slots - 1;
	interner->slots[set] =
		MemoryZeroed(memory, (int64_t) slots, sizeof(uint32_t));
	values->n = 1;
	values->text = MemoryAlloc(memory, most, sizeof(*values->text));
	values->length = MemoryAlloc(memory, most, sizeof(uint8_t));
	values->hash = MemoryAlloc(memory, most, sizeof(uint64_t));
	values->folded = values->hash;
	values->count[0] = MemoryAlloc(memory, most, sizeof(uint32_t));
	if (interner->slots[set] == NULL || values->text == NULL ||
		values->length == NULL || values->hash == NULL ||
		values->count[0] == NULL)
		return false;
	values->text[0] = "";
	values->length[0] = 0;
	values->hash[0] = 0;
	values->count[0][0] = 0;
	if (set == SET_NAME)
	{
		values->folded = MemoryAlloc(memory, most, sizeof(uint64_t));
		values->native = MemoryAlloc(memory, most, sizeof(uint8_t));
		values->count[1] = MemoryAlloc(memory, most, sizeof(uint32_t));
		if (values->folded == NULL || values->native == NULL ||
			values->count[1] == NULL)
			return false;
		values->folded[0] = 0;
		values->native[0] = 0;
		values->count[1][0] = 0;
	}
	if (set == SET_BIRTH)
	{
		values->date = MemoryAlloc(memory, most, sizeof(CompareDate));
		if (values->date == NULL)
			return false;
		values->date[0] = (CompareDate){0, 0, 0};
	}
	return true;
}

/* Blocking parts of values, a range at a time. */
static void
PrepareRange(void *context, int64_t task, int worker)
{
	Interner *interner = context;
	int set = 0;
	int64_t from;
	int64_t to;

	(void) worker;
	while (task >= interner->first_task[set + 1])
		set++;
	from = 1 + (task - interner->first_task[set]) * TASK_ROWS;
	to = from + TASK_ROWS;
	if (to > interner->records->values[set].n)
		to = interner->records->values[set].n;
	PrepareParts(interner->records, set, (uint32_t) from, (uint32_t) to);
}

static MatchStatus
PrepareAllParts(Interner *interner, const MatchRun *run)
{
	MatchRecords *records = interner->records;

	for (int set = 0; set < SETS; set++)
	{
		Values *values = &records->values[set];
		bool used = values->n > 1 &&
			(set == SET_NAME || set == SET_ADDRESS || set == SET_IDENTIFIER);

		interner->first_task[set + 1] = interner->first_task[set];
		if (!used)
			continue;
		for (int i = 0; i < 2; i++)
		{
			values->part[i] =
				MemoryAlloc(&records->memory, values->n, sizeof(uint32_t));
			if (values->part[i] == NULL)
				return MATCH_NO_MEMORY;
			values->part[i][0] = 0;
		}
		if (set != SET_NAME)
		{
			values->neighbours =
				MemoryAlloc(&records->memory, values->n, sizeof(uint64_t));
			if (values->neighbours == NULL)
				return MATCH_NO_MEMORY;
			values->neighbours[0] = 0;
		}
		interner->first_task[set + 1] +=
			((int64_t) values->n - 1 + TASK_ROWS - 1) / TASK_ROWS;
	}
	return MatchParallel(run, "prepare", interner->first_task[SETS],
						 PrepareRange, interner);
}

/*
 * Order by id: ranks.
 */
static MatchStatus
RankRows(MatchRecords *records)
{
	Memory *memory = &records->memory;
	int64_t n = records->n;
	bool sorted = true;

	records->id = MemoryAlloc(memory, n, sizeof(int64_t));
	records->rank = MemoryAlloc(memory, n, sizeof(uint32_t));
	records->row_of = MemoryAlloc(memory, n, sizeof(uint32_t));
	if (records->id == NULL || records->rank == NULL || records->row_of == NULL)
		return MATCH_NO_MEMORY;
	for (int64_t i = 0; i < n; i++)
		records->row_of[i] = (uint32_t) i;
	for (int64_t i = 1; i < n && sorted; i++)
		sorted = records->added_id[i - 1] < records->added_id[i];
	if (!sorted)
	{
		/* least significant digit first, 16 bits a turn */
		uint32_t *scratch = MemoryAlloc(memory, n, sizeof(uint32_t));
		uint32_t *start = MemoryAlloc(memory, 65536, sizeof(uint32_t));
		uint32_t *in = records->row_of;
		uint32_t *out = scratch;

		if (scratch == NULL || start == NULL)
			return MATCH_NO_MEMORY;
		for (int turn = 0; turn < 4; turn++)
		{
			uint32_t sum = 0;
			uint32_t *swap;

			memset(start, 0, 65536 * sizeof(uint32_t));
#define DIGIT(row)                                                            \
	((((uint64_t) records->added_id[row] ^ UINT64_C(1) << 63) >> turn * 16) & \
	 65535)
			for (int64_t i = 0; i < n; i++)
				start[DIGIT(in[i])]++;
			for (int i = 0; i < 65536; i++)
			{
				uint32_t count = start[i];

				start[i] = sum;
				sum += count;
			}
			for (int64_t i = 0; i < n; i++)
				out[start[DIGIT(in[i])]++] = in[i];
#undef DIGIT
			swap = in;
			in = out;
			out = swap;
		}
		MemoryDrop(memory, start);
		MemoryDrop(memory, scratch);
	}
	for (int64_t i = 0; i < n; i++)
	{
		records->id[i] = records->added_id[records->row_of[i]];
		records->rank[records->row_of[i]] = (uint32_t) i;
		if (i > 0 && records->id[i] == records->id[i - 1])
			return MATCH_BAD_INPUT;
	}
	return MATCH_OK;
}

static MatchStatus
CreateRows(MatchRecords *records)
{
	uint32_t identifiers = 0;

	records->rows = MemoryZeroed(&records->memory, records->n + 1, sizeof(Row));
	records->identifiers = MemoryAlloc(
		&records->memory, records->n_identifiers + 1, sizeof(Identifier));
	if (records->rows == NULL || records->identifiers == NULL)
		return MATCH_NO_MEMORY;
	for (int64_t i = 0; i < records->n; i++)
	{
		Row *row = &records->rows[i];
		const uint8_t *at = records->added[records->row_of[i]];
		Added head;

		memcpy(&head, at, sizeof(head));
		row->first_identifier = identifiers;
		row->n_identifiers = head.n_identifiers;
		row->source = (uint16_t) head.source;
		identifiers += head.n_identifiers;
		if (head.length[MATCH_GENDER] > 0)
		{
			char gender = (char)
				at[sizeof(Added) + head.length[MATCH_FULL_NAME] +
				   head.length[MATCH_GIVEN_NAME] + head.length[MATCH_SURNAME] +
				   head.length[MATCH_BIRTH_DATE]];

			row->cell[CELL_GENDER] = gender == 'm' || gender == 'M' ? 1
				: gender == 'f' || gender == 'F'					? 2
																	: 0;
		}
	}
	return MATCH_OK;
}

MatchStatus
MatchPrepare(MatchRecords *records, const MatchRun *run)
{
	Interner interner = {.records = records};
	int n_tasks = 0;
	MatchStatus status;

	if (records->prepared || records->n_identifiers > UINT32_MAX)
		return MATCH_BAD_INPUT;
	status = RankRows(records);
	if (status == MATCH_OK)
		status = CreateRows(records);
	if (status != MATCH_OK)
		return status;
	/* the sets with most work first */
	for (int turn = 0; turn < SETS; turn++)
	{
		int set = turn == 0 ? SET_IDENTIFIER : turn - 1;

		if (!SetIsUsed(records, set))
			continue;
		if (!CreateSet(&interner, set))
			return MATCH_NO_MEMORY;
		interner.tasks[n_tasks++] = set;
	}
	status = MatchParallel(run, "intern", n_tasks, InternSet, &interner);
	for (int set = 0; set < SETS; set++)
		MemoryDrop(&records->memory, interner.slots[set]);
	if (status == MATCH_OK)
		status = PrepareAllParts(&interner, run);
	if (status != MATCH_OK)
		return status;
	MemoryDrop(&records->memory, records->added);
	MemoryDrop(&records->memory, records->added_id);
	records->added = NULL;
	records->added_id = NULL;
	records->prepared = true;
	return MATCH_OK;
}

int64_t
MatchRecordsCount(const MatchRecords *records)
{
	return records->n;
}

void
MatchRecordsFree(MatchRecords *records)
{
	MatchMemory hooks;

	if (records == NULL)
		return;
	hooks = records->memory.hooks;
	MemoryRelease(&records->memory);
	hooks.release(hooks.context, records);
}
