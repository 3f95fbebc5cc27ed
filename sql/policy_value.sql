-- The arithmetic of off-policy evaluation.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
RESET client_min_messages;
\set SHOW_CONTEXT never
CREATE FUNCTION value(rewards float8[], propensities float8[], chances float8[], models float8[], expected float8[], units bigint[],
	clip float8 DEFAULT 'infinity', threshold float8 DEFAULT 'infinity')
	RETURNS TABLE (estimator text, value numeric, low numeric, high numeric, ess numeric, clipped numeric) LANGUAGE sql AS $$
	SELECT estimator, round(value::numeric, 6), round(low::numeric, 6), round(high::numeric, 6), round(ess::numeric, 4), round(clipped::numeric, 4)
	FROM personalize_internal._policy_value(rewards, propensities, chances, models, expected, units, clip, threshold)
$$;
-- by hand: weights 2, 0.5, 4 and 0
SELECT * FROM value('{1,0,1,1}', '{0.5,0.5,0.25,1}', '{1,0.25,1,0}', '{0.5,0.5,0.25,0.5}', '{0.5,0.25,0.75,0.5}', '{1,2,3,4}');
-- the weight 4 counts as 3; switch-dr does not use it
SELECT * FROM value('{1,0,1,1}', '{0.5,0.5,0.25,1}', '{1,0.25,1,0}', '{0.5,0.5,0.25,0.5}', '{0.5,0.25,0.75,0.5}', '{1,2,3,4}', 3, 3);
-- the same policy: the mean of the log, a weight of 1 each
SELECT estimator, value, ess FROM value('{1,0,1,1}', '{0.5,0.5,0.25,1}', '{0.5,0.5,0.25,1}', '{0,0,0,0}', '{0,0,0,0}', '{1,2,3,4}') WHERE estimator <> 'dm';
-- a reward twice over is no more certain if it is one person's
SELECT a.estimator, a.value = b.value AS same_value, a.high - a.low > b.high - b.low AS wider
	FROM value('{1,1,0,0,1,1,0,0}', '{1,1,1,1,1,1,1,1}', '{1,1,1,1,1,1,1,1}', '{0,0,0,0,0,0,0,0}', '{0,0,0,0,0,0,0,0}', '{1,1,2,2,3,3,4,4}') a
	JOIN value('{1,1,0,0,1,1,0,0}', '{1,1,1,1,1,1,1,1}', '{1,1,1,1,1,1,1,1}', '{0,0,0,0,0,0,0,0}', '{0,0,0,0,0,0,0,0}', '{1,2,3,4,5,6,7,8}') b USING (estimator)
	WHERE a.estimator <> 'dm';
-- one unit has no interval; nothing it would have done has no weight; no round has no value
SELECT * FROM value('{1,0}', '{0.5,0.5}', '{0.5,0.5}', '{0,0}', '{0,0}', '{7,7}');
SELECT * FROM value('{1,0}', '{0.5,0.5}', '{0,0}', '{0,0}', '{0,0}', '{7,8}');
SELECT * FROM value('{}', '{}', '{}', '{}', '{}', '{}');
-- what cannot be
SELECT * FROM value('{1,0}', '{0.5}', '{0.5,0.5}', '{0,0}', '{0,0}', '{7,8}');
SELECT * FROM value('{1,NULL}', '{0.5,1}', '{0.5,0.5}', '{0,0}', '{0,0}', '{7,8}');
SELECT * FROM value('{{1,0}}', '{0.5,1}', '{0.5,0.5}', '{0,0}', '{0,0}', '{7,8}');
SELECT * FROM value('{1,0}', '{0.5,0}', '{0.5,0.5}', '{0,0}', '{0,0}', '{7,8}');
SELECT * FROM value('{1,0}', '{0.5,1.5}', '{0.5,0.5}', '{0,0}', '{0,0}', '{7,8}');
SELECT * FROM value('{1,NaN}', '{0.5,1}', '{0.5,0.5}', '{0,0}', '{0,0}', '{7,8}');
SELECT * FROM value('{1,0}', '{0.5,1}', '{0.5,-0.5}', '{0,0}', '{0,0}', '{7,8}');
SELECT * FROM value('{1,0}', '{0.5,1}', '{0.5,0.5}', '{0,Infinity}', '{0,0}', '{7,8}');
SELECT * FROM value('{1,0}', '{0.5,1}', '{0.5,0.5}', '{0,0}', '{0,0}', '{7,8}', 0);
SELECT * FROM value('{1,0}', '{0.5,1}', '{0.5,0.5}', '{0,0}', '{0,0}', '{7,8}', 1, 'NaN');
DROP FUNCTION value(float8[], float8[], float8[], float8[], float8[], bigint[], float8, float8);
