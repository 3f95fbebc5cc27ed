/*
 * posting.c
 *		An item's newest sessions, packed into chunks.
 *
 * An item's list holds its newest sessions, newest first, cut into chunks of 32
 * whose numbers grow with time: a new session touches the newest chunk only, and
 * the oldest chunk is dropped whole once the others still hold POSTING_KEPT
 * entries and POSTING_SURPLUS more.  So the newest POSTING_KEPT are exact, and what
 * lies behind them is a surplus that absorbs removals and that new sessions fill
 * up again; PostingApply says so when it is used up.
 *
 * An entry carries the items next to it, because the score needs them at once:
 * one index scan per query item is all a recommendation reads.
 */
#include "postgres.h"

#include "neighbours/posting.h"

#include "access/stratnum.h"
#include "base/grow.h"
#include "fmgr.h"

/* A chunk in memory. */
typedef struct Chunk
{
	int32		number;
	bool		exists;			/* has a row, at tid */
	ItemPointerData tid;
	PostingEntry *entries;		/* newest first */
	int			entryCount;
	PostingEntry *stored;		/* as the row has them */
	int			storedCount;
} Chunk;

/* One item's list while it is changed. */
typedef struct PostingList
{
	KeyedTable *posting;
	int64		itemKey;
	Chunk	   *chunks;			/* newest first */
	int			chunkCount;
	int			chunkCapacity;
	bool		allLoaded;		/* no older chunk is left in the table */
	bool		damaged;		/* some chunk is, and taken as empty */
	bool		complete;		/* holds all sessions of the item */
	int			stored;
	int64		sessions;
} PostingList;

/* Read the header of a chunk and go to its first entry. */
void
PostingReaderBegin(PostingReader *reader, const uint8 *data, int length)
{
	PostingHeader *header = &reader->header;

	if (length < POSTING_CHUNK_HEADER)
		StoredRowReportDamage(STORED_POSTING, "The header ends beyond the bytes.");
	if (data[0] != POSTING_VERSION)
		StoredRowReportVersion(STORED_POSTING, data[0], POSTING_VERSION);
	header->entries = data[1];
	header->stored = (int) BytesGet(data + 2, 2);
	header->sessions = (int64) BytesGet(data + 4, 8);
	if (header->entries < 1 || header->entries > POSTING_CHUNK_LIMIT ||
		header->stored < header->entries || header->sessions < header->stored)
		StoredRowReportDamage(STORED_POSTING, "The counts of the header cannot be.");
	reader->next = data + POSTING_CHUNK_HEADER;
	reader->end = data + length;
	reader->left = header->entries;
}

/* Pack the entry of the item at a place of a session. */
int
PostingPackEntry(const int64 *items, int itemCount, int place,
				 TimestampTz ts, int64 session, uint8 *out)
{
	int			first = Max(place - POSTING_WINDOW, 0);
	int			last = Min(place + POSTING_WINDOW, itemCount - 1);
	int			width = 1;
	uint8	   *next = out + POSTING_ENTRY_HEADER;

	for (int i = first; i <= last; i++)
		if (i != place)
			width = Max(width, BytesWidth((uint64) items[i]));

	BytesPut(out, (uint64) ts, 8);
	BytesPut(out + 8, (uint64) session, 8);
	BytesPut(out + 16, place, 2);
	out[18] = (place - first) | ((last - place) << 4);
	out[19] = width;
	for (int i = first; i <= last; i++)
	{
		if (i == place)
			continue;
		BytesPut(next, (uint64) items[i], width);
		next += width;
	}
	return next - out;
}

/* Add an empty chunk as the oldest of the list. */
static Chunk *
AddChunk(PostingList *list)
{
	Chunk	   *chunk;

	GrowArray(list->chunks, list->chunkCount + 1, list->chunkCapacity, 12);
	chunk = &list->chunks[list->chunkCount++];
	memset(chunk, 0, sizeof(Chunk));
	return chunk;
}

