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

/* Finals by initial: every syllable of the standard language, ü as v. */
static const struct
{
	const char *initial;
	const char *finals; /* each between two blanks; "-" is none */
} Syllables[] = {
	{"zh", " a ai an ang ao e ei en eng i ong ou u ua uai uan uang ui un uo "},
	{"ch", " a ai an ang ao e en eng i ong ou u ua uai uan uang ui un uo "},
	{"sh", " a ai an ang ao e ei en eng i ou u ua uai uan uang ui un uo "},
	{"b", " a ai an ang ao ei en eng i ian iao ie in ing o u "},
	{"p", " a ai an ang ao ei en eng i ian iao ie in ing o ou u "},
	{"m", " a ai an ang ao e ei en eng i ian iao ie in ing iu o ou u "},
	{"f", " a an ang ei en eng o ou u "},
	{"d",
	 " a ai an ang ao e ei en eng i ia ian iao ie ing iu ong ou u uan ui un uo "},
	{"t", " a ai an ang ao e eng i ian iao ie ing ong ou u uan ui un uo "},
	{"n",
	 " a ai an ang ao e ei en eng i ian iang iao ie in ing iu ong ou u uan uo v ve yu ue "},
	{"l",
	 " a ai an ang ao e ei eng i ia ian iang iao ie in ing iu ong ou u uan un uo v ve yu ue "},
	{"g", " a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo "},
	{"k", " a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo "},
	{"h", " a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo "},
	{"j", " i ia ian iang iao ie in ing iong iu u uan ue un "},
	{"q", " i ia ian iang iao ie in ing iong iu u uan ue un "},
	{"x", " i ia ian iang iao ie in ing iong iu u uan ue un "},
	{"r", " an ang ao e en eng i ong ou u ua uan ui un uo "},
	{"z", " a ai an ang ao e ei en eng i ong ou u uan ui un uo "},
	{"c", " a ai an ang ao e en eng i ong ou u uan ui un uo "},
	{"s", " a ai an ang ao e en eng i ong ou u uan ui un uo "},
	{"y", " a an ang ao e i in ing o ong ou u uan ue un "},
	{"w", " a ai an ang ei en eng o u "},
	{"", " a ai an ang ao e ei en eng er o ou "},
};

/* How surnames are written in pinyin, by their first letter. */
static const char *const SurnamePinyin[26] = {
	['a' - 'a'] = " ai an ao aixinjueluo ",
	['b' - 'a'] = " ba bai ban bao bei ben bi bian bie bin bo bu baili ",
	['c' - 'a'] =
		" cai can cang cao cen cha chai chan chang chao che chen cheng chi "
		"chong chu chuai chui chun ci cong cui chunyu chanyu ",
	['d' - 'a'] =
		" da dai dan dang dao deng di diao ding dong dou du duan dun duo "
		"dongfang dugu dongguo diwu duanmu dongmen ",
	['e' - 'a'] = " e ",
	['f' - 'a'] = " fan fang fei fen feng fu ",
	['g' - 'a'] =
		" gai gan gang gao ge gen geng gong gou gu gua guan guang gui guo "
		"gongsun gongye gongyang guanqiu gongxi gulang ",
	['h' - 'a'] =
		" ha hai han hang hao he hei heng hong hou hu hua huai huan huang hui "
		"huo huangfu helian huyan ",
	['j' - 'a'] = " ji jia jian jiang jiao jie jin jing ju juan jue jun ",
	['k' - 'a'] = " kan kang kao ke kong kou ku kuai kuang kui ",
	['l' - 'a'] =
		" lai lan lang lao le lei leng li lian liang liao lie lin ling liu "
		"long lou lu luan lun luo lv lyu linghu lvqiu lyuqiu liangqiu ",
	['m' - 'a'] =
		" ma mai man mang mao mei men meng mi mian miao min ming mo mou mu "
		"murong moqi ",
	['n' - 'a'] =
		" na nai nan nang ni nian nie ning niu nong nangong nanmen nalan ",
	['o' - 'a'] = " ou ouyang ",
	['p' - 'a'] = " pan pang pei peng pi pian piao ping pu puyang ",
	['q' - 'a'] =
		" qi qian qiang qiao qie qin qing qiong qiu qu quan que qidiao ",
	['r' - 'a'] = " ran rang rao ren rong ru ruan rui run ruo rangsi ",
	['s' - 'a'] =
		" sa sai san sang se sen sha shan shang shao she shen sheng shi shou "
		"shu shuai shui si song su sui sun suo sima shangguan situ shentu "
		"sikong ",
	['t' - 'a'] =
		" tai tan tang tao teng ti tian tie ting tong tou tu tuo taishi tantai "
		"tuoba ",
	['w' - 'a'] = " wan wang wei wen weng wo wu wuma wanyan ",
	['x' - 'a'] =
		" xi xia xian xiang xiao xie xin xing xiong xiu xu xuan xue xun xiahou "
		"xuanyuan ximen xianyu ",
	['y' - 'a'] =
		" ya yan yang yao ye yi yin ying yong you yu yuan yue yun yuwen yuchi "
		"yelv ",
	['z' - 'a'] =
		" za zai zan zang ze zeng zha zhai zhan zhang zhao zhen zheng zhi "
		"zhong zhou zhu zhuan zhuang zhuo zi zong zou zu zuo zhuge zhangsun "
		"zongzheng zhongli zaifu zhuansun zuoqiu "};

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

/* Is the word in this list of words, each between two blanks? */
static bool
InList(const char *word, int n, const char *list)
{
	for (const char *at = list; (at = strchr(at, ' ')) != NULL; at++)
		if (strncmp(at + 1, word, (size_t) n) == 0 && at[1 + n] == ' ')
			return true;
	return false;
}

bool
PinyinIsSyllable(const char *letters, int n)
{
	if (n < 1 || n > 6)
		return false;
	for (size_t i = 0; i < sizeof(Syllables) / sizeof(Syllables[0]); i++)
	{
		const char *initial = Syllables[i].initial;
		int length = (int) strlen(initial);

		if (n > length &&
			(length == 0 ||
			 (letters[0] == initial[0] &&
			  (length == 1 || letters[1] == initial[1]))) &&
			InList(letters + length, n - length, Syllables[i].finals))
			return true;
	}
	return false;
}

bool
PinyinIsSurname(const char *letters, int n)
{
	const char *list;

	if (n < 1 || n > 15 || letters[0] < 'a' || letters[0] > 'z')
		return false;
	list = SurnamePinyin[letters[0] - 'a'];
	return list != NULL && InList(letters, n, list);
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
