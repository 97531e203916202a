/*-------------------------------------------------------------------------
 *
 * match_block.c
 *	  Blocking keys: what two records must have in common to be compared.
 *
 * A pass is a product of parts; a record that lacks a part has no key in the
 * pass.  Names are taken with either name in either place, since given name
 * and surname are often swapped.  Which of the passes are used is learned from
 * the data (match_passes.c).
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_internal.h"

#include <string.h>

typedef enum Part
{
	PART_NONE = 0,
	PART_IDENTIFIER, /* each value */
	PART_LOCAL,		 /* of e-mails the local part, of others the end */
	PART_NEAR,		 /* each value with one character left out */
	PART_HALF,		 /* halves of each value */
	PART_NAME,		 /* given name, surname: each */
	PART_NAMES,		 /* both, in any order */
	PART_SOUND,		 /* phonetic code of each */
	PART_SOUNDS,	 /* of both */
	PART_BEGINNINGS, /* first three letters of both */
	PART_BEGINNING,	 /* of each */
	PART_BIRTH,
	PART_MONTH, /* year and month of birth */
	PART_YEAR,
	PART_DAY, /* day and month, in any order */
	PART_ADDRESS,
	PART_STREET, /* number and longest word */
	PART_WORDS,	 /* the two longest words */
	PART_POSTCODE,
	PART_CITY,
	PART_ATTRIBUTE, /* each, with its number */
	PARTS
} Part;

_Static_assert(PARTS <= 32, "known parts are bits");

/* Where the keys of a part are kept; names have two, attributes six, and
 * those of identifiers as many as a pass may have. */
static const int part_places[PARTS] = {[PART_NAME] = 0,
									   [PART_SOUND] = 2,
									   [PART_BEGINNING] = 4,
									   [PART_NAMES] = 6,
									   [PART_SOUNDS] = 7,
									   [PART_BEGINNINGS] = 8,
									   [PART_BIRTH] = 9,
									   [PART_MONTH] = 10,
									   [PART_YEAR] = 11,
									   [PART_DAY] = 12,
									   [PART_ADDRESS] = 13,
									   [PART_STREET] = 14,
									   [PART_WORDS] = 15,
									   [PART_POSTCODE] = 16,
									   [PART_CITY] = 17,
									   [PART_ATTRIBUTE] = 18,
									   [PART_IDENTIFIER] = 24,
									   [PART_LOCAL] = 24 + MAX_PASS_KEYS,
									   [PART_NEAR] = 24 + 2 * MAX_PASS_KEYS,
									   [PART_HALF] = 24 + 3 * MAX_PASS_KEYS};


typedef struct Pass
{
	const char *name;
	Part parts[3];
	bool loose; /* too common for many records */
} Pass;

/* The numbers are kept in models: new passes go to the end; the first is
 * PASS_IDENTIFIER. */
