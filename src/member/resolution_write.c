/*-------------------------------------------------------------------------
 *
 * resolution_write.c
 *	  Writes what a resolution found different from before: links of accounts
 *	  to people with a change each, and pairs for people to decide.
 *
 * Everything is compared in memory, in the order of account numbers; what is
 * as it was is not touched.  New rows go straight into their tables
 * (table_insert.c), changed ones by statements over arrays.
 *
 * The pair that is named as the reason of an account's link is its edge
 * towards the lowest account of its group, in the spanning forest of merged
 * pairs that the matcher gives.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/resolution.h"

#include <math.h>

#include "access/relscan.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "foundation/table_writer.h"
#include "member/online.h"
#include "member/resolution_evidence.h"

/* Rows that are handed to a table at once. */
#define ROWS 8192

static RetailTable link_table = {
	"member_link",
	2,
	{{"account_id", INT8OID, false}, {"member_id", INT8OID, false}},
	NULL,
	0,
	NULL};

enum
{
	C_ACCOUNT,
	C_FROM,
	C_TO,
	C_KIND,
	C_RULE,
	C_PARTNER,
	C_WEIGHT,
	C_EVIDENCE,
	C_MODEL,
	C_AT,
	C_ACTOR,
	C_COLUMNS
};
static RetailTable change_table = {"member_change",
								   C_COLUMNS,
								   {{"account_id", INT8OID, false},
									{"from_member_id", INT8OID, false},
									{"to_member_id", INT8OID, false},
									{"kind", TEXTOID, false},
									{"rule", TEXTOID, false},
									{"partner_id", INT8OID, false},
									{"weight", FLOAT4OID, false},
									{"evidence", JSONBOID, false},
									{"model_id", INT4OID, false},
									{"changed_at", TIMESTAMPTZOID, false},
									{"actor", TEXTOID, false}},
								   NULL,
								   0,
								   NULL};

enum
{
	R_A,
	R_B,
	R_WEIGHT,
	R_REASON,
	R_EVIDENCE,
	R_MODEL,
	R_AT,
	R_COLUMNS
};
static RetailTable review_table = {"match_review",
								   R_COLUMNS,
								   {{"account_a", INT8OID, false},
									{"account_b", INT8OID, false},
									{"weight", FLOAT4OID, false},
									{"reason", TEXTOID, false},
									{"evidence", JSONBOID, false},
									{"model_id", INT4OID, false},
									{"opened_at", TIMESTAMPTZOID, false}},
								   NULL,
								   0,
								   NULL};

/* Two account numbers: a link, or a pair. */
typedef struct Two
{
	int64 a;
	int64 b;
} Two;

typedef struct Writer
{
	Resolution *resolution;
	MemoryContext work;
	MemoryContext chunk; /* of the rows on their way */
	EvidenceWriter *evidence;
	int64 n;
	const int64 *ids;
	const int64 *persons;
	int64 *order; /* rows in the order of ids; NULL: they are */
	int64 *edge;  /* by row: the pair towards the person's row, or -1 */
	RetailRows *links;
	RetailRows *changes;
	RetailRows *reviews;
	/* rows that exist and change */
	int64 *update[2];
	int64 n_update;
	int64 update_room;
	Two *present; /* member_link as it is, by account */
	int64 n_present;
	Datum actor;
} Writer;

/* ---- rows and account numbers ---- */

static int
CompareTwo(const void *x, const void *y)
{
	const Two *a = x, *b = y;

	if (a->a != b->a)
		return a->a < b->a ? -1 : 1;
	return (a->b > b->b) - (a->b < b->b);
}

static int64
RowAt(const Writer *writer, int64 place)
{
	return writer->order ? writer->order[place] : place;
}

/* Puts the rows in the order of ids, unless they came so. */
static void
OrderRows(Writer *writer)
{
	Two *pairs;
	int64 i = 1;

	while (i < writer->n && writer->ids[i - 1] < writer->ids[i])
		i++;
	if (i >= writer->n)
		return;
	pairs = palloc_extended(sizeof(Two) * writer->n, MCXT_ALLOC_HUGE);
	for (i = 0; i < writer->n; i++)
		pairs[i] = (Two){writer->ids[i], i};
	qsort(pairs, writer->n, sizeof(Two), CompareTwo);
	writer->order = palloc_extended(sizeof(int64) * writer->n, MCXT_ALLOC_HUGE);
	for (i = 0; i < writer->n; i++)
		writer->order[i] = pairs[i].b;
	pfree(pairs);
}

