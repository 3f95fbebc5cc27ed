-- policy_value: the arithmetic of off-policy evaluation.
CREATE FUNCTION personalize_internal._policy_value(rewards double precision[], propensities double precision[], chances double precision[],
	models double precision[], expected double precision[], units bigint[], clip double precision, threshold double precision)
	RETURNS TABLE (estimator text, value double precision, low double precision, high double precision, ess double precision, clipped double precision)
	AS 'MODULE_PATHNAME', 'personalize_policy_value' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 5;
COMMENT ON FUNCTION personalize_internal._policy_value(double precision[], double precision[], double precision[], double precision[], double precision[], bigint[], double precision, double precision) IS
	'what a policy would have earned a round, a row an estimator: ips (Horvitz, Thompson 1952), snips (Swaminathan, Joachims 2015), dm, dr (Dudik, Langford, Li 2011), switch-dr (Wang, Agarwal, Dudik 2017). Of each round the reward, the chance with which the log took its action, that with which the policy would have, what a model says of the action and of the policy''s choice, and whose it is (rounds of one unit stand together). Weights chance/propensity above clip count as clip; above threshold switch-dr goes by the model. low, high: 95 %, normal, of sums over units (NULL: there is one unit); ess: effective sample size (Kish); clipped: share of rounds whose weight is cut, or left to the model. Errors: 2202E arrays of unequal length, 22023 a number that cannot be';
REVOKE ALL ON FUNCTION personalize_internal._policy_value(double precision[], double precision[], double precision[], double precision[], double precision[], bigint[], double precision, double precision) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize_internal._policy_value(double precision[], double precision[], double precision[], double precision[], double precision[], bigint[], double precision, double precision)
	TO personalize_admin;
