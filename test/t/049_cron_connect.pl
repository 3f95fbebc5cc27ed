# schedule_maintenance() as a member of personalize_admin, and whether pg_cron can connect.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use Test::More;

plan skip_all => 'pg_cron is not installed' unless has_extension('pg_cron');

my $node = new_node('main', preload => 0, conf => <<'CONF');
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.timezone = 'UTC'
listen_addresses = ''
CONF
$node->safe_psql('postgres', q{CREATE EXTENSION pg_cron; CREATE EXTENSION personalize;
	CREATE ROLE keeper LOGIN IN ROLE personalize_admin; CREATE ROLE other LOGIN IN ROLE personalize_admin; CREATE ROLE watch LOGIN IN ROLE personalize_monitor;
	SELECT personalize.track('ada', 'view_item', 'shoe', consent => '{analytics,personalization,recommendations}')});

my $superuser = $node->safe_psql('postgres', 'SELECT current_user');

# What a role says to a statement: its rows, and what was raised.
sub ask
{
	my ($role, $statement) = @_;
	my ($result, $out, $error) = $node->psql('postgres', $statement, extra_params => [ '-U', $role ]);
	return ($out, $error);
}

# Restart with other settings.
sub with
{
	my ($conf, @hba) = @_;
	$node->append_conf('postgresql.conf', $conf);
	open my $file, '>', $node->data_dir . '/pg_hba.conf' or die $!;
	print $file "$_\n" for 'local all all trust', @hba;
	close $file;
	$node->restart;
	return;
}
my $schedule = q{SELECT string_agg(job || ' ' || result, ', ' ORDER BY job) FROM personalize.schedule_maintenance()};
my $made = join(', ', map { "$_ scheduled" } qw(log partitions retention rollup scrub));
my $same = join(', ', map { "$_ unchanged" } qw(log partitions retention rollup scrub));

# --- rights
my ($out, $error) = ask('keeper', $schedule);
like($error, qr/ERROR:  role "keeper" lacks rights on schema cron/, 'a member of personalize_admin is told what it lacks');
my ($grant) = $error =~ /HINT:  As a superuser, run: (GRANT .*;)/;
is($grant, 'GRANT USAGE ON SCHEMA cron TO keeper;', 'as statements');
$node->safe_psql('postgres', "$grant $grant");
$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA cron TO other');
$node->safe_psql('postgres', 'REVOKE DELETE ON cron.job_run_details FROM PUBLIC; REVOKE EXECUTE ON FUNCTION cron.unschedule(bigint) FROM PUBLIC');
($out, $error) = ask('keeper', $schedule);
($grant) = $error =~ /HINT:  As a superuser, run: (GRANT .*;)/;
like($grant, qr/cron\.unschedule\(bigint\).*DELETE ON TABLE cron\.job_run_details/, 'each of them');
$node->safe_psql('postgres', $grant =~ s/keeper/other/gr . $grant);
($out, $error) = ask($superuser, "SET ROLE personalize_admin; $schedule");
like($error, qr/role "personalize_admin" cannot log in/, 'a role that cannot log in is refused');

# --- a server that listens on sockets only
($out, $error) = ask('keeper', $schedule);
is($out, $made, 'with these it makes the jobs');
like($error, qr/WARNING:  pg_cron cannot connect to run the jobs: nobody listens at cron.host "localhost".*HINT:  .*cron\.use_background_workers = on/s,
	'and says that pg_cron cannot connect, with the setting');
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT username, ', ') FROM cron.job}), 'keeper', 'they run as the caller');

# --- others
($out, $error) = ask('other', $schedule);
like($out, qr/^log is scheduled by role "keeper", partitions is scheduled by role "keeper"/, 'jobs of another role are not made twice');
is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.job'), 5, 'not one of them');
($out) = ask($_, q{SELECT ok FROM personalize.health() WHERE "check" = 'maintenance jobs'}), is($out, 't', "$_ is not told that jobs have vanished which it cannot see")
	for qw(other watch keeper);
$node->safe_psql('postgres', q{SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname ~ 'partitions'});
($out) = ask('keeper', q{SELECT string_agg(task, ', ') FROM personalize.stat_retention WHERE overdue});
is($out, 'job partitions', 'who sees them is told when one has');
is($node->safe_psql('postgres', $schedule), 'log unchanged, partitions scheduled, retention unchanged, rollup unchanged, scrub unchanged',
	'a superuser sees everybody\'s');
$node->safe_psql('postgres', 'SELECT * FROM personalize.unschedule_maintenance()');
is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.job'), 0, 'and takes them away');
ask('keeper', $schedule);

# --- what pg_hba.conf says
with("listen_addresses = '127.0.0.1'\ncron.host = '127.0.0.1'", 'host all all 127.0.0.1/32 scram-sha-256');
($out, $error) = ask('keeper', $schedule);
is($out, $made, 'another host: the jobs are made anew');
($out, $error) = ask('keeper', $schedule);
is($out, $same, 'once');
like($error, qr/WARNING:  .*at cron.host "127.0.0.1" a password is asked of role "keeper", and pg_cron has none/, 'a password is told of');
with('', 'host all all 127.0.0.1/32 reject');
($out, $error) = ask('keeper', $schedule);
like($error, qr/WARNING:  .*at cron.host "127.0.0.1" pg_hba.conf rejects connection/, 'so is a refusal');
with('', 'host all all 127.0.0.1/32 trust');
($out, $error) = ask('keeper', $schedule);
is($error, '', 'where it can connect nothing is said');
with("cron.host = '/nowhere'");
($out, $error) = ask('keeper', $schedule);
like($error, qr/nobody listens at cron.host "\/nowhere"/, 'so is a socket elsewhere');
with("cron.host = '/nowhere'\ncron.use_background_workers = on");
($out, $error) = ask('keeper', $schedule);
is($error, '', 'background workers need no connection');

# --- through a socket the jobs run, as the member
with("cron.use_background_workers = off\ncron.host = '" . $node->host . "'");
($out, $error) = ask('keeper', $schedule);
is($error, '', 'the right socket is found');
is($out, $made, 'jobs that would go elsewhere are made anew');
wait_for($node, 'postgres', q{SELECT bool_or(status = 'succeeded') FROM cron.job_run_details WHERE username = 'keeper' AND command LIKE '%rollup_now%'}, 'a job to run');
for my $command (split /\n/, $node->safe_psql('postgres', q{SELECT command FROM cron.job WHERE username = 'keeper'}))
{
	(undef, $error) = ask('keeper', $command);
	is($error, '', "a member may run: " . substr($command, 0, 50));
}

# --- dropped and made again
($out, $error) = ask($superuser, 'DROP EXTENSION personalize');
like($error, qr/NOTICE:  5 jobs of personalize are taken out of pg_cron/, 'a member\'s jobs go with the extension');
is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.job'), 0, 'all of them');
$node->safe_psql('postgres', 'CREATE EXTENSION personalize');
($out, $error) = ask('keeper', $schedule);
is($out, $made, 'and are made again with it');
is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.job'), 5, 'once');
$node->stop;
done_testing();
