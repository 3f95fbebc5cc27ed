# kill -9 of workers and of the whole server at random points of a batch.
#
# Each round writes events, waits until some worker is in a given phase of a
# batch (or for a random time), stops that worker where it is, notes the phase
# it is really in, and kills it or the server with it.  When the server is up
# again and the processors have caught up, what they hold is compared with a
# recomputation from the raw events.  PERSONALIZE_KILLS=200 for the long form.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $kills = $ENV{PERSONALIZE_KILLS} || 24;
my $node = new_node('crash', conf => q{
restart_after_crash = on
personalize.workers = 2
max_worker_processes = 12
max_prepared_transactions = 10
log_min_messages = fatal
});

# Finds a worker in a phase and kills it, or the server and it.  A stopped
# process does not move, so the phase read then is the one it dies in; the
# notice tells it before the blow.  Should the reader hang on the victim, the
# victim is let go after a second.
my $kill = q{
CREATE FUNCTION recompute.kill(wanted text, server boolean, patience interval) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	victim integer;
	phase text;
	began timestamptz := clock_timestamp();
	postmaster integer := split_part(pg_read_file('postmaster.pid'), E'\n', 1)::integer;
BEGIN
	LOOP
		PERFORM pg_stat_clear_snapshot();
		SELECT a.pid INTO victim FROM pg_stat_activity AS a
		WHERE a.backend_type = 'personalize worker'
			AND (a.state = 'active' AND starts_with(a.query, 'maintenance') IS FALSE OR clock_timestamp() > began + patience)
		ORDER BY random() LIMIT 1;
		CONTINUE WHEN victim IS NULL;
		EXECUTE format('COPY (SELECT 1 WHERE false) TO PROGRAM %L',
			format('kill -STOP %1$s; (sleep 1; kill -CONT %1$s) </dev/null >/dev/null 2>&1 &', victim));
		PERFORM pg_stat_clear_snapshot();
		SELECT CASE WHEN a.state = 'active' THEN a.query ELSE 'asleep' END INTO phase
		FROM pg_stat_activity AS a WHERE a.pid = victim;
		EXIT WHEN phase LIKE '%: ' || wanted OR clock_timestamp() > began + patience;
		EXECUTE format('COPY (SELECT 1 WHERE false) TO PROGRAM %L', format('kill -CONT %s', victim));
	END LOOP;
	RAISE NOTICE 'killed in <%>', phase;
	EXECUTE format('COPY (SELECT 1 WHERE false) TO PROGRAM %L',
		format('kill -KILL %s', CASE WHEN server THEN (
			-- all of it: who is left would wait for a lock of the dead forever
			SELECT concat_ws(' ', postmaster, string_agg(a.pid::text, ' ')) FROM pg_stat_activity AS a)
		ELSE victim::text END));
	PERFORM pg_sleep(60);
END
$$};

# A fresh database now and then keeps the comparison short.
sub next_shop
{
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS shop');
	make_shop($node, 'shop');
	$node->safe_psql('shop', $kill);
	$node->safe_psql('shop', q{SELECT personalize.create_signal('visited', NULL, 'item', aggregates => '{distinct,last}')});
	return;
}

# Writes until the server goes down: batches meet commits, rollbacks and savepoints.
sub start_writing
{
	my $size = 100 + int(rand(400));
	my $sql = "SELECT recompute.traffic($size);"
	  . "BEGIN; SELECT recompute.traffic(50); SAVEPOINT a; SELECT recompute.traffic(50); ROLLBACK TO a;"
	  . "SELECT recompute.traffic(50); COMMIT; BEGIN; SELECT recompute.traffic(50); ROLLBACK;";

	my $file = PostgreSQL::Test::Utils::tempdir() . '/traffic.sql';
	append_to_file($file, $sql x 20);
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('shop'), '-f', $file ],
		'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
}

# Start again after the postmaster was killed, once it and its children have gone.
sub start_again
{
	my ($pid) = @_;
	my @start = ('pg_ctl', '-w', '-s', '-D', $node->data_dir, '-l', $node->logfile, 'start');

	for (1 .. 300)
	{
		last if !kill(0, $pid) && system(@start) == 0;
		usleep(100_000);
	}
	$node->_update_pid(1);
	return;
}

my %by_phase;
my $after_write = 0;
my @phases = ('claim', 'read', 'write', 'write', 'position', 'commit', 'random');
my $wrong = 0;
for my $round (1 .. $kills)
{
	next_shop() if $round % 20 == 1;
	my $server = $round % 4 == 0;
	my $phase = $phases[ $round % @phases ];
	my $patience = $phase eq 'random' ? sprintf('%d ms', rand(300)) : '3 s';
	my ($stdout, $stderr) = ('', '');

	my $session = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('shop'), '-c',
			"SELECT recompute.kill('$phase', " . ($server ? 'true' : 'false') . ", '$patience')" ],
		'>', \$stdout, '2>', \$stderr);
	my $writer = start_writing();
	$session->finish;
	$writer->finish;

	my ($where) = $stderr =~ /killed in <(.*?)>/;
	die "nobody was killed: $stderr" unless defined $where;
	$by_phase{ ($server ? 'server' : 'worker') . ', ' . $where }++;
	$after_write++ if $where =~ /: (write|position|commit)$/;
	if ($server)
	{
		start_again($node->{_pid});
	}
	else
	{
		wait_for($node, 'shop', 'SELECT true');
	}
	$wrong++ unless exact($node, 'shop', "round $round, killed in $where" . ($server ? ' with the server' : ''));
	last if $wrong > 3;
}
note(sprintf '%4d %s', $by_phase{$_}, $_) for sort keys %by_phase;
note("$after_write of $kills between first write and commit");
cmp_ok($after_write, '>=', $kills / 10, 'enough of them between first write and commit');
$node->stop;
done_testing();
