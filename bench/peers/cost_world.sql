-- cost_world.sql: the world as it is for everybody who plays a stream of orders (cost_stream.sql): how far it is from each node to
-- each of 500 places, by which carriers and at which price. For bench/allocation_cost.sh.
--
-- Needs schema bench (destinations.sql) and schema oracle (test/oracle/statement.sql), which reads routes, departures and stock
-- from the tables by SQL of its own.
\pset tuples_only on
\pset format unaligned
\pset fieldsep '\t'
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
SET jit = off;
SET work_mem = '256MB';

CREATE TABLE bench.route AS
	SELECT d.id AS dest, r.node_id, r.service_id, r.card_id, r.classes, r.hours
	FROM (SELECT array_agg(node_id) AS all_nodes FROM retail.node WHERE is_active AND can_ship) a
	CROSS JOIN bench.destination d
	CROSS JOIN LATERAL oracle.routes(a.all_nodes, (SELECT region_id FROM retail.region WHERE code = d.region), point(d.lon, d.lat), now()) r WHERE d.id <= 500;
CREATE INDEX ON bench.route (dest, node_id);
CREATE TABLE bench.near (dest int, class int, node_id bigint, km float8, PRIMARY KEY (dest, class, node_id) INCLUDE (km));
INSERT INTO bench.near
	SELECT x.dest, c.class, x.node_id, min(oracle.km(o.there, point(d.lon, d.lat)))
	FROM bench.route x JOIN (VALUES (1), (2), (4)) c (class) ON x.classes & c.class <> 0 JOIN bench.destination d ON d.id = x.dest JOIN oracle.origin o ON o.node_id = x.node_id AND o.steps = -1
	GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
VACUUM ANALYZE bench.route, bench.near;
