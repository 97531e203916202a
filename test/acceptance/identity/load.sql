-- load.sql: from the staged files into accounts and identifiers, as anybody would load what another system exported: texts as they
-- are, identifiers not verified, sources as they come, with nothing said about them.

-- Attributes may be a JSON object, key=value pairs, or anything.
CREATE FUNCTION stage.attributes(told text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	parsed jsonb;
BEGIN
	IF coalesce(trim(told), '') = '' THEN
		RETURN '{}';
	END IF;
	BEGIN
		parsed := told::jsonb;
		IF jsonb_typeof(parsed) = 'object' THEN
			RETURN parsed;
		END IF;
	EXCEPTION WHEN others THEN
		NULL;
	END;
	IF told ~ '^\s*[^=:;|&]+[=:]' THEN
		RETURN coalesce((SELECT jsonb_object_agg(trim(m[1]), trim(m[2])) FROM regexp_split_to_table(told, '[;|&,\n]') AS p, regexp_match(p, '^\s*([^=:]+)[=:](.*)$') AS m
			WHERE m IS NOT NULL AND trim(m[2]) <> ''), '{}');
	END IF;
	RETURN jsonb_build_object('attributes', told);
END $$;

CREATE TABLE stage.record AS
	SELECT row_number() OVER () AS n, to_jsonb(r) AS j FROM stage.record_file r;

DO $$
DECLARE
	twice text := (SELECT j ->> 'record_id' FROM stage.record GROUP BY 1 HAVING count(*) > 1 OR (j ->> 'record_id') IS NULL LIMIT 1);
BEGIN
	IF NOT EXISTS (SELECT FROM stage.record) THEN
		RAISE EXCEPTION 'records.csv has no records';
	ELSIF EXISTS (SELECT FROM stage.record WHERE (j ->> 'record_id') IS NULL) THEN
		RAISE EXCEPTION 'records.csv has a record without record_id';
	ELSIF twice IS NOT NULL THEN
		RAISE EXCEPTION 'records.csv has record_id "%" twice', twice;
	ELSIF NOT EXISTS (SELECT FROM stage.truth t JOIN stage.record r ON r.j ->> 'record_id' = t.record_id) THEN
		RAISE EXCEPTION 'truth.csv names none of the records';
	END IF;
END $$;

INSERT INTO retail.member_source (code)
	SELECT DISTINCT coalesce(nullif(trim(j ->> 'source'), ''), 'unknown') FROM stage.record ORDER BY 1;

INSERT INTO retail.account (source_id, external_id, full_name, given_name, surname, birth_date, gender, address, city, region, postcode, attributes)
	SELECT s.source_id, r.j ->> 'record_id', r.j ->> 'full_name', r.j ->> 'given_name', r.j ->> 'surname', r.j ->> 'birth_date', r.j ->> 'gender',
		r.j ->> 'address', r.j ->> 'city', r.j ->> 'region', r.j ->> 'postcode',
		nullif(stage.attributes(r.j ->> 'attributes') || jsonb_strip_nulls(r.j - ARRAY['record_id', 'source', 'full_name', 'given_name', 'surname', 'birth_date', 'gender',
			'phone', 'email', 'national_id', 'address', 'city', 'region', 'postcode', 'attributes']), '{}')
	FROM stage.record r JOIN retail.member_source s ON s.code = coalesce(nullif(trim(r.j ->> 'source'), ''), 'unknown') ORDER BY r.n;

INSERT INTO retail.identifier (account_id, type, value)
	SELECT a.account_id, i.type, left(trim(r.j ->> i.type), 320)
	FROM stage.record r JOIN retail.account a ON a.external_id = r.j ->> 'record_id' CROSS JOIN (VALUES ('phone'), ('email'), ('national_id')) AS i (type)
	WHERE trim(r.j ->> i.type) <> '' ORDER BY a.account_id, i.type;

ANALYZE;
