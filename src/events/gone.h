/*
 * gone.h
 *		What retention may have removed.
 */
#ifndef PERSONALIZE_GONE_H
#define PERSONALIZE_GONE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Note that raw events that arrived, or sessions that ended, before a time may be gone. */
extern void GoneNoteEvents(TimestampTz before);
extern void GoneNoteSessions(TimestampTz before);

/*
 * From when on those are there that count for sessions, as far as retention, or who
 * dropped a day by hand, is concerned; DT_NOBEGIN: ever since.
 */
extern TimestampTz GoneEventsBefore(void);
extern TimestampTz GoneSessionsBefore(void);

/* The same of raw events of some kinds (event_type.event). */
extern TimestampTz GoneEventsOfKinds(const int16 *kinds, int count);

/* The same of what was shown to people, by its time. */
extern void GoneNoteExposures(TimestampTz before);
extern TimestampTz GoneExposuresBefore(void);

#endif
