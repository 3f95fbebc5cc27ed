/*
 * event_store.h
 *		What must be done for the events of people, and for all that comes with them.
 */
#ifndef PERSONALIZE_EVENT_STORE_H
#define PERSONALIZE_EVENT_STORE_H

/* Called once when the library is loaded. */
extern void EventStoreInit(void);

#endif
