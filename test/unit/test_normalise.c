/*-------------------------------------------------------------------------
 *
 * test_normalise.c
 *	  Names, addresses, phones, e-mails, identifiers and dates as people and
 *	  systems write them, each with the form it must get.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "member/normalise.h"
#include "member/pinyin.h"

#define SIZE NORMALISE_TEXT_SIZE
#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

static Normaliser *Shared;

/* Which flags a test looks at. */
#define LOOKED_AT                                              \
	(NORMALISE_EMPTY | NORMALISE_INVALID | NORMALISE_BLOCKED | \
	 NORMALISE_MASKED | NORMALISE_MOBILE)

typedef NormalText (*TextFunction)(Normaliser *, const char *, int, char *,
								   size_t);

typedef struct TextCase
{
	const char *in;
	const char *out;
	uint32_t flags;
} TextCase;

static NormalText
PhoneOfChina(Normaliser *normaliser, const char *text, int length, char *out,
			 size_t size)
{
	return NormalisePhone(normaliser, text, length, NULL, out, size);
}

/* Every case, and that its result stays what it is. */
static void
CheckCases(TextFunction function, const TextCase *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		char out[SIZE];
		char again[SIZE];
		NormalText result = function(Shared, cases[i].in, -1, out, SIZE);

		if (strcmp(out, cases[i].out) != 0 ||
			(result.flags & LOOKED_AT) != cases[i].flags)
			fail_msg("\"%s\" gives \"%s\" (flags %x), not \"%s\" (%x)",
					 cases[i].in, out, result.flags, cases[i].out,
					 cases[i].flags);
		assert_int_equal(result.length, strlen(out));
		(void) function(Shared, out, -1, again, SIZE);
		assert_string_equal(again, out);
	}
}

static void
text_of_any_script(void **state)
{
	static const TextCase cases[] = {
		{"", "", NORMALISE_EMPTY},
		{" \t\n.,-!", "", NORMALISE_EMPTY},
		{"  Anna-Maria  O'Neil. ", "anna maria oneil", 0},
		{"Ａｎｎａ　１２３", "anna 123", 0},
		{"王小明", "wang xiao ming", 0},
		{"諸葛亮 trad", "zhu ge liang trad", 0},
		{"女略吕绿", "nv lve lv lv", 0},
		{"Nguyễn Văn Đức", "nguyen van duc", 0},
		{"Nguye\xcc\x82\xcc\x83n", "nguyen", 0},
		{"Straße Ærø Łódź İstanbul ŞIK", "strasse aero lodz istanbul sik", 0},
		{"Юлия Щукина-Ёлкина", "yuliya shchukina elkina", 0},
		{"Андрии\xcc\x86", "andriy", 0},
		{"Україна Ґанок Їжак", "ukraina ganok izhak", 0},
		{"محمد علي", "mhmd ly", 0},
		{"١٢٣ ۴۵", "123 45", 0},
		{"שלום", "slwm", 0},
		{"ヤマダ", "yamada", 0},
		{"ﾔﾏﾀﾞ", "yamada", 0},
		{"김철수", "gimcheolsu", 0},
		{"Ωμέγα", "omega", 0},
		{"𝓙𝓸𝓱𝓷 ﬃ Ⅷ", "john ffi viii", 0},
		{"zero\xe2\x80\x8bwidth\xef\xbb\xbf joiner", "zerowidth joiner", 0},
		{"\xe2\x80\xaeright to left\xe2\x80\xac", "right to left", 0},
		{"be\x01ll\x7f", "bell", 0},
		{"Anna 😀🇨🇳👩‍👩‍👧", "anna", 0},
		{"1️⃣", "1", 0},
		{"\xff\xfe"
		 "Anna\xc3",
		 "anna", 0},
		{"\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", "", NORMALISE_EMPTY}};

	(void) state;
	CheckCases(NormaliseText, cases, LENGTH_OF(cases));
}

static void
native_hashes_tell_hanzi_apart(void **state)
{
	char out[SIZE];
	uint64_t wei1 = NormaliseText(Shared, "张伟", -1, out, SIZE).native_hash;
	uint64_t wei2 = NormaliseText(Shared, "张玮", -1, out, SIZE).native_hash;

	(void) state;
	assert_true(wei1 != 0 && wei2 != 0 && wei1 != wei2);
	/* traditional, spaced and wide forms are one */
	assert_true(NormaliseText(Shared, "張 偉", -1, out, SIZE).native_hash ==
				wei1);
	assert_true(NormaliseText(Shared, "Zhang Wei", -1, out, SIZE).native_hash ==
				0);
	/* composed and decomposed, upper and lower case */
	assert_true(
		NormaliseText(Shared, "ЙОД", -1, out, SIZE).native_hash ==
		NormaliseText(Shared, "и\xcc\x86од", -1, out, SIZE).native_hash);
	assert_true(NormaliseText(Shared, "王\xff", -1, out, SIZE).flags &
				NORMALISE_BAD_BYTES);
}

