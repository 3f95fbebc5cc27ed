# Tables and databases are moved, rewritten and rebuilt while workers and writers are at work.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "log_min_messages = warning\npersonalize.workers = 2\n");
my $directory = PostgreSQL::Test::Utils::tempdir();
make_shop($node, 'shop');
mkdir "$directory/$_" for qw(moved closed given);
$node->safe_psql('postgres', "CREATE TABLESPACE $_ LOCATION '$directory/$_'") for qw(moved closed given);
traffic($node, 'shop', 3, 300);

# Answers of sessions that stay, whatever becomes of the files.
my $reader = $node->background_psql('shop');
my $answers = q{SELECT md5(string_agg(a::text, ',' ORDER BY a::text)) FROM (SELECT u, r.rank, r.item_id, r.score FROM generate_series(0, 30) AS u, personalize.recommend(u, 5, as_of => '2100-01-01') AS r) AS a};
$reader->query_safe($answers);

sub same
{
	my ($name) = @_;

	exact($node, 'shop', $name);
	return is($reader->query_safe($answers), $node->safe_psql('shop', "BEGIN ISOLATION LEVEL SERIALIZABLE; $answers"), "$name: an old session says what one does that remembers nothing");
}

# Each table anew, one after the other, while events come in and are counted.
my $ours = q{SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind = 'r' ORDER BY 1};
my $alone = q{SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind = 'r'
	AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND c.oid IN (f.conrelid, f.confrelid)) ORDER BY 1};
my $keyed = q{SELECT x.indrelid::regclass || ' USING ' || quote_ident(i.relname) FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
	WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind = 'r' AND x.indisprimary ORDER BY 1};
for my $step ([ 'VACUUM FULL', "VACUUM FULL %s", $ours ], [ 'CLUSTER', 'CLUSTER %s', $keyed ], [ 'REINDEX TABLE CONCURRENTLY', 'REINDEX TABLE CONCURRENTLY %s', $ours ],
	[ 'SET UNLOGGED', 'ALTER TABLE %s SET UNLOGGED', $alone ], [ 'SET LOGGED', 'ALTER TABLE %s SET LOGGED', $alone ], [ 'SET TABLESPACE', 'ALTER TABLE %s SET TABLESPACE moved', $ours ],
	[ 'back again', 'ALTER TABLE %s SET TABLESPACE pg_default', $ours ])
{
	my ($name, $command, $query) = @$step;
	my $script = "$directory/traffic.sql";

	append_to_file($script, "SELECT recompute.traffic(40);\n" x 30);
	my $writer = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('shop'), '-f', $script ], '<', '/dev/null', '>', '/dev/null', '2>', \my $errors);
	$node->safe_psql('shop', join("\n", map { sprintf($command, $_) . ';' } split /\n/, $node->safe_psql('shop', $query)));
	ok($writer->finish, "$name: nobody who writes is in trouble") or diag($errors);
	unlink $script;
	same("$name while busy");
	is($node->safe_psql('shop', q{SELECT ok FROM personalize.health() WHERE "check" = 'unlogged tables'}), $name eq 'SET UNLOGGED' ? 'f' : 't', "$name: health() tells of what a crash would empty");
}
is($node->safe_psql('shop', 'SELECT * FROM personalize.verify_index() WHERE wrong > 0'), '', 'the index is right');
is($node->safe_psql('shop', 'SELECT * FROM personalize.verify_counts() WHERE wrong > 0'), '', 'counts are right');
$reader->quit;

# The whole database moves, and workers make way for it.
for my $tablespace (qw(moved pg_default))
{
	traffic($node, 'shop', 5, 500);
	$node->safe_psql('postgres', "ALTER DATABASE shop SET TABLESPACE $tablespace");
	exact($node, 'shop', "ALTER DATABASE SET TABLESPACE $tablespace while busy");
}

# Days are made where event was told to be; a setting that the owner may not follow does not count.
my $lies = q{SELECT DISTINCT coalesce(t.spcname, 'database') FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE c.relname ~ '^event_p%s'};
my $import = q{SELECT personalize.import_events(ARRAY['7'], ARRAY['view_item'], ARRAY['a'], ARRAY['%s 12:00+00']::timestamptz[])};
sub import_day
{
	my ($day, $expected, $name) = @_;

	(my $digits = $day) =~ tr/-//d;
	$node->safe_psql('shop', q{SELECT personalize.grant_consent('7', '{analytics,personalization,recommendations}')});
	$node->safe_psql('shop', sprintf($import, $day));
	# a processor that counts nothing of it moves its position since the day is over
	wait_for($node, 'shop', "SELECT rolled FROM personalize._event_day WHERE day = '$day'", 'a day to be closed');
	return is($node->safe_psql('shop', sprintf($lies, $digits)), $expected, $name);
}
$node->safe_psql('postgres', 'ALTER DATABASE shop SET default_tablespace = closed');
$node->safe_psql('shop', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'personalize worker'});
import_day('2020-01-01', 'database', 'a tablespace that the owner may not use keeps no day from being made, nor closed');
$node->safe_psql('postgres', 'GRANT CREATE ON TABLESPACE closed TO personalize_owner');
import_day('2020-01-02', 'closed', 'one that it may use is used');
$node->safe_psql('postgres', 'GRANT CREATE ON TABLESPACE given TO personalize_owner');
$node->safe_psql('shop', 'ALTER TABLE personalize.event SET TABLESPACE given');
import_day('2020-01-03', 'given', 'that of event comes first');
is($node->safe_psql('shop', 'SELECT * FROM personalize.verify_counts() WHERE wrong > 0'), '', 'all is counted');
$node->stop;
done_testing();
