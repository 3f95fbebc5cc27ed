# PersonalizeTest: what the Perl tests share.
#
# A node with the extension, traffic for it, and the comparison of what the
# processors hold with a recomputation from the raw events (../recompute.sql).
package PersonalizeTest;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(new_node next_node new_standby make_shop traffic wait_caught_up exact worker_count wait_for kill_process slurp_log preload_conf
  leave_a_tail enable_sql readers_sql send_events switch_processors python_with has_extension);

my $recompute = dirname(abs_path(__FILE__)) . '/../recompute.sql';

# The settings under which the workers are quick.
sub preload_conf
{
	return "shared_preload_libraries = 'personalize'\n"
	  . "personalize.batch_interval = 20ms\n";
}

# A started node: preload => 0 for none, conf => further settings.
sub new_node
{
	my ($name, %option) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%{ $option{init} // {} });
	$node->append_conf('postgresql.conf', preload_conf()) if $option{preload} // 1;
	$node->append_conf('postgresql.conf', $option{conf} // '');
	$node->start;
	return $node;
}

# A node that is not started yet, of the installation PERSONALIZE_UPGRADE_TO or of the same version,
# to which another can be upgraded; those of version 18 and later have checksums if nobody says no.
sub next_node
{
	my ($name, $old) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, install_path => $ENV{PERSONALIZE_UPGRADE_TO});
	my $sums = $old->safe_psql('postgres', 'SHOW data_checksums') eq 'on';

	$node->init(allows_streaming => 'logical', extra => $sums ? ['--data-checksums']
		: $node->pg_version >= 18 ? ['--no-data-checksums'] : []);
	$node->append_conf('postgresql.conf', preload_conf() . "log_min_messages = warning\n");
	return $node;
}

# A standby of a node, which has caught up with it: conf => further settings.
sub new_standby
{
	my ($node, $name, %option) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name);

	$node->backup($name);
	$standby->init_from_backup($node, $name, has_streaming => 1);
	$standby->append_conf('postgresql.conf', $option{conf} // '');
	$standby->start;
	$node->wait_for_catchup($standby);
	return $standby;
}

# A database with the extension and the functions of recompute.sql.
sub make_shop
{
	my ($node, $database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION personalize');
	$node->safe_psql($database, slurp_file($recompute));
	return;
}

# Events of some users, written in as many transactions.
sub traffic
{
	my ($node, $database, $transactions, $events) = @_;
	my $sql = "SELECT recompute.traffic($events);\n" x $transactions;

	$node->safe_psql($database, $sql);
	return;
}

# Views of one item by people who allow everything, each in a transaction of its own, in turn.
sub send_events
{
	my ($node, $database, $count, @people) = @_;

	$node->safe_psql($database, join('', map {
		"SELECT personalize.track('$_', 'view_item', 'shoe', consent => '{analytics,personalization,recommendations}');\n"
	} (@people) x $count));
	return;
}

# Have all processors work or rest: 'enable' or 'disable'.
sub switch_processors
{
	my ($node, $database, $how) = @_;

	$node->safe_psql($database,
		"SELECT personalize.${how}_processor(p) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS p");
	return;
}

# A python that has numpy and a library; undef if there is none.
sub python_with
{
	my ($library) = @_;

	for my $python (grep { defined } $ENV{PERSONALIZE_PYTHON}, '/usr/bin/python3', 'python3')
	{
		return $python if system("$python -c 'import numpy, $library' >/dev/null 2>&1") == 0;
	}
	return undef;
}

# True if the server has an extension.
sub has_extension
{
	my ($name) = @_;
	my $directory = `pg_config --sharedir`;

	chomp $directory;
	return -f "$directory/extension/$name.control";
}

# Poll a query until it is true.  The server may be starting: the query is an argument of
# psql, to which nothing can be written once it has failed to connect.
sub wait_for
{
	my ($node, $database, $query, $what) = @_;
	my $answer = '';
	my $error;

	for (1 .. 1800)
	{
		IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr($database), '-c', $query ],
			'<', '/dev/null', '>', \$answer, '2>', \$error);
		return if $answer eq "t\n";
		usleep(100_000);
	}
	die 'timed out waiting for ' . ($what // $query) . ": $answer$error";
}

# Kill a process of the server, which then starts again; what the dead was doing is told until it has.
sub kill_process
{
	my ($node, $pid) = @_;

	kill 'KILL', $pid;
	wait_for($node, 'postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)", 'the restart after a kill');
	return;
}

# Until nothing waits for any processor.
sub wait_caught_up
{
	my ($node, $database) = @_;

	wait_for($node, $database,
		'SELECT coalesce(sum(waiting), 0) = 0 FROM personalize.stat_processor', 'processors to catch up');
	return;
}

# After catching up, the stored results are those of a recomputation; withdrawn => 1
# if somebody has withdrawn, whose events stay in the numbers of events counted.
sub exact
{
	my ($node, $database, $name, %option) = @_;

	wait_caught_up($node, $database);
	my $difference = $node->safe_psql($database,
		'SELECT * FROM recompute.differences() AS d'
		  . ($option{withdrawn} ? q{ WHERE d !~ '^\w+ counted \d+ events'} : '') . ' LIMIT 10');
	return is($difference, '', $name);
}

# Workers of a database as pg_stat_activity sees them.
sub worker_count
{
	my ($node, $database) = @_;

	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND datname = '$database'");
}

# Events that two processors have not counted yet; enable_sql() makes them.
sub leave_a_tail
{
	my ($node, $database) = @_;

	traffic($node, $database, 3, 400);
	wait_caught_up($node, $database);
	$node->safe_psql($database, q{SELECT personalize.disable_processor(p) FROM unnest(ARRAY['profile', 'item_stat']) AS p});
	traffic($node, $database, 3, 400);
	return;
}

sub enable_sql
{
	return q{SELECT personalize.enable_processor(p) FROM unnest(ARRAY['profile', 'item_stat']) AS p};
}

# One value for what a reader sees of everybody, stored and tail together.
sub readers_sql
{
	return q{SELECT md5(string_agg(f::text, ',' ORDER BY f::text))
		FROM generate_series(0, 300) AS u, personalize.features(u, as_of => '2100-01-01', period => NULL) AS f};
}

# The server's log from an offset on.
sub slurp_log
{
	my ($node, $offset) = @_;

	return slurp_file($node->logfile, $offset // 0);
}

1;