typedef struct NameCase
{
	const char *full;
	const char *given;
	const char *surname;
	const char *out_surname;
	const char *out_given;
	uint32_t flags; /* that must be set */
} NameCase;

static void
CheckNames(const NameCase *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		const NameCase *c = &cases[i];
		NormalName name;
		NormalName again;
		uint32_t flags =
			NormaliseName(Shared, c->full, c->given, c->surname, &name);

		if (strcmp(name.surname, c->out_surname) != 0 ||
			strcmp(name.given, c->out_given) != 0 ||
			(flags & c->flags) != c->flags)
			fail_msg("\"%s\" \"%s\" \"%s\" gives \"%s\", \"%s\" (%x), not "
					 "\"%s\", \"%s\" (%x)",
					 c->full, c->given, c->surname, name.surname, name.given,
					 flags, c->out_surname, c->out_given, c->flags);
		(void) NormaliseName(Shared, NULL, name.given, name.surname, &again);
		assert_string_equal(again.surname, name.surname);
		assert_string_equal(again.given, name.given);
	}
}

static void
chinese_names(void **state)
{
	static const NameCase cases[] = {
		{"王小明", NULL, NULL, "wang", "xiaoming", NORMALISE_CHINESE_NAME},
		{"王　小明", NULL, NULL, "wang", "xiaoming", NORMALISE_HAN},
		{"欧阳小明", NULL, NULL, "ouyang", "xiaoming", 0},
		{"司马光", NULL, NULL, "sima", "guang", 0},
		{"OUYANG Xiao Ming", NULL, NULL, "ouyang", "xiaoming", 0},
		{"Ou Yang Xiaoming", NULL, NULL, "ouyang", "xiaoming", 0},
		{"Xiao-Ming Wang", NULL, NULL, "wang", "xiaoming", 0},
		{"Wáng Xiǎomíng", NULL, NULL, "wang", "xiaoming",
		 NORMALISE_CHINESE_NAME},
		{"Li Ang Wei", NULL, NULL, "li", "angwei", 0},
		{"Wang Li", NULL, NULL, "wang", "li", NORMALISE_AMBIGUOUS},
		{"LYU Bu", NULL, NULL, "lv", "bu", 0},
		{"吕布", NULL, NULL, "lv", "bu", 0},
		{"曾国藩", NULL, NULL, "zeng", "guofan", 0},
		{"单雄信", NULL, NULL, "shan", "xiongxin", 0},
		{"仇英", NULL, NULL, "qiu", "ying", 0},
		{"解缙", NULL, NULL, "xie", "jin", 0},
		{"区寄", NULL, NULL, "ou", "ji", 0},
		{"查良镛", NULL, NULL, "zha", "liangyong", 0},
		{"盖聂", NULL, NULL, "ge", "nie", 0},
		{"尉迟恭", NULL, NULL, "yuchi", "gong", 0},
		{"万俟卨", NULL, NULL, "moqi", "xie", 0},
		{"單雄信", NULL, NULL, "shan", "xiongxin", 0},
		{"王先生", NULL, NULL, "wang", "", NORMALISE_TITLE_MALE},
		{"李丽女士", NULL, NULL, "li", "li", NORMALISE_TITLE_FEMALE},
		{"张三（北京）", NULL, NULL, "zhang", "san", 0},
		{"张**", NULL, NULL, "zhang", "", NORMALISE_MASKED},
		{"*小明", NULL, NULL, "", "xiaoming", NORMALISE_MASKED},
		{"王小明😀", NULL, NULL, "wang", "xiaoming", 0},
		{"王小明 Wang Xiaoming", NULL, NULL, "wang", "xiaoming", 0},
		{"约翰·史密斯", NULL, NULL, "shimisi", "yuehan", 0},
		{NULL, "小明", "王", "wang", "xiaoming", 0},
		{NULL, "王小明", "王", "wang", "xiaoming", 0},
		{NULL, "国藩", "曾", "zeng", "guofan", 0},
		{NULL, NULL, "王小明", "wang", "xiaoming", 0},
		{NULL, "Xiao Ming", "Wang", "wang", "xiaoming", 0},
		{NULL, "Xiao Ming", "Ou Yang", "ouyang", "xiaoming", 0},
		{NULL, "an yu", "lyu", "lv", "anyu", 0},
		{"王小明", "小明", NULL, "wang", "xiaoming", 0},
		{"王小明", NULL, "王", "wang", "xiaoming", 0}};
	NormalName a;
	NormalName b;

	(void) state;
	CheckNames(cases, LENGTH_OF(cases));
	/* however it was divided, the hanzi are the same */
	(void) NormaliseName(Shared, "王小明", NULL, NULL, &a);
	(void) NormaliseName(Shared, NULL, "小明", "王", &b);
	assert_true(a.surname_hash != 0 && a.given_hash != 0);
	assert_true(a.surname_hash == b.surname_hash);
	assert_true(a.given_hash == b.given_hash);
	/* what is hidden is not known */
	(void) NormaliseName(Shared, "王*明", NULL, NULL, &a);
	assert_true(a.surname_hash == b.surname_hash && a.given_hash == 0);
}

