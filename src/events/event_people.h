/*
 * event_people.h
 *		The raw events of some people, to take them away.
 */
#ifndef PERSONALIZE_EVENT_PEOPLE_H
#define PERSONALIZE_EVENT_PEOPLE_H

#include "base/key_set.h"
#include "events/event.h"
#include "events/partition.h"
#include "storage/itemptr.h"

/* Called for each event; the row lives until it returns. */
typedef void (*EventVisit) (void *arg, const EventRow *row);

/*
 * Visit all events of these people that the active snapshot sees, in one pass
 * over the days that have no index on user_key, and delete each one then if
 * asked to.  The caller is alone with the people (PurgeLockStripes).
 */
extern void EventVisitPeople(const KeySet *people, EventVisit visit, void *arg, bool deletes);

/* Where a person's events of one day lie. */
typedef struct EventDayRows
{
	char		partition[PARTITION_NAME_LENGTH];
	bool		indexed;		/* by user_key: ask the index */
	ItemPointerData *tids;
	int			count;
} EventDayRows;

/*
 * Find a person's events in the days from the first on that has no index on user_key,
 * the one of *since (infinity: all have one): a list of EventDayRows.  The caller is
 * alone with the person.
 */
extern List *EventOpenRows(int64 userKey, TimestampTz *since);

#endif
