/*
 * neighbour.c
 *		The processor that keeps sessions and their postings.
 *
 * Events that say somebody was interested in an item (event types of positive
 * weight) and that may be used for recommendations are put together into
 * sessions: those of one session_id of one user, or else those of a user
 * without a pause of 30 minutes.  A stored session that new events reach is
 * read, merged with them and replaced, whether they continue it, fall into it,
 * come before it or join it to another one; see session.c for why the order in
 * which they arrive makes no difference.
 */
#include "postgres.h"

#include "neighbours/neighbour.h"

#include "access/stratnum.h"
#include "base/grow.h"
#include "base/spi_util.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "neighbours/neighbour_rebuild.h"
#include "neighbours/pair_list.h"
#include "neighbours/posting.h"
#include "neighbours/posting_search.h"
#include "people/restriction.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "workers/processor.h"

PG_FUNCTION_INFO_V1(personalize_posting_entries);
PG_FUNCTION_INFO_V1(personalize_session_items);
PG_FUNCTION_INFO_V1(personalize_session_number);
PG_FUNCTION_INFO_V1(personalize_pair_list_entries);

/*
 * People's sessions and items' lists are rows of their own kinds: no shards of the one
 * gather what changes of the other.  So more events are taken at once, and a list that
 * many of them touch is made once.
 */
#define BATCHES_AT_ONCE 4

/* A batch. */
typedef struct NeighbourBatch
{
	bool	   *counts;			/* per event type, 0..PG_INT16_MAX */
	SessionEvent *events;
	int64		count;
	int64		capacity;
} NeighbourBatch;

/* A session while its events are put together, and what it replaces. */
typedef struct NeighbourGather
{
	SessionIndex *index;
	Session    *session;
	Session    *old;
	int			oldCount;
	int			oldCapacity;
	TimestampTz nextStart;		/* of the user's stored sessions after those that were looked at, when the first began */
	bool		nextStartKnown;
} NeighbourGather;

/* Which event types express interest, by their number. */
bool *
NeighbourEventTypes(void)
{
	static SPIPlanPtr plan = NULL;
	bool	   *counts = palloc0(PG_INT16_MAX + 1);
	SpiUtilScope scope;

	SpiUtilBegin(&scope);
	SpiUtilRun(&plan, "SELECT event FROM personalize.event_type WHERE weight > 0 AND event >= 0",
			   0, NULL, NULL, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isNull;

		counts[DatumGetInt16(SpiUtilValue(row, 1, &isNull))] = true;
	}
	SpiUtilEnd(&scope);
	return counts;
}

/* The shard of the person's key; -1: the event cannot count. */
int
NeighbourShard(const EventRow *row)
{
	return row->hasItem && (row->consent & PURPOSE_RECOMMENDATIONS) &&
		!(RestrictionOf(row->userKey) & PURPOSE_RECOMMENDATIONS) ? ShardOfKey(row->userKey) : -1;
}

/* Begin a batch. */
static void *
BeginBatch(void)
{
	NeighbourBatch *batch = palloc0(sizeof(NeighbourBatch));

	batch->counts = NeighbourEventTypes();
	batch->capacity = 1024;
	batch->events = palloc(sizeof(SessionEvent) * batch->capacity);
	return batch;
}

/* Add one event to the batch. */
static void
AddEvent(void *state, const EventRow *row)
{
	NeighbourBatch *batch = state;

	if (row->event < 0 || !batch->counts[row->event])
		return;
	GrowArray(batch->events, batch->count + 1, batch->capacity, 1024);
	SessionEventFill(&batch->events[batch->count++], row);
}

/* Merge a stored session into the one that is gathered. */
static void
TakeStored(NeighbourGather *gather, TupleTableSlot *slot)
{
	Session    *old;

	GrowArray(gather->old, gather->oldCount + 1, gather->oldCapacity, 4);
	old = &gather->old[gather->oldCount++];
	SessionReadRow(slot, old);
	SessionMerge(gather->session, old);
}

