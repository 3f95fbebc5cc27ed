/*
 * event_store.h
 *		What must be done for the events of people, and for all that comes with them.
 */
#ifndef PERSONALIZE_EVENT_STORE_H
#define PERSONALIZE_EVENT_STORE_H

/* The name of a kind of event, whose number is given in order of arrival, in SQL. */
#define EVENT_NAME_SQL(number) \
	"(SELECT n.name FROM personalize.event_type n WHERE n.event = " number ")"

/* Called once when the library is loaded. */
extern void EventStoreInit(void);

#endif
