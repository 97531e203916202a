/*-------------------------------------------------------------------------
 *
 * identity_people.c
 *	  Invented members of a Chinese chain in two systems that do not know of
 *	  each other, and the truth about who they are.
 *
 * usage: identity_people ACCOUNTS SEED DIRECTORY
 *
 * Of n accounts 5/13 are online and 8/13 in the stores; 3/13 n people are in
 * both, nobody is twice in one system.  Written for COPY: account.tsv
 * (account_id, source 1 online or 2 store, external_id and the rest),
 * identifier.tsv, truth.tsv (account_id, person).  The same arguments always
 * give the same files.
 *
 * What is wrong with the data (shares of accounts):
 * - 30 % of the fields that a form asks for are empty on the average; see
 *   asked[].
 * - Names are hanzi; online one in five is pinyin (in any order and spacing),
 *   and some stand-ins.  Typing errors: another character of the same sound,
 *   letters lost, doubled, exchanged, given name and surname exchanged.
 * - 10 % of the people told another phone online than in the store; a fifth of
 *   the old ones belong to somebody else by now.  Households share an address,
 *   some a phone or a card.  Some tills enter the shop's own number.
 * - Birth dates: a digit wrong, day and month exchanged, the year only, the
 *   first of January.
 * - One person in five has moved.  Addresses are written with more or less of
 *   province, city and estate.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity_people.h"

#define LENGTH(array) ((int) (sizeof(array) / sizeof((array)[0])))
#define SHOP_PHONE "4008208820"

enum
{
	ONLINE,
	STORE,
	SYSTEMS
};

/* Percent of accounts that tell a field, online and in the store. */
enum Field
{
	NAME,
	BIRTH,
	GENDER,
	ADDRESS,
	PHONE,
	EMAIL,
	FIELDS
};
static const int asked[FIELDS][SYSTEMS] = {
	[NAME] = {85, 92},	  [BIRTH] = {55, 68}, [GENDER] = {62, 76},
	[ADDRESS] = {66, 46}, [PHONE] = {95, 95}, [EMAIL] = {58, 38}};
/* Not asked, but known of some. */
static const int has_unionid[SYSTEMS] = {65, 50};
static const int has_card[SYSTEMS] = {30, 80};

typedef struct Random
{
	uint64_t state;
} Random;

typedef struct Person
{
	int64_t number;
	bool female;
	int surname;
	int n_given;
	const Word *given[2];
	int year, month, day;
	uint64_t home[2]; /* before and after having moved; made of the household */
	bool moved;
	char phone[2][16]; /* the old and the present one */
	char email[2][64];
	uint64_t card;
	uint64_t unionid;
} Person;

static uint64_t seed;
static int64_t people;

static uint64_t
Mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* A stream of its own for each purpose and person. */
static Random
Stream(uint64_t purpose, uint64_t number)
{
	return (Random){Mix(seed ^ Mix(purpose * 1000003 + Mix(number)))};
}

static uint64_t
Next(Random *random)
{
	random->state += UINT64_C(0x9e3779b97f4a7c15);
	return Mix(random->state);
}

static int
Below(Random *random, int n)
{
	return (int) (Next(random) % (uint64_t) n);
}

/* True in so many of 1000 cases. */
static bool
Chance(Random *random, int permille)
{
	return Below(random, 1000) < permille;
}

static int
PickWord(Random *random, const Word *words, int n)
{
	int total = 0, at;

	for (int i = 0; i < n; i++)
		total += words[i].weight;
	at = Below(random, total);
	for (int i = 0; i < n; i++)
		if ((at -= words[i].weight) < 0)
			return i;
	return 0;
}

/* ---- people ---- */

/* Everybody's number of their own: neighbours are strangers. */
static void
MakePhone(char *phone, uint64_t purpose, uint64_t number)
{
	Random random = Stream(purpose, number);

	snprintf(phone, 16, "%s%08d", mobile[Below(&random, LENGTH(mobile))],
			 Below(&random, 100000000));
}

/* Two people share a household, in 30 % of them the home and all of that. */
static int64_t
Household(int64_t number)
{
	Random random = Stream(1, (uint64_t) number / 2);

	return Chance(&random, 300) ? number / 2 : -1;
}

static bool
ChangedPhone(int64_t number)
{
	Random random = Stream(2, (uint64_t) number);

	return Chance(&random, 100);
}

