/*
 * ingest_write.c
 *		Writing a batch whose messages have been judged.
 *
 * Everything is appended, nothing updated.  Rows go below SQL into the partition
 * of the day they arrive; those of history into that of their own time, day by
 * day.
 */
#include "postgres.h"

#include "access/table.h"
#include "base/alone.h"
#include "base/dictionary.h"
#include "base/key.h"
#include "base/relation.h"
#include "base/table_writer.h"
#include "base/txid_snapshot.h"
#include "compat.h"
#include "events/ingest_private.h"
#include "events/partition.h"
#include "events/tail_note.h"
#include "people/consent_cache.h"
#include "people/ledger.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* The most days one statement may add to history. */
#define MAX_NEW_DAYS 400

/* What earlier flushes of a transaction wrote: the newest time, and the sequence above all. */
static struct
{
	int64		txid;
	TimestampTz newest;
	int			nextSequence;
}			written;

/*
 * Tell a message from those of the person that may have been brought for the same time
 * before, so that ts, txid, sequence and ordinal say in which order they came, wherever
 * rows lie later on.  Beyond PG_INT16_MAX of them the order is lost.
 */
static void
PutInSequence(const Flush *flush, PendingUser *user, const PendingMessage *message)
{
	PendingRow *rows = &flush->batch->rows[message->firstRow];
	TimestampTz ts = rows[0].event.ts;
	int			sequence = 0;

	if (written.nextSequence > 0 && ts <= written.newest)
		sequence = written.nextSequence;
	if (user->nextSequence > 0 && ts <= user->newest)
		sequence = Max(sequence, user->nextSequence);
	if (user->nextSequence == 0 || ts > user->newest)
		user->newest = ts;
	user->nextSequence = Max(user->nextSequence, sequence + 1);
	for (int i = 0; i < message->rowCount; i++)
		rows[i].event.sequence = Min(sequence, PG_INT16_MAX);
}

/* Put what is written in sequence. */
static void
PutAllInSequence(const Flush *flush)
{
	const IngestBatch *batch = flush->batch;
	TimestampTz newest = DT_NOBEGIN;
	int			next = 0;

	if (written.txid != flush->txid)
		written.nextSequence = 0;
	for (int i = 0; i < batch->messageCount; i++)
	{
		const PendingMessage *message = &batch->messages[i];
		PendingUser *user;

		if (message->status != INGEST_ACCEPTED || message->rowCount == 0)
			continue;
		user = &flush->users[flush->userOf[i]];
		PutInSequence(flush, user, message);
		next = Max(next, user->nextSequence);
		newest = Max(newest, user->newest);
	}
	if (next == 0)
		return;
	written.newest = written.nextSequence > 0 ? Max(written.newest, newest) : newest;
	written.nextSequence = Max(written.nextSequence, next);
	written.txid = flush->txid;
}

/* Form the columns of an event. */
static void
FormEvent(const EventRow *row, const PendingMessage *message, int64 txid, Datum *values, bool *nulls)
{
	memset(nulls, false, EVENT_COLUMN_COUNT * sizeof(bool));
	values[EVENT_RECEIVED_AT - 1] = TimestampTzGetDatum(row->receivedAt);
	values[EVENT_TS - 1] = TimestampTzGetDatum(row->ts);
	values[EVENT_TXID - 1] = Int64GetDatum(txid);
	values[EVENT_USER_KEY - 1] = Int64GetDatum(message->userKey);
	values[EVENT_CONSENT - 1] = Int32GetDatum(message->mask);
	values[EVENT_EVENT - 1] = Int16GetDatum(row->event);
	values[EVENT_ORDINAL - 1] = Int16GetDatum(row->ordinal);
	values[EVENT_SEQUENCE - 1] = Int16GetDatum(row->sequence);
	nulls[EVENT_SEQUENCE - 1] = row->sequence == 0;
	values[EVENT_ITEM_KEY - 1] = Int64GetDatum(row->itemKey);
	nulls[EVENT_ITEM_KEY - 1] = !row->hasItem;
	values[EVENT_SESSION_KEY - 1] = Int64GetDatum(row->sessionKey);
	nulls[EVENT_SESSION_KEY - 1] = !row->hasSession;
	values[EVENT_REQUEST_KEY - 1] = Int64GetDatum(row->requestKey);
	nulls[EVENT_REQUEST_KEY - 1] = !row->hasRequest;
	values[EVENT_MESSAGE_KEY - 1] = Int64GetDatum(row->messageKey);
	nulls[EVENT_MESSAGE_KEY - 1] = !row->hasMessage;
	values[EVENT_REQUEST_ORIGIN - 1] = Int64GetDatum(row->requestOrigin);
	nulls[EVENT_REQUEST_ORIGIN - 1] = row->requestOrigin == 0;
	values[EVENT_SLOT - 1] = Int16GetDatum(row->slot);
	nulls[EVENT_SLOT - 1] = !row->hasSlot;
	values[EVENT_VALUE - 1] = NumericGetDatum(row->value);
	nulls[EVENT_VALUE - 1] = row->value == NULL;
	values[EVENT_PROPERTIES - 1] = JsonbPGetDatum(row->properties);
	nulls[EVENT_PROPERTIES - 1] = row->properties == NULL;
	values[EVENT_ALIAS_KEY - 1] = Int64GetDatum(message->aliasKey);
	nulls[EVENT_ALIAS_KEY - 1] = !message->hasAlias;
}

