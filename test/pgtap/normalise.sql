-- normalise.sql: the SQL face of the normaliser: every function, nulls, bad arguments, bad bytes, labels and grants.
BEGIN;
SET client_min_messages = warning;
SELECT set_config('search_path', current_setting('search_path') || ', retail', true) \g /dev/null
SELECT * FROM no_plan();

SELECT is(pinyin('王小明 Ｓｍｉｔｈ 😀'), 'wang xiao ming smith', 'hanzi are a word each');
SELECT is(pinyin('Nguyễn Щукин'), 'nguyen shchukin', 'other scripts');
SELECT is(pinyin(' -!😀 '), NULL, 'nothing is left');

SELECT is(normalise_name(n), 'ouyang, xiaoming', n) FROM unnest('{欧阳小明,OUYANG Xiao Ming,Xiaoming Ouyang,"歐陽 小明","Ōuyáng Xiǎomíng",欧阳小明先生}'::text[]) n;
SELECT is(normalise_name(n), 'smith, john', n) FROM unnest('{"John Smith","SMITH, John","Mr. John Smith Jr.","ｊｏｈｎ ｓｍｉｔｈ","smith, john"}'::text[]) n;
SELECT is(normalise_name('曾国藩'), 'zeng, guofan', 'a surname is read as one');
SELECT is(normalise_name('Cher'), 'cher', 'one word');
SELECT is(normalise_name(n), NULL, n) FROM unnest('{test,微信用户,13812345678,"",...}'::text[]) n;
SELECT is(split_name('王小明')::text, '(wang,xiaoming,,,t,f,f)', 'a full name is split');
SELECT is(split_name(given_name => '小明', surname_name => '王')::text, '(wang,xiaoming,,,t,f,f)', '... or came so');
SELECT is(split_name('Mrs Anna Lee III')::text, '(lee,anna,iii,f,f,f,f)', 'title and suffix');
SELECT is(split_name(given_name => 'unknown', surname_name => 'Smith')::text, '(smith,,,,f,f,f)', 'a part that is a stand-in');
SELECT is(split_name('游客')::text, '(,,,,f,f,t)', 'a stand-in');
SELECT is(split_name()::text, '(,,,,f,f,f)', 'nothing');

SELECT is(normalise_address('江苏省无锡市滨湖区蠡湖大道100号3栋501室'), 'jiangsu wuxi binhu lihu ave 100 3 501', 'a Chinese address');
SELECT is(normalise_address('53 Burdekin Avenue'), normalise_address('53 burdekin ave.'), 'abbreviations');
SELECT is(normalise_place('无锡市'), normalise_place('Wuxi'), 'a city');
SELECT is(normalise_postcode(' SW1A 1aa'), 'sw1a1aa', 'a postcode');

SELECT is(normalise_phone(p), '+8613912345679', p) FROM unnest('{139-1234-5679,+86 139 1234 5679,008613912345679,８６１３９１２３４５６７９,013912345679}'::text[]) p;
SELECT is(normalise_phone('(08) 2686 7498', 'AU'), '+61826867498', 'another country');
SELECT is(normalise_phone('(08) 2686 7498', 'xx'), '0826867498', 'a country without a plan');
SELECT is(normalise_phone('010-61234567转801'), '+861061234567;ext=801', 'an extension');
SELECT is(normalise_phone('none'), NULL, 'no digits');
SELECT raises('RT016', format('SELECT retail.normalise_phone(''1'', %L)', c), 'country ' || c) FROM unnest('{"",C,CHN,中,12}'::text[]) c;
SELECT is(normalise_phone(NULL), NULL, 'null') UNION ALL SELECT is(normalise_phone('1', NULL), NULL, 'null country');

SELECT is(normalise_email(' J.Doe+x@GoogleMail.com'), 'jdoe@gmail.com', 'what a provider ignores');
SELECT is(normalise_email('张三@例子.中国'), '张三@xn--fsqu00a.xn--fiqs8s', 'other scripts');
SELECT is(normalise_email('  '), NULL, 'blank');

SELECT is(normalise_identifier(t, v), r, t) FROM (VALUES ('phone', '139 1234 5679', '+8613912345679'), ('email', 'A@B.CN', 'a@b.cn'), ('card', '6212-ab ', '6212AB'),
	('device', 'AB-CD:12', 'abcd12'), ('wechat_unionid', ' oAbC_d ', 'oAbC_d'), ('whatever', '小 明', '小 明'), ('card', ' - ', NULL)) x (t, v, r);
SELECT is(normalise_identifier('national_id', '11010519491231002x'), encode(sha256('11010519491231002X'), 'hex'), 'a national id leaves as its hash');
SELECT is(normalise_identifier('national_id', '110105491231002'), normalise_identifier('national_id', '11010519491231002X'), '... its old form, too');
SELECT is(normalise_identifier('national_id', normalise_identifier('national_id', '7909103')), normalise_identifier('national_id', '7909103'), '... and a hash stays');
SELECT is(read_national_id('11010519491231002X')::text, format('(t,%s,1949-12-31,f)', encode(sha256('11010519491231002X'), 'hex')), 'what a national id tells');
SELECT is((read_national_id('11010519491231002' || d)).is_valid, d = 'X', 'check digit ' || d) FROM unnest('{0,1,2,3,4,5,6,7,8,9,X}'::text[]) d;
SELECT is((read_national_id('')).hash, NULL, 'no national id, no hash');

