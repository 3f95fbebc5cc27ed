# Ingestion under fire: the same messages by every path from ten clients, while
# consent comes and goes, with savepoints, rollbacks and prepared transactions.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "max_prepared_transactions = 20\nmax_connections = 40\n");
make_shop($node, 'shop');
$node->safe_psql('shop', q{
	SELECT count(personalize.grant_consent(u, '{analytics,personalization,recommendations}')) FROM generate_series(1, 20) u});

my %scripts = (
	track => q{
		\set u random(1, 20)
		\set m random(1, 3000)
		SELECT personalize.track(:u, 'view_item', :m, message_id => 'm' || :m);
	},
	ingest => q{
		\set m random(1, 3000)
		SELECT r.* FROM (SELECT array_agg(1 + (g * 7) % 20) u, array_agg('view_item'::text) e, array_agg('m' || (:m + g)) m
			FROM generate_series(1, 60) g) a, LATERAL personalize.ingest(u, e, message_ids => m) r;
	},
	consent => q{
		\set u random(1, 20)
		\set p random(1, 4)
		SELECT personalize.grant_consent(:u, ARRAY[(ARRAY['analytics', 'personalization', 'recommendations', 'marketing'])[:p]]);
	},
	withdraw => q{
		\set u random(1, 20)
		\set p random(1, 4)
		SELECT personalize.withdraw_consent(:u, ARRAY[(ARRAY['analytics', 'personalization', 'recommendations', 'marketing'])[:p]]);
	},
	inbox => q{
		\set u random(1, 20)
		\set m random(1, 3000)
		BEGIN;
		INSERT INTO personalize.inbox (user_id, event, item_id, message_id)
			VALUES (:u, 'view_item', :m, 'm' || :m), (:u, 'view_item', :m + 1, 'm' || (:m + 1));
		SAVEPOINT a;
		INSERT INTO personalize.inbox (user_id, event, item_id, message_id) SELECT :u, 'view_item', g, 'm' || (g + 2000) FROM generate_series(1, 30) g;
		ROLLBACK TO a;
		SELECT personalize.track('visitor' || :u, 'view_item', :m, consent => '{analytics}', message_id => 'a' || :m);
		END;
	},
	prepared => q{
		\set u random(1, 20)
		\set m random(1, 3000)
		\set x random(1, 1000000000)
		BEGIN;
		SELECT personalize.track(:u, 'view_item', :m, message_id => 'm' || :m);
		SELECT personalize.grant_consent(:u, ARRAY['analytics']);
		PREPARE TRANSACTION 't:x';
		COMMIT PREPARED 't:x';
	});
my @files = map { my $file = "$PostgreSQL::Test::Utils::tmp_check/$_.sql"; append_to_file($file, $scripts{$_}); ('-f', "$file\@" . (/track|ingest|inbox/ ? 5 : 2)) } sort keys %scripts;
{
	local $ENV{PGOPTIONS} = '-c client_min_messages=error';
	$node->command_ok([ 'pgbench', '-n', '-c', 10, '-j', 2, '-t', 150, '--max-tries', 20, @files, 'shop' ], 'ten clients at once');
}

