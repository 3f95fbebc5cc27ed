/*
 * clock.c
 *		The time at which things are said to happen.
 *
 * Arrival of events, grants and erasures must agree on it, also in tests that
 * replay months in seconds.
 */
#include "postgres.h"

#include "clock.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

static char *personalize_test_now = NULL;

/* The clock's time, or what a test says. */
TimestampTz
ClockNow(void)
{
	if (personalize_test_now == NULL || personalize_test_now[0] == '\0')
		return GetCurrentTimestamp();
	return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
												   CStringGetDatum(personalize_test_now),
												   ObjectIdGetDatum(InvalidOid),
												   Int32GetDatum(-1)));
}

/* Define the setting. */
void
ClockInit(void)
{
	DefineCustomStringVariable("personalize.test_now",
							   "Time at which events are said to arrive, for tests.",
							   NULL, &personalize_test_now, "", PGC_SUSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}
