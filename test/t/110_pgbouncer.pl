# A pooler in transaction mode: 50 clients on 5 server connections alternate
# between purposes, and nobody ever sees a row of another's.
#
# Every client logs in as the same role, which holds all purposes, so nothing but
# the purpose requested in the transaction or in the call tells them apart.
# Needs Debian's package pgbouncer; it runs as whoever runs the server.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($pgbouncer) = grep { -x $_ } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
plan skip_all => 'pgbouncer is not installed' unless $pgbouncer;

my $node = new_node('pool', conf => "max_connections = 60\nlog_min_messages = fatal\n");
my %bit = (analytics => 1, personalization => 2, recommendations => 4, marketing => 8);

# One person for each set of purposes; the number of the person is the set.
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', 'CREATE EXTENSION personalize');
$node->safe_psql('shop', <<'SQL');
CREATE ROLE web LOGIN;
GRANT personalize_app, personalize_analyst, personalize_analytics, personalize_personalization,
	personalize_recommendations, personalize_marketing TO web;
SELECT personalize.create_signal('for_' || p.name, '{view_item}', 'properties.query',
	purposes => ARRAY[p.name]) FROM personalize.purpose AS p WHERE p.builtin;
SELECT personalize.grant_consent(to_char(n, '"person "FM00'), ARRAY(SELECT p.name FROM personalize.purpose AS p WHERE n >> p.bit & 1 = 1))
	FROM generate_series(1, 15) AS n;
SELECT count(*) FROM generate_series(1, 15) AS n, generate_series(1, 3) AS k,
	personalize.track(to_char(n, '"person "FM00'), 'view_item', 'item ' || k, properties => '{"query": "word"}');
SELECT FROM personalize.rollup_now();

