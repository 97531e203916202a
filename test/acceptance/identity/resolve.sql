-- resolve.sql: resolves the set and prints its line. psql variable: name. Pairs are those of records that truth.csv knows.
SELECT clock_timestamp() AS begun \gset
SELECT retail.run_resolution() \g /dev/null
SELECT extract(epoch FROM clock_timestamp() - :'begun'::timestamptz) AS seconds \gset
WITH record AS MATERIALIZED (
	SELECT t.entity_id, coalesce(l.member_id, a.account_id) AS member_id
	FROM stage.truth t JOIN retail.account a ON a.external_id = t.record_id LEFT JOIN retail.member_link l USING (account_id)
), pairs AS (
	SELECT (SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM record GROUP BY entity_id) x) AS true_pairs,
		(SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM record GROUP BY member_id) x) AS found,
		(SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM record GROUP BY entity_id, member_id) x) AS common
), figures AS (
	SELECT CASE WHEN found = 0 THEN 1 ELSE common / found END AS precision, CASE WHEN true_pairs = 0 THEN 1 ELSE common / true_pairs END AS recall,
		CASE WHEN found + true_pairs = 0 THEN 1 ELSE 2 * common / (found + true_pairs) END AS f1
	FROM pairs
)
SELECT concat_ws(E'\t', :'name', round(precision, 5), round(recall, 5), round(f1, 5), round(:seconds, 2)) FROM figures;
