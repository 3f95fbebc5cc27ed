# Retention: a year at speed, and pg_cron in the same and in another database.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cron = has_extension('pg_cron');
my $node = new_node('main', preload => 0, conf => $cron ? <<'CONF' : '');
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.use_background_workers = on
cron.timezone = 'UTC'
CONF
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;

# --- pg_cron, which ticks once a minute while the year goes by
my $quoted = q{it's "Ada's" shop};
if ($cron)
{
	$node->safe_psql('postgres', 'CREATE DATABASE "it\'s ""Ada\'s"" shop"');
	for my $database ('postgres', $quoted)
	{
		$node->safe_psql($database, 'CREATE EXTENSION personalize');
		$node->safe_psql($database, q{SELECT personalize.track('ada', 'view_item', 'shoe', consent => '{analytics,personalization}')});
	}
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');

	# in this database
	my $schedule = q{SELECT string_agg(job || ' ' || result, ', ' ORDER BY job) FROM personalize.schedule_maintenance()};
	is($node->safe_psql('postgres', $schedule),
		'log scheduled, partitions scheduled, retention scheduled, rollup scheduled, scrub scheduled', 'schedule_maintenance() makes the jobs');
	is($node->safe_psql('postgres', $schedule),
		'log unchanged, partitions unchanged, retention unchanged, rollup unchanged, scrub unchanged', 'once');
	is($node->safe_psql('postgres', q{SELECT string_agg(jobname, ', ' ORDER BY jobname) FROM cron.job}),
		join(', ', map { "personalize $_ of postgres" } qw(log partitions retention rollup scrub)), 'their names tell the database');
	$node->safe_psql('postgres', q{SELECT cron.unschedule('personalize partitions of postgres')});
	is($node->safe_psql('postgres', q{SELECT string_agg(task, ', ') FROM personalize.stat_retention WHERE overdue}),
		'job partitions', 'a job that has vanished is overdue');
	is($node->safe_psql('postgres', $schedule) =~ /partitions scheduled/ ? 1 : 0, 1, 'and comes back');

	# in another one: the statements work as they are
	my ($result, $statements, $errors) = $node->psql($quoted, 'SELECT statement FROM personalize.schedule_maintenance()');
	like($errors, qr/pg_cron lives in database "postgres": run the statements there/, 'elsewhere, it says where');
	$node->safe_psql('postgres', $statements) for 1 .. 2;
	is($node->safe_psql('postgres', q{SELECT count(*), count(*) FILTER (WHERE database = 'postgres') FROM cron.job WHERE jobname LIKE '%Ada''s%'}),
		'5|1', 'and the statements make the jobs, once, that of the log where pg_cron is');
	is($node->safe_psql($quoted, q{SELECT ok, detail FROM personalize.health() WHERE "check" = 'maintenance jobs'}), 't|scheduled', 'health() believes it');

	# dropping the extension takes them along where pg_cron is, and says so elsewhere; made again they are what they were
	($result, $statements, $errors) = $node->psql($quoted, 'BEGIN; DROP EXTENSION personalize; ROLLBACK');
	like($errors, qr/WARNING:  the jobs of personalize stay in pg_cron, in database "postgres"/, 'elsewhere, DROP EXTENSION says that they stay');
	like($errors, qr/HINT:  Run there: (SELECT cron\.unschedule\(jobid\) FROM cron\.job WHERE jobname IN \(.*\);)/, 'and what to run');
	my ($unschedule) = $errors =~ /Run there: (.*;)/;
	is($node->safe_psql('postgres', "BEGIN; $unschedule SELECT count(*) FROM cron.job WHERE jobname LIKE '%Ada''s%'; ROLLBACK") =~ /^0$/m, 1, 'which takes them away');
	my $count = q{SELECT count(*) FROM cron.job WHERE jobname LIKE 'personalize % of postgres'};
	$node->safe_psql('postgres', q{SELECT cron.schedule('own', '0 0 1 1 *', 'SELECT personalize.health()')});
	for my $drop ('DROP EXTENSION personalize', 'DROP EXTENSION IF EXISTS pgcrypto, personalize CASCADE', 'SET personalize.allow_drop = on; DROP SCHEMA personalize CASCADE')
	{
		($result, $statements, $errors) = $node->psql('postgres', "BEGIN; $drop; $count; ROLLBACK; $count");
		is($statements, "0\n5", "$drop takes the jobs along, and its ROLLBACK gives them back") if $drop !~ /SCHEMA/;
		like($errors, qr/NOTICE:  5 jobs of personalize are taken out of pg_cron/, 'and says so');
		like($errors, qr/WARNING:  jobs of pg_cron call functions of personalize, and will fail: \d+: SELECT personalize\.health\(\)/, 'jobs of others are named');
	}
	($result, $statements, $errors) = $node->psql('postgres', 'DROP EXTENSION IF EXISTS pgcrypto');
	unlike($errors, qr/cron/, 'other extensions go as ever');
	$node->safe_psql('postgres', q{SELECT cron.unschedule('own'); DROP EXTENSION personalize; CREATE EXTENSION personalize});
	is($node->safe_psql('postgres', "$count; $schedule; $schedule; $count"), "0\nlog scheduled, partitions scheduled, retention scheduled, rollup scheduled, scrub scheduled\n"
		. "log unchanged, partitions unchanged, retention unchanged, rollup unchanged, scrub unchanged\n5", 'made again, nothing is left over');
	$node->safe_psql('postgres', q{SELECT personalize.track('ada', 'view_item', 'shoe', consent => '{analytics,personalization}')});

	# a job that fails
	$node->safe_psql('postgres', 'ALTER FUNCTION personalize.rollup_now() RENAME TO rollup_later');
}

# --- a year, day by day: people come and go, the same events for the same day
my $simulation = <<'SQL';
CREATE SCHEMA sim;
CREATE FUNCTION sim.pick(day integer, n integer, what text, choices integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT abs(hashtext(day || ' ' || n || what) % choices) $$;
CREATE FUNCTION sim.today(day integer) RETURNS timestamptz LANGUAGE sql STABLE AS $$
	SELECT date_trunc('day', now(), 'UTC') - (365 - day) * interval '1 day' $$;
CREATE PROCEDURE sim.day(day integer) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM i.accepted FROM (
		SELECT array_agg('u' || sim.pick(day, n, 'user', 30) + day) AS users,
			array_agg((ARRAY['view_item', 'view_item', 'view_item_list', 'select_item', 'add_to_cart', 'search', 'purchase'])[1 + sim.pick(day, n, 'event', 7)]) AS events,
			array_agg('sku' || sim.pick(day, n, 'item', 40)) AS items,
			array_agg(sim.today(day) + sim.pick(day, n, 'time', 86000) * interval '1 second') AS ts,
			array_agg(CASE WHEN sim.pick(day, n, 'props', 3) = 0 THEN jsonb_build_object('price', 10 + sim.pick(day, n, 'price', 20),
				'currency', 'EUR', 'query', (ARRAY['red', 'shoe', 'hat'])[1 + sim.pick(day, n, 'query', 3)]) END) AS properties,
			array_agg(CASE WHEN sim.pick(day, n, 'session', 2) = 0 THEN 's' || day END) AS sessions,
			array_agg((ARRAY['analytics,personalization,recommendations', 'analytics,personalization'])[1 + sim.pick(day, n, 'user', 2)]) AS consents
		FROM generate_series(1, 60) AS n) AS t,
	LATERAL personalize.import_events(t.users, t.events, t.items, t.ts, properties => t.properties,
		session_ids => t.sessions, consents => t.consents) AS i;
	COMMIT;
	PERFORM personalize.rollup_now();
	COMMIT;
END $$;
CREATE PROCEDURE sim.days(since integer, until integer, keep boolean) LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR day IN since .. until LOOP
		CALL sim.day(day);
		CONTINUE WHEN keep;
		-- the ledger goes by the clock, which cannot be set
		UPDATE personalize.consent_ledger SET (recorded_at, effective_at) = (sim.today(day), sim.today(day)) WHERE recorded_at > sim.today(day + 1);
		COMMIT;
		FOR r IN SELECT * FROM personalize.apply_retention(as_of => sim.today(day + 1)) LOOP
			IF r.result NOT IN ('done', 'more') THEN
				RAISE WARNING 'day %: % % % %', day, r.kind, r.what, r.result, r.detail;
			END IF;
		END LOOP;
		COMMIT;
	END LOOP;
END $$;
SQL
my $tables = q{FROM pg_class AS c WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('_ledger_pruned')};

for my $database ('year', 'month')
{
	make_shop($node, $database);
	$node->safe_psql($database, $simulation);
}
$node->safe_psql('year', qq{SELECT personalize.set_retention('$_->[0]', '$_->[1]')})
  for (['raw', '35 days'], ['profile', '60 days'], ['session', '40 days'], ['basket', '40 days'], ['item_stat_hour', '33 days'],
	['item_stat', '60 days'], ['rejected', '10 days'], ['ledger', '60 days']);
$node->safe_psql('year', q{SELECT personalize.set_retention('raw', '32 days', event => 'view_item_list')});

my (@rows, @bytes);
for my $month (1 .. 12)
{
	my ($result, $output, $errors) = $node->psql('year', sprintf('CALL sim.days(%d, %d, false)', ($month - 1) * 30, $month * 30 - 1));
	is($errors, '', "month $month");
	$node->safe_psql('year', 'VACUUM');
	push @rows, $node->safe_psql('year', q{SELECT sum((xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM personalize.%I', c.relname), false, true, '')))[1]::text::bigint) } . $tables);
	push @bytes, $node->safe_psql('year', "SELECT sum(pg_total_relation_size(c.oid)) $tables");
	note("month $month: $rows[-1] rows, $bytes[-1] bytes");
}
my @later = @rows[4 .. 11];
my ($least, $most) = (sort { $a <=> $b } @later)[0, -1];
cmp_ok($most, '<', 1.1 * $least, 'from the fifth month on the number of rows stays flat');
@later = @bytes[4 .. 11];
($least, $most) = (sort { $a <=> $b } @later)[0, -1];
cmp_ok($most, '<', 1.15 * $least, 'and so does storage');
is($node->safe_psql('year', q{SELECT count(*) FROM personalize.event WHERE received_at < sim.today(360) - interval '36 days'}), 0, 'no raw event outlives its time');
is($node->safe_psql('year', q{SELECT count(*) > 0, bool_and(received_at >= sim.today(360) - interval '33 days') FROM personalize.event JOIN personalize.event_type USING (event) WHERE name = 'view_item_list'}),
	't|t', 'nor one of a kind that is kept for less');
is($node->safe_psql('year', q{SELECT count(*) FROM personalize.subject WHERE user_id = 'u30'}), 0, 'nobody knows who came in the first months');
is($node->safe_psql('year', q{SELECT string_agg(DISTINCT last_result, ',') FROM personalize.stat_retention}), 'done', 'stat_retention has nothing else to tell');

# --- the last 30 days are those of a database that has seen only them
my ($result, $output, $errors) = $node->psql('month', 'CALL sim.days(329, 359, true)');
is($errors, '', 'the last month once more');
exact($node, 'month', 'which is what a recomputation makes of its events');
my %same = (
	'profiles' => q{SELECT count(*), md5(string_agg(row(u, f.signal, f.value, f.count, f.sum, f.last_seen)::text, ',' ORDER BY u, f.signal, f.value))
		FROM generate_series(300, 400) AS u, personalize.features('u' || u, '30 days', sim.today(360)) AS f},
	'item statistics' => q{SELECT count(*), md5(string_agg(s::text, ',' ORDER BY s::text)) FROM personalize.item_stat AS s WHERE pane_start >= sim.today(330)},
	'sessions' => q{SELECT count(*), md5(string_agg(row(user_key, given, session_key, ended, coalesce(events, 1))::text, ',' ORDER BY user_key, given, session_key))
		FROM personalize.session AS s WHERE coalesce(ended, '2000-01-01 00:00+00'::timestamptz + session_key * interval '1 microsecond') >= sim.today(331)},
	'neighbours' => q{SELECT count(*), md5(string_agg(row(item_key, e.*)::text, ',' ORDER BY item_key, e::text))
		FROM personalize.posting, personalize_internal._posting_entries(data) AS e WHERE e.ts >= sim.today(331)});
for my $what (sort keys %same)
{
	my $is = $node->safe_psql('year', $same{$what});
	is($is, $node->safe_psql('month', $same{$what}), "$what of the last 30 days are those of a recomputation");
	cmp_ok($is =~ s/\|.*//r, '>', 100, 'and there are some');
}
# what was dropped cannot be rebuilt, and that is told
$node->safe_psql('year', q{SELECT personalize.rebuild_processor('profile')});
$node->safe_psql('year', 'SELECT personalize.rollup_now()');
is($node->safe_psql('year', $same{profiles}), $node->safe_psql('month', $same{profiles}), 'a rebuild finds the last 30 days');
is($node->safe_psql('year', q{SELECT bool_and(complete_since >= sim.today(360 - 36)) FROM personalize.signal_status}), 't', 'and says since when it is complete');

# --- killed in the middle, nothing is half-done; what a dry run announces is what goes
$node->safe_psql('month', qq{SELECT personalize.set_retention('$_->[0]', '$_->[1]')})
  for (['raw', '10 days'], ['profile', '5 days'], ['session', '10 days'], ['basket', '20 days']);
$node->safe_psql('month', q{SELECT personalize.set_retention('raw', '3 days', event => 'search')});
my $report = q{SELECT string_agg(concat_ws(' ', kind, what, removed, detail), ', ') FROM personalize.apply_retention(%s, sim.today(360)) WHERE kind <> 'message'};
my $announced = $node->safe_psql('month', sprintf $report, 'true');
like($announced, qr/recent items [1-9].*_basket [1-9].*postings [1-9].*: kinds of event [1-9].*raw event_p\d+ [1-9]/, 'a dry run announces all kinds of things');
my $state = q{SELECT string_agg(t || ' ' || personalize.state_hash(t, sim.today(360))::text, ', ')
	FROM unnest('{event,profile,session,posting,item_stat,_basket,subject,consent_ledger}'::text[]) AS t};
my $held = $node->safe_psql('month', $state);
my $victim = $node->background_psql('month', on_error_stop => 0);
is($victim->query('BEGIN; ' . sprintf $report, 'false'), $announced, 'a run removes what the dry run has announced');
my $pid = $victim->query_safe('SELECT pg_backend_pid()');
kill_process($node, $pid);
$victim->{run}->kill_kill;
is($node->safe_psql('month', $state), $held, 'killed, it has removed nothing');
is($node->safe_psql('month', sprintf $report, 'false'), $announced, 'the next run does it');
unlike($node->safe_psql('month', sprintf $report, 'true'), qr/ [1-9]\d*(?:,|$)/, 'and then nothing is left to do');

# --- the policy is part of a dump, and takes the place of what is installed
my $policy = q{SELECT string_agg(row(kind, event, keep, without_end, builtin)::text, ',' ORDER BY kind, event) FROM personalize.retention_policy};
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_dump', '-Fc', '-f', $node->basedir . '/year.dump', 'year' ], 'dumped');
$node->command_ok([ 'pg_restore', '-d', 'restored', $node->basedir . '/year.dump' ], 'and restored');
is($node->safe_psql('restored', $policy), $node->safe_psql('year', $policy), 'the policy is that of the dump');

# --- what pg_cron has done in the meantime
if ($cron)
{
	wait_for($node, 'postgres', q{SELECT count(*) >= 1 FROM cron.job_run_details WHERE status = 'failed' AND command LIKE '%rollup_now%' AND database = 'postgres'}, 'a job to fail');
	is($node->safe_psql('postgres', q{SELECT last_result, failures > 0, last_error ~ 'rollup_now' FROM personalize.stat_retention WHERE task = 'job rollup'}),
		'failed|t|t', 'a failed job shows in stat_retention');
	is($node->safe_psql('postgres', q{SELECT ok, detail ~ 'job rollup: .*rollup_now' FROM personalize.health() WHERE "check" = 'maintenance jobs'}), 'f|t', 'and in health()');
	wait_for($node, $quoted, q{SELECT bool_and(events > 0) FROM personalize.processor WHERE name IN ('profile', 'item_stat')}, 'the job of the other database');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM cron.job_run_details WHERE status = 'failed' AND database <> 'postgres'}), 0, 'jobs of a database with quotes in its name run');

	# the log of these jobs goes after a week, nobody else's
	$node->safe_psql('postgres', q{INSERT INTO cron.job_run_details (jobid, database, username, command, status, start_time, end_time)
		SELECT jobid, database, username, command, 'succeeded', now() - interval '8 days', now() - interval '8 days' FROM cron.job
		UNION ALL SELECT 0, 'postgres', 'postgres', 'another', 'succeeded', now() - interval '8 days', now() - interval '8 days'});
	$node->safe_psql('postgres', $node->safe_psql('postgres', q{SELECT command FROM cron.job WHERE jobname = 'personalize log of postgres'}));
	is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT coalesce(j.jobname ~ 'of postgres$', false)::text || d.command, ',')
		FROM cron.job_run_details d LEFT JOIN cron.job j USING (jobid) WHERE d.end_time < now() - interval '7 days' AND (j.jobid IS NULL OR j.jobname ~ 'of postgres$')}),
		'falseanother', 'the log of the jobs is purged');

	is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.unschedule_maintenance()}), 5, 'unschedule_maintenance() takes them away');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.unschedule_maintenance()}), 0, 'once');
	$node->safe_psql('postgres', $node->safe_psql($quoted, q{SELECT statement FROM personalize.unschedule_maintenance()})) for 1 .. 2;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.job'), 0, 'elsewhere by the statements it returns');
}
$node->stop;
done_testing();
