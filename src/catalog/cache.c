/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  Per-backend cache of master data.
 *
 * The whole catalogue but for SKUs is read once into a memory context of its
 * own.  A statement trigger on each of its tables calls
 * retail.invalidate_catalog(), which queues a relcache invalidation of the
 * changed table; at commit it reaches every backend (by WAL the standbys' too)
 * and our callback there marks the cache stale.  The next RetailCatalogGet()
 * reads anew.
 *
 * Reading uses the latest snapshot, not the query's: an invalidation tells of
 * a commit that an older snapshot would not show, and nothing would tell
 * again.  A stale catalogue stays in memory until the transaction ends, since
 * a caller further up may still hold pointers into it.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "catalog/cache.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "storage/sinval.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "catalog/geo.h"

/* The tables of the catalogue, and then those with a cache of their own. */
#define WATCHED_TABLES 11
#define TOLD_TABLES 12

static const char *const watched_tables[TOLD_TABLES] = {
	"region",		"channel",		"calendar",			 "calendar_hours",
	"calendar_day", "node",			"carrier_service",	 "lane",
	"rate_card",	"rate_bracket", "allocation_policy", "stock_price"};

static RetailCatalog *current_catalog = NULL;
static volatile bool catalog_is_stale = true;
static Oid watched_oids[WATCHED_TABLES];

/* Marks the cache stale when one of its tables was invalidated. */
static void
CatalogInvalidated(Datum arg, Oid relid)
{
	if (relid == InvalidOid)
		catalog_is_stale = true;
	for (int i = 0; i < WATCHED_TABLES; i++)
		if (watched_oids[i] == relid)
			catalog_is_stale = true;
}

/* Registers the callback; called once when the module is loaded. */
void
RetailCatalogInit(void)
{
	CacheRegisterRelcacheCallback(CatalogInvalidated, (Datum) 0);
}

PG_FUNCTION_INFO_V1(retail_invalidate_catalog);
Datum
retail_invalidate_catalog(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	Oid namespace = get_namespace_oid("retail", false);

	for (int i = 0; i < TOLD_TABLES; i++)
	{
		if (relid != get_relname_relid(watched_tables[i], namespace))
			continue;
		CacheInvalidateRelcacheByRelid(relid);
		PG_RETURN_VOID();
	}
	ereport(ERROR, errcode(RT_INVALID_ARGUMENT),
			errmsg("not a table of the catalogue"),
			errdetail("OID %u is none of the tables that are cached.", relid),
			errhint("Name a table, e.g. 'retail.node'::regclass."));
}

PG_FUNCTION_INFO_V1(retail_distance_km);
Datum
retail_distance_km(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(geo_distance_km(PG_GETARG_FLOAT8(0), PG_GETARG_FLOAT8(1),
									 PG_GETARG_FLOAT8(2), PG_GETARG_FLOAT8(3)));
}

/* Creates a hash table in the catalogue's context. */
static HTAB *
MakeHash(RetailCatalog *catalog, const char *name, Size keysize, Size entrysize,
		 int flags)
{
	HASHCTL control = {0};

	control.keysize = keysize;
	control.entrysize = entrysize;
	control.hcxt = catalog->context;
	return hash_create(name, 1024, &control, HASH_ELEM | HASH_CONTEXT | flags);
}

/* Enters an object under its code. */
static void
EnterCode(HTAB *table, const char *code, void *object)
{
	CodeEntry *entry;
	char key[CODE_LENGTH];

	strlcpy(key, code, CODE_LENGTH);
	entry = hash_search(table, key, HASH_ENTER, NULL);
	entry->object = object;
}

/* Runs a loading query; its rows are in SPI_tuptable. */
static uint64
Load(const char *sql)
{
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not load the catalogue: %s", sql);
	return SPI_processed;
}

/* Copies a text cell into the catalogue. */
static char *
CopyText(RetailCatalog *catalog, uint64 row, int column)
{
	char *value = RetailCellText(row, column);

	return value ? MemoryContextStrdup(catalog->context, value) : NULL;
}

/* Turns an array literal of temperature classes, or one class, into bits. */
uint32
TemperatureBits(const char *classes)
{
	uint32 bits = 0;

	if (strstr(classes, "ambient"))
		bits |= TEMPERATURE_AMBIENT;
	if (strstr(classes, "chilled"))
		bits |= TEMPERATURE_CHILLED;
	if (strstr(classes, "frozen"))
		bits |= TEMPERATURE_FROZEN;
	return bits;
}

/*
 * Cuts regions that contain themselves out of the tree, with a warning: the
 * functions refuse them, but the tables are the business's own.
 */
static void
CutCycles(RetailCatalog *catalog)
{
	HASH_SEQ_STATUS scan;
	CatalogRegion *region;

	hash_seq_init(&scan, catalog->regions);
	while ((region = hash_seq_search(&scan)) != NULL)
	{
		int depth = 0;

		for (CatalogRegion *r = region; r && depth <= MAX_REGION_DEPTH;
			 r = r->parent)
			depth++;
		if (depth <= MAX_REGION_DEPTH)
			continue;
		ereport(
			WARNING,
			errmsg("region %s has more than %d regions above it", region->code,
				   MAX_REGION_DEPTH),
			errhint(
				"Correct its parent with retail.put_region(); it is ignored meanwhile."));
		region->parent = NULL;
	}
}

/* Loads the region tree. */
static void
LoadRegions(RetailCatalog *catalog)
{
	uint64 n = Load(
		"SELECT region_id, code, parent_id, latitude, longitude FROM retail.region");
	HASH_SEQ_STATUS scan;
	CatalogRegion *region;

	catalog->regions = MakeHash(catalog, "pg_retail regions", sizeof(int64),
								sizeof(CatalogRegion), HASH_BLOBS);
	catalog->region_codes =
		MakeHash(catalog, "pg_retail region codes", CODE_LENGTH,
				 sizeof(CodeEntry), HASH_STRINGS);
	for (uint64 row = 0; row < n; row++)
	{
		int64 id = RetailCellInt64(row, 1, NULL);
		bool isnull;

		region = hash_search(catalog->regions, &id, HASH_ENTER, NULL);
		region->index = catalog->n_regions++;
		region->code = CopyText(catalog, row, 2);
		region->parent_id = RetailCellInt64(row, 3, NULL);
		region->parent = NULL;
		region->latitude = RetailCellFloat8(row, 4, &isnull);
		region->longitude = RetailCellFloat8(row, 5, &isnull);
		region->located = !isnull;
		EnterCode(catalog->region_codes, region->code, region);
	}
	hash_seq_init(&scan, catalog->regions);
	while ((region = hash_seq_search(&scan)) != NULL)
		if (region->parent_id != 0)
			region->parent = hash_search(catalog->regions, &region->parent_id,
										 HASH_FIND, NULL);
	CutCycles(catalog);
}

/* Loads the channels. */
static void
LoadChannels(RetailCatalog *catalog)
{
	uint64 n = Load(
		"SELECT channel_id, code, is_active,"
		" (extract(epoch FROM payment_ttl) * 1000000)::bigint FROM retail.channel");

	catalog->n_channels = (int) n;
	catalog->channels = MemoryContextAllocZero(
		catalog->context, sizeof(CatalogChannel) * Max(n, 1));
	for (uint64 row = 0; row < n; row++)
	{
		CatalogChannel *channel = &catalog->channels[row];

		channel->id = RetailCellInt64(row, 1, NULL);
		channel->code = CopyText(catalog, row, 2);
		channel->active = RetailCellBool(row, 3);
		channel->payment_ttl = RetailCellInt64(row, 4, NULL);
	}
}

/* Reads a time-of-day cell. */
static TimeADT
CellTime(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								column, &isnull);

	return isnull ? 0 : DatumGetTimeADT(value);
}

