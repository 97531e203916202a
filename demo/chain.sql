-- chain.sql: generates the reference chain of DESIGN.md through the public API: 10 regional warehouses and 310 stores in 28
-- provinces of China, their carriers and rate cards, SKUs, suppliers and opening stock. Demo and benchmarks use it.
--
-- psql variables: skus    number of SKUs (2000)         stores  number of stores (310)
--                 fill    share of the SKU x node pairs that have stock (0.15)
--                 capacity  parcels that a store packs a day (200); a warehouse packs a hundred times as many
-- The same variables always give the same chain. Prints one line a step.

\if :{?skus} \else \set skus 2000 \endif
\if :{?stores} \else \set stores 310 \endif
\if :{?fill} \else \set fill 0.15 \endif
\if :{?capacity} \else \set capacity 200 \endif

\pset tuples_only on
\pset format unaligned
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
-- what is read here was written a moment ago, and is not analysed yet
SET jit = off;

-- ---- where people live: administrative code, names, centre, inhabitants in 10,000 -----------------------------------------
CREATE TEMP TABLE chain_city (code text, name text, pinyin text, latitude float8, longitude float8, people int, warehouse text);
INSERT INTO chain_city VALUES
	('110100', '北京', 'Beijing', 39.90, 116.41, 2184, 'WH-BEIJING'), ('120100', '天津', 'Tianjin', 39.13, 117.20, 1363, NULL),
	('130100', '石家庄', 'Shijiazhuang', 38.04, 114.51, 1122, NULL), ('130200', '唐山', 'Tangshan', 39.63, 118.18, 770, NULL),
	('130600', '保定', 'Baoding', 38.87, 115.46, 919, NULL), ('140100', '太原', 'Taiyuan', 37.87, 112.55, 543, NULL),
	('140200', '大同', 'Datong', 40.08, 113.30, 310, NULL), ('150100', '呼和浩特', 'Hohhot', 40.84, 111.75, 355, NULL),
	('150200', '包头', 'Baotou', 40.66, 109.84, 274, NULL), ('210100', '沈阳', 'Shenyang', 41.80, 123.43, 914, 'WH-SHENYANG'),
	('210200', '大连', 'Dalian', 38.91, 121.61, 753, NULL), ('220100', '长春', 'Changchun', 43.82, 125.32, 906, NULL),
	('220200', '吉林', 'Jilin', 43.84, 126.55, 356, NULL), ('230100', '哈尔滨', 'Harbin', 45.80, 126.53, 939, NULL),
	('230600', '大庆', 'Daqing', 46.59, 125.10, 271, NULL), ('310100', '上海', 'Shanghai', 31.23, 121.47, 2475, 'WH-SHANGHAI'),
	('320100', '南京', 'Nanjing', 32.06, 118.80, 949, NULL), ('320200', '无锡', 'Wuxi', 31.49, 120.31, 749, NULL),
	('320300', '徐州', 'Xuzhou', 34.21, 117.28, 902, NULL), ('320500', '苏州', 'Suzhou', 31.30, 120.59, 1291, NULL),
	('320600', '南通', 'Nantong', 31.98, 120.89, 774, NULL), ('330100', '杭州', 'Hangzhou', 30.27, 120.16, 1237, NULL),
	('330200', '宁波', 'Ningbo', 29.87, 121.55, 961, NULL), ('330300', '温州', 'Wenzhou', 28.00, 120.70, 968, NULL),
	('340100', '合肥', 'Hefei', 31.82, 117.23, 963, NULL), ('340200', '芜湖', 'Wuhu', 31.35, 118.43, 373, NULL),
	('341200', '阜阳', 'Fuyang', 32.89, 115.81, 814, NULL), ('350100', '福州', 'Fuzhou', 26.07, 119.30, 844, 'WH-FUZHOU'),
	('350200', '厦门', 'Xiamen', 24.48, 118.09, 530, NULL), ('350500', '泉州', 'Quanzhou', 24.87, 118.68, 888, NULL),
	('360100', '南昌', 'Nanchang', 28.68, 115.86, 653, NULL), ('360700', '赣州', 'Ganzhou', 25.83, 114.93, 898, NULL),
	('370100', '济南', 'Jinan', 36.65, 117.12, 941, 'WH-JINAN'), ('370200', '青岛', 'Qingdao', 36.07, 120.38, 1034, NULL),
	('370600', '烟台', 'Yantai', 37.46, 121.45, 705, NULL), ('370700', '潍坊', 'Weifang', 36.71, 119.16, 941, NULL),
	('371300', '临沂', 'Linyi', 35.10, 118.36, 1099, NULL), ('410100', '郑州', 'Zhengzhou', 34.75, 113.63, 1282, 'WH-ZHENGZHOU'),
	('410300', '洛阳', 'Luoyang', 34.62, 112.45, 707, NULL), ('411300', '南阳', 'Nanyang', 33.00, 112.53, 962, NULL),
	('420100', '武汉', 'Wuhan', 30.59, 114.31, 1373, 'WH-WUHAN'), ('420500', '宜昌', 'Yichang', 30.69, 111.29, 392, NULL),
	('420600', '襄阳', 'Xiangyang', 32.01, 112.12, 527, NULL), ('430100', '长沙', 'Changsha', 28.23, 112.94, 1042, NULL),
	('430400', '衡阳', 'Hengyang', 26.89, 112.57, 659, NULL), ('440100', '广州', 'Guangzhou', 23.13, 113.26, 1873, 'WH-GUANGZHOU'),
	('440300', '深圳', 'Shenzhen', 22.54, 114.06, 1766, NULL), ('440500', '汕头', 'Shantou', 23.35, 116.68, 554, NULL),
	('440600', '佛山', 'Foshan', 23.02, 113.12, 955, NULL), ('441900', '东莞', 'Dongguan', 23.02, 113.75, 1043, NULL),
	('450100', '南宁', 'Nanning', 22.82, 108.37, 889, NULL), ('450200', '柳州', 'Liuzhou', 24.33, 109.43, 418, NULL),
	('450300', '桂林', 'Guilin', 25.27, 110.29, 495, NULL), ('500100', '重庆', 'Chongqing', 29.56, 106.55, 1600, NULL),
	('510100', '成都', 'Chengdu', 30.57, 104.07, 2126, 'WH-CHENGDU'), ('510700', '绵阳', 'Mianyang', 31.47, 104.68, 489, NULL),
	('511500', '宜宾', 'Yibin', 28.75, 104.64, 461, NULL), ('520100', '贵阳', 'Guiyang', 26.65, 106.63, 622, NULL),
	('520300', '遵义', 'Zunyi', 27.73, 106.93, 659, NULL), ('530100', '昆明', 'Kunming', 24.88, 102.83, 860, NULL),
	('530300', '曲靖', 'Qujing', 25.49, 103.80, 574, NULL), ('610100', '西安', 'Xi''an', 34.34, 108.94, 1299, 'WH-XIAN'),
	('610400', '咸阳', 'Xianyang', 34.33, 108.71, 417, NULL), ('620100', '兰州', 'Lanzhou', 36.06, 103.83, 441, NULL),
	('620500', '天水', 'Tianshui', 34.58, 105.72, 296, NULL), ('640100', '银川', 'Yinchuan', 38.49, 106.23, 289, NULL),
	('650100', '乌鲁木齐', 'Urumqi', 43.83, 87.62, 407, NULL);

