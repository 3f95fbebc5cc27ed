/*
 * scoped_signal.h
 *		Signals of other scopes than a person: of items, of what they have in common, of queries, of everything.
 */
#ifndef PERSONALIZE_SCOPED_SIGNAL_H
#define PERSONALIZE_SCOPED_SIGNAL_H

#include "postgres.h"

/* What a signal is kept by. */
typedef enum SignalScope
{
	SIGNAL_SCOPE_USER,
	SIGNAL_SCOPE_ITEM,
	SIGNAL_SCOPE_CATEGORY,
	SIGNAL_SCOPE_BRAND,
	SIGNAL_SCOPE_TAG,
	SIGNAL_SCOPE_QUERY,
	SIGNAL_SCOPE_GLOBAL
} SignalScope;

/* An event that such a signal counts, with its weight in 10^-6. */
typedef struct ScopedUse
{
	int16		event;
	int64		weight;
} ScopedUse;

/* A signal that is read from what is counted over all people. */
typedef struct ScopedSignal
{
	int			id;
	char	   *name;
	SignalScope scope;
	bool		enabled;
	bool		ofValue;		/* weights are of the events' value */
	int64		halfLife;		/* microseconds */
	int			periodCount;
	int64	   *periods;		/* likewise */
	int			useCount;
	ScopedUse  *uses;
} ScopedSignal;

/* What is counted of a query, by name, and the events that it is made of. */
#define SIGNAL_QUERY_COUNTERS 4
extern const char *const SignalQueryCounters[SIGNAL_QUERY_COUNTERS];
extern const int16 SignalQueryEvents[SIGNAL_QUERY_COUNTERS];

/* The scope of a name, an error if it is none; and its name. */
extern SignalScope SignalScopeFind(const char *name);
extern const char *SignalScopeName(SignalScope scope);

#endif