static const Pass passes[] = {
	{"identifier", {PART_IDENTIFIER}, false},
	{"name + birth date", {PART_NAME, PART_BIRTH}, false},
	{"both names", {PART_NAMES}, false},
	{"address", {PART_ADDRESS}, false},
	{"local part or ending of an identifier", {PART_LOCAL}, false},
	{"birth date + postcode", {PART_BIRTH, PART_POSTCODE}, false},
	{"birth date + street", {PART_BIRTH, PART_STREET}, false},
	{"birth date + city", {PART_BIRTH, PART_CITY}, false},
	{"name sound + birth date", {PART_SOUND, PART_BIRTH}, false},
	{"birth date", {PART_BIRTH}, false},
	{"name + street", {PART_NAME, PART_STREET}, false},
	{"name + postcode", {PART_NAME, PART_POSTCODE}, false},
	{"both name sounds + year of birth", {PART_SOUNDS, PART_YEAR}, false},
	{"both name beginnings + year of birth",
	 {PART_BEGINNINGS, PART_YEAR},
	 false},
	{"street + postcode", {PART_STREET, PART_POSTCODE}, false},
	{"address words", {PART_WORDS}, false},
	{"street", {PART_STREET}, false},
	{"name + city", {PART_NAME, PART_CITY}, false},
	{"name sound + month of birth", {PART_SOUND, PART_MONTH}, false},
	{"name + day of birth", {PART_NAME, PART_DAY}, false},
	{"both name sounds", {PART_SOUNDS}, false},
	{"both name beginnings", {PART_BEGINNINGS}, true},
	{"name + year of birth", {PART_NAME, PART_YEAR}, true},
	{"name beginning + month of birth", {PART_BEGINNING, PART_MONTH}, false},
	{"name sound + postcode", {PART_SOUND, PART_POSTCODE}, false},
	{"identifier but one character", {PART_NEAR}, true},
	{"half an identifier", {PART_HALF}, true},
	{"name", {PART_NAME}, true},
	{"postcode + month of birth", {PART_POSTCODE, PART_MONTH}, false},
	{"city + month of birth", {PART_CITY, PART_MONTH}, true},
	{"attribute + name", {PART_ATTRIBUTE, PART_NAME}, false},
	{"attribute + birth date", {PART_ATTRIBUTE, PART_BIRTH}, false},
	{"attribute + year of birth", {PART_ATTRIBUTE, PART_YEAR}, true},
	{"attribute + postcode", {PART_ATTRIBUTE, PART_POSTCODE}, false},
	{"month of birth", {PART_MONTH}, true},
	{"name sound", {PART_SOUND}, true},
	{"postcode", {PART_POSTCODE}, true},
	{"city", {PART_CITY}, true},
	{"day of birth + year", {PART_DAY, PART_YEAR}, false},
};

int
PassCount(void)
{
	return (int) (sizeof(passes) / sizeof(passes[0]));
}

const char *
PassName(int pass)
{
	return pass >= 0 && pass < PassCount() ? passes[pass].name : NULL;
}

/* ---- parts of values ---- */

static uint32_t
Part32(uint64_t seed, const char *text, int length)
{
	return (uint32_t) (MatchHash(seed, text, (size_t) length) >> 32) | 1;
}

/*
 * Names: [0] phonetic code of the first word, [1] first three letters.
 */
static void
NameParts(const char *text, int length, uint32_t *parts)
{
	int word = 0;
	uint32_t code;

	while (word < length && text[word] != ' ')
		word++;
	code = PhoneticCode(text, word);
	parts[0] = code == 0 ? Part32(1, text, length) : code;
	parts[1] = length < 2 ? 0 : Part32(2, text, length < 3 ? length : 3);
}

/*
 * Addresses: [0] first number and longest word, [1] the two longest words.
 */
static void
AddressParts(const char *text, int length, uint32_t *parts)
{
	const char *number = NULL;
	const char *words[2] = {NULL, NULL};
	int n_number = 0;
	int n_words[2] = {0, 0};
	uint32_t hashes[2];

	for (int at = 0; at < length;)
	{
		int end = at;

		while (end < length && text[end] != ' ')
			end++;
		if (end > at && text[at] >= '0' && text[at] <= '9')
		{
			if (number == NULL)
				number = text + at, n_number = end - at;
		}
		else if (end - at > n_words[0])
		{
			words[1] = words[0], n_words[1] = n_words[0];
			words[0] = text + at, n_words[0] = end - at;
		}
		else if (end - at > n_words[1])
			words[1] = text + at, n_words[1] = end - at;
		at = end + 1;
	}
	parts[0] = parts[1] = 0;
	if (words[0] == NULL)
		return;
	hashes[0] = Part32(3, words[0], n_words[0]);
	if (number != NULL)
		parts[0] =
			(uint32_t) (MatchMix(hashes[0], Part32(4, number, n_number)) >>
						32) |
			1;
	if (words[1] != NULL)
	{
		hashes[1] = Part32(3, words[1], n_words[1]);
		parts[1] = (uint32_t) (MatchMix(hashes[0] ^ hashes[1],
										(uint64_t) hashes[0] + hashes[1]) >>
							   32) |
			1;
	}
}

/*
 * Identifiers: [0] local part, or the last eight characters; [1] unused.
 */