/* Order rows by arrival. */
static int
CompareByArrival(const void *left, const void *right, void *argument)
{
	PendingRow *rows = argument;
	int			a = *(const int *) left;
	int			b = *(const int *) right;

	if (rows[a].event.receivedAt != rows[b].event.receivedAt)
		return rows[a].event.receivedAt < rows[b].event.receivedAt ? -1 : 1;
	return a < b ? -1 : 1;
}

/* Make the partitions of the days that history reaches; rows are sorted by arrival. */
static void
MakeHistoryDays(const IngestBatch *batch, const int *order, int count)
{
	int32	   *days = palloc(count * sizeof(int32));
	int			missing = 0;

	for (int i = 0; i < count; i++)
	{
		int32		day = PartitionDay(batch->rows[order[i]].event.receivedAt);
		char		name[PARTITION_NAME_LENGTH];

		if (i > 0 && day == PartitionDay(batch->rows[order[i - 1]].event.receivedAt))
			continue;
		PartitionName(day, name);
		if (!OidIsValid(RelationFind(name, true)))
			days[missing++] = day;
	}
	if (missing > MAX_NEW_DAYS)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("one statement may add %d days of history, not %d", MAX_NEW_DAYS, missing),
				 errhint("Import the events in the order of their time, in several statements.")));
	if (missing > 0)
		PartitionMakeDays(days, missing);
}

/* Rows of a day that are being written. */
typedef struct DayRows
{
	const Flush *flush;
	Relation	partition;
	const int  *order;
} DayRows;

/* WriterTell: note where events lie, for those who read the newest ones. */
static void
NoteWritten(void *arg, int64 first, TupleTableSlot *const *slots, int count)
{
	const DayRows *day = arg;
	const IngestBatch *batch = day->flush->batch;
	TailEvent  *events = palloc(sizeof(TailEvent) * count);

	for (int i = 0; i < count; i++)
	{
		const PendingRow *row = &batch->rows[day->order[first + i]];

		events[i].userKey = batch->messages[row->message].userKey;
		events[i].transaction = (uint64) day->flush->txid & TXID_MASK;
		events[i].block = ItemPointerGetBlockNumber(&slots[i]->tts_tid);
		events[i].offset = ItemPointerGetOffsetNumber(&slots[i]->tts_tid);
	}
	TailNoteAdd(day->partition, events, count);
	pfree(events);
}

/* Write rows that all belong to one partition. */
static void
WriteDay(const Flush *flush, const int *order, int count)
{
	const IngestBatch *batch = flush->batch;
	Relation	partition = PartitionOpenForInsert(batch->rows[order[0]].event.receivedAt);
	TableWriter *writer = TableWriterBeginConstant(partition, EVENT_TXID);
	Datum		values[EVENT_COLUMN_COUNT];
	bool		nulls[EVENT_COLUMN_COUNT];
	DayRows		day = {flush, partition, order};

	if (TailNoteWants())
		TableWriterTell(writer, NoteWritten, &day);
	for (int i = 0; i < count; i++)
	{
		const PendingRow *row = &batch->rows[order[i]];

		FormEvent(&row->event, &batch->messages[row->message], flush->txid, values, nulls);
		TableWriterAdd(writer, values, nulls);
	}
	TableWriterEnd(writer);
	table_close(partition, NoLock);
}

/* Write the rows of accepted messages, day by day. */
static void
WriteEvents(const Flush *flush)
{
	const IngestBatch *batch = flush->batch;
	int		   *order = palloc_extended(batch->rowCount * sizeof(int), MCXT_ALLOC_HUGE);
	int			count = 0;
	int			start = 0;

	for (int i = 0; i < batch->rowCount; i++)
		if (batch->messages[batch->rows[i].message].status == INGEST_ACCEPTED)
			order[count++] = i;
	if (count == 0)
		return;
	if (!batch->history)
	{
		WriteDay(flush, order, count);
		return;
	}
	qsort_arg(order, count, sizeof(int), CompareByArrival, batch->rows);
	MakeHistoryDays(batch, order, count);
	for (int i = 1; i <= count; i++)
	{
		if (i < count && PartitionDay(batch->rows[order[i]].event.receivedAt) ==
			PartitionDay(batch->rows[order[start]].event.receivedAt))
			continue;
		WriteDay(flush, order + start, i - start);
		start = i;
	}
}

