# Publications for anybody's change data capture: whatever writes our tables goes
# on, and a real subscriber holds the same rows afterwards, erasures included.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $all = "'{analytics,personalization,recommendations}'";
my $node = new_node('publisher', init => { allows_streaming => 'logical' }, conf => "personalize.scrub_after = -1\nautovacuum = off\n");
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical');
$subscriber->start;
make_shop($node, 'shop');
$node->safe_psql('shop', q{SELECT personalize_internal._make_partitions_ahead(1);
	SELECT * FROM personalize.import_events('{x,x}', '{view_item,view_item}', '{a,a}', '{2020-01-01,2020-01-02}', consents => '{analytics,analytics}')});

# Tables as a warehouse has them: plain columns, and no more keys than the publisher's.
my $definitions = q{SELECT format('CREATE TABLE %s (%s%s);', c.oid::regclass, string_agg(format('%I %s', a.attname,
		CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN format_type(a.atttypid, a.atttypmod) ELSE 'text' END), ', ' ORDER BY a.attnum),
		(SELECT ', PRIMARY KEY (' || string_agg(quote_ident(k.attname), ', ' ORDER BY k.attnum) || ')'
			FROM pg_index i JOIN pg_attribute k ON k.attrelid = i.indexrelid
			WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'd' THEN i.indisprimary END))
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		JOIN pg_type t ON t.oid = coalesce(nullif((SELECT e.typelem FROM pg_type e WHERE e.oid = a.atttypid AND e.typcategory = 'A'), 0), a.atttypid)
	WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p') AND %s
	GROUP BY c.oid, c.relreplident ORDER BY c.oid};

sub subscribe
{
	my ($database, $publication, $which) = @_;
	(my $sql = $definitions) =~ s/AND %s/AND $which/;
	$subscriber->safe_psql('postgres', "CREATE DATABASE $database");
	$subscriber->safe_psql($database, 'CREATE SCHEMA personalize; CREATE SCHEMA recompute');
	$subscriber->safe_psql($database, $node->safe_psql('shop', $sql));
	$subscriber->safe_psql($database, "CREATE SUBSCRIPTION $database CONNECTION \$c\$" . $node->connstr('shop') . "\$c\$ PUBLICATION $publication");
	wait_for($subscriber, $database, q{SELECT count(*) > 0 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel}, "first copy of $database");
	return;
}

