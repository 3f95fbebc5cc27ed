# Dumps that are restored in parts, into a database that is in use, and from its schema alone;
# files that are moved and rewritten while workers are at work.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $all = "'{analytics,personalization,recommendations}'";
my $node = new_node('main', conf => "log_min_messages = warning\n");
my $directory = PostgreSQL::Test::Utils::tempdir();
make_shop($node, 'shop');
$node->safe_psql('shop', qq{
	INSERT INTO personalize.item (item_id, category) VALUES ('hat', 'hats'), ('cap', 'hats');
	SELECT personalize.grant_consent('ann', $all), personalize.grant_consent('gone', $all);
	SELECT personalize.import_events(ARRAY['ann', 'gone'], ARRAY['view_item', 'view_item'], ARRAY['hat', 'hat'], ARRAY[now() - interval '3 days', now() - interval '3 days']);
	SELECT personalize.create_signal('heat', '{view_item}', 'item', scope => 'item');
	SELECT personalize.create_feature_view('model', '{"items": "item_affinity count"}'), personalize.create_feature_view('hot', '{"heat": "heat sum default 0"}', 'item');
	SELECT personalize.create_experiment('e', 'recommend', '["shipped", {"name": "new", "parameters": {"diversity": 0.5}}]'), personalize.start_experiment('e');
	INSERT INTO personalize.rule (name, kind, items, place) VALUES ('top', 'pin', '{cap}', 1)});
leave_a_tail($node, 'shop');
$node->safe_psql('shop', q{SELECT personalize.forget('gone')});
wait_for($node, 'shop', q{SELECT bool_or(rolled) OR (SELECT bool_and(NOT enabled) FROM personalize.processor WHERE name IN ('profile', 'item_stat')) FROM personalize._event_day}, 'days to be closed');
my $readers = $node->safe_psql('shop', readers_sql());
my $views = q{SELECT user_id, items FROM personalize.fv_model ORDER BY 1};
my $features = $node->safe_psql('shop', $views);
my $tables = q{SELECT string_agg(t || ' ' || encode(personalize.state_hash(t), 'hex'), E'\n' ORDER BY t) FROM unnest('{subject,profile,session,posting,item,rule,experiment,feature_view,exposure}'::text[]) AS t};
my $state = $node->safe_psql('shop', $tables);

# Everything there was is there, and goes on.
sub whole
{
	my ($database, $name) = @_;

	is($node->safe_psql($database, readers_sql()), $readers, "$name: readers see what they saw");
	is($node->safe_psql($database, $tables), $state, "$name: tables hold what they held");
	is($node->safe_psql($database, $views), $features, "$name: feature views, too");
	is($node->safe_psql($database, q{SELECT string_agg("check" || ': ' || detail, ', ') FROM personalize.health() WHERE NOT ok AND detail !~ 'disabled'}), '', "$name: health()");
	is($node->safe_psql($database, q{SELECT string_agg("check" || ': ' || detail, ', ') FROM personalize.security_check() WHERE NOT ok AND "check" NOT IN ('above row security', 'roles')}), '', "$name: security_check()");
	$node->safe_psql($database, enable_sql());
	traffic($node, $database, 3, 100);
	exact($node, $database, "$name: all is counted once");
	is($node->safe_psql($database, 'SELECT * FROM personalize.verify_ledger()'), '', "$name: the ledger is whole");
	is($node->safe_psql($database, 'SELECT * FROM personalize.verify_counts()'), '', "$name: counts are right");
	return;
}

sub restore
{
	my ($database, $file, $name, @options) = @_;

	return $node->command_ok([ 'pg_restore', '-e', @options, '-d', $node->connstr($database), $file ], $name);
}

my $dump = "$directory/dump";
$node->command_ok([ 'pg_dump', '-Fd', '-j', '2', '-f', $dump, '-d', $node->connstr('shop') ], 'pg_dump -Fd');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(schema_data sections plain);

# The schema, and later the data; in between workers look at it.
restore('schema_data', $dump, 'the schema', '--schema-only');
wait_for($node, 'postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'personalize worker' AND datname = 'schema_data'}, 'a worker');
restore('schema_data', $dump, 'the data', '--data-only', '-j', '2');
whole('schema_data', 'schema and data');

restore('sections', $dump, "section $_", "--section=$_") for qw(pre-data data post-data);
whole('sections', 'sections');

$node->command_ok([ 'pg_dump', '--schema-only', '-f', "$directory/schema.sql", '-d', $node->connstr('shop') ], 'pg_dump --schema-only');
$node->command_ok([ 'pg_dump', '--data-only', '--disable-triggers', '-f', "$directory/data.sql", '-d', $node->connstr('shop') ], 'pg_dump --data-only --disable-triggers');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('plain'), '-f', "$directory/$_.sql" ], "$_ by psql") for qw(schema data);
whole('plain', 'plain schema and data');

# Over what is there and in use.
traffic($node, 'plain', 5, 300);
restore('plain', $dump, 'pg_restore --clean over a database in use', '--clean', '--if-exists');
whole('plain', 'restored over another');

# A new shop made of the schema of another alone.
$node->safe_psql('postgres', 'CREATE DATABASE staging');
restore('staging', $dump, 'the schema alone', '--schema-only');
$node->safe_psql('staging', qq{SELECT personalize.grant_consent('ann', $all); SELECT personalize.track('ann', 'view_item', 'hat')});
traffic($node, 'staging', 3, 100);
exact($node, 'staging', 'a shop of the schema alone counts');
my ($code, $out, $error) = $node->psql('staging', q{SELECT personalize.create_feature_view('model', '{"items": "item_affinity count"}'); SELECT items FROM personalize.fv_model WHERE user_id = 'ann'});
is($error . $out, "model\n1", 'and makes feature views of names the other had') or diag($error);

$node->stop;
done_testing();
