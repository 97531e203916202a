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

/* A place on the globe: degrees, and as a point of the unit sphere. */
typedef struct GeoPlace
{
	double latitude;
	double longitude;
	double x;
	double y;
	double z;
} GeoPlace;

/*
 * Computes the square of the chord of two places, which grows with their
 * distance, and needs no function of an angle.
 */
static inline double
geo_chord(const GeoPlace *a, const GeoPlace *b)
{
	double x = a->x - b->x;
	double y = a->y - b->y;
	double z = a->z - b->z;

	return x * x + y * y + z * z;
}

extern GeoPlace geo_place(double latitude, double longitude);
extern void geo_chord_range(double km, double *least, double *most);
/* Great-circle distance in km between two points in degrees (WGS 84). */
extern double
geo_distance_km(double lat1, double lon1, double lat2, double lon2);

#endif /* PG_RETAIL_GEO_H */
