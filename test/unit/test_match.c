/*-------------------------------------------------------------------------
 *
 * test_match.c
 *	  Unit tests of the resolver: accuracy on invented people, independence of
 *	  order and threads, models as bytes, one record as in a batch, faults.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_case.h"

static Person people[MOST];

static void
Measure(const Case *c, int n, MatchAccuracy *accuracy)
{
	static int64_t truth[MOST];

	for (int i = 0; i < n; i++)
		truth[i] = people[i].entity;
	assert_int_equal(
		MatchMeasure(&c->memory, c->result->persons, truth, n, accuracy),
		MATCH_OK);
}

static void
the_same_people_are_found(void **state)
{
	Case c;
	MatchAccuracy accuracy;

	(void) state;
	SeedRandom(11);
	RandomPeople(people, 600);
	CaseBegin(&c);
	assert_int_equal(CaseResolve(&c, people, 600, NULL, 0), MATCH_OK);
	Measure(&c, 600, &accuracy);
	assert_int_equal(accuracy.true_pairs, 200);
	assert_true(accuracy.precision >= 0.99);
	assert_true(accuracy.recall >= 0.97);
	CaseEnd(&c);
}

static void
nothing_is_found_where_nothing_is(void **state)
{
	Case c;

	(void) state;
	SeedRandom(12);
	for (int i = 0; i < 300; i++)
		people[i] = RandomPerson(i + 1);
	CaseBegin(&c);
	assert_int_equal(CaseResolve(&c, people, 300, NULL, 0), MATCH_OK);
	assert_true(c.result->statistics.clusters >= 299);
	CaseEnd(&c);
}

static void
empty_records_are_nobody_s(void **state)
{
	Case c;

	(void) state;
	SeedRandom(13);
	RandomPeople(people, 90);
	for (int i = 90; i < 120; i++)
		people[i] = (Person){.id = i + 1,
							 .phone_from = MATCH_ALWAYS_FROM,
							 .phone_to = MATCH_ALWAYS_TO};
	CaseBegin(&c);
	assert_int_equal(CaseResolve(&c, people, 120, NULL, 0), MATCH_OK);
	for (int i = 90; i < 120; i++)
		assert_int_equal(PersonOf(&c, i + 1), i + 1);
	CaseEnd(&c);
}

static void
sets_of_no_and_one_record_are_sets(void **state)
{
	(void) state;
	SeedRandom(14);
	for (int n = 0; n <= 2; n++)
	{
		Case c;

		RandomPeople(people, 3);
		CaseBegin(&c);
		assert_int_equal(CaseResolve(&c, people, n, NULL, 0), MATCH_OK);
		assert_int_equal(c.result->n_records, n);
		CaseEnd(&c);
	}
}

/*
 * Order of adding and number of threads: the same persons and pairs.
 */
static void
order_and_threads_change_nothing(void **state)
{
	static Person shuffled[MOST];
	Case first;
	Case second;

	(void) state;
	SeedRandom(15);
	RandomPeople(people, 900);
	memcpy(shuffled, people, sizeof(people));
	for (int i = 899; i > 0; i--)
	{
		int j = (int) Random(0, i);
		Person swap = shuffled[i];

		shuffled[i] = shuffled[j];
		shuffled[j] = swap;
	}
	CaseBegin(&first);
	CaseBegin(&second);
	second.run.threads = 4;
	assert_int_equal(CaseResolve(&first, people, 900, NULL, 0), MATCH_OK);
	assert_int_equal(CaseResolve(&second, shuffled, 900, NULL, 0), MATCH_OK);
	for (int i = 0; i < 900; i++)
		assert_int_equal(PersonOf(&first, i + 1), PersonOf(&second, i + 1));
	assert_int_equal(first.result->n_pairs, second.result->n_pairs);
	assert_memory_equal(first.result->pairs, second.result->pairs,
						(size_t) first.result->n_pairs * sizeof(MatchPair));
	assert_int_equal(MatchModelSize(first.model), MatchModelSize(second.model));
	CaseEnd(&first);
	CaseEnd(&second);
}

static void
models_survive_as_bytes(void **state)
{
	Case c;
	MatchModel *read;
	size_t size;
	char *bytes;
	char *again;

	(void) state;
	SeedRandom(16);
	RandomPeople(people, 300);
	CaseBegin(&c);
	assert_int_equal(CaseResolve(&c, people, 300, NULL, 0), MATCH_OK);
	size = MatchModelSize(c.model);
	bytes = malloc(size);
	again = malloc(size);
	MatchModelWrite(c.model, bytes);
	assert_int_equal(MatchModelRead(&c.memory, bytes, size, &read), MATCH_OK);
	assert_true(MatchModelFits(read, &c.settings));
	assert_int_equal(MatchModelSize(read), size);
	MatchModelWrite(read, again);
	assert_memory_equal(bytes, again, size);
	for (int i = 0; i < 20; i++)
	{
		MatchEvidence before;
		MatchEvidence after;

		MatchScore(c.records, i, i + 1, &before);
		assert_int_equal(MatchBind(c.records, read, NULL), MATCH_OK);
		MatchScore(c.records, i, i + 1, &after);
		assert_memory_equal(&before, &after, sizeof(before));
		assert_int_equal(MatchBind(c.records, c.model, NULL), MATCH_OK);
	}
	MatchModelFree(read);
	/* whatever byte is wrong, it is seen */
	for (size_t i = 0; i < size; i += size / 200)
	{
		bytes[i] = (char) (bytes[i] ^ 0x41);
		assert_int_equal(MatchModelRead(&c.memory, bytes, size, &read),
						 MATCH_BAD_MODEL);
		bytes[i] = (char) (bytes[i] ^ 0x41);
		assert_int_equal(MatchModelRead(&c.memory, bytes, i, &read),
						 MATCH_BAD_MODEL);
	}
	free(bytes);
	free(again);
	CaseEnd(&c);
}

