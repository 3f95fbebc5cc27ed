# Positions never run backwards, and nobody's lock stalls more than it must.
#
# The batches are small, so that shards get on at different speed: one is held,
# workers come and go, the server is killed.  Each part ends with the comparison
# of what the processors hold with a recomputation from the raw events.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => q{
personalize.workers = 1
personalize.batch_events = 10
max_worker_processes = 12
});
make_shop($node, 'shop');

# What health() says of a processor.
sub health_of
{
	my ($processor) = @_;
	return $node->safe_psql('shop', qq{SELECT ok, detail, fix FROM personalize.health() WHERE "check" = 'processor $processor'});
}

# Two people of one stripe, and one of another.
my ($ann, $amy, $bob) = split /\|/, $node->safe_psql('shop', q{
	WITH person AS (
		SELECT 'u' || i AS id, personalize_internal._event_shard(personalize.user_key('u' || i)) AS shard FROM generate_series(1, 500) AS i)
	SELECT a.id, s.id, b.id FROM person AS a JOIN person AS s ON s.shard = a.shard AND s.id > a.id
	JOIN person AS b ON b.shard <> a.shard ORDER BY a.shard, a.id, s.id, b.id LIMIT 1});
my $events_of = "SELECT events FROM personalize.profile WHERE user_key = personalize.user_key('%s')";
send_events($node, 'shop', 1, $ann, $amy, $bob);
wait_caught_up($node, 'shop');

# A stripe is held: the others pass, and do not go back when it is free.
switch_processors($node, 'shop', 'disable');
send_events($node, 'shop', 50, $ann, $bob);
my $holder = $node->background_psql('shop');
$holder->query_safe('SET client_min_messages = warning');
$holder->query_safe("BEGIN; SELECT personalize.withdraw_consent('$amy', '{analytics,personalization,recommendations}')");
$node->safe_psql('shop', "SELECT personalize.enable_processor('profile')");
wait_for($node, 'shop', sprintf("SELECT events = 51 FROM ($events_of) AS p", $bob), 'the stripe that is free to be counted');
is($node->safe_psql('shop', sprintf($events_of, $ann)), 1, 'the stripe that is held is not counted');
my $pid = $holder->query_safe('SELECT pg_backend_pid()');
chomp $pid;
like(health_of('profile'), qr/blocked by process $pid \(client backend.*pg_terminate_backend\($pid\)/, 'health() names who holds it');
unlike(health_of('profile'), qr/withdraw/, 'and not what that session runs');
$holder->query_safe('COMMIT');
switch_processors($node, 'shop', 'enable');
exact($node, 'shop', 'nothing counts twice after a stripe was held', withdrawn => 1);
is($node->safe_psql('shop', sprintf($events_of, $_)), 51, "$_ has 51 events") for ($ann, $bob);
unlike(health_of('profile'), qr/blocked/, 'nobody is named any more');

# The same behind a prepared transaction.
send_events($node, 'shop', 1, $amy);
$node->safe_psql('postgres', 'ALTER SYSTEM SET max_prepared_transactions = 5');
$node->restart;
$node->safe_psql('shop', "BEGIN; SELECT personalize.withdraw_consent('$amy', '{personalization}'); PREPARE TRANSACTION 'left over'");
send_events($node, 'shop', 3, $bob);
wait_for($node, 'shop', "SELECT waiting = 3 FROM personalize.stat_processor WHERE processor = 'item_stat'", 'events to wait');
like(health_of('item_stat'), qr/blocked by prepared transaction 'left over'.*ROLLBACK PREPARED 'left over'/, 'health() names a prepared transaction');
$node->safe_psql('shop', "COMMIT PREPARED 'left over'");
exact($node, 'shop', 'and goes on after it', withdrawn => 1);

# Workers come and go during a backlog of uneven shards; so does the server.
my $skewed = q{SELECT personalize.track('u' || (power(random(), 4) * 300)::integer, 'view_item', 'sku' || (power(random(), 4) * 50)::integer,
	consent => '{analytics,personalization,recommendations}') FROM generate_series(1, 1 + (random() * 6)::integer);};
for my $round (1 .. 3)
{
	switch_processors($node, 'shop', 'disable');
	$node->safe_psql('shop', $skewed x 250);
	switch_processors($node, 'shop', 'enable');
	for my $workers (2, 1, 3, 1)
	{
		my $left = 'SELECT sum(waiting) FROM personalize.stat_processor';
		my $before = $node->safe_psql('shop', $left);
		$node->safe_psql('postgres', "ALTER SYSTEM SET personalize.workers = $workers");
		$node->reload;
		wait_for($node, 'shop', "SELECT ($left) < $before OR ($left) = 0", 'some batches');
	}
	if ($round > 1)
	{
		$node->stop('immediate');
		$node->start;
	}
	exact($node, 'shop', "workers come and go, round $round", withdrawn => 1);
}

# One worker, one processor that waits for a lock: the others go on.
$node->safe_psql('postgres', 'ALTER SYSTEM SET personalize.workers = 1');
$node->reload;
wait_for($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND datname = 'shop'");
my %blocked = (
	profile => 'LOCK TABLE personalize.profile IN SHARE MODE',
	item_stat => "SELECT personalize.disable_processor('item_stat')",
	neighbour => 'LOCK TABLE personalize.session IN SHARE ROW EXCLUSIVE MODE');
for my $processor (sort keys %blocked)
{
	$holder->quit;
	$holder = $node->background_psql('shop');
	$holder->query_safe("BEGIN; $blocked{$processor}");
	$pid = $holder->query_safe('SELECT pg_backend_pid()');
	chomp $pid;
	send_events($node, 'shop', 2, $ann, $bob);
	wait_for($node, 'shop', "SELECT sum(waiting) = 0 FROM personalize.stat_processor WHERE processor <> '$processor'",
		"the others while $processor is blocked");
	wait_for($node, 'shop', qq{SELECT detail LIKE '%blocked by process $pid (client backend%idle in a transaction%' AND fix LIKE '%pg_terminate_backend($pid)%'
		FROM personalize.health() WHERE "check" = 'processor $processor'}, "health() to name who blocks $processor");
	is($node->safe_psql('shop', "SELECT waiting FROM personalize.stat_processor WHERE processor = '$processor'"), 4,
		"$processor is blocked, the others go on");
	$holder->query_safe('ROLLBACK');
	exact($node, 'shop', "$processor goes on when the lock is free", withdrawn => 1);
}
$holder->quit;
wait_for($node, 'shop', q{SELECT count(*) = 0 FROM personalize.health() WHERE detail LIKE '%blocked by%' OR detail LIKE '%fails:%'}, 'all to be well');

# A position that would lose something is refused, and health() tells.
$node->safe_psql('shop', q{
	CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.asof := '1:5:5:'; RETURN NEW; END $$;
	GRANT EXECUTE ON FUNCTION lose() TO PUBLIC;
	CREATE TRIGGER lose BEFORE INSERT ON personalize.processor_position FOR EACH ROW WHEN (NEW.processor = 3) EXECUTE FUNCTION lose()});
send_events($node, 'shop', 2, $bob);
wait_for($node, 'shop', q{SELECT NOT ok AND detail LIKE '%fails: position of processor "neighbour" in shard 0 would run backwards%'
	FROM personalize.health() WHERE "check" = 'processor neighbour'}, 'health() to tell of the position');
pass('health() tells of a position that would run backwards');
$node->safe_psql('shop', 'DROP TRIGGER lose ON personalize.processor_position; DROP FUNCTION lose()');
exact($node, 'shop', 'nothing was counted meanwhile', withdrawn => 1);
$node->stop;
done_testing();
