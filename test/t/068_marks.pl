# What is kept from call to call, in shared memory and by each session, never changes an answer.
#
# Nothing that is kept is used under serializable transactions, so these say what is true.
# Two other sessions are asked the same, over and over, while everything an answer is made of
# changes: committed, rolled back to savepoints, by the other one, vacuumed and rewritten.
# Shared buffers are few, so that pages come and go.  PERSONALIZE_RUNS sets how many rounds are
# played, PERSONALIZE_SEED which.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{PERSONALIZE_RUNS} || 30;
my $seed = $ENV{PERSONALIZE_SEED} || 68;
my ($people, $items) = (150, 200);
srand $seed;

my $node = new_node('main', conf => q{
personalize.databases = 'postgres'
shared_buffers = 4MB
wal_log_hints = on
autovacuum = off
fsync = off
jit = off
});
make_shop($node, 'shop');
$node->safe_psql('shop', qq{
	SELECT setseed(0.5);
	INSERT INTO personalize.item (item_id, category, brand, price, available, created_at, attributes)
		SELECT i, 'category ' || i % 12, 'brand ' || i % 40, i % 90, i % 20 <> 0, now() - i % 40 * interval '1 day', jsonb_build_object('text', repeat('x', 300))
		FROM generate_series(1, $items) AS i;
	SELECT count(personalize.grant_consent(u, '{analytics,personalization,recommendations}')) FROM generate_series(1, $people) AS u;
	SELECT (personalize.import_events(array_agg(u::text::personalize.entity_id), array_agg('view_item'::text),
		array_agg((1 + (u * 7 + floor(power(random(), 2) * 60))::int % $items)::text::personalize.entity_id),
		array_agg(now() - u % 200 * interval '20 minutes' - n * interval '1 minute'),
		consents => array_agg('analytics,personalization,recommendations'::text))).accepted
		FROM generate_series(1, $people) AS u, generate_series(1, 12) AS n;
	SELECT count(*) FROM personalize.rollup_now()});
# the time all answers are for: not in the past, for which nothing is kept
my $at = $node->safe_psql('shop', "SELECT quote_literal(now() + interval '25 minutes')");

# Some ids up to a number, as elements of an array.
sub some
{
	my ($count, $most) = @_;
	return 'ARRAY[' . join(',', map { 1 + int rand $most } 1 .. $count) . ']::text[]::personalize.entity_id[]';
}
sub person { return 1 + int rand $people }
sub item { return 1 + int rand $items }
sub bool { return rand() < 0.5 ? 'true' : 'false' }

# Questions, each of which gives one text.
sub questions
{
	my @asked = (
		sub { sprintf 'personalize.recommend(%d, %d, as_of => %s, allow_session_items => %s)', person(), 5 + rand 30, $at, bool() },
		sub { sprintf 'personalize.recommend(NULL, %d, session_items => %s, as_of => %s, allow_session_items => %s)', 5 + rand 30, some(1 + rand 5, $items), $at, bool() },
		sub { sprintf 'personalize.recommend(%d, 10, candidates => %s, exclude => %s, as_of => %s)', person(), some(15, $items), some(3, $items), $at },
		sub { sprintf q{personalize.recommend(%d, 10, filter => '$.price < %d', as_of => %s)}, person(), 20 + rand 60, $at },
		sub { sprintf 'personalize.similar_items(%d, %d, as_of => %s)', item(), 5 + rand 15, $at });
	my @texts = map { sprintf "(SELECT string_agg(concat_ws(' ', rank, item_id, score, reason), ', ' ORDER BY rank) FROM %s)", $asked[ rand @asked ]->() } 1 .. 5;
	return 'SELECT ' . join(', ', @texts);
}

# Changes that may be rolled back, and those that may not.
my @changes = (
	sub { sprintf 'UPDATE personalize.item SET available = NOT available WHERE item_key %% 7 = %d', rand 7 },
	sub { sprintf 'UPDATE personalize.item SET hidden = NOT hidden, price = price + 1 WHERE item_key = %d', item() },
	sub { sprintf q{UPDATE personalize.item SET category = 'category %d', created_at = %s::timestamptz - interval '3 hours' WHERE item_key %% 11 = %d}, rand 12, $at, rand 11 },
	sub { sprintf 'DELETE FROM personalize.item WHERE item_key %% 50 = %d', rand 50 },
	sub { sprintf 'UPDATE personalize._session_repeat SET hits = possible WHERE place = %d', rand 8 },
	sub { sprintf 'DELETE FROM personalize._session_repeat WHERE place = %d', rand 8 },
	sub { sprintf 'DELETE FROM personalize._pair_list WHERE item_key %% 30 = %d', rand 30 },
	sub { sprintf 'DELETE FROM personalize.posting WHERE item_key %% 30 = %d', rand 30 },
	sub { 'UPDATE personalize._session_total SET sessions = sessions + 10' },
	sub { sprintf q{SELECT count(personalize.set_preference(u, 'hidden_item', '%d')) FROM generate_series(1, %d, 2) AS u}, item(), $people },
	sub { sprintf q{SELECT count(personalize.set_preference(u, 'favourite_category', 'category %d')) FROM generate_series(%d, %d, 5) AS u}, rand 12, 1 + rand 5, $people },
	sub { sprintf q{INSERT INTO personalize.rule (name, kind, items) VALUES ('r' || random(), 'exclude', %s)}, some(5, $items) },
	sub { 'DELETE FROM personalize.rule' });
