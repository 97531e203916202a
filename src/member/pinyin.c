/*-------------------------------------------------------------------------
 *
 * pinyin.c
 *	  Chinese names: which syllables there are, which surnames, and how a
 *	  surname is read.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/pinyin.h"

#include <stddef.h>
#include <string.h>
#include <uchar.h>

/*
 * Every syllable of the standard language, ü as v and as it is in passports
 * (lyu), in the order of the alphabet; and whether some surname reads so.
 */
typedef struct Syllable
{
	char letters[7];
	bool surname;
} Syllable;

static const Syllable Syllables[] = {
	{"a", false},	   {"ai", true},	 {"an", true},	   {"ang", false},
	{"ao", true},	   {"ba", true},	 {"bai", true},	   {"ban", true},
	{"bang", false},   {"bao", true},	 {"bei", true},	   {"ben", true},
	{"beng", false},   {"bi", true},	 {"bian", true},   {"biao", false},
	{"bie", true},	   {"bin", true},	 {"bing", false},  {"bo", true},
	{"bu", true},	   {"ca", false},	 {"cai", true},	   {"can", true},
	{"cang", true},	   {"cao", true},	 {"ce", false},	   {"cen", true},
	{"ceng", false},   {"cha", true},	 {"chai", true},   {"chan", true},
	{"chang", true},   {"chao", true},	 {"che", true},	   {"chen", true},
	{"cheng", true},   {"chi", true},	 {"chong", true},  {"chou", false},
	{"chu", true},	   {"chua", false},	 {"chuai", true},  {"chuan", false},
	{"chuang", false}, {"chui", true},	 {"chun", true},   {"chuo", false},
	{"ci", true},	   {"cong", true},	 {"cou", false},   {"cu", false},
	{"cuan", false},   {"cui", true},	 {"cun", false},   {"cuo", false},
	{"da", true},	   {"dai", true},	 {"dan", true},	   {"dang", true},
	{"dao", true},	   {"de", false},	 {"dei", false},   {"den", false},
	{"deng", true},	   {"di", true},	 {"dia", false},   {"dian", false},
	{"diao", true},	   {"die", false},	 {"ding", true},   {"diu", false},
	{"dong", true},	   {"dou", true},	 {"du", true},	   {"duan", true},
	{"dui", false},	   {"dun", true},	 {"duo", true},	   {"e", true},
	{"ei", false},	   {"en", false},	 {"eng", false},   {"er", false},
	{"fa", false},	   {"fan", true},	 {"fang", true},   {"fei", true},
	{"fen", true},	   {"feng", true},	 {"fo", false},	   {"fou", false},
	{"fu", true},	   {"ga", false},	 {"gai", true},	   {"gan", true},
	{"gang", true},	   {"gao", true},	 {"ge", true},	   {"gei", false},
	{"gen", true},	   {"geng", true},	 {"gong", true},   {"gou", true},
	{"gu", true},	   {"gua", true},	 {"guai", false},  {"guan", true},
	{"guang", true},   {"gui", true},	 {"gun", false},   {"guo", true},
	{"ha", true},	   {"hai", true},	 {"han", true},	   {"hang", true},
	{"hao", true},	   {"he", true},	 {"hei", true},	   {"hen", false},
	{"heng", true},	   {"hong", true},	 {"hou", true},	   {"hu", true},
	{"hua", true},	   {"huai", true},	 {"huan", true},   {"huang", true},
	{"hui", true},	   {"hun", false},	 {"huo", true},	   {"ji", true},
	{"jia", true},	   {"jian", true},	 {"jiang", true},  {"jiao", true},
	{"jie", true},	   {"jin", true},	 {"jing", true},   {"jiong", false},
	{"jiu", false},	   {"ju", true},	 {"juan", true},   {"jue", true},
	{"jun", true},	   {"ka", false},	 {"kai", false},   {"kan", true},
	{"kang", true},	   {"kao", true},	 {"ke", true},	   {"kei", false},
	{"ken", false},	   {"keng", false},	 {"kong", true},   {"kou", true},
	{"ku", true},	   {"kua", false},	 {"kuai", true},   {"kuan", false},
	{"kuang", true},   {"kui", true},	 {"kun", false},   {"kuo", false},
	{"la", false},	   {"lai", true},	 {"lan", true},	   {"lang", true},
	{"lao", true},	   {"le", true},	 {"lei", true},	   {"leng", true},
	{"li", true},	   {"lia", false},	 {"lian", true},   {"liang", true},
	{"liao", true},	   {"lie", true},	 {"lin", true},	   {"ling", true},
	{"liu", true},	   {"long", true},	 {"lou", true},	   {"lu", true},
	{"luan", true},	   {"lue", false},	 {"lun", true},	   {"luo", true},
	{"lv", true},	   {"lve", false},	 {"lyu", true},	   {"ma", true},
	{"mai", true},	   {"man", true},	 {"mang", true},   {"mao", true},
	{"me", false},	   {"mei", true},	 {"men", true},	   {"meng", true},
	{"mi", true},	   {"mian", true},	 {"miao", true},   {"mie", false},
	{"min", true},	   {"ming", true},	 {"miu", false},   {"mo", true},
	{"mou", true},	   {"mu", true},	 {"na", true},	   {"nai", true},
	{"nan", true},	   {"nang", true},	 {"nao", false},   {"ne", false},
	{"nei", false},	   {"nen", false},	 {"neng", false},  {"ni", true},
	{"nian", true},	   {"niang", false}, {"niao", false},  {"nie", true},
	{"nin", false},	   {"ning", true},	 {"niu", true},	   {"nong", true},
	{"nou", false},	   {"nu", false},	 {"nuan", false},  {"nue", false},
	{"nuo", false},	   {"nv", false},	 {"nve", false},   {"nyu", false},
	{"o", false},	   {"ou", true},	 {"pa", false},	   {"pai", false},
	{"pan", true},	   {"pang", true},	 {"pao", false},   {"pei", true},
	{"pen", false},	   {"peng", true},	 {"pi", true},	   {"pian", true},
	{"piao", true},	   {"pie", false},	 {"pin", false},   {"ping", true},
	{"po", false},	   {"pou", false},	 {"pu", true},	   {"qi", true},
	{"qia", false},	   {"qian", true},	 {"qiang", true},  {"qiao", true},
	{"qie", true},	   {"qin", true},	 {"qing", true},   {"qiong", true},
	{"qiu", true},	   {"qu", true},	 {"quan", true},   {"que", true},
	{"qun", false},	   {"ran", true},	 {"rang", true},   {"rao", true},
	{"re", false},	   {"ren", true},	 {"reng", false},  {"ri", false},
	{"rong", true},	   {"rou", false},	 {"ru", true},	   {"rua", false},
	{"ruan", true},	   {"rui", true},	 {"run", true},	   {"ruo", true},
	{"sa", true},	   {"sai", true},	 {"san", true},	   {"sang", true},
	{"sao", false},	   {"se", true},	 {"sen", true},	   {"seng", false},
	{"sha", true},	   {"shai", false},	 {"shan", true},   {"shang", true},
	{"shao", true},	   {"she", true},	 {"shei", false},  {"shen", true},
	{"sheng", true},   {"shi", true},	 {"shou", true},   {"shu", true},
	{"shua", false},   {"shuai", true},	 {"shuan", false}, {"shuang", false},
	{"shui", true},	   {"shun", false},	 {"shuo", false},  {"si", true},
	{"song", true},	   {"sou", false},	 {"su", true},	   {"suan", false},
	{"sui", true},	   {"sun", true},	 {"suo", true},	   {"ta", false},
	{"tai", true},	   {"tan", true},	 {"tang", true},   {"tao", true},
	{"te", false},	   {"teng", true},	 {"ti", true},	   {"tian", true},
	{"tiao", false},   {"tie", true},	 {"ting", true},   {"tong", true},
	{"tou", true},	   {"tu", true},	 {"tuan", false},  {"tui", false},
	{"tun", false},	   {"tuo", true},	 {"wa", false},	   {"wai", false},
	{"wan", true},	   {"wang", true},	 {"wei", true},	   {"wen", true},
	{"weng", true},	   {"wo", true},	 {"wu", true},	   {"xi", true},
	{"xia", true},	   {"xian", true},	 {"xiang", true},  {"xiao", true},
	{"xie", true},	   {"xin", true},	 {"xing", true},   {"xiong", true},
	{"xiu", true},	   {"xu", true},	 {"xuan", true},   {"xue", true},
	{"xun", true},	   {"ya", true},	 {"yan", true},	   {"yang", true},
	{"yao", true},	   {"ye", true},	 {"yi", true},	   {"yin", true},
	{"ying", true},	   {"yo", false},	 {"yong", true},   {"you", true},
	{"yu", true},	   {"yuan", true},	 {"yue", true},	   {"yun", true},
	{"za", true},	   {"zai", true},	 {"zan", true},	   {"zang", true},
	{"zao", false},	   {"ze", true},	 {"zei", false},   {"zen", false},
	{"zeng", true},	   {"zha", true},	 {"zhai", true},   {"zhan", true},
	{"zhang", true},   {"zhao", true},	 {"zhe", false},   {"zhei", false},
	{"zhen", true},	   {"zheng", true},	 {"zhi", true},	   {"zhong", true},
	{"zhou", true},	   {"zhu", true},	 {"zhua", false},  {"zhuai", false},
	{"zhuan", true},   {"zhuang", true}, {"zhui", false},  {"zhun", false},
	{"zhuo", true},	   {"zi", true},	 {"zong", true},   {"zou", true},
	{"zu", true},	   {"zuan", false},	 {"zui", false},   {"zun", false},
	{"zuo", true}};

