-- identity_accuracy.sql: precision, recall and F1 of all pairs, by the truth of the generator. psql variable: found, a table or query
-- in brackets with account_id and member_id of the accounts that are not members of their own number.
WITH person AS MATERIALIZED (
	SELECT t.person, coalesce(l.member_id, t.account_id) AS member_id FROM bench.truth t LEFT JOIN :found l USING (account_id)
), pairs AS (
	SELECT (SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM person GROUP BY person) x) AS true_pairs,
		(SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM person GROUP BY member_id) x) AS found,
		(SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM person GROUP BY person, member_id) x) AS common
)
SELECT round(common / nullif(found, 0), 5), round(common / nullif(true_pairs, 0), 5), round(2 * common / (found + true_pairs), 5) FROM pairs;
