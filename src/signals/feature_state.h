/*
 * feature_state.h
 *		The packed profile: what one person did, by feature and time.
 *
 * A state is a varlena, immutable once made, that holds up to
 * FEATURE_STATE_MAX_FEATURES features.  A feature is one value of one signal; it
 * holds panes of time with a count and a sum, and the time of its last event.
 * Nothing decays in it, so it can be merged, cut and undone exactly: the state
 * is a function of the set of deltas that went in (as long as none was evicted),
 * whatever their order and however they were cut into batches.
 *
 * What a batch changes stands at the front of a state, the rest keeps its distance
 * from the end, and the WAL record of an update leaves out the bytes that old and
 * new row have in common at their ends: a table keeps its state in the last column.
 * The bytes therefore depend on the batches; the operators and the output of the
 * type do not.
 *
 * Every function takes a detoasted state (short header allowed) or NULL for an
 * empty one, and allocates its result in CurrentMemoryContext, ready to store.
 */
#ifndef PERSONALIZE_FEATURE_STATE_H
#define PERSONALIZE_FEATURE_STATE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "signals/value_key.h"

#define FEATURE_STATE_MAX_FEATURES 512

/* Beside them, what holds the different values of signals: not more than there are signals. */
#define FEATURE_STATE_MAX_DISTINCT (PG_UINT16_MAX + 1)

/* Sums are integers in this part of a unit. */
#define FEATURE_SUM_UNIT INT64CONST(1000000)

typedef struct varlena FeatureState;

#define DatumGetFeatureStateP(d) ((FeatureState *) PG_DETOAST_DATUM_PACKED(d))
#define PG_GETARG_FEATURE_STATE_P(n) DatumGetFeatureStateP(PG_GETARG_DATUM(n))

/* Widths of panes.  Panes are aligned to 2000-01-01 00:00 UTC. */
typedef enum FeatureGrain
{
	FEATURE_GRAIN_5MIN,
	FEATURE_GRAIN_HOUR,
	FEATURE_GRAIN_DAY
} FeatureGrain;
#define FEATURE_GRAIN_COUNT 3

/*
 * What a signal keeps.  Ages are microseconds before the newest event of the
 * state.  A 5-minute pane joins its hour when that whole hour is older than
 * hourAfter, an hour joins its day when that whole day is older than dayAfter,
 * and a day that is wholly older than expireAfter is dropped.
 */
typedef struct FeaturePolicy
{
	FeatureGrain fine;			/* width of new panes */
	int64		hourAfter;		/* ignored unless fine is 5 minutes */
	int64		dayAfter;		/* ignored if fine is a day */
	int64		expireAfter;
	uint8		keeps;			/* FEATURE_KEEPS_* beside counts and sums */
} FeaturePolicy;

/* Policies of signals 0..count-1; those beyond have the fallback. */
typedef struct FeaturePolicySet
{
	const FeaturePolicy *bySignal;
	int			count;
	FeaturePolicy fallback;
} FeaturePolicySet;

/* What a pane may keep of the numbers that its events add to its sum. */
#define FEATURE_KEEPS_MIN	0x01
#define FEATURE_KEEPS_MAX	0x02
#define FEATURE_KEEPS_FIRST	0x04
#define FEATURE_KEEPS_LAST	0x08
#define FEATURE_KEEPS_NUMBERS	0x0F

/* What a signal may keep beside them: its different values, by pane. */
#define FEATURE_KEEPS_DISTINCT	0x10

/* So many of a pane are counted exactly. */
#define FEATURE_DISTINCT_EXACT 128

/* More are estimated from 2^11 registers: the standard error is 1.04 / sqrt(2048). */
#define FEATURE_DISTINCT_BITS 11
#define FEATURE_DISTINCT_ERROR 0.02298

/* The different values of a pane; see feature_distinct.c. */
typedef struct FeatureDistinct
{
	const uint8 *bytes;			/* NULL: they are not kept */
	int			size;
	bool		owned;			/* palloc'd for this pane */
} FeatureDistinct;

/*
 * The smallest, the largest, the first and the last of them; of two of one time the
 * smaller is the first, the larger the last.
 */
typedef struct FeatureExtremes
{
	uint8		kept;			/* which of them are known */
	int64		min;			/* in 1/FEATURE_SUM_UNIT */
	int64		max;
	int64		first;
	int64		last;
	TimestampTz firstAt;
	TimestampTz lastAt;
} FeatureExtremes;

/* Something that happened.  count is at least 1; sum may have any sign. */
typedef struct FeatureDelta
{
	uint64		key;
	TimestampTz ts;				/* finite */
	int64		count;
	int64		sum;			/* in 1/FEATURE_SUM_UNIT */
	const FeatureExtremes *extremes;	/* of more than one; NULL: unknown */
	const FeatureDistinct *distinct;	/* of a pane, if the key is of these; NULL: the value of the key */
} FeatureDelta;

/* A feature of a state; valid as long as the state's memory. */
typedef struct Feature
{
	uint64		key;
	TimestampTz last;			/* its newest event */
	const uint8 *panes;
	const uint8 *end;
} Feature;

/* A pane of a feature: [start, end). */
typedef struct FeaturePane
{
	FeatureGrain grain;
	TimestampTz start;
	TimestampTz end;
	int64		count;
	int64		sum;
	FeatureExtremes extremes;
	FeatureDistinct distinct;	/* its count is 1 then */
} FeaturePane;

