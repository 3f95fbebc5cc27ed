# What is left of an erased person in the files, stage by stage.
#
# A person with unmistakable ids is planted among others; after each stage the
# server is stopped and every file of its data directory, and its log, is searched
# for the person's ids, keys, words and messages, as text and as stored bytes.
use strict;
use warnings;

use File::Find;
use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $all = "'{analytics,personalization,recommendations}'";
my $node = new_node('main', init => { allows_streaming => 1, extra => ['--wal-segsize=1'] }, conf => q{
log_statement = none
autovacuum = off
wal_recycle = off
min_wal_size = 2MB
wal_keep_size = 64MB
max_prepared_transactions = 5
personalize.scrub_after = -1
});
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', 'CREATE EXTENSION personalize');

# The person, in every table that can hold people, between others who share some
# of what the person did.
my $person = 'Quixotry-Person-7f3a91';
$node->safe_psql('shop', qq{
	SELECT personalize.grant_consent('$person', $all, 'form', 'v1', 'Quixotry-evidence');
	SELECT personalize.upsert_items('[{"item_id": "known-1", "category": "shoes", "brand": "acme", "price": 10}, {"item_id": "known-2", "category": "hats"}]');
	SELECT count(personalize.track('other-' || u, e, i, jsonb_build_object('query', 'common words', 'price', 10),
			session_id => 'session-' || u, message_id => 'message-' || u || e || i, consent => $all))
		FROM generate_series(1, 60) AS u, unnest('{view_item,add_to_cart,purchase,search}'::text[]) AS e, unnest('{known-1,known-2,shared-bare}'::text[]) AS i;
});
$node->safe_psql('shop', qq{
	SELECT personalize.track('$person', 'search', properties => '{"query": "common quixotryterm", "note": "Quixotry-note"}',
		session_id => 'Quixotry-session', request_id => 'Quixotry-request', message_id => 'aaaabbbb-cccc-4ddd-8eee-ffff00001111');
	SELECT personalize.track('$person', e, i, jsonb_build_object('price', 31.25, 'currency', 'EUR', 'order_id', 'Quixotry-order', 'brand', 'Quixotry-brand'),
			session_id => 'Quixotry-session', message_id => 'Quixotry-message-' || e || i)
		FROM unnest('{view_item,add_to_cart,purchase}'::text[]) AS e, unnest('{known-1,shared-bare,Quixotry-bare}'::text[]) AS i;
	SELECT personalize.track('$person', 'view_item', 'known-1', jsonb_build_object('long', 'Quixotry-toast ' || (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 300) AS g)));
	-- enough among those of others that they bound pages of the indexes; sessions, requests and orders, too
	SELECT count(personalize.track(CASE WHEN g % 4 = 0 THEN '$person' ELSE 'other-' || g % 60 END, CASE WHEN g % 3 = 0 THEN 'purchase' ELSE 'view_item' END,
			'known-' || 1 + g % 2, jsonb_build_object('price', 10, 'currency', 'EUR', 'order_id', CASE WHEN g % 4 = 0 THEN 'Quixotry-order-' ELSE 'order-' END || g),
			session_id => 'many-' || g, request_id => 'request-' || g,
			message_id => CASE WHEN g % 8 < 4 THEN md5('message ' || g)::uuid::text ELSE 'text ' || g END, consent => $all))
		FROM generate_series(1, 3000) AS g;
	SELECT personalize.set_preference('$person', 'favourite_brand', 'Quixotry-preference');
	SELECT personalize.track('Quixotry-cookie', 'view_item', 'known-1', consent => $all);
	SELECT personalize.identify('Quixotry-cookie', '$person', source => 'form');
	SELECT personalize.track_many('[{"user_id": "$person", "event": "view_item", "item_id": "Quixotry-rejected", "ts": "2999-01-01"}]');
	SELECT * FROM personalize.rollup_now();
	SELECT personalize.track('$person', 'view_item', 'Quixotry-tail', session_id => 'Quixotry-session');
	ANALYZE;
});

# Indexes of the operator's own keep what is gone each in its way.
$node->safe_psql('shop', q{DO $$
DECLARE
	day text := 'personalize.event_p' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD');
BEGIN
	EXECUTE format('CREATE INDEX own_gin ON %s USING gin (properties)', day);
	EXECUTE format('CREATE INDEX own_brin ON %s USING brin (session_key, user_key)', day);
	CREATE INDEX own_hash ON personalize.message_seen USING hash (message);
END $$});

