# Item statistics stay exact while people withdraw and grant again, others write and batches run.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main');
make_shop($node, 'shop');
$node->safe_psql('shop', q{
	SELECT count(personalize.grant_consent(u, ARRAY['analytics', 'recommendations'])) FROM generate_series(1, 50) u;
	CREATE VIEW wrong AS
		WITH expected AS (
			SELECT date_trunc('hour', ts, 'UTC'), item_key, event, count(*)::bigint AS count, sum(value * 1000000) AS amount
			FROM personalize.event WHERE item_key IS NOT NULL AND consent & 1 = 1 GROUP BY 1, 2, 3
		), found AS (
			SELECT pane_start, item_key, event, sum(count)::bigint, sum(amount) FROM personalize.item_stat GROUP BY 1, 2, 3
		)
		(TABLE expected EXCEPT ALL TABLE found) UNION ALL (TABLE found EXCEPT ALL TABLE expected);
	CREATE VIEW wrong_basket AS
		SELECT item_key, user_key FROM (SELECT item_key, user_key, sum(count) AS n FROM personalize._basket GROUP BY 1, 2) b
		FULL JOIN (SELECT item_key, user_key, count(*) AS n FROM personalize.event WHERE event = 10 AND consent & 1 = 1 GROUP BY 1, 2) e
			USING (item_key, user_key)
		WHERE b.n IS DISTINCT FROM e.n});

# Each script is run by a client of its own, so many times.
my %scripts = (
	track => [ 3, 1500, q{\set u random(1, 50)
\set i random(1, 20)
\set e random(1, 4)
SELECT personalize.track(:u, (ARRAY['view_item', 'purchase', 'add_to_cart', 'view_item_list'])[:e], :i,
	jsonb_build_object('value', :i, 'currency', 'EUR'), now() - :i * interval '1 hour');
} ],
	withdraw => [ 1, 150, q{\set u random(1, 50)
SELECT personalize.withdraw_consent(:u, ARRAY['analytics']);
SELECT personalize.grant_consent(:u, ARRAY['analytics']);
} ],
	rollup => [ 2, 60, "SELECT count(*) FROM personalize.rollup_now();\n" ]);
my $dir = PostgreSQL::Test::Utils::tempdir();
my @running;
while (my ($name, $script) = each %scripts)
{
	my ($clients, $times, $sql) = @$script;

	append_to_file("$dir/$name.sql", $sql);
	push @running, IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-t', $times, '-f', "$dir/$name.sql", $node->connstr('shop') ],
		'<', '/dev/null', '>', "$dir/$name.out", '2>', "$dir/$name.err");
}
ok($_->finish, 'a client without failure') for @running;
unlike(slurp_file("$dir/$_.err"), qr/ERROR|aborted/, "no error in $_") for sort keys %scripts;

# however the clients took turns, some come after the last withdrawal
$node->safe_psql('shop', q{SELECT personalize.track(u, 'view_item', i, jsonb_build_object('value', i, 'currency', 'EUR'))
	FROM generate_series(1, 50) AS u, generate_series(1, 4) AS i});
wait_caught_up($node, 'shop');
is($node->safe_psql('shop', 'SELECT * FROM wrong LIMIT 5'), '', 'the counters are those of the raw events');
is($node->safe_psql('shop', 'SELECT * FROM wrong_basket LIMIT 5'), '', 'and so are the baskets');
cmp_ok($node->safe_psql('shop', 'SELECT count(*) FROM personalize.event WHERE consent & 1 = 0 AND item_key IS NOT NULL'), '>', 100, 'events were taken out');
cmp_ok($node->safe_psql('shop', 'SELECT sum(count) FROM personalize.item_stat'), '>', 100, 'and others not');
$node->stop;
done_testing();
