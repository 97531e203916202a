/*-------------------------------------------------------------------------
 *
 * match_score.c
 *	  The weight of a comparison, and the rules that stand above it.
 *
 * Three classes of pairs: one person (m), two people of one household (they
 * agree on surname, address and perhaps telephone like one person does, but on
 * nothing else: h), and any two people (u).  The weight is the log-odds of the
 * first against the two others, so that a shared household is no evidence of
 * a shared person, however many of its fields agree.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_internal.h"

#include <math.h>
#include <string.h>

/* Weight of a pair that a verified identifier or a person has joined. */
#define SURE_WEIGHT 40.0
/* How much of the rarity of a value counts for one that is only alike. */
#define ALIKE_SHARE 0.5f

/*
 * Do people of one household agree on this field?
 */
static bool
IsHouseholdField(int field)
{
	return field == FIELD_SURNAME || field == FIELD_PHONE ||
		field == FIELD_ADDRESS || field == FIELD_POSTCODE ||
		field == FIELD_CITY || field == FIELD_REGION;
}

/*
 * The first field that this one depends on and that is known; -1: none.
 */
static int
KnownParent(const Comparison *c, int field, int *number)
{
	const int *parents = FieldParents(field);

	for (int i = 0; parents[i] >= 0; i++)
		if (c->level[parents[i]] != 0)
		{
			*number = i;
			return parents[i];
		}
	return -1;
}

/*
 * log2 of the chances that one person's records, and two people's, agree like
 * this.
 */
static void
LogMU(const MatchModel *model, const Comparison *c, int field, float *m,
	  float *u)
{
	int level = c->level[field];
	float rarity = c->rarity[field];
	int number;
	int parent = KnownParent(c, field, &number);

	*m = model->log_m[field][level];
	*u = model->log_u[field][level];
	if (parent >= 0)
	{
		int given = c->level[parent];

		*m = model->log_m_given[field][number][given][level];
		*u = model->log_u_given[field][number][given][level];
		/* an address that agrees says more of the city than its rarity */
		if (level == LEVEL_EXACT && rarity <= 0.0f &&
			(field == FIELD_EMAIL || given > 2))
			*u = rarity;
		return;
	}
	if (rarity > 0.0f)
		return;
	if (level == LEVEL_EXACT)
		*u = rarity;
	else if (level <= 3 && (field == FIELD_GIVEN || field == FIELD_SURNAME))
	{
		float shift = (rarity - model->log_u[field][LEVEL_EXACT]) * ALIKE_SHARE;

		*u += shift > 2.0f ? 2.0f : shift < -2.0f ? -2.0f : shift;
	}
}

static double
AddLogs(double a, double b)
{
	double high = a > b ? a : b;
	double low = a > b ? b : a;

	return high - low > 30.0 ? high : high + log2(1.0 + exp2(low - high));
}

double
Weigh(const MatchModel *model, const Comparison *c)
{
	double one = model->log_prior;
	double two = 0.0;
	double household = model->log_household;

	for (int f = 0; f < FIELDS; f++)
	{
		int level = c->level[f];
		float m;
		float u;

		if (level == 0)
			continue;
		LogMU(model, c, f, &m, &u);
		one += m;
		two += u;
		household += IsHouseholdField(f) ? model->log_h[f][level] : u;
	}
	return one - AddLogs(two, household);
}

/*
 * Add what a field says at most, against two people and against two of a
 * household.
 */
static void
AddAtMost(const MatchModel *model, const Comparison *c, int field, bool pending,
		  double *two, double *home)
{
	float m;
	float u;

	if (c->level[field] == 0)
		return;
	if (pending)
	{
		*two += model->log_most[field];
		*home += IsHouseholdField(field) ? model->log_most_home[field]
										 : model->log_most[field];
		return;
	}
	LogMU(model, c, field, &m, &u);
	*two += m - u;
	*home += m -
		(IsHouseholdField(field) ? model->log_h[field][c->level[field]] : u);
}

/*
 * Address and what depends on it: every level that an address can have.
 */
static double
PlacesAtMost(const MatchModel *model, const Comparison *c, double two,
			 double home)
{
	Comparison place = *c;
	double most = -1000.0;

	for (int l = LEVEL_EXACT + 1; l < LevelCount(FIELD_ADDRESS); l++)
	{
		double of_two = two;
		double of_home = home;

		place.level[FIELD_ADDRESS] = (uint8_t) l;
		for (int f = FIELD_ADDRESS; f <= FIELD_REGION; f++)
			AddAtMost(model, &place, f, false, &of_two, &of_home);
		if (of_home < of_two)
			of_two = of_home;
		if (of_two > most)
			most = of_two;
	}
	return most;
}

