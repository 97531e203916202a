/*-------------------------------------------------------------------------
 *
 * normalise_name.c
 *	  Names of people: surname and given name, titles, stand-ins.
 *
 * A name is cut while it still consists of canonical characters, because where
 * a Chinese name divides depends on its hanzi; Latin names are cut as words.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/normalise_name.h"
#include "member/pinyin.h"

#include <string.h>

/* A stretch of canonical characters. */
typedef struct Span
{
	const uint32_t *at;
	int n;
} Span;

/* What people and systems write when they have no name. */
static const char BlockedNames[] =
	" test tester testing null none undefined unknown unbekannt anonymous "
	"anon noname asdf asdfgh qwerty qwertyuiop abcd xxx xxxx tbd dummy "
	"deleted removed redacted ";
/* The same, when there is nothing else: Christopher Guest is somebody. */
static const char BlockedAlone[] =
	" nil guest customer user member admin administrator root default abc "
	"example sample nobody blank empty mr mrs ms miss mister ";

/* The same in hanzi; as they are, since 无 (none) sounds like 吴 (a surname). */
static const uint32_t *const BlockedNative[] = {
	U32("无"),		  U32("无名"),		 U32("无名氏"),	  U32("测试"),
	U32("未知"),	  U32("匿名"),		 U32("匿名用户"), U32("不详"),
	U32("保密"),	  U32("空"),		 U32("某某"),	  U32("某人"),
	U32("用户"),	  U32("微信用户"),	 U32("淘宝用户"), U32("抖音用户"),
	U32("手机用户"),  U32("支付宝用户"), U32("会员"),	  U32("顾客"),
	U32("客户"),	  U32("散客"),		 U32("游客"),	  U32("访客"),
	U32("先生"),	  U32("女士"),		 U32("小姐"),	  U32("暂无"),
	U32("没有"),	  U32("姓名"),		 U32("名字"),	  U32("默认"),
	U32("收件人"),	  U32("收货人"),	 U32("本人"),	  U32("新用户"),
	U32("新会员"),	  U32("普通会员"),	 U32("测试用户"), U32("已注销"),
	U32("已注销用户")};

/* What a Chinese name is addressed with. */
static const struct
{
	const uint32_t *text;
	uint32_t flag;
} Honorifics[] = {{U32("先生"), NORMALISE_TITLE_MALE},
				  {U32("男士"), NORMALISE_TITLE_MALE},
				  {U32("女士"), NORMALISE_TITLE_FEMALE},
				  {U32("小姐"), NORMALISE_TITLE_FEMALE},
				  {U32("太太"), NORMALISE_TITLE_FEMALE},
				  {U32("夫人"), NORMALISE_TITLE_FEMALE},
				  {U32("阿姨"), NORMALISE_TITLE_FEMALE},
				  {U32("老师"), 0},
				  {U32("同学"), 0},
				  {U32("医生"), 0},
				  {U32("经理"), 0}};

/* Does it stand for none, whatever comes with it? */
static bool
IsStandIn(const char *folded)
{
	static const char *const phrases[] = {
		"n a",		 "no name",	  "not available", "first name",
		"last name", "test test", "test user"};

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (strcmp(folded, phrases[i]) == 0)
			return true;
	return NormaliseInList(folded, strlen(folded), BlockedNames);
}

bool
NormaliseNameIsBlocked(const char *folded)
{
	return IsStandIn(folded) ||
		NormaliseInList(folded, strlen(folded), BlockedAlone);
}

/* Only letters and digits count for whether a native name is a stand-in. */
static bool
IsBlockedNative(Normaliser *normaliser, Span span)
{
	uint32_t letters[16];
	int n = 0;
	int digits = 0;

	for (int i = 0; i < span.n; i++)
	{
		if (NormaliseDigit(normaliser, span.at[i]) >= 0)
			digits++;
		else if (NormaliseIsHan(span.at[i]))
		{
			if (n == 15)
				return false;
			letters[n++] = span.at[i];
		}
		else if (NormaliseLookUp(normaliser, span.at[i])->kind != FOLD_SPACE)
			return false;
	}
	if (n == 0)
		return digits > 0; /* a number is no name */
	letters[n] = 0;
	for (size_t i = 0; i < sizeof(BlockedNative) / sizeof(BlockedNative[0]);
		 i++)
		if (NormaliseBegins(letters, n, BlockedNative[i]) == n)
			return true;
	return false;
}

