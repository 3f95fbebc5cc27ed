# Each step of forget() is needed: without it the property test fails.
#
# PERSONALIZE_MUTANTS names a directory with one library for each table that has
# registered how people are forgotten, <number>.so, in which that is left out, and
# the tables' names in the file steps ("number name" a line); test/property/mutants
# makes it.  Each takes the place of the real one for up to PERSONALIZE_MUTANT_RUNS
# streams, one of which must show a difference.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin", "$FindBin::RealBin/../t";
use File::Copy qw(copy);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PropertyWorlds;
use Test::More;
use Time::HiRes qw(time);

my $directory = $ENV{PERSONALIZE_MUTANTS};
plan skip_all => 'PERSONALIZE_MUTANTS names no directory; use make test TESTS=mutation' unless $directory && -r "$directory/steps";

my $most = $ENV{PERSONALIZE_MUTANT_RUNS} || 60;
my $seed = $ENV{PERSONALIZE_SEED} || int(time()) % 1_000_000 * 1000;
my $library = `pg_config --pkglibdir`;
chomp $library;
$library .= '/personalize.so';
note("seed $seed");

my $node = PostgreSQL::Test::Cluster->new('mutation');
$node->init;
$node->append_conf('postgresql.conf', PropertyWorlds::configuration());
$node->start;
my $worlds = PropertyWorlds->new($node);

# Put a library in the place of the real one; running servers keep theirs.
sub install
{
	my ($from) = @_;

	copy($from, "$library.new") or die "$library.new: $!";
	chmod(0755, "$library.new");
	rename("$library.new", $library) or die "$library: $!";
	$node->restart;
	return;
}

# Play streams until one differs; how many were needed, 0 if none did, and the tables.
sub runs_needed
{
	my ($at_most) = @_;
	my $played = 0;

	while ($played < $at_most)
	{
		my %streams = map { $seed++; $seed => $worlds->stream($seed) } 1 .. 5;
		my $result = $worlds->try(\%streams);
		my @found = grep { @{ $result->{different}{$_} } } sort { $a <=> $b } keys %streams;
		$played += keys %streams;
		return ($played, join(', ', @{ $result->{different}{ $found[0] } })) if @found;
		return ($played, 'an error: ' . substr($result->{errors}, 0, 200)) if $result->{errors} ne '';
	}
	return (0, '');
}

copy($library, "$directory/original.so") or die "$directory/original.so: $!";
my ($needed, $tables) = runs_needed(10);
is($tables, '', 'forget() as it is leaves no difference');

open(my $steps, '<', "$directory/steps") or die "$directory/steps: $!";
my @steps = map { /^(\d+) (.*)$/ ? [ $1, $2 ] : () } <$steps>;
$node->safe_psql('postgres', 'CREATE DATABASE registered');
$node->safe_psql('registered', 'CREATE EXTENSION personalize');
is(join(' ', map { $_->[1] } @steps),
	$node->safe_psql('registered', q{SELECT string_agg(name, ' ' ORDER BY forget_rank)
		FROM personalize_internal._person_stores() WHERE forget_rank IS NOT NULL}),
	'there is a mutant for each table that is registered');
# What the streams do not fill, or not for people who are forgotten, is forgotten in a test of its own.
my %elsewhere = map { $_ => 1 } qw(examination experiment_force identity model segment_member segment_change);
for my $step (@steps)
{
	my ($number, $name) = @$step;
	next if $elsewhere{$name};
	install("$directory/$number.so");
	($needed, $tables) = runs_needed($most);
	ok($needed > 0, "without \"$name\" a difference shows within $most runs")
	  and note("after $needed runs in $tables");
}
install("$directory/original.so");
$node->stop('immediate');
done_testing();
