/*-------------------------------------------------------------------------
 *
 * online_read.c
 *	  What the neighbourhood of an account is made of: accounts by key,
 *	  identifiers, links, constraints.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/online.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* A key of more accounts finds nobody: so does the matcher's own limit. */
#define BLOCK_LIMIT 500

/* Returns the place of an account, which may be new. */
int
OnlineNodeOf(Online *online, int64 id)
{
	bool found;
	OnlineEntry *entry = hash_search(online->index, &id, HASH_ENTER, &found);
	int *place = &entry->place;

	if (found)
		return *place;
	if (online->n == online->room)
	{
		online->room *= 2;
		online->nodes = repalloc_huge(online->nodes,
									  sizeof(OnlineNode) * (Size) online->room);
	}
	*place = online->n++;
	memset(&online->nodes[*place], 0, sizeof(OnlineNode));
	online->nodes[*place].id = id;
	online->nodes[*place].member = id;
	online->nodes[*place].person = id;
	return *place;
}

/*
 * Returns the node of an account.  nodes[OnlineNodeOf()] would not do: a new
 * node moves the others.
 */
OnlineNode *
OnlineNodeAt(Online *online, int64 id)
{
	int place = OnlineNodeOf(online, id);

	return &online->nodes[place];
}

/* ---- accounts ---- */

static void
SetAccountText(AccountText *text, uint64 row, int column)
{
	char *value = RetailCellText(row, column);

	text->data = value;
	text->length = value ? (int) strlen(value) : 0;
}

/* Copies a folded account out of the buffers in which it lies. */
static MatchInput *
KeepInput(const MatchInput *input)
{
	MatchInput *copy = palloc(sizeof(MatchInput));
	MatchIdentifier *identifiers =
		palloc(sizeof(MatchIdentifier) * Max(input->n_identifiers, 1));

	*copy = *input;
	for (int i = 0; i < MATCH_COLUMNS; i++)
		if (copy->text[i].length > 0)
			copy->text[i].data =
				pnstrdup(copy->text[i].data, copy->text[i].length);
	for (int i = 0; i < input->n_identifiers; i++)
	{
		identifiers[i] = input->identifiers[i];
		identifiers[i].data =
			pnstrdup(identifiers[i].data, identifiers[i].length);
	}
	copy->identifiers = identifiers;
	return copy;
}

/* Folds an account; the result is in the current memory context. */
MatchInput *
OnlineFold(const MemberModel *model, AccountRow *row)
{
	static FoldedAccount *folded = NULL;

	if (folded == NULL)
		folded = MemoryContextAlloc(TopMemoryContext, sizeof(FoldedAccount));
	AccountFold(MemberNormaliser(), row, folded);
	return KeepInput(&folded->input);
}

/* Reads the extra columns that the model compares. */
static void
SetAttributes(const MemberModel *model, AccountRow *row, uint64 at, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[at], SPI_tuptable->tupdesc,
								column, &isnull);

	if (isnull)
		return;
	for (int i = 0; i < model->settings->match.n_attributes; i++)
	{
		JsonbValue found;
		Jsonb *attributes = DatumGetJsonbP(value);
		char *text = NULL;

		if (getKeyJsonValueFromContainer(
				&attributes->root, model->attributes[i],
				(int) strlen(model->attributes[i]), &found) == NULL)
			continue;
		if (found.type == jbvString)
			text = pnstrdup(found.val.string.val, found.val.string.len);
		else if (found.type == jbvNumeric)
			text = DatumGetCString(DirectFunctionCall1(
				numeric_out, NumericGetDatum(found.val.numeric)));
		else if (found.type == jbvBool)
			text = pstrdup(found.val.boolean ? "true" : "false");
		row->text[MATCH_ATTRIBUTE + i].data = text;
		row->text[MATCH_ATTRIBUTE + i].length = text ? (int) strlen(text) : 0;
	}
}

typedef struct Loading
{
	AccountRow row;
	int node;
	int n_identifiers;
	int room;
	AccountIdentifier *identifiers;
} Loading;

