# Roles are the cluster's, extensions a database's: what exists already is adopted
# unless it is stronger, each database says whose a purpose is, and neither a
# dump nor DROP EXTENSION opens or breaks anything elsewhere.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('roles', conf => "log_min_messages = fatal\n");
my @groups = map { "personalize_$_" } qw(app analyst admin analytics personalization recommendations marketing);

# Output and error of statements run in one session.
sub run_sql
{
	my ($where, $database, $sql) = @_;
	my ($status, $stdout, $stderr) = $where->psql($database, "\\set VERBOSITY verbose\n$sql");
	return ($stdout // '', $stderr // '');
}

# A role that somebody made stronger is refused, and the hint's command helps.
$node->safe_psql('postgres', 'CREATE DATABASE one');
my $roles = $node->safe_psql('postgres', q{SELECT count(*) FROM pg_roles WHERE rolname LIKE 'personalize%'});
is($roles, 0, 'there are no roles yet');
for my $role ('personalize_owner', @groups)
{
	for my $attribute (qw(SUPERUSER CREATEROLE CREATEDB BYPASSRLS REPLICATION))
	{
		next unless $attribute eq 'BYPASSRLS' || $role =~ /owner|marketing/;
		$node->safe_psql('postgres', "CREATE ROLE $role $attribute");
		my ($stdout, $stderr) = run_sql($node, 'one', 'CREATE EXTENSION personalize;');
		like($stderr, qr/42710: role "$role" exists and has more rights/, "$role with $attribute is refused");
		$node->safe_psql('postgres', "DROP ROLE $role");
	}
}
for my $group ('personalize_app', 'personalize_marketing')
{
	$node->safe_psql('postgres', "CREATE ROLE $group LOGIN");
	my ($stdout, $stderr) = run_sql($node, 'one', 'CREATE EXTENSION personalize;');
	like($stderr, qr/role "$group" exists and has more rights.*HINT.*NOLOGIN/s, "$group that can log in is refused");
	$node->safe_psql('postgres', "DROP ROLE $group");

	$node->safe_psql('postgres', "CREATE ROLE $group; GRANT pg_read_all_data TO $group");
	($stdout, $stderr) = run_sql($node, 'one', 'CREATE EXTENSION personalize;');
	like($stderr, qr/role "$group" is a member of .*HINT.*REVOKE/s, "$group that is a member of another role is refused");
	$node->safe_psql('postgres', "DROP ROLE $group");
}
for my $case ([ "LOGIN CONNECTION LIMIT 3", 'a connection limit', 'CONNECTION LIMIT 0' ],
	[ "LOGIN CONNECTION LIMIT 0 PASSWORD 'x'", 'a password', 'PASSWORD NULL' ])
{
	my ($options, $what, $hint) = @$case;
	$node->safe_psql('postgres', "CREATE ROLE personalize_owner $options");
	my ($stdout, $stderr) = run_sql($node, 'one', 'CREATE EXTENSION personalize;');
	like($stderr, qr/role "personalize_owner" exists and has more rights.*HINT.*$hint/s, "an owner with $what is refused");
	$node->safe_psql('postgres', 'DROP ROLE personalize_owner');
}
$node->safe_psql('postgres', 'CREATE ROLE stranger; CREATE ROLE personalize_owner LOGIN CONNECTION LIMIT 0; GRANT personalize_owner TO stranger');
my ($stdout, $stderr) = run_sql($node, 'one', 'CREATE EXTENSION personalize;');
like($stderr, qr/role "personalize_owner" has members/, 'an owner with members is refused');
is($node->safe_psql('one', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'personalize'}), 0, 'and nothing is left behind');
$node->safe_psql('postgres', 'DROP ROLE personalize_owner; DROP ROLE stranger');

