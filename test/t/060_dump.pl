# Dump and restore: processing continues exactly where it was.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "log_min_messages = warning\n");
make_shop($node, 'shop');
my $directory = PostgreSQL::Test::Utils::tempdir();

# pg_dump -j while writers and workers are busy, restored with -j into the same
# cluster and into another one, whose workers are running.
leave_a_tail($node, 'shop');
my $other = new_node('other', conf => "log_min_messages = warning\n");
for my $round (1 .. 2)
{
	my $script = "$directory/traffic.sql";
	append_to_file($script, "SELECT recompute.traffic(100);\n" x 60);
	my $writer = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('shop'), '-f', $script ],
		'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
	$node->command_ok([ 'pg_dump', '-Fd', '-j', '2', '-f', "$directory/dump$round", '-d', $node->connstr('shop') ], "pg_dump -j while busy $round");
	$writer->finish;
	for my $target ($node, $other)
	{
		my $where = $target->name . " $round";
		$target->safe_psql('postgres', 'CREATE DATABASE restored');
		$target->command_ok([ 'pg_restore', '-e', '-j', '2', '-d', $target->connstr('restored'), "$directory/dump$round" ],
			"pg_restore -j in $where");
		is($target->safe_psql('restored', q{SELECT string_agg("check", ', ') FROM personalize.health() WHERE NOT ok AND detail !~ 'disabled'}),
			'', "health() in $where");
		is($target->safe_psql('restored', 'SELECT max(waiting) > 0 FROM personalize.stat_processor'),
			't', "the tail is still waiting in $where");
		$target->safe_psql('restored', enable_sql());
		traffic($target, 'restored', 3, 100);
		exact($target, 'restored', "it is counted, with what came after the restore, in $where");
		$target->safe_psql('restored', 'SELECT personalize.rebuild_processor(p) FROM unnest(ARRAY[\'profile\', \'neighbour\']) AS p');
		exact($target, 'restored', "and once more from the raw events in $where");
		$target->safe_psql('postgres', 'DROP DATABASE restored');
	}
}

# A dump of a dump, as plain SQL, in one transaction, without new events.
$node->safe_psql('shop', q{
	SELECT personalize.create_variant('trending', 'varied', '{"diversity": 0.5}'), personalize.create_variant('trending', 'old');
	SELECT personalize.set_default_variant('trending', 'varied'), personalize.retire_variant('trending', 'old');
	CREATE SCHEMA "its own"; CREATE FUNCTION "its own".f(user_id text, n integer) RETURNS SETOF text LANGUAGE sql STABLE AS $$ SELECT 'on top' $$;
	SELECT personalize.create_variant('homepage', 'other');
	SELECT personalize.create_feature_view('model', '{"odd \"name": "interest_category distinct default 0", "items": "item_affinity count"}');
	SELECT personalize.create_feature_view('model', '{"odd \"name": "interest_category distinct default 0", "items": "item_affinity count", "fan": "in_segment(''user_interested_in_electronics'')"}');
	SELECT personalize.create_signal('heat', '{view_item,purchase}', 'item', '{"purchase": 5}', scope => 'item'), personalize.create_feature_view('hot', '{"heat": "heat sum default 0"}', 'item');
	CREATE VIEW "its own".model AS SELECT user_id, items FROM personalize.fv_model; GRANT SELECT ON personalize.fv_model TO personalize_app;
	UPDATE personalize.page_module SET title = 'What is new' WHERE module = 'new';
	INSERT INTO personalize.page_module (page, module, title, source, arguments, min_items, variants)
		VALUES ('mine', 'f', 'F', 'function', '{"function": "\"its own\".f"}', 1, '{other}');
	INSERT INTO personalize.page_segment (page, name, segment) VALUES ('mine', 'fans', 'high_intent_search_query');
	INSERT INTO personalize.rule (name, kind, items, place, audience, valid_during) VALUES
		('top', 'pin', '{on top}', 1, NULL, '(,)'), ('never', 'exclude', '{7}', NULL, '$.item_affinity', '[2001-01-01,2001-01-02)')});
my $steered = q{SELECT to_jsonb(v) FROM personalize.engine_variant v UNION ALL SELECT to_jsonb(r) FROM personalize.rule r
	UNION ALL SELECT to_jsonb(p) - CASE WHEN p.builtin THEN 'created_at' ELSE '' END FROM personalize.page_module p
	UNION ALL SELECT to_jsonb(s) FROM personalize.page_segment s ORDER BY 1};
