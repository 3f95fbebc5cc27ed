/*
 * event.h
 *		The raw events: their partitions and the scan that reads them.
 */
#ifndef PERSONALIZE_EVENT_H
#define PERSONALIZE_EVENT_H

#include "postgres.h"

#include "base/json_member.h"
#include "datatype/timestamp.h"
#include "events/event_cache.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* Columns of event, in order; src/events/event.sql. */
typedef enum EventColumn
{
	EVENT_RECEIVED_AT = 1,
	EVENT_TS,
	EVENT_TXID,
	EVENT_USER_KEY,
	EVENT_CONSENT,
	EVENT_EVENT,
	EVENT_ORDINAL,
	EVENT_ITEM_KEY,
	EVENT_SESSION_KEY,
	EVENT_REQUEST_KEY,
	EVENT_MESSAGE_KEY,
	EVENT_REQUEST_ORIGIN,
	EVENT_SLOT,
	EVENT_VALUE,
	EVENT_PROPERTIES,
	EVENT_ALIAS_KEY
} EventColumn;
#define EVENT_COLUMN_COUNT 16

/* Where txid and user_key stand in a tuple's data: after two and three 8-byte columns. */
#define EVENT_TXID_OFFSET 16
#define EVENT_USER_KEY_OFFSET 24

/* Seeded event types that mean something to the code; event_type.event. */
enum
{
	EVENT_TYPE_SEARCH = 1,
	EVENT_TYPE_VIEW_ITEM_LIST = 2,
	EVENT_TYPE_SELECT_ITEM = 3,
	EVENT_TYPE_VIEW_ITEM = 4,
	EVENT_TYPE_ADD_TO_WISHLIST = 5,
	EVENT_TYPE_ADD_TO_CART = 6,
	EVENT_TYPE_REMOVE_FROM_CART = 7,
	EVENT_TYPE_BEGIN_CHECKOUT = 9,
	EVENT_TYPE_PURCHASE = 10,
	EVENT_TYPE_REFUND = 11,
	EVENT_TYPE_VIEW_PROMOTION = 12,
	EVENT_TYPE_SELECT_PROMOTION = 13
};

/* One event.  value and properties live in the scan's row context until its next row. */
typedef struct EventRow
{
	TimestampTz receivedAt;
	TimestampTz ts;
	int64		txid;
	int64		userKey;
	int32		consent;		/* purposes it may be used for, bit mask */
	int16		event;			/* event_type.event */
	int16		ordinal;		/* place in its message, from 0 */
	bool		hasItem;
	bool		hasSession;
	bool		hasRequest;
	bool		hasMessage;
	bool		hasSlot;
	int64		itemKey;
	int64		sessionKey;
	int64		requestKey;
	int64		messageKey;
	int64		requestOrigin;	/* what an id of ours says (exposures/request_id.h); 0: none */
	int16		slot;			/* place on the page, from 1 */
	Numeric		value;			/* NULL if none */
	Jsonb	   *properties;		/* NULL if none */
} EventRow;

/* A property of an event; false if it has none of this name. */
static inline bool
EventProperty(const EventRow *row, const char *name, JsonbValue *value)
{
	return row->properties != NULL && JsonMember(&row->properties->root, name, value);
}

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

/*
 * Decode a row of event.  Value and properties point into the slot or, if they had
 * to be unpacked, into the current context; NULL if only the keys are asked for.
 */
extern void EventFillRow(TupleTableSlot *slot, bool keysOnly, EventRow *row);

/*
 * An index of this kind that finds all rows of a partition by a column (bigint),
 * opened; NULL if there is none.
 */
extern Relation EventOpenIndex(Relation partition, Oid accessMethod, AttrNumber column);

/* True if it is known where the events of a person's scan lie, so that no others are looked at. */
extern bool EventScanKnowsPlaces(const EventScan *scan);

/*
 * The pages of a partition that may hold txids from minTxid on, in runs, palloc'd; how
 * many runs.
 */
extern int	EventPagesFrom(Relation partition, Snapshot snapshot, int64 minTxid, BlockRun **runs);

/* True if the scan ended because of maxRead. */
extern bool EventScanGaveUp(const EventScan *scan);

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
