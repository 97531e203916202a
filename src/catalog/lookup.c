/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  Finding things in the cached catalogue: by key, by code, the nearest
 *	  region, the policy of a channel, the lanes between two places.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "catalog/cache.h"

#include <math.h>

#include "utils/memutils.h"

#include "catalog/geo.h"

/* Finds an object by its code, or NULL. */
static void *
FindCode(HTAB *table, const char *code)
{
	CodeEntry *entry;

	if (strlen(code) >= CODE_LENGTH)
		return NULL;
	entry = hash_search(table, code, HASH_FIND, NULL);
	return entry ? entry->object : NULL;
}

/* Finds a node by its id, or NULL. */
const CatalogNode *
CatalogNodeById(const RetailCatalog *catalog, int64 id)
{
	if (catalog->n_nodes_by_id == 0)
		return hash_search(catalog->nodes, &id, HASH_FIND, NULL);
	if (id < catalog->first_node ||
		id - catalog->first_node >= catalog->n_nodes_by_id)
		return NULL;
	return catalog->nodes_by_id[id - catalog->first_node];
}

/* Finds a node by its code, or NULL. */
const CatalogNode *
CatalogNodeByCode(const RetailCatalog *catalog, const char *code)
{
	return FindCode(catalog->node_codes, code);
}

/* Finds a region by its id, or NULL. */
const CatalogRegion *
CatalogRegionById(const RetailCatalog *catalog, int64 id)
{
	return hash_search(catalog->regions, &id, HASH_FIND, NULL);
}

/* Finds a region by its code, or NULL. */
const CatalogRegion *
CatalogRegionByCode(const RetailCatalog *catalog, const char *code)
{
	return FindCode(catalog->region_codes, code);
}

/* Finds the region whose centroid is nearest, or NULL when none is in reach. */
const CatalogRegion *
CatalogNearestRegion(const RetailCatalog *catalog, double latitude,
					 double longitude)
{
	HASH_SEQ_STATUS scan;
	CatalogRegion *region;
	CatalogRegion *nearest = NULL;
	double best = retail_region_reach_km;

	hash_seq_init(&scan, catalog->regions);
	while ((region = hash_seq_search(&scan)) != NULL)
	{
		double km;

		/* One degree of latitude is 111 km: most regions need no formula. */
		if (!region->located || fabs(region->latitude - latitude) * 111 > best)
			continue;
		km = geo_distance_km(latitude, longitude, region->latitude,
							 region->longitude);
		if (km < best || (km == best && nearest && region->id > nearest->id))
		{
			best = km;
			nearest = region;
		}
	}
	return nearest;
}

/*
 * Returns how far a point lies from a region or the nearest region below it;
 * NaN when none of them has coordinates.
 */
double
CatalogDistanceToRegion(const RetailCatalog *catalog,
						const CatalogRegion *region, double latitude,
						double longitude)
{
	HASH_SEQ_STATUS scan;
	const CatalogRegion *below;
	double least = NAN;

	hash_seq_init(&scan, catalog->regions);
	while ((below = hash_seq_search(&scan)) != NULL)
	{
		const CatalogRegion *above = below;
		double km;

		while (above && above != region)
			above = above->parent;
		if (above == NULL || !below->located)
			continue;
		km = geo_distance_km(latitude, longitude, below->latitude,
							 below->longitude);
		if (isnan(least) || km < least)
			least = km;
	}
	return least;
}

/* Finds a channel by its id, or NULL. */
const CatalogChannel *
CatalogChannelById(const RetailCatalog *catalog, int64 id)
{
	for (int i = 0; i < catalog->n_channels; i++)
		if (catalog->channels[i].id == id)
			return &catalog->channels[i];
	return NULL;
}

/* Finds a channel by its code, or NULL. */
const CatalogChannel *
CatalogChannelByCode(const RetailCatalog *catalog, const char *code)
{
	for (int i = 0; i < catalog->n_channels; i++)
		if (strcmp(catalog->channels[i].code, code) == 0)
			return &catalog->channels[i];
	return NULL;
}

