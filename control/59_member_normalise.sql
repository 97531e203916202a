-- 59_member_normalise.sql: what people write -> one comparable form.

-- Immutable as lower() and normalize() are: another ICU may read a character
-- differently, which normaliser_version() tells.
CREATE FUNCTION retail.normaliser_version() RETURNS int
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'retail_normaliser_version';
COMMENT ON FUNCTION retail.normaliser_version() IS 'Changes when normalised values may come out differently: rules of pg_retail (times 65536) and version of ICU. Values normalised under another version are stale.';

CREATE FUNCTION retail.pinyin(value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_normalise_text';
COMMENT ON FUNCTION retail.pinyin(text) IS 'Text of any script as words of a-z and 0-9, one blank between: hanzi as pinyin without tones, a word each (ü is v); accents, case and width folded; emoji, control characters and punctuation removed. Looks at the first 1,024 bytes. Null when nothing is left.';

CREATE FUNCTION retail.normalise_name(name text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_normalise_name';
COMMENT ON FUNCTION retail.normalise_name(text) IS 'A full name as "surname, given" in a-z: 欧阳小明, OUYANG Xiao Ming and Xiaoming Ouyang are "ouyang, xiaoming"; titles are removed; a single word that is no surname comes alone. Null for stand-ins (test, 微信用户).';

CREATE FUNCTION retail.split_name(full_name text DEFAULT NULL, given_name text DEFAULT NULL, surname_name text DEFAULT NULL,
	OUT surname text, OUT given text, OUT suffix text, OUT gender text, OUT is_chinese boolean, OUT is_ambiguous boolean, OUT is_stand_in boolean)
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_split_name';
COMMENT ON FUNCTION retail.split_name(text, text, text) IS 'Surname and given name in a-z of a name in one, two or three columns; a full name fills the parts that are missing. gender: m or f as a title says (先生, Mrs); is_ambiguous: the order of the parts was guessed; is_stand_in: a column had test, unknown or the like, and counts as empty.';

CREATE FUNCTION retail.normalise_address(value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'retail_normalise_address';
COMMENT ON FUNCTION retail.normalise_address(text) IS 'An address as words in the order of the text: numbers by themselves, Chinese places and streets in pinyin without 省市区县号, usual abbreviations in one form. Null when nothing is left.';

CREATE FUNCTION retail.normalise_place(value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_normalise_place';
COMMENT ON FUNCTION retail.normalise_place(text) IS 'A city or region: 无锡市 and Wuxi are "wuxi". Null when nothing is left.';

CREATE FUNCTION retail.normalise_postcode(value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_normalise_postcode';
COMMENT ON FUNCTION retail.normalise_postcode(text) IS 'A postcode as a-z and 0-9 without blanks. Null when nothing is left.';

CREATE FUNCTION retail.normalise_phone(value text, country text DEFAULT 'CN') RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_normalise_phone';
COMMENT ON FUNCTION retail.normalise_phone(text, text) IS 'A phone number as E.164 (+8613912345678), an extension behind ";ext="; of several the first good one. country (ISO 3166) is for numbers without a calling code. What cannot be a number comes as its digits without +; null when there are none. Raises RT016 when country is not two letters.';

CREATE FUNCTION retail.normalise_email(value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_normalise_email';
COMMENT ON FUNCTION retail.normalise_email(text) IS 'An e-mail address in lower case, without display name and blanks, its domain in ASCII; without +tag (and dots at Gmail) where the provider ignores them. What is no address comes as it is. Null when nothing is left.';

CREATE FUNCTION retail.normalise_identifier(type text, value text, country text DEFAULT 'CN') RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_normalise_identifier';
COMMENT ON FUNCTION retail.normalise_identifier(text, text, text) IS 'An identifier by its type: phone, email, card and device (letters and digits), national_id (only its SHA-256 in hex leaves; a value that is one stays); any other is case sensitive, trimmed. Null when nothing is left. Raises RT016 when country is not two letters.';

CREATE FUNCTION retail.is_stand_in(type text, value text, country text DEFAULT 'CN') RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_is_stand_in';
COMMENT ON FUNCTION retail.is_stand_in(text, text, text) IS 'Does the value of an identifier stand for none: blank, one digit repeated, 12345678, test, null, 13800138000, masked by asterisks? Such values never match; those of blocked_identifier are not looked at. Raises RT016 when country is not two letters.';

CREATE FUNCTION retail.read_national_id(value text, OUT is_valid boolean, OUT hash text, OUT birth_date date, OUT gender text)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_read_national_id';
COMMENT ON FUNCTION retail.read_national_id(text) IS 'What a Chinese resident''s number tells: whether its check digit and date are right, the SHA-256 that is kept of it, birth date and gender (m or f). Numbers of 15 digits are read, too.';

CREATE FUNCTION retail.parse_birth_date(value text, OUT birth_date date, OUT year int, OUT month int, OUT day int, OUT digits text, OUT quality text)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_parse_birth_date';
COMMENT ON FUNCTION retail.parse_birth_date(text) IS 'A date as people and systems write it (1980-01-15, 19800115, 15/01/1980, 1980年1月15日, 15 Jan 1980; two-digit years are 1930 to 2029). quality: exact; partial (month or day not told); ambiguous (read day first, or from digits); stand_in (1900-01-01, 1970-01-01, 0000-00-00 ...); impossible (year is null, digits has what there was); none.';

CREATE FUNCTION retail.normalise_gender(value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'retail_normalise_gender';
COMMENT ON FUNCTION retail.normalise_gender(text) IS 'm or f, from m, male, 男, 1 (GB/T 2261.1), f, female, 女, 2 and the like; null when it is not told.';

CREATE FUNCTION retail.jaro_winkler(a text, b text) RETURNS float8
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'retail_jaro_winkler';
COMMENT ON FUNCTION retail.jaro_winkler(text, text) IS 'Jaro-Winkler similarity, 0 to 1, of two texts folded as by pinyin(); their first 255 letters count.';

CREATE FUNCTION retail.damerau_levenshtein(a text, b text) RETURNS int
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'retail_damerau_levenshtein';
COMMENT ON FUNCTION retail.damerau_levenshtein(text, text) IS 'How many letters to insert, delete, replace or swap with their neighbour turn one text into the other, both folded as by pinyin(); their first 255 letters count.';

CREATE FUNCTION retail.address_similarity(a text, b text) RETURNS float8
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 50 AS 'MODULE_PATHNAME', 'retail_address_similarity';
COMMENT ON FUNCTION retail.address_similarity(text, text) IS 'How alike two addresses are, 0 to 1, folded as by normalise_address(): words in any order and with typos, numbers only when equal.';

CREATE FUNCTION retail.name_similarity(a text, b text) RETURNS float8
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 50 AS 'MODULE_PATHNAME', 'retail_name_similarity';
COMMENT ON FUNCTION retail.name_similarity(text, text) IS 'How alike two full names are, 0 to 1: mean Jaro-Winkler of surnames and given names as split_name() finds them, crosswise where that is likelier; hanzi and pinyin compare by sound. Null when one is a stand-in or nothing is left of it.';

GRANT EXECUTE ON FUNCTION retail.normaliser_version(), retail.pinyin(text), retail.normalise_name(text), retail.split_name(text, text, text), retail.normalise_address(text),
	retail.normalise_place(text), retail.normalise_postcode(text), retail.normalise_phone(text, text), retail.normalise_email(text), retail.normalise_identifier(text, text, text),
	retail.is_stand_in(text, text, text), retail.read_national_id(text), retail.parse_birth_date(text), retail.normalise_gender(text),
	retail.jaro_winkler(text, text), retail.damerau_levenshtein(text, text), retail.address_similarity(text, text), retail.name_similarity(text, text)
	TO retail_admin, retail_app, retail_service;
