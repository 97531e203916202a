/*-------------------------------------------------------------------------
 *
 * cache.h
 *	  Master data as the engines read it: nodes, regions, channels, lanes,
 *	  rate cards, calendars and allocation policies, cached per backend.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_CACHE_H
#define PG_RETAIL_CACHE_H

#include "retail.h"

#include "pgtime.h"
#include "utils/date.h"
#include "utils/hsearch.h"

#include "allocation/solver.h"
#include "catalog/geo.h"

/* Temperature classes as bits. */
#define TEMPERATURE_AMBIENT 1
#define TEMPERATURE_CHILLED 2
#define TEMPERATURE_FROZEN 4

/* How deep regions may lie in each other. */
#define MAX_REGION_DEPTH 32

typedef struct CatalogRegion
{
	int64 id;
	int index; /* of all regions, from 0 */
	char *code;
	int64 parent_id;
	struct CatalogRegion *parent; /* NULL at the top */
	bool located;				  /* has coordinates */
	double latitude;
	double longitude;
} CatalogRegion;

typedef struct CatalogChannel
{
	int64 id;
	char *code;
	bool active;
	int64 payment_ttl; /* microseconds */
} CatalogChannel;

/* Opening hours of a day, microseconds from local midnight; closed if equal. */
typedef struct CatalogHours
{
	TimeADT opens;
	TimeADT closes;
} CatalogHours;

typedef struct CatalogDay
{
	DateADT day;
	CatalogHours hours;
} CatalogDay;

typedef struct CatalogCalendar
{
	int64 id;
	CatalogHours week[8]; /* by ISO weekday, 1 to 7 */
	int n_days;
	CatalogDay *days; /* exceptions, ascending */
} CatalogCalendar;

typedef struct CatalogNode
{
	int64 id;
	int index; /* of all nodes, from 0 */
	char *code;
	char kind;			   /* first letter of the kind */
	CatalogRegion *region; /* may be NULL */
	bool located;
	double latitude;
	double longitude;
	GeoPlace place; /* the same, when it is located */
	pg_tz *zone;
	CatalogCalendar *calendar; /* NULL: always open */
	TimeADT cut_off;
	int64 processing;	/* microseconds */
	int daily_capacity; /* -1: unlimited */
	bool active;
	TimestampTz paused_until; /* takes no new orders before */
	bool can_ship;
	bool can_pick_up;
	uint32 temperature;
	int64 parcel_cost; /* cents */
	int64 unit_cost;

	/* When it lets parcels go that are ordered in this time (calendar.c). */
	TimestampTz known_from;
	TimestampTz known_to;
	TimestampTz known_departure;
	TimestampTz unsteady_from; /* not worth remembering */

	/* A local day that was asked for; of no length: none yet (calendar.c). */
	TimestampTz day_begin;
	TimestampTz day_end;
} CatalogNode;

typedef struct CatalogRateCard
{
	TimestampTz valid_from;
	TimestampTz valid_to;
	int tariff; /* index into RetailCatalog.tariffs */
} CatalogRateCard;

typedef struct CatalogService
{
	int64 id;
	int index; /* position in RetailCatalog.services */
	char *code;
	bool active;
	uint32 temperature;
	int64 volumetric_divisor;
} CatalogService;

typedef struct CatalogLane
{
	CatalogService *service;
	double from_km;
	double to_km;
	char *zone;
	int lead_hours;
	int n_cards;
	CatalogRateCard *cards;
	struct CatalogLane *next; /* with the same origin and destination */
} CatalogLane;

/*
 * The carrier services from somewhere to a destination over some distance, at
 * some time: of each the most specific lane, and its tariff.
 */
typedef struct CatalogReach
{
	TimestampTz valid_from;
	TimestampTz valid_to;
	int n;
	const CatalogLane **lanes;
	int *tariffs;
	struct CatalogReach *next; /* of another time */
} CatalogReach;

/* Distances between which no lane of a route begins or ends. */
typedef struct CatalogBand
{
	double from_km;
	double least; /* the chord of from_km, for certain not less, */
	double most;  /* and not more than these */
} CatalogBand;

/*
 * The lanes of all bands between a node and a destination: ends that are closer
 * go before wider ones.
 */
typedef struct CatalogRoute
{
	int n;
	int n_bands;
	CatalogBand *bands;		/* the first begins at 0 */
	CatalogReach **reaches; /* by band; the last: of no known distance */
	struct
	{
		const CatalogLane *lane;
		int ends; /* numbers the pairs of ends */
	} lanes[FLEXIBLE_ARRAY_MEMBER];
} CatalogRoute;

