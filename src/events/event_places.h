/*
 * event_places.h
 *		Where the raw events of some people are, for those who read them many times.
 */
#ifndef PERSONALIZE_EVENT_PLACES_H
#define PERSONALIZE_EVENT_PLACES_H

#include "postgres.h"

#include "base/key_set.h"
#include "datatype/timestamp.h"
#include "storage/itemptr.h"

/* Where an event is, and when it happened. */
typedef struct EventPlace
{
	TimestampTz ts;
	Oid			partition;
	ItemPointerData tid;
} EventPlace;

typedef struct EventPlaces EventPlaces;

/*
 * A place for the events of these people on days without an index on user_key, in the
 * current memory context, for scans under the snapshot they are read under
 * (EventScanOptions.places).  Events are added in the order of days and pages; others'
 * are left out.  Add returns false once they take more than maintenance_work_mem.
 */
extern EventPlaces *EventPlacesMake(const KeySet *people);
extern bool EventPlacesAdd(EventPlaces *places, int64 userKey, const EventPlace *place);

/* True if these people are among them. */
extern bool EventPlacesHave(const EventPlaces *places, int64 userKey);

/* A person's events of one day, in the order of the pages; returns how many. */
extern int	EventPlacesOf(const EventPlaces *places, int64 userKey, Oid partition, const EventPlace **found);

#endif