# Every form under which the files may know the person.
my %form;
$form{$_} = $_ for ('Quixotry', 'quixotryterm');
$form{'message, text'} = 'aaaabbbb-cccc-4ddd-8eee-ffff00001111';
$form{'message as uuid'} = pack('H*', 'aaaabbbbcccc4ddd8eeeffff00001111');
my $keys = $node->safe_psql('shop', qq{
	SELECT 'user key', personalize.user_key('$person')
	UNION SELECT 'other user key', personalize.user_key('Quixotry-cookie')
	UNION SELECT 'item key', personalize.item_key('Quixotry-bare')
	UNION SELECT 'session key', session_key FROM personalize.event WHERE user_key = personalize.user_key('$person') AND session_key IS NOT NULL
	UNION SELECT 'request key', request_key FROM personalize.event WHERE user_key = personalize.user_key('$person') AND request_key IS NOT NULL
	UNION SELECT 'posting', p.session FROM personalize.posting i, personalize_internal._posting_entries(i.data) p WHERE i.item_key = personalize.item_key('Quixotry-bare')
	UNION SELECT 'message key', message_key FROM personalize.event WHERE user_key = personalize.user_key('$person') AND message_key IS NOT NULL
	UNION SELECT 'basket', basket FROM personalize._basket WHERE user_key = personalize.user_key('$person')});
my %known;
for my $line (split /\n/, $keys)
{
	my ($what, $key) = split /\|/, $line;
	push @{ $known{"$what, stored"} }, pack('q<', $key);
	push @{ $known{"$what, text"} }, $key if length($key) > 10;
}
# message ids as message_seen has them, of uuids and of other texts
push @{ $known{'message seen'} }, map { pack('H*', $_) } split /\n/, $node->safe_psql('shop', qq{
	SELECT replace(m.message::text, '-', '') FROM personalize.message_seen m WHERE personalize_internal._message_probe(m.message) IN (
		SELECT personalize_internal._message_probe(e.message_key) FROM personalize.event e WHERE e.user_key = personalize.user_key('$person'))});
my $value = $node->safe_psql('shop', "SELECT value_key FROM personalize.feature_value WHERE value = 'quixotryterm'");
$form{'value key'} = substr(pack('q<', $value), 0, 6);
push @{ $known{$_} }, $form{$_} for keys %form;
%form = %known;
# one expression for all forms of a kind, and one for all of them
my %pattern = map { my $kind = $_; my $any = join '|', map { quotemeta } @{ $form{$kind} }; $kind => qr/$any/ } keys %form;
ok(keys %form >= 14, 'the person is known by ' . join(', ', sort keys %form));

# Names of the relations behind the files of the database.
my %relation;
sub learn_files
{
	my $rows = $node->safe_psql('shop', q{SELECT pg_relation_filepath(c.oid), coalesce(t.relname || ' (toast)', c.relname)
		FROM pg_class c LEFT JOIN pg_class t ON t.reltoastrelid = c.oid WHERE c.relkind IN ('r', 'i', 't', 'm') AND pg_relation_filepath(c.oid) IS NOT NULL});
	for (split /\n/, $rows)
	{
		my ($file, $name) = split /\|/;
		$name =~ s/event_p\d+/event day/;
		$relation{$file} = $name;
	}
	return;
}

# Where the person is found: place => {form => 1}.  The server is down.
sub search
{
	my ($server) = @_;
	my %found;
	my $directory = $server->data_dir;
	my $any = join '|', map { quotemeta } map { @$_ } values %form;
	$any = qr/$any/;
	find({ no_chdir => 1, wanted => sub {
		return unless -f $_ && -s $_;
		my $name = substr($_, length($directory) + 1);
		my $content = slurp_file($_);
		return unless $content =~ $any;
		(my $plain = $name) =~ s/(?:_fsm|_vm)?(?:\.\d+)?$//;
		my $place = $relation{$plain} // ($name =~ m{^(pg_\w+|base)/} ? $1 : $name);
		for (keys %form)
		{
			$found{$place}{$_} = 1 if $content =~ $pattern{$_};
		}
	} }, $directory);
	my $log = slurp_file($server->logfile);
	for (keys %form)
	{
		$found{log}{$_} = 1 if $log =~ $pattern{$_};
	}
	return \%found;
}