static void
IdentifierParts(const char *text, int length, uint32_t *parts)
{
	const char *at = memchr(text, '@', (size_t) length);

	parts[0] = parts[1] = 0;
	if (at != NULL && at - text >= 3)
		parts[0] = Part32(5, text, (int) (at - text));
	else if (at == NULL && length > 8)
		parts[0] = Part32(6, text + length - 8, 8);
}

/*
 * Pairs of neighbouring characters, hashed to 64 bits.
 */
static uint64_t
Neighbours(const char *text, int length)
{
	uint64_t set = 0;

	for (int i = 1; i < length; i++)
		set |= UINT64_C(1) << (((uint32_t) (uint8_t) text[i - 1] * 31 +
								(uint8_t) text[i]) *
								   UINT32_C(0x9E3779B1) >>
							   26);
	return set;
}

void
PrepareParts(MatchRecords *records, int set, uint32_t from, uint32_t to)
{
	Values *values = &records->values[set];

	for (uint32_t value = from; value < to; value++)
	{
		uint32_t parts[2];

		if (set == SET_NAME)
			NameParts(values->text[value], values->length[value], parts);
		else if (set == SET_ADDRESS)
			AddressParts(values->text[value], values->length[value], parts);
		else
			IdentifierParts(values->text[value], values->length[value], parts);
		if (values->neighbours != NULL)
			values->neighbours[value] =
				Neighbours(values->text[value], values->length[value]);
		values->part[0][value] = parts[0];
		values->part[1][value] = parts[1];
	}
}

/* ---- keys ---- */

static uint32_t
Fold(uint64_t hash)
{
	return (uint32_t) (hash ^ hash >> 32) | 1;
}

static int
Push(uint32_t *keys, int n, uint32_t key)
{
	if (key == 0 || n >= MAX_PASS_KEYS)
		return n;
	for (int i = 0; i < n; i++)
		if (keys[i] == key)
			return n;
	keys[n] = key;
	return n + 1;
}

static uint32_t
OfBoth(uint64_t a, uint64_t b)
{
	return a == 0 || b == 0 ? 0 : Fold(MatchMix(a ^ b, a + b));
}

/*
 * Parts of which a record has one for every identifier, or many.
 */
static int
IdentifierKeys(const MatchRecords *records, const Row *row, Part part,
			   uint32_t *keys)
{
	const Values *values = &records->values[SET_IDENTIFIER];
	int n = 0;

	for (int i = 0; i < row->n_identifiers; i++)
	{
		uint32_t value = records->identifiers[row->first_identifier + i].value;
		const char *text = values->text[value];
		int length = values->length[value];
		char rest[MATCH_MAX_TEXT];

		if (values->shared != NULL && values->shared[value])
			continue;
		switch (part)
		{
			case PART_IDENTIFIER:
				n = Push(keys, n, Fold(values->hash[value]));
				break;
			case PART_LOCAL:
				n = Push(keys, n, values->part[0][value]);
				break;
			case PART_HALF:
				if (length < 6)
					break;
				n = Push(keys, n, Part32(7, text, length / 2));
				n = Push(keys, n,
						 Part32(8, text + length / 2, length - length / 2));
				break;
			default:
				if (length < 5 || length > 24)
					break;
				n = Push(keys, n, Part32(9, text, length));
				for (int j = 0; j < length; j++)
				{
					memcpy(rest, text, (size_t) j);
					memcpy(rest + j, text + j + 1, (size_t) (length - j - 1));
					n = Push(keys, n, Part32(9, rest, length - 1));
				}
				break;
		}
	}
	return n;
}

static int
NameKeys(const MatchRecords *records, const Row *row, Part part, uint32_t *keys)
{
	const Values *values = &records->values[SET_NAME];
	uint32_t given = row->cell[CELL_GIVEN];
	uint32_t surname = row->cell[CELL_SURNAME];
	int n = 0;

	if (values->n <= 1)
		return 0;
	switch (part)
	{
		case PART_NAME:
			if (given != 0)
				n = Push(keys, n, Fold(values->folded[given]));
			if (surname != 0)
				n = Push(keys, n, Fold(values->folded[surname]));
			return n;
		case PART_NAMES:
			return Push(keys, n,
						OfBoth(values->folded[given], values->folded[surname]));
		case PART_SOUND:
		case PART_BEGINNING:
			n = Push(keys, n, values->part[part == PART_BEGINNING][given]);
			return Push(keys, n, values->part[part == PART_BEGINNING][surname]);
		case PART_SOUNDS:
			return Push(
				keys, n,
				OfBoth(values->part[0][given], values->part[0][surname]));
		default:
			return Push(
				keys, n,
				OfBoth(values->part[1][given], values->part[1][surname]));
	}
}