/* Is this the policy of the given name: "code", or "code@version"? */
static bool
PolicyIsNamed(const CatalogPolicy *policy, const char *name)
{
	size_t length = strlen(policy->code);
	char version[16];

	if (strncmp(policy->code, name, length) != 0)
		return false;
	if (name[length] == '\0')
		return true;
	snprintf(version, sizeof(version), "@%d", policy->version);
	return strcmp(name + length, version) == 0;
}

/*
 * Finds the policy of the given name (of a code alone its latest version that
 * is not retired), or without a name the channel's active one, or that of all
 * channels.
 */
const CatalogPolicy *
CatalogPolicyFor(const RetailCatalog *catalog, const char *name,
				 int64 channel_id)
{
	const CatalogPolicy *general = NULL;

	for (int i = 0; i < catalog->n_policies; i++)
	{
		const CatalogPolicy *policy = &catalog->policies[i];

		if (name)
		{
			if (PolicyIsNamed(policy, name))
				return policy;
		}
		else if (policy->active && policy->channel_id == channel_id)
			return policy;
		else if (policy->active && policy->channel_id == 0)
			general = policy;
	}
	return general;
}

/*
 * Returns the tariff of a lane at a time, or -1; narrows the time for which that
 * answer holds.
 */
static int
TariffAt(const CatalogLane *lane, TimestampTz as_of, CatalogReach *reach)
{
	int tariff = -1;

	for (int i = 0; i < lane->n_cards; i++)
	{
		TimestampTz ends[2] = {lane->cards[i].valid_from,
							   lane->cards[i].valid_to};

		if (tariff < 0 && as_of >= ends[0] && as_of < ends[1])
			tariff = lane->cards[i].tariff;
		for (int j = 0; j < 2; j++)
			if (ends[j] <= as_of)
				reach->valid_from = Max(reach->valid_from, ends[j]);
			else
				reach->valid_to = Min(reach->valid_to, ends[j]);
	}
	return tariff;
}

/* Counts the lanes from one origin to a destination, and notes them. */
static int
NoteLanes(const RetailCatalog *catalog, int64 origin, bool is_node,
		  const CatalogRegion *destination, CatalogRoute *route)
{
	LaneKey key = {0};
	int ends = 0;
	int n = 0;

	key.origin = origin;
	key.origin_is_node = is_node;
	for (const CatalogRegion *to = destination; to; to = to->parent, ends++)
	{
		LaneEntry *entry;

		key.destination = to->id;
		entry = hash_search(catalog->lanes, &key, HASH_FIND, NULL);
		for (CatalogLane *lane = entry ? entry->first : NULL; lane;
			 lane = lane->next, n++)
			if (route)
			{
				route->lanes[n].lane = lane;
				route->lanes[n].ends = ends;
			}
	}
	return n;
}

static int
CompareNumbers(const void *a, const void *b)
{
	double left = *(const double *) a;
	double right = *(const double *) b;

	return left < right ? -1 : left > right;
}

/* Divides distances where a lane of a route begins or ends. */
static void
MakeBands(const RetailCatalog *catalog, CatalogRoute *route)
{
	double *ends = palloc(sizeof(double) * (2 * route->n + 1));
	int n = 0;

	ends[n++] = 0;
	for (int i = 0; i < route->n; i++)
	{
		ends[n++] = route->lanes[i].lane->from_km;
		ends[n++] = route->lanes[i].lane->to_km;
	}
	qsort(ends, n, sizeof(double), CompareNumbers);
	route->n_bands = 0;
	route->bands =
		MemoryContextAlloc(catalog->routes_context, sizeof(CatalogBand) * n);
	for (int i = 0; i < n; i++)
	{
		CatalogBand *band = &route->bands[route->n_bands];

		if ((i > 0 && ends[i] == ends[i - 1]) || isinf(ends[i]))
			continue;
		band->from_km = ends[i];
		geo_chord_range(ends[i], &band->least, &band->most);
		route->n_bands++;
	}
	pfree(ends);
	route->reaches = MemoryContextAllocZero(
		catalog->routes_context, sizeof(CatalogReach *) * (route->n_bands + 1));
}

