/*
 * clock.c
 *		The time at which things are said to happen.
 *
 * Arrival of events, their days, retention, grants and erasures must agree on it,
 * also in tests that replay months in seconds or set the clock in between.
 */
#include "postgres.h"

#include "base/clock.h"

#include "compat.h"
#include "fmgr.h"
#include "portability/instr_time.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(personalize_now);

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

/* A time that no setting of the clock moves. */
TimestampTz
ClockSteady(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (TimestampTz) INSTR_TIME_GET_MICROSEC(now);
}

/* The clock's time at a steady time. */
TimestampTz
ClockAtSteady(TimestampTz steady)
{
	return GetCurrentTimestamp() - (ClockSteady() - steady);
}

/* _now(): when an event that comes now arrives. */
Datum
personalize_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(ClockNow());
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
