/*-------------------------------------------------------------------------
 *
 * resolve.c
 *	  Labelled sets through the resolver core alone, without a server: for
 *	  whoever works on the core.
 *
 *	  resolve [option ...] SET ...
 *
 * SET is a folder with records.csv and truth.csv.  Prints a line a set: name,
 * precision, recall, F1, seconds.  Options perturb the set, to see whether
 * something holds beyond it:
 *
 *	  -e N		print N wrong or missing pairs of each kind
 *	  -m		print the model
 *	  -d NAME	drop a column (repeat)
 *	  -k P		keep records with probability P
 *	  -z P		empty fields with probability P
 *	  -o		all records come from one source
 *	  -f		names come in one piece
 *	  -n P		add a typo to a field with probability P
 *	  -s N		seed
 *	  -t N		threads
 *	  -c		print how many pairs of a weight are true
 *	  -u		seconds of all threads, not of the clock
 *	  -l		fold letters only, without the normaliser
 *	  -p P		merge at this probability
 *	  -x		identifiers as exact values (as when only hashes are kept)
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "../../../src/member/match.h"
#include "../../../src/member/normalise.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum
{
	COLUMN_ID,
	COLUMN_SOURCE,
	COLUMN_FULL,
	COLUMN_GIVEN,
	COLUMN_SURNAME,
	COLUMN_BIRTH,
	COLUMN_GENDER,
	COLUMN_PHONE,
	COLUMN_EMAIL,
	COLUMN_NATIONAL,
	COLUMN_ADDRESS,
	COLUMN_CITY,
	COLUMN_REGION,
	COLUMN_POSTCODE,
	COLUMN_ATTRIBUTES,
	COLUMNS
};

static const char *const column_names[COLUMNS] = {
	"record_id",  "source", "full_name", "given_name", "surname",
	"birth_date", "gender", "phone",	 "email",	   "national_id",
	"address",	  "city",	"region",	 "postcode",   "attributes"};

typedef struct Record
{
	char *field[COLUMNS];
	int64_t entity;
} Record;

typedef struct Attribute
{
	char name[64];
} Attribute;

static struct
{
	int errors;
	int model;
	int drop[COLUMNS];
	double keep;
	double empty;
	double noise;
	int one_source;
	int full_name;
	int exact;
	int calibration;
	int plain;
	int cpu;
	double merge;
	int threads;
	uint64_t seed;
} option = {.keep = 1.0, .threads = 2, .seed = 1};

static double
Chance(void)
{
	option.seed ^= option.seed << 13;
	option.seed ^= option.seed >> 7;
	option.seed ^= option.seed << 17;
	return (double) (option.seed >> 11) / 9007199254740992.0;
}

static void *
Alloc(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

static void
Release(void *context, void *pointer)
{
	(void) context;
	free(pointer);
}

static const MatchMemory memory = {Alloc, Release, NULL};

static void
Check(MatchStatus status, const char *what)
{
	if (status == MATCH_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, MatchStatusText(status));
	exit(1);
}

/* Split a line of CSV in place. */
static int
Split(char *line, char **fields, int room)
{
	int n = 0;
	char *in = line;

	while (n < room)
	{
		char *out = in;

		fields[n++] = out;
		if (*in == '"')
		{
			in++;
			while (*in != '\0' && !(*in == '"' && in[1] != '"'))
			{
				if (*in == '"')
					in++;
				*out++ = *in++;
			}
			if (*in == '"')
				in++;
		}
		else
			while (*in != '\0' && *in != ',' && *in != '\n' && *in != '\r')
				*out++ = *in++;
		if (*in != ',')
		{
			*out = '\0';
			break;
		}
		in++;
		*out = '\0';
	}
	return n;
}

static void
Fold(char *text, int keep_marks)
{
	char *out = text;

	for (char *in = text; *in != '\0'; in++)
	{
		unsigned char c = (unsigned char) *in;

		if (isalnum(c) || c >= 128 || (keep_marks && strchr("@.+-_", c)))
			*out++ = (char) tolower(c);
		else if (c != '\'' && out > text && out[-1] != ' ')
			*out++ = ' ';
	}
	while (out > text && out[-1] == ' ')
		out--;
	*out = '\0';
}

