# Without the library preloaded, pg_cron calls rollup_now() every minute.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use Test::More;

plan skip_all => 'pg_cron is not installed' unless has_extension('pg_cron');

my $node = new_node('main', preload => 0, conf => <<'CONF');
shared_preload_libraries = 'pg_cron'
cron.database_name = 'shop'
cron.use_background_workers = on
cron.timezone = 'UTC'
CONF
make_shop($node, 'shop');
traffic($node, 'shop', 3, 100);
my $before = $node->safe_psql('shop', readers_sql());

$node->safe_psql('shop', 'CREATE EXTENSION pg_cron');
# as docs/operations.md has it
$node->safe_psql('shop', q{SELECT cron.schedule('personalize rollup', '* * * * *', 'SELECT personalize.rollup_now()')});
# a job that commits
$node->safe_psql('shop', q{SELECT cron.schedule('personalize retention', '* * * * *', command) FROM personalize_internal._maintenance_job() WHERE job = 'retention'});
wait_for($node, 'shop', 'SELECT count(*) = 3 AND bool_and(waiting = 0 AND events > 0) FROM personalize.stat_processor WHERE processor <> \'exposure\'', 'the job');
is($node->safe_psql('shop', readers_sql()), $before, 'readers say what they said before the job ran');
exact($node, 'shop', 'the job has counted everything once');
wait_for($node, 'shop', q{SELECT bool_or(status = 'succeeded') FROM cron.job_run_details WHERE command ~ 'rollup'}, 'the job to end');
wait_for($node, 'shop', q{SELECT bool_or(status <> 'running' AND status <> 'starting') FROM cron.job_run_details WHERE command ~ '^CALL'}, 'retention to end');
is($node->safe_psql('shop', q{SELECT DISTINCT last_result FROM personalize.stat_retention WHERE task = 'session'}), 'done', 'retention has looked at sessions');
is($node->safe_psql('shop', q{SELECT string_agg(command || ': ' || return_message, ', ') FROM cron.job_run_details WHERE status = 'failed'}), '', 'and none has failed');
$node->stop;
done_testing();
