SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never

-- A fresh shop: the page home is there, and is empty until there is a catalogue.
SELECT module, title, source, min_items, first_shelf, builtin FROM personalize.page_module WHERE page = 'home' ORDER BY number;
SELECT count(*) FROM personalize.homepage('ada');
INSERT INTO personalize.item (item_id, category, brand, created_at, attributes)
SELECT 'i' || i, 'c' || i % 4, 'b' || i % 3, '2026-01-01 00:00+00'::timestamptz + i * interval '1 minute', jsonb_build_object('title', 'Item ' || i)
FROM generate_series(1, 60) i;
SELECT shelf, module, title, count(*) AS items, min(reason) AS reason FROM personalize.homepage('ada') GROUP BY 1, 2, 3 ORDER BY 1;

-- People walk through it and buy.
SELECT personalize.import_events(array_agg(('w' || w)::personalize.entity_id), array_agg('view_item'::text),
	array_agg(('i' || ((w * 3 + i * (1 + w % 3)) % 60 + 1))::personalize.entity_id),
	array_agg('2026-01-05 00:00+00'::timestamptz + make_interval(hours => w, mins => i)),
	consents => array_agg('analytics,personalization,recommendations'::text))
FROM generate_series(1, 80) w, generate_series(0, 7) i;
SELECT personalize.import_events(array_agg(('w' || w)::personalize.entity_id), array_agg('purchase'::text),
	array_agg(('i' || ((w * 3 + i) % 60 + 1))::personalize.entity_id),
	array_agg('2026-01-05 12:00+00'::timestamptz + make_interval(hours => w, mins => i)),
	properties => array_agg(jsonb_build_object('order_id', w)), consents => array_agg('analytics,personalization,recommendations'::text))
FROM generate_series(1, 80) w, generate_series(0, 2) i;
SELECT personalize.grant_consent('w7', '{analytics,personalization,recommendations}'), personalize.set_preference('w7', 'favourite_item', 'i60');
SELECT count(*) > 0 AS done FROM personalize.rollup_now();
\set now '''2026-01-10 00:00+00'''

-- The same page whenever it is asked for within a window, items once, ranks without gaps.
CREATE VIEW page_of_w7 AS SELECT * FROM personalize.homepage('w7', as_of => '2026-01-10 00:00+00');
SELECT count(DISTINCT shelf) AS shelves, count(*) - count(DISTINCT item_id) AS twice, count(DISTINCT request_id) AS ids, count(DISTINCT module) AS modules,
	bool_and(rank BETWEEN 1 AND 12) AS ranks FROM page_of_w7;
SELECT md5(string_agg(concat_ws('|', shelf, module, title, rank, item_id, reason), ' ' ORDER BY shelf, rank)) AS page FROM page_of_w7
INTERSECT
SELECT md5(string_agg(concat_ws('|', shelf, module, title, rank, item_id, reason), ' ' ORDER BY shelf, rank))
FROM personalize.homepage('w7', as_of => '2026-01-10 00:29:59+00') \gset same_
SELECT :'same_page' <> '' AS same;
-- another one for others, and in other windows
SELECT count(DISTINCT modules) > 5 AS by_people FROM (SELECT string_agg(DISTINCT shelf || module, ' ') AS modules
	FROM generate_series(1, 40) u, personalize.homepage('w' || u, as_of => :now) GROUP BY u) p;
SELECT count(DISTINCT modules) > 5 AS by_window FROM (SELECT string_agg(DISTINCT shelf || module, ' ') AS modules
	FROM generate_series(1, 40) t, personalize.homepage('w7', as_of => :now::timestamptz + t * interval '30 minutes') GROUP BY t) p;

-- What ids of the shelves say.
SELECT DISTINCT o.engine, o.module = 8 * m.number + 1 AS module, o.place_bucket = least(h.shelf, 5) AS shelf, o.propensity BETWEEN 0.0001 AND 1 AS propensity
FROM page_of_w7 h JOIN personalize.page_module m ON m.module = h.module AND m.page = 'home', personalize.request_origin(h.request_id) o;

-- Without consent for recommendations, and for nobody.
SELECT shelf, module, min(reason) FROM personalize.homepage('stranger', as_of => :now) GROUP BY 1, 2 ORDER BY 1;
SELECT count(DISTINCT module) FROM personalize.homepage(NULL, as_of => :now);
SELECT DISTINCT module, reason FROM personalize.homepage('stranger', session_items => '{i9}', as_of => :now) WHERE reason LIKE '%i9' ORDER BY 1;

