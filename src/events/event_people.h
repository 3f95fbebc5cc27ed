/*
 * event_people.h
 *		The raw events of some people, to take them away.
 */
#ifndef PERSONALIZE_EVENT_PEOPLE_H
#define PERSONALIZE_EVENT_PEOPLE_H

#include "base/key_set.h"
#include "events/event.h"

/* Called for each event; the row lives until it returns. */
typedef void (*EventVisit) (void *arg, const EventRow *row);

/*
 * Visit all events of these people that the active snapshot sees, in one pass
 * over the days that have no index on user_key, and delete each one then if
 * asked to.  The caller is alone with the people (PurgeLockStripes).
 */
extern void EventVisitPeople(const KeySet *people, EventVisit visit, void *arg, bool deletes);

#endif
