/*-------------------------------------------------------------------------
 *
 * test_match_rules.c
 *	  Unit tests of the rules above the weights: verified identifiers,
 *	  contradictions, vetoes, recycled and shared numbers, a person's word,
 *	  de-duplicated sources.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_case.h"
#include "../../src/member/match_internal.h"

#define CROWD 300

static Person people[MOST];

/* A crowd to learn from; the records of a test come behind it. */
static void
Crowd(uint64_t seed)
{
	SeedRandom(seed);
	RandomPeople(people, CROWD);
}

static Person *
Extra(int number)
{
	Person *person = &people[CROWD + number];

	*person = (Person){.id = 1001 + number,
					   .verified = true,
					   .phone_from = MATCH_ALWAYS_FROM,
					   .phone_to = MATCH_ALWAYS_TO};
	return person;
}

static void
Number(char *phone, int digit)
{
	strcpy(phone, "+8613900000000");
	phone[13] = (char) ('0' + digit);
}

static void
Resolve(Case *c, int extra, const MatchConstraint *constraints, int n)
{
	CaseBegin(c);
	assert_int_equal(CaseResolve(c, people, CROWD + extra, constraints, n),
					 MATCH_OK);
}

static MatchRule
RuleOf(const Case *c, int a, int b)
{
	MatchEvidence evidence;

	MatchScore(c->records, CROWD + a, CROWD + b, &evidence);
	return evidence.rule;
}

static void
a_verified_identifier_merges_at_once(void **state)
{
	Case c;

	(void) state;
	Crowd(21);
	strcpy(Extra(0)->phone, "+8613900000001");
	strcpy(Extra(1)->phone, "+8613900000001");
	strcpy(Extra(2)->card, "card-1");
	strcpy(Extra(3)->card, "card-1");
	Resolve(&c, 4, NULL, 0);
	assert_true(Together(&c, 1001, 1002));
	assert_true(Together(&c, 1003, 1004));
	assert_int_equal(RuleOf(&c, 0, 1), MATCH_RULE_IDENTIFIER);
	CaseEnd(&c);
}

static void
an_unverified_phone_alone_does_not(void **state)
{
	Case c;

	(void) state;
	Crowd(22);
	strcpy(Extra(0)->phone, "+8613900000001");
	strcpy(Extra(1)->phone, "+8613900000001");
	people[CROWD].verified = people[CROWD + 1].verified = false;
	Resolve(&c, 2, NULL, 0);
	assert_false(Together(&c, 1001, 1002));
	assert_int_equal(RuleOf(&c, 0, 1), MATCH_RULE_SECOND_FIELD);
	CaseEnd(&c);
}

static void
birth_date_and_gender_veto(void **state)
{
	Case c;

	(void) state;
	Crowd(23);
	for (int i = 0; i < 6; i++)
		Number(Extra(i)->phone, i / 2);
	strcpy(people[CROWD].birth, "1960-03-04");
	strcpy(people[CROWD + 1].birth, "1991-11-27");
	strcpy(people[CROWD + 2].gender, "m");
	strcpy(people[CROWD + 3].gender, "f");
	/* a typo is no conflict */
	strcpy(people[CROWD + 4].birth, "1960-03-04");
	strcpy(people[CROWD + 5].birth, "1960-03-05");
	Resolve(&c, 6, NULL, 0);
	assert_false(Together(&c, 1001, 1002));
	assert_int_equal(RuleOf(&c, 0, 1), MATCH_RULE_BIRTH_DATE);
	assert_false(Together(&c, 1003, 1004));
	assert_int_equal(RuleOf(&c, 2, 3), MATCH_RULE_GENDER);
	assert_true(Together(&c, 1005, 1006));
	CaseEnd(&c);
}