/*
 * The routes to a destination, by node index, and behind these from regions by
 * theirs; NULL: not looked for yet.
 */
typedef struct CatalogRoutes
{
	int64 region_id;
	CatalogRoute **routes;
} CatalogRoutes;

typedef struct CatalogPolicy
{
	int64 id;
	char *code;
	int version;
	bool active;
	bool shadow;		 /* decided beside the active one, not acted upon */
	int64 channel_id;	 /* 0: every channel */
	int64 split_penalty; /* cents */
	int64 lateness_per_day;
	int target_hours;
	int max_parcels; /* 0: unlimited */
	bool allow_line_split;
	int64 scarcity_weight; /* ten-thousandths */
	int64 markdown_weight;
	int max_reroutes;
	int reoptimise_minutes;
} CatalogPolicy;

typedef struct RetailCatalog
{
	MemoryContext context;
	int n_regions;
	HTAB *regions; /* by id */
	HTAB *region_codes;
	HTAB *nodes; /* by id */
	HTAB *node_codes;
	int n_nodes;
	int64 first_node;	 /* the lowest id, where ids lie close: */
	int64 n_nodes_by_id; /* 0: they do not */
	CatalogNode **nodes_by_id;
	HTAB *lanes; /* by origin and destination */
	MemoryContext routes_context;
	HTAB *routes;				/* by destination; lookup.c */
	CatalogRoutes *last_routes; /* those asked for last, or NULL */
	int n_channels;
	CatalogChannel *channels;
	int n_services;
	CatalogService *services;
	int n_tariffs;
	SolverTariff *tariffs;
	int n_policies;
	CatalogPolicy *policies; /* newest version first */
} RetailCatalog;

/* Bytes of a code that tell codes apart. */
#define CODE_LENGTH 256

/* Entry of the hash tables by code. */
typedef struct CodeEntry
{
	char code[CODE_LENGTH];
	void *object;
} CodeEntry;

/* Entry of the hash table of lanes. */
typedef struct LaneKey
{
	int64 origin;
	int64 destination;
	int64 origin_is_node;
} LaneKey;

typedef struct LaneEntry
{
	LaneKey key;
	CatalogLane *first;
} LaneEntry;

extern void RetailCatalogInit(void);

/* The catalogue as committed now; valid until the transaction ends. */
extern const RetailCatalog *RetailCatalogGet(void);
extern uint32 TemperatureBits(const char *classes);

/* lookup.c */
extern const CatalogNode *
CatalogNodeById(const RetailCatalog *catalog, int64 id);
extern const CatalogNode *
CatalogNodeByCode(const RetailCatalog *catalog, const char *code);
extern const CatalogRegion *
CatalogRegionById(const RetailCatalog *catalog, int64 id);
extern const CatalogRegion *
CatalogRegionByCode(const RetailCatalog *catalog, const char *code);
extern const CatalogRegion *
CatalogNearestRegion(const RetailCatalog *catalog, double latitude,
					 double longitude);
extern double CatalogDistanceToRegion(const RetailCatalog *catalog,
									  const CatalogRegion *region,
									  double latitude, double longitude);
extern const CatalogChannel *
CatalogChannelById(const RetailCatalog *catalog, int64 id);
extern const CatalogChannel *
CatalogChannelByCode(const RetailCatalog *catalog, const char *code);
extern const CatalogPolicy *
CatalogPolicyFor(const RetailCatalog *catalog, const char *name,
				 int64 channel_id);
extern const CatalogReach *
CatalogReachOf(const RetailCatalog *catalog, const CatalogNode *node,
			   const CatalogRegion *destination, const GeoPlace *place,
			   double chord, TimestampTz as_of);

/* calendar.c */
extern bool CatalogDeparture(const CatalogNode *node, TimestampTz as_of,
							 TimestampTz *departure);
extern bool CatalogNextDeparture(const CatalogNode *node, bool ships,
								 TimestampTz *departure);
extern bool CatalogPickUpReady(const CatalogNode *node, TimestampTz as_of,
							   TimestampTz *ready);
extern void CatalogLocalDay(const CatalogNode *node, TimestampTz as_of,
							TimestampTz *begin, TimestampTz *end);

#endif /* PG_RETAIL_CACHE_H */
