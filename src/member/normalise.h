/*-------------------------------------------------------------------------
 *
 * normalise.h
 *	  Raw text of people -> one comparable form: names, addresses, phones,
 *	  e-mails, identifiers, dates, gender.
 *
 * Pure C, no PostgreSQL header.  Every function takes any bytes (UTF-8 is
 * expected; invalid sequences are dropped and flagged), reads at most
 * NORMALISE_MAX_INPUT of them, writes at most the buffer it is given
 * (always closed by a zero byte, never in the middle of a character) and
 * never fails: what the value is worth stands in the flags that it returns.
 * All are idempotent: normalising a result gives the same result.
 *
 * Names and addresses come out as words of [a-z0-9], one blank between: width
 * folded (NFKC), case folded, accents stripped, every script transliterated
 * (hanzi to pinyin, one word a character; Cyrillic as it is usually spelt in
 * English; the rest as ICU does).  Control and format characters, emoji and punctuation vanish.
 *
 * A Normaliser holds ICU's transliterators (opened when the first character
 * of their script comes: Han-Latin takes some 50 ms) and remembers what every
 * character becomes, so ASCII never meets ICU and a hanzi meets it once.  One
 * Normaliser belongs to one thread at a time; make one a backend or worker
 * thread and keep it.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_NORMALISE_H
#define PG_RETAIL_NORMALISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of one value that are looked at; what follows is cut off (flagged). */
#define NORMALISE_MAX_INPUT 1024
/* A buffer of this size holds every result in full. */
#define NORMALISE_TEXT_SIZE 1024
/* Buffers of the parts of a name. */
#define NORMALISE_NAME_SIZE 128

/* What a value is worth; 0 is an ordinary, usable value. */
typedef enum NormaliseFlag
{
	/* Nothing is left (NULL, blank, punctuation): no evidence at all. */
	NORMALISE_EMPTY = 1 << 0,
	/* Not well-formed; what there is was kept for fuzzy comparison. */
	NORMALISE_INVALID = 1 << 1,
	/* A stand-in ("test", "00000000", "unknown", masked digits): never
	 * matches, never blocks. */
	NORMALISE_BLOCKED = 1 << 2,
	/* Cut at NORMALISE_MAX_INPUT or at the end of the buffer. */
	NORMALISE_TRUNCATED = 1 << 3,
	/* Had bytes that are not UTF-8. */
	NORMALISE_BAD_BYTES = 1 << 4,
	/* Had hanzi; had letters that are neither Latin nor hanzi. */
	NORMALISE_HAN = 1 << 5,
	NORMALISE_OTHER_SCRIPT = 1 << 6,
	/* Partly hidden by asterisks; of a name, what is visible was kept. */
	NORMALISE_MASKED = 1 << 7,
	/* Can be read in more than one way: day/month, order of names. */
	NORMALISE_AMBIGUOUS = 1 << 8,
	/* A title said so (Mr, 先生; Mrs, 女士, ...). */
	NORMALISE_TITLE_MALE = 1 << 9,
	NORMALISE_TITLE_FEMALE = 1 << 10,
	/* Surname and given name were recognised as Chinese. */
	NORMALISE_CHINESE_NAME = 1 << 11,
	/* Only a mobile phone has one owner. */
	NORMALISE_MOBILE = 1 << 12,
	/* The value came as a SHA-256 (64 hex digits) already. */
	NORMALISE_HASHED = 1 << 13
} NormaliseFlag;

typedef struct Normaliser Normaliser;

/* NULL when there is no memory. */
extern Normaliser *NormaliserCreate(void);
extern void NormaliserFree(Normaliser *normaliser);

/*
 * Changes when the same text may be folded differently: our rules and the
 * version of ICU.  Keys that were stored under another one are stale.
 */
extern uint32_t NormaliserVersion(void);

/* What a piece of text becomes. */
typedef struct NormalText
{
	uint32_t flags;
	int length; /* of the result, without the zero byte */
	/*
	 * Hash of the native form (NFKC, case folded, traditional hanzi folded to
	 * simplified, only letters and digits), when it has letters that are not
	 * Latin; otherwise 0.  Two texts whose hashes are both set and equal say
	 * more than equal pinyin; both set and different, less.
	 */
	uint64_t native_hash;
} NormalText;

/*
 * Fold free text (a city, a region, a remark, a name part as it is): "words of
 * [a-z0-9]".  length < 0 means that text ends with a zero byte; text may be
 * NULL.
 */
extern NormalText NormaliseText(Normaliser *normaliser, const char *text,
								int length, char *out, size_t size);

/* A person's name, however many columns it came in. */
typedef struct NormalName
{
	uint32_t flags;
	/*
	 * Each is words of [a-z0-9]; "" when not known.  Chinese parts are joined:
	 * 欧阳小明, OUYANG Xiao Ming, Xiaoming Ouyang -> "ouyang", "xiaoming"; ü
	 * is v.  Western ones keep their words: "van der berg", "john michael".
	 */
	char surname[NORMALISE_NAME_SIZE];
	char given[NORMALISE_NAME_SIZE];
	char suffix[8]; /* jr, sr, ii, iii, iv */
	/* As in NormalText, of the parts; 0 when Latin or not known. */
	uint64_t surname_hash;
	uint64_t given_hash;
} NormalName;

