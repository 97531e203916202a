/*-------------------------------------------------------------------------
 *
 * normalise_internal.h
 *	  What the parts of the normaliser share: decoded characters and how they
 *	  are rendered in ASCII.
 *
 * A value is first decoded to canonical characters (NFKC, case folded,
 * traditional hanzi as simplified ones, format characters gone); each part
 * then looks for what it knows in them, and renders the rest.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_NORMALISE_INTERNAL_H
#define PG_RETAIL_NORMALISE_INTERNAL_H

#include "member/normalise.h"

/* How a character is rendered. */
typedef enum FoldKind
{
	FOLD_UNKNOWN = 0, /* not looked at yet */
	FOLD_DROP,
	FOLD_SPACE,	  /* between words */
	FOLD_LETTERS, /* its text joins the word */
	FOLD_FOREIGN, /* the same, of a script that is not Latin */
	FOLD_HAN,	  /* its text is a word of its own */
	FOLD_MARK,	  /* combines with what stands before it */
	FOLD_CONTEXT, /* means something only together with its neighbours */
	FOLD_LONG	  /* canonically several characters */
} FoldKind;

/* The longest text of a single character is a syllable of six letters. */
typedef struct FoldEntry
{
	uint32_t native; /* canonical character */
	uint8_t kind;
	uint8_t length;
	char text[6];
} FoldEntry;

#define FOLD_PAGES 0x400
#define FOLD_PAGE_SIZE 256
/* Kinds of ICU's transliterations; see normalise_fold.c. */
#define FOLD_RULES 4

struct Normaliser
{
	FoldEntry *pages[FOLD_PAGES];
	void *rules[FOLD_RULES];
	bool tried[FOLD_RULES]; /* opened, or known not to open */
	const void *nfkc_casefold;
};

/* A decoded value. */
typedef struct Chars
{
	uint32_t flags;
	int n;
	uint32_t at[NORMALISE_MAX_INPUT];
} Chars;

/* A result that grows in the caller's buffer; always closed. */
typedef struct Output
{
	char *text;
	size_t size;
	size_t length;
	bool full;
	bool gap; /* a word ended: a blank comes before the next */
} Output;

extern void OutputBegin(Output *out, char *text, size_t size);
extern void OutputByte(Output *out, char byte);
extern void OutputString(Output *out, const char *string);
/* End the word, if one has begun. */
extern void OutputGap(Output *out);
/* A letter or digit of a word. */
extern void OutputLetter(Output *out, char letter);

/* length < 0: text ends with a zero byte.  text may be NULL. */
extern void NormaliseDecode(Normaliser *normaliser, const char *text,
							int length, Chars *chars);
/* Compose letters and marks that have come together. */
extern void NormaliseCompose(Normaliser *normaliser, Chars *chars);
/* Look at a character for the first time. */
extern const FoldEntry *
NormaliseLearn(Normaliser *normaliser, uint32_t character);

static inline const FoldEntry *
NormaliseLookUp(Normaliser *normaliser, uint32_t character)
{
	if (character < FOLD_PAGES * FOLD_PAGE_SIZE)
	{
		const FoldEntry *page = normaliser->pages[character / FOLD_PAGE_SIZE];

		if (page != NULL &&
			page[character % FOLD_PAGE_SIZE].kind != FOLD_UNKNOWN)
			return &page[character % FOLD_PAGE_SIZE];
	}
	return NormaliseLearn(normaliser, character);
}

/* Render n characters as words. */
extern void NormaliseRender(Normaliser *normaliser, const uint32_t *chars,
							int n, Output *out);
/* The same, with hanzi that stand together as one word. */
extern void NormaliseRenderJoined(Normaliser *normaliser, const uint32_t *chars,
								  int n, Output *out);
/* As NormalText.native_hash, of n canonical characters. */
extern uint64_t
NormaliseNativeHash(Normaliser *normaliser, const uint32_t *chars, int n);
/* The flags HAN and OTHER_SCRIPT of n canonical characters. */
extern uint32_t
NormaliseScripts(Normaliser *normaliser, const uint32_t *chars, int n);

/* Is it a hanzi (a canonical character)? */
static inline bool
NormaliseIsHan(uint32_t character)
{
	return (character >= 0x4e00 && character <= 0x9fff) ||
		(character >= 0x3400 && character <= 0x4dbf) || character == 0x3007 ||
		(character >= 0x20000 && character <= 0x323af) ||
		(character >= 0xf900 && character <= 0xfaff);
}

/* The value of a decimal digit of any script, or -1. */
extern int NormaliseDigit(Normaliser *normaliser, uint32_t character);
/* The value of a Chinese numeral 0 .. 10, or -1. */
extern int NormaliseHanDigit(uint32_t character);
/* Do these characters begin with this text (UTF-32, closed by 0)? */
extern int
NormaliseBegins(const uint32_t *chars, int n, const uint32_t *prefix);
extern int NormaliseEnds(const uint32_t *chars, int n, const uint32_t *suffix);
/* Is it one of these (UTF-32, closed by 0)? */
static inline bool
NormaliseOneOf(uint32_t character, const uint32_t *set)
{
	for (; *set != 0; set++)
		if (*set == character)
			return true;
	return false;
}

/* Take blanks off both ends. */
extern void NormaliseTrim(const uint32_t **chars, int *n);
/* Is the word in this list of words, each between two blanks? */
extern bool NormaliseInList(const char *word, size_t length, const char *list);
/* Nothing but one and the same byte, or 123456..., 987654...? */
extern bool NormaliseIsFiller(const char *text, size_t length);

/* UTF-32 literals as what we keep characters in. */
#define U32(literal) ((const uint32_t *) (U##literal))

#endif /* PG_RETAIL_NORMALISE_INTERNAL_H */