/* Walks over the features of a state, in no order a caller may rely on. */
typedef struct FeatureIterator
{
	const uint8 *next;			/* the next feature's length */
	const uint8 *end;
	const uint8 *gaps;			/* the next gap between dead features */
	const uint8 *baseData;		/* start of the base, once it was reached */
	const uint8 *data;			/* the feature last returned, from its length */
	const uint8 *body;
	uint64		gap;			/* live features before the next dead one */
	TimestampTz newest;			/* of the state */
	TimestampTz last;			/* of the feature last returned; DT_NOEND: none of its part */
	uint64		key;			/* its key */
	int			remaining;
	int			head;			/* features of the head to come */
	int			base;			/* all features of the base */
	int			dead;			/* dead ones to come */
	int			place;			/* in the base, of the last one; -1 in the head */
	bool		hidesDistinct;
} FeatureIterator;

/* Walks over the panes of a feature, newest first. */
typedef struct FeaturePaneIterator
{
	const uint8 *next;
	const uint8 *end;
	TimestampTz before;
	TimestampTz limit;			/* start of the pane last returned; DT_NOEND: none */
	bool		isDistinct;
} FeaturePaneIterator;

/* True if a feature is no value, but holds the different values of its signal. */
static inline bool
FeatureIsDistinct(uint64 key)
{
	return FeatureKeyHash(key) == FEATURE_VALUE_DISTINCT;
}

/*
 * The old state with these deltas in it; old may be NULL.  Sorts the deltas in
 * place.  An int64 overflow of a pane is an error.  The result is never NULL,
 * but has no features if everything has expired.  Without deltas it folds what
 * a merge without policies, or a changed policy, left to fold.
 */
extern FeatureState *FeatureStateApply(const FeatureState *old,
									   FeatureDelta *deltas, int count,
									   const FeaturePolicySet *policies);

/*
 * Both states in one.  policies NULL: panes are folded only where one side has
 * a wider pane already; FeatureStateApply without deltas folds the rest.
 */
extern FeatureState *FeatureStateMerge(const FeatureState *left,
									   const FeatureState *right,
									   const FeaturePolicySet *policies);

/* left without right, which must be contained in it pane by pane. */
extern FeatureState *FeatureStateSubtract(const FeatureState *left,
										  const FeatureState *right);

/* Only the features for which keep says true. */
extern FeatureState *FeatureStateFilter(const FeatureState *state,
										bool (*keep) (uint64 key, void *arg),
										void *arg);

/* The same without totals that tell of the others: newest is that of what is kept. */
extern FeatureState *FeatureStateExtract(const FeatureState *state,
										bool (*keep) (uint64 key, void *arg),
										void *arg);

/*
 * The state without the panes that are of no use at asOf: those wholly older
 * than their signal's expireAfter, or lying on days before that of before
 * (DT_NOBEGIN: none); the state itself if there are none.  The number of
 * features that lost panes is added to *changed.
 */
extern FeatureState *FeatureStateExpire(FeatureState *state, TimestampTz asOf,
										TimestampTz before,
										const FeaturePolicySet *policies, int64 *changed);

/* Newest event time (DT_NOBEGIN if nothing ever went in), and counters; all features are counted. */
extern TimestampTz FeatureStateNewest(const FeatureState *state);
extern int64 FeatureStateEvicted(const FeatureState *state);
extern int	FeatureStateCount(const FeatureState *state);

/* The features that are values; of all, also those that hold the different values. */
extern void FeatureIteratorBegin(FeatureIterator *iterator, const FeatureState *state);
extern void FeatureIteratorBeginAll(FeatureIterator *iterator, const FeatureState *state);
extern bool FeatureIteratorNext(FeatureIterator *iterator, Feature *feature);
extern bool FeatureStateFind(const FeatureState *state, uint64 key, Feature *feature);

extern void FeaturePaneIteratorBegin(FeaturePaneIterator *iterator, const Feature *feature);
extern bool FeaturePaneIteratorNext(FeaturePaneIterator *iterator, FeaturePane *pane);

/*
 * Count and sum over (since, until] at pane grain: a pane counts if, in panes of
 * its own width, it is later than the one that holds since and not later than
 * the one that holds until.  DT_NOBEGIN and DT_NOEND leave a side open.
 */
extern void FeatureSum(const Feature *feature, TimestampTz since, TimestampTz until,
					   int64 *count, int64 *sum);

/*
 * Join two of these, of different events; and those of the same panes as FeatureSum
 * takes, false if there are none.
 */
extern void FeatureExtremesJoin(FeatureExtremes *into, const FeatureExtremes *other);
extern bool FeatureExtremesOver(const Feature *feature, TimestampTz since, TimestampTz until,
								FeatureExtremes *extremes);

/*
 * How many different values the same panes hold of a feature of these; estimated: one has
 * had too many to count, and the number has a standard error of FEATURE_DISTINCT_ERROR.
 */
extern int64 FeatureDistinctOver(const Feature *feature, TimestampTz since, TimestampTz until, bool *estimated);

/* The four as numeric columns, null what is not kept. */
extern void FeatureExtremesDatums(const FeatureExtremes *extremes, Datum *values, bool *nulls);

/*
 * Sum over panes up to asOf of sum * 2^(-age/halfLife), in units (not 10^-6).
 * The age is from the pane's middle, at least 0; halfLife is in microseconds.
 */
extern double FeatureDecayed(const Feature *feature, int64 halfLife, TimestampTz asOf);

#endif
