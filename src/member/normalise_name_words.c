/*-------------------------------------------------------------------------
 *
 * normalise_name_words.c
 *	  Names in letters: titles, particles, which word is the surname; Chinese
 *	  names in pinyin.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/normalise_name.h"
#include "member/pinyin.h"

#include <string.h>

#define MAX_SYLLABLES 6
/* Longer words are no Chinese name in pinyin. */
#define MAX_PINYIN 24

/* Titles before a name; those of men and women say so. */
static const char MaleTitles[] = " mr mister sir herr monsieur senor ";
static const char FemaleTitles[] =
	" mrs ms miss mme mlle madame madam frau senora lady ";
static const char OtherTitles[] = " dr prof professor mx rev capt ";
static const char Suffixes[] = " jr sr ii iii iv ";
static const char Degrees[] = " phd md esq mba dds cpa ";
static const char Particles[] =
	" van von der den de la le del della da das dos do di du bin ibn al el ter "
	"ten af av zu abu ben ";
static const char VietnameseSurnames[] = " nguyen tran pham huynh ";

/* The words of a folded text that have a letter: a number is no name. */
void
NameSplitWords(const char *text, Words *words)
{
	words->n = 0;
	while (*text != '\0' && words->n < NAME_MAX_WORDS)
	{
		int length = (int) strcspn(text, " ");

		words->at[words->n] = text;
		words->length[words->n] = length;
		words->n += (int) strspn(text, "0123456789") < length;
		text += length;
		text += *text == ' ';
	}
}

static bool
WordIs(const Words *words, int i, const char *list)
{
	return NormaliseInList(words->at[i], (size_t) words->length[i], list);
}

bool
NameIsAppendix(const Words *words)
{
	return words->n == 1 &&
		(WordIs(words, 0, Suffixes) || WordIs(words, 0, Degrees));
}

/* Take the titles before and after a name away, as long as words remain. */
void
NameStripTitles(Words *words, NormalName *name)
{
	while (words->n > 1)
	{
		if (WordIs(words, 0, MaleTitles))
			name->flags |= NORMALISE_TITLE_MALE;
		else if (WordIs(words, 0, FemaleTitles))
			name->flags |= NORMALISE_TITLE_FEMALE;
		else if (!WordIs(words, 0, OtherTitles))
			break;
		words->n--;
		memmove(words->at, words->at + 1,
				sizeof(words->at[0]) * (NAME_MAX_WORDS - 1));
		memmove(words->length, words->length + 1,
				sizeof(words->length[0]) * (NAME_MAX_WORDS - 1));
	}
	while (words->n > 1)
	{
		int last = words->n - 1;

		if (WordIs(words, last, Suffixes))
		{
			memcpy(name->suffix, words->at[last], (size_t) words->length[last]);
			name->suffix[words->length[last]] = '\0';
		}
		else if (!WordIs(words, last, Degrees))
			break;
		words->n--;
	}
}

/* Write words first .. end - 1, joined or with blanks. */
void
NamePutWords(const Words *words, int first, int end, bool joined, char *out)
{
	Output output;

	OutputBegin(&output, out, NORMALISE_NAME_SIZE);
	for (int i = first; i < end; i++)
	{
		for (int k = 0; k < words->length[i]; k++)
			OutputLetter(&output, words->at[i][k]);
		if (!joined)
			OutputGap(&output);
	}
}

/* Is a word pinyin of at most max syllables?  Returns their number. */
static int
Syllables(const Words *words, int i, int max)
{
	uint8_t lengths[MAX_SYLLABLES];

	if (words->length[i] > MAX_PINYIN)
		return 0;
	return PinyinSplit(words->at[i], words->length[i], lengths, max);
}

/* ü is typed as v or yu; in a Chinese name both are v. */
static void
FoldUmlaut(char *pinyin)
{
	uint8_t lengths[MAX_SYLLABLES];
	int n = (int) strlen(pinyin);
	int syllables =
		n > MAX_PINYIN ? 0 : PinyinSplit(pinyin, n, lengths, MAX_SYLLABLES);
	char *from = pinyin;
	char *to = pinyin;

	for (int i = 0; i < syllables; i++)
	{
		if (lengths[i] == 3 && from[1] == 'y' && from[2] == 'u')
		{
			*to++ = from[0];
			*to++ = 'v';
		}
		else
		{
			memmove(to, from, lengths[i]);
			to += lengths[i];
		}
		from += lengths[i];
	}
	if (syllables > 0)
		*to = '\0';
}

/* Are two words together a surname of two syllables (ou yang)? */
static bool
JoinSurname(const Words *words, char *joined)
{
	uint8_t lengths[MAX_SYLLABLES];
	int n = words->length[0] + words->length[1];

	if (n > MAX_PINYIN)
		return false;
	NamePutWords(words, 0, 2, true, joined);
	return PinyinIsSurname(joined, n) &&
		PinyinSplit(joined, n, lengths, MAX_SYLLABLES) == 2;
}