/* Puts the lanes of one origin before a route from farther up: often none. */
static CatalogRoute *
ExtendRoute(const RetailCatalog *catalog, int64 origin, bool is_node,
			const CatalogRegion *destination, CatalogRoute *above)
{
	int n = NoteLanes(catalog, origin, is_node, destination, NULL);
	CatalogRoute *route;

	if (n == 0)
		return above;
	route = MemoryContextAlloc(catalog->routes_context,
							   offsetof(CatalogRoute, lanes) +
								   sizeof(route->lanes[0]) * (n + above->n));
	route->n = n + above->n;
	NoteLanes(catalog, origin, is_node, destination, route);
	for (int i = 0; i < above->n; i++)
	{
		route->lanes[n + i].lane = above->lanes[i].lane;
		route->lanes[n + i].ends = above->lanes[i].ends + MAX_REGION_DEPTH + 1;
	}
	MakeBands(catalog, route);
	return route;
}

/* Returns the lanes from a region, and from those above it, to a destination. */
static CatalogRoute *
RegionRoute(const RetailCatalog *catalog, CatalogRoute **routes,
			const CatalogRegion *from, const CatalogRegion *destination)
{
	static CatalogRoute nowhere = {0};
	CatalogRoute **route;

	if (from == NULL)
		return &nowhere;
	route = &routes[catalog->n_nodes + from->index];
	if (*route == NULL)
		*route = ExtendRoute(
			catalog, from->id, false, destination,
			RegionRoute(catalog, routes, from->parent, destination));
	return *route;
}

/* Pointers to routes that a backend keeps; when there are more it starts anew. */
#define MAX_ROUTES (1024 * 1024)

