-- member_profile.sql: what members did, for the measurement of their profiles: psql -v people=1300000. Adds accounts up to that
-- number, and about 1.3 orders, 1.7 lines and 0.9 events a member over two years: a few people buy often, many once or never.
-- Rows are written straight into the tables: what is measured is the profiles.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET synchronous_commit = off;
SELECT setseed(0.5) \g /dev/null
INSERT INTO retail.member_source (code) VALUES ('bench') ON CONFLICT DO NOTHING;
SELECT retail.put_region('BR' || i, 'r') FROM generate_series(1, 28) i \g /dev/null
SELECT retail.put_channel('bapp', 'App', 'app') AS app, retail.put_channel('bpos', 'Pos', 'pos') AS pos \gset
SELECT retail.put_category('BC' || i, 'c') FROM generate_series(1, 100) i \g /dev/null
INSERT INTO retail.sku (code, name, category_id, weight_g) SELECT 'BK' || i, 'k', c.category_id, 100 FROM generate_series(1, 10000) i JOIN retail.category c ON c.code = 'BC' || 1 + i % 100 ON CONFLICT DO NOTHING;
INSERT INTO retail.node (code, name, kind, region_id) SELECT 'BN' || i, 'n', 'store', g.region_id FROM generate_series(1, 310) i JOIN retail.region g ON g.code = 'BR' || 1 + i % 28 ON CONFLICT DO NOTHING;
SELECT min(sku_id) AS sku FROM retail.sku WHERE code LIKE 'BK%' \gset
SELECT min(node_id) AS node FROM retail.node WHERE code LIKE 'BN%' \gset
INSERT INTO retail.account (source_id, external_id, full_name, registered_at)
	SELECT (SELECT s.source_id FROM retail.member_source s WHERE s.code = 'bench'), 'b' || i, '王小' || i, now() - random() * interval '730 days'
	FROM generate_series(1, greatest(:people - (SELECT count(*) FROM retail.member), 0)) i;
-- How often a member buys: exponential, and nothing for half of them.
CREATE TEMP TABLE buyer AS SELECT m.member_id, row_number() OVER () AS n, CASE WHEN random() < 0.5 THEN 0 ELSE least(1 - floor(ln(1 - random()) * 2), 60)::int END AS orders FROM retail.member m WHERE NOT m.erased;
INSERT INTO retail.sales_order (channel_id, external_no, request_hash, member_id, fulfilment, pick_up_node_id, status, payment_state, goods_total, total, paid, placed_at)
	SELECT CASE WHEN x.store THEN :pos ELSE :app END, 'b' || x.member_id || '.' || x.i, '', x.member_id, CASE WHEN x.store THEN 'counter' ELSE 'ship' END, CASE WHEN x.store THEN :node + x.n % 310 END,
		'delivered', 'paid', x.amount, x.amount, x.amount, now() - x.age * interval '1 day'
	FROM (SELECT b.member_id, b.n, i, random() < 0.6 AS store, round((10 + 200 * random() ^ 3)::numeric, 2) AS amount, 730 * random() AS age FROM buyer b, generate_series(1, b.orders) i) x;
INSERT INTO retail.order_line (order_id, line_no, sku_id, quantity, unit_price, amount, allocated, shipped)
	SELECT o.order_id, l, :sku + (o.order_id * 7919 + l * 104729) % 10000, 1, o.total, o.total, 1, 1
	FROM retail.sales_order o, generate_series(1, 1 + (o.order_id % 3 = 0)::int) l WHERE o.channel_id IN (:app, :pos);
INSERT INTO retail.event (source_id, external_id, kind, account_id, happened_at, channel_id, sku_id, category_id)
	SELECT s.source_id, 'b' || b.member_id || '.' || i, (ARRAY['view', 'view', 'view', 'cart', 'click', 'scan'])[1 + (b.n + i) % 6], b.member_id, now() - 365 * random() ^ 2 * interval '1 day', :app, k.sku_id, k.category_id
	FROM buyer b CROSS JOIN generate_series(1, (b.n % 4 = 0)::int * (1 + b.n % 7)::int) i CROSS JOIN retail.member_source s JOIN retail.sku k ON k.sku_id = :sku + (b.n * 31 + i * 17) % 10000 WHERE s.code = 'bench' ORDER BY 5;
-- A phone for each, by which the till finds them.
INSERT INTO retail.identifier (account_id, type, value, verified) SELECT b.member_id, 'phone', '+861' || lpad((3000000000 + b.n)::text, 10, '0'), true FROM buyer b
	WHERE NOT EXISTS (SELECT FROM retail.identifier i WHERE i.account_id = b.member_id AND i.type = 'phone') ON CONFLICT DO NOTHING;
VACUUM ANALYZE retail.account, retail.identifier, retail.sales_order, retail.order_line, retail.event;
SELECT format('%s members, %s orders, %s lines, %s events', (SELECT count(*) FROM buyer), (SELECT count(*) FROM retail.sales_order), (SELECT count(*) FROM retail.order_line), (SELECT count(*) FROM retail.event));
