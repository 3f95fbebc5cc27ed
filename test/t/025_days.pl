# Days: closed when every processor has passed them, opened again by history.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "log_min_messages = warning\n");
make_shop($node, 'shop');
$node->safe_psql('shop', q{
CREATE FUNCTION recompute.history(days integer, n integer) RETURNS bigint LANGUAGE sql AS $$
	SELECT i.accepted FROM (
		SELECT array_agg((random() * 100)::integer::text) AS users, array_agg('view_item'::text) AS events,
			array_agg('sku' || (random() * 50)::integer) AS items,
			array_agg(date_trunc('day', now()) - random() * days * interval '1 day' - interval '3 days') AS ts,
			array_agg('analytics,personalization,recommendations'::text) AS consents
		FROM generate_series(1, n)) AS t,
	LATERAL personalize.import_events(t.users, t.events, t.items, t.ts, consents => t.consents) AS i $$});

# Maintenance is the first thing a worker does.
sub maintain
{
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'personalize worker'");
	return;
}
my $past = q{FROM personalize._event_day WHERE day < (now() AT TIME ZONE 'UTC')::date - 1};

$node->safe_psql('shop', 'SELECT recompute.history(6, 2000)');
traffic($node, 'shop', 2, 100);
exact($node, 'shop', 'history is counted');
my $days = $node->safe_psql('shop', "SELECT count(*) $past");
cmp_ok($days, '>=', 6, 'it has days of its own');
maintain();
wait_for($node, 'shop', "SELECT bool_and(rolled) $past");
is($node->safe_psql('shop', q{SELECT count(*) FROM pg_indexes WHERE schemaname = 'personalize' AND indexdef LIKE '%btree (user_key) WITH (fillfactor=''100'')'}),
	$days, 'days that all processors have passed are closed, and indexed by user');
is($node->safe_psql('shop', 'SELECT bool_or(rolled) FROM personalize._event_day WHERE day >= (now() AT TIME ZONE \'UTC\')::date - 1'),
	'f', 'today and yesterday stay open');

# More history for closed days, some of it held open while they would be closed.
$node->safe_psql('shop', 'SELECT recompute.history(6, 500)');
is($node->safe_psql('shop', "SELECT bool_or(rolled) $past"), 'f', 'history opens days again');
exact($node, 'shop', 'and is counted');
my $session = $node->background_psql('shop');
$session->query_safe('BEGIN');
$session->query_safe('SELECT recompute.history(1, 100)');
maintain();
wait_for($node, 'shop', "SELECT count(*) FILTER (WHERE NOT rolled) BETWEEN 1 AND 2 $past");
$session->query_safe('SELECT recompute.history(1, 100)');
$session->query_safe('COMMIT');
exact($node, 'shop', 'a day somebody is writing to stays open');
maintain();
wait_for($node, 'shop', "SELECT bool_and(rolled) $past");

# A disabled processor keeps days open.
$node->safe_psql('shop', q{SELECT personalize.disable_processor('neighbour')});
$session->query_safe('SELECT recompute.history(6, 500)');
maintain();
wait_for($node, 'shop', q{SELECT waiting = 0 FROM personalize.stat_processor WHERE processor = 'profile'});
is($node->safe_psql('shop', "SELECT bool_or(rolled) $past"), 'f', 'a disabled processor keeps days open');
is($node->safe_psql('shop', q{SELECT ok FROM personalize.health() WHERE "check" = 'oldest unprocessed partition'}), 'f', 'health() says so');
$node->safe_psql('shop', q{SELECT personalize.enable_processor('neighbour')});
exact($node, 'shop', 'enabled again, it finds them');

# Rebuilt from days that were closed.
maintain();
wait_for($node, 'shop', "SELECT bool_and(rolled) $past");
$node->safe_psql('shop', "SELECT personalize.rebuild_processor('$_')") for qw(profile item_stat neighbour);
exact($node, 'shop', 'closed days are read again for a rebuild');

# The server's clock is set while people shop, batches run and days are closed.
$node->safe_psql('postgres', "ALTER SYSTEM SET personalize.max_future = '20d'");
for my $days (6, 0, -6, 6, 0)
{
	my $now = $node->safe_psql('postgres', "SELECT now() + interval '$days days'");

	$session->query_safe('BEGIN');
	$session->query_safe('SELECT recompute.traffic(50)');
	$node->safe_psql('postgres', $days == 0 ? 'ALTER SYSTEM RESET personalize.test_now' : "ALTER SYSTEM SET personalize.test_now = '$now'");
	$node->reload;
	maintain();
	traffic($node, 'shop', 3, 50);
	$session->query_safe('SELECT recompute.traffic(50)');
	$session->query_safe('COMMIT');
	traffic($node, 'shop', 3, 50);
	exact($node, 'shop', "clock at $days days: everything is counted");
}
my $forgotten = 'FROM personalize.event WHERE user_key BETWEEN 1 AND 20';
is($node->safe_psql('shop', "SELECT max(received_at) > now() + interval '1 day' $forgotten"), 't', 'some have events of days to come');
$node->safe_psql('shop', 'SELECT personalize.forget(u::text) FROM generate_series(1, 20) u');
is($node->safe_psql('shop', "SELECT count(*) $forgotten"), 0, 'which are found when they are forgotten');
is($node->safe_psql('shop', q{SELECT ok FROM personalize.health() WHERE "check" = 'days yet to come'}), 'f', 'health() tells of days that are yet to come');
$session->quit;
$node->stop;
done_testing();