/*
 * Add to a set of rows all that the keys lead to and that the merge band
 * joins, until there is no more.
 */
static int
Closure(const Case *c, int n, int row, bool *in)
{
	static uint64_t keys[MOST][MATCH_MAX_KEYS];
	static int n_keys[MOST];
	int found = 1;
	bool more = true;

	for (int i = 0; i < n; i++)
		n_keys[i] = MatchKeys(c->records, i, keys[i]);
	memset(in, 0, (size_t) n);
	in[row] = true;
	while (more)
	{
		more = false;
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n && in[i]; j++)
			{
				MatchEvidence evidence;
				bool common = false;

				for (int k = 0; k < n_keys[i] && !in[j]; k++)
					for (int l = 0; l < n_keys[j] && !common; l++)
						common = keys[i][k] == keys[j][l];
				if (!common)
					continue;
				MatchScore(c->records, i, j, &evidence);
				if (evidence.band != MATCH_BAND_MERGE)
					continue;
				in[j] = true;
				found++;
				more = true;
			}
	}
	return found;
}

static void
one_record_is_resolved_as_in_a_batch(void **state)
{
	static bool in[MOST];
	static Person some[MOST];
	Case c;
	int joined = 0;

	(void) state;
	SeedRandom(17);
	RandomPeople(people, 150);
	CaseBegin(&c);
	assert_int_equal(CaseResolve(&c, people, 150, NULL, 0), MATCH_OK);
	for (int i = 0; i < 150; i += 2)
	{
		Case single;
		int n = Closure(&c, 150, i, in);
		int n_some = 0;

		for (int j = 0; j < 150; j++)
			if (in[j])
				some[n_some++] = people[j];
		assert_int_equal(n, n_some);
		CaseBegin(&single);
		single.model = c.model;
		assert_int_equal(CaseResolve(&single, some, n, NULL, 0), MATCH_OK);
		for (int j = 0; j < n; j++)
			assert_int_equal(PersonOf(&single, some[j].id),
							 PersonOf(&c, some[j].id));
		joined += n > 1;
		single.model = NULL;
		CaseEnd(&single);
	}
	assert_true(joined > 20);
	CaseEnd(&c);
}

static void
bad_input_is_refused(void **state)
{
	Case c;
	Person twice[2];
	MatchInput input = {.source = 7};

	(void) state;
	SeedRandom(18);
	twice[0] = twice[1] = RandomPerson(5);
	CaseBegin(&c);
	assert_int_equal(CaseResolve(&c, twice, 2, NULL, 0), MATCH_BAD_INPUT);
	CaseDropRecords(&c);
	assert_int_equal(MatchRecordsCreate(&c.memory, &c.settings, 0, &c.records),
					 MATCH_OK);
	assert_int_equal(MatchRecordsAdd(c.records, &input), MATCH_BAD_INPUT);
	MatchRecordsFree(c.records);
	c.settings.merge_probability = 1.5;
	assert_int_equal(MatchRecordsCreate(&c.memory, &c.settings, 0, &c.records),
					 MATCH_BAD_INPUT);
	CaseEnd(&c);
}

/*
 * Every allocation may fail, and every question may be answered with stop.
 */
static void
faults_leave_nothing_behind(void **state)
{
	int failures = 0;
	int stops = 0;

	(void) state;
	for (int at = 0; at < 2000; at++)
	{
		Case c;
		MatchStatus status;

		SeedRandom(19);
		RandomPeople(people, 12);
		CaseBegin(&c);
		c.hooks.fail_at = at;
		status = CaseResolve(&c, people, 12, NULL, 0);
		assert_true(status == MATCH_OK || status == MATCH_NO_MEMORY);
		failures += status == MATCH_NO_MEMORY;
		CaseEnd(&c);
		if (status == MATCH_OK)
			break;
	}
	assert_true(failures > 50);
	for (int at = 0; at < 2000; at++)
	{
		Case c;
		MatchStatus status;

		SeedRandom(19);
		RandomPeople(people, 12);
		CaseBegin(&c);
		c.hooks.stop_at = at;
		status = CaseResolve(&c, people, 12, NULL, 0);
		assert_true(status == MATCH_OK || status == MATCH_INTERRUPTED);
		stops += status == MATCH_INTERRUPTED;
		CaseEnd(&c);
		if (status == MATCH_OK)
			break;
	}
	assert_true(stops > 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_people_are_found),
		cmocka_unit_test(nothing_is_found_where_nothing_is),
		cmocka_unit_test(empty_records_are_nobody_s),
		cmocka_unit_test(sets_of_no_and_one_record_are_sets),
		cmocka_unit_test(order_and_threads_change_nothing),
		cmocka_unit_test(models_survive_as_bytes),
		cmocka_unit_test(one_record_is_resolved_as_in_a_batch),
		cmocka_unit_test(bad_input_is_refused),
		cmocka_unit_test(faults_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
