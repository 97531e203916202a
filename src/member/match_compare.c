/*-------------------------------------------------------------------------
 *
 * match_compare.c
 *	  Two records -> one level of agreement a field.
 *
 * Level 0 is "not known in one of the two", 1 is equality, and higher levels
 * agree less.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_internal.h"

#include <string.h>

#define NO_RARITY 1.0f

/* ---- names ---- */

/*
 * Is the shorter one of the words of the longer, or its initial?
 */
static bool
IsPartOfName(const char *part, int n_part, const char *whole, int n_whole)
{
	int at = 0;

	while (at + n_part <= n_whole)
	{
		int end = at;

		while (end < n_whole && whole[end] != ' ')
			end++;
		if (memcmp(whole + at, part, (size_t) n_part) == 0 &&
			(end - at == n_part || n_part == 1))
			return true;
		at = end + 1;
	}
	return false;
}

static int
NameLevelOfTexts(const char *a, int n_a, const char *b, int n_b)
{
	double similarity;

	if (n_a > n_b)
		return NameLevelOfTexts(b, n_b, a, n_a);
	if (n_a >= 3 && DamerauLevenshtein(a, n_a, b, n_b, 1) <= 1)
		return 2;
	similarity = JaroWinkler(a, n_a, b, n_b);
	if (similarity >= 0.92 && n_a >= 4)
		return 2;
	if (similarity >= 0.86 && n_a >= 3)
		return 3;
	if (IsPartOfName(a, n_a, b, n_b))
		return n_a > 2 ? 3 : 4;
	if (n_a >= 6 && DamerauLevenshtein(a, n_a, b, n_b, 2) <= 2)
		return 3;
	return similarity >= 0.75 ? 4 : 5;
}

static uint64_t
CacheKey(uint64_t kind, uint32_t a, uint32_t b)
{
	uint64_t pair = a < b ? (uint64_t) a << 32 | b : (uint64_t) b << 32 | a;

	return pair * 4 + kind;
}

static uint64_t
CacheSlot(uint64_t key)
{
	return key * UINT64_C(0x9E3779B97F4A7C15) >> 49;
}

static int
NameLevel(const Values *values, uint32_t a, uint32_t b, CompareCache *cache)
{
	uint64_t key;
	uint64_t slot = 0;
	int level;

	if (a == 0 || b == 0)
		return 0;
	if (a == b)
		return LEVEL_EXACT;
	if (values->folded[a] == values->folded[b])
		return values->native[a] && values->native[b] ? 3 : LEVEL_EXACT;
	key = CacheKey(1, a, b);
	if (cache != NULL)
	{
		slot = CacheSlot(key);
		if (cache->pair[slot] == key)
			return cache->level[slot];
	}
	level = NameLevelOfTexts(values->text[a], values->length[a],
							 values->text[b], values->length[b]);
	if (cache != NULL)
	{
		cache->pair[slot] = key;
		cache->level[slot] = (uint8_t) level;
	}
	return level;
}

/*
 * What two levels of names speak for, in some unit.
 */
static int
NameWorth(int level)
{
	static const int worth[] = {0, 8, 6, 4, 1, -2};

	return worth[level];
}

static void
TakeRarity(Comparison *c, int field, const float *rarity, uint32_t a,
		   uint32_t b)
{
	if (rarity != NULL)
		c->rarity[field] = rarity[a] > rarity[b] ? rarity[a] : rarity[b];
}

/*
 * Given name and surname, as they stand or swapped, whichever agrees better.
 */