/* Loads the calendars into a hash of the calling function's context. */
static HTAB *
LoadCalendars(RetailCatalog *catalog)
{
	HTAB *calendars = MakeHash(catalog, "pg_retail calendars", sizeof(int64),
							   sizeof(CatalogCalendar), HASH_BLOBS);
	uint64 n = Load("SELECT calendar_id FROM retail.calendar");
	CatalogCalendar *calendar = NULL;

	for (uint64 row = 0; row < n; row++)
	{
		int64 id = RetailCellInt64(row, 1, NULL);

		calendar = hash_search(calendars, &id, HASH_ENTER, NULL);
		memset(calendar->week, 0, sizeof(calendar->week));
		calendar->n_days = 0;
		calendar->days = NULL;
	}
	n = Load(
		"SELECT calendar_id, iso_dow, opens, closes FROM retail.calendar_hours");
	for (uint64 row = 0; row < n; row++)
	{
		int64 id = RetailCellInt64(row, 1, NULL);
		int dow = (int) RetailCellInt64(row, 2, NULL);

		calendar = hash_search(calendars, &id, HASH_FIND, NULL);
		if (calendar == NULL)
			continue;
		calendar->week[dow].opens = CellTime(row, 3);
		calendar->week[dow].closes = CellTime(row, 4);
	}
	n = Load(
		"SELECT calendar_id, day - '2000-01-01'::date, opens, closes, count(*) OVER (PARTITION BY calendar_id)"
		" FROM retail.calendar_day ORDER BY calendar_id, day");
	for (uint64 row = 0; row < n; row++)
	{
		int64 id = RetailCellInt64(row, 1, NULL);
		CatalogDay *day;

		calendar = hash_search(calendars, &id, HASH_FIND, NULL);
		if (calendar == NULL)
			continue;
		if (calendar->days == NULL)
			calendar->days = MemoryContextAlloc(
				catalog->context,
				sizeof(CatalogDay) * RetailCellInt64(row, 5, NULL));
		day = &calendar->days[calendar->n_days++];
		day->day = (DateADT) RetailCellInt64(row, 2, NULL);
		day->hours.opens = CellTime(row, 3);
		day->hours.closes = CellTime(row, 4);
	}
	return calendars;
}

