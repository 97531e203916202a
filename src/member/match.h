/*-------------------------------------------------------------------------
 *
 * match.h
 *	  Which records are the same person: the pure resolver core.
 *
 * Structs in, structs out; no PostgreSQL header, no global state.  Memory
 * comes from the allocator handed in and is asked for by the calling thread
 * only; errors are return codes.  Threads may work inside; results never
 * depend on their number, nor on the order in which records are added.
 *
 * The way of a batch, and of one new record beside its candidates:
 *
 *	   MatchRecordsCreate, MatchRecordsAdd ...   raw fields, folded already
 *	   MatchPrepare                              columns of interned values
 *	   MatchLearn or MatchModelRead              the model
 *	   MatchBind                                 frequencies of the model
 *	   MatchKeys, MatchScore, MatchCluster, MatchResolve
 *
 * With the same model, keys, scores and clusters are pure functions of the
 * records: a lookup by MatchKeys() followed by MatchResolve() of the records
 * found gives what MatchResolve() of the whole population gives, provided
 * that the connected component of the pairs in the merge band is complete.
 *
 * The model is that of Fellegi & Sunter, "A theory for record linkage"
 * (JASA 1969), with parameters learned by EM from the data alone (Winkler
 * 1988; Enamorado, Fifield & Imai, APSR 2019) and with the frequencies of
 * values (Winkler 1989).
 *
 * Units: weights are bits, log2 of odds that two records are one person;
 * times are days (whatever the day 0, but one for all); lengths are bytes.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_MATCH_H
#define PG_RETAIL_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits; what exceeds them is MATCH_BAD_INPUT. */
#define MATCH_MAX_ATTRIBUTES 6
#define MATCH_MAX_TYPES 32
#define MATCH_MAX_SOURCES 4096
#define MATCH_MAX_RECORDS INT32_MAX
/* Longer texts are cut, further identifiers of a record are left out. */
#define MATCH_MAX_TEXT 255
#define MATCH_MAX_IDENTIFIERS 32
/* MatchKeys() never gives more. */
#define MATCH_MAX_KEYS 128
/* Fields of a comparison. */
#define MATCH_MAX_FIELDS 21

typedef enum MatchStatus
{
	MATCH_OK = 0,
	MATCH_BAD_INPUT, /* out of the limits, or calls out of order */
	MATCH_BAD_MODEL, /* bytes that MatchModelWrite() did not write */
	MATCH_NO_MEMORY,
	MATCH_INTERRUPTED
} MatchStatus;

/*
 * The allocator.  Called by the calling thread only; alloc gives NULL on
 * failure and may be asked for more than 1 GB; release never gets NULL.
 */
typedef struct MatchMemory
{
	void *(*alloc)(void *context, size_t size);
	void (*release)(void *context, void *pointer);
	void *context;
} MatchMemory;

/*
 * How to run.  progress may be NULL; it is called by the calling thread only,
 * some times a second, and must return true to stop the work, which then ends
 * as MATCH_INTERRUPTED; it must return (no longjmp).  done is 0 to 1 of the
 * present call.
 */
typedef struct MatchRun
{
	int threads; /* including the calling one; < 1 counts as 1 */
	bool (*progress)(void *context, const char *stage, double done);
	void *context;
} MatchRun;

/* How values of an identifier type are compared. */
typedef enum MatchKind
{
	MATCH_KIND_EXACT = 0, /* equal or not: unionid, openid, device */
	MATCH_KIND_PHONE,	  /* digits, best as E.164 */
	MATCH_KIND_EMAIL,
	MATCH_KIND_NUMBER /* digits or letters copied by hand: card, national id */
} MatchKind;

typedef struct MatchType
{
	int64_t code; /* the caller's number for it; kept in the model */
	MatchKind kind;
	bool unique;	 /* verified, a value belongs to one person at a time */
	bool single;	 /* verified, a person has one value at a time: different
					  * verified values of a unique, single type contradict */
	int max_members; /* records that may share a value before it loses its
					  * power; 0: no limit (batch and model keep the list) */
	int max_values;	 /* values a person may have; 0: no limit */
} MatchType;

typedef enum MatchDeduplicated
{
	MATCH_DEDUPLICATED_UNKNOWN = -1, /* MatchLearn() infers it */
	MATCH_DEDUPLICATED_NO = 0,
	MATCH_DEDUPLICATED_YES = 1
} MatchDeduplicated;

typedef struct MatchSource
{
	int64_t code; /* the caller's number for it; kept in the model */
	MatchDeduplicated deduplicated;
} MatchSource;

/* What holds for a set of records; MatchSettingsDefault() fills it. */
typedef struct MatchSettings
{
	int n_types;
	int n_sources;
	int n_attributes;			/* extra columns that are used */
	const MatchType *types;		/* copied */
	const MatchSource *sources; /* copied */
	double merge_probability;	/* pairs at least so sure are merged */
	double review_probability;	/* and these are shown to a person */
	int idle_days;	   /* after so long a phone may belong to another */
	int max_cluster;   /* more records than this are an alarm, not a person */
	int64_t max_pairs; /* budget of candidate pairs, for learning which
						* passes to use; 0: chosen from the number of records */
} MatchSettings;

