/*-------------------------------------------------------------------------
 *
 * online.c
 *	  Who is this account?  Resolution of one account among all.
 *
 * The answer is that of a batch over everybody with the same model.  People
 * are clusters within connected components of the pairs that the matcher
 * would merge and of must-links, so the component of the account is explored
 * (its candidates by match_key, theirs where a pair is good enough, the people
 * to whom they belong now) and resolved by the same MatchResolve().
 *
 * What is read before it is locked (member_lock.c) is compared afterwards, and
 * read again where somebody was faster.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/online.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* A component of more accounts is an alarm, for a batch to look at. */
#define MOST_REACHED 1000
#define MOST_ATTEMPTS 20

static void
BeginNodes(Online *online)
{
	HASHCTL control = {0};

	if (online->context)
		MemoryContextDelete(online->context);
	online->context = AllocSetContextCreate(
		CurrentMemoryContext, "pg_retail online", ALLOCSET_DEFAULT_SIZES);
	control.keysize = sizeof(int64);
	control.entrysize = sizeof(OnlineEntry);
	control.hcxt = online->context;
	online->index = hash_create("pg_retail online", 64, &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	online->n = 0;
	online->room = 64;
	online->nodes = MemoryContextAlloc(
		online->context, sizeof(OnlineNode) * (Size) online->room);
	online->n_constraints = 0;
	online->constraints_room = 16;
	online->constraints = MemoryContextAlloc(
		online->context,
		sizeof(MatchConstraint) * (Size) online->constraints_room);
	online->records = NULL;
	online->rows = NULL;
	online->result = NULL;
	online->n_reached = 0;
	OnlineNodeAt(online, online->account_id)->reached = true;
}

/* Marks what the matcher would merge with accounts of the last round. */
static void
ReachPairs(Online *online, const int64 *pairs, int n)
{
	for (int i = 0; i < n; i++)
	{
		int a = OnlineNodeOf(online, pairs[2 * i]);
		int b = OnlineNodeOf(online, pairs[2 * i + 1]);
		MatchEvidence evidence;

		if (online->nodes[b].reached || online->rows[a] < 0 ||
			online->rows[b] < 0)
			continue;
		MatchScore(online->records, online->rows[a], online->rows[b],
				   &evidence);
		if (evidence.band == MATCH_BAND_MERGE)
			online->nodes[b].reached = true;
	}
}

static void
ReachMustLinks(Online *online)
{
	for (int i = 0; i < online->n_constraints; i++)
	{
		const MatchConstraint *constraint = &online->constraints[i];
		int a, b;

		if (!constraint->link)
			continue;
		a = OnlineNodeOf(online, constraint->a);
		b = OnlineNodeOf(online, constraint->b);
		if (online->nodes[a].reached || online->nodes[b].reached)
			online->nodes[a].reached = online->nodes[b].reached = true;
	}
}

/* Explores one round; returns false when nothing new is reached. */
static bool
ExploreRound(Online *online, int64 *done, int *n_done)
{
	int64 *fresh = done + *n_done;
	int n_fresh = 0;
	int64 *pairs;
	int n_pairs;

	OnlineLoad(online);
	for (int i = 0; i < online->n; i++)
	{
		bool known = !online->nodes[i].reached || !online->nodes[i].input;

		for (int k = 0; k < *n_done && !known; k++)
			known = done[k] == online->nodes[i].id;
		if (!known && *n_done + n_fresh < MOST_REACHED)
			fresh[n_fresh++] = online->nodes[i].id;
	}
	if (n_fresh == 0)
		return false;
	*n_done += n_fresh;
	/* An account that was made just now has neither. */
	if (!(online->created && *n_done == 1))
	{
		OnlineConstraints(online, fresh, n_fresh);
		OnlineGroups(online, fresh, n_fresh);
	}
	n_pairs = OnlineCandidates(online, fresh, n_fresh, &pairs);
	for (int i = 0; i < n_pairs; i++)
		(void) OnlineNodeOf(online, pairs[2 * i + 1]);
	OnlineLoad(online);
	if (n_pairs > 0)
	{
		OnlineRecords(online);
		ReachPairs(online, pairs, n_pairs);
	}
	ReachMustLinks(online);
	return true;
}

/* Explores the component of the account. */
static void
Explore(Online *online)
{
	int64 *done = palloc(sizeof(int64) * MOST_REACHED);

	while (ExploreRound(online, done, &online->n_reached))
		CHECK_FOR_INTERRUPTS();
	pfree(done);
}

/* Locks what was reached; false: it must be read again. */
static bool
LockReached(Online *online)
{
	int64 *ids = palloc(sizeof(int64) * Max(online->n, 1));
	int n = 0;
	bool waited;

	if (MemberGateIsMine())
		return true;
	for (int i = 0; i < online->n; i++)
		if (online->nodes[i].reached)
			ids[n++] = online->nodes[i].id;
	/* Nobody else knows an account that was made just now. */
	if (n == 1 && online->created)
		return true;
	waited = MemberLockAccounts(ids, n);
	pfree(ids);
	return !waited && !OnlineHasChanged(online);
}

/* The keys of the account, which then nobody else may look for. */
static void
TakeKeys(Online *online)
{
	uint64 keys[MATCH_MAX_KEYS];
	int n = 0;

	OnlineLoad(online);
	if (online->nodes[0].input)
	{
		OnlineRecords(online);
		n = MatchKeys(online->records, online->rows[0], keys);
	}
	(void) MemberLockKeys(keys, n);
	OnlineWriteKeys(online->model, online->account_id, online->created, keys,
					n);
}

static void
Resolve(Online *online)
{
	MatchRun run = {1, NULL, NULL};

	if (online->rows == NULL || MatchRecordsCount(online->records) < online->n)
		OnlineRecords(online);
	MemberMatchCheck(MatchResolve(online->records, online->constraints,
								  online->n_constraints, &run, &online->result),
					 "resolve");
	for (int i = 0; i < online->n; i++)
		if (online->rows[i] >= 0 && online->nodes[i].reached)
			online->nodes[i].person = online->result->persons[online->rows[i]];
}

/* Tells that the component is too large, unless that is told of it already. */
static void
TellTooLarge(Online *online)
{
	static RetailStatement statement = {
		"INSERT INTO retail.account_exception (source_id, external_id, account_id, sqlstate, error, detail, hint, raised_at)"
		" SELECT a.source_id, a.external_id, a.account_id, '54000', 'too many accounts may be one person', format('%s or more hang together.', $3),"
		" 'Its links stay as they are until the next run_resolution(). See retail.member_alarms for what they share, and block it.', $4"
		" FROM retail.account a WHERE a.account_id = $1 AND NOT EXISTS (SELECT FROM retail.account_exception e"
		" WHERE e.account_id = ANY ($2) AND e.error = 'too many accounts may be one person' AND e.resolved_at IS NULL)",
		4,
		{INT8OID, INT8ARRAYOID, INT4OID, TIMESTAMPTZOID},
		NULL,
		false};
	int64 *ids = palloc(sizeof(int64) * online->n);
	int n = 0;
	Datum values[4];

	for (int i = 0; i < online->n; i++)
		if (online->nodes[i].reached)
			ids[n++] = online->nodes[i].id;
	values[0] = Int64GetDatum(online->account_id);
	values[1] = RetailInt64Array(ids, n);
	values[2] = Int32GetDatum(MOST_REACHED);
	values[3] = TimestampTzGetDatum(online->as_of);
	RetailExecute(&statement, values, NULL, false, SPI_OK_INSERT);
	pfree(ids);
}

/* Begins a neighbourhood of nothing but the account. */
void
OnlineBegin(Online *online, const MemberModel *model, int64 account_id,
			TimestampTz as_of)
{
	memset(online, 0, sizeof(*online));
	online->model = model;
	online->account_id = account_id;
	online->as_of = as_of;
	BeginNodes(online);
}

/*
 * Finds out whose an account is that was written in this transaction, and
 * writes what is different from before.
 */
void
OnlineResolve(const MemberModel *model, int64 account_id, bool created,
			  TimestampTz as_of, Online *online)
{
	int attempts = 0;

	OnlineBegin(online, model, account_id, as_of);
	online->created = created;
	TakeKeys(online);
	do
	{
		if (++attempts > MOST_ATTEMPTS)
			ereport(ERROR, errcode(RT_TOO_BUSY),
					errmsg("accounts changed under the decision too often"),
					errdetail("Account %lld was read %d times.",
							  (long long) account_id, MOST_ATTEMPTS),
					errhint("Try again."));
		if (attempts > 1)
			BeginNodes(online);
		Explore(online);
	} while (!LockReached(online));
	if (online->n_reached >= MOST_REACHED)
	{
		/* Links stay as they are until the next batch. */
		TellTooLarge(online);
		return;
	}
	/* A set of one has no pairs. */
	if (online->n > 1)
	{
		Resolve(online);
		OnlineApply(online);
	}
}