/* Leave out what stands in brackets, when more than that is there. */
static void
DropBrackets(Chars *chars)
{
	uint32_t left[NORMALISE_MAX_INPUT];
	int kept = 0;
	int letters = 0;
	int depth = 0;

	for (int i = 0; i < chars->n; i++)
	{
		uint32_t c = chars->at[i];

		if (NormaliseOneOf(c, U32("([{【〔《")))
			depth++;
		if (depth == 0)
		{
			left[kept++] = c;
			letters += !NormaliseOneOf(c, U32(" ,."));
		}
		if (depth > 0 && NormaliseOneOf(c, U32(")]}】〕》")))
			depth--;
	}
	if (letters == 0)
		return;
	memcpy(chars->at, left, (size_t) kept * sizeof(left[0]));
	chars->n = kept;
}

/* Decode a part, note asterisks, take brackets and Chinese titles away. */
static Span
DecodePart(Normaliser *normaliser, const char *text, Chars *chars,
		   uint32_t *flags)
{
	Span span = {chars->at, 0};
	bool again = true;

	NormaliseDecode(normaliser, text, -1, chars);
	for (int i = 0; i < chars->n; i++)
	{
		if (NormaliseOneOf(chars->at[i], U32("*＊×●")))
		{
			chars->at[i] = '*';
			*flags |= NORMALISE_MASKED;
		}
		else if (NormaliseOneOf(chars->at[i], U32("([{【〔《")))
			again = false;
	}
	if (!again)
		DropBrackets(chars);
	*flags |= chars->flags;
	span.n = chars->n;
	NormaliseTrim(&span.at, &span.n);
	*flags |= NormaliseScripts(normaliser, span.at, span.n);
	for (again = true; again;)
	{
		again = false;
		for (size_t i = 0; i < sizeof(Honorifics) / sizeof(Honorifics[0]); i++)
		{
			int length = NormaliseEnds(span.at, span.n, Honorifics[i].text);

			if (length == 0 || length == span.n)
				continue;
			*flags |= Honorifics[i].flag;
			span.n -= length;
			NormaliseTrim(&span.at, &span.n);
			again = true;
		}
	}
	return span;
}

/* Render a given name in hanzi as one word. */
static void
RenderGiven(Normaliser *normaliser, Span span, char *out)
{
	Output output;

	OutputBegin(&output, out, NORMALISE_NAME_SIZE);
	for (int i = 0; i < span.n; i++)
	{
		const char *reading = PinyinGivenReading(span.at[i]);
		int end = i + 1;

		if (reading != NULL)
			for (; *reading != '\0'; reading++)
				OutputLetter(&output, *reading);
		else
		{
			while (end < span.n && PinyinGivenReading(span.at[end]) == NULL)
				end++;
			NormaliseRenderJoined(normaliser, &span.at[i], end - i, &output);
			i = end - 1;
		}
		if (end < span.n && NormaliseIsHan(span.at[end]))
			output.gap = false;
	}
}

static void
PutHanSurname(Normaliser *normaliser, Span span, NormalName *name)
{
	const char *reading = PinyinSurnameReading(span.at, span.n);
	Output output;

	OutputBegin(&output, name->surname, NORMALISE_NAME_SIZE);
	if (reading != NULL)
		OutputString(&output, reading);
	else
		NormaliseRenderJoined(normaliser, span.at, span.n, &output);
	name->surname_hash = NormaliseNativeHash(normaliser, span.at, span.n);
}

static void
PutHanGiven(Normaliser *normaliser, Span span, NormalName *name)
{
	RenderGiven(normaliser, span, name->given);
	name->given_hash = NormaliseNativeHash(normaliser, span.at, span.n);
}

static int
CountHan(Span span)
{
	int n = 0;

	for (int i = 0; i < span.n; i++)
		n += NormaliseIsHan(span.at[i]);
	return n;
}

static bool
IsHangul(uint32_t character)
{
	return character >= 0xac00 && character <= 0xd7a3;
}

/*
 * Cut a full name in hanzi (or Hangul): at a dot or blank, or behind the
 * surname.
 */