# The first database makes the roles, the second adopts them.
$node->safe_psql('one', 'CREATE EXTENSION personalize');
my $fingerprint = q{SELECT string_agg(concat_ws(' ', oid, r.*), E'\n' ORDER BY rolname) FROM pg_roles AS r WHERE rolname LIKE 'personalize%'};
my $made = $node->safe_psql('postgres', $fingerprint);
is(scalar(split /\n/, $made), 9, 'the first database made nine roles');
$node->safe_psql('postgres', 'CREATE DATABASE two; GRANT personalize_analytics TO personalize_analyst');
$node->safe_psql('two', 'CREATE EXTENSION personalize');
is($node->safe_psql('postgres', $fingerprint), $made, 'the second adopted them as they were');
is($node->safe_psql($_, q{SELECT string_agg(detail, '; ') FROM personalize.security_check() WHERE NOT ok}), 'role personalize_analyst is a member of personalize_analytics', "$_: analysts who hold a purpose are no reason to refuse, but told of") for qw(one two);
$node->safe_psql('postgres', 'REVOKE personalize_analytics FROM personalize_analyst');
is($node->safe_psql($_, q{SELECT string_agg(detail, '; ') FROM personalize.security_check() WHERE NOT ok}), '', "$_ is as safe as shipped") for qw(one two);

# The same people in both; whose the purpose marketing is differs.
for my $database (qw(one two))
{
	$node->safe_psql($database, <<'SQL');
SELECT personalize.grant_consent('ada', '{marketing}');
SELECT personalize.grant_consent('bob', '{analytics}');
SELECT personalize.track(u, 'view_item', 'tea') FROM unnest('{ada,bob}'::text[]) AS u;
SELECT FROM personalize.rollup_now();
SQL
}
$node->safe_psql('two', <<'SQL');
CREATE ROLE two_marketing NOLOGIN;
INSERT INTO personalize.purpose_role VALUES ('marketing', 'two_marketing');
CREATE ROLE reader_one LOGIN IN ROLE personalize_analyst, personalize_marketing;
CREATE ROLE reader_two LOGIN IN ROLE personalize_analyst, two_marketing;
SQL
my $read = "SET personalize.purpose = 'marketing'; SELECT user_id FROM personalize.subject;";
for my $case ([ 'one', 'reader_one', 1 ], [ 'one', 'reader_two', 0 ], [ 'two', 'reader_one', 0 ], [ 'two', 'reader_two', 1 ])
{
	my ($database, $reader, $may) = @$case;
	($stdout, $stderr) = run_sql($node, $database, "SET ROLE $reader; $read");
	is($stdout, $may ? 'ada' : '', "$reader in $database: " . ($may ? 'its purpose' : 'nothing'));
	like($stderr, $may ? qr/^$/ : qr/42501.*does not hold purpose "marketing".*holds no purpose/s, 'with an error that says why') unless $may && $stderr eq '';
}
# In the running session, too: authority is checked at each use.
($stdout, $stderr) = run_sql($node, 'two', "SET ROLE reader_two; $read RESET ROLE; DELETE FROM personalize.purpose_role; SET ROLE reader_two; $read");
like($stderr, qr/42501/, 'changed authority holds in the next statement');
is($node->safe_psql('two', q{SELECT count(*) FROM personalize.purpose_role}), 0, 'it was changed');
$node->safe_psql('two', q{INSERT INTO personalize.purpose_role VALUES ('marketing', 'two_marketing')});

# Into a cluster without the roles: everything restores, and what has no role yet
# is closed with a hint.
$node->safe_psql('one', <<'SQL');
INSERT INTO personalize.purpose (name, bit, description) VALUES ('news letter', 9, 'our letter');
INSERT INTO personalize.purpose_role VALUES ('news letter', 'one "letter"');
CREATE ROLE "one ""letter""" NOLOGIN;
CREATE ROLE letter LOGIN IN ROLE personalize_analyst, "one ""letter""";
SELECT personalize.grant_consent('eve', '{news letter}');
SELECT personalize.track('eve', 'view_item', 'tea');
SELECT FROM personalize.rollup_now();
SQL
my $read_letter = "SET ROLE letter; SET personalize.purpose = 'news letter'; SELECT user_id FROM personalize.subject;";
($stdout, $stderr) = run_sql($node, 'one', $read_letter);
is("$stdout$stderr", 'eve', 'a purpose and a role of one\'s own');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/one.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('one') ], 'dumped');
my $other = new_node('empty', conf => "log_min_messages = fatal\n");
$other->safe_psql('postgres', 'CREATE DATABASE restored');
$other->command_ok([ 'pg_restore', '-e', '-d', $other->connstr('restored'), $dump ], 'restored without an error where none of the roles was');
is($other->safe_psql('postgres', q{SELECT count(*) FROM pg_roles WHERE rolname IN ('one "letter"', 'letter')}), 0, 'where the roles are missing');
is($other->safe_psql('restored', 'SELECT count(*) FROM personalize.subject'), 3, 'the data is there');
$other->safe_psql('restored', 'CREATE ROLE letter LOGIN IN ROLE personalize_analyst');
($stdout, $stderr) = run_sql($other, 'restored', $read_letter);
is($stdout, '', 'without the role of the purpose nobody reads for it');
like($stderr, qr/42501.*role "one "letter"".*does not exist.*HINT:.*CREATE ROLE/s, 'and is told why and what to do');
is($other->safe_psql('restored', q{SELECT "check" || ': ' || detail FROM personalize.security_check() WHERE NOT ok}),
	'purpose roles: role "one ""letter""" does not exist', 'security_check() finds the missing role and nothing else');