static void
CompareNames(const MatchRecords *records, const Row *a, const Row *b,
			 CompareCache *cache, Comparison *c)
{
	const Values *values = &records->values[SET_NAME];
	uint32_t a_given = a->cell[CELL_GIVEN];
	uint32_t a_surname = a->cell[CELL_SURNAME];
	uint32_t b_given = b->cell[CELL_GIVEN];
	uint32_t b_surname = b->cell[CELL_SURNAME];
	int given = NameLevel(values, a_given, b_given, cache);
	int surname = NameLevel(values, a_surname, b_surname, cache);
	int order = given != 0 && surname != 0 ? ORDER_STRAIGHT : 0;

	if (given != LEVEL_EXACT && surname != LEVEL_EXACT)
	{
		/* crosswise: a's given name with b's surname */
		int first = NameLevel(values, a_given, b_surname, cache);
		int second = NameLevel(values, a_surname, b_given, cache);

		if (((first >= 1 && first <= 3) || (second >= 1 && second <= 3)) &&
			NameWorth(first) + NameWorth(second) >
				NameWorth(given) + NameWorth(surname) + 1)
		{
			c->level[FIELD_GIVEN] = (uint8_t) first;
			c->level[FIELD_SURNAME] = (uint8_t) second;
			c->level[FIELD_ORDER] = ORDER_SWAPPED;
			TakeRarity(c, FIELD_GIVEN, values->rarity[0], a_given, b_surname);
			TakeRarity(c, FIELD_SURNAME, values->rarity[1], a_surname, b_given);
			return;
		}
	}
	c->level[FIELD_GIVEN] = (uint8_t) given;
	c->level[FIELD_SURNAME] = (uint8_t) surname;
	c->level[FIELD_ORDER] = (uint8_t) order;
	TakeRarity(c, FIELD_GIVEN, values->rarity[0], a_given, b_given);
	TakeRarity(c, FIELD_SURNAME, values->rarity[1], a_surname, b_surname);
	c->name_conflict = given == 5;
}

/* ---- dates ---- */

static int
OnlyDigits(const char *text, int length, char *digits)
{
	int n = 0;

	for (int i = 0; i < length; i++)
		if (text[i] >= '0' && text[i] <= '9')
			digits[n++] = text[i];
	return n;
}

static int
BirthLevel(const Values *values, uint32_t a, uint32_t b)
{
	char a_digits[MATCH_MAX_TEXT];
	char b_digits[MATCH_MAX_TEXT];
	int n_a;
	int n_b;
	int distance;

	if (a == 0 || b == 0)
		return 0;
	if (values->date[a].year != 0 && values->date[b].year != 0)
	{
		if (a == b && values->date[a].day == 0)
			return DATE_PARTIAL;
		return (int) CompareDates(values->date[a], values->date[b]);
	}
	if (a == b)
		return LEVEL_EXACT;
	n_a = OnlyDigits(values->text[a], values->length[a], a_digits);
	n_b = OnlyDigits(values->text[b], values->length[b], b_digits);
	if (n_a < 4 || n_b < 4)
		return 0;
	distance = DamerauLevenshtein(a_digits, n_a, b_digits, n_b, 2);
	if (distance == 0)
		return LEVEL_EXACT;
	if (distance == 1)
		return DATE_TYPO;
	if (distance == 2)
		return DATE_NEAR;
	return memcmp(a_digits, b_digits, 4) == 0 ? DATE_SAME_YEAR : DATE_DIFFERENT;
}

/* ---- identifiers ---- */

static int
PhoneLevel(const char *a, int n_a, const char *b, int n_b)
{
	if (n_a >= 7 && n_b >= 7 && DamerauLevenshtein(a, n_a, b, n_b, 1) <= 1)
		return 2;
	return CommonSuffix(a, n_a, b, n_b) >= 7 ||
			(n_a >= 9 && n_b >= 9 && DamerauLevenshtein(a, n_a, b, n_b, 2) <= 2)
		? 3
		: 4;
}

static int
EmailLevel(const char *a, int n_a, const char *b, int n_b)
{
	const char *at_a = memchr(a, '@', (size_t) n_a);
	const char *at_b = memchr(b, '@', (size_t) n_b);
	int local_a = at_a != NULL ? (int) (at_a - a) : n_a;
	int local_b = at_b != NULL ? (int) (at_b - b) : n_b;
	int limit = n_a >= 12 && n_b >= 12 ? 2 : 1;

	if (DamerauLevenshtein(a, n_a, b, n_b, limit) <= limit)
		return 2;
	if (local_a == local_b && memcmp(a, b, (size_t) local_a) == 0)
		return 3;
	return local_a >= 3 && local_b >= 3 &&
			JaroWinkler(a, local_a, b, local_b) >= 0.88
		? 4
		: 5;
}

