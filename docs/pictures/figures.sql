-- figures: what the pictures of docs/notebook.md show, from the views for analysts.
--
--   createdb figures && psql -X -q -d figures -v directory=docs/pictures -f docs/pictures/figures.sql
--
-- A shop of eight weeks long ago: every week people come for the first time, and fewer
-- of them each week after.  Writes retention.csv and funnel.csv; draw.py draws them.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
CREATE EXTENSION personalize;
SET timezone = 'UTC';

CREATE TEMP TABLE visit AS
	SELECT c.cohort, c.person, w.week,
		timestamptz '2024-01-01 10:00 UTC' + w.week * interval '7 days' + c.person % 7 * interval '1 day' AS ts
	FROM (SELECT cohort, cohort * 100 + n AS person, n FROM generate_series(0, 7) AS cohort,
			generate_series(1, 40 + cohort * 13 % 25) AS n) AS c,
		generate_series(c.cohort, 7) AS w (week)
	-- everybody in the first week; of the others so many per cent, one of the same seven days
	WHERE w.week = c.cohort OR (c.n * 37 + w.week * 11) % 100 < 62 / (w.week - c.cohort + 1) + 8;
SELECT count(personalize.grant_consent(person, '{analytics}', 'figures')) FROM (SELECT DISTINCT person FROM visit) AS p \g /dev/null

CREATE TEMP TABLE happened AS
	SELECT v.person, e.event, v.ts + e.step * interval '5 minutes' AS ts
	FROM visit AS v, (VALUES (0, 'view_item', 100), (1, 'add_to_cart', 46), (2, 'begin_checkout', 25), (3, 'purchase', 17)) AS e (step, event, share)
	WHERE (v.person * 29 + v.week * 53) % 100 < e.share;
SELECT accepted FROM personalize.import_events(
	ARRAY(SELECT person::text FROM happened ORDER BY ts, person)::personalize.entity_id[],
	ARRAY(SELECT event FROM happened ORDER BY ts, person),
	NULL, ARRAY(SELECT ts FROM happened ORDER BY ts, person)::personalize.event_time[]) \g /dev/null

SET personalize.purpose = 'analytics';
\pset format csv
\set retention :directory '/retention.csv'
\set funnel :directory '/funnel.csv'

\o :retention
WITH active AS (
	SELECT DISTINCT user_key, date_trunc('week', ts)::date AS week FROM personalize.analytics_event),
numbered AS (
	SELECT *, min(week) OVER (PARTITION BY user_key) AS began FROM active)
SELECT began, (week - began) / 7 AS weeks_later, count(*) AS people
FROM numbered GROUP BY 1, 2 ORDER BY 1, 2;

\o :funnel
WITH step (place, event) AS (
	VALUES (1, 'view_item'), (2, 'add_to_cart'), (3, 'begin_checkout'), (4, 'purchase')),
reached AS (
	SELECT e.user_key, max(s.place) AS place
	FROM personalize.analytics_event AS e JOIN step AS s USING (event) GROUP BY 1)
SELECT s.event, count(*) AS people
FROM step AS s JOIN reached AS r ON r.place >= s.place GROUP BY s.place, s.event ORDER BY s.place;
\o