# A batch that is sent again while it is being stored: nobody waits in a circle.
my $same = "$PostgreSQL::Test::Utils::tmp_check/same.sql";
append_to_file($same, q{
	\set n :n + 1
	SELECT r.* FROM (SELECT array_agg(1 + (g * 7) % 20) u, array_agg('view_item'::text) e, array_agg('same' || :n || '-' || g) m
		FROM generate_series(1, 60) g) a, LATERAL personalize.ingest(u, e, message_ids => m) r;
});
{
	local $ENV{PGOPTIONS} = '-c client_min_messages=error';
	$node->command_checks_all([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', 100, '-D', 'n=0', '-f', $same, 'shop' ],
		0, [qr/processed: 800\/800/], [], 'eight clients with the same batches');
}

is($node->safe_psql('shop', 'SELECT count(*) - count(DISTINCT message_key) FROM personalize.event'), '0', 'no message is stored twice');
is( $node->safe_psql('shop', 'SELECT (SELECT count(*) FROM personalize.event) - (SELECT count(*) FROM personalize.message_seen)'),
	'0', 'every message remembered is stored, and the other way round');
is( $node->safe_psql('shop', q{SELECT count(*) FROM personalize.event e, LATERAL personalize_internal._ledger_mask(e.user_key) m
		WHERE e.consent & m.decided & ~m.granted <> 0}),
	'0', 'no event may be used for what is withdrawn');
wait_caught_up($node, 'shop');
is( $node->safe_psql('shop', q{SELECT count(*) FROM personalize.subject s, LATERAL personalize_internal._ledger_mask(s.user_key) m
		WHERE (s.granted, s.decided) IS DISTINCT FROM (m.granted, m.decided)}),
	'0', 'what is known of people agrees with the ledger');
is( $node->safe_psql('shop', q{SELECT sum(messages) FILTER (WHERE status = 'rejected'), sum(messages) FILTER (WHERE status = 'duplicate') > 0 FROM personalize.stat_ingest}),
	'0|t', 'nothing was rejected, and there were duplicates');

# A prepared transaction that keeps a withdrawal waiting is named.
$node->safe_psql('shop', q{SELECT personalize.grant_consent('held', '{analytics}');
	BEGIN; SELECT personalize.track('held', 'view_item', 1); PREPARE TRANSACTION 'left ''behind'''});
my (undef, undef, $refusal) = $node->psql('shop', q{SET lock_timeout = '200ms'; SELECT personalize.withdraw_consent('held')});
like($refusal, qr/Still open: .*prepared transaction 'left ''behind'''/, 'the prepared transaction is named');
$node->restart;
(undef, undef, $refusal) = $node->psql('shop', q{SET lock_timeout = '200ms'; SELECT personalize.withdraw_consent('held')});
like($refusal, qr/Still open: .*prepared transaction 'left ''behind'''/, 'after a restart, too');
$node->safe_psql('shop', q{ROLLBACK PREPARED 'left ''behind'''});

# So is a session, with what it does; a wait that is cancelled tells, too. A processor's batch may stand before it.
my $writer = $node->background_psql('shop');
$writer->query_safe(q{SET application_name = 'the writer'; BEGIN; SELECT personalize.track('held', 'view_item', 1)});
(undef, undef, $refusal) = $node->psql('shop', q{SET lock_timeout = '200ms'; SET ROLE personalize_admin; SELECT personalize.forget('held')});
like($refusal, qr/Still open: .*process \d+ \(client backend, role "[^"]+", application "the writer"\), idle in a transaction, in a transaction of \d+ s\./, 'the session is named');
my $log_size = -s $node->logfile;
(undef, undef, $refusal) = $node->psql('shop', q{SET statement_timeout = '6s'; SELECT personalize.forget('held')});
like($refusal, qr/statement timeout.*waiting for transactions that may be storing events of the person: .*process \d+ \(client backend, role "[^"]+", application "the writer"\)/s, 'a timeout tells what was waited for');
like(slurp_file($node->logfile, $log_size), qr/Until they have ended nobody is forgotten: .*"the writer"/, 'and the log, once');
$writer->query_safe('ROLLBACK');
$writer->quit;

# Across a crash the same message is still the same one.
$node->safe_psql('shop', q{SELECT personalize.grant_consent(1, '{analytics}'); SELECT personalize.track(1, 'view_item', 1, message_id => 'crash')});
$node->stop('immediate');
$node->start;
is( $node->safe_psql('shop', q{SELECT personalize.track(1, 'view_item', 1, message_id => 'crash')}), 'duplicate', 'a message counts once across a crash');
done_testing();