static int
NumberLevel(const char *a, int n_a, const char *b, int n_b)
{
	int distance;

	if (n_a < 5 || n_b < 5)
		return 4;
	distance = DamerauLevenshtein(a, n_a, b, n_b, 2);
	return distance <= 1 ? 2 : distance == 2 ? 3 : 4;
}

/*
 * The field that a type is compared in.  The first type of its kind has one of
 * its own.
 */
static int
TypeField(const MatchRecords *records, int type)
{
	MatchKind kind = records->types[type].kind;
	bool first = true;

	if (kind == MATCH_KIND_PHONE)
		return FIELD_PHONE;
	if (kind == MATCH_KIND_EMAIL)
		return FIELD_EMAIL;
	for (int i = 0; i < type; i++)
		first &= records->types[i].kind != kind;
	if (kind == MATCH_KIND_NUMBER)
		return first ? FIELD_NUMBER : FIELD_NUMBER2;
	return first ? FIELD_EXACT : FIELD_EXACT2;
}

/*
 * May one person have had both?  Not when one stopped using the value so long
 * before the other began that it may have been given to another.
 */
static bool
SameTime(const Identifier *a, const Identifier *b, int idle_days)
{
	int64_t gap = 0;

	if (a->to != MATCH_ALWAYS_TO && b->from != MATCH_ALWAYS_FROM)
		gap = (int64_t) b->from - a->to;
	if (b->to != MATCH_ALWAYS_TO && a->from != MATCH_ALWAYS_FROM &&
		(int64_t) a->from - b->to > gap)
		gap = (int64_t) a->from - b->to;
	return gap < idle_days || idle_days == 0;
}

static int
Bits(uint64_t set)
{
#ifdef __GNUC__
	return __builtin_popcountll(set);
#else
	int n = 0;

	for (; set != 0; set &= set - 1)
		n++;
	return n;
#endif
}

/*
 * Have two values so few pairs of neighbouring characters in common that they
 * need not be compared?  Two edits leave six in ten of a long value.
 */
static bool
Unlike(const Values *values, uint32_t a, uint32_t b)
{
	uint64_t of_a = values->neighbours[a];
	uint64_t of_b = values->neighbours[b];
	int n_a = Bits(of_a);
	int n_b = Bits(of_b);

	return 5 * Bits(of_a & of_b) < 2 * (n_a < n_b ? n_a : n_b);
}

static int
IdentifierLevel(const Values *values, MatchKind kind, uint32_t a, uint32_t b,
				bool *cheap)
{
	const char *text_a;
	const char *text_b;
	int n_a;
	int n_b;

	if (a == b)
		return LEVEL_EXACT;
	if ((kind == MATCH_KIND_PHONE || kind == MATCH_KIND_EMAIL) &&
		Unlike(values, a, b))
		return kind == MATCH_KIND_PHONE ? 4 : 5;
	if (kind == MATCH_KIND_EXACT)
		return 2;
	if (cheap != NULL)
	{
		*cheap = false;
		return 2;
	}
	text_a = values->text[a];
	text_b = values->text[b];
	n_a = values->length[a];
	n_b = values->length[b];
	switch (kind)
	{
		case MATCH_KIND_PHONE:
			return PhoneLevel(text_a, n_a, text_b, n_b);
		case MATCH_KIND_EMAIL:
			return EmailLevel(text_a, n_a, text_b, n_b);
		case MATCH_KIND_NUMBER:
			return NumberLevel(text_a, n_a, text_b, n_b);
		default:
			return 2;
	}
}

/*
 * One identifier of each record, types of the same field.  With pending only
 * what is cheap.
 */
