# Erasures after dump and restore, without preload, by the worker, and in large indexes.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $all = "'{analytics,personalization,recommendations}'";
my $node = new_node('main', preload => 0, conf => "log_statement = none\nautovacuum = off\nrestart_after_crash = on\n");
my $directory = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', 'CREATE EXTENSION personalize');

sub vacuumed
{
	my ($database) = @_;
	wait_for($node, $database, q{SELECT bool_and(reached ? 'vacuumed') FROM personalize.erasure}, 'the scrub process');
	return;
}

# Without preload: scrub_erased() finds a process all the same.
$node->safe_psql('shop', qq{
	SELECT count(personalize.track('user-' || u, 'view_item', 'item-' || u, jsonb_build_object('query', 'q'), consent => $all)) FROM generate_series(1, 3000) AS u;
	SELECT personalize.grant_consent('comes-back', $all, 'form');
	SELECT personalize.track('comes-back', 'view_item', 'item-1');
	SELECT personalize.track_many('[{"user_id": ["only-named"], "event": "view_item"}, {"user_id": ["else-named"], "event": "view_item"}]');
	SELECT * FROM personalize.rollup_now()});
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$directory/older", '-d', $node->connstr('shop') ], 'a backup from before');

# So many are erased that some of their keys separate pages of indexes.
my %key = map { split /\|/ } split /\n/, $node->safe_psql('shop',
	q{SELECT user_id, user_key FROM personalize.subject WHERE user_id LIKE 'user-%5' OR user_id LIKE 'user-%3'});
my %stored = map { pack('q<', $key{$_}) => 1 } keys %key;
sub files_of
{
	my ($like) = @_;
	return map { $node->data_dir . "/$_" } split /\n/, $node->safe_psql('shop',
		"SELECT pg_relation_filepath(oid) FROM pg_class WHERE relname ~ '$like' AND relkind IN ('r', 'i') AND relnamespace = 'personalize'::regnamespace");
}
sub found_in
{
	my (@files) = @_;
	my ($keys, $ids) = (0, 0);
	for my $file (@files)
	{
		my $content = slurp_file($file);
		for (my $at = 0; $at + 8 <= length $content; $at += 4)
		{
			$keys++ if $stored{ substr($content, $at, 8) };
		}
		$ids++ while $content =~ /user-\d*[53](?![0-9])/g;
	}
	return "$keys keys, $ids ids";
}
$node->safe_psql('shop', q{
	SELECT count(*) FROM personalize.forget_many(ARRAY(SELECT user_id FROM personalize.subject WHERE user_id LIKE 'user-%5' OR user_id LIKE 'user-%3'));
	SELECT personalize.forget('only-named');
	SELECT personalize.forget('comes-back')});
$node->safe_psql('shop', 'CHECKPOINT');
my $people = '^(subject|profile|session|_basket|_dictionary_log|consent_ledger|event_p)';
isnt(found_in(files_of($people)), '0 keys, 0 ids', 'the files know the erased: ' . found_in(files_of($people)));
my $separators = $node->safe_psql('shop', "SELECT string_agg(oid::regclass::text || relfilenode, ',' ORDER BY relname) FROM pg_class WHERE relkind = 'i' AND relname LIKE 'subject%'");