/* The columns of a record. */
typedef enum MatchColumn
{
	MATCH_FULL_NAME = 0, /* used for what given name and surname lack */
	MATCH_GIVEN_NAME,
	MATCH_SURNAME,
	MATCH_BIRTH_DATE, /* yyyy-mm-dd, yyyy-mm, yyyy; anything else counts as
					   * digits that are compared as such */
	MATCH_GENDER,	  /* m, f; anything else is unknown */
	MATCH_ADDRESS,
	MATCH_CITY,
	MATCH_REGION,
	MATCH_POSTCODE,
	MATCH_ATTRIBUTE, /* the first of MATCH_MAX_ATTRIBUTES */
	MATCH_COLUMNS = MATCH_ATTRIBUTE + MATCH_MAX_ATTRIBUTES
} MatchColumn;

/*
 * A text, folded by normalise.h: lower-case ASCII, single spaces.  Length 0 is
 * NULL: it neither matches nor blocks.  native is a hash of the text in its
 * own script when that says more than the folded one (hanzi), else 0.
 */
typedef struct MatchText
{
	const char *data;
	uint32_t length;
	uint64_t native;
} MatchText;

#define MATCH_ALWAYS_FROM INT32_MIN
#define MATCH_ALWAYS_TO INT32_MAX

typedef struct MatchIdentifier
{
	int32_t type; /* index into settings->types */
	bool verified;
	int32_t valid_from; /* day of first use; MATCH_ALWAYS_FROM: unknown */
	int32_t valid_to;	/* day of last use; MATCH_ALWAYS_TO: in use */
	const char *data;	/* normalised */
	uint32_t length;	/* 0: left out */
} MatchIdentifier;

typedef struct MatchInput
{
	int64_t id;		/* unique, the account; the lowest names the person */
	int32_t source; /* index into settings->sources */
	MatchText text[MATCH_COLUMNS];
	int n_identifiers;
	const MatchIdentifier *identifiers; /* blocked values are left out by the
										 * caller */
} MatchInput;

/* A person's word on two records, by id. */
typedef struct MatchConstraint
{
	int64_t a;
	int64_t b;
	bool link; /* must-link; else cannot-link */
} MatchConstraint;

typedef struct MatchRecords MatchRecords;
typedef struct MatchModel MatchModel;

/* Why two records were joined or kept apart. */
typedef enum MatchRule
{
	MATCH_RULE_WEIGHT = 0,	  /* the weight decides */
	MATCH_RULE_IDENTIFIER,	  /* a verified unique identifier in common */
	MATCH_RULE_MUST_LINK,	  /* a person said so */
	MATCH_RULE_CANNOT_LINK,	  /* a person said so */
	MATCH_RULE_CONTRADICTION, /* different verified unique identifiers */
	MATCH_RULE_BIRTH_DATE,	  /* clearly different: vetoes an identifier */
	MATCH_RULE_GENDER,		  /* clearly different: vetoes an identifier */
	MATCH_RULE_SECOND_FIELD,  /* only a shareable identifier agrees */
	MATCH_RULE_SOURCE,		  /* two records of a de-duplicated source */
	MATCH_RULE_CLUSTER,		  /* the rest of the cluster disagrees */
	MATCH_RULE_SIZE			  /* the cluster would be too large */
} MatchRule;

typedef enum MatchBand
{
	MATCH_BAND_LEAVE = 0,
	MATCH_BAND_REVIEW,
	MATCH_BAND_MERGE
} MatchBand;

/* One field of a comparison. */
typedef struct MatchFieldEvidence
{
	int field; /* MatchFieldName() */
	int level; /* MatchLevelName(); 0: missing in one of the two */
	double bits;
} MatchFieldEvidence;

typedef struct MatchEvidence
{
	double weight;		/* log2 odds, all in */
	double probability; /* of the same person, by the weight */
	double prior;		/* bits before any field is looked at */
	double adjustment;	/* bits of the weight that no single field has:
						 * dependence of fields, households */
	MatchBand band;		/* by weight and rule */
	MatchRule rule;
	int n_fields;
	MatchFieldEvidence fields[MATCH_MAX_FIELDS];
} MatchEvidence;

/* Two records that were compared; by id, a < b. */
typedef struct MatchPair
{
	int64_t a;
	int64_t b;
	float weight;
	float probability;
	uint8_t band; /* MatchBand */
	uint8_t rule; /* MatchRule: why it was merged, or not */
	bool merged;  /* the pair joined two clusters: these pairs are a spanning
				   * forest of the persons */
} MatchPair;

/* What was seen on the way, for reports. */
typedef struct MatchStatistics
{
	int64_t candidates; /* pairs that blocking gave, each once */
	int64_t stopped;	/* keys too common to be used */
	int64_t clusters;
	int64_t largest;
	int64_t alarms; /* merges refused for size */
} MatchStatistics;