static void
other_names(void **state)
{
	static const NameCase cases[] = {
		{"John Smith", NULL, NULL, "smith", "john", 0},
		{"SMITH, John Michael", NULL, NULL, "smith", "john michael", 0},
		{"Smith, Dr. John, PhD", NULL, NULL, "smith", "john", 0},
		{"Mr. John van der Berg Jr.", NULL, NULL, "van der berg", "john",
		 NORMALISE_TITLE_MALE},
		{"Mrs Anna Lee", NULL, NULL, "lee", "anna", NORMALISE_TITLE_FEMALE},
		{"Susan Long", NULL, NULL, "long", "susan", 0},
		{"Conan O’Brien", NULL, NULL, "obrien", "conan", 0},
		{"José María García-López", NULL, NULL, "lopez", "jose maria garcia",
		 0},
		{"Nguyễn Văn Đức", NULL, NULL, "nguyen", "van duc", 0},
		{"Duc Nguyen", NULL, NULL, "nguyen", "duc", 0},
		{"Шевченко Тарас Григорович", NULL, NULL, "shevchenko",
		 "taras grigorovich", NORMALISE_OTHER_SCRIPT},
		{"Сергей Щукин", NULL, NULL, "shchukin", "sergey", 0},
		{"محمد علي", NULL, NULL, "ly", "mhmd", NORMALISE_OTHER_SCRIPT},
		{"김철수", NULL, NULL, "gim", "cheolsu", 0},
		{"ヤマダ タロウ", NULL, NULL, "yamada", "tarou", 0},
		{"山田 太郎", NULL, NULL, "shantian", "tailang", 0},
		{"Ａｎｎａ　Ｓｍｉｔｈ 😀", NULL, NULL, "smith", "anna", 0},
		{"Cher", NULL, NULL, "", "cher", 0},
		{NULL, "caitlin", "bishop", "bishop", "caitlin", 0},
		{NULL, "j0hn", "mcmiklan", "mcmiklan", "j0hn", 0},
		{NULL, "Dr Anna", "de la Cruz", "de la cruz", "anna", 0}};
	NormalName name;

	(void) state;
	CheckNames(cases, LENGTH_OF(cases));
	(void) NormaliseName(Shared, "John Smith III", NULL, NULL, &name);
	assert_string_equal(name.suffix, "iii");
	assert_string_equal(name.surname, "smith");
}

static void
stand_ins_are_no_names(void **state)
{
	static const char *const blocked[] = {
		"test",		 "TEST",	  "null",  "N/A",	   "unknown", "微信用户",
		"用户12345", "无",		  "未知",  "测试",	   "先生",	  "13812345678",
		"游客",		 "anonymous", "guest", "（匿名）", "已注销"};
	static const char *const names[] = {
		"吴",	 "武无", "Na Li", "An", "Nil Armstrong", "Christopher Guest",
		"王测试"};

	(void) state;
	for (size_t i = 0; i < LENGTH_OF(blocked); i++)
	{
		NormalName name;
		uint32_t flags = NormaliseName(Shared, blocked[i], NULL, NULL, &name);

		if ((flags & NORMALISE_BLOCKED) == 0 || (flags & NORMALISE_EMPTY) == 0)
			fail_msg("\"%s\" is taken as a name: \"%s\" \"%s\" %x", blocked[i],
					 name.surname, name.given, flags);
	}
	for (size_t i = 0; i < LENGTH_OF(names); i++)
	{
		NormalName name;
		uint32_t flags = NormaliseName(Shared, names[i], NULL, NULL, &name);

		if (flags & (NORMALISE_BLOCKED | NORMALISE_EMPTY))
			fail_msg("\"%s\" is no name: %x", names[i], flags);
	}
	{
		NormalName name;

		assert_true(NormaliseName(Shared, NULL, NULL, NULL, &name) ==
					NORMALISE_EMPTY);
		/* one column that is filled, one that is not */
		assert_int_equal(
			NormaliseName(Shared, NULL, "unknown", "Smith", &name) &
				NORMALISE_BLOCKED,
			0);
		assert_string_equal(name.surname, "smith");
		assert_string_equal(name.given, "");
	}
}