static void
CompareIdentifier(const MatchRecords *records, const Identifier *a,
				  const Identifier *b, int field, Comparison *c,
				  uint32_t *pending)
{
	const Values *values = &records->values[SET_IDENTIFIER];
	const MatchType *type = &records->types[a->type];
	bool cheap = true;
	int level;

	if (values->shared != NULL &&
		(values->shared[a->value] || values->shared[b->value]))
		return;
	if (a->value == b->value && !SameTime(a, b, records->settings.idle_days))
		return;
	level = IdentifierLevel(values, type->kind, a->value, b->value,
							pending != NULL ? &cheap : NULL);
	if (!cheap)
		*pending |= FIELD_BIT(field);
	if (c->level[field] == 0 || level < c->level[field])
	{
		c->level[field] = (uint8_t) level;
		if (level == LEVEL_EXACT)
			TakeRarity(c, field, values->rarity[0], a->value, b->value);
	}
	if (level == LEVEL_EXACT && a->verified && b->verified && type->unique &&
		a->type == b->type)
	{
		/* the type that people do not share wins */
		c->shareable =
			type->max_members != 1 && (!c->shared_value || c->shareable);
		c->shared_value = true;
	}
}

/*
 * Verified values of a type of which a person has one at a time: is there a
 * different one, and no equal one?
 */
static bool
Contradicts(const MatchRecords *records, const Identifier *a, int n_a,
			const Identifier *b, int n_b)
{
	for (int i = 0; i < n_a; i++)
	{
		const MatchType *type = &records->types[a[i].type];
		bool different = false;
		bool equal = false;

		if (!type->single || !type->unique || !a[i].verified ||
			a[i].to != MATCH_ALWAYS_TO)
			continue;
		for (int j = 0; j < n_b; j++)
			if (b[j].type == a[i].type && b[j].verified &&
				b[j].to == MATCH_ALWAYS_TO)
			{
				equal |= b[j].value == a[i].value;
				different |= b[j].value != a[i].value;
			}
		if (different && !equal)
			return true;
	}
	return false;
}

/*
 * The identifiers of some fields.
 */
static void
CompareIdentifiers(const MatchRecords *records, const Row *a, const Row *b,
				   uint32_t fields, Comparison *c, uint32_t *pending)
{
	const Identifier *of_a = &records->identifiers[a->first_identifier];
	const Identifier *of_b = &records->identifiers[b->first_identifier];

	for (int i = 0; i < a->n_identifiers; i++)
	{
		int field = TypeField(records, of_a[i].type);

		if (!(fields & FIELD_BIT(field)))
			continue;
		for (int j = 0; j < b->n_identifiers; j++)
			if (of_a[i].type == of_b[j].type ||
				((field == FIELD_PHONE || field == FIELD_EMAIL) &&
				 TypeField(records, of_b[j].type) == field))
				CompareIdentifier(records, &of_a[i], &of_b[j], field, c,
								  pending);
	}
}

/* ---- places and other texts ---- */

static int
AddressLevel(const Values *values, uint32_t a, uint32_t b)
{
	if (a == 0 || b == 0)
		return 0;
	if (a == b)
		return LEVEL_EXACT;
	if (Unlike(values, a, b))
		return ADDRESS_DIFFERENT;
	return (int) CompareAddresses(values->text[a], values->length[a],
								  values->text[b], values->length[b]);
}

static int
PostcodeLevel(const Values *values, uint32_t a, uint32_t b)
{
	const char *text_a = values->text[a];
	const char *text_b = values->text[b];
	int n_a = values->length[a];
	int n_b = values->length[b];

	if (a == 0 || b == 0)
		return 0;
	if (a == b)
		return LEVEL_EXACT;
	if (DamerauLevenshtein(text_a, n_a, text_b, n_b, 1) <= 1)
		return 2;
	return n_a >= 4 && n_b >= 4 && memcmp(text_a, text_b, 3) == 0 ? 3 : 4;
}

