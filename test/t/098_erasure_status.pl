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
my $node = new_node('main', preload => 0, conf => "log_statement = none\nautovacuum = off\n");
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
	SELECT personalize.forget('comes-back')});
$node->safe_psql('shop', 'CHECKPOINT');
my $people = '^(subject|profile|session|_basket|_dictionary_log|consent_ledger|event_p)';
isnt(found_in(files_of($people)), '0 keys, 0 ids', 'the files know the erased: ' . found_in(files_of($people)));
my $separators = $node->safe_psql('shop', "SELECT string_agg(oid::regclass::text || relfilenode, ',' ORDER BY relname) FROM pg_class WHERE relkind = 'i' AND relname LIKE 'subject%'");
$node->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
vacuumed('shop');
$node->safe_psql('shop', 'CHECKPOINT');
is(found_in(files_of($people)), '0 keys, 0 ids', 'scrubbed without preload: nor do upper levels of indexes');
isnt($node->safe_psql('shop', "SELECT string_agg(oid::regclass::text || relfilenode, ',' ORDER BY relname) FROM pg_class WHERE relkind = 'i' AND relname LIKE 'subject%'"),
	$separators, 'because some indexes were built anew');
is($node->safe_psql('shop', q{SELECT count(*) FROM pg_index WHERE NOT indisvalid}), 0, 'and no invalid one was left');
is($node->safe_psql('shop', q{SELECT count(*) FROM personalize.item WHERE item_id LIKE 'item-%5'}), 0, 'items only they had are gone');
is($node->safe_psql('shop', q{SELECT count(*) FROM personalize.item WHERE item_id IN ('item-1', 'item-2')}), 2, 'those of others are not');
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
	WHERE s.stage IN ('logical', 'dictionary', 'vacuumed', 'statistics', 'replicas', 'wal')}), '601|t', 'a dump carries no old row versions');
is($node->safe_psql('newer', 'SELECT count(*) FROM personalize.reapply_erasures()'), 0, 'nobody erased is present');
is($node->safe_psql('newer', "SELECT count(*) FROM personalize.reapply_erasures('$document')"), 0, 'the export says nothing new there');

# An older backup brings the erased back; the export takes them out again.
is($node->safe_psql('older', q{SELECT count(*) FROM personalize.subject WHERE user_id IN ('user-5', 'user-1233', 'comes-back')}), 3, 'the older backup has the erased');
is($node->safe_psql('older', "SELECT count(*), count(DISTINCT receipt) FROM personalize.reapply_erasures('$document')"), '601|601', 'all are forgotten again');
is($node->safe_psql('older', q{SELECT count(*) FROM personalize.event e JOIN (VALUES ('user-5'), ('user-1233'), ('comes-back')) AS v (id) ON e.user_key = personalize.user_key(v.id)}), 0,
	'nothing of them is left');
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
