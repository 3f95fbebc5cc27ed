/*
 * event_field.h
 *		The fields of properties, and of the items in them, that are known by name.
 */
#ifndef PERSONALIZE_EVENT_FIELD_H
#define PERSONALIZE_EVENT_FIELD_H

#include "postgres.h"

#include "events/ingest.h"
#include "utils/jsonb.h"

typedef enum EventField
{
	FIELD_VALUE,
	FIELD_REVENUE,
	FIELD_TOTAL,
	FIELD_PRICE,
	FIELD_QUANTITY,
	FIELD_SLOT,
	FIELD_POSITION,
	FIELD_INDEX,
	FIELD_SCORE,
	FIELD_CURRENCY,
	FIELD_ORDER_ID,
	FIELD_TRANSACTION_ID,
	FIELD_QUERY,
	FIELD_SEARCH_TERM,
	FIELD_SEARCH_QUERY,
	FIELD_CATEGORY,
	FIELD_ITEM_CATEGORY,
	FIELD_BRAND,
	FIELD_ITEM_BRAND,
	FIELD_ITEM_ID,
	FIELD_PRODUCT_ID,
	FIELD_SKU,
	FIELD_ID,
	FIELD_PRODUCT,
	FIELD_ITEMS,
	FIELD_PRODUCTS,
	FIELD_LINE_ITEMS,
	FIELD_PRODUCT_DETAILS
} EventField;
#define EVENT_FIELD_COUNT (FIELD_PRODUCT_DETAILS + 1)
#define FIELD_BIT(field) ((uint32) 1 << (field))

/* Those that are lists of items. */
#define FIELD_LISTS \
	(FIELD_BIT(FIELD_ITEMS) | FIELD_BIT(FIELD_PRODUCTS) | FIELD_BIT(FIELD_LINE_ITEMS) | FIELD_BIT(FIELD_PRODUCT_DETAILS))

/* The fields of one object. */
typedef struct EventFields
{
	uint32		present;		/* bits of those that are there and not null */
	JsonbValue	of[EVENT_FIELD_COUNT];
} EventFields;

extern const char *const eventFieldNames[EVENT_FIELD_COUNT];

/* Find the known fields of an object; NULL has none. */
extern void EventFieldsRead(JsonbContainer *object, EventFields *fields);

/* The first of some fields that says anything; NULL if none does. */
extern const JsonbValue *EventFieldsFirst(const EventFields *fields, const EventField *names, int count,
										  EventField *found);

/* Append the members of an object, except known ones with bits in except; returns how many. */
extern int	EventFieldsPush(JsonbParseState **state, JsonbContainer *object, uint32 except);

/* The bytes of a JSON string or number; false for anything else. */
extern bool EventFieldScalar(const JsonbValue *value, IngestString *string);

#endif