$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->command_ok([ 'pg_dump', '-f', "$directory/plain.sql", '-d', $node->connstr('shop') ], 'pg_dump as SQL');
$node->command_ok([ 'psql', '-X', '-q', '-1', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('second'), '-f', "$directory/plain.sql" ], 'restored by psql -1');
my $before = $node->safe_psql('shop', readers_sql());
my $pseudonyms = 'SELECT md5(string_agg(personalize_internal._pseudonym(n)::text, \' \' ORDER BY n)) FROM generate_series(1, 9) AS n';
my $same_people = $node->safe_psql('shop', $pseudonyms);
my $anchor = $node->safe_psql('shop', 'SELECT personalize.ledger_anchor()');
like($anchor, qr/"entries": [1-9]/, 'there is a ledger');
is($node->safe_psql('second', "SELECT * FROM personalize.verify_ledger(anchor => '$anchor')"), '', 'the ledger is the one that was dumped');
is($node->safe_psql('second', $pseudonyms), $same_people, 'pseudonyms are those of the dumped database');
is($node->safe_psql('second', readers_sql()), $before, 'readers of the restored database see what those of the dumped one saw');
is($node->safe_psql('second', $steered), $node->safe_psql('shop', $steered), 'variants, rules and modules come along');
my $features = q{SELECT v.*, personalize.get_features(v.user_id, 'model'), personalize.get_features(v.user_id, 'model:1'), m.items, has_table_privilege('personalize_app', 'personalize.fv_model', 'SELECT'), pg_get_userbyid(c.relowner)
	FROM personalize.fv_model v JOIN "its own".model m USING (user_id), pg_class c WHERE c.oid = 'personalize.fv_model'::regclass ORDER BY 1};
my $had_features = $node->safe_psql('shop', $features);
like($had_features, qr/\|t\|personalize_owner$/, 'there are features');
is($node->safe_psql('second', $features), $had_features, 'feature views come along, with their typed views and what stands on them');
my $hot = q{SELECT item_id, heat, personalize.get_features(item_id, 'heat') ->> 'sum' FROM personalize.fv_hot ORDER BY 1};
like($node->safe_psql('shop', $hot), qr/\|[1-9]/, 'there is a signal of items');
is($node->safe_psql('second', $hot), $node->safe_psql('shop', $hot), 'which comes along, with what reads it');
is($node->safe_psql('second', q{BEGIN; SELECT personalize.create_feature_view('model', '{"odd \"name": "interest_category distinct default 0", "items": "item_affinity count", "fan": "in_segment(''user_interested_in_electronics'')", "more": "1"}');
	SELECT DISTINCT more FROM personalize.fv_model; ROLLBACK}), "3\n1", 'and have versions from there on');
is($node->safe_psql('second', q{SELECT item_id FROM personalize.homepage('ada', 'mine', variant => 'other')}), 'on top', 'with a function of the shop');
is($node->safe_psql('second', q{INSERT INTO personalize.page_module (page, module, title, source) VALUES ('mine', 'g', 'G', 'trending')
	RETURNING number > (SELECT max(number) FROM personalize.page_module)}), 't', 'and numbers go on');
$node->safe_psql('second', q{DELETE FROM personalize.page_module WHERE module = 'g'});
is($node->safe_psql('second', q{SELECT item_id, explanation ->> 'variant' FROM personalize.trending(1, explain => true)}), 'on top|varied', 'and are obeyed');
$node->safe_psql('second', enable_sql());
$node->safe_psql('second', 'SELECT FROM personalize.rollup_now()');
exact($node, 'second', 'rollup_now after the restore');
is($node->safe_psql('second', readers_sql()), $before, 'readers see the same when the tail has been counted');
$node->command_ok([ 'pg_dump', '-f', "$directory/plain2.sql", '-d', $node->connstr('second') ], 'dumped again');
$node->safe_psql('postgres', 'CREATE DATABASE third');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('third'), '-f', "$directory/plain2.sql" ], 'and restored again');
traffic($node, 'third', 3, 100);
exact($node, 'third', 'the third generation');
is($node->safe_psql('third', "SELECT * FROM personalize.verify_ledger(anchor => '$anchor')"), '', 'whose ledger has only grown');
is($node->safe_psql('third', $pseudonyms), $same_people, 'and whose pseudonyms are the same');
is($node->safe_psql('third', "BEGIN; DELETE FROM personalize.consent_ledger WHERE hash = (SELECT hash FROM personalize.consent_ledger ORDER BY hash LIMIT 1);
	SELECT count(*) > 0 FROM personalize.verify_ledger(anchor => '$anchor')"), 't', 'an entry that is missing is missed');
is($node->safe_psql('third', 'SELECT max(incarnation) FROM personalize._incarnation'), 3, 'counts its incarnations');

# Into the same database, after DROP EXTENSION.
$node->safe_psql('third', 'SET client_min_messages = error; DROP EXTENSION personalize CASCADE; DROP SCHEMA personalize CASCADE; DROP SCHEMA recompute CASCADE; DROP SCHEMA "its own" CASCADE');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('third'), '-f', "$directory/plain2.sql" ], 'restored into the same database');
traffic($node, 'third', 3, 100);
exact($node, 'third', 'which goes on');