CREATE TEMP TABLE chain_province (code text, name text);
INSERT INTO chain_province VALUES
	('11', '北京市'), ('12', '天津市'), ('13', '河北省'), ('14', '山西省'), ('15', '内蒙古自治区'), ('21', '辽宁省'), ('22', '吉林省'),
	('23', '黑龙江省'), ('31', '上海市'), ('32', '江苏省'), ('33', '浙江省'), ('34', '安徽省'), ('35', '福建省'), ('36', '江西省'),
	('37', '山东省'), ('41', '河南省'), ('42', '湖北省'), ('43', '湖南省'), ('44', '广东省'), ('45', '广西壮族自治区'), ('50', '重庆市'),
	('51', '四川省'), ('52', '贵州省'), ('53', '云南省'), ('61', '陕西省'), ('62', '甘肃省'), ('64', '宁夏回族自治区'), ('65', '新疆维吾尔自治区');

SELECT setseed(0.2026) \g /dev/null

-- ---- regions, channels, calendars -----------------------------------------------------------------------------------------
BEGIN;
SELECT retail.put_region('CN', '中国 China') \g /dev/null
SELECT count(retail.put_region('CN-' || p.code, p.name, 'CN', c.latitude, c.longitude))
	FROM chain_province p JOIN LATERAL (SELECT * FROM chain_city x WHERE left(x.code, 2) = p.code ORDER BY x.code LIMIT 1) c ON true \gset regions_