/* The present number; a few got it when somebody else gave it up. */
static void
PresentPhone(char *phone, int64_t number)
{
	Random random = Stream(3, (uint64_t) number);

	if (Chance(&random, 24))
		for (int try = 0; try < 20; try++)
		{
			int64_t before = (int64_t) (Next(&random) % (uint64_t) people);

			if (before != number && ChangedPhone(before))
			{
				MakePhone(phone, 4, (uint64_t) before);
				return;
			}
		}
	MakePhone(phone, ChangedPhone(number) ? 5 : 4, (uint64_t) number);
}

static void
MakeName(Person *person, Random *random)
{
	const Word *words = person->female ? given_female : given_male;
	int n = person->female ? LENGTH(given_female) : LENGTH(given_male);

	person->surname = PickWord(random, surnames, LENGTH(surnames));
	person->n_given = Chance(random, 780) ? 2 : 1;
	for (int i = 0; i < person->n_given; i++)
		person->given[i] = &words[PickWord(random, words, n)];
}

static void
MakeEmail(Person *person, Random *random)
{
	char *email = person->email[0];
	const char *host = mail_hosts[Below(random, LENGTH(mail_hosts))];

	if (Chance(random, 350))
		snprintf(email, 64, "%d@qq.com", 100000000 + Below(random, 900000000));
	else if (Chance(random, 300))
		snprintf(email, 64, "%s@%s", person->phone[0], host);
	else
		snprintf(email, 64, "%s%s%s%d@%s", surnames[person->surname].pinyin,
				 person->given[0]->pinyin,
				 person->n_given > 1 ? person->given[1]->pinyin : "",
				 Chance(random, 500) ? person->year * 100 + person->month
									 : Below(random, 10000),
				 host);
	/* one in ten has another one now */
	strcpy(person->email[1], email);
	if (Chance(random, 100))
		snprintf(person->email[1], 64, "%s.%s%d@%s", person->given[0]->pinyin,
				 surnames[person->surname].pinyin, Below(random, 100000), host);
}

static void
MakePerson(Person *person, int64_t number)
{
	Random random = Stream(6, (uint64_t) number);
	int64_t household = Household(number);

	person->number = number;
	person->female = Chance(&random, 560);
	MakeName(person, &random);
	person->year = 1948 + (Below(&random, 30) + Below(&random, 31));
	person->month = 1 + Below(&random, 12);
	person->day = 1 + Below(&random, 28);
	person->home[0] =
		household >= 0 ? Mix(seed ^ (uint64_t) household) : Next(&random);
	person->moved = Chance(&random, 200);
	person->home[1] = person->moved ? Next(&random) : person->home[0];
	MakePhone(person->phone[0], 4, (uint64_t) number);
	PresentPhone(person->phone[1], number);
	if (!ChangedPhone(number))
		strcpy(person->phone[0], person->phone[1]);
	/* the second of a household goes by the number of the first */
	if (household >= 0 && number % 2 == 1 && Chance(&random, 150))
	{
		PresentPhone(person->phone[0], number - 1);
		strcpy(person->phone[1], person->phone[0]);
	}
	MakeEmail(person, &random);
	person->unionid = Next(&random);
	person->card = Mix(Mix(seed + 77) + (uint64_t) number);
	if (household >= 0 && number % 2 == 1 && Chance(&random, 80))
		person->card = Mix(Mix(seed + 77) + (uint64_t) number - 1);
}

/* ---- what they tell, and what becomes of it ---- */

/* Letters get lost, doubled, exchanged or hit beside. */
static void
Mistype(char *text, Random *random)
{
	int n = (int) strlen(text);
	int at;

	if (n < 3)
		return;
	at = 1 + Below(random, n - 2);
	switch (Below(random, 4))
	{
		case 0:
			memmove(text + at, text + at + 1, (size_t) (n - at));
			break;
		case 1:
			memmove(text + at + 1, text + at, (size_t) (n - at + 1));
			break;
		case 2:
		{
			char c = text[at];

			text[at] = text[at - 1];
			text[at - 1] = c;
			break;
		}
		default:
			if (text[at] >= '0' && text[at] <= '9')
				text[at] = (char) ('0' + Below(random, 10));
			else if (text[at] >= 'a' && text[at] <= 'z')
				text[at] = (char) ('a' + Below(random, 26));
	}
}

