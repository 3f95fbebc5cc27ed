# The ring of the newest events: readers never miss one that was committed before
# their snapshot, however it was written, and whatever happens to the server.
#
# The truth is a count of the raw events under the reader's own snapshot.  A storm of
# writers, readers, erasures and kills ends it; PERSONALIZE_SECONDS sets how long.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $seconds = $ENV{PERSONALIZE_SECONDS} || 20;
my $people = 60;

my $node = new_node('main', init => { allows_streaming => 'logical' }, conf => q{
max_prepared_transactions = 20
restart_after_crash = on
autovacuum = off
log_min_messages = warning
});

# How many people's profiles are not the count of their events; stale ones are wrong, too.
my $truth = q{
CREATE FUNCTION wrong(people integer) RETURNS bigint LANGUAGE sql STABLE AS $$
	SELECT count(*) FROM generate_series(1, people) AS n,
		LATERAL (SELECT coalesce(sum(p.events), 0) AS counted, coalesce(bool_or(p.stale), false) AS stale FROM personalize.profile('p' || n) AS p) AS p
	WHERE p.stale OR p.counted <> (SELECT count(*) FROM personalize.event AS e WHERE e.user_key = personalize.user_key('p' || n))
$$;
CREATE FUNCTION events(n integer, prefix text DEFAULT 'p') RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM generate_series(1, n) AS i,
		personalize.track(prefix || 1 + floor(random() * 60)::int + 0 * i, 'view_item', 'sku' || floor(random() * 20)::int, consent => '{personalization,analytics}')
$$;
CREATE FUNCTION today() RETURNS text LANGUAGE sql AS $$ SELECT 'personalize.event_p' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD') $$;
CREATE FUNCTION by_hand(n integer) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format(
	'INSERT INTO %s (received_at, ts, txid, user_key, consent, event, ordinal) SELECT now(), now(), personalize_internal._event_txid(), personalize.user_key(''p'' || i), 7, 4, 0 FROM generate_series(1, %s) AS i', today(), n);
END $$;
};

# Until the profiles have all events.
sub caught_up
{
	my ($database) = @_;
	wait_for($node, $database, q{SELECT waiting = 0 FROM personalize.stat_processor WHERE processor = 'profile'});
	return;
}

sub shop
{
	my ($database) = @_;
	make_shop($node, $database);
	$node->safe_psql($database, $truth);
	$node->safe_psql($database, q{SELECT events(20); SELECT personalize.disable_processor(p) FROM unnest('{item_stat,neighbour,exposure}'::text[]) AS p});
	caught_up($database);
	return;
}

# Reads by the ring and by pages, and how often pages were added.
sub counts
{
	my ($server, $database) = @_;
	my %count = $server->safe_psql($database, q{SELECT name, value FROM personalize_internal._counters() WHERE name LIKE 'tail.%'}) =~ /^tail\.(\w+)\|(\d+)$/mg;
	return \%count;
}

# What is read is right, and it was read in this way.
sub right
{
	my ($name, $way, %option) = @_;
	my $server = $option{node} // $node;
	my $database = $option{database} // 'shop';
	my $before = counts($server, $database);
	is($server->safe_psql($database, "SELECT wrong($people)"), '0', "$name: what is read is right");
	my $after = counts($server, $database);
	my %read = map { $_ => $after->{$_} - $before->{$_} } keys %$after;
	if ($way eq 'ring') { ok($read{ring} == $people && $read{pages} == 0, "$name: by the ring") or diag(explain(\%read)) }
	if ($way eq 'pages') { ok($read{pages} == $people && $read{ring} == 0, "$name: by pages") or diag(explain(\%read)) }
	is($read{added}, $option{added}, "$name: pages were added $option{added} times") if defined $option{added};
	return;
}

sub run_sql { return $node->safe_psql('shop', join(";\n", @_)) }

shop('shop');
run_sql(q{SELECT personalize.disable_processor('profile')});

run_sql('SELECT events(200)');
right('events', 'ring');
right('once more', 'ring', added => 0);
run_sql('BEGIN; SELECT events(50); ROLLBACK; SELECT events(3)');
right('a rollback', 'ring', added => 0);
run_sql('BEGIN; SELECT events(10)', 'SAVEPOINT a; SELECT events(20)', 'SAVEPOINT b; SELECT events(7)', 'RELEASE b; ROLLBACK TO a',
	'SAVEPOINT c; SELECT events(5); RELEASE c; COMMIT');
right('savepoints', 'ring', added => 0);
run_sql(q{BEGIN; SELECT events(30); PREPARE TRANSACTION 'one'});
right('a prepared transaction', 'ring', added => 0);
run_sql(q{COMMIT PREPARED 'one'});
right('a prepared transaction that was committed', 'ring', added => 0);