static uint32_t
BirthKey(const MatchRecords *records, const Row *row, Part part)
{
	const Values *values = &records->values[SET_BIRTH];
	uint32_t value = row->cell[CELL_BIRTH];
	CompareDate date;
	int low;
	int high;

	if (value == 0)
		return 0;
	date = values->date[value];
	if (part == PART_BIRTH)
		return date.year == 0 || date.day != 0 ? Fold(values->hash[value]) : 0;
	if (date.year == 0)
		return 0;
	low = date.month < date.day ? date.month : date.day;
	high = date.month < date.day ? date.day : date.month;
	switch (part)
	{
		case PART_YEAR:
			return (uint32_t) date.year << 8;
		case PART_MONTH:
			return date.month == 0
				? 0
				: (uint32_t) date.year << 8 | (uint32_t) date.month;
		default:
			return date.day == 0 ? 0 : (uint32_t) (low * 64 + high);
	}
}

static uint32_t
CellKey(const MatchRecords *records, const Row *row, int cell, int set)
{
	uint32_t value = row->cell[cell];

	return value == 0 ? 0 : Fold(records->values[set].hash[value]);
}

static int
PartKeys(const MatchRecords *records, const Row *row, Part part, uint32_t *keys)
{
	int n = 0;

	switch (part)
	{
		case PART_IDENTIFIER:
		case PART_LOCAL:
		case PART_NEAR:
		case PART_HALF:
			return row->n_identifiers == 0
				? 0
				: IdentifierKeys(records, row, part, keys);
		case PART_NAME:
		case PART_NAMES:
		case PART_SOUND:
		case PART_SOUNDS:
		case PART_BEGINNINGS:
		case PART_BEGINNING:
			return NameKeys(records, row, part, keys);
		case PART_BIRTH:
		case PART_MONTH:
		case PART_YEAR:
		case PART_DAY:
			return Push(keys, 0, BirthKey(records, row, part));
		case PART_ADDRESS:
			return Push(keys, 0,
						CellKey(records, row, CELL_ADDRESS, SET_ADDRESS));
		case PART_STREET:
		case PART_WORDS:
			return row->cell[CELL_ADDRESS] == 0
				? 0
				: Push(keys, 0,
					   records->values[SET_ADDRESS]
						   .part[part == PART_WORDS][row->cell[CELL_ADDRESS]]);
		case PART_POSTCODE:
			return Push(keys, 0,
						CellKey(records, row, CELL_POSTCODE, SET_POSTCODE));
		case PART_CITY:
			return Push(keys, 0, CellKey(records, row, CELL_CITY, SET_CITY));
		case PART_ATTRIBUTE:
			for (int i = 0; i < records->settings.n_attributes; i++)
			{
				uint32_t key = CellKey(records, row, CELL_ATTRIBUTE + i,
									   SET_ATTRIBUTE + i);

				if (key != 0)
					n = Push(keys, n, Fold(MatchMix(key, (uint64_t) i)));
			}
			return n;
		default:
			return 0;
	}
}

/*
 * The keys of a part, computed when they are first asked for.
 */
static const uint32_t *
KnownPart(const MatchRecords *records, RowParts *parts, Part part, int *n)
{
	uint32_t *keys = &parts->keys[part_places[part]];

	if (!(parts->known >> part & 1))
	{
		parts->known |= UINT32_C(1) << part;
		parts->n[part] = (uint8_t) PartKeys(
			records, &records->rows[parts->rank], part, keys);
	}
	*n = parts->n[part];
	return keys;
}

void
RowPartsBegin(RowParts *parts, uint32_t rank)
{
	parts->rank = rank;
	parts->known = 0;
}

