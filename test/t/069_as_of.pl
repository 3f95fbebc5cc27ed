# The same events, told and counted in other orders: every reader says the same,
# now and as of any time; and as of a time it says what it would had nothing
# happened since.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('as_of');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'personalize'\n"
	  . "personalize.databases = ''\npersonalize.max_future = '1min'\nautovacuum = off\nfsync = off\njit = off\n");
$node->start;

# What happens: 700 people in 40 days; most come to a hot item, more of them than its
# list holds; sessions with and without an id, some of which go on for days.
my $world = q{
	CREATE TABLE happening AS
		SELECT u, s, n,
			CASE WHEN random() < 0.25 THEN 1 ELSE 2 + (power(random(), 2) * 40)::int END AS item,
			'2026-03-01 00:00+00'::timestamptz + u * interval '80 minutes' + s * interval '3 days'
				+ n * CASE WHEN u % 11 = 0 THEN interval '9 hours' ELSE interval '7 minutes' END
				+ (random() * 300000)::int * interval '1 millisecond' + (u * 100 + s * 10 + n) * interval '1 microsecond' AS ts,
			CASE WHEN u % 3 = 0 THEN 'visit' || s END AS session,
			CASE WHEN random() < 0.1 THEN 'purchase' WHEN random() < 0.1 THEN 'view_item_list' ELSE 'view_item' END AS event
		FROM generate_series(1, 700) u, generate_series(0, 1) s, generate_series(0, 4) n
		WHERE random() < 0.7;
	CREATE PROCEDURE tell(seed text, until timestamptz, calls integer, per_batch integer) LANGUAGE plpgsql AS $$
	DECLARE
		n integer := (SELECT count(*) FROM happening);
	BEGIN
		EXECUTE format('SET personalize.batch_events = %s', per_batch);
		FOR part IN 0 .. calls - 1 LOOP
			PERFORM personalize.import_events(array_agg(u::text::personalize.entity_id), array_agg(event),
				array_agg(item::text::personalize.entity_id), array_agg(ts), session_ids => array_agg(session::personalize.entity_id),
				consents => array_agg(CASE WHEN u % 7 = 0 THEN 'recommendations' ELSE 'analytics,personalization,recommendations' END))
			FROM (SELECT *, ntile(calls) OVER (ORDER BY CASE seed WHEN '' THEN '' ELSE md5(h::text || seed) END, ts) - 1 AS p FROM happening h) h
			WHERE p = part AND ts <= until;
			COMMIT;
			IF part % 2 = 1 OR part = calls - 1 THEN
				PERFORM personalize.rollup_now();
				COMMIT;
			END IF;
		END LOOP;
	END
	$$;
	CREATE FUNCTION readers(at timestamptz) RETURNS TABLE (reader text, question text, answer text) LANGUAGE sql AS $$
		SELECT 'session_neighbours', i::text, concat_ws(' ', row_number() OVER (PARTITION BY i), item_key, because, CASE WHEN at IS NOT NULL THEN score END)
			FROM generate_series(1, 42) i, personalize.session_neighbours(ARRAY[i * 5 % 43, i], 30, at, i % 2 = 0)
		UNION ALL
		SELECT 'similar_items', i::text, concat_ws(' ', rank, item_key, reason, CASE WHEN at IS NOT NULL THEN score END)
			FROM generate_series(1, 42) i, personalize.similar_items(i, 10, as_of => at)
		UNION ALL
		SELECT 'recommend', u::text, concat_ws(' ', rank, item_key, reason, CASE WHEN at IS NOT NULL THEN score END)
			FROM generate_series(1, 700, 9) u, personalize.recommend(u, 15, as_of => at, exclude_seen => CASE WHEN u % 4 = 0 THEN interval '4 days' END)
		UNION ALL
		SELECT 'trending', h::text, concat_ws(' ', rank, item_key, CASE WHEN at IS NOT NULL THEN score END)
			FROM unnest('{1 hour,1 day,10 days}'::interval[]) h, personalize.trending(50, h, as_of => at)
		UNION ALL
		SELECT 'bought_together', i::text, concat_ws(' ', rank, item_key, reason, score)
			FROM generate_series(1, 42) i, personalize.bought_together(ARRAY[i], as_of => at)
		UNION ALL
		SELECT 'features', u::text, concat_ws(' ', signal, value, count, sum)
			FROM generate_series(1, 700, 7) u, personalize.features(u, '20 days', at)
		UNION ALL
		SELECT 'decayed', u::text, concat_ws(' ', signal, value, decayed)
			FROM generate_series(1, 700, 7) u, personalize.features(u, '20 days', at) WHERE at IS NOT NULL
	$$;
	-- what has no as_of
	CREATE FUNCTION standing() RETURNS TABLE (reader text, question text, answer text) LANGUAGE sql AS $$
		SELECT 'recent', u::text, concat_ws(' ', place, item_key, event, ts) FROM generate_series(1, 700, 7) u, personalize.recent(u)
		UNION ALL
		SELECT 'item_performance', item_key::text, p::text FROM personalize.item_performance p
		UNION ALL
		SELECT 'state_hash', t, encode(personalize.state_hash(t, '2026-06-01'), 'hex')
			FROM unnest('{profile,session,posting,_session_total,item_stat,_basket}'::text[]) t
	$$;};
