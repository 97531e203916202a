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

/* Returns the tariff of a lane at a time, or -1. */
static int
TariffAt(const CatalogLane *lane, TimestampTz as_of)
{
	for (int i = 0; i < lane->n_cards; i++)
		if (as_of >= lane->cards[i].valid_from &&
			as_of < lane->cards[i].valid_to)
			return lane->cards[i].tariff;
	return -1;
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
static const CatalogRoute *
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

/*
 * Finds the lane of each carrier service from a node to a destination, the
 * most specific one of each, with its tariff at as_of.  The arrays must have
 * room for every service.  Returns their number.
 */
int
CatalogLanes(const RetailCatalog *catalog, const CatalogNode *node,
			 const CatalogRegion *destination, double distance_km,
			 TimestampTz as_of, const CatalogLane **lanes, int *tariffs)
{
	const CatalogRoute *route;
	int n = 0;
	int before = 0; /* those of closer ends */
	int ends = 0;

	if (destination == NULL)
		return 0;
	route =
		RouteBetween(unconstify(RetailCatalog *, catalog), node, destination);
	for (int k = 0; k < route->n; k++)
	{
		const CatalogLane *lane = route->lanes[k].lane;
		int tariff = TariffAt(lane, as_of);
		int i;

		if (route->lanes[k].ends != ends)
		{
			ends = route->lanes[k].ends;
			before = n;
		}
		if (tariff < 0)
			continue;
		/* Without a distance only a lane that does not ask for one fits. */
		if (isnan(distance_km)
				? (lane->from_km > 0 || !isinf(lane->to_km))
				: (distance_km < lane->from_km || distance_km >= lane->to_km))
			continue;
		for (i = 0; i < n && lanes[i]->service != lane->service; i++)
			;
		if (i < before)
			continue; /* a more specific lane has it */
		if (i < n &&
			lanes[i]->to_km - lanes[i]->from_km <= lane->to_km - lane->from_km)
			continue; /* a narrower band of the same ends */
		lanes[i] = lane;
		tariffs[i] = tariff;
		if (i == n)
			n++;
	}
	return n;
}