/* Order rows by item. */
static int
CompareByItem(const void *left, const void *right)
{
	const PendingRow *a = *(const PendingRow *const *) left;
	const PendingRow *b = *(const PendingRow *const *) right;

	return (a->event.itemKey > b->event.itemKey) - (a->event.itemKey < b->event.itemKey);
}

/* Append users and items that may be new to the dictionary log. */
static void
LogIds(const Flush *flush)
{
	const IngestBatch *batch = flush->batch;
	LazyWriter	log = DICTIONARY_LOG;
	const PendingRow **hashed = palloc_extended(batch->rowCount * sizeof(PendingRow *), MCXT_ALLOC_HUGE);
	int			count = 0;

	for (int i = 0; i < flush->userCount; i++)
	{
		const PendingUser *user = &flush->users[i];

		if (user->accepted && (user->grant != 0 ||
							   (!user->state.hasSubject && !user->state.hasLedger)))
			DictionaryLogId(&log, DICTIONARY_USER, user->state.userKey, user->id.data, user->id.length,
							flush->txid);
	}
	for (int i = 0; i < batch->rowCount; i++)
	{
		const PendingRow *row = &batch->rows[i];

		if (row->event.hasItem && !KeyIsNumber(row->event.itemKey) &&
			batch->messages[row->message].status == INGEST_ACCEPTED)
			hashed[count++] = row;
	}
	qsort(hashed, count, sizeof(PendingRow *), CompareByItem);
	for (int i = 0; i < count; i++)
		if (i == 0 || hashed[i]->event.itemKey != hashed[i - 1]->event.itemKey)
			DictionaryLogId(&log, DICTIONARY_ITEM, hashed[i]->event.itemKey, hashed[i]->itemId.data,
							hashed[i]->itemId.length, flush->txid);
	LazyWriterEnd(&log);
}

/*
 * Append what events brought to the consent ledger.  Of what other transactions
 * are writing about these people nothing is known here: the chain forks.
 */
static void
WriteGrants(const Flush *flush)
{
	KeyedTable *ledger = NULL;
	LedgerEntry entry = {
		.effectiveAt = flush->batch->now,
		.recordedAt = flush->batch->now,
		.granted = true
	};

	for (int i = 0; i < flush->userCount; i++)
	{
		const PendingUser *user = &flush->users[i];
		LedgerPerson person = {.userKey = user->state.userKey};

		if (user->grant == 0)
			continue;
		ConsentCacheNoteChange(user->state.userKey);
		if (ledger == NULL)
		{
			ledger = LedgerOpen(RowExclusiveLock);
			entry.source = cstring_to_text("event");
		}
		LedgerReadPerson(ledger, &person, flush->snapshot);
		entry.purposes = user->grant;
		LedgerAppend(ledger, &person, &entry);
	}
	if (ledger != NULL)
		KeyedClose(ledger);
}

/* Keep a rejected message. */
static void
KeepRejected(LazyWriter *writer, const Flush *flush, const PendingMessage *message)
{
	const IngestBatch *batch = flush->batch;
	bool		keep = !message->hasUser || message->mask != 0;
	Datum		values[8] = {
		TimestampTzGetDatum(batch->now), Int64GetDatum(flush->txid),
		Int64GetDatum(message->userKey), Int32GetDatum(message->mask),
		Int64GetDatum(message->rowNumber), CStringGetTextDatum(batch->source),
		CStringGetTextDatum(message->reason), JsonbPGetDatum(message->payload)
	};
	bool		nulls[8] = {
		false, false, !message->hasUser, false, false, false, false,
		!keep || message->payload == NULL
	};

	LazyWriterAdd(writer, values, nulls);
}

/* Keep the rejected messages. */
static void
WriteRejected(const Flush *flush)
{
	const IngestBatch *batch = flush->batch;
	LazyWriter	writer = {.table = "rejected_event"};

	for (int i = 0; i < batch->messageCount; i++)
		if (batch->messages[i].status == INGEST_REJECTED)
			KeepRejected(&writer, flush, &batch->messages[i]);
	LazyWriterEnd(&writer);
}

/* Write rows, ids, consent and rejections of a batch. */
void
IngestWrite(const Flush *flush)
{
	PutAllInSequence(flush);
	WriteEvents(flush);
	LogIds(flush);
	WriteGrants(flush);
	WriteRejected(flush);
	AloneNoteWrites();
}
