/*-------------------------------------------------------------------------
 *
 * match_internal.h
 *	  What the files of the resolver core share.
 *
 * A record is one row of 64 bytes: numbers of interned values.  Rows are in
 * the order of ids ("rank"), whatever the order in which they came, so that
 * everything that follows is a function of the set of records.  Value 0 of
 * every column is NULL.
 *
 * Two values are taken to be equal when their 64-bit hashes are.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_MATCH_INTERNAL_H
#define PG_RETAIL_MATCH_INTERNAL_H

#include "comparators.h"
#include "match.h"

#define MAX_THREADS 16
#define MAX_LEVELS 8

/* ---- memory (match_memory.c) ---- */

typedef struct MemoryBlock MemoryBlock;

/* Blocks that are released together. */
typedef struct Memory
{
	MatchMemory hooks;
	MemoryBlock *blocks;
} Memory;

extern void *MemoryAlloc(Memory *memory, int64_t count, size_t size);
extern void *MemoryZeroed(Memory *memory, int64_t count, size_t size);
/* Release one block early; NULL is allowed. */
extern void MemoryDrop(Memory *memory, void *pointer);
extern void MemoryRelease(Memory *memory);
/* Make room for count elements, twice as many as before at least. */
extern bool MemoryGrow(Memory *memory, void *array, int64_t *room, int64_t used,
					   int64_t count, size_t size);

/* ---- threads (match_memory.c) ---- */

typedef void (*MatchTask)(void *context, int64_t task, int worker);

/*
 * Do n_tasks tasks, each once, by run->threads workers; worker 0 is the caller
 * and asks run->progress between its tasks.
 */
extern MatchStatus
MatchParallel(const MatchRun *run, const char *stage, int64_t n_tasks,
			  MatchTask task, void *context);
extern int MatchThreads(const MatchRun *run);

/* ---- hashes and sorts (match_memory.c) ---- */

extern uint64_t MatchHash(uint64_t seed, const char *data, size_t length);
extern uint64_t MatchMix(uint64_t a, uint64_t b);
/* Sort by bits from .. 63; scratch has the same size; result in items. */
extern void MatchSort(uint64_t *items, uint64_t *scratch, int64_t n, int from);

/* ---- records (match_prepare.c) ---- */

typedef enum Cell
{
	CELL_GIVEN = 0,
	CELL_SURNAME,
	CELL_BIRTH,
	CELL_GENDER, /* 1 m, 2 f */
	CELL_ADDRESS,
	CELL_POSTCODE,
	CELL_CITY,
	CELL_REGION,
	CELL_ATTRIBUTE,
	CELLS = CELL_ATTRIBUTE + MATCH_MAX_ATTRIBUTES
} Cell;

typedef struct Row
{
	uint32_t cell[CELLS];
	uint32_t first_identifier;
	uint16_t source;
	uint8_t n_identifiers;
	uint8_t unused;
} Row;

typedef struct Identifier
{
	uint32_t value;
	int32_t from;
	int32_t to;
	uint8_t type;
	uint8_t verified;
} Identifier;

/* Sets of interned values; given name and surname have one in common. */
typedef enum ValueSet
{
	SET_NAME = 0,
	SET_BIRTH,
	SET_ADDRESS,
	SET_POSTCODE,
	SET_CITY,
	SET_REGION,
	SET_ATTRIBUTE,
	SET_IDENTIFIER = SET_ATTRIBUTE + MATCH_MAX_ATTRIBUTES,
	SETS
} ValueSet;

/* Columns whose frequencies are known; names by the hash with the native
 * form, and by the folded form alone. */
typedef enum Frequency
{
	FREQUENCY_GIVEN = 0,
	FREQUENCY_SURNAME,
	FREQUENCY_BIRTH,
	FREQUENCY_ADDRESS,
	FREQUENCY_POSTCODE,
	FREQUENCY_CITY,
	FREQUENCY_REGION,
	FREQUENCY_ATTRIBUTE,
	FREQUENCY_IDENTIFIER = FREQUENCY_ATTRIBUTE + MATCH_MAX_ATTRIBUTES,
	FREQUENCIES
} Frequency;

