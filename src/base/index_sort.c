/*
 * index_sort.c
 *		Entries of an index, made in the order of its keys.
 *
 * Rows that are written in the order of one index are, for another, at random: each
 * looks for a page of its own, which costs more than the rest of writing it, and more
 * the larger the index is.  In the order of the keys one page takes what is next
 * to each other.  Until they are made nobody finds the rows by that index, neither this
 * transaction; others do not see the rows before it ends.
 */
#include "postgres.h"

#include "base/index_sort.h"

#include "access/genam.h"
#include "access/itup.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "compat.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"

struct IndexSort
{
	Relation	table;
	Relation	index;
	IndexInfo  *info;
	Tuplesortstate *entries;	/* NULL: none yet */
};

/* True if an index forbids nothing and is made of columns of all rows. */
bool
IndexSortable(Relation index, const IndexInfo *info)
{
	return index->rd_rel->relam == BTREE_AM_OID && !info->ii_Unique && info->ii_ExclusionOps == NULL &&
		info->ii_Expressions == NIL && info->ii_Predicate == NIL && info->ii_ReadyForInserts;
}

/* Begin gathering. */
IndexSort *
IndexSortBegin(Relation table, Relation index, IndexInfo *info)
{
	IndexSort  *sort = palloc0(sizeof(IndexSort));

	Assert(IndexSortable(index, info));
	sort->table = table;
	sort->index = index;
	sort->info = info;
	return sort;
}

/* Gather the entry of a row. */
void
IndexSortAdd(IndexSort *sort, TupleTableSlot *slot)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	if (sort->entries == NULL)
		sort->entries = tuplesort_begin_index_btree(sort->table, sort->index, false, false,
													maintenance_work_mem, NULL, TUPLESORT_NONE);
	FormIndexDatum(sort->info, slot, NULL, values, nulls);
	tuplesort_putindextuplevalues(sort->entries, sort->index, &slot->tts_tid, values, nulls);
}

/* Make the entries that were gathered. */
static void
MakeEntries(IndexSort *sort)
{
	IndexTuple	entry;

	tuplesort_performsort(sort->entries);
	while ((entry = tuplesort_getindextuple(sort->entries, true)) != NULL)
	{
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		CHECK_FOR_INTERRUPTS();
		index_deform_tuple(entry, RelationGetDescr(sort->index), values, nulls);
		index_insert(sort->index, values, nulls, &entry->t_tid, sort->table, UNIQUE_CHECK_NO, false, sort->info);
	}
	tuplesort_end(sort->entries);
}

/* Make them and close the index; its lock may go, the table's stays. */
void
IndexSortEnd(IndexSort *sort)
{
	if (sort->entries != NULL)
		MakeEntries(sort);
	CompatIndexInsertCleanup(sort->index, sort->info);
	index_close(sort->index, RowExclusiveLock);
	pfree(sort);
}
