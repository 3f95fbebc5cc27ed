/*
 * signal_metric.h
 *		What a signal counts, as a metric of experiments.
 */
#ifndef PERSONALIZE_SIGNAL_METRIC_H
#define PERSONALIZE_SIGNAL_METRIC_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "events/event.h"
#include "items/item.h"

typedef struct SignalMetric
{
	int			signal;			/* signal.signal; 0: there is none of that name any more, or it is disabled */
	int32		purposes;		/* all of them must be allowed */
	bool		sum;			/* the sum of weights in 10^-6, else how often */
	bool		anyValue;
	uint64		value;			/* the one that counts, unless all do */
	TimestampTz since;			/* when its raw events are complete from; DT_NOBEGIN: all are there */
} SignalMetric;

/* Set up a metric; value NULL: all values together. */
extern void SignalMetricInit(SignalMetric *metric, const char *signal, const char *value, bool sum);

/* What an event counts, amount by amount, none of them 0. */
typedef void (*SignalMetricCount) (void *arg, int64 amount);
extern void SignalMetricEvaluate(const SignalMetric *metric, const EventRow *row, ItemReader *items,
								 SignalMetricCount count, void *arg);

#endif
