/*
 * profile.h
 *		One user's view for engines: what is stored and what is not yet rolled.
 */
#ifndef PERSONALIZE_PROFILE_H
#define PERSONALIZE_PROFILE_H

#include "postgres.h"

#include "events/event.h"
#include "fmgr.h"
#include "signals/feature_state.h"
#include "signals/signal.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"

/* As many recent items are kept. */
#define PROFILE_MAX_RECENT 64

/* The newest event of its kind with an item; exposures are not kept. */
typedef struct ProfileItem
{
	int64		itemKey;
	TimestampTz ts;
	int32		mask;			/* purposes the event may be used for */
	int16		event;
} ProfileItem;

/* One user, in the memory context ProfileLoad was called in. */
typedef struct ProfileView
{
	int64		userKey;
	bool		exists;			/* anything is known */
	bool		stale;			/* too many events are not rolled yet: these are left out */
	int32		purposes;		/* the view shows what was collected for one of these */
	int32		restricted;		/* and nothing that needs one of these */
	int32		mask;			/* purposes anything was collected for */
	int64		events;
	TimestampTz firstSeen;		/* DT_NOEND if events is 0 */
	TimestampTz lastSeen;		/* DT_NOBEGIN if events is 0 */
	FeatureState *features;		/* NULL: none; read it with ProfileSignal's filter */
	int			recentCount;
	ProfileItem *recent;		/* newest first */
	bool		recentFull;		/* older ones may have made room, also for some not shown */
	struct ProfileSteps *steps;	/* of sequences, whatever they are for */
	int64		tailEvents;		/* events of the user that were added to the stored row */
	Snapshot	snapshot;
	const SignalSet *signals;
} ProfileView;

/*
 * Load what is known of a user now, under the active snapshot.  Only features
 * and recent items whose purposes include one of the given ones are shown; the
 * recent items are filtered already, features by ProfileSignal.  Never NULL.
 */
extern ProfileView *ProfileLoad(int64 userKey, int32 purposes);

/*
 * The same of a time in the past, from the raw events that exist; recent items beyond
 * them from what is remembered now.
 */
extern ProfileView *ProfileLoadPast(int64 userKey, int32 purposes, TimestampTz asOf, const struct EventPlaces *places);

/* How many raw events a reader may look at: personalize.max_tail_events. */
extern int	ProfileMaxTail(void);

/* The signal of a feature; NULL if the view must not show it. */
extern const Signal *ProfileSignal(const ProfileView *view, uint64 featureKey);

/* A feature by the key of its value (KeyFromText; an item's key); false if there is none. */
extern bool ProfileFindFeature(const ProfileView *view, int signalId, int64 valueKey,
							   Feature *feature);

/* The text of a feature's value, valid until the next ProfileLoad; NULL if unknown. */
extern text *ProfileValueText(const ProfileView *view, const Signal *signal, uint64 featureKey);

/*
 * The span (since, until] that arguments period and, after it, as_of of a
 * function name; NULL: all that is kept, and now.
 */
extern void ProfileSpanArguments(FunctionCallInfo fcinfo, int period,
								 TimestampTz *since, TimestampTz *until);

/* The features a view shows at a time, as column features of profile() has them. */
extern Jsonb *ProfileFeaturesJson(const ProfileView *view, TimestampTz now);

/* Called once when the library is loaded. */
extern void ProfileReadInit(void);
extern void ProfileWriteInit(void);

#endif