/*
 * Fold a name.  Any of the three may be NULL.  A full name is used for the
 * parts that did not come by themselves: "Surname, Given"; hanzi and pinyin by
 * known surnames (double ones too; polyphonic surnames are read as surnames:
 * 曾 zeng, 单 shan, 尉迟 yuchi); otherwise the last word is the surname (with
 * its particles).  Titles are removed.  Returns the flags.
 */
extern uint32_t
NormaliseName(Normaliser *normaliser, const char *full_name, const char *given,
			  const char *surname, NormalName *name);

/*
 * An address in one form: numbers kept as words of their own (100号 -> "100"),
 * Chinese numerals as digits, every Chinese unit (province, city, district,
 * road) one joined word without its 省市区县, in the order of the text; usual
 * abbreviations in one form (street, 街 -> st; road, 路 -> rd; apartment -> apt).
 */
extern NormalText NormaliseAddress(Normaliser *normaliser, const char *text,
								   int length, char *out, size_t size);

/* City or region: folded, hanzi as one word, without 省市区县 and the like. */
extern NormalText NormalisePlace(Normaliser *normaliser, const char *text,
								 int length, char *out, size_t size);

/* Postcode: [a-z0-9], no blanks. */
extern NormalText NormalisePostcode(Normaliser *normaliser, const char *text,
									int length, char *out, size_t size);

/*
 * Phone -> "+8613912345678", with an extension "+861061234567;ext=801".  What
 * cannot be a number of the country comes as its digits without '+',
 * INVALID.  country: ISO code of two letters, for numbers without a calling
 * code; NULL means CN, one that we do not know means none.  Of several numbers in
 * one field, the first good one.
 */
extern NormalText
NormalisePhone(Normaliser *normaliser, const char *text, int length,
			   const char *country, char *out, size_t size);

/*
 * E-mail: lower case, no blanks, no display name or mailto:; a domain in
 * another script as punycode.  The +tag is dropped, and at Gmail the dots,
 * where the provider is known to ignore them (see normalise_email.c).
 */
extern NormalText NormaliseEmail(Normaliser *normaliser, const char *text,
								 int length, char *out, size_t size);

/* A national id, and what a Chinese one tells of its owner. */
typedef struct NormalNationalId
{
	uint32_t flags; /* INVALID: no Chinese id with the right check digit */
	int length;
	int16_t birth_year; /* 0: not known */
	int8_t birth_month;
	int8_t birth_day;
	char gender; /* 'm', 'f' or 0 */
} NormalNationalId;

/*
 * National id: [0-9A-Z]; a Chinese one of 15 digits becomes that of 18.  The
 * result is as secret as the input: only a hash of it may be stored.
 */
extern NormalNationalId
NormaliseNationalId(Normaliser *normaliser, const char *text, int length,
					char *out, size_t size);

/* How the values of an identifier type are treated. */
typedef enum NormaliseKind
{
	NORMALISE_KIND_PHONE,
	NORMALISE_KIND_EMAIL,
	NORMALISE_KIND_CARD,	 /* [0-9A-Z], no separators */
	NORMALISE_KIND_OPAQUE,	 /* unionid, openid: case sensitive, trimmed */
	NORMALISE_KIND_DEVICE,	 /* [0-9a-z], no separators */
	NORMALISE_KIND_NATIONAL, /* see NormaliseNationalId */
	NORMALISE_KINDS
} NormaliseKind;

/*
 * Any identifier, with built-in blocked values (all one digit, 12345678,
 * test, null, 13800138000, ...) flagged; those of tables are the caller's.
 */
extern NormalText
NormaliseIdentifier(Normaliser *normaliser, NormaliseKind kind,
					const char *text, int length, const char *country,
					char *out, size_t size);

/* The kind of an identifier type (phone, email, card, device, national_id ...)
 * or of a way to normalise (digits, folded, exact, hash); others are OPAQUE. */
extern NormaliseKind NormaliseKindOf(const char *type);

/* A date of which the year or the month may be all that is known. */
typedef struct NormalDate
{
	uint32_t flags;	 /* INVALID: impossible; AMBIGUOUS: day/month unclear */
	int16_t year;	 /* 0: not known, also when INVALID */
	int8_t month;	 /* 0: not known */
	int8_t day;		 /* 0: not known */
	char digits[12]; /* "19800115", "198001", "1980"; all digits if INVALID */
} NormalDate;

/*
 * Read a date: ISO (with a time behind it), yyyymmdd, yyyy年m月d日 (also in
 * Chinese numerals), dd/mm/yyyy and, where only that can be, mm/dd/yyyy, names
 * of months, partial ones.  Two-digit years are 1930 to 2029.  Years go from
 * 1850 to 2100.  Stand-ins (1900-01-01, 1970-01-01, 9999-12-31) are BLOCKED.
 */
extern NormalDate
NormaliseDate(Normaliser *normaliser, const char *text, int length);

/* 'm', 'f', or 0 when it is not told. */
extern char NormaliseGender(const char *text, int length);

/*
 * Is this folded name a stand-in (test, unknown, 无, 微信用户, guest ...)?
 * NormaliseName flags them already.
 */
extern bool NormaliseNameIsBlocked(const char *folded);

/* The 64-bit hash that native_hash is made of; never 0. */
extern uint64_t NormaliseHash(const char *bytes, size_t length);

#endif /* PG_RETAIL_NORMALISE_H */