static int
TextLevel(const Values *values, uint32_t a, uint32_t b, bool is_short)
{
	const char *text_a = values->text[a];
	const char *text_b = values->text[b];
	int n_a = values->length[a];
	int n_b = values->length[b];

	if (a == 0 || b == 0)
		return 0;
	if (a == b)
		return LEVEL_EXACT;
	if (DamerauLevenshtein(text_a, n_a, text_b, n_b, 1) <= 1 &&
		(is_short || (n_a >= 3 && n_b >= 3)))
		return 2;
	if (is_short)
		return 3;
	return n_a >= 4 && n_b >= 4 && JaroWinkler(text_a, n_a, text_b, n_b) >= 0.9
		? 2
		: 3;
}

static int
CellField(int cell)
{
	static const int fields[] = {
		[CELL_BIRTH] = FIELD_BIRTH,		  [CELL_ADDRESS] = FIELD_ADDRESS,
		[CELL_POSTCODE] = FIELD_POSTCODE, [CELL_CITY] = FIELD_CITY,
		[CELL_REGION] = FIELD_REGION,	  [CELL_ATTRIBUTE] = FIELD_ATTRIBUTE};

	return cell < CELL_ATTRIBUTE ? fields[cell]
								 : FIELD_ATTRIBUTE + cell - CELL_ATTRIBUTE;
}

static int
CellSet(int cell)
{
	static const int sets[] = {
		[CELL_BIRTH] = SET_BIRTH,		[CELL_ADDRESS] = SET_ADDRESS,
		[CELL_POSTCODE] = SET_POSTCODE, [CELL_CITY] = SET_CITY,
		[CELL_REGION] = SET_REGION,		[CELL_ATTRIBUTE] = SET_ATTRIBUTE};

	return cell < CELL_ATTRIBUTE ? sets[cell]
								 : SET_ATTRIBUTE + cell - CELL_ATTRIBUTE;
}

/*
 * Values that are not equal.
 */
static int
CellLevel(const Values *values, uint32_t a, uint32_t b, int field)
{
	switch (field)
	{
		case FIELD_ADDRESS:
			return AddressLevel(values, a, b);
		case FIELD_POSTCODE:
			return PostcodeLevel(values, a, b);
		default:
			return TextLevel(values, a, b, field == FIELD_REGION);
	}
}

/*
 * Cities are few, their pairs come again.
 */
static int
CityLevel(const Values *values, uint32_t a, uint32_t b, CompareCache *cache)
{
	uint64_t key = CacheKey(2, a, b);
	uint64_t slot = CacheSlot(key);
	int level;

	if (cache != NULL && cache->pair[slot] == key)
		return cache->level[slot];
	level = TextLevel(values, a, b, false);
	if (cache != NULL)
	{
		cache->pair[slot] = key;
		cache->level[slot] = (uint8_t) level;
	}
	return level;
}

/*
 * Places and attributes: long texts that are not equal are pending.
 */
static void
CompareCellCheap(const MatchRecords *records, const Row *a, const Row *b,
				 int cell, CompareCache *cache, Comparison *c,
				 uint32_t *pending)
{
	const Values *values = &records->values[CellSet(cell)];
	int field = CellField(cell);
	uint32_t of_a = a->cell[cell];
	uint32_t of_b = b->cell[cell];

	if (of_a == 0 || of_b == 0)
		return;
	c->level[field] = LEVEL_EXACT + 1;
	if (of_a == of_b)
	{
		c->level[field] = LEVEL_EXACT;
		TakeRarity(c, field, values->rarity[0], of_a, of_b);
	}
	else if (field == FIELD_ADDRESS && Unlike(values, of_a, of_b))
		c->level[field] = ADDRESS_DIFFERENT;
	else if (field == FIELD_CITY)
		c->level[field] = (uint8_t) CityLevel(values, of_a, of_b, cache);
	else if (field == FIELD_POSTCODE || field == FIELD_REGION)
		c->level[field] = (uint8_t) CellLevel(values, of_a, of_b, field);
	else
		*pending |= FIELD_BIT(field);
}

