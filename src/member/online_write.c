/*-------------------------------------------------------------------------
 *
 * online_write.c
 *	  What the resolution of an account changes: keys, links, questions.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/online.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "foundation/table_writer.h"

/* More questions of one account are no help to anybody. */
#define MOST_QUESTIONS 20

/* ---- keys ---- */

static RetailTable key_table = {
	"match_key", 2, {{"key", INT8OID, true}, {"account_id", INT8OID, true}},
	NULL,		 0, NULL};

static void
ReplaceKeys(int64 account_id, Datum keys)
{
	static RetailStatement remove = {
		"DELETE FROM retail.match_key WHERE account_id = $1 AND key <> ALL ($2)",
		2,
		{INT8OID, INT8ARRAYOID},
		NULL,
		true};
	static RetailStatement add = {
		"INSERT INTO retail.match_key (key, account_id) SELECT k, $1 FROM unnest($2) k ON CONFLICT DO NOTHING",
		2,
		{INT8OID, INT8ARRAYOID},
		NULL,
		true};
	Datum values[2];

	values[0] = Int64GetDatum(account_id);
	values[1] = keys;
	RetailExecute(&remove, values, NULL, false, SPI_OK_DELETE);
	RetailExecute(&add, values, NULL, false, SPI_OK_INSERT);
}

/* Writes the keys of an account in place of those that it had. */
void
OnlineWriteKeys(const MemberModel *model, int64 account_id, bool created,
				const uint64 *keys, int n)
{
	RetailRows *rows;

	if (!created)
	{
		ReplaceKeys(account_id, RetailInt64Array((const int64 *) keys, n));
		return;
	}
	rows = RetailRowsMake(&key_table, n);
	for (int i = 0; i < n; i++)
	{
		Datum values[2];

		values[0] = Int64GetDatum((int64) keys[i]);
		values[1] = Int64GetDatum(account_id);
		RetailRowsAdd(rows, values, NULL);
	}
	RetailRowsInsert(rows, NULL);
}

/* ---- links ---- */

/* The pair by which an account belongs to its people: its strongest merge. */
static const MatchPair *
MergeOf(const Online *online, int64 id)
{
	const MatchPair *best = NULL;

	for (int64 i = 0; i < online->result->n_pairs; i++)
	{
		const MatchPair *pair = &online->result->pairs[i];
		bool is_told =
			pair->a == online->account_id || pair->b == online->account_id;

		if (!pair->merged || (pair->a != id && pair->b != id))
			continue;
		/* What is new explains more than what was known. */
		if (best == NULL || is_told || pair->weight > best->weight)
			best = pair;
		if (is_told)
			break;
	}
	return best;
}

/* Compares the two of a pair again. */
static void
Rescore(Online *online, const MatchPair *pair, MatchEvidence *evidence)
{
	MatchScore(online->records, online->rows[OnlineNodeOf(online, pair->a)],
			   online->rows[OnlineNodeOf(online, pair->b)], evidence);
}

static void
WriteChange(Online *online, const OnlineNode *node, Datum actor)
{
	static RetailStatement statement = {
		"INSERT INTO retail.member_change (account_id, from_member_id, to_member_id, kind, rule, partner_id, weight, evidence, model_id, changed_at, actor)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		11,
		{INT8OID, INT8OID, INT8OID, TEXTOID, TEXTOID, INT8OID, FLOAT4OID,
		 JSONBOID, INT4OID, TIMESTAMPTZOID, TEXTOID},
		NULL,
		true};
	const MatchPair *pair = MergeOf(online, node->id);
	bool splits = pair == NULL;
	Datum values[11];
	char nulls[11];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(node->id);
	values[1] = Int64GetDatum(node->member);
	values[2] = Int64GetDatum(node->person);
	if (pair)
	{
		MatchEvidence evidence;

		Rescore(online, pair, &evidence);
		/* It left those who keep the old number. */
		splits = node->person > node->member;
		values[4] = CStringGetTextDatum(
			EvidenceRuleName(online->model, &evidence, pair->rule));
		values[5] = Int64GetDatum(pair->a == node->id ? pair->b : pair->a);
		values[6] = Float4GetDatum(pair->weight);
		values[7] = EvidenceJson(online->model->model, &evidence);
	}
	else
	{
		values[4] = CStringGetTextDatum("resolution");
		nulls[5] = nulls[6] = nulls[7] = 'n';
	}
	values[3] = CStringGetTextDatum(splits ? "split" : "merge");
	values[8] = Int32GetDatum(online->model->model_id);
	values[9] = TimestampTzGetDatum(online->as_of);
	values[10] = actor;
	RetailExecute(&statement, values, nulls, false, SPI_OK_INSERT);
}

static void
WriteLink(const OnlineNode *node)
{
	static RetailStatement put = {
		"INSERT INTO retail.member_link (account_id, member_id) VALUES ($1, $2)"
		" ON CONFLICT (account_id) DO UPDATE SET member_id = excluded.member_id",
		2,
		{INT8OID, INT8OID},
		NULL,
		true};
	static RetailStatement remove = {
		"DELETE FROM retail.member_link WHERE account_id = $1",
		1,
		{INT8OID},
		NULL,
		true};
	Datum values[2];

	values[0] = Int64GetDatum(node->id);
	values[1] = Int64GetDatum(node->person);
	if (node->person == node->id)
		RetailExecute(&remove, values, NULL, false, SPI_OK_DELETE);
	else
		RetailExecute(&put, values, NULL, false, SPI_OK_INSERT);
}

