/*
 * event_json.h
 *		JSON that applications send as text, of which one piece may be bad.
 */
#ifndef PERSONALIZE_EVENT_JSON_H
#define PERSONALIZE_EVENT_JSON_H

#include "postgres.h"

#include "events/ingest.h"
#include "utils/jsonb.h"

/* Read a text as jsonb; NULL, and why, if it is none. */
extern Jsonb *EventJsonRead(IngestString text, char **reason);

/* The jsonb of an event_json datum; NULL, the text and why, if it is none. */
extern Jsonb *EventJsonGet(Datum value, IngestString *text, char **reason);

/* The jsonb of an event_json datum; raises if it is none. */
extern Jsonb *EventJsonToJsonb(Datum value);

/* The text of an event_json datum, palloc'd; it may be no JSON. */
extern char *EventJsonString(Datum value);

/* The value of a member of the object in a text that cannot be read as a whole. */
extern bool EventJsonFind(IngestString text, const char *name, IngestString *value);

/* A list of messages that is being taken apart: a JSON array, or one object a line. */
typedef struct EventJsonList
{
	const char *at;
	const char *end;
	bool		isArray;
} EventJsonList;

/* Begin to take a list apart that cannot be read as a whole. */
extern void EventJsonListBegin(EventJsonList *list, IngestString text);

/* The text of the next message; false at the end. */
extern bool EventJsonListNext(EventJsonList *list, IngestString *message);

#endif
