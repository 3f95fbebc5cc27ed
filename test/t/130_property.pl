# Ingest-then-forget equals never-ingested, on random streams.
#
# PERSONALIZE_RUNS=1000 streams, from PERSONALIZE_SEED on, are told to two
# databases: to one in full, forget() included, to the other without the people
# who are forgotten.  After each the state_hash of every table is equal, and so are
# the answers of readers.  In some the server is stopped, or killed, in the middle.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin, "$FindBin::RealBin/../property";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PropertyStream qw(erased_of count_messages);
use PropertyWorlds;
use Test::More;
use Time::HiRes qw(time);

my $runs = $ENV{PERSONALIZE_RUNS} || 1000;
# the same streams each time: what breaks them is the change, not chance
my $first = $ENV{PERSONALIZE_SEED} || 850_000_000;
my $seconds = $ENV{PERSONALIZE_SECONDS} || 540;
my $at_once = 20;
my $began = time();

my $node = PostgreSQL::Test::Cluster->new('property');
$node->init;
$node->append_conf('postgresql.conf', PropertyWorlds::configuration());
$node->start;
my $worlds = PropertyWorlds->new($node);
note("seed $first, $runs runs");

my %filled;
my %answered;
my %count = (runs => 0, restarts => 0, forgotten => 0, returned => 0, messages => 0, rolled => 0);
my $failures = 0;

# Note what a result says about its streams.
sub judge
{
	my ($result, $streams) = @_;

	for my $seed (sort { $a <=> $b } keys %$streams)
	{
		my @different = @{ $result->{different}{$seed} };
		my $since = erased_of($streams->{$seed});
		$count{runs}++;
		$count{messages} += count_messages($streams->{$seed});
		$count{forgotten} += keys %$since;
		$count{returned} += grep { $_ < 1e9 } values %$since;
		$count{rolled}++ if 1 < grep { $_->{rollup} } @{ $streams->{$seed} };
		$filled{$_}++ for keys %{ $result->{filled}{$seed} // {} };
		$answered{$_}++ for keys %{ $result->{answers}{$seed} // {} };
		next unless @different;
		$failures++;
		diag("seed $seed differs in: @different");
		diag($worlds->explain($seed, $streams->{$seed}, 60)) if $failures == 1;
	}
	if ($result->{errors} ne '')
	{
		$failures++;
		diag('errors: ' . substr($result->{errors}, 0, 3000));
	}
	return;
}

for (my $seed = $first; $seed < $first + $runs && $failures < 3 && time() < $began + $seconds;)
{
	if (($seed - $first) % 100 == 50)
	{
		my $result = $worlds->try_with_restart($seed, $seed % 200 < 100 ? 'fast' : 'immediate');
		judge($result, { $seed => $worlds->stream($seed) });
		$count{restarts}++;
		$seed++;
		next;
	}
	my %streams;
	while (keys %streams < $at_once && $seed < $first + $runs)
	{
		last if ($seed - $first) % 100 == 50 && keys %streams;
		$streams{$seed} = $worlds->stream($seed);
		$seed++;
	}
	judge($worlds->try(\%streams), \%streams);
}

is($failures, 0, 'forgotten equals never known, in every table of every run');
SKIP:
{
	skip "$count{runs} of $runs runs fitted into $seconds s (PERSONALIZE_SECONDS)", 1 if $failures == 0 && $count{runs} < $runs;
	is($count{runs}, $runs, 'all runs were made');
}
for my $engine (qw(recommend similar_items session_neighbours trending bought_together features))
{
	cmp_ok(($answered{"${_}_$engine"} // 0), '>=', 0.2 * $count{runs}, "$engine answers in one run of five at least, as of the $_") for qw(past later);
}
# every fourth stream has no other ids, and in many all are split off again
my %seldom = (identity => 0.4);
for my $table (@{ $worlds->{data_tables} })
{
	my $share = sprintf('%s has rows at the end of %.0f %% of the runs', $table, 100 * ($filled{$table} // 0) / ($count{runs} || 1));
	# of few runs it may be less by chance
	if ($count{runs} < 100) { note($share); }
	else { cmp_ok(($filled{$table} // 0), '>=', ($seldom{$table} // 0.9) * $count{runs}, $share); }
}
cmp_ok($count{runs}, '>=', $runs < 20 ? $runs : 20, 'enough runs to tell');
cmp_ok($count{messages}, '>=', 300 * $count{runs}, 'at least 300 messages a run');
note(sprintf '%d runs from seed %d in %.0f s: %d messages, %d people forgotten, %d came back, %d restarts, %d runs rolled up more than once',
	$count{runs}, $first, time() - $began, @count{qw(messages forgotten returned restarts rolled)});
$node->stop('immediate');
done_testing();
