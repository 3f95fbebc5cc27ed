# The search index after a crash, on a standby, and in a restored dump.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', init => { allows_streaming => 1 }, conf => "log_min_messages = warning\n");
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', 'CREATE EXTENSION personalize');
$node->safe_psql('shop', q{
	-- so old that scores do not change while the test runs
	INSERT INTO personalize.item (item_id, category, created_at, attributes)
		SELECT 'i' || i, 'kind ' || i % 7, '2010-01-01', jsonb_build_object('name', 'lamp ' || i % 50, 'note', repeat('word' || i % 13 || ' ', i % 5))
		FROM generate_series(1, 3000) AS i;
	INSERT INTO personalize.search_synonym (term, synonyms) VALUES ('light', '{lamp}');
	UPDATE personalize.search_attribute SET weight = NULL WHERE attribute = 'category';
	INSERT INTO personalize.search_attribute (attribute, weight) VALUES ('note', 'D');
	UPDATE personalize.search_setting SET content = 'german' WHERE name = 'language'});

# What several queries find, with the scores.
my $answers = q{SELECT md5(string_agg(concat_ws(' ', q, rank, item_id, round(score::numeric, 4), did_you_mean), ';' ORDER BY q, rank))
	FROM unnest(ARRAY['lamp 7', 'light', 'word3 lamp', 'lam', 'lmap 12', 'kind', '']) AS q, personalize.search_items(NULL, q, 50)};
my $check = 'SELECT * FROM personalize.verify_search_index()';
my $before = $node->safe_psql('shop', $answers);
is($node->safe_psql('shop', $check), '', 'the index is right');

# A crash in the middle of a transaction that changes the catalogue.
my $session = $node->background_psql('shop');
$session->query_safe('BEGIN');
$session->query_safe(q{UPDATE personalize.item SET attributes = '{"name": "chair"}'});
$session->query_safe(q{INSERT INTO personalize.item (item_id, category) VALUES ('new', 'lamp')});
$node->stop('immediate');
$node->start;
eval { $session->quit };
is($node->safe_psql('shop', $check), '', 'after a crash it is right');
is($node->safe_psql('shop', $answers), $before, 'and answers as before');

# A standby answers as the primary does, also what one backend has asked before.
my $standby = new_standby($node, 'standby');
is($standby->safe_psql('shop', $answers), $before, 'a standby answers as the primary');
my $reader = $standby->background_psql('shop');
is($reader->query_safe($answers), $before, 'once');
$node->safe_psql('shop', q{UPDATE personalize.item SET attributes = '{"name": "lamp chair"}' WHERE item_key % 3 = 0; DELETE FROM personalize.item WHERE item_id LIKE 'i1%'});
$node->wait_for_catchup($standby);
my $after = $node->safe_psql('shop', $answers);
isnt($after, $before, 'the catalogue has changed');
is($reader->query_safe($answers), $after, 'and the backend that knew it as it was says so');
is($standby->safe_psql('shop', $check), '', 'the index is right on the standby');
$reader->quit;

# A dump holds what is searched, not the index, which the catalogue makes again.
my $directory = PostgreSQL::Test::Utils::tempdir();
$node->command_ok([ 'pg_dump', '-Fd', '-j', '2', '-f', "$directory/dump", '-d', $node->connstr('shop') ], 'pg_dump');
for my $round ([ 'in parallel', '-j', 2 ], [ 'in one transaction', '-1' ])
{
	my ($how, @options) = @$round;
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok([ 'pg_restore', '-e', @options, '-d', $node->connstr('restored'), "$directory/dump" ], "restored $how");
	is($node->safe_psql('restored', $check), '', "the index restored $how is right");
	is($node->safe_psql('restored', $answers), $after, "and what was restored $how answers as before");
	is($node->safe_psql('restored', 'SELECT count(*) FROM personalize.search_attribute WHERE builtin'), 11, 'what was changed is the one row of its name');
	$node->safe_psql('postgres', 'DROP DATABASE restored');
}
$standby->stop;
$node->stop;
done_testing();
