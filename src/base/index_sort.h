/*
 * index_sort.h
 *		Entries of an index, made in the order of its keys.
 */
#ifndef PERSONALIZE_INDEX_SORT_H
#define PERSONALIZE_INDEX_SORT_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/relcache.h"

/* Gather entries of an index that is open for writing; it must be one of those IndexSortable. */
typedef struct IndexSort IndexSort;
extern bool IndexSortable(Relation index, const IndexInfo *info);
extern IndexSort *IndexSortBegin(Relation table, Relation index, IndexInfo *info);

/* Gather that of the row in the slot, which has been written. */
extern void IndexSortAdd(IndexSort *sort, TupleTableSlot *slot);

/* Make them; the index is closed. */
extern void IndexSortEnd(IndexSort *sort);

#endif
