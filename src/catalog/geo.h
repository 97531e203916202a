/*-------------------------------------------------------------------------
 *
 * geo.h
 *	  Distance on the globe; pure C.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_GEO_H
#define PG_RETAIL_GEO_H

/* Great-circle distance in km between two points in degrees (WGS 84). */
extern double
geo_distance_km(double lat1, double lon1, double lat2, double lon2);

#endif /* PG_RETAIL_GEO_H */
