# Cohorts that are released while servers are killed, by workers, in dumps and on standbys:
# every window is paid for once, and told in one way.
#
# The release is stopped after it has paid by a lock on a day of events, which it reads
# next.  Our sessions have a clock that is far ahead, so that workers, whose clock is the
# server's, find nothing to release.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', init => { allows_streaming => 1 }, conf => "restart_after_crash = on\nmax_worker_processes = 12\n");
my $people = q{
	SELECT count(personalize.grant_consent('u' || n, '{analytics,personalization}')) FROM generate_series(1, 300) AS n;
	SELECT personalize.create_signal('hobby', '{guess}', 'properties.hobby', basis => 'inferred');
	SELECT personalize.set_cohort_policy(1, 5);
};
my $answers = q{SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM personalize.cohort_answer AS a};
my $spent = q{SELECT count(*) || ' for ' || sum(epsilon) FROM personalize.cohort_charge};

# What people are guessed to like at a time, and a report of it that begins then.
sub guess
{
	my ($database, $ts) = @_;
	$node->safe_psql($database, qq{
		SELECT count(personalize.track('u' || n, 'guess', properties => '{"hobby": "golf"}', ts => $ts)) FROM generate_series(1, 300) AS n;
		SELECT personalize.create_cohort_report('hobbies', 'hobby', '{golf,chess}', days => 1, since => $ts - interval '1 day')});
	return;
}

# Until somebody waits for the lock of a session.
sub wait_for_waiter
{
	my ($database) = @_;
	wait_for($node, $database, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^CALL'});
	return;
}

make_shop($node, 'shop');
$ENV{PGOPTIONS} = '-c personalize.test_now=2096-03-05\ 12:00+00';
$node->safe_psql('shop', $people);
guess('shop', q{timestamptz '2096-03-05 10:00+00'});
my $day = $node->safe_psql('shop', q{SELECT tableoid::regclass FROM personalize.event LIMIT 1});
like($day, qr/event_p\d{8}/, 'there are events');
$ENV{PGOPTIONS} = '-c personalize.test_now=2096-03-07\ 12:00+00';

# What is done to a release that has paid, and has told nothing: the backend is killed, and
# with it all others; the server is; the client gives up.
for my $case (
	[ 'kill -9', 1, sub { my ($pid) = @_; kill_process($node, $pid); } ],
	[ 'immediate stop', 1, sub { $node->stop('immediate'); $node->start; } ],
	[ 'a cancelled statement', 0, sub { my ($pid) = @_; $node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)"); } ])
{
	my ($what, $crashes, $act) = @$case;

	$node->safe_psql('shop', q{SELECT personalize.drop_cohort_report('hobbies');
		SELECT personalize.create_cohort_report('hobbies', 'hobby', '{golf,chess}', days => 1, since => '2096-03-05')}) if $what ne 'kill -9';
	my $before = $node->safe_psql('shop', 'SELECT count(*) FROM personalize.cohort_charge');
	my $began = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
	my $holder = $node->background_psql('shop', on_error_stop => 0);
	$holder->query_safe("BEGIN; LOCK TABLE $day IN ACCESS EXCLUSIVE MODE");
	my ($out, $error) = ('', '');
	my $release = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('shop'), '-c', 'CALL personalize.release_cohorts()' ],
		'<', '/dev/null', '>', \$out, '2>', \$error);
	wait_for_waiter('shop');
	is($node->safe_psql('shop', 'SELECT count(*) FROM personalize.cohort_charge'), $before + 1, "$what: it has paid, for all to see");
	is($node->safe_psql('shop', $answers), '', "$what: and told nothing");
	my $pid = $node->safe_psql('shop', q{SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^CALL'});
	$act->($pid);
	$release->finish;
	isnt($error, '', "$what: the release has ended in an error");
	eval { $holder->query('ROLLBACK') } unless $crashes;
	eval { $holder->quit };
	wait_for($node, 'shop', 'SELECT true');
	is($node->safe_psql('shop', 'SELECT status FROM personalize.cohort_window'), 'charged', "$what: what is paid is paid");
	is($node->safe_psql('shop', $answers), '', "$what: and nothing is told yet");
	$node->safe_psql('shop', 'CALL personalize.release_cohorts()');
	my $told = $node->safe_psql('shop', $answers);
	like($told, qr/chess,,\) .*golf,\d+,\)/, "$what: it is told in the end");
	is($node->safe_psql('shop', 'SELECT count(*) FROM personalize.cohort_charge'), $before + 1, "$what: and not paid for twice");
	$node->safe_psql('shop', 'CALL personalize.release_cohorts()');
	is($node->safe_psql('shop', $answers), $told, "$what: nor told in another way");
}

# Whoever does not wait for the disk is made to: what has been read is still so after a crash.
$node->safe_psql('postgres', q{ALTER SYSTEM SET wal_writer_delay = '10s'; SELECT pg_reload_conf()});
$node->safe_psql('shop', q{SELECT personalize.drop_cohort_report('hobbies');
	SELECT personalize.create_cohort_report('hobbies', 'hobby', '{golf,chess}', days => 1, since => '2096-03-05')});
my $hasty = $node->background_psql('shop', on_error_stop => 0);
$hasty->query_safe('SET synchronous_commit = off');
$hasty->query_safe('CALL personalize.release_cohorts()');
my $read = $hasty->query_safe($answers);
$node->stop('immediate');
eval { $hasty->quit };
$node->start;
is($node->safe_psql('shop', $answers), $read, 'what was read without waiting for the disk is still so after a crash');
is($node->safe_psql('shop', $spent), '4 for 4', 'and paid for');
$node->safe_psql('postgres', q{ALTER SYSTEM RESET wal_writer_delay; SELECT pg_reload_conf()});

# Two releases at once: one pays, the other finds it done.
$node->safe_psql('shop', q{SELECT personalize.drop_cohort_report('hobbies');
	SELECT personalize.create_cohort_report('hobbies', 'hobby', '{golf,chess}', days => 1, since => '2096-03-05')});
my $holder = $node->background_psql('shop');
$holder->query_safe("BEGIN; LOCK TABLE $day IN ACCESS EXCLUSIVE MODE");
my @releases = map { IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('shop'), '-c', 'CALL personalize.release_cohorts()' ],
	'<', '/dev/null') } 1 .. 2;
