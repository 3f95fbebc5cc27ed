/*
 * interval.h
 *		How long an interval is, and how many periods have passed.
 */
#ifndef PERSONALIZE_INTERVAL_H
#define PERSONALIZE_INTERVAL_H

#include "postgres.h"

#include "common/int.h"
#include "datatype/timestamp.h"

/* Microseconds of an interval; a month counts 30 days, and more than fits is the most that does. */
static inline int64
IntervalLength(const Interval *interval)
{
	int64		days = (int64) interval->day + (int64) interval->month * DAYS_PER_MONTH;
	int64		length;

	if (pg_mul_s64_overflow(days, USECS_PER_DAY, &length) ||
		pg_add_s64_overflow(length, interval->time, &length))
		return days < 0 ? PG_INT64_MIN : PG_INT64_MAX;
	return length;
}

/* Whole periods since 2000-01-01 UTC, rounded down. */
static inline int64
IntervalPeriods(TimestampTz time, int64 period)
{
	return time >= 0 ? time / period : -1 - -(time + 1) / period;
}

#endif
