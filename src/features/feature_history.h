/*
 * feature_history.h
 *		What the files of the historical reader share: the spine and what happened.
 */
#ifndef PERSONALIZE_FEATURE_HISTORY_H
#define PERSONALIZE_FEATURE_HISTORY_H

#include "postgres.h"

#include "base/key_set.h"
#include "base/key_sort.h"
#include "features/feature_view.h"
#include "nodes/execnodes.h"
#include "profiles/profile_step.h"
#include "signals/signal.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"

/* Whose features are asked for as of when: one row of a spine. */
typedef struct SpineRow
{
	int64		userKey;
	TimestampTz asOf;
	int64		place;			/* in the spine, from 1 */
	text	   *userId;
	text	   *itemId;			/* NULL: none */
	Jsonb	   *request;		/* NULL: none */
} SpineRow;

/* A spine, by person and time. */
typedef struct Spine
{
	KeySort		sort;
	int64		count;
	bool		ofPeople;		/* else ids are those of something else */
	bool		allKnown;		/* people has all of them; else there are too many for memory */
	KeySet		people;
	TimestampTz last;			/* the newest time; DT_NOBEGIN: there is no row */
} Spine;

/* Read a spine, a query or the name of a table, with the caller's rights; ids are people's, or of something else. */
extern void SpineRead(Spine *spine, const char *source, bool ofPeople);
extern bool SpineNext(Spine *spine, SpineRow *row);
extern void SpineEnd(Spine *spine);

/* Something that an event added to a person's state, or what is left of events that are gone. */
typedef struct HistoryEntry
{
	int64		userKey;
	TimestampTz known;			/* since when */
	TimestampTz ts;
	uint64		featureKey;
	int64		count;
	int64		sum;
	bool		isStep;
	ProfileStep step;
	bool		isPane;			/* of this grain, out of the profile */
	FeatureGrain grain;
	FeatureExtremes extremes;	/* of a pane */
	FeatureDistinct distinct;	/* of a pane that holds different values, until the next entry */
} HistoryEntry;

/* What happened, by person and since when it was known. */
typedef struct History
{
	KeySort		sort;
	const SignalSet *signals;
	const bool *wanted;			/* signals by id */
	bool		steps;			/* are wanted */
	bool		late;			/* what came late is known since it happened */
	TimestampTz rawSince;		/* raw events exist from here on; DT_NOEND: there are none */
	Snapshot	snapshot;
} History;

/* Collect what a view needs to know of a spine's people. */
extern void HistoryRead(History *history, const FeatureView *view, const Spine *spine, bool late);
extern bool HistoryNext(History *history, HistoryEntry *entry);
extern void HistoryEnd(History *history);

/* Return the past features of a view that is not of people, for the rows of a spine. */
extern void FeaturePastRead(const FeatureView *view, const char *source, bool late, int32 purposes, ReturnSetInfo *output);

#endif
