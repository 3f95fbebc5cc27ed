/*
 * page_place.h
 *		In which buffers pages were lately.
 */
#ifndef PERSONALIZE_PAGE_PLACE_H
#define PERSONALIZE_PAGE_PLACE_H

#include "postgres.h"

#include "storage/block.h"
#include "storage/buf.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

extern void PagePlaceInit(void);

/* ReleaseAndReadBuffer, quicker for pages that were read so before; the relation is not temporary. */
extern Buffer PagePlaceRead(Relation relation, BlockNumber block, Buffer previous);

/* A page is about to be read: bring what that looks at into the processor's caches. */
extern void PagePlaceFetchPage(Relation relation, BlockNumber block);

/*
 * A row is about to be read from its page: bring its line pointer into the processor's
 * caches, and when that is there, the row.
 */
extern void PagePlaceFetchPointer(Relation relation, const ItemPointerData *tid);
extern void PagePlaceFetchRow(Relation relation, const ItemPointerData *tid);

#endif
