/*
 * event_detail.h
 *		What an event, or an item of it, says about worth, place and the like.
 */
#ifndef PERSONALIZE_EVENT_DETAIL_H
#define PERSONALIZE_EVENT_DETAIL_H

#include "postgres.h"

#include "events/event_field.h"
#include "utils/numeric.h"

/* The most fields of an object that are stored otherwise than they were sent. */
#define EVENT_DETAIL_MAX_CHANGES 12

/* What the known fields of one object mean. */
typedef struct EventDetail
{
	Numeric		value;			/* as said; NULL if it was not */
	Numeric		price;
	Numeric		quantity;
	bool		hasSlot;
	int16		slot;
	int			changeCount;	/* fields that are stored otherwise */
	EventField	changed[EVENT_DETAIL_MAX_CHANGES];
	JsonbValue	changes[EVENT_DETAIL_MAX_CHANGES];
} EventDetail;

/*
 * Read them; returns why they cannot be taken, beginning with the field's name,
 * or NULL.  item: the object is an item of a list.
 */
extern char *EventDetailRead(const EventFields *fields, int16 event, bool item, EventDetail *detail);

/* price × quantity; NULL if there is no price. */
extern Numeric EventDetailCost(const EventDetail *detail);

/* True if what such an event is worth is the price of its item. */
extern bool EventDetailIsPriced(int16 event);

/* Store a field otherwise than it was sent. */
extern void EventDetailChange(EventDetail *detail, EventField field, const JsonbValue *value);
extern void EventDetailChangeNumber(EventDetail *detail, EventField field, Numeric number);

/* Append what is stored otherwise to the object being built. */
extern void EventDetailPush(JsonbParseState **state, const EventDetail *detail);

/* A value as it may be shown in a message: cut if it is long. */
extern char *EventDetailShow(const JsonbValue *value);

/*
 * Why an event, as it is to be stored, cannot be taken; NULL if it can.  Whoever
 * reads more numbers out of properties registers what is to be asked.
 */
typedef char *(*EventDetailCheckRow) (const EventRow *row);
extern void EventDetailRegisterCheck(EventDetailCheckRow check);
extern char *EventDetailCheck(const EventRow *row);

/* Worth and place of an event, and its properties as they are stored; returns what is wrong, or NULL. */
extern char *EventDetailApply(EventRow *row, const EventDetail *detail, JsonbContainer *properties);

/* The same from the properties it has; raises. */
extern void EventDetailSet(EventRow *row);

#endif