/* Fills one node from a row of LoadNodes(). */
static void
ReadNode(RetailCatalog *catalog, CatalogNode *node, uint64 row, HTAB *calendars)
{
	int64 id;
	bool isnull;
	char *zone;

	node->code = CopyText(catalog, row, 2);
	node->known_from = DT_NOEND;
	node->unsteady_from = 0; /* 2000 */
	node->known_to = DT_NOBEGIN;
	node->day_begin = node->day_end = 0;
	node->kind = RetailCellText(row, 3)[0];
	id = RetailCellInt64(row, 4, NULL);
	node->region = hash_search(catalog->regions, &id, HASH_FIND, NULL);
	node->latitude = RetailCellFloat8(row, 5, &isnull);
	node->longitude = RetailCellFloat8(row, 6, &isnull);
	node->located = !isnull;
	for (CatalogRegion *r = node->region; r && !node->located; r = r->parent)
	{
		node->located = r->located;
		node->latitude = r->latitude;
		node->longitude = r->longitude;
	}
	if (node->located)
		node->place = geo_place(node->latitude, node->longitude);
	zone = RetailCellText(row, 7);
	node->zone = pg_tzset(zone);
	if (node->zone == NULL)
	{
		ereport(
			WARNING,
			errmsg("node %s has the unknown time zone \"%s\"", node->code,
				   zone),
			errhint(
				"Correct it with retail.put_node(); UTC is used meanwhile."));
		node->zone = pg_tzset("UTC");
	}
	id = RetailCellInt64(row, 8, NULL);
	node->calendar = hash_search(calendars, &id, HASH_FIND, NULL);
	node->cut_off = CellTime(row, 9);
	node->processing = RetailCellInt64(row, 10, NULL) * USECS_PER_MINUTE;
	node->daily_capacity = (int) RetailCellInt64(row, 11, &isnull);
	if (isnull)
		node->daily_capacity = -1;
	node->can_ship = RetailCellBool(row, 12);
	node->can_pick_up = RetailCellBool(row, 13);
	node->temperature = TemperatureBits(RetailCellText(row, 14));
	node->parcel_cost = RetailCellInt64(row, 15, NULL);
	node->unit_cost = RetailCellInt64(row, 16, NULL);
	node->active = RetailCellBool(row, 17);
	node->paused_until = RetailCellInt64(row, 18, &isnull);
	if (isnull)
		node->paused_until = DT_NOBEGIN;
}