static void
addresses(void **state)
{
	static const TextCase cases[] = {
		{"江苏省无锡市滨湖区蠡湖大道100号3栋501室",
		 "jiangsu wuxi binhu lihu ave 100 3 501", 0},
		{"上海上海市浦东新区世纪大道１００号", "shanghai pudong shiji ave 100",
		 0},
		{"上海市浦东新区世纪大道100号", "shanghai pudong shiji ave 100", 0},
		{"北京东路100号", "beijingdong rd 100", 0},
		{"北京市朝阳区建国路八十八号SOHO现代城A座1203室",
		 "beijing chaoyang jianguo rd 88 soho xiandaicheng a 1203", 0},
		{"广西壮族自治区南宁市青秀区民族大道10-3号",
		 "guangxi nanning qingxiu minzu ave 10 3", 0},
		{"阳光小区3号楼二单元501", "yangguangxiaoqu 3 2 501", 0},
		{"53 Burdekin Avenue, Unit 5/12", "53 burdekin ave unit 5 12", 0},
		{"53 burdekin ave unit 5 12", "53 burdekin ave unit 5 12", 0},
		{"No. 100 Zhongshan Road", "100 zhongshan rd", 0},
		{"中山路100号", "zhongshan rd 100", 0},
		{"15 feathertop street", "15 feathertop st", 0},
		{"", "", NORMALISE_EMPTY}};
	static const TextCase places[] = {{"江苏省", "jiangsu", 0},
									  {"广州市", "guangzhou", 0},
									  {"广州", "guangzhou", 0},
									  {"浦东新区", "pudong", 0},
									  {"新疆维吾尔自治区", "xinjiang", 0},
									  {"赵县", "zhaoxian", 0},
									  {"Wuxi", "wuxi", 0},
									  {"City of Sydney", "sydney", 0},
									  {"potts point", "potts point", 0},
									  {"São Paulo", "sao paulo", 0}};
	static const TextCase postcodes[] = {
		{" 214000 ", "214000", 0},
		{"SW1A 1AA", "sw1a1aa", 0},
		{"２１４０００", "214000", 0},
		{"000000", "000000", NORMALISE_BLOCKED}};

	(void) state;
	CheckCases(NormaliseAddress, cases, LENGTH_OF(cases));
	CheckCases(NormalisePlace, places, LENGTH_OF(places));
	CheckCases(NormalisePostcode, postcodes, LENGTH_OF(postcodes));
}

static void
phones(void **state)
{
	static const TextCase cases[] = {
		{"13812345679", "+8613812345679", NORMALISE_MOBILE},
		{"+86 138-1234-5679", "+8613812345679", NORMALISE_MOBILE},
		{"0086 13812345679", "+8613812345679", NORMALISE_MOBILE},
		{"86１３８１２３４５６７９", "+8613812345679", NORMALISE_MOBILE},
		{"013812345679", "+8613812345679", NORMALISE_MOBILE},
		{"17951 13812345679", "+8613812345679", NORMALISE_MOBILE},
		{"13812345679/13912345678", "+8613812345679", NORMALISE_MOBILE},
		{"home: 12, 13812345679", "+8613812345679", NORMALISE_MOBILE},
		{"010-61234567", "+861061234567", 0},
		{"+86 (0)10 6123 4567", "+861061234567", 0},
		{"+86 010 6123 4567", "+861061234567", 0},
		{"0510-8512345", "+865108512345", 0},
		{"010-61234567转801", "+861061234567;ext=801", 0},
		{"010-61234567-801", "+861061234567;ext=801", 0},
		{"(021) 5888 9999 ext. 12", "+862158889999;ext=12", 0},
		{"4008123123", "+864008123123", 0},
		{"+44 (0)20 7946 0958", "+442079460958", 0},
		{"+44 7911 123456", "+447911123456", NORMALISE_MOBILE},
		{"+1 (212) 555-1234", "+12125551234", 0},
		{"+852 9123 4567", "+85291234567", NORMALISE_MOBILE},
		{"+371 21234567", "+37121234567", 0},
		{"08 26867498", "0826867498", NORMALISE_INVALID},
		{"1381234567", "1381234567", NORMALISE_INVALID},
		{"138****5679", "138****5679",
		 NORMALISE_INVALID | NORMALISE_MASKED | NORMALISE_BLOCKED},
		{"13800138000", "+8613800138000", NORMALISE_MOBILE | NORMALISE_BLOCKED},
		{"11111111111", "11111111111", NORMALISE_INVALID | NORMALISE_BLOCKED},
		{"12345678", "12345678", NORMALISE_INVALID | NORMALISE_BLOCKED},
		{"00000000", "00000000", NORMALISE_INVALID | NORMALISE_BLOCKED},
		{"13988888888", "+8613988888888", NORMALISE_MOBILE | NORMALISE_BLOCKED},
		{"null", "", NORMALISE_EMPTY},
		{"无", "", NORMALISE_EMPTY}};
	char out[SIZE];

	(void) state;
	CheckCases(PhoneOfChina, cases, LENGTH_OF(cases));
	(void) NormalisePhone(Shared, "(08) 2686 7498", -1, "AU", out, SIZE);
	assert_string_equal(out, "+61826867498");
	(void) NormalisePhone(Shared, "020 7946 0958", -1, "gb", out, SIZE);
	assert_string_equal(out, "+442079460958");
	(void) NormalisePhone(Shared, "1-212-555-1234", -1, "US", out, SIZE);
	assert_string_equal(out, "+12125551234");
}

