/*
 * signal_store.h
 *		What must be done for the definitions of signals and for the dictionary.
 */
#ifndef PERSONALIZE_SIGNAL_STORE_H
#define PERSONALIZE_SIGNAL_STORE_H

#include "people/person_store.h"
#include "signals/signal.h"

/* Tell of a feature that somebody has. */
extern void SignalNameFeature(const SignalSet *signals, uint64 featureKey, const PersonNames *names);

/* Called once when the library is loaded. */
extern void SignalStoreInit(void);

#endif