typedef struct Values
{
	uint32_t n; /* with number 0 */
	const char **text;
	uint8_t *length;
	uint64_t *hash;
	uint64_t *folded;	/* names: without the native form; else == hash */
	uint8_t *native;	/* names: has a native form; else NULL */
	uint32_t *count[2]; /* rows that have it; [1]: as surname */
	float *rarity[2];	/* bound: log2 of the chance that another person has
						 * the value */
	uint32_t *part[2];	/* what blocking keys are made of, see match_block.c */
	uint64_t *neighbours; /* which pairs of neighbouring characters it has */
	CompareDate *date;	  /* birth */
	uint8_t *shared;	  /* bound: identifiers that too many share */
} Values;

struct MatchRecords
{
	Memory memory;
	MatchSettings settings;
	MatchType types[MATCH_MAX_TYPES];
	MatchSource *sources;
	bool prepared;
	const MatchModel *model;

	/* as added */
	int64_t n;
	int64_t room;
	int64_t *added_id;
	const uint8_t **added;
	uint8_t *chunk;
	int64_t chunk_left;
	int64_t n_identifiers;
	bool has[MATCH_COLUMNS];

	/* prepared */
	int64_t *id;	  /* by rank */
	uint32_t *rank;	  /* by row as added */
	uint32_t *row_of; /* by rank: row as added */
	Row *rows;
	Identifier *identifiers;
	Values values[SETS];
};

/* ---- comparison (match_compare.c) ---- */

typedef enum Field
{
	FIELD_GIVEN = 0,
	FIELD_SURNAME,
	FIELD_ORDER, /* given name and surname as they stand, or swapped */
	FIELD_BIRTH,
	FIELD_GENDER,
	FIELD_PHONE,
	FIELD_EMAIL,
	FIELD_NUMBER, /* the first type copied by hand; all others */
	FIELD_NUMBER2,
	FIELD_EXACT, /* the first type without typos; all others */
	FIELD_EXACT2,
	FIELD_ADDRESS,
	FIELD_POSTCODE,
	FIELD_CITY,
	FIELD_REGION,
	FIELD_ATTRIBUTE,
	FIELDS = FIELD_ATTRIBUTE + MATCH_MAX_ATTRIBUTES
} Field;

#define LEVEL_EXACT 1
#define ORDER_STRAIGHT 1
#define ORDER_SWAPPED 2
#define LEVEL_BITS 3

typedef struct Comparison
{
	uint8_t level[FIELDS];
	float rarity[FIELDS]; /* log2 of the frequency of the value that is equal,
						   * or of the commoner of two alike; 1: not known */
	bool shared_value;	  /* a verified unique identifier in common ... */
	bool shareable;		  /* ... but of a type that people share */
	bool contradiction;
	bool birth_conflict;
	bool gender_conflict;
	bool name_conflict;
} Comparison;

/* Levels of pairs of values that were compared lately; one a thread. */
#define CACHE_SLOTS 32768
typedef struct CompareCache
{
	uint64_t pair[CACHE_SLOTS];
	uint8_t level[CACHE_SLOTS];
} CompareCache;

extern int LevelCount(int field);
extern const char *FieldName(int field);
extern const char *LevelName(int field, int level);
/* cache may be NULL; idle_days of the settings of the model or records. */
extern void CompareRows(const MatchRecords *records, uint32_t a, uint32_t b,
						CompareCache *cache, Comparison *comparison);
/*
 * The same in two steps: what is cheap first.  Fields of which only is known
 * that they are not equal stand at some level and in *pending (bit a field)
 * until CompareRest() has looked at those in fields.
 */
extern void
CompareCheap(const MatchRecords *records, uint32_t a, uint32_t b,
			 CompareCache *cache, Comparison *comparison, uint32_t *pending);
extern void CompareRest(const MatchRecords *records, uint32_t a, uint32_t b,
						uint32_t fields, Comparison *comparison);
#define FIELD_BIT(field) (UINT32_C(1) << (field))
extern uint64_t PackPattern(const Comparison *comparison);
#define PATTERN_LEVEL(pattern, field) \
	((int) ((pattern) >> ((field) *LEVEL_BITS) & 7))
