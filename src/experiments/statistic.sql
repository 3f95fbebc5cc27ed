-- statistic: how sure one can be of a difference.
CREATE FUNCTION personalize_internal._lift(control double precision[], treated double precision[], adjusted boolean,
	alpha double precision, tuned_for double precision,
	OUT lift double precision, OUT variance double precision, OUT low double precision, OUT high double precision, OUT p_value double precision)
	AS 'MODULE_PATHNAME', 'personalize_lift' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._lift(double precision[], double precision[], boolean, double precision, double precision) IS
	'relative difference of the means of two samples, given as {n, sum of y, sum of y^2, sum of x, sum of x^2, sum of xy}, with an interval and a p-value that hold however often one looks: the two-sided normal mixture of Howard, Ramdas, McAuliffe, Sekhon (Annals of Statistics 49, 2021), tightest after tuned_for units of both; variance by the delta method (Deng, Knoblich, Lu, KDD 2018); adjusted: CUPED with the covariate x (Deng, Xu, Kohavi, Walker, WSDM 2013). NULLs, and p_value 1, if a sample has fewer than 2 units, the control a mean of 0, or nothing varies';
CREATE FUNCTION personalize_internal._sample_ratio(observed double precision[], shares double precision[]) RETURNS double precision
	AS 'MODULE_PATHNAME', 'personalize_sample_ratio' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._sample_ratio(double precision[], double precision[]) IS
	'p-value of Pearson''s chi-squared test that counts came about with these shares: the regularised incomplete gamma function Q(df/2, chi-squared/2); NULL of no counts';
CREATE FUNCTION personalize_internal._mixture_boundary(v double precision, v_opt double precision, alpha double precision) RETURNS double precision
	AS 'MODULE_PATHNAME', 'personalize_mixture_boundary' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._mixture_boundary(double precision, double precision, double precision) IS
	'the two-sided normal mixture boundary sqrt((v + rho) ln((v + rho) / (rho alpha^2))) at intrinsic time v, with the rho that is best at v_opt';
CREATE FUNCTION personalize_internal._plan_users(mean double precision, deviation double precision, mde double precision, power double precision, alpha double precision)
	RETURNS double precision
	AS 'MODULE_PATHNAME', 'personalize_plan_users' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION personalize_internal._plan_users(double precision, double precision, double precision, double precision, double precision) IS
	'units a variant must have for a lift of mde to be found with probability power by somebody who looks daily at intervals that hold at all times and are tuned for twice this number (Siegmund, Sequential Analysis, 1985)';
REVOKE ALL ON FUNCTION
	personalize_internal._lift(double precision[], double precision[], boolean, double precision, double precision),
	personalize_internal._sample_ratio(double precision[], double precision[]),
	personalize_internal._mixture_boundary(double precision, double precision, double precision),
	personalize_internal._plan_users(double precision, double precision, double precision, double precision, double precision)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	personalize_internal._lift(double precision[], double precision[], boolean, double precision, double precision),
	personalize_internal._sample_ratio(double precision[], double precision[]),
	personalize_internal._mixture_boundary(double precision, double precision, double precision),
	personalize_internal._plan_users(double precision, double precision, double precision, double precision, double precision)
	TO personalize_owner, personalize_analyst, personalize_admin;
