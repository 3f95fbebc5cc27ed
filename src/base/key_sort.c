/*
 * key_sort.c
 *		Sorting rows by keys, on disk if they are many.
 */
#include "postgres.h"

#include "base/key_sort.h"

#include "catalog/pg_operator_d.h"
#include "utils/tuplesort.h"

/* Begin to sort. */
void
KeySortBegin(KeySort *sort, const Oid *types, int columns, int keys, int kilobytes)
{
	TupleDesc	descriptor = CreateTemplateTupleDesc(columns);
	AttrNumber	numbers[KEY_SORT_MAX_KEYS];
	Oid			operators[KEY_SORT_MAX_KEYS];
	Oid			collations[KEY_SORT_MAX_KEYS] = {0};
	bool		nullsFirst[KEY_SORT_MAX_KEYS] = {0};

	for (int i = 0; i < columns; i++)
		TupleDescInitEntry(descriptor, i + 1, NULL, types[i], -1, 0);
	for (int i = 0; i < keys; i++)
	{
		numbers[i] = i + 1;
		operators[i] = Int8LessOperator;
	}
	sort->state = tuplesort_begin_heap(descriptor, keys, numbers, operators, collations,
									   nullsFirst, kilobytes, NULL, TUPLESORT_NONE);
	sort->in = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
	sort->out = MakeSingleTupleTableSlot(descriptor, &TTSOpsMinimalTuple);
}

/* Add a row. */
void
KeySortPut(KeySort *sort, const Datum *values, const bool *nulls)
{
	int			columns = sort->in->tts_tupleDescriptor->natts;

	ExecClearTuple(sort->in);
	memcpy(sort->in->tts_values, values, columns * sizeof(Datum));
	if (nulls != NULL)
		memcpy(sort->in->tts_isnull, nulls, columns * sizeof(bool));
	else
		memset(sort->in->tts_isnull, false, columns * sizeof(bool));
	ExecStoreVirtualTuple(sort->in);
	tuplesort_puttupleslot(sort->state, sort->in);
}

/* Sort what was added. */
void
KeySortPerform(KeySort *sort)
{
	tuplesort_performsort(sort->state);
}

/* The next row in order. */
const Datum *
KeySortNext(KeySort *sort)
{
	if (!tuplesort_gettupleslot(sort->state, true, false, sort->out, NULL))
		return NULL;
	slot_getallattrs(sort->out);
	return sort->out->tts_values;
}

/* End it. */
void
KeySortEnd(KeySort *sort)
{
	tuplesort_end(sort->state);
}