# Rows alone, into a database whose extension is older than that of the dump: by several sessions,
# with triggers off, as a replica.  Whoever was forgotten is still known.
make_shop($node, 'alone');
traffic($node, 'alone', 3, 200);
$node->safe_psql('alone', q{SELECT personalize.forget('7'), personalize.upsert_items('[{"item_id": "sku1", "title": "Trail shoe"}]')});
leave_a_tail($node, 'alone');
$node->safe_psql('alone', q{SELECT personalize.disable_processor(p) FROM unnest('{neighbour,exposure}'::text[]) AS p});
$node->command_ok([ 'pg_dump', '-s', '-f', "$directory/schema.sql", '-d', $node->connstr('alone') ], 'a dump without rows');
$node->command_ok([ 'pg_dump', '-Fd', '-f', "$directory/rows", '-d', $node->connstr('alone') ], 'and one with them');
my ($saw, $were) = map { $node->safe_psql('alone', $_) } readers_sql(), $pseudonyms;
my $changed = q{SELECT detail FROM personalize.security_check() WHERE NOT ok AND "check" = 'triggers'};
for my $way ([ '-j', '2' ], ['--disable-triggers'], [ '--disable-triggers', '-j', '2' ], ['as a replica'])
{
	my $how = "@$way";

	$node->safe_psql('postgres', 'CREATE DATABASE rows');
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('rows'), '-f', "$directory/schema.sql" ], 'the schema');
	$node->safe_psql('rows', q{UPDATE personalize._secret SET created_at = '2001-01-01'});
	local $ENV{PGOPTIONS} = $how eq 'as a replica' ? '-c session_replication_role=replica' : '';
	$node->command_ok([ 'pg_restore', '-e', '-a', ($how eq 'as a replica' ? () : @$way), '-d', $node->connstr('rows'), "$directory/rows" ], "rows alone, $how");
	$ENV{PGOPTIONS} = '';
	is($node->safe_psql('rows', $pseudonyms), $were, "pseudonyms are those of the dump, $how");
	is($node->safe_psql('rows', readers_sql()), $saw, 'readers see what they saw');
	is($node->safe_psql('rows', 'SELECT FROM personalize.verify_ledger()'), '', 'the ledger is right');
	is($node->safe_psql('rows', $changed), '', 'triggers are as they were');
	is($node->safe_psql('rows', 'SELECT count(*) FROM personalize.verify_search_index()'), '0', 'and the search index')
	  if $how ne 'as a replica';
	$node->safe_psql('rows', enable_sql() . q{; SELECT personalize.enable_processor(p) FROM unnest('{neighbour,exposure}'::text[]) AS p});
	traffic($node, 'rows', 2, 100);
	exact($node, 'rows', 'and counting goes on', withdrawn => 1);
	$node->safe_psql('postgres', 'DROP DATABASE rows');
}

# Where the secret that is there has been used, it is said that one of the two means nothing.
$node->safe_psql('postgres', 'CREATE DATABASE rows');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('rows'), '-f', "$directory/schema.sql" ], 'the schema once more');
my $own = $node->safe_psql('rows', qq{UPDATE personalize._secret SET created_at = '2001-01-01'; SELECT personalize.grant_consent('own', '{analytics}') IS NULL; $pseudonyms});
my $before_rows = -s $node->logfile;
$node->command_ok([ 'pg_restore', '-a', '-t', '_secret', '-d', $node->connstr('rows'), "$directory/rows" ], 'the secret alone, into a database in use');
like(slurp_log($node, $before_rows), qr/WARNING:  this database has used another secret/, 'which is told');
is("f\n" . $node->safe_psql('rows', $pseudonyms), $own, 'and its pseudonyms stay');

$_->stop for ($node, $other);
done_testing();
