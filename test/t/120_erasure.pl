# People are forgotten while others write, withdraw and are counted, and once in a crash: exactly, and without a deadlock.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = new_node('main', init => { allows_streaming => 1 }, conf => "max_connections = 40\npersonalize.workers = 2\nlog_lock_waits = on\ndeadlock_timeout = 1s\nrestart_after_crash = on\n");
make_shop($node, 'shop');
$node->safe_psql('shop', q{SELECT count(personalize.grant_consent(u, ARRAY['analytics', 'personalization', 'recommendations'])) FROM generate_series(1, 400) u});
my $dir = PostgreSQL::Test::Utils::tempdir();

# Everybody goes for item 1; a batch has a hundred people in any order.
my %scripts = (
	ingest => q{SELECT i.accepted FROM (
	SELECT array_agg((1 + (random() * 399)::int)::text) AS users,
		array_agg((ARRAY['view_item', 'purchase', 'add_to_cart', 'search'])[1 + (random() * 3)::int]) AS events,
		array_agg(CASE WHEN random() < 0.5 THEN '1' ELSE 'sku' || (random() * 30)::int END) AS items,
		array_agg(jsonb_build_object('query', 'q' || (random() * 50)::int, 'price', 5, 'currency', 'EUR')) AS properties,
		array_agg(gen_random_uuid()) AS messages
	FROM generate_series(1, 100)) t,
	LATERAL personalize.ingest(t.users, t.events, t.items, properties => t.properties, message_ids => t.messages) i;
},
	track => q{\set u random(1, 400)
BEGIN;
SELECT personalize.track(:u, 'view_item', 1);
SELECT personalize.track(:u, 'purchase', 1, '{"value": 2}');
COMMIT;
},
	forget => q{\set u random(201, 400)
SELECT personalize.forget(:u);
},
	many => q{\set u random(201, 390)
SELECT count(*) FROM personalize.forget_many(ARRAY[:u, :u + 9, :u + 3, :u + 7]);
},
	same => q{\set u random(391, 393)
SELECT personalize.forget(:u);
SELECT count(*) FROM personalize.forget_many(ARRAY[393, 392, 391]);
},
	back => q{\set u random(301, 400)
SELECT personalize.grant_consent(:u, ARRAY['analytics', 'personalization', 'recommendations']);
},
	withdraw => q{\set u random(1, 200)
SELECT personalize.withdraw_consent(:u, ARRAY['analytics']);
SELECT personalize.grant_consent(:u, ARRAY['analytics']);
});
append_to_file("$dir/$_.sql", $scripts{$_}) for keys %scripts;

# Run scripts at the same time, so many transactions each, or until killed.
sub start_clients
{
	my (%times) = @_;

	return map {
		my ($name, $clients) = split /:/;
		IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-t', $times{$_}, '-f', "$dir/$name.sql", $node->connstr('shop') ],
			'<', '/dev/null', '>', "$dir/$name.out", '2>', "$dir/$name.err")
	} sort keys %times;
}

# What is wrong: results that are not those of the raw events, and people who should not be there.
sub wrong
{
	wait_caught_up($node, 'shop');
	return $node->safe_psql('shop', q{
		SELECT * FROM recompute.item_stat() UNION ALL SELECT * FROM recompute.profile() UNION ALL SELECT * FROM recompute.features()
		UNION ALL SELECT * FROM recompute.session() UNION ALL SELECT * FROM recompute.posting()
		UNION ALL SELECT format('basket of %s', b.user_key) FROM (SELECT user_key, sum(count) AS n FROM personalize._basket GROUP BY 1) b
			FULL JOIN (SELECT user_key, count(*) AS n FROM personalize.event WHERE event = 10 AND item_key IS NOT NULL AND consent & 1 = 1 GROUP BY 1) e USING (user_key)
			WHERE b.n IS DISTINCT FROM e.n
		UNION ALL SELECT format('events of %s, who is unknown', user_key) FROM (SELECT DISTINCT user_key FROM personalize.event) e
			WHERE NOT EXISTS (SELECT FROM personalize.subject s WHERE s.user_key = e.user_key)
		UNION ALL SELECT format('message of nobody %s', message) FROM personalize.message_seen
			WHERE (SELECT count(*) FROM personalize.message_seen) <> (SELECT count(DISTINCT message_key) FROM personalize.event) LIMIT 10});
}