static void
CutHan(Normaliser *normaliser, Span span, NormalName *name)
{
	uint32_t letters[64];
	int n = 0;
	int mark = -1; /* where the first part ends */
	bool dot = false;
	bool hidden = span.n > 0 && span.at[0] == '*';
	int surname;

	for (int i = 0; i < span.n && n < 64; i++)
	{
		if (NormaliseIsHan(span.at[i]) || IsHangul(span.at[i]))
			letters[n++] = span.at[i];
		else if (n > 0 && mark < 0 &&
				 NormaliseOneOf(span.at[i], U32(" ·•・‧.,")))
		{
			mark = n;
			dot = span.at[i] != ' ' && span.at[i] != ',';
		}
	}
	if (mark == n)
		mark = -1;
	if (hidden)
	{
		PutHanGiven(normaliser, (Span){letters, n}, name);
		name->given_hash = 0;
		return;
	}
	if (dot && mark > 0)
	{
		/* 约翰·史密斯 */
		PutHanGiven(normaliser, (Span){letters, mark}, name);
		PutHanSurname(normaliser, (Span){letters + mark, n - mark}, name);
		return;
	}
	surname = mark == 1 || mark == 2 ? mark : PinyinSurnameLength(letters, n);
	if (surname == 0 && n > 0)
	{
		surname = 1;
		name->flags |= NORMALISE_AMBIGUOUS;
	}
	if (n > 0 && NormaliseIsHan(letters[0]))
		name->flags |= NORMALISE_CHINESE_NAME;
	PutHanSurname(normaliser, (Span){letters, surname}, name);
	PutHanGiven(normaliser, (Span){letters + surname, n - surname}, name);
	if (name->flags & NORMALISE_MASKED)
		name->given_hash = 0;
}

/* All syllables of Hangul, as Korean names are. */
static bool
IsKorean(Span span)
{
	for (int i = 0; i < span.n; i++)
		if (!IsHangul(span.at[i]) && span.at[i] != ' ')
			return false;
	return span.n >= 2 && span.n <= 5;
}

static bool
HasKana(Span span)
{
	for (int i = 0; i < span.n; i++)
		if (span.at[i] >= 0x3041 && span.at[i] <= 0x30fa)
			return true;
	return false;
}

/* Xiao-Ming Wang: what the hyphen joins is one name, if all is pinyin. */
static bool
CutHyphened(Normaliser *normaliser, Span span, NormalName *name)
{
	char folded[NORMALISE_NAME_SIZE];
	Output output;
	Words words;
	int hyphens = 0;

	if (span.n >= NORMALISE_NAME_SIZE / 2)
		return false;
	OutputBegin(&output, folded, sizeof(folded));
	for (int i = 0; i < span.n; i++)
		if (span.at[i] == '-')
			hyphens++;
		else
			NormaliseRender(normaliser, &span.at[i], 1, &output);
	if (hyphens == 0)
		return false;
	NameSplitWords(folded, &words);
	if (words.n < 2 || !NameCutPinyin(&words, name))
	{
		name->surname[0] = '\0';
		return false;
	}
	return true;
}

/* Read a full name into both parts. */
static void
CutFullName(Normaliser *normaliser, Span span, NormalName *name)
{
	char folded[NORMALISE_TEXT_SIZE];
	Output output;
	Words words;
	int comma = -1;

	if (CountHan(span) >= 2 || IsKorean(span) ||
		(CountHan(span) == 1 &&
		 (span.n == 1 || (name->flags & NORMALISE_MASKED))))
	{
		CutHan(normaliser, span, name);
		return;
	}
	for (int i = 0; i < span.n && comma < 0; i++)
		if (span.at[i] == ',' || span.at[i] == U'、')
			comma = i;
	if (comma > 0)
	{
		char rest[NORMALISE_TEXT_SIZE];
		NormalName ignored = {0};

		OutputBegin(&output, folded, sizeof(folded));
		NormaliseRender(normaliser, span.at, comma, &output);
		OutputBegin(&output, rest, sizeof(rest));
		NormaliseRender(normaliser, &span.at[comma + 1], span.n - comma - 1,
						&output);
		NameSplitWords(rest, &words);
		if (words.n > 0 && folded[0] != '\0' && !NameIsAppendix(&words))
		{
			NameStripTitles(&words, &ignored);
			name->flags |= ignored.flags;
			memcpy(name->suffix, ignored.suffix, sizeof(name->suffix));
			NamePutWords(&words, 0, words.n, false, name->given);
			NameSplitWords(folded, &words);
			NameStripTitles(&words, name);
			NamePutWords(&words, 0, words.n, false, name->surname);
			return;
		}
	}
	if (CutHyphened(normaliser, span, name))
		return;
	OutputBegin(&output, folded, sizeof(folded));
	NormaliseRender(normaliser, span.at, span.n, &output);
	NameSplitWords(folded, &words);
	if (words.n == 2 && HasKana(span))
	{
		NamePutWords(&words, 0, 1, false, name->surname);
		NamePutWords(&words, 1, 2, false, name->given);
	}
	else
		NameCutWords(&words, name);
}

