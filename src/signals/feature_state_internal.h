/*
 * feature_state_internal.h
 *		What the files of feature_state share: encoding, folding, writing.
 */
#ifndef PERSONALIZE_FEATURE_STATE_INTERNAL_H
#define PERSONALIZE_FEATURE_STATE_INTERNAL_H

#include "signals/feature_state.h"

#include "base/varint.h"
#include "common/int.h"
#include "compat.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#define FEATURE_STATE_VERSION 1

/* A key's signal from here on takes two bytes of its own. */
#define FEATURE_SIGNAL_ESCAPE 31

#define USECS_PER_5MIN (5 * USECS_PER_MINUTE)

/* How the sum of a pane is written; the first that fits is used. */
typedef enum FeatureSumCode
{
	FEATURE_SUM_IS_COUNT,		/* count units; nothing is written */
	FEATURE_SUM_IN_UNITS,
	FEATURE_SUM_IN_HUNDREDTHS,
	FEATURE_SUM_IN_MILLIONTHS
} FeatureSumCode;

/* What a sum is a multiple of, by its code; a time, by the unit it is written in. */
static const int64 featureSumScale[] = {FEATURE_SUM_UNIT, FEATURE_SUM_UNIT, 10000, 1};
static const int64 featureTimeScale[] = {USECS_PER_SEC, 1000, 1};

static const int64 featureGrainWidth[FEATURE_GRAIN_COUNT] = {
	USECS_PER_5MIN, USECS_PER_HOUR, USECS_PER_DAY
};

/* One feature, decoded: panes oldest first. */
typedef struct FeatureGroup
{
	uint64		key;
	TimestampTz last;
	FeaturePane *panes;
	int			count;
} FeatureGroup;

/* Features, sorted by key, to be put into a state; or a whole state. */
typedef struct FeatureAddition
{
	TimestampTz newest;			/* DT_NOBEGIN if nothing ever went in */
	int64		evicted;
	FeatureGroup *groups;
	int			count;
} FeatureAddition;

/* Panes before these indexes fold or expire, for one policy at one time. */
typedef struct FeatureFoldLimits
{
	FeatureGrain fine;
	int64		hour;			/* hours before this one are not kept finer */
	int64		day;			/* the same of days */
	int64		expired;		/* days before this one are dropped */
} FeatureFoldLimits;

/* One encoded feature, with its length in front. */
typedef struct FeatureSlice
{
	uint64		key;
	TimestampTz last;
	const uint8 *data;			/* NULL: at offset in the writer's buffer */
	Size		offset;
	Size		length;
	int			place;			/* in the old base */
} FeatureSlice;

/* The new state while it is put together. */
typedef struct FeatureWriter
{
	FeatureSlice *head;			/* taken over from the old head, in order */
	int			headCount;
	FeatureSlice *base;			/* taken over from the old base, in order */
	int			baseCount;
	FeatureSlice *changed;		/* written anew, in any order */
	int			changedCount;
	uint8	   *buffer;
	Size		used;
	Size		capacity;
	FeaturePane *panes;			/* scratch for one feature */
	int			paneCapacity;
} FeatureWriter;

/* A signed number as one whose lowest bit is the sign, and back. */
static inline uint64
FeatureZigzag(int64 value)
{
	return ((uint64) value << 1) ^ (value < 0 ? ~UINT64CONST(0) : 0);
}

static inline int64
FeatureUnzigzag(uint64 value)
{
	return (int64) ((value >> 1) ^ (~(value & 1) + 1));
}

/* Index of the pane of a grain that holds a time. */
static inline int64
FeaturePaneIndex(TimestampTz time, FeatureGrain grain)
{
	int64		index;
	int64		rest;

	switch (grain)
	{
		case FEATURE_GRAIN_5MIN:
			index = time / USECS_PER_5MIN;
			rest = time % USECS_PER_5MIN;
			break;
		case FEATURE_GRAIN_HOUR:
			index = time / USECS_PER_HOUR;
			rest = time % USECS_PER_HOUR;
			break;
		default:
			index = time / USECS_PER_DAY;
			rest = time % USECS_PER_DAY;
			break;
	}
	return rest < 0 ? index - 1 : index;
}

/* Place a pane: the one of this grain that holds a time. */
static inline void
FeaturePaneSet(FeaturePane *pane, TimestampTz time, FeatureGrain grain)
{
	pane->grain = grain;
	pane->start = FeaturePaneIndex(time, grain) * featureGrainWidth[grain];
	pane->end = pane->start + featureGrainWidth[grain];
}

/* Add to a pane's count and sum. */
static inline void
FeaturePaneAdd(FeaturePane *pane, int64 count, int64 sum)
{
	if (unlikely(pg_add_s64_overflow(pane->count, count, &pane->count) ||
				 pg_add_s64_overflow(pane->sum, sum, &pane->sum)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("count or sum of a feature is out of range")));
}

/* Different values of panes: feature_distinct.c */

/* Read what a pane holds behind its count; false if it is none. */
extern bool FeatureDistinctRead(const uint8 **next, const uint8 *end, FeatureDistinct *distinct);

/* The values of a list, room for FEATURE_DISTINCT_EXACT; returns how many, 0 of registers. */
extern int	FeatureDistinctValues(const FeatureDistinct *distinct, uint64 *values);

