# One transaction of several batches: each processor takes about a batch of it at a time,
# and what is taken away from people between two batches is gone exactly.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('large', conf => q{
personalize.workers = 1
personalize.batch_events = 100
max_worker_processes = 12
});
my $today = $node->safe_psql('postgres', q{SELECT date_trunc('day', now())});

# Eight events of each person, in visits of four, in one transaction; half of them of an answer.
sub send_all
{
	my ($database, $condition) = @_;

	$node->safe_psql($database, qq{
		SELECT (personalize.ingest(array_agg('p' || p), array_agg(event), array_agg('sku' || (p * k * 7) % 97),
			array_agg('$today'::timestamptz + make_interval(secs => p + k, hours => k / 5 - 20)),
			request_ids => array_agg(CASE WHEN k < 5 THEN 'r' || p END),
			consents => array_agg('analytics,personalization,recommendations'::text))).accepted
		FROM generate_series(1, 150) AS p, generate_series(1, 8) AS k,
			LATERAL (SELECT CASE k WHEN 1 THEN 'view_item_list' WHEN 2 THEN 'select_item' WHEN 3 THEN 'add_to_cart' WHEN 4 THEN 'purchase' ELSE 'view_item' END) AS e (event)
		WHERE $condition});
	return;
}

my $withdrawn = q{SELECT count(personalize.withdraw_consent(u, '{recommendations}')) FROM unnest('{%s}'::text[]) AS u};
for my $database ('shop', 'never')
{
	make_shop($node, $database);
	$node->safe_psql($database, "SELECT personalize.track('zoe', 'view_item', 'sku1', ts => '$today', consent => '{analytics,personalization,recommendations}')");
	wait_caught_up($node, $database);
	switch_processors($node, $database, 'disable');
}

# Each processor may take one more batch, and no second one.
$node->safe_psql('shop', q{
	CREATE TABLE allowed AS SELECT processor, batches + 1 AS batches, events FROM personalize.processor;
	CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF (SELECT p.batches >= a.batches FROM personalize.processor AS p JOIN public.allowed AS a USING (processor) WHERE processor = NEW.processor) THEN
			RAISE 'held' USING ERRCODE = 'lock_not_available';
		END IF;
		RETURN NEW;
	END
	$$;
	GRANT SELECT ON allowed TO PUBLIC;
	GRANT EXECUTE ON FUNCTION hold() TO PUBLIC;
	CREATE TRIGGER hold BEFORE INSERT ON personalize.processor_position FOR EACH ROW EXECUTE FUNCTION hold()});
send_all('shop', 'true');
switch_processors($node, 'shop', 'enable');
wait_for($node, 'shop', q{SELECT count(*) = 4 FROM personalize.processor WHERE last_error = 'held'}, 'all to be held');
is($node->safe_psql('shop', q{SELECT string_agg(format('%s %s %s', p.name, p.batches - a.batches, p.events - a.events BETWEEN 50 AND 110), ', ' ORDER BY processor)
	FROM personalize.processor AS p JOIN allowed AS a USING (processor)}),
	'profile 0 t, item_stat 0 t, neighbour 0 t, exposure 0 t', 'each has taken about one batch of a transaction of twelve');

# Somebody who is counted and somebody who is not, of those who have sessions and of those who have a profile.
my @gone = split /\n/, $node->safe_psql('shop', q{
	SELECT DISTINCT ON (has) id FROM (SELECT 'p' || p AS id,
		row(EXISTS (SELECT FROM personalize.session WHERE user_key = personalize.user_key('p' || p)),
			EXISTS (SELECT FROM personalize.profile WHERE user_key = personalize.user_key('p' || p) AND events > 0),
			EXISTS (SELECT FROM personalize.exposure WHERE user_key = personalize.user_key('p' || p)))::text AS has FROM generate_series(1, 150) AS p) AS x
	ORDER BY has, id});
cmp_ok(scalar @gone, '>=', 2, 'some are counted, others are not: ' . join(' ', @gone));
my %is_gone = map { $_ => 1 } @gone;
my @fewer = (grep { !$is_gone{"p$_"} } 1 .. 150)[3, 40, 80];
is($node->safe_psql('shop', 'SELECT count(personalize.forget(u)) FROM unnest(ARRAY[' . join(',', map { "'$_'" } @gone) . ']) AS u'), scalar @gone, 'they are forgotten');
$node->safe_psql('shop', sprintf($withdrawn, join(',', map { "p$_" } @fewer)));
unlike($node->safe_psql('shop', q{SELECT string_agg(detail, ', ') FROM personalize.apply_retention()}), qr/is at work/, 'retention does not meet a batch');
is($node->safe_psql('shop', 'SELECT bool_and(waiting > 0) FROM personalize.stat_processor'), 't', 'all of that between two batches');

# In the end it is as if they had never been.
$node->safe_psql('shop', 'DROP TRIGGER hold ON personalize.processor_position');
exact($node, 'shop', 'what is left is counted once', withdrawn => 1);
send_all('never', 'p::text <> ALL (ARRAY[' . join(',', map { s/p//r } map { "'$_'" } @gone) . '])');
$node->safe_psql('never', sprintf($withdrawn, join(',', map { "p$_" } @fewer)));
switch_processors($node, 'never', 'enable');
wait_caught_up($node, 'never');
my $hashes = q{SELECT string_agg(t || ' ' || encode(personalize.state_hash(t, '2100-01-01'), 'hex'), E'\n')
	FROM unnest('{profile,item_stat,_basket,session,posting,_pair_list,_session_total,_session_day,_session_repeat,exposure}'::text[]) AS t};
is($node->safe_psql('shop', $hashes), $node->safe_psql('never', $hashes), 'as in a database that never knew them');
is($node->safe_psql('shop', 'SELECT sum(wrong) FROM (SELECT wrong FROM personalize.verify_counts() UNION ALL SELECT wrong FROM personalize.verify_index()) AS v'), 0, 'nothing is wrong');
$node->stop;
done_testing();
