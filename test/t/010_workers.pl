# The launcher and the workers: where they run, and that they are in nobody's way.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "log_min_messages = info\nmax_worker_processes = 8\n");
my $running = "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND datname = ";

# They come with the extension and go with it.
make_shop($node, 'shop');
wait_for($node, 'postgres', "$running 'shop'");
pass('a worker comes with the extension');
is(worker_count($node, 'postgres'), 0, 'none where the extension is not installed');
is( $node->safe_psql('postgres',
		"SELECT DISTINCT usename, rolsuper FROM pg_stat_activity JOIN pg_roles ON rolname = usename WHERE backend_type = 'personalize worker'"
	),
	'personalize_owner|f',
	'it runs as the owner, who is no superuser');
traffic($node, 'shop', 3, 100);
exact($node, 'shop', 'what it has counted is right');
is( $node->safe_psql('shop', q{SELECT string_agg("check", ', ') FROM personalize.health() WHERE NOT ok AND "check" <> 'purposes'}),
	'', 'health() finds everything well');
is( $node->safe_psql('shop', q{SELECT count(*) >= 4 FROM personalize._event_day}),
	't', 'partitions are made ahead');

# A name nobody can pin to another schema, and settings of the role that would break it.
$node->safe_psql('shop', q{
	ALTER ROLE personalize_owner SET search_path = evil;
	ALTER ROLE personalize_owner SET default_transaction_read_only = on;
	ALTER DATABASE shop SET default_transaction_isolation = 'serializable';
	DO $$ BEGIN
		IF current_setting('server_version_num')::int >= 170000 THEN ALTER ROLE personalize_owner SET transaction_timeout = '100ms'; END IF;
	END $$;
	CREATE SCHEMA evil;
	CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''caught''; END';
	SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'personalize worker'});
wait_for($node, 'postgres', "$running 'shop'");
traffic($node, 'shop', 3, 100);
traffic($node, 'shop', 10, 2000);
exact($node, 'shop', 'settings of the role and the database do not reach it');
$node->safe_psql('shop', q{
	ALTER ROLE personalize_owner RESET ALL; ALTER DATABASE shop RESET ALL; DROP SCHEMA evil CASCADE});

# Commands that need the database for themselves, while it is busy.
my $offset = -s $node->logfile;
for my $round (1 .. 5)
{
	traffic($node, 'shop', 5, 500);
	$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE shop');
	exact($node, 'copy', "CREATE DATABASE TEMPLATE while busy $round: the copy goes on from where it was");
	traffic($node, 'copy', 3, 100);
	exact($node, 'copy', "the copy counts its own events $round");
	exact($node, 'shop', "the template goes on $round");
	traffic($node, 'copy', 5, 500);
	$node->safe_psql('postgres', 'ALTER DATABASE copy RENAME TO copy2');
	traffic($node, 'copy2', 5, 500);
	$node->safe_psql('postgres', 'ALTER DATABASE copy2 RENAME TO copy');
	exact($node, 'copy', "ALTER DATABASE RENAME while busy $round");
	traffic($node, 'copy', 5, 500);
	$node->safe_psql('postgres', 'DROP DATABASE copy');
	pass("DROP DATABASE while busy $round");
}

# The hold ends with the command also if that fails.
wait_for($node, 'postgres', "$running 'shop'");
my ($code) = $node->psql('postgres', 'ALTER DATABASE shop RENAME TO postgres');
isnt($code, 0, 'a command that fails');
traffic($node, 'shop', 2, 100);
exact($node, 'shop', 'work goes on after it');

# Nobody is stopped by a command that its user may not run.
$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN');
my $before = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'personalize worker'");
$node->psql('postgres', 'DROP DATABASE shop', extra_params => [ '-U', 'nobody' ]);
$node->psql('postgres', 'CREATE DATABASE copy TEMPLATE shop', extra_params => [ '-U', 'nobody' ]);
$node->psql('shop', 'DROP EXTENSION personalize', extra_params => [ '-U', 'nobody' ]);
is($node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'personalize worker'"),
	$before, 'a user without the right stops nobody');

# DROP EXTENSION while busy; inside a transaction the workers stay away to its end.
traffic($node, 'shop', 5, 500);
my $session = $node->background_psql('shop');
$session->query_safe('SET client_min_messages = warning');
$session->query_safe('BEGIN');
$session->query_safe('DROP EXTENSION personalize CASCADE');
is(worker_count($node, 'shop'), 0, 'held back until the transaction ends');
$session->query_safe('ROLLBACK');
exact($node, 'shop', 'DROP EXTENSION rolled back: work goes on');
$session->query_safe('BEGIN');
$session->query_safe('SAVEPOINT a');
$session->query_safe('DROP EXTENSION personalize CASCADE');
$session->query_safe('ROLLBACK TO a');
is(worker_count($node, 'shop'), 0, 'a subtransaction rolled back keeps the hold');
$session->query_safe('COMMIT');
traffic($node, 'shop', 5, 500);
exact($node, 'shop', 'and then work goes on');
traffic($node, 'shop', 5, 500);
$session->query_safe('ALTER EXTENSION personalize UPDATE');
exact($node, 'shop', 'ALTER EXTENSION while busy');
traffic($node, 'shop', 5, 500);
$session->query_safe('DROP EXTENSION personalize CASCADE; DROP SCHEMA recompute CASCADE');
$session->quit;
wait_for($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'personalize worker'");
pass('no worker where the extension was dropped');
my $log = slurp_log($node, $offset);
# who is told to leave while it connects leaves in this way
(my $errors = $log) =~ s/^.*FATAL:  terminating background worker "personalize worker" due to administrator command$//mg;
unlike($errors, qr/(FATAL|PANIC):/, 'none of this ended a process in an error');
unlike($log, qr/WARNING:.*personalize/, 'and the workers found nothing to complain about');

# Which databases, and how many workers.
$node->safe_psql('postgres', "ALTER SYSTEM SET personalize.databases = 'other, shop2'");
$node->reload;
make_shop($node, 'shop2');
make_shop($node, 'shop3');
wait_for($node, 'postgres', "$running 'shop2'");
is(worker_count($node, 'shop3'), 0, 'personalize.databases leaves others alone');
$node->safe_psql('postgres', "ALTER SYSTEM SET personalize.workers = 3");
$node->reload;
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'personalize launcher'");
wait_for($node, 'postgres', "SELECT count(*) = 3 FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND datname = 'shop2'");
pass('personalize.workers workers, also by a launcher that was restarted');
traffic($node, 'shop2', 10, 500);
exact($node, 'shop2', 'which divide the work');
$node->safe_psql('postgres', "ALTER SYSTEM RESET ALL");
$node->reload;
wait_for($node, 'postgres', "$running 'shop2'");
wait_for($node, 'postgres', "$running 'shop3'");
pass('and fewer after the setting was taken back');

# A superuser as owner, or one that may not log in, gets no worker and the log says why, once.
$offset = -s $node->logfile;
$node->safe_psql('postgres', 'ALTER ROLE personalize_owner SUPERUSER');
$node->wait_for_log(qr/does not run in database "shop2": role "personalize_owner" is a superuser/, $offset);
wait_for($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'personalize worker'");
pass('no worker runs as a superuser');
$node->safe_psql('postgres', 'ALTER ROLE personalize_owner NOSUPERUSER');

$node->stop('fast');
unlike(slurp_log($node, $offset), qr/PANIC/, 'pg_ctl stop');
done_testing();
