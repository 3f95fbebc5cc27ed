-- How likely places are looked at: as shipped, and fitted to pages.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
SET personalize.purpose = 'analytics';

-- what cannot be meant
SELECT * FROM personalize.fit_examination('cascade');
SELECT * FROM personalize.fit_examination();
SELECT * FROM personalize.fit_examination(NULL, 'infinity');

-- pages of five of seven items, in turns; people look at a place below the first, or below the last
-- click, half as often as at the one above it, and an item attracts the more the greater its number
CREATE FUNCTION chance(a integer, b integer) RETURNS float8 LANGUAGE sql AS $$
	SELECT abs(hashint8(a * 1000003::bigint + b * 7919)) / 2147483648.0
$$;
CREATE TABLE page AS SELECT n, (SELECT array_agg(1 + (n * 3 + i * (1 + n % 6)) % 7 ORDER BY i) FROM generate_series(1, 5) AS i) AS items FROM generate_series(1, 4000) AS n;
CREATE TABLE click (n integer, place integer);
DO $$
DECLARE
	p record;
	last integer;
BEGIN
	FOR p IN SELECT * FROM page LOOP
		last := 0;
		FOR place IN 1 .. 5 LOOP
			IF chance(p.n, place) < 0.5 ^ (place - last - 1) AND chance(p.n, 100 + place) < p.items[place] / 10.0 THEN
				INSERT INTO click VALUES (p.n, place);
				last := place;
			END IF;
		END LOOP;
	END LOOP;
END
$$;
SELECT count(personalize.grant_consent('u' || n, '{analytics}')) FROM page;
SELECT count(personalize.track_impressions('u' || n, 'page-' || n, items::text[]::personalize.entity_id[], query => 'query ' || n % 3, ts => now() - interval '1 hour')) FROM page;
SELECT count(personalize.track('u' || n, 'select_item', items[place], request_id => 'page-' || n, ts => now() - interval '59 minutes')) FROM click JOIN page USING (n);
-- carts and pages without a query say nothing
SELECT count(personalize.track('u' || n, 'add_to_cart', items[5], request_id => 'page-' || n, ts => now() - interval '58 minutes')) FROM page;
SELECT count(personalize.track_impressions('u' || n, 'other-' || n, items::text[]::personalize.entity_id[], ts => now() - interval '1 hour')) FROM page;
SELECT count(*) > 0 FROM personalize.rollup_now();
SELECT impressions, clicks = (SELECT count(*) FROM click) AS all_clicks, rounds > 1 AS rounds, round(perplexity::numeric, 2) AS perplexity FROM personalize.fit_examination();
SELECT place, string_agg(round(looked_at::numeric, 1)::text, ' ' ORDER BY after_click) AS looked_at FROM personalize.examination GROUP BY 1 ORDER BY 1;
SELECT bool_and(abs(looked_at - 0.5 ^ (place - after_click - 1)) < 0.1) AS found, bool_and(model = 'browsing') AS browsing, sum(shown) AS shown FROM personalize.examination;
-- the same pages give the same
CREATE TEMP TABLE fitted AS SELECT place, after_click, model, shown, clicked, looked_at FROM personalize.examination;
SELECT count(*) FROM personalize.fit_examination();
SELECT count(*) FROM (TABLE fitted EXCEPT SELECT place, after_click, model, shown, clicked, looked_at FROM personalize.examination) AS d;
SELECT count(DISTINCT fitted_at) FROM personalize.examination WHERE fitted_at <= now();

-- rank_search() counts by it, for as long as it stands
CREATE FUNCTION attraction() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(item_id || ' ' || round((explanation ->> 'score_attraction')::numeric, 2), ', ' ORDER BY item_id)
	FROM personalize.rank_search(NULL, 'query 1', '{1,4,7,8}', '{1,1,1,1}', explain => true)
$$;
SELECT attraction() AS browsing \gset
SELECT clicks > 500 AS clicks FROM personalize.fit_examination('position');
SELECT model, place, after_click, round(looked_at::numeric, 1) AS looked_at FROM personalize.examination ORDER BY place;
SELECT attraction() AS position \gset
BEGIN;
SELECT * FROM personalize.fit_examination('shipped');
SELECT count(*) FROM personalize.examination;
SELECT attraction() AS shipped \gset
ROLLBACK;
SELECT attraction() = :'position' AS position, :'position' <> :'shipped' AS not_shipped, :'position' <> :'browsing' AS not_browsing;
SELECT :'shipped' AS shipped;

-- whoever restricts the use of their data is left out, and whoever is forgotten
SELECT count(personalize.restrict('u' || n, '{analytics}')) FROM page WHERE n <= 100;
SELECT count(personalize.forget('u' || n)) FROM page WHERE n BETWEEN 101 AND 200;
SELECT impressions, clicks = (SELECT count(*) FROM click WHERE n > 200) AS clicks FROM personalize.fit_examination();
SELECT * FROM personalize.fit_examination(since => now() - interval '1 minute');
SELECT count(*) FROM personalize.examination WHERE model = 'browsing';

-- of whom was in it and is forgotten since, or withdraws, there is a count; fitted again, it knows nothing of them
SELECT ok, detail FROM personalize.health() WHERE "check" = 'models';
SELECT count(personalize.forget('u' || n)) FROM page WHERE n BETWEEN 201 AND 203;
SELECT personalize.withdraw_consent('u204', '{analytics}') IS NOT NULL AS withdrawn;
SELECT personalize.forget('u101') IS NOT NULL AS forgotten_before, personalize.forget('nobody') IS NOT NULL AS never_seen;
SELECT DISTINCT forgotten FROM personalize.examination;
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'models';
SELECT impressions FROM personalize.fit_examination(since => '2000-01-01 12:00+00');
SELECT personalize.forget('u205') IS NOT NULL AS forgotten;
SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'models';
BEGIN;
SELECT personalize.forget('u206') IS NOT NULL AS forgotten;
ROLLBACK;
SELECT DISTINCT forgotten FROM personalize.examination;
SELECT impressions FROM personalize.fit_examination();
SELECT ok, detail FROM personalize.health() WHERE "check" = 'models';

-- for whom
SET ROLE personalize_app;
SELECT * FROM personalize.fit_examination();
SELECT * FROM personalize.examination;
SET ROLE personalize_admin;
SELECT impressions FROM personalize.fit_examination('position');
DELETE FROM personalize.examination;
RESET ROLE;

SET client_min_messages = warning;
DROP EXTENSION personalize CASCADE;
DROP TABLE page, click;
DROP FUNCTION chance, attraction;
