/*
 * text_index.c
 *		Reading entries of an index whose first column is a text, without the table.
 *
 * What an index-only scan of the executor does, for many short scans in one call: the
 * table is looked at only where its visibility map does not say that all see all.
 */
#include "postgres.h"

#include "search/text_index.h"

#include "access/itup.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/tupmacs.h"
#include "access/visibilitymap.h"
#include "base/relation.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Open an index. */
void
TextIndexOpen(TextIndex *reader, const char *table, const char *index, Snapshot snapshot)
{
	memset(reader, 0, sizeof(TextIndex));
	reader->table = RelationOpenTable(table, AccessShareLock);
	reader->index = RelationOpenIndex(reader->table, index, AccessShareLock);
	reader->snapshot = snapshot;
	reader->slot = table_slot_create(reader->table, NULL);
	reader->visibility = InvalidBuffer;
	reader->context = CurrentMemoryContext;
}

/* Close it. */
void
TextIndexClose(TextIndex *reader)
{
	if (reader->scan != NULL)
		index_endscan(reader->scan);
	if (BufferIsValid(reader->visibility))
		ReleaseBuffer(reader->visibility);
	ExecDropSingleTupleTableSlot(reader->slot);
	index_close(reader->index, AccessShareLock);
	table_close(reader->table, AccessShareLock);
}

/* A bound of the first column. */
void
TextIndexBound(ScanKey key, StrategyNumber strategy, const text *value)
{
	RegProcedure procedure = strategy == BTEqualStrategyNumber ? F_TEXTEQ :
		strategy == BTGreaterEqualStrategyNumber ? F_TEXT_GE : F_TEXT_LT;

	ScanKeyEntryInitialize(key, 0, 1, strategy, TEXTOID, C_COLLATION_OID, procedure, PointerGetDatum(value));
}

/* Go to the entries between bounds. */
void
TextIndexSeek(TextIndex *reader, ScanKey keys, int count)
{
	/* the scan remembers dead entries in the context that is current */
	MemoryContext caller = MemoryContextSwitchTo(reader->context);

	if (reader->scan == NULL || reader->scan->numberOfKeys != count)
	{
		if (reader->scan != NULL)
			index_endscan(reader->scan);
		reader->scan = index_beginscan(reader->table, reader->index, reader->snapshot, NULL, count, 0);
		reader->scan->xs_want_itup = true;
	}
	index_rescan(reader->scan, keys, count, NULL, 0);
	MemoryContextSwitchTo(caller);
}

/* True if the snapshot sees the entry's row. */
static bool
IsVisible(TextIndex *reader, ItemPointer tid)
{
	BlockNumber block = ItemPointerGetBlockNumber(tid);

	if (VM_ALL_VISIBLE(reader->table, block, &reader->visibility))
	{
		PredicateLockPage(reader->table, block, reader->snapshot);
		return true;
	}
	if (!index_fetch_heap(reader->scan, reader->slot))
		return false;
	ExecClearTuple(reader->slot);
	return true;
}

/* The next entry that the snapshot sees. */
bool
TextIndexNext(TextIndex *reader)
{
	MemoryContext caller = MemoryContextSwitchTo(reader->context);
	ItemPointer tid;

	do
	{
		CHECK_FOR_INTERRUPTS();
		tid = index_getnext_tid(reader->scan, ForwardScanDirection);
	} while (tid != NULL && !IsVisible(reader, tid));
	MemoryContextSwitchTo(caller);
	return tid != NULL;
}

/*
 * The text of the entry.  Entries without nulls are their columns one after the other:
 * taking them apart in general would cost as much as finding them.
 */
const text *
TextIndexText(const TextIndex *reader)
{
	IndexTuple	entry = reader->scan->xs_itup;

	return (const text *) ((const char *) entry + IndexInfoFindDataOffset(entry->t_info));
}

/* What follows the text. */
const char *
TextIndexRest(const TextIndex *reader, int alignment)
{
	const char *value = (const char *) TextIndexText(reader);

	return (const char *) TYPEALIGN(alignment, value + VARSIZE_ANY(value));
}

/* The second text of an entry. */
const text *
TextIndexSecondText(const TextIndex *reader)
{
	const text *first = TextIndexText(reader);
	const char *next = (const char *) first + VARSIZE_ANY(first);

	/* as the server lays it out: one with a short header is not aligned */
	return (const text *) att_align_pointer(next, TYPALIGN_INT, -1, next);
}
