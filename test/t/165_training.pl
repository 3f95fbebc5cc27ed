# Trained rankers: the weights that an independent solver finds, and a standby.
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

my $oracle = dirname(abs_path(__FILE__)) . '/../oracle/ranker';
my $node = new_node('training', init => { allows_streaming => 1 });
$node->safe_psql('postgres', 'CREATE DATABASE shop');
# Things of which people like the new ones and those whose names are short, shown in any order.
$node->safe_psql('shop', q{
	CREATE EXTENSION personalize;
	CREATE FUNCTION draw(VARIADIC parts int[]) RETURNS float8 LANGUAGE sql AS $$ SELECT (('x' || substr(md5(parts::text), 1, 12))::bit(48)::bigint / 281474976710656.0)::float8 $$;
	CREATE TABLE thing AS SELECT i, i % 5 AS words, 10 * (i * 7 % 30) AS age FROM generate_series(1, 30) AS i;
	SELECT personalize.upsert_items(jsonb_build_object('item_id', i, 'name', 'thing' || repeat(' word', words), 'category', 'c' || i % 3, 'rating', i % 4, 'created_at', now() - interval '1 day' * age)) FROM thing;
	SELECT count(personalize.grant_consent(p, '{analytics}')) FROM generate_series(1, 20) AS p;
	CREATE TABLE shown AS SELECT n, i, row_number() OVER (PARTITION BY n ORDER BY draw(n, i, 1)) AS slot, words, age
		FROM generate_series(1, 300) AS n, LATERAL (SELECT * FROM thing ORDER BY draw(n, i) LIMIT 8) AS t;
	SELECT count(personalize.track_impressions(n % 20 + 1, 'page' || n, items, query => 'thing', ts => date_trunc('day', now(), 'UTC') - interval '9 days' + interval '30 minutes' * n))
		FROM (SELECT n, array_agg(i::text::personalize.entity_id ORDER BY slot) AS items FROM shown GROUP BY n) AS p;
	SELECT count(personalize.track(n % 20 + 1, CASE WHEN draw(n, i, 3) < 0.3 THEN 'purchase' ELSE 'select_item' END, i, request_id => 'page' || n,
			ts => date_trunc('day', now(), 'UTC') - interval '9 days' + interval '1 minute' + interval '30 minutes' * n))
		FROM shown WHERE draw(n, i, 2) < slot ^ -0.9 / (1 + exp(0.5 + age / 100.0 + words / 3.0));});
$node->safe_psql('shop', 'SELECT count(*) FROM personalize.rollup_now()');
$node->safe_psql('shop', "SELECT personalize.create_variant('rank_search', v) FROM unnest('{logistic,pairwise}'::text[]) AS v");

my $since = q{date_trunc('day', now(), 'UTC') - interval '10 days'};
for my $method (qw(logistic pairwise))
{
	my ($published, $taught) = split /\|/, $node->safe_psql('shop',
		"SELECT published, pages FROM personalize.train_ranker('$method', $since, method => '$method', penalty => 0.5, min_propensity => 0.2, force => true)");
	is($published, 't', "$method: published");
	cmp_ok($taught, '>', 50, "$method: from many pages");
	SKIP:
	{
		my $python = python_with('numpy');
		skip 'numpy is not installed', 2 unless defined $python;
		my $file = PostgreSQL::Test::Utils::tempdir . "/$method.csv";
		append_to_file($file, $node->safe_psql('shop', qq{
			SELECT concat_ws(',', page, label, propensity, array_to_string(features, ',')) FROM (
				SELECT *, max(label) OVER (PARTITION BY page) AS best FROM personalize.export_training_data('rank_search', $since)) AS x
			WHERE best > 0 ORDER BY page, slot}) . "\n");
		my ($weights, $numbers) = split /\n/, `$python $oracle $method 0.5 0.2 $taught <$file`;
		is($?, 0, "$method: the solver has an answer");
		is($node->safe_psql('shop', qq{
			SELECT count(*) > 3, max(abs((m.training -> 'weights' ->> f.name)::float8 - w.weight) / greatest(abs(w.weight), 1)) < 1e-6
			FROM personalize.model AS m, unnest('{$weights}'::float8[], '{$numbers}'::int[]) AS w (weight, number) JOIN personalize.training_features('rank_search') AS f ON f.ordinal = w.number
			WHERE m.name = 'rank_search.$method' AND m.in_use}), 't|t', "$method: its weights");
	}
}

# A standby ranks by what was trained, exports, and trains nothing.
my $standby = new_standby($node, 'standby');
my $search = q{SELECT string_agg(item_id, ' ' ORDER BY rank) FROM personalize.rank_search(NULL, 'thing', '{1,2,3,4,5,6,7,8,9}', variant => 'logistic')};
is($standby->safe_psql('shop', $search), $node->safe_psql('shop', $search), 'a standby ranks alike');
is($standby->safe_psql('shop', "SELECT count(*) FROM personalize.export_training_data('rank_search', $since)"), 2400, 'and exports');
my ($code, $out, $error) = $standby->psql('shop', "SELECT * FROM personalize.train_ranker('logistic', $since)");
like($error, qr/cannot execute train_ranker\(\) during recovery/, 'but trains nothing');
($code, $out, $error) = $standby->psql('shop', "SELECT personalize.rollback_ranker('logistic')");
like($error, qr/cannot execute .* during recovery/, 'nor takes anything back');
$standby->stop;

# Versions survive a crash.
is($node->safe_psql('shop', q{SELECT count(*), count(*) FILTER (WHERE in_use) FROM personalize.model}), '2|2', 'two models');
$node->stop('immediate');
$node->start;
is($node->safe_psql('shop', q{SELECT string_agg(name || ' ' || version, ', ' ORDER BY name) FROM personalize.model WHERE in_use}),
	'rank_search.logistic 1, rank_search.pairwise 1', 'and after a crash');
done_testing();