#define N_SYLLABLES ((int) (sizeof(Syllables) / sizeof(Syllables[0])))

/* Surnames of more than one syllable. */
static const char *const LongSurnames[] = {
	"aixinjueluo", "baili",	   "chanyu",	"chunyu",	"diwu",		"dongfang",
	"dongguo",	   "dongmen",  "duanmu",	"dugu",		"gongsun",	"gongxi",
	"gongyang",	   "gongye",   "guanqiu",	"gulang",	"helian",	"huangfu",
	"huyan",	   "liangqiu", "linghu",	"lvqiu",	"lyuqiu",	"moqi",
	"murong",	   "nalan",	   "nangong",	"nanmen",	"ouyang",	"puyang",
	"qidiao",	   "rangsi",   "shangguan", "shentu",	"sikong",	"sima",
	"situ",		   "taishi",   "tantai",	"tuoba",	"wanyan",	"wuma",
	"xiahou",	   "xianyu",   "ximen",		"xuanyuan", "yelv",		"yuchi",
	"yuwen",	   "zaifu",	   "zhangsun",	"zhongli",	"zhuansun", "zhuge",
	"zongzheng",   "zuoqiu"};

/* Surnames of one character, the usual ones first. */
static const char32_t SingleSurnames[] =
	U"王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘"
	U"袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦"
	U"邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤康易乔赖文施樊"
	U"兰殷葛洪安颜倪牛温芦季俞章鲁涂尤毕聂庄焦左关包岳翟宁柳耿詹齐欧阮祝纪骆司"
	U"辛费游时凌甘裴穆卫卞盛卓单柯屈童饶苗鲍谷路冉娄裘管应佘蒙宗仇解区查盖朴华"
	U"乐召卜晁秘冼洗黑员那能哈折种重柏车隗缪逄牟祭谌郇郗宓瞿郜郄句勾角亢阚过炅"
	U"乜缑燕要相行间钭贲藏臧少薄撒塔於殳麴曲连古窦储衣冀雍郁靳舒尚褚嵇阎喻宫景"
	U"杭幸刁苑瓮糜井富巫乌巴弓牧蓬全班仰秋仲伊栾暴厉戎祖束韶蓟邢滑荣翁荀羊惠甄"
	U"封芮羿汲邴松隆茅梅麻强危花昝俸支昌宦明计伏成谈庞项屠胥闻莘党贡劳姬申扶堵"
	U"宰郦却璩桑桂濮寿通边扈浦郏农别晏柴充慕茹习艾鱼容慎戈终暨居衡步都满弘匡国"
	U"寇广禄阙东殴沃利蔚越夔师巩厍敖融冷訾简空毋沙养鞠须丰巢蒯荆红竺权逯后法汝"
	U"鄢仉督帅有琴商墨谯笪年爱阳佟第言福肇苟来多海木水米战由火占粟信扬原岑苍练"
	U"丛皮卿候南银承才洋香冒敬但奉玉轩郎尧禹青揭寻代铁晋莎宛阴台矫浑伍母诸虞阿"
	U"公哀霍云滕平池和闵席郞赫真泮晃刀初朗豆典修藤山俱力斯拓贝缠随展昂恽干况鹿"
	U"仝禚竹线綦佴伯仁撖逢钮洛褟麦敦么户库岩崇尔邸邬郸鄞辜迟丘揣楚闪闭颛";