/* ---- questions ---- */

/* Is the question about this account, or among those that were resolved? */
static bool
IsOurs(Online *online, const MatchPair *pair)
{
	return pair->a == online->account_id || pair->b == online->account_id ||
		(OnlineNodeAt(online, pair->a)->reached &&
		 OnlineNodeAt(online, pair->b)->reached);
}

static bool
AskQuestion(Online *online, const MatchPair *pair)
{
	static RetailStatement statement = {
		"INSERT INTO retail.match_review AS r (account_a, account_b, weight, reason, evidence, model_id, opened_at)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account_a, account_b) DO UPDATE SET"
		" weight = excluded.weight, reason = excluded.reason, evidence = excluded.evidence, model_id = excluded.model_id, state = 'open',"
		" opened_at = CASE WHEN r.state = 'open' THEN r.opened_at ELSE excluded.opened_at END, decided_at = NULL, actor = NULL"
		" WHERE r.state IN ('open', 'obsolete') RETURNING 1",
		7,
		{INT8OID, INT8OID, FLOAT4OID, TEXTOID, JSONBOID, INT4OID,
		 TIMESTAMPTZOID},
		NULL,
		true};
	MatchEvidence evidence;
	Datum values[7];

	Rescore(online, pair, &evidence);
	values[0] = Int64GetDatum(pair->a);
	values[1] = Int64GetDatum(pair->b);
	values[2] = Float4GetDatum(pair->weight);
	values[3] = CStringGetTextDatum(ReviewReason(pair->rule));
	values[4] = EvidenceJson(online->model->model, &evidence);
	values[5] = Int32GetDatum(online->model->model_id);
	values[6] = TimestampTzGetDatum(online->as_of);
	RetailExecute(&statement, values, NULL, false, SPI_OK_INSERT_RETURNING);
	return SPI_processed > 0;
}

/* Closes questions that the data do not ask any more. */
static void
CloseQuestions(Online *online, const int64 *asked_a, const int64 *asked_b,
			   int n)
{
	static RetailStatement statement = {
		"UPDATE retail.match_review r SET state = 'obsolete', decided_at = $5 WHERE r.state = 'open'"
		" AND (r.account_a = $1 OR r.account_b = $1 OR r.account_a = ANY ($2) AND r.account_b = ANY ($2))"
		" AND NOT EXISTS (SELECT FROM unnest($3, $4) q (a, b) WHERE q.a = r.account_a AND q.b = r.account_b)",
		5,
		{INT8OID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID},
		NULL,
		true};
	int64 *reached = palloc(sizeof(int64) * Max(online->n, 1));
	int n_reached = 0;
	Datum values[5];

	for (int i = 0; i < online->n; i++)
		if (online->nodes[i].reached)
			reached[n_reached++] = online->nodes[i].id;
	if (online->created && n_reached == 1)
		return;
	values[0] = Int64GetDatum(online->account_id);
	values[1] = RetailInt64Array(reached, n_reached);
	values[2] = RetailInt64Array(asked_a, n);
	values[3] = RetailInt64Array(asked_b, n);
	values[4] = TimestampTzGetDatum(online->as_of);
	RetailExecute(&statement, values, NULL, false, SPI_OK_UPDATE);
}

static int
CompareQuestions(const void *a, const void *b)
{
	const MatchPair *x = *(const MatchPair *const *) a;
	const MatchPair *y = *(const MatchPair *const *) b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return x->b < y->b ? -1 : x->b > y->b;
}

/* Writes the strongest questions. */
static void
WriteQuestions(Online *online)
{
	const MatchResult *result = online->result;
	const MatchPair **ours =
		palloc(sizeof(MatchPair *) * Max(result->n_pairs, 1));
	int64 asked_a[MOST_QUESTIONS];
	int64 asked_b[MOST_QUESTIONS];
	int n = 0;

	for (int64 i = 0; i < result->n_pairs; i++)
	{
		const MatchPair *pair = &result->pairs[i];

		if (!pair->merged && pair->rule != MATCH_RULE_CANNOT_LINK &&
			IsOurs(online, pair))
			ours[n++] = pair;
	}
	qsort(ours, n, sizeof(MatchPair *), CompareQuestions);
	n = Min(n, MOST_QUESTIONS);
	for (int i = 0; i < n; i++)
	{
		asked_a[i] = ours[i]->a;
		asked_b[i] = ours[i]->b;
		if (AskQuestion(online, ours[i]))
			online->questions++;
	}
	CloseQuestions(online, asked_a, asked_b, n);
}

/* Writes what a resolution found that is different from before. */
void
OnlineApply(Online *online)
{
	Datum actor = CStringGetTextDatum(RetailCallerName());

	for (int i = 0; i < online->n; i++)
	{
		OnlineNode *node = &online->nodes[i];

		if (!node->reached || node->input == NULL ||
			node->person == node->member)
			continue;
		WriteChange(online, node, actor);
		WriteLink(node);
	}
	WriteQuestions(online);
}