/* Write a value of a list, and how many there are, 0 before registers; returns the size of all. */
extern void FeatureDistinctSetValue(uint8 *bytes, int place, uint64 value);
extern int	FeatureDistinctSetCount(uint8 *bytes, int count);

/* The most bytes that a pane holds. */
#define FEATURE_DISTINCT_MAX_SIZE (1 + (1 << FEATURE_DISTINCT_BITS) / 8 * 5)

/* Join what another pane holds; free what that has made. */
extern void FeatureDistinctJoin(FeatureDistinct *into, const FeatureDistinct *other);
extern void FeatureDistinctFree(FeatureDistinct *distinct);

/* The panes with the values of a signal's deltas, of which there are some; free them. */
extern void FeatureDistinctGroup(FeatureGroup *group, const FeatureDelta *deltas, int count, FeatureGrain fine);
extern void FeatureDistinctGroupFree(FeatureGroup *group);

/* Add a pane of other events to one that holds its time. */
static inline void
FeaturePaneJoin(FeaturePane *pane, const FeaturePane *other)
{
	if (unlikely(pane->distinct.bytes != NULL))
	{
		FeatureDistinctJoin(&pane->distinct, &other->distinct);
		return;
	}
	FeaturePaneAdd(pane, other->count, other->sum);
	if (pane->extremes.kept != 0)
		FeatureExtremesJoin(&pane->extremes, &other->extremes);
}

/* Numbers that panes keep: feature_extremes.c */

/* In place of a pane's grain: that and what is kept of its numbers follow in a byte. */
#define FEATURE_GRAIN_ESCAPE 3

/* The most bytes they take, with that one. */
#define MAX_EXTREMES_BYTES (1 + 6 * VARINT_MAX_BYTES)

/* Those of a single event. */
extern void FeatureExtremesOfOne(FeatureExtremes *extremes, uint8 keeps, int64 number, TimestampTz ts);

/* The byte behind a pane's head, and what follows its count and sum. */
extern uint8 FeatureExtremesHead(const FeaturePane *pane);
extern uint8 *FeatureExtremesWrite(uint8 *out, const FeaturePane *pane);
extern bool FeatureExtremesRead(const uint8 **next, const uint8 *end, uint8 head, FeaturePane *pane);

/* What is wrong with those of a pane; NULL: nothing. */
extern const char *FeatureExtremesProblem(const FeaturePane *pane);

/* Reading: feature_state.c */

/* Complain about a state that no version of this code has written. */
pg_noreturn extern void FeatureStateReportCorrupt(void);

/* Start at the first feature and read what stands before it; how many there are. */
extern int	FeatureStateBegin(FeatureIterator *iterator, const FeatureState *state,
							  TimestampTz *newest, int64 *evicted);

/* Folding: feature_state_fold.c */

extern void FeatureFoldLimitsSet(FeatureFoldLimits *limits, const FeaturePolicy *policy,
								 TimestampTz newest);

/* The policy of a feature's signal. */
extern const FeaturePolicy *FeaturePolicyOf(const FeaturePolicySet *policies, uint64 key);

/* True if no pane at all can change when newest moves so. */
extern bool FeaturePolicyFoldsNothing(const FeaturePolicy *policy, TimestampTz oldNewest,
									  TimestampTz newest);

/* True if a pane of the feature is to be folded or dropped. */
extern bool FeatureFolds(const Feature *feature, const FeatureFoldLimits *limits);

/* Fold panes, oldest first, in place; returns how many remain. */
extern int	FeaturePanesFold(FeaturePane *panes, int count, const FeatureFoldLimits *limits);

/* Writing: feature_state_write.c */

/* Make a writer for so many features taken over and so many written anew. */
extern void FeatureWriterBegin(FeatureWriter *writer, int kept, int changed);

/* Room for so many panes, until the next call. */
extern FeaturePane *FeatureWriterPanes(FeatureWriter *writer, int count);

/* Take over the feature an iterator has just returned. */
extern void FeatureWriterKeep(FeatureWriter *writer, const FeatureIterator *iterator,
							  const Feature *feature);

/* Encode a feature; its panes stand oldest first.  None: it is left out. */
extern void FeatureWriterAdd(FeatureWriter *writer, uint64 key, TimestampTz last,
							 const FeaturePane *panes, int count);

/* Join the features; see feature_state_write.c. */
extern FeatureState *FeatureWriterFinish(FeatureWriter *writer, TimestampTz newest,
										 int64 evicted, const FeatureIterator *old);

/* Changing: feature_state_change.c */

/* The old state (or NULL) with these features in it. */
extern FeatureState *FeatureStateCombine(const FeatureState *old,
										 const FeatureAddition *addition,
										 const FeaturePolicySet *policies);

/* Decode a whole state; its bytes are bounded, its order is not checked. */
extern void FeatureStateDecode(const FeatureState *state, FeatureAddition *addition);

/* The one encoding of what a state holds; the state itself if it has it already. */
extern FeatureState *FeatureStateCanonical(FeatureState *state);

/* Sort by key; false if a key is there twice. */
extern bool FeatureGroupsSort(FeatureGroup *groups, int count);

/* Text: feature_state_json.c */

extern char *FeatureStateFormat(const FeatureState *state);
extern FeatureState *FeatureStateParse(Jsonb *document);

/* Check what text and binary input must obey; sorts the features. */
extern void FeatureStateCheck(FeatureAddition *state);

#endif