SELECT is(is_stand_in(t, v), true, format('%s %s', t, v)) FROM (VALUES ('phone', '13800138000'), ('phone', '00000000'), ('phone', '139****5679'), ('phone', 'none'), ('email', 'test@test.com'),
	('email', 'a@example.com'), ('card', '12345678'), ('card', '0000'), ('wechat_openid', 'NULL'), ('device', '00000000-0000-0000-0000-000000000000'), ('douyin_id', '无'), ('card', '')) x (t, v);
SELECT is(is_stand_in(t, v), false, format('%s %s', t, v)) FROM (VALUES ('phone', '13912345679'), ('email', 'wang@qq.com'), ('card', '62122600'), ('wechat_openid', 'oNULL')) x (t, v);

SELECT is(parse_birth_date(v)::text, r, v) FROM (VALUES ('1980年1月15日', '(1980-01-15,1980,1,15,19800115,exact)'), ('15 Jan 1980', '(1980-01-15,1980,1,15,19800115,exact)'), ('1980-01', '(,1980,1,,198001,partial)'),
	('05/06/1980', '(1980-06-05,1980,6,5,19800605,ambiguous)'), ('1980-02-30', '(,,,,19800230,impossible)'), ('1900-01-01', '(1900-01-01,1900,1,1,19000101,stand_in)'), ('?', '(,,,,,none)')) x (v, r);
SELECT is(normalise_gender(v), r, v) FROM (VALUES ('男', 'm'), ('Male', 'm'), ('1', 'm'), ('女', 'f'), ('F', 'f'), ('2', 'f'), ('0', NULL), ('unknown', NULL)) x (v, r);

-- ---- how alike ---------------------------------------------------------------------------

SELECT is(round(jaro_winkler('MARTHA', 'marhta')::numeric, 4), 0.9611, 'Jaro-Winkler as published');
SELECT is(jaro_winkler('', 'a'), 0::float8, '... nothing is like nothing else');
SELECT is(damerau_levenshtein('Smith', 'Simth'), 1, 'a swap is one edit');
SELECT is(damerau_levenshtein('张伟', 'zhang wie'), 1, '... in pinyin, too');
SELECT is(name_similarity('王小明', n), 1::float8, n) FROM unnest('{Xiaoming Wang,WANG Xiao Ming,王曉明,王小铭先生}'::text[]) n;
SELECT cmp_ok(name_similarity('John Smith', 'Jon Smyth'), '>', name_similarity('John Smith', 'Mary Jones'), 'likelier names are more alike');
SELECT is(name_similarity('Smith, John', 'John Smith'), 1::float8, 'in any order');
SELECT is(name_similarity('test', 'test'), NULL, 'stand-ins are like nothing');
SELECT cmp_ok(address_similarity('江苏省无锡市蠡湖大道100号', '无锡市蠡湖大道１００号'), '>', address_similarity('江苏省无锡市蠡湖大道100号', '无锡市太湖大道１００号'), 'an address without its province');
SELECT cmp_ok(address_similarity('53 Burdekin Avenue', '53 burdekin ave'), '>', address_similarity('53 Burdekin Avenue', '54 burdekin ave'), 'numbers count');

-- ---- what nobody should send ------------------------------------------------------------

SELECT lives_ok(format('SELECT %s', f), f) FROM (VALUES ('pinyin(repeat(''王'', 350000))'), ('normalise_name(repeat(''ﷺ '', 250000))'), ('normalise_address(repeat(''一'', 350000))'),
	('normalise_phone(repeat(''1'', 1000000))'), ('normalise_email(repeat(''@'', 1000000))'), ('normalise_identifier(''national_id'', repeat(''9'', 1000000))'), ('normalise_identifier('''', repeat(''x'', 1000000))'),
	('parse_birth_date(repeat(''年'', 350000))'), ('normalise_gender(repeat(''m'', 1000000))'), ('split_name(repeat(''a '', 500000), repeat(''·'', 500000), repeat(''*'', 1000000))')) x (f);
SELECT is(count(*), 3000::bigint, 'any text is taken') FROM (SELECT pinyin(t), normalise_name(t), normalise_address(t), normalise_place(t), normalise_postcode(t), normalise_phone(t), normalise_email(t), split_name(t, t, t),
	normalise_identifier('card', t), normalise_identifier('national_id', t), parse_birth_date(t), normalise_gender(t)
	FROM (SELECT string_agg(chr(c), '') AS t FROM generate_series(1, 3000) n, LATERAL (SELECT 1 + (n * 7919 + k * k * 104729) % 50000 AS c FROM generate_series(1, 12) k) x GROUP BY n) s) y;
SELECT is(pinyin(pinyin(t)), pinyin(t), 'twice is once') FROM unnest('{"王 X9é","Ｚ-Ö","ﷺ"}'::text[]) t;

-- ---- labels and rights --------------------------------------------------------------------

SELECT is_empty($$ SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'retail'::regnamespace AND p.proname ~ '^(pinyin|normalise_|split_name|is_stand_in|read_national_id|parse_birth_date|jaro_winkler|damerau|address_sim|name_sim)'
	AND (p.provolatile <> 'i' OR p.proparallel <> 's') $$, 'the same text always gives the same: usable in indexes and by workers');
SELECT lives_ok($$ CREATE TEMP TABLE x (phone text); CREATE INDEX ON x (normalise_phone(phone)); INSERT INTO x VALUES ('13912345679'), (NULL) $$, '... an index');
SELECT cmp_ok(normaliser_version(), '>', 65536, 'the version says rules and ICU');
SELECT ok(has_function_privilege('retail_app', 'retail.normalise_phone(text, text)', 'EXECUTE') AND NOT has_function_privilege('retail_bi', 'retail.normalise_phone(text, text)', 'EXECUTE'), 'for applications, not for BI');

SELECT * FROM finish();
ROLLBACK;