SELECT count(retail.put_region(code, name || ' ' || pinyin, 'CN-' || left(code, 2), latitude, longitude)) FROM chain_city \gset cities_
SELECT count(retail.put_channel(code, name, kind, ttl::interval)) FROM (VALUES
	('mini_program', '小程序 Mini-program', 'mini_program', '30 min'), ('app', 'App', 'app', '30 min'), ('pos', '门店收银 Store till', 'pos', '30 min'),
	('wechat', '微信 WeChat', 'social', '30 min'), ('douyin', '抖音 Douyin', 'social', '15 min')) c (code, name, kind, ttl) \gset channels_
SELECT retail.put_calendar('STORE', '门店 Stores', '{"1": ["09:00", "21:00"], "2": ["09:00", "21:00"], "3": ["09:00", "21:00"], "4": ["09:00", "21:00"],
	"5": ["09:00", "21:00"], "6": ["09:00", "21:00"], "7": ["09:00", "21:00"]}'),
	retail.put_calendar('WAREHOUSE', '仓库 Warehouses', '{"1": ["08:00", "20:00"], "2": ["08:00", "20:00"], "3": ["08:00", "20:00"], "4": ["08:00", "20:00"],
	"5": ["08:00", "20:00"], "6": ["08:00", "18:00"]}') \g /dev/null
-- public holidays of 2026, and two Sundays that were made workdays for them
SELECT count(retail.put_calendar_day('WAREHOUSE', d::date, opens::time, closes::time, note)) FROM (VALUES
	('2026-01-01', NULL, NULL, '元旦 New Year'), ('2026-01-04', '08:00', '20:00', '调休上班 Make-up workday'),
	('2026-02-16', NULL, NULL, '除夕 Eve of the Spring Festival'), ('2026-02-17', NULL, NULL, '春节 Spring Festival'),
	('2026-02-18', NULL, NULL, '春节 Spring Festival'), ('2026-02-19', NULL, NULL, '春节 Spring Festival'), ('2026-04-05', NULL, NULL, '清明 Qingming'),
	('2026-05-01', NULL, NULL, '劳动节 Labour Day'), ('2026-05-02', NULL, NULL, '劳动节 Labour Day'), ('2026-06-19', NULL, NULL, '端午 Dragon Boat'),
	('2026-09-20', '08:00', '20:00', '调休上班 Make-up workday'), ('2026-09-25', NULL, NULL, '中秋 Mid-Autumn'), ('2026-10-01', NULL, NULL, '国庆 National Day'),
	('2026-10-02', NULL, NULL, '国庆 National Day'), ('2026-10-03', NULL, NULL, '国庆 National Day')) d (d, opens, closes, note) \g /dev/null
SELECT retail.put_calendar_day('STORE', '2026-02-16', '09:00', '16:00', '除夕 Eve of the Spring Festival'),
	retail.put_calendar_day('STORE', '2026-02-17', NULL, NULL, '春节 Spring Festival') \g /dev/null

