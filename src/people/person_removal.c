/*
 * person_removal.c
 *		Taking data of people away, or out of use, in every table that has registered.
 *
 * All stores see each raw event of the people, in one walk, before it is deleted;
 * then each has its turn, in an order that keeps what a later one still needs.  A
 * withdrawal begins the same way, with the stores that keep sums.
 */
#include "postgres.h"

#include "people/person_removal.h"

#include "access/xact.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* A store that nobody is forgotten by, so that tests can show that they notice: set by the compiler. */
#ifndef PERSONALIZE_SKIP_PURGE
#define PERSONALIZE_SKIP_PURGE
#endif
#define IsSkipped(store) (strcmp((store)->name, CppAsString2(PERSONALIZE_SKIP_PURGE)) == 0)

static PersonWalk walkEvents;

/* Remember who has the events. */
void
PersonRegisterWalk(PersonWalk walk)
{
	walkEvents = walk;
}

/* PersonVisit */
static void
NoteEvent(void *arg, int64 userKey, const struct EventRow *row)
{
	*(bool *) arg = true;
}

/* True if there is a raw event of a person. */
bool
PersonHasEvents(int64 userKey)
{
	KeySet		people;
	bool		any = false;

	KeySetInit(&people, 1);
	KeySetAdd(&people, userKey);
	walkEvents(&people, NoteEvent, &any, false);
	return any;
}

/* Order people by key. */
static int
ComparePeople(const void *left, const void *right)
{
	int64		a = ((const PersonTaken *) left)->userKey;
	int64		b = ((const PersonTaken *) right)->userKey;

	return a < b ? -1 : a > b;
}

/* The person with a key. */
static PersonTaken *
FindPerson(PersonRemoval *removal, int64 userKey)
{
	PersonTaken wanted = {.userKey = userKey};
	PersonTaken *person = bsearch(&wanted, removal->people, removal->count,
								  sizeof(PersonTaken), ComparePeople);

	Assert(person != NULL);
	return person;
}

/* What the store whose turn it is counts of a person. */
PersonTally *
PersonRemovalTally(PersonRemoval *removal, int64 userKey)
{
	return &FindPerson(removal, userKey)->tallies[removal->store];
}

/* What a store has taken of all people. */
int64
PersonRemovalTotal(const PersonRemoval *removal, const char *store)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);
	int64		total = 0;

	for (int i = 0; i < count; i++)
		if (strcmp(stores[i].name, store) == 0)
			for (int person = 0; person < removal->count; person++)
				total += removal->people[person].tallies[i].taken;
	return total;
}

/* Run a statement that deletes rows of the people, and count what it returns. */
void
PersonRemovalDelete(PersonRemoval *removal, SPIPlanPtr *plan, const char *sql)
{
	const Oid	types[] = {INT8ARRAYOID};
	Datum		values[] = {KeySetArray(&removal->keys)};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilRun(plan, sql, lengthof(types), types, values, NULL, false);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isNull;
		PersonTally *tally = PersonRemovalTally(removal, DatumGetInt64(SpiUtilValue(i, 1, &isNull)));

		tally->taken++;
		if (SPI_tuptable->tupdesc->natts > 1)
			tally->left += DatumGetInt64(SpiUtilValue(i, 2, &isNull));
	}
	SpiUtilEnd(&scope);
}

/* How a store takes part in a removal; NULL: not at all. */
static const PersonTaker *
TakerOf(const PersonRemoval *removal, const PersonStore *store)
{
	if (removal->forgets)
		return IsSkipped(store) ? NULL : store->forget;
	return store->withdraw ? store->withdraw->uncount : NULL;
}

/* Called for each event of one of the people. */
static void
VisitEvent(void *arg, int64 userKey, const struct EventRow *row)
{
	PersonRemoval *removal = arg;
	PersonTaken *person = FindPerson(removal, userKey);
	int			count;
	const PersonStore *stores = PersonStores(&count);

	for (int i = 0; i < count; i++)
	{
		const PersonTaker *taker = TakerOf(removal, &stores[i]);

		if (taker && taker->event)
			taker->event(removal->states[i], &person->tallies[i], row);
	}
}

/* Have all stores begin. */
static void
Begin(PersonRemoval *removal)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);

	removal->states = palloc0_array(void *, count);
	for (int i = 0; i < count; i++)
	{
		const PersonTaker *taker = TakerOf(removal, &stores[i]);

		removal->store = i;
		if (taker && taker->begin)
			removal->states[i] = taker->begin(removal);
	}
}

/* Have all stores finish. */
static void
Finish(PersonRemoval *removal)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);

	for (int i = 0; i < count; i++)
	{
		const PersonTaker *taker = TakerOf(removal, &stores[i]);

		removal->store = i;
		if (taker && taker->finish)
			taker->finish(removal->states[i], removal);
	}
}

/* Have all stores take away what a removal is about. */
static void
Run(PersonRemoval *removal)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	removal->snapshot = GetActiveSnapshot();
	removal->context = CurrentMemoryContext;
	Begin(removal);
	walkEvents(&removal->keys, VisitEvent, removal, removal->deletesEvents);
	Finish(removal);
	PopActiveSnapshot();
	CommandCounterIncrement();
}