/* The bytes of a chunk, and what is in them. */
typedef struct ChunkBytes
{
	const uint8 *data;
	int			length;
	PostingHeader header;
	PostingEntry *entries;
} ChunkBytes;

/* Read all entries of a chunk. */
static void
ReadEntries(void *arg)
{
	ChunkBytes *bytes = arg;
	PostingReader reader;
	int			count = 0;

	PostingReaderBegin(&reader, bytes->data, bytes->length);
	bytes->entries = palloc_array(PostingEntry, reader.header.entries);
	while (PostingReaderNext(&reader, &bytes->entries[count]))
		count++;
	bytes->header = reader.header;
}

/*
 * Take a row of the table in as the list's oldest chunk.  One that is damaged is
 * taken as empty, which the list knows.
 */
static Chunk *
LoadChunk(PostingList *list, TupleTableSlot *slot, const char *remedy)
{
	Chunk	   *chunk = AddChunk(list);
	ChunkBytes	bytes;
	bytea	   *data;
	bool		isNull;
	StoredRow	row;

	chunk->exists = true;
	chunk->tid = slot->tts_tid;
	chunk->number = DatumGetInt32(slot_getattr(slot, POSTING_CHUNK, &isNull));
	StoredRowBegin(&row, STORED_POSTING, (int64[]) {list->itemKey, chunk->number});
	data = DatumGetByteaPCopy(PointerGetDatum(StoredRowBytes(STORED_POSTING, slot, POSTING_DATA)));
	bytes.data = (const uint8 *) VARDATA(data);
	bytes.length = VARSIZE(data) - VARHDRSZ;
	if (!StoredRowTry(&row, ReadEntries, &bytes, remedy))
		list->damaged = true;
	else
	{
		chunk->storedCount = chunk->entryCount = bytes.header.entries;
		chunk->stored = chunk->entries = bytes.entries;
		if (list->chunkCount == 1)
		{
			list->stored = bytes.header.stored;
			list->sessions = bytes.header.sessions;
			list->complete = bytes.header.stored == bytes.header.sessions;
		}
	}
	StoredRowEnd(&row);
	return chunk;
}

/* Begin an empty list. */
static PostingList *
ListCreate(KeyedTable *posting, int64 itemKey)
{
	PostingList *list = palloc0(sizeof(PostingList));

	list->posting = posting;
	list->itemKey = itemKey;
	list->chunkCapacity = 12;
	list->chunks = palloc_array(Chunk, list->chunkCapacity);
	list->complete = true;
	return list;
}

/* True if the entry comes after (is older than) all of the chunk. */
static bool
IsBehind(const Chunk *chunk, TimestampTz ts, int64 session)
{
	const PostingEntry *oldest;

	if (chunk->storedCount == 0)
		return true;
	oldest = &chunk->stored[chunk->storedCount - 1];
	return PostingCompare(ts, session, oldest->ts, oldest->session) > 0;
}

/*
 * Load an item's chunks from the newest to the one (ts, session) falls into; all
 * if the list may grow so long that the oldest have to go.  However many are
 * removed, those are loaded that hold the newest POSTING_KEPT then.  remedy
 * is what becomes of damaged ones, if anybody is to be told.
 */
static PostingList *
ListLoad(KeyedTable *posting, Snapshot snapshot, int64 itemKey, TimestampTz ts, int64 session,
		 int growth, int removeCount, const char *remedy)
{
	PostingList *list = ListCreate(posting, itemKey);
	Datum		key = Int64GetDatum(itemKey);
	int			loaded = 0;
	TupleTableSlot *slot;

	KeyedSeek(posting, snapshot, 1, &key, BTEqualStrategyNumber);
	while ((slot = KeyedNext(posting, BackwardScanDirection)) != NULL)
	{
		Chunk	   *chunk = LoadChunk(list, slot, remedy);

		loaded += chunk->entryCount;
		if (list->stored + growth < POSTING_KEPT + POSTING_SURPLUS + POSTING_CHUNK_FULL &&
			loaded >= removeCount + POSTING_KEPT && !IsBehind(chunk, ts, session))
			return list;
	}
	list->allLoaded = true;
	return list;
}

