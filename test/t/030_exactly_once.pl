# Every committed event counts exactly once, whatever the writers do.
#
# Each part ends with the comparison of what the processors hold with a
# recomputation from the raw events.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => q{
personalize.workers = 2
max_worker_processes = 12
max_prepared_transactions = 20
log_min_messages = warning
});
make_shop($node, 'shop');

# Eight writers at a time, each with its own habits.
my $scripts = PostgreSQL::Test::Utils::tempdir();
append_to_file("$scripts/plain.sql", "SELECT recompute.traffic(20);\n");
append_to_file("$scripts/savepoint.sql", q{
BEGIN; SELECT recompute.traffic(5); SAVEPOINT a; SELECT recompute.traffic(5); ROLLBACK TO a;
SAVEPOINT b; SELECT recompute.traffic(5); SAVEPOINT c; SELECT recompute.traffic(5); RELEASE b; COMMIT;
});
append_to_file("$scripts/rollback.sql", "BEGIN; SELECT recompute.traffic(20); ROLLBACK;\n");
append_to_file("$scripts/prepared.sql", q{
\set gid random(1, 1000000000)
BEGIN; SELECT recompute.traffic(10); PREPARE TRANSACTION 'p:gid';
\sleep 30 ms
COMMIT PREPARED 'p:gid';
});
append_to_file("$scripts/long.sql", q{
BEGIN; SELECT recompute.traffic(10);
\sleep 400 ms
SELECT recompute.traffic(10); COMMIT;
});
append_to_file("$scripts/first.sql", q{
BEGIN; SELECT recompute.traffic(1);
\sleep 100 ms
SAVEPOINT a; SELECT recompute.traffic(10); COMMIT;
});
append_to_file("$scripts/rollup.sql", "SELECT * FROM personalize.rollup_now();\n");
my $idle = $node->background_psql('shop');
$idle->query_safe('BEGIN');
$idle->query_safe('SELECT recompute.traffic(100)');
my @weights = ('plain.sql@4', 'savepoint.sql@4', 'rollback.sql@2', 'prepared.sql@4', 'long.sql@2', 'first.sql@3', 'rollup.sql@1');
$node->command_ok(
	[ 'pgbench', '-n', '-c', '8', '-j', '2', '-T', $ENV{PERSONALIZE_SECONDS} || 10,
		(map { ('-f', "$scripts/$_") } @weights), '-d', $node->connstr('shop') ],
	'eight writers with savepoints, rollbacks, prepared and long transactions');
exact($node, 'shop', 'nothing is lost or counted twice, while a long transaction is open');
$idle->query_safe('SELECT recompute.traffic(100)');
$idle->query_safe('COMMIT');
exact($node, 'shop', 'and after it has committed');
cmp_ok($node->safe_psql('shop', 'SELECT count(*) FROM personalize.event'), '>', 1000, 'there were events');

# A prepared transaction that outlives a restart.
$node->safe_psql('shop', "BEGIN; SELECT recompute.traffic(50); PREPARE TRANSACTION 'old'");
traffic($node, 'shop', 3, 50);
exact($node, 'shop', 'a prepared transaction is not counted');
$node->stop('immediate');
$node->start;
traffic($node, 'shop', 3, 50);
exact($node, 'shop', 'nor after a crash');
$node->safe_psql('shop', "COMMIT PREPARED 'old'");
exact($node, 'shop', 'but once it is committed');

# rollup_now beside events of its own transaction.
my ($code, $out, $error) = $node->psql('shop',
	'BEGIN; SELECT recompute.traffic(5); SELECT * FROM personalize.rollup_now()');
like($error, qr/cannot be processed by the transaction that has written some/, 'BEGIN; track; rollup_now is refused');
($code, $out, $error) = $node->psql('shop',
	'BEGIN; SAVEPOINT a; SELECT recompute.traffic(5); RELEASE a; SELECT * FROM personalize.rollup_now()');
