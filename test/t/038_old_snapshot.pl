# A snapshot that somebody holds keeps all versions of rows that are written again and
# again: what is found and written among them is what would be without it.  And of a
# backlog no processor is left behind the others.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => q{
personalize.workers = 1
personalize.batch_events = 100
max_worker_processes = 12
autovacuum = off
});
make_shop($node, 'shop');

# What a session sees of the tables that the processors write.
my %order = (
	profile => 'user_key', item_stat => 'pane_start, item_key, currency_code, event, slot_bucket',
	session => 'user_key, given, session_key', posting => 'item_key, chunk', _pair_list => 'item_key');
my $seen = 'SELECT ' . join(" || ' ' || ",
	map { "(SELECT count(*) || ':' || coalesce(md5(string_agg(t::text, ',' ORDER BY $order{$_})), '') FROM personalize.$_ AS t)" } sort keys %order);
my $wrong = 'SELECT count(*) FROM personalize.verify_index() WHERE wrong > 0';

# Each round writes most of the rows anew, and none of their versions can go.
$node->safe_psql('shop', 'SELECT recompute.traffic(1500, 20)');
wait_caught_up($node, 'shop');
my $holder = $node->background_psql('shop');
$holder->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $before = $holder->query_safe($seen);
for my $round (1 .. 12)
{
	$node->safe_psql('shop', 'SELECT recompute.traffic(150, 20)');
	wait_caught_up($node, 'shop');
}
is($node->safe_psql('shop', q{SELECT pg_relation_size('personalize.profile') > 4 * sum(pg_column_size(p)) FROM personalize.profile AS p}), 't',
	'there are many versions of a profile');
exact($node, 'shop', 'nothing is lost or counted twice among old versions');
is($node->safe_psql('shop', $wrong), 0, 'the index is right');
is($holder->query_safe($seen), $before, 'who holds the snapshot sees what there was');

# People go and come back, whose rows are remembered where they were.
$node->safe_psql('shop', q{SELECT personalize.forget(u) FROM generate_series(1, 5) AS u});
$node->safe_psql('shop', q{SELECT personalize.grant_consent(u, '{analytics,personalization,recommendations}', 'back') FROM generate_series(1, 5) AS u});
traffic($node, 'shop', 3, 200);
exact($node, 'shop', 'people who have been forgotten begin anew', withdrawn => 1);
is($holder->query_safe($seen), $before, 'who holds the snapshot sees them still');

# A worker that failed in the middle, and tables that lie elsewhere.
my $fail = q{CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
	CREATE TRIGGER fail BEFORE INSERT ON personalize.processor_position FOR EACH STATEMENT EXECUTE FUNCTION fail()};
$node->safe_psql('shop', $fail);
traffic($node, 'shop', 2, 200);
wait_for($node, 'shop', q{SELECT count(*) = 0 FROM personalize.processor WHERE last_error IS NULL AND name <> 'exposure'}, 'batches to fail');
$node->safe_psql('shop', 'DROP TRIGGER fail ON personalize.processor_position; DROP FUNCTION fail()');
exact($node, 'shop', 'rows of batches that were undone are not found', withdrawn => 1);
$holder->query_safe('COMMIT');
$node->safe_psql('shop', 'VACUUM personalize.profile, personalize.session, personalize.item_stat');
traffic($node, 'shop', 2, 200);
exact($node, 'shop', 'others lie where versions were', withdrawn => 1);
$node->safe_psql('shop', 'VACUUM FULL personalize.profile; VACUUM FULL personalize.session; REINDEX TABLE personalize.item_stat');
traffic($node, 'shop', 2, 200);
exact($node, 'shop', 'and in other files', withdrawn => 1);
is($node->safe_psql('shop', $wrong), 0, 'the index is right still');

# One worker, and a backlog of all: whenever a batch ends, none is behind by more than two turns.
$node->restart;    # batches are small for a while where somebody has waited
my $switch = q{SELECT personalize.%s_processor(p) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour']) AS p};
$node->safe_psql('shop', sprintf($switch, 'disable'));
$node->safe_psql('shop', q{
	DO $$
	BEGIN
		FOR part IN 1 .. 400 LOOP
			PERFORM personalize.ingest(array_agg('p' || (part * 10 + p) % 500), array_agg('view_item'::text), array_agg('sku' || (p * part) % 17),
				consents => array_agg('analytics,personalization,recommendations'::text))
			FROM generate_series(1, 10) AS p;
			COMMIT;
		END LOOP;
	END
	$$;
	CREATE TABLE counted_before AS SELECT name, events FROM personalize.processor;
	CREATE TABLE progress (behind bigint);
	CREATE FUNCTION progress() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
	BEGIN
		INSERT INTO progress SELECT max(p.events - b.events) - min(p.events - b.events)
		FROM personalize.processor AS p JOIN counted_before AS b USING (name) WHERE name IN ('profile', 'item_stat', 'neighbour');
		RETURN NULL;
	END
	$$;
	CREATE TRIGGER progress AFTER INSERT OR UPDATE ON personalize.processor FOR EACH STATEMENT EXECUTE FUNCTION progress()});
$node->safe_psql('shop', "BEGIN; " . sprintf($switch, 'enable') . '; COMMIT');
wait_caught_up($node, 'shop');
is($node->safe_psql('shop', 'SELECT count(*) >= 20 FROM progress'), 't', 'the backlog was taken in many batches');
cmp_ok($node->safe_psql('shop', 'SELECT max(behind) FROM progress'), '<=', 800, 'none fell behind the others');
exact($node, 'shop', 'the backlog was counted', withdrawn => 1);

$node->stop;
done_testing();
