/*-------------------------------------------------------------------------
 *
 * match_field.c
 *	  The fields of a comparison: their names and levels, what they depend on,
 *	  and of which values they are.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "match_internal.h"

static const char *const field_names[FIELDS] = {"given_name",
												"surname",
												"name_order",
												"birth_date",
												"gender",
												"phone",
												"email",
												"number",
												"other_number",
												"identifier",
												"other_identifier",
												"address",
												"postcode",
												"city",
												"region",
												"attribute_1",
												"attribute_2",
												"attribute_3",
												"attribute_4",
												"attribute_5",
												"attribute_6"};

static const char *const name_levels[] = {
	"missing", "equal", "typo", "alike", "loosely alike", "different", NULL};
static const char *const order_levels[] = {"missing", "straight", "swapped",
										   NULL};
static const char *const birth_levels[] = {
	"missing",	 "equal",	  "typo",	   "partial", "two parts",
	"two typos", "same year", "different", NULL};
static const char *const equal_levels[] = {"missing", "equal", "different",
										   NULL};
static const char *const number_levels[] = {
	"missing", "equal", "one typo", "two typos", "different", NULL};
static const char *const phone_levels[] = {
	"missing", "equal", "one typo", "same ending", "different", NULL};
static const char *const email_levels[] = {
	"missing",			"equal",	 "typo", "same local part",
	"alike local part", "different", NULL};
static const char *const address_levels[] = {
	"missing",	 "equal", "very alike", "alike", "something in common",
	"different", NULL};
static const char *const postcode_levels[] = {
	"missing", "equal", "one typo", "same beginning", "different", NULL};
static const char *const text_levels[] = {"missing", "equal", "alike",
										  "different", NULL};

static const char *const *
Levels(int field)
{
	switch (field)
	{
		case FIELD_GIVEN:
		case FIELD_SURNAME:
			return name_levels;
		case FIELD_ORDER:
			return order_levels;
		case FIELD_BIRTH:
			return birth_levels;
		case FIELD_GENDER:
		case FIELD_EXACT:
		case FIELD_EXACT2:
			return equal_levels;
		case FIELD_PHONE:
			return phone_levels;
		case FIELD_EMAIL:
			return email_levels;
		case FIELD_NUMBER:
		case FIELD_NUMBER2:
			return number_levels;
		case FIELD_ADDRESS:
			return address_levels;
		case FIELD_POSTCODE:
			return postcode_levels;
		default:
			return text_levels;
	}
}

/*
 * Levels of a field, with 0.
 */
int
LevelCount(int field)
{
	const char *const *levels = Levels(field);
	int n = 0;

	while (levels[n] != NULL)
		n++;
	return n;
}

const char *
FieldName(int field)
{
	return field >= 0 && field < FIELDS ? field_names[field] : NULL;
}

const char *
LevelName(int field, int level)
{
	if (field < 0 || field >= FIELDS || level < 0 || level >= LevelCount(field))
		return NULL;
	return Levels(field)[level];
}

/*
 * The frequency of which the values of a field are taken; -1: none.
 */
int
FieldFrequency(int field)
{
	switch (field)
	{
		case FIELD_GIVEN:
			return FREQUENCY_GIVEN;
		case FIELD_SURNAME:
			return FREQUENCY_SURNAME;
		case FIELD_BIRTH:
			return FREQUENCY_BIRTH;
		case FIELD_PHONE:
		case FIELD_EMAIL:
		case FIELD_NUMBER:
		case FIELD_NUMBER2:
		case FIELD_EXACT:
		case FIELD_EXACT2:
			return FREQUENCY_IDENTIFIER;
		case FIELD_ADDRESS:
			return FREQUENCY_ADDRESS;
		case FIELD_POSTCODE:
			return FREQUENCY_POSTCODE;
		case FIELD_CITY:
			return FREQUENCY_CITY;
		case FIELD_REGION:
			return FREQUENCY_REGION;
		case FIELD_ORDER:
		case FIELD_GENDER:
			return -1;
		default:
			return FREQUENCY_ATTRIBUTE + field - FIELD_ATTRIBUTE;
	}
}

/*
 * A postcode follows from an address, a city from a postcode; e-mails are made
 * of names, and names have a gender.  What follows from another agreement is
 * no evidence of its own.
 */
const int *
FieldParents(int field)
{
	static const int none[] = {-1};
	static const int of_email[] = {FIELD_GIVEN, FIELD_SURNAME, -1};
	static const int of_gender[] = {FIELD_GIVEN, -1};
	static const int of_postcode[] = {FIELD_ADDRESS, -1};
	static const int of_city[] = {FIELD_POSTCODE, FIELD_ADDRESS, -1};
	static const int of_region[] = {FIELD_CITY, FIELD_POSTCODE, FIELD_ADDRESS,
									-1};

	switch (field)
	{
		case FIELD_EMAIL:
			return of_email;
		case FIELD_GENDER:
			return of_gender;
		case FIELD_POSTCODE:
			return of_postcode;
		case FIELD_CITY:
			return of_city;
		case FIELD_REGION:
			return of_region;
		default:
			return none;
	}
}
