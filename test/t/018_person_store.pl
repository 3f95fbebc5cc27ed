# A table with data of people registers everything: whatever is left out is refused.
#
# src/people/person_store.c is built into a library of its own, whose function
# store_without(kind, n) registers a table that says all but the n-th thing.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
my $build = PostgreSQL::Test::Utils::tempdir();

sub write_file
{
	my ($name, $text) = @_;
	open my $file, '>', "$build/$name" or die "$build/$name: $!\n";
	print $file $text;
	close $file;
	return;
}

write_file('store_test.c', <<'SOURCE');
#include "people/person_store.c"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(store_without);

#define NONE PERSON_NONE

static PersonTaker taker = {NONE, NONE, NONE};
static PersonTaker uncount = {NONE, NONE, NONE};
static PersonWithdrawal withdraw = {&uncount, NONE, NONE, NONE};
static PersonParking restriction = {NONE, NONE};
static PersonRemaking correction = {NONE, NONE};
static PersonMoving moving = {NONE, NONE, NONE, NONE};
static PersonExport copy = {NONE, NONE, NONE};
static PersonNaming names = {NONE, NONE, NONE};
static PersonEventNaming eventNames = {NONE, NONE, NONE};
static PersonHolding holds = {NONE, NONE};
static PersonDictionary dictionary = {NONE, NONE, NONE};
static const PersonExpiryStep expiry[] = {{NULL}};

/* One that says everything, and one that has nothing. */
static PersonStore full = {
	.name = "test", .exempt = "nothing", .mask = "mask", .unanalyzed = "a", .people = "people", .keeps = "keeps",
	.copy = &copy, .rank = 1, .receipt = "rows", .receiptLeft = "more", .forget = &taker, .withdraw = &withdraw,
	.restriction = &restriction, .correction = &correction, .moving = &moving, .names = &names, .eventNames = &eventNames,
	.holds = &holds, .dictionary = &dictionary, .expiry = expiry
};
static PersonStore empty = {.name = "test", .exempt = "nothing", .none = PERSON_NO_MOVING * 2 - 1};

/* Where the things are that the full one says; of the store itself those from exempt on. */
static const struct { void *start; Size size; } groups[] = {
	{(char *) &full + offsetof(PersonStore, exempt), sizeof(PersonStore) - offsetof(PersonStore, exempt)},
	{&taker, sizeof(taker)}, {&uncount, sizeof(uncount)}, {&withdraw, sizeof(withdraw)},
	{&restriction, sizeof(restriction)}, {&correction, sizeof(correction)}, {&moving, sizeof(moving)}, {&copy, sizeof(copy)},
	{&names, sizeof(names)}, {&eventNames, sizeof(eventNames)}, {&holds, sizeof(holds)},
	{&dictionary, sizeof(dictionary)}
};

/* The n-th thing; NULL: there are fewer. */
static void **
Find(int n)
{
	for (int i = 0; i < lengthof(groups); i++)
	{
		int			count = groups[i].size / sizeof(void *);

		if (n < count)
			return (void **) groups[i].start + n;
		n -= count;
	}
	return NULL;
}

/*
 * Register one of the two as kind says: 'said', the full one without the n-th thing
 * (0: with all); 'none', the empty one without the n-th flag (0: with all); 'both',
 * the full one with it.  False if there are fewer.
 */
