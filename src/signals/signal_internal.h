/*
 * signal_internal.h
 *		What the files of the signal part share with each other.
 */
#ifndef PERSONALIZE_SIGNAL_INTERNAL_H
#define PERSONALIZE_SIGNAL_INTERNAL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/numeric.h"

/* factor * value, rounded to a whole number; false if it overflows or is NaN. */
extern bool SignalMicro(int64 factor, Numeric value, int64 *result);

/* Find the properties that a signal's filter compares with numbers. */
extern void SignalFindFilterNumbers(Signal *signal);

/* True if the event passes the signal's filter. */
extern bool SignalPassesFilter(const Signal *signal, const EventRow *row);

/* Why a number that a signal sums cannot be read out of an event; NULL if it can. */
extern char *SignalCheckEvent(const EventRow *row);

/* Complain unless a part of a definition is sensible and harmless. */
extern void SignalCheckFilter(Datum filter);
extern void SignalCheckSpan(const char *what, Datum span);
extern void SignalCheckPeriods(Datum periods);
extern void SignalCheckBasis(const char *basis);

#endif