/* Finds the row of an account; -1: it has none. */
static int64
RowOf(const Writer *writer, int64 id)
{
	int64 low = 0, high = writer->n - 1;
	int64 guess = writer->n > 0 ? id - writer->ids[RowAt(writer, 0)] : -1;

	/* Numbers without gaps need no search. */
	if (guess >= 0 && guess <= high && writer->ids[RowAt(writer, guess)] == id)
		return RowAt(writer, guess);
	while (low <= high)
	{
		int64 middle = low + (high - low) / 2;
		int64 found = writer->ids[RowAt(writer, middle)];

		if (found == id)
			return RowAt(writer, middle);
		if (found < id)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

/* Reads two bigint columns of a table, in order. */
static Two *
ReadTwo(const char *table, const char *a, const char *b, int64 *n)
{
	const char *const columns[2] = {a, b};
	ResolutionScan scan;
	int64 room = 1024;
	Two *rows = palloc(sizeof(Two) * room);
	bool isnull;

	*n = 0;
	ResolutionScanBegin(&scan, table, columns, 2);
	while (ResolutionScanNext(&scan))
	{
		if (*n == room)
			rows = repalloc_huge(rows, sizeof(Two) * (room *= 2));
		rows[*n].a = DatumGetInt64(ResolutionScanValue(&scan, 0, &isnull));
		rows[(*n)++].b = DatumGetInt64(ResolutionScanValue(&scan, 1, &isnull));
		if (*n % ROWS == 0)
			CHECK_FOR_INTERRUPTS();
	}
	ResolutionScanEnd(&scan);
	qsort(rows, *n, sizeof(Two), CompareTwo);
	return rows;
}

/* ---- edges of the spanning forest ---- */

/* Finds for every row its edge towards the row of its person. */
static void
FindEdges(Writer *writer)
{
	const MatchResult *result = writer->resolution->result;
	int64 *first = palloc_extended(sizeof(int64) * writer->n, MCXT_ALLOC_HUGE);
	int64 *next = palloc_extended(sizeof(int64) * 2 * Max(result->n_pairs, 1),
								  MCXT_ALLOC_HUGE);
	int64 *rows = palloc_extended(sizeof(int64) * 2 * Max(result->n_pairs, 1),
								  MCXT_ALLOC_HUGE);
	int64 *queue = palloc_extended(sizeof(int64) * writer->n, MCXT_ALLOC_HUGE);

	memset(first, -1, sizeof(int64) * writer->n);
	memset(writer->edge, -1, sizeof(int64) * writer->n);
	for (int64 p = 0; p < result->n_pairs; p++)
	{
		if (!result->pairs[p].merged)
			continue;
		rows[2 * p] = RowOf(writer, result->pairs[p].a);
		rows[2 * p + 1] = RowOf(writer, result->pairs[p].b);
		for (int side = 0; side < 2; side++)
		{
			next[2 * p + side] = first[rows[2 * p + side]];
			first[rows[2 * p + side]] = 2 * p + side;
		}
	}
	for (int64 root = 0; root < writer->n; root++)
	{
		int64 head = 0, tail = 0;

		if (writer->ids[root] != writer->persons[root] || first[root] < 0)
			continue;
		queue[tail++] = root;
		while (head < tail)
		{
			int64 row = queue[head++];

			for (int64 e = first[row]; e >= 0; e = next[e])
			{
				int64 other = rows[e ^ 1];

				if (other == root || writer->edge[other] >= 0)
					continue;
				writer->edge[other] = e / 2;
				queue[tail++] = other;
			}
		}
	}
	pfree(queue);
	pfree(rows);
	pfree(next);
	pfree(first);
}

/* ---- links ---- */

/* Writes the rows that are on their way. */
static void
Flush(Writer *writer)
{
	RetailRowsInsert(writer->links, NULL);
	RetailRowsInsert(writer->changes, NULL);
	RetailRowsInsert(writer->reviews, NULL);
	writer->links->n = writer->changes->n = writer->reviews->n = 0;
	MemoryContextReset(writer->chunk);
	CHECK_FOR_INTERRUPTS();
}

static Datum
TextDatum(const char *text)
{
	return CStringGetTextDatum(text);
}

/* Keeps a row of member_link that exists and changes; to = 0: goes. */
static void
NoteUpdate(Writer *writer, int64 account_id, int64 to)
{
	if (writer->n_update == writer->update_room)
	{
		writer->update_room = Max(writer->update_room * 2, 1024);
		for (int i = 0; i < 2; i++)
			writer->update[i] = writer->update[i]
				? repalloc_huge(writer->update[i],
								sizeof(int64) * writer->update_room)
				: MemoryContextAlloc(writer->work,
									 sizeof(int64) * writer->update_room);
	}
	writer->update[0][writer->n_update] = account_id;
	writer->update[1][writer->n_update++] = to;
}

/* Adds the change of an account. */
static void
AddChange(Writer *writer, int64 row, int64 from, int64 to, bool merged)
{
	Resolution *resolution = writer->resolution;
	Datum values[C_COLUMNS];
	bool nulls[C_COLUMNS] = {false};
	int64 edge = writer->edge[row];
	int64 id = writer->ids[row];

	values[C_ACCOUNT] = Int64GetDatum(id);
	values[C_FROM] = Int64GetDatum(from);
	values[C_TO] = Int64GetDatum(to);
	values[C_KIND] = TextDatum(merged ? "merge" : "split");
	values[C_MODEL] = Int32GetDatum((int32) resolution->model_id);
	values[C_AT] = TimestampTzGetDatum(resolution->as_of);
	values[C_ACTOR] = writer->actor;
	if (edge >= 0 && merged)
	{
		const MatchPair *pair = &resolution->result->pairs[edge];
		int64 partner = pair->a == id ? pair->b : pair->a;

		values[C_PARTNER] = Int64GetDatum(partner);
		values[C_WEIGHT] = Float4GetDatum(pair->weight);
		values[C_EVIDENCE] = EvidenceOf(
			writer->evidence, RowOf(writer, pair->a), RowOf(writer, pair->b));
		values[C_RULE] =
			TextDatum(EvidenceRule(writer->evidence, (MatchRule) pair->rule));
	}
	else
	{
		nulls[C_PARTNER] = nulls[C_WEIGHT] = nulls[C_EVIDENCE] = true;
		values[C_RULE] = TextDatum("resolution");
	}
	RetailRowsAdd(writer->changes, values, nulls);
}

/* Writes the link of an account, if it is another than before. */
static void
WriteLink(Writer *writer, int64 row, int64 from)
{
	int64 id = writer->ids[row];
	int64 to = writer->persons[row];
	int64 before;
	bool merged;

	if (from == to)
		return;
	/* A group that goes over to another person merges; who leaves one splits.
	 */
	before = from == id ? row : RowOf(writer, from);
	merged = to != id && (before < 0 || writer->persons[before] == to);
	if (from != id)
		NoteUpdate(writer, id, to == id ? 0 : to);
	else
	{
		Datum link[2] = {Int64GetDatum(id), Int64GetDatum(to)};

		RetailRowsAdd(writer->links, link, NULL);
	}
	AddChange(writer, row, from, to, merged);
	if (merged)
		writer->resolution->merged++;
	else
		writer->resolution->split++;
	if (writer->changes->n >= ROWS)
		Flush(writer);
}

static void
UpdateLinks(Writer *writer)
{
	static RetailStatement update = {
		"UPDATE retail.member_link l SET member_id = x.m FROM unnest($1, $2) AS x (a, m) WHERE l.account_id = x.a AND x.m > 0",
		2,
		{INT8ARRAYOID, INT8ARRAYOID},
		NULL,
		false};
	static RetailStatement delete = {
		"DELETE FROM retail.member_link l USING unnest($1, $2) AS x (a, m) WHERE l.account_id = x.a AND x.m = 0",
		2,
		{INT8ARRAYOID, INT8ARRAYOID},
		NULL,
		false};

	for (int64 i = 0; i < writer->n_update; i += ROWS)
	{
		int n = (int) Min(writer->n_update - i, ROWS);
		Datum values[2] = {RetailInt64Array(writer->update[0] + i, n),
						   RetailInt64Array(writer->update[1] + i, n)};

		RetailExecute(&update, values, NULL, false, SPI_OK_UPDATE);
		RetailExecute(&delete, values, NULL, false, SPI_OK_DELETE);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Walks through links as they are and persons as they shall be.  A link of an
 * account that was not read (erased) stays.
 */
static void
WriteLinks(Writer *writer)
{
	int64 at = 0;

	for (int64 place = 0; place < writer->n; place++)
	{
		int64 row = RowAt(writer, place);
		int64 id = writer->ids[row];
		int64 from = id;

		while (at < writer->n_present && writer->present[at].a < id)
			at++;
		if (at < writer->n_present && writer->present[at].a == id)
			from = writer->present[at].b;
		WriteLink(writer, row, from);
		if (place % ROWS == 0)
			ResolutionTell(writer->resolution, place, writer->n);
	}
	Flush(writer);
	UpdateLinks(writer);
}

/* ---- reviews ---- */

typedef struct Review
{
	Two pair;
	bool open;
	bool obsolete;
	float weight;
} Review;

static int
CompareReviews(const void *x, const void *y)
{
	return CompareTwo(&((const Review *) x)->pair, &((const Review *) y)->pair);
}

/* Reads the questions that there are, in order. */
static Review *
ReadReviews(int64 *n)
{
	static const char *const columns[4] = {"account_a", "account_b", "state",
										   "weight"};
	ResolutionScan scan;
	int64 room = 1024;
	Review *rows = palloc(sizeof(Review) * room);
	bool isnull;

	*n = 0;
	ResolutionScanBegin(&scan, "match_review", columns, 4);
	while (ResolutionScanNext(&scan))
	{
		Review *to;
		text *state;
		char first;

		if (*n == room)
			rows = repalloc_huge(rows, sizeof(Review) * (room *= 2));
		to = &rows[(*n)++];
		to->pair.a = DatumGetInt64(ResolutionScanValue(&scan, 0, &isnull));
		to->pair.b = DatumGetInt64(ResolutionScanValue(&scan, 1, &isnull));
		state = DatumGetTextPP(ResolutionScanValue(&scan, 2, &isnull));
		first = VARSIZE_ANY_EXHDR(state) > 1 ? VARDATA_ANY(state)[1] : '\0';
		/* open, obsolete, merged, kept_apart */
		to->open = first == 'p';
		to->obsolete = first == 'b';
		to->weight = DatumGetFloat4(ResolutionScanValue(&scan, 3, &isnull));
	}
	ResolutionScanEnd(&scan);
	qsort(rows, *n, sizeof(Review), CompareReviews);
	return rows;
}

static void
AddReview(Writer *writer, const MatchPair *pair)
{
	Datum values[R_COLUMNS];

	values[R_A] = Int64GetDatum(pair->a);
	values[R_B] = Int64GetDatum(pair->b);
	values[R_WEIGHT] = Float4GetDatum(pair->weight);
	values[R_REASON] = TextDatum(ReviewReason((MatchRule) pair->rule));
	values[R_EVIDENCE] = EvidenceOf(writer->evidence, RowOf(writer, pair->a),
									RowOf(writer, pair->b));
	values[R_MODEL] = Int32GetDatum((int32) writer->resolution->model_id);
	values[R_AT] = TimestampTzGetDatum(writer->resolution->as_of);
	RetailRowsAdd(writer->reviews, values, NULL);
	writer->resolution->reviews_opened++;
	if (writer->reviews->n >= ROWS)
		Flush(writer);
}

/* Changes questions that exist: asked again with another weight, or closed. */
static void
UpdateReviews(Writer *writer, const Two *pairs, const float *weights, int64 n)
{
	static RetailStatement statement = {
		"UPDATE retail.match_review r SET state = CASE WHEN x.w IS NULL THEN 'obsolete' ELSE 'open' END, weight = coalesce(x.w, r.weight),"
		" decided_at = CASE WHEN x.w IS NULL THEN $4 END, model_id = CASE WHEN x.w IS NULL THEN r.model_id ELSE $5 END"
		" FROM unnest($1, $2, $3) AS x (a, b, w) WHERE r.account_a = x.a AND r.account_b = x.b",
		5,
		{INT8ARRAYOID, INT8ARRAYOID, FLOAT4ARRAYOID, TIMESTAMPTZOID, INT4OID},
		NULL,
		false};

	for (int64 i = 0; i < n; i += ROWS)
	{
		int m = (int) Min(n - i, ROWS);
		int64 *a = palloc(sizeof(int64) * m), *b = palloc(sizeof(int64) * m);
		Datum *w = palloc(sizeof(Datum) * m);
		bool *nulls = palloc(sizeof(bool) * m);
		int lower = 1;
		Datum values[5];

		for (int k = 0; k < m; k++)
		{
			a[k] = pairs[i + k].a;
			b[k] = pairs[i + k].b;
			nulls[k] = isnan(weights[i + k]);
			w[k] = Float4GetDatum(weights[i + k]);
		}
		values[0] = RetailInt64Array(a, m);
		values[1] = RetailInt64Array(b, m);
		values[2] = PointerGetDatum(construct_md_array(
			w, nulls, 1, &m, &lower, FLOAT4OID, sizeof(float4), true, 'i'));
		values[3] = TimestampTzGetDatum(writer->resolution->as_of);
		values[4] = Int32GetDatum((int32) writer->resolution->model_id);
		RetailExecute(&statement, values, NULL, false, SPI_OK_UPDATE);
	}
}

/* Opens questions that are new, and closes those that nobody asks any more. */
static void
WriteReviews(Writer *writer)
{
	const MatchResult *result = writer->resolution->result;
	int64 n_old, at = 0, n_changed = 0;
	Review *old = ReadReviews(&n_old);
	Two *changed =
		palloc_extended(sizeof(Two) * Max(n_old, 1), MCXT_ALLOC_HUGE);
	float *weights =
		palloc_extended(sizeof(float) * Max(n_old, 1), MCXT_ALLOC_HUGE);

	MemoryContextSwitchTo(writer->chunk);
	for (int64 p = 0; p <= result->n_pairs; p++)
	{
		const MatchPair *pair = p < result->n_pairs ? &result->pairs[p] : NULL;
		Two key;
		bool known;

		if (pair && (pair->merged || pair->rule == MATCH_RULE_CANNOT_LINK))
			continue;
		key =
			pair ? (Two){pair->a, pair->b} : (Two){PG_INT64_MAX, PG_INT64_MAX};
		while (at < n_old && CompareTwo(&old[at].pair, &key) < 0)
		{
			if (old[at].open)
			{
				changed[n_changed] = old[at].pair;
				weights[n_changed++] = NAN;
				writer->resolution->reviews_closed++;
			}
			at++;
		}
		if (pair == NULL)
			break;
		known = at < n_old && CompareTwo(&old[at].pair, &key) == 0;
		if (!known)
			AddReview(writer, pair);
		else
		{
			/* What a person decided stays decided. */
			if (old[at].obsolete ||
				(old[at].open && fabsf(old[at].weight - pair->weight) > 0.5f))
			{
				changed[n_changed] = key;
				weights[n_changed++] = pair->weight;
				writer->resolution->reviews_opened += old[at].obsolete;
			}
			at++;
		}
	}
	Flush(writer);
	UpdateReviews(writer, changed, weights, n_changed);
}

/* Writes all that is different from before. */
void
ResolutionWrite(Resolution *resolution)
{
	Writer writer = {.resolution = resolution};
	MemoryContext work = AllocSetContextCreate(
		resolution->context, "pg_retail write", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);

	ResolutionStep(resolution, "compare");
	writer.work = work;
	writer.chunk = AllocSetContextCreate(work, "pg_retail write rows",
										 ALLOCSET_DEFAULT_SIZES);
	writer.n = resolution->result->n_records;
	writer.ids = resolution->result->ids;
	writer.persons = resolution->result->persons;
	writer.edge = palloc_extended(sizeof(int64) * writer.n, MCXT_ALLOC_HUGE);
	writer.links = RetailRowsMake(&link_table, ROWS);
	writer.changes = RetailRowsMake(&change_table, ROWS);
	writer.reviews = RetailRowsMake(&review_table, ROWS);
	writer.actor = TextDatum(RetailCallerName());
	writer.evidence = EvidenceBegin(resolution);
	OrderRows(&writer);
	FindEdges(&writer);
	writer.present =
		ReadTwo("member_link", "account_id", "member_id", &writer.n_present);
	ResolutionStep(resolution, "write links");
	MemoryContextSwitchTo(writer.chunk);
	WriteLinks(&writer);
	ResolutionStep(resolution, "write reviews");
	MemoryContextSwitchTo(work);
	WriteReviews(&writer);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}