my $roll = 'SELECT count(*) FROM personalize.rollup_now()';
my $visits = sub { sprintf q{SELECT accepted FROM personalize.import_events(%s, array_fill('view_item'::text, '{9}'), %s, array_fill(now(), '{9}'),
	consents => array_fill('recommendations'::text, '{9}')); %s}, some(9, $people), some(9, $items), $roll };
my @lasting = (
	($visits) x 6,
	sub { sprintf 'SELECT personalize.forget(%d)', person() },
	sub { sprintf q{SELECT personalize.withdraw_consent(%d, '{recommendations}')}, person() },
	sub { sprintf q{SELECT personalize.grant_consent(%d, '{recommendations}')}, person() },
	sub { "SELECT personalize.rebuild_processor('neighbour'); $roll" },
	sub { 'VACUUM personalize.item' }, sub { 'VACUUM FREEZE personalize._pair_list' },
	sub { 'VACUUM FULL personalize.item' }, sub { 'VACUUM FULL personalize._pair_list' }, sub { 'VACUUM FULL personalize._session_repeat' },
	sub { 'REINDEX TABLE personalize.posting' }, sub { 'REINDEX TABLE personalize.item' }, sub { 'REINDEX TABLE personalize.session' },
	sub { 'TRUNCATE personalize._pair_list' }, sub { 'CHECKPOINT' },
	sub { 'SELECT sum(length(t::text)) FROM personalize.event AS t' });
sub change { return $changes[ rand @changes ]->() }

my ($one, $other, $truth) = map { $node->background_psql('shop', on_error_stop => 1) } 1 .. 3;
for ($one, $other, $truth)
{
	$_->set_query_timer_restart;
	$_->query_safe("SET client_min_messages = error");
}
my ($different, $compared) = (0, 0);

# What a session says, the second time: by then it keeps what it can.
sub answer
{
	my ($session, $question) = @_;
	$session->query_safe($question);
	return $session->query_safe($question);
}

sub same
{
	my ($said, $true, $what, $question) = @_;
	$compared++;
	return if $said eq $true;
	$different++;
	diag("$what\n$question\n$said\n$true") if $different < 4;
	return;
}

# What is true of what is committed; of what is not, a transaction that is then rolled back.
sub true_of
{
	my ($question, @before) = @_;
	$truth->query_safe('BEGIN ISOLATION LEVEL SERIALIZABLE');
	$truth->query_safe($_) for @before;
	my $true = $truth->query_safe($question);
	$truth->query_safe('ROLLBACK');
	return $true;
}

for my $round (1 .. $rounds)
{
	my $question = questions();
	my ($first, $second, $lasting) = (change(), change(), $lasting[ rand @lasting ]->());

	answer($_, $question) for $one, $other;
	my $before = true_of($question);
	my $changed = true_of($question, $first);
	my $both = true_of($question, $first, $second);
	$one->query_safe($_) for 'BEGIN', $first;
	same(answer($one, $question), $changed, "round $round, after $first", $question);
	$one->query_safe($_) for 'SAVEPOINT s', $second;
	same(answer($one, $question), $both, "round $round, after $first and $second", $question);
	same(answer($other, $question), $before, "round $round, another session while $first is not committed", $question);
	$one->query_safe('ROLLBACK TO s');
	same(answer($one, $question), $changed, "round $round, after $second was rolled back", $question);
	$one->query_safe($round % 3 == 0 ? 'ROLLBACK' : 'COMMIT');
	for my $step ('at the end of the transaction', $lasting)
	{
		($round % 2 ? $one : $other)->query_safe($step) if $step eq $lasting;
		my $true = true_of($question);
		same(answer($_, $question), $true, "round $round, $step", $question) for $other, $one;
	}
}
is($different, 0, "$compared times five answers are those of a session that keeps nothing, seed $seed");
$_->quit for $one, $other, $truth;

done_testing();
