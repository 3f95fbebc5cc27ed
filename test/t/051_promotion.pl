# A standby that serves is promoted: what its sessions and its shared memory remember holds
# no longer than it should, and workers go on exactly.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $all = "'{analytics,personalization,recommendations}'";
my @people = qw(ada bob cyd dan eve);
my @engines = map { "personalize.$_" } 'recommend(v.who, 8, as_of => v.at)', "rank_search(v.who, 'lamp', ARRAY(SELECT 'item' || i FROM generate_series(0, 9) AS i), as_of => v.at)",
	"search_items(v.who, 'lamp', as_of => v.at)", 'homepage(v.who, as_of => v.at)', 'trending(8, as_of => v.at)';

# What the engines and the readers say to some people, at a time.
sub answers_sql
{
	my ($at) = @_;
	my $answers = join(' UNION ALL ', map { "SELECT v.who, r.rank::text, r.item_id, r.score::text FROM v, LATERAL $_ AS r" } @engines);
	return qq{
		WITH v AS (SELECT who, $at AS at FROM unnest('{@{[ join ',', @people ]}}'::text[]) AS who)
		SELECT md5(string_agg(a::text, ',' ORDER BY a::text)) FROM ($answers
			UNION ALL SELECT v.who, f::text, '', '' FROM v, LATERAL personalize.features(v.who, as_of => v.at) AS f) AS a};
}

my $node = new_node('primary', init => { allows_streaming => 1 }, conf => "max_prepared_transactions = 0\npersonalize.workers = 2\n");

make_shop($node, 'shop');
$node->safe_psql('shop', qq{
	INSERT INTO personalize.item (item_id, attributes) SELECT 'item' || i, jsonb_build_object('name', 'Lamp ' || i) FROM generate_series(0, 29) AS i;
	SELECT count(personalize.grant_consent(w, $all)) FROM unnest('{@{[ join ',', @people ]}}'::text[]) AS w;
	SELECT count(personalize.grant_consent('w' || w, $all)) FROM generate_series(1, 20) AS w;
	SELECT count(personalize.track(w, 'view_item', 'item' || (i * length(w) + ascii(w)) % 30)) FROM unnest('{@{[ join ',', @people ]}}'::text[] || ARRAY(SELECT 'w' || w FROM generate_series(1, 20) AS w)) AS w, generate_series(1, 6) AS i});
traffic($node, 'shop', 3, 300);
wait_caught_up($node, 'shop');
my $standby = new_standby($node, 'standby', conf => "hot_standby_feedback = on\n");

# Sessions that ask all the while, one of them under one snapshot.
my ($reader, $old) = map { $standby->background_psql('shop') } 1, 2;
$reader->query_safe(answers_sql('now()')) for 1 .. 3;
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; ' . answers_sql('now()'));
my $decided = q{SELECT count(*) FROM personalize.recommend('ada', 5) WHERE reason !~ 'no_consent'};
cmp_ok($old->query_safe($decided), '>', 0, 'who allows it is given recommendations by the standby');

# What changes behind their backs; of some it is known only with the promotion.
$node->safe_psql('shop', qq{
	SELECT personalize.withdraw_consent('ada', $all);
	UPDATE personalize.item SET available = false WHERE item_id IN ('item1', 'item2', 'item3');
	SELECT personalize.create_variant('recommend', 'other', '{"diversity": 0.9}'), personalize.set_default_variant('recommend', 'other')});
traffic($node, 'shop', 3, 400);
my $running = $node->background_psql('shop');
$running->query_safe("BEGIN; SELECT personalize.withdraw_consent('dan', $all); SELECT personalize.track('cyd', 'purchase', 'item9')");
$node->wait_for_catchup($standby);
$node->stop('immediate');
$running->{run}->kill_kill;
$standby->promote;

# The old snapshot first: what it reads is nobody else's.
cmp_ok($old->query_safe($decided), '>', 0, 'under the old snapshot nothing has changed');
is($standby->safe_psql('shop', $decided), '0', 'in a new session the withdrawal holds');
is($reader->query_safe($decided), '0', 'and where another answer was given before');
$old->query_safe('COMMIT');
is($old->query_safe($decided), '0', 'under the next snapshot also there');
is($standby->safe_psql('shop', q{SELECT personalize.track('ada', 'view_item', 'item5')}), 'suppressed', 'for events, too');
is($standby->safe_psql('shop', q{SELECT personalize.track('dan', 'view_item', 'item5')}), 'accepted', 'a withdrawal that was not committed has not happened');

# Withdrawals and erasures of now.
$standby->safe_psql('shop', "SELECT personalize.withdraw_consent('dan', $all)");
is($_->query_safe(q{SELECT count(*) FROM personalize.recommend('dan', 5) WHERE reason !~ 'no_consent'}), '0', 'a withdrawal after the promotion holds at once') for $reader, $old;
my $receipt = $standby->safe_psql('shop', "SELECT personalize.forget('bob')");
is($_->query_safe(q{SELECT count(*) FROM personalize.features('bob')}), '0', 'who is forgotten has no features') for $reader, $old;
is($standby->safe_psql('shop', q{SELECT count(*) FROM personalize.event WHERE user_key = personalize.user_key('bob')}), '0', 'nor events');
exact($standby, 'shop', "workers go on from where the primary was", withdrawn => 1);
traffic($standby, 'shop', 3, 300);
exact($standby, 'shop', "and count what comes then", withdrawn => 1);
my $at = $standby->safe_psql('shop', q{SELECT quote_literal(now()) || '::timestamptz'});
is($_->query_safe(answers_sql($at)), $standby->safe_psql('shop', answers_sql($at)), 'old sessions say what a new one says') for $reader, $old;
is($standby->safe_psql('shop', "BEGIN ISOLATION LEVEL SERIALIZABLE; " . answers_sql($at)), $reader->query_safe(answers_sql($at)), 'and what one says that remembers nothing');
is($standby->safe_psql('shop', 'SELECT * FROM personalize.verify_counts() WHERE wrong > 0'), '', 'counts are right');
is($standby->safe_psql('shop', 'SELECT * FROM personalize.verify_ledger()'), '', 'the ledger is whole');
is($standby->safe_psql('shop', 'SELECT * FROM personalize.verify_index() WHERE wrong > 0'), '', 'the index is right');

# How far the erasure is: nothing is told of the time before.
my $stage = "SELECT done FROM personalize.erasure_status('$receipt') WHERE stage =";
is($standby->safe_psql('shop', "$stage 'vacuumed'"), 'f', 'the erasure is still in the files');
$_->quit for $reader, $old;
$standby->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
wait_for($standby, 'shop', "$stage 'vacuumed'", 'the scrub process');
is($standby->safe_psql('shop', "$stage 'replicas'"), 't', 'and scrubbed, with no standby to wait for');
$standby->stop;

done_testing();
