/*
 * clock.h
 *		The time at which things are said to happen.
 */
#ifndef PERSONALIZE_CLOCK_H
#define PERSONALIZE_CLOCK_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* The clock's time, or what a test says. */
extern TimestampTz ClockNow(void);

/* Called once when the library is loaded. */
extern void ClockInit(void);

#endif
