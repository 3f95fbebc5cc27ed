/*
 * person_move.c
 *		What is known under one id becomes another's, in every table that has registered.
 *
 * First every store takes out what was made of the events of either id; then the rows
 * that say whose they are change hands, raw events with their transaction ids; then
 * what was taken out is made anew, as far as each processor's position for the shard
 * that the events are in now has passed them.  So an event that only the shard left
 * had counted waits for the other one, and one that both or only the other had passed
 * counts at once: once in any case.
 */
#include "postgres.h"

#include "people/person_move.h"

#include "access/xact.h"
#include "compat.h"
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

/* Call what a correction does, for both ids. */
static void
Remake(PersonChange change, const PersonMove *move)
{
	if (change == NULL)
		return;
	change(move->from, 0);
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	change(move->to, 0);
	PopActiveSnapshot();
}

static void
Leave(const PersonStore *store, PersonMove *move)
{
	if (store->moving == NULL)
		Remake(store->correction->takeOut, move);
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
		Remake(store->correction->remake, move);
	else if (store->moving->settle)
		store->moving->settle(move);
}

/* Have the history of one id change hands. */
void
PersonMoveHistory(PersonMove *move)
{
	if (move->from != move->to)
		ForAll(Leave, move);
	ForAll(Rekey, move);
	if (move->from != move->to)
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