-- ---- nodes ----------------------------------------------------------------------------------------------------------------
-- Stores are spread over the cities in proportion to their inhabitants, and some kilometres around the centre.
CREATE TEMP TABLE chain_node AS
	SELECT warehouse AS code, pinyin || ' 中心仓 ' || name AS name, 'warehouse' AS kind, code AS region, latitude + 0.11 AS latitude, longitude + 0.13 AS longitude,
		-- six of the ten have cold rooms
		CASE WHEN pinyin IN ('Beijing', 'Shanghai', 'Wuhan', 'Guangzhou', 'Chengdu', 'Shenyang') THEN '{ambient,chilled,frozen}' ELSE '{ambient}' END::text[] AS temperature_classes
	FROM chain_city WHERE warehouse IS NOT NULL;
INSERT INTO chain_node
	SELECT format('S%s-%s', c.code, to_char(row_number() OVER (PARTITION BY c.code ORDER BY k.k), 'FM000')),
		format('%s 门店 %s %s', c.name, c.pinyin, row_number() OVER (PARTITION BY c.code ORDER BY k.k)), 'store', c.code,
		c.latitude + 0.05 * (random() + random() + random() - 1.5), c.longitude + 0.06 * (random() + random() + random() - 1.5),
		CASE WHEN k.k % 5 < 2 THEN '{ambient,chilled,frozen}' WHEN k.k % 5 < 4 THEN '{ambient,chilled}' ELSE '{ambient}' END::text[]
	FROM generate_series(1, :stores) k (k)
	JOIN (SELECT *, (sum(people) OVER (ORDER BY code) - people) / sum(people) OVER ()::float8 AS low, sum(people) OVER (ORDER BY code) / sum(people) OVER ()::float8 AS high FROM chain_city) c
		ON (k.k - 0.5) / :stores >= c.low AND (k.k - 0.5) / :stores < c.high
	ORDER BY c.code, k.k;
SELECT count(retail.put_node(code, name, kind, region, round(latitude::numeric, 5)::float8, round(longitude::numeric, 5)::float8, calendar => CASE kind WHEN 'store' THEN 'STORE' ELSE 'WAREHOUSE' END,
		cut_off => CASE kind WHEN 'store' THEN '17:00' ELSE '16:00' END::time, processing_minutes => CASE kind WHEN 'store' THEN 45 ELSE 120 END,
		daily_capacity => CASE kind WHEN 'store' THEN 1 ELSE 100 END * :capacity, can_pick_up => kind = 'store', temperature_classes => temperature_classes,
		parcel_cost => CASE kind WHEN 'store' THEN 3.50 ELSE 2.20 END, unit_cost => CASE kind WHEN 'store' THEN 0.60 ELSE 0.35 END)) FROM chain_node \gset nodes_

-- ---- carriers, lanes, rate cards (the figures are ours, of a plausible size) ----------------------------------------------
SELECT retail.put_carrier_service('EXPRESS', '顺达 Shunda', '全国快递 National express', '{ambient}', 6000),
	retail.put_carrier_service('ECONOMY', '惠通 Huitong', '经济快运 Economy', '{ambient}', 8000),
	retail.put_carrier_service('CITY', '闪步 Shanbu', '同城即送 Same-city courier', '{ambient,chilled}'),
	retail.put_carrier_service('COLD', '极鲜 Jixian', '冷链 Cold chain', '{ambient,chilled,frozen}', 5000) \g /dev/null
SELECT count(retail.put_lane(service, to_region, zone, hours, from_region => from_region, from_km => from_km, to_km => to_km)) FROM (VALUES
	('EXPRESS', 'CN', 'CN', 0::float8, 100::float8, 'A', 24), ('EXPRESS', 'CN', 'CN', 100, 500, 'B', 24), ('EXPRESS', 'CN', 'CN', 500, 1000, 'C', 36), ('EXPRESS', 'CN', 'CN', 1000, 1500, 'D', 48),
	('EXPRESS', 'CN', 'CN', 1500, 2500, 'E', 60), ('EXPRESS', 'CN', 'CN', 2500, 'Infinity', 'F', 84),
	-- far provinces cost more, wherever the parcel comes from
	('EXPRESS', 'CN', 'CN-65', 0, 800, 'R1', 48), ('EXPRESS', 'CN', 'CN-65', 800, 'Infinity', 'R2', 96), ('EXPRESS', 'CN', 'CN-15', 0, 800, 'R1', 36),
	('EXPRESS', 'CN', 'CN-15', 800, 'Infinity', 'E', 72),
	('ECONOMY', 'CN', 'CN', 0, 300, 'N', 48), ('ECONOMY', 'CN', 'CN', 300, 1200, 'M', 72), ('ECONOMY', 'CN', 'CN', 1200, 'Infinity', 'L', 120),
	('COLD', 'CN', 'CN', 0, 300, 'K1', 24), ('COLD', 'CN', 'CN', 300, 1000, 'K2', 36), ('COLD', 'CN', 'CN', 1000, 2200, 'K3', 48)
	) l (service, from_region, to_region, from_km, to_km, zone, hours) \gset lanes_
