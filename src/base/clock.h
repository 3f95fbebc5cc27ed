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

/*
 * A time that no setting of the clock moves, comparable between processes until the
 * machine starts anew: for pauses and patience.
 */
extern TimestampTz ClockSteady(void);

/* The clock's time at a steady time. */
extern TimestampTz ClockAtSteady(TimestampTz steady);

/* Called once when the library is loaded. */
extern void ClockInit(void);

/* 0001-01-01 UTC: nothing that is of interest happened before. */
#define CLOCK_YEAR_ONE (-INT64CONST(730119) * USECS_PER_DAY)

#endif