static void
AddNoise(char *text)
{
	size_t length = strlen(text);
	size_t at;

	if (length < 3 || Chance() >= option.noise)
		return;
	at = (size_t) (Chance() * (double) (length - 1));
	if (Chance() < 0.5)
	{
		char swap = text[at];

		text[at] = text[at + 1];
		text[at + 1] = swap;
	}
	else
		memmove(text + at, text + at + 1, length - at);
}

static void
Perturb(Record *record)
{
	for (int i = COLUMN_FULL; i < COLUMNS; i++)
	{
		if (option.drop[i] ||
			(i != COLUMN_NATIONAL + 100 && Chance() < option.empty))
			record->field[i] = strdup("");
		AddNoise(record->field[i]);
	}
	if (option.full_name)
	{
		size_t size = strlen(record->field[COLUMN_GIVEN]) +
			strlen(record->field[COLUMN_SURNAME]) + 2;
		char *full = malloc(size);

		snprintf(full, size, "%s %s", record->field[COLUMN_GIVEN],
				 record->field[COLUMN_SURNAME]);
		Fold(full, 0);
		record->field[COLUMN_FULL] = full;
		record->field[COLUMN_GIVEN] = record->field[COLUMN_SURNAME] =
			strdup("");
	}
	if (option.one_source)
		record->field[COLUMN_SOURCE] = strdup("one");
}

static int64_t
Read(const char *set, Record **records)
{
	char path[4096];
	char *line = NULL;
	size_t room = 0;
	int64_t n = 0;
	int64_t truths = 0;
	FILE *file;

	*records = calloc(4000000, sizeof(Record));
	snprintf(path, sizeof(path), "%s/records.csv", set);
	file = fopen(path, "r");
	if (file == NULL)
	{
		perror(path);
		exit(1);
	}
	(void) getline(&line, &room, file);
	while (getline(&line, &room, file) > 0)
	{
		Record *record = &(*records)[n++];
		char *fields[COLUMNS];
		int n_fields = Split(line, fields, COLUMNS);

		for (int i = 0; i < COLUMNS; i++)
			record->field[i] = strdup(i < n_fields ? fields[i] : "");
	}
	fclose(file);
	snprintf(path, sizeof(path), "%s/truth.csv", set);
	file = fopen(path, "r");
	(void) getline(&line, &room, file);
	while (getline(&line, &room, file) > 0)
	{
		char *fields[2];

		(void) Split(line, fields, 2);
		if (strcmp((*records)[truths].field[COLUMN_ID], fields[0]) != 0)
		{
			fprintf(stderr, "%s: not in the order of records.csv\n", path);
			exit(1);
		}
		(*records)[truths++].entity = strtoll(fields[1], NULL, 10);
	}
	fclose(file);
	free(line);
	return n;
}

static MatchText
Text(const char *text)
{
	return (MatchText){.data = text, .length = (uint32_t) strlen(text)};
}

static void
SetText(MatchText *text, const char *data)
{
	text->data = data;
	text->length = (uint32_t) strlen(data);
}

/* "name": "value" pairs of a flat JSON object. */
static void
TakeAttributes(char *json, Attribute *attributes, int *n_attributes,
			   MatchInput *input)
{
	while ((json = strchr(json, '"')) != NULL)
	{
		char *name = ++json;
		char *value;
		int i;

		json = strchr(json, '"');
		if (json == NULL)
			return;
		*json++ = '\0';
		while (*json == ' ' || *json == ':')
			json++;
		value = json;
		if (*json == '"')
		{
			value = ++json;
			json = strchr(json, '"');
		}
		else
			json = strpbrk(json, ",}");
		if (json == NULL)
			return;
		*json++ = '\0';
		Fold(value, 0);
		for (i = 0; i < *n_attributes; i++)
			if (strcmp(attributes[i].name, name) == 0)
				break;
		if (i == MATCH_MAX_ATTRIBUTES)
			continue;
		if (i == *n_attributes)
			snprintf(attributes[(*n_attributes)++].name, 64, "%s", name);
		if (strcmp(value, "null") != 0)
			input->text[MATCH_ATTRIBUTE + i] = Text(value);
	}
}

