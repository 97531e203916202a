/*-------------------------------------------------------------------------
 *
 * normalise_address.c
 *	  Addresses as words: places, streets and numbers in the order of the text.
 *
 * Chinese addresses run from the large to the small without blanks; each part
 * ends with what it is: 江苏省无锡市滨湖区蠡湖大道100号3栋501室 becomes
 * "jiangsu wuxi binhu lihu ave 100 3 501".  The words for administrative units
 * and for number, building, floor and room are left out, because people leave
 * them out; road, street, avenue and lane are written as in English.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/normalise_internal.h"

#include <string.h>

/* What may end a part of a Chinese address; longer ones first. */
static const struct
{
	const uint32_t *text;
	int least;		  /* characters before it, or it belongs to the name */
	const char *word; /* stands for it; NULL: it is left out */
} Units[] = {{U32("维吾尔自治区"), 2, NULL}, {U32("壮族自治区"), 2, NULL},
			 {U32("回族自治区"), 2, NULL},	 {U32("特别行政区"), 2, NULL},
			 {U32("自治区"), 2, NULL},		 {U32("自治州"), 2, NULL},
			 {U32("自治县"), 2, NULL},		 {U32("省"), 2, NULL},
			 {U32("市"), 2, NULL},			 {U32("新区"), 2, NULL},
			 {U32("地区"), 2, NULL},		 {U32("区"), 2, NULL},
			 {U32("县"), 2, NULL},			 {U32("街道办事处"), 1, NULL},
			 {U32("街道"), 2, NULL},		 {U32("镇"), 2, NULL},
			 {U32("乡"), 2, NULL},			 {U32("大道"), 1, "ave"},
			 {U32("大街"), 1, "st"},		 {U32("公路"), 1, "rd"},
			 {U32("路"), 1, "rd"},			 {U32("街"), 1, "st"},
			 {U32("胡同"), 1, "ln"},		 {U32("巷"), 1, "ln"},
			 {U32("弄"), 1, "ln"},			 {U32("村"), 1, "cun"},
			 {U32("小区"), 1, ""},			 {U32("社区"), 1, ""},
			 {U32("花园"), 1, ""},			 {U32("大厦"), 1, ""},
			 {U32("广场"), 1, ""},			 {U32("公寓"), 1, ""}};

/* 区 behind these is a kind of quarter, not an administrative one. */
static const uint32_t *const QuarterKinds = U32("小社园校景库厂发灶山林湾特");

/* Units of numbers; they are left out. */
static const uint32_t *const NumberUnits =
	U32("号栋幢座单元层楼室弄组队期门排户房院巷");

/* Provinces and their like, without what they are. */
static const uint32_t *const Provinces[] = {
	U32("北京"), U32("天津"), U32("上海"),	 U32("重庆"),	U32("河北"),
	U32("山西"), U32("辽宁"), U32("吉林"),	 U32("黑龙江"), U32("江苏"),
	U32("浙江"), U32("安徽"), U32("福建"),	 U32("江西"),	U32("山东"),
	U32("河南"), U32("湖北"), U32("湖南"),	 U32("广东"),	U32("海南"),
	U32("四川"), U32("贵州"), U32("云南"),	 U32("陕西"),	U32("甘肃"),
	U32("青海"), U32("台湾"), U32("内蒙古"), U32("广西"),	U32("西藏"),
	U32("宁夏"), U32("新疆"), U32("香港"),	 U32("澳门")};

/* Usual long forms and what they are shortened to. */
static const char *const Abbreviations[][2] = {
	{"street", "st"},	   {"str", "st"},		 {"road", "rd"},
	{"avenue", "ave"},	   {"av", "ave"},		 {"boulevard", "blvd"},
	{"drive", "dr"},	   {"lane", "ln"},		 {"court", "ct"},
	{"place", "pl"},	   {"crescent", "cres"}, {"cr", "cres"},
	{"highway", "hwy"},	   {"parade", "pde"},	 {"terrace", "tce"},
	{"ter", "tce"},		   {"square", "sq"},	 {"apartment", "apt"},
	{"appartment", "apt"}, {"building", "bldg"}, {"suite", "ste"},
	{"floor", "fl"},	   {"mount", "mt"},		 {"circuit", "cct"},
	{"close", "cl"},	   {"grove", "gr"},		 {"north", "n"},
	{"south", "s"},		   {"east", "e"},		 {"west", "w"},
	{"strasse", "st"}};