Datum
store_without(PG_FUNCTION_ARGS)
{
	const char *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			n = PG_GETARG_INT32(1);
	void	  **place = strcmp(kind, "said") == 0 && n > 0 ? Find(n - 1) : NULL;
	PersonStore changed;

	if (strcmp(kind, "said") == 0 ? n > 0 && place == NULL : n > 0 && 1 << (n - 1) > PERSON_NO_MOVING)
		PG_RETURN_BOOL(false);
	if (place == NULL)
	{
		changed = strcmp(kind, "none") == 0 ? empty : full;
		changed.none ^= n > 0 ? 1 << (n - 1) : 0;
		PersonStoreRegister(&changed, 1);
	}
	else
	{
		void	   *thing = *place;

		*place = NULL;
		changed = full;
		PG_TRY();
		{
			PersonStoreRegister(&changed, 1);
		}
		PG_FINALLY();
		{
			*place = thing;
		}
		PG_END_TRY();
	}
	PG_RETURN_BOOL(true);
}
SOURCE
write_file('Makefile', <<"MAKE");
MODULES = store_test
PG_CPPFLAGS = -I$top/src
PG_CONFIG = $pg_config
PGXS := \$(shell \$(PG_CONFIG) --pgxs)
include \$(PGXS)
MAKE
system_or_bail('make', '-s', '-C', $build, 'with_llvm=no', 'store_test.so');

my $node = PostgreSQL::Test::Cluster->new('store');
$node->init;
$node->start;
$node->safe_psql('postgres', "CREATE FUNCTION store_without(text, integer) RETURNS boolean LANGUAGE c AS '$build/store_test'");

# What is said when each of the things is changed, in one session: how many were taken, then the errors.
sub outcomes
{
	my ($kind) = @_;
	my ($accepted, @messages) = split /\n/, $node->safe_psql('postgres', <<"SQL");
DO \$\$
DECLARE
	n integer := 1;
	done boolean := true;
BEGIN
	CREATE TEMP TABLE outcome (n integer, message text);
	WHILE done LOOP
		BEGIN
			done := store_without('$kind', n);
			IF done THEN
				INSERT INTO outcome VALUES (n, 'accepted');
			END IF;
		EXCEPTION WHEN internal_error THEN
			INSERT INTO outcome VALUES (n, SQLERRM);
		END;
		n := n + 1;
	END LOOP;
END
\$\$;
SELECT count(*) FILTER (WHERE message = 'accepted') FROM outcome;
SELECT message FROM outcome WHERE message <> 'accepted' ORDER BY 1;
SQL
	return ($accepted, @messages);
}

# The parts that errors of a kind name, each once.
sub parts
{
	my ($pattern, @messages) = @_;
	my %parts = map { /$pattern/ ? ($1 => 1) : () } @messages;
	return [sort keys %parts];
}

my @groups = qw(copy correction dictionary eventNames forget holds moving names restriction withdraw);
my @parts = sort @groups, qw(expiry keeps mask people receipt receiptLeft unanalyzed);

my ($accepted, @messages) = outcomes('said');
is($accepted, 0, 'a table that leaves anything out is refused');
is_deeply(parts('does not say what its (\S+) is', @messages), \@parts, 'the error names what is missing');
is_deeply(parts('does not say all of its (\S+)', @messages), [sort @groups, 'withdraw->uncount'], 'or of what something is missing');
is(scalar(grep { /form/ } @messages), 1, 'so is one without a form that does not say why');
is(scalar(grep { /rank/ } @messages), 1, 'and one without a rank that takes something away');

($accepted, @messages) = outcomes('none');
is($accepted, 0, 'a table that does not say of everything that it has none is refused');
is_deeply(parts('does not say what its (\S+) is', @messages), \@parts, 'the error names what is missing');
($accepted, @messages) = outcomes('both');
is($accepted, 0, 'a table that has something and says that it has none is refused');
is_deeply(parts('says what its (\S+) is, and that it has none', @messages), \@parts, 'the error names it');

is($node->safe_psql('postgres', "SELECT store_without('said', 0)"), 't', 'one that says everything is taken');
is($node->safe_psql('postgres', "SELECT store_without('none', 0)"), 't', 'so is one that has nothing');
my ($status, $out, $error) = $node->psql('postgres', "SELECT store_without('said', 0); SELECT store_without('said', 0)");
like($error, qr/store "test" has no rank of its own/, 'two of one rank are refused');
$node->stop;
done_testing();