static void
PrintModel(const MatchModel *model)
{
	printf("prior %g\n", MatchModelPrior(model));
	for (int f = 0; f < MatchFieldCount(model); f++)
		for (int l = 1; MatchLevelName(model, f, l) != NULL; l++)
		{
			double m;
			double u;

			MatchFieldLevel(model, f, l, &m, &u);
			if (m > 0.0)
				printf("%-18s %-20s m %.6f u %.8f\n", MatchFieldName(model, f),
					   MatchLevelName(model, f, l), m, u);
		}
	for (int p = 0; p < MatchPassCount(model); p++)
		printf("pass %s\n", MatchPassName(model, p));
}

static void
PrintRecord(const Record *record)
{
	for (int i = 0; i < COLUMNS; i++)
		printf("%s%s", i > 0 ? "|" : "    ", record->field[i]);
	printf("  =%lld\n", (long long) record->entity);
}

static void
PrintPair(const MatchRecords *set, const Record *records, int64_t a, int64_t b,
		  const char *kind)
{
	MatchEvidence evidence;

	MatchScore(set, a, b, &evidence);
	printf("  %s: weight %.2f adjustment %.2f band %d rule %s\n", kind,
		   evidence.weight, evidence.adjustment, evidence.band,
		   MatchRuleText(evidence.rule));
	PrintRecord(&records[a]);
	PrintRecord(&records[b]);
	printf("   ");
	for (int i = 0; i < evidence.n_fields; i++)
		if (evidence.fields[i].level > 0)
			printf(" %s/%s %.1f",
				   MatchFieldName(NULL, evidence.fields[i].field),
				   MatchLevelName(NULL, evidence.fields[i].field,
								  evidence.fields[i].level),
				   evidence.fields[i].bits);
	printf("\n");
}

static void
PrintErrors(const MatchRecords *set, const Record *records, int64_t n,
			const MatchResult *result)
{
	int wrong = 0;
	int missing = 0;

	for (int64_t i = 0; i < n && n <= 50000; i++)
		for (int64_t j = i + 1; j < n; j++)
		{
			int together = result->persons[i] == result->persons[j];
			int same = records[i].entity == records[j].entity;

			if (together && !same && wrong++ < option.errors)
				PrintPair(set, records, i, j, "wrong");
			if (!together && same && missing++ < option.errors)
				PrintPair(set, records, i, j, "missing");
		}
}

/*
 * Are weights what they say?  All pairs of a small set by weight.
 */
static void
PrintCalibration(const MatchRecords *set, const Record *records, int64_t n)
{
	int64_t all[64] = {0};
	int64_t same[64] = {0};

	for (int64_t i = 0; i < n && n <= 20000; i++)
		for (int64_t j = i + 1; j < n; j++)
		{
			MatchEvidence evidence;
			int bin;

			MatchScore(set, i, j, &evidence);
			bin = (int) (evidence.weight + 32.0);
			bin = bin < 0 ? 0 : bin > 63 ? 63 : bin;
			all[bin]++;
			same[bin] += records[i].entity == records[j].entity;
		}
	for (int i = 0; i < 64; i++)
		if (same[i] > 0 || i > 24)
			printf("weight %3d pairs %8lld true %6lld = %.3f\n", i - 32,
				   (long long) all[i], (long long) same[i],
				   all[i] > 0 ? (double) same[i] / (double) all[i] : 0.0);
}

/*
 * Fold a record as the extension does.
 */
static void
Normalise(Record *record, MatchInput *input)
{
	static Normaliser *normaliser;
	char out[NORMALISE_TEXT_SIZE];
	NormalName name;
	char **field = record->field;

	if (normaliser == NULL)
		normaliser = NormaliserCreate();
	(void) NormaliseName(normaliser, field[COLUMN_FULL], field[COLUMN_GIVEN],
						 field[COLUMN_SURNAME], &name);
	field[COLUMN_FULL] = "";
	field[COLUMN_GIVEN] = strdup(name.given);
	field[COLUMN_SURNAME] = strdup(name.surname);
	input->text[MATCH_GIVEN_NAME].native = name.given_hash;
	input->text[MATCH_SURNAME].native = name.surname_hash;
	for (int c = COLUMN_ADDRESS; c <= COLUMN_POSTCODE; c++)
	{
		if (c == COLUMN_ADDRESS)
			(void) NormaliseAddress(normaliser, field[c], -1, out, sizeof(out));
		else if (c == COLUMN_POSTCODE)
			(void) NormalisePostcode(normaliser, field[c], -1, out,
									 sizeof(out));
		else
			(void) NormalisePlace(normaliser, field[c], -1, out, sizeof(out));
		field[c] = strdup(out);
	}
	(void) NormalisePhone(normaliser, field[COLUMN_PHONE], -1, NULL, out,
						  sizeof(out));
	field[COLUMN_PHONE] = strdup(out);
	(void) NormaliseEmail(normaliser, field[COLUMN_EMAIL], -1, out,
						  sizeof(out));
	field[COLUMN_EMAIL] = strdup(out);
	field[COLUMN_GENDER] =
		strdup(NormaliseGender(field[COLUMN_GENDER], -1) == 'm'		  ? "m"
				   : NormaliseGender(field[COLUMN_GENDER], -1) == 'f' ? "f"
																	  : "");
}