/* Makes an array of the nodes by their ids, unless these are far apart. */
static void
IndexNodes(RetailCatalog *catalog)
{
	HASH_SEQ_STATUS scan;
	CatalogNode *node;
	int64 first = PG_INT64_MAX;
	int64 last = PG_INT64_MIN;

	hash_seq_init(&scan, catalog->nodes);
	while ((node = hash_seq_search(&scan)) != NULL)
	{
		first = Min(first, node->id);
		last = Max(last, node->id);
	}
	if (first < 0 || last - first >= catalog->n_nodes * INT64CONST(8) + 1024)
		return;
	catalog->first_node = first;
	catalog->n_nodes_by_id = last - first + 1;
	catalog->nodes_by_id = MemoryContextAllocZero(
		catalog->context, sizeof(CatalogNode *) * catalog->n_nodes_by_id);
	hash_seq_init(&scan, catalog->nodes);
	while ((node = hash_seq_search(&scan)) != NULL)
		catalog->nodes_by_id[node->id - first] = node;
}

/* Loads the nodes. */
static void
LoadNodes(RetailCatalog *catalog)
{
	HTAB *calendars = LoadCalendars(catalog);
	uint64 n = Load(
		"SELECT node_id, code, kind, region_id, latitude, longitude, time_zone, calendar_id, cut_off,"
		" processing_minutes, daily_capacity, can_ship, can_pick_up, temperature_classes::text,"
		" (parcel_cost * 100)::bigint, (unit_cost * 100)::bigint, is_active, (to_jsonb(n) ->> 'paused_until')::timestamptz FROM retail.node n");

	catalog->nodes = MakeHash(catalog, "pg_retail nodes", sizeof(int64),
							  sizeof(CatalogNode), HASH_BLOBS);
	catalog->node_codes = MakeHash(catalog, "pg_retail node codes", CODE_LENGTH,
								   sizeof(CodeEntry), HASH_STRINGS);
	for (uint64 row = 0; row < n; row++)
	{
		int64 id = RetailCellInt64(row, 1, NULL);
		CatalogNode *node = hash_search(catalog->nodes, &id, HASH_ENTER, NULL);

		node->index = catalog->n_nodes++;
		ReadNode(catalog, node, row, calendars);
		EnterCode(catalog->node_codes, node->code, node);
	}
	IndexNodes(catalog);
}

/* Loads the carrier services. */
static void
LoadServices(RetailCatalog *catalog)
{
	uint64 n = Load(
		"SELECT carrier_service_id, code, is_active, temperature_classes::text, volumetric_divisor"
		" FROM retail.carrier_service ORDER BY 1");

	catalog->n_services = (int) n;
	catalog->services = MemoryContextAllocZero(
		catalog->context, sizeof(CatalogService) * Max(n, 1));
	for (uint64 row = 0; row < n; row++)
	{
		CatalogService *service = &catalog->services[row];

		service->id = RetailCellInt64(row, 1, NULL);
		service->index = (int) row;
		service->code = CopyText(catalog, row, 2);
		service->active = RetailCellBool(row, 3);
		service->temperature = TemperatureBits(RetailCellText(row, 4));
		service->volumetric_divisor = RetailCellInt64(row, 5, NULL);
	}
}

/* A rate card while it is loaded. */
typedef struct LoadedCard
{
	int service;
	char *zone;
	CatalogRateCard card;
} LoadedCard;

/* Finds a carrier service by its id, or NULL. */
static CatalogService *
ServiceById(RetailCatalog *catalog, int64 id)
{
	for (int i = 0; i < catalog->n_services; i++)
		if (catalog->services[i].id == id)
			return &catalog->services[i];
	return NULL;
}

/*
 * Loads rate cards and their brackets as tariffs; returns the cards ordered by
 * service index and zone.
 */