/* A removal of what some people have. */
static PersonRemoval *
MakeRemoval(PersonTaken *people, int count)
{
	PersonRemoval *removal = palloc0(sizeof(PersonRemoval));
	int			storeCount;

	(void) PersonStores(&storeCount);
	removal->people = people;
	removal->count = count;
	KeySetInit(&removal->keys, count);
	for (int i = 0; i < count; i++)
	{
		KeySetAdd(&removal->keys, people[i].userKey);
		people[i].tallies = palloc0_array(PersonTally, storeCount);
	}
	return removal;
}

/* The keys and ids of people, as texts of errors have them. */
static Datum
NamesOf(const PersonTaken *people, int count)
{
	Datum	   *names = palloc_extended(sizeof(Datum) * 2 * count, MCXT_ALLOC_HUGE);
	int			known = 0;

	for (int i = 0; i < count; i++)
	{
		names[known++] = CStringGetTextDatum(psprintf(INT64_FORMAT, people[i].userKey));
		if (people[i].userId != NULL)
			names[known++] = PointerGetDatum(people[i].userId);
	}
	return PointerGetDatum(construct_array(names, known, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Have what is kept of errors tell nothing of people. */
static void
Unname(const PersonTaken *people, int count)
{
	static SPIPlanPtr plans[PERSON_STORES_MAX];
	const Oid	types[] = {TEXTARRAYOID, TEXTOID};
	Datum		values[] = {NamesOf(people, count), CStringGetTextDatum("the error told of somebody who has been erased since")};
	int			storeCount;
	const PersonStore *stores = PersonStores(&storeCount);
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	for (int i = 0; i < storeCount; i++)
		if (stores[i].unname != NULL)
			SpiUtilRun(&plans[i], stores[i].unname, lengthof(types), types, values, NULL, false);
	SpiUtilEnd(&scope);
}

/* Forget people. */
void
PersonForget(PersonTaken *people, int count)
{
	PersonRemoval *removal = MakeRemoval(people, count);

	removal->forgets = true;
	removal->purposes = -1;
	Run(removal);
	Unname(people, count);
}

/* Take out of sums what a person's events have added to them for purposes. */
void
PersonUncount(int64 userKey, int32 purposes)
{
	PersonTaken *person = palloc0(sizeof(PersonTaken));
	PersonRemoval *removal;

	if (purposes == 0)
		return;
	person->userKey = userKey;
	removal = MakeRemoval(person, 1);
	removal->purposes = purposes;
	Run(removal);
}

/* Take purposes from a person's events, and from what else has a time of its own. */
void
PersonClearUntil(int64 userKey, int32 purposes, TimestampTz until)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);

	for (int i = 0; i < count; i++)
		if (stores[i].withdraw && stores[i].withdraw->clear)
			stores[i].withdraw->clear(userKey, purposes, until);
}

/* Have stores change what they hold of a person, each under a snapshot that sees all there is. */
static void
ChangeAll(PersonChange (*changeOf) (const PersonStore *store), int64 userKey, int32 purposes)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);

	for (int i = 0; i < count; i++)
	{
		PersonChange change = changeOf(&stores[i]);

		if (change == NULL)
			continue;
		CommandCounterIncrement();
		PushActiveSnapshot(GetLatestSnapshot());
		change(userKey, purposes);
		PopActiveSnapshot();
		CommandCounterIncrement();
	}
}

static PersonChange
PurgeOf(const PersonStore *store)
{
	return store->withdraw ? store->withdraw->purge : NULL;
}

static PersonChange
RecountOf(const PersonStore *store)
{
	return store->withdraw ? store->withdraw->recount : NULL;
}

static PersonChange
ParkOf(const PersonStore *store)
{
	return store->restriction ? store->restriction->park : NULL;
}

static PersonChange
UnparkOf(const PersonStore *store)
{
	return store->restriction ? store->restriction->unpark : NULL;
}

static PersonChange
TakeOutOf(const PersonStore *store)
{
	return store->correction ? store->correction->takeOut : NULL;
}

static PersonChange
RemakeOf(const PersonStore *store)
{
	return store->correction ? store->correction->remake : NULL;
}

/* Take away what was derived from a person's events. */
void
PersonPurge(int64 userKey, int32 purposes)
{
	if (purposes != 0)
		ChangeAll(PurgeOf, userKey, purposes);
}

/* Derive it anew. */
void
PersonRecount(int64 userKey, int32 purposes)
{
	if (purposes != 0)
		ChangeAll(RecountOf, userKey, purposes);
}

/* Take a person out of what others see. */
void
PersonPark(int64 userKey, int32 purposes)
{
	if (purposes != 0)
		ChangeAll(ParkOf, userKey, purposes);
}

/* Put the person back. */
void
PersonUnpark(int64 userKey, int32 purposes)
{
	if (purposes != 0)
		ChangeAll(UnparkOf, userKey, purposes);
}

/* Take out what was made of a person's events. */
void
PersonTakeOut(int64 userKey, int32 restricted)
{
	ChangeAll(TakeOutOf, userKey, restricted);
}

/* Make it anew. */
void
PersonRemake(int64 userKey, int32 restricted)
{
	ChangeAll(RemakeOf, userKey, restricted);
}