/* Reads rows of account; returns how many; the others are missing. */
static int
LoadAccounts(Online *online, Datum ids, Loading *loading)
{
	static RetailStatement statement = {
		"SELECT a.account_id, a.source_id, a.full_name, a.given_name, a.surname, a.birth_date, a.gender, a.address, a.city, a.region, a.postcode,"
		/* a join would be planned for more accounts than there are */
		" a.attributes, a.xmin, coalesce((SELECT l.member_id FROM retail.member_link l WHERE l.account_id = a.account_id), a.account_id)"
		" FROM retail.account a WHERE a.account_id = ANY ($1) AND a.erased_at IS NULL",
		1,
		{INT8ARRAYOID},
		NULL,
		true};
	const MemberSettings *settings = online->model->settings;
	int n = 0;

	RetailExecute(&statement, &ids, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Loading *l = &loading[n];
		OnlineNode *node;
		bool isnull;

		memset(l, 0, sizeof(*l));
		l->row.id = RetailCellInt64(i, 1, NULL);
		l->row.source =
			MemberSourceIndex(settings, RetailCellInt64(i, 2, NULL));
		if (l->row.source < 0)
			continue; /* of a source that came this very moment */
		l->row.country = settings->sources[l->row.source].country;
		for (int c = 0; c < MATCH_ATTRIBUTE; c++)
			SetAccountText(&l->row.text[c], i, 3 + c);
		SetAttributes(online->model, &l->row, i, 12);
		l->node = OnlineNodeOf(online, l->row.id);
		node = &online->nodes[l->node];
		node->xmin = DatumGetTransactionId(SPI_getbinval(
			SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 13, &isnull));
		node->member = RetailCellInt64(i, 14, NULL);
		node->person = node->member;
		node->missing = false;
		n++;
	}
	return n;
}

static int32
DayOrAlways(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								column, &isnull);

	return isnull ? MATCH_ALWAYS_TO : MemberDay(DatumGetTimestampTz(value));
}

static bool
IsHash(const char *value, int length)
{
	return length == 64 && strspn(value, "0123456789abcdef") == 64;
}

/* Reads the identifiers of the accounts, but for blocked ones. */
static void
LoadIdentifiers(Online *online, Datum ids, Loading *loading, int n)
{
	static RetailStatement statement = {
		"SELECT i.account_id, i.type, i.value, i.verified, i.valid_from, i.valid_to, i.last_used_at FROM retail.identifier i"
		" WHERE i.account_id = ANY ($1) AND i.valid_from <= $2"
		" AND NOT EXISTS (SELECT FROM retail.blocked_identifier b WHERE (b.type IS NULL OR b.type = i.type) AND i.value LIKE b.pattern)"
		" ORDER BY i.account_id, i.type COLLATE \"C\", i.value COLLATE \"C\", i.valid_from",
		2,
		{INT8ARRAYOID, TIMESTAMPTZOID},
		NULL,
		true};
	const MemberSettings *settings = online->model->settings;
	Datum values[2];
	int at = 0;

	values[0] = ids;
	values[1] = TimestampTzGetDatum(online->as_of);
	RetailExecute(&statement, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		int64 id = RetailCellInt64(i, 1, NULL);
		AccountIdentifier *identifier;
		int type = MemberTypeIndex(settings, RetailCellText(i, 2));
		Loading *l;

		for (int tried = 0; tried < n && loading[at].row.id != id; tried++)
			at = (at + 1) % n;
		l = &loading[at];
		if (type < 0 || l->row.id != id)
			continue;
		if (l->n_identifiers == l->room)
		{
			l->room = Max(8, l->room * 2);
			l->identifiers = l->identifiers
				? repalloc(l->identifiers, sizeof(AccountIdentifier) * l->room)
				: palloc(sizeof(AccountIdentifier) * l->room);
		}
		identifier = &l->identifiers[l->n_identifiers++];
		identifier->type = type;
		identifier->kind = settings->types[type].kind;
		SetAccountText(&identifier->value, i, 3);
		identifier->hashed = settings->types[type].hashed;
		identifier->stored_hash = identifier->hashed &&
			IsHash(identifier->value.data, identifier->value.length);
		identifier->verified = RetailCellBool(i, 4);
		identifier->valid_from = DayOrAlways(i, 5);
		identifier->valid_to = DayOrAlways(i, 6);
		identifier->last_used = DayOrAlways(i, 7);
	}
}

/* Reads and folds all nodes that have not been. */
void
OnlineLoad(Online *online)
{
	int64 *ids = palloc(sizeof(int64) * Max(online->n, 1));
	Loading *loading;
	int wanted = 0;
	int n;

	for (int i = 0; i < online->n; i++)
		if (!online->nodes[i].loaded)
		{
			ids[wanted++] = online->nodes[i].id;
			online->nodes[i].loaded = true;
			online->nodes[i].missing = true;
		}
	if (wanted == 0)
		return;
	loading = palloc(sizeof(Loading) * wanted);
	n = LoadAccounts(online, RetailInt64Array(ids, wanted), loading);
	if (n > 0)
		LoadIdentifiers(online, RetailInt64Array(ids, wanted), loading, n);
	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(online->context);

		loading[i].row.n_identifiers = loading[i].n_identifiers;
		loading[i].row.identifiers = loading[i].identifiers;
		online->nodes[loading[i].node].input =
			OnlineFold(online->model, &loading[i].row);
		MemoryContextSwitchTo(old);
	}
}