/* Look sessions without an id up: those of the user that started up to, or after, a time. */
static void
SeekGapSessions(SessionIndex *index, int64 userKey, TimestampTz started, StrategyNumber strategy)
{
	Datum		keys[3] = {Int64GetDatum(userKey), BoolGetDatum(false), Int64GetDatum(started)};

	KeyedSeek(index->sessions, index->snapshot, 3, keys, strategy);
}

/* So many sessions that are later than an event are passed before those that it reaches are searched for. */
#define LATER_PASSED 3

/*
 * Merge the stored sessions that an event at this time reaches; at most two do.  Most
 * events are later than all that is stored: so the search begins at the user's newest,
 * and what it says of later ones spares those for the user's next events.
 */
static void
TakeReached(NeighbourGather *gather, int64 userKey, TimestampTz ts)
{
	TupleTableSlot *slot;
	int			passed = 0;

	gather->nextStartKnown = true;
	gather->nextStart = DT_NOEND;
	SeekGapSessions(gather->index, userKey, DT_NOEND, BTLessEqualStrategyNumber);
	while ((slot = KeyedNext(gather->index->sessions, BackwardScanDirection)) != NULL)
	{
		int64		started;
		TimestampTz ended;

		SessionReadTimes(slot, &started, &ended);
		if (started > ts + NEIGHBOUR_SESSION_GAP && passed++ < LATER_PASSED)
			gather->nextStart = started;
		else if (started > ts + NEIGHBOUR_SESSION_GAP)
		{
			gather->nextStartKnown = false;
			SeekGapSessions(gather->index, userKey, ts + NEIGHBOUR_SESSION_GAP, BTLessEqualStrategyNumber);
		}
		else if (ended < ts - NEIGHBOUR_SESSION_GAP)
			return;
		else
			TakeStored(gather, slot);
	}
}

/* After an event later than the first: merge the stored sessions it newly reaches. */
static void
TakeFollowing(NeighbourGather *gather, int64 userKey, TimestampTz reachedBefore, TimestampTz ts)
{
	TimestampTz behind = reachedBefore + NEIGHBOUR_SESSION_GAP;

	while (!gather->nextStartKnown || gather->nextStart <= ts + NEIGHBOUR_SESSION_GAP)
	{
		TupleTableSlot *slot;
		TimestampTz ended;

		if (gather->nextStartKnown)
			behind = gather->nextStart;
		SeekGapSessions(gather->index, userKey, behind,
						gather->nextStartKnown ? BTGreaterEqualStrategyNumber : BTGreaterStrategyNumber);
		slot = KeyedNext(gather->index->sessions, ForwardScanDirection);
		if (gather->nextStartKnown)
		{
			TakeStored(gather, slot);
			slot = KeyedNext(gather->index->sessions, ForwardScanDirection);
		}
		gather->nextStartKnown = true;
		gather->nextStart = DT_NOEND;
		if (slot)
			SessionReadTimes(slot, &gather->nextStart, &ended);
	}
}

/* Write the gathered session. */
static void
FlushSession(NeighbourGather *gather)
{
	SessionIndexReplace(gather->index, gather->old, gather->oldCount, gather->session);
	gather->oldCount = 0;
}

/* Put one user's events without a session id, in order, into sessions. */
static void
ProcessGapEvents(NeighbourGather *gather, const SessionEvent *events, int64 count)
{
	int64		userKey = events[0].userKey;

	gather->nextStartKnown = false;
	for (int64 i = 0; i < count; i++)
	{
		TimestampTz ts = events[i].item.ts;

		if (i == 0 || ts > gather->session->ended + NEIGHBOUR_SESSION_GAP)
		{
			if (i > 0)
				FlushSession(gather);
			SessionInit(gather->session, userKey, false, 0);
			if (!gather->nextStartKnown || gather->nextStart <= ts + NEIGHBOUR_SESSION_GAP)
				TakeReached(gather, userKey, ts);
		}
		else if (ts > events[i - 1].item.ts)
			TakeFollowing(gather, userKey, events[i - 1].item.ts, ts);
		SessionAdd(gather->session, &events[i].item, events[i].consent);
	}
	FlushSession(gather);
}