/*
 * Take an entry out.  False if it is missing although it should be there; one
 * behind the end of a truncated list is not expected.
 */
static bool
ListRemove(PostingList *list, TimestampTz ts, int64 session)
{
	for (int c = 0; c < list->chunkCount; c++)
	{
		Chunk	   *chunk = &list->chunks[c];

		if (IsBehind(chunk, ts, session))
			continue;
		for (int i = 0; i < chunk->entryCount; i++)
		{
			PostingEntry *entries;

			if (PostingCompare(ts, session, chunk->entries[i].ts,
							   chunk->entries[i].session) != 0)
				continue;
			entries = palloc_array(PostingEntry, Max(chunk->entryCount - 1, 1));
			memcpy(entries, chunk->entries, i * sizeof(PostingEntry));
			memcpy(entries + i, chunk->entries + i + 1,
				   (chunk->entryCount - i - 1) * sizeof(PostingEntry));
			chunk->entries = entries;
			chunk->entryCount--;
			list->stored--;
			return true;
		}
		return false;
	}
	return !list->complete;
}

/* Merge new entries, newest first, into a chunk. */
static void
ChunkMerge(PostingList *list, Chunk *chunk, const PostingEntry *news, int newCount)
{
	int			total = chunk->entryCount + newCount;
	PostingEntry *merged = palloc_array(PostingEntry, total);
	int			a = 0;
	int			b = 0;

	for (int i = 0; i < total; i++)
	{
		if (b >= newCount ||
			(a < chunk->entryCount &&
			 PostingCompare(chunk->entries[a].ts, chunk->entries[a].session,
							news[b].ts, news[b].session) < 0))
			merged[i] = chunk->entries[a++];
		else
			merged[i] = news[b++];
	}
	chunk->entries = merged;
	chunk->entryCount = total;
	list->stored += newCount;
}

/*
 * Put new entries, newest first, into the chunks they fall into.  What falls
 * behind the end of a truncated list is left out.
 */
static void
ListInsert(PostingList *list, const PostingEntry *news, int newCount)
{
	int			next = 0;

	if (list->chunkCount == 0 && newCount > 0)
		AddChunk(list);
	for (int c = 0; c < list->chunkCount; c++)
	{
		Chunk	   *chunk = &list->chunks[c];
		bool		takesRest = c == list->chunkCount - 1 && list->allLoaded && list->complete;
		int			first = next;

		while (next < newCount &&
			   (takesRest || !IsBehind(chunk, news[next].ts, news[next].session)))
			next++;
		if (next > first)
			ChunkMerge(list, chunk, news + first, next - first);
	}
}

/*
 * Cut chunks that have become too long, and all newer ones with them, into full
 * ones anew.
 */
static void
ListRepack(PostingList *list)
{
	int			repacked = 0;	/* so many of the newest chunks */
	int			total = 0;
	int			freshCount;
	int			from;
	int			nextNumber;
	PostingEntry *all;
	Chunk	   *fresh;

	for (int c = 0; c < list->chunkCount; c++)
		if (list->chunks[c].entryCount > (c == 0 ? POSTING_CHUNK_FULL : POSTING_CHUNK_LIMIT))
			repacked = c + 1;
	if (repacked == 0)
		return;

	for (int c = 0; c < repacked; c++)
		total += list->chunks[c].entryCount;
	all = palloc_array(PostingEntry, total);
	total = 0;
	for (int c = 0; c < repacked; c++)
	{
		memcpy(all + total, list->chunks[c].entries,
			   list->chunks[c].entryCount * sizeof(PostingEntry));
		total += list->chunks[c].entryCount;
	}

	/* Old numbers are used again, oldest first; then new ones follow. */
	freshCount = Max(repacked, (total + POSTING_CHUNK_FULL - 1) / POSTING_CHUNK_FULL);
	fresh = palloc0_array(Chunk, freshCount + list->chunkCount - repacked);
	from = total;
	nextNumber = list->chunks[0].number + 1;
	for (int i = 0; i < freshCount; i++)
	{
		Chunk	   *chunk = &fresh[freshCount - 1 - i];
		int			count = Min(POSTING_CHUNK_FULL, from);

		if (i < repacked)
			*chunk = list->chunks[repacked - 1 - i];
		else
			chunk->number = nextNumber++;
		from -= count;
		chunk->entries = all + from;
		chunk->entryCount = count;
	}
	memcpy(fresh + freshCount, list->chunks + repacked,
		   (list->chunkCount - repacked) * sizeof(Chunk));
	list->chunks = fresh;
	list->chunkCount = list->chunkCapacity = freshCount + list->chunkCount - repacked;
}

