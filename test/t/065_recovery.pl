# Recovery to an earlier time and pg_upgrade --link: processing continues exactly.
use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', init => { has_archiving => 1, allows_streaming => 1 }, conf => "log_min_messages = warning\n");
make_shop($node, 'shop');
leave_a_tail($node, 'shop');

# Recovery to an earlier time.
$node->backup('base');
traffic($node, 'shop', 3, 200);
$node->safe_psql('shop', enable_sql());
exact($node, 'shop', 'before the time to return to');
traffic($node, 'shop', 1, 500);
my $lsn = $node->safe_psql('shop', q{SELECT pg_create_restore_point('earlier')});
my $events = $node->safe_psql('shop', 'SELECT count(*) FROM personalize.event');
traffic($node, 'shop', 5, 200);
exact($node, 'shop', 'after it');
$node->safe_psql('shop', 'SELECT pg_switch_wal()');
my $earlier = PostgreSQL::Test::Cluster->new('earlier');
$earlier->init_from_backup($node, 'base', has_restoring => 1);
$earlier->append_conf('postgresql.conf', "recovery_target_name = 'earlier'\nrecovery_target_action = 'promote'\n");
$earlier->start;
wait_for($earlier, 'postgres', 'SELECT NOT pg_is_in_recovery()');
is($earlier->safe_psql('shop', 'SELECT count(*) FROM personalize.event'), $events, 'recovered to the earlier time');
exact($earlier, 'shop', 'the processors went back with it');
traffic($earlier, 'shop', 5, 200);
exact($earlier, 'shop', 'and go on from there');
$earlier->stop;

# pg_upgrade --link to the same major version, in a copy of the binaries.
leave_a_tail($node, 'shop');
my $before = $node->safe_psql('shop', readers_sql());
$node->stop;
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
$new->append_conf('postgresql.conf', preload_conf());
my $bindir = $node->config_data('--bindir');
my @data = map { abs_path($_->data_dir) } ($node, $new);
chdir PostgreSQL::Test::Utils::tempdir();
command_ok(
	[ 'pg_upgrade', '--no-sync', '--link', '-d', $data[0], '-D', $data[1], '-b', $bindir, '-B', $bindir,
		'-s', $new->host, '-p', $node->port, '-P', $new->port ],
	'pg_upgrade --link');
$new->start;
is($new->safe_psql('shop', readers_sql()), $before, 'readers see what they saw');
is($new->safe_psql('shop', 'SELECT min(waiting) = 0 AND max(waiting) > 0 FROM personalize.stat_processor'), 't', 'the tail is still waiting');
$new->safe_psql('shop', enable_sql());
traffic($new, 'shop', 3, 200);
exact($new, 'shop', 'and is counted with what came after the upgrade');
$new->stop;
done_testing();