# The process is ended while it builds an index anew, and waits there for us: before
# the new index is built, and after it has taken the place of the old one.
my $invalid = q{SELECT string_agg(c.relname, ',' ORDER BY c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid};
my $scrub = q{FROM pg_stat_activity WHERE backend_type = 'personalize scrub'};
my $health = q{SELECT ok, detail FROM personalize.health() WHERE "check" = 'invalid indexes'};
for my $end ([ 'cancelled', 'consent_ledger', 'ROW EXCLUSIVE', '_ccnew', "SELECT pg_cancel_backend(pid) $scrub" ],
	[ 'terminated', 'session', 'ACCESS SHARE', '_ccold', "SELECT pg_terminate_backend(pid) $scrub" ],
	[ 'killed', 'subject', 'ROW EXCLUSIVE', '_ccnew', undef ])
{
	my ($what, $table, $mode, $suffix, $statement) = @$end;
	my $holder = $node->background_psql('shop', on_error_stop => 0);
	$holder->query_safe("BEGIN; LOCK TABLE personalize.$table IN $mode MODE");
	$node->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
	wait_for($node, 'shop', "SELECT EXISTS (SELECT $scrub AND wait_event_type = 'Lock')"
		  . " AND EXISTS (SELECT FROM pg_index WHERE NOT indisvalid AND indrelid = 'personalize.$table'::regclass)", "the rebuild of an index of $table");
	is($node->safe_psql('shop', $health), 't|none', "at work on $table, nothing is wrong");
	my $left = $node->safe_psql('shop', $invalid);
	if ($statement)
	{
		$node->safe_psql('shop', $statement);
		wait_for($node, 'shop', "SELECT count(*) = 0 $scrub", 'the process to end');
		$holder->query_safe('COMMIT');
	}
	else
	{
		my $pid = $node->safe_psql('shop', "SELECT pid $scrub");
		kill_process($node, $pid);
	}
	$holder->{run}->kill_kill;
	like($left, qr/^$table\w*$suffix$/, "$what, it leaves one invalid index, and those left before are gone");
	is($node->safe_psql('shop', $invalid), $left, 'which stays');
	is($node->safe_psql('shop', $health), "f|left by a REINDEX or CREATE INDEX that was ended: personalize.$left", 'health() names it');
	is($node->safe_psql('shop', q{SELECT DISTINCT s.done, array_to_string(s.blockers, ',') FROM personalize.erasure e, personalize.erasure_status(e.receipt) s WHERE s.stage = 'vacuumed'}),
		"f|index personalize.$left, which is invalid", 'and erasure_status');
}

# One that a REINDEX of somebody else is building is not touched, one that was made otherwise is only named.
my $other = $node->background_psql('shop');
$other->query_safe('BEGIN; LOCK TABLE personalize.item IN ROW EXCLUSIVE MODE');
my $reindex = $node->background_psql('shop');
$reindex->query_until(qr/begun/, "\\echo begun\nREINDEX INDEX CONCURRENTLY personalize.item_pkey;\n\\echo ended\n");
wait_for($node, 'shop', q{SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid AND indrelid = 'personalize.item'::regclass});
$node->safe_psql('shop', q{CREATE INDEX CONCURRENTLY made_by_hand ON personalize.item_stat (amount); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'personalize.made_by_hand'::regclass});
$node->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
wait_for($node, 'shop', "SELECT EXISTS (SELECT $scrub AND wait_event_type = 'Lock')", 'VACUUM to wait for the REINDEX');
is($node->safe_psql('shop', $invalid), 'item_pkey_ccnew,made_by_hand', 'beside a REINDEX all others are dropped');
$other->query_safe('COMMIT');
$reindex->query_until(qr/ended/, '');
$_->quit for $other, $reindex;
wait_for($node, 'shop', "SELECT count(*) = 0 $scrub", 'the process to end');
is($node->safe_psql('shop', $invalid), 'made_by_hand', 'what was made by hand is not dropped');
is($node->safe_psql('shop', q{SELECT DISTINCT s.done, array_to_string(s.blockers, ',') FROM personalize.erasure e, personalize.erasure_status(e.receipt) s WHERE s.stage = 'vacuumed'}),
	'f|index personalize.made_by_hand, which is invalid', 'but keeps an erasure from counting as vacuumed');
$node->safe_psql('shop', 'DROP INDEX personalize.made_by_hand');
$node->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
vacuumed('shop');
is($node->safe_psql('shop', $health), 't|none', 'when all is done, nothing is wrong');
$node->safe_psql('shop', 'CHECKPOINT');
is(found_in(files_of($people)), '0 keys, 0 ids', 'scrubbed without preload: nor do upper levels of indexes');
isnt($node->safe_psql('shop', "SELECT string_agg(oid::regclass::text || relfilenode, ',' ORDER BY relname) FROM pg_class WHERE relkind = 'i' AND relname LIKE 'subject%'"),
	$separators, 'because some indexes were built anew');
is($node->safe_psql('shop', q{SELECT count(*) FROM pg_index WHERE NOT indisvalid}), 0, 'and no invalid one was left');
is($node->safe_psql('shop', q{SELECT count(*) FROM personalize.item WHERE item_id LIKE 'item-%5'}), 0, 'items only they had are gone');
is($node->safe_psql('shop', q{SELECT count(*) FROM personalize.item WHERE item_id IN ('item-1', 'item-2')}), 2, 'those of others are not');

# What clients are given does not reach the process.
$node->safe_psql('shop', q{ALTER DATABASE shop SET default_transaction_read_only = on; ALTER DATABASE shop SET default_transaction_isolation = 'serializable';
	ALTER DATABASE shop SET lock_timeout = '1ms'; ALTER ROLE personalize_owner SET search_path = nowhere; ALTER ROLE personalize_owner SET row_security = off});
my $unlike_clients = q{SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off;};
$node->safe_psql('shop', "$unlike_clients SELECT personalize.forget('nobody-7')");
$node->safe_psql('shop', "$unlike_clients SELECT * FROM personalize.scrub_erased()");
vacuumed('shop');
pass('scrubbed where clients read only, serializably and hardly wait');
$node->safe_psql('shop', "$unlike_clients ALTER DATABASE shop RESET ALL; ALTER ROLE personalize_owner RESET ALL");

# Statistics of what somebody has made of columns of people: of an index's expression, and of several columns.
my $statistics = q{SELECT DISTINCT s.done, array_to_string(s.blockers, ', ') FROM personalize.erasure e, personalize.erasure_status(e.receipt) s WHERE s.stage = 'statistics'};
is($node->safe_psql('shop', $statistics), 't|', 'the planner knows nobody');
$node->safe_psql('shop', q{CREATE INDEX by_hand ON personalize.subject (lower(user_id)); CREATE STATISTICS personalize.by_hand ON (upper(user_id)), since FROM personalize.subject; ANALYZE personalize.subject});
is($node->safe_psql('shop', $statistics), 'f|index personalize.by_hand, statistics personalize.by_hand', 'samples of expressions are named');
$node->safe_psql('shop', 'DROP INDEX personalize.by_hand; DROP STATISTICS personalize.by_hand');
is($node->safe_psql('shop', $statistics), 't|', 'and gone with what they are of');
$node->safe_psql('shop', "SELECT personalize.grant_consent('comes-back', $all, 'form')");

# A copy of the database has the files, with what has not been removed from them.
my $comes_back = $node->safe_psql('shop', q{SELECT personalize.forget('comes-back')});
$node->safe_psql('postgres', "CREATE DATABASE copy TEMPLATE shop");
my $copied = "SELECT done FROM personalize.erasure_status('$comes_back') WHERE stage = 'vacuumed'";
is($node->safe_psql('copy', $copied), 'f', 'an erasure is in the files of a copy, too');
$node->safe_psql('copy', 'SELECT * FROM personalize.scrub_erased()');
wait_for($node, 'copy', $copied, 'the scrub process');
is($node->safe_psql('shop', $copied), 'f', 'and in those of the template when the copy has been scrubbed');
$node->safe_psql('postgres', 'DROP DATABASE copy');
$node->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
vacuumed('shop');
$node->safe_psql('shop', "SELECT personalize.grant_consent('comes-back', $all, 'form')");

# Tombstones survive dump and restore; old files do not come along.
my $document = $node->safe_psql('shop', 'SELECT personalize.export_tombstones()');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$directory/newer", '-d', $node->connstr('shop') ], 'a dump from after');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(older newer);
$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr($_), "$directory/$_" ], "restored: $_") for qw(older newer);
my ($code, $out, $error) = $node->psql('newer', "SELECT personalize.track('user-5', 'view_item', 'item-1', consent => $all)");
is($out, 'suppressed', 'after dump and restore events of the erased are refused');
like($error, qr/the person was erased/, 'and it is said why');
is($node->safe_psql('newer', "SELECT personalize.track('comes-back', 'view_item', 'item-1')"), 'accepted', 'who came back is back');
is($node->safe_psql('newer', q{SELECT count(DISTINCT e.receipt), bool_and(s.done) FROM personalize.erasure e, personalize.erasure_status(e.receipt) s
	WHERE s.stage IN ('logical', 'dictionary', 'vacuumed', 'statistics', 'replicas', 'wal')}), '604|t', 'a dump carries no old row versions');
