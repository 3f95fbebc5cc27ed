# pg_upgrade in copy mode and a dump by the new programs: what stands in and on the tables comes along.
#
# Both lead to the installation PERSONALIZE_UPGRADE_TO, or to another server of the same version.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('old', init => { allows_streaming => 'logical' }, conf => "log_min_messages = warning\nmax_prepared_transactions = 5\n");
my $shop = dirname(dirname($FindBin::RealBin)) . '/docs/shop.sql';
my $directory = PostgreSQL::Test::Utils::tempdir();

# The shop of the documents, in German, with what people put on tables of ours.
$node->safe_psql('postgres', 'CREATE DATABASE play');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('play'), '-f', $shop ], 'a shop');
make_shop($node, 'shop');
leave_a_tail($node, 'shop');
$node->safe_psql('play', q{
	INSERT INTO personalize.search_setting VALUES ('language', 'german');
	INSERT INTO personalize.search_synonym (term, synonyms) VALUES ('jacke', '{rain jacket}');
	UPDATE products SET title = 'Muehle' WHERE id = 9;
	ALTER DATABASE play SET personalize.max_tail_events = 150000;
	ALTER TABLE personalize.event ADD COLUMN mine text GENERATED ALWAYS AS (properties ->> 'query') STORED;
	CREATE INDEX mine ON personalize.event ((properties ->> 'order_id'));
	CREATE INDEX mine_state ON personalize.profile USING hash (features);
	CREATE STATISTICS mine_stat ON item_key, event FROM personalize.event;
	CREATE TABLE of_types (id personalize.entity_id PRIMARY KEY, was personalize.ingest_status, state personalize.feature_state UNIQUE, via personalize.path_filter);
	INSERT INTO of_types SELECT 'x', 'duplicate', (SELECT features FROM personalize.profile ORDER BY user_key LIMIT 1), '$.a == 1';
	CREATE POLICY more ON products USING (true); ALTER TABLE products ENABLE ROW LEVEL SECURITY;
	CREATE PUBLICATION items FOR TABLE personalize.item, personalize.event WITH (publish_via_partition_root = true);
	CREATE VIEW stands_on AS SELECT r.item_key, r.reason FROM personalize.recommend(17, 4) AS r;
	SELECT personalize.create_feature_view('model', '{"items": "item_affinity count"}');
	SELECT personalize.create_signal('heat', '{view_item,purchase}', 'item', '{"purchase": 5}', scope => 'item');
	SELECT personalize.create_segment('fans', 'item_affinity[''1''] >= 1');
	SELECT personalize.create_variant('trending', 'varied', '{"diversity": 0.5}');
	SELECT FROM personalize.rollup_now()});

my %answers = (
	recommend => q{SELECT string_agg(concat_ws(' ', rank, item_key, reason), ', ' ORDER BY rank) FROM personalize.recommend(17, 6, exclude_seen => '30 days')},
	rank_search => q{SELECT string_agg(concat_ws(' ', rank, item_key, reason), ', ' ORDER BY rank) FROM personalize.rank_search(17, 'black', ARRAY[5, 8, 9])},
	homepage => q{SELECT string_agg(h::text, ', ' ORDER BY h::text) FROM (SELECT module, item_id, reason FROM personalize.homepage(17)) AS h},
	search => q{SELECT string_agg(format('%s: %s', q, (SELECT string_agg(item_id, ' ' ORDER BY item_id) FROM personalize.search_items(NULL, q))), ', ' ORDER BY q)
		FROM unnest('{muehle,mühle,jacke,running sock,hat}'::text[]) AS q},
	stands_on => 'SELECT string_agg(s::text, chr(44) ORDER BY s::text) FROM stands_on AS s',
	types => q{SELECT t::text || (SELECT count(*) FROM of_types AS o WHERE o.state OPERATOR(personalize.=) t.state AND o.id = 'x') FROM of_types AS t},
	columns => q{SELECT count(*) FILTER (WHERE mine IS NOT NULL) FROM personalize.event},
	variants => q{SELECT string_agg(concat_ws(' ', engine, name, parameters), ', ' ORDER BY engine, name) FROM personalize.engine_variant},
	features => q{SELECT string_agg(f::text, ', ' ORDER BY f::text) FROM (SELECT user_id, items FROM personalize.fv_model) AS f},
	heat => q{SELECT string_agg(i || (personalize.get_features(i::text, 'heat') - 'decayed')::text, ', ' ORDER BY i) FROM generate_series(1, 9) AS i},
	readers => q{SELECT md5(string_agg(f::text, ',' ORDER BY f::text))
		FROM generate_series(1, 124) AS u, personalize.features(u, as_of => '2100-01-01', period => NULL) AS f},
	security => q{SELECT string_agg(concat_ws(' ', "check", detail), ', ' ORDER BY "check", detail) FROM personalize.security_check() WHERE NOT ok},
	policies => q{SELECT md5(string_agg(concat_ws(' ', c.oid::regclass, polname, polpermissive, polcmd, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)), '; '
			ORDER BY c.oid::regclass::text, polname)) FROM pg_policy JOIN pg_class AS c ON c.oid = polrelid},
	triggers => q{SELECT string_agg(concat_ws(' ', evtname, evtenabled, evttags, evtowner::regrole), ', ' ORDER BY evtname) FROM pg_event_trigger},
	publications => q{SELECT string_agg(p::text, ', ' ORDER BY p::text) FROM (SELECT pubname, schemaname, tablename FROM pg_publication_tables) AS p},
	setting => 'SHOW personalize.max_tail_events');
