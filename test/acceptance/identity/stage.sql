-- stage.sql: where the files of a set are read to. psql variable: header, the first line of records.csv. Columns may come in any
-- order; those that are missing are empty, and those that nobody knows become attributes.
CREATE SCHEMA stage;
SELECT set_config('stage.header', :'header', false) \g /dev/null
CREATE TABLE stage.truth (record_id text, entity_id text);
DO $$
DECLARE
	names text[] := ARRAY(SELECT lower(trim(both '" ' FROM h)) FROM regexp_split_to_table(current_setting('stage.header'), ',') WITH ORDINALITY AS t (h, i) ORDER BY i);
BEGIN
	IF NOT 'record_id' = ANY (names) THEN
		RAISE EXCEPTION 'records.csv has no column record_id' USING DETAIL = format('Its first line is: %s', left(current_setting('stage.header'), 200));
	END IF;
	EXECUTE format('CREATE TABLE stage.record_file (%s)', (SELECT string_agg(format('%I text', n), ', ' ORDER BY i) FROM unnest(names) WITH ORDINALITY AS t (n, i)));
END $$;
