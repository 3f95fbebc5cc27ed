# Three databases and four worker slots, of which two are taken by others.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "max_worker_processes = 4\nlog_min_messages = warning\n");
my @shops = map { "shop$_" } 1 .. 3;
make_shop($node, $_) for @shops;

for my $round (1 .. 3)
{
	traffic($node, $_, 2, 200) for @shops;
	exact($node, $_, "$_ makes progress, round $round") for @shops;
}
my @warnings = slurp_log($node) =~ /WARNING:.*not enough background worker slots for personalize/g;
is(scalar @warnings, 1, 'one warning');
is($node->safe_psql('shop1', q{SELECT ok, fix IS NOT NULL FROM personalize.health() WHERE "check" = 'workers'}), 't|t', 'health() knows');
$node->safe_psql('postgres', 'DROP DATABASE shop3');
traffic($node, $_, 2, 200) for @shops[ 0, 1 ];
exact($node, $_, "$_ goes on when one is dropped") for @shops[ 0, 1 ];
wait_for($node, 'postgres', "SELECT count(DISTINCT datname) = 2 FROM pg_stat_activity WHERE backend_type = 'personalize worker'");
pass('then each has its worker');

# None at all, not even for the launcher.
$node->append_conf('postgresql.conf', "max_worker_processes = 0\nmax_parallel_workers = 0\n");
$node->restart;
is($node->safe_psql('shop1', q{SELECT ok, fix ~ 'max_worker_processes' FROM personalize.health() WHERE "check" = 'workers'}),
	'f|t', 'health() names what the launcher wants');
$node->stop;
done_testing();
