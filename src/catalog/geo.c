/*-------------------------------------------------------------------------
 *
 * geo.c
 *	  Distance on the globe: the haversine formula (R. W. Sinnott, "Virtues
 *	  of the Haversine", Sky and Telescope 68, 1984) on a sphere of the mean
 *	  Earth radius; at most 0.5 % off the ellipsoid.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "catalog/geo.h"

#include <math.h>

#define EARTH_RADIUS_KM 6371.0088
#define RADIANS_PER_DEGREE 0.017453292519943295

/* Computes the distance of two points; well-conditioned for near points. */
double
geo_distance_km(double lat1, double lon1, double lat2, double lon2)
{
	double dlat = sin((lat2 - lat1) * RADIANS_PER_DEGREE / 2);
	double dlon = sin((lon2 - lon1) * RADIANS_PER_DEGREE / 2);
	double h = dlat * dlat +
		cos(lat1 * RADIANS_PER_DEGREE) * cos(lat2 * RADIANS_PER_DEGREE) * dlon *
			dlon;

	return 2 * EARTH_RADIUS_KM * asin(sqrt(h > 1 ? 1 : h));
}

/* Describes a place, so that its distances from many others are soon compared. */
GeoPlace
geo_place(double latitude, double longitude)
{
	double phi = latitude * RADIANS_PER_DEGREE;
	double lambda = longitude * RADIANS_PER_DEGREE;
	GeoPlace place = {latitude, longitude, cos(phi) * cos(lambda),
					  cos(phi) * sin(lambda), sin(phi)};

	return place;
}

/*
 * Tells between which chords a distance lies, whatever was lost in rounding
 * when the chord was computed.
 */
void
geo_chord_range(double km, double *least, double *most)
{
	double half = km / (2 * EARTH_RADIUS_KM);
	double chord = half < 1.5707963267948966 ? 4 * sin(half) * sin(half) : 4;
	double lost = 1e-9 * chord + 1e-14 * sqrt(chord) + 1e-28;

	*least = chord - lost;
	*most = half < 1.5707963267948966 ? chord + lost : 5;
}