/* Surnames of two characters, one behind the other. */
static const char32_t DoubleSurnames[] =
	U"欧阳司马上官诸葛司徒东方皇甫公孙慕容令狐夏侯长孙宇文轩辕尉迟独孤南宫东郭"
	U"百里西门万俟淳于单于太史申屠公冶宗政濮阳澹台公羊赫连呼延钟离鲜于闾丘司空"
	U"第五拓跋端木巫马漆雕壤驷宰父公西颛孙梁丘左丘东门南门谷梁完颜耶律纳兰亓官"
	U"仲孙司寇乐正子车叔孙屠岸夹谷微生段干羊舌";

/* Readings that a surname keeps to, where its characters have several. */
static const struct
{
	char32_t hanzi[2];
	const char *reading;
} SurnameReadings[] = {{{U'曾', 0}, "zeng"},
					   {{U'单', 0}, "shan"},
					   {{U'仇', 0}, "qiu"},
					   {{U'解', 0}, "xie"},
					   {{U'区', 0}, "ou"},
					   {{U'查', 0}, "zha"},
					   {{U'盖', 0}, "ge"},
					   {{U'朴', 0}, "piao"},
					   {{U'任', 0}, "ren"},
					   {{U'华', 0}, "hua"},
					   {{U'纪', 0}, "ji"},
					   {{U'应', 0}, "ying"},
					   {{U'宁', 0}, "ning"},
					   {{U'翟', 0}, "zhai"},
					   {{U'乐', 0}, "yue"},
					   {{U'召', 0}, "shao"},
					   {{U'卜', 0}, "bu"},
					   {{U'晁', 0}, "chao"},
					   {{U'秘', 0}, "bi"},
					   {{U'冼', 0}, "xian"},
					   {{U'洗', 0}, "xian"},
					   {{U'繁', 0}, "po"},
					   {{U'黑', 0}, "he"},
					   {{U'员', 0}, "yun"},
					   {{U'那', 0}, "na"},
					   {{U'能', 0}, "nai"},
					   {{U'哈', 0}, "ha"},
					   {{U'盛', 0}, "sheng"},
					   {{U'石', 0}, "shi"},
					   {{U'折', 0}, "she"},
					   {{U'种', 0}, "chong"},
					   {{U'柏', 0}, "bai"},
					   {{U'车', 0}, "che"},
					   {{U'隗', 0}, "wei"},
					   {{U'缪', 0}, "miao"},
					   {{U'逄', 0}, "pang"},
					   {{U'牟', 0}, "mu"},
					   {{U'祭', 0}, "zhai"},
					   {{U'覃', 0}, "qin"},
					   {{U'谌', 0}, "chen"},
					   {{U'郇', 0}, "xun"},
					   {{U'郗', 0}, "chi"},
					   {{U'宓', 0}, "mi"},
					   {{U'瞿', 0}, "qu"},
					   {{U'句', 0}, "gou"},
					   {{U'角', 0}, "jue"},
					   {{U'阚', 0}, "kan"},
					   {{U'过', 0}, "guo"},
					   {{U'乜', 0}, "nie"},
					   {{U'燕', 0}, "yan"},
					   {{U'要', 0}, "yao"},
					   {{U'相', 0}, "xiang"},
					   {{U'行', 0}, "xing"},
					   {{U'间', 0}, "jian"},
					   {{U'贲', 0}, "ben"},
					   {{U'藏', 0}, "zang"},
					   {{U'薄', 0}, "bo"},
					   {{U'撒', 0}, "sa"},
					   {{U'沈', 0}, "shen"},
					   {{U'叶', 0}, "ye"},
					   {{U'冯', 0}, "feng"},
					   {{U'尹', 0}, "yin"},
					   {{U'曲', 0}, "qu"},
					   {{U'吕', 0}, "lv"},
					   {{U'重', 0}, "chong"},
					   {{U'贾', 0}, "jia"},
					   {{U'葛', 0}, "ge"},
					   {{U'谷', 0}, "gu"},
					   {{U'费', 0}, "fei"},
					   {{U'柳', 0}, "liu"},
					   {{U'长', 0}, "chang"},
					   {{U'万', 0}, "wan"},
					   {{U'俞', 0}, "yu"},
					   {{U'訾', 0}, "zi"},
					   {{U'昝', 0}, "zan"},
					   {{U'逯', 0}, "lu"},
					   {{U'莘', 0}, "shen"},
					   {{U'尉', 0}, "wei"},
					   {{U'缴', 0}, "jiao"},
					   {{U'郝', 0}, "hao"},
					   {{U'戚', 0}, "qi"},
					   {{U'仉', 0}, "zhang"},
					   {{U'佴', 0}, "nai"},
					   {{U'厍', 0}, "she"},
					   {{U'禚', 0}, "zhuo"},
					   {{U'綦', 0}, "qi"},
					   {{U'撖', 0}, "han"},
					   {{U'於', 0}, "yu"},
					   {{U'都', 0}, "du"},
					   {{U'强', 0}, "qiang"},
					   {{U'合', 0}, "he"},
					   {{U'六', 0}, "lu"},
					   {{U'会', 0}, "gui"},
					   {{U'大', 0}, "da"},
					   {{U'芮', 0}, "rui"},
					   {{U'炅', 0}, "gui"},
					   {{U'呙', 0}, "guo"},
					   {{U'晟', 0}, "cheng"},
					   {{U'适', 0}, "kuo"},
					   {{U'褚', 0}, "chu"},
					   {{U'臧', 0}, "zang"},
					   {{U'颉', 0}, "xie"},
					   {{U'娄', 0}, "lou"},
					   {{U'尧', 0}, "yao"},
					   {{U'贠', 0}, "yun"},
					   {{U'闫', 0}, "yan"},
					   {{U'阎', 0}, "yan"},
					   {{U'斯', 0}, "si"},
					   {{U'骆', 0}, "luo"},
					   {{U'洛', 0}, "luo"},
					   {{U'台', 0}, "tai"},
					   {{U'亓', 0}, "qi"},
					   {{U'郄', 0}, "qie"},
					   {{U'便', 0}, "pian"},
					   {{U'数', 0}, "shu"},
					   {{U'少', 0}, "shao"},
					   {{U'假', 0}, "jia"},
					   {{U'兴', 0}, "xing"},
					   {{U'尤', 0}, "you"},
					   {{U'家', 0}, "jia"},
					   {{U'欧', U'阳'}, "ouyang"},
					   {{U'司', U'马'}, "sima"},
					   {{U'上', U'官'}, "shangguan"},
					   {{U'诸', U'葛'}, "zhuge"},
					   {{U'司', U'徒'}, "situ"},
					   {{U'东', U'方'}, "dongfang"},
					   {{U'皇', U'甫'}, "huangfu"},
					   {{U'公', U'孙'}, "gongsun"},
					   {{U'慕', U'容'}, "murong"},
					   {{U'令', U'狐'}, "linghu"},
					   {{U'夏', U'侯'}, "xiahou"},
					   {{U'长', U'孙'}, "zhangsun"},
					   {{U'宇', U'文'}, "yuwen"},
					   {{U'轩', U'辕'}, "xuanyuan"},
					   {{U'尉', U'迟'}, "yuchi"},
					   {{U'独', U'孤'}, "dugu"},
					   {{U'南', U'宫'}, "nangong"},
					   {{U'万', U'俟'}, "moqi"},
					   {{U'单', U'于'}, "chanyu"},
					   {{U'澹', U'台'}, "tantai"},
					   {{U'濮', U'阳'}, "puyang"},
					   {{U'鲜', U'于'}, "xianyu"},
					   {{U'闾', U'丘'}, "lvqiu"},
					   {{U'拓', U'跋'}, "tuoba"},
					   {{U'亓', U'官'}, "qiguan"},
					   {{U'乐', U'正'}, "yuezheng"},
					   {{U'宰', U'父'}, "zaifu"},
					   {{U'子', U'车'}, "ziju"},
					   {{U'耶', U'律'}, "yelv"},
					   {{U'百', U'里'}, "baili"},
					   {{U'呼', U'延'}, "huyan"},
					   {{U'谷', U'梁'}, "guliang"},
					   {{U'颛', U'孙'}, "zhuansun"},
					   {{U'夹', U'谷'}, "jiagu"},
					   {{U'赫', U'连'}, "helian"},
					   {{U'申', U'屠'}, "shentu"}};