-- inside a province express is cheaper; inside a city a courier comes within hours
SELECT count(retail.put_lane('EXPRESS', 'CN-' || p.code, 'P', 24, from_region => 'CN-' || p.code)) FROM chain_province p WHERE p.code NOT IN ('15', '65') \gset lanes2_
SELECT count(retail.put_lane('CITY', c.code, z.zone, z.hours, from_region => c.code, from_km => z.from_km, to_km => z.to_km))
	FROM chain_city c, (VALUES ('S3', 0::float8, 3::float8, 2), ('S10', 3, 10, 4)) z (zone, from_km, to_km, hours) \gset lanes3_
SELECT count(retail.put_rate_card(service, zone, 1000, first, 1000, step, max_g)) FROM (VALUES
	('EXPRESS', 'P', 5.50, 1.00, 50000), ('EXPRESS', 'A', 6.00, 1.20, 50000), ('EXPRESS', 'B', 7.50, 1.80, 50000), ('EXPRESS', 'C', 9.00, 3.20, 50000), ('EXPRESS', 'D', 10.50, 4.60, 50000),
	('EXPRESS', 'E', 12.00, 6.50, 50000), ('EXPRESS', 'F', 15.00, 9.00, 50000), ('EXPRESS', 'R1', 10.00, 4.50, 50000), ('EXPRESS', 'R2', 22.00, 16.00, 50000),
	('CITY', 'S3', 7.00, 1.00, 20000), ('CITY', 'S10', 10.00, 1.50, 20000),
	('COLD', 'K1', 18.00, 4.00, 30000), ('COLD', 'K2', 28.00, 7.00, 30000), ('COLD', 'K3', 45.00, 12.00, 30000)) r (service, zone, first, step, max_g) \gset cards_
SELECT count(retail.put_rate_card('ECONOMY', z.zone, brackets => jsonb_build_array(
	jsonb_build_object('up_to_g', 500, 'price', z.factor * 3.2), jsonb_build_object('up_to_g', 1000, 'price', z.factor * 4.0), jsonb_build_object('up_to_g', 3000, 'price', z.factor * 6.0),
	jsonb_build_object('up_to_g', 10000, 'price', z.factor * 12.0), jsonb_build_object('up_to_g', 30000, 'price', z.factor * 12.0, 'over_g', 10000, 'step_g', 1000, 'step_price', z.factor * 1.0))))
	FROM (VALUES ('N', 1.0), ('M', 1.5), ('L', 2.2)) z (zone, factor) \gset cards2_
COMMIT;
SELECT format('  %s provinces, %s cities, %s channels, %s nodes, %s lanes, %s rate cards', :regions_count, :cities_count, :channels_count, :nodes_count,
	:lanes_count + :lanes2_count + :lanes3_count, :cards_count + :cards2_count);

-- ---- merchandise ----------------------------------------------------------------------------------------------------------
CREATE TEMP TABLE chain_category (n int, department text, department_name text, code text, name text, nouns text[], temperature_class text, shelf_life_days int,
	low_g int, high_g int, cm3_per_g float8, low_price numeric, high_price numeric);