my $last_moment = '2026-03-31 23:59:59.999999+00';
my @times = ('2026-03-02 23:59:59.999999+00', '2026-03-12 23:59:59.999999+00', $last_moment);
my @odd_times = ('2026-03-05 11:17:03+00', '2026-04-09 06:30+00');
my $later = $node->safe_psql('postgres', q{SELECT date_trunc('day', now()) + interval '2 days'});

# A database that is told; by name, in the order of seed, up to a time.
sub told
{
	my ($name, $seed, $calls, $per_batch, $until) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, qq{SET client_min_messages = error; CREATE EXTENSION personalize; SELECT setseed(0.25); $world
		SELECT personalize.set_retention(kind, NULL, without_end => true) FROM unnest('{raw,session}'::text[]) AS kind;
		SELECT personalize.grant_consent(u, CASE WHEN u % 7 = 0 THEN '{recommendations}' ELSE '{analytics,personalization,recommendations}'::text[] END) FROM generate_series(1, 700) u;
		SELECT setseed(0.5); CALL tell('$seed', '$until', $calls, $per_batch)});
	return $name;
}

sub answers
{
	my ($name, $at) = @_;
	my $from = $at eq 'standing' ? 'standing()' : $at eq 'now' ? 'readers(NULL)' : "readers('$at')";

	return $node->safe_psql($name, qq{SET timezone = 'UTC'; SET personalize.purpose = 'personalization';
		SELECT line FROM (SELECT concat_ws('|', reader, question, answer) AS line FROM $from) l ORDER BY line COLLATE "C"});
}

# The first lines that only one of two answers has.
sub difference
{
	my ($left, $right) = @_;
	my %right = map { $_ => 1 } split /\n/, $right;
	my %left = map { $_ => 1 } split /\n/, $left;
	my @only = ((map { "only there: $_" } grep { !$right{$_} } sort keys %left), (map { "only here: $_" } grep { !$left{$_} } sort keys %right));

	return join("\n", @only[ 0 .. ($#only < 9 ? $#only : 9) ]);
}

my $first = told('in_order', '', 1, 100_000, 'infinity');
my %expected = map { $_ => answers($first, $_) } @times, @odd_times, $later, 'now', 'standing';
for my $reader (qw(session_neighbours similar_items recommend trending bought_together features))
{
	ok($expected{ $times[1] } =~ /^$reader\|/m, "$reader answers");
}
is($node->safe_psql($first, q{SELECT sum(get_byte(data, 1)) < max(get_byte(data, 4) + 256 * get_byte(data, 5)) FROM personalize.posting WHERE item_key = 1}),
	't', 'the list of the hot item is cut');

for my $way ([ 'shuffled', 'a', 12, 100_000 ], [ 'small_batches', 'b', 6, 37 ], [ 'many_calls', 'c', 60, 1000 ])
{
	my $name = told(@$way, 'infinity');
	for my $at (sort keys %expected)
	{
		is(difference($expected{$at}, answers($name, $at)), '', "$name, $at: the same answers");
	}
	is($node->safe_psql($name, 'SELECT sum(wrong) FROM personalize.verify_index()'), '0', "$name: nothing wrong with the index");
}

# As of a time is what was known at that time; only the panes of features have since
# become wider, which decay goes by.
for my $n (0 .. $#times)
{
	my $name = told("then_$n", "then$n", 5, 500, $times[$n]);
	my ($now, $then) = map { s/^decayed.*\n//mgr } $expected{ $times[$n] }, answers($name, $times[$n]);

	is(difference($now, $then), '', "as of $times[$n]: as if nothing had happened since");
}

$node->stop;
done_testing();