double
WeighAtMost(const MatchModel *model, const Comparison *c, uint32_t pending)
{
	bool address = (pending & FIELD_BIT(FIELD_ADDRESS)) != 0;
	/* sums of floats differ by their order */
	double two = model->log_prior + 0.001;
	double home = two - model->log_household;

	for (int f = 0; f < FIELDS; f++)
		if (!address || f < FIELD_ADDRESS || f > FIELD_REGION)
			AddAtMost(model, c, f, (pending & FIELD_BIT(f)) != 0, &two, &home);
	if (address)
		return PlacesAtMost(model, c, two, home);
	return home < two ? home : two;
}

double
WeightProbability(double weight)
{
	if (weight > 500.0)
		return 1.0;
	if (weight < -500.0)
		return 0.0;
	return 1.0 / (1.0 + exp2(-weight));
}

/*
 * Does nothing speak for the pair but an identifier that people share?
 */
static bool
OnlyShareable(const MatchModel *model, const Comparison *c)
{
	bool shareable = false;

	for (int f = 0; f < FIELDS; f++)
	{
		int level = c->level[f];

		float m;
		float u;

		if (level == 0 || f == FIELD_ORDER)
			continue;
		LogMU(model, c, f, &m, &u);
		if (m <= u)
			continue;
		if (f != FIELD_PHONE && f != FIELD_EXACT2 && f != FIELD_GENDER &&
			f != FIELD_REGION)
			return false;
		shareable |= f == FIELD_PHONE || f == FIELD_EXACT2;
	}
	return shareable;
}

static MatchBand
BandOfWeight(const MatchModel *model, double weight)
{
	if (weight >= model->merge_weight)
		return MATCH_BAND_MERGE;
	return weight >= model->review_weight ? MATCH_BAND_REVIEW
										  : MATCH_BAND_LEAVE;
}

MatchBand
Judge(const MatchModel *model, const Comparison *c, double *weight,
	  MatchRule *rule)
{
	MatchBand band = BandOfWeight(model, *weight);

	*rule = MATCH_RULE_WEIGHT;
	if (c->contradiction)
	{
		*rule = MATCH_RULE_CONTRADICTION;
		return MATCH_BAND_LEAVE;
	}
	if (c->shared_value)
	{
		if (c->birth_conflict || c->gender_conflict)
		{
			*rule =
				c->birth_conflict ? MATCH_RULE_BIRTH_DATE : MATCH_RULE_GENDER;
			return MATCH_BAND_REVIEW;
		}
		if (!c->shareable || !c->name_conflict)
		{
			*rule = MATCH_RULE_IDENTIFIER;
			if (*weight < SURE_WEIGHT)
				*weight = SURE_WEIGHT;
			return MATCH_BAND_MERGE;
		}
		if (band == MATCH_BAND_LEAVE)
			band = MATCH_BAND_REVIEW;
		*rule = MATCH_RULE_SECOND_FIELD;
		return band;
	}
	if (band == MATCH_BAND_MERGE && OnlyShareable(model, c))
	{
		*rule = MATCH_RULE_SECOND_FIELD;
		band = MATCH_BAND_REVIEW;
	}
	return band;
}

void
MatchScore(const MatchRecords *records, int64_t row_a, int64_t row_b,
		   MatchEvidence *evidence)
{
	const MatchModel *model = records->model;
	Comparison c;
	double sum = 0.0;

	memset(evidence, 0, sizeof(MatchEvidence));
	CompareRows(records, records->rank[row_a], records->rank[row_b], NULL, &c);
	evidence->weight = Weigh(model, &c);
	evidence->prior = model->log_prior;
	for (int f = 0; f < FIELDS; f++)
	{
		MatchFieldEvidence *field = &evidence->fields[evidence->n_fields];
		int level = c.level[f];

		if (!model->core.present[f] || (f == FIELD_ORDER && level == 0))
			continue;
		field->field = f;
		field->level = level;
		if (level != 0)
		{
			float m;
			float u;

			LogMU(model, &c, f, &m, &u);
			field->bits = m - u;
		}
		sum += field->bits;
		evidence->n_fields++;
	}
	evidence->adjustment = evidence->weight - evidence->prior - sum;
	evidence->band = Judge(model, &c, &evidence->weight, &evidence->rule);
	evidence->probability = WeightProbability(evidence->weight);
}

const char *
MatchStatusText(MatchStatus status)
{
	static const char *const texts[] = {"ok", "bad input", "bad model",
										"out of memory", "interrupted"};

	return (unsigned) status < sizeof(texts) / sizeof(texts[0]) ? texts[status]
																: "unknown";
}

const char *
MatchRuleText(MatchRule rule)
{
	static const char *const texts[] = {
		"weight",		 "identifier", "must_link", "cannot_link",
		"contradiction", "birth_date", "gender",	"second_field",
		"source",		 "cluster",	   "size"};

	return (unsigned) rule < sizeof(texts) / sizeof(texts[0]) ? texts[rule]
															  : "unknown";
}
