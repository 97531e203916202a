/*-------------------------------------------------------------------------
 *
 * stock_price.c
 *	  What a unit is worth where it lies: a cache of retail.stock_price.
 *
 * Prices change in bulk, a few times a day, and are read for each order.  A
 * backend keeps those of the SKUs that it met, and whether there are any at
 * all: without prices an order costs nothing more.  The statement trigger of
 * the table queues a relcache invalidation, which empties the cache.  Like the
 * catalogue, it is read with the latest snapshot: nothing would tell again of
 * a change that an older snapshot does not show.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "allocation/stock_price.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* What is kept before the cache begins anew: some MB either way. */
#define MAX_CACHED_SKUS 20000
#define MAX_CACHED_PRICES 200000

/* No unit is worth more, in cents, after weighing. */
#define MAX_VALUE INT64CONST(1000000000)

typedef struct StockPrice
{
	int64 node_id;
	int64 scarcity; /* cents */
	int64 markdown;
} StockPrice;

typedef struct SkuPrices
{
	int64 sku_id;
	int n;
	StockPrice *prices; /* by node */
} SkuPrices;

static RetailStatement select_any = {
	"SELECT EXISTS (SELECT FROM retail.stock_price WHERE scarcity <> 0 OR markdown <> 0)",
	0,
	{0}};

static RetailStatement select_prices = {
	"SELECT sku_id, node_id, (scarcity * 100)::bigint, (markdown * 100)::bigint FROM retail.stock_price"
	" WHERE sku_id = ANY ($1) AND (scarcity <> 0 OR markdown <> 0) ORDER BY sku_id, node_id",
	1,
	{INT8ARRAYOID}};

static MemoryContext price_context = NULL;
static HTAB *price_table = NULL; /* SkuPrices by SKU */
static int64 n_cached_prices = 0;
static Oid price_relid = InvalidOid;
static bool any_prices = true;
static volatile bool prices_are_stale = true;

/* Marks the cache stale when its table, or everything, was invalidated. */
static void
PricesInvalidated(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == price_relid)
		prices_are_stale = true;
}

/* Makes an empty cache. */
static void
EmptyCache(void)
{
	HASHCTL control = {0};

	if (price_context == NULL)
	{
		price_context = AllocSetContextCreate(
			TopMemoryContext, "pg_retail stock prices", ALLOCSET_DEFAULT_SIZES);
		CacheRegisterRelcacheCallback(PricesInvalidated, (Datum) 0);
	}
	price_table = NULL;
	n_cached_prices = 0;
	MemoryContextReset(price_context);
	control.keysize = sizeof(int64);
	control.entrysize = sizeof(SkuPrices);
	control.hcxt = price_context;
	price_table = hash_create("pg_retail stock prices", 256, &control,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Begins anew when prices changed: are there any at all? */
static void
RefreshCache(void)
{
	EmptyCache();
	any_prices = true;
	prices_are_stale = false; /* a change while we read sets it again */
	price_relid =
		get_relname_relid("stock_price", get_namespace_oid("retail", false));
	if (!OidIsValid(price_relid))
	{
		/* The library is newer than the tables: upgrade() has not run yet. */
		any_prices = false;
		prices_are_stale = true;
		return;
	}
	PushActiveSnapshot(GetLatestSnapshot());
	RetailExecute(&select_any, NULL, NULL, true, SPI_OK_SELECT);
	any_prices = RetailCellBool(0, 1);
	PopActiveSnapshot();
}

/* Reads the prices of SKUs that the cache does not know. */
static void
LoadPrices(int64 *sku_ids, int n)
{
	Datum values[1] = {RetailInt64Array(sku_ids, n)};

	PushActiveSnapshot(GetLatestSnapshot());
	RetailExecute(&select_prices, values, NULL, true, SPI_OK_SELECT);
	PopActiveSnapshot();
	for (int i = 0; i < n; i++)
	{
		StockPrice *prices = NULL;
		SkuPrices *entry;
		int count = 0;

		for (uint64 row = 0; row < SPI_processed; row++)
			count += RetailCellInt64(row, 1, NULL) == sku_ids[i];
		if (count > 0)
		{
			StockPrice *price =
				MemoryContextAlloc(price_context, sizeof(StockPrice) * count);

			prices = price;
			for (uint64 row = 0; row < SPI_processed; row++)
			{
				if (RetailCellInt64(row, 1, NULL) != sku_ids[i])
					continue;
				price->node_id = RetailCellInt64(row, 2, NULL);
				price->scarcity = RetailCellInt64(row, 3, NULL);
				price->markdown = RetailCellInt64(row, 4, NULL);
				price++;
			}
		}
		entry = hash_search(price_table, &sku_ids[i], HASH_ENTER, NULL);
		n_cached_prices += count;
		entry->n = count;
		entry->prices = prices;
	}
}

/* Sees to it that the cache knows the SKUs of a request. */
static void
CachePrices(const SourcingRequest *request)
{
	int64 *unknown = palloc(sizeof(int64) * request->n_lines);
	int n = 0;

	if (hash_get_num_entries(price_table) > MAX_CACHED_SKUS ||
		n_cached_prices > MAX_CACHED_PRICES)
		EmptyCache();
	for (int i = 0; i < request->n_lines; i++)
		if (!hash_search(price_table, &request->lines[i].sku_id, HASH_FIND,
						 NULL))
			unknown[n++] = request->lines[i].sku_id;
	if (n > 0)
		LoadPrices(unknown, n);
	pfree(unknown);
}

/* Finds the price of a SKU at a node, or NULL. */
static const StockPrice *
FindPrice(const SkuPrices *sku, int64 node_id)
{
	int low = 0;
	int high = sku->n;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (sku->prices[middle].node_id < node_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < sku->n && sku->prices[low].node_id == node_id
		? &sku->prices[low]
		: NULL;
}

/* Weighs a price: cents a unit, above zero where a unit is better kept. */
static int64
Weigh(const StockPrice *price, const CatalogPolicy *policy)
{
	int64 value = policy->scarcity_weight * price->scarcity -
		policy->markdown_weight * price->markdown;

	value = (value < 0 ? value - 5000 : value + 5000) / 10000;
	return Max(Min(value, MAX_VALUE), -MAX_VALUE);
}

/*
 * Returns what a unit of each line is worth at each candidate under a policy,
 * [line * n_candidates + candidate] in cents, inside an SPI connection; NULL
 * when nothing of the order has a price.
 */
int64 *
StockValues(const SourcingRequest *request, const CatalogPolicy *policy,
			const SourcingResult *result)
{
	int n = result->n_candidates;
	int64 *values = NULL;

	if (prices_are_stale)
		RefreshCache();
	if (!any_prices || n == 0)
		return NULL;
	CachePrices(request);
	for (int i = 0; i < request->n_lines; i++)
	{
		const SkuPrices *sku = hash_search(
			price_table, &request->lines[i].sku_id, HASH_FIND, NULL);

		if (sku == NULL || sku->n == 0)
			continue;
		if (values == NULL)
			values = palloc0(sizeof(int64) * request->n_lines * n);
		for (int c = 0; c < n; c++)
		{
			const StockPrice *price =
				FindPrice(sku, result->candidates[c].node->id);

			if (price)
				values[i * n + c] = Weigh(price, policy);
		}
	}
	return values;
}
