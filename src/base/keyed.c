/*
 * keyed.c
 *		Packed rows read and written by key, straight through the table AM.
 *
 * The processors keep one packed row per key.  Going through SPI costs two to
 * three times as much as the work itself, so they look rows up in the primary
 * key and write by TID.  What that leaves out: row policies (the caller applies
 * consent) and triggers, which are refused.  Whatever else somebody has added to
 * the table is obeyed: table_rules.c.
 *
 * Callers exclude each other by locks of their own, so a row that somebody else
 * has changed meanwhile is an error, not something to wait for and re-check.
 */
#include "postgres.h"

#include "base/keyed.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/leaf_find.h"
#include "base/page_place.h"
#include "base/relation.h"
#include "base/table_rules.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Entries of an index that are longer are not compared: of five key columns none is. */
#define KEYED_MAX_ENTRY 64

struct KeyedTable
{
	MemoryContext context;		/* the scan's: it keeps pointers into it */
	Relation	heap;
	const char *indexName;
	Relation	index;			/* NULL: nothing has been searched */
	KnownIndex	known;			/* the same, not locked */
	LOCKMODE	lockMode;
	TableRules *rules;			/* NULL: nothing has been written */
	int			checked;		/* commands TableRulesCheck has allowed, by bit */
	IndexScanDesc scan;
	Snapshot	scanSnapshot;
	int			scanKeyCount;
	bool		passesVersions;
	bool		notesPlaces;	/* of rows that are written: they are found as those of changing pages */
	Size		lastSize;		/* of the entry of the row that the scan found last, 0: none */
	char		lastEntry[KEYED_MAX_ENTRY];
	bool		isFew;			/* rows are taken from these instead of the scan: */
	Snapshot	foundSnapshot;	/* of the row that was looked up last */
	LeafRows	few;
	int			fewTaken;
	Snapshot	fewSnapshot;
	Buffer		fewBuffer;		/* the page that was read last for them */
	TupleTableSlot *readSlot;
	TupleTableSlot *writeSlot;	/* NULL: nothing has been written */
	TupleTableSlot *lockSlot;	/* NULL: no row has been locked */
	TupleTableSlot *oldSlot;	/* of a row that is replaced; NULL: never needed */
};

/* Make an open table searchable. */
static KeyedTable *
MakeKeyed(Relation heap, const char *index, LOCKMODE lockMode)
{
	KeyedTable *keyed = palloc0(sizeof(KeyedTable));

	keyed->context = CurrentMemoryContext;
	keyed->heap = heap;
	keyed->indexName = index;
	keyed->lockMode = lockMode;
	keyed->readSlot = table_slot_create(heap, NULL);
	return keyed;
}

/* Open a table of the extension; its primary key is opened when it is searched. */
KeyedTable *
KeyedOpen(const char *table, const char *index, LOCKMODE lockMode)
{
	return MakeKeyed(RelationOpenTable(table, lockMode), index, lockMode);
}

/* The same, unless there is nothing to be read. */
KeyedTable *
KeyedOpenFilled(const char *table, const char *index)
{
	Relation	heap = RelationOpenTable(table, AccessShareLock);

	if (RelationGetNumberOfBlocks(heap) > 0)
		return MakeKeyed(heap, index, AccessShareLock);
	relation_close(heap, NoLock);
	return NULL;
}

/* End the scan, if there is one. */
static void
EndScan(KeyedTable *table)
{
	ExecClearTuple(table->readSlot);
	if (table->scan != NULL)
		index_endscan(table->scan);
	table->scan = NULL;
	if (BufferIsValid(table->fewBuffer))
		ReleaseBuffer(table->fewBuffer);
	table->fewBuffer = InvalidBuffer;
}

/* Close the table; its locks are kept until the transaction ends. */
void
KeyedClose(KeyedTable *table)
{
	EndScan(table);
	ExecDropSingleTupleTableSlot(table->readSlot);
	if (table->writeSlot != NULL)
		ExecDropSingleTupleTableSlot(table->writeSlot);
	if (table->lockSlot != NULL)
		ExecDropSingleTupleTableSlot(table->lockSlot);
	if (table->oldSlot != NULL)
		ExecDropSingleTupleTableSlot(table->oldSlot);
	if (table->rules != NULL)
		TableRulesClose(table->rules);
	if (table->index != NULL)
		relation_close(table->index, NoLock);
	RelationForgetIndex(&table->known);
	relation_close(table->heap, NoLock);
	pfree(table);
}

