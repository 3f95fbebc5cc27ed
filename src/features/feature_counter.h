/*
 * feature_counter.h
 *		What is counted of items, of what they have in common, and of queries, over all people.
 */
#ifndef PERSONALIZE_FEATURE_COUNTER_H
#define PERSONALIZE_FEATURE_COUNTER_H

#include "postgres.h"

#include "base/key_set.h"
#include "features/feature_view.h"
#include "signals/signal.h"
#include "utils/snapshot.h"

/* What is counted in a pane of time. */
typedef struct FeatureCounter
{
	struct
	{
		int64		entity;		/* its key, where those of many are read; else 0 */
		TimestampTz start;
		int32		what;		/* a type of event, or a place of SignalQueryCounters */
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

/* What a node counts, and with which weights; one without any is unknown. */
typedef struct FeatureCounting
{
	int			count;
	ScopedUse  *uses;			/* events, of queries places of SignalQueryCounters */
	bool		isPlain;		/* one of them by its own name, not a signal */
	bool		ofValue;		/* sums are of the events' value */
	int64		halfLife;		/* of the signal; 0: the node says it */
} FeatureCounting;

extern FeatureCounting FeatureCountingOf(const FeatureNode *node, FeatureEntity entity, const SignalSet *signals);

/* The signal that a node of a view names; NULL: none, it is an event. */
extern const ScopedSignal *FeatureScopedSignal(const char *name, FeatureEntity entity, const SignalSet *signals);

#endif
