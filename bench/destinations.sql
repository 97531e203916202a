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
