# Neighbours on a standby and in a restored dump: the same answers, and they go on exactly.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('primary', init => { allows_streaming => 1 });
make_shop($node, 'shop');
traffic($node, 'shop', 10, 500);
exact($node, 'shop', 'sessions and postings are what the events say');

# Everything that can be asked, in one text.
my $answers = q{
	SELECT string_agg(concat_ws(' ', i, item_key, score, because), E'\n' ORDER BY i, score DESC, item_key)
	FROM generate_series(0, 100, 5) AS i,
		personalize.session_neighbours(ARRAY['sku' || i, 'sku' || i + 1]::personalize.entity_id[], 20, date_trunc('day', now() + interval '1 day'))};
my $expected = $node->safe_psql('shop', $answers);
isnt($expected, '', 'there are neighbours');

my $standby = new_standby($node, 'standby');
is($standby->safe_psql('shop', $answers), $expected, 'a standby answers the same');
is($standby->safe_psql('shop', 'SELECT sum(wrong) FROM personalize.verify_index()'), '0', 'and can verify');
$standby->stop;

my $dump = PostgreSQL::Test::Utils::tempdir() . '/shop.sql';
$node->run_log([ 'pg_dump', '-d', $node->connstr('shop'), '-f', $dump ]);
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->run_log([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ]);
is($node->safe_psql('restored', $answers), $expected, 'a restored dump answers the same');
exact($node, 'restored', 'and holds what the events say');
traffic($node, 'restored', 5, 300);
exact($node, 'restored', 'and goes on exactly');

# While it is tuned, pg_stat_activity shows how far that is; it can be given up.
$node->safe_psql('restored', q{
	SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat']) AS p;
	SELECT personalize.import_events(array_agg('walker' || w), array_agg('view_item'::text), array_agg('path' || (w * 7 + w * i) % 300),
		array_agg('2026-01-01 00:00+00'::timestamptz + make_interval(mins => w, secs => i)), consents => array_agg('recommendations'::text))
	FROM generate_series(1, 6000) AS w, generate_series(1, 8) AS i});
wait_for($node, 'restored', q{SELECT waiting = 0 FROM personalize.stat_processor WHERE processor = 'neighbour'}, 'neighbour');
my $tuning = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('restored'), '-c', 'SELECT * FROM personalize.tune_neighbours(true, 1000000)' ],
	'<', \undef, '>', \my $out, '2>', \my $error);
wait_for($node, 'restored', q{SELECT count(pg_cancel_backend(pid)) = 1 FROM pg_stat_activity
	WHERE state = 'active' AND query ~ '^tune_neighbours: [0-9]+ of about [0-9]+ trials$'}, 'the progress of tune_neighbours()');
$tuning->finish;
like($error, qr/canceling statement due to user request/, 'tuning tells how far it is, and ends when asked to');
is($node->safe_psql('restored', 'SELECT count(*) FROM personalize.engine_variant'), '0', 'and has changed nothing then');
$node->stop;
done_testing();
