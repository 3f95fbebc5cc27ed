-- setting: nothing that is stored or compared depends on the session
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
\set usual 'RESET ALL; SET timezone = ''UTC''; SET datestyle = ''ISO, MDY''; SET intervalstyle = ''postgres''; SET client_min_messages = warning;'
\set hostile 'SET datestyle = ''SQL, DMY''; SET timezone = ''Asia/Kolkata''; SET intervalstyle = ''sql_standard''; SET bytea_output = ''escape''; SET extra_float_digits = -15; SET quote_all_identifiers = on; SET backslash_quote = off; SET escape_string_warning = off; SET standard_conforming_strings = off; SET transform_null_equals = on; SET array_nulls = off; SET xmlbinary = ''hex''; SET xmloption = ''document''; SET check_function_bodies = off; SET row_security = off; SET default_transaction_deferrable = on; SET plpgsql.variable_conflict = ''use_column''; SET client_min_messages = warning;'
:usual

-- every definition of the extension as the server prints it
CREATE FUNCTION pg_temp.definitions() RETURNS TABLE (name text, definition text) LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
	SELECT p.oid::regprocedure::text, CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) END || p.prosrc FROM pg_proc p WHERE p.pronamespace IN ('personalize'::regnamespace, 'personalize_internal'::regnamespace)
	UNION ALL SELECT format('%s %s', c.conrelid::regclass, c.conname), pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE c.connamespace = 'personalize'::regnamespace
	UNION ALL SELECT format('%s default %s', d.adrelid::regclass, d.adnum), pg_get_expr(d.adbin, d.adrelid)
		FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid WHERE c.relnamespace = 'personalize'::regnamespace
	UNION ALL SELECT c.oid::regclass::text, CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) ELSE pg_get_indexdef(c.oid) END
		FROM pg_class c WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('v', 'i')
	UNION ALL SELECT format('%s on %s', p.polname, p.polrelid::regclass), concat_ws('; ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
		FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = 'personalize'::regnamespace
	UNION ALL SELECT format('%s on %s', t.tgname, t.tgrelid::regclass), pg_get_triggerdef(t.oid)
		FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'personalize'::regnamespace AND NOT t.tgisinternal
	UNION ALL SELECT format('comment on %s', pg_describe_object(d.classoid, d.objoid, d.objsubid)), d.description
		FROM pg_description d WHERE pg_describe_object(d.classoid, d.objoid, d.objsubid) LIKE '%personalize.%'
	UNION ALL SELECT format('shipped %s %s', s.kind, s.name), s.make FROM personalize._shipped s
	UNION ALL SELECT 'configuration', array_to_string(e.extcondition, '; ') FROM pg_extension e WHERE e.extname = 'personalize'
	UNION ALL SELECT 'signal ' || s.name, (to_jsonb(s) - 'created_at' - 'complete_since')::text FROM personalize.signal s
$$;
CREATE TEMP TABLE usual_definition AS SELECT * FROM pg_temp.definitions();
SELECT count(*) > 500 AS many FROM usual_definition;
DROP EXTENSION personalize CASCADE;
:hostile
CREATE EXTENSION personalize;
SELECT "check", detail FROM personalize.security_check() WHERE "check" NOT IN ('above row security', 'owner role', 'roles') AND NOT ok;
:usual
(TABLE usual_definition EXCEPT SELECT * FROM pg_temp.definitions()) UNION ALL (SELECT * FROM pg_temp.definitions() EXCEPT TABLE usual_definition);
SELECT "check", detail FROM personalize.security_check() WHERE "check" NOT IN ('above row security', 'owner role', 'roles') AND NOT ok;
-- a source is read on from where the last run ended, whoever ran it
CREATE TABLE product (id integer PRIMARY KEY, price numeric, at timestamptz, local timestamp, day date, version integer, weight numeric);
CREATE FUNCTION pg_temp.change(item integer, new_price numeric, stamp text) RETURNS void LANGUAGE sql SET datestyle = 'ISO' SET timezone = 'UTC' AS $$
	INSERT INTO product VALUES (item, new_price, stamp::timestamptz, stamp::timestamp, stamp::date, item * 100 + new_price, new_price / 3)
		ON CONFLICT (id) DO UPDATE SET price = EXCLUDED.price, at = EXCLUDED.at, local = EXCLUDED.local, day = EXCLUDED.day, version = EXCLUDED.version, weight = EXCLUDED.weight
$$;
CREATE FUNCTION pg_temp.sync() RETURNS TABLE (kind name, inserted bigint, updated bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOREACH kind IN ARRAY ARRAY['at', 'local', 'day', 'version', 'weight'] LOOP
		SELECT s.inserted, s.updated INTO inserted, updated
			FROM personalize.sync_items(format('product_%s', kind)::regclass, mode => 'incremental', changed_column => kind) s;
		RETURN NEXT;
	END LOOP;
END
$$;
DO $$
DECLARE
	kind name;
BEGIN
	FOREACH kind IN ARRAY ARRAY['at', 'local', 'day', 'version', 'weight'] LOOP
		EXECUTE format('CREATE VIEW product_%s AS SELECT %L || id AS item_id, price, %I FROM product', kind, kind, kind);
	END LOOP;
END
$$;
:hostile
SELECT pg_temp.change(1, 1, '2020-03-04 05:06:07');
SELECT * FROM pg_temp.sync();
:usual
SELECT source, changed_until FROM personalize.item_sync ORDER BY 1;
SELECT pg_temp.change(2, 2, '2020-03-04 05:30:00');
SELECT * FROM pg_temp.sync();
:hostile
SELECT pg_temp.change(1, 103, '2020-03-04 05:40:00');
SELECT * FROM pg_temp.sync();
SELECT pg_temp.change(2, 104, '2020-12-11 00:00:00');
SELECT * FROM pg_temp.sync();
:usual
SELECT * FROM pg_temp.sync();
SELECT price, count(*) FROM personalize.item WHERE price IS NOT NULL GROUP BY 1 ORDER BY 1;

-- columns of the shop's that are no text are taken in one form
CREATE TABLE odd AS SELECT 'odd' AS id, '2020-03-04 05:06:07'::timestamp AS created_at, '2020-03-04 05:06:07+00'::timestamptz AS category,
	'1 year 2 days 03:04:05'::interval AS brand, 1234567.891::float8 AS price, sha256('a') AS photo, 0.1::float8 + 0.2 AS ratio, '2020-04-03'::date AS day;
:hostile
SELECT * FROM personalize.sync_items('odd', '{"attributes": ["photo", "ratio", "day", "category", "brand"]}');
:usual
SELECT category, brand, price, attributes, created_at FROM personalize.item WHERE item_id = 'odd';
SELECT * FROM personalize.sync_items('odd', '{"attributes": ["photo", "ratio", "day", "category", "brand"]}');

-- whatever a session does, its settings leave no trace
:hostile
SELECT personalize.grant_consent('ada', '{analytics,personalization,recommendations}', 'banner', effective_at => '2020-01-05 10:00:00+00') \g /dev/null
SELECT personalize.withdraw_consent('ada', '{marketing}') \g /dev/null
SELECT personalize.grant_consent('bob', '{analytics,personalization,recommendations}') \g /dev/null
SELECT accepted, rejected FROM personalize.track_many(
	'[{"user_id": "ada", "event": "view_item", "item_id": "odd", "ts": "2999-01-01T00:00:00Z"}, {"user_id": "ada", "event": "", "ts": "2020-01-05T10:00:00+01:00"}]');
SELECT personalize.track('ada', 'purchase', 'odd', '{"price": 0.1, "value": 1e-3}', ts => '2020-01-05 10:00:00+00', message_id => 'one');
SELECT personalize.track('bob', 'view_item', 'odd', ts => '2020-01-05 10:00:00+00');
SELECT accepted FROM personalize.import_events('{ada}', '{view_item}', '{odd}', ts => ARRAY['2019-12-11 10:00:00+00'::timestamptz]);
SELECT personalize.set_preference('ada', 'favourite_brand', 'acme') \g /dev/null
SELECT personalize.set_retention('raw', interval '400 days');
SELECT personalize.rectify('ada', '{"ts": "2020-01-05T11:00:00Z"}', message_id => 'one');
SELECT personalize.forget('bob') \g /dev/null
SELECT processor, failures FROM personalize.rollup_now() JOIN personalize.stat_processor USING (processor) ORDER BY 1;
SELECT count(*) FROM personalize.apply_retention(as_of => '2020-02-01 00:00:00+00') \g /dev/null
SELECT count(*) FROM personalize.scrub_erased(false) \g /dev/null
SELECT personalize.ledger_anchor() AS anchor \gset
CREATE FUNCTION pg_temp.answers() RETURNS TABLE (export text, record text, state text) LANGUAGE sql AS $$
	SELECT md5((personalize.export_user('ada') - 'exported_at' #- '{consents,made_at}')::text),
		(SELECT md5(string_agg(to_jsonb(r)::text, ',' ORDER BY r.purpose)) FROM personalize.processing_record() r),
		(SELECT md5(string_agg(encode(personalize.state_hash(t.table_name, '2020-02-01 00:00:00+00'), 'hex'), ',' ORDER BY t.table_name))
			FROM personalize_internal._state_tables() t WHERE t.exempt_because IS NULL)
$$;
CREATE TEMP TABLE answer AS SELECT * FROM pg_temp.answers();
SELECT count(*) FROM personalize.verify_ledger();
:usual
SELECT count(*) FROM personalize.verify_ledger(NULL, :'anchor');
SELECT a.export = u.export AS export, a.record = u.record AS record, a.state = u.state AS state FROM answer a, pg_temp.answers() u;
CREATE FUNCTION pg_temp.traces() RETURNS TABLE (name name, row_text text) LANGUAGE plpgsql AS $$
BEGIN
	FOR name IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1 LOOP
		RETURN QUERY EXECUTE format('SELECT %L::name, t::text FROM personalize.%I t WHERE t::text ~ %L', name, name, '[+]05:?30| IST|[0-9]/[0-9]+/[0-9]');
	END LOOP;
END
$$;
SELECT * FROM pg_temp.traces();
DROP TABLE product CASCADE;
DROP TABLE odd;