static void
CompareBirth(const MatchRecords *records, const Row *a, const Row *b,
			 Comparison *c)
{
	const Values *values = &records->values[SET_BIRTH];
	uint32_t of_a = a->cell[CELL_BIRTH];
	uint32_t of_b = b->cell[CELL_BIRTH];

	c->level[FIELD_BIRTH] = (uint8_t) BirthLevel(values, of_a, of_b);
	if (c->level[FIELD_BIRTH] == LEVEL_EXACT)
		TakeRarity(c, FIELD_BIRTH, values->rarity[0], of_a, of_b);
	c->birth_conflict = c->level[FIELD_BIRTH] >= DATE_SAME_YEAR;
}

void
CompareCheap(const MatchRecords *records, uint32_t rank_a, uint32_t rank_b,
			 CompareCache *cache, Comparison *c, uint32_t *pending)
{
	const Row *a = &records->rows[rank_a];
	const Row *b = &records->rows[rank_b];

	*pending = 0;
	memset(c, 0, sizeof(Comparison));
	for (int i = 0; i < FIELDS; i++)
		c->rarity[i] = NO_RARITY;
	if (a->n_identifiers > 0 && b->n_identifiers > 0)
	{
		CompareIdentifiers(records, a, b, ~UINT32_C(0), c, pending);
		for (int f = FIELD_PHONE; f <= FIELD_EXACT2; f++)
			if (c->level[f] == LEVEL_EXACT)
				*pending &= ~FIELD_BIT(f);
		c->contradiction = Contradicts(
			records, &records->identifiers[a->first_identifier],
			a->n_identifiers, &records->identifiers[b->first_identifier],
			b->n_identifiers);
	}
	if (records->values[SET_NAME].n > 1)
		CompareNames(records, a, b, cache, c);
	CompareBirth(records, a, b, c);
	if (a->cell[CELL_GENDER] != 0 && b->cell[CELL_GENDER] != 0)
	{
		bool equal = a->cell[CELL_GENDER] == b->cell[CELL_GENDER];

		c->level[FIELD_GENDER] = equal ? LEVEL_EXACT : 2;
		c->gender_conflict = !equal;
	}
	for (int i = CELL_ADDRESS;
		 i < CELL_ATTRIBUTE + records->settings.n_attributes; i++)
		CompareCellCheap(records, a, b, i, cache, c, pending);
}

void
CompareRest(const MatchRecords *records, uint32_t rank_a, uint32_t rank_b,
			uint32_t fields, Comparison *c)
{
	const Row *a = &records->rows[rank_a];
	const Row *b = &records->rows[rank_b];
	bool identifiers = false;

	for (int f = FIELD_PHONE; f <= FIELD_EXACT2; f++)
		if (fields & FIELD_BIT(f))
		{
			c->level[f] = 0;
			identifiers = true;
		}
	if (identifiers)
		CompareIdentifiers(records, a, b, fields, c, NULL);
	for (int i = CELL_ADDRESS;
		 i < CELL_ATTRIBUTE + records->settings.n_attributes; i++)
		if (fields & FIELD_BIT(CellField(i)))
			c->level[CellField(i)] =
				(uint8_t) CellLevel(&records->values[CellSet(i)], a->cell[i],
									b->cell[i], CellField(i));
}

void
CompareRows(const MatchRecords *records, uint32_t a, uint32_t b,
			CompareCache *cache, Comparison *c)
{
	uint32_t pending;

	CompareCheap(records, a, b, cache, c, &pending);
	if (pending != 0)
		CompareRest(records, a, b, pending, c);
}

uint64_t
PackPattern(const Comparison *comparison)
{
	uint64_t pattern = 0;

	for (int i = 0; i < FIELDS; i++)
		pattern |= (uint64_t) comparison->level[i] << (i * LEVEL_BITS);
	return pattern;
}