/* The table itself. */
Relation
KeyedRelation(KeyedTable *table)
{
	return table->heap;
}

/* Older versions of rows are passed. */
void
KeyedPassVersions(KeyedTable *table)
{
	Assert(table->scan == NULL);
	table->passesVersions = true;
}

/* The function that compares a key column of this type in this way. */
static RegProcedure
ComparisonFunction(Oid type, StrategyNumber strategy)
{
	static const RegProcedure int8Functions[] = {F_INT8LT, F_INT8LE, F_INT8EQ, F_INT8GE, F_INT8GT};
	static const RegProcedure int4Functions[] = {F_INT4LT, F_INT4LE, F_INT4EQ, F_INT4GE, F_INT4GT};
	static const RegProcedure int2Functions[] = {F_INT2LT, F_INT2LE, F_INT2EQ, F_INT2GE, F_INT2GT};
	static const RegProcedure boolFunctions[] = {F_BOOLLT, F_BOOLLE, F_BOOLEQ, F_BOOLGE, F_BOOLGT};

	switch (type)
	{
		case INT8OID:
		case TIMESTAMPTZOID:	/* the same number */
			return int8Functions[strategy - 1];
		case INT4OID:
		case DATEOID:			/* the same number */
			return int4Functions[strategy - 1];
		case INT2OID:
			return int2Functions[strategy - 1];
		case BOOLOID:
			return boolFunctions[strategy - 1];
	}
	elog(ERROR, "key columns of type %u are not supported", type);
}

/* Open the index, unless it is open. */
static void
OpenIndex(KeyedTable *table)
{
	if (table->index == NULL)
		table->index = RelationOpenIndex(table->heap, table->indexName, table->lockMode);
}

/* Start looking for rows by the first columns of the key. */
void
KeyedSeek(KeyedTable *table, Snapshot snapshot, int keyCount,
		  const Datum *keys, StrategyNumber strategy)
{
	ScanKeyData scanKeys[KEYED_MAX_KEYS];
	TupleDesc	indexDescriptor;
	MemoryContext caller = MemoryContextSwitchTo(table->context);

	OpenIndex(table);
	indexDescriptor = RelationGetDescr(table->index);
	Assert(keyCount >= 0 && keyCount <= KEYED_MAX_KEYS);
	for (int i = 0; i < keyCount; i++)
	{
		StrategyNumber columnStrategy = (i == keyCount - 1) ? strategy : BTEqualStrategyNumber;
		Oid			type = TupleDescAttr(indexDescriptor, i)->atttypid;

		ScanKeyInit(&scanKeys[i], i + 1, columnStrategy,
					ComparisonFunction(type, columnStrategy), keys[i]);
	}

	ExecClearTuple(table->readSlot);
	table->foundSnapshot = snapshot;
	table->isFew = false;
	if (table->scan == NULL || table->scanSnapshot != snapshot ||
		table->scanKeyCount != keyCount)
	{
		EndScan(table);
		table->scan = index_beginscan(table->heap, table->index, snapshot, NULL, keyCount, 0);
		table->scanSnapshot = snapshot;
		table->scanKeyCount = keyCount;
		table->scan->xs_want_itup = table->passesVersions;
	}
	table->lastSize = 0;
	index_rescan(table->scan, scanKeys, keyCount, NULL, 0);
	MemoryContextSwitchTo(caller);
}

/* The index as it is now, if that can be known without a lock, which costs as much as a few look-ups. */
static inline Relation
KnowIndex(KeyedTable *table)
{
	return RelationKnowIndex(&table->known, table->heap, table->indexName);
}

/* The few rows of each of these keys are about to be looked for. */
void
KeyedExpectFew(KeyedTable *table, const int64 *keys, int count)
{
	Relation	index = table->index ? table->index : KnowIndex(table);

	if (index != NULL)
		LeafExpect(index, table->heap, keys, count);
}

/* Find the few rows of a key; false: search the index. */
static bool
FindFew(KeyedTable *table, int64 key)
{
	Relation	known = table->index ? NULL : KnowIndex(table);

	if (known != NULL && LeafKnown(known, key, &table->few))
		return table->few.count >= 0;
	OpenIndex(table);
	return LeafFind(table->index, key, &table->few);
}

