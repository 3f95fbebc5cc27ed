/*
 * posting.h
 *		An item's newest sessions, packed into chunks.
 */
#ifndef PERSONALIZE_POSTING_H
#define PERSONALIZE_POSTING_H

#include "postgres.h"

#include "base/bytes.h"
#include "base/keyed.h"
#include "base/stored_row.h"
#include "compat.h"
#include "datatype/timestamp.h"
#include "storage/itemptr.h"

/* Columns of posting. */
typedef enum PostingColumn
{
	POSTING_ITEM_KEY = 1,
	POSTING_CHUNK,
	POSTING_DATA
} PostingColumn;
#define POSTING_COLUMN_COUNT 3

#define POSTING_VERSION 1
#define POSTING_KEPT 256		/* sessions an item surely keeps, if it has so many */
#define POSTING_SURPLUS 64		/* and so many behind these, for removals to use up */
#define POSTING_CHUNK_FULL 32	/* entries in a chunk that is not begun anew */
#define POSTING_CHUNK_LIMIT 64	/* entries it grows to when late ones arrive */
#define POSTING_WINDOW 6		/* items before and after that an entry carries */

/*
 * A chunk is a header and entries, newest first; numbers are little-endian:
 *
 *	0  version		1 byte
 *	1  entries		1 byte
 *	2  stored		2 bytes: entries of all the item's chunks
 *	4  sessions		8 bytes: sessions of the item, kept or not
 *	12 entries:
 *		0  ts			8 bytes: when the session came to the item first
 *		8  session		8 bytes
 *		16 place		2 bytes: of the item in the session, from 0
 *		18 items before (low half), items after
 *		19 width		bytes of a key
 *		20 keys			items before, then after, in the session's order
 *
 * stored and sessions are true in the newest chunk only, so that an older one
 * need not be written when they change.
 */
#define POSTING_CHUNK_HEADER 12
#define POSTING_ENTRY_HEADER 20
#define POSTING_ENTRY_MAX (POSTING_ENTRY_HEADER + 2 * POSTING_WINDOW * 8)

/* A chunk's header. */
typedef struct PostingHeader
{
	int			entries;
	int			stored;
	int64		sessions;
} PostingHeader;

/* An entry, its window still packed. */
typedef struct PostingEntry
{
	TimestampTz ts;
	int64		session;
	int			place;
	int			before;
	int			after;
	int			width;
	const uint8 *window;
	const uint8 *data;			/* the whole entry */
	int			length;
} PostingEntry;

/* What happens to one item's list. */
typedef struct PostingChange
{
	int64		itemKey;
	bool		removes;		/* the entry (oldTs, oldSession) goes */
	TimestampTz oldTs;
	int64		oldSession;
	const uint8 *entry;			/* packed entry that comes, or NULL */
} PostingChange;

/* A walk over the entries of a chunk. */
typedef struct PostingReader
{
	PostingHeader header;
	const uint8 *next;
	const uint8 *end;
	int			left;			/* entries to come */
	TimestampTz ts;				/* of the last one */
	int64		session;
} PostingReader;

/* Read the entry at *next, and move on to the one after it. */
static inline void
PostingNextEntry(const uint8 **next, const uint8 *end, PostingEntry *entry)
{
	const uint8 *data = *next;

	if (unlikely(end - data < POSTING_ENTRY_HEADER))
		StoredRowReportDamage(STORED_POSTING, "An entry ends beyond the bytes.");
	entry->ts = (TimestampTz) BytesGet(data, 8);
	entry->session = (int64) BytesGet(data + 8, 8);
	entry->place = (int) BytesGet(data + 16, 2);
	entry->before = data[18] & 15;
	entry->after = data[18] >> 4;
	entry->width = data[19];
	entry->window = data + POSTING_ENTRY_HEADER;
	entry->data = data;
	entry->length = POSTING_ENTRY_HEADER + (entry->before + entry->after) * entry->width;
	if (unlikely(entry->before > POSTING_WINDOW || entry->after > POSTING_WINDOW ||
				 entry->width < 1 || entry->width > 8 || !IS_VALID_TIMESTAMP(entry->ts)))
		StoredRowReportDamage(STORED_POSTING, "An entry has a window, a width or a time that cannot be.");
	if (unlikely(end - data < entry->length))
		StoredRowReportDamage(STORED_POSTING, "A window ends beyond the bytes.");
	*next = data + entry->length;
}

/* The key of the index-th item of an entry's window. */
static inline int64
PostingWindowItem(const PostingEntry *entry, int index)
{
	/* the entry's header stands before */
	return (int64) BytesGetBefore(entry->window + (index + 1) * entry->width, entry->width);
}

/* How many places the index-th item of an entry's window is after the entry's own. */
static inline int
PostingWindowPlace(const PostingEntry *entry, int index)
{
	return index < entry->before ? index - entry->before : index - entry->before + 1;
}

/* Read the header of a chunk and go to its first entry. */
extern void PostingReaderBegin(PostingReader *reader, const uint8 *data, int length);

/*
 * Pack the entry of the item at a place of a session into out, which has room
 * for POSTING_ENTRY_MAX; returns its length.
 */
extern int	PostingPackEntry(const int64 *items, int itemCount, int place,
							 TimestampTz ts, int64 session, uint8 *out);

/* What an item's list has after a change: its newest entries, which point into the current context. */
typedef struct PostingNewest
{
	int64		sessions;
	int			count;
	PostingEntry entries[POSTING_KEPT];
} PostingNewest;

/*
 * Apply changes, all to the same item, to its list.  Returns false if the list
 * can no longer be kept exact from here, or is damaged, and must be made anew: PostingReplace.
 */
extern bool PostingApply(KeyedTable *posting, Snapshot snapshot,
						 PostingChange *changes, int changeCount, PostingNewest *newest);

/* Make an item's list anew from packed entries, newest first; the sessions it had by its count. */
extern int64 PostingReplace(KeyedTable *posting, Snapshot snapshot, int64 itemKey,
							const uint8 *const *entries, int entryCount, int64 sessions, PostingNewest *newest);

/* Order of entries in a list: newer first, then by session. */
static inline int
PostingCompare(TimestampTz tsA, int64 sessionA, TimestampTz tsB, int64 sessionB)
{
	if (tsA != tsB)
		return tsA > tsB ? -1 : 1;
	if (sessionA != sessionB)
		return sessionA > sessionB ? -1 : 1;
	return 0;
}

/* Sort entries in that order. */
extern void PostingSortEntries(PostingEntry *entries, size_t count);

/* The next entry of a chunk; false if that was the last. */
static inline bool
PostingReaderNext(PostingReader *reader, PostingEntry *entry)
{
	if (reader->left == 0)
	{
		if (unlikely(reader->next != reader->end))
			StoredRowReportDamage(STORED_POSTING, "There are bytes behind the last entry.");
		return false;
	}
	PostingNextEntry(&reader->next, reader->end, entry);
	if (unlikely(reader->left < reader->header.entries &&
				 PostingCompare(reader->ts, reader->session, entry->ts, entry->session) >= 0))
		StoredRowReportDamage(STORED_POSTING, "Entries are not newest first.");
	reader->ts = entry->ts;
	reader->session = entry->session;
	reader->left--;
	return true;
}

#endif
