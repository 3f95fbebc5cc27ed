# A storm: whatever can happen to shards, workers and the server, at random.
#
# Events of few people and items, so that shards are uneven; small and large
# batches, workers that come and go, processors switched off and on, stripes held
# by withdrawals that end either way, long transactions, rollup_now beside the
# workers, rebuilds, workers killed and the server stopped without a checkpoint.
# In the end all must be as if counted from the raw events.
#
# PERSONALIZE_SECONDS sets how long, PERSONALIZE_SEED which storm (it decides what
# is done, not when the workers do their part).
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{PERSONALIZE_SECONDS} || 40;
my $seed = $ENV{PERSONALIZE_SEED} // time ^ $$;
srand($seed);
note("PERSONALIZE_SEED=$seed PERSONALIZE_SECONDS=$seconds");

my $node = new_node('main', conf => q{
max_worker_processes = 12
restart_after_crash = on
log_min_messages = warning
});
make_shop($node, 'shop');
my @processors = qw(profile item_stat neighbour exposure);
my @open;						# sessions with a transaction that is open
my %done;

# One of a list.
sub pick { return $_[ int(rand(@_)) ]; }

# A person of few; the first ones come most often.
sub person { return 'u' . int(40 * rand()**3); }

# A statement that may fail because the server goes, or somebody holds what it needs.
sub try_sql
{
	my ($sql) = @_;
	$node->psql('shop', "SET lock_timeout = '300ms'; SET client_min_messages = error; $sql", timeout => 60);
	return;
}

# Some events of one transaction.
sub events_sql
{
	my ($count) = @_;
	return sprintf(q{SELECT count(*) FROM generate_series(1, %d), personalize.track('%s', '%s', 'sku%d', session_id => '%s', consent => '{%s}');},
		$count, person(), pick(qw(view_item view_item add_to_cart purchase)), int(30 * rand()**3), 's' . int(rand(50)),
		pick('analytics,personalization,recommendations', 'analytics,personalization', 'analytics'));
}

# A session that leaves its transaction open.
sub leave_open
{
	my ($sql) = @_;
	return if @open >= 3;
	my $session = $node->background_psql('shop', on_error_stop => 0);
	$session->query("SET client_min_messages = error; SET lock_timeout = '300ms'; BEGIN; $sql");
	push @open, $session;
	return;
}

# End one of them.
sub end_open
{
	my $session = splice(@open, int(rand(@open)), 1) or return;
	eval { $session->query(pick('COMMIT', 'COMMIT', 'ROLLBACK')) };
	eval { $session->quit };
	return;
}

# The sessions are lost with the server.
sub lose_open
{
	eval { $_->quit } for @open;
	@open = ();
	return;
}

# Settings of the server.
sub set_conf
{
	my ($name, $value) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET $name = $value");
	$node->reload;
	return;
}

# Kill a worker, with which the server restarts all others.
sub kill_worker
{
	my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'personalize worker' LIMIT 1");
	return unless $pid;
	kill_process($node, $pid);
	lose_open();
	return;
}

my @acts = (
	[ 8, events => sub { try_sql(join '', map { events_sql(1 + int(rand(4))) } 1 .. 30) } ],
	[ 2, large => sub { try_sql(events_sql(150)) } ],
	[ 2, long => sub { leave_open(events_sql(5)) } ],
	[ 3, hold => sub { leave_open(sprintf q{SELECT personalize.withdraw_consent('%s', '{%s}')}, person(), pick('marketing', 'analytics,personalization,recommendations')) } ],
	[ 4, end => \&end_open ],
	[ 2, withdraw => sub { try_sql(sprintf q{SELECT personalize.withdraw_consent('%s', '{%s}')}, person(), pick(qw(analytics personalization recommendations))) } ],
	[ 3, workers => sub { set_conf('personalize.workers', 1 + int(rand(4))) } ],
	[ 3, batch => sub { set_conf('personalize.batch_events', pick(1, 10, 1000)) } ],
	[ 2, disable => sub { try_sql(sprintf q{SELECT personalize.disable_processor('%s')}, pick(@processors)) } ],
	[ 3, enable => sub { try_sql(sprintf q{SELECT personalize.enable_processor('%s')}, pick(@processors)) } ],
	[ 1, rollup => sub { try_sql(q{SET personalize.batch_events = 10; SET statement_timeout = '2s'; SELECT * FROM personalize.rollup_now()}) } ],
	[ 1, rebuild => sub { try_sql(sprintf q{SELECT personalize.rebuild_processor('%s')}, pick(@processors)) } ],
	[ 1, kill => \&kill_worker ],
	[ 1, stop => sub { $node->stop('immediate'); lose_open(); $node->start } ]);

# Every act once, then by their weights.
my @deck = map { my $act = $_; ($act) x $act->[0] } @acts;
my $started = time;
for (my $step = 0; time - $started < $seconds; $step++)
{
	my $act = $step < @acts ? $acts[$step] : pick(@deck);
	$act->[2]->();
	$done{ $act->[1] }++;
}
note(join ', ', map { "$_ $done{$_}" } sort keys %done);

end_open() while @open;
set_conf('personalize.batch_events', 1000);
$node->safe_psql('shop', "SELECT personalize.enable_processor('$_')") for @processors;
exact($node, 'shop', 'every event counts once after the storm', withdrawn => 1);
is($node->safe_psql('shop', 'SELECT * FROM personalize.verify_counts() WHERE wrong > 0'), '', 'and verify_counts() finds nothing wrong');
cmp_ok($node->safe_psql('shop', 'SELECT count(*) FROM personalize.event'), '>', 100, 'there were events');
is($node->safe_psql('shop', q{SELECT count(*) FROM personalize.stat_processor WHERE last_error LIKE '%run backwards%'}), 0,
	'no position was to run backwards');
$node->stop;
done_testing();
