/*
 * person_move.c
 *		What is known under one id becomes another's, in every table that has registered.
 *
 * First every store takes out what was made of the events that go; then the rows that
 * say whose they are change hands, raw events with their transaction ids.  What was
 * taken out is made anew, as far as each processor's position for the shard that the
 * events are in now has passed them.  So an event that only the shard left had counted
 * waits for the other one, and one that both or only the other had passed counts at
 * once: once in any case.
 *
 * What an id brings to a person is counted as the person's before it changes hands, and
 * what there is of the person stays: everything stored is a function of the set of
 * events, so the order in which they come makes no difference.  What goes back is
 * taken out with all else, and both are made anew at the end.
 *
 * Each of these steps looks for the events of an id, on days without an index on every
 * page, unless they are known to stay where they are (base/alone.h).  So nothing is taken out if no event changes hands, as of a new device, and an
 * id that has lost all of them has nothing made anew.
 */
#include "postgres.h"

#include "people/person_move.h"

#include "access/xact.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "people/person_removal.h"
#include "utils/snapmgr.h"

/* A step, for one store. */
typedef void (*Step) (const PersonStore *store, PersonMove *move);

/* Do it for all stores, each under a snapshot that sees all there is. */
static void
ForAll(Step step, PersonMove *move)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);

	for (int i = 0; i < count; i++)
	{
		if (stores[i].moving == NULL && stores[i].correction == NULL)
			continue;
		CommandCounterIncrement();
		PushActiveSnapshot(GetLatestSnapshot());
		step(&stores[i], move);
		PopActiveSnapshot();
		CommandCounterIncrement();
	}
}

/* Call what a correction does, under a snapshot that sees what was done before. */
static void
Remake(PersonChange change, int64 userKey)
{
	if (change == NULL)
		return;
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	change(userKey, 0);
	PopActiveSnapshot();
}

static void
Leave(const PersonStore *store, PersonMove *move)
{
	if (store->moving == NULL)
	{
		Remake(store->correction->takeOut, move->from);
		Remake(store->correction->takeOut, move->to);
	}
	else if (store->moving->leave)
		store->moving->leave(move);
}

static void
Rekey(const PersonStore *store, PersonMove *move)
{
	if (store->moving && store->moving->rekey)
		store->moving->rekey(move);
}

static void
Settle(const PersonStore *store, PersonMove *move)
{
	if (store->moving == NULL)
	{
		if (move->back)
			Remake(store->correction->remake, move->from);
		Remake(store->correction->remake, move->to);
	}
	else if (store->moving->settle)
		store->moving->settle(move);
}

/* Have the history of one id change hands. */
void
PersonMoveHistory(PersonMove *move)
{
	bool		remakes;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	move->hasEvents = PersonHasEvents(move->from);
	PopActiveSnapshot();
	remakes = move->hasEvents && move->from != move->to;
	if (remakes)
		ForAll(Leave, move);
	ForAll(Rekey, move);
	if (remakes)
		ForAll(Settle, move);
}

/* How many events tables count of an id that raw events tell of no more. */
int64
PersonMissingEvents(int64 userKey)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);
	int64		missing = 0;

	PushActiveSnapshot(GetLatestSnapshot());
	for (int i = 0; i < count; i++)
		if (stores[i].moving && stores[i].moving->missing)
			missing = Max(missing, stores[i].moving->missing(userKey));
	PopActiveSnapshot();
	return missing;
}

/* True if a store's query of people finds one. */
static bool
FindsPerson(const PersonStore *store, int64 userKey)
{
	static SPIPlanPtr plans[PERSON_STORES_MAX];
	const PersonStore *first;
	SPIPlanPtr *plan;
	const Oid	types[] = {INT8OID};
	int			count;
	Datum		values[] = {Int64GetDatum(userKey)};

	first = PersonStores(&count);
	plan = &plans[store - first];
	return SpiUtilRunAsOwner(plan, psprintf("SELECT FROM (%s) AS t WHERE t.user_key = $1 LIMIT 1", store->people),
							 1, types, values, NULL, false) > 0;
}

/* True if rows may stay that were made of events which are gone, and nothing else tells of them. */
static bool
MayKeepRemains(const PersonMoving *moving)
{
	return moving == NULL || (moving->settle != NULL && moving->missing == NULL);
}

/* True if tables hold more of an id whose history has changed hands. */
bool
PersonHasRemains(int64 userKey)
{
	int			count;
	const PersonStore *stores = PersonStores(&count);

	for (int i = 0; i < count; i++)
		if (stores[i].people && stores[i].withdraw && MayKeepRemains(stores[i].moving) &&
			FindsPerson(&stores[i], userKey))
			return true;
	return PersonMissingEvents(userKey) > 0;
}
