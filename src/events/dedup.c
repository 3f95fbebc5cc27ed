/*
 * dedup.c
 *		Messages count once: the table message_seen.
 *
 * A few messages of a batch, evenly chosen, are looked up.  If none of them is
 * known the batch is taken to be new, and its entries are made right away, which
 * costs half as much as looking everything up first: the index tells, as each
 * entry is made, whether there is an equal one.  If one of the few is known, the
 * batch is likely sent again, and all of it is looked up.
 *
 * Where the index has told of an equal entry our row is deleted again, and the
 * message is left to INSERT ... ON CONFLICT, which waits for whoever else is
 * entering it; so are messages that another transaction is entering, or whose
 * entry has expired.
 *
 * Two sessions that enter several equal messages at the same moment could each
 * be ahead with one of them and wait for the other's.  That happens when an
 * application sends a batch again that is still being stored, so batches whose
 * least message is the same take turns.  Only the first batch of a transaction
 * does, or long transactions would collect locks; others that overlap may still
 * meet in a deadlock, which the server resolves by ending one of them.
 */
#include "postgres.h"

#include "events/dedup.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/bytes.h"
#include "base/keyed.h"
#include "base/lock.h"
#include "base/page_find.h"
#include "base/relation.h"
#include "base/spi_util.h"
#include "base/table_rules.h"
#include "base/table_writer.h"
#include "catalog/catalog.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "compat.h"
#include "events/message_id.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Column of message_seen; src/events/ingest.sql. */
#define SEEN_RECEIVED_AT 2

/* So many messages of a batch are looked up first. */
#define SAMPLE 8

/* So few messages are looked up by the index, which takes each as long as some pages to be read. */
#define FEW_LOOKUPS 64
#define PAGES_A_LOOKUP 4

/* What becomes of a message. */
typedef enum Outcome
{
	OUTCOME_NEW,				/* write it */
	OUTCOME_SEEN,
	OUTCOME_CONTESTED			/* leave it to ON CONFLICT */
} Outcome;

/* A batch of messages. */
typedef struct Messages
{
	const pg_uuid_t *const *ids;
	int			count;
	TimestampTz now;
	TimestampTz since;
	Outcome    *outcomes;
} Messages;

/* What an existing entry means for its message; dirty tells whether it is settled. */
static Outcome
JudgeEntry(const Messages *messages, TupleTableSlot *slot, const SnapshotData *dirty)
{
	bool		isNull;
	TimestampTz receivedAt = DatumGetTimestampTz(slot_getattr(slot, SEEN_RECEIVED_AT, &isNull));

	if (TransactionIdIsValid(dirty->xmin) || TransactionIdIsValid(dirty->xmax) ||
		receivedAt < messages->since)
		return OUTCOME_CONTESTED;
	return OUTCOME_SEEN;
}

/* Look up every step-th message; true if any is known. */
static bool
LookUp(Messages *messages, Relation table, Relation index, int step)
{
	SnapshotData dirty;
	IndexScanDesc scan;
	TupleTableSlot *slot = table_slot_create(table, NULL);
	bool		known = false;

	InitDirtySnapshot(dirty);
	scan = index_beginscan(table, index, &dirty, NULL, 1, 0);
	for (int i = 0; i < messages->count; i += step)
	{
		ScanKeyData key;

		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(messages->ids[i]));
		index_rescan(scan, &key, 1, NULL, 0);
		if (!index_getnext_slot(scan, ForwardScanDirection, slot))
			continue;
		messages->outcomes[i] = JudgeEntry(messages, slot, &dirty);
		known = true;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return known;
}

