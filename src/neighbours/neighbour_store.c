/*
 * neighbour_store.c
 *		What must be done for sessions and what is made of them.
 */
#include "postgres.h"

#include "neighbours/neighbour_store.h"

#include "neighbours/neighbour.h"
#include "people/person_removal.h"
#include "people/purpose.h"
#include "workers/processor.h"

/* session, posting and their total: count a session. */
static void
CountSession(void *arg, const Session *session)
{
	PersonRemovalTally(arg, session->userKey)->taken++;
}

/* Remove them; lists that others are in too may have become shorter than they should be. */
static void
PurgeSessions(void *state, PersonRemoval *removal)
{
	SessionIndexLosses losses = NeighbourErase(&removal->keys, CountSession, removal);

	for (int i = 0; i < removal->count; i++)
		removal->people[i].tallies[removal->store].left = losses.missing;
}

/* Count what is left of a person after a withdrawal that came late. */
static void
RecountPerson(int64 userKey, int32 purposes)
{
	if ((purposes & PURPOSE_RECOMMENDATIONS) != 0)
		ProcessorRecount(PROCESSOR_NEIGHBOUR, userKey);
}

static const PersonTaker sessionTaker = {.finish = PurgeSessions};

static const PersonStore stores[] = {
	{
		.name = "session",
		.rank = 70,
		.receipt = "sessions",
		.receiptLeft = "postings",
		.forget = &sessionTaker,
		.withdraw = PERSON_STORE_NONE,
		.clear = PERSON_STORE_NONE,
		.purge = NeighbourPurge,
		.recount = RecountPerson
	}
};

/* Register them. */
void
NeighbourStoreInit(void)
{
	for (int i = 0; i < lengthof(stores); i++)
		PersonStoreRegister(&stores[i]);
}