/* Bring few rows into the processor's caches: they lie apart, and are waited for together. */
static void
FetchAhead(Relation heap, const LeafRows *rows)
{
	for (int i = 0; i < rows->count; i++)
		PagePlaceFetchPointer(heap, &rows->tids[i]);
	for (int i = 0; i < rows->count; i++)
		PagePlaceFetchRow(heap, &rows->tids[i]);
}

/* The same, of a key that has few. */
void
KeyedSeekFew(KeyedTable *table, Snapshot snapshot, int64 key)
{
	Datum		datum = Int64GetDatum(key);
	MemoryContext caller = MemoryContextSwitchTo(table->context);

	table->isFew = RowMarkable(table->heap, snapshot) && FindFew(table, key);
	MemoryContextSwitchTo(caller);
	if (!table->isFew)
	{
		KeyedSeek(table, snapshot, 1, &datum, BTEqualStrategyNumber);
		return;
	}
	if (table->few.count > 1)
		FetchAhead(table->heap, &table->few);
	ExecClearTuple(table->readSlot);
	table->fewTaken = 0;
	table->fewSnapshot = snapshot;
}

/* Put the version of a row that the snapshot sees into the slot; false: there is none. */
static bool
FetchOfFew(KeyedTable *table, ItemPointerData tid)
{
	HeapTuple	tuple = &((BufferHeapTupleTableSlot *) table->readSlot)->base.tupdata;
	bool		found;

	ExecClearTuple(table->readSlot);
	table->fewBuffer = PagePlaceRead(table->heap, ItemPointerGetBlockNumber(&tid), table->fewBuffer);
	LockBuffer(table->fewBuffer, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(&tid, table->heap, table->fewBuffer, table->fewSnapshot, tuple, NULL, true);
	LockBuffer(table->fewBuffer, BUFFER_LOCK_UNLOCK);
	if (found)
		ExecStoreBufferHeapTuple(tuple, table->readSlot, table->fewBuffer);
	return found;
}

/* The next of few rows that the snapshot sees. */
static bool
NextOfFew(KeyedTable *table, ScanDirection direction)
{
	while (table->fewTaken < table->few.count)
	{
		int			place = table->fewTaken++;

		if (FetchOfFew(table, table->few.tids[ScanDirectionIsForward(direction) ? place : table->few.count - 1 - place]))
			return true;
	}
	ExecClearTuple(table->readSlot);
	return false;
}

/* What an entry of an index has after its head: the columns of the key, without gaps that differ. */
static inline const char *
EntryKey(IndexTuple entry, Size *size)
{
	*size = IndexTupleSize(entry) - sizeof(IndexTupleData);
	return (const char *) entry + sizeof(IndexTupleData);
}

/* The next row of a scan of a key: entries equal to that of the last one point to other versions of it. */
static bool
NextPassingVersions(KeyedTable *table, ScanDirection direction)
{
	while (index_getnext_tid(table->scan, direction) != NULL)
	{
		Size		size;
		const char *key = EntryKey(table->scan->xs_itup, &size);

		if (size == table->lastSize && memcmp(key, table->lastEntry, size) == 0)
			continue;
		if (!index_fetch_heap(table->scan, table->readSlot))
			continue;
		table->lastSize = size <= KEYED_MAX_ENTRY ? size : 0;
		memcpy(table->lastEntry, key, table->lastSize);
		return true;
	}
	return false;
}

/* The next row of the scan. */
static bool
NextOfScan(KeyedTable *table, ScanDirection direction)
{
	return table->passesVersions ? NextPassingVersions(table, direction) :
		index_getnext_slot(table->scan, direction, table->readSlot);
}

/* The next row of the search. */
TupleTableSlot *
KeyedNext(KeyedTable *table, ScanDirection direction)
{
	MemoryContext caller = MemoryContextSwitchTo(table->context);
	bool		found = table->isFew ? NextOfFew(table, direction) : NextOfScan(table, direction);

	MemoryContextSwitchTo(caller);
	return found ? table->readSlot : NULL;
}

/*
 * The row of a whole key.  Where an old snapshot keeps many versions of it, the newest
 * mostly lies furthest behind in the table, where an index has it last.
 */
TupleTableSlot *
KeyedSeekOne(KeyedTable *table, Snapshot snapshot, int keyCount, const Datum *keys)
{
	KeyedSeek(table, snapshot, keyCount, keys, BTEqualStrategyNumber);
	return KeyedNext(table, BackwardScanDirection);
}

/* The row of a key. */
TupleTableSlot *
KeyedFind(KeyedTable *table, Snapshot snapshot, int64 key)
{
	Datum		datum = Int64GetDatum(key);
	TupleTableSlot *row;

	if (RowPlaceFetch(table->heap, snapshot, key, table->readSlot))
		return table->readSlot;
	row = KeyedSeekOne(table, snapshot, 1, &datum);
	if (row != NULL)
		RowPlaceKeep(table->heap, snapshot, key, row);
	return row;
}

/* The row of a key, found though its page has changed. */
TupleTableSlot *
KeyedFindChanging(KeyedTable *table, Snapshot snapshot, int64 key)
{
	Datum		datum = Int64GetDatum(key);
	TupleTableSlot *row;

	table->foundSnapshot = snapshot;
	table->notesPlaces = true;
	if (RowPlaceTry(table->heap, snapshot, key, table->readSlot))
		return table->readSlot;
	row = KeyedSeekOne(table, snapshot, 1, &datum);
	if (row != NULL)
		RowPlaceNote(table->heap, snapshot, key, row);
	return row;
}

/* What is to be known of a row. */
bool
KeyedDigest(KeyedTable *table, Snapshot snapshot, int64 key, RowDigest *digest)
{
	return RowPlaceDigest(table->heap, snapshot, key, digest);
}

/* Remember it. */
void
KeyedKeepDigest(KeyedTable *table, Snapshot snapshot, int64 key, const RowDigest *digest)
{
	RowPlaceKeepDigest(table->heap, snapshot, key, table->readSlot, digest);
}

/* Rows of these keys are about to be found. */
void
KeyedExpect(KeyedTable *table, const int64 *keys, int count)
{
	RowPlacePrefetch(table->heap, keys, count);
}

/* See what holds for the table's rows before the first is written. */
static void
OpenRules(KeyedTable *table)
{
	MemoryContext caller = MemoryContextSwitchTo(table->context);

	table->rules = TableRulesOpen(table->heap);
	table->writeSlot = MakeSingleTupleTableSlot(RelationGetDescr(table->heap), TableRulesNeedCompletion(table->rules) ?
												&TTSOpsVirtual : &TTSOpsHeapTuple);
	MemoryContextSwitchTo(caller);
}

/* Raise unless rows can be written by this command. */
static void
CheckCommand(KeyedTable *table, CmdType command)
{
	if ((table->checked & (1 << command)) != 0)
		return;
	TableRulesCheck(table->heap, command);
	table->checked |= 1 << command;
}

/* The row that is replaced, if there is anything to be kept of it. */
static TupleTableSlot *
FetchReplaced(KeyedTable *table, ItemPointer tid)
{
	if (tid == NULL || !TableRulesNeedCompletion(table->rules))
		return NULL;
	if (table->oldSlot == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(table->context);

		table->oldSlot = table_slot_create(table->heap, NULL);
		MemoryContextSwitchTo(caller);
	}
	if (!table_tuple_fetch_row_version(table->heap, tid, SnapshotAny, table->oldSlot))
		elog(ERROR, "row of \"%s\" is gone", RelationGetRelationName(table->heap));
	return table->oldSlot;
}

/* Form the row of all columns there are in the slot for writing. */
static void
FormWhole(KeyedTable *table, const Datum *values, const bool *nulls)
{
	MemoryContext caller = MemoryContextSwitchTo(table->context);

	ExecStoreHeapTuple(RowFormTuple(TableRulesForm(table->rules), values, nulls), table->writeSlot, true);
	MemoryContextSwitchTo(caller);
}

/* Put a row into the slot for writing, in place of another or (NULL) of none. */
static void
FillWriteSlot(KeyedTable *table, ItemPointer replaced, const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot;
	int			columns;

	if (table->rules == NULL)
		OpenRules(table);
	columns = TableRulesColumns(table->rules);
	slot = ExecClearTuple(table->writeSlot);
	if (nulls != NULL)
		memcpy(slot->tts_isnull, nulls, columns * sizeof(bool));
	else
		memset(slot->tts_isnull, false, columns * sizeof(bool));
	if (!TableRulesNeedCompletion(table->rules))
	{
		FormWhole(table, values, slot->tts_isnull);
		return;
	}
	memcpy(slot->tts_values, values, columns * sizeof(Datum));
	ExecStoreVirtualTuple(slot);
	TableRulesComplete(table->rules, slot, FetchReplaced(table, replaced));
	if (table->oldSlot != NULL)
		ExecClearTuple(table->oldSlot);
}

/* Remember where the row that was written lies, if its key is looked for there. */
static void
NoteWritten(KeyedTable *table, const Datum *values)
{
	if (table->notesPlaces)
		RowPlaceNoteWritten(table->heap, DatumGetInt64(values[0]), &table->writeSlot->tts_tid);
}

/* Insert a row; a duplicate key is an error. */
void
KeyedInsert(KeyedTable *table, const Datum *values, const bool *nulls)
{
	CheckCommand(table, CMD_INSERT);
	FillWriteSlot(table, NULL, values, nulls);
	table_tuple_insert(table->heap, table->writeSlot, GetCurrentCommandId(true), 0, NULL);
	NoteWritten(table, values);
	TableRulesEnter(table->rules, table->writeSlot, false, NULL);
}

/*
 * Insert a row unless there is one of the key, or may be.  It is inserted
 * speculatively, as by ON CONFLICT: logical decoding never sees one that is not kept.
 */
bool
KeyedTryInsert(KeyedTable *table, const Datum *values, const bool *nulls)
{
	TransactionId xid = GetCurrentTransactionId();
	uint32		token = SpeculativeInsertionLockAcquire(xid);
	bool		fits;

	CheckCommand(table, CMD_INSERT);
	FillWriteSlot(table, NULL, values, nulls);
	table_tuple_insert_speculative(table->heap, table->writeSlot, GetCurrentCommandId(true), 0,
								   NULL, token);
	fits = TableRulesEnter(table->rules, table->writeSlot, true, NULL);
	table_tuple_complete_speculative(table->heap, table->writeSlot, token, fits);
	SpeculativeInsertionLockRelease(xid);
	return fits;
}

/* Complain unless the row could be changed. */
static void
CheckChanged(KeyedTable *table, TM_Result result)
{
	if (result != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("row of \"%s\" was changed by another transaction",
						RelationGetRelationName(table->heap))));
}