-- Which people are seen through tables, views and readers; an error if they are others.
CREATE FUNCTION public.check_seen(asked text, seen text, through text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	expected text := (SELECT string_agg(to_char(n, '"person "FM00'), ',' ORDER BY n) FROM generate_series(1, 15) AS n
		WHERE n >> CASE asked WHEN 'analytics' THEN 0 WHEN 'personalization' THEN 1 WHEN 'recommendations' THEN 2 ELSE 3 END & 1 = 1);
BEGIN
	IF seen IS DISTINCT FROM expected THEN
		RAISE EXCEPTION 'for % through % seen %', asked, through, seen;
	END IF;
END
$$;
CREATE FUNCTION public.look(asked text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	-- cached plans of the server connection, whatever purpose they were made under
	PERFORM public.check_seen(asked, (SELECT string_agg(DISTINCT user_id, ',' ORDER BY user_id) FROM personalize.subject), 'subject');
	PERFORM public.check_seen(asked, (SELECT string_agg(to_char(n, '"person "FM00'), ',' ORDER BY n) FROM generate_series(1, 15) AS n
		WHERE EXISTS (SELECT FROM personalize.event AS e WHERE e.user_key = personalize.user_key(to_char(n, '"person "FM00')))), 'event');
	IF EXISTS (SELECT FROM personalize.event AS e WHERE e.consent >> CASE asked WHEN 'analytics' THEN 0 WHEN 'personalization' THEN 1 WHEN 'recommendations' THEN 2 ELSE 3 END & 1 = 0) THEN
		RAISE EXCEPTION 'for % an event of another purpose', asked;
	END IF;
	IF EXISTS (SELECT FROM personalize.profile_feature AS f WHERE f.signal LIKE 'for\_%' AND f.signal <> 'for_' || asked) THEN
		RAISE EXCEPTION 'for % a feature of another purpose', asked;
	END IF;
END
$$;
-- The same through readers that are told the purpose in the call.
CREATE FUNCTION public.look_by_argument(asked text, person int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	signals text := (SELECT string_agg(DISTINCT f.signal, ',') FROM personalize.features(to_char(person, '"person "FM00'), purpose => asked) AS f WHERE f.signal LIKE 'for\_%');
	allowed boolean := person >> CASE asked WHEN 'analytics' THEN 0 WHEN 'personalization' THEN 1 WHEN 'recommendations' THEN 2 ELSE 3 END & 1 = 1;
BEGIN
	IF signals IS DISTINCT FROM (CASE WHEN allowed THEN 'for_' || asked END) THEN
		RAISE EXCEPTION 'features of person % for %: %', person, asked, signals;
	END IF;
END
$$;
-- What nobody asked for is never answered: no purpose stays with the connection.
CREATE FUNCTION public.look_without() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM personalize.event;
	RAISE EXCEPTION 'somebody else''s purpose is in force: %', current_setting('personalize.purpose');
EXCEPTION
	WHEN insufficient_privilege THEN NULL;
END
$$;

-- Experiments, and what every person is assigned to.
INSERT INTO personalize.item (item_id, category, attributes) SELECT 'item ' || k, 'c', jsonb_build_object('name', 'Shoe ' || k) FROM generate_series(1, 30) AS k
	ON CONFLICT (item_id) DO UPDATE SET category = EXCLUDED.category, attributes = EXCLUDED.attributes;
SELECT personalize.create_experiment(e, e, jsonb_build_array('shipped', jsonb_build_object('name', 'new', 'parameters', '{"diversity": 0.5}'::jsonb))),
	personalize.start_experiment(e) FROM unnest(ARRAY['recommend', 'trending', 'homepage']) AS e;
CREATE TABLE public.assigned AS SELECT n AS person, a.experiment, coalesce(a.variant, 'shipped') AS variant
	FROM generate_series(1, 15) AS n, personalize.assignment_of(to_char(n, '"person "FM00')) AS a;
GRANT SELECT ON public.assigned TO PUBLIC;
-- All engines answer a person, each with the variant that is theirs; visitor: who the session says it is.
CREATE FUNCTION public.ask(asking int, visitor text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	who text := to_char(asking, '"person "FM00');
	wrong text;
BEGIN
	IF current_setting('personalize.visitor') <> visitor THEN
		RAISE EXCEPTION 'somebody else''s visitor is in force: %', current_setting('personalize.visitor');
	END IF;
	PERFORM FROM personalize.rank_search(who, 'shoe', ARRAY['item 1', 'item 2']);
	PERFORM FROM personalize.search_items(who, 'shoe');
	PERFORM FROM personalize.similar_items('item 1');
	PERFORM FROM personalize.bought_together(ARRAY['item 1']);
	SELECT string_agg(a.experiment, ', ') INTO wrong FROM public.assigned AS a JOIN (
		SELECT 'recommend' AS engine, r.request_id FROM personalize.recommend(who, 3) AS r
		UNION ALL SELECT 'homepage', h.request_id FROM personalize.homepage(who) AS h
		UNION ALL SELECT 'trending', t.request_id FROM personalize.trending(3) AS t WHERE visitor = who) AS r ON a.experiment = r.engine
		CROSS JOIN LATERAL personalize.request_origin(r.request_id) AS o
		WHERE a.person = asking AND (o.variant = 0) <> (a.variant = 'shipped');
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION '% answered % with somebody else''s variant', wrong, who;
	END IF;
END
$$;
SQL

# The pooler, on a socket of its own.
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $pool_port = $node->port;
my ($host, $log) = ($node->host, "$directory/pgbouncer.log");
append_to_file("$directory/users.txt", qq{"web" ""\n});
append_to_file("$directory/pgbouncer.ini", <<CONF);
[databases]
shop = host=$host port=$pool_port dbname=shop
[pgbouncer]
listen_port = $pool_port
listen_addr =
unix_socket_dir = $directory
auth_type = trust
auth_file = $directory/users.txt
pool_mode = transaction
default_pool_size = 5
max_client_conn = 100
logfile = $log
pidfile = $directory/pgbouncer.pid
CONF
my ($out, $err) = ('', '');
my $pooler = IPC::Run::start([ $pgbouncer, '-q', "$directory/pgbouncer.ini" ], '<', '/dev/null', '>', \$out, '2>', \$err);
END { my $status = $?; $pooler->kill_kill if $pooler; $? = $status }

my $connection = "host=$directory port=$pool_port dbname=shop user=web";
my $started = 0;
for (1 .. 100)
{
	$started = IPC::Run::run([ 'psql', '-XAtq', '-d', $connection, '-c', 'SELECT' ], '<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
	last if $started || !$pooler->pumpable;
	select(undef, undef, undef, 0.1);
}
ok($started, 'the pooler answers') or BAIL_OUT("pgbouncer does not start: $err" . (-e $log ? slurp_file($log) : ''));

# A statement through the pooler: output and error.
sub pooled
{
	my @statements = map { ('-c', $_) } @_;
	my ($stdout, $stderr) = ('', '');
	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', '-d', $connection, @statements ],
		'<', '/dev/null', '>', \$stdout, '2>', \$stderr);
	return ($stdout, $stderr);
}

# 50 clients run transactions of these kinds.
sub crowd
{
	my ($name, $mode, %script) = @_;
	my @files;
	for my $kind (sort keys %script)
	{
		my $file = "$directory/$name-$kind.sql";
		$file =~ s/[^\w\/.-]/_/g;
		append_to_file($file, $script{$kind});
		push @files, '-f', $file;
	}
	my ($stdout, $stderr) = ('', '');
	my $good = IPC::Run::run([ 'pgbench', '-n', '-M', $mode, '-c', 50, '-j', 2, '-t', 16, @files, $connection ],
		'<', '/dev/null', '>', \$stdout, '2>', \$stderr);
	my $wrong = join("\n", grep { /ERROR|aborted|FATAL/ } split /\n/, $stderr);
	is($wrong, '', "$name, $mode: nobody meets what is another client's");
	like($stdout, qr{number of transactions actually processed: 800/800}, "$name, $mode: all transactions ran");
	return;
}

my %local = map { ($_ => "BEGIN;\nSET LOCAL personalize.purpose = '$_';\nSELECT public.look('$_');\nCOMMIT;\n") } keys %bit;
my %argument = map {
	("arg_$_" => "\\set person random(1, 15)\nSELECT public.look_by_argument('$_', :person);\n")
} keys %bit;
my %prepared = map {
	("prepared_$_" => "BEGIN;\nSET LOCAL personalize.purpose = '$_';\nPREPARE seen(text) AS SELECT public.check_seen(\$1, (SELECT string_agg(user_id, ',' ORDER BY user_id) FROM personalize.subject), 'PREPARE');\n"
		. "EXECUTE seen('$_');\nEXECUTE seen('$_');\nDEALLOCATE seen;\nCOMMIT;\n")
} keys %bit;
my %without = (without => "SELECT public.look_without();\n");

crowd('set_local', $_, %local, %without) for qw(simple extended);
crowd('argument', $_, %argument, %without) for qw(simple extended);
crowd('prepare', $_, %prepared, %without) for qw(simple extended);
crowd('mixed', 'extended', %local, %argument, %prepared, %without);
crowd('engines', $_, asked => "\\set person random(1, 15)\nSELECT public.ask(:person, '');\n",
	read_only => "\\set person random(1, 15)\nBEGIN READ ONLY;\nSELECT public.ask(:person, '');\nCOMMIT;\n",
	map { my $who = sprintf('person %02d', $_); ("visitor_$_" => "BEGIN;\nSET LOCAL personalize.visitor = '$who';\nSELECT public.ask($_, '$who');\nCOMMIT;\n") } 1 .. 5)
	for qw(simple extended);
is($node->safe_psql('shop', q{SELECT count(DISTINCT variant) FROM public.assigned}), '2', 'people have different variants');
my $backends = $node->safe_psql('shop', q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'web'});
cmp_ok($backends, '<=', 5, "50 clients shared $backends connections");
cmp_ok($backends, '>', 1, 'and more than one');

# A request that an error ended goes with its transaction.
pooled("BEGIN; SET LOCAL personalize.purpose = 'marketing'; SELECT 1 / 0");
my ($seen, $error) = pooled('SELECT count(*) FROM personalize.subject');
like($error, qr/42501/, 'after an error in a transaction no purpose is in force');

# The test can fail: what is expected for one purpose is not seen for another.
($seen, $error) = pooled("BEGIN; SET LOCAL personalize.purpose = 'marketing'; SELECT public.look('analytics'); COMMIT");
like($error, qr/for analytics through subject seen/, 'a wrong purpose would have been noticed');

# ALTER ROLE ... SET is a way, too: new server connections have it.
$node->safe_psql('shop', q{CREATE ROLE mailer LOGIN IN ROLE personalize_analyst, personalize_marketing});
$node->safe_psql('shop', q{ALTER ROLE mailer SET personalize.purpose = 'marketing'});
append_to_file("$directory/users.txt", qq{"mailer" ""\n});
$pooler->signal('HUP');
my $mailer = $connection =~ s/user=web/user=mailer/r;
for (1 .. 100)
{
	$seen = '';
	last if IPC::Run::run([ 'psql', '-XAtq', '-d', $mailer, '-c', 'SELECT count(*) FROM personalize.subject' ], '<', '/dev/null', '>', \$seen, '2>', '/dev/null');
	select(undef, undef, undef, 0.1);
}
is($seen, "8\n", 'a role with a purpose of its own sees that one through the pooler');

# Why docs/operations.md forbids plain SET: it stays with the connection for the next.
pooled("SET personalize.purpose = 'marketing'");
my $inherited = 0;
for (1 .. 20)
{
	($seen) = pooled("SELECT current_setting('personalize.purpose')");
	$inherited++ if $seen =~ /marketing/;
}
cmp_ok($inherited, '>', 0, "a plain SET was inherited by $inherited of 20 later clients");

$pooler->signal('INT');
$pooler->finish;
undef $pooler;
$node->stop;
done_testing();