/*
 * Cut words of pinyin: a surname of one word (or 欧阳 of two) first, or else
 * last; the rest has at most three syllables.  False when it is no such name.
 */
bool
NameCutPinyin(const Words *words, NormalName *name)
{
	int syllables[NAME_MAX_WORDS];
	int all = 0;
	int last = words->n - 1;
	bool first_is;
	bool last_is;

	if (words->n < 2 || words->n > 4)
		return false;
	for (int i = 0; i < words->n; i++)
	{
		syllables[i] = Syllables(words, i, 3);
		if (syllables[i] == 0)
			return false;
		all += syllables[i];
	}
	if (words->n > 2 && all <= 4 && JoinSurname(words, name->surname))
	{
		NamePutWords(words, 2, words->n, true, name->given);
		return true;
	}
	first_is = PinyinIsSurname(words->at[0], words->length[0]);
	last_is = PinyinIsSurname(words->at[last], words->length[last]);
	if (first_is && all - syllables[0] > 3)
		first_is = false;
	if (last_is && all - syllables[last] > 3)
		last_is = false;
	if (!first_is && !last_is)
		return false;
	if (first_is && last_is)
		name->flags |= NORMALISE_AMBIGUOUS;
	/* of two surnames, the one of one syllable beside a longer given name */
	if (first_is &&
		!(last_is && words->n == 2 && syllables[0] == 2 && syllables[1] == 1 &&
		  words->length[0] < 6))
	{
		NamePutWords(words, 0, 1, true, name->surname);
		NamePutWords(words, 1, words->n, true, name->given);
	}
	else
	{
		NamePutWords(words, last, words->n, true, name->surname);
		NamePutWords(words, 0, last, true, name->given);
	}
	return true;
}

static bool
EndsLikePatronymic(const Words *words, int i)
{
	static const char *const ends[] = {"vich", "ovna", "evna", "ichna"};

	for (int k = 0; k < 4; k++)
	{
		int length = (int) strlen(ends[k]);

		if (words->length[i] > length + 1 &&
			strncmp(words->at[i] + words->length[i] - length, ends[k],
					(size_t) length) == 0)
			return true;
	}
	return false;
}

/* Cut a full name that is written in letters. */
void
NameCutWords(Words *words, NormalName *name)
{
	int from;

	NameStripTitles(words, name);
	if (NameCutPinyin(words, name))
	{
		name->flags |= NORMALISE_CHINESE_NAME;
		FoldUmlaut(name->surname);
		FoldUmlaut(name->given);
		return;
	}
	name->surname[0] = '\0';
	if (words->n < 2)
	{
		NamePutWords(words, 0, words->n, false, name->given);
		return;
	}
	if ((words->n == 3 && EndsLikePatronymic(words, 2)) ||
		(words->n > 2 && WordIs(words, 0, VietnameseSurnames)))
	{
		NamePutWords(words, 0, 1, false, name->surname);
		NamePutWords(words, 1, words->n, false, name->given);
		return;
	}
	from = words->n - 1;
	while (from > 1 && WordIs(words, from - 1, Particles))
		from--;
	NamePutWords(words, from, words->n, false, name->surname);
	NamePutWords(words, 0, from, false, name->given);
}

/* Join the syllables of parts that are a Chinese name in pinyin. */
void
NameJoinPinyin(NormalName *name)
{
	Words given;
	Words surname;
	int syllables = 0;

	NameSplitWords(name->surname, &surname);
	NameSplitWords(name->given, &given);
	if (surname.n > 2 || surname.n == 0 || given.n > 3)
		return;
	for (int i = 0; i < given.n; i++)
	{
		int here = Syllables(&given, i, 3);

		if (here == 0)
			return;
		syllables += here;
	}
	if (syllables > 3)
		return;
	if (surname.n == 2)
	{
		char joined[NORMALISE_NAME_SIZE];

		if (!JoinSurname(&surname, joined))
			return;
		memcpy(name->surname, joined, sizeof(joined));
	}
	else if (!PinyinIsSurname(name->surname, (int) strlen(name->surname)))
		return;
	if (given.n > 1)
	{
		char joined[NORMALISE_NAME_SIZE];

		NamePutWords(&given, 0, given.n, true, joined);
		memcpy(name->given, joined, sizeof(joined));
	}
	FoldUmlaut(name->surname);
	FoldUmlaut(name->given);
	name->flags |= NORMALISE_CHINESE_NAME;
}

/* Titles that came to the end of a part only when the name was cut. */
void
NameStripPart(NormalName *name, char *part)
{
	char stripped[NORMALISE_NAME_SIZE];
	Words words;
	int before;

	if (strchr(part, ' ') == NULL)
		return;
	NameSplitWords(part, &words);
	before = words.n;
	NameStripTitles(&words, name);
	if (words.n == before)
		return;
	NamePutWords(&words, 0, words.n, false, stripped);
	memcpy(part, stripped, sizeof(stripped));
}
