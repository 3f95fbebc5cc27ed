/*
 * event.h
 *		The raw events: their partitions and the scan that reads them.
 */
#ifndef PERSONALIZE_EVENT_H
#define PERSONALIZE_EVENT_H

#include "postgres.h"

#include "events/event_row.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"

/* Which events to read. */
typedef struct EventScanOptions
{
	Snapshot	snapshot;
	int64		minTxid;		/* skip what is surely below; 0 reads all */
	int64		maxTxid;		/* skip pages surely from here on; 0: none */
	bool		ofUser;			/* only those of userKey */
	int64		userKey;
	const bool *shards;			/* only those of users of these; NULL: all */
	bool		allDays;		/* also days every processor has passed */
	bool		keysOnly;		/* without value and properties, which cost to be unpacked */
	bool		withoutIndex;	/* of days that have no index on user_key alone */
	const struct EventPlaces *places;	/* where events are on such days, as this snapshot sees them; NULL: look for them */
	TimestampTz since;			/* days before which it all had happened are skipped; 0: none */
	TimestampTz until;			/* of places, skip what happened later; 0: none */
	int64		maxRead;		/* give up when more events were looked at; 0: never */
	int64		sampleAfter;	/* of all, when so many were looked at: go on with one page of sampleEvery; 0: never */
	int			sampleEvery;
	bool		byPages;		/* never by what shared memory knows of places */
	int64		(*coverFrom) (Snapshot snapshot);	/* the least minTxid of scans like this one; NULL: its own */
} EventScanOptions;

typedef struct EventScan EventScan;

/* Furthest an event's time may lie ahead of its arrival, in milliseconds. */
extern int	personalize_max_future;

extern EventScan *EventScanBegin(const EventScanOptions *options);
extern bool EventScanNext(EventScan *scan, EventRow *row);
extern void EventScanEnd(EventScan *scan);

/* Where the last event is. */
extern void EventScanPlace(const EventScan *scan, Oid *partition, ItemPointer tid);

/* True if it is known where the events of a person's scan lie, so that no others are looked at. */
extern bool EventScanKnowsPlaces(const EventScan *scan);

/* True if the scan ended because of maxRead. */
extern bool EventScanGaveUp(const EventScan *scan);

/* For how many events the last one stands: sampleEvery since pages are left out, else 1. */
extern int	EventScanStandsFor(const EventScan *scan);

/*
 * Number of an event type by name or alias; -1: unknown, empty or too long.  A
 * new name is registered by Meet, without a weight, and by Define, with that of
 * a view.
 */
extern int	EventTypeLookup(const char *name, int length);
extern int	EventTypeMeet(const char *name, int length);
extern int	EventTypeDefine(const char *name, int length);

/* Name of an event type, palloc'd; NULL if unknown. */
extern char *EventTypeName(int16 event);

/* Called once when the library is loaded. */
extern void EventTypeInit(void);

#endif