static void
emails(void **state)
{
	static const TextCase cases[] = {
		{" John.Doe+spam@GoogleMail.com ", "johndoe@gmail.com", 0},
		{"john.doe@qq.com", "john.doe@qq.com", 0},
		{"a+b@company.cn", "a+b@company.cn", 0},
		{"a+b@outlook.com", "a@outlook.com", 0},
		{"\"John\" <JOHN@Firm.CN>", "john@firm.cn", 0},
		{"(mailto:john@firm.cn)", "john@firm.cn", 0},
		{"ｊｏｈｎ＠ｑｑ。ｃｏｍ", "john@qq.com", 0},
		{"info@bücher.de", "info@xn--bcher-kva.de", 0},
		{"张三@qq.com", "张三@qq.com", 0},
		{"test@test.com", "test@test.com", NORMALISE_BLOCKED},
		{"poppy.foxo3@rivera.c6m", "poppy.foxo3@rivera.c6m", NORMALISE_INVALID},
		{"a@b@c.com", "a@b@c.com", NORMALISE_INVALID},
		{"john", "john", NORMALISE_INVALID},
		{"a..b@firm.cn", "a..b@firm.cn", NORMALISE_INVALID},
		{"n/a", "n/a", NORMALISE_INVALID | NORMALISE_BLOCKED},
		{"j***n@firm.cn", "j***n@firm.cn",
		 NORMALISE_MASKED | NORMALISE_BLOCKED},
		{"", "", NORMALISE_EMPTY}};

	(void) state;
	CheckCases(NormaliseEmail, cases, LENGTH_OF(cases));
}

static void
identifiers(void **state)
{
	static const struct
	{
		const char *type;
		TextCase is;
	} cases[] = {
		{"card", {" 6212 26-ab ", "621226AB", 0}},
		{"card", {"６２１２", "6212", 0}},
		{"card", {"00000000", "00000000", NORMALISE_BLOCKED}},
		{"card", {"12345678", "12345678", NORMALISE_BLOCKED}},
		{"unionid", {" oAbC_dEf-1 \n", "oAbC_dEf-1", 0}},
		{"openid", {"NULL", "NULL", NORMALISE_BLOCKED}},
		{"openid", {"", "", NORMALISE_EMPTY}},
		{"device", {"AB-CD:12 34", "abcd1234", 0}},
		{"idfa",
		 {"00000000-0000-0000-0000-000000000000",
		  "00000000000000000000000000000000", NORMALISE_BLOCKED}},
		{"national_id", {"11010519491231002x", "11010519491231002X", 0}},
		{"national_id", {"7909103", "7909103", NORMALISE_INVALID}},
		{"phone", {"138 1234 5679", "+8613812345679", NORMALISE_MOBILE}},
		{"email", {"A@B.CN", "a@b.cn", 0}}};

	(void) state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		char out[SIZE];
		NormaliseKind kind = NormaliseKindOf(cases[i].type);
		NormalText result = NormaliseIdentifier(Shared, kind, cases[i].is.in,
												-1, NULL, out, SIZE);

		assert_string_equal(out, cases[i].is.out);
		if ((result.flags & LOOKED_AT) != cases[i].is.flags)
			fail_msg("%s \"%s\": flags %x", cases[i].type, cases[i].is.in,
					 result.flags);
	}
}