# What others write is found, too.
run_sql('SELECT by_hand(20)');
right('rows written by hand', 'ring', added => 1);
run_sql('BEGIN; SELECT events(9); SELECT by_hand(20); COMMIT');
right('by hand and not', 'ring', added => 1);
run_sql('BEGIN; SAVEPOINT a; SELECT events(20); ROLLBACK TO a; SELECT by_hand(20); COMMIT');
right('by hand, as many as were undone', 'ring', added => 1);
run_sql(q{BEGIN; SELECT by_hand(20); PREPARE TRANSACTION 'two'});
right('by hand and prepared', 'ring');
run_sql(q{COMMIT PREPARED 'two'});
right('by hand, prepared and committed', 'ring', added => 0);
run_sql('SET track_counts = off; SELECT by_hand(20)');
right('by hand, uncounted by the server', 'ring', added => 1);
my $day = run_sql('SELECT today()');
my $file = $node->basedir . '/events.copy';
run_sql("COPY (SELECT * FROM $day ORDER BY txid DESC LIMIT 40) TO '$file'", "COPY $day FROM '$file'");
right('COPY', 'ring', added => 1);
run_sql("UPDATE $day SET slot = 3 WHERE user_key = personalize.user_key('p1')");
right('UPDATE', 'ring', added => 1);
run_sql("VACUUM FULL $day");
right('VACUUM FULL', 'ring', added => 1);
run_sql("BEGIN; SELECT events(300); ROLLBACK; VACUUM $day; SELECT events(200); BEGIN; SELECT events(300); ROLLBACK; VACUUM $day; SELECT events(200)");
right('places that are used again', 'ring', added => 0);

# Logical replication into the very table.
$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', "CREATE SCHEMA personalize; CREATE TABLE $day (received_at timestamptz, ts timestamptz, txid bigint, user_key bigint, consent int, event smallint, ordinal smallint);
	CREATE PUBLICATION source FOR TABLE $day; SELECT pg_create_logical_replication_slot('source', 'pgoutput')");
run_sql(qq{CREATE SUBSCRIPTION source CONNECTION \$c\$} . $node->connstr('source') . qq{\$c\$ PUBLICATION source WITH (create_slot = false, slot_name = 'source', copy_data = false)});
my $sample = run_sql(qq{SELECT format('(now(), now(), %s, %s, 7, 4, 0)', personalize_internal._event_txid(), personalize.user_key('p3'))});
$node->safe_psql('source', "INSERT INTO $day VALUES $sample, $sample");
$node->wait_for_catchup('source');
right('logical replication', 'ring', added => 1);
run_sql('ALTER SUBSCRIPTION source DISABLE; ALTER SUBSCRIPTION source SET (slot_name = NONE); DROP SUBSCRIPTION source');

# What changes the rows of people.
run_sql(q{SELECT personalize.withdraw_consent('p4', '{analytics}')}, q{SELECT events(40, 'a')}, q{SELECT personalize.identify('a5', 'p5')});
right('a withdrawal and a login', 'ring', added => 0);
run_sql(q{SELECT personalize.forget('p6')});
right('an erasure', 'ring', added => 0);
is(run_sql(q{SELECT count(*) FROM personalize.profile('p6')}), '0', 'nothing is left of who was forgotten');

# Isolation.
my $old = $node->background_psql('shop');
$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
run_sql('SELECT events(100)');
is($old->query("SELECT wrong($people)"), '0', 'an older snapshot reads what it sees');
$old->query('COMMIT');
my $before = counts($node, 'shop');
is($old->query("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT wrong($people); COMMIT"), '0', 'a serializable transaction reads it, too');
is(counts($node, 'shop')->{ring}, $before->{ring}, 'by pages');
$old->quit;

# Another database of the server, and the extension made anew.
shop('other');
$node->safe_psql('other', q{SELECT personalize.disable_processor('profile')}, );
$node->safe_psql('other', 'SELECT events(100)');
right('another database', 'ring', database => 'other');
right('the first one', 'ring');
$node->safe_psql('other', 'SET client_min_messages = error; SET personalize.allow_drop = on; DROP EXTENSION personalize CASCADE');
$node->safe_psql('other', "DROP SCHEMA recompute CASCADE; DROP FUNCTION IF EXISTS wrong, events, today, by_hand; CREATE EXTENSION personalize; $truth");
$node->safe_psql('other', 'SELECT events(30); SELECT personalize.rollup_now(); SELECT events(40)');
right('the extension made anew', 'ring', database => 'other');
$node->safe_psql('postgres', 'DROP DATABASE other WITH (FORCE)');

# Restarts, with a transaction in doubt.
run_sql(q{BEGIN; SELECT events(30); PREPARE TRANSACTION 'three'});
$node->restart;
right('a restart', 'ring', added => 1);
run_sql(q{COMMIT PREPARED 'three'});
right('what was in doubt', 'ring', added => 0);
run_sql('SELECT events(30)');
$node->stop('immediate');
$node->start;
right('a crash', 'ring', added => 1);

