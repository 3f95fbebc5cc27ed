# Stopping while busy, and promoting a standby while busy.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('primary', init => { allows_streaming => 1 }, conf => "personalize.workers = 2\nlog_min_messages = warning\n");
make_shop($node, 'shop');
traffic($node, 'shop', 5, 500);

# pg_ctl stop in all its modes, with events waiting.
for my $mode (qw(smart fast immediate))
{
	traffic($node, 'shop', 5, 1000);
	$node->stop($mode);
	$node->start;
	exact($node, 'shop', "pg_ctl stop -m $mode while busy");
}

# A standby serves, and processes nothing.
my $standby = new_standby($node, 'standby');
traffic($node, 'shop', 5, 500);
exact($node, 'shop', 'the primary goes on');
$node->wait_for_catchup($standby);
is(worker_count($standby, 'shop'), 0, 'a standby has no workers');
my ($code, $out, $error) = $standby->psql('shop', 'SELECT * FROM personalize.rollup_now()');
like($error, qr/cannot be processed during recovery/, 'and rollup_now is refused there');
is($standby->safe_psql('shop', q{SELECT string_agg("check", ', ') FROM personalize.health() WHERE NOT ok AND "check" <> 'purposes'}),
	'', 'health() is content with a standby');
is($standby->safe_psql('shop', 'SELECT count(*) FROM personalize.stat_processor'), 4, 'stat_processor answers on a standby');
my $request = $standby->safe_psql('shop', 'SELECT request_id FROM personalize.trending(1)');
is($node->safe_psql('shop', "SELECT engine FROM personalize.request_origin('$request')"), 'trending', 'an id that a standby gave is known to the primary');

# What runs on the primary has not happened on the standby, and has nothing to
# do with what an anchor taken there stands for: top-level transactions, their
# subtransactions, and so many of those that a snapshot cannot hold them.
for my $case ([ 'a transaction', 0 ], [ 'subtransactions', 10 ], [ 'more subtransactions than a snapshot holds', 200 ])
{
	my ($what, $subtransactions) = @$case;
	my $session = $node->background_psql('shop');

	$session->query_safe('BEGIN');
	$session->query_safe("SELECT personalize.grant_consent('on $what', '{analytics,personalization}')");
	$session->query_safe("SAVEPOINT s$_; SELECT personalize.grant_consent('in $what $_', '{analytics}')") for 1 .. $subtransactions;
	$session->query_safe("SELECT personalize.track('on $what', 'view_item', 'sku1')");
	my $xid = $session->query_safe('SELECT pg_current_xact_id()');
	# later transactions are over, so that its id lies within the standby's snapshots
	traffic($node, 'shop', 2, 10);
	$node->wait_for_catchup($standby);
	my $anchor = $standby->safe_psql('shop', 'SELECT personalize.ledger_anchor()');
	my $position = $standby->safe_psql('shop', 'SELECT personalize_internal._txid_snapshot()');
	like($position, qr/[:,]$xid(,|$)/, "$what: running on the primary, in progress on the standby");
	is($standby->safe_psql('shop', "SELECT count(*) FROM personalize.consent_of('on $what') WHERE decided_at IS NOT NULL"),
		0, "$what: nobody has decided yet");
	is($standby->safe_psql('shop', "SELECT coalesce(sum(events), 0) FROM personalize.profile('on $what', 'personalization')"), 0, "$what: nor been seen");

	$session->query_safe('COMMIT');
	$session->quit;
	wait_caught_up($node, 'shop');
	$node->wait_for_catchup($standby);
	is($_->safe_psql('shop', "SELECT * FROM personalize.verify_ledger(NULL, '$anchor')"), '', "$what: the anchor holds on " . $_->name)
	  for ($standby, $node);
	is($standby->safe_psql('shop', readers_sql()), $node->safe_psql('shop', readers_sql()), "$what: readers agree on both");
}

# Where nothing was written since a restore, readers need not write either.
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION personalize');
$node->wait_for_catchup($standby);
like($standby->safe_psql('fresh', 'SELECT personalize.ledger_anchor()'), qr/"entries": 0/, 'an anchor of a database that is not yet in use');
like($node->safe_psql('fresh', 'BEGIN READ ONLY; SELECT personalize.ledger_anchor(); SELECT personalize_internal._txid_snapshot(); COMMIT'),
	qr/"entries": 0.*^1:/ms, 'and in a transaction that only reads');

# Promotion while batches and writers are under way; the old primary is gone.
my $script = PostgreSQL::Test::Utils::tempdir() . '/traffic.sql';
append_to_file($script, "SELECT recompute.traffic(300);\n" x 200);
my $writer = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('shop'), '-f', $script ],
	'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
wait_for($node, 'postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND query LIKE '%: write'");
$node->stop('immediate');
$writer->finish;
$standby->promote;
exact($standby, 'shop', 'a standby promoted while busy goes on from where the primary was');
is(worker_count($standby, 'shop'), 2, 'with workers of its own');
traffic($standby, 'shop', 5, 300);
exact($standby, 'shop', 'and counts what comes then');
$standby->stop;
done_testing();