/* Returns the routes to a destination. */
static CatalogRoute **
RoutesTo(RetailCatalog *catalog, const CatalogRegion *destination)
{
	CatalogRoutes *entry = catalog->last_routes;
	bool found;

	if (entry && entry->region_id == destination->id)
		return entry->routes;
	if (catalog->routes &&
		hash_get_num_entries(catalog->routes) *
				((long) catalog->n_nodes + catalog->n_regions) >
			MAX_ROUTES)
	{
		catalog->routes = NULL;
		catalog->last_routes = NULL;
		MemoryContextDelete(catalog->routes_context);
	}
	if (catalog->routes == NULL)
	{
		HASHCTL control = {0};

		catalog->routes_context = AllocSetContextCreate(
			catalog->context, "pg_retail routes", ALLOCSET_DEFAULT_SIZES);
		control.keysize = sizeof(int64);
		control.entrysize = sizeof(CatalogRoutes);
		control.hcxt = catalog->routes_context;
		catalog->routes = hash_create("pg_retail routes", 256, &control,
									  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(catalog->routes, &destination->id, HASH_ENTER, &found);
	if (!found)
		entry->routes = NULL; /* should the next line fail */
	if (entry->routes == NULL)
		entry->routes = MemoryContextAllocZero(
			catalog->routes_context,
			sizeof(CatalogRoute *) * (catalog->n_nodes + catalog->n_regions));
	catalog->last_routes = entry;
	return entry->routes;
}

/* Returns the lanes between a node and a destination, looked for once. */
static CatalogRoute *
RouteBetween(RetailCatalog *catalog, const CatalogNode *node,
			 const CatalogRegion *destination)
{
	CatalogRoute **routes = RoutesTo(catalog, destination);
	CatalogRoute *route = routes[node->index];

	if (route == NULL)
		route = routes[node->index] = ExtendRoute(
			catalog, node->id, true, destination,
			RegionRoute(catalog, routes, node->region, destination));
	return route;
}

/* Is a node nearer than a band begins, with a chord too close to tell? */
static bool
IsNearer(const CatalogNode *node, const GeoPlace *place,
		 const CatalogBand *band)
{
	return geo_distance_km(node->latitude, node->longitude, place->latitude,
						   place->longitude) < band->from_km;
}

/* Finds the band of a route that a distance lies in. */
static inline int
FindBand(const CatalogRoute *route, const CatalogNode *node,
		 const GeoPlace *place, double chord)
{
	int band = 0;
	int end = route->n_bands;

	if (isnan(chord))
		return route->n_bands;
	while (end - band > 1)
	{
		int middle = (band + end) / 2;

		if (chord >= route->bands[middle].least)
			band = middle;
		else
			end = middle;
	}
	while (band > 0 && chord < route->bands[band].most &&
		   IsNearer(node, place, &route->bands[band]))
		band--;
	return band;
}

/*
 * Finds the lane of each carrier service for a band of a route, the most
 * specific one of each, with its tariff at as_of.
 */
static CatalogReach *
MakeReach(const RetailCatalog *catalog, const CatalogRoute *route, int band,
		  TimestampTz as_of)
{
	bool known = band < route->n_bands;
	double km = known ? route->bands[band].from_km : NAN;
	CatalogReach *reach =
		MemoryContextAlloc(catalog->routes_context, sizeof(CatalogReach));
	int before = 0; /* those of closer ends */
	int ends = 0;

	reach->valid_from = DT_NOBEGIN;
	reach->valid_to = DT_NOEND;
	reach->n = 0;
	reach->lanes = MemoryContextAlloc(catalog->routes_context,
									  sizeof(CatalogLane *) * (route->n + 1));
	reach->tariffs = MemoryContextAlloc(catalog->routes_context,
										sizeof(int) * (route->n + 1));
	for (int k = 0; k < route->n; k++)
	{
		const CatalogLane *lane = route->lanes[k].lane;
		int tariff = TariffAt(lane, as_of, reach);
		int i;

		if (route->lanes[k].ends != ends)
		{
			ends = route->lanes[k].ends;
			before = reach->n;
		}
		if (tariff < 0)
			continue;
		/* Without a distance only a lane that does not ask for one fits. */
		if (!known ? (lane->from_km > 0 || !isinf(lane->to_km))
				   : (km < lane->from_km || km >= lane->to_km))
			continue;
		for (i = 0; i < reach->n && reach->lanes[i]->service != lane->service;
			 i++)
			;
		if (i < before)
			continue; /* a more specific lane has it */
		if (i < reach->n &&
			reach->lanes[i]->to_km - reach->lanes[i]->from_km <=
				lane->to_km - lane->from_km)
			continue; /* a narrower band of the same ends */
		reach->lanes[i] = lane;
		reach->tariffs[i] = tariff;
		if (i == reach->n)
			reach->n++;
	}
	return reach;
}

/*
 * Returns the carrier services from a node to a place in a destination at
 * as_of; nodes that have the same services at the same prices often share the
 * answer.  chord is geo_chord() of node and place, NaN when it is not known.
 */
const CatalogReach *
CatalogReachOf(const RetailCatalog *catalog, const CatalogNode *node,
			   const CatalogRegion *destination, const GeoPlace *place,
			   double chord, TimestampTz as_of)
{
	static const CatalogReach none = {DT_NOBEGIN, DT_NOEND, 0,
									  NULL,		  NULL,		NULL};
	CatalogRoute *route;
	CatalogReach **first;
	CatalogReach *reach;
	int band;

	if (destination == NULL)
		return &none;
	route = catalog->last_routes &&
			catalog->last_routes->region_id == destination->id
		? catalog->last_routes->routes[node->index]
		: NULL;
	if (route == NULL)
		route = RouteBetween(unconstify(RetailCatalog *, catalog), node,
							 destination);
	if (route->n == 0)
		return &none;
	band = FindBand(route, node, place, chord);
	first = &route->reaches[band];
	for (reach = *first; reach; reach = reach->next)
		if (as_of >= reach->valid_from && as_of < reach->valid_to)
			return reach;
	reach = MakeReach(catalog, route, band, as_of);
	reach->next = *first;
	*first = reach;
	return reach;
}
