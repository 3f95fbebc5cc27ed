/*
 * conversion.h
 *		How often items are bought of those who view them.
 */
#ifndef PERSONALIZE_CONVERSION_H
#define PERSONALIZE_CONVERSION_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* The counts of many times of the past, in memory. */
typedef struct ConversionPast ConversionPast;

/* Read what is needed for these items at times from since to until, in the current memory context. */
extern ConversionPast *ConversionPastRead(const int64 *itemKeys, int count, TimestampTz since, TimestampTz until);

/*
 * The logarithm of purchases a view before a time, above that of an item nobody knows, of
 * each item; 0 where nothing is known.  past: the counts to go by; NULL: read them.
 */
extern void ConversionScore(const ConversionPast *past, const int64 *itemKeys, int count, TimestampTz at, double *scores);

#endif