static void
different_cards_never_merge(void **state)
{
	Case c;

	(void) state;
	Crowd(24);
	*Extra(0) = RandomPerson(1001);
	people[CROWD + 1] = people[CROWD];
	people[CROWD + 1].id = 1002;
	people[CROWD].verified = people[CROWD + 1].verified = true;
	strcpy(people[CROWD].card, "card-1");
	strcpy(people[CROWD + 1].card, "card-2");
	/* nor through a third that agrees with both */
	people[CROWD + 2] = people[CROWD];
	people[CROWD + 2].id = 1003;
	people[CROWD + 2].card[0] = '\0';
	Resolve(&c, 3, NULL, 0);
	assert_false(Together(&c, 1001, 1002));
	assert_int_equal(RuleOf(&c, 0, 1), MATCH_RULE_CONTRADICTION);
	assert_true(Together(&c, 1001, 1003) || Together(&c, 1002, 1003));
	CaseEnd(&c);
}

static void
a_recycled_phone_is_no_evidence(void **state)
{
	Case c;

	(void) state;
	Crowd(25);
	for (int i = 0; i < 4; i++)
		Number(Extra(i)->phone, i / 2);
	/* idle for 90 days, then claimed anew */
	people[CROWD].phone_to = 1000;
	people[CROWD + 1].phone_from = 1090;
	/* for 89 only */
	people[CROWD + 2].phone_to = 1000;
	people[CROWD + 3].phone_from = 1089;
	Resolve(&c, 4, NULL, 0);
	assert_false(Together(&c, 1001, 1002));
	assert_true(Together(&c, 1003, 1004));
	CaseEnd(&c);
}

static void
a_household_shares_a_phone_not_a_person(void **state)
{
	Case c;

	(void) state;
	Crowd(26);
	*Extra(0) = RandomPerson(1001);
	people[CROWD + 1] = people[CROWD];
	people[CROWD + 1].id = 1002;
	people[CROWD].verified = people[CROWD + 1].verified = true;
	strcpy(people[CROWD].given, "bernadette");
	strcpy(people[CROWD + 1].given, "zoki");
	people[CROWD].birth[0] = people[CROWD].gender[0] = '\0';
	Resolve(&c, 2, NULL, 0);
	assert_int_equal(RuleOf(&c, 0, 1), MATCH_RULE_SECOND_FIELD);
	CaseEnd(&c);
}

static void
a_third_does_not_join_who_are_vetoed(void **state)
{
	static const int apart[][2] = {{0, 1}, {3, 4}, {6, 7}, {9, 10}};
	Case c;

	(void) state;
	Crowd(33);
	for (int i = 0; i < 9; i++)
		Number(Extra(i)->phone, i / 3);
	strcpy(people[CROWD].birth, "1960-03-04");
	strcpy(people[CROWD + 1].birth, "1991-11-27");
	strcpy(people[CROWD + 3].gender, "m");
	strcpy(people[CROWD + 4].gender, "f");
	strcpy(people[CROWD + 6].given, "bernadette");
	strcpy(people[CROWD + 7].given, "zoki");
	/* the third has another identifier of either */
	strcpy(Extra(9)->card, "card-1");
	strcpy(Extra(10)->phone, "+8613900000009");
	*Extra(11) = people[CROWD + 10];
	people[CROWD + 11].id = 1012;
	strcpy(people[CROWD + 11].card, "card-1");
	strcpy(people[CROWD + 9].birth, "1960-03-04");
	strcpy(people[CROWD + 10].birth, "1991-11-27");
	Resolve(&c, 12, NULL, 0);
	for (int i = 0; i < 4; i++)
	{
		int a = 1001 + apart[i][0];
		int b = 1001 + apart[i][1];
		int third = 1003 + 3 * i;

		assert_false(Together(&c, a, b));
		assert_true(Together(&c, a, third) || Together(&c, b, third));
	}
	CaseEnd(&c);
}

static void
a_phone_of_a_crowd_proves_nothing(void **state)
{
	Case c;

	(void) state;
	Crowd(27);
	for (int i = 0; i < 100; i++)
		strcpy(Extra(i)->phone, "+8613900000001");
	Resolve(&c, 100, NULL, 0);
	for (int i = 1; i < 100; i++)
		assert_false(Together(&c, 1001, 1001 + i));
	CaseEnd(&c);
}