/* Words that say nothing beside a number. */
static const char Fillers[] = " no nr num number ";

/* A word is finished: write it, shortened where that is usual. */
static void
PutWord(const char *word, size_t length, Output *out)
{
	if (length == 0 || NormaliseInList(word, length, Fillers))
		return;
	OutputGap(out);
	for (size_t i = 0; i < sizeof(Abbreviations) / sizeof(Abbreviations[0]);
		 i++)
		if (Abbreviations[i][0][0] == word[0] &&
			strlen(Abbreviations[i][0]) == length &&
			memcmp(Abbreviations[i][0], word, length) == 0)
		{
			word = Abbreviations[i][1];
			length = strlen(word);
			break;
		}
	for (size_t i = 0; i < length; i++)
		OutputLetter(out, word[i]);
	OutputGap(out);
}

/* Words of letters and digits. */
static void
PutFolded(const char *folded, Output *out)
{
	while (*folded != '\0')
	{
		size_t length = strcspn(folded, " ");

		PutWord(folded, length, out);
		folded += length;
		folded += *folded == ' ';
	}
}

/* Characters as words; hanzi that stand together as one. */
static void
PutChars(Normaliser *normaliser, const uint32_t *chars, int n, Output *out)
{
	char folded[NORMALISE_TEXT_SIZE];
	Output output;

	if (n <= 0)
		return;
	OutputBegin(&output, folded, sizeof(folded));
	NormaliseRenderJoined(normaliser, chars, n, &output);
	OutputGap(out);
	if (NormaliseIsHan(chars[0]))
	{
		/* never shortened: it is no English */
		for (const char *c = folded; *c != '\0'; c++)
			OutputLetter(out, *c);
		OutputGap(out);
	}
	else
		PutFolded(folded, out);
}

/*
 * A Chinese numeral before the unit of a number: 十二号 -> 12.  Returns how
 * many characters the numeral has, 0 when it is none.
 */
static int
Numeral(const uint32_t *chars, int n, int *value)
{
	int i = 0;
	int digit;
	int ones = 0;

	*value = 0;
	for (; i < n && i < 6; i++)
	{
		digit = NormaliseHanDigit(chars[i]);
		if (chars[i] == U'百' && i > 0)
		{
			*value += ones * 100;
			ones = 0;
		}
		else if (digit == 10)
		{
			*value += i == 0 ? 10 : ones * 10;
			ones = 0;
		}
		else if (digit >= 0)
			ones = ones * 10 + digit;
		else
			break;
	}
	*value += ones;
	return i < n && NormaliseOneOf(chars[i], NumberUnits) ? i : 0;
}

static void
PutNumber(int value, Output *out)
{
	char digits[12];
	int n = 0;

	OutputGap(out);
	do
		digits[n++] = (char) ('0' + value % 10);
	while ((value /= 10) > 0);
	while (n > 0)
		OutputLetter(out, digits[--n]);
	OutputGap(out);
}

/* Does a part end here?  Returns the index of its unit, or -1. */
static int
UnitAt(const uint32_t *chars, int n, int before, uint32_t last, int *length)
{
	for (size_t i = 0; i < sizeof(Units) / sizeof(Units[0]); i++)
	{
		if (Units[i].text[0] != chars[0])
			continue;
		*length = NormaliseBegins(chars, n, Units[i].text);
		if (*length == 0 || before < Units[i].least)
			continue;
		if (Units[i].word == NULL && *length == 1 && chars[0] == U'区' &&
			NormaliseOneOf(last, QuarterKinds))
			continue;
		/* 道路, 街道 and 市区 are not the ends of names */
		if (*length == 1 && chars[0] == U'街' && n > 1 && chars[1] == U'道')
			continue;
		return (int) i;
	}
	return -1;
}

