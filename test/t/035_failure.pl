# Events that cannot be counted, and processors that fail.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "log_min_messages = warning\n");
make_shop($node, 'shop');

my $set_aside = q{SELECT coalesce(string_agg(source || ' ' || n, ', ' ORDER BY source), 'none')
	FROM (SELECT source, count(*) AS n FROM personalize.rejected_event GROUP BY 1) AS r};

# One event in 100,000, in the middle of a batch, whose worth is beyond every sum.
switch_processors($node, 'shop', 'disable');
$node->safe_psql('shop', "SELECT recompute.traffic(5000, 3000);\n" x 11);
$node->safe_psql('shop', q{
	SELECT recompute.traffic(500);
	SELECT personalize.track('poison', 'view_item', 'sku1', '{"value": 1e18, "currency": "EUR"}', consent => '{analytics,personalization,recommendations}');
	SELECT recompute.traffic(500)});
$node->safe_psql('shop', "SELECT recompute.traffic(5000, 3000);\n" x 11);
cmp_ok($node->safe_psql('shop', 'SELECT count(*) FROM personalize.event'), '>=', 80000, 'about 100,000 events wait');
switch_processors($node, 'shop', 'enable');
exact($node, 'shop', 'all but the one are counted');
is($node->safe_psql('shop', $set_aside), 'item_stat 1', 'the one is set aside, by the processor it is too large for');
is($node->safe_psql('shop', q{SELECT reason IS NOT NULL AND (payload ->> 'txid')::bigint = (SELECT txid FROM personalize.event WHERE user_key = r.user_key)
	FROM personalize.rejected_event AS r}), 't', 'with its reason and place');
is($node->safe_psql('shop', q{SELECT ok, detail FROM personalize.health() WHERE "check" = 'events set aside'}) =~ s/:.*//r,
	'f|1 events could not be counted by a processor; last by item_stat', 'health() says so');
is($node->safe_psql('shop', q{SELECT processor, rejected FROM personalize.stat_processor ORDER BY 1}),
	"exposure|0\nitem_stat|1\nneighbour|0\nprofile|0", 'and stat_processor counts it');
traffic($node, 'shop', 3, 100);
exact($node, 'shop', 'the rest goes on');

# Two that are well alone and too large together: the second is set aside.
$node->safe_psql('shop', q{
	SELECT personalize.track('large', 'add_to_cart', 'sku2', '{"value": 9000000000000, "currency": "EUR"}', ts => '2026-01-01 00:00+00', consent => '{analytics}');
	SELECT personalize.track('large', 'add_to_cart', 'sku2', '{"value": 9000000000000, "currency": "EUR"}', ts => '2026-01-01 00:00+00', consent => '{analytics}');
	SELECT recompute.traffic(100)});
exact($node, 'shop', 'a sum that would overflow');
is($node->safe_psql('shop', $set_aside), 'item_stat 2', 'sets one more aside');

