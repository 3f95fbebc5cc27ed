# Jobs of pg_cron, when their database is renamed or dropped.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use Test::More;

plan skip_all => 'pg_cron is not installed' unless has_extension('pg_cron');

my $node = new_node('main', preload => 0, conf => <<'CONF');
shared_preload_libraries = 'pg_cron, personalize'
cron.database_name = 'postgres'
cron.use_background_workers = on
personalize.batch_interval = 20ms
CONF
$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
$node->safe_psql('postgres', 'CREATE DATABASE "the ""shop"""');
my $shop = 'the "shop"';
$node->safe_psql($shop, 'CREATE EXTENSION personalize');
$node->safe_psql('postgres', $node->safe_psql($shop, 'SELECT statement FROM personalize.schedule_maintenance()'));
my $count = 'SELECT count(*) FROM cron.job';
is($node->safe_psql('postgres', $count), 4, 'the jobs are there');

# Where pg_cron is, it is seen which jobs there are.
my ($result, $out, $error) = $node->psql('postgres', 'ALTER DATABASE "the ""shop""" RENAME TO store');
is($result, 0, 'renamed');
like($error, qr/WARNING:  jobs of pg_cron for database "the "shop"" stay/, 'the jobs of a database that is renamed are told of');
my ($statement) = $error =~ /run: (SELECT .*?;)/;
$node->safe_psql('postgres', $statement);
is($node->safe_psql('postgres', $count), 0, 'the statement takes them away');
$node->safe_psql('postgres', $node->safe_psql('store', 'SELECT statement FROM personalize.schedule_maintenance()'));
is($node->safe_psql('postgres', $count), 4, 'and they come back by the new name');

# Elsewhere it is not, but that the database has the extension.
wait_for($node, 'postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND datname = 'store'});
$node->safe_psql('store', q{SELECT personalize.track('ada', 'view_item', 'shoe', consent => '{analytics}')});
wait_for($node, 'store', 'SELECT count(*) > 0 FROM personalize_internal._worker_state() WHERE last_round IS NOT NULL');
($result, $out, $error) = $node->psql('template1', 'DROP DATABASE store');
is($result, 0, 'dropped');
like($error, qr/WARNING:  jobs of pg_cron for database "store" stay.*\nHINT:  Afterwards run in database postgres: SELECT/, 'the jobs of a database that is dropped are told of');
($statement) = $error =~ /run in database postgres: (SELECT .*?;)/;
$node->safe_psql('postgres', $statement);
is($node->safe_psql('postgres', $count), 0, 'the statement takes them away');

# Nobody is told of what does not concern him.
$node->safe_psql('postgres', 'CREATE DATABASE plain');
($result, $out, $error) = $node->psql('postgres', 'DROP DATABASE plain');
is($error, '', 'a database without jobs is dropped without a word');
$node->stop;
done_testing();
