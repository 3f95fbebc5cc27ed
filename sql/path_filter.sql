-- path_filter: filters and lists of ids, of whatever type a driver gives its parameters
SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) AS p;
INSERT INTO personalize.item (item_id, category, price) SELECT n::text, CASE WHEN n < 4 THEN 'shoes' ELSE 'hats' END, n FROM generate_series(1, 6) AS n;
SELECT personalize.grant_consent('ada', '{personalization,recommendations}') IS NOT NULL;
-- a filter without a type, as text, varchar and jsonpath, beside ids of any type
CREATE TEMP TABLE call (n serial, types text, sql text);
INSERT INTO call (types, sql)
SELECT format('%s, %s', id, filter), format(f, '$1', '$2')
FROM unnest(ARRAY['unknown', 'text', 'varchar', 'integer', 'personalize.entity_id']) AS id, unnest(ARRAY['unknown', 'text', 'varchar', 'jsonpath', 'personalize.path_filter']) AS filter,
	unnest(ARRAY['personalize.recommend(%s, filter => %s)', 'personalize.similar_items(%s, filter => %s)', 'personalize.rank_search(%s, ''shoe'', ''{1,5}'', filter => %s)',
		'personalize.search_items(%s, ''shoe'', filter => %s)', 'personalize.homepage(%s, filter => %s)', 'personalize.why_not(%1$s, ''5'', filter => %2$s)']) AS f;
INSERT INTO call (types, sql)
SELECT format('%s[], %s', id, filter), format(f, '$1', '$2')
FROM unnest(ARRAY['text', 'varchar', 'integer', 'bigint', 'personalize.entity_id']) AS id, unnest(ARRAY['unknown', 'text', 'varchar', 'jsonpath']) AS filter,
	unnest(ARRAY['personalize.trending(exclude => %s, filter => %s)', 'personalize.bought_together(%s, filter => %s)', 'personalize.recommend(''ada'', exclude => %s, filter => %s)']) AS f;
INSERT INTO call (types, sql)
SELECT format('%s[], %s[]', id, id), format(f, '$1', '$2')
FROM unnest(ARRAY['text', 'varchar', 'integer', 'bigint', 'uuid', 'personalize.entity_id']) AS id,
	unnest(ARRAY['personalize.ingest(%s, ''{view_item}'', %s)', 'personalize.import_events(%s, ''{view_item}'', %s, ''{2020-01-01}'')', 'personalize.session_neighbours(%s), personalize.forget_many(%s)']) AS f;
SELECT count(*) FROM call;
CREATE FUNCTION pg_temp.try(n integer, types text, sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('PREPARE call_%s (%s) AS SELECT count(*) FROM %s', n, types, sql);
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END
$$;
SELECT types, sql, why FROM call, pg_temp.try(n, types, sql) AS why WHERE why IS NOT NULL ORDER BY n;
-- what a driver that asks is told
PREPARE asked AS SELECT FROM personalize.recommend($1, $2, filter => $3, exclude => $4);
SELECT parameter_types = '{text,integer,text,text[]}'::regtype[] AS text_and_arrays_of_it FROM pg_prepared_statements WHERE name = 'asked';
-- and they mean the same
SELECT string_agg(item_id, ',' ORDER BY item_id) FROM personalize.recommend('ada', filter => '$.category == "shoes"'::varchar);
SELECT string_agg(item_id, ',' ORDER BY item_id) FROM personalize.recommend('ada', filter => '$.category == "shoes"'::jsonpath);
SELECT string_agg(item_id, ',' ORDER BY item_id) FROM personalize.recommend('ada', filter => '$.category == "shoes"');
SELECT string_agg(item_id, ',' ORDER BY item_id) FROM personalize.trending(filter => '$.category == "shoes"'::text);
SELECT string_agg(item_id, ',' ORDER BY item_id) FROM personalize.recommend('ada', filter => NULL::varchar);
SELECT personalize.create_signal('dear', NULL, 'none', filter => '$.price > 3'::varchar) > 0, personalize.alter_signal('dear', filter => '$.price > 4'::text) > 0;
SELECT filter FROM personalize.signal WHERE name = 'dear';
-- mistakes say which filter
SELECT FROM personalize.recommend('ada', filter => '$.category ==');
SELECT FROM personalize.trending(filter => '$.category ==');
SELECT FROM personalize.trending(filter => '');
SELECT FROM personalize.recommend('ada', filter => repeat('$.category ', 30)::varchar);
SELECT personalize.create_signal('bad', NULL, 'none', filter => 'a b'::text);
DROP EXTENSION personalize CASCADE;