INSERT INTO chain_category VALUES
	(1, 'CARE', '个人护理 Personal care', 'HAIR', '洗发护发 Hair care', '{洗发水 Shampoo,护发素 Conditioner,染发膏 Hair colour}', 'ambient', 1095, 150, 1100, 1.3, 15, 120),
	(2, 'CARE', '个人护理 Personal care', 'BODY', '身体清洁 Body', '{沐浴露 Shower gel,香皂 Soap,身体乳 Body lotion}', 'ambient', 1095, 90, 1100, 1.3, 8, 90),
	(3, 'CARE', '个人护理 Personal care', 'ORAL', '口腔护理 Oral care', '{牙膏 Toothpaste,牙刷 Toothbrush,漱口水 Mouthwash}', 'ambient', 1095, 40, 600, 1.8, 6, 80),
	(4, 'CARE', '个人护理 Personal care', 'PAPER', '纸品 Paper', '{抽纸 Tissues,卷纸 Toilet paper,湿巾 Wet wipes}', 'ambient', 1095, 200, 4000, 5.0, 8, 70),
	(5, 'BEAUTY', '美妆 Beauty', 'SKIN', '护肤 Skin care', '{面霜 Face cream,精华液 Serum,面膜 Mask,防晒 Sunscreen}', 'ambient', 1095, 40, 400, 2.2, 39, 690),
	(6, 'BEAUTY', '美妆 Beauty', 'MAKEUP', '彩妆 Make-up', '{口红 Lipstick,粉底 Foundation,眼影 Eye shadow}', 'ambient', 1095, 20, 200, 2.5, 29, 420),
	(7, 'BABY', '母婴 Baby', 'MILK', '奶粉 Milk powder', '{婴儿奶粉 Infant formula,儿童奶粉 Toddler milk}', 'ambient', 540, 400, 1100, 1.7, 120, 430),
	(8, 'BABY', '母婴 Baby', 'DIAPER', '纸尿裤 Nappies', '{纸尿裤 Nappies,拉拉裤 Pull-ups}', 'ambient', 1095, 900, 3500, 5.5, 59, 220),
	(9, 'BABY', '母婴 Baby', 'TOY', '玩具 Toys', '{积木 Blocks,毛绒玩具 Soft toy,拼图 Puzzle}', 'ambient', NULL, 150, 2500, 6.0, 25, 390),
	(10, 'FOOD', '食品 Food', 'SNACK', '零食 Snacks', '{坚果 Nuts,饼干 Biscuits,巧克力 Chocolate,海苔 Seaweed}', 'ambient', 270, 50, 1000, 3.0, 6, 98),
	(11, 'FOOD', '食品 Food', 'STAPLE', '粮油 Staples', '{大米 Rice,面粉 Flour,菜籽油 Rapeseed oil,挂面 Noodles}', 'ambient', 360, 500, 10000, 1.2, 9, 160),
	(12, 'FOOD', '食品 Food', 'SAUCE', '调味 Sauces', '{酱油 Soy sauce,醋 Vinegar,豆瓣酱 Bean paste}', 'ambient', 540, 200, 1900, 1.3, 6, 60),
	(13, 'FOOD', '食品 Food', 'DAIRY', '乳品 Dairy', '{酸奶 Yoghurt,鲜牛奶 Fresh milk,奶酪 Cheese}', 'chilled', 21, 200, 1500, 1.2, 9, 79),
	(14, 'FOOD', '食品 Food', 'FROZEN', '冷冻 Frozen food', '{饺子 Dumplings,汤圆 Tangyuan,冰淇淋 Ice cream}', 'frozen', 270, 300, 1500, 1.6, 15, 99),
	(15, 'DRINK', '饮料 Drinks', 'TEA', '茶 Tea', '{龙井茶 Longjing tea,普洱茶 Pu''er tea,茉莉花茶 Jasmine tea}', 'ambient', 720, 50, 600, 4.0, 30, 580),
	(16, 'DRINK', '饮料 Drinks', 'SOFT', '软饮 Soft drinks', '{气泡水 Sparkling water,果汁 Juice,椰汁 Coconut milk}', 'ambient', 360, 350, 8000, 1.2, 5, 75),
	(17, 'DRINK', '饮料 Drinks', 'COFFEE', '咖啡 Coffee', '{咖啡豆 Coffee beans,速溶咖啡 Instant coffee}', 'ambient', 540, 100, 1000, 2.6, 25, 190),
	(18, 'HOME', '家居 Home', 'CLEAN', '清洁 Cleaning', '{洗衣液 Detergent,洗洁精 Dish soap,消毒液 Disinfectant}', 'ambient', 1095, 500, 5000, 1.1, 10, 95),
	(19, 'HOME', '家居 Home', 'KITCHEN', '厨房 Kitchen', '{炒锅 Wok,保温杯 Thermos,保鲜盒 Food box,菜刀 Knife}', 'ambient', NULL, 150, 4000, 3.5, 19, 460),
	(20, 'HOME', '家居 Home', 'TEXTILE', '家纺 Textiles', '{毛巾 Towel,四件套 Bed linen,枕头 Pillow}', 'ambient', NULL, 100, 4500, 4.5, 15, 520),
	(21, 'ELECTRIC', '小家电 Appliances', 'SMALL', '小家电 Small appliances', '{电饭煲 Rice cooker,电吹风 Hair dryer,加湿器 Humidifier}', 'ambient', NULL, 600, 6500, 3.5, 79, 890),
	(22, 'ELECTRIC', '小家电 Appliances', 'DIGITAL', '数码配件 Accessories', '{充电宝 Power bank,数据线 Cable,耳机 Earphones}', 'ambient', NULL, 40, 700, 2.5, 15, 690),
	(23, 'HEALTH', '健康 Health', 'SUPPLEMENT', '营养品 Supplements', '{维生素C Vitamin C,鱼油 Fish oil,蛋白粉 Protein}', 'ambient', 720, 80, 1500, 1.8, 39, 390),
	(24, 'HEALTH', '健康 Health', 'CARE2', '护理用品 Care supplies', '{口罩 Masks,创可贴 Plasters,体温计 Thermometer}', 'ambient', 1095, 30, 500, 3.5, 5, 129);
