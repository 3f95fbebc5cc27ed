/*
 * item.h
 *		The catalogue, read by key.
 */
#ifndef PERSONALIZE_ITEM_H
#define PERSONALIZE_ITEM_H

#include "postgres.h"

#include "items/item_info.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"

/* True if two texts are the same. */
static inline bool
TextIsSame(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/* Numbers that attributes may give, under one of several names. */
typedef enum ItemNumber
{
	ITEM_RATING,				/* rating, average_rating, stars */
	ITEM_REVIEWS,				/* reviews, review_count, rating_count, votes */
	ITEM_POPULARITY,			/* popularity, sales, sold */
	ITEM_STOCK,					/* stock, inventory, quantity */
	ITEM_MARGIN					/* margin */
} ItemNumber;
#define ITEM_NUMBERS (ITEM_MARGIN + 1)

typedef struct ItemReader ItemReader;

/*
 * Read catalogue rows by key, under a snapshot, as often as they are asked
 * for; a row asked for again comes from a cache.  Lives in CurrentMemoryContext
 * and needs no rights on the table.
 */
extern ItemReader *ItemReaderBegin(Snapshot snapshot);

/* These are about to be asked for: that makes many quicker.  Or of these, only whether they are offered. */
extern void ItemReaderExpect(ItemReader *reader, const int64 *keys, int count);
extern void ItemReaderExpectOffered(ItemReader *reader, const int64 *keys, int count);

/* A row, NULL if the catalogue has none; valid until the next call. */
extern const ItemInfo *ItemReaderGet(ItemReader *reader, int64 key);

/* A number that an item's attributes give; NaN if they do not. */
extern double ItemReaderNumber(ItemReader *reader, int64 key, ItemNumber number);

/* False if the catalogue says that engines must not return it (not cached). */
extern bool ItemReaderIsOffered(ItemReader *reader, int64 key);

/* True if the item is of a category. */
extern bool ItemReaderIsOf(ItemReader *reader, int64 key, const text *category);

/*
 * The newest items that engines may return: of a category, created after since and not
 * after until; or of all, with their categories, which are NULL where there is none and live
 * as long as the transaction, or the reader.  As many as there are, most at most; returns how many.
 */
extern int	ItemReaderNewestOf(ItemReader *reader, const text *category, TimestampTz since,
							   TimestampTz until, int64 *keys, int most);
extern int	ItemReaderNewest(ItemReader *reader, int64 *keys, const text **categories, int most);

/*
 * A row as the JSON object that filters see: item_id, category, brand, price,
 * currency, tags, attributes, created_at, without what is NULL.  An item that
 * the catalogue does not have is just its item_id, if that is given.
 */
extern Jsonb *ItemReaderJson(ItemReader *reader, int64 key, const text *itemId);

/* Its attributes alone, copied; NULL: it has none. */
extern Jsonb *ItemReaderAttributes(ItemReader *reader, int64 key);

/* What a member of that object is. */
typedef enum ItemMember
{
	ITEM_MEMBER_NONE,			/* there is no such */
	ITEM_MEMBER_VALUE,			/* or a list of values */
	ITEM_MEMBER_OBJECT
} ItemMember;

extern ItemMember ItemMemberKind(const char *name, int length);

/* The names of all, with commas between them. */
extern char *ItemMemberNames(void);

/*
 * The id behind a key, palloc'd: the number, the catalogue's, or the one seen in
 * events since; NULL if it is not known.
 */
extern text *ItemReaderId(ItemReader *reader, int64 key);

extern void ItemReaderEnd(ItemReader *reader);

/* Who wrote a catalogue row, and when. */
typedef struct ItemOrigin
{
	bool		exists;
	TimestampTz changedAt;		/* 0: nobody wrote it, an event that named the item did */
	char	   *source;			/* of sync_items; NULL: written otherwise */
	TimestampTz vanishedAt;		/* since when source does not have it; 0: it does */
	char	   *writtenBy;		/* the roles whose sync_items writes the column asked for; NULL: none does */
} ItemOrigin;

/* Find out about a row, and about a column of it. */
extern ItemOrigin ItemOriginRead(int64 key, const char *column);

#endif
