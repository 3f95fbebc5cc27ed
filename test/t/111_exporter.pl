# Debian's prometheus-postgres-exporter with docs/monitoring, and promtool over the alert rules.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IO::Socket::INET;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $files = "$FindBin::RealBin/../../docs/monitoring";

# A program of a Debian package, which is unpacked if it is not installed (an
# installation would start its service); '' if it cannot be had.
sub program
{
	my ($package, $name) = @_;
	my $unpacked = PostgreSQL::Test::Utils::tempdir();
	for my $directory (split(/:/, $ENV{PATH}), '/usr/bin')
	{
		return "$directory/$name" if -x "$directory/$name";
	}
	system("cd '$unpacked' && apt-get download -qq $package >/dev/null 2>&1 && dpkg -x $package\_*.deb . >/dev/null 2>&1");
	return -x "$unpacked/usr/bin/$name" ? "$unpacked/usr/bin/$name" : '';
}
my $exporter = program('prometheus-postgres-exporter', 'prometheus-postgres-exporter');
my $promtool = program('prometheus', 'promtool');
plan skip_all => 'prometheus-postgres-exporter and promtool (package prometheus) can neither be found nor downloaded' unless $exporter || $promtool;

# --- the rules
SKIP:
{
	skip 'promtool (package prometheus) can neither be found nor downloaded', 2 unless $promtool;
	is(system("'$promtool' check rules '$files/alerts.yaml' >/dev/null"), 0, 'the alert rules are sound');
	my $log = `cd '$files' && '$promtool' test rules alerts_test.yaml 2>&1`;
	is($?, 0, 'and alert when they should') or diag($log);
}

# --- the exporter, as a role that watches
SKIP:
{
	skip 'prometheus-postgres-exporter can neither be found nor downloaded', 1 unless $exporter;
	my $node = new_node('main');
	make_shop($node, 'shop');
	traffic($node, 'shop', 2, 200);
	wait_caught_up($node, 'shop');
	$node->safe_psql('shop', q{CREATE ROLE watch LOGIN IN ROLE personalize_monitor, pg_monitor;
		SELECT personalize.track_many('[{"user_id": "nobody-to-name", "event": "view_item", "ts": "wrong"}]');
		SELECT personalize.recommend('nobody-to-name');
		SELECT personalize.disable_processor('neighbour'); SELECT personalize.rebuild_processor('neighbour')});
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	local $ENV{DATA_SOURCE_NAME} = 'user=watch dbname=shop sslmode=disable host=' . $node->host . ' port=' . $node->port;
	my $log = PostgreSQL::Test::Utils::tempdir() . '/exporter.log';
	my $run = IPC::Run::start([ $exporter, "--extend.query-path=$files/personalize.yaml", "--web.listen-address=127.0.0.1:$port" ],
		'<', '/dev/null', '>', $log, '2>&1');
	my $page = '';
	for (1 .. 300)
	{
		my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp');
		if ($socket)
		{
			print $socket "GET /metrics HTTP/1.0\r\n\r\n";
			$page = do { local $/; <$socket> };
			last if $page =~ /personalize_check_ok/;
		}
		usleep(100_000);
	}
	$run->kill_kill;
	$node->stop;
	my $said = slurp_file($log);
	unlike($said, qr/personalize.*(?:error|permission|fail)/i, 'the exporter has no complaints of the queries') or diag($said);
	like($page, qr/pg_exporter_last_scrape_error 0|pg_exporter_last_scrape_error\{[^}]*\} 0/, 'it has read all');
	# every metric of the file is there
	my ($query, $column, %metrics);
	for (split /\n/, slurp_file("$files/personalize.yaml"))
	{
		$query = $1 if /^(\w+):/;
		$column = $1 if /^    - (\w+):/;
		$metrics{"${query}_$column"} = 1 if /usage: "(?:GAUGE|COUNTER)"/;
	}
	like($page, qr/^$_\{/m, $_) for sort keys %metrics;
	like($page, qr/^personalize_check_ok\{check="purposes"[^}]*\} 1$/m, 'with what health() says');
	like($page, qr/^personalize_processor_enabled\{processor="neighbour"[^}]*\} 0$/m, 'and stat_processor');
	like($page, qr/^personalize_progress_percent\{[^}]*subject="neighbour"[^}]*\} 0$/m, 'and stat_progress');
	unlike($page, qr/nobody-to-name/, 'and names nobody');
}
done_testing();