/* The same for given names. */
static const struct
{
	char32_t hanzi;
	const char *reading;
} GivenReadings[] = {
	{U'长', "chang"}, {U'曾', "zeng"},	{U'参', "shen"},  {U'藏', "cang"},
	{U'茜', "qian"},  {U'莎', "sha"},	{U'娜', "na"},	  {U'乐', "le"},
	{U'朴', "pu"},	  {U'少', "shao"},	{U'晟', "sheng"}, {U'朝', "chao"},
	{U'盛', "sheng"}, {U'强', "qiang"}, {U'行', "xing"},  {U'重', "zhong"},
	{U'都', "du"},	  {U'调', "diao"},	{U'单', "dan"},	  {U'廷', "ting"}};

/* Finds a syllable, or NULL. */
static const Syllable *
FindSyllable(const char *letters, int n)
{
	char key[7] = {0};
	int low = 0;
	int high = N_SYLLABLES;

	if (n < 1 || n > 6)
		return NULL;
	for (int i = 0; i < n; i++)
		key[i] = letters[i];
	while (low < high)
	{
		int middle = (low + high) / 2;
		int order = memcmp(key, Syllables[middle].letters, sizeof(key));

		if (order == 0)
			return &Syllables[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

bool
PinyinIsSyllable(const char *letters, int n)
{
	return FindSyllable(letters, n) != NULL;
}

bool
PinyinIsSurname(const char *letters, int n)
{
	const Syllable *syllable = FindSyllable(letters, n);

	if (syllable != NULL)
		return syllable->surname;
	for (size_t i = 0; n > 3 && i < sizeof(LongSurnames) / sizeof(char *); i++)
		if (LongSurnames[i][0] == letters[0] &&
			strncmp(LongSurnames[i], letters, (size_t) n) == 0 &&
			LongSurnames[i][n] == '\0')
			return true;
	return false;
}

int
PinyinSplit(const char *letters, int n, uint8_t lengths[], int max)
{
	if (n == 0 || max <= 0)
		return 0;
	for (int first = n < 6 ? n : 6; first > 0; first--)
	{
		int rest;

		if (!PinyinIsSyllable(letters, first))
			continue;
		lengths[0] = (uint8_t) first;
		if (first == n)
			return 1;
		rest = PinyinSplit(letters + first, n - first, lengths + 1, max - 1);
		if (rest > 0)
			return rest + 1;
	}
	return 0;
}

int
PinyinSurnameLength(const uint32_t *hanzi, int n)
{
	if (n > 1)
		for (int i = 0; DoubleSurnames[i] != 0; i += 2)
			if (DoubleSurnames[i] == hanzi[0] &&
				DoubleSurnames[i + 1] == hanzi[1])
				return 2;
	for (int i = 0; n > 0 && SingleSurnames[i] != 0; i++)
		if (SingleSurnames[i] == hanzi[0])
			return 1;
	return 0;
}

const char *
PinyinSurnameReading(const uint32_t *hanzi, int n)
{
	const int known =
		(int) (sizeof(SurnameReadings) / sizeof(SurnameReadings[0]));

	for (int i = 0; i < known; i++)
		if ((n == 1 || n == 2) && SurnameReadings[i].hanzi[0] == hanzi[0] &&
			SurnameReadings[i].hanzi[1] == (n == 2 ? hanzi[1] : 0))
			return SurnameReadings[i].reading;
	return NULL;
}

const char *
PinyinGivenReading(uint32_t hanzi)
{
	const int known = (int) (sizeof(GivenReadings) / sizeof(GivenReadings[0]));

	for (int i = 0; i < known; i++)
		if (GivenReadings[i].hanzi == hanzi)
			return GivenReadings[i].reading;
	return NULL;
}
