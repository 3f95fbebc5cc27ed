/*
 * analyst_purpose.h
 *		Telling analysts which purposes there is something for.
 */
#ifndef PERSONALIZE_ANALYST_PURPOSE_H
#define PERSONALIZE_ANALYST_PURPOSE_H

#include "postgres.h"

#include "signals/signal.h"

/* An error unless a signal is counted for the purpose in force; false if denials are silent. */
extern bool AnalystCheckSignal(const Signal *signal, int32 bits);

#endif