-- What is shown and clicked decides: module slow has 2 clicks of 200 items, quick 20, one that is new none.
INSERT INTO personalize.page_module (page, module, title, source, arguments, min_items) VALUES
	('trial', 'slow', 'Slow', 'editorial', '{"items": ["i1", "i2", "i3", "i4", "i5"]}', 1),
	('trial', 'quick', 'Quick', 'editorial', '{"items": ["i11", "i12", "i13", "i14", "i15"]}', 1);
CREATE FUNCTION show(shown_module text, clicks int, at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	h record;
	tracked bigint := 0;
BEGIN
	-- the other module stands aside
	UPDATE personalize.page_module SET enabled = module = shown_module WHERE page = 'trial';
	FOR h IN SELECT u, p.request_id::text AS id, array_agg(p.item_id::personalize.entity_id ORDER BY p.rank) AS items
		FROM generate_series(1, 40) u, personalize.homepage('w' || u, 'trial', 1, 5, as_of => at) p GROUP BY 1, 2
	LOOP
		PERFORM personalize.track_impressions('w' || h.u, h.id, h.items, ts => at, consent => '{analytics,personalization,recommendations}');
		IF h.u <= clicks THEN
			PERFORM personalize.track('w' || h.u, 'select_item', h.items[1], request_id => h.id, ts => at + interval '1 minute',
				consent => '{analytics,personalization,recommendations}');
		END IF;
		tracked := tracked + 1;
	END LOOP;
	UPDATE personalize.page_module SET enabled = true WHERE page = 'trial';
	RETURN tracked;
END
$$;
SELECT show('slow', 2, '2026-01-09 10:00+00'), show('quick', 20, '2026-01-09 11:00+00');
SELECT count(*) > 0 AS done FROM personalize.rollup_now();
SELECT m.module, s.place_bucket, s.day, s.shown, s.clicked FROM personalize.engine_stat s JOIN personalize.page_module m ON s.module = 8 * m.number + 1
WHERE s.engine = 8 AND m.page = 'trial' ORDER BY 1;
-- the posterior: the prior fitted to both and what was counted
SELECT module, shelf, impressions, clicks, round(posterior_mean::numeric, 2) AS mean, posterior_low < posterior_mean AND posterior_mean < posterior_high AS inside
FROM personalize.homepage_layout('w7', 'trial', 1, as_of => :now) ORDER BY 1;
-- it is fitted to what is part of the call: a module that is switched off might as well not be there
BEGIN;
UPDATE personalize.page_module SET enabled = false WHERE page = 'trial' AND module = 'quick';
CREATE TEMP TABLE switched_off ON COMMIT DROP AS SELECT module, posterior_mean, draw FROM personalize.homepage_layout('w7', 'trial', 1, as_of => :now) WHERE module = 'slow';
DELETE FROM personalize.page_module WHERE page = 'trial' AND module = 'quick';
SELECT module FROM switched_off JOIN personalize.homepage_layout('w7', 'trial', 1, as_of => :now) AS l USING (module, posterior_mean, draw);
ROLLBACK;
-- of 200 people most see the better one, and the ids say how likely that was
SELECT count(*) FILTER (WHERE module = 'quick') > 180 AS mostly_quick, round(avg(propensity) FILTER (WHERE module = 'quick')::numeric, 1) AS propensity
FROM generate_series(1, 200) u, LATERAL (SELECT DISTINCT p.module, o.propensity FROM personalize.homepage('w' || 1 + u % 80, 'trial', 1, as_of => :now::timestamptz + u * interval '1 hour') p,
	personalize.request_origin(p.request_id) o) p;
-- before there were clicks, in a segment without any, and on another shelf, it is as open as the prior is
SELECT impressions FROM personalize.homepage_layout('w7', 'trial', 1, as_of => '2026-01-08 00:00+00')
UNION SELECT impressions FROM personalize.homepage_layout('stranger', 'trial', 1, as_of => :now)
UNION SELECT impressions FROM personalize.homepage_layout('w7', 'trial', 2, as_of => :now) WHERE shelf = 2;
-- a new module has its floor, each with the same chance, and its propensity says so
INSERT INTO personalize.page_module (page, module, title, source, arguments, min_items) VALUES ('trial', 'fresh', 'Fresh', 'editorial', '{"items": ["i21"]}', 1);
SELECT personalize.create_variant('homepage', 'greedy', '{"exploration": 0, "floor": 0.2, "new_impressions": 100}'), personalize.create_variant('homepage', 'no floor', '{"exploration": 0, "floor": 0}');
SELECT h.module, count(*) BETWEEN 150 AND 250 AS fifth, min(o.propensity) BETWEEN 0.19 AND 0.21 AS propensity
FROM generate_series(1, 1000) u, personalize.homepage('p' || u, 'trial', 1, 1, as_of => :now, variant => 'greedy', session_items => '{i30}') h, personalize.request_origin(h.request_id) o
WHERE h.module = 'fresh' GROUP BY 1;
SELECT DISTINCT h.module FROM generate_series(1, 100) u, personalize.homepage('p' || u, 'trial', 1, 1, as_of => :now, variant => 'no floor', session_items => '{i30}') h;
SELECT shelf, module, placed, forced, state FROM personalize.homepage_layout('w7', 'trial', 2, as_of => :now, variant => 'no floor') ORDER BY shelf, placed DESC, module;
-- old impressions weigh less, and no more than effective_size of them count
SELECT personalize.create_variant('homepage', 'short memory', '{"effective_size": 100}');
SELECT module, impressions, round(posterior_mean::numeric, 2) AS mean FROM personalize.homepage_layout('w7', 'trial', 1, as_of => :now, variant => 'short memory') ORDER BY 1;
DELETE FROM personalize.page_module WHERE page = 'trial';

-- Modules of a page of one's own: what is written by hand is obeyed at once.
INSERT INTO personalize.page_module (page, module, title, source, arguments, pinned_shelf, min_items) VALUES
	('o''clock "{"', 'picks', 'Picked by {brand} & co', 'editorial', '{"items": ["i3", "i1", "nowhere", 7.0, "i2"]}', 2, 1),
	('o''clock "{"', 'offer', 'Offers in {category}', 'promotion', '{"filter": "$.category == \"c1\""}', NULL, 1),
	('o''clock "{"', 'weekly', 'This week', 'trending', '{"half_life": "7 days", "category": "c2"}', NULL, 1);
SELECT shelf, module, title, rank, item_id, reason FROM personalize.homepage('w7', 'o''clock "{"', n => 5, as_of => :now) ORDER BY shelf <> 2, shelf, rank LIMIT 5;
SELECT DISTINCT module, title, reason FROM personalize.homepage('w7', 'o''clock "{"', n => 5, as_of => :now) ORDER BY 1;
-- hidden and unavailable items, exclude, candidates and filter hold for all shelves
UPDATE personalize.item SET hidden = true WHERE item_id = 'i1';
SELECT item_id FROM personalize.homepage('w7', 'o''clock "{"', filter => '$.item_id != "i3"', exclude => '{7,nowhere}', as_of => :now) WHERE module = 'picks' ORDER BY rank;
SELECT module, item_id FROM personalize.homepage('w7', candidates => '{i2,i5}', as_of => :now) ORDER BY 2;
UPDATE personalize.item SET hidden = false WHERE item_id = 'i1';
-- a module's filter, only its
UPDATE personalize.page_module SET arguments = arguments || '{"filter": "$.brand == \"b0\""}' WHERE module = 'picks';
SELECT item_id FROM personalize.homepage('w7', 'o''clock "{"', as_of => :now) WHERE module = 'picks' ORDER BY rank;
SELECT count(DISTINCT module) FROM personalize.homepage('w7', 'o''clock "{"', as_of => :now);
-- too few items: it gives way
UPDATE personalize.page_module SET min_items = 2 WHERE module = 'picks';
SELECT shelf, module, placed, forced, state FROM personalize.homepage_layout('w7', 'o''clock "{"', shelves => 2, as_of => :now) WHERE module = 'picks' ORDER BY shelf;
UPDATE personalize.page_module SET min_items = 1 WHERE module = 'picks';
SELECT shelf, placed, forced, state, propensity FROM personalize.homepage_layout('w7', 'o''clock "{"', shelves => 2, as_of => :now) WHERE module = 'picks' ORDER BY shelf;
-- not now, not for everybody, not enabled, not in this variant
UPDATE personalize.page_module SET valid_during = '[2026-02-01 00:00+00,2026-03-01 00:00+00)' WHERE module = 'weekly';
UPDATE personalize.page_module SET audience = '$.interest_brand[*] ? (@.value == "nobody''s")' WHERE module = 'offer';
SELECT personalize.create_variant('homepage', 'A "b"');
UPDATE personalize.page_module SET variants = '{"A \"b\""}' WHERE module = 'picks';
SELECT module, state FROM personalize.homepage_layout('w7', 'o''clock "{"') ORDER BY 1;
SELECT DISTINCT module, h.variant FROM personalize.homepage('w7', 'o''clock "{"', variant => 'A "b"') h ORDER BY 1;
SELECT DISTINCT module FROM personalize.homepage('w7', 'o''clock "{"', as_of => '2026-02-10 00:00+00') h ORDER BY 1;
UPDATE personalize.page_module SET audience = '$.item_affinity', valid_during = '(,)', variants = NULL, enabled = module = 'offer' WHERE page = 'o''clock "{"';
SELECT DISTINCT module FROM personalize.homepage('w7', 'o''clock "{"') ORDER BY 1;
SELECT count(*) FROM personalize.homepage('stranger', 'o''clock "{"');
DELETE FROM personalize.page_module WHERE page = 'o''clock "{"';

-- Functions of the shop's, run with the rights of who asks.
CREATE SCHEMA "my shop";
CREATE FUNCTION "my shop"."best ""sellers"""(user_id text, n integer) RETURNS SETOF text LANGUAGE sql STABLE
	AS $$ SELECT x FROM (VALUES (1, 'i10'), (2, NULL), (3, 'for ' || coalesce(user_id, 'nobody')), (4, 'i10'), (5, 'i11')) v(o, x) ORDER BY o LIMIT n $$;
INSERT INTO personalize.page_module (page, module, title, source, arguments, min_items) VALUES
	('f', 'own', 'Own', 'function', '{"function": "\"my shop\".\"best \"\"sellers\"\"\""}', 1);
SELECT arguments FROM personalize.page_module WHERE page = 'f';
SELECT item_id, reason FROM personalize.homepage('w7', 'f') ORDER BY rank;
SELECT item_id FROM personalize.homepage('stranger', 'f') ORDER BY rank;
SELECT item_id FROM personalize.homepage('w7', 'f', n => 1);
SET ROLE personalize_app;
SELECT count(*) FROM personalize.homepage('w7', 'f');
RESET ROLE;
GRANT USAGE ON SCHEMA "my shop" TO personalize_app;
REVOKE EXECUTE ON FUNCTION "my shop"."best ""sellers"""(text, integer) FROM PUBLIC;
SET ROLE personalize_app;
SELECT count(*) FROM personalize.homepage('w7', 'f');
RESET ROLE;
GRANT EXECUTE ON FUNCTION "my shop"."best ""sellers"""(text, integer) TO personalize_app;
SET ROLE personalize_app;
SELECT count(*) FROM personalize.homepage('w7', 'f');
RESET ROLE;
-- it fails, writes, is gone
CREATE OR REPLACE FUNCTION "my shop"."best ""sellers"""(user_id text, n integer) RETURNS SETOF text LANGUAGE sql AS $$ SELECT (1 / (n - n))::text $$;
\set SHOW_CONTEXT always
SELECT count(*) FROM personalize.homepage('w7', 'f');
\set SHOW_CONTEXT never
CREATE TABLE written (n int);
CREATE OR REPLACE FUNCTION "my shop"."best ""sellers"""(user_id text, n integer) RETURNS SETOF text LANGUAGE sql AS $$ INSERT INTO written VALUES (1) RETURNING 'i1' $$;
SELECT count(*) FROM personalize.homepage('w7', 'f');
DROP FUNCTION "my shop"."best ""sellers"""(text, integer);
SELECT count(*) FROM personalize.homepage('w7', 'f');
SELECT state FROM personalize.homepage_layout('w7', 'f', shelves => 1);
DELETE FROM personalize.page_module WHERE page = 'f';

-- Caps of a page, and shelves about one category.
SELECT personalize.create_variant('homepage', 'capped', '{"page_max_per_category": 3, "page_max_per_brand": 5, "max_shelves_per_category": 1}');
SELECT max(n) <= 3 AS per_category FROM (SELECT count(*) AS n FROM personalize.homepage('w7', as_of => :now, variant => 'capped') JOIN personalize.item USING (item_id) GROUP BY category) c;
SELECT max(n) <= 5 AS per_brand, sum(n) > 6 AS filled FROM (SELECT count(*) AS n FROM personalize.homepage('w7', as_of => :now, variant => 'capped') JOIN personalize.item USING (item_id) GROUP BY brand) c;
INSERT INTO personalize.page_module (page, module, title, source, arguments, min_items)
	SELECT 'c', 'm' || i, 'Trending', 'trending', '{"category": "c1"}', 1 FROM generate_series(1, 5) i;
SELECT count(DISTINCT shelf) FROM personalize.homepage('w7', 'c', n => 2, as_of => :now);
SELECT count(DISTINCT shelf) FROM personalize.homepage('w7', 'c', n => 2, as_of => :now, variant => 'capped');
SELECT personalize.create_variant('homepage', 'many', '{"max_shelves_per_category": 0}');
SELECT count(DISTINCT shelf) FROM personalize.homepage('w7', 'c', n => 2, as_of => :now, variant => 'many');
DELETE FROM personalize.page_module WHERE page = 'c';

-- Rules about a module only.
INSERT INTO personalize.page_module (page, module, title, source) VALUES ('r', 'novelties', 'New', 'new_in_categories');
INSERT INTO personalize.rule (name, kind, engine, module, items, place) VALUES ('on top', 'pin', 'homepage', 'novelties', '{i4}', 2);
INSERT INTO personalize.rule (name, kind, module, items) VALUES ('never', 'exclude', 'trending', '{i1,i2,i3,i4,i5,i6}');
SELECT module, rank, reason, explanation -> 'rules' AS rules FROM personalize.homepage('stranger', 'r', as_of => :now, explain => true) WHERE rank < 4 ORDER BY rank;
SELECT count(*) FROM personalize.homepage('stranger', as_of => :now) WHERE module = 'trending' AND item_id IN ('i1', 'i2', 'i3', 'i4', 'i5', 'i6');
DELETE FROM personalize.rule;
DELETE FROM personalize.page_module WHERE page = 'r';

-- What cannot be meant is refused, by name.
CREATE FUNCTION try(columns text, given text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE format('INSERT INTO personalize.page_module (page, module, title, source%s) VALUES (%s)', columns, given);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || CASE hint WHEN '' THEN '' ELSE ' | ' || hint END;
END
$$;
SELECT try('', q.row) FROM unnest(ARRAY[
	$q$'p', 'm', 't', 'trendig'$q$, $q$'', 'm', 't', 'trending'$q$, $q$NULL, 'm', 't', 'trending'$q$, $q$'p', E'a\nb', 't', 'trending'$q$,
	$q$'p', repeat('m', 64), 't', 'trending'$q$, $q$'p', 'm', '', 'trending'$q$, $q$'p', 'm', 'For {user}', 'trending'$q$, $q$'p', 'm', 'For {item', 'trending'$q$,
	$q$'p', 'm', 't', 'editorial'$q$, $q$'p', 'm', 't', 'promotion'$q$, $q$'p', 'm', 't', 'function'$q$]) q(row);
SELECT try(', arguments', q.row) FROM unnest(ARRAY[
	$q$'p', 'm', 't', 'trending', '[]'$q$, $q$'p', 'm', 't', 'trending', '{"items": ["1"]}'$q$, $q$'p', 'm', 't', 'continue', '{"filte": "$"}'$q$,
	$q$'p', 'm', 't', 'editorial', '{"items": "1"}'$q$, $q$'p', 'm', 't', 'editorial', '{"items": []}'$q$, $q$'p', 'm', 't', 'editorial', '{"items": [null]}'$q$,
	$q$'p', 'm', 't', 'editorial', '{"items": [["1"]]}'$q$, $q$'p', 'm', 't', 'editorial', jsonb_build_object('items', (SELECT jsonb_agg(i) FROM generate_series(1, 1001) i))$q$,
	$q$'p', 'm', 't', 'trending', '{"half_life": "soon"}'$q$, $q$'p', 'm', 't', 'trending', '{"half_life": "1 second"}'$q$, $q$'p', 'm', 't', 'trending', '{"half_life": 5}'$q$,
	$q$'p', 'm', 't', 'trending', '{"category": ""}'$q$, $q$'p', 'm', 't', 'trending', '{"filter": "$.brand like_regex \"a\""}'$q$, $q$'p', 'm', 't', 'trending', '{"filter": "((("}'$q$,
	$q$'p', 'm', 't', 'function', '{"function": "no.such"}'$q$, $q$'p', 'm', 't', 'function', '{"function": "pg_catalog.pg_sleep(double precision)"}'$q$,
	$q$'p', 'm', 't', 'function', '{"function": "repeat"}'$q$, $q$'p', 'm', 't', 'function', '{"function": "x; DROP TABLE y"}'$q$]) q(row);
SELECT try(', min_items, first_shelf, last_shelf, pinned_shelf', q.row) FROM unnest(ARRAY[
	$q$'p', 'm', 't', 'trending', 0, 1, 1, NULL$q$, $q$'p', 'm', 't', 'trending', 1001, 1, 1, NULL$q$, $q$'p', 'm', 't', 'trending', 1, 0, 1, NULL$q$,
	$q$'p', 'm', 't', 'trending', 1, 5, 4, NULL$q$, $q$'p', 'm', 't', 'trending', 1, 1, 101, NULL$q$, $q$'p', 'm', 't', 'trending', 1, 1, 100, -1$q$, $q$'p', 'm', 't', 'trending', NULL, 1, 100, 1$q$]) q(row);
SELECT try(', audience, valid_during, variants', q.row) FROM unnest(ARRAY[
	$q$'p', 'm', 't', 'trending', '$.**', '(,)', NULL$q$, $q$'p', 'm', 't', 'trending', NULL, 'empty', NULL$q$, $q$'p', 'm', 't', 'trending', NULL, NULL, NULL$q$,
	$q$'p', 'm', 't', 'trending', NULL, '(,)', '{}'$q$, $q$'p', 'm', 't', 'trending', NULL, '(,)', '{NULL}'$q$]) q(row);
INSERT INTO personalize.page_module (page, module, title, source, variants) VALUES ('p', 'm', 't', 'trending', '{no such}');
INSERT INTO personalize.page_module (page, module, title, source, number) VALUES ('p', 'n', 't', 'trending', 7);
DELETE FROM personalize.page_module WHERE page = 'p';
SELECT * FROM personalize.homepage('w7', 'hom');
SELECT * FROM personalize.homepage('w7', shelves => 0);
SELECT * FROM personalize.homepage('w7', shelves => 101);
SELECT * FROM personalize.homepage('w7', n => 0);
SELECT * FROM personalize.homepage('w7', n => 1001);
SELECT * FROM personalize.homepage('w7', variant => 'no such');
SELECT * FROM personalize.homepage('w7', as_of => 'infinity');
SELECT count(*) > 0 AS defaults FROM personalize.homepage('w7', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT * FROM personalize.homepage_layout('w7', 'hom');

-- Each source by itself: what was left in the cart, ordered, is due again, and is a favourite.
INSERT INTO personalize.page_module (page, module, title, source, min_items)
	SELECT s, s, '{item}', s, 1 FROM unnest('{continue,bought_with_last_order,buy_again,favourites,because_viewed,trending_in_category}'::text[]) s;
SELECT personalize.import_events(array_agg(u::personalize.entity_id), array_agg(e), array_agg(i::personalize.entity_id), array_agg(t::timestamptz),
	consents => array_agg('analytics,personalization,recommendations'::text))
FROM (
	-- soap is bought every ten days, a towel once; a pan was bought again by two only
	SELECT 'b' || b, 'purchase', 'soap', ('2026-01-01 00:00+00'::timestamptz + k * interval '10 days' + b * interval '1 hour')::text FROM generate_series(1, 5) b, generate_series(0, 2) k
	UNION ALL SELECT 'b' || b, 'purchase', 'towel', '2026-01-01 00:00+00' FROM generate_series(1, 5) b
	UNION ALL SELECT 'b' || b, 'purchase', 'pan', ('2026-01-01 00:00+00'::timestamptz + k * interval '10 days')::text FROM generate_series(1, 2) b, generate_series(0, 1) k
	UNION ALL VALUES
	('eve', 'purchase', 'soap', '2026-01-20 00:00+00'), ('eve', 'purchase', 'towel', '2026-01-20 00:00+00'), ('eve', 'purchase', 'pan', '2026-01-20 00:00+00'),
	-- eve's own: tea, every five days
	('eve', 'purchase', 'tea', '2026-01-15 00:00+00'), ('eve', 'purchase', 'tea', '2026-01-20 00:00+00'), ('eve', 'purchase', 'tea', '2026-01-25 00:00+00'),
	('eve', 'view_item', 'i7', '2026-01-29 10:00+00'), ('eve', 'add_to_cart', 'i8', '2026-01-29 10:01+00'), ('eve', 'add_to_cart', 'i9', '2026-01-29 10:02+00'),
	('eve', 'remove_from_cart', 'i9', '2026-01-29 10:03+00'), ('eve', 'add_to_cart', 'i10', '2026-01-29 10:04+00'), ('eve', 'purchase', 'i10', '2026-01-29 10:05+00'),
	('eve', 'view_item', 'i12', '2026-01-29 10:06+00')) v(u, e, i, t);
SELECT personalize.grant_consent('eve', '{analytics,personalization,recommendations}'), personalize.set_preference('eve', 'favourite_item', 'i33'),
	personalize.set_preference('eve', 'favourite_brand', 'b1'), personalize.set_preference('eve', 'hidden_item', 'i34');
SELECT count(*) > 0 AS done FROM personalize.rollup_now();
SELECT rank, item_id, reason, title FROM personalize.homepage('eve', 'continue', as_of => '2026-01-29 10:10+00') ORDER BY rank;
SELECT item_id, reason FROM personalize.homepage('eve', 'buy_again', as_of => '2026-01-29 10:10+00') ORDER BY rank;
-- too early, and too late
SELECT item_id FROM personalize.homepage('eve', 'buy_again', as_of => '2026-01-26 00:00+00') UNION ALL SELECT item_id FROM personalize.homepage('eve', 'buy_again', as_of => '2026-06-01 00:00+00');
-- most of an item's buyers are forgotten, and with them what they said of it
SELECT count(personalize.forget('b' || b)) FROM generate_series(1, 4) b;
SELECT item_id FROM personalize.homepage('eve', 'buy_again', as_of => '2026-01-29 10:10+00');
-- now: what is kept of everybody's baskets says when fay is due, until most of them are forgotten
SELECT personalize.grant_consent('fay', '{analytics,personalization,recommendations}') \g /dev/null
SELECT personalize.import_events(array_agg(u::personalize.entity_id), array_agg('purchase'::text), array_agg('milk'::personalize.entity_id), array_agg(now() - days * interval '1 day'),
	consents => array_agg('analytics,personalization,recommendations'::text))
FROM (SELECT 'm' || m, 9 + k * 10 FROM generate_series(1, 3) m, generate_series(0, 1) k UNION ALL VALUES ('fay', 9)) v(u, days);
SELECT count(*) > 0 AS done FROM personalize.rollup_now();
SELECT i.item_id, r.days FROM personalize._repeat_interval r JOIN personalize.item i USING (item_key) ORDER BY 1;
SELECT item_id, reason FROM personalize.homepage('fay', 'buy_again');
SELECT count(personalize.forget('m' || m)) FROM generate_series(1, 2) m;
SELECT count(*) FROM personalize.rollup_now() \g /dev/null
SELECT i.item_id, r.days FROM personalize._repeat_interval r JOIN personalize.item i USING (item_key) ORDER BY 1;
SELECT item_id, reason FROM personalize.homepage('fay', 'buy_again');
SELECT rank, item_id, reason FROM personalize.homepage('eve', 'favourites', n => 3, as_of => '2026-01-29 10:10+00') ORDER BY rank;
SELECT count(*) FROM personalize.homepage('eve', 'favourites', n => 100, as_of => '2026-01-29 10:10+00') WHERE item_id = 'i34';
SELECT count(*) > 0 AS some, bool_and(reason = 'bought_with:i10') AS reason FROM personalize.homepage('eve', 'bought_with_last_order', as_of => '2026-01-29 10:10+00');
SELECT DISTINCT title, reason FROM personalize.homepage('eve', 'because_viewed', as_of => '2026-01-29 10:10+00');
SELECT DISTINCT reason FROM personalize.homepage('eve', 'trending_in_category', as_of => '2026-01-29 10:10+00');
SELECT withdrawn IS NOT NULL AS withdrawn FROM personalize.withdraw_consent('eve', '{recommendations}') AS withdrawn;
SELECT s, h.state FROM unnest('{continue,bought_with_last_order,buy_again,favourites,because_viewed,trending_in_category}'::text[]) s, personalize.homepage_layout('eve', s, 1) h ORDER BY 1;

-- 10,000 modules, names and titles as bad as may be.
INSERT INTO personalize.page_module (page, module, title, source, arguments, min_items)
	SELECT 'many', 'm''"\%{' || i, 'T''"$1 } ' || i, 'editorial', jsonb_build_object('items', jsonb_build_array('i' || i % 60 + 1)), 1 FROM generate_series(1, 10000) i;
SELECT count(*) AS rows, count(DISTINCT module) AS modules, count(DISTINCT item_id) AS items, bool_and(title LIKE 'T''"$1 } %') AS titles
FROM personalize.homepage('w7', 'many', 100, 3, as_of => :now);
SELECT count(*) > 10000 AS rows, bool_and(propensity > 0 AND propensity < 1) AS propensity FROM personalize.homepage_layout('w7', 'many', 2, as_of => :now);
SELECT count(DISTINCT o.module) FROM personalize.homepage('w7', 'many', 6, 3, as_of => :now) h, personalize.request_origin(h.request_id) o;
DELETE FROM personalize.page_module WHERE page = 'many';

-- The newest come by the index alone where the catalogue is vacuumed, and by its rows where it is not.
INSERT INTO personalize.page_module (page, module, title, source, min_items) VALUES ('newest', 'n', 'N', 'new_in_categories', 1);
CREATE FUNCTION newest(n int) RETURNS boolean LANGUAGE sql AS $$
	SELECT (SELECT array_agg(item_id ORDER BY rank) FROM personalize.homepage(NULL, 'newest', n => $1)) =
		(SELECT array_agg(item_id ORDER BY created_at DESC, item_key) FROM (
			SELECT * FROM personalize.item WHERE available AND NOT hidden ORDER BY created_at DESC, item_key LIMIT $1) i)
$$;
SELECT newest(12), newest(60);
VACUUM personalize.item;
SELECT newest(12), newest(60);
BEGIN;
UPDATE personalize.item SET hidden = true WHERE item_key % 3 = 0;
UPDATE personalize.item SET created_at = created_at + interval '30 minutes' WHERE item_key % 5 = 0;
DELETE FROM personalize.item WHERE item_key % 7 = 0;
SELECT newest(12), newest(1000);
ROLLBACK;
SELECT newest(12), newest(60);
BEGIN;
DROP INDEX personalize.item_created_at_idx;
CREATE INDEX item_created_at_idx ON personalize.item (created_at DESC, item_key) WHERE available AND NOT hidden;
SELECT newest(12);
ROLLBACK;
DROP FUNCTION newest(int);
DELETE FROM personalize.page_module WHERE page = 'newest';

-- Neither engine notices what is done to the other.
CREATE FUNCTION answers() RETURNS TABLE (engine text, digest text) LANGUAGE sql AS $$
	SELECT 'homepage', md5(string_agg(concat_ws('|', u, shelf, rank, item_id, score, reason, explanation), ' ' ORDER BY u, shelf, rank))
	FROM generate_series(1, 60) u, personalize.homepage('w' || u, as_of => '2026-01-10 00:00+00', explain => true)
	UNION ALL SELECT 'recommend', md5(string_agg(concat_ws('|', u, rank, item_id, score, reason, explanation), ' ' ORDER BY u, rank))
	FROM generate_series(1, 60) u, personalize.recommend('w' || u, as_of => '2026-01-10 00:00+00', explain => true)
$$;
CREATE TEMP TABLE before AS SELECT * FROM answers();
SELECT personalize.create_variant('recommend', 'r', '{"next_weight": 0, "favourite_boost": 5}');
SELECT personalize.set_default_variant('recommend', 'r');
SELECT engine FROM (SELECT * FROM answers() EXCEPT SELECT * FROM before) changed;
SELECT personalize.set_default_variant('recommend', 'shipped');
SELECT personalize.set_default_variant('homepage', 'greedy');
SELECT engine FROM (SELECT * FROM answers() EXCEPT SELECT * FROM before) changed;
SELECT personalize.set_default_variant('homepage', 'shipped');
SELECT engine FROM (SELECT * FROM answers() EXCEPT SELECT * FROM before) changed;

DROP FUNCTION answers(), show(text, int, timestamptz), try(text, text);
DROP VIEW page_of_w7;
DROP TABLE written;
DROP SCHEMA "my shop" CASCADE;