static double
Now(void)
{
	struct timespec time;

	clock_gettime(option.cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC,
				  &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static void
Run(const char *path)
{
	Record *records;
	int64_t n = Read(path, &records);
	char sources[64][64];
	MatchSource match_sources[64];
	MatchType types[3] = {
		{.code = 1, .kind = MATCH_KIND_PHONE, .unique = true, .max_members = 4},
		{.code = 2, .kind = MATCH_KIND_EMAIL, .unique = true, .max_members = 4},
		{.code = 3,
		 .kind = MATCH_KIND_NUMBER,
		 .unique = true,
		 .single = true,
		 .max_members = 1}};
	MatchSettings settings;
	MatchInput *inputs = calloc((size_t) n, sizeof(MatchInput));
	MatchIdentifier *identifiers =
		calloc((size_t) n * 3, sizeof(MatchIdentifier));
	Attribute attributes[MATCH_MAX_ATTRIBUTES];
	int n_attributes = 0;
	int64_t kept = 0;
	MatchRun run = {.threads = option.threads};
	MatchRecords *set;
	MatchModel *model;
	MatchResult *result;
	MatchAccuracy accuracy;
	int64_t *truth = calloc((size_t) n, sizeof(int64_t));
	double times[6];
	const char *name =
		strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;

	if (option.exact)
		for (int i = 0; i < 3; i++)
			types[i].kind = MATCH_KIND_EXACT;
	MatchSettingsDefault(&settings);
	if (option.merge > 0.0)
		settings.merge_probability = option.merge;
	settings.types = types;
	settings.n_types = 3;
	settings.sources = match_sources;
	for (int64_t i = 0; i < n; i++)
	{
		Record *record = &records[kept];
		MatchInput *input = &inputs[kept];
		MatchIdentifier *own = &identifiers[kept * 3];

		*record = records[i];
		if (Chance() >= option.keep)
			continue;
		Perturb(record);
		if (!option.plain)
			Normalise(record, input);
		for (int c = COLUMN_FULL; c < COLUMN_ATTRIBUTES && option.plain; c++)
			Fold(record->field[c], c == COLUMN_EMAIL || c == COLUMN_BIRTH);
		input->id = strtoll(record->field[COLUMN_ID], NULL, 10);
		for (input->source = 0; input->source < settings.n_sources;
			 input->source++)
			if (strcmp(sources[input->source], record->field[COLUMN_SOURCE]) ==
				0)
				break;
		if (input->source == settings.n_sources)
		{
			snprintf(sources[settings.n_sources], 64, "%s",
					 record->field[COLUMN_SOURCE]);
			match_sources[settings.n_sources] =
				(MatchSource){settings.n_sources, MATCH_DEDUPLICATED_UNKNOWN};
			settings.n_sources++;
		}
		SetText(&input->text[MATCH_FULL_NAME], record->field[COLUMN_FULL]);
		SetText(&input->text[MATCH_GIVEN_NAME], record->field[COLUMN_GIVEN]);
		SetText(&input->text[MATCH_SURNAME], record->field[COLUMN_SURNAME]);
		input->text[MATCH_BIRTH_DATE] = Text(record->field[COLUMN_BIRTH]);
		input->text[MATCH_GENDER] = Text(record->field[COLUMN_GENDER]);
		input->text[MATCH_ADDRESS] = Text(record->field[COLUMN_ADDRESS]);
		input->text[MATCH_CITY] = Text(record->field[COLUMN_CITY]);
		input->text[MATCH_REGION] = Text(record->field[COLUMN_REGION]);
		input->text[MATCH_POSTCODE] = Text(record->field[COLUMN_POSTCODE]);
		for (int t = 0; t < 3; t++)
		{
			const char *value = record->field[COLUMN_PHONE + t];

			own[t] = (MatchIdentifier){.type = t,
									   .valid_from = MATCH_ALWAYS_FROM,
									   .valid_to = MATCH_ALWAYS_TO,
									   .data = value,
									   .length = (uint32_t) strlen(value)};
		}
		input->identifiers = own;
		input->n_identifiers = 3;
		TakeAttributes(strdup(record->field[COLUMN_ATTRIBUTES]), attributes,
					   &n_attributes, input);
		truth[kept++] = record->entity;
	}
	settings.n_attributes = n_attributes;
	times[0] = Now();
	Check(MatchRecordsCreate(&memory, &settings, n, &set), "create");
	for (int64_t i = 0; i < kept; i++)
		Check(MatchRecordsAdd(set, &inputs[i]), "add");
	times[1] = Now();
	Check(MatchPrepare(set, &run), "prepare");
	times[2] = Now();
	Check(MatchLearn(set, &run, &model), "learn");
	times[3] = Now();
	Check(MatchBind(set, model, &run), "bind");
	times[4] = Now();
	Check(MatchResolve(set, NULL, 0, &run, &result), "resolve");
	times[5] = Now();
	Check(MatchMeasure(&memory, result->persons, truth, kept, &accuracy),
		  "measure");
	if (option.model)
	{
		PrintModel(model);
		for (int s = 0; s < settings.n_sources; s++)
			printf("source %s de-duplicated %d\n", sources[s],
				   MatchModelDeduplicated(model, s));
	}
	if (option.calibration)
		PrintCalibration(set, records, kept);
	if (option.errors > 0)
		PrintErrors(set, records, kept, result);
	printf("%s\t%.5f\t%.5f\t%.5f\t%.2f", name, accuracy.precision,
		   accuracy.recall, accuracy.f1, times[5] - times[0]);
	printf("\t# n %lld true %lld found %lld common %lld; add %.2f prepare "
		   "%.2f learn %.2f bind %.2f resolve %.2f; candidates %lld, stopped "
		   "%lld, largest %lld, pairs %lld\n",
		   (long long) kept, (long long) accuracy.true_pairs,
		   (long long) accuracy.found_pairs, (long long) accuracy.common_pairs,
		   times[1] - times[0], times[2] - times[1], times[3] - times[2],
		   times[4] - times[3], times[5] - times[4],
		   (long long) result->statistics.candidates,
		   (long long) result->statistics.stopped,
		   (long long) result->statistics.largest, (long long) result->n_pairs);
	MatchResultFree(result);
	MatchModelFree(model);
	MatchRecordsFree(set);
	/* the records themselves go with the process */
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		const char *word = argv[i];

		if (word[0] != '-')
		{
			Run(word);
			continue;
		}
		switch (word[1])
		{
			case 'e':
				option.errors = atoi(argv[++i]);
				break;
			case 'm':
				option.model = 1;
				break;
			case 'd':
				i++;
				for (int c = 0; c < COLUMNS; c++)
					option.drop[c] |= strcmp(column_names[c], argv[i]) == 0;
				break;
			case 'k':
				option.keep = atof(argv[++i]);
				break;
			case 'z':
				option.empty = atof(argv[++i]);
				break;
			case 'n':
				option.noise = atof(argv[++i]);
				break;
			case 'o':
				option.one_source = 1;
				break;
			case 'f':
				option.full_name = 1;
				break;
			case 'c':
				option.calibration = 1;
				break;
			case 'u':
				option.cpu = 1;
				break;
			case 'l':
				option.plain = 1;
				break;
			case 'p':
				option.merge = atof(argv[++i]);
				break;
			case 'x':
				option.exact = 1;
				break;
			case 's':
				option.seed = strtoull(argv[++i], NULL, 10) *
					UINT64_C(0x9E3779B97F4A7C15);
				break;
			case 't':
				option.threads = atoi(argv[++i]);
				break;
			default:
				fprintf(stderr, "unknown option %s\n", word);
				return 1;
		}
	}
	return 0;
}