/* Put the events of one session id into their session. */
static void
ProcessGivenEvents(NeighbourGather *gather, const SessionEvent *events, int64 count)
{
	Datum		keys[3] = {Int64GetDatum(events[0].userKey), BoolGetDatum(true),
	Int64GetDatum(events[0].sessionKey)};
	TupleTableSlot *slot;

	SessionInit(gather->session, events[0].userKey, true, events[0].sessionKey);
	slot = KeyedSeekOne(gather->index->sessions, gather->index->snapshot, 3, keys);
	if (slot)
		TakeStored(gather, slot);
	for (int64 i = 0; i < count; i++)
		SessionAdd(gather->session, &events[i].item, events[i].consent);
	FlushSession(gather);
}

/* Write the batch. */
static void
FinishBatch(void *state)
{
	NeighbourBatch *batch = state;
	NeighbourGather gather = {0};
	int64		from = 0;

	if (batch->count == 0)
		return;
	SessionEventSort(batch->events, batch->count);
	gather.index = SessionIndexBegin();
	gather.session = palloc(sizeof(Session));
	gather.oldCapacity = 4;
	gather.old = palloc_array(Session, gather.oldCapacity);
	while (from < batch->count)
	{
		const SessionEvent *first = &batch->events[from];
		int64		until = from;

		while (until < batch->count && batch->events[until].userKey == first->userKey &&
			   batch->events[until].given == first->given &&
			   batch->events[until].sessionKey == first->sessionKey)
			until++;
		if (first->given)
			ProcessGivenEvents(&gather, first, until - from);
		else
			ProcessGapEvents(&gather, first, until - from);
		from = until;
		CHECK_FOR_INTERRUPTS();
	}
	(void) SessionIndexEnd(gather.index);
}

/* Remove all sessions of some people. */
SessionIndexLosses
NeighbourErase(const KeySet *people, NeighbourErased erased, void *arg)
{
	SessionIndex *index = SessionIndexBegin();
	Session    *session = palloc(sizeof(Session));
	uint64		place = 0;
	int64		userKey;

	while (KeySetNext(people, &place, &userKey))
	{
		Datum		key = Int64GetDatum(userKey);
		TupleTableSlot *slot;

		KeyedSeek(index->sessions, index->snapshot, 1, &key, BTEqualStrategyNumber);
		while ((slot = KeyedNext(index->sessions, ForwardScanDirection)) != NULL)
		{
			if (!SessionTryReadRow(slot, session, "it is looked for in the lists of all items, and removed"))
				PostingFindSession(index->snapshot, session);
			if (erased)
				erased(arg, session);
			SessionIndexReplace(index, session, 1, NULL);
		}
		CHECK_FOR_INTERRUPTS();
	}
	pfree(session);
	return SessionIndexEnd(index);
}

/* Add purposes to a person's sessions, or take some away: with recommendations go the postings. */
static void
MarkSessions(int64 userKey, int32 added, int32 removed)
{
	SessionIndex *index = SessionIndexBegin();
	Session    *session = palloc(sizeof(Session));
	Session    *marked = palloc(sizeof(Session));
	Datum		key = Int64GetDatum(userKey);
	TupleTableSlot *slot;

	KeyedSeek(index->sessions, index->snapshot, 1, &key, BTEqualStrategyNumber);
	while ((slot = KeyedNext(index->sessions, ForwardScanDirection)) != NULL)
	{
		SessionReadRow(slot, session);
		*marked = *session;
		marked->consent = (session->consent | added) & ~removed;
		if (marked->consent != session->consent)
			SessionIndexReplace(index, session, 1, marked);
	}
	SessionIndexEnd(index);
	pfree(session);
	pfree(marked);
}