/* Another character that sounds the same, or any where there is none. */
static const Word *
SoundsLike(const Word *word, Random *random)
{
	const Word *found = NULL;

	for (int i = 0; i < LENGTH(given_male) + LENGTH(given_female); i++)
	{
		const Word *other = i < LENGTH(given_male)
			? &given_male[i]
			: &given_female[i - LENGTH(given_male)];

		if (strcmp(other->hanzi, word->hanzi) != 0 &&
			strcmp(other->pinyin, word->pinyin) == 0)
			found = other;
	}
	return found ? found : &given_female[Below(random, LENGTH(given_female))];
}

static void
TellHanzi(char *out, size_t size, const Person *person, Random *random)
{
	const Word *given[2] = {person->given[0], person->given[1]};

	if (Chance(random, 20))
	{
		int i = Below(random, person->n_given);

		given[i] = SoundsLike(given[i], random);
	}
	if (Chance(random, 15))
		snprintf(out, size, "%s%s", surnames[person->surname].hanzi,
				 person->female ? "女士" : "先生");
	else
		snprintf(out, size, "%s%s%s%s", surnames[person->surname].hanzi,
				 Chance(random, 10) ? " " : "", given[0]->hanzi,
				 person->n_given > 1 ? given[1]->hanzi : "");
}

static void
Capitalise(char *text)
{
	if (text[0] >= 'a' && text[0] <= 'z')
		text[0] = (char) (text[0] - 'a' + 'A');
}

static void
TellPinyin(char *out, size_t size, const Person *person, Random *random)
{
	char surname[32], first[32], second[32] = "";
	const char *blank = Chance(random, 300) ? " " : "";
	bool capitals = Chance(random, 650);

	snprintf(surname, sizeof(surname), "%s", surnames[person->surname].pinyin);
	snprintf(first, sizeof(first), "%s", person->given[0]->pinyin);
	if (person->n_given > 1)
		snprintf(second, sizeof(second), "%s", person->given[1]->pinyin);
	if (Chance(random, 40))
		Mistype(Chance(random, 300) ? surname : first, random);
	if (capitals)
	{
		Capitalise(surname);
		Capitalise(first);
		if (*blank)
			Capitalise(second);
	}
	if (Chance(random, 550))
		snprintf(out, size, "%s %s%s%s", surname, first, *second ? blank : "",
				 second);
	else
		snprintf(out, size, "%s%s%s %s", first, *second ? blank : "", second,
				 surname);
}

static void
TellName(char *out, size_t size, const Person *person, int system,
		 Random *random)
{
	static const char *const standins[] = {"微信用户", "测试", "会员",
										   "无",	   "test", "小可爱"};

	if (system == ONLINE && Chance(random, 15))
		snprintf(out, size, "%s", standins[Below(random, LENGTH(standins))]);
	else if (Chance(random, system == ONLINE ? 200 : 5))
		TellPinyin(out, size, person, random);
	else
		TellHanzi(out, size, person, random);
}

static void
TellBirth(char *out, size_t size, const Person *person, Random *random)
{
	int year = person->year, month = person->month, day = person->day;

	if (Chance(random, 15))
		snprintf(out, size, "1990-01-01");
	else if (Chance(random, 25))
		snprintf(out, size, "%d", year);
	else
	{
		if (Chance(random, 12))
		{
			int swap = month;

			month = day;
			day = swap;
		}
		else if (Chance(random, 15))
			day = 1 + Below(random, 28);
		else if (Chance(random, 10))
			year += Chance(random, 500) ? 1 : -1;
		else if (Chance(random, 5))
			year += Chance(random, 500) ? 10 : -10;
		snprintf(out, size,
				 Chance(random, 50)		  ? "%04d/%d/%d"
					 : Chance(random, 40) ? "%04d年%d月%d日"
										  : "%04d-%02d-%02d",
				 year, month, day);
	}
}

static void
TellGender(char *out, size_t size, const Person *person, int system,
		   Random *random)
{
	bool female = person->female != Chance(random, 8);

	snprintf(out, size, "%s",
			 system == ONLINE ? (female ? "F" : "M") : (female ? "女" : "男"));
}