# The same in the foreground.
$node->safe_psql('postgres', "ALTER SYSTEM SET personalize.databases = 'nowhere'");
$node->reload;
wait_for($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'personalize worker'");
$node->safe_psql('shop', q{
	SELECT recompute.traffic(100);
	SELECT personalize.track('poison', 'view_item', 'sku1', '{"value": 1e18, "currency": "EUR"}', consent => '{analytics}');
	SELECT recompute.traffic(100)});
is($node->safe_psql('shop', q{SELECT processor, rejected FROM personalize.rollup_now() ORDER BY 1}),
	"exposure|0\nitem_stat|1\nneighbour|0\nprofile|0", 'rollup_now sets it aside, too');
exact($node, 'shop', 'and counts the rest');
is($node->safe_psql('shop', q{SELECT ok FROM personalize.health() WHERE "check" = 'workers'}), 'f', 'health() misses the worker');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET personalize.databases');
$node->reload;

# A processor that cannot work at all: the others go on, nothing is set aside, one line in the log.
my $offset = -s $node->logfile;
$node->safe_psql('shop', 'ALTER TABLE personalize.item_stat RENAME TO elsewhere');
traffic($node, 'shop', 3, 200);
wait_for($node, 'shop', q{SELECT bool_and(waiting = 0) = true FROM personalize.stat_processor WHERE processor <> 'item_stat'});
wait_for($node, 'shop', q{SELECT waiting > 0 AND failures > 4 FROM personalize.stat_processor WHERE processor = 'item_stat'});
pass('one failing processor does not stop the others');
is($node->safe_psql('shop', q{SELECT ok, detail ~ 'fails: .*item_stat' FROM personalize.health() WHERE "check" = 'processor item_stat'}),
	'f|t', 'health() says what is wrong with it');
is($node->safe_psql('shop', $set_aside), 'item_stat 3', 'and no event is blamed');
my @lines = slurp_log($node, $offset) =~ /WARNING:.*personalize processor "item_stat" failed/g;
is(scalar @lines, 1, 'the log says so once');
$node->safe_psql('shop', 'ALTER TABLE personalize.elsewhere RENAME TO item_stat');
exact($node, 'shop', 'when the cause is gone it catches up');
is($node->safe_psql('shop', q{SELECT ok FROM personalize.health() WHERE "check" = 'processor item_stat'}), 't', 'and health() is content');

# The same with so few events that each could be blamed, and a right that is missing.
for my $cause ([ 'ALTER TABLE personalize.%s RENAME TO elsewhere', 'ALTER TABLE personalize.elsewhere RENAME TO %s' ],
	[ 'ALTER TABLE personalize.%s OWNER TO postgres', 'ALTER TABLE personalize.%s OWNER TO personalize_owner' ])
{
	for my $of ([ 'item_stat', 'item_stat' ], [ 'profile', 'profile' ], [ 'neighbour', 'posting' ])
	{
		my ($processor, $table) = @$of;
		my ($break, $mend) = map { sprintf($_, $table) } @$cause;

		wait_caught_up($node, 'shop');
		$node->safe_psql('shop', $break);
		send_events($node, 'shop', 2, 'few', 'fewer');
		wait_for($node, 'shop', qq{SELECT failures > 3 OR waiting = 0 FROM personalize.stat_processor WHERE processor = '$processor'});
		$node->safe_psql('shop', $mend);
		exact($node, 'shop', "$break: $processor catches up");
		is($node->safe_psql('shop', $set_aside), 'item_stat 3', 'and nothing is set aside');
	}
}

# A lock that somebody holds is waited for.
my $session = $node->background_psql('shop');
$session->query_safe('BEGIN; LOCK TABLE personalize.item_stat IN ACCESS EXCLUSIVE MODE');
traffic($node, 'shop', 2, 100);
$session->query_safe('COMMIT');
exact($node, 'shop', 'a table locked for a while');
$session->quit;

# An error that tells of somebody who is erased before it is written.  The other processors rest:
# what they had counted of that person would stay in their numbers of events.
my $others = q{SELECT personalize.%s_processor(p) FROM unnest('{item_stat,neighbour,exposure}'::text[]) AS p};
$node->safe_psql('shop', sprintf($others, 'disable'));
$node->safe_psql('shop', q{
	CREATE TABLE gate (name text);
	CREATE FUNCTION refuse(user_key bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		IF user_key <> 4711 THEN
			RETURN true;
		END IF;
		PERFORM pg_advisory_xact_lock(8);
		WHILE NOT EXISTS (SELECT FROM public.gate) LOOP
			-- the batch is asked to give way, and does not
			BEGIN
				PERFORM pg_sleep(0.01);
			EXCEPTION WHEN query_canceled THEN
				NULL;
			END;
		END LOOP;
		RAISE EXCEPTION 'no room for user_key %', user_key;
	END $$;
	CREATE TABLE told (text text, erasing boolean);
	CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		-- a stripe that is locked exclusively
		INSERT INTO public.told SELECT NEW.last_error, EXISTS (SELECT FROM pg_locks
			WHERE locktype = 'advisory' AND classid = 2 AND objsubid = 3 AND mode = 'ExclusiveLock' AND granted);
		RETURN NULL;
	END $$;
	CREATE TRIGGER tell AFTER INSERT OR UPDATE ON personalize.processor FOR EACH ROW WHEN (NEW.last_error IS NOT NULL) EXECUTE FUNCTION tell();
	ALTER TABLE personalize.profile ADD CONSTRAINT refuse CHECK (public.refuse(user_key));
	SELECT personalize.grant_consent(4711, '{analytics,personalization,recommendations}');
	SELECT personalize.track(4711, 'view_item', 'sku1')});
wait_for($node, 'shop', q{SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = 8 AND objsubid = 1 AND granted});
my $holder = $node->background_psql('shop');
$holder->query_safe(q{BEGIN; SELECT name FROM personalize.processor WHERE name = 'profile' FOR UPDATE});
my $eraser = $node->background_psql('shop');
$eraser->query_until(qr/began/, "BEGIN;\n\\echo began\nSELECT personalize.forget(4711);\n\\echo forgotten\n");
wait_for($node, 'shop', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'SELECT personalize.forget%' AND state = 'active'});
$node->safe_psql('shop', q{INSERT INTO gate VALUES ('open')});
$eraser->query_until(qr/forgotten/, '');
$holder->query_safe('COMMIT');
wait_for($node, 'shop', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND wait_event_type = 'Lock'});
is($node->safe_psql('shop', q{SELECT count(*) FROM told WHERE erasing AND text ~ '4711'}), '0', 'no error that tells of somebody is written while that person is erased');
$eraser->query_safe('COMMIT');
$_->quit for $holder, $eraser;
$node->safe_psql('shop', 'ALTER TABLE personalize.profile DROP CONSTRAINT refuse; DROP TRIGGER tell ON personalize.processor');
$node->safe_psql('shop', sprintf($others, 'enable'));
exact($node, 'shop', 'and the rest goes on');

# A cancelled batch and a terminated worker.
for (1 .. 20)
{
	traffic($node, 'shop', 1, 500);
	$node->safe_psql('shop', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND state = 'active'});
	traffic($node, 'shop', 1, 500);
	$node->safe_psql('shop', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND state = 'active'});
}
exact($node, 'shop', 'batches cancelled and workers terminated');
is($node->safe_psql('shop', $set_aside), 'item_stat 3', 'do not set events aside');
$node->stop;
done_testing();