typedef struct MatchResult
{
	int64_t n_records;
	const int64_t *ids;		/* in the order of MatchRecordsAdd() */
	const int64_t *persons; /* lowest id of the cluster, in the same order */
	int64_t n_pairs;
	const MatchPair *pairs; /* merged pairs, and pairs to review (band review,
							 * or merge but refused by a rule), whose records
							 * are of different persons; by a, b */
	MatchStatistics statistics;
} MatchResult;

extern void MatchSettingsDefault(MatchSettings *settings);

/* ---- records ---- */

/*
 * Begin a set of records.  expected is a hint (0: unknown).
 */
extern MatchStatus
MatchRecordsCreate(const MatchMemory *memory, const MatchSettings *settings,
				   int64_t expected, MatchRecords **records);

/*
 * Add a record; everything is copied.  After an error the set can only be
 * freed.
 */
extern MatchStatus
MatchRecordsAdd(MatchRecords *records, const MatchInput *input);

/*
 * End the set: intern values.  Two records with the same id are
 * MATCH_BAD_INPUT.
 */
extern MatchStatus MatchPrepare(MatchRecords *records, const MatchRun *run);
extern int64_t MatchRecordsCount(const MatchRecords *records);
extern void MatchRecordsFree(MatchRecords *records);

/* ---- model ---- */

/*
 * Learn a model from prepared records, without labels.
 */
extern MatchStatus
MatchLearn(MatchRecords *records, const MatchRun *run, MatchModel **model);

/*
 * A model for the time before there is anything to learn from: experience
 * values, every key that is cheap.
 */
extern MatchStatus
MatchModelDefault(const MatchMemory *memory, const MatchSettings *settings,
				  MatchModel **model);

/*
 * A model as bytes and back.  The bytes are the same on every machine of the
 * same byte order; a model of other settings (types and sources by code, in
 * order) is still read, see MatchModelFits().
 */
extern size_t MatchModelSize(const MatchModel *model);
extern void MatchModelWrite(const MatchModel *model, void *bytes);
extern MatchStatus MatchModelRead(const MatchMemory *memory, const void *bytes,
								  size_t size, MatchModel **model);
extern bool
MatchModelFits(const MatchModel *model, const MatchSettings *settings);
extern void MatchModelFree(MatchModel *model);

/* Fields and levels of a model, for explanations; NULL beyond the last. */
extern int MatchFieldCount(const MatchModel *model);
extern const char *MatchFieldName(const MatchModel *model, int field);
extern const char *
MatchLevelName(const MatchModel *model, int field, int level);
/* m and u of a level: its probability among matches and among others. */
extern void MatchFieldLevel(const MatchModel *model, int field, int level,
							double *m, double *u);
/* Prior probability that two random records are one person. */
extern double MatchModelPrior(const MatchModel *model);
/* What became of MATCH_DEDUPLICATED_UNKNOWN. */
extern MatchDeduplicated
MatchModelDeduplicated(const MatchModel *model, int source);
/* Blocking passes in use; the text is valid as long as the model. */
extern int MatchPassCount(const MatchModel *model);
extern const char *MatchPassName(const MatchModel *model, int pass);

/* ---- with a model ---- */

/*
 * Take frequencies and keys of the model to prepared records.  The model must
 * live as long as the records are used.  MatchLearn() does not bind.
 */
extern MatchStatus
MatchBind(MatchRecords *records, const MatchModel *model, const MatchRun *run);

/*
 * Blocking keys of bound record row (0: the first added).  Distinct, never 0,
 * without keys that the model knows to be too common.  keys holds
 * MATCH_MAX_KEYS; returns how many.
 */
extern int MatchKeys(const MatchRecords *records, int64_t row, uint64_t *keys);

/*
 * Compare two bound records.  Human constraints are not known here.
 */
extern void MatchScore(const MatchRecords *records, int64_t row_a,
					   int64_t row_b, MatchEvidence *evidence);

/*
 * Resolve bound records: candidates, scores, clusters.  Constraints on ids
 * that are not among the records are ignored.  settings of the model rule.
 */
extern MatchStatus
MatchResolve(const MatchRecords *records, const MatchConstraint *constraints,
			 int64_t n_constraints, const MatchRun *run, MatchResult **result);
extern void MatchResultFree(MatchResult *result);

extern const char *MatchStatusText(MatchStatus status);
extern const char *MatchRuleText(MatchRule rule);

/*
 * Pairwise precision, recall and F1 of a clustering against the truth; both
 * as labels in the same order.
 */
typedef struct MatchAccuracy
{
	int64_t true_pairs;
	int64_t found_pairs;
	int64_t common_pairs;
	double precision;
	double recall;
	double f1;
} MatchAccuracy;

extern MatchStatus
MatchMeasure(const MatchMemory *memory, const int64_t *found,
			 const int64_t *truth, int64_t n, MatchAccuracy *accuracy);

#endif /* PG_RETAIL_MATCH_H */