/* Writes address, city, region and postcode as four columns. */
static int
TellAddress(char *out, size_t size, uint64_t home, Random *random)
{
	Random at = {home};
	int total = 0, pick;
	const City *city = cities;
	const char *district, *road, *kind, *estate;
	int number, building, unit, room;
	char place[256];
	char lead[96] = "";

	for (int i = 0; i < LENGTH(cities); i++)
		total += cities[i].weight;
	pick = Below(&at, total);
	while ((pick -= city->weight) >= 0)
		city++;
	district = city->districts[Below(&at, 6)];
	road = roads[Below(&at, LENGTH(roads))];
	kind = road_kinds[Below(&at, LENGTH(road_kinds))];
	estate = estates[Below(&at, LENGTH(estates))];
	number = 1 + Below(&at, 800);
	building = 1 + Below(&at, 40);
	unit = 1 + Below(&at, 4);
	room = 101 + Below(&at, 30) * 100 + Below(&at, 4);
	if (Chance(random, 20))
		number = 1 + Below(random, 800);
	if (Chance(random, 20))
		room += 1 + Below(random, 9);
	if (Chance(random, 250))
		snprintf(lead, sizeof(lead), "%s%s", city->region, city->name);
	if (Chance(random, 450))
		snprintf(place, sizeof(place), "%s%s%s%s%d号%d幢%d单元%d室", lead,
				 district, road, kind, number, building, unit, room);
	else if (Chance(random, 500))
		snprintf(place, sizeof(place), "%s%s%s%s%d号%s%d-%d-%d", lead, district,
				 road, kind, number, estate, building, unit, room);
	else
		snprintf(place, sizeof(place), "%s%s%s%d号%s%d栋%d室", lead, road, kind,
				 number, estate, building, room);
	return snprintf(out, size, "%s\t%s\t%s\t%04d%02d", place,
					Chance(random, 950) ? city->name : "\\N",
					Chance(random, 900) ? city->region : "\\N", city->postcode,
					(int) (home % 90));
}

/* A phone in one of the ways in which people write it; false: mistyped. */
static bool
TellPhone(char *out, size_t size, const char *phone, Random *random)
{
	char digits[32];
	bool right = !Chance(random, 12);

	snprintf(digits, sizeof(digits), "%s", phone);
	if (!right)
		Mistype(digits, random);
	switch (Below(random, 12))
	{
		case 0:
			snprintf(out, size, "+86%s", digits);
			break;
		case 1:
			snprintf(out, size, "+86 %.3s %.4s %s", digits, digits + 3,
					 digits + 7);
			break;
		case 2:
			snprintf(out, size, "%.3s-%.4s-%s", digits, digits + 3, digits + 7);
			break;
		default:
			snprintf(out, size, "%s", digits);
	}
	return right;
}

/* ---- output ---- */

static FILE *accounts, *identifiers, *truth;

/* last_used is in days since 2018-01-01; -1: the system does not know. */
static void
Identifier(int64_t id, const char *type, const char *value, bool verified,
		   int last_used)
{
	static const int length[12] = {31, 28, 31, 30, 31, 30,
								   31, 31, 30, 31, 30, 31};
	int year = 2018, month = 0, day = last_used;

	fprintf(identifiers, "%" PRId64 "\t%s\t%s\t%c\t", id, type, value,
			verified ? 't' : 'f');
	if (last_used < 0)
	{
		fprintf(identifiers, "\\N\n");
		return;
	}
	for (;; year++)
	{
		int days = year % 4 == 0 ? 366 : 365;

		if (day < days)
			break;
		day -= days;
	}
	while (day >= length[month] + (month == 1 && year % 4 == 0))
	{
		day -= length[month] + (month == 1 && year % 4 == 0);
		month++;
	}
	fprintf(identifiers, "%04d-%02d-%02d\n", year, month + 1, day + 1);
}