int
PassKeysOf(const MatchRecords *records, RowParts *parts, int pass,
		   uint32_t *keys)
{
	const Part *of_pass = passes[pass].parts;
	const uint32_t *first;
	const uint32_t *second;
	int n_first;
	int n_second;
	int n = 0;

	first = KnownPart(records, parts, of_pass[0], &n_first);
	if (n_first == 0)
		return 0;
	if (of_pass[1] == PART_NONE)
	{
		memcpy(keys, first, (size_t) n_first * sizeof(uint32_t));
		return n_first;
	}
	second = KnownPart(records, parts, of_pass[1], &n_second);
	for (int i = 0; i < n_first; i++)
		for (int j = 0; j < n_second; j++)
			n = Push(keys, n, Fold(MatchMix(first[i], second[j])));
	return n;
}

int
PassKeys(const MatchRecords *records, uint32_t rank, int pass, uint32_t *keys)
{
	RowParts parts;

	RowPartsBegin(&parts, rank);
	return PassKeysOf(records, &parts, pass, keys);
}

static bool
PartUsable(const MatchRecords *records, Part part)
{
	switch (part)
	{
		case PART_NONE:
			return true;
		case PART_IDENTIFIER:
		case PART_LOCAL:
		case PART_NEAR:
		case PART_HALF:
			return records->values[SET_IDENTIFIER].n > 1;
		case PART_NAME:
		case PART_NAMES:
		case PART_SOUND:
		case PART_SOUNDS:
		case PART_BEGINNINGS:
		case PART_BEGINNING:
			return records->values[SET_NAME].n > 1;
		case PART_BIRTH:
		case PART_MONTH:
		case PART_YEAR:
		case PART_DAY:
			return records->values[SET_BIRTH].n > 1;
		case PART_ADDRESS:
		case PART_STREET:
		case PART_WORDS:
			return records->values[SET_ADDRESS].n > 1;
		case PART_POSTCODE:
			return records->values[SET_POSTCODE].n > 1;
		case PART_CITY:
			return records->values[SET_CITY].n > 1;
		default:
			return records->settings.n_attributes > 0;
	}
}

bool
PassIsLoose(int pass)
{
	return passes[pass].loose;
}

bool
PassUsable(const MatchRecords *records, int pass)
{
	const Part *parts = passes[pass].parts;

	return PartUsable(records, parts[0]) && PartUsable(records, parts[1]) &&
		PartUsable(records, parts[2]);
}

static int
PartSlots(const MatchRecords *records, Part part, int identifiers)
{
	switch (part)
	{
		case PART_IDENTIFIER:
		case PART_LOCAL:
			return identifiers;
		case PART_NEAR:
			return 25 * identifiers;
		case PART_HALF:
			return 2 * identifiers;
		case PART_NAME:
		case PART_SOUND:
		case PART_BEGINNING:
			return 2;
		case PART_ATTRIBUTE:
			return records->settings.n_attributes;
		default:
			return 1;
	}
}

int
PassSlots(const MatchRecords *records, int pass, int identifiers)
{
	const Part *parts = passes[pass].parts;
	int slots = PartSlots(records, parts[0], identifiers) *
		PartSlots(records, parts[1], identifiers);

	return slots > MAX_PASS_KEYS ? MAX_PASS_KEYS : slots;
}

int
MatchKeys(const MatchRecords *records, int64_t row, uint64_t *keys)
{
	const MatchModel *model = records->model;
	uint32_t rank = records->rank[row];
	int n = 0;

	for (int i = 0; i < model->core.n_passes; i++)
	{
		uint32_t of_pass[MAX_PASS_KEYS];
		int pass = model->core.passes[i];
		int n_pass = PassUsable(records, pass)
			? PassKeys(records, rank, pass, of_pass)
			: 0;

		for (int j = 0; j < n_pass && n < MATCH_MAX_KEYS; j++)
		{
			uint64_t key = OUTER_KEY(pass, of_pass[j]);

			if (!Contains(model->stopped, model->core.n_stopped, key))
				keys[n++] = key;
		}
	}
	return n;
}
