# Ids that become one person's while shards have got on at different speed, and a server
# that is killed while it happens: every event counts once.
#
# One person's stripe is held while a worker counts events of others.  Each part ends
# with the comparison of what the processors hold with a recomputation.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => q{
restart_after_crash = on
personalize.workers = 1
personalize.batch_events = 10
max_worker_processes = 12
});
make_shop($node, 'shop');
my $everything = q{'{analytics,personalization,recommendations}'};
my $events_of = "SELECT coalesce((SELECT events FROM personalize.profile WHERE user_key = personalize.user_key('%s')), 0)";

# Everything is counted, once.
sub all_counted
{
	my ($what, %expected) = @_;
	switch_processors($node, 'shop', 'enable');
	wait_caught_up($node, 'shop');
	for my $id (sort keys %expected)
	{
		is($node->safe_psql('shop', sprintf($events_of, $id)), $expected{$id}, "$what: what $id has");
	}
	is($node->safe_psql('shop', 'SELECT processor, what, first_wrong FROM personalize.verify_counts() WHERE wrong > 0'), '',
		"$what: everything is as recomputed");
	return;
}

# Two people of one stripe, and one of another.
my ($ann, $amy, $bob) = split /\|/, $node->safe_psql('shop', q{
	WITH person AS (
		SELECT 'u' || i AS id, personalize_internal._event_shard(personalize.user_key('u' || i)) AS shard FROM generate_series(1, 500) AS i)
	SELECT a.id, s.id, b.id FROM person AS a JOIN person AS s ON s.shard = a.shard AND s.id > a.id
	JOIN person AS b ON b.shard <> a.shard ORDER BY a.shard, a.id, s.id, b.id LIMIT 1});

# Count what is waiting, but for the stripe of ann.
sub count_without_ann
{
	my ($count_of_bob) = @_;
	my $holder = $node->background_psql('shop');
	$holder->query_safe('SET client_min_messages = warning');
	$holder->query_safe("BEGIN; SELECT personalize.withdraw_consent('$amy', $everything)");
	$node->safe_psql('shop', "SELECT personalize.enable_processor('profile')");
	wait_for($node, 'shop', sprintf("SELECT ($events_of) = $count_of_bob", $bob), 'the other stripe to be counted');
	switch_processors($node, 'shop', 'disable');
	$holder->query_safe('ROLLBACK');
	$holder->quit;
	return;
}

send_events($node, 'shop', 1, $ann, $amy, $bob);
wait_caught_up($node, 'shop');

# What the shard left has counted, and that of the person has not.
switch_processors($node, 'shop', 'disable');
send_events($node, 'shop', 20, $ann, $bob);
count_without_ann(21);
is($node->safe_psql('shop', sprintf($events_of, $ann)), 1, 'the shard of the person is behind');
is($node->safe_psql('shop', "SELECT status, events FROM personalize.identify('$bob', '$ann')"), 'merged|21', 'the id that is ahead joins');
is($node->safe_psql('shop', sprintf($events_of, $ann)), 2, 'what the shard of the person has not passed waits');
is($node->safe_psql('shop', "SELECT sum(count) FROM personalize.features('$bob') WHERE signal = 'item_affinity'"), 42, 'and is told of all the same');
all_counted('the id was ahead', $ann => 42, $bob => 0);

# The other way round: the shard of the id is behind.
switch_processors($node, 'shop', 'disable');
is($node->safe_psql('shop', "SELECT personalize.split('$ann', '$bob')"), 21, 'split');
all_counted('split', $ann => 21, $bob => 21);
switch_processors($node, 'shop', 'disable');
send_events($node, 'shop', 20, $ann, $bob);
count_without_ann(41);
is($node->safe_psql('shop', "SELECT status, events FROM personalize.identify('$ann', '$bob')"), 'merged|41', 'the id that is behind joins');
is($node->safe_psql('shop', sprintf($events_of, $bob)), 82, 'what the shard of the person has passed counts at once');
all_counted('the id was behind', $ann => 0, $bob => 82);

# Splitting while the shards are apart.
switch_processors($node, 'shop', 'disable');
send_events($node, 'shop', 10, $ann, $bob);
count_without_ann(102);
is($node->safe_psql('shop', "SELECT personalize.split('$bob', '$ann')"), 51, 'what came under the id goes back');
all_counted('split while apart', $ann => 51, $bob => 51);

# Killed in the middle of it: it did not happen, and can again.
my $merge = $node->background_psql('shop');
$merge->query_safe('SET client_min_messages = warning');
is($merge->query_safe("BEGIN; SELECT status FROM personalize.identify('$ann', '$bob')"), 'merged', 'under way');
chomp(my $victim = $merge->query_safe('SELECT pg_backend_pid()'));
kill_process($node, $victim);
eval { $merge->quit };
is($node->safe_psql('shop', "SELECT count(*) FROM personalize.identities_of('$bob')"), 0, 'it did not happen');
all_counted('killed', $ann => 51, $bob => 51);
is($node->safe_psql('shop', "SELECT status, events FROM personalize.identify('$ann', '$bob')"), 'merged|51', 'it happens');
all_counted('after all', $ann => 0, $bob => 102);

# Logins of one person on many devices and in both directions, while events come and workers count.
my @sessions;
for my $first (1 .. 4)
{
	my $session = $node->background_psql('shop');
	$session->query_safe('SET client_min_messages = warning');
	$session->query_until(qr/^begun/m, "\\echo begun\n" . join('', map { "SELECT personalize.track('device$_', 'view_item', 'shoe', consent => $everything);\n"
		. "SELECT personalize.identify('device$_', 'person');\nSELECT personalize.identify('person', 'device$_');\n" } map { $first + 4 * $_ } 0 .. 9) . "\\echo ended\n");
	push @sessions, $session;
}
for my $session (@sessions)
{
	$session->query_until(qr/^ended/m, '');
	is($session->{stderr}, '', 'no deadlock');
	$session->quit;
}
is($node->safe_psql('shop', "SELECT count(*) FROM personalize.identities_of('person')"), 40, 'all devices are of one person');
all_counted('logins side by side', person => 40);

done_testing();