static void
national_ids(void **state)
{
	char out[SIZE];
	NormalNationalId id;
	const char *hash =
		"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";

	(void) state;
	id = NormaliseNationalId(Shared, "11010519491231002X", -1, out, SIZE);
	assert_int_equal(id.flags, 0);
	assert_int_equal(id.birth_year, 1949);
	assert_int_equal(id.birth_month, 12);
	assert_int_equal(id.birth_day, 31);
	assert_int_equal(id.gender, 'f');
	/* its old form */
	id = NormaliseNationalId(Shared, "110105491231002", -1, out, SIZE);
	assert_int_equal(id.flags, 0);
	assert_string_equal(out, "11010519491231002X");
	/* a wrong check digit, an impossible date */
	id = NormaliseNationalId(Shared, "110105194912310021", -1, out, SIZE);
	assert_int_equal(id.flags, NORMALISE_INVALID);
	assert_int_equal(id.birth_year, 0);
	id = NormaliseNationalId(Shared, "110105194913310020", -1, out, SIZE);
	assert_int_equal(id.flags, NORMALISE_INVALID);
	/* what was hashed at its source stays so */
	id = NormaliseNationalId(Shared, hash, -1, out, SIZE);
	assert_int_equal(id.flags, NORMALISE_HASHED);
	assert_int_equal(id.length, 64);
	assert_memory_equal(out, "e3b0c442", 8);
}

static void
dates(void **state)
{
	static const struct
	{
		const char *in;
		int year, month, day;
		uint32_t flags;
		const char *digits;
	} cases[] = {{"1980-01-15", 1980, 1, 15, 0, "19800115"},
				 {"19800115", 1980, 1, 15, 0, "19800115"},
				 {"1980/1/5", 1980, 1, 5, 0, "19800105"},
				 {"１９８０．０１．１５", 1980, 1, 15, 0, "19800115"},
				 {"15/01/1980", 1980, 1, 15, 0, "19800115"},
				 {"01/15/1980", 1980, 1, 15, 0, "19800115"},
				 {"05/06/1980", 1980, 6, 5, NORMALISE_AMBIGUOUS, "19800605"},
				 {"1980年1月15日", 1980, 1, 15, 0, "19800115"},
				 {"一九八〇年十二月二十三日", 1980, 12, 23, 0, "19801223"},
				 {"民国69年1月15日", 1980, 1, 15, 0, "19800115"},
				 {"1980年1月", 1980, 1, 0, 0, "198001"},
				 {"1980-01", 1980, 1, 0, 0, "198001"},
				 {"01/1980", 1980, 1, 0, 0, "198001"},
				 {"198001", 1980, 1, 0, 0, "198001"},
				 {"1980", 1980, 0, 0, 0, "1980"},
				 {"1980-00-00", 1980, 0, 0, 0, "1980"},
				 {"15 Jan 1980", 1980, 1, 15, 0, "19800115"},
				 {"January 15th, 1980", 1980, 1, 15, 0, "19800115"},
				 {"80-01-15", 1980, 1, 15, 0, "19800115"},
				 {"15/01/80", 1980, 1, 15, 0, "19800115"},
				 {"05-01-15", 2005, 1, 15, NORMALISE_AMBIGUOUS, "20050115"},
				 {"800115", 1980, 1, 15, 0, "19800115"},
				 {"1980-01-15T00:00:00+08:00", 1980, 1, 15, 0, "19800115"},
				 {"1980-01-15 12:30", 1980, 1, 15, 0, "19800115"},
				 {"20200115123000", 2020, 1, 15, 0, "20200115"},
				 {"2000-02-29", 2000, 2, 29, 0, "20000229"},
				 {"1900-02-29", 0, 0, 0, NORMALISE_INVALID, "19000229"},
				 {"1980-02-30", 0, 0, 0, NORMALISE_INVALID, "19800230"},
				 {"1980-13-01", 0, 0, 0, NORMALISE_INVALID, "19801301"},
				 {"1980-1281", 0, 0, 0, NORMALISE_INVALID, "19801281"},
				 {"99999999999999999999", 0, 0, 0,
				  NORMALISE_INVALID | NORMALISE_BLOCKED, "99999999999"},
				 {"1970-01-01", 1970, 1, 1, NORMALISE_BLOCKED, "19700101"},
				 {"9999-12-31", 0, 0, 0, NORMALISE_INVALID | NORMALISE_BLOCKED,
				  "99991231"},
				 {"0000-00-00", 0, 0, 0, NORMALISE_INVALID | NORMALISE_BLOCKED,
				  "00000000"},
				 {"80后", 0, 0, 0, NORMALISE_INVALID, "80"},
				 {"", 0, 0, 0, NORMALISE_EMPTY, ""},
				 {"unknown", 0, 0, 0, NORMALISE_INVALID | NORMALISE_EMPTY, ""}};

	(void) state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		NormalDate date = NormaliseDate(Shared, cases[i].in, -1);
		NormalDate again;

		if (date.year != cases[i].year || date.month != cases[i].month ||
			date.day != cases[i].day || date.flags != cases[i].flags ||
			strcmp(date.digits, cases[i].digits) != 0)
			fail_msg("\"%s\" gives %d-%d-%d %x \"%s\"", cases[i].in, date.year,
					 date.month, date.day, date.flags, date.digits);
		again = NormaliseDate(Shared, date.digits, -1);
		assert_string_equal(again.digits, date.digits);
	}
}

