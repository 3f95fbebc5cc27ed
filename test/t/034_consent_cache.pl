# What people allow is remembered from one batch to the next, and never longer than it holds.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
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

# an old transaction that has nothing to do with consent
$node->safe_psql('shop', "BEGIN; CREATE TABLE old (); PREPARE TRANSACTION 'old'");
is(look_ups("$grant$again"), '0', 'also while a transaction runs that is older than the change');
is(look_ups(($grant x 20) . $again), '0', 'or than many');

# more changes under way at once than are listed, of people of one stripe
my @others = split /\n/, $node->safe_psql('shop', q{
	SELECT u FROM generate_series(2, 5000) u WHERE personalize_internal._event_shard(u) = personalize_internal._event_shard(1) LIMIT 15});
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

done_testing();