CREATE TEMP TABLE chain_brand AS SELECT n::int, brand FROM unnest('{清逸 Qingyi,沐野 Muye,Nordlys,白露 Bailu,山岚 Shanlan,Kiro,竹里 Zhuli,初禾 Chuhe,Lumen,海棠 Haitang,云朵 Yunduo,Ferro,小满 Xiaoman,拾光 Shiguang,Ardea,
	青禾 Qinghe,知味 Zhiwei,Bellis,暖阳 Nuanyang,一方 Yifang,Orso,栖木 Qimu,麦浪 Mailang,Tavi,星野 Xingye,鹿鸣 Luming,Vesta,南风 Nanfeng,朴素 Pusu,Corvo}'::text[]) WITH ORDINALITY u (brand, n);

BEGIN;
SELECT count(retail.put_category(code, name)) FROM (SELECT DISTINCT department AS code, department_name AS name FROM chain_category) d \gset departments_
SELECT count(retail.put_category(code, name, department)) FROM chain_category \gset categories_
SELECT count(retail.put_unit(code, name)) FROM (VALUES ('BOX', '箱 Box')) u (code, name) \g /dev/null
SELECT count(retail.put_supplier(format('V%s', to_char(s, 'FM000')), format('%s%s%s有限公司', c.name, trim(split_part(b.brand, ' ', 1)), (ARRAY['日化', '食品', '贸易', '家居', '科技'])[1 + s % 5])))
	FROM generate_series(1, 200) s JOIN (SELECT *, row_number() OVER (ORDER BY people DESC) AS n FROM chain_city) c ON c.n = 1 + s * s % 40 JOIN chain_brand b ON b.n = 1 + s % 30 \gset suppliers_
