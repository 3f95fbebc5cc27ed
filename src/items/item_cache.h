/*
 * item_cache.h
 *		Catalogue rows that a backend keeps from call to call.
 */
#ifndef PERSONALIZE_ITEM_CACHE_H
#define PERSONALIZE_ITEM_CACHE_H

#include "postgres.h"

#include "base/row_place.h"
#include "items/item_info.h"

/* A row as it was read, all in one memory context. */
typedef struct ItemRow
{
	MemoryContext context;
	ItemInfo	info;
	double	   *numbers;		/* by ItemNumber; NULL: not read yet */
	RowMark		mark;			/* of kept rows */
	uint64		checkedBy;		/* the number of the reader that has found last that the mark holds */
} ItemRow;

/* The row that is kept of a key, as long as its mark holds; NULL: none. */
extern ItemRow *ItemCacheFind(Relation table, int64 key);

/* A row to fill and then to keep, in the place of what there was; NULL: there is no room until the transaction ends. */
extern ItemRow *ItemCacheMake(Relation table);
extern void ItemCacheKeep(ItemRow *row, int64 key);

extern void ItemCacheInit(void);

#endif
