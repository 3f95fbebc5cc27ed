/*
 * grow.c
 *		Arrays that grow.
 */
#include "postgres.h"

#include "base/grow.h"

#include "storage/shmem.h"
#include "utils/memutils.h"

/* The array with room for so many elements. */
void *
GrowTo(MemoryContext context, void *array, int64 capacity, Size elementSize, Size counterSize)
{
	Size		size = mul_size(elementSize, capacity);

	if (counterSize == sizeof(int32) && capacity > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many elements for an array: " INT64_FORMAT, capacity)));
	return array == NULL ? MemoryContextAllocHuge(context, size) : repalloc_huge(array, size);
}