static LoadedCard *
LoadRateCards(RetailCatalog *catalog, int *n_cards)
{
	uint64 n = Load(
		"SELECT r.rate_card_id, r.carrier_service_id, r.zone, r.valid_from, r.valid_to,"
		" b.up_to_g, (b.base_price * 100)::bigint, b.over_g, b.step_g, (b.step_price * 100)::bigint"
		" FROM retail.rate_card r JOIN retail.rate_bracket b USING (rate_card_id)"
		" ORDER BY r.carrier_service_id, r.zone COLLATE \"C\", r.valid_from, r.rate_card_id, b.up_to_g");
	LoadedCard *cards = palloc0(sizeof(LoadedCard) * Max(n, 1));
	SolverBracket *brackets = MemoryContextAllocZero(
		catalog->context, sizeof(SolverBracket) * Max(n, 1));
	int64 last_card = 0;

	catalog->tariffs = MemoryContextAllocZero(catalog->context,
											  sizeof(SolverTariff) * Max(n, 1));
	*n_cards = 0;
	for (uint64 row = 0; row < n; row++)
	{
		int64 id = RetailCellInt64(row, 1, NULL);
		SolverBracket *bracket = &brackets[row];
		SolverTariff *tariff;
		CatalogService *service =
			ServiceById(catalog, RetailCellInt64(row, 2, NULL));

		if (service == NULL)
			continue;
		if (id != last_card)
		{
			LoadedCard *card = &cards[(*n_cards)++];

			card->service = service->index;
			card->zone = CopyText(catalog, row, 3);
			card->card.valid_from = RetailCellInt64(row, 4, NULL);
			card->card.valid_to = RetailCellInt64(row, 5, NULL);
			card->card.tariff = catalog->n_tariffs++;
			tariff = &catalog->tariffs[card->card.tariff];
			tariff->brackets = bracket;
			tariff->volumetric_divisor = service->volumetric_divisor;
			last_card = id;
		}
		tariff = &catalog->tariffs[catalog->n_tariffs - 1];
		tariff->n_brackets++;
		bracket->up_to_g = RetailCellInt64(row, 6, NULL);
		bracket->base = RetailCellInt64(row, 7, NULL);
		bracket->over_g = RetailCellInt64(row, 8, NULL);
		bracket->step_g = RetailCellInt64(row, 9, NULL);
		bracket->step_price = RetailCellInt64(row, 10, NULL);
	}
	return cards;
}

/* Points a lane at the rate cards of its service and zone. */
static void
LinkRateCards(RetailCatalog *catalog, CatalogLane *lane,
			  const LoadedCard *cards, int n_cards)
{
	int low = 0;
	int high = n_cards;
	int n = 0;

	while (low < high)
	{
		int middle = (low + high) / 2;
		int order = cards[middle].service - lane->service->index;

		if (order == 0)
			order = strcmp(cards[middle].zone, lane->zone);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + n < n_cards &&
		   cards[low + n].service == lane->service->index &&
		   strcmp(cards[low + n].zone, lane->zone) == 0)
		n++;
	lane->n_cards = n;
	lane->cards = MemoryContextAlloc(catalog->context,
									 sizeof(CatalogRateCard) * Max(n, 1));
	for (int i = 0; i < n; i++)
		lane->cards[i] = cards[low + i].card;
}

/* Loads the active lanes of active services. */
static void
LoadLanes(RetailCatalog *catalog)
{
	int n_cards;
	LoadedCard *cards = LoadRateCards(catalog, &n_cards);
	uint64 n = Load(
		"SELECT carrier_service_id, from_node_id, from_region_id, to_region_id, from_km, to_km, zone, lead_hours"
		" FROM retail.lane WHERE is_active ORDER BY lane_id");

	catalog->lanes = MakeHash(catalog, "pg_retail lanes", sizeof(LaneKey),
							  sizeof(LaneEntry), HASH_BLOBS);
	for (uint64 row = 0; row < n; row++)
	{
		CatalogService *service =
			ServiceById(catalog, RetailCellInt64(row, 1, NULL));
		CatalogLane *lane;
		LaneEntry *entry;
		LaneKey key = {0};
		bool isnull;
		bool found;

		if (service == NULL || !service->active)
			continue;
		lane = MemoryContextAllocZero(catalog->context, sizeof(CatalogLane));
		lane->service = service;
		key.origin = RetailCellInt64(row, 2, &isnull);
		key.origin_is_node = !isnull;
		if (isnull)
			key.origin = RetailCellInt64(row, 3, NULL);
		key.destination = RetailCellInt64(row, 4, NULL);
		lane->from_km = RetailCellFloat8(row, 5, &isnull);
		lane->to_km = RetailCellFloat8(row, 6, &isnull);
		lane->zone = CopyText(catalog, row, 7);
		lane->lead_hours = (int) RetailCellInt64(row, 8, NULL);
		LinkRateCards(catalog, lane, cards, n_cards);

		entry = hash_search(catalog->lanes, &key, HASH_ENTER, &found);
		lane->next = found ? entry->first : NULL;
		entry->first = lane;
	}
}

/*
 * Loads the allocation policies that are not retired.  Columns that came after
 * 0.1.0 are read by way of JSON: until upgrade() has run they are not there.
 */