static int
CompareNodes(const void *x, const void *y, void *argument)
{
	const OnlineNode *nodes = argument;
	int64 a = nodes[*(const int *) x].id;
	int64 b = nodes[*(const int *) y].id;

	return a < b ? -1 : a > b;
}

/*
 * Gives all nodes that are there to the matcher, anew; in the order of their
 * ids, or it would sort them for a million.
 */
void
OnlineRecords(Online *online)
{
	const MemberModel *model = online->model;
	MatchMemory memory = MemberMemory(online->context);
	MatchRun run = {1, NULL, NULL};
	int *order = palloc(sizeof(int) * Max(online->n, 1));
	int n = 0;

	if (online->records)
		MatchRecordsFree(online->records);
	online->rows = palloc(sizeof(int) * Max(online->n, 1));
	MemberMatchCheck(MatchRecordsCreate(&memory, &model->settings->match,
										online->n, &online->records),
					 "begin");
	for (int i = 0; i < online->n; i++)
	{
		online->rows[i] = -1;
		if (online->nodes[i].input)
			order[n++] = i;
	}
	qsort_arg(order, n, sizeof(int), CompareNodes, online->nodes);
	for (int i = 0; i < n; i++)
	{
		MemberMatchCheck(
			MatchRecordsAdd(online->records, online->nodes[order[i]].input),
			"add");
		online->rows[order[i]] = i;
	}
	pfree(order);
	MemberMatchCheck(MatchPrepare(online->records, &run), "prepare");
	MemberMatchCheck(MatchBind(online->records, model->model, &run), "bind");
}

/* ---- what people decided ---- */

/* Adds the constraints of accounts, and whom must-links lead to. */
void
OnlineConstraints(Online *online, const int64 *ids, int n)
{
	static RetailStatement statement = {
		"SELECT account_a, account_b, kind = 'must_link' FROM retail.match_constraint WHERE account_a = ANY ($1)"
		" UNION SELECT account_a, account_b, kind = 'must_link' FROM retail.match_constraint WHERE account_b = ANY ($1)",
		1,
		{INT8ARRAYOID},
		NULL,
		true};
	Datum value = RetailInt64Array(ids, n);

	RetailExecute(&statement, &value, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MatchConstraint constraint = {RetailCellInt64(i, 1, NULL),
									  RetailCellInt64(i, 2, NULL),
									  RetailCellBool(i, 3)};
		bool known = false;

		for (int c = 0; c < online->n_constraints && !known; c++)
			known = online->constraints[c].a == constraint.a &&
				online->constraints[c].b == constraint.b;
		if (known)
			continue;
		if (online->n_constraints == online->constraints_room)
		{
			online->constraints_room *= 2;
			online->constraints = repalloc_huge(
				online->constraints,
				sizeof(MatchConstraint) * (Size) online->constraints_room);
		}
		online->constraints[online->n_constraints++] = constraint;
	}
}

