/*
 * item_list.h
 *		The items of a message about several.
 */
#ifndef PERSONALIZE_ITEM_LIST_H
#define PERSONALIZE_ITEM_LIST_H

#include "postgres.h"

#include "events/event_detail.h"
#include "events/event_field.h"
#include "events/ingest_private.h"

/* A list as it was found. */
typedef struct ItemList
{
	EventField	name;
	int			count;
	JsonbValue *elements;
} ItemList;

/* What the whole message says. */
typedef struct ItemListMessage
{
	const EventRow *row;		/* what all rows have in common */
	IngestString itemId;		/* given beside the list; data may be NULL */
	JsonbContainer *properties; /* NULL: none */
	const EventFields *fields;
	const EventDetail *detail;
} ItemListMessage;

/* Find the list of a message; returns why it cannot be read, or NULL. */
extern char *ItemListFind(const EventFields *fields, ItemList *list);

/* Turn its items into rows; returns why that cannot be, or NULL. */
extern char *ItemListAddRows(IngestBatch *batch, const ItemListMessage *message, const ItemList *list);

/* The id of an item in its fields, NULL if there is none; returns why it is not usable, or NULL. */
extern char *ItemListGetId(const EventFields *fields, bool item, IngestString *itemId, EventField *found);

/* True if two JSON values are equal. */
extern bool ItemListIsSame(const JsonbValue *left, const JsonbValue *right);

#endif
