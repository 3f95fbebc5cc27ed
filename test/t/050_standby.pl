# Stopping while busy, and promoting a standby while busy.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('primary', init => { allows_streaming => 1 }, conf => "personalize.workers = 2\nlog_min_messages = warning\n");
make_shop($node, 'shop');
traffic($node, 'shop', 5, 500);

# pg_ctl stop in all its modes, with events waiting.
for my $mode (qw(smart fast immediate))
{
	traffic($node, 'shop', 5, 1000);
	$node->stop($mode);
	$node->start;
	exact($node, 'shop', "pg_ctl stop -m $mode while busy");
}

# A standby serves, and processes nothing.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
traffic($node, 'shop', 5, 500);
exact($node, 'shop', 'the primary goes on');
$node->wait_for_catchup($standby);
is(worker_count($standby, 'shop'), 0, 'a standby has no workers');
my ($code, $out, $error) = $standby->psql('shop', 'SELECT * FROM personalize.rollup_now()');
like($error, qr/cannot be processed during recovery/, 'and rollup_now is refused there');
is($standby->safe_psql('shop', q{SELECT string_agg("check", ', ') FROM personalize.health() WHERE NOT ok AND "check" <> 'purposes'}),
	'', 'health() is content with a standby');
is($standby->safe_psql('shop', 'SELECT count(*) FROM personalize.stat_processor'), 3, 'stat_processor answers on a standby');

# Promotion while batches and writers are under way; the old primary is gone.
my $script = PostgreSQL::Test::Utils::tempdir() . '/traffic.sql';
append_to_file($script, "SELECT recompute.traffic(300);\n" x 200);
my $writer = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('shop'), '-f', $script ],
	'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
wait_for($node, 'postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND query LIKE '%: write'");
$node->stop('immediate');
$writer->finish;
$standby->promote;
exact($standby, 'shop', 'a standby promoted while busy goes on from where the primary was');
is(worker_count($standby, 'shop'), 2, 'with workers of its own');
traffic($standby, 'shop', 5, 300);
exact($standby, 'shop', 'and counts what comes then');
$standby->stop;
done_testing();
