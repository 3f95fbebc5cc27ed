# What people allow is remembered for all backends, and never longer than it holds.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = new_node('main', conf => "max_prepared_transactions = 20\n");
make_shop($node, 'shop');
$node->safe_psql('shop', q{
	SELECT count(personalize.disable_processor(p)) FROM unnest(ARRAY['profile', 'item_stat', 'neighbour', 'exposure']) p;
	SELECT count(personalize.grant_consent(u, '{analytics}')) FROM generate_series(1, 200) u});

# how often one who tracks looks into subject, having done so before
sub look_ups
{
	my ($before) = @_;
	return $node->safe_psql('shop', qq{
		SET client_min_messages = error;
		DO \$\$ BEGIN PERFORM personalize.track(1, 'view_item', 1); END \$\$;
		$before
		SELECT pg_stat_get_xact_numscans('personalize.subject_pkey'::regclass) AS scans \\gset
		DO \$\$ BEGIN PERFORM personalize.track(1, 'view_item', 1); END \$\$;
		SELECT pg_stat_get_xact_numscans('personalize.subject_pkey'::regclass) - :scans;});
}
my $grant = "DO \$\$ BEGIN PERFORM personalize.grant_consent(1, '{marketing}'); END \$\$;";
my $again = "DO \$\$ BEGIN PERFORM personalize.track(1, 'view_item', 1); END \$\$;";

# the first of a stripe waits for what may have been prepared before the server started
look_ups('');
is(look_ups(''), '0', 'a person who has been looked up is remembered');
is(look_ups($grant), '1', 'until consent changes');
is(look_ups("$grant$again"), '0', 'and then again');

# a backend that has looked nobody up yet
is( $node->safe_psql('shop', q{
		DO $$ BEGIN PERFORM personalize.track(1, 'view_item', 1); END $$;
		SELECT pg_stat_get_xact_numscans('personalize.subject_pkey'::regclass)}),
	'0', 'by another backend, too');

# who has a snapshot of before a change is not told what is remembered since
sub reads
{
	my ($session) = @_;
	my $scans = "SELECT pg_stat_get_xact_numscans('personalize.subject_pkey'::regclass)";
	my $before = $session->query_safe($scans);
	$session->query_safe("SELECT count(*) FROM personalize.recommend(1, 1)");
	return $session->query_safe($scans) - $before;
}
my $reader = $node->background_psql('shop');
$reader->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM personalize.recommend(1, 1)");
is(reads($reader), 0, 'a snapshot finds what is remembered');
look_ups($grant);
is(look_ups($again), '0', 'others remember what has changed');
is(reads($reader), 1, 'the snapshot does not find that');
$reader->query_safe('COMMIT');
is(reads($reader), 0, 'the next one does');
$reader->quit;

# an old transaction that has nothing to do with consent
$node->safe_psql('shop', "BEGIN; CREATE TABLE old (); PREPARE TRANSACTION 'old'");
is(look_ups("$grant$again"), '0', 'also while a transaction runs that is older than the change');
is(look_ups(($grant x 20) . $again), '0', 'or than many');

# others have their own: base/key_set.h, people/consent_cache.c
sub record
{
	use integer;
	return ($_[0] * (0x9E3779B9 << 32 | 0x7F4A7C15) >> 32) & 4095;
}
$node->safe_psql('shop', "SELECT personalize.grant_consent(3, '{marketing}')");
is(look_ups("DO \$\$ BEGIN PERFORM personalize.grant_consent(3, '{recommendations}'); END \$\$;"), '0', 'as long as others change');

# more changes under way at once than are listed, of people of one record
my @others = (grep { record($_) == record(1) } 2 .. 200000)[0 .. 14];
$node->safe_psql('shop', "BEGIN; SELECT personalize.grant_consent($_, '{recommendations}'); PREPARE TRANSACTION 'grant$_'") for @others;
is(look_ups($again), '1', 'nobody is remembered whose consent is being changed');
$node->safe_psql('shop', "COMMIT PREPARED 'grant$_'") for @others;
is(look_ups($again), '1', 'nor while a transaction is older than changes that are listed no longer');
$node->safe_psql('shop', "COMMIT PREPARED 'old'");
is(look_ups($again), '0', 'which it is not when that has ended');

