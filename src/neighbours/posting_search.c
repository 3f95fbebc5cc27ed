/*
 * posting_search.c
 *		What a session was about, as the lists of items tell.
 *
 * A session whose row is damaged still has to be taken out of the lists it is in.  Nothing
 * says which these are, so all are read: that is rare.
 */
#include "postgres.h"

#include "neighbours/posting_search.h"

#include "access/stratnum.h"
#include "base/keyed.h"
#include "base/stored_row.h"
#include "miscadmin.h"
#include "neighbours/posting.h"

/* A chunk of an item's list that is searched for a session. */
typedef struct PostingSearch
{
	const bytea *data;
	int64		itemKey;
	int64		number;
	Session    *session;
} PostingSearch;

/* Add the item to the session if the chunk has an entry of it. */
static void
SearchChunk(void *arg)
{
	PostingSearch *search = arg;
	Session    *session = search->session;
	PostingReader reader;
	PostingEntry entry;

	PostingReaderBegin(&reader, (const uint8 *) VARDATA_ANY(search->data), VARSIZE_ANY_EXHDR(search->data));
	while (session->itemCount < SESSION_MAX_ITEMS && PostingReaderNext(&reader, &entry))
		if (entry.session == search->number)
			session->items[session->itemCount++] = (SessionItem) {.itemKey = search->itemKey,.ts = entry.ts};
}

/* Order items by time. */
static int
CompareItems(const void *left, const void *right)
{
	TimestampTz a = ((const SessionItem *) left)->ts;
	TimestampTz b = ((const SessionItem *) right)->ts;

	return (a > b) - (a < b);
}

/* What a session that cannot be read was about, as the lists of all items tell. */
void
PostingFindSession(Snapshot snapshot, Session *session)
{
	KeyedTable *postings = KeyedOpen("posting", "posting_pkey", AccessShareLock);
	TupleTableSlot *slot;

	session->itemCount = session->repeatCount = 0;
	KeyedSeek(postings, snapshot, 0, NULL, InvalidStrategy);
	while ((slot = KeyedNext(postings, ForwardScanDirection)) != NULL)
	{
		bool		isNull;
		int64		itemKey = DatumGetInt64(slot_getattr(slot, POSTING_ITEM_KEY, &isNull));
		PostingSearch search = {.itemKey = itemKey,.number = SessionNumber(session),.session = session};
		StoredRow	row;

		StoredRowBegin(&row, STORED_POSTING, (int64[]) {itemKey, DatumGetInt32(slot_getattr(slot, POSTING_CHUNK, &isNull))});
		search.data = StoredRowBytes(STORED_POSTING, slot, POSTING_DATA);
		/* a list that is damaged, too, is made anew when something changes in it */
		(void) StoredRowTry(&row, SearchChunk, &search, NULL);
		StoredRowEnd(&row);
		CHECK_FOR_INTERRUPTS();
	}
	KeyedClose(postings);
	qsort(session->items, session->itemCount, sizeof(SessionItem), CompareItems);
}