/* Drop the oldest chunks as long as enough is kept without them. */
static void
ListTrim(PostingList *list)
{
	if (!list->allLoaded)
		return;
	for (int c = list->chunkCount - 1; c > 0; c--)
	{
		Chunk	   *chunk = &list->chunks[c];

		if (list->stored - chunk->entryCount < POSTING_KEPT + POSTING_SURPLUS)
			return;
		list->stored -= chunk->entryCount;
		chunk->entryCount = 0;
	}
}

/* True if a chunk holds other entries than its row. */
static bool
IsChanged(const Chunk *chunk)
{
	if (chunk->entryCount != chunk->storedCount)
		return true;
	if (chunk->entries == chunk->stored)
		return false;
	for (int i = 0; i < chunk->entryCount; i++)
		if (chunk->entries[i].data != chunk->stored[i].data)
			return true;
	return false;
}

/* Write one chunk's row. */
static void
WriteChunk(PostingList *list, Chunk *chunk)
{
	Datum		values[POSTING_COLUMN_COUNT];
	Size		length = VARHDRSZ + POSTING_CHUNK_HEADER;
	bytea	   *data;
	uint8	   *next;

	for (int i = 0; i < chunk->entryCount; i++)
		length += chunk->entries[i].length;
	data = palloc(length);
	SET_VARSIZE(data, length);
	next = (uint8 *) VARDATA(data);
	next[0] = POSTING_VERSION;
	next[1] = chunk->entryCount;
	BytesPut(next + 2, list->stored, 2);
	BytesPut(next + 4, (uint64) list->sessions, 8);
	next += POSTING_CHUNK_HEADER;
	for (int i = 0; i < chunk->entryCount; i++)
	{
		memcpy(next, chunk->entries[i].data, chunk->entries[i].length);
		next += chunk->entries[i].length;
	}

	values[POSTING_ITEM_KEY - 1] = Int64GetDatum(list->itemKey);
	values[POSTING_CHUNK - 1] = Int32GetDatum(chunk->number);
	values[POSTING_DATA - 1] = PointerGetDatum(data);
	if (chunk->exists)
		KeyedUpdate(list->posting, &chunk->tid, values, NULL);
	else
		KeyedInsert(list->posting, values, NULL);
	pfree(data);
}

/* Write what has changed, in key order; the newest chunk also carries the counts. */
static void
ListWrite(PostingList *list, bool countsChanged)
{
	int			newest = 0;

	while (newest < list->chunkCount && list->chunks[newest].entryCount == 0)
		newest++;
	for (int c = list->chunkCount - 1; c >= 0; c--)
	{
		Chunk	   *chunk = &list->chunks[c];

		if (chunk->entryCount > 0)
		{
			if (IsChanged(chunk) || (c == newest && (countsChanged || newest > 0)))
				WriteChunk(list, chunk);
		}
		else if (chunk->exists)
			KeyedDelete(list->posting, &chunk->tid);
	}
}

