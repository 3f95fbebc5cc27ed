# A new signal is filled in while the shop is open, and kill -9 in the middle of it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('backfill', conf => q{
restart_after_crash = on
personalize.workers = 2
personalize.batch_events = 250
personalize.batch_interval = 20ms
max_worker_processes = 12
log_min_messages = fatal
});
make_shop($node, 'shop');
traffic($node, 'shop', 12, 2000);
$node->safe_psql('shop', q{SELECT personalize.grant_consent('held', '{analytics,personalization,recommendations}');
	SELECT personalize.track('held', 'view_item', i) FROM generate_series(1, 5) AS i});
exact($node, 'shop', 'counted');

my $people = 'SELECT count(*), sum(events) FROM personalize.profile';
my $before = $node->safe_psql('shop', $people);
# what the signal must come to, out of the raw events
my $truth = q{SELECT count(*) FROM personalize.event JOIN personalize.event_type USING (event)
	WHERE weight <> 0 AND consent & 2 = 2};
my $counted = q{SELECT coalesce(sum(f.count), 0) FROM (SELECT DISTINCT user_id FROM personalize.subject) AS s, personalize.features(s.user_id, period => NULL) AS f WHERE f.signal = '%s'};
my $some = q{SELECT percent > 0 AND percent < 100 FROM personalize.stat_progress WHERE task = 'backfill_signal'};

for my $round (1 .. 3)
{
	# somebody who is being withdrawn keeps one shard from its end
	my $held = $node->background_psql('shop');
	$held->query_safe(q{BEGIN; SELECT personalize.withdraw_consent('held', '{marketing}')});
	$node->safe_psql('shop', "SELECT personalize.create_signal('seen$round', NULL, 'none', aggregates => '{min,max,first,last}')");
	wait_for($node, 'shop', $some, "half of back-fill $round");
	is($node->safe_psql('shop', "SELECT complete_since IS NOT NULL AND complete_since > (SELECT min(day) FROM personalize._event_day)::timestamp AT TIME ZONE 'UTC' FROM personalize.signal_status WHERE name = 'seen$round'"),
		't', 'readers are told that it is not complete');
	my ($victim) = $node->safe_psql('shop', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND datname = 'shop' LIMIT 1});
	if ($round < 3) { kill_process($node, $victim) }
	else { $node->stop('immediate'); $node->start }
	eval { $held->quit };
	# and events that come while it goes on
	$node->safe_psql('shop', q{SELECT personalize.track('late' || i, 'view_item', i, consent => '{analytics,personalization,recommendations}') FROM generate_series(1, 20) AS i});
	wait_for($node, 'shop', 'SELECT count(*) = 0 FROM personalize._rebuild', 'it goes on to its end');
	wait_caught_up($node, 'shop');
	is($node->safe_psql('shop', q{SELECT * FROM recompute.differences() AS d WHERE d !~ '^feature 10\d ' LIMIT 10}), '', "killed in round $round: everything else is counted once");
	is($node->safe_psql('shop', sprintf($counted, "seen$round")), $node->safe_psql('shop', $truth), 'what raw events say, once');
}
is($node->safe_psql('shop', "SELECT count(*) FROM personalize.signal_status WHERE name ~ '^seen' AND complete_since = (SELECT min(day) FROM personalize._event_day)::timestamp AT TIME ZONE 'UTC'"),
	3, 'complete since the oldest raw day');
is($node->safe_psql('shop', 'SELECT sum(wrong) FROM personalize.verify_counts()'), 0, 'nothing is wrong');
my $hash = q{SELECT personalize.state_hash('profile', '2100-01-01')};
my $held = $node->safe_psql('shop', $hash);
$node->safe_psql('shop', q{SELECT personalize.rebuild_processor('profile')});
wait_for($node, 'shop', 'SELECT count(*) = 0 FROM personalize._rebuild', 'a rebuild');
is($node->safe_psql('shop', $hash), $held, 'as if everything had been counted anew');
$node->stop;
done_testing();
