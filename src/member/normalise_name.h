/*-------------------------------------------------------------------------
 *
 * normalise_name.h
 *	  What the files that read names share: the words of a name.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_NORMALISE_NAME_H
#define PG_RETAIL_NORMALISE_NAME_H

#include "member/normalise_internal.h"

/* Words of a name that are looked at. */
#define NAME_MAX_WORDS 12

/* The words of a folded text. */
typedef struct Words
{
	int n;
	const char *at[NAME_MAX_WORDS];
	int length[NAME_MAX_WORDS];
} Words;

/* The words that have a letter: a number is no name. */
extern void NameSplitWords(const char *text, Words *words);
/* Write words first .. end - 1, joined or with blanks. */
extern void
NamePutWords(const Words *words, int first, int end, bool joined, char *out);
/* Is it nothing but what follows a name: Jr, PhD? */
extern bool NameIsAppendix(const Words *words);
/* Take the titles before and after a name away, as long as words remain. */
extern void NameStripTitles(Words *words, NormalName *name);
/* The same of a part, where they came to its end when the name was cut. */
extern void NameStripPart(NormalName *name, char *part);
/* Cut words of pinyin; false when they are no Chinese name. */
extern bool NameCutPinyin(const Words *words, NormalName *name);
/* Cut a full name that is written in letters. */
extern void NameCutWords(Words *words, NormalName *name);
/* Join the syllables of parts that are a Chinese name in pinyin. */
extern void NameJoinPinyin(NormalName *name);

#endif /* PG_RETAIL_NORMALISE_NAME_H */