sub places
{
	my ($found) = @_;
	return join ', ', sort keys %$found;
}

sub stage_done
{
	my ($stage) = @_;
	return $node->safe_psql('shop', "SELECT DISTINCT s.done FROM personalize.erasure e, personalize.erasure_status(e.receipt) s WHERE s.stage = '$stage'");
}

sub blockers
{
	my ($stage) = @_;
	return $node->safe_psql('shop', "SELECT DISTINCT array_to_string(s.blockers, '; ') FROM personalize.erasure e, personalize.erasure_status(e.receipt) s WHERE s.stage = '$stage'");
}

# Before: all over the place.
learn_files();
$node->stop;
my $found = search($node);
note("$_: " . join(', ', sort keys %{ $found->{$_} })) for sort keys %$found;
my %seen = map { map { $_ => 1 } keys %{ $found->{$_} } } keys %$found;
is(join(', ', grep { !$seen{$_} && !/, text/ } sort keys %form), '', 'before, every form is found somewhere');
for my $place ('event day', 'event day (toast)', 'subject', 'subject_pkey', 'subject_user_id_idx', 'consent_ledger', 'profile', 'profile_pkey', 'preference', 'identity',
	'session', 'posting', '_basket', 'own_gin', 'feature_value', 'item', 'item_item_id_key', 'message_seen', 'rejected_event', 'pg_wal')
{
	ok($found->{$place}, "before, the person is in $place");
}
ok(!$found->{pg_statistic}, 'but never in the planner\'s statistics');
ok(!$found->{log}, 'nor in the log');
$node->start;

# A standby, an open snapshot there and here, a prepared transaction.
$node->safe_psql('shop', "SELECT pg_create_physical_replication_slot('standby_slot')");
my $standby = new_standby($node, 'standby', conf => "hot_standby_feedback = on\nwal_receiver_status_interval = 1\nprimary_slot_name = standby_slot\n");
my $here = $node->background_psql('shop');
$here->query_safe("SET application_name = 'report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM personalize.item");
$node->safe_psql('shop', "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'left behind'");

my $there = $standby->background_psql('shop');
$there->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM personalize.item');
wait_for($node, 'shop', "SELECT xmin IS NOT NULL FROM pg_replication_slots");
my $receipt = $node->safe_psql('shop', "SELECT personalize.forget('$person')");
like($receipt, qr/^[0-9a-f-]{36}$/, 'forgotten');
is(stage_done('logical'), 't', 'stage logical');
$node->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
is(stage_done('dictionary'), 't', 'stage dictionary');
is($node->safe_psql('shop', q{SELECT (SELECT count(*) FROM personalize.feature_value WHERE value ~* 'quixotry'),
	(SELECT count(*) FROM personalize.item WHERE item_id ~* 'quixotry'), (SELECT count(*) FROM personalize.item WHERE item_id = 'shared-bare'),
	(SELECT count(*) > 0 FROM personalize.feature_value WHERE value = 'common')}), '0|0|1|t',
	'what only the person had has left the dictionary, the rest has not');
is(stage_done('vacuumed'), 'f', 'not vacuumed while others may read the rows');
like(blockers('vacuumed'), qr/process \d+ \(client backend, role "[^"]*", application "report"\)/, 'the open snapshot is named');
like(blockers('vacuumed'), qr/replication slot "standby_slot"/, 'the slot, for which a standby gives feedback about a snapshot');
like(blockers('vacuumed'), qr/prepared transaction "left behind" of database "shop"/, 'and the prepared transaction');
$here->query_safe('COMMIT');
$here->quit;
$there->query_safe('COMMIT');
$there->quit;
$node->safe_psql('shop', "ROLLBACK PREPARED 'left behind'");

# Logical: the files hold what they held, or more.
$node->safe_psql('shop', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'personalize scrub'});
wait_for($node, 'shop', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'personalize scrub'});
$node->stop;
$found = search($node);
my $places = places($found);
like($places, qr/event day.*pg_wal.*subject/, "stage logical: deleted rows still lie in $places");
ok(!$found->{log}, 'nothing of the person in the log');
$node->start;
$node->wait_for_catchup($standby);

