# Imported models say what the libraries that trained them say, of 10,000 rows.
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

my $oracle = dirname(abs_path(__FILE__)) . '/../oracle/trees';
my $node = new_node('models');
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', 'CREATE EXTENSION personalize');

# Import a model and compare what it predicts; the largest differences, relative to the value or 1.
sub differences
{
	my ($library, $directory, $name) = @_;
	return $node->safe_psql('shop', qq{
		CREATE TEMP TABLE raw (n int GENERATED ALWAYS AS IDENTITY, value float8);
		CREATE TEMP TABLE pred (n int GENERATED ALWAYS AS IDENTITY, value float8);
		COPY raw (value) FROM '$directory/$name.raw';
		COPY pred (value) FROM '$directory/$name.pred';
		SELECT count(personalize.import_model('$name', '$library', pg_read_file('$directory/$name.model'))) FROM (SELECT 1) AS x;
		SELECT count(*), max(abs(personalize.predict_model('$name', q.features, true) - r.value) / greatest(1, abs(r.value))) < 1e-6,
			max(abs(personalize.predict_model('$name', q.features) - p.value) / greatest(1, abs(p.value))) < 1e-6,
			count(DISTINCT r.value) > 100
		FROM question_$library q JOIN raw r USING (n) JOIN pred p USING (n)});
}

for my $library ('lightgbm', 'xgboost')
{
  SKIP:
	{
		my $python = python_with($library);
		skip "$library is not installed", 1 unless defined $python;
		my $directory = PostgreSQL::Test::Utils::tempdir;
		my @names = split /\n/, `$python $oracle $library $directory 2>$directory/log`;
		is($?, 0, "$library trains its models") or diag(slurp_file("$directory/log"));
		cmp_ok(scalar @names, '>', 8, "$library has models of many kinds");
		$node->safe_psql('shop', qq{
			CREATE TABLE question_$library (n int GENERATED ALWAYS AS IDENTITY, features float8[]);
			COPY question_$library (features) FROM '$directory/rows.txt' (DELIMITER '|')});
		is(differences($library, $directory, $_), "1\n10000|t|t|t", "$library: $_") for @names;
	}
}

# Who has a model unpacked learns of another version, of its end and of a rolled back import.
my $model = "tree\nnum_class=1\nmax_feature_idx=0\nfeature_names=price\n\nTree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=%s\n\nend of trees\n";
my $one = sprintf($model, 1);
my $two = sprintf($model, 2);
my $reader = $node->background_psql('shop', on_error_stop => 0);
$node->safe_psql('shop', "SELECT personalize.import_model('watched', 'lightgbm', '$one')");
is($reader->query("SELECT personalize.predict_model('watched', '{1}')"), '1', 'the first version answers');
$node->safe_psql('shop', "SELECT personalize.import_model('watched', 'lightgbm', '$two')");
is($reader->query("SELECT personalize.predict_model('watched', '{1}')"), '2', 'the second version answers in a session that knew the first');
$reader->query("BEGIN; SAVEPOINT s; SELECT personalize.use_model('watched', 1)");
is($reader->query("SELECT personalize.predict_model('watched', '{1}')"), '1', 'its own change counts at once');
is($reader->query("ROLLBACK TO s; SELECT personalize.predict_model('watched', '{1}')"), '2', 'and no longer when it is rolled back');
$reader->query('COMMIT');
is($reader->query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT personalize.predict_model('watched', '{1}')"), '2', 'an old snapshot');
$node->safe_psql('shop', "SELECT personalize.use_model('watched', 1)");
is($reader->query("COMMIT; SELECT personalize.predict_model('watched', '{1}')"), '1', 'leaves nothing behind');

# Two imports at once: one waits, none is lost.
my $first = $node->background_psql('shop');
$first->query("BEGIN; SELECT personalize.import_model('watched', 'lightgbm', '$one')");
my $second = $node->background_psql('shop');
$second->query_until(qr/begun/, "\\echo begun\nSELECT personalize.import_model('watched', 'lightgbm', '$two');\n");
$node->poll_query_until('shop', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%import_model%'}) or die;
$first->query('COMMIT');
$second->quit;
is($node->safe_psql('shop', "SELECT array_agg(version ORDER BY version), max(version) FILTER (WHERE in_use) FROM personalize.model WHERE name = 'watched'"),
	'{1,2,3,4}|4', 'both versions are there, the later in use');
$first->quit;

# A dump carries models, and a crash leaves what was committed.
$node->stop('immediate');
$node->start;
is($node->safe_psql('shop', "SELECT personalize.predict_model('watched', '{1}')"), '2', 'after a crash');
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('shop') ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('copy'), $dump ], 'restored');
is($node->safe_psql('copy', "SELECT personalize.predict_model('watched', '{1}'), max(version) FROM personalize.model WHERE name = 'watched'"), '2|4', 'the copy answers the same');
$node->stop;
done_testing();
