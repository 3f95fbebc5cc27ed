/*
 * pass.h
 *		The pass with which our own code goes through the row policies.
 */
#ifndef PERSONALIZE_PASS_H
#define PERSONALIZE_PASS_H

#include "postgres.h"

/*
 * Between these two the row policies let pass whatever this backend does.
 * SpiUtilBegin and SpiUtilEnd call them; the end of the (sub)transaction in
 * which PassEnter was called undoes it.  No code of a user's may run between.
 */
extern void PassEnter(void);
extern void PassLeave(void);

/* True between the two, but not in a trigger that a statement of ours has fired. */
extern bool PassIsUp(void);

extern void PassInit(void);

#endif