# Vacuumed: no file of a table, index or TOAST holds anything; the WAL does.
$node->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
$standby->safe_psql('shop', 'SELECT pg_wal_replay_pause()');
wait_for($node, 'shop', q{SELECT bool_and(reached ? 'vacuumed') FROM personalize.erasure}, 'the scrub process');
is(stage_done('replicas'), 'f', 'a standby has not replayed it');
like(blockers('replicas'), qr/^standby "standby" \(process \d+\), which has replayed/, 'and is named');
$standby->safe_psql('shop', 'SELECT pg_wal_replay_resume()');
is(stage_done('vacuumed'), 't', 'stage vacuumed');
is(stage_done('statistics'), 't', 'stage statistics');
is(stage_done('wal'), 'f', 'the WAL has it still');
$node->wait_for_catchup($standby);
is(stage_done('replicas'), 't', 'stage replicas');
$node->safe_psql('shop', q{ALTER DATABASE shop SET personalize.expected_standbys = 'standby, "far away"'});
is(stage_done('replicas'), 'f', 'not while one is expected that is not connected');
is(blockers('replicas'), 'standby "far away" of personalize.expected_standbys, which is not connected', 'which is named');
$node->safe_psql('shop', q{ALTER DATABASE shop SET personalize.expected_standbys = standby});
is(stage_done('replicas'), 't', 'with those that are, stage replicas');
is($standby->safe_psql('shop', q{SELECT DISTINCT s.done FROM personalize.erasure e, personalize.erasure_status(e.receipt) s WHERE s.stage = 'replicas'}),
	't', 'which the standby itself can tell');
$node->stop;
$found = search($node);
is(places($found), 'pg_wal', 'stage vacuumed: only the WAL has anything of the person');
note("$_: " . join(', ', sort keys %{ $found->{$_} })) for sort keys %$found;
$node->start;

$node->wait_for_catchup($standby);
$standby->stop;
$found = search($standby);
is(places($found), 'pg_wal', 'on the standby, too');
$standby->start;

# WAL: new segments and a checkpoint.
$node->safe_psql('postgres', 'ALTER SYSTEM SET wal_keep_size = 0');
$node->reload;
$node->wait_for_catchup($standby);
for (1 .. 3)
{
	$node->safe_psql('shop', 'SELECT pg_switch_wal(); CHECKPOINT');
	$node->wait_for_catchup($standby);
	$standby->safe_psql('shop', 'CHECKPOINT');
}
wait_for($node, 'shop', q{SELECT restart_lsn >= (SELECT max((reached ->> 'lsn')::pg_lsn) FROM personalize.erasure) FROM pg_replication_slots});
$node->safe_psql('shop', 'CHECKPOINT');
is(stage_done('wal'), 't', 'stage wal');
is($node->safe_psql('shop', q{SELECT DISTINCT s.fix FROM personalize.erasure e, personalize.erasure_status(e.receipt) s WHERE s.stage = 'backups'}) =~ /backup_retention/, 1,
	'how long backups are kept must be stated');
is(stage_done('backups'), 'f', 'until then the stage is not done');
$node->safe_psql('postgres', "ALTER DATABASE shop SET personalize.backup_retention = '35d'");
like($node->safe_psql('shop', q{SELECT DISTINCT s.detail FROM personalize.erasure e, personalize.erasure_status(e.receipt) s WHERE s.stage = 'backups'}),
	qr/are to be deleted by /, 'then there is a date');
$node->safe_psql('postgres', "ALTER DATABASE shop SET personalize.backup_retention = 0");
is(stage_done('backups'), 't', 'with none, stage backups');
$node->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
is($node->safe_psql('shop', q{SELECT DISTINCT stage, reached ?& '{dictionary,vacuumed,statistics,replicas,wal,backups}' FROM personalize.erasure}), 'backups|t',
	'the receipt tells when each stage was reached');
$standby->stop;
$node->stop;
is(places(search($node)), '', 'stage wal: nothing of the person is in any file of the server');
$node->start;
is($node->safe_psql('shop', q{SELECT count(*) FROM personalize.features('other-1')}) > 0, 1, 'the others are well');
$node->stop;
done_testing();