# A ring that is too small: by pages until the processors have passed what was lost.
$node->append_conf('postgresql.conf', "personalize.tail_ring_size = '256kB'\n");
$node->restart;
right('a small ring', 'ring');
is(run_sql(q{SELECT bytes, kept <= places, overwritten = 0 FROM personalize.stat_tail}), '262144|t|t', 'of the size as set');
run_sql('SELECT events(1000)') for 1 .. 20;
right('more than it holds', 'pages');
is(run_sql(q{SELECT bytes, kept <= places, overwritten > 0 FROM personalize.stat_tail}), '262144|t|t', 'told by the view');
run_sql(q{SELECT personalize.enable_processor('profile')}, );
caught_up('shop');
run_sql('SELECT events(100)');
caught_up('shop');
right('when all is counted', 'ring');

# None at all.
$node->append_conf('postgresql.conf', "personalize.tail_ring_size = 0\n");
$node->restart;
run_sql('SELECT events(100)');
is(run_sql("SELECT wrong($people)"), '0', 'without a ring what is read is right');
is(run_sql('SELECT count(*) FROM personalize.stat_tail'), '0', 'and the view says that there is none');
$node->append_conf('postgresql.conf', "personalize.tail_ring_size = 100\n");
$node->restart;
is(run_sql('SELECT bytes FROM personalize.stat_tail'), 64 * 1024 * 1024, 'instead of a size that is too small it has the usual one');
like(slurp_log($node), qr/must be 0 or at least 256 kB/, 'and the log says why');
$node->append_conf('postgresql.conf', "personalize.tail_ring_size = '1MB'\n");
$node->restart;

# A standby has none until it is promoted.
my $standby = new_standby($node, 'standby');
run_sql(q{SELECT personalize.disable_processor('profile')}, 'SELECT events(100)');
$node->wait_for_catchup($standby);
right('a standby', 'pages', node => $standby);
$standby->promote;
$standby->safe_psql('shop', 'SELECT events(50)');
right('a standby that was promoted', 'ring', node => $standby);
$standby->stop;
run_sql(q{SELECT personalize.enable_processor('profile')});

# A storm.
my %script = (
	write => q{
\set kind random(1, 100)
\set n random(1, 30)
\if :kind <= 60
SELECT events(:n);
\elif :kind <= 70
BEGIN;
SELECT events(:n);
ROLLBACK;
\elif :kind <= 80
BEGIN;
SELECT events(3);
SAVEPOINT a;
SELECT events(:n);
ROLLBACK TO a;
SELECT events(2);
COMMIT;
\elif :kind <= 84
BEGIN;
SELECT events(:n);
PREPARE TRANSACTION 'p:client_id';
COMMIT PREPARED 'p:client_id';
\elif :kind <= 90
SELECT by_hand(5);
\elif :kind <= 94
SELECT events(400);
\elif :kind <= 97
SELECT personalize.identify('a:n', 'p:n') FROM personalize.track('a:n', 'view_item', 'x', consent => '{personalization}');
\else
SELECT personalize.forget('p:n');
\endif
},
	read => "SELECT 1 / (wrong($people) = 0)::int;",
	old => "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT 1 / (wrong($people) = 0)::int;\nSELECT 1 / (wrong($people) = 0)::int;\nCOMMIT;",
	move => "SET lock_timeout = '1s';\nVACUUM $day;\n\\sleep 300 ms\nSELECT events(1);");
for my $name (keys %script)
{
	(my $text = $script{$name}) =~ s/'p:client_id'/'p:client_id'/g;
	append_to_file($node->basedir . "/$name.sql", $text);
}
my %failed;

# Run scripts beside each other for some seconds; a server that goes takes them along.
sub storm
{
	my ($duration, $kill) = @_;
	my @runs;
	for ([ write => 3 ], [ read => 2 ], [ old => 1 ], [ move => 1 ])
	{
		my ($name, $clients) = @$_;
		my ($out, $err) = ('', '');
		push @runs, { name => $name, err => \$err, out => \$out,
			run => IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-T', $duration, '-f', $node->basedir . "/$name.sql", '-h', $node->host, '-p', $node->port, 'shop' ],
				'>', \$out, '2>', \$err) };
	}
	if ($kill)
	{
		usleep(1e6 * $duration / 2);
		my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench' LIMIT 1});
		kill_process($node, $pid) if $pid;
	}
	for my $run (@runs)
	{
		$run->{run}->finish;
		$failed{ $run->{name} } .= join '', grep { /division by zero/ } split /^/m, ${ $run->{err} };
	}
	wait_for($node, 'postgres', 'SELECT true');
	return;
}

my $rounds = 4;
storm($seconds / $rounds, $_ % 2) for 1 .. $rounds;
is($failed{$_} // '', '', "nothing was missed by '$_' in the storm") for qw(read old);
$node->safe_psql('shop', join '', map { "ROLLBACK PREPARED '$_';\n" } split /\n/, $node->safe_psql('shop', 'SELECT gid FROM pg_prepared_xacts'));
right('after the storm', 'any');
my $storm = counts($node, 'shop');
cmp_ok($storm->{ring}, '>', 0, 'the ring was asked');
caught_up('shop');
right('when all is counted in the end', 'any');
like(slurp_log($node), qr/\A(?!.*PANIC)/s, 'no panic');

done_testing();
