/*
 * scratch.h
 *		Memory for one call that is kept for the next one.
 */
#ifndef PERSONALIZE_SCRATCH_H
#define PERSONALIZE_SCRATCH_H

#include "postgres.h"

#include "utils/palloc.h"

/*
 * Take an empty context, and give it back.  An error does that too: it is a child of
 * the current context until then.
 */
extern MemoryContext ScratchTake(void);
extern void ScratchGiveBack(MemoryContext scratch);

#endif
