# A rebuild while the shop is open, and kill -9 in the middle of it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = new_node('rebuild', conf => q{
restart_after_crash = on
personalize.workers = 2
personalize.batch_events = 250
max_worker_processes = 12
log_min_messages = fatal
});
make_shop($node, 'shop');
traffic($node, 'shop', 12, 2000);
$node->safe_psql('shop', q{SELECT personalize.grant_consent('held', '{analytics,personalization,recommendations}');
	SELECT personalize.track('held', 'view_item', i) FROM generate_series(1, 5) AS i});
# ... and what some were shown in answers, and clicked.
$node->safe_psql('shop', q{
	CREATE TABLE shown AS SELECT u, u::text AS id, (SELECT r.request_id::text FROM personalize.recommend(u::text, 1) AS r) AS request FROM generate_series(1000, 1199) AS u;
	SELECT count(personalize.track_impressions(id, request, ARRAY['sku' || u % 100, 'sku' || (u + 1) % 100], query => 'hat', consent => '{analytics}')),
		count(personalize.track(id, 'select_item', 'sku' || u % 100, request_id => request, consent => '{analytics}')) FILTER (WHERE u % 3 = 0) FROM shown});
exact($node, 'shop', 'counted');

# What everybody reads while it goes on.
my $people = 'SELECT count(*), sum(events) FROM personalize.profile';
my $items = 'SELECT sum(count), sum(amount) FROM personalize.item_stat';
my $similar = q{SELECT md5(string_agg(format('%s %s %s %s', i, r.rank, r.item_id, r.reason), ',' ORDER BY i, r.rank))
	FROM generate_series(1, 40) AS i, personalize.similar_items('sku' || i, 5) AS r};
my $readers = q{SELECT md5(string_agg(format('%s %s %s %s %s', u, f.signal, f.value, f.count, f.sum), ',' ORDER BY u, f.signal, f.value))
	FROM generate_series(0, 300) AS u, personalize.features(u, as_of => '2100-01-01', period => NULL) AS f};
my $answers = q{SELECT md5(string_agg(t, E'\n' ORDER BY t COLLATE "C")) FROM (SELECT p::text AS t FROM personalize.answer_performance AS p
	UNION ALL SELECT p::text FROM personalize.search_performance AS p) AS t};
is($node->safe_psql('shop', q{SELECT count(*) > 0 AND sum(clicks) = 66 FROM personalize.answer_performance WHERE engine = 'recommend'}), 't', 'answers were shown');
my %before = map { $_ => $node->safe_psql('shop', $_) } $people, $items, $readers, $similar, $answers;

# --- profiles: a person who is being withdrawn keeps one shard from its end
my $held = $node->background_psql('shop');
$held->query_safe(q{BEGIN; SELECT personalize.withdraw_consent('held', '{marketing}')});
$node->safe_psql('shop', q{SELECT personalize.rebuild_processor('profile')});
wait_for($node, 'shop', q{SELECT percent > 50 AND percent < 100 AND time_left IS NOT NULL FROM personalize.stat_progress WHERE subject = 'profile'}, 'half of a rebuild');
wait_for($node, 'shop', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND query ~ '^profile: .* % rebuilt$'}, 'pg_stat_activity');
is($node->safe_psql('shop', $people), $before{$people}, 'half-way nobody is missing');
is($node->safe_psql('shop', $readers), $before{$readers}, 'and everybody reads what he read');

# Kill workers there, and then the server.
for my $round (1 .. 3)
{
	my ($victim) = $node->safe_psql('shop', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND datname = 'shop' LIMIT 1});
	kill_process($node, $victim) if $victim;
	eval { $held->quit };
	is($node->safe_psql('shop', $people), $before{$people}, "killed in round $round: nobody is missing");
	exact($node, 'shop', "and it ends as it should");
	is($node->safe_psql('shop', 'SELECT count(*) FROM personalize.stat_progress'), 0, 'when it is over');
	$held = $node->background_psql('shop');
	$held->query_safe(q{BEGIN; SELECT personalize.withdraw_consent('held', '{marketing}')});
	$node->safe_psql('shop', q{SELECT personalize.rebuild_processor('profile')});
	wait_for($node, 'shop', q{SELECT percent > 0 AND percent < 100 FROM personalize.stat_progress WHERE subject = 'profile'}, 'a part');
}
$node->stop('immediate');
eval { $held->quit };
$node->start;
exact($node, 'shop', 'after a crash of the server it goes on');
is($node->safe_psql('shop', $readers), $before{$readers}, 'and everybody reads what he read');

# --- the others, in small parts, killed wherever they are, until each was met half-way
$node->safe_psql('postgres', 'ALTER SYSTEM SET personalize.batch_events = 25');
$node->reload;
my %met;
for my $processor (('item_stat', 'neighbour', 'exposure') x 12)
{
	next if ($met{$processor} // 0) > 1;
	$node->safe_psql('shop', "SELECT personalize.rebuild_processor('$processor')");
	for (1 .. 400)
	{
		my $percent = $node->safe_psql('shop', "SELECT percent FROM personalize.stat_progress WHERE subject = '$processor'");
		last if $percent eq '' || $percent > 10;
		usleep(2_000);
	}
	my $reads = $node->safe_psql('shop', "$items; $similar; $answers");
	my ($victim) = $node->safe_psql('shop', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND datname = 'shop' ORDER BY state LIMIT 1});
	$met{$processor}++ if $victim && $node->safe_psql('shop', "SELECT count(*) FROM personalize.stat_progress WHERE subject = '$processor' AND percent < 100") > 0;
	kill_process($node, $victim) if $victim;
	is($reads, "$before{$items}\n$before{$similar}\n$before{$answers}", "$processor: sums, similar items and what came of answers stay meanwhile");
	exact($node, 'shop', 'and after the kill it ends as it should');
}
cmp_ok($met{$_} // 0, '>', 0, "$_ was killed in the middle at least once") for 'item_stat', 'neighbour', 'exposure';
is($node->safe_psql('shop', 'SELECT sum(wrong) FROM personalize.verify_counts()'), 0, 'nothing is wrong');

# --- both workers count exposures anew while people come, are forgotten and withdraw
$node->safe_psql('postgres', 'ALTER SYSTEM SET log_min_messages = warning');
$node->reload;
my $offset = -s $node->logfile;
my $scripts = PostgreSQL::Test::Utils::tempdir();
append_to_file("$scripts/come.sql", "SELECT recompute.traffic(20);\n");
append_to_file("$scripts/go.sql", "SELECT personalize.forget((random() * 300)::integer::text);\n");
append_to_file("$scripts/anew.sql", "SELECT personalize.rebuild_processor('exposure');\n");
$node->command_ok([ 'pgbench', '-n', '-c', '4', '-j', '2', '-t', '60', '--max-tries', '20',
		'-f', "$scripts/come.sql\@8", '-f', "$scripts/go.sql\@1", '-f', "$scripts/anew.sql\@1", '-d', $node->connstr('shop') ], 'all at once');
exact($node, 'shop', 'and it is right', withdrawn => 1);
is($node->safe_psql('shop', q{SELECT sum(wrong) FROM personalize.verify_counts() WHERE processor = 'exposure'}), 0, 'rows and counters');
unlike(slurp_file($node->logfile, $offset), qr/deadlock detected/, 'nobody waits for one another');
$node->stop;
done_testing();