# together, to the end
my $offset = -s $node->logfile;
my @running = start_clients('ingest:3' => 60, 'track:3' => 250, 'forget:3' => 60, 'many:1' => 30, 'same:4' => 10, 'back:1' => 200, 'withdraw:1' => 60);
ok($_->finish, 'a client without failure') for @running;
unlike(slurp_file("$dir/$_.err"), qr/error|aborted/i, "no error in $_") for sort keys %scripts;
unlike(slurp_log($node, $offset), qr/deadlock detected/, 'no deadlock');
is(wrong(), '', 'what is left is what the raw events say');
cmp_ok($node->safe_psql('shop', 'SELECT count(*) FROM personalize.erasure'), '>=', 300, 'receipts of all');
cmp_ok($node->safe_psql('shop', q{SELECT sum((counts ->> 'events')::int) FROM personalize.erasure}), '>', 300, 'that have erased something');
is($node->safe_psql('shop', q{SELECT count(*) FROM personalize.event e JOIN personalize.subject s USING (user_key) WHERE e.ts < s.since}), '0', 'nothing came into a new life from before');

# killed in the middle, with erasures that are not committed yet
@running = start_clients('ingest:2' => 100000, 'track:2' => 100000, 'forget:3' => 100000, 'many:1' => 100000, 'back:1' => 100000);
my $held = $node->background_psql('shop', on_error_stop => 0);
usleep(1_500_000);
$held->query(q{BEGIN; SELECT personalize.forget(1); SELECT count(*) FROM personalize.forget_many(ARRAY[2, 3, 4])});
$node->stop('immediate');
$_->finish for @running;
eval { $held->quit };
$node->start;
is($node->safe_psql('shop', 'SELECT count(*) FROM personalize.subject WHERE user_key IN (1, 2, 3, 4)'), '4', 'who was not forgotten for good is there');
is(wrong(), '', 'after a crash what is left is what the raw events say');

# now all of them, and nobody is left
$node->safe_psql('shop', 'SELECT count(*) FROM personalize.forget_many(ARRAY(SELECT u::text::personalize.entity_id FROM generate_series(1, 400) u))');
wait_caught_up($node, 'shop');
is($node->safe_psql('shop', q{
	SELECT concat_ws(' ', (SELECT count(*) FROM personalize.event), (SELECT count(*) FROM personalize.subject), (SELECT count(*) FROM personalize.profile),
		(SELECT count(*) FROM personalize.session), (SELECT count(*) FROM personalize.posting), (SELECT count(*) FROM personalize.item_stat),
		(SELECT count(*) FROM personalize._basket), (SELECT count(*) FROM personalize.message_seen), (SELECT sessions FROM personalize._session_total),
		(SELECT count(*) FROM personalize.consent_ledger WHERE NOT erased), (SELECT count(*) FROM personalize.verify_ledger()))}),
	'0 0 0 0 0 0 0 0 0 0 0', 'when all are forgotten nothing is left');

# a tombstone outlives a dump
my $dump = "$dir/shop.dump";
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('shop') ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('copy'), $dump ], 'restore');
is($node->safe_psql('copy', q{SET client_min_messages = error; SELECT personalize.track(5, 'view_item', 1, consent => ARRAY['analytics'])}), 'suppressed', 'who was forgotten stays so in a restored dump');
is($node->safe_psql('copy', q{SELECT count(*) FROM personalize._tombstone}), $node->safe_psql('shop', q{SELECT count(*) FROM personalize._tombstone}), 'with all tombstones');

# not on a standby
my $standby = new_standby($node, 'standby');
my ($status, $out, $err) = $standby->psql('shop', 'SELECT personalize.forget(1)');
like($err, qr/cannot execute forget\(\) in a read-only transaction|during recovery/, 'a standby forgets what the primary does');
$standby->stop;
$node->stop;
done_testing();