/*
 * The fields that a field depends on, -1 at the end: the first of them that is
 * known of both records counts.
 */
#define MAX_PARENTS 3
extern const int *FieldParents(int field);
/* Which frequencies and values an exact agreement of a field has. */
extern int FieldFrequency(int field);

/* ---- blocking (match_block.c) ---- */

#define MAX_PASSES 64
#define PASS_IDENTIFIER 0 /* number of the pass of whole identifiers */
/* Keys of one record in one pass. */
#define MAX_PASS_KEYS 64

extern int PassCount(void);
extern const char *PassName(int pass);
/* Is there anything in this set that the pass could use? */
extern bool PassUsable(const MatchRecords *records, int pass);
/* Only for few records? */
extern bool PassIsLoose(int pass);
/* Keys of one pass, distinct, without 0; returns how many. */
extern int
PassKeys(const MatchRecords *records, uint32_t rank, int pass, uint32_t *keys);
/* What the keys of one record are made of, for several passes. */
typedef struct RowParts
{
	uint32_t rank;
	uint32_t known; /* bits of the parts that are computed */
	uint8_t n[32];
	uint32_t keys[24 + 4 * MAX_PASS_KEYS];
} RowParts;
extern void RowPartsBegin(RowParts *parts, uint32_t rank);
extern int PassKeysOf(const MatchRecords *records, RowParts *parts, int pass,
					  uint32_t *keys);
/* Compute what the keys are made of, for values [from, to) of a set. */
extern void
PrepareParts(MatchRecords *records, int set, uint32_t from, uint32_t to);
/* The key that the outer world sees. */
#define OUTER_KEY(pass, key) ((uint64_t) ((pass) + 1) << 32 | (key))

/* ---- model (match_model.c) ---- */

#define RARITY_CLASSES 6
/* As MATCH_DEDUPLICATED_YES, but the data say so, not the owner: a verified
 * identifier says more. */
#define DEDUPLICATED_LEARNED 2

typedef struct FrequencyEntry
{
	uint64_t hash;
	uint32_t count;
} FrequencyEntry;

/* The part of fixed size; written as it is. */
typedef struct ModelCore
{
	uint64_t magic;
	uint32_t version;
	uint32_t size; /* of this struct */
	int64_t n_records;
	double prior;			/* of a match, among all pairs */
	double household_prior; /* of another person of the same household */
	double merge_probability;
	double review_probability;
	int32_t idle_days;
	int32_t max_cluster;
	int32_t block_limit;
	int32_t n_types;
	int32_t n_sources;
	int32_t n_attributes;
	int32_t n_passes;
	int32_t unused;
	int32_t passes[MAX_PASSES];
	uint8_t present[FIELDS];
	uint8_t padding[3];
	double m[FIELDS][MAX_LEVELS];
	double u[FIELDS][MAX_LEVELS];
	double h[FIELDS][MAX_LEVELS];
	/* m and u by the level of the field that this one depends on */
	double m_given[FIELDS][MAX_PARENTS][MAX_LEVELS][MAX_LEVELS];
	double u_given[FIELDS][MAX_PARENTS][MAX_LEVELS][MAX_LEVELS];
	/* rows that have a value; share of agreements on values with so many rows
	 * that are of different persons */
	double n_filled[FREQUENCIES];
	double others[FREQUENCIES][RARITY_CLASSES];
	int64_t n_entries[FREQUENCIES];
	int64_t n_stopped; /* keys too common */
	int64_t n_shared;  /* identifiers that too many share */
} ModelCore;

struct MatchModel
{
	Memory memory;
	ModelCore core;
	MatchType types[MATCH_MAX_TYPES];
	MatchSource *sources;
	FrequencyEntry *entries[FREQUENCIES]; /* by hash */
	uint64_t *stopped;					  /* outer keys, ascending */
	uint64_t *shared;					  /* hashes, ascending */