static void
genders(void **state)
{
	static const char *const male[] = {"m", "M",  "Male", " 男 ", "男士",
									   "1", "１", "Mr.",  "先生"};
	static const char *const female[] = {"f", "FEMALE", "女", "女士",
										 "2", "２",		"ms"};
	static const char *const none[] = {"",	  "0",	  "u",	  "unknown",
									   "3",	  "9",	  "未知", "其他",
									   "m f", "男女", "\xff"};

	(void) state;
	for (size_t i = 0; i < LENGTH_OF(male); i++)
		assert_int_equal(NormaliseGender(male[i], -1), 'm');
	for (size_t i = 0; i < LENGTH_OF(female); i++)
		assert_int_equal(NormaliseGender(female[i], -1), 'f');
	for (size_t i = 0; i < LENGTH_OF(none); i++)
		assert_int_equal(NormaliseGender(none[i], -1), 0);
	assert_int_equal(NormaliseGender(NULL, -1), 0);
}

static void
pinyin_is_split(void **state)
{
	uint8_t lengths[8];

	(void) state;
	assert_int_equal(PinyinSplit("xiaoming", 8, lengths, 8), 2);
	assert_int_equal(lengths[0], 4);
	/* the longest first leads nowhere: fan-ge, not fang-e? both are syllables */
	assert_int_equal(PinyinSplit("zhuangzi", 8, lengths, 8), 2);
	assert_int_equal(PinyinSplit("danei", 5, lengths, 8), 2);
	assert_int_equal(PinyinSplit("smith", 5, lengths, 8), 0);
	assert_int_equal(PinyinSplit("xiaoming", 8, lengths, 1), 0);
	assert_true(PinyinIsSyllable("lyu", 3) && PinyinIsSyllable("nv", 2));
	assert_false(PinyinIsSyllable("lvn", 3));
	assert_true(PinyinIsSurname("ouyang", 6) && PinyinIsSurname("wang", 4));
	assert_false(PinyinIsSurname("oyang", 5));
}

/* Buffers of every size: never written past, always closed. */
static void
small_buffers(void **state)
{
	static const char text[] =
		"江苏省无锡市王小明 Smith +8613812345679 a@bücher.de";
	static const TextFunction functions[] = {NormaliseText,	 NormaliseAddress,
											 NormalisePlace, NormalisePostcode,
											 NormaliseEmail, PhoneOfChina};

	(void) state;
	for (size_t f = 0; f < LENGTH_OF(functions); f++)
		for (size_t size = 1; size < 80; size++)
		{
			char *out = malloc(size);
			NormalText result;

			memset(out, 'x', size);
			result = functions[f](Shared, text, -1, out, size);
			assert_int_equal(strlen(out), result.length);
			assert_true(result.length < (int) size);
			free(out);
		}
}

static void
a_megabyte(void **state)
{
	size_t n = 1 << 20;
	char *text = malloc(n + 1);
	char out[SIZE];
	NormalName name;
	static const char *const fill[] = {"王", "ﷺ", "a", "1", "م", "\xcc\x81"};

	(void) state;
	for (size_t f = 0; f < LENGTH_OF(fill); f++)
	{
		size_t width = strlen(fill[f]);

		for (size_t i = 0; i < n; i++)
			text[i] = fill[f][i % width];
		text[n - n % width] = '\0';
		assert_true(NormaliseText(Shared, text, -1, out, SIZE).flags &
					NORMALISE_TRUNCATED);
		assert_true(NormaliseText(Shared, text, (int) n, out, SIZE).flags &
					NORMALISE_TRUNCATED);
		(void) NormaliseAddress(Shared, text, -1, out, SIZE);
		(void) NormalisePhone(Shared, text, -1, NULL, out, SIZE);
		(void) NormaliseEmail(Shared, text, -1, out, SIZE);
		(void) NormaliseDate(Shared, text, -1);
		(void) NormaliseName(Shared, text, text, text, &name);
	}
	free(text);
}