/* Adds everybody of the people of some accounts to what is reached. */
void
OnlineGroups(Online *online, const int64 *ids, int n)
{
	static RetailStatement statement = {
		"SELECT account_id FROM retail.member_link WHERE member_id = ANY ($1)",
		1,
		{INT8ARRAYOID},
		NULL,
		true};
	int64 *members = palloc(sizeof(int64) * Max(n, 1));
	Datum value;

	for (int i = 0; i < n; i++)
	{
		members[i] = OnlineNodeAt(online, ids[i])->member;
		OnlineNodeAt(online, members[i])->reached = true;
	}
	value = RetailInt64Array(members, n);
	RetailExecute(&statement, &value, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
		OnlineNodeAt(online, RetailCellInt64(i, 1, NULL))->reached = true;
}

/* ---- candidates ---- */

static int
ComparePairs(const void *x, const void *y)
{
	const int64 *a = x;
	const int64 *b = y;

	if (a[0] != b[0])
		return a[0] < b[0] ? -1 : 1;
	return a[1] < b[1] ? -1 : a[1] > b[1];
}

/* Leaves each pair once; returns how many there are. */
static int
DistinctPairs(int64 *pairs, int n)
{
	int kept = 0;

	qsort(pairs, n, 2 * sizeof(int64), ComparePairs);
	for (int i = 0; i < n; i++)
		if (kept == 0 || ComparePairs(&pairs[2 * i], &pairs[2 * kept - 2]) != 0)
		{
			pairs[2 * kept] = pairs[2 * i];
			pairs[2 * kept + 1] = pairs[2 * i + 1];
			kept++;
		}
	return kept;
}

/*
 * Runs a statement that reads; with latest as others see the tables now, not as
 * the transaction saw them at its beginning.
 */
static void
Read(RetailStatement *statement, Datum *values, bool latest)
{
	if (latest)
		PushActiveSnapshot(GetLatestSnapshot());
	RetailExecute(statement, values, NULL, latest, SPI_OK_SELECT);
	if (latest)
		PopActiveSnapshot();
}

/*
 * Under REPEATABLE READ nobody sees who came since the transaction began, so
 * the locks do not help: two accounts of one person would stay two people.
 */
static void
CannotSerialize(void)
{
	ereport(ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			errmsg("could not serialize access due to concurrent accounts"),
			errhint("The transaction might succeed if retried."));
}

static int
FindCandidates(const int64 *ids, int n, int64 **pairs, bool latest)
{
	/* An array a key: a row a pair would cost more than all the rest. */
	static RetailStatement statement = {
		"SELECT k.account_id, c.ids FROM retail.match_key k CROSS JOIN LATERAL (SELECT array_agg(x.account_id) AS ids FROM"
		" (SELECT m.account_id FROM retail.match_key m WHERE m.key = k.key LIMIT $2) x) c"
		" WHERE k.account_id = ANY ($1) AND cardinality(c.ids) BETWEEN 2 AND $2 - 1",
		2,
		{INT8ARRAYOID, INT8OID},
		NULL,
		true};
	Datum values[2];
	int found = 0;
	int room = 0;

	values[0] = RetailInt64Array(ids, n);
	values[1] = Int64GetDatum(BLOCK_LIMIT + 1);
	Read(&statement, values, latest);
	*pairs = NULL;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;
		int64 a = RetailCellInt64(i, 1, NULL);
		ArrayType *array = DatumGetArrayTypeP(SPI_getbinval(
			SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));
		const int64 *others = (const int64 *) ARR_DATA_PTR(array);
		int n_others = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

		if (found + n_others > room)
		{
			room = Max(2 * room, found + n_others);
			*pairs = *pairs
				? repalloc_huge(*pairs, sizeof(int64) * 2 * (Size) room)
				: palloc_extended(sizeof(int64) * 2 * (Size) room,
								  MCXT_ALLOC_HUGE);
		}
		for (int k = 0; k < n_others; k++)
			if (others[k] != a)
			{
				(*pairs)[2 * found] = a;
				(*pairs)[2 * found + 1] = others[k];
				found++;
			}
	}
	return found > 0 ? DistinctPairs(*pairs, found) : 0;
}

/*
 * Finds who has a key in common with some accounts, pairs of ids one after the
 * other; returns how many.  A key that too many have finds nobody.
 */
int
OnlineCandidates(Online *online, const int64 *ids, int n, int64 **pairs)
{
	int found = FindCandidates(ids, n, pairs, false);
	int64 *now;

	(void) online;
	if (IsolationUsesXactSnapshot() &&
		(FindCandidates(ids, n, &now, true) != found ||
		 (found > 0 &&
		  memcmp(*pairs, now, sizeof(int64) * 2 * (Size) found) != 0)))
		CannotSerialize();
	return found;
}

static bool
HasChanged(Online *online)
{
	static RetailStatement statement = {
		"SELECT x.account_id, x.xmin, x.member_id, (SELECT count(*) FROM retail.member_link g WHERE g.member_id = x.member_id)"
		" FROM (SELECT a.account_id, a.xmin, coalesce((SELECT l.member_id FROM retail.member_link l WHERE l.account_id = a.account_id), a.account_id) AS member_id"
		" FROM retail.account a WHERE a.account_id = ANY ($1) AND a.erased_at IS NULL OFFSET 0) x",
		1,
		{INT8ARRAYOID},
		NULL,
		true};
	int64 *ids = palloc(sizeof(int64) * Max(online->n, 1));
	int n = 0;
	Datum value;

	for (int i = 0; i < online->n; i++)
		if (online->nodes[i].reached && online->nodes[i].input)
			ids[n++] = online->nodes[i].id;
	value = RetailInt64Array(ids, n);
	Read(&statement, &value, IsolationUsesXactSnapshot());
	if (SPI_processed != (uint64) n)
		return true;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		OnlineNode *node = OnlineNodeAt(online, RetailCellInt64(i, 1, NULL));
		bool isnull;
		int others = 0;

		for (int k = 0; k < online->n; k++)
			others += online->nodes[k].input && online->nodes[k].reached &&
				online->nodes[k].member == node->member &&
				online->nodes[k].id != node->member;
		if (DatumGetTransactionId(SPI_getbinval(SPI_tuptable->vals[i],
												SPI_tuptable->tupdesc, 2,
												&isnull)) != node->xmin ||
			RetailCellInt64(i, 3, NULL) != node->member ||
			RetailCellInt64(i, 4, NULL) != others)
			return true;
	}
	return false;
}

/*
 * Has somebody changed what is reached since it was read?  Asked after it was
 * locked.
 */
bool
OnlineHasChanged(Online *online)
{
	bool changed = HasChanged(online);

	if (changed && IsolationUsesXactSnapshot())
		CannotSerialize(); /* to read again would show the same */
	return changed;
}