/* Write the new messages; those entered by others in the meantime become contested. */
static void
WriteNew(Messages *messages, Relation table)
{
	TableWriter *writer = TableWriterBeginUnsure(table);
	int		   *written = palloc(messages->count * sizeof(int));
	int			writtenCount = 0;
	const List *conflicts;
	ListCell   *cell;

	for (int i = 0; i < messages->count; i++)
	{
		Datum		values[] = {
			UUIDPGetDatum(messages->ids[i]), TimestampTzGetDatum(messages->now)
		};
		bool		nulls[lengthof(values)] = {false};

		if (messages->outcomes[i] != OUTCOME_NEW)
			continue;
		TableWriterAdd(writer, values, nulls);
		written[writtenCount++] = i;
	}
	conflicts = TableWriterConflicts(writer);
	if (conflicts)
		CommandCounterIncrement();
	foreach(cell, conflicts)
	{
		WriterConflict *conflict = lfirst(cell);

		simple_heap_delete(table, &conflict->tid);
		messages->outcomes[written[conflict->row]] = OUTCOME_CONTESTED;
	}
	TableWriterEnd(writer);
}

/*
 * The same where logical decoding may be reading: it must not see a row of ours
 * beside an equal one of somebody else's, be it for a moment, or a subscriber
 * that has the key stops there.
 */
static void
WriteEach(Messages *messages)
{
	KeyedTable *table = KeyedOpen("message_seen", "message_seen_pkey", RowExclusiveLock);

	for (int i = 0; i < messages->count; i++)
	{
		Datum		values[] = {
			UUIDPGetDatum(messages->ids[i]), TimestampTzGetDatum(messages->now)
		};
		bool		nulls[lengthof(values)] = {false};

		if (messages->outcomes[i] == OUTCOME_NEW && !KeyedTryInsert(table, values, nulls))
			messages->outcomes[i] = OUTCOME_CONTESTED;
	}
	KeyedClose(table);
}

/* Enter contested messages one by one, waiting for whoever is entering them too. */
static void
EnterContested(Messages *messages)
{
	static SPIPlanPtr plan;
	Oid			types[] = {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	for (int i = 0; i < messages->count; i++)
	{
		Datum		values[] = {
			UUIDPGetDatum(messages->ids[i]),
			TimestampTzGetDatum(messages->now),
			TimestampTzGetDatum(messages->since)
		};

		if (messages->outcomes[i] != OUTCOME_CONTESTED)
			continue;
		if (SpiUtilRun(&plan,
					   "INSERT INTO personalize.message_seen AS m VALUES ($1, $2)"
					   " ON CONFLICT (message) DO UPDATE SET received_at = EXCLUDED.received_at"
					   " WHERE m.received_at < $3",
					   lengthof(types), types, values, NULL, false) == 0)
			messages->outcomes[i] = OUTCOME_SEEN;
		else
			messages->outcomes[i] = OUTCOME_NEW;
	}
	SpiUtilEnd(&scope);
}

/* Take turns with whoever enters the same messages, in a transaction's first batch. */
static void
LockBatch(const pg_uuid_t *least)
{
	static LocalTransactionId locked = InvalidLocalTransactionId;

	if (locked == MyLocalTransactionId())
		return;
	locked = MyLocalTransactionId();
	MessagesLock(hash_bytes(least->data, UUID_LEN));
}

/* Enter messages and tell which were there before. */
void
DedupEnter(const pg_uuid_t *const *ids, int count, TimestampTz now, TimestampTz since, bool *seen)
{
	Messages	messages = {.ids = ids, .count = count, .now = now, .since = since};
	Relation	table = RelationOpenTable("message_seen", RowExclusiveLock);
	Relation	index = RelationOpenIndex(table, "message_seen_pkey", AccessShareLock);
	bool		contested = false;

	if (count > 1)
		LockBatch(ids[0]);
	messages.outcomes = palloc0(count * sizeof(Outcome));
	if (LookUp(&messages, table, index, Max(1, count / SAMPLE)) && count > SAMPLE)
		LookUp(&messages, table, index, 1);
	index_close(index, NoLock);
	if (RelationIsLogicallyLogged(table))
		WriteEach(&messages);
	else
		WriteNew(&messages, table);
	table_close(table, NoLock);
	for (int i = 0; i < count; i++)
		contested = contested || messages.outcomes[i] == OUTCOME_CONTESTED;
	if (contested)
		EnterContested(&messages);
	for (int i = 0; i < count; i++)
		seen[i] = messages.outcomes[i] == OUTCOME_SEEN;
}

/* What is asked of a message; its id is the first column. */
static int64
ProbeOf(const char *id)
{
	pg_uuid_t	message;

	memcpy(&message, id, sizeof(message));
	return MessageIdProbe(&message);
}

/* PageWants: those that are chosen. */
static bool
IsChosen(const void *choice, const char *id)
{
	return KeySetHas(((const DedupChoice *) choice)->probes, ProbeOf(id));
}

/* Erase the messages of a page, or one that was found. */
static void
EraseRows(const DedupChoice *choice, const PageWalk *walk, HeapTupleData *found, int count)
{
	for (int i = 0; i < count; i++)
	{
		TM_FailureData failure;

		/* who is at it already removes it as expired, or it is somebody else's by now */
		if (table_tuple_delete(walk->table, &found[i].t_self, GetCurrentCommandId(true), walk->snapshot,
							   InvalidSnapshot, false, &failure, false) == TM_Ok)
			choice->erased(choice->arg, ProbeOf((char *) found[i].t_data + found[i].t_data->t_hoff));
	}
}

/* Look at all messages. */
static void
EraseByPage(const DedupChoice *choice, const PageWalk *walk)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(walk->table);
	HeapTupleData *found = palloc(sizeof(HeapTupleData) * MaxHeapTuplesPerPage);

	for (BlockNumber block = 0; block < blocks; block++)
	{
		Buffer		buffer = ReadBuffer(walk->table, block);

		EraseRows(choice, walk, found, PageFind(walk, IsChosen, choice, buffer, found));
		ReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
	}
	pfree(found);
}