/* One part that came by itself: letters. */
static void
PutPart(Normaliser *normaliser, Span span, NormalName *name, char *out)
{
	char folded[NORMALISE_TEXT_SIZE];
	Output output;
	Words words;

	OutputBegin(&output, folded, sizeof(folded));
	NormaliseRenderJoined(normaliser, span.at, span.n, &output);
	NameSplitWords(folded, &words);
	NameStripTitles(&words, name);
	NamePutWords(&words, 0, words.n, false, out);
}

/* A surname column: hanzi by the readings of surnames. */
static void
PutSurname(Normaliser *normaliser, Span span, bool alone, NormalName *name)
{
	int han = CountHan(span);

	if (alone && han == span.n &&
		(han == 3 || han == 4 ||
		 (han == 2 && PinyinSurnameLength(span.at, 2) == 1)))
		CutHan(normaliser, span, name); /* somebody's whole name */
	else if (han > 0 && han == span.n)
		PutHanSurname(normaliser, span, name);
	else
	{
		PutPart(normaliser, span, name, name->surname);
		name->surname_hash = NormaliseNativeHash(normaliser, span.at, span.n);
	}
}

/* A given-name column; the surname may stand before it, too. */
static void
PutGiven(Normaliser *normaliser, Span span, Span surname, NormalName *name)
{
	if (surname.n > 0 && span.n > surname.n && CountHan(surname) == surname.n &&
		memcmp(span.at, surname.at, sizeof(uint32_t) * (size_t) surname.n) == 0)
	{
		span.at += surname.n;
		span.n -= surname.n;
		NormaliseTrim(&span.at, &span.n);
	}
	if (CountHan(span) == span.n)
		PutHanGiven(normaliser, span, name);
	else
	{
		PutPart(normaliser, span, name, name->given);
		name->given_hash = NormaliseNativeHash(normaliser, span.at, span.n);
	}
}

/* A column counts as not filled when a stand-in stands in it. */
static Span
Column(Normaliser *normaliser, const char *text, Chars *chars, NormalName *name)
{
	Span span = DecodePart(normaliser, text, chars, &name->flags);
	char folded[NORMALISE_NAME_SIZE];
	Output output;

	if (span.n == 0)
		return span;
	if (IsBlockedNative(normaliser, span))
	{
		name->flags |= NORMALISE_BLOCKED;
		span.n = 0;
		return span;
	}
	if (span.n < 24 && (name->flags & NORMALISE_HAN) == 0)
	{
		OutputBegin(&output, folded, sizeof(folded));
		NormaliseRender(normaliser, span.at, span.n, &output);
		if (IsStandIn(folded))
		{
			name->flags |= NORMALISE_BLOCKED;
			span.n = 0;
		}
		else if (output.length == 0)
			span.n = 0;
	}
	return span;
}

/* A part that stands for none, though what it came with did not. */
static void
ClearStandIn(NormalName *name, char *part, uint64_t *hash, const char *other)
{
	if (!(other[0] == '\0' ? NormaliseNameIsBlocked(part) : IsStandIn(part)))
		return;
	part[0] = '\0';
	*hash = 0;
	name->flags |= NORMALISE_BLOCKED;
}

uint32_t
NormaliseName(Normaliser *normaliser, const char *full_name, const char *given,
			  const char *surname, NormalName *name)
{
	Chars chars[3];
	Span parts[3];

	*name = (NormalName){0};
	parts[0] = Column(normaliser, full_name, &chars[0], name);
	parts[1] = Column(normaliser, given, &chars[1], name);
	parts[2] = Column(normaliser, surname, &chars[2], name);
	if (parts[0].n > 0 && (parts[1].n == 0 || parts[2].n == 0))
		CutFullName(normaliser, parts[0], name);
	if (parts[2].n > 0)
		PutSurname(normaliser, parts[2], parts[1].n == 0 && parts[0].n == 0,
				   name);
	if (parts[1].n > 0)
		PutGiven(normaliser, parts[1], parts[2], name);
	NameStripPart(name, name->surname);
	NameStripPart(name, name->given);
	ClearStandIn(name, name->surname, &name->surname_hash, name->given);
	ClearStandIn(name, name->given, &name->given_hash, name->surname);
	ClearStandIn(name, name->surname, &name->surname_hash, name->given);
	NameJoinPinyin(name);
	if (name->surname[0] == '\0' && name->given[0] == '\0')
		name->flags |= NORMALISE_EMPTY;
	else
		name->flags &= ~(uint32_t) NORMALISE_BLOCKED;
	return name->flags;
}
