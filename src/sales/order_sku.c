/*-------------------------------------------------------------------------
 *
 * order_sku.c
 *	  Looks up the SKUs that orders name.
 *
 * Rows are read by their codes without a statement (table_read.c), and first
 * where they were found before; a statement does it for lines in packs and
 * where rows cannot be read directly.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/order_request.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"

#include "foundation/table_writer.h"

/* Bytes of a code whose place is remembered, and how many places are. */
#define SKU_PLACE_CODE 48
#define MAX_SKU_PLACES 65536

/*
 * The name is_bundle is the SKU's column where it has one, else that of d: the
 * library may be newer than the tables, until upgrade() has run.
 */
static RetailStatement select_skus = {
	"SELECT s.sku_id, s.weight_g, s.volume_cm3, s.temperature_class, (s.list_price * 100)::bigint, s.is_active,"
	" CASE WHEN u.unit = s.base_unit OR u.unit = '' THEN 1 ELSE (SELECT x.factor FROM retail.sku_unit x WHERE x.sku_id = s.sku_id AND x.unit = u.unit) END,"
	" s.is_bundle"
	" FROM unnest($1, $2) WITH ORDINALITY AS u (code, unit, n) CROSS JOIN (VALUES (false)) AS d (is_bundle)"
	" LEFT JOIN LATERAL (SELECT k.sku_id, k.weight_g, k.volume_cm3, k.temperature_class, k.list_price, k.is_active, k.base_unit, is_bundle"
	" FROM retail.sku k WHERE k.code = u.code OFFSET 0) s ON true ORDER BY u.n", /* OFFSET 0: never the whole table */
	2,
	{TEXTARRAYOID, TEXTARRAYOID},
	.generic = true};

/* The same read by key, for lines in base units. */
static RetailTable sku_table = {"sku",
								9,
								{{"code", TEXTOID},
								 {"sku_id", INT8OID},
								 {"weight_g", INT8OID},
								 {"volume_cm3", INT8OID},
								 {"temperature_class", TEXTOID},
								 {"list_price", NUMERICOID},
								 {"is_active", BOOLOID},
								 {"base_unit", TEXTOID},
								 {"is_bundle", BOOLOID, true}},
								NULL,
								1};

/*
 * Where SKUs were found, by code.  That needs no invalidation: a row that is
 * seen there, with that code, is the SKU; else the index tells.
 */
typedef struct SkuPlace
{
	char code[SKU_PLACE_CODE]; /* key */
	ItemPointerData tid;
} SkuPlace;

static HTAB *sku_places = NULL;

/* Finds, or makes, the place of a code; NULL when it is too long. */
static SkuPlace *
FindPlace(const char *code, bool *known)
{
	*known = false;
	if (strlen(code) >= SKU_PLACE_CODE)
		return NULL;
	if (sku_places && hash_get_num_entries(sku_places) >= MAX_SKU_PLACES)
	{
		hash_destroy(sku_places);
		sku_places = NULL;
	}
	if (sku_places == NULL)
	{
		HASHCTL control = {0};

		control.keysize = SKU_PLACE_CODE;
		control.entrysize = sizeof(SkuPlace);
		sku_places = hash_create("pg_retail SKUs", 1024, &control,
								 HASH_ELEM | HASH_STRINGS);
	}
	return hash_search(sku_places, code, HASH_ENTER, known);
}

/* Is the code of the row that was found last this one? */
static bool
HasCode(RetailKeys *keys, const char *code)
{
	bool isnull;
	text *found = DatumGetTextPP(RetailKeysColumn(keys, 0, &isnull));
	Size length = strlen(code);

	return VARSIZE_ANY_EXHDR(found) == length &&
		memcmp(VARDATA_ANY(found), code, length) == 0;
}

/* Finds the row of a code. */
static RetailRowResult
FindSku(RetailKeys *keys, const char *code)
{
	bool known;
	SkuPlace *place = FindPlace(code, &known);
	RetailRowResult result;
	Datum key;

	if (known && RetailKeysFindAt(keys, &place->tid) == ROW_FOUND &&
		HasCode(keys, code))
		return ROW_FOUND;
	if (place)
		ItemPointerSet(&place->tid, InvalidBlockNumber, 0);
	key = CStringGetTextDatum(code);
	result = RetailKeysFind(keys, &key);
	if (place && result == ROW_FOUND)
		place->tid = RetailKeysPlace(keys);
	return result;
}

/*
 * Reads a SKU by its code, ordered by a unit; false when only a statement can
 * tell.
 */