/* Replace a row. */
void
KeyedUpdate(KeyedTable *table, ItemPointer tid, const Datum *values, const bool *nulls)
{
	ItemPointerData oldTid = *tid;
	TM_FailureData failure;
	LockTupleMode lockMode;
	CompatUpdateIndexes updateIndexes;

	CheckCommand(table, CMD_UPDATE);
	FillWriteSlot(table, &oldTid, values, nulls);
	CheckChanged(table,
				 table_tuple_update(table->heap, &oldTid, table->writeSlot,
									GetCurrentCommandId(true), GetActiveSnapshot(),
									InvalidSnapshot, true, &failure, &lockMode,
									&updateIndexes));
	NoteWritten(table, values);
	if (!CompatUpdatesIndexes(updateIndexes))
		return;
	/* a weaker lock is taken where no key has changed */
	if (lockMode == LockTupleNoKeyExclusive)
		TableRulesEnterVersion(table->rules, table->writeSlot, &updateIndexes);
	else
		TableRulesEnter(table->rules, table->writeSlot, false, &updateIndexes);
}

/* Delete a row. */
void
KeyedDelete(KeyedTable *table, ItemPointer tid)
{
	ItemPointerData oldTid = *tid;
	TM_FailureData failure;

	CheckCommand(table, CMD_DELETE);
	CheckChanged(table,
				 table_tuple_delete(table->heap, &oldTid, GetCurrentCommandId(true),
									GetActiveSnapshot(), InvalidSnapshot, true,
									&failure, false));
}

/* Lock a row against changes and give its latest version. */
TupleTableSlot *
KeyedLockRow(KeyedTable *table, TupleTableSlot *row)
{
	ItemPointerData tid = row->tts_tid;
	TM_FailureData failure;
	TM_Result	result;

	if (table->lockSlot == NULL)
		table->lockSlot = table_slot_create(table->heap, NULL);
	result = table_tuple_lock(table->heap, &tid, table->foundSnapshot, table->lockSlot,
							  GetCurrentCommandId(true), LockTupleNoKeyExclusive, LockWaitBlock,
							  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	if (result == TM_Deleted)
		return NULL;
	CheckChanged(table, result);
	if (failure.traversed && IsolationUsesXactSnapshot())
		CheckChanged(table, TM_Updated);
	return table->lockSlot;
}
