/*
 * analyst_purpose.h
 *		Telling readers of profiles which purposes there is something for.
 */
#ifndef PERSONALIZE_ANALYST_PURPOSE_H
#define PERSONALIZE_ANALYST_PURPOSE_H

#include "postgres.h"

#include "signals/signal.h"

/* An error unless the purpose in force is one of those that what is kept for; false if denials are silent. */
extern bool AnalystCheckKept(const char *what, int32 kept, int32 bits);

/* An error unless some signal is counted for it; as above. */
extern bool AnalystCheckAnySignal(int32 bits);

/* An error unless a signal is counted for the purpose in force; false if denials are silent. */
extern bool AnalystCheckSignal(const Signal *signal, int32 bits);

/* The signal that a statement on a view of profiles asks for by name; NULL: none, or several. */
struct PlannerInfo;
extern const Signal *AnalystAskedSignal(struct PlannerInfo *root);

#endif
