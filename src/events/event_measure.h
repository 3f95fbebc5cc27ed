/*
 * event_measure.h
 *		What counters keep of an event: worth, currency and place.
 */
#ifndef PERSONALIZE_EVENT_MEASURE_H
#define PERSONALIZE_EVENT_MEASURE_H

#include "postgres.h"

#include "events/event.h"

/* The event's worth in 10^-6 of the currency; a worth too large is an error. */
extern int64 EventAmount(const EventRow *row);

/* A currency of up to four ASCII characters as a number; 0 if it is none. */
extern int32 EventCurrency(const EventRow *row);

/*
 * The bucket of a place on the page: 0 none, 1 to 4 as they are, 5: 5 to 8, 6: 9 to
 * 16, 7: 17 to 32, 8: beyond.
 */
extern int16 EventSlotBucket(bool hasSlot, int16 slot);

#endif