/*
 * Nor does one that a crowd came to share after the model was learned.
 */
static void
a_crowd_may_come_later(void **state)
{
	Case c;

	(void) state;
	Crowd(34);
	Resolve(&c, 0, NULL, 0);
	CaseDropRecords(&c);
	for (int i = 0; i < 100; i++)
		strcpy(Extra(i)->phone, "+8613900000001");
	assert_int_equal(CaseResolve(&c, people, CROWD + 100, NULL, 0), MATCH_OK);
	for (int i = 1; i < 100; i++)
		assert_false(Together(&c, 1001, 1001 + i));
	CaseEnd(&c);
}

/*
 * A model learned while nobody had an identifier finds those that come later.
 */
static void
identifiers_may_come_later(void **state)
{
	Case c;

	(void) state;
	Crowd(35);
	for (int i = 0; i < CROWD; i++)
		people[i].phone[0] = people[i].card[0] = '\0';
	Resolve(&c, 0, NULL, 0);
	CaseDropRecords(&c);
	strcpy(Extra(0)->phone, "+8613900000001");
	strcpy(Extra(1)->phone, "+8613900000001");
	assert_int_equal(CaseResolve(&c, people, CROWD + 2, NULL, 0), MATCH_OK);
	assert_true(Together(&c, 1001, 1002));
	CaseEnd(&c);
}

static void
a_person_s_word_stands_above_all(void **state)
{
	const MatchConstraint apart[] = {{1002, 1001, false}, {1003, 9999, true}};
	const MatchConstraint joined[] = {{1003, 1, true}};
	Case c;

	(void) state;
	Crowd(28);
	strcpy(Extra(0)->card, "card-1");
	strcpy(Extra(1)->card, "card-1");
	*Extra(2) = RandomPerson(1003);
	Resolve(&c, 3, apart, 2);
	assert_false(Together(&c, 1001, 1002));
	CaseEnd(&c);
	Resolve(&c, 3, joined, 1);
	assert_true(Together(&c, 1001, 1002));
	assert_int_equal(PersonOf(&c, 1003), 1);
	CaseEnd(&c);
}

/*
 * What was split stays apart, whatever else joins.
 */
static void
a_split_holds_for_the_whole_cluster(void **state)
{
	const MatchConstraint apart[] = {{1001, 1003, false}};
	Case c;

	(void) state;
	Crowd(29);
	for (int i = 0; i < 3; i++)
		strcpy(Extra(i)->card, "card-1");
	Resolve(&c, 3, apart, 1);
	assert_false(Together(&c, 1001, 1003));
	assert_true(Together(&c, 1001, 1002) || Together(&c, 1002, 1003));
	CaseEnd(&c);
}

static void
a_deduplicated_source_has_a_person_once(void **state)
{
	Case c;

	(void) state;
	Crowd(30);
	for (int i = 0; i < 4; i++)
	{
		if (i % 2 == 0)
			*Extra(i) = RandomPerson(1001 + i);
		else
			people[CROWD + i] = people[CROWD + i - 1];
		people[CROWD + i].id = 1001 + i;
		people[CROWD + i].source = i / 2;
	}
	CaseBegin(&c);
	c.sources[0].deduplicated = MATCH_DEDUPLICATED_YES;
	c.sources[1].deduplicated = MATCH_DEDUPLICATED_NO;
	assert_int_equal(CaseResolve(&c, people, CROWD + 4, NULL, 0), MATCH_OK);
	assert_false(Together(&c, 1001, 1002));
	assert_true(Together(&c, 1003, 1004));
	CaseEnd(&c);
}

