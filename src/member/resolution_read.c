/*-------------------------------------------------------------------------
 *
 * resolution_read.c
 *	  Reads all accounts and their identifiers into the matcher.
 *
 * The tables are scanned as they lie, without statements: identifiers first,
 * into one array that is put in the order of accounts; then accounts, which
 * are folded by the thousand (resolution_fold.c) while the next are read.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/resolution.h"

#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "member/normalise_sql.h"
#include "member/resolution_fold.h"

/* Rows between looks at the clock and at interrupts. */
#define LOOK_EVERY 4096

/* ---- scans ---- */

/* Begins a scan by the active snapshot. */
void
ResolutionScanBegin(ResolutionScan *scan, const char *table,
					const char *const *columns, int n)
{
	Oid relid = get_relname_relid(table, get_namespace_oid("retail", false));

	if (!OidIsValid(relid))
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation \"retail.%s\" does not exist", table));
	scan->relation = table_open(relid, AccessShareLock);
	if (scan->relation->rd_rel->relkind != RELKIND_RELATION)
		ereport(
			ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE),
			errmsg("\"retail.%s\" is not an ordinary table", table),
			errdetail(
				"Accounts are read and linked where they lie, row by row."),
			errhint("Keep the table whole: neither partitioned, nor a view."));
	for (int i = 0; i < n; i++)
	{
		scan->column[i] = get_attnum(relid, columns[i]);
		if (scan->column[i] <= 0)
			ereport(
				ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("column \"%s\" of relation \"retail.%s\" does not exist",
					   columns[i], table));
	}
	scan->scan = table_beginscan(scan->relation, GetActiveSnapshot(), 0, NULL);
	scan->slot = table_slot_create(scan->relation, NULL);
}

bool
ResolutionScanNext(ResolutionScan *scan)
{
	if (!table_scan_getnextslot(scan->scan, ForwardScanDirection, scan->slot))
		return false;
	slot_getallattrs(scan->slot);
	return true;
}

Datum
ResolutionScanValue(ResolutionScan *scan, int column, bool *isnull)
{
	int at = scan->column[column] - 1;

	*isnull = scan->slot->tts_isnull[at];
	return scan->slot->tts_values[at];
}

void
ResolutionScanEnd(ResolutionScan *scan)
{
	table_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	table_close(scan->relation, NoLock);
}

/* ---- identifiers ---- */

/* Values of identifiers lie one after the other in blocks. */
#define TEXT_BLOCK (1024 * 1024)

typedef struct Reader
{
	Resolution *resolution;
	MemoryContext row; /* of the present row */
	char *texts;	   /* what is left of the present block */
	size_t texts_left;
	int64 *owners; /* accounts of the identifiers, in order */
	AccountIdentifier *identifiers;
	int64 n_values;
	int64 at; /* the first value of the next account, where they are in order */
	FoldPool *pool;
	FoldBatch *batch; /* being filled */
	FoldBlocked *blocked;
	int n_blocked;
	int64 read;
	int64 expected;
	int64 n_crowded; /* accounts with too many identifiers */
	int64 *crowded;
	StaleIdentifiers stale;
} Reader;

enum
{
	I_ACCOUNT,
	I_TYPE,
	I_VALUE,
	I_VERIFIED,
	I_FROM,
	I_TO,
	I_USED,
	I_COLUMNS
};
static const char *const identifier_columns[I_COLUMNS] = {
	"account_id", "type",	  "value",		 "verified",
	"valid_from", "valid_to", "last_used_at"};

static bool
IsHash(const char *value, int length)
{
	if (length != 64)
		return false;
	for (int i = 0; i < length; i++)
		if (!((value[i] >= '0' && value[i] <= '9') ||
			  (value[i] >= 'a' && value[i] <= 'f')))
			return false;
	return true;
}

