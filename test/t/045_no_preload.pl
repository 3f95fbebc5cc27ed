# Without shared_preload_libraries everything works through rollup_now().
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', preload => 0, conf => "log_min_messages = warning\n");
make_shop($node, 'shop');
$node->safe_psql('postgres', 'CREATE DATABASE told');
my ($result, $stdout, $stderr) = $node->psql('told', 'CREATE EXTENSION personalize');
like($stderr, qr/NOTICE:  the library is not preloaded.*HINT:  .*shared_preload_libraries = 'personalize'/s, 'CREATE EXTENSION says that there will be no workers, and what makes some');
($result, $stdout, $stderr) = $node->psql('told', 'DROP EXTENSION personalize; BEGIN; CREATE EXTENSION personalize; ROLLBACK; SELECT 1');
unlike($stderr, qr/preload/, 'one that is rolled back says nothing');
$node->safe_psql('postgres', 'DROP DATABASE told');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'personalize%'"), 0, 'there are no workers');
is($node->safe_psql('shop', q{SELECT ok, fix LIKE '%shared_preload_libraries%rollup_now%' FROM personalize.health() WHERE "check" = 'preload'}),
	'f|t', 'health() says what to do');

# Writers, and several callers of rollup_now, as two schedulers might.
my $directory = PostgreSQL::Test::Utils::tempdir();
append_to_file("$directory/write.sql", "SELECT recompute.traffic(30);\n");
append_to_file("$directory/rollup.sql", "SELECT * FROM personalize.rollup_now();\n");
$node->command_ok(
	[ 'pgbench', '-n', '-c', '6', '-j', '2', '-t', '40', '-f', "$directory/write.sql\@4", '-f', "$directory/rollup.sql\@1", '-d', $node->connstr('shop') ],
	'writers and rollup_now side by side');
my $before = $node->safe_psql('shop', readers_sql());
$node->safe_psql('shop', 'SELECT * FROM personalize.rollup_now()');
exact($node, 'shop', 'everything is counted once');
is($node->safe_psql('shop', readers_sql()), $before, 'readers saw it all before');
is($node->safe_psql('shop', q{SELECT ok FROM personalize.health() WHERE "check" = 'partitions ahead'}), 't', 'rollup_now makes partitions ahead');

# The commands that workers make way for work without them.
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE shop');
traffic($node, 'copy', 3, 100);
$node->safe_psql('copy', 'SELECT * FROM personalize.rollup_now()');
exact($node, 'copy', 'a copy goes on from where it was');
$node->safe_psql('postgres', 'DROP DATABASE copy');
$node->safe_psql('shop', 'SET client_min_messages = error; DROP EXTENSION personalize CASCADE');

# Preloaded from now on: the workers take over.
make_shop($node, 'shop2');
traffic($node, 'shop2', 3, 100);
$node->safe_psql('shop2', 'SELECT * FROM personalize.rollup_now()');
traffic($node, 'shop2', 3, 100);
$node->append_conf('postgresql.conf', preload_conf());
$node->restart;
$node->safe_psql('postgres', 'CREATE DATABASE quiet');
($result, $stdout, $stderr) = $node->psql('quiet', 'CREATE EXTENSION personalize');
is($stderr, '', 'preloaded, CREATE EXTENSION says nothing');
exact($node, 'shop2', 'preloaded later, the workers go on from where rollup_now was');
$node->stop;
done_testing();