static bool
ReadSku(RetailKeys *keys, const char *code, const char *unit, SkuRow *row)
{
	RetailRowResult result = FindSku(keys, code);
	bool isnull;
	Datum price;

	memset(row, 0, sizeof(*row));
	if (result != ROW_FOUND)
		return result == ROW_MISSING;
	if (*unit &&
		strcmp(unit, TextDatumGetCString(RetailKeysColumn(keys, 7, &isnull))) !=
			0)
		return false;
	row->found = true;
	row->factor = 1;
	row->sku_id = DatumGetInt64(RetailKeysColumn(keys, 1, &isnull));
	row->weight_g = DatumGetInt64(RetailKeysColumn(keys, 2, &isnull));
	row->volume_cm3 = DatumGetInt64(RetailKeysColumn(keys, 3, &isnull));
	row->temperature = TemperatureBits(
		TextDatumGetCString(RetailKeysColumn(keys, 4, &isnull)));
	price = RetailKeysColumn(keys, 5, &isnull);
	if (!isnull &&
		!RetailNumericToCents(DatumGetNumeric(price), PG_INT64_MAX / 2,
							  &row->price))
		return false;
	row->priced = !isnull;
	row->active = DatumGetBool(RetailKeysColumn(keys, 6, &isnull));
	row->bundle = DatumGetBool(RetailKeysColumn(keys, 8, &isnull)) && !isnull;
	return true;
}

/* Reads SKUs by their codes, without a statement; false when that cannot be. */
static bool
ReadSkus(char **codes, char **units, int n, bool read_only, SkuRow *rows)
{
	RetailKeys *keys;
	bool read = true;

	if (!read_only)
		CommandCounterIncrement(); /* our own writes count */
	keys = RetailKeysBegin(
		&sku_table, read_only ? GetActiveSnapshot() : GetTransactionSnapshot());
	for (int i = 0; i < n && read; i++)
		read = ReadSku(keys, codes[i], units[i], &rows[i]);
	RetailKeysEnd(keys);
	return read;
}

/* Selects SKUs by their codes and units. */
static void
SelectSkus(char **codes, char **units, int n, bool read_only, SkuRow *rows)
{
	Datum values[2] = {RetailTextArray(codes, n), RetailTextArray(units, n)};

	RetailExecute(&select_skus, values, NULL, read_only, SPI_OK_SELECT);
	for (int i = 0; i < n; i++)
	{
		SkuRow *row = &rows[i];
		bool isnull;

		memset(row, 0, sizeof(*row));
		row->sku_id = RetailCellInt64(i, 1, &isnull);
		row->found = !isnull;
		if (!row->found)
			continue;
		row->weight_g = RetailCellInt64(i, 2, NULL);
		row->volume_cm3 = RetailCellInt64(i, 3, NULL);
		row->temperature = TemperatureBits(RetailCellText(i, 4));
		row->price = RetailCellInt64(i, 5, &isnull);
		row->priced = !isnull;
		row->active = RetailCellBool(i, 6);
		row->factor = RetailCellInt64(i, 7, NULL);
		row->bundle = RetailCellBool(i, 8);
	}
}

/* Reads a text of a JSON object, where there is one. */
static void
FindText(JsonbContainer *object, const char *key, char **result)
{
	JsonbValue value;

	if (getKeyJsonValueFromContainer(object, key, (int) strlen(key), &value) &&
		value.type == jbvString)
		*result = pnstrdup(value.val.string.val, value.val.string.len);
}

/*
 * Looks the SKUs of many orders up together, inside an SPI connection.  Lines
 * that are malformed get a row all the same: their order is refused when it is
 * parsed.
 */
void
LookUpSkus(Jsonb *const *lines, int n, bool read_only, SkuLookup *lookups)
{
	int n_rows = 0;
	char **codes;
	char **units;
	SkuRow *rows;

	for (int i = 0; i < n; i++)
		n_rows += JB_ROOT_COUNT(lines[i]);
	codes = palloc(sizeof(char *) * n_rows);
	units = palloc(sizeof(char *) * n_rows);
	rows = palloc(sizeof(SkuRow) * Max(n_rows, 1));
	n_rows = 0;
	for (int i = 0; i < n; i++)
	{
		lookups[i].rows = &rows[n_rows];
		for (uint32 j = 0; j < JB_ROOT_COUNT(lines[i]); j++, n_rows++)
		{
			JsonbValue *line =
				getIthJsonbValueFromContainer(&lines[i]->root, j);

			codes[n_rows] = units[n_rows] = "";
			if (line->type != jbvBinary ||
				!JsonContainerIsObject(line->val.binary.data))
				continue;
			FindText(line->val.binary.data, "sku", &codes[n_rows]);
			FindText(line->val.binary.data, "unit", &units[n_rows]);
		}
	}
	if (!ReadSkus(codes, units, n_rows, read_only, rows))
		SelectSkus(codes, units, n_rows, read_only, rows);
}