/* Look up messages by what their ids begin with. */
static void
EraseByIndex(const DedupChoice *choice, const PageWalk *walk)
{
	Relation	index = RelationOpenIndex(walk->table, "message_seen_pkey", AccessShareLock);
	TupleTableSlot *slot = table_slot_create(walk->table, NULL);
	IndexScanDesc scan = index_beginscan(walk->table, index, walk->snapshot, NULL, 2, 0);
	uint64		place = 0;
	int64		key;

	while (KeySetNext(choice->keys, &place, &key))
	{
		int64		beginnings[MESSAGE_ID_BEGINNINGS];
		int			count = MessageIdBeginnings(key, beginnings);

		for (int i = 0; i < count; i++)
		{
			pg_uuid_t	least;
			pg_uuid_t	greatest;
			ScanKeyData keys[2];

			BytesPut(least.data, beginnings[i], 8);
			greatest = least;
			memset(least.data + 8, 0, 8);
			memset(greatest.data + 8, 0xff, 8);
			ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_UUID_GE, UUIDPGetDatum(&least));
			ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_UUID_LE, UUIDPGetDatum(&greatest));
			index_rescan(scan, keys, lengthof(keys), NULL, 0);
			while (index_getnext_slot(scan, ForwardScanDirection, slot))
				EraseRows(choice, walk, ExecFetchSlotHeapTuple(slot, false, NULL), 1);
		}
		CHECK_FOR_INTERRUPTS();
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
}

/* Forget the messages that are chosen. */
void
DedupErase(const DedupChoice *choice)
{
	Relation	table = RelationOpenTable("message_seen", RowExclusiveLock);
	PageWalk	walk = {table, RegisterSnapshot(GetLatestSnapshot())};

	TableRulesCheck(table, CMD_DELETE);
	if (choice->keys->count <= Max(RelationGetNumberOfBlocks(table) / PAGES_A_LOOKUP, FEW_LOOKUPS))
		EraseByIndex(choice, &walk);
	else
		EraseByPage(choice, &walk);
	UnregisterSnapshot(walk.snapshot);
	table_close(table, NoLock);
}
