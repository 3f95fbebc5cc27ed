/*
 * alone.h
 *		People whose events nobody else writes while something is done with them.
 */
#ifndef PERSONALIZE_ALONE_H
#define PERSONALIZE_ALONE_H

#include "postgres.h"

/*
 * From Begin to End the caller holds the stripes of two people, or twice the same one, exclusively,
 * so that where their events lie may be remembered.  End is called after an error, too.  False: some
 * are already, and their End is another caller's.
 */
extern bool AloneBegin(int64 userKey, int64 otherKey);
extern void AloneEnd(void);

/* We have written events ourselves: what is remembered of where they lie holds no longer. */
extern void AloneNoteWrites(void);

/*
 * A number that what is remembered of a person goes by, another one after each change; 0:
 * nothing may be remembered.  keys are both people's, or twice the same.
 */
extern uint64 AloneWith(int64 userKey, const int64 **keys);

#endif