# what was prepared before the server stopped may still change consent
$node->safe_psql('shop', "BEGIN; SELECT personalize.grant_consent(2, '{personalization}'); PREPARE TRANSACTION 'before'");
$node->stop('immediate');
$node->start;
is( $node->safe_psql('shop', q{
		SET client_min_messages = error;
		DO $$ BEGIN PERFORM personalize.track(2, 'view_item', 1); PERFORM personalize.track(2, 'view_item', 1); END $$;
		COMMIT PREPARED 'before';
		DO $$ BEGIN PERFORM personalize.track(2, 'view_item', 2); END $$;
		SELECT string_agg(array_to_string(personalize_internal._purpose_names(consent), ' '), ', ' ORDER BY item_key, txid, ordinal)
		FROM personalize.event WHERE user_key = 2}),
	'analytics, analytics, analytics personalization', 'a change that was prepared before a crash is seen when it is committed');

# what a superuser changes by hand, by any statement, before and after it is committed
my $tracked = q{SET client_min_messages = error; SELECT personalize.track(7, 'view_item', 1)};
$node->safe_psql('shop', q{SELECT personalize.grant_consent(7, '{analytics}')});
$node->safe_psql('shop', $tracked) for 1 .. 2;
is($node->safe_psql('shop', "BEGIN; UPDATE personalize.subject SET granted = 0 WHERE user_key = 7; $tracked; ROLLBACK"),
	'suppressed', 'what is changed in subject by hand holds in the same transaction');
is($node->safe_psql('shop', $tracked), 'accepted', 'and not if that is rolled back');
$node->safe_psql('shop', "BEGIN; UPDATE personalize.subject SET granted = 0 WHERE user_key = 7; PREPARE TRANSACTION 'hand'");
is($node->safe_psql('shop', $tracked), 'accepted', 'nor before it is committed');
$node->safe_psql('shop', "COMMIT PREPARED 'hand'");
is($node->safe_psql('shop', $tracked), 'suppressed', 'but then for everybody');
$node->safe_psql('shop', "SET session_replication_role = replica; DELETE FROM personalize.subject WHERE user_key = 7;\n"
	. "COPY personalize.subject (user_key, user_id, granted, decided) FROM stdin;\n7\t7\t1\t1\n\\.\n");
is($node->safe_psql('shop', $tracked), 'accepted', 'COPY as well, and where triggers do not fire');
$node->safe_psql('shop', q{INSERT INTO personalize.identity (alias_key, user_key, since, place, source, alias_id, user_id) VALUES (7, 8, now(), 1, 'hand', '7', '8')});
$node->safe_psql('shop', q{SET client_min_messages = error; SELECT personalize.track(7, 'view_item', 77)});
is($node->safe_psql('shop', q{SELECT user_key, alias_key FROM personalize.event WHERE item_key = 77}), '8|7', 'and whose an id is');
$node->safe_psql('shop', q{DELETE FROM personalize.identity});

# a database that has the OID and the files of one that was dropped
SKIP:
{
	my $track = q{SET client_min_messages = error; SELECT personalize.track('ada', 'view_item', 'shoe')};
	my $oid = $node->safe_psql('shop', q{
		DO $$ BEGIN PERFORM personalize.grant_consent('ada', '{analytics}'); END $$;
		SELECT oid FROM pg_database WHERE datname = current_database()});

	skip 'CREATE DATABASE takes no OID before PostgreSQL 15', 1 if $node->pg_version < 15;
	$node->safe_psql('postgres', 'CREATE DATABASE kept TEMPLATE shop');
	$node->safe_psql('shop', q{SELECT personalize.withdraw_consent('ada')});
	$node->safe_psql('shop', $track) for 1 .. 2;
	$node->safe_psql('postgres', "DROP DATABASE shop;\nCREATE DATABASE shop OID = $oid TEMPLATE kept");
	is($node->safe_psql('shop', $track), 'accepted', 'what people allowed in a database that was dropped is nothing to its successor');
}
$node->stop;

# who has read on a standby, and reads again after its promotion
my $primary = new_node('primary', init => { allows_streaming => 1 }, conf => "max_prepared_transactions = 0\nautovacuum = off\n");
make_shop($primary, 'shop');
switch_processors($primary, 'shop', 'disable');
$primary->safe_psql('shop', q{SELECT personalize.grant_consent('ada', '{analytics,recommendations}')});
my $standby = new_standby($primary, 'standby');
my $old = $standby->background_psql('shop');
$old->query_safe(q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM personalize.recommend('ada', 1)});
$primary->safe_psql('shop', q{SELECT personalize.withdraw_consent('ada')});
$primary->wait_for_catchup($standby);
$primary->stop;
$standby->promote;
$old->query_safe(q{SELECT count(*) FROM personalize.recommend('ada', 1)});
is($standby->safe_psql('shop', q{SET client_min_messages = error; SELECT personalize.track('ada', 'view_item', 'shoe')}),
	'suppressed', 'a snapshot of before a promotion says nothing to those of after');
$old->quit;

done_testing();
