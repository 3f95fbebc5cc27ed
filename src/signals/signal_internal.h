/*
 * signal_internal.h
 *		What the files of the signal part share with each other.
 */
#ifndef PERSONALIZE_SIGNAL_INTERNAL_H
#define PERSONALIZE_SIGNAL_INTERNAL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "signals/signal.h"
#include "utils/numeric.h"

/* factor * value, rounded to a whole number; false if it overflows or is NaN. */
extern bool SignalMicro(int64 factor, Numeric value, int64 *result);

/* Find the properties that a signal's filter compares with numbers. */
extern void SignalFindFilterNumbers(Signal *signal);

/* True if the event passes the signal's filter. */
extern bool SignalPassesFilter(const Signal *signal, const EventRow *row);

/* Why a number that a signal sums cannot be read out of an event; NULL if it can. */
extern char *SignalCheckEvent(const EventRow *row);

/* Arguments of create_signal and alter_signal, in order; src/signals/signal.sql. */
typedef enum SignalArgument
{
	ARGUMENT_NAME,
	ARGUMENT_EVENTS,
	ARGUMENT_KEY_PATH,
	ARGUMENT_WEIGHTS,
	ARGUMENT_VALUE_PATH,
	ARGUMENT_FILTER,
	ARGUMENT_PERIODS,
	ARGUMENT_HALF_LIFE,
	ARGUMENT_PURPOSES,
	ARGUMENT_BASIS,
	ARGUMENT_DESCRIPTION,
	ARGUMENT_AGGREGATES,
	ARGUMENT_SCOPE				/* of create_signal alone */
} SignalArgument;
#define SIGNAL_ARGUMENTS (ARGUMENT_SCOPE + 1)

/* Columns of signal that a definition gives, in order, up to aggregates. */
#define SIGNAL_ROW_COLUMNS 11

/* A set of one signal that is not defined, out of these columns. */
extern SignalSet *SignalSetMake(const Datum *values, const bool *nulls);

/*
 * These columns of what arguments of create_signal say, in their order, checked as
 * there; an event that has never been tracked is an error, for nothing is stored.
 */
extern const char *const SignalArgumentNames[SIGNAL_ARGUMENTS];
extern SignalScope SignalDefineTry(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

/*
 * Look at the newest raw events, so many, in a context that is reset after each; and the
 * argument that says how many.
 */
typedef void (*SignalSee) (void *arg, const EventRow *row, ItemReader *items);
extern void SignalSampleVisit(const EventScanOptions *options, int64 sample, SignalSee see, void *arg);
extern int64 SignalSampleArgument(FunctionCallInfo fcinfo, int argument);

/* Complain unless a part of a definition is sensible and harmless. */
extern void SignalCheckFilter(Datum filter);
extern void SignalCheckSpan(const char *what, Datum span);
extern void SignalCheckPeriods(Datum periods);
extern void SignalCheckBasis(const char *basis);
extern void SignalCheckAggregates(Datum aggregates);

/*
 * Of other scopes than a person (signal_scope.c): complain unless what is given of a
 * definition, by SignalArgument, can be read from counters, and of a name that is taken.
 */
extern void SignalScopeCheck(SignalScope scope, const Datum *values, const char *nulls);
extern void SignalScopeCheckName(SignalScope scope, const char *name);
extern void SignalRefuseScoped(const SignalSet *set, const char *name);
extern int32 SignalScopePurposes(void);
extern const char *SignalScopeKeyPath(SignalScope scope);

/* Put those of a set together: add, switch off, and at last have them be found by name. */
extern void SignalScopeAdd(SignalSet *set, const Signal *signal, SignalScope scope, Datum periods);
extern void SignalScopeDisable(SignalSet *set, int id);
extern void SignalScopeSort(SignalSet *set);

/* The basis of signals that only cohorts are counted of. */
#define SIGNAL_BASIS_INFERRED "inferred"

#endif
