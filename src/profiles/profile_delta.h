/*
 * profile_delta.h
 *		What events add to a profile: the code that processor and readers share.
 */
#ifndef PERSONALIZE_PROFILE_DELTA_H
#define PERSONALIZE_PROFILE_DELTA_H

#include "postgres.h"

#include "profiles/profile.h"
#include "profiles/profile_step.h"
#include "signals/feature_value.h"

/* Columns of profile, in order; src/profiles/profile.sql. */
typedef enum ProfileColumn
{
	PROFILE_USER_KEY = 1,
	PROFILE_FIRST_SEEN,
	PROFILE_LAST_SEEN,
	PROFILE_EVENTS,
	PROFILE_MASK,
	PROFILE_RECENT,
	PROFILE_STEPS,
	PROFILE_FEATURES
} ProfileColumn;
#define PROFILE_COLUMN_COUNT 8

/* Recent items, newest first, each (item, event, mask) once. */
typedef struct ProfileRecent
{
	int			count;
	ProfileItem items[PROFILE_MAX_RECENT];
} ProfileRecent;

/* What one user's events add to that user's profile. */
typedef struct ProfileDelta
{
	int64		userKey;
	int64		events;
	TimestampTz firstSeen;
	TimestampTz lastSeen;
	int32		mask;			/* 0: nothing is added */
	int			deltaCount;
	int			deltaCapacity;
	FeatureDelta *deltas;
	FeatureState *collapsed;	/* earlier deltas, applied already */
	int			recentCount;
	int			recentCapacity;
	ProfileItem *recent;
	int			stepCount;
	int			stepCapacity;
	ProfileStep *steps;
} ProfileDelta;

/* Parts of profiles that alone are counted anew. */
typedef struct ProfileParts
{
	int			limit;
	bool	   *signals;		/* by number, 0..limit-1 */
	bool		steps;
} ProfileParts;

static inline bool
ProfilePartsHas(const ProfileParts *parts, int signal)
{
	return signal < parts->limit && parts->signals[signal];
}

/* Where deltas are collected. */
typedef struct ProfileCollector
{
	MemoryContext context;		/* for what the deltas hold */
	const SignalSet *signals;
	const struct SegmentSet *segments;	/* whose steps are kept */
	ItemReader *items;
	int32		onlyPurposes;	/* not 0: only what needs one of these */
	const ProfileParts *parts;	/* not NULL: only these */
	FeatureValueBatch *values;	/* NULL: texts go to the backend's cache */
	ProfileDelta *delta;		/* of the event at hand */
	const EventRow *row;		/* the event at hand */
} ProfileCollector;

/*
 * With the person's stripe locked exclusively: remove the row; take out of it what
 * needs one of these purposes; add to it what needs them and the events say.
 */
extern void ProfileRemove(int64 userKey);
extern void ProfilePurge(int64 userKey, int32 purposes);
extern void ProfileRecount(int64 userKey, int32 purposes);

/* An empty delta. */
extern void ProfileDeltaInit(ProfileDelta *delta, int64 userKey);

/*
 * Add what an event says about its user, as far as its consent allows.  False,
 * and nothing is added, if a number in it cannot be counted.
 */
extern bool ProfileDeltaAdd(ProfileCollector *collector, ProfileDelta *delta,
							const EventRow *row);

/* The features with the delta in them; NULL if there are none. */
extern FeatureState *ProfileDeltaApply(ProfileDelta *delta, const FeatureState *old,
									   const SignalSet *signals);

/* Add items, which are sorted in place. */
extern void ProfileRecentAdd(ProfileRecent *recent, ProfileItem *items, int count);

/* The packed form: a version byte and varints. */
extern bytea *ProfileRecentPack(const ProfileRecent *recent);
extern void ProfileRecentUnpack(const bytea *packed, ProfileRecent *recent);

#endif
