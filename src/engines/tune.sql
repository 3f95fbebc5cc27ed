-- tune: parameters of the neighbour score that suit this shop.
CREATE FUNCTION personalize.tune_neighbours(
	apply boolean DEFAULT false,
	max_predictions integer DEFAULT 10000,
	OUT setting text, OUT predictions bigint, OUT mrr double precision, OUT hr double precision,
	OUT in_use boolean, OUT parameters jsonb)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'personalize_tune_neighbours' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 2;
COMMENT ON FUNCTION personalize.tune_neighbours(boolean, integer) IS
	'looks for parameters that foretell the newest sessions better from the older ones: one row for the parameters now in use and one for the best found, each with mean reciprocal rank and hit rate among 20 on sessions that the search has not seen (predictions: how many). Only with apply => true, and only if there both together gain 2 % or more, the best become a variant tuned_<n> of recommend, its new default (in_use tells), which keeps what else the default was set to. Takes up to 200 MB and about two minutes at most; pg_stat_activity and stat_progress show how far it is; locks nothing. Errors: 55000 too few sessions';
REVOKE ALL ON FUNCTION personalize.tune_neighbours(boolean, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.tune_neighbours(boolean, integer) TO personalize_admin;
