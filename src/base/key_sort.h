/*
 * key_sort.h
 *		Sorting rows by keys, on disk if they are many.
 */
#ifndef PERSONALIZE_KEY_SORT_H
#define PERSONALIZE_KEY_SORT_H

#include "postgres.h"

#include "executor/tuptable.h"

#define KEY_SORT_MAX_KEYS 8

/* A sort and the slots its rows go through. */
typedef struct KeySort
{
	struct Tuplesortstate *state;
	TupleTableSlot *in;
	TupleTableSlot *out;
} KeySort;

/* Begin to sort rows of these types by the first columns, bigints, in so many kilobytes. */
extern void KeySortBegin(KeySort *sort, const Oid *types, int columns, int keys, int kilobytes);

/* Add a row; nulls NULL: there are none. */
extern void KeySortPut(KeySort *sort, const Datum *values, const bool *nulls);

/* Sort what was added; then the next row in order, in sort->out, or NULL. */
extern void KeySortPerform(KeySort *sort);
extern const Datum *KeySortNext(KeySort *sort);

extern void KeySortEnd(KeySort *sort);

#endif
