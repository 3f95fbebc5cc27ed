-- What others have searched, while somebody types.
\getenv abs_srcdir PG_ABS_SRCDIR
\set recompute :abs_srcdir '/test/recompute.sql'
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
DROP SCHEMA IF EXISTS recompute CASCADE;
CREATE EXTENSION personalize;
\set ECHO none
\i :recompute
\set ECHO all
RESET client_min_messages;
SET personalize.purpose = 'analytics';
CREATE FUNCTION suggested(prefix text, person text DEFAULT NULL, n integer DEFAULT 10) RETURNS text LANGUAGE sql AS
	$$SELECT string_agg(query || CASE WHEN reason <> 'popular' THEN ' (' || reason || ')' ELSE '' END, ', ' ORDER BY rank) FROM personalize.suggest_queries(prefix, person, n)$$;
SELECT count(personalize.grant_consent('p' || u, '{analytics,personalization}')) FROM generate_series(1, 12) AS u;
-- so many people search each, and one of them clicks
CREATE TABLE searched (query text, people integer, clicks boolean);
INSERT INTO searched VALUES ('Red shoes', 12, true), ('red  SHIRT!', 9, true), ('red', 6, true), ('rain coat', 5, true), ('rare', 4, true), ('ruby ring', 12, false),
	('blue shoes', 7, true), ('Über-Hüte', 6, true), ('50% off_sale', 5, true), ('back\slash', 5, true), ('john smith 1970', 1, true);
SELECT count(personalize.track_impressions('p' || u, query || u, ARRAY['a', 'b'], query => query, ts => now() - interval '1 hour')) FROM searched, generate_series(1, people) AS u;
SELECT count(personalize.track('p1', 'select_item', 'b', request_id => query || 1, ts => now() - interval '59 minutes')) FROM searched WHERE clicks;
SELECT count(*) > 0 FROM personalize.rollup_now();
SELECT query, people, popularity FROM personalize.search_query ORDER BY people DESC, query;

-- as it is typed; what too few have searched, or nobody clicked after, is not there
SELECT p AS prefix, suggested(p) FROM unnest('{"",r,R,re,red,"red ","red s","red sh","red shoes","red shoes!",ra,rare,ru,j,john,b,blu,ü,ÜBER,50,"50 off",back,x}'::text[]) AS p;
SELECT suggested(NULL), suggested('', n => 2), suggested(E'\u0001 \t'), suggested('%'), suggested('_'), suggested('red%'), suggested('\');
SELECT suggested(repeat('red shoes ', 1000)), suggested(repeat('x', 10000)), suggested(E'red\u0001sh'), suggested(repeat(' ', 10000) || 'red s');
-- one letter more, less or other
SELECT p AS prefix, suggested(p) FROM unnest('{reed,rde,rad,redshoes,blue shos,bleu shoes,rqd shoes,"red shoess",rr,jonh smith}'::text[]) AS p;
-- the person's own come first, where that may be known
SELECT suggested('', 'p7', 3), suggested('r', 'p5'), suggested('r', 'p12'), suggested('r', 'nobody');
SELECT personalize.withdraw_consent('p5', '{personalization}') \g /dev/null
SELECT suggested('r', 'p5');
SELECT suggested('r', NULL), (SELECT count(*) FROM personalize.suggest_queries('r', 7)) AS by_number;

-- one of five is forgotten, another withdraws
SELECT suggested('rain'), suggested('50');
SELECT count(personalize.forget('p5'));
SELECT suggested('rain'), suggested('50'), suggested('red', n => 3);
SELECT query, people FROM personalize.search_query WHERE query IN ('rain coat', 'red') ORDER BY query;
SELECT personalize.withdraw_consent('p6', '{analytics}') \g /dev/null
SELECT suggested('red'), suggested('ü');
SELECT personalize.restrict('p7', '{analytics}') \g /dev/null
SELECT suggested('blue'), (SELECT people FROM personalize.search_query WHERE query = 'blue shoes') AS people;
SELECT personalize.lift_restriction('p7', '{analytics}') \g /dev/null
SELECT suggested('blue'), (SELECT people FROM personalize.search_query WHERE query = 'blue shoes') AS people;
SELECT * FROM recompute.search_stat();
SELECT processor, what, compared > 0 AS compared, wrong FROM personalize.verify_counts() WHERE processor = 'exposure';
BEGIN;
UPDATE personalize.search_query SET people = people + 1 WHERE query = 'red';
SELECT what, wrong, first_wrong FROM personalize.verify_counts() WHERE processor = 'exposure' AND what = 'counters';
ROLLBACK;
-- analysts may be let see less, or more; others never see what fewer than five have searched
SET personalize.min_query_people = 1;
SELECT suggested('rare'), suggested('blue');
SET personalize.min_query_people = 6;
SELECT suggested('blue'), suggested('red');
RESET personalize.min_query_people;

-- what cannot be meant
SELECT * FROM personalize.suggest_queries('r', n => 0);
SELECT * FROM personalize.suggest_queries('r', n => 101);
SELECT count(*) FROM personalize.suggest_queries('r', n => NULL);
SELECT * FROM personalize.suggest_queries('r', '');
SET ROLE personalize_analyst;
SELECT * FROM personalize.suggest_queries('r');
SET ROLE personalize_app;
SET default_transaction_read_only = on;
SELECT count(*) FROM personalize.suggest_queries('r');
RESET default_transaction_read_only;
RESET ROLE;

-- a person whom nobody else joins leaves no text behind
SELECT count(personalize.forget('p1'));
SELECT count(*) FROM personalize.search_query WHERE query ~ 'john';

SET client_min_messages = warning;
DROP EXTENSION personalize CASCADE;
DROP SCHEMA recompute CASCADE;
DROP TABLE searched;
DROP FUNCTION suggested;
