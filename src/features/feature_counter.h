/*
 * feature_counter.h
 *		What is counted of items, of what they have in common, and of queries, over all people.
 */
#ifndef PERSONALIZE_FEATURE_COUNTER_H
#define PERSONALIZE_FEATURE_COUNTER_H

#include "postgres.h"

#include "base/key_set.h"
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
		int64		entity;		/* its key, where those of many are read; else 0 */
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
 * Read what a view that is not of people needs of an entity, up to a time; key is that of
 * the id, which may be NULL for an item.  An id that is none is an error.
 */
extern FeatureCounters *FeatureCountersLoad(const FeatureView *view, const text *id, int64 key,
											TimestampTz now, Snapshot snapshot);

/* The same of all times up to the last one; how wide panes are is known in any case. */
extern FeatureCounters *FeatureCountersLoadAll(const FeatureView *view, const text *id, int64 key,
											   TimestampTz last, Snapshot snapshot);

/*
 * Read either for many categories, brands or tags, those whose keys are wanted, in one pass
 * over the counters and within work_mem; then give those of each of them, by ascending keys.
 */
typedef struct FeatureGathering FeatureGathering;

extern FeatureGathering *FeatureGatheringBegin(const FeatureView *view, const KeySet *wanted, TimestampTz last,
											   bool all, Snapshot snapshot);
extern FeatureCounters *FeatureGatheringRead(FeatureGathering *gathering, int64 key);
extern void FeatureGatheringEnd(FeatureGathering *gathering);

/* What of a node is counted in a pane; -1: nothing, it is unknown. */
extern int	FeatureCounterOf(const FeatureNode *node, FeatureEntity entity);

#endif