CREATE TEMP TABLE chain_sku AS
	SELECT s.i, 'SKU' || 100000 + s.i AS code, btrim(b.brand, E' \n\t') || ' ' || c.nouns[1 + s.i / 24 % cardinality(c.nouns)] || ' ' || w.weight_g || ' g' AS name, w.weight_g, round(w.weight_g * c.cm3_per_g)::bigint AS volume_cm3,
		c.code AS category, 'V' || to_char(1 + (s.i * 7) % 200, 'FM000') AS supplier,
		round((c.low_price + (c.high_price - c.low_price) * s.price ^ 2)::numeric) - 0.10 AS list_price, c.temperature_class, c.shelf_life_days
	FROM (SELECT i, random() AS weight, random() AS price, 1 + floor(random() * 30)::int AS brand FROM generate_series(1, :skus) i) s
	JOIN chain_category c ON c.n = 1 + s.i % 24 JOIN chain_brand b ON b.n = s.brand,
	LATERAL (SELECT (round((c.low_g + (c.high_g - c.low_g) * s.weight ^ 2) / 10) * 10)::bigint AS weight_g) w
	ORDER BY s.i;
SELECT count(retail.put_sku(code, name, weight_g, volume_cm3, category, supplier, list_price, temperature_class, shelf_life_days)) FROM chain_sku \gset skus_
SELECT count(retail.put_sku_unit(code, 'BOX', 12)) FROM chain_sku WHERE i % 10 = 1 AND weight_g < 1000 \gset packs_
COMMIT;
SELECT format('  %s categories, %s suppliers, %s SKUs, %s of them sold by the box too', :departments_count + :categories_count, :suppliers_count, :skus_count, :packs_count);

-- ---- opening stock --------------------------------------------------------------------------------------------------------
-- One receipt a node. Warehouses list more than stores; SKUs are numbered by how well they sell. What a node cannot keep cool
-- enough it does not get.
SELECT least(0.95, :fill + 0.45) AS warehouse_fill \gset
SELECT (:fill * (:stores + 10) - :warehouse_fill * 10) / :stores * 1.045 AS store_fill \gset

CREATE FUNCTION pg_temp.receive_opening(node_code text, fill float8) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	node record;
	lines jsonb;
BEGIN
	SELECT n.kind, n.temperature_classes INTO node FROM chain_node n WHERE n.code = node_code;
	SELECT jsonb_agg(jsonb_build_object('sku', s.code, 'qty', CASE node.kind WHEN 'store' THEN 3 + floor(random() * 18 * s.pull) ELSE 60 + floor(random() * 2400 * s.pull) END::int)) INTO lines
		FROM (SELECT k.code, 0.35 + 1.3 / (1 + 8.0 * k.i / (SELECT count(*) FROM chain_sku)) AS pull FROM chain_sku k WHERE k.temperature_class = ANY (node.temperature_classes) AND random() < fill) s;
	PERFORM retail.receive_stock('OPENING-' || node_code, node_code, lines, date_trunc('hour', now()) - interval '10 days', 'opening stock');
	RETURN jsonb_array_length(lines);
END $$;
SELECT 'SELECT format($$  opening stock of %s nodes: %s SKUs$$, count(*), sum(pg_temp.receive_opening(code, CASE kind WHEN $$store$$ THEN '
	|| :store_fill || ' ELSE ' || :warehouse_fill || ' END))) FROM (SELECT * FROM chain_node ORDER BY kind DESC, code OFFSET ' || (n * 80)::text || ' LIMIT 80) x'
	FROM generate_series(0, (:stores + 9) / 80) n \gexec

-- ---- what online channels must leave on the shelf -------------------------------------------------------------------------
-- The last two of a fast mover in a store are for those who stand in front of it: no channel but the till may promise them.
SELECT format('  the last 2 units of %s SKUs in stores are for the till', count(*)) FROM (
	SELECT retail.set_safety_stock(k.code, n.code, 2), retail.set_safety_stock(k.code, n.code, 0, 'pos')
	FROM retail.stock s JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id) JOIN chain_sku c ON c.code = k.code
	WHERE n.kind = 'store' AND c.i <= :skus / 20) x;

-- Only what has rows: an empty table that was vacuumed is planned as one that stays empty.
SELECT 'VACUUM (ANALYZE) ' || string_agg(format('retail.%I', c.relname), ', ') FROM pg_class c
	WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind = 'r' AND pg_relation_size(c.oid) > 0 \gexec
RESET client_min_messages;
RESET max_parallel_workers_per_gather;
RESET jit;
\pset tuples_only off
\pset format aligned
