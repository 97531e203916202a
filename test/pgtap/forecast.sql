-- forecast.sql: retail.forecast() and demand_class(): what they answer, and what they refuse.
BEGIN;
SET client_min_messages = warning;
SELECT plan(56);

CREATE FUNCTION pg_temp.mean(history float8[], horizon int, season int DEFAULT 1, method text DEFAULT 'auto', non_negative boolean DEFAULT true) RETURNS numeric[]
LANGUAGE sql IMMUTABLE AS $$ SELECT array_agg(round(f.mean::numeric, 4) ORDER BY f.step) FROM retail.forecast(history, horizon, season, method, non_negative => non_negative) f $$;
CREATE FUNCTION pg_temp.month(n int) RETURNS float8[] LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((100 + t) * (1 + 0.3 * sin(2 * pi() * t / 12)) + (t * 7919 % 13) - 6 ORDER BY t) FROM generate_series(1, n) t $$;
CREATE FUNCTION pg_temp.refused(argument text, detail text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
	of text;
BEGIN
	EXECUTE 'SELECT count(*) FROM retail.forecast(' || argument || ')';
	RETURN 'nothing';
EXCEPTION WHEN sqlstate 'RT016' THEN
	GET STACKED DIAGNOSTICS of = PG_EXCEPTION_DETAIL, said = PG_EXCEPTION_HINT;
	RETURN CASE WHEN said <> '' AND of = detail THEN 'refused' ELSE of END;
END $$;

-- ---- the shape -----------------------------------------------------------------------
SELECT results_eq($$ SELECT step, array_length(quantiles, 1) FROM retail.forecast(pg_temp.month(48), 3, 12) $$, $$ VALUES (1, 5), (2, 5), (3, 5) $$, 'a row a step, a quantile a level');
SELECT ok((SELECT bool_and(q[1] < q[2] AND q[2] < q[3] AND q[3] < q[4] AND q[4] < q[5] AND abs(q[3] - f.mean) < 1e-6) FROM retail.forecast(pg_temp.month(48), 12, 12) f, LATERAL (SELECT f.quantiles AS q) x), 'quantiles grow with their levels, about the mean');
SELECT ok((SELECT bool_and(wide >= before) AND max(wide) > min(wide) FROM (SELECT round((mean - quantiles[1])::numeric, 6) AS wide, lag(round((mean - quantiles[1])::numeric, 6)) OVER (ORDER BY step) AS before FROM retail.forecast('{9,12,10,14,11,15,18,14,19,16,21,17,24,20,25,22,27,23,29,31}', 8, levels => '{0.05}')) f WHERE before IS NOT NULL), 'the later the less is known');
SELECT is((SELECT count(*) FROM retail.forecast('{1,2,3}', 2, levels => '{}') WHERE quantiles = '{}'), 2::bigint, 'no levels, no quantiles');
SELECT is((SELECT count(*) FROM retail.forecast(NULL, 2)), 0::bigint, 'of an unknown history nothing is known');
SELECT is((SELECT string_agg(provolatile::text || proparallel::text || proisstrict::text, ' ') FROM pg_proc WHERE pronamespace = 'retail'::regnamespace AND proname IN ('forecast', 'demand_class')), 'istrue istrue', 'immutable, parallel safe, strict');
SELECT is((SELECT array_agg(f::text) FROM retail.forecast(pg_temp.month(60), 6, 12) f), (SELECT array_agg(f::text) FROM retail.forecast(pg_temp.month(60), 6, 12) f), 'the same question has the same answer');

SELECT is((SELECT count(*) FROM pg_proc p, unnest('{retail_app,retail_store,retail_bi}'::text[]) r WHERE p.pronamespace = 'retail'::regnamespace AND proname IN ('forecast', 'demand_class') AND has_function_privilege(r, p.oid, 'EXECUTE')), 6::bigint, 'who plans may call it');

-- ---- methods by hand ------------------------------------------------------------------
SELECT is(pg_temp.mean('{3,1,4,1,5}', 3, 1, 'naive'), '{5,5,5}', 'naive');
SELECT is(pg_temp.mean('{3,1,4,1,5,9}', 4, 3, 'seasonal_naive'), '{1,5,9,1}', 'seasonal naive');
SELECT is(pg_temp.mean('{3,1,4,1,5,9}', 2, 3, 'moving_average'), '{5,5}', 'moving average of one season');
SELECT is(pg_temp.mean('{3,1,5}', 1, 1, 'moving_average'), '{3}', '... or of all there is');
SELECT is(pg_temp.mean('{0,2,0,0,4,0}', 2, 1, 'croston'), '{1.0476,1.0476}', 'Croston: (2 + 0.1 x 2) / (2 + 0.1 x 1)');
SELECT is(pg_temp.mean('{0,2,0,0,4,0}', 2, 1, 'sba'), '{0.9952,0.9952}', 'SBA: 0.95 times that');
SELECT is(pg_temp.mean('{10,12,14,16,18,20,22,24}', 3, 1, 'holt'), '{26,28,30}', 'Holt goes on along a straight line');
SELECT is(pg_temp.mean('{10,12,14,16,18,20,22,24}', 3, 1, 'ets'), '{26,28,30}', '... and so does what AICc chooses');
SELECT is(pg_temp.mean('{7,7,7,7,7,7,7,7,7,7}', 2, 1, m), '{7,7}', m || ' of a constant') FROM unnest('{ses,theta,dot,tsb,adida,imapa,damped,auto}'::text[]) m;
SELECT is((SELECT max(model) FROM retail.forecast(pg_temp.month(72), 1, 12, 'ets')), 'ets(M,A,M)', 'the model is told');
SELECT is((SELECT max(model) FROM retail.forecast('{5,6}', 1, 12, 'seasonal_naive')), 'naive', '... and when it is another than was asked for');
SELECT matches((SELECT max(model) FROM retail.forecast(pg_temp.month(72), 1, 12)), '^auto\(smooth: ', '... and the class with auto');
SELECT ok((SELECT avg(abs(f.mean - y) / y) FROM retail.forecast(pg_temp.month(72), 12, 12) f, LATERAL (SELECT (pg_temp.month(84))[72 + step] AS y) a) < 0.05, 'auto follows trend and season');

-- ---- edges that have an answer ---------------------------------------------------------
SELECT is(pg_temp.mean('{0,0,0,0,0,0}', 2, 1, m), '{0,0}', m || ' of nothing wanted') FROM unnest('{auto,croston,tsb,adida,ets}'::text[]) m;
SELECT is(pg_temp.mean('{4}', 2, 7), '{4,4}', 'one period');
SELECT is((SELECT array_agg(quantiles[1]) FROM retail.forecast('{4}', 2, levels => '{0.9}')), '{4,4}', '... of which no spread is known');
SELECT ok((SELECT bool_and(f.mean >= 0 AND f.quantiles[1] >= 0) FROM retail.forecast('{90,80,70,60,50,40,30,20,10,5}', 12, 1, 'holt') f), 'demand is never negative');
SELECT ok((SELECT min(f.mean) < -20 FROM retail.forecast('{90,80,70,60,50,40,30,20,10,5}', 12, 1, 'holt', non_negative => false) f), '... other series may be');
SELECT is((SELECT count(*) FROM retail.forecast(array_fill(3::float8, '{100000}') || '{4}'::float8[], 2, 7)), 2::bigint, 'a hundred thousand periods');
SELECT is((SELECT count(*) FROM retail.forecast(pg_temp.month(20), 5, 365)), 5::bigint, 'a season longer than the history is left out');
SELECT is((SELECT count(*) FROM retail.forecast('{1e100,-1e100,1e-300,0,5}', 3, 2, m) f WHERE f.mean BETWEEN 0 AND 1e110), 3::bigint, m || ' of absurd numbers') FROM unnest('{auto,ets}'::text[]) m;

CREATE FUNCTION pg_temp.cancelled() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM count(*) FROM retail.forecast((SELECT array_agg(i % 100 + 1)::float8[] FROM generate_series(1, 200000) i), 12, 24, 'ets');
	RETURN false;
EXCEPTION WHEN query_canceled THEN
	RETURN true;
END $$;
SET LOCAL statement_timeout = '500ms';
SELECT pg_temp.cancelled() AS cancelled \gset
RESET statement_timeout;
SELECT ok(:'cancelled', 'a long fit can be cancelled');

-- ---- what is refused --------------------------------------------------------------------
SELECT is(pg_temp.refused($$'{}', 1$$, 'It has 0 elements.'), 'refused', 'an empty history');
SELECT is(pg_temp.refused($$'{1,NaN}', 1$$, 'Element 2 is NaN.'), 'refused', 'NaN');
SELECT is(pg_temp.refused($$'{-Infinity,1}', 1$$, 'Element 1 is -Infinity.'), 'refused', 'infinity');
SELECT is(pg_temp.refused($$'{1,2,3e200}', 1$$, 'Element 3 is 3e+200.'), 'refused', 'beyond measure');
SELECT is(pg_temp.refused($$'{1,null}', 1$$, 'Element 2 is null.'), 'refused', 'null');
SELECT is(pg_temp.refused($$'{{1,2},{3,4}}', 1$$, 'It has 2 dimensions.'), 'refused', 'two dimensions');
SELECT is(pg_temp.refused($$'{1}', 0$$, 'The horizon is 0.'), 'refused', 'no horizon');
SELECT is(pg_temp.refused($$'{1}', 1, 0$$, 'The season is 0.'), 'refused', 'no season');
SELECT is(pg_temp.refused($$'{1}', 1, 1, 'prophet'$$, 'There is no method "prophet".'), 'refused', 'an unknown method');
SELECT is(pg_temp.refused($$'{1}', 1, levels => '{1}'$$, 'A level is not between 0 and 1, or there are more than 100.'), 'refused', 'a certain quantile');
SELECT is(pg_temp.refused($$'{1,0,2,3,4,5,6}', 1, 2, 'holt_winters_multiplicative'$$, 'holt_winters_multiplicative needs a history above zero.'), 'refused', 'a multiplicative season of zeros');

-- ---- classes ----------------------------------------------------------------------------
SELECT results_eq($$ SELECT c.class FROM unnest(ARRAY['5 6 5 6 5 6', '5 0 0 5 0 6', '1 20 1 30 1 2', '1 0 0 20 0 1', '0 0 0'], ARRAY[1,2,3,4,5]) s(series, i), LATERAL retail.demand_class(string_to_array(s.series, ' ')::float8[]) c ORDER BY i $$,
	$$ VALUES ('smooth'), ('intermittent'), ('erratic'), ('lumpy'), ('empty') $$, 'classes of Syntetos, Boylan and Croston');
SELECT is((SELECT (adi, round(cv2::numeric, 4))::text FROM retail.demand_class('{0,2,0,0,4,0}')), '(3,0.2222)', 'their two numbers');
SELECT throws_ok($$ SELECT retail.demand_class('{}') $$, 'RT016');

SELECT * FROM finish();
ROLLBACK;
