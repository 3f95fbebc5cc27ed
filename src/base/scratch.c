/*
 * scratch.c
 *		Memory for one call that is kept for the next one.
 *
 * A call that reads by a dozen indexes needs half a megabyte for a few microseconds
 * each.  Memory that a context frees goes back to the system, and comes again as
 * pages that must be cleared: that took a fifth of such a call.  So one context
 * keeps its first block.  It is one that has room for large chunks there: an index scan
 * takes 27 kB, for which others ask the system each time.
 */
#include "postgres.h"

#include "base/scratch.h"

#include "utils/memutils.h"

/* What is kept; a call that needs more takes the rest from the system. */
#define SCRATCH_KEPT (512 * 1024)

/* An eighth of it is the largest chunk that shares a block with others. */
#define SCRATCH_LARGEST_BLOCK (2 * 1024 * 1024)

static MemoryContext kept = NULL;	/* empty; NULL: taken, or not made yet */

/* Take an empty context. */
MemoryContext
ScratchTake(void)
{
	MemoryContext scratch = kept;

	if (scratch == NULL)
		return GenerationContextCreate(CurrentMemoryContext, "personalize scratch", SCRATCH_KEPT,
									   ALLOCSET_DEFAULT_INITSIZE, SCRATCH_LARGEST_BLOCK);
	kept = NULL;
	MemoryContextSetParent(scratch, CurrentMemoryContext);
	return scratch;
}

/* Give it back. */
void
ScratchGiveBack(MemoryContext scratch)
{
	if (kept != NULL)
	{
		/* a call within a call has given back one */
		MemoryContextDelete(scratch);
		return;
	}
	MemoryContextReset(scratch);
	MemoryContextSetParent(scratch, TopMemoryContext);
	kept = scratch;
}
