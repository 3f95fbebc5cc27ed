/*
 * event_row.h
 *		A row of event: its columns, and what code is given of it.
 */
#ifndef PERSONALIZE_EVENT_ROW_H
#define PERSONALIZE_EVENT_ROW_H

#include "postgres.h"

#include "base/json_member.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

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
	EVENT_SEQUENCE,
	EVENT_SESSION_KEY,
	EVENT_REQUEST_KEY,
	EVENT_MESSAGE_KEY,
	EVENT_REQUEST_ORIGIN,
	EVENT_SLOT,
	EVENT_VALUE,
	EVENT_PROPERTIES,
	EVENT_ALIAS_KEY
} EventColumn;
#define EVENT_COLUMN_COUNT 17

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
	int16		sequence;		/* place of the message among those of its transaction, person and ts, from 0 */
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

/* Bits of the ordinals of a message. */
#define EVENT_ORDINAL_BITS 10

/* What orders the events of one transaction, person and ts. */
static inline uint32
EventPlaceInTransaction(const EventRow *row)
{
	return (uint32) row->sequence << EVENT_ORDINAL_BITS | (row->ordinal & ((1 << EVENT_ORDINAL_BITS) - 1));
}

/* A property of an event; false if it has none of this name. */
static inline bool
EventProperty(const EventRow *row, const char *name, JsonbValue *value)
{
	return row->properties != NULL && JsonMember(&row->properties->root, name, value);
}

/*
 * Decode a row of event.  Value and properties point into the slot or, if they had
 * to be unpacked, into the current context; NULL if only the keys are asked for.
 */
extern void EventFillRow(TupleTableSlot *slot, bool keysOnly, EventRow *row);

/* Its transaction alone. */
extern int64 EventRowTxid(TupleTableSlot *slot);

#endif