static void
WriteIdentifiers(int64_t id, const Person *person, int system, Random *random,
				 int registered)
{
	char text[96];
	int present = system == ONLINE ? 1 : 0;
	/* a login is noted, a purchase at the till is not */
	int login = registered + Below(random, 3100 - registered);
	int last_used = system == ONLINE ? login : -1;

	if (Below(random, 100) < asked[PHONE][system])
	{
		bool right = false;

		if (Chance(random, system == STORE ? 3 : 0))
			snprintf(text, sizeof(text), "%s", SHOP_PHONE);
		else if (Chance(random, 3))
			snprintf(text, sizeof(text), "%s",
					 Chance(random, 500) ? "13800000000" : "00000000000");
		else
			right =
				TellPhone(text, sizeof(text), person->phone[present], random);
		Identifier(id, "phone", text,
				   right && system == ONLINE && Chance(random, 700), last_used);
	}
	if (Below(random, 100) < asked[EMAIL][system])
	{
		snprintf(text, sizeof(text), "%s", person->email[present]);
		if (Chance(random, 15))
			Mistype(text, random);
		if (Chance(random, 30))
			Capitalise(text);
		Identifier(id, "email", text, system == ONLINE && Chance(random, 400),
				   -1);
	}
	if (Below(random, 100) < has_unionid[system])
	{
		snprintf(text, sizeof(text), "oX%016" PRIx64 "%08" PRIx64,
				 person->unionid, Mix(person->unionid) >> 32);
		Identifier(id, "wechat_unionid", text, true, last_used);
	}
	if (Below(random, 100) < has_card[system])
	{
		snprintf(text, sizeof(text), "VIP%010" PRIu64,
				 person->card % UINT64_C(10000000000));
		if (Chance(random, 5))
			Mistype(text, random);
		Identifier(id, "card", text, system == STORE, -1);
	}
}

static void
WriteAccount(int64_t id, int64_t number, int system)
{
	Random random = Stream(7 + (uint64_t) system, (uint64_t) number);
	Person person;
	char name[128] = "\\N", birth[32] = "\\N", gender[16] = "\\N";
	char address[512] = "\\N\t\\N\t\\N\t\\N";
	int registered = Below(&random, system == ONLINE ? 2900 : 2100);

	MakePerson(&person, number);
	if (Below(&random, 100) < asked[NAME][system])
		TellName(name, sizeof(name), &person, system, &random);
	if (Below(&random, 100) < asked[BIRTH][system])
		TellBirth(birth, sizeof(birth), &person, &random);
	if (Below(&random, 100) < asked[GENDER][system])
		TellGender(gender, sizeof(gender), &person, system, &random);
	if (Below(&random, 100) < asked[ADDRESS][system])
		TellAddress(address, sizeof(address), person.home[system == ONLINE],
					&random);
	fprintf(accounts, "%" PRId64 "\t%d\t%c%010" PRIu64 "\t%s\t%s\t%s\t%s\n", id,
			system + 1, system == ONLINE ? 'W' : 'S',
			(uint64_t) id * UINT64_C(387420489) % UINT64_C(10000000000), name,
			birth, gender, address);
	WriteIdentifiers(id, &person, system, &random, registered);
	fprintf(truth, "%" PRId64 "\t%" PRId64 "\n", id, number + 1);
}

static FILE *
Create(const char *directory, const char *name)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	if (file == NULL)
	{
		perror(path);
		exit(1);
	}
	return file;
}

static void
Close(FILE *file)
{
	if (ferror(file) || fclose(file) != 0)
	{
		perror("identity_people");
		exit(1);
	}
}

/* A step that goes round all of n in an order that looks like none. */
static int64_t
Stride(int64_t n)
{
	int64_t stride = n * 5 / 8 + 1;

	for (;; stride++)
	{
		int64_t a = n, b = stride;

		while (b != 0)
		{
			int64_t rest = a % b;

			a = b;
			b = rest;
		}
		if (a == 1)
			return stride;
	}
}

int
main(int argc, char **argv)
{
	int64_t n, online, store, both, stride;

	if (argc != 4 || (n = strtoll(argv[1], NULL, 10)) < 13)
	{
		fprintf(stderr,
				"usage: identity_people ACCOUNTS SEED DIRECTORY\n"
				"(ACCOUNTS at least 13)\n");
		return 2;
	}
	seed = strtoull(argv[2], NULL, 10);
	online = n * 5 / 13;
	store = n - online;
	both = n * 3 / 13;
	people = n - both;
	accounts = Create(argv[3], "account.tsv");
	identifiers = Create(argv[3], "identifier.tsv");
	truth = Create(argv[3], "truth.tsv");
	/* first those in both, then the rest of the online ones, then the rest */
	stride = Stride(online);
	for (int64_t i = 0; i < online; i++)
		WriteAccount(i + 1, (int64_t) ((__int128) i * stride % online), ONLINE);
	stride = Stride(store);
	for (int64_t i = 0; i < store; i++)
	{
		int64_t which = (int64_t) ((__int128) i * stride % store);

		WriteAccount(online + i + 1,
					 which < both ? which : which - both + online, STORE);
	}
	Close(accounts);
	Close(identifiers);
	Close(truth);
	return 0;
}