my %before = map { $_ => $node->safe_psql('play', $answers{$_}) } sort keys %answers;
isnt($before{$_}, '', "there is something of $_") for grep { $_ ne 'security' } sort keys %answers;
my $readers = $node->safe_psql('shop', readers_sql());

# What is to be seen on another server, and that it goes on there; other than some answers.
sub compare
{
	my ($other, $how, @without) = @_;
	my %without = map { $_ => 1 } @without, 'recommend', 'homepage';

	wait_for($other, 'play', 'SELECT NOT EXISTS (SELECT FROM personalize.verify_search_index())', "the words of the new server $how");
	is($other->safe_psql('play', $answers{$_}), $before{$_}, "$_ $how") for grep { !$without{$_} } sort keys %answers;
	is($other->safe_psql('shop', readers_sql()), $readers, "readers see what they saw $how");
	# what is trending is made ready by the processors
	$other->safe_psql('play', 'SELECT FROM personalize.rollup_now()');
	is($other->safe_psql('play', $answers{$_}), $before{$_}, "$_ $how") for qw(recommend homepage);
	$other->safe_psql('shop', enable_sql());
	traffic($other, 'shop', 3, 200);
	exact($other, 'shop', "processors go on $how");
	is($other->safe_psql('play', q{SELECT personalize.track(17, 'view_item', 8, message_id => 'after'), personalize.track(17, 'view_item', 8, message_id => 'order 101')}),
		'accepted|duplicate', "events and message ids do $how");
	$other->safe_psql('play', 'SELECT FROM personalize.rollup_now()');
	for my $verify (qw(verify_counts verify_index))
	{
		is($other->safe_psql($_, "SELECT * FROM personalize.$verify() WHERE wrong > 0"), '', "$verify() finds nothing in $_ $how") for qw(play shop);
	}
	# a generated column of one's own in what is published
	if ($other->pg_version >= 18 && !$without{publications})
	{
		is($other->safe_psql('play', q{SELECT ok FROM personalize.health() WHERE "check" = 'publications'}), 'f', "health() knows what 18 wants published $how");
		$other->safe_psql('play', 'ALTER PUBLICATION items SET (publish_generated_columns = stored)');
	}
	is($other->safe_psql($_, q{SELECT string_agg("check" || ' ' || detail, ', ') FROM personalize.health() WHERE NOT ok}), '', "health() of $_ $how")
		for qw(play shop);
	$other->safe_psql('play', q{SELECT personalize.forget('101')});
	is($other->safe_psql('play', q{SELECT jsonb_array_length(personalize.export_user('101') -> 'events')}), '0', "and people are forgotten $how");
	return;
}

# Dumped by the new programs, without pg_upgrade.  A dump has nothing that was added to tables of an extension.
my $restored = next_node('restored', $node);
$restored->start;
my @bin = map { $_->config_data('--bindir') } ($node, $restored);
for my $database (qw(play shop))
{
	$restored->command_ok([ "$bin[1]/pg_dump", '-Fc', '--create', '-f', "$directory/$database", '-d', $node->connstr($database) ], "pg_dump of $database by the new version");
	$restored->safe_psql('postgres', "CREATE DATABASE $database");
}
$restored->safe_psql('play', q{CREATE EXTENSION personalize; ALTER TABLE personalize.event ADD COLUMN mine text GENERATED ALWAYS AS (properties ->> 'query') STORED;
	CREATE INDEX mine ON personalize.event ((properties ->> 'order_id'))});
$restored->command_checks_all([ "$bin[1]/pg_restore", '-d', $restored->connstr('play'), "$directory/play" ], 1, [],
	[qr/^(?!.*ERROR:(?![^\n]*(?:already exists|publication "items" would keep)))/s], 'restored behind columns that are there');
$restored->command_ok([ "$bin[1]/pg_restore", '-e', '-d', $restored->connstr('shop'), "$directory/shop" ], 'restored');
compare($restored, 'in a restored dump', qw(publications security setting));
$restored->stop;

# By pg_upgrade, which copies the files.
my $new = next_node('new', $node);
$node->stop;
my @data = map { abs_path($_->data_dir) } ($node, $new);
chdir $directory;
command_ok([ "$bin[1]/pg_upgrade", '--no-sync', '-j', '2', '-d', $data[0], '-D', $data[1], '-b', $bin[0], '-B', $bin[1],
		'-s', $new->host, '-p', $node->port, '-P', $new->port ], 'pg_upgrade, which copies files');
$new->start;
compare($new, 'after pg_upgrade');
$new->stop;

# The old server was not touched.
$node->start;
is($node->safe_psql('shop', readers_sql()), $readers, 'the old server has what it had');
$node->stop;
done_testing();