static void
deduplicated_sources_are_recognised(void **state)
{
	Case c;

	(void) state;
	SeedRandom(31);
	/* the copy is always in the other source */
	for (int i = 0; i < 400; i++)
	{
		people[i] = i % 2 == 0 ? RandomPerson(i + 1) : people[i - 1];
		people[i].id = i + 1;
		people[i].source = i % 2;
	}
	CaseBegin(&c);
	assert_int_equal(CaseResolve(&c, people, 400, NULL, 0), MATCH_OK);
	assert_int_equal(MatchModelDeduplicated(c.model, 0),
					 MATCH_DEDUPLICATED_YES);
	CaseEnd(&c);
	/* now and then in the same one */
	for (int i = 1; i < 400; i += 20)
		people[i].source = 0;
	CaseBegin(&c);
	assert_int_equal(CaseResolve(&c, people, 400, NULL, 0), MATCH_OK);
	assert_int_equal(MatchModelDeduplicated(c.model, 0), MATCH_DEDUPLICATED_NO);
	CaseEnd(&c);
}

static void
a_cluster_has_a_limit(void **state)
{
	Case c;

	(void) state;
	Crowd(32);
	for (int i = 0; i < 8; i++)
		strcpy(Extra(i)->card, "card-1");
	CaseBegin(&c);
	c.settings.max_cluster = 5;
	assert_int_equal(CaseResolve(&c, people, CROWD + 8, NULL, 0), MATCH_OK);
	assert_int_equal(c.result->statistics.largest, 5);
	assert_true(c.result->statistics.alarms > 0);
	CaseEnd(&c);
}

/*
 * What is left out early could not have come to review: the bound of a pair
 * is no lower than its weight, at every step, and is of use.
 */
static void
bounds_of_weights_are_bounds(void **state)
{
	Case c;
	int hopeless = 0;
	int pairs = 0;
	int likely = 0;

	(void) state;
	Crowd(33);
	CaseBegin(&c);
	assert_int_equal(CaseResolve(&c, people, CROWD, NULL, 0), MATCH_OK);
	for (uint32_t a = 0; a < CROWD; a++)
		for (uint32_t b = a + 1; b < CROWD; b++)
		{
			uint32_t address = FIELD_BIT(FIELD_ADDRESS);
			uint32_t pending;
			Comparison whole;
			Comparison step;
			double weight;
			double most;

			CompareRows(c.records, a, b, NULL, &whole);
			weight = Weigh(c.model, &whole);
			CompareCheap(c.records, a, b, NULL, &step, &pending);
			most = WeighAtMost(c.model, &step, pending);
			assert_true(weight <= most);
			CompareRest(c.records, a, b, pending & ~address, &step);
			assert_true(weight <=
						WeighAtMost(c.model, &step, pending & address));
			CompareRest(c.records, a, b, pending & address, &step);
			assert_int_equal(PackPattern(&step), PackPattern(&whole));
			pairs++;
			hopeless += most < c.model->review_weight;
			likely += weight >= c.model->review_weight;
		}
	assert_true(likely > 0);
	assert_true(hopeless > pairs / 2);
	CaseEnd(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verified_identifier_merges_at_once),
		cmocka_unit_test(an_unverified_phone_alone_does_not),
		cmocka_unit_test(birth_date_and_gender_veto),
		cmocka_unit_test(different_cards_never_merge),
		cmocka_unit_test(a_recycled_phone_is_no_evidence),
		cmocka_unit_test(a_household_shares_a_phone_not_a_person),
		cmocka_unit_test(a_third_does_not_join_who_are_vetoed),
		cmocka_unit_test(a_phone_of_a_crowd_proves_nothing),
		cmocka_unit_test(a_crowd_may_come_later),
		cmocka_unit_test(identifiers_may_come_later),
		cmocka_unit_test(a_person_s_word_stands_above_all),
		cmocka_unit_test(a_split_holds_for_the_whole_cluster),
		cmocka_unit_test(a_deduplicated_source_has_a_person_once),
		cmocka_unit_test(deduplicated_sources_are_recognised),
		cmocka_unit_test(a_cluster_has_a_limit),
		cmocka_unit_test(bounds_of_weights_are_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
