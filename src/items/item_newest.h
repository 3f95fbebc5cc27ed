/*
 * item_newest.h
 *		What the index of the newest items of categories says, as long as it says the same.
 */
#ifndef PERSONALIZE_ITEM_NEWEST_H
#define PERSONALIZE_ITEM_NEWEST_H

#include "postgres.h"

#include "access/genam.h"
#include "datatype/timestamp.h"
#include "storage/block.h"
#include "utils/relcache.h"

/* The columns of the index of categories. */
typedef enum NewestColumn
{
	NEWEST_CATEGORY = 1,
	NEWEST_CREATED_AT,
	NEWEST_ITEM_KEY
} NewestColumn;

/* The columns of the index by age. */
typedef enum AgeColumn
{
	AGE_CREATED_AT = 1,
	AGE_ITEM_KEY,
	AGE_CATEGORY
} AgeColumn;

/* An entry of the index: of a row that may, or may not, be seen. */
typedef struct NewestEntry
{
	int64		itemKey;
	TimestampTz createdAt;
	BlockNumber block;			/* of the table */
} NewestEntry;

/* The first entries of a category, the newest first. */
typedef struct NewestEntries
{
	int			count;
	bool		all;			/* there are no more */
	NewestEntry entries[FLEXIBLE_ARRAY_MEMBER];
} NewestEntries;

/* An entry of the index by age. */
typedef struct NewestItem
{
	int64		itemKey;
	TimestampTz createdAt;
	const text *category;		/* NULL: none */
	BlockNumber block;			/* of the table */
} NewestItem;

/* The first entries of it, the newest first. */
typedef struct NewestItems
{
	int			count;
	bool		all;			/* there are no more */
	NewestItem	items[FLEXIBLE_ARRAY_MEMBER];
} NewestItems;

/* The entries of a category, if they are known and still what the index says; else NULL. */
extern const NewestEntries *ItemNewestFind(Relation index, const text *category);

/* Remember those of the page a scan of the category is at, if it begins there. */
extern void ItemNewestKeep(IndexScanDesc scan, const text *category);

/* The same of the index by age; they stay until the transaction ends. */
extern const NewestItems *ItemNewestFindAll(Relation index);
extern void ItemNewestKeepAll(IndexScanDesc scan);

#endif
