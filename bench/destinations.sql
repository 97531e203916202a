-- destinations.sql: 10,000 places where orders of the benchmarks go, spread like the inhabitants of the chain's cities (which
-- chain.sql left in a temporary table). Every contender reads one row of it an order.
CREATE SCHEMA bench;
CREATE TABLE bench.destination (id int PRIMARY KEY, region text, lat float8, lon float8, destination jsonb);
SELECT setseed(0.7) \g /dev/null
INSERT INTO bench.destination
	SELECT x.id, x.code, x.lat, x.lon, jsonb_build_object('region', x.code, 'lat', x.lat, 'lon', x.lon) FROM (
		SELECT i.id, c.code, round((c.latitude + 0.05 * (random() + random() + random() - 1.5))::numeric, 5)::float8 AS lat, round((c.longitude + 0.06 * (random() + random() + random() - 1.5))::numeric, 5)::float8 AS lon
		FROM generate_series(1, 10000) i (id)
		JOIN (SELECT *, (sum(people) OVER (ORDER BY code) - people) / sum(people) OVER ()::float8 AS low, sum(people) OVER (ORDER BY code) / sum(people) OVER ()::float8 AS high FROM chain_city) c
			ON (i.id * 7919 % 10000 + 0.5) / 10000 >= c.low AND (i.id * 7919 % 10000 + 0.5) / 10000 < c.high
		ORDER BY i.id) x;
VACUUM (ANALYZE) bench.destination;
-- What comes in through the intake queue: 200 calls of a hundred orders of three lines, as their clients send them, @ for a
-- number of their own. SKUs with low numbers sell best, as in place_order.pgbench.
CREATE TABLE bench.submission (id int PRIMARY KEY, orders text);
INSERT INTO bench.submission
	SELECT x.call, jsonb_agg(jsonb_build_object('channel', 'app', 'external_no', format('Q@-%s', x.i), 'destination', d.destination, 'lines',
		jsonb_build_array(jsonb_build_object('sku', 'SKU' || 100001 + x.sku, 'qty', 1), jsonb_build_object('sku', 'SKU' || 100002 + x.sku, 'qty', 2), jsonb_build_object('sku', 'SKU' || 100003 + x.sku, 'qty', 1))))::text
	FROM (SELECT call, i, 1 + floor(10000 * random())::int AS destination,
			3 * floor((:skus / 3) * -ln(exp(-3) + (1 - exp(-3)) * (1 - random())) / 3)::int AS sku FROM generate_series(1, 200) call, generate_series(1, 100) i) x
	JOIN bench.destination d ON d.id = x.destination GROUP BY 1;
VACUUM (ANALYZE) bench.submission;