like($error, qr/cannot be processed by the transaction/, 'also if a subtransaction wrote them');
($code, $out, $error) = $node->psql('shop', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM personalize.rollup_now()');
like($error, qr/READ COMMITTED/, 'and above READ COMMITTED');
$node->safe_psql('shop', 'SELECT recompute.traffic(5); SELECT FROM personalize.rollup_now(); SELECT recompute.traffic(5); SELECT FROM personalize.rollup_now();' x 20);
exact($node, 'shop', 'track; rollup_now; track in a row of transactions');
$node->safe_psql('shop', q{
	BEGIN; SELECT FROM personalize.rollup_now(); SELECT recompute.traffic(20); COMMIT;
	BEGIN; SELECT FROM personalize.rollup_now(); SAVEPOINT a; SELECT recompute.traffic(20); ROLLBACK TO a; SELECT recompute.traffic(20); COMMIT;
	SELECT recompute.traffic(20)});
exact($node, 'shop', 'rollup_now; track in one transaction');

# Late events, messages sent twice, in two sessions and with the first one rolled back.
$node->safe_psql('shop', "SELECT recompute.traffic(300, 50, '25 days')") for 1 .. 5;
exact($node, 'shop', 'late events');
my $send = q{SELECT count(*) FROM generate_series(1, 300) AS i,
	LATERAL personalize.track(i % 20, 'view_item', i % 7, message_id => 'message ' || i % 100, consent => '{analytics,personalization}') AS t
	WHERE t = 'accepted'};
my ($one, $two) = ($node->background_psql('shop'), $node->background_psql('shop'));
$one->query_safe('BEGIN');
is($one->query_safe($send), 100, 'a message counts once');
$one->query_safe('ROLLBACK');
is($two->query_safe($send), 100, 'what was rolled back may come again');
is($one->query_safe($send), 0, 'and again it is a duplicate');
exact($node, 'shop', 'duplicates do not count');
$_->quit for ($one, $two, $idle);

# A session bridged by a late event: two become one.
my $seconds = q{SELECT personalize.track('bridge', 'view_item', 'a', ts => now() - interval '120 minutes', consent => '{recommendations}');
	SELECT personalize.track('bridge', 'view_item', 'b', ts => now() - interval '119 minutes', consent => '{recommendations}');
	SELECT personalize.track('bridge', 'view_item', 'c', ts => now() - interval '75 minutes', consent => '{recommendations}');
	SELECT personalize.track('bridge', 'view_item', 'd', ts => now() - interval '74 minutes', consent => '{recommendations}')};
$node->safe_psql('shop', $seconds);
wait_caught_up($node, 'shop');
my $sessions = q{SELECT count(*) FROM personalize.session WHERE user_key = personalize.user_key('bridge')};
is($node->safe_psql('shop', $sessions), 2, 'a pause ends a session');
$node->safe_psql('shop', q{SELECT personalize.track('bridge', 'view_item', 'e', ts => now() - interval '97 minutes', consent => '{recommendations}')});
wait_caught_up($node, 'shop');
is($node->safe_psql('shop', $sessions), 1, 'a late event bridges it');
exact($node, 'shop', 'sessions bridged by a late event');

# More events than a batch takes, and one transaction of more than that.
$node->safe_psql('postgres', 'ALTER SYSTEM SET personalize.batch_events = 700');
$node->reload;
switch_processors($node, 'shop', 'disable');
traffic($node, 'shop', 10, 200);
$node->safe_psql('shop', 'SELECT recompute.traffic(3000)');
traffic($node, 'shop', 10, 200);
cmp_ok($node->safe_psql('shop', 'SELECT min(waiting) FROM personalize.stat_processor'), '>', 500, 'a disabled processor waits');
is($node->safe_psql('shop', q{SELECT count(*) FROM personalize.health() WHERE NOT ok AND detail LIKE '%disabled%'}), 4, 'health() says so');
switch_processors($node, 'shop', 'enable');
exact($node, 'shop', 'many small batches');

# Rebuilt from the raw events.
$node->safe_psql('shop', "SELECT personalize.rebuild_processor('$_')") for qw(profile item_stat neighbour);
traffic($node, 'shop', 3, 100);
exact($node, 'shop', 'rebuilt while traffic goes on');
$node->stop;
done_testing();
