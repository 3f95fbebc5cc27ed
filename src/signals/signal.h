/*
 * signal.h
 *		Signal definitions, compiled, and what they see in an event.
 */
#ifndef PERSONALIZE_SIGNAL_H
#define PERSONALIZE_SIGNAL_H

#include "postgres.h"

#include "compat.h"
#include "events/event.h"
#include "items/item.h"
#include "signals/aggregate.h"
#include "signals/feature_state.h"
#include "signals/scoped_signal.h"
#include "signals/signal_path.h"
#include "utils/jsonpath.h"

/* The seeded signals; src/signals/signal.sql. */
#define SIGNAL_INTEREST_CATEGORY	1
#define SIGNAL_INTEREST_BRAND		2
#define SIGNAL_INTEREST_TAG			3
#define SIGNAL_PRICE_BAND			4
#define SIGNAL_SEARCH_TERM			5
#define SIGNAL_ITEM_AFFINITY		6

/* Numbers below are for those that come with the extension. */
#define SIGNAL_FIRST_OWN 100

/* Bounds of what one event may count for one signal. */
#define SIGNAL_MAX_VALUES 32
#define SIGNAL_MAX_VALUE_BYTES 256

/* Properties that a filter compares with numbers; of more, strings are no numbers. */
#define SIGNAL_MAX_FILTER_NUMBERS 16

typedef struct Signal
{
	int			id;
	char	   *name;
	SignalPath	path;
	SignalFactor factor;
	char	   *factorProperty;
	JsonPath   *filter;			/* NULL: none */
	int			filterNumberCount;	/* properties that it compares with numbers */
	char	   *filterNumbers[SIGNAL_MAX_FILTER_NUMBERS];
	int32		purposes;		/* all of them must be allowed */
	uint8		keeps;			/* FEATURE_KEEPS_* */
	int64		halfLife;		/* microseconds */
	TimestampTz completeSince;	/* DT_NOBEGIN: from the first event on */
	bool		enabled;
} Signal;

/* A signal that an event type feeds, with the type's weight in 10^-6. */
typedef struct SignalUse
{
	const Signal *signal;
	int64		weight;
} SignalUse;

/* What an event type feeds. */
typedef struct SignalEvent
{
	char	   *name;			/* NULL: there is no such type */
	bool		exposure;		/* weight 0: shown, but no sign of interest */
	int			useCount;
	SignalUse  *uses;
} SignalEvent;

/* All signals; a set stays valid to the end of the transaction.  Those of people are its own, the last two are none of these. */
typedef struct SignalSet
{
	int			count;
	Signal	   *signals;		/* by id */
	int			idLimit;
	Signal	  **byId;			/* 0..idLimit-1; NULL: unknown or dropped */
	int			eventLimit;
	SignalEvent *events;		/* by event number, 0..eventLimit-1 */
	FeaturePolicySet policies;
	bool		anyDropped;
	int			inferredCount;	/* signals of basis inferred */
	char	  **inferred;		/* their names */
	int			scopedCount;
	ScopedSignal *scoped;		/* of other scopes than a person, by name */
} SignalSet;

/* The current definitions. */
extern const SignalSet *SignalSetGet(void);

/* The same, and no session changes them until this transaction ends. */
extern const SignalSet *SignalSetGetLocked(void);

/* The names of all events, in a palloc'd array; returns how many. */
extern int	SignalEventNames(const char ***names);

/* The set's entry of an event type; NULL if there is no such type (compiles a new set for one that is newer). */
extern const SignalEvent *SignalSetEvent(const SignalSet **set, int16 event);

/* The signal of a name, enabled or not; NULL: there is none.  One that profiles do not have is an error. */
extern const Signal *SignalFindByName(const SignalSet *set, const char *name);

/* Complain of a name that no signal has, or that is that of one which is disabled. */
pg_noreturn extern void SignalReportUnknown(const SignalSet *set, const char *name);

/*
 * Complain of a name that is an inferred signal's, or one's of another scope than a person:
 * profiles, features of people, segments and engines know nothing of those.
 */
extern void SignalRefuseElsewhere(const SignalSet *set, const char *name);

/* The signal of a name that is not kept by user, enabled or not; NULL: there is none. */
extern const ScopedSignal *SignalFindScoped(const SignalSet *set, const char *name);

/* A set of one inferred signal, by its number; NULL: there is no such signal. */
extern const SignalSet *SignalSetOfInferred(int number);

/* Since when the raw events that feed a signal are all there; DT_NOBEGIN: ever since. */
extern TimestampTz SignalEventsSince(const SignalSet *set, const Signal *signal);

/* The width of the panes that a signal's events of a time ago are in: a period ends at one. */
extern int64 SignalPaneWidth(const SignalSet *set, const Signal *signal, int64 ago);

/* Complain unless what is called so is a value that the signal may count. */
extern void SignalCheckValue(const Signal *signal, const char *what, const char *value);

/* An enabled signal; NULL if unknown, dropped or disabled. */
static inline const Signal *
SignalFind(const SignalSet *set, int id)
{
	Signal	   *signal = id < set->idLimit ? set->byId[id] : NULL;

	return signal != NULL && signal->enabled ? signal : NULL;
}

/* True if a signal keeps what an aggregate is read from. */
static inline bool
SignalHas(const Signal *signal, Aggregate aggregate)
{
	return (AggregateNeeds(aggregate) & ~signal->keeps) == 0;
}

/*
 * Called for each value an event counts for a signal.  text is NULL for items,
 * whose text is their id.  sum is in 10^-6 units.
 */
typedef void (*SignalCount) (void *arg, uint64 featureKey, int64 sum,
							 const char *text, int length);

/*
 * What the event counts, for all signals that its consent allows.  False if a
 * number in it is too large; then it counts nothing, and processors set it aside.
 */
extern bool SignalEvaluate(const SignalEvent *event, const EventRow *row,
						   ItemReader *items, SignalCount count, void *arg);

/* The same, but a number that is too large counts as 0. */
extern void SignalEvaluateAnyway(const SignalEvent *event, const EventRow *row,
								 ItemReader *items, SignalCount count, void *arg);

/* The band of a price as text in buffer (at least 64 bytes); false if it has none. */
extern bool SignalPriceBand(Numeric price, char *buffer);

/* Called once when the library is loaded. */
extern void SignalInit(void);

#endif
