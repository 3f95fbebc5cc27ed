# Statistics of experiments say what gbstats, confseq and the definition say, to 1e-6.
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

my $oracle = dirname(abs_path(__FILE__)) . '/../oracle/experiments';
my $node = new_node('experiments');
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', 'CREATE EXTENSION personalize');

# The cases of a library by the number of their fields, in files; undef: it failed.
sub cases_of
{
	my ($library, $python) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir;
	my @lines = split /\n/, `$python $oracle $library 2>$directory/log`;
	is($?, 0, "$library has answers") or diag(slurp_file("$directory/log"));
	my %files;
	for my $line (@lines)
	{
		my $fields = 1 + ($line =~ tr/|//);
		append_to_file("$directory/$fields", "$line\n");
		$files{$fields} = "$directory/$fields";
	}
	return \%files;
}

# Nearly the same, for numbers of any size.
my $near = q{CREATE FUNCTION pg_temp.near(a float8, b float8) RETURNS boolean LANGUAGE sql AS 'SELECT abs(a - b) <= 1e-6 * greatest(1, abs(b))';};

SKIP:
{
	my $python = python_with('gbstats');
	skip 'gbstats is not installed', 1 unless defined $python;
	my $files = cases_of('gbstats', $python);
	is($node->safe_psql('shop', qq{$near
		CREATE TEMP TABLE c (control float8[], treated float8[], alpha float8, tuning float8, adjusted bool, lift float8, low float8, high float8, p float8);
		COPY c FROM '$files->{9}' (DELIMITER '|');
		SELECT count(*) > 100, count(*) FILTER (WHERE adjusted) > 50, count(DISTINCT round(l.p_value::numeric, 3)) > 20,
			bool_and(pg_temp.near(l.lift, c.lift)), bool_and(pg_temp.near(l.low, c.low) AND pg_temp.near(l.high, c.high)),
			bool_and(pg_temp.near(l.p_value, c.p))
		FROM c, personalize_internal._lift(c.control, c.treated, c.adjusted, c.alpha, c.tuning) l}),
		't|t|t|t|t|t', 'gbstats: lift, CUPED, interval, p-value');
	is($node->safe_psql('shop', qq{$near
		CREATE TEMP TABLE c (observed float8[], shares float8[], p float8);
		COPY c FROM '$files->{3}' (DELIMITER '|');
		SELECT count(*) > 30, count(*) FILTER (WHERE p < 0.001) > 5, count(*) FILTER (WHERE p > 0.1) > 5,
			bool_and(pg_temp.near(personalize_internal._sample_ratio(observed, shares), p)) FROM c}),
		't|t|t|t', 'gbstats: sample ratio');
}

SKIP:
{
	my $python = python_with('numpy');
	skip 'numpy is not installed', 1 unless defined $python;
	my $files = cases_of('numpy', $python);
	is($node->safe_psql('shop', qq{$near
		CREATE TEMP TABLE c (v float8, v_opt float8, alpha float8, boundary float8, best float8);
		COPY c FROM '$files->{5}' (DELIMITER '|');
		SELECT count(*) > 40, bool_and(pg_temp.near(personalize_internal._mixture_boundary(v, v_opt, alpha), boundary)),
			bool_and(personalize_internal._mixture_boundary(v_opt, v_opt, alpha) <= best * 1.001) FROM c}),
		't|t|t', 'the normal mixture by its definition, and tightest where it is tuned for');
}

SKIP:
{
	my $python = python_with('confseq.boundaries');
	skip 'confseq is not installed', 1 unless defined $python;
	my $files = cases_of('confseq', $python);
	is($node->safe_psql('shop', qq{$near
		CREATE TEMP TABLE c (v float8, v_opt float8, alpha float8, boundary float8);
		COPY c FROM '$files->{4}' (DELIMITER '|');
		SELECT count(*) > 40, bool_and(pg_temp.near(personalize_internal._mixture_boundary(v, v_opt, alpha), boundary)) FROM c}),
		't|t', 'confseq: the normal mixture');
}
$node->stop;
done_testing();
