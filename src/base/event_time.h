/*
 * event_time.h
 *		The one reader of times that applications send.
 */
#ifndef PERSONALIZE_EVENT_TIME_H
#define PERSONALIZE_EVENT_TIME_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Read a time of ISO 8601 or unix time; false if the string is neither.  Never raises. */
extern bool EventTimeRead(const char *string, int length, TimestampTz *ts);

/* A time as every session sees it: ISO 8601 in UTC, palloc'd. */
extern char *EventTimeFormat(TimestampTz ts);

/* The time of an event_time datum; false, and the text, if it is none. */
extern bool EventTimeGet(Datum value, TimestampTz *ts, const char **text, int *length);

#endif
