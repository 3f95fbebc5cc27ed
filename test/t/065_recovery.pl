# Recovery to an earlier time and pg_upgrade --link: processing continues exactly.
use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', init => { has_archiving => 1, allows_streaming => 1 }, conf => "log_min_messages = warning\n");
make_shop($node, 'shop');
leave_a_tail($node, 'shop');

# Recovery to an earlier time.
$node->backup('base');
traffic($node, 'shop', 3, 200);
$node->safe_psql('shop', enable_sql());
exact($node, 'shop', 'before the time to return to');
traffic($node, 'shop', 1, 500);
my $lsn = $node->safe_psql('shop', q{SELECT pg_create_restore_point('earlier')});
my $events = $node->safe_psql('shop', 'SELECT count(*) FROM personalize.event');
traffic($node, 'shop', 5, 200);
exact($node, 'shop', 'after it');
$node->safe_psql('shop', 'SELECT pg_switch_wal()');
my $earlier = PostgreSQL::Test::Cluster->new('earlier');
$earlier->init_from_backup($node, 'base', has_restoring => 1);
$earlier->append_conf('postgresql.conf', "recovery_target_name = 'earlier'\nrecovery_target_action = 'promote'\n");
$earlier->start;
wait_for($earlier, 'postgres', 'SELECT NOT pg_is_in_recovery()');
is($earlier->safe_psql('shop', 'SELECT count(*) FROM personalize.event'), $events, 'recovered to the earlier time');
exact($earlier, 'shop', 'the processors went back with it');
traffic($earlier, 'shop', 5, 200);
exact($earlier, 'shop', 'and go on from there');
$earlier->stop;

# pg_upgrade --link to the same major version, or to that of the installation PERSONALIZE_UPGRADE_TO.
$node->safe_psql('shop', q{
	SELECT personalize.grant_consent(p, '{analytics,personalization,recommendations}') FROM unnest('{erin,old}'::text[]) AS p;
	SELECT personalize.import_events(ARRAY['old'], ARRAY['view_item'], ARRAY['sku1'], ARRAY['2020-02-02 12:00+00']::timestamptz[]);
	SELECT personalize.create_feature_view('model', '{"items": "item_affinity count"}')});
wait_for($node, 'shop', q{SELECT rolled FROM personalize._event_day WHERE day = '2020-02-02'}, 'a day to be closed');
leave_a_tail($node, 'shop');
my $receipt = $node->safe_psql('shop', q{SELECT personalize.forget('erin')});
my $anchor = $node->safe_psql('shop', 'SELECT personalize.ledger_anchor()');
my $features = $node->safe_psql('shop', 'SELECT user_id, items FROM personalize.fv_model ORDER BY 1');
my $before = $node->safe_psql('shop', readers_sql());
my $new = next_node('new', $node);
$node->stop;
my @bin = map { $_->config_data('--bindir') } ($node, $new);
my @data = map { abs_path($_->data_dir) } ($node, $new);
chdir PostgreSQL::Test::Utils::tempdir();
command_ok(
	[ "$bin[1]/pg_upgrade", '--no-sync', '--link', '-d', $data[0], '-D', $data[1], '-b', $bin[0], '-B', $bin[1],
		'-s', $new->host, '-p', $node->port, '-P', $new->port ],
	'pg_upgrade --link');
$new->start;
is($new->safe_psql('shop', readers_sql()), $before, 'readers see what they saw');
is($new->safe_psql('shop', 'SELECT min(waiting) = 0 AND max(waiting) > 0 FROM personalize.stat_processor'), 't', 'the tail is still waiting');
is($new->safe_psql('shop', 'SELECT user_id, items FROM personalize.fv_model ORDER BY 1'), $features, 'feature views, too');
is($new->safe_psql('shop', "SELECT * FROM personalize.verify_ledger(NULL, '$anchor')"), '', 'the ledger is the one that there was');

# The files came along, with what VACUUM has not removed from them.
my $stage = "SELECT done FROM personalize.erasure_status('$receipt') WHERE stage =";
is($new->safe_psql('shop', "$stage '$_'"), 'f', "an erasure has not reached the stage $_ by the upgrade") for qw(vacuumed replicas wal);
$new->safe_psql('shop', 'SELECT * FROM personalize.scrub_erased()');
wait_for($new, 'shop', "$stage 'vacuumed'", 'the scrub process');
is($new->safe_psql('shop', "$stage 'replicas'"), 't', 'but later');

# Workers do not wait for the first event: nobody is restoring anything.
$new->safe_psql('shop', enable_sql());
exact($new, 'shop', 'the tail is counted');
traffic($new, 'shop', 3, 200);
exact($new, 'shop', 'and what came after the upgrade');
is($new->safe_psql('shop', "SELECT * FROM personalize.$_() WHERE wrong > 0"), '', "$_() finds nothing") for qw(verify_counts verify_index);
is($new->safe_psql('shop', 'SELECT * FROM personalize.verify_ledger()'), '', 'nor does verify_ledger()');
$new->stop;
done_testing();