is($node->safe_psql('newer', 'SELECT count(*) FROM personalize.reapply_erasures()'), 0, 'nobody erased is present');
is($node->safe_psql('newer', "SELECT count(*) FROM personalize.reapply_erasures('$document')"), 0, 'the export says nothing new there');

# An older backup brings the erased back; the export takes them out again.
is($node->safe_psql('older', q{SELECT count(*) FROM personalize.subject WHERE user_id IN ('user-5', 'user-1233', 'comes-back')}), 3, 'the older backup has the erased');
is($node->safe_psql('older', "SELECT count(*), count(DISTINCT receipt) FROM personalize.reapply_erasures('$document')"), '602|602', 'all are forgotten again');
is($node->safe_psql('older', q{SELECT count(*) FROM personalize.event e JOIN (VALUES ('user-5'), ('user-1233'), ('comes-back')) AS v (id) ON e.user_key = personalize.user_key(v.id)}), 0,
	'nothing of them is left');
is($node->safe_psql('older', 'SELECT payload FROM personalize.rejected_event'), '{"event": "view_item", "user_id": ["else-named"]}', 'nor of somebody whom only a rejected event names');
is($node->safe_psql('older', 'SELECT count(*) FROM personalize.subject'), 2400, 'the others are');
is($node->safe_psql('older', "SELECT count(*) FROM personalize.reapply_erasures('$document')"), 0, 'once is enough');
($code, $out, $error) = $node->psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION personalize');
($code, $out, $error) = $node->psql('other', "SELECT * FROM personalize.reapply_erasures('$document')");
like($error, qr/another secret/, 'an export means nothing in another database');

# Tombstones of people who are not present come along.
$node->safe_psql('older', q{DELETE FROM personalize._tombstone});
is($node->safe_psql('older', "SELECT count(*) FROM personalize.reapply_erasures('$document')"), 0, 'nobody is present');
($code, $out, $error) = $node->psql('older', "SELECT personalize.track('user-5', 'view_item', 'item-1', consent => $all)");
is($out, 'suppressed', 'but late events are refused');

# Preloaded, a worker starts it by itself.
$node->safe_psql('newer', "SELECT personalize.forget('user-1')");
$node->append_conf('postgresql.conf', preload_conf() . "personalize.scrub_after = 0\n");
$node->restart;
$node->safe_psql('newer', "SELECT personalize.track('user-2', 'view_item', 'item-2', consent => $all)");
vacuumed('newer');
pass('a worker scrubs what has waited for personalize.scrub_after');

# Nobody is kept from dropping the database.
$node->safe_psql('newer', "SELECT personalize.forget('user-2')");
$node->safe_psql('newer', 'SELECT * FROM personalize.scrub_erased()');
$node->safe_psql('postgres', 'DROP DATABASE newer');
$node->stop;
done_testing();
