-- feature_stat: whether features are still what they were.
CREATE TABLE personalize.feature_stats (
	name text NOT NULL,
	version integer NOT NULL,
	feature text NOT NULL,
	computed_at timestamptz NOT NULL,
	people bigint NOT NULL,
	filled bigint NOT NULL,
	mean double precision,
	stddev double precision,
	smallest double precision,
	largest double precision,
	freshness double precision,
	edges double precision[] NOT NULL,
	categories text[] NOT NULL,
	bins bigint[] NOT NULL,
	baseline_at timestamptz,
	psi double precision,
	PRIMARY KEY (name, version, feature, computed_at)
);
SELECT pg_catalog.pg_extension_config_dump('personalize.feature_stats', '');
COMMENT ON TABLE personalize.feature_stats IS
	'what a sample of people has of each feature of the newest version of each view of users, as far as the profile processor has got; computed once a day by the workers, and by compute_feature_stats(); kept for 60 days';
COMMENT ON COLUMN personalize.feature_stats.name IS 'feature_view.name';
COMMENT ON COLUMN personalize.feature_stats.people IS 'how many people were looked at';
COMMENT ON COLUMN personalize.feature_stats.filled IS 'how many of them have a value that is no default';
COMMENT ON COLUMN personalize.feature_stats.mean IS 'of the values that are no defaults, as stddev, smallest and largest; booleans count as 0 and 1; NULL for texts';
COMMENT ON COLUMN personalize.feature_stats.freshness IS 'seconds since the last event that a value was made of: the median; NULL where values are not made of events';
COMMENT ON COLUMN personalize.feature_stats.edges IS 'upper ends of the bins of numbers, for the last bin has none: deciles, of the baseline if there is one';
COMMENT ON COLUMN personalize.feature_stats.categories IS 'bins of texts: the ten of most people, those that fewer than 20 have left out; the last bin has all others';
COMMENT ON COLUMN personalize.feature_stats.bins IS 'people by bin; the first has those without a value';
COMMENT ON COLUMN personalize.feature_stats.baseline_at IS 'computed_at of what it was compared with: the newest that is a week old; NULL: there is none';
COMMENT ON COLUMN personalize.feature_stats.psi IS 'population stability index against the baseline: below 0.1 nothing has changed, above 0.25 much has (Siddiqi, Credit Risk Scorecards, 2006)';

CREATE FUNCTION personalize.compute_feature_stats(sample integer DEFAULT 10000) RETURNS bigint
	AS 'MODULE_PATHNAME', 'personalize_compute_feature_stats' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION personalize.compute_feature_stats(integer) IS
	'adds rows to feature_stats now: for each feature of the newest version of each view of users, over about as many people as sample, the same ones each time; returns how many features there are. Error 22023 for a sample that is none';
REVOKE ALL ON FUNCTION personalize.compute_feature_stats(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION personalize.compute_feature_stats(integer) TO personalize_admin;
GRANT SELECT ON personalize.feature_stats TO personalize_analyst, personalize_admin;
