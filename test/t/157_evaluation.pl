# Off-policy estimates say what obp says of the Open Bandit Dataset, to 1e-9; long evaluations
# tell how far they are.
#
# $PERSONALIZE_OPEN_BANDIT names the directory with the small version of the dataset.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $here = dirname(abs_path(__FILE__));
my $oracle = "$here/../oracle/evaluation";
my $node = new_node('evaluation');

# How far a replay and an evaluation are is told until the transaction ends.
$node->safe_psql('postgres', q{CREATE EXTENSION personalize;
	SELECT personalize.grant_consent(n::text, '{analytics,recommendations}') FROM generate_series(1, 20) n;
	SELECT personalize.track(n::text, 'view_item', i::text, ts => now() - interval '2 hours' + n * interval '1 minute' + i * interval '1 second') FROM generate_series(1, 20) n, generate_series(1, 3) i});
$node->safe_psql('postgres', 'SELECT personalize.rollup_now()');
$node->safe_psql('postgres', q{SELECT personalize.track_impressions(n::text, r.request_id::text, ARRAY[r.item_id]) FROM generate_series(1, 20) n, personalize.trending(1) r});
$node->safe_psql('postgres', 'SELECT personalize.rollup_now()');
my $progress = 'SELECT task, done, total, unit FROM personalize.stat_progress';
is($node->safe_psql('postgres', "BEGIN; SELECT max(steps) FROM personalize.replay('trending'); $progress; COMMIT; $progress"), "40\nreplay|160|160|answers", 'progress of a replay');
is($node->safe_psql('postgres', "BEGIN; SELECT max(rounds) FROM personalize.evaluate_policy('trending', 'shipped'); $progress; COMMIT; $progress"),
	"20\nevaluate_policy|20|20|answers", 'progress of an evaluation');

SKIP:
{
	my ($data) = grep { defined && -r "$_/random_men.csv.zst" } $ENV{PERSONALIZE_OPEN_BANDIT}, "$here/../../../shared/data/open-bandit-small";
	skip 'the Open Bandit Dataset is not here', 1 unless defined $data;
	my ($python) = grep { defined && system("$_ $oracle check >/dev/null 2>&1") == 0 } $ENV{PERSONALIZE_PYTHON}, '/usr/bin/python3', 'python3';
	skip 'obp is not installed', 1 unless defined $python;
	compare($data, $python);
}
$node->stop;
done_testing();

# All estimators on the logs of the dataset.
sub compare
{
	my ($data, $python) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir;
	system("$python $oracle $data $directory/rounds >$directory/values 2>$directory/log") == 0 or BAIL_OUT(slurp_file("$directory/log"));
	$node->safe_psql('postgres', qq{
		CREATE TABLE round (campaign text, n int, reward float8, propensity float8, chance float8, model float8, expected float8);
		COPY round FROM '$directory/rounds' (DELIMITER '|');
		CREATE TABLE said (campaign text, estimator text, threshold float8, value float8);
		COPY said FROM '$directory/values' (DELIMITER '|');
		CREATE TABLE ours AS
			SELECT s.campaign, v.estimator, s.threshold, s.value AS obp, v.value, v.low, v.high, v.ess
			FROM said s, LATERAL (SELECT array_agg(reward ORDER BY n) r, array_agg(propensity ORDER BY n) p, array_agg(chance ORDER BY n) c,
					array_agg(model ORDER BY n) m, array_agg(expected ORDER BY n) e, array_agg(n::bigint ORDER BY n) u
					FROM round WHERE campaign = s.campaign) a,
				LATERAL personalize_internal._policy_value(a.r, a.p, a.c, a.m, a.e, a.u, 'infinity', s.threshold) v
			WHERE v.estimator = s.estimator});
	is($node->safe_psql('postgres', 'SELECT count(*), max(abs(value - obp)) < 1e-9, count(DISTINCT round(value::numeric, 6)) > 10 FROM ours'), '14|t|t', 'obp: all estimators');
	note($node->safe_psql('postgres', q{SELECT campaign, estimator, threshold, round(value::numeric, 9), round(low::numeric, 6), round(high::numeric, 6), round(ess) FROM ours ORDER BY 1, 2, 3}));

	# obp does not cut weights, and has no such intervals: the same by the formulas
	is($node->safe_psql('postgres', q{
		WITH weighed AS (SELECT *, least(chance / propensity, 2) AS w FROM round WHERE campaign = 'men'),
			a AS (SELECT array_agg(reward ORDER BY n) r, array_agg(propensity ORDER BY n) p, array_agg(chance ORDER BY n) c,
				array_agg(model ORDER BY n) m, array_agg(expected ORDER BY n) e, array_agg(n::bigint ORDER BY n) u FROM weighed),
			ours AS (SELECT v.* FROM a, personalize_internal._policy_value(a.r, a.p, a.c, a.m, a.e, a.u, 2, 1) v),
			mean AS (SELECT avg(w) AS w, sum(w * reward) / sum(w) AS snips FROM weighed),
			theirs AS (
				SELECT 'ips' AS estimator, avg(w * reward) AS value, stddev_samp(w * reward) / sqrt(count(*)) AS error, sum(w) ^ 2 / sum(w * w) AS ess FROM weighed
				UNION ALL SELECT 'dr', avg(expected + w * (reward - model)), stddev_samp(expected + w * (reward - model)) / sqrt(count(*)), sum(w) ^ 2 / sum(w * w) FROM weighed
				UNION ALL SELECT 'snips', max(m.snips), stddev_samp(d.w * (reward - m.snips) / m.w) / sqrt(count(*)), sum(d.w) ^ 2 / sum(d.w * d.w) FROM weighed d, mean m)
		SELECT count(*), bool_and(abs(o.value - t.value) < 1e-12 AND abs((o.high - o.low) / 2 / 1.959963984540054 - t.error) < 1e-12 AND abs(o.ess - t.ess) < 1e-6),
			bool_and(abs(o.clipped - (SELECT avg((chance / propensity > 2)::int) FROM weighed)) < 1e-12)
		FROM ours o JOIN theirs t USING (estimator)}), '3|t|t', 'clipped weights, intervals and effective sample size by the formulas');
}