/* Remove all of a person's sessions, if one of the purposes withdrawn is theirs; else they lose the others. */
void
NeighbourPurge(int64 userKey, int32 bits)
{
	KeySet		people;

	if ((bits & PURPOSE_RECOMMENDATIONS) == 0)
	{
		MarkSessions(userKey, 0, bits);
		return;
	}
	KeySetInit(&people, 1);
	KeySetAdd(&people, userKey);
	(void) NeighbourErase(&people, NULL, NULL);
}

/* Take a person's sessions out of use for the time being. */
void
NeighbourPark(int64 userKey)
{
	MarkSessions(userKey, 0, PURPOSE_RECOMMENDATIONS);
}

/* The time of the oldest raw event of a person. */
static TimestampTz
OldestEvent(int64 userKey)
{
	EventScanOptions options = {.ofUser = true,.userKey = userKey,.allDays = true,.keysOnly = true};
	TimestampTz oldest = DT_NOEND;
	EventScan  *scan;
	EventRow	row;

	options.snapshot = GetActiveSnapshot();
	scan = EventScanBegin(&options);
	while (EventScanNext(scan, &row))
		if (NeighbourShard(&row) >= 0)
			oldest = Min(oldest, row.ts);
	EventScanEnd(scan);
	return oldest;
}

/* Remove a person's sessions, as far as their raw events exist. */
void
NeighbourRemove(int64 userKey)
{
	SessionIndex *index = SessionIndexBegin();
	TimestampTz oldest = OldestEvent(userKey);
	Session    *session = palloc(sizeof(Session));
	Datum		key = Int64GetDatum(userKey);
	TupleTableSlot *slot;

	KeyedSeek(index->sessions, index->snapshot, 1, &key, BTEqualStrategyNumber);
	while ((slot = KeyedNext(index->sessions, ForwardScanDirection)) != NULL)
	{
		SessionReadRow(slot, session);
		if (session->ended >= oldest)
			SessionIndexReplace(index, session, 1, NULL);
	}
	SessionIndexEnd(index);
	pfree(session);
}

/* Put a person's sessions back into use. */
void
NeighbourUnpark(int64 userKey)
{
	MarkSessions(userKey, PURPOSE_RECOMMENDATIONS, 0);
	NeighbourRemove(userKey);
	ProcessorRecount(PROCESSOR_NEIGHBOUR, userKey);
}

/* The number under which postings know a session that has an id. */
int64
NeighbourSession(int64 userKey, bool given, int64 sessionKey)
{
	Session		session;

	SessionInit(&session, userKey, given, given ? sessionKey : 0);
	session.sessionKey = sessionKey;
	return SessionNumber(&session);
}

/* The number of the session without an id that a user is in at that time. */
bool
NeighbourGapSession(KeyedTable *sessions, int64 userKey, TimestampTz now, Snapshot snapshot, int64 *number)
{
	Datum		keys[3] = {Int64GetDatum(userKey), BoolGetDatum(false), Int64GetDatum(now)};
	TupleTableSlot *slot;
	int64		started;
	TimestampTz ended;

	KeyedSeek(sessions, snapshot, lengthof(keys), keys, BTLessEqualStrategyNumber);
	slot = KeyedNext(sessions, BackwardScanDirection);
	if (slot == NULL)
		return false;
	SessionReadTimes(slot, &started, &ended);
	*number = NeighbourSession(userKey, false, started);
	return ended >= now - NEIGHBOUR_SESSION_GAP;
}