# One line a table: its rows as text, generated columns left out.
sub contents
{
	my ($server, $database, $which) = @_;
	my $queries = $node->safe_psql('shop', qq{SELECT format('SELECT %L, count(*), md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"), '''')) FROM (SELECT %s FROM %s) t;',
			c.oid::regclass, string_agg(quote_ident(a.attname) || CASE WHEN t.typnamespace <> 'pg_catalog'::regnamespace THEN '::text' ELSE '' END, ', ' ORDER BY a.attnum), c.oid::regclass)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
			JOIN pg_type t ON t.oid = a.atttypid
		WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p') AND $which GROUP BY c.oid ORDER BY c.oid::regclass::text});
	return $server->safe_psql($database, $queries);
}

sub same
{
	my ($database, $which, $name) = @_;
	my ($there, $here);
	# workers go on between the two looks
	for (1 .. 20)
	{
		$node->wait_for_catchup($database);
		$there = contents($subscriber, $database, $which);
		$here = contents($node, 'shop', $which);
		last if $there eq $here;
	}
	return is($there, $here, $name);
}

# Everything that writes: each way in, processors, each right of a person, retention, erasure.
sub everything
{
	my ($round) = @_;
	traffic($node, 'shop', 3, 300);
	$node->safe_psql('shop', qq{
		SELECT personalize.upsert_items('[{"item_id": "hat-$round", "price": 10}, {"item_id": "7", "price": $round}]');
		UPDATE personalize.item SET price = 11 WHERE item_id = 'hat-$round';
		SELECT personalize.grant_consent('ada-$round', $all);
		SELECT count(personalize.track('ada-$round', e, 'hat-$round', '{"value": 10, "currency": "EUR", "query": "red hats", "order_id": "o-$round"}',
			session_id => 's-$round', message_id => 'm-$round-' || e)) FROM unnest('{view_item,purchase,search}'::text[]) AS e;
		SELECT count(personalize.track('bob-$round', 'view_item', 'hat-$round', message_id => 'b-$round', consent => $all));
		SELECT personalize.set_preference('ada-$round', 'favourite_brand', 'acme');
		SELECT personalize.track_many('[{"user_id": "ada-$round", "event": "view_item", "item_id": "x", "ts": "2999-01-01"}]');
		SELECT * FROM personalize.import_events('{ada-$round,bob-$round}', '{view_item,purchase}', '{a,b}', ARRAY['2020-01-0$round', '2020-01-0$round']::timestamptz[], consents => '{analytics,analytics}');
	});
	# one message known among many that are new, as a client sends again what it has and more
	$node->safe_psql('shop', qq{
		SELECT personalize.track_many((SELECT jsonb_agg(jsonb_build_object('user_id', 'bob-$round', 'event', 'view_item', 'item_id', 'i' || g,
				'message_id', CASE WHEN g = 1 THEN 'b-$round' ELSE format('b-$round-%s-%s', b, g) END)) FROM generate_series(1, 64) AS g))
			FROM generate_series(1, 10) AS b;
	});
	wait_caught_up($node, 'shop');
	$node->safe_psql('shop', qq{
		SELECT personalize.withdraw_consent('bob-$round', '{recommendations}');
		SELECT personalize.rectify('ada-$round', '{"properties": {"query": "blue hats"}}', message_id => 'm-$round-purchase');
		SELECT personalize.restrict('bob-$round', '{analytics}');
		SELECT personalize.rebuild_processor('profile');
		SELECT personalize.set_retention('raw', '40 days', event => 'search');
		SELECT personalize.set_retention('rejected', '1 hour');
		SELECT * FROM personalize.apply_retention();
		SELECT personalize.forget('ada-$round');
	});
	# what the workers still have under way would keep VACUUM from the rows
	wait_caught_up($node, 'shop');
	$node->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
	wait_for($node, 'shop', q{SELECT bool_and(reached ? 'vacuumed') FROM personalize.erasure}, 'the scrub process');
	return;
}

my $health = q{SELECT ok, detail FROM personalize.health() WHERE "check" = 'publications'};
my $rooted = 'NOT c.relispartition';
$node->safe_psql('shop', 'CREATE PUBLICATION everything FOR ALL TABLES WITH (publish_via_partition_root = true)');
subscribe('warehouse', 'everything', $rooted);
everything(1);
same('warehouse', $rooted, 'FOR ALL TABLES, event as one table: the subscriber holds the same, days made since too');
is($subscriber->safe_psql('warehouse', q{SELECT count(*) FROM personalize.subject WHERE user_id = 'ada-1'}), 0, 'the erased is not there');
like($node->safe_psql('shop', $health), qr/^t\|publication everything copies data of people: .*\bevent\b/, 'health() says what it copies');

# A schema, day by day: the days that were there when it was subscribed to.
my $days = q{c.relkind = 'r'};
$node->safe_psql('shop', 'CREATE PUBLICATION schema FOR TABLES IN SCHEMA personalize');
subscribe('lake', 'schema', $days);
everything(2);
same('lake', $days, 'FOR TABLES IN SCHEMA, day by day');
same('warehouse', $rooted, 'beside the other');

# An erasure has not reached a subscriber that is away.
my $replicas = q{SELECT s.done, array_to_string(s.blockers, '; ') FROM personalize.erasure AS e, personalize.erasure_status(e.receipt) AS s WHERE s.stage = 'replicas' ORDER BY e.requested_at DESC LIMIT 1};
$subscriber->safe_psql('lake', 'ALTER SUBSCRIPTION lake DISABLE');
wait_for($node, 'shop', q{SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'lake'});
my $receipt = $node->safe_psql('shop', q{SELECT personalize.forget('bob-2')});
$node->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
wait_for($node, 'shop', q{SELECT bool_and(reached ? 'vacuumed') FROM personalize.erasure}, 'the scrub process');
like($node->safe_psql('shop', $replicas), qr/^f\|.*replication slot "lake", to which nobody is connected/, 'an erasure waits for a subscriber that is away');
$subscriber->safe_psql('lake', 'ALTER SUBSCRIPTION lake ENABLE');
wait_for($node, 'shop', "SELECT done FROM personalize.erasure_status('$receipt') WHERE stage = 'replicas'");
same('lake', $days, 'and reaches it when it comes back');
$subscriber->safe_psql('lake', 'DROP SUBSCRIPTION lake');

# Rows and columns: purchases alone, and a few columns of the catalogue.
$node->safe_psql('shop', q{
	CREATE PUBLICATION purchases FOR TABLE personalize.event WHERE (event = 10) WITH (publish_via_partition_root = true);
	CREATE PUBLICATION prices FOR TABLE personalize.item (item_id, price)});
everything(3);
same('warehouse', $rooted, 'further publications stop nobody, and change nothing at the others');
my ($code, $out, $error) = $node->psql('shop', 'CREATE PUBLICATION broken FOR TABLE personalize.subject (user_id)');
like($error, qr/publication "broken" would keep rows of personalize\.subject from being changed/, 'one that would stop writers is refused');

# A subscriber that has the extension itself: its sessions hear of what a subscription changes, row by row.
$node->safe_psql('shop', 'CREATE PUBLICATION refused FOR TABLE personalize.refused_id WHERE (NOT builtin)');
$subscriber->safe_psql('postgres', 'CREATE DATABASE twin');
$subscriber->safe_psql('twin', 'CREATE EXTENSION personalize; CREATE SUBSCRIPTION twin CONNECTION $c$' . $node->connstr('shop') . '$c$ PUBLICATION refused WITH (copy_data = false)');
my $session = $subscriber->background_psql('twin', on_error_stop => 0);
my $track = qq{SELECT personalize.try_track('dora', 'view_item', 'nothing', consent => $all)};
is($session->query($track), 'accepted', 'an id like any other');
$node->safe_psql('shop', q{INSERT INTO personalize.refused_id VALUES ('nothing')});
$node->wait_for_catchup('twin');
is($session->query($track), 'rejected', 'which a subscription has told a session is none');
$session->quit;
$subscriber->safe_psql('twin', 'DROP SUBSCRIPTION twin');

# Two sessions that enter the same messages at once: the subscriber never meets a key twice.
my $script = PostgreSQL::Test::Utils::tempdir() . '/messages.sql';
append_to_file($script, "SELECT personalize.track_many((SELECT jsonb_agg(jsonb_build_object('user_id', 'carl', 'event', 'view_item', 'item_id', 'i',"
	  . " 'message_id', 'c' || $_ || '-' || g, 'consent', 'analytics')) FROM generate_series(1, 50) AS g WHERE random() < 0.5));\n") for 1 .. 40;
my @sessions = map { IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=0', '-d', $node->connstr('shop'), '-f', $script ], '<', '/dev/null', '>', '/dev/null', '2>', '/dev/null') } 1 .. 3;
$_->finish for @sessions;
wait_caught_up($node, 'shop');
same('warehouse', $rooted, 'messages sent by several at once arrive once');
unlike(slurp_file($subscriber->logfile), qr/ERROR:.*(?:duplicate key|replica identity)/, 'the subscriber has met no error of that kind');
$subscriber->stop;
$node->stop;
done_testing();