/* Random strings of pieces that mean something somewhere. */
static void
normalising_twice_changes_nothing(void **state)
{
	static const char *const pieces[] = {"王",		 "欧阳",
										 "小明",	 "路",
										 "号",		 "市",
										 "区",		 "12",
										 "3",		 "0",
										 "+",		 "86",
										 "-",		 " ",
										 " ",		 "  ",
										 ".",		 ",",
										 "@",		 "a",
										 "xi",		 "an",
										 "wang",	 "lyu",
										 "Mr ",		 "Jr",
										 "é",		 "ü",
										 "ß",		 "ﷺ",
										 "ﬁ",		 "㈱",
										 "ж",		 "م",
										 "가",		 "ガ",
										 "\xcc\x88", "\xe2\x80\x8b",
										 "😀",		 "\xff",
										 "½",		 "*",
										 "(",		 ")",
										 "/",		 ";ext=",
										 "转",		 "gmail.com",
										 "<",		 ">",
										 "street",	 "no",
										 "一",		 "十",
										 "年",		 "月",
										 "T",		 ":",
										 "mailto:",	 "'",
										 "İ",		 "𝓙",
										 "張",		 "ǚ",
										 "·",		 "。",
										 "van ",	 "X",
										 "test",	 "null",
										 "先生",	 "00",
										 "1980",	 "jan"};
	static const TextFunction functions[] = {NormaliseText,	 NormaliseAddress,
											 NormalisePlace, NormalisePostcode,
											 NormaliseEmail, PhoneOfChina};
	uint32_t seed = 1;

	(void) state;
	for (int round = 0; round < 20000; round++)
	{
		char text[400] = "";
		char given[100] = "";
		char out[SIZE];
		char again[SIZE];
		NormalName name;
		NormalName twice;

		for (int i = 0; i < 8; i++)
		{
			seed = seed * 1664525 + 1013904223;
			strcat(text, pieces[(seed >> 8) % LENGTH_OF(pieces)]);
			if (i == 2)
				strcpy(given, text);
		}
		for (size_t f = 0; f < LENGTH_OF(functions); f++)
		{
			(void) functions[f](Shared, text, -1, out, SIZE);
			(void) functions[f](Shared, out, -1, again, SIZE);
			if (strcmp(out, again) != 0)
				fail_msg("function %zu of \"%s\": \"%s\", then \"%s\"", f, text,
						 out, again);
		}
		for (int kind = 0; kind < NORMALISE_KINDS; kind++)
		{
			(void) NormaliseIdentifier(Shared, (NormaliseKind) kind, text, -1,
									   NULL, out, SIZE);
			(void) NormaliseIdentifier(Shared, (NormaliseKind) kind, out, -1,
									   NULL, again, SIZE);
			if (strcmp(out, again) != 0)
				fail_msg("identifier %d of \"%s\": \"%s\", then \"%s\"", kind,
						 text, out, again);
		}
		(void) NormaliseName(Shared, text, round % 2 ? given : NULL, NULL,
							 &name);
		(void) NormaliseName(Shared, NULL, name.given, name.surname, &twice);
		if (strcmp(name.surname, twice.surname) != 0 ||
			strcmp(name.given, twice.given) != 0)
			fail_msg("name \"%s\": \"%s\" \"%s\", then \"%s\" \"%s\"", text,
					 name.surname, name.given, twice.surname, twice.given);
		{
			NormalDate date = NormaliseDate(Shared, text, -1);
			NormalDate second = NormaliseDate(Shared, date.digits, -1);

			if (strcmp(date.digits, second.digits) != 0)
				fail_msg("date \"%s\": \"%s\", then \"%s\"", text, date.digits,
						 second.digits);
		}
	}
}

static int
open_normaliser(void **state)
{
	(void) state;
	Shared = NormaliserCreate();
	return Shared == NULL;
}

static int
close_normaliser(void **state)
{
	(void) state;
	NormaliserFree(Shared);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_of_any_script),
		cmocka_unit_test(native_hashes_tell_hanzi_apart),
		cmocka_unit_test(chinese_names),
		cmocka_unit_test(other_names),
		cmocka_unit_test(stand_ins_are_no_names),
		cmocka_unit_test(addresses),
		cmocka_unit_test(phones),
		cmocka_unit_test(emails),
		cmocka_unit_test(identifiers),
		cmocka_unit_test(national_ids),
		cmocka_unit_test(dates),
		cmocka_unit_test(genders),
		cmocka_unit_test(pinyin_is_split),
		cmocka_unit_test(small_buffers),
		cmocka_unit_test(a_megabyte),
		cmocka_unit_test(normalising_twice_changes_nothing)};

	return cmocka_run_group_tests(tests, open_normaliser, close_normaliser);
}
