# ALTER EXTENSION UPDATE ends with the catalog of a fresh installation, and
# while library and SQL are of different versions ingestion goes on.
#
# test/update/personalize--A.sql is the install script of a released version A;
# each is installed here and updated.  A copy of the present script under the
# version 0.0.0 stands for a release that changed nothing.
use strict;
use warnings;
use File::Basename;
use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = `pg_config --sharedir` =~ s/\n//r . '/extension';
my ($current) = grep { !/--.*--/ } glob("$directory/personalize--[0-9]*.sql");
plan skip_all => "$directory cannot be written to" unless -w $directory;
my ($version) = $current =~ /personalize--(.*)\.sql/;

# Everything the extension owns, as a pg_dump of it would see it.
my $fingerprint = <<'SQL';
SET search_path = pg_catalog;
WITH member AS (
	SELECT classid, objid FROM pg_depend
	WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
		AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'personalize'))
SELECT pg_describe_object(classid, objid, 0), obj_description(objid, classid::regclass::name),
	CASE classid
		WHEN 'pg_proc'::regclass THEN (SELECT concat_ws(' ', CASE WHEN prokind <> 'a' THEN pg_get_functiondef(oid) END, proowner::regrole, proacl) FROM pg_proc WHERE oid = objid)
		WHEN 'pg_class'::regclass THEN (SELECT concat_ws(' ', relkind, relowner::regrole, relacl, reloptions, relrowsecurity, relforcerowsecurity,
				CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END,
				(SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attstorage, attgenerated, attstattarget,
						pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)), '; ' ORDER BY attname)
					FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
					WHERE attrelid = objid AND attnum > 0 AND NOT attisdropped),
				(SELECT string_agg(pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint WHERE conrelid = objid),
				(SELECT string_agg(pg_get_indexdef(indexrelid), '; ' ORDER BY pg_get_indexdef(indexrelid)) FROM pg_index WHERE indrelid = objid),
				(SELECT string_agg(concat_ws(' ', polname, polpermissive, polcmd, pg_get_expr(polqual, polrelid)), '; ' ORDER BY polname) FROM pg_policy WHERE polrelid = objid))
			FROM pg_class WHERE oid = objid)
		WHEN 'pg_type'::regclass THEN (SELECT concat_ws(' ', typtype, typcategory, typstorage, typalign, typinput, typoutput) FROM pg_type WHERE oid = objid)
	END
FROM member ORDER BY 1, 3
SQL

my $node = PostgreSQL::Test::Cluster->new('update');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nshared_preload_libraries = 'personalize'\n");
$node->start;

# The fingerprint of a new database after some statements.
sub fingerprint_after
{
	my ($database, @statements) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, $_) for @statements;
	return $node->safe_psql($database, $fingerprint);
}

my $fresh = fingerprint_after('fresh', 'CREATE EXTENSION personalize');
cmp_ok(length $fresh, '>', 10000, 'there is a fingerprint');

for my $old (map { basename($_) =~ /personalize--(.*)\.sql/ ? $1 : () } sort glob('test/update/personalize--*.sql'))
{
	copy("test/update/personalize--$old.sql", $directory);
	is(fingerprint_after('from_' . $old =~ tr/./_/r, "CREATE EXTENSION personalize VERSION '$old'", 'ALTER EXTENSION personalize UPDATE'),
		$fresh, "an update from $old ends with the same catalog");
}

copy($current, "$directory/personalize--0.0.0.sql");
append_to_file("$directory/personalize--0.0.0--$version.sql", "-- nothing\n");
$node->safe_psql('postgres', 'CREATE DATABASE before');
$node->safe_psql('before', "CREATE EXTENSION personalize VERSION '0.0.0'");
$node->safe_psql('before', q{SELECT personalize.grant_consent('ada', '{analytics,personalization,recommendations}')});
is($node->safe_psql('before', q{SELECT personalize.track('ada', 'view_item', 'shoes')}),
	'accepted', 'events are taken while the versions differ');
my ($status, $out, $err) = $node->psql('before', 'SELECT * FROM personalize.rollup_now()');
isnt($status, 0, 'processors do not run while the versions differ');
like($err, qr/HINT:.*ALTER EXTENSION personalize UPDATE/s, 'and a hint says what to do');
$node->wait_for_log(qr/WARNING:  personalize in database "before" differs in version from the library/);
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE datname = 'before' AND backend_type = 'personalize worker'"),
	0, 'there is no worker either, and the log says why');
is($node->safe_psql('before', q{SELECT ok, fix LIKE '%ALTER EXTENSION personalize UPDATE%' FROM personalize.health() WHERE "check" = 'version'}),
	'f|t', 'health() says so, too');
$node->safe_psql('before', 'ALTER EXTENSION personalize UPDATE');
$node->poll_query_until('before', q{SELECT bool_and(waiting = 0) FROM personalize.stat_processor}) or die;
pass('the update brings the worker back');
is($node->safe_psql('before', q{SELECT max(events) FROM personalize.stat_processor}), 1, 'which has counted what waited');
is($node->safe_psql('before', $fingerprint), $fresh, 'an update ends with the same catalog as a fresh installation');

# A dump is CREATE EXTENSION and the rows: restored, nothing differs, nor after an update.
for my $dumped (qw(fresh before))
{
	my $dump = PostgreSQL::Test::Utils::tempdir() . "/$dumped.sql";
	$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr($dumped) ], "dump of $dumped");
	$node->safe_psql('postgres', "CREATE DATABASE restored_$dumped");
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr("restored_$dumped"), '-f', $dump ], 'restored');
	is($node->safe_psql("restored_$dumped", $fingerprint), $fresh, 'a restored dump ends with the same catalog');
}
unlink "$directory/personalize--0.0.0.sql", "$directory/personalize--0.0.0--$version.sql";
$node->stop;
done_testing();