	/* derived */
	float log_m[FIELDS][MAX_LEVELS];
	float log_u[FIELDS][MAX_LEVELS];
	float log_h[FIELDS][MAX_LEVELS];
	float log_m_given[FIELDS][MAX_PARENTS][MAX_LEVELS][MAX_LEVELS];
	float log_u_given[FIELDS][MAX_PARENTS][MAX_LEVELS][MAX_LEVELS];
	/* the most that a field can say that is not equal: against two people, and
	 * against two of a household */
	float log_most[FIELDS];
	float log_most_home[FIELDS];
	float log_prior;
	float log_household;
	float merge_weight;
	float review_weight;
};

extern MatchModel *
ModelCreate(const MatchMemory *memory, const MatchSettings *settings);
/* Compute what is derived. */
extern void ModelDerive(MatchModel *model);
extern int RarityClass(uint32_t count);
/* log2 of the chance that another person has a value that count rows have. */
extern float
ModelRarity(const MatchModel *model, int frequency, uint32_t count);
extern bool IsOverShared(const MatchModel *model, const MatchRecords *records,
						 const Identifier *identifier);
extern bool Contains(const uint64_t *sorted, int64_t n, uint64_t item);
/* Experience values of m and u. */
extern void ExperienceLevels(int field, double *m, double *u);

/* ---- score (match_score.c) ---- */

extern double Weigh(const MatchModel *model, const Comparison *comparison);
/* No weight is above this, whatever comes of the fields that are pending. */
extern double WeighAtMost(const MatchModel *model, const Comparison *comparison,
						  uint32_t pending);
/* Band and rule of a pair; may change the weight. */
extern MatchBand Judge(const MatchModel *model, const Comparison *comparison,
					   double *weight, MatchRule *rule);
extern double WeightProbability(double weight);

/* ---- candidates (match_pairs.c) ---- */

/*
 * Called by the workers for every candidate pair, a < b, each once; writes an
 * item and returns true to keep it.
 */
typedef bool (*PairVisitor)(void *context, uint32_t a, uint32_t b, int pass,
							int worker, void *item);

typedef struct PairPass
{
	int pass;
	bool active;
	int first_slot; /* in the keys of a record */
	int n_slots;
	uint64_t *entries; /* key << 32 | rank, sorted */
	int64_t n_entries;
	int64_t n_pairs;   /* in blocks within the limit */
	int64_t n_stopped; /* blocks beyond it */
	int64_t n_lost;	   /* entries of these */
	int64_t *tasks;	   /* begins of ranges of entries, and the end */
	int64_t n_tasks;
} PairPass;

typedef struct Pairs
{
	const MatchRecords *records;
	const MatchModel *model; /* whose stopped keys are left out; or NULL */
	int sample;				 /* of 2^sample keys one is used */
	int64_t block_limit;
	int n_passes;
	PairPass passes[MAX_PASSES];
	int n_slots;
	uint32_t *keys; /* of all records, unless sampled */
	/* what visiting gave */
	char *items;
	int64_t n_items;
	int64_t n_visited;
} Pairs;

/* Keys and blocks of the passes that are set. */
extern MatchStatus PairsOpen(Memory *memory, Pairs *pairs, const MatchRun *run);
/* Visit the pairs of the active passes; items have item_size bytes. */
extern MatchStatus
PairsVisit(Memory *memory, Pairs *pairs, PairVisitor visitor, void *context,
		   size_t item_size, const MatchRun *run);
extern void PairsClose(Memory *memory, Pairs *pairs);
/* The most keys that a record can have in a pass. */
extern int PassSlots(const MatchRecords *records, int pass, int identifiers);

/* ---- clusters (match_cluster.c) ---- */

typedef struct Edge
{
	uint32_t a; /* ranks, a < b */
	uint32_t b;
	float weight;
	uint8_t band;
	uint8_t rule;
	uint8_t merged;
	uint8_t human; /* 1 must-link, 2 cannot-link */
} Edge;

typedef struct ClusterProblem
{
	const MatchRecords *records;
	const MatchModel *model;
	Edge *edges; /* by a, b; merged and rule are set */
	int64_t n_edges;
	uint32_t *cluster; /* out: lowest rank of the cluster, by rank */
	MatchStatistics *statistics;
} ClusterProblem;

extern MatchStatus
ClusterEdges(Memory *memory, ClusterProblem *problem, const MatchRun *run);

#endif /* PG_RETAIL_MATCH_INTERNAL_H */
