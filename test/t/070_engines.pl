# Engines answer on a standby what they answer on the primary, and without preload.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('primary', init => { allows_streaming => 1 });
make_shop($node, 'shop');
traffic($node, 'shop', 5, 500);
# Random traffic alone need not hold two items that anybody saw in one session.
$node->safe_psql('shop', q{
	SELECT personalize.ingest(array_agg('walker' || w), array_agg('view_item'::text), array_agg('path' || i),
		ts => array_agg(now() - interval '1 hour' + i * interval '1 minute'),
		consents => array_agg('analytics,personalization,recommendations'::text))
	FROM generate_series(1, 8) AS w, generate_series(1, 6) AS i});
wait_caught_up($node, 'shop');
$node->safe_psql('shop', q{
	SELECT personalize.grant_consent('ada', ARRAY['analytics', 'personalization', 'recommendations']);
	SELECT personalize.track('ada', 'view_item', 'path1')});
wait_caught_up($node, 'shop');

my $standby = new_standby($node, 'standby');

# All answers of the engines at one time.
my $now = $node->safe_psql('shop', 'SELECT now()');
my $answers = qq{
	SELECT e.engine, r.rank, r.item_id, r.reason FROM (
		SELECT 'recommend' AS engine, a.* FROM personalize.recommend('ada', 10, as_of => '$now') a
		UNION ALL SELECT 'stranger', a.* FROM personalize.recommend('nobody', 10) a
		UNION ALL SELECT 'similar', a.* FROM (SELECT min(item_id) AS k FROM personalize.item) i, LATERAL personalize.similar_items(i.k, 10, as_of => '$now') a
		UNION ALL SELECT 'trending', a.* FROM personalize.trending(10, as_of => '$now') a
		UNION ALL SELECT 'bought', a.* FROM (SELECT array_agg(item_id ORDER BY item_id) AS k FROM personalize.item) i, LATERAL personalize.bought_together(i.k[1:9], 10, as_of => '$now') a
	) AS e(engine, rank, item_id, item_key, score, reason, request_id, explanation),
	LATERAL (SELECT e.*) r ORDER BY 1, 2};
$node->wait_for_catchup($standby);
my $there = $node->safe_psql('shop', $answers);
like($there, qr/^recommend\|1\|.*\|because_viewed:/m, 'the primary has something to say');
is($standby->safe_psql('shop', $answers), $there, 'the standby says the same');

# What happens on the primary tells there as soon as it has been replayed, processed or not.
switch_processors($node, 'shop', 'disable');
$node->safe_psql('shop', q{SELECT personalize.track('ada', 'view_item', 'path3')});
$node->wait_for_catchup($standby);
is( $standby->safe_psql('shop', "SELECT count(*) > 0 FROM personalize.recommend('ada', 20) WHERE reason = 'because_viewed:path3'"),
	't', 'the newest click counts on the standby');
my $first = $standby->safe_psql('shop', q{SELECT item_id FROM personalize.recommend('ada', 1)});
$node->safe_psql('shop', "INSERT INTO personalize.item (item_id, hidden) VALUES ('$first', true) ON CONFLICT (item_id) DO UPDATE SET hidden = true");
$node->wait_for_catchup($standby);
is($standby->safe_psql('shop', "SELECT count(*) FROM personalize.recommend('ada', 100) WHERE item_id = '$first'"), '0', 'a hidden item is gone there, too');

# Variants and rules, too, in a session that has kept those there were.
my $session = $standby->background_psql('shop');
my $ask = q{SELECT explanation ->> 'variant', reason FROM personalize.recommend('ada', 1, explain => true)};
like($session->query_safe($ask), qr/^shipped\|because_viewed:/, 'as shipped, and without rules');
$node->safe_psql('shop', q{
	SELECT personalize.create_variant('recommend', 'varied', '{"diversity": 0.5}');
	SELECT personalize.set_default_variant('recommend', 'varied');
	INSERT INTO personalize.rule (name, kind, items, place) VALUES ('top', 'pin', '{on top}', 1)});
$node->wait_for_catchup($standby);
is($session->query_safe($ask), 'varied|rule:top', 'a new default and a new rule are obeyed on the standby');
is($session->query_safe(q{SELECT rank_without || ' ' || rank_with FROM personalize.rule_effect('top', 'ada', 2) WHERE engine = 'recommend' AND rank_without = 1}),
	'1 2', 'and a rule is previewed there');
$node->safe_psql('shop', q{SELECT personalize.set_default_variant('recommend', 'shipped'); DELETE FROM personalize.rule});
$node->wait_for_catchup($standby);
like($session->query_safe($ask), qr/^shipped\|because_viewed:/, 'and gone with them');
$session->quit;

# And pages: the same shelves, with ids that the primary knows.
my $page = qq{SELECT shelf, module, title, rank, item_id, reason FROM personalize.homepage('ada', as_of => '$now') ORDER BY shelf, rank};
$there = $node->safe_psql('shop', $page);
like($there, qr/^1\|.*^2\|/ms, 'the primary has a page');
is($standby->safe_psql('shop', $page), $there, 'the standby has the same');
is($standby->safe_psql('shop', "SELECT bool_and(engine = 'homepage' AND place_bucket > 0) FROM personalize.homepage('ada') h, personalize.request_origin(h.request_id)"),
	't', 'with ids that say where they are from');
is($standby->safe_psql('shop', "SELECT string_agg(shelf::text, ' ' ORDER BY shelf) FROM personalize.homepage_layout('ada', shelves => 2, as_of => '$now') WHERE placed"),
	'1 2', 'and says why');
is($node->safe_psql('shop', "BEGIN TRANSACTION READ ONLY; SELECT count(*) > 0 FROM personalize.homepage('ada')"), 't', 'nor is a page anything written on the primary');
$standby->stop;

# Without shared_preload_libraries the same answers come, and calls are counted for the session.
$there = $node->safe_psql('shop', $answers);
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is($node->safe_psql('shop', $answers), $there, 'the same without preload');
is( $node->safe_psql('shop', q{SELECT FROM personalize.trending(1); SELECT value FROM personalize.stat_engine WHERE engine = 'trending' AND measure = 'calls'}),
	'1', 'stat_engine counts the session');
$node->stop;
done_testing();
