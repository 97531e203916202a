/*-------------------------------------------------------------------------
 *
 * pinyin.h
 *	  Chinese names: which syllables there are, which surnames, and how a
 *	  surname is read.  Pure C; tables of our own, readings of all other hanzi
 *	  come from ICU.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_PINYIN_H
#define PG_RETAIL_PINYIN_H

#include <stdbool.h>
#include <stdint.h>

/* The longest syllable ("zhuang") and its zero byte. */
#define PINYIN_SYLLABLE_SIZE 8

/*
 * Split letters into syllables ("xiaoming" -> 4, 4), the longest first and
 * going back where that leads nowhere.  Returns their number, 0 when the
 * letters are no pinyin; lengths holds at most max.
 */
extern int PinyinSplit(const char *letters, int n, uint8_t lengths[], int max);

/* Is this one syllable ("lyu" and "lv" too)? */
extern bool PinyinIsSyllable(const char *letters, int n);

/* Is this how some surname is written in pinyin ("wang", "ouyang")? */
extern bool PinyinIsSurname(const char *letters, int n);

/*
 * How many of these characters (at most 2) are the surname of a full name of
 * n; 0 when the first is not known as a surname (it is then taken as one).
 */
extern int PinyinSurnameLength(const uint32_t *hanzi, int n);

/*
 * The reading of a surname that differs from the usual one of its characters;
 * NULL when there is none: 曾 zeng, 单 shan, 尉迟 yuchi.
 */
extern const char *PinyinSurnameReading(const uint32_t *hanzi, int n);

/* The reading of a hanzi inside a given name that differs from ICU's first. */
extern const char *PinyinGivenReading(uint32_t hanzi);

#endif /* PG_RETAIL_PINYIN_H */