static void
LoadPolicies(RetailCatalog *catalog)
{
	uint64 n = Load(
		"SELECT policy_id, code, version, status = 'active', channel_id, (split_penalty * 100)::bigint,"
		" (lateness_per_day * 100)::bigint, target_hours, max_parcels, allow_line_split, status = 'shadow',"
		" (coalesce((row ->> 'scarcity_weight')::numeric, 1) * 10000)::bigint,"
		" (coalesce((row ->> 'markdown_weight')::numeric, 1) * 10000)::bigint,"
		" coalesce((row ->> 'max_reroutes')::int, 3), coalesce((row ->> 'reoptimise_minutes')::int, 60)"
		" FROM (SELECT p.*, to_jsonb(p) AS row FROM retail.allocation_policy p) x WHERE status <> 'retired' ORDER BY version DESC");

	catalog->n_policies = (int) n;
	catalog->policies = MemoryContextAllocZero(
		catalog->context, sizeof(CatalogPolicy) * Max(n, 1));
	for (uint64 row = 0; row < n; row++)
	{
		CatalogPolicy *policy = &catalog->policies[row];

		policy->id = RetailCellInt64(row, 1, NULL);
		policy->code = CopyText(catalog, row, 2);
		policy->version = (int) RetailCellInt64(row, 3, NULL);
		policy->active = RetailCellBool(row, 4);
		policy->channel_id = RetailCellInt64(row, 5, NULL);
		policy->split_penalty = RetailCellInt64(row, 6, NULL);
		policy->lateness_per_day = RetailCellInt64(row, 7, NULL);
		policy->target_hours = (int) RetailCellInt64(row, 8, NULL);
		policy->max_parcels = (int) RetailCellInt64(row, 9, NULL);
		policy->allow_line_split = RetailCellBool(row, 10);
		policy->shadow = RetailCellBool(row, 11);
		policy->scarcity_weight = RetailCellInt64(row, 12, NULL);
		policy->markdown_weight = RetailCellInt64(row, 13, NULL);
		policy->max_reroutes = (int) RetailCellInt64(row, 14, NULL);
		policy->reoptimise_minutes = (int) RetailCellInt64(row, 15, NULL);
	}
}

/* Remembers the OIDs of the tables whose invalidation makes the cache stale. */
static void
WatchTables(void)
{
	Oid namespace = get_namespace_oid("retail", true);

	for (int i = 0; i < WATCHED_TABLES; i++)
	{
		watched_oids[i] = OidIsValid(namespace)
			? get_relname_relid(watched_tables[i], namespace)
			: InvalidOid;
		if (!OidIsValid(watched_oids[i]))
			ereport(
				ERROR, errcode(RT_NOT_INSTALLED),
				errmsg(
					"the tables of pg_retail are not installed in this database"),
				errdetail("Table retail.%s does not exist.", watched_tables[i]),
				errhint("Run SELECT retail.install();"));
	}
}

/* Reads the whole catalogue into a new context below the current one. */
static RetailCatalog *
LoadCatalog(void)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "pg_retail catalogue", ALLOCSET_DEFAULT_SIZES);
	RetailCatalog *catalog =
		MemoryContextAllocZero(context, sizeof(RetailCatalog));

	catalog->context = context;
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	LoadRegions(catalog);
	LoadChannels(catalog);
	LoadNodes(catalog);
	LoadServices(catalog);
	LoadLanes(catalog);
	LoadPolicies(catalog);
	SPI_finish();
	PopActiveSnapshot();
	return catalog;
}

/* Returns the catalogue, reading it anew when it is stale. */
const RetailCatalog *
RetailCatalogGet(void)
{
	RetailCatalog *fresh;

	/* Invalidations of commits before now must have arrived. */
	AcceptInvalidationMessages();
	if (current_catalog && !catalog_is_stale)
		return current_catalog;

	WatchTables();
	catalog_is_stale = false; /* a change while we read sets it again */
	PG_TRY()
		;
		{
			fresh = LoadCatalog();
		}
		PG_CATCH();
		{
			catalog_is_stale = true;
			PG_RE_THROW();
		}
	PG_END_TRY();
	if (current_catalog)
		MemoryContextSetParent(current_catalog->context, TopTransactionContext);
	MemoryContextSetParent(fresh->context, TopMemoryContext);
	current_catalog = fresh;
	return current_catalog;
}
