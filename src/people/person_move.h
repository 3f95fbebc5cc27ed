/*
 * person_move.h
 *		What is known under one id becomes another's, in every table that has registered.
 */
#ifndef PERSONALIZE_PERSON_MOVE_H
#define PERSONALIZE_PERSON_MOVE_H

#include "people/person_store.h"

/*
 * Have the history of one id change hands: what was made of events is made anew, as if
 * they had been the other's all the time.  The stripes of both are locked exclusively,
 * and neither is restricted.
 */
extern void PersonMoveHistory(PersonMove *move);

/* True if tables hold more of an id whose history has changed hands: what raw events tell of no more. */
extern bool PersonHasRemains(int64 userKey);

/* How many events tables count of an id that cannot be made anew: raw events tell of them no more. */
extern int64 PersonMissingEvents(int64 userKey);

#endif