wait_for($node, 'shop', q{SELECT count(*) = 2 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^CALL'});
$holder->query_safe('ROLLBACK');
$holder->quit;
ok($_->finish, 'a release beside another ends well') for @releases;
is($node->safe_psql('shop', $spent), '5 for 5', 'two releases at once pay once');
is($node->safe_psql('shop', 'SELECT count(*) FROM personalize.cohort_answer'), 2, 'and tell once');
my $told = $node->safe_psql('shop', $answers);

# A dump brings the ledger and the answers along.
my $directory = PostgreSQL::Test::Utils::tempdir();
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$directory/dump", '-d', $node->connstr('shop') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr('restored'), "$directory/dump" ], 'pg_restore');
$node->safe_psql('restored', 'CALL personalize.release_cohorts()');
is($node->safe_psql('restored', $answers), $told, 'a restored database tells the same');
is($node->safe_psql('restored', $spent), '5 for 5', 'and has paid for it');
is($node->safe_psql('restored', 'SELECT spent, remaining FROM personalize.cohort_budget'), '5|0', 'which its budget knows');

# A standby shows what was released, and releases nothing.
my $standby = new_standby($node, 'standby');
is($standby->safe_psql('shop', $answers), $told, 'a standby tells the same');
is($standby->safe_psql('shop', 'SELECT status FROM personalize.cohort_window'), 'released', 'and which windows were released');
my ($code, $out, $error) = $standby->psql('shop', 'CALL personalize.release_cohorts()');
like($error, qr/cohorts cannot be released during recovery.*on the primary/s, 'and releases nothing itself');
$standby->stop;

# Workers release what is due by themselves.
delete $ENV{PGOPTIONS};
make_shop($node, 'other');
$node->safe_psql('other', $people);
guess('other', q{date_trunc('day', now(), 'UTC') - interval '60 hours'});
$node->restart;
wait_for($node, 'other', q{SELECT count(*) = 2 FROM personalize.cohort_answer WHERE window_start = date_trunc('day', now(), 'UTC') - interval '3 days'});
is($node->safe_psql('other', q{SELECT cohort, people BETWEEN 250 AND 350 FROM personalize.cohort_answer
	WHERE window_start = date_trunc('day', now(), 'UTC') - interval '3 days' ORDER BY 1}), "chess|\ngolf|t", 'workers release what is due');
is($node->safe_psql('other', q{SELECT status, count(*) > 1 FROM personalize.cohort_window GROUP BY 1}), 'released|t', 'all of it');
$node->stop;

# Where the library is not preloaded a job does.
my $bare = new_node('bare', preload => 0);
make_shop($bare, 'shop');
my $jobs = q{SELECT count(*) FROM personalize.schedule_maintenance() WHERE job = 'cohorts' AND statement ~ 'CALL personalize.release_cohorts'};
is($bare->safe_psql('shop', $jobs), 0, 'without a report no job is needed');
$bare->safe_psql('shop', $people . q{
	SELECT count(personalize.track('u' || n, 'guess', properties => '{"hobby": "golf"}', ts => date_trunc('day', now(), 'UTC') - interval '60 hours')) FROM generate_series(1, 300) AS n;
	SELECT personalize.create_cohort_report('hobbies', 'hobby', '{golf}', days => 1, since => date_trunc('day', now(), 'UTC') - interval '3 days')});
is($bare->safe_psql('shop', $jobs), 1, 'with one, a job is');
$bare->safe_psql('shop', 'CALL personalize.release_cohorts()');
is($bare->safe_psql('shop', q{SELECT people BETWEEN 250 AND 350 FROM personalize.cohort_answer ORDER BY window_start LIMIT 1}), 't', 'whose command releases');
$bare->stop;

done_testing();