/* Finds a type by its name; the last one found is tried first. */
static int
TypeOf(const MemberSettings *settings, const char *name, int length)
{
	static int last = 0;

	for (int i = -1; i < settings->match.n_types; i++)
	{
		int type = i < 0 ? last : i;

		if (type < settings->match.n_types &&
			strncmp(settings->types[type].name, name, length) == 0 &&
			settings->types[type].name[length] == '\0')
			return last = type;
	}
	return -1;
}

static int32
DayOrAlways(ResolutionScan *scan, int column)
{
	bool isnull;
	Datum value = ResolutionScanValue(scan, column, &isnull);

	return isnull ? MATCH_ALWAYS_TO : MemberDay(DatumGetTimestampTz(value));
}

/* Keeps a value of an identifier. */
static char *
KeepValue(Reader *reader, const char *data, int length)
{
	char *copy;

	if (reader->texts_left < (size_t) length + 1)
	{
		reader->texts_left = Max(TEXT_BLOCK, (size_t) length + 1);
		reader->texts = palloc(reader->texts_left);
	}
	copy = reader->texts;
	memcpy(copy, data, length);
	copy[length] = '\0';
	reader->texts += length + 1;
	reader->texts_left -= length + 1;
	return copy;
}

/* Reads one identifier; false when it does not count. */
static bool
ReadIdentifier(Reader *reader, ResolutionScan *scan, int64 *owner,
			   AccountIdentifier *identifier)
{
	const MemberSettings *settings = reader->resolution->settings;
	bool isnull;
	text *name, *value;
	TimestampTz from =
		DatumGetTimestampTz(ResolutionScanValue(scan, I_FROM, &isnull));

	if (from > reader->resolution->as_of)
		return false;
	*owner = DatumGetInt64(ResolutionScanValue(scan, I_ACCOUNT, &isnull));
	name = DatumGetTextPP(ResolutionScanValue(scan, I_TYPE, &isnull));
	value = DatumGetTextPP(ResolutionScanValue(scan, I_VALUE, &isnull));
	identifier->type =
		TypeOf(settings, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (identifier->type < 0)
		return false;
	identifier->value.length = VARSIZE_ANY_EXHDR(value);
	identifier->value.data =
		KeepValue(reader, VARDATA_ANY(value), identifier->value.length);
	identifier->kind = settings->types[identifier->type].kind;
	identifier->hashed = settings->types[identifier->type].hashed;
	identifier->stored_hash = identifier->hashed &&
		IsHash(identifier->value.data, identifier->value.length);
	identifier->verified =
		DatumGetBool(ResolutionScanValue(scan, I_VERIFIED, &isnull));
	identifier->valid_from = MemberDay(from);
	identifier->valid_to = DayOrAlways(scan, I_TO);
	identifier->last_used = DayOrAlways(scan, I_USED);
	return true;
}

/* As online_read.c has them. */
static int
CompareIdentifiers(const void *a, const void *b)
{
	const AccountIdentifier *x = a, *y = b;
	int order;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	order = strcmp(x->value.data, y->value.data);
	if (order != 0)
		return order;
	return (x->valid_from > y->valid_from) - (x->valid_from < y->valid_from);
}

typedef struct OwnedValue
{
	int64 owner;
	AccountIdentifier identifier;
} OwnedValue;

static int
CompareValues(const void *a, const void *b)
{
	const OwnedValue *x = a, *y = b;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return CompareIdentifiers(&x->identifier, &y->identifier);
}

/* Puts the identifiers in the order of accounts. */
static void
SortIdentifiers(Reader *reader)
{
	OwnedValue *values =
		palloc_extended(sizeof(OwnedValue) * reader->n_values, MCXT_ALLOC_HUGE);

	for (int64 i = 0; i < reader->n_values; i++)
		values[i] = (OwnedValue){reader->owners[i], reader->identifiers[i]};
	qsort(values, reader->n_values, sizeof(OwnedValue), CompareValues);
	for (int64 i = 0; i < reader->n_values; i++)
	{
		reader->owners[i] = values[i].owner;
		reader->identifiers[i] = values[i].identifier;
	}
	pfree(values);
}

static void
GrowIdentifiers(Reader *reader, int64 room)
{
	reader->owners = repalloc_huge(reader->owners, sizeof(int64) * room);
	reader->identifiers =
		repalloc_huge(reader->identifiers, sizeof(AccountIdentifier) * room);
}

/* Reads all identifiers, in the order of accounts. */
static void
ReadIdentifiers(Reader *reader)
{
	ResolutionScan scan;
	int64 room = 65536, rows = 0, n = 0;
	bool sorted = true;

	reader->owners = palloc(sizeof(int64) * room);
	reader->identifiers = palloc(sizeof(AccountIdentifier) * room);
	ResolutionScanBegin(&scan, "identifier", identifier_columns, I_COLUMNS);
	while (ResolutionScanNext(&scan))
	{
		if (n == room)
			GrowIdentifiers(reader, room *= 2);
		if (ReadIdentifier(reader, &scan, &reader->owners[n],
						   &reader->identifiers[n]))
		{
			if (n > 0 && reader->owners[n - 1] > reader->owners[n])
				sorted = false;
			n++;
		}
		if (++rows % LOOK_EVERY == 0)
		{
			CHECK_FOR_INTERRUPTS();
			ResolutionTell(reader->resolution, rows,
						   (int64) scan.relation->rd_rel->reltuples);
		}
	}
	ResolutionScanEnd(&scan);
	reader->n_values = n;
	if (!sorted)
		SortIdentifiers(reader);
}

/* Finds the identifiers of an account; sets n to how many there are. */
static const AccountIdentifier *
IdentifiersOf(Reader *reader, int64 account_id, int *n)
{
	const int64 *owners = reader->owners;
	int64 low = reader->at, end;

	/* Accounts come in order most of the time. */
	if (low >= reader->n_values || owners[low] != account_id)
	{
		int64 high = reader->n_values;

		low = 0;
		while (low < high)
		{
			int64 middle = low + (high - low) / 2;

			if (owners[middle] < account_id)
				low = middle + 1;
			else
				high = middle;
		}
	}
	for (end = low; end < reader->n_values && owners[end] == account_id; end++)
		;
	reader->at = end;
	*n = (int) Min(end - low, INT32_MAX);
	/* Which of too many are compared must not hang on how they lie. */
	if (*n > MATCH_MAX_IDENTIFIERS)
		qsort(&reader->identifiers[low], *n, sizeof(AccountIdentifier),
			  CompareIdentifiers);
	return &reader->identifiers[low];
}

/* ---- blocked values ---- */

static void
ReadBlocked(Reader *reader)
{
	static RetailStatement statement = {
		"SELECT type, pattern FROM retail.blocked_identifier ORDER BY 1, 2",
		0,
		{0},
		NULL,
		false};
	MemoryContext old;

	RetailExecute(&statement, NULL, NULL, false, SPI_OK_SELECT);
	old = MemoryContextSwitchTo(reader->resolution->context);
	reader->blocked = palloc(sizeof(FoldBlocked) * (SPI_processed + 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char *type = RetailCellText(i, 1);

		reader->blocked[i].type =
			type ? MemberTypeIndex(reader->resolution->settings, type) : -1;
		reader->blocked[i].pattern = pstrdup(RetailCellText(i, 2));
	}
	reader->n_blocked = (int) SPI_processed;
	MemoryContextSwitchTo(old);
}

/* ---- accounts ---- */

enum
{
	A_ACCOUNT,
	A_SOURCE,
	A_TEXT,
	A_ATTRIBUTES = A_TEXT + MATCH_ATTRIBUTE,
	A_ERASED,
	A_COLUMNS
};
/* The texts in the order of MatchColumn. */
static const char *const account_columns[A_COLUMNS] = {
	"account_id", "source_id",	"full_name", "given_name", "surname",
	"birth_date", "gender",		"address",	 "city",	   "region",
	"postcode",	  "attributes", "erased_at"};

static const char *
Keep(FoldBatch *batch, const char *data, int length)
{
	const char *kept = FoldKeep(batch, data, length);

	if (kept == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	return kept;
}

/* Takes the extra columns out of attributes. */
static void
ReadAttributes(Reader *reader, FoldBatch *batch, AccountRow *row, Jsonb *json)
{
	char *const *names = reader->resolution->attributes;

	for (int i = 0; i < MATCH_MAX_ATTRIBUTES && names[i] != NULL; i++)
	{
		AccountText *to = &row->text[MATCH_ATTRIBUTE + i];
		JsonbValue *found = getKeyJsonValueFromContainer(
			&json->root, names[i], strlen(names[i]), NULL);
		const char *data;
		int length;

		if (found == NULL)
			continue;
		if (found->type == jbvString)
		{
			data = found->val.string.val;
			length = found->val.string.len;
		}
		else if (found->type == jbvNumeric)
		{
			data = DatumGetCString(DirectFunctionCall1(
				numeric_out, NumericGetDatum(found->val.numeric)));
			length = (int) strlen(data);
		}
		else if (found->type == jbvBool)
		{
			data = found->val.boolean ? "true" : "false";
			length = (int) strlen(data);
		}
		else
			continue;
		to->data = Keep(batch, data, length);
		to->length = length;
	}
}

/* Reads an account into the next row of the batch; false: nobody's. */
static bool
ReadAccount(Reader *reader, ResolutionScan *scan, FoldBatch *batch)
{
	const MemberSettings *settings = reader->resolution->settings;
	AccountRow *row = &batch->rows[batch->n];
	bool isnull;
	Datum value;

	(void) ResolutionScanValue(scan, A_ERASED, &isnull);
	if (!isnull)
		return false;
	row->id = DatumGetInt64(ResolutionScanValue(scan, A_ACCOUNT, &isnull));
	row->source = MemberSourceIndex(
		settings, DatumGetInt64(ResolutionScanValue(scan, A_SOURCE, &isnull)));
	if (row->source < 0)
		return false;
	row->country = settings->sources[row->source].country;
	memset(row->text, 0, sizeof(row->text));
	for (int c = 0; c < MATCH_ATTRIBUTE; c++)
	{
		text *content;

		value = ResolutionScanValue(scan, A_TEXT + c, &isnull);
		if (isnull)
			continue;
		content = DatumGetTextPP(value);
		row->text[c].length =
			Min((int) VARSIZE_ANY_EXHDR(content), NORMALISE_MAX_INPUT);
		row->text[c].data =
			Keep(batch, VARDATA_ANY(content), row->text[c].length);
	}
	value = ResolutionScanValue(scan, A_ATTRIBUTES, &isnull);
	if (!isnull && reader->resolution->attributes[0])
		ReadAttributes(reader, batch, row, DatumGetJsonbP(value));
	row->identifiers = IdentifiersOf(reader, row->id, &row->n_identifiers);
	return true;
}

/* Remembers an account that has more identifiers than are compared. */
static void
NoteCrowded(Reader *reader, int64 account_id)
{
	int64 n = reader->n_crowded++;

	if (n == 0)
		reader->crowded = palloc(sizeof(int64) * 1024);
	if (n < 1024)
		reader->crowded[n] = account_id;
}

/* Remembers which account the next row of the records is. */
static void
NoteRecord(Resolution *resolution, int64 account_id)
{
	if (resolution->n_records == resolution->ids_room)
	{
		resolution->ids_room = Max(resolution->ids_room * 2, 4096);
		resolution->ids = resolution->ids
			? repalloc_huge(resolution->ids,
							sizeof(int64) * resolution->ids_room)
			: MemoryContextAlloc(resolution->context,
								 sizeof(int64) * resolution->ids_room);
	}
	resolution->ids[resolution->n_records++] = account_id;
}

/* Notes the identifiers of an account that are not stored in their form. */
static void
NoteStale(Reader *reader, const AccountRow *row)
{
	const MemberType *types = reader->resolution->settings->types;

	for (int i = 0; i < row->n_identifiers; i++)
	{
		const AccountIdentifier *identifier = &row->identifiers[i];
		const char *value = identifier->value.data;
		MemoryContext old = MemoryContextSwitchTo(reader->row);
		char *stored = StaleFold(&types[identifier->type], value,
								 identifier->value.length, row->country);

		MemoryContextSwitchTo(old);
		if (stored)
			StaleNote(&reader->stale,
					  (StaleIdentifier){
						  row->id, identifier->type, value,
						  KeepValue(reader, stored, (int) strlen(stored))});
		MemoryContextReset(reader->row);
	}
}

static bool
IsBlockedHash(const Reader *reader, int type, const char *hash)
{
	for (int i = 0; i < reader->n_blocked; i++)
		if ((reader->blocked[i].type < 0 || reader->blocked[i].type == type) &&
			FoldMatchesPattern(hash, strlen(hash), reader->blocked[i].pattern))
			return true;
	return false;
}

/* Compares by their hash what is to be stored as such: threads do not hash. */
static void
HashIdentifiers(const Reader *reader, MatchInput *input,
				char hashes[MATCH_MAX_IDENTIFIERS][65])
{
	MatchIdentifier *identifiers = (MatchIdentifier *) input->identifiers;
	int n = 0;

	for (int i = 0; i < input->n_identifiers; i++)
	{
		MatchIdentifier identifier = identifiers[i];

		if (reader->resolution->settings->types[identifier.type].hashed &&
			!IsHash(identifier.data, (int) identifier.length))
		{
			RetailHashText(identifier.data, (int) identifier.length, hashes[n]);
			if (IsBlockedHash(reader, identifier.type, hashes[n]))
				continue;
			identifier.data = hashes[n];
			identifier.length = 64;
		}
		identifiers[n++] = identifier;
	}
	input->n_identifiers = n;
}

/* Hands the folded accounts of a batch to the matcher. */
static void
AddBatch(Reader *reader, FoldBatch *batch)
{
	Resolution *resolution = reader->resolution;

	reader->batch = batch; /* ours to give back, also after an error */
	if (batch->failed)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	for (int i = 0; i < batch->n; i++)
	{
		char hashes[MATCH_MAX_IDENTIFIERS][65];
		bool crowded = batch->rows[i].n_identifiers > MATCH_MAX_IDENTIFIERS;

		if (crowded)
			NoteCrowded(reader, batch->rows[i].id);
		if (batch->stale[i] || crowded)
		{
			NoteStale(reader, &batch->rows[i]);
			HashIdentifiers(reader, &batch->inputs[i], hashes);
		}
		ResolutionCheck(resolution,
						MatchRecordsAdd(resolution->records, &batch->inputs[i]),
						"add");
		NoteRecord(resolution, batch->rows[i].id);
	}
	reader->read += batch->n;
	reader->batch = NULL;
	FoldPoolGiveBack(reader->pool, batch);
	CHECK_FOR_INTERRUPTS();
	ResolutionTell(resolution, reader->read, reader->expected);
}

static FoldBatch *
EmptyBatch(Reader *reader)
{
	FoldBatch *batch = FoldPoolBatch(reader->pool);

	if (batch == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	return batch;
}

static void
ReadAll(Reader *reader)
{
	ResolutionScan scan;
	FoldBatch *done;

	ResolutionScanBegin(&scan, "account", account_columns, A_COLUMNS);
	reader->expected = Max((int64) scan.relation->rd_rel->reltuples, 0);
	ResolutionCheck(reader->resolution,
					MatchRecordsCreate(&reader->resolution->memory,
									   &reader->resolution->settings->match,
									   reader->expected,
									   &reader->resolution->records),
					"create");
	reader->batch = EmptyBatch(reader);
	while (ResolutionScanNext(&scan))
	{
		MemoryContext old = MemoryContextSwitchTo(reader->row);

		if (ReadAccount(reader, &scan, reader->batch))
			reader->batch->n++;
		MemoryContextSwitchTo(old);
		if (reader->batch->n < FOLD_ROWS)
			continue;
		MemoryContextReset(reader->row);
		FoldPoolPut(reader->pool, reader->batch);
		reader->batch = NULL;
		while ((done = FoldPoolTake(reader->pool, false)) != NULL)
			AddBatch(reader, done);
		reader->batch = EmptyBatch(reader);
	}
	FoldPoolPut(reader->pool, reader->batch);
	reader->batch = NULL;
	while ((done = FoldPoolTake(reader->pool, true)) != NULL)
		AddBatch(reader, done);
	ResolutionScanEnd(&scan);
}

/* An account with more identifiers than are compared is told of, once. */
static void
TellCrowded(Reader *reader)
{
	static RetailStatement statement = {
		"INSERT INTO retail.account_exception (source_id, external_id, account_id, sqlstate, error, detail, hint, raised_at)"
		" SELECT a.source_id, a.external_id, a.account_id, '54000', 'account has too many identifiers', format('More than %s.', $3),"
		" 'Only some were compared. Close those that it does not have any more, or block what is no identifier.', $2"
		" FROM retail.account a WHERE a.account_id = ANY ($1) AND NOT EXISTS (SELECT FROM retail.account_exception e"
		" WHERE e.account_id = a.account_id AND e.sqlstate = '54000' AND e.resolved_at IS NULL)",
		3,
		{INT8ARRAYOID, TIMESTAMPTZOID, INT4OID},
		NULL,
		false};
	Datum values[3];

	if (reader->n_crowded == 0)
		return;
	values[0] = RetailInt64Array(reader->crowded, Min(reader->n_crowded, 1024));
	values[1] = TimestampTzGetDatum(reader->resolution->as_of);
	values[2] = Int32GetDatum(MATCH_MAX_IDENTIFIERS);
	RetailExecute(&statement, values, NULL, false, SPI_OK_INSERT);
	reader->resolution->exceptions += (int64) SPI_processed;
}

/* Ends the helpers, before the memory goes that they read. */
static void
StopFolding(int code, Datum argument)
{
	Reader *reader = (Reader *) DatumGetPointer(argument);

	(void) code;
	if (reader->batch)
		FoldPoolGiveBack(reader->pool, reader->batch);
	reader->batch = NULL;
	FoldPoolStop(reader->pool);
}

/* Fills resolution->records. */
void
ResolutionReadAccounts(Resolution *resolution)
{
	Reader reader = {.resolution = resolution};
	MemoryContext work = AllocSetContextCreate(
		resolution->context, "pg_retail accounts", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);

	reader.row = AllocSetContextCreate(work, "pg_retail account",
									   ALLOCSET_DEFAULT_SIZES);
	ResolutionStep(resolution, "read identifiers");
	ReadBlocked(&reader);
	ReadIdentifiers(&reader);

	ResolutionStep(resolution, "read accounts");
	reader.pool = FoldPoolStart(resolution->threads - 1, reader.blocked,
								reader.n_blocked);
	if (reader.pool == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	/* A session that is terminated frees the memory that helpers read, too. */
	PG_ENSURE_ERROR_CLEANUP(StopFolding, PointerGetDatum(&reader));
	{
		ReadAll(&reader);
	}
	PG_END_ENSURE_ERROR_CLEANUP(StopFolding, PointerGetDatum(&reader));
	StopFolding(0, PointerGetDatum(&reader));
	TellCrowded(&reader);
	ResolutionStep(resolution, "store identifiers");
	resolution->exceptions +=
		StaleWrite(&reader.stale, resolution->settings, resolution->as_of);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}