$other->safe_psql('restored', $other->safe_psql('restored', q{SELECT fix FROM personalize.security_check() WHERE NOT ok}));
is($other->safe_psql('restored', q{SELECT count(*) FROM personalize.security_check() WHERE NOT ok}), 0, 'its fix makes the role');
$other->safe_psql('restored', 'GRANT "one ""letter""" TO letter');
($stdout, $stderr) = run_sql($other, 'restored', $read_letter);
is("$stdout$stderr", 'eve', 'and with it the purpose is read again');
($stdout, $stderr) = run_sql($other, 'restored', q{CREATE ROLE nosy LOGIN; GRANT personalize_analyst TO nosy;
	SELECT format('GRANT SELECT ON %s TO nosy', inhrelid::regclass) FROM pg_inherits WHERE inhparent = 'personalize.event'::regclass ORDER BY 1 LIMIT 1 \gexec
	SELECT inhrelid::regclass AS day FROM pg_inherits WHERE inhparent = 'personalize.event'::regclass ORDER BY inhrelid::regclass::text LIMIT 1 \gset
	SET ROLE nosy;
	SELECT * FROM :day;});
like($stderr, qr/42501.*partitions of "personalize.event" are closed/s, 'restored partitions are closed');

# A weaker setting of the server is found; its fix is two commands.
$other->safe_psql('restored', q{ALTER SYSTEM SET personalize.on_denied = 'empty'});
$other->safe_psql('restored', 'SELECT pg_reload_conf()');
wait_for($other, 'restored', q{SELECT current_setting('personalize.on_denied') = 'empty'});
my $fix = $other->safe_psql('restored', q{SELECT fix FROM personalize.security_check() WHERE NOT ok AND "check" = 'settings'});
like($fix, qr/^ALTER SYSTEM/, 'denied reads that are silent for the whole server are found');
$other->safe_psql('restored', $_) for split /; /, $fix;
ok($other->poll_query_until('restored', q{SELECT count(*) = 0 FROM personalize.security_check() WHERE NOT ok AND "check" = 'settings'}), 'and put right by the fix');

# DROP EXTENSION here does nothing there.
$node->safe_psql('one', 'SET client_min_messages = warning; DROP EXTENSION personalize CASCADE');
is($node->safe_psql('postgres', $fingerprint), $made, 'DROP EXTENSION leaves the roles');
($stdout, $stderr) = run_sql($node, 'two', "SET ROLE reader_two; $read");
is("$stdout$stderr", 'ada', 'the other database reads on');
$node->safe_psql('two', q{SET ROLE reader_two; RESET ROLE; SELECT personalize.track('ada', 'purchase', 'tea'); SELECT FROM personalize.rollup_now()});
is($node->safe_psql('two', 'SELECT count(*) FROM personalize.event'), 3, 'and writes on');
is($node->safe_psql('two', q{SELECT string_agg(detail, '; ') FROM personalize.security_check() WHERE NOT ok}), '', 'as safe as before');
$node->safe_psql('one', 'SET client_min_messages = warning; DROP SCHEMA personalize CASCADE; CREATE EXTENSION personalize');
is($node->safe_psql('one', q{SELECT string_agg(detail, '; ') FROM personalize.security_check() WHERE NOT ok}), '', 'and the first adopts the roles again');

$_->stop for ($node, $other);
done_testing();
