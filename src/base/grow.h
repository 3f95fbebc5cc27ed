/*
 * grow.h
 *		Arrays that grow.
 */
#ifndef PERSONALIZE_GROW_H
#define PERSONALIZE_GROW_H

#include "postgres.h"

#include "utils/palloc.h"

/*
 * Make room for so many elements.  An array that has less doubles, at least; one that is NULL,
 * with a capacity of 0, begins with room for first.
 */
#define GrowArray(array, needed, capacity, first) \
	GrowArrayIn(CurrentMemoryContext, array, needed, capacity, first)

/* The same, beginning in a memory context. */
#define GrowArrayIn(context, array, needed, capacity, first) \
	do { \
		if ((needed) > (capacity)) \
		{ \
			int64		grown_ = Max(Max((needed), (first)), 2 * (int64) (capacity)); \
			(array) = GrowTo(context, array, grown_, sizeof(*(array)), sizeof(capacity)); \
			(capacity) = grown_; \
		} \
	} while (0)

/* The array with room for so many elements, which are counted in as many bytes as counterSize. */
extern void *GrowTo(MemoryContext context, void *array, int64 capacity, Size elementSize, Size counterSize);

#endif
