-- identity_exact.sql: what a capable developer writes in an afternoon: accounts are one person when a phone, e-mail, card or unionid
-- is equal, or name and birth date are, after the usual clean-up by regular expressions; values that more than five accounts have do
-- not count. Groups are formed by labels that spread along equal values until none changes. Result: peer.link (account_id, member_id).
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS peer CASCADE;
CREATE SCHEMA peer;
CREATE UNLOGGED TABLE peer.value AS
	SELECT v, account_id FROM (
		SELECT i.account_id, i.type || ':' || CASE i.type WHEN 'phone' THEN right(regexp_replace(i.value, '\D', '', 'g'), 11) ELSE lower(trim(i.value)) END AS v
		FROM retail.identifier i
		UNION ALL
		SELECT a.account_id, 'name:' || lower(replace(a.full_name, ' ', '')) || ':' || regexp_replace(a.birth_date, '\D', '', 'g')
		FROM retail.account a WHERE a.full_name IS NOT NULL AND a.birth_date ~ '^\d{4}\D\d'
	) x WHERE v !~ ':0+$';
CREATE UNLOGGED TABLE peer.edge AS
	SELECT min(account_id) OVER w AS a, account_id AS b FROM (SELECT v, account_id, count(*) OVER (PARTITION BY v) AS n FROM peer.value) x WHERE n BETWEEN 2 AND 5
	WINDOW w AS (PARTITION BY v);
DELETE FROM peer.edge WHERE a = b;
CREATE UNLOGGED TABLE peer.label AS
	SELECT account_id, account_id AS member_id FROM (SELECT a FROM peer.edge UNION SELECT b FROM peer.edge) x (account_id);
CREATE UNIQUE INDEX ON peer.label (account_id);
ANALYZE peer.edge, peer.label;
DO $$
DECLARE
	changed bigint := 1;
BEGIN
	WHILE changed > 0 LOOP
		WITH least AS (
			SELECT x, min(m) AS m FROM (
				SELECT e.a AS x, l.member_id AS m FROM peer.edge e JOIN peer.label l ON l.account_id = e.b
				UNION ALL SELECT e.b, l.member_id FROM peer.edge e JOIN peer.label l ON l.account_id = e.a) y GROUP BY x
		)
		UPDATE peer.label l SET member_id = least.m FROM least WHERE l.account_id = least.x AND least.m < l.member_id;
		GET DIAGNOSTICS changed = ROW_COUNT;
	END LOOP;
END $$;
CREATE UNLOGGED TABLE peer.link AS SELECT account_id, member_id FROM peer.label WHERE account_id <> member_id;