/* The newest entries of a list. */
static void
TakeNewest(const PostingList *list, PostingNewest *newest)
{
	newest->sessions = list->sessions;
	newest->count = 0;
	for (int c = 0; c < list->chunkCount && newest->count < POSTING_KEPT; c++)
	{
		const Chunk *chunk = &list->chunks[c];
		int			count = Min(chunk->entryCount, POSTING_KEPT - newest->count);

		if (count == 0)
			continue;
		memcpy(newest->entries + newest->count, chunk->entries, count * sizeof(PostingEntry));
		newest->count += count;
	}
}

/* Sort entries, newest first, with the comparison inlined. */
#define ST_SORT PostingSortEntries
#define ST_ELEMENT_TYPE PostingEntry
#define ST_COMPARE(a, b) PostingCompare((a)->ts, (a)->session, (b)->ts, (b)->session)
#define ST_SCOPE
#define ST_DEFINE
#include "lib/sort_template.h"

/* Apply changes, all to the same item, to its list. */
bool
PostingApply(KeyedTable *posting, Snapshot snapshot, PostingChange *changes, int changeCount, PostingNewest *newest)
{
	PostingEntry *news = palloc_array(PostingEntry, changeCount);
	int			newCount = 0;
	int			removeCount = 0;
	TimestampTz oldestTs = DT_NOEND;
	int64		oldestSession = PG_INT64_MAX;
	int			storedBefore;
	PostingList *list;

	for (int i = 0; i < changeCount; i++)
	{
		PostingChange *change = &changes[i];

		if (change->entry != NULL)
		{
			const uint8 *next = change->entry;
			PostingEntry *entry = &news[newCount++];

			PostingNextEntry(&next, next + POSTING_ENTRY_MAX, entry);
			if (PostingCompare(entry->ts, entry->session, oldestTs, oldestSession) > 0)
			{
				oldestTs = entry->ts;
				oldestSession = entry->session;
			}
		}
		if (change->removes)
		{
			removeCount++;
			if (PostingCompare(change->oldTs, change->oldSession, oldestTs, oldestSession) > 0)
			{
				oldestTs = change->oldTs;
				oldestSession = change->oldSession;
			}
		}
	}
	PostingSortEntries(news, newCount);

	list = ListLoad(posting, snapshot, changes[0].itemKey, oldestTs, oldestSession,
					newCount - removeCount, removeCount, NULL);
	if (list->damaged)
		return false;
	storedBefore = list->stored;
	for (int i = 0; i < changeCount; i++)
		if (changes[i].removes &&
			!ListRemove(list, changes[i].oldTs, changes[i].oldSession))
			return false;
	ListInsert(list, news, newCount);
	list->sessions += newCount - removeCount;
	if (list->stored < Min(list->sessions, POSTING_KEPT))
		return false;
	ListRepack(list);
	ListTrim(list);
	ListWrite(list, list->stored != storedBefore || newCount != removeCount);
	TakeNewest(list, newest);
	return true;
}

/* Make an item's list anew from packed entries, newest first. */
int64
PostingReplace(KeyedTable *posting, Snapshot snapshot, int64 itemKey,
			   const uint8 *const *entries, int entryCount, int64 sessions, PostingNewest *newest)
{
	PostingList *list = ListLoad(posting, snapshot, itemKey, DT_NOBEGIN, PG_INT64_MIN,
								 POSTING_KEPT, 0, "the item's list is made anew from the sessions");
	PostingEntry *news = palloc_array(PostingEntry, Max(entryCount, 1));
	int64		before = list->sessions;

	for (int i = 0; i < entryCount; i++)
	{
		const uint8 *next = entries[i];

		PostingNextEntry(&next, next + POSTING_ENTRY_MAX, &news[i]);
	}
	for (int c = 0; c < list->chunkCount; c++)
		list->chunks[c].entryCount = 0;
	list->stored = 0;
	list->complete = entryCount == sessions;
	list->sessions = sessions;
	if (entryCount > 0)
	{
		if (list->chunkCount == 0)
			AddChunk(list);
		ChunkMerge(list, &list->chunks[0], news, entryCount);
	}
	ListRepack(list);
	ListWrite(list, true);
	TakeNewest(list, newest);
	return before;
}