/* An array of the keys from..until-1 of an entry's window. */
static Datum
WindowArray(const PostingEntry *entry, int from, int until)
{
	Datum		keys[2 * POSTING_WINDOW];

	for (int i = from; i < until; i++)
		keys[i - from] = Int64GetDatum(PostingWindowItem(entry, i));
	return PointerGetDatum(construct_array(keys, until - from, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* _posting_entries(data, item_key, chunk): unpack a chunk. */
Datum
personalize_posting_entries(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	bytea	   *data;
	PostingReader reader;
	PostingEntry entry;
	StoredRow	row;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		StoredRowBegin(&row, STORED_POSTING, (int64[]) {PG_GETARG_INT64(1), PG_GETARG_INT32(2)});
	data = PG_GETARG_BYTEA_PP(0);
	PostingReaderBegin(&reader, (const uint8 *) VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data));
	while (PostingReaderNext(&reader, &entry))
	{
		Datum		values[5];
		bool		nulls[5] = {false};

		values[0] = Int64GetDatum(entry.session);
		values[1] = TimestampTzGetDatum(entry.ts);
		values[2] = Int32GetDatum(entry.place);
		values[3] = WindowArray(&entry, 0, entry.before);
		values[4] = WindowArray(&entry, entry.before, entry.before + entry.after);
		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	StoredRowEnd(&row);
	return (Datum) 0;
}

/* _session_items(items, user_key, given, session_key, ended): unpack a session. */
Datum
personalize_session_items(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	Session    *session = palloc(sizeof(Session));
	StoredRow	row;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		return (Datum) 0;
	session->given = PG_GETARG_BOOL(2);
	session->sessionKey = PG_GETARG_INT64(3);
	session->ended = PG_ARGISNULL(4) ? session->sessionKey : PG_GETARG_TIMESTAMPTZ(4);
	StoredRowBegin(&row, STORED_SESSION, (int64[]) {PG_GETARG_INT64(1), session->given, session->sessionKey});
	SessionUnpackItems(PG_GETARG_BYTEA_PP(0), session);
	StoredRowEnd(&row);
	for (int i = 0, r = 0; i < session->itemCount || r < session->repeatCount;)
	{
		bool		again = i == session->itemCount ||
			(r < session->repeatCount && SessionIsEarlier(&session->repeats[r], &session->items[i]));
		const SessionItem *item = again ? &session->repeats[r++] : &session->items[i++];
		Datum		values[5] = {
			Int64GetDatum(item->itemKey),
			TimestampTzGetDatum(item->ts),
			Int64GetDatum(item->txid),
			Int64GetDatum(item->place),
			BoolGetDatum(again)
		};
		bool		nulls[5] = {false};

		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* _pair_list_entries(data, item_key): unpack a list. */
Datum
personalize_pair_list_entries(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *output = (ReturnSetInfo *) fcinfo->resultinfo;
	bytea	   *data;
	PairList	list;
	StoredRow	row;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	if (!PG_ARGISNULL(1))
		StoredRowBegin(&row, STORED_PAIR_LIST, (int64[]) {PG_GETARG_INT64(1)});
	data = PG_GETARG_BYTEA_PP(0);
	PairListRead((const uint8 *) VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), &list);
	if (!PG_ARGISNULL(1))
		StoredRowEnd(&row);
	for (int i = 0; i < list.count; i++)
	{
		Pair		pair = PairListGet(&list, i);
		Datum		values[3] = {Int64GetDatum(pair.itemKey), Int32GetDatum(pair.weight), Int32GetDatum(pair.next)};
		bool		nulls[3] = {false};

		tuplestore_putvalues(output->setResult, output->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* _session_number(user_key, given, session_key): what postings call a session. */
Datum
personalize_session_number(PG_FUNCTION_ARGS)
{
	Session		session;

	SessionInit(&session, PG_GETARG_INT64(0), PG_GETARG_BOOL(1), PG_GETARG_INT64(2));
	session.sessionKey = PG_GETARG_INT64(2);
	PG_RETURN_INT64(SessionNumber(&session));
}

/* Register the processor. */
void
NeighbourInit(void)
{
	static const ProcessorMethods methods = {
		.id = PROCESSOR_NEIGHBOUR,
		.name = "neighbour",
		.shardedByUser = true,
		.oneWriter = true,
		.batches = BATCHES_AT_ONCE,
		.keysOnly = true,
		.shardOf = NeighbourShard,
		.begin = BeginBatch,
		.add = AddEvent,
		.finish = FinishBatch,
		.clear = NeighbourClear,
		.held = NeighbourHeld
	};

	ProcessorRegister(&methods);
}