/* A province at the beginning, unless a road is named after it. */
static int
Province(const uint32_t *chars, int n)
{
	for (size_t i = 0; i < sizeof(Provinces) / sizeof(Provinces[0]); i++)
	{
		int length = NormaliseBegins(chars, n, Provinces[i]);

		if (length == 0)
			continue;
		for (int k = length; k < n && k < length + 3; k++)
			if (NormaliseOneOf(chars[k], U32("路街")))
				return 0;
		return length;
	}
	return 0;
}

/* Write a run of hanzi part by part. */
static void
PutHan(Normaliser *normaliser, const uint32_t *chars, int n, bool first,
	   Output *out)
{
	int from = 0;
	int i = first ? Province(chars, n) : 0;
	int value;
	int length;

	if (i > 0)
	{
		PutChars(normaliser, chars, i, out);
		for (size_t k = 0; k < 9; k++)
			if ((length = NormaliseBegins(&chars[i], n - i, Units[k].text)) > 0)
			{
				i += length;
				break;
			}
		from = i;
		/* 上海上海市, 上海市上海市 */
		length = Province(&chars[i], n - i);
		if (length > 0 && length <= i &&
			memcmp(&chars[i], chars, (size_t) length * sizeof(*chars)) == 0)
		{
			i += length;
			if (i < n && chars[i] == U'市')
				i++;
			from = i;
		}
	}
	while (i < n)
	{
		int numeral = Numeral(&chars[i], n - i, &value);
		int unit;

		if (numeral > 0)
		{
			PutChars(normaliser, &chars[from], i - from, out);
			PutNumber(value, out);
			i += numeral;
			while (i < n && NormaliseOneOf(chars[i], NumberUnits))
				i++;
			from = i;
			continue;
		}
		unit = UnitAt(&chars[i], n - i, i - from, i > 0 ? chars[i - 1] : 0,
					  &length);
		if (unit < 0)
		{
			i++;
			continue;
		}
		i += length;
		if (Units[unit].word != NULL && Units[unit].word[0] == '\0')
			PutChars(normaliser, &chars[from], i - from, out);
		else
			PutChars(normaliser, &chars[from], i - length - from, out);
		if (Units[unit].word != NULL)
			PutFolded(Units[unit].word, out);
		from = i;
	}
	PutChars(normaliser, &chars[from], n - from, out);
}

NormalText
NormaliseAddress(Normaliser *normaliser, const char *text, int length,
				 char *out, size_t size)
{
	Chars chars;
	Output output;
	NormalText result = {0};
	int end;

	NormaliseDecode(normaliser, text, length, &chars);
	OutputBegin(&output, out, size);
	for (int i = 0; i < chars.n; i = end)
	{
		bool han = NormaliseIsHan(chars.at[i]);
		int from = i;

		for (end = i + 1;
			 end < chars.n && NormaliseIsHan(chars.at[end]) == han;)
			end++;
		if (!han)
		{
			PutChars(normaliser, &chars.at[i], end - i, &output);
			continue;
		}
		/* the unit of a number (or A座) that came before */
		if (i > 0 &&
			NormaliseLookUp(normaliser, chars.at[i - 1])->kind == FOLD_LETTERS)
			while (from < end && NormaliseOneOf(chars.at[from], NumberUnits))
				from++;
		PutHan(normaliser, &chars.at[from], end - from, output.length == 0,
			   &output);
	}
	result.flags =
		chars.flags | NormaliseScripts(normaliser, chars.at, chars.n);
	result.native_hash = NormaliseNativeHash(normaliser, chars.at, chars.n);
	result.length = (int) output.length;
	if (output.full)
		result.flags |= NORMALISE_TRUNCATED;
	if (output.length == 0)
		result.flags |= NORMALISE_EMPTY;
	return result;
}
