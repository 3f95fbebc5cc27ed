/*
 * feature_counter.h
 *		What is counted of items, of what they have in common, and of queries, over all people.
 */
#ifndef PERSONALIZE_FEATURE_COUNTER_H
#define PERSONALIZE_FEATURE_COUNTER_H

#include "postgres.h"

#include "features/feature_view.h"
#include "utils/snapshot.h"

/* What of a query is counted, by the names that expressions have for it. */
#define FEATURE_QUERY_COUNTERS 4
extern const char *const FeatureQueryCounters[FEATURE_QUERY_COUNTERS];

/* What is counted in a pane of time. */
typedef struct FeatureCounter
{
	struct
	{
		TimestampTz start;
		int32		what;		/* a type of event, or a place of FeatureQueryCounters */
		int32		currency;	/* of the amount; 0: none */
	}			key;			/* hash key, first; no padding */
	int64		count;
	int64		amount;			/* in 10^-6 of the currency */
} FeatureCounter;

/* All of an entity that a view needs. */
typedef struct FeatureCounters
{
	int			count;
	FeatureCounter *counters;	/* by time, type and currency */
	TimestampTz daysBefore;		/* panes that start before are days, others hours */
	int64		period;			/* the longest that is asked for; 0: all there is */
} FeatureCounters;

/*
 * Read what a view that is not of people needs of an entity, up to a time; of an item
 * its key tells which, of others the id.  An id that is none is an error.
 */
extern FeatureCounters *FeatureCountersLoad(const FeatureView *view, const text *id, int64 itemKey,
											TimestampTz now, Snapshot snapshot);

/* The same of all times up to the last one; how wide panes are is known in any case. */
extern FeatureCounters *FeatureCountersLoadAll(const FeatureView *view, const text *id, int64 itemKey,
											   TimestampTz last, Snapshot snapshot);

/* What of a node is counted in a pane; -1: nothing, it is unknown. */
extern int	FeatureCounterOf(const FeatureNode *node, FeatureEntity entity);

#endif
