# A table with data of people registers everything: whatever is left out is refused.
#
# src/people/person_store.c is built into a library of its own, whose function
# store_without(n) registers a table that says all but the n-th thing.
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

#define NONE PERSON_STORE_NONE

static PersonTaker taker = {NONE, NONE, NONE};
static PersonTaker uncount = {NONE, NONE, NONE};
static PersonWithdrawal withdraw = {&uncount, NONE, NONE, NONE};
static PersonParking restriction = {NONE, NONE};
static PersonRemaking correction = {NONE, NONE};
static PersonExport copy = {NONE, NONE, NONE};
static PersonNaming names = {NONE, NONE, NONE};
static PersonEventNaming eventNames = {NONE, NONE, NONE};
static PersonHolding holds = {NONE, NONE};
static PersonDictionary dictionary = {NONE, NONE, NONE};
static PersonStore complete = {
	.name = "test", .exempt = "nothing", .mask = NONE, .unanalyzed = NONE, .people = NONE, .keeps = NONE,
	.copy = &copy, .receipt = NONE, .receiptLeft = NONE, .forget = &taker, .withdraw = &withdraw,
	.restriction = &restriction, .correction = &correction, .names = &names, .eventNames = &eventNames,
	.holds = &holds, .dictionary = &dictionary, .expiry = NONE
};

/* Where the things are that it says; of the store itself those from exempt on. */
static const struct { void *start; Size size; } groups[] = {
	{(char *) &complete + offsetof(PersonStore, exempt), sizeof(PersonStore) - offsetof(PersonStore, exempt)},
	{&taker, sizeof(taker)}, {&uncount, sizeof(uncount)}, {&withdraw, sizeof(withdraw)},
	{&restriction, sizeof(restriction)}, {&correction, sizeof(correction)}, {&copy, sizeof(copy)},
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

/* Register it without the n-th thing (0: with all), with a rank; false if there are fewer things. */
Datum
store_without(PG_FUNCTION_ARGS)
{
	int			n = PG_GETARG_INT32(0);
	void	  **place = n > 0 ? Find(n - 1) : NULL;
	void	   *thing = place ? *place : NULL;

	if (n > 0 && place == NULL)
		PG_RETURN_BOOL(false);
	complete.rank = PG_GETARG_INT32(1);
	if (place == (void *) &complete.rank)
		complete.rank = 0;
	else if (place)
		*place = NULL;
	PG_TRY();
	{
		PersonStoreRegister(&complete, 1);
	}
	PG_FINALLY();
	{
		if (place && place != (void *) &complete.rank)
			*place = thing;
	}
	PG_END_TRY();
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
$node->safe_psql('postgres', "CREATE FUNCTION store_without(integer, integer) RETURNS boolean LANGUAGE c AS '$build/store_test'");

# What happens without each thing, in one session.
my $found = $node->safe_psql('postgres', <<'SQL');
DO $$
DECLARE
	n integer := 1;
	done boolean := true;
BEGIN
	CREATE TEMP TABLE outcome (n integer, message text);
	WHILE done LOOP
		BEGIN
			done := store_without(n, n);
			IF done THEN
				INSERT INTO outcome VALUES (n, 'accepted');
			END IF;
		EXCEPTION WHEN internal_error THEN
			INSERT INTO outcome VALUES (n, SQLERRM);
		END;
		n := n + 1;
	END LOOP;
END
$$;
SELECT count(*) || ' ' || count(*) FILTER (WHERE message = 'accepted') FROM outcome;
SELECT DISTINCT message FROM outcome ORDER BY 1;
SQL
my ($counts, @messages) = split /\n/, $found;
like($counts, qr{^[1-9][0-9]* 0$}, 'a table that leaves anything out is refused');
my @parts = map { /does not say what its (\S+) is/ ? $1 : () } @messages;
is_deeply(\@parts, [sort qw(copy correction dictionary eventNames expiry forget holds keeps mask names people
	receipt receiptLeft restriction unanalyzed withdraw withdraw->uncount)], 'the error names what is missing');
is(scalar(grep { /form/ } @messages), 1, 'so is one without a form that does not say why');
is(scalar(grep { /rank/ } @messages), 1, 'and one without a rank that takes something away');

is($node->safe_psql('postgres', 'SELECT store_without(0, 1)'), 't', 'one that says everything is taken');
my ($status, $out, $error) = $node->psql('postgres', 'SELECT store_without(0, 1); SELECT store_without(0, 1)');
like($error, qr/store "test" has no rank of its own/, 'two of one rank are refused');
$node->stop;
done_testing();
