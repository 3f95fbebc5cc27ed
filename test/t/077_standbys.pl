# Two standbys serve all engines while the primary is busy, and erasures wait for both.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $all = "'{analytics,personalization,recommendations}'";
my $node = new_node('primary', init => { allows_streaming => 1 });
make_shop($node, 'shop');
$node->safe_psql('shop', qq{
	CREATE FUNCTION shop(rounds int) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		FOR r IN 1..rounds LOOP
			PERFORM personalize.ingest(array_agg('walker' || (w + r) % 40), array_agg((ARRAY['view_item', 'purchase'])[1 + (w * i % 9) / 8]),
				array_agg('path' || (w * r + i) % 30), ts => array_agg(now() - interval '1 hour' + i * interval '1 minute'),
				consents => array_agg('analytics,personalization,recommendations'::text))
			FROM generate_series(1, 8) AS w, generate_series(1, 6) AS i;
		END LOOP;
	END \$\$;
	SELECT shop(5);
	INSERT INTO personalize.item (item_id, category, attributes) SELECT 'path' || i, 'c' || i % 3, jsonb_build_object('name', 'Path ' || i) FROM generate_series(0, 29) AS i
		ON CONFLICT (item_id) DO UPDATE SET category = EXCLUDED.category, attributes = EXCLUDED.attributes;
	SELECT count(personalize.grant_consent('walker' || w, $all)) FROM generate_series(0, 39) AS w;
	SELECT personalize.create_experiment(e, e, '["shipped", {"name": "new", "parameters": {"diversity": 0.5}}]', traffic => 0.8),
		personalize.start_experiment(e) FROM unnest(ARRAY['recommend', 'homepage', 'search_items']) AS e;
	SELECT personalize.grant_consent('ada', $all);
	SELECT personalize.track('ada', 'view_item', 'path1')});
wait_caught_up($node, 'shop');

my @standbys = map { new_standby($node, "standby_$_") } 1, 2;

# What every engine says to everybody, at a time.
sub answers_sql
{
	my ($as_of) = @_;
	return qq{
		SELECT md5(string_agg(a::text, ',' ORDER BY a::text)) FROM (
			SELECT 'recommend', w, r.rank, r.item_id, r.score, r.reason FROM generate_series(0, 39) AS w, LATERAL personalize.recommend('walker' || w, 10, as_of => $as_of) r
			UNION ALL SELECT 'homepage ' || h.shelf || h.module || h.title || h.variant, w, h.rank, h.item_id, h.score, h.reason FROM generate_series(0, 39) AS w, LATERAL personalize.homepage('walker' || w, as_of => $as_of) h
			UNION ALL SELECT 'rank_search', w, r.rank, r.item_id, r.score, r.reason FROM generate_series(0, 39) AS w, LATERAL personalize.rank_search('walker' || w, 'path', ARRAY(SELECT 'path' || i FROM generate_series(0, 9) AS i), as_of => $as_of) r
			UNION ALL SELECT 'search_items', w, r.rank, r.item_id, r.score, r.reason FROM generate_series(0, 39) AS w, LATERAL personalize.search_items('walker' || w, 'path', as_of => $as_of) r
			UNION ALL SELECT 'assignment', w, 0, a.experiment, 0, coalesce(a.variant, a.reason) FROM generate_series(0, 39) AS w, LATERAL personalize.assignment_of('walker' || w, $as_of) a
			UNION ALL SELECT 'similar', i, r.rank, r.item_id, r.score, r.reason FROM generate_series(0, 29) AS i, LATERAL personalize.similar_items('path' || i, 10, as_of => $as_of) r
			UNION ALL SELECT 'trending', 0, r.rank, r.item_id, r.score, r.reason FROM personalize.trending(10, as_of => $as_of) r
			UNION ALL SELECT 'bought', i, r.rank, r.item_id, r.score, r.reason FROM generate_series(0, 29) AS i, LATERAL personalize.bought_together(ARRAY['path' || i], 10, as_of => $as_of) r
		) AS a};
}

# Under load each answers, again and again in the same sessions, while rows are replaced.
my $load = $node->background_psql('shop');
my @readers = map { $_->background_psql('shop') } @standbys;
my $errors = '';
for my $round (1 .. 8)
{
	$load->query_safe('SELECT shop(4)');
	for my $reader (@readers)
	{
		my $answer = eval { $reader->query_safe(answers_sql('now()')) };
		$errors .= $@ || ($answer =~ /^[0-9a-f]{32}$/ ? '' : "no answer: $answer");
	}
}
is($errors, '', 'both answer while the primary is busy');
# Whom an experiment assigns changes everywhere with the primary.
$node->safe_psql('shop', q{SELECT personalize.pause_experiment('homepage'), personalize.grow_experiment('recommend', 1)});
wait_caught_up($node, 'shop');
is( $node->safe_psql('shop', q{SELECT count(*) = 2 AND bool_and(coalesce(replay_lag, interval '0') >= interval '0') FROM pg_stat_replication WHERE state = 'streaming'}),
	't', 'the primary shows how far each has got');
$node->wait_for_catchup($_) for @standbys;
my $now = $node->safe_psql('shop', q{SELECT quote_literal(now()) || '::timestamptz'});
my $there = $node->safe_psql('shop', answers_sql($now));
for my $i (0, 1)
{
	is($standbys[$i]->safe_psql('shop', answers_sql($now)), $there, 'a new session says what the primary does');
	is($readers[$i]->query_safe(answers_sql($now)), $there, 'and so does one that has asked all the while');
	is($standbys[$i]->safe_psql('shop', q{SELECT count(*) FILTER (WHERE experiment = 'recommend' AND reason <> 'assigned') || ' ' || count(DISTINCT variant) || ' ' || count(*) FILTER (WHERE experiment = 'homepage')
		FROM generate_series(0, 39) AS w, personalize.assignment_of('walker' || w)}),
		'0 2 0', 'assignments are those of now');
	is($standbys[$i]->safe_psql('shop', readers_sql()), $node->safe_psql('shop', readers_sql()), 'features agree, too');
}

# An erasure is not done before both have replayed it.
$standbys[1]->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$standbys[1]->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'}) or die 'replay is not paused';
my $receipt = $node->safe_psql('shop', q{SELECT personalize.forget('walker7')});
$node->wait_for_catchup($standbys[0]);
my $status = "SELECT done FROM personalize.erasure_status('$receipt') WHERE stage = ";
$node->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
wait_for($node, 'shop', "SELECT reached ? 'vacuumed' FROM personalize.erasure WHERE receipt = '$receipt'", 'the scrub process');
is($node->safe_psql('shop', "$status 'replicas'"), 'f', 'an erasure waits for a standby that has not replayed it');
like($node->safe_psql('shop', "SELECT blockers FROM personalize.erasure_status('$receipt') WHERE stage = 'replicas'"),
	qr/standby_2/, 'and names it');
my $forgotten = q{SELECT count(*) FROM personalize.event WHERE user_key = personalize.user_key('walker7')};
is($standbys[0]->safe_psql('shop', $forgotten), '0', 'the other has forgotten');
isnt($standbys[1]->safe_psql('shop', $forgotten), '0', 'this one has not');
$standbys[1]->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
wait_for($node, 'shop', "$status 'replicas'", 'both standbys');
is($_->safe_psql('shop', $forgotten), '0', 'forgotten everywhere') for @standbys;

$_->quit for $load, @readers;
$_->stop for @standbys, $node;
done_testing();
