/*-------------------------------------------------------------------------
 *
 * match_case.h
 *	  Records for tests of the resolver: invented people, and the whole way
 *	  from them to persons.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef MATCH_CASE_H
#define MATCH_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/member/match.h"
#include "hooks.h"
#include "random.h"

#define MOST 2000

/* One record in the plain. */
typedef struct Person
{
	int64_t id;
	int64_t entity;
	int source;
	char given[32];
	char surname[32];
	char birth[16];
	char gender[2];
	char address[64];
	char city[32];
	char phone[20];
	char card[20];
	bool verified; /* phone and card */
	int32_t phone_from;
	int32_t phone_to;
} Person;

static const MatchType case_types[] = {
	{.code = 1, .kind = MATCH_KIND_PHONE, .unique = true, .max_members = 4},
	{.code = 2,
	 .kind = MATCH_KIND_EXACT,
	 .unique = true,
	 .single = true,
	 .max_members = 1}};

/* Everything of a resolution. */
typedef struct Case
{
	Hooks hooks;
	MatchMemory memory;
	MatchSource sources[2];
	MatchSettings settings;
	MatchRun run;
	MatchRecords *records;
	MatchModel *model;
	MatchResult *result;
} Case;

static inline bool
CaseProgress(void *context, const char *stage, double done)
{
	assert_non_null(stage);
	assert_true(done >= 0.0 && done <= 1.0);
	return HookInterrupted(context);
}

static inline void
CaseBegin(Case *c)
{
	memset(c, 0, sizeof(Case));
	c->hooks.fail_at = c->hooks.stop_at = -1;
	c->memory = (MatchMemory){HookAlloc, HookRelease, &c->hooks};
	for (int i = 0; i < 2; i++)
		c->sources[i] = (MatchSource){i, MATCH_DEDUPLICATED_UNKNOWN};
	MatchSettingsDefault(&c->settings);
	c->settings.types = case_types;
	c->settings.n_types = 2;
	c->settings.sources = c->sources;
	c->settings.n_sources = 2;
	c->run = (MatchRun){1, CaseProgress, &c->hooks};
}

static inline MatchText
CaseText(const char *text)
{
	return (MatchText){.data = text, .length = (uint32_t) strlen(text)};
}

static inline MatchStatus
CaseAdd(Case *c, const Person *person)
{
	MatchIdentifier identifiers[] = {
		{0, person->verified, person->phone_from, person->phone_to,
		 person->phone, (uint32_t) strlen(person->phone)},
		{1, person->verified, MATCH_ALWAYS_FROM, MATCH_ALWAYS_TO, person->card,
		 (uint32_t) strlen(person->card)}};
	MatchInput input = {.id = person->id,
						.source = person->source,
						.n_identifiers = 2,
						.identifiers = identifiers};

	input.text[MATCH_GIVEN_NAME] = CaseText(person->given);
	input.text[MATCH_SURNAME] = CaseText(person->surname);
	input.text[MATCH_BIRTH_DATE] = CaseText(person->birth);
	input.text[MATCH_GENDER] = CaseText(person->gender);
	input.text[MATCH_ADDRESS] = CaseText(person->address);
	input.text[MATCH_CITY] = CaseText(person->city);
	return MatchRecordsAdd(c->records, &input);
}

static inline MatchStatus
CaseRecords(Case *c, const Person *people, int n)
{
	MatchStatus status =
		MatchRecordsCreate(&c->memory, &c->settings, n, &c->records);

	for (int i = 0; i < n && status == MATCH_OK; i++)
		status = CaseAdd(c, &people[i]);
	return status == MATCH_OK ? MatchPrepare(c->records, &c->run) : status;
}

/* From people to persons, by the case's model if it has one. */
static inline MatchStatus
CaseResolve(Case *c, const Person *people, int n,
			const MatchConstraint *constraints, int n_constraints)
{
	MatchStatus status = CaseRecords(c, people, n);

	if (status == MATCH_OK && c->model == NULL)
		status = MatchLearn(c->records, &c->run, &c->model);
	if (status == MATCH_OK)
		status = MatchBind(c->records, c->model, &c->run);
	if (status == MATCH_OK)
		status = MatchResolve(c->records, constraints, n_constraints, &c->run,
							  &c->result);
	return status;
}

static inline void
CaseDropRecords(Case *c)
{
	MatchResultFree(c->result);
	MatchRecordsFree(c->records);
	c->result = NULL;
	c->records = NULL;
}

static inline void
CaseEnd(Case *c)
{
	CaseDropRecords(c);
	MatchModelFree(c->model);
	c->model = NULL;
	assert_int_equal(c->hooks.living, 0);
}

/* The person of a record. */
static inline int64_t
PersonOf(const Case *c, int64_t id)
{
	for (int64_t i = 0; i < c->result->n_records; i++)
		if (c->result->ids[i] == id)
			return c->result->persons[i];
	fail_msg("no record %lld", (long long) id);
	return -1;
}

static inline bool
Together(const Case *c, int64_t a, int64_t b)
{
	return PersonOf(c, a) == PersonOf(c, b);
}

static inline void
RandomWord(char *word, int syllables)
{
	static const char consonants[] = "bdfgklmnprstvz";
	static const char vowels[] = "aeiou";
	int n = 0;

	for (int i = 0; i < syllables; i++)
	{
		word[n++] = consonants[Random(0, 13)];
		word[n++] = vowels[Random(0, 4)];
	}
	word[n] = '\0';
}

static inline Person
RandomPerson(int64_t id)
{
	Person person = {.id = id,
					 .entity = id,
					 .phone_from = MATCH_ALWAYS_FROM,
					 .phone_to = MATCH_ALWAYS_TO};
	char street[16];

	RandomWord(person.given, 3);
	RandomWord(person.surname, 3);
	RandomWord(street, 4);
	RandomWord(person.city, 2);
	person.city[1] = 'a';
	snprintf(person.birth, sizeof(person.birth), "%04d-%02d-%02d",
			 (int) Random(1950, 2005), (int) Random(1, 12),
			 (int) Random(1, 28));
	snprintf(person.gender, sizeof(person.gender), "%s",
			 Random(0, 1) ? "m" : "f");
	snprintf(person.address, sizeof(person.address), "%d %s street",
			 (int) Random(1, 300), street);
	snprintf(person.phone, sizeof(person.phone), "+861%d%09d",
			 (int) Random(3, 9), (int) Random(0, 999999999));
	return person;
}

static inline void
Spoil(char *text)
{
	size_t length = strlen(text);
	size_t at;

	if (length < 4)
		return;
	at = (size_t) Random(1, (int64_t) length - 2);
	if (Random(0, 1))
		memmove(text + at, text + at + 1, length - at);
	else
	{
		char swap = text[at];

		text[at] = text[at + 1];
		text[at + 1] = swap;
	}
}

/* n records; every second person is there twice, with errors and gaps. */
static inline void
RandomPeople(Person *people, int n)
{
	for (int i = 0; i < n; i++)
	{
		people[i] = RandomPerson(i + 1);
		people[i].source = i % 2;
		if (i % 3 != 2)
			continue;
		people[i] = people[i - 1];
		people[i].id = i + 1;
		people[i].source = i % 2;
		if (Random(1, 3) == 1)
			Spoil(people[i].given);
		if (Random(1, 4) == 1)
			Spoil(people[i].surname);
		if (Random(1, 5) == 1)
			people[i].birth[0] = '\0';
		if (Random(1, 3) == 1)
			people[i].phone[0] = '\0';
		if (Random(1, 4) == 1)
			people[i].address[0] = '\0';
	}
}

#endif /* MATCH_CASE_H */
