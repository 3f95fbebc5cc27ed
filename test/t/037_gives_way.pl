# A batch that a worker has taken larger than personalize.batch_events is undone where somebody
# waits for its locks, and is taken in parts; one that is not larger is waited for.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('way', conf => q{
personalize.workers = 1
personalize.batch_events = 100
log_min_messages = debug1
max_worker_processes = 12
});
make_shop($node, 'shop');
my $switch = q{SELECT personalize.%s_processor(p) FROM unnest('{%s}'::text[]) AS p};
$node->safe_psql('shop', q{SELECT personalize.track('zoe', 'view_item', 'sku1', consent => '{analytics,personalization,recommendations}')});
wait_caught_up($node, 'shop');
$node->safe_psql('shop', sprintf($switch, 'disable', 'profile,item_stat,neighbour,exposure'));

# A batch that has been counted stays where it is, with its locks, until it may go.
$node->safe_psql('shop', q{
	CREATE TABLE stay AS SELECT true AS stays;
	CREATE TABLE arrived (at timestamptz);
	CREATE EXTENSION dblink;
	CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
	BEGIN
		IF (SELECT stays FROM stay) THEN
			PERFORM dblink_exec(format('dbname=shop host=%s port=%s', split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port')),
				'INSERT INTO public.arrived VALUES (clock_timestamp())');
		END IF;
		WHILE (SELECT stays FROM stay) LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
		RETURN NULL;
	END
	$$;
	CREATE TRIGGER hold BEFORE INSERT ON personalize.processor_position FOR EACH STATEMENT EXECUTE FUNCTION hold()});

my $offset = -s $node->logfile;
for my $case ([ 'profile', 'forget', q{SELECT personalize.forget('p3') IS NOT NULL} ],
	[ 'neighbour', 'withdraw_consent', q{SELECT personalize.withdraw_consent('p5', '{recommendations}') IS NOT NULL} ])
{
	my ($processor, $call, $statement) = @$case;

	# four batches, in transactions of ten events
	$node->safe_psql('shop', q{
		DO $$
		BEGIN
			FOR part IN 1 .. 45 LOOP
				PERFORM personalize.ingest(array_agg('p' || p), array_agg('view_item'::text), array_agg('sku' || (p * part) % 17),
					consents => array_agg('analytics,personalization,recommendations'::text))
				FROM generate_series(1, 10) AS p;
				COMMIT;
			END LOOP;
		END
		$$});
	$node->safe_psql('shop', 'UPDATE stay SET stays = true; TRUNCATE arrived');
	$node->restart;    # what was waited for before is forgotten
	$node->safe_psql('shop', sprintf($switch, 'enable', $processor));
	wait_for($node, 'shop', 'SELECT count(*) >= 1 FROM arrived', "a large batch of $processor");
	my $at = -s $node->logfile;
	is($node->safe_psql('shop', $statement), 't', "$processor: a large batch gives way to $call()");
	like(slurp_log($node, $at), qr/processor "$processor" gives way in database "shop"/, "$processor: as the log says");
	wait_for($node, 'shop', 'SELECT count(*) >= 2 FROM arrived', "a small batch of $processor");
	my (undef, undef, $error) = $node->psql('shop', q{SET lock_timeout = '300ms'; SELECT personalize.forget('p4')});
	like($error, qr/have not ended within 300 ms.*"$processor: position"/s, "$processor: a small batch is waited for");
	is($node->safe_psql('shop', 'SELECT count(*) FROM arrived'), '2', "$processor: and goes on");
	$node->safe_psql('shop', 'UPDATE stay SET stays = false');
	wait_for($node, 'shop', "SELECT waiting = 0 FROM personalize.stat_processor WHERE processor = '$processor'", "$processor to be done");
	is($node->safe_psql('shop', "SELECT last_error IS NULL FROM personalize.processor WHERE name = '$processor'"), 't', "$processor: it has not failed");
	$node->safe_psql('shop', sprintf($switch, 'disable', $processor));
}
unlike(slurp_log($node, $offset), qr/WARNING: .* failed/, 'no failure is logged');
$node->safe_psql('shop', sprintf($switch, 'enable', 'profile,item_stat,neighbour,exposure'));
exact($node, 'shop', 'all is counted once');
$node->stop;
done_testing();
